//! Arguments to evidence, evidence to a report, report to text. Output is written here; nothing is decided here.
#![expect(clippy::disallowed_methods, reason = "this is where the process begins and ends")]

use std::collections::hash_map::RandomState;
use std::fs::{File, FileType, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, BufRead, BufReader, IsTerminal as _, Write};
use std::num::NonZero;
use std::panic::PanicHookInfo;
use std::path::Path;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anstream::{AutoStream, ColorChoice};
use aws_oidc_doctor::args::check::{Check, CheckFormat};
use aws_oidc_doctor::args::predict::{Generate, PolicyFormat, Predict, Test, TextFormat};
use aws_oidc_doctor::args::{self, Args, Color, Command, Format, InputError};
use aws_oidc_doctor::report::console::Style;
use aws_oidc_doctor::report::fixed::{Fixed, Form, WhichFix};
use aws_oidc_doctor::report::{self, FailOn, Pages, Report};
use aws_oidc_doctor::{
    Checked, Checkout, Collected, Env, Files, Outside, Problem, Runs, Sources, Tested, baseline, bulk, collect,
    explain, explaining, generated, is_job, tested, told,
};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// musl's own allocator is slow under heavy allocation, as in bulk evaluation. Without huge pages, this one uses less than
/// half the memory in the same time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much bulk input is read at once; the thread that reads it also answers it.
const BULK: usize = 128 * 1024;

/// Wrong usage, unreadable input, or output that can't be written.
const USAGE: u8 = 2;

/// The years 1 to 9999, in seconds since 1970. At a later time, the SDK panics on the date of a request's signature.
const CLOCK: std::ops::Range<i64> = -62_135_596_800..253_402_214_400;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(panicked));
    let env = Env::of_process();
    let done = match args::parse(std::env::args_os(), env.iter()) {
        Ok(Command::Check(flags)) => check(&flags, &env),
        Ok(Command::Claims(args)) => claims(&args, &env),
        Ok(Command::Diagnose(args)) if is_bare(&args, &env) => examples(),
        Ok(Command::Diagnose(args)) => run(&args, &env),
        Ok(Command::Evaluate { file, jobs }) => evaluate(&file, jobs),
        Ok(Command::Explain(id)) => explain(id.as_deref()),
        Ok(Command::Generate(flags)) => generate(&flags, &env),
        Ok(Command::Predict(flags)) => predict(&flags, &env),
        Ok(Command::Fix { args, .. }) if is_bare(&args, &env) => examples(),
        Ok(Command::Fix { args, which, out }) => fix(&args, &which, &out, &env),
        Ok(Command::Print(text)) => io::stdout().write_all(text.as_bytes()).map(|()| 0),
        Ok(Command::Test(flags)) => test(&flags),
        // Help isn't an error; clap's exit code distinguishes them.
        Err(error) => error.print().map(|()| error.exit_code().try_into().unwrap_or(USAGE)),
    };
    match done {
        Ok(code) => code.into(),
        // The reader has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: input or output: {error}");
            USAGE.into()
        }
    }
}

fn run(args: &Args, env: &Env) -> io::Result<u8> {
    let Some(Diagnosed {
        report,
        runs,
        mut failures,
    }) = diagnosed(args, env)?
    else {
        return Ok(USAGE);
    };
    let written = if args.action {
        let evidence = report::github::evidence(&runs);
        let mut warnings = args.warnings.clone();
        warnings.extend(evidence.as_ref().err().cloned());
        failures.extend(step_files(env, &report, evidence.unwrap_or_default()));
        step(args, env, &report, &warnings, &failures)
    } else {
        print(args, env, &report)
    };
    if !args.action {
        errors(&failures);
    }
    let code = if failures.is_empty() {
        report.exit_code(args.fail_on)
    } else {
        USAGE
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(code),
    }
}

