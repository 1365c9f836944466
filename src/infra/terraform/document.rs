//! `aws_iam_policy_document` as the policy it generates.

use std::rc::Rc;

use hcl_edit::Span as _;
use hcl_edit::structure::{Block, Body};

use super::expression::{Names, Scope};
use super::functions::entries;
use crate::infra::value::{Kind, Place, Text, Value};
use crate::text::Span;

/// The policy of a document block.
pub(super) fn document(scope: &Scope<'_>, block: &Block, place: Place) -> Value {
    let text = |text: &str| Value::text(text, place);
    let mut statements: Vec<Value> = Vec::new();
    let others = |name: &str| {
        let list = block.body.get_attribute(name).map(|list| scope.value(&list.value));
        match list.map(|list| (list.kind.clone(), list)) {
            Some((Kind::List(items), _)) => items,
            Some((Kind::Null, _)) | None => Vec::new(),
            Some((_, one)) => vec![one],
        }
    };
    for name in ["source_policy_documents", "source_json"] {
        for other in others(name) {
            statements.extend(statements_of(&other));
        }
    }
    for (own, inside) in blocks(scope, &block.body, "statement") {
        statements.push(match own {
            Some((body, span)) => statement(&inside.borrowed(), body, Place::new(scope.file, span)),
            None => Value::unknown("dynamic statement", place),
        });
    }
    for name in ["override_policy_documents", "override_json"] {
        for other in others(name) {
            for statement in statements_of(&other) {
                let sid = statement
                    .get("Sid")
                    .and_then(Value::as_text)
                    .filter(|sid| !sid.is_empty());
                let same = |known: &&mut Value| sid.is_some() && known.get("Sid").and_then(Value::as_text) == sid;
                match statements.iter_mut().find(same) {
                    Some(known) => *known = statement,
                    None => statements.push(statement),
                }
            }
        }
    }
    let version = block
        .body
        .get_attribute("version")
        .map(|version| scope.value(&version.value));
    let entries = vec![
        (text("Version"), version.unwrap_or_else(|| text("2012-10-17"))),
        (text("Statement"), Value::new(Kind::List(statements), place)),
    ];
    Value::new(Kind::Object(entries), place)
}

/// The statements of another document, which may be unknown.
fn statements_of(other: &Value) -> Vec<Value> {
    let tree = match &other.kind {
        Kind::Text(text) => crate::infra::yaml::read(&text.text, 0)
            .ok()
            .map(|tree| crate::infra::policy::placed(tree, text, other.place)),
        _ => Some(other.clone()),
    };
    match tree.as_ref().and_then(|tree| tree.get("Statement")) {
        Some(Value {
            kind: Kind::List(statements),
            ..
        }) => statements.clone(),
        Some(one) => vec![one.clone()],
        None => vec![Value::unknown(other.as_text().unwrap_or_default(), other.place)],
    }
}

/// A scope that owns the names bound by a `dynamic` block.
struct Inside<'a> {
    outer: Scope<'a>,
    names: Names,
}

impl Inside<'_> {
    fn borrowed(&self) -> Scope<'_> {
        Scope {
            names: &self.names,
            ..self.outer
        }
    }
}

/// A block's body and its span; `None` represents any number of blocks.
type Found<'b> = Option<(&'b Body, Span)>;

/// The blocks with a name, including those that a `dynamic` block generates.
fn blocks<'a, 'b>(scope: &Scope<'a>, body: &'b Body, name: &str) -> Vec<(Found<'b>, Inside<'a>)> {
    let span = |block: &Block| {
        block
            .span()
            .map_or_else(Span::default, |span| Span::new(span.start, span.end))
    };
    let inside = |names: Names| Inside { outer: *scope, names };
    let mut found = Vec::new();
    for block in body.blocks() {
        if block.has_ident(name) {
            found.push((Some((&block.body, span(block))), inside(scope.names.to_vec())));
        }
        let is_dynamic = block.has_ident("dynamic") && block.labels.first().is_some_and(|label| label.as_str() == name);
        let Some(content) = block.body.get_blocks("content").next().filter(|_| is_dynamic) else {
            continue;
        };
        let each = block
            .body
            .get_attribute("for_each")
            .map(|each| scope.value(&each.value));
        let Some(elements) = each.as_ref().and_then(entries) else {
            found.push((None, inside(scope.names.to_vec())));
            continue;
        };
        let iterator = block.body.get_attribute("iterator").map(|iterator| &iterator.value);
        let iterator = iterator
            .and_then(|name| name.as_variable())
            .map_or(name, |name| name.as_str());
        for (key, value) in elements {
            let place = value.place;
            let entries = vec![(Value::text("key", place), key), (Value::text("value", place), value)];
            let mut names = scope.names.to_vec();
            names.push((iterator.to_owned(), Rc::new(Value::new(Kind::Object(entries), place))));
            found.push((Some((&content.body, span(content))), inside(names)));
        }
    }
    found
}

