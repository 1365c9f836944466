//! Only a token is given: what it says, and the smallest policy that lets it in.

use crate::{program, run, step, text};
use std::fs;

use crate::world::{Call, Scenario, World};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

fn claims(subject: &str) -> Value {
    json!({
        "iss": "https://token.actions.githubusercontent.com", "aud": "sts.amazonaws.com", "sub": subject,
        "repository": "acme/widgets", "repository_id": "2002", "repository_owner": "acme", "environment": "production",
        "ref": "refs/heads/main", "runner_environment": "github-hosted",
    })
}

fn jwt(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2lnbmF0dXJl", part(&json!({"alg": "RS256"})), part(claims))
}

const ENVIRONMENT: &str = "repo:acme/widgets:environment:production";

#[test]
fn a_token_is_shown_in_whatever_form_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let claims = claims(ENVIRONMENT);
    let token = jwt(&claims);
    let file = folder.path().join("claims.json").to_str().unwrap().to_owned();
    fs::write(&file, claims.to_string()).unwrap();
    let shown = |args: &[&str], stdin: &str| {
        let output = run(&[&["claims"], args].concat(), stdin);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "", "{args:?}");
        text(&output.stdout)
    };
    let want = shown(&[&file], "");
    for part in [
        "  acme                     the repository's owner (claim `repository_owner`)\n",
        "the job's `environment`, in place of its branch, tag or event (claim `environment`)\n",
        "  token.actions.githubusercontent.com:repository_id = 2002\n",
        "  token.actions.githubusercontent.com:enterprise_id = (not in this token)\n",
        "  \"runner_environment\": \"github-hosted\"\n",
        "        \"Federated\": \"arn:aws:iam::<ACCOUNT_ID>:oidc-provider/token.actions.githubusercontent.com\"\n",
        "\ndata \"aws_iam_policy_document\" \"trust\" {\n",
        "\nAssumeRolePolicyDocument:\n",
    ] {
        assert!(want.contains(part), "{part}\n{want}");
    }
    assert!(
        !want.contains("token.actions.githubusercontent.com:runner_environment"),
        "{want}"
    );
    let flag = format!("--claims={file}");
    for (args, stdin) in [
        (vec![&*flag], ""),
        (vec!["-"], &*claims.to_string()),
        (vec![&*claims.to_string()], ""),
        (vec![&*token], ""),
        (vec!["-"], &*token),
    ] {
        assert_eq!(shown(&args, stdin), want, "{args:?}");
    }
    assert!(shown(&["--help"], "").contains("--workflow-file"));
    // The workflow shows where the environment comes from.
    let workflow = folder.path().join("deploy.yml").to_str().unwrap().to_owned();
    fs::write(
        &workflow,
        "jobs:\n  deploy:\n    environment: production\n    steps: []\n",
    )
    .unwrap();
    let with_workflow = shown(&[&file, "--workflow-file", &workflow], "");
    assert!(with_workflow.contains("deploy.yml, line 3\n"), "{with_workflow}");
}

#[test]
fn the_smallest_policy_lets_in_this_token_and_what_lasts_the_next() {
    let role = "arn:aws:iam::123456789012:role/deploy";
    let tag = "repo:acme/widgets:ref:refs/tags/v1.2.3";
    let customized = "repository_owner:acme:environment:production";
    for (subject, next, key) in [
        (ENVIRONMENT, None, None),
        ("repo:Acme@12/Widgets@34:pull_request", None, None),
        (tag, Some("repo:acme/widgets:ref:refs/tags/v2"), None),
        (
            customized,
            None,
            Some("token.actions.githubusercontent.com:repository_id"),
        ),
    ] {
        let own = claims(subject).to_string();
        let output = run(&["claims", &own, "--role-to-assume", role, "--format=json"], "");
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said["schema"], 1);
        assert_eq!(said["claims"]["sub"], subject);
        let policy = &said["trust_policy"]["policy"];
        let condition = &policy["Statement"][0]["Condition"]["StringEquals"];
        if let Some(key) = key {
            assert_eq!(condition[key], "2002", "{policy}");
        }
        let decide = |policy: &Value, subject: &str| {
            let flags = [
                format!("--claims={}", claims(subject)),
                format!("--trust-policy={policy}"),
                format!("--role-to-assume={role}"),
                "--aws-region=eu-west-1".to_owned(),
                "--format=json".to_owned(),
            ];
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            let output = run(&[&["diagnose"], &*flags].concat(), "");
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            report["trust_policy"]["decision"].as_str().unwrap().to_owned()
        };
        assert_eq!(decide(policy, subject), "allow", "{policy}");
        assert_eq!(
            decide(policy, "repo:acme/other:environment:production"),
            "deny",
            "{policy}"
        );
        match next {
            Some(next) => {
                assert_eq!(decide(policy, next), "deny");
                assert_eq!(decide(&said["lasting"]["policy"], next), "allow", "{said}");
            }
            None => assert_eq!(said["lasting"], Value::Null, "{said}"),
        }
    }
}

