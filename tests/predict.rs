//! Before the push: the subjects of a workflow's jobs, the policy that lets them in, and tests of a policy.

use crate::{program, text};
use std::fs;
use std::path::Path;
use std::process::Output;

use aws_oidc_doctor::{Form, Repository, SourceText, predict};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

/// The program in a folder, without the environment of the tests.
fn run(folder: &Path, args: &[&str]) -> Output {
    program().current_dir(folder).args(args).output().unwrap()
}

/// A checkout of `acme/widgets` with these workflows.
fn checkout(workflows: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::create_dir_all(path.join(".github/workflows")).unwrap();
    fs::create_dir_all(path.join(".git/refs/remotes/origin")).unwrap();
    fs::write(
        path.join(".git/config"),
        "[remote \"origin\"]\n\turl = git@github.com:acme/widgets.git\n",
    )
    .unwrap();
    fs::write(
        path.join(".git/refs/remotes/origin/HEAD"),
        "ref: refs/remotes/origin/trunk\n",
    )
    .unwrap();
    for (name, text) in workflows {
        fs::write(path.join(".github/workflows").join(name), text).unwrap();
    }
    folder
}

const DEPLOY: &str = "\
on:
  push:
    branches: [main]
  schedule: [{cron: '0 0 * * *'}]
permissions:
  id-token: write
jobs:
  plan:
    runs-on: ubuntu-latest
  deploy:
    runs-on: ubuntu-latest
    environment: production
  build:
    runs-on: ubuntu-latest
    permissions: {}
";

