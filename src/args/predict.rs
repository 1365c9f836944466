//! The flags of the commands that look ahead of a push.

use clap::ValueEnum;

const REPOSITORY: &str = "The repository";

/// The flags of `predict`.
#[derive(Debug, Default, clap::Args)]
pub struct Predict {
    /// Workflow files, or directories that hold some [default: `.github/workflows` of this repository]
    #[arg(value_name = "WORKFLOW")]
    pub workflows: Vec<String>,
    /// What is known of the repository.
    #[command(flatten)]
    pub repository: RepositoryFlags,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: TextFormat,
}

/// What is known of the repository.
#[derive(Debug, Default, clap::Args)]
pub struct RepositoryFlags {
    /// Its name [default: that of the remote `origin`]
    #[arg(long, value_name = "OWNER/NAME", help_heading = REPOSITORY)]
    pub repository: Option<String>,
    /// Id of its owner, as in immutable subjects
    #[arg(long, value_name = "ID", help_heading = REPOSITORY)]
    pub owner_id: Option<String>,
    /// Its own id
    #[arg(long, value_name = "ID", help_heading = REPOSITORY)]
    pub repository_id: Option<String>,
    /// Day on which it was created, renamed or transferred last: from 15 July 2026 on its subjects have ids
    #[arg(long, value_name = "YYYY-MM-DD", help_heading = REPOSITORY, conflicts_with = "subjects")]
    pub created: Option<String>,
    /// Form of its subjects [default: both]
    #[arg(long, value_enum, help_heading = REPOSITORY)]
    pub subjects: Option<SubjectForm>,
    /// `include_claim_keys` of its customized subjects, separated by commas
    #[arg(long, value_name = "KEY,…", value_delimiter = ',', help_heading = REPOSITORY)]
    pub claim_keys: Vec<String>,
    /// Its default branch [default: that of the remote `origin`]
    #[arg(long, value_name = "NAME", help_heading = REPOSITORY)]
    pub default_branch: Option<String>,
    /// Issuer of its tokens [default: that of the remote's host]
    #[arg(long, value_name = "URL", help_heading = REPOSITORY)]
    pub issuer: Option<String>,
}

/// The form of subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SubjectForm {
    /// Both forms
    Both,
    /// `repo:owner/name:…`
    Classic,
    /// `repo:owner@id/name@id:…`
    Immutable,
}

/// For people or for programs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum TextFormat {
    /// For people, in a terminal or a log
    #[default]
    Console,
    /// For programs
    Json,
}
