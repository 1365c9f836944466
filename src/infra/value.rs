//! A value as written in Terraform or CloudFormation: what can be known without AWS, and its place.

use crate::text::Span;

/// Delimit an unknown part of a text; the name of the unknown is between them. (They are private-use characters of Unicode,
/// which no file contains.)
const OPEN: char = '\u{E000}';
const CLOSE: char = '\u{E001}';

/// The longest text evaluated. IAM stores at most 8,192 characters of a policy.
pub(super) const MOST_TEXT: usize = 1 << 18;

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// Index of the file among those read.
    pub(crate) file: usize,
    /// The bytes in it.
    pub(crate) span: Span,
}

impl Place {
    pub(super) fn new(file: usize, span: Span) -> Self {
        Self { file, span }
    }
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Value {
    pub(super) kind: Kind,
    pub(super) place: Place,
}

/// The kind of value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Bool(bool),
    /// A text that is this value's JSON: `jsonencode(…)`, or the `json` of a policy document.
    Json(Box<Value>),
    /// An unknown element represents any number of elements.
    List(Vec<Value>),
    Null,
    /// As written.
    Number(String),
    /// An entry whose key and value are unknown represents any number of entries.
    Object(Vec<(Value, Value)>),
    Text(Text),
    /// The name of the unknown.
    Unknown(String),
}

/// A text, and where its parts come from.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Text {
    /// Unknown parts are marked.
    pub(super) text: String,
    /// In order; empty if all of it comes from the value's own place.
    pub(super) parts: Vec<Part>,
}

/// Bytes of a text, and where they come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Part {
    pub(super) bytes: Span,
    pub(super) place: Place,
    /// Whether the file contains the bytes verbatim.
    pub(super) is_verbatim: bool,
}

impl Value {
    pub(super) fn new(kind: Kind, place: Place) -> Self {
        Self { kind, place }
    }

    pub(super) fn text(text: impl Into<String>, place: Place) -> Self {
        let text = Text {
            text: text.into(),
            parts: Vec::new(),
        };
        Self::new(Kind::Text(text), place)
    }

    pub(super) fn unknown(name: impl AsRef<str>, place: Place) -> Self {
        Self::new(Kind::Unknown(tidy(name.as_ref())), place)
    }

