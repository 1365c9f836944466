//! Everything read from outside: from arguments and environment to [`Evidence`]. A fact that can't be obtained becomes a
//! [`Gap`] and doesn't hold up the others; independent calls run side by side.
#![expect(clippy::disallowed_methods, reason = "this is where the environment is read")]

mod api;
pub(crate) mod aws;
pub(crate) mod expectations;
pub(crate) mod files;
pub(crate) mod github;
pub(crate) mod http;
mod live;
pub(crate) mod origin;
pub(crate) mod repository;
mod requests;
mod running;
pub(crate) mod sources;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use aws_sdk_sts::config::Credentials;
use futures_util::future::{join, join3};
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, timeout_at};

use crate::args::{Args, InputError, place};
use crate::aws::arn::RoleArn;
use crate::configure::{Around, Flow, Input, Inputs, REQUIRED_VARIABLES};
use crate::evidence::{
    AttachedPolicy, Attempt, Clock, CredentialSource, Environment, Evidence, Gap, Hop, Identity, MOST_HOPS, MOST_RUNS,
    Probe, Request, Runs, Why, WorkflowFile,
};
use crate::github::claims::Token;
use crate::github::workflow;
use crate::secrets::Secrets;
use api::Api;
use aws::{Answered, Aws, Reading, Wanted, Where};
use files::Files;
use github::IdToken;
use http::Http;
use origin::Audience;
use requests::Requests;
use running::Running;

/// Time limit for the whole run; whatever is known by then is reported.
pub(crate) const DEADLINE: Duration = Duration::from_secs(25);

/// The environment. An empty variable counts as unset.
#[derive(Debug, Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        std::env::vars_os()
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    /// Returns a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a variable is set but empty.
    #[must_use]
    pub fn is_blank(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value.trim().is_empty())
    }

    /// Iterates over all variables.
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

/// The outside world of a run.
pub struct Outside<'a> {
    /// Its environment.
    pub env: &'a Env,
    /// Its clock: seconds since 1970.
    pub now: fn() -> i64,
    /// Called with each new secret (a token before anything else sees it) to have it masked in the log.
    pub mask: &'a dyn Fn(&str),
}

/// What was found.
#[derive(Debug, Default)]
pub struct Collected {
    /// One per role: usually one, several if a job configures credentials more than once.
    pub runs: Vec<Evidence>,
    /// Inputs that couldn't be read.
    pub errors: Vec<InputError>,
}

