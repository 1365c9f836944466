//! The role is found wherever the workflow has it, and unknowns are named: the whole binary, in worlds whose workflow differs
//! from test to test.

use crate::program;

use crate::world::{Call, Scenario, World};
use serde_json::{Value, json};

const ACCOUNT: &str = "123456789012";

/// A job with these steps, after the doctor's.
fn workflow(steps: &[&str]) -> Vec<String> {
    let head = [
        "on: push",
        "permissions: {id-token: write}",
        "jobs:",
        "  deploy:",
        "    runs-on: x",
        "    env: {SECRET_ROLE: '${{ secrets.ROLE }}', PASSWORD: '${{ secrets.PASSWORD }}'}",
        "    steps:",
        "      - uses: acme/aws-oidc-doctor@v1",
    ];
    let steps = steps.iter().map(|step| format!("      - {step}"));
    head.map(str::to_owned).into_iter().chain(steps).collect()
}

fn configure(with: &str) -> String {
    format!("{{uses: aws-actions/configure-aws-credentials@v6, with: {with}}}")
}

/// A world in which AWS accepts the token for the role `deploy`.
fn scenario(steps: &[&str]) -> Scenario {
    let mut scenario = Scenario::named("role-in-env").unwrap();
    scenario.env.clear();
    scenario.workflow = Some(workflow(steps));
    scenario
}

/// What the step prints, without line breaks, and its exit code.
fn step(world: &World) -> (String, Option<i32>) {
    let run = crate::step(world).output().unwrap();
    let printed = String::from_utf8(run.stdout).unwrap() + &String::from_utf8(run.stderr).unwrap();
    let words: Vec<_> = printed.split_whitespace().collect();
    (words.join(" "), run.status.code())
}

/// The evidence that a command in the same job saves: all its runs.
fn saved(world: &World) -> Vec<Value> {
    let file = world.root().join("saved.json");
    let run = program()
        .args(world.scenario().command())
        .arg(format!("--save-evidence={}", file.display()))
        .envs(world.environment())
        .output()
        .unwrap();
    assert!(run.stderr.is_empty(), "{}", String::from_utf8_lossy(&run.stderr));
    let mut saved: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    match saved["runs"].take() {
        Value::Array(runs) => runs,
        _ => vec![saved],
    }
}

#[test]
fn every_input_of_the_step_is_followed() {
    let with = "{role-to-assume: 'arn:aws:iam::${{ matrix.account }}:role/${{ matrix.role }}', aws-region: '${{ matrix.region }}', \
                role-session-name: 'x-${{ github.run_id }}', role-duration-seconds: '${{ vars.LONG }}', \
                audience: '${{ matrix.audience }}', sts-endpoint: '${{ matrix.endpoint }}'}";
    let mut scenario = scenario(&[&configure(with)]);
    scenario.matrix = json!({
        "account": ACCOUNT, "role": "deploy", "region": "eu-west-1", "audience": "vault", "endpoint": "https://evil.example",
    });
    // GitHub's API returns the running workflow, and its audience is used; an endpoint never is.
    let mut running = saved(&World::of(scenario.clone()).start());
    let request = running.remove(0)["request"].take();
    assert_eq!(request["audience"], "vault");
    assert_eq!(request["sts-endpoint"], "");
    assert_eq!(request["set-aside"], json!({"sts-endpoint": "https://evil.example"}));

    scenario.rest.contents = false;
    let world = World::of(scenario).start();
    let [run] = &*saved(&world) else { panic!() };
    let request = &run["request"];
    assert_eq!(request["role-to-assume"], format!("arn:aws:iam::{ACCOUNT}:role/deploy"));
    assert_eq!(request["aws-region"], "eu-west-1");
    assert_eq!(request["role-session-name"], "x-9876543210");
    assert_eq!(request.get("role-duration-seconds"), None);
    assert_eq!(
        request["not-known"],
        json!({"role-duration-seconds": "${{ vars.LONG }}"})
    );
    // A checkout doesn't decide where a token goes, or its audience, however it is written.
    assert_eq!(request["audience"], "sts.amazonaws.com");
    assert_eq!(request["sts-endpoint"], "");
    assert_eq!(
        request["set-aside"],
        json!({"audience": "vault", "sts-endpoint": "https://evil.example"})
    );
    assert_eq!(run["contexts"]["matrix"]["role"], "deploy");
    assert_eq!(run["contexts"]["github"]["run_id"], "9876543210");
}

