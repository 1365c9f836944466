//! How a summary looks on GitHub: each world's, rendered by a GFM renderer, laid out by Chromium, and measured.
//!
//! `PICTURES=update cargo test --test integration screen::` retakes the pictures in `docs/pictures`; `PICTURES=/tmp/x` puts one of
//! every world there. Without Chromium, the test says so and measures nothing.

use crate::program;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use crate::world::{Scenario, World};

const CSS: &str = include_str!("screen/github.css");
/// The documentation's pictures, and the worlds they show.
pub(crate) const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/pictures");
const SHOWN: [(&str, &str); 6] = [
    ("subject-environment", "light"),
    ("subject-environment", "dark"),
    ("audience-mismatch", "light"),
    ("chained-role-not-trusted", "light"),
    ("no-iam-access", "light"),
    ("subject-unrestricted", "light"),
];
/// The pixels of one screen.
const SCREEN: u32 = 800;

/// GitHub's Markdown.
fn html(markdown: &str) -> String {
    let mut options = comrak::Options::default();
    let extension = &mut options.extension;
    extension.autolink = true;
    extension.table = true;
    extension.strikethrough = true;
    extension.tasklist = true;
    extension.footnotes = true;
    extension.alerts = true;
    options.render.r#unsafe = true;
    coloured(&comrak::markdown_to_html(markdown, &options))
}

/// The lines of a diff, in GitHub's colours.
fn coloured(html: &str) -> String {
    let mut in_diff = false;
    let lines = html.split('\n').map(|line| {
        let (head, text) = match line.split_once("<code class=\"language-diff\">") {
            Some((head, text)) => {
                in_diff = true;
                (format!("{head}<code>"), text)
            }
            None => (String::new(), line),
        };
        in_diff &= !text.contains("</code>");
        let class = match text.chars().next() {
            Some('+') if in_diff => "added",
            Some('-') if in_diff => "deleted",
            Some('@') if in_diff => "hunk",
            _ => return head + text,
        };
        format!("{head}<span class=\"{class}\">{text}</span>")
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn page(theme: &str, articles: &BTreeMap<String, String>) -> String {
    let articles: String = articles
        .iter()
        .map(|(name, markdown)| format!("<article id=\"{name}\">{}</article>\n", html(markdown)))
        .collect();
    format!("<!DOCTYPE html><html class=\"{theme}\"><meta charset=\"utf-8\"><style>{CSS}</style><body>{articles}")
}

pub(crate) fn chromium() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok())
}

pub(crate) fn browse(program: &str, folder: &Path, arguments: &[String]) -> String {
    let run = Command::new(program)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--disable-background-networking",
        ])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .args(arguments)
        .output()
        .unwrap();
    String::from_utf8_lossy(&run.stdout).into_owned()
}

/// The height of each article, in pixels.
fn heights(program: &str, theme: &str, articles: &BTreeMap<String, String>) -> BTreeMap<String, u32> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.html");
    let script = "<script>document.title = [...document.querySelectorAll('article')]\
                  .map(a => a.id + '=' + Math.ceil(a.getBoundingClientRect().height)).join(' ')</script>";
    fs::write(&file, page(theme, articles) + script).unwrap();
    let dom = browse(
        program,
        folder.path(),
        &["--dump-dom".to_owned(), format!("file://{}", file.display())],
    );
    let title = dom.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
    title
        .split(' ')
        .map(|entry| entry.split_once('=').unwrap())
        .map(|(name, height)| (name.to_owned(), height.parse().unwrap()))
        .collect()
}

fn picture(program: &str, theme: &str, markdown: &str, height: u32, to: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.html");
    let margin = "<style>article { margin: 16px }</style>";
    let articles = BTreeMap::from([("one".to_owned(), markdown.to_owned())]);
    fs::write(&file, page(theme, &articles) + margin).unwrap();
    browse(
        program,
        folder.path(),
        &[
            format!("--window-size=972,{}", height + 32),
            format!("--screenshot={}", to.display()),
            format!("file://{}", file.display()),
        ],
    );
}

fn summary(name: &str) -> String {
    let world = World::named(name).start();
    let scenario = world.scenario();
    let arguments = match scenario.args {
        Some(_) => [scenario.command(), vec!["--format=summary".to_owned()]].concat(),
        None => world.args(),
    };
    let run = program()
        .args(arguments)
        .envs(world.environment())
        .env("GITHUB_ACTION_REPOSITORY", "acme/aws-oidc-doctor")
        .env("GITHUB_ACTION_REF", "v1")
        .output()
        .unwrap();
    match scenario.args {
        Some(_) => String::from_utf8(run.stdout).unwrap(),
        None => world.summary(),
    }
}

