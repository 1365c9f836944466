//! Whatever goes wrong: no panic, no hang, no secret in any output, and everything else is still collected.

use crate::{program, step, text};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::world::{Call, Fault, Form, Place, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::Value;

/// Longer than a whole run may take.
const PATIENCE: Duration = Duration::from_secs(30);

const CALLS: [Call; 11] = [
    Call::IdToken,
    Call::AssumeRoleWithWebIdentity,
    Call::GetCallerIdentity,
    Call::GetRole,
    Call::GetOpenIdConnectProvider,
    Call::ListOpenIdConnectProviders,
    Call::DiagnosisRole,
    Call::Contents,
    Call::Repository,
    Call::SubjectTemplate,
    Call::Environment,
];

const FAULTS: [Fault; 16] = [
    Fault::Refused,
    Fault::Reset,
    Fault::Hang,
    Fault::Slow(Duration::from_millis(120)),
    Fault::Truncated,
    Fault::Endless,
    Fault::Status(403),
    Fault::Status(404),
    Fault::Status(429),
    Fault::Status(500),
    Fault::Status(503),
    Fault::ProxyPage,
    Fault::Malformed,
    Fault::Redirect,
    Fault::UnknownCa,
    Fault::NoSuchHost,
];

/// A run, and the evidence it saved.
struct Run {
    exit: Option<i32>,
    report: Value,
    evidence: Value,
    /// Standard output, standard error and the evidence, without the lines that mask a secret.
    shown: String,
    took: Duration,
}

/// Runs `diagnose` in a world, as a job's own step would.
fn diagnose(world: &World, more: &[(&str, &str)]) -> Run {
    let saved = world.root().join("evidence.json");
    let mut command = program();
    command
        .args(world.scenario().command())
        .args(["--format=json", "--save-evidence"])
        .arg(&saved);
    command.envs(world.environment()).envs(more.iter().copied());
    let begun = Instant::now();
    let output = finish(command);
    let evidence = fs::read_to_string(&saved).unwrap_or_default();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let shown: String = [&stdout, &stderr, &evidence]
        .into_iter()
        .flat_map(|text| text.lines())
        .filter(|line| !line.starts_with("::add-mask::"))
        .collect();
    assert!(!shown.contains("panicked"), "{shown}");
    for secret in world.secrets() {
        assert!(!shown.contains(&secret), "{shown}");
    }
    Run {
        exit: output.status.code(),
        report: serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}")),
        evidence: serde_json::from_str(&evidence).unwrap(),
        shown,
        took: begun.elapsed(),
    }
}

/// Waits for a program, and kills it if it takes too long.
fn finish(mut command: Command) -> Output {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |from: &mut dyn std::io::Read| {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    };
    let id = child.id().to_string();
    let (done, waits) = std::sync::mpsc::channel::<()>();
    let guard = thread::spawn(move || {
        if waits.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-9", &id]).status();
        }
    });
    let stderr = thread::spawn(move || read(&mut err));
    let stdout = read(&mut out);
    let output = Output {
        status: child.wait().unwrap(),
        stdout,
        stderr: stderr.join().unwrap(),
    };
    drop(done);
    guard.join().unwrap();
    output
}

fn is_known(part: &Value) -> bool {
    !part.is_null() && part["missing"].is_null()
}

/// The parts of the evidence that a fault may leave missing.
fn struck(call: Call, fault: Fault) -> &'static [&'static str] {
    let whole_service = matches!(fault, Fault::Refused | Fault::UnknownCa | Fault::NoSuchHost);
    match call {
        // Without a token there is no attempt.
        Call::IdToken => &["token", "attempt", "environment"],
        Call::Contents | Call::Repository | Call::SubjectTemplate | Call::Environment if whole_service => {
            &["workflow", "repository", "subject_template", "environment"]
        }
        Call::Contents => &["workflow"],
        Call::Repository => &["repository"],
        Call::SubjectTemplate => &["subject_template"],
        Call::Environment => &["environment"],
        // Without the account number, a list may be another account's.
        Call::AssumeRoleWithWebIdentity | Call::GetCallerIdentity if whole_service => {
            &["attempt", "reader", "providers"]
        }
        Call::DiagnosisRole if whole_service => &["attempt", "reader", "role", "provider", "providers"],
        Call::AssumeRoleWithWebIdentity => &["attempt"],
        Call::GetCallerIdentity => &["reader", "providers"],
        Call::GetRole | Call::GetOpenIdConnectProvider | Call::ListOpenIdConnectProviders if whole_service => {
            &["role", "provider", "providers"]
        }
        Call::GetRole => &["role"],
        Call::GetOpenIdConnectProvider => &["provider"],
        Call::ListOpenIdConnectProviders => &["providers"],
        _ => &["reader", "role", "provider", "providers"],
    }
}

