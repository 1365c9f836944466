//! The report for a terminal or a job's log, in the style of a good compiler.

use std::fmt::Write as _;
use std::iter::once;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer, Snippet};
use anstyle::{AnsiColor, Style as Paint};
use textwrap::{Options, WordSeparator, WordSplitter};

use super::{
    FIRST_FACTS, MOST_FINDINGS, MOST_LINES, Pages, Report, cause_word, claims, clean, clean_lines, cut, headline,
    is_diff_header, one_is_enough, outcome, stage_word, standing, target_place,
};
use crate::finding::{
    CauseStatus, Certainty, Conclusion, Diagnosis, Document, Fix, Found, Label, Party, Severity, SideBySide,
    StageStatus,
};
use crate::text::SourceText;
use crate::text::unseen::push_shown;

/// The most bytes of a document shown around a label.
const MOST_SOURCE: usize = 64 * 1024;
/// The most characters of a value or a sentence in a table.
const MOST_CELL: usize = 400;
/// The width of what annotate-snippets puts before a note's text, with three-digit line numbers.
const BEFORE_A_NOTE: usize = 12;
/// The title of a section that a log shows and a terminal doesn't.
const CLAIMS: &str = "the token's claims";

/// How a log or a terminal shows text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether colours are shown.
    pub colour: bool,
    /// Whether links (OSC 8) are written: only for an interactive terminal, and with colours.
    pub links: bool,
    /// The column that sentences are wrapped at. Text to copy isn't wrapped.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            colour: false,
            links: false,
            width: 120,
        }
    }
}

/// A part of the report: the answer, or some evidence for it under a title of its own.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// What it is about; none for the answer.
    pub(super) title: Option<String>,
    /// Its lines.
    pub(super) text: String,
    /// Whether it is about the token alone.
    is_of_the_token: bool,
    /// Whether it is only for a log, which shows it folded.
    pub(super) is_for_logs: bool,
}

/// Returns the report as text.
#[must_use]
pub fn render(report: &Report, style: Style) -> String {
    let mut out = String::new();
    for section in sections(report, style).iter().filter(|section| !section.is_for_logs) {
        if !out.is_empty() {
            out.push('\n');
        }
        if let Some(title) = &section.title {
            let _ = writeln!(out, "{title}:");
        }
        out.push_str(&section.text);
    }
    out
}

/// The parts of a report, in order.
pub(super) fn sections(report: &Report, style: Style) -> Vec<Section> {
    let to = Printer {
        style,
        pages: &report.pages,
    };
    let mut sections = Vec::new();
    for (i, run) in report.runs().enumerate() {
        let mut opening = String::new();
        if report.is_several() {
            if i == 0 {
                let _ = writeln!(opening, "{}\n", to.wrapped(&report.headline(), ""));
            }
            let name = run.source.as_deref().or(run.role.as_deref()).unwrap_or("(no role)");
            let _ = writeln!(opening, "==> {}\n", clean(name));
        }
        if run.chain.is_empty() {
            let name = report.is_several().then(|| format!("request {}", i + 1));
            sections.extend(to.diagnosis(&run.diagnosis, opening, name.as_deref()));
            continue;
        }
        let _ = writeln!(opening, "{}\n", to.wrapped(&run.headline(), ""));
        for (hop, line) in run.hops() {
            let line = format!("{line}: {}", outcome(&hop.diagnosis));
            let _ = writeln!(opening, "{}", to.wrapped(&line, "  "));
        }
        opening.push('\n');
        for (at, (hop, line)) in run.hops().enumerate() {
            let opening = format!("{}==> {}\n\n", std::mem::take(&mut opening), clean(&line));
            let name = format!("hop {}", at + 1);
            sections.extend(to.diagnosis(&hop.diagnosis, opening, Some(&name)));
        }
    }
    // What a token alone shows is the same for each role.
    let mut told: Vec<String> = Vec::new();
    sections.retain(|section| {
        let is_told = section.is_of_the_token;
        let is_new = !is_told || !told.contains(&section.text);
        told.extend((is_told && is_new).then(|| section.text.clone()));
        is_new
    });
    sections
}

/// The settings for everything printed.
struct Printer<'a> {
    style: Style,
    pages: &'a Pages,
}

const GOOD: Paint = AnsiColor::Green.on_default().bold();
const BAD: Paint = AnsiColor::Red.on_default().bold();
const WARNING: Paint = AnsiColor::Yellow.on_default().bold();
const DIM: Paint = AnsiColor::BrightBlack.on_default();
const BOLD: Paint = Paint::new().bold();

