//! `token-request-failed`: the service did not give an ID token.

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
        title: "the service did not give an ID token",
        page: include_str!("../../docs/checks/token-request-failed.md"),
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
        // A file of claims that cannot be read says nothing of the token service.
        .filter(|gap| gap.why != Why::NotGranted && !gap.input && case.flow != Flow::TokenFile);
    let said = matches!(case.answer, Some(Answer::TokenRequestFailed(_)));
    if case.claims.is_some() || (gap.is_none() && !said) {
        return None;
    }
    // As reported: aws-actions/configure-aws-credentials#272.
    if let Some(Answer::TokenRequestFailed(Some(audience))) = &case.answer {
        return Some(
            Finding::blocks(format!("GitHub's token service gives the job no ID token for the audience `{audience}`"))
                .rests_on(case, &[Fact::Answer])
                .note("the job may ask for a token, so its permissions are right: it is the audience that is refused, and AWS was not reached")
                .help(if audience == "sts.amazonaws.com" {
                    "it is the audience that AWS expects: run the job again, and if it stays, look at GitHub's status page"
                } else {
                    "ask for `sts.amazonaws.com`, the default of configure-aws-credentials' `audience`; where the code asks for the token itself, give the audience there"
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
        Finding::blocks("GitHub's token service did not give the job an ID token")
            .rests_on(case, if said { &[Fact::Answer] } else { &[Fact::TokenRequest] })
            .note(what)
            .note("the job may ask for a token, so its permissions are right; AWS was not reached")
            .help("run the job again; if it stays, look at GitHub's status page, and on a self-hosted runner at the proxy and at the egress rules for the host that `ACTIONS_ID_TOKEN_REQUEST_URL` names"),
    )
}
