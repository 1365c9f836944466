//! The request that a policy is evaluated for: action, principal, resource and condition keys.

use std::collections::HashMap;

/// One request as AWS's policy engine sees it.
///
/// A key that isn't in it is absent from the request, not unknown: [`Presence::Unknown`] has to be set explicitly.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RequestContext {
    /// The action, `sts:AssumeRoleWithWebIdentity`.
    pub action: String,
    /// The caller.
    pub principal: RequestPrincipal,
    /// The role's ARN, if known.
    pub resource: Option<String>,
    /// Whether parts of the policy and of the request may be hidden (`***`, `<OWNER>`).
    pub(super) has_masks: bool,
    keys: HashMap<String, Presence>,
}

/// Who makes the request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RequestPrincipal {
    /// An AWS principal: the ARN of a user, a role's session, or an account.
    Aws(String),
    /// An identity provider, by its ARN.
    Federated(String),
    /// An AWS service, by its name (`ec2.amazonaws.com`).
    Service(String),
    /// Not known.
    #[default]
    Unknown,
}

/// What a request has for a condition key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// The request doesn't include the key.
    Absent,
    /// It includes the key with a value that can't be known here, or may include it; the reason, in words.
    Unknown(String),
    /// It has these values: a list of any length (a multivalued key), in the request's order.
    Many(Vec<String>),
    /// It has one value.
    One(String),
}

impl RequestPrincipal {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Aws(name) | Self::Federated(name) | Self::Service(name) => name.len(),
            Self::Unknown => 0,
        }
    }
}

impl RequestContext {
    /// A request with no condition keys yet.
    #[must_use]
    pub fn new(action: impl Into<String>, principal: RequestPrincipal, resource: Option<String>) -> Self {
        Self {
            action: action.into(),
            principal,
            resource,
            has_masks: false,
            keys: HashMap::new(),
        }
    }

    /// Treats `***`, `<OWNER>` and the like as hidden parts, in the request and in the policy: they were copied from a log or
    /// from a question someone asked. AWS itself treats them as text.
    #[must_use]
    pub fn with_masks(mut self) -> Self {
        self.has_masks = true;
        self
    }

    /// Reserves room for this many keys.
    #[must_use]
    pub fn with_capacity(mut self, keys: usize) -> Self {
        self.keys.reserve(keys);
        self
    }

    /// Sets a key; names are compared case-insensitively.
    /// ("Context key names are not case-sensitive", IAM User Guide, `reference_policies_elements_condition`.)
    ///
    /// Returns what it was set to before.
    pub fn set(&mut self, key: &str, presence: Presence) -> Option<Presence> {
        self.keys.insert(key.to_ascii_lowercase(), presence)
    }

    /// What the request has for a key.
    #[must_use]
    pub fn get(&self, key: &str) -> &Presence {
        with_lower_case(key, |key| self.keys.get(key)).unwrap_or(&Presence::Absent)
    }

    /// The keys that the request includes or may include, in lower case, sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = self.keys.keys().map(String::as_str).collect();
        keys.sort_unstable();
        keys
    }
}

/// Passes on the text in lower case (ASCII), without allocating unless it is long.
pub(super) fn with_lower_case<R>(text: &str, then: impl FnOnce(&str) -> R) -> R {
    if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return then(text);
    }
    let mut buffer = [0; 256];
    if let Some(lower) = buffer.get_mut(..text.len()) {
        lower.copy_from_slice(text.as_bytes());
        lower.make_ascii_lowercase();
        if let Ok(lower) = std::str::from_utf8(lower) {
            return then(lower);
        }
    }
    then(&text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_without_regard_to_case() {
        let long = "aws:RequestTag/".to_owned() + &"Ä".repeat(300);
        for key in ["aws:SourceIp", "AWS:SOURCEIP", "aws:sourceip", "ä:B", long.as_str()] {
            let mut request = RequestContext::default();
            assert_eq!(request.set(key, Presence::One("x".to_owned())), None);
            assert_eq!(request.get(key), &Presence::One("x".to_owned()), "{key}");
            assert_eq!(
                request.get(&key.to_ascii_uppercase()),
                &Presence::One("x".to_owned()),
                "{key}"
            );
            assert_eq!(request.get("aws:other"), &Presence::Absent);
            assert_eq!(request.keys(), [key.to_ascii_lowercase()]);
            assert!(request.set(&key.to_ascii_lowercase(), Presence::Absent).is_some());
        }
    }
}
