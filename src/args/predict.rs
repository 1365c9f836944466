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

const TOKENS: &str = "In place of workflows";

/// The flags of `generate`.
#[derive(Debug, Default, clap::Args)]
pub struct Generate {
    /// Workflow files whose jobs are let in, or directories that hold some [default: `.github/workflows` of this repository]
    #[arg(value_name = "WORKFLOW")]
    pub workflows: Vec<String>,
    /// Jobs of this environment; repeatable
    #[arg(long, value_name = "NAME", help_heading = TOKENS)]
    pub environment: Vec<String>,
    /// Jobs that run for this branch, `*` for any run of characters; repeatable
    #[arg(long, value_name = "NAME", help_heading = TOKENS)]
    pub branch: Vec<String>,
    /// Jobs that run for this tag, `*` for any run of characters; repeatable
    #[arg(long, value_name = "NAME", help_heading = TOKENS)]
    pub tag: Vec<String>,
    /// Jobs of pull requests, without an environment
    #[arg(long, help_heading = TOKENS)]
    pub pull_request: bool,
    /// The job with these claims: a JSON object, `{"header", "claims"}` or the token itself, `-` for standard input
    #[arg(long, value_name = "FILE", help_heading = TOKENS)]
    pub claims: Option<String>,
    /// What is known of the repository.
    #[command(flatten)]
    pub repository: RepositoryFlags,
    /// The role: its account and name go into what is printed
    #[arg(long, value_name = "ARN")]
    pub role_to_assume: Option<String>,
    /// Audience of the tokens [default: sts.amazonaws.com, or that of the workflow's steps]
    #[arg(long, value_name = "TEXT")]
    pub audience: Option<String>,
    /// One role for each job or environment
    #[arg(long, value_enum)]
    pub each: Option<Each>,
    /// The policy that the role has: the way from it to the new one, in steps that were evaluated
    #[arg(long, value_name = "FILE|JSON", conflicts_with = "each")]
    pub trust_policy: Option<String>,
    /// What to print
    #[arg(long, value_enum, default_value_t)]
    pub format: PolicyFormat,
}

/// What has a role of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Each {
    /// Each environment; jobs without one have a role together
    Environment,
    /// Each job
    Job,
}

/// How a policy is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum PolicyFormat {
    /// The trust policy, as JSON
    #[default]
    Policy,
    /// Terraform, with provider and role
    Hcl,
    /// CloudFormation, with provider and role
    Cfn,
    /// Commands of the AWS CLI, with provider and role
    Cli,
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
