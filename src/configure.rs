//! aws-actions/configure-aws-credentials as a pure function of its inputs: their names and meanings, how it gets credentials,
//! and what it sends. Everything said about that action is said here, based on its source at v6.2.3:
//! `action.yml` (inputs and defaults), `src/helpers.ts` (variables that replace inputs), `src/index.ts` (the flow it chooses),
//! `src/assumeRole.ts` (what it sends).

mod table;
mod tags;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::Value;

pub use self::table::{INPUTS, Spec};
#[cfg(any(feature = "live", test))]
pub(crate) use self::tags::Tag;
use self::tags::custom_tags;
use crate::text::masked::is_masked;

/// An input of configure-aws-credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
// The names are the action's own; the table says what each means.
pub enum Input {
    RoleToAssume,
    AwsRegion,
    Audience,
    RoleSessionName,
    RoleDurationSeconds,
    RoleChaining,
    RoleExternalId,
    RoleSkipSessionTagging,
    InlineSessionPolicy,
    ManagedSessionPolicies,
    AllowedAccountIds,
    AwsAccessKeyId,
    WebIdentityTokenFile,
    ForceSkipOidc,
    UseExistingCredentials,
    AwsProfile,
    CustomTags,
    TransitiveTagKeys,
    StsEndpoint,
    HttpProxy,
    NoProxy,
    AwsSecretAccessKey,
    AwsSessionToken,
    UnsetCurrentCredentials,
    OutputCredentials,
    OutputEnvCredentials,
    OverwriteAwsProfile,
    MaskAwsAccountId,
    DisableRetry,
    RetryMaxAttempts,
    SpecialCharactersWorkaround,
    ActionTimeoutS,
}

/// How an input's text is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As written.
    Text,
    /// `true` or `false`, as YAML 1.2's core schema writes them; anything else stops the action.
    Boolean,
    /// The result of JavaScript's `parseInt`; the default if that is 0 or not a number.
    Number,
    /// Text with one entry per line.
    Lines,
    /// On if there is any text, even `false`.
    Presence,
    /// A key: only its presence is known; the value is never kept.
    Secret,
}

impl Input {
    /// Its entry in the table.
    #[must_use]
    pub fn spec(self) -> &'static Spec {
        // The table is in the enum's order; a test checks it.
        INPUTS.get(self as usize).unwrap_or(&INPUTS[0])
    }

    /// Its name in a `with:` block.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// The input of this name; GitHub ignores its case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let found = INPUTS.iter().find(|spec| spec.name.eq_ignore_ascii_case(name));
        found.map(|spec| spec.input)
    }
}

/// The inputs that hold a key: its ID, its secret, and the token of a session's.
pub(crate) const KEYS: [Input; 3] = [Input::AwsAccessKeyId, Input::AwsSecretAccessKey, Input::AwsSessionToken];

/// The placeholder for a key that was given.
pub(crate) const GIVEN: &str = "***";

/// The inputs of a step. An absent one is unknown; `""` means it was empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs(BTreeMap<Input, String>);

