//! The report for a terminal or a job's log: like a good compiler's.

use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer, Snippet};
use anstyle::{AnsiColor, Style};

use super::{
    MOST_FINDINGS, MOST_LINES, Report, cause_word, clean, clean_lines, cut, headline, hedge, one_is_enough, stage_word,
    subline,
};
use crate::finding::{CauseStatus, Conclusion, Diagnosis, Document, Found, Label, Severity, StageStatus};
use crate::finding::{Fix, Target};
use crate::text::SourceText;
use crate::text::unseen::push_shown;

/// A document that is shown around a label is cut to so many bytes.
const MOST_SOURCE: usize = 64 * 1024;

/// The report as text; with colours where a person's screen shows them.
#[must_use]
pub fn render(report: &Report, colour: bool) -> String {
    let mut out = String::new();
    if report.is_several() {
        let _ = writeln!(out, "{}\n", clean(&report.headline()));
    }
    for run in report.runs() {
        if let (true, Some(source)) = (report.is_several(), &run.source) {
            let _ = writeln!(out, "==> {}\n", clean(source));
        }
        if run.chain.is_empty() {
            out.push_str(&self::run(&run.diagnosis, colour));
            continue;
        }
        let _ = writeln!(out, "{}\n", clean(&run.headline()));
        for (hop, line) in run.hops() {
            let _ = writeln!(
                out,
                "  {line}\n      {}",
                clean(&headline(&hop.diagnosis)),
                line = clean(&line)
            );
        }
        for (hop, line) in run.hops() {
            let _ = writeln!(out, "\n==> {}\n", clean(&line));
            out.push_str(&self::run(&hop.diagnosis, colour));
        }
    }
    out
}

