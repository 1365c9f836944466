//! `subject-wildcard-literal`: a wildcard stands under an operator that takes it literally.

use crate::case::Case;
use crate::diagnose::{Cause, Check, Finding, Stage, Verdict};
use crate::difference::{Kind, SubjectDifference};

/// The check.
pub(super) const CHECK: Check = Check {
    id: "subject-wildcard-literal",
    cause: Some(Cause::Subject),
    stage: Stage::TrustPolicy,
    title: "a wildcard stands under an operator that takes it literally",
    page: include_str!("../../docs/checks/subject-wildcard-literal.md"),
    run,
};

fn run(case: &Case<'_>) -> Verdict {
    super::subject(case, |kind| matches!(kind, Kind::WildcardLiteral), finding)
}

fn finding(case: &Case<'_>, difference: &SubjectDifference) -> Finding {
    let operator = super::operator_name(case, difference);
    Finding::blocks(format!(
        "the `*` or `?` in the `sub` condition counts as a plain character, because the operator is `{operator}`"
    ))
    .note("wildcards work in `StringLike` and `StringNotLike` only")
    .note("with `StringLike` the value would match this token")
}
