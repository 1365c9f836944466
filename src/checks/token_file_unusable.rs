//! `token-file-unusable`: the token file cannot be read.

use super::check::{Check, When};
use crate::case::Case;
use crate::configure::Flow;
use crate::evidence::{Probe, Why};
use crate::finding::{Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "token-file-unusable",
        cause: None,
        stage: Stage::Token,
        title: "the token file cannot be read",
    },
    when: When::NotAllowed,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let gap = case.evidence.token.as_ref().and_then(Probe::gap)?;
    if case.flow != Flow::TokenFile || !matches!(gap.why, Why::Malformed | Why::NotFound) {
        return None;
    }
    let what = if gap.detail.is_empty() {
        gap.why.words()
    } else {
        &gap.detail
    };
    Some(
        Finding::blocks(format!("the token in `web-identity-token-file` cannot be used: {what}"))
            .rests_on(case, &[Fact::TokenRequest])
            .note("a relative path starts in the workspace; configure-aws-credentials follows no symbolic link except `/var/run/secrets/<name>/serviceaccount/token`")
            .help("name the file itself, and make sure that the step that writes it comes before this one")
            .help("to use the job's own ID token, remove `web-identity-token-file` (or the variable `WEB_IDENTITY_TOKEN_FILE`) from the step"),
    )
}
