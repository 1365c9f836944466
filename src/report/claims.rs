//! What a token alone shows, and the policy that lets it in: as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::json::escaped;
use super::{MOST_LINES, clean, clean_lines, cut};
use crate::finding::{Fix, Told};

/// The title of the group for [`lines()`] in a step's log.
pub(super) const TITLE: &str = "what the token says, and the smallest trust policy that accepts it";

/// Renders it for a terminal or a log.
#[must_use]
pub fn lines(told: &Told) -> String {
    let mut out = String::from("the subject, part by part:\n");
    for (part, place) in told.parts.iter().take(MOST_LINES) {
        let claim = part.claim.as_ref().map(|claim| format!(" (claim `{claim}`)"));
        let place = place.as_ref().map(|place| format!(": {place}"));
        let from = format!(
            "{}{}{}",
            part.from,
            claim.unwrap_or_default(),
            place.unwrap_or_default()
        );
        let _ = writeln!(out, "  {:<24} {}", cut(&clean(&part.text), 400), clean(&from));
    }
    if told.parts.is_empty() {
        out.push_str("  the token has none\n");
    }
    out.push_str("\nwhat a trust policy can compare, of all the claims:\n");
    for (key, value) in &told.keys {
        // Every token has the others. (GitHub docs, "OpenID Connect reference".)
        let none = match key.ends_with(":environment") || key.ends_with(":enterprise_id") {
            true => "(not in this token)",
            false => "(not among the given claims)",
        };
        let value = value.as_ref().map(|value| cut(&clean(value), 400));
        let _ = writeln!(out, "  {} = {}", clean(key), value.as_deref().unwrap_or(none));
    }
    let claims = serde_json::to_string_pretty(&told.claims).unwrap_or_default();
    let _ = writeln!(out, "\nthe claims:\n{}", clean_lines(&claims));
    for fix in &told.least {
        let _ = writeln!(out, "\n{}:\n{}", clean(&fix.title), clean_lines(&fix.text));
        for note in &fix.notes {
            let _ = writeln!(out, "({})", clean(note));
        }
        for (name, text) in [("Terraform", &fix.terraform), ("CloudFormation", &fix.cloudformation)] {
            let _ = writeln!(out, "\nas {name}:\n{}", clean_lines(text));
        }
    }
    if told.least.is_empty() {
        let _ = writeln!(out, "\n{NO_POLICY}");
    }
    out
}

/// Why there is no policy.
pub(super) const NO_POLICY: &str =
    "no trust policy is offered: it needs a whole GitHub Actions token, with `iss`, `sub` and `aud`";

/// The introduction to the command.
pub(super) const FINISH: &str = "anyone with access to the role can finish this diagnosis; `save-evidence: run.json` (on the command line, `--save-evidence run.json`) saves the run:";

/// Renders it as JSON.
#[must_use]
pub fn json(told: &Told) -> String {
    let mut value = value(told);
    if let Some(fields) = value.as_object_mut() {
        fields.shift_insert(0, "schema".to_owned(), json!(1));
    }
    escaped(&format!("{value:#}\n"))
}

/// The fields of [`json()`], for a report.
pub(super) fn value(told: &Told) -> Value {
    let subject = told.claims.subject();
    json!({
        "claims": told.claims,
        "subject": {
            "text": subject,
            "parts": told.parts.iter().map(|(part, place)| json!({
                "text": part.text, "claim": part.claim, "from": part.from, "place": place,
            })).collect::<Vec<_>>(),
        },
        "condition_keys": told.keys.iter().map(|(key, value)| (key.clone(), json!(value))).collect::<serde_json::Map<_, _>>(),
        "trust_policy": told.least.first().map(policy),
        "lasting": told.least.get(1).map(policy),
        "finish": told.finish,
    })
}

fn policy(least: &Fix) -> Value {
    json!({
        "title": least.title,
        "policy": serde_json::from_str::<Value>(&least.text).unwrap_or_default(),
        "terraform": least.terraform,
        "cloudformation": least.cloudformation,
        "notes": least.notes,
    })
}
