//! A policy as Terraform or CloudFormation writes it, as the JSON text that IAM is given, and where each part of that comes from.
//!
//! What cannot be known stays in its place as a mask, `${var.org}`, which is unknown wherever it is compared. A whole statement, block
//! or element that is unknown becomes one that fits whom its unknown values fit.

use super::value::{Kind, Place, Text, Value, after_marks, mark, quoted, shortened_by, shown};
use super::yaml;
use crate::text::Span;

/// GitHub's issuer as condition keys name it.
pub(super) const GITHUB: &str = "token.actions.githubusercontent.com";

/// A trust policy from source.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Written {
    /// The JSON.
    pub(crate) text: String,
    /// Which bytes of it come from where, in order of their start, the outer before the inner.
    pub(crate) parts: Vec<(Span, Place)>,
    /// The names of what would have to be known.
    pub(crate) unknown: Vec<String>,
    /// Is a value taken that may be another one when it is applied: a variable's default?
    pub(crate) assumed: Vec<String>,
}

impl Written {
    /// The policy of a value; the text of a policy is read as JSON.
    ///
    /// # Errors
    /// In words: it is known in no part, or is no JSON.
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

    /// The innermost part that holds these bytes.
    pub(crate) fn place(&self, span: Span) -> Option<Place> {
        let holds = |part: &&(Span, Place)| part.0.start <= span.start && span.end <= part.0.end;
        self.parts.iter().rev().find(holds).map(|(_, place)| *place)
    }

    /// The part that is these bytes.
    pub(crate) fn exactly(&self, span: Span) -> Option<Place> {
        self.parts.iter().find(|part| part.0 == span).map(|(_, place)| *place)
    }

    /// Does it trust GitHub's tokens, or might it, by what is not known of it?
    pub(crate) fn is_githubs(&self) -> bool {
        self.text.contains("actions.githubusercontent.com")
            || self.text.contains("AssumeRoleWithWebIdentity")
                && (self.text.contains("\"Federated\": \"${") || self.text.contains("repo:"))
    }
}

/// The policy itself, out of the text that it may be written as.
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

/// A tree that was read from a text, with the places where that text comes from.
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

/// The policy with something that the grammar allows in the place of each part that is unknown.
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
    // What these two are decides what the rest of it means.
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
    // What else the statement says may hold or not.
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

/// A statement that nobody knows: it lets in whom its unknown principal and subject fit.
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

/// Texts of which some may be unknown.
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
                // The issuer's name is worked out, and the claim is written: `${local.url}:sub`.
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

/// Writes JSON two spaces a level, and remembers where each part comes from.
#[derive(Default)]
struct Writer {
    text: String,
    /// Before marks are shown as masks.
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

    /// The parts of the text in which marks are shown as masks, which are shorter.
    fn parts(self) -> Vec<(Span, Place)> {
        // The end of each mark's opening and closing character, and by how much what follows has moved by then.
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