/// Writes the policy with a fix applied. What the fix changes goes to standard error.
fn fix(args: &Args, which: &WhichFix, out: &str, env: &Env) -> io::Result<u8> {
    let Some(Diagnosed {
        report, mut failures, ..
    }) = diagnosed(args, env)?
    else {
        return Ok(USAGE);
    };
    let fixed = match Fixed::of(&report, which) {
        Ok(fixed) => fixed,
        Err(why) => {
            failures.push(why);
            errors(&failures);
            return Ok(1);
        }
    };
    let text = fixed.text(form(args.flags.format).unwrap_or(Form::Policy));
    if let Err(error) = write(out, &text, 0o666) {
        failures.push(format!("`--out` (`{out}`): it cannot be written: {error}"));
    }
    errors(&failures);
    if !failures.is_empty() {
        return Ok(USAGE);
    }
    io::stderr().write_all(fixed.told().as_bytes())?;
    Ok(0)
}

/// The form in which to print the first fix alone.
fn form(format: Format) -> Option<Form> {
    match format {
        Format::Cfn => Some(Form::CloudFormation),
        Format::Hcl => Some(Form::Terraform),
        Format::Policy => Some(Form::Policy),
        Format::Console | Format::Github | Format::Json | Format::Sarif | Format::Summary => None,
    }
}

fn errors(failures: &[String]) {
    for failure in failures {
        let _ = writeln!(io::stderr(), "error: {}", report::clean(failure));
    }
}

/// The report, the runs behind it, and what couldn't be read or saved.
struct Diagnosed {
    report: Report,
    runs: Runs,
    failures: Vec<String>,
}

/// `None` if a command can't read its input; the error is then its only output.
fn diagnosed(args: &Args, env: &Env) -> io::Result<Option<Diagnosed>> {
    if args.flags.verbose || env.get("RUNNER_DEBUG") == Some("1") {
        log();
    }
    if is_out_of_time(asks(args)) {
        return Ok(None);
    }
    // Apart from mask commands, nothing printed contains a token. They cover what other steps print, and go to a step's log and
    // nowhere else.
    let is_log = args.action && !is_regular_file(&io::stdout());
    let mask = |secret: &str| {
        if is_log {
            let command = report::github::mask(secret);
            let _ = io::stdout()
                .write_all(command.as_bytes())
                .and_then(|()| io::stdout().flush());
        }
    };
    let outside = Outside { env, now, mask: &mask };
    let Collected { runs, errors } = collected(args, &outside)?;
    let mut failures: Vec<String> = errors.iter().map(ToString::to_string).collect();
    if !args.action && !failures.is_empty() {
        self::errors(&failures);
        return Ok(None);
    }
    let pages = pages(env);
    let report = Report::of(&runs).with_pages(pages);
    let runs = Runs(runs);
    if let Some(path) = &args.flags.own.save_evidence
        && let Err(error) = place_to_save(args, env, path).and_then(|place| save(&place, &runs))
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let flag = args::place("save-evidence", args.action);
        failures.push(format!("{flag} (`{path}`): it cannot be written: {error}"));
    }
    Ok(Some(Diagnosed { report, runs, failures }))
}

/// Whether GitHub or AWS is called. When everything comes from files, the time doesn't matter.
fn asks(args: &Args) -> bool {
    !args.files_alone && args.flags.evidence.is_none()
}

/// Whether the clock is outside the range the SDK can sign in.
fn is_out_of_time(asks: bool) -> bool {
    let is_out = asks && !CLOCK.contains(&seconds(SystemTime::now()));
    if is_out {
        let _ = writeln!(
            io::stderr(),
            "error: this machine's clock is outside the years 1 to 9999; set it and run again"
        );
    }
    is_out
}

fn collected(args: &Args, outside: &Outside<'_>) -> io::Result<Collected> {
    waited(collect(args, outside))
}

/// Runs the future to completion.
fn waited<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(work);
    // Don't wait for a name that is still being resolved.
    runtime.shutdown_background();
    Ok(done)
}

