//! JSON as a tree in which every part has its location, and duplicate keys are kept.
//!
//! `serde_json` first checks strictly whether a text is JSON, and decodes the strings that have escapes; what remains is
//! finding the parts. A library's tree (`jsonc-parser`) takes three times as long, which the bulk evaluator can't
//! afford.

use crate::text::Span;
use std::borrow::Cow;

/// A value and its location.
pub(super) struct Value<'a> {
    pub(super) span: Span,
    pub(super) node: Node<'a>,
}

pub(super) enum Node<'a> {
    Boolean(bool),
    List(Vec<Value<'a>>),
    Null,
    /// As written.
    Number(&'a str),
    Object(Vec<Member<'a>>),
    Text(Cow<'a, str>),
}

impl Node<'_> {
    /// What it is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Boolean(_) => "a boolean",
            Self::List(_) => "a list",
            Self::Null => "null",
            Self::Number(_) => "a number",
            Self::Object(_) => "an object",
            Self::Text(_) => "a string",
        }
    }
}

/// A key of an object and its value.
pub(super) struct Member<'a> {
    pub(super) name: Cow<'a, str>,
    /// The location of the name, quotes included.
    pub(super) key: Span,
    pub(super) value: Value<'a>,
}

/// What is wrong, and where.
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) span: Span,
}

/// Checks whether it is JSON.
pub(super) fn check(text: &str) -> Result<(), serde_json::Error> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).map(|_| ())
}

/// Reads text that has passed [`check`]. `base` is added to all offsets.
pub(super) fn read(text: &str, base: usize) -> Result<Value<'_>, Fault> {
    Cursor {
        text,
        at: 0,
        base,
        room: MAX_VALUES,
    }
    .value(0)
}

/// IAM stores 8,192 characters, which can't hold this many values.
const MAX_VALUES: usize = 100_000;

pub(super) const TOO_MANY: &str = "the policy has more than 100000 values";

/// A policy needs seven levels.
const MAX_DEPTH: usize = 64;

struct Cursor<'a> {
    text: &'a str,
    at: usize,
    base: usize,
    /// How many more values are allowed.
    room: usize,
}

impl<'a> Cursor<'a> {
    fn value(&mut self, depth: usize) -> Result<Value<'a>, Fault> {
        self.skip_space();
        let start = self.at;
        if depth > MAX_DEPTH {
            return Err(self.fault("nested too deeply", start));
        }
        let Some(room) = self.room.checked_sub(1) else {
            return Err(self.fault(TOO_MANY, start));
        };
        self.room = room;
        let node = match self.peek() {
            Some(b'"') => Node::Text(self.string()?),
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b't') => self.word("true", Node::Boolean(true))?,
            Some(b'f') => self.word("false", Node::Boolean(false))?,
            Some(b'n') => self.word("null", Node::Null)?,
            _ => self.number()?,
        };
        let span = self.span(start);
        Ok(Value { span, node })
    }

    fn object(&mut self, depth: usize) -> Result<Node<'a>, Fault> {
        let mut members = Vec::new();
        self.at += 1;
        while !self.closes(b'}') {
            let start = self.at;
            let name = self.string()?;
            let key = self.span(start);
            self.skip_space();
            self.expect(b':')?;
            let value = self.value(depth + 1)?;
            members.push(Member { name, key, value });
        }
        Ok(Node::Object(members))
    }

    fn list(&mut self, depth: usize) -> Result<Node<'a>, Fault> {
        let mut values = Vec::new();
        self.at += 1;
        while !self.closes(b']') {
            values.push(self.value(depth + 1)?);
        }
        Ok(Node::List(values))
    }

    /// Whether the object or list ends here. If not, its next part follows.
    fn closes(&mut self, close: u8) -> bool {
        self.skip_space();
        if self.peek() == Some(b',') {
            self.at += 1;
            self.skip_space();
        }
        let closes = self.peek() == Some(close);
        if closes {
            self.at += 1;
        }
        closes
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        let start = self.at;
        self.expect(b'"')?;
        let mut has_escapes = false;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let Some(found) = memchr::memchr2(b'"', b'\\', rest) else {
                return Err(self.fault("a string has no end", start));
            };
            self.at += found + 1;
            if rest.get(found) == Some(&b'"') {
                break;
            }
            has_escapes = true;
            self.at += 1;
        }
        if has_escapes {
            let quoted = self.text.get(start..self.at).unwrap_or_default();
            return serde_json::from_str(quoted)
                .map(Cow::Owned)
                .map_err(|error| self.fault(message(&error), start));
        }
        Ok(Cow::Borrowed(self.text.get(start + 1..self.at - 1).unwrap_or_default()))
    }

    fn number(&mut self) -> Result<Node<'a>, Fault> {
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or_default();
        let end = rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'));
        self.at += end.unwrap_or(rest.len());
        if self.at == start {
            return Err(self.fault("a value is missing", start));
        }
        Ok(Node::Number(self.text.get(start..self.at).unwrap_or_default()))
    }

    fn word(&mut self, word: &str, node: Node<'a>) -> Result<Node<'a>, Fault> {
        if !self.text.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err(self.fault("a value is missing", self.at));
        }
        self.at += word.len();
        Ok(node)
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.peek() != Some(byte) {
            return Err(self.fault("a quote or a colon is missing", self.at));
        }
        self.at += 1;
        Ok(())
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    // Called for each byte, by code that is otherwise built for size.
    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn span(&self, start: usize) -> Span {
        Span::new(self.base + start, self.base + self.at)
    }

    fn fault(&self, message: impl Into<String>, start: usize) -> Fault {
        Fault {
            message: message.into(),
            span: self.span(start),
        }
    }
}

