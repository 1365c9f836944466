//! `session-policy-invalid`: AWS rejects the session policy.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::configure::Input;
use crate::finding::{Fact, Finding, Rule, Stage};
use crate::text::masked::is_hidden;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "session-policy-invalid",
        cause: None,
        stage: Stage::Request,
        title: "AWS rejects the session policy",
    },
    when: When::NotAllowed,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let said = case.answer == Some(Answer::SessionPolicyInvalid);
    let request = case.request();
    let inline = request
        .given(Input::InlineSessionPolicy)
        .filter(|policy| !is_hidden(policy));
    let managed = request
        .given(Input::ManagedSessionPolicies)
        .map(|list| list.lines().filter(|line| !line.trim().is_empty()).count());
    let message = match inline {
        Some(policy) if policy.chars().count() > 2048 => format!(
            "`inline-session-policy` has {} characters, and AWS accepts 2048",
            policy.chars().count()
        ),
        Some(policy) => match serde_json::from_str::<serde::de::IgnoredAny>(policy) {
            Err(error) => format!("`inline-session-policy` is not JSON: {error}"),
            Ok(_) if said => "AWS rejects the session policy".to_owned(),
            Ok(_) => return None,
        },
        None if managed.is_some_and(|count| count > 10) => format!(
            "`managed-session-policies` has {} ARNs, and AWS accepts 10",
            managed.unwrap_or_default()
        ),
        None if said => "AWS rejects the session policies, or they and the tags are too large together".to_owned(),
        None => return None,
    };
    Some(
        Finding::blocks(message)
            // AWS packs the tags with the policies: the input that is set shows which is too large.
            .rests_on(case, match (inline, said) {
                (Some(_), false) => &[Fact::Input(Input::InlineSessionPolicy)],
                (Some(_), true) => &[Fact::Answer, Fact::Input(Input::InlineSessionPolicy)],
                (None, false) => &[Fact::Input(Input::ManagedSessionPolicies)],
                (None, true) => &[Fact::Answer, Fact::Input(Input::ManagedSessionPolicies)],
            })
            .note("a session policy has at most 2048 characters, and policies and tags together must fit in what AWS packs them into")
            .help("correct or shorten `inline-session-policy`, or pass fewer `managed-session-policies`"),
    )
}
