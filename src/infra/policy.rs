//! A policy written in Terraform or CloudFormation, as the JSON text that IAM receives, and where each part of it comes from.
//!
//! What can't be known stays in its place as a mask, `${var.org}`, which is unknown wherever it is compared. An unknown statement,
//! block or element becomes one that lets in whoever matches its unknown values.

use super::value::{Kind, Place, Text, Value, after_marks, mark, quoted, shortened_by, shown};
use super::yaml;
use crate::text::Span;

/// GitHub's issuer as it is in condition keys.
pub(super) const GITHUB: &str = "token.actions.githubusercontent.com";

/// A trust policy from source.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Written {
    /// The JSON.
    pub(crate) text: String,
    /// Which bytes of it come from where, ordered by start, outer before inner.
    pub(crate) parts: Vec<(Span, Place)>,
    /// The names of the unknowns.
    pub(crate) unknown: Vec<String>,
    /// Defaults of variables that were assumed; the values applied may differ.
    pub(crate) assumed: Vec<String>,
}

impl Written {
    /// The policy in a value; a policy in text form is read as JSON.
    ///
    /// # Errors
    /// In words: none of it is known, or it isn't JSON.
    pub(super) fn of(value: &Value) -> Result<Self, String> {
        let value = document(value)?;
        let mut unknown = Vec::new();
        value.unknowns(&mut unknown);
        let mut out = Writer::default();
        out.write(&filled(&value), 0);
        let text = shown(&out.text);
        Ok(Self {
            text,
            parts: out.parts(),
            unknown,
            assumed: Vec::new(),
        })
    }

    /// The innermost part that contains these bytes.
    pub(crate) fn place(&self, span: Span) -> Option<Place> {
        let holds = |part: &&(Span, Place)| part.0.start <= span.start && span.end <= part.0.end;
        self.parts.iter().rev().find(holds).map(|(_, place)| *place)
    }

    /// The part with exactly these bytes.
    pub(crate) fn exactly(&self, span: Span) -> Option<Place> {
        self.parts.iter().find(|part| part.0 == span).map(|(_, place)| *place)
    }

    /// Whether it trusts GitHub's tokens, or might, given its unknowns.
    pub(crate) fn is_githubs(&self) -> bool {
        self.text.contains("actions.githubusercontent.com")
            || self.text.contains("AssumeRoleWithWebIdentity")
                && (self.text.contains("\"Federated\": \"${") || self.text.contains("repo:"))
    }
}

/// The policy itself, decoded if it is in text form.
fn document(value: &Value) -> Result<Value, String> {
    match &value.kind {
        Kind::Object(_) => Ok(value.clone()),
        Kind::Json(value) => document(value),
        Kind::Text(text) => {
            if text.is_known()
                && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&text.text)
            {
                return Err(format!("it is not JSON: {error}"));
            }
            let tree = yaml::read(&text.text, 0).map_err(|fault| format!("it is not JSON: {}", fault.message))?;
            match placed(tree, text, value.place) {
                tree @ Value {
                    kind: Kind::Object(_), ..
                } => Ok(tree),
                Value {
                    kind: Kind::Unknown(name),
                    ..
                } => Err(format!("it is only known when it is applied: `{name}`")),
                _ => Err("it is not a JSON object".to_owned()),
            }
        }
        Kind::Unknown(name) => Err(format!("it is only known when it is applied: `{name}`")),
        _ => Err("it is not a JSON object".to_owned()),
    }
}

/// A tree read from a text, with its places mapped to where that text comes from.
pub(super) fn placed(mut value: Value, text: &Text, whole: Place) -> Value {
    value.place = text.place_of(value.place.span, whole);
    value.kind = match value.kind {
        Kind::List(items) => Kind::List(items.into_iter().map(|item| placed(item, text, whole)).collect()),
        Kind::Object(entries) => {
            let entry = |(key, value)| (placed(key, text, whole), placed(value, text, whole));
            Kind::Object(entries.into_iter().map(entry).collect())
        }
        kind => kind,
    };
    value
}