#[test]
fn no_policy_is_offered_for_half_a_token() {
    for (change, value) in [
        ("sub", Value::Null),
        ("sub", json!("repo:acme/***:ref:refs/heads/main")),
        ("sub", json!("repo:acme/widgets:environment:${aws:username}")),
        ("iss", json!("https://accounts.google.com")),
        ("aud", Value::Null),
    ] {
        let mut claims = claims(ENVIRONMENT);
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(change)),
            value => claims[change] = value,
        }
        let output = run(&["claims", &claims.to_string(), "--format=json"], "");
        assert_eq!(output.status.code(), Some(0), "{claims}");
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (&said["trust_policy"], &said["lasting"]),
            (&Value::Null, &Value::Null),
            "{claims}"
        );
    }
}

#[test]
fn what_is_no_token_is_named_and_not_repeated() {
    let secret = "eyJzZWNyZXQ.eyJzZWNyZXQi.c2VjcmV0c2VjcmV0";
    for (args, stdin, want) in [
        (
            vec!["/no/such/file"],
            "",
            "error: `--claims` (`/no/such/file`): no such file",
        ),
        (vec!["-"], "{", "line 1, column 1: it is not JSON"),
        (vec!["-"], secret, "neither an ID token nor JSON"),
        (vec![secret], "", "neither an ID token nor JSON"),
        (vec![secret, secret], "", "unexpected argument"),
        (vec![secret, "--claims", secret], "", "cannot be used"),
        (vec!["-", "--format", secret], "", "error:"),
        (vec![], "", "error: no token: this is not a job that has one"),
    ] {
        let output = run(&[&["claims"], &*args].concat(), stdin);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert_eq!(text(&output.stdout), "", "{args:?}");
        assert!(said.contains(want), "{args:?}: {said}");
        assert!(!said.contains("c2VjcmV0") && !said.contains("eyJz"), "{said}");
    }
}

#[test]
fn a_job_without_a_role_gets_an_answer() {
    for (name, audience) in [
        ("nothing-at-all", "sts.amazonaws.com"),
        ("audience-alone", "https://github.com/acme"),
    ] {
        let world = World::named(name).start();
        let output = step(&world).output().unwrap();
        let (log, summary, outputs) = (text(&output.stdout), world.summary(), world.outputs());
        assert_eq!(output.status.code(), Some(0), "{name}: {log}");
        assert_eq!((&*outputs["verdict"], &*outputs["cause"]), ("undecided", ""), "{name}");
        let report: Value = serde_json::from_str(&outputs["report"]).unwrap();
        assert_eq!(report["cause"], Value::Null);
        let policy = &report["token"]["trust_policy"]["policy"];
        assert_eq!(
            policy["Statement"][0]["Condition"]["StringEquals"],
            json!({
                "token.actions.githubusercontent.com:aud": audience,
                "token.actions.githubusercontent.com:sub": ENVIRONMENT,
            }),
            "{name}"
        );
        // The runner reads the group's command, and nothing inside the group.
        let group = "\n::group::What the token says, and the smallest trust policy that accepts it\n::stop-commands::";
        let (_, folded) = log.split_once(group).unwrap_or_else(|| panic!("{log}"));
        let (folded, _) = folded.split_once("\n::endgroup::\n").unwrap();
        assert!(
            folded.contains("\"environment\": \"production\"") && folded.contains("as Terraform:"),
            "{folded}"
        );
        assert!(!log.contains("::error"), "{log}");
        // No role was given, so nothing is said about the flow of a step with one.
        assert!(!log.contains("`role-to-assume` is given"), "{log}");
        for part in [
            "<details><summary>The smallest trust policy that accepts this token</summary>",
            "#### Claims of the ID token",
        ] {
            assert!(summary.contains(part), "{name}: {part}\n{summary}");
        }
        for secret in world.secrets() {
            assert!(
                !world.output().contains(&secret) && !summary.contains(&secret),
                "{name}"
            );
        }
        let asked = |request: &crate::world::Request| request.call == Call::IdToken || request.is_rest();
        assert!(world.requests().iter().all(asked), "{name}: nothing is asked of AWS");
    }
    // The claims of the job's own token, without a step.
    let world = World::named("nothing-at-all").start();
    let output = program().arg("claims").envs(world.environment()).output().unwrap();
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(said.contains("environment:production"), "{said}");
    for secret in world.secrets() {
        assert!(!said.contains(&secret) && !text(&output.stderr).contains(&secret));
    }
}

