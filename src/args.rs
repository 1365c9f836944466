//! The command line. As a step of a workflow, the inputs become the same flags: `INPUT_ROLE-TO-ASSUME` is `--role-to-assume`.

pub mod check;
pub mod predict;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::ops::Deref;
use std::sync::LazyLock;

use clap::builder::TypedValueParser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::aws::arn::RoleArn;
use crate::configure::{INPUTS, Input, Inputs, Kind, boolean, trim};
use crate::github::issuer::GITHUB_ISSUER;
use crate::report::FailOn;
use crate::report::fixed::WhichFix;
use crate::secrets::without_tokens;
use crate::text::packed;

/// What to do.
#[derive(Debug)]
pub enum Command {
    /// `claims`: what a token says.
    Claims(Box<Args>),
    /// `diagnose`, or `action`: the same as a step.
    Diagnose(Box<Args>),
    /// `evaluate`
    Evaluate {
        /// The file to read, `-` for standard input.
        file: String,
        /// How many threads; as many as there are cores where it is not said.
        jobs: Option<u16>,
    },
    /// `explain`, with the id of a check, the number of a cause, or a message.
    Explain(Option<String>),
    /// `check`: the jobs of a repository against its policies.
    Check(Box<check::Check>),
    /// `generate`: the least trust policy for a set of jobs.
    Generate(Box<predict::Generate>),
    /// `predict`: the subjects that workflows can have.
    Predict(Box<predict::Predict>),
    /// `fix`: the trust policy with a fix applied.
    Fix {
        /// What is diagnosed.
        args: Box<Args>,
        /// Which fix.
        which: WhichFix,
        /// The file to write, `-` for standard output.
        out: String,
    },
    /// A text that is printed as it is: a schema, completions, a manual page.
    Print(String),
    /// `test`: expectations of a trust policy.
    Test(Box<predict::Test>),
}

/// A diagnosis: the flags, and what was wrong with them.
#[derive(Debug, Default)]
pub struct Args {
    /// The flags.
    pub flags: Diagnose,
    /// Run as a step: files lie in the workspace, and there are annotations, a summary and outputs.
    pub action: bool,
    /// Make the real STS call.
    pub attempt: bool,
    /// What the flags name is all there is: neither the job nor the network supplies more.
    pub files_alone: bool,
    /// What fails the step.
    pub fail_on: FailOn,
    /// When the report has colours.
    pub color: Color,
    /// Inputs that have no such name.
    pub warnings: Vec<String>,
    /// Inputs that cannot be read. The rest is diagnosed all the same.
    pub errors: Vec<InputError>,
}

/// An input that cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct InputError {
    /// The flag or file, with line and column where there are any.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

impl InputError {
    /// An error at a flag or file.
    #[must_use]
    pub fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            place: without_tokens(&place.into()).into_owned(),
            message: without_tokens(&message.into()).into_owned(),
        }
    }
}

/// Tells you why a GitHub Actions job can't assume an AWS role, and how to fix it
#[derive(Debug, Parser)]
#[command(name = "aws-oidc-doctor", version = &**VERSION)]
struct Cli {
    #[command(subcommand)]
    command: Subcommands,
    /// When to use colors
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    color: Color,
}

/// With the commit that it is built from, where the build names one.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let commit = option_env!("GIT_COMMIT").filter(|commit| !commit.is_empty());
    let commit = commit.map(|commit| format!(" ({commit})")).unwrap_or_default();
    env!("CARGO_PKG_VERSION").to_owned() + &commit
});

/// When the report has colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// In a terminal and in a job's log; not if `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Diagnose a role, live in a job or from files
    #[command(after_help = DIAGNOSE)]
    Diagnose(Box<Diagnose>),
    /// Diagnose as a workflow step: inputs from `INPUT_*`, with annotations, summary and outputs
    #[command(after_help = EXIT_CODES)]
    Action,
    /// Show what a token says and the smallest trust policy that accepts it; no role is needed
    #[command(after_help = CLAIMS)]
    Claims(Box<TokenFlags>),
    /// Write the trust policy with a fix applied: one that was evaluated, or none
    #[command(after_help = FIX, mut_arg("format", forms_alone))]
    Fix(Box<FixFlags>),
    /// Evaluate trust policies in bulk: JSON Lines in, one decision per line out
    #[command(after_help = EVALUATE)]
    Evaluate {
        /// JSON Lines file, `-` for standard input
        #[arg(default_value = "-")]
        file: String,
        /// Number of threads [default: one per core]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
        jobs: Option<u16>,
    },
    /// Print a check's page, or list all checks
    #[command(after_help = EXPLAIN)]
    Explain {
        /// Id of the check, for example `subject-environment`; the number of a cause; or a message, in quotes
        #[arg(allow_hyphen_values = true)]
        id: Option<String>,
    },
    /// Check all jobs of a repository against its trust policies, before a push; no token, and no network without `--live`
    #[command(after_help = CHECK)]
    Check(Box<check::Check>),
    /// Show every subject that the jobs of workflows can have, before they run; no network, no token
    #[command(after_help = PREDICT)]
    Predict(Box<predict::Predict>),
    /// Write the least trust policy that accepts the jobs of workflows, a token, or an environment, branch or tag
    #[command(after_help = GENERATE)]
    Generate(Box<predict::Generate>),
    /// Test a trust policy: tokens that must get in, and tokens that must not
    #[command(after_help = TEST)]
    Test(Box<predict::Test>),
    /// Print the JSON Schema of a format
    Schema {
        /// Which format
        #[arg(value_enum)]
        name: Schema,
    },
    /// Print completions for a shell
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page, of the program or of one of its commands
    #[command(hide = true)]
    Man {
        /// Which command
        command: Option<String>,
    },
}

