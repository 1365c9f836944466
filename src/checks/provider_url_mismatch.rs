//! `provider-url-mismatch`: the provider's URL is close to the token's issuer, but not equal.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::aws::arn::ProviderArn;
use crate::case::Case;
use crate::evidence::Probe;
use crate::finding::{Cause, Fact, Finding, Party, Remedy, Rule, SideBySide, Stage};
use crate::github::issuer::{Deployment, GITHUB_ISSUER, issuer_host};
use crate::text::alike::is_nearly;
use crate::text::masked::is_masked;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "provider-url-mismatch",
        cause: Some(Cause::NoProvider),
        stage: Stage::Provider,
        title: "the provider's URL is close to the token's issuer, but not equal",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let NearMiss { url, seen, difference } = near_miss(case)?;
    let host = issuer_host(&case.issuer);
    let message = match seen {
        Seen::InAccount => format!("the account's OIDC provider is for `{url}`, but the token comes from `{host}`"),
        Seen::InPolicy => {
            format!("the account has no OIDC provider for `{host}`, and the trust policy names one for `{url}`")
        }
        Seen::InMessage => format!("AWS looked for an OIDC provider for `{url}`, but GitHub's issuer is `{host}`"),
        Seen::Nowhere => format!("the account has no OIDC provider for `{host}`; one for `{url}` does not match"),
    };
    // That one provider of the account differs doesn't show that there is no other.
    let on: &[Fact] = match seen {
        Seen::InAccount | Seen::InMessage if case.finds_no_provider() => &[Fact::Answer, Fact::Issuer],
        Seen::InAccount | Seen::InPolicy if case.provider().is_none() => &[Fact::Provider, Fact::Issuer],
        _ => &[],
    };
    Some(
        Finding::blocks(message)
            .compares(SideBySide::of(
                "issuer",
                Party::new("token", "comes from", host),
                match seen {
                    Seen::InMessage => Party::new("AWS", "looked for", &url),
                    Seen::InPolicy => Party::new("policy", "names", &url),
                    Seen::InAccount | Seen::Nowhere => Party::new("provider", "is for", &url),
                },
            ))
            .rests_on(case, on)
            .label(case.claim_label("iss", "the provider's URL must be exactly this"))
            .note(difference)
            .note("a provider's URL cannot be changed: create a provider with the right URL; delete the old one only when no role uses it any more")
            .remedy(Remedy::CreateProvider),
    )
}

/// A provider whose URL is close to the issuer.
pub(super) struct NearMiss {
    url: String,
    seen: Seen,
    /// What differs, in words.
    difference: String,
}

/// Where the other provider was seen.
#[derive(Clone, Copy)]
enum Seen {
    InAccount,
    InPolicy,
    /// AWS's message names an issuer that GitHub doesn't have.
    InMessage,
    /// AWS found none for an issuer that differs from GitHub's usual one.
    Nowhere,
}

/// Returns the provider whose URL is close to the issuer, if any.
pub(super) fn near_miss(case: &Case<'_>) -> Option<NearMiss> {
    if case.answer.as_ref().is_some_and(Answer::provider_exists) || is_masked(&case.issuer) {
        return None;
    }
    let host = issuer_host(&case.issuer);
    let given = case.provider().and_then(|provider| provider.url.clone());
    if given.as_deref().map(issuer_host) == Some(host) {
        return None;
    }
    // Without AWS's answer or a listing of the account, a provider passed in decides.
    let said = matches!(case.answer, Some(Answer::NoProvider(_)));
    let missing = case.lacks_provider();
    if case.claims.is_none() && !said {
        return None;
    }
    let listed = case
        .evidence
        .providers
        .as_ref()
        .and_then(Probe::known)
        .into_iter()
        .flatten();
    let listed: Vec<String> = listed
        .filter_map(|arn| ProviderArn::parse(arn))
        .map(|arn| arn.host)
        .collect();
    if listed.iter().any(|url| url == host) && !said {
        return None;
    }
    let listed_all = case.evidence.providers.as_ref().and_then(Probe::known).is_some();
    let in_account = given
        .into_iter()
        .chain(if missing || said { listed } else { Vec::new() })
        .map(|url| (url, Seen::InAccount));
    let in_policy = trusted_hosts(case)
        .into_iter()
        .filter(|_| said || missing)
        .map(|url| (url, Seen::InPolicy));
    let in_message = match &case.answer {
        Some(Answer::NoProvider(Some(named))) => Some((issuer_host(named).to_owned(), Seen::InMessage)),
        _ => None,
    };
    let plain = (said && !listed_all && case.deployment() == Deployment::Enterprise)
        .then(|| (GITHUB_ISSUER.to_owned(), Seen::Nowhere));
    in_account
        .chain(in_policy)
        .chain(in_message)
        .chain(plain)
        .find_map(|(url, seen)| {
            let difference = difference(issuer_host(&url), host)?;
            Some(NearMiss { url, seen, difference })
        })
}

