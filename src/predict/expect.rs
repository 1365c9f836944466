//! Expectations of a trust policy: tokens that must get in, and tokens that must not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aws::request::{Asker, web_identity};
use crate::configure::Inputs;
use crate::github::claims::Claims;
use crate::github::workflow::{Kind, Node, tree};
use crate::policy::{Decision, TrustPolicy, decide_and_say_why};
use crate::text::position;

use super::{Family, Form, Repository, RunsFor};

/// A file of expectations, kept beside a policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Expectations {
    /// The trust policy: a path relative to this file, or the policy itself.
    #[serde(default)]
    pub policy: Option<Value>,
    /// `owner/name` of the repository whose tokens these are.
    #[serde(default)]
    pub repository: Option<String>,
    /// Its owner's ID. With both IDs, tokens are also tried with the immutable subject.
    #[serde(default)]
    pub owner_id: Option<String>,
    /// Its own ID.
    #[serde(default)]
    pub repository_id: Option<String>,
    /// The audience of the tokens; `sts.amazonaws.com` by default.
    #[serde(default)]
    pub audience: Option<String>,
    /// The issuer of the tokens; GitHub's own by default.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Tokens that must get in.
    #[serde(default)]
    pub allow: Vec<ExpectedToken>,
    /// Tokens that must not get in.
    #[serde(default)]
    pub deny: Vec<ExpectedToken>,
}

/// A token: described by what its job runs for, by its claims, or by both.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExpectedToken {
    /// What to call it.
    #[serde(default)]
    pub name: Option<String>,
    /// The event that starts the job: `push`, `pull_request`, …
    #[serde(default)]
    pub event: Option<String>,
    /// The ref that the job runs for: `main`, `refs/tags/v1`.
    #[serde(default, rename = "ref")]
    pub git_ref: Option<String>,
    /// The job's environment.
    #[serde(default)]
    pub environment: Option<String>,
    /// A repository other than the file's.
    #[serde(default)]
    pub repository: Option<String>,
    /// Claims: all of them, or those that differ.
    #[serde(default)]
    pub claims: BTreeMap<String, String>,
}

/// The result of an expectation.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// What the token is called.
    pub name: String,
    /// Its line in the file of expectations.
    pub line: usize,
    /// Whether it must get in.
    pub must_get_in: bool,
    /// What the policy decides.
    pub decision: Decision,
    /// Why, in a clause.
    pub because: String,
    /// The token's subject.
    pub subject: String,
}

impl Checked {
    /// Whether it is as expected.
    #[must_use]
    pub fn is_met(&self) -> bool {
        match self.decision {
            Decision::Allow => self.must_get_in,
            Decision::ExplicitDeny | Decision::ImplicitDeny => !self.must_get_in,
            Decision::Undecided => false,
        }
    }
}

/// A file of expectations that was read, and the lines of its tokens.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    pub(crate) all: Expectations,
    allow: Vec<usize>,
    deny: Vec<usize>,
}

