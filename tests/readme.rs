//! The README shows what the tool really prints and what `action.yml` declares. `README=update cargo test --test integration readme::`
//! regenerates both.

use crate::program;
use std::path::Path;
use std::sync::Mutex;
use std::{env, fs};

use crate::world::{Scenario, World};
use aws_oidc_doctor::INPUTS;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const END: &str = "<!-- end -->";

/// Tests that write the README take turns.
static TURN: Mutex<()> = Mutex::new(());

/// Asserts that this text is between the mark and the next `<!-- end -->`.
fn holds(mark: &str, text: &str) {
    let _turn = TURN.lock();
    let readme = fs::read_to_string(README).unwrap();
    let start = format!("<!-- {mark} -->\n");
    let (before, rest) = readme.split_once(&start).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    if env::var_os("README").is_some_and(|wish| wish == "update") {
        fs::write(README, [before, &start, text, END, after].concat()).unwrap();
    } else {
        assert_eq!(
            shown, text,
            "`README=update cargo test --test integration readme::` writes it anew"
        );
    }
}

#[test]
fn the_console_output_is_real() {
    let world = World::named("subject-environment").start();
    let run = program()
        .args(world.scenario().command())
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

/// A page's links into this repository work, headings included.
#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for folder in ["", "docs", "docs/checks", "docs/guides"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let page = entry.unwrap().path();
            if page.extension().is_none_or(|kind| kind != "md") {
                continue;
            }
            let text = fs::read_to_string(&page).unwrap();
            let after = |mark: &'static str| text.split(mark).skip(1);
            let places = after("](").chain(after(" src=\"")).chain(after(" srcset=\""));
            let targets = places.filter_map(|rest| rest.split([')', ' ', '"']).next());
            for target in targets.filter(|target| !target.starts_with("http")) {
                let (path, heading) = target.split_once('#').unwrap_or((target, ""));
                let there = match path {
                    "" => page.clone(),
                    path => page.with_file_name(path),
                };
                let place = format!("{}: {target}", page.display());
                assert!(there.exists(), "{place}");
                if !heading.is_empty() {
                    let linked = fs::read_to_string(&there).unwrap();
                    assert!(linked.lines().any(|line| anchor(line) == heading), "{place}");
                }
                count += 1;
            }
        }
    }
    assert!(count > 100, "{count}");
}

/// GitHub's anchor for a heading.
fn anchor(line: &str) -> String {
    let Some(heading) = line.strip_prefix('#') else {
        return String::new();
    };
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading
        .chars()
        .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

/// The finding and its fix, without trailing blanks; the rest is the same in every report.
fn first_part(printed: &str) -> String {
    let lines: Vec<&str> = printed.lines().map(str::trim_end).collect();
    let end = lines.iter().position(|line| line.starts_with("the handshake")).unwrap();
    lines[..end].join("\n")
}
