//! What a run asks AWS for: what the inputs name, otherwise what the steps of the running job say.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;
use tokio::time::Instant;

use super::files;
use super::origin::{Audience, Origin};
use super::running::Proven;
use super::{Env, Live, Outside};
use crate::args::Args;
use crate::aws::arn::RoleArn;
use crate::configure::{Flow, Input, Inputs, Kind};
use crate::evidence::{Evidence, MOST_RUNS, Probe, Request, WorkflowFile};
use crate::github::expression::{Text, is_expression};
use crate::github::workflow::steps::{self, Found, Known, Run, Step, Variable};
use crate::github::workflow::{self, Workflow};
use crate::secrets::Secrets;

/// What is requested, and what is left out.
#[derive(Default)]
pub(super) struct Requests {
    /// One per role.
    pub(super) requests: Vec<Request>,
    /// The steps that are left out, in words.
    pub(super) left_out: Vec<String>,
    /// What the workflow's expressions used.
    pub(super) contexts: Known,
    /// The audiences of steps in the running workflow.
    pub(super) audiences: Vec<Audience>,
    /// The request whose step's outputs are the keys of this one, both by index.
    pub(super) keys_of: BTreeMap<usize, usize>,
    /// Steps that are left out and pass their credentials on, by the index of the request right after them.
    pub(super) unseen: BTreeMap<usize, Request>,
}

/// GitHub's events are at most 25 MB; one larger than this isn't read.
const MOST_EVENT: u64 = 1 << 20;
/// A job's `matrix` and `strategy`.
const MOST_CONTEXT: usize = 128 << 10;

/// The keys of `github.*` that the runner's variables of the same names hold, except those that differ between the steps of a job.
const GITHUB: [&str; 23] = [
    "actor",
    "actor_id",
    "api_url",
    "base_ref",
    "event_name",
    "graphql_url",
    "head_ref",
    "job",
    "ref",
    "ref_name",
    "ref_type",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "run_attempt",
    "run_id",
    "run_number",
    "server_url",
    "sha",
    "triggering_actor",
    "workflow",
    "workflow_ref",
];

impl Requests {
    /// A single request.
    pub(super) fn of(request: Request) -> Self {
        Self {
            requests: vec![request],
            ..Self::default()
        }
    }
}