/// What is wrong with a file of expectations, and on which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl Read {
    /// Reads YAML. All values are strings, as IDs are in a token.
    pub(crate) fn of(text: &str) -> Result<Self, Wrong> {
        let root = tree(text).map_err(|error| Wrong {
            line: error.line,
            message: error.message,
        })?;
        let line = |node: &Node| position(text, node.span.start).line;
        let wrong = |line: usize, error: &serde_json::Error| Wrong {
            line,
            message: error.to_string().trim_end_matches(" at line 0 column 0").to_owned(),
        };
        let mut lines = [Vec::new(), Vec::new()];
        for (list, lines) in ["allow", "deny"].iter().zip(&mut lines) {
            let Some(Kind::List(tokens)) = root.get(list).map(|list| &list.kind) else {
                continue;
            };
            for token in tokens {
                serde_json::from_value::<ExpectedToken>(value(token)).map_err(|error| wrong(line(token), &error))?;
                lines.push(line(token));
            }
        }
        // The key that is not known, or not of its kind, has a line of its own.
        let of_key = |error: &serde_json::Error| {
            let Kind::Map(entries) = &root.kind else { return 1 };
            let message = error.to_string();
            let name = message.split('`').nth(1);
            let named = entries.iter().find(|(key, _)| Some(key.value.as_str()) == name);
            named.map_or(1, |(key, _)| position(text, key.span.start).line)
        };
        let all: Expectations = serde_json::from_value(value(&root)).map_err(|error| wrong(of_key(&error), &error))?;
        if all.allow.is_empty() && all.deny.is_empty() {
            return Err(Wrong {
                line: 1,
                message: "it expects nothing: neither `allow` nor `deny` lists a token".to_owned(),
            });
        }
        let [allow, deny] = lines;
        Ok(Self { all, allow, deny })
    }

    /// Decides each token by the policy.
    pub(crate) fn check(&self, policy: &TrustPolicy) -> Result<Vec<Checked>, Wrong> {
        let allow = self
            .all
            .allow
            .iter()
            .zip(&self.allow)
            .map(|(token, line)| (token, *line, true));
        let deny = self
            .all
            .deny
            .iter()
            .zip(&self.deny)
            .map(|(token, line)| (token, *line, false));
        let mut checked = Vec::new();
        for (token, line, must_get_in) in allow.chain(deny) {
            let forms = self.forms(token).map_err(|message| Wrong { line, message })?;
            for (form, claims) in forms {
                let inputs = Inputs::default();
                let issuer = claims.issuer().unwrap_or_default();
                let asker = Asker {
                    claims: Some(&claims),
                    issuer,
                    role: None,
                    provider: None,
                    inputs: &inputs,
                    caller: None,
                };
                let (decision, because) = decide_and_say_why(policy, &web_identity(asker, policy));
                checked.push(Checked {
                    name: token.called() + form,
                    line,
                    must_get_in,
                    decision,
                    because,
                    subject: claims.subject().unwrap_or_default().to_owned(),
                });
            }
        }
        Ok(checked)
    }

    /// Returns the token's claims, once for each form that its subject can have.
    fn forms(&self, token: &ExpectedToken) -> Result<Vec<(&'static str, Claims)>, String> {
        let audience = self.all.audience.as_deref().unwrap_or("sts.amazonaws.com");
        let mut repository = Repository {
            name: token.repository.clone().or_else(|| self.all.repository.clone()),
            ..Repository::default()
        };
        if token.repository.is_none() {
            repository.owner_id.clone_from(&self.all.owner_id);
            repository.id.clone_from(&self.all.repository_id);
        }
        if let Some(issuer) = &self.all.issuer {
            repository.issuer.clone_from(issuer);
        }
        if token.claims.contains_key("sub") {
            let mut claims = Claims::default();
            let mut set = |name: &str, value: &str| claims.0.insert(name.to_owned(), value.into());
            set("iss", &repository.issuer);
            set("aud", audience);
            token.claims.iter().for_each(|(name, value)| {
                set(name, value);
            });
            return Ok(vec![("", claims)]);
        }
        if repository.name.is_none() {
            return Err("the repository is not known; `repository: owner/name` gives it".to_owned());
        }
        let git_ref = token.full_ref();
        let is_pull_request = token.event.as_deref() == Some("pull_request");
        let (kind, name) = git_ref.as_deref().and_then(split_ref).unzip();
        let runs_for = match (&token.environment, is_pull_request, kind, name) {
            (Some(environment), ..) => RunsFor::Environment(environment),
            (None, true, ..) => RunsFor::PullRequest,
            (None, false, ..) if token.event.as_deref() == Some("pull_request_target") => {
                return Err(
                    "GitHub does not document the subject of `pull_request_target`; give it: `claims: {sub: …}`"
                        .to_owned(),
                );
            }
            (None, false, Some("refs/tags/"), Some(name)) => RunsFor::Tag(name),
            (None, false, Some(_), Some(name)) => RunsFor::Branch(name),
            _ => {
                return Err("what the job runs for is not known; `ref`, `environment`, `event: pull_request` or `claims` gives it".to_owned());
            }
        };
        let has_ids = repository.owner_id.is_some() && repository.id.is_some();
        let forms: &[(&'static str, Form)] = match has_ids {
            true => &[("", Form::Classic), (" (with ids)", Form::Immutable)],
            false => &[("", Form::Classic)],
        };
        let claims = |form: Form| {
            let repository = Repository {
                form,
                ..repository.clone()
            };
            let mut family = Family::of_words(&repository, runs_for, audience);
            if let Some(event) = &token.event {
                family = family.with("event_name", event);
            }
            match &git_ref {
                Some(git_ref) => family = family.with("ref", git_ref),
                None => family = family.with("ref", "***"),
            }
            for (name, value) in &token.claims {
                family = family.with(name, value);
            }
            family.example().unwrap_or_default()
        };
        Ok(forms.iter().map(|(words, form)| (*words, claims(*form))).collect())
    }
}

impl ExpectedToken {
    /// `main` is a branch.
    fn full_ref(&self) -> Option<String> {
        let git_ref = self.git_ref.as_deref()?;
        Some(match git_ref.starts_with("refs/") {
            true => git_ref.to_owned(),
            false => format!("refs/heads/{git_ref}"),
        })
    }

