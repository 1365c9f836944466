//! `runner-variables-missing`: the runner's variables are missing.

use super::check::{Check, When};
use crate::case::Case;
use crate::configure::Input;
use crate::finding::{Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "runner-variables-missing",
        cause: None,
        stage: Stage::Request,
        title: "the runner's variables are missing",
    },
    when: When::NotAllowed,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let unset = &case.runner()?.unset;
    if unset.is_empty() || case.flow.keeps() || case.request().given(Input::RoleToAssume).is_none() {
        return None;
    }
    let (are, them) = if unset.len() == 1 {
        ("is", "it")
    } else {
        ("are", "them")
    };
    // Valid credentials in the environment, if it keeps them, need no role.
    let on: &[Fact] = match case.request().is_on(Input::UseExistingCredentials) {
        true => &[Fact::Input(Input::RoleToAssume), Fact::AtHand],
        false => &[Fact::Input(Input::RoleToAssume)],
    };
    Some(
        Finding::blocks(format!("`{}` {are} not set, and configure-aws-credentials assumes no role without {them}", unset.join("`, `")))
            .rests_on(case, on)
            .by_action()
            .note("it stops with `Missing required environment variables. Are you running in GitHub Actions?`")
            .help("GitHub's runner sets them in every job: check what runs the job in its place (act, Forgejo, your own script), or what removes them from the environment"),
    )
}
