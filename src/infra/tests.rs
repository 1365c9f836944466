use serde_json::{Value as Json, json};

use super::*;

fn infra(files: &[(&str, &str)]) -> Infra {
    read(files.iter().map(|(name, text)| SourceText::new(*name, *text)).collect())
}

fn policy(role: &Role) -> Json {
    serde_json::from_str(&role.policy.as_ref().unwrap().text).unwrap()
}

/// The policy that all of the sources below produce.
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
        (
            r#"[for r in var.repos : "repo:octo/${r}:*"]"#,
            json!(["repo:octo/app:*", "repo:octo/api:*"]),
        ),
        (
            r#"[for r, o in var.map : "repo:octo/${r}:ref:refs/heads/${o.branch}" if o.branch != "dev"]"#,
            json!(["repo:octo/app:ref:refs/heads/main"]),
        ),
        (
            r#"formatlist("repo:octo/%s:*", var.repos)"#,
            json!(["repo:octo/app:*", "repo:octo/api:*"]),
        ),
        (
            r#"format("repo:%s/%s:*", var.org, var.repo)"#,
            json!("repo:octo/${var.repo}:*"),
        ),
        (r#"join(",", ["a", var.org])"#, json!("a,octo")),
        (
            r#"concat(["a"], [var.repo], var.more)"#,
            json!(["a", "${var.repo}", "${var.more}"]),
        ),
        (r#"var.org == "octo" ? "yes" : "no""#, json!("yes")),
        (
            r#"var.repo == "octo" ? "yes" : "no""#,
            json!("${var.repo == octo ? yes . no}"),
        ),
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
        let text = format!(
            "resource \"aws_iam_role\" \"r\" {{\n  name = \"deploy\"\n  assume_role_policy = {}\n}}\n{more}",
            encoded(sub)
        );
        let infra = infra(&[("main.tf", &text)]);
        assert_eq!(infra.unread, [], "{sub}");
        let [role] = &*infra.roles else { panic!("{sub}") };
        assert_eq!(policy(role), wanted(want), "{sub}");
        assert_eq!((role.name.as_deref(), &*role.path), (Some("deploy"), "/"));
    }
}

const STATEMENT: &str = r#""Statement": [{"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"},
    "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringEquals": {"token.actions.githubusercontent.com:sub": "repo:octo/app:*"}}}]"#;

#[test]
fn every_kind_of_source_comes_to_the_policy() {
    let document = r#"
data "aws_iam_policy_document" "d" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = ["arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = ["repo:octo/app:*"]
    }
  }
}
resource "aws_iam_role" "r" {
  name               = "deploy"
  assume_role_policy = data.aws_iam_policy_document.d.json
}
"#;
    let heredoc = format!(
        "resource \"aws_iam_role\" \"r\" {{\n  name = \"deploy\"\n  assume_role_policy = <<-EOF\n    {{\n    \"Version\": \"2012-10-17\",\n    {STATEMENT}\n    }}\n  EOF\n}}\n"
    );
    let file = "resource \"aws_iam_role\" \"r\" {\n  name = \"deploy\"\n  assume_role_policy = file(\"${path.module}/trust.json\")\n}\n";
    let template = "resource \"aws_iam_role\" \"r\" {\n  name = \"deploy\"\n  assume_role_policy = templatefile(\"${path.module}/trust.tftpl\", { repo = \"octo/app\" })\n}\n";
    let trust = format!("{{\"Version\": \"2012-10-17\", {STATEMENT}}}");
    let with_name = trust.replace("octo/app", "${repo}");
    let yaml = "
Parameters:
  Repo: {Type: String, Default: octo/app}
Resources:
  R:
    Type: AWS::IAM::Role
    Properties:
      RoleName: !Join ['', [dep, loy]]
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Principal: {Federated: !Sub 'arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com'}
            Action: sts:AssumeRoleWithWebIdentity
            Condition: {StringEquals: {token.actions.githubusercontent.com:sub: !Sub 'repo:${Repo}:*'}}
