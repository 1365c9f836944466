//! What a run found, as plain data: it can be saved, replayed and diagnosed anywhere.
//!
//! A fact that was requested but not obtained is a result, never an error: [`Probe::Missing`] with a [`Gap`]. A part that is
//! absent was never requested. The raw token and credentials never get in here.

mod credentials;
mod mistaken;
pub mod paste;
pub(crate) mod repository;
mod request;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

pub(crate) use self::credentials::{CredentialSource, HeldCredentials};
#[cfg(feature = "live")]
pub(crate) use self::repository::Branches;
pub(crate) use self::repository::{Environment, Repository, SubjectTemplate};
pub(crate) use self::request::Request;
use crate::configure::Input;
use crate::github::claims::Token;
use crate::secrets::{Secrets, bare_address};

/// Version of the evidence file that this program writes and reads.
pub(crate) const SCHEMA: u32 = 1;

/// The most runs that are collected at once, and the most that a file can contain.
pub(crate) const MOST_RUNS: usize = 10;

/// The most hops of a chain.
pub(crate) const MOST_HOPS: usize = 10;

/// Everything known about one job and one role, and why the rest isn't.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Evidence {
    /// The version of the file's format.
    #[serde(deserialize_with = "or_default")]
    pub schema: Schema,
    /// The inputs of the step.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Request::is_default")]
    pub request: Request,
    /// The job, as the runner describes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner: Option<Runner>,
    /// The ID token, decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Probe<Token>>,
    /// The account's identity provider for the token's issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<Probe<Provider>>,
    /// The ARNs of all OIDC providers of the role's account, for near misses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub providers: Option<Probe<Vec<String>>>,
    /// The role that the step requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Probe<Role>>,
    /// What AWS answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Probe<Attempt>>,
    /// The credentials used to read from IAM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reader: Option<Probe<Identity>>,
    /// The workflow file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<Probe<WorkflowFile>>,
    /// The repository that the job runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<Probe<Repository>>,
    /// How the subjects of its tokens are built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_template: Option<Probe<SubjectTemplate>>,
    /// The environment that the job names, and what protects it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Probe<Environment>>,
    /// The values of `matrix`, `inputs`, `github` and `env` that its expressions used, by context and key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub contexts: BTreeMap<String, BTreeMap<String, Value>>,
    /// Clocks, to distinguish an expired token from a wrong clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<Clock>,
    /// A message that somebody pasted, in addition to AWS's own answer in [`Evidence::attempt`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported: Option<String>,
    /// Steps that request further roles and were not checked, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// The caller, if the step calls with AWS credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<Identity>,
    /// The later hops of a role chain, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Hop>,
}

/// Treats `null` as absent.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// What is saved: one run, or several independent ones, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Runs(pub Vec<Evidence>);

/// One step of a role chain: a request, the role it requests, and AWS's answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Hop {
    /// The inputs of the step.
    pub request: Request,
    /// The role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Probe<Role>>,
    /// What AWS answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Probe<Attempt>>,
    /// The caller, if the step calls with AWS credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<Identity>,
}

/// A fact that was requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe<T> {
    /// It is known.
    Known(T),
    /// It isn't, and why.
    Missing(Gap),
}

impl<T> Probe<T> {
    /// The fact, if known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(fact) => Some(fact),
            Self::Missing(_) => None,
        }
    }

    /// Why it isn't known.
    pub fn gap(&self) -> Option<&Gap> {
        match self {
            Self::Known(_) => None,
            Self::Missing(gap) => Some(gap),
        }
    }
}

impl<T> From<Result<T, Gap>> for Probe<T> {
    fn from(read: Result<T, Gap>) -> Self {
        read.map_or_else(Self::Missing, Self::Known)
    }
}

/// Why a fact isn't known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Gap {
    /// The kind of reason.
    pub why: Why,
    /// The details, in words: the endpoint, the call, the answer. May contain text from outside.
    #[serde(default)]
    pub detail: String,
    /// Whether it is about an input that was given but could not be read, so that nothing is known about its subject.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub input: bool,
}