impl Live<'_> {
    /// What AWS is asked for: the inputs, completed from the job's own configure-aws-credentials steps, and the steps that are left out.
    /// `further` returns the repository's files that the workflow calls; `proof` is present if all of them are proven to be the ones
    /// running.
    pub(super) fn requests(
        &self,
        evidence: &Evidence,
        proof: Option<Proven>,
        further: &dyn Fn(&str) -> Option<String>,
    ) -> Requests {
        let given = &evidence.request;
        let file = evidence.workflow.as_ref().and_then(Probe::known);
        let found = file.map(|file| self.found(file, &evidence.contexts, further));
        let is_unread = matches!(found, Some(None));
        let found = found.flatten().unwrap_or_default();
        // A checkout may contain a stranger's text. A saved run says itself whether its file does.
        let is_told = |file: &WorkflowFile| file.commit.is_some() || evidence.runner.is_none();
        let is_saved = !self.in_job && file.is_some_and(is_told);
        let of = match proof.is_some() || is_saved {
            true => "",
            false => ", as the checkout has it",
        };
        let workflow = file.and_then(|file| workflow::read(&file.text).ok());
        let role = given.given(Input::RoleToAssume);
        let named = role.is_some();
        let job_id = self.outside.env.get("GITHUB_JOB");
        let own = workflow.as_ref().and_then(|workflow| own_role(workflow, job_id));
        // One of our inputs is present but empty: a missing secret. That is the finding.
        let empty = !named && (own.is_some() || given.get(Input::RoleToAssume).is_some());
        let mut asked = Requests {
            contexts: found.used,
            ..Requests::default()
        };
        let path: Vec<usize> = match role {
            Some(role) => {
                let step = its_step(&found.steps, own.as_deref(), role);
                // Keys that are given come first.
                let has_key = given.given(Input::AwsAccessKeyId).is_some();
                step.map_or_else(Vec::new, |at| match has_key {
                    true => vec![at],
                    false => self.path_to(&found.steps, at),
                })
            }
            None if empty => Vec::new(),
            None => (0..found.steps.len()).collect(),
        };
        let (is_one, last) = (path.len() == 1, path.last().copied());
        let job = job_id.unwrap_or_default();
        let nothing = Request::default();
        let mut passed_over = None;
        // By the steps' indices, what they ask for, and which request that is if it isn't left out.
        let mut made: BTreeMap<usize, (Request, Option<usize>)> = BTreeMap::new();
        for index in path {
            let Some(step) = found.steps.get(index) else { continue };
            let place = place(step, index, job);
            let audience = self.audience(step, proof);
            // The inputs belong to the step whose role they name.
            let given = if named && Some(index) != last { &nothing } else { given };
            let mut request = self.of_step(step, given, asked.requests.last(), &audience);
            let keys_of = keys_of(step, &made, &mut request);
            made.insert(index, (request.clone(), None));
            if is_one && named && request == self.without_a_step(given, empty) {
                continue;
            }
            if !asked.audiences.contains(&audience) {
                asked.audiences.push(audience);
            }
            let is_chained = request.is_on(Input::RoleChaining) || keys_of.is_some();
            let is_same = |other: &Request| other.inputs == request.inputs && other.not_known == request.not_known;
            if let Some(same) = asked.requests.iter().position(is_same).filter(|_| !is_chained) {
                made.insert(index, (request, Some(same)));
                continue;
            }
            let named = |why: &str| match request.get(Input::RoleToAssume).filter(|role| !role.is_empty()) {
                Some(role) => format!("{place} (`{role}`){why}"),
                None => format!("{place}{why}"),
            };
            // A checkout can't supply its keys and files, and other steps of the job can be diagnosed.
            let way = request.flow(self.around(None));
            let is_unseen = match way {
                // Keys that it puts nowhere don't sign the call for the role.
                Flow::AccessKey => keys_of.is_none() && !request.loses_keys(),
                Flow::TokenFile => given.given(Input::WebIdentityTokenFile).is_none(),
                _ => false,
            } && request.stop(way).is_none();
            let role = Input::RoleToAssume.name();
            let source = match (request.not_known.get(role), request.faults.get(role)) {
                (Some(written), _) => format!("{place}, whose `{role}` is `{written}`"),
                (_, Some(fault)) => format!("{place}, whose `{role}` has no value: {fault}"),
                _ => format!("{place}{of}"),
            };
            if is_unseen && !is_one {
                asked
                    .left_out
                    .push(named(": its credentials are among its inputs, and not known here"));
                if request.hands_on() {
                    asked.unseen.insert(asked.requests.len(), request.clone());
                }
                passed_over.get_or_insert(Request {
                    source: Some(source),
                    ..request
                });
                continue;
            }
            if asked.requests.len() == MOST_RUNS {
                asked.left_out.push(named(""));
                continue;
            }
            made.insert(index, (request.clone(), Some(asked.requests.len())));
            asked.keys_of.extend(keys_of.map(|giver| (asked.requests.len(), giver)));
            asked.requests.push(Request {
                source: Some(source),
                ..request
            });
        }
        // With nothing else to diagnose, the first step that was passed over is what the job asks for.
        if let Some(request) = passed_over.filter(|_| asked.requests.is_empty()) {
            asked.left_out.remove(0);
            asked.unseen.clear();
            asked.requests.push(request);
        }
        if asked.requests.is_empty() {
            let mut request = self.without_a_step(given, empty);
            let is_told = !named && !empty && file.is_some() && !is_unread;
            request.source = is_told.then(|| without_a_role(&found.notes, found.has_job, job));
            asked.requests.push(request);
        }
        asked
    }

    /// The steps of the chain that ends with a step: its keys are a step's outputs, or a chained step begins with the session of
    /// the step before it, unless the job already has one.
    fn path_to(&self, steps: &[Step], last: usize) -> Vec<usize> {
        let has_session = super::environment_credentials(self.outside.env).is_some();
        let is_chained = |step: &Step| {
            let audience = Audience::of(&self.args.flags.inputs);
            let request = self.of_step(step, &Request::default(), None, &audience);
            !has_session && request.is_on(Input::RoleChaining)
        };
        let before = |at: &usize| {
            let step = steps.get(*at)?;
            let giver = step.keys_of.as_ref().and_then(|giver| giver.step);
            giver.or_else(|| at.checked_sub(1).filter(|_| is_chained(step)))
        };
        let mut path: Vec<usize> = std::iter::successors(Some(last), before).collect();
        path.reverse();
        path
    }

    /// The given inputs, if no step says more.
    fn without_a_step(&self, given: &Request, empty: bool) -> Request {
        // What nobody wrote wasn't empty: the runner makes absent inputs empty.
        let audience = Audience::of(&self.args.flags.inputs);
        let mut request = self.complete(Inputs::of_step([]), given, None, &audience);
        // If an input says where credentials come from, the step's `with:` is complete, and what it lacks is empty.
        let is_whole = [
            Input::AwsAccessKeyId,
            Input::ForceSkipOidc,
            Input::RoleChaining,
            Input::UseExistingCredentials,
            Input::WebIdentityTokenFile,
        ];
        let is_whole = is_whole.iter().any(|input| given.given(*input).is_some());
        let written = match (is_whole, empty) {
            (true, _) => &[][..],
            (false, true) => &[Input::AwsRegion],
            (false, false) => &[Input::AwsRegion, Input::RoleToAssume],
        };
        for input in written.iter().filter(|input| given.get(**input).is_none()) {
            request.inputs.forget_empty(*input);
        }
        request
    }

    /// What a step asks for, with the given inputs overriding its own.
    fn of_step(&self, step: &Step, given: &Request, before: Option<&Request>, audience: &Audience) -> Request {
        let (mut not_known, mut faults) = (BTreeMap::new(), BTreeMap::new());
        let mut role = None;
        let mut with = Vec::new();
        for input in &step.inputs {
            let Some(named) = Input::named(&input.name) else {
                continue;
            };
            let value = match &input.value {
                Ok(text) => match text.as_known() {
                    Some(known) if self.secrets.scrub(known) == known => known,
                    Some(_) => {
                        not_known.insert(named.name().to_owned(), input.written.trim().to_owned());
                        UNKNOWN
                    }
                    // Keys that are the outputs of a step are known to be given.
                    None if step.keys_of.is_some() && named.spec().kind == Kind::Secret => UNKNOWN,
                    None => {
                        if named == Input::RoleToAssume {
                            role = masked_role(text);
                        }
                        not_known.insert(named.name().to_owned(), text.written().trim().to_owned());
                        UNKNOWN
                    }
                },
                Err(fault) => {
                    faults.insert(named.name().to_owned(), fault.to_string());
                    UNKNOWN
                }
            };
            with.push((&*input.name, value));
        }
        let mut inputs = Inputs::of_step(with);
        if let Some(role) = role {
            inputs.set(Input::RoleToAssume, role);
        }
        let mut request = self.complete(inputs, given, before, audience);
        // A given input is no longer unknown.
        not_known.retain(|name, _| Input::named(name).is_some_and(|input| given.given(input).is_none()));
        faults.retain(|name, _| Input::named(name).is_some_and(|input| given.given(input).is_none()));
        request.set_aside = self.set_aside(step, audience);
        request.not_known = not_known;
        request.faults = faults;
        request
    }

    /// The given inputs, over those of the step, over the variables that configure-aws-credentials reads as
    /// inputs (`src/helpers.ts`), over its defaults (`action.yml`).
    fn complete(&self, mut inputs: Inputs, given: &Request, before: Option<&Request>, audience: &Audience) -> Request {
        inputs.overlay(given);
        // A step exports its region, whatever its outcome (`exportRegion`).
        let exported = before
            .filter(|before| before.exports())
            .and_then(|before| before.given(Input::AwsRegion));
        let by_variable = inputs.complete(|variable| match variable {
            "AWS_REGION" if exported.is_some() => exported,
            _ => self.outside.env.get(variable),
        });
        // Where the token goes and for which audience is up to the inputs, never to a step in the checkout.
        let own = &self.args.flags.inputs;
        inputs.set(Input::Audience, audience.as_str());
        for input in [Input::StsEndpoint, Input::HttpProxy, Input::NoProxy] {
            inputs.set(input, own.given(input).unwrap_or_default());
        }
        Request {
            inputs,
            by_variable: by_variable.iter().map(|input| input.name().to_owned()).collect(),
            ..Request::default()
        }
    }

    /// A step's audience: its own, if known, in a workflow proven to be running.
    fn audience(&self, step: &Step, proof: Option<Proven>) -> Audience {
        let inputs = &self.args.flags.inputs;
        let own = step
            .inputs
            .iter()
            .find(|own| Input::named(&own.name) == Some(Input::Audience));
        let text = own.and_then(|own| own.value.as_ref().ok()?.as_known());
        let text = text.filter(|text| self.secrets.scrub(text) == *text);
        match text.zip(proof) {
            Some((text, proof)) => Audience::of_step(inputs, self.outside.env, text, proof),
            None => Audience::of(inputs),
        }
    }

    /// What a step of the checkout says about where a token goes and for which audience, if it differs from what is used.
    fn set_aside(&self, step: &Step, audience: &Audience) -> BTreeMap<String, String> {
        let inputs = &self.args.flags.inputs;
        [
            (Input::Audience, audience.as_str()),
            (Input::StsEndpoint, ""),
            (Input::HttpProxy, ""),
            (Input::NoProxy, ""),
        ]
        .into_iter()
        .filter_map(|(input, used)| {
            let own = step
                .inputs
                .iter()
                .find(|own| own.name.eq_ignore_ascii_case(input.name()))?;
            let value = own.value.as_ref().map_or_else(|_| own.written.clone(), Text::written);
            let value = value.trim();
            // An empty audience isn't the default one; a variable may stand in for it.
            let is_written = match input {
                Input::Audience => !matches!(audience.origin(), Origin::Variable(_)),
                _ => !value.is_empty(),
            };
            let is_other = inputs.given(input).is_none() && is_written && value != used;
            is_other.then(|| (input.name().to_owned(), value.to_owned()))
        })
        .collect()
    }

    /// Finds the steps of the running job.
    fn found(&self, file: &WorkflowFile, saved: &Known, further: &dyn Fn(&str) -> Option<String>) -> Option<Found> {
        let contexts = Contexts {
            live: self,
            saved,
            matrix: object(self.args.flags.own.matrix.as_deref()),
            strategy: object(self.args.flags.own.strategy.as_deref()),
            inputs: OnceCell::new(),
            event: OnceCell::new(),
        };
        let env = self.outside.env;
        let is_given = super::given(&self.args.flags.own.workflow_file).is_some();
        let defined_in = self.defined_in().filter(|_| !is_given);
        let run = Run {
            job: env.get("GITHUB_JOB"),
            path: Some(&file.path),
            is_running: !is_given,
            defined_in: defined_in.as_deref(),
            get: &|context, key| contexts.get(context, key),
            variable: &|name, written| self.variable(name, written),
            file: further,
        };
        steps::find(&file.text, &run).ok()
    }

    /// The workflow file that defines the job; in a job of a called workflow, it isn't the running one. (GitHub
    /// documentation, "Contexts reference": `job.workflow_file_path`, not on GitHub Enterprise Server.)
    fn defined_in(&self) -> Option<String> {
        let job = object(self.args.flags.own.job_context.as_deref())?;
        let text = |key| job.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
        let (repository, path) = (text("workflow_repository")?, text("workflow_file_path")?);
        let own = self.outside.env.get("GITHUB_REPOSITORY");
        Some(if own.is_some_and(|own| own.eq_ignore_ascii_case(repository)) {
            path.to_owned()
        } else {
            format!("{repository}/{path}")
        })
    }

    /// A variable named in an expression of the checkout. A checkout may be a stranger's: what could be a password isn't put into
    /// a role that somebody else logs.
    fn variable(&self, name: &str, written: Option<&str>) -> Variable {
        let env = self.outside.env;
        let Some(value) = env.get(name) else {
            return match env.is_blank(name) {
                true => Variable::Known(String::new()),
                false => Variable::Absent,
            };
        };
        let is_account = value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit());
        let is_role = value.starts_with("arn:") && RoleArn::parse(value).is_ok();
        let is_plain = is_account || is_role || super::aws::is_region(value) || written == Some(value);
        if is_plain && self.secrets.scrub(value) == value {
            Variable::Known(value.to_owned())
        } else {
            Variable::Withheld
        }
    }
}