/// The part that says what happened to the call.
fn told(call: Call) -> &'static str {
    match call {
        Call::IdToken => "token",
        Call::AssumeRoleWithWebIdentity => "attempt",
        Call::GetCallerIdentity => "reader",
        Call::GetRole | Call::DiagnosisRole => "role",
        Call::GetOpenIdConnectProvider => "provider",
        Call::Contents => "workflow",
        Call::Repository => "repository",
        Call::SubjectTemplate => "subject_template",
        Call::Environment => "environment",
        _ => "providers",
    }
}

fn check(call: Call, fault: Fault) -> String {
    let scenario = if call == Call::DiagnosisRole {
        "diagnosis-role"
    } else {
        "subject-environment"
    };
    let setup = World::named(scenario).fault(call, fault);
    // A checkout has the workflow as well.
    let world = if call == Call::Contents {
        setup.without_checkout()
    } else {
        setup
    };
    let world = world.start();
    let run = diagnose(&world, &[]);
    let row = format!("{call:?} {fault:?}");

    // The job can't assume the role in either world. Without a token this is unknown, and the token request is what failed.
    let cause = run.report["cause"]["id"].as_str().unwrap_or("-").to_owned();
    tokens_went_where_they_belong(&world);
    assert_eq!(run.exit, Some(1), "{row}: {cause}\n{}", run.shown);
    assert!(run.took < Duration::from_secs(26), "{row}: {:?}", run.took);

    // 403 is AWS's own refusal of the attempt; a slow answer is still an answer.
    let answered = matches!(fault, Fault::Slow(_))
        || (call == Call::AssumeRoleWithWebIdentity && matches!(fault, Fault::Status(403 | 404)));
    for part in [
        "token",
        "attempt",
        "reader",
        "role",
        "provider",
        "providers",
        "workflow",
        "repository",
        "subject_template",
        "environment",
    ] {
        let has_none = part == "workflow" && world.scenario().workflow.is_none();
        let may_miss = has_none || !answered && struck(call, fault).contains(&part);
        assert!(
            may_miss || is_known(&run.evidence[part]),
            "{row}: {part} is lost\n{}",
            run.evidence
        );
    }
    let missing = &run.evidence[told(call)]["missing"];
    let (why, detail) = (
        missing["why"].as_str().unwrap_or("-"),
        missing["detail"].as_str().unwrap_or("-"),
    );
    if !answered {
        let host = match call {
            Call::IdToken => world.token_url(),
            Call::AssumeRoleWithWebIdentity | Call::GetCallerIdentity | Call::DiagnosisRole => {
                world.sts_url().to_owned()
            }
            Call::Contents | Call::Repository | Call::SubjectTemplate | Call::Environment => {
                world.rest_url().to_owned()
            }
            _ => world.iam_url().to_owned(),
        };
        let host = host.split('/').nth(2).unwrap();
        assert!(detail.contains(host), "{row}: `{detail}` does not name {host}");
        let wanted = match fault {
            Fault::Status(status) => status.to_string(),
            Fault::ProxyPage => "web page".to_owned(),
            Fault::UnknownCa => "SSL_CERT_FILE".to_owned(),
            Fault::NoSuchHost => "does not resolve".to_owned(),
            Fault::Hang if world.rest_url().contains(host) => "does not answer within 5 s".to_owned(),
            Fault::Hang => "does not answer within 10 s".to_owned(),
            Fault::Endless => "1 MiB".to_owned(),
            _ => "check".to_owned(),
        };
        let in_aws_words = matches!(fault, Fault::Status(_)) && call != Call::IdToken;
        assert!(
            in_aws_words || detail.contains(&wanted),
            "{row}: `{detail}` does not say `{wanted}`"
        );
    }
    let ms = run.took.as_millis();
    format!(
        "{:<27} {:<12} {} {cause:<22} {ms:>6} ms  {why}: {detail}",
        format!("{call:?}"),
        name(fault),
        run.exit.unwrap()
    )
}

