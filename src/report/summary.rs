//! The job summary, in Markdown.

use std::fmt::Write as _;

use super::{
    MOST_FINDINGS, MOST_LINES, Report, cause_word, clean, clean_lines, cut, headline, hedge, one_is_enough, stage_word,
    subline,
};
use crate::finding::Fix;
use crate::finding::{CauseStatus, Conclusion, Diagnosis, Document, Found, Severity, StageStatus};

/// The most bytes of a step's summary: the runner drops one over 1 MiB as a whole.
/// (actions/runner, `CreateStepSummaryCommand`, `AttachmentSizeLimit`.)
const MOST: usize = 900 * 1024;
/// Room for the line that says what was left out.
const NOTICE: usize = 200;
/// Longer runs of backticks are cut: cmark takes no code span of more than 80, and counts a fence's to 255.
const MOST_TICKS: usize = 16;

/// The summary of a step: all its runs, together under what the runner takes.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    if report.is_several() {
        let _ = writeln!(out, "{}\n", inline(&report.headline()));
    }
    for run in report.runs().filter(|run| !run.chain.is_empty()) {
        let _ = writeln!(out, "{}\n\n| | |\n|---|---|", inline(&run.headline()));
        for (hop, line) in run.hops() {
            let _ = writeln!(
                out,
                "| {} | {} |",
                cell(&inline(&line)),
                cell(&inline(&headline(&hop.diagnosis)))
            );
        }
        out.push('\n');
    }
    let all = report.diagnoses().count();
    for (i, diagnosis) in report.diagnoses().enumerate() {
        let runs = all - i;
        let share = MOST.saturating_sub(out.len()) / runs;
        let run = within(diagnosis, share);
        if out.len() + run.len() > MOST {
            let _ = writeln!(
                out,
                "*{runs} more requests are omitted to keep the summary within its size limit.*"
            );
            break;
        }
        out.push_str(&run);
    }
    out
}

/// A run in about so many bytes: what it comes to always, then the tables, each finding's message, and the fixes as far as there
/// is room.
fn within(diagnosis: &Diagnosis, most: usize) -> String {
    let mut out = head(diagnosis);
    let mut room = most.saturating_sub(out.len() + NOTICE);
    let mut left_out = false;
    let mut fits = |text: &str| {
        let fits = text.len() <= room;
        room = room.saturating_sub(if fits { text.len() } else { 0 });
        left_out |= !fits;
        fits
    };
    let tables = tables(diagnosis);
    let tables = if fits(&tables) { tables } else { String::new() };
    let findings = || diagnosis.findings.iter().take(MOST_FINDINGS);
    let messages: Vec<Option<String>> = findings()
        .map(|finding| Some(message(diagnosis, finding)).filter(|text| fits(text)))
        .collect();
    let notes: String = diagnosis
        .notes
        .iter()
        .take(MOST_LINES)
        .map(|note| format!("> {}\n\n", inline(note)))
        .filter(|note| fits(note))
        .collect();
    let mut shows_policy = true;
    for (finding, message) in findings().zip(messages) {
        let Some(message) = message else { continue };
        out.push_str(&message);
        if let Some(policy) = policy(diagnosis, finding).filter(|text| shows_policy && fits(text)) {
            out.push_str(&policy);
            shows_policy = false;
        }
        let words = one_is_enough(finding.fixes.len()).map(|words| format!("*{words}:*\n\n"));
        out.extend(words.filter(|words| fits(words)));
        for (i, fix) in finding.fixes.iter().enumerate() {
            let fix = self::fix(i, fix);
            if fits(&fix) {
                out.push_str(&fix);
            }
        }
    }
    out.push_str(&notes);
    out.push_str(&tables);
    for text in [told(diagnosis), claims(diagnosis)] {
        if fits(&text) {
            out.push_str(&text);
        }
    }
    if left_out || diagnosis.findings.len() > MOST_FINDINGS {
        out.push_str("\n*Parts of the report are omitted to keep the summary within its size limit; see the log for the rest.*\n");
    }
    out
}

fn head(diagnosis: &Diagnosis) -> String {
    let mut out = String::new();
    let mark = match diagnosis.conclusion {
        Conclusion::Allowed => "✅",
        Conclusion::Denied => "❌",
        Conclusion::Undecided => "❔",
    };
    let _ = writeln!(out, "## {mark} {}\n", inline(&headline(diagnosis)));
    if let Some(cause) = diagnosis.cause() {
        let _ = writeln!(
            out,
            "{} · more: {}\n",
            inline(&subline(cause)),
            code(&format!("aws-oidc-doctor explain {}", cause.rule.id))
        );
    }
    if !diagnosis.facts.is_empty() {
        out.push_str("| | |\n|---|---|\n");
        for (name, value) in &diagnosis.facts {
            let _ = writeln!(out, "| {name} | {} |", cell(&code(&cut(value, 400))));
        }
        out.push('\n');
    }
    out
}

