//! `subject-unrestricted`: anyone on GitHub gets in: no condition restricts the subject.

use crate::case::Case;
use crate::diagnose::{Cause, Check, Stage, Verdict};
use crate::witness::Breadth;

/// The check.
pub(super) const CHECK: Check = Check {
    id: "subject-unrestricted",
    cause: Some(Cause::TooMuch),
    stage: Stage::Risk,
    title: "anyone on GitHub gets in: no condition restricts the subject",
    page: include_str!("../../docs/checks/subject-unrestricted.md"),
    run,
};

fn run(case: &Case<'_>) -> Verdict {
    super::risk(case, Breadth::Anyone)
}
