//! The README shows what the tool really prints. `README=update cargo test --test readme` writes it anew.

#![allow(
    clippy::disallowed_methods,
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
        fs::write(README, [before, START, &steady(&printed), END, after].concat()).unwrap();
    } else {
        assert_eq!(
            shown,
            steady(&printed),
            "`README=update cargo test --test readme` writes it anew"
        );
    }
}

/// Without what is new in every run: AWS's request id. No blanks at the ends of lines.
fn steady(printed: &str) -> String {
    let mut steady = String::new();
    for line in printed.lines() {
        let words: Vec<&str> = line
            .split(' ')
            .map(|word| if is_id(word) { REQUEST_ID } else { word })
            .collect();
        steady += words.join(" ").trim_end();
        steady.push('\n');
    }
    steady.trim_matches('\n').to_owned() + "\n"
}

const REQUEST_ID: &str = "6f1c2d3e-4b5a-4697-8a8b-000000000000";

fn is_id(word: &str) -> bool {
    let word = word.trim_matches(|letter: char| !letter.is_ascii_hexdigit());
    word.len() == REQUEST_ID.len() && word.matches('-').count() == 4
}