/// The policy with each unknown part replaced by something the grammar allows.
fn filled(policy: &Value) -> Value {
    let entries = policy.entries().iter().filter(|(key, _)| key.is_known());
    let entries = entries.map(|(key, value)| {
        let value = match (key.known_text(), &value.kind) {
            (Some("Statement"), Kind::List(statements)) => {
                let statements = statements.iter().map(statement).collect();
                Value::new(Kind::List(statements), value.place)
            }
            (Some("Statement"), _) => statement(value),
            _ => value.clone(),
        };
        (key.clone(), value)
    });
    Value::new(Kind::Object(entries.collect()), policy.place)
}

fn statement(value: &Value) -> Value {
    // These elements decide what the rest of the statement means.
    let unknown = ["Effect", "Action", "NotAction"]
        .into_iter()
        .find(|name| value.get(name).is_some_and(|own| !own.is_known()));
    match (&value.kind, unknown) {
        (Kind::Object(_), None) => {}
        (Kind::Object(_), Some(name)) => return unknown_statement(name, value.place),
        (Kind::Unknown(name), _) => return unknown_statement(name, value.place),
        _ => return value.clone(),
    }
    let mut entries: Vec<(Value, Value)> = Vec::new();
    let mut more: Option<&Value> = None;
    for (key, value) in value.entries() {
        let value = match key.known_text() {
            None => {
                more = Some(value);
                continue;
            }
            Some("Principal" | "NotPrincipal") => principal(value),
            Some("Condition") => condition(value),
            Some(_) => value.clone(),
        };
        entries.push((key.clone(), value));
    }
    // The rest of the statement may hold or not.
    if let Some(more) = more
        && !entries.iter().any(|(key, _)| key.known_text() == Some("Condition"))
    {
        entries.push((
            Value::text("Condition", more.place),
            condition(&Value::unknown("unknown", more.place)),
        ));
    }
    Value::new(Kind::Object(entries), value.place)
}

/// An entirely unknown statement: it lets in whoever matches its unknown principal and subject.
fn unknown_statement(name: &str, place: Place) -> Value {
    let text = |text: &str| Value::text(text, place);
    let unknown = Value::unknown(name, place);
    let entries = vec![
        (text("Effect"), text("Allow")),
        (text("Principal"), principal(&unknown)),
        (text("Action"), text("sts:AssumeRoleWithWebIdentity")),
        (text("Condition"), condition(&unknown)),
    ];
    Value::new(Kind::Object(entries), place)
}

/// Texts, some of which may be unknown.
fn texts(value: &Value) -> Value {
    let kind = match &value.kind {
        Kind::Unknown(name) => return Value::text(mark(name), value.place),
        Kind::List(items) => Kind::List(items.iter().map(texts).collect()),
        kind => kind.clone(),
    };
    Value::new(kind, value.place)
}

fn principal(value: &Value) -> Value {
    let place = value.place;
    let federated = |value: &Value| (Value::text("Federated", place), texts(value));
    let entries = match &value.kind {
        Kind::Unknown(_) => vec![federated(value)],
        Kind::Object(entries) => entries
            .iter()
            .map(|(key, value)| {
                if key.is_known() {
                    (key.clone(), texts(value))
                } else {
                    federated(value)
                }
            })
            .collect(),
        _ => return value.clone(),
    };
    Value::new(Kind::Object(entries), place)
}

fn condition(value: &Value) -> Value {
    let block = |value: &Value| (Value::text("StringLike", value.place), keys(value));
    let entries = match &value.kind {
        Kind::Unknown(_) => vec![block(value)],
        Kind::Object(entries) => entries
            .iter()
            .map(|(key, value)| {
                if key.is_known() {
                    (key.clone(), keys(value))
                } else {
                    block(value)
                }
            })
            .collect(),
        _ => return value.clone(),
    };
    Value::new(Kind::Object(entries), value.place)
}

