//! `session-tagging-denied`: the session is not allowed to be tagged.

use super::check::{Check, When};
use crate::aws::answer::{Answer, Refusal};
use crate::case::Case;
use crate::configure::Input;
use crate::finding::{Fact, Finding, Rule, Stage};
use crate::policy::Decision;

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
    if let Some(finding) = by_policy(case) {
        return Some(finding);
    }
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

/// Does the trust policy let the caller assume the role, and not tag the session? AWS was not asked.
fn by_policy(case: &Case<'_>) -> Option<Finding> {
    let policy = case.policy.as_ref()?;
    let is_denied = matches!(policy.tagging, Some(Decision::ExplicitDeny | Decision::ImplicitDeny));
    if case.answer.is_some() || case.decision() != Some(Decision::Allow) || !is_denied {
        return None;
    }
    let is_known = case.request().get(Input::RoleSkipSessionTagging).is_some();
    let finding = Finding::blocks("the trust policy lets the caller assume the role, and not tag the session: `sts:TagSession` is missing")
        .rests_on(case, if is_known { &[Fact::Policy, Fact::Input(Input::RoleSkipSessionTagging)] } else { &[] })
        .note("with AWS credentials configure-aws-credentials sends session tags (repository, workflow, actor, …); with the ID token it sends none")
        .note("`sts:TagSession` carries neither `sts:ExternalId` nor `sts:RoleSessionName`: under a condition on one of them it needs a statement of its own")
        .help("add `sts:TagSession` to the trust policy of the role, and across accounts to the policy of who asks")
        .help("or set `role-skip-session-tagging: true` in the step");
    let action = policy.nearest().and_then(|(index, statement, _)| {
        let pointer = format!("{}/Action", policy.policy.statement_pointer(index));
        Some(case.policy_label(
            statement.action.as_ref()?.span,
            pointer,
            "of what this allows, tagging is not a part",
        ))
    });
    Some(finding.label(action))
}