/// Asserts that the ID token went only to STS, the request token and GitHub's only to their services, and nothing to a redirect's target.
fn tokens_went_where_they_belong(world: &World) {
    let secrets = world.secrets();
    let request_token = world.environment()["ACTIONS_ID_TOKEN_REQUEST_TOKEN"].clone();
    for request in world.requests() {
        let all = format!(
            "{} {:?} {} {:?}",
            request.target, request.headers, request.body, request.form
        );
        assert_eq!(
            all.contains(&request_token),
            request.call == Call::IdToken,
            "{:?}",
            request.call
        );
        assert_eq!(all.contains("ghs_"), request.is_rest(), "{:?}", request.call);
        let is_attempt = matches!(request.call, Call::AssumeRoleWithWebIdentity | Call::DiagnosisRole);
        let holds = secrets
            .iter()
            .any(|secret| *secret != request_token && secret.starts_with("eyJ") && all.contains(secret));
        assert_eq!(holds, is_attempt, "{:?}", request.call);
        assert!(!(is_attempt && request.is_signed()), "the attempt is unsigned");
        assert_ne!(request.call, Call::Other, "{all}");
    }
}

fn name(fault: Fault) -> String {
    match fault {
        Fault::Slow(_) => "slow".to_owned(),
        Fault::Status(status) => status.to_string(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// Each call and each fault. Run with `--nocapture` to see the table.
#[test]
fn every_call_and_every_fault() {
    let rows: Vec<_> = CALLS
        .iter()
        .flat_map(|call| FAULTS.map(|fault| (*call, fault)))
        .collect();
    // The longest first, in parallel: they wait for time-outs.
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&row| rows[row].1 != Fault::Hang);
    let next = AtomicUsize::new(0);
    let mut table: BTreeMap<usize, Result<String, String>> = thread::scope(|scope| {
        let worker = || {
            let mut done = Vec::new();
            while let Some(&row) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                let (call, fault) = rows[row];
                let checked = std::panic::catch_unwind(|| check(call, fault));
                let words =
                    |panic: Box<dyn std::any::Any + Send>| panic.downcast_ref::<String>().cloned().unwrap_or_default();
                done.push((row, checked.map_err(words)));
            }
            done
        };
        let workers: Vec<_> = (0..CALLS.len() + 2).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let failed: Vec<String> = table.values().filter_map(|row| row.as_ref().err().cloned()).collect();
    while let Some((_, row)) = table.pop_first() {
        println!(
            "{}",
            row.unwrap_or_else(|error| format!("FAILED {}", error.lines().next().unwrap_or_default()))
        );
    }
    assert!(
        failed.is_empty(),
        "{} of {} failed:\n{}",
        failed.len(),
        rows.len(),
        failed.join("\n\n")
    );
}

/// Two tokens, two endpoints: each goes to its own.
#[test]
fn the_id_token_goes_to_sts_alone() {
    let world = World::named("diagnosis-role").start();
    assert_eq!(diagnose(&world, &[]).exit, Some(1));
    assert_eq!(world.requests_of(Call::DiagnosisRole).len(), 1);
    tokens_went_where_they_belong(&world);
}

#[test]
fn a_token_never_follows_a_redirect() {
    for call in CALLS {
        let world = World::named("diagnosis-role").fault(call, Fault::Redirect).start();
        diagnose(&world, &[]);
        tokens_went_where_they_belong(&world);
    }
}

#[test]
fn without_https_a_token_does_not_leave_this_machine() {
    // A documentation address (RFC 5737): a connection would fail, and none is attempted.
    let outside = "http://192.0.2.1:8080";
    let world = World::named("subject-environment").start();
    let token_url = format!("{outside}/token?api-version=2.0");
    for (variable, value, part) in [
        ("ACTIONS_ID_TOKEN_REQUEST_URL", &*token_url, "token"),
        ("AWS_ENDPOINT_URL_STS", outside, "attempt"),
        ("AWS_ENDPOINT_URL_IAM", outside, "role"),
    ] {
        let run = diagnose(&world, &[(variable, value)]);
        let detail = run.evidence[part]["missing"]["detail"].as_str().unwrap_or_default();
        assert!(
            detail.contains("`192.0.2.1:8080` is not called: without https"),
            "{}",
            run.evidence
        );
        assert!(run.took < Duration::from_secs(3), "{:?}", run.took);
    }
    let proxied = diagnose(
        &world,
        &[("HTTP_PROXY", outside), ("http_proxy", outside), ("ALL_PROXY", outside)],
    );
    assert_eq!(
        proxied.report["cause"]["id"], "subject-environment",
        "plain HTTP takes no proxy\n{}",
        proxied.evidence
    );
}

/// With default features off, a missing TLS connector compiles and fails only at run time.
#[test]
fn https_gets_as_far_as_tls() {
    let world = World::named("subject-environment").start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = thread::spawn(move || {
        let mut first = [0];
        let mut seen = Vec::new();
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut first).unwrap();
            seen.push(first[0]);
        }
        seen
    });
    let token = format!("https://{address}/token?api-version=2.0");
    // Requests are retried, so at least three connections are seen.
    diagnose(&world, &[("ACTIONS_ID_TOKEN_REQUEST_URL", &token)]);
    const TLS_HANDSHAKE: u8 = 22;
    assert_eq!(seen.join().unwrap(), [TLS_HANDSHAKE; 3]);

    let world = World::named("subject-environment").tls().start();
    let strange = diagnose(&world, &[]);
    for part in ["token", "reader", "role", "provider"] {
        let detail = strange.evidence[part]["missing"]["detail"].as_str().unwrap_or_default();
        assert!(
            detail.contains("certificate that is not trusted"),
            "{part}: {}",
            strange.evidence
        );
    }
}

#[test]
fn certificates_come_from_ssl_cert_file_and_aws_ca_bundle() {
    let world = World::named("subject-environment").tls().start();
    let ca = world.ca_file();
    for variable in ["SSL_CERT_FILE", "AWS_CA_BUNDLE"] {
        let run = diagnose(&world, &[(variable, ca.to_str().unwrap())]);
        assert_eq!(
            run.report["cause"]["id"], "subject-environment",
            "{variable}: {}",
            run.evidence
        );
    }
    // Without any certificate on the machine, the bundle is enough; and plain HTTP needs none.
    let none = world.root().join("none.pem");
    fs::write(&none, "").unwrap();
    let none = none.to_str().unwrap();
    let nowhere = [("SSL_CERT_FILE", none), ("SSL_CERT_DIR", none)];
    let run = diagnose(
        &world,
        &[&nowhere[..], &[("AWS_CA_BUNDLE", ca.to_str().unwrap())]].concat(),
    );
    assert_eq!(run.report["cause"]["id"], "subject-environment", "{}", run.evidence);
    let run = diagnose(&world, &nowhere);
    assert!(
        run.shown.contains("no CA certificates on this machine"),
        "{}",
        run.shown
    );
    let plain = World::named("subject-environment").start();
    assert_eq!(diagnose(&plain, &nowhere).report["cause"]["id"], "subject-environment");
    // An unreadable bundle is reported, and everything else goes on.
    let run = diagnose(&world, &[("AWS_CA_BUNDLE", "/nowhere/ca.pem")]);
    assert!(run.shown.contains("AWS_CA_BUNDLE: no such file"), "{}", run.shown);
}

#[test]
fn proxies_lead_to_the_real_names() {
    let world = World::named("subject-environment").tls().start();
    let (ca, proxy) = (world.ca_file(), world.proxy_url());
    let path = world.token_url();
    let path = path.split_once("//").unwrap().1.split_once('/').unwrap().1;
    let token = format!("https://run-actions-1.actions.githubusercontent.com/{path}");
    let real = [
        ("SSL_CERT_FILE", ca.to_str().unwrap()),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", &*token),
        ("AWS_ENDPOINT_URL_STS", ""),
        ("AWS_ENDPOINT_URL_IAM", ""),
    ];
    let run = diagnose(&world, &[&real[..], &[("HTTPS_PROXY", &*proxy)]].concat());
    assert_eq!(run.report["cause"]["id"], "subject-environment", "{}", run.evidence);
    let through: Vec<String> = world
        .requests_of(Call::Proxy)
        .into_iter()
        .map(|request| request.target)
        .collect();
    for name in [
        "run-actions-1.actions.githubusercontent.com",
        "sts.eu-west-1.amazonaws.com",
        "iam.amazonaws.com",
    ] {
        assert!(through.contains(&format!("{name}:443")), "{name}: {through:?}");
    }

    // NO_PROXY is respected by the token request and the AWS calls; otherwise the dead proxy would break them.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dead = format!("http://user:proxy-password@{closed}");
    let certificates = ("SSL_CERT_FILE", ca.to_str().unwrap());
    let run = diagnose(
        &world,
        &[certificates, ("HTTPS_PROXY", &dead), ("NO_PROXY", "127.0.0.1")],
    );
    assert_eq!(run.report["cause"]["id"], "subject-environment", "{}", run.evidence);
    let run = diagnose(&world, &[certificates, ("HTTPS_PROXY", &dead)]);
    assert!(
        run.shown
            .contains(&format!("check the proxy `{closed}` (HTTPS_PROXY, NO_PROXY)")),
        "{}",
        run.shown
    );
    assert!(!run.shown.contains("proxy-password"), "{}", run.shown);

    // configure-aws-credentials' own input applies to STS.
    let world = World::named("subject-environment")
        .tls()
        .with("http-proxy", &proxy)
        .start();
    let (ca, before) = (world.ca_file(), through.len());
    let run = diagnose(&world, &[("SSL_CERT_FILE", ca.to_str().unwrap())]);
    assert!(
        run.shown.contains("sts:AssumeRoleWithWebIdentity"),
        "the other world's STS has another CA: {before}"
    );
}

/// The shell limits the program to half a gigabyte of address space, which it would exceed if it kept a whole answer.
#[test]
fn an_endless_answer_takes_little_memory() {
    for call in [Call::IdToken, Call::AssumeRoleWithWebIdentity, Call::GetRole] {
        let world = World::named("subject-environment").fault(call, Fault::Endless).start();
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                "ulimit -v 524288 && exec \"$0\" \"$@\"",
                env!("CARGO_BIN_EXE_aws-oidc-doctor"),
            ])
            .args(world.scenario().command());
        command.env("PATH", "/usr/bin:/bin").envs(world.environment());
        let output = finish(command);
        assert_eq!(output.status.code(), Some(1), "{call:?}: {}", text(&output.stderr));
        assert!(
            text(&output.stdout).contains("1 MiB"),
            "{call:?}: {}",
            text(&output.stdout)
        );
    }
}