/// `serde_json`'s message, in plain words and without the location.
pub(super) fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    match text.strip_prefix("EOF while parsing ") {
        Some(rest) => format!("the text ends within {rest}"),
        None => text.replace("expected ident", "expected a value"),
    }
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Asserts that the tree equals `serde_json`'s and every span covers the right text.
    fn same(value: &Value<'_>, expected: &serde_json::Value, text: &str) {
        let written = &text[value.span.start..value.span.end];
        assert_eq!(serde_json::from_str::<serde_json::Value>(written).unwrap(), *expected);
        match (&value.node, expected) {
            (Node::Object(members), serde_json::Value::Object(map)) => {
                assert_eq!(members.len(), map.len());
                for (member, (name, value)) in members.iter().zip(map) {
                    let written = &text[member.key.start..member.key.end];
                    assert_eq!(serde_json::from_str::<String>(written).unwrap(), *name);
                    assert_eq!(member.name, name.as_str());
                    same(&member.value, value, text);
                }
            }
            (Node::List(values), serde_json::Value::Array(list)) => {
                assert_eq!(values.len(), list.len());
                values
                    .iter()
                    .zip(list)
                    .for_each(|(value, expected)| same(value, expected, text));
            }
            (Node::Text(text), serde_json::Value::String(expected)) => assert_eq!(text, expected),
            (Node::Boolean(value), serde_json::Value::Bool(expected)) => assert_eq!(value, expected),
            (Node::Number(number), serde_json::Value::Number(_)) => assert_eq!(*number, written),
            (Node::Null, serde_json::Value::Null) => {}
            (node, expected) => panic!("{} for {expected}", node.kind()),
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<i16>().prop_map(|number| (f64::from(number) / 4.0).into()),
            ".{0,6}".prop_map(Into::into),
            "[\"\\\\\n\t\u{7f}]{0,4}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::vec((".{0,4}", inner), 0..4)
                    .prop_map(|members| { serde_json::Value::Object(members.into_iter().collect()) }),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_reads(value in json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let text = format!(" {}\r\n", text.unwrap());
            let read = read(&text, 0).unwrap_or_else(|fault| panic!("{}", fault.message));
            same(&read, &value, &text);
        }

        #[test]
        fn any_text_at_all_ends(text in "[\\[\\]{}\":,\\\\tfn0-9eE. ä-]{0,40}") {
            let _ = read(&text, 7);
        }
    }

    #[test]
    fn too_many() {
        let list = |count: usize| format!("[{}1]", "1,".repeat(count - 2));
        assert!(read(&list(MAX_VALUES), 0).is_ok());
        let fault = read(&list(MAX_VALUES + 1), 0).err().unwrap();
        assert_eq!(fault.message, TOO_MANY);
        assert!(TOO_MANY.contains(&MAX_VALUES.to_string()));
    }

    #[test]
    fn too_deep() {
        for open in ["[", "{\"a\":"] {
            let fault = read(&open.repeat(200_000), 0).err().unwrap();
            assert_eq!(fault.message, "nested too deeply");
            let close = if open == "[" { "]" } else { "}" };
            let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert!(read(&nested(MAX_DEPTH), 0).is_ok());
            assert!(read(&nested(MAX_DEPTH + 1), 0).is_err());
        }
    }
}
