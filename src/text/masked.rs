//! Text with hidden parts: `***` in a log, `XXXX` and `<OWNER>` from people, `${{ … }}` that nobody filled in.
//!
//! A hidden part is unknown, the rest is known. Code that compares such a text must say what holds whatever the hidden
//! part is.

use std::ops::Range;

/// A text with hidden parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Masked<'a> {
    /// The whole text.
    pub text: &'a str,
    /// Its parts, in order; at least one is hidden.
    pub pieces: Vec<Piece<'a>>,
}

/// A part of a [`Masked`] text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Hidden by this mask.
    Hidden(&'a str, Fill),
    /// Known, as written.
    Known(&'a str),
}

/// What a mask can stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fill {
    /// Any text.
    Any,
    /// Digits of an account number.
    Digits,
    /// No colon: a field of a subject or an ARN.
    Field,
    /// Neither colon nor slash: the owner or the repository, if the text has both.
    Name,
}

impl Fill {
    /// Whether this character can be hidden there.
    #[must_use]
    pub(crate) fn admits(self, c: char) -> bool {
        match self {
            Self::Any => true,
            Self::Digits => c.is_ascii_digit(),
            Self::Field => c != ':',
            Self::Name => !matches!(c, ':' | '/'),
        }
    }
}

impl<'a> Masked<'a> {
    /// Finds the hidden parts; `None` if there are none.
    #[must_use]
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        if !may_have_masks(text) {
            return None;
        }
        let account = account_of(text);
        let (mut pieces, mut known, mut at, mut count) = (Vec::new(), 0, 0, 0);
        while let Some((before, rest)) = text.split_at_checked(at).filter(|(_, rest)| !rest.is_empty()) {
            let mask = match mask(before, rest, account.contains(&at)) {
                Found::Text(length) => {
                    at += length.max(rest.chars().next().map_or(1, char::len_utf8));
                    continue;
                }
                Found::Mask(_) if count == MOST => rest,
                Found::Mask(mask) => mask,
            };
            let fill = if count == MOST { Fill::Any } else { fill(text, at, mask) };
            pieces.extend(text.get(known..at).filter(|known| !known.is_empty()).map(Piece::Known));
            pieces.push(Piece::Hidden(mask, fill));
            count += 1;
            at += mask.len();
            known = at;
        }
        pieces.extend(text.get(known..).filter(|known| !known.is_empty()).map(Piece::Known));
        (count > 0).then_some(Self { text, pieces })
    }

    /// What is hidden, in words: "is masked in its owner".
    #[must_use]
    pub(crate) fn words(&self) -> String {
        let mut before = 0;
        let mut place = ("", "");
        for piece in &self.pieces {
            match piece {
                Piece::Known(text) => before += text.len(),
                Piece::Hidden(mask, _) => {
                    place = (mask, part(self.text, before, mask));
                    break;
                }
            }
        }
        match place {
            (mask, "") if is_template(mask) => format!("contains the placeholder `{mask}`"),
            (mask, part) if is_template(mask) => format!("has the placeholder `{mask}` in its {part}"),
            (_, "") => "is masked".to_owned(),
            (_, part) => format!("is masked in its {part}"),
        }
    }

    /// The parts that are not hidden.
    pub(crate) fn known(&self) -> impl Iterator<Item = &'a str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Known(text) => Some(*text),
            Piece::Hidden(..) => None,
        })
    }
}

/// Whether any part of the text is hidden.
#[must_use]
pub(crate) fn is_masked(text: &str) -> bool {
    Masked::read(text).is_some()
}

/// Whether all of the text is hidden.
#[must_use]
pub(crate) fn is_hidden(text: &str) -> bool {
    Masked::read(text.trim()).is_some_and(|masked| masked.known().next().is_none())
}

/// Whether it is an account number with hidden digits: `***`, `123456789***`, `XXXXXXXXXXXX`, `<account>`.
#[must_use]
pub(crate) fn is_masked_account(account: &str) -> bool {
    account.contains(['<', '{', '$', '(', '['])
        || is_masked(account)
        || account.bytes().any(is_crossed_out)
            && account
                .bytes()
                .all(|byte| byte.is_ascii_digit() || is_crossed_out(byte))
}

