//! `signing-keys-unreachable`: AWS cannot read the issuer's signing keys.

use crate::answer::Answer;
use crate::case::Case;
use crate::diagnose::{Check, Finding, Stage, Verdict};

/// The check.
pub(super) const CHECK: Check = Check {
    id: "signing-keys-unreachable",
    cause: None,
    stage: Stage::Provider,
    title: "AWS cannot read the issuer's signing keys",
    page: include_str!("../../docs/checks/signing-keys-unreachable.md"),
    run,
};

fn run(case: &Case<'_>) -> Verdict {
    if !matches!(case.answer, Some(Answer::KeysUnreachable | Answer::IdpUnreachable)) {
        return Verdict::Clear;
    }
    let finding = Finding::blocks("AWS could not read the signing keys of the token's issuer")
        .note("AWS fetches `<issuer>/.well-known/openid-configuration` and the keys it names from the internet");
    Verdict::Found(if case.claims.is_some() && !case.deployment().is_hosted_by_github() {
        finding.help("make both addresses reachable from the internet, with a valid certificate: AWS cannot use an issuer inside a private network")
    } else {
        finding
            .note("for github.com this passes: it is reported when many jobs start at once")
            .help("run the job again; nothing needs to change in the role or the provider")
    })
}
