//! A statement in the words of Terraform and CloudFormation, and arguments of the commands that are printed.

use std::fmt::Write as _;

use crate::policy::{ConditionKey, Effect, PrincipalKind, Statement};

/// The longest argument that is written out: an ARN has at most 2048 characters.
const LONGEST: usize = 2048;

/// A text from outside as one argument of a command that somebody pastes into a shell: itself where no shell and no AWS CLI takes
/// it for anything else, and otherwise the placeholder. Neither an option (`--debug`) nor a file to be read (`file://…`).
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

/// As a Terraform `aws_iam_policy_document` with this one statement.
pub(super) fn terraform(statement: &Statement) -> String {
    let mut text = String::from("data \"aws_iam_policy_document\" \"trust\" {\n  statement {\n");
    if statement.effect.value == Effect::Deny {
        text.push_str("    effect  = \"Deny\"\n");
    }
    if let Some(action) = &statement.action {
        let name = if action.negated { "not_actions" } else { "actions" };
        let actions = action
            .values
            .iter()
            .map(|value| hcl(&value.value))
            .collect::<Vec<_>>()
            .join(", ");
        let _ = writeln!(text, "    {name} = [{actions}]");
    }
    for entry in statement.principal.iter().flat_map(|principal| &principal.entries) {
        let identifiers = entry
            .values
            .iter()
            .map(|value| hcl(&value.value))
            .collect::<Vec<_>>()
            .join(", ");
        let _ = writeln!(
            text,
            "\n    principals {{\n      type        = \"{}\"\n      identifiers = [{identifiers}]\n    }}",
            kind(entry.kind)
        );
    }
    for condition in &statement.conditions {
        for key in &condition.keys {
            let values = values(key)
                .iter()
                .map(|value| hcl(value))
                .collect::<Vec<_>>()
                .join(", ");
            let _ = writeln!(
                text,
                "\n    condition {{\n      test     = {}\n      variable = {}\n      values   = [{values}]\n    }}",
                hcl(&condition.name),
                hcl(&key.key.value)
            );
        }
    }
    text.push_str("  }\n}\n");
    text
}

/// As the `AssumeRolePolicyDocument` of a CloudFormation role with this one statement.
pub(super) fn cloudformation(statement: &Statement) -> String {
    let effect = if statement.effect.value == Effect::Allow {
        "Allow"
    } else {
        "Deny"
    };
    let mut text =
        format!("AssumeRolePolicyDocument:\n  Version: \"2012-10-17\"\n  Statement:\n    - Effect: {effect}\n");
    for (i, entry) in statement
        .principal
        .iter()
        .flat_map(|principal| &principal.entries)
        .enumerate()
    {
        if i == 0 {
            text.push_str("      Principal:\n");
        }
        let _ = writeln!(
            text,
            "        {}: {}",
            kind(entry.kind),
            list(entry.values.iter().map(|value| value.value.as_str()))
        );
    }
    if let Some(action) = &statement.action {
        let name = if action.negated { "NotAction" } else { "Action" };
        let _ = writeln!(
            text,
            "      {name}: {}",
            list(action.values.iter().map(|value| value.value.as_str()))
        );
    }
    for (i, condition) in statement.conditions.iter().enumerate() {
        if i == 0 {
            text.push_str("      Condition:\n");
        }
        let _ = writeln!(text, "        {}:", quoted(&condition.name));
        for key in &condition.keys {
            let _ = writeln!(
                text,
                "          {}: {}",
                quoted(&key.key.value),
                list(values(key).into_iter())
            );
        }
    }
    text
}

/// The values of a condition key, as texts.
fn values(key: &ConditionKey) -> Vec<&str> {
    key.values.iter().map(|value| value.value.as_str()).collect()
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

/// One value alone, or a list.
fn list<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let values: Vec<String> = values.map(quoted).collect();
    match values.as_slice() {
        [only] => only.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

/// A JSON string is a YAML string as well.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A Terraform string: `${` and `%{` begin a template there, and `&{` is how `aws_iam_policy_document` writes a policy variable.
fn hcl(text: &str) -> String {
    quoted(text).replace("${", "&{").replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    use super::*;

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