/// The commands, in the order in which somebody comes to need them.
const GROUPS: [(&str, &[&str]); 4] = [
    ("A job can't assume its role", &["diagnose", "action", "claims", "fix"]),
    ("Before the push", &["predict", "check", "test", "generate"]),
    ("Reference", &["explain", "schema", "completions", "help"]),
    ("In bulk", &["evaluate"]),
];

/// The command line, with the commands in groups.
fn command() -> clap::Command {
    let command = Cli::command();
    let line = |name: &str| {
        let about = command.find_subcommand(name)?.get_about()?.to_string();
        Some(format!("  {name:<12} {about}\n"))
    };
    let mut groups = String::new();
    for (heading, names) in GROUPS {
        let lines: String = names.iter().filter_map(|name| line(name)).collect();
        if !lines.is_empty() {
            groups += &format!("{heading}:\n{lines}\n");
        }
    }
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}Options:\n{{options}}\n\n{EXIT_CODES}\n\n\
         `help COMMAND` has a command's flags and an example."
    );
    command.help_template(template)
}

const DIAGNOSE: &str = "\
Example:
  aws-oidc-doctor diagnose --claims claims.json --trust-policy trust-policy.json

Exit codes:
  0  the role can be assumed, no blocking problem was found, or no role is named
  1  the role cannot be assumed, or there is a risk and --fail-on=risk (0 with --fail-on=never)
  2  usage error, unreadable input, or output that cannot be written
  3  undecided: not enough is known, and AWS was not called (0 with --fail-on=never)";

const CHECK: &str = "\
Example:
  aws-oidc-doctor check .

Exit codes:
  0  every job gets the role that it requests, as far as known
  1  a job would not get its role, or there is a risk and --fail-on=risk (0 with --fail-on=never)
  2  usage error, or input that cannot be read";

const TEST: &str = "\
A file:
  policy: trust-policy.json
  repository: acme/widgets
  allow:
    - environment: production
    - {event: push, ref: main}
  deny:
    - event: pull_request
    - {name: a fork, claims: {sub: 'repo:someone/widgets:ref:refs/heads/main'}}

Exit codes:
  0  every expectation is met
  1  one is not
  2  usage error, unreadable input, or output that cannot be written";

const GENERATE: &str = "\
Exit codes:
  0  the policy is shown; it was evaluated
  2  usage error, unreadable input, no such policy, or output that cannot be written";

const PREDICT: &str = "\
Example:
  aws-oidc-doctor predict .github/workflows/deploy.yml

Exit codes:
  0  the subjects are shown
  2  usage error, unreadable input, or output that cannot be written";

const CLAIMS: &str = "\
Example:
  aws-oidc-doctor claims token.jwt --role-to-assume arn:aws:iam::123456789012:role/deploy

Exit codes:
  0  the token is shown
  2  usage error, unreadable input, or output that cannot be written";

const FIX: &str = "\
Example:
  aws iam get-role --role-name deploy --query Role.AssumeRolePolicyDocument --output json > trust-policy.json
  aws-oidc-doctor fix --trust-policy trust-policy.json --subject repo:acme/widgets:environment:production --out trust-policy.json
  aws iam update-assume-role-policy --role-name deploy --policy-document file://trust-policy.json

Exit codes:
  0  the policy is written
  1  there is no proven change, and nothing is written
  2  usage error, unreadable input, or output that cannot be written";

const EVALUATE: &str = "\
Example:
  aws-oidc-doctor evaluate requests.jsonl > decisions.jsonl

Exit codes:
  0  every line is answered with a decision
  2  a line is answered with an error, or something cannot be read or written";

const EXPLAIN: &str = "\
Examples:
  aws-oidc-doctor explain subject-environment
  aws-oidc-doctor explain 7
  aws-oidc-doctor explain 'Not authorized to perform sts:AssumeRoleWithWebIdentity'";

