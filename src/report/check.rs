//! The findings of a check before the push: for people, for programs, for GitHub.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Element, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use super::console::visible;
use super::github::{escape_data, escape_property};
use super::item::{Change, Item, Spot};
use super::json::escaped;
use super::{MOST_LINES, Pages, clean, clean_lines, cut, sarif};
use crate::check::{Ask, Checked, Verdict};
use crate::checks::by_id;
use crate::finding::{Edit, Rule, Severity};
use crate::text::{SourceText, Span};

/// The most findings shown in full.
const MOST_FINDINGS: usize = 200;
/// The most rows of a step.
const MOST_ROWS: usize = 12;
/// The runner shows ten annotations of each kind per step.
const MOST_ANNOTATIONS: usize = 10;
/// The longest excerpt of a file, in lines.
const MOST_EXCERPT: usize = 6;

/// Known findings, by fingerprint.
#[derive(Debug, Clone, Default)]
pub struct Baseline(BTreeSet<String>);

impl Baseline {
    /// Reads what [`baseline`] wrote.
    ///
    /// # Errors
    /// A message if it isn't such a file.
    pub fn read(text: &str) -> Result<Self, String> {
        let json: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        if json.get("schema").and_then(Value::as_u64) != Some(1) {
            return Err("it is not a baseline: `schema` is not 1".to_owned());
        }
        let findings = json.get("findings").and_then(Value::as_array);
        let findings = findings.ok_or("it is not a baseline: `findings` is missing")?;
        let prints = findings
            .iter()
            .filter_map(|finding| finding.get("fingerprint")?.as_str());
        Ok(Self(prints.map(str::to_owned).collect()))
    }

    fn knows(&self, item: &Item<'_>) -> bool {
        self.0.contains(&item.fingerprint())
    }
}

/// Returns the findings as a file; a later run takes those in it as known.
#[must_use]
pub fn baseline(checked: &Checked) -> String {
    let findings: Vec<Value> = items(checked)
        .iter()
        .map(|item| {
            let at = item.spots.first().map_or("", |spot| &spot.source.name);
            json!({ "fingerprint": item.fingerprint(), "id": item.rule.id, "file": at, "message": item.message })
        })
        .collect();
    escaped(&format!("{:#}\n", json!({ "schema": 1, "findings": findings })))
}

/// Whether any new finding has this severity or a worse one.
#[must_use]
pub fn fails(checked: &Checked, known: &Baseline, risks: bool) -> bool {
    let worst = if risks { Severity::Risk } else { Severity::Blocks };
    items(checked)
        .iter()
        .any(|item| item.severity <= worst && !known.knows(item))
}

/// Renders the findings as SARIF.
#[must_use]
pub fn sarif(checked: &Checked, known: &Baseline, pages: &Pages) -> String {
    let page = |rule: &Rule| by_id(rule.id).and_then(|check| pages.url(&check.rule));
    sarif::log(&items(checked), &|item| known.knows(item), &page)
}

/// Renders the findings as JSON.
#[must_use]
pub fn json(checked: &Checked, known: &Baseline) -> String {
    let steps = checked.asks.iter().map(|ask| {
        let tokens = ask.outcomes.iter().map(|outcome| {
            let (verdict, cause) = match &outcome.verdict {
                Verdict::Allowed => ("allowed", None),
                Verdict::Denied(cause) => ("denied", Some(cause).filter(|cause| !cause.is_empty())),
                Verdict::Undecided => ("undecided", None),
            };
            json!({ "event": outcome.event, "subject": outcome.subject, "verdict": verdict, "cause": cause })
        });
        json!({
            "file": ask.file, "line": ask.line, "job": ask.job, "role": ask.role, "policies": ask.policies,
            "tokens": tokens.collect::<Vec<_>>(), "notes": ask.notes,
        })
    });
    let items = items(checked);
    let findings = items.iter().map(|item| {
        let places = item.spots.iter().map(|spot| {
            let start = spot.source.position(spot.span.start);
            json!({ "file": spot.source.name, "line": start.line, "column": start.column, "text": spot.text })
        });
        let fixes = item
            .changes
            .iter()
            .map(|change| json!({ "title": change.title, "file": change.source.name, "diff": diff(change) }));
        json!({
            "id": item.rule.id,
            "number": item.rule.cause.map(|cause| cause.number()),
            "severity": item.severity.name(),
            "certainty": item.certainty.name(),
            "message": item.message,
            "notes": item.more,
            "help": item.help,
            "places": places.collect::<Vec<_>>(),
            "fixes": fixes.collect::<Vec<_>>(),
            "fingerprint": item.fingerprint(),
            "known": known.knows(item),
        })
    });
    let value = json!({
        "schema": 1,
        "steps": steps.collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
        "not_looked_at": checked.unread,
    });
    escaped(&format!("{value:#}\n"))
}