impl Inputs {
    /// The inputs of a step whose complete `with:` block is known, as names and values: an input not in it is empty, and an
    /// expression is unknown.
    #[must_use]
    pub fn of_step<'a>(with: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut inputs: BTreeMap<_, _> = INPUTS.iter().map(|spec| (spec.input, String::new())).collect();
        for (name, value) in with {
            let Some(input) = Input::named(name) else { continue };
            if input.spec().kind == Kind::Secret && !trim(value).is_empty() {
                inputs.insert(input, GIVEN.to_owned());
            } else if value.contains("${{") {
                inputs.remove(&input);
            } else {
                inputs.insert(input, trim(value).to_owned());
            }
        }
        Self(inputs)
    }

    /// An input as written.
    #[must_use]
    pub fn get(&self, input: Input) -> Option<&str> {
        self.0.get(&input).map(String::as_str)
    }

    /// An input that is known and not blank, without surrounding white space.
    #[must_use]
    pub fn given(&self, input: Input) -> Option<&str> {
        self.get(input).map(trim).filter(|text| !text.is_empty())
    }

    /// Whether an input is known to be empty.
    #[must_use]
    pub fn is_empty(&self, input: Input) -> bool {
        self.get(input).is_some_and(|text| trim(text).is_empty())
    }

    /// Whether a switch is on.
    #[must_use]
    pub fn is_on(&self, input: Input) -> bool {
        match input.spec().kind {
            Kind::Boolean => self.given(input).is_some_and(|text| boolean(text) == Some(true)),
            _ => self.given(input).is_some(),
        }
    }

    /// Sets an input. Keys aren't kept.
    pub fn set(&mut self, input: Input, value: impl Into<String>) {
        let value = value.into();
        let value = match input.spec().kind {
            Kind::Secret if !trim(&value).is_empty() => GIVEN.to_owned(),
            _ => value,
        };
        self.0.insert(input, value);
    }

    /// Treats an empty input as unknown.
    pub fn forget_empty(&mut self, input: Input) {
        if self.is_empty(input) {
            self.0.remove(&input);
        }
    }

    /// The known inputs, with their texts.
    pub fn iter(&self) -> impl Iterator<Item = (Input, &str)> {
        self.0.iter().map(|(input, value)| (*input, value.as_str()))
    }

    /// Overrides these inputs with others.
    pub fn overlay(&mut self, others: &Self) {
        let others = others.0.iter().map(|(input, value)| (*input, value.clone()));
        self.0.extend(others);
    }

    /// Fills empty inputs as the action does: from environment variables, then with its defaults. Unknown ones stay unknown.
    /// Returns the inputs that a variable stands in for.
    pub fn complete<'a>(&mut self, variable: impl Fn(&str) -> Option<&'a str>) -> Vec<Input> {
        let mut by_variable = Vec::new();
        for spec in &INPUTS {
            if let Some(value) = self.0.get_mut(&spec.input).filter(|value| value.is_empty()) {
                let found = spec.variable.and_then(&variable);
                by_variable.extend(found.map(|_| spec.input));
                trim(found.unwrap_or(spec.default)).clone_into(value);
            }
        }
        by_variable
    }

    /// `DurationSeconds` as sent; `None` if the input is unknown.
    #[must_use]
    pub fn duration(&self) -> Option<i64> {
        let text = self.get(Input::RoleDurationSeconds)?;
        Some(parse_int(text).filter(|seconds| *seconds != 0).unwrap_or(3600))
    }

    /// `RoleSessionName` as sent; `None` if the input is unknown.
    #[must_use]
    pub fn session_name(&self) -> Option<&str> {
        match self.get(Input::RoleSessionName)? {
            "" => Some(Input::RoleSessionName.spec().default),
            name => Some(name),
        }
    }

    /// The managed session policies.
    pub fn managed_session_policies(&self) -> impl Iterator<Item = &str> {
        let lines = self.get(Input::ManagedSessionPolicies).unwrap_or_default().lines();
        lines.map(str::trim).filter(|arn| !arn.is_empty())
    }

    /// The flow that the action chooses (`src/index.ts`, the first that fits). Unknown inputs count as not given.
    #[must_use]
    pub fn flow(&self, around: Around) -> Flow {
        let key = self.given(Input::AwsAccessKeyId).is_some();
        let file = self.given(Input::WebIdentityTokenFile).is_some();
        let no_role = self.is_empty(Input::RoleToAssume);
        if self.is_on(Input::ForceSkipOidc) && !no_role && !key && !file {
            Flow::Nothing
        } else if self.is_on(Input::UseExistingCredentials) && around.valid == Some(true) {
            Flow::Existing
        } else if no_role && !key {
            Flow::NoRole
        } else if file && !no_role {
            Flow::TokenFile
        } else if key {
            Flow::AccessKey
        } else if self.is_on(Input::RoleChaining) {
            Flow::Chaining
        } else if around.may_ask == Some(false) {
            Flow::Ambient
        } else {
            Flow::Oidc
        }
    }

    /// Why the step fails by itself in this flow, whatever AWS would say: the first failure that the action reaches
    /// (`src/index.ts`, `src/assumeRole.ts`). An unknown input stops nothing.
    #[must_use]
    pub fn stop(&self, flow: Flow) -> Option<Stop> {
        let is_known = |text: &&str| !is_masked(text);
        let is_no_boolean = |text: &str| is_known(&text) && boolean(text).is_none();
        let is_boolean = |spec: &&Spec| spec.kind == Kind::Boolean && self.given(spec.input).is_some_and(is_no_boolean);
        if let Some(spec) = INPUTS.iter().find(is_boolean) {
            return Some(Stop::Boolean(spec.input));
        }
        let is_region = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        let region = self.get(Input::AwsRegion).map(trim).filter(is_known);
        if region.is_some_and(|text| text.is_empty() || !is_region(text)) {
            return Some(Stop::Region);
        }
        if flow == Flow::Nothing {
            return Some(Stop::ForceSkipOidc);
        }
        let is_session_name = |name: &str| {
            (2..=64).contains(&name.encode_utf16().count())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c))
        };
        if self
            .session_name()
            .filter(is_known)
            .is_some_and(|name| !is_session_name(name))
        {
            return Some(Stop::SessionName);
        }
        if flow == Flow::Existing {
            return None;
        }
        if self.given(Input::AwsAccessKeyId).is_some() && self.is_empty(Input::AwsSecretAccessKey) {
            return Some(Stop::KeyWithoutSecret);
        }
        // Written before the keys are used, or else once the role is assumed (`src/profileManager.ts`).
        let is_profile = |name: &str| !name.contains(|c: char| c.is_whitespace() || "[]/\\".contains(c));
        let writes = self
            .given(Input::AwsAccessKeyId)
            .or(self.given(Input::RoleToAssume))
            .is_some();
        if writes
            && self
                .given(Input::AwsProfile)
                .filter(is_known)
                .is_some_and(|name| !is_profile(name))
        {
            return Some(Stop::Profile);
        }
        let role = self.given(Input::RoleToAssume).filter(is_known)?;
        if let Some(fault) = self
            .given(Input::CustomTags)
            .filter(is_known)
            .and_then(|text| custom_tags(text, 0).err())
        {
            return Some(Stop::CustomTags(fault));
        }
        let has_source = match flow {
            Flow::Oidc => false,
            Flow::TokenFile => self.given(Input::AwsAccessKeyId).is_some() || self.is_on(Input::RoleChaining),
            _ => true,
        };
        (!has_source && !is_arn(role) && is_known(&role)).then_some(Stop::RoleName)
    }

    /// Whether the step succeeds without calling AWS at all. Without a role, a token file keeps it from looking for
    /// credentials (`src/index.ts`).
    #[must_use]
    pub fn does_nothing(&self, flow: Flow) -> bool {
        let has_file = self.given(Input::WebIdentityTokenFile).is_some();
        flow == Flow::NoRole && has_file && !self.is_on(Input::RoleChaining)
    }

    /// Whether the step exports its credentials and its region as variables.
    #[must_use]
    pub fn exports(&self) -> bool {
        let asked = self.given(Input::OutputEnvCredentials).and_then(boolean);
        asked.unwrap_or(self.given(Input::AwsProfile).is_none())
    }

    /// Whether later steps find the credentials that this step ends with. So does the step's own call, if its inputs
    /// include keys. The default profile is found without being named.
    #[must_use]
    pub fn hands_on(&self) -> bool {
        self.exports() || self.given(Input::AwsProfile) == Some("default")
    }

    /// Whether the call for the role is signed with what the step finds, because its keys are put where the call doesn't look.
    #[must_use]
    pub fn loses_keys(&self) -> bool {
        self.given(Input::AwsAccessKeyId).is_some() && !self.is_empty(Input::RoleToAssume) && !self.hands_on()
    }

    /// Whether the step removes credentials from the environment before it looks for any.
    #[must_use]
    pub fn unsets(&self) -> bool {
        self.is_on(Input::UnsetCurrentCredentials) && self.exports()
    }

    /// How long the step's session lasts, in seconds: at most an hour if a session requests it. (STS API
    /// Reference, `AssumeRole`, `DurationSeconds`.)
    #[must_use]
    pub fn lasts(&self, is_chained: bool) -> Option<u32> {
        const CHAINED: i64 = 3600;
        let seconds = self.duration()?;
        u32::try_from(if is_chained { seconds.min(CHAINED) } else { seconds }).ok()
    }

    /// How often the action attempts a failing call (`retryAndBackoff`); the SDK tries each up to three times.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        const USUAL: u32 = 12;
        let most = self
            .get(Input::RetryMaxAttempts)
            .and_then(parse_int)
            .filter(|most| *most != 0);
        if self.is_on(Input::SpecialCharactersWorkaround) {
            USUAL
        } else if self.is_on(Input::DisableRetry) {
            1
        } else {
            most.map_or(USUAL, |most| u32::try_from(most).unwrap_or(1))
        }
    }

    /// `RoleArn` as sent: anything that doesn't begin like an ARN is the name of a role in the account of the caller's
    /// credentials.
    #[must_use]
    pub fn role_arn(&self, account: Option<&str>) -> Option<String> {
        let role = self.given(Input::RoleToAssume)?;
        if is_arn(role) {
            return Some(role.to_owned());
        }
        Some(format!("arn:aws:iam::{}:role/{role}", account?))
    }

    /// The accounts that the step may end with; empty if it accepts any.
    #[must_use]
    pub fn allowed_accounts(&self) -> Vec<&str> {
        let list = self
            .get(Input::AllowedAccountIds)
            .unwrap_or_default()
            .split(',')
            .map(trim);
        let accounts: Vec<&str> = list.collect();
        // With an empty first entry there is no list (`validateAccountId`).
        if accounts.first().is_some_and(|first| !first.is_empty()) {
            accounts
        } else {
            Vec::new()
        }
    }
}

