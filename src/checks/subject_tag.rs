//! `subject-tag`: the job runs for a tag and the policy expects something else, or vice versa.

use super::check::{Check, When};
use crate::case::Case;
use crate::finding::{Cause, Finding, Rule, Stage};
use crate::github::subject::difference::{Kind, SubjectDifference};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "subject-tag",
        cause: Some(Cause::Context),
        stage: Stage::TrustPolicy,
        title: "the job runs for a tag and the policy expects something else, or vice versa",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    super::check::subject(case, |kind| matches!(kind, Kind::Tag), finding)
}

fn finding(_: &Case<'_>, difference: &SubjectDifference) -> Finding {
    let (wanted, has) = super::check::contexts(difference);
    Finding::blocks(format!("the job runs for {has}, but the trust policy expects {wanted}")).note(
        "a tag is not a branch: a tag's subject has `ref:refs/tags/<tag>`, a branch's has `ref:refs/heads/<branch>`",
    )
}
