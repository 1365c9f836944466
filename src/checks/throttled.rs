//! `throttled`: AWS throttles the calls.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::evidence::{Probe, Why};
use crate::finding::{Certainty, Finding, Rule, Stage};
use crate::policy::Decision;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "throttled",
        cause: None,
        stage: Stage::Request,
        title: "AWS throttles the calls",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let gap = case
        .evidence
        .attempt
        .as_ref()
        .and_then(Probe::gap)
        .is_some_and(|gap| gap.why == Why::Throttled);
    if !gap && case.answer != Some(Answer::Throttled) {
        return None;
    }
    // A policy that refuses is fixed first; one that allows doesn't show how AWS would have answered.
    let refused = matches!(case.decision(), Some(Decision::ImplicitDeny | Decision::ExplicitDeny));
    let finding = Finding::blocks("AWS throttled the call: whether it would grant the role is not known")
        .at_most(Certainty::Possible)
        // IAM User Guide, `reference_iam-quotas`.
        .note("AWS limits an account's calls per second; many jobs that start at once can reach the limit")
        .help("run again; stagger jobs that start together, or assume the role only once per job");
    Some(if refused { finding.as_note() } else { finding })
}
