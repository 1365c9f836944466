//! Policies as Terraform and CloudFormation, and arguments of the printed commands.

use std::fmt::Write as _;

use serde_json::Value;

use crate::policy::{BasedOn, Effect, Policy, PrincipalKind, Statement};
use crate::text::Spanned;

/// The longest argument written out: an ARN has at most 2048 characters.
const LONGEST: usize = 2048;

/// Untrusted text as one argument of a command to paste into a shell: the text itself if neither a shell nor the AWS CLI takes it
/// for anything else, such as an option (`--debug`) or a file to read (`file://…`); otherwise the placeholder.
pub(crate) fn argument(text: &str, placeholder: &str) -> String {
    let is_literal = text.len() <= LONGEST
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+=,.@_-:/".contains(c))
        && !text.starts_with("file:")
        && !text.starts_with("fileb:");
    if is_literal { text } else { placeholder }.to_owned()
}

/// A policy as Terraform: an `aws_iam_policy_document`, and the argument of the resource that uses it.
pub(super) fn terraform(policy: &Policy, document: &Value) -> String {
    let (name, argument) = match policy.based_on {
        BasedOn::Identity => ("caller", "policy"),
        BasedOn::Resource => ("trust", "assume_role_policy"),
    };
    let mut text = format!("data \"aws_iam_policy_document\" \"{name}\" {{\n");
    if !policy.has_variables() {
        text.push_str("  version = \"2008-10-17\"\n");
    }
    if let Some(id) = &policy.id {
        let _ = writeln!(text, "  policy_id = {}", in_document(&id.value));
    }
    for statement in &policy.statements {
        text.push_str("  statement {\n");
        push_statement(&mut text, statement);
        text.push_str("  }\n");
    }
    let _ = write!(text, "}}\n\n# or where it is used\n{argument} = jsonencode(");
    push_hcl(&mut text, document, 0);
    text.push_str(")\n");
    text
}

fn push_statement(text: &mut String, statement: &Statement) {
    let all = |values: &[Spanned<String>]| {
        let values: Vec<String> = values.iter().map(|value| in_document(&value.value)).collect();
        values.join(", ")
    };
    if let Some(sid) = &statement.sid {
        let _ = writeln!(text, "    sid     = {}", in_document(&sid.value));
    }
    if statement.effect.value == Effect::Deny {
        text.push_str("    effect  = \"Deny\"\n");
    }
    if let Some(action) = &statement.action {
        let name = if action.negated { "not_actions" } else { "actions" };
        let _ = writeln!(text, "    {name} = [{}]", all(&action.values));
    }
    if let Some(resource) = &statement.resource {
        let name = if resource.negated { "not_resources" } else { "resources" };
        let _ = writeln!(text, "    {name} = [{}]", all(&resource.values));
    }
    if let Some(principal) = &statement.principal {
        let name = if principal.negated {
            "not_principals"
        } else {
            "principals"
        };
        for entry in &principal.entries {
            let _ = writeln!(
                text,
                "\n    {name} {{\n      type        = \"{}\"\n      identifiers = [{}]\n    }}",
                kind(entry.kind),
                all(&entry.values)
            );
        }
    }
    for condition in &statement.conditions {
        for key in &condition.keys {
            let _ = writeln!(
                text,
                "\n    condition {{\n      test     = {}\n      variable = {}\n      values   = [{}]\n    }}",
                in_document(&condition.name),
                in_document(key.name()),
                all(&key.values)
            );
        }
    }
}

/// A policy as the `AssumeRolePolicyDocument` of a CloudFormation role.
pub(super) fn cloudformation(document: &Value) -> String {
    let mut text = String::from("AssumeRolePolicyDocument:");
    push_yaml(&mut text, document, 1);
    text.push('\n');
    text
}

fn kind(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::Aws => "AWS",
        PrincipalKind::CanonicalUser => "CanonicalUser",
        PrincipalKind::Everyone => "*",
        PrincipalKind::Federated => "Federated",
        PrincipalKind::Service => "Service",
    }
}

/// Writes a JSON value as a Terraform expression.
fn push_hcl(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(fields) => {
            text.push('{');
            for (name, value) in fields {
                let name = if is_name(name) { name.clone() } else { literal(name) };
                let _ = write!(text, "\n{:1$}{name} = ", "", 2 * depth + 2);
                push_hcl(text, value, depth + 1);
            }
            let _ = write!(text, "\n{:1$}}}", "", 2 * depth);
        }
        Value::Array(values) if values.iter().any(Value::is_object) => {
            text.push('[');
            for value in values {
                let _ = write!(text, "\n{:1$}", "", 2 * depth + 2);
                push_hcl(text, value, depth + 1);
                text.push(',');
            }
            let _ = write!(text, "\n{:1$}]", "", 2 * depth);
        }
        Value::Array(values) => {
            text.push('[');
            for (at, value) in values.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { ", " });
                push_hcl(text, value, depth);
            }
            text.push(']');
        }
        Value::String(string) => text.push_str(&literal(string)),
        other => text.push_str(&other.to_string()),
    }
}