/// The eight causes, the handshake, and what is not known.
fn tables(diagnosis: &Diagnosis) -> String {
    let mut out = String::from("### The eight causes\n\n| # | cause | | because |\n|---|---|---|---|\n");
    for row in &diagnosis.causes {
        let word = cause_word(row.status);
        let word = if row.status == CauseStatus::Applies {
            format!("**{word}**")
        } else {
            word.to_owned()
        };
        let _ = writeln!(
            out,
            "| {} | {} | {word} | {} |",
            row.cause.number(),
            cell(&inline(row.cause.title())),
            cell(&inline(&cut(&row.because, 300)))
        );
    }
    out.push_str("\n### The handshake, step by step\n\n| step | | |\n|---|---|---|\n");
    for row in &diagnosis.stages {
        let word = stage_word(row.status);
        let word = if row.status == StageStatus::Failed {
            format!("**{word}**")
        } else {
            word.to_owned()
        };
        let _ = writeln!(
            out,
            "| {} | {word} | {} |",
            row.stage.name(),
            cell(&inline(&cut(&row.detail, 300)))
        );
    }
    if !diagnosis.gaps.is_empty() {
        out.push_str("\n### Missing information\n\n");
        for gap in &diagnosis.gaps {
            let _ = writeln!(
                out,
                "- {}: {}. How to supply it: {}",
                bold(&gap.wanted),
                inline(&cut(&gap.why, 400)),
                inline(&gap.supply)
            );
        }
    }
    out
}

fn claims(diagnosis: &Diagnosis) -> String {
    let Some(claims) = &diagnosis.claims else {
        return String::new();
    };
    format!(
        "\n<details><summary>Claims of the token</summary>\n\n{}\n</details>\n",
        fence("json", &claims.text)
    )
}

/// What the token says, and what lets it in.
fn told(diagnosis: &Diagnosis) -> String {
    let Some(told) = &diagnosis.told else {
        return String::new();
    };
    let mut out = String::from("\n### The token\n\n| part of the subject | comes from | claim |\n|---|---|---|\n");
    for (part, place) in told.parts.iter().take(MOST_LINES) {
        let place = place.as_ref().map(|place| format!(": {place}")).unwrap_or_default();
        let claim = part.claim.as_ref().map(|claim| code(claim)).unwrap_or_default();
        let from = inline(&format!("{}{place}", part.from));
        let _ = writeln!(
            out,
            "| {} | {} | {} |",
            cell(&code(&cut(&part.text, 400))),
            cell(&from),
            cell(&claim)
        );
    }
    out.push('\n');
    const TITLES: [&str; 2] = [
        "The smallest trust policy that accepts this token",
        "One that later runs fit as well",
    ];
    for (fix, title) in told.least.iter().zip(TITLES) {
        let _ = writeln!(out, "<details><summary>{title}</summary>\n");
        for (name, language, text) in [
            ("JSON", "json", &fix.text),
            ("Terraform", "hcl", &fix.terraform),
            ("CloudFormation", "yaml", &fix.cloudformation),
        ] {
            let _ = writeln!(out, "{name}\n\n{}", fence(language, text));
        }
        for note in &fix.notes {
            let _ = writeln!(out, "- {}", inline(note));
        }
        out.push_str("\n</details>\n");
    }
    if let Some(command) = &told.finish {
        let _ = writeln!(
            out,
            "\n{}\n\n{}",
            inline(super::claims::FINISH),
            fence("shell", command)
        );
    }
    out
}

