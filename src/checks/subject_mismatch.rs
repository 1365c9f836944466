//! `subject-mismatch`: the `sub` condition does not match.

use super::check::{Check, When};
use crate::case::Case;
use crate::finding::{Cause, Fact, Finding, Remedy, Rule, Stage};
use crate::github::issuer::{Deployment, issuer_host};
use crate::github::subject::Subject;
use crate::github::subject::difference::{Kind, SubjectDifference};
use crate::policy::Presence;
use crate::policy::wildcard::matches;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "subject-mismatch",
        cause: Some(Cause::Subject),
        stage: Stage::TrustPolicy,
        title: "the `sub` condition does not match",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let is: fn(&Kind) -> bool = if case.deployment() == Deployment::Other {
        |kind| matches!(kind, Kind::Mismatch | Kind::Customized)
    } else {
        |kind| matches!(kind, Kind::Mismatch)
    };
    match super::check::subject(case, is, finding) {
        None => odd_operator(case),
        found => found,
    }
}

/// Finds a failing `sub` condition of an unusual kind: negated or for another type.
fn odd_operator(case: &Case<'_>) -> Option<Finding> {
    let policy = case.policy.as_ref()?;
    let name = format!("{}:sub", issuer_host(&case.issuer));
    let failing = policy.failing();
    let leaf = failing.iter().find(|leaf| {
        let comparison = leaf.comparison();
        leaf.is(&name)
            && matches!(leaf.trace.actual, Presence::One(_))
            && (comparison.is_negated() || !comparison.is_string())
    })?;
    let operator = &leaf.condition.name;
    let mut finding = Finding::blocks(format!(
        "the `{operator}` condition on the token's subject does not hold"
    ))
    .label(case.policy_label(leaf.value(0), leaf.trace.because.clone()))
    .label(case.claim_label("sub", "the token's subject"))
    .explains([leaf.leaf]);
    if operator.contains("Arn") {
        finding = finding
            .note("an `Arn…` operator compares ARNs, and a subject is not an ARN")
            .help("compare the subject with `StringEquals` or `StringLike`");
    } else if !leaf.comparison().is_negated() {
        finding = finding.help("compare the subject with `StringEquals` or `StringLike`");
    }
    // If the values exclude only one branch or environment of this repository, the repository isn't what is wrong.
    let subject = case.claims.and_then(|claims| claims.subject());
    let forbids_context = |value: &str| {
        let is_some = |context: &str| !context.trim_matches('*').is_empty();
        let (parsed, token) = (Subject::parse(value), subject.and_then(Subject::parse));
        match (parsed, token) {
            (Some(value), Some(token)) => {
                matches(value.repository_part(), token.repository_part()) && value.context.is_some_and(is_some)
            }
            _ => value.strip_prefix("*:").is_some_and(is_some),
        }
    };
    if leaf.comparison().is_negated() && leaf.key.values.iter().all(|value| forbids_context(&value.value)) {
        finding.cause = Some(Cause::Context);
    }
    let finding = super::check::by_policy(case, &[Fact::Issuer, Fact::Claim("sub")], finding);
    Some(finding.remedy(Remedy::Admit))
}

fn finding(_: &Case<'_>, difference: &SubjectDifference) -> Finding {
    Finding::blocks("the token's subject does not match the `sub` condition of the trust policy").note(format!(
        "the policy has `{}`, the token has `{}`",
        difference.pattern, difference.subject
    ))
}
