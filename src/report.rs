//! One [`Report`] of everything diagnosed in a run, and its layout as text. The renderers add no wording of their own about a finding.
//!
//! All untrusted text (claims, policy, messages) passes through [`clean`] here, and through whatever else its format needs:
//! Markdown in [`summary`], workflow commands in [`github`].

pub mod check;
pub mod claims;
pub mod console;
pub mod expectations;
pub mod fixed;
pub mod generate;
pub mod github;
mod item;
pub mod json;
mod markdown;
mod pages;
pub mod predict;
pub mod sarif;
mod several;
pub mod summary;

use std::iter::once;

pub use pages::Pages;

use crate::configure::Input;
use crate::diagnose::diagnose;
use crate::evidence::Evidence;
use crate::finding::{
    Cause, CauseStatus, Certainty, Conclusion, Diagnosis, Document, Found, Label, Session, Severity, StageStatus,
    Target,
};
use crate::text::SourceText;
use crate::text::unseen::push_shown;

/// The most findings that one report shows in full.
const MOST_FINDINGS: usize = 20;
/// The most labels, notes or other lines of a kind that a finding shows.
const MOST_LINES: usize = 20;
/// The most characters of one line, and of one name or value in it. (GitHub's subjects are shorter.)
const MOST_LINE: usize = 2000;
const MOST_NAME: usize = 600;
/// The most bytes of one block: a diff, a policy, a snippet to paste.
const MOST_BLOCK: usize = 20_000;

/// What fails a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FailOn {
    /// The role cannot be assumed, or it is undecided.
    #[default]
    Blocks,
    /// Nothing.
    Never,
    /// The policy accepts more than it should, too.
    Risk,
}

/// Everything diagnosed: usually one role, more if a job configures credentials more than once.
#[derive(Debug, Clone)]
pub struct Report {
    first: Run,
    more: Vec<Run>,
    /// Steps of the job that were not checked, in words.
    left_out: Vec<String>,
    /// Where the checks' pages are.
    pages: Pages,
}

/// One diagnosis and its subject.
#[derive(Debug, Clone)]
pub struct Run {
    /// The requested role, as written.
    pub role: Option<String>,
    /// Where the inputs were read if no input named them.
    pub source: Option<String>,
    /// The diagnosis; for a chain, that of the deciding hop.
    pub diagnosis: Diagnosis,
    /// All hops of a chain, in order; empty if there is only one.
    pub chain: Vec<Self>,
}

impl Report {
    /// Returns the report of these runs; for none, that nothing is known.
    #[must_use]
    pub fn of(runs: &[Evidence]) -> Self {
        let mut all: Vec<Run> = runs.iter().map(Run::of).collect();
        several::compare(runs, &mut all);
        Self {
            left_out: runs.iter().flat_map(|run| &run.left_out).cloned().collect(),
            ..all.into_iter().collect()
        }
    }

    /// Adds links to the checks' pages.
    #[must_use]
    pub fn with_pages(mut self, pages: Pages) -> Self {
        self.pages = pages;
        self
    }

    /// Returns all runs, in order.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        once(&self.first).chain(&self.more)
    }

    /// Returns every diagnosis: the hops of all runs, in order.
    pub fn diagnoses(&self) -> impl Iterator<Item = &Diagnosis> {
        self.runs().flat_map(|run| {
            let alone = run.chain.is_empty().then_some(run);
            run.chain.iter().chain(alone).map(|run| &run.diagnosis)
        })
    }

    /// Returns the run that represents all: the first that fails the step, else the first that doesn't pass, else the first.
    #[must_use]
    pub fn deciding(&self) -> &Run {
        let fails = self.runs().find(|run| run.diagnosis.exit_code() != 0);
        fails
            .or_else(|| self.runs().find(|run| !run.passes()))
            .unwrap_or(&self.first)
    }

    /// Returns 0 (allowed), 1 (denied) or 3 (undecided) for the deciding run; 1 for a risk if risks fail the step; always 0 if nothing
    /// does.
    #[must_use]
    pub fn exit_code(&self, fail_on: FailOn) -> u8 {
        let has_risk = || {
            let mut findings = self.diagnoses().flat_map(|diagnosis| &diagnosis.findings);
            findings.any(|found| found.severity == Severity::Risk)
        };
        match fail_on {
            FailOn::Never => 0,
            FailOn::Risk if has_risk() => 1,
            FailOn::Blocks | FailOn::Risk => self.deciding().diagnosis.exit_code(),
        }
    }

    /// Returns the result in one line.
    #[must_use]
    pub fn headline(&self) -> String {
        let headline = self.deciding().headline();
        if !self.is_several() {
            return headline;
        }
        let passing = self.runs().filter(|run| run.passes()).count();
        let which = if passing == self.runs().count() {
            "the first"
        } else {
            "the first that fails"
        };
        format!("{}; {which}: {headline}", self.count())
    }

    /// Says how many of several requests pass.
    fn count(&self) -> String {
        let (all, passing) = (self.runs().count(), self.runs().filter(|run| run.passes()).count());
        match self.left_out.len() {
            0 => format!("{passing} of {all} requests pass"),
            left_out => format!("{passing} of {all} requests pass, {left_out} not checked"),
        }
    }

    fn is_several(&self) -> bool {
        !self.more.is_empty() || !self.left_out.is_empty()
    }
}

