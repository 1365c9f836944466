//! The command line. As a step of a workflow, the inputs become the same flags: `INPUT_ROLE-TO-ASSUME` is `--role-to-assume`.

use std::ffi::OsString;
use std::fmt;
use std::ops::Deref;

use clap::builder::TypedValueParser as _;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::configure::{GIVEN, INPUTS, Inputs, Kind, boolean, trim};
use crate::secrets::without_tokens;

/// What to do.
#[derive(Debug)]
pub enum Command {
    /// `diagnose`, or `action`: the same as a step.
    Diagnose(Box<Args>),
    /// `evaluate`
    Evaluate {
        /// The file to read, `-` for standard input.
        file: String,
        /// How many threads; as many as there are cores where it is not said.
        jobs: Option<u16>,
    },
    /// `explain`, with the id of a check.
    Explain(Option<String>),
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
    /// A role that cannot be assumed fails the step.
    pub fail: bool,
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
#[command(name = "aws-oidc-doctor", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Diagnose a role, live in a job or from files
    #[command(after_help = EXIT_CODES)]
    Diagnose(Box<Diagnose>),
    /// Diagnose as a workflow step: inputs from `INPUT_*`, with annotations, summary and outputs
    #[command(after_help = EXIT_CODES)]
    Action,
    /// Evaluate trust policies in bulk: JSON Lines in, one decision per line out
    Evaluate {
        /// JSON Lines file, `-` for standard input
        #[arg(default_value = "-")]
        file: String,
        /// Number of threads [default: one per core]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
        jobs: Option<u16>,
    },
    /// Print a check's page, or list all checks
    Explain {
        /// Id of the check, for example `subject-environment`
        id: Option<String>,
    },
}

const EXIT_CODES: &str = "\
Exit codes:
  0  the role can be assumed, or no blocking problem was found
  1  the role cannot be assumed (0 with --fail=false)
  2  usage error, unreadable input, or output that cannot be written
  3  undecided: not enough is known, and AWS was not called (0 with --fail=false)";

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
    /// The token's claims: a JSON object, `{"header", "claims"}` or the token itself, `-` for standard input
    #[arg(long, value_name = "FILE", help_heading = FILES)]
    pub claims: Option<String>,
    /// The error message from the failing job
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, help_heading = FILES)]
    pub error: Option<String>,
    /// Save the evidence, to diagnose it again elsewhere; it contains claims, but no token or key. `-` writes it to standard
    /// output, and the report to standard error
    #[arg(long, value_name = "FILE", help_heading = FILES)]
    pub save_evidence: Option<String>,
    /// Output format of the report
    #[arg(long, value_enum, default_value_t = Format::Console)]
    pub format: Format,
    /// Log requests and responses to standard error
    #[arg(short, long)]
    pub verbose: bool,
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
}

const FILES: &str = "From files";
const CONFIGURE: &str = "Inputs of configure-aws-credentials";
const UNUSED: &str = "Inputs of configure-aws-credentials without effect here";
const OWN: &str = "Inputs of the doctor";

/// An input `true` or `false`; `--name` alone is true.
const SWITCH: std::ops::RangeInclusive<usize> = 0..=1;

/// Inputs of configure-aws-credentials as the user gave them: flags, or a step's `INPUT_*`. No other text gets into this type.
#[derive(Debug, Default)]
pub struct Given(Inputs);

impl Deref for Given {
    type Target = Inputs;

    fn deref(&self) -> &Inputs {
        &self.0
    }
}

