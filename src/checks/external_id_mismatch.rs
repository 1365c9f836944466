//! `external-id-mismatch`: the external ID is missing or differs.

use super::check::{Check, When};
use crate::case::Case;
use crate::configure::Input;
use crate::finding::{Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "external-id-mismatch",
        cause: None,
        stage: Stage::Session,
        title: "the external ID is missing or differs",
        page: include_str!("../../docs/checks/external-id-mismatch.md"),
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    if !applies(case) {
        return None;
    }
    let Some(policy) = &case.policy else {
        return None;
    };
    let failing = policy.failing();
    let leaf = failing.iter().find(|leaf| is_external_id(leaf.name()))?;
    let sent = case.request().given(Input::RoleExternalId);
    Some(
        Finding::blocks(match sent {
            Some(_) => "the external ID that is sent is not the one that the trust policy requires",
            None => "the trust policy requires an external ID, but none is sent",
        })
        .label(case.policy_label(
            leaf.key.values.first().map_or(leaf.key.span, |value| value.span),
            policy.key_pointer(leaf.leaf),
            "required here",
        ))
        .explains([leaf.leaf])
        .rests_on(case, &[Fact::Policy, Fact::Input(Input::RoleExternalId)])
        .help("set `role-external-id` in the step to the value that the role's owner gave out"),
    )
}

/// Is the external id what keeps AWS credentials out?
pub(super) fn applies(case: &Case<'_>) -> bool {
    case.asks_with_credentials()
        && !case.is_allowed()
        && case
            .policy
            .as_ref()
            .is_some_and(|policy| policy.failing().iter().any(|leaf| is_external_id(leaf.name())))
}

fn is_external_id(key: &str) -> bool {
    key.eq_ignore_ascii_case("sts:ExternalId")
}
