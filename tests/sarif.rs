//! SARIF matches its schema for every case, and its locations are those of the findings.

use std::fs;
use std::path::{Path, PathBuf};

use aws_oidc_doctor::report::{Report, sarif};
use aws_oidc_doctor::{Evidence, diagnose};
use serde_json::{Value, json};

fn schema() -> jsonschema::Validator {
    // One of its patterns has an extra bracket.
    let text = include_str!("sarif/sarif-2.1.0.schema.json").replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}$");
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else if path.ends_with("evidence.json") {
            into.push(path);
        }
    }
}

fn log_of(evidence: &str) -> Value {
    let report = Report::from(diagnose(&Evidence::from_json(evidence).unwrap()));
    serde_json::from_str(&sarif::render(&report)).unwrap()
}

#[test]
fn every_report_is_sarif() {
    let schema = schema();
    let mut cases = Vec::new();
    files(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases")),
        &mut cases,
    );
    assert!(cases.len() > 200, "{}", cases.len());
    let mut results = 0;
    for case in cases {
        let log = log_of(&fs::read_to_string(&case).unwrap());
        let errors: Vec<String> = schema
            .iter_errors(&log)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{}", case.display());
        let run = &log["runs"][0];
        for result in run["results"].as_array().unwrap() {
            let rule = &run["tool"]["driver"]["rules"][usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
            assert_eq!(rule["id"], result["ruleId"]);
            results += 1;
        }
    }
    assert!(results > 250, "{results}");
}

const WORKFLOW: &str = "on: push
jobs:
  deploy:
    runs-on: ubuntu-latest
    permissions:
      id-token: write
    steps:
      - uses: aws-actions/configure-aws-credentials@v6
        with: {role-to-assume: arn:aws:iam::123456789012:role/deploy}
";

fn evidence(sub: &str, before: &str) -> String {
    let host = "token.actions.githubusercontent.com";
    json!({
        "request": { "role-to-assume": "arn:aws:iam::123456789012:role/deploy", "aws-region": "eu-west-1" },
        "token": { "claims": {
            "iss": format!("https://{host}"), "aud": "sts.amazonaws.com", "sub": "repo:octo/app:ref:refs/heads/main",
            "repository": "octo/app", "ref": "refs/heads/main",
        } },
        "role": { "arn": "arn:aws:iam::123456789012:role/deploy", "trust_policy": { "Version": "2012-10-17", "Id": before, "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": { "Federated": format!("arn:aws:iam::123456789012:oidc-provider/{host}") },
            "Condition": { "StringEquals": { format!("{host}:aud"): "sts.amazonaws.com", format!("{host}:sub"): sub } },
        }] } },
        "workflow": { "path": "./.github/workflows/a b.yml", "text": WORKFLOW },
    })
    .to_string()
}

#[test]
fn a_finding_has_its_place_its_page_and_its_fix() {
    let log = log_of(&evidence("repo:octo/app:ref:refs/heads/dev", "x"));
    let run = &log["runs"][0];
    let result = &run["results"][0];
    assert_eq!(result["ruleId"], "subject-branch");
    assert_eq!(result["level"], "error");
    let place = &result["locations"][0]["physicalLocation"];
    let uri = place["artifactLocation"]["uri"].as_str().unwrap();
    assert!(
        uri == "trust-policy.json" || uri == ".github/workflows/a%20b.yml",
        "{uri}"
    );
    assert!(
        run["tool"]["driver"]["rules"][0]["help"]["markdown"]
            .as_str()
            .unwrap()
            .starts_with("# subject-branch")
    );
    let shown = run["artifacts"].as_array().unwrap();
    assert!(
        shown
            .iter()
            .any(|artifact| artifact["location"]["uri"] == "trust-policy.json")
    );
    let change = &result["fixes"][0]["artifactChanges"][0]["replacements"][0];
    assert!(
        change["insertedContent"]["text"]
            .as_str()
            .unwrap()
            .contains("refs/heads/main"),
        "{change}"
    );
}

#[test]
fn a_fingerprint_lasts_while_other_lines_change() {
    let print = |sub, before| {
        let log = log_of(&evidence(sub, before));
        log["runs"][0]["results"][0]["partialFingerprints"]["findingHash/v1"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let dev = print("repo:octo/app:ref:refs/heads/dev", "x");
    assert_eq!(dev, print("repo:octo/app:ref:refs/heads/dev", "another text before it"));
    assert_ne!(dev, print("repo:octo/app:ref:refs/heads/test", "x"));
}