/// What a run without a role asks for according to its workflow, if that says more than the run does.
pub(super) fn anew(run: &Evidence, args: &Args, secrets: &Secrets) -> Option<Requests> {
    run.workflow.as_ref()?.known()?;
    if !run.request.names_no_role() || !run.chain.is_empty() {
        return None;
    }
    let env = variables(run);
    let outside = Outside {
        env: &env,
        now: || 0,
        mask: &|_| (),
    };
    let reader = Live {
        args,
        outside: &outside,
        secrets,
        deadline: Instant::now(),
        in_job: false,
    };
    // A blank or default value wasn't given: a saved run has all inputs.
    let mut given = Request::default();
    for (input, value) in run.request.iter() {
        let is_known = !run.request.not_known.contains_key(input.name());
        if is_known && !value.trim().is_empty() && value != input.spec().default {
            given.inputs.set(input, value);
        }
    }
    let plain = Evidence {
        request: given,
        runner: run.runner.clone(),
        workflow: run.workflow.clone(),
        contexts: run.contexts.clone(),
        ..Evidence::default()
    };
    let mut asked = reader.requests(&plain, None, &|_| None);
    asked.contexts = plain.contexts;
    // People who share a workflow write `(redacted)` or the like in place of the role.
    let mut roles = asked
        .requests
        .iter()
        .filter_map(|request| request.given(Input::RoleToAssume));
    if roles.any(|role| !role.starts_with("arn:")) {
        return None;
    }
    let is_told = run.request.source.is_some() || !run.request.not_known.is_empty();
    let is_found = asked.requests.iter().any(|request| !request.names_no_role());
    if is_told && !is_found {
        return None;
    }
    // Of several requests, it is the one whose role was read.
    let read = run.role.as_ref().and_then(Probe::known);
    if let [_, _, ..] = &*asked.requests {
        let read = read.and_then(|role| role.arn.as_deref());
        let is_read = |request: &Request| read.is_some() && request.given(Input::RoleToAssume) == read;
        if asked.requests.iter().any(is_read) {
            asked.requests.retain(is_read);
        } else if run.role.is_some() || run.attempt.is_some() {
            return None;
        }
    }
    for request in &mut asked.requests {
        if request.names_no_role() && !request.not_known.contains_key(Input::RoleToAssume.name()) {
            // No step: what isn't in the file isn't known.
            request.inputs = run.request.inputs.clone();
        }
        match run.request.set_aside.is_empty() {
            // No token was requested here, so nothing is set aside.
            true => follow(request),
            false => request.set_aside.clone_from(&run.request.set_aside),
        }
    }
    Some(asked)
}

