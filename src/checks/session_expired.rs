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
    let is_it = |text| Answer::read("", text) == Answer::SessionExpired;
    if !case.message().is_some_and(is_it) {
        return None;
    }
    if !case.is_allowed() {
        let by_credentials = case.asks_with_credentials();
        let is_unclear =
            case.answer == Some(Answer::Other) && (by_credentials || case.request().get(Input::RoleToAssume).is_none());
        return is_unclear.then(|| {
            Finding::note_only("AWS credentials had expired: the message does not say whether it was the call for this role or a later one")
                .note(match by_credentials {
                    true => "this step asks for the role with AWS credentials: if those had expired, the role was not assumed",
                    false => "this is not about an ID token: for that, AWS says `Token expired`",
                })
                .help("see which step of the log says so; if it is this one, get its credentials again right before it: a session of an earlier step lasts as long as that step's `role-duration-seconds`")
        });
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
