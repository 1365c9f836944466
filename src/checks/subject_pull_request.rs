//! `subject-pull-request`: the job runs for a pull request and the policy expects something else, or vice versa.

use super::check::{Check, When};
use crate::case::Case;
use crate::finding::{Cause, Finding, Rule, Stage};
use crate::github::subject::difference::{Kind, SubjectDifference};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "subject-pull-request",
        cause: Some(Cause::Context),
        stage: Stage::TrustPolicy,
        title: "the job runs for a pull request and the policy expects something else, or vice versa",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    super::check::subject(case, |kind| matches!(kind, Kind::PullRequest), finding)
}

fn finding(_: &Case<'_>, difference: &SubjectDifference) -> Finding {
    let (wanted, has) = super::check::contexts(difference);
    if difference.subject.ends_with(":pull_request") {
        Finding::blocks(format!("the event is a pull request, so the subject ends in `:pull_request`, but the trust policy expects {wanted}"))
            .note("a pull request's subject contains neither its branch nor its number")
            .help("if pull requests should not get this role, deploy on `push` (after the merge)")
            .help("or let the policy trust `:pull_request`, of a role with few permissions: the code of every pull request from this repository can then use it")
    } else {
        Finding::blocks(format!(
            "the trust policy expects a pull request, but the subject names {has}"
        ))
        // GitHub docs, "OpenID Connect reference"; it doesn't mention `pull_request_target`.
        .note("without an environment, the subject for the event `pull_request` ends in `:pull_request`; GitHub does not say what it is for `pull_request_target`")
    }
}
