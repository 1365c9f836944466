//! The pages of the checks, as `explain` prints them.

use std::fmt::Write as _;

use crate::checks::{CHECKS, by_id};
use crate::finding::Stage;

/// The page of a check.
#[must_use]
pub fn page(id: &str) -> Option<&'static str> {
    by_id(id).map(|check| check.rule.page)
}

/// The nearest ids to a wrong one.
#[must_use]
pub fn near(id: &str) -> Option<&'static str> {
    CHECKS
        .iter()
        .map(|check| (strsim::normalized_damerau_levenshtein(id, check.rule.id), check.rule.id))
        .filter(|(alike, _)| *alike > 0.5)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, id)| id)
}

/// All checks, by stage, with the number of their cause.
#[must_use]
pub fn list() -> String {
    let mut text = String::new();
    for stage in Stage::HANDSHAKE.into_iter().chain([Stage::Risk]) {
        let _ = writeln!(text, "{}", stage.name());
        for check in CHECKS.iter().filter(|check| check.rule.stage == stage) {
            let cause = check
                .rule
                .cause
                .map_or_else(|| "-".to_owned(), |cause| cause.number().to_string());
            let _ = writeln!(text, "  {cause}  {:<28} {}", check.rule.id, check.rule.title);
        }
    }
    text.push_str(
        "\nThe number is the cause, 1 to 8; `-` means beyond the eight causes. `explain <id>` prints a check's page.\n",
    );
    text
}
