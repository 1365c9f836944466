//! The texts that are printed as they are, packed by `build.rs`: the checks' pages and the schemas.

use std::sync::LazyLock;

/// Name, text, name, text …, each ended by a NUL.
static TEXTS: LazyLock<String> = LazyLock::new(|| {
    let packed = include_bytes!(concat!(env!("OUT_DIR"), "/texts"));
    let texts = miniz_oxide::inflate::decompress_to_vec(packed).unwrap_or_default();
    String::from_utf8(texts).unwrap_or_default()
});

/// Returns the text of a file in `docs/checks/`, `docs/before-push/` or `schemas/`, by its name alone.
#[must_use]
pub(crate) fn text(name: &str) -> &'static str {
    let mut texts = TEXTS.split('\0');
    texts
        .find(|text| *text == name)
        .and_then(|_| texts.next())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_its_file() {
        for (name, file) in [
            (
                "audience-mismatch.md",
                include_str!("../../docs/checks/audience-mismatch.md"),
            ),
            (
                "trust-unused.md",
                include_str!("../../docs/before-push/trust-unused.md"),
            ),
            ("report.json", include_str!("../../schemas/report.json")),
            ("none.md", ""),
        ] {
            assert_eq!(text(name), file, "{name}");
        }
        let count = crate::checks::CHECKS
            .iter()
            .filter(|check| check.rule.page().starts_with(&format!("# {}\n", check.rule.id)))
            .count();
        assert_eq!(count, crate::checks::CHECKS.len());
    }
}
