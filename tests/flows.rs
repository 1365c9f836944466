//! What configure-aws-credentials would do, live: each credential flow, hop by hop. The verdict is the step's.

use crate::program;
use std::fs;

use crate::world::{Call, Fault, Scenario, World};
use serde_json::{Value, json};

const HUB: &str = "arn:aws:iam::123456789012:role/hub";
const SPOKE: &str = "arn:aws:iam::210987654321:role/deploy";
const LEAF: &str = "arn:aws:iam::333333333333:role/leaf";

/// A role's policy for AWS principals.
fn trusts(principal: &str, actions: &[&str]) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": principal}, "Action": actions}]})
}

const BOTH: &[&str] = &["sts:AssumeRole", "sts:TagSession"];

/// Hub and spokes: the hub trusts the repository's token, the first spoke the hub, the second spoke the first.
fn hub_and_spokes(spoke: &Value) -> Scenario {
    let provider = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";
    let hub = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:acme/widgets:ref:refs/heads/main",
        }},
    }]});
    let scenario = json!({
        "title": "Hub and spokes", "shows": "A chain of three.",
        "expect": {"verdict": "allowed", "cause": null, "number": null, "exit": 0},
        "account": {"id": "123456789012", "providers": [{}], "roles": [{"name": "hub", "trust-policy": hub, "reads-iam": true}]},
        "more-accounts": [
            {"id": "210987654321", "roles": [{"name": "deploy", "trust-policy": spoke}]},
            {"id": "333333333333", "roles": [{"name": "leaf", "trust-policy": trusts(SPOKE, BOTH)}]},
        ],
    });
    serde_json::from_value(scenario).unwrap()
}

/// A hub's session in the environment, and this role with `role-chaining: true`.
fn chained(spoke: &Value) -> Scenario {
    let mut scenario = hub_and_spokes(spoke);
    scenario.credentials = serde_json::from_value(json!({
        "account": "123456789012", "arn": "arn:aws:sts::123456789012:assumed-role/hub/GitHubActions", "reads-iam": false,
    }))
    .unwrap();
    scenario.with = with(&[
        ("role-to-assume", SPOKE),
        ("aws-region", "eu-west-1"),
        ("role-chaining", "true"),
    ]);
    scenario
}

fn with(inputs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    inputs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

struct Run {
    exit: Option<i32>,
    report: Value,
    evidence: Value,
}

impl Run {
    fn cause(&self) -> &str {
        self.report["cause"]["id"].as_str().unwrap_or("-")
    }

    fn told(&self) -> (Option<i32>, &str, &str, &str) {
        let text = |name: &str| self.report[name].as_str().unwrap_or_default();
        (self.exit, text("verdict"), text("flow"), self.cause())
    }
}

/// `diagnose`, with the runner's environment for a step and more flags; no secret is in any output.
fn diagnose(world: &World, flags: &[&str]) -> Run {
    let saved = world.root().join("evidence.json");
    let output = program()
        .args(world.scenario().command())
        .args(flags)
        .args(["--format=json", "--save-evidence"])
        .arg(&saved)
        .envs(world.environment())
        .output()
        .unwrap();
    let evidence = fs::read_to_string(&saved).unwrap_or_default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let shown = text(&output.stdout) + &text(&output.stderr) + &evidence;
    for secret in world.secrets() {
        assert!(!shown.contains(&secret), "{shown}");
    }
    // The saved run gives the same result elsewhere.
    let replayed = program()
        .args(["diagnose", "--format=json", "--evidence"])
        .arg(&saved)
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), text(&replayed.stdout));
    Run {
        exit: output.status.code(),
        report: serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{shown}")),
        evidence: serde_json::from_str(&evidence).unwrap(),
    }
}

/// The workflow file of a job with these steps.
fn workflow(steps: &[&[(&str, &str)]]) -> Option<Vec<String>> {
    let mut lines: Vec<String> = [
        "on: push",
        "permissions: {id-token: write}",
        "jobs:",
        "  deploy:",
        "    runs-on: x",
        "    steps:",
    ]
    .map(str::to_owned)
    .into();
    for step in steps {
        lines.push("      - uses: aws-actions/configure-aws-credentials@v6".to_owned());
        lines.push("        with:".to_owned());
        lines.extend(step.iter().map(|(name, value)| format!("          {name}: {value}")));
    }
    Some(lines)
}

#[test]
fn a_hop_that_was_not_looked_at_is_said_with_what_is_missing() {
    let allowed = json!({"outcome": "allowed"});
    let token = json!({"outcome": "denied", "code": "AccessDenied", "message": "Not authorized to perform sts:AssumeRoleWithWebIdentity"});
    for (hop, what) in [
        (
            json!({"request": {"role-to-assume": SPOKE}}),
            "; neither AWS's answer to that session nor the role's trust policy is known",
        ),
        (json!({"request": {}}), "; which role it requests is not known"),
        (
            json!({"request": {"role-to-assume": SPOKE}, "attempt": token}),
            ", and AWS's answer to the token says nothing about that session",
        ),
    ] {
        let request = json!({"role-to-assume": HUB, "aws-region": "eu-west-1"});
        let report = replay(&json!({"request": request, "attempt": allowed, "chain": [hop]}));
        let notes = report["chain"][1]["notes"].to_string();
        assert!(notes.contains("not checked: ") && notes.contains(what), "{notes}");
    }
}

/// `--nocapture` shows the lines.
#[test]
fn the_first_lines_say_which_flow_the_step_takes_and_why() {
    let role = json!({"role-to-assume": HUB, "aws-region": "eu-west-1"});
    let and = |more: Value| {
        let mut request = role.clone();
        request
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        request
    };
    let held = json!({"id_token_request": true, "aws_credentials": "environment"});
    let caller =
        json!({"arn": "arn:aws:iam::123456789012:user/ci", "account": "123456789012", "source": "environment"});
    let job = |may: bool| json!({"id_token_request": may});
    let said = |text: &str| json!({"outcome": "reported", "text": text});
    let rows = [
        (
            json!({"request": role, "runner": job(true)}),
            "oidc",
            "the step uses OIDC with the job's ID token (`role-to-assume` is given, and no keys, token file or `role-chaining`)",
        ),
        (
            json!({"request": and(json!({"by-variable": ["role-to-assume"]})), "runner": job(true)}),
            "oidc",
            "the step uses OIDC with the job's ID token (the variable `ROLE_TO_ASSUME` is given, and no keys, token file or `role-chaining`)",
        ),
        (
            json!({"request": role}),
            "oidc",
            "the step uses OIDC with the job's ID token if the job has `id-token: write`, or else any AWS credentials it finds (`role-to-assume` is given, and no keys, token file or `role-chaining`)",
        ),
        (
            json!({"request": and(json!({"not-known": {"role-chaining": "${{ inputs.chain }}"}})), "runner": job(true)}),
            "oidc",
            "the step uses OIDC with the job's ID token (`role-to-assume` is given, and no keys, token file or `role-chaining`); it depends on `role-chaining` as well, which is not known here",
        ),
        (
            json!({"request": and(json!({"use-existing-credentials": "true"})), "runner": job(true)}),
            "oidc",
            "the step uses OIDC with the job's ID token (`role-to-assume` is given, and no keys, token file or `role-chaining`); if there are valid credentials in the environment, it keeps those (`use-existing-credentials`)",
        ),
        (
            json!({"request": and(json!({"aws-region": ""})), "runner": job(true)}),
            "oidc",
            "the step stops by itself; it would use OIDC with the job's ID token (`role-to-assume` is given, and no keys, token file or `role-chaining`)",
        ),
        (
            json!({"request": and(json!({"role-chaining": "true"})), "runner": held}),
            "chaining",
            "the step uses the credentials in the environment, not the job's ID token (`role-chaining` is on)",
        ),
        (
            json!({"request": and(json!({"role-chaining": "true", "by-variable": ["role-chaining"]})), "runner": held}),
            "chaining",
            "the step uses the credentials in the environment, not the job's ID token (the variable `ROLE_CHAINING` is on)",
        ),
        (
            json!({"request": and(json!({"aws-access-key-id": "***", "aws-secret-access-key": "***"})), "runner": job(true)}),
            "keys",
            "the step uses the access key in its inputs, not the job's ID token (`aws-access-key-id` is given)",
        ),
        (
            json!({"request": and(json!({"aws-access-key-id": "***", "aws-secret-access-key": "***", "role-to-assume": ""}))}),
            "keys",
            "the step hands on the access key in its inputs, without assuming a role (`aws-access-key-id` is given, and `role-to-assume` is empty)",
        ),
        (
            json!({"request": and(json!({"web-identity-token-file": "token"})), "runner": job(true)}),
            "token-file",
            "the step uses the token in a file, not the job's own ID token (`web-identity-token-file` is given)",
        ),
        (
            json!({"request": role, "runner": job(false)}),
            "ambient",
            "the step uses whatever AWS credentials it finds, not an ID token (no `id-token: write`: `ACTIONS_ID_TOKEN_REQUEST_TOKEN` is not set)",
        ),
        (
            json!({"request": role, "attempt": said("Could not load credentials from any providers")}),
            "ambient",
            "the step uses whatever AWS credentials it finds, not an ID token (judging by the message)",
        ),
        (
            json!({"request": and(json!({"role-to-assume": ""})), "runner": held}),
            "ambient",
            "the step keeps whatever AWS credentials it finds, without assuming a role (`role-to-assume` is empty)",
        ),
        (
            json!({"request": and(json!({"role-to-assume": "", "web-identity-token-file": "token"})), "runner": held}),
            "ambient",
            "the step does nothing (`role-to-assume` is empty, and with `web-identity-token-file` it looks for no credentials)",
        ),
        (
            json!({"request": and(json!({"use-existing-credentials": "true"})), "runner": held, "caller": caller}),
            "existing",
            "the step keeps the credentials in the environment, without assuming a role (`use-existing-credentials` is set, and they are valid)",
        ),
        (
            json!({"request": and(json!({"force-skip-oidc": "true"})), "runner": job(true)}),
            "none",
            "the step stops before it calls AWS (`force-skip-oidc` is on, and neither an access key nor a token file is given)",
        ),
        (
            json!({"request": role, "attempt": said(&format!("User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:AssumeRole on resource: {HUB}"))}),
            "oidc",
            "the step uses AWS credentials, not the job's ID token (AWS's answer shows it)",
        ),
        (
            json!({"runner": job(true)}),
            "oidc",
            "which credentials the step uses is not known: it depends on its inputs, `role-to-assume` above all",
        ),
    ];
    for (evidence, flow, way) in rows {
        let shown = |format: &str| {
            let run = crate::run(&["diagnose", "--evidence=-", format], &evidence.to_string());
            crate::text(&run.stdout)
        };
        let report: Value = serde_json::from_str(&shown("--format=json")).unwrap();
        println!("{flow}: {}", report["flow_reason"]);
        assert_eq!(
            (&report["flow"], &report["flow_reason"]),
            (&json!(flow), &json!(way)),
            "{evidence}"
        );
        let console = shown("--format=console")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let (headline, _) = console.split_once(way).unwrap_or_else(|| panic!("{console}"));
        assert!(
            headline.chars().count() < 100,
            "before it stands only the headline: {headline}"
        );
        let summary = shown("--format=summary");
        let lines: Vec<&str> = summary.lines().collect();
        assert!(lines[0].starts_with("## ") && lines[1].is_empty(), "{summary}");
        let plain = |text: &str| text.replace('`', "").to_lowercase();
        assert_eq!(plain(lines[2]), plain(way), "{summary}");
    }
}