/// Renders the findings as annotations, which GitHub Actions shows in the files.
#[must_use]
pub fn annotations(checked: &Checked, known: &Baseline) -> String {
    let mut out = String::new();
    let mut counts = [0_usize; 3];
    for item in items(checked).iter().filter(|item| !known.knows(item)) {
        let (command, index) = match item.severity {
            Severity::Blocks => ("error", 0),
            Severity::Risk => ("warning", 1),
            Severity::Note => ("notice", 2),
        };
        let Some(count) = counts.get_mut(index) else { continue };
        *count += 1;
        if *count > MOST_ANNOTATIONS {
            continue;
        }
        let mut properties = vec![format!(
            "title={}",
            escape_property(&format!("aws-oidc-doctor: {}", item.rule.id))
        )];
        if let Some(spot) = item
            .spots
            .iter()
            .find(|spot| clean(&spot.source.name) == spot.source.name)
        {
            let (start, end) = (
                spot.source.position(spot.span.start),
                spot.source.position(spot.span.end),
            );
            properties.push(format!("file={}", escape_property(&spot.source.name)));
            properties.push(format!("line={}", start.line));
            if end.line == start.line {
                properties.push(format!("col={},endColumn={}", start.column, end.column));
            }
        }
        let mut message = item.headline();
        for line in item.more.iter().take(2) {
            message.push('\n');
            message.push_str(line);
        }
        let title = item.changes.first().map(|change| &change.title);
        if let Some(help) = item.help.first().or(title) {
            message.push_str("\nhelp: ");
            message.push_str(help);
        }
        let _ = writeln!(
            out,
            "::{command} {}::{}",
            properties.join(","),
            escape_data(&cut(&message, 1300))
        );
    }
    out
}

/// Renders the findings for a terminal or a log.
#[must_use]
pub fn console(checked: &Checked, known: &Baseline, colour: bool) -> String {
    let mut out = String::new();
    for ask in &checked.asks {
        step(&mut out, ask);
    }
    let items = items(checked);
    let new: Vec<&Item<'_>> = items.iter().filter(|item| !known.knows(item)).collect();
    for item in new.iter().take(MOST_FINDINGS) {
        let _ = writeln!(out, "{}\n", finding(item, colour));
        for change in &item.changes {
            let _ = writeln!(out, "fix: {}\n{}", change.title, indented(&diff(change)));
        }
        for (title, text) in item
            .changes
            .is_empty()
            .then_some(&item.shown)
            .into_iter()
            .flatten()
            .take(1)
        {
            let _ = writeln!(out, "fix: {title}\n{}", indented(&clean_lines(text)));
        }
    }
    if new.len() > MOST_FINDINGS {
        let _ = writeln!(out, "and {} more findings\n", new.len() - MOST_FINDINGS);
    }
    if !checked.unread.is_empty() {
        out.push_str("not looked at:\n");
        for line in checked.unread.iter().take(MOST_LINES) {
            let _ = writeln!(out, "  {}", clean(line));
        }
        if checked.unread.len() > MOST_LINES {
            let _ = writeln!(out, "  and {} more", checked.unread.len() - MOST_LINES);
        }
        out.push('\n');
    }
    out.push_str(&total(checked, &new, items.len() - new.len()));
    out
}

