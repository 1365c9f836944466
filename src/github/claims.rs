//! The claims of an ID token: decoded without verifying (AWS verifies), an open map with a typed view.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The ID token, decoded and not verified: AWS verifies it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Token {
    /// The JOSE header.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Claims,
}

/// The claims, whatever they are. GitHub writes every id, number and boolean as a text; only `exp`, `iat` and `nbf` are numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Claims(pub Map<String, Value>);

impl Claims {
    /// A claim that is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A claim that is a number of seconds since 1970.
    #[must_use]
    pub fn seconds(&self, name: &str) -> Option<i64> {
        let value = self.0.get(name)?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a fraction of a second does not matter here"
        )]
        value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// The subject.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// The audience that STS compares: `azp` if present, else `aud` (the first, if it is a list).
    /// (IAM User Guide, `reference_policies_iam-condition-keys`.)
    #[must_use]
    pub fn audience(&self) -> Option<&str> {
        self.text("azp").or_else(|| match self.0.get("aud")? {
            Value::String(one) => Some(one),
            Value::Array(many) => many.first()?.as_str(),
            _ => None,
        })
    }

    /// The first registered claim whose type isn't RFC 7519's: its name, and what it should be.
    #[must_use]
    pub fn mistyped(&self) -> Option<(&'static str, &'static str)> {
        let wrong = |name: &'static str, fits: fn(&Value) -> bool| self.0.get(name).is_some_and(|value| !fits(value));
        for name in [
            "iss",
            "sub",
            "jti",
            "repository",
            "repository_owner",
            "repository_id",
            "repository_owner_id",
            "ref",
            "environment",
        ] {
            if wrong(name, Value::is_string) {
                return Some((name, "a text"));
            }
        }
        for name in ["exp", "iat", "nbf"] {
            if wrong(name, Value::is_number) {
                return Some((name, "a number of seconds"));
            }
        }
        wrong("aud", |value| {
            value.is_string()
                || value
                    .as_array()
                    .is_some_and(|many| !many.is_empty() && many.iter().all(Value::is_string))
        })
        .then_some(("aud", "a string or a list of strings"))
    }
}

/// Why a text isn't an ID token. Contains no part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The part isn't base64url.
    #[error("its {0} is not base64url")]
    Base64(&'static str),
    /// A registered claim has the wrong type.
    #[error("its claim `{0}` is not {1}")]
    Claim(&'static str, &'static str),
    /// The part isn't a JSON object.
    #[error("its {0} is not a JSON object")]
    Json(&'static str),
    /// It doesn't have three parts.
    #[error("it does not have the three parts of a JWT, separated by dots")]
    Parts,
}

/// Splits and decodes a JWT. The signature isn't checked.
///
/// # Errors
/// [`TokenError`] if it isn't a JWT; the error contains no part of the token.
pub fn decode(jwt: &str) -> Result<Token, TokenError> {
    let jwt = jwt.trim().trim_matches(['"', '\'']);
    let mut parts = jwt.strip_prefix("Bearer ").unwrap_or(jwt).split('.');
    let (Some(header), Some(payload), Some(_signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenError::Parts);
    };
    let token = Token {
        header: object(header, "header")?,
        claims: Claims(object(payload, "payload")?),
    };
    match token.claims.mistyped() {
        Some((claim, wanted)) => Err(TokenError::Claim(claim, wanted)),
        None => Ok(token),
    }
}

fn object(part: &str, name: &'static str) -> Result<Map<String, Value>, TokenError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part.trim_end_matches('='))
        .map_err(|_| TokenError::Base64(name))?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Json(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(header: &str, payload: &str) -> String {
        format!(
            "{}.{}.c2ln",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        )
    }

    #[test]
    fn decodes_header_and_claims() {
        let token = decode(&jwt(
            r#"{"alg":"RS256"}"#,
            r#"{"sub":"repo:a/b:pull_request","aud":["x","y"],"exp":5.5,"new":{"a":1}}"#,
        ))
        .unwrap();
        assert_eq!(token.header["alg"], "RS256");
        assert_eq!(token.claims.subject(), Some("repo:a/b:pull_request"));
        assert_eq!(token.claims.audience(), Some("x"));
        assert_eq!(token.claims.seconds("exp"), Some(5));
    }

    #[test]
    fn azp_stands_for_the_audience() {
        let token = decode(&jwt("{}", r#"{"aud":"a","azp":"b"}"#)).unwrap();
        assert_eq!(token.claims.audience(), Some("b"));
    }

    #[test]
    fn what_is_no_jwt_says_so_without_a_part_of_it() {
        let cases = [
            ("ghs_secret".to_owned(), TokenError::Parts),
            ("a.b.c.d".to_owned(), TokenError::Parts),
            ("!.e30.x".to_owned(), TokenError::Base64("header")),
            (
                format!("{}.e30.x", URL_SAFE_NO_PAD.encode("[]")),
                TokenError::Json("header"),
            ),
            ("e30.e3.x".to_owned(), TokenError::Base64("payload")),
            (jwt("{}", r#"{"sub":7}"#), TokenError::Claim("sub", "a text")),
            (
                jwt("{}", r#"{"exp":"7"}"#),
                TokenError::Claim("exp", "a number of seconds"),
            ),
            (
                jwt("{}", r#"{"aud":{}}"#),
                TokenError::Claim("aud", "a string or a list of strings"),
            ),
        ];
        for (text, want) in cases {
            assert_eq!(decode(&text), Err(want), "{text}");
        }
    }
}
