//! `claim-mismatch`: a condition on a claim other than `sub` and `aud` does not match.

use super::check::{Check, When};
use crate::aws::request::CLAIM_KEYS;
use crate::case::{Case, is_told};
use crate::finding::{Cause, Fact, Finding, Party, Remedy, Rule, SideBySide, Stage};
use crate::github::claims::Claims;
use crate::github::issuer::issuer_host;
use crate::github::subject::{Context, Subject};
use crate::policy::{ConditionLeaf, Presence, wildcard};
use crate::text::unseen;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "claim-mismatch",
        cause: None,
        stage: Stage::TrustPolicy,
        title: "a condition on a claim other than `sub` and `aud` does not match",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let policy = case.policy.as_ref()?;
    let prefix = format!("{}:", issuer_host(&case.issuer)).to_lowercase();
    let failing = policy.failing();
    let mut finding: Option<Finding> = None;
    let mut helps = Vec::new();
    let mut is_known = true;
    let mut is_context = true;
    for leaf in &failing {
        let lower = leaf.name().to_lowercase();
        let claim = lower.strip_prefix(&prefix);
        let own = claim.is_some_and(|claim| claim == "sub" || claim == "aud");
        let known = claim.is_some_and(|claim| CLAIM_KEYS.contains(&claim)) && case.deployment().has_claim_keys();
        let has = match (&leaf.trace.actual, claim) {
            (Presence::One(value), _) => format!("the request has `{value}`"),
            (Presence::Many(values), _) => format!("the request has `{}`", values.join("`, `")),
            (Presence::Absent, Some("environment")) if known => {
                "the job has no environment, so the token does not have this claim".to_owned()
            }
            (Presence::Absent, _) if known => "the token does not have this claim".to_owned(),
            _ => continue,
        };
        if own {
            continue;
        }
        is_known &= match &leaf.trace.actual {
            Presence::One(value) => is_told(value),
            Presence::Many(values) => values.iter().all(|value| is_told(value)),
            // Claims written down by hand may be incomplete. A default subject shows whether there is an environment.
            _ => claim == Some("environment") && has_no_environment(case),
        };
        is_context &= matches!(claim, Some("environment" | "ref"));
        helps.extend(claim.and_then(|claim| help(claim, leaf)));
        let key = leaf.name();
        let label = case.policy_label(leaf.value(0), has.clone());
        let so_far = match finding {
            None => Finding::blocks(format!("the condition on `{key}` does not hold: {has}"))
                .compares(side_by_side(leaf))
                .note(leaf.trace.because.clone())
                .label(label)
                .explains([leaf.leaf]),
            Some(finding) => finding.label(label).explains([leaf.leaf]),
        };
        finding = Some(so_far.notes(unseen_difference(leaf)));
    }
    let mut finding = helps.into_iter().fold(finding?, Finding::help);
    finding.cause = is_context.then_some(Cause::Context);
    if is_known {
        finding = super::check::by_policy(case, &[Fact::Issuer], finding);
    }
    Some(
        finding
            .help("change the condition or the job so that they agree")
            .remedy(Remedy::Admit),
    )
}

/// Whether a condition accepts only the texts it lists and what they stand for.
fn lists_texts(leaf: &ConditionLeaf<'_>) -> bool {
    leaf.comparison().is_string() && !leaf.comparison().is_negated()
}

/// Says how the job can make the claim the one accepted value.
fn help(claim: &str, leaf: &ConditionLeaf<'_>) -> Option<String> {
    let [only] = leaf.key.values.as_slice() else {
        return None;
    };
    let wanted = Some(&only.value).filter(|value| lists_texts(leaf) && !value.contains(['*', '?', '$']))?;
    match claim {
        "environment" => Some(format!(
            "give the job `environment: {wanted}`, if that is where it deploys"
        )),
        "job_workflow_ref" => Some(format!(
            "let the job call `{wanted}`, if that is the workflow that should deploy"
        )),
        _ => None,
    }
}

/// Compares what the token sends with what the policy accepts.
fn side_by_side(leaf: &ConditionLeaf<'_>) -> Option<SideBySide> {
    let Presence::One(has) = &leaf.trace.actual else {
        return None;
    };
    let [first, more @ ..] = leaf.key.values.as_slice() else {
        return None;
    };
    lists_texts(leaf).then(|| {
        SideBySide::of(
            format!("`{}`", leaf.name()),
            Party::new("token", "sends", has),
            Party::new("policy", "accepts", &first.value).and_more(more.len()),
        )
    })
}

/// Describes an invisible difference between the claim and a value.
fn unseen_difference(leaf: &ConditionLeaf<'_>) -> Option<String> {
    let Presence::One(has) = &leaf.trace.actual else {
        return None;
    };
    let takes_wildcards = leaf.comparison().takes_wildcards();
    let mut values = leaf.key.values.iter().filter(|_| lists_texts(leaf));
    values.find_map(|value| {
        unseen::difference(&value.value, has, |one, other| {
            takes_wildcards && wildcard::matches(one, other)
        })
    })
}

/// Whether the token's subject shows that the job has no environment. In a default subject, an environment replaces the branch. (GitHub
/// docs, "OpenID Connect reference".)
fn has_no_environment(case: &Case<'_>) -> bool {
    let subject = case.claims.and_then(Claims::subject).filter(|subject| is_told(subject));
    subject
        .and_then(Subject::parse)
        .is_some_and(|subject| subject.is_default() && !matches!(subject.kind(), None | Some(Context::Environment(_))))
}
