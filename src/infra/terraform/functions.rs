//! The Terraform functions that policies are written with; the result of any other is unknown.

use std::rc::Rc;

use hcl_edit::parser::parse_template;

use super::expression::{MOST_ELEMENTS, Names, Scope};
use crate::infra::policy::placed;
use crate::infra::value::{Kind, MOST_TEXT, Place, Text, Value};
use crate::infra::yaml;
use crate::text::Span;

/// The entries of a collection: a list's by index, a set's by its own elements.
pub(super) fn entries(value: &Value) -> Option<Vec<(Value, Value)>> {
    match &value.kind {
        Kind::Object(entries) if entries.iter().all(|(key, _)| key.is_known()) => Some(entries.clone()),
        Kind::List(items) if items.iter().all(|item| !matches!(item.kind, Kind::Unknown(_))) => {
            let index = |at: usize, item: &Value| Value::new(Kind::Number(at.to_string()), item.place);
            Some(
                items
                    .iter()
                    .enumerate()
                    .map(|(at, item)| (index(at, item), item.clone()))
                    .collect(),
            )
        }
        _ => None,
    }
}

/// The result of a function; `None` if it can't be known.
pub(super) fn call(scope: &Scope<'_>, name: &str, arguments: Vec<Value>, place: Place) -> Option<Value> {
    let value = |kind| Some(Value::new(kind, place));
    let text = |text: String| (text.len() <= MOST_TEXT).then(|| Value::text(text, place));
    let mut arguments = arguments;
    match name {
        // These don't change the value.
        "tostring" | "nonsensitive" | "sensitive" | "tolist" | "tomap" | "tonumber" | "tobool" | "ephemeralasnull" => {
            (arguments.len() == 1).then(|| arguments.pop())?
        }
        "toset" | "distinct" | "compact" | "sort" => {
            let Kind::List(items) = arguments.pop()?.kind else {
                return None;
            };
            let mut kept: Vec<Value> = Vec::new();
            for item in items {
                let is_empty = name == "compact" && (item.kind == Kind::Null || item.known_text() == Some(""));
                let is_again = name != "sort"
                    && name != "compact"
                    && item.is_known()
                    && kept.iter().any(|known| known.kind == item.kind);
                if !is_empty && !is_again {
                    kept.push(item);
                }
            }
            if name == "sort" || name == "toset" {
                kept.sort_by_key(Value::as_text);
            }
            value(Kind::List(kept))
        }
        "jsonencode" => value(Kind::Json(Box::new(arguments.pop()?))),
        "jsondecode" | "yamldecode" => decode(arguments.pop()?),
        "try" | "coalesce" => {
            let is_it = |value: &Value| match &value.kind {
                Kind::Null => false,
                Kind::Text(text) => name == "try" || !text.text.is_empty(),
                _ => true,
            };
            let first = arguments.iter().position(is_it)?;
            // What can't be followed may be an error in Terraform, which is what `try` is for.
            match &arguments.get(first)?.kind {
                Kind::Unknown(_) => None,
                _ => Some(arguments.swap_remove(first)),
            }
        }
        "coalescelist" => arguments.into_iter().find(|list| !list.elements().is_empty()),
        "concat" | "flatten" | "setunion" => {
            let mut items = Vec::new();
            for argument in arguments {
                flatten(argument, name == "flatten", true, &mut items)?;
            }
            (items.len() <= MOST_ELEMENTS).then(|| value(Kind::List(items)))?
        }
        "merge" => {
            let mut entries: Vec<(Value, Value)> = Vec::new();
            for argument in arguments {
                match argument.kind {
                    Kind::Object(more) => {
                        for (key, value) in more {
                            entries.retain(|(known, _)| !known.is_known() || known.as_text() != key.as_text());
                            entries.push((key, value));
                        }
                    }
                    Kind::Null => {}
                    _ => entries.push((argument.clone(), argument)),
                }
            }
            value(Kind::Object(entries))
        }
        "join" => {
            let (separator, list) = (arguments.first()?.known_text()?.to_owned(), arguments.get(1)?);
            let mut joined = Text::default();
            for (at, item) in list_of(list)?.iter().enumerate() {
                if at > 0 {
                    joined.push(&Value::text(separator.clone(), place))?;
                }
                joined.push(item)?;
                (joined.text.len() <= MOST_TEXT).then_some(())?;
            }
            value(Kind::Text(joined))
        }
        "format" => format(&arguments, place),
        "formatlist" => {
            let count = arguments
                .iter()
                .filter_map(|argument| Some(list_of(argument)?.len()))
                .max()?;
            let row = |at: usize| {
                let row: Option<Vec<Value>> = arguments
                    .iter()
                    .map(|argument| match list_of(argument) {
                        Some(items) => items.get(at).cloned(),
                        None if matches!(argument.kind, Kind::Unknown(_)) => None,
                        None => Some(argument.clone()),
                    })
                    .collect();
                format(&row?, place)
            };
            value(Kind::List((0..count).map(row).collect::<Option<_>>()?))
        }
        "lookup" => {
            let (map, key) = (arguments.first()?, arguments.get(1)?.known_text()?);
            let found = map.get(key).cloned();
            found.or_else(|| {
                arguments
                    .get(2)
                    .filter(|_| map.entries().iter().all(|(key, _)| key.is_known()))
                    .cloned()
            })
        }
        "element" => {
            let list = arguments.first()?.elements();
            let index: usize = arguments.get(1)?.as_text()?.parse().ok()?;
            arguments.first()?.element(index.checked_rem(list.len())?)
        }
        "one" => match arguments.pop()?.kind {
            Kind::List(mut items) if items.len() == 1 => items.pop(),
            Kind::List(items) if items.is_empty() => value(Kind::Null),
            _ => None,
        },
        "slice" => {
            let index = |at: usize| arguments.get(at)?.as_text()?.parse::<usize>().ok();
            let items = list_of(arguments.first()?)?.get(index(1)?..index(2)?)?;
            value(Kind::List(items.to_vec()))
        }
        "length" => {
            let count = match &arguments.first()?.kind {
                Kind::List(_) => list_of(arguments.first()?)?.len(),
                Kind::Object(entries) => entries.len(),
                _ => arguments.first()?.known_text()?.chars().count(),
            };
            value(Kind::Number(count.to_string()))
        }
        "keys" | "values" => {
            let mut entries = entries(arguments.first()?)
                .filter(|_| arguments.first().is_some_and(|map| map.elements().is_empty()))?;
            entries.sort_by_key(|(key, _)| key.as_text());
            let of = |(key, value)| if name == "keys" { key } else { value };
            value(Kind::List(entries.into_iter().map(of).collect()))
        }
        "zipmap" => {
            let (keys, values) = (list_of(arguments.first()?)?, list_of(arguments.get(1)?)?);
            value(Kind::Object(keys.iter().cloned().zip(values.iter().cloned()).collect()))
        }
        "setproduct" => {
            let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
            for argument in &arguments {
                let items = list_of(argument)?;
                (rows.len().saturating_mul(items.len()) <= MOST_ELEMENTS).then_some(())?;
                rows = rows
                    .iter()
                    .flat_map(|row| {
                        items
                            .iter()
                            .map(move |item| row.iter().cloned().chain([item.clone()]).collect())
                    })
                    .collect();
            }
            value(Kind::List(
                rows.into_iter().map(|row| Value::new(Kind::List(row), place)).collect(),
            ))
        }
        "range" => {
            let number = |at: usize| arguments.get(at)?.as_text()?.parse::<usize>().ok();
            let (from, to) = if arguments.len() == 1 {
                (0, number(0)?)
            } else {
                (number(0)?, number(1)?)
            };
            (arguments.len() <= 2 && to.saturating_sub(from) <= MOST_ELEMENTS).then_some(())?;
            value(Kind::List(
                (from..to)
                    .map(|at| Value::new(Kind::Number(at.to_string()), place))
                    .collect(),
            ))
        }
        "contains" => {
            let (list, wanted) = (list_of(arguments.first()?)?, arguments.get(1)?.as_text()?);
            let has = list.iter().any(|item| item.as_text().as_ref() == Some(&wanted));
            let is_known = arguments.iter().all(Value::is_known);
            is_known.then(|| value(Kind::Bool(has)))?
        }
        "can" => arguments
            .first()
            .filter(|value| value.is_known())
            .and_then(|_| value(Kind::Bool(true))),
        "alltrue" | "anytrue" => {
            let all = list_of(arguments.first()?)?.iter().map(|item| match item.kind {
                Kind::Bool(value) => Some(value),
                _ => None,
            });
            let all: Vec<bool> = all.collect::<Option<_>>()?;
            value(Kind::Bool(if name == "alltrue" {
                all.iter().all(|is| *is)
            } else {
                all.iter().any(|is| *is)
            }))
        }
        "split" => {
            let (separator, whole) = (arguments.first()?.known_text()?, arguments.get(1)?.known_text()?);
            let parts = whole
                .split(separator)
                .take(MOST_ELEMENTS)
                .map(|part| Value::text(part, place));
            value(Kind::List(parts.collect()))
        }
        "file" | "templatefile" => file(scope, &arguments, name == "templatefile", place),
        "abspath" | "pathexpand" => arguments.pop(),
        "basename" | "dirname" => {
            let path = arguments.first()?.known_text()?;
            let (before, last) = path.rsplit_once('/').unwrap_or((".", path));
            text(if name == "basename" { last } else { before }.to_owned())
        }
        // String functions.
        "lower" | "upper" | "trimspace" | "title" | "chomp" | "replace" | "trimprefix" | "trimsuffix" | "trim"
        | "startswith" | "endswith" | "strcontains" | "substr" => {
            let known = |at: usize| arguments.get(at).and_then(Value::known_text);
            let subject = known(0)?;
            match name {
                "lower" => text(subject.to_lowercase()),
                "upper" => text(subject.to_uppercase()),
                "trimspace" => text(subject.trim().to_owned()),
                "chomp" => text(subject.trim_end_matches(['\r', '\n']).to_owned()),
                // A pattern between slashes is a regular expression.
                "replace" => {
                    let (from, to) = (known(1)?, known(2)?);
                    let is_pattern = from.len() > 1 && from.starts_with('/') && from.ends_with('/');
                    let grown = subject.len().saturating_mul(to.len().max(1));
                    match from {
                        "/^https?:\\/\\//" | "/^https:\\/\\//" | "/https:\\/\\//" => {
                            text(subject.trim_start_matches("https://").to_owned())
                        }
                        _ => (!is_pattern && grown <= MOST_TEXT).then(|| text(subject.replace(from, to)))?,
                    }
                }
                "trimprefix" => text(subject.strip_prefix(known(1)?).unwrap_or(subject).to_owned()),
                "trimsuffix" => text(subject.strip_suffix(known(1)?).unwrap_or(subject).to_owned()),
                "trim" => {
                    let set = known(1)?;
                    text(subject.trim_matches(|c| set.contains(c)).to_owned())
                }
                "startswith" => value(Kind::Bool(subject.starts_with(known(1)?))),
                "endswith" => value(Kind::Bool(subject.ends_with(known(1)?))),
                "strcontains" => value(Kind::Bool(subject.contains(known(1)?))),
                "substr" => {
                    let number = |at: usize| arguments.get(at)?.as_text()?.parse::<i64>().ok();
                    let (from, length) = (usize::try_from(number(1)?).ok()?, number(2)?);
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    text(subject.chars().skip(from).take(length).collect())
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// The elements of a list whose length is known.
fn list_of(value: &Value) -> Option<&[Value]> {
    match &value.kind {
        Kind::List(items) if items.iter().all(|item| !matches!(item.kind, Kind::Unknown(_))) => Some(items),
        _ => None,
    }
}

/// Flattens into `into`; an unknown stays, as an element that represents any number of them.
fn flatten(value: Value, is_deep: bool, is_top: bool, into: &mut Vec<Value>) -> Option<()> {
    if into.len() > MOST_ELEMENTS {
        return None;
    }
    match value.kind {
        Kind::List(items) if is_deep || is_top => {
            for item in items {
                flatten(item, is_deep, false, into)?;
            }
        }
        Kind::Null if is_top => {}
        _ => into.push(value),
    }
    Some(())
}

fn decode(value: Value) -> Option<Value> {
    match value.kind {
        Kind::Json(inner) => Some(*inner),
        Kind::Text(text) => Some(placed(yaml::read(&text.text, 0).ok()?, &text, value.place)),
        _ => None,
    }
}

/// `format`: `%s`, `%d`, `%v` and `%%`.
fn format(arguments: &[Value], place: Place) -> Option<Value> {
    let (first, mut rest) = arguments.split_first()?;
    let mut made = Text::default();
    let mut pieces = first.known_text()?.split('%');
    let push = |made: &mut Text, piece: &str| made.push(&Value::text(piece, first.place));
    push(&mut made, pieces.next().unwrap_or_default())?;
    while let Some(piece) = pieces.next() {
        match piece.chars().next() {
            Some('s' | 'd' | 'v') => {
                let (argument, more) = rest.split_first()?;
                rest = more;
                made.push(argument)?;
                push(&mut made, piece.get(1..)?)?;
            }
            None => {
                push(&mut made, "%")?;
                push(&mut made, pieces.next().unwrap_or_default())?;
            }
            _ => return None,
        }
        (made.text.len() <= MOST_TEXT).then_some(())?;
    }
    rest.is_empty().then(|| Value::new(Kind::Text(made), place))
}

/// Another file of the configuration, verbatim or as a template.
fn file(scope: &Scope<'_>, arguments: &[Value], is_template: bool, place: Place) -> Option<Value> {
    let (file, text) = scope.module.beside(arguments.first()?.known_text()?)?;
    let whole = Place::new(file, Span::new(0, text.len()));
    if !is_template {
        let mut read = Text::default();
        read.push_literal(text, text, whole);
        return Some(Value::new(Kind::Text(read), place));
    }
    let template = parse_template(text).ok()?;
    let names = arguments.get(1).map(Value::entries).unwrap_or_default();
    let name = |(key, value): &(Value, Value)| Some((key.known_text()?.to_owned(), Rc::new(value.clone())));
    let names: Names = names.iter().filter_map(name).collect();
    let scope = Scope {
        module: scope.module,
        file,
        names: &names,
        depth: scope.depth + 1,
    };
    Some(scope.template(&template, whole))
}
