//! The least trust policy for a set of tokens: it accepts each of them, no stranger, and as little else as policy patterns allow.
//!
//! A policy is offered only after it has been evaluated both ways.

use serde_json::{Value, json};

use crate::aws::arn::{RoleArn, provider_arn};
use crate::aws::request::Asker;
use crate::budget::Budget;
use crate::configure::Inputs;
use crate::github::claims::Claims;
use crate::github::issuer::{Deployment, issuer_host};
use crate::policy::{Decision, PrincipalKind, TrustPolicy, parse};
use crate::text::language::{Example, Glob, Language};
use crate::text::masked::{is_masked, is_masked_account};
use crate::witness;

use super::filter::any_name;
use super::{Family, Template};

/// The most characters of a role's trust policy, not counting white space, and the most the quota can be raised to
/// (IAM User Guide, `reference_iam-quotas`).
const USUAL: usize = 2048;
const LARGEST: usize = 8192;

/// The placeholder for an unknown account number, and what replaces it during evaluation.
const ACCOUNT: &str = "<ACCOUNT_ID>";
const STAND_IN: &str = "123456789012";

/// A role that lets a set of tokens in.
#[derive(Debug, Clone)]
pub struct TrustedRole {
    /// Its name.
    pub name: String,
    /// Its trust policy.
    pub policy: Value,
    /// The issuer of the tokens.
    pub issuer: String,
    /// Their audiences.
    pub audiences: Vec<String>,
    /// Remarks about it.
    pub notes: Vec<String>,
    /// What to write in place of the account number, if that isn't known.
    pub to_write: Option<String>,
    /// The steps from the current policy, if any, to this one.
    pub steps: Vec<Step>,
}

/// A change to the current policy.
#[derive(Debug, Clone)]
pub struct Step {
    /// What it does, in words.
    pub title: String,
    /// The whole policy after it.
    pub policy: Value,
    /// Remarks about it.
    pub notes: Vec<String>,
}

/// What a policy is generated for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    /// The role's name.
    pub(crate) name: &'a str,
    /// The role, if its ARN is known.
    pub(crate) role: Option<&'a RoleArn>,
    /// Its current policy, parsed and as JSON.
    pub(crate) current: Option<&'a (TrustPolicy, Value)>,
}

/// Generates the least policy for a set of tokens.
///
/// # Errors
/// In words: why there is no such policy.
pub(crate) fn generate(families: &[&Family], target: Target<'_>) -> Result<TrustedRole, String> {
    let first = families.first().ok_or("no job requests a token")?;
    let issuer = text_of(first, "iss").unwrap_or_default();
    if Deployment::of(&issuer) == Deployment::Other {
        return Err(format!("`{issuer}` does not issue GitHub's tokens"));
    }
    let mut values = Values::default();
    for family in families {
        values.add(family, &issuer)?;
    }
    values.prune();
    let account = target
        .role
        .and_then(|role| role.account.as_deref())
        .filter(|account| !is_masked_account(account));
    let partition = target.role.map_or("aws", |role| role.partition.as_str());
    let document = |account: &str| values.document(&issuer, &provider_arn(partition, account, &issuer));
    let written = document(account.unwrap_or(ACCOUNT));
    let policy = read(&document(account.unwrap_or(STAND_IN)))?;
    let mut notes = vec![admits(families, &policy, &issuer)?];
    notes.push(keeps_out(first, &policy, &issuer, &values.audiences)?);
    notes.extend(values.notes(families));
    notes.extend(too_long(&written)?);
    let host = issuer_host(&issuer);
    let to_write = format!(
        "write the number of the role's account in place of `{ACCOUNT}`; that account needs an OIDC provider for `{host}`"
    );
    let steps = match target.current {
        Some((current, text)) => way(families, first, &issuer, (current, text), &written, &values)?,
        None => Vec::new(),
    };
    Ok(TrustedRole {
        name: target.name.to_owned(),
        policy: written,
        issuer,
        audiences: values.audiences,
        notes,
        to_write: account.is_none().then_some(to_write),
        steps,
    })
}

