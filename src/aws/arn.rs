//! Names of roles, providers and issuers: role ARNs, OIDC provider ARNs, partitions.

use crate::github::issuer::issuer_host;
use crate::text::masked::is_masked_account;

/// A parsed `arn:aws:iam::123456789012:role/path/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleArn {
    /// `aws`, `aws-cn`, `aws-us-gov`, …
    pub partition: String,
    /// Twelve digits; `None` if masked (`***`).
    pub account: Option<String>,
    /// The path, `/` or `/service/`, slashes at both ends.
    pub path: String,
    /// The name, without its path.
    pub name: String,
}

/// Why a text isn't a role ARN: a message, and what to write instead if that is clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotARole {
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub instead: Option<String>,
    /// Whether only the account number is wrong.
    pub account_only: bool,
}

impl RoleArn {
    /// Parses a role's ARN.
    ///
    /// # Errors
    /// [`NotARole`] says what the text is instead: another kind of ARN, a bare name, an ARN with white space in it.
    pub fn parse(text: &str) -> Result<Self, NotARole> {
        let wrong = |message: String, instead: Option<String>| {
            Err(NotARole {
                message,
                instead,
                account_only: false,
            })
        };
        if text.is_empty() {
            return wrong("it is empty".into(), None);
        }
        if let Some(place) = text.find(char::is_whitespace) {
            let instead: String = text.split_whitespace().collect();
            let head = text.get(..place).unwrap_or_default();
            return wrong(
                format!("it contains white space after `{head}`"),
                Self::parse(&instead).is_ok().then_some(instead),
            );
        }
        if text.contains(['"', '\'', '`', '<', '>', '{', '}', '$']) && !text.starts_with("arn:") {
            return wrong("it is a placeholder or contains quotes".into(), None);
        }
        if !text.starts_with("arn:") {
            let kind = if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
                "an account number"
            } else if text.starts_with("role/") || text.contains(":role/") {
                "a part of an ARN"
            } else {
                "a bare name"
            };
            let name = text.rsplit(['/', ':']).next().unwrap_or(text);
            return wrong(
                format!("it is {kind}, but a web identity needs the full ARN"),
                (kind != "an account number").then(|| format!("arn:aws:iam::<account>:role/{name}")),
            );
        }
        let fields: Vec<&str> = text.splitn(6, ':').collect();
        let [_, partition, service, region, account, resource] = fields.as_slice() else {
            return wrong(
                format!("it has {} of the 6 colon-separated parts of an ARN", fields.len()),
                Some("arn:aws:iam::<account>:role/<name>".into()),
            );
        };
        if !partition.starts_with("aws") {
            return wrong(
                format!("`{partition}` is not a partition (`aws`, `aws-cn`, `aws-us-gov`)"),
                None,
            );
        }
        if *service == "sts" && resource.starts_with("assumed-role/") {
            let name = resource.split('/').nth(1).unwrap_or_default();
            return wrong(
                "it is the ARN of a role session (`assumed-role`), not of the role".into(),
                Some(format!("arn:{partition}:iam::{account}:role/{name}")),
            );
        }
        if *service != "iam" {
            return wrong(format!("its service is `{service}`, but a role's is `iam`"), None);
        }
        if let Some(kind) = [
            "oidc-provider/",
            "user/",
            "group/",
            "policy/",
            "instance-profile/",
            "saml-provider/",
        ]
        .iter()
        .find(|kind| resource.starts_with(*kind))
        {
            let kind = kind.trim_end_matches('/');
            return wrong(
                format!("it is the ARN of a `{kind}`, not of a role"),
                Some(format!("arn:{partition}:iam::{account}:role/<name>")),
            );
        }
        let Some(path_and_name) = resource.strip_prefix("role/") else {
            let near = resource
                .strip_prefix("roles/")
                .or_else(|| resource.strip_prefix("role:"));
            return wrong(
                format!("`{resource}` does not start with `role/`"),
                near.map(|name| format!("arn:{partition}:iam::{account}:role/{name}")),
            );
        };
        if !region.is_empty() {
            return wrong(
                format!("it has the region `{region}`, but a role's ARN has none"),
                Some(format!("arn:{partition}:iam::{account}:role/{path_and_name}")),
            );
        }
        let masked = is_masked_account(account);
        let is_number = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        if !masked && !is_number {
            return Err(NotARole {
                message: format!(
                    "`{account}` is not an account number: it has {} characters instead of 12 digits",
                    account.chars().count()
                ),
                instead: None,
                account_only: true,
            });
        }
        let (path, name) = match path_and_name.rsplit_once('/') {
            Some((path, name)) => (format!("/{path}/"), name),
            None => ("/".to_owned(), path_and_name),
        };
        if name.is_empty() {
            return wrong("the name of the role is missing after `role/`".into(), None);
        }
        if let Some(odd) = name
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || "+=,.@_-*<>{}$()".contains(*c)))
        {
            return wrong(format!("`{odd}` is not allowed in a role's name"), None);
        }
        Ok(Self {
            partition: (*partition).to_owned(),
            account: (!masked).then(|| (*account).to_owned()),
            path,
            name: name.to_owned(),
        })
    }
}