impl Evidence {
    /// The hops of the chain, the first one included, each as a run of its own. A hop after the first begins with the session
    /// of the one before it: it has no token and no provider, unless its own inputs lead to the ID token again.
    pub fn hops(&self) -> impl Iterator<Item = Self> + '_ {
        let mut first = Self {
            chain: Vec::new(),
            ..self.clone()
        };
        let (later, beyond) = self.chain.split_at(self.chain.len().min(MOST_HOPS - 1));
        if !beyond.is_empty() {
            let count = beyond.len();
            first.left_out.push(format!(
                "{count} more hops of the chain: the limit is {MOST_HOPS} for one run"
            ));
        }
        // What the hop before was given, and what the next one finds: a hop that hands nothing on leaves what was there.
        let (mut before, mut at_hand) = ((&self.request, self.issued()), self.session());
        let later = later.iter().map(move |hop| {
            let (giver, issued) = std::mem::replace(&mut before, (&hop.request, hop.issued()));
            let found = at_hand.clone();
            if hop.request.hands_on() {
                at_hand = before.1.clone();
            }
            let mut hop = hop.clone();
            // What stands in a chain is chained, where it does not say otherwise.
            if hop.request.get(Input::RoleChaining).is_none() {
                hop.request.inputs.set(Input::RoleChaining, "true");
            }
            // The keys of a hop are the outputs of the one before it.
            let has_keys = hop.request.given(Input::AwsAccessKeyId).is_some();
            let gives = giver.get(Input::OutputCredentials).is_none() || giver.is_on(Input::OutputCredentials);
            let begins_with = match has_keys && !hop.request.loses_keys() {
                true => issued.filter(|_| gives),
                false => found,
            };
            let gap = hop.attempt.as_ref().and_then(Probe::gap);
            let begins_with = begins_with.filter(|_| gap.is_none_or(|gap| gap.why != Why::NoCredentials));
            let run = if has_keys || hop.request.is_on(Input::RoleChaining) {
                hop.caller = match (hop.caller, begins_with) {
                    (Some(caller), Some(session)) => Some(caller.completed_by(session)),
                    (caller, session) => caller.or(session),
                };
                Self {
                    runner: self.runner.clone(),
                    workflow: self.workflow.clone(),
                    ..Self::default()
                }
            } else {
                Self {
                    provider: None,
                    providers: None,
                    chain: Vec::new(),
                    ..self.clone()
                }
            };
            Self {
                request: hop.request,
                role: hop.role,
                attempt: hop.attempt,
                caller: hop.caller,
                ..run
            }
        });
        std::iter::once(first).chain(later)
    }

    /// Removes every secret, wherever it occurs.
    #[must_use]
    pub fn scrubbed(mut self, secrets: &Secrets) -> Self {
        let later = self.chain.iter_mut().map(|hop| &mut hop.request);
        for request in std::iter::once(&mut self.request).chain(later) {
            for input in [Input::StsEndpoint, Input::HttpProxy] {
                if let Some(address) = request.get(input).map(bare_address) {
                    request.inputs.set(input, address);
                }
                if let Some(address) = request.set_aside.get_mut(input.name()) {
                    *address = bare_address(address);
                }
            }
        }
        // In a file's form, in which no part can be forgotten. Where that takes what a file needs, nothing is left.
        let Ok(mut whole) = serde_json::to_value(&self) else {
            return Self::default();
        };
        let mut any = false;
        scrub(&mut whole, secrets, &mut any);
        if any {
            // By way of its text, as a file is read: code for reading a value as well would be 2 % of the program.
            serde_json::from_str(&whole.to_string()).unwrap_or_default()
        } else {
            self
        }
    }
}

/// Removes the secrets from all texts and names.
fn scrub(value: &mut Value, secrets: &Secrets, any: &mut bool) {
    let clean = |text: &mut String, any: &mut bool| {
        let clean = secrets.scrub(text);
        if clean != *text {
            *text = clean.into_owned();
            *any = true;
        }
    };
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| scrub(value, secrets, any)),
        Value::Object(map) => {
            let old = std::mem::take(map);
            for (mut name, mut value) in old {
                clean(&mut name, any);
                scrub(&mut value, secrets, any);
                map.insert(name, value);
            }
        }
        Value::String(text) => clean(text, any),
        _ => {}
    }
}

