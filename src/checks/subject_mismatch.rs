//! `subject-mismatch`: the `sub` condition does not match.

use crate::case::Case;
use crate::diagnose::{Cause, Check, Finding, Stage, Verdict};
use crate::difference::{Kind, SubjectDifference};

/// The check.
pub(super) const CHECK: Check = Check {
    id: "subject-mismatch",
    cause: Some(Cause::Subject),
    stage: Stage::TrustPolicy,
    title: "the `sub` condition does not match",
    page: include_str!("../../docs/checks/subject-mismatch.md"),
    run,
};

fn run(case: &Case<'_>) -> Verdict {
    super::subject(case, |kind| matches!(kind, Kind::Mismatch), finding)
}

fn finding(case: &Case<'_>, difference: &SubjectDifference) -> Finding {
    let _ = case;
    Finding::blocks("the token's subject does not match the `sub` condition of the trust policy").note(format!(
        "`{}` in the policy, `{}` in the token",
        difference.pattern, difference.subject
    ))
}
