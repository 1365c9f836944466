//! The command line. As a step of a workflow, the inputs become the same flags: `INPUT_ROLE-TO-ASSUME` is `--role-to-assume`.

use std::ffi::OsString;
use std::fmt;

use clap::builder::TypedValueParser as _;
use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::claims::without_tokens;
use crate::evidence::Request;

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

/// Says why a GitHub Actions job cannot assume an AWS role, and what to change
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
    /// Diagnose as a step of a workflow: inputs from `INPUT_*`, with annotations, summary and outputs
    #[command(after_help = EXIT_CODES)]
    Action,
    /// Evaluate trust policies in bulk: JSON Lines in, a decision a line out
    Evaluate {
        /// File with JSON Lines, `-` for standard input
        #[arg(default_value = "-")]
        file: String,
        /// Threads that evaluate [default: one for each core]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
        jobs: Option<u16>,
    },
    /// Print the page of a check, or the list of checks
    Explain {
        /// Name of the check, for example `subject-environment`
        id: Option<String>,
    },
}

const EXIT_CODES: &str = "\
Exit codes:
  0  the role can be assumed, or nothing that blocks was found
  1  it cannot (0 with --fail=false)
  2  wrong usage or unreadable input
  3  undecided: too little is known, and AWS was not asked (0 with --fail=false)";

/// The flags of a diagnosis.
#[derive(Debug, Default, clap::Args)]
pub struct Diagnose {
    /// The inputs that are also those of the action.
    #[command(flatten)]
    pub inputs: Inputs,

    /// Diagnose a saved run, `-` for standard input; nothing is asked of the network
    #[arg(long, value_name = "FILE", help_heading = FILES)]
    pub evidence: Option<String>,
    /// Claims of the token: a JSON object, `{"header", "claims"}` or the token itself, `-` for standard input
    #[arg(long, value_name = "FILE", help_heading = FILES)]
    pub claims: Option<String>,
    /// The error message that somebody saw
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, help_heading = FILES)]
    pub error: Option<String>,
    /// Save what was found out, to diagnose it again elsewhere; it holds claims, and no token or key
    #[arg(long, value_name = "FILE", help_heading = FILES)]
    pub save_evidence: Option<String>,
    /// How to print the report
    #[arg(long, value_enum, default_value_t = Format::Console)]
    pub format: Format,
    /// Say on standard error what is asked and answered
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
const UNUSED: &str = "Inputs of configure-aws-credentials that change nothing here";
const OWN: &str = "Own inputs";

/// An input `true` or `false`; `--name` alone is true.
const SWITCH: std::ops::RangeInclusive<usize> = 0..=1;

/// The inputs of the action. An input that is not there is `None`; an empty one is empty.
#[derive(Debug, Default, clap::Args)]
#[expect(
    missing_docs,
    reason = "the help texts are the docs; the names are configure-aws-credentials' own"
)]
pub struct Inputs {
    #[arg(long, value_name = "ARN", help_heading = CONFIGURE, help = "Role that the job wants to assume")]
    pub role_to_assume: Option<String>,
    #[arg(long, value_name = "REGION", help_heading = CONFIGURE, help = "Region whose STS endpoint is asked")]
    pub aws_region: Option<String>,
    #[arg(long, value_name = "TEXT", help_heading = CONFIGURE, help = "Audience of the token [default: sts.amazonaws.com]")]
    pub audience: Option<String>,
    #[arg(long, value_name = "NAME", help_heading = CONFIGURE, help = "Name of the session [default: GitHubActions]")]
    pub role_session_name: Option<String>,
    #[arg(long, value_name = "SECONDS", help_heading = CONFIGURE, help = "Length of the session [default: 3600]")]
    pub role_duration_seconds: Option<String>,
    #[arg(long, value_name = "BOOL", num_args = SWITCH, require_equals = true, default_missing_value = "true", help_heading = CONFIGURE, help = "Assume the role with the credentials in the environment")]
    pub role_chaining: Option<String>,
    #[arg(long, value_name = "ID", help_heading = CONFIGURE, help = "External ID of a chained role")]
    pub role_external_id: Option<String>,
    #[arg(long, value_name = "BOOL", num_args = SWITCH, require_equals = true, default_missing_value = "true", help_heading = CONFIGURE, help = "Send no session tags to a chained role")]
    pub role_skip_session_tagging: Option<String>,
    #[arg(long, value_name = "JSON", help_heading = CONFIGURE, help = "Session policy")]
    pub inline_session_policy: Option<String>,
    #[arg(long, value_name = "ARNS", help_heading = CONFIGURE, help = "Managed session policies, one a line")]
    pub managed_session_policies: Option<String>,
    #[arg(long, value_name = "IDS", help_heading = CONFIGURE, help = "Accounts that the role may belong to, separated by commas")]
    pub allowed_account_ids: Option<String>,
    #[arg(long, value_name = "KEY", value_parser = clap::builder::StringValueParser::new().map(hidden), help_heading = CONFIGURE, help = "With it, configure-aws-credentials does not use OIDC; it is not kept")]
    pub aws_access_key_id: Option<String>,
    #[arg(long, value_name = "FILE", help_heading = CONFIGURE, help = "With it, configure-aws-credentials takes the token from this file")]
    pub web_identity_token_file: Option<String>,
    #[arg(long, value_name = "BOOL", num_args = SWITCH, require_equals = true, default_missing_value = "true", help_heading = CONFIGURE, help = "Keep configure-aws-credentials from using OIDC")]
    pub force_skip_oidc: Option<String>,
    #[arg(long, value_name = "TEXT", num_args = SWITCH, require_equals = true, default_missing_value = "true", help_heading = CONFIGURE, help = "Let configure-aws-credentials stop where the environment has valid credentials")]
    pub use_existing_credentials: Option<String>,
    #[arg(long, value_name = "NAME", help_heading = CONFIGURE, help = "Profile that configure-aws-credentials writes to")]
    pub aws_profile: Option<String>,
    #[arg(long, value_name = "JSON", help_heading = CONFIGURE, help = "Further session tags of a chained role")]
    pub custom_tags: Option<String>,
    #[arg(long, value_name = "KEYS", help_heading = CONFIGURE, help = "Session tags that a chained role passes on, one a line")]
    pub transitive_tag_keys: Option<String>,
    #[arg(long, value_name = "URL", help_heading = CONFIGURE, help = "Address of STS, instead of the region's")]
    pub sts_endpoint: Option<String>,
    #[arg(long, value_name = "URL", help_heading = CONFIGURE, help = "Proxy for the calls to STS")]
    pub http_proxy: Option<String>,
    #[arg(long, value_name = "HOSTS", help_heading = CONFIGURE, help = "Hosts to reach without that proxy")]
    pub no_proxy: Option<String>,

