//! Lays a [`Diagnosis`] out as text. The renderers write no wording of their own about a finding.
//!
//! All text from outside (claims, policy, messages) passes through [`clean`] here, and through what its format needs besides:
//! Markdown in [`summary`], workflow commands in [`github`].

pub mod console;
pub mod github;
pub mod json;
pub mod summary;

use crate::diagnose::{CauseStatus, Certainty, Conclusion, Diagnosis, Finding, StageStatus};

/// The most findings that one report shows in full.
const MOST_FINDINGS: usize = 20;

/// The first line of every report.
#[must_use]
pub fn headline(diagnosis: &Diagnosis) -> String {
    match (diagnosis.conclusion, diagnosis.cause()) {
        (Conclusion::Denied, Some(cause)) => format!("the role cannot be assumed: {}", cause.message),
        (Conclusion::Denied, None) => "the role cannot be assumed, and what is known does not tell why".to_owned(),
        (Conclusion::Undecided, Some(cause)) => format!("undecided; possible: {}", cause.message),
        (Conclusion::Undecided, None) => "undecided: too little is known".to_owned(),
        (Conclusion::Allowed, _)
            if diagnosis
                .stages
                .iter()
                .any(|stage| stage.detail == "AWS gave a session") =>
        {
            "the role can be assumed: AWS let the token in".to_owned()
        }
        (Conclusion::Allowed, _) => "nothing that blocks was found: the trust policy lets this token in".to_owned(),
    }
}

/// The cause's number, certainty and id, for under the headline.
#[must_use]
pub fn subline(finding: &Finding) -> String {
    let number = finding.cause.map_or_else(
        || "beyond the eight causes".to_owned(),
        |cause| format!("cause {} of 8", cause.number()),
    );
    format!("{number}, {}, `{}`", finding.certainty.name(), finding.id)
}

fn cause_word(status: CauseStatus) -> &'static str {
    match status {
        CauseStatus::Applies => "applies",
        CauseStatus::RuledOut => "ruled out",
        CauseStatus::Undecided => "undecided",
    }
}

fn stage_word(status: StageStatus) -> &'static str {
    match status {
        StageStatus::Passed => "passed",
        StageStatus::Failed => "failed",
        StageStatus::Undecided => "undecided",
        StageStatus::NotReached => "not reached",
    }
}

/// The certainty in words where it is not certain.
fn hedge(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Certain => "",
        Certainty::Likely => "likely: ",
        Certainty::Possible => "possible: ",
    }
}

/// Text from outside for one line: control characters, terminal escapes and characters that turn the direction of writing are
/// shown as what they are.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c if is_unseen(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    // `##[command]` is a workflow command anywhere in a line.
    out.replace("##[", "# #[")
}

/// [`clean`] for a text of several lines; they stay lines.
#[must_use]
pub fn clean_lines(text: &str) -> String {
    text.lines()
        .map(|line| clean(&line.replace('\t', "    ")))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Is it a character that is not seen, or that changes how others are seen?
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A text cut to a number of characters.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_unseen_gets_through() {
        for (text, want) in [
            ("plain `text`", "plain `text`"),
            ("a\u{1b}[31mred", "a\\u{1b}[31mred"),
            ("a\nb\rc", "a b c"),
            ("\u{202e}evil", "\\u{202e}evil"),
            ("##[error]x", "# #[error]x"),
            ("\u{9b}1m", "\\u{9b}1m"),
        ] {
            assert_eq!(clean(text), want);
        }
    }

    proptest::proptest! {
        #[test]
        fn cleaned_text_is_one_line_without_controls(text in "\\PC*|.*") {
            let cleaned = clean(&text);
            proptest::prop_assert!(!cleaned.contains("##["));
            proptest::prop_assert!(!cleaned.chars().any(is_unseen));
        }
    }
}