fn run(diagnosis: &Diagnosis, colour: bool) -> String {
    let paint = |style: Style, text: &str| {
        if colour {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    };
    let (good, bad, dim) = (
        AnsiColor::Green.on_default().bold(),
        AnsiColor::Red.on_default().bold(),
        AnsiColor::BrightBlack.on_default(),
    );
    let mut out = String::new();
    let head = clean(&headline(diagnosis));
    let style = if diagnosis.conclusion == Conclusion::Allowed {
        good
    } else {
        bad
    };
    let _ = writeln!(out, "{}", paint(style, &head));
    if let Some(cause) = diagnosis.cause() {
        let _ = writeln!(out, "{}", subline(cause));
    }
    out.push('\n');
    for (name, value) in &diagnosis.facts {
        let _ = writeln!(out, "  {name:<9} {}", cut(&clean(value), 400));
    }
    out.push('\n');
    for finding in diagnosis.findings.iter().take(MOST_FINDINGS) {
        let _ = writeln!(out, "{}\n", snippet(diagnosis, finding, colour));
        if let Some(words) = one_is_enough(finding.fixes.len()) {
            let _ = writeln!(out, "{words}:\n");
        }
        for (i, fix) in finding.fixes.iter().enumerate() {
            out.push_str(&render_fix(i, fix));
        }
    }
    if diagnosis.findings.len() > MOST_FINDINGS {
        let _ = writeln!(out, "and {} more findings\n", diagnosis.findings.len() - MOST_FINDINGS);
    }
    for note in diagnosis.notes.iter().take(MOST_LINES) {
        let _ = writeln!(out, "note: {}\n", clean(note));
    }
    out.push_str("the handshake, step by step:\n");
    for row in &diagnosis.stages {
        let word = format!("{:<12}", stage_word(row.status));
        let word = match row.status {
            StageStatus::Passed => paint(good, &word),
            StageStatus::Failed => paint(bad, &word),
            _ => paint(dim, &word),
        };
        let _ = writeln!(
            out,
            "  {:<13} {word} {}",
            row.stage.name(),
            cut(&clean(&row.detail), 200)
        );
    }
    out.push_str("\nthe eight causes:\n");
    for row in &diagnosis.causes {
        let word = format!("{:<10}", cause_word(row.status));
        let word = match row.status {
            CauseStatus::Applies => paint(bad, &word),
            CauseStatus::RuledOut => word,
            CauseStatus::Undecided => paint(dim, &word),
        };
        let because = cut(&clean(&row.because), 160);
        let _ = writeln!(
            out,
            "  {} {:<19} {word} {because}",
            row.cause.number(),
            row.cause.short()
        );
    }
    if !diagnosis.gaps.is_empty() {
        out.push_str("\nmissing information:\n");
        for gap in &diagnosis.gaps {
            let _ = writeln!(out, "  {}: {}", clean(&gap.wanted), cut(&clean(&gap.why), 400));
            let _ = writeln!(out, "    how to supply it: {}", clean(&gap.supply));
        }
    }
    if let Some(cause) = diagnosis.cause() {
        let _ = writeln!(out, "\nmore: aws-oidc-doctor explain {}", cause.rule.id);
    }
    out
}

/// One finding: its message, the places it points at, notes and help.
fn snippet(diagnosis: &Diagnosis, finding: &Found, colour: bool) -> String {
    let level = match finding.severity {
        Severity::Blocks => Level::ERROR,
        Severity::Risk => Level::WARNING.with_name("risk"),
        Severity::Note => Level::NOTE,
    };
    let message = format!("{}{}", hedge(finding.certainty()), clean(&finding.message));
    let mut elements: Vec<Element<'_>> = Vec::new();
    // One snippet a document, in the order of the first label in each.
    let mut documents: Vec<Document> = Vec::new();
    for label in &finding.labels {
        if !documents.contains(&label.document) {
            documents.push(label.document);
        }
    }
    let primary = documents.first().copied();
    for document in documents {
        let Some(source) = diagnosis.document(document) else {
            continue;
        };
        let labels: Vec<&Label> = finding
            .labels
            .iter()
            .filter(|label| label.document == document)
            .take(MOST_LINES)
            .collect();
        if let Some(shown) = shown(source, &labels, Some(document) == primary) {
            elements.push(shown.into());
        }
    }
    let (notes, help) = (
        finding.notes.iter().take(MOST_LINES),
        finding.help.iter().take(MOST_LINES),
    );
    elements.extend(notes.map(|note| Level::NOTE.message(clean(note)).into()));
    elements.extend(help.map(|help| Level::HELP.message(clean(help)).into()));
    let group: Group<'_> = level.primary_title(message).id(finding.rule.id).elements(elements);
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.term_width(140).render(&[group])
}

/// The part of a document around its labels.
fn shown<'a>(
    source: &SourceText,
    labels: &[&Label],
    primary: bool,
) -> Option<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let text = &source.text;
    if text.len() > MOST_SOURCE {
        return None;
    }
    // A character that is not seen takes more bytes when it is shown, so what follows it moves.
    let moved = |at: usize| text.get(..at).map(|before| visible(before).len());
    let mut annotations = Vec::new();
    for (i, label) in labels.iter().enumerate() {
        let (Some(start), Some(end)) = (moved(label.span.start), moved(label.span.end)) else {
            continue;
        };
        let kind = if primary && i == 0 {
            AnnotationKind::Primary
        } else {
            AnnotationKind::Context
        };
        annotations.push(kind.span(start..end).label(cut(&clean(&label.text), 200)));
    }
    let text = visible(text).replace("##[", "#?[");
    (!annotations.is_empty()).then(|| Snippet::source(text).path(clean(&source.name)).annotations(annotations))
}

/// A document with what is not seen shown. It keeps its lines.
pub(super) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push(c),
            '\t' | '\r' => out.push(' '),
            c => push_shown(&mut out, c),
        }
    }
    out
}

fn render_fix(index: usize, fix: &Fix) -> String {
    let mut out = String::new();
    let place = match fix.target {
        Target::CallerPolicy => "in the policies of who asks",
        Target::Provider => "in AWS",
        Target::TrustPolicy => "in the trust policy",
        Target::Workflow => "in the workflow",
    };
    let _ = writeln!(out, "fix {}, {place}: {}", index + 1, clean(&fix.title));
    let shown = if fix.diff.is_empty() { &fix.text } else { &fix.diff };
    for line in clean_lines(shown)
        .lines()
        .filter(|line| !line.starts_with("--- a/") && !line.starts_with("+++ b/"))
    {
        let _ = writeln!(out, "  {line}");
    }
    if !fix.command.is_empty() {
        let _ = writeln!(out, "  $ {}", clean(&fix.command));
    }
    for note in fix.notes.iter().take(MOST_LINES) {
        let _ = writeln!(out, "  ({})", clean(note));
    }
    out.push('\n');
    out
}
