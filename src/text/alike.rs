//! "Did you mean": the known name most similar to an unknown one.
//!
//! In bulk, each line may have such a name, so most known names are skipped without computing the distance.

/// From this similarity on, one name was likely meant to be the other (1 is identical).
const ALIKE: f64 = 0.7;

/// Two texts without a list of known ones must be more similar than that: each may be right as it is.
const NEARLY_THE_SAME: f64 = 0.8;

/// The known name most similar to this one, if any is similar; the last of equals. Case is ignored.
pub(crate) fn did_you_mean<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let known: Vec<(Name, &str)> = known.into_iter().map(|known| (known.into(), known)).collect();
    Name::from(name).nearest(known.iter().map(|(name, known)| (name, *known)))
}

/// Whether one of two texts could be a misspelling of the other.
pub(crate) fn is_nearly(one: &str, other: &str) -> bool {
    one != other && strsim::normalized_levenshtein(one, other) > NEARLY_THE_SAME
}

/// A name as compared: case-insensitively, and truncated so that a huge one costs no time.
pub(crate) struct Name {
    text: String,
    length: u8,
    /// How often each letter occurs. Letters that share a slot only make names look more similar.
    letters: [u8; PLACES],
}

const PLACES: usize = 32;

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self::new(name.chars())
    }
}

impl Name {
    pub(crate) fn new(name: impl Iterator<Item = char>) -> Self {
        let text: String = name.take(64).map(|c| c.to_ascii_lowercase()).collect();
        let (mut length, mut letters) = (0, [0; PLACES]);
        for c in text.chars() {
            length += 1;
            if let Some(count) = letters.get_mut(c as usize % PLACES) {
                *count += 1;
            }
        }
        Self { text, length, letters }
    }

    /// The value paired with the known name most similar to this one, if any is similar; the last of equals.
    pub(crate) fn nearest<'k, T>(&self, known: impl IntoIterator<Item = (&'k Self, T)>) -> Option<T> {
        let (mut best, mut bar) = (None, ALIKE);
        for (known, meant) in known {
            if self.most_likeness(known) < bar {
                continue;
            }
            let likeness = strsim::normalized_damerau_levenshtein(&known.text, &self.text);
            if likeness >= bar {
                (best, bar) = (Some(meant), likeness);
            }
        }
        best
    }

    /// An upper bound on their similarity: each letter of the longer one that the other lacks costs an edit.
    fn most_likeness(&self, other: &Self) -> f64 {
        let common: u8 = self.letters.iter().zip(&other.letters).map(|(a, b)| *a.min(b)).sum();
        match self.length.max(other.length) {
            0 => 1.0,
            longer => 1.0 - f64::from(longer - common) / f64::from(longer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn passing_over_changes_no_suggestion(
            name in "[a-fA-Fä]{0,12}",
            known in prop::collection::vec("[a-f]{0,12}", 0..12),
        ) {
            let expected = known
                .iter()
                .enumerate()
                .map(|(at, known)| (strsim::normalized_damerau_levenshtein(known, &name.to_ascii_lowercase()), at))
                .filter(|(likeness, _)| *likeness >= ALIKE)
                .max_by(|(a, _), (b, _)| a.total_cmp(b))
                .map(|(_, at)| at);
            let known: Vec<Name> = known.iter().map(|known| known.as_str().into()).collect();
            let numbered = known.iter().enumerate().map(|(at, known)| (known, at));
            prop_assert_eq!(Name::from(&*name).nearest(numbered), expected);
        }
    }

    #[test]
    fn a_huge_name_is_cut() {
        let known = "x".repeat(64);
        for name in ["x".repeat(1_000_000), known.clone() + "y"] {
            assert_eq!(did_you_mean(&name, [&*known]), Some(&*known));
        }
    }

    #[test]
    fn a_slip_is_told_from_another_name() {
        let known = ["eu-west-1", "eu-central-1", "us-east-1", "sub", "aud"];
        for (name, meant) in [
            ("eu-wset-1", Some("eu-west-1")),
            ("EU-CENTRAL-1", Some("eu-central-1")),
            ("eu-west-9", Some("eu-west-1")),
            ("moon-1", None),
            ("subject", None),
            ("", None),
        ] {
            assert_eq!(did_you_mean(name, known), meant, "{name}");
        }
        for (one, other, is) in [
            ("acme/widgets", "acme/widgest", true),
            ("acme/widgets", "acme/payments", false),
            ("acme/widgets", "acme/widgets", false),
        ] {
            assert_eq!(is_nearly(one, other), is, "{one} {other}");
        }
    }
}
