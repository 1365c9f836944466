//! `chained-role-not-trusted`: the next role does not trust the previous one.

use super::check::{Check, When};
use crate::aws::answer::{Answer, PolicyKind};
use crate::case::Case;
use crate::configure::Flow;
use crate::finding::{Fact, Finding, Rule, Stage};
use crate::policy::{Decision, Outcome};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "chained-role-not-trusted",
        cause: None,
        stage: Stage::Session,
        title: "the next role does not trust the previous one",
        page: include_str!("../../docs/checks/chained-role-not-trusted.md"),
    },
    when: When::NotAllowed,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let denied = match &case.answer {
        Some(Answer::AssumeRoleDenied(refusal)) if refusal.action == "sts:AssumeRole" => Some(refusal),
        _ => None,
    };
    if super::caller_not_allowed::applies(case)
        || denied.is_some_and(|refusal| super::denied_elsewhere::is_elsewhere(refusal.policy))
        || case.asked_by_stranger()
        || super::external_id_mismatch::applies(case)
        || (case.flow == Flow::Ambient && denied.is_none())
    {
        return None;
    }
    let by_policy = (denied.is_some() || matches!(case.flow, Flow::AccessKey | Flow::Chaining))
        && matches!(case.decision(), Some(Decision::ImplicitDeny | Decision::ExplicitDeny));
    if denied.is_none() && !by_policy {
        return None;
    }
    let mut finding = Finding::blocks(match denied {
        Some(refusal) if refusal.user.is_empty() || refusal.resource.is_empty() => {
            "the credentials that ask are not allowed to assume the role".to_owned()
        }
        Some(refusal) => format!("`{}` is not allowed to assume `{}`", refusal.user, refusal.resource),
        None => "the trust policy does not trust the credentials that ask for this role".to_owned(),
    });
    // Else a policy of who asks, of the organization or of an endpoint can be what denies.
    finding = match denied {
        Some(refusal) if refusal.policy == Some(PolicyKind::RoleTrust) => finding.rests_on(case, &[Fact::Answer]),
        Some(refusal) if refusal.policy.is_none() && by_policy => finding.rests_on(case, &[Fact::Answer, Fact::Policy]),
        _ => finding,
    };
    if let Some(because) = denied.and_then(|refusal| refusal.because.as_deref()) {
        finding = finding.note(format!("AWS says why: {because}"));
    }
    if let Some(policy) = &case.policy
        && let Some((index, statement, trace)) = policy.nearest()
    {
        if trace.principal.outcome == Outcome::NoMatch {
            finding = finding.label(statement.principal.as_ref().map(|p| {
                case.policy_label(
                    p.span,
                    format!("{}/Principal", policy.policy.statement_pointer(index)),
                    "who asks is not here",
                )
            }));
        }
        if trace.action.outcome == Outcome::NoMatch {
            finding = finding.label(statement.action.as_ref().map(|a| {
                case.policy_label(
                    a.span,
                    format!("{}/Action", policy.policy.statement_pointer(index)),
                    "does not cover `sts:AssumeRole`",
                )
            }));
        }
    }
    Some(
        finding
            .note("both sides must agree: the trust policy of the role that is asked for, and, across accounts, a policy of the role that asks, each for `sts:AssumeRole` (and `sts:TagSession`)")
            .help("add the ARN of the asking role to the trust policy's `Principal` (`AWS`), with the actions `sts:AssumeRole` and `sts:TagSession`")
            .help("give the asking role a policy that allows both on the ARN of the next role")
            .help("if the job should have come with its ID token, see `other-credentials-used` and `id-token-permission-missing`"),
    )
}
