//! Characters that are invisible or change how others are displayed. They are shown as code points: `<U+200B>`.

/// The maximum number of characters listed in one sentence.
const MOST_LISTED: usize = 3;

/// Whether it is a character that is invisible, looks like a space but isn't one, or changes how others are displayed.
///
/// Control characters and white space other than the space; the Unicode property `Default_Ignorable_Code_Point`; the category
/// `Cf`; the Braille blank. (Unicode 17, `DerivedCoreProperties.txt` and `UnicodeData.txt`.)
#[must_use]
pub fn is_unseen(c: char) -> bool {
    c != ' '
        && (c.is_control()
            || c.is_whitespace()
            || matches!(c,
                '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}' | '\u{8e2}'
                | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
                | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'))
}

/// Appends a character as shown to the user: itself, or its code point if it is invisible.
pub(crate) fn push_shown(out: &mut String, c: char) {
    if is_unseen(c) {
        out.push_str(&format!("<U+{:04X}>", u32::from(c)));
    } else {
        out.push(c);
    }
}

/// A fact about two texts that look the same but aren't: which invisible characters they have, and where. `matches`:
/// whether the first text matches the second if they aren't equal.
#[must_use]
pub(crate) fn difference(wanted: &str, has: &str, matches: impl Fn(&str, &str) -> bool) -> Option<String> {
    let places: Vec<String> = [("the policy", wanted), ("the token", has)]
        .into_iter()
        .filter_map(|(side, text)| places(side, text))
        .collect();
    let (seen, seen_has) = (seen(wanted), seen(has));
    let same = seen == seen_has || matches(&seen, &seen_has);
    (same && wanted != has && !places.is_empty())
        .then(|| format!("the two differ only in invisible characters: {}", places.join(", and ")))
}

/// The text as it looks.
fn seen(text: &str) -> String {
    text.chars()
        .filter(|c| !is_unseen(*c) || c.is_whitespace())
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .collect()
}

fn places(side: &str, text: &str) -> Option<String> {
    let unseen = || text.chars().enumerate().filter(|(_, c)| is_unseen(*c));
    let listed: Vec<String> = unseen()
        .take(MOST_LISTED)
        .map(|(at, c)| format!("U+{:04X} at position {}", u32::from(c), at + 1))
        .collect();
    let more = unseen().count() - listed.len();
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    (!listed.is_empty()).then(|| format!("{side} has {}{more}", listed.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_is_not_seen() {
        for code in [
            0x00, 0x07, 0x09, 0x0a, 0x1b, 0x7f, 0x85, 0x9b, 0xa0, 0xad, 0x34f, 0x61c, 0x115f, 0x1160, 0x1680, 0x17b4,
            0x17b5, 0x180b, 0x180e, 0x2003, 0x200b, 0x200d, 0x200e, 0x2028, 0x2029, 0x202e, 0x202f, 0x2060, 0x2066,
            0x206f, 0x2800, 0x3000, 0x3164, 0xfe0f, 0xfeff, 0xffa0, 0xfff9, 0x1d173, 0xe0001, 0xe0041, 0xe007f,
            0xe0100,
        ] {
            assert!(is_unseen(char::from_u32(code).unwrap()), "U+{code:04X}");
        }
        for c in "aZ09 `~|é語א①😀…—".chars() {
            assert!(!is_unseen(c), "{c}");
        }
    }

    #[test]
    fn texts_that_look_the_same() {
        for (wanted, has, literal, want) in [
            ("repo:a/b", "repo:a/b", true, None),
            ("repo:a/b", "repo:a/c", true, None),
            (
                "repo:a\u{200b}/b",
                "repo:a/b",
                true,
                Some("the policy has U+200B at position 7"),
            ),
            (
                "repo:a/b",
                "repo:a/\u{3164}b",
                true,
                Some("the token has U+3164 at position 8"),
            ),
            ("a b", "a\u{a0}b", true, Some("the token has U+00A0 at position 2")),
            (
                "repo:a\u{feff}/*",
                "repo:a/b",
                false,
                Some("the policy has U+FEFF at position 7"),
            ),
            ("repo:a\u{feff}/*", "repo:a/b", true, None),
            (
                "a\u{200b}\u{200b}\u{200b}\u{200b}",
                "a\u{200d}",
                true,
                Some("at position 4 and 1 more, and the token has U+200D at position 2"),
            ),
        ] {
            let found = difference(wanted, has, |one, other| {
                !literal && crate::policy::wildcard::matches(one, other)
            });
            match want {
                Some(want) => assert!(found.as_ref().is_some_and(|found| found.ends_with(want)), "{found:?}"),
                None => assert_eq!(found, None),
            }
        }
    }
}
