//! aws-actions/configure-aws-credentials, as a pure function of its inputs: what they are called and mean, which way it takes to
//! credentials, and what it sends. Everything that is said of that action is said here, and rests on its source at v6.2.3:
//! `action.yml` (inputs and defaults), `src/helpers.ts` (variables that stand in for inputs), `src/index.ts` (the way it takes),
//! `src/assumeRole.ts` (what it sends).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::Value;

use crate::text::masked::is_masked;

/// An input of configure-aws-credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
// The names are the action's own; the table below says what each means.
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

/// How an input's text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As it stands.
    Text,
    /// `true` or `false`, as YAML 1.2's core schema writes them; anything else stops the action.
    Boolean,
    /// What JavaScript's `parseInt` makes of it; the default where that is 0 or no number.
    Number,
    /// A text of several lines, an entry each.
    Lines,
    /// On where there is any text, `false` too.
    Presence,
    /// A key: it is known to be there, and never kept.
    Secret,
}

/// What an input is.
#[derive(Debug)]
pub struct Spec {
    /// Which.
    pub input: Input,
    /// Its name in a `with:` block.
    pub name: &'static str,
    /// The variable that is taken where the input is empty, or none.
    pub variable: Option<&'static str>,
    /// What an empty one comes to.
    pub default: &'static str,
    /// How it is read.
    pub kind: Kind,
    /// What stands for its value in a help text.
    pub value: &'static str,
    /// What it does; empty where it changes nothing for a diagnosis.
    pub help: &'static str,
}

const fn spec(
    input: Input,
    name: &'static str,
    variable: Option<&'static str>,
    kind: Kind,
    value: &'static str,
    help: &'static str,
) -> Spec {
    Spec {
        input,
        name,
        variable,
        default: "",
        kind,
        value,
        help,
    }
}