/// The values that the policy compares.
#[derive(Debug, Default)]
struct Values {
    audiences: Vec<String>,
    exact: Vec<String>,
    patterns: Vec<String>,
    /// A claim that names the repository, if the subjects don't.
    repository: Option<(&'static str, String)>,
}

impl Values {
    fn add(&mut self, family: &Family, issuer: &str) -> Result<(), String> {
        let subjects = family.subjects();
        let audiences = family.claim("aud").and_then(|audiences| audiences.listed());
        let Some(audiences) = audiences.filter(|audiences| !audiences.is_empty()) else {
            return Err("the audience of the tokens is not known; the step's `audience` is an expression".to_owned());
        };
        push_new(&mut self.audiences, audiences);
        match family.listed() {
            Some(exact) => push_new(&mut self.exact, exact),
            None => push_new(&mut self.patterns, subjects.covering()),
        }
        let names_repository = family.patterns().iter().all(|pattern| pattern.starts_with("repo:"));
        if !names_repository {
            let claims: &[&'static str] = match Deployment::of(issuer).has_claim_keys() {
                true => &["repository_id", "repository"],
                false => &[],
            };
            let found = claims.iter().find_map(|claim| Some((*claim, text_of(family, claim)?)));
            self.repository = Some(found.ok_or(
                "the subject does not name the repository, and no other claim that IAM compares names it: every job with the same subject would \
                 get in",
            )?);
        }
        if let Some(value) = self.exact.iter().chain(&self.patterns).find(|value| is_masked(value)) {
            return Err(format!("a part of the subject `{value}` is masked"));
        }
        Ok(())
    }

    /// Drops what another value already covers.
    fn prune(&mut self) {
        let of = |pattern: &String| Language::from(Glob::like(pattern));
        let patterns = std::mem::take(&mut self.patterns);
        for (index, pattern) in patterns.iter().enumerate() {
            let others = patterns.iter().enumerate().filter(|(other, _)| *other != index);
            // No two patterns are equal (see `push_new`), so they can't drop each other.
            let mut wider = others.filter(|(_, other)| of(pattern).is_within(&of(other)) == Some(true));
            if wider.next().is_none() {
                self.patterns.push(pattern.clone());
            }
        }
        self.exact
            .retain(|value| !self.patterns.iter().any(|pattern| of(pattern).contains(value)));
    }

    /// The policy: `StringEquals` if there are no patterns, else `StringLike`, except for literal values that contain a wildcard.
    fn document(&self, issuer: &str, provider: &str) -> Value {
        let has_wildcard = |value: &&String| value.contains(['*', '?']);
        let literal: Vec<&String> = self.exact.iter().filter(has_wildcard).collect();
        let others = || self.exact.iter().filter(|value| !has_wildcard(value));
        let mut statements = Vec::new();
        let mut add = |operator: &str, subjects: Vec<String>| {
            if !subjects.is_empty() {
                statements.push(self.statement(issuer, provider, operator, &subjects));
            }
        };
        if self.patterns.is_empty() {
            add("StringEquals", self.exact.iter().map(|value| escaped(value)).collect());
        } else {
            add(
                "StringLike",
                others().chain(&self.patterns).map(|value| escaped(value)).collect(),
            );
            add(
                "StringEquals",
                literal.into_iter().map(|value| escaped(value)).collect(),
            );
        }
        json!({ "Version": "2012-10-17", "Statement": statements })
    }

    fn statement(&self, issuer: &str, provider: &str, operator: &str, subjects: &[String]) -> Value {
        let key = |claim: &str| format!("{}:{claim}", issuer_host(issuer));
        let mut equals = json!({ key("aud"): one_or_many(&self.audiences) });
        let mut set = |claim: &str, value: Value| {
            if let Some(equals) = equals.as_object_mut() {
                equals.insert(key(claim), value);
            }
        };
        if let Some((claim, value)) = &self.repository {
            set(claim, json!(value));
        }
        let condition = if operator == "StringEquals" {
            set("sub", one_or_many(subjects));
            json!({ "StringEquals": equals })
        } else {
            json!({ "StringEquals": equals, operator: { key("sub"): one_or_many(subjects) } })
        };
        json!({
            "Effect": "Allow",
            "Principal": { "Federated": provider },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": condition,
        })
    }

