//! The product as a whole: cases, properties, and the program itself against a world on loopback. One binary, so that it is linked once.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "this is test code, which clippy sees only in `#[test]` functions"
)]

mod action;
mod astray;
#[cfg(target_os = "linux")]
mod bulk;
mod cases;
mod certainty;
mod check;
mod claims;
mod cli;
mod doors;
mod faults;
mod fixes;
mod flows;
mod guides;
mod layers;
mod messages;
mod moto;
mod output;
mod pages;
mod predict;
mod readme;
mod rest;
mod roles;
mod sarif;
mod screen;
mod security;
#[cfg(unix)]
mod siblings;
mod sides;
mod strangers;
mod thin;
mod world;
mod worlds;

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// The program, with nothing in its environment.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aws-oidc-doctor"));
    command.env_clear();
    command
}

/// Runs the program with these arguments and this standard input.
fn run(args: &[&str], stdin: &str) -> Output {
    let mut command = program();
    command.args(args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that doesn't read it doesn't need it.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

/// The program as a step of a job in this world.
fn step(world: &world::World) -> Command {
    let mut command = program();
    command.args(world.args()).envs(world.environment());
    command
}

/// The printed text.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_file_of_tests_is_a_part_of_this_program() {
    let main = include_str!("main.rs");
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        if let Some(module) = name.strip_suffix(".rs").filter(|name| *name != "main") {
            assert!(main.contains(&format!("mod {module};")), "main.rs does not name {name}");
        }
    }
}
