//! `audience-not-registered`: the token's audience is not among the provider's client ids.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::configure::Input;
use crate::finding::{Cause, Fact, Finding, Remedy, Rule, Stage};
use crate::text::masked::is_masked;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "audience-not-registered",
        cause: Some(Cause::Audience),
        stage: Stage::Provider,
        title: "the token's audience is not among the provider's client ids",
        page: include_str!("../../docs/checks/audience-not-registered.md"),
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    if case.answer.as_ref().is_some_and(Answer::passed_provider) {
        return None;
    }
    let audience = case.claims.and_then(|claims| claims.audience());
    let ids = case.own_client_ids();
    let said = case.answer == Some(Answer::WrongAudience);
    let differs = match (audience, ids) {
        (Some(audience), Some(ids)) => !is_masked(audience) && !ids.iter().any(|id| id == audience || is_masked(id)),
        _ => false,
    };
    if !said && !differs {
        return None;
    }
    let wanted = audience
        .or(case.request().get(Input::Audience))
        .filter(|a| !a.is_empty());
    if said
        && let (Some(audience), false, Some(ids)) = (wanted, differs, ids)
        && ids.iter().any(|id| id == audience)
    {
        return Some(
            Finding::blocks(format!("AWS did not accept the token's audience, and the provider that was read has `{audience}` among its client ids"))
                .note("so AWS looked at another provider, or at this one before a change had spread, or the token was made for another audience")
                .help("see that the provider at hand is that of the role's account, and run the job again where it was changed just now"),
        );
    }
    let mut finding = Finding::blocks(match wanted {
        Some(audience) => format!("the token is made for `{audience}`, which is not among the provider's client ids"),
        None => "the token's audience is not among the provider's client ids".to_owned(),
    })
    .label(case.claim_label("aud", "the provider does not accept this audience"))
    .note("AWS compares the audience twice: with the provider's client ids (this message) and, most likely after that, with the trust policy's `aud` condition (an `AccessDenied`)");
    finding = finding.rests_on(
        case,
        match said {
            true => &[Fact::Answer],
            false => &[Fact::Provider, Fact::Issuer, Fact::Claim("aud")],
        },
    );
    if let Some(ids) = ids {
        finding = finding.note(if ids.is_empty() {
            "the provider has no client ids".to_owned()
        } else {
            format!("client ids: `{}`", ids.join("`, `"))
        });
        if let Some(near) =
            wanted.and_then(|audience| super::check::did_you_mean(audience, ids.iter().map(String::as_str)))
        {
            finding = finding.help(format!(
                "did you mean `{near}`? Then set `audience: {near}` in the step"
            ));
        }
    }
    if wanted.is_some_and(|audience| audience.starts_with("https://github.com/"))
        && case.request().get(Input::Audience) != wanted
    {
        finding = finding.note("this is GitHub's own default: the token was asked for without an audience, which configure-aws-credentials always names");
    }
    let (partition, _) = case.account();
    if partition == "aws-cn" && wanted == Some("sts.amazonaws.com") {
        finding = finding.note("in China AWS is addressed as `sts.amazonaws.com.cn`; configure-aws-credentials asks for `sts.amazonaws.com` in every partition unless `audience` says otherwise");
    }
    Some(finding.remedy(Remedy::AddClientId))
}
