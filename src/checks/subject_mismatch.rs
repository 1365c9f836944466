//! `subject-mismatch`: the `sub` condition does not match.

use crate::arn::issuer_host;
use crate::case::Case;
use crate::diagnose::{Cause, Check, Finding, Stage, Verdict};
use crate::difference::{Kind, SubjectDifference};
use crate::fix;
use crate::policy::Presence;

/// The check.
pub(super) const CHECK: Check = Check {
    id: "subject-mismatch",
    cause: Some(Cause::Subject),
    stage: Stage::TrustPolicy,
    title: "the `sub` condition does not match",
    page: include_str!("../../docs/checks/subject-mismatch.md"),
    run,
};

fn run(case: &Case<'_>) -> Verdict {
    match super::subject(case, |kind| matches!(kind, Kind::Mismatch), finding) {
        Verdict::Clear => odd_operator(case),
        found => found,
    }
}

/// A `sub` condition that is not of the usual kind, negated or for another type, and fails.
fn odd_operator(case: &Case<'_>) -> Verdict {
    let Some(policy) = case
        .policy
        .as_ref()
        .filter(|_| !case.is_allowed() && !case.asks_with_credentials())
    else {
        return Verdict::Clear;
    };
    let name = format!("{}:sub", issuer_host(&case.issuer));
    let failing = policy.failing();
    let Some(leaf) = failing.iter().find(|leaf| {
        let comparison = leaf.condition.operator.value.comparison;
        leaf.key.key.value.eq_ignore_ascii_case(&name)
            && matches!(leaf.trace.actual, Presence::One(_))
            && (comparison.is_negated() || !comparison.is_string())
    }) else {
        return Verdict::Clear;
    };
    let operator = &leaf.condition.name;
    let mut finding = Finding::blocks(format!(
        "the `{operator}` condition on the token's subject does not hold"
    ))
    .label(case.policy_label(
        leaf.key.values.first().map_or(leaf.key.span, |value| value.span),
        policy.key_pointer(leaf.leaf),
        leaf.trace.because.clone(),
    ))
    .label(case.claim_label("sub", "the token's subject"))
    .explains([leaf.leaf]);
    if operator.contains("Arn") {
        finding = finding
            .note("an `Arn…` operator compares ARNs, and a subject is none")
            .help("compare the subject with `StringEquals` or `StringLike`");
    } else if !leaf.condition.operator.value.comparison.is_negated() {
        finding = finding.help("compare the subject with `StringEquals` or `StringLike`");
    }
    Verdict::Found(finding.fixes(fix::admit(case)))
}

fn finding(_: &Case<'_>, difference: &SubjectDifference) -> Finding {
    Finding::blocks("the token's subject does not match the `sub` condition of the trust policy").note(format!(
        "`{}` in the policy, `{}` in the token",
        difference.pattern, difference.subject
    ))
}
