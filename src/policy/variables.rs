//! Policy variables: `${key}`, `${key, 'default'}`, and `${*}`, `${?}`, `${$}` for the characters themselves.
//!
//! IAM User Guide, `reference_policies_variables`. Whether they are replaced at all depends on the policy's version,
//! which is not checked here.

use super::context::{Presence, RequestContext};
use super::limits::Limits;
use super::wildcard::Pattern;

/// A value with its variables replaced.
pub(super) enum Resolved {
    /// All of them have a value.
    Text(Text),
    /// One has none: "the value is effectively null. There is no equal or like value" (`#policy-vars-no-value`).
    Null,
    /// How AWS treats it can't be determined.
    Unclear(&'static str),
}

/// The text, and which of its characters aren't wildcards.
#[derive(Default)]
pub(super) struct Text {
    pub(super) text: String,
    /// Byte offsets of `*` and `?` that came from `${*}` and `${?}`.
    literal: Vec<usize>,
    /// Byte offsets of `*` and `?` from a variable's value: AWS doesn't say whether they are wildcards.
    brought: Vec<usize>,
    /// Whether a variable stands for an empty value. "A key that has no value" may mean this, too.
    pub(super) has_empty: bool,
    /// Whether a variable inserted a colon before the fifth colon, so that an ARN's fields are no longer those written.
    pub(super) shifts_fields: bool,
    /// Whether there already were five colons when a variable inserted one.
    is_past_fields: bool,
}

impl Text {
    /// The pattern, with `*` and `?` from variables as wildcards.
    pub(super) fn loose(&self) -> Pattern<'_> {
        Pattern::with_literals(self.text.as_str(), self.literal.clone())
    }

    /// The pattern, with `*` and `?` from variables as plain text.
    pub(super) fn strict(&self) -> Pattern<'_> {
        Pattern::with_literals(self.text.as_str(), [self.literal.as_slice(), &self.brought].concat())
    }

    fn bring(&mut self, value: &str) {
        let start = self.text.len();
        if !self.is_past_fields && !self.shifts_fields && value.contains(':') {
            self.is_past_fields = self.text.matches(':').count() >= 5;
            self.shifts_fields = !self.is_past_fields;
        }
        self.brought
            .extend(value.match_indices(['*', '?']).map(|(at, _)| start + at));
        self.text.push_str(value);
    }
}

/// Replaces the variables in a value, as far as the limits allow.
pub(super) fn resolve(value: &str, request: &RequestContext, limits: &Limits) -> Resolved {
    let mut resolved = Text::default();
    let mut unknown = None;
    let mut is_null = false;
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        resolved.text.push_str(before);
        let Some((variable, after)) = Variable::parse(after) else {
            return Resolved::Unclear("the policy variable is not one that AWS describes");
        };
        rest = after;
        if !limits.holds(resolved.text.len()) {
            return Resolved::Unclear(TOO_LONG);
        }
        match variable {
            Variable::Character(c) => {
                resolved.literal.push(resolved.text.len());
                resolved.text.push(c);
            }
            Variable::Key { key, default } => match (request.get(key), default) {
                (Presence::One(value), Some(_)) if value.is_empty() => {
                    unknown = Some("a policy variable stands for an empty value, and AWS does not say what that gives");
                }
                (Presence::One(value), None) if value.is_empty() => resolved.has_empty = true,
                (Presence::One(value), _) => resolved.bring(value),
                (Presence::Many(values), _) => match values.as_slice() {
                    [value] if !value.is_empty() => resolved.bring(value),
                    // "You cannot use a multivalued context key as a policy variable."
                    _ => return Resolved::Unclear("a policy variable stands for several values"),
                },
                (Presence::Absent, Some(default)) => resolved.bring(default),
                (Presence::Absent, None) => is_null = true,
                (Presence::Unknown(_), _) => unknown = Some("a policy variable stands for an unknown value"),
            },
        }
    }
    resolved.text.push_str(rest);
    if !limits.holds(resolved.text.len()) {
        return Resolved::Unclear(TOO_LONG);
    }
    match unknown {
        _ if is_null => Resolved::Null,
        Some(why) => Resolved::Unclear(why),
        None => Resolved::Text(resolved),
    }
}

const TOO_LONG: &str = "the value is too long with its policy variables replaced";

enum Variable<'a> {
    Character(char),
    Key { key: &'a str, default: Option<&'a str> },
}

impl<'a> Variable<'a> {
    /// The variable that starts after `${`, and what follows it.
    fn parse(text: &'a str) -> Option<(Self, &'a str)> {
        for c in ['*', '?', '$'] {
            if let Some(rest) = text.strip_prefix(c).and_then(|rest| rest.strip_prefix('}')) {
                return Some((Self::Character(c), rest));
            }
        }
        let end = text.find(['}', '\''])?;
        let (key, default, rest) = match text.split_at_checked(end)? {
            (key, rest) if rest.starts_with('}') => (key, None, rest.strip_prefix('}')?),
            (key, rest) => {
                let (default, rest) = rest.strip_prefix('\'')?.split_once("'}")?;
                // A variable within the default is undocumented.
                let default = Some(default).filter(|default| !default.contains("${"))?;
                (key.strip_suffix(", ")?, Some(default), rest)
            }
        };
        let is_key = key.contains(':') && !key.contains(['{', '$', ',', ' ']);
        is_key.then_some((Self::Key { key, default }, rest))
    }
}