/// Independent calls run in parallel, and the attempt follows the token at once.
#[test]
fn independent_calls_run_side_by_side() {
    let delay = Duration::from_millis(80);
    let world = World::named("subject-environment").delay(delay).start();
    let run = diagnose(&world, &[]);
    assert_eq!(run.report["cause"]["id"], "subject-environment");
    let requests = world.requests();
    assert_eq!(requests.len(), 10, "{requests:?}");
    let one = |call| world.requests_of(call).remove(0);
    let (token, attempt) = (one(Call::IdToken), one(Call::AssumeRoleWithWebIdentity));
    for call in [
        Call::GetCallerIdentity,
        Call::GetRole,
        Call::GetOpenIdConnectProvider,
        Call::ListOpenIdConnectProviders,
        Call::Contents,
        Call::Repository,
        Call::SubjectTemplate,
    ] {
        assert!(one(call).overlaps(&token), "{call:?} waits for the token");
    }
    // The token names the environment.
    assert!(one(Call::Environment).overlaps(&attempt));
    assert!(token.ended.unwrap() <= attempt.began);

    let ended = requests.iter().filter_map(|request| request.ended).max().unwrap();
    let began = requests.iter().map(|request| request.began).min().unwrap();
    let (whole, chain, sum) = (ended - began, delay * 2, delay * 10);
    println!(
        "whole run {whole:?}, longest chain {chain:?}, all calls {sum:?}: {:.2} of the chain, process {:?}",
        whole.as_secs_f64() / chain.as_secs_f64(),
        run.took
    );
}

