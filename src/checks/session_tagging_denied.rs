//! `session-tagging-denied`: the session may not be tagged.

use crate::answer::{Answer, Refusal};
use crate::case::Case;
use crate::diagnose::{Check, Finding, Stage, Verdict};

/// The check.
pub(super) const CHECK: Check = Check {
    id: "session-tagging-denied",
    cause: None,
    stage: Stage::Session,
    title: "the session may not be tagged",
    page: include_str!("../../docs/checks/session-tagging-denied.md"),
    run,
};

fn run(case: &Case<'_>) -> Verdict {
    let Some(Answer::AssumeRoleDenied(Refusal {
        action, user, resource, ..
    })) = &case.answer
    else {
        return Verdict::Clear;
    };
    if action != "sts:TagSession" {
        return Verdict::Clear;
    }
    Verdict::Found(
        Finding::blocks(format!("`{user}` may assume `{resource}`, but not tag the session: `sts:TagSession` is missing"))
            .note("with AWS credentials configure-aws-credentials sends session tags (repository, workflow, actor, …); with the ID token it sends none")
            .help("add `sts:TagSession` beside `sts:AssumeRole` to the trust policy of the role, and across accounts to the policy of who asks")
            .help("or set `role-skip-session-tagging: true` in the step"),
    )
}