/// All inputs, in the order of [`Input`].
pub const INPUTS: [Spec; 32] = {
    use Input as I;
    use Kind::{Boolean, Lines, Number, Presence, Secret, Text};
    [
        spec(
            I::RoleToAssume,
            "role-to-assume",
            Some("ROLE_TO_ASSUME"),
            Text,
            "ARN",
            "ARN of the role to assume",
        ),
        spec(
            I::AwsRegion,
            "aws-region",
            Some("AWS_REGION"),
            Text,
            "REGION",
            "Region of the STS endpoint to call",
        ),
        Spec {
            default: "sts.amazonaws.com",
            ..spec(
                I::Audience,
                "audience",
                None,
                Text,
                "TEXT",
                "Audience of the token [default: sts.amazonaws.com]",
            )
        },
        Spec {
            default: "GitHubActions",
            ..spec(
                I::RoleSessionName,
                "role-session-name",
                Some("ROLE_SESSION_NAME"),
                Text,
                "NAME",
                "Name of the session [default: GitHubActions]",
            )
        },
        Spec {
            default: "3600",
            ..spec(
                I::RoleDurationSeconds,
                "role-duration-seconds",
                Some("ROLE_DURATION_SECONDS"),
                Number,
                "SECONDS",
                "Length of the session [default: 3600]",
            )
        },
        spec(
            I::RoleChaining,
            "role-chaining",
            Some("ROLE_CHAINING"),
            Boolean,
            "BOOL",
            "Assume the role with the credentials in the environment",
        ),
        spec(
            I::RoleExternalId,
            "role-external-id",
            Some("ROLE_EXTERNAL_ID"),
            Text,
            "ID",
            "External ID of a chained role",
        ),
        spec(
            I::RoleSkipSessionTagging,
            "role-skip-session-tagging",
            Some("ROLE_SKIP_SESSION_TAGGING"),
            Boolean,
            "BOOL",
            "Send no session tags to a chained role",
        ),
        spec(
            I::InlineSessionPolicy,
            "inline-session-policy",
            Some("INLINE_SESSION_POLICY"),
            Text,
            "JSON",
            "Session policy",
        ),
        spec(
            I::ManagedSessionPolicies,
            "managed-session-policies",
            Some("MANAGED_SESSION_POLICIES"),
            Lines,
            "ARNS",
            "ARNs of managed session policies, one per line",
        ),
        spec(
            I::AllowedAccountIds,
            "allowed-account-ids",
            None,
            Text,
            "IDS",
            "Account numbers allowed for the role, comma-separated",
        ),
        spec(
            I::AwsAccessKeyId,
            "aws-access-key-id",
            None,
            Secret,
            "KEY",
            "If set, configure-aws-credentials does not use OIDC; never shown",
        ),
        spec(
            I::WebIdentityTokenFile,
            "web-identity-token-file",
            Some("WEB_IDENTITY_TOKEN_FILE"),
            Text,
            "FILE",
            "If set, configure-aws-credentials reads the token from this file",
        ),
        spec(
            I::ForceSkipOidc,
            "force-skip-oidc",
            None,
            Boolean,
            "BOOL",
            "Prevents configure-aws-credentials from using OIDC",
        ),
        spec(
            I::UseExistingCredentials,
            "use-existing-credentials",
            Some("USE_EXISTING_CREDENTIALS"),
            Presence,
            "TEXT",
            "Makes configure-aws-credentials stop if the environment has valid credentials",
        ),
        spec(
            I::AwsProfile,
            "aws-profile",
            None,
            Text,
            "NAME",
            "Profile that configure-aws-credentials writes to",
        ),
        spec(
            I::CustomTags,
            "custom-tags",
            None,
            Text,
            "JSON",
            "Additional session tags for a chained role",
        ),
        spec(
            I::TransitiveTagKeys,
            "transitive-tag-keys",
            Some("TRANSITIVE_TAG_KEYS"),
            Lines,
            "KEYS",
            "Session tags that a chained session passes on, one per line",
        ),
        spec(
            I::StsEndpoint,
            "sts-endpoint",
            None,
            Text,
            "URL",
            "STS endpoint to use instead of the region's",
        ),
        spec(
            I::HttpProxy,
            "http-proxy",
            None,
            Text,
            "URL",
            "Proxy for the calls to STS",
        ),
        spec(
            I::NoProxy,
            "no-proxy",
            None,
            Text,
            "HOSTS",
            "Hosts to reach without that proxy",
        ),
        spec(
            I::AwsSecretAccessKey,
            "aws-secret-access-key",
            None,
            Secret,
            "KEY",
            "Secret of that access key; shown nowhere",
        ),
        spec(
            I::AwsSessionToken,
            "aws-session-token",
            None,
            Secret,
            "TOKEN",
            "Session token of that access key; shown nowhere",
        ),
        spec(
            I::UnsetCurrentCredentials,
            "unset-current-credentials",
            Some("UNSET_CURRENT_CREDENTIALS"),
            Boolean,
            "BOOL",
            "Whether the step takes the credentials out of the environment first",
        ),
        spec(
            I::OutputCredentials,
            "output-credentials",
            Some("OUTPUT_CREDENTIALS"),
            Boolean,
            "BOOL",
            "",
        ),
        spec(
            I::OutputEnvCredentials,
            "output-env-credentials",
            None,
            Boolean,
            "BOOL",
            "Whether the step exports its credentials to the steps after it",
        ),
        spec(
            I::OverwriteAwsProfile,
            "overwrite-aws-profile",
            Some("OVERWRITE_AWS_PROFILE"),
            Boolean,
            "BOOL",
            "",
        ),
        spec(
            I::MaskAwsAccountId,
            "mask-aws-account-id",
            Some("MASK_AWS_ACCOUNT_ID"),
            Boolean,
            "BOOL",
            "",
        ),
        spec(
            I::DisableRetry,
            "disable-retry",
            Some("DISABLE_RETRY"),
            Boolean,
            "BOOL",
            "",
        ),
        spec(
            I::RetryMaxAttempts,
            "retry-max-attempts",
            Some("RETRY_MAX_ATTEMPTS"),
            Number,
            "N",
            "",
        ),
        spec(
            I::SpecialCharactersWorkaround,
            "special-characters-workaround",
            Some("SPECIAL_CHARACTERS_WORKAROUND"),
            Boolean,
            "BOOL",
            "",
        ),
        spec(I::ActionTimeoutS, "action-timeout-s", None, Number, "SECONDS", ""),
    ]
};

impl Input {
    /// What it is.
    #[must_use]
    pub fn spec(self) -> &'static Spec {
        // The table is in the order of the enum; a test holds it.
        INPUTS.get(self as usize).unwrap_or(&INPUTS[0])
    }

    /// Its name in a `with:` block.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// The input of this name; GitHub does not look at their case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let found = INPUTS.iter().find(|spec| spec.name.eq_ignore_ascii_case(name));
        found.map(|spec| spec.input)
    }
}

/// What stands for a key that was given.
pub(crate) const GIVEN: &str = "***";

/// The inputs of a step. One that is absent is not known; one that is `""` was empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs(BTreeMap<Input, String>);

