//! The repository that the job runs in, as GitHub's REST API describes it.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The repository. A field that is `None` is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Repository {
    /// Owner and name, `acme/widgets`, in GitHub's own letter case.
    pub name: String,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Its owner's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<u64>,
    /// When it was created, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// `public`, `private` or `internal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visibility: Option<String>,
    /// Its default branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_branch: Option<String>,
}

/// How the subjects of a repository's tokens are built, in GitHub's own fields: docs, "Get the customization template for an
/// OIDC subject claim for a repository".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SubjectTemplate {
    /// Whether GitHub's default applies; if so, the keys don't matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_default: Option<bool>,
    /// The claims of the repository's own template; if absent, the organization's applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_claim_keys: Option<Vec<String>>,
    /// Whether the repository opted in to IDs in the subject. It has been seen as `false` with IDs in the token: the prefix shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_immutable_subject: Option<bool>,
    /// What the default subject begins with: `repo:acme@1/widgets@2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_claim_prefix: Option<String>,
}

impl SubjectTemplate {
    /// Returns what GitHub's API says about it, in words.
    #[must_use]
    pub(crate) fn words(&self) -> Option<String> {
        let keys = self.include_claim_keys.as_deref().unwrap_or_default();
        Some(match self.use_default? {
            true => "according to GitHub's API the repository has the default template (`use_default: true`)".to_owned(),
            false if keys.is_empty() => {
                "according to GitHub's API the repository has no template of its own, and takes its organization's (`use_default: false`)"
                    .to_owned()
            }
            false => format!(
                "according to GitHub's API the repository has a template of its own, of `{}`",
                keys.join("`, `")
            ),
        })
    }

    /// Whether its subjects have GitHub's default form, as far as known.
    #[must_use]
    pub(crate) fn is_default(&self) -> bool {
        self.use_default != Some(false)
    }
}

impl Repository {
    /// The first second of 15 July 2026: repositories created since have IDs in their subjects. (GitHub docs, "OpenID Connect
    /// reference".)
    const IMMUTABLE_SINCE: i64 = 1_784_073_600;

    /// Returns the day on which it was created if that alone puts IDs into its subjects.
    #[must_use]
    pub(crate) fn made_immutable(&self) -> Option<String> {
        let created = self.created.filter(|created| *created >= Self::IMMUTABLE_SINCE)?;
        Some(OffsetDateTime::from_unix_timestamp(created).ok()?.date().to_string())
    }
}

/// An environment, and what protects it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// How many people and teams are required reviewers.
    pub reviewers: usize,
    /// Its wait timer.
    pub wait_minutes: u32,
    /// The branches and tags that are let through; if absent, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branches: Option<Branches>,
    /// Rules of GitHub Apps and of unknown kinds.
    pub other_rules: usize,
}

/// The branches and tags that an environment lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Branches {
    /// Those with branch protection.
    Protected,
    /// Those that match a list.
    Selected,
}

impl Environment {
    /// Returns what protects it, in words; empty if nothing does.
    #[must_use]
    pub(crate) fn rules(&self) -> String {
        let reviewers = match self.reviewers {
            0 => None,
            _ => Some("required reviewers".to_owned()),
        };
        let timer = match self.wait_minutes {
            0 => None,
            minutes => Some(format!("a wait timer of {minutes} min")),
        };
        let branches = self.branches.map(|branches| match branches {
            Branches::Protected => "protected branches only".to_owned(),
            Branches::Selected => "a list of branches and tags".to_owned(),
        });
        let others = match self.other_rules {
            0 => None,
            _ => Some("rules of GitHub Apps".to_owned()),
        };
        let all: Vec<_> = [reviewers, timer, branches, others].into_iter().flatten().collect();
        all.join(", ")
    }

    /// Whether nothing holds back a job that names it, on any branch. A timer lets everybody through in the end.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.reviewers == 0 && self.branches.is_none() && self.other_rules == 0
    }
}
