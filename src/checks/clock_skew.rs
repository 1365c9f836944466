//! `clock-skew`: this machine's clock is wrong.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::finding::{Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "clock-skew",
        cause: None,
        stage: Stage::Token,
        title: "this machine's clock is wrong",
    },
    when: When::Always,
    run,
};

/// A difference that network delay does not explain, in seconds.
const TOLERATED: u64 = 120;

fn run(case: &Case<'_>) -> Option<Finding> {
    if case.answer == Some(Answer::ClockWrong) {
        return Some(
            Finding::blocks("AWS refused the signature: its time is not AWS's, so this machine's clock is wrong")
                .rests_on(case, &[Fact::Answer])
                .note("a call that is signed with AWS credentials carries the machine's own time; an ID token does not")
                .help("set the runner's clock (chrony, systemd-timesyncd)"),
        );
    }
    let clock = case.evidence.clock?;
    let local = clock.local?;
    let issued = case.claims.and_then(|claims| claims.seconds("iat"));
    let (other, whose) = clock
        .aws
        .map(|aws| (aws, "AWS's"))
        .or(clock.github.map(|github| (github, "GitHub's")))
        .or(issued.map(|issued| (issued, "the time in the token")))?;
    let skew = local.saturating_sub(other);
    if skew.unsigned_abs() <= TOLERATED {
        return None;
    }
    let way = if skew > 0 { "ahead of" } else { "behind" };
    let message = format!("this machine's clock is {} seconds {way} {whose}", skew.unsigned_abs());
    let finding = Finding::note_only(message)
        // IAM User Guide, `reference_aws-signing`; STS has been seen to allow 15 (EngineerBetter/control-tower#51).
        .note("the ID token is checked against AWS's clock, not this one; in most cases, calls signed with AWS credentials fail from a 5-minute difference on")
        .help("set the runner's clock (chrony, systemd-timesyncd)");
    Some(finding)
}