/// What a finding says, and where.
fn message(diagnosis: &Diagnosis, finding: &Found) -> String {
    let mut out = String::new();
    let kind = match finding.severity {
        Severity::Blocks => "Blocks",
        Severity::Risk => "Risk",
        Severity::Note => "Note",
    };
    let _ = writeln!(
        out,
        "### {kind}: {}{}\n",
        hedge(finding.certainty()),
        inline(&finding.message)
    );
    for label in finding.labels.iter().take(MOST_LINES) {
        let Some(source) = diagnosis.document(label.document) else {
            continue;
        };
        let position = source.position(label.span.start);
        let what = source.text.get(label.span.start..label.span.end).unwrap_or_default();
        let place = match label.document {
            Document::Claims => String::new(),
            _ => format!(", line {}, column {}", position.line, position.column),
        };
        let what = what.lines().next().unwrap_or_default();
        let _ = writeln!(
            out,
            "- {}{place}: {} — {}",
            inline(&source.name),
            code(&cut(what, 300)),
            inline(&cut(&label.text, 300))
        );
    }
    out.push('\n');
    for note in finding.notes.iter().take(MOST_LINES) {
        let _ = writeln!(out, "- {}", inline(note));
    }
    for help in finding.help.iter().take(MOST_LINES) {
        let _ = writeln!(out, "- {}", bold(help));
    }
    out.push('\n');
    out
}

/// The trust policy, where a finding points into it.
fn policy(diagnosis: &Diagnosis, finding: &Found) -> Option<String> {
    let mut documents = finding.labels.iter().map(|label| label.document);
    let policy = diagnosis.policy.as_ref()?;
    documents.any(|document| document == Document::TrustPolicy).then(|| {
        format!(
            "<details><summary>The trust policy</summary>\n\n{}\n</details>\n\n",
            fence("json", &policy.text)
        )
    })
}

fn fix(index: usize, fix: &Fix) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "#### Fix {}: {}\n", index + 1, inline(&fix.title));
    if !fix.diff.is_empty() {
        let _ = writeln!(out, "{}", fence("diff", &fix.diff));
    } else if !fix.text.is_empty() {
        let _ = writeln!(out, "{}", fence("yaml", &fix.text));
    }
    if !fix.command.is_empty() {
        let _ = writeln!(out, "{}", fence("shell", &fix.command));
    }
    for note in fix.notes.iter().take(MOST_LINES) {
        let _ = writeln!(out, "- {}", inline(note));
    }
    let more = [
        (
            "The whole policy",
            "json",
            if fix.diff.is_empty() || fix.patch.is_empty() {
                ""
            } else {
                &fix.text
            },
        ),
        ("Terraform", "hcl", &fix.terraform),
        ("CloudFormation", "yaml", &fix.cloudformation),
    ];
    for (name, language, text) in more {
        if !text.is_empty() {
            let _ = writeln!(
                out,
                "<details><summary>{name}</summary>\n\n{}\n</details>",
                fence(language, text)
            );
        }
    }
    out.push('\n');
    out
}

/// Text for a line of Markdown: nothing in it is markup but code spans, which our own messages use around what comes from outside.
///
/// A code span is the one place where GitHub makes nothing of a text: neither the links of cmark-gfm's `autolink`, which sees
/// through escapes, entities and `<code>`, nor mentions, references, emoji and formulas. So words that could be one of these, or
/// markup, become code spans as well.
fn inline(text: &str) -> String {
    let text = clean(text);
    let mut out = String::with_capacity(text.len() + 16);
    let mut parts = text.split('`').peekable();
    let mut inside = false;
    while let Some(part) = parts.next() {
        match (inside, parts.peek()) {
            (true, Some(_)) => push_code(&mut out, part),
            // It opens nothing, and goes with the word behind it.
            (true, None) => words(&mut out, &format!("`{part}")),
            (false, _) => words(&mut out, part),
        }
        inside = !inside;
    }
    out.truncate(out.trim_end().len());
    out
}

fn bold(text: &str) -> String {
    let text = inline(text);
    // Four asterisks alone are a line.
    if text.is_empty() { text } else { format!("**{text}**") }
}

/// What may stand around a plain word.
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

/// Is it a word in which neither Markdown nor GitHub sees anything? No address, name, commit or reference is one.
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
    // Two fences in a row would be one.
    if out.ends_with('`') {
        out.push(' ');
    }
    out.push_str(&code(text));
}

/// A code span: its fence is longer than any run of backticks in it.
fn code(text: &str) -> String {
    let (text, ticks) = ticks(&clean(text));
    // One blank at both ends is taken off again, and keeps a backtick apart from the fence. (CommonMark, "Code spans".)
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

/// Markdown for a table's cell, where a `|` would end it even in a code span.
fn cell(markdown: &str) -> String {
    markdown.replace('|', "\\|")
}

/// A fenced block whose fence is longer than any run of backticks in it.
fn fence(language: &str, text: &str) -> String {
    let (text, ticks) = ticks(&clean_lines(text));
    let ticks = format!("``{ticks}");
    format!("{ticks}{language}\n{text}\n{ticks}\n")
}

/// The text with no very long run of backticks, and a run longer than all that are in it.
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