impl Printer<'_> {
    /// One diagnosis: the answer, then the evidence for it.
    fn diagnosis(&self, diagnosis: &Diagnosis, opening: String, name: Option<&str>) -> Vec<Section> {
        let is_certain = diagnosis
            .lead()
            .is_some_and(|lead| lead.certainty() == Certainty::Certain);
        let missing = self.missing(diagnosis);
        let (open, missing) = if is_certain { ("", &*missing) } else { (&*missing, "") };
        let mut answer = opening + &self.answer(diagnosis);
        if !open.is_empty() {
            let _ = writeln!(answer, "missing information:\n{open}");
        }
        let told = diagnosis.told.as_ref();
        if let Some(command) = told.and_then(|told| told.finish.as_ref()) {
            let _ = writeln!(answer, "{}\n  $ {}", self.wrapped(claims::FINISH, ""), clean(command));
        }
        answer.truncate(answer.trim_end().len());
        let source = diagnosis.claims.as_ref().filter(|_| told.is_none());
        let source = source.map(|claims| clean_lines(&claims.text) + "\n");
        let behind = [
            ("the handshake, step by step", self.handshake(diagnosis)),
            ("the eight causes", self.causes(diagnosis)),
            ("what was compared", self.facts(diagnosis, &[])),
            ("missing information", missing.to_owned()),
            (claims::TITLE, told.map(claims::lines).unwrap_or_default()),
            (CLAIMS, source.unwrap_or_default()),
        ];
        let behind = behind
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(title, text)| Section {
                title: Some(name.map_or_else(|| title.to_owned(), |name| format!("{title} ({name})"))),
                text,
                is_of_the_token: title == claims::TITLE || title == CLAIMS,
                is_for_logs: title == CLAIMS,
            });
        let answer = Section {
            title: None,
            text: answer + "\n",
            is_of_the_token: false,
            is_for_logs: false,
        };
        once(answer).chain(behind).collect()
    }

    /// The answer: the result, the two sides, the findings and their fixes.
    fn answer(&self, diagnosis: &Diagnosis) -> String {
        let lead = diagnosis.lead();
        let paint = match diagnosis.conclusion {
            Conclusion::Allowed if diagnosis.risk().is_some() => WARNING,
            Conclusion::Allowed => GOOD,
            Conclusion::Denied | Conclusion::Undecided => BAD,
        };
        let mut out = format!(
            "{}\n{}\n\n",
            self.paint(paint, &self.wrapped(&verdict(diagnosis), "")),
            self.wrapped(&diagnosis.way, "")
        );
        match lead.and_then(|lead| lead.compares.as_ref()) {
            Some(compared) => out.push_str(&self.comparison(compared)),
            None => {
                let is_certain = lead.is_some_and(|lead| lead.certainty() == Certainty::Certain);
                let facts = self.facts(diagnosis, &FIRST_FACTS);
                if !is_certain && !facts.is_empty() {
                    out.push_str(&facts);
                    out.push('\n');
                }
            }
        }
        for finding in diagnosis.findings.iter().take(MOST_FINDINGS) {
            let _ = writeln!(out, "{}\n", self.snippet(diagnosis, finding));
            if let Some(words) = one_is_enough(finding.fixes.len()) {
                let _ = writeln!(out, "{words}:\n");
            }
            for (i, fix) in finding.fixes.iter().enumerate() {
                out.push_str(&self.fix(i, fix));
            }
        }
        if diagnosis.findings.len() > MOST_FINDINGS {
            let _ = writeln!(out, "and {} more findings\n", diagnosis.findings.len() - MOST_FINDINGS);
        }
        for note in diagnosis.notes.iter().take(MOST_LINES) {
            let _ = writeln!(out, "{}\n", self.wrapped(&format!("note: {note}"), ""));
        }
        out
    }

    /// Both sides, one below the other, with the part that differs underlined.
    fn comparison(&self, compared: &SideBySide) -> String {
        let SideBySide { what, left, right } = compared;
        let name = |side: &Party| format!("{} {}", side.who, side.does);
        let width = name(left).chars().count().max(name(right).chars().count());
        let mut out = format!("  {}\n", self.paint(DIM, &clean(what)));
        for side in [left, right] {
            let [before, differs, after] = side.parts().map(|part| cut(&clean(part), MOST_CELL));
            let more = match side.more {
                0 => String::new(),
                more => format!(" (or one of {more} more)"),
            };
            let _ = writeln!(
                out,
                "    {:<width$}  {before}{}{after}{more}",
                name(side),
                self.paint(BOLD, &differs)
            );
            if side == right && !differs.is_empty() {
                let (column, carets) = (width + 6 + before.chars().count(), differs.chars().count());
                let _ = writeln!(out, "{:column$}{}", "", self.paint(BAD, &"^".repeat(carets)));
            }
        }
        out.push('\n');
        out
    }

    fn facts(&self, diagnosis: &Diagnosis, names: &[&str]) -> String {
        let mut out = String::new();
        let facts = diagnosis.facts.iter();
        for (name, value) in facts.filter(|(name, _)| names.is_empty() || names.contains(name)) {
            let value = self.hanging(&cut(&clean(value), MOST_CELL), 12);
            let _ = writeln!(out, "  {name:<9} {value}");
        }
        out
    }

    fn handshake(&self, diagnosis: &Diagnosis) -> String {
        let mut out = String::new();
        for row in &diagnosis.stages {
            let word = format!("{:<12}", stage_word(row.status));
            let word = match row.status {
                StageStatus::Passed => self.paint(GOOD, &word),
                StageStatus::Failed => self.paint(BAD, &word),
                StageStatus::NotReached | StageStatus::Undecided => self.paint(DIM, &word),
            };
            let detail = self.hanging(&cut(&clean(&row.detail), MOST_CELL), 29);
            let _ = writeln!(out, "  {:<13} {word} {detail}", row.stage.name());
        }
        out
    }

    fn causes(&self, diagnosis: &Diagnosis) -> String {
        let mut out = String::new();
        for row in &diagnosis.causes {
            let word = format!("{:<10}", cause_word(row.status));
            let word = match row.status {
                CauseStatus::Applies => self.paint(BAD, &word),
                CauseStatus::RuledOut => word,
                CauseStatus::Undecided => self.paint(DIM, &word),
            };
            let because = self.hanging(&cut(&clean(&row.because), MOST_CELL), 35);
            let _ = writeln!(
                out,
                "  {} {:<19} {word} {because}",
                row.cause.number(),
                row.cause.short()
            );
        }
        out
    }

    fn missing(&self, diagnosis: &Diagnosis) -> String {
        let mut out = String::new();
        for gap in &diagnosis.gaps {
            let wanted = format!("{}: {}", gap.wanted, cut(&gap.why, MOST_CELL));
            let supply = format!("how to supply it: {}", gap.supply);
            // Text to copy gets a line of its own and isn't wrapped.
            let (supply, copied) = match supply.split_once(" `with: ") {
                Some((before, with)) => (before, format!("\n      with: {}", clean(with.trim_end_matches('`')))),
                None => (&*supply, String::new()),
            };
            let _ = writeln!(
                out,
                "{}\n{}{copied}",
                self.wrapped(&wanted, "  "),
                self.wrapped(supply, "    ")
            );
        }
        out
    }

    /// One finding: its message, the places it points at, notes and help.
    fn snippet(&self, diagnosis: &Diagnosis, finding: &Found) -> String {
        let level = match finding.severity {
            Severity::Blocks => Level::ERROR,
            Severity::Risk => Level::WARNING.with_name("risk"),
            Severity::Note => Level::NOTE,
        };
        let message = format!("{}{}", finding.certainty().hedge(), clean(&finding.message));
        let mut elements: Vec<Element<'_>> = Vec::new();
        // One snippet per document, in the order of their first labels.
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
            let is_primary = Some(document) == primary;
            // The two sides above already show what differs.
            let says = |i: usize| i > 0 || !is_primary || finding.compares.is_none();
            if let Some(shown) = shown(source, &labels, is_primary, says) {
                elements.push(shown.into());
            }
        }
        let note = |level: Level<'static>, text: &str| {
            let width = self.style.width.saturating_sub(BEFORE_A_NOTE);
            Element::from(level.message(self.filled(&clean(text), width, "")))
        };
        elements.extend(
            finding
                .notes
                .iter()
                .take(MOST_LINES)
                .map(|text| note(Level::NOTE, text)),
        );
        elements.extend(finding.help.iter().take(MOST_LINES).map(|text| note(Level::HELP, text)));
        let page = self.pages.url(finding.rule);
        if finding.severity != Severity::Note {
            let more = page.clone();
            let more = more.unwrap_or_else(|| format!("aws-oidc-doctor explain {}", finding.rule.id));
            elements.push(Level::NOTE.with_name("why").message(more).into());
        }
        let id = finding.rule.id;
        // `error[id]: `
        let width = self.style.width.saturating_sub(id.len() + 9);
        let mut title = level.primary_title(self.filled(&message, width, "")).id(id);
        if let (true, Some(page)) = (self.style.links && self.style.colour, page) {
            title = title.id_url(page);
        }
        let group: Group<'_> = title.elements(elements);
        let renderer = if self.style.colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        renderer.term_width(self.style.width.max(60)).render(&[group])
    }

    fn fix(&self, index: usize, fix: &Fix) -> String {
        let title = format!("fix {}, {}: {}", index + 1, target_place(fix.target), fix.title);
        let mut out = self.wrapped(&title, "") + "\n";
        let shown = if fix.diff.is_empty() { &fix.text } else { &fix.diff };
        for line in clean_lines(shown).lines().filter(|line| !is_diff_header(line)) {
            let _ = writeln!(out, "  {line}");
        }
        for command in fix.command.lines() {
            let _ = writeln!(out, "  $ {}", clean(command));
        }
        for note in fix.notes.iter().chain(&fix.proof).take(MOST_LINES) {
            let _ = writeln!(out, "{}", self.wrapped(&format!("({note})"), "  "));
        }
        out.push('\n');
        out
    }

    fn paint(&self, paint: Paint, text: &str) -> String {
        if self.style.colour && !text.is_empty() {
            format!("{paint}{text}{paint:#}")
        } else {
            text.to_owned()
        }
    }

    /// A sentence wrapped to the width, each line indented; words aren't split.
    fn wrapped(&self, text: &str, indent: &str) -> String {
        self.filled(&clean(text), self.style.width, indent)
    }

    /// The same for clean text in a column that begins there.
    fn hanging(&self, cleaned: &str, column: usize) -> String {
        let indent = " ".repeat(column);
        let filled = self.filled(cleaned, self.style.width, &indent);
        filled.trim_start().to_owned()
    }

    fn filled(&self, cleaned: &str, width: usize, indent: &str) -> String {
        // A narrower column would be a list of single words.
        let options = Options::new(width.max(indent.len() + 20))
            .initial_indent(indent)
            .subsequent_indent(indent)
            .break_words(false)
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation);
        textwrap::fill(cleaned, options)
    }
}

