//! Facts from what people paste or save: a token or its claims, a trust policy, a provider, a saved run.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[cfg(feature = "live")]
pub(crate) use super::mistaken::CHECK;
use super::mistaken::{Wanted, instead, is_part_of_evidence};
use super::{AttachedPolicy, PolicyText, Provider, Role, Runs};
use crate::github::claims::{self, Claims, Token};
use crate::policy::parse::lay_out;
use crate::text::position;

/// Why a text isn't what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Line and column, from 1, if known.
    pub at: Option<(usize, usize)>,
    /// What is wrong; quotes no part of the text.
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
        // serde_json ends its message with the position.
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

/// Reads one or several saved runs.
///
/// # Errors
/// If it isn't one.
pub fn runs(text: &str) -> Result<Runs, Unread> {
    let fields: Fields = serde_json::from_str(text).map_err(|error| broken(text, Wanted::Evidence, error))?;
    if let Some(message) = instead(text, Wanted::Evidence) {
        return Err(Unread::new(message));
    }
    if !fields.keys().any(|name| is_part_of_evidence(name)) {
        return Err(Unread::new(
            "it is JSON, but not a saved run: `aws-oidc-doctor diagnose --save-evidence FILE` writes one",
        ));
    }
    Ok(Runs::from_json(text)?)
}

/// Reads claims: an object of them, a token with `header` and `claims` (or `payload`), the token service's response, the raw token or its
/// payload alone, lines of names and values, or a bare subject.
///
/// # Errors
/// If it is none of these.
pub fn claims(text: &str) -> Result<Token, Unread> {
    let text = &*plain(text);
    if !text.trim_start().starts_with('{') {
        return token(text);
    }
    let mut map: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| broken(text, Wanted::Claims, error))?;
    // The token service's response.
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
        _ => match instead(text, Wanted::Claims) {
            Some(message) => return Err(Unread::new(message)),
            None => of_claims(map),
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

/// Whether this is a subject and nothing else. (GitHub docs, "OpenID Connect reference": one from a customized template begins with the
/// name of a claim.)
#[must_use]
pub fn is_subject(text: &str) -> bool {
    const FIRST: [&str; 8] = [
        "environment",
        "job_workflow_ref",
        "repo",
        "repository",
        "repository_id",
        "repository_owner",
        "repository_owner_id",
        "repository_visibility",
    ];
    let text = unquoted(text);
    let is_begun = |(name, rest): (&str, &str)| FIRST.contains(&name) && !rest.is_empty() && !rest.starts_with(' ');
    !text.contains('\n') && text.split_once(':').is_some_and(is_begun)
}

/// Reads a trust policy: its own JSON, the output of `aws iam get-role`, or the role object in it.
///
/// # Errors
/// If it is none of these. A policy with mistakes of its own is not an error: the diagnosis names them.
pub fn trust_policy(text: &str) -> Result<Role, Unread> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct GetRole {
        role: RoleJson,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct RoleJson {
        arn: Option<String>,
        assume_role_policy_document: Value,
        max_session_duration: Option<u32>,
        create_date: Option<Value>,
    }

    let plain = plain(text);
    let text = &*plain;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| broken(text, Wanted::Policy, error))?;
    if let Some(message) = instead(text, Wanted::Policy) {
        return Err(Unread::new(message));
    }
    if !text.trim_start().starts_with('{') {
        return Err(Unread {
            at: Some((1, 1)),
            message: "expected a JSON object".to_owned(),
        });
    }
    let fields: Fields = serde_json::from_str(text)?;
    let role: RoleJson = if fields.contains_key("Role") {
        serde_json::from_str::<GetRole>(text)?.role
    } else if fields.contains_key("AssumeRolePolicyDocument") {
        serde_json::from_str(text)?
    } else {
        return Ok(Role {
            // A plain policy keeps its text; an encoded one is reformatted.
            trust_policy: Some(PolicyText::Text(match plain {
                Cow::Borrowed(text) => text.to_owned(),
                Cow::Owned(text) => lay_out(&text),
            })),
            ..Role::default()
        });
    };
    Ok(Role {
        arn: role.arn,
        trust_policy: Some(match role.assume_role_policy_document {
            Value::String(text) => PolicyText::Text(lay_out(&text)),
            value => PolicyText::Value(value),
        }),
        trust_policy_file: None,
        max_session_duration: role.max_session_duration,
        created: role.create_date.and_then(|date| seconds(&date)),
        tags: None,
    })
}