impl Evidence {
    /// The first hop alone.
    #[must_use]
    pub fn into_hop(self) -> Hop {
        Hop {
            request: self.request,
            role: self.role,
            attempt: self.attempt,
            caller: self.caller,
        }
    }

    /// The session that the first hop ends with, as [`Hop::session`] has it.
    #[must_use]
    pub fn session(&self) -> Option<Identity> {
        self.issued().filter(|_| self.request.hands_on())
    }

    /// The same, whether or not later steps find it.
    #[must_use]
    pub fn issued(&self) -> Option<Identity> {
        let (role, attempt) = (self.role.as_ref(), self.attempt.as_ref());
        session(&self.request, role, attempt, self.caller.as_ref())
    }
}

impl Hop {
    /// The session that the step ends with: the one AWS named, or the name it will have. `None` if the step hands nothing on.
    #[must_use]
    pub fn session(&self) -> Option<Identity> {
        self.issued().filter(|_| self.request.hands_on())
    }

    fn issued(&self) -> Option<Identity> {
        let (role, attempt) = (self.role.as_ref(), self.attempt.as_ref());
        session(&self.request, role, attempt, self.caller.as_ref())
    }
}

fn session(
    request: &Request,
    role: Option<&Probe<Role>>,
    attempt: Option<&Probe<Attempt>>,
    caller: Option<&Identity>,
) -> Option<Identity> {
    let answered = match attempt.and_then(Probe::known) {
        Some(Attempt::Allowed { assumed_role_arn }) => Some(assumed_role_arn.clone()),
        _ => None,
    };
    let arn = answered
        .filter(|arn| !arn.is_empty())
        .or_else(|| session_arn(request, caller))?;
    let read = role.and_then(Probe::known).and_then(|role| role.arn.clone());
    let asked = || request.role_arn(caller.map(|caller| &*caller.account));
    Some(Identity {
        account: arn.split(':').nth(4)?.to_owned(),
        role: read.or_else(asked).filter(|role| is_session_of(&arn, role)),
        session_policies: session_policies(request),
        transitive_tags: transitive_tags(request, caller),
        lasts: request.lasts(caller.is_some_and(Identity::is_session)),
        arn,
        source: CredentialSource::HopBefore,
        ..Identity::default()
    })
}

/// The session policies that a step gives its session, as far as the inputs contain them.
fn session_policies(request: &Request) -> Option<Probe<Vec<AttachedPolicy>>> {
    let inline = request.get(Input::InlineSessionPolicy)?;
    if !request.get(Input::ManagedSessionPolicies)?.trim().is_empty() {
        let what = "the step before names `managed-session-policies`, whose content is not known";
        return Some(Probe::Missing(Gap::new(Why::AccessDenied, what)));
    }
    let inline = (!inline.is_empty()).then(|| AttachedPolicy {
        name: Some("inline-session-policy".to_owned()),
        policy: PolicyText::Text(inline.to_owned()),
    });
    Some(Probe::Known(inline.into_iter().collect()))
}

/// The tags that a session passes on to every session chained from it. None are sent with the ID token.
fn transitive_tags(request: &Request, caller: Option<&Identity>) -> Vec<String> {
    let Some(caller) = caller else { return Vec::new() };
    let mut all = caller.transitive_tags.clone();
    all.extend(request.transitive_names());
    all.sort();
    all.dedup();
    all
}

/// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION` (IAM User Guide, `reference_identifiers`): the role's path is not in it.
fn session_arn(request: &Request, caller: Option<&Identity>) -> Option<String> {
    let role = request.role_arn(caller.map(|caller| &*caller.account))?;
    let (partition, rest) = role.strip_prefix("arn:")?.split_once(":iam::")?;
    let (account, role) = rest.split_once(":role/")?;
    let name = role.rsplit('/').next()?;
    let session = request.session_name().unwrap_or(Input::RoleSessionName.spec().default);
    Some(format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session}"))
}

impl Gap {
    /// An input that was given but could not be read.
    #[must_use]
    pub fn unreadable_input(name: &str) -> Self {
        Self {
            input: true,
            ..Self::new(Why::Malformed, format!("`{name}` cannot be read"))
        }
    }

