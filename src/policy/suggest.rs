//! "Did you mean": the known name that is most like a name that is not known.
//!
//! In bulk each line may have such a name, so most known names are passed over without working out the distance.

/// The known name that is most like the other, at least so much (1 is the same); of equally like ones the last.
pub(super) fn nearest<K: AsRef<str>, T>(
    name: &str,
    known: impl IntoIterator<Item = (K, T)>,
    at_least: f64,
) -> Option<T> {
    let letters = Letters::of(name);
    let mut best = None;
    let mut bar = at_least;
    for (known, meant) in known {
        let known = known.as_ref();
        if letters.most_likeness(known) < bar {
            continue;
        }
        let likeness = strsim::normalized_damerau_levenshtein(known, name);
        if likeness >= bar {
            bar = likeness;
            best = Some(meant);
        }
    }
    best
}

/// How often each letter occurs, whatever the order; letters that share a place only make names look more alike.
struct Letters {
    counts: [u16; PLACES],
    length: usize,
}

const PLACES: usize = 32;

impl Letters {
    fn of(name: &str) -> Self {
        let (mut counts, mut length) = ([0_u16; PLACES], 0);
        for c in name.chars() {
            length += 1;
            if let Some(count) = counts.get_mut(c as usize % PLACES) {
                *count = count.saturating_add(1);
            }
        }
        Self { counts, length }
    }

    /// No two names are more like than this: each letter of the longer one that the other lacks has to be written.
    #[expect(clippy::cast_precision_loss, reason = "names are short")]
    fn most_likeness(&self, other: &str) -> f64 {
        let mut left = self.counts;
        let (mut common, mut length) = (0, 0);
        for c in other.chars() {
            length += 1;
            if let Some(count) = left.get_mut(c as usize % PLACES).filter(|count| **count > 0) {
                *count -= 1;
                common += 1;
            }
        }
        let longer = self.length.max(length);
        if longer == 0 {
            return 1.0;
        }
        1.0 - (longer - common) as f64 / longer as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn passing_over_changes_no_suggestion(
            name in "[a-fä]{0,12}",
            known in prop::collection::vec("[a-f]{0,12}", 0..12),
            at_least in 0.0..1.0_f64,
        ) {
            let all = known.iter().enumerate();
            let expected = all
                .map(|(at, known)| (strsim::normalized_damerau_levenshtein(known, &name), at))
                .filter(|(likeness, _)| *likeness >= at_least)
                .max_by(|(a, _), (b, _)| a.total_cmp(b))
                .map(|(_, at)| at);
            let numbered = known.iter().enumerate().map(|(at, known)| (known, at));
            prop_assert_eq!(nearest(&name, numbered, at_least), expected);
        }
    }
}
