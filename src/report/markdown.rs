//! Untrusted text as inert Markdown: no link, no tag, no mention.

use super::{clean, clean_lines};

/// Longer runs of backticks are cut: cmark accepts at most 80 around a code span, and counts a fence's to 255.
const MOST_TICKS: usize = 16;

/// Text for a line of Markdown: its only markup is code spans, which our own messages put around untrusted text.
///
/// A code span is the one place where GitHub leaves text alone: it makes no links (cmark-gfm's `autolink` sees through escapes,
/// entities and `<code>`), mentions, references, emoji or formulas there. So words that could be one of these, or markup, become
/// code spans as well.
pub(super) fn inline(text: &str) -> String {
    let text = clean(text);
    let mut out = String::with_capacity(text.len() + 16);
    let mut parts = text.split('`').peekable();
    let mut inside = false;
    while let Some(part) = parts.next() {
        match (inside, parts.peek()) {
            (true, Some(_)) => push_code(&mut out, part),
            // An unpaired backtick belongs to the word after it.
            (true, None) => words(&mut out, &format!("`{part}")),
            (false, _) => words(&mut out, part),
        }
        inside = !inside;
    }
    out.truncate(out.trim_end().len());
    out
}

pub(super) fn bold(text: &str) -> String {
    let text = inline(text);
    // Four asterisks alone are a horizontal rule.
    if text.is_empty() { text } else { format!("**{text}**") }
}

/// What may precede a plain word.
const BEFORE: [char; 3] = ['(', '"', '\''];
const AFTER: [char; 10] = [')', '"', '\'', '.', ',', ';', ':', '!', '?', '…'];

fn words(out: &mut String, text: &str) {
    for (i, word) in text.split(' ').enumerate() {
        if i > 0 && !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
        let bare = word.trim_start_matches(BEFORE);
        let head = word.len() - bare.len();
        let core = bare.trim_end_matches(AFTER);
        // `1.` begins a list.
        let begins_list = out.is_empty() && core.bytes().all(|byte| byte.is_ascii_digit()) && bare.len() > core.len();
        if core.is_empty() || is_plain(core) && !begins_list {
            out.push_str(word);
        } else if begins_list {
            push_code(out, word);
        } else {
            out.push_str(word.get(..head).unwrap_or_default());
            push_code(out, core);
            out.push_str(bare.get(core.len()..).unwrap_or_default());
        }
    }
}

/// Whether neither Markdown nor GitHub treats a word specially. Addresses, names, commits and references aren't plain.
fn is_plain(word: &str) -> bool {
    let is_commit = |run: &str| run.len() >= 7 && run.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut parts = word.split('-');
    let first = parts.next().unwrap_or_default();
    let is_text = word.chars().all(|c| c.is_alphanumeric() || "-'’/–—".contains(c));
    is_text
        && (first.starts_with(char::is_alphanumeric) || word == "—")
        && !word.to_lowercase().ends_with("www")
        && !parts.any(|part| part.starts_with(|c: char| c.is_ascii_digit()))
        && !word.split(|c: char| !c.is_ascii_alphanumeric()).any(is_commit)
}

fn push_code(out: &mut String, text: &str) {
    // Two adjacent fences would merge.
    if out.ends_with('`') {
        out.push(' ');
    }
    out.push_str(&code(text));
}

/// A code span: its fence is longer than any run of backticks in it.
pub(super) fn code(text: &str) -> String {
    let (text, ticks) = ticks(&clean(text));
    // One space at each end is stripped again; it separates a backtick from the fence. (CommonMark, "Code spans".)
    let is_blank = text.bytes().all(|byte| byte == b' ');
    let has_both = |end: char| text.starts_with(end) || text.ends_with(end);
    let pad = if text.is_empty() || !is_blank && (has_both('`') || text.starts_with(' ') && text.ends_with(' ')) {
        " "
    } else {
        ""
    };
    let last = if text.is_empty() { "" } else { pad };
    format!("{ticks}{pad}{text}{last}{ticks}")
}

/// Markdown for a table cell, which a `|` would end even in a code span.
pub(super) fn cell(markdown: &str) -> String {
    markdown.replace('|', "\\|")
}

/// A fenced block whose fence is longer than any run of backticks in it.
pub(super) fn fence(language: &str, text: &str) -> String {
    let (text, ticks) = ticks(&clean_lines(text));
    let ticks = format!("``{ticks}");
    format!("{ticks}{language}\n{text}\n{ticks}\n")
}

/// The text without very long runs of backticks, and a run longer than any in it.
fn ticks(text: &str) -> (String, String) {
    let mut out = String::with_capacity(text.len());
    let (mut run, mut longest) = (0, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
        match run {
            0..=MOST_TICKS => out.push(c),
            _ if run == MOST_TICKS + 1 => out.push('…'),
            _ => {}
        }
    }
    (out, "`".repeat(longest.min(MOST_TICKS) + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_from_outside_is_text() {
        for (text, want) in [
            ("a `b` c", "a `b` c"),
            (
                "plain words, (as \"we\" write them): 25 of the job's 8.",
                "plain words, (as \"we\" write them): 25 of the job's 8.",
            ),
            ("<img src=x>", "`<img` `src=x>`"),
            ("[x](https://e)", "`[x](https://e`)"),
            ("a `b", "a `` `b ``"),
            ("`a|b`", "`a|b`"),
            ("`a`` `b", "`a` ` `b"),
            ("in `a`, (`b`) and `c`: so", "in `a`, (`b`) and `c`: so"),
            ("@everyone", "`@everyone`"),
            ("see www.evil.example/x.", "see `www.evil.example/x`."),
            ("mailto:a@b.c", "`mailto:a@b.c`"),
            (
                "octo/repo#1, GH-1, 1234567, :tada: and $x$",
                "`octo/repo#1`, `GH-1`, `1234567`, `:tada`: and `$x$`",
            ),
            ("1. one", "`1.` one"),
            ("- one", "`-` one"),
            ("", ""),
        ] {
            assert_eq!(inline(text), want);
        }
        let many = "`".repeat(300);
        assert_eq!(code(&format!("{many}x")).matches('`').count(), 16 + 2 * 17);
    }

    proptest::proptest! {
        #[test]
        fn a_fence_is_longer_than_what_it_holds(text in "[`a\n]*") {
            let fenced = fence("json", &text);
            let fence = fenced.lines().next().unwrap().trim_end_matches("json").to_owned();
            let inner: Vec<&str> = fenced.lines().skip(1).collect();
            let closing = inner.iter().position(|line| line.trim() == fence).unwrap();
            proptest::prop_assert_eq!(closing, inner.len() - 1);
        }
    }
}
