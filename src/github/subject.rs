//! The grammar of the `sub` claim: classic, immutable and customized subjects, and the patterns policies compare them with.
//!
//! Sources: GitHub docs, "OpenID Connect reference" (default and customized subjects, immutable subject claims).

pub(crate) mod difference;
pub(crate) mod lasting;
pub(crate) mod parts;

/// A subject, or a policy's pattern for one, split into parts. All parts are slices of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The whole text.
    pub text: &'a str,
    /// `owner` of `repo:owner@id/repository@id:context`; empty if there is no `repo:`.
    pub owner: &'a str,
    /// The owner's id, in the immutable form.
    pub owner_id: Option<&'a str>,
    /// The repository's name; `None` if the text has no `/`.
    pub repository: Option<&'a str>,
    /// The repository's id, in the immutable form.
    pub repository_id: Option<&'a str>,
    /// What follows the repository; `None` if nothing does.
    pub context: Option<&'a str>,
}

/// What the part after the repository says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context<'a> {
    /// `ref:refs/heads/NAME`
    Branch(&'a str),
    /// `environment:NAME`
    Environment(&'a str),
    /// Anything else: a customized subject, a typo, a wildcard.
    Other(&'a str),
    /// `pull_request`
    PullRequest,
    /// `ref:refs/tags/NAME`
    Tag(&'a str),
}

impl<'a> Subject<'a> {
    /// Splits a text that begins with `repo:`; `None` for any other.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix("repo:")?;
        let (repo, context) = match rest.split_once(':') {
            Some((repo, context)) => (repo, Some(context)),
            None => (rest, None),
        };
        let (owner, repository) = match repo.split_once('/') {
            Some((owner, repository)) => (owner, Some(repository)),
            None => (repo, None),
        };
        let (owner, owner_id) = name_and_id(owner);
        let (repository, repository_id) = repository
            .map(name_and_id)
            .map_or((None, None), |(name, id)| (Some(name), id));
        Some(Self {
            text,
            owner,
            owner_id,
            repository,
            repository_id,
            context,
        })
    }

    /// The part that names the repository: from after `repo:` to before the context.
    #[must_use]
    pub fn repository_part(&self) -> &'a str {
        let rest = self.text.strip_prefix("repo:").unwrap_or(self.text);
        rest.split_once(':').map_or(rest, |(repository, _)| repository)
    }

    /// Whether it contains ids (`owner@id/repository@id`).
    #[must_use]
    pub fn is_immutable(&self) -> bool {
        self.owner_id.is_some() || self.repository_id.is_some()
    }

    /// `owner/repository` without ids.
    #[must_use]
    pub fn names(&self) -> String {
        match self.repository {
            Some(repository) => format!("{}/{repository}", self.owner),
            None => self.owner.to_owned(),
        }
    }

    /// What the context says.
    #[must_use]
    pub fn kind(&self) -> Option<Context<'a>> {
        self.context.map(Context::of)
    }

    /// Whether it is in one of GitHub's default forms. No `key:value` follows a default context: a colon inside a
    /// value is written `%3A`.
    #[must_use]
    pub fn is_default(&self) -> bool {
        match self.kind() {
            Some(Context::Branch(name) | Context::Environment(name) | Context::Tag(name)) => !name.contains(':'),
            Some(Context::PullRequest) => true,
            // `refs/pull/…`, `refs/changes/…`: no default subject names them, yet the form is a default one.
            Some(Context::Other(other)) => other.strip_prefix("ref:").is_some_and(|name| !name.contains(':')),
            None => false,
        }
    }

    /// The same subject without ids, in the classic form.
    #[must_use]
    pub fn classic(&self) -> String {
        self.with_names(&self.names())
    }

    /// The same subject with another repository part.
    #[must_use]
    pub fn with_names(&self, names: &str) -> String {
        match self.context {
            Some(context) => format!("repo:{names}:{context}"),
            None => format!("repo:{names}"),
        }
    }
}

