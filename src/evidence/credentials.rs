//! Where AWS credentials come from. A saved run names the source; unknown names are kept as they are.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where credentials were taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum CredentialSource {
    /// The SDK's default chain.
    DefaultChain,
    /// The session of the `diagnosis-role` input.
    DiagnosisRole,
    /// The variables `AWS_ACCESS_KEY_ID` and so on.
    Environment,
    /// The session that the previous hop returned.
    HopBefore,
    /// The step's inputs.
    Inputs,
    /// The profile that `AWS_PROFILE` names.
    Profile,
    /// A name found in a saved run.
    Other(String),
}

impl CredentialSource {
    const KNOWN: [Self; 6] = [
        Self::DefaultChain,
        Self::DiagnosisRole,
        Self::Environment,
        Self::HopBefore,
        Self::Inputs,
        Self::Profile,
    ];

    /// Returns its name in a saved run.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::DefaultChain => "default chain",
            Self::DiagnosisRole => "diagnosis-role",
            Self::Environment => "environment",
            Self::HopBefore => "the hop before",
            Self::Inputs => "inputs",
            Self::Profile => "profile",
            Self::Other(name) => name,
        }
    }
}

impl Default for CredentialSource {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl From<String> for CredentialSource {
    fn from(name: String) -> Self {
        let mut known = Self::KNOWN.into_iter();
        known.find(|known| known.name() == name).unwrap_or(Self::Other(name))
    }
}

impl From<CredentialSource> for String {
    fn from(source: CredentialSource) -> Self {
        match source {
            CredentialSource::Other(name) => name,
            known => known.name().to_owned(),
        }
    }
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which AWS credentials an environment holds: what the SDK's default chain would find first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum HeldCredentials {
    /// A container's.
    Container,
    /// The variables `AWS_ACCESS_KEY_ID` and so on.
    Environment,
    /// None.
    None,
    /// The profile that `AWS_PROFILE` names.
    Profile,
    /// A token file, from `AWS_WEB_IDENTITY_TOKEN_FILE`.
    WebIdentity,
    /// A name found in a saved run.
    Other(String),
}

impl HeldCredentials {
    const KNOWN: [Self; 5] = [
        Self::Container,
        Self::Environment,
        Self::None,
        Self::Profile,
        Self::WebIdentity,
    ];

    /// Returns its name in a saved run.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Container => "container",
            Self::Environment => "environment",
            Self::None => "none",
            Self::Profile => "profile",
            Self::WebIdentity => "web-identity",
            Self::Other(name) => name,
        }
    }
}

impl From<String> for HeldCredentials {
    fn from(name: String) -> Self {
        let mut known = Self::KNOWN.into_iter();
        known.find(|known| known.name() == name).unwrap_or(Self::Other(name))
    }
}

impl From<HeldCredentials> for String {
    fn from(held: HeldCredentials) -> Self {
        match held {
            HeldCredentials::Other(name) => name,
            known => known.name().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn words_that_nobody_knows_stay_as_they_are() {
        for (word, is_known) in [
            ("environment", true),
            ("the hop before", true),
            ("default chain", true),
            ("inputs", true),
            ("Environment", false),
            ("***", false),
            ("", false),
        ] {
            let source: CredentialSource = from_value(json!(word)).unwrap();
            assert_eq!(!matches!(source, CredentialSource::Other(_)), is_known, "{word}");
            assert_eq!(to_value(source).unwrap(), json!(word));
        }
        for (word, is_known) in [("none", true), ("web-identity", true), ("", false), ("sso", false)] {
            let held: HeldCredentials = from_value(json!(word)).unwrap();
            assert_eq!(!matches!(held, HeldCredentials::Other(_)), is_known, "{word}");
            assert_eq!(to_value(held).unwrap(), json!(word));
        }
        assert_eq!(CredentialSource::default().name(), "");
    }
}