/// The flags follow from the table of inputs.
impl clap::Args for Given {
    fn augment_args(mut command: clap::Command) -> clap::Command {
        for spec in &INPUTS {
            let (heading, help) = match (spec.help, spec.kind) {
                ("", Kind::Secret) => (UNUSED, "Not kept, not sent"),
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
                Kind::Secret => flag.value_parser(clap::builder::StringValueParser::new().map(hidden)),
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
            if let Some(value) = matches.get_one::<String>(spec.name) {
                self.0.set(spec.input, trim(value));
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
    #[arg(long, value_name = "FILE|JSON", help_heading = OWN, help = "The account's OIDC provider, as `aws iam get-open-id-connect-provider` prints it")]
    pub oidc_provider: Option<String>,
    #[arg(long, value_name = "ARN", help_heading = OWN, help = "Read-only role to assume with the same token, to read from IAM")]
    pub diagnosis_role: Option<String>,
    #[arg(long, value_name = "BOOL", num_args = SWITCH, require_equals = true, default_missing_value = "true", help_heading = OWN, help = "Make the real STS call [default: true]")]
    pub attempt: Option<String>,
    #[arg(long, visible_alias = "workflow", value_name = "FILE", help_heading = OWN, help = "Workflow file to check instead of the running one")]
    pub workflow_file: Option<String>,
    #[arg(long, value_name = "BOOL", num_args = SWITCH, require_equals = true, default_missing_value = "true", help_heading = OWN, help = "Fail when the role cannot be assumed [default: true]")]
    pub fail: Option<String>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the parser hands it over, and here it ends"
)]
fn hidden(key: String) -> String {
    if key.trim().is_empty() {
        String::new()
    } else {
        GIVEN.to_owned()
    }
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
    let keys = argv.iter().any(|arg| arg.to_string_lossy().starts_with("--aws-"));
    let cli = Cli::try_parse_from(argv).map_err(|error| if keys { without_values(error) } else { error })?;
    Ok(match cli.command {
        Subcommands::Diagnose(flags) => Command::Diagnose(Box::new(args(*flags, false, Vec::new()))),
        Subcommands::Action => {
            let (argv, warnings) = from_inputs(variables);
            let Cli {
                command: Subcommands::Diagnose(flags),
            } = Cli::try_parse_from(masked(argv)).map_err(without_values)?
            else {
                return Err(Cli::command().error(clap::error::ErrorKind::MissingSubcommand, "no inputs"));
            };
            Command::Diagnose(Box::new(args(*flags, true, warnings)))
        }
        Subcommands::Evaluate { file, jobs } => Command::Evaluate { file, jobs },
        Subcommands::Explain { id } => Command::Explain(id),
    })
}

/// Without tokens, but for the one that `--claims` may be given: what is not known is not repeated.
fn masked(argv: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut is_claims = false;
    let mut mask = |arg: OsString| {
        let was_claims = std::mem::replace(&mut is_claims, arg == "--claims");
        match arg.to_str() {
            Some(text) if !was_claims && !text.starts_with("--claims=") => without_tokens(text).into_owned().into(),
            _ => arg,
        }
    };
    argv.into_iter().map(&mut mask).collect()
}

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
        if value.is_empty() {
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
    for spec in INPUTS.iter().filter(|spec| spec.kind == Kind::Boolean) {
        if let Some(value) = flags.inputs.get(spec.input).and_then(|given| switch(spec.name, given)) {
            flags.inputs.0.set(spec.input, value);
        }
    }
    for (name, input) in [("attempt", &mut flags.own.attempt), ("fail", &mut flags.own.fail)] {
        if let Some(given) = input {
            *input = switch(name, given);
        }
    }
    Args {
        attempt: flags.own.attempt.as_deref() != Some("false"),
        fail: flags.own.fail.as_deref() != Some("false"),
        flags,
        action,
        warnings,
        errors,
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
    use crate::configure::Input;

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
        assert_eq!(inputs.get(Input::RoleChaining), Some("true"));
        assert_eq!((args.action, args.attempt, args.fail), (true, true, false));
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
        let error = diagnose(&["action"], &[("INPUT_ROLE-CHAINING", "yes")])
            .errors
            .remove(0);
        assert_eq!(
            error.to_string(),
            "input `role-chaining`: expected `true` or `false`, found `yes`"
        );
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
            let shown = error.to_string() + &format!("{error:?}") + &error.render().ansi().to_string();
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
        Cli::command().debug_assert();
    }
}
