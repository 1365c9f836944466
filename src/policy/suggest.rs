//! "Did you mean": the known name that is most like a name that is not known.
//!
//! In bulk each line may have such a name, so most known names are passed over without working out the distance.

/// A name as it is compared: without case, and cut, so that a huge one costs no time.
pub(super) struct Name {
    text: String,
    length: u8,
    /// How often each letter occurs. Letters that share a place only make names look more alike.
    letters: [u8; PLACES],
}

const PLACES: usize = 32;

impl Name {
    pub(super) fn new(name: impl Iterator<Item = char>) -> Self {
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

    /// The known name that is most like this one, at least so much (1 is the same); of equally like ones the last.
    pub(super) fn nearest<'k, T>(&self, known: impl IntoIterator<Item = (&'k Self, T)>, at_least: f64) -> Option<T> {
        let (mut best, mut bar) = (None, at_least);
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

    /// They are not more alike than this: each letter of the longer one that the other lacks has to be written.
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
            at_least in 0.0..1.0_f64,
        ) {
            let expected = known
                .iter()
                .enumerate()
                .map(|(at, known)| (strsim::normalized_damerau_levenshtein(known, &name.to_ascii_lowercase()), at))
                .filter(|(likeness, _)| *likeness >= at_least)
                .max_by(|(a, _), (b, _)| a.total_cmp(b))
                .map(|(_, at)| at);
            let known: Vec<Name> = known.iter().map(|known| Name::new(known.chars())).collect();
            let numbered = known.iter().enumerate().map(|(at, known)| (known, at));
            prop_assert_eq!(Name::new(name.chars()).nearest(numbered, at_least), expected);
        }
    }

    #[test]
    fn a_huge_name_is_cut() {
        let known = Name::new("x".repeat(64).chars());
        for name in ["x".repeat(1_000_000), "x".repeat(64) + "y"] {
            assert_eq!(Name::new(name.chars()).nearest([(&known, ())], 1.0), Some(()));
        }
    }
}
