//! `region-unusable`: the region is missing, misspelt or not enabled.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::{Case, is_told};
use crate::configure::Input;
use crate::evidence::{Attempt, Probe, Why};
use crate::finding::{Certainty, Fact, Finding, Rule, Stage};
use crate::text::alike::did_you_mean;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "region-unusable",
        cause: None,
        stage: Stage::Request,
        title: "the region is missing, misspelt or not enabled",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let named = match &case.answer {
        Some(Answer::RegionUnusable(region)) => region.as_deref(),
        _ => None,
    };
    let region = named.or(case.request().get(Input::AwsRegion)).map(str::trim);
    let said = matches!(case.answer, Some(Answer::RegionUnusable(_)));
    // A session that AWS issued to another call says nothing about a step that stops before calling.
    let answered = case.answer.as_ref().filter(|answer| **answer != Answer::Allowed);
    let sent = answered.is_some_and(Answer::token_was_sent);
    let is_own = matches!(case.evidence.attempt, Some(Probe::Known(Attempt::Denied { .. })));
    if sent && !is_own {
        return None;
    }
    let not_supplied = super::check::pasted(case).is_some_and(|text| {
        let text = text.to_lowercase();
        text.contains("not supplied: aws-region") || text.contains("region is not valid")
    });
    let by_input: &[Fact] = &[Fact::Input(Input::AwsRegion)];
    let (message, on): (_, &[Fact]) = match region {
        Some(region) if said && not_supplied && REGIONS.contains(&region) => (
            format!(
                "no usable region reached the action, though `aws-region` is `{region}` here: in the job that failed it was empty or different"
            ),
            &[Fact::Answer],
        ),
        Some("") => ("no region is given: `aws-region` is empty".to_owned(), by_input),
        Some(region) if !is_told(region) => return None,
        Some(region)
            if region
                .bytes()
                .any(|b| !(b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')) =>
        {
            (
                format!(
                    "`{region}` is not the name of a region, which has only lower-case letters, digits and hyphens"
                ),
                by_input,
            )
        }
        Some(region) if said && REGIONS.contains(&region) => (
            format!("STS is not enabled for the region `{region}` in the role's account"),
            &[Fact::Answer],
        ),
        Some(region) if said => (
            format!("the region `{region}` cannot be used: it does not exist, or is not enabled in the role's account"),
            &[Fact::Answer],
        ),
        Some(region) if !REGIONS.contains(&region) => {
            (format!("`{region}` is not a region that this version knows"), &[])
        }
        None if said => (
            match not_supplied {
                true => "no usable region reached the action",
                false => "STS is not enabled for the region of the call in the role's account",
            }
            .to_owned(),
            &[Fact::Answer],
        ),
        _ => return None,
    };
    // Our own call goes out where the step's doesn't: the action checks the region's form first. (`src/index.ts` in v6.2.3.)
    if sent && on != by_input {
        return None;
    }
    let near = region
        .filter(|region| !REGIONS.contains(region))
        .and_then(|region| did_you_mean(region, REGIONS.iter().copied()));
    let mut finding = Finding::blocks(message).rests_on(case, on);
    if on == by_input {
        finding = finding.by_action();
    }
    if on.is_empty() && !matches!(case.answer, Some(Answer::Unreachable(_))) && !unreachable(case) {
        finding = finding.at_most(Certainty::Possible);
    }
    if let Some(near) = near {
        finding = finding.help(format!("did you mean `{near}`?"));
    }
    if !region.is_some_and(|region| REGIONS.contains(&region)) && (region.is_some() || not_supplied) {
        finding = finding.note(
            "the name of the STS endpoint is made from the region: a typo shows up as a host that does not exist",
        );
    }
    // STS API Reference, `RegionDisabledException`; AWS Account Management, "Enable or disable AWS Regions in your account".
    Some(
        finding
            .help("set `aws-region` to a region that is enabled in the role's account; regions launched after 20 March 2019 must be enabled there first"),
    )
}

fn unreachable(case: &Case<'_>) -> bool {
    case.evidence
        .attempt
        .as_ref()
        .and_then(Probe::gap)
        .is_some_and(|gap| gap.why == Why::Unreachable)
}

/// Regions of all partitions, for near misses; one not listed is reported as unknown, not as wrong.
const REGIONS: [&str; 45] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-iso-west-1",
    "us-isob-east-1",
    "us-isob-west-1",
    "us-isof-east-1",
    "us-isof-south-1",
    "us-west-1",
    "us-west-2",
];
