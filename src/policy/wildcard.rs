//! IAM wildcards: `*` is any run of characters, `?` is one.
//!
//! `*` also matches `/` and `:`; everything else is literal. The text itself has no escapes: in policies
//! of version 2012-10-17, `${*}` and `${?}` are the literal characters, which [`Pattern`] distinguishes.
//!
//! A pattern is split at its stars, and each piece is searched for after the previous one, leftmost first, without
//! backtracking: the time is the length of the pattern plus that of the value, except for a long piece with `?` in it.

use super::Parted;
use std::borrow::Cow;
use std::ops::{BitAnd, BitOr, BitXor};

/// Whether the value matches the pattern.
#[must_use]
pub fn matches(pattern: &str, value: &str) -> bool {
    View {
        text: pattern,
        literal: &[],
    }
    .matches(value)
}

/// How far a value that doesn't match the pattern got; `None` if it matches.
///
/// The longest beginning of the pattern that matches a beginning of the value, and the furthest that it can reach there.
#[must_use]
pub fn parted(pattern: &str, value: &str) -> Option<Parted> {
    View {
        text: pattern,
        literal: &[],
    }
    .parted(value)
}

/// A pattern in which some `*` and `?` are literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern<'a> {
    text: Cow<'a, str>,
    /// Byte offsets in `text` of the literal `*` and `?`, ascending.
    literal: Vec<usize>,
}

impl<'a> Pattern<'a> {
    /// A pattern in which every `*` and `?` is a wildcard.
    #[must_use]
    pub fn new(text: impl Into<Cow<'a, str>>) -> Self {
        Self {
            text: text.into(),
            literal: Vec::new(),
        }
    }

    /// The same, but the characters at these byte offsets are literal.
    #[must_use]
    pub fn with_literals(text: impl Into<Cow<'a, str>>, mut literal: Vec<usize>) -> Self {
        literal.sort_unstable();
        Self {
            text: text.into(),
            literal,
        }
    }

    /// The pattern's text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the value matches.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        self.view().matches(value)
    }

    /// How far a value that doesn't match got; `None` if it matches.
    #[must_use]
    pub fn parted(&self, value: &str) -> Option<Parted> {
        self.view().parted(value)
    }

    /// The fields between separators, at most this many; the last one has the rest.
    pub(super) fn split(&self, separator: char, at_most: usize) -> impl Iterator<Item = Pattern<'_>> {
        let mut start = 0;
        self.text.splitn(at_most, separator).map(move |field| {
            let end = start + field.len();
            let literal = self.literal.iter().filter(|at| (start..end).contains(at));
            let field = Pattern {
                text: Cow::Borrowed(field),
                literal: literal.map(|at| at - start).collect(),
            };
            start = end + separator.len_utf8();
            field
        })
    }

    fn view(&self) -> View<'_> {
        View {
            text: &self.text,
            literal: &self.literal,
        }
    }
}

/// Whether every value matches, even the empty one.
pub(super) fn is_universal(pattern: &str) -> bool {
    !pattern.is_empty() && pattern.bytes().all(|byte| byte == b'*')
}

#[derive(Clone, Copy)]
struct View<'a> {
    text: &'a str,
    literal: &'a [usize],
}

impl<'a> View<'a> {
    fn matches(self, value: &str) -> bool {
        let mut pieces = self.pieces();
        let Some(first) = pieces.next() else { return false };
        let Some(mut last) = pieces.next() else {
            return first.prefix_of(value) == Some(value.len());
        };
        let Some(mut rest) = first.prefix_of(value).and_then(|end| value.get(end..)) else {
            return false;
        };
        for piece in pieces {
            let Some(found) = last.find(rest).and_then(|end| rest.get(end..)) else {
                return false;
            };
            rest = found;
            last = piece;
        }
        last.suffix_of(rest)
    }

