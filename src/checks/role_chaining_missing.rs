//! `role-chaining-missing`: a second role is requested with the ID token instead of the first role's session.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::aws::arn::RoleArn;
use crate::case::Case;
use crate::configure::{Flow, Input};
use crate::evidence::{CredentialSource, HeldCredentials, Probe};
use crate::finding::{Finding, Rule, Stage};
use crate::github::workflow::ConfigureStep;
use crate::policy::{Leaf, PrincipalKind};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "role-chaining-missing",
        cause: None,
        stage: Stage::Session,
        title: "a second role is requested with the ID token instead of the first role's session",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    if !applies(case) {
        return None;
    }
    // Keys that were meant to be an earlier step's session.
    if has_empty_keys(case) {
        return Some(
            Finding::blocks("the step's keys are empty, so it asks AWS with the job's ID token instead of an earlier step's session")
                .help("set `output-credentials: true` in the step whose outputs the keys are, and make sure that it runs; or set `role-chaining: true` in this one, to use the session that the step before it exported"),
        );
    }
    Some(
        Finding::blocks("an earlier step has credentials of a role already, and this step asks AWS with the job's ID token again: `role-chaining: true` is missing")
            .note("with `id-token: write` configure-aws-credentials takes the ID token, whatever credentials an earlier step exported")
            .note("the second role's account then has no provider for GitHub, or its trust policy trusts the first role and not the token")
            .help("set `role-chaining: true` in the step of the second role")
            .explains(case.policy.as_ref().and_then(|policy| policy.nearest).map(|statement| vec![Leaf::Principal { statement }, Leaf::Action { statement }]).unwrap_or_default()),
    )
}

/// Whether an earlier step left another account's credentials while this step uses the token anyway.
pub(super) fn applies(case: &Case<'_>) -> bool {
    if case.flow != Flow::Oidc || case.is_allowed() {
        return false;
    }
    let refused =
        matches!(case.answer, Some(Answer::NoProvider(_) | Answer::NotAuthorized(_))) || case.answer.is_none();
    let is_refusal = matches!(case.answer, Some(Answer::NoProvider(_) | Answer::NotAuthorized(_)));
    if is_refusal && has_empty_keys(case) {
        return true;
    }
    let session = case.evidence.reader.as_ref().map(|reader| match reader {
        Probe::Known(identity) => {
            identity.source == CredentialSource::Environment
                && identity.arn.contains(":assumed-role/")
                && case.account().1.is_some_and(|account| account != identity.account)
        }
        Probe::Missing(_) => false,
    });
    let exported = session == Some(true)
        || session.is_none()
            && case.runner().and_then(|runner| runner.aws_credentials.as_ref()) == Some(&HeldCredentials::Environment);
    // The policy itself may show that it expects a role, not a token.
    let trusts_role = case.policy.as_ref().is_some_and(|policy| {
        let mut entries = policy
            .policy
            .statements
            .iter()
            .filter_map(|s| s.principal.as_ref())
            .flat_map(|p| &p.entries)
            .peekable();
        entries.peek().is_some() && entries.all(|entry| entry.kind == PrincipalKind::Aws)
    });
    let steps = match &case.workflow {
        Some(Ok(workflow)) => workflow
            .jobs
            .iter()
            .map(|job| job.steps.len())
            .max()
            .unwrap_or_default(),
        _ => 0,
    };
    if is_refusal && second_step(case) {
        return true;
    }
    refused && exported && (trusts_role || matches!(case.answer, Some(Answer::NoProvider(_))))
        || refused && trusts_role && steps > 1
}

fn has_empty_keys(case: &Case<'_>) -> bool {
    case.request().faults.contains_key(Input::AwsAccessKeyId.name())
}

/// Whether the workflow shows it: a job with two steps for roles in two accounts, the later one this role's, without `role-chaining`.
fn second_step(case: &Case<'_>) -> bool {
    let Some(Ok(workflow)) = &case.workflow else {
        return false;
    };
    let (_, Some(asked)) = case.account() else { return false };
    let account = |step: &ConfigureStep| {
        let role = step.input("role-to-assume")?;
        RoleArn::parse(role.value.trim()).ok()?.account
    };
    workflow.jobs.iter().any(|job| {
        let mut other_before = false;
        job.steps.iter().any(|step| {
            let chained = step
                .input("role-chaining")
                .is_some_and(|input| input.value.eq_ignore_ascii_case("true"));
            match account(step) {
                Some(account) if account == asked => other_before && !chained,
                Some(_) => {
                    other_before = true;
                    false
                }
                None => false,
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;

    #[test]
    fn a_later_step_for_this_account_without_chaining() {
        const OTHER: (&str, &str) = ("222222222222", "");
        const ASKED: (&str, &str) = ("111111111111", "");
        const CHAINED: (&str, &str) = ("111111111111", ", role-chaining: true");
        for (steps, expected) in [
            (&[OTHER, ASKED][..], true),
            (&[ASKED, OTHER], false),
            (&[ASKED, ASKED], false),
            (&[OTHER, CHAINED], false),
            (&[OTHER, CHAINED, ASKED], true),
            (&[ASKED, OTHER, OTHER, ASKED], true),
        ] {
            let steps: String = steps
                .iter()
                .map(|(account, more)| {
                    format!("- uses: aws-actions/configure-aws-credentials@v6\n  with: {{role-to-assume: 'arn:aws:iam::{account}:role/r'{more}}}\n")
                })
                .collect();
            let evidence = serde_json::json!({
                "schema": 1,
                "request": { "role-to-assume": "arn:aws:iam::111111111111:role/r" },
                "workflow": { "path": "deploy.yml", "text": steps },
            });
            let evidence = Evidence::from_json(&evidence.to_string()).unwrap();
            assert_eq!(second_step(&Case::new(&evidence)), expected, "{steps}");
        }
    }
}
