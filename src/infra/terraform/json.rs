//! Terraform's JSON syntax (Terraform, "JSON configuration syntax") as its native one, with the place that each part comes from.

use crate::infra::value::{Kind as ValueKind, Place, Value};
use crate::text::Span;
use crate::text::yaml::{Fault, Kind, Limits, Node, Style, read};

/// More than this nobody writes: what makes these files is CDKTF.
const LIMITS: Limits = Limits {
    depth: 96,
    values: 400_000,
    what: "a configuration",
};

/// So many parts are looked at for the one that a place is in.
const MOST_LOOKS: usize = 10_000;

/// The blocks of a body whose attributes the policies of roles are read from; every other object is a value. (Without the provider's
/// schema both look the same.)
const BLOCKS: [&str; 5] = ["condition", "content", "not_principals", "principals", "statement"];

/// A file in native syntax.
#[derive(Debug, Default)]
pub(super) struct Native {
    pub(super) text: String,
    /// In order of their start, the outer before the inner.
    parts: Vec<Part>,
}

/// Bytes of the native text, and those of the file that they come from.
#[derive(Debug)]
struct Part {
    own: Span,
    from: Span,
    /// One for one.
    is_verbatim: bool,
}

/// A file of Terraform in JSON.
///
/// # Errors
/// [`Fault`] where it is no JSON.
pub(super) fn native(text: &str) -> Result<Native, Fault> {
    let root = read(text, &LIMITS)?;
    let mut native = Native::default();
    for (key, value) in root.entries() {
        match key.value.as_str() {
            "data" | "resource" => each(value, |kind, of_kind| {
                each(of_kind, |name, body| {
                    native.block(text, &key.value, &[kind, name], body)
                });
            }),
            "module" | "output" | "variable" => {
                each(value, |name, body| native.block(text, &key.value, &[name], body));
            }
            "locals" => bodies(value).for_each(|body| native.block(text, &key.value, &[], body)),
            _ => {}
        }
    }
    Ok(native)
}

/// A file of values for variables, in JSON.
///
/// # Errors
/// As [`native`].
pub(super) fn values(text: &str) -> Result<Native, Fault> {
    let root = read(text, &LIMITS)?;
    let mut native = Native::default();
    native.body(text, &root);
    Ok(native)
}

/// An object, or several in a list.
fn bodies(node: &Node) -> impl Iterator<Item = &Node> {
    let all = match &node.kind {
        Kind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    all.iter().filter(|body| matches!(body.kind, Kind::Map(_)))
}

/// The bodies under each name.
fn each<'n>(node: &'n Node, mut run: impl FnMut(&'n crate::text::Spanned<String>, &'n Node)) {
    for (name, value) in bodies(node).flat_map(Node::entries) {
        match &value.kind {
            Kind::List(items) => items.iter().for_each(|body| run(name, body)),
            _ => run(name, value),
        }
    }
}

impl Native {
    fn block(&mut self, source: &str, kind: &str, labels: &[&crate::text::Spanned<String>], body: &Node) {
        let is_plain = |text: &str| !text.contains(['"', '\\', '$', '%', '\n']);
        if !matches!(body.kind, Kind::Map(_)) || !labels.iter().all(|label| is_plain(&label.value)) {
            return;
        }
        let whole = self.begin(body.span);
        let header = self.begin(labels.last().map_or(body.span, |label| label.span));
        self.text.push_str(kind);
        for label in labels {
            self.text.push_str(&format!(" \"{}\"", label.value));
        }
        self.end(header);
        self.text.push_str(" {\n");
        self.body(source, body);
        self.text.push('}');
        self.end(whole);
        self.text.push('\n');
    }

    fn body(&mut self, source: &str, body: &Node) {
        for (key, value) in body.entries() {
            let name = key.value.as_str();
            let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
            match name {
                // A comment among them: `//`.
                _ if !is_name => {}
                "dynamic" => each(value, |label, body| self.block(source, name, &[label], body)),
                _ if BLOCKS.contains(&name) => bodies(value).for_each(|body| self.block(source, name, &[], body)),
                _ => {
                    let whole = self.begin(Span::new(key.span.start, value.span.end));
                    self.text.push_str(name);
                    self.text.push_str(" = ");
                    match value.text() {
                        Some(variable) if name == "iterator" => self.text.push_str(variable),
                        _ => self.value(source, value),
                    }
                    self.end(whole);
                    self.text.push('\n');
                }
            }
        }
    }

    fn value(&mut self, source: &str, node: &Node) {
        let part = self.begin(node.span);
        match &node.kind {
            Kind::Scalar(text) if node.style == Style::Plain && is_bare(text) => self.text.push_str(text),
            Kind::Scalar(text) => {
                let start = self.text.len();
                self.text.push('"');
                self.template(text);
                self.text.push('"');
                let is_same = source.get(node.span.start..node.span.end) == self.text.get(start..);
                if let Some(part) = self.parts.get_mut(part) {
                    part.is_verbatim = is_same;
                }
            }
            Kind::List(items) => {
                self.text.push('[');
                for item in items {
                    self.value(source, item);
                    self.text.push_str(", ");
                }
                self.text.push(']');
            }
            Kind::Map(entries) => {
                self.text.push('{');
                for (key, value) in entries {
                    let own = self.begin(key.span);
                    self.text.push('"');
                    self.template(&key.value);
                    self.text.push('"');
                    self.end(own);
                    self.text.push_str(" = ");
                    self.value(source, value);
                    self.text.push_str(", ");
                }
                self.text.push('}');
            }
        }
        self.end(part);
    }

