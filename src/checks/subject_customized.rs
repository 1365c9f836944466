//! `subject-customized`: the subject is built from claims other than the default.

use super::check::{Check, When};
use crate::case::Case;
use crate::evidence::SubjectTemplate;
use crate::finding::{Cause, Finding, Rule, Stage};
use crate::github::issuer::Deployment;
use crate::github::subject::difference::{Kind, SubjectDifference};
use crate::github::subject::{Subject, customized_keys};
use crate::text::masked::is_masked;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "subject-customized",
        cause: Some(Cause::Subject),
        stage: Stage::TrustPolicy,
        title: "the subject is built from claims other than the default",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    // Another service's token has its own form.
    if case.deployment() == Deployment::Other && !is_masked(&case.issuer) {
        return None;
    }
    super::check::subject(case, |kind| matches!(kind, Kind::Customized), finding)
}

fn finding(case: &Case<'_>, difference: &SubjectDifference) -> Finding {
    let token_default = Subject::parse(&difference.subject).is_some_and(|subject| subject.is_default());
    let keys = customized_keys(if token_default {
        &difference.pattern
    } else {
        &difference.subject
    });
    // If so, the policy expects the template, and resetting it wouldn't help.
    let is_same_template = !token_default && customized_keys(&difference.pattern) == keys;
    let keys: Vec<&str> = keys.into_iter().filter(|key| !key.contains(['*', '?'])).collect();
    let keys = keys.join("`, `");
    if token_default {
        Finding::blocks(format!("the trust policy expects a customized subject (`{keys}`), but the token has GitHub's default one"))
            .notes(case.subject_template().and_then(SubjectTemplate::words))
            .help("customize the subject for this repository (`PUT /repos/{owner}/{repo}/actions/oidc/customization/sub`), or put the default subject in the policy")
            .note("an organization's template applies only to repositories that opt in (`use_default: false`)")
    } else {
        Finding::blocks(format!("the token's subject is customized: it is built from `{keys}` and does not have GitHub's default format"))
            .note(case.subject_template().and_then(SubjectTemplate::words).unwrap_or_else(|| {
                "a template set on the repository or its organization defines which claims make up `sub`, and in which order".to_owned()
            }))
            .note(format!("the token has `{}`", difference.subject))
            .help(if is_same_template {
                "put this customized subject in the policy"
            } else {
                "put the customized subject in the policy, or reset the template (`GET /repos/{owner}/{repo}/actions/oidc/customization/sub` shows it)"
            })
    }
}
