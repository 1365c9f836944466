//! The results of a policy's expectations, as a unit test's output and as JSON.

use std::fmt::Write as _;

use serde_json::json;

use super::clean;
use super::json::escaped;
use crate::policy::Decision;
use crate::predict::Checked;

/// Returns the results of a file, one per line; a failure has its reason below it.
#[must_use]
pub fn render(file: &str, checked: &[Checked]) -> String {
    let mut out = format!("expectations of {}\n", clean(file));
    for one in checked {
        let must = if one.must_get_in { "gets in" } else { "stays out" };
        let name = clean(&one.name);
        if one.is_met() {
            let _ = writeln!(out, "  ok    {name} {must}");
            continue;
        }
        let is = match one.decision {
            Decision::Allow => "it gets in",
            Decision::ExplicitDeny | Decision::ImplicitDeny => "it does not",
            Decision::Undecided => "that cannot be told",
        };
        let must = if one.must_get_in {
            "must get in"
        } else {
            "must not get in"
        };
        let _ = writeln!(out, "  FAIL  {name} {must}, and {is} (line {})", one.line);
        let _ = writeln!(out, "        subject  {}", clean(&one.subject));
        if !one.because.is_empty() {
            let _ = writeln!(out, "        because  {}", clean(&one.because));
        }
    }
    out
}

/// Says how many passed.
#[must_use]
pub fn count(all: &[(String, Vec<Checked>)]) -> String {
    let checked = || all.iter().flat_map(|(_, checked)| checked);
    let passed = checked().filter(|one| one.is_met()).count();
    format!("\n{passed} passed, {} failed\n", checked().count() - passed)
}

/// Renders the results as JSON.
#[must_use]
pub fn json(all: &[(String, Vec<Checked>)]) -> String {
    let result = |one: &Checked| {
        json!({
            "name": one.name,
            "line": one.line,
            "subject": one.subject,
            "expected": if one.must_get_in { "allow" } else { "deny" },
            "decision": match one.decision {
                Decision::Allow => "allow",
                Decision::ExplicitDeny | Decision::ImplicitDeny => "deny",
                Decision::Undecided => "undecided",
            },
            "passed": one.is_met(),
            "because": one.because,
        })
    };
    let files = all
        .iter()
        .map(|(file, checked)| json!({ "file": file, "results": checked.iter().map(result).collect::<Vec<_>>() }));
    escaped(&format!(
        "{:#}\n",
        json!({ "schema": 1, "files": files.collect::<Vec<_>>() })
    ))
}
