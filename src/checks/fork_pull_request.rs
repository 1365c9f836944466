//! `fork-pull-request`: a pull request from a fork cannot get an ID token.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::{Case, is_told};
use crate::configure::Flow;
use crate::evidence::{Probe, Why};
use crate::finding::{Cause, Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "fork-pull-request",
        cause: Some(Cause::NoIdTokenPermission),
        stage: Stage::Permission,
        title: "a pull request from a fork cannot get an ID token",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let sent = case.answer.as_ref().is_some_and(Answer::token_was_sent);
    if case.claims.is_some() || sent || !matches!(case.flow, Flow::Oidc | Flow::Ambient) || !is_fork(case) {
        return None;
    }
    let not_granted = case
        .evidence
        .token
        .as_ref()
        .and_then(Probe::gap)
        .is_some_and(|gap| gap.why == Why::NotGranted);
    let unset = not_granted || case.runner().and_then(|runner| runner.id_token_request) == Some(false);
    let absent = unset || matches!(case.answer, Some(Answer::TokenNotGranted | Answer::NoCredentials));
    if !absent {
        return None;
    }
    let head = case
        .runner()
        .and_then(|runner| runner.head_repository.as_deref())
        .unwrap_or_default();
    Some(
        Finding::blocks(format!("the pull request comes from the fork `{head}`, and the job got no ID token: GitHub issues none for a fork's pull request, unless a private repository's settings allow it"))
            .rests_on(case, match (unset, &case.answer) {
                (true, _) => &[Fact::TokenRequest],
                (_, Some(Answer::TokenNotGranted)) => &[Fact::Answer],
                _ => &[],
            })
            // GitHub docs, "GITHUB_TOKEN", "Permissions for the GITHUB_TOKEN".
            .note("for a pull request from a public fork, `id-token` is always `none`, whatever `permissions` says")
            .help("skip the steps that need AWS for forks: `if: github.event_name != 'pull_request' || github.event.pull_request.head.repo.full_name == github.repository`")
            .help("do not move the job to `pull_request_target` and check out the fork's code: that gives strangers the role"),
    )
}

/// Whether the event is a pull request from another repository.
pub(super) fn is_fork(case: &Case<'_>) -> bool {
    let Some(runner) = case.runner() else { return false };
    runner
        .event_name
        .as_deref()
        .is_some_and(|event| event.starts_with("pull_request") && event != "pull_request_target")
        && match (&runner.head_repository, &runner.repository) {
            (Some(head), Some(base)) => is_told(head) && is_told(base) && !head.eq_ignore_ascii_case(base),
            _ => false,
        }
}
