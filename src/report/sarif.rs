//! The findings as SARIF 2.1.0, which GitHub's code scanning and editors read.
//! (OASIS, "Static Analysis Results Interchange Format Version 2.1.0"; GitHub docs, "SARIF support for code scanning".)

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::item::{Change, Item, Spot, items};
use super::json::escaped;
use super::{MOST_BLOCK, Report, clean, cut};
use crate::finding::{Rule, Severity};
use crate::text::{SourceText, Span};

/// The characters of a path that are percent-encoded: all but `/` and RFC 3986's `unreserved`.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// GitHub shows this many of a run's results (GitHub docs, "SARIF support for code scanning", limits: 25,000 are accepted).
const MOST_RESULTS: usize = 5000;
/// The most related locations GitHub accepts for a result.
const MOST_PLACES: usize = 100;

/// Renders a report as SARIF.
#[must_use]
pub fn render(report: &Report) -> String {
    let runs = report.runs().flat_map(|run| {
        let alone = run.chain.is_empty().then_some(run);
        run.chain.iter().chain(alone)
    });
    let items: Vec<Item<'_>> = runs.flat_map(items).collect();
    log(&items, &|_| false, &|rule| report.pages.url(rule))
}

/// Items as one SARIF run. `known` says which were there before; `page` returns a rule's page.
pub(crate) fn log(
    items: &[Item<'_>],
    known: &dyn Fn(&Item<'_>) -> bool,
    page: &dyn Fn(&Rule) -> Option<String>,
) -> String {
    let mut rules: Vec<&Rule> = Vec::new();
    for item in items {
        if !rules.iter().any(|rule| rule.id == item.rule.id) {
            rules.push(item.rule);
        }
    }
    let mut shown = Shown(Vec::new());
    for spot in items.iter().flat_map(|item| &item.spots) {
        if let Some(name) = spot.shown_as
            && !shown.0.iter().any(|(_, source)| *source == spot.source)
        {
            shown.0.push((name, spot.source));
        }
    }
    let results = items
        .iter()
        .take(MOST_RESULTS)
        .map(|item| result(item, &rules, &shown, known(item)));
    let results: Vec<Value> = results.collect();
    let artifacts = shown.0.iter().map(|(_, source)| {
        json!({ "location": { "uri": shown.uri(source) }, "contents": { "text": cut(&source.text, MOST_BLOCK) } })
    });
    let artifacts: Vec<Value> = artifacts.collect();
    let mut run = json!({
        "tool": { "driver": {
            "name": env!("CARGO_PKG_NAME"),
            "version": env!("CARGO_PKG_VERSION"),
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "rules": rules.iter().map(|rule| self::rule(rule, page)).collect::<Vec<_>>(),
        } },
        // Columns are counted in characters, not in UTF-16 code units.
        "columnKind": "unicodeCodePoints",
        "results": results,
    });
    if let (Some(run), false) = (run.as_object_mut(), artifacts.is_empty()) {
        run.insert("artifacts".to_owned(), Value::Array(artifacts));
    }
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    });
    escaped(&format!("{log:#}\n"))
}

fn rule(rule: &Rule, page: &dyn Fn(&Rule) -> Option<String>) -> Value {
    let mut value = json!({
        "id": rule.id,
        "name": rule.id,
        "shortDescription": { "text": rule.title },
        "help": { "text": rule.page(), "markdown": rule.page() },
        "properties": { "tags": ["aws", "oidc", "security", rule.stage.name()] },
    });
    if let (Some(fields), Some(url)) = (value.as_object_mut(), page(rule)) {
        fields.insert("helpUri".to_owned(), json!(url));
    }
    value
}

fn result(item: &Item<'_>, rules: &[&Rule], shown: &Shown<'_>, is_known: bool) -> Value {
    let mut text = item.headline();
    for line in item.more.iter().chain(&item.help) {
        text.push('\n');
        text.push_str(&clean(line));
    }
    let mut spots = item.spots.iter().take(MOST_PLACES).map(|spot| place(spot, shown));
    let first: Vec<Value> = spots.next().into_iter().collect();
    let related: Vec<Value> = spots.collect();
    let fixes: Vec<Value> = item.changes.iter().map(|change| self::fix(change, shown)).collect();
    let mut value = json!({
        "ruleId": item.rule.id,
        "ruleIndex": rules.iter().position(|rule| rule.id == item.rule.id),
        "level": match item.severity {
            Severity::Blocks => "error",
            Severity::Risk => "warning",
            Severity::Note => "note",
        },
        "message": { "text": text },
        "locations": first,
        "partialFingerprints": { "findingHash/v1": item.fingerprint() },
        "baselineState": if is_known { "unchanged" } else { "new" },
        "properties": { "certainty": item.certainty.name(), "severity": item.severity.name() },
    });
    if let Some(fields) = value.as_object_mut() {
        for (name, list) in [("relatedLocations", related), ("fixes", fixes)] {
            if !list.is_empty() {
                fields.insert(name.to_owned(), Value::Array(list));
            }
        }
    }
    value
}

fn place(spot: &Spot<'_>, shown: &Shown<'_>) -> Value {
    let mut place = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(spot.source, spot.shown_as, shown) },
            "region": region(spot.source, spot.span),
        },
    });
    if let (Some(fields), false) = (place.as_object_mut(), spot.text.is_empty()) {
        fields.insert("message".to_owned(), json!({ "text": clean(&spot.text) }));
    }
    place
}

/// A path from the root of the repository, or the name of an attached document.
fn uri(source: &SourceText, shown_as: Option<&str>, shown: &Shown<'_>) -> String {
    match shown_as {
        None => utf8_percent_encode(source.name.trim_start_matches("./"), PATH).to_string(),
        Some(_) => shown.uri(source),
    }
}

/// Documents the reader has no file of: their names and texts.
struct Shown<'a>(Vec<(&'static str, &'a SourceText)>);

impl Shown<'_> {
    /// The document's name, with a number if there are several.
    fn uri(&self, source: &SourceText) -> String {
        let at = self
            .0
            .iter()
            .position(|(_, known)| *known == source)
            .unwrap_or_default();
        let name = self.0.get(at).map_or("document", |(name, _)| *name);
        let before = self.0.iter().take(at).filter(|(other, _)| *other == name).count();
        if before == 0 {
            format!("{name}.json")
        } else {
            format!("{name}-{}.json", before + 1)
        }
    }
}

fn region(source: &SourceText, span: Span) -> Value {
    let (start, end) = (source.position(span.start), source.position(span.end.max(span.start)));
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

fn fix(change: &Change<'_>, shown: &Shown<'_>) -> Value {
    let replacements: Vec<Value> = change
        .edits
        .iter()
        .map(|edit| json!({ "deletedRegion": region(change.source, edit.span), "insertedContent": { "text": edit.text } }))
        .collect();
    json!({
        "description": { "text": clean(&change.title) },
        "artifactChanges": [{
            "artifactLocation": { "uri": uri(change.source, change.shown_as, shown) },
            "replacements": replacements,
        }],
    })
}
