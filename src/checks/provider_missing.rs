//! `provider-missing`: the account has no OIDC provider for this issuer.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::aws::arn::ProviderArn;
use crate::case::Case;
use crate::evidence::Probe;
use crate::finding::{Cause, Fact, Finding, Remedy, Rule, Stage};
use crate::github::issuer::{Deployment, issuer_host};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "provider-missing",
        cause: Some(Cause::NoProvider),
        stage: Stage::Provider,
        title: "the account has no OIDC provider for this issuer",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    if super::role_chaining_missing::applies(case) || super::provider_url_mismatch::near_miss(case).is_some() {
        return None;
    }
    let said = matches!(case.answer, Some(Answer::NoProvider(_)));
    let read = case.lacks_provider();
    if !said && (!read || case.answer.as_ref().is_some_and(Answer::provider_exists)) {
        return None;
    }
    let (_, account) = case.account();
    let named = match &case.answer {
        Some(Answer::NoProvider(Some(issuer))) => issuer,
        _ => &case.issuer,
    };
    // Only the role's own account counts, not one taken from the provider's ARN.
    let asked = case
        .role_arn
        .as_ref()
        .and_then(|role| role.as_ref().ok()?.account.as_ref());
    let here = case.provider().filter(|provider| {
        let arn = provider.arn.as_deref().and_then(ProviderArn::parse);
        provider
            .url
            .as_deref()
            .is_some_and(|url| issuer_host(url) == issuer_host(named))
            && arn.is_some_and(|arn| Some(&arn.account) == asked)
    });
    if said && here.is_some() {
        return Some(
            Finding::blocks("AWS found no OIDC provider for the issuer, although the one that was read has its URL and is in the role's account")
                .note("so it was created or propagated after that answer, or the role's ARN then named another account")
                .help("run the job again; an account cannot have two providers with the same URL"),
        );
    }
    let host = issuer_host(&case.issuer);
    let whose = account.as_ref().map_or_else(
        || "the role's account".to_owned(),
        |account| format!("account `{account}`"),
    );
    // A provider with this URL that may be in this account contradicts AWS's answer.
    let is_read = case.own_provider().is_some_and(|provider| {
        let account = provider
            .arn
            .as_deref()
            .and_then(ProviderArn::parse)
            .map(|arn| arn.account);
        provider.url.is_some()
            && account
                .as_ref()
                .zip(asked)
                .is_none_or(|(account, asked)| account == asked)
    });
    let on: &[Fact] = match (said, case.finds_no_provider() && !is_read) {
        (true, true) => &[Fact::Answer, Fact::Issuer],
        (true, false) => &[],
        (false, _) => &[Fact::Provider, Fact::Issuer],
    };
    let mut finding = Finding::blocks(format!("{whose} has no OIDC provider for `{host}`"))
        .rests_on(case, on)
        .label(case.claim_label("iss", "AWS looks for a provider with exactly this URL"))
        // IAM User Guide, `id_roles_providers_oidc`, for the account; AWS publishes no order of its checks.
        .note("AWS looks in the account that the role's ARN names, most likely before it looks at the role")
        .help("create the provider in that account, or, if it is not the account you meant, correct the account number in `role-to-assume`");
    if let Some(others) = case.evidence.providers.as_ref().and_then(Probe::known) {
        finding = finding.note(if others.is_empty() {
            "the account has no OIDC providers at all".to_owned()
        } else {
            format!("the account has: `{}`", others.join("`, `"))
        });
    }
    if case.deployment() == Deployment::Enterprise {
        finding = finding
            .note("the enterprise includes its slug in the issuer, so a provider for the plain host does not match");
    }
    Some(finding.remedy(Remedy::CreateProvider))
}
