//! Where each part of a subject comes from.
//!
//! GitHub docs, "OpenID Connect reference": default, immutable and customized subjects.

use super::difference::queue_base;
use super::{Context, Subject};
use crate::text::masked::is_masked;

/// A part of a subject, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The part as written in the subject.
    pub text: String,
    /// The claim with the same value, if any.
    pub claim: Option<String>,
    /// Where it comes from, in words.
    pub from: &'static str,
}

impl Part {
    fn new(text: impl Into<String>, claim: Option<&str>, from: &'static str) -> Self {
        Self {
            text: text.into(),
            claim: claim.map(str::to_owned),
            from,
        }
    }
}

/// The subject of another service, whose form is not known.
pub(crate) fn foreign(subject: &str) -> Vec<Part> {
    vec![Part::new(
        subject,
        None,
        "of another service: the issuer is not one of GitHub's",
    )]
}

/// The parts of a subject. GitHub writes `:` inside a value as `%3A`, so every colon separates.
#[must_use]
pub(crate) fn parts(subject: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = subject.split(':');
    while let Some(key) = rest.next() {
        if key == "pull_request" {
            parts.push(Part::new(
                key,
                None,
                "the event: the subject of a pull request names no branch",
            ));
            continue;
        }
        let Some(value) = rest.next() else {
            let from = match is_masked(key) {
                true => "masked, so what it is made of is not known",
                false => "in a form that GitHub does not document",
            };
            parts.push(Part::new(key, None, from));
            continue;
        };
        let text = format!("{key}:{value}");
        match key {
            "repo" => parts.extend(repository(&text)),
            "environment" => parts.push(Part::new(
                text,
                Some("environment"),
                "the job's `environment`, in place of its branch, tag or event",
            )),
            "ref" => parts.push(Part::new(&*text, Some("ref"), of_ref(&text))),
            key => parts.push(Part::new(text, Some(key), CUSTOMIZED)),
        }
    }
    parts
}

const CUSTOMIZED: &str = "a claim that the repository's or organization's customized subject includes";

fn repository(text: &str) -> Vec<Part> {
    let Some(subject) = Subject::parse(text) else {
        return Vec::new();
    };
    let id = |id: &str| format!("@{id}");
    let owner = Part::new(subject.owner, Some("repository_owner"), "the repository's owner");
    let owner_id = subject.owner_id.map(id).map(|text| {
        let from = "the owner's id, which stays when the owner is renamed";
        Part::new(text, Some("repository_owner_id"), from)
    });
    let name = subject
        .repository
        .map(|name| Part::new(name, Some("repository"), "the repository's name"));
    let repository_id = subject.repository_id.map(id).map(|text| {
        let from = "the repository's id, which stays when the repository is renamed";
        Part::new(text, Some("repository_id"), from)
    });
    [Some(owner), owner_id, name, repository_id]
        .into_iter()
        .flatten()
        .collect()
}

fn of_ref(text: &str) -> &'static str {
    match Context::of(text) {
        Context::Branch(name) if queue_base(name).is_some() => "the merge queue's own branch, another for each entry",
        Context::Branch(_) => "the branch that the workflow runs for",
        Context::Tag(_) => "the tag that the workflow runs for",
        _ => "the ref that the workflow runs for",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_its_origin() {
        for (subject, want) in [
            (
                "repo:acme/widgets:ref:refs/heads/main",
                vec![
                    ("acme", "repository_owner"),
                    ("widgets", "repository"),
                    ("ref:refs/heads/main", "ref"),
                ],
            ),
            (
                "repo:acme@12/widgets@34:environment:Prod%3AV1",
                vec![
                    ("acme", "repository_owner"),
                    ("@12", "repository_owner_id"),
                    ("widgets", "repository"),
                    ("@34", "repository_id"),
                    ("environment:Prod%3AV1", "environment"),
                ],
            ),
            (
                "repo:acme/widgets:pull_request:actor:jo",
                vec![
                    ("acme", "repository_owner"),
                    ("widgets", "repository"),
                    ("pull_request", ""),
                    ("actor:jo", "actor"),
                ],
            ),
            (
                "repository_owner:acme:job_workflow_ref:a/b/.github/workflows/x.yml@refs/heads/main",
                vec![
                    ("repository_owner:acme", "repository_owner"),
                    (
                        "job_workflow_ref:a/b/.github/workflows/x.yml@refs/heads/main",
                        "job_workflow_ref",
                    ),
                ],
            ),
            ("repo", vec![("repo", "")]),
            ("", vec![("", "")]),
        ] {
            let parts = parts(subject);
            let found: Vec<_> = parts
                .iter()
                .map(|part| (part.text.as_str(), part.claim.as_deref().unwrap_or_default()))
                .collect();
            assert_eq!(found, want, "{subject}");
        }
    }

    #[test]
    fn a_ref_says_what_it_is() {
        for (subject, word) in [
            ("repo:a/b:ref:refs/heads/main", "the branch"),
            ("repo:a/b:ref:refs/tags/v1", "the tag"),
            ("repo:a/b:ref:refs/pull/1/merge", "the ref"),
            (
                "repo:a/b:ref:refs/heads/gh-readonly-queue/main/pr-1-0a",
                "the merge queue's",
            ),
        ] {
            let last = parts(subject).pop().unwrap();
            assert!(last.from.starts_with(word), "{subject}: {}", last.from);
        }
    }
}
