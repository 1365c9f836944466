//! The whole diagnosis against a world on loopback that plays GitHub, STS and IAM.
//!
//! `cargo run --example demo` shows one; `-- --help` says what else there is.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program of its own, which stops where its own world is out of order"
)]

#[path = "../tests/world/mod.rs"]
mod world;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Output, Stdio};

use serde_json::Value;
use world::{Scenario, World};

const DEFAULT: &str = "subject-environment";

const HELP: &str = "\
cargo run --example demo -- [NAME] [--tls] [--exec PROGRAM]

Starts a world that plays GitHub, STS and IAM on loopback, and runs the doctor in it as the runner would.

  NAME            the world to show (subject-environment)
  --list          list the worlds
  --all           run all of them, live and from the saved evidence, and check what is found
  --tls           speak TLS, with a certificate authority of our own
  --exec PROGRAM  run PROGRAM instead of the doctor, with the same arguments and environment
";

/// What a run found, in the terms of a scenario's `expect`.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    exit: i32,
    verdict: String,
    cause: Option<String>,
    number: Option<u8>,
    /// A finding besides the cause.
    also: Option<String>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = self.cause.as_ref().or(self.also.as_ref()).unwrap_or(&self.verdict);
        match self.number {
            Some(number) => write!(to, "{} {number} {cause}", self.exit),
            None => write!(to, "{} - {cause}", self.exit),
        }
    }
}

fn main() -> ExitCode {
    let mut name = DEFAULT.to_owned();
    let mut tls = false;
    let mut program = None;
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--all" => return all(),
            "--exec" => program = arguments.next().map(OsString::from),
            "--help" | "-h" => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            "--list" => return list(),
            "--tls" => tls = true,
            option if option.starts_with('-') => {
                eprint!("no such option: {option}\n\n{HELP}");
                return ExitCode::from(2);
            }
            _ => name = argument,
        }
    }
    match Scenario::named(&name) {
        Ok(scenario) => show(scenario, tls, program),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Runs one world and prints what the log of the step would show.
fn show(scenario: Scenario, tls: bool, program: Option<OsString>) -> ExitCode {
    println!("{}\n{}\n", scenario.title, scenario.shows);
    let setup = World::of(scenario);
    let world = if tls { setup.tls() } else { setup }.start();
    let ca = world.ca_file();

    let mut command = Command::new(program.unwrap_or_else(|| doctor().into()));
    command.args(world.args()).env_clear().envs(world.environment());
    command.env("PATH", env::var_os("PATH").unwrap_or_default());
    if tls {
        command.envs([("SSL_CERT_FILE", &ca), ("AWS_CA_BUNDLE", &ca)]);
    }
    let run = command.stderr(Stdio::inherit()).output().unwrap();
    print!("{}", as_in_the_log(&text(&run.stdout), &world.secrets()));

    let exit = run.status.code().unwrap_or(-1);
    println!("\nexit code {exit}; {} requests:", world.requests().len());
    for request in world.requests() {
        println!("  {:?}", request.call);
    }
    let expect = &world.scenario().expect;
    if exit == i32::from(expect.exit) {
        return ExitCode::SUCCESS;
    }
    eprintln!("the exit code should have been {}", expect.exit);
    ExitCode::FAILURE
}

/// Runs every world twice: live, and from the evidence that the live run saved.
fn all() -> ExitCode {
    let doctor = doctor();
    let names = Scenario::names();
    let mut wrong = 0;
    println!("{:28} {:38} {:38} replayed", "world", "expected", "live");
    for name in &names {
        let world = World::named(name).start();
        let expect = &world.scenario().expect;
        let expected = Outcome {
            exit: expect.exit.into(),
            verdict: expect.verdict.clone(),
            cause: expect.cause.clone(),
            number: expect.number,
            also: expect.also.clone(),
        };
        let saved = world.root().join("evidence.json");

        let mut live = Command::new(&doctor);
        live.args(world.args()).env_clear().envs(world.environment());
        live.arg("--save-evidence").arg(&saved);
        let is_step = world.scenario().args.is_none();
        if !is_step {
            live.arg("--format=json");
        }
        let live = live.output().unwrap();
        let report = if is_step {
            world.outputs().remove("report").unwrap_or_default()
        } else {
            text(&live.stdout)
        };
        let live = outcome(&live, &report, expect.also.as_deref());

        let mut replayed = Command::new(&doctor);
        replayed
            .args(["diagnose", "--format=json", "--evidence"])
            .arg(&saved)
            .env_clear();
        let replayed = replayed.output().unwrap();
        let replayed = outcome(&replayed, &text(&replayed.stdout), expect.also.as_deref());

        let right = live == expected && replayed == expected;
        wrong += usize::from(!right);
        let mark = if right { "" } else { "   <- wrong" };
        println!(
            "{name:28} {:38} {:38} {replayed}{mark}",
            expected.to_string(),
            live.to_string()
        );
    }
    println!("{} worlds, {wrong} wrong", names.len());
    if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn list() -> ExitCode {
    for name in Scenario::names() {
        println!("{name:28} {}", Scenario::named(&name).unwrap().title);
    }
    ExitCode::SUCCESS
}

/// What a run found, by its report in JSON.
fn outcome(run: &Output, report: &str, also: Option<&str>) -> Outcome {
    let report: Value = serde_json::from_str(report).unwrap_or_default();
    let cause = &report["cause"];
    let findings = report["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    Outcome {
        exit: run.status.code().unwrap_or(-1),
        verdict: report["verdict"].as_str().unwrap_or("no report").to_owned(),
        cause: cause["id"].as_str().map(str::to_owned),
        number: cause["number"].as_u64().and_then(|number| number.try_into().ok()),
        also: also
            .filter(|also| findings.iter().any(|finding| finding["id"] == **also))
            .map(str::to_owned),
    }
}

/// The doctor's binary, beside this one, built if need be.
fn doctor() -> PathBuf {
    let folder = env::current_exe()
        .unwrap()
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .to_owned();
    if let Some(cargo) = env::var_os("CARGO") {
        let mut build = Command::new(cargo);
        build
            .args(["build", "--quiet", "--bin", "aws-oidc-doctor"])
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "the doctor does not build");
    }
    folder.join("aws-oidc-doctor")
}

/// A step's output as GitHub shows it: masks are taken, not shown, and annotations are not lines of the log.
fn as_in_the_log(output: &str, secrets: &[String]) -> String {
    let mut log = String::new();
    for line in output.lines().filter(|line| !line.starts_with("::")) {
        log += line;
        log.push('\n');
    }
    secrets.iter().fold(log, |log, secret| log.replace(secret, "***"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