impl Inputs {
    /// The inputs of a step whose `with:` block is known whole, as names and values: what is not in it is empty, and an
    /// expression is not known.
    #[must_use]
    pub fn of_step<'a>(with: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut inputs: BTreeMap<_, _> = INPUTS.iter().map(|spec| (spec.input, String::new())).collect();
        for (name, value) in with {
            let Some(input) = Input::named(name) else { continue };
            if input.spec().kind == Kind::Secret {
                inputs.insert(input, GIVEN.to_owned());
            } else if value.contains("${{") {
                inputs.remove(&input);
            } else {
                inputs.insert(input, trim(value).to_owned());
            }
        }
        Self(inputs)
    }

    /// An input as it stands.
    #[must_use]
    pub fn get(&self, input: Input) -> Option<&str> {
        self.0.get(&input).map(String::as_str)
    }

    /// An input that is known and not blank, without the white space around it.
    #[must_use]
    pub fn given(&self, input: Input) -> Option<&str> {
        self.get(input).map(trim).filter(|text| !text.is_empty())
    }

    /// Is it known to be empty?
    #[must_use]
    pub fn is_empty(&self, input: Input) -> bool {
        self.get(input).is_some_and(|text| trim(text).is_empty())
    }

    /// Is a switch on?
    #[must_use]
    pub fn is_on(&self, input: Input) -> bool {
        match input.spec().kind {
            Kind::Boolean => self.given(input).is_some_and(|text| boolean(text) == Some(true)),
            _ => self.given(input).is_some(),
        }
    }

    /// Sets an input. A key is not kept.
    pub fn set(&mut self, input: Input, value: impl Into<String>) {
        let value = value.into();
        let value = match input.spec().kind {
            Kind::Secret if !trim(&value).is_empty() => GIVEN.to_owned(),
            _ => value,
        };
        self.0.insert(input, value);
    }

    /// Takes an input that is empty for one that is not known.
    pub fn forget_empty(&mut self, input: Input) {
        if self.is_empty(input) {
            self.0.remove(&input);
        }
    }

    /// Those that are known, with their texts.
    pub fn iter(&self) -> impl Iterator<Item = (Input, &str)> {
        self.0.iter().map(|(input, value)| (*input, value.as_str()))
    }

    /// Lays others over these.
    pub fn overlay(&mut self, others: &Self) {
        let others = others.0.iter().map(|(input, value)| (*input, value.clone()));
        self.0.extend(others);
    }

    /// Fills what is empty as the action does: from the environment's variables, then with its defaults. What is unknown stays
    /// so.
    pub fn complete<'a>(&mut self, variable: impl Fn(&str) -> Option<&'a str>) {
        for spec in &INPUTS {
            if let Some(value) = self.0.get_mut(&spec.input).filter(|value| value.is_empty()) {
                let found = spec.variable.and_then(&variable).unwrap_or(spec.default);
                trim(found).clone_into(value);
            }
        }
    }

    /// `DurationSeconds` as it is sent; `None` where the input is not known.
    #[must_use]
    pub fn duration(&self) -> Option<i64> {
        let text = self.get(Input::RoleDurationSeconds)?;
        Some(parse_int(text).filter(|seconds| *seconds != 0).unwrap_or(3600))
    }

    /// `RoleSessionName` as it is sent; `None` where the input is not known.
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

    /// The way that the action takes (`src/index.ts`, the first that fits). An input that is not known is taken as not given.
    #[must_use]
    pub fn flow(&self, around: Around) -> Flow {
        let key = self.given(Input::AwsAccessKeyId).is_some();
        let file = self.given(Input::WebIdentityTokenFile).is_some();
        let no_role = self.is_empty(Input::RoleToAssume);
        if self.is_on(Input::ForceSkipOidc) && !no_role && !key && !file {
            Flow::Nothing
        } else if self.is_on(Input::UseExistingCredentials) && around.valid == Some(true) && !self.unsets() {
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

    /// Which input or variable leads to a way that [`Self::flow`] found.
    #[must_use]
    pub fn why(&self, flow: Flow) -> &'static str {
        match flow {
            Flow::AccessKey if self.is_empty(Input::RoleToAssume) => {
                "`aws-access-key-id` is given and `role-to-assume` is empty, so it hands that key on and assumes no role"
            }
            Flow::AccessKey => "`aws-access-key-id` is given, so it uses that key and never the ID token",
            Flow::Ambient => {
                "`ACTIONS_ID_TOKEN_REQUEST_TOKEN` is not set (no `id-token: write`), so it uses whatever AWS credentials it finds"
            }
            Flow::Chaining => {
                "`role-chaining: true`, so it uses the credentials in the environment and never the ID token"
            }
            Flow::Existing => {
                "`use-existing-credentials` is set and the environment's credentials are valid, so it keeps those and assumes no role"
            }
            Flow::NoRole => {
                "`role-to-assume` is empty, so it keeps whatever AWS credentials it finds and assumes no role"
            }
            Flow::Nothing => {
                "`force-skip-oidc: true` with a role, and neither `aws-access-key-id` nor `web-identity-token-file`, so it stops before AWS"
            }
            Flow::Oidc => {
                "`role-to-assume` is given and the job is allowed to request an ID token, so it sends that token"
            }
            Flow::TokenFile => {
                "`web-identity-token-file` is given, so it sends the token in that file and never the job's ID token"
            }
        }
    }

    /// Why the step fails by itself on this way, whatever AWS would say: the first that the action comes to
    /// (`src/index.ts`, `src/assumeRole.ts`). An input that is not known stops nothing.
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
        // Written before the keys are used, else once the role was assumed (`src/profileManager.ts`).
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

    /// Does the step succeed without asking AWS for anything? Without a role, a token file keeps it from looking for
    /// credentials (`src/index.ts`).
    #[must_use]
    pub fn does_nothing(&self, flow: Flow) -> bool {
        let has_file = self.given(Input::WebIdentityTokenFile).is_some();
        flow == Flow::NoRole && has_file && !self.is_on(Input::RoleChaining)
    }

    /// Does the step export its credentials and its region as variables?
    #[must_use]
    pub fn exports(&self) -> bool {
        let asked = self.given(Input::OutputEnvCredentials).and_then(boolean);
        asked.unwrap_or(self.given(Input::AwsProfile).is_none())
    }

    /// Are the credentials that the step ends with found by the steps after it? Also by its own call, where they are keys among
    /// its inputs. The default profile is found without being named.
    #[must_use]
    pub fn hands_on(&self) -> bool {
        self.exports() || self.given(Input::AwsProfile) == Some("default")
    }

    /// Does the step take the credentials out of the environment before it looks for any?
    #[must_use]
    pub fn unsets(&self) -> bool {
        self.is_on(Input::UnsetCurrentCredentials) && self.exports()
    }

    /// How long the session lasts that AWS gives the step, in seconds: an hour at most where a session asks for it. (STS API
    /// Reference, `AssumeRole`, `DurationSeconds`.)
    #[must_use]
    pub fn lasts(&self, is_chained: bool) -> Option<u32> {
        const CHAINED: i64 = 3600;
        let seconds = self.duration()?;
        u32::try_from(if is_chained { seconds.min(CHAINED) } else { seconds }).ok()
    }

    /// How often the action makes a call that fails (`retryAndBackoff`); the SDK makes up to three of each.
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

    /// The session tags of an `AssumeRole` call, with the runner's variables; none where they are skipped.
    ///
    /// # Errors
    /// What is wrong with `custom-tags`.
    pub fn tags<'a>(&self, variable: impl Fn(&str) -> Option<&'a str>) -> Result<Vec<Tag>, String> {
        let own = TAG_SOURCES.iter().filter_map(|(key, name, droppable)| {
            Some(Tag {
                key: (*key).to_owned(),
                value: sanitized(variable(name)?),
                droppable: *droppable,
            })
        });
        let mut tags = vec![Tag {
            key: "GitHub".to_owned(),
            value: "Actions".to_owned(),
            droppable: false,
        }];
        tags.extend(own);
        if let Some(text) = self.given(Input::CustomTags) {
            let custom = custom_tags(text, tags.len())?;
            tags.extend(custom);
        }
        if self.is_on(Input::RoleSkipSessionTagging) {
            tags.clear();
        }
        Ok(tags)
    }

    /// Those of the names in `transitive-tag-keys` that a tag of this step may have: the others are dropped without a word.
    #[must_use]
    pub fn transitive_names(&self) -> Vec<String> {
        self.tags(|_| Some(""))
            .map_or_else(|_| Vec::new(), |tags| self.transitive_keys(&tags))
    }

    /// The names of the tags that the action sends of itself, in some version or in all.
    pub fn tag_names() -> impl Iterator<Item = &'static str> {
        TAG_SOURCES.iter().map(|(name, ..)| *name)
    }

    /// Those of the keys in `transitive-tag-keys` that have a tag: the others are dropped without a word.
    #[must_use]
    pub fn transitive_keys(&self, tags: &[Tag]) -> Vec<String> {
        let lines = self
            .get(Input::TransitiveTagKeys)
            .unwrap_or_default()
            .lines()
            .map(str::trim);
        let known = lines.filter(|key| tags.iter().any(|tag| tag.key == **key));
        known.map(str::to_owned).collect()
    }

    /// `RoleArn` as it is sent: what does not begin like an ARN is the name of a role in the account of the credentials
    /// that ask.
    #[must_use]
    pub fn role_arn(&self, account: Option<&str>) -> Option<String> {
        let role = self.given(Input::RoleToAssume)?;
        if is_arn(role) {
            return Some(role.to_owned());
        }
        Some(format!("arn:aws:iam::{}:role/{role}", account?))
    }

    /// The accounts that the step may end with; none where it takes any.
    #[must_use]
    pub fn allowed_accounts(&self) -> Vec<&str> {
        let list = self
            .get(Input::AllowedAccountIds)
            .unwrap_or_default()
            .split(',')
            .map(trim);
        let accounts: Vec<&str> = list.collect();
        // An empty first entry is no list (`validateAccountId`).
        if accounts.first().is_some_and(|first| !first.is_empty()) {
            accounts
        } else {
            Vec::new()
        }
    }
}

