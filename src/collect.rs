//! All that is read from outside: arguments and environment to [`Evidence`]. A fact that cannot be had becomes a
//! [`Gap`], and the others are had all the same; calls that do not need each other run side by side.
#![expect(clippy::disallowed_methods, reason = "this is where the environment is read")]

pub mod aws;
pub mod files;
pub mod github;
pub mod http;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use aws_sdk_sts::config::Credentials;
use futures_util::future::join;
use tokio::time::{Instant, timeout_at};

use crate::args::{Args, InputError, place};
use crate::arn::{RoleArn, usual_audience};
use crate::evidence::{Attempt, Clock, Evidence, Gap, Probe, Request, Why, WorkflowFile};
use crate::secrets::Secrets;
use crate::workflow::{self, ConfigureStep};
use aws::{Aws, Reading, Wanted};
use files::Files;
use github::IdToken;
use http::Http;

/// For the whole run; what is known by then is reported.
pub const DEADLINE: Duration = Duration::from_secs(25);

/// The environment. A variable that is empty is not there.
#[derive(Debug, Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// That of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        std::env::vars_os()
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    /// A variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Is a variable there, and empty?
    #[must_use]
    pub fn is_blank(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value.trim().is_empty())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

/// The world, as a run meets it.
pub struct Outside<'a> {
    /// Its environment.
    pub env: &'a Env,
    /// Its clock: seconds since 1970.
    pub now: fn() -> i64,
    /// Takes each secret that is new, a token before anything else sees it, to have it masked in the log.
    pub mask: &'a dyn Fn(&str),
}

/// What was found out.
#[derive(Debug, Default)]
pub struct Collected {
    /// One for each role that was asked for: as a rule one, more where a job configures credentials more than once.
    pub runs: Vec<Evidence>,
    /// Inputs that could not be read.
    pub errors: Vec<InputError>,
}

/// Collects the evidence. Never fails: what is not known is said in it. No secret is in it.
pub async fn collect(args: &Args, outside: &Outside<'_>) -> Collected {
    let secrets = Secrets::of(outside.env.iter());
    let inputs = &args.flags.inputs;
    for address in [&inputs.http_proxy, &inputs.sts_endpoint].into_iter().flatten() {
        secrets.know_address(address);
    }
    let mut collected = gather(args, outside, &secrets).await;
    secrets.hand_over(outside.mask);
    for run in &mut collected.runs {
        *run = std::mem::take(run).scrubbed(&secrets);
    }
    for error in &mut collected.errors {
        for text in [&mut error.place, &mut error.message] {
            *text = secrets.scrub(text).into_owned();
        }
    }
    collected
}

