//! `subject-immutable`: the subject has ids on one side and names alone on the other.

use super::check::{Check, When};
use crate::case::Case;
use crate::finding::{Cause, Finding, Rule, Stage};
use crate::github::subject::Subject;
use crate::github::subject::difference::{Kind, SubjectDifference};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "subject-immutable",
        cause: Some(Cause::Subject),
        stage: Stage::TrustPolicy,
        title: "the subject has ids on one side and names alone on the other",
        page: include_str!("../../docs/checks/subject-immutable.md"),
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    super::check::subject(case, |kind| matches!(kind, Kind::Immutable), finding)
}

fn finding(_: &Case<'_>, difference: &SubjectDifference) -> Finding {
    let token_has_ids = Subject::parse(&difference.subject).is_some_and(|subject| subject.is_immutable());
    if !token_has_ids {
        return Finding::blocks("the trust policy wants a subject with ids (`owner@id/repository@id`), and the token's has names alone")
            .note("GitHub gives ids in the subject to repositories created, renamed or transferred since 15 July 2026 (as reported, also with their organization), and to those that opted in; this one is not among them")
            .help("write the names alone, or switch the repository to immutable subjects first, in its settings");
    }
    let repository = Subject::parse(&difference.pattern).map_or("", |value| value.repository_part());
    let hyphens = repository.contains("-*") || repository.contains(&difference.token_part.replace('@', "-"));
    let mut finding = Finding::blocks("the token's subject carries ids (`owner@id/repository@id`), and the trust policy has the names alone")
        .note("the repository was created, renamed or transferred since 15 July 2026, opted in, or, as reported, its organization was renamed: since then GitHub writes ids into its subject, so that nobody can take over a name that became free")
        .note("a new repository cannot opt out; the ids in the token are what to trust");
    if hyphens {
        finding = finding.note("`name-id` with a hyphen was only announced; GitHub writes `name@id`, and a wildcard after a hyphen also lets in owners whose names begin like yours");
    }
    if let Some(meant) = &difference.meant {
        finding = finding.note(format!("with the ids the value is `{meant}`"));
    }
    finding
}