/// What is known around a step, beside its inputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Around {
    /// Are the token service's variables there?
    pub may_ask: Option<bool>,
    /// Are there AWS credentials at hand, and does AWS take them?
    pub valid: Option<bool>,
}

/// The way to credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// An access key among the inputs.
    AccessKey,
    /// Whatever AWS credentials the environment has, because no ID token may be asked for.
    Ambient,
    /// The credentials of the environment, on purpose: `role-chaining`.
    Chaining,
    /// The credentials at hand are kept as they are: `use-existing-credentials`.
    Existing,
    /// No role to assume.
    NoRole,
    /// `force-skip-oidc`, and nothing else to go on with.
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

    /// Is AWS asked with AWS credentials, and not with a token?
    #[must_use]
    pub fn has_credentials(self) -> bool {
        !matches!(self, Self::Nothing | Self::Oidc | Self::TokenFile)
    }

    /// Does the step end with the credentials that it began with?
    #[must_use]
    pub fn keeps(self) -> bool {
        matches!(self, Self::Existing | Self::NoRole)
    }
}

/// Why the step fails by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// An input that is neither `true` nor `false`.
    Boolean(Input),
    /// `custom-tags` that the action does not take, and why.
    CustomTags(String),
    /// `force-skip-oidc` with a role, and nothing to assume it with.
    ForceSkipOidc,
    /// The id of an access key without its secret.
    KeyWithoutSecret,
    /// The name of a profile that cannot be written.
    Profile,
    /// No region, or one that cannot be one.
    Region,
    /// The name of a role, and no account to complete it with.
    RoleName,
    /// A session name that the action does not take.
    SessionName,
}

