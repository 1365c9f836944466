//! `audience-unchecked`: no condition checks the audience.

use super::check::{Check, When};
use crate::case::Case;
use crate::finding::{Cause, Finding, Rule, Stage};
use crate::witness::Breadth;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "audience-unchecked",
        cause: Some(Cause::TooMuch),
        stage: Stage::Risk,
        title: "no condition checks the audience",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    super::check::risk(case, Breadth::Audience)
}
