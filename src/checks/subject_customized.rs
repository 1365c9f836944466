//! `subject-customized`: the subject is built from other claims than the default.

use super::check::{Check, When};
use crate::case::Case;
use crate::finding::{Cause, Finding, Rule, Stage};
use crate::github::issuer::Deployment;
use crate::github::subject::difference::{Kind, SubjectDifference};
use crate::github::subject::{Subject, customized_keys};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "subject-customized",
        cause: Some(Cause::Subject),
        stage: Stage::TrustPolicy,
        title: "the subject is built from other claims than the default",
        page: include_str!("../../docs/checks/subject-customized.md"),
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    // Another service's subjects have forms of their own, which no template of GitHub's made.
    if case.deployment() == Deployment::Other {
        return None;
    }
    super::check::subject(case, |kind| matches!(kind, Kind::Customized), finding)
}

fn finding(_: &Case<'_>, difference: &SubjectDifference) -> Finding {
    let token_default = Subject::parse(&difference.subject).is_some_and(|subject| subject.is_default());
    let keys = customized_keys(if token_default {
        &difference.pattern
    } else {
        &difference.subject
    });
    let keys: Vec<&str> = keys.into_iter().filter(|key| !key.contains(['*', '?'])).collect();
    let keys = keys.join("`, `");
    if token_default {
        Finding::blocks(format!("the trust policy wants a customized subject (`{keys}`), and the token has GitHub's default one"))
            .help("customize the subject for this repository (`PUT /repos/{owner}/{repo}/actions/oidc/customization/sub`), or write the default subject into the policy")
            .note("an organization's template counts only for repositories that opt in (`use_default: false`)")
    } else {
        Finding::blocks(format!("the token's subject is customized: it is built from `{keys}`, not in GitHub's default form"))
            .note("a template of the repository or its organization says which claims make up `sub`, in which order")
            .note(format!("the token has `{}`", difference.subject))
            .help("write the customized subject into the policy, or reset the template (`GET /repos/{owner}/{repo}/actions/oidc/customization/sub` shows it)")
    }
}
