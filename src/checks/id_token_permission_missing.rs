//! `id-token-permission-missing`: the job isn't allowed to request an ID token.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::configure::{Flow, Input};
use crate::evidence::{CredentialSource, Identity, Probe, Why};
use crate::finding::{Cause, Certainty, Fact, Finding, Party, Remedy, Rule, SideBySide, Stage};
use crate::github::workflow::{ConfigureStep, IdToken, Job, Permissions};
use crate::text::Span;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "id-token-permission-missing",
        cause: Some(Cause::NoIdTokenPermission),
        stage: Stage::Permission,
        title: "the job isn't allowed to request an ID token",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    // A session may come from other credentials at hand.
    let answered = case.answer.as_ref().filter(|answer| **answer != Answer::Allowed);
    let sent = answered.is_some_and(Answer::token_was_sent);
    if sent || super::fork_pull_request::is_fork(case) || case.answer == Some(Answer::NestedPermission) {
        return None;
    }
    let unset = case.runner().and_then(|runner| runner.id_token_request) == Some(false);
    // Claims supplied from elsewhere are not this job's.
    if case.claims.is_some() && !unset {
        return None;
    }
    let absent = unset
        || case
            .evidence
            .token
            .as_ref()
            .and_then(Probe::gap)
            .is_some_and(|gap| gap.why == Why::NotGranted);
    let said = case.answer == Some(Answer::TokenNotGranted);
    // "Could not load credentials from any providers" results from a missing permission, but also from an empty role.
    let hinted = case.answer == Some(Answer::NoCredentials);
    let written = is_written(case);
    if !absent && !said && !hinted && !written
        || matches!(
            case.flow,
            Flow::AccessKey | Flow::TokenFile | Flow::Chaining | Flow::NoRole
        )
    {
        return None;
    }
    let has_role = case.request().given(Input::RoleToAssume).is_some();
    // Without a role the step keeps the credentials that it finds in the environment.
    let holds = |identity: &Identity| identity.source == CredentialSource::Environment;
    if !has_role && !said && (super::check::brings_keys(case) || case.at_hand().is_some_and(holds)) {
        return None;
    }
    let granted = case.workflow_grants_id_token();
    // Without the permission the runner doesn't set `ACTIONS_ID_TOKEN_REQUEST_URL`: its absence proves it. "Could not load credentials" may
    // still come from an empty role, if the role isn't known.
    let is_proven = absent && has_role || said;
    let mut finding = Finding::blocks(match &case.workflow {
        Some(Ok(_)) if granted => {
            "the job isn't allowed to request an ID token, although the workflow file grants `id-token: write`"
        }
        Some(Ok(_)) => {
            "the job isn't allowed to request an ID token: `id-token: write` is missing from its `permissions`"
        }
        _ => "the job isn't allowed to request an ID token: it doesn't have the permission `id-token: write`",
    })
    // The message alone may have other reasons: what the job has is not known then.
    .compares((!granted && (absent || said || written)).then(|| {
        SideBySide::of(
            "permission",
            Party::new("step", "needs", "id-token: write"),
            // Permissions that a `permissions` block doesn't list are `none`. (GitHub docs, "Workflow syntax".)
            Party::new("job", "has", "id-token: none"),
        )
    }))
    .rests_on(
        case,
        match (is_proven, said) {
            (true, true) => &[Fact::Answer],
            (true, false) => &[Fact::TokenRequest],
            (false, _) => &[],
        },
    )
    .notes((!matches!(case.answer, Some(Answer::AssumeRoleDenied(_)))).then(|| {
        "without a token `sts:AssumeRoleWithWebIdentity` is never called, so this is never its `AccessDenied`"
            .to_owned()
    }))
    .note("configure-aws-credentials reports it as `Could not load credentials from any providers`, after its retries");
    if granted && !is_proven {
        finding = finding.at_most(Certainty::Possible);
    }
    // `act` runs jobs outside GitHub, and its containers have this path. (nektos/act#2500.)
    if case
        .message()
        .is_some_and(|text| ["/run/act/", "/act/actions/"].iter().any(|path| text.contains(path)))
    {
        let finding = finding
            .at_most(Certainty::Possible)
            .note("the log is one of `act`, which runs jobs without GitHub and, as reported, has no ID token for them, whatever `permissions` says")
            .help("run the job on GitHub, or give `act` AWS credentials of your own");
        return Some(super::check::or_goes_on(case, finding));
    }
    let places = workflow_places(case);
    if places.is_empty() && !granted {
        finding = finding
            .help("give the job `permissions:` with `id-token: write` and `contents: read`; a job's block replaces the workflow's entirely")
            .help("`permissions: read-all` is not enough, and for a reusable workflow the calling job must grant it too");
    }
    for (span, text) in places {
        finding = finding.label(case.workflow_label(span, text));
    }
    if granted {
        finding = finding.note(
            "the workflow file grants it, so something else withholds it: the caller of a reusable workflow, a fork's pull request, or a \
             different version of the file",
        );
    }
    if case.runner().and_then(|runner| runner.actor.as_deref()) == Some("dependabot[bot]") {
        finding = finding.note(
            // GitHub docs, "Troubleshooting Dependabot on GitHub Actions".
            "the run was started by Dependabot: its permissions are read-only by default, and `permissions` with `id-token: write` can extend them",
        );
    }
    if granted {
        let finding = super::check::or_goes_on(case, finding);
        return Some(finding.help(
            "find out what withholds it; for a reusable workflow the calling job must grant `id-token: write` too",
        ));
    }
    Some(super::check::or_goes_on(case, finding.remedy(Remedy::GrantIdToken)))
}