#[test]
fn a_role_that_is_handed_over_has_the_steps_other_inputs() {
    let role = "role-to-assume: '${{ secrets.ROLE }}'";
    let steps = [
        configure(&format!(
            "{{{role}, aws-region: eu-west-1, role-session-name: mine, role-duration-seconds: 900}}"
        )),
        configure("{role-to-assume: '${{ secrets.OTHER }}', role-session-name: other}"),
    ];
    let mut scenario = scenario(&[&steps[0], &steps[1]]);
    let doctor = format!("      - {{uses: acme/aws-oidc-doctor@v1, with: {{{role}}}}}");
    scenario.workflow.as_mut().unwrap()[7] = doctor;
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/deploy");
    scenario.with = [("role-to-assume".to_owned(), arn.clone())].into();
    let [run] = &*saved(&World::of(scenario).start()) else {
        panic!()
    };
    let request = &run["request"];
    assert_eq!(
        (&request["role-to-assume"], &request["role-session-name"]),
        (&json!(arn), &json!("mine"))
    );
    assert_eq!(
        (&request["aws-region"], &request["role-duration-seconds"]),
        (&json!("eu-west-1"), &json!("900"))
    );
    assert_eq!(request.get("not-known"), None);
}

/// A saved run that names no role uses that of its workflow.
#[test]
fn a_saved_run_without_a_role_is_asked_for_anew() {
    const ROLE: &str = "arn:aws:iam::123456789012:role/deploy";
    let one = |with: &str| workflow(&[&configure(with)]).join("\n");
    let two = |first: &str, second: &str| workflow(&[&configure(first), &configure(second)]).join("\n");
    let plain = format!("{{role-to-assume: '{ROLE}', aws-region: eu-west-1, role-session-name: mine}}");
    let other = plain.replace("role/deploy", "role/other");
    let matrix = plain.replace("role/deploy", "role/${{ matrix.role }}");
    let secret = "{role-to-assume: '${{ secrets.ROLE }}', aws-region: eu-west-1}";
    let denied = json!({"outcome": "denied", "code": "AccessDenied", "message": "Not authorized to perform sts:AssumeRoleWithWebIdentity"});
    let resolve = |workflow: String, more: Value, flags: &[&str]| -> Value {
        let mut run = json!({
            "schema": 1, "runner": {"job": "deploy", "event_name": "push", "ref": "refs/heads/main"},
            "token": {"claims": {"iss": "https://token.actions.githubusercontent.com", "aud": "sts.amazonaws.com",
                                 "sub": "repo:acme/widgets:environment:production"}},
            "workflow": {"path": "w.yml", "text": workflow, "commit": "4d3b1f6"},
        });
        run.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(place("run.json"), run.to_string()).unwrap();
        let output = program()
            .args([
                "diagnose",
                "--format=json",
                "--evidence",
                &place("run.json"),
                "--save-evidence",
                &place("saved.json"),
            ])
            .args(flags)
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&std::fs::read(place("saved.json")).unwrap()).unwrap()
    };
    for (workflow, more, flags, role, source) in [
        (
            one(&plain),
            json!({}),
            &[][..],
            json!(ROLE),
            "configure-aws-credentials step 1 of job `deploy`",
        ),
        // Known inputs come first, and the rest are the step's.
        (
            one(&plain),
            json!({"request": {"aws-region": "us-east-1"}}),
            &[],
            json!(ROLE),
            "configure-aws-credentials step 1 of job `deploy`",
        ),
        (
            one(&matrix),
            json!({"contexts": {"matrix": {"role": "deploy"}}}),
            &[],
            json!(ROLE),
            "configure-aws-credentials step 1 of job `deploy`",
        ),
        (
            one(secret),
            json!({}),
            &[],
            Value::Null,
            "configure-aws-credentials step 1 of job `deploy`, whose `role-to-assume` is `${{ secrets.ROLE }}`",
        ),
        // An input given later is known.
        (
            one(secret),
            json!({"request": {"not-known": {"role-to-assume": "${{ secrets.ROLE }}"}}}),
            &["--role-to-assume", ROLE],
            json!(ROLE),
            "",
        ),
        // Of two steps, it is the one whose role was read; an answer can be to either.
        (
            two(&other, &plain),
            json!({"role": {"arn": ROLE}, "attempt": denied}),
            &[],
            json!(ROLE),
            "configure-aws-credentials step 2 of job `deploy`",
        ),
        (two(&other, &plain), json!({"attempt": denied}), &[], Value::Null, ""),
        // A user's placeholder for a redacted role.
        (one(&plain.replace(ROLE, "(redacted)")), json!({}), &[], Value::Null, ""),
        ("jobs: [".to_owned(), json!({}), &[], Value::Null, ""),
    ] {
        let saved = resolve(workflow.clone(), more.clone(), flags);
        let request = &saved["request"];
        assert_eq!(
            request.get("role-to-assume").cloned().unwrap_or_default(),
            role,
            "{workflow} {more}: {saved}"
        );
        assert_eq!(
            request["source"].as_str().unwrap_or_default(),
            source,
            "{workflow} {more}"
        );
        if let Some(region) = more.pointer("/request/aws-region") {
            assert_eq!(
                (&request["aws-region"], &request["role-session-name"]),
                (region, &json!("mine"))
            );
        }
    }
    // Nothing says which job it is, and only one configures credentials.
    let two_jobs = one(&plain) + "\n  build: {runs-on: x, steps: [{run: make}]}";
    let saved = resolve(two_jobs.clone(), json!({"runner": {}}), &[]);
    assert_eq!(saved["request"]["role-to-assume"], ROLE, "{saved}");
    let both = two_jobs.replace("[{run: make}]", &format!("[{}]", configure(&other)));
    let saved = resolve(both, json!({"runner": {}}), &[]);
    let source = "the workflow file has several jobs, and nothing says which of them it is";
    assert_eq!(
        (&saved["request"]["role-to-assume"], &saved["request"]["source"]),
        (&Value::Null, &json!(source))
    );
    // Several steps are several runs, and a chained one is a hop.
    let chained = plain.replace("mine", "mine, role-chaining: true");
    let saved = resolve(two(&other, &chained), json!({}), &[]);
    assert_eq!(saved["chain"][0]["request"]["role-to-assume"], ROLE, "{saved}");
    let saved = resolve(two(&other, &plain), json!({}), &[]);
    assert_eq!(saved["runs"][1]["request"]["role-to-assume"], ROLE, "{saved}");
    // The audience is the step's: no token is requested here.
    let saved = resolve(one(&plain.replace("mine", "mine, audience: vault")), json!({}), &[]);
    assert_eq!(
        (&saved["request"]["audience"], &saved["request"]["set-aside"]),
        (&json!("vault"), &Value::Null)
    );
}

