//! `subject-environment`: the environment is not what the policy expects.

use super::check::{Check, When};
use crate::case::Case;
use crate::finding::{Cause, Finding, Rule, Stage};
use crate::github::subject::difference::{Kind, SubjectDifference};
use crate::github::subject::{Context, Subject};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "subject-environment",
        cause: Some(Cause::Context),
        stage: Stage::TrustPolicy,
        title: "the environment is not what the policy expects",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    super::check::subject(case, |kind| matches!(kind, Kind::Environment), finding)
}

fn finding(case: &Case<'_>, difference: &SubjectDifference) -> Finding {
    let (wanted, has) = super::check::contexts(difference);
    let token = Subject::parse(&difference.subject).and_then(|subject| subject.kind());
    match token {
        Some(Context::Environment(name)) if difference.pattern.contains(":environment:") => {
            Finding::blocks(format!("the job runs in {has}, but the trust policy expects {wanted}"))
                .note(format!("`environment: {name}` in the job puts the environment in `sub`"))
        }
        Some(Context::Environment(name)) => Finding::blocks(format!("the trust policy expects {wanted}, but this job's subject names {has}"))
            .note(format!("`environment: {name}` in the job replaces what `sub` would otherwise contain: the branch or tag, or `pull_request`"))
            .notes(case.environment().filter(|environment| environment.is_open()).map(|environment| {
                format!("according to GitHub's API nothing protects `{}` yet: it has no required reviewers and is open to every branch", environment.name)
            }))
            .help("let the policy trust the environment; its protection rules then control who can deploy to it")
            .help("or remove `environment:` from the job, if the branch should decide"),
        _ => Finding::blocks(format!("the trust policy expects {wanted}, but the job has no environment: its subject names {has}"))
            .help(format!("give the job `environment: {}`, or let the policy trust {has}", super::check::environment_in(&difference.pattern))),
    }
    .label(super::check::environment_in_workflow(case))
}