/// What `env: AWS_…: ${{ vars.X }}` leaves behind if the variable isn't set, and worse.
#[test]
fn odd_variables_are_no_panic() {
    let world = World::named("subject-environment").start();
    for (variable, value) in [
        ("AWS_ENDPOINT_URL", ""),
        ("AWS_ENDPOINT_URL", " "),
        ("AWS_REGION", ""),
        ("AWS_PROFILE", "nobody"),
        ("AWS_PROFILE", ""),
        ("AWS_CONFIG_FILE", "/nowhere"),
        ("AWS_MAX_ATTEMPTS", "0"),
        ("AWS_MAX_ATTEMPTS", "many"),
        ("AWS_RETRY_MODE", "never"),
        ("AWS_USE_FIPS_ENDPOINT", "maybe"),
        ("AWS_SESSION_TOKEN", ""),
        ("HTTPS_PROXY", ""),
        ("HTTPS_PROXY", "://"),
        ("NO_PROXY", "*"),
        ("GITHUB_EVENT_PATH", "/dev/zero"),
        ("GITHUB_WORKSPACE", "/nowhere"),
    ] {
        let run = diagnose(&world, &[(variable, value)]);
        assert_eq!(
            run.report["cause"]["id"], "subject-environment",
            "{variable}={value}: {}",
            run.evidence
        );
    }
    for (variable, value) in [
        ("AWS_ENDPOINT_URL_STS", "no address"),
        ("AWS_ENDPOINT_URL_IAM", "ftp://127.0.0.1"),
        ("AWS_ENDPOINT_URL_IAM", "http://"),
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_ACCESS_KEY_ID", "odd\nkey"),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "no address"),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", ""),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "odd\ntoken"),
    ] {
        let run = diagnose(&world, &[(variable, value)]);
        assert_eq!(run.exit, Some(1), "{variable}={value}: {}", run.evidence);
    }
}

