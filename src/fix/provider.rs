//! Changes to the account's OIDC provider.

use super::edit::is_plain;
use super::render;
use super::workflow::with_audience;
use crate::aws::arn::{provider_arn, usual_audience};
use crate::case::{Case, PolicyCase};
use crate::configure::Input;
use crate::finding::{Fix, Target};
use crate::github::issuer::{Deployment, issuer_host};
use crate::policy::{Decision, Effect, Outcome, Presence, StatementTrace, decide, leaves};

/// Creates the provider in the role's account.
pub(super) fn create_provider(case: &Case<'_>) -> Option<Fix> {
    let (partition, account) = case.account();
    let audience = case
        .claims
        .and_then(|claims| claims.audience())
        .or_else(|| case.request().given(Input::Audience))
        .unwrap_or_else(|| usual_audience(&partition));
    if !is_plain(&case.issuer) || !is_plain(audience) {
        return None;
    }
    let issuer = format!("https://{}", issuer_host(&case.issuer));
    let mut fix = Fix::new("create the provider in the role's account", Target::Provider);
    fix.command = format!(
        "aws iam create-open-id-connect-provider --url {} --client-id-list {}",
        render::argument(&issuer, "URL"),
        render::argument(audience, "AUDIENCE")
    );
    fix.terraform = format!(
        "resource \"aws_iam_openid_connect_provider\" \"github\" {{\n  url            = \"{issuer}\"\n  client_id_list = [\"{audience}\"]\n}}\n"
    );
    fix.cloudformation = format!(
        "GitHubProvider:\n  Type: AWS::IAM::OIDCProvider\n  Properties:\n    Url: {issuer}\n    ClientIdList: [{audience}]\n"
    );
    if let Some(account) = account {
        fix.notes.push(format!(
            "its ARN will be `{}`, which the trust policy must name",
            provider_arn(&partition, &account, &case.issuer)
        ));
    }
    fix.notes.extend(policy_denies(case, audience));
    if case.deployment() != Deployment::Server {
        // IAM User Guide, `id_roles_providers_create_oidc`.
        fix.notes.push("no thumbprint is needed".to_owned());
    }
    Some(fix)
}

/// Adds the token's audience to the provider's client IDs.
pub(super) fn add_client_id(case: &Case<'_>) -> Vec<Fix> {
    let Some(audience) = case
        .claims
        .and_then(|claims| claims.audience())
        .or(case.request().get(Input::Audience))
        .filter(|a| is_plain(a))
    else {
        return Vec::new();
    };
    let (partition, account) = case.account();
    let arn = case
        .own_provider()
        .and_then(|provider| provider.arn.clone())
        .or_else(|| account.map(|account| provider_arn(&partition, &account, &case.issuer)))
        .unwrap_or_default();
    let usual = usual_audience(&partition);
    let registered = case.own_client_ids().into_iter().flatten().map(String::as_str);
    let mut fixes: Vec<Fix> = with_audience(case, [usual].into_iter().chain(registered))
        .into_iter()
        .collect();
    // Otherwise the trust policy would refuse it next.
    if case
        .policy
        .as_ref()
        .is_none_or(|policy| takes_audience(case, policy, audience))
    {
        let mut fix = Fix::new(format!("register `{audience}` with the provider"), Target::Provider);
        fix.command = format!(
            "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {} --client-id {}",
            render::argument(&arn, "ARN"),
            render::argument(audience, "AUDIENCE")
        );
        fix.notes.extend(policy_denies(case, audience));
        // The usual audience comes first.
        fixes.insert(if audience == usual { 0 } else { fixes.len() }, fix);
    }
    fixes
}

/// A note if the trust policy is known to refuse the token with this audience too.
pub(super) fn policy_denies(case: &Case<'_>, audience: &str) -> Option<String> {
    let policy = &case.policy.as_ref()?.policy;
    case.claims?;
    let mut request = case.request_for(policy);
    request.set(&case.asker().key("aud"), Presence::One(audience.to_owned()));
    let denies = matches!(
        decide(policy, &request),
        Decision::ImplicitDeny | Decision::ExplicitDeny
    );
    denies.then(|| "not sufficient by itself: the trust policy does not accept this token either".to_owned())
}

/// Whether the policy's nearest statement would accept this audience.
pub(super) fn takes_audience(case: &Case<'_>, policy: &PolicyCase, audience: &str) -> bool {
    let key = format!("{}:aud", issuer_host(&case.issuer));
    let mut request = case.request_for(&policy.policy);
    request.set(&key, Presence::One(audience.to_owned()));
    let trace = crate::policy::trace(&policy.policy, &request);
    let allows = |(index, traced): (usize, &StatementTrace)| {
        let Some(statement) = policy.policy.statements.get(index) else {
            return false;
        };
        let leaves = leaves(&policy.policy, index, traced);
        let mut audiences = leaves.iter().filter(|leaf| leaf.is(&key));
        statement.effect.value == Effect::Allow && audiences.all(|leaf| leaf.trace.outcome != Outcome::NoMatch)
    };
    trace.statements.iter().enumerate().any(allows)
}