/// What people write over the digits of an account number.
fn is_crossed_out(byte: u8) -> bool {
    matches!(byte, b'x' | b'X' | b'#' | b'?' | b'*')
}

/// Whether it is a template's placeholder, which has a name, rather than something that replaced a text.
#[must_use]
pub(crate) fn is_template(mask: &str) -> bool {
    mask.starts_with(['<', '{', '$'])
}

enum Found<'a> {
    Mask(&'a str),
    /// This many bytes aren't a mask.
    Text(usize),
}

/// A quick check for the characters that masks start with, as most texts have none.
fn may_have_masks(text: &str) -> bool {
    let (mut previous, mut run) = (0, 0);
    text.bytes().any(|byte| {
        run = if byte == previous { run + 1 } else { 1 };
        previous = byte;
        match byte {
            b'<' | b'{' | b'[' | b'(' | b'#' | 0xE2 => true,
            b'R' => run == 1,
            b'*' | b'.' => run == 3,
            b'?' | b'x' | b'X' => run == 4,
            _ => false,
        }
    }) || text
        .get(account_of(text))
        .is_some_and(|account| account.bytes().any(is_crossed_out))
}

fn is_arn(text: &str) -> bool {
    text.starts_with("arn:")
}

/// Whether the rest starts with a mask, and which.
fn mask<'a>(before: &str, rest: &'a str, is_account: bool) -> Found<'a> {
    let found = |length: usize| rest.get(..length).map_or(Found::Text(0), Found::Mask);
    let run = |c: char| rest.len() - rest.trim_start_matches(c).len();
    if is_account {
        return match rest.bytes().take_while(|byte| is_crossed_out(*byte)).count() {
            0 => Found::Text(0),
            length => found(length),
        };
    }
    match rest.bytes().next() {
        // The runner replaces secrets with three stars.
        Some(b'*') if run('*') >= 3 => found(run('*')),
        Some(b'.') if run('.') >= 3 => found(run('.')),
        _ if rest.starts_with('…') => found(run('…')),
        Some(b'<') => match inside(rest, "<", ">").filter(|name| is_name(name)) {
            Some(name) => found(name.len() + 2),
            None => Found::Text(1),
        },
        Some(b'$') if rest.starts_with("${") && !rest.starts_with("${{") => {
            match inside(rest, "${", "}") {
                // A variable of the policy language, or one of its escaped characters.
                Some(name) if name.contains(':') && !name.contains("***") || matches!(name, "*" | "?" | "$") => {
                    Found::Text(name.len() + 3)
                }
                Some(name) => found(name.len() + 3),
                None => Found::Text(2),
            }
        }
        Some(b'$' | b'{') => {
            let open = if rest.starts_with('$') { "${{" } else { "{{" };
            match (inside(rest, open, "}}"), inside(rest, "{", "}")) {
                (Some(name), _) => found(open.len() + name.len() + 2),
                (None, Some(name)) if is_name(name) => found(name.len() + 2),
                _ => Found::Text(1),
            }
        }
        // `(redacted by the author)`, in place of the whole value.
        Some(b'(') if before.is_empty() && rest.find(')') == Some(rest.len() - 1) && rest.len() > 2 => {
            found(rest.len())
        }
        Some(b'[') => match inside(rest, "[", "]").filter(|word| is_redaction(word)) {
            Some(word) => found(word.len() + 2),
            None => Found::Text(1),
        },
        Some(first) if first.is_ascii_alphanumeric() => {
            // Only a whole word, as `xxx-app` is a name.
            let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            let word = rest.get(..end).unwrap_or_default();
            let is_mask = word == "REDACTED"
                || matches!(first, b'x' | b'X') && word.len() >= 4 && word.bytes().all(|byte| byte == first);
            if is_mask && !before.ends_with(is_word) {
                found(end)
            } else {
                // Masks can directly follow a word: `123***`, `acme...`.
                Found::Text(word.find("...").filter(|at| *at > 0).unwrap_or(end))
            }
        }
        _ => Found::Text(0),
    }
}

/// The range of an ARN's account if it consists of digits, masked or not; otherwise empty.
fn account_of(text: &str) -> Range<usize> {
    let mut colons = text.match_indices(':').map(|(at, _)| at).filter(|_| is_arn(text));
    let (Some(before), Some(after)) = (colons.nth(ACCOUNT - 1), colons.next()) else {
        return 0..0;
    };
    let account = text.get(before + 1..after).unwrap_or_default();
    let is_number = account
        .bytes()
        .all(|byte| byte.is_ascii_digit() || is_crossed_out(byte));
    if is_number { before + 1..after } else { 0..0 }
}