#[test]
fn a_chained_step_asks_with_the_session_at_hand_and_never_with_the_token() {
    let world = World::of(chained(&trusts(HUB, BOTH)))
        .with("role-external-id", "ticket-4711")
        .with("role-session-name", "deploy-42")
        .with("transitive-tag-keys", "Repository\nNone")
        .start();
    let run = diagnose(&world, &[]);
    assert_eq!(run.told(), (Some(0), "allowed", "chaining", "-"));
    assert!(
        world.requests_of(Call::IdToken).is_empty() && world.requests_of(Call::AssumeRoleWithWebIdentity).is_empty()
    );
    let [sent] = world.requests_of(Call::AssumeRole).try_into().unwrap();
    assert!(sent.is_signed());
    for (field, want) in [
        ("RoleArn", SPOKE),
        ("RoleSessionName", "deploy-42"),
        ("DurationSeconds", "3600"),
        ("ExternalId", "ticket-4711"),
        ("Tags.member.1.Key", "GitHub"),
        ("Tags.member.1.Value", "Actions"),
        ("Tags.member.2.Key", "Repository"),
        ("Tags.member.2.Value", "acme/widgets"),
        ("TransitiveTagKeys.member.1", "Repository"),
    ] {
        assert_eq!(sent.form.get(field).map(String::as_str), Some(want), "{field}");
    }
    assert!(!sent.form.contains_key("TransitiveTagKeys.member.2"));
    assert_eq!(
        run.evidence["caller"]["arn"],
        "arn:aws:sts::123456789012:assumed-role/hub/GitHubActions"
    );
    assert!(run.evidence["provider"].is_null() && run.evidence["token"].is_null());
}

#[test]
fn what_stands_against_a_chained_step_is_said_as_itself() {
    let other = "arn:aws:iam::123456789012:role/other";
    for (policy, input, told) in [
        (trusts(HUB, BOTH), None, (Some(0), "allowed", "-")),
        (
            trusts("arn:aws:iam::123456789012:root", BOTH),
            None,
            (Some(0), "allowed", "-"),
        ),
        (
            trusts(other, BOTH),
            None,
            (Some(1), "denied", "chained-role-not-trusted"),
        ),
        (
            trusts(HUB, &["sts:AssumeRole"]),
            None,
            (Some(1), "denied", "session-tagging-denied"),
        ),
        (
            trusts(HUB, &["sts:AssumeRole"]),
            Some(("role-skip-session-tagging", "true")),
            (Some(0), "allowed", "-"),
        ),
        (
            trusts(HUB, BOTH),
            Some(("role-duration-seconds", "7200")),
            (Some(1), "denied", "duration-out-of-range"),
        ),
        (
            trusts(HUB, BOTH),
            Some(("aws-region", "")),
            (Some(1), "denied", "region-unusable"),
        ),
        (
            trusts(HUB, BOTH),
            Some(("allowed-account-ids", "123456789012")),
            (Some(1), "denied", "account-mismatch"),
        ),
        (
            trusts(HUB, BOTH),
            Some(("unset-current-credentials", "true")),
            (Some(1), "denied", "credentials-missing"),
        ),
        (
            trusts(HUB, BOTH),
            Some(("custom-tags", "{")),
            (Some(1), "denied", "input-malformed"),
        ),
        (
            trusts(HUB, BOTH),
            Some(("use-existing-credentials", "false")),
            (Some(0), "allowed", "-"),
        ),
    ] {
        let mut setup = World::of(chained(&policy));
        if let Some((name, value)) = input {
            setup = setup.with(name, value);
        }
        let world = setup.start();
        let run = diagnose(&world, &[]);
        let (exit, verdict, _, cause) = run.told();
        assert_eq!((exit, verdict, cause), told, "{input:?} {policy}");
        assert!(world.requests_of(Call::AssumeRoleWithWebIdentity).is_empty());
        let provider = run.report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|finding| finding["stage"] == "provider");
        assert!(!provider, "{}", run.report);
    }
}

#[test]
fn without_credentials_a_chained_step_says_so() {
    let mut scenario = chained(&trusts(HUB, BOTH));
    scenario.credentials = None;
    let world = World::of(scenario).start();
    assert_eq!(
        diagnose(&world, &[]).told(),
        (Some(1), "denied", "chaining", "credentials-missing")
    );
    assert!(world.requests().iter().all(|request| request.call != Call::AssumeRole));
}

#[test]
fn keys_among_the_inputs_sign_the_call_and_are_shown_nowhere() {
    let user = "arn:aws:iam::123456789012:user/ci";
    for (inputs, role, told) in [
        (&[][..], Some(SPOKE), (Some(0), "allowed", "keys", "-")),
        (
            &[("role-duration-seconds", "7200")],
            Some(SPOKE),
            (Some(0), "allowed", "keys", "-"),
        ),
        (&[], None, (Some(0), "allowed", "keys", "-")),
        (
            &[("allowed-account-ids", "1")],
            None,
            (Some(1), "denied", "keys", "account-mismatch"),
        ),
        (
            &[("role-chaining", "true")],
            Some(SPOKE),
            (Some(0), "allowed", "keys", "-"),
        ),
        (
            &[("output-env-credentials", "false")],
            Some(SPOKE),
            (Some(1), "denied", "keys", "credentials-missing"),
        ),
        (
            &[("aws-profile", "ci")],
            Some(SPOKE),
            (Some(1), "denied", "keys", "credentials-missing"),
        ),
    ] {
        let mut scenario = hub_and_spokes(&trusts(user, BOTH));
        scenario.user =
            serde_json::from_value(json!({"account": "123456789012", "arn": user, "reads-iam": false})).unwrap();
        scenario.with = with(&[("aws-region", "eu-west-1")]);
        scenario.with.extend(with(inputs));
        scenario
            .with
            .extend(role.map(|role| ("role-to-assume".to_owned(), role.to_owned())));
        let world = World::of(scenario).start();
        let (id, secret) = world.user_keys();
        let (id, key) = (
            format!("--aws-access-key-id={id}"),
            format!("--aws-secret-access-key={secret}"),
        );
        let run = diagnose(&world, &[&id, &key]);
        assert_eq!(run.told(), told, "{inputs:?} {role:?}");
        assert!(world.requests_of(Call::IdToken).is_empty());
    }
    // Only the ID.
    let mut scenario = hub_and_spokes(&trusts(user, BOTH));
    scenario.with = with(&[("aws-region", "eu-west-1"), ("role-to-assume", SPOKE)]);
    let world = World::of(scenario).start();
    let run = diagnose(&world, &["--aws-access-key-id=AKIAIOSFODNN7EXAMPLE"]);
    assert_eq!(run.told(), (Some(1), "denied", "keys", "access-key-incomplete"));
}

