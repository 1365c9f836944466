//! What a text is that was given in place of another: people paste what they have.

use serde_json::{Map, Value};

/// What a text is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Claims,
    Evidence,
    Policy,
    Provider,
}

impl Wanted {
    /// Says what to pass instead: the command that prints it, if any.
    fn help(self) -> &'static str {
        match self {
            Self::Claims => {
                "give the token's claims: run `aws-oidc-doctor claims --format json` in the job, or copy them from its log"
            }
            Self::Evidence => "give a saved run: `aws-oidc-doctor diagnose --save-evidence FILE` writes one",
            Self::Policy => {
                "give the trust policy: `aws iam get-role --role-name NAME --query Role.AssumeRolePolicyDocument --output json`"
            }
            Self::Provider => {
                "give the provider: `aws iam get-open-id-connect-provider --open-id-connect-provider-arn ARN --output json`"
            }
        }
    }
}

/// What a text turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Caller,
    Claims,
    CloudFormation,
    Csv,
    Evidence,
    Html,
    Permissions,
    Policy,
    Provider,
    Providers,
    Report,
    Role,
    Roles,
    TerraformPlan,
    TerraformSource,
    TerraformState,
    Text,
    Token,
    Workflow,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Caller => "what `aws sts get-caller-identity` prints",
            Self::Claims => "a token's claims",
            Self::CloudFormation => "a CloudFormation template",
            Self::Csv => "CSV",
            Self::Evidence => "a saved run",
            Self::Html => "HTML or XML",
            Self::Permissions => "a policy of what the role is allowed to do, not of who can assume it",
            Self::Policy => "a trust policy",
            Self::Provider => "an OIDC provider",
            Self::Providers => "a list of OIDC providers",
            Self::Report => "a report of this program",
            Self::Role => "what `aws iam get-role` prints",
            Self::Roles => "a list of roles",
            Self::TerraformPlan => "what `terraform show -json` prints",
            Self::TerraformSource => "Terraform source code",
            Self::TerraformState => "a Terraform state file",
            Self::Text => "the AWS CLI's text or table output, not JSON",
            Self::Token => "an ID token",
            Self::Workflow => "a workflow file",
        }
    }

    /// Returns the flag that it belongs to.
    fn flag(self) -> Option<&'static str> {
        match self {
            Self::Claims | Self::Token => Some("--claims"),
            Self::Evidence => Some("--evidence"),
            Self::Policy | Self::Role => Some("--trust-policy"),
            Self::Provider => Some("--oidc-provider"),
            Self::Workflow => Some("--workflow-file"),
            _ => None,
        }
    }

    /// Whether it is what is wanted after all, though it can't be read.
    fn is(self, wanted: Wanted) -> bool {
        match wanted {
            Wanted::Claims => matches!(self, Self::Claims | Self::Token),
            Wanted::Evidence => self == Self::Evidence,
            Wanted::Policy => matches!(self, Self::Policy | Self::Role),
            Wanted::Provider => self == Self::Provider,
        }
    }

    /// Says how to extract a trust policy from it.
    fn policy(self) -> Option<&'static str> {
        match self {
            Self::Roles => Some("pick one of them: `jq '.. | objects | select(.RoleName == \"NAME\")' FILE`"),
            Self::TerraformPlan => Some(
                "take the role's policy out of it: `jq -r 'first(.. | objects | select(.type == \"aws_iam_role\" and .name == \"NAME\") \
                 | .values.assume_role_policy // empty)' FILE`",
            ),
            Self::TerraformSource => Some(
                "give the policy as Terraform renders it: `terraform show -json | jq -r 'first(.. | objects | select(.type == \
                 \"aws_iam_role\" and .name == \"NAME\") | .values.assume_role_policy // empty)'`",
            ),
            Self::TerraformState => Some(
                "take the role's policy out of it: `jq -r '.resources[] | select(.type == \"aws_iam_role\" and .name == \"NAME\") | \
                 .instances[0].attributes.assume_role_policy' FILE`",
            ),
            _ => None,
        }
    }
}

/// The command that reads the policies in Terraform and CloudFormation.
pub(crate) const CHECK: &str = "aws-oidc-doctor check FILE";

/// Says what a text is, if not what is wanted, and what to pass instead. `None` if it isn't recognized, or may be a malformed version of
/// what is wanted. Quotes no part of the text.
pub(super) fn instead(text: &str, wanted: Wanted) -> Option<String> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if text.is_empty() {
        return Some(format!("it is empty; {}", wanted.help()));
    }
    let kind = match serde_json::from_str::<Map<String, Value>>(text) {
        Ok(object) => of_object(&object),
        Err(_) => of_list(text).or_else(|| of_lines(text)),
    };
    let kind = kind.filter(|kind| !kind.is(wanted))?;
    let help = match (kind.flag(), kind.policy()) {
        (Some(flag), _) => format!("`{flag}` takes it; {}", wanted.help()),
        (None, Some(help)) if wanted == Wanted::Policy => help.to_owned(),
        _ => wanted.help().to_owned(),
    };
    let is_read_by_check = matches!(kind, Kind::CloudFormation | Kind::TerraformPlan | Kind::TerraformSource);
    let check = match is_read_by_check && wanted == Wanted::Policy {
        true => format!("; or hold this repository's jobs against it as it is: `{CHECK}`"),
        false => String::new(),
    };
    Some(format!("it is {}; {help}{check}", kind.name()))
}

