//! `session-expired`: the role was assumed, and its session ended before the job did.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::configure::Input;
use crate::finding::{Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "session-expired",
        cause: None,
        stage: Stage::Session,
        title: "the role was assumed, and its session ended before the job did",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let expired = case.is_allowed()
        && case
            .message()
            .is_some_and(|text| Answer::read("", text) == Answer::SessionExpired);
    if !expired {
        return None;
    }
    let asked = case.request().given(Input::RoleDurationSeconds);
    Some(
        Finding::note_only("the session of the role ended before the job was done: the role was assumed, and the ID token is not what expired")
            .note(match asked {
                Some(asked) => format!("`role-duration-seconds` asks for {asked} seconds"),
                // STS API Reference, `AssumeRoleWithWebIdentity`, and the default of `role-duration-seconds`.
                None => "a session lasts 3600 seconds where `role-duration-seconds` says nothing else".to_owned(),
            })
            .note("configure-aws-credentials exports the session once, so no SDK can renew it")
            .help("raise `role-duration-seconds`, and the role's maximum where it is lower: `aws iam update-role --role-name NAME --max-session-duration SECONDS`; a chained role gives one hour at most")
            .help("or run configure-aws-credentials again right before the step that failed"),
    )
}
