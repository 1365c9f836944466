//! `role-input-empty`: no role is given.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::configure::{Flow, Input};
use crate::finding::{Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "role-input-empty",
        cause: None,
        stage: Stage::Request,
        title: "no role is given",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    // AWS's answer to the token shows that a role was requested.
    let answered = case.answer.as_ref().filter(|answer| **answer != Answer::Allowed);
    if answered.is_some_and(Answer::token_was_sent) {
        return None;
    }
    let empty = case.request().is_empty(Input::RoleToAssume);
    let said = case.answer == Some(Answer::RoleEmpty);
    // No credentials even though the workflow grants the token: the role was empty when the step ran.
    let hinted = case.request().get(Input::RoleToAssume).is_none()
        && case.answer == Some(Answer::NoCredentials)
        && case.workflow_grants_id_token()
        && case.claims.is_none()
        && secrets_stay_behind(case);
    // A key without a role can be intended.
    if !empty && !said && !hinted || case.flow == Flow::AccessKey || case.flow == Flow::Existing {
        return None;
    }
    let mut finding = Finding::blocks("`role-to-assume` is empty, so no role is requested")
        .rests_on(case, match (empty, said) {
            (true, _) => &[Fact::AtHand, Fact::Input(Input::RoleToAssume)],
            (_, true) => &[Fact::Answer],
            _ => &[],
        })
        .note("configure-aws-credentials then goes on with whatever AWS credentials it finds; where it finds none, it fails with `Could not load credentials from any providers`")
        .help("an expression with a missing secret, variable or input yields an empty string: check its name, the environment or repository that holds it, and `secrets: inherit` in the job that calls a reusable workflow")
        .help("pull requests from forks and runs by Dependabot do not see the repository's Actions secrets; a role's ARN is no secret, so a variable (`vars.…`) works as well");
    if let Some(Ok(workflow)) = &case.workflow {
        for job in workflow
            .jobs
            .iter()
            .filter(|job| job.uses.is_some() && !job.secrets_inherit)
        {
            finding = finding.label(case.workflow_label(
                job.id.span,
                "this job calls a reusable workflow and passes no secrets on",
            ));
        }
    }
    Some(super::check::or_goes_on(case, finding))
}

/// Whether a job of the workflow calls a reusable one without passing its secrets on.
fn secrets_stay_behind(case: &Case<'_>) -> bool {
    matches!(&case.workflow, Some(Ok(workflow)) if workflow.jobs.iter().any(|job| job.uses.is_some() && !job.secrets_inherit))
}
