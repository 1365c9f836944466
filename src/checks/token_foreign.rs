//! `token-foreign`: the token is not a GitHub Actions ID token.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::evidence::Probe;
use crate::finding::{Fact, Finding, Rule, Stage};
use crate::github::claims::Claims;
use crate::github::issuer::Deployment;
use crate::policy::Decision;
use crate::text::masked::is_masked;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "token-foreign",
        cause: None,
        stage: Stage::Token,
        title: "the token is not a GitHub Actions ID token",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    // Claims written down by hand may be incomplete, and anything that AWS has accepted as a token is one.
    let token = case.evidence.token.as_ref().and_then(Probe::known);
    let is_partial = token.is_some_and(|token| token.header.is_empty());
    let passed = case.answer.as_ref().is_some_and(Answer::passed_provider);
    let is_whole = |claims: &Claims| claims.issuer().is_some() && claims.subject().is_some();
    let Some(claims) = case.claims.filter(|claims| is_whole(claims) || !is_partial && !passed) else {
        if case.answer != Some(Answer::NotAToken) {
            return None;
        }
        return Some(
            Finding::blocks("AWS did not recognize the token as an ID token: another token was sent instead, or it has no `sub` or `aud`")
                .note("`GITHUB_TOKEN` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN` are not ID tokens: the second only authorizes requesting one")
                .help("send what the token service returns in `value`, or let configure-aws-credentials request the token"),
        );
    };
    let (claim, message) = match (claims.issuer(), claims.subject()) {
        (None, _) => (
            "iss",
            "the token has no issuer (`iss`), so it is not an ID token".to_owned(),
        ),
        (_, None) => ("sub", "the token has no subject (`sub`), so AWS refuses it".to_owned()),
        (Some(issuer), _) if is_masked(issuer) => return None,
        (Some(issuer), _) if !issuer.starts_with("https://") => (
            "iss",
            format!("the token's issuer `{issuer}` is not an `https://` address"),
        ),
        // A role that trusts the other service accepts its tokens.
        (Some(_), _) if case.answer.is_none() && case.decision() == Some(Decision::Allow) => return None,
        (Some(issuer), _) if case.deployment() == Deployment::Other => (
            "iss",
            format!("the token comes from `{issuer}`, which is not a GitHub Actions issuer"),
        ),
        _ if case.answer == Some(Answer::NotAToken) => {
            ("iss", "AWS did not recognize the token as an ID token".to_owned())
        }
        _ => return None,
    };
    // A token without `iss` or `sub` may be only a part of one. AWS's code alone, `InvalidIdentityToken`, also covers a missing provider
    // and a wrong audience.
    let said = case.message().map(|text| Answer::read("", text)) == Some(Answer::NotAToken);
    let is_others = case.deployment() == Deployment::Other && claims.subject().is_some();
    let on: &[Fact] = match (said, is_others) {
        (true, _) => &[Fact::Answer],
        (_, true) => &[Fact::Issuer],
        _ => &[],
    };
    Some(
        Finding::blocks(message)
            .rests_on(case, on)
            .label(case.claim_label(claim, "this is not GitHub's"))
            .help("use the ID token from the job's own token service: `GITHUB_TOKEN` and tokens from other services do not work with a provider for GitHub"),
    )
}
