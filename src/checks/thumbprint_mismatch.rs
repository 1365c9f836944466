//! `thumbprint-mismatch`: the issuer's certificate does not match the provider's thumbprints.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::finding::{Cause, Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "thumbprint-mismatch",
        cause: Some(Cause::Thumbprint),
        stage: Stage::Provider,
        title: "the issuer's certificate does not match the provider's thumbprints",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    // Only AWS's own answer counts: for a certificate from a public authority, it falls back to thumbprints only if it can't retrieve the
    // certificate or TLS 1.3 is required (IAM User Guide, `id_roles_providers_create_oidc`).
    if case.answer != Some(Answer::Thumbprint) {
        return None;
    }
    let finding = Finding::blocks(
        "AWS found that the certificate of the token's issuer matches none of the provider's thumbprints",
    )
    .rests_on(case, &[Fact::Answer])
    .label(case.claim_label("iss", "the certificate of this host"));
    Some(if case.claims.is_some() && !case.deployment().is_hosted_by_github() {
        finding
            // IAM User Guide, `id_roles_providers_create_oidc`.
            .note("AWS checks thumbprints when the issuer's certificate is not from a public authority that it trusts or cannot be retrieved, or when TLS 1.3 is required")
            .help("preferably, give the server a certificate from a public authority; then no thumbprint is needed")
            .help("or set the thumbprint of the top intermediate authority (not of the server's own certificate): `aws iam update-open-id-connect-provider-thumbprint --open-id-connect-provider-arn ARN --thumbprint-list THUMBPRINT`")
    } else {
        finding
            // aws-actions/configure-aws-credentials#357, #762, for the dates.
            .note("for GitHub's own issuers AWS now checks the certificate against its own root authorities, so a thumbprint is not needed; AWS documents a fallback to it where it cannot retrieve the certificate or TLS 1.3 is required; as reported, this message was seen in January 2022 and June 2023, when GitHub's certificates changed")
            .help("run the job again; if the message stays for github.com, open a case with AWS support. Do not pin a new thumbprint")
    })
}
