//! `subject-case`: the subject differs only by letter case.

use super::check::{Check, When};
use crate::case::Case;
use crate::finding::{Cause, Certainty, Finding, Rule, Stage};
use crate::github::subject::difference::{Kind, SubjectDifference};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "subject-case",
        cause: Some(Cause::Subject),
        stage: Stage::TrustPolicy,
        title: "the subject differs only by letter case",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    super::check::subject(case, |kind| matches!(kind, Kind::Case), finding)
}

fn finding(_: &Case<'_>, difference: &SubjectDifference) -> Finding {
    let (from, to) = difference.part;
    let written = difference.pattern.get(from..to).unwrap_or(&difference.pattern);
    let (how, certainty) = if difference.also.is_empty() {
        ("they differ only by letter case", Certainty::Certain)
    } else {
        ("the names differ by letter case", Certainty::Likely)
    };
    let token = &difference.token_part;
    Finding::blocks(format!(
        "the trust policy has `{written}`, but the token has `{token}`: {how}"
    ))
    .at_most(certainty)
    .note(
        "`StringEquals` and `StringLike` are case-sensitive, and the subject has a name's letters as GitHub stores them",
    )
    .help("use the token's letter case in the policy")
}