impl<'a> Context<'a> {
    /// Reads the part after the repository.
    #[must_use]
    pub fn of(text: &'a str) -> Self {
        if let Some(name) = text.strip_prefix("ref:refs/heads/") {
            Self::Branch(name)
        } else if let Some(name) = text.strip_prefix("ref:refs/tags/") {
            Self::Tag(name)
        } else if let Some(name) = text.strip_prefix("environment:") {
            Self::Environment(name)
        } else if text == "pull_request" {
            Self::PullRequest
        } else {
            Self::Other(text)
        }
    }

    /// In words, for a message.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Branch("*") => "any branch".to_owned(),
            Self::Environment("*") => "an environment".to_owned(),
            Self::Tag("*") => "any tag".to_owned(),
            Self::Branch(name) => format!("the branch `{name}`"),
            Self::Environment(name) => format!("the environment `{name}`"),
            Self::Other(text) => format!("`{text}`"),
            Self::PullRequest => "a pull request".to_owned(),
            Self::Tag(name) => format!("the tag `{name}`"),
        }
    }
}

/// Splits `name@id`. GitHub chose `@` because no name can contain it.
fn name_and_id(text: &str) -> (&str, Option<&str>) {
    match text.split_once('@') {
        Some((name, id)) => (name, Some(id)),
        None => (text, None),
    }
}

/// The keys of a customized subject's `key:value` pairs, in order, as far as they can be distinguished: GitHub writes `:` inside a
/// value as `%3A`, so every colon separates. `repo` and `ref`-like default contexts keep their values whole.
#[must_use]
pub fn customized_keys(text: &str) -> Vec<&str> {
    let mut keys = Vec::new();
    let mut parts = text.split(':').peekable();
    while let Some(key) = parts.next() {
        keys.push(key);
        if key != "pull_request" {
            parts.next();
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_subjects_apart() {
        let s = Subject::parse("repo:acme@12/widgets@34:ref:refs/heads/feat/x").unwrap();
        assert_eq!(
            (s.owner, s.owner_id, s.repository, s.repository_id),
            ("acme", Some("12"), Some("widgets"), Some("34"))
        );
        assert_eq!(s.kind(), Some(Context::Branch("feat/x")));
        assert_eq!(s.classic(), "repo:acme/widgets:ref:refs/heads/feat/x");
        assert_eq!(s.repository_part(), "acme@12/widgets@34");
        assert!(s.is_immutable() && s.is_default());
    }

    #[test]
    fn contexts() {
        for (text, want, default) in [
            ("repo:a/b:environment:prod", Some(Context::Environment("prod")), true),
            (
                "repo:a/b:environment:Prod%3AV1",
                Some(Context::Environment("Prod%3AV1")),
                true,
            ),
            ("repo:a/b:pull_request", Some(Context::PullRequest), true),
            ("repo:a/b:ref:refs/tags/v1", Some(Context::Tag("v1")), true),
            (
                "repo:a/b:environment:prod:job_workflow_ref:x",
                Some(Context::Environment("prod:job_workflow_ref:x")),
                false,
            ),
            ("repo:a/b:*", Some(Context::Other("*")), false),
            ("repo:a/b", None, false),
        ] {
            let subject = Subject::parse(text).unwrap();
            assert_eq!((subject.kind(), subject.is_default()), (want, default), "{text}");
        }
        assert!(Subject::parse("repository_owner:acme").is_none());
    }

    #[test]
    fn keys_of_a_customized_subject() {
        for (text, want) in [
            (
                "repository_owner:acme:repository_visibility:private",
                vec!["repository_owner", "repository_visibility"],
            ),
            ("repo:a/b:pull_request:actor:x", vec!["repo", "pull_request", "actor"]),
            (
                "repo:a/b:ref:refs/heads/main:job_workflow_ref:a/b/.github/workflows/x.yml@refs/heads/main",
                vec!["repo", "ref", "job_workflow_ref"],
            ),
        ] {
            assert_eq!(customized_keys(text), want, "{text}");
        }
    }
}
