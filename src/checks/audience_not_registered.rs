//! `audience-not-registered`: the token's audience is not among the provider's client IDs.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::configure::Input;
use crate::finding::{Cause, Fact, Finding, Party, Remedy, Rule, SideBySide, Stage};
use crate::text::alike::did_you_mean;
use crate::text::masked::is_masked;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "audience-not-registered",
        cause: Some(Cause::Audience),
        stage: Stage::Provider,
        title: "the token's audience is not among the provider's client IDs",
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
            Finding::blocks(format!("AWS did not accept the token's audience, although `{audience}` is among the client IDs of the provider that was read"))
                .note("AWS looked at another provider, or at this one before a change had propagated, or the token had another audience")
                .help("make sure the provider given is the one in the role's account; if it has just been changed, run the job again"),
        );
    }
    let mut finding = Finding::blocks(match wanted {
        Some(audience) => format!("the token's audience is `{audience}`, which is not among the provider's client IDs"),
        None => "the token's audience is not among the provider's client IDs".to_owned(),
    })
    .label(case.claim_label("aud", "the provider does not accept this audience"))
    // aws-actions/configure-aws-credentials#1309, #318: AWS documents neither the answers nor their order.
    .note("AWS checks the audience twice: against the provider's client IDs and, most likely after that, against the trust policy's `aud` condition; as reported, the first gives `Incorrect token audience`, the second `AccessDenied`");
    finding = finding.rests_on(
        case,
        match said {
            true => &[Fact::Answer],
            false => &[Fact::Provider, Fact::Issuer, Fact::Claim("aud")],
        },
    );
    if let (Some(audience), Some([first, more @ ..])) = (wanted, ids.map(Vec::as_slice)) {
        let accepts = Party::new("provider", "accepts", first).and_more(more.len());
        finding = finding.compares(SideBySide::of(
            "audience",
            Party::new("token", "sends", audience),
            accepts,
        ));
    }
    if wanted.is_none() {
        finding = finding.help("compare the step's `audience` (`sts.amazonaws.com` if it has none) with the provider's client IDs (`aws iam get-open-id-connect-provider`), and register it there or request one of those");
    }
    if let Some(ids) = ids {
        finding = finding.note(if ids.is_empty() {
            "the provider has no client IDs".to_owned()
        } else {
            format!("client IDs: `{}`", ids.join("`, `"))
        });
        if let Some(near) = wanted.and_then(|audience| did_you_mean(audience, ids.iter().map(String::as_str))) {
            finding = finding.help(format!(
                "did you mean `{near}`? Then set `audience: {near}` in the step"
            ));
        }
    }
    if wanted.is_some_and(|audience| audience.starts_with("https://github.com/"))
        && case.request().get(Input::Audience) != wanted
    {
        finding = finding.note("this is GitHub's own default: the token was requested without an audience, which configure-aws-credentials does only if the step sets `audience` to an empty value");
    }
    let (partition, _) = case.account();
    if partition == "aws-cn" && wanted == Some("sts.amazonaws.com") {
        // configure-aws-credentials' README; aws-actions/configure-aws-credentials#457.
        finding = finding.note("in the China partition the audience is usually `sts.amazonaws.com.cn`; configure-aws-credentials requests `sts.amazonaws.com` in every partition unless `audience` is set");
    }
    Some(finding.remedy(Remedy::AddClientId))
}