    #[arg(long, value_name = "KEY", value_parser = clap::builder::StringValueParser::new().map(hidden), help_heading = UNUSED, help = "Not kept, not sent")]
    pub aws_secret_access_key: Option<String>,
    #[arg(long, value_name = "TOKEN", value_parser = clap::builder::StringValueParser::new().map(hidden), help_heading = UNUSED, help = "Not kept, not sent")]
    pub aws_session_token: Option<String>,
    #[arg(long, value_name = "BOOL", num_args = SWITCH, require_equals = true, default_missing_value = "true", help_heading = UNUSED, help = "")]
    pub unset_current_credentials: Option<String>,
    #[arg(long, value_name = "BOOL", num_args = SWITCH, require_equals = true, default_missing_value = "true", help_heading = UNUSED, help = "")]
    pub output_credentials: Option<String>,
    #[arg(long, value_name = "BOOL", num_args = SWITCH, require_equals = true, default_missing_value = "true", help_heading = UNUSED, help = "")]
    pub output_env_credentials: Option<String>,
    #[arg(long, value_name = "BOOL", num_args = SWITCH, require_equals = true, default_missing_value = "true", help_heading = UNUSED, help = "")]
    pub overwrite_aws_profile: Option<String>,
    #[arg(long, value_name = "BOOL", num_args = SWITCH, require_equals = true, default_missing_value = "true", help_heading = UNUSED, help = "")]
    pub mask_aws_account_id: Option<String>,
    #[arg(long, value_name = "BOOL", num_args = SWITCH, require_equals = true, default_missing_value = "true", help_heading = UNUSED, help = "")]
    pub disable_retry: Option<String>,
    #[arg(long, value_name = "N", help_heading = UNUSED, help = "")]
    pub retry_max_attempts: Option<String>,
    #[arg(long, value_name = "BOOL", num_args = SWITCH, require_equals = true, default_missing_value = "true", help_heading = UNUSED, help = "")]
    pub special_characters_workaround: Option<String>,
    #[arg(long, value_name = "SECONDS", help_heading = UNUSED, help = "")]
    pub action_timeout_s: Option<String>,

    #[arg(long, value_name = "FILE|JSON", help_heading = OWN, help = "The role's trust policy: a path, or the JSON itself")]
    pub trust_policy: Option<String>,
    #[arg(long, value_name = "FILE|JSON", help_heading = OWN, help = "The account's OIDC provider, as `aws iam get-open-id-connect-provider` prints it")]
    pub oidc_provider: Option<String>,
    #[arg(long, value_name = "ARN", help_heading = OWN, help = "Read-only role to assume with the same token, for reading from IAM")]
    pub diagnosis_role: Option<String>,
    #[arg(long, value_name = "BOOL", num_args = SWITCH, require_equals = true, default_missing_value = "true", help_heading = OWN, help = "Make the real STS call [default: true]")]
    pub attempt: Option<String>,
    #[arg(long, visible_alias = "workflow", value_name = "FILE", help_heading = OWN, help = "Workflow file to look at, instead of the running one")]
    pub workflow_file: Option<String>,
    #[arg(long, value_name = "BOOL", num_args = SWITCH, require_equals = true, default_missing_value = "true", help_heading = OWN, help = "Fail when the role cannot be assumed [default: true]")]
    pub fail: Option<String>,
}