    /// Its text, if it is a text and fully known.
    pub(super) fn known_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) if text.is_known() => Some(&text.text),
            _ => None,
        }
    }

    /// As text, with unknown parts marked; `None` for a list or an object.
    pub(super) fn as_text(&self) -> Option<String> {
        Some(match &self.kind {
            Kind::Bool(value) => value.to_string(),
            Kind::Number(text) => text.clone(),
            Kind::Text(text) => text.text.clone(),
            Kind::Unknown(name) => mark(name),
            Kind::Null => String::new(),
            Kind::Json(value) => value.to_json(),
            Kind::List(_) | Kind::Object(_) => return None,
        })
    }

    /// The value of a key.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.entries()
            .iter()
            .find(|(key, _)| key.known_text() == Some(name))
            .map(|(_, value)| value)
    }

    /// The entries of an object.
    pub(super) fn entries(&self) -> &[(Self, Self)] {
        match &self.kind {
            Kind::Object(entries) => entries,
            Kind::Json(value) => value.entries(),
            _ => &[],
        }
    }

    /// The elements of a list.
    pub(super) fn elements(&self) -> &[Self] {
        match &self.kind {
            Kind::List(elements) => elements,
            _ => &[],
        }
    }

    /// An element; `None` if an unknown precedes it, which may be any number of elements.
    pub(super) fn element(&self, index: usize) -> Option<Self> {
        let items = self.elements();
        let before = items.get(..index).unwrap_or(items);
        let is_open = before.iter().any(|item| matches!(item.kind, Kind::Unknown(_)));
        items.get(index).filter(|_| !is_open).cloned()
    }

    /// Its size: values, and texts of usual length.
    pub(super) fn weight(&self) -> usize {
        match &self.kind {
            Kind::Bool(_) | Kind::Null | Kind::Number(_) | Kind::Unknown(_) => 1,
            Kind::Json(value) => value.weight(),
            Kind::List(elements) => 1 + elements.iter().map(Self::weight).sum::<usize>(),
            Kind::Object(entries) => 1 + entries.iter().map(|(_, value)| 1 + value.weight()).sum::<usize>(),
            Kind::Text(text) => 1 + text.text.len() / 64,
        }
    }

    /// Whether all of it is known.
    pub(super) fn is_known(&self) -> bool {
        match &self.kind {
            Kind::Bool(_) | Kind::Null | Kind::Number(_) => true,
            Kind::Json(value) => value.is_known(),
            Kind::List(elements) => elements.iter().all(Self::is_known),
            Kind::Object(entries) => entries.iter().all(|(key, value)| key.is_known() && value.is_known()),
            Kind::Text(text) => text.is_known(),
            Kind::Unknown(_) => false,
        }
    }

    /// Collects the names of the unknowns, in order.
    pub(super) fn unknowns(&self, into: &mut Vec<String>) {
        match &self.kind {
            Kind::Bool(_) | Kind::Null | Kind::Number(_) => {}
            Kind::Json(value) => value.unknowns(into),
            Kind::List(elements) => elements.iter().for_each(|element| element.unknowns(into)),
            Kind::Object(entries) => {
                for (key, value) in entries {
                    key.unknowns(into);
                    value.unknowns(into);
                }
            }
            Kind::Text(text) => {
                for part in text.text.split(OPEN).skip(1) {
                    add(into, part.split(CLOSE).next().unwrap_or_default());
                }
            }
            Kind::Unknown(name) => add(into, name),
        }
    }

    /// As JSON on one line; unknowns keep their marks.
    fn to_json(&self) -> String {
        let mut json = String::new();
        self.write_json(&mut json);
        json
    }

    fn write_json(&self, json: &mut String) {
        match &self.kind {
            Kind::Bool(value) => json.push_str(&value.to_string()),
            Kind::Null => json.push_str("null"),
            Kind::Number(number) => json.push_str(number),
            Kind::Text(_) | Kind::Json(_) => json.push_str(&quoted(&self.as_text().unwrap_or_default())),
            Kind::Unknown(name) => json.push_str(&mark(name)),
            Kind::List(elements) => {
                json.push('[');
                for (at, element) in elements.iter().enumerate() {
                    if at > 0 {
                        json.push(',');
                    }
                    element.write_json(json);
                }
                json.push(']');
            }
            Kind::Object(entries) => {
                json.push('{');
                for (at, (key, value)) in entries.iter().enumerate() {
                    if at > 0 {
                        json.push(',');
                    }
                    json.push_str(&quoted(&key.as_text().unwrap_or_default()));
                    json.push(':');
                    value.write_json(json);
                }
                json.push('}');
            }
        }
    }
}

impl Text {
    pub(super) fn is_known(&self) -> bool {
        !self.text.contains(OPEN)
    }

    /// Appends a value's text; `None` if it has none.
    pub(super) fn push(&mut self, value: &Value) -> Option<()> {
        let text = value.as_text()?;
        let start = self.text.len();
        let own = match &value.kind {
            Kind::Text(text) => &*text.parts,
            _ => &[],
        };
        let moved = own.iter().map(|part| Part {
            bytes: Span::new(part.bytes.start + start, part.bytes.end + start),
            ..*part
        });
        self.parts.extend(moved);
        self.text.push_str(&text);
        if own.is_empty() {
            self.parts.push(Part {
                bytes: Span::new(start, self.text.len()),
                place: value.place,
                is_verbatim: false,
            });
        }
        Some(())
    }

    /// Appends a literal part of a template; in `source`, its lines may be indented further.
    pub(super) fn push_literal(&mut self, text: &str, source: &str, place: Place) {
        let lines = text.split_inclusive('\n');
        let written = source.split_inclusive('\n');
        let is_alike = lines.clone().count() == written.clone().count()
            && lines
                .clone()
                .zip(written.clone())
                .all(|(line, source)| source.ends_with(line));
        if !is_alike {
            let start = self.text.len();
            self.text.push_str(text);
            self.parts.push(Part {
                bytes: Span::new(start, self.text.len()),
                place,
                is_verbatim: false,
            });
            return;
        }
        let mut at = place.span.start;
        for (line, source) in lines.zip(written) {
            let start = self.text.len();
            self.text.push_str(line);
            at += source.len();
            self.parts.push(Part {
                bytes: Span::new(start, self.text.len()),
                place: Place::new(place.file, Span::new(at - line.len(), at)),
                is_verbatim: true,
            });
        }
    }