const COMPLETIONS: &str = "\
Example:
  aws-oidc-doctor completions bash > ~/.local/share/bash-completion/completions/aws-oidc-doctor";

const EXIT_CODES: &str = "\
Exit codes:
  0  the role can be assumed, no blocking problem was found, or no role is named
  1  the role cannot be assumed, or there is a risk and --fail-on=risk (0 with --fail-on=never)
  2  usage error, unreadable input, or output that cannot be written
  3  undecided: not enough is known, and AWS was not called (0 with --fail-on=never)";

/// Formats that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Schema {
    /// A saved run (`--save-evidence`)
    Evidence,
    /// The report (`--format json`)
    Report,
    /// A file of expectations (`test`)
    Test,
}

impl Schema {
    fn text(self) -> &'static str {
        packed::text(match self {
            Self::Evidence => "evidence.json",
            Self::Report => "report.json",
            Self::Test => "test.json",
        })
    }
}

/// The flags of a diagnosis.
#[derive(Debug, Default, clap::Args)]
pub struct Diagnose {
    /// The inputs of configure-aws-credentials.
    #[command(flatten)]
    pub inputs: Given,
    /// The doctor's own inputs.
    #[command(flatten)]
    pub own: OwnInputs,

    /// Diagnose a saved run, `-` for standard input; uses no network
    #[arg(long, value_name = "FILE", help_heading = FILES)]
    pub evidence: Option<String>,
    /// The token's claims: a JSON object, `{"header", "claims"}`, lines `name: value`, a subject or the token itself, `-` for
    /// standard input
    #[arg(long, value_name = "FILE", help_heading = FILES)]
    pub claims: Option<String>,
    /// Output format of the report
    #[arg(long, value_enum, default_value_t = Format::Console)]
    pub format: Format,
    /// Log requests and responses to standard error
    #[arg(short, long)]
    pub verbose: bool,
}

/// The flags of `fix`.
#[derive(Debug, clap::Args)]
struct FixFlags {
    #[command(flatten)]
    diagnose: Diagnose,
    /// File to write, which can be the one that the policy is read from; `-` for standard output
    #[arg(long, value_name = "FILE", default_value = "-", help_heading = CHANGE)]
    out: String,
    /// Subject to accept, in place of `--claims`: with GitHub's issuer, and the audience of `--audience`
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["claims", "evidence"], help_heading = CHANGE)]
    subject: Option<String>,
    /// The finding to fix [default: the cause, or else the first that has a fix]
    #[arg(long, value_name = "FINDING", help_heading = CHANGE)]
    id: Option<String>,
    /// Number of its fix, as the report counts them
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = CHANGE)]
    number: usize,
}

/// `fix` prints one form alone.
fn forms_alone(format: Arg) -> Arg {
    use clap::builder::PossibleValuesParser;
    let names = PossibleValuesParser::new(["policy", "hcl", "cfn"]);
    format
        .value_parser(names.try_map(|name| Format::from_str(&name, false)))
        .default_value("policy")
        .help("Form of the policy")
}

/// The flags of `claims`.
#[derive(Debug, clap::Args)]
struct TokenFlags {
    /// A JSON object of claims, `{"header", "claims"}` or the token itself, as a file or as it is; `-` for standard input
    /// [default: the token of the job that this runs in]
    #[arg(value_name = "FILE|TOKEN", conflicts_with = "claims")]
    token: Option<String>,
    /// The same
    #[arg(long, value_name = "FILE")]
    claims: Option<String>,
    /// Audience to ask the job's token for
    #[arg(long, value_name = "TEXT")]
    audience: Option<String>,
    /// The role that is to trust the token: its account goes into the policy
    #[arg(long, value_name = "ARN")]
    role_to_assume: Option<String>,
    /// Workflow file of the job
    #[arg(long, visible_alias = "workflow", value_name = "FILE")]
    workflow_file: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = TokenFormat::Console)]
    format: TokenFormat,
}

/// How to print what a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TokenFormat {
    /// For people, in a terminal or a log
    Console,
    /// For programs
    Json,
}

/// How to print the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people, in a terminal or a log
    #[default]
    Console,
    /// For programs
    Json,
    /// Markdown, as in a job summary
    Summary,
    /// The trust policy with the first fix, alone
    Policy,
    /// The same as Terraform
    Hcl,
    /// The same as CloudFormation
    Cfn,
    /// SARIF 2.1.0, for code scanning and editors
    Sarif,
    /// Annotations, as GitHub Actions reads them from a log
    Github,
}