/// The sentences of a summary that are visible while its folds are closed.
fn sentences(markdown: &str) -> Vec<String> {
    let (mut depth, mut in_fence, mut sentences) = (0, false, Vec::new());
    for line in markdown.lines() {
        depth += line.matches("<details>").count();
        in_fence ^= line.starts_with("```");
        if depth == 0 && !in_fence && !line.starts_with("```") {
            let parts = line
                .trim_start_matches(['#', '-', '>', ' '])
                .split(['|', '.', ';', '·', '–']);
            sentences.extend(parts.map(|part| part.trim().to_lowercase()));
        }
        depth -= line.matches("</details>").count();
    }
    sentences.retain(|sentence| sentence.split(' ').count() > 4);
    sentences
}

#[test]
fn nothing_is_said_twice_outside_the_folds() {
    for name in Scenario::names() {
        let summary = summary(&name);
        let said = sentences(&summary);
        let mut once = said.clone();
        once.sort();
        once.dedup();
        assert_eq!(said.len(), once.len(), "{name}: {said:#?}");
        assert!(summary.contains("<details><summary>Evidence: "), "{name}");
    }
}

/// What a terminal or a log with this many columns shows.
fn log(world: &World, arguments: &[String], columns: usize) -> String {
    let run = program()
        .args(arguments)
        .envs(world.environment())
        .env("NO_COLOR", "1")
        .env("COLUMNS", columns.to_string())
        .output()
        .unwrap();
    String::from_utf8(run.stdout).unwrap()
}

#[test]
fn sentences_are_wrapped_and_what_is_copied_is_not() {
    for name in Scenario::names() {
        let world = World::named(&name).start();
        let of = |columns| log(&world, &world.scenario().command(), columns);
        for columns in [80, 120] {
            let log = of(columns);
            let (answer, _) = log.split_once("\nthe handshake, step by step").unwrap();
            let mut in_change = false;
            for line in answer.lines() {
                in_change = line.starts_with("fix ") || in_change && !line.starts_with("  (") && !line.is_empty();
                let is_shown = line.contains(" | ") || line.trim_start().starts_with("token ");
                let is_handed_over = line.trim_start().starts_with("with: { ");
                let is_copied = in_change || is_shown || is_handed_over || line.starts_with("  $ ");
                // Words aren't split, however long.
                let has_room = line.split(' ').all(|word| word.chars().count() < columns / 4);
                let length = line.chars().count();
                assert!(length <= columns || is_copied || !has_room, "{name}: {length}: {line}");
            }
        }
        let copied = |log: &str| -> Vec<String> {
            let lines = log.lines().filter(|line| line.starts_with("  $ "));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(copied(&of(40)), copied(&of(400)), "{name}");
    }
}

#[test]
fn a_place_in_a_file_that_was_given_can_be_clicked() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let role = &Scenario::named("subject-branch").unwrap().account.roles[0];
    let policy = serde_json::to_string_pretty(&role.trust_policy).unwrap();
    let token = r#"{"iss": "https://token.actions.githubusercontent.com", "aud": "sts.amazonaws.com", "sub": "repo:acme/widgets:pull_request"}"#;
    let printed = format!(
        r#"{{"Role": {{"Arn": "arn:aws:iam::123456789012:role/deploy", "AssumeRolePolicyDocument": {policy}}}}}"#
    );
    let claims = format!("--claims={}", file("claims.json", token));
    let world = World::named("healthy").start();
    for (text, is_place) in [(&policy, true), (&printed, false)] {
        let path = file("trust policy.json", text);
        let arguments = ["diagnose".to_owned(), claims.clone(), format!("--trust-policy={path}")];
        let line = policy
            .lines()
            .position(|line| line.contains("refs/heads/main"))
            .unwrap()
            + 1;
        let log = log(&world, &arguments, 100);
        assert_eq!(log.contains(&format!("--> {path}:{line}:")), is_place, "{log}");
        assert_eq!(log.contains("--> trust policy"), !is_place, "{log}");
    }
}

#[test]
fn every_summary_fits_on_a_screen() {
    let Some(program) = chromium() else {
        eprintln!("skipped: there is no Chromium here");
        return;
    };
    let names = Scenario::names().into_iter();
    let summaries: BTreeMap<String, String> = names.map(|name| (name.clone(), summary(&name))).collect();
    for theme in ["light", "dark"] {
        let heights = heights(program, theme, &summaries);
        assert_eq!(heights.len(), summaries.len());
        eprintln!("{theme}: {heights:?}");
        let too_high: Vec<_> = heights.iter().filter(|(_, height)| **height > SCREEN).collect();
        assert!(too_high.is_empty(), "{theme}: {too_high:?}");
        let Some(wish) = env::var_os("PICTURES") else {
            continue;
        };
        let (folder, shown) = match wish.to_str() {
            Some("update") => (Path::new(PICTURES), Some(SHOWN)),
            _ => (Path::new(&wish), None),
        };
        for (name, summary) in &summaries {
            if shown.is_none_or(|shown| shown.contains(&(&**name, theme))) {
                let to = folder.join(if theme == "dark" {
                    format!("{name}-dark")
                } else {
                    name.clone()
                });
                picture(program, theme, summary, heights[name], &to.with_extension("png"));
                if shown.is_none() {
                    fs::write(to.with_extension("md"), summary).unwrap();
                }
            }
        }
    }
}
