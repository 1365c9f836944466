//! `check`: a repository's jobs against its policies, as the whole program says it.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is test code, which clippy sees only in `#[test]` functions"
)]

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

/// A repository with these files.
fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(".git/config", "[remote \"origin\"]\n\turl = git@github.com:octo/app.git\n");
    for (path, text) in files {
        write(path, text);
    }
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("aws-oidc-doctor").unwrap();
    let done = command.env_clear().current_dir(folder).arg("check").args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code().unwrap(), text(&done.stdout), text(&done.stderr))
}

fn json(folder: &Path, arguments: &[&str]) -> (i32, Value) {
    let (code, out, error) = run(folder, &[&["--format", "json", "--subjects", "classic"], arguments].concat());
    (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}")))
}

/// What each finding is, and where it stands.
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
    let line = source.lines().position(|line| line.contains("refs/heads/main")).unwrap() + 1;
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
    let diff = fixes.iter().find(|fix| fix["file"] == "infra/iam.tf").unwrap()["diff"].as_str().unwrap();
    assert!(diff.contains("\n+      values   = [\"repo:octo/app:") && diff.contains("environment:production"), "{diff}");
    let (code, out, _) = run(folder.path(), &[]);
    println!("{out}");
    assert_eq!(code, 1);
}
