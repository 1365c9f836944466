//! `condition-vacuous`: the only guard is a condition that holds when its key is absent.

use crate::case::Case;
use crate::diagnose::{Cause, Check, Stage, Verdict};
use crate::witness::Breadth;

/// The check.
pub(super) const CHECK: Check = Check {
    id: "condition-vacuous",
    cause: Some(Cause::TooMuch),
    stage: Stage::Risk,
    title: "the only guard is a condition that holds when its key is absent",
    page: include_str!("../../docs/checks/condition-vacuous.md"),
    run,
};

fn run(case: &Case<'_>) -> Verdict {
    super::risk(case, Breadth::Vacuous)
}
