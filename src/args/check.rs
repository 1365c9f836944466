//! The flags of `check`.

use clap::ValueEnum;

use super::Color;
use super::predict::RepositoryFlags;
use crate::report::FailOn;

/// The flags of `check`.
#[derive(Debug, Default, clap::Args)]
pub struct Check {
    /// Files or directories with trust policies: Terraform, its plans and state as JSON, CloudFormation, IAM's JSON
    /// [default: this repository]
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// Workflow file, or directory that holds some; repeatable [default: `.github/workflows` of this repository]
    #[arg(long, value_name = "PATH")]
    pub workflow: Vec<String>,
    /// Read the trust policies from IAM, of the roles that the jobs name, with the AWS credentials at hand; of files only those
    /// that are named
    #[arg(long)]
    pub live: bool,
    /// What is known of the repository.
    #[command(flatten)]
    pub repository: RepositoryFlags,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: CheckFormat,
    /// What to fail on
    #[arg(long, value_enum, default_value_t)]
    pub fail_on: FailOn,
    /// File of findings that are known and do not fail
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<String>,
    /// Write the findings to a file for `--baseline`, and fail on none
    #[arg(long, value_name = "FILE")]
    pub write_baseline: Option<String>,
    /// Run as a step: with annotations and a summary.
    #[arg(skip)]
    pub action: bool,
    /// When to colour the output.
    #[arg(skip)]
    pub color: Color,
}

impl Check {
    /// As a step: what it does about the job's own roles is said in the log, the summary and annotations.
    pub(super) fn of_step(fail: Option<&str>, fail_on: Option<FailOn>) -> Self {
        let never = fail.is_some_and(|fail| fail.eq_ignore_ascii_case("false"));
        Self {
            fail_on: if never {
                FailOn::Never
            } else {
                fail_on.unwrap_or_default()
            },
            action: true,
            ..Self::default()
        }
    }
}

/// How to print what was found before a push.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For people, in a terminal or a log
    #[default]
    Console,
    /// For programs
    Json,
    /// SARIF 2.1.0, for code scanning and editors
    Sarif,
    /// Annotations, as GitHub Actions reads them from a log
    Github,
}