/// Collects the evidence. Never fails: what isn't known is recorded as such. Contains no secrets.
pub async fn collect(args: &Args, outside: &Outside<'_>) -> Collected {
    let secrets = Secrets::of(outside.env.iter());
    let inputs = &args.flags.inputs;
    for input in [Input::HttpProxy, Input::StsEndpoint] {
        secrets.know_address(inputs.get(input).unwrap_or_default());
    }
    let keys = [Input::AwsAccessKeyId, Input::AwsSecretAccessKey, Input::AwsSessionToken];
    let keys = keys.into_iter().filter_map(|input| inputs.key(input));
    for secret in keys.chain(&args.flags.own.github_token) {
        secrets.add(secret.expose_secret());
    }
    secrets.hand_over(outside.mask);
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
    // A command stops at unreadable input; a step still reports what is known, since repeating it costs a run.
    if !args.action && !collected.errors.is_empty() {
        return collected;
    }
    let flags = &args.flags;
    let workspace = outside.env.get("GITHUB_WORKSPACE").unwrap_or(".");
    let workspace = args.action.then(|| Path::new(workspace));
    let files = Files { workspace };
    let named = |name| place(name, args.action);
    let saved = flags.evidence.as_ref().map(|path| {
        let saved = collected.keep(files.evidence(&named("evidence"), path));
        saved.map_or_else(|| vec![Evidence::default()], |Runs(runs)| runs)
    });
    let mut evidence = Evidence::default();
    if let Some(path) = &flags.claims {
        evidence.token = Some(match collected.keep(files.claims(&named("claims"), path)) {
            Some(token) => Probe::Known(token),
            None => unreadable("claims"),
        });
    }
    if let Some(given) = given(&flags.own.trust_policy) {
        evidence.role = Some(
            match collected.keep(files.trust_policy(&named("trust-policy"), given)) {
                Some(role) => Probe::Known(role),
                None => unreadable("trust-policy"),
            },
        );
    }
    if let Some(given) = given(&flags.own.oidc_provider) {
        evidence.provider = Some(match collected.keep(files.provider(&named("oidc-provider"), given)) {
            Some(provider) => Probe::Known(provider),
            None => unreadable("oidc-provider"),
        });
    }
    let policies = caller_policies(&flags.own.caller_policy, |given| {
        collected.keep(files.caller_policy(&named("caller-policy"), given))
    });
    if !flags.own.caller_policy.iter().all(|given| given.trim().is_empty()) {
        evidence.caller = Some(Identity {
            identity_policies: Some(match policies {
                Some(policies) => Probe::Known(policies),
                None => unreadable("caller-policy"),
            }),
            ..Identity::default()
        });
    }
    if let Some(path) = given(&flags.own.workflow_file) {
        let text = files.text(path, workflow::MAX_BYTES as u64);
        let text = text.map_err(|message| InputError::new(format!("{} (`{path}`)", named("workflow-file")), message));
        evidence.workflow = Some(match collected.keep(text) {
            Some(text) => Probe::Known(WorkflowFile {
                path: path.to_owned(),
                text,
                ..WorkflowFile::default()
            }),
            None => unreadable("workflow-file"),
        });
    }
    if let Some(text) = &flags.own.error {
        evidence.reported = collected.keep(files.message(&named("error"), text));
    }
    if !args.action && !collected.errors.is_empty() {
        return collected;
    }
    let saved = saved.or_else(|| args.files_alone.then(|| vec![Evidence::default()]));
    if let Some(saved) = saved {
        // Several runs are all that the job asked for.
        let is_one = saved.len() == 1;
        let given = saved.into_iter().map(|run| over(run, evidence.clone(), &flags.inputs));
        let runs = given.flat_map(|run| match requests::anew(&run, args, secrets).filter(|_| is_one) {
            Some(asked) => apart(&run, asked),
            None => vec![run],
        });
        collected.runs = runs.take(MOST_RUNS).collect();
        if let Some(last) = collected.runs.last_mut() {
            let mut requests = vec![last.request.clone()];
            requests.extend(last.chain.iter().map(|hop| hop.request.clone()));
            let known = requests.len();
            then(&flags.own.then, &mut requests, &mut last.left_out);
            last.chain.extend(requests.into_iter().skip(known).map(|request| Hop {
                request,
                ..Hop::default()
            }));
        }
        if let Some(caller) = evidence.caller {
            for run in &mut collected.runs {
                ask_by(run, caller.clone());
            }
        }
        return collected;
    }
    let caller = evidence.caller.take();
    let evidence = Evidence {
        caller,
        ..over(Evidence::default(), evidence, &flags.inputs)
    };
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

/// Overlays what was given on what a run has.
fn over(mut run: Evidence, given: Evidence, inputs: &Inputs) -> Evidence {
    run.token = given.token.or(run.token);
    run.role = given.role.or(run.role);
    run.provider = given.provider.or(run.provider);
    run.workflow = given.workflow.or(run.workflow);
    if let Some(text) = given.reported {
        match &run.attempt {
            Some(Probe::Known(Attempt::Allowed { .. } | Attempt::Denied { .. })) => run.reported = Some(text),
            _ => run.attempt = Some(Probe::Known(Attempt::Reported { text })),
        }
    }
    run.request.inputs.overlay(inputs);
    // A given input is no longer unknown.
    let is_given = |name: &str| Input::named(name).is_some_and(|input| inputs.given(input).is_some());
    run.request.not_known.retain(|name, _| !is_given(name));
    run.request.faults.retain(|name, _| !is_given(name));
    run
}

/// One run per request; a chained request becomes a hop of the run before it.
fn apart(run: &Evidence, asked: Requests) -> Vec<Evidence> {
    let mut runs: Vec<Evidence> = Vec::new();
    for (index, request) in asked.requests.into_iter().enumerate() {
        let giver = asked.keys_of.get(&index);
        let goes_on = request.is_on(Input::RoleChaining) || giver.is_some_and(|giver| giver + 1 == index);
        match runs.last_mut().filter(|_| goes_on) {
            Some(before) => before.chain.push(Hop {
                request,
                ..Hop::default()
            }),
            None => runs.push(Evidence { request, ..run.clone() }),
        }
    }
    if let Some(last) = runs.last_mut() {
        last.left_out.extend(asked.left_out);
    }
    runs
}

/// The policies belong to the first caller: in a chain that begins with the token, that is the second hop.
fn ask_by(run: &mut Evidence, given: Identity) {
    let is_first = run.chain.is_empty() || run.request.is_on(Input::RoleChaining) || run.caller.is_some();
    let caller = match run.chain.first_mut().filter(|_| !is_first) {
        Some(hop) => &mut hop.caller,
        None => &mut run.caller,
    };
    caller.get_or_insert_default().identity_policies = given.identity_policies;
}

/// The caller's policies, each a file or JSON text; files one per line. `None` if any of them can't be read.
fn caller_policies(given: &[String], read: impl FnMut(&str) -> Option<AttachedPolicy>) -> Option<Vec<AttachedPolicy>> {
    let each = given.iter().flat_map(|given| match given.trim_start() {
        json if json.starts_with('{') => vec![json],
        paths => paths.lines().map(str::trim).filter(|path| !path.is_empty()).collect(),
    });
    let read: Vec<Option<AttachedPolicy>> = each.map(read).collect();
    read.into_iter().collect()
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

/// Everything that isn't in files: from the job, GitHub and AWS.
struct Live<'a> {
    args: &'a Args,
    outside: &'a Outside<'a>,
    secrets: &'a Secrets,
    deadline: Instant,
    /// Whether this is the job that can't assume the role. On a laptop, the job's variables mean nothing.
    in_job: bool,
}

/// What the steps so far left behind: sessions are kept for later hops and dropped at the end.
#[derive(Default)]
struct Trail {
    /// The session that the last one exported.
    session: Option<Credentials>,
    /// Sessions written to profiles.
    profiles: BTreeMap<String, Credentials>,
    /// The profile exported as `AWS_PROFILE`, which takes precedence over the variables.
    profile: Option<String>,
    /// A step since then that was passed over: what it exported is in the environment by now, or unknown.
    unseen: Option<Request>,
    /// Why the next step's starting credentials are unknown.
    broken: Option<&'static str>,
}

/// The keys that a step has as its outputs, in memory.
#[derive(Clone)]
enum Outputs {
    /// None: they are empty.
    Empty,
    /// Those of its session.
    Keys(Credentials),
    /// Not known: the step failed, or wasn't tried.
    Unknown,
}

impl Trail {
    /// Records the session that a step ended with.
    fn take(&mut self, request: &Request, session: Credentials) {
        if let Some(profile) = request.given(Input::AwsProfile) {
            self.profiles.insert(profile.to_owned(), session.clone());
            if request.exports() {
                self.profile = Some(profile.to_owned());
            }
        }
        if request.exports() {
            self.session = Some(session);
            self.unseen = None;
        }
    }

    /// The session that the SDK's default chain finds in the named profile, or in the default one.
    fn of_profile(&self, named: bool) -> Option<&Credentials> {
        let profile = if named { self.profile.as_deref()? } else { "default" };
        self.profiles.get(profile)
    }
}

/// The flow that a step takes, and its credentials.
struct Way {
    flow: Flow,
    /// What its call is signed with.
    credentials: Result<Credentials, Gap>,
    /// Whose credentials these are.
    caller: Option<Identity>,
    /// The account that completes a role name.
    account: Option<String>,
    /// AWS rejected them, or didn't say whose they are.
    refused: Option<Probe<Attempt>>,
    /// Why there are no credentials that the step could keep.
    nothing_to_keep: Option<Gap>,
    /// Why a call that AWS grants doesn't show that the step succeeds.
    doubt: Option<Gap>,
}

/// A token that was requested.
struct Asked {
    audience: Audience,
    token: Result<IdToken, Gap>,
    /// When it arrived, by this machine's clock.
    at: i64,
}

/// What is requested once for all roles of a job.
#[derive(Default)]
struct Shared {
    tokens: Tokens,
    /// Audiences a token may be requested for, besides the input's or the default.
    audiences: Vec<Audience>,
    /// What IAM says about the given role, by its ARN.
    reading: Option<(String, Reading)>,
    environment: Option<Probe<Environment>>,
}

/// Tokens by audience.
#[derive(Default)]
struct Tokens(Vec<Asked>);

impl Tokens {
    fn of(&self, audience: &Audience) -> Option<&Asked> {
        self.0.iter().find(|asked| asked.audience.as_str() == audience.as_str())
    }
}

impl Asked {
    fn got(&self) -> Option<&IdToken> {
        self.token.as_ref().ok()
    }
}

impl Live<'_> {
    async fn runs(&self, evidence: Evidence) -> Vec<Evidence> {
        let env = self.outside.env;
        let http = Http::new(env, self.secrets);
        let token = self.args.flags.own.github_token.as_ref();
        let token = token.filter(|token| self.in_job && !token.expose_secret().trim().is_empty());
        let api = http.as_ref().ok().zip(token);
        let api = api.and_then(|(http, token)| Api::new(env, http, token, self.deadline));
        let job = async {
            match self.in_job {
                true => self.job(evidence, &http, api.as_ref()).await,
                false => {
                    let asked = requests::anew(&evidence, self.args, self.secrets);
                    let asked = asked.unwrap_or_else(|| Requests::of(evidence.request.clone()));
                    self.hops(evidence, asked, &http, None, &mut Shared::default()).await
                }
            }
        };
        let about = async {
            let api = api.as_ref()?;
            Some(join(api.repository(), api.subject_template()).await)
        };
        // These don't wait for each other: the longest chain is the token, then STS.
        let (mut runs, about) = join(job, about).await;
        if let Some((repository, template)) = about {
            for run in &mut runs {
                run.repository = Some(repository.clone().into());
                run.subject_template = Some(template.clone().into());
            }
        }
        runs
    }

    /// Everything this job asks for.
    async fn job(&self, mut evidence: Evidence, http: &Result<Http, Gap>, api: Option<&Api<'_>>) -> Vec<Evidence> {
        let env = self.outside.env;
        evidence.runner = github::runner(env);
        let is_given = evidence.workflow.is_some();
        let running = Running::of(env, api);
        let workflow = async { running.as_ref().filter(|_| !is_given)?.workflow().await };
        let mut shared = Shared::default();
        // The workflow says which role it is and what else the step has. The token doesn't wait for that.
        let token = async {
            let asks =
                api.is_some() && evidence.token.is_none() && evidence.request.flow(self.around(None)) == Flow::Oidc;
            if let Some(http) = http.as_ref().ok().filter(|_| asks) {
                let audience = Audience::of(&self.args.flags.inputs);
                let attempts = evidence.request.attempts();
                self.token(http, attempts, &mut shared.tokens, &audience).await;
            }
        };
        let (workflow, (), reading) = join3(workflow, token, self.read_ahead(&evidence, http)).await;
        shared.reading = reading;
        evidence.workflow = evidence.workflow.or(workflow);
        let asked = self.asked(&evidence, running.as_ref()).await;
        self.hops(evidence, asked, http, api, &mut shared).await
    }

    /// What IAM says about a role given with its region: this needn't wait for the workflow.
    async fn read_ahead(&self, evidence: &Evidence, http: &Result<Http, Gap>) -> Option<(String, Reading)> {
        let env = self.outside.env;
        let role = evidence.request.given(Input::RoleToAssume)?;
        evidence.request.given(Input::AwsRegion)?;
        let credentials = environment_credentials(env)?;
        let arn = RoleArn::parse(role).ok()?;
        let flow = evidence.request.flow(self.around(None));
        let issuer = github::likely_issuer(env);
        let wanted = wanted(evidence, &arn, flow, &issuer)?;
        let aws = Aws::new(
            env,
            http.as_ref().ok()?,
            &self.args.flags.inputs,
            &evidence.request,
            &arn.partition,
        );
        let reading = self
            .read(&aws, &credentials, &CredentialSource::Environment, wanted)
            .await;
        Some((role.to_owned(), reading))
    }

    /// What the job asks for. Local actions and called workflows are read as they are encountered.
    async fn asked(&self, evidence: &Evidence, running: Option<&Running<'_>>) -> Requests {
        loop {
            let proof = running.and_then(Running::proof);
            let asked = self.requests(evidence, proof, &|path| running?.file(path));
            match running {
                Some(running) if running.read_missed().await => {}
                _ => return asked,
            }
        }
    }

    /// One run per role, with the hops of a chain.
    async fn hops(
        &self,
        mut evidence: Evidence,
        asked: Requests,
        http: &Result<Http, Gap>,
        api: Option<&Api<'_>>,
        shared: &mut Shared,
    ) -> Vec<Evidence> {
        let Requests {
            mut requests,
            mut left_out,
            contexts,
            audiences,
            keys_of,
            mut unseen,
        } = asked;
        evidence.contexts = contexts;
        shared.audiences = audiences;
        then(&self.args.flags.own.then, &mut requests, &mut left_out);
        let mut runs: Vec<Evidence> = Vec::new();
        let mut trail = Trail::default();
        let mut caller = evidence.caller.take();
        let mut outputs: BTreeMap<usize, Outputs> = BTreeMap::new();
        for (index, mut request) in requests.into_iter().enumerate() {
            let giver = keys_of.get(&index);
            let mut keys = giver.map(|giver| outputs.get(giver).cloned().unwrap_or(Outputs::Unknown));
            if matches!(keys, Some(Outputs::Empty)) {
                let why =
                    "the step whose output it is keeps the credentials that it finds, and has none as its outputs";
                request.empty_keys(why.to_owned());
                keys = None;
            }
            let way = request.flow(self.around(None));
            let goes_on = match way {
                Flow::AccessKey if !request.loses_keys() => giver.is_some_and(|giver| giver + 1 == index),
                Flow::AccessKey | Flow::Ambient | Flow::Chaining => true,
                _ => false,
            };
            let passed_over = unseen.remove(&index);
            let is_after_unseen = goes_on && passed_over.is_some();
            // A step that continues with what the previous one exported is a hop of its chain.
            let before = runs.last_mut().filter(|_| goes_on && !is_after_unseen);
            let mut run = if before.is_some() {
                Evidence {
                    runner: evidence.runner.clone(),
                    ..Evidence::default()
                }
            } else {
                trail.broken = None;
                evidence.clone()
            };
            if let Some(passed_over) = passed_over {
                trail = Trail {
                    unseen: Some(passed_over),
                    ..Trail::default()
                };
            }
            run.request = request;
            if matches!(way, Flow::AccessKey | Flow::Ambient | Flow::Chaining) {
                run.caller = caller.take();
            }
            // After a break no call is made, but the caller would be known.
            let would = before.as_deref().filter(|_| trail.broken.is_some());
            let would = would.and_then(|before| {
                let last = before.hops().last()?;
                match keys.is_some() && !run.request.loses_keys() {
                    true => last.issued(),
                    false => last.session(),
                }
            });
            let found = match http {
                // The future is large, and the stack isn't.
                Ok(http) => Box::pin(self.hop(&mut run, (http, api), shared, &mut trail, (keys, would))).await,
                Err(gap) => {
                    self.offline(&mut run, gap);
                    Outputs::Unknown
                }
            };
            outputs.insert(index, found);
            match before {
                Some(before) => before.chain.push(run.into_hop()),
                None => runs.push(run),
            }
        }
        if let Some(last) = runs.last_mut() {
            last.left_out = left_out;
        }
        runs
    }

    /// What is known of a step's context in this job.
    fn around(&self, valid: Option<bool>) -> Around {
        let may_ask = self.outside.env.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN").is_some();
        Around {
            may_ask: self.in_job.then_some(may_ask),
            valid,
        }
    }

    /// Collects everything for one role.
    async fn hop(
        &self,
        run: &mut Evidence,
        (http, api): (&Http, Option<&Api<'_>>),
        shared: &mut Shared,
        trail: &mut Trail,
        (keys, would): (Option<Outputs>, Option<Identity>),
    ) -> Outputs {
        let Shared {
            tokens,
            audiences,
            reading: ahead,
            environment: protected,
        } = shared;
        let request = run.request.clone();
        let is_its = |audience: &&Audience| request.get(Input::Audience) == Some(audience.as_str());
        let audience = audiences.iter().find(is_its).cloned();
        let audience = audience.unwrap_or_else(|| Audience::of(&self.args.flags.inputs));
        let arn = RoleArn::parse(request.get(Input::RoleToAssume).unwrap_or_default()).ok();
        let partition = arn.as_ref().map_or("aws", |arn| &arn.partition);
        let aws = Aws::new(self.outside.env, http, &self.args.flags.inputs, &request, partition);
        if trail.broken.is_none() && self.begins_unknown(&aws, &request, trail).await {
            trail.broken = Some(
                "a step before this one has its credentials among its inputs, so what this one begins with is not known here",
            );
        }
        let is_broken = trail.broken.is_some();
        let way = self.way(&aws, &request, trail, keys.as_ref()).await;
        // A step that keeps the credentials at hand has none as its outputs. (`src/index.ts`)
        let mut outputs = match way.flow.keeps() {
            true => Outputs::Empty,
            false => Outputs::Unknown,
        };
        if let Some(why) = self.profile_fault(&request, trail) {
            run.request.faults.insert(Input::AwsProfile.name().to_owned(), why);
        }
        if way.flow == Flow::TokenFile && run.token.is_none() {
            run.token = self.token_of_file(&request);
        }
        let likely = github::likely_issuer(self.outside.env);
        let issuer = |run: &Evidence| Some(run.token.as_ref()?.known()?.claims.issuer()?.to_owned());
        let issuer = issuer(run).unwrap_or(likely);
        let needs_provider = needs_provider(way.flow);
        let wanted = arn.as_ref().and_then(|arn| wanted(run, arn, way.flow, &issuer));
        let session = trail
            .session
            .clone()
            .map(|session| (session, CredentialSource::HopBefore));
        let environment = session.or_else(|| {
            Some((
                environment_credentials(self.outside.env)?,
                CredentialSource::Environment,
            ))
        });
        let asks = self.in_job
            && run.token.is_none()
            && (needs_provider || given(&self.args.flags.own.diagnosis_role).is_some());

        // The attempt waits for the token; IAM only needs credentials.
        let job_side = async {
            if asks {
                self.token(http, request.attempts(), tokens, &audience).await;
            }
            let token = tokens.of(&audience).filter(|_| asks).and_then(Asked::got);
            let otherwise = async {
                match (&environment, wanted) {
                    (None, Some(wanted)) => Some(self.read_otherwise(&aws, http, wanted, token).await),
                    _ => None,
                }
            };
            let name = token.and_then(|token| token.token.claims.text("environment"));
            let protection = async {
                if let (Some(api), Some(name), None) = (api, name, &protected) {
                    *protected = Some(api.environment(name).await.into());
                }
            };
            let attempt = self.attempt(&aws, &request, &way, token, trail);
            let (made, otherwise, ()) = join3(attempt, otherwise, protection).await;
            (made, otherwise)
        };
        let is_read = |(role, _): &mut (String, Reading)| {
            let is_environments = matches!(environment, Some((_, CredentialSource::Environment)));
            is_environments && request.given(Input::RoleToAssume) == Some(&**role)
        };
        let ahead = ahead
            .take_if(is_read)
            .filter(|_| wanted.is_some_and(|wanted| wanted.issuer.is_some()));
        let account_side = async {
            match (&environment, wanted) {
                _ if ahead.is_some() => ahead.map(|(_, reading)| reading),
                (Some((credentials, source)), Some(wanted)) => Some(self.read(&aws, credentials, source, wanted).await),
                _ => None,
            }
        };
        let ((made, otherwise), reading) = join(job_side, account_side).await;
        let (attempt, aws_date) = match made {
            Some(answered) => {
                if let Some(session) = answered.session {
                    outputs = Outputs::Keys(session.clone());
                    trail.take(&request, session);
                }
                (Some(answered.attempt), answered.date)
            }
            None => (None, None),
        };
        run.environment = protected.clone();
        let is_written = run.request.profile_fault().is_none() || way.flow == Flow::Existing;
        let ends_well =
            matches!(attempt, Some(Probe::Known(Attempt::Allowed { .. }))) || request.does_nothing(way.flow);
        let is_denied = matches!(attempt, Some(Probe::Known(Attempt::Denied { .. })));
        let is_open = way.doubt.is_some() && !is_denied;
        if !is_written || !ends_well && !is_open {
            trail.broken.get_or_insert(if request.names_no_role() {
                "the role of the step before this one is not known, so neither is the session that this one begins with"
            } else {
                "the step before this one ends without credentials, so the job never gets to it"
            });
        }
        let given = run.caller.take();
        run.caller = match (way.caller.or(would), given) {
            (Some(caller), Some(given)) => Some(Identity {
                identity_policies: given.identity_policies,
                ..caller
            }),
            (caller, given) => caller.or(given),
        };
        // The caller's policies are read if AWS denies the call, or if the chain broke before the call could be made.
        let at_hand = match &attempt {
            Some(Probe::Known(Attempt::Denied { .. })) => Some(way.credentials.as_ref().ok()),
            _ if is_broken => Some(environment.as_ref().map(|(credentials, _)| credentials)),
            _ => None,
        };
        if let Some(credentials) = at_hand {
            let token = tokens.of(&audience).filter(|_| asks).and_then(Asked::got);
            self.read_caller(run, &aws, http, credentials, token).await;
        }
        // A token requested only to read from IAM isn't what the step sends.
        let asked = tokens.of(&audience).filter(|_| asks && needs_provider);
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
        run.attempt = match (attempt, run.attempt.take()) {
            (Some(attempt @ Probe::Known(_)), Some(Probe::Known(Attempt::Reported { text }))) => {
                run.reported = Some(text);
                Some(attempt)
            }
            (attempt, reported) => reported.or(attempt),
        };
        if let Some(wanted) = wanted {
            let mut reading = reading.or(otherwise).unwrap_or_default();
            if let Some((credentials, _)) = &environment {
                reading = self
                    .complete_reading(&aws, http, reading, credentials, wanted, token)
                    .await;
            }
            run.reader = reading.reader;
            run.role = run.role.take().or(reading.role);
            run.provider = run.provider.take().or(reading.provider);
            run.providers = reading.providers;
        }
        outputs
    }

    /// Requests the job's token, once for all roles with this audience.
    async fn token(&self, http: &Http, attempts: u32, tokens: &mut Tokens, audience: &Audience) {
        if tokens.of(audience).is_some() {
            return;
        }
        let token = github::id_token(self.outside.env, http, audience, attempts, self.outside.mask);
        let token = timeout_at(self.deadline, token)
            .await
            .unwrap_or_else(|_| Err(late("the ID token service")));
        tokens.0.push(Asked {
            audience: audience.clone(),
            token,
            at: (self.outside.now)(),
        });
    }

    /// The flow that the step takes, and whose credentials it uses.
    async fn way(&self, aws: &Result<Aws, Gap>, request: &Request, trail: &Trail, keys: Option<&Outputs>) -> Way {
        let mut way = Way {
            flow: request.flow(self.around(None)),
            credentials: Err(Gap::new(Why::NoCredentials, "no AWS credentials are available")),
            caller: None,
            account: None,
            refused: None,
            nothing_to_keep: None,
            doubt: None,
        };
        let Ok(aws) = aws else { return way };
        // Faults that stop the step before it looks at any credentials.
        let is_stopped = request.stop(Flow::Existing).is_some() || way.flow == Flow::Nothing;
        if is_stopped || trail.broken.is_some() || !self.in_job || !self.args.attempt {
            return way;
        }
        let until = (self.deadline, request.attempts());
        let mut memoized = None;
        let at_hand = || self.at_hand(aws, request, trail);
        if request.is_on(Input::UseExistingCredentials) {
            match at_hand().await {
                Ok((credentials, source)) => match aws.caller(&credentials, &source, until).await {
                    Ok(caller) => {
                        way.flow = request.flow(self.around(Some(true)));
                        way.credentials = Ok(credentials);
                        way.caller = Some(caller);
                        return way;
                    }
                    // The action's client memoizes them, unless it is told to chain. (`CredentialsClient.stsClient`)
                    Err(refused) => memoized = Some(refused).filter(|_| !request.is_on(Input::RoleChaining)),
                },
                Err(gap) => way.nothing_to_keep = Some(gap),
            }
        }
        if request.stop(way.flow).is_some() || request.does_nothing(way.flow) {
            return way;
        }
        let signing = match way.flow {
            // The file is sent only after the credentials beside it have been verified. (`src/index.ts`)
            Flow::TokenFile if request.given(Input::AwsAccessKeyId).is_some() => {
                self.keys(request, keys).map(|keys| (keys, CredentialSource::Inputs))
            }
            Flow::AccessKey => self.keys(request, keys).map(|keys| (keys, CredentialSource::Inputs)),
            Flow::Ambient | Flow::Chaining | Flow::NoRole => at_hand().await,
            Flow::TokenFile if request.is_on(Input::RoleChaining) => at_hand().await,
            Flow::Existing | Flow::Nothing | Flow::Oidc | Flow::TokenFile => return way,
        };
        let signing = match signing {
            Ok((keys, CredentialSource::Inputs)) if self.is_shadowed(request, trail) => match at_hand().await {
                Ok((found, _)) if found.access_key_id() == keys.access_key_id() => Ok((keys, CredentialSource::Inputs)),
                // The action compares the two, unless it is told to chain. (`validateCredentials`)
                Ok(found) if request.is_on(Input::RoleChaining) => Ok(found),
                _ => Err(Gap::new(
                    Why::NoCredentials,
                    "`AWS_PROFILE` names a profile, which comes before the keys that the step puts into the environment",
                )),
            },
            found => found,
        };
        match signing {
            Ok(_) if memoized.is_some() => way.refused = memoized,
            Ok((credentials, source)) => match aws.caller(&credentials, &source, until).await {
                Ok(caller) => {
                    way.account = Some(caller.account.clone());
                    way.caller = Some(caller);
                    way.credentials = Ok(credentials);
                }
                Err(refused) => way.refused = Some(refused),
            },
            Err(gap) => way.credentials = Err(gap),
        }
        // Keys that aren't exported pass the first call; the next one is signed with the credentials at hand.
        if way.flow == Flow::AccessKey && !request.exports() && !request.is_empty(Input::RoleToAssume) {
            way.doubt = way.credentials.as_ref().err().cloned();
            match at_hand().await {
                Ok((credentials, _)) => {
                    way.credentials = Ok(credentials);
                    way.caller = None;
                }
                // The keys are in the default profile.
                Err(_) if request.hands_on() => {}
                Err(gap) => {
                    way.credentials = Err(gap);
                    way.caller = None;
                }
            }
        }
        way
    }

    /// Whether a step begins with what a step that was passed over exported, and the environment doesn't have that.
    async fn begins_unknown(&self, aws: &Result<Aws, Gap>, request: &Request, trail: &Trail) -> bool {
        let Some(unseen) = &trail.unseen else { return false };
        let flow = request.flow(self.around(None));
        let is_on = |input| request.is_on(input);
        let begins_with_it = matches!(flow, Flow::Ambient | Flow::Chaining | Flow::NoRole)
            || is_on(Input::UseExistingCredentials)
            || flow == Flow::AccessKey && request.loses_keys()
            || flow == Flow::TokenFile && is_on(Input::RoleChaining);
        if !begins_with_it || request.unsets() {
            return false;
        }
        let Ok(aws) = aws else { return true };
        let Ok((held, source)) = self.at_hand(aws, request, trail).await else {
            return true;
        };
        // Keys that are handed on as they are: a session's have a token.
        if unseen.is_empty(Input::RoleToAssume) {
            return held.session_token().is_some() != unseen.given(Input::AwsSessionToken).is_some();
        }
        if !self.in_job || !self.args.attempt {
            return false;
        }
        let Ok(caller) = aws.caller(&held, &source, (self.deadline, request.attempts())).await else {
            return true;
        };
        let of_role = |arn: &str| arn.rsplit_once('/').map(|(role, _)| role.to_owned());
        let expected = Hop {
            request: unseen.clone(),
            ..Hop::default()
        };
        match expected.session().filter(|_| !unseen.names_no_role()) {
            Some(session) => of_role(&session.arn) != of_role(&caller.arn),
            None => !caller.is_session(),
        }
    }

    /// Whether the profile that the step writes already exists, from an earlier step or in the machine's own file.
    fn profile_fault(&self, request: &Request, trail: &Trail) -> Option<String> {
        let name = request.given(Input::AwsProfile)?;
        if !self.in_job
            || request.is_on(Input::OverwriteAwsProfile)
            || request.get(Input::OverwriteAwsProfile).is_none()
        {
            return None;
        }
        let env = self.outside.env;
        let workspace = env.get("GITHUB_WORKSPACE").map(Path::new);
        let place = if trail.profiles.contains_key(name) {
            "a step before this one wrote it"
        } else if files::has_profile(env, workspace, name) {
            "the machine's credentials file has it"
        } else {
            return None;
        };
        Some(format!("{place}, and `overwrite-aws-profile` is not set"))
    }

    /// Whether a named profile takes precedence over the variables the step sets. (`@aws-sdk/credential-provider-node`.) Keys that
    /// it doesn't export are given to the call itself.
    fn is_shadowed(&self, request: &Request, trail: &Trail) -> bool {
        let is_named = trail.profile.is_some() || self.outside.env.get("AWS_PROFILE").is_some();
        is_named && request.given(Input::AwsProfile).is_none() && request.exports()
    }

    /// Returns the AWS credentials that the SDK's default chain would find.
    async fn at_hand(
        &self,
        aws: &Aws,
        request: &Request,
        trail: &Trail,
    ) -> Result<(Credentials, CredentialSource), Gap> {
        let env = self.outside.env;
        let hop = |session: &Credentials| (session.clone(), CredentialSource::HopBefore);
        if let Some(session) = trail.of_profile(true) {
            return Ok(hop(session));
        }
        let workspace = env.get("GITHUB_WORKSPACE").map(Path::new);
        // The JavaScript SDK skips the variables if a profile is named; ours doesn't.
        if let Some(profile) = env.get("AWS_PROFILE") {
            let found = aws.default_chain(env, workspace, Where::Profile(profile)).await?;
            return Ok((found, CredentialSource::Profile));
        }
        if !request.unsets() {
            if let Some(session) = &trail.session {
                return Ok(hop(session));
            }
            if let Some(credentials) = environment_credentials(env) {
                return Ok((credentials, CredentialSource::Environment));
            }
        }
        if let Some(session) = trail.of_profile(false) {
            return Ok(hop(session));
        }
        if env.get("RUNNER_ENVIRONMENT") == Some("self-hosted") || has_profile(env) {
            let place = match request.unsets() {
                true => Where::ButVariables,
                false => Where::Anywhere,
            };
            return Ok((
                aws.default_chain(env, workspace, place).await?,
                CredentialSource::DefaultChain,
            ));
        }
        let what = match request.unsets() {
            true => {
                "`unset-current-credentials` takes the AWS credentials out of the environment before the step looks for any"
            }
            false => "no AWS credentials are in the environment",
        };
        Err(Gap::new(Why::NoCredentials, what))
    }

    /// The keys among the inputs: those of a step in the checkout are expressions, so unknown.
    fn keys(&self, request: &Request, outputs: Option<&Outputs>) -> Result<Credentials, Gap> {
        match outputs {
            Some(Outputs::Keys(keys)) => {
                let token = request.given(Input::AwsSessionToken).and(keys.session_token());
                let (id, secret) = (keys.access_key_id(), keys.secret_access_key());
                return Ok(Credentials::new(id, secret, token.map(str::to_owned), None, "inputs"));
            }
            Some(Outputs::Empty | Outputs::Unknown) => {
                let what = "the step's keys are the outputs of a step before it, which are not known here";
                return Err(Gap::new(Why::NotFound, what));
            }
            None => {}
        }
        let inputs = &self.args.flags.inputs;
        let key = |input| inputs.key(input).map(|key| key.expose_secret().to_owned());
        match (key(Input::AwsAccessKeyId), key(Input::AwsSecretAccessKey)) {
            (Some(id), Some(secret)) => Ok(Credentials::new(
                id,
                secret,
                key(Input::AwsSessionToken),
                None,
                "inputs",
            )),
            _ => Err(Gap::new(
                Why::NotFound,
                "the step's keys are not known here: pass `aws-access-key-id` and `aws-secret-access-key` as it has them",
            )),
        }
    }

    /// The token in the file named by the input or variable; a checkout doesn't decide which file is sent.
    fn token_of_file(&self, request: &Request) -> Option<Probe<Token>> {
        let file = self.token_file(request)?;
        Some(match file {
            Ok(token) => Probe::Known(token.token),
            Err(gap) => Probe::Missing(gap),
        })
    }

    fn token_file(&self, request: &Request) -> Option<Result<IdToken, Gap>> {
        let path = request.given(Input::WebIdentityTokenFile)?;
        let variable = self.outside.env.get("WEB_IDENTITY_TOKEN_FILE");
        let own = self.args.flags.inputs.given(Input::WebIdentityTokenFile).or(variable);
        if !self.in_job || own != Some(path) {
            return None;
        }
        let workspace = Path::new(self.outside.env.get("GITHUB_WORKSPACE").unwrap_or("."));
        let text = files::token(path, workspace, self.args.action);
        Some(text.and_then(|text| github::token(text, self.secrets, self.outside.mask)))
    }

    /// The call that the step would make. `None` if it makes none, or if it isn't known which.
    async fn attempt(
        &self,
        aws: &Result<Aws, Gap>,
        request: &Request,
        way: &Way,
        token: Option<&IdToken>,
        trail: &Trail,
    ) -> Option<Answered> {
        let unset = REQUIRED_VARIABLES
            .iter()
            .any(|name| self.outside.env.get(name).is_none());
        let assumes = !way.flow.keeps() && !request.is_empty(Input::RoleToAssume);
        if !self.args.attempt || !self.in_job {
            return None;
        }
        if let Some(what) = trail.broken {
            return Some(Answered::none(Gap::new(Why::NotFound, what)));
        }
        if request.stop(way.flow).is_some() || (unset && assumes) || (assumes && request.names_no_role()) {
            return way.nothing_to_keep.clone().map(Answered::none);
        }
        let aws = match aws {
            Ok(aws) => aws,
            Err(gap) => return Some(Answered::none(gap.clone())),
        };
        let until = self.deadline;
        let call = async {
            if let Some(refused) = &way.refused {
                return Some(Answered {
                    attempt: refused.clone(),
                    ..Answered::none(late("STS"))
                });
            }
            let role = |account| request.role_arn(account);
            match way.flow {
                Flow::Nothing => None,
                Flow::Oidc => Some(aws.attempt(request, &role(None)?, &token?.raw, until).await),
                Flow::TokenFile if needs_caller(request) && way.caller.is_none() => {
                    Some(Answered::none(way.credentials.as_ref().err()?.clone()))
                }
                Flow::TokenFile => {
                    let token = self.token_file(request)?.ok()?;
                    Some(
                        aws.attempt(request, &role(way.account.as_deref())?, &token.raw, until)
                            .await,
                    )
                }
                Flow::AccessKey | Flow::Ambient | Flow::Chaining | Flow::Existing | Flow::NoRole => {
                    let credentials = match &way.credentials {
                        Ok(credentials) => credentials,
                        // What is missing then is the permission, or the role.
                        Err(_) if matches!(way.flow, Flow::Ambient | Flow::NoRole) => return None,
                        Err(gap) => return Some(Answered::none(gap.clone())),
                    };
                    if !assumes {
                        let caller = way.caller.as_ref()?;
                        return Some(Answered {
                            attempt: Probe::Known(Attempt::Allowed {
                                assumed_role_arn: caller.arn.clone(),
                            }),
                            date: None,
                            session: (way.flow == Flow::AccessKey).then(|| credentials.clone()),
                        });
                    }
                    let tags = request.tags(|variable| self.outside.env.get(variable)).ok()?;
                    let account = way.account.as_deref();
                    let answered = aws
                        .attempt_as(request, &role(account)?, credentials, &tags, until)
                        .await;
                    Some(match (&answered.attempt, &way.doubt) {
                        (Probe::Known(Attempt::Allowed { .. }), Some(gap)) => Answered::none(gap.clone()),
                        _ => answered,
                    })
                }
            }
        };
        let answer = timeout_at(self.deadline, call).await;
        self.secrets.hand_over(self.outside.mask);
        answer.unwrap_or_else(|_| Some(Answered::none(late("STS"))))
    }

    async fn read(
        &self,
        aws: &Result<Aws, Gap>,
        credentials: &Credentials,
        source: &CredentialSource,
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

    /// Reads the caller's policies: with its own session, else with that of `diagnosis-role` if it is in the same account. Keys
    /// among the inputs go to STS only.
    async fn read_caller(
        &self,
        run: &mut Evidence,
        aws: &Result<Aws, Gap>,
        http: &Http,
        credentials: Option<&Credentials>,
        token: Option<&IdToken>,
    ) {
        let (Ok(aws), Some(caller)) = (aws, &run.caller) else {
            return;
        };
        let mut read = caller.clone();
        let credentials = credentials.filter(|_| caller.source != CredentialSource::Inputs);
        if let Some(credentials) = credentials {
            let policies = timeout_at(self.deadline, aws.policies_of(credentials, caller.clone())).await;
            read = policies.unwrap_or_else(|_| Identity {
                identity_policies: Some(Probe::Missing(late("IAM"))),
                ..caller.clone()
            });
        }
        let is_open = credentials.is_none()
            || read.identity_policies.as_ref().is_some_and(|read| {
                let gap = read.gap();
                gap.is_some_and(|gap| matches!(gap.why, Why::AccessDenied | Why::NotFound | Why::WrongAccount))
            });
        if is_open
            && given(&self.args.flags.own.diagnosis_role).is_some()
            && let Ok(Ok((reader, _))) = timeout_at(self.deadline, self.reader(aws, http, &caller.account, token)).await
        {
            self.secrets.hand_over(self.outside.mask);
            let other = timeout_at(self.deadline, aws.policies_of(&reader, caller.clone())).await;
            if let Ok(other) = other.map(|other| Identity {
                source: read.source.clone(),
                ..other
            }) && other.identity_policies.as_ref().and_then(Probe::known).is_some()
            {
                read = other;
            }
        }
        if read.identity_policies.as_ref().and_then(Probe::known).is_none() && caller.identity_policies.is_some() {
            read.identity_policies = caller.identity_policies.clone();
        }
        run.caller = Some(read);
    }

    /// Reads with credentials other than the environment's: those of `diagnosis-role`, else the machine's own.
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
                let reader = self.reader(aws, http, wanted.account, token);
                timeout_at(self.deadline, reader)
                    .await
                    .unwrap_or_else(|_| Err(late("STS")))
            }
            Err(gap) => Err(gap.clone()),
        };
        self.secrets.hand_over(self.outside.mask);
        match reader {
            Ok((credentials, source)) => self.read(aws, &credentials, &source, wanted).await,
            Err(gap) => Reading::none(wanted, &gap),
        }
    }

    async fn reader(
        &self,
        aws: &Aws,
        http: &Http,
        account: &str,
        token: Option<&IdToken>,
    ) -> Result<(Credentials, CredentialSource), Gap> {
        let env = self.outside.env;
        if let (Some(role), Some(token)) = (given(&self.args.flags.own.diagnosis_role), token) {
            let audience = Audience::of_diagnosis_role(&self.args.flags.own);
            let credentials = if token.token.claims.audience() == Some(audience.as_str()) {
                aws.credentials(role.trim(), &token.raw, self.deadline).await?
            } else {
                let attempts = Request::default().attempts();
                let token = github::id_token(env, http, &audience, attempts, self.outside.mask).await?;
                aws.credentials(role.trim(), &token.raw, self.deadline).await?
            };
            return Ok((credentials, CredentialSource::DiagnosisRole));
        }
        let self_hosted = self.in_job && env.get("RUNNER_ENVIRONMENT") == Some("self-hosted");
        if self_hosted || (!self.in_job && has_profile(env)) {
            let workspace = env.get("GITHUB_WORKSPACE").filter(|_| self.in_job).map(Path::new);
            return Ok((
                aws.default_chain(env, workspace, Where::Anywhere).await?,
                CredentialSource::DefaultChain,
            ));
        }
        Err(Gap::new(
            Why::NoCredentials,
            format!("no credentials to read account {account} with"),
        ))
    }

    /// Reads with other credentials what the environment's couldn't read, and the provider of the token's issuer
    /// if it isn't the likely one.
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
        let has_other = given(&self.args.flags.own.diagnosis_role).is_some()
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

    /// What remains if there is no network.
    fn offline(&self, run: &mut Evidence, gap: &Gap) {
        if self.in_job {
            run.token.get_or_insert_with(|| Probe::Missing(gap.clone()));
        }
    }
}