async fn gather(args: &Args, outside: &Outside<'_>, secrets: &Secrets) -> Collected {
    let deadline = Instant::now() + DEADLINE;
    let mut collected = Collected {
        errors: args.errors.clone(),
        ..Collected::default()
    };
    let flags = &args.flags;
    let workspace = outside.env.get("GITHUB_WORKSPACE").unwrap_or(".");
    let workspace = args.action.then(|| Path::new(workspace));
    let files = Files { workspace };
    let mut evidence = Evidence::default();
    let named = |name| place(name, args.action);
    let twice = ["-", "-"] == [&flags.evidence, &flags.claims].map(|path| path.as_deref().unwrap_or_default());
    if twice {
        collected.errors.push(InputError::new(
            "`--claims`",
            "standard input is read by `--evidence` already",
        ));
    }
    if let Some(path) = &flags.evidence {
        evidence = collected
            .keep(files.evidence(&named("evidence"), path))
            .unwrap_or_default();
    }
    if let Some(path) = flags.claims.as_ref().filter(|_| !twice) {
        evidence.token = Some(match collected.keep(files.claims(&named("claims"), path)) {
            Some(token) => Probe::Known(token),
            None => unreadable("claims"),
        });
    }
    if let Some(given) = given(&flags.inputs.trust_policy) {
        evidence.hop.role = Some(
            match collected.keep(files.trust_policy(&named("trust-policy"), given)) {
                Some(role) => Probe::Known(role),
                None => unreadable("trust-policy"),
            },
        );
    }
    if let Some(given) = given(&flags.inputs.oidc_provider) {
        evidence.provider = Some(match collected.keep(files.provider(&named("oidc-provider"), given)) {
            Some(provider) => Probe::Known(provider),
            None => unreadable("oidc-provider"),
        });
    }
    if let Some(path) = given(&flags.inputs.workflow_file) {
        let text = files.text(path, workflow::MAX_BYTES as u64);
        let text = text.map_err(|message| InputError::new(format!("{} (`{path}`)", named("workflow-file")), message));
        evidence.workflow = Some(match collected.keep(text) {
            Some(text) => Probe::Known(WorkflowFile {
                path: path.to_owned(),
                text,
            }),
            None => unreadable("workflow-file"),
        });
    }
    if let Some(text) = &flags.error {
        match &evidence.hop.attempt {
            Some(Probe::Known(Attempt::Allowed { .. } | Attempt::Denied { .. })) => {
                evidence.reported = Some(text.clone())
            }
            _ => evidence.hop.attempt = Some(Probe::Known(Attempt::Reported { text: text.clone() })),
        }
    }
    overlay(&mut evidence.hop.request, flags.inputs.request());
    if flags.evidence.is_some() {
        collected.runs.push(evidence);
        return collected;
    }
    let live = Live {
        args,
        outside,
        secrets,
        deadline,
        in_job: github::is_job(outside.env) && flags.claims.is_none(),
    };
    collected.runs = live.runs(evidence).await;
    collected
}

impl Collected {
    fn keep<T>(&mut self, read: Result<T, InputError>) -> Option<T> {
        read.map_err(|error| self.errors.push(error)).ok()
    }
}

fn given(input: &Option<String>) -> Option<&str> {
    input.as_deref().filter(|text| !text.trim().is_empty())
}

fn unreadable<T>(name: &str) -> Probe<T> {
    Probe::Missing(Gap::unreadable_input(name))
}

/// What is not in files: from the job, GitHub and AWS.
struct Live<'a> {
    args: &'a Args,
    outside: &'a Outside<'a>,
    secrets: &'a Secrets,
    deadline: Instant,
    /// This is the job that cannot assume the role. On a laptop its variables say nothing.
    in_job: bool,
}

/// A token that was asked for.
struct Asked {
    audience: String,
    token: Result<IdToken, Gap>,
    /// When it came, by this machine's clock.
    at: i64,
}

impl Asked {
    fn got(&self) -> Option<&IdToken> {
        self.token.as_ref().ok()
    }
}

