//! Args to evidence, evidence to diagnosis, diagnosis to text; this is where text is written.
#![expect(clippy::disallowed_methods, reason = "this is where the process begins and ends")]

use std::collections::hash_map::RandomState;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, BufRead, BufReader, Write};
use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::{SystemTime, UNIX_EPOCH};

use anstream::{AutoStream, ColorChoice};
use aws_oidc_doctor::args::{self, Args, Command, Format};
use aws_oidc_doctor::collect::{Collected, Env, Outside, collect};
use aws_oidc_doctor::diagnose::{Diagnosis, diagnose};
use aws_oidc_doctor::evidence::Evidence;
use aws_oidc_doctor::{evaluate_lines, explain, report};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// musl's own allocator is slow where much is allocated and freed, as in bulk evaluation.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is read at once in bulk, by a thread that then answers it.
const BULK: usize = 128 * 1024;

/// Wrong usage, or an input that cannot be read.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let env = Env::of_process();
    let done = match args::parse(std::env::args_os(), env.iter()) {
        Ok(Command::Diagnose(args)) => run(&args, &env),
        Ok(Command::Evaluate { file, jobs }) => evaluate(&file, jobs),
        Ok(Command::Explain(id)) => explain(id.as_deref()),
        // Help is no error; clap knows which is which.
        Err(error) => error.print().map(|()| error.exit_code().try_into().unwrap_or(USAGE)),
    };
    match done {
        Ok(code) => code.into(),
        // Who reads has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: input or output: {error}");
            USAGE.into()
        }
    }
}

fn run(args: &Args, env: &Env) -> io::Result<u8> {
    if args.flags.verbose || env.get("RUNNER_DEBUG") == Some("1") {
        log();
    }
    let in_job = env.get("GITHUB_ACTIONS") == Some("true");
    // In a step the log reads standard output; otherwise that is the report's alone, and the log reads both.
    let mask = |secret: &str| {
        let command = report::github::mask(secret);
        let _ = match (args.action, in_job) {
            (true, _) => io::stdout()
                .write_all(command.as_bytes())
                .and_then(|()| io::stdout().flush()),
            (false, true) => io::stderr().write_all(command.as_bytes()),
            (false, false) => Ok(()),
        };
    };
    let outside = Outside { env, now, mask: &mask };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Collected { runs, errors } = runtime.block_on(collect(args, &outside));
    // A name that is still being resolved is not waited for.
    runtime.shutdown_background();

    let diagnoses: Vec<(&Evidence, Diagnosis)> = runs.iter().map(|run| (run, diagnose(run))).collect();
    // One that does not pass stands for all.
    let decisive = diagnoses
        .iter()
        .find(|(_, diagnosis)| diagnosis.exit_code() != 0)
        .or(diagnoses.first());
    let mut failures = Vec::new();
    if let (Some(path), Some((evidence, _))) = (&args.flags.save_evidence, decisive)
        && let Err(error) = save(Path::new(path), evidence)
    {
        failures.push(format!("`--save-evidence` (`{path}`): it cannot be written: {error}"));
    }
    failures.splice(0..0, errors.iter().map(ToString::to_string));

    let code = decisive.map_or(USAGE, |(_, diagnosis)| diagnosis.exit_code());
    let written = if args.action {
        step(args, env, &diagnoses, decisive, &failures)
    } else {
        print(args, env, &diagnoses, decisive)
    };
    if !args.action {
        for failure in &failures {
            let _ = writeln!(io::stderr(), "error: {}", report::clean(failure));
        }
    }
    let code = match code {
        _ if !failures.is_empty() => USAGE,
        1 | 3 if !args.fail => 0,
        code => code,
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(code),
    }
}

type Diagnosed<'a> = (&'a Evidence, Diagnosis);

