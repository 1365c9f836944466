//! aws-actions/configure-aws-credentials, as a pure function of its inputs: what they are called and mean, which way it takes to
//! credentials, and what it sends. Everything that is said of that action is said here, and rests on its source at v6.2.3:
//! `action.yml` (inputs and defaults), `src/helpers.ts` (variables that stand in for inputs), `src/index.ts` (the way it takes),
//! `src/assumeRole.ts` (what it sends).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::Value;

/// An input of configure-aws-credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    missing_docs,
    reason = "the names are the action's own; the table below says what each means"
)]
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
            "If set, configure-aws-credentials does not use OIDC; it is not kept",
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
        spec(I::AwsSecretAccessKey, "aws-secret-access-key", None, Secret, "KEY", ""),
        spec(I::AwsSessionToken, "aws-session-token", None, Secret, "TOKEN", ""),
        spec(
            I::UnsetCurrentCredentials,
            "unset-current-credentials",
            Some("UNSET_CURRENT_CREDENTIALS"),
            Boolean,
            "BOOL",
            "",
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
            "",
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
pub const GIVEN: &str = "***";

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

    /// The way that the action takes (`src/index.ts`, the first that fits); `may_ask`: are the token service's variables there?
    /// An input that is not known is taken as not given.
    #[must_use]
    pub fn flow(&self, may_ask: Option<bool>) -> Flow {
        let key = self.given(Input::AwsAccessKeyId).is_some();
        let file = self.given(Input::WebIdentityTokenFile).is_some();
        if self.is_empty(Input::RoleToAssume) && !key {
            Flow::NoRole
        } else if self.is_on(Input::ForceSkipOidc) && !key && !file {
            Flow::Nothing
        } else if file {
            Flow::TokenFile
        } else if key {
            Flow::AccessKey
        } else if self.is_on(Input::RoleChaining) {
            Flow::Chaining
        } else if may_ask == Some(false) {
            Flow::Ambient
        } else {
            Flow::Oidc
        }
    }
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
    /// No role to assume.
    NoRole,
    /// `force-skip-oidc`, and nothing else to go on with.
    Nothing,
    /// The job's ID token.
    Oidc,
    /// A token from a file.
    TokenFile,
}

/// As `core.getInput` of actions/toolkit: JavaScript's `trim` takes a byte-order mark as well.
#[must_use]
pub fn trim(value: &str) -> &str {
    value.trim_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}')
}

/// A boolean as actions/toolkit reads it (YAML 1.2's core schema).
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
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
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::String(text) => Ok(Self(text)),
            value @ (Value::Bool(_) | Value::Number(_)) => Ok(Self(value.to_string())),
            _ => Err(serde::de::Error::custom("expected a text, a number, `true` or `false`")),
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
        use Flow::{AccessKey, Ambient, Chaining, NoRole, Nothing, Oidc, TokenFile};
        let role = ("role-to-assume", "arn:x");
        let key = ("aws-access-key-id", "A");
        let file = ("web-identity-token-file", "f");
        let chaining = ("role-chaining", "TRUE");
        let skip = ("force-skip-oidc", "true");
        for (with, may_ask, want) in [
            (&[][..], Some(true), NoRole),
            (&[role], Some(true), Oidc),
            (&[role], None, Oidc),
            (&[role], Some(false), Ambient),
            (&[role, skip], Some(true), Nothing),
            (&[role, skip, chaining], Some(true), Nothing),
            (&[role, skip, key], Some(true), AccessKey),
            (&[role, key], Some(true), AccessKey),
            (&[key], Some(true), AccessKey),
            (&[role, key, file], Some(true), TokenFile),
            (&[role, file, chaining], Some(true), TokenFile),
            (&[role, chaining], Some(false), Chaining),
            (&[role, ("role-chaining", "yes")], Some(true), Oidc),
        ] {
            assert_eq!(Inputs::of_step(with.iter().copied()).flow(may_ask), want, "{with:?}");
        }
        assert_eq!(Inputs::default().flow(Some(true)), Oidc, "nothing is known of the role");
    }
}
