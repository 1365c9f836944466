//! `token-expired`: the ID token has expired.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::evidence::Clock;
use crate::finding::{Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "token-expired",
        cause: None,
        stage: Stage::Token,
        title: "the ID token has expired",
    },
    when: When::NotAllowedByToken,
    run,
};

/// AWS accepts a token for five minutes after its `exp`. (IAM User Guide, `id_roles_providers_oidc`.)
const LEEWAY: i64 = 300;

fn run(case: &Case<'_>) -> Option<Finding> {
    let said = case.answer == Some(Answer::Expired);
    let expiry = case.claims.and_then(|claims| claims.seconds("exp"));
    let now = case
        .evidence
        .clock
        .as_ref()
        // Not this machine's clock, which is read when the token arrives: if it is far off, that is `clock-skew`.
        .and_then(Clock::outside);
    let past = match (expiry, now) {
        (Some(expiry), Some(now)) => now.saturating_sub(expiry),
        _ => i64::MIN,
    };
    if !said && past <= LEEWAY || case.answer.as_ref().is_some_and(Answer::passed_provider) {
        return None;
    }
    let mut finding = Finding::blocks(if said {
        "the ID token had expired when AWS checked it"
    } else {
        "the ID token has expired"
    })
        .rests_on(case, if said { &[Fact::Answer] } else { &[Fact::Clock, Fact::Claim("exp")] })
        .label(case.claim_label("exp", "it ends here"))
        .note("configure-aws-credentials requests one token and uses it for all its retries: it can expire while an endpoint hangs or before it is used")
        .help("find out what took the time before this message (retries, a proxy, an endpoint that does not respond); the token itself needs no change")
        .help("if the job requests the token itself, request it right before it is used");
    if let (Some(expiry), Some(issued)) = (expiry, case.claims.and_then(|claims| claims.seconds("iat"))) {
        finding = finding.note(format!(
            "the token was valid for {} seconds; lifetimes are not fixed",
            expiry.saturating_sub(issued)
        ));
    }
    if past > 0 {
        finding = finding.note(format!("it had expired {past} seconds earlier"));
    }
    Some(finding)
}