/// A text with more masks than this is treated as hidden from there on.
const MOST: usize = 32;

/// The index of the account field in an ARN: `arn:partition:service:region:account:resource`.
const ACCOUNT: usize = 4;

fn inside<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    const LONGEST: usize = 128;
    let text = text.strip_prefix(open)?;
    let text = (0..=LONGEST).rev().find_map(|end| text.get(..end.min(text.len())))?;
    let (inside, _) = text.split_once(close)?;
    (!inside.trim().is_empty()).then_some(inside)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric())
        && text
            .chars()
            .all(|c| is_word(c) || matches!(c, ' ' | '/' | '|' | '@' | '\''))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// `[REDACTED]`, `[removed]`, `[OWNER]`; `[a-z]` is a pattern.
fn is_redaction(word: &str) -> bool {
    ["redacted", "removed", "masked", "hidden", "secret"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known))
        || word.len() >= 3
            && word
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'_' | b' '))
}

/// What can be hidden here, judging by the text around it. Names of owners and repositories have neither colons nor slashes,
/// which separate them in a subject: `repo:owner/repository:…`. In what follows, a colon is written `%3A` (GitHub docs,
/// "OpenID Connect reference"), and refs have none (`git check-ref-format`): a named placeholder there is a single field.
fn fill(text: &str, at: usize, mask: &str) -> Fill {
    let before = text.get(..at).unwrap_or_default();
    let after = text.get(at + mask.len()..).unwrap_or_default();
    let fields = before.matches(':').count();
    if fields > 2 && before.starts_with("repo:") && is_template(mask) {
        return Fill::Field;
    }
    let Some((end_of_field, _)) = after.split_once(':') else {
        // It may hide other fields as well.
        return Fill::Any;
    };
    if is_arn(text) {
        return if fields == ACCOUNT { Fill::Digits } else { Fill::Field };
    }
    if fields != 1 || !before.starts_with("repo:") {
        return Fill::Any;
    }
    let has_slash = before.contains('/') || end_of_field.contains('/');
    if has_slash { Fill::Name } else { Fill::Field }
}