    /// A gap with its details.
    #[must_use]
    pub fn new(why: Why, detail: impl Into<String>) -> Self {
        Self {
            why,
            detail: detail.into(),
            input: false,
        }
    }
}

/// Kinds of reasons for a [`Gap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Why {
    /// The service refused.
    AccessDenied,
    /// The answer could not be read.
    Malformed,
    /// There were no credentials to call with.
    NoCredentials,
    /// It does not exist.
    NotFound,
    /// The job isn't permitted to (`id-token: write`).
    NotGranted,
    /// The service throttled every retry.
    Throttled,
    /// No answer in time.
    TimedOut,
    /// No connection.
    Unreachable,
    /// The credentials belong to another account.
    WrongAccount,
}

impl Why {
    /// The reason in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::AccessDenied => "access denied",
            Self::Malformed => "the answer could not be read",
            Self::NoCredentials => "no credentials",
            Self::NotFound => "not found",
            Self::NotGranted => "not granted",
            Self::Throttled => "throttled",
            Self::TimedOut => "timed out",
            Self::Unreachable => "unreachable",
            Self::WrongAccount => "the credentials belong to another account",
        }
    }
}

/// The job, as the runner's variables describe it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Runner {
    /// Whether `ACTIONS_ID_TOKEN_REQUEST_URL` and `_TOKEN` are set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_request: Option<bool>,
    /// `GITHUB_EVENT_NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_name: Option<String>,
    /// `GITHUB_REF`.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// `GITHUB_REPOSITORY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The repository that a pull request comes from (`pull_request.head.repo.full_name` of the event).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_repository: Option<String>,
    /// The repository's default branch (`repository.default_branch` of the event).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_branch: Option<String>,
    /// `GITHUB_ACTOR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// `GITHUB_JOB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// `GITHUB_WORKFLOW_REF`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_ref: Option<String>,
    /// `GITHUB_SERVER_URL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_url: Option<String>,
    /// `RUNNER_ENVIRONMENT`: `github-hosted` or `self-hosted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner_environment: Option<String>,
    /// Runner variables that configure-aws-credentials requires but that are not set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<String>,
    /// Which AWS credentials the environment holds: `none`, `environment`, `profile`, `web-identity`, `container`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub aws_credentials: Option<HeldCredentials>,
}

/// An IAM OIDC provider. A field that is `None` is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Provider {
    /// Its ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// Its URL, with or without `https://`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The audiences that it accepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ids: Option<Vec<String>>,
    /// Certificate thumbprints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbprints: Option<Vec<String>>,
}

/// The role. A field that is `None` is not known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Role {
    /// Its ARN, path included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// The trust policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_policy: Option<PolicyText>,
    /// The file that contains only the trust policy, as given: positions in one are positions in the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_policy_file: Option<String>,
    /// The longest session it allows, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_session_duration: Option<u32>,
    /// When it was created, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// Its tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// A policy in an evidence file: the object itself, or its text as found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum PolicyText {
    /// The text as found; spans point into it.
    Text(String),
    /// The JSON value, formatted before it is read.
    Value(Value),
}

/// Whose credentials these are, and what is known about the policies attached to them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Identity {
    /// The account number.
    pub account: String,
    /// The ARN of the user or session.
    pub arn: String,
    /// Where they come from: `environment`, `diagnosis-role`, `default chain`.
    #[cfg_attr(test, schemars(with = "String"))]
    pub source: CredentialSource,
    /// The role whose session it is, path included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// All attached identity-based policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_policies: Option<Probe<Vec<AttachedPolicy>>>,
    /// The permissions boundary; `not found` if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<Probe<AttachedPolicy>>,
    /// The policies that the session was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_policies: Option<Probe<Vec<AttachedPolicy>>>,
    /// The tags that the session passes on to those chained from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transitive_tags: Vec<String>,
    /// How long the session lasts, in seconds, if the step that requested it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lasts: Option<u32>,
}

/// One of the caller's policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AttachedPolicy {
    /// Its name or its ARN, as IAM lists it; `None` if only the text was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The policy.
    pub policy: PolicyText,
}