/// What is known about a step's surroundings, besides its inputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Around {
    /// Whether the token service's variables are set.
    pub may_ask: Option<bool>,
    /// Whether there are AWS credentials that AWS accepts, and that the step doesn't take out of the environment.
    pub valid: Option<bool>,
}

/// How the action gets credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// An access key in the inputs.
    AccessKey,
    /// Whatever AWS credentials the environment has, because the job may not request an ID token.
    Ambient,
    /// The environment's credentials, on purpose: `role-chaining`.
    Chaining,
    /// The existing credentials are kept as they are: `use-existing-credentials`.
    Existing,
    /// No role to assume.
    NoRole,
    /// `force-skip-oidc`, and no other source of credentials.
    Nothing,
    /// The job's ID token.
    Oidc,
    /// A token from a file.
    TokenFile,
}

impl Flow {
    /// Its name in the report JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AccessKey => "keys",
            Self::Ambient | Self::NoRole => "ambient",
            Self::Chaining => "chaining",
            Self::Existing => "existing",
            Self::Nothing => "none",
            Self::Oidc => "oidc",
            Self::TokenFile => "token-file",
        }
    }

    /// Whether AWS is called with AWS credentials, not with a token.
    #[must_use]
    pub fn has_credentials(self) -> bool {
        !matches!(self, Self::Nothing | Self::Oidc | Self::TokenFile)
    }

    /// Whether the step ends with the credentials that it began with.
    #[must_use]
    pub fn keeps(self) -> bool {
        matches!(self, Self::Existing | Self::NoRole)
    }
}

