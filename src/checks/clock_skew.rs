//! `clock-skew`: this machine's clock is wrong.

use crate::case::Case;
use crate::diagnose::{Check, Finding, Stage, Verdict};

/// The check.
pub(super) const CHECK: Check = Check {
    id: "clock-skew",
    cause: None,
    stage: Stage::Token,
    title: "this machine's clock is wrong",
    page: include_str!("../../docs/checks/clock-skew.md"),
    run,
};

/// A difference that network delay does not explain, in seconds.
const TOLERATED: i64 = 120;

fn run(case: &Case<'_>) -> Verdict {
    let Some(clock) = case.evidence.clock else {
        return Verdict::Clear;
    };
    let Some(local) = clock.local else {
        return Verdict::Clear;
    };
    let issued = case.claims.and_then(|claims| claims.seconds("iat"));
    let Some((other, whose)) = clock
        .aws
        .map(|aws| (aws, "AWS's"))
        .or(clock.github.map(|github| (github, "GitHub's")))
        .or(issued.map(|issued| (issued, "the time in the token")))
    else {
        return Verdict::Clear;
    };
    let skew = local.saturating_sub(other);
    if skew.abs() <= TOLERATED {
        return Verdict::Clear;
    }
    let way = if skew > 0 { "ahead of" } else { "behind" };
    let message = format!("this machine's clock is {} seconds {way} {whose}", skew.abs());
    let finding = Finding::note_only(message)
        .note("the ID token is checked against AWS's clock, not this one; calls that are signed with AWS credentials fail from 5 minutes on")
        .help("set the runner's clock (chrony, systemd-timesyncd)");
    Verdict::Found(finding)
}