/// A session tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Is it left out where the tags are too large together?
    pub droppable: bool,
}

/// Key, variable, and whether the tag is left out where the tags are too large together.
const TAG_SOURCES: [(&str, &str, bool); 12] = [
    ("Repository", "GITHUB_REPOSITORY", false),
    ("Workflow", "GITHUB_WORKFLOW", false),
    ("Action", "GITHUB_ACTION", false),
    ("Actor", "GITHUB_ACTOR", false),
    ("Commit", "GITHUB_SHA", false),
    ("Branch", "GITHUB_REF", false),
    ("EventName", "GITHUB_EVENT_NAME", true),
    ("BaseRef", "GITHUB_BASE_REF", true),
    ("HeadRef", "GITHUB_HEAD_REF", true),
    ("RunId", "GITHUB_RUN_ID", true),
    ("Job", "GITHUB_JOB", true),
    ("TriggeringActor", "GITHUB_TRIGGERING_ACTOR", true),
];

/// Variables without which the action assumes no role (`src/assumeRole.ts`).
pub(crate) const REQUIRED_VARIABLES: [&str; 6] = [
    "GITHUB_REPOSITORY",
    "GITHUB_WORKFLOW",
    "GITHUB_ACTION",
    "GITHUB_ACTOR",
    "GITHUB_SHA",
    "GITHUB_WORKSPACE",
];

/// The action's own test: all else is taken for a role's name.
fn is_arn(role: &str) -> bool {
    role.starts_with("arn:aws")
}

/// May this stand in a tag? (`[\p{L}\p{Z}\p{N}_.:/=+\-@]`)
fn is_tag_letter(c: char) -> bool {
    c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c)
}

/// A variable as a tag's value (`sanitizeGitHubVariables`).
fn sanitized(value: &str) -> String {
    const MOST: usize = 256;
    value
        .chars()
        .map(|c| if is_tag_letter(c) { c } else { '_' })
        .take(MOST)
        .collect()
}

