//! `other-credentials-used`: configure-aws-credentials doesn't use the ID token.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::configure::{Flow, Input};
use crate::evidence::{CredentialSource, HeldCredentials, Identity, Probe};
use crate::finding::{Certainty, Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "other-credentials-used",
        cause: None,
        stage: Stage::Permission,
        title: "configure-aws-credentials doesn't use the ID token",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    if case.flow == Flow::Existing {
        let finding = Finding::risk("`use-existing-credentials` is set and the environment's credentials are valid: the step keeps them and assumes no role")
            .note("any text in `use-existing-credentials` turns it on, even `false`")
            .help("remove `use-existing-credentials` from the step if it should assume the role");
        return Some(super::check::or_goes_on(case, finding));
    }
    if case.is_allowed() {
        return None;
    }
    let request = case.request();
    let held = case.runner().and_then(|runner| runner.aws_credentials.as_ref());
    let held = held.filter(|held| **held != HeldCredentials::None);
    let refused = matches!(case.answer, Some(Answer::BadCredentials));
    let (message, on): (_, Option<&[Fact]>) = match case.flow {
        Flow::Nothing => (
            "`force-skip-oidc` is on and neither an access key nor a token file is given: nothing is left to assume the role with".to_owned(),
            Some(&[Fact::Input(Input::ForceSkipOidc), Fact::Input(Input::AwsAccessKeyId), Fact::Input(Input::WebIdentityTokenFile)]),
        ),
        // The outputs of an earlier step are meant to be used.
        Flow::AccessKey if !refused && is_handed_on(case) => return None,
        Flow::AccessKey if refused || case.answer.is_none() => (
            match refused {
                true => "AWS does not accept the key in `aws-access-key-id`; with it, configure-aws-credentials uses no ID token",
                false => "`aws-access-key-id` is given, so configure-aws-credentials uses that key and not the job's ID token",
            }
            .to_owned(),
            refused.then_some(match case.may_keep() {
                true => &[],
                false => &[Fact::Answer, Fact::Input(Input::AwsAccessKeyId)],
            }),
        ),
        Flow::TokenFile => (
            "`web-identity-token-file` is given, so configure-aws-credentials sends that file's token and not the job's ID token".to_owned(),
            None,
        ),
        Flow::Ambient if matches!(case.answer, Some(Answer::AssumeRoleDenied(_) | Answer::BadCredentials)) => (
            "the job isn't allowed to request an ID token, so configure-aws-credentials used the AWS credentials of the environment".to_owned(),
            Some(&[Fact::Answer, Fact::TokenRequest]),
        ),
        _ if case.asked_by_stranger() => (
            "AWS's message names who asked for the role: an IAM user or this machine's own role, not the job's ID token"
                .to_owned(),
            Some(&[Fact::Answer]),
        ),
        _ if refused => (
            "invalid credentials from elsewhere were used instead of the job's ID token".to_owned(),
            Some(&[]),
        ),
        _ if request.given(Input::UseExistingCredentials).is_some() && held.is_some() => (
            "`use-existing-credentials` is set and the environment has credentials: configure-aws-credentials keeps those while they are valid".to_owned(),
            None,
        ),
        _ => return None,
    };
    let finding = Finding::blocks(message)
        .rests_on(case, on.unwrap_or_default())
        .note("configure-aws-credentials asks for an ID token only with `role-to-assume`, without `aws-access-key-id`, `web-identity-token-file`, `role-chaining` and `force-skip-oidc`, and only if the job has `id-token: write`");
    // IAM User Guide, `reference_identifiers`, "Unique IDs".
    let lacks_token = case.flow == Flow::AccessKey && refused && request.is_empty(Input::AwsSessionToken);
    let finding = match lacks_token {
        true => finding.help("`aws-session-token` is empty: a temporary key, whose ID begins with `ASIA`, is valid only with its session token"),
        false => finding,
    };
    let finding = finding
        .help("remove the inputs that name other credentials from the step, or give the job `id-token: write` if that is what is missing")
        .notes(held.map(|held| format!("the environment holds AWS credentials from elsewhere: {}", held.name())));
    let finding = match case.evidence.reader.as_ref().and_then(Probe::known) {
        Some(identity) if identity.source == CredentialSource::Environment => finding.note(format!(
            "the identity that it would really use: `{}` (account `{}`)",
            identity.arn, identity.account
        )),
        _ => finding,
    };
    // Using a key is a choice, and a fault only if something failed.
    Some(match on {
        None => finding.at_most(Certainty::Possible).as_note(),
        Some(_) => finding,
    })
}

/// Whether the step's keys are the session of a step before it: a hop's caller, or what the workflow shows.
fn is_handed_on(case: &Case<'_>) -> bool {
    let request = case.request();
    let is_read = request.source.is_some() && !request.not_known.contains_key(Input::AwsAccessKeyId.name());
    is_read || case.evidence.caller.as_ref().is_some_and(Identity::is_session)
}