/// Renders the findings as Markdown, for a job's summary.
#[must_use]
pub fn summary(checked: &Checked, known: &Baseline) -> String {
    let text = console(checked, known, false);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default().max(2) + 1;
    let fence = "`".repeat(longest);
    format!(
        "## AWS roles of this repository's workflows\n\n{fence}text\n{}\n{fence}\n",
        clean_lines(&text)
    )
}

fn total(checked: &Checked, new: &[&Item<'_>], known: usize) -> String {
    let count = |severity| new.iter().filter(|item| item.severity == severity).count();
    let of = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let mut line = format!(
        "{} for a role, {} for GitHub's tokens: {}, {}, {}",
        if checked.asks.len() == 1 {
            "1 step asks".to_owned()
        } else {
            format!("{} steps ask", checked.asks.len())
        },
        if checked.policies == 1 {
            "1 policy".to_owned()
        } else {
            format!("{} policies", checked.policies)
        },
        of(count(Severity::Blocks), "error"),
        of(count(Severity::Risk), "risk"),
        of(count(Severity::Note), "note"),
    );
    if known > 0 {
        let _ = write!(line, "; {known} known before");
    }
    line.push('\n');
    line
}

/// A step: the subjects it presents, and whether each gets in.
fn step(out: &mut String, ask: &Ask) {
    let _ = writeln!(out, "{}  {}:{}", clean(&ask.job), clean(&ask.file), ask.line);
    let policies = if ask.policies.is_empty() {
        String::new()
    } else {
        format!("  ({})", ask.policies.join(", "))
    };
    let _ = writeln!(
        out,
        "  role {}{}",
        cut(&clean(&ask.role), 200),
        cut(&clean(&policies), 200)
    );
    let width = ask
        .outcomes
        .iter()
        .map(|outcome| outcome.event.len())
        .max()
        .unwrap_or_default()
        .min(24);
    for outcome in ask.outcomes.iter().take(MOST_ROWS) {
        let word = match &outcome.verdict {
            Verdict::Allowed => "gets in".to_owned(),
            Verdict::Denied(cause) if cause.is_empty() => "does not get in".to_owned(),
            Verdict::Denied(cause) => format!("does not get in: {cause}"),
            Verdict::Undecided => "not known".to_owned(),
        };
        let _ = writeln!(
            out,
            "  {:<width$}  {}  {word}",
            clean(&outcome.event),
            cut(&clean(&outcome.subject), 120)
        );
    }
    if ask.outcomes.len() > MOST_ROWS {
        let _ = writeln!(out, "  and {} more", ask.outcomes.len() - MOST_ROWS);
    }
    for note in &ask.notes {
        let _ = writeln!(out, "  note: {}", clean(note));
    }
    out.push('\n');
}

fn items(checked: &Checked) -> Vec<Item<'_>> {
    let item = |noted: &'_ crate::check::Noted| {
        let spots = noted.spots.iter().filter_map(|(file, span, text)| {
            Some(Spot {
                source: checked.files.get(*file)?,
                shown_as: None,
                span: *span,
                text: clean(text),
            })
        });
        let placed = noted.changes.iter().filter(|change| !change.edits.is_empty());
        let changes = placed.filter_map(|change| {
            Some(Change {
                title: clean(&change.title),
                source: checked.files.get(change.file)?,
                shown_as: None,
                edits: change.edits.clone(),
            })
        });
        Item {
            rule: noted.rule,
            severity: noted.severity,
            certainty: noted.certainty,
            message: noted.message.clone(),
            more: noted.more.iter().map(|line| clean(line)).collect(),
            help: noted.help.iter().map(|line| clean(line)).collect(),
            spots: spots.collect(),
            changes: changes.collect(),
            shown: noted
                .changes
                .iter()
                .filter(|change| !change.text.is_empty())
                .map(|change| (clean(&change.title), change.text.clone()))
                .collect(),
            about: noted.about.clone(),
        }
    };
    checked.findings.iter().map(item).collect()
}

