//! `credentials-missing`: the step goes on with AWS credentials, and there are none.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::configure::{Flow, Input};
use crate::evidence::{HeldCredentials, Probe, Why};
use crate::finding::{Certainty, Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "credentials-missing",
        cause: None,
        stage: Stage::Permission,
        title: "the step goes on with AWS credentials, and there are none",
    },
    when: When::NotAllowed,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let request = case.request();
    if let Some(finding) = keys_came_out_empty(case) {
        return Some(finding);
    }
    // With a role and keys, something else has to sign the call: the keys aren't in the environment.
    let keys_are_lost =
        case.flow == Flow::AccessKey && request.given(Input::RoleToAssume).is_some() && !request.hands_on();
    let is_chained = case.flow == Flow::Chaining || case.flow == Flow::TokenFile && request.is_on(Input::RoleChaining);
    let gap = case.evidence.attempt.as_ref().and_then(Probe::gap).map(|gap| gap.why);
    let tried = gap == Some(Why::NoCredentials);
    // What the step itself said about its credentials outweighs what another step sees.
    let said = case.answer == Some(Answer::NoCredentials);
    let runner = case.runner();
    let at_hand = runner.and_then(|runner| runner.aws_credentials.as_ref());
    let is_shadowed =
        case.flow == Flow::AccessKey && tried && !keys_are_lost && at_hand == Some(&HeldCredentials::Profile);
    if !(is_chained || keys_are_lost || is_shadowed)
        || (case.at_hand().is_some() && !request.unsets() && !tried && !said)
    {
        return None;
    }
    // What an earlier step leaves may not be there yet.
    let is_none = gap != Some(Why::NotFound) && at_hand == Some(&HeldCredentials::None);
    let is_hosted = runner.and_then(|runner| runner.runner_environment.as_deref()) == Some("github-hosted");
    let proof: &[Fact] = if is_shadowed {
        &[Fact::Input(Input::AwsAccessKeyId), Fact::Input(Input::AwsProfile)]
    } else if keys_are_lost {
        &[
            Fact::Input(Input::AwsAccessKeyId),
            Fact::Input(Input::AwsProfile),
            Fact::Input(Input::OutputEnvCredentials),
        ]
    } else if said {
        &[Fact::Answer]
    } else {
        &[Fact::Input(Input::RoleChaining)]
    };
    let on = match (
        request.unsets() && is_chained || said || tried && is_hosted,
        tried || is_none,
    ) {
        (true, _) => proof,
        (false, true) if is_hosted => proof,
        (false, true) => &[],
        (false, false) => return None,
    };
    let most = match at_hand {
        _ if said || keys_are_lost || is_shadowed => Certainty::Certain,
        Some(HeldCredentials::Environment | HeldCredentials::None | HeldCredentials::Profile) => Certainty::Certain,
        // What the other variables name is the runner's, and may be out of the doctor's reach.
        Some(_) => Certainty::Possible,
        None => Certainty::Likely,
    };
    let is_open = most == Certainty::Possible;
    let finding = Finding::blocks(if is_shadowed {
        "`AWS_PROFILE` is set, so the SDK looks for credentials in that profile and passes over the step's own keys"
    } else if keys_are_lost {
        "the keys among the inputs are not put into the environment, and the call that assumes the role finds none to sign with"
    } else if request.unsets() {
        "`unset-current-credentials` takes the credentials away that `role-chaining` needs"
    } else if is_open {
        "`role-chaining: true` needs AWS credentials, and those that the environment names cannot be used here"
    } else {
        "`role-chaining: true` needs AWS credentials in the environment, and there are none"
    })
    .rests_on(case, on)
    .at_most(most)
    .note("configure-aws-credentials shows it as `Could not load credentials from any providers`, as if the `id-token` permission were missing");
    Some(if is_shadowed {
        finding.help("take `AWS_PROFILE` out of the environment of this step")
    } else if keys_are_lost {
        finding.help(
            "leave `output-env-credentials` at `true` and `aws-profile` out of the step, or use `default` as its name",
        )
    } else if request.unsets() {
        finding.help("take `unset-current-credentials` out of the chained step")
    } else {
        finding
            .help("configure the first role in a step before this one, in the same job; that step must export its session: without `output-env-credentials: false` and without an `aws-profile` of its own")
            .help("to come with the job's ID token, take `role-chaining` out of the step")
    })
}

/// Finds an access key that came out empty: the step in the file has a key and no role, and the action found no credentials; with a key in
/// the input it wouldn't have looked for others. (configure-aws-credentials, `src/index.ts`.)
fn keys_came_out_empty(case: &Case<'_>) -> Option<Finding> {
    let named = [Input::AwsAccessKeyId, Input::RoleToAssume].map(|input| case.request().get(input));
    if named != [None, None] || case.answer != Some(Answer::NoCredentials) || !super::check::brings_keys(case) {
        return None;
    }
    let mut steps = super::check::jobs(case).into_iter().flat_map(|job| &job.steps);
    let key = steps.find_map(|step| step.input("aws-access-key-id"))?;
    Some(
        Finding::blocks("the step's `aws-access-key-id` came out empty, and there are no other AWS credentials")
            .rests_on(case, &[])
            .label(case.workflow_label(key.span, "empty where this secret or variable is not there"))
            .note("the step names no role, so it never asks for an ID token")
            .help("an expression with a missing secret yields an empty string: pull requests from forks and Dependabot do not see the repository's Actions secrets")
            .help("to come with the job's ID token, give `role-to-assume` in place of the keys, and the job `id-token: write`"),
    )
}
