//! Text that a finding can point into: a name, the text, and spans of bytes in it.

pub(crate) mod alike;
pub(crate) mod language;
pub(crate) mod masked;
pub(crate) mod packed;
pub(crate) mod unseen;
pub(crate) mod yaml;

use serde::{Deserialize, Serialize};

/// A document as shown to the user: the trust policy, the workflow file, the token's claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceText {
    /// Its name for the user: a path, or "trust policy of role `deploy`".
    pub name: String,
    /// The whole text. Spans are byte offsets into it.
    pub text: String,
}

impl SourceText {
    /// A document with a name.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }

    /// The text of a span; empty if the span isn't within this text.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or("")
    }

    /// Line and column of a byte offset; an offset past the end is the end.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        position(&self.text, offset)
    }
}

/// Line and column of a byte offset in a text; an offset past the end is the end.
#[must_use]
pub(crate) fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Position {
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or("").chars().count() + 1,
    }
}

/// A range of bytes in a [`SourceText`], end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes from `start` up to `end`.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

/// Where something is in a document: in its text, and in its JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// In the text.
    pub span: Span,
    /// JSON pointer (RFC 6901); empty if the document isn't JSON.
    pub pointer: String,
}

impl Location {
    /// In a text, and in its JSON.
    #[must_use]
    pub fn new(span: Span, pointer: impl Into<String>) -> Self {
        let pointer = pointer.into();
        Self { span, pointer }
    }
}

impl From<Span> for Location {
    fn from(span: Span) -> Self {
        Self::new(span, "")
    }
}

/// The JSON pointer of an object's member (RFC 6901, section 3).
#[must_use]
pub(crate) fn pointer_to(object: &str, name: &str) -> String {
    format!("{object}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// A position in a text as people count: line and column from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// A value and where it is in its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its location, including the quotes of a JSON string.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value at a location.
    #[must_use]
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let text = "ab\ncäd\n";
        for (offset, line, column) in [(0, 1, 1), (2, 1, 3), (3, 2, 1), (6, 2, 3), (8, 3, 1), (99, 3, 1)] {
            assert_eq!(position(text, offset), Position { line, column }, "offset {offset}");
        }
    }

    #[test]
    fn pointers_escape_what_json_pointers_escape() {
        assert_eq!(pointer_to("", "a/b~c"), "/a~1b~0c");
        assert_eq!(pointer_to("/x", ""), "/x/");
    }

    #[test]
    fn a_span_outside_the_text_is_empty() {
        let source = SourceText::new("t", "abc");
        assert_eq!(source.slice(Span::new(1, 3)), "bc");
        assert_eq!(source.slice(Span::new(2, 9)), "");
    }
}