/// The input `custom-tags`, beside so many tags (`parseAndValidateCustomTags`).
fn custom_tags(text: &str, beside: usize) -> Result<Vec<Tag>, String> {
    const MOST: usize = 50;
    let parsed = serde_json::from_str(text).map_err(|_| "it is not JSON".to_owned())?;
    let Value::Object(map) = parsed else {
        return Err("it is not a JSON object".to_owned());
    };
    let mut tags = Vec::new();
    for (key, value) in map {
        let value = match value {
            Value::String(text) => text,
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            _ => {
                return Err(format!(
                    "the value of `{key}` is neither a string nor a number, `true` or `false`"
                ));
            }
        };
        let (letters, most) = (key.encode_utf16().count(), value.encode_utf16().count());
        if !(1..=128).contains(&letters) {
            return Err(format!(
                "the key `{key}` has {letters} characters, and 1 to 128 are allowed"
            ));
        }
        if most > 256 {
            return Err(format!(
                "the value of `{key}` has {most} characters, and 256 are allowed"
            ));
        }
        if let Some(odd) = key.chars().chain(value.chars()).find(|c| !is_tag_letter(*c)) {
            return Err(format!(
                "the tag `{key}` contains `{odd}`; only letters, digits, spaces and `_.:/=+-@` are allowed"
            ));
        }
        if key == "GitHub" || TAG_SOURCES.iter().any(|(own, ..)| *own == key) {
            return Err(format!("the key `{key}` is one that the action sets itself"));
        }
        tags.push(Tag {
            key,
            value,
            droppable: false,
        });
    }
    if beside + tags.len() > MOST {
        return Err(format!(
            "there are {} tags with the action's own, and {MOST} are allowed",
            beside + tags.len()
        ));
    }
    Ok(tags)
}

/// As `core.getInput` of actions/toolkit: JavaScript's `trim` takes a byte-order mark as well.
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

/// JavaScript's `parseInt(text)`: the integer at the front; one that is too large is the largest.
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

