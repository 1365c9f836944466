//! `subject-too-broad`: the subject condition accepts more than it seems to.

use super::check::{Check, When};
use crate::case::Case;
use crate::finding::{Cause, Finding, Rule, Stage};
use crate::witness::Breadth;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "subject-too-broad",
        cause: Some(Cause::TooMuch),
        stage: Stage::Risk,
        title: "the subject condition accepts more than it seems to",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    super::check::risk(case, Breadth::Broad).or_else(|| super::check::risk(case, Breadth::Own))
}
