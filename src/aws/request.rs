//! The request context of a call that assumes a role: which condition keys it carries, and with which values.
//!
//! Sources: IAM User Guide, `reference_policies_iam-condition-keys` (web identity and GitHub's claims) and
//! `reference_policies_condition-keys` (global keys); AWS service authorization reference for STS.

pub(crate) mod signer;

use crate::aws::arn::{ProviderArn, RoleArn, provider_arn};
use crate::configure::{Input, Inputs};
use crate::github::claims::Claims;
use crate::github::issuer::{Deployment, issuer_host};
use crate::github::subject::{Context, Subject};
use crate::policy::masked;
use crate::policy::{Outcome, Presence, PrincipalKind, RequestContext, RequestPrincipal, TrustPolicy};
use crate::text::alike::did_you_mean;
use crate::text::masked::is_masked_account;

/// The ten claims that STS evaluates besides `sub`, `aud`, `oaud`, `amr` and `email`, according to AWS's documentation.
pub(crate) const CLAIM_KEYS: [&str; 10] = [
    "actor",
    "actor_id",
    "enterprise_id",
    "environment",
    "job_workflow_ref",
    "ref",
    "repository",
    "repository_id",
    "repository_owner_id",
    "workflow",
];

/// What is known of [`CLAIM_KEYS`]: they are documented (IAM User Guide, `reference_policies_iam-condition-keys`); some accounts report
/// that they work, one that STS denied although all matched.
pub(crate) const REPORTS_DIFFER: &str = "AWS has documented these claims as condition keys since January 2026, and reports differ on whether they work everywhere";

/// Claims of GitHub's tokens that aren't condition keys but resemble one that is.
const NO_KEYS: [&str; 6] = [
    "base_ref",
    "head_ref",
    "job_workflow_sha",
    "ref_type",
    "workflow_ref",
    "workflow_sha",
];

/// The key of this issuer's tokens that the author of `key` most likely meant, if the request does not carry `key`:
/// the prefix omitted, misspelled or another issuer's, or the claim misspelled.
#[must_use]
pub(crate) fn meant_key(key: &str, issuer: &str) -> Option<String> {
    let prefix = issuer_host(issuer).to_lowercase();
    let written = key.to_lowercase();
    let (written_prefix, written_claim) = written
        .rsplit_once(':')
        .or_else(|| written.rsplit_once('/'))
        .unwrap_or(("", &written));
    let written_claim = match written_claim {
        "audience" => "aud",
        "subject" => "sub",
        claim => claim,
    };
    let is_ours = written_prefix == prefix;
    if NO_KEYS.contains(&written_claim) {
        return None;
    }
    let is_meant = written_prefix.is_empty()
        || written_prefix.contains("github")
        || did_you_mean(written_prefix, [&*prefix]).is_some();
    if !is_ours && !is_meant {
        return None;
    }
    let claims = CLAIM_KEYS.iter().filter(|_| Deployment::of(issuer).has_claim_keys());
    let claim = did_you_mean(written_claim, ["sub", "aud"].iter().chain(claims).copied())?;
    // A bare word that merely resembles a claim may be anything.
    if claim != written_claim && !is_ours {
        return None;
    }
    let meant = format!("{prefix}:{claim}");
    (meant != written).then_some(meant)
}

/// Who requests a role: everything that decides what a request to STS carries. Needs no run and no evidence.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The token's claims.
    pub claims: Option<&'a Claims>,
    /// The token's issuer.
    pub issuer: &'a str,
    /// The role.
    pub role: Option<&'a RoleArn>,
    /// The ARN of the identity provider in the role's account, if known.
    pub provider: Option<&'a str>,
    /// The inputs of the step.
    pub inputs: &'a Inputs,
    /// The ARN of the caller that uses AWS credentials instead of the token.
    pub caller: Option<&'a str>,
}

impl Asker<'_> {
    /// The condition key of a claim.
    #[must_use]
    pub fn key(&self, claim: &str) -> String {
        format!("{}:{claim}", issuer_host(self.issuer))
    }
}

/// The request context of `sts:AssumeRoleWithWebIdentity` with the job's token.
#[must_use]
pub fn web_identity(asker: Asker<'_>, policy: &TrustPolicy) -> RequestContext {
    let (partition, account) = account(asker, policy);
    let principal = RequestPrincipal::Federated(provider_arn(&partition, &account, asker.issuer));
    let mut request = RequestContext::new("sts:AssumeRoleWithWebIdentity", principal, resource(asker)).with_masks();
    let prefix = format!("{}:", issuer_host(asker.issuer).to_ascii_lowercase());
    for key in keys_of(policy) {
        let lower = key.to_ascii_lowercase();
        let presence = match lower.strip_prefix(&prefix) {
            Some(claim) => claim_key(asker, claim),
            None if may_be(&prefix, &lower) => Presence::Unknown("the token's issuer is masked".to_owned()),
            None => web_identity_key(asker, &lower),
        };
        request.set(&lower, presence);
    }
    request
}