impl ValueEnum for FailOn {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Blocks, Self::Risk, Self::Never]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        let (name, help) = match self {
            Self::Blocks => ("blocks", "The role cannot be assumed, or it is undecided"),
            Self::Never => ("never", "Nothing: as `fail: false`"),
            Self::Risk => ("risk", "Also where the policy accepts more than it should"),
        };
        Some(clap::builder::PossibleValue::new(name).help(help))
    }
}

const FILES: &str = "From files";
const CONFIGURE: &str = "Inputs of configure-aws-credentials";
const UNUSED: &str = "Inputs of configure-aws-credentials without effect here";
const OWN: &str = "Inputs of the doctor";
const CHANGE: &str = "The change";

/// An input `true` or `false`; `--name` alone is true.
const SWITCH: std::ops::RangeInclusive<usize> = 0..=1;

/// Inputs of configure-aws-credentials as the user gave them: flags, or a step's `INPUT_*`. No other text gets into this type.
#[derive(Debug, Default)]
pub struct Given {
    inputs: Inputs,
    /// The keys among them, which [`Inputs`] does not keep.
    keys: BTreeMap<Input, SecretString>,
}

impl Deref for Given {
    type Target = Inputs;

    fn deref(&self) -> &Inputs {
        &self.inputs
    }
}

impl Given {
    /// A key among the inputs.
    #[must_use]
    pub fn key(&self, input: Input) -> Option<&SecretString> {
        self.keys.get(&input)
    }
}

/// The flags follow from the table of inputs.
impl clap::Args for Given {
    fn augment_args(mut command: clap::Command) -> clap::Command {
        for spec in &INPUTS {
            let (heading, help) = match (spec.help, spec.kind) {
                ("", _) => (UNUSED, ""),
                (help, _) => (CONFIGURE, help),
            };
            let flag = Arg::new(spec.name)
                .long(spec.name)
                .value_name(spec.value)
                .help_heading(heading)
                .help(help);
            let flag = match spec.kind {
                Kind::Boolean | Kind::Presence => {
                    flag.num_args(SWITCH).require_equals(true).default_missing_value("true")
                }
                Kind::Secret => flag.value_parser(secret()),
                Kind::Lines | Kind::Number | Kind::Text => flag,
            };
            command = command.arg(flag);
        }
        command
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Given {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Self::default();
        given.update_from_arg_matches(matches)?;
        Ok(given)
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        for spec in &INPUTS {
            if spec.kind == Kind::Secret {
                let Some(key) = matches.get_one::<SecretString>(spec.name) else {
                    continue;
                };
                let key = trim(key.expose_secret());
                // A mark replaces it.
                self.inputs.set(spec.input, key);
                if !key.is_empty() {
                    self.keys.insert(spec.input, SecretString::from(key));
                }
            } else if let Some(value) = matches.get_one::<String>(spec.name) {
                self.inputs.set(spec.input, trim(value));
            }
        }
        Ok(())
    }
}

/// The doctor's own inputs. One that is not there is `None`.
#[derive(Debug, Default, clap::Args)]
#[expect(missing_docs, reason = "the help texts are the docs")]
pub struct OwnInputs {
    #[arg(long, value_name = "FILE|JSON", help_heading = OWN, help = "The role's trust policy: a path or the JSON itself")]
    pub trust_policy: Option<String>,
    #[arg(long, value_name = "FILE|JSON", help_heading = OWN, help = "One of the calling role's policies (with `role-chaining`): a path or the JSON itself; repeatable")]
    pub caller_policy: Vec<String>,
    #[arg(long, value_name = "FILE|JSON", help_heading = OWN, help = "The account's OIDC provider, as `aws iam get-open-id-connect-provider` prints it")]
    pub oidc_provider: Option<String>,
    #[arg(long, value_name = "ARN", help_heading = OWN, help = "Read-only role to assume with the same token, to read from IAM")]
    pub diagnosis_role: Option<String>,
    #[arg(long, value_name = "BOOL", num_args = SWITCH, require_equals = true, default_missing_value = "true", help_heading = OWN, help = "Make the real STS call [default: true]")]
    pub attempt: Option<String>,
    #[arg(long, visible_alias = "workflow", value_name = "FILE", help_heading = OWN, help = "Workflow file to check instead of the running one")]
    pub workflow_file: Option<String>,
    #[arg(long, value_name = "ARN", help_heading = OWN, help = "Further role of a chain, assumed with the session of the one before; repeatable, or one per line")]
    pub then: Vec<String>,
    #[arg(long, value_name = "BOOL", num_args = SWITCH, require_equals = true, default_missing_value = "true", help_heading = OWN, help = "Fail when the role cannot be assumed; `false` is `--fail-on=never` [default: true]")]
    pub fail: Option<String>,
    #[arg(long, value_enum, value_name = "WHAT", ignore_case = true, help_heading = OWN, help = "What to fail on [default: blocks]")]
    pub fail_on: Option<FailOn>,
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, help_heading = OWN, help = "The error message from the failing job; `-` reads standard input")]
    pub error: Option<String>,
    #[arg(long, value_enum, hide = true, help_heading = OWN, help = "In a step: `check` checks all workflows of the checkout, without a token")]
    pub mode: Option<Mode>,
    #[arg(long, value_name = "FILE", help_heading = OWN, help = "Save the evidence, to diagnose it again elsewhere; it contains claims, but no token or key. `-` writes it to standard output, and the report to standard error")]
    pub save_evidence: Option<String>,
    #[arg(long, value_name = "TOKEN", value_parser = secret(), help_heading = OWN, help = "The job's own GitHub token: reads the running workflow, the repository and its environment from GitHub's API [default: nothing is read]")]
    pub github_token: Option<SecretString>,
    #[arg(
        long,
        value_name = "JSON",
        hide = true,
        help = "The job's `matrix`, which action.yml hands over"
    )]
    pub matrix: Option<String>,
    #[arg(
        long,
        value_name = "JSON",
        hide = true,
        help = "The job's `strategy`, which action.yml hands over"
    )]
    pub strategy: Option<String>,
    #[arg(
        long,
        value_name = "JSON",
        hide = true,
        help = "The context `job`, which action.yml hands over"
    )]
    pub job_context: Option<String>,
}