/// Prints a token's claims, or one line that says why it can't be read.
fn claims(args: &Args, env: &Env) -> io::Result<u8> {
    if is_out_of_time(asks(args)) {
        return Ok(USAGE);
    }
    let outside = Outside {
        env,
        now,
        mask: &|_| (),
    };
    let Collected { runs, errors } = collected(args, &outside)?;
    let Some(told) = runs.first().and_then(told).filter(|_| errors.is_empty()) else {
        self::errors(&errors.iter().map(ToString::to_string).collect::<Vec<_>>());
        if errors.is_empty() {
            let gap = runs.first().and_then(|run| run.token.as_ref()?.gap());
            let why = gap.map_or_else(
                || "this is not a job that has one; give a file, the token itself, or `-`".to_owned(),
                |gap| format!("{}: {}", gap.why.words(), gap.detail),
            );
            writeln!(io::stderr(), "error: no token: {}", report::clean(&why))?;
        }
        return Ok(USAGE);
    };
    let text = match args.flags.format {
        Format::Json => report::claims::json(&told),
        _ => report::claims::lines(&told),
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(0)
}

/// Where the check pages are.
fn pages(env: &Env) -> Pages {
    Pages::of(env.get("GITHUB_ACTION_REPOSITORY"), env.get("GITHUB_ACTION_REF"))
}

/// Checks all jobs of a repository against its policies.
fn check(flags: &Check, env: &Env) -> io::Result<u8> {
    let here = std::env::current_dir()?;
    if is_out_of_time(flags.live) {
        return Ok(USAGE);
    }
    let read = Checkout::read(&here, &flags.workflow).and_then(|checkout| {
        let repository = checkout.repository(&flags.repository, env)?;
        let known = flags.baseline.as_deref().map(baseline).transpose()?;
        let mut sources = match flags.live && flags.paths.is_empty() {
            true => Sources::default(),
            false => Sources::read(&here, &flags.paths)?,
        };
        if flags.live {
            let outside = Outside {
                env,
                now,
                mask: &|_| (),
            };
            let prediction = checkout.predict(&repository);
            waited(sources.ask(&prediction, &outside))
                .map_err(|error| InputError::new("`--live`", error.to_string()))??;
        }
        Ok((
            sources.check(&checkout, &repository, threads()),
            known.unwrap_or_default(),
        ))
    });
    let (checked, known) = match read {
        Ok(read) => read,
        Err(error) => {
            let error = report::clean(&error.to_string());
            writeln!(io::stderr(), "error: {error}")?;
            return Ok(USAGE);
        }
    };
    if let Some(path) = &flags.write_baseline
        && let Err(error) = write(path, &report::check::baseline(&checked), 0o644)
    {
        let path = report::clean(path);
        writeln!(
            io::stderr(),
            "error: `--write-baseline` (`{path}`): it cannot be written: {error}"
        )?;
        return Ok(USAGE);
    }
    let colour = colour(env, flags.color);
    let text = match flags.format {
        CheckFormat::Console => report::check::console(&checked, &known, colour != ColorChoice::Never),
        CheckFormat::Json => report::check::json(&checked, &known),
        CheckFormat::Sarif => report::check::sarif(&checked, &known, &pages(env)),
        CheckFormat::Github => report::check::annotations(&checked, &known),
    };
    let mut out = AutoStream::new(io::stdout(), colour).lock();
    if flags.action {
        if let Some(path) = env.get("GITHUB_STEP_SUMMARY") {
            append(path, &report::check::summary(&checked, &known))?;
        }
        let text = report::github::guarded(&text, &random()) + &report::check::annotations(&checked, &known);
        out.write_all(text.as_bytes())?;
    } else {
        out.write_all(text.as_bytes())?;
    }
    out.flush()?;
    let fails = match flags.fail_on {
        FailOn::Never => false,
        _ if flags.write_baseline.is_some() => false,
        fail_on => report::check::fails(&checked, &known, fail_on == FailOn::Risk),
    };
    Ok(u8::from(fails))
}

/// As many threads as there are processors.
fn threads() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// Prints the subjects that workflows can have. Files that can't be read are listed; the rest are still processed.
fn predict(flags: &Predict, env: &Env) -> io::Result<u8> {
    let checkout = Checkout::read(&std::env::current_dir()?, &flags.workflows);
    let read = checkout.and_then(|checkout| Ok((checkout.repository(&flags.repository, env)?, checkout)));
    let (repository, checkout) = match read {
        Ok(read) => read,
        Err(error) => {
            writeln!(io::stderr(), "error: {}", report::clean(&error.to_string()))?;
            return Ok(USAGE);
        }
    };
    let prediction = checkout.predict(&repository);
    let text = match flags.format {
        TextFormat::Console => report::predict::render(&prediction, &repository),
        TextFormat::Json => report::predict::json(&prediction, &repository),
    };
    ahead(&text, &[], &prediction.problems)
}

/// Prints the least-privilege trust policy for what the flags name.
fn generate(flags: &Generate, env: &Env) -> io::Result<u8> {
    let (roles, problems) = match generated(flags, &std::env::current_dir()?, env) {
        Ok(found) => found,
        Err(error) => {
            writeln!(io::stderr(), "error: {}", report::clean(&error.to_string()))?;
            return Ok(USAGE);
        }
    };
    let text = match flags.format {
        PolicyFormat::Policy => report::generate::policies(&roles),
        PolicyFormat::Hcl => report::generate::hcl(&roles),
        PolicyFormat::Cfn => report::generate::cfn(&roles),
        PolicyFormat::Cli => report::generate::cli(&roles),
    };
    let has_provider = matches!(flags.format, PolicyFormat::Cfn | PolicyFormat::Hcl);
    ahead(&text, &report::generate::notes(&roles, has_provider), &problems)
}

/// Tests trust policies against expectations. Files that can't be read are listed; the rest are still processed.
fn test(flags: &Test) -> io::Result<u8> {
    let from = std::env::current_dir()?;
    let mut all = Vec::new();
    let mut code = 0;
    for file in &flags.files {
        match tested(flags, file, &from) {
            Ok(Tested { file, checked }) => all.push((file, checked)),
            Err(error) => {
                writeln!(io::stderr(), "error: {}", report::clean(&error.to_string()))?;
                code = USAGE;
            }
        }
    }
    let mut out = io::stdout().lock();
    let text = match flags.format {
        TextFormat::Json => report::expectations::json(&all),
        TextFormat::Console => {
            let files = all
                .iter()
                .map(|(file, checked)| report::expectations::render(file, checked));
            files
                .chain((!all.is_empty()).then(|| report::expectations::count(&all)))
                .collect()
        }
    };
    out.write_all(text.as_bytes())?;
    out.flush()?;
    let is_met = all.iter().flat_map(|(_, checked)| checked).all(Checked::is_met);
    Ok(if code == 0 { (!is_met).into() } else { code })
}

/// Writes the result to standard output; notes and unreadable files go to standard error.
fn ahead(text: &str, notes: &[String], problems: &[Problem]) -> io::Result<u8> {
    for problem in problems {
        writeln!(io::stderr(), "error: {}", report::clean(&problem.to_string()))?;
    }
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    for note in notes {
        writeln!(io::stderr(), "note: {note}")?;
    }
    Ok(if problems.is_empty() { 0 } else { USAGE })
}

/// Whether there is nothing to diagnose: no job, file, message or role.
fn is_bare(args: &Args, env: &Env) -> bool {
    !args.action && std::env::args_os().len() == 2 && !is_job(env)
}

fn examples() -> io::Result<u8> {
    writeln!(io::stderr(), "{EXAMPLES}")?;
    Ok(USAGE)
}

const EXAMPLES: &str = "\
error: nothing to diagnose: this is not a GitHub Actions job, and no flag names a file, a message or a role

  In a job:          aws-oidc-doctor diagnose --role-to-assume arn:aws:iam::123456789012:role/deploy --aws-region eu-west-1
  With the claims:   aws-oidc-doctor diagnose --claims claims.json --trust-policy trust-policy.json
  With the message:  aws-oidc-doctor diagnose --error 'Not authorized to perform sts:AssumeRoleWithWebIdentity'

`--help` has the rest.";

fn print(args: &Args, env: &Env, report: &Report) -> io::Result<()> {
    // If the evidence goes to standard output, nothing else does.
    let is_taken = args.flags.own.save_evidence.as_deref().is_some_and(is_stdout);
    let colour = if is_taken {
        ColorChoice::Never
    } else {
        colour(env, args.color)
    };
    let text = match args.flags.format {
        Format::Console => report::console::render(report, style(env, colour)),
        Format::Json => report::json::render(report),
        Format::Summary => report::summary::render(report),
        Format::Cfn | Format::Hcl | Format::Policy => match Fixed::of(report, &WhichFix::default()) {
            Ok(fixed) => fixed.text(form(args.flags.format).unwrap_or(Form::Policy)),
            Err(why) => return writeln!(io::stderr(), "error: {}", report::clean(&why)),
        },
        Format::Sarif => report::sarif::render(report),
        Format::Github => report::github::annotations(report),
    };
    if is_taken {
        return io::stderr().write_all(text.as_bytes());
    }
    let mut out = AutoStream::new(io::stdout(), colour).lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes a step's summary and outputs. Returns what couldn't be written.
fn step_files(env: &Env, report: &Report, evidence: String) -> Vec<String> {
    let mut failures = Vec::new();
    if let Some(path) = env.get("GITHUB_STEP_SUMMARY")
        && let Err(error) = append(path, &report::summary::render(report))
    {
        failures.push(format!(
            "the summary (`GITHUB_STEP_SUMMARY`) cannot be written: {error}"
        ));
    }
    if let Some(path) = env.get("GITHUB_OUTPUT") {
        let mut entries = report::github::outputs(report);
        entries.push(("evidence", evidence));
        let entries: String = entries
            .iter()
            .map(|(name, value)| report::github::output_entry(name, value, &format!("ghadelimiter_{}", random())))
            .collect();
        if let Err(error) = append(path, &entries) {
            failures.push(format!("the outputs (`GITHUB_OUTPUT`) cannot be written: {error}"));
        }
    }
    failures
}

/// Prints the report as a step: text from outsiders can't act as workflow commands; only our own commands do.
fn step(args: &Args, env: &Env, report: &Report, warnings: &[String], failures: &[String]) -> io::Result<()> {
    let colour = colour(env, args.color);
    let annotated = |command: &str, texts: &[String]| -> String {
        let lines = texts.iter().map(|text| report::github::annotation(command, text));
        lines.collect()
    };
    // What couldn't be read comes first.
    let mut out = annotated("error", failures);
    out += &report::github::log(report, style(env, colour), random);
    out += &report::github::annotations(report);
    out += &annotated("warning", warnings);
    let mut stdout = AutoStream::new(io::stdout(), colour).lock();
    stdout.write_all(out.as_bytes())?;
    stdout.flush()
}

/// A step's log shows colour but isn't a terminal. The flag comes first, then `NO_COLOR` (no-color.org).
fn colour(env: &Env, wanted: Color) -> ColorChoice {
    match wanted {
        Color::Always => return ColorChoice::Always,
        Color::Never => return ColorChoice::Never,
        Color::Auto => {}
    }
    if env.get("NO_COLOR").is_some() {
        ColorChoice::Never
    } else if env.get("GITHUB_ACTIONS") == Some("true") {
        ColorChoice::Always
    } else {
        AutoStream::choice(&io::stdout())
    }
}

/// Where the evidence is saved: in a step, inside the workspace.
fn place_to_save(args: &Args, env: &Env, path: &str) -> io::Result<String> {
    let workspace = args
        .action
        .then(|| Path::new(env.get("GITHUB_WORKSPACE").unwrap_or(".")));
    let place = Files { workspace }.place(path).map_err(io::Error::other)?;
    Ok(place.to_string_lossy().into_owned())
}

/// The width, and whether links can be followed. `COLUMNS` is the user's choice.
fn style(env: &Env, colour: ColorChoice) -> Style {
    let columns = env.get("COLUMNS").and_then(|columns| columns.parse().ok());
    let is_terminal = io::stdout().is_terminal();
    let terminal = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0.into());
    let usual = Style::default();
    Style {
        colour: colour != ColorChoice::Never,
        links: is_terminal,
        width: columns.or_else(terminal).unwrap_or(usual.width),
    }
}

/// The file holds the token's claims, so only its owner can read it unless it already has other permissions.
fn save(path: &str, runs: &Runs) -> io::Result<()> {
    let text = report::json::escaped(&format!("{:#}", serde_json::to_value(runs)?));
    write(path, &(text + "\n"), 0o600)
}

/// Writes all or nothing: a new file beside the target replaces it and keeps its mode. Only regular files are replaced.
fn write(path: &str, text: &str, mode: u32) -> io::Result<()> {
    if is_stdout(path) {
        return io::stdout().write_all(text.as_bytes());
    }
    let path = Path::new(path);
    let there = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_file() => Some(metadata.permissions()),
        Ok(metadata) if is_character_device(metadata.file_type()) => {
            return open_to_append(path)?.write_all(text.as_bytes());
        }
        Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(metadata) if metadata.is_symlink() => {
            return Err(io::Error::other("it is a link, and links are not followed"));
        }
        Ok(_) => return Err(not_regular()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let beside = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), random()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let written = options
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            if let Some(permissions) = there {
                file.set_permissions(permissions)?;
            }
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

/// Appends to one of the runner's files: all or nothing.
fn append(path: &str, text: &str) -> io::Result<()> {
    let mut file = open_to_append(Path::new(path))?;
    let before = file.metadata()?;
    file.write_all(text.as_bytes()).inspect_err(|_| {
        if before.is_file() {
            let _ = file.set_len(before.len());
        }
    })
}

/// Opens a regular file or a device such as `/dev/null`. Nothing else can block the program.
fn open_to_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    // Opening a FIFO without a reader fails in this mode.
    let is_fifo = |error: &io::Error| error.raw_os_error() == Some(libc::ENXIO);
    let file = options
        .open(path)
        .map_err(|error| if is_fifo(&error) { not_regular() } else { error })?;
    let metadata = file.metadata()?;
    if metadata.is_file() || is_character_device(metadata.file_type()) {
        Ok(file)
    } else {
        Err(not_regular())
    }
}

fn not_regular() -> io::Error {
    io::Error::other("it is not a regular file")
}

/// Treated as `-`: reopening it could block, or overwrite what was already written.
fn is_stdout(path: &str) -> bool {
    matches!(path, "-" | "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1")
}

#[cfg(unix)]
fn is_character_device(kind: FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_char_device(&kind)
}

#[cfg(not(unix))]
fn is_character_device(_: FileType) -> bool {
    false
}

/// Whether this stream is written to a file.
#[cfg(unix)]
fn is_regular_file(stream: &impl std::os::fd::AsFd) -> bool {
    let file = stream.as_fd().try_clone_to_owned().map(File::from);
    file.and_then(|file| file.metadata())
        .is_ok_and(|metadata| metadata.is_file())
}

#[cfg(not(unix))]
fn is_regular_file(_: &io::Stdout) -> bool {
    false
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
    let jobs = jobs.map_or_else(threads, usize::from);
    let done = bulk::evaluate_in_parallel(input, io::BufWriter::with_capacity(BULK, io::stdout()), jobs)?;
    if done.errors == 0 {
        return Ok(0);
    }
    let bulk::Summary { lines, errors } = done;
    writeln!(
        io::stderr(),
        "error: {errors} of {lines} lines cannot be evaluated; their `detail` says why"
    )?;
    Ok(USAGE)
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
    let found = [explain::of_cause, explaining, explain::showing];
    if let Some(rules) = found.iter().map(|find| find(id)).find(|rules| !rules.is_empty()) {
        out.write_all(explain::pages(&rules).as_bytes())?;
        return Ok(0);
    }
    let id = report::clean(id);
    let Some((near, page)) = explain::near(&id) else {
        writeln!(
            io::stderr(),
            "error: there is no check `{id}`; run `explain` to list the checks"
        )?;
        return Ok(USAGE);
    };
    writeln!(io::stderr(), "note: there is no check `{id}`; this is `{near}`")?;
    out.write_all(page.as_bytes())?;
    Ok(0)
}

/// Logs calls and answers to standard error. Only our own events: the logs of the SDK and the HTTP client contain requests
/// with their tokens.
fn log() {
    let ours = Targets::new().with_target("aws_oidc_doctor", LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer()
        .without_time()
        .with_ansi(false)
        .with_writer(|| Defused(io::stderr()));
    let _ = tracing_subscriber::registry().with(lines).with(ours).try_init();
}

/// An event on one line, with no command for the runner and no escape for a terminal.
struct Defused(io::Stderr);

impl Write for Defused {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        writeln!(self.0, "{}", report::clean(text.trim_end()))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Can't be guessed by the author of the text it encloses: std seeds its hashers from the system's randomness.
fn random() -> String {
    let number = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}

/// Seconds since 1970; no token is older than that.
fn now() -> i64 {
    seconds(SystemTime::now()).max(0)
}

/// Seconds from 1970 to a time; negative for an earlier one.
fn seconds(time: SystemTime) -> i64 {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => seconds(after),
        Err(error) => -seconds(error.duration()),
    }
}

/// A bug of ours, or a machine that can't start a thread: reported like any other error.
#[expect(
    clippy::exit,
    reason = "a panic must not go on to `abort`, which loses the exit code"
)]
fn panicked(panic: &PanicHookInfo<'_>) {
    let _ = writeln!(io::stderr(), "{}", unfinished(panic));
    std::process::exit(USAGE.into());
}