#[test]
fn each_step_with_a_role_that_is_not_known_is_named() {
    let chained =
        "{role-to-assume: 'arn:aws:iam::123456789012:role/deploy', aws-region: eu-west-1, role-chaining: true}";
    let steps = [
        configure("{role-to-assume: '${{ secrets.ONE }}', aws-region: eu-west-1}"),
        configure("{role-to-assume: '${{ secrets.TWO }}', aws-region: eu-west-1}"),
        configure(chained),
    ];
    let world = World::of(scenario(&[&steps[0], &steps[1], &steps[2]])).start();
    let (printed, _) = step(&world);
    for line in [
        r#" with: { role-to-assume: "${{ secrets.ONE }}" } "#,
        r#" with: { role-to-assume: "${{ secrets.TWO }}" } "#,
        "the role of the step before this one is not known",
    ] {
        assert!(printed.contains(line), "{line}\n{printed}");
    }
    assert!(!printed.contains("ends without credentials"), "{printed}");
    assert!(world.requests_of(Call::AssumeRoleWithWebIdentity).is_empty());
    assert!(world.requests_of(Call::AssumeRole).is_empty());
}

/// A stranger's checkout can put any role in the workflow file, even one in an account whose log the stranger reads.
#[test]
fn a_password_in_the_environment_is_not_put_into_a_checkouts_role() {
    const PASSWORD: &str = "correct-horse-9";
    for role in [
        "arn:aws:iam::666666666666:role/${{ env.PASSWORD }}",
        "${{ format('arn:aws:iam::666666666666:role/{0}', env.PASSWORD) }}",
        "${{ env.PASSWORD }}",
        "arn:aws:iam::666666666666:role/${{ toJSON(env) }}",
        "arn:aws:iam::666666666666:role/${{ env.ACTIONS_ID_TOKEN_REQUEST_TOKEN }}",
        "arn:aws:iam::666666666666:role/${{ env.AWS_SECRET_ACCESS_KEY }}",
        "arn:aws:iam::666666666666:role/${{ github.token }}",
        "arn:aws:iam::666666666666:role/x${{ startsWith(env.PASSWORD, 'c') }}",
    ] {
        let mut scenario = scenario(&[&configure(&format!(
            "{{role-to-assume: \"{role}\", aws-region: eu-west-1}}"
        ))]);
        scenario.env = [("PASSWORD".to_owned(), PASSWORD.to_owned())].into();
        let world = World::of(scenario).start();
        let (printed, exit) = step(&world);
        assert_eq!(exit, Some(0), "{role}\n{printed}");
        let saved = format!("{:?}", saved(&world));
        let printed = printed.split(' ').filter(|word| !word.starts_with("::add-mask::"));
        let printed: Vec<_> = printed.collect();
        let printed = printed.join(" ");
        for text in [printed, world.summary(), world.output(), saved] {
            let secrets = world.secrets();
            for secret in secrets.iter().map(String::as_str).chain([PASSWORD]) {
                assert!(!text.contains(secret), "{role}: {secret}\n{text}");
            }
        }
        assert!(world.requests_of(Call::AssumeRoleWithWebIdentity).is_empty(), "{role}");
    }
}

