//! `session-tagging-denied`: the session is not allowed to be tagged.

use super::check::{Check, When};
use crate::aws::answer::{Answer, Refusal};
use crate::case::Case;
use crate::finding::{Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "session-tagging-denied",
        cause: None,
        stage: Stage::Session,
        title: "the session is not allowed to be tagged",
        page: include_str!("../../docs/checks/session-tagging-denied.md"),
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let Some(Answer::AssumeRoleDenied(Refusal {
        action, user, resource, ..
    })) = &case.answer
    else {
        return None;
    };
    if action != "sts:TagSession" {
        return None;
    }
    Some(
        Finding::blocks(format!("`{user}` is allowed to assume `{resource}`, but not to tag the session: `sts:TagSession` is missing"))
            .rests_on(case, &[Fact::Answer])
            .note("with AWS credentials configure-aws-credentials sends session tags (repository, workflow, actor, …); with the ID token it sends none")
            .help("add `sts:TagSession` beside `sts:AssumeRole` to the trust policy of the role, and across accounts to the policy of who asks")
            .help("or set `role-skip-session-tagging: true` in the step"),
    )
}
