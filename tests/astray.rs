//! A checkout is untrusted: it decides neither where a token goes, nor its audience, nor how many requests are made.

use std::fmt::Write as _;
use std::process::{Command, Output};

use crate::world::{Call, Scenario, Setup, World};
use serde_json::Value;

const ROLE: &str = "arn:aws:iam::123456789012:role/deploy";

/// A job whose doctor has these inputs, and whose checkout has a workflow with these steps.
fn job(scenario: &str, inputs: &[(&str, &str)], steps: &str) -> Setup {
    let mut scenario = Scenario::named(scenario).unwrap();
    scenario.with = inputs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let workflow =
        format!("on: pull_request_target\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n{steps}");
    scenario.workflow = Some(workflow.lines().map(str::to_owned).collect());
    // The running workflow is unknown, so there is only the checkout.
    scenario.rest.contents = false;
    World::of(scenario)
}

/// A configure-aws-credentials step with these inputs.
fn step(inputs: &[(&str, &str)]) -> String {
    let mut text = "      - uses: aws-actions/configure-aws-credentials@v6\n        with:\n".to_owned();
    for (name, value) in inputs {
        let _ = writeln!(text, "          {name}: '{value}'");
    }
    text
}

/// Runs the step.
fn act(world: &World, more: &[(&str, &str)]) -> Output {
    crate::step(world).envs(more.iter().copied()).output().unwrap()
}

/// The audiences that tokens were requested for.
fn audiences(world: &World) -> Vec<String> {
    let mut audiences: Vec<String> = world
        .requests_of(Call::IdToken)
        .iter()
        .map(|request| request.form["audience"].clone())
        .collect();
    audiences.dedup();
    audiences
}

#[test]
fn a_checkout_decides_neither_where_the_token_goes_nor_for_whom() {
    let keys = [
        ("AWS_ACCESS_KEY_ID", "ASIAENVIRONMENT00000"),
        ("AWS_SECRET_ACCESS_KEY", "k"),
    ];
    let reader = ("diagnosis-role", "arn:aws:iam::123456789012:role/oidc-doctor");
    let not_tried = [reader, ("attempt", "false")];
    for (inputs, variables) in [
        (&[][..], &[][..]),
        (&[reader][..], &[][..]),
        (&not_tried[..], &[][..]),
        (&[("attempt", "false")][..], &keys[..]),
        (&[][..], &keys[..]),
    ] {
        for (name, value) in [
            ("sts-endpoint", "ELSEWHERE"),
            ("http-proxy", "ELSEWHERE"),
            ("audience", "https://vault.acme.example"),
            ("aws-region", "s3"),
            ("aws-region", "evil.example/"),
        ] {
            // The steps are written before the world runs, so its addresses aren't known yet: a port is reserved for it.
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let elsewhere = format!("http://{}", listener.local_addr().unwrap());
            let value = value.replace("ELSEWHERE", &elsewhere);
            let mut written = vec![("role-to-assume", ROLE), ("aws-region", "eu-west-1")];
            written.retain(|(input, _)| *input != name);
            written.push((name, &value));
            let world = job("diagnosis-role", inputs, &step(&written)).start();
            let output = act(&world, variables);
            let row = format!("{inputs:?} {variables:?} {name}: {value}\n{output:?}");
            assert!(listener.accept().is_err(), "somebody else was asked: {row}");
            assert!(
                audiences(&world).iter().all(|audience| audience == "sts.amazonaws.com"),
                "{row}"
            );
            if name == "aws-region" {
                continue;
            }
            let said = format!("{name}: {value}");
            let log = String::from_utf8_lossy(&output.stdout).into_owned();
            let log = log.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(log.contains(&said), "it is not said: {row}");
        }
    }
}

#[test]
fn the_inputs_decide_where_the_token_goes_and_for_whom() {
    let world = job(
        "healthy",
        &[("audience", "vault")],
        &step(&[("role-to-assume", ROLE), ("audience", "other")]),
    );
    let world = world.start();
    act(&world, &[]);
    assert_eq!(audiences(&world), ["vault"]);

    // The environment's endpoint is refused; the input's is the world's own.
    let world = World::named("healthy").start();
    let endpoint = world.sts_url().to_owned();
    let output = act(
        &world,
        &[
            ("INPUT_STS-ENDPOINT", &endpoint),
            ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1"),
        ],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_diagnosis_role_is_asked_for_with_its_own_partitions_audience() {
    let reader = ("diagnosis-role", "arn:aws:iam::123456789012:role/oidc-doctor");
    let chinese = "arn:aws-cn:iam::123456789012:role/deploy";
    let world = job("diagnosis-role", &[reader], &step(&[("role-to-assume", chinese)])).start();
    act(&world, &[]);
    assert_eq!(audiences(&world), ["sts.amazonaws.com"]);
}

#[test]
fn a_profile_of_the_checkout_names_no_endpoint() {
    for place in ["config", "../home/.aws/config"] {
        let world = job(
            "healthy",
            &[],
            &step(&[("role-to-assume", ROLE), ("aws-region", "eu-west-1")]),
        )
        .start();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let file = world.workspace().join(place);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let elsewhere = format!("http://{}", listener.local_addr().unwrap());
        let profile = format!(
            "[default]\nendpoint_url = {elsewhere}\nservices = x\n[services x]\nsts =\n  endpoint_url = {elsewhere}\n"
        );
        std::fs::write(&file, profile).unwrap();
        let mut command = crate::step(&world);
        // STS would then be AWS's own, which the proxy makes unreachable.
        command.env_remove("AWS_ENDPOINT_URL_STS");
        command.env("HTTPS_PROXY", "http://127.0.0.1:1");
        command.env("AWS_CONFIG_FILE", &file).output().unwrap();
        assert!(listener.accept().is_err(), "{place}");
        assert!(world.requests_of(Call::AssumeRoleWithWebIdentity).is_empty());
    }
}

#[test]
fn ten_roles_are_enough_and_equal_ones_are_asked_once() {
    let role = |number: usize| format!("arn:aws:iam::123456789012:role/r{number}");
    let steps: String = (0..500)
        .map(|number| step(&[("role-to-assume", &role(number / 2)), ("aws-region", "eu-west-1")]))
        .collect();
    let world = job("no-iam-access", &[], &steps).start();
    let output = act(&world, &[]);
    assert_eq!(world.requests_of(Call::AssumeRoleWithWebIdentity).len(), 10);
    assert_eq!(world.requests_of(Call::IdToken).len(), 1);
    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        log.contains("not checked") && log.contains("role/r10") && log.contains("and 460 more"),
        "{log}"
    );
    let report: Value = serde_json::from_str(&world.outputs()["report"]).unwrap();
    assert!(report["notes"].is_array());
    assert!(world.summary().len() < 1 << 20);
}

#[cfg(unix)]
#[test]
fn files_of_aws_neither_keep_it_waiting_nor_fill_the_memory() {
    let world = World::named("id-token-permission-missing").start();
    let fifo = world.root().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let begun = std::time::Instant::now();
    for variable in [
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "SSL_CERT_FILE",
        "AWS_CA_BUNDLE",
    ] {
        for path in [fifo.to_str().unwrap(), "/dev/zero"] {
            let output = act(&world, &[(variable, path), ("RUNNER_ENVIRONMENT", "self-hosted")]);
            assert_eq!(output.status.code(), Some(1), "{variable}={path}: {output:?}");
        }
    }
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}
