//! Facts out of what people paste or save: a token or its claims, a trust policy, a provider, a saved run.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{AttachedPolicy, PolicyText, Provider, Role, Runs};
use crate::github::claims::{self, Claims, Token};
use crate::policy::parse::lay_out;
use crate::text::position;

/// Why a text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Line and column, from 1, where they are known.
    pub at: Option<(usize, usize)>,
    /// What is wrong; no part of the text is in it.
    pub message: String,
}

impl Unread {
    fn new(message: impl Into<String>) -> Self {
        Self {
            at: None,
            message: message.into(),
        }
    }
}

impl From<serde_json::Error> for Unread {
    fn from(error: serde_json::Error) -> Self {
        // serde_json ends its message with the place.
        let message = error.to_string();
        let message = message
            .rsplit_once(" at line ")
            .map_or(&*message, |(message, _)| message);
        let kind = if error.is_data() { "" } else { "it is not JSON: " };
        Self {
            at: Some((error.line().max(1), error.column().max(1))),
            message: format!("{kind}{message}"),
        }
    }
}

/// One or several saved runs.
///
/// # Errors
/// Where it is none.
pub fn runs(text: &str) -> Result<Runs, Unread> {
    Ok(Runs::from_json(text)?)
}

/// Claims: an object of them, a token with `header` and `claims` (or `payload`), what the token service answers, or the token's own
/// text.
///
/// # Errors
/// Where it is none of them.
pub fn claims(text: &str) -> Result<Token, Unread> {
    let token = |text: &str| {
        claims::decode(text).map_err(|error| Unread::new(format!("neither an ID token nor JSON: {error}")))
    };
    if !text.trim_start().starts_with('{') {
        return token(text);
    }
    let mut map: Map<String, Value> = serde_json::from_str(text)?;
    // What the token service answers.
    if let (Some(Value::String(value)), false) = (map.get("value"), map.contains_key("sub")) {
        return token(value);
    }
    if let Some(payload) = map.remove("payload") {
        map.entry("claims").or_insert(payload);
    }
    let token = match map.get("claims") {
        Some(Value::Object(_)) => {
            let part = |part: Option<Value>| match part {
                Some(Value::Object(map)) => map,
                _ => Map::new(),
            };
            Token {
                header: part(map.remove("header")),
                claims: Claims(part(map.remove("claims"))),
            }
        }
        _ => Token {
            header: Map::new(),
            claims: Claims(map),
        },
    };
    let Some((name, wanted)) = token.claims.mistyped() else {
        return Ok(token);
    };
    let at = position(text, text.find(&format!("\"{name}\"")).unwrap_or_default());
    Err(Unread {
        at: Some((at.line, at.column)),
        message: format!("the claim `{name}` is not {wanted}"),
    })
}

/// A trust policy: its own JSON, or what `aws iam get-role` prints.
///
/// # Errors
/// Where it is neither. A policy with mistakes of its own is no error: the diagnosis names them.
pub fn trust_policy(text: &str) -> Result<Role, Unread> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct GetRole {
        role: Option<RoleJson>,
        assume_role_policy_document: Option<Value>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct RoleJson {
        arn: Option<String>,
        assume_role_policy_document: Value,
        max_session_duration: Option<u32>,
        create_date: Option<Value>,
    }

    serde_json::from_str::<IgnoredAny>(text)?;
    // A percent-encoded policy within the JSON of `get-role` is decoded; a policy as such keeps its text.
    let policy = |policy: Value| match policy {
        Value::String(text) => PolicyText::Text(lay_out(&text)),
        value => PolicyText::Value(value),
    };
    if !text.trim_start().starts_with('{') {
        return Err(Unread {
            at: Some((1, 1)),
            message: "expected a JSON object".to_owned(),
        });
    }
    let outer: GetRole = serde_json::from_str(text)?;
    Ok(match (outer.role, outer.assume_role_policy_document) {
        (Some(role), _) => Role {
            arn: role.arn,
            trust_policy: Some(policy(role.assume_role_policy_document)),
            trust_policy_file: None,
            max_session_duration: role.max_session_duration,
            created: role.create_date.and_then(|date| seconds(&date)),
            tags: None,
        },
        (None, Some(document)) => Role {
            trust_policy: Some(policy(document)),
            ..Role::default()
        },
        (None, None) => Role {
            trust_policy: Some(PolicyText::Text(text.to_owned())),
            ..Role::default()
        },
    })
}

/// A policy of who asks: its own JSON, or what `aws iam get-role-policy` and `aws iam get-policy-version` print. That it is the only
/// one nobody says, so it has no name here.
///
/// # Errors
/// Where it is none of them. A policy with mistakes of its own is no error: the diagnosis names them.
pub fn caller_policy(text: &str) -> Result<AttachedPolicy, Unread> {
    if !text.trim_start().starts_with('{') {
        return Err(Unread {
            at: Some((1, 1)),
            message: "expected a JSON object".to_owned(),
        });
    }
    let mut outer: Map<String, Value> = serde_json::from_str(text)?;
    let version = match outer.remove("PolicyVersion") {
        Some(Value::Object(mut version)) => version.remove("Document"),
        _ => None,
    };
    let policy = match outer.remove("PolicyDocument").or(version) {
        Some(Value::String(text)) => PolicyText::Text(lay_out(&text)),
        Some(value) => PolicyText::Value(value),
        None => PolicyText::Text(text.to_owned()),
    };
    Ok(AttachedPolicy { name: None, policy })
}

/// An OIDC provider, as `aws iam get-open-id-connect-provider` prints it or as an evidence file has it.
///
/// # Errors
/// Where it is neither.
pub fn provider(text: &str) -> Result<Provider, Unread> {
    #[derive(Deserialize)]
    struct ProviderJson {
        #[serde(alias = "OpenIDConnectProviderArn", alias = "Arn")]
        arn: Option<String>,
        #[serde(alias = "Url")]
        url: Option<String>,
        #[serde(alias = "ClientIDList")]
        client_ids: Option<Vec<String>>,
        #[serde(alias = "ThumbprintList")]
        thumbprints: Option<Vec<String>>,
    }

    let ProviderJson {
        arn,
        url,
        client_ids,
        thumbprints,
    } = serde_json::from_str(text)?;
    if url.is_none() && client_ids.is_none() && arn.is_none() {
        return Err(Unread::new(
            "no `Url` and no `ClientIDList`: expected what `aws iam get-open-id-connect-provider` prints",
        ));
    }
    Ok(Provider {
        arn,
        url,
        client_ids,
        thumbprints,
    })
}

/// Seconds since 1970: the AWS CLI prints a date, older versions of it a number.
fn seconds(date: &Value) -> Option<i64> {
    match date {
        Value::String(text) => Some(OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp()),
        number => number.as_i64(),
    }
}
