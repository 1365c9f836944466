//! Where the checks' pages are: the one place that knows the repository.

use crate::finding::Rule;

/// The repository of a build; empty if not set. (`repository` in `Cargo.toml`.)
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// The address of `docs/checks`, if known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pages(Option<String>);

impl Pages {
    /// Returns the pages of the repository this was built for, at its version; without one, those of the running action, as the runner
    /// names it: `GITHUB_ACTION_REPOSITORY`, `GITHUB_ACTION_REF`. (GitHub docs, "Variables reference".) In a composite action
    /// these can name the enclosing action, so they come second.
    #[must_use]
    pub fn of(action_repository: Option<&str>, action_ref: Option<&str>) -> Self {
        let version = concat!("v", env!("CARGO_PKG_VERSION"));
        // `OWNER` is a placeholder until a release names the owner.
        let is_named = is_repository_url(REPOSITORY) && !REPOSITORY.contains("/OWNER/");
        let built = is_named.then(|| address(REPOSITORY, version));
        Self(built.or_else(|| {
            let repository = action_repository.filter(|name| is_name(name))?;
            let url = format!("https://github.com/{repository}");
            Some(address(&url, action_ref.filter(|name| is_ref(name)).unwrap_or("HEAD")))
        }))
    }

    /// Returns the page of a check.
    #[must_use]
    pub fn url(&self, rule: &Rule) -> Option<String> {
        self.0.as_ref().map(|pages| format!("{pages}/{}.md", rule.id))
    }
}

fn address(repository: &str, at: &str) -> String {
    format!("{}/blob/{at}/docs/checks", repository.trim_end_matches('/'))
}

fn is_repository_url(url: &str) -> bool {
    url.strip_prefix("https://github.com/").is_some_and(is_name)
}

/// Whether it is `owner/name`, and nothing a link or a command could be built from.
fn is_name(text: &str) -> bool {
    let mut parts = text.split('/');
    let is_part = |part: Option<&str>| part.is_some_and(|part| is_plain(part) && !part.starts_with('.'));
    is_part(parts.next()) && is_part(parts.next()) && parts.next().is_none()
}

/// Whether it is a branch, a tag or a commit.
fn is_ref(text: &str) -> bool {
    text.split('/').all(|part| is_plain(part) && !part.starts_with('.'))
}

fn is_plain(part: &str) -> bool {
    (1..=100).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_the_actions_own_or_nowhere() {
        for (repository, at, want) in [
            (
                Some("acme/doctor"),
                Some("v1"),
                Some("https://github.com/acme/doctor/blob/v1/docs/checks"),
            ),
            (
                Some("acme/doctor"),
                Some("feature/x"),
                Some("https://github.com/acme/doctor/blob/feature/x/docs/checks"),
            ),
            (
                Some("acme/doctor"),
                None,
                Some("https://github.com/acme/doctor/blob/HEAD/docs/checks"),
            ),
            (
                Some("acme/doctor"),
                Some("../../x"),
                Some("https://github.com/acme/doctor/blob/HEAD/docs/checks"),
            ),
            (None, Some("v1"), None),
            (Some(""), None, None),
            (Some("acme"), None, None),
            (Some("../.."), None, None),
            (Some("acme/doctor/x"), None, None),
            (Some("acme/doctor)](https://evil.example"), None, None),
            (Some("acme/<b>"), None, None),
        ] {
            let pages = Pages::of(repository, at);
            if REPOSITORY.is_empty() || REPOSITORY.contains("/OWNER/") {
                assert_eq!(pages.0.as_deref(), want, "{repository:?} {at:?}");
            } else {
                assert!(pages.0.is_some_and(|url| url.starts_with(REPOSITORY)));
            }
        }
    }
}