    /// The inside of a quoted template: what stands in `${…}` and `%{…}` is native already.
    fn template(&mut self, text: &str) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let is_open = rest.starts_with("${") || rest.starts_with("%{");
            let taken = match rest.get(..3) {
                Some(escaped @ ("$${" | "%%{")) => {
                    self.text.push_str(escaped);
                    3
                }
                _ if is_open => {
                    let inside = interpolation(rest);
                    self.text.push_str(rest.get(..inside).unwrap_or_default());
                    inside
                }
                _ => {
                    match c {
                        '"' => self.text.push_str("\\\""),
                        '\\' => self.text.push_str("\\\\"),
                        '\n' => self.text.push_str("\\n"),
                        '\r' => self.text.push_str("\\r"),
                        '\t' => self.text.push_str("\\t"),
                        c => self.text.push(c),
                    }
                    c.len_utf8()
                }
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    fn begin(&mut self, from: Span) -> usize {
        let at = self.text.len();
        self.parts.push(Part {
            own: Span::new(at, at),
            from,
            is_verbatim: false,
        });
        self.parts.len() - 1
    }

    fn end(&mut self, part: usize) {
        let at = self.text.len();
        if let Some(part) = self.parts.get_mut(part) {
            part.own.end = at;
        }
    }

    /// Where some bytes of the native text come from.
    fn from(&self, span: Span) -> Span {
        let next = self.parts.partition_point(|part| part.own.start <= span.start);
        let before = self.parts.get(..next).unwrap_or_default();
        let holds = |part: &&Part| span.end <= part.own.end;
        match before.iter().rev().take(MOST_LOOKS).find(holds) {
            Some(part) if part.is_verbatim => {
                let moved = |at: usize| at - part.own.start + part.from.start;
                Span::new(moved(span.start), moved(span.end))
            }
            Some(part) => part.from,
            None => Span::default(),
        }
    }

    /// Where a place of this file is in JSON.
    pub(super) fn moved(&self, place: &mut Place) {
        place.span = self.from(place.span);
    }

    /// The same of every part of a value.
    pub(super) fn move_all(&self, value: &mut Value, file: usize) {
        let is_own = |place: &Place| place.file == file;
        if is_own(&value.place) {
            self.moved(&mut value.place);
        }
        match &mut value.kind {
            ValueKind::Json(inner) => self.move_all(inner, file),
            ValueKind::List(items) => items.iter_mut().for_each(|item| self.move_all(item, file)),
            ValueKind::Object(entries) => {
                for (key, value) in entries {
                    self.move_all(key, file);
                    self.move_all(value, file);
                }
            }
            ValueKind::Text(text) => {
                for part in text.parts.iter_mut().filter(|part| is_own(&part.place)) {
                    let length = part.place.span.end - part.place.span.start;
                    self.moved(&mut part.place);
                    part.is_verbatim &= part.place.span.end - part.place.span.start == length;
                }
            }
            ValueKind::Bool(_) | ValueKind::Null | ValueKind::Number(_) | ValueKind::Unknown(_) => {}
        }
    }
}

fn is_bare(text: &str) -> bool {
    matches!(text, "true" | "false" | "null") || serde_json::from_str::<serde_json::Number>(text).is_ok()
}

/// How many bytes `${…}` has, the texts in it with what they hold.
fn interpolation(text: &str) -> usize {
    // A `true` is a text that is open, a `false` a brace.
    let mut open: Vec<bool> = Vec::new();
    let mut letters = text.char_indices().peekable();
    while let Some((at, c)) = letters.next() {
        let in_text = open.last() == Some(&true);
        match c {
            '"' if in_text => {
                open.pop();
            }
            '"' => open.push(true),
            '\\' if in_text => {
                letters.next();
            }
            '$' | '%' if in_text && letters.peek().is_some_and(|(_, next)| *next == '{') => {
                letters.next();
                open.push(false);
            }
            '{' if !in_text => open.push(false),
            '}' if !in_text => {
                open.pop();
                if open.is_empty() {
                    return at + c.len_utf8();
                }
            }
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_the_same_in_native_syntax() {
        for (json, want) in [
            (
                r#"{"locals": {"a": 1, "b": true, "c": null, "//": "no"}}"#,
                "locals {\na = 1\nb = true\nc = null\n}\n",
            ),
            (
                r#"{"resource": {"x": {"y": {"a": ["p${var.q}", "say \"hi\"\n", "${f("a}b", "${g}")}", "$${n}"]}}}}"#,
                "resource \"x\" \"y\" {\na = [\"p${var.q}\", \"say \\\"hi\\\"\\n\", \"${f(\"a}b\", \"${g}\")}\", \"$${n}\", ]\n}\n",
            ),
            (
                r#"{"data": [{"x": {"y": [{"statement": [{"a": 1}, {"condition": {"b": {"k": "v"}}}]}]}}]}"#,
                "data \"x\" \"y\" {\nstatement {\na = 1\n}\nstatement {\ncondition {\nb = {\"k\" = \"v\", }\n}\n}\n}\n",
            ),
            (
                r#"{"data": {"x": {"y": {"dynamic": {"statement": {"iterator": "s", "content": {"a": 1}}}}}}}"#,
                "data \"x\" \"y\" {\ndynamic \"statement\" {\niterator = s\ncontent {\na = 1\n}\n}\n}\n",
            ),
            (r#"{"resource": "x", "module": {"m": 1}, "terraform": {}}"#, ""),
            ("{}", ""),
        ] {
            // JSON has quotes within an interpolation escaped.
            let json = json.replace(r#"${f("a}b", "${g}")}"#, r#"${f(\"a}b\", \"${g}\")}"#);
            let native = native(&json).unwrap();
            assert_eq!(native.text, want, "{json}");
            assert!(hcl_edit::parser::parse_body(&native.text).is_ok(), "{}", native.text);
        }
    }
}
