use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::predict::{Form, predict};

const HOST: &str = "token.actions.githubusercontent.com";

fn workflow(on: &str, environment: &str) -> SourceText {
    let text = format!(
        "on:\n{on}jobs:\n  deploy:\n    runs-on: x\n{environment}    permissions: {{id-token: write}}\n    steps:\n      \
         - uses: aws-actions/configure-aws-credentials@v6\n        with:\n          \
         role-to-assume: arn:aws:iam::123456789012:role/deploy\n          aws-region: eu-west-1\n"
    );
    SourceText::new(".github/workflows/deploy.yml", text)
}

fn policy(operator: &str, subjects: &[&str]) -> serde_json::Value {
    json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": { "Federated": format!("arn:aws:iam::123456789012:oidc-provider/{HOST}") },
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": { "StringEquals": { format!("{HOST}:aud"): "sts.amazonaws.com" }, operator: { format!("{HOST}:sub"): subjects } },
    }] })
}

fn repository() -> Repository {
    Repository {
        name: Some("octo/app".to_owned()),
        form: Form::Classic,
        default_branch: Some("main".to_owned()),
        ..Repository::default()
    }
}

/// The same as somebody would save it after the push.
fn evidence(file: &SourceText, policy: &serde_json::Value, token: &Claims, event: &str) -> Evidence {
    let arn = "arn:aws:iam::123456789012:role/deploy";
    let evidence = json!({
        "request": { "role-to-assume": arn, "aws-region": "eu-west-1" },
        "runner": { "id_token_request": true, "event_name": event, "repository": "octo/app", "job": "deploy",
                    "ref": token.0.get("ref").filter(|git_ref| git_ref.as_str() != Some("***")) },
        "token": { "claims": token },
        "role": { "arn": arn, "trust_policy": policy },
        "workflow": { "path": file.name, "text": file.text },
    });
    Evidence::from_json(&evidence.to_string()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn check_says_of_a_token_what_the_diagnosis_says(
        on in prop::sample::subsequence(vec![
            "  push: {branches: [main]}\n", "  pull_request:\n", "  workflow_dispatch:\n", "  release:\n",
            "  merge_group:\n", "  schedule: [{cron: '0 0 * * *'}]\n",
        ], 1..4),
        environment in prop::sample::select(vec!["", "    environment: prod\n", "    environment: Prod\n", "    environment: {name: test}\n"]),
        operator in prop::sample::select(vec!["StringEquals", "StringLike"]),
        subjects in prop::sample::subsequence(vec![
            "repo:octo/app:ref:refs/heads/main", "repo:octo/app:environment:prod", "repo:octo/app:pull_request",
            "repo:octo/app:*", "repo:octo/other:*", "repo:octo/app:ref:refs/tags/v*", "repo:octo/app:ref:refs/heads/*",
        ], 1..4),
    ) {
        let file = workflow(&on.concat(), environment);
        let written = policy(operator, &subjects);
        let role = json!({ "Role": { "RoleName": "deploy", "Arn": "arn:aws:iam::123456789012:role/deploy", "AssumeRolePolicyDocument": written } });
        let infra = infra::read(vec![SourceText::new("role.json", format!("{role:#}"))]);
        let prediction = predict(&repository(), std::slice::from_ref(&file), &|_| None);
        let parsed = parse(&written.to_string()).unwrap();
        let arn = RoleArn::parse("arn:aws:iam::123456789012:role/deploy").unwrap();
        let inputs = Inputs::default();
        let asker = Asker { claims: None, issuer: &repository().issuer, role: Some(&arn), provider: None, inputs: &inputs, caller: None };
        let mut wanted = Vec::new();
        for family in prediction.jobs.iter().flat_map(|job| &job.families).filter(|family| !family.is_odd) {
            for share in family.judge(&parsed, asker) {
                let diagnosis = diagnose(&evidence(&file, &written, &share.token, &family.event));
                wanted.push((family.event.clone(), match diagnosis.conclusion {
                    Conclusion::Allowed => Verdict::Allowed,
                    Conclusion::Denied => Verdict::Denied(diagnosis.cause().unwrap().rule.id.to_owned()),
                    Conclusion::Undecided => Verdict::Undecided,
                }));
            }
        }
        let checked = check(infra, std::slice::from_ref(&file), &prediction, &repository());
        let [ask] = &*checked.asks else { panic!("{:?}", checked.asks) };
        let said: Vec<_> = ask.outcomes.iter().map(|outcome| (outcome.event.clone(), outcome.verdict.clone())).collect();
        prop_assert_eq!(said, wanted);
        // What fails the check is nothing less than a job that gets in with no token of some kind.
        let blocks = checked.findings.iter().any(|noted| noted.severity == Severity::Blocks);
        if blocks {
            prop_assert!(ask.outcomes.iter().any(|outcome| matches!(outcome.verdict, Verdict::Denied(_))));
        }
    }
}
