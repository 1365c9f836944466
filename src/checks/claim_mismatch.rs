//! `claim-mismatch`: a condition on a claim other than `sub` and `aud` does not match.

use super::check::{Check, When};
use crate::aws::request::CLAIM_KEYS;
use crate::case::{Case, is_told};
use crate::finding::{Cause, Fact, Finding, Party, Remedy, Rule, SideBySide, Stage};
use crate::github::claims::Claims;
use crate::github::issuer::issuer_host;
use crate::github::subject::{Context, Subject};
use crate::policy::Presence;
use crate::text::unseen;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "claim-mismatch",
        cause: None,
        stage: Stage::TrustPolicy,
        title: "a condition on a claim other than `sub` and `aud` does not match",
        page: include_str!("../../docs/checks/claim-mismatch.md"),
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
        let has = match &leaf.trace.actual {
            Presence::One(value) => format!("the request has `{value}`"),
            Presence::Many(values) => format!("the request has `{}`", values.join("`, `")),
            Presence::Absent if known => match claim {
                Some("environment") => "the job has no environment, so the token does not have this claim".to_owned(),
                _ => "the token does not have this claim".to_owned(),
            },
            _ => continue,
        };
        if own {
            continue;
        }
        is_known &= match &leaf.trace.actual {
            Presence::One(value) => is_told(value),
            Presence::Many(values) => values.iter().all(|value| is_told(value)),
            // Claims that somebody wrote down need not be all. A default subject says that there is no environment.
            _ => claim == Some("environment") && has_no_environment(case),
        };
        is_context &= matches!(claim, Some("environment" | "ref"));
        let comparison = leaf.comparison();
        let wanted = match leaf.key.values.as_slice() {
            [value] if comparison.is_string() && !comparison.is_negated() && !value.value.contains(['*', '?', '$']) => {
                Some(value.value.as_str())
            }
            _ => None,
        };
        match (claim, wanted) {
            (Some("environment"), Some(name)) => {
                helps.push(format!(
                    "give the job `environment: {name}`, if that is where it deploys"
                ));
            }
            (Some("job_workflow_ref"), Some(workflow)) => {
                helps.push(format!(
                    "let the job call `{workflow}`, if that is the workflow that should deploy"
                ));
            }
            _ => {}
        }
        let unseen = match &leaf.trace.actual {
            Presence::One(has) if comparison.is_string() && !comparison.is_negated() => {
                let literal = !comparison.takes_wildcards();
                let mut values = leaf.key.values.iter();
                values.find_map(|value| {
                    unseen::difference(&value.value, has, |one, other| {
                        !literal && crate::policy::wildcard::matches(one, other)
                    })
                })
            }
            _ => None,
        };
        let key = leaf.name();
        let label = case.policy_label(leaf.value(0), has.clone());
        let compared = match (&leaf.trace.actual, leaf.key.values.as_slice()) {
            (Presence::One(has), [first, more @ ..]) if comparison.is_string() && !comparison.is_negated() => {
                let accepts = Party::new("policy", "accepts", &first.value).and_more(more.len());
                Some(SideBySide::of(
                    format!("`{key}`"),
                    Party::new("token", "sends", has),
                    accepts,
                ))
            }
            _ => None,
        };
        let so_far = match finding {
            None => Finding::blocks(format!("the condition on `{key}` does not hold: {has}"))
                .compares(compared)
                .note(leaf.trace.because.clone())
                .label(label)
                .explains([leaf.leaf]),
            Some(finding) => finding.label(label).explains([leaf.leaf]),
        };
        finding = Some(so_far.notes(unseen));
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

/// Does the token's subject tell that the job has no environment? One would stand in a default subject, in the branch's place.
/// (GitHub docs, "OpenID Connect reference".)
fn has_no_environment(case: &Case<'_>) -> bool {
    let subject = case.claims.and_then(Claims::subject).filter(|subject| is_told(subject));
    subject
        .and_then(Subject::parse)
        .is_some_and(|subject| subject.is_default() && !matches!(subject.kind(), None | Some(Context::Environment(_))))
}
