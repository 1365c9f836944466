//! Two texts that should match, side by side: what one side sends, and what the other accepts.

/// What differs, and its two sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SideBySide {
    /// What is compared: the subject, the audience, the issuer …
    pub(crate) what: String,
    /// The side that presents a value.
    pub(crate) left: Party,
    /// The side that decides.
    pub(crate) right: Party,
}

/// One side of a [`SideBySide`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Party {
    /// Who: `token`, `policy`.
    pub(crate) who: &'static str,
    /// What it does with the value: `sends`, `accepts`.
    pub(crate) does: &'static str,
    /// The value, from outside.
    pub(crate) value: String,
    /// The byte range that differs.
    differs: (usize, usize),
    /// How many more of its values are not shown.
    pub(crate) more: usize,
}

impl SideBySide {
    /// Compares two values; the difference starts and ends at the boundaries of their parts (`:` and `/`).
    pub(crate) fn of(what: impl Into<String>, left: Party, right: Party) -> Self {
        let (one, other) = (left.value.len(), right.value.len());
        Self::within(what, left, (0, one), right, (0, other))
    }

    /// Compares two values that can differ only within these ranges.
    pub(crate) fn within(
        what: impl Into<String>,
        mut left: Party,
        one: (usize, usize),
        mut right: Party,
        other: (usize, usize),
    ) -> Self {
        let part = |side: &Party, (from, to): (usize, usize)| side.value.get(from..to).map(str::to_owned);
        if let (Some(a), Some(b)) = (part(&left, one), part(&right, other)) {
            let start = alike(&a, &b);
            let (a, b) = (a.get(start..).unwrap_or_default(), b.get(start..).unwrap_or_default());
            let end = alike_at_end(a, b);
            left.differs = (one.0 + start, one.1 - end);
            right.differs = (other.0 + start, other.1 - end);
        }
        let what = what.into();
        Self { what, left, right }
    }
}

impl Party {
    /// Creates one side with its value, all of it different.
    pub(crate) fn new(who: &'static str, does: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        Self {
            who,
            does,
            differs: (0, value.len()),
            value,
            more: 0,
        }
    }

    /// Sets how many more values are not shown.
    pub(crate) fn and_more(mut self, more: usize) -> Self {
        self.more = more;
        self
    }

    /// Splits the value in three: what matches, what differs, what matches again.
    pub(crate) fn parts(&self) -> [&str; 3] {
        let (from, to) = self.differs;
        let whole = (self.value.get(..from), self.value.get(from..to), self.value.get(to..));
        match whole {
            (Some(before), Some(differs), Some(after)) => [before, differs, after],
            _ => ["", &self.value, ""],
        }
    }
}

fn ends_a_part(c: char) -> bool {
    matches!(c, ':' | '/')
}

/// Counts the leading bytes that match, up to the end of a part.
fn alike(a: &str, b: &str) -> usize {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b);
    let length: usize = same.map(|(c, _)| c.len_utf8()).sum();
    let (rest, other) = (a.get(length..).unwrap_or_default(), b.get(length..).unwrap_or_default());
    if rest.is_empty() && other.starts_with(ends_a_part) || other.is_empty() && rest.starts_with(ends_a_part) {
        return length;
    }
    let head = a.get(..length).unwrap_or_default();
    let parts = head.rfind(ends_a_part).map_or(0, |at| at + 1);
    let blanks = head.bytes().skip(parts).take_while(|byte| *byte == b' ');
    parts + blanks.count()
}

/// Does the same from the end, back to the start of a part.
fn alike_at_end(a: &str, b: &str) -> usize {
    let back = |text: &str| text.chars().rev().collect::<Vec<_>>();
    let (a, b) = (back(a), back(b));
    let (mut length, mut alike) = (0, 0);
    for (one, _) in a.iter().zip(&b).take_while(|(one, other)| one == other) {
        length += one.len_utf8();
        if ends_a_part(*one) {
            alike = length;
        }
    }
    alike
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_that_differ() {
        for (left, right, parts) in [
            (
                "repo:o/r:environment:production",
                "repo:o/r:ref:refs/heads/main",
                [
                    ["repo:o/r:", "environment:production", ""],
                    ["repo:o/r:", "ref:refs/heads/main", ""],
                ],
            ),
            (
                "repo:o/r:ref:refs/heads/main",
                "repo:o/r:ref:refs/heads/dev",
                [
                    ["repo:o/r:ref:refs/heads/", "main", ""],
                    ["repo:o/r:ref:refs/heads/", "dev", ""],
                ],
            ),
            (
                "repo:acme/r:pull_request",
                "repo:Acme/r:pull_request",
                [
                    ["repo:", "acme", "/r:pull_request"],
                    ["repo:", "Acme", "/r:pull_request"],
                ],
            ),
            (
                "arn:aws:iam::111111111111:oidc-provider/h",
                "arn:aws:iam::222222222222:oidc-provider/h",
                [
                    ["arn:aws:iam::", "111111111111", ":oidc-provider/h"],
                    ["arn:aws:iam::", "222222222222", ":oidc-provider/h"],
                ],
            ),
            (
                "a.example",
                "a.example/",
                [["a.example", "", ""], ["a.example", "/", ""]],
            ),
            (
                "a.example",
                "a.example.org",
                [["", "a.example", ""], ["", "a.example.org", ""]],
            ),
            ("a: b", "a: c", [["a: ", "b", ""], ["a: ", "c", ""]]),
            ("x:", "x::", [["x:", "", ""], ["x:", ":", ""]]),
            ("", "é", [["", "", ""], ["", "é", ""]]),
        ] {
            let compared = SideBySide::of("it", Party::new("a", "b", left), Party::new("c", "d", right));
            assert_eq!([compared.left.parts(), compared.right.parts()], parts);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_lost(left in "[a:/é]{0,6}", right in "[a:/é]{0,6}") {
            let compared = SideBySide::of("it", Party::new("a", "b", left.clone()), Party::new("c", "d", right.clone()));
            proptest::prop_assert_eq!(compared.left.parts().concat(), left);
            proptest::prop_assert_eq!(compared.right.parts().concat(), right);
            let [one, other] = [compared.left.parts(), compared.right.parts()];
            proptest::prop_assert_eq!((one[0], one[2]), (other[0], other[2]));
        }
    }
}