/// Why the step fails by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// A boolean input that is neither `true` nor `false`.
    Boolean(Input),
    /// `custom-tags` that the action rejects, and why.
    CustomTags(String),
    /// `force-skip-oidc` with a role, and no credentials to assume it with.
    ForceSkipOidc,
    /// An access key id without its secret.
    KeyWithoutSecret,
    /// A profile name that cannot be written.
    Profile,
    /// No region, or an impossible one.
    Region,
    /// A role's name without an account to complete it.
    RoleName,
    /// A session name that the action rejects.
    SessionName,
}

/// Variables that the action needs to assume a role (`src/assumeRole.ts`).
pub(crate) const REQUIRED_VARIABLES: [&str; 6] = [
    "GITHUB_REPOSITORY",
    "GITHUB_WORKFLOW",
    "GITHUB_ACTION",
    "GITHUB_ACTOR",
    "GITHUB_SHA",
    "GITHUB_WORKSPACE",
];

/// The action's own test: anything else counts as a role's name.
fn is_arn(role: &str) -> bool {
    role.starts_with("arn:aws")
}

/// Like `core.getInput` of actions/toolkit: JavaScript's `trim` also removes a byte-order mark.
#[must_use]
pub(crate) fn trim(value: &str) -> &str {
    value.trim_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}')
}

/// A boolean as actions/toolkit reads it (YAML 1.2's core schema).
#[must_use]
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match trim(text) {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// JavaScript's `parseInt(text)`: the leading integer; one that is too large becomes the largest.
fn parse_int(text: &str) -> Option<i64> {
    let text = trim(text);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(digits.len());
    let digits = digits.get(..end).filter(|digits| !digits.is_empty())?;
    Some(
        digits
            .parse::<i32>()
            .map_or(i64::from(i32::MAX), |number| sign * i64::from(number)),
    )
}

/// Text, or a number or boolean in its place: YAML inputs are text whatever they look like.
#[derive(Debug)]
pub(crate) struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::String(text) => Ok(Self(text)),
            value @ (Value::Bool(_) | Value::Number(_)) => Ok(Self(value.to_string())),
            _ => Err(serde::de::Error::custom(
                "expected a string, a number, `true` or `false`",
            )),
        }
    }
}

#[cfg(test)]
mod tests;
