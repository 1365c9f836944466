//! `subject-pull-request`: a pull request where the policy expects something else, or the other way round.

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
        title: "a pull request where the policy expects something else, or the other way round",
        page: include_str!("../../docs/checks/subject-pull-request.md"),
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
        Finding::blocks(format!("the event is a pull request, so the subject ends in `:pull_request`, and the trust policy expects {wanted}"))
            .note("a pull request's subject names neither its branch nor its number")
            .help("run the deploy on `push` (after the merge) where pull requests should not have this role")
            .help("or let the policy trust `:pull_request`; then the code of every pull request from this repository can use the role, so give it few rights")
    } else {
        Finding::blocks(format!(
            "the trust policy expects a pull request, and the subject names {has}"
        ))
        // GitHub docs, "OpenID Connect reference"; of `pull_request_target` it says nothing.
        .note("the event `pull_request` without an environment has `:pull_request` in its subject; of `pull_request_target` GitHub does not say")
    }
}