/// Whether the key may have this prefix, part of which is masked.
fn may_be(prefix: &str, key: &str) -> bool {
    let end = key.rfind(':').map_or(0, |colon| colon + 1);
    key.get(..end)
        .and_then(|written| masked::fit(prefix, written, masked::Rule::Equal))
        .is_some_and(|outcome| outcome != Outcome::NoMatch)
}

/// The request context of `sts:AssumeRole` with AWS credentials.
#[must_use]
pub(crate) fn assume_role(asker: Asker<'_>, policies: &[&TrustPolicy]) -> RequestContext {
    signed(asker, policies, "sts:AssumeRole")
}

/// The request context of `sts:TagSession`, which the same call needs if it sends tags. It carries neither `sts:ExternalId` nor
/// `sts:RoleSessionName` (AWS service authorization reference for STS, the condition keys of each action).
#[must_use]
pub(crate) fn tag_session(asker: Asker<'_>, policies: &[&TrustPolicy]) -> RequestContext {
    let mut request = signed(asker, policies, "sts:TagSession");
    for key in ["sts:ExternalId", "sts:RoleSessionName"] {
        request.set(key, Presence::Absent);
    }
    request
}

fn signed(asker: Asker<'_>, policies: &[&TrustPolicy], action: &str) -> RequestContext {
    let principal = asker
        .caller
        .filter(|arn| !arn.contains('*') && arn.starts_with("arn:"))
        .map_or(RequestPrincipal::Unknown, |arn| RequestPrincipal::Aws(arn.to_owned()));
    let mut request = RequestContext::new(action, principal, resource(asker)).with_masks();
    let is_tagged = !asker.inputs.is_on(Input::RoleSkipSessionTagging);
    let account = asker
        .caller
        .and_then(|arn| arn.split(':').nth(4))
        .filter(|account| account.len() == 12);
    for key in policies.iter().copied().flat_map(keys_of) {
        let lower = key.to_ascii_lowercase();
        let presence = match lower.as_str() {
            "sts:externalid" => sent(asker.inputs.get(Input::RoleExternalId), None),
            "sts:rolesessionname" => sent(asker.inputs.get(Input::RoleSessionName), Some("GitHubActions")),
            "aws:securetransport" => Presence::One("true".to_owned()),
            "aws:principalaccount" if account.is_some() => Presence::One(account.unwrap_or_default().to_owned()),
            "aws:tagkeys" | "sts:transitivetagkeys" if !is_tagged => Presence::Absent,
            key if key.starts_with("aws:requesttag/") && !is_tagged => Presence::Absent,
            key if key.starts_with("aws:") || key.starts_with("sts:") => {
                Presence::Unknown("its value is not known here".to_owned())
            }
            // An identity provider's keys are absent from a call signed with AWS credentials.
            _ => Presence::Absent,
        };
        request.set(&lower, presence);
    }
    request
}

/// Partition and account of the provider that checks the token: those of the role.
fn account(asker: Asker<'_>, policy: &TrustPolicy) -> (String, String) {
    let given = asker.role.map(|role| (role.partition.clone(), role.account.clone()));
    let partition = given
        .as_ref()
        .map_or_else(|| "aws".to_owned(), |(partition, _)| partition.clone());
    let host = issuer_host(asker.issuer);
    let federated = policy
        .statements
        .iter()
        .filter_map(|statement| statement.principal.as_ref())
        .flat_map(|principal| &principal.entries)
        .filter(|entry| entry.kind == PrincipalKind::Federated)
        .flat_map(|entry| &entry.values)
        .filter_map(|value| ProviderArn::parse(&value.value));
    let mut candidates: Vec<_> = federated.collect();
    if let Some((_, Some(account))) = given {
        return (partition, account);
    }
    if let Some(arn) = asker.provider.and_then(ProviderArn::parse) {
        return (arn.partition, arn.account);
    }
    // The role's account is unknown or masked: assume that the policy names its own account, as almost all do.
    candidates.sort_by_key(|arn| (arn.host != host, is_masked_account(&arn.account)));
    match candidates.into_iter().next() {
        Some(arn) => (arn.partition, arn.account),
        None => (partition, "<account>".to_owned()),
    }
}