/// A value that is held as a secret.
fn secret() -> impl clap::builder::TypedValueParser<Value = SecretString> {
    clap::builder::StringValueParser::new().map(SecretString::from)
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// The diagnosis of this job
    Diagnose,
    /// All jobs of the checkout against its policies
    Check,
}

/// Names of the action's inputs.
#[must_use]
pub fn input_names() -> Vec<String> {
    let inputs = <Given as clap::Args>::augment_args(clap::Command::new(""));
    let inputs = <OwnInputs as clap::Args>::augment_args(inputs);
    inputs
        .get_arguments()
        .filter_map(|flag| flag.get_long().map(str::to_owned))
        .collect()
}

/// Reads the command line; `variables` are the environment, whose `INPUT_*` are the flags of `action`.
///
/// # Errors
/// Clap's own, for a flag that does not exist, `--help` and `--version`. No value of a key is in it.
pub fn parse<'a>(
    argv: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Command, clap::Error> {
    let argv = masked(argv);
    let has_key = |arg: &OsString| {
        ["--aws-", "--github-token"]
            .iter()
            .any(|flag| arg.to_string_lossy().starts_with(flag))
    };
    let keys = is_of_claims(&argv) || argv.iter().any(has_key);
    let Cli { command, color } = read(argv).map_err(|error| {
        if keys && error.use_stderr() {
            without_values(error)
        } else {
            error
        }
    })?;
    let own = |flags| Args {
        color,
        ..args(flags, false, Vec::new())
    };
    Ok(match command {
        Subcommands::Claims(flags) => Command::Claims(Box::new(of_token(*flags))),
        Subcommands::Diagnose(flags) => Command::Diagnose(Box::new(own(*flags))),
        Subcommands::Action => {
            let (argv, warnings) = from_inputs(variables);
            let Subcommands::Diagnose(flags) = read(masked(argv)).map_err(without_values)?.command else {
                return Err(Cli::command().error(ErrorKind::MissingSubcommand, "no inputs"));
            };
            match flags.own.mode {
                Some(Mode::Check) => Command::Check(Box::new(check::Check::of_step(
                    flags.own.fail.as_deref(),
                    flags.own.fail_on,
                ))),
                _ => Command::Diagnose(Box::new(args(*flags, true, warnings))),
            }
        }
        Subcommands::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut self::command(), "aws-oidc-doctor", &mut text);
            Command::Print(String::from_utf8_lossy(&text).into_owned())
        }
        Subcommands::Evaluate { file, jobs } => Command::Evaluate { file, jobs },
        Subcommands::Explain { id } => Command::Explain(id),
        Subcommands::Check(flags) => Command::Check(Box::new(check::Check { color, ..*flags })),
        Subcommands::Generate(flags) => Command::Generate(flags),
        Subcommands::Predict(flags) => Command::Predict(flags),
        Subcommands::Fix(flags) => of_fix(*flags, own),
        Subcommands::Man { command } => Command::Print(manual(command.as_deref())?),
        Subcommands::Schema { name } => Command::Print(name.text().to_owned()),
        Subcommands::Test(flags) => Command::Test(flags),
    })
}

fn read(argv: Vec<OsString>) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&command().try_get_matches_from(argv)?)
}

