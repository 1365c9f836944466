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

/// The same as saved after the push.
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

/// The usual number of cases, or `PROPTEST_CASES`.
fn cases(usual: u32) -> u32 {
    let asked = ProptestConfig::default().cases;
    if asked == 256 { usual } else { asked }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(64), failure_persistence: None, ..ProptestConfig::default() })]

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
                let evidence = evidence(&file, &written, &share.token, &family.event);
                let diagnosis = diagnose(&evidence);
                // What a check works out of it is what the whole has.
                let case = Case::new(&evidence);
                let (conclusion, cause) = cause(&case);
                let cause = cause.map(|cause| mended(&case, cause));
                prop_assert_eq!(conclusion, diagnosis.conclusion);
                prop_assert_eq!(format!("{cause:?}"), format!("{:?}", diagnosis.cause().cloned()));
                let rest = diagnosis.findings.iter().filter(|found| found.severity == Severity::Risk || found.by_action);
                prop_assert_eq!(format!("{:?}", besides(&case)), format!("{:?}", rest.collect::<Vec<_>>()));
                let verdict = match diagnosis.conclusion {
                    Conclusion::Allowed => Verdict::Allowed,
                    Conclusion::Denied => Verdict::Denied(diagnosis.cause().unwrap().rule.id.to_owned()),
                    Conclusion::Undecided => Verdict::Undecided,
                };
                if !wanted.contains(&(family.event.clone(), verdict.clone())) {
                    wanted.push((family.event.clone(), verdict));
                }
            }
        }
        let checked = check(infra, std::slice::from_ref(&file), &prediction, &repository(), 1);
        let [ask] = &*checked.asks else { panic!("{:?}", checked.asks) };
        let mut said: Vec<_> = Vec::new();
        for outcome in &ask.outcomes {
            if !said.contains(&(outcome.event.clone(), outcome.verdict.clone())) {
                said.push((outcome.event.clone(), outcome.verdict.clone()));
            }
        }
        prop_assert_eq!(said, wanted);
        // A check fails only if there is a job of which some kind of token doesn't get in.
        let blocks = checked.findings.iter().any(|noted| noted.severity == Severity::Blocks);
        if blocks {
            prop_assert!(ask.outcomes.iter().any(|outcome| matches!(outcome.verdict, Verdict::Denied(_))));
        }
    }
}

/// A step of configure-aws-credentials for a role.
fn step(role: &str) -> String {
    format!(
        "{{uses: aws-actions/configure-aws-credentials@v6, with: {{role-to-assume: \"{role}\", aws-region: eu-west-1}}}}"
    )
}

/// The roles that the steps request, and each one's outcomes: `dev: environment:dev allowed`.
fn asked(files: &[(&str, &str)], actions: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| SourceText::new(format!(".github/workflows/{name}"), *text))
        .collect();
    let other = |path: &str| {
        let found = actions.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| (*text).to_owned())
    };
    let role = |name: &str, subject: &str| {
        let arn = format!("arn:aws:iam::123456789012:role/{name}");
        json!({ "RoleName": name, "Arn": arn, "AssumeRolePolicyDocument": policy("StringLike", &[subject]) })
    };
    let roles = json!({ "Roles": [
        role("dev", "repo:octo/app:environment:dev"),
        role("prod", "repo:octo/app:environment:prod"),
        role("main", "repo:octo/app:ref:refs/heads/main"),
        role("other", "repo:octo/app:ref:refs/heads/*"),
    ] });
    let infra = infra::read(vec![SourceText::new("roles.json", roles.to_string())]);
    let prediction = predict(&repository(), &files, &other);
    assert_eq!(prediction.problems, []);
    let checked = check(infra, &files, &prediction, &repository(), 1);
    let line = |ask: &Ask| {
        let outcome = |outcome: &Outcome| {
            let verdict = match &outcome.verdict {
                Verdict::Allowed => "allowed",
                Verdict::Denied(_) => "denied",
                Verdict::Undecided => "undecided",
            };
            format!("{} {verdict}", outcome.subject.replace("repo:octo/app:", ""))
        };
        let outcomes: Vec<_> = ask.outcomes.iter().map(outcome).collect();
        format!("{}: {}", ask.role.rsplit('/').next().unwrap(), outcomes.join(", "))
    };
    checked.asks.iter().map(line).collect()
}