/// The first line: whether the role can be assumed, and which of the eight causes it is.
fn verdict(diagnosis: &Diagnosis) -> String {
    let Some(lead) = diagnosis.lead() else {
        return headline(diagnosis);
    };
    let what = match (diagnosis.conclusion, lead.certainty()) {
        (Conclusion::Allowed, _) => super::passes(diagnosis),
        (Conclusion::Denied, Certainty::Possible) => "the role was not assumed",
        (Conclusion::Denied, _) => "the role cannot be assumed",
        (Conclusion::Undecided, _) => "undecided",
    };
    let risk = if lead.severity == Severity::Risk {
        "a risk: "
    } else {
        ""
    };
    format!("{what} ({risk}{})", standing(lead))
}

/// The part of a document around its labels.
fn shown<'a>(
    source: &SourceText,
    labels: &[&Label],
    primary: bool,
    says: impl Fn(usize) -> bool,
) -> Option<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let text = &source.text;
    if text.len() > MOST_SOURCE {
        return None;
    }
    // An invisible character takes more bytes when shown, so what follows it moves.
    let moved = |at: usize| text.get(..at).map(|before| visible(before).len());
    let mut annotations = Vec::new();
    for (i, label) in labels.iter().enumerate() {
        let (Some(start), Some(end)) = (moved(label.location.span.start), moved(label.location.span.end)) else {
            continue;
        };
        let kind = if primary && i == 0 {
            AnnotationKind::Primary
        } else {
            AnnotationKind::Context
        };
        let text = if says(i) {
            cut(&clean(&label.text), 200)
        } else {
            String::new()
        };
        annotations.push(kind.span(start..end).label(text));
    }
    let text = visible(text).replace("##[", "#?[");
    (!annotations.is_empty()).then(|| Snippet::source(text).path(clean(&source.name)).annotations(annotations))
}

/// A document with invisible characters shown. It keeps its lines.
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