    fn parted(self, value: &str) -> Option<Parted> {
        if self.matches(value) {
            return None;
        }
        let mut pieces = self.pieces().peekable();
        let first = pieces.next()?;
        let Some(mut at) = first.prefix_of(value) else {
            return Some(first.common_prefix(value));
        };
        if pieces.peek().is_none() {
            // The pattern is at its end and has no star, but the value continues.
            return Some(Parted {
                pattern: self.text.len(),
                value: at,
            });
        }
        for piece in pieces {
            let rest = value.get(at..)?;
            match piece.find(rest) {
                Some(end) if piece.end < self.text.len() => at += end,
                _ => return Some(piece.furthest(rest).shifted(at)),
            }
        }
        None
    }

    /// The pieces between the stars; there is always at least one, possibly empty.
    fn pieces(self) -> impl Iterator<Item = Piece<'a>> {
        let mut start = Some(0);
        std::iter::from_fn(move || {
            let from = start?;
            let star = self
                .text
                .bytes()
                .enumerate()
                .skip(from)
                .find(|(at, byte)| *byte == b'*' && !self.is_literal(*at))
                .map(|(at, _)| at);
            start = star.map(|at| at + 1);
            let end = star.unwrap_or(self.text.len());
            Some(self.piece(from, end))
        })
    }

    fn piece(self, start: usize, end: usize) -> Piece<'a> {
        let text = self.text.get(start..end).unwrap_or("");
        Piece {
            text,
            start,
            end,
            literal: self.literal,
            has_any: text
                .bytes()
                .enumerate()
                .any(|(at, byte)| byte == b'?' && !self.is_literal(start + at)),
        }
    }

    fn is_literal(self, at: usize) -> bool {
        !self.literal.is_empty() && self.literal.binary_search(&at).is_ok()
    }
}

/// A run of the pattern without `*`.
#[derive(Clone, Copy)]
struct Piece<'a> {
    text: &'a str,
    /// Where it starts in the pattern.
    start: usize,
    end: usize,
    literal: &'a [usize],
    /// Whether it has a `?` that is a wildcard.
    has_any: bool,
}

impl Piece<'_> {
    /// The characters; `None` is a wildcard `?`.
    fn chars(&self) -> impl DoubleEndedIterator<Item = (usize, Option<char>)> {
        self.text.char_indices().map(|(at, c)| {
            let is_any = c == '?' && self.has_any && self.literal.binary_search(&(self.start + at)).is_err();
            (at, (!is_any).then_some(c))
        })
    }

    /// Where it ends in the value, if the value starts with it.
    fn prefix_of(&self, value: &str) -> Option<usize> {
        if !self.has_any {
            return value.starts_with(self.text).then_some(self.text.len());
        }
        let mut actual = value.chars();
        for (_, wanted) in self.chars() {
            let c = actual.next()?;
            if wanted.is_some_and(|wanted| wanted != c) {
                return None;
            }
        }
        Some(value.len() - actual.as_str().len())
    }

    fn suffix_of(&self, value: &str) -> bool {
        if !self.has_any {
            return value.ends_with(self.text);
        }
        let mut actual = value.chars().rev();
        self.chars()
            .rev()
            .all(|(_, wanted)| actual.next().is_some_and(|c| wanted.is_none_or(|wanted| wanted == c)))
    }

    /// The end of its first occurrence.
    fn find(&self, value: &str) -> Option<usize> {
        if !self.has_any {
            return value.find(self.text).map(|at| at + self.text.len());
        }
        if self.text.len() < LONG {
            return starts(value).find_map(|at| self.prefix_of(value.get(at..)?).map(|end| at + end));
        }
        let count = self.text.chars().count();
        let found = if self.text.is_ascii() && value.is_ascii() {
            let (wanted, mask) = self.codes(|c| c as u8, u8::MAX);
            find_masked(value.as_bytes(), &wanted, &mask)
        } else {
            let actual: Vec<u32> = value.chars().map(u32::from).collect();
            let (wanted, mask) = self.codes(u32::from, u32::MAX);
            find_masked(&actual, &wanted, &mask)
        };
        starts(value).nth(found? + count)
    }

    /// Its characters as numbers, and which of their bits count: none for a `?`.
    fn codes<N: Copy + Default>(&self, code: impl Fn(char) -> N, all: N) -> (Vec<N>, Vec<N>) {
        let codes = self
            .chars()
            .map(|(_, wanted)| wanted.map_or((N::default(), N::default()), |c| (code(c), all)));
        codes.unzip()
    }

    /// How much of it the value starts with.
    fn common_prefix(&self, value: &str) -> Parted {
        let mut actual = value.char_indices();
        for (at, wanted) in self.chars() {
            match actual.next() {
                Some((_, c)) if wanted.is_none_or(|wanted| wanted == c) => {}
                Some((value, _)) => {
                    return Parted {
                        pattern: self.start + at,
                        value,
                    };
                }
                None => {
                    return Parted {
                        pattern: self.start + at,
                        value: value.len(),
                    };
                }
            }
        }
        Parted {
            pattern: self.end,
            value: actual.next().map_or(value.len(), |(at, _)| at),
        }
    }

    /// The longest beginning of it that occurs anywhere in the value, and the end of its last occurrence.
    fn furthest(&self, value: &str) -> Parted {
        if self.has_any {
            // Each position in turn; the last of equals wins.
            let places = starts(value).filter_map(|at| Some(self.common_prefix(value.get(at..)?).shifted(at)));
            return places.max_by_key(|parted| parted.pattern).unwrap_or(Parted {
                pattern: self.start,
                value: value.len(),
            });
        }
        let ends: Vec<usize> = starts(self.text).collect();
        // If a beginning is found, so are all shorter ones: the longest can be found by bisection.
        let beginning = |end: usize| self.text.get(..end).unwrap_or_default();
        let longer = ends.partition_point(|end| value.contains(beginning(*end)));
        let end = longer.checked_sub(1).and_then(|at| ends.get(at)).copied().unwrap_or(0);
        let found = beginning(end);
        Parted {
            pattern: self.start + end,
            value: value.rfind(found).map_or(value.len(), |at| at + found.len()),
        }
    }
}

