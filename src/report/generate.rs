//! Generated trust policies: as JSON, Terraform, CloudFormation and AWS CLI commands.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::clean;
use super::json::escaped;
use crate::fix::argument;
use crate::predict::TrustedRole;

/// Renders the policies as JSON: one alone, several by role name, steps in order.
#[must_use]
pub fn policies(roles: &[TrustedRole]) -> String {
    let policy = |role: &TrustedRole| match &*role.steps {
        [] => role.policy.clone(),
        steps => steps
            .iter()
            .map(|step| json!({ "step": step.title, "policy": step.policy }))
            .collect(),
    };
    let value = match roles {
        [only] => policy(only),
        many => Value::Object(
            many.iter()
                .map(|role| (role.name.clone(), policy(role)))
                .collect::<Map<_, _>>(),
        ),
    };
    escaped(&format!("{value:#}\n"))
}

/// Returns the remarks about them, one per line, without repeats. `has_provider` is for formats that name the provider themselves.
#[must_use]
pub fn notes(roles: &[TrustedRole], has_provider: bool) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for role in roles {
        let to_write = role.to_write.iter().filter(|_| !has_provider && role.steps.is_empty());
        for note in role.notes.iter().filter(|_| role.steps.is_empty()).chain(to_write) {
            let is_of_all = roles
                .iter()
                .all(|role| role.notes.contains(note) || role.to_write.as_ref() == Some(note));
            let note = match is_of_all {
                true => clean(note),
                false => clean(&format!("{}: {note}", role.name)),
            };
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        for (index, step) in role.steps.iter().enumerate() {
            notes.extend(
                step.notes
                    .iter()
                    .map(|note| clean(&format!("step {}: {note}", index + 1))),
            );
        }
    }
    notes
}

/// Renders provider and roles for Terraform. JSON is valid Terraform, except for `${` and `%{`, which begin a template there.
#[must_use]
pub fn hcl(roles: &[TrustedRole]) -> String {
    let mut out = String::new();
    if let Some(role) = roles.first() {
        let _ = write!(
            out,
            "resource \"aws_iam_openid_connect_provider\" \"github\" {{\n  url            = {}\n  client_id_list = {}\n}}\n",
            quoted(&role.issuer),
            json!(audiences(roles))
        );
    }
    each(&mut out, roles, "#", |out, role, policy| {
        let policy = pretty(policy, 2).replace("${", "$${").replace("%{", "%%{");
        let policy = with_provider(&policy, role, "aws_iam_openid_connect_provider.github.arn");
        let _ = write!(
            out,
            "resource \"aws_iam_role\" \"{}\" {{\n  name               = {}\n  assume_role_policy = jsonencode({policy})\n}}\n",
            identifier(&role.name, '_'),
            quoted(&role.name)
        );
    });
    out
}

/// Renders provider and roles for CloudFormation. JSON is valid YAML.
#[must_use]
pub fn cfn(roles: &[TrustedRole]) -> String {
    let mut out = String::from("Resources:\n");
    if let Some(role) = roles.first() {
        let _ = write!(
            out,
            "  GitHubProvider:\n    Type: AWS::IAM::OIDCProvider\n    Properties:\n      Url: {}\n      ClientIdList: {}\n",
            quoted(&role.issuer),
            json!(audiences(roles))
        );
    }
    each(&mut out, roles, "  #", |out, role, policy| {
        let _ = write!(
            out,
            "  {}Role:\n    Type: AWS::IAM::Role\n    Properties:\n      RoleName: {}\n      AssumeRolePolicyDocument: {}\n",
            camel(&role.name),
            quoted(&role.name),
            with_provider(&pretty(policy, 8), role, r#"{"Ref": "GitHubProvider"}"#)
        );
    });
    out
}

/// Renders provider and roles as AWS CLI commands for a shell.
#[must_use]
pub fn cli(roles: &[TrustedRole]) -> String {
    let mut out = String::new();
    if let Some(role) = roles.first().filter(|role| role.steps.is_empty()) {
        let audiences = audiences(roles)
            .into_iter()
            .map(|audience| argument(audience, "AUDIENCE"));
        let _ = writeln!(
            out,
            "# once for the account\naws iam create-open-id-connect-provider --url {} --client-id-list {}",
            argument(&role.issuer, "URL"),
            audiences.collect::<Vec<_>>().join(" ")
        );
    }
    each(&mut out, roles, "#", |out, role, policy| {
        let name = argument(&role.name, "ROLE");
        // No line of JSON can end the heredoc: each begins with a brace, a bracket or a quote.
        let _ = writeln!(out, "cat > trust-policy.json <<'EOF'\n{}\nEOF", pretty(policy, 0));
        let _ = if role.steps.is_empty() {
            writeln!(
                out,
                "aws iam create-role --role-name {name} --assume-role-policy-document file://trust-policy.json"
            )
        } else {
            writeln!(
                out,
                "aws iam update-assume-role-policy --role-name {name} --policy-document file://trust-policy.json"
            )
        };
    });
    out
}

/// Writes each role, or each step on the way to it.
fn each(out: &mut String, roles: &[TrustedRole], comment: &str, write: impl Fn(&mut String, &TrustedRole, &Value)) {
    for role in roles {
        for (index, step) in role.steps.iter().enumerate() {
            let _ = writeln!(out, "\n{comment} step {}: {}", index + 1, clean(&step.title));
            write(out, role, &step.policy);
        }
        if role.steps.is_empty() {
            out.push('\n');
            write(out, role, &role.policy);
        }
    }
}

/// Replaces the provider's ARN with its resource.
fn with_provider(policy: &str, role: &TrustedRole, resource: &str) -> String {
    match role
        .policy
        .pointer("/Statement/0/Principal/Federated")
        .filter(|_| role.steps.is_empty())
    {
        Some(arn) => policy.replace(&arn.to_string(), resource),
        None => policy.to_owned(),
    }
}

fn audiences(roles: &[TrustedRole]) -> Vec<&str> {
    let mut audiences: Vec<&str> = Vec::new();
    for audience in roles.iter().flat_map(|role| &role.audiences) {
        if !audiences.contains(&audience.as_str()) {
            audiences.push(audience);
        }
    }
    audiences
}

/// JSON on several lines, all but the first indented.
fn pretty(value: &Value, indent: usize) -> String {
    let text = escaped(&format!("{value:#}"));
    text.replace('\n', &format!("\n{:indent$}", ""))
}

fn quoted(text: &str) -> String {
    escaped(&json!(text).to_string())
}

fn identifier(name: &str, other: char) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { other })
        .collect()
}

/// `github-actions` as `GithubActions`.
fn camel(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .map(|word| {
            let mut rest = word.chars();
            rest.next()
                .map(|first| first.to_ascii_uppercase())
                .into_iter()
                .chain(rest)
                .collect::<String>()
        })
        .collect()
}