";
    let as_json = json!({
        "variable": { "repo": { "default": "octo/app" } },
        "data": { "aws_iam_policy_document": { "d": [{ "//": "who", "statement": [{
            "actions": ["sts:AssumeRoleWithWebIdentity"],
            "principals": { "type": "Federated", "identifiers": [PROVIDER.trim_matches('"')] },
            "condition": [{
                "test": "StringEquals", "variable": "token.actions.githubusercontent.com:sub", "values": ["repo:${var.repo}:*"],
            }],
        }] }] } },
        "resource": [{ "aws_iam_role": [{ "r": {
            "name": "${join(\"\", [\"dep\", \"loy\"])}", "assume_role_policy": "${data.aws_iam_policy_document.d.json}",
        } }] }],
    });
    let as_text = json!({ "resource": { "aws_iam_role": { "r": { "name": "deploy", "assume_role_policy": trust } } } });
    let values = json!({ "repo": "octo/app" });
    let without_default =
        json!({ "variable": { "repo": {} }, "data": as_json["data"], "resource": as_json["resource"] });
    let plan = json!({ "format_version": "1.2", "planned_values": { "root_module": { "child_modules": [{ "resources": [{
        "address": "module.a.aws_iam_role.r", "type": "aws_iam_role",
        "values": { "name": "deploy", "assume_role_policy": trust },
    }] }] } } });
    let role = json!({ "RoleName": "deploy", "Path": "/", "Arn": "arn:aws:iam::123456789012:role/deploy",
        "AssumeRolePolicyDocument": serde_json::from_str::<Json>(&trust).unwrap() });
    let list = json!({ "Roles": [role] });
    let get = json!({ "Role": role });
    let details = json!({ "RoleDetailList": [role] });
    for files in [
        &[("a/main.tf", document)][..],
        &[("a/main.tf", &heredoc)],
        &[("a/main.tf", file), ("a/trust.json", &trust)],
        &[("a/main.tf", template), ("a/trust.tftpl", &with_name)],
        &[
            (
                "a/main.tf",
                "module \"m\" {\n  source = \"../b\"\n  repo = \"octo/app\"\n}\n",
            ),
            ("b/main.tf", &document.replace("octo/app", "${var.repo}")),
        ],
        &[("a/cdk.tf.json", &as_json.to_string())],
        &[("a/main.tf.json", &format!("{as_text:#}"))],
        &[
            ("a/main.tofu.json", &format!("{without_default:#}")),
            ("a/terraform.tfvars.json", &values.to_string()),
        ],
        // What is loaded last wins, whatever the order of the names.
        &[
            ("a/main.tofu.json", &format!("{without_default:#}")),
            ("a/prod.auto.tfvars.json", &values.to_string()),
            (
                "a/terraform.tfvars.json",
                &values.to_string().replace("octo/", "other/"),
            ),
        ],
        &[("template.yaml", yaml)],
        &[("plan.json", &plan.to_string())],
        &[("roles.json", &list.to_string())],
        &[("role.json", &format!("{get:#}"))],
        &[("details.json", &details.to_string())],
    ] {
        let infra = infra(files);
        assert_eq!(infra.unread, [], "{files:?}");
        let named: Vec<_> = infra.roles.iter().filter(|role| role.name.is_some()).collect();
        let [role] = &*named else {
            panic!("{files:?}: {:?}", infra.roles)
        };
        let mut found = policy(role);
        // A policy document's values are lists.
        let lists = found.to_string().replace("[\"", "\"").replace("\"]", "\"");
        found = serde_json::from_str(&lists).unwrap();
        assert_eq!(found, wanted(json!("repo:octo/app:*")), "{files:?}");
        assert_eq!(role.name.as_deref(), Some("deploy"), "{files:?}");
    }
}