    /// Its name, or what it is.
    fn called(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.event.clone());
        parts.extend(self.git_ref.as_ref().map(|git_ref| format!("`{git_ref}`")));
        parts.extend(self.environment.as_ref().map(|name| format!("environment `{name}`")));
        parts.extend(self.repository.as_ref().map(|name| format!("of `{name}`")));
        if parts.is_empty() {
            parts.extend(self.claims.get("sub").map(|sub| format!("`{sub}`")));
        }
        parts.join(" ")
    }
}

fn split_ref(git_ref: &str) -> Option<(&str, &str)> {
    ["refs/heads/", "refs/tags/"]
        .into_iter()
        .find_map(|kind| Some((kind, git_ref.strip_prefix(kind)?)))
}

/// Converts YAML to JSON in which every value is a string.
fn value(node: &Node) -> Value {
    match &node.kind {
        Kind::List(items) => items.iter().map(value).collect(),
        Kind::Map(entries) => Value::Object(
            entries
                .iter()
                .map(|(key, node)| (key.value.clone(), value(node)))
                .collect(),
        ),
        Kind::Scalar(text) => Value::String(text.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::parse;

    const POLICY: &str = r#"{"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"},
            "StringLike": {"token.actions.githubusercontent.com:sub": [
                "repo:acme/widgets:environment:prod", "repo:acme/widgets:ref:refs/heads/main", "repo:acme/widgets:ref:refs/tags/v*"]}
        }
    }]}"#;

    fn check(text: &str) -> Result<Vec<Checked>, Wrong> {
        Read::of(text)?.check(&parse(POLICY).unwrap())
    }

    #[test]
    fn tokens_are_tried_in_short_and_in_full() {
        for (token, want) in [
            ("{environment: prod}", true),
            ("{event: pull_request, environment: prod}", true),
            ("{environment: dev}", false),
            ("{ref: main}", true),
            ("{event: push, ref: refs/heads/main}", true),
            ("{ref: refs/heads/main, environment: dev}", false),
            ("{ref: refs/tags/v1}", true),
            ("{event: pull_request}", false),
            ("{event: pull_request, ref: main}", false),
            ("{ref: main, repository: acme/other}", false),
            ("{ref: main, claims: {aud: other}}", false),
            ("{claims: {sub: 'repo:acme/widgets:environment:prod'}}", true),
            (
                "{claims: {sub: 'repo:acme/widgets:environment:prod', iss: 'https://token.actions.githubusercontent.com/acme'}}",
                false,
            ),
        ] {
            let list = if want { "allow" } else { "deny" };
            let checked = check(&format!("repository: acme/widgets\n{list}:\n  - {token}\n")).unwrap();
            assert_eq!(checked.len(), 1);
            assert!(checked[0].is_met(), "{token}: {checked:?}");
            assert_eq!(checked[0].line, 3);
            // The contrary is not met.
            let other = if want { "deny" } else { "allow" };
            assert!(
                !check(&format!("repository: acme/widgets\n{other}:\n  - {token}\n")).unwrap()[0].is_met(),
                "{token}"
            );
        }
    }

    #[test]
    fn with_ids_both_forms_are_tried() {
        let checked = check("repository: acme/widgets\nowner-id: 1\nrepository-id: 2\nallow: [{ref: main}]\n").unwrap();
        let found: Vec<_> = checked
            .iter()
            .map(|checked| (checked.subject.as_str(), checked.is_met()))
            .collect();
        assert_eq!(
            found,
            [
                ("repo:acme/widgets:ref:refs/heads/main", true),
                ("repo:acme@1/widgets@2:ref:refs/heads/main", false)
            ]
        );
    }

    #[test]
    fn what_is_wrong_has_a_line() {
        for (text, line, part) in [
            ("", 1, "expects nothing"),
            ("allow: [", 1, ""),
            ("repository: a/b\nallows: []\n", 2, "allows"),
            (
                "repository: a/b\nallow:\n  - {ref: main}\n  - {branch: main}\n",
                4,
                "branch",
            ),
            ("allow:\n  - {ref: main}\n", 2, "repository"),
            (
                "repository: a/b\nallow:\n\n  - {event: push}\n",
                4,
                "what the job runs for",
            ),
            (
                "repository: a/b\nallow: [{event: pull_request_target}]\n",
                2,
                "does not document",
            ),
            ("allow: 7\n", 1, ""),
        ] {
            let wrong = check(text).unwrap_err();
            assert_eq!(wrong.line, line, "{text}: {wrong:?}");
            assert!(wrong.message.contains(part), "{text}: {wrong:?}");
        }
    }
}