/// A panic's message can contain the data involved, so only the location is reported.
fn unfinished(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    format!("error: the diagnosis could not be completed (internal error at {place}); a bug report would help")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_clock_that_the_sdk_cannot_use_is_told_apart() {
        let day = 24 * 60 * 60;
        let after = |seconds: u64| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap();
        let before = |seconds: u64| UNIX_EPOCH.checked_sub(Duration::from_secs(seconds)).unwrap();
        for (time, usable) in [
            (after(0), true),
            (after(1_790_000_000), true),
            // The last day of 9999 is given up because a signature's date may be slightly later; then the year 10000.
            (after(253_402_300_799 - day), true),
            (after(253_402_300_799), false),
            (after(253_402_300_800), false),
            (before(1), true),
            // The first second of the year 1, and the one before it.
            (before(62_135_596_800), true),
            (before(62_135_596_801), false),
            (before(1 << 40), false),
            (after(1 << 60), false),
        ] {
            assert_eq!(CLOCK.contains(&seconds(time)), usable, "{time:?}");
        }
    }

    #[test]
    fn a_panic_says_where_and_not_what() {
        let said = Arc::new(Mutex::new(String::new()));
        let to = Arc::clone(&said);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| *to.lock().unwrap() = unfinished(panic)));
        let panicked = std::panic::catch_unwind(|| panic!("token eyJhbGciOi"));
        std::panic::set_hook(before);
        let said = said.lock().unwrap();
        assert!(panicked.is_err() && said.contains("src/main.rs:"), "{said}");
        assert!(said.starts_with("error: ") && !said.contains("eyJ"), "{said}");
    }
}
