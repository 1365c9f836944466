//! A trust policy is accepted in every form people have one in, wherever one is accepted.

use crate::{run, step};
use std::fs;

use crate::world::World;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::123456789012:role/deploy";

/// The forms of a policy: the document alone, and what `aws iam get-role` prints, whole or in part, encoded or not.
fn forms(policy: &Value) -> Vec<String> {
    let role = |document: Value| json!({"RoleName": "deploy", "Arn": ROLE, "AssumeRolePolicyDocument": document});
    let encoded = Value::from(utf8_percent_encode(&policy.to_string(), NON_ALPHANUMERIC).to_string());
    let whole = [
        policy.clone(),
        json!({"Role": role(policy.clone())}),
        role(policy.clone()),
        json!({"Role": role(encoded.clone())}),
        role(encoded.clone()),
    ];
    let mut forms: Vec<String> = whole.iter().map(Value::to_string).collect();
    forms.push(encoded.as_str().unwrap().to_owned());
    forms.push(format!("{policy:#}"));
    forms
}

#[test]
fn every_form_of_a_trust_policy_is_taken_at_every_door() {
    let scenario = crate::world::Scenario::named("no-iam-access").unwrap();
    let policy = &scenario.account.roles[0].trust_policy;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let claims = json!({
        "iss": "https://token.actions.githubusercontent.com", "aud": "sts.amazonaws.com",
        "sub": "repo:acme/widgets:environment:production", "environment": "production",
    });
    let claims = file("claims.json", &claims.to_string());
    let usual = [
        "--format=json",
        &format!("--role-to-assume={ROLE}"),
        "--aws-region=eu-west-1",
        "--claims",
        &claims,
    ];
    let cause = |report: &[u8]| -> Value {
        let report: Value = serde_json::from_slice(report).unwrap_or_default();
        report["cause"]["id"].clone()
    };
    for form in forms(policy) {
        let path = file("policy.json", &form);
        for given in [&*path, &*form, "-"] {
            let given = format!("--trust-policy={given}");
            let stdin = if given.ends_with("=-") { &*form } else { "" };
            let report = run(&[&["diagnose", &given], &usual[..]].concat(), stdin).stdout;
            assert_eq!(cause(&report), "subject-environment", "{given:.60}\n{form}");
        }
        // A saved run, in which it is an object or a string.
        let document: Value = serde_json::from_str(&form).unwrap_or_else(|_| Value::from(&*form));
        for document in [document, Value::from(&*form)] {
            let saved = json!({"schema": 1, "role": {"arn": ROLE, "trust_policy": document}});
            let saved = file("saved.json", &saved.to_string());
            let report = run(&[&["diagnose", "--evidence", &saved], &usual[..]].concat(), "").stdout;
            assert_eq!(cause(&report), "subject-environment", "saved\n{form}");
        }
        // A step's input, as a path and inline.
        let world = World::named("no-iam-access").with("trust-policy", &form).start();
        fs::write(world.workspace().join("policy.json"), &form).unwrap();
        for given in [&*form, "policy.json"] {
            let mut command = step(&world);
            fs::write(world.root().join("output"), "").unwrap();
            command.env("INPUT_TRUST-POLICY", given).output().unwrap();
            let report: Value = serde_json::from_str(&world.outputs()["report"]).unwrap();
            assert_eq!(report["cause"]["id"], "subject-environment", "{given:.60}\n{form}");
            assert_eq!(report["trust_policy"]["decision"], "deny", "{given:.60}\n{form}");
        }
        // A line of `evaluate`.
        let document: Value = serde_json::from_str(&form).unwrap_or_else(|_| Value::from(&*form));
        let request = json!({
            "action": "sts:AssumeRoleWithWebIdentity", "resource": ROLE,
            "principal": {"federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"},
            "context": {
                "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                "token.actions.githubusercontent.com:sub": "repo:acme/widgets:ref:refs/heads/main",
            },
        });
        let line = json!({"id": "1", "trust_policy": document, "request": request}).to_string();
        let answer: Value = serde_json::from_slice(&run(&["evaluate", "-"], &line).stdout).unwrap();
        assert_eq!(answer["decision"], "Allow", "{answer}\n{form}");
    }
}
