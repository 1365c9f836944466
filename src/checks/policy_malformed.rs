//! `policy-malformed`: AWS would not accept this trust policy.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::finding::{Certainty, Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "policy-malformed",
        cause: None,
        stage: Stage::TrustPolicy,
        title: "AWS would not accept this trust policy",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    if let Some(error) = &case.policy_error {
        let mut finding = Finding::blocks(format!("the trust policy cannot be read: {}", error.message))
            .rests_on(case, &[Fact::Policy])
            .label(case.policy_label(error.span, "here"))
            .note("IAM does not accept this as a trust policy: it is a different document, or the role still has its previous policy, or it was never created");
        if let Some(help) = &error.help {
            finding = finding.help(help.clone());
        }
        // AWS compared the token with a policy that IAM could store, so not with this one. What the role actually has isn't known.
        let compared = case.answer.as_ref().is_some_and(Answer::passed_provider);
        let text = case.policy_source.as_ref().map_or("", |source| source.text.as_str());
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        return Some(if compared && !is_json {
            finding
                .at_most(Certainty::Possible)
                .help("pass the policy as IAM has it: `aws iam get-role --role-name NAME --query Role.AssumeRolePolicyDocument`")
        } else {
            finding.at_most(Certainty::Likely)
        });
    }
    if case.answer != Some(Answer::IamRefusedPolicy) {
        return None;
    }
    let text = super::check::pasted(case).unwrap_or_default();
    let finding = Finding::blocks("IAM refused to store the trust policy")
        .rests_on(case, &[Fact::Answer])
        .note(super::check::one_line(&text, 300));
    let lower = text.to_lowercase();
    Some(if lower.contains("not scoped to all") {
        finding
            .note("since June 2025 IAM has accepted a policy for GitHub's provider only with a condition on `sub` (or `job_workflow_ref`) that is not just wildcards")
            .help("add a `sub` condition that names your repository; `*` alone is not accepted")
    } else if lower.contains("invalid condition type") {
        finding.help("spell the operator as AWS does: `StringEquals`, `StringLike`, `ForAnyValue:StringLike` (with the colon), …")
    } else if lower.contains("federated principals must be") {
        finding.help("`Federated` takes the provider's ARN: `arn:aws:iam::<account>:oidc-provider/token.actions.githubusercontent.com`")
    } else if lower.contains("only one colon") {
        finding.help("write the condition key without `https://`: `token.actions.githubusercontent.com:sub`")
    } else if lower.contains("prohibited field") {
        finding.help("remove `Resource`: a trust policy applies to its own role and does not name a resource")
    } else {
        finding.help("check the policy's JSON, its operators and its principal; `aws accessanalyzer validate-policy` names the line")
    })
}
