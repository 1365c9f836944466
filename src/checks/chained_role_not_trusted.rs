//! `chained-role-not-trusted`: the next role does not trust the previous one.

use super::check::{Check, When};
use crate::aws::answer::{Answer, PolicyKind};
use crate::case::Case;
use crate::configure::{Flow, Input};
use crate::finding::{Fact, Finding, Label, Remedy, Rule, Stage};
use crate::github::issuer::Deployment;
use crate::policy::{Decision, Leaf, Outcome, Principal, PrincipalKind};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "chained-role-not-trusted",
        cause: None,
        stage: Stage::Session,
        title: "the next role does not trust the previous one",
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
            "the calling credentials aren't allowed to assume the role".to_owned()
        }
        Some(refusal) => format!("`{}` is not allowed to assume `{}`", refusal.user, refusal.resource),
        None => "the trust policy does not trust the credentials that request this role".to_owned(),
    });
    // Otherwise a policy of the caller, the organization or an endpoint may be what denies.
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
        if trace.principal.outcome != Outcome::Match {
            finding = finding.notes(
                statement
                    .principal
                    .as_ref()
                    .and_then(|principal| odd_principal(case, principal)),
            );
        }
        if trace.principal.outcome == Outcome::NoMatch {
            let principal = policy.policy.location(Leaf::Principal { statement: index });
            finding = finding.label(principal.map(|at| case.policy_label(at, "the caller is not among these")));
        }
        if trace.action.outcome == Outcome::NoMatch {
            let action = policy.policy.location(Leaf::Action { statement: index });
            finding = finding.label(action.map(|at| case.policy_label(at, "does not cover `sts:AssumeRole`")));
        }
    }
    finding = finding.notes(super::check::source_account(case));
    if let Some(label) = of_a_token(case) {
        finding = finding
            .label(label)
            .note("a step with `role-chaining: true` asks with the session of the step before and sends no token, so there is no token to compare")
            .help("trust the calling role; or, if this account has an OIDC provider for GitHub, leave `role-chaining` out and let the job's own token in");
    }
    let assume = case.caller.as_ref().and_then(|caller| caller.assume);
    if assume.is_some_and(|access| access.is_allowed_by_caller()) {
        finding = finding.note(
            "evaluated: all of the caller's policies allow it, so what is left is the role's trust policy, or a policy of the organization",
        );
    }
    if case.policy.is_none() && case.request().given(Input::RoleExternalId).is_none() {
        // aws/aws-msk-iam-auth#108, phillbaker/terraform-provider-elasticsearch#346.
        finding = finding.help(
            "if the role's owner gave out an external ID, pass it as `role-external-id`: without it AWS refuses, as reported, in these same words",
        );
    }
    Some(
        finding
            .remedy(Remedy::TrustCaller)
            .note("both sides must agree: the trust policy of the requested role and, across accounts, a policy of the calling role, each for `sts:AssumeRole` (and `sts:TagSession`)")
            .help("add the ARN of the calling role to the trust policy's `Principal` (`AWS`), with the actions `sts:AssumeRole` and `sts:TagSession`")
            .help("give the calling role a policy that allows both on the ARN of the next role")
            .help("if the job should have used its ID token, see `other-credentials-used` and `id-token-permission-missing`"),
    )
}

/// Finds a principal meant for the caller that actually stands for another. (IAM User Guide, `reference_policies_elements_principal`.)
fn odd_principal(case: &Case<'_>, principal: &Principal) -> Option<String> {
    let asking = case.at_hand()?.arn.as_str();
    let session_of = |arn: &str| {
        let (head, rest) = arn.split_once(":assumed-role/")?;
        Some((head.to_owned(), rest.split('/').next()?.to_owned()))
    };
    let mut values = principal.entries.iter().flat_map(|entry| &entry.values);
    values.find_map(|value| {
        let value = value.value.as_str();
        if session_of(value).is_some() && session_of(value) == session_of(asking) && value != asking {
            return Some(format!(
                "`{value}` means exactly that one session, and a wildcard in it is taken literally; the caller is `{asking}`: \
                 name the role instead"
            ));
        }
        let is_unique_id = value.starts_with("AROA") || value.starts_with("AIDA");
        is_unique_id.then(|| {
            format!(
                "`{value}` is the unique ID of a role or user that was deleted: one created again with the same name is a different one; save \
                 the policy with its ARN"
            )
        })
    })
}

/// Labels where the policy requires a token, which a call with AWS credentials doesn't carry: in its principal or in a condition.
fn of_a_token(case: &Case<'_>) -> Option<Label> {
    let policy = case.policy.as_ref()?;
    let (index, statement, _) = policy.nearest()?;
    let principal = statement.principal.as_ref()?;
    if principal
        .entries
        .iter()
        .all(|entry| entry.kind == PrincipalKind::Federated)
    {
        let place = policy.policy.location(Leaf::Principal { statement: index })?;
        return Some(case.policy_label(place, "this trusts tokens, and the step sends none"));
    }
    let claim = policy.nearest_leaves().into_iter().find(|leaf| {
        let name = leaf.name().to_lowercase();
        leaf.trace.outcome == Outcome::NoMatch
            && name
                .rsplit_once(':')
                .is_some_and(|(issuer, _)| Deployment::of(issuer) != Deployment::Other)
    })?;
    let text = format!("`{}` is a claim of a token, and the step sends none", claim.name());
    Some(case.policy_label(claim.location(), text))
}