/// Whether this is the name of a part of an evidence file.
pub(super) fn is_part_of_evidence(name: &str) -> bool {
    [
        "attempt",
        "caller",
        "chain",
        "clock",
        "contexts",
        "environment",
        "left_out",
        "provider",
        "providers",
        "reader",
        "reported",
        "repository",
        "request",
        "role",
        "runner",
        "runs",
        "schema",
        "subject_template",
        "token",
        "workflow",
    ]
    .contains(&name)
}

fn of_object(object: &Map<String, Value>) -> Option<Kind> {
    let has = |name: &str| object.contains_key(name);
    let all = |names: &[&str]| names.iter().all(|name| has(name));
    let any = |names: &[&str]| names.iter().any(|name| has(name));
    Some(if all(&["verdict", "findings"]) {
        Kind::Report
    } else if any(&["Roles", "RoleDetailList"]) {
        Kind::Roles
    } else if any(&["Role", "AssumeRolePolicyDocument"]) {
        Kind::Role
    } else if any(&["PolicyDocument", "PolicyVersion"]) {
        Kind::Permissions
    } else if has("Statement") {
        Kind::Policy
    } else if has("OpenIDConnectProviderList") {
        Kind::Providers
    } else if any(&["ClientIDList", "ThumbprintList"]) {
        Kind::Provider
    } else if all(&["UserId", "Account", "Arn"]) {
        Kind::Caller
    } else if has("AWSTemplateFormatVersion") || object.get("Resources").is_some_and(is_template) {
        Kind::CloudFormation
    } else if has("format_version") && any(&["values", "planned_values", "resource_changes"]) {
        Kind::TerraformPlan
    } else if all(&["lineage", "resources"]) || all(&["terraform_version", "resources"]) {
        Kind::TerraformState
    } else if has("jobs") && any(&["on", "true"]) {
        Kind::Workflow
    } else if any(&["iss", "sub"]) {
        Kind::Claims
    } else if object.keys().any(|name| is_part_of_evidence(name)) {
        Kind::Evidence
    } else {
        return None;
    })
}

fn is_template(resources: &Value) -> bool {
    let types = resources.as_object().into_iter().flat_map(Map::values);
    let mut types = types.filter_map(|resource| resource.get("Type")?.as_str());
    types.any(|kind| kind.starts_with("AWS::"))
}

fn of_list(text: &str) -> Option<Kind> {
    let list: Vec<Map<String, Value>> = serde_json::from_str(text).ok()?;
    let has = |name: &str| list.iter().any(|object| object.contains_key(name));
    if has("AssumeRolePolicyDocument") || has("RoleName") {
        Some(Kind::Roles)
    } else if has("Arn") {
        Some(Kind::Providers)
    } else {
        None
    }
}

