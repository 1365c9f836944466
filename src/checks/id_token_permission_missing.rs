//! `id-token-permission-missing`: the job may not ask for an ID token.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::configure::{Flow, Input};
use crate::evidence::{Probe, Why};
use crate::finding::{Cause, Certainty, Finding, Rule, Stage};
use crate::fix;
use crate::github::workflow::{IdToken, Job, Permissions, Workflow};
use crate::text::Span;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "id-token-permission-missing",
        cause: Some(Cause::NoIdTokenPermission),
        stage: Stage::Permission,
        title: "the job may not ask for an ID token",
        page: include_str!("../../docs/checks/id-token-permission-missing.md"),
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    if case.claims.is_some() || super::fork_pull_request::is_fork(case) || case.answer == Some(Answer::NestedPermission)
    {
        return None;
    }
    let absent = case.runner().and_then(|runner| runner.id_token_request) == Some(false)
        || case
            .evidence
            .token
            .as_ref()
            .and_then(Probe::gap)
            .is_some_and(|gap| gap.why == Why::NotGranted);
    let said = case.answer == Some(Answer::TokenNotGranted);
    // "Could not load credentials from any providers" is what a missing permission becomes, and an empty role as well.
    let hinted = case.answer == Some(Answer::NoCredentials);
    if !absent && !said && !hinted
        || matches!(
            case.flow,
            Flow::AccessKey | Flow::TokenFile | Flow::Chaining | Flow::NoRole
        )
    {
        return None;
    }
    let granted = case.workflow_grants_id_token();
    // Without the permission the runner sets no `ACTIONS_ID_TOKEN_REQUEST_URL`: that it is not there proves it.
    // "Could not load credentials" may still come from an empty role, where that is not known.
    let has_role = case.request().given(Input::RoleToAssume).is_some();
    let certainty = match (absent && (has_role || !hinted) || said, granted) {
        (true, _) => Certainty::Certain,
        (false, true) => Certainty::Possible,
        (false, false) if absent => Certainty::Certain,
        (false, false) => Certainty::Likely,
    };
    let mut finding = Finding::blocks(if granted {
        "the job may not ask for an ID token, although the workflow file grants `id-token: write`"
    } else {
        "the job may not ask for an ID token: `id-token: write` is missing from its `permissions`"
    })
    .certainty(certainty)
    .note("without a token AWS is not reached at all: this is never an `AccessDenied` from STS")
    .note("configure-aws-credentials shows it as `Could not load credentials from any providers`, after its retries");
    let places = workflow_places(case);
    if places.is_empty() && !granted {
        finding = finding
            .help("give the job `permissions:` with `id-token: write` and `contents: read`; a job's block replaces the workflow's as a whole")
            .help("`permissions: read-all` is not enough, and in a reusable workflow the calling job must grant it as well");
    }
    for (span, text) in places {
        finding = finding.label(case.workflow_label(span, text));
    }
    if granted {
        finding = finding.note(
            "the workflow file grants it, so something takes it away: the caller of a reusable workflow, a fork's pull request, or another \
             version of the file",
        );
    }
    if case.runner().and_then(|runner| runner.actor.as_deref()) == Some("dependabot[bot]") {
        finding = finding.note(
            "the run was started by Dependabot: reported to get no token in some set-ups even with the permission",
        );
    }
    if granted {
        let finding = super::check::or_goes_on(case, finding);
        return Some(finding.help(
            "find what takes it away; in a reusable workflow the calling job must grant `id-token: write` as well",
        ));
    }
    Some(super::check::or_goes_on(case, finding.fixes(fix::grant_id_token(case))))
}

/// The blocks of the workflow that would have to change.
fn workflow_places(case: &Case<'_>) -> Vec<(Span, String)> {
    let Some(Ok(workflow)) = &case.workflow else {
        return Vec::new();
    };
    let mut places = Vec::new();
    for job in jobs(case, workflow) {
        let text = |kind: &str, permissions: &Permissions| match permissions.id_token {
            IdToken::Read(_) => format!("{kind} gives `id-token: read`, which is not enough"),
            _ => format!(
                "{kind} does not name `id-token: write`, and what a `permissions` block does not name is `none`"
            ),
        };
        match (&job.permissions, &workflow.permissions) {
            (Some(own), _) if matches!(own.id_token, IdToken::Write(_)) => {}
            (Some(own), Some(_)) => places.push((
                own.span,
                format!(
                    "{}; it replaces the workflow's block as a whole",
                    text("the job's block", own)
                ),
            )),
            (Some(own), None) => places.push((own.span, text("the job's block", own))),
            (None, Some(all)) if matches!(all.id_token, IdToken::Write(_)) => {}
            (None, Some(all)) => places.push((all.span, text("the workflow's block", all))),
            (None, None) => places.push((
                job.id.span,
                "neither this job nor the workflow has `permissions`, and the default has no `id-token`".to_owned(),
            )),
        }
    }
    places.dedup();
    places
}

fn jobs<'a>(case: &Case<'_>, workflow: &'a Workflow) -> Vec<&'a Job> {
    let id = case.runner().and_then(|runner| runner.job.as_deref());
    let named: Vec<&Job> = workflow
        .jobs
        .iter()
        .filter(|job| Some(job.id.value.as_str()) == id)
        .collect();
    if named.is_empty() {
        workflow.jobs.iter().collect()
    } else {
        named
    }
}