/// A manual page, in roff.
fn manual(of: Option<&str>) -> Result<String, clap::Error> {
    let mut whole = command();
    whole.build();
    let page = match of {
        None => Some(&whole),
        Some(name) => whole.find_subcommand(name),
    };
    let Some(page) = page else {
        let name = of.unwrap_or_default();
        return Err(command().error(ErrorKind::InvalidSubcommand, format!("there is no command `{name}`")));
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page.clone()).render(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The flags of `fix`, over those of the diagnosis that it rests on.
fn of_fix(flags: FixFlags, own: impl FnOnce(Diagnose) -> Args) -> Command {
    let FixFlags {
        mut diagnose,
        out,
        subject,
        id,
        number,
    } = flags;
    if let Some(subject) = subject {
        let audience = diagnose.inputs.given(Input::Audience);
        let audience = audience.unwrap_or(Input::Audience.spec().default);
        let issuer = format!("https://{GITHUB_ISSUER}");
        diagnose.claims = Some(json!({"iss": issuer, "aud": audience, "sub": trim(&subject)}).to_string());
    }
    Command::Fix {
        args: Box::new(own(diagnose)),
        which: WhichFix { id, number },
        out,
    }
}

/// Without tokens, but where they belong: what is not known is not repeated.
fn masked(argv: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let argv: Vec<_> = argv.into_iter().collect();
    if is_of_claims(&argv) {
        return argv;
    }
    let keys = INPUTS
        .iter()
        .filter(|spec| spec.kind == Kind::Secret)
        .map(|spec| spec.name);
    let flags: Vec<String> = keys
        .chain(["claims", "github-token"])
        .map(|name| format!("--{name}"))
        .collect();
    let mut is_theirs = false;
    let mut mask = |arg: OsString| {
        let Some(text) = arg.to_str() else { return arg };
        let (flag, has_value) = text.split_once('=').map_or((text, false), |(flag, _)| (flag, true));
        let is_flag = flags.iter().any(|own| own == flag);
        if std::mem::replace(&mut is_theirs, is_flag && !has_value) || is_flag {
            return arg;
        }
        without_tokens(text).into_owned().into()
    };
    argv.into_iter().map(&mut mask).collect()
}

/// Is this the command whose argument is a token? No error repeats a value of it.
fn is_of_claims(argv: &[OsString]) -> bool {
    argv.get(1).is_some_and(|command| command == "claims")
}

/// The flags of `claims` as those of a diagnosis that asks AWS for nothing.
fn of_token(flags: TokenFlags) -> Args {
    let mut given = Given::default();
    for (input, value) in [
        (Input::RoleToAssume, flags.role_to_assume),
        (Input::Audience, flags.audience),
    ] {
        if let Some(value) = value {
            given.inputs.set(input, trim(&value));
        }
    }
    let token = flags.token.or(flags.claims);
    Args {
        files_alone: token.is_some(),
        flags: Diagnose {
            inputs: given,
            own: OwnInputs {
                workflow_file: flags.workflow_file,
                ..OwnInputs::default()
            },
            claims: token,
            format: match flags.format {
                TokenFormat::Console => Format::Console,
                TokenFormat::Json => Format::Json,
            },
            ..Diagnose::default()
        },
        ..Args::default()
    }
}

/// What action.yml has for a role that is omitted: it can be no role's name.
const OMITTED: &str = "(omitted)";

/// `INPUT_<NAME>` as flags, and a warning for each that has no such flag. An empty input is one that is not there.
fn from_inputs<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> (Vec<OsString>, Vec<String>) {
    let names = input_names();
    let mut argv = vec![OsString::from("aws-oidc-doctor"), OsString::from("diagnose")];
    let mut warnings = Vec::new();
    for (variable, value) in variables {
        let Some(name) = variable.strip_prefix("INPUT_") else {
            continue;
        };
        let (name, value) = (name.to_lowercase(), trim(value));
        // An omitted role comes as action.yml's mark; an empty one was given, and came out empty.
        let is_absent = match &*name {
            "role-to-assume" => value == OMITTED,
            _ => value.is_empty(),
        };
        if is_absent {
        } else if names.contains(&name) {
            argv.push(format!("--{name}={value}").into());
        } else {
            warnings.push(format!("unexpected input `{name}` is ignored"));
        }
    }
    (argv, warnings)
}

fn args(mut flags: Diagnose, action: bool, warnings: Vec<String>) -> Args {
    let mut errors = Vec::new();
    let mut switch = |name: &str, given: &str| match (trim(given), boolean(given)) {
        ("", _) => None,
        (_, Some(value)) => Some(value.to_string()),
        (other, None) => {
            let message = format!("expected `true` or `false`, found `{other}`");
            errors.push(InputError::new(place(name, action), message));
            Some(given.to_owned())
        }
    };
    for (name, input) in [("attempt", &mut flags.own.attempt), ("fail", &mut flags.own.fail)] {
        if let Some(given) = input {
            *input = switch(name, given);
        }
    }
    let given = std::mem::take(&mut flags.own.then);
    for role in given
        .iter()
        .flat_map(|lines| lines.lines())
        .map(trim)
        .filter(|line| !line.is_empty())
    {
        if RoleArn::parse(role).is_ok() {
            flags.own.then.push(role.to_owned());
        } else {
            let message = format!(
                "`{role}` is not the ARN of a role{}",
                if action { ", so this hop is left out" } else { "" }
            );
            errors.push(InputError::new(place("then", action), message));
        }
    }
    once_from_standard_input(&flags, action, &mut errors);
    let fail_on = flags.own.fail_on.unwrap_or_default();
    Args {
        attempt: flags.own.attempt.as_deref() != Some("false"),
        fail_on: match flags.own.fail.as_deref() {
            Some("false") => FailOn::Never,
            _ => fail_on,
        },
        color: Color::Auto,
        files_alone: false,
        flags,
        action,
        warnings,
        errors,
    }
}

/// Standard input is read once.
fn once_from_standard_input(flags: &Diagnose, action: bool, errors: &mut Vec<InputError>) {
    let own = &flags.own;
    let policies = own.caller_policy.iter().map(|path| ("caller-policy", Some(path)));
    let named = [
        ("evidence", flags.evidence.as_ref()),
        ("claims", flags.claims.as_ref()),
        ("trust-policy", own.trust_policy.as_ref()),
        ("oidc-provider", own.oidc_provider.as_ref()),
        ("error", own.error.as_ref()),
    ];
    let mut reads = named
        .into_iter()
        .chain(policies)
        .filter(|(_, path)| !action && path.is_some_and(|path| path == "-"));
    let Some((first, _)) = reads.next() else { return };
    for (name, _) in reads {
        let message = format!("standard input is read by `--{first}` already; give one of the two as a file");
        errors.push(InputError::new(place(name, action), message));
    }
}

/// A flag as the user wrote it.
#[must_use]
pub fn place(name: &str, action: bool) -> String {
    if action {
        format!("input `{name}`")
    } else {
        format!("`--{name}`")
    }
}

impl fmt::Display for Format {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Console => "console",
            Self::Json => "json",
            Self::Summary => "summary",
            Self::Policy => "policy",
            Self::Hcl => "hcl",
            Self::Cfn => "cfn",
            Self::Sarif => "sarif",
            Self::Github => "github",
        })
    }
}