#[test]
fn a_variable_with_the_form_of_a_role_or_an_account_is_followed() {
    for (role, variable) in [
        (
            "${{ env.SECRET_ROLE }}",
            ("SECRET_ROLE", format!("arn:aws:iam::{ACCOUNT}:role/deploy")),
        ),
        (
            "arn:aws:iam::${{ env.ACCOUNT }}:role/deploy",
            ("ACCOUNT", ACCOUNT.to_owned()),
        ),
    ] {
        let mut scenario = scenario(&[&configure(&format!(
            "{{role-to-assume: '{role}', aws-region: eu-west-1}}"
        ))]);
        scenario.env = [(variable.0.to_owned(), variable.1)].into();
        let [run] = &*saved(&World::of(scenario).start()) else {
            panic!()
        };
        assert_eq!(
            run["request"]["role-to-assume"],
            format!("arn:aws:iam::{ACCOUNT}:role/deploy"),
            "{role}"
        );
    }
}

#[test]
fn bad_input_is_a_line_each_and_the_rest_is_reported() {
    let role = |role: &str| configure(&format!("{{role-to-assume: \"{role}\", aws-region: eu-west-1}}"));
    let large = "x".repeat(60_000);
    for (step_of_it, line) in [
        (role("${{ nope( }}"), "`${{ nope( }}`: it does not parse"),
        (role("${{ matrix.x"), "is not closed"),
        (
            role("${{ fromJSON('x') }}"),
            "`fromJSON` is given a text that is not JSON",
        ),
        (role("${{ fromJSON('[1]') }}"), "it gives a list, not a string"),
        (role("${{ nowhere.x }}"), "`${{ nowhere.x }}`"),
        (role(&format!("${{{{ '{large}' }}}}")), "longer than 8 KiB"),
        ("{uses: ./loop}".to_owned(), "`loop` calls itself"),
        ("{uses: ./broken}".to_owned(), "`./broken` is not an action (line 1"),
        ("{uses: ./none}".to_owned(), "`./none` cannot be read"),
        (
            "{uses: acme/login@v1, with: {role-arn: x}}".to_owned(),
            "`acme/login@v1` is an action of another repository, and is not read",
        ),
        (
            "{uses: ../../etc}".to_owned(),
            "has no step of configure-aws-credentials",
        ),
    ] {
        let mut scenario = scenario(&[&step_of_it]);
        let files = [("loop", "runs: {steps: [{uses: ./loop}]}"), ("broken", "runs: [")];
        let lines = |(name, text): (&str, &str)| (format!("{name}/action.yml"), vec![text.to_owned()]);
        scenario.files = files.into_iter().map(lines).collect();
        let world = World::of(scenario).start();
        let (printed, exit) = step(&world);
        assert_eq!(exit, Some(0), "{printed}");
        assert!(printed.contains(line), "{line}\n{printed}");
        assert!(
            printed.contains("repo:acme/widgets:environment:production"),
            "{printed}"
        );
    }
    let mut scenario = scenario(&[&role("x")]);
    scenario.workflow.as_mut().unwrap().push("#".repeat(1 << 20));
    let world = World::of(scenario).with("github-token", "").start();
    let (printed, exit) = step(&world);
    assert_eq!(exit, Some(0), "{printed}");
    assert!(printed.contains("larger than 1 MiB"), "{printed}");
}

