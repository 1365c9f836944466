//! Compares values with hidden parts: the outcome if it holds whatever is hidden, unknown if the hidden part decides.

use super::Outcome;
use crate::text::masked::{Fill, Masked, Piece, is_template};

/// How two texts are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Exactly.
    Equal,
    /// Case-insensitively.
    IgnoringCase,
    /// The first is a pattern with `*` and `?`.
    Wildcards,
}

/// Whether the value matches, if part of it or of the wanted value is hidden; `None` if nothing is.
#[must_use]
pub fn fit(wanted: &str, actual: &str, rule: Rule) -> Option<Outcome> {
    let (masked, actual_masked) = (Masked::read(wanted), Masked::read(actual));
    if masked.is_none() && actual_masked.is_none() {
        return None;
    }
    let case = wanted.is_ascii() && actual.is_ascii();
    if wanted.len().saturating_mul(actual.len()) > MOST || rule == Rule::IgnoringCase && !case {
        return Some(Outcome::Unknown);
    }
    let pattern = tokens(wanted, masked.as_ref(), rule, rule == Rule::Wildcards);
    let value = tokens(actual, actual_masked.as_ref(), rule, false);
    // A common beginning doesn't matter, whatever it is.
    let same = pattern
        .iter()
        .zip(&value)
        .take_while(|(wanted, has)| match (wanted, has) {
            (Token::One(wanted), Token::One(has)) => wanted == has,
            (Token::Hidden(wanted, _), Token::Hidden(has, _)) => wanted == has && is_template(has),
            _ => false,
        });
    let same = same.count();
    let (pattern, value) = (
        pattern.get(same..).unwrap_or_default(),
        value.get(same..).unwrap_or_default(),
    );
    let hides = |token: &Token<'_>| matches!(token, Token::Hidden(..));
    Some(if !meet(pattern, value, false) {
        Outcome::NoMatch
    } else if !pattern.iter().any(hides) && meet(pattern, value, true) {
        Outcome::Match
    } else {
        Outcome::Unknown
    })
}

/// Longer texts aren't subjects, and take too long.
const MOST: usize = 1 << 18;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// `?`
    Any,
    /// A hidden part: its mask, and what it can stand for.
    Hidden(&'a str, Fill),
    One(char),
    /// `*`
    Star,
}

impl Token<'_> {
    /// Which characters it can be any number of, if it can.
    fn run(self) -> Option<Fill> {
        match self {
            Self::Hidden(_, fill) => Some(fill),
            Self::Star => Some(Fill::Any),
            Self::Any | Self::One(_) => None,
        }
    }
}

fn tokens<'a>(text: &'a str, masked: Option<&Masked<'a>>, rule: Rule, wildcards: bool) -> Vec<Token<'a>> {
    let whole = [Piece::Known(text)];
    let pieces = masked.map_or(whole.as_slice(), |masked| &masked.pieces);
    let mut tokens = Vec::with_capacity(text.len());
    for piece in pieces {
        match piece {
            // Stars that weren't meant as a mask are a wildcard, which matches anything.
            Piece::Hidden(mask, _) if wildcards && mask.starts_with('*') => {
                tokens.push(Token::Hidden(mask, Fill::Any));
            }
            Piece::Hidden(mask, fill) => tokens.push(Token::Hidden(mask, *fill)),
            Piece::Known(text) => tokens.extend(text.chars().map(|c| match c {
                '*' if wildcards => Token::Star,
                '?' if wildcards => Token::Any,
                c if rule == Rule::IgnoringCase => Token::One(c.to_ascii_lowercase()),
                c => Token::One(c),
            })),
        }
    }
    tokens
}