/// Appends the further hops requested with `then`.
fn then(roles: &[String], requests: &mut Vec<Request>, left_out: &mut Vec<String>) {
    let region = requests
        .last()
        .and_then(|last| last.get(Input::AwsRegion))
        .map(str::to_owned);
    for role in roles {
        if requests.len() >= MOST_HOPS {
            left_out.push(format!("`{role}`: the limit is {MOST_HOPS} hops for one run"));
            continue;
        }
        let mut inputs = Inputs::of_step([
            ("role-to-assume", &**role),
            ("role-chaining", "true"),
            // If unknown, it isn't empty either.
            ("aws-region", region.as_deref().unwrap_or("${{ }}")),
        ]);
        inputs.complete(|_| None);
        requests.push(Request {
            inputs,
            source: Some("`then`".to_owned()),
            ..Request::default()
        });
    }
}

/// A flow that deliberately uses AWS credentials needs no provider.
fn needs_provider(flow: Flow) -> bool {
    !matches!(flow, Flow::AccessKey | Flow::Chaining | Flow::Existing)
}

/// What to read from IAM for a run.
fn wanted<'a>(run: &Evidence, arn: &'a RoleArn, flow: Flow, issuer: &'a str) -> Option<Wanted<'a>> {
    let wanted = Wanted {
        arn,
        account: arn.account.as_deref()?,
        // Part of its name may be missing.
        role: run.role.is_none() && !run.request.names_no_role(),
        issuer: (run.provider.is_none() && needs_provider(flow)).then_some(issuer),
    };
    (wanted.role || wanted.issuer.is_some()).then_some(wanted)
}