#[test]
fn a_role_is_followed_with_the_tokens_that_ask_for_it() {
    let on = "on: {push: {branches: [main, dev]}}\npermissions: {id-token: write}\n";
    let job = |more: &str, step: &str| format!("{on}jobs: {{deploy: {{runs-on: x, {more} steps: [{step}]}}}}");
    let arn = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
    let by_ref = format!(
        "${{{{ github.ref == 'refs/heads/main' && '{}' || '{}' }}}}",
        arn("main"),
        arn("other")
    );
    let called =
        "on: {workflow_call: {inputs: {stage: {type: string}, account: {type: string}}}}\njobs: {deploy: {runs-on: x, \
                  environment: \"${{ inputs.stage }}\", steps: [STEP]}}"
            .replace(
                "STEP",
                &step("arn:aws:iam::${{ inputs.account }}:role/${{ inputs.stage }}"),
            );
    let calls = |stage: &str| {
        format!(
            "{{uses: ./.github/workflows/called.yml, permissions: {{id-token: write}}, with: {{stage: {stage}, account: \"123456789012\"}}}}"
        )
    };
    let caller = format!(
        "on: {{push: {{branches: [main]}}}}\njobs: {{a: {}, b: {}}}",
        calls("dev"),
        calls("prod")
    );
    let action = "inputs: {stage: {required: true}, account: {default: '123456789012'}}\nruns: {using: composite, steps: [STEP]}"
        .replace("STEP", &step("arn:aws:iam::${{ inputs.account }}:role/${{ inputs.stage }}"));
    let two = ["dev: environment:dev allowed", "prod: environment:prod allowed"];
    for (files, actions, want) in [
        (
            vec![(
                "matrix.yml",
                job(
                    "strategy: {matrix: {stage: [dev, prod]}}, environment: \"${{ matrix.stage }}\",",
                    &step(&arn("${{ matrix.stage }}")),
                ),
            )],
            vec![],
            two.to_vec(),
        ),
        (
            vec![(
                "include.yml",
                job(
                    "strategy: {matrix: {include: [{to: {name: dev, id: 123456789012}}, {to: {name: prod, id: 123456789012}}]}}, \
                     environment: \"${{ matrix.to.name }}\",",
                    &step("arn:aws:iam::${{ matrix.to.id }}:role/${{ matrix.to.name }}"),
                ),
            )],
            vec![],
            two.to_vec(),
        ),
        (
            vec![("called.yml", called), ("caller.yml", caller)],
            vec![],
            vec![two[0], two[1], "${{ inputs.stage }}: "],
        ),
        (
            vec![(
                "region.yml",
                job(
                    "strategy: {matrix: {region: [eu-west-1, us-east-1]}}, environment: prod,",
                    &step(&arn("prod")).replace("eu-west-1", "\"${{ matrix.region }}\""),
                ),
            )],
            vec![],
            vec!["prod: environment:prod allowed"],
        ),
        (
            vec![("ref.yml", job("", &step(&by_ref)))],
            vec![],
            vec!["main: ref:refs/heads/main allowed", "other: ref:refs/heads/dev allowed"],
        ),
        (
            vec![(
                "if.yml",
                job(
                    "",
                    &format!(
                        "{}, {}",
                        step(&arn("main")).replacen('{', "{if: \"github.ref_name == 'main'\", ", 1),
                        step(&arn("other")).replacen('{', "{if: \"github.ref_name != 'main'\", ", 1)
                    ),
                ),
            )],
            vec![],
            vec!["main: ref:refs/heads/main allowed", "other: ref:refs/heads/dev allowed"],
        ),
        (
            vec![(
                "composite.yml",
                job(
                    "environment: prod,",
                    "{uses: ./.github/actions/aws, with: {stage: prod}}",
                ),
            )],
            vec![(".github/actions/aws/action.yml", action)],
            vec!["prod: environment:prod allowed"],
        ),
    ] {
        let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let actions: Vec<_> = actions.iter().map(|(name, text)| (*name, text.as_str())).collect();
        assert_eq!(asked(&files, &actions), want, "{files:?}");
    }
}

#[test]
fn on_any_number_of_threads_the_same_is_said() {
    let workflow = |n: usize| {
        let text = format!(
            "on: {{push: {{branches: [main, dev]}}, pull_request_target: }}\npermissions: {{id-token: write}}\njobs:\n  a: {{runs-on: x, \
             steps: [{}]}}\n  b: {{runs-on: x, environment: e{n}, steps: [{}]}}\n",
            step(&format!("arn:aws:iam::123456789012:role/r{}", n % 7)),
            step("arn:aws:iam::123456789012:role/twice"),
        );
        SourceText::new(format!(".github/workflows/w{n}.yml"), text)
    };
    let files: Vec<SourceText> = (0..40).map(workflow).collect();
    let role = |name: &str, subject: &str| json!({ "RoleName": name, "AssumeRolePolicyDocument": policy("StringLike", &[subject]) });
    let mut roles: Vec<_> = (0..7)
        .map(|n| role(&format!("r{n}"), "repo:octo/app:ref:refs/heads/main"))
        .collect();
    roles.extend(["repo:octo/app:environment:e1", "repo:o*"].map(|subject| role("twice", subject)));
    let roles = json!({ "Roles": roles }).to_string();
    let prediction = predict(&repository(), &files, &|_| None);
    let said = |threads| {
        let infra = infra::read(vec![SourceText::new("roles.json", roles.clone())]);
        let checked = check(infra, &files, &prediction, &repository(), threads);
        assert!(checked.asks.len() > 100 && checked.findings.len() > 40);
        format!("{:?} {:?}", checked.asks, checked.findings)
    };
    let alone = said(1);
    for threads in [0, 2, 5] {
        assert_eq!(said(threads), alone, "{threads}");
    }
}