    fn notes(&self, families: &[&Family]) -> Vec<String> {
        let mut notes = Vec::new();
        let wanted = families
            .iter()
            .map(|family| family.subjects())
            .fold(Language::nothing(), Language::or);
        for pattern in &self.patterns {
            let usual = families
                .iter()
                .map(|family| family.usual())
                .fold(Language::nothing(), Language::or);
            let more = Language::from(Glob::like(pattern)).and(usual).without(wanted.clone());
            if let Example::Found(subject) = more.example() {
                notes.push(format!(
                    "`{pattern}` is as narrow as a pattern can be; it also accepts `{subject}` of the same repository, which no job has"
                ));
            }
        }
        let is_pull_request = |value: &&String| value.ends_with(":pull_request");
        if self.exact.iter().any(|value| is_pull_request(&value)) {
            notes.push(
                "it accepts every pull request of the repository, and so code that nobody has reviewed: not for a role that can change anything"
                    .to_owned(),
            );
        }
        let mut widened: Vec<&String> = families.iter().flat_map(|family| &family.widened).collect();
        widened.dedup();
        notes.extend(
            widened
                .into_iter()
                .map(|why| format!("wider than it needs to be: {why}")),
        );
        notes
    }
}

impl Family {
    /// All subjects of the usual forms for the same repository.
    fn usual(&self) -> Language {
        let contexts = [
            ("ref:refs/heads/", any_name()),
            ("ref:refs/tags/", any_name()),
            ("environment:", any_name()),
            ("pull_request", Language::exactly("")),
        ];
        let subject = self.claims.get("sub").cloned().unwrap_or_default();
        let prefix = |pattern: &String| {
            let end = pattern
                .match_indices(':')
                .nth(1)
                .map_or(pattern.len(), |(at, _)| at + 1);
            Glob::like(pattern.get(..end).unwrap_or(pattern))
        };
        let prefixes: Vec<Glob> = subject
            .language(&self.variables)
            .covering()
            .iter()
            .map(prefix)
            .collect();
        let mut all = Language::nothing();
        for prefix in prefixes {
            for (context, names) in &contexts {
                all = all.or(names.within(&prefix.clone().text(context), &Glob::default()));
            }
        }
        all
    }

    /// The family of a single token, given its claims.
    pub(crate) fn of_claims(claims: &Claims) -> Self {
        let texts = claims
            .0
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), Template::text(value.as_str()?))));
        let mut own: std::collections::BTreeMap<String, Template> = texts.collect();
        // STS compares `azp` if present.
        if let Some(audience) = claims.audience() {
            own.insert("aud".to_owned(), Template::text(audience));
        }
        Self {
            event: claims.text("event_name").unwrap_or_default().to_owned(),
            why: Vec::new(),
            widened: Vec::new(),
            is_elsewhere: false,
            is_odd: false,
            variables: Vec::new(),
            claims: own,
        }
    }
}

/// A claim that is the same for all tokens.
fn text_of(family: &Family, claim: &str) -> Option<String> {
    family.claim(claim)?.only().filter(|text| !is_masked(text))
}

fn push_new(all: &mut Vec<String>, more: Vec<String>) {
    for text in more {
        if !all.contains(&text) {
            all.push(text);
        }
    }
}

fn one_or_many(values: &[String]) -> Value {
    match values {
        [only] => json!(only),
        many => json!(many),
    }
}

/// `${` starts a policy variable; `${$}` is a literal dollar (IAM User Guide, `reference_policies_variables`).
fn escaped(value: &str) -> String {
    value.replace("${", "${$}{")
}

fn read(document: &Value) -> Result<TrustPolicy, String> {
    parse(&document.to_string()).map_err(|error| format!("the policy could not be written: {error}"))
}

/// Checks that each token is let in.
fn admits(families: &[&Family], policy: &TrustPolicy, issuer: &str) -> Result<String, String> {
    for family in families {
        let shares = family.judge(policy, asker(issuer, None, &Inputs::default()));
        if let Some(share) = shares.iter().find(|share| share.decision != Decision::Allow) {
            return Err(format!(
                "no policy is offered: the one that was written could not be shown to accept `{}`",
                share.subject()
            ));
        }
    }
    Ok("evaluated: it accepts every token that it was written for".to_owned())
}