impl Run {
    fn of(evidence: &Evidence) -> Self {
        if evidence.chain.is_empty() {
            return Self::of_hop(evidence);
        }
        let mut hops: Vec<Self> = evidence.hops().map(|hop| Self::of_hop(&hop)).collect();
        let roles: Vec<_> = hops.iter().map(|hop| hop.role.clone()).collect();
        for (at, hop) in hops.iter_mut().enumerate() {
            let before = roles
                .iter()
                .take(at)
                .position(|role| hop.role.is_some() && *role == hop.role);
            let said = before.map(|before| format!("the chain returns to the role of hop {} here", before + 1));
            hop.diagnosis.notes.extend(said);
        }
        further(&mut hops);
        let is = |conclusion| hops.iter().find(|hop| hop.diagnosis.conclusion == conclusion);
        // The job continues with the last hop's session, and every hop before it has to pass.
        let deciding = is(Conclusion::Denied).or(is(Conclusion::Undecided)).or(hops.last());
        let deciding = deciding.cloned().unwrap_or_else(|| Self::of_hop(evidence));
        Self {
            chain: hops,
            ..deciding
        }
    }

    /// Returns the first line; for a chain, with the number of the deciding hop.
    #[must_use]
    pub fn headline(&self) -> String {
        let headline = headline(&self.diagnosis);
        match self.deciding_hop() {
            Some(hop) => format!("hop {hop} of {}: {headline}", self.chain.len()),
            None => headline,
        }
    }

    /// The number of a chain's deciding hop.
    fn deciding_hop(&self) -> Option<usize> {
        let same = |hop: &Self| hop.diagnosis.conclusion == self.diagnosis.conclusion;
        let at = match self.diagnosis.conclusion {
            Conclusion::Allowed => self.chain.iter().rposition(same),
            Conclusion::Denied | Conclusion::Undecided => self.chain.iter().position(same),
        };
        at.map(|at| at + 1)
    }

    /// One line for each hop of a chain.
    fn hops(&self) -> impl Iterator<Item = (&Self, String)> {
        self.chain.iter().enumerate().map(|(at, hop)| {
            let role = hop.role.as_deref().unwrap_or("(no role)");
            let way = hop.diagnosis.flow.name();
            let line = format!("hop {} of {} ({way}): {role}", at + 1, self.chain.len());
            (hop, line)
        })
    }

    fn of_hop(evidence: &Evidence) -> Self {
        let request = &evidence.request;
        Self {
            role: request.get(Input::RoleToAssume).map(str::to_owned),
            source: request.source.clone(),
            diagnosis: diagnose(evidence),
            chain: Vec::new(),
        }
    }

    fn passes(&self) -> bool {
        self.diagnosis.conclusion == Conclusion::Allowed
    }
}

impl FromIterator<Run> for Report {
    fn from_iter<I: IntoIterator<Item = Run>>(runs: I) -> Self {
        let mut runs = runs.into_iter();
        Self {
            first: runs.next().unwrap_or_else(|| Run::of(&Evidence::default())),
            more: runs.collect(),
            left_out: Vec::new(),
            pages: Pages::default(),
        }
    }
}

