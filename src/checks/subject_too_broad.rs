//! `subject-too-broad`: the subject condition lets in more than it seems to.

use crate::case::Case;
use crate::diagnose::{Cause, Check, Stage, Verdict};
use crate::witness::Breadth;

/// The check.
pub(super) const CHECK: Check = Check {
    id: "subject-too-broad",
    cause: Some(Cause::TooMuch),
    stage: Stage::Risk,
    title: "the subject condition lets in more than it seems to",
    page: include_str!("../../docs/checks/subject-too-broad.md"),
    run,
};

fn run(case: &Case<'_>) -> Verdict {
    super::risk(case, Breadth::Broad)
}