/// A parsed `arn:aws:iam::123456789012:oidc-provider/host/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProviderArn {
    /// The partition.
    pub partition: String,
    /// The account as written.
    pub account: String,
    /// The issuer's host and path, as written.
    pub host: String,
}

impl ProviderArn {
    /// Parses an OIDC provider's ARN; `None` for any other text.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.splitn(6, ':');
        let ("arn", partition, "iam", "", account, resource) = (
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
        ) else {
            return None;
        };
        Some(Self {
            partition: partition.to_owned(),
            account: account.to_owned(),
            host: resource.strip_prefix("oidc-provider/")?.to_owned(),
        })
    }
}

/// The ARN of an issuer's provider in an account.
#[must_use]
pub(crate) fn provider_arn(partition: &str, account: &str, issuer: &str) -> String {
    format!("arn:{partition}:iam::{account}:oidc-provider/{}", issuer_host(issuer))
}

/// The partition of a region, judging by its name.
#[must_use]
pub(crate) fn partition_of_region(region: &str) -> &'static str {
    match region {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        r if r.starts_with("us-iso-") => "aws-iso",
        r if r.starts_with("us-isob-") => "aws-iso-b",
        r if r.starts_with("eu-isoe-") => "aws-iso-e",
        r if r.starts_with("us-isof-") => "aws-iso-f",
        r if r.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}

/// The audience that a partition's STS expects, if AWS documents one; otherwise the default.
/// (configure-aws-credentials' README, "OIDC Audience".)
#[must_use]
pub(crate) fn usual_audience(partition: &str) -> &'static str {
    if partition == "aws-cn" {
        "sts.amazonaws.com.cn"
    } else {
        "sts.amazonaws.com"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_arns() {
        let role = RoleArn::parse("arn:aws-cn:iam::123456789012:role/ci/deploy/main").unwrap();
        assert_eq!(
            (
                role.partition.as_str(),
                role.account.as_deref(),
                role.path.as_str(),
                role.name.as_str()
            ),
            ("aws-cn", Some("123456789012"), "/ci/deploy/", "main")
        );
        assert_eq!(RoleArn::parse("arn:aws:iam::***:role/devops").unwrap().account, None);
    }

    #[test]
    fn what_is_no_role_arn_says_what_it_is() {
        for (text, message, instead) in [
            ("", "empty", None),
            ("deploy", "a bare name", Some("arn:aws:iam::<account>:role/deploy")),
            ("123456789012", "an account number", None),
            (
                "arn:aws:iam::123456789012:role/de ploy",
                "white space",
                Some("arn:aws:iam::123456789012:role/deploy"),
            ),
            (
                "arn:aws:sts::123456789012:assumed-role/deploy/GitHubActions",
                "session",
                Some("arn:aws:iam::123456789012:role/deploy"),
            ),
            (
                "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
                "oidc-provider",
                Some("arn:aws:iam::123456789012:role/<name>"),
            ),
            ("arn:aws:s3:::bucket", "`s3`", None),
            ("arn:aws:iam::12345:role/deploy", "12 digits", None),
            (
                "arn:aws:iam:eu-west-1:123456789012:role/deploy",
                "region",
                Some("arn:aws:iam::123456789012:role/deploy"),
            ),
            (
                "arn:aws:iam::123456789012:roles/deploy",
                "`role/`",
                Some("arn:aws:iam::123456789012:role/deploy"),
            ),
            (
                "arn:aws:iam::123456789012",
                "6 colon-separated parts",
                Some("arn:aws:iam::<account>:role/<name>"),
            ),
            ("arn:aws:iam::123456789012:role/", "missing", None),
        ] {
            let error = RoleArn::parse(text).unwrap_err();
            assert!(error.message.contains(message), "{text}: {}", error.message);
            assert_eq!(error.instead.as_deref(), instead, "{text}");
        }
    }
}