impl Live<'_> {
    async fn runs(&self, mut evidence: Evidence) -> Vec<Evidence> {
        let env = self.outside.env;
        let mut requests = vec![evidence.hop.request.clone()];
        if self.in_job {
            evidence.runner = github::runner(env);
            evidence.workflow = evidence.workflow.or_else(|| self.workflow());
            requests = self.requests(&evidence);
        }
        let http = Http::new(env, self.secrets);
        let mut token = None;
        let mut runs = Vec::new();
        for request in requests {
            let mut run = evidence.clone();
            run.hop.request = request;
            match &http {
                Ok(http) => self.hop(&mut run, http, &mut token).await,
                Err(gap) => self.offline(&mut run, gap),
            }
            runs.push(run);
        }
        runs
    }

    /// The workflow file that runs, where the repository is checked out.
    fn workflow(&self) -> Option<Probe<WorkflowFile>> {
        let env = self.outside.env;
        let repository = env.get("GITHUB_REPOSITORY")?;
        // owner/repo/.github/workflows/deploy.yml@refs/heads/main
        let of = env
            .get("GITHUB_WORKFLOW_REF")?
            .strip_prefix(repository)?
            .strip_prefix('/')?;
        let path = of.split_once('@').map_or(of, |(path, _)| path);
        let workspace = Path::new(env.get("GITHUB_WORKSPACE")?);
        let files = Files {
            workspace: Some(workspace),
        };
        Some(match files.text(path, workflow::MAX_BYTES as u64) {
            Ok(text) => Probe::Known(WorkflowFile {
                path: path.to_owned(),
                text,
            }),
            Err(message) => Probe::Missing(Gap::new(
                Why::NotFound,
                format!("`{path}` in the workspace: {message}; check the repository out first (actions/checkout)"),
            )),
        })
    }

    /// What is asked of AWS: the inputs, or else what the job's own configure-aws-credentials steps say.
    fn requests(&self, evidence: &Evidence) -> Vec<Request> {
        let given = &evidence.hop.request;
        let workflow = evidence.workflow.as_ref().and_then(Probe::known);
        let workflow = workflow.and_then(|file| workflow::read(&file.text).ok());
        let job_id = self.outside.env.get("GITHUB_JOB");
        let job = workflow.as_ref().and_then(|workflow| workflow.job(job_id));
        let named = given.role_to_assume.as_deref().is_some_and(|role| !role.is_empty());
        // An input of ours that is written and came out empty: a secret that is not there. That is the finding.
        let empty = job.is_some_and(|job| {
            job.doctor_steps
                .iter()
                .any(|step| step.input("role-to-assume").is_some())
        });
        let steps = match job {
            Some(job) if !named && !empty => &*job.steps,
            _ => &[],
        };
        let oidc: Vec<_> = steps.iter().enumerate().filter(|(_, step)| is_oidc(step)).collect();
        let chosen = match (&*oidc, steps) {
            ([], [first, ..]) => vec![(0, first)],
            _ => oidc,
        };
        let requests: Vec<_> = chosen
            .into_iter()
            .map(|(index, step)| {
                let mut request = step_request(step);
                let step = match &step.name {
                    Some(name) => format!("step `{}`", name.value),
                    None => format!("configure-aws-credentials step {}", index + 1),
                };
                let mut source = format!("{step} of job `{}`", job.map_or("", |job| &job.id.value));
                if request.role_to_assume.is_none() {
                    source += ", whose `role-to-assume` is an expression: pass its value as the input `role-to-assume`";
                }
                request.source = Some(source);
                self.complete(request, given)
            })
            .collect();
        if requests.is_empty() {
            vec![self.complete(known_empty(), given)]
        } else {
            requests
        }
    }

    /// The inputs that were given, over those of the step, over the variables that configure-aws-credentials takes for
    /// inputs (`src/helpers.ts`), over its defaults (`action.yml`).
    fn complete(&self, mut request: Request, given: &Request) -> Request {
        overlay(&mut request, given.clone());
        let env = self.outside.env;
        for (field, variable, default) in [
            (&mut request.role_to_assume, "ROLE_TO_ASSUME", ""),
            (&mut request.aws_region, "AWS_REGION", ""),
            (&mut request.audience, "", "sts.amazonaws.com"),
            (&mut request.role_session_name, "ROLE_SESSION_NAME", "GitHubActions"),
            (&mut request.role_duration_seconds, "ROLE_DURATION_SECONDS", "3600"),
            (&mut request.role_chaining, "ROLE_CHAINING", ""),
            (&mut request.role_external_id, "ROLE_EXTERNAL_ID", ""),
            (&mut request.role_skip_session_tagging, "ROLE_SKIP_SESSION_TAGGING", ""),
            (&mut request.inline_session_policy, "INLINE_SESSION_POLICY", ""),
            (&mut request.managed_session_policies, "MANAGED_SESSION_POLICIES", ""),
            (&mut request.web_identity_token_file, "WEB_IDENTITY_TOKEN_FILE", ""),
            (&mut request.use_existing_credentials, "USE_EXISTING_CREDENTIALS", ""),
            (&mut request.transitive_tag_keys, "TRANSITIVE_TAG_KEYS", ""),
        ] {
            // Unknown stays unknown; empty is filled.
            if field.as_deref() == Some("") {
                *field = Some(env.get(variable).unwrap_or(default).trim().to_owned());
            }
        }
        request
    }

    /// Everything that is asked for one role.
    async fn hop(&self, run: &mut Evidence, http: &Http, asked: &mut Option<Asked>) {
        let request = run.hop.request.clone();
        let arn = RoleArn::parse(request.role_to_assume.as_deref().unwrap_or_default()).ok();
        let partition = arn.as_ref().map_or("aws", |arn| &arn.partition);
        let aws = self.aws(http, &request, partition).await;
        let likely = github::likely_issuer(self.outside.env);
        let issuer = |run: &Evidence| Some(run.token.as_ref()?.known()?.claims.issuer()?.to_owned());
        let issuer = issuer(run).unwrap_or(likely);
        let wanted = arn.as_ref().and_then(|arn| {
            let wanted = Wanted {
                arn,
                account: arn.account.as_deref()?,
                role: run.hop.role.is_none(),
                issuer: run.provider.is_none().then_some(&*issuer),
            };
            (wanted.role || wanted.issuer.is_some()).then_some(wanted)
        });
        let environment = environment_credentials(self.outside.env);
        let asks = self.in_job && run.token.is_none();

        // The attempt waits for the token, and what IAM says waits for nothing but credentials.
        let job_side = async {
            if asks {
                let audience = request.audience.as_deref().unwrap_or("sts.amazonaws.com");
                self.token(http, asked, audience).await;
            }
            let token = asked.as_ref().filter(|_| asks).and_then(Asked::got);
            join(self.attempt(&aws, &request, token), async {
                match (&environment, wanted) {
                    (None, Some(wanted)) => Some(self.read_otherwise(&aws, http, wanted, token).await),
                    _ => None,
                }
            })
            .await
        };
        let account_side = async {
            match (&environment, wanted) {
                (Some(credentials), Some(wanted)) => Some(self.read(&aws, credentials, "environment", wanted).await),
                _ => None,
            }
        };
        let (((attempt, aws_date), otherwise), reading) = join(job_side, account_side).await;

        let asked = asked.as_ref().filter(|_| asks);
        let token = asked.and_then(Asked::got);
        if let Some(asked) = asked {
            run.clock = Some(Clock {
                local: Some(asked.at),
                github: token.and_then(|token| token.date),
                aws: aws_date,
            });
            run.token = Some(match &asked.token {
                Ok(token) => Probe::Known(token.token.clone()),
                Err(gap) => Probe::Missing(gap.clone()),
            });
        }
        run.hop.attempt = match (attempt, run.hop.attempt.take()) {
            (Some(attempt @ Probe::Known(_)), Some(Probe::Known(Attempt::Reported { text }))) => {
                run.reported = Some(text);
                Some(attempt)
            }
            (attempt, reported) => reported.or(attempt),
        };
        if let Some(wanted) = wanted {
            let mut reading = reading.or(otherwise).unwrap_or_default();
            if let Some(credentials) = &environment {
                reading = self
                    .complete_reading(&aws, http, reading, credentials, wanted, token)
                    .await;
            }
            run.reader = reading.reader;
            run.hop.role = run.hop.role.take().or(reading.role);
            run.provider = run.provider.take().or(reading.provider);
            run.providers = reading.providers;
        }
    }

    async fn aws(&self, http: &Http, request: &Request, partition: &str) -> Result<Aws, Gap> {
        let inputs = &self.args.flags.inputs;
        let proxy = (given(&inputs.http_proxy), given(&inputs.no_proxy));
        Aws::new(self.outside.env, http, request, partition, proxy).await
    }

    /// Asks for a token, unless the last one that was asked for has this audience.
    async fn token(&self, http: &Http, asked: &mut Option<Asked>, audience: &str) {
        if asked.as_ref().is_some_and(|last| last.audience == audience) {
            return;
        }
        let token = github::id_token(self.outside.env, http, audience, self.outside.mask);
        let token = timeout_at(self.deadline, token)
            .await
            .unwrap_or_else(|_| Err(late("the ID token service")));
        *asked = Some(Asked {
            audience: audience.to_owned(),
            token,
            at: (self.outside.now)(),
        });
    }

    async fn attempt(
        &self,
        aws: &Result<Aws, Gap>,
        request: &Request,
        token: Option<&IdToken>,
    ) -> (Option<Probe<Attempt>>, Option<i64>) {
        // configure-aws-credentials sends what begins like an ARN, and nothing else.
        let role = request.role_to_assume.as_deref().unwrap_or_default();
        let (Some(token), true, true) = (token, self.args.attempt, role.starts_with("arn:aws")) else {
            return (None, None);
        };
        let aws = match aws {
            Ok(aws) => aws,
            Err(gap) => return (Some(Probe::Missing(gap.clone())), None),
        };
        let answer = timeout_at(self.deadline, aws.attempt(request, &token.raw)).await;
        self.secrets.hand_over(self.outside.mask);
        match answer {
            Ok(answer) => (Some(answer.attempt), answer.date),
            Err(_) => (Some(Probe::Missing(late("STS"))), None),
        }
    }

    async fn read(
        &self,
        aws: &Result<Aws, Gap>,
        credentials: &Credentials,
        source: &str,
        wanted: Wanted<'_>,
    ) -> Reading {
        let aws = match aws {
            Ok(aws) => aws,
            Err(gap) => return Reading::none(wanted, gap),
        };
        let reading = aws.read(credentials.clone(), source, wanted);
        timeout_at(self.deadline, reading)
            .await
            .unwrap_or_else(|_| Reading::none(wanted, &late("IAM")))
    }

    /// With other credentials than the environment's: those of `diagnosis-role`, else the machine's own.
    async fn read_otherwise(
        &self,
        aws: &Result<Aws, Gap>,
        http: &Http,
        wanted: Wanted<'_>,
        token: Option<&IdToken>,
    ) -> Reading {
        let wanted = Wanted {
            issuer: wanted
                .issuer
                .map(|likely| token.and_then(|token| token.token.claims.issuer()).unwrap_or(likely)),
            ..wanted
        };
        let reader = match aws {
            Ok(aws) => {
                let reader = self.reader(aws, http, wanted, token);
                timeout_at(self.deadline, reader)
                    .await
                    .unwrap_or_else(|_| Err(late("STS")))
            }
            Err(gap) => Err(gap.clone()),
        };
        self.secrets.hand_over(self.outside.mask);
        match reader {
            Ok((credentials, source)) => self.read(aws, &credentials, source, wanted).await,
            Err(gap) => Reading::none(wanted, &gap),
        }
    }

    async fn reader(
        &self,
        aws: &Aws,
        http: &Http,
        wanted: Wanted<'_>,
        token: Option<&IdToken>,
    ) -> Result<(Credentials, &'static str), Gap> {
        let env = self.outside.env;
        if let (Some(role), Some(token)) = (given(&self.args.flags.inputs.diagnosis_role), token) {
            let audience = usual_audience(&wanted.arn.partition);
            let credentials = if token.token.claims.audience() == Some(audience) {
                aws.credentials(role.trim(), &token.raw).await?
            } else {
                let token = github::id_token(env, http, audience, self.outside.mask).await?;
                aws.credentials(role.trim(), &token.raw).await?
            };
            return Ok((credentials, "diagnosis-role"));
        }
        let self_hosted = self.in_job && env.get("RUNNER_ENVIRONMENT") == Some("self-hosted");
        if self_hosted || (!self.in_job && has_profile(env)) {
            return Ok((aws.default_chain().await?, "default chain"));
        }
        Err(Gap::new(
            Why::NoCredentials,
            format!("no credentials to read account {} with", wanted.account),
        ))
    }

    /// What the environment's credentials could not read, by others; and the provider of the issuer that the token has,
    /// where it is another than was likely.
    async fn complete_reading(
        &self,
        aws: &Result<Aws, Gap>,
        http: &Http,
        reading: Reading,
        credentials: &Credentials,
        wanted: Wanted<'_>,
        token: Option<&IdToken>,
    ) -> Reading {
        let mut reading = reading;
        let has_other = given(&self.args.flags.inputs.diagnosis_role).is_some()
            || self.outside.env.get("RUNNER_ENVIRONMENT") == Some("self-hosted");
        if reading.is_refused() && has_other {
            let other = self.read_otherwise(aws, http, wanted, token).await;
            return reading.or(other);
        }
        let issuer = token.and_then(|token| token.token.claims.issuer());
        if let (Some(issuer), Some(likely), Ok(aws)) = (issuer, wanted.issuer, aws)
            && issuer != likely
            && !reading.is_refused()
        {
            let read = aws.provider(credentials, &wanted.arn.partition, wanted.account, issuer);
            let read = timeout_at(self.deadline, read).await;
            reading.provider = Some(read.unwrap_or_else(|_| Probe::Missing(late("IAM"))));
        }
        reading
    }

    /// What is left where there is no way to the network.
    fn offline(&self, run: &mut Evidence, gap: &Gap) {
        if self.in_job {
            run.token.get_or_insert_with(|| Probe::Missing(gap.clone()));
        }
    }
}

