//! `check`: a repository's jobs against its policies, as the whole program reports it.

use crate::screen::{PICTURES, browse, chromium};
use crate::world::{Call, Fault, World};
use crate::{program, text};
use std::fs;
use std::path::Path;

use serde_json::{Value, json as value};

/// A repository with these files.
fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        ".git/config",
        "[remote \"origin\"]\n\turl = git@github.com:octo/app.git\n",
    );
    for (path, text) in files {
        write(path, text);
    }
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let done = program()
        .current_dir(folder)
        .arg("check")
        .args(arguments)
        .output()
        .unwrap();
    (done.status.code().unwrap(), text(&done.stdout), text(&done.stderr))
}

fn json(folder: &Path, arguments: &[&str]) -> (i32, Value) {
    let (code, out, error) = run(
        folder,
        &[&["--format", "json", "--subjects", "classic"], arguments].concat(),
    );
    (
        code,
        serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}")),
    )
}

/// What each finding is, and where.
fn found(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap();
    let line = |finding: &Value| {
        let place = &finding["places"][0];
        format!(
            "{} {} {} {}:{}",
            finding["severity"].as_str().unwrap(),
            finding["certainty"].as_str().unwrap(),
            finding["id"].as_str().unwrap(),
            place["file"].as_str().unwrap_or("-"),
            place["line"]
        )
    };
    findings.iter().map(line).collect()
}

const WORKFLOW: &str = "on:
  push:
    branches: [main]
jobs:
  deploy:
    runs-on: ubuntu-latest
    environment: production
    permissions:
      id-token: write
    steps:
      - uses: aws-actions/configure-aws-credentials@v6
        with:
          role-to-assume: arn:aws:iam::123456789012:role/deploy
          aws-region: eu-west-1
";

const PROVIDER: &str = r#"
resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}
"#;

fn terraform(sub: &str) -> String {
    format!(
        r#"{PROVIDER}
data "aws_iam_policy_document" "deploy" {{
  statement {{
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {{
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.github.arn]
    }}
    condition {{
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = {sub}
    }}
    condition {{
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }}
  }}
}}
resource "aws_iam_role" "deploy" {{
  name               = "deploy"
  assume_role_policy = data.aws_iam_policy_document.deploy.json
}}
"#
    )
}

const DEPLOY: &str = ".github/workflows/deploy.yml";

