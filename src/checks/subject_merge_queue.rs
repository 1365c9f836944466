//! `subject-merge-queue`: the job runs for a merge queue and the policy expects another branch, or vice versa.

use super::check::{Check, When};
use crate::case::Case;
use crate::finding::{Cause, Finding, Rule, Stage};
use crate::github::subject::difference::{Kind, SubjectDifference, queue_base};
use crate::github::subject::{Context, Subject};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "subject-merge-queue",
        cause: Some(Cause::Context),
        stage: Stage::TrustPolicy,
        title: "the job runs for a merge queue and the policy expects another branch, or vice versa",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    super::check::subject(case, |kind| matches!(kind, Kind::MergeQueue), finding)
}

fn finding(_: &Case<'_>, difference: &SubjectDifference) -> Finding {
    let (wanted, has) = super::check::contexts(difference);
    // GitHub docs, "Managing a merge queue" and "Events that trigger workflows" (`merge_group`), have the beginning of the name; the rest
    // and the subject are as reported: govuk-one-login/life-events-platform#500.
    let note = "GitHub creates a branch `gh-readonly-queue/<base>/…` for each merge queue entry; as reported, its name goes on with \
                `pr-<number>-<commit>`, and the subject of a job triggered by `merge_group` names it";
    let Some(base) = base(&difference.subject) else {
        return Finding::blocks(format!(
            "the job runs for {has}, but the trust policy expects a merge queue: {wanted}"
        ))
        .note(note)
        .help("run the job for `merge_group`, or let the policy trust this branch");
    };
    Finding::blocks(format!(
        "the job runs for the merge queue of `{base}`, but the trust policy expects {wanted}"
    ))
    .note(note)
    .help("if the queue should not have the role, keep the job out of `merge_group`")
}

/// Returns the base branch of a merge queue's subject; `None` for any other subject.
fn base(subject: &str) -> Option<&str> {
    match Subject::parse(subject)?.kind()? {
        Context::Branch(name) => queue_base(name),
        _ => None,
    }
}
