//! `access-key-incomplete`: an access key is given without its secret.

use super::check::{Check, When};
use crate::case::Case;
use crate::configure::{Input, Stop};
use crate::finding::{Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "access-key-incomplete",
        cause: None,
        stage: Stage::Request,
        title: "an access key is given without its secret",
    },
    when: When::NotAllowed,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    (case.stop == Some(Stop::KeyWithoutSecret)).then(|| {
        Finding::blocks("`aws-access-key-id` is given, and `aws-secret-access-key` is empty")
            .rests_on(case, &[Fact::AtHand, Fact::Input(Input::AwsAccessKeyId), Fact::Input(Input::UseExistingCredentials)])
            .by_action()
            .note("with `aws-access-key-id` configure-aws-credentials never uses the ID token, and stops where the secret is missing")
            .help("remove `aws-access-key-id` from the step to use the ID token, or set the secret as well")
            .help("an expression with a missing secret yields an empty string: pull requests from forks and Dependabot do not see the repository's Actions secrets")
    })
}