fn resource(asker: Asker<'_>) -> Option<String> {
    let role = asker.role?;
    let account = role.account.as_deref()?;
    Some(format!(
        "arn:{}:iam::{account}:role{}{}",
        role.partition, role.path, role.name
    ))
}

fn keys_of(policy: &TrustPolicy) -> impl Iterator<Item = String> + '_ {
    let written = policy
        .statements
        .iter()
        .flat_map(|statement| &statement.conditions)
        .flat_map(|condition| &condition.keys);
    let written = written.flat_map(|key| {
        let variables = key
            .values
            .iter()
            .flat_map(|value| variables(&value.value))
            .collect::<Vec<_>>();
        std::iter::once(key.name().to_owned()).chain(variables)
    });
    let resources = policy
        .statements
        .iter()
        .filter_map(|statement| statement.resource.as_ref());
    let resources = resources.flat_map(|resources| &resources.values);
    written.chain(resources.flat_map(|value| variables(&value.value)))
}

/// The names in `${name}` and `${name, 'default'}`.
fn variables(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split("${").skip(1).filter_map(|rest| {
        let name = rest.split(['}', ',']).next()?.trim();
        (!name.is_empty() && !["*", "?", "$"].contains(&name)).then(|| name.to_owned())
    })
}

/// The value of a key with the provider's own prefix.
pub(crate) fn claim_key(asker: Asker<'_>, claim: &str) -> Presence {
    let is_claim_key = CLAIM_KEYS.contains(&claim) && Deployment::of(asker.issuer).has_claim_keys();
    let Some(claims) = asker.claims else {
        // AWS makes no keys from other claims, whatever a token says.
        let is_key = is_claim_key || ["amr", "aud", "email", "oaud", "sub"].contains(&claim);
        return match is_key {
            true => Presence::Unknown("there is no token to read it from".to_owned()),
            false => Presence::Absent,
        };
    };
    // STS returns subjects of at most 255 characters (STS API Reference, `AssumeRoleWithWebIdentity`); the names of branches,
    // environments and repositories are of that order. Anything far longer isn't GitHub's, and would cost time to compare.
    const LONGEST: usize = 4096;
    let fits = |text: &str| text.len() <= LONGEST;
    let too_long = || Presence::Unknown("it is longer than any GitHub claim can be".to_owned());
    let one = |text: &str| {
        if fits(text) {
            Presence::One(text.to_owned())
        } else {
            too_long()
        }
    };
    let text = |name: &str| claims.text(name).map(one);
    match claim {
        "sub" => text("sub").unwrap_or_else(|| incomplete("sub")),
        "aud" => claims.audience().map_or_else(|| incomplete("aud"), one),
        "oaud" => match claims.text("azp") {
            Some(_) => text("aud").unwrap_or(Presence::Absent),
            None => Presence::Absent,
        },
        "email" => text("email").unwrap_or(Presence::Absent),
        "amr" => match claims.0.get("amr").and_then(|amr| amr.as_array()) {
            Some(many) if many.iter().map(|v| 3 + v.as_str().map_or(0, str::len)).sum::<usize>() > LONGEST => {
                too_long()
            }
            Some(many) => Presence::Many(many.iter().filter_map(|v| v.as_str()).map(str::to_owned).collect()),
            None => text("amr").unwrap_or(Presence::Absent),
        },
        claim if is_claim_key => {
            text(claim).unwrap_or_else(|| match claim {
                // A token may lack these two: a job without an environment, a repository outside an enterprise.
                "environment" if names_environment(claims) => incomplete(claim),
                "environment" | "enterprise_id" => Presence::Absent,
                claim => incomplete(claim),
            })
        }
        _ => Presence::Absent,
    }
}

/// Whether the subject contains an environment. If so, the token has the claim as well.
fn names_environment(claims: &Claims) -> bool {
    let subject = claims.subject().and_then(Subject::parse);
    matches!(
        subject.and_then(|subject| subject.kind()),
        Some(Context::Environment(_))
    )
}

/// Every GitHub token has this claim, so the given claims are incomplete.
fn incomplete(claim: &str) -> Presence {
    Presence::Unknown(format!("the given claims do not include `{claim}`"))
}