/// Whether there is a text that both can be. With `sealed`, what the value hides is one unknown unit that only `*` matches:
/// then the pattern matches everything the value can be.
fn meet(pattern: &[Token<'_>], value: &[Token<'_>], sealed: bool) -> bool {
    // Which beginnings of the value the pattern so far can match.
    let mut reached = vec![false; value.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    let opens = |token: Option<&Token<'_>>| !sealed && matches!(token, Some(Token::Hidden(..)));
    // What the value hides may be empty.
    let spread = |reached: &mut Vec<bool>, takes: &dyn Fn(&Token<'_>) -> bool| {
        let mut before = false;
        for (at, this) in reached.iter_mut().enumerate() {
            let token = at.checked_sub(1).and_then(|before| value.get(before));
            *this |= before && (opens(token) || token.is_some_and(takes));
            before = *this;
        }
    };
    spread(&mut reached, &|_| false);
    for wanted in pattern {
        if let Some(run) = wanted.run() {
            spread(&mut reached, &|token| match *token {
                Token::One(c) => run.admits(c),
                _ => run == Fill::Any,
            });
            continue;
        }
        let mut next = vec![false; reached.len()];
        for (at, token) in value
            .iter()
            .enumerate()
            .filter(|(at, _)| reached.get(*at) == Some(&true))
        {
            let to = match (*wanted, *token) {
                (Token::One(wanted), Token::One(c)) if wanted != c => continue,
                (_, Token::Hidden(..)) if sealed => continue,
                (Token::One(wanted), Token::Hidden(_, run)) if !run.admits(wanted) => continue,
                // More of what is hidden may follow.
                (_, Token::Hidden(..)) => at,
                _ => at + 1,
            };
            if let Some(next) = next.get_mut(to) {
                *next = true;
            }
        }
        reached = next;
        spread(&mut reached, &|_| false);
    }
    reached.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::wildcard::matches;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_hidden_decides() {
        use Outcome::{Match, NoMatch, Unknown};
        let owner = "repo:***/app:ref:refs/heads/main";
        for (wanted, actual, rule, outcome) in [
            ("repo:acme/other:*", owner, Rule::Wildcards, NoMatch),
            ("repo:acme/app:*", owner, Rule::Wildcards, Unknown),
            ("repo:acme/*", owner, Rule::Wildcards, Unknown),
            ("repo:*/app:*", owner, Rule::Wildcards, Match),
            ("*", owner, Rule::Wildcards, Match),
            ("repo:acme/app:environment:*", owner, Rule::Wildcards, NoMatch),
            ("repo:????/app:*", owner, Rule::Wildcards, Unknown),
            ("repo:acme/app:ref:refs/heads/main", owner, Rule::Equal, Unknown),
            ("repo:acme/app:*", owner, Rule::Equal, NoMatch),
            ("repo:acme/APP:ref:refs/heads/main", owner, Rule::IgnoringCase, Unknown),
            ("repo:acme/APP:ref:refs/heads/main", owner, Rule::Equal, NoMatch),
            // One mask covers both.
            (
                "repo:acme/app:*",
                "repo:***:ref:refs/heads/main",
                Rule::Wildcards,
                Unknown,
            ),
            (
                "repo:acme/app:environment:prod",
                "repo:***:ref:refs/heads/main",
                Rule::Wildcards,
                NoMatch,
            ),
            // A branch or an environment that a placeholder names is a single field, without a colon.
            (
                "repo:acme/*:ref:refs/heads/*",
                "repo:acme/<REPO>:environment:<ENV>",
                Rule::Wildcards,
                NoMatch,
            ),
            (
                "repo:acme/*:environment:*",
                "repo:acme/app:ref:refs/heads/<BRANCH>",
                Rule::Wildcards,
                NoMatch,
            ),
            (
                "repo:acme/*:ref:refs/heads/*",
                "repo:acme/<REPO>:environment:***",
                Rule::Wildcards,
                Unknown,
            ),
            (
                "repo:acme/*:ref:refs/heads/*",
                "repo:acme/<REPO>:ref:refs/heads/<BRANCH>",
                Rule::Wildcards,
                Match,
            ),
            // In the policy, a mask may also be a wildcard.
            ("repo:***/app:*", "repo:acme/app:pull_request", Rule::Wildcards, Unknown),
            (
                "repo:***/app:*",
                "repo:acme/other:pull_request",
                Rule::Wildcards,
                NoMatch,
            ),
            (
                "repo:<OWNER>/app:*",
                "repo:acme/app:pull_request",
                Rule::Wildcards,
                Unknown,
            ),
            ("***", "sts.amazonaws.com", Rule::Equal, Unknown),
            (owner, owner, Rule::Equal, Unknown),
            // A placeholder always stands for the same thing, a mask for anything.
            (
                "repo:<ORG>/<APP>:*",
                "repo:<ORG>/<APP>:pull_request",
                Rule::Wildcards,
                Match,
            ),
            (
                "repo:<ORG>/<APP>:*",
                "repo:<ORG>/<API>:pull_request",
                Rule::Wildcards,
                Unknown,
            ),
            (
                "repo:<ORG>/<APP>:*",
                "repo:<ORG>@<ID>/<APP>@<NO>:pull_request",
                Rule::Wildcards,
                NoMatch,
            ),
            (
                "repo:***/<APP>:*",
                "repo:***@<ID>/<APP>@<NO>:pull_request",
                Rule::Wildcards,
                Unknown,
            ),
            (
                "arn:aws:iam::***:role/a",
                "arn:aws:iam::123456789012:role/b",
                Rule::Equal,
                NoMatch,
            ),
            (
                "arn:aws:iam::1234***:role/a",
                "arn:aws:iam::123456789012:role/a",
                Rule::Equal,
                Unknown,
            ),
            (
                "arn:aws:iam::999***:role/a",
                "arn:aws:iam::123456789012:role/a",
                Rule::Equal,
                NoMatch,
            ),
        ] {
            assert_eq!(
                fit(wanted, actual, rule),
                Some(outcome),
                "{wanted} against {actual}, {rule:?}"
            );
        }
        assert_eq!(fit("repo:acme/*", "repo:acme/app:pull_request", Rule::Wildcards), None);
    }

    /// A subject or a pattern in parts, so that some can be hidden.
    fn parts(names: &'static str) -> impl Strategy<Value = Vec<String>> {
        let context = prop_oneof![
            Just("pull_request".to_owned()),
            "ref:refs/heads/[ab/]{1,3}",
            "environment:[ab]{1,2}",
            Just(if names.contains('*') { "*" } else { "x" }.to_owned()),
        ];
        (names, names, context)
            .prop_map(|(owner, name, context)| ["repo:", &owner, "/", &name, ":", &context].map(str::to_owned).to_vec())
    }

    /// The text with some of its parts hidden: owner, repository, both as one, or what follows.
    fn hide(parts: &[String], mask: &str, which: u8) -> String {
        let mut parts = parts.to_vec();
        if which & 8 != 0 {
            parts.splice(1..4, [mask.to_owned()]);
        } else {
            for (bit, at) in [(1, 1), (2, 3), (4, 5)] {
                if which & bit != 0 {
                    parts[at] = mask.to_owned();
                }
            }
        }
        parts.concat()
    }

    proptest! {
        /// Every text is one way to fill in its masked form, so this holds for all of them.
        #[test]
        fn hiding_a_part_never_changes_an_answer(
            wanted in parts("[ab*?]{1,3}"), actual in parts("[ab]{1,3}"),
            (mask, other) in prop_oneof![
                Just(("***", "***")), Just(("<NAME>", "<NAME2>")), Just(("XXXX", "XXXX")), Just(("${{ x }}", "${{ y }}")),
            ],
            hidden in 0_u8..16, hidden_wanted in prop_oneof![Just(0), 0_u8..16],
        ) {
            let (plain_wanted, plain_actual) = (wanted.concat(), actual.concat());
            let (wanted, actual) = (hide(&wanted, other, hidden_wanted), hide(&actual, mask, hidden));
            for (rule, plain) in [
                (Rule::Wildcards, matches(&plain_wanted, &plain_actual)),
                (Rule::Equal, plain_wanted == plain_actual),
                (Rule::IgnoringCase, plain_wanted.eq_ignore_ascii_case(&plain_actual)),
            ] {
                match fit(&wanted, &actual, rule) {
                    Some(Outcome::Unknown) => {}
                    Some(decided) => prop_assert_eq!(decided, Outcome::of(plain), "{} {} {:?}", wanted, actual, rule),
                    None => prop_assert!(wanted == plain_wanted && actual == plain_actual),
                }
            }
        }

        /// A hidden part that doesn't matter leaves the answer unchanged.
        #[test]
        fn what_a_wildcard_takes_in_may_be_hidden(actual in parts("[ab]{1,3}"), hidden in 1_u8..16) {
            let masked = hide(&actual, "***", hidden);
            prop_assert_eq!(fit("*", &masked, Rule::Wildcards), Some(Outcome::Match));
            prop_assert_eq!(fit("x*", &masked, Rule::Wildcards), Some(Outcome::NoMatch));
        }
    }
}
