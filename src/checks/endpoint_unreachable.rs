//! `endpoint-unreachable`: the STS endpoint cannot be reached.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::evidence::{Probe, Why};
use crate::finding::{Certainty, Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "endpoint-unreachable",
        cause: None,
        stage: Stage::Request,
        title: "the STS endpoint cannot be reached",
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
        .filter(|gap| matches!(gap.why, Why::Malformed | Why::TimedOut | Why::Unreachable));
    let host = match &case.answer {
        Some(Answer::Unreachable(host)) => Some(host.as_deref()),
        _ => None,
    };
    if gap.is_none() && host.is_none() {
        return None;
    }
    // The host name is built from the region: one mistake, one report.
    if matches!(super::region_unusable::CHECK.find(case), Some(found) if found.certainty() != Certainty::Possible) {
        return None;
    }
    let (what, detail) = match gap {
        Some(gap) if gap.why == Why::TimedOut => ("the STS endpoint did not answer in time", gap.detail.clone()),
        Some(gap) if gap.why == Why::Malformed => ("the STS endpoint's response is not from AWS", gap.detail.clone()),
        Some(gap) => ("the STS endpoint cannot be reached", gap.detail.clone()),
        None => (
            "the STS endpoint cannot be reached",
            super::check::pasted(case)
                .map(|text| super::check::one_line(&text, 200))
                .unwrap_or_default(),
        ),
    };
    let what = match host.flatten() {
        Some(host) => format!("{what}: `{host}`"),
        None => what.to_owned(),
    };
    let mut finding = Finding::blocks(what);
    if gap.is_some() {
        finding = finding.rests_on(case, &[Fact::Answer]);
    }
    if !detail.is_empty() {
        finding = finding.note(detail);
    }
    Some(
        finding
            // `src/CredentialsClient.ts` in v6.2.3; aws-actions/configure-aws-credentials#1848.
            .note("without `action-timeout-s`, configure-aws-credentials sets no timeout for this call: it hangs or retries, as reported until the token has expired, and then reports the expiry")
            .help("check `aws-region` (which determines the host), the proxy (`HTTPS_PROXY`, `http-proxy`, `NO_PROXY`), and the egress rules for the host's port 443"),
    )
}