/// The name of the hidden part.
fn part(text: &str, at: usize, mask: &str) -> &'static str {
    let before = text.get(..at).unwrap_or_default();
    let after = text.get(at + mask.len()..).unwrap_or_default();
    let fields = before.matches(':').count();
    match fields {
        ACCOUNT if is_arn(text) => "account",
        1 if before.starts_with("repo:") && before.contains('/') => "repository",
        1 if before.starts_with("repo:") && after.split(':').next().is_some_and(|rest| rest.contains('/')) => "owner",
        1 if before.starts_with("repo:") => "repository",
        2.. if before.starts_with("repo:") => "last part",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_hidden_and_what_is_not() {
        for (text, masks) in [
            ("***", &["***"][..]),
            ("repo:***/app:ref:refs/heads/main", &["***"]),
            ("repo:acme/***:*", &["***"]),
            ("repo:<OWNER>/<REPO>:environment:prod", &["<OWNER>", "<REPO>"]),
            ("repo:<your org/repo>:*", &["<your org/repo>"]),
            ("repo:${{ github.repository }}:*", &["${{ github.repository }}"]),
            ("repo:{{ org }}/{repo}:*", &["{{ org }}", "{repo}"]),
            ("repo:${ORG}/app:*", &["${ORG}"]),
            ("repo:[REDACTED]/app:*", &["[REDACTED]"]),
            ("repo:REDACTED/app:*", &["REDACTED"]),
            ("(removed by me)", &["(removed by me)"]),
            ("(a)b(c)", &[]),
            ("repo:XXXX/xxxxxx:*", &["XXXX", "xxxxxx"]),
            ("repo:.../app:…", &["...", "…"]),
            ("repo:acme.../app", &["..."]),
            ("arn:aws:iam::123456789***:role/deploy", &["***"]),
            ("arn:aws:iam::XXXXXXXXXXXX:role/deploy", &["XXXXXXXXXXXX"]),
            ("arn:aws:iam::12xx##??**34:role/deploy", &["xx##??**"]),
            ("arn:aws:iam::<account>:role/***", &["<account>", "***"]),
            // These are names, patterns and variables.
            ("repo:xxx/xxx-app:ref:refs/heads/xxxx-1", &[]),
            ("repo:acme/*:ref:refs/heads/**", &[]),
            ("repo:acme/app-????:*", &[]),
            ("repo:acme/[a-z]*:*", &[]),
            ("repo:${aws:PrincipalTag/team}/${*}${?}${$}", &[]),
            (
                "${token.actions.githubusercontent.com:***}-*",
                &["${token.actions.githubusercontent.com:***}"],
            ),
            ("repo:acme/app:environment:Redacted", &[]),
            ("arn:aws:iam::123456789012:role/deploy", &[]),
            ("a < b > c", &[]),
            ("{\"a\": 1}", &[]),
            ("", &[]),
        ] {
            let read = Masked::read(text);
            let found: Vec<&str> = read
                .iter()
                .flat_map(|masked| &masked.pieces)
                .filter_map(|piece| match piece {
                    Piece::Hidden(mask, _) => Some(*mask),
                    Piece::Known(_) => None,
                })
                .collect();
            assert_eq!(found, masks, "{text}");
        }
    }

    #[test]
    fn what_a_mask_can_stand_for() {
        for (text, fill, words) in [
            ("repo:***/app:ref:refs/heads/main", Fill::Name, "is masked in its owner"),
            ("repo:acme/***:pull_request", Fill::Name, "is masked in its repository"),
            ("repo:***:pull_request", Fill::Field, "is masked in its repository"),
            ("repo:acme/***", Fill::Any, "is masked in its repository"),
            (
                "repo:acme/app:ref:refs/heads/***",
                Fill::Any,
                "is masked in its last part",
            ),
            (
                "repo:acme/app:environment:<ENV>",
                Fill::Field,
                "has the placeholder `<ENV>` in its last part",
            ),
            (
                "repo:acme/app:<CONTEXT>",
                Fill::Any,
                "has the placeholder `<CONTEXT>` in its last part",
            ),
            ("arn:aws:iam::***:role/deploy", Fill::Digits, "is masked in its account"),
            ("***:ref:refs/heads/main", Fill::Any, "is masked"),
            (
                "repo:<OWNER>/app:*",
                Fill::Name,
                "has the placeholder `<OWNER>` in its owner",
            ),
            (
                "${{ vars.AUDIENCE }}",
                Fill::Any,
                "contains the placeholder `${{ vars.AUDIENCE }}`",
            ),
        ] {
            let masked = Masked::read(text).unwrap();
            assert!(
                masked
                    .pieces
                    .iter()
                    .any(|piece| matches!(piece, Piece::Hidden(_, found) if *found == fill)),
                "{text}"
            );
            assert_eq!(masked.words(), words, "{text}");
        }
    }

    #[test]
    fn what_is_hidden_as_a_whole() {
        for (text, hidden) in [
            ("***", true),
            (" <ROLE_ARN> ", true),
            ("***:***", false),
            ("deploy", false),
            ("", false),
        ] {
            assert_eq!(is_hidden(text), hidden, "{text}");
        }
    }

    #[test]
    fn accounts() {
        for (account, masked) in [
            ("***", true),
            ("123456789***", true),
            ("XXXXXXXXXXXX", true),
            ("????", true),
            ("<account>", true),
            ("$ACCOUNT", true),
            ("123456789012", false),
            ("12345", false),
            ("acme", false),
            ("", false),
        ] {
            assert_eq!(is_masked_account(account), masked, "{account}");
        }
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_text(text in r"(repo:|arn:aws:iam::)?([a-zX*?.<>{}$\[\]…:/]|\*\*\*|XXXX|<A>|\$\{\{ x \}\}){0,12}") {
            if let Some(masked) = Masked::read(&text) {
                let whole: String = masked.pieces.iter().map(|piece| match piece {
                    Piece::Hidden(text, _) | Piece::Known(text) => *text,
                }).collect();
                prop_assert_eq!(&whole, &text);
                prop_assert!(masked.pieces.iter().any(|piece| matches!(piece, Piece::Hidden(..))));
            }
        }
    }
}
