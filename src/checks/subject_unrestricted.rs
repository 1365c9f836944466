//! `subject-unrestricted`: anyone on GitHub is accepted: no condition restricts the subject.

use super::check::{Check, When};
use crate::case::Case;
use crate::finding::{Cause, Finding, Rule, Stage};
use crate::witness::Breadth;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "subject-unrestricted",
        cause: Some(Cause::TooMuch),
        stage: Stage::Risk,
        title: "anyone on GitHub is accepted: no condition restricts the subject",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    super::check::risk(case, Breadth::Anyone)
}
