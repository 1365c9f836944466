use serde_json::{Value as Json, json};

use super::*;

fn infra(files: &[(&str, &str)]) -> Infra {
    read(files.iter().map(|(name, text)| SourceText::new(*name, *text)).collect())
}

fn policy(role: &Role) -> Json {
    serde_json::from_str(&role.policy.as_ref().unwrap().text).unwrap()
}

/// The statement that all of the sources below write.
fn wanted(sub: Json) -> Json {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": { "token.actions.githubusercontent.com:sub": sub } },
        }],
    })
}

const PROVIDER: &str = r#""arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com""#;

fn encoded(sub: &str) -> String {
    format!(
        r#"jsonencode({{
    Version = "2012-10-17"
    Statement = [{{
      Effect = "Allow"
      Principal = {{ Federated = {PROVIDER} }}
      Action = "sts:AssumeRoleWithWebIdentity"
      Condition = {{ StringEquals = {{ "token.actions.githubusercontent.com:sub" = {sub} }} }}
    }}]
  }})"#
    )
}

#[test]
fn subjects_as_terraform_writes_them() {
    let more = r#"
variable "org" { default = "octo" }
variable "repo" { type = string }
variable "repos" { default = ["app", "api"] }
variable "map" { default = { app = { branch = "main" }, api = { branch = "dev" } } }
locals {
  name = "app"
  subject = "repo:${var.org}/${local.name}:ref:refs/heads/main"
  again = local.loop
  loop = local.again
  none = null
}
"#;
    for (sub, want) in [
        (r#""repo:octo/app:*""#, json!("repo:octo/app:*")),
        (r#"["repo:octo/app:*", "b"]"#, json!(["repo:octo/app:*", "b"])),
        (r#""repo:${var.org}/app:*""#, json!("repo:octo/app:*")),
        (r#""repo:${var.org}/${var.repo}:*""#, json!("repo:octo/${var.repo}:*")),
        ("local.subject", json!("repo:octo/app:ref:refs/heads/main")),
        ("local.again", json!("${local.again}")),
        (r#"[for r in var.repos : "repo:octo/${r}:*"]"#, json!(["repo:octo/app:*", "repo:octo/api:*"])),
        (
            r#"[for r, o in var.map : "repo:octo/${r}:ref:refs/heads/${o.branch}" if o.branch != "dev"]"#,
            json!(["repo:octo/app:ref:refs/heads/main"]),
        ),
        (r#"formatlist("repo:octo/%s:*", var.repos)"#, json!(["repo:octo/app:*", "repo:octo/api:*"])),
        (r#"format("repo:%s/%s:*", var.org, var.repo)"#, json!("repo:octo/${var.repo}:*")),
        (r#"join(",", ["a", var.org])"#, json!("a,octo")),
        (r#"concat(["a"], [var.repo], var.more)"#, json!(["a", "${var.repo}", "${var.more}"])),
        (r#"var.org == "octo" ? "yes" : "no""#, json!("yes")),
        (r#"var.repo == "octo" ? "yes" : "no""#, json!("${var.repo == octo ? yes . no}")),
        (r#"lookup({a = "b"}, "a", "c")"#, json!("b")),
        (r#"coalesce(local.none, "x")"#, json!("x")),
        (r#"try(local.none, "x")"#, json!("x")),
        (r#"merge({a = "1"}, {a = "2"})["a"]"#, json!("2")),
        (r#"flatten([["a"], [["b"]]])"#, json!(["a", "b"])),
        (r#"values(var.map)[*].branch"#, json!(["dev", "main"])),
        (r#"element(["a", "b"], 3)"#, json!("b")),
        (r#"lower("A")"#, json!("a")),
        (r#"replace("https://x", "https://", "")"#, json!("x")),
        (r#"data.external.x.result"#, json!("${data.external.x.result}")),
        (r#"sha256("x")"#, json!("${sha256(x)}")),
        (r#""%{ if var.org == "octo" }a%{ else }b%{ endif }""#, json!("a")),
        (r#"tolist(["a"])[0]"#, json!("a")),
        (r#"module.other.subject"#, json!("${module.other.subject}")),
        (r#"setproduct(["a"], ["b", "c"])[1][1]"#, json!("c")),
    ] {
        let text = format!("resource \"aws_iam_role\" \"r\" {{\n  name = \"deploy\"\n  assume_role_policy = {}\n}}\n{more}", encoded(sub));
        let infra = infra(&[("main.tf", &text)]);
        assert_eq!(infra.unread, [], "{sub}");
        let [role] = &*infra.roles else { panic!("{sub}") };
        assert_eq!(policy(role), wanted(want), "{sub}");
        assert_eq!((role.name.as_deref(), &*role.path), (Some("deploy"), "/"));
    }
}