/// Reads a caller's policy: its own JSON, or the output of `aws iam get-role-policy` or `aws iam get-policy-version`. It has no name here,
/// since nothing says that it is the only one.
///
/// # Errors
/// If it is none of these. A policy with mistakes of its own is not an error: the diagnosis names them.
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

/// Reads an OIDC provider, as printed by `aws iam get-open-id-connect-provider` or as in an evidence file.
///
/// # Errors
/// If it is neither.
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
    } = serde_json::from_str(text).map_err(|error| match instead(text, Wanted::Provider) {
        Some(message) => Unread::new(message),
        None => broken(text, Wanted::Provider, error),
    })?;
    if url.is_none() && client_ids.is_none() && arn.is_none() {
        return Err(Unread::new(instead(text, Wanted::Provider).unwrap_or_else(|| {
            "no `Url` and no `ClientIDList`: expected what `aws iam get-open-id-connect-provider` prints".to_owned()
        })));
    }
    Ok(Provider {
        arn,
        url,
        client_ids,
        thumbprints,
    })
}

/// Returns seconds since 1970: the AWS CLI prints a date, its older versions a number.
fn seconds(date: &Value) -> Option<i64> {
    match date {
        Value::String(text) => Some(OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp()),
        number => number.as_i64(),
    }
}

/// An object's fields by name.
type Fields = HashMap<String, IgnoredAny>;

/// Reads the ID token in a text that isn't a JSON object, or the claims in it.
fn token(text: &str) -> Result<Token, Unread> {
    if is_subject(text) {
        return Ok(of_claims(Map::from_iter([("sub".to_owned(), json!(unquoted(text)))])));
    }
    if let Some(claims) = lines(text) {
        return Ok(of_claims(claims));
    }
    let text = unquoted(text);
    let text = text.strip_prefix("Bearer ").unwrap_or(text);
    // A token without its signature, or a payload alone, says just as much.
    let whole = match text.split('.').collect::<Vec<_>>().as_slice() {
        [payload] => Cow::Owned(format!("{EMPTY}.{payload}.")),
        [header, payload] => Cow::Owned(format!("{header}.{payload}.")),
        _ => Cow::Borrowed(text),
    };
    let token = match claims::decode(&whole) {
        // Text that isn't part of a token isn't reported as one.
        Err(_) if !text.contains('.') => claims::decode(text),
        decoded => decoded,
    };
    match token {
        Ok(token) if token.claims.0.contains_key("alg") && token.claims.subject().is_none() => Err(Unread::new(
            "it is the header of an ID token; its claims are the second of the three parts",
        )),
        Ok(token) => Ok(token),
        Err(error) => Err(Unread::new(
            instead(text, Wanted::Claims).unwrap_or_else(|| format!("neither an ID token nor JSON: {error}")),
        )),
    }
}

/// `{}` as a token segment.
const EMPTY: &str = "e30";

fn of_claims(claims: Map<String, Value>) -> Token {
    Token {
        header: Map::new(),
        claims: Claims(claims),
    }
}

/// Reads claims from lines of names and values, as a log or a table shows them: `sub: repo:…`, `sub = repo:…`, `"sub": "repo:…",`.
fn lines(text: &str) -> Option<Map<String, Value>> {
    let mut claims = Map::new();
    for line in text.lines() {
        let Some((name, value)) = line.split_once(": ").or_else(|| line.split_once('=')) else {
            continue;
        };
        let (name, value) = (unquoted(name), value.trim());
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            continue;
        }
        let value = value.strip_suffix(',').unwrap_or(value);
        let value = match (name, value.parse::<i64>()) {
            ("exp" | "iat" | "nbf", Ok(seconds)) => json!(seconds),
            _ => json!(unquoted(value)),
        };
        claims.insert(name.to_owned(), value);
    }
    (claims.contains_key("sub") || claims.contains_key("iss")).then_some(claims)
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

/// Returns the bare text: without a log's timestamps, out of a JSON string, without percent-encoding.
fn plain(text: &str) -> Cow<'_, str> {
    let mut text = unstamped(text);
    // A string nested in a string is as deep as it gets in practice.
    for _ in 0..3 {
        let whole = text.trim();
        let inner = if whole.starts_with('"') {
            serde_json::from_str(whole).ok()
        } else if whole.starts_with('%') {
            let decoded = percent_encoding::percent_decode_str(whole).decode_utf8().ok();
            decoded.map(Cow::into_owned)
        } else {
            None
        };
        match inner {
            Some(inner) => text = Cow::Owned(inner),
            None => break,
        }
    }
    text
}

