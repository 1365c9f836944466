//! `audience-mismatch`: the trust policy's `aud` condition does not match.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::configure::Input;
use crate::finding::{Cause, Fact, Finding, Remedy, Rule, Stage};
use crate::github::issuer::issuer_host;
use crate::policy::Presence;
use crate::text::unseen;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "audience-mismatch",
        cause: Some(Cause::Audience),
        stage: Stage::TrustPolicy,
        title: "the trust policy's `aud` condition does not match",
        page: include_str!("../../docs/checks/audience-mismatch.md"),
    },
    when: When::NotAllowed,
    run,
};

const RESTS_ON: [Fact; 2] = [Fact::Issuer, Fact::Claim("aud")];

fn run(case: &Case<'_>) -> Option<Finding> {
    let policy = case.policy.as_ref()?;
    let name = format!("{}:aud", issuer_host(&case.issuer));
    let failing = policy.failing();
    let leaf = failing
        .iter()
        .find(|leaf| leaf.is(&name) && matches!(leaf.trace.actual, Presence::One(_)))?;
    let Presence::One(audience) = &leaf.trace.actual else {
        return None;
    };
    if leaf.condition.operator.value.comparison.is_negated() {
        let finding = Finding::blocks(format!(
            "the trust policy shuts out the audience `{audience}`, which the token is made for"
        ))
        .label(case.policy_label(
            leaf.key.span,
            policy.key_pointer(leaf.leaf),
            format!("`{}` forbids it", leaf.condition.name),
        ))
        .label(case.claim_label("aud", "the token's audience"))
        .explains([leaf.leaf])
        .help("name the audiences that may get in, with `StringEquals`, in place of those that may not");
        return Some(super::check::by_policy(case, &RESTS_ON, finding));
    }
    let values: Vec<&str> = leaf.key.values.iter().map(|value| value.value.as_str()).collect();
    let mut finding = Finding::blocks(format!(
        "the trust policy wants the audience `{}`, and the token is made for `{audience}`",
        values.join("` or `")
    ))
    .explains(
        failing
            .iter()
            .filter(|other| other.key.key.value.eq_ignore_ascii_case(&name))
            .map(|leaf| leaf.leaf)
            .collect::<Vec<_>>(),
    );
    finding = super::check::by_policy(case, &RESTS_ON, finding);
    let first = leaf.key.values.first().map_or(leaf.key.span, |value| value.span);
    let differs = match values.first() {
        Some(value) if value.eq_ignore_ascii_case(audience) => "differs by letter case".to_owned(),
        Some(value)
            if value.trim() == audience.trim() || value.trim_end_matches('/') == audience.trim_end_matches('/') =>
        {
            "nearly the same: a blank or a slash at its end".to_owned()
        }
        Some(value) if value.contains(['*', '?']) && !leaf.condition.operator.value.comparison.takes_wildcards() => {
            format!("`{}` takes wildcards literally", leaf.condition.name)
        }
        _ => format!("the token has `{audience}`"),
    };
    finding = finding.label(case.policy_label(first, policy.value_pointer(leaf.leaf, leaf.key, 0), differs));
    finding = finding.label(case.claim_label("aud", "the token's audience"));
    let literal = !leaf.condition.operator.value.comparison.takes_wildcards();
    let looks_the_same = |value: &&str| {
        unseen::difference(value, audience, |one, other| {
            !literal && crate::policy::wildcard::matches(one, other)
        })
    };
    finding = finding.notes(values.iter().find_map(looks_the_same));
    if values.iter().any(|value| value.starts_with("https://github.com/")) {
        finding = finding.note("`https://github.com/<owner>` is GitHub's own default; configure-aws-credentials always asks for the audience of its input, `sts.amazonaws.com` unless set");
    } else if audience.starts_with("https://github.com/") && case.request().get(Input::Audience) != Some(audience) {
        finding = finding
            .note("the token was asked for without an audience: `https://github.com/<owner>` is GitHub's own default");
    }
    let ids = case.own_client_ids();
    let is_registered = |audience: &str| ids.map(|ids| ids.iter().any(|id| id == audience));
    let passed = case.answer.as_ref().is_some_and(Answer::passed_provider);
    if let Some(value) = values.first()
        && !value.contains(['*', '?'])
        && is_registered(value) != Some(false)
    {
        let condition = match is_registered(value) {
            Some(_) => "which the provider has among its client ids",
            None => "if the provider has it among its client ids",
        };
        finding = finding.help(format!(
            "leave the policy as it is and set `audience: {value}` in the step, {condition}"
        ));
    }
    finding = finding.note("the provider's client ids are another place: those answer with `Incorrect token audience`");
    if is_registered(audience) == Some(false) && !passed {
        // The provider refuses this audience before the policy is looked at: to add it here would not help.
        return Some(finding);
    }
    Some(finding.remedy(Remedy::Admit))
}