#[test]
fn a_value_is_found_where_it_is_written() {
    let text = format!(
        "locals {{\n  branch = \"repo:octo/app:ref:refs/heads/dev\"\n}}\nresource \"aws_iam_role\" \"r\" {{\n  assume_role_policy = {}\n}}\n",
        encoded(r#"["repo:octo/app:*", local.branch]"#)
    );
    let heredoc = format!(
        "resource \"aws_iam_role\" \"r\" {{\n  assume_role_policy = <<-EOF\n    {{\n    {STATEMENT}\n    }}\n  EOF\n}}\n"
    );
    let as_json = "{\"locals\": {\n\"branch\": \"repo:octo/app:ref:refs/heads/dev\"},\n\"resource\": {\"aws_iam_role\": {\"r\": {\n\
                   \"assume_role_policy\": \"${data.aws_iam_policy_document.d.json}\"}}},\n\"data\": {\"aws_iam_policy_document\": {\"d\":\n\
                   {\"statement\": {\"condition\": {\"values\": [\n\"repo:octo/app:*\", \"${local.branch}\"],\n\
                   \"test\": \"StringLike\", \"variable\": \"token.actions.githubusercontent.com:sub\"}}}}}}\n"
        .to_owned();
    for (name, text, value, line) in [
        ("main.tf", &text, "repo:octo/app:*", 11),
        ("main.tf", &text, "repo:octo/app:ref:refs/heads/dev", 2),
        ("main.tf", &heredoc, "repo:octo/app:*", 5),
        ("main.tf.json", &as_json, "repo:octo/app:*", 7),
        ("main.tf.json", &as_json, "repo:octo/app:ref:refs/heads/dev", 2),
    ] {
        let infra = infra(&[(name, text)]);
        let policy = infra.roles[0].policy.as_ref().unwrap();
        let at = policy.text.find(&format!("\"{value}\"")).unwrap();
        let place = policy.exactly(Span::new(at, at + value.len() + 2)).unwrap();
        assert_eq!(infra.files[0].slice(place.span), format!("\"{value}\""));
        assert_eq!(infra.files[0].position(place.span.start).line, line, "{value}");
    }
}

#[test]
fn what_cannot_be_known_stays_in_its_place() {
    for (body, part) in [
        ("data.aws_iam_policy_document.elsewhere.json", None),
        ("var.policy", None),
        (
            "jsonencode({ Version = \"2012-10-17\", Statement = var.statements })",
            Some("\"Federated\": \"${var.statements}\""),
        ),
        (
            "jsonencode({ Version = \"2012-10-17\", Statement = [{ Effect = \"Allow\", Principal = var.who, Action = \"sts:AssumeRoleWithWebIdentity\", Condition = var.when }] })",
            Some("\"Federated\": \"${var.who}\""),
        ),
        (
            "jsonencode({ Statement = [{ Effect = \"Allow\", Principal = { Federated = var.p }, Action = \"sts:AssumeRoleWithWebIdentity\", Condition = { StringLike = { \"${var.url}:sub\" = \"repo:octo/app:*\" } } }] })",
            Some("\"token.actions.githubusercontent.com:sub\": \"repo:octo/app:*\""),
        ),
    ] {
        let text =
            format!("resource \"aws_iam_role\" \"r\" {{\n  name = \"deploy\"\n  assume_role_policy = {body}\n}}\n");
        let infra = infra(&[("main.tf", &text)]);
        match (&infra.roles[0].policy, part) {
            (Ok(policy), Some(part)) => {
                assert!(policy.text.contains(part), "{body}: {}", policy.text);
                assert!(crate::policy::parse(&policy.text).is_ok(), "{body}: {}", policy.text);
                assert!(!policy.unknown.is_empty());
            }
            (Err(why), None) => assert!(why.contains("only known when it is applied"), "{why}"),
            (found, _) => panic!("{body}: {found:?}"),
        }
    }
}

#[test]
fn bad_files_are_named_and_the_rest_goes_on() {
    let good = format!(
        "resource \"aws_iam_role\" \"r\" {{\n  name = \"deploy\"\n  assume_role_policy = {}\n}}\n",
        encoded("\"x\"")
    );
    let infra = infra(&[
        ("a.tf", "resource \"x\" {\n  = 1\n}\n"),
        ("b.tf", &good),
        ("c.json", "{\"AssumeRolePolicyDocument\": {\n"),
        ("d.yaml", "Resources: {a: [AssumeRole\n"),
        (
            "e.tf",
            "module \"r\" {\n  source = \"terraform-aws-modules/iam/aws\"\n}\nmodule \"me\" {\n  source = \"./.\"\n}\n",
        ),
    ]);
    let unread: Vec<_> = infra.unread.iter().map(|unread| (unread.file, unread.line)).collect();
    assert_eq!(unread.iter().map(|(file, _)| *file).collect::<Vec<_>>(), [0, 2, 3]);
    assert_eq!(unread[0].1, 2);
    assert_eq!(
        infra
            .elsewhere
            .iter()
            .map(|(_, source, _)| source.as_str())
            .collect::<Vec<_>>(),
        ["terraform-aws-modules/iam/aws"]
    );
    // The directory calls itself and has no other caller, so it is read once as a root, or not at all.
    assert!(infra.roles.len() <= 11);
}

#[test]
fn a_hostile_source_ends() {
    let double = (0..200).fold("  a0 = \"xxxxxxxxxxxxxxxx\"\n".to_owned(), |text, n| {
        format!("{text}  a{} = \"${{local.a{n}}}${{local.a{n}}}\"\n", n + 1)
    });
    let lists = (0..40).fold("  a0 = range(1000)\n".to_owned(), |text, n| {
        format!(
            "{text}  a{} = [for x in local.a{n} : [for y in local.a{n} : y]]\n",
            n + 1
        )
    });
    let deep = format!("  a40 = {}1{}\n", "[".repeat(60), "]".repeat(60));
    for locals in [double, lists, deep] {
        let text = format!(
            "locals {{\n{locals}}}\nresource \"aws_iam_role\" \"r\" {{\n  name = \"deploy\"\n  assume_role_policy = {}\n}}\n",
            encoded("local.a40")
        );
        let infra = infra(&[("main.tf", &text)]);
        assert_eq!(infra.roles.len(), 1, "{}", infra.unread.len());
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_source_makes_it_panic(text in r#"(resource "aws_iam_role" "r" \{|assume_role_policy = |jsonencode\(|<<EOF|EOF|"\$\{|var\.|local\.a|data\.x|\[|\]|\{|\}|\(|\)|=|"|,|:|\n| |\*|%\{|for x in |Resources:|!Sub |!If|Ref|AssumeRole|é|a){0,30}"#) {
        for name in ["a.tf", "a.tf.json", "a.json", "a.yaml", "terraform.tfvars"] {
            let _ = read(vec![SourceText::new(name, format!("{text}\nAssumeRole"))]);
        }
    }
}
