//! `signing-keys-unreachable`: AWS cannot read the issuer's signing keys.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::finding::{Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "signing-keys-unreachable",
        cause: None,
        stage: Stage::Provider,
        title: "AWS cannot read the issuer's signing keys",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    if !matches!(case.answer, Some(Answer::KeysUnreachable | Answer::IdpUnreachable)) {
        return None;
    }
    let finding = Finding::blocks("AWS could not read the signing keys of the token's issuer")
        .rests_on(case, &[Fact::Answer])
        .note("AWS fetches `<issuer>/.well-known/openid-configuration` and the keys it names from the internet");
    const REACH: &str = "make both addresses reachable from the internet, with a valid certificate: AWS cannot use an issuer inside a private network";
    // aws/aws-cli#7194, terraform-aws-modules/terraform-aws-iam#280: user reports, which AWS doesn't explain.
    const PASSES: &str = "for github.com this is temporary, as reported: it was seen when many jobs started at once";
    Some(match (case.claims, case.deployment().is_hosted_by_github()) {
        (Some(_), false) => finding.help(REACH),
        (Some(_), true) => finding
            .note(PASSES)
            .help("run the job again; nothing needs to change in the role or the provider"),
        (None, _) => finding
            .note(PASSES)
            .help("for github.com run the job again; nothing needs to change in the role or the provider")
            .help(format!("for a server of your own, {REACH}")),
    })
}