impl Identity {
    /// Whether it is the session of a role.
    #[must_use]
    pub fn is_session(&self) -> bool {
        self.arn.contains(":assumed-role/")
    }

    /// The IAM user's name, if it is one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.arn.split_once(":user/")?.1.rsplit('/').next()
    }

    /// Adds what another source knows about the same caller.
    #[must_use]
    pub fn completed_by(mut self, other: Self) -> Self {
        if self.arn.is_empty() {
            // Policies alone were given.
            return Self {
                identity_policies: self.identity_policies.or(other.identity_policies),
                ..other
            };
        }
        if self.arn == other.arn {
            self.role = self.role.or(other.role);
            self.identity_policies = self.identity_policies.or(other.identity_policies);
            self.permissions_boundary = self.permissions_boundary.or(other.permissions_boundary);
            self.session_policies = self.session_policies.or(other.session_policies);
            self.lasts = self.lasts.or(other.lasts);
            if self.transitive_tags.is_empty() {
                self.transitive_tags = other.transitive_tags;
            }
        }
        self
    }
}

/// Whether this is the ARN of a session of the role. A session's ARN omits the role's path.
fn is_session_of(session: &str, role: &str) -> bool {
    let name = role.rsplit('/').next().unwrap_or_default();
    let mut of = session.split(":assumed-role/").nth(1).unwrap_or_default().split('/');
    of.next() == Some(name) && session.split(':').nth(4) == role.split(':').nth(4)
}

/// What AWS answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Attempt {
    /// It issued credentials, which were discarded.
    Allowed {
        /// `arn:aws:sts::…:assumed-role/…`.
        #[serde(default)]
        assumed_role_arn: String,
    },
    /// It refused.
    Denied {
        /// The error code, `AccessDenied`.
        #[serde(default)]
        code: String,
        /// The message.
        #[serde(default)]
        message: String,
        /// For AWS support and CloudTrail.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
    },
    /// A message that somebody pasted; the code is unknown.
    Reported {
        /// The text as pasted.
        #[serde(default)]
        text: String,
    },
}

/// The workflow file that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WorkflowFile {
    /// Its path in the repository.
    pub path: String,
    /// Its text.
    pub text: String,
    /// The commit, if this is known to be the file that runs and not just the checkout's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether the checkout has another text under this path.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub checkout_differs: bool,
}

/// Clocks, in seconds since 1970, all read within the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Clock {
    /// This machine's, when the token arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<i64>,
    /// The token service's `Date` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub github: Option<i64>,
    /// The STS endpoint's `Date` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws: Option<i64>,
}

impl Clock {
    /// The time outside of this machine.
    // Inlined, it is read even where there is no clock, at an address made of whatever is there: LLVM 22 loads before it compares
    // (rust-lang/rust#159035).
    #[inline(never)]
    #[must_use]
    pub(crate) fn outside(&self) -> Option<i64> {
        self.aws.or(self.github)
    }
}

impl Evidence {
    /// Reads an evidence file of one run.
    ///
    /// # Errors
    /// With line and column: invalid JSON, a field of the wrong type, or a schema that this program doesn't know.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        serde_json::from_str(text).map(|Object(run)| run)
    }
}

impl Runs {
    /// Reads an evidence file of one run or of several.
    ///
    /// # Errors
    /// As [`Evidence::from_json`]; also if `runs` is empty or has more than [`MOST_RUNS`].
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let fields: HashMap<String, serde::de::IgnoredAny> = serde_json::from_str(text)?;
        if fields.contains_key("runs") {
            serde_json::from_str(text).map(|file: Several| file.runs)
        } else {
            Evidence::from_json(text).map(|run| Self(vec![run]))
        }
    }
}

/// A single run is written without a list.
impl Serialize for Runs {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if let [run] = &*self.0 {
            return run.serialize(to);
        }
        let mut map = to.serialize_map(Some(2))?;
        map.serialize_entry("schema", &Schema)?;
        map.serialize_entry("runs", &self.0)?;
        map.end()
    }
}

/// A file of several runs.
#[derive(Deserialize)]
struct Several {
    #[serde(default, rename = "schema")]
    _schema: Option<Schema>,
    runs: Runs,
}

