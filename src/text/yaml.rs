//! YAML as written, including JSON: every value with its location, and scalars as text.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, Tag};

use super::{Span, Spanned, position};

/// A value and its location.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
    /// How a scalar is written.
    pub(crate) style: Style,
    /// Its local tag, `Sub` of `!Sub`.
    pub(crate) tag: Option<Box<str>>,
}

/// What it is. Scalars keep their text: an input `012` isn't a number.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(Spanned<String>, Node)>),
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: it can be a number, a boolean or null.
    Plain,
    /// After `|`.
    Literal,
    /// In quotes, or after `>`.
    Text,
}

/// Where and why a text isn't YAML or exceeds the limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// The limits for a kind of file.
#[derive(Debug)]
pub(crate) struct Limits {
    /// Levels of nested lists and maps.
    pub(crate) depth: usize,
    /// Values, with aliases expanded.
    pub(crate) values: usize,
    /// What the file is: `a workflow`.
    pub(crate) what: &'static str,
}

/// No real file has this many bytes of text repeated by anchors and aliases.
const MOST_REPEATED: usize = 4 << 20;

/// How much text is read again because of quoted text that isn't indented.
const MOST_REREAD: usize = 4 << 20;

const REPEATS: &str = "with its aliases expanded it is larger than 4 MiB";

impl Node {
    /// A value without a particular style or tag.
    pub(crate) fn new(kind: Kind, span: Span) -> Self {
        Self {
            span,
            kind,
            style: Style::Text,
            tag: None,
        }
    }

    pub(crate) fn entry(&self, name: &str) -> Option<(&Spanned<String>, &Self)> {
        let found = self.entries().iter().find(|(key, _)| key.value == name);
        found.map(|(key, value)| (key, value))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.entry(name).map(|(_, value)| value)
    }

    /// The value of an entry whose name is case-insensitive.
    pub(crate) fn named(&self, name: &str) -> Option<&Self> {
        let is_it = |(key, _): &&(Spanned<String>, Self)| key.value.eq_ignore_ascii_case(name);
        self.entries().iter().find(is_it).map(|(_, value)| value)
    }

    /// The entries of a map.
    pub(crate) fn entries(&self) -> &[(Spanned<String>, Self)] {
        match &self.kind {
            Kind::Map(entries) => entries,
            Kind::List(_) | Kind::Scalar(_) => &[],
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text) => Some(text),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// The texts of an entry that is a text or a list of texts.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let texts = match self.get(name).map(|node| (node, &node.kind)) {
            Some((_, Kind::List(items))) => items.iter().filter_map(Self::text).collect(),
            Some((node, _)) => node.text().into_iter().collect(),
            None => Vec::new(),
        };
        texts.into_iter().map(str::to_owned).collect()
    }

    pub(crate) fn scalar(&self) -> Option<Spanned<String>> {
        self.text().map(|text| Spanned::new(text.to_owned(), self.span))
    }

    /// How many values it contains, including itself, and how many bytes of text they have.
    fn size(&self) -> (usize, usize) {
        let sum =
            |(count, bytes): (usize, usize), (more, more_bytes): (usize, usize)| (count + more, bytes + more_bytes);
        match &self.kind {
            Kind::Scalar(text) => (1, text.len()),
            Kind::List(items) => items.iter().map(Self::size).fold((1, 0), sum),
            Kind::Map(entries) => {
                let sizes = entries
                    .iter()
                    .map(|(key, value)| sum((1, key.value.len()), value.size()));
                sizes.fold((1, 0), sum)
            }
        }
    }
}

/// A list or map that has been opened. `key` holds the key of a map's next value.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<Spanned<String>>,
}

impl Open {
    fn add(&mut self, value: Node) {
        self.node.span.end = self.node.span.end.max(value.span.end);
        match &mut self.node.kind {
            Kind::List(items) => items.push(value),
            Kind::Map(entries) => match self.key.take() {
                Some(key) => entries.push((key, value)),
                // A key that is a list or a map has no name; it is never looked up.
                None => {
                    let key = value.scalar();
                    self.key = Some(key.unwrap_or_else(|| Spanned::new(String::new(), value.span)));
                }
            },
            Kind::Scalar(_) => {}
        }
    }
}

/// Why reading stopped.
enum Stop {
    /// The parser refuses the text.
    Refused(ScanError),
    /// It exceeds a limit at this place.
    TooMuch(String, Span),
}

/// Reads the first document of a text; an empty one is an empty map.
///
/// # Errors
/// [`Fault`] if it isn't YAML or exceeds the limits.
pub(crate) fn read(text: &str, limits: &Limits) -> Result<Node, Fault> {
    let mut joined = Cow::Borrowed(text);
    let mut reread = 0;
    loop {
        let (at, message) = match parsed(&joined, limits) {
            Ok(node) => return Ok(node),
            Err(Stop::TooMuch(message, at)) => (at.start, message),
            Err(Stop::Refused(error)) => {
                let at = error.marker().byte_offset().unwrap_or_default();
                let is_unindented = *error.kind() == ErrorKind::InvalidQuotedScalarIndent;
                reread += text.len();
                if is_unindented && reread <= MOST_REREAD && join(&mut joined, at) {
                    continue;
                }
                (at, error.info())
            }
        };
        let place = position(text, at);
        return Err(Fault {
            line: place.line,
            column: place.column,
            message,
        });
    }
}