fn keys(value: &Value) -> Value {
    let subject = |value: &Value| (Value::text(format!("{GITHUB}:sub"), value.place), texts(value));
    let entries = match &value.kind {
        Kind::Unknown(_) => vec![subject(value)],
        Kind::Object(entries) => entries
            .iter()
            .map(|(key, value)| match &key.kind {
                _ if key.is_known() => (key.clone(), texts(value)),
                // The issuer's host is computed, but the claim is literal: `${local.url}:sub`.
                Kind::Text(text) if after_marks(&text.text).starts_with(':') => {
                    let key = format!("{GITHUB}{}", after_marks(&text.text));
                    (Value::text(key, value.place), texts(value))
                }
                _ => subject(&Value::unknown("unknown", value.place)),
            })
            .collect(),
        _ => return value.clone(),
    };
    Value::new(Kind::Object(entries), value.place)
}

/// Writes JSON indented by two spaces, and records where each part comes from.
#[derive(Default)]
struct Writer {
    text: String,
    /// Spans before marks are shown as masks.
    marked: Vec<(Span, Place)>,
}

impl Writer {
    fn write(&mut self, value: &Value, depth: usize) {
        let start = self.text.len();
        let index = self.marked.len();
        self.marked.push((Span::new(start, start), value.place));
        match &value.kind {
            Kind::List(items) if !items.is_empty() => {
                self.text.push('[');
                for (at, item) in items.iter().enumerate() {
                    self.line(at > 0, depth + 1);
                    self.write(item, depth + 1);
                }
                self.line(false, depth);
                self.text.push(']');
            }
            Kind::Object(entries) if !entries.is_empty() => {
                self.text.push('{');
                for (at, (key, value)) in entries.iter().enumerate() {
                    self.line(at > 0, depth + 1);
                    let start = self.text.len();
                    self.text.push_str(&quoted(&key.as_text().unwrap_or_default()));
                    self.marked.push((Span::new(start, self.text.len()), key.place));
                    self.text.push_str(": ");
                    self.write(value, depth + 1);
                }
                self.line(false, depth);
                self.text.push('}');
            }
            Kind::List(_) => self.text.push_str("[]"),
            Kind::Object(_) => self.text.push_str("{}"),
            Kind::Null => self.text.push_str("null"),
            Kind::Bool(value) => self.text.push_str(if *value { "true" } else { "false" }),
            Kind::Number(number) => self.text.push_str(number),
            Kind::Json(_) | Kind::Text(_) | Kind::Unknown(_) => {
                self.text.push_str(&quoted(&value.as_text().unwrap_or_default()));
            }
        }
        let end = self.text.len();
        if let Some((span, _)) = self.marked.get_mut(index) {
            span.end = end;
        }
    }

    fn line(&mut self, comma: bool, depth: usize) {
        if comma {
            self.text.push(',');
        }
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n("  ", depth));
    }

    /// The parts of the text once marks are shown as masks, which are shorter.
    fn parts(self) -> Vec<(Span, Place)> {
        // The end of each mark's opening and closing character, and how far the text after it has moved.
        let mut moved: Vec<(usize, usize)> = Vec::new();
        let mut shift = 0;
        for (at, c) in self.text.char_indices() {
            if let Some(shorter) = shortened_by(c) {
                shift += shorter;
                moved.push((at + c.len_utf8(), shift));
            }
        }
        let new = |at: usize| {
            let next = moved.partition_point(|(from, _)| *from <= at);
            let shift = next
                .checked_sub(1)
                .and_then(|index| moved.get(index))
                .map_or(0, |(_, shift)| *shift);
            at - shift
        };
        let part = |(span, place): (Span, Place)| (Span::new(new(span.start), new(span.end)), place);
        self.marked.into_iter().map(part).collect()
    }
}