/// Keeps no more runs than allowed, however long the list.
impl<'de> Deserialize<'de> for Runs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct RunsVisitor;

        impl<'de> Visitor<'de> for RunsVisitor {
            type Value = Runs;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("a list of runs")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Runs, A::Error> {
                let mut runs = Vec::new();
                while let Some(Object(run)) = list.next_element()? {
                    if runs.len() == MOST_RUNS {
                        return Err(A::Error::custom(format!("`runs` holds more than {MOST_RUNS} runs")));
                    }
                    runs.push(run);
                }
                if runs.is_empty() {
                    return Err(A::Error::custom("`runs` holds no run"));
                }
                Ok(Runs(runs))
            }
        }

        from.deserialize_seq(RunsVisitor)
    }
}

/// Evidence that is written as an object: serde would read a struct from a list as well.
struct Object(Evidence);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("a run: an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object, A::Error> {
                Evidence::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        from.deserialize_map(ObjectVisitor)
    }
}

/// [`SCHEMA`]: a file with another version is rejected.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Schema;

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        SCHEMA.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match u32::deserialize(from)? {
            SCHEMA => Ok(Self),
            found => Err(D::Error::custom(format!(
                "`schema` is {found}, and this version reads {SCHEMA}"
            ))),
        }
    }
}

impl<T: Serialize> Serialize for Probe<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Missing<'a> {
            missing: &'a Gap,
        }
        match self {
            Self::Known(fact) => fact.serialize(to),
            Self::Missing(gap) => Missing { missing: gap }.serialize(to),
        }
    }
}

/// By hand, not `untagged`, so that an error keeps its line and column.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Probe<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ProbeVisitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ProbeVisitor<T> {
            type Value = Probe<T>;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("the fact, or {\"missing\": {\"why\": …}}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                match map.next_key::<String>()? {
                    Some(key) if key == "missing" => {
                        let gap = map.next_value()?;
                        while map.next_entry::<String, serde::de::IgnoredAny>()?.is_some() {}
                        Ok(Probe::Missing(gap))
                    }
                    first => T::deserialize(MapAccessDeserializer::new(Resumed { first, map })).map(Probe::Known),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                T::deserialize(serde::de::value::SeqAccessDeserializer::new(seq)).map(Probe::Known)
            }
        }

        from.deserialize_any(ProbeVisitor(std::marker::PhantomData))
    }
}

/// A map whose first key has already been read.
struct Resumed<A> {
    first: Option<String>,
    map: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Resumed<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        match self.first.take() {
            Some(key) => seed.deserialize(key.into_deserializer()).map(Some),
            None => self.map.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configure::Input;

    const FULL: &str = r#"{
  "schema": 1,
  "request": {"role-to-assume": "arn:aws:iam::123456789012:role/deploy", "role-duration-seconds": 900, "role-chaining": true, "audience": ""},
  "runner": {"id_token_request": true, "ref": "refs/heads/main", "later": 1},
  "token": {"header": {"alg": "RS256"}, "claims": {"iss": "i", "sub": "s", "exp": 1790000000}},
  "provider": {"missing": {"why": "access-denied", "detail": "iam:GetOpenIDConnectProvider"}},
  "providers": ["arn:aws:iam::123456789012:oidc-provider/x"],
  "role": {"arn": "a", "trust_policy": {"Version": "2012-10-17"}, "max_session_duration": 3600},
  "attempt": {"outcome": "denied", "code": "AccessDenied", "message": "m"}
}"#;

    #[test]
    fn a_saved_run_reads_back_the_same() {
        let evidence = Evidence::from_json(FULL).unwrap();
        assert_eq!(evidence.request.get(Input::RoleDurationSeconds), Some("900"));
        assert_eq!(evidence.request.get(Input::Audience), Some(""));
        assert_eq!(evidence.request.get(Input::AwsRegion), None);
        assert_eq!(
            evidence.provider.as_ref().unwrap().gap().unwrap().why,
            Why::AccessDenied
        );
        let again = Evidence::from_json(&serde_json::to_string(&evidence).unwrap()).unwrap();
        assert_eq!(evidence, again);
    }

