//! `denied-elsewhere`: the trust policy accepts the token, but AWS refuses.

use super::check::{Check, When};
use crate::aws::answer::{Answer, PolicyKind};
use crate::aws::arn::RoleArn;
use crate::aws::request::REPORTS_DIFFER;
use crate::case::{Case, is_told};
use crate::finding::{Fact, Finding, Rule, Stage};
use crate::github::issuer::issuer_host;
use crate::policy::Decision;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "denied-elsewhere",
        cause: None,
        stage: Stage::TrustPolicy,
        title: "the trust policy accepts the token, but AWS refuses",
    },
    when: When::NotAllowed,
    run,
};

/// Whether the policy belongs to neither the caller nor the role.
pub(super) fn is_elsewhere(kind: Option<PolicyKind>) -> bool {
    matches!(kind, Some(PolicyKind::ResourceControl | PolicyKind::VpcEndpoint))
}

fn run(case: &Case<'_>) -> Option<Finding> {
    let kind = match &case.answer {
        Some(Answer::NotAuthorized(kind)) if !case.asks_with_credentials() => *kind,
        Some(Answer::AssumeRoleDenied(refusal)) if is_elsewhere(refusal.policy) => refusal.policy,
        _ => return None,
    };
    // The policy that AWS names, if any. (IAM User Guide, `troubleshoot_access-denied`.) The role's trust policy is covered by the checks
    // before this one.
    if let Some(kind) = kind.filter(|kind| !matches!(kind, PolicyKind::RoleTrust | PolicyKind::ResourceBased)) {
        let name = kind.name();
        let article = if kind == PolicyKind::IdentityBased { "an" } else { "a" };
        let finding = Finding::blocks(format!(
            "AWS says that {article} {name} denies the request, not the role's trust policy"
        ))
        .rests_on(case, &[Fact::Answer]);
        let by_credentials = case.asks_with_credentials();
        let action = if by_credentials {
            "sts:AssumeRole"
        } else {
            "sts:AssumeRoleWithWebIdentity"
        };
        return Some(match kind {
            PolicyKind::ResourceControl | PolicyKind::ServiceControl if by_credentials => finding
                .help("ask whoever manages the organization's policies to let this caller assume the role"),
            PolicyKind::ResourceControl | PolicyKind::ServiceControl => finding
                .help("ask whoever manages the organization's policies to allow this subject; a policy written for names (`repo:owner/…`) denies subjects with IDs (`repo:owner@id/…`)"),
            PolicyKind::VpcEndpoint => finding
                .help(format!("allow `{action}` in the policy of the VPC endpoint through which the runner reaches STS")),
            // AWS Security Blog, "Enhanced access denied error messages with policy ARNs".
            _ => finding.help("look for it on the caller's side: AWS names the type of policy, and since 2026, within one organization, its ARN"),
        });
    }
    let Some(policy) = &case.policy else {
        return None;
    };
    if policy.trace.decision != Decision::Allow || super::condition_key_absent::CHECK.find(case).is_some() {
        return None;
    }
    if super::role_path_mismatch::CHECK.find(case).is_some() || super::role_missing::CHECK.find(case).is_some() {
        return None;
    }
    let prefix = format!("{}:", issuer_host(&case.issuer)).to_lowercase();
    let rests_on = policy.nearest_leaves();
    let claims = case.claims_compared();
    let mut finding = Finding::blocks("the trust policy accepts this token, but AWS refuses it: the reason is not in this policy")
        .note("AWS's answer overrides this evaluation; what remains possible:")
        .note("the organization's resource control policy or a VPC endpoint policy denies it: AWS's own sample of such a policy denies subjects with IDs (`repo:owner@id/…`)")
        .note("the policy or the role has just been changed, and the change has not propagated yet")
        .note("the policy that was checked does not belong to the requested role: another account, another name, or an older version");
    let read = case
        .role()
        .and_then(|role| role.arn.as_deref())
        .and_then(|arn| RoleArn::parse(arn).ok());
    if let (Some(read), Some(Ok(asked))) = (read, &case.role_arn)
        && (read.name != asked.name || asked.account.is_some() && read.account != asked.account)
    {
        finding = finding.note(format!(
            "the policy given belongs to the role `{}`, but the job requested `{}`",
            read.name, asked.name
        ));
    }
    let scoped = rests_on.iter().any(|leaf| {
        leaf.is(&format!("{prefix}sub"))
            && leaf
                .key
                .values
                .iter()
                .any(|value| !value.value.chars().all(|c| matches!(c, '*' | '?')))
    });
    if scoped && claims.is_empty() && case.policy_source.as_ref().is_some_and(|source| is_told(&source.text)) {
        finding = finding.rests_on(case, &[Fact::Answer, Fact::Policy, Fact::Issuer, Fact::Claims]);
    }
    if !scoped {
        finding = finding.note("no `sub` condition in the policy excludes anyone: IAM has not accepted such a policy for GitHub since June 2025, and according to one report AWS refuses it when the role is assumed");
    }
    if !claims.is_empty() {
        finding = finding.note(format!(
            "the policy relies on `{}`: {REPORTS_DIFFER}",
            claims.join("`, `")
        ));
    }
    if !matches!(case.role_arn, Some(Ok(_))) {
        finding = finding.note("the role's ARN is not known here: a wrong name, path or account number in `role-to-assume` most likely gives the same message");
    }
    Some(
        finding
            // IAM User Guide, `cloudtrail-integration`; which account has the event: aprin-labs/archimedes#1759,
            // ministryofjustice/modernisation-platform#3909.
            .help("look up the call in CloudTrail, as reported in the role's account (event `AssumeRoleWithWebIdentity`; `userIdentity.userName` is the subject), and ask whoever manages the organization's resource control policies"),
    )
}