/// Whether the file alone shows it. If nothing is known about a run: the job takes a role and lacks the token permission. Without a block
/// of its own, a called workflow has its caller's.
fn is_written(case: &Case<'_>) -> bool {
    let Some(Ok(workflow)) = &case.workflow else {
        return false;
    };
    let nothing_ran = case.answer.is_none() && case.runner().is_none() && case.evidence.token.is_none();
    let is_called = workflow.events.iter().any(|event| event.name.value == "workflow_call");
    let lacks = |job: &Job| match job.permissions.as_ref().or(workflow.permissions.as_ref()) {
        Some(permissions) => !matches!(permissions.id_token, IdToken::Write(_)),
        None => !is_called,
    };
    let takes_role = |step: &ConfigureStep| step.input("role-to-assume").is_some();
    let mut jobs = workflow
        .jobs
        .iter()
        .filter(|job| job.steps.iter().any(takes_role))
        .peekable();
    nothing_ran && jobs.peek().is_some() && jobs.all(lacks)
}

/// Returns the blocks of the workflow that would have to change.
fn workflow_places(case: &Case<'_>) -> Vec<(Span, String)> {
    let Some(Ok(workflow)) = &case.workflow else {
        return Vec::new();
    };
    let mut places = Vec::new();
    for job in super::check::jobs(case) {
        let text = |kind: &str, permissions: &Permissions| match permissions.id_token {
            IdToken::Read(_) => format!(
                "{kind} does not grant `id-token: write`: `read-all` does not include it, and `id-token` has no value `read`"
            ),
            _ => format!(
                "{kind} does not list `id-token: write`, and a permission that a `permissions` block does not list is `none`"
            ),
        };
        match (&job.permissions, &workflow.permissions) {
            (Some(own), _) if matches!(own.id_token, IdToken::Write(_)) => {}
            (Some(own), Some(_)) => places.push((
                own.span,
                format!(
                    "{}; it replaces the workflow's block entirely",
                    text("the job's block", own)
                ),
            )),
            (Some(own), None) => places.push((own.span, text("the job's block", own))),
            (None, Some(all)) if matches!(all.id_token, IdToken::Write(_)) => {}
            (None, Some(all)) => places.push((all.span, text("the workflow's block", all))),
            (None, None) => places.push((
                job.id.span,
                "neither this job nor the workflow has `permissions`, and the default does not include `id-token`"
                    .to_owned(),
            )),
        }
    }
    places.dedup();
    places
}