impl From<Diagnosis> for Run {
    fn from(diagnosis: Diagnosis) -> Self {
        Self {
            role: None,
            source: None,
            diagnosis,
            chain: Vec::new(),
        }
    }
}

impl From<Diagnosis> for Report {
    fn from(diagnosis: Diagnosis) -> Self {
        once(Run::from(diagnosis)).collect()
    }
}

/// Adds a note about later roles, which see the previous role's session, not the token: whoever gets in there can go on to them.
fn further(hops: &mut [Run]) {
    let roles: Vec<_> = hops.iter().map(|hop| hop.role.clone()).collect();
    for (at, hop) in hops.iter_mut().enumerate() {
        let later: Vec<String> = roles
            .iter()
            .skip(at + 1)
            .flatten()
            .take(MOST_LINES)
            .map(|role| format!("`{role}`"))
            .collect();
        let is_open = |found: &&mut Found| found.severity == Severity::Risk && found.cause() == Some(Cause::TooMuch);
        if let Some(found) = hop
            .diagnosis
            .findings
            .iter_mut()
            .find(is_open)
            .filter(|_| !later.is_empty())
        {
            found.notes.push(format!(
                "whoever gets in here can go on to {}, as far as those roles trust this one: they see its session and not the token",
                later.join(", ")
            ));
        }
    }
}

/// The facts above the findings if no comparison is there: none for a certain finding, which says it all.
const FIRST_FACTS: [&str; 4] = ["role", "subject", "AWS", "reported"];

/// Returns the first line of a diagnosis.
#[must_use]
pub fn headline(diagnosis: &Diagnosis) -> String {
    match (diagnosis.conclusion, diagnosis.cause()) {
        (Conclusion::Denied, Some(cause)) if cause.certainty() == Certainty::Certain => {
            format!("the role cannot be assumed: {}", gist(diagnosis))
        }
        (Conclusion::Denied, Some(cause)) if cause.certainty() == Certainty::Likely => {
            format!("the role cannot be assumed; {}", gist(diagnosis))
        }
        _ => gist(diagnosis),
    }
}

/// The result in a word or two, for a table: the check and its certainty, or else the verdict.
fn outcome(diagnosis: &Diagnosis) -> String {
    diagnosis.lead().map_or_else(
        || diagnosis.conclusion.name().to_owned(),
        |lead| format!("`{}`, {}", lead.rule.id, lead.certainty().name()),
    )
}

/// The result, to go beside a mark that says whether the role can be assumed.
fn gist(diagnosis: &Diagnosis) -> String {
    let passes = passes(diagnosis);
    let is_by_aws = diagnosis.session == Some(Session::Aws);
    match (diagnosis.conclusion, diagnosis.cause()) {
        (Conclusion::Denied, Some(cause)) => match cause.certainty() {
            Certainty::Certain => cause.message.clone(),
            Certainty::Likely => format!("most likely: {}", cause.message),
            Certainty::Possible => format!("the role was not assumed; possible cause: {}", cause.message),
        },
        (Conclusion::Denied, None) => "the role was not assumed; more information is needed to say why".to_owned(),
        (Conclusion::Undecided, Some(cause)) => format!("undecided; possible: {}", cause.message),
        (Conclusion::Undecided, None) if diagnosis.no_role => match &diagnosis.written_role {
            Some(written) => format!("the role is written as `{written}`, which only the step itself sees"),
            None => "no role is named, so there is nothing to decide".to_owned(),
        },
        (Conclusion::Undecided, None) => "undecided: not enough is known".to_owned(),
        (Conclusion::Allowed, _) => match diagnosis.risk() {
            Some(risk) => format!("{passes}, but there is a risk: {}", risk.message),
            None => format!(
                "{passes}: {}",
                match (is_by_aws, diagnosis.flow.keeps(), diagnosis.flow.has_credentials()) {
                    (true, true, _) => "AWS accepts the existing credentials",
                    (true, false, true) => "AWS issued a session for the credentials in use",
                    (true, false, false) => "AWS accepted the token",
                    (false, _, true) => "the trust policy accepts these credentials",
                    (false, _, false) => "the trust policy accepts this token",
                }
            ),
        },
    }
}

