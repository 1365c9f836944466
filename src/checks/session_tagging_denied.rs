//! `session-tagging-denied`: the session is not allowed to be tagged.

use super::check::{Check, When};
use crate::aws::answer::{Answer, Refusal};
use crate::case::{CallerCase, Case};
use crate::configure::Input;
use crate::finding::{Fact, Finding, Remedy, Rule, Stage};
use crate::policy::{Decision, Leaf, wildcard};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "session-tagging-denied",
        cause: None,
        stage: Stage::Session,
        title: "the session is not allowed to be tagged",
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
    // A cut message may not name them, and AWS says nothing of `sts:AssumeRole`.
    let user = if user.is_empty() {
        "the caller".to_owned()
    } else {
        format!("`{user}`")
    };
    let target = if resource.is_empty() {
        "the role".to_owned()
    } else {
        format!("`{resource}`")
    };
    let finding = Finding::blocks(format!("{user} isn't allowed to tag the session of {target}: `sts:TagSession` is missing"))
        .rests_on(case, &[Fact::Answer])
        .note("with AWS credentials configure-aws-credentials sends session tags (repository, workflow, actor, …); with the ID token it sends none")
        .help("add `sts:TagSession` beside `sts:AssumeRole` to the trust policy of the role, and across accounts to the caller's own policy")
        .help("or set `role-skip-session-tagging: true` in the step");
    Some(where_it_is_missing(case, finding))
}

/// Adds the side on which it is missing, if the policies show it, and the change to make there.
fn where_it_is_missing(case: &Case<'_>, finding: Finding) -> Finding {
    let tag = case.caller.as_ref().and_then(|caller| caller.tag);
    let finding = match CallerCase::blocked(tag) {
        Some(_) => finding
            .label(super::caller_not_allowed::label(case, tag))
            .remedy(Remedy::AllowCaller),
        None => finding,
    };
    if !is_denied_by_trust(case) {
        return finding;
    }
    let place = case.policy.as_ref().and_then(|policy| {
        let (index, statement, _) = policy.nearest()?;
        let action = statement.action.as_ref()?;
        let covers = |value: &str| wildcard::matches(&value.to_lowercase(), "sts:tagsession");
        if action.negated || !action.values.iter().any(|value| covers(&value.value)) {
            let place = policy.policy.location(Leaf::Action { statement: index })?;
            return Some(case.policy_label(place, "`sts:TagSession` is not among these"));
        }
        let absent = policy
            .nearest_leaves()
            .into_iter()
            .find(|leaf| leaf.is("sts:ExternalId") || leaf.is("sts:RoleSessionName"))?;
        let text = format!("a request to tag carries no `{}`", absent.name());
        Some(case.policy_label(absent.location(), text))
    });
    finding.label(place).remedy(Remedy::TrustCaller)
}

fn is_denied_by_trust(case: &Case<'_>) -> bool {
    let tagging = case.policy.as_ref().and_then(|policy| policy.tagging);
    matches!(tagging, Some(Decision::ExplicitDeny | Decision::ImplicitDeny))
}

/// Finds policies that let the caller assume the role but not tag the session, if AWS hasn't answered.
fn by_policy(case: &Case<'_>) -> Option<Finding> {
    let is_known = case.request().get(Input::RoleSkipSessionTagging).is_some();
    let caller = case.caller.as_ref();
    let assume = caller.and_then(|caller| caller.assume);
    let tag = caller.and_then(|caller| CallerCase::blocked(caller.tag));
    let (message, on): (_, &[Fact]) = if case.answer.is_some() || CallerCase::blocked(assume).is_some() {
        return None;
    } else if case.decision() == Some(Decision::Allow) && is_denied_by_trust(case) {
        (
            "the trust policy lets the caller assume the role, but not tag the session: `sts:TagSession` is missing"
                .to_owned(),
            &[Fact::Policy, Fact::Input(Input::RoleSkipSessionTagging)],
        )
    } else if let Some((side, decision)) = tag {
        (
            format!(
                "the caller's {} lets it assume the role, but not tag the session: `sts:TagSession` is missing",
                side.name()
            ),
            super::caller_not_allowed::rests_on(case, side, decision),
        )
    } else {
        return None;
    };
    let finding = Finding::blocks(message)
        .rests_on(case, if is_known { on } else { &[] })
        .note("with AWS credentials configure-aws-credentials sends session tags (repository, workflow, actor, …); with the ID token it sends none")
        // AWS service authorization reference for STS; terraform-aws-modules/terraform-aws-iam#152.
        .note("`sts:TagSession` carries neither `sts:ExternalId` nor `sts:RoleSessionName`: under a condition on one of them it needs a statement of its own")
        .help("add `sts:TagSession` to the trust policy of the role, and across accounts to the caller's own policy")
        .help("or set `role-skip-session-tagging: true` in the step");
    Some(where_it_is_missing(case, finding))
}