#[test]
fn as_somebody_else_a_step_succeeds_and_the_report_names_whom() {
    for (role, granted, input, flow, finding) in [
        (SPOKE, false, None, "ambient", "id-token-permission-missing"),
        (
            HUB,
            true,
            Some(("use-existing-credentials", "no")),
            "existing",
            "other-credentials-used",
        ),
    ] {
        let mut scenario = chained(&trusts(HUB, BOTH));
        scenario.token.granted = granted;
        scenario.with = with(&[("aws-region", "eu-west-1"), ("role-to-assume", role)]);
        scenario.with.retain(|_, value| !value.is_empty());
        scenario
            .with
            .extend(input.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let world = World::of(scenario).start();
        let run = diagnose(&world, &[]);
        assert_eq!(run.told(), (Some(0), "allowed", flow, "-"), "{role}");
        let found = run.report["findings"].as_array().unwrap();
        let risk = found
            .iter()
            .find(|found| found["id"] == finding)
            .unwrap_or_else(|| panic!("{}", run.report));
        assert_eq!(risk["severity"], "risk");
        assert!(
            risk["message"]
                .as_str()
                .unwrap()
                .contains("assumed-role/hub/GitHubActions"),
            "{risk}"
        );
        assert!(world.requests_of(Call::AssumeRoleWithWebIdentity).is_empty());
    }
    // Without credentials at hand the same steps fail.
    let mut scenario = hub_and_spokes(&trusts(HUB, BOTH));
    scenario.token.granted = false;
    scenario.with = with(&[("aws-region", "eu-west-1"), ("role-to-assume", SPOKE)]);
    let run = diagnose(&World::of(scenario).start(), &[]);
    let wanted = (Some(1), "denied", "ambient", "id-token-permission-missing");
    assert_eq!(run.told(), wanted);
}

#[test]
fn a_token_file_is_sent_as_the_step_would_and_no_link_is_followed() {
    let set_up = || {
        let mut scenario = hub_and_spokes(&trusts(HUB, BOTH));
        scenario.with = with(&[
            ("aws-region", "eu-west-1"),
            ("role-to-assume", HUB),
            ("web-identity-token-file", "token"),
        ]);
        World::of(scenario).start()
    };
    let claims = set_up().scenario().claims(Some("sts.amazonaws.com"), i64::MAX / 2, "1");
    use base64::Engine as _;
    let encode = |text: String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let token = format!(
        "{}.{}.c2lnbmF0dXJl",
        encode(r#"{"alg":"RS256"}"#.to_owned()),
        encode(Value::Object(claims).to_string())
    );

    let world = set_up();
    fs::write(world.workspace().join("token"), &token).unwrap();
    assert_eq!(diagnose(&world, &[]).told(), (Some(0), "allowed", "token-file", "-"));
    let [sent] = world.requests_of(Call::AssumeRoleWithWebIdentity).try_into().unwrap();
    assert_eq!(sent.form["WebIdentityToken"], token);
    assert!(world.requests_of(Call::IdToken).is_empty());

    let world = set_up();
    assert_eq!(
        diagnose(&world, &[]).told(),
        (Some(1), "denied", "token-file", "token-file-unusable")
    );
    let world = set_up();
    fs::write(world.workspace().join("real"), &token).unwrap();
    std::os::unix::fs::symlink("real", world.workspace().join("token")).unwrap();
    assert_eq!(
        diagnose(&world, &[]).told(),
        (Some(1), "denied", "token-file", "token-file-unusable")
    );
    assert!(world.requests_of(Call::AssumeRoleWithWebIdentity).is_empty());
}

#[test]
fn a_token_file_or_key_that_only_the_checkout_names_is_not_sent() {
    for input in ["web-identity-token-file", "aws-access-key-id"] {
        let mut scenario = hub_and_spokes(&trusts(HUB, BOTH));
        scenario.workflow = workflow(&[&[
            ("role-to-assume", HUB),
            ("aws-region", "eu-west-1"),
            (input, "planted"),
            ("aws-secret-access-key", "planted"),
        ]]);
        let world = World::of(scenario).start();
        let planted = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJl";
        fs::write(world.workspace().join("planted"), planted).unwrap();
        let run = diagnose(&world, &[]);
        assert_ne!(run.report["verdict"], "allowed", "{input}: {}", run.report);
        for call in [
            Call::AssumeRoleWithWebIdentity,
            Call::AssumeRole,
            Call::GetCallerIdentity,
        ] {
            assert!(world.requests_of(call).is_empty(), "{input}: {call:?}");
        }
    }
}

#[test]
fn what_lets_the_step_in_on_the_ninth_call_lets_the_doctor_in() {
    for (call, scenario) in [
        (Call::IdToken, Scenario::named("healthy").unwrap()),
        (Call::AssumeRoleWithWebIdentity, Scenario::named("healthy").unwrap()),
        (Call::AssumeRole, chained(&trusts(HUB, BOTH))),
    ] {
        for fault in [Fault::Status(429), Fault::Status(503), Fault::Reset] {
            let world = World::of(scenario.clone()).fault_times(call, fault, 8).start();
            let run = diagnose(&world, &[]);
            assert_eq!(
                (run.exit, &run.report["verdict"]),
                (Some(0), &json!("allowed")),
                "{call:?} {fault:?}"
            );
            assert_eq!(world.requests_of(call).len(), 9, "{call:?} {fault:?}");
        }
    }
}

/// A job whose first step is the hub's, with the id `creds`; the keys of the others are its outputs.
fn by_outputs(first: &[(&str, &str)], has_token: bool, roles: &[&str]) -> Scenario {
    const KEYS: [(&str, &str); 3] = [
        ("aws-access-key-id", "${{ steps.creds.outputs.aws-access-key-id }}"),
        (
            "aws-secret-access-key",
            "${{ steps.creds.outputs.aws-secret-access-key }}",
        ),
        ("aws-session-token", "${{ steps.creds.outputs.aws-session-token }}"),
    ];
    let region = ("aws-region", "eu-west-1");
    let first = [&[region, ("role-to-assume", HUB)], first].concat();
    let keys = &KEYS[..if has_token { 3 } else { 2 }];
    let others = roles
        .iter()
        .map(|role| [&[region, ("role-to-assume", role)], keys].concat());
    let steps: Vec<_> = [first].into_iter().chain(others).collect();
    let steps: Vec<_> = steps.iter().map(Vec::as_slice).collect();
    let mut lines = workflow(&steps).unwrap();
    let at = lines.iter().position(|line| line.contains("uses:")).unwrap();
    lines.insert(at + 1, "        id: creds".to_owned());
    let mut scenario = hub_and_spokes(&trusts(HUB, BOTH));
    scenario.workflow = Some(lines);
    scenario
}

/// configure-aws-credentials' README, "Retrieving credentials from step output".
#[test]
fn keys_that_are_the_outputs_of_a_step_are_its_session() {
    const OUT: (&str, &str) = ("output-credentials", "true");
    let silent = ("output-env-credentials", "false");
    for first in [&[OUT][..], &[OUT, silent]] {
        let world = World::of(by_outputs(first, true, &[SPOKE])).start();
        let run = diagnose(&world, &[]);
        assert_eq!(run.told(), (Some(0), "allowed", "keys", "-"), "{}", run.report);
        let caller = &run.evidence["chain"][0]["caller"]["arn"];
        assert_eq!(caller, "arn:aws:sts::123456789012:assumed-role/hub/GitHubActions");
    }

    // AWS refuses a session's keys without its token.
    let run = diagnose(&World::of(by_outputs(&[OUT], false, &[SPOKE])).start(), &[]);
    assert_eq!(
        run.told(),
        (Some(1), "denied", "keys", "other-credentials-used"),
        "{}",
        run.report
    );
    let help = run.report["findings"][0]["help"].to_string();
    assert!(help.contains("`aws-session-token` is empty"), "{help}");

    // Without `output-credentials` the outputs are empty, and the step asks with the job's token.
    let run = diagnose(&World::of(by_outputs(&[], true, &[SPOKE])).start(), &[]);
    assert_eq!(
        run.told(),
        (Some(1), "denied", "oidc", "role-chaining-missing"),
        "{}",
        run.report
    );

    let notes = run.report["notes"].to_string();
    assert!(notes.contains("its `output-credentials` is not `true`"), "{notes}");

    // Another step in between makes no difference, and a step that fails has no outputs.
    let mut scenario = by_outputs(&[OUT], true, &[LEAF, SPOKE]);
    let run = diagnose(&World::of(scenario.clone()).start(), &[]);
    let verdicts: Vec<_> = run.report["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["verdict"].clone())
        .collect();
    assert_eq!(verdicts, ["denied", "allowed"], "{}", run.report);
    scenario.sts = serde_json::from_value(json!("deny")).unwrap();
    let run = diagnose(&World::of(scenario).start(), &[]);
    assert_eq!(run.report["runs"][1]["verdict"], "undecided", "{}", run.report);
}

#[test]
fn steps_in_a_row_are_hops_and_each_begins_with_the_session_before() {
    let steps: &[&[(&str, &str)]] = &[
        &[("role-to-assume", HUB), ("aws-region", "eu-west-1")],
        &[("role-to-assume", SPOKE), ("role-chaining", "true")],
        &[("role-to-assume", LEAF), ("role-chaining", "true")],
    ];
    let mut scenario = hub_and_spokes(&trusts(HUB, BOTH));
    scenario.workflow = workflow(steps);
    let world = World::of(scenario.clone()).start();
    let run = diagnose(&world, &[]);
    assert_eq!(run.told(), (Some(0), "allowed", "chaining", "-"));
    let hops = run.report["chain"].as_array().unwrap();
    let told: Vec<_> = hops
        .iter()
        .map(|hop| (hop["role"].as_str().unwrap(), hop["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [(HUB, "allowed"), (SPOKE, "allowed"), (LEAF, "allowed")]);
    assert_eq!(run.report["runs"].as_array().unwrap().len(), 1);
    assert_eq!(run.evidence["chain"].as_array().unwrap().len(), 2);
    assert_eq!(
        run.evidence["chain"][1]["caller"]["arn"],
        "arn:aws:sts::210987654321:assumed-role/deploy/GitHubActions"
    );
    // The region that the first step exported.
    assert_eq!(run.evidence["chain"][0]["request"]["aws-region"], "eu-west-1");

    // The same by `--then`.
    let mut scenario = hub_and_spokes(&trusts(HUB, BOTH));
    scenario.with = with(&[("role-to-assume", HUB), ("aws-region", "eu-west-1")]);
    let world = World::of(scenario).start();
    let run = diagnose(&world, &["--then", SPOKE, "--then", LEAF]);
    assert_eq!(
        (run.told(), run.report["chain"].as_array().unwrap().len()),
        ((Some(0), "allowed", "chaining", "-"), 3)
    );

    // It breaks at the second hop; the third is diagnosed anyway.
    let mut scenario = hub_and_spokes(&trusts("arn:aws:iam::123456789012:role/other", BOTH));
    scenario.workflow = workflow(steps);
    let world = World::of(scenario).start();
    let run = diagnose(&world, &[]);
    assert_eq!(run.told(), (Some(1), "denied", "chaining", "chained-role-not-trusted"));
    assert_eq!(run.report["role"], SPOKE);
    let hops = run.report["chain"].as_array().unwrap();
    assert_eq!(
        (&hops[0]["verdict"], &hops[1]["verdict"]),
        (&json!("allowed"), &json!("denied"))
    );
    assert_eq!(
        world.requests_of(Call::AssumeRole).len(),
        1,
        "the job does not come to the third"
    );

    // A first step that exports nothing leaves nothing to chain from.
    let silent: &[&[(&str, &str)]] = &[
        &[
            ("role-to-assume", HUB),
            ("aws-region", "eu-west-1"),
            ("output-env-credentials", "false"),
        ],
        &[
            ("role-to-assume", SPOKE),
            ("aws-region", "eu-west-1"),
            ("role-chaining", "true"),
        ],
    ];
    let mut scenario = hub_and_spokes(&trusts(HUB, BOTH));
    scenario.workflow = workflow(silent);
    let run = diagnose(&World::of(scenario).start(), &[]);
    assert_eq!(run.told(), (Some(1), "denied", "chaining", "credentials-missing"));

    // Without `role-chaining` the second step uses the token again.
    let mut scenario = hub_and_spokes(&trusts(HUB, BOTH));
    scenario.workflow = workflow(&[steps[0], &[("role-to-assume", SPOKE), ("aws-region", "eu-west-1")]]);
    let run = diagnose(&World::of(scenario).start(), &[]);
    assert_eq!(run.told(), (Some(1), "denied", "oidc", "role-chaining-missing"));
    assert_eq!(run.report["runs"].as_array().unwrap().len(), 2);
}

#[test]
fn credentials_that_aws_does_not_take_end_the_step() {
    // The world rejects the environment's keys and accepts the user's.
    let user = "arn:aws:iam::123456789012:user/ci";
    let stale = [
        ("AWS_ACCESS_KEY_ID", "ASIASTALESTALESTALE1"),
        ("AWS_SECRET_ACCESS_KEY", "staleStaleStaleStaleStaleStaleStaleStale"),
        (
            "AWS_SESSION_TOKEN",
            "stale/session/token/of/an/earlier/step/which/has/ended",
        ),
    ];
    for (inputs, has_keys, told) in [
        (&[("role-chaining", "true")][..], false, (Some(1), "denied", "chaining")),
        (
            &[("use-existing-credentials", "true")],
            false,
            (Some(1), "denied", "oidc"),
        ),
        (&[], true, (Some(0), "allowed", "keys")),
        // The client that found the stale ones keeps them.
        (
            &[("use-existing-credentials", "true")],
            true,
            (Some(1), "denied", "keys"),
        ),
        (
            &[("use-existing-credentials", "true"), ("role-chaining", "true")],
            true,
            (Some(0), "allowed", "keys"),
        ),
    ] {
        let mut scenario = hub_and_spokes(&trusts(user, BOTH));
        scenario.user =
            serde_json::from_value(json!({"account": "123456789012", "arn": user, "reads-iam": false})).unwrap();
        scenario.env = with(&stale);
        scenario.with = with(&[("aws-region", "eu-west-1"), ("role-to-assume", SPOKE)]);
        scenario.with.extend(with(inputs));
        let world = World::of(scenario).start();
        let (id, secret) = world.user_keys();
        let keys = [
            format!("--aws-access-key-id={id}"),
            format!("--aws-secret-access-key={secret}"),
        ];
        let keys: Vec<&str> = keys.iter().filter(|_| has_keys).map(String::as_str).collect();
        let run = diagnose(&world, &keys);
        let (exit, verdict, flow, _) = run.told();
        assert_eq!((exit, verdict, flow), told, "{inputs:?}: {}", run.evidence);
    }
}

#[test]
fn what_does_not_pass_is_asked_once_and_without_retries_three_times() {
    for (status, code, message, input, calls) in [
        (403, "AccessDenied", "", None, 1),
        (
            400,
            "InvalidIdentityToken",
            "Couldn't retrieve verification key from your identity provider,  please",
            None,
            12,
        ),
        (
            400,
            "InvalidIdentityToken",
            "Couldn't retrieve verification key from your identity provider,  please",
            Some(("disable-retry", "true")),
            1,
        ),
        (400, "Throttling", "Rate exceeded", Some(("disable-retry", "true")), 3),
        (400, "Throttling", "Rate exceeded", Some(("retry-max-attempts", "2")), 6),
    ] {
        let mut scenario = Scenario::named("healthy").unwrap();
        scenario.sts = serde_json::from_value(json!({"status": status, "code": code, "message": message})).unwrap();
        scenario
            .with
            .extend(input.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let world = World::of(scenario).start();
        diagnose(&world, &[]);
        assert_eq!(
            world.requests_of(Call::AssumeRoleWithWebIdentity).len(),
            calls,
            "{code} {input:?}"
        );
    }
}

#[test]
fn tags_that_do_not_pack_are_dropped_once_and_their_transitive_keys_stay() {
    for (transitive, outcome) in [("Repository", "allowed"), ("Repository\nRunId", "denied")] {
        let world = World::of(chained(&trusts(HUB, BOTH)))
            .with("transitive-tag-keys", transitive)
            .fault_times(Call::AssumeRole, Fault::TagsTooLarge, 1)
            .start();
        let run = diagnose(&world, &[]);
        let [first, second] = world.requests_of(Call::AssumeRole).try_into().unwrap();
        let has = |request: &crate::world::Request, key: &str| request.form.values().any(|value| value == key);
        assert!(has(&first, "TriggeringActor") && !has(&second, "TriggeringActor") && has(&second, "Repository"));
        assert_eq!(run.report["verdict"], outcome, "{}", run.evidence);
    }
}

#[test]
fn tags_that_pack_a_moment_later_are_sent_again() {
    for (times, outcome, calls) in [(3, "allowed", 4), (50, "denied", 6)] {
        let world = World::of(chained(&trusts(HUB, BOTH)))
            .fault_times(Call::AssumeRole, Fault::TagsTooLarge, times)
            .start();
        let run = diagnose(&world, &[]);
        assert_eq!(run.report["verdict"], outcome, "{}", run.evidence);
        assert_eq!(world.requests_of(Call::AssumeRole).len(), calls);
    }
}

/// A hop with these inputs, as evidence.
fn hop(role: &str, policy: Option<Value>) -> Value {
    let mut hop = json!({"request": {"role-to-assume": role, "role-chaining": "true", "role-skip-session-tagging": "", "aws-region": "eu-west-1"}});
    if let Some(policy) = policy {
        hop["role"] = json!({"arn": role, "trust_policy": policy});
    }
    hop
}

fn replay(evidence: &Value) -> Value {
    replay_with(evidence, &[])
}

fn replay_with(evidence: &Value, flags: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("evidence.json");
    fs::write(&file, evidence.to_string()).unwrap();
    let output = program()
        .args(["diagnose", "--format=json", "--evidence"])
        .arg(&file)
        .args(flags)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn each_hop_of_a_saved_chain_is_evaluated_with_the_session_of_the_one_before() {
    let first = |session: &str| {
        json!({
            "schema": 1,
            "request": {"role-to-assume": HUB, "aws-region": "eu-west-1", "role-session-name": session},
            "attempt": {"outcome": "allowed"},
        })
    };
    let session = |name: &str| format!("arn:aws:sts::123456789012:assumed-role/hub/{name}");
    for (chain, deciding, verdict, cause) in [
        (vec![hop(SPOKE, Some(trusts(HUB, BOTH)))], SPOKE, "allowed", "-"),
        (
            vec![hop(SPOKE, Some(trusts(&session("ci"), BOTH)))],
            SPOKE,
            "allowed",
            "-",
        ),
        (
            vec![hop(SPOKE, Some(trusts(&session("other"), BOTH)))],
            SPOKE,
            "denied",
            "chained-role-not-trusted",
        ),
        (
            vec![hop(SPOKE, Some(trusts(LEAF, BOTH)))],
            SPOKE,
            "denied",
            "chained-role-not-trusted",
        ),
        (
            vec![hop(SPOKE, Some(trusts(HUB, &["sts:AssumeRole"])))],
            SPOKE,
            "denied",
            "session-tagging-denied",
        ),
        (vec![hop(SPOKE, None)], SPOKE, "undecided", "-"),
        // The hop after an unknown or failed one is diagnosed anyway.
        (
            vec![hop(SPOKE, None), hop(LEAF, Some(trusts(HUB, BOTH)))],
            LEAF,
            "denied",
            "chained-role-not-trusted",
        ),
        (
            vec![
                hop(SPOKE, Some(trusts(HUB, BOTH))),
                hop(LEAF, Some(trusts(SPOKE, BOTH))),
            ],
            LEAF,
            "allowed",
            "-",
        ),
    ] {
        let mut evidence = first("ci");
        evidence["chain"] = json!(chain);
        let report = replay(&evidence);
        let found = (
            report["role"].as_str().unwrap(),
            report["verdict"].as_str().unwrap(),
            report["cause"]["id"].as_str().unwrap_or("-"),
        );
        assert_eq!(found, (deciding, verdict, cause), "{evidence}");
        assert_eq!(report["chain"].as_array().unwrap().len(), chain.len() + 1);
        assert_eq!(
            (&report["flow"], &report["chain"][0]["flow"]),
            (&json!("chaining"), &json!("oidc"))
        );
    }
    // The hub's step keeps its session to itself.
    let mut evidence = first("ci");
    evidence["request"]["output-env-credentials"] = json!("false");
    evidence["runner"] = json!({"aws_credentials": "none", "runner_environment": "github-hosted"});
    evidence["chain"] = json!([hop(SPOKE, Some(trusts(HUB, BOTH)))]);
    assert_eq!(replay(&evidence)["cause"]["id"], "credentials-missing");
    // A chain that returns to a role, and an endless one.
    let mut evidence = first("ci");
    evidence["chain"] = json!([hop(SPOKE, Some(trusts(HUB, BOTH))), hop(HUB, Some(trusts(SPOKE, BOTH)))]);
    let report = replay(&evidence);
    assert!(
        report["chain"][2]["notes"]
            .to_string()
            .contains("returns to the role of hop 1"),
        "{report}"
    );
    evidence["chain"] = json!(vec![hop(SPOKE, None); 40]);
    let report = replay(&evidence);
    assert_eq!(report["chain"].as_array().unwrap().len(), 10);
    assert!(
        report["chain"][0]["notes"].to_string().contains("31 more hops"),
        "{report}"
    );
}

/// Where its source is misleading: what configure-aws-credentials v6.2.3 was observed to do in these worlds.
#[test]
fn odd_ways_end_as_the_action_was_seen_to_end_them() {
    let id = ("aws-access-key-id", "AKIAIOSFODNN7EXAMPLE");
    let user = "arn:aws:iam::123456789012:user/ci";
    for (at_hand, has_keys, inputs, exit) in [
        // Valid existing credentials are kept before the key's secret, the role's name or the accounts are checked.
        (
            true,
            false,
            &[("role-to-assume", HUB), id, ("use-existing-credentials", "x")][..],
            0,
        ),
        (true, false, &[id, ("use-existing-credentials", "x")], 0),
        (
            true,
            false,
            &[("role-to-assume", "hub"), ("use-existing-credentials", "no")],
            0,
        ),
        (
            true,
            false,
            &[
                ("role-to-assume", HUB),
                ("use-existing-credentials", "x"),
                ("allowed-account-ids", "1"),
            ],
            0,
        ),
        (
            true,
            false,
            &[
                ("role-to-assume", HUB),
                ("use-existing-credentials", "x"),
                ("force-skip-oidc", "true"),
            ],
            1,
        ),
        // Without a role, a token file keeps the step from looking for credentials at all.
        (false, false, &[("web-identity-token-file", "nowhere")], 0),
        (
            false,
            false,
            &[("web-identity-token-file", "nowhere"), ("role-chaining", "true")],
            1,
        ),
        // The keys' account completes a role's name, whatever is sent then, and whoever signs it.
        (
            true,
            true,
            &[("role-to-assume", "deploy"), ("output-env-credentials", "false")],
            1,
        ),
        (false, true, &[("role-to-assume", "own"), ("aws-profile", "default")], 0),
    ] {
        let mut scenario = chained(&trusts(HUB, BOTH));
        let own = json!({"name": "own", "trust-policy": trusts(user, BOTH)});
        scenario.account.roles.push(serde_json::from_value(own).unwrap());
        scenario.user =
            serde_json::from_value(json!({"account": "123456789012", "arn": user, "reads-iam": false})).unwrap();
        scenario.credentials = scenario.credentials.filter(|_| at_hand);
        scenario.with = with(inputs);
        scenario.with.insert("aws-region".to_owned(), "eu-west-1".to_owned());
        let world = World::of(scenario).start();
        let (id, secret) = world.user_keys();
        let keys = [
            format!("--aws-access-key-id={id}"),
            format!("--aws-secret-access-key={secret}"),
        ];
        let keys: Vec<&str> = keys.iter().filter(|_| has_keys).map(String::as_str).collect();
        let run = diagnose(&world, &keys);
        assert_eq!(run.exit, Some(exit), "{at_hand} {inputs:?}: {}", run.evidence);
    }
}

#[test]
fn every_hops_secrets_are_masked_first_and_stand_nowhere() {
    let user = "arn:aws:iam::123456789012:user/ci";
    let mut scenario = hub_and_spokes(&trusts(user, BOTH));
    scenario.user =
        serde_json::from_value(json!({"account": "123456789012", "arn": user, "reads-iam": false})).unwrap();
    scenario.with = with(&[("role-to-assume", SPOKE), ("aws-region", "eu-west-1"), ("then", LEAF)]);
    let world = World::of(scenario).start();
    let (id, secret) = world.user_keys();
    let output = program()
        .arg("action")
        .envs(world.environment())
        .env("INPUT_AWS-ACCESS-KEY-ID", &id)
        .env("INPUT_AWS-SECRET-ACCESS-KEY", &secret)
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert_eq!(
        world.requests_of(Call::AssumeRole).len(),
        2,
        "the second is signed with the session of the first"
    );
    let (masks, shown): (Vec<&str>, Vec<&str>) = log.lines().partition(|line| line.starts_with("::add-mask::"));
    let shown = shown.join("\n") + &world.summary() + &world.output();
    for secret in world.secrets() {
        assert!(!shown.contains(&secret), "{shown}");
    }
    assert!(masks.contains(&&*format!("::add-mask::{secret}")));
    assert_eq!(world.exported(), "");
    assert!(!String::from_utf8_lossy(&output.stderr).contains(&secret));
}

#[test]
fn further_hops_can_be_asked_about_without_a_job() {
    for region in [json!(null), json!("eu-west-1")] {
        let mut evidence = json!({"request": {"role-to-assume": HUB}, "attempt": {"outcome": "allowed"}});
        evidence["chain"] = json!([hop(SPOKE, Some(trusts(HUB, BOTH)))]);
        evidence["chain"][0]["request"]["aws-region"] = region;
        let report = replay_with(&evidence, &["--then", LEAF]);
        let hops = report["chain"].as_array().unwrap();
        let told: Vec<_> = hops.iter().map(|hop| hop["verdict"].as_str().unwrap()).collect();
        // Only the last one's caller is known.
        assert_eq!(told, ["allowed", "allowed", "undecided"], "{report}");
        assert_eq!(
            (&report["role"], &report["verdict"]),
            (&json!(LEAF), &json!("undecided"))
        );
    }
}

#[test]
fn a_profile_that_is_named_comes_before_the_variables() {
    let user = "arn:aws:iam::123456789012:user/ci";
    let both = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": [HUB, user]}, "Action": BOTH}]});
    for (profile, exit, caller) in [
        (None, 0, ":assumed-role/hub/GitHubActions"),
        (Some("ci"), 0, ":user/ci"),
        (Some("gone"), 1, ""),
    ] {
        let mut scenario = chained(&both);
        scenario.user =
            serde_json::from_value(json!({"account": "123456789012", "arn": user, "reads-iam": false})).unwrap();
        scenario
            .env
            .extend(profile.map(|name| ("AWS_PROFILE".to_owned(), name.to_owned())));
        let world = World::of(scenario).start();
        let (id, secret) = world.user_keys();
        fs::create_dir_all(world.root().join("home/.aws")).unwrap();
        let file = format!("[ci]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
        fs::write(world.root().join("home/.aws/credentials"), file).unwrap();
        let run = diagnose(&world, &[]);
        assert_eq!(run.exit, Some(exit), "{profile:?}: {}", run.evidence);
        let found = run.evidence["caller"]["arn"].as_str().unwrap_or_default();
        assert!(found.ends_with(caller), "{profile:?}: {found}");
    }
}

/// A policy of the caller's.
fn grants(actions: &[&str], role: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": actions, "Resource": role}})
}

/// A trust policy that requires the external ID, with a separate statement for the tags.
fn with_external_id(principal: &str) -> Value {
    let mut policy = trusts(principal, &["sts:AssumeRole"]);
    policy["Statement"][0]["Condition"] = json!({"StringEquals": {"sts:ExternalId": "ticket-4711"}});
    let tags = trusts(principal, &["sts:TagSession"])["Statement"][0].clone();
    policy["Statement"].as_array_mut().unwrap().push(tags);
    policy
}

/// Sets up the hub: its role's sessions, from an earlier step or the previous hop.
fn hub(scenario: &mut Scenario, reads: bool, policies: Value, boundary: Option<Value>) {
    let role = &mut scenario.account.roles[0];
    role.reads_iam = reads;
    role.policies = serde_json::from_value(policies).unwrap();
    role.permissions_boundary = boundary;
    if let Some(credentials) = &mut scenario.credentials {
        credentials.reads_iam = reads;
    }
}

/// What blocks a hop, on either side, and what the report says: with the caller's policies readable and unreadable.
#[test]
fn what_stands_against_a_hop_is_said_by_the_side_it_stands_on() {
    let other = "arn:aws:iam::210987654321:role/other";
    let managed = "arn:aws:iam::123456789012:policy/assume";
    let fits = || json!({"assume": grants(BOTH, SPOKE)});
    let scp = "User: arn:aws:sts::123456789012:assumed-role/hub/GitHubActions is not authorized to perform: sts:AssumeRole on resource: \
               arn:aws:iam::210987654321:role/deploy with an explicit deny in a service control policy";
    let (certain, likely) = ("certain", "likely");
    type Row<'a> = (
        &'a str,
        Value,
        Value,
        Option<Value>,
        Option<(&'a str, &'a str)>,
        [(&'a str, &'a str, usize); 2],
    );
    let rows: [Row<'_>; 12] = [
        ("works", trusts(HUB, BOTH), fits(), None, None, [("-", "", 0); 2]),
        (
            "works by a managed policy, within a boundary",
            trusts(HUB, BOTH),
            json!({managed: grants(BOTH, "*")}),
            Some(grants(&["*"], "*")),
            None,
            [("-", "", 0); 2],
        ),
        (
            "denied by identity",
            trusts(HUB, BOTH),
            json!({"a": grants(BOTH, other), managed: grants(&["s3:GetObject"], "*")}),
            None,
            None,
            [
                ("caller-not-allowed", certain, 1),
                ("chained-role-not-trusted", likely, 0),
            ],
        ),
        (
            "denied by identity: none attached",
            trusts(HUB, BOTH),
            json!({}),
            None,
            None,
            [
                ("caller-not-allowed", certain, 1),
                ("chained-role-not-trusted", likely, 0),
            ],
        ),
        (
            "denied by the boundary",
            trusts(HUB, BOTH),
            fits(),
            Some(grants(&["s3:GetObject"], "*")),
            None,
            [
                ("caller-not-allowed", likely, 0),
                ("chained-role-not-trusted", likely, 0),
            ],
        ),
        (
            "denied by trust",
            trusts(other, BOTH),
            fits(),
            None,
            None,
            [("chained-role-not-trusted", likely, 0); 2],
        ),
        (
            "tags denied by identity",
            trusts(HUB, BOTH),
            json!({"a": grants(&["sts:AssumeRole"], SPOKE)}),
            None,
            None,
            [
                ("session-tagging-denied", certain, 1),
                ("session-tagging-denied", certain, 0),
            ],
        ),
        (
            "tags denied by trust",
            trusts(HUB, &["sts:AssumeRole"]),
            fits(),
            None,
            None,
            [("session-tagging-denied", certain, 0); 2],
        ),
        (
            "external ID",
            with_external_id(HUB),
            fits(),
            None,
            None,
            [("chained-role-not-trusted", likely, 0); 2],
        ),
        (
            "external ID, sent",
            with_external_id(HUB),
            fits(),
            None,
            Some(("role-external-id", "ticket-4711")),
            [("-", "", 0); 2],
        ),
        (
            "duration",
            trusts(HUB, BOTH),
            fits(),
            None,
            Some(("role-duration-seconds", "7200")),
            [("duration-out-of-range", certain, 0); 2],
        ),
        (
            "service control policy",
            trusts(HUB, BOTH),
            fits(),
            None,
            Some(("scp", scp)),
            [("caller-not-allowed", certain, 0); 2],
        ),
    ];
    for (name, trust, policies, boundary, input, told) in rows {
        for (reads, (cause, certainty, fixes)) in [true, false].into_iter().zip(told) {
            for is_chain in [false, true] {
                // The second hop of a chain, or a step that starts with an earlier step's session.
                let mut scenario = if is_chain {
                    hub_and_spokes(&trust)
                } else {
                    chained(&trust)
                };
                if is_chain {
                    scenario.with = with(&[("role-to-assume", HUB), ("aws-region", "eu-west-1")]);
                }
                hub(&mut scenario, reads, policies.clone(), boundary.clone());
                match input {
                    Some(("scp", message)) => {
                        scenario.assume_role =
                            serde_json::from_value(json!({"status": 403, "code": "AccessDenied", "message": message}))
                                .unwrap();
                    }
                    // A further hop of `then` has only the defaults.
                    Some(_) if is_chain => continue,
                    Some((name, value)) => {
                        scenario.with.insert(name.to_owned(), value.to_owned());
                    }
                    None => {}
                }
                let world = World::of(scenario).start();
                let then: &[&str] = if is_chain { &["--then", SPOKE] } else { &[] };
                let run = diagnose(&world, then);
                println!(
                    "{name} | {} | {reads} | {} {}",
                    run.report["flow"],
                    run.cause(),
                    run.report["cause"]["certainty"]
                );
                let place = format!(
                    "{name}, readable: {reads}, chain: {is_chain}: {:#}",
                    run.report["findings"]
                );
                assert_eq!(run.cause(), cause, "{place}");
                assert_eq!(run.exit, Some(i32::from(cause != "-")), "{place}");
                assert_eq!(
                    run.report["cause"]["certainty"].as_str().unwrap_or_default(),
                    certainty,
                    "{place}"
                );
                let found = run.report["findings"].as_array().unwrap();
                let offered = found.iter().flat_map(|finding| finding["fixes"].as_array().unwrap());
                assert_eq!(
                    offered.filter(|fix| fix["target"] == "caller-policy").count(),
                    fixes,
                    "{place}"
                );
                // If the step gets in, IAM isn't asked for policies.
                let asked = world.requests_of(Call::RolePolicies);
                assert_eq!(
                    asked.is_empty(),
                    cause == "-" || run.report["cause"]["id"] == "duration-out-of-range" && asked.is_empty(),
                    "{place}"
                );
                assert!(asked.iter().all(|request| request.is_signed()));
            }
        }
    }
}

/// What the report says in each flow, for each side that can deny it, with policies readable and unreadable. `--nocapture` shows the table.
#[test]
fn each_flow_says_which_side_denies_it() {
    const USER: &str = "arn:aws:iam::123456789012:user/ci";
    let session = "arn:aws:sts::123456789012:assumed-role/hub/GitHubActions";
    let other = "arn:aws:iam::210987654321:role/other";
    let scp = "with an explicit deny in a service control policy";
    let (chained_no, caller_no) = ("chained-role-not-trusted", "caller-not-allowed");
    // With policies readable and unreadable.
    let rows: [(&str, [&str; 2]); 7] = [
        ("works", ["-"; 2]),
        ("identity side", [caller_no, chained_no]),
        ("trust", [chained_no; 2]),
        ("tags", ["session-tagging-denied"; 2]),
        ("external id", ["external-id-mismatch", chained_no]),
        ("duration", ["duration-out-of-range"; 2]),
        ("service control policy", [caller_no; 2]),
    ];
    println!("| flow | denied by | policies readable | said | certainty | exit |\n|---|---|---|---|---|---|");
    for flow in ["oidc", "chaining", "keys", "ambient"] {
        let (asking, signer) = if flow == "chaining" {
            (HUB, session)
        } else {
            (USER, USER)
        };
        for (side, said) in rows {
            for (readable, cause) in [true, false].into_iter().zip(said) {
                let cause = match (flow, side) {
                    ("oidc", "trust") if readable => "subject-branch",
                    // AWS doesn't say which part of the policy it is.
                    ("oidc", "trust") => "-",
                    ("oidc", "works" | "duration") => cause,
                    // A request with an ID token has no AWS caller, carries no tags and meets no identity policy.
                    ("oidc", _) => continue,
                    // The step would get in as another caller if it had the permission that it lacks.
                    ("ambient", _) if cause != "-" && side != "duration" => "id-token-permission-missing",
                    _ => cause,
                };
                let trust = match side {
                    "trust" => trusts(other, BOTH),
                    "tags" => trusts(asking, &["sts:AssumeRole"]),
                    "external id" => with_external_id(asking),
                    _ => trusts(asking, BOTH),
                };
                let allowed = grants(BOTH, if side == "identity side" { other } else { SPOKE });
                let mut scenario = hub_and_spokes(&trust);
                let mut inputs = vec![("role-to-assume", SPOKE), ("aws-region", "eu-west-1")];
                let user = json!({
                    "account": "123456789012", "arn": signer, "reads-iam": readable,
                    "policies": if asking == USER { json!({"p": allowed}) } else { json!({}) },
                });
                let user = || serde_json::from_value(user.clone()).unwrap();
                match flow {
                    "oidc" => inputs[0] = ("role-to-assume", HUB),
                    "keys" => {
                        scenario.user = user();
                        let role = json!({"name": "reader", "trust-policy": trusts(HUB, BOTH), "reads-iam": true});
                        scenario.account.roles.push(serde_json::from_value(role).unwrap());
                        if readable {
                            inputs.push(("diagnosis-role", "arn:aws:iam::123456789012:role/reader"));
                        }
                    }
                    _ => {
                        scenario.user = user();
                        scenario.credentials = user();
                        scenario.token.granted = flow == "chaining";
                        if flow == "chaining" {
                            scenario.user = None;
                            inputs.push(("role-chaining", "true"));
                            hub(&mut scenario, readable, json!({"p": allowed}), None);
                        }
                    }
                }
                if flow == "oidc" {
                    let hub = &mut scenario.account.roles[0];
                    let accepts = hub.trust_policy.clone();
                    hub.reads_iam = false;
                    if side == "trust" {
                        scenario.sts = serde_json::from_value(json!("deny")).unwrap();
                        hub.trust_policy =
                            serde_json::from_str(&accepts.to_string().replace("heads/main", "heads/dev")).unwrap();
                    }
                    if readable {
                        let role = json!({"name": "reader", "trust-policy": accepts, "reads-iam": true});
                        scenario.account.roles.push(serde_json::from_value(role).unwrap());
                        inputs.push(("diagnosis-role", "arn:aws:iam::123456789012:role/reader"));
                    }
                }
                let message = match side {
                    "duration" if flow != "chaining" => Some((
                        400,
                        "ValidationError",
                        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".to_owned(),
                    )),
                    "service control policy" => Some((
                        403,
                        "AccessDenied",
                        format!(
                            "User: {signer} is not authorized to perform: sts:AssumeRole on resource: {SPOKE} {scp}"
                        ),
                    )),
                    _ => None,
                };
                if let Some((status, code, message)) = message {
                    scenario.assume_role =
                        serde_json::from_value(json!({"status": status, "code": code, "message": message})).unwrap();
                }
                if side == "duration" {
                    inputs.push(("role-duration-seconds", "7200"));
                }
                scenario.with = with(&inputs);
                let world = World::of(scenario).start();
                let mut flags = Vec::new();
                if readable && flow != "oidc" {
                    // As `aws iam get-role` prints it: a policy alone may be any role's.
                    let role = json!({"Role": {"Arn": SPOKE, "AssumeRolePolicyDocument": trust}});
                    flags.push(format!("--trust-policy={role}"));
                }
                if flow == "keys" {
                    let (id, secret) = world.user_keys();
                    flags.extend([
                        format!("--aws-access-key-id={id}"),
                        format!("--aws-secret-access-key={secret}"),
                    ]);
                }
                let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
                let run = diagnose(&world, &flags);
                let of_cause = |name: &str| run.report["cause"][name].as_str().unwrap_or("-");
                let message = run.report["findings"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|found| found["severity"] == "blocks");
                println!(
                    "| {flow} | {side} | {} | {}: {} | {} | {:?} |",
                    if readable { "yes" } else { "no" },
                    of_cause("id"),
                    message.and_then(|found| found["message"].as_str()).unwrap_or_default(),
                    of_cause("certainty"),
                    run.exit.unwrap_or_default(),
                );
                assert_eq!(
                    (run.cause(), run.report["flow"].as_str()),
                    (cause, Some(flow)),
                    "{flow}, {side}, readable: {readable}: {:#}",
                    run.report["findings"]
                );
                assert_eq!(run.exit, Some(i32::from(side != "works")));
                // With everything readable and AWS's own refusal, the side that denies is proven.
                if readable && cause != "-" {
                    assert_eq!(of_cause("certainty"), "certain", "{flow}, {side}");
                }
            }
        }
    }
}

#[test]
fn policies_of_who_asks_come_from_files_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let other = grants(BOTH, "arn:aws:iam::210987654321:role/other");
    let bare = path("bare.json", &other.to_string());
    let printed = path(
        "printed.json",
        &json!({"RoleName": "hub", "PolicyName": "p", "PolicyDocument": other}).to_string(),
    );
    let version = path(
        "version.json",
        &json!({"PolicyVersion": {"Document": grants(BOTH, SPOKE)}}).to_string(),
    );
    let broken = path("broken.json", "{\"Statement\": {}}");
    let json = other.to_string();
    let lines = format!("{bare}\n {printed}\n");
    let message = format!(
        "User: arn:aws:sts::123456789012:assumed-role/hub/ci is not authorized to perform: sts:AssumeRole on resource: {SPOKE}"
    );
    let first =
        json!({"request": {"role-to-assume": HUB, "aws-region": "eu-west-1"}, "attempt": {"outcome": "allowed"}});
    let mut chain = first.clone();
    chain["chain"] = json!([hop(SPOKE, Some(trusts(HUB, BOTH)))]);
    let mut alone = hop(SPOKE, Some(trusts(HUB, BOTH)));
    alone["attempt"] = json!({"outcome": "reported", "text": message});
    for (evidence, flags, cause, certainty) in [
        // A given policy may be one of several, so nothing is certain from it.
        (&chain, vec![&bare], "caller-not-allowed", "likely"),
        (&chain, vec![&json], "caller-not-allowed", "likely"),
        (&chain, vec![&lines], "caller-not-allowed", "likely"),
        (&chain, vec![&bare, &version], "-", "null"),
        (&alone, vec![&printed], "caller-not-allowed", "likely"),
        (&alone, vec![&version], "caller-not-allowed", "likely"),
        (&chain, vec![&broken], "-", "null"),
    ] {
        let flags: Vec<String> = flags
            .into_iter()
            .map(|given| format!("--caller-policy={given}"))
            .collect();
        let report = replay_with(evidence, &flags.iter().map(String::as_str).collect::<Vec<_>>());
        let told = (
            report["cause"]["id"].as_str().unwrap_or("-"),
            report["cause"]["certainty"].as_str().unwrap_or("null"),
        );
        assert_eq!(told, (cause, certainty), "{flags:?} {report:#}");
    }
    // With `then`, they belong to the same caller; and what can't be read is named.
    let report = replay_with(
        &first,
        &[&format!("--then={SPOKE}"), &format!("--caller-policy={bare}")],
    );
    assert_eq!(report["cause"]["id"], "caller-not-allowed", "{report:#}");
    let report = replay_with(&chain, &[&format!("--caller-policy={broken}")]);
    assert!(
        report["chain"][1]["gaps"]
            .to_string()
            .contains("the statement has no `Effect`"),
        "{report:#}"
    );
}

#[test]
fn what_iam_does_not_tell_of_the_caller_leaves_the_rest() {
    let other = grants(BOTH, "arn:aws:iam::210987654321:role/other");
    let set_up = |reads: bool| {
        let mut scenario = chained(&trusts(HUB, BOTH));
        hub(&mut scenario, reads, json!({"a": other, "b": other}), None);
        scenario
    };
    for fault in [Fault::Reset, Fault::Status(500), Fault::Status(403), Fault::Truncated] {
        let world = World::of(set_up(true)).fault(Call::RolePolicies, fault).start();
        let run = diagnose(&world, &[]);
        let told = (Some(1), "denied", "chaining", "chained-role-not-trusted");
        assert_eq!(run.told(), told, "{fault:?}");
        let gap = &run.evidence["caller"]["identity_policies"]["missing"];
        assert!(gap["why"].is_string(), "{fault:?}: {}", run.evidence);
        assert!(
            run.report["gaps"].to_string().contains("the caller's policies"),
            "{}",
            run.report
        );
        // What the role itself shows is known anyway.
        assert_eq!(run.evidence["caller"]["role"], HUB, "{fault:?}");
    }
    // The role that may read is a different one in the caller's account.
    let mut scenario = set_up(false);
    let reader = "arn:aws:iam::123456789012:role/reader";
    let role = json!({"name": "reader", "trust-policy": trusts(HUB, BOTH), "reads-iam": true});
    scenario.account.roles.push(serde_json::from_value(role).unwrap());
    scenario.with.insert("diagnosis-role".to_owned(), reader.to_owned());
    let world = World::of(scenario).start();
    let run = diagnose(&world, &[]);
    assert_eq!(
        run.told(),
        (Some(1), "denied", "chaining", "caller-not-allowed"),
        "{}",
        run.evidence["caller"]
    );
    assert_eq!(run.evidence["caller"]["source"], "environment");
    // Keys in the inputs go only to STS.
    let user = "arn:aws:iam::123456789012:user/ci";
    let mut scenario = hub_and_spokes(&trusts(HUB, BOTH));
    scenario.user = serde_json::from_value(json!({"account": "123456789012", "arn": user, "reads-iam": true})).unwrap();
    scenario.with = with(&[("aws-region", "eu-west-1"), ("role-to-assume", SPOKE)]);
    let world = World::of(scenario).start();
    let (id, secret) = world.user_keys();
    let keys = [
        format!("--aws-access-key-id={id}"),
        format!("--aws-secret-access-key={secret}"),
    ];
    diagnose(&world, &keys.each_ref().map(String::as_str));
    assert!(world.requests_of(Call::RolePolicies).is_empty() && world.requests_of(Call::GetRole).is_empty());
}

/// The caller is a user whose keys an earlier step left in the environment: its own and its group's policies are read, and its boundary.
#[test]
fn policies_of_a_user_and_its_groups_are_read_as_a_roles_are() {
    let user = "arn:aws:iam::123456789012:user/team/ci";
    let other = grants(BOTH, "arn:aws:iam::210987654321:role/other");
    let this = grants(BOTH, SPOKE);
    let asks = |reads: bool, own: &Value, group: &Value, boundary: Option<&Value>| {
        let mut scenario = chained(&trusts(user, BOTH));
        let identity = json!({
            "account": "123456789012", "arn": user, "reads-iam": reads, "policies": own, "group-policies": group,
            "permissions-boundary": boundary,
        });
        scenario.credentials = serde_json::from_value(identity.clone()).unwrap();
        scenario.user = serde_json::from_value(identity).unwrap();
        scenario
    };
    let managed = "arn:aws:iam::123456789012:policy/assume";
    for (own, group, boundary, told, says) in [
        (
            json!({"a": other}),
            json!({managed: this}),
            None,
            (Some(0), "allowed", "chaining", "-"),
            "",
        ),
        (
            json!({"a": other}),
            json!({managed: other, "b": other}),
            None,
            (Some(1), "denied", "chaining", "caller-not-allowed"),
            "aws iam put-user-policy --user-name ci",
        ),
        (
            json!({managed: this}),
            json!({}),
            Some(&other),
            (Some(1), "denied", "chaining", "caller-not-allowed"),
            "let the permissions boundary of the calling user allow",
        ),
    ] {
        let world = World::of(asks(true, &own, &group, boundary)).start();
        let run = diagnose(&world, &[]);
        assert_eq!(run.told(), told, "{}", run.evidence["caller"]);
        assert!(run.report.to_string().contains(says), "{:#}", run.report);
        // Only a refusal is a reason to read them.
        let asked = world.requests_of(Call::UserPolicies);
        assert_eq!(asked.is_empty(), told.0 == Some(0));
    }
    // What can't be read is named, with what would make it readable.
    let run = diagnose(
        &World::of(asks(false, &json!({"a": other}), &json!({}), None)).start(),
        &[],
    );
    assert_eq!(run.told().1, "denied");
    assert!(
        run.report["gaps"].to_string().contains("`iam:ListGroupsForUser`"),
        "{:#}",
        run.report
    );
    // Keys in the inputs sign only calls to STS: another role reads.
    let mut scenario = asks(true, &json!({"a": other}), &json!({}), None);
    let reader = "arn:aws:iam::123456789012:role/reader";
    let role = json!({"name": "reader", "trust-policy": trusts(HUB, BOTH), "reads-iam": true});
    scenario.account.roles.push(serde_json::from_value(role).unwrap());
    scenario.credentials = None;
    scenario.with = with(&[
        ("aws-region", "eu-west-1"),
        ("role-to-assume", SPOKE),
        ("diagnosis-role", reader),
    ]);
    let world = World::of(scenario).start();
    let (id, secret) = world.user_keys();
    let keys = [
        format!("--aws-access-key-id={id}"),
        format!("--aws-secret-access-key={secret}"),
    ];
    let run = diagnose(&world, &keys.each_ref().map(String::as_str));
    assert_eq!(
        run.told(),
        (Some(1), "denied", "keys", "caller-not-allowed"),
        "{}",
        run.evidence
    );
    let asked = world.requests_of(Call::UserPolicies);
    assert!(!asked.is_empty() && asked.iter().all(|request| request.access_key() != Some(&*id)));
}

/// A step whose keys are secrets isn't diagnosed: what the next one starts with is already in the environment, or unknown.
#[test]
fn after_a_step_that_is_left_out_nothing_is_said_to_be_missing() {
    let region = ("aws-region", "eu-west-1");
    let secret = ("aws-access-key-id", "${{ secrets.ID }}");
    let key = ("aws-secret-access-key", "${{ secrets.KEY }}");
    let of = |role: &'static str| ("role-to-assume", role);
    let secret_role = "${{ secrets.ROLE }}";
    let (goes_on, unknown) = (
        (Some(0), "allowed", "chaining", "-"),
        (Some(3), "undecided", "chaining", "-"),
    );
    // What is in the environment is a session of the hub: not what a step hands on that has another role, or keys alone.
    for (first, is_there, told) in [
        (&[region, secret, key, of(HUB)][..], true, goes_on),
        (&[region, secret, key, of(HUB)], false, unknown),
        (&[region, secret, key, of(secret_role)], true, goes_on),
        (&[region, secret, key, of(LEAF)], true, unknown),
        (&[region, secret, key], true, unknown),
        (
            &[region, secret, key, ("aws-session-token", "${{ secrets.TOKEN }}")],
            true,
            goes_on,
        ),
        (&[region, ("web-identity-token-file", "token"), of(HUB)], true, goes_on),
        (&[region, ("web-identity-token-file", "token"), of(LEAF)], true, unknown),
    ] {
        let steps = workflow(&[
            first,
            &[region, of(SPOKE), ("role-chaining", "true")],
            &[region, of(LEAF), ("role-chaining", "true")],
        ]);
        let mut scenario = chained(&trusts(HUB, BOTH));
        scenario.with.clear();
        scenario.workflow = steps;
        if !is_there {
            scenario.credentials = None;
        }
        let run = diagnose(&World::of(scenario).start(), &[]);
        assert_eq!(run.told(), told, "{:#}", run.report);
        assert_eq!(run.report["chain"].as_array().unwrap().len(), 2);
        assert!(
            run.evidence["left_out"]
                .to_string()
                .contains("its credentials are among its inputs")
        );
    }
}

/// Keys that the step exports are ignored if `AWS_PROFILE` is set, and no service is called more often than the step calls it.
/// Each as configure-aws-credentials 6.2.3 ends it.
#[test]
fn what_the_default_chain_finds_is_what_the_step_finds() {
    let user = "arn:aws:iam::123456789012:user/ci";
    let stale = [
        ("AWS_ACCESS_KEY_ID", "ASIASTALESTALESTALE1"),
        ("AWS_SECRET_ACCESS_KEY", "staleStaleStaleStaleStaleStaleStaleStale"),
        (
            "AWS_SESSION_TOKEN",
            "stale/session/token/of/an/earlier/step/which/has/ended",
        ),
    ];
    let profile = [("AWS_PROFILE", "gone")];
    let own = ("role-to-assume", "arn:aws:iam::123456789012:role/own");
    for (variables, in_file, has_keys, inputs, exit) in [
        // What the step takes away is not found in the doctor's own environment.
        (
            &stale[..],
            true,
            false,
            &[own, ("role-chaining", "true"), ("unset-current-credentials", "true")][..],
            0,
        ),
        (&stale, true, false, &[own, ("role-chaining", "true")], 1),
        (
            &stale,
            false,
            false,
            &[own, ("role-chaining", "true"), ("unset-current-credentials", "true")],
            1,
        ),
        // A named profile shadows the keys that a step exports, and not those that it gives to the call itself.
        (&profile, false, true, &[], 1),
        (&profile, false, true, &[("output-env-credentials", "false")], 0),
        // Told to chain, the step takes the profile's credentials instead of its keys.
        (
            &[("AWS_PROFILE", "default")],
            true,
            true,
            &[own, ("role-chaining", "true")],
            0,
        ),
    ] {
        let mut scenario = hub_and_spokes(&trusts(HUB, BOTH));
        let role = json!({"name": "own", "trust-policy": trusts(user, BOTH)});
        scenario.account.roles.push(serde_json::from_value(role).unwrap());
        scenario.user =
            serde_json::from_value(json!({"account": "123456789012", "arn": user, "reads-iam": false})).unwrap();
        let set = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        scenario.env.extend(set);
        scenario.with = with(inputs);
        scenario.with.insert("aws-region".to_owned(), "eu-west-1".to_owned());
        if !scenario.with.contains_key("role-to-assume") {
            scenario.with.insert("role-to-assume".to_owned(), String::new());
        }
        let world = World::of(scenario).start();
        let (id, secret) = world.user_keys();
        if in_file {
            fs::create_dir_all(world.root().join("home/.aws")).unwrap();
            let file = format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
            fs::write(world.root().join("home/.aws/credentials"), file).unwrap();
        }
        let keys = [
            // Of the same user, so that what is signed with them is accepted too.
            format!("--aws-access-key-id={id}"),
            format!("--aws-secret-access-key={secret}"),
        ];
        let keys: Vec<&str> = keys.iter().filter(|_| has_keys).map(String::as_str).collect();
        let run = diagnose(&world, &keys);
        assert_eq!(run.exit, Some(exit), "{variables:?} {inputs:?}: {}", run.evidence);
    }
}

#[test]
fn a_step_that_does_nothing_ends_no_chain() {
    let mut scenario = chained(&trusts(HUB, BOTH));
    scenario.with.clear();
    let region = ("aws-region", "eu-west-1");
    scenario.workflow = workflow(&[
        &[region, ("web-identity-token-file", "token")],
        &[region, ("role-to-assume", SPOKE), ("role-chaining", "true")],
    ]);
    let run = diagnose(&World::of(scenario).start(), &[]);
    assert_eq!(
        (run.exit, run.report["verdict"].as_str()),
        (Some(0), Some("allowed")),
        "{:#}",
        run.report
    );
}

#[test]
fn where_every_step_is_passed_over_the_first_is_what_the_job_asks_for() {
    let keys = [
        ("aws-region", "eu-west-1"),
        ("aws-access-key-id", "${{ secrets.ID }}"),
        ("aws-secret-access-key", "${{ secrets.KEY }}"),
        ("role-to-assume", HUB),
    ];
    let file = [
        ("aws-region", "eu-west-1"),
        ("web-identity-token-file", "token"),
        ("role-to-assume", SPOKE),
    ];
    let mut scenario = hub_and_spokes(&trusts(HUB, BOTH));
    scenario.with.clear();
    scenario.workflow = workflow(&[&keys, &file]);
    let run = diagnose(&World::of(scenario).start(), &[]);
    assert_eq!(run.told(), (Some(3), "undecided", "keys", "-"), "{:#}", run.report);
    assert_eq!(run.report["role"], HUB);
    assert_eq!(
        run.evidence["left_out"].as_array().unwrap().len(),
        1,
        "{}",
        run.evidence
    );
}

#[test]
fn a_profile_shadows_the_keys_of_a_step_and_its_own_retries_are_its_limit() {
    let user = "arn:aws:iam::123456789012:user/ci";
    let region = ("aws-region", "eu-west-1");
    for (profile, told) in [
        ("", (Some(0), "allowed", "keys", "-")),
        ("nobody", (Some(1), "denied", "keys", "credentials-missing")),
    ] {
        let mut scenario = hub_and_spokes(&trusts(user, BOTH));
        scenario.user =
            serde_json::from_value(json!({"account": "123456789012", "arn": user, "reads-iam": false})).unwrap();
        scenario.with = with(&[region, ("role-to-assume", SPOKE)]);
        scenario.env = with(&[("AWS_PROFILE", profile)]);
        let world = World::of(scenario).start();
        let (id, secret) = world.user_keys();
        let keys = [
            format!("--aws-access-key-id={id}"),
            format!("--aws-secret-access-key={secret}"),
        ];
        let run = diagnose(&world, &keys.each_ref().map(String::as_str));
        assert_eq!(run.told(), told, "{:#}", run.report);
    }
    for (status, attempts, calls, exit) in [(429, "4", 4, 1), (429, "12", 9, 0), (503, "1", 9, 0)] {
        let mut scenario = hub_and_spokes(&trusts(HUB, BOTH));
        scenario.with = with(&[region, ("role-to-assume", HUB), ("retry-max-attempts", attempts)]);
        let world = World::of(scenario)
            .fault_times(Call::IdToken, Fault::Status(status), 8)
            .start();
        let run = diagnose(&world, &[]);
        assert_eq!(
            (run.exit, world.requests_of(Call::IdToken).len()),
            (Some(exit), calls),
            "{status} {attempts}"
        );
    }
}

/// An existing profile isn't overwritten without `overwrite-aws-profile`, and the step fails after AWS let it in.
#[test]
fn a_profile_that_is_there_already_ends_the_step() {
    let region = ("aws-region", "eu-west-1");
    let (first, second) = (("aws-profile", "default"), ("role-chaining", "true"));
    let overwrite = ("overwrite-aws-profile", "true");
    for (more, told) in [
        (vec![], (Some(0), "allowed", "chaining", "-")),
        (vec![first], (Some(1), "denied", "chaining", "input-malformed")),
        (vec![first, overwrite], (Some(0), "allowed", "chaining", "-")),
        (vec![("aws-profile", "other")], (Some(0), "allowed", "chaining", "-")),
        (
            vec![("aws-profile", "kept")],
            (Some(1), "denied", "chaining", "input-malformed"),
        ),
    ] {
        let mut scenario = hub_and_spokes(&trusts(HUB, BOTH));
        let last = [vec![region, ("role-to-assume", SPOKE), second], more.clone()].concat();
        scenario.workflow = workflow(&[&[region, ("role-to-assume", HUB), first], &last]);
        let world = World::of(scenario).start();
        fs::create_dir_all(world.root().join("home/.aws")).unwrap();
        fs::write(
            world.root().join("home/.aws/credentials"),
            "[kept]\naws_access_key_id = x\n",
        )
        .unwrap();
        let run = diagnose(&world, &[]);
        assert_eq!(run.told(), told, "{more:?} {:#}", run.report);
    }
}

/// If the inputs are evidently the step's own, a region that none of them names is missing; otherwise it may be left to the doctor.
#[test]
fn a_region_is_missing_where_the_steps_own_inputs_are_at_hand() {
    let region = ("AWS_REGION", "eu-west-1");
    for (input, env, told) in [
        (
            ("role-chaining", "true"),
            None,
            (Some(1), "denied", "chaining", "region-unusable"),
        ),
        (
            ("role-chaining", "true"),
            Some(region),
            (Some(0), "allowed", "chaining", "-"),
        ),
        (("role-session-name", "ci"), None, (Some(0), "allowed", "oidc", "-")),
    ] {
        let mut scenario = chained(&trusts(HUB, BOTH));
        let role = if input.0 == "role-chaining" { SPOKE } else { HUB };
        scenario.with = with(&[("role-to-assume", role), input]);
        scenario.env = with(env.as_slice());
        let run = diagnose(&World::of(scenario).start(), &[]);
        assert_eq!(run.told(), told, "{:#}", run.report);
    }
}

/// What blocks the hops after the failing one is reported too, with the policies of the role that would have been the caller.
#[test]
fn after_a_break_the_policies_of_who_would_ask_are_evaluated() {
    let middle = "arn:aws:iam::123456789012:role/middle";
    let other = "arn:aws:iam::210987654321:role/other";
    for (policies, cause) in [
        (grants(BOTH, other), Some("caller-not-allowed")),
        (grants(BOTH, LEAF), None),
    ] {
        let mut scenario = hub_and_spokes(&trusts(HUB, BOTH));
        let role = json!({"name": "middle", "trust-policy": trusts(other, BOTH), "policies": {"p": policies}});
        scenario.account.roles.push(serde_json::from_value(role).unwrap());
        scenario.more_accounts[1].roles[0].trust_policy = trusts(middle, BOTH);
        let region = ("aws-region", "eu-west-1");
        let chaining = ("role-chaining", "true");
        scenario.workflow = workflow(&[
            &[region, ("role-to-assume", HUB)],
            &[region, ("role-to-assume", middle), chaining],
            &[region, ("role-to-assume", LEAF), chaining],
        ]);
        let world = World::of(scenario).start();
        let run = diagnose(&world, &[]);
        assert_eq!(run.told().1, "denied", "{:#}", run.report);
        let hop = &run.report["chain"][2];
        assert_eq!(hop["cause"]["id"].as_str(), cause, "{hop:#}");
        assert_eq!(world.requests_of(Call::AssumeRole).len(), 1);
    }
}

#[test]
fn what_a_hub_lets_in_goes_on_to_its_spokes_and_a_name_is_one_of_its_account() {
    let host = "token.actions.githubusercontent.com";
    let mut policy = serde_json::to_value(&hub_and_spokes(&trusts(HUB, BOTH)).account.roles[0].trust_policy).unwrap();
    policy["Statement"][0]["Condition"] = json!({
        "StringEquals": {format!("{host}:aud"): "sts.amazonaws.com"},
        "StringLike": {format!("{host}:sub"): "repo:acme*"},
    });
    let evidence = json!({
        "request": {"role-to-assume": HUB, "aws-region": "eu-west-1"},
        "token": {"claims": {"iss": format!("https://{host}"), "aud": "sts.amazonaws.com", "sub": "repo:acme/widgets:ref:refs/heads/main"}},
        "role": {"arn": HUB, "trust_policy": policy},
        "attempt": {"outcome": "allowed"},
        "chain": [hop(SPOKE, Some(trusts(HUB, BOTH)))],
    });
    let report = replay(&evidence);
    let hub = report["chain"][0]["findings"].to_string();
    assert!(
        hub.contains("whoever gets in here can go on to") && hub.contains(SPOKE),
        "{report:#}"
    );
    assert!(!report["chain"][1]["findings"].to_string().contains("can go on to"));

    let mut evidence = hop("deploy", Some(trusts(HUB, BOTH)));
    evidence["caller"] = json!({"account": "123456789012", "arn": "arn:aws:sts::123456789012:assumed-role/hub/ci", "source": "environment"});
    let own = "arn:aws:iam::123456789012:role/deploy";
    let message = format!(
        "User: arn:aws:sts::123456789012:assumed-role/hub/ci is not authorized to perform: sts:AssumeRole on resource: {own}"
    );
    evidence["attempt"] = json!({"outcome": "denied", "code": "AccessDenied", "message": message});
    let report = replay(&evidence).to_string();
    assert!(
        report.contains(
            "`deploy` is a name, not an ARN, so the step asks for the role of that name in account 123456789012"
        ),
        "{report}"
    );
}

#[test]
fn a_named_profile_that_is_not_there_leaves_nothing_to_keep() {
    let region = ("aws-region", "eu-west-1");
    let mut scenario = hub_and_spokes(&trusts(HUB, BOTH));
    let keeps = [("role-chaining", "true"), ("use-existing-credentials", "true")];
    let spoke = [&[region, ("role-to-assume", SPOKE)], &keeps[..]].concat();
    scenario.workflow = workflow(&[&[region, ("role-to-assume", HUB)], &spoke]);
    scenario.env.insert("AWS_PROFILE".to_owned(), "gone".to_owned());
    // Nor is there anything to keep where the step stops by itself.
    let mut stopped = scenario.clone();
    let lines = stopped.workflow.as_mut().unwrap();
    lines.push("          aws-profile: a/b".to_owned());
    let run = diagnose(&World::of(stopped).start(), &[]);
    assert_eq!(run.told(), (Some(1), "denied", "chaining", "credentials-missing"));
    // The SDK looks in the profile and nowhere else, so the first step's session is not found, nor what was there before.
    for before in [None, chained(&trusts(HUB, BOTH)).credentials] {
        scenario.credentials = before;
        let run = diagnose(&World::of(scenario.clone()).start(), &[]);
        assert_eq!(
            run.told(),
            (Some(1), "denied", "chaining", "credentials-missing"),
            "{}",
            run.evidence
        );
    }
}

#[test]
fn what_a_profile_holds_is_kept_though_the_variables_are_unset() {
    let mut scenario = hub_and_spokes(&trusts(HUB, BOTH));
    scenario.user = serde_json::from_value(json!({
        "account": "123456789012", "arn": "arn:aws:iam::123456789012:user/ci", "reads-iam": false,
    }))
    .unwrap();
    scenario.env.insert("AWS_PROFILE".to_owned(), "ci".to_owned());
    scenario.with = with(&[
        ("aws-region", "eu-west-1"),
        ("role-to-assume", SPOKE),
        ("use-existing-credentials", "true"),
        ("unset-current-credentials", "true"),
    ]);
    let world = World::of(scenario).start();
    let (id, secret) = world.user_keys();
    let folder = world.root().join("home/.aws");
    fs::create_dir_all(&folder).unwrap();
    let profile = format!("[ci]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
    fs::write(folder.join("credentials"), profile).unwrap();
    let run = diagnose(&world, &[]);
    assert_eq!(run.told(), (Some(0), "allowed", "existing", "-"), "{}", run.report);
}

#[test]
fn whose_outputs_keys_are_is_decided_by_the_steps_as_they_run() {
    const OUT: (&str, &str) = ("output-credentials", "true");
    type Row = (
        &'static str,
        fn(&mut Scenario),
        (Option<i32>, &'static str, &'static str, &'static str),
    );
    let replace = |scenario: &mut Scenario, from: &str, to: &str| {
        for line in scenario.workflow.iter_mut().flatten() {
            *line = line.replace(from, to);
        }
    };
    let rows: [Row; 4] = [
        // The action reads this variable where the input is empty.
        (
            "a variable",
            |of| drop(of.env.insert("OUTPUT_CREDENTIALS".to_owned(), "true".to_owned())),
            (Some(0), "allowed", "keys", "-"),
        ),
        (
            "a step that is skipped",
            |of| {
                let lines = of.workflow.as_mut().unwrap();
                let at = lines.iter().position(|line| line.contains("id: creds")).unwrap();
                lines.insert(at, "        if: github.ref == 'refs/heads/other'".to_owned());
            },
            (Some(1), "denied", "oidc", "role-chaining-missing"),
        ),
        (
            "nothing asked for",
            |_| (),
            (Some(1), "denied", "oidc", "role-chaining-missing"),
        ),
        (
            "a step that keeps what it finds",
            |of| {
                of.credentials = chained(&trusts(HUB, BOTH)).credentials;
                let lines = of.workflow.as_mut().unwrap();
                let at = lines.iter().position(|line| line.contains("with:")).unwrap();
                lines.insert(at + 1, "          use-existing-credentials: true".to_owned());
                lines.insert(at + 1, "          output-credentials: true".to_owned());
            },
            (Some(1), "denied", "oidc", "role-chaining-missing"),
        ),
    ];
    for (row, change, told) in rows {
        let mut scenario = by_outputs(&[], true, &[SPOKE]);
        change(&mut scenario);
        let run = diagnose(&World::of(scenario).start(), &[]);
        assert_eq!(run.told(), told, "{row}: {}", run.report);
        let is_said = run.report["notes"]
            .to_string()
            .contains("`aws-access-key-id` has no value");
        assert_eq!(is_said, told.2 == "oidc", "{row}: {}", run.report);
    }

    // A session token from elsewhere makes other keys of them, which nobody knows here.
    let mut scenario = by_outputs(&[OUT], true, &[SPOKE]);
    replace(
        &mut scenario,
        "${{ steps.creds.outputs.aws-session-token }}",
        "${{ secrets.TOKEN }}",
    );
    let run = diagnose(&World::of(scenario).start(), &[]);
    let left_out = run.evidence["left_out"].to_string();
    assert!(left_out.contains("its credentials are among its inputs"), "{left_out}");

    // The role that is named decides which steps are looked at: its own and the hub's.
    let mut scenario = by_outputs(&[OUT], true, &["arn:aws:iam::210987654321:role/gone", SPOKE]);
    scenario.with = with(&[("role-to-assume", SPOKE)]);
    let world = World::of(scenario).start();
    let run = diagnose(&world, &[]);
    assert_eq!(run.told(), (Some(0), "allowed", "keys", "-"), "{}", run.report);
    assert_eq!(world.requests_of(Call::AssumeRole).len(), 1);

    // Keys that are given come first, before what the step would chain from, too.
    let user = "arn:aws:iam::123456789012:user/ci";
    for more in [None, Some("          role-chaining: true")] {
        let mut scenario = by_outputs(&[OUT], true, &[SPOKE]);
        scenario.workflow.as_mut().unwrap().extend(more.map(str::to_owned));
        scenario.user =
            serde_json::from_value(json!({"account": "123456789012", "arn": user, "reads-iam": false})).unwrap();
        let (id, secret) = World::of(scenario.clone()).start().user_keys();
        scenario.with = with(&[
            ("role-to-assume", SPOKE),
            ("aws-access-key-id", &id),
            ("aws-secret-access-key", &secret),
        ]);
        let run = diagnose(&World::of(scenario).start(), &[]);
        let told = (Some(1), "denied", "keys", "chained-role-not-trusted");
        assert_eq!(run.told(), told, "{}", run.report);
        assert_eq!(run.evidence["caller"]["arn"], user);
    }
}

/// From files: who asks in a hop with keys is the session of the hop before it, if that has outputs and the keys sign the call.
#[test]
fn the_keys_of_a_saved_hop_are_the_outputs_of_the_one_before() {
    let outputs = ("output-credentials", "true");
    let (silent, none) = (("output-env-credentials", "false"), ("output-credentials", ""));
    for (first, second, verdict) in [
        (&[outputs][..], &[][..], "allowed"),
        (&[outputs, silent], &[], "allowed"),
        // The hub's session is not in the environment, or its keys are not handed on.
        (&[outputs, silent], &[silent], "undecided"),
        (&[none], &[], "undecided"),
    ] {
        let request = |role: &str, more: &[(&str, &str)]| {
            json!(with(
                &[&[("role-to-assume", role), ("aws-region", "eu-west-1")], more].concat()
            ))
        };
        let keys = [
            ("aws-access-key-id", "***"),
            ("aws-secret-access-key", "***"),
            ("role-skip-session-tagging", ""),
        ];
        let evidence = json!({
            "schema": 1,
            "request": request(HUB, first),
            "attempt": {"outcome": "allowed", "assumed_role_arn": "arn:aws:sts::123456789012:assumed-role/hub/GitHubActions"},
            "chain": [{
                "request": request(SPOKE, &[&keys, second].concat()),
                "role": {"arn": SPOKE, "trust_policy": trusts(HUB, BOTH)},
            }],
        });
        let output = crate::run(&["diagnose", "--format=json", "--evidence=-"], &evidence.to_string());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["chain"][1]["verdict"], verdict, "{first:?} {second:?} {report}");
    }
}

/// Keys of the checkout's step are not known; if the step puts them nowhere, its call for the role is signed with what is at hand.
#[test]
fn keys_that_a_step_puts_nowhere_need_not_be_known() {
    let keys = [
        ("aws-access-key-id", "${{ secrets.ID }}"),
        ("aws-secret-access-key", "${{ secrets.KEY }}"),
    ];
    let silent = ("output-env-credentials", "false");
    let first = [
        &[("aws-region", "eu-west-1"), ("role-to-assume", SPOKE), silent],
        &keys[..],
    ]
    .concat();
    let hub = json!({
        "account": "123456789012", "arn": "arn:aws:sts::123456789012:assumed-role/hub/GitHubActions", "reads-iam": false,
    });
    let rows = [
        (None, HUB, (Some(1), "denied", "keys", "credentials-missing")),
        (
            Some(&hub),
            LEAF,
            (Some(1), "denied", "keys", "chained-role-not-trusted"),
        ),
        // Whether AWS accepts the keys is not known.
        (Some(&hub), HUB, (Some(3), "undecided", "keys", "-")),
    ];
    // What a step before it exported is not known either.
    let secret = ("role-to-assume", "${{ secrets.HUB }}");
    let mut scenario = hub_and_spokes(&trusts(HUB, BOTH));
    scenario.workflow = workflow(&[&[("aws-region", "eu-west-1"), secret], &first]);
    let run = diagnose(&World::of(scenario).start(), &[]);
    assert_eq!(run.report["chain"][1]["verdict"], "undecided", "{}", run.report);
    // The hop after it begins with what was there before.
    let mut scenario = hub_and_spokes(&trusts(HUB, BOTH));
    let chained = [
        ("aws-region", "eu-west-1"),
        ("role-to-assume", SPOKE),
        ("role-chaining", "true"),
    ];
    scenario.workflow = workflow(&[
        &[("aws-region", "eu-west-1"), ("role-to-assume", HUB)],
        &first,
        &chained,
    ]);
    let run = diagnose(&World::of(scenario).start(), &[]);
    let verdicts = [0, 1, 2].map(|hop| run.report["chain"][hop]["verdict"].clone());
    assert_eq!(verdicts, ["allowed", "undecided", "allowed"], "{}", run.report);
    for (at_hand, trusted, told) in rows {
        let mut scenario = hub_and_spokes(&trusts(trusted, BOTH));
        scenario.workflow = workflow(&[&first, &[("aws-region", "eu-west-1"), ("role-to-assume", HUB)]]);
        scenario.credentials = at_hand.map(|identity| serde_json::from_value(identity.clone()).unwrap());
        let run = diagnose(&World::of(scenario).start(), &[]);
        assert_eq!(run.told(), told, "{}", run.report);
    }
}
