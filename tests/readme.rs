//! The README shows what the tool really prints and what `action.yml` declares. `README=update cargo test --test readme` writes both
//! anew.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "this is test code, which clippy sees only in `#[test]` functions"
)]

mod world;

use std::process::Command;
use std::sync::Mutex;
use std::{env, fs};

use aws_oidc_doctor::INPUTS;
use world::{Scenario, World};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const END: &str = "<!-- end -->";

/// Tests that write the README take turns.
static TURN: Mutex<()> = Mutex::new(());

/// What stands between the mark and the next `<!-- end -->` is this text.
fn holds(mark: &str, text: &str) {
    let _turn = TURN.lock();
    let readme = fs::read_to_string(README).unwrap();
    let start = format!("<!-- {mark} -->\n");
    let (before, rest) = readme.split_once(&start).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    if env::var_os("README").is_some_and(|wish| wish == "update") {
        fs::write(README, [before, &start, text, END, after].concat()).unwrap();
    } else {
        assert_eq!(shown, text, "`README=update cargo test --test readme` writes it anew");
    }
}

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
    holds(
        "demo: subject-environment",
        &format!("```text\n{}```\n", first_part(&printed)),
    );
}

#[test]
fn the_inputs_are_those_of_the_action() {
    let (mut own, mut theirs) = (String::new(), String::new());
    let defaults = Scenario::declared_inputs();
    let described = Scenario::described_inputs();
    for name in Scenario::declared_names("inputs", "outputs") {
        let [description, default] = [&described[&name], &defaults[&name]];
        if INPUTS.iter().any(|spec| spec.name == name) {
            theirs += &format!("| `{name}` | {description} |\n");
        } else {
            let default = match default.as_str() {
                "" => String::new(),
                text if text.starts_with("${{") => "set by default".to_owned(),
                text => format!("`{text}`"),
            };
            own += &format!("| `{name}` | {default} | {description} |\n");
        }
    }
    holds(
        "inputs",
        &format!(
            "| Input | Default | |\n|---|---|---|\n{own}\n\
             <details><summary>The inputs of <code>configure-aws-credentials</code></summary>\n\n\
             | Input | Meaning (that action's default) |\n|---|---|\n{theirs}\n</details>\n"
        ),
    );
}

#[test]
fn the_outputs_are_those_of_the_action() {
    let described = Scenario::described_outputs();
    let rows = Scenario::declared_names("outputs", "runs")
        .into_iter()
        .map(|name| format!("| `{name}` | {} |\n", described[&name]));
    holds(
        "outputs",
        &format!("| Output | |\n|---|---|\n{}", rows.collect::<String>()),
    );
}

/// The finding and its fix, without blanks at the ends of lines; what follows them is the same in every report.
fn first_part(printed: &str) -> String {
    let lines: Vec<&str> = printed.lines().map(str::trim_end).collect();
    let end = lines.iter().position(|line| line.starts_with("the handshake")).unwrap();
    lines[..end].join("\n")
}
