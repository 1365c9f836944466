//! Formats a policy's text for reading, and finds the policy in other input.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value as Document;

use super::MAX_BYTES;
use crate::policy::json;

/// Formats the text for reading: `GetRole` returns one percent-encoded line, which is decoded and
/// formatted; text with line breaks is left as is, byte for byte. A byte-order mark is dropped.
///
/// The encoding is RFC 3986 (IAM API Reference, `GetRole`), in which `+` is literal.
#[must_use]
pub fn lay_out(text: &str) -> String {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let text = decode(text).unwrap_or(Cow::Borrowed(text));
    if text.contains(['\n', '\r']) || text.len() > MAX_BYTES || !is_json(&text) {
        return text.into_owned();
    }
    indent(&text).unwrap_or_else(|| text.into_owned())
}

/// The policy in text that isn't one itself: percent-encoded, or in the output of `aws iam get-role`, whole or its `Role`.
pub(crate) fn of_role(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Printed {
        role: Option<Role>,
        assume_role_policy_document: Option<Document>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Role {
        assume_role_policy_document: Document,
    }
    if text.len() > MAX_BYTES {
        return None;
    }
    let decoded = decode(text);
    let printed: Option<Printed> = serde_json::from_str(decoded.as_deref().unwrap_or(text)).ok();
    let document = printed.and_then(|printed| {
        let own = printed.role.map(|role| role.assume_role_policy_document);
        own.or(printed.assume_role_policy_document)
    });
    match document {
        Some(Document::String(text)) => Some(lay_out(&text)),
        Some(document) => serde_json::to_string_pretty(&document).ok(),
        None => decoded.map(|text| lay_out(&text)),
    }
}

pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';

/// Deeper nesting isn't formatted: each line would be longer than the last.
pub(super) const MAX_INDENT: usize = 32;

fn is_json(text: &str) -> bool {
    json::check(text).is_ok()
}

/// The text with percent-encoding decoded, if it has any.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    let line = text.trim();
    if !line.contains('%') || line.contains(['\n', '\r']) || is_json(line) {
        return None;
    }
    let decoded = percent_encoding::percent_decode_str(line).decode_utf8().ok()?;
    let decoded = match decoded.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => Cow::Owned(rest.to_owned()),
        None => decoded,
    };
    // Text that starts with a brace is merely broken JSON and keeps its percent signs.
    (!line.starts_with('{') || is_json(&decoded)).then_some(decoded)
}

/// Formats valid JSON on several lines, two spaces per level; strings, numbers, order and duplicate keys are unchanged.
fn indent(json: &str) -> Option<String> {
    let mut laid_out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut chars = json.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => {}
            '"' => {
                laid_out.push(c);
                let mut escaped = false;
                for c in chars.by_ref() {
                    laid_out.push(c);
                    if c == '"' && !escaped {
                        break;
                    }
                    escaped = c == '\\' && !escaped;
                }
            }
            '{' | '[' => {
                laid_out.push(c);
                while chars.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
                if let Some(close) = chars.next_if(|c| matches!(c, '}' | ']')) {
                    laid_out.push(close);
                    continue;
                }
                depth += 1;
                if depth > MAX_INDENT {
                    return None;
                }
                new_line(&mut laid_out, depth);
            }
            '}' | ']' => {
                depth = depth.checked_sub(1)?;
                new_line(&mut laid_out, depth);
                laid_out.push(c);
            }
            ',' => {
                laid_out.push(c);
                new_line(&mut laid_out, depth);
            }
            ':' => laid_out.push_str(": "),
            other => laid_out.push(other),
        }
    }
    Some(laid_out)
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}
