//! `subject-wildcard-literal`: a wildcard is used with an operator that takes it literally.

use super::check::{Check, When};
use crate::case::Case;
use crate::finding::{Cause, Finding, Rule, Stage};
use crate::github::subject::difference::{Kind, SubjectDifference};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "subject-wildcard-literal",
        cause: Some(Cause::Subject),
        stage: Stage::TrustPolicy,
        title: "a wildcard is used with an operator that takes it literally",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    super::check::subject(case, |kind| matches!(kind, Kind::WildcardLiteral), finding)
}

fn finding(_: &Case<'_>, difference: &SubjectDifference) -> Finding {
    Finding::blocks(format!(
        "the `*` or `?` in the `sub` condition is taken literally, because the operator is `{}`",
        difference.operator
    ))
    // IAM User Guide, `reference_policies_elements_condition_operators`.
    .note("among the string operators, only `StringLike` and `StringNotLike` support wildcards; the ARN operators support them too, but never match a subject")
    .note("with `StringLike` the value would match")
}
