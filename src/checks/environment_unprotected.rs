//! `environment-unprotected`: the role trusts an environment that lets every branch through.

use serde_json::Value;

use super::check::{Check, When};
use crate::aws::request::{Asker, web_identity};
use crate::case::Case;
use crate::finding::{Fact, Finding, Rule, Stage};
use crate::github::claims::Claims;
use crate::github::subject::{Context, Subject};
use crate::policy::{Decision, decide};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "environment-unprotected",
        cause: None,
        stage: Stage::Risk,
        title: "the role trusts an environment that lets every branch through",
    },
    when: When::Always,
    run,
};

/// A branch that no policy names.
const SOME_BRANCH: &str = "refs/heads/some-branch";

fn run(case: &Case<'_>) -> Option<Finding> {
    let environment = case.environment().filter(|environment| environment.is_open())?;
    let claims = case.claims?;
    let subject = Subject::parse(claims.subject()?).filter(Subject::is_default)?;
    let by_environment = matches!(subject.kind(), Some(Context::Environment(_))) && !case.asks_with_credentials();
    let policy = case.policy.as_ref().filter(|_| by_environment)?;
    // Anyone who can push chooses the branch and the workflow on it.
    let elsewhere = on_some_branch(claims);
    let asker = Asker {
        claims: Some(&elsewhere),
        ..case.asker()
    };
    let gets_in = |asker| decide(&policy.policy, &web_identity(asker, &policy.policy)) == Decision::Allow;
    if !gets_in(case.asker()) || !gets_in(asker) {
        return None;
    }
    let timer = match environment.wait_minutes {
        0 => String::new(),
        minutes => format!("; its wait timer of {minutes} min lets every job through in the end"),
    };
    Some(
        Finding::note_only(format!(
            "nothing protects the environment `{}`: a job on any branch of this repository can name it and assume this role",
            environment.name
        ))
        .rests_on(case, &[Fact::Policy, Fact::Claims])
        .note(format!(
            "according to GitHub's API it has no required reviewers and is open to every branch{timer}"
        ))
        .note(format!("shown by the evaluator: a token of `{SOME_BRANCH}` with this environment is accepted"))
        .help("in the repository's settings, under Environments, add required reviewers, or limit the deployment branches and tags"),
    )
}

/// Returns the same token as if the job had run on another branch.
fn on_some_branch(claims: &Claims) -> Claims {
    let mut all = claims.0.clone();
    let repository = claims.text("repository").unwrap_or_default();
    let workflow = format!("{repository}/.github/workflows/some-workflow.yml@{SOME_BRANCH}");
    for (claim, value) in [
        ("ref", SOME_BRANCH),
        ("workflow", "some workflow"),
        ("workflow_ref", &workflow),
        ("job_workflow_ref", &workflow),
    ] {
        all.insert(claim.to_owned(), Value::from(value));
    }
    Claims(all)
}
