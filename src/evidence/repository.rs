//! The repository that the job runs in, as GitHub's REST API describes it.

use serde::{Deserialize, Serialize};

/// The repository. A field that is `None` is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Repository {
    /// Owner and name, `acme/widgets`, in GitHub's own letter case.
    pub name: String,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Its owner's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<u64>,
    /// When it was made, seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// `public`, `private` or `internal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visibility: Option<String>,
}

/// How the subjects of a repository's tokens are made, in GitHub's own fields: docs, "Get the customization template for an
/// OIDC subject claim for a repository".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubjectTemplate {
    /// GitHub's default; the keys do not matter then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_default: Option<bool>,
    /// The claims of the repository's own template; without them the organization's applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_claim_keys: Option<Vec<String>>,
    /// Did the repository opt in to ids in the subject? Reported as `false` where a token has them: the prefix tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_immutable_subject: Option<bool>,
    /// What the default subject begins with: `repo:acme@1/widgets@2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_claim_prefix: Option<String>,
}

/// An environment, and what stands before a job that names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// How many people and teams are required reviewers.
    pub reviewers: usize,
    /// Its wait timer.
    pub wait_minutes: u32,
    /// The branches and tags that are let through; all where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branches: Option<Branches>,
    /// Rules of GitHub Apps and of kinds that are not known here.
    pub other_rules: usize,
}

/// The branches and tags that an environment lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Branches {
    /// Those with branch protection.
    Protected,
    /// Those that match a list.
    Selected,
}

impl Environment {
    /// Does nothing hold back a job that names it, on whatever branch? A timer lets everybody through in the end.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.reviewers == 0 && self.branches.is_none() && self.other_rules == 0
    }
}