/// Where the wanted numbers first occur, in the bits that count. Many are compared at once, as the compiler vectorizes
/// this.
fn find_masked<N>(actual: &[N], wanted: &[N], mask: &[N]) -> Option<usize>
where
    N: Copy + Default + PartialEq + BitAnd<Output = N> + BitOr<Output = N> + BitXor<Output = N>,
{
    actual.windows(wanted.len()).position(|window| {
        let blocks = window.chunks(BLOCK).zip(wanted.chunks(BLOCK)).zip(mask.chunks(BLOCK));
        blocks.into_iter().all(|((actual, wanted), mask)| {
            let all = actual.iter().zip(wanted).zip(mask);
            all.fold(N::default(), |differs, ((actual, wanted), mask)| {
                differs | ((*actual ^ *wanted) & *mask)
            }) == N::default()
        })
    })
}

/// The byte offsets of the characters, and the end.
fn starts(value: &str) -> impl DoubleEndedIterator<Item = usize> {
    value.char_indices().map(|(at, _)| at).chain([value.len()])
}

impl Parted {
    fn shifted(self, value: usize) -> Self {
        Self {
            value: self.value + value,
            ..self
        }
    }
}

/// From this many bytes on, preparing for [`find_masked`] pays off.
const LONG: usize = 32;

/// How many characters are compared before looking at the result.
const BLOCK: usize = 64;