/// Says that the step passes, and on whose word.
fn passes(diagnosis: &Diagnosis) -> &'static str {
    match (diagnosis.session, diagnosis.flow.keeps()) {
        (Some(Session::Aws), true) => "the step succeeds without assuming a role",
        (Some(Session::Aws), false) => "the role can be assumed",
        _ => "no blocking problem found",
    }
}

/// Which of the eight causes a finding is, and how certain.
fn standing(finding: &Found) -> String {
    let number = finding.cause().map_or_else(
        || "beyond the eight causes".to_owned(),
        |cause| format!("cause {} of 8", cause.number()),
    );
    format!("{number}, {}", finding.certainty().name())
}

/// Says that one fix is enough: each is proved on its own.
fn one_is_enough(fixes: usize) -> Option<&'static str> {
    match fixes {
        0 | 1 => None,
        2 => Some("either fix is enough"),
        _ => Some("any one of these fixes is enough"),
    }
}

/// The text with a capital, if it begins with a word.
fn capital(text: &str) -> String {
    let word = text.split(' ').next().unwrap_or_default().trim_end_matches([':', ',']);
    let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    match text.get(..1).filter(|_| is_word) {
        Some(first) => first.to_ascii_uppercase() + text.get(1..).unwrap_or_default(),
        None => text.to_owned(),
    }
}

/// The document and the line of a label.
fn place(diagnosis: &Diagnosis, label: &Label) -> Option<String> {
    let source = diagnosis.document(label.document)?;
    let line = source.position(label.location.span.start).line;
    let name = match is_file(label.document, source) {
        true => format!("`{}`", source.name),
        false => source.name.clone(),
    };
    Some(format!("{name}, line {line}"))
}

/// Whether it is a file the reader has, whose lines can be pointed at. Fetched or pasted text has a name of ours.
fn is_file(document: Document, source: &SourceText) -> bool {
    match document {
        Document::Workflow => true,
        Document::TrustPolicy => source.name != "trust policy" && !source.name.starts_with("trust policy of role `"),
        Document::CallerPolicy(_) | Document::Claims => false,
    }
}

/// Where a change is made.
fn target_place(target: Target) -> &'static str {
    match target {
        Target::CallerPolicy => "in the caller's policies",
        Target::Provider => "in AWS",
        Target::TrustPolicy => "in the trust policy",
        Target::Workflow => "in the workflow",
    }
}

/// Whether a line of a diff names one of its files.
fn is_diff_header(line: &str) -> bool {
    line.starts_with("--- a/") || line.starts_with("+++ b/")
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

/// Untrusted text for one line of bounded length: invisible characters, including terminal escapes and those that change the
/// direction of text, are shown escaped.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut line = String::new();
    for (i, part) in text.split('`').enumerate() {
        if line.len() > 4 * MOST_LINE {
            break;
        }
        if i > 0 {
            line.push('`');
        }
        // Text in backticks is untrusted; if it is long, its end is cut and the sentence stays.
        line.push_str(&cut(part, if i % 2 == 1 { MOST_NAME } else { MOST_LINE }));
    }
    let line = cut(&line, MOST_LINE);
    let line: String = line.chars().map(|c| if is_break(c) { ' ' } else { c }).collect();
    visible(&line)
}

/// [`clean`] for a text of several lines, whose lines are kept whole. A cut at its end is noted.
#[must_use]
pub fn clean_lines(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.char_indices().peekable();
    while let Some((at, c)) = letters.next() {
        if out.len() >= MOST_BLOCK {
            out.push_str(&format!("\n… {} more bytes omitted", text.len() - at));
            break;
        }
        match c {
            '\n' => out.push(c),
            '\r' if letters.peek().is_some_and(|(_, next)| *next == '\n') => {}
            '\r' => out.push(' '),
            '\t' => out.push_str("    "),
            c => push_shown(&mut out, c),
        }
    }
    defused(out.trim_end_matches('\n'))
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\t')
}

/// The text with every character visible, and no workflow command.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push_shown(&mut out, c));
    defused(&out)
}

/// Defuses `##[command]`, which is a workflow command anywhere in a line.
fn defused(text: &str) -> String {
    text.replace("##[", "# #[")
}

