//! `audience-mismatch`: the trust policy's `aud` condition does not match.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::configure::Input;
use crate::finding::{Cause, Fact, Finding, Party, Remedy, Rule, SideBySide, Stage};
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
    if leaf.comparison().is_negated() {
        let finding = Finding::blocks(format!("the trust policy excludes the token's audience, `{audience}`"))
            .label(case.policy_label(leaf.location(), format!("`{}` forbids it", leaf.condition.name)))
            .label(case.claim_label("aud", "the token's audience"))
            .explains([leaf.leaf])
            .help("list the accepted audiences with `StringEquals` instead of those to exclude");
        return Some(super::check::by_policy(case, &RESTS_ON, finding));
    }
    let values: Vec<&str> = leaf.key.values.iter().map(|value| value.value.as_str()).collect();
    let accepts = |first: &&str| Party::new("policy", "accepts", *first).and_more(values.len() - 1);
    let mut finding = Finding::blocks(format!(
        "the trust policy expects the audience `{}`, but the token's is `{audience}`",
        values.join("` or `")
    ))
    .compares(
        values
            .first()
            .map(|first| SideBySide::of("audience", Party::new("token", "sends", audience), accepts(first))),
    )
    .explains(
        failing
            .iter()
            .filter(|other| other.is(&name))
            .map(|leaf| leaf.leaf)
            .collect::<Vec<_>>(),
    );
    finding = super::check::by_policy(case, &RESTS_ON, finding);
    let differs = match values.first() {
        Some(value) if value.eq_ignore_ascii_case(audience) => "differs by letter case".to_owned(),
        Some(value)
            if value.trim() == audience.trim() || value.trim_end_matches('/') == audience.trim_end_matches('/') =>
        {
            "nearly identical: one ends in a space or a slash".to_owned()
        }
        Some(value) if value.contains(['*', '?']) && !leaf.comparison().takes_wildcards() => {
            format!("`{}` takes wildcards literally", leaf.condition.name)
        }
        _ => format!("the token has `{audience}`"),
    };
    finding = finding.label(case.policy_label(leaf.value(0), differs));
    finding = finding.label(case.claim_label("aud", "the token's audience"));
    let literal = !leaf.comparison().takes_wildcards();
    let looks_the_same = |value: &&str| {
        unseen::difference(value, audience, |one, other| {
            !literal && crate::policy::wildcard::matches(one, other)
        })
    };
    finding = finding.notes(values.iter().find_map(looks_the_same));
    if values.iter().any(|value| value.starts_with("https://github.com/")) {
        finding = finding.note("`https://github.com/<owner>` is GitHub's own default; configure-aws-credentials requests the audience of its `audience` input, by default `sts.amazonaws.com`");
    } else if audience.starts_with("https://github.com/") && case.request().get(Input::Audience) != Some(audience) {
        finding = finding
            .note("the token was requested without an audience: `https://github.com/<owner>` is GitHub's own default, which configure-aws-credentials requests only if the step sets `audience` to an empty value");
    }
    let ids = case.own_client_ids();
    let is_registered = |audience: &str| ids.map(|ids| ids.iter().any(|id| id == audience));
    let passed = case.answer.as_ref().is_some_and(Answer::passed_provider);
    if let Some(value) = values.first()
        && !value.contains(['*', '?'])
        && is_registered(value) != Some(false)
    {
        let condition = match is_registered(value) {
            Some(_) => "which is among the provider's client IDs",
            None => "if it is among the provider's client IDs",
        };
        finding = finding.help(format!(
            "leave the policy as it is and set `audience: {value}` in the step, {condition}"
        ));
    }
    // aws-actions/configure-aws-credentials#1309, #318: AWS documents neither answer.
    finding = finding.note(
        "the provider's client IDs are checked separately: as reported, a mismatch there gives `Incorrect token audience`",
    );
    if is_registered(audience) == Some(false) && !passed {
        // The provider refuses this audience before the policy is evaluated: adding it here wouldn't help.
        return Some(finding);
    }
    Some(finding.remedy(Remedy::Admit))
}
