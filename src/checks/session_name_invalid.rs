//! `session-name-invalid`: AWS rejects the session name.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::configure::Input;
use crate::finding::{Fact, Finding, Rule, Stage};
use crate::text::masked::is_masked;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "session-name-invalid",
        cause: None,
        stage: Stage::Request,
        title: "AWS rejects the session name",
    },
    when: When::NotAllowed,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let name = case.request().given(Input::RoleSessionName).map(str::trim);
    let message = match name {
        Some(name) => match fault(name).filter(|_| !is_masked(name)) {
            Some(fault) => format!("the session name `{name}` {fault}"),
            None if case.answer == Some(Answer::SessionNameInvalid) => "AWS rejects the session name".to_owned(),
            None => return None,
        },
        None if case.answer == Some(Answer::SessionNameInvalid) => "AWS rejects the session name".to_owned(),
        None => return None,
    };
    let said = case.answer == Some(Answer::SessionNameInvalid);
    Some(
        Finding::blocks(message)
            .rests_on(case, if said { &[Fact::Answer] } else { &[Fact::Input(Input::RoleSessionName)] })
            .note("AWS accepts 2 to 64 letters, digits and `_+=,.@-`")
            .help("set `role-session-name` to something that is always valid, such as `gha-${{ github.run_id }}`; `github.actor` can be `dependabot[bot]`, and branch names have slashes"),
    )
}

/// Says what is wrong with a session name. (STS API, AssumeRoleWithWebIdentity: 2 to 64 characters of `[\w+=,.@-]`.)
fn fault(name: &str) -> Option<String> {
    let length = name.chars().count();
    let odd = name
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || "_+=,.@-".contains(*c)));
    match odd {
        Some(odd) => Some(format!("has `{odd}` in it")),
        None if !(2..=64).contains(&length) => Some(format!("has {length} characters")),
        None => None,
    }
}