/// Cuts a text to a number of characters.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(conclusions: &[Conclusion]) -> Report {
        let runs = conclusions.iter().map(|conclusion| {
            let mut run = Run::of(&Evidence::default());
            run.diagnosis.conclusion = *conclusion;
            run.diagnosis.no_role = false;
            run
        });
        runs.collect()
    }

    #[test]
    fn the_first_run_that_does_not_pass_decides() {
        use Conclusion::{Allowed, Denied, Undecided};
        for (conclusions, deciding, code) in [
            (&[][..], Undecided, 0),
            (&[Allowed], Allowed, 0),
            (&[Allowed, Denied, Undecided], Denied, 1),
            (&[Allowed, Undecided, Denied], Undecided, 3),
            (&[Allowed, Allowed], Allowed, 0),
        ] {
            let report = report(conclusions);
            assert_eq!(report.deciding().diagnosis.conclusion, deciding, "{conclusions:?}");
            assert_eq!(report.exit_code(FailOn::Blocks), code, "{conclusions:?}");
            assert_eq!(report.exit_code(FailOn::Never), 0, "{conclusions:?}");
        }
    }

    #[test]
    fn a_run_without_a_role_fails_no_step_and_does_not_pass() {
        use Conclusion::{Allowed, Denied, Undecided};
        for (conclusions, deciding, code) in [
            (&[Allowed, Undecided][..], Undecided, 0),
            (&[Undecided, Denied], Denied, 1),
            (&[Undecided, Allowed], Undecided, 0),
        ] {
            let mut report = report(conclusions);
            for run in std::iter::once(&mut report.first).chain(&mut report.more) {
                run.diagnosis.no_role = run.diagnosis.conclusion == Undecided;
            }
            assert_eq!(report.deciding().diagnosis.conclusion, deciding, "{conclusions:?}");
            assert_eq!(report.exit_code(FailOn::Blocks), code, "{conclusions:?}");
        }
    }

    #[test]
    fn the_headline_of_several_runs_says_how_many_pass() {
        use Conclusion::{Allowed, Denied};
        let first = |conclusion| headline(&report(&[conclusion]).deciding().diagnosis);
        for (conclusions, want) in [
            (&[Denied][..], first(Denied)),
            (
                &[Allowed, Denied, Denied],
                format!("1 of 3 requests pass; the first that fails: {}", first(Denied)),
            ),
            (
                &[Allowed, Allowed],
                format!("2 of 2 requests pass; the first: {}", first(Allowed)),
            ),
        ] {
            assert_eq!(report(conclusions).headline(), want);
        }
    }

    #[test]
    fn nothing_unseen_gets_through() {
        for (text, want) in [
            ("plain `text`", "plain `text`"),
            ("a\u{1b}[31mred", "a<U+001B>[31mred"),
            ("a\nb\rc", "a b c"),
            ("\u{202e}evil", "<U+202E>evil"),
            ("##[error]x", "# #[error]x"),
            ("\u{9b}1m", "<U+009B>1m"),
            ("a\u{3164}b\u{fe0f}c\u{a0}", "a<U+3164>b<U+FE0F>c<U+00A0>"),
        ] {
            assert_eq!(clean(text), want);
        }
    }

    #[test]
    fn long_text_is_cut_and_the_sentence_stays() {
        let long = "x".repeat(1 << 20);
        let line = clean(&format!(
            "the job's environment `{long}` is not `{long}`, as the policy says"
        ));
        assert!(line.len() < 2 * MOST_NAME + 100, "{}", line.len());
        assert!(line.ends_with("…`, as the policy says"), "{line}");
        assert!(clean(&long).chars().count() <= MOST_LINE + 1);
        let block = clean_lines(&format!("{long}\n{long}"));
        assert!(
            block.ends_with("\n… 2077153 more bytes omitted"),
            "{}",
            block.chars().rev().take(100).collect::<String>()
        );
    }

    proptest::proptest! {
        #[test]
        fn cleaned_text_is_one_line_without_controls(text in "\\PC*|.*") {
            let cleaned = clean(&text);
            proptest::prop_assert!(!cleaned.contains("##["));
            proptest::prop_assert!(!cleaned.chars().any(crate::text::unseen::is_unseen));
        }
    }
}
