//! JSON text to [`TrustPolicy`].
use super::TrustPolicy;
use crate::source::Span;

/// Why a text is no trust policy, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// What is wrong: lower case, no full stop, the policy's own words in backticks.
    pub message: String,
    /// Where in the text.
    pub span: Span,
    /// What to do about it, where that can be said.
    pub help: Option<String>,
}

/// Reads a trust policy.
///
/// # Errors
/// [`ParseError`] for text that IAM would not store: no JSON, no such element or operator, a missing or wrong value.
pub fn parse(_text: &str) -> Result<TrustPolicy, ParseError> {
    Err(ParseError {
        message: "not yet".into(),
        span: Span::default(),
        help: None,
    })
}

/// The text as a person wants to read it: `GetRole` answers with one percent-encoded line, which is decoded and laid
/// out; text with line breaks stays as it is, byte for byte. A byte-order mark is dropped.
#[must_use]
pub fn lay_out(text: &str) -> String {
    text.to_owned()
}