/// Classifies a text that isn't JSON by how its lines begin.
fn of_lines(text: &str) -> Option<Kind> {
    let begins = |starts: &[&str]| {
        text.lines()
            .any(|line| starts.iter().any(|start| line.trim_start().starts_with(start)))
    };
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("eyJ") || first.starts_with("Bearer eyJ") {
        Some(Kind::Token)
    } else if first.starts_with('<') {
        Some(Kind::Html)
    } else if first.starts_with(['{', '[', '"']) {
        // Broken JSON is still JSON.
        None
    } else if begins(&[
        "AWSTemplateFormatVersion:",
        "Type: AWS::",
        "Type: 'AWS::",
        "Type: \"AWS::",
    ]) {
        Some(Kind::CloudFormation)
    } else if begins(&["jobs:"]) && begins(&["on:", "'on':", "\"on\":", "- uses:", "steps:"]) {
        Some(Kind::Workflow)
    } else if begins(&[
        "resource \"",
        "data \"",
        "module \"",
        "provider \"",
        "variable \"",
        "terraform {",
        "locals {",
    ]) {
        Some(Kind::TerraformSource)
    } else if first.starts_with("ROLE\t") || first.starts_with("ASSUMEROLEPOLICYDOCUMENT") || first.starts_with("-----")
    {
        Some(Kind::Text)
    } else if first.matches(',').count() >= 2 && !first.contains(['{', '}', '=']) {
        Some(Kind::Csv)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_is_named_with_the_command_that_gives_what_is_wanted() {
        const TERRAFORM: &str = "resource \"aws_iam_role\" \"deploy\" {\n  assume_role_policy = data.x.json\n}\n";
        for (wanted, text, kind, help) in [
            (Wanted::Policy, "", "it is empty", "aws iam get-role"),
            (Wanted::Policy, " \n\u{feff}", "it is empty", "aws iam get-role"),
            (
                Wanted::Policy,
                TERRAFORM,
                "Terraform source",
                "terraform show -json | jq -r",
            ),
            (
                Wanted::Policy,
                "# who\ndata \"aws_iam_policy_document\" \"trust\" {\n}",
                "Terraform source",
                "terraform show -json | jq -r",
            ),
            (
                Wanted::Policy,
                r#"{"format_version": "1.0", "terraform_version": "1.9.0", "values": {"root_module": {}}}"#,
                "`terraform show -json`",
                "jq -r 'first(",
            ),
            (
                Wanted::Policy,
                r#"{"version": 4, "terraform_version": "1.9.0", "lineage": "x", "resources": []}"#,
                "Terraform state",
                ".attributes.assume_role_policy",
            ),
            (
                Wanted::Policy,
                r#"{"Resources": {"Deploy": {"Type": "AWS::IAM::Role", "Properties": {}}}}"#,
                "CloudFormation template",
                "aws iam get-role",
            ),
            (
                Wanted::Policy,
                "AWSTemplateFormatVersion: '2010-09-09'\nResources:\n  Deploy:\n    Type: AWS::IAM::Role\n",
                "CloudFormation template",
                "aws iam get-role",
            ),
            (
                Wanted::Policy,
                r#"{"Roles": []}"#,
                "a list of roles",
                "select(.RoleName == \"NAME\")",
            ),
            (
                Wanted::Policy,
                r#"[{"RoleName": "a", "AssumeRolePolicyDocument": {}}]"#,
                "a list of roles",
                "select(.RoleName",
            ),
            (
                Wanted::Policy,
                "role,account,policy\na,b,c",
                "it is CSV",
                "aws iam get-role",
            ),
            (
                Wanted::Policy,
                "ROLE\tarn:aws:iam::1:role/a\t2026",
                "text or table",
                "--output json",
            ),
            (Wanted::Policy, "<!DOCTYPE html><p>", "HTML", "aws iam get-role"),
            (
                Wanted::Policy,
                r#"{"sub": "repo:a/b:pull_request"}"#,
                "a token's claims",
                "`--claims` takes it",
            ),
            (
                Wanted::Policy,
                r#"{"schema": 1, "role": {}}"#,
                "a saved run",
                "`--evidence` takes it",
            ),
            (
                Wanted::Policy,
                r#"{"schema": 1, "verdict": "denied", "findings": []}"#,
                "a report",
                "get-role",
            ),
            (
                Wanted::Policy,
                r#"{"PolicyDocument": {"Statement": []}}"#,
                "is allowed to do",
                "get-role",
            ),
            (
                Wanted::Policy,
                "on: push\njobs:\n  a:\n",
                "a workflow file",
                "`--workflow-file` takes it",
            ),
            (
                Wanted::Policy,
                "eyJhbGciOi.eyJzdWIiOi.x",
                "an ID token",
                "`--claims` takes it",
            ),
            (
                Wanted::Claims,
                r#"{"Statement": []}"#,
                "a trust policy",
                "`--trust-policy` takes it",
            ),
            (
                Wanted::Claims,
                r#"{"Account": "1", "UserId": "x", "Arn": "y"}"#,
                "get-caller-identity",
                "claims",
            ),
            (Wanted::Claims, TERRAFORM, "Terraform source", "aws-oidc-doctor claims"),
            (
                Wanted::Evidence,
                r#"{"Statement": []}"#,
                "a trust policy",
                "--save-evidence",
            ),
            (
                Wanted::Evidence,
                r#"{"schema": 1, "verdict": "x", "findings": []}"#,
                "a report",
                "--save-evidence",
            ),
            (
                Wanted::Evidence,
                r#"{"Role": {}}"#,
                "`aws iam get-role` prints",
                "`--trust-policy` takes it",
            ),
            (
                Wanted::Provider,
                r#"{"OpenIDConnectProviderList": []}"#,
                "a list of OIDC providers",
                "get-open-id-connect-provider",
            ),
            (
                Wanted::Provider,
                r#"[{"Arn": "x"}]"#,
                "a list of OIDC providers",
                "get-open-id-connect-provider",
            ),
        ] {
            let said = instead(text, wanted).unwrap_or_else(|| panic!("{text}"));
            assert!(said.contains(kind) && said.contains(help), "{text}\n{said}");
            assert!(!said.contains('\n') && said.starts_with("it is "), "{said}");
        }
    }

    #[test]
    fn what_may_be_meant_is_left_to_its_reader() {
        for (wanted, text) in [
            (Wanted::Policy, r#"{"Statement": []}"#),
            (Wanted::Policy, r#"{"Statment": []}"#),
            (Wanted::Policy, r#"{"Role": {}}"#),
            (Wanted::Policy, "{}"),
            (Wanted::Policy, "{ broken"),
            (Wanted::Policy, "hello"),
            (Wanted::Claims, r#"{"sub": "x"}"#),
            (Wanted::Claims, "eyJ"),
            (Wanted::Evidence, r#"{"schema": 1}"#),
            (Wanted::Provider, r#"{"ClientIDList": [], "Url": "x"}"#),
        ] {
            assert_eq!(instead(text, wanted), None, "{text}");
        }
    }
}