/// Uses the values that were set aside.
fn follow(request: &mut Request) {
    for (name, value) in std::mem::take(&mut request.set_aside) {
        match Input::named(&name) {
            Some(_) if is_expression(&value) => drop(request.not_known.insert(name, value)),
            Some(input) => request.inputs.set(input, value),
            None => {}
        }
    }
}

/// The job of a run that doesn't name it: the only one that configures AWS credentials.
fn only_job(run: &Evidence) -> Option<String> {
    let workflow = workflow::read(&run.workflow.as_ref()?.known()?.text).ok()?;
    let mut jobs = workflow.jobs.into_iter().filter(|job| !job.steps.is_empty());
    let only = jobs.next().filter(|_| jobs.next().is_none())?;
    Some(only.id.value).filter(|id| !id.is_empty())
}

/// The variables of a saved run's job, as far as known.
fn variables(run: &Evidence) -> Env {
    let job = run.runner.clone().unwrap_or_default();
    let id = job.job.clone().or_else(|| only_job(run));
    let name = job.git_ref.as_deref().and_then(|full| full.splitn(3, '/').nth(2));
    let text = |value: &Json| value.as_str().map(str::to_owned);
    let github = run.contexts.get("github").into_iter().flatten();
    let github = github.filter_map(|(key, value)| Some((format!("GITHUB_{}", key.to_ascii_uppercase()), text(value)?)));
    let env = run.contexts.get("env").into_iter().flatten();
    let env = env.filter_map(|(name, value)| Some((name.clone(), text(value)?)));
    [
        ("GITHUB_ACTOR", &job.actor),
        ("GITHUB_EVENT_NAME", &job.event_name),
        ("GITHUB_JOB", &id),
        ("GITHUB_REF", &job.git_ref),
        ("GITHUB_REF_NAME", &name.map(str::to_owned)),
        ("GITHUB_REPOSITORY", &job.repository),
        ("GITHUB_SERVER_URL", &job.server_url),
        ("GITHUB_WORKFLOW_REF", &job.workflow_ref),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
    .chain(env)
    .chain(github)
    .collect()
}

/// Placeholder for an unknown value where inputs are read.
const UNKNOWN: &str = "${{ }}";

/// The request whose session is this step's keys. Keys that are the outputs of a step without any are empty.
fn keys_of(step: &Step, made: &BTreeMap<usize, (Request, Option<usize>)>, request: &mut Request) -> Option<usize> {
    let giver = step.keys_of.as_ref()?;
    let id = &giver.id;
    let Some(at) = giver.step else {
        request.empty_keys(format!("the step `{id}`, whose output it is, is skipped"));
        return None;
    };
    let (given_by, index) = made.get(&at)?;
    if given_by.is_on(Input::OutputCredentials) {
        return *index;
    }
    if given_by.get(Input::OutputCredentials).is_some() {
        request.empty_keys(format!(
            "the step `{id}` has no such output, because its `output-credentials` is not `true`"
        ));
    }
    None
}

/// The role that our own step names, as written.
fn own_role(workflow: &Workflow, job: Option<&str>) -> Option<String> {
    let steps = workflow.job(job)?.doctor_steps.iter();
    let mut roles = steps.filter_map(|step| Some(step.input(Input::RoleToAssume.name())?.value.trim().to_owned()));
    roles.next()
}

/// The step with the given role: our own step names the role in the same words, or the step has this value. `None` if several
/// match and differ.
fn its_step(steps: &[Step], own: Option<&str>, role: &str) -> Option<usize> {
    let inputs = |step: &'_ Step| step.inputs.clone().into_iter().map(|input| (input.name, input.value));
    let only = |is_it: &dyn Fn(&Step) -> bool| {
        let mut those = steps.iter().enumerate().filter(|(_, step)| is_it(step));
        let first = those.next();
        let is_only = those.all(|(_, other)| first.is_some_and(|(_, first)| inputs(first).eq(inputs(other))));
        (first.map(|(at, _)| at), is_only)
    };
    let (first, is_only) = match only(&|step| own.is_some_and(|own| written(step) == Some(own))) {
        (None, _) => only(&|step| value(step) == Some(role)),
        found => found,
    };
    first.filter(|_| is_only)
}

/// A step's role, if known.
fn value(step: &Step) -> Option<&str> {
    let role = step
        .inputs
        .iter()
        .find(|input| Input::named(&input.name) == Some(Input::RoleToAssume))?;
    Some(role.value.as_ref().ok()?.as_known()?.trim())
}

/// A step's role, as written.
fn written(step: &Step) -> Option<&str> {
    let is_role = |name: &str| Input::named(name) == Some(Input::RoleToAssume);
    let role = step.inputs.iter().find(|input| is_role(&input.name))?;
    Some(role.written.trim())
}

/// A role that is partly known.
fn masked_role(text: &Text) -> Option<String> {
    let masked = text.masked().trim().to_owned();
    let is_role = masked.starts_with("arn:") && RoleArn::parse(&masked).is_ok();
    is_role.then_some(masked)
}

fn place(step: &Step, index: usize, job: &str) -> String {
    let name = match &step.name {
        Some(name) => format!("step `{name}`"),
        None => format!("configure-aws-credentials step {}", index + 1),
    };
    match (&step.file, job) {
        (Some(file), "") => format!("{name} of `{file}`"),
        (None, "") => name,
        (Some(file), _) if file.starts_with("./") => format!("{name} of `{file}`, called in job `{job}`"),
        (Some(file), _) => format!("{name} of job `{job}` in `{file}`"),
        (None, _) => format!("{name} of job `{job}`"),
    }
}

/// Says where a role was looked for in vain.
fn without_a_role(notes: &[String], has_job: bool, job: &str) -> String {
    let what = match (has_job, job) {
        (true, "") => "the job has no step of configure-aws-credentials that names a role".to_owned(),
        (true, _) => format!("job `{job}` has no step of configure-aws-credentials that names a role"),
        (false, "") => "the workflow file has several jobs, and nothing says which of them it is".to_owned(),
        (false, _) => format!("job `{job}` is not found in the workflow file"),
    };
    std::iter::once(&what)
        .chain(notes)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("; ")
}

/// What the running job knows about itself.
struct Contexts<'a> {
    live: &'a Live<'a>,
    /// What a saved run knew about itself.
    saved: &'a Known,
    matrix: Option<Json>,
    strategy: Option<Json>,
    inputs: OnceCell<Option<Json>>,
    event: OnceCell<Option<Json>>,
}