fn print(args: &Args, env: &Env, all: &[Diagnosed<'_>], decisive: Option<&Diagnosed<'_>>) -> io::Result<()> {
    let colour = colour(env);
    let text = match (args.flags.format, decisive) {
        (Format::Console, _) => console(all, colour != ColorChoice::Never),
        (Format::Json, Some((_, diagnosis))) => report::json::render(diagnosis),
        (Format::Summary, _) => all
            .iter()
            .map(|(_, diagnosis)| report::summary::render(diagnosis))
            .collect(),
        (Format::Json, None) => String::new(),
    };
    let mut out = AutoStream::new(io::stdout(), colour).lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The report as a step: what outsiders wrote cannot be taken for commands, and the commands are ours.
fn step(
    args: &Args,
    env: &Env,
    all: &[Diagnosed<'_>],
    decisive: Option<&Diagnosed<'_>>,
    failures: &[String],
) -> io::Result<()> {
    let colour = colour(env);
    let mut failures = failures.to_vec();
    let mut out = String::new();
    if let Some(path) = env.get("GITHUB_STEP_SUMMARY") {
        let summary: String = all
            .iter()
            .map(|(_, diagnosis)| report::summary::render(diagnosis))
            .collect();
        if let Err(error) = append(path, &summary) {
            failures.push(format!("the summary cannot be written: {error}"));
        }
    }
    if let (Some(path), Some((_, diagnosis))) = (env.get("GITHUB_OUTPUT"), decisive) {
        let entries = report::github::outputs(diagnosis);
        let entries: String = entries
            .iter()
            .map(|(name, value)| report::github::output_entry(name, value, &format!("ghadelimiter_{}", random())))
            .collect();
        if let Err(error) = append(path, &entries) {
            failures.push(format!("the outputs cannot be written: {error}"));
        }
    }
    out += &report::github::guarded(&console(all, colour != ColorChoice::Never), &random());
    for (_, diagnosis) in all {
        out += &report::github::annotations(diagnosis);
    }
    for (command, texts) in [("warning", &args.warnings), ("error", &failures)] {
        for text in texts {
            let text = report::github::escape_data(&report::clean(text));
            out += &format!("::{command} title=aws-oidc-doctor::{text}\n");
        }
    }
    let mut stdout = AutoStream::new(io::stdout(), colour).lock();
    stdout.write_all(out.as_bytes())?;
    stdout.flush()
}

fn console(all: &[Diagnosed<'_>], colour: bool) -> String {
    let mut text = String::new();
    for (evidence, diagnosis) in all {
        if let ([_, _, ..], Some(source)) = (all, &evidence.hop.request.source) {
            text += &format!("==> {}\n\n", report::clean(source));
        }
        text += &report::console::render(diagnosis, colour);
    }
    text
}

/// A step's log shows colour and is no terminal. `NO_COLOR` wins (no-color.org).
fn colour(env: &Env) -> ColorChoice {
    if env.get("NO_COLOR").is_some() {
        ColorChoice::Never
    } else if env.get("GITHUB_ACTIONS") == Some("true") {
        ColorChoice::Always
    } else {
        AutoStream::choice(&io::stdout())
    }
}

/// Whole or not at all: a new file beside it takes its place. A link in its place is replaced, not followed.
fn save(path: &Path, evidence: &Evidence) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(evidence)?;
    text.push('\n');
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let beside = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), random()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

fn append(path: &str, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(text.as_bytes())
}

fn evaluate(file: &str, jobs: Option<u16>) -> io::Result<u8> {
    let input: Box<dyn BufRead + Send> = match file {
        "-" => Box::new(BufReader::with_capacity(BULK, io::stdin())),
        path => match File::open(path) {
            Ok(file) => Box::new(BufReader::with_capacity(BULK, file)),
            Err(error) => {
                writeln!(io::stderr(), "error: `{path}`: {error}")?;
                return Ok(USAGE);
            }
        },
    };
    let jobs = jobs.map_or_else(|| available_parallelism().map_or(1, NonZero::get), usize::from);
    evaluate_lines::evaluate_in_parallel(input, io::BufWriter::with_capacity(BULK, io::stdout()), jobs)?;
    Ok(0)
}

fn explain(id: Option<&str>) -> io::Result<u8> {
    let mut out = io::stdout().lock();
    let Some(id) = id else {
        out.write_all(explain::list().as_bytes())?;
        return Ok(0);
    };
    if let Some(page) = explain::page(id) {
        out.write_all(page.as_bytes())?;
        return Ok(0);
    }
    let near = explain::near(id).map(|near| format!(", did you mean `{near}`?"));
    let near = near.unwrap_or_else(|| "; `explain` alone lists them".to_owned());
    writeln!(io::stderr(), "error: no check is called `{}`{near}", report::clean(id))?;
    Ok(USAGE)
}

/// What is asked and answered, on standard error. Only our own words: the SDK's and the HTTP client's logs hold requests
/// with their tokens.
fn log() {
    let ours = Targets::new().with_target("aws_oidc_doctor", LevelFilter::DEBUG);
    let lines = tracing_subscriber::fmt::layer()
        .without_time()
        .with_ansi(false)
        .with_writer(|| Defused(io::stderr()));
    let _ = tracing_subscriber::registry().with(lines).with(ours).try_init();
}

/// The runner takes `##[command]` for a command wherever it stands in a line.
struct Defused(io::Stderr);

impl Write for Defused {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line).replace("##[", "# #[");
        self.0.write_all(text.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Not to be guessed by who wrote the text that it encloses: std seeds its hashers from the system's randomness.
fn random() -> String {
    let number = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().try_into().unwrap_or(i64::MAX)
}