#[test]
fn a_role_that_is_there_and_empty_is_the_cause() {
    let mut scenario = Scenario::named("audience-alone").unwrap();
    scenario
        .workflow
        .as_mut()
        .unwrap()
        .push("          role-to-assume: ${{ secrets.ROLE }}".to_owned());
    let world = World::of(scenario).start();
    let output = step(&world).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert_eq!(world.outputs()["cause"], "role-input-empty");
}

#[test]
fn without_a_policy_the_report_ends_with_one_and_with_the_next_step() {
    let world = World::named("no-iam-access").start();
    let saved = world.root().join("run.json").to_str().unwrap().to_owned();
    let output = step(&world).output().unwrap();
    let log = text(&output.stdout);
    let command = "aws iam get-role --role-name deploy --query Role.AssumeRolePolicyDocument | aws-oidc-doctor diagnose --evidence \
                   run.json --trust-policy -";
    assert!(log.contains(&format!("\n  $ {command}\n")), "{log}");
    assert!(
        world
            .summary()
            .contains(&format!("```shell\n{}\n```", command.replace(" | ", " |\n  "))),
        "{}",
        world.summary()
    );
    let report: Value = serde_json::from_str(&world.outputs()["report"]).unwrap();
    assert_eq!(report["token"]["finish"], command);
    let least = &report["token"]["trust_policy"]["policy"];
    let provider = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";
    assert_eq!(least["Statement"][0]["Principal"]["Federated"], provider);

    // What the command does: it adds the policy to the saved run.
    let own = jwt(&claims(ENVIRONMENT));
    let flags = [
        "--role-to-assume=arn:aws:iam::123456789012:role/deploy",
        "--aws-region=eu-west-1",
    ];
    let error = "--error=Not authorized to perform sts:AssumeRoleWithWebIdentity";
    let save = format!("--save-evidence={saved}");
    let offline = run(&["diagnose", "--claims", &own, error, flags[0], flags[1], &save], "");
    assert!(
        text(&offline.stdout).contains(&format!("\n  $ {command}\n")),
        "{}",
        text(&offline.stdout)
    );
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Federated": provider }, "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": { "StringEquals": { "token.actions.githubusercontent.com:sub": "repo:acme/widgets:ref:refs/heads/main" } },
    }] });
    let replay = ["diagnose", "--evidence", &saved, "--trust-policy", "-", "--format=json"];
    let finished = run(&replay, &policy.to_string());
    let report: Value = serde_json::from_slice(&finished.stdout).unwrap();
    assert_eq!(report["cause"]["id"], "subject-environment");
    assert_eq!(report["trust_policy"]["decision"], "deny");
    assert_eq!(report["token"], Value::Null, "the policy is known now");
}

#[test]
fn pages_are_found_by_number_and_by_message() {
    for (asked, want) in [
        ("1", "id-token-permission-missing"),
        ("7", "  7  subject-environment "),
        (
            "Not authorized to perform sts:AssumeRoleWithWebIdentity",
            "  7  subject-branch ",
        ),
        ("Error: Incorrect token audience", "# audience-not-registered\n"),
        ("subject-case", "# subject-case\n"),
    ] {
        let output = run(&["explain", asked], "");
        assert_eq!(output.status.code(), Some(0), "{asked}");
        assert!(text(&output.stdout).contains(want), "{asked}: {}", text(&output.stdout));
    }
    for asked in ["9", "no such thing", "-x"] {
        let output = run(&["explain", asked], "");
        assert_eq!(output.status.code(), Some(2), "{asked}");
        assert!(
            text(&output.stderr).starts_with("error: there is no check `"),
            "{asked}"
        );
    }
}

#[test]
fn nothing_to_diagnose_shows_how() {
    let output = run(&["diagnose"], "");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    let said = text(&output.stderr);
    assert_eq!(said.matches("aws-oidc-doctor diagnose --").count(), 3, "{said}");
}
