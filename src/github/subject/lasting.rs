//! Which parts of a subject or a claim change from one run to the next, and the pattern for the rest.

use super::difference::{QUEUE, queue_base};

/// A pattern that the same job's later runs also match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lasting {
    /// The value with a wildcard for the part that changes.
    pub pattern: String,
    /// How long the value itself is valid: "valid for this release only: the next has another tag".
    pub holds: &'static str,
    /// What the pattern covers, in words: "every tag that starts with `v`".
    pub opens: String,
}

/// The pattern for a subject or a claim whose value changes with the run: a merge queue's branch, a release's tag, a pull
/// request's number, a commit. `None` if nothing in it changes, or if a name in it would act as more than a name in a pattern.
#[must_use]
pub(crate) fn lasting(value: &str) -> Option<Lasting> {
    if value.contains(['*', '?', '$']) {
        return None;
    }
    let found = [
        ("refs/heads/", queue as fn(&str) -> Option<Changing>),
        ("refs/tags/", tag),
        ("refs/pull/", pull_request),
        ("@", commit),
    ];
    found.into_iter().find_map(|(marker, changing)| {
        value.match_indices(marker).find_map(|(at, _)| {
            let (head, rest) = value.split_at_checked(at + marker.len())?;
            let end = rest.find([':', '@']).unwrap_or(rest.len());
            let (name, tail) = rest.split_at_checked(end)?;
            let Changing { stays, holds, opens } = changing(name)?;
            Some(Lasting {
                pattern: format!("{head}{stays}{tail}"),
                // A workflow called at a tag stays at it until the call is changed.
                holds: if head.contains('@') && !head.starts_with("repo:") {
                    NEXT_VERSION
                } else {
                    holds
                },
                opens,
            })
        })
    })
}

const NEXT_VERSION: &str = "valid for this version of the workflow only: the next has another commit or tag";

/// A name that changes in part.
struct Changing {
    stays: String,
    holds: &'static str,
    opens: String,
}

/// (GitHub docs, "Managing a merge queue".)
fn queue(branch: &str) -> Option<Changing> {
    let base = queue_base(branch)?;
    Some(Changing {
        stays: format!("{QUEUE}{base}/*"),
        holds: "valid for this queue entry only: the next has another number and commit",
        opens: format!("every entry of the merge queue for `{base}`"),
    })
}

/// Keeps what precedes a tag's first digit: `v` of `v1.2.3`.
fn tag(name: &str) -> Option<Changing> {
    let stays = name.get(..name.find(|c: char| c.is_ascii_digit())?)?;
    Some(Changing {
        stays: format!("{stays}*"),
        holds: "valid for this release only: the next has another tag",
        opens: match stays {
            "" => "every tag".to_owned(),
            stays => format!("every tag that starts with `{stays}`"),
        },
    })
}

fn pull_request(name: &str) -> Option<Changing> {
    let (number, rest) = name.split_once('/')?;
    let is_number = !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit());
    is_number.then(|| Changing {
        stays: format!("*/{rest}"),
        holds: "valid for this pull request only: the next has another number",
        opens: "every pull request".to_owned(),
    })
}

/// A commit at which a reusable workflow is called.
fn commit(name: &str) -> Option<Changing> {
    let is_commit = name.len() == 40 && name.bytes().all(|c| c.is_ascii_hexdigit());
    is_commit.then(|| Changing {
        stays: "*".to_owned(),
        holds: NEXT_VERSION,
        opens: "every commit, branch and tag of that workflow".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_with_the_run_has_a_pattern() {
        for (value, want) in [
            (
                "repo:acme/widgets:ref:refs/heads/gh-readonly-queue/main/pr-1-abc",
                Some("repo:acme/widgets:ref:refs/heads/gh-readonly-queue/main/*"),
            ),
            (
                "repo:acme/widgets@34:ref:refs/heads/gh-readonly-queue/release/1.x/pr-12-0f",
                Some("repo:acme/widgets@34:ref:refs/heads/gh-readonly-queue/release/1.x/*"),
            ),
            ("repo:acme/w:ref:refs/tags/v1.2.3", Some("repo:acme/w:ref:refs/tags/v*")),
            ("repo:acme/w:ref:refs/tags/2026.11", Some("repo:acme/w:ref:refs/tags/*")),
            (
                "repo:acme/w:ref:refs/tags/app/v1:workflow:deploy",
                Some("repo:acme/w:ref:refs/tags/app/v*:workflow:deploy"),
            ),
            ("refs/pull/12/merge", Some("refs/pull/*/merge")),
            (
                "acme/ci/.github/workflows/d.yml@0123456789012345678901234567890123456789",
                Some("acme/ci/.github/workflows/d.yml@*"),
            ),
            (
                "acme/ci/.github/workflows/d.yml@refs/tags/v2",
                Some("acme/ci/.github/workflows/d.yml@refs/tags/v*"),
            ),
            // Nothing changes here.
            ("repo:acme/w:ref:refs/tags/latest", None),
            ("repo:acme/w:ref:refs/heads/main", None),
            ("repo:acme/w:ref:refs/heads/v1", None),
            ("repo:acme/w:ref:refs/heads/gh-readonly-queue/notes", None),
            ("repo:acme@12/w@34:pull_request", None),
            ("refs/pull//merge", None),
            // A masked name, or one with a `$` in it, would act as more than a name in a pattern.
            ("repo:acme/***:ref:refs/heads/gh-readonly-queue/main/pr-1-abc", None),
            ("repo:acme/w:ref:refs/tags/${x}1", None),
        ] {
            let found = lasting(value);
            assert_eq!(found.as_ref().map(|found| found.pattern.as_str()), want, "{value}");
            if let Some(found) = found {
                assert!(crate::policy::wildcard::matches(&found.pattern, value), "{value}");
            }
        }
    }
}
