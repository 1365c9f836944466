//! The whole binary against moto's IAM: a peer we didn't write reads our requests, and we read its answers.
//!
//! moto is installed into `target/moto` if it isn't there. Without Python or its package index the test says so and is
//! skipped; with `CI=true` it fails instead.

use crate::step;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::{env, thread};

use crate::world::{Call, World};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

const PACKAGES: [&str; 3] = ["moto[iam]==5.2.1", "flask==3.1.3", "flask-cors==6.0.5"];

#[test]
fn roles_and_providers_are_read_from_a_peer_that_is_not_ours() {
    let Some(moto) = Moto::start() else { return };

    let world = World::named("subject-environment").start();
    let report = diagnose(&world, &moto);
    assert_eq!(report["cause"]["id"], "role-missing", "{report:#}");

    let role = &world.scenario().account.roles[0];
    moto.post(&[
        ("Action", "CreateRole"),
        ("RoleName", &role.name),
        ("AssumeRolePolicyDocument", &role.trust_policy.to_string()),
    ]);
    moto.post(&[
        ("Action", "CreateOpenIDConnectProvider"),
        ("Url", "https://token.actions.githubusercontent.com"),
        ("ClientIDList.member.1", "sts.amazonaws.com"),
        ("ThumbprintList.member.1", "6938fd4d98bab03faadb97b34396831e3780aea1"),
    ]);
    let report = diagnose(&world, &moto);
    assert_eq!(report["cause"]["id"], "subject-environment", "{report:#}");
    assert_eq!(report["causes"][1]["status"], "ruled-out", "{report:#}");

    // Everything came from moto: our own IAM wasn't called.
    for call in [
        Call::GetRole,
        Call::GetOpenIdConnectProvider,
        Call::ListOpenIdConnectProviders,
    ] {
        assert!(world.requests_of(call).is_empty(), "{call:?}");
    }
}

/// Runs the action with moto as IAM, and returns its report.
fn diagnose(world: &World, moto: &Moto) -> Value {
    let mut command = step(world);
    command.env("AWS_ENDPOINT_URL_IAM", format!("http://{}", moto.address));
    std::fs::write(world.root().join("output"), "").unwrap();
    let run = command.output().unwrap();
    let report = world.outputs().remove("report").unwrap_or_default();
    serde_json::from_str(&report).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&run.stderr)))
}

struct Moto {
    server: Child,
    address: String,
}

impl Moto {
    fn start() -> Option<Self> {
        let program = match installed() {
            Ok(program) => program,
            Err(why) if env::var("CI").is_ok_and(|ci| ci == "true") => panic!("moto: {why}"),
            Err(why) => {
                // Not `eprintln`, which a passing test doesn't show.
                let line = format!("the test against moto is left out: {why}\n");
                io::stderr().write_all(line.as_bytes()).unwrap();
                return None;
            }
        };
        let mut server = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .find_map(|line| Some(line.unwrap().split("Running on http://").nth(1)?.trim().to_owned()))
            .unwrap();
        thread::spawn(move || lines.for_each(drop));
        Some(Self { server, address })
    }

    fn post(&self, fields: &[(&str, &str)]) {
        let fields: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
            .collect();
        let body = fields.join("&");
        let mut stream = TcpStream::connect(&self.address).unwrap();
        // moto takes the service from the signature's scope, and doesn't check the signature.
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: iam.amazonaws.com\r\nConnection: close\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/iam/aws4_request, \
             SignedHeaders=host, Signature=0\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The path of `moto_server`, installed if necessary.
fn installed() -> Result<PathBuf, String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("moto");
    let program = folder.join("bin/moto_server");
    let done = folder.join("installed");
    let wanted = PACKAGES.join("\n");
    if std::fs::read_to_string(&done).is_ok_and(|found| found == wanted) {
        return Ok(program);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    run(Command::new(folder.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check"])
        .args(PACKAGES))?;
    std::fs::write(done, wanted).map_err(|error| error.to_string())?;
    Ok(program)
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    let last = String::from_utf8_lossy(&output.stderr)
        .lines()
        .next_back()
        .unwrap_or_default()
        .to_owned();
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{name}: {last}"))
    }
}
