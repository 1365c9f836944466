//! `external-id-mismatch`: the external ID is missing or differs.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::configure::Input;
use crate::finding::{Fact, Finding, Rule, Stage};
use crate::policy::{ConditionLeaf, Outcome};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "external-id-mismatch",
        cause: None,
        stage: Stage::Session,
        title: "the external ID is missing or differs",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let leaf = required(case)?;
    let sent = case.request().given(Input::RoleExternalId);
    Some(
        Finding::blocks(match sent {
            Some(_) => "the external ID that is sent is not the one that the trust policy requires",
            None => "the trust policy requires an external ID, but none is sent",
        })
        .label(case.policy_label(leaf.value(0), "required here"))
        .explains([leaf.leaf])
        .rests_on(case, &[Fact::Policy, Fact::Input(Input::RoleExternalId)])
        .help("set `role-external-id` in the step to the value that the role's owner gave out"),
    )
}

/// Whether the external ID is what keeps AWS credentials out.
pub(super) fn applies(case: &Case<'_>) -> bool {
    required(case).is_some()
}

/// Returns the condition on the external ID that keeps AWS credentials out: it fails, or AWS refuses, no ID is given, and everything else
/// in its statement matches.
fn required<'a>(case: &'a Case<'_>) -> Option<ConditionLeaf<'a>> {
    if !case.asks_with_credentials() || case.is_allowed() {
        return None;
    }
    let policy = case.policy.as_ref()?;
    let failing = policy.failing().into_iter().find(|leaf| is_external_id(leaf.name()));
    failing.or_else(|| {
        let (_, _, trace) = policy.nearest()?;
        let fits = trace.principal.outcome == Outcome::Match && trace.action.outcome == Outcome::Match;
        let refused =
            matches!(&case.answer, Some(Answer::AssumeRoleDenied(refusal)) if refusal.action == "sts:AssumeRole");
        let all = policy.nearest_leaves();
        let (ids, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|leaf| is_external_id(leaf.name()));
        let is_alone = others.iter().all(|leaf| leaf.trace.outcome == Outcome::Match);
        let is_positive = |leaf: &ConditionLeaf<'_>| !leaf.comparison().is_negated();
        (fits && refused && is_alone && case.request().given(Input::RoleExternalId).is_none())
            .then(|| ids.into_iter().find(is_positive))?
    })
}

fn is_external_id(key: &str) -> bool {
    key.eq_ignore_ascii_case("sts:ExternalId")
}
