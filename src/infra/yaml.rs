//! YAML and JSON as values with their places: the scalars typed as YAML types them, and CloudFormation's tags as the functions that
//! they are short for.

use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, Tag};

use super::value::{Kind, Place, Value, marked};
use crate::text::{Span, position};

/// What is no YAML, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

/// Nesting deeper than this is no template.
const MAX_DEPTH: usize = 96;
/// So many values, aliases spelled out, are no template: CloudFormation takes 1 MB.
const MAX_VALUES: usize = 200_000;

/// A list or map that has begun. The key of a map's next value waits in `key`.
struct Open {
    value: Value,
    tag: Option<String>,
    anchor: usize,
    key: Option<Value>,
}

/// The first document of a text.
pub(super) fn read(text: &str, file: usize) -> Result<Value, Fault> {
    let mut options = Options::default();
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let too_much = |message: &str, at: Span| {
        let place = position(text, at.start);
        Fault {
            line: place.line,
            column: place.column,
            message: message.to_owned(),
        }
    };
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, (Value, usize)> = HashMap::new();
    let mut count = 0_usize;
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, place) = event.map_err(|error| Fault {
            line: error.marker().line(),
            column: error.marker().col() + 1,
            message: error.info(),
        })?;
        let span = place
            .byte_range()
            .map_or_else(Span::default, |range| Span::new(range.start, range.end));
        let (value, anchor, size) = match event {
            Event::Scalar(scalar, style, anchor, tag) => {
                let value = self::scalar(&scalar, style, Place::new(file, span), text);
                (tagged(value, tag.as_deref().and_then(name)), anchor, 1)
            }
            Event::Alias(anchor) => {
                let Some((value, size)) = anchors.get(&anchor) else {
                    return Err(too_much("an alias stands inside its own anchor", span));
                };
                (value.clone(), 0, *size)
            }
            Event::SequenceStart(_, anchor, ref tag) | Event::MappingStart(_, anchor, ref tag) => {
                if open.len() >= MAX_DEPTH {
                    return Err(too_much("it is nested too deeply", span));
                }
                let kind = match event {
                    Event::SequenceStart(..) => Kind::List(Vec::new()),
                    _ => Kind::Object(Vec::new()),
                };
                open.push(Open {
                    value: Value::new(kind, Place::new(file, span)),
                    tag: tag.as_deref().and_then(name),
                    anchor,
                    key: None,
                });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(mut closed) => {
                    if text
                        .get(span.start..span.end)
                        .is_some_and(|end| end == "}" || end == "]")
                    {
                        closed.value.place.span.end = span.end;
                    }
                    let size = if closed.anchor == 0 { 0 } else { size(&closed.value) };
                    (tagged(closed.value, closed.tag), closed.anchor, size)
                }
                None => continue,
            },
            Event::DocumentEnd => break,
            _ => continue,
        };
        count += size.max(1);
        if count > MAX_VALUES {
            return Err(too_much("it holds more values than a template can", span));
        }
        if anchor != 0 {
            anchors.insert(anchor, (value.clone(), size));
        }
        match open.last_mut() {
            Some(parent) => add(parent, value),
            None => return Ok(value),
        }
    }
    Ok(Value::new(Kind::Null, Place::new(file, Span::default())))
}

fn add(parent: &mut Open, value: Value) {
    let end = &mut parent.value.place.span.end;
    *end = value.place.span.end.max(*end);
    match &mut parent.value.kind {
        Kind::List(items) => items.push(value),
        Kind::Object(entries) => match parent.key.take() {
            Some(key) => entries.push((key, value)),
            // A key is a text, however it looks.
            None => {
                let text = value.as_text().unwrap_or_default();
                parent.key = Some(match value.kind {
                    Kind::Text(_) => value,
                    _ => Value::text(text, value.place),
                });
            }
        },
        _ => {}
    }
}

fn size(value: &Value) -> usize {
    1 + match &value.kind {
        Kind::List(items) => items.iter().map(size).sum(),
        Kind::Object(entries) => entries.iter().map(|(_, value)| 1 + size(value)).sum(),
        _ => 0,
    }
}

/// A local tag's name: `Sub` of `!Sub`.
fn name(tag: &Tag) -> Option<String> {
    (tag.handle() == "!").then(|| tag.suffix().to_owned())
}

/// What a tag is short for: `!Ref x` is `{Ref: x}`, `!Sub x` is `{Fn::Sub: x}` (CloudFormation User Guide, intrinsic functions).
fn tagged(value: Value, tag: Option<String>) -> Value {
    let Some(tag) = tag else { return value };
    let place = value.place;
    let (name, value) = match &*tag {
        "Ref" | "Condition" => (tag, value),
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

fn scalar(text: &str, style: ScalarStyle, place: Place, source: &str) -> Value {
    let is_plain = style == ScalarStyle::Plain;
    let written = source.get(place.span.start..place.span.end).unwrap_or_default();
    let kind = match text {
        "true" | "True" | "TRUE" if is_plain => Kind::Bool(true),
        "false" | "False" | "FALSE" if is_plain => Kind::Bool(false),
        "null" | "Null" | "NULL" | "~" | "" if is_plain => Kind::Null,
        _ if is_plain && is_number(text) => Kind::Number(text.to_owned()),
        _ if is_plain && marked(text).is_some() => Kind::Unknown(marked(text).unwrap_or_default().to_owned()),
        _ => {
            let mut value = Value::text(text, place);
            // A policy can stand in a block scalar as text.
            if let Kind::Text(parts) = &mut value.kind
                && matches!(style, ScalarStyle::Literal)
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