#[test]
fn debug_output_holds_no_secret() {
    for name in [
        "healthy",
        "subject-environment",
        "diagnosis-role",
        "token-request-failed",
        "no-iam-access",
    ] {
        let world = World::named(name).start();
        let run = diagnose(&world, &[("RUNNER_DEBUG", "1"), ("RUST_LOG", "trace")]);
        assert!(run.shown.contains("INFO aws_oidc_doctor"), "{}", run.shown);
    }
}

/// Asserts that no secret of a world is in a text: neither whole nor any 16 characters of it, whatever separates them.
fn holds_no_secret(world: &World, row: &str, text: &str) {
    const RUN: usize = 16;
    let shown: String = text.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
    let plain = |text: &str| -> Vec<u8> {
        let letters = text
            .bytes()
            .filter(|byte| byte.is_ascii_alphanumeric() || *byte == b'*');
        letters.map(|byte| byte.to_ascii_lowercase()).collect()
    };
    let shown = plain(&shown);
    let runs: HashSet<&[u8]> = shown.windows(RUN).collect();
    for secret in world.secrets() {
        let (encoded, mut letters) = (plain(&STANDARD_NO_PAD.encode(&secret)), plain(&secret));
        letters.push(b'!');
        let reversed: Vec<u8> = letters.iter().rev().copied().collect();
        for form in [letters, reversed, encoded] {
            for run in form.windows(RUN) {
                assert!(!runs.contains(run), "{row}: {}\n{text}", String::from_utf8_lossy(run));
            }
        }
    }
}