/// The same error without any value from the command line, which may be a key. A flag's name stays.
fn without_values(error: clap::Error) -> clap::Error {
    let mut clean = clap::Error::new(error.kind()).with_cmd(&Cli::command());
    for (kind, value) in error.context() {
        let is_flag = |text: &str| text.starts_with("--") && !text.contains('=') || text.starts_with('<');
        match (kind, value) {
            (ContextKind::InvalidArg, ContextValue::String(text)) if !is_flag(text) => {
                clean.insert(kind, ContextValue::String("a value that is not shown".to_owned()));
            }
            (ContextKind::InvalidValue | ContextKind::TrailingArg, _) => {}
            _ => {
                clean.insert(kind, value.clone());
            }
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configure::GIVEN;

    fn run(argv: &[&str], variables: &[(&'static str, &'static str)]) -> Result<Command, clap::Error> {
        let argv = std::iter::once("aws-oidc-doctor")
            .chain(argv.iter().copied())
            .map(OsString::from);
        parse(argv, variables.iter().copied())
    }

    fn diagnose(argv: &[&str], variables: &[(&'static str, &'static str)]) -> Args {
        match run(argv, variables) {
            Ok(Command::Diagnose(args)) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn inputs_of_a_step_are_flags() {
        let args = diagnose(
            &["action"],
            &[
                ("INPUT_ROLE-TO-ASSUME", "\u{feff} arn:aws:iam::1:role/x\n"),
                ("INPUT_AUDIENCE", ""),
                ("INPUT_AWS-REGION", "--help"),
                ("INPUT_ROLE-CHAINING", "True"),
                ("INPUT_FAIL", "FALSE"),
                ("INPUT_ROLE-ARN", "x"),
                ("INPUT_FORMAT", "json"),
                ("PATH", "/bin"),
            ],
        );
        let inputs = &args.flags.inputs;
        assert_eq!(inputs.get(Input::RoleToAssume), Some("arn:aws:iam::1:role/x"));
        assert_eq!(
            (inputs.get(Input::Audience), inputs.get(Input::AwsRegion)),
            (None, Some("--help"))
        );
        assert_eq!(inputs.get(Input::RoleChaining), Some("True"));
        assert_eq!((args.action, args.attempt, args.fail_on), (true, true, FailOn::Never));
        assert_eq!(
            args.warnings,
            [
                "unexpected input `role-arn` is ignored",
                "unexpected input `format` is ignored"
            ]
        );
        assert!(args.errors.is_empty());
    }

    #[test]
    fn a_switch_is_what_the_toolkit_reads() {
        for (argv, want, errors) in [
            (vec!["diagnose"], true, 0),
            (vec!["diagnose", "--attempt"], true, 0),
            (vec!["diagnose", "--attempt=TRUE"], true, 0),
            (vec!["diagnose", "--attempt=False"], false, 0),
            (vec!["diagnose", "--attempt="], true, 0),
            (vec!["diagnose", "--attempt=no"], true, 1),
        ] {
            let args = diagnose(&argv, &[]);
            assert_eq!((args.attempt, args.errors.len()), (want, errors), "{argv:?}");
        }
        let error = diagnose(&["action"], &[("INPUT_FAIL", "yes")]).errors.remove(0);
        assert_eq!(
            error.to_string(),
            "input `fail`: expected `true` or `false`, found `yes`"
        );
        // What configure-aws-credentials would not take is the step's end, and a finding.
        let args = diagnose(&["action"], &[("INPUT_ROLE-CHAINING", "yes")]);
        assert!(args.errors.is_empty());
        assert_eq!(args.flags.inputs.get(Input::RoleChaining), Some("yes"));
    }

    #[test]
    fn no_key_is_kept_or_shown() {
        let keys = [
            ("INPUT_AWS-ACCESS-KEY-ID", "AKIASECRET"),
            ("INPUT_AWS-SECRET-ACCESS-KEY", "SECRET"),
            ("INPUT_AWS-SESSION-TOKEN", "SECRET"),
        ];
        let args = diagnose(&["action"], &keys);
        assert_eq!(args.flags.inputs.get(Input::AwsAccessKeyId), Some(GIVEN));
        let key = args.flags.inputs.key(Input::AwsAccessKeyId).unwrap();
        assert_eq!(key.expose_secret(), "AKIASECRET");
        assert!(!format!("{args:?}").contains("SECRET"));
        for argv in [
            vec!["diagnose", "--aws-secret-access-key=SECRET", "SECRET"],
            vec!["diagnose", "--aws-secret-access-kex=SECRET"],
            vec!["diagnose", "--aws-secret-access-kex", "SECRET"],
            vec!["diagnose", "--aws-access-key-id", "SECRET", "--format=SECRET"],
            vec!["diagnose", "--aws-session-token", "SECRET", "-SECRET"],
            vec!["diagnose", "--aws-session-token", "SECRET", "--SECRET=SECRET"],
            vec!["--aws-session-token", "SECRET"],
            vec!["diagnose", "--aws-session-token", "SECRET", "--role-chaining", "SECRET"],
        ] {
            let error = run(&argv, &[]).unwrap_err();
            let shown = error.to_string() + &format!("{error:?}");
            assert!(!shown.replace("--SECRET", "").contains("SECRET"), "{argv:?}\n{shown}");
            assert_eq!(error.exit_code(), 2, "{argv:?}");
        }
    }

    #[test]
    fn the_other_commands() {
        assert!(matches!(run(&["evaluate"], &[]).unwrap(), Command::Evaluate { file, jobs: None } if file == "-"));
        assert!(matches!(
            run(&["evaluate", "--jobs", "2"], &[]).unwrap(),
            Command::Evaluate { jobs: Some(2), .. }
        ));
        for jobs in ["0", "-1", "257", "x"] {
            assert!(run(&["evaluate", &format!("--jobs={jobs}")], &[]).is_err(), "{jobs}");
        }
        assert!(
            matches!(run(&["explain", "subject-case"], &[]).unwrap(), Command::Explain(Some(id)) if id == "subject-case")
        );
        let error = run(&["diagnose", "--rol-to-assume=x"], &[]).unwrap_err().to_string();
        assert!(error.contains("--role-to-assume"), "{error}");
        command().debug_assert();
    }

    #[test]
    fn a_chain_is_made_of_arns() {
        let (one, two) = ("arn:aws:iam::123456789012:role/a", "arn:aws:iam::210987654321:role/b");
        let lines = format!(" {one}\n\nb\n{two}");
        for args in [
            diagnose(&["diagnose", "--then", one, "--then=b", "--then", two], &[]),
            diagnose(&["diagnose", &format!("--then={lines}")], &[]),
        ] {
            assert_eq!(args.flags.own.then, [one, two]);
            let [error] = &*args.errors else {
                panic!("{:?}", args.errors)
            };
            assert_eq!(error.to_string(), "`--then`: `b` is not the ARN of a role");
        }
    }
}
