//! A whole world: a checkout, the inputs, and what GitHub and AWS answer, all of it from the text. Whatever they say, no
//! secret is written, nobody is asked but those whom the inputs name, and no more often than a diagnosis needs.
//!
//! The text is cut into parts, each under a line `=== name words`: `job` holds inputs (`name: value`) and variables,
//! `workflow`, `event` and `claims` what they say, and `token`, `sts`, `caller`, `role`, `provider`, `providers` answers. An
//! answer is `raw`, `ok` or `error` (well formed, with the text inside), with a status; lines `@name: value` are headers.
//! In an answer `{T}` stands for the ID token, `{R}` for the token that it is asked for with, `{S}` and `{K}` for the session token and
//! key that STS gives, `{E}` and `{X}` for those of the environment, `{A}` for an address that nobody may ask, `{H}` for
//! that of this world; a second letter changes the form, as in `{Tb}` for base 64. Elsewhere there are `{A}`, `{H}` and `{T}`.
#![no_main]

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use aws_oidc_doctor::args::{self, Command};
use aws_oidc_doctor::Audience;
use aws_oidc_doctor::{Collected, Env, Outside, collect};
use aws_oidc_doctor::Evidence;
use aws_oidc_doctor::report::console::Style;
use aws_oidc_doctor::report::{Report, console, github, json, summary};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

const ROLE: &str = "arn:aws:iam::123456789012:role/deploy";
const PROVIDER: &str = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";
const HEADER: &str = r#"{"typ":"JWT","alg":"RS256","kid":"78167F727DEC5D801DD1C8784C704A1C880EC0E1"}"#;
const CLAIMS: &str = r#"{"iss":"https://token.actions.githubusercontent.com","aud":"sts.amazonaws.com","sub":"repo:acme/widgets:ref:refs/heads/main","exp":1770000300}"#;
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"token.actions.githubusercontent.com:sub":"repo:acme/widgets:environment:production"}}}}"#;
/// Variables that a text may set. None of them decides where anything goes.
const VARIABLES: [&str; 12] = [
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "GITHUB_ACTOR",
    "GITHUB_EVENT_NAME",
    "GITHUB_JOB",
    "GITHUB_REF",
    "GITHUB_SERVER_URL",
];
const ANSWERS: [&str; 6] = ["token", "sts", "caller", "role", "provider", "providers"];
/// The longest answer; a few placeholders may stand for much.
const MOST_ANSWER: usize = 128 << 10;
/// A request that is tried again is waited for: this many times in a world.
const MOST_TROUBLE: usize = 2;
/// Ten roles, each asked for twice, and each call tried twice.
const MOST_CALLS: usize = 40;
/// A part of a secret that is as long gives it away.
const RUN: usize = 16;

/// Letters that look random, and are always the same.
fn letters(seed: u64, count: usize) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut state = seed;
    let mut letter = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        char::from(letters[(state >> 33) as usize % letters.len()])
    };
    (0..count).map(|_| letter()).collect()
}

static REQUEST_TOKEN: LazyLock<String> = LazyLock::new(|| letters(1, 180));
static SESSION: LazyLock<[String; 2]> =
    LazyLock::new(|| [format!("IQoJb3JpZ2luX2VjE{}==", letters(2, 300)), letters(3, 40)]);
static ENVIRONMENT: LazyLock<[String; 2]> =
    LazyLock::new(|| [format!("IQoJb3JpZ2luX2VjE{}==", letters(4, 300)), letters(5, 40)]);
static SIGNATURE: LazyLock<String> = LazyLock::new(|| letters(6, 342));

#[derive(Default)]
struct Answer {
    kind: Kind,
    status: u16,
    headers: Vec<(String, String)>,
    text: String,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Raw,
    #[default]
    Ok,
    Error,
}

/// What is answered in the world of now, and what was asked.
#[derive(Default)]
struct Plan {
    token: String,
    answers: BTreeMap<&'static str, Answer>,
    troubles: usize,
    requests: Vec<Request>,
}

struct Request {
    target: String,
    action: String,
    whole: String,
}

static PLAN: Mutex<Option<Plan>> = Mutex::new(None);

fn plan() -> MutexGuard<'static, Option<Plan>> {
    PLAN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The token service, STS and IAM.
static HERE: LazyLock<String> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    for _ in 0..4 {
        let listener = listener.try_clone().expect("another handle");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = serve(stream);
            }
        });
    }
    format!("http://{}", listener.local_addr().expect("its address"))
});