fn late(who: &str) -> Gap {
    Gap::new(
        Why::TimedOut,
        format!(
            "{who} does not answer within the {} s of a diagnosis: look at proxies and egress rules",
            DEADLINE.as_secs()
        ),
    )
}

/// Keys that an earlier step, configure-aws-credentials perhaps, put into the environment.
fn environment_credentials(env: &Env) -> Option<Credentials> {
    Some(Credentials::new(
        env.get("AWS_ACCESS_KEY_ID")?,
        env.get("AWS_SECRET_ACCESS_KEY")?,
        env.get("AWS_SESSION_TOKEN").map(str::to_owned),
        None,
        "environment",
    ))
}

/// Did the user set AWS up on this machine?
fn has_profile(env: &Env) -> bool {
    let set = [
        "AWS_PROFILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    let home = env.get("HOME").map(Path::new);
    let file = |variable, name| match env.get(variable) {
        Some(path) => Path::new(path).is_file(),
        None => home.is_some_and(|home| home.join(".aws").join(name).is_file()),
    };
    set.iter().any(|name| env.get(name).is_some())
        || file("AWS_SHARED_CREDENTIALS_FILE", "credentials")
        || file("AWS_CONFIG_FILE", "config")
}

/// Does this step ask with the ID token? (configure-aws-credentials, `src/index.ts`.)
fn is_oidc(step: &ConfigureStep) -> bool {
    let set = |name: &str| step.input(name).is_some_and(|value| !value.value.trim().is_empty());
    let on = |name: &str| {
        step.input(name)
            .is_some_and(|value| value.value.eq_ignore_ascii_case("true"))
    };
    set("role-to-assume") && !on("role-chaining") && !set("aws-access-key-id") && !set("web-identity-token-file")
}

/// What a step says: literals; an expression is unknown, and an input that is not there is empty.
fn step_request(step: &ConfigureStep) -> Request {
    let value = |name: &str| match step.input(name) {
        None => Some(String::new()),
        Some(value) if workflow::is_expression(&value.value) => None,
        Some(value) => Some(value.value.trim().to_owned()),
    };
    Request {
        role_to_assume: value("role-to-assume"),
        aws_region: value("aws-region"),
        audience: value("audience"),
        role_session_name: value("role-session-name"),
        role_duration_seconds: value("role-duration-seconds"),
        role_chaining: value("role-chaining").map(|text| text.to_ascii_lowercase()),
        role_external_id: value("role-external-id"),
        role_skip_session_tagging: value("role-skip-session-tagging").map(|text| text.to_ascii_lowercase()),
        inline_session_policy: value("inline-session-policy"),
        managed_session_policies: value("managed-session-policies"),
        allowed_account_ids: value("allowed-account-ids"),
        aws_access_key_id: step
            .input("aws-access-key-id")
            .map_or_else(|| Some(String::new()), |_| Some("***".to_owned())),
        web_identity_token_file: value("web-identity-token-file"),
        force_skip_oidc: value("force-skip-oidc").map(|text| text.to_ascii_lowercase()),
        use_existing_credentials: value("use-existing-credentials"),
        aws_profile: value("aws-profile"),
        custom_tags: value("custom-tags"),
        transitive_tag_keys: value("transitive-tag-keys"),
        sts_endpoint: value("sts-endpoint"),
        source: None,
    }
}

/// A job's inputs are all known: one that is not there is empty.
fn known_empty() -> Request {
    step_request(&ConfigureStep {
        span: crate::source::Span::default(),
        name: None,
        inputs: Vec::new(),
    })
}

/// Lays what was given over a request.
fn overlay(request: &mut Request, given: Request) {
    for (field, given) in [
        (&mut request.role_to_assume, given.role_to_assume),
        (&mut request.aws_region, given.aws_region),
        (&mut request.audience, given.audience),
        (&mut request.role_session_name, given.role_session_name),
        (&mut request.role_duration_seconds, given.role_duration_seconds),
        (&mut request.role_chaining, given.role_chaining),
        (&mut request.role_external_id, given.role_external_id),
        (&mut request.role_skip_session_tagging, given.role_skip_session_tagging),
        (&mut request.inline_session_policy, given.inline_session_policy),
        (&mut request.managed_session_policies, given.managed_session_policies),
        (&mut request.allowed_account_ids, given.allowed_account_ids),
        (&mut request.aws_access_key_id, given.aws_access_key_id),
        (&mut request.web_identity_token_file, given.web_identity_token_file),
        (&mut request.force_skip_oidc, given.force_skip_oidc),
        (&mut request.use_existing_credentials, given.use_existing_credentials),
        (&mut request.aws_profile, given.aws_profile),
        (&mut request.custom_tags, given.custom_tags),
        (&mut request.transitive_tag_keys, given.transitive_tag_keys),
        (&mut request.sts_endpoint, given.sts_endpoint),
    ] {
        if given.is_some() {
            *field = given;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKFLOW: &str = "
jobs:
  deploy:
    runs-on: x
    steps:
      - uses: aws-actions/configure-aws-credentials@v6
        with: {role-to-assume: 'arn:aws:iam::1:role/a', aws-region: eu-west-1, role-chaining: True}
      - name: First
        uses: aws-actions/configure-aws-credentials@v6
        with: {role-to-assume: 'arn:aws:iam::1:role/b', aws-region: '${{ vars.REGION }}'}
      - uses: aws-actions/configure-aws-credentials@v6
        with: {role-to-assume: '${{ secrets.ROLE }}', role-duration-seconds: 900}
  pasted:
    runs-on: x
    steps:
      - uses: acme/aws-oidc-doctor@v1
        with: {role-to-assume: '${{ secrets.ROLE }}'}
      - uses: aws-actions/configure-aws-credentials@v6
        with: {role-to-assume: '${{ secrets.ROLE }}'}
";

    /// The requests of a job with this workflow, these variables and this input.
    fn requests(variables: &[(&str, &str)], role: Option<&str>) -> Vec<Request> {
        let env: Env = variables.iter().copied().collect();
        let outside = Outside {
            env: &env,
            now: || 0,
            mask: &|_| (),
        };
        let args = Args::default();
        let live = Live {
            args: &args,
            outside: &outside,
            secrets: &Secrets::default(),
            deadline: Instant::now(),
            in_job: true,
        };
        let mut evidence = Evidence {
            workflow: Some(Probe::Known(WorkflowFile {
                path: "w.yml".to_owned(),
                text: WORKFLOW.to_owned(),
            })),
            ..Evidence::default()
        };
        evidence.hop.request.role_to_assume = role.map(str::to_owned);
        live.requests(&evidence)
    }

    #[test]
    fn without_an_input_the_steps_of_the_job_are_asked_for() {
        let found = requests(&[("GITHUB_JOB", "deploy"), ("AWS_REGION", "us-east-2")], None);
        let [first, second] = &*found else { panic!("{found:?}") };
        assert_eq!(first.role_to_assume.as_deref(), Some("arn:aws:iam::1:role/b"));
        assert_eq!(first.source.as_deref(), Some("step `First` of job `deploy`"));
        // An expression is unknown; an input that is not there is the variable's, or the default.
        assert_eq!(first.aws_region, None);
        assert_eq!(second.role_to_assume, None);
        assert_eq!(second.aws_region.as_deref(), Some("us-east-2"));
        assert_eq!(second.role_duration_seconds.as_deref(), Some("900"));
        assert_eq!(second.audience.as_deref(), Some("sts.amazonaws.com"));
        assert_eq!(
            second.source.as_deref(),
            Some(
                "configure-aws-credentials step 3 of job `deploy`, whose `role-to-assume` is an expression: pass its value as the input `role-to-assume`"
            )
        );
    }

    #[test]
    fn an_input_comes_before_the_steps() {
        let found = requests(&[("GITHUB_JOB", "deploy")], Some("arn:aws:iam::1:role/c"));
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].role_to_assume.as_deref(), &found[0].source),
            (Some("arn:aws:iam::1:role/c"), &None)
        );
        assert_eq!(found[0].role_session_name.as_deref(), Some("GitHubActions"));
        // Written in our own step, and empty all the same.
        let found = requests(&[("GITHUB_JOB", "pasted")], None);
        assert_eq!(found[0].role_to_assume.as_deref(), Some(""));
        let found = requests(&[("GITHUB_JOB", "pasted"), ("ROLE_TO_ASSUME", "arn:x")], None);
        assert_eq!(found[0].role_to_assume.as_deref(), Some("arn:x"));
        assert_eq!(
            requests(&[("GITHUB_JOB", "other")], None)[0].role_to_assume.as_deref(),
            Some("")
        );
    }

    #[test]
    fn at_the_deadline_what_is_known_is_reported() {
        // Accepts, and never answers.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/token?v=1", silent.local_addr().unwrap());
        let env: Env = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_EVENT_NAME", "push"),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", &*url),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "key"),
        ]
        .into_iter()
        .collect();
        let args = Args {
            attempt: true,
            ..Args::default()
        };
        let outside = Outside {
            env: &env,
            now: || 7,
            mask: &|_| (),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut evidence = Evidence::default();
        evidence.hop.request.role_to_assume = Some("arn:aws:iam::123456789012:role/a".to_owned());
        evidence.hop.request.sts_endpoint = Some(url.clone());
        evidence.hop.role = Some(Probe::Known(crate::evidence::Role::default()));
        evidence.provider = Some(Probe::Known(crate::evidence::Provider::default()));
        let runs = runtime.block_on(async {
            let live = Live {
                args: &args,
                outside: &outside,
                secrets: &Secrets::default(),
                deadline: Instant::now(),
                in_job: true,
            };
            live.runs(evidence).await
        });
        let gap = runs[0].token.as_ref().unwrap().gap().unwrap();
        assert_eq!(gap.why, Why::TimedOut);
        assert!(gap.detail.contains("within the 25 s of a diagnosis"), "{}", gap.detail);
        assert_eq!(runs[0].runner.as_ref().unwrap().event_name.as_deref(), Some("push"));
        assert!(runs[0].hop.role.as_ref().unwrap().known().is_some());
        assert_eq!(runs[0].clock.unwrap().local, Some(7));
    }
}