/// Every world, with a secret in place of its role: nothing certain is about that role.
#[test]
fn in_no_world_is_anything_certain_of_a_role_that_is_not_known() {
    let hidden = |lines: &mut Vec<String>| {
        for line in lines.iter_mut() {
            if let Some((before, _)) = line.split_once("role-to-assume:") {
                *line = format!("{before}role-to-assume: ${{{{ secrets.ROLE }}}}");
            }
        }
    };
    let mut count = 0;
    for name in Scenario::names() {
        let mut scenario = Scenario::named(&name).unwrap();
        if scenario.args.is_some() || name == "api-slow" {
            continue;
        }
        scenario.with.remove("role-to-assume");
        scenario
            .workflow
            .iter_mut()
            .chain(&mut scenario.rest.workflow)
            .for_each(hidden);
        let files = scenario.files.values_mut().chain(scenario.rest.files.values_mut());
        files.for_each(hidden);
        let world = World::of(scenario).start();
        step(&world);
        let report: Value = serde_json::from_str(&world.outputs()["report"]).unwrap();
        let runs = report["runs"]
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![report.clone()]);
        for finding in runs.iter().flat_map(|run| run["findings"].as_array().unwrap()) {
            if finding["severity"] != "blocks" || finding["certainty"] != "certain" {
                continue;
            }
            let id = finding["id"].as_str().unwrap();
            let stage = format!("{:?}", aws_oidc_doctor::by_id(id).unwrap().rule.stage);
            let is_of_the_role = ["Provider", "Role", "TrustPolicy", "Session"].contains(&&*stage);
            assert!(!is_of_the_role, "{name}: {id} is certain");
        }
        assert!(world.requests_of(Call::GetRole).is_empty(), "{name}");
        assert!(world.requests_of(Call::AssumeRoleWithWebIdentity).is_empty(), "{name}");
        count += 1;
    }
    assert!(count > 40, "{count}");
}

#[test]
fn an_empty_role_is_told_from_one_that_is_omitted() {
    let secret = configure("{role-to-assume: '${{ secrets.ROLE }}', aws-region: eu-west-1}");
    let empty = configure("{role-to-assume: '${{ inputs.role }}', aws-region: eu-west-1}");
    let blank = configure("{role-to-assume: '${{ env.SECRET_ROLE }}', aws-region: eu-west-1}");
    for (step_of_it, given, checkout, want) in [
        // Omitted, and the step's own is unknown.
        (&secret, None, true, None),
        (&secret, None, false, None),
        // Passed on but empty: with and without a checkout.
        (&secret, Some(""), true, Some("role-input-empty")),
        (&secret, Some(""), false, Some("role-input-empty")),
        // The step's own is empty at run time.
        (&empty, None, true, Some("role-input-empty")),
        (&blank, None, true, Some("role-input-empty")),
    ] {
        let mut scenario = scenario(&[step_of_it]);
        scenario.credentials = None;
        scenario.env.insert("SECRET_ROLE".to_owned(), String::new());
        if !checkout {
            scenario.workflow = None;
        }
        scenario.with = given
            .map(|role| ("role-to-assume".to_owned(), role.to_owned()))
            .into_iter()
            .collect();
        let world = World::of(scenario).start();
        let mut environment = world.environment();
        // The job has the variable, but it is empty.
        environment.insert("SECRET_ROLE".to_owned(), String::new());
        let run = program().args(world.args()).envs(environment).output().unwrap();
        let report: Value = serde_json::from_str(&world.outputs()["report"]).unwrap();
        let cause = report["cause"]["id"].as_str();
        assert_eq!(cause, want, "{step_of_it} {given:?} {checkout}");
        assert_eq!(run.status.code(), Some(i32::from(want.is_some())));
    }
}
