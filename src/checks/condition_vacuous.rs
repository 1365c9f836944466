//! `condition-vacuous`: the only restriction is a condition that is met when its key is absent.

use super::check::{Check, When};
use crate::case::Case;
use crate::finding::{Cause, Finding, Rule, Stage};
use crate::witness::Breadth;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "condition-vacuous",
        cause: Some(Cause::TooMuch),
        stage: Stage::Risk,
        title: "the only restriction is a condition that is met when its key is absent",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    super::check::risk(case, Breadth::Vacuous)
}