/// Joins a line to the one before it, as reading the quoted text that both are part of does. GitHub accepts such a line wherever
/// it begins; the parser wants it indented (YAML 1.2.2, 6.3). No other character changes its place.
fn join(text: &mut Cow<'_, str>, line: usize) -> bool {
    let Some(end) = text.get(..line).and_then(|before| before.rfind('\n')) else {
        return false;
    };
    let start = end - usize::from(text.get(..end).is_some_and(|before| before.ends_with('\r')));
    text.to_mut()
        .replace_range(start..=end, if start == end { " " } else { "  " });
    true
}

fn parsed(text: &str, limits: &Limits) -> Result<Node, Stop> {
    let mut options = Options::default();
    options.flow_nesting_limit = limits.depth;
    options.block_nesting_limit = limits.depth;
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, (Node, (usize, usize))> = HashMap::new();
    let (mut values, mut repeated) = (0, 0);
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, place) = event.map_err(Stop::Refused)?;
        let span = place
            .byte_range()
            .map_or_else(Span::default, |range| Span::new(range.start, range.end));
        // The values in a list or map are counted as each of them ends.
        let (node, anchor, count) = match event {
            Event::Scalar(value, style, anchor, tag) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::Literal => Style::Literal,
                    _ => Style::Text,
                };
                let tag = tag.as_deref().and_then(local);
                let kind = Kind::Scalar(value.into_owned());
                (Node { span, kind, style, tag }, anchor, 1)
            }
            Event::Alias(anchor) => {
                let Some((node, (count, bytes))) = anchors.get(&anchor) else {
                    return Err(Stop::TooMuch("an alias is inside its own anchor".to_owned(), span));
                };
                repeated += bytes;
                (node.clone(), 0, *count)
            }
            Event::SequenceStart(_, anchor, ref tag) | Event::MappingStart(_, anchor, ref tag) => {
                if open.len() >= limits.depth {
                    return Err(Stop::TooMuch("it is nested too deeply".to_owned(), span));
                }
                let kind = match event {
                    Event::SequenceStart(..) => Kind::List(Vec::new()),
                    _ => Kind::Map(Vec::new()),
                };
                let mut node = Node::new(kind, span);
                node.tag = tag.as_deref().and_then(local);
                open.push(Open {
                    node,
                    anchor,
                    key: None,
                });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(mut closed) => {
                    // The end of a block is where the next token starts; that of `{}` and `[]` is the bracket.
                    if text
                        .get(span.start..span.end)
                        .is_some_and(|end| end == "}" || end == "]")
                    {
                        closed.node.span.end = span.end;
                    }
                    (closed.node, closed.anchor, 1)
                }
                None => continue,
            },
            Event::DocumentEnd => break,
            _ => continue,
        };
        values += count;
        if values > limits.values {
            return Err(Stop::TooMuch(
                format!("it holds more values than {} can", limits.what),
                span,
            ));
        }
        if anchor != 0 {
            let size = node.size();
            repeated += size.1;
            anchors.insert(anchor, (node.clone(), size));
        }
        if repeated > MOST_REPEATED {
            return Err(Stop::TooMuch(REPEATS.to_owned(), span));
        }
        match open.last_mut() {
            Some(parent) => parent.add(node),
            None => return Ok(node),
        }
    }
    Ok(Node::new(Kind::Map(Vec::new()), Span::default()))
}

fn local(tag: &Tag) -> Option<Box<str>> {
    (tag.handle() == "!").then(|| tag.suffix().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        depth: 20,
        values: 1_000,
        what: "a file",
    };

    /// As in workflows that run on GitHub (aws-observability/aws-application-signals-test-framework).
    #[test]
    fn a_line_of_quoted_text_can_begin_anywhere() {
        for (text, value, line) in [
            ("a:\n  b: \"one\n    two\"\n  c: d", "one two", 3),
            ("a:\n  b: \"one\n  && two\n three\"\n  c: d", "one && two three", 4),
            ("a:\n  b: 'one\r\n  two\r\nthree'\r\n  c: d", "one two three", 4),
            ("a:\n- b: 'ü\ntwo'\n  c: d", "ü two", 3),
        ] {
            let root = read(text, &LIMITS).unwrap();
            let mut inner = root.get("a").unwrap();
            if let Kind::List(items) = &inner.kind {
                inner = &items[0];
            }
            let words: Vec<_> = inner.get("b").unwrap().text().unwrap().split_whitespace().collect();
            assert_eq!(words.join(" "), value, "{text}");
            let next = inner.get("c").unwrap();
            assert_eq!(text.get(next.span.start..next.span.end), Some("d"), "{text}");
            assert_eq!(position(text, next.span.start).line, line + 1, "{text}");
        }
        // What is wrong after it is where it is.
        let fault = read("a: 'one\ntwo'\nb: [\n", &LIMITS).unwrap_err();
        assert_eq!(fault.line, 3, "{fault}");
    }

    #[test]
    fn much_quoted_text_is_not_read_again_for_ever() {
        let text = format!("a: 'one\n{}'\n{}", "two\n".repeat(5_000), "#".repeat(1 << 19));
        assert_eq!(
            read(&text, &LIMITS).unwrap_err().message,
            "invalid indentation in multiline quoted scalar"
        );
    }
}