    #[test]
    fn no_part_keeps_a_secret_and_the_rest_stays() {
        let secrets = Secrets::default();
        secrets.know("AccessDenied/not-for-anybody-4711");
        secrets.know("hunter-2222");
        let clean = Evidence::from_json(FULL).unwrap();
        assert_eq!(clean.clone().scrubbed(&secrets), clean);
        let poisoned = FULL
            .replace(
                "\"iss\": \"i\"",
                "\"HUNTER-2222\": [{\"a hunter-2222\": \"hunter-2222 b\"}], \"iss\": \"i\"",
            )
            .replace("2012-10-17", "accessdenied not for anybody")
            .replace("oidc-provider/x", "oidc-provider/for-anybody-4711");
        let scrubbed = Evidence::from_json(&poisoned).unwrap().scrubbed(&secrets);
        let text = serde_json::to_string(&scrubbed).unwrap();
        assert!(text.contains(r#""***":[{"a ***":"*** b"}]"#), "{text}");
        assert!(
            text.contains(r#"{"Version":"***"}"#) && text.contains("oidc-provider***"),
            "{text}"
        );
        assert_eq!((scrubbed.attempt, scrubbed.request), (clean.attempt, clean.request));
    }

    #[test]
    fn an_error_names_line_and_column() {
        for (text, line) in [
            ("{\"schema\": 1,\n \"token\": {\"claims\": 3}}", 2),
            ("{\n\"runner\":\n {\"id_token_request\": \"yes\"}}", 3),
            ("{\n\"role\": {\"max_session_duration\": \"x\"}}", 2),
            ("[]", 1),
            ("{", 1),
        ] {
            let error = Evidence::from_json(text).unwrap_err();
            assert_eq!(error.line(), line, "{text}: {error}");
        }
        assert!(Evidence::from_json(r#"{"schema": 2}"#).is_err());
    }

    #[test]
    fn a_file_of_several_runs_reads_back_the_same() {
        let one = Evidence::from_json(FULL).unwrap();
        for (count, flat) in [(1, true), (2, false), (MOST_RUNS, false)] {
            let runs = Runs(vec![one.clone(); count]);
            let text = serde_json::to_string(&runs).unwrap();
            assert_eq!(Runs::from_json(&text).unwrap(), runs);
            assert_eq!(!text.contains("\"runs\""), flat, "{text}");
            assert!(text.starts_with("{\"schema\":1,"), "{text}");
        }
        assert_eq!(Runs::from_json(FULL).unwrap(), Runs(vec![one]));
    }

    #[test]
    fn an_error_in_a_file_of_several_runs_names_line_and_column() {
        let many = format!("{{\"runs\": [{}\n{{}}]}}", "{},".repeat(MOST_RUNS));
        for (text, line, message) in [
            ("{\"schema\": 1,\n \"runs\": []}", 2, "`runs` holds no run"),
            ("{\"runs\": {\n}}", 1, "expected a list of runs"),
            ("{\"runs\": [{},\n []]}", 2, "expected a run: an object"),
            (
                "{\"runs\": [{},\n {\"token\": {\"claims\": 3}}]}",
                2,
                "invalid type: integer",
            ),
            (
                "{\"runs\": [{},\n {\"schema\": 2}]}",
                2,
                "`schema` is 2, and this version reads 1",
            ),
            ("{\"runs\": [{}],\n \"schema\": 2}", 2, "`schema` is 2"),
            (&*many, 2, "`runs` holds more than 10 runs"),
            ("{\"runs\":\n", 2, "EOF"),
        ] {
            let error = Runs::from_json(text).unwrap_err();
            assert!(error.to_string().contains(message), "{text}: {error}");
            assert_eq!(error.line(), line, "{text}: {error}");
        }
    }

    #[test]
    fn an_input_that_could_not_be_read_is_told_by_its_mark() {
        let marked = Gap::unreadable_input("claims");
        let text = serde_json::to_string(&marked).unwrap();
        assert_eq!(serde_json::from_str::<Gap>(&text).unwrap(), marked);
        let other = Gap::new(Why::Malformed, "`host` cannot be read");
        assert!(!other.input);
        assert_eq!(
            serde_json::to_string(&other).unwrap(),
            r#"{"why":"malformed","detail":"`host` cannot be read"}"#
        );
    }
}