/// Checks that every stranger is kept out.
fn keeps_out(family: &Family, policy: &TrustPolicy, issuer: &str, audiences: &[String]) -> Result<String, String> {
    let token = family.example().unwrap_or_default();
    let inputs = Inputs::default();
    let openings = witness::search(
        asker(issuer, Some(&token), &inputs),
        Some(audiences),
        policy,
        &Budget::default(),
    );
    let stranger = openings.witnesses.iter().find(|witness| witness.is_stranger());
    match (stranger, openings.undecided) {
        (Some(witness), _) => Err(format!(
            "no policy is offered: one for these tokens would accept a stranger's `{}` as well ({})",
            witness.subject, witness.reach
        )),
        (None, Some(why)) => Err(format!("no policy is offered: {why}")),
        (None, None) => Ok("evaluated: it accepts no subject of another owner's repository".to_owned()),
    }
}

fn asker<'a>(issuer: &'a str, claims: Option<&'a Claims>, inputs: &'a Inputs) -> Asker<'a> {
    Asker {
        claims,
        issuer,
        role: None,
        provider: None,
        inputs,
        caller: None,
    }
}

fn too_long(policy: &Value) -> Result<Option<String>, String> {
    let size = policy.to_string().chars().filter(|c| !c.is_whitespace()).count();
    if size > LARGEST {
        return Err(format!(
            "the policy would have {size} characters, and IAM accepts {LARGEST} at most; `--each job` or `--each environment` makes several roles"
        ));
    }
    let why = || {
        format!(
            "the policy has {size} characters; IAM accepts {USUAL} unless the account's quota is raised (to at most {LARGEST})"
        )
    };
    Ok((size > USUAL).then(why))
}

