//! The job summary, in Markdown.

use std::fmt::Write as _;

use super::{MOST_FINDINGS, cause_word, clean, clean_lines, cut, headline, hedge, stage_word, subline};
use crate::diagnose::{CauseStatus, Conclusion, Diagnosis, Document, Finding, Severity, StageStatus};
use crate::fix::Fix;

/// The runner drops a summary over 1 MiB as a whole; this stays well under it.
const MOST: usize = 900 * 1024;
/// The most characters of one fenced text.
const MOST_BLOCK: usize = 20_000;

/// The summary; under 1 MiB whatever is in it.
#[must_use]
pub fn render(diagnosis: &Diagnosis) -> String {
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
            code(&format!("aws-oidc-doctor explain {}", cause.id))
        );
    }
    if !diagnosis.facts.is_empty() {
        out.push_str("| | |\n|---|---|\n");
        for (name, value) in &diagnosis.facts {
            let _ = writeln!(out, "| {name} | {} |", code(&cut(value, 400)));
        }
        out.push('\n');
    }
    for finding in diagnosis.findings.iter().take(MOST_FINDINGS) {
        let section = section(diagnosis, finding);
        if out.len() + section.len() < MOST {
            out.push_str(&section);
        }
    }
    for note in &diagnosis.notes {
        let _ = writeln!(out, "> {}\n", inline(note));
    }
    let mut rest = String::new();
    rest.push_str("### The eight causes\n\n| # | cause | | because |\n|---|---|---|---|\n");
    for row in &diagnosis.causes {
        let word = cause_word(row.status);
        let word = if row.status == CauseStatus::Applies {
            format!("**{word}**")
        } else {
            word.to_owned()
        };
        let _ = writeln!(
            rest,
            "| {} | {} | {word} | {} |",
            row.cause.number(),
            inline(row.cause.title()),
            inline(&cut(&row.because, 300))
        );
    }
    rest.push_str("\n### The hand-shake, step by step\n\n| step | | |\n|---|---|---|\n");
    for row in &diagnosis.stages {
        let word = stage_word(row.status);
        let word = if row.status == StageStatus::Failed {
            format!("**{word}**")
        } else {
            word.to_owned()
        };
        let _ = writeln!(
            rest,
            "| {} | {word} | {} |",
            row.stage.name(),
            inline(&cut(&row.detail, 300))
        );
    }
    if !diagnosis.gaps.is_empty() {
        rest.push_str("\n### Not known\n\n");
        for gap in &diagnosis.gaps {
            let _ = writeln!(
                rest,
                "- **{}**: {}. To supply it: {}",
                inline(&gap.wanted),
                inline(&cut(&gap.why, 400)),
                inline(&gap.supply)
            );
        }
    }
    if let Some(claims) = &diagnosis.claims {
        let _ = writeln!(
            rest,
            "\n<details><summary>Claims of the token</summary>\n\n{}\n</details>",
            fence("json", &claims.text)
        );
    }
    if out.len() + rest.len() < MOST {
        out.push_str(&rest);
    }
    out
}

fn section(diagnosis: &Diagnosis, finding: &Finding) -> String {
    let mut out = String::new();
    let kind = match finding.severity {
        Severity::Blocks => "Blocks",
        Severity::Risk => "Risk",
        Severity::Note => "Note",
    };
    let _ = writeln!(
        out,
        "### {kind}: {}{}\n",
        hedge(finding.certainty),
        inline(&finding.message)
    );
    for label in &finding.labels {
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
    if finding
        .labels
        .iter()
        .any(|label| label.document == Document::TrustPolicy)
        && let Some(policy) = &diagnosis.policy
    {
        let _ = writeln!(
            out,
            "<details><summary>The trust policy</summary>\n\n{}\n</details>\n",
            fence("json", &policy.text)
        );
    }
    for note in &finding.notes {
        let _ = writeln!(out, "- {}", inline(note));
    }
    for help in &finding.help {
        let _ = writeln!(out, "- **{}**", inline(help));
    }
    out.push('\n');
    for (i, fix) in finding.fixes.iter().enumerate() {
        out.push_str(&self::fix(i, fix));
    }
    out
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
    for note in &fix.notes {
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
fn inline(text: &str) -> String {
    let text = clean(text);
    let mut out = String::with_capacity(text.len() + 16);
    // Pairs of single backticks become code spans; what is in them is not markup, what is outside is escaped.
    let mut parts = text.split('`').peekable();
    let mut inside = false;
    while let Some(part) = parts.next() {
        let closes = parts.peek().is_some();
        if inside && closes {
            out.push_str(&code(part));
        } else {
            if inside {
                out.push_str("\\`");
            }
            out.push_str(&escape(part));
        }
        inside = !inside;
    }
    out
}

/// Escapes what Markdown and HTML read as markup.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // An address would become a link, a name a mention, a number a reference.
            '@' => out.push_str("&#64;"),
            ':' => out.push_str("&#58;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '|' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// A code span, as HTML: no run of backticks can end it, and a `|` does not end a table's cell.
fn code(text: &str) -> String {
    let text = clean(text);
    let mut out = String::from("<code>");
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_ascii_punctuation() => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push_str("</code>");
    out
}

/// A fenced block whose fence is longer than any run of backticks in it.
fn fence(language: &str, text: &str) -> String {
    let text = cut(&clean_lines(text), MOST_BLOCK);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let ticks = "`".repeat(longest.max(2) + 1);
    format!("{ticks}{language}\n{text}\n{ticks}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_from_outside_is_text() {
        for (text, want) in [
            ("a `b` c", "a <code>b</code> c"),
            ("<img src=x>", "&lt;img src=x&gt;"),
            ("[x](https://e)", "\\[x\\]\\(https&#58;//e\\)"),
            ("a `b", "a \\`b"),
            ("`a|b`", "<code>a&#124;b</code>"),
            ("@everyone", "&#64;everyone"),
        ] {
            assert_eq!(inline(text), want);
        }
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

        #[test]
        fn no_tag_gets_through(text in "[<>a-z/&` |\\[\\]()!]*") {
            let rendered = inline(&text).replace("<code>", "").replace("</code>", "");
            proptest::prop_assert!(!rendered.contains('<') && !rendered.contains('>'));
        }
    }
}
