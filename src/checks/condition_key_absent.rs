//! `condition-key-absent`: a condition uses a key that this request never includes.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::aws::request::{CLAIM_KEYS, meant_key};
use crate::case::Case;
use crate::case::PolicyCase;
use crate::finding::{Certainty, Fact, Finding, Remedy, Rule, Stage};
use crate::github::issuer::issuer_host;
use crate::policy::{ConditionLeaf, Decision, Outcome, Presence};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "condition-key-absent",
        cause: None,
        stage: Stage::TrustPolicy,
        title: "a condition uses a key that this request never includes",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let policy = case.policy.as_ref()?;
    if let Some(finding) = outdated(case, policy) {
        return Some(finding);
    }
    let prefix = format!("{}:", issuer_host(&case.issuer)).to_lowercase();
    let failing = policy.failing();
    let absent: Vec<_> = failing
        .iter()
        .filter(|leaf| {
            leaf.trace.actual == Presence::Absent
                && !(leaf
                    .name()
                    .to_lowercase()
                    .strip_prefix(&prefix)
                    .is_some_and(|claim| CLAIM_KEYS.contains(&claim))
                    && case.deployment().has_claim_keys())
        })
        .collect();
    let first = absent.first()?;
    let key = first.name();
    // AWS documents these as absent from unsigned requests (IAM User Guide, `reference_policies_condition-keys`), but doesn't name this
    // request.
    let inferred = |leaf: &&ConditionLeaf<'_>| is_of_signed_requests(&leaf.name().to_lowercase());
    let (carries, certainty) = if absent.iter().all(inferred) {
        ("most likely this request does not include", Certainty::Likely)
    } else {
        ("this request never includes", Certainty::Certain)
    };
    let mut finding = Finding::blocks(format!(
        "the trust policy has a condition on `{key}`, but {carries} that key"
    ))
    .at_most(certainty)
    .note(format!(
        "`{}` fails when its key is not in the request",
        first.condition.name
    ))
    .explains(absent.iter().map(|leaf| leaf.leaf).collect::<Vec<_>>());
    for leaf in &absent {
        finding = finding.label(case.policy_label(leaf.named_at(), why(leaf.name(), &prefix, case)));
    }
    let has_subject = policy.nearest().is_some_and(|(_, statement, _)| {
        let mut keys = statement.conditions.iter().flat_map(|condition| &condition.keys);
        keys.any(|key| key.name().to_lowercase() == format!("{prefix}sub"))
    });
    finding = match meant_key(key, &case.issuer) {
        Some(meant) => finding.help(format!("did you mean `{meant}`?")),
        None if has_subject => finding.help("remove the condition and keep the one on `sub`"),
        None => finding.help(format!("replace it with a condition on `{prefix}sub`")),
    };
    Some(super::check::by_policy(case, &[Fact::Issuer], finding).remedy(Remedy::Admit))
}

fn is_of_signed_requests(key: &str) -> bool {
    key.starts_with("aws:principal") || key.starts_with("aws:multifactor")
}

/// Says why the request doesn't include a key.
fn why(key: &str, prefix: &str, case: &Case<'_>) -> String {
    let lower = key.to_lowercase();
    if let Some(claim) = lower.strip_prefix(prefix) {
        if CLAIM_KEYS.contains(&claim) {
            return "AWS evaluates this claim for github.com and GHE.com, not for your own server".to_owned();
        }
        return match claim {
            "iss" => "the issuer is not a condition key; the `Federated` principal already names it".to_owned(),
            _ if case.claims.is_some_and(|claims| claims.0.contains_key(claim)) => {
                format!("`{claim}` is a claim of the token, but not one that AWS evaluates")
            }
            _ => "AWS evaluates `sub`, `aud` and ten other claims of GitHub's; this is not one of them".to_owned(),
        };
    }
    match lower.as_str() {
        "sts:externalid" => "an external ID can only be sent with `sts:AssumeRole`, never with a token".to_owned(),
        "sts:durationseconds" => "a request with a token does not include this key".to_owned(),
        key if is_of_signed_requests(key) => {
            "AWS documents it for requests signed with AWS credentials; this one has only a token".to_owned()
        }
        key if key.starts_with("aws:requesttag/") || key == "aws:tagkeys" => {
            "no tags are sent with a GitHub token".to_owned()
        }
        key if !key.contains(':') || key.contains("github") || key.contains("actions") => {
            format!("this token's keys start with `{prefix}`")
        }
        _ => "the request does not include it".to_owned(),
    }
}

/// Finds a policy that AWS refuses and whose only guard is one of GitHub's claims, without `sub`. IAM hasn't stored such policies since
/// June 2025, and AWS has evaluated these claims since January 2026: it was written when the key was never in a request.
fn outdated(case: &Case<'_>, policy: &PolicyCase) -> Option<Finding> {
    if !matches!(case.answer, Some(Answer::NotAuthorized(_)))
        || !matches!(policy.trace.decision, Decision::Allow | Decision::Undecided)
    {
        return None;
    }
    let (_, _, trace) = policy.nearest()?;
    if trace.outcome == Outcome::NoMatch {
        return None;
    }
    let prefix = format!("{}:", issuer_host(&case.issuer)).to_lowercase();
    let leaves = policy.nearest_leaves();
    let claim_of =
        |leaf: &crate::policy::ConditionLeaf<'_>| leaf.name().to_lowercase().strip_prefix(&prefix).map(str::to_owned);
    if leaves
        .iter()
        .any(|leaf| matches!(claim_of(leaf).as_deref(), Some("sub" | "job_workflow_ref")))
    {
        return None;
    }
    let guard = leaves
        .iter()
        .find(|leaf| claim_of(leaf).is_some_and(|claim| CLAIM_KEYS.contains(&claim.as_str())))?;
    let key = guard.name();
    Some(
        Finding::blocks(format!("the trust policy relies on `{key}` alone, and AWS refuses: the request here likely does not include that key"))
            .label(case.policy_label(guard.named_at(), "according to AWS's current documentation, this matches"))
            .note("AWS has evaluated ten of GitHub's claims since January 2026; before that, such a condition never matched, and reports differ on where it does now")
            // IAM User Guide, `id_roles_providers_oidc_secure-by-default`; `job_workflow_ref` is in IAM's own message, as reported in
            // aws-samples/github-actions-oidc-cdk-construct#5.
            .note("since June 2025 IAM has accepted a policy for GitHub only with a condition on `sub` (or, as reported, `job_workflow_ref`), so this one is most likely older")
            .help("put the condition on `sub`; another claim can be added to it")
            .explains([guard.leaf])
            .remedy(Remedy::ExactStatement),
    )
}
