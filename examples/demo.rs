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
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

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
    print!("{}", as_in_the_log(&String::from_utf8_lossy(&run.stdout), &world.secrets()));

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
    let mut wrong = 0;
    println!("{:32} {:28} {:28} replayed", "world", "expected", "live");
    for name in Scenario::names() {
        let world = World::named(&name).start();
        let expect = &world.scenario().expect;
        let expected = Outcome {
            exit: expect.exit.into(),
            verdict: expect.verdict.clone(),
            cause: expect.cause.clone(),
            number: expect.number,
        };
        let saved = world.root().join("evidence.json");
        let save = format!("--save-evidence={}", saved.display());

        let mut live = Command::new(&doctor);
        live.args(world.args()).arg(save).env_clear().envs(world.environment());
        let live = outcome(live, Some(&world));
        let mut replayed = Command::new(&doctor);
        replayed.args(["diagnose", "--format=json"]).arg("--evidence").arg(&saved).env_clear();
        let replayed = outcome(replayed, None);

        let right = live == Some(&expected) && replayed == Some(&expected);
        wrong += usize::from(!right);
        println!("{name:32} {:28} {:28} {}{}", brief(Some(&expected)), brief(live.as_ref()), brief(replayed.as_ref()), if right { "" } else { "   <- wrong" });
    }
    println!("{} worlds, {wrong} wrong", Scenario::names().len());
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn list() -> ExitCode {
    for name in Scenario::names() {
        let scenario = Scenario::named(&name).unwrap();
        println!("{name:28} {}", scenario.title);
    }
    ExitCode::SUCCESS
}