#[cfg(test)]
#[expect(clippy::string_slice, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    #[test]
    fn stars_and_question_marks() {
        for (pattern, value, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "abc", true),
            ("?", "", false),
            ("?", "ä", true),
            ("?", "ab", false),
            ("a*", "a", true),
            ("a*b", "ab", true),
            ("a*b", "aXXb", true),
            ("a*b", "aXXbc", false),
            ("*a*", "bab", true),
            ("*?", "", false),
            ("a*a", "a", false),
            ("*ab", "aab", true),
            ("a?c*e", "abcde", true),
            // The examples that matter here.
            ("repo:acme/*", "repo:acme/widgets:ref:refs/heads/main", true),
            (
                "repo:acme/*:ref:refs/heads/main",
                "repo:acme/widgets:ref:refs/heads/main",
                true,
            ),
            ("repo:acme/widgets:*", "repo:Acme/widgets:ref:refs/heads/main", false),
            ("repo:acme/widgets", "repo:acme/widgets:ref:refs/heads/main", false),
            (
                "repo:*/widgets:environment:prod?",
                "repo:acme/widgets:environment:prod1",
                true,
            ),
            ("[a]", "a", false),
            ("\\*", "\\x", true),
        ] {
            assert_eq!(matches(pattern, value), expected, "`{pattern}` against `{value}`");
        }
    }

    #[test]
    fn characters_that_stand_for_themselves() {
        let pattern = Pattern::with_literals("a*b?*", vec![1, 3]);
        for (value, expected) in [("a*b?", true), ("a*b?xyz", true), ("axb?", false), ("a*bx", false)] {
            assert_eq!(pattern.matches(value), expected, "{value}");
        }
        assert_eq!(pattern.parted("a*bx"), Some(Parted { pattern: 3, value: 3 }));
        // The offsets are into the whole pattern, even for pieces after the first.
        assert!(Pattern::with_literals("?*?", vec![0]).matches("?x"));
        assert_eq!(pattern.text(), "a*b?*");
    }

    #[test]
    fn where_it_parts() {
        for (pattern, value, at) in [
            ("abc", "abd", (2, 2)),
            ("abc", "ab", (2, 2)),
            ("abc", "abcd", (3, 3)),
            ("a?c", "axd", (2, 2)),
            ("äb", "äc", (2, 2)),
            ("a*c", "abb", (2, 3)),
            ("a*:c", "ab:b", (3, 3)),
            ("a*:c", "a:b:b", (3, 4)),
            ("a*b", "a1b2", (3, 3)),
            ("*a?d*", "abcabd!", (8, 8)),
            ("*x?y*z", "1xay2xbq", (5, 8)),
            ("*a?b", "aaba", (4, 3)),
            (
                "repo:acme/widgets:ref:refs/heads/main",
                "repo:acme/widgets:ref:refs/heads/master",
                (35, 35),
            ),
            ("repo:acme/*:ref:*", "repo:acme/widgets:pull_request", (12, 18)),
        ] {
            let found = parted(pattern, value);
            if matches(pattern, value) {
                assert_eq!(found, None, "`{pattern}` against `{value}`");
                continue;
            }
            let expected = Parted {
                pattern: at.0,
                value: at.1,
            };
            assert_eq!(found, Some(expected), "`{pattern}` against `{value}`");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "it is about time")]
    fn hostile_patterns_take_no_time() {
        // A quarter of the size in the benches, which have the figures: this is a debug build on a busy machine.
        let long = |unit: &str, bytes: usize| unit.repeat(bytes / 4 / unit.len());
        let values = [
            long("a", 8192),
            long("b", 8192),
            long("ab", 8192),
            long("ä", 8192),
            long("a", 8188) + "b",
        ];
        let patterns = [
            long("*a", 2048),
            long("*a", 2046) + "*b",
            long("a*", 2048),
            long("*ab", 2048),
            long("*?a", 2048),
            long("a?", 2040) + "b",
            "*".to_owned() + &long("a", 1024) + "?" + &long("a", 1000) + "b*",
            "*".to_owned() + &long("ä", 1024) + "?" + &long("a", 1000) + "b*",
            long("?", 2048),
            long("*?", 2048),
        ];
        for (pattern, value) in patterns.iter().flat_map(|p| values.iter().map(move |v| (p, v))) {
            let start = Instant::now();
            let _ = matches(pattern, value);
            let _ = parted(pattern, value);
            let time = start.elapsed();
            assert!(time < Duration::from_secs(5), "{time:?} for `{}…`", &pattern[..8]);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_another_matcher(pattern in "[ab*?ä]{0,12}", value in "[abä]{0,16}") {
            prop_assert_eq!(matches(&pattern, &value), wildmatch::WildMatch::new(&pattern).matches(&value));
        }

        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?ä]{0,12}", value in "[ab*?ä]{0,16}", literal in any::<u16>()) {
            let literal: Vec<usize> = pattern
                .match_indices(['*', '?'])
                .enumerate()
                .filter(|(nth, _)| literal >> (nth % 16) & 1 == 1)
                .map(|(_, (at, _))| at)
                .collect();
            let fits = Table::new(&pattern, &literal, &value);
            let pattern = Pattern::with_literals(pattern.as_str(), literal);
            prop_assert_eq!(pattern.matches(&value), fits.whole());
            prop_assert_eq!(pattern.parted(&value), fits.parted());
        }

        #[test]
        fn long_texts_agree_with_the_definition(
            pattern in "([ab]{0,3}[*?]){20,60}", value in "[abä]{200,400}", tail in "[ab?]{40,80}"
        ) {
            for pattern in [pattern, format!("*{tail}*"), format!("*{tail}")] {
                let fits = Table::new(&pattern, &[], &value);
                prop_assert_eq!(matches(&pattern, &value), fits.whole());
                prop_assert_eq!(parted(&pattern, &value), fits.parted());
            }
        }

        #[test]
        fn long_pieces_are_found_where_they_are(
            before in "[abä]{0,8}", piece in "[ab?]{33,80}|[abä?]{33,80}", filler in "[abä€]{80}", after in "[abä]{0,8}"
        ) {
            let fill = |(c, filler)| if c == '?' { filler } else { c };
            let found: String = piece.chars().zip(filler.chars()).map(fill).collect();
            let value = format!("{before}{found}{after}");
            let anywhere = format!("*{piece}*");
            prop_assert!(matches(&anywhere, &value));
            for pattern in [format!("*{piece}*c"), format!("*{piece}*{piece}*"), format!("*{piece}b*")] {
                let fits = Table::new(&pattern, &[], &value);
                prop_assert_eq!(matches(&pattern, &value), fits.whole());
                prop_assert_eq!(parted(&pattern, &value), fits.parted());
            }
        }

        #[test]
        fn a_text_fits_itself_and_a_star(value in ".{0,40}") {
            prop_assert!(matches("*", &value));
            prop_assert!(matches(&"?".repeat(value.chars().count()), &value));
            prop_assert!(Pattern::with_literals(value.as_str(), (0..value.len()).collect()).matches(&value));
        }
    }

    /// The definition: whether this beginning of the pattern matches that beginning of the value.
    struct Table {
        /// Rows: beginnings of the pattern, with their byte offset.
        rows: Vec<(usize, Vec<bool>)>,
        /// Byte offsets of the beginnings of the value.
        columns: Vec<usize>,
    }

    impl Table {
        fn new(pattern: &str, literal: &[usize], value: &str) -> Self {
            let value_chars: Vec<char> = value.chars().collect();
            let mut rows = vec![(0, vec![false; value_chars.len() + 1])];
            rows[0].1[0] = true;
            for (at, c) in pattern.char_indices() {
                let before = &rows[rows.len() - 1].1;
                let wild = !literal.contains(&at);
                let mut row = vec![false; before.len()];
                for column in 0..row.len() {
                    row[column] = match c {
                        '*' if wild => before[column] || column > 0 && row[column - 1],
                        '?' if wild => column > 0 && before[column - 1],
                        _ => column > 0 && before[column - 1] && value_chars[column - 1] == c,
                    };
                }
                rows.push((at + c.len_utf8(), row));
            }
            let columns = value.char_indices().map(|(at, _)| at).chain([value.len()]).collect();
            Self { rows, columns }
        }

        fn whole(&self) -> bool {
            *self.rows[self.rows.len() - 1].1.last().unwrap()
        }

        fn parted(&self) -> Option<Parted> {
            if self.whole() {
                return None;
            }
            self.rows.iter().rev().find_map(|(pattern, row)| {
                row.iter().rposition(|fits| *fits).map(|column| Parted {
                    pattern: *pattern,
                    value: self.columns[column],
                })
            })
        }
    }
}
