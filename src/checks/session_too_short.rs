//! `session-too-short`: the session ends before the job has to.

use super::check::{Check, When};
use crate::case::Case;
use crate::configure::{Flow, Input};
use crate::finding::{Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "session-too-short",
        cause: None,
        stage: Stage::Session,
        title: "the session ends before the job has to",
        page: include_str!("../../docs/checks/session-too-short.md"),
    },
    when: When::Always,
    run,
};

/// Seconds that a chained session has at most. (STS API Reference, `AssumeRole`, `DurationSeconds`.)
const CHAINED: i64 = 3600;

fn run(case: &Case<'_>) -> Option<Finding> {
    let Some(Ok(workflow)) = &case.workflow else {
        return None;
    };
    let request = case.request();
    let assumes = !case.flow.keeps() && case.flow != Flow::Nothing && request.given(Input::RoleToAssume).is_some();
    let id = case.runner().and_then(|runner| runner.job.as_deref());
    // Six hours, where the job says nothing, is what GitHub allows and not what somebody meant.
    let timeout = workflow.job(id)?.timeout.as_ref()?;
    let minutes: i64 = timeout.value.trim().parse().ok()?;
    // What is asked for beyond the hour is refused, and another check's to say.
    let is_chained = case.asks_with_credentials()
        && case
            .at_hand()
            .is_none_or(|caller| caller.arn.contains(":assumed-role/"));
    let seconds = request.duration()?;
    let seconds = if is_chained { seconds.min(CHAINED) } else { seconds };
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
    .note("this blocks nothing, but a call to AWS after the session has ended fails with `ExpiredToken`")
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

fn words(seconds: i64) -> String {
    if seconds % 60 == 0 {
        format!("{} minutes", seconds / 60)
    } else {
        format!("{seconds} seconds")
    }
}
