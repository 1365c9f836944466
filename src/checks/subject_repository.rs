//! `subject-repository`: the owner or the repository is not what the policy expects.

use super::check::{Check, When};
use crate::case::Case;
use crate::finding::{Cause, Finding, Rule, Stage};
use crate::github::subject::difference::{Kind, SubjectDifference};
use crate::text::alike::is_nearly;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "subject-repository",
        cause: Some(Cause::Subject),
        stage: Stage::TrustPolicy,
        title: "the owner or the repository is not what the policy expects",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    super::check::subject(case, |kind| matches!(kind, Kind::Repository), finding)
}

fn finding(case: &Case<'_>, difference: &SubjectDifference) -> Finding {
    let (from, to) = difference.part;
    let wanted = difference.pattern.get(from..to).unwrap_or(&difference.pattern);
    let has = difference.token_part.as_str();
    let mut finding = Finding::blocks(format!(
        "the trust policy expects the repository `{wanted}`, but the token comes from `{has}`"
    ));
    let owner = |text: &str| {
        text.split('/')
            .next()
            .unwrap_or_default()
            .split('@')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let name = |text: &str| {
        text.split('/')
            .nth(1)
            .unwrap_or_default()
            .split('@')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let names = |text: &str| format!("{}/{}", owner(text), name(text));
    let called = case.claims.and_then(|claims| claims.text("job_workflow_ref"));
    let called = called.and_then(|called| called.split("/.github/").next());
    if called.is_some_and(|called| called.eq_ignore_ascii_case(&names(wanted))) {
        // GitHub docs, "Using OpenID Connect with reusable workflows".
        return finding
            .note("the policy names the repository of the reusable workflow that the job calls; the subject is always the caller's")
            .help(format!(
                "trust the caller `{}` in the `sub` condition, and put the called workflow into a condition on `job_workflow_ref` beside it",
                names(has)
            ));
    }
    if name(wanted) == name(has) && owner(wanted) == owner(has) {
        // The IDs differ, which a note on the comparison says.
    } else if name(wanted) == name(has) {
        finding = finding.note("the repository has the same name but a different owner: the organization was renamed, the repository was transferred, or this is a fork");
    } else if owner(wanted) == owner(has) {
        finding = finding.note("the owner is the same but the repository differs: it was renamed, or the role belongs to another repository");
    }
    if is_nearly(&names(wanted), &names(has)) && !wanted.contains('*') {
        finding = finding.note("the two are nearly identical: this may be a typo");
    }
    finding.help("if this repository should have the role, add its subject; if the names in the policy are outdated, remove them, since anyone can register a name that has become available")
}
