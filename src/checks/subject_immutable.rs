//! `subject-immutable`: one side has IDs in the subject, the other only names.

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
        title: "one side has IDs in the subject, the other only names",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    super::check::subject(case, |kind| matches!(kind, Kind::Immutable), finding)
}

fn finding(case: &Case<'_>, difference: &SubjectDifference) -> Finding {
    let token_has_ids = Subject::parse(&difference.subject).is_some_and(|subject| subject.is_immutable());
    // GitHub docs, "OpenID Connect reference", "Immutable subject claims"; aprin-labs/archimedes#1759 for organizations.
    if !token_has_ids {
        return Finding::blocks("the trust policy expects a subject with IDs (`owner@id/repository@id`), but the token's has only names")
            .note("GitHub includes IDs in the subject for repositories created, renamed or transferred since 15 July 2026 (as reported, also with their organization), and for those that opted in; this repository is not one of them")
            .help("use only the names, or first switch the repository to immutable subjects in its settings");
    }
    let repository = Subject::parse(&difference.pattern).map_or("", |value| value.repository_part());
    let hyphens = repository.contains("-*") || repository.contains(&difference.token_part.replace('@', "-"));
    let finding = Finding::blocks(
        "the token's subject includes IDs (`owner@id/repository@id`), but the trust policy has only names",
    );
    let mut finding = match case.why_immutable() {
        Some(why) => finding.note(why).note("the IDs keep others from taking over a name that has become available"),
        None => finding
            .note("the repository was created, renamed or transferred since 15 July 2026, opted in, or, as reported, its organization was renamed: GitHub then includes IDs in its subject, so that nobody can take over a name that has become available")
            // ruby/ruby-infra-recipe#75
            .note("as reported, a new repository cannot opt out; trust the IDs in the token"),
    };
    if hyphens {
        finding = finding.note("`name-id` with a hyphen was announced but never used; GitHub writes `name@id`, and a wildcard after a hyphen also accepts owners whose names start like yours");
    }
    if let Some(meant) = &difference.meant {
        finding = finding.note(format!("with the IDs, the value is `{meant}`"));
    }
    finding
}
