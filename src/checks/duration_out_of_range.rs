//! `duration-out-of-range`: the session would be shorter or longer than AWS allows.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::configure::{Flow, Input};
use crate::finding::{Fact, Finding, Rule, Stage};
use crate::policy::Decision;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "duration-out-of-range",
        cause: None,
        stage: Stage::Request,
        title: "the session would be shorter or longer than AWS allows",
    },
    when: When::NotAllowed,
    run,
};

/// Seconds; STS API Reference, `AssumeRoleWithWebIdentity`, `DurationSeconds`.
const SHORTEST: i64 = 900;
const LONGEST: i64 = 43_200;

fn run(case: &Case<'_>) -> Option<Finding> {
    let asked = match case.answer {
        Some(Answer::DurationInvalid(Some(seconds))) => Some(seconds),
        _ => case.request().duration(),
    };
    let said = matches!(
        case.answer,
        Some(Answer::DurationOverMaximum | Answer::DurationChained | Answer::DurationInvalid(_))
    );
    // An answer to the token means that AWS has accepted the request's form, but most likely hasn't looked at the role's maximum yet: AWS
    // publishes no order.
    let token_refused = case.answer.as_ref().is_some_and(Answer::token_was_sent) && !said;
    let maximum = case.role().and_then(|role| role.max_session_duration).map(i64::from);
    // The one-hour limit is for callers that are sessions: an IAM user's keys may have whatever the role allows.
    let caller = case.at_hand().filter(|_| case.asks_with_credentials());
    let chained = caller.map_or(case.flow == Flow::Chaining, |caller| {
        caller.arn.contains(":assumed-role/")
    });
    let seconds = asked.map_or_else(
        || "the duration".to_owned(),
        |asked| format!("`role-duration-seconds` asks for {asked} seconds, which"),
    );
    let message = match (&case.answer, asked) {
        (Some(Answer::DurationOverMaximum), _) => format!(
            "{seconds} is more than this role allows{}",
            maximum.map(|m| format!(" ({m})")).unwrap_or_default()
        ),
        (Some(Answer::DurationChained), _) => {
            format!("{seconds} is more than the hour that a chained role is limited to")
        }
        (Some(Answer::DurationInvalid(_)), _) => {
            format!("{seconds} is outside the 900 to 43200 seconds that AWS accepts")
        }
        (_, Some(asked)) if !(SHORTEST..=LONGEST).contains(&asked) && !token_refused => {
            format!("{seconds} is outside the 900 to 43200 that AWS accepts")
        }
        (_, Some(asked)) if chained && asked > 3600 => {
            format!("{seconds} is more than the hour that a chained role is limited to")
        }
        (_, Some(asked)) if maximum.is_some_and(|maximum| asked > maximum) => format!(
            "{seconds} is more than this role allows ({})",
            maximum.unwrap_or_default()
        ),
        _ => return None,
    };
    let in_range = asked.is_some_and(|asked| (SHORTEST..=LONGEST).contains(&asked));
    let mut finding = Finding::blocks(message);
    if case.answer == Some(Answer::DurationOverMaximum) {
        finding = finding.note(
            "most likely AWS says so only once it has found the role and accepted the token: it publishes no order",
        );
    }
    let over_maximum = !said && maximum.is_some_and(|maximum| asked.is_some_and(|asked| asked > maximum));
    if over_maximum && token_refused {
        finding = finding
            .as_note()
            .note("AWS refused the token, most likely before it came to this: it is the next thing to fail");
    } else if over_maximum && matches!(case.decision(), Some(Decision::ImplicitDeny | Decision::ExplicitDeny)) {
        finding = finding.note("most likely AWS looks at the trust policy first, which refuses already");
    } else if said {
        finding = finding.rests_on(case, &[Fact::Answer]);
    } else if !in_range {
        finding = finding.rests_on(case, &[Fact::Input(Input::RoleDurationSeconds)]);
    } else if over_maximum && !chained && case.decision() == Some(Decision::Allow) {
        finding = finding.rests_on(case, &[Fact::Input(Input::RoleDurationSeconds), Fact::Role]);
    }
    let is_short = super::check::pasted(case).is_some_and(|text| text.contains("greater than or equal to"));
    if asked.map_or(said && is_short, |asked| asked < SHORTEST) {
        return Some(finding.help(format!("set `role-duration-seconds` to at least {SHORTEST}")));
    }
    let most = maximum.unwrap_or(3600).min(if chained { 3600 } else { LONGEST });
    finding = finding.help(format!("set `role-duration-seconds` to at most {most}"));
    if !chained && case.answer != Some(Answer::DurationChained) {
        finding = finding
            .help("or raise the role's maximum: `aws iam update-role --role-name NAME --max-session-duration SECONDS`");
    }
    Some(finding)
}
