//! The report as JSON, `"schema": 1`: other tools rely on it, so fields are added and never changed.

use serde_json::{Value, json};

use crate::diagnose::{Diagnosis, Finding, Label};
use crate::fix::Fix;
use crate::policy::Decision;

/// Laid out for reading.
#[must_use]
pub fn render(diagnosis: &Diagnosis) -> String {
    format!("{:#}\n", value(diagnosis))
}

/// On one line, for a step's output.
#[must_use]
pub fn line(diagnosis: &Diagnosis) -> String {
    value(diagnosis).to_string()
}

fn value(diagnosis: &Diagnosis) -> Value {
    json!({
        "schema": 1,
        "verdict": diagnosis.conclusion.name(),
        "cause": diagnosis.cause().map(|cause| json!({
            "id": cause.id,
            "number": cause.cause.map(|cause| cause.number()),
            "title": cause.message,
            "certainty": cause.certainty.name(),
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
    })
}

fn finding(diagnosis: &Diagnosis, finding: &Finding) -> Value {
    json!({
        "id": finding.id,
        "number": finding.cause.map(|cause| cause.number()),
        "severity": finding.severity.name(),
        "certainty": finding.certainty.name(),
        "stage": finding.stage.name(),
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
        "notes": fix.notes,
    })
}