/// The steps from the current policy to the new one: first add what's missing, then drop what no job needs.
fn way(
    families: &[&Family],
    first: &Family,
    issuer: &str,
    (current, text): (&TrustPolicy, &Value),
    wanted: &Value,
    values: &Values,
) -> Result<Vec<Step>, String> {
    let statements = |policy: &Value| match policy.get("Statement") {
        Some(Value::Array(all)) => all.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let with = |statements: Vec<Value>| {
        let mut policy = text.clone();
        if let Some(fields) = policy.as_object_mut() {
            fields.insert("Version".to_owned(), json!("2012-10-17"));
            fields.insert("Statement".to_owned(), json!(statements));
        }
        policy
    };
    let old = statements(text);
    let provider = provider_of(current, issuer);
    let new: Vec<Value> = statements(wanted)
        .into_iter()
        .map(|statement| at_provider(statement, provider.as_deref()))
        .collect();
    let mut steps = Vec::new();

    // Allow statements only ever add: whatever this step accepts, either the old or the new statements accept.
    let added = with(old.iter().chain(&new).cloned().collect());
    let after = read(&added)?;
    keeps_out(first, &read(&with(new.clone()))?, issuer, &values.audiences)?;
    let mut notes = vec![
        admits(families, &after, issuer)?,
        "evaluated: what it adds accepts no subject of another owner's repository, and the rest is unchanged"
            .to_owned(),
    ];
    notes.extend(too_long(&added)?);
    let has_all = admits(families, current, issuer).is_ok();
    if !has_all {
        steps.push(Step {
            title: "add what the jobs need; who gets in today still does".to_owned(),
            policy: added,
            notes,
        });
    }
    // Statements that trust others are kept.
    let kept = old
        .iter()
        .zip(&current.statements)
        .filter(|(_, parsed)| !is_about(parsed, issuer))
        .map(|(old, _)| old);
    let dropped = with(kept.chain(&new).cloned().collect());
    let after = read(&dropped)?;
    let mut notes = vec![
        admits(families, &after, issuer)?,
        keeps_out(first, &after, issuer, &values.audiences)?,
    ];
    let lost = lost(current, &after, issuer);
    if !lost.is_empty() {
        notes.push(format!("no longer accepted: `{}`", lost.join("`, `")));
    }
    notes.extend(too_long(&dropped)?);
    if dropped != *text {
        steps.push(Step {
            title: "drop what no job needs, once the jobs have run with it".to_owned(),
            policy: dropped,
            notes,
        });
    }
    Ok(steps)
}

/// The provider for this issuer that the policy trusts.
fn provider_of(policy: &TrustPolicy, issuer: &str) -> Option<String> {
    let end = format!(":oidc-provider/{}", issuer_host(issuer));
    let entries = policy
        .statements
        .iter()
        .flat_map(|statement| &statement.principal)
        .flat_map(|principal| &principal.entries);
    let mut values = entries.flat_map(|entry| &entry.values).map(|value| &value.value);
    values.find(|value| value.ends_with(&end)).cloned()
}

fn at_provider(mut statement: Value, provider: Option<&str>) -> Value {
    if let (Some(provider), Some(principal)) = (provider, statement.get_mut("Principal")) {
        *principal = json!({ "Federated": provider });
    }
    statement
}

/// Whether a statement lets in only tokens of this issuer.
fn is_about(statement: &crate::policy::Statement, issuer: &str) -> bool {
    let end = format!(":oidc-provider/{}", issuer_host(issuer));
    let Some(principal) = &statement.principal else {
        return false;
    };
    statement.effect.value == crate::policy::Effect::Allow
        && !principal.negated
        && principal.entries.iter().all(|entry| {
            entry.kind == PrincipalKind::Federated && entry.values.iter().all(|value| value.value.ends_with(&end))
        })
}

/// Subject values the policy had and no longer has.
fn lost(before: &TrustPolicy, after: &TrustPolicy, issuer: &str) -> Vec<String> {
    let key = format!("{}:sub", issuer_host(issuer));
    let values = |policy: &TrustPolicy| -> Vec<String> {
        let conditions = policy.statements.iter().flat_map(|statement| &statement.conditions);
        let keys = conditions
            .flat_map(|condition| &condition.keys)
            .filter(|of| of.key.value.eq_ignore_ascii_case(&key));
        keys.flat_map(|of| &of.values)
            .map(|value| value.value.clone())
            .collect()
    };
    let left = values(after);
    values(before)
        .into_iter()
        .filter(|value| !left.contains(value))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::predict::{Form, Repository, RunsFor, predict};
    use crate::text::SourceText;

    fn repository(form: Form) -> Repository {
        Repository {
            name: Some("acme/widgets".to_owned()),
            owner_id: Some("1".to_owned()),
            id: Some("2".to_owned()),
            form,
            default_branch: Some("main".to_owned()),
            ..Repository::default()
        }
    }

    fn words(runs_for: &[RunsFor<'_>], form: Form) -> Vec<Family> {
        let family = |runs_for: &RunsFor<'_>| Family::of_words(&repository(form), *runs_for, "sts.amazonaws.com");
        runs_for.iter().map(family).collect()
    }

    fn generated(families: &[Family], current: Option<&Value>) -> Result<TrustedRole, String> {
        let families: Vec<&Family> = families.iter().collect();
        let current = current.map(|policy| (read(policy).unwrap(), policy.clone()));
        let target = Target {
            name: "deploy",
            role: None,
            current: current.as_ref(),
        };
        generate(&families, target)
    }

    fn subjects(policy: &Value) -> Vec<(String, Value)> {
        let statements = policy["Statement"].as_array().unwrap();
        let conditions = statements
            .iter()
            .flat_map(|statement| statement["Condition"].as_object().unwrap());
        let keys =
            conditions.flat_map(|(operator, keys)| keys.as_object().unwrap().iter().map(move |key| (operator, key)));
        keys.filter(|(_, (key, _))| key.ends_with(":sub"))
            .map(|(operator, (_, value))| (operator.clone(), value.clone()))
            .collect()
    }

    #[test]
    fn words_become_the_narrowest_values() {
        use RunsFor::{Branch, Environment, PullRequest, Tag};
        let own = |context: &str| format!("repo:acme/widgets:{context}");
        for (runs_for, form, operator, want) in [
            (
                vec![Environment("prod")],
                Form::Classic,
                "StringEquals",
                json!(own("environment:prod")),
            ),
            (
                vec![Environment("a:b")],
                Form::Classic,
                "StringEquals",
                json!(own("environment:a%3Ab")),
            ),
            (
                vec![Environment("a*")],
                Form::Classic,
                "StringEquals",
                json!(own("environment:a*")),
            ),
            (
                vec![Branch("main")],
                Form::Immutable,
                "StringEquals",
                json!("repo:acme@1/widgets@2:ref:refs/heads/main"),
            ),
            (
                vec![Branch("main")],
                Form::Either,
                "StringEquals",
                json!([own("ref:refs/heads/main"), "repo:acme@1/widgets@2:ref:refs/heads/main"]),
            ),
            (
                vec![Tag("v*")],
                Form::Classic,
                "StringLike",
                json!(own("ref:refs/tags/v*")),
            ),
            (
                vec![Branch("release/1"), Branch("release/*"), PullRequest],
                Form::Classic,
                "StringLike",
                json!([own("pull_request"), own("ref:refs/heads/release/*")]),
            ),
        ] {
            let role = generated(&words(&runs_for, form), None).unwrap();
            assert_eq!(subjects(&role.policy), [(operator.to_owned(), want)], "{runs_for:?}");
            assert!(
                role.notes.iter().all(|note| !note.contains("also accepts")),
                "{:?}",
                role.notes
            );
        }
        // A name with a wildcard next to a pattern is compared separately.
        let role = generated(&words(&[Environment("a*"), Tag("v*")], Form::Classic), None).unwrap();
        assert_eq!(subjects(&role.policy).len(), 2);
    }

    #[test]
    fn there_is_no_policy_that_strangers_pass() {
        let claims = |claims: Value| Family::of_claims(&serde_json::from_value(claims).unwrap());
        let token = json!({"iss": "https://token.actions.githubusercontent.com", "aud": "sts.amazonaws.com"});
        let with = |more: Value| {
            let mut token = token.clone();
            token.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            generated(&[claims(token)], None)
        };
        assert!(with(json!({"sub": "repo:acme/widgets:pull_request"})).is_ok());
        let error = with(json!({"sub": "environment:production"})).unwrap_err();
        assert!(error.contains("does not name the repository"), "{error}");
        let role = with(json!({"sub": "environment:production", "repository_id": "2"})).unwrap();
        let key = "token.actions.githubusercontent.com:repository_id";
        assert_eq!(role.policy["Statement"][0]["Condition"]["StringEquals"][key], "2");
        assert!(with(json!({"sub": "repo:acme/***:pull_request"})).is_err());
        assert!(with(json!({"iss": "https://gitlab.com", "sub": "x"})).is_err());
        assert!(generated(&[], None).is_err());
        let many: Vec<String> = (0..400).map(|n| format!("environment-{n}")).collect();
        let many: Vec<RunsFor<'_>> = many.iter().map(|name| RunsFor::Environment(name)).collect();
        assert!(
            generated(&words(&many, Form::Classic), None)
                .unwrap_err()
                .contains("--each")
        );
        let role = generated(&words(&many[..60], Form::Classic), None).unwrap();
        assert!(role.notes.iter().any(|note| note.contains("2048")), "{:?}", role.notes);
    }

    #[test]
    fn the_way_from_a_policy_adds_first_and_drops_then() {
        let host = "token.actions.githubusercontent.com";
        let statement = |sub: &str| {
            json!({
                "Effect": "Allow",
                "Principal": { "Federated": format!("arn:aws:iam::210987654321:oidc-provider/{host}") },
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": { "StringLike": { format!("{host}:sub"): sub, format!("{host}:aud"): "sts.amazonaws.com" } },
            })
        };
        let person = json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::210987654321:root"}, "Action": "sts:AssumeRole"});
        let current = |statements: Vec<Value>| json!({"Version": "2012-10-17", "Statement": statements});
        let families = words(&[RunsFor::Environment("prod")], Form::Either);
        let steps = |policy: Value| generated(&families, Some(&policy)).map(|role| role.steps);

        let found = steps(current(vec![
            statement("repo:acme/widgets:environment:prod"),
            person.clone(),
        ]))
        .unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].policy["Statement"].as_array().unwrap().len(), 3);
        let last = &found[1].policy["Statement"];
        assert_eq!((last.as_array().unwrap().len(), &last[0]), (2, &person));
        assert_eq!(
            last[1]["Principal"]["Federated"],
            statement("")["Principal"]["Federated"]
        );

        // Nothing is missing, but much is superfluous.
        let found = steps(current(vec![statement("repo:acme*widgets*:*")])).unwrap();
        assert_eq!(found.len(), 1);
        assert!(
            found[0]
                .notes
                .iter()
                .any(|note| note == "no longer accepted: `repo:acme*widgets*:*`"),
            "{found:?}"
        );
        // The current policy denies it.
        let mut deny = statement("repo:acme/*");
        deny["Effect"] = json!("Deny");
        assert!(steps(current(vec![deny])).is_err());
        // Nothing to do.
        let least = found[0].policy.clone();
        assert_eq!(steps(least).unwrap().len(), 0);
    }

    /// The usual number of cases, or `PROPTEST_CASES`.
    fn cases(usual: u32) -> u32 {
        let asked = ProptestConfig::default().cases;
        if asked == 256 { usual } else { asked }
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: prop::test_runner::RngSeed::Fixed(13), cases: cases(60), ..ProptestConfig::default() })]

        /// A policy on offer admits every member and no stranger, whatever the workflow.
        #[test]
        fn a_policy_admits_its_jobs_and_nobody_else(
            branches in prop::collection::vec("!?[a-c/*]{1,5}", 0..3),
            tags in prop::collection::vec("v[0-9*]{1,3}", 0..2),
            environment in prop::option::of("[a-c:*-]{1,4}"),
            others in prop::collection::vec(prop::sample::select(vec!["pull_request", "release", "schedule", "merge_group"]), 0..2),
            name in "[a-c/]{1,4}",
        ) {
            let list = |patterns: &[String]| {
                let quoted: Vec<String> = patterns.iter().map(|pattern| format!("'{pattern}'")).collect();
                quoted.join(", ")
            };
            let mut on = format!("  push:\n    branches: [{}]\n    tags: [{}]\n", list(&branches), list(&tags));
            others.iter().for_each(|event| on += &format!("  {event}:\n"));
            // Three asterisks are a mask, and no policy is generated from masked values.
            prop_assume!(environment.as_deref().is_none_or(|name| !name.contains("***")));
            let environment = environment.map(|name| format!("    environment: '{name}'\n")).unwrap_or_default();
            let text = format!("on:\n{on}permissions: {{id-token: write}}\njobs:\n  d:\n    runs-on: x\n{environment}");
            let prediction = predict(&repository(Form::Either), &[SourceText::new("d.yml", text)], &|_| None);
            let families: Vec<Family> = prediction.jobs.into_iter().flat_map(|job| job.families).collect();
            prop_assume!(!families.is_empty());
            let role = generated(&families, None).unwrap();
            let policy = read(&serde_json::from_str(&role.policy.to_string().replace(ACCOUNT, STAND_IN)).unwrap()).unwrap();
            // Sampled members get in; the same jobs of a stranger don't.
            for (owner, want) in [("acme/widgets", true), ("acme@1/widgets@2", true), ("some/widgets", false), ("acme@3/widgets@2", false)] {
                for context in [format!("ref:refs/heads/{name}"), "pull_request".to_owned(), "environment:a".to_owned()] {
                    let subject = format!("repo:{owner}:{context}");
                    let own = subject.replace(owner, "acme/widgets");
                    let is_member = families.iter().any(|family| family.subjects().contains(&own));
                    let token = serde_json::from_value(json!({"iss": role.issuer, "aud": "sts.amazonaws.com", "sub": subject})).unwrap();
                    let inputs = Inputs::default();
                    let asker = asker(&role.issuer, Some(&token), &inputs);
                    let decision = crate::policy::decide(&policy, &crate::aws::request::web_identity(asker, &policy));
                    if is_member && want {
                        prop_assert_eq!(decision, Decision::Allow, "{}", subject);
                    }
                    if !want {
                        prop_assert_eq!(decision, Decision::ImplicitDeny, "{}", subject);
                    }
                }
            }
        }
    }
}
