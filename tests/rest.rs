//! GitHub's REST API, read with the job's own token: what it yields, where the token goes, and what remains without it.

use crate::{program, step};
use std::fs;
use std::process::Output;
use std::time::Duration;

use crate::world::{Call, Scenario, World};
use serde_json::{Value, json};

/// Runs the step.
fn act(world: &World, more: &[(&str, &str)]) -> Output {
    step(world).envs(more.iter().copied()).output().unwrap()
}

fn report(world: &World) -> Value {
    serde_json::from_str(&world.outputs()["report"]).unwrap()
}

fn evidence(world: &World) -> Value {
    serde_json::from_str(&world.outputs()["evidence"]).unwrap()
}

fn log(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The unknowns, as text.
fn gaps(world: &World) -> Vec<(String, String)> {
    let report = report(world);
    let text = |gap: &Value, field: &str| gap[field].as_str().unwrap().to_owned();
    let gaps = report["gaps"].as_array().unwrap().iter();
    gaps.map(|gap| (text(gap, "wanted"), text(gap, "supply"))).collect()
}

#[test]
fn the_running_workflow_is_known_without_a_checkout() {
    let world = World::named("no-checkout").start();
    assert_eq!(act(&world, &[]).status.code(), Some(1));
    let report = report(&world);
    assert_eq!(report["cause"]["id"], "subject-environment");
    assert_eq!(
        report["role_source"],
        "step `Configure AWS credentials` of job `deploy`"
    );
    let asked = world.requests_of(Call::Contents).remove(0);
    assert_eq!(
        asked.target,
        "/repos/acme/widgets/contents/.github/workflows/deploy.yml?ref=4d3b1f6e0c2a5b7d9e8f7a6c5b4d3e2f1a0b9c8d"
    );
    assert_eq!(
        evidence(&world)["workflow"]["commit"],
        "4d3b1f6e0c2a5b7d9e8f7a6c5b4d3e2f1a0b9c8d"
    );

    // The same from a checkout, which may be someone else's.
    let world = World::named("subject-environment")
        .with("role-to-assume", "(omitted)")
        .with("github-token", "")
        .start();
    act(&world, &[]);
    assert_eq!(
        self::report(&world)["role_source"],
        "step `Configure AWS credentials` of job `deploy`, as the checkout has it"
    );
    assert_eq!(evidence(&world)["workflow"]["commit"], Value::Null);
}

#[test]
fn what_a_strangers_checkout_says_is_passed_over() {
    let world = World::named("checkout-of-a-stranger").start();
    let output = act(&world, &[]);
    assert_eq!(report(&world)["role"], "arn:aws:iam::123456789012:role/deploy");
    for text in [log(&output), world.summary(), world.output()] {
        assert!(!text.contains("of-a-stranger"), "{text}");
    }
    let asked = world.requests_of(Call::AssumeRoleWithWebIdentity);
    assert!(asked.iter().all(|request| !request.body.contains("of-a-stranger")));
}

/// Whose audience is used: the input's, that of the workflow proven to be running, or the default.
#[test]
fn an_audience_is_followed_where_the_workflow_is_proven_to_run() {
    const OWN: &str = "https://github.com/acme";
    const DEFAULT: &str = "sts.amazonaws.com";
    /// The world, a change to it, the token's audience, and whether the checkout is reported as the source.
    type Row = (&'static str, fn(&mut Scenario), &'static str, bool);
    let rows: [Row; 8] = [
        ("the API has its text", |_| {}, OWN, false),
        ("the checkout has its id", |of| of.rest.texts = false, OWN, false),
        (
            "the checkout has another id",
            |of| {
                of.rest.texts = false;
                let mut running = of.workflow.clone().unwrap();
                running.push("# another".to_owned());
                of.rest.workflow = Some(running);
            },
            DEFAULT,
            true,
        ),
        ("the API tells nothing", |of| of.rest.contents = false, DEFAULT, true),
        (
            "nothing is asked of the API",
            |of| drop(of.with.insert("github-token".to_owned(), String::new())),
            DEFAULT,
            true,
        ),
        (
            "an input comes first",
            |of| drop(of.with.insert("audience".to_owned(), "vault".to_owned())),
            "vault",
            false,
        ),
        (
            "its own action is the running commit's",
            |of| in_an_action(of, true),
            OWN,
            false,
        ),
        (
            "its own action is the checkout's",
            |of| in_an_action(of, false),
            DEFAULT,
            true,
        ),
    ];
    for (row, change, audience, is_checkouts) in rows {
        let mut scenario = Scenario::named("id-of-the-running-workflow").unwrap();
        scenario.rest.texts = true;
        change(&mut scenario);
        let file = scenario.files.remove("login/action.yml");
        let world = World::of(scenario).start();
        if let Some(lines) = file {
            fs::create_dir_all(world.workspace().join("login")).unwrap();
            fs::write(world.workspace().join("login/action.yml"), lines.join("\n")).unwrap();
        }
        let output = act(&world, &[]);
        let asked: Vec<_> = world
            .requests_of(Call::IdToken)
            .iter()
            .map(|asked| asked.form["audience"].clone())
            .collect();
        assert_eq!(asked.last().map(String::as_str), Some(audience), "{row}");
        assert!(
            asked.iter().all(|asked| [audience, DEFAULT].contains(&&**asked)),
            "{row}: {asked:?}"
        );
        let evidence = evidence(&world);
        assert_eq!(evidence["request"]["audience"], audience, "{row}");
        assert_eq!(evidence["token"]["claims"]["aud"], audience, "{row}");
        let source = report(&world)["role_source"].as_str().unwrap().to_owned();
        assert_eq!(
            source.ends_with("as the checkout has it"),
            is_checkouts,
            "{row}: {source}"
        );
        let said = log(&output).contains("the step in the checkout has `audience: https://github.com/acme`");
        assert_eq!(said, is_checkouts, "{row}");
        // One for the session that AWS issues, not one for each audience.
        assert_eq!(world.requests_of(Call::AssumeRoleWithWebIdentity).len(), 1, "{row}");
    }
}

/// The action asks for no audience where its input is there and empty, and the token is for the repository's owner.
#[test]
fn an_empty_audience_of_the_running_step_is_not_the_default() {
    const OWN: &str = "https://github.com/acme";
    /// Whether the workflow is proven to run, the variable `AUDIENCE`, what the token service is asked for, and the token's audience.
    type Row = (bool, Option<&'static str>, Option<&'static str>, &'static str);
    let rows: [Row; 3] = [
        (true, None, None, OWN),
        (true, Some("vault"), Some("vault"), "vault"),
        (false, None, Some("sts.amazonaws.com"), "sts.amazonaws.com"),
    ];
    for (is_proven, variable, asked_for, audience) in rows {
        let mut scenario = Scenario::named("id-of-the-running-workflow").unwrap();
        scenario.rest.texts = true;
        scenario.rest.contents = is_proven;
        for line in scenario.workflow.iter_mut().flatten() {
            if line.trim_start().starts_with("audience:") {
                *line = line.replace(OWN, "''");
            }
        }
        let world = World::of(scenario).start();
        let output = act(&world, variable.map(|value| ("AUDIENCE", value)).as_slice());
        let asked = world.requests_of(Call::IdToken);
        let last = asked.last().unwrap().form.get("audience").map(String::as_str);
        assert_eq!(last, asked_for, "{variable:?}");
        let (evidence, report) = (evidence(&world), report(&world));
        assert_eq!(evidence["token"]["claims"]["aud"], audience);
        assert_eq!(evidence["request"]["audience"], asked_for.unwrap_or_default());
        let said = log(&output).contains("the step in the checkout has `audience: ''`");
        assert_eq!(
            (said, report["verdict"] == "undecided"),
            (!is_proven, !is_proven),
            "{report}"
        );
    }
}

/// Moves the step into a local action, which is in the running commit or only in the checkout.
fn in_an_action(scenario: &mut Scenario, is_running: bool) {
    let lines = scenario.workflow.as_mut().unwrap();
    let steps = lines.iter().position(|line| line.contains("name: Configure")).unwrap();
    let step: Vec<_> = lines.drain(steps..).collect();
    lines.push("      - uses: ./login".to_owned());
    let action = ["runs:", "  using: composite", "  steps:"].map(str::to_owned);
    let action: Vec<_> = action.into_iter().chain(step).collect();
    let path = "login/action.yml".to_owned();
    if is_running {
        scenario.rest.files.insert(path, action);
    } else {
        scenario.files.insert(path, action);
    }
}

/// Only the role and the region are pasted; the step's other inputs come from the workflow.
#[test]
fn what_role_and_region_leave_open_is_that_steps() {
    let step = |duration: &str| {
        format!(
            "      - {{uses: aws-actions/configure-aws-credentials@v6, with: {{role-to-assume: \
             'arn:aws:iam::123456789012:role/deploy', aws-region: eu-west-1, role-duration-seconds: {duration}}}}}"
        )
    };
    for (more, inputs, want) in [
        (None, None, "43200"),
        // Given inputs come first.
        (None, Some("1800"), "1800"),
        // An identical step, and a different one.
        (Some("43200"), None, "43200"),
        (Some("900"), None, "3600"),
    ] {
        let mut scenario = Scenario::named("role-and-region-pasted").unwrap();
        let lines = scenario.workflow.as_mut().unwrap();
        lines.truncate(lines.iter().position(|line| line.contains("name: Configure")).unwrap());
        lines.push(step("43200"));
        lines.extend(more.map(step));
        let inputs = inputs.map(|duration| ("role-duration-seconds".to_owned(), duration.to_owned()));
        scenario.with.extend(inputs);
        let world = World::of(scenario).start();
        act(&world, &[]);
        let asked = world.requests_of(Call::AssumeRoleWithWebIdentity).remove(0);
        assert_eq!(asked.form["DurationSeconds"], want, "{more:?}");
    }
}

#[test]
fn a_checkout_with_another_workflow_than_the_running_one_is_said_to_have_it() {
    let line =
        "`.github/workflows/deploy.yml` differs in the checkout: what counts is the one that runs, of commit `4d3b1f6`";
    for (name, with, want) in [
        ("checkout-of-a-stranger", "(omitted)", true),
        // The role is given, and the workflow still differs.
        ("checkout-of-a-stranger", "arn:aws:iam::123456789012:role/deploy", true),
        ("subject-environment", "(omitted)", false),
        ("no-checkout", "(omitted)", false),
    ] {
        let world = World::named(name).with("role-to-assume", with).start();
        act(&world, &[]);
        let notes = report(&world)["notes"].to_string();
        assert_eq!(notes.contains(line), want, "{name}: {notes}");
    }
    // A long one is read, and one that is too long is reported as such.
    for (length, cause, want) in [
        (900_000, "subject-environment", None),
        (
            1 << 20,
            "",
            Some("GitHub has `.github/workflows/deploy.yml`, and it is larger than 1 MiB"),
        ),
    ] {
        let mut scenario = Scenario::named("no-checkout").unwrap();
        scenario
            .workflow
            .as_mut()
            .unwrap()
            .push(format!("# {}", "x".repeat(length)));
        let world = World::of(scenario).start();
        let printed = log(&act(&world, &[])).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(world.outputs()["cause"], cause, "{length}");
        assert!(want.is_none_or(|want| printed.contains(want)), "{length}: {printed}");
    }
    // Line endings are no difference.
    let world = World::named("subject-environment").start();
    let file = world.workspace().join(".github/workflows/deploy.yml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace('\n', "\r\n")).unwrap();
    act(&world, &[]);
    assert_eq!(evidence(&world)["workflow"]["checkout_differs"], Value::Null);
}

/// A local action: as the running commit has it, else as the checkout has it, which the report says.
#[test]
fn a_local_action_is_the_running_commits_or_said_to_be_the_checkouts() {
    let composite = |role: &str| {
        vec![
            "runs:".to_owned(),
            "  using: composite".to_owned(),
            "  steps:".to_owned(),
            "    - uses: aws-actions/configure-aws-credentials@v6".to_owned(),
            format!("      with: {{role-to-assume: 'arn:aws:iam::123456789012:role/{role}', aws-region: eu-west-1}}"),
        ]
    };
    for (has_it, checkout, want) in [
        (true, true, Some(("deploy", false))),
        (true, false, Some(("deploy", false))),
        (false, true, Some(("of-a-stranger", true))),
        (false, false, None),
    ] {
        let mut scenario = Scenario::named("subject-environment").unwrap();
        scenario.with.clear();
        scenario.checkout = checkout;
        let lines = scenario.workflow.as_mut().unwrap();
        lines.truncate(lines.iter().position(|line| line.contains("checkout@")).unwrap());
        lines.push("      - uses: ./login".to_owned());
        let path = "login/action.yml".to_owned();
        if has_it {
            scenario.rest.files.insert(path.clone(), composite("deploy"));
        }
        let world = World::of(scenario).start();
        // The world's API lacks files that are only in its workspace.
        if checkout {
            fs::create_dir_all(world.workspace().join("login")).unwrap();
            fs::write(world.workspace().join(path), composite("of-a-stranger").join("\n")).unwrap();
        }
        act(&world, &[]);
        let report = report(&world);
        let source = report["role_source"].as_str().unwrap_or_default();
        let role = report["role"].as_str().and_then(|role| role.rsplit('/').next());
        let found = role
            .filter(|_| source.starts_with("configure"))
            .map(|role| (role, source.contains("as the checkout has it")));
        assert_eq!(found, want, "{has_it} {checkout}: {source}");
    }
}

/// An organization can run the workflow of one repository in others.
#[test]
fn a_workflow_of_another_repository_is_read_there_and_not_from_the_checkout() {
    let world = World::named("subject-environment")
        .with("role-to-assume", "(omitted)")
        .start();
    let elsewhere = "acme/required/.github/workflows/deploy.yml@refs/heads/main";
    act(&world, &[("GITHUB_WORKFLOW_REF", elsewhere)]);
    let asked = world.requests_of(Call::Contents).remove(0);
    assert!(
        asked.target.starts_with("/repos/acme/required/contents/"),
        "{}",
        asked.target
    );
    assert_eq!(report(&world)["role"], Value::Null);
}

#[test]
fn without_a_permission_there_is_one_line_and_the_rest_of_the_report() {
    let world = World::named("no-checkout-no-permission").start();
    assert_eq!(act(&world, &[]).status.code(), Some(0));
    let gaps = gaps(&world);
    let is = |wanted: &str, supply: &str| gaps.contains(&(wanted.to_owned(), supply.to_owned()));
    assert!(
        is(
            "the running workflow",
            "give the job `contents: read`, or check the repository out before this step"
        ),
        "{gaps:?}"
    );
    let settings = "the repository's subject template, the environment's protection rules";
    assert!(is(settings, "give the job `actions: read`"), "{gaps:?}");
    assert_eq!(gaps.len(), 3, "{gaps:?}");

    for (name, why) in [
        ("api-forbidden", "access denied"),
        ("api-not-found", "not found"),
        (
            "api-throttled",
            "too many requests, and it answers again from 14:30 UTC on",
        ),
        ("api-huge", "more than 1 MiB"),
        ("api-redirect", "that is not followed"),
        ("api-page", "a web page"),
    ] {
        let world = World::named(name).start();
        assert_eq!(act(&world, &[]).status.code(), Some(1), "{name}");
        let report = report(&world);
        assert_eq!(report["cause"]["id"], "subject-environment", "{name}");
        let gaps = report["gaps"].as_array().unwrap();
        let ours: Vec<_> = gaps
            .iter()
            .filter(|gap| gap["wanted"].as_str().unwrap().contains("the repository"))
            .collect();
        assert!(!ours.is_empty() && ours.len() < 4, "{name}: {gaps:?}");
        assert!(
            ours.iter().all(|gap| gap["why"].as_str().unwrap().contains(why)),
            "{name}: {gaps:?}"
        );
    }
}

#[test]
fn an_empty_github_token_asks_nothing() {
    for (name, exit) in [
        ("subject-environment", 1),
        ("no-iam-access", 1),
        ("nothing-at-all", 0),
        ("healthy", 0),
    ] {
        let world = World::named(name).with("github-token", "").start();
        assert_eq!(act(&world, &[]).status.code(), Some(exit), "{name}");
        assert!(world.requests().iter().all(|request| !request.is_rest()), "{name}");
        assert!(
            gaps(&world)
                .iter()
                .all(|(wanted, _)| !wanted.contains("the repository")),
            "{name}"
        );
    }
    // A command has none by itself, nor does a laptop.
    for flag in [None, Some("--github-token=")] {
        let world = World::named("healthy").start();
        let mut command = program();
        command.args(["diagnose", "--role-to-assume=arn:aws:iam::123456789012:role/deploy"]);
        command.args(flag).envs(world.environment()).output().unwrap();
        assert!(world.requests().iter().all(|request| !request.is_rest()), "{flag:?}");
    }
}

#[test]
fn the_github_token_goes_to_its_api_alone() {
    let world = World::named("subject-environment").start();
    // On GitHub Enterprise Server, the API has a path.
    let api = format!("{}/api/v3", world.rest_url());
    act(&world, &[("GITHUB_API_URL", &api)]);
    assert_eq!(world.requests().iter().filter(|request| request.is_rest()).count(), 4);
    assert_eq!(evidence(&world)["environment"]["reviewers"], 1);
    for request in world.requests() {
        let shown = format!("{request:?}");
        assert_eq!(shown.contains("ghs_"), request.is_rest(), "{shown}");
        let authorization = request.headers.get("authorization").map_or("", String::as_str);
        assert!(
            !request.is_rest() || authorization.starts_with("Bearer ghs_"),
            "{shown}"
        );
    }
    for api in ["http://192.0.2.1:8080", "ftp://127.0.0.1", "no address", ""] {
        let world = World::named("subject-environment").start();
        let begun = std::time::Instant::now();
        assert_eq!(act(&world, &[("GITHUB_API_URL", api)]).status.code(), Some(1), "{api}");
        assert!(world.requests().iter().all(|request| !request.is_rest()), "{api}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{api}: {:?}", begun.elapsed());
    }
    let world = World::named("subject-environment")
        .fault(Call::Repository, crate::world::Fault::Redirect)
        .start();
    act(&world, &[]);
    assert!(world.requests_of(Call::Other).is_empty(), "a redirect was followed");
}

/// The role is only in the workflow, and the token doesn't wait for that.
#[test]
fn the_token_and_the_workflow_are_read_side_by_side() {
    let world = World::named("no-checkout").delay(Duration::from_millis(80)).start();
    act(&world, &[]);
    let one = |call| world.requests_of(call).remove(0);
    let (token, attempt) = (one(Call::IdToken), one(Call::AssumeRoleWithWebIdentity));
    for call in [Call::Contents, Call::Repository, Call::SubjectTemplate] {
        assert!(one(call).overlaps(&token), "{call:?}");
    }
    assert!(one(Call::Environment).overlaps(&attempt));
    assert_eq!(world.requests_of(Call::IdToken).len(), 1);
}

#[test]
fn what_github_says_of_the_repository_explains_its_subjects() {
    for (created, template, want) in [
        (
            "2026-08-01T10:00:00Z",
            json!({"use_default": true, "use_immutable_subject": true}),
            "the repository was created on 2026-08-01: since 15 July 2026",
        ),
        (
            "2024-08-01T10:00:00Z",
            json!({"use_default": true, "use_immutable_subject": true}),
            "the repository has opted in to IDs in the subject",
        ),
        (
            "2024-08-01T10:00:00Z",
            json!({"use_default": true, "use_immutable_subject": false}),
            "so it or its organization was most likely renamed or transferred since",
        ),
        (
            "2024-08-01T10:00:00Z",
            json!({}),
            "the repository was created, renamed or transferred since",
        ),
        (
            "no date",
            json!({"use_default": "odd"}),
            "the repository was created, renamed or transferred since",
        ),
    ] {
        let mut scenario = Scenario::named("subject-immutable").unwrap();
        scenario.rest.repository.insert("created_at".to_owned(), json!(created));
        scenario.rest.subject_template = template;
        let world = World::of(scenario).start();
        act(&world, &[]);
        let report = report(&world);
        assert_eq!(report["cause"]["certainty"], "certain");
        let notes = report["findings"][0]["notes"].to_string();
        assert!(notes.contains(want), "{want}: {notes}");
    }
}

#[test]
fn a_run_is_saved_in_the_workspace_and_nowhere_else() {
    let world = World::named("subject-environment")
        .with("save-evidence", "out/run.json")
        .start();
    fs::create_dir(world.workspace().join("out")).unwrap();
    assert_eq!(act(&world, &[]).status.code(), Some(1));
    let saved = fs::read_to_string(world.workspace().join("out/run.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&saved).unwrap(), evidence(&world));
    for secret in world.secrets() {
        assert!(!saved.contains(&secret));
    }

    let world = World::named("subject-environment").start();
    let outside = tempfile::tempdir().unwrap();
    let beyond = outside.path().join("run.json").to_str().unwrap().to_owned();
    fs::write(world.workspace().join("kept"), "kept").unwrap();
    for (link, to) in [("way", outside.path()), ("link", &world.workspace().join("kept"))] {
        std::os::unix::fs::symlink(to, world.workspace().join(link)).unwrap();
    }
    for (path, want) in [
        (&*beyond, "it lies outside of the workspace"),
        ("../run.json", "it lies outside of the workspace"),
        ("way/run.json", "it lies outside of the workspace"),
        ("/dev/null", "it lies outside of the workspace"),
        ("/dev/stdout", "it lies outside of the workspace"),
        ("link", "it is a link"),
        ("none/run.json", "no such file"),
        ("..", "it names no file"),
        (".github", "is a directory"),
    ] {
        let output = act(&world, &[("INPUT_SAVE-EVIDENCE", path)]);
        let log = log(&output);
        assert_eq!(output.status.code(), Some(2), "{path}: {log}");
        assert!(
            log.contains(&format!("input `save-evidence` (`{path}`): it cannot be written: ")),
            "{log}"
        );
        assert!(log.contains(want), "{path}: {log}");
    }
    assert_eq!(fs::read_to_string(world.workspace().join("kept")).unwrap(), "kept");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    // A file with this name, not standard output.
    act(&world, &[("INPUT_SAVE-EVIDENCE", "-")]);
    assert!(world.workspace().join("-").is_file());
}

#[test]
fn the_output_evidence_is_the_run_on_one_line() {
    for name in ["subject-environment", "chained-role", "no-checkout"] {
        let world = World::named(name).start();
        act(&world, &[]);
        let evidence = world.outputs()["evidence"].clone();
        assert!(!evidence.contains('\n') && evidence.starts_with('{'), "{evidence}");
        let file = world.root().join("again.json");
        fs::write(&file, &evidence).unwrap();
        let mut command = program();
        command.args(["diagnose", "--format=json", "--evidence"]).arg(&file);
        let again: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
        assert_eq!(again, report(&world), "{name}");
    }
    // Several runs, and one that is too large.
    let mut scenario = Scenario::named("no-checkout").unwrap();
    let lines = scenario.workflow.as_mut().unwrap();
    lines.extend(
        [
            "      - uses: aws-actions/configure-aws-credentials@v6",
            "        with: {role-to-assume: 'arn:aws:iam::123456789012:role/other', aws-region: eu-west-1}",
        ]
        .map(str::to_owned),
    );
    let several = scenario.clone();
    let world = World::of(several).start();
    act(&world, &[]);
    assert_eq!(evidence(&world)["runs"].as_array().unwrap().len(), 2);
    scenario
        .workflow
        .as_mut()
        .unwrap()
        .push(format!("# {}", "x".repeat(300 << 10)));
    let world = World::of(scenario).start();
    let output = act(&world, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(world.outputs()["evidence"], "");
    let log = log(&output);
    assert!(
        log.contains("::warning") && log.contains("the output `evidence` is left empty: it would have "),
        "{log}"
    );
}