/// Strips the timestamps that a log puts before its lines: `2026-11-21T17:50:00.1234567Z `.
fn unstamped(text: &str) -> Cow<'_, str> {
    let without = |line: &str| -> Option<usize> {
        let (stamp, _) = line.split_once(' ')?;
        OffsetDateTime::parse(stamp.trim_start_matches('\u{feff}'), &Rfc3339).ok()?;
        Some(stamp.len() + 1)
    };
    if text
        .lines()
        .find(|line| !line.trim().is_empty())
        .and_then(without)
        .is_none()
    {
        return Cow::Borrowed(text);
    }
    let lines = text.lines().map(|line| match without(line) {
        Some(stamp) => line.get(stamp..).unwrap_or_default(),
        None => line,
    });
    Cow::Owned(lines.collect::<Vec<_>>().join("\n"))
}

/// Says what is wrong with a text that isn't JSON: it is something else, or has what JSON doesn't allow.
fn broken(text: &str, wanted: Wanted, error: serde_json::Error) -> Unread {
    if let Some(message) = instead(text, wanted) {
        return Unread::new(message);
    }
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let is_comment = ["//", "/*", "#"].iter().any(|comment| {
        let from = |column: usize| line.get(column..).is_some_and(|rest| rest.starts_with(comment));
        from(error.column().saturating_sub(1)) || from(error.column().saturating_sub(2))
    });
    let mut unread = Unread::from(error);
    if is_comment {
        unread.message = "JSON has no comments: remove this one".to_owned();
    }
    unread
}

/// Blanks out what people add when they show a policy: comments, a fence, a trailing comma, blanks that JSON doesn't allow. Each such byte
/// becomes a space, so positions don't change. `None` if there is nothing of the kind.
#[must_use]
pub(crate) fn blanked(text: &str) -> Option<String> {
    let mut clean = String::with_capacity(text.len());
    let (mut rest, mut at_line_start) = (text, true);
    while let Some(c) = rest.chars().next() {
        let is_blank = c.is_whitespace() || matches!(c, '\u{200b}' | '\u{feff}');
        let line = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let (keep, length) = match c {
            '"' => (true, string(rest)),
            '#' => (false, line),
            '`' if at_line_start && rest.starts_with("```") => (false, line),
            '/' if rest.starts_with("//") => (false, line),
            '/' if rest.starts_with("/*") => (false, rest.find("*/").map_or(rest.len(), |end| end + 2)),
            ' ' | '\t' | '\n' | '\r' => (true, 1),
            _ if is_blank => (false, c.len_utf8()),
            _ => (true, c.len_utf8()),
        };
        let (this, after) = rest.split_at_checked(length)?;
        if matches!(c, '}' | ']') && clean.trim_end().ends_with(',') {
            let comma = clean.rfind(',')?;
            clean.replace_range(comma..=comma, " ");
        }
        if keep {
            clean.push_str(this);
        } else {
            clean.extend(this.bytes().map(|byte| {
                if matches!(byte, b'\n' | b'\r') {
                    char::from(byte)
                } else {
                    ' '
                }
            }));
        }
        at_line_start = c == '\n' || at_line_start && (is_blank || !keep);
        rest = after;
    }
    (clean != text).then_some(clean)
}

