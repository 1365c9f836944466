//! `caller-not-allowed`: a policy on the side of who asks does not allow it to assume the role.

use super::check::{Check, When};
use crate::aws::answer::{Answer, PolicyKind, Refusal};
use crate::case::Case;
use crate::finding::{Fact, Finding, Rule, Stage};
use crate::policy::Decision;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "caller-not-allowed",
        cause: None,
        stage: Stage::Session,
        title: "a policy on the side of who asks does not allow it to assume the role",
        page: include_str!("../../docs/checks/caller-not-allowed.md"),
    },
    when: When::NotAllowed,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let refusal = refusal(case)?;
    let (user, action) = (&refusal.user, &refusal.action);
    let named = refusal.policy.filter(|kind| is_callers(*kind));
    let finding = Finding::blocks(match named {
        Some(kind) => format!(
            "`{user}` may not `{action}` on `{}`: AWS says that its {} does not allow it",
            refusal.resource,
            kind.name()
        ),
        None => format!(
            "`{user}` may not `{action}` on `{}`, although the role's trust policy lets it in",
            refusal.resource
        ),
    })
    .rests_on(case, if named.is_some() { &[Fact::Answer] } else { &[] })
    .note("the trust policy cannot help here: across accounts both sides must agree");
    let finding = finding.notes(
        refusal
            .because
            .as_ref()
            .map(|because| format!("AWS says why: {because}")),
    );
    Some(match named {
        Some(PolicyKind::ServiceControl) => {
            finding.help("ask who keeps the organization's service control policies: one of the account that asks denies it, or allows it nowhere")
        }
        Some(PolicyKind::PermissionsBoundary) => {
            finding.help("let the permissions boundary of the role that asks allow `sts:AssumeRole` and `sts:TagSession` on the role")
        }
        Some(PolicyKind::Session) => {
            finding.help("the step before narrows its session (`inline-session-policy`, `managed-session-policies`): allow `sts:AssumeRole` and `sts:TagSession` on the role there")
        }
        _ => finding.help("give the role that asks a policy that allows `sts:AssumeRole` and `sts:TagSession` on the ARN of the next role"),
    })
}

/// Is it the side of who asks that denies?
pub(super) fn applies(case: &Case<'_>) -> bool {
    refusal(case).is_some()
}

fn refusal<'a>(case: &'a Case<'_>) -> Option<&'a Refusal> {
    let Some(Answer::AssumeRoleDenied(refusal)) = &case.answer else {
        return None;
    };
    if refusal.action != "sts:AssumeRole" || case.asked_by_stranger() || super::external_id_mismatch::applies(case) {
        return None;
    }
    let by_rest = refusal.policy.is_none() && case.decision() == Some(Decision::Allow);
    (refusal.policy.is_some_and(is_callers) || by_rest).then_some(refusal)
}

/// Policies of who asks, or of its account. (IAM User Guide, `troubleshoot_access-denied`.)
fn is_callers(kind: PolicyKind) -> bool {
    use PolicyKind as K;
    matches!(
        kind,
        K::IdentityBased | K::PermissionsBoundary | K::ServiceControl | K::Session
    )
}