    /// Where some of its bytes come from; `whole` if nothing closer is known.
    pub(super) fn place_of(&self, bytes: Span, whole: Place) -> Place {
        let from = |at: usize| {
            let next = self.parts.partition_point(|part| part.bytes.start <= at);
            next.checked_sub(1).and_then(|index| self.parts.get(index))
        };
        let (Some(first), Some(last)) = (from(bytes.start), from(bytes.end.saturating_sub(1).max(bytes.start))) else {
            return whole;
        };
        let place = |part: &Part, at: usize| {
            if part.is_verbatim {
                part.place.span.start + (at - part.bytes.start)
            } else {
                part.place.span.start
            }
        };
        if first.place.file != last.place.file {
            return first.place;
        }
        let start = place(first, bytes.start);
        let end = if last.is_verbatim {
            place(last, bytes.end)
        } else {
            last.place.span.end
        };
        // Parts can come from different places; the reader then starts at the first.
        if end < start {
            return first.place;
        }
        Place::new(first.place.file, Span::new(start, end))
    }
}

/// The mark for an unknown in a text.
pub(super) fn mark(name: &str) -> String {
    format!("{OPEN}{name}{CLOSE}")
}

/// A text as the reader sees it: `${var.org}` for an unknown part, which comparisons treat as a mask.
pub(super) fn shown(text: &str) -> String {
    if !text.contains(OPEN) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            OPEN => out.push_str("${"),
            CLOSE => out.push('}'),
            c => out.push(c),
        }
    }
    out
}

/// By how many bytes a mark's character shrinks when shown.
pub(super) fn shortened_by(c: char) -> Option<usize> {
    match c {
        OPEN => Some(OPEN.len_utf8() - "${".len()),
        CLOSE => Some(CLOSE.len_utf8() - "}".len()),
        _ => None,
    }
}

/// The name of the unknown, if this text is a single mark.
pub(super) fn marked(text: &str) -> Option<&str> {
    let name = text.strip_prefix(OPEN)?.strip_suffix(CLOSE)?;
    (!name.contains(OPEN)).then_some(name)
}

/// What follows the last unknown part.
pub(super) fn after_marks(text: &str) -> &str {
    text.rsplit(CLOSE).next().unwrap_or(text)
}

/// The name of an unknown, cleaned up so that its mark is a mask wherever texts are compared: short, without colons or braces.
fn tidy(name: &str) -> String {
    const LONGEST: usize = 60;
    let mut out = String::new();
    for c in name.chars() {
        match c {
            '{' | '}' | '"' | '$' | OPEN | CLOSE => {}
            ':' => out.push('.'),
            c if c.is_whitespace() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            c => out.push(c),
        }
        if out.len() > LONGEST {
            out.push('…');
            break;
        }
    }
    let out = out.trim();
    if out.is_empty() { "unknown" } else { out }.to_owned()
}

fn add(into: &mut Vec<String>, name: &str) {
    if !name.is_empty() && !into.iter().any(|known| known == name) {
        into.push(name.to_owned());
    }
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Value {
    /// The value with every occurrence of a mark replaced by a text.
    pub(super) fn with(&self, mark: &str, text: &str) -> Self {
        let kind = match &self.kind {
            Kind::Text(own) if own.text.contains(mark) => {
                let text = own.text.replace(mark, text);
                return Self::text(text, self.place);
            }
            Kind::Unknown(name) if self::mark(name) == mark => return Self::text(text, self.place),
            Kind::Json(inner) => Kind::Json(Box::new(inner.with(mark, text))),
            Kind::List(items) => Kind::List(items.iter().map(|item| item.with(mark, text)).collect()),
            Kind::Object(entries) => {
                let entry = |(key, value): &(Self, Self)| (key.with(mark, text), value.with(mark, text));
                Kind::Object(entries.iter().map(entry).collect())
            }
            kind => kind.clone(),
        };
        Self::new(kind, self.place)
    }
}