/// A finding as a compiler shows it: the places first, then the notes.
fn finding(item: &Item<'_>, colour: bool) -> String {
    let level = match item.severity {
        Severity::Blocks => Level::ERROR,
        Severity::Risk => Level::WARNING.with_name("risk"),
        Severity::Note => Level::NOTE,
    };
    let mut elements: Vec<Element<'_>> = Vec::new();
    for (at, spot) in item.spots.iter().take(MOST_LINES).enumerate() {
        elements.extend(excerpt(spot, at == 0));
    }
    let lines = |level: Level<'static>, lines: &[String]| {
        let line = |line: &String| Element::from(level.clone().message(clean(line)));
        lines.iter().take(MOST_LINES).map(line).collect::<Vec<_>>()
    };
    let whole = item.spots.iter().filter(|spot| spot.span == Span::default());
    let whole: Vec<String> = whole.map(|spot| cut(&clean(&spot.text), 200)).collect();
    elements.extend(lines(Level::NOTE, &whole));
    elements.extend(lines(Level::NOTE, &item.more));
    elements.extend(lines(Level::HELP, &item.help));
    let group = level.primary_title(item.headline()).id(item.rule.id).elements(elements);
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.term_width(140).render(&[group])
}

/// The lines of a place.
fn excerpt<'a>(spot: &Spot<'_>, is_first: bool) -> Option<Element<'a>> {
    // A plan or a state as a whole: its beginning says nothing, and anything can be in it.
    if spot.span == Span::default() {
        return Some(Origin::path(clean(&spot.source.name)).into());
    }
    let text = &spot.source.text;
    let start = text.get(..spot.span.start)?.rfind('\n').map_or(0, |at| at + 1);
    let rest = text.get(start..)?;
    let wanted = text.get(start..spot.span.end)?.lines().count().clamp(1, MOST_EXCERPT);
    let length: usize = rest.split_inclusive('\n').take(wanted).map(str::len).sum();
    let lines = rest.get(..length)?.trim_end_matches('\n');
    let shown = |from: usize, to: usize| lines.get(from.min(lines.len())..to.min(lines.len())).map(visible);
    let (from, to) = (spot.span.start - start, spot.span.end.checked_sub(start)?);
    let (before, inside) = (shown(0, from)?, shown(from, to)?);
    let span = before.len()..before.len() + inside.len();
    let kind = if is_first {
        AnnotationKind::Primary
    } else {
        AnnotationKind::Context
    };
    let annotation = kind.span(span).label(cut(&clean(&spot.text), 200));
    let line = spot.source.position(start).line;
    let text = visible(lines).replace("##[", "#?[");
    Some(
        Snippet::source(text)
            .line_start(line)
            .path(clean(&spot.source.name))
            .annotation(annotation)
            .into(),
    )
}

/// A change as a unified diff.
fn diff(change: &Change<'_>) -> String {
    let after = applied(change.source, &change.edits);
    let name = clean(change.source.name.trim_start_matches("./"));
    let diff = similar::TextDiff::from_lines(&change.source.text, &after);
    let text = diff
        .unified_diff()
        .context_radius(2)
        .header(&format!("a/{name}"), &format!("b/{name}"))
        .to_string();
    clean_lines(&text)
}

fn applied(source: &SourceText, edits: &[Edit]) -> String {
    let mut text = source.text.clone();
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.span));
    for edit in edits {
        let Span { start, end } = edit.span;
        if text.get(start..end).is_some() {
            text.replace_range(start..end, &edit.text);
        }
    }
    text
}

fn indented(text: &str) -> String {
    text.lines().fold(String::new(), |mut out, line| {
        let _ = writeln!(out, "  {line}");
        out
    })
}
