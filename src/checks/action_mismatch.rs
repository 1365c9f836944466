//! `action-mismatch`: the trust policy does not allow `sts:AssumeRoleWithWebIdentity`.

use super::check::{Check, When};
use crate::case::Case;
use crate::finding::{Fact, Finding, Party, Remedy, Rule, SideBySide, Stage};
use crate::policy::{Leaf, Outcome};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "action-mismatch",
        cause: None,
        stage: Stage::TrustPolicy,
        title: "the trust policy does not allow `sts:AssumeRoleWithWebIdentity`",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let policy = case.policy.as_ref()?;
    let (index, statement, trace) = policy.nearest()?;
    if trace.action.outcome != Outcome::NoMatch {
        return None;
    }
    let action = statement.action.as_ref();
    let written = action
        .map(|action| {
            action
                .values
                .iter()
                .map(|value| value.value.as_str())
                .collect::<Vec<_>>()
                .join("`, `")
        })
        .unwrap_or_default();
    let message = if action.is_some_and(|action| action.negated) {
        format!("`NotAction` excludes `sts:AssumeRoleWithWebIdentity`: `{written}`")
    } else {
        format!("the trust policy allows `{written}`, but a token needs `sts:AssumeRoleWithWebIdentity`")
    };
    let values = action
        .filter(|action| !action.negated)
        .map(|action| action.values.as_slice());
    let (allowed, more) = match values {
        Some([first, more @ ..]) => (Some(first), more.len()),
        _ => (None, 0),
    };
    let leaf = Leaf::Action { statement: index };
    let place = policy.policy.location(leaf);
    let mut finding = Finding::blocks(message)
        .label(place.map(|at| case.policy_label(at, "does not cover `sts:AssumeRoleWithWebIdentity`")))
        .compares(allowed.map(|allowed| {
            SideBySide::of(
                "action",
                Party::new("token", "needs", "sts:AssumeRoleWithWebIdentity"),
                Party::new("policy", "allows", &allowed.value).and_more(more),
            )
        }))
        .explains([leaf]);
    if written
        .split("`, `")
        .any(|action| action.eq_ignore_ascii_case("sts:AssumeRole"))
    {
        finding = finding.note(
            "`sts:AssumeRole` is the action for AWS credentials; a job with an ID token calls `sts:AssumeRoleWithWebIdentity`",
        );
    }
    Some(
        super::check::by_policy(case, &[Fact::Issuer], finding)
            .notes(super::check::other_allows(policy, index))
            .remedy(Remedy::Admit),
    )
}