/// The forms of an answer that repeats every secret of the request somewhere.
const ECHOES: [(u16, Place, Form); 14] = [
    (200, Place::Text, Form::Whole),
    (200, Place::Header, Form::Whole),
    (400, Place::Text, Form::Whole),
    (403, Place::Text, Form::Spaced),
    (403, Place::Code, Form::Whole),
    (403, Place::Header, Form::Whole),
    (403, Place::Text, Form::Reversed),
    (403, Place::Text, Form::Base64),
    (403, Place::Text, Form::Entities),
    (503, Place::Text, Form::Whole),
    (503, Place::Text, Form::Slashes),
    (503, Place::Code, Form::Spaced),
    (503, Place::Text, Form::Percent),
    (503, Place::Text, Form::Capitals),
];

/// A gateway in AWS's or GitHub's place that repeats what it received: as a step, with the report as JSON, saved and replayed.
#[test]
fn an_answer_that_repeats_a_secret_is_kept_without_it() {
    let rows: Vec<_> = CALLS.iter().flat_map(|call| ECHOES.map(|echo| (*call, echo))).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(&(call, (status, place, form))) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    echoed(call, Fault::Echo(status, place, form));
                }
            });
        }
    });
}

fn echoed(call: Call, fault: Fault) {
    let row = format!("{call:?} {fault:?}");
    let scenario = match call {
        Call::DiagnosisRole => "diagnosis-role",
        Call::Environment => "subject-environment",
        _ => "healthy",
    };
    let run = |world: &World, args: &[&str]| {
        let mut command = program();
        command.args(args).envs(world.environment());
        let output = finish(command);
        assert!(output.status.code().is_some_and(|code| code < 4), "{row}");
        text(&output.stdout) + &text(&output.stderr)
    };
    let started = || {
        // What a diagnosis role's session gets, in a job without credentials of its own.
        let scenario = match fault {
            Fault::Echo(403, ..) if !matches!(call, Call::IdToken | Call::AssumeRoleWithWebIdentity) => {
                "diagnosis-role"
            }
            _ => scenario,
        };
        World::named(scenario).fault(call, fault).start()
    };
    let world = started();
    let mut shown = run(&world, &["action"]);
    for file in ["output", "summary", "env", "state"] {
        shown += &fs::read_to_string(world.root().join(file)).unwrap();
    }
    holds_no_secret(&world, &row, &shown);

    let world = started();
    let saved = world.root().join("evidence.json");
    let saved = saved.to_str().unwrap();
    let mut args = world.scenario().command();
    args.extend(["-v", "--format=json", "--save-evidence", saved].map(str::to_owned));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let shown = run(&world, &args) + &fs::read_to_string(saved).unwrap();
    assert!(!world.requests_of(call).is_empty(), "{row} is not asked for");
    holds_no_secret(&world, &row, &shown);
    holds_no_secret(&world, &row, &run(&world, &["diagnose", "--evidence", saved]));
}