#[test]
fn a_checkout_shows_its_subjects() {
    let folder = checkout(&[("deploy.yml", DEPLOY)]);
    let output = run(folder.path(), &["predict"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    let rows: Vec<String> = shown
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for row in [
        "job plan .github/workflows/deploy.yml:8",
        "on push repo:acme/widgets:ref:refs/heads/main `on: push`, branches `main`, line 2",
        "on schedule repo:acme/widgets:ref:refs/heads/trunk `on: schedule`, line 4",
        "job deploy .github/workflows/deploy.yml:10",
        "on push, schedule repo:acme/widgets:environment:production `environment: production`, line 12",
    ] {
        assert!(rows.iter().any(|line| line == row), "{row}\n{shown}");
    }
    assert!(!shown.contains("build"), "{shown}");

    let output = run(
        folder.path(),
        &[
            "predict",
            "--format",
            "json",
            "--subjects",
            "immutable",
            "--owner-id",
            "1",
        ],
    );
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["repository"], "acme/widgets");
    let tokens = &json["jobs"][1]["tokens"][0];
    assert_eq!(
        tokens["subjects"],
        json!(["repo:acme@1/widgets@*:environment:production"])
    );
    assert_eq!(tokens["claims"]["environment"], json!(["production"]));
    assert_eq!(tokens["why"][1]["line"], 12);
}

#[test]
fn an_audience_is_that_of_the_step() {
    for (input, audience) in [
        ("", "sts.amazonaws.com"),
        ("audience: vault", "vault"),
        ("audience: ''", "https://github.com/acme"),
        ("audience: ${{ vars.AUDIENCE }}", "*"),
    ] {
        let step =
            "      - uses: aws-actions/configure-aws-credentials@v6\n        with:\n          role-to-assume: r\n";
        let text = format!(
            "on: push\npermissions: {{id-token: write}}\njobs:\n  d:\n    runs-on: x\n    steps:\n{step}          {input}\n"
        );
        let folder = checkout(&[("deploy.yml", &text)]);
        let output = run(folder.path(), &["predict", "--format", "json"]);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let claims = &json["jobs"][0]["tokens"][0]["claims"];
        assert_eq!(claims["aud"], json!([audience]), "{input}");
    }
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_goes_on() {
    let folder = checkout(&[("a.yml", "on: push\njobs: [\n  x: }"), ("b.yml", DEPLOY)]);
    let output = run(folder.path(), &["predict"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).starts_with("error: `.github/workflows/a.yml`, line "),
        "{}",
        text(&output.stderr)
    );
    assert!(text(&output.stdout).contains("environment:production"));
    for (args, words) in [
        (&["predict", "none.yml"][..], "`none.yml`"),
        (&["predict", "--repository", "acme"], "owner/name"),
        (&["predict", "--owner-id", "x"], "is not an ID"),
        (&["predict", "--created", "yesterday"], "is not a date"),
        (
            &["generate", "--environment", "x", "--repository", "a b/c"],
            "owner/name",
        ),
        (
            &["generate", "--environment", "x", "--subjects", "immutable"],
            "--owner-id",
        ),
        (&["generate", "--claims", "none.json"], "none.json"),
        (&["test", "none.yml"], "`none.yml`"),
    ] {
        let output = run(folder.path(), args);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(
            error.starts_with("error: ") && error.lines().count() == 1 && error.contains(words),
            "{args:?}: {error}"
        );
    }
    let empty = tempfile::tempdir().unwrap();
    let output = run(empty.path(), &["predict"]);
    assert!(
        text(&output.stderr).contains("there is no such directory"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn names_of_strangers_forge_no_command() {
    let workflow = "on: {'::error::x': , push: {branches: [\"a\\e[31m\"]}}\npermissions: {id-token: write}\njobs:\n  '::add-mask::y':\n    \
                    runs-on: x\n    environment: \"::set-env::\\n::warning::z\"\n";
    let folder = checkout(&[("x.yml", workflow)]);
    for args in [
        &["predict"][..],
        &["predict", "--format", "json"],
        &["generate"],
        &["generate", "--format", "cli"],
    ] {
        let output = run(folder.path(), args);
        for line in text(&output.stdout).lines().chain(text(&output.stderr).lines()) {
            assert!(
                !line.trim_start().starts_with("::") && !line.contains('\u{1b}'),
                "{args:?}: {line}"
            );
        }
    }
}

#[test]
fn a_policy_is_generated_in_each_form() {
    let folder = checkout(&[("deploy.yml", DEPLOY)]);
    let role = ["--role-to-assume", "arn:aws:iam::123456789012:role/deploy"];
    let generate = |more: &[&str]| {
        let output = run(folder.path(), &[&["generate"], more, &role[..]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let policy: Value = serde_json::from_str(&generate(&[])).unwrap();
    let equals = &policy["Statement"][0]["Condition"]["StringEquals"];
    assert_eq!(
        equals["token.actions.githubusercontent.com:sub"],
        json!([
            "repo:acme/widgets:ref:refs/heads/main",
            "repo:acme/widgets:ref:refs/heads/trunk",
            "repo:acme/widgets:environment:production"
        ])
    );
    assert_eq!(
        policy["Statement"][0]["Principal"]["Federated"],
        "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    );
    let each: Value = serde_json::from_str(&generate(&["--each", "job"])).unwrap();
    let names: Vec<&String> = each.as_object().unwrap().keys().collect();
    assert_eq!(names, ["deploy-plan", "deploy-deploy"]);
    let hcl = generate(&["--format", "hcl"]);
    assert!(
        hcl.contains("resource \"aws_iam_role\" \"deploy\"")
            && hcl.contains("\"Federated\": aws_iam_openid_connect_provider.github.arn")
    );
    let cfn = generate(&["--format", "cfn"]);
    assert!(cfn.contains("Type: AWS::IAM::OIDCProvider") && cfn.contains("{\"Ref\": \"GitHubProvider\"}"));
    let cli = generate(&["--format", "cli", "--environment", "a'b$(id)"]);
    assert!(
        cli.contains("aws iam create-role --role-name deploy --assume-role-policy-document file://trust-policy.json")
    );
    assert!(cli.contains("<<'EOF'\n{"));
    // A token is read but not repeated.
    let output = run(
        folder.path(),
        &["generate", "--claims", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"],
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(!text(&output.stderr).contains("eyJ"), "{}", text(&output.stderr));
}

#[test]
fn a_policy_is_tested_like_code() {
    let folder = checkout(&[("deploy.yml", DEPLOY)]);
    let path = folder.path();
    let policy = run(
        path,
        &[
            "generate",
            "--environment",
            "production",
            "--role-to-assume",
            "arn:aws:iam::123456789012:role/deploy",
        ],
    );
    fs::create_dir(path.join("iam")).unwrap();
    fs::write(path.join("iam/trust-policy.json"), &policy.stdout).unwrap();
    let expectations = |more: &str| {
        let text = format!(
            "policy: trust-policy.json\nrepository: acme/widgets\nallow:\n  - environment: production\ndeny:\n  - event: pull_request\n{more}"
        );
        fs::write(path.join("iam/test.yml"), text).unwrap();
    };
    expectations("");
    let output = run(path, &["test", "iam/test.yml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(
        text(&output.stdout),
        "expectations of iam/test.yml\n  ok    environment `production` gets in\n  ok    pull_request stays out\n\n2 passed, 0 failed\n"
    );
    expectations("  - {name: production of all places, environment: production}\n");
    let output = run(path, &["test", "iam/test.yml"]);
    assert_eq!(output.status.code(), Some(1));
    let shown = text(&output.stdout);
    assert!(
        shown.contains("FAIL  production of all places must not get in, and it gets in (line 7)"),
        "{shown}"
    );
    assert!(shown.ends_with("\n2 passed, 1 failed\n"), "{shown}");
    let output = run(path, &["test", "iam/test.yml", "--format", "json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["files"][0]["results"][2]["passed"], false);
    // An unreadable file doesn't keep the others from being tried.
    let output = run(path, &["test", "none.yml", "iam/test.yml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stdout).contains("2 passed, 1 failed"));
}

/// GitHub's side: the token's subject, computed for one run rather than as a set.
mod github {
    /// Whether a name matches a filter's pattern, character by character.
    fn fits(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', '*', rest @ ..], _) => {
                fits(rest, name) || name.split_first().is_some_and(|(_, name)| fits(pattern, name))
            }
            (['*', rest @ ..], _) => {
                let goes_on = |(first, name): (&char, &[char])| *first != '/' && fits(pattern, name);
                fits(rest, name) || name.split_first().is_some_and(goes_on)
            }
            ([one, pattern @ ..], [other, name @ ..]) => one == other && fits(pattern, name),
            _ => false,
        }
    }

    /// Whether a filter lets a name through. The last matching pattern decides.
    pub(super) fn lets_through(patterns: &[String], name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let mut is_let = false;
        for pattern in patterns {
            let (is_taken_out, pattern) = match pattern.strip_prefix('!') {
                Some(pattern) => (true, pattern),
                None => (false, pattern.as_str()),
            };
            let pattern: Vec<char> = pattern.chars().collect();
            if fits(&pattern, &name) {
                is_let = !is_taken_out;
            }
        }
        is_let
    }

    /// The subject: environment, else pull request, else ref.
    pub(super) fn subject(repository: &str, environment: Option<&str>, event: &str, git_ref: &str) -> String {
        match environment.filter(|name| !name.is_empty()) {
            Some(name) => format!("repo:{repository}:environment:{}", name.replace(':', "%3A")),
            None if event == "pull_request" => format!("repo:{repository}:pull_request"),
            None => format!("repo:{repository}:ref:{git_ref}"),
        }
    }
}

/// How a random job's environment is written, and its value in a run.
#[derive(Debug, Clone, Copy)]
enum Environment {
    ByBranch,
    Input,
    Matrix,
    Named,
    None,
    RefName,
    Variable,
}

impl Environment {
    fn yaml(self) -> &'static str {
        match self {
            Self::ByBranch => "    environment: ${{ github.ref == 'refs/heads/a' && 'prod' || 'dev' }}\n",
            Self::Input => "    environment: \"${{ inputs.stage || 'none:given' }}\"\n",
            Self::Matrix => "    strategy: {matrix: {env: [one, two]}}\n    environment: m-${{ matrix.env }}\n",
            Self::Named => "    environment: {name: 'prod:1'}\n",
            Self::None => "",
            Self::RefName => "    environment: on-${{ github.ref_name }}\n",
            Self::Variable => "    environment: ${{ vars.STAGE }}\n",
        }
    }

    fn of_run(self, event: &str, git_ref: &str, choice: usize) -> Option<String> {
        let short = ["refs/heads/", "refs/tags/", "refs/pull/"];
        let short = short
            .iter()
            .find_map(|kind| git_ref.strip_prefix(kind))
            .unwrap_or_default();
        match self {
            Self::ByBranch if git_ref.to_lowercase() == "refs/heads/a" => Some("prod".to_owned()),
            Self::ByBranch => Some("dev".to_owned()),
            Self::Input if event == "workflow_dispatch" => Some(["eu", "us"][choice % 2].to_owned()),
            Self::Input => Some("none:given".to_owned()),
            Self::Matrix => Some(format!("m-{}", ["one", "two"][choice % 2])),
            Self::Named => Some("prod:1".to_owned()),
            Self::None => None,
            Self::RefName => Some(format!("on-{short}")),
            Self::Variable => Some(["", "x", "a b:c"][choice % 3].to_owned()),
        }
    }
}

const EVENTS: [&str; 8] = [
    "create",
    "merge_group",
    "pull_request",
    "push",
    "release",
    "schedule",
    "workflow_dispatch",
    "issue_comment",
];

/// A condition, and whether it holds for an event and a ref.
type Condition = (&'static str, fn(&str, &str) -> bool);

const CONDITIONS: [Condition; 5] = [
    ("", |_, _| true),
    ("github.event_name == 'push'", |event, _| event == "push"),
    (
        "startsWith(github.ref, 'refs/heads/') && !contains(github.ref, 'b')",
        |_, git_ref| git_ref.starts_with("refs/heads/") && !git_ref.contains(['b', 'B']),
    ),
    ("github.ref_name == 'a' || github.ref_type == 'tag'", |_, git_ref| {
        let lower = git_ref.to_lowercase();
        ["refs/heads/a", "refs/tags/a", "refs/pull/a"].contains(&&*lower) || git_ref.starts_with("refs/tags/")
    }),
    ("vars.ON == 'yes' && github.repository == 'Acme/Widgets'", |_, _| true),
];

/// The usual number of cases, or `PROPTEST_CASES`.
fn cases(usual: u32) -> u32 {
    let asked = ProptestConfig::default().cases;
    if asked == 256 { usual } else { asked }
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(17), cases: cases(2000), max_global_rejects: 1_000_000, ..ProptestConfig::default() })]

    /// Whatever the workflow and the run, the subject that GitHub issues is in the set.
    #[test]
    fn the_set_has_the_subject_that_github_gives(
        events in prop::collection::vec(prop::sample::select(EVENTS.to_vec()), 1..3),
        branches in prop::option::of(prop::collection::vec("!?(a|b|[ab]/?|\\*|\\*\\*|[ab*/]{1,3})", 1..3)),
        tags in prop::option::of(prop::collection::vec("(v1|v\\*|\\*\\*)", 1..2)),
        environment in prop::sample::select(vec![
            Environment::ByBranch, Environment::Input, Environment::Matrix, Environment::Named, Environment::None, Environment::RefName,
            Environment::Variable,
        ]),
        condition in prop::sample::select(CONDITIONS.to_vec()),
        is_called in any::<bool>(),
        (event, name, is_tag, choice) in (any::<prop::sample::Index>(), "[abA](/[ab])?", any::<bool>(), 0..6_usize),
        is_immutable in any::<bool>(),
    ) {
        let mut on = String::new();
        let mut seen: Vec<&str> = Vec::new();
        for event in events.iter().copied() {
            if seen.contains(&event) {
                continue;
            }
            seen.push(event);
            on += &format!("  {event}:\n");
            let quoted = |patterns: &[String]| patterns.iter().map(|pattern| format!("'{pattern}'")).collect::<Vec<_>>().join(", ");
            if event == "push" {
                branches.iter().for_each(|patterns| on += &format!("    branches: [{}]\n", quoted(patterns)));
                tags.iter().for_each(|patterns| on += &format!("    tags: [{}]\n", quoted(patterns)));
            }
            if event == "workflow_dispatch" {
                on += "    inputs: {stage: {type: choice, options: [eu, us]}}\n";
            }
        }
        let (condition, holds) = condition;
        let condition = if condition.is_empty() { String::new() } else { format!("    if: {condition}\n") };
        let (job, called) = (format!("    runs-on: x\n{}", environment.yaml()), "./.github/workflows/called.yml");
        let mut files = Vec::new();
        // In a called workflow, the environment's inputs are those of the call.
        let is_called = is_called && !matches!(environment, Environment::Input);
        let job = if is_called {
            let text = format!("on: workflow_call\njobs:\n  inner:\n{job}");
            files.push(SourceText::new(".github/workflows/called.yml", text));
            format!("    uses: {called}\n")
        } else {
            job
        };
        let text = format!("on:\n{on}permissions: {{id-token: write}}\njobs:\n  d:\n{condition}{job}");
        files.push(SourceText::new(".github/workflows/d.yml", text.clone()));

        // A run that GitHub would start.
        let event = *event.get(&seen);
        let git_ref = match event {
            "merge_group" => "refs/heads/gh-readonly-queue/main/pr-7-0a1b".to_owned(),
            "pull_request" => "refs/pull/7/merge".to_owned(),
            "release" => format!("refs/tags/{name}"),
            "schedule" | "issue_comment" => "refs/heads/main".to_owned(),
            _ if is_tag => format!("refs/tags/{name}"),
            _ => format!("refs/heads/{name}"),
        };
        if event == "push" {
            let filter = if is_tag { &tags } else { &branches };
            let other = if is_tag { &branches } else { &tags };
            match filter {
                Some(patterns) => prop_assume!(github::lets_through(patterns, &name)),
                None => prop_assume!(other.is_none()),
            }
        }
        prop_assume!(holds(event, &git_ref));

        let repository = Repository {
            name: Some("acme/widgets".to_owned()),
            owner_id: Some("1".to_owned()),
            form: if is_immutable { Form::Either } else { Form::Classic },
            default_branch: Some("main".to_owned()),
            ..Repository::default()
        };
        let prediction = predict(&repository, &files, &|_| None);
        prop_assert_eq!(&prediction.problems, &[]);
        let own = if is_immutable { "acme@1/widgets@2" } else { "acme/widgets" };
        let minted = github::subject(own, environment.of_run(event, &git_ref, choice).as_deref(), event, &git_ref);
        prop_assert!(prediction.jobs.iter().any(|job| job.can_have(&minted)), "{minted} of {event} {git_ref}\n{text}\n{prediction:#?}");
        // And none of another repository is, except for callers from elsewhere.
        let stranger = minted.replace("acme", "stranger");
        let here = prediction.jobs.iter().filter(|job| job.families.iter().all(|family| !family.is_elsewhere));
        prop_assert!(!here.clone().any(|job| job.can_have(&stranger)), "{stranger}");
    }
}
