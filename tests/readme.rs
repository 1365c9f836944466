//! The README shows what the tool really prints. `README=update cargo test --test readme` writes it anew.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "this is test code, which clippy sees only in `#[test]` functions"
)]

mod world;

use std::process::Command;
use std::{env, fs};

use world::World;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const START: &str = "<!-- demo: subject-environment -->\n```text\n";
const END: &str = "```\n<!-- end -->";

#[test]
fn the_console_output_is_real() {
    let world = World::named("subject-environment").start();
    let run = Command::new(env!("CARGO_BIN_EXE_aws-oidc-doctor"))
        .args(world.scenario().command())
        .env_clear()
        .envs(world.environment())
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let printed = String::from_utf8(run.stdout).unwrap();

    let readme = fs::read_to_string(README).unwrap();
    let (before, rest) = readme.split_once(START).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    if env::var_os("README").is_some_and(|wish| wish == "update") {
        fs::write(README, [before, START, &first_part(&printed), END, after].concat()).unwrap();
    } else {
        assert_eq!(
            shown,
            first_part(&printed),
            "`README=update cargo test --test readme` writes it anew"
        );
    }
}

/// The finding and its fix, without blanks at the ends of lines; what follows them is the same in every report.
fn first_part(printed: &str) -> String {
    let lines: Vec<&str> = printed.lines().map(str::trim_end).collect();
    let end = lines.iter().position(|line| line.starts_with("the handshake")).unwrap();
    lines[..end].join("\n")
}
