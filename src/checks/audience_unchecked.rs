//! `audience-unchecked`: no condition looks at the audience.

use crate::case::Case;
use crate::diagnose::{Cause, Check, Stage, Verdict};
use crate::witness::Breadth;

/// The check.
pub(super) const CHECK: Check = Check {
    id: "audience-unchecked",
    cause: Some(Cause::TooMuch),
    stage: Stage::Risk,
    title: "no condition looks at the audience",
    page: include_str!("../../docs/checks/audience-unchecked.md"),
    run,
};

fn run(case: &Case<'_>) -> Verdict {
    super::risk(case, Breadth::Audience)
}
