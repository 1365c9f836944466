//! `subject-branch`: the branch is not what the policy expects.

use super::check::{Check, When};
use crate::case::Case;
use crate::finding::{Cause, Finding, Rule, Stage};
use crate::github::subject::difference::{Kind, SubjectDifference};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "subject-branch",
        cause: Some(Cause::Context),
        stage: Stage::TrustPolicy,
        title: "the branch is not what the policy expects",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    super::check::subject(case, |kind| matches!(kind, Kind::Branch), finding)
}

fn finding(_: &Case<'_>, difference: &SubjectDifference) -> Finding {
    let (wanted, has) = super::check::contexts(difference);
    Finding::blocks(format!("the job runs for {has}, but the trust policy expects {wanted}"))
        .help("run the job from a branch that the policy trusts, or let it trust this one")
}
