//! The report as JSON, `"schema": 1`: other tools rely on it, so fields are added and never changed.

use serde_json::{Value, json};

use super::{Report, Run, cut};
use crate::finding::Fix;
use crate::finding::{Diagnosis, Found, Label};
use crate::policy::Decision;
use crate::text::unseen::is_unseen;

/// Laid out for reading.
#[must_use]
pub fn render(report: &Report) -> String {
    escaped(&format!("{:#}\n", value(report)))
}

/// On one line, for a step's output.
#[must_use]
pub fn line(report: &Report) -> String {
    escaped(&value(report).to_string())
}

/// [`line()`] in at most so many bytes. What is left out for that is said in `left_out`: of `runs` all but what each comes to,
/// then the texts of the fixes, then the ends of long texts and lists.
#[must_use]
pub fn line_within(whole: &Report, most: usize) -> String {
    let text = line(whole);
    if text.len() <= most {
        return text;
    }
    let mut report = value(whole);
    for name in ["runs", "chain"] {
        for run in list(&mut report, name) {
            if let Some(fields) = run.as_object_mut() {
                fields
                    .retain(|name, _| ["schema", "verdict", "cause", "flow", "role", "role_source"].contains(&&**name));
            }
        }
    }
    set(&mut report, "left_out", json!("the details of `runs`"));
    let text = escaped(&report.to_string());
    if text.len() <= most {
        return text;
    }
    for fix in list(&mut report, "findings")
        .iter_mut()
        .flat_map(|finding| list(finding, "fixes"))
    {
        for name in ["text", "diff", "terraform", "cloudformation"] {
            set(fix, name, json!(""));
        }
        set(fix, "patch", json!([]));
    }
    set(
        &mut report,
        "left_out",
        json!("the texts of the fixes, and the details of `runs`"),
    );
    for (texts, entries) in [(usize::MAX, usize::MAX), (MOST_TEXT, 50), (MOST_TEXT / 10, 10)] {
        shorten(&mut report, texts, entries);
        if texts < usize::MAX {
            set(
                &mut report,
                "left_out",
                json!("the texts of the fixes, the details of `runs`, and the ends of long texts and lists"),
            );
        }
        let text = escaped(&report.to_string());
        if text.len() <= most {
            return text;
        }
    }
    let verdict = whole.deciding().diagnosis.conclusion.name();
    json!({ "schema": 1, "verdict": verdict, "left_out": "everything else: it is too large" }).to_string()
}

/// The most characters of a text in a report that would be too large otherwise.
const MOST_TEXT: usize = 2000;

fn list<'a>(value: &'a mut Value, name: &str) -> &'a mut [Value] {
    let list = value.get_mut(name).and_then(Value::as_array_mut);
    list.map_or(&mut [], Vec::as_mut_slice)
}

fn set(value: &mut Value, name: &str, new: Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.insert(name.to_owned(), new);
    }
}

fn shorten(value: &mut Value, texts: usize, entries: usize) {
    match value {
        Value::String(text) => *text = cut(text, texts),
        Value::Array(list) => {
            list.truncate(entries);
            list.iter_mut().for_each(|value| shorten(value, texts, entries));
        }
        Value::Object(fields) => fields.values_mut().for_each(|value| shorten(value, texts, entries)),
        _ => {}
    }
}

/// JSON in which characters that are not seen are written as escapes: its values stay what they are.
#[must_use]
pub fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // A line break is the layout's; one in a text is escaped already.
        if c != '\n' && is_unseen(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// The run that decides, and all of them.
fn value(report: &Report) -> Value {
    let mut value = run(report.deciding());
    set(&mut value, "chain", report.deciding().chain.iter().map(run).collect());
    set(&mut value, "runs", report.runs().map(run).collect());
    value
}

fn run(run: &Run) -> Value {
    let diagnosis = &run.diagnosis;
    json!({
        "schema": 1,
        "verdict": diagnosis.conclusion.name(),
        "flow": diagnosis.flow.name(),
        "role": run.role,
        "role_source": run.source,
        "cause": diagnosis.cause().map(|cause| json!({
            "id": cause.rule.id,
            "number": cause.cause().map(|cause| cause.number()),
            "title": cause.message,
            "certainty": cause.certainty().name(),
        })),
        "causes": diagnosis.causes.iter().map(|row| json!({
            "number": row.cause.number(),
            "title": row.cause.title(),
            "status": row.status.name(),
            "because": row.because,
        })).collect::<Vec<_>>(),
        "stages": diagnosis.stages.iter().map(|row| json!({
            "name": row.stage.name(),
            "status": row.status.name(),
            "detail": row.detail,
        })).collect::<Vec<_>>(),
        "findings": diagnosis.findings.iter().map(|finding| self::finding(diagnosis, finding)).collect::<Vec<_>>(),
        "gaps": diagnosis.gaps.iter().map(|gap| json!({
            "wanted": gap.wanted,
            "why": gap.why,
            "supply": gap.supply,
        })).collect::<Vec<_>>(),
        "notes": diagnosis.notes,
        "trust_policy": diagnosis.decision.map(|decision| json!({ "decision": match decision {
            Decision::Allow => "allow",
            Decision::ExplicitDeny | Decision::ImplicitDeny => "deny",
            Decision::Undecided => "undecided",
        }})),
        "subject": diagnosis.subject,
        "token": diagnosis.told.as_ref().map(super::claims::value),
    })
}

fn finding(diagnosis: &Diagnosis, finding: &Found) -> Value {
    json!({
        "id": finding.rule.id,
        "number": finding.cause().map(|cause| cause.number()),
        "severity": finding.severity.name(),
        "certainty": finding.certainty().name(),
        "stage": finding.rule.stage.name(),
        "message": finding.message,
        "labels": finding.labels.iter().map(|label| self::label(diagnosis, label)).collect::<Vec<_>>(),
        "notes": finding.notes,
        "help": finding.help,
        "fixes": finding.fixes.iter().map(fix).collect::<Vec<_>>(),
    })
}

fn label(diagnosis: &Diagnosis, label: &Label) -> Value {
    let source = diagnosis.document(label.document);
    let position = source.map(|source| source.position(label.span.start));
    json!({
        "document": label.document.name(),
        "pointer": label.pointer,
        "line": position.map(|position| position.line),
        "column": position.map(|position| position.column),
        "text": label.text,
        "source": source.map(|source| source.slice(label.span)),
    })
}

fn fix(fix: &Fix) -> Value {
    json!({
        "title": fix.title,
        "target": fix.target.name(),
        "patch": fix.patch,
        "text": fix.text,
        "diff": fix.diff,
        "command": fix.command,
        "terraform": fix.terraform,
        "cloudformation": fix.cloudformation,
        "notes": fix.notes.iter().chain(&fix.proof).collect::<Vec<_>>(),
    })
}