/// Returns the hosts of the providers named in the trust policy.
fn trusted_hosts(case: &Case<'_>) -> Vec<String> {
    let Some(policy) = &case.policy else { return Vec::new() };
    let principals = policy.policy.statements.iter().filter_map(|s| s.principal.as_ref());
    let hosts: Vec<String> = principals
        .flat_map(|principal| &principal.entries)
        .flat_map(|entry| &entry.values)
        .filter_map(|value| ProviderArn::parse(&value.value))
        .map(|arn| arn.host)
        .collect();
    // If one names the right provider, it is only missing.
    if hosts.iter().any(|h| h == issuer_host(&case.issuer)) {
        return Vec::new();
    }
    hosts
}

fn difference(url: &str, host: &str) -> Option<String> {
    if url == host {
        return None;
    }
    let (bare, bare_host) = (
        url.split('/').next().unwrap_or(url),
        host.split('/').next().unwrap_or(host),
    );
    if url.trim_end_matches('/') == host {
        // aws-actions/configure-aws-credentials#1043
        Some(
            "the URL ends in a slash, and GitHub's issuer has none: as reported, AWS takes it for a different provider"
                .to_owned(),
        )
    } else if url
        .trim_end_matches('/')
        .strip_prefix(host)
        .is_some_and(|slug| slug.len() > 1 && host.ends_with(slug))
    {
        Some("the URL has the enterprise's slug twice".to_owned())
    } else if url.eq_ignore_ascii_case(host) {
        Some("they differ in letter case, and AWS's comparison is case-sensitive".to_owned())
    } else if bare == bare_host && host.starts_with(&format!("{url}/")) {
        Some("the token's issuer ends in an enterprise slug, the provider's URL does not".to_owned())
    } else if bare == bare_host {
        Some("the host is the same, but the path differs".to_owned())
    } else if url.contains("githubusercontent.com")
        || url.contains("_services/token")
        || url.contains("ghe.com")
        || is_nearly(url, host)
    {
        Some("the hosts differ".to_owned())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnose::diagnose;
    use crate::evidence::{Attempt, Evidence, Probe};

    #[test]
    fn a_provider_is_not_made_with_what_no_issuer_has() {
        for (named, want) in [
            (
                "token.actions.githubusercontent.com/",
                "token.actions.githubusercontent.com",
            ),
            (
                "token.actions.githubusercontent.com/acme/acme",
                "token.actions.githubusercontent.com/acme",
            ),
            (
                "token.actions.githubusercontent.com/acme/acme/",
                "token.actions.githubusercontent.com/acme",
            ),
            ("ghes.example.com/_services/token/", "ghes.example.com/_services/token"),
        ] {
            let evidence = Evidence {
                attempt: Some(Probe::Known(Attempt::Reported {
                    text: format!("No OpenIDConnect provider found in your account for https://{named}"),
                })),
                ..Evidence::default()
            };
            let diagnosis = diagnose(&evidence);
            let cause = diagnosis.cause().map(|cause| (cause.rule.id, cause.fixes.as_slice()));
            let Some(("provider-url-mismatch", [fix])) = cause else {
                panic!("{named}: {cause:?}");
            };
            let made = format!("--url https://{want} ");
            assert!(format!("{fix:?}").contains(&made), "{named}: {fix:?}");
        }
    }
}
