//! YAML and JSON as values with their places: scalars typed by YAML's rules, and CloudFormation's tags as the functions they
//! abbreviate.

use super::value::{Kind, Place, Value, marked};
use crate::text::Span;
use crate::text::yaml::{self, Fault, Limits, Node, Style};

/// The limits of a template: CloudFormation accepts 1 MB.
const LIMITS: Limits = Limits {
    depth: 96,
    values: 200_000,
    what: "a template",
};

/// The first document of a text; null if there is none.
pub(super) fn read(text: &str, file: usize) -> Result<Value, Fault> {
    Ok(value(yaml::read(text, &LIMITS)?, file, text))
}

fn value(node: Node, file: usize, source: &str) -> Value {
    let place = Place::new(file, node.span);
    let value = match node.kind {
        yaml::Kind::Scalar(text) => scalar(&text, node.style, place, source),
        yaml::Kind::List(items) => {
            let items = items.into_iter().map(|item| value(item, file, source));
            Value::new(Kind::List(items.collect()), place)
        }
        yaml::Kind::Map(entries) => {
            // A key is a text, whatever it looks like.
            let entries = entries.into_iter().map(|(key, item)| {
                let key = Value::text(key.value, Place::new(file, key.span));
                (key, value(item, file, source))
            });
            Value::new(Kind::Object(entries.collect()), place)
        }
    };
    tagged(value, node.tag.as_deref())
}

/// Expands a tag: `!Ref x` is `{Ref: x}`, `!Sub x` is `{Fn::Sub: x}` (CloudFormation User Guide, intrinsic functions).
fn tagged(value: Value, tag: Option<&str>) -> Value {
    let Some(tag) = tag else { return value };
    let place = value.place;
    let (name, value) = match tag {
        "Ref" | "Condition" => (tag.to_owned(), value),
        // `!GetAtt a.b` is `Fn::GetAtt: [a, b]`.
        "GetAtt" => {
            let parts = value.known_text().and_then(|text| text.split_once('.'));
            let parts = parts.map(|(name, attribute)| vec![Value::text(name, place), Value::text(attribute, place)]);
            let value = parts.map_or(value, |parts| Value::new(Kind::List(parts), place));
            ("Fn::GetAtt".to_owned(), value)
        }
        _ => (format!("Fn::{tag}"), value),
    };
    Value::new(Kind::Object(vec![(Value::text(name, place), value)]), place)
}

fn scalar(text: &str, style: Style, place: Place, source: &str) -> Value {
    let is_plain = style == Style::Plain;
    let written = source.get(place.span.start..place.span.end).unwrap_or_default();
    let kind = match text {
        "true" | "True" | "TRUE" if is_plain => Kind::Bool(true),
        "false" | "False" | "FALSE" if is_plain => Kind::Bool(false),
        "null" | "Null" | "NULL" | "~" | "" if is_plain => Kind::Null,
        _ if is_plain && is_number(text) => Kind::Number(text.to_owned()),
        _ if is_plain && marked(text).is_some() => Kind::Unknown(marked(text).unwrap_or_default().to_owned()),
        _ => {
            let mut value = Value::text(text, place);
            // A policy can be text in a block scalar.
            if let Kind::Text(parts) = &mut value.kind
                && style == Style::Literal
            {
                parts.text.clear();
                let written = written.split_once('\n').map_or("", |(_, rest)| rest);
                let start = place.span.end - written.len();
                let body = Place::new(place.file, Span::new(start, place.span.end));
                parts.push_literal(text, written, body);
            }
            return value;
        }
    };
    Value::new(kind, place)
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        && (text == "0" || !text.trim_start_matches('-').starts_with('0') || text.contains('.'))
        && serde_json::from_str::<serde_json::Number>(text).is_ok()
}