/// Nobody has business there.
static ELSEWHERE: LazyLock<(TcpListener, String)> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    listener.set_nonblocking(true).expect("it need not wait");
    let address = format!("http://{}", listener.local_addr().expect("its address"));
    (listener, address)
});

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if line.trim_end().is_empty() {
            break;
        }
        let length_of = line
            .split_once(':')
            .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        if let Some((_, value)) = length_of {
            length = value.trim().parse().unwrap_or(0);
        }
        head += &line;
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let action = body.split('&').find_map(|field| field.strip_prefix("Action="));
    let action = action.unwrap_or_default().to_owned();
    let response = {
        let mut plan = plan();
        let Some(plan) = plan.as_mut() else { return Ok(()) };
        let response = plan.response(&target, &action);
        let whole = format!("{head}\n{body}");
        plan.requests.push(Request { target, action, whole });
        response
    };
    stream.write_all(response.as_bytes())
}

impl Plan {
    fn response(&mut self, target: &str, action: &str) -> String {
        let name = match action {
            _ if target.starts_with("/token") => "token",
            "AssumeRoleWithWebIdentity" => "sts",
            "GetCallerIdentity" => "caller",
            "GetRole" => "role",
            "GetOpenIDConnectProvider" => "provider",
            "ListOpenIDConnectProviders" => "providers",
            _ => "",
        };
        let Some(answer) = self.answers.get(name) else {
            return "HTTP/1.1 404 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned();
        };
        let mut status = answer.status;
        if status >= 500 {
            self.troubles += 1;
            if self.troubles > MOST_TROUBLE {
                status = 400;
            }
        }
        let text = self.expanded(&answer.text);
        let body = match (name, answer.kind) {
            (_, Kind::Raw) => text,
            ("token", Kind::Ok) => serde_json::json!({ "count": 1, "value": self.token, "note": text }).to_string(),
            ("token", Kind::Error) => serde_json::json!({ "message": text }).to_string(),
            (_, Kind::Ok) => {
                let result = result(name, &text);
                format!(
                    "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/\"><{action}Result>{result}</{action}Result></{action}Response>"
                )
            }
            (_, Kind::Error) => {
                let (code, message) = text.split_once('\n').unwrap_or(("AccessDenied", &text));
                format!(
                    "<ErrorResponse><Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error><RequestId>1</RequestId></ErrorResponse>",
                    escaped(code),
                    escaped(message)
                )
            }
        };
        let mut head = format!("HTTP/1.1 {status} x\r\n");
        for (name, value) in &answer.headers {
            let value = self.expanded(value).replace(|letter: char| letter.is_control(), " ");
            head += &format!("{name}: {value}\r\n");
        }
        format!(
            "{head}content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    /// A text of the checkout or of an input, which can name a place and, if by accident, hold the token.
    fn written(&self, text: &str) -> String {
        text.replace("{A}", &ELSEWHERE.1)
            .replace("{H}", &HERE)
            .replace("{T}", &self.token)
    }

    /// An answer with what its placeholders stand for.
    fn expanded(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find('{') {
            out += &rest[..start];
            rest = &rest[start..];
            let stands = rest.find('}').map(|end| (&rest[1..end], end));
            let stands = stands.and_then(|(name, end)| Some((self.placeholder(name)?, end)));
            match stands {
                Some((text, end)) if out.len() < MOST_ANSWER => {
                    out += &text;
                    rest = &rest[end + 1..];
                }
                _ => {
                    out.push('{');
                    rest = &rest[1..];
                }
            }
        }
        out + rest
    }

    fn placeholder(&self, name: &str) -> Option<String> {
        let mut letters = name.chars();
        let secret = match letters.next()? {
            'T' => &*self.token,
            'R' => &REQUEST_TOKEN,
            'S' => &SESSION[0],
            'K' => &SESSION[1],
            'E' => &ENVIRONMENT[0],
            'X' => &ENVIRONMENT[1],
            'A' => &ELSEWHERE.1,
            'H' => &HERE,
            _ => return None,
        };
        let form = letters.next();
        if letters.next().is_some() {
            return None;
        }
        let every = |encode: fn(u8) -> String| secret.bytes().map(encode).collect::<String>();
        let spaced = |by: &str| {
            let words: Vec<_> = secret.as_bytes().chunks(20).map(String::from_utf8_lossy).collect();
            words.join(by)
        };
        // Claims may be any text, a token is not.
        let (first, second) = secret.split_at(secret.len() / 2);
        Some(match form {
            None => secret.to_owned(),
            Some('b') => STANDARD.encode(secret),
            Some('c') => secret.to_uppercase(),
            Some('e') => every(|byte| format!("&#{byte};")),
            Some('h') => every(|byte| format!("{byte:02x}")),
            Some('p') => every(|byte| format!("%{byte:02x}")),
            Some('j') => every(|byte| format!("\\u{byte:04x}")),
            Some('r') => secret.chars().rev().collect(),
            Some('/') => secret.replace('.', "/"),
            Some('s') => spaced(" "),
            Some('n') => spaced("\n"),
            Some('z') => spaced("\u{200b}"),
            Some('1') => first.to_owned(),
            Some('2') => second.to_owned(),
            _ => return None,
        })
    }
}

/// What AWS says where it has nothing against it.
fn result(name: &str, text: &str) -> String {
    let or = |default: &str| escaped(if text.is_empty() { default } else { text });
    let members = |default: &str, wrap: fn(&str) -> String| -> String {
        let text = or(default);
        text.lines()
            .map(|line| format!("<member>{}</member>", wrap(line)))
            .collect()
    };
    match name {
        "sts" => format!(
            "<AssumedRoleUser><Arn>{}</Arn><AssumedRoleId>AROA123EXAMPLE0000000:x</AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>ASIAWORLDEXAMPLE0001</AccessKeyId><SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken><Expiration>2026-03-14T09:26:53Z</Expiration></Credentials>",
            or("arn:aws:sts::123456789012:assumed-role/deploy/GitHubActions"),
            SESSION[1],
            SESSION[0]
        ),
        "caller" => format!(
            "<Arn>{}</Arn><UserId>AROA123EXAMPLE0000000:x</UserId><Account>123456789012</Account>",
            or("arn:aws:sts::123456789012:assumed-role/oidc-doctor/x")
        ),
        "role" => format!(
            "<Role><Path>/</Path><AssumeRolePolicyDocument>{}</AssumeRolePolicyDocument><MaxSessionDuration>3600</MaxSessionDuration><RoleId>AROA123EXAMPLE0000000</RoleId><RoleName>deploy</RoleName><Arn>{ROLE}</Arn><CreateDate>2026-03-14T09:26:53Z</CreateDate></Role>",
            utf8_percent_encode(if text.is_empty() { POLICY } else { text }, NON_ALPHANUMERIC)
        ),
        "provider" => format!(
            "<Url>{}</Url><ClientIDList>{}</ClientIDList>",
            escaped(text.lines().next().unwrap_or("token.actions.githubusercontent.com")),
            members("sts.amazonaws.com", str::to_owned)
        ),
        _ => format!(
            "<OpenIDConnectProviderList>{}</OpenIDConnectProviderList>",
            members(PROVIDER, |line| format!("<Arn>{line}</Arn>"))
        ),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// An answer as its part describes it.
fn answer(words: &str, text: &str) -> Answer {
    let kind = match words {
        _ if words.contains("raw") => Kind::Raw,
        _ if words.contains("error") => Kind::Error,
        _ => Kind::Ok,
    };
    let usual = if kind == Kind::Error { 403 } else { 200 };
    let status = words.split(' ').find_map(|word| word.parse().ok());
    let mut headers = Vec::new();
    let mut text = text;
    while let Some(line) = text.strip_prefix('@') {
        let (line, rest) = line.split_once('\n').unwrap_or((line, ""));
        if let Some((name, value)) = line.split_once(": ")
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !["content-length", "transfer-encoding", "connection"].contains(&&*name.to_lowercase())
        {
            headers.push((name.to_owned(), value.to_owned()));
        }
        text = rest;
    }
    Answer {
        kind,
        status: status.filter(|status| (200..504).contains(status)).unwrap_or(usual),
        headers,
        text: text.to_owned(),
    }
}

/// The parts of a text, each with the words after its name.
fn parts(text: &str) -> BTreeMap<&str, (&str, &str)> {
    let mut parts = BTreeMap::new();
    for part in text.strip_prefix("=== ").unwrap_or(text).split("\n=== ") {
        let (line, text) = part.split_once('\n').unwrap_or((part, ""));
        let (name, words) = line.split_once(' ').unwrap_or((line, ""));
        parts.insert(name, (words, text));
    }
    parts
}

/// What the runner sets, and what the part `job` adds to it.
fn environment(job: &str, plan: &Plan, folder: &str) -> Env {
    let mut env: BTreeMap<String, String> = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_EVENT_NAME", "push"),
        ("GITHUB_JOB", "deploy"),
        ("GITHUB_REF", "refs/heads/main"),
        ("GITHUB_REPOSITORY", "acme/widgets"),
        (
            "GITHUB_WORKFLOW_REF",
            "acme/widgets/.github/workflows/deploy.yml@refs/heads/main",
        ),
        ("GITHUB_WORKSPACE", folder),
        ("HOME", folder),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    env.insert("GITHUB_EVENT_PATH".to_owned(), format!("{folder}/event.json"));
    for service in ["sts", "iam"] {
        let name = format!("AWS_ENDPOINT_URL_{}", service.to_uppercase());
        env.insert(name, format!("{}/{service}", *HERE));
    }
    let mut is_granted = true;
    for line in job.lines() {
        let Some((name, value)) = line.split_once(": ") else {
            match line {
                "keys" => {
                    env.insert("AWS_ACCESS_KEY_ID".to_owned(), "ASIAENVIRONMENT00000".to_owned());
                    env.insert("AWS_SECRET_ACCESS_KEY".to_owned(), ENVIRONMENT[1].clone());
                    env.insert("AWS_SESSION_TOKEN".to_owned(), ENVIRONMENT[0].clone());
                }
                "ungranted" => is_granted = false,
                _ => {}
            }
            continue;
        };
        // These alone decide whom a token may be sent to: to this world, or to no address at all.
        let value = match &*name.to_lowercase() {
            "sts-endpoint" if value == "{H}" => format!("{}/given", *HERE),
            "http-proxy" if value == "{H}" => HERE.clone(),
            "sts-endpoint" | "http-proxy" => "no address".to_owned(),
            _ => plan.written(&value.replace("\\n", "\n")),
        };
        if VARIABLES.contains(&name) {
            env.insert(name.to_owned(), value);
        } else {
            env.insert(format!("INPUT_{}", name.to_uppercase()), value);
        }
    }
    if is_granted {
        env.insert(
            "ACTIONS_ID_TOKEN_REQUEST_URL".to_owned(),
            format!("{}/token?api-version=2.0", *HERE),
        );
        env.insert("ACTIONS_ID_TOKEN_REQUEST_TOKEN".to_owned(), REQUEST_TOKEN.clone());
    }
    env.into_iter().collect()
}

/// The parts of secrets that give them away, forwards and backwards.
struct Runs {
    runs: HashSet<u128>,
    /// By a run's last two letters, whether there may be one.
    ends: Vec<bool>,
}

impl Runs {
    fn of<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut runs = HashSet::new();
        for secret in secrets {
            let backwards: Vec<u8> = secret.bytes().rev().collect();
            for form in [secret.as_bytes(), &backwards] {
                let says = |run: &&[u8]| run.iter().filter(|byte| byte.is_ascii_alphanumeric()).count() >= RUN / 2;
                let packed = |run: &[u8]| run.iter().fold(0, |packed, byte| packed << 8 | u128::from(*byte));
                runs.extend(form.windows(RUN).filter(says).map(packed));
            }
        }
        let mut ends = vec![false; 1 << 16];
        for run in &runs {
            ends[usize::from(*run as u16)] = true;
        }
        Self { runs, ends }
    }

    /// Where a secret is written.
    fn in_text<'a>(&self, text: &'a str) -> Option<&'a str> {
        let mut window = 0_u128;
        for (at, byte) in text.bytes().enumerate() {
            window = window << 8 | u128::from(byte);
            if self.ends[usize::from(window as u16)] && self.runs.contains(&window) {
                return text.get((at + 1).saturating_sub(RUN)..=at);
            }
        }
        None
    }
}

/// What a run writes, all of it, with what it is.
fn written(runs: &[Evidence]) -> Vec<(&'static str, String)> {
    let report = Report::of(runs);
    vec![
        ("console", console::render(&report, Style::default())),
        ("colour", console::render(&report, Style { colour: true, ..Style::default() })),
        ("summary", summary::render(&report)),
        ("json", json::render(&report)),
        ("annotations", github::annotations(&report)),
        (
            "outputs",
            github::outputs(&report).into_iter().map(|(_, value)| value).collect(),
        ),
    ]
}

fuzz_target!(|text: &str| {
    let parts = parts(text);
    let part = |name| parts.get(name).copied().unwrap_or_default();
    let mut world = Plan::default();
    let claims = match part("claims").1 {
        "" => CLAIMS.to_owned(),
        claims => world.written(claims),
    };
    let [header, claims] = [HEADER, &claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    world.token = format!("{header}.{claims}.{}", *SIGNATURE);
    world.answers = ANSWERS.map(|name| (name, answer(part(name).0, part(name).1))).into();
    let token = world.token.clone();

    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let workflow = folder.path().join(".github/workflows/deploy.yml");
    fs::create_dir_all(workflow.parent().expect("it has one")).expect("a folder");
    fs::write(&workflow, world.written(part("workflow").1)).expect("a file");
    fs::write(folder.path().join("event.json"), part("event").1).expect("a file");
    let folder_name = folder.path().to_str().expect("a plain name");
    let env = environment(part("job").1, &world, folder_name);
    *plan() = Some(world);

    let args = match args::parse(["aws-oidc-doctor", "action"].map(Into::into), env.iter()) {
        Ok(Command::Diagnose(args)) => args,
        Ok(_) => unreachable!("it is a step"),
        Err(error) => {
            let secrets = [&*REQUEST_TOKEN, &ENVIRONMENT[0], &ENVIRONMENT[1]].map(|secret| &**secret);
            assert_eq!(
                Runs::of(secrets).in_text(&error.to_string()),
                None,
                "an error of the command line"
            );
            return;
        }
    };
    let masked = RefCell::new(Vec::new());
    let mask = |secret: &str| masked.borrow_mut().push(secret.to_owned());
    let outside = Outside {
        env: &env,
        now: || 1_770_000_000,
        mask: &mask,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let Collected { runs, errors } = runtime.block_on(collect(&args, &outside));
    runtime.shutdown_background();
    let requests = plan().take().map(|plan| plan.requests).unwrap_or_default();

    // What it wrote: a secret that it could know is nowhere, in whole or in part.
    let masked = masked.into_inner();
    let is_given = |secret: &str| masked.iter().any(|masked| masked.contains(secret));
    let mut secrets = vec![&**REQUEST_TOKEN, &ENVIRONMENT[0], &ENVIRONMENT[1]];
    if env.get("AWS_SESSION_TOKEN").is_none() {
        secrets.truncate(1);
    }
    if env.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN").is_none() {
        secrets.remove(0);
    }
    secrets.extend(
        [&*token, &SESSION[0], &SESSION[1]]
            .into_iter()
            .filter(|secret| is_given(secret)),
    );
    let secrets = Runs::of(secrets);
    assert!(!runs.is_empty() && runs.len() <= 10, "{} runs", runs.len());
    let saved: Vec<String> = runs
        .iter()
        .map(|run| serde_json::to_string(run).expect("it is plain data"))
        .collect();
    let replayed: Vec<Evidence> = saved
        .iter()
        .map(|saved| Evidence::from_json(saved).expect("it is read again"))
        .collect();
    let mut all: Vec<_> = written(&runs);
    for (name, text) in &all {
        assert!(text.len() < 1 << 20, "{name}: {} bytes", text.len());
        assert!(*name != "console" || !text.contains("##["), "a command of the runner");
    }
    all.extend(written(&replayed));
    all.extend(saved.into_iter().map(|saved| ("evidence", saved)));
    all.extend(errors.iter().map(|error| ("error", error.to_string())));
    for (name, text) in &all {
        assert_eq!(secrets.in_text(text), None, "a secret in {name}");
        assert!(!text.contains(&token), "the token in {name}");
    }

    // Whom it asked, and for what.
    assert!(ELSEWHERE.0.accept().is_err(), "somebody else was asked");
    let audiences = [
        Audience::of(&args.flags.inputs),
        Audience::of_diagnosis_role(&args.flags.own),
    ];
    let sts = if env.get("INPUT_STS-ENDPOINT").is_some() {
        "/given"
    } else {
        "/sts"
    };
    let is_in_texts = ["workflow", "job"].iter().any(|name| part(name).1.contains("{T}"));
    let mut counts = BTreeMap::new();
    for Request { target, action, whole } in &requests {
        *counts.entry(&**action).or_insert(0_usize) += 1;
        for key in [&SESSION[1], &ENVIRONMENT[1]] {
            assert!(!whole.contains(&**key), "a secret key: {whole}");
        }
        let has_token = whole.contains(&token);
        if target.starts_with("/token") {
            assert!(!has_token, "the token goes back: {whole}");
            let audience = target.rsplit_once("audience=").map_or("", |(_, audience)| audience);
            let audience = percent_decode_str(audience).decode_utf8_lossy();
            assert!(
                audiences.iter().any(|known| known.as_str() == audience),
                "for {audience:?}"
            );
        } else {
            assert!(!whole.contains(&**REQUEST_TOKEN), "the request's token: {whole}");
            let is_attempt = action == "AssumeRoleWithWebIdentity" && target.starts_with(sts);
            assert!(!has_token || is_attempt || is_in_texts, "the token: {whole}");
        }
    }
    for (action, count) in counts {
        assert!(count <= MOST_CALLS, "{action}: {count} times");
    }
});