fn statement(scope: &Scope<'_>, body: &Body, place: Place) -> Value {
    let text = |text: &str| Value::text(text, place);
    let written = |name: &str| {
        body.get_attribute(name)
            .map(|attribute| variables(scope.value(&attribute.value)))
    };
    let is_there = |value: &Value| match &value.kind {
        Kind::Null => false,
        Kind::List(items) => !items.is_empty(),
        _ => true,
    };
    let mut entries: Vec<(Value, Value)> = Vec::new();
    let mut add = |name: &str, value: Option<Value>| {
        entries.extend(
            value
                .filter(is_there)
                .map(|value| (Value::text(name, value.place), value)),
        );
    };
    add("Sid", written("sid"));
    add(
        "Effect",
        Some(written("effect").filter(is_there).unwrap_or_else(|| text("Allow"))),
    );
    for (name, block) in [("Principal", "principals"), ("NotPrincipal", "not_principals")] {
        add(name, principals(scope, body, block, place));
    }
    add("Action", written("actions"));
    add("NotAction", written("not_actions"));
    add("Resource", written("resources"));
    add("NotResource", written("not_resources"));
    add("Condition", conditions(scope, body, place));
    Value::new(Kind::Object(entries), place)
}

fn principals(scope: &Scope<'_>, body: &Body, name: &str, place: Place) -> Option<Value> {
    let mut entries: Vec<(Value, Value)> = Vec::new();
    for (found, inside) in blocks(scope, body, name) {
        let Some((body, span)) = found else {
            let unknown = Value::unknown("dynamic principals", place);
            entries.push((unknown.clone(), unknown));
            continue;
        };
        let scope = inside.borrowed();
        let at = Place::new(scope.file, span);
        let value = |name: &str| {
            body.get_attribute(name)
                .map(|attribute| variables(scope.value(&attribute.value)))
        };
        let kind = value("type").unwrap_or_else(|| Value::unknown("type", at));
        let identifiers = value("identifiers").unwrap_or_else(|| Value::unknown("identifiers", at));
        // The provider writes this as plain `"*"` rather than `{"AWS": "*"}`; to IAM they are the same.
        let kind = match kind.known_text() {
            Some("*") => Value::text("AWS", kind.place),
            _ => kind,
        };
        gather(&mut entries, kind, identifiers);
    }
    (!entries.is_empty()).then(|| Value::new(Kind::Object(entries), place))
}

fn conditions(scope: &Scope<'_>, body: &Body, place: Place) -> Option<Value> {
    let mut operators: Vec<(Value, Value)> = Vec::new();
    for (found, inside) in blocks(scope, body, "condition") {
        let Some((body, span)) = found else {
            let unknown = Value::unknown("dynamic condition", place);
            operators.push((unknown.clone(), unknown));
            continue;
        };
        let scope = inside.borrowed();
        let at = Place::new(scope.file, span);
        let value = |name: &str| {
            let value = body
                .get_attribute(name)
                .map(|attribute| variables(scope.value(&attribute.value)));
            value.unwrap_or_else(|| Value::unknown(name, at))
        };
        let (test, variable, values) = (value("test"), value("variable"), value("values"));
        let variable = match variable.as_text() {
            Some(text) if !matches!(variable.kind, Kind::Text(_)) => Value::text(text, variable.place),
            _ => variable,
        };
        if !test.is_known() {
            operators.push((test.clone(), test));
            continue;
        }
        let known = operators
            .iter_mut()
            .find(|(operator, _)| operator.as_text() == test.as_text());
        match known {
            Some((
                _,
                Value {
                    kind: Kind::Object(keys),
                    ..
                },
            )) => gather(keys, variable, values),
            _ => operators.push((test, Value::new(Kind::Object(vec![(variable, values)]), at))),
        }
    }
    (!operators.is_empty()).then(|| Value::new(Kind::Object(operators), place))
}

/// Merges blocks of the same kind into one with all their values.
fn gather(entries: &mut Vec<(Value, Value)>, key: Value, values: Value) {
    let known = entries
        .iter_mut()
        .find(|(known, _)| known.is_known() && known.as_text() == key.as_text());
    match (known, values) {
        (
            Some((
                _,
                Value {
                    kind: Kind::List(known),
                    ..
                },
            )),
            Value {
                kind: Kind::List(more), ..
            },
        ) => known.extend(more),
        (_, values) => entries.push((key, values)),
    }
}

/// `&{aws:username}` becomes the policy's `${aws:username}` (Terraform registry, `aws_iam_policy_document`).
fn variables(value: Value) -> Value {
    let kind = match value.kind {
        Kind::Text(text) if text.text.contains("&{") => Kind::Text(Text {
            text: text.text.replace("&{", "${"),
            parts: text.parts,
        }),
        Kind::List(items) => Kind::List(items.into_iter().map(variables).collect()),
        kind => kind,
    };
    Value::new(kind, value.place)
}