/// A text, or a number or boolean in its place: YAML inputs are texts whatever they look like.
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
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_inputs() {
        for (index, spec) in INPUTS.iter().enumerate() {
            assert_eq!(spec.input as usize, index, "{}", spec.name);
            assert_eq!(Input::named(&spec.name.to_uppercase()), Some(spec.input));
        }
    }

    #[test]
    fn a_duration_is_what_javascript_makes_of_it() {
        for (text, want) in [
            ("", 3600),
            ("0", 3600),
            ("one hour", 3600),
            ("900", 900),
            (" 900 s", 900),
            ("1h", 1),
            ("3600.5", 3600),
            ("-5", -5),
            ("+5", 5),
            ("-", 3600),
            ("99999999999", i64::from(i32::MAX)),
        ] {
            let mut inputs = Inputs::default();
            assert_eq!(inputs.duration(), None);
            inputs.set(Input::RoleDurationSeconds, text);
            assert_eq!(inputs.duration(), Some(want), "{text}");
        }
    }

    #[test]
    fn a_steps_inputs_are_known_but_for_expressions() {
        let mut inputs = Inputs::of_step([
            ("Role-To-Assume", " arn:x \n"),
            ("aws-region", "${{ vars.REGION }}"),
            ("aws-secret-access-key", "${{ secrets.KEY }}"),
            ("no-such-input", "x"),
        ]);
        assert_eq!(inputs.get(Input::RoleToAssume), Some("arn:x"));
        assert_eq!(inputs.get(Input::AwsRegion), None);
        assert_eq!(inputs.get(Input::AwsSecretAccessKey), Some(GIVEN));
        assert_eq!(inputs.get(Input::RoleChaining), Some(""));
        inputs.complete(|name| (name == "ROLE_CHAINING").then_some("True"));
        assert!(inputs.is_on(Input::RoleChaining));
        assert_eq!(inputs.get(Input::AwsRegion), None, "unknown stays unknown");
        assert_eq!(inputs.session_name(), Some("GitHubActions"));
    }

    #[test]
    fn the_way_is_the_first_that_fits() {
        use Flow::{AccessKey, Ambient, Chaining, Existing, NoRole, Nothing, Oidc, TokenFile};
        let role = ("role-to-assume", "arn:x");
        let key = ("aws-access-key-id", "A");
        let file = ("web-identity-token-file", "f");
        let chaining = ("role-chaining", "TRUE");
        let skip = ("force-skip-oidc", "true");
        let existing = ("use-existing-credentials", "false");
        let unset = ("unset-current-credentials", "true");
        for (with, may_ask, valid, want) in [
            (&[][..], Some(true), None, NoRole),
            (&[], Some(true), Some(true), NoRole),
            (&[skip], None, None, NoRole),
            (&[chaining], None, None, NoRole),
            (&[role], Some(true), None, Oidc),
            (&[role], Some(true), Some(true), Oidc),
            (&[role], None, None, Oidc),
            (&[role], Some(false), None, Ambient),
            (&[role, skip], Some(true), None, Nothing),
            (&[role, skip, chaining], Some(true), None, Nothing),
            (&[role, skip, key], Some(true), None, AccessKey),
            (&[role, key], Some(true), None, AccessKey),
            (&[key], Some(true), None, AccessKey),
            (&[key, file], Some(true), None, AccessKey),
            (&[role, key, file], Some(true), None, TokenFile),
            (&[role, file, chaining], Some(true), None, TokenFile),
            (&[role, chaining], Some(false), None, Chaining),
            (&[role, chaining], Some(true), Some(true), Chaining),
            (&[role, chaining, key], Some(true), None, AccessKey),
            (&[role, ("role-chaining", "yes")], Some(true), None, Oidc),
            (&[role, existing], Some(true), Some(true), Existing),
            (&[role, existing, key], Some(true), Some(true), Existing),
            (&[existing], Some(true), Some(true), Existing),
            (&[role, existing], Some(true), Some(false), Oidc),
            (&[role, existing], Some(true), None, Oidc),
            (&[role, existing, unset], Some(true), Some(true), Oidc),
            (&[role, existing, skip], Some(true), Some(true), Nothing),
        ] {
            let around = Around { may_ask, valid };
            let inputs = Inputs::of_step(with.iter().copied());
            assert_eq!(inputs.flow(around), want, "{with:?}");
        }
        let around = Around {
            may_ask: Some(true),
            valid: None,
        };
        assert_eq!(Inputs::default().flow(around), Oidc, "nothing is known of the role");
    }

    #[test]
    fn a_step_stops_by_itself_where_the_action_does() {
        let role = ("role-to-assume", "arn:aws:iam::123456789012:role/a");
        let region = ("aws-region", "eu-west-1");
        let key = ("aws-access-key-id", "A");
        let stop = |with: &[(&str, &str)]| {
            let inputs = Inputs::of_step(with.iter().copied());
            inputs.stop(inputs.flow(Around {
                may_ask: Some(true),
                valid: Some(true),
            }))
        };
        for (more, want) in [
            (&[][..], None),
            (&[("aws-region", "EU-west-1")], Some(Stop::Region)),
            (&[("aws-region", "eu_west_1")], Some(Stop::Region)),
            (&[("aws-region", "nowhere")], None),
            (&[("role-chaining", "yes")], Some(Stop::Boolean(Input::RoleChaining))),
            (
                &[("output-credentials", "1")],
                Some(Stop::Boolean(Input::OutputCredentials)),
            ),
            (&[("role-chaining", "TRUE")], None),
            (&[("use-existing-credentials", "nonsense")], None),
            (&[("role-session-name", "x")], Some(Stop::SessionName)),
            (&[("role-session-name", "a b")], Some(Stop::SessionName)),
            (&[("role-session-name", "dependabot[bot]")], Some(Stop::SessionName)),
            (&[("role-session-name", "a.b@c=d,e+f-g_h")], None),
            (&[("force-skip-oidc", "true")], Some(Stop::ForceSkipOidc)),
            (&[key], Some(Stop::KeyWithoutSecret)),
            (&[key, ("use-existing-credentials", "x")], None),
            (&[("aws-profile", "a b")], Some(Stop::Profile)),
            (&[("aws-profile", "a]")], Some(Stop::Profile)),
            (&[("aws-profile", "../a")], Some(Stop::Profile)),
            (&[("aws-profile", "a.b-c")], None),
            (&[key, ("aws-secret-access-key", "s")], None),
            (&[("custom-tags", "{\"a\": 1}")], None),
            (
                &[("custom-tags", "{")],
                Some(Stop::CustomTags("it is not JSON".to_owned())),
            ),
            (
                &[("custom-tags", "[1]")],
                Some(Stop::CustomTags("it is not a JSON object".to_owned())),
            ),
            (
                &[
                    ("aws-region", "***"),
                    ("role-session-name", "***"),
                    ("role-to-assume", "***"),
                ],
                None,
            ),
            (&[("role-to-assume", "deploy")], Some(Stop::RoleName)),
            (&[("role-to-assume", "deploy"), ("role-chaining", "true")], None),
            (
                &[("role-to-assume", "deploy"), ("web-identity-token-file", "f")],
                Some(Stop::RoleName),
            ),
        ] {
            let with: Vec<_> = [role, region].into_iter().chain(more.iter().copied()).collect();
            assert_eq!(stop(&with), want, "{more:?}");
        }
        assert_eq!(stop(&[role]), Some(Stop::Region), "a region is required");
        assert_eq!(stop(&[region, ("custom-tags", "{")]), None, "no role, no tags");
        let unknown = Inputs::default();
        assert_eq!(unknown.stop(Flow::Oidc), None, "what is not known stops nothing");
    }

    #[test]
    fn tags_are_those_that_the_action_sends() {
        let env = |name: &str| match name {
            "GITHUB_REPOSITORY" => Some("acme/widgets"),
            "GITHUB_ACTOR" => Some("dependabot[bot]"),
            "GITHUB_RUN_ID" => Some("42"),
            _ => None,
        };
        let tags = |with: &[(&str, &str)]| Inputs::of_step(with.iter().copied()).tags(env);
        let shown =
            |tags: &[Tag]| -> Vec<String> { tags.iter().map(|tag| format!("{}={}", tag.key, tag.value)).collect() };
        let custom = ("custom-tags", "{\"Team\": \"a b\", \"N\": 7}");
        let found = tags(&[custom]).unwrap();
        let mut names = shown(&found);
        names.sort();
        assert_eq!(
            names,
            [
                "Actor=dependabot_bot_",
                "GitHub=Actions",
                "N=7",
                "Repository=acme/widgets",
                "RunId=42",
                "Team=a b"
            ]
        );
        let kept: Vec<_> = found.iter().filter(|tag| tag.droppable).map(|tag| &*tag.key).collect();
        assert_eq!(kept, ["RunId"]);
        assert_eq!(tags(&[custom, ("role-skip-session-tagging", "true")]).unwrap(), []);
        for odd in [
            "{\"Actor\": \"x\"}",
            "{\"a\": null}",
            "{\"a\": {}}",
            "{\"\": \"x\"}",
            "{\"a\": \"?\"}",
            "7",
        ] {
            assert!(tags(&[("custom-tags", odd)]).is_err(), "{odd}");
        }
        let inputs = Inputs::of_step([("transitive-tag-keys", "Repository\nNone\n RunId ")]);
        assert_eq!(inputs.transitive_keys(&found), ["Repository", "RunId"]);
    }

    #[test]
    fn a_call_that_fails_is_made_as_often_as_the_action_makes_it() {
        let (disabled, most) = ("disable-retry", "retry-max-attempts");
        for (with, want) in [
            (&[][..], 12),
            (&[(most, "3")], 3),
            (&[(most, "0")], 12),
            (&[(most, "-1")], 1),
            (&[(most, "many")], 12),
            (&[(disabled, "true"), (most, "3")], 1),
            (&[(disabled, "true"), ("special-characters-workaround", "true")], 12),
        ] {
            assert_eq!(Inputs::of_step(with.iter().copied()).attempts(), want, "{with:?}");
        }
    }

    #[test]
    fn what_a_step_hands_on_and_whom_it_lets_through() {
        for (with, hands_on, unsets) in [
            (&[][..], true, false),
            (&[("aws-profile", "deploy")], false, false),
            (&[("aws-profile", "default")], true, false),
            (
                &[("aws-profile", "deploy"), ("output-env-credentials", "true")],
                true,
                false,
            ),
            (&[("output-env-credentials", "false")], false, false),
            (&[("unset-current-credentials", "true")], true, true),
            (
                &[
                    ("unset-current-credentials", "true"),
                    ("output-env-credentials", "false"),
                ],
                false,
                false,
            ),
        ] {
            let inputs = Inputs::of_step(with.iter().copied());
            assert_eq!((inputs.hands_on(), inputs.unsets()), (hands_on, unsets), "{with:?}");
        }
        for (list, want) in [("", &[][..]), (" 1 , 2", &["1", "2"]), (",2", &[]), ("1,", &["1", ""])] {
            assert_eq!(
                Inputs::of_step([("allowed-account-ids", list)]).allowed_accounts(),
                want,
                "{list}"
            );
        }
        let named = Inputs::of_step([("role-to-assume", "team/deploy")]);
        assert_eq!(
            named.role_arn(Some("1")).as_deref(),
            Some("arn:aws:iam::1:role/team/deploy")
        );
        assert_eq!(named.role_arn(None), None);
    }
}