/// What stands for a key that was given.
const GIVEN: &str = "***";

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
    let inputs = <Inputs as clap::Args>::augment_args(clap::Command::new(""));
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
            warnings.push(format!("unexpected input `{name}`, it is ignored"));
        }
    }
    (argv, warnings)
}

/// As `core.getInput` of actions/toolkit: JavaScript's `trim` takes a byte-order mark as well.
fn trim(value: &str) -> &str {
    value.trim_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}')
}

fn args(mut flags: Diagnose, action: bool, warnings: Vec<String>) -> Args {
    let mut errors = Vec::new();
    let inputs = &mut flags.inputs;
    for (name, input) in [
        ("role-chaining", &mut inputs.role_chaining),
        ("role-skip-session-tagging", &mut inputs.role_skip_session_tagging),
        ("force-skip-oidc", &mut inputs.force_skip_oidc),
        ("unset-current-credentials", &mut inputs.unset_current_credentials),
        ("output-credentials", &mut inputs.output_credentials),
        ("output-env-credentials", &mut inputs.output_env_credentials),
        ("overwrite-aws-profile", &mut inputs.overwrite_aws_profile),
        ("mask-aws-account-id", &mut inputs.mask_aws_account_id),
        ("disable-retry", &mut inputs.disable_retry),
        (
            "special-characters-workaround",
            &mut inputs.special_characters_workaround,
        ),
        ("attempt", &mut inputs.attempt),
        ("fail", &mut inputs.fail),
    ] {
        let Some(given) = input else { continue };
        match boolean(given) {
            Ok(value) => *input = value.map(|value| value.to_string()),
            Err(message) => errors.push(InputError::new(place(name, action), message)),
        }
    }
    Args {
        attempt: flags.inputs.attempt.as_deref() != Some("false"),
        fail: flags.inputs.fail.as_deref() != Some("false"),
        flags,
        action,
        warnings,
        errors,
    }
}

/// A boolean as actions/toolkit reads it (YAML 1.2's core schema); empty is none.
fn boolean(text: &str) -> Result<Option<bool>, String> {
    match trim(text) {
        "" => Ok(None),
        "true" | "True" | "TRUE" => Ok(Some(true)),
        "false" | "False" | "FALSE" => Ok(Some(false)),
        other => Err(format!("expected `true` or `false`, found `{other}`")),
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

impl Inputs {
    /// The inputs that make the request, as far as they were given.
    #[must_use]
    pub fn request(&self) -> Request {
        let text = |input: &Option<String>| input.as_deref().map(|text| trim(text).to_owned());
        Request {
            role_to_assume: text(&self.role_to_assume),
            aws_region: text(&self.aws_region),
            audience: text(&self.audience),
            role_session_name: text(&self.role_session_name),
            role_duration_seconds: text(&self.role_duration_seconds),
            role_chaining: text(&self.role_chaining),
            role_external_id: text(&self.role_external_id),
            role_skip_session_tagging: text(&self.role_skip_session_tagging),
            inline_session_policy: text(&self.inline_session_policy),
            managed_session_policies: text(&self.managed_session_policies),
            allowed_account_ids: text(&self.allowed_account_ids),
            aws_access_key_id: text(&self.aws_access_key_id),
            web_identity_token_file: text(&self.web_identity_token_file),
            force_skip_oidc: text(&self.force_skip_oidc),
            use_existing_credentials: text(&self.use_existing_credentials),
            aws_profile: text(&self.aws_profile),
            custom_tags: text(&self.custom_tags),
            transitive_tag_keys: text(&self.transitive_tag_keys),
            sts_endpoint: text(&self.sts_endpoint),
            source: None,
        }
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
        let request = args.flags.inputs.request();
        assert_eq!(request.role_to_assume.as_deref(), Some("arn:aws:iam::1:role/x"));
        assert_eq!(
            (request.audience, request.aws_region.as_deref()),
            (None, Some("--help"))
        );
        assert_eq!(request.role_chaining.as_deref(), Some("true"));
        assert_eq!((args.action, args.attempt, args.fail), (true, true, false));
        assert_eq!(
            args.warnings,
            [
                "unexpected input `role-arn`, it is ignored",
                "unexpected input `format`, it is ignored"
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
        assert_eq!(args.flags.inputs.request().aws_access_key_id.as_deref(), Some(GIVEN));
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
