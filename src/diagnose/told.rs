//! What a token says by itself: the answer when there is no role, or no policy to compare it with.

use crate::aws::answer::Answer;
use crate::aws::request::CLAIM_KEYS;
use crate::case::Case;
use crate::finding::Told;
use crate::fix::argument;
use crate::fix::least;
use crate::github::issuer::Deployment;
use crate::github::subject::parts::{Part, foreign, parts};
use crate::text::masked::is_masked;

/// Says what the token holds, if no role is known, or if AWS refuses one whose policy wasn't read.
pub(super) fn where_it_helps(case: &Case<'_>) -> Option<Told> {
    if case.names_no_role() || is_refused_unread(case) {
        told(case)
    } else {
        None
    }
}

/// Says what the token holds. `None` without its claims.
pub(super) fn told(case: &Case<'_>) -> Option<Told> {
    let claims = case.claims?;
    let asker = case.asker();
    let more: &[&str] = if Deployment::of(&case.issuer).has_claim_keys() {
        &CLAIM_KEYS
    } else {
        &[]
    };
    let value = |claim: &str| match claim {
        "aud" => claims.audience(),
        claim => claims.text(claim),
    };
    let keys = ["aud", "sub"].iter().chain(more);
    let is_foreign = Deployment::of(&case.issuer) == Deployment::Other && !is_masked(&case.issuer);
    let of = if is_foreign { foreign } else { parts };
    let finish = is_refused_unread(case).then(|| {
        let role = argument(case.role_name().as_deref().unwrap_or_default(), "ROLE");
        format!(
            "aws iam get-role --role-name {role} --query Role.AssumeRolePolicyDocument | aws-oidc-doctor diagnose --evidence run.json \
             --trust-policy -"
        )
    });
    Some(Told {
        claims: claims.clone(),
        parts: of(claims.subject().unwrap_or_default())
            .into_iter()
            .filter(|part| !part.text.is_empty())
            .map(|part| {
                let place = place(case, &part);
                (part, place)
            })
            .collect(),
        keys: keys
            .map(|claim| (asker.key(claim), value(claim).map(str::to_owned)))
            .collect(),
        least: least(asker),
        finish,
    })
}

fn is_refused_unread(case: &Case<'_>) -> bool {
    matches!(case.answer, Some(Answer::NotAuthorized(_)))
        && case.policy_source.is_none()
        && !case.is_role_missing()
        && !case.asks_with_credentials()
}

/// Says where the workflow sets the job's environment.
fn place(case: &Case<'_>, part: &Part) -> Option<String> {
    let (Some(Ok(workflow)), Some(source)) = (&case.workflow, &case.workflow_source) else {
        return None;
    };
    let id = case.runner().and_then(|runner| runner.job.as_deref());
    let environment = workflow.job(id)?.environment.as_ref()?;
    let is_it = part.claim.as_deref() == Some("environment");
    is_it.then(|| format!("{}, line {}", source.name, source.position(environment.span.start).line))
}
