//! `partition-mismatch`: role, region and audience belong to different partitions.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::aws::arn::{partition_of_region, usual_audience};
use crate::case::Case;
use crate::configure::Input;
use crate::finding::{Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "partition-mismatch",
        cause: None,
        stage: Stage::Request,
        title: "role, region and audience belong to different partitions",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let Some(Ok(role)) = &case.role_arn else {
        return None;
    };
    if case.answer.as_ref().is_some_and(Answer::passed_provider) {
        return None;
    }
    let region = case.request().given(Input::AwsRegion);
    if let Some(region) = region
        && known_region_form(region)
        && partition_of_region(region) != role.partition
    {
        return Some(
            Finding::blocks(format!(
                "the region `{region}` belongs to the partition `{}`, but the role belongs to `{}`",
                partition_of_region(region),
                role.partition
            ))
            .rests_on(case, &[Fact::RoleArn, Fact::Input(Input::AwsRegion)])
            // IAM User Guide, `reference-arns`; AWS General Reference, STS endpoints.
            .note(
                "AWS partitions, such as `aws`, `aws-cn` (China) and `aws-us-gov` (GovCloud), share neither accounts nor endpoints",
            )
            .help(format!(
                "use a region in the partition `{}`, or the ARN of a role in `{}`",
                role.partition,
                partition_of_region(region)
            )),
        );
    }
    // What AWS says about the audience itself is `audience-not-registered`.
    if case.answer == Some(Answer::WrongAudience) {
        return None;
    }
    let audience = case
        .claims
        .and_then(|claims| claims.audience())
        .or(case.request().given(Input::Audience));
    let registered = case.provider().and_then(|provider| provider.client_ids.as_ref());
    match audience {
        // The default audience, which the action sends in every partition.
        Some(audience @ ("sts.amazonaws.com" | "sts.amazonaws.com.cn"))
            if audience != usual_audience(&role.partition)
                && registered.is_none_or(|ids| !ids.iter().any(|id| id == audience)) =>
        {
            Some(
                Finding::blocks(format!("the token's audience is `{audience}`, but in the role's partition `{}` it is usually `{}`", role.partition, usual_audience(&role.partition)))
                    .label(case.claim_label("aud", "the audience of another partition"))
                    .note("configure-aws-credentials requests `sts.amazonaws.com` in every partition unless `audience` is set")
                    .help(format!("set `audience: {}` in the step", usual_audience(&role.partition))),
            )
        }
        _ => None,
    }
}

/// Whether a text has the form of a region; `region-unusable` covers the rest.
fn known_region_form(region: &str) -> bool {
    region.split('-').count() >= 3
        && region
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
