//! `subject-merge-queue`: a merge queue's branch on one side, and another branch on the other.

use super::check::{Check, When};
use crate::case::Case;
use crate::finding::{Cause, Finding, Rule, Stage};
use crate::github::subject::difference::{Kind, QUEUE, SubjectDifference, queue_base};
use crate::github::subject::{Context, Subject};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "subject-merge-queue",
        cause: Some(Cause::Context),
        stage: Stage::TrustPolicy,
        title: "either the job runs for a merge queue or the policy expects one, but not both",
        page: include_str!("../../docs/checks/subject-merge-queue.md"),
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let mut finding = super::check::subject(case, |kind| matches!(kind, Kind::MergeQueue), finding)?;
    let subject = case.claims.and_then(|claims| claims.subject());
    if subject.and_then(base).is_some() {
        for fix in &mut finding.fixes {
            fix.notes.push(
                "this lets in one entry of the merge queue alone: the next entry has another number and commit in its subject".to_owned(),
            );
        }
    }
    Some(finding)
}

fn finding(_: &Case<'_>, difference: &SubjectDifference) -> Finding {
    let (wanted, has) = super::check::contexts(difference);
    // GitHub docs, "Managing a merge queue" and "Events that trigger workflows" (`merge_group`).
    let note = "GitHub creates a branch for each merge queue entry, `gh-readonly-queue/<base>/pr-<number>-<commit>`; the subject of a job \
                triggered by `merge_group` names that branch";
    let Some(base) = base(&difference.subject) else {
        return Finding::blocks(format!(
            "the job runs for {has}, but the trust policy expects a merge queue: {wanted}"
        ))
        .note(note)
        .help("run the job for `merge_group`, or let the policy trust this branch");
    };
    let help = match family(&difference.subject) {
        Some(family) => format!(
            "if every entry of this queue should get the role, trust `{family}` with `StringLike`; if not, keep the job out of `merge_group`"
        ),
        None => "keep the job out of `merge_group`".to_owned(),
    };
    Finding::blocks(format!(
        "the job runs for the merge queue of `{base}`, but the trust policy expects {wanted}"
    ))
    .note(note)
    .help(help)
}

/// The branch that a merge queue's subject is of the queue of; `None` for any other subject.
fn base(subject: &str) -> Option<&str> {
    match Subject::parse(subject)?.kind()? {
        Context::Branch(name) => queue_base(name),
        _ => None,
    }
}

/// The pattern that every entry of a subject's merge queue fits, and nothing else.
fn family(subject: &str) -> Option<String> {
    let (base, token) = (base(subject)?, Subject::parse(subject)?);
    let exact = format!("repo:{}:ref:refs/heads/{QUEUE}{base}/", token.repository_part());
    // A name that is crossed out, or has a `$` in it, would be more than a name in a pattern.
    (!exact.contains(['*', '?', '$'])).then(|| format!("{exact}*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_of_a_queue_is_no_broader() {
        let of = |rest: &str| family(&format!("repo:acme/{rest}"));
        for (subject, want) in [
            (
                "widgets:ref:refs/heads/gh-readonly-queue/main/pr-1-abc",
                Some("repo:acme/widgets:ref:refs/heads/gh-readonly-queue/main/*"),
            ),
            (
                "widgets@34:ref:refs/heads/gh-readonly-queue/release/1.x/pr-12-0f",
                Some("repo:acme/widgets@34:ref:refs/heads/gh-readonly-queue/release/1.x/*"),
            ),
            ("***:ref:refs/heads/gh-readonly-queue/main/pr-1-abc", None),
            ("widgets:ref:refs/heads/gh-readonly-queue/***/pr-1-abc", None),
            ("widgets:ref:refs/heads/gh-readonly-queue/${x}/pr-1-abc", None),
            ("widgets:ref:refs/heads/gh-readonly-queue/notes", None),
            ("widgets:ref:refs/heads/main", None),
            ("widgets:pull_request", None),
        ] {
            assert_eq!(of(subject).as_deref(), want, "{subject}");
        }
    }
}