/// Whether a step with a token file first checks whose AWS credentials it also has.
fn needs_caller(request: &Request) -> bool {
    request.is_on(Input::RoleChaining) || request.given(Input::AwsAccessKeyId).is_some()
}

fn late(who: &str) -> Gap {
    Gap::new(
        Why::TimedOut,
        format!(
            "{who} does not answer within the {} s of a diagnosis: check proxies and egress rules",
            DEADLINE.as_secs()
        ),
    )
}

/// Keys that an earlier step, perhaps configure-aws-credentials, put into the environment.
fn environment_credentials(env: &Env) -> Option<Credentials> {
    Some(Credentials::new(
        env.get("AWS_ACCESS_KEY_ID")?,
        env.get("AWS_SECRET_ACCESS_KEY")?,
        env.get("AWS_SESSION_TOKEN").map(str::to_owned),
        None,
        "environment",
    ))
}

/// Whether the user has set up AWS on this machine.
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
                ..WorkflowFile::default()
            })),
            ..Evidence::default()
        };
        if let Some(role) = role {
            evidence.request.inputs.set(Input::RoleToAssume, role);
        }
        live.requests(&evidence, None, &|_| None).requests
    }

    #[test]
    fn without_an_input_the_steps_of_the_job_are_asked_for() {
        let found = requests(&[("GITHUB_JOB", "deploy"), ("AWS_REGION", "us-east-2")], None);
        let [chained, first, second] = &*found else {
            panic!("{found:?}")
        };
        assert_eq!(chained.get(Input::RoleToAssume), Some("arn:aws:iam::1:role/a"));
        assert_eq!(first.get(Input::RoleToAssume), Some("arn:aws:iam::1:role/b"));
        assert_eq!(
            first.source.as_deref(),
            Some("step `First` of job `deploy`, as the checkout has it")
        );
        // An expression is unknown; a missing input falls back to the variable, or the default.
        assert_eq!(first.get(Input::AwsRegion), None);
        assert_eq!(second.get(Input::RoleToAssume), None);
        assert_eq!(second.get(Input::AwsRegion), Some("us-east-2"));
        assert_eq!(second.get(Input::RoleDurationSeconds), Some("900"));
        assert_eq!(second.get(Input::Audience), Some("sts.amazonaws.com"));
        assert_eq!(
            second.source.as_deref(),
            Some("configure-aws-credentials step 3 of job `deploy`, whose `role-to-assume` is `${{ secrets.ROLE }}`")
        );
    }

    #[test]
    fn an_input_comes_before_the_steps() {
        let found = requests(&[("GITHUB_JOB", "deploy")], Some("arn:aws:iam::1:role/c"));
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].get(Input::RoleToAssume), &found[0].source),
            (Some("arn:aws:iam::1:role/c"), &None)
        );
        assert_eq!(found[0].get(Input::RoleSessionName), Some("GitHubActions"));
        // Written in our own step, and still empty.
        let found = requests(&[("GITHUB_JOB", "pasted")], None);
        assert_eq!(found[0].get(Input::RoleToAssume), Some(""));
        let found = requests(&[("GITHUB_JOB", "pasted"), ("ROLE_TO_ASSUME", "arn:x")], None);
        assert_eq!(found[0].get(Input::RoleToAssume), Some("arn:x"));
        // What nobody wrote isn't known to be empty, and neither is a region.
        let found = requests(&[("GITHUB_JOB", "other")], None);
        assert_eq!(found[0].get(Input::RoleToAssume), None);
        assert_eq!(found[0].get(Input::AwsRegion), None);
    }

    #[test]
    fn at_the_deadline_what_is_known_is_reported() {
        // Accepts the connection but never answers.
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
        evidence
            .request
            .inputs
            .set(Input::RoleToAssume, "arn:aws:iam::123456789012:role/a");
        evidence.request.inputs.set(Input::StsEndpoint, url.clone());
        evidence.role = Some(Probe::Known(crate::evidence::Role::default()));
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
        assert!(runs[0].role.as_ref().unwrap().known().is_some());
        assert_eq!(runs[0].clock.unwrap().local, Some(7));
    }
}
