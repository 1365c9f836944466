//! `token-request-failed`: the token service did not issue an ID token.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::configure::Flow;
use crate::evidence::{Probe, Why};
use crate::finding::{Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "token-request-failed",
        cause: None,
        stage: Stage::Token,
        title: "the token service did not issue an ID token",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let gap = case
        .evidence
        .token
        .as_ref()
        .and_then(Probe::gap)
        // An unreadable claims file says nothing about the token service.
        .filter(|gap| gap.why != Why::NotGranted && !gap.input && case.flow != Flow::TokenFile);
    let said = matches!(case.answer, Some(Answer::TokenRequestFailed(_)));
    if case.claims.is_some() || (gap.is_none() && !said) {
        return None;
    }
    // As reported: aws-actions/configure-aws-credentials#272.
    if let Some(Answer::TokenRequestFailed(Some(audience))) = &case.answer {
        return Some(
            Finding::blocks(format!("GitHub's token service does not issue the job an ID token for the audience `{audience}`"))
                .rests_on(case, &[Fact::Answer])
                .note("the job is allowed to request a token, so its permissions are right: the audience was refused, and AWS was not called")
                .help(if audience == "sts.amazonaws.com" {
                    "this is the audience that AWS expects: run the job again; if the error persists, check GitHub's status page"
                } else {
                    "request `sts.amazonaws.com`, the default of configure-aws-credentials' `audience`; if your own code requests the token, set the audience there"
                }),
        );
    }
    let what = match gap {
        Some(gap) if gap.detail.is_empty() => gap.why.words().to_owned(),
        Some(gap) => format!("{}: {}", gap.why.words(), gap.detail),
        None => super::check::pasted(case)
            .map(|text| super::check::one_line(&text, 200))
            .unwrap_or_default(),
    };
    Some(
        Finding::blocks("GitHub's token service did not issue the job an ID token")
            .rests_on(case, if said { &[Fact::Answer] } else { &[Fact::TokenRequest] })
            .note(what)
            .note("the job is allowed to request a token, so its permissions are right; AWS was not called")
            .help("run the job again; if the error persists, check GitHub's status page, and on a self-hosted runner the proxy and the egress rules for the host in `ACTIONS_ID_TOKEN_REQUEST_URL`"),
    )
}
