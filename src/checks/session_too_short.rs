//! `session-too-short`: the session can end before the job does.

use super::check::{Check, When};
use crate::case::Case;
use crate::configure::{Flow, Input};
use crate::evidence::Identity;
use crate::finding::{Fact, Finding, Rule, Stage};
use crate::github::workflow::{ConfigureStep, Workflow};
use crate::text::{Span, Spanned};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "session-too-short",
        cause: None,
        stage: Stage::Session,
        title: "the session can end before the job does",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let Some(Ok(workflow)) = &case.workflow else {
        return None;
    };
    if let Some(finding) = begins_too_late(case, workflow) {
        return Some(finding);
    }
    let request = case.request();
    let assumes = !case.flow.keeps() && case.flow != Flow::Nothing && request.given(Input::RoleToAssume).is_some();
    let id = case.runner().and_then(|runner| runner.job.as_deref());
    // The default of six hours is GitHub's limit, not a deliberate choice.
    let timeout = workflow.job(id)?.timeout.as_ref()?;
    let minutes: i64 = timeout.value.trim().parse().ok()?;
    // Asking for more than the hour is refused, which another check reports.
    let is_chained = case.asks_with_credentials() && case.at_hand().is_none_or(Identity::is_session);
    let seconds = i64::from(request.lasts(is_chained)?);
    if !assumes || seconds < 900 || minutes.saturating_mul(60) <= seconds {
        return None;
    }
    let finding = Finding::blocks(format!(
        "the session lasts {}, and the job is allowed to run for {minutes} minutes",
        words(seconds)
    ))
    .as_note()
    .rests_on(case, &[Fact::Input(Input::RoleDurationSeconds)])
    .label(case.workflow_label(timeout.span, "longer than the session"))
    // Amazon S3 API Reference, "Error responses"; other services say `ExpiredTokenException`.
    .note("this blocks nothing, but AWS refuses calls after the session has ended (`ExpiredToken`, `ExpiredTokenException`)")
    .note("configure-aws-credentials exports the session once, so no SDK can renew it");
    Some(if is_chained {
        finding
            .note("a role that is assumed with another role's session gives an hour at most, whatever its own maximum is")
            .help("repeat the configure-aws-credentials steps of the whole chain before work that begins later, or split the job")
            .help("or set `timeout-minutes` to what the session lasts")
    } else {
        finding
            .help(format!(
                "set `role-duration-seconds: {}`, and raise the role's maximum where it is lower: `aws iam update-role --role-name NAME --max-session-duration SECONDS`",
                minutes.saturating_mul(60).min(43_200)
            ))
            .help("or run configure-aws-credentials again before work that begins later, or set `timeout-minutes` to what the session lasts")
    })
}

/// Finds that the session the step calls with may have expired by the time the step begins.
fn begins_too_late(case: &Case<'_>, workflow: &Workflow) -> Option<Finding> {
    let caller = case.at_hand().filter(|_| case.asks_with_credentials())?;
    let seconds = i64::from(caller.lasts?);
    let role = case.request().given(Input::RoleToAssume)?;
    let job = workflow.job(case.runner().and_then(|runner| runner.job.as_deref()))?;
    let names = |step: &ConfigureStep, role: &str| {
        let written = step.input("role-to-assume");
        written.is_some_and(|written| written.value.trim() == role)
    };
    let mut here = job.steps.iter().filter(|step| names(step, role));
    let (Some(step), None) = (here.next(), here.next()) else {
        return None;
    };
    let before = job.steps.iter().take_while(|other| other.index < step.index).last()?;
    if !names(before, caller.role.as_deref()?) {
        return None;
    }
    let minutes = |text: &Spanned<String>| {
        text.value
            .trim()
            .parse::<i64>()
            .ok()
            .map(|minutes| (minutes, text.span))
    };
    let between = job.step_timeouts.iter().take(step.index).skip(before.index + 1);
    let between: Vec<Option<(i64, Span)>> = between.map(|text| text.as_ref().and_then(minutes)).collect();
    // A step without a limit may take as long as its job.
    let all: Option<i64> = between.iter().map(|limit| limit.map(|(minutes, _)| minutes)).sum();
    let longest = between.iter().flatten().max_by_key(|(minutes, _)| *minutes).copied();
    let job = job.timeout.as_ref().and_then(minutes);
    let (latest, span) = match (all.zip(longest), job) {
        (Some((all, (_, span))), Some((most, _))) if all <= most => (all, span),
        (Some((all, (_, span))), None) => (all, span),
        (_, job) => job?,
    };
    if between.is_empty() || latest.saturating_mul(60) <= seconds {
        return None;
    }
    let finding = Finding::blocks(format!(
        "the session that this step asks with lasts {}, and the steps in between are allowed to take {latest} minutes",
        words(seconds)
    ))
    .as_note()
    .label(case.workflow_label(span, "longer than the session"))
    .note("it blocks nothing as long as they are quick; once the session has ended, AWS refuses it")
    .help("move this step to where its chain begins, or repeat the chain's first step right before it")
    .help("or give the steps in between a `timeout-minutes` that the session covers");
    Some(finding)
}

fn words(seconds: i64) -> String {
    if seconds % 60 == 0 {
        format!("{} minutes", seconds / 60)
    } else {
        format!("{seconds} seconds")
    }
}