impl Contexts<'_> {
    fn get(&self, context: &str, key: Option<&str>) -> Option<Json> {
        let env = self.live.outside.env;
        let is_key = |name: &&String| key.is_some_and(|key| name.eq_ignore_ascii_case(key));
        let mut saved = self.saved.get(context).into_iter().flatten();
        if let Some((_, value)) = saved.find(|(name, _)| is_key(name)) {
            return Some(value.clone());
        }
        let of = match (context, key) {
            ("github", Some(key)) => return self.github(env, key),
            ("inputs", _) => self.inputs.get_or_init(|| inputs(env)).as_ref()?,
            ("matrix", _) => self.matrix.as_ref()?,
            ("strategy", _) => self.strategy.as_ref()?,
            _ => return None,
        };
        let Some(key) = key else { return Some(of.clone()) };
        let mut entries = of.as_object().into_iter().flatten();
        let found = entries.find(|(name, _)| name.eq_ignore_ascii_case(key));
        Some(found.map_or(Json::Null, |(_, value)| value.clone()))
    }

    fn github(&self, env: &Env, key: &str) -> Option<Json> {
        let key = key.to_ascii_lowercase();
        match &*key {
            "event" => self.event.get_or_init(|| event(env)).clone(),
            // Only a pull request has them.
            "base_ref" | "head_ref" => {
                let text = env.get(&format!("GITHUB_{}", key.to_ascii_uppercase()));
                Some(Json::from(text.unwrap_or_default()))
            }
            key if GITHUB.contains(&key) => env.get(&format!("GITHUB_{}", key.to_ascii_uppercase())).map(Json::from),
            _ => None,
        }
    }
}

/// The inputs of a manually started run.
fn inputs(env: &Env) -> Option<Json> {
    #[derive(Deserialize)]
    struct Event {
        inputs: Option<Json>,
    }
    let text = files::read(env.get("GITHUB_EVENT_PATH")?, MOST_EVENT).ok()?;
    let event: Event = serde_json::from_str(&text).ok()?;
    Some(event.inputs.unwrap_or_default())
}

fn event(env: &Env) -> Option<Json> {
    serde_json::from_str(&files::read(env.get("GITHUB_EVENT_PATH")?, MOST_EVENT).ok()?).ok()
}

/// A context passed by `action.yml`: an object, or `null`.
fn object(text: Option<&str>) -> Option<Json> {
    let text = text.filter(|text| text.len() <= MOST_CONTEXT)?;
    let value: Json = serde_json::from_str(text).ok()?;
    (value.is_object() || value.is_null()).then_some(value)
}
