//! The whole diagnosis against a world on loopback that plays GitHub, STS and IAM.
//!
//! `cargo run --example demo` shows one; `-- --help` says what else there is.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program of its own, which stops where its own world is out of order"
)]

#[path = "../tests/world/mod.rs"]
mod world;

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use world::{Expect, Scenario, World};

const DEFAULT: &str = "subject-environment";

const HELP: &str = "\
cargo run --example demo -- [NAME] [--tls] [--delay MS] [--exec PROGRAM]

Starts a world that plays GitHub, STS and IAM on loopback, and runs the doctor in it as the runner would.

  NAME            the world to show (subject-environment)
  --list          list the worlds
  --all           run all of them, live and from the saved evidence, and check what is found
  --delay MS      let every answer take so long
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

impl Outcome {
    /// What a scenario should come to.
    fn expected(scenario: &Scenario) -> Self {
        let Expect {
            verdict,
            cause,
            number,
            exit,
            also,
        } = scenario.expect.clone();
        Self {
            exit: exit.into(),
            verdict,
            cause,
            number,
            also,
        }
    }
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
    let mut delay = 0;
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--all" => return all(),
            "--delay" => {
                delay = arguments
                    .next()
                    .and_then(|delay| delay.parse().ok())
                    .unwrap_or_default()
            }
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
        Ok(scenario) => show(scenario, tls, Duration::from_millis(delay), program),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Runs one world and prints what the log of the step would show.
fn show(scenario: Scenario, tls: bool, delay: Duration, program: Option<OsString>) -> ExitCode {
    println!("{}\n{}\n", scenario.title, scenario.shows);
    let setup = World::of(scenario).delay(delay);
    let world = if tls { setup.tls() } else { setup }.start();
    let ca = world.ca_file();

    let mut command = Command::new(program.unwrap_or_else(|| doctor().into()));
    command.args(world.args()).env_clear().envs(world.environment());
    command.env("PATH", env::var_os("PATH").unwrap_or_default());
    if tls {
        command.envs([("SSL_CERT_FILE", &ca), ("AWS_CA_BUNDLE", &ca)]);
    }
    if !io::stdout().is_terminal() || env::var_os("NO_COLOR").is_some() {
        command.env("NO_COLOR", "1");
    }
    let begun = Instant::now();
    let run = command.stderr(Stdio::inherit()).output().unwrap();
    let took = begun.elapsed().as_millis();
    print!("{}", as_in_the_log(&text(&run.stdout), &world.secrets()));

    let exit = run.status.code().unwrap_or(-1);
    println!("\nexit code {exit}; {} requests in {took} ms:", world.requests().len());
    for request in world.requests() {
        println!("  {:?}", request.call);
    }
    let scenario = world.scenario();
    let expected = Outcome::expected(scenario);
    let right = match world.outputs().get("report") {
        Some(report) => outcome(&run, report, scenario.expect.also.as_deref()) == expected,
        None => scenario.args.is_some() && exit == expected.exit,
    };
    if right {
        return ExitCode::SUCCESS;
    }
    eprintln!("this should have come to: {expected}");
    ExitCode::FAILURE
}

/// Runs every world three times: as a step, as a command in the same job, and from the evidence that the command saved.
fn all() -> ExitCode {
    let doctor = doctor();
    let names = Scenario::names();
    let mut wrong = 0;
    println!(
        "{:28}{:34}{:34}{:34}replayed",
        "world", "expected", "as a step", "as a command"
    );
    for name in &names {
        let world = World::named(name).start();
        let scenario = world.scenario();
        let also = scenario.expect.also.as_deref();
        let expected = Outcome::expected(scenario);
        let job = world.environment();
        let saved = world.root().join("evidence.json");
        let save = format!("--save-evidence={}", saved.display());
        let replay = format!("--evidence={}", saved.display());
        let json = "--format=json".to_owned();

        let step = scenario.args.is_none().then(|| {
            let run = run(&doctor, &world.args(), &job);
            outcome(&run, &world.outputs().remove("report").unwrap_or_default(), also)
        });
        let command = run(&doctor, &[scenario.command(), vec![save, json.clone()]].concat(), &job);
        let command = outcome(&command, &text(&command.stdout), also);
        // What fails the step is not in what it found.
        let mut replayed = vec!["diagnose".to_owned(), replay, json];
        replayed.extend(scenario.command().into_iter().filter(|flag| flag.starts_with("--fail")));
        let replayed = run(&doctor, &replayed, &BTreeMap::new());
        let replayed = outcome(&replayed, &text(&replayed.stdout), also);

        let found = [step.as_ref(), Some(&command), Some(&replayed)];
        let right = found.into_iter().flatten().all(|outcome| *outcome == expected);
        wrong += usize::from(!right);
        print!("{name:28}{:34}", expected.to_string());
        for outcome in found {
            print!(
                "{:34}",
                outcome.map_or_else(|| "no step".to_owned(), Outcome::to_string)
            );
        }
        println!("{}", if right { "" } else { "<- wrong" });
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

fn run(program: &Path, arguments: &[String], variables: &BTreeMap<String, String>) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(variables);
    command.output().unwrap()
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
        // With the demo, so that the dependencies keep the features that they were just built with.
        build
            .args(["build", "--quiet", "--bin", "aws-oidc-doctor", "--example", "demo"])
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "the doctor does not build");
    }
    folder.join("aws-oidc-doctor")
}

/// A step's output as GitHub shows it: masks are taken, not shown, annotations are not lines of the log, and groups have a title.
fn as_in_the_log(output: &str, secrets: &[String]) -> String {
    let mut log = String::new();
    for line in output.lines() {
        if let Some(title) = line.strip_prefix("::group::") {
            log += &format!("\n▾ {title}\n");
        } else if !line.starts_with("::") {
            log += line;
            log.push('\n');
        }
    }
    secrets.iter().fold(log, |log, secret| log.replace(secret, "***"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
