//! Several roles side by side: how one that fails differs.

use super::Run;
use crate::aws::arn::RoleArn;
use crate::configure::Input;
use crate::evidence::{Evidence, Probe, Why};

/// The most values listed.
const MOST: usize = 5;

/// Adds a note to each failing run on how it differs from all that pass.
pub(super) fn compare(evidence: &[Evidence], runs: &mut [Run]) {
    let passing: Vec<usize> = (0..runs.len())
        .filter(|at| runs.get(*at).is_some_and(Run::passes))
        .collect();
    let facts: Vec<_> = evidence.iter().map(facts).collect();
    for (at, run) in runs.iter_mut().enumerate().filter(|_| !passing.is_empty()) {
        let Some(own) = facts.get(at).filter(|_| !run.passes()) else {
            continue;
        };
        let differences: Vec<String> = own
            .iter()
            .enumerate()
            .filter_map(|(which, (name, value))| {
                let value = value.as_ref()?;
                let others = passing.iter().map(|at| facts.get(*at)?.get(which)?.1.as_ref());
                // If it is unknown for one that passes, nothing can be said.
                let mut others: Vec<&String> = others.collect::<Option<_>>()?;
                others.sort_unstable();
                others.dedup();
                if others.contains(&value) || others.len() > MOST {
                    return None;
                }
                let others: Vec<String> = others.iter().map(|other| format!("`{other}`")).collect();
                Some(format!("{name} `{value}` (not {})", others.join(", ")))
            })
            .collect();
        if !differences.is_empty() {
            run.diagnosis.notes.push(format!(
                "{} of {} roles work; different about this one: {}",
                passing.len(),
                facts.len(),
                differences.join(", ")
            ));
        }
    }
}

/// The facts that can make a difference, if known.
fn facts(run: &Evidence) -> [(&'static str, Option<String>); 7] {
    let request = &run.request;
    let role = request
        .given(Input::RoleToAssume)
        .and_then(|role| RoleArn::parse(role.trim()).ok());
    let of_role = |part: fn(&RoleArn) -> Option<String>| role.as_ref().and_then(part);
    let provider = match run.provider.as_ref() {
        Some(Probe::Known(provider)) => provider.client_ids.as_ref().map(|ids| match ids.as_slice() {
            [] => "without client IDs".to_owned(),
            ids => format!("for {}", ids.join(" and ")),
        }),
        Some(Probe::Missing(gap)) => (gap.why == Why::NotFound).then(|| "missing".to_owned()),
        None => None,
    };
    let chained = request
        .get(Input::RoleChaining)
        .map(|_| request.is_on(Input::RoleChaining).to_string());
    [
        ("account", of_role(|role| role.account.clone())),
        ("partition", of_role(|role| Some(role.partition.clone()))),
        ("path", of_role(|role| Some(role.path.clone()))),
        ("provider", provider),
        ("region", request.given(Input::AwsRegion).map(str::to_owned)),
        ("audience", request.given(Input::Audience).map(str::to_owned)),
        ("`role-chaining`", chained),
    ]
}

#[cfg(test)]
mod tests {
    use crate::evidence::Runs;
    use crate::report::Report;
    use serde_json::{Value, json};

    #[test]
    fn what_differs_from_all_that_work_is_said() {
        let run = |role: &str, region: &str, provider: Value, outcome: &str| {
            json!({
                "request": {"role-to-assume": role, "aws-region": region, "audience": "sts.amazonaws.com", "role-chaining": ""},
                "provider": provider,
                "attempt": {"outcome": outcome, "code": "AccessDenied", "message": "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
            })
        };
        let provider = || json!({"client_ids": ["sts.amazonaws.com"]});
        let missing = || json!({"missing": {"why": "not-found"}});
        let unread = || json!({"missing": {"why": "access-denied"}});
        let works = || {
            run(
                "arn:aws:iam::111111111111:role/deploy",
                "eu-west-1",
                provider(),
                "allowed",
            )
        };
        for (failing, want) in [
            (
                run(
                    "arn:aws:iam::222222222222:role/team/deploy",
                    "eu-west-1",
                    missing(),
                    "denied",
                ),
                Some(
                    "1 of 2 roles work; different about this one: account `222222222222` (not `111111111111`), path `/team/` (not `/`), \
                      provider `missing` (not `for sts.amazonaws.com`)",
                ),
            ),
            (
                run(
                    "arn:aws-cn:iam::111111111111:role/deploy",
                    "cn-north-1",
                    unread(),
                    "denied",
                ),
                Some(
                    "1 of 2 roles work; different about this one: partition `aws-cn` (not `aws`), region `cn-north-1` (not `eu-west-1`)",
                ),
            ),
            (
                run(
                    "arn:aws:iam::111111111111:role/other",
                    "eu-west-1",
                    provider(),
                    "denied",
                ),
                None,
            ),
            (works(), None),
        ] {
            let file = json!({"schema": 1, "runs": [works(), failing]}).to_string();
            let report = Report::of(&Runs::from_json(&file).unwrap().0);
            let notes: Vec<&String> = report.runs().flat_map(|run| &run.diagnosis.notes).collect();
            let found = notes
                .iter()
                .find(|note| note.contains("roles work"))
                .map(|note| note.as_str());
            assert_eq!(found, want, "{file}");
        }
        // If nothing works, there is nothing to compare with.
        let failing = run(
            "arn:aws:iam::222222222222:role/deploy",
            "eu-west-1",
            missing(),
            "denied",
        );
        let file = json!({"schema": 1, "runs": [failing, failing]}).to_string();
        let report = Report::of(&Runs::from_json(&file).unwrap().0);
        assert!(
            !report
                .runs()
                .any(|run| run.diagnosis.notes.iter().any(|note| note.contains("roles work")))
        );
    }
}