/// Returns the length of the JSON string that a text begins with.
fn string(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const SUBJECT: &str = "repo:acme/widgets:environment:my prod";

    #[test]
    fn claims_come_as_people_have_them() {
        let object = json!({"sub": SUBJECT, "aud": "a", "exp": 7}).to_string();
        let payload = URL_SAFE_NO_PAD.encode(&object);
        for text in [
            object.clone(),
            json!(object).to_string(),
            percent_encoding::utf8_percent_encode(&object, percent_encoding::NON_ALPHANUMERIC).to_string(),
            payload.clone(),
            format!("\n{payload}=\n"),
            format!("e30.{payload}"),
            format!("Bearer e30.{payload}.x"),
            format!(
                "2026-11-21T17:50:00.1234567Z {{\n2026-11-21T17:50:00.1234567Z {}",
                object.get(1..).unwrap()
            ),
            format!("2026-11-21T17:50:00.1234567Z {payload}"),
            format!("sub: {SUBJECT}\naud: a\nexp: 7"),
            format!("  \"sub\": \"{SUBJECT}\",\n  \"aud\": \"a\",\n  \"exp\": 7"),
            format!("2026-11-21T17:50:00.1234567Z aud=a\n2026-11-21T17:50:01.1234567Z sub={SUBJECT}\nexp=7"),
        ] {
            let token = claims(&text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            assert_eq!(token.claims.subject(), Some(SUBJECT), "{text}");
            assert_eq!(token.claims.audience(), Some("a"), "{text}");
            assert_eq!(token.claims.seconds("exp"), Some(7), "{text}");
        }
        for text in [SUBJECT, "'repo:acme/widgets:environment:my prod'\n"] {
            // The audience and issuer are then unknown.
            let token = claims(text).unwrap();
            assert_eq!(Value::Object(token.claims.0), json!({"sub": SUBJECT}));
        }
        for (text, want) in [
            (
                URL_SAFE_NO_PAD.encode(r#"{"alg": "RS256", "kid": "x"}"#),
                "the header of an ID token",
            ),
            ("ghs_secret".to_owned(), "it does not have the three parts"),
            ("repo: x".to_owned(), "it does not have the three parts"),
            (format!("{payload}.x"), "not base64url"),
            ("{\n  // who\n \"sub\": \"s\"}".to_owned(), "JSON has no comments"),
        ] {
            let error = claims(&text).unwrap_err();
            assert!(error.message.contains(want), "{text}: {error:?}");
        }
    }

    #[test]
    fn a_policy_comes_as_people_have_it() {
        let policy = json!({"Version": "2012-10-17", "Statement": []});
        let encoded =
            |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let role = json!({"RoleName": "deploy", "Arn": "arn:x", "AssumeRolePolicyDocument": policy});
        for (text, arn) in [
            (policy.to_string(), None),
            (encoded(&policy.to_string()), None),
            (json!(policy.to_string()).to_string(), None),
            (json!(encoded(&policy.to_string())).to_string(), None),
            (format!("2026-11-21T17:50:00Z {policy}"), None),
            (
                json!({"AssumeRolePolicyDocument": encoded(&policy.to_string())}).to_string(),
                None,
            ),
            (role.to_string(), Some("arn:x")),
            (json!({"Role": role}).to_string(), Some("arn:x")),
        ] {
            let found = trust_policy(&text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            assert_eq!(found.arn.as_deref(), arn, "{text}");
            let found = match found.trust_policy.unwrap() {
                PolicyText::Text(text) => serde_json::from_str(&text).unwrap(),
                PolicyText::Value(value) => value,
            };
            assert_eq!(found, policy, "{text}");
        }
        for (text, line, want) in [
            ("{\n  # who\n \"Statement\": []}", 2, "JSON has no comments"),
            ("{ \"Statement\": [] } // who", 1, "JSON has no comments"),
            ("/* who */ {}", 1, "JSON has no comments"),
            ("{\n \"Statement\": [,]}", 2, "it is not JSON"),
        ] {
            let error = trust_policy(text).unwrap_err();
            assert_eq!(error.at.map(|(line, _)| line), Some(line), "{text}: {error:?}");
            assert!(error.message.contains(want), "{text}: {error:?}");
        }
    }

    #[test]
    fn what_is_added_to_a_policy_is_blanked() {
        for (text, clean) in [
            ("{\"a\": 1} // b", "{\"a\": 1}     "),
            (
                "{\"a\": \"# // /* \\\" , }\" # b\n}",
                "{\"a\": \"# // /* \\\" , }\"    \n}",
            ),
            ("{/* a\n */\"a\": [1,\n],}", "{    \n   \"a\": [1 \n] }"),
            ("```json\n{}\n```\n", "       \n{}\n   \n"),
            ("{\u{a0}\"\u{a0}\": 1}", "{  \"\u{a0}\": 1}"),
        ] {
            assert_eq!(blanked(text).as_deref(), Some(clean), "{text}");
            assert_eq!(text.len(), clean.len(), "{text}");
        }
        for text in ["", "{}", "{\"a\": \"x, ]\"}", "\"", "\"\\"] {
            assert_eq!(blanked(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_place_of_a_blanked_text_stays(text in "[ -~\n\u{a0}\u{200b}]{0,40}") {
            let clean = blanked(&text).unwrap_or_else(|| text.clone());
            proptest::prop_assert_eq!(clean.len(), text.len());
            proptest::prop_assert_eq!(blanked(&clean), None);
        }
    }

    #[test]
    fn what_is_no_saved_run_is_none() {
        for text in ["{}", "{\"x\": 1}", "{\"Statement\": []}", "{\"sub\": \"s\"}", ""] {
            assert!(runs(text).is_err(), "{text}");
        }
        for text in ["{\"schema\": 1}", "{\"token\": {\"claims\": {}}}", "{\"runs\": [{}]}"] {
            assert!(runs(text).is_ok(), "{text}");
        }
    }
}