/// A run saved earlier, or elsewhere, that contains a token and keys.
#[test]
fn a_poisoned_saved_run_is_shown_without_its_secrets() {
    let world = World::named("diagnosis-role").start();
    diagnose(&world, &[]);
    let of = |call| world.requests_of(call).remove(0);
    let token = of(Call::DiagnosisRole).form["WebIdentityToken"].clone();
    let session = of(Call::GetRole).headers["x-amz-security-token"].clone();
    let spaced: Vec<&str> = token
        .as_bytes()
        .chunks(20)
        .map(|word| std::str::from_utf8(word).unwrap())
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let (poisoned, again) = (folder.path().join("poisoned.json"), folder.path().join("again.json"));
    for secret in [
        token.clone(),
        token.replace('.', "/"),
        token.replace('.', "%2E"),
        spaced.join(" "),
        session.clone(),
        format!("<SessionToken>{session}</SessionToken>"),
    ] {
        let evidence = serde_json::json!({
            "schema": 1,
            "request": {"role-to-assume": format!("arn:aws:iam::123456789012:role/{secret}"), "role-session-name": secret},
            "runner": {"event_name": secret, "ref": format!("refs/heads/{secret}")},
            "token": {"header": {"kid": secret}, "claims": {"sub": format!("repo:{secret}"), &*secret: secret}},
            "provider": {"missing": {"why": "unreachable", "detail": format!("x {secret}")}},
            "role": {"arn": secret, "trust_policy": {"Statement": [{"Sid": secret, &*secret: [secret]}]}},
            "attempt": {"outcome": "denied", "code": secret, "message": secret, "request_id": secret},
            "workflow": {"path": "w.yml", "text": format!("jobs:\n  deploy:\n    # {secret}\n    steps: []\n")},
            "reported": format!("It said {secret} here"),
        });
        let several = serde_json::json!({"schema": 1, "runs": [evidence, evidence]});
        for (format, evidence) in [
            ("console", &evidence),
            ("json", &evidence),
            ("summary", &evidence),
            ("json", &several),
            ("console", &several),
        ] {
            fs::write(&poisoned, evidence.to_string()).unwrap();
            let mut command = program();
            command
                .args(["diagnose", "-v", "--format", format, "--evidence"])
                .arg(&poisoned);
            // On a laptop no runner masks, and the secret was never known.
            command.arg("--save-evidence").arg(&again);
            let output = finish(command);
            let shown = text(&output.stdout) + &text(&output.stderr) + &fs::read_to_string(&again).unwrap();
            assert!(shown.contains("***"), "{shown}");
            holds_no_secret(&world, format, &shown);
        }
    }
}

#[test]
fn sessions_are_masked_as_tokens_are() {
    for (name, sessions) in [("healthy", 1), ("diagnosis-role", 1), ("subject-environment", 0)] {
        let world = World::named(name).start();
        let log = text(&finish(step(&world)).stdout);
        let masks: Vec<&str> = log
            .lines()
            .filter_map(|line| line.strip_prefix("::add-mask::"))
            .collect();
        assert_eq!(masks.len(), 2 + 3 * sessions, "{name}: {masks:?}");
        let given = world.secrets();
        for mask in masks {
            assert!(given.iter().any(|secret| secret == mask), "{name}: {mask}");
        }
    }
}

#[test]
fn an_address_is_kept_without_password_and_query() {
    let world = World::named("healthy").start();
    let host = world.sts_url().trim_start_matches("http://").to_owned();
    let address = format!("http://user:pass-4711@{host}/?sig=0123456789abcdef0123");
    let run = diagnose(&world, &[]);
    let before = run.report["verdict"].clone();
    let world = World::named("healthy").with("sts-endpoint", &address).start();
    let run = diagnose(&world, &[]);
    assert_eq!(run.report["verdict"], before, "{}", run.evidence);
    assert_eq!(run.evidence["request"]["sts-endpoint"], format!("http://{host}/"));
    for secret in ["pass-4711", "0123456789abcdef0123"] {
        assert!(!run.shown.contains(secret), "{}", run.shown);
    }
}

/// Nothing is redacted from ordinary texts.
#[test]
fn ordinary_texts_come_through_unchanged() {
    fn texts(folder: &std::path::Path, found: &mut Vec<(std::path::PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                texts(&path, found);
            } else if let Ok(text) = fs::read_to_string(&path) {
                found.push((path, text));
            }
        }
    }
    let secrets = aws_oidc_doctor::Secrets::default();
    for secret in World::named("healthy").start().secrets() {
        secrets.know(&secret);
    }
    let mut found = Vec::new();
    for folder in ["docs", "examples", "tests/cases", ".github"] {
        texts(
            &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
            &mut found,
        );
    }
    assert!(found.len() > 300, "{}", found.len());
    for (path, text) in found {
        assert_eq!(secrets.scrub(&text), text, "{}", path.display());
    }
}
