//! Which flow the step takes and why, in a line: what every report begins with.

use crate::aws::answer::Answer;
use crate::case::Case;
use crate::configure::{Flow, Input};

/// The inputs that choose the flow, in the order in which the action reads them (`src/index.ts`).
const CHOOSING: [Input; 6] = [
    Input::ForceSkipOidc,
    Input::UseExistingCredentials,
    Input::RoleToAssume,
    Input::AwsAccessKeyId,
    Input::WebIdentityTokenFile,
    Input::RoleChaining,
];

/// Returns the sentence, without a full stop. What isn't certain is said with what it depends on.
#[must_use]
pub(super) fn flow(case: &Case<'_>) -> String {
    let request = case.request();
    let name = |input: Input| match input
        .spec()
        .variable
        .filter(|_| request.by_variable.contains(input.name()))
    {
        Some(variable) => format!("the variable `{variable}`"),
        None => format!("`{}`", input.name()),
    };
    let role = name(Input::RoleToAssume);
    let may_ask = case.runner().and_then(|runner| runner.id_token_request);
    let (verb, what, why) = match case.flow {
        Flow::AccessKey if request.is_empty(Input::RoleToAssume) => (
            "hand",
            "on the access key in its inputs, without assuming a role",
            format!("{} is given, and {role} is empty", name(Input::AwsAccessKeyId)),
        ),
        Flow::AccessKey => (
            "use",
            "the access key in its inputs, not the job's ID token",
            format!("{} is given", name(Input::AwsAccessKeyId)),
        ),
        Flow::Ambient => (
            "use",
            "whatever AWS credentials it finds, not an ID token",
            match (may_ask, &case.answer) {
                (Some(false), _) => "no `id-token: write`: `ACTIONS_ID_TOKEN_REQUEST_TOKEN` is not set",
                (_, Some(Answer::TokenNotGranted)) => "the job isn't allowed to request an ID token",
                _ => "judging by the message",
            }
            .to_owned(),
        ),
        Flow::Chaining => (
            "use",
            "the credentials in the environment, not the job's ID token",
            format!("{} is on", name(Input::RoleChaining)),
        ),
        Flow::Existing => (
            "keep",
            "the credentials in the environment, without assuming a role",
            format!("{} is set, and they are valid", name(Input::UseExistingCredentials)),
        ),
        Flow::NoRole if request.does_nothing(case.flow) => (
            "do",
            "nothing",
            format!(
                "{role} is empty, and with {} it looks for no credentials",
                name(Input::WebIdentityTokenFile)
            ),
        ),
        Flow::NoRole => (
            "keep",
            "whatever AWS credentials it finds, without assuming a role",
            format!("{role} is empty"),
        ),
        Flow::Nothing => (
            "stop",
            "before it calls AWS",
            format!(
                "{} is on, and neither an access key nor a token file is given",
                name(Input::ForceSkipOidc)
            ),
        ),
        Flow::TokenFile => (
            "use",
            "the token in a file, not the job's own ID token",
            format!("{} is given", name(Input::WebIdentityTokenFile)),
        ),
        Flow::Oidc if case.answer.as_ref().is_some_and(Answer::is_about_credentials) => (
            "use",
            "AWS credentials, not the job's ID token",
            "AWS's answer shows it".to_owned(),
        ),
        Flow::Oidc if case.asks_with_credentials() => (
            "use",
            "AWS credentials, not the job's ID token",
            "the caller is known".to_owned(),
        ),
        Flow::Oidc => {
            let is_sent = case.claims.is_some() || case.answer.as_ref().is_some_and(Answer::token_was_sent);
            let is_named = request.get(Input::RoleToAssume).is_some() || is_unknown(case, Input::RoleToAssume);
            let why = match (is_named, is_sent) {
                (true, _) => format!("{role} is given, and no keys, token file or `role-chaining`"),
                (false, true) => "a token is sent, and no keys or token file are known of".to_owned(),
                (false, false) => {
                    return "which credentials the step uses is not known: it depends on its inputs, `role-to-assume` above all"
                        .to_owned();
                }
            };
            let may = is_sent || may_ask == Some(true) || case.workflow_grants_id_token();
            let what = match may {
                true => "OIDC with the job's ID token",
                false => {
                    "OIDC with the job's ID token if the job has `id-token: write`, or else any AWS credentials it finds"
                }
            };
            ("use", what, why)
        }
    };
    let open = CHOOSING
        .into_iter()
        .find(|input| *input != Input::RoleToAssume && is_unknown(case, *input));
    let depends = match open {
        _ if case.may_keep() => format!(
            "; if there are valid credentials in the environment, it keeps those ({})",
            name(Input::UseExistingCredentials)
        ),
        Some(input) if case.flow != Flow::Existing => {
            format!("; it depends on `{}` as well, which is not known here", input.name())
        }
        _ => String::new(),
    };
    match &case.stop {
        Some(_) if case.flow != Flow::Nothing => {
            format!("the step stops by itself; it would {verb} {what} ({why}){depends}")
        }
        _ => format!(
            "the step {verb}{} {what} ({why}){depends}",
            if verb == "do" { "es" } else { "s" }
        ),
    }
}

/// Whether an input of the step has a value that nobody here knows. Keys are never known, and being given is enough.
fn is_unknown(case: &Case<'_>, input: Input) -> bool {
    input != Input::AwsAccessKeyId && case.request().not_known.contains_key(input.name())
}
