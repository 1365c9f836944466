//! `principal-mismatch`: the trust policy trusts another provider or principal.

use super::check::{Check, When};
use crate::aws::arn::ProviderArn;
use crate::case::Case;
use crate::finding::{Fact, Finding, Party, Remedy, Rule, SideBySide, Stage};
use crate::github::issuer::{Deployment, issuer_host};
use crate::policy::{Decision, Leaf, Outcome, Presence, PrincipalKind, RequestPrincipal};
use crate::text::Location;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "principal-mismatch",
        cause: None,
        stage: Stage::TrustPolicy,
        title: "the trust policy trusts another provider or principal",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let Some(policy) = &case.policy else {
        return None;
    };
    let Some((index, statement, trace)) = policy.nearest() else {
        if case.decision() != Some(Decision::ImplicitDeny) {
            return None;
        }
        return Some(
            Finding::blocks("the trust policy has no `Allow` statement")
                .label(case.policy_label(
                    Location::new(policy.policy.statement_span, "/Statement"),
                    "no statement here has the effect `Allow`",
                ))
                .note("anything not explicitly allowed is denied")
                .rests_on(case, &[Fact::Policy])
                .remedy(Remedy::Admit),
        );
    };
    if trace.principal.outcome != Outcome::NoMatch {
        return None;
    }
    let wanted = match &policy.request.principal {
        RequestPrincipal::Federated(arn) => arn.clone(),
        _ => return None,
    };
    let pointer = format!("{}/Principal", policy.policy.statement_pointer(index));
    let entries = statement
        .principal
        .as_ref()
        .map(|principal| principal.entries.as_slice())
        .unwrap_or_default();
    let federated = entries.iter().find(|entry| entry.kind == PrincipalKind::Federated);
    let mut explains = vec![Leaf::Principal { statement: index }];
    let finding = match federated.and_then(|entry| Some((entry.values.first()?, entry.is_list))) {
        Some((value, is_list)) => Finding::blocks(message(&value.value, &wanted, case))
            .compares(SideBySide::of(
                "principal",
                Party::new("token", "belongs to", &wanted),
                Party::new("policy", "trusts", &value.value),
            ))
            .label(case.policy_label(
                Location::new(
                    value.span,
                    format!("{pointer}/Federated{}", if is_list { "/0" } else { "" }),
                ),
                format!("the token's provider is `{wanted}`"),
            )),
        None => {
            // A different kind of principal needs a different action; one mistake, one report.
            explains.push(Leaf::Action { statement: index });
            let kind = match entries.first().map(|entry| entry.kind) {
                Some(PrincipalKind::Aws) => "AWS accounts, users and roles",
                Some(PrincipalKind::Service) => "an AWS service",
                _ => "another kind of principal",
            };
            Finding::blocks(format!(
                "the trust policy trusts {kind}, but a job's token comes from an identity provider (`Federated`)"
            ))
            .label(statement.principal.as_ref().map(|principal| {
                case.policy_label(
                    Location::new(principal.span, pointer),
                    format!("`Federated` is missing here, such as `{wanted}`"),
                )
            }))
        }
    };
    let finding = match &statement.condition_span {
        // Keys with another issuer's prefix are part of the same mistake.
        Some(_) => {
            let prefix = format!("{}:", issuer_host(&case.issuer));
            let keys = policy
                .failing()
                .into_iter()
                .filter(|leaf| !leaf.name().to_lowercase().starts_with(&prefix.to_lowercase()));
            finding.explains(
                keys.filter(|leaf| leaf.trace.actual == Presence::Absent)
                    .map(|leaf| leaf.leaf)
                    .collect::<Vec<_>>(),
            )
        }
        None => finding,
    };
    let others = super::check::other_allows(policy, index);
    let finding = super::check::by_policy(case, &[Fact::Issuer], finding);
    Some(finding.explains(explains).notes(others).remedy(Remedy::Admit))
}

fn message(value: &str, wanted: &str, case: &Case<'_>) -> String {
    let (Some(has), Some(needs)) = (ProviderArn::parse(value), ProviderArn::parse(wanted)) else {
        return format!("the trust policy's `Federated` principal `{value}` is not the ARN of an OIDC provider");
    };
    if has.host == needs.host && has.partition == needs.partition {
        return format!(
            "the trust policy names the provider in account `{}`, but the role is in account `{}`",
            has.account, needs.account
        );
    }
    if has.host == needs.host {
        return format!(
            "the trust policy names a provider in the partition `{}`, but the role is in `{}`",
            has.partition, needs.partition
        );
    }
    let why = if has.host.eq_ignore_ascii_case(&needs.host) {
        "; they differ in letter case"
    } else if has.host.trim_end_matches('/') == needs.host {
        "; one of them ends in a slash"
    } else if has.host.starts_with("vstoken.") {
        // aws-actions/configure-aws-credentials#280
        "; as reported, that was the issuer in GitHub's preview of 2021"
    } else if case.deployment() == Deployment::Enterprise {
        "; the enterprise includes its slug in the issuer"
    } else {
        ""
    };
    format!(
        "the trust policy trusts the provider `{}`, but the token comes from `{}`{why}",
        has.host, needs.host
    )
}
