//! `environment-protection`: an environment's protection rules hold the job back.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::finding::{Cause, Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "environment-protection",
        cause: Some(Cause::EnvironmentProtection),
        stage: Stage::Permission,
        title: "an environment's protection rules hold the job back",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    if case.answer != Some(Answer::EnvironmentRefused) || case.claims.is_some() {
        return None;
    }
    let text = super::check::pasted(case).unwrap_or_default();
    let environment = text
        .split_once("deploy to ")
        .and_then(|(_, rest)| rest.split(" due to").next());
    let environment = environment
        .map(|name| format!(" `{}`", name.trim().trim_matches(['"', '\'', '`', '.'])))
        .unwrap_or_default();
    let branch = text.split_once('"').and_then(|(_, rest)| rest.split('"').next());
    let branch = branch.map_or_else(|| "this branch or tag".to_owned(), |name| format!("`{name}`"));
    Some(
        Finding::blocks(format!("the protection rules of the environment{environment} do not let {branch} deploy to it"))
            .rests_on(case, &[Fact::Answer])
            // GitHub docs, "Deployments and environments".
            .note("GitHub holds the job back before its first step: no token is requested, and AWS is not called")
            .help("in the repository's settings, under Environments, add the branch or tag to the environment's deployment branches and tags, or run from one that is listed"),
    )
}