#[test]
fn a_job_that_gets_in_passes() {
    let source = terraform(r#"["repo:octo/app:environment:production"]"#);
    let folder = repository(&[(DEPLOY, WORKFLOW), ("infra/iam.tf", &source)]);
    let (code, report) = json(folder.path(), &[]);
    assert_eq!(found(&report), Vec::<String>::new(), "{report:#}");
    assert_eq!(report["steps"][0]["tokens"][0]["verdict"], "allowed", "{report:#}");
    assert_eq!(code, 0);
}

#[test]
fn a_job_that_does_not_is_shown_in_the_terraform() {
    let source = terraform(r#"["repo:octo/app:ref:refs/heads/main"]"#);
    let folder = repository(&[(DEPLOY, WORKFLOW), ("infra/iam.tf", &source)]);
    let (code, report) = json(folder.path(), &[]);
    let line = source
        .lines()
        .position(|line| line.contains("refs/heads/main"))
        .unwrap()
        + 1;
    assert_eq!(
        found(&report),
        [
            format!("blocks certain subject-environment infra/iam.tf:{line}"),
            format!("risk likely trust-unused infra/iam.tf:{line}"),
        ],
        "{report:#}"
    );
    assert_eq!(code, 1);
    let fixes = report["findings"][0]["fixes"].as_array().unwrap();
    let diff = fixes.iter().find(|fix| fix["file"] == "infra/iam.tf").unwrap()["diff"]
        .as_str()
        .unwrap();
    assert!(
        diff.contains("\n+      values   = [\"repo:octo/app:") && diff.contains("environment:production"),
        "{diff}"
    );
    let (code, out, _) = run(folder.path(), &[]);
    for part in [
        "does not get in: subject-environment",
        &format!("--> infra/iam.tf:{line}:"),
        "--- a/infra/iam.tf",
        "job `deploy` of .github/workflows/deploy.yml, on push: `repo:octo/app:environment:production`",
        "1 step asks for a role, 1 policy for GitHub's tokens: 1 error, 1 risk, 0 notes",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }
    assert_eq!(code, 1);
    let (_, annotations, _) = run(folder.path(), &["--format", "github", "--subjects", "classic"]);
    assert!(
        annotations.starts_with(&format!(
            "::error title=aws-oidc-doctor%3A subject-environment,file=infra/iam.tf,line={line},col="
        )),
        "{annotations}"
    );
}

#[test]
fn a_fix_in_the_source_comes_to_the_policy_that_lets_the_job_in() {
    for sub in [
        r#"["repo:octo/app:ref:refs/heads/main"]"#,
        r#"["repo:octo/app:ref:refs/heads/main", "repo:octo/${local.name}:environment:staging"]"#,
        "local.subjects",
    ] {
        let source =
            terraform(sub) + "locals {\n  name = \"app\"\n  subjects = [\"repo:octo/app:environment:prod\"]\n}\n";
        let folder = repository(&[(DEPLOY, WORKFLOW), ("infra/iam.tf", &source)]);
        let (_, out, _) = run(folder.path(), &["--format", "sarif", "--subjects", "classic"]);
        let log: Value = serde_json::from_str(&out).unwrap();
        let change = &log["runs"][0]["results"][0]["fixes"][0]["artifactChanges"][0];
        assert_eq!(change["artifactLocation"]["uri"], "infra/iam.tf", "{sub}: {log:#}");
        let mut lines: Vec<String> = source.lines().map(str::to_owned).collect();
        let replacements = change["replacements"].as_array().unwrap();
        assert_eq!(replacements.len(), 1, "{sub}");
        let region = &replacements[0]["deletedRegion"];
        let at = |name: &str| usize::try_from(region[name].as_u64().unwrap()).unwrap() - 1;
        let (line, from, to) = (at("startLine"), at("startColumn"), at("endColumn"));
        lines[line].replace_range(from..to, replacements[0]["insertedContent"]["text"].as_str().unwrap());
        fs::write(folder.path().join("infra/iam.tf"), lines.join("\n")).unwrap();
        let (code, report) = json(folder.path(), &[]);
        assert_eq!(
            (code, report["steps"][0]["tokens"][0]["verdict"].as_str()),
            (0, Some("allowed")),
            "{sub}: {report:#}"
        );
    }
}

#[test]
fn what_is_not_known_makes_nothing_certain_and_no_finding() {
    let with_role = |role: &str| WORKFLOW.replace("arn:aws:iam::123456789012:role/deploy", role);
    let wrong = terraform(r#"["repo:octo/app:ref:refs/heads/main"]"#);
    for (workflow, source, code, first) in [
        // A variable can be given another value.
        (
            WORKFLOW.to_owned(),
            terraform("[var.sub]") + "variable \"sub\" { default = \"repo:octo/app:environment:dev\" }\n",
            1,
            "blocks likely subject-environment",
        ),
        (
            WORKFLOW.to_owned(),
            terraform("[var.sub]") + "variable \"sub\" {}\n",
            0,
            "",
        ),
        (
            WORKFLOW.to_owned(),
            terraform("[\"repo:octo/app:environment:${var.env}\"]") + "variable \"env\" {}\n",
            0,
            "",
        ),
        (
            WORKFLOW.to_owned(),
            terraform("[\"repo:${var.org}/other:environment:production\"]") + "variable \"org\" {}\n",
            1,
            "blocks likely subject-repository",
        ),
        // The step may not run.
        (
            WORKFLOW.replace("      - uses", "      - if: vars.DEPLOY == 'true'\n        uses"),
            wrong.clone(),
            1,
            "blocks likely subject-environment",
        ),
        // The role is unknown, or its policy is elsewhere.
        (
            with_role("${{ secrets.ROLE }}"),
            wrong.clone(),
            0,
            "risk likely trust-unused",
        ),
        (
            with_role("arn:aws:iam::123456789012:role/other"),
            wrong.clone(),
            0,
            "risk likely trust-unused",
        ),
    ] {
        let folder = repository(&[(DEPLOY, &workflow), ("infra/iam.tf", &source)]);
        let (found_code, report) = json(folder.path(), &[]);
        let found = found(&report);
        assert!(
            found
                .first()
                .map_or(first.is_empty(), |found| !first.is_empty() && found.starts_with(first)),
            "{first}: {found:?}\n{workflow}\n{source}"
        );
        assert_eq!(found_code, code, "{found:?}");
    }
}

#[test]
fn what_a_look_at_the_workflow_shows() {
    let right = terraform(r#"["repo:octo/app:environment:production"]"#);
    let step = "          aws-region: eu-west-1\n";
    for (workflow, code, want) in [
        (
            WORKFLOW.replace("    permissions:\n      id-token: write\n", ""),
            1,
            "blocks certain id-token-permission-missing .github/workflows/deploy.yml:",
        ),
        (
            WORKFLOW.replace("  push:\n    branches: [main]\n", "  pull_request_target:\n"),
            0,
            "risk likely pull-request-target .github/workflows/deploy.yml:",
        ),
        (
            WORKFLOW.replace(
                step,
                &format!("{step}          aws-access-key-id: ${{{{ secrets.KEY }}}}\n"),
            ),
            0,
            "risk likely static-keys .github/workflows/deploy.yml:",
        ),
    ] {
        let folder = repository(&[(DEPLOY, &workflow), ("infra/iam.tf", &right)]);
        let (found_code, report) = json(folder.path(), &[]);
        assert!(
            found(&report).iter().any(|found| found.starts_with(want)),
            "{want}: {:?}\n{workflow}",
            found(&report)
        );
        assert_eq!(found_code, code, "{want}");
        // A risk fails if requested.
        assert_eq!(json(folder.path(), &["--fail-on", "risk"]).0, 1, "{want}");
        assert_eq!(json(folder.path(), &["--fail-on", "never"]).0, 0, "{want}");
    }
}

/// A spoke's step whose keys are the hub's session asks with that, not with the token; without `output-credentials` it has none.
#[test]
fn a_step_with_the_keys_of_another_asks_for_no_token() {
    let right = terraform(r#"["repo:octo/app:environment:production"]"#);
    for (outputs, code) in [("true", 0), ("false", 1)] {
        let mut workflow = WORKFLOW.replace(
            "      - uses: aws-actions",
            "      - id: hub\n        uses: aws-actions",
        );
        workflow += &format!("          output-credentials: {outputs}\n");
        let keys = ["aws-access-key-id", "aws-secret-access-key", "aws-session-token"];
        let keys = keys
            .map(|key| format!("          {key}: ${{{{ steps.hub.outputs.{key} }}}}\n"))
            .concat();
        workflow +=
            "      - uses: aws-actions/configure-aws-credentials@v6\n        with:\n          aws-region: eu-west-1\n";
        workflow += "          role-to-assume: arn:aws:iam::210987654321:role/spoke\n";
        workflow += &keys;
        let spoke = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"AWS": "arn:aws:iam::123456789012:role/deploy"}}]}"#;
        let spoke = format!(
            "resource \"aws_iam_role\" \"spoke\" {{\n  name = \"spoke\"\n  assume_role_policy = <<E\n{spoke}\nE\n}}\n"
        );
        let folder = repository(&[
            (DEPLOY, &workflow),
            ("infra/iam.tf", &right),
            ("infra/spoke.tf", &spoke),
        ]);
        let (found_code, report) = json(folder.path(), &[]);
        assert_eq!(found_code, code, "{workflow}\n{:?}", found(&report));
    }
}

#[test]
fn the_outputs_of_a_step_are_no_key_that_lasts() {
    let right = terraform(r#"["repo:octo/app:environment:production"]"#);
    let step = "          aws-region: eu-west-1\n";
    for (key, is_said) in [("steps.creds.outputs.aws-access-key-id", false), ("secrets.KEY", true)] {
        let keys = format!("{step}          aws-access-key-id: ${{{{ {key} }}}}\n");
        let folder = repository(&[(DEPLOY, &WORKFLOW.replace(step, &keys)), ("infra/iam.tf", &right)]);
        let found = found(&json(folder.path(), &[]).1);
        assert_eq!(
            found.iter().any(|found| found.contains("static-keys")),
            is_said,
            "{found:?}"
        );
    }
}

/// On a laptop nobody knows whether the subjects have IDs; any branch on top of that leaves two parts open.
#[test]
fn any_branch_is_decided_though_the_ids_are_not_known() {
    let workflow = WORKFLOW
        .replace("    environment: production\n", "")
        .replace("on:\n  push:\n    branches: [main]\n", "on: push\n");
    for (subject, in_and_out, code) in [
        (
            "repo:octo/app:ref:refs/heads/main",
            ["repo:octo/app:ref:refs/heads/main", "repo:octo/app:ref:refs/heads/a"],
            0,
        ),
        (
            "repo:octo@1/app@2:*",
            ["repo:octo@*/app@*:ref:refs/heads/*", "repo:octo/app:ref:refs/heads/a"],
            0,
        ),
        (
            "repo:octo/app:ref:refs/heads/none",
            [
                "repo:octo/app:ref:refs/heads/none",
                "repo:octo@*/app@*:ref:refs/heads/*",
            ],
            0,
        ),
        ("repo:octo/other:*", ["", "repo:octo/app:ref:refs/heads/a"], 1),
    ] {
        let source = terraform(&format!("[\"{subject}\"]")).replace("StringEquals", "StringLike");
        let folder = repository(&[(DEPLOY, &workflow), ("infra/iam.tf", &source)]);
        let (found_code, out, error) = run(folder.path(), &["--format", "json"]);
        let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}"));
        let tokens = report["steps"][0]["tokens"].as_array().unwrap();
        let has = |subject: &str, verdict: &str| {
            tokens
                .iter()
                .any(|token| token["subject"] == subject && token["verdict"] == verdict)
        };
        let [get_in, kept_out] = in_and_out;
        assert!(get_in.is_empty() || has(get_in, "allowed"), "{subject}: {tokens:?}");
        assert!(has(kept_out, "denied"), "{subject}: {tokens:?}");
        assert!(
            tokens.iter().all(|token| token["verdict"] != "undecided"),
            "{subject}: {tokens:?}"
        );
        assert_eq!(found_code, code, "{subject}: {:?}", found(&report));
    }
}

#[test]
fn a_branch_that_nobody_deploys_from_fails_nothing() {
    let source = terraform(r#"["repo:octo/app:ref:refs/heads/main"]"#);
    let workflow = WORKFLOW
        .replace("    environment: production\n", "")
        .replace("    branches: [main]\n", "");
    for (on, code) in [
        ("  workflow_dispatch:\n", 0),
        ("  push:\n", 0),
        ("  push: {branches: [dev]}\n", 1),
        ("  pull_request:\n", 1),
    ] {
        let workflow = workflow.replace("  push:\n", on);
        let folder = repository(&[(DEPLOY, &workflow), ("infra/iam.tf", &source)]);
        let (found_code, report) = json(folder.path(), &[]);
        assert_eq!(found_code, code, "{on}: {:?}", found(&report));
    }
}

#[test]
fn a_role_in_env_is_followed_and_no_id_is_made_up() {
    let arn = "arn:aws:iam::123456789012:role/deploy";
    let workflow = WORKFLOW
        .replace(arn, "${{ env.ROLE }}")
        .replace("jobs:\n", &format!("env:\n  ROLE: {arn}\njobs:\n"));
    let policy = terraform(r#"["repo:octo/app:ref:refs/heads/main"]"#);
    let folder = repository(&[(".github/workflows/deploy.yml", &workflow), ("role.tf", &policy)]);
    for (subjects, id) in [
        ("both", "subject-environment"),
        ("classic", "subject-environment"),
        ("immutable", "subject-immutable"),
    ] {
        let (code, out, error) = run(folder.path(), &["--subjects", subjects]);
        assert_eq!(code, 1, "{out}{error}");
        assert_eq!(out.matches("error[").count(), 1, "{out}");
        assert!(out.contains(&format!("error[{id}]")), "{out}");
        assert!(!out.contains("@0") && !out.contains("env.ROLE"), "{out}");
    }
}

#[test]
fn of_both_forms_of_a_subject_one_finding_tells() {
    let policy = terraform(r#"["repo:octo/app:ref:refs/heads/main"]"#);
    let folder = repository(&[(DEPLOY, WORKFLOW), ("role.tf", &policy)]);
    let (code, out, error) = run(folder.path(), &["--owner-id", "1", "--repository-id", "2"]);
    assert_eq!(code, 1, "{out}{error}");
    assert_eq!(out.matches("error[").count(), 1, "{out}");
    for part in [
        "error[subject-environment]",
        "with IDs in its subject (`repo:octo@1/app@2:environment:production`) it does not get in either: ",
        "fix: add exactly this job's subject `repo:octo/app:environment:production`",
        "fix: add exactly this job's subject `repo:octo@1/app@2:environment:production`",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }
}

#[test]
fn a_baseline_lets_old_findings_pass_and_new_ones_fail() {
    let source = terraform(r#"["repo:octo/app:ref:refs/heads/main"]"#);
    let folder = repository(&[(DEPLOY, WORKFLOW), ("infra/iam.tf", &source)]);
    assert_eq!(json(folder.path(), &["--write-baseline", "known.json"]).0, 0);
    assert_eq!(json(folder.path(), &["--baseline", "known.json"]).0, 0);
    // If lines move, the findings stay the same.
    fs::write(folder.path().join("infra/iam.tf"), format!("# a comment\n\n{source}")).unwrap();
    let (code, report) = json(folder.path(), &["--baseline", "known.json"]);
    assert_eq!(code, 0, "{report:#}");
    assert!(
        report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .all(|finding| finding["known"] == true)
    );
    let another = WORKFLOW.replace("production", "preview");
    fs::write(folder.path().join(".github/workflows/preview.yml"), another).unwrap();
    let (code, out, _) = run(folder.path(), &["--baseline", "known.json", "--subjects", "classic"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("`preview`") && out.contains("2 known before"), "{out}");
    for (text, message) in [("{", "it is not JSON"), ("{}", "it is not a baseline")] {
        fs::write(folder.path().join("known.json"), text).unwrap();
        let (code, out, error) = run(folder.path(), &["--baseline", "known.json"]);
        assert!(
            code == 2 && out.is_empty() && error.contains(message),
            "{code} {out} {error}"
        );
    }
}

#[test]
fn its_sarif_is_sarif() {
    let text = include_str!("sarif/sarif-2.1.0.schema.json").replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}$");
    let schema = jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap();
    let source = terraform(r#"["repo:octo/app:ref:refs/heads/main"]"#);
    let folder = repository(&[(DEPLOY, WORKFLOW), ("infra/a b.tf", &source)]);
    let (code, out, _) = run(folder.path(), &["--format", "sarif", "--subjects", "classic"]);
    assert_eq!(code, 1);
    let log: Value = serde_json::from_str(&out).unwrap();
    let errors: Vec<String> = schema.iter_errors(&log).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    let result = &log["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "subject-environment");
    let uri = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(uri, "infra/a%20b.tf");
    let related = &result["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(related, DEPLOY);
}

#[test]
fn bad_files_are_named_and_the_rest_goes_on() {
    let right = terraform(r#"["repo:octo/app:environment:production"]"#);
    let folder = repository(&[
        (DEPLOY, WORKFLOW),
        (".github/workflows/bad.yml", "on: [push\njobs: {\n"),
        ("infra/iam.tf", &right),
        ("infra/bad.tf", "resource {\n  = AssumeRole\n}\n"),
    ]);
    let (code, report) = json(folder.path(), &[]);
    assert_eq!(code, 0, "{report:#}");
    let unread: Vec<&str> = report["not_looked_at"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect();
    assert!(
        unread.iter().any(|line| line.starts_with("infra/bad.tf:2:")),
        "{unread:?}"
    );
    assert!(unread.iter().any(|line| line.contains("bad.yml:")), "{unread:?}");
    assert_eq!(report["steps"][0]["tokens"][0]["verdict"], "allowed");
    for arguments in [
        &["nothing.tf"][..],
        &["--workflow", "nothing.yml"],
        &["--baseline", "nothing.json"],
    ] {
        let (code, out, error) = run(folder.path(), arguments);
        assert!(
            code == 2 && out.is_empty() && error.contains("nothing"),
            "{code} {out} {error}"
        );
    }
}

#[test]
fn as_a_step_it_needs_no_token() {
    let source = terraform(r#"["repo:octo/app:ref:refs/heads/main"]"#);
    let folder = repository(&[(DEPLOY, WORKFLOW), ("infra/iam.tf", &source)]);
    let summary = folder.path().join("summary.md");
    let step = |fail: &str| {
        let mut command = program();
        let variables = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "octo/app"),
            ("INPUT_MODE", "check"),
            ("INPUT_FAIL", fail),
            ("GITHUB_EVENT_NAME", "pull_request"),
            ("NO_COLOR", "1"),
        ];
        let command = command.envs(variables).env("GITHUB_STEP_SUMMARY", &summary);
        let done = command.current_dir(folder.path()).arg("action").output().unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned())
    };
    let (code, out) = step("true");
    assert_eq!(code, Some(1), "{out}");
    assert!(
        out.starts_with("::stop-commands::")
            && out.contains("\n::error title=aws-oidc-doctor%3A subject-environment,file=infra/iam.tf"),
        "{out}"
    );
    assert!(fs::read_to_string(&summary).unwrap().contains("does not get in"));
    assert_eq!(step("false").0, Some(0));
}

#[test]
fn hostile_text_forges_nothing() {
    let evil = "x\\n::error::forged\\u001b[31m";
    let source = terraform(&format!("[\"repo:octo/app:environment:{evil}\"]"));
    let workflow = WORKFLOW.replace("  deploy:\n", "  \"a\\n::error::b\":\n");
    let folder = repository(&[(DEPLOY, &workflow), ("infra/iam.tf", &source)]);
    for format in ["console", "github", "json", "sarif"] {
        let (_, out, _) = run(folder.path(), &["--format", format, "--subjects", "classic"]);
        assert!(
            !out.lines().any(|line| line.trim_start().starts_with("::error::")),
            "{format}: {out}"
        );
        assert!(!out.contains('\u{1b}'), "{format}: {out}");
    }
}

#[test]
fn policies_are_read_from_iam_where_that_is_asked_for() {
    let folder = repository(&[(DEPLOY, WORKFLOW), ("iam.tf", &terraform("[\"repo:acme/widgets:*\"]"))]);
    let live = |world: &World, variables: &[(&str, &str)]| {
        let done = program()
            .current_dir(folder.path())
            .args(["check", "--live", "--subjects", "classic"])
            .envs(world.environment())
            .env("NO_COLOR", "1")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let (out, error) = (text(&done.stdout), text(&done.stderr));
        for secret in world.secrets() {
            assert!(!out.contains(&secret) && !error.contains(&secret), "{out}{error}");
        }
        // It only reads: no token is requested, and no role is assumed.
        let asked: Vec<Call> = world.requests().iter().map(|request| request.call).collect();
        let reads = [
            Call::GetCallerIdentity,
            Call::GetRole,
            Call::GetOpenIdConnectProvider,
            Call::ListOpenIdConnectProviders,
        ];
        assert!(asked.iter().all(|call| reads.contains(call)), "{asked:?}");
        (done.status.code().unwrap(), out, error)
    };
    let world = World::named("subject-environment").start();
    let (code, out, error) = live(&world, &[]);
    assert_eq!(code, 1, "{out}{error}");
    for part in [
        "error[subject-environment]",
        "--> IAM: arn:aws:iam::123456789012:role/deploy:",
        "1 policy for GitHub's tokens: 1 error",
    ] {
        assert!(out.contains(part), "{part}\n{out}{error}");
    }
    assert_eq!(world.requests_of(Call::GetRole).len(), 1);
    // Missing credentials are an error, and a role that can't be read is named.
    let nobody = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"].map(|name| (name, ""));
    let (code, out, error) = live(&world, &nobody);
    assert!(
        code == 2 && out.is_empty() && error.starts_with("error: `--live`: "),
        "{code} {out}{error}"
    );
    let world = World::named("subject-environment")
        .fault(Call::GetRole, Fault::Status(403))
        .start();
    let (code, out, error) = live(&world, &[]);
    assert_eq!(code, 0, "{out}{error}");
    assert!(
        out.contains("IAM: `arn:aws:iam::123456789012:role/deploy`: ") && out.contains("iam:GetRole"),
        "{out}"
    );
    // One that doesn't exist is found in the workflow.
    let world = World::named("role-missing").start();
    let (code, out, error) = live(&world, &[]);
    assert_eq!(code, 1, "{out}{error}");
    for part in [
        "environment:production  does not get in: role-missing",
        "error[role-missing]: the role `deploy` does not exist in account `123456789012`\n  --> .github/workflows/deploy.yml:13:27",
        "= help: correct the name or the account number in `role-to-assume`",
        "0 policies for GitHub's tokens: 1 error, 0 risks, 0 notes",
    ] {
        assert!(out.contains(part), "{part}\n{out}{error}");
    }
    assert!(!out.contains("not looked at"), "{out}");
}

/// A role as Terraform's state has it, beside a secret.
fn state(sub: &str) -> Value {
    let policy = value!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": { "Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" },
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": { "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": sub,
        } },
    }] });
    let attributes = value!({ "arn": "arn:aws:iam::123456789012:role/deploy", "name": "deploy", "assume_role_policy": policy.to_string() });
    value!({ "version": 4, "terraform_version": "1.13.0", "serial": 7, "outputs": { "p": { "value": SECRET } }, "resources": [
        { "mode": "managed", "type": "random_password", "name": "p", "instances": [{ "attributes": { "result": SECRET } }] },
        { "module": "module.ci", "mode": "managed", "type": "aws_iam_role", "name": "deploy",
          "instances": [{ "index_key": "prod", "attributes": attributes }] },
        { "mode": "data", "type": "aws_iam_role", "name": "deploy", "instances": [{ "attributes": attributes }] },
    ] })
}

const SECRET: &str = "correct-horse-battery-staple";

#[test]
fn a_state_is_read_as_terraform_keeps_it_and_nothing_else_of_it_is_shown() {
    for (sub, code, want) in [
        ("repo:octo/app:environment:production", 0, vec![]),
        (
            "repo:octo/app:ref:refs/heads/main",
            1,
            vec![
                "blocks certain subject-environment terraform.tfstate:1",
                "risk likely trust-unused terraform.tfstate:1",
            ],
        ),
    ] {
        // As Terraform stores it, and as `terraform show -json` prints it, on one line.
        let shown = value!({ "format_version": "1.0", "variables": { "p": { "value": SECRET } }, "terraform_version": "1.13.0",
            "values": { "root_module": { "child_modules": [{ "resources": [{
                "address": "module.ci.aws_iam_role.deploy[\"prod\"]", "type": "aws_iam_role",
                "values": state(sub)["resources"][1]["instances"][0]["attributes"],
            }] }] } } });
        for text in [format!("{:#}", state(sub)), state(sub).to_string(), shown.to_string()] {
            let folder = repository(&[(DEPLOY, WORKFLOW), ("terraform.tfstate", &text)]);
            let (found_code, report) = json(folder.path(), &["terraform.tfstate"]);
            assert_eq!(
                (found_code, found(&report)),
                (code, want.iter().map(ToString::to_string).collect()),
                "{report:#}"
            );
            assert_eq!(
                report["steps"][0]["policies"],
                value!(["module.ci.aws_iam_role.deploy[\"prod\"]"])
            );
            for format in ["console", "json", "sarif", "github"] {
                let (_, out, error) = run(
                    folder.path(),
                    &["terraform.tfstate", "--subjects", "classic", "--format", format],
                );
                assert!(
                    !out.contains(SECRET) && !error.contains(SECRET) && !out.contains("terraform_version"),
                    "{format}: {out}{error}"
                );
                assert!(code == 0 || out.contains("terraform.tfstate"), "{format}: {out}{error}");
            }
        }
    }
}

#[test]
fn advice_is_help_and_an_explanation_a_note() {
    let workflow = WORKFLOW.replace(
        "          aws-region",
        "          aws-access-key-id: ${{ secrets.KEY }}\n          aws-region",
    );
    let source = terraform("[\"repo:octo/app:environment:production\"]");
    let folder = repository(&[(DEPLOY, &workflow), ("iam.tf", &source)]);
    let (_, out, _) = run(folder.path(), &["--subjects", "classic"]);
    for part in [
        "= note: with an access key among its inputs, configure-aws-credentials uses that key",
        "= help: remove `aws-access-key-id` and `aws-secret-access-key`",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }
    let (_, out, _) = run(folder.path(), &["--subjects", "classic", "--format", "github"]);
    assert!(out.contains("%0Ahelp: remove `aws-access-key-id`"), "{out}");
    // Lines that have no place in a file say what they are for.
    let missing = WORKFLOW.replace("      id-token: write", "      contents: read");
    let folder = repository(&[(DEPLOY, &missing), ("iam.tf", &source)]);
    let (_, out, _) = run(folder.path(), &["--subjects", "classic"]);
    assert!(out.contains("\nfix: ") && out.contains("id-token: write\n"), "{out}");
}

#[test]
fn terraform_in_json_is_mended_in_its_place() {
    let source = r#"{
  "resource": { "aws_iam_role": { "deploy": {
    "name": "deploy",
    "assume_role_policy": "${data.aws_iam_policy_document.deploy.json}"
  } } },
  "data": { "aws_iam_policy_document": { "deploy": { "statement": [ {
    "actions": ["sts:AssumeRoleWithWebIdentity"],
    "principals": [ { "type": "Federated", "identifiers":
      ["arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"] } ],
    "condition": [
      { "test": "StringEquals", "variable": "token.actions.githubusercontent.com:aud", "values": ["sts.amazonaws.com"] },
      { "test": "StringEquals", "variable": "token.actions.githubusercontent.com:sub",
        "values": ["repo:octo/app:ref:refs/heads/main"] }
    ]
  } ] } } }
}
"#;
    let folder = repository(&[(DEPLOY, WORKFLOW), ("cdk.tf.json", source)]);
    let (code, report) = json(folder.path(), &[]);
    assert_eq!(code, 1);
    assert_eq!(
        found(&report)[0],
        "blocks certain subject-environment cdk.tf.json:13",
        "{report:#}"
    );
    let diff = report["findings"][0]["fixes"][0]["diff"].as_str().unwrap();
    assert!(
        diff.contains("\n+        \"values\": [\"repo:octo/app:") && diff.contains("environment:production"),
        "{diff}"
    );
}

#[test]
fn of_several_roles_of_a_name_each_is_looked_at() {
    let right = terraform("[\"repo:octo/app:environment:production\"]");
    let wrong = terraform("[\"repo:octo/app:ref:refs/heads/main\"]");
    let workflow = WORKFLOW.replace("123456789012", "${{ vars.ACCOUNT }}");
    for (one, other, code, want) in [
        (&right, &wrong, 0, vec!["note likely subject-environment b/iam.tf:17"]),
        (
            &wrong,
            &wrong.replace("heads/main", "heads/dev"),
            1,
            vec![
                "blocks likely subject-environment a/iam.tf:17",
                "blocks likely subject-environment b/iam.tf:17",
            ],
        ),
    ] {
        let folder = repository(&[(DEPLOY, &workflow), ("a/iam.tf", one), ("b/iam.tf", other)]);
        let (found_code, report) = json(folder.path(), &[]);
        let mut found = found(&report);
        found.retain(|line| !line.contains("trust-unused"));
        assert_eq!(found_code, code, "{report:#}");
        assert_eq!(found, want, "{report:#}");
        let all = report["findings"].as_array().unwrap();
        let blocking = all.iter().filter(|finding| finding["id"] == "subject-environment");
        for finding in blocking {
            let file = finding["places"][0]["file"].as_str().unwrap();
            assert!(
                finding
                    .to_string()
                    .contains(&format!("one of 2 roles of this name: `aws_iam_role.deploy` of {file}"))
            );
            let mut fixes = finding["fixes"].as_array().unwrap().iter();
            assert!(
                fixes.any(|fix| fix["file"] == file && fix["diff"].is_string()),
                "{finding:#}"
            );
        }
    }
}

#[test]
fn a_policy_that_only_check_can_read_is_pointed_there() {
    let template = r#"{"Resources": {"R": {"Type": "AWS::IAM::Role"}}}"#;
    let folder = repository(&[
        ("infra/main.tf", PROVIDER),
        ("infra/a $(b).tf", PROVIDER),
        ("role.json", template),
    ]);
    for (file, command) in [
        ("infra/main.tf", "`aws-oidc-doctor check infra/main.tf`"),
        ("role.json", "`aws-oidc-doctor check role.json`"),
        ("infra/a $(b).tf", "`aws-oidc-doctor check FILE`"),
    ] {
        let done = program()
            .current_dir(folder.path())
            .args([
                "diagnose",
                "--claims",
                "repo:octo/app:ref:refs/heads/main",
                "--trust-policy",
                file,
            ])
            .output()
            .unwrap();
        let error = text(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{error}");
        assert!(error.contains(command), "{error}");
    }
}

/// A policy for a branch, in each kind of source.
fn sources() -> Vec<(&'static str, String)> {
    const SUB: &str = "repo:octo/app:ref:refs/heads/main";
    let host = "token.actions.githubusercontent.com";
    let provider = format!("arn:aws:iam::123456789012:oidc-provider/{host}");
    let role = |policy: &str| {
        format!("resource \"aws_iam_role\" \"deploy\" {{\n  name = \"deploy\"\n  assume_role_policy = {policy}\n}}\n")
    };
    let encoded = format!(
        "jsonencode({{\n    Version = \"2012-10-17\"\n    Statement = [{{\n      Effect = \"Allow\"\n      \
         Action = \"sts:AssumeRoleWithWebIdentity\"\n      Principal = {{ Federated = \"{provider}\" }}\n      \
         Condition = {{ StringEquals = {{\n        \"{host}:aud\" = \"sts.amazonaws.com\"\n        \"{host}:sub\" = \"{SUB}\"\n      \
         }} }}\n    }}]\n  }})"
    );
    let json = format!(
        "{{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [{{\n    \"Effect\": \"Allow\",\n    \
         \"Action\": \"sts:AssumeRoleWithWebIdentity\",\n    \"Principal\": {{ \"Federated\": \"{provider}\" }},\n    \
         \"Condition\": {{ \"StringEquals\": {{\n      \"{host}:aud\": \"sts.amazonaws.com\",\n      \"{host}:sub\": [\"{SUB}\"]\n    \
         }} }}\n  }}]\n}}"
    );
    let heredoc = format!("<<EOF\n{json}\nEOF");
    let template = |sub: &str| {
        format!(
            "Resources:\n  Deploy:\n    Type: AWS::IAM::Role\n    Properties:\n      RoleName: deploy\n      \
             AssumeRolePolicyDocument:\n        Version: '2012-10-17'\n        Statement:\n          - Effect: Allow\n            \
             Action: sts:AssumeRoleWithWebIdentity\n            Principal: {{Federated: '{provider}'}}\n            Condition:\n              \
             StringEquals:\n                {host}:aud: sts.amazonaws.com\n                {host}:sub: {sub}\n"
        )
    };
    let cfn = format!(
        "{{ \"Resources\": {{ \"Deploy\": {{ \"Type\": \"AWS::IAM::Role\", \"Properties\": {{ \"RoleName\": \"deploy\",\n\
         \"AssumeRolePolicyDocument\": {json} }} }} }} }}\n"
    );
    vec![
        ("jsonencode.tf", role(&encoded)),
        ("heredoc.tf", role(&heredoc)),
        ("document.tf", terraform(&format!("[\"{SUB}\"]"))),
        ("template.json", cfn),
        ("template.yaml", template(SUB)),
        ("quoted.yaml", template(&format!("'{SUB}'"))),
        ("sub.yaml", template(&format!("!Sub '{SUB}'"))),
        ("list.yaml", template(&format!("[\"{SUB}\"]"))),
    ]
}

#[test]
fn each_source_is_mended_where_it_says_it() {
    for (name, source) in sources() {
        let folder = repository(&[(DEPLOY, WORKFLOW), (name, &source)]);
        let (code, report) = json(folder.path(), &[]);
        let line = source
            .lines()
            .position(|line| line.contains("refs/heads/main"))
            .unwrap()
            + 1;
        let first = found(&report).first().cloned();
        assert_eq!(
            first.as_deref(),
            Some(&*format!("blocks certain subject-environment {name}:{line}")),
            "{name}: {report:#}"
        );
        assert_eq!(code, 1, "{name}");
        let fixes = report["findings"][0]["fixes"].as_array().unwrap();
        let diff = fixes
            .iter()
            .find(|fix| fix["file"] == name)
            .map(|fix| fix["diff"].as_str().unwrap());
        let diff = diff.unwrap_or_else(|| panic!("{name}: {fixes:#?}"));
        let apply = format!("{diff}\n");
        fs::write(folder.path().join("fix.diff"), apply).unwrap();
        let applied: Vec<&str> = diff
            .lines()
            .filter(|line| line.starts_with('+') && line.contains("production"))
            .collect();
        assert_eq!(applied.len(), 1, "{name}: {diff}");
    }
}

#[test]
fn who_calls_a_workflow_must_grant_the_token_too() {
    let called = WORKFLOW.replace("  push:\n    branches: [main]\n", "  workflow_call:\n");
    let caller = "on: push\njobs:\n  prod:\n    uses: ./.github/workflows/called.yml\n";
    let files = [
        (".github/workflows/called.yml", &*called),
        (DEPLOY, caller),
        ("iam.tf", &terraform(r#"["repo:octo/app:environment:production"]"#)),
    ];
    let (code, report) = json(repository(&files).path(), &[]);
    assert_eq!(
        found(&report)[0],
        format!("blocks likely id-token-permission-missing {DEPLOY}:4"),
        "{report:#}"
    );
    let message = "the job that calls this job's workflow does not grant `id-token: write`";
    assert_eq!(report["findings"][0]["message"], message);
    assert!(!report.to_string().contains("something else withholds it"));
    assert_eq!(code, 1);
}

#[test]
fn a_default_that_can_be_another_value_is_not_unused() {
    let source = |sub: &str| {
        terraform(&format!("[\"repo:octo/app:environment:production\", {sub}]"))
            + "variable \"stage\" { default = \"dev\" }\n"
    };
    for (sub, want) in [
        (r#""repo:octo/app:environment:${var.stage}""#, 0),
        (r#""repo:octo/app:environment:dev""#, 1),
    ] {
        let folder = repository(&[(DEPLOY, WORKFLOW), ("iam.tf", &source(sub))]);
        let (_, report) = json(folder.path(), &[]);
        let unused = found(&report)
            .iter()
            .filter(|line| line.contains("trust-unused"))
            .count();
        assert_eq!(unused, want, "{sub}: {report:#}");
    }
}

/// What a terminal shows, as HTML: only bold and the bright colours are used.
fn screen(log: &str) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut parts = log.split("\u{1b}[");
    let mut html = escaped(parts.next().unwrap_or_default());
    let (mut is_bold, mut colour) = (false, "");
    for part in parts {
        let (codes, text) = part.split_once('m').unwrap();
        for code in codes.split(';') {
            match code {
                "0" | "" => (is_bold, colour) = (false, ""),
                "1" => is_bold = true,
                "31" | "91" => colour = "#ff7b72",
                "32" | "92" => colour = "#7ee787",
                "33" | "93" => colour = "#e3b341",
                "34" | "94" => colour = "#79c0ff",
                "36" | "96" => colour = "#76e3ea",
                "2" | "90" => colour = "#8b949e",
                other => panic!("{other}: no such colour"),
            }
        }
        let weight = if is_bold { "600" } else { "400" };
        html += &format!(
            "<span style=\"font-weight:{weight};color:{colour}\">{}</span>",
            escaped(text)
        );
    }
    format!(
        "<!DOCTYPE html><meta charset=\"utf-8\"><body style=\"margin:0;background:#0d1117\"><pre style=\"margin:16px;color:#e6edf3;\
         font:13px/1.45 'DejaVu Sans Mono',monospace\">$ aws-oidc-doctor check\n\n{html}</pre>"
    )
}

/// A SARIF result as GitHub shows it in the files of a pull request.
fn annotation(log: &Value, source: &str) -> String {
    let run = &log["runs"][0];
    let result = &run["results"][0];
    let place = &result["locations"][0]["physicalLocation"];
    let line = usize::try_from(place["region"]["startLine"].as_u64().unwrap()).unwrap();
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let text = |value: &Value| escaped(value.as_str().unwrap_or_default());
    let row = |(number, code): (usize, &str)| {
        format!(
            "<tr><td style=\"color:#59636e;padding:0 16px;text-align:right\">{number}</td><td>{}</td></tr>",
            escaped(code)
        )
    };
    let rows = |from: usize, to: usize| -> String {
        source
            .lines()
            .enumerate()
            .map(|(at, code)| (at + 1, code))
            .filter(|(at, _)| (from..to).contains(at))
            .map(row)
            .collect()
    };
    let title = text(&run["tool"]["driver"]["rules"][0]["shortDescription"]["text"]);
    format!(
        "<!DOCTYPE html><meta charset=\"utf-8\"><body style=\"margin:16px;font:14px/1.5 'Noto Sans',Helvetica,Arial,sans-serif;color:#1f2328\">\
         <div style=\"border:1px solid #d1d9e0;border-radius:6px\"><div style=\"background:#f6f8fa;padding:8px 16px;border-bottom:1px \
         solid #d1d9e0;font-family:'DejaVu Sans Mono',monospace;font-size:12px\">{file}</div>\
         <style>pre,table{{font:12px/20px 'DejaVu Sans Mono',monospace;white-space:pre;margin:0}}</style><table>{before}</table>\
         <div style=\"margin:8px 16px;border:1px solid #d1d9e0;border-left:4px solid #cf222e;border-radius:6px;padding:12px 16px\">\
         <b>Check failure</b> <span style=\"color:#59636e\">Code scanning / {tool}</span><p style=\"margin:8px 0\"><b>{title}</b> \
         <span style=\"background:#cf222e;color:#fff;border-radius:1em;padding:1px 8px;font-size:12px\">{level}</span></p>\
         <p style=\"margin:8px 0 0\">{message}</p></div><table>{after}</table></div>",
        file = text(&place["artifactLocation"]["uri"]),
        tool = text(&run["tool"]["driver"]["name"]),
        level = text(&result["level"]),
        message = text(&result["message"]["text"]).replace('\n', "<br>"),
        before = rows(line.saturating_sub(4), line + 1),
        after = rows(line + 1, line + 4),
    )
}

#[test]
fn a_check_and_its_annotation_have_pictures() {
    let source = terraform(r#"["repo:octo/app:ref:refs/heads/main"]"#);
    let folder = repository(&[(DEPLOY, WORKFLOW), ("infra/iam.tf", &source)]);
    let (_, console, _) = run(folder.path(), &["--color", "always", "--subjects", "classic"]);
    let (_, sarif, _) = run(folder.path(), &["--format", "sarif", "--subjects", "classic"]);
    let pages = [
        ("check", screen(&console)),
        (
            "check-annotation",
            annotation(&serde_json::from_str(&sarif).unwrap(), &source),
        ),
    ];
    assert!(pages[0].1.contains("error[subject-environment]") && pages[1].1.contains("infra/iam.tf"));
    let (Some(wish), Some(program)) = (std::env::var_os("PICTURES"), chromium()) else {
        return;
    };
    let to = match wish.to_str() {
        Some("update") => Path::new(PICTURES),
        _ => Path::new(&wish),
    };
    for (name, page) in pages {
        let file = folder.path().join(format!("{name}.html"));
        fs::write(&file, &page).unwrap();
        let lines = u32::try_from(page.matches('\n').count() + page.matches("<tr>").count()).unwrap();
        let height = if name == "check" {
            lines * 19 + 40
        } else {
            lines * 20 + 300
        };
        let arguments = [
            format!("--window-size=1140,{height}"),
            format!("--screenshot={}", to.join(format!("{name}.png")).display()),
            format!("file://{}", file.display()),
        ];
        browse(program, folder.path(), &arguments);
    }
}

#[test]
fn a_second_step_without_role_chaining_is_told() {
    let second = "      - uses: aws-actions/configure-aws-credentials@v6
        with: {role-to-assume: 'arn:aws:iam::210987654321:role/spoke', aws-region: eu-west-1}
";
    let spoke = r#"resource "aws_iam_role" "spoke" {
  name               = "spoke"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { AWS = "arn:aws:iam::123456789012:role/deploy" } }]
  })
}
"#;
    let source = terraform(r#"["repo:octo/app:environment:production"]"#) + spoke;
    for (second, code, want) in [
        (
            second.to_owned(),
            1,
            vec![format!("blocks likely role-chaining-missing {DEPLOY}:15")],
        ),
        (second.replace("{role", "{role-chaining: true, role"), 0, vec![]),
    ] {
        let workflow = format!("{WORKFLOW}{second}");
        let folder = repository(&[(DEPLOY, &workflow), ("iam.tf", &source)]);
        let (found_code, report) = json(folder.path(), &[]);
        assert_eq!((found_code, found(&report)), (code, want), "{report:#}");
    }
}

#[test]
fn nothing_that_stands_for_many_is_written_into_a_policy() {
    // Any branch can start it; the policy trusts one.
    let workflow = WORKFLOW
        .replace("  push:\n    branches: [main]\n", "  push:\n")
        .replace("    environment: production\n", "");
    let source = terraform("[\"repo:octo/app:ref:refs/heads/main\"]");
    let folder = repository(&[(DEPLOY, &workflow), ("iam.tf", &source)]);
    let (code, report) = json(folder.path(), &[]);
    let branch = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|found| found["id"] == "subject-branch")
        .unwrap();
    assert_eq!((code, &branch["fixes"]), (0, &value!([])), "{report:#}");
    let notes = branch["notes"].to_string();
    assert!(
        notes.contains("` stands for every subject of this job that is refused alike"),
        "{notes}"
    );
    // One branch can be written down.
    let one = workflow.replace("  push:\n", "  push:\n    branches: [dev]\n");
    let folder = repository(&[(DEPLOY, &one), ("iam.tf", &source)]);
    let (code, report) = json(folder.path(), &[]);
    assert_eq!(
        (code, report["findings"][0]["fixes"].as_array().unwrap().len()),
        (1, 1),
        "{report:#}"
    );
}

#[test]
fn a_repository_without_a_name_is_given_none() {
    let source = terraform("[\"repo:octo/app:ref:refs/heads/main\"]");
    let folder = repository(&[(DEPLOY, WORKFLOW), ("iam.tf", &source)]);
    fs::write(folder.path().join(".git/config"), "").unwrap();
    let (code, report) = json(folder.path(), &[]);
    assert_eq!((code, found(&report)), (0, Vec::<String>::new()), "{report:#}");
    let token =
        value!({"event": "push", "subject": "repo:*/*:environment:production", "verdict": "undecided", "cause": null});
    assert_eq!(report["steps"][0]["tokens"][0], token, "{report:#}");
    let notes = report["steps"][0]["notes"].to_string();
    assert!(notes.contains("`--repository owner/name` gives it"), "{notes}");
    assert_eq!(json(folder.path(), &["--repository", "octo/app"]).0, 1);
}