/// Writes a JSON value after a YAML key. Anything but an object or a list of objects is written as JSON.
fn push_yaml(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let name = if is_name(name) { name.clone() } else { quoted(name) };
                let _ = write!(text, "\n{:1$}{name}:", "", 2 * depth);
                push_yaml(text, value, depth + 1);
            }
        }
        Value::Array(values) if values.iter().all(Value::is_object) && !values.is_empty() => {
            for value in values {
                let mut item = String::new();
                push_yaml(&mut item, value, depth + 1);
                // The first key goes on the line of the dash.
                let _ = write!(text, "\n{:1$}- {2}", "", 2 * depth, item.trim_start());
            }
        }
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(Value::to_string).collect();
            let _ = write!(text, " [{}]", values.join(", "));
        }
        other => {
            let _ = write!(text, " {other}");
        }
    }
}

/// Whether both languages accept a name without quotes.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(|c| c.is_ascii_alphanumeric())
}

/// A quoted YAML string: a JSON string is one.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A Terraform string: `${` and `%{` begin a template in one.
fn literal(text: &str) -> String {
    quoted(text).replace("${", "$${").replace("%{", "%%{")
}

/// The same in an `aws_iam_policy_document`, where `&{` begins a policy variable.
fn in_document(text: &str) -> String {
    quoted(text).replace("${", "&{").replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::parse;

    #[test]
    fn a_policy_keeps_its_meaning_in_every_form() {
        let document = json!({
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "Jobs",
                    "Effect": "Allow",
                    "Principal": { "Federated": ["a", "b"] },
                    "Action": "sts:AssumeRoleWithWebIdentity",
                    "Condition": { "StringLike": { "x:sub": ["repo:a/b:*", "${x:y} %{z} \"q\""] } },
                },
                { "Effect": "Deny", "NotPrincipal": "*", "NotAction": ["sts:A"], "Condition": { "Bool": { "k": true } } },
            ],
        });
        let policy = parse(&document.to_string()).unwrap();
        let hcl = terraform(&policy, &document);
        assert_eq!(
            hcl,
            r#"data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "Jobs"
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = ["a", "b"]
    }

    condition {
      test     = "StringLike"
      variable = "x:sub"
      values   = ["repo:a/b:*", "&{x:y} %%{z} \"q\""]
    }
  }
  statement {
    effect  = "Deny"
    not_actions = ["sts:A"]

    not_principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "k"
      values   = ["true"]
    }
  }
}

# or where it is used
assume_role_policy = jsonencode({
  Version = "2012-10-17"
  Statement = [
    {
      Sid = "Jobs"
      Effect = "Allow"
      Principal = {
        Federated = ["a", "b"]
      }
      Action = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringLike = {
          "x:sub" = ["repo:a/b:*", "$${x:y} %%{z} \"q\""]
        }
      }
    },
    {
      Effect = "Deny"
      NotPrincipal = "*"
      NotAction = ["sts:A"]
      Condition = {
        Bool = {
          k = true
        }
      }
    },
  ]
})
"#
        );
        let yaml: Value = serde_saphyr::from_str(&cloudformation(&document)).unwrap();
        assert_eq!(yaml, json!({ "AssumeRolePolicyDocument": document }));
    }

    #[test]
    fn an_argument_is_literal_or_a_placeholder() {
        for text in [
            "deploy",
            "a+b=c,d.e@f_g-h",
            "https://github.com/acme",
            "arn:aws:iam::123456789012:role/x",
        ] {
            assert_eq!(argument(text, "X"), text);
        }
        for text in [
            "",
            "--debug",
            "-x",
            "$(id>pwned)",
            "${HOME}",
            "`id`",
            "a;b",
            "a&b",
            "a|b",
            "a b",
            "a\nb",
            "a'b",
            "a\"b",
            "a\\b",
            "~",
            "a*",
            "<name>",
            "***",
            "{a,b}",
            "#a",
            "!a",
            "file:///etc/passwd",
            "fileb://x",
            "é",
            "a\u{200b}",
            "@x",
            ".",
        ] {
            assert_eq!(argument(text, "X"), "X", "{text}");
        }
        assert_eq!(argument(&"x".repeat(LONGEST + 1), "X"), "X");
    }
}