/// The value of one of AWS's own keys, given in lower case.
fn web_identity_key(asker: Asker<'_>, key: &str) -> Presence {
    let request = asker.inputs;
    let unknown = |why: &str| Presence::Unknown(why.to_owned());
    match key {
        "sts:rolesessionname" => sent(request.get(Input::RoleSessionName), Some("GitHubActions")),
        // GitHub's token has no `https://aws.amazon.com/roles` claim.
        "sts:roleauthorizedbyidp" => Presence::One("false".to_owned()),
        "aws:securetransport" => Presence::One("true".to_owned()),
        "aws:requestedregion" => match request.get(Input::AwsRegion) {
            Some(region) if !region.is_empty() && request.get(Input::StsEndpoint).unwrap_or_default().is_empty() => {
                Presence::One(region.to_owned())
            }
            _ => unknown("the region of the STS endpoint is not known"),
        },
        "aws:federatedprovider" => unknown("AWS includes it, but reports differ on its value for GitHub's tokens"),
        "aws:sourceip" => unknown("it is the runner's public address, which cannot be determined from the job"),
        "aws:sourcevpc" | "aws:sourcevpce" | "aws:vpcsourceip" | "aws:sourcevpcarn" => {
            unknown("it is only present when the call goes through a VPC endpoint")
        }
        "aws:currenttime" | "aws:epochtime" => unknown("it is the time of the call"),
        "aws:useragent" => unknown("it is what the calling program sends"),
        // Documented as absent from unsigned requests; an AssumeRoleWithWebIdentity call is not signed.
        "aws:principalarn"
        | "aws:principalorgid"
        | "aws:principalorgpaths"
        | "aws:principalisawsservice"
        | "aws:username"
        | "aws:tokenissuetime"
        | "aws:multifactorauthpresent"
        | "aws:multifactorauthage" => Presence::Absent,
        // Only set from a token's `https://aws.amazon.com/…` claims, which GitHub does not send.
        "sts:sourceidentity" | "sts:transitivetagkeys" | "aws:tagkeys" => Presence::Absent,
        // Parameters of AssumeRole, not of this action.
        "sts:externalid" | "sts:durationseconds" => Presence::Absent,
        key if key.starts_with("aws:requesttag/") || key.starts_with("aws:principaltag/") => Presence::Absent,
        key if key.starts_with("aws:") || key.starts_with("sts:") => unknown("its value is not known here"),
        _ => Presence::Absent,
    }
}

/// A parameter: unknown if not given; the default or absent if empty.
fn sent(input: Option<&str>, default: Option<&str>) -> Presence {
    match (input, default) {
        (Some(""), None) => Presence::Absent,
        (Some(""), Some(default)) => Presence::One(default.to_owned()),
        (Some(value), _) => Presence::One(value.to_owned()),
        (None, _) => Presence::Unknown("the given inputs do not say".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_that_was_meant() {
        const GITHUB: &str = "https://token.actions.githubusercontent.com";
        const SERVER: &str = "https://github.example.com/_services/token";
        for (key, issuer, meant) in [
            ("sub", GITHUB, Some("sub")),
            ("Repository", GITHUB, Some("repository")),
            ("subject", GITHUB, Some("sub")),
            ("token.actions.githubusercontent.com:audience", GITHUB, Some("aud")),
            ("token.actions.githubusercontent.com/sub", GITHUB, Some("sub")),
            ("token.actions.githubusercontent.com", GITHUB, None),
            ("tokens.actions.githubusercontent.com:sub", GITHUB, Some("sub")),
            ("token.action.githubusercontent.com:aud", GITHUB, Some("aud")),
            ("token.actions.githubusercontent.com/acme:ref", GITHUB, Some("ref")),
            ("github.com:sub", GITHUB, Some("sub")),
            (
                "token.actions.githubusercontent.com:repositry",
                GITHUB,
                Some("repository"),
            ),
            (
                "token.actions.githubusercontent.com:job_workflow",
                GITHUB,
                Some("job_workflow_ref"),
            ),
            (
                "token.actions.githubusercontent.com:repository_owner",
                GITHUB,
                Some("repository_owner_id"),
            ),
            // It isn't misspelled: the request just lacks this claim.
            ("token.actions.githubusercontent.com:environment", GITHUB, None),
            ("token.actions.githubusercontent.com:iss", GITHUB, None),
            ("token.actions.githubusercontent.com:workflow_ref", GITHUB, None),
            ("accounts.google.com:sub", GITHUB, None),
            ("aws:SourceIp", GITHUB, None),
            ("sts:ExternalId", GITHUB, None),
            ("sub", SERVER, Some("sub")),
            // A self-hosted server has no keys for these.
            ("repository", SERVER, None),
        ] {
            let expected = meant.map(|claim| format!("{}:{claim}", issuer_host(issuer)));
            assert_eq!(meant_key(key, issuer), expected, "{key}");
        }
    }
}
