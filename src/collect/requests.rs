//! What a run asks AWS for: what the inputs name, or else what the steps of the running job say.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use super::files;
use super::origin::Audience;
use super::{Env, Live};
use crate::aws::arn::RoleArn;
use crate::configure::{Flow, Input, Inputs};
use crate::evidence::{Evidence, MOST_RUNS, Probe, Request, WorkflowFile};
use crate::github::expression::Text;
use crate::github::workflow::steps::{self, Found, Known, Run, Step, Variable};
use crate::github::workflow::{self, Workflow};

/// What is asked for, and what is left out.
#[derive(Default)]
pub(super) struct Requests {
    /// One for each role.
    pub(super) requests: Vec<Request>,
    /// The steps that are left out, in words.
    pub(super) left_out: Vec<String>,
    /// What the expressions of the workflow used.
    pub(super) contexts: Known,
    /// Those of the requests that come right after a step that is left out and hands its credentials on.
    pub(super) after_unseen: Vec<usize>,
}

/// GitHub's events are at most 25 MB; a larger one than this is not read whole.
const MOST_EVENT: u64 = 1 << 20;
/// `matrix` and `strategy` of a job.
const MOST_CONTEXT: usize = 128 << 10;

/// What `github.*` and the runner's variables of the same names hold. Left out is what differs between the steps of a job.
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
    /// One request.
    pub(super) fn of(request: Request) -> Self {
        Self {
            requests: vec![request],
            ..Self::default()
        }
    }
}

impl Live<'_> {
    /// What is asked of AWS: the inputs, or else what the job's own configure-aws-credentials steps say; and the steps that
    /// are left out. `further` are the files of the repository that the workflow calls; are all of them known to be those that
    /// run?
    pub(super) fn requests(
        &self,
        evidence: &Evidence,
        is_running: bool,
        further: &dyn Fn(&str) -> Option<String>,
    ) -> Requests {
        let given = &evidence.request;
        let file = evidence.workflow.as_ref().and_then(Probe::known);
        let found = file.map(|file| self.found(file, further));
        let is_unread = matches!(found, Some(None));
        let found = found.flatten().unwrap_or_default();
        // What a checkout has can be a stranger's.
        let of = match is_running && file.is_some_and(|file| file.commit.is_some()) {
            true => "",
            false => ", as the checkout has it",
        };
        let workflow = file.and_then(|file| workflow::read(&file.text).ok());
        let named = given.given(Input::RoleToAssume).is_some();
        let job_id = self.outside.env.get("GITHUB_JOB");
        let own = workflow.as_ref().and_then(|workflow| own_role(workflow, job_id));
        // An input of ours that is there and came out empty: a secret that is not there. That is the finding.
        let empty = !named && (own.is_some() || given.get(Input::RoleToAssume).is_some());
        let mut asked = Requests {
            contexts: found.used,
            ..Requests::default()
        };
        // The role of this step is given, as our own step names it with the same words.
        let like = |step: &&Step| own.as_deref().is_some_and(|own| written(step) == Some(own));
        let mut likes = found.steps.iter().filter(like);
        let steps = match (named, likes.next(), likes.next()) {
            (true, Some(only), None) => std::slice::from_ref(only),
            (true, ..) => &[],
            _ if empty => &[],
            _ => &*found.steps,
        };
        let job = job_id.unwrap_or_default();
        for (index, step) in steps.iter().enumerate() {
            let place = place(step, index, job);
            let request = self.of_step(step, given, asked.requests.last());
            let is_chained = request.is_on(Input::RoleChaining);
            let is_same = |other: &Request| other.inputs == request.inputs && other.not_known == request.not_known;
            if !is_chained && asked.requests.iter().any(is_same) {
                continue;
            }
            let named = |why: &str| match request.get(Input::RoleToAssume).filter(|role| !role.is_empty()) {
                Some(role) => format!("{place} (`{role}`){why}"),
                None => format!("{place}{why}"),
            };
            // Its keys and files are not a checkout's to give, and other steps of the job can be looked at.
            let way = request.flow(self.around(None));
            let is_unseen = matches!(way, Flow::AccessKey | Flow::TokenFile) && request.stop(way).is_none();
            if is_unseen && steps.len() > 1 {
                asked
                    .left_out
                    .push(named(": its credentials are among its inputs, and not known here"));
                if request.hands_on() {
                    asked.after_unseen.push(asked.requests.len());
                }
                continue;
            }
            if asked.requests.len() == MOST_RUNS {
                asked.left_out.push(named(""));
                continue;
            }
            let role = Input::RoleToAssume.name();
            let source = match (request.not_known.get(role), request.faults.get(role)) {
                (Some(written), _) => format!("{place}, whose `{role}` is `{written}`"),
                (_, Some(fault)) => format!("{place}, whose `{role}` has no value: {fault}"),
                _ => format!("{place}{of}"),
            };
            asked.requests.push(Request {
                source: Some(source),
                ..request
            });
        }
        if asked.requests.is_empty() {
            let mut request = self.without_a_step(given, empty);
            let is_told = !named && !empty && file.is_some() && !is_unread;
            request.source = is_told.then(|| without_a_role(&found.notes, found.has_job, job));
            asked.requests.push(request);
        }
        asked
    }

    /// The inputs that were given, where no step says more.
    fn without_a_step(&self, given: &Request, empty: bool) -> Request {
        // What nobody wrote was not empty: the runner makes absent inputs so.
        let mut request = self.complete(Inputs::of_step([]), given, None);
        // With an input that says where credentials come from, the step's `with:` is at hand, and what it lacks is empty.
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

    /// What a step asks for, with the inputs that were given over its own.
    fn of_step(&self, step: &Step, given: &Request, before: Option<&Request>) -> Request {
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
        let mut request = self.complete(inputs, given, before);
        // What is given is known.
        not_known.retain(|name, _| Input::named(name).is_some_and(|input| given.given(input).is_none()));
        faults.retain(|name, _| Input::named(name).is_some_and(|input| given.given(input).is_none()));
        request.set_aside = self.set_aside(step);
        request.not_known = not_known;
        request.faults = faults;
        request
    }

    /// The inputs that were given, over those of the step, over the variables that configure-aws-credentials takes for
    /// inputs (`src/helpers.ts`), over its defaults (`action.yml`).
    pub(super) fn complete(&self, mut inputs: Inputs, given: &Request, before: Option<&Request>) -> Request {
        inputs.overlay(given);
        // A step exports its region, whatever comes of it (`exportRegion`).
        let exported = before
            .filter(|before| before.exports())
            .and_then(|before| before.given(Input::AwsRegion));
        inputs.complete(|variable| match variable {
            "AWS_REGION" if exported.is_some() => exported,
            _ => self.outside.env.get(variable),
        });
        // Where the token goes and for whom is the inputs' to say, never a step's in the checkout.
        let own = &self.args.flags.inputs;
        inputs.set(Input::Audience, Audience::of(own).as_str());
        for input in [Input::StsEndpoint, Input::HttpProxy, Input::NoProxy] {
            inputs.set(input, own.given(input).unwrap_or_default());
        }
        Request {
            inputs,
            ..Request::default()
        }
    }

    /// What a step of the checkout says of where a token goes and for whom, where it is another than what is used.
    fn set_aside(&self, step: &Step) -> BTreeMap<String, String> {
        let inputs = &self.args.flags.inputs;
        let audience = Audience::of(inputs);
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
            let is_other = inputs.given(input).is_none() && !value.is_empty() && value != used;
            is_other.then(|| (input.name().to_owned(), value.to_owned()))
        })
        .collect()
    }

    /// The steps of the running job.
    fn found(&self, file: &WorkflowFile, further: &dyn Fn(&str) -> Option<String>) -> Option<Found> {
        let contexts = Contexts {
            live: self,
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

    /// The workflow file that defines the job, which is another one than the running in a job of a called workflow. (GitHub
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

    /// A variable that an expression of the checkout names. A checkout is a stranger's: what could be a password is not put into
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

/// What stands for a value that is not known, where inputs are read.
const UNKNOWN: &str = "${{ }}";

/// The role that our own step names, as written.
fn own_role(workflow: &Workflow, job: Option<&str>) -> Option<String> {
    let steps = workflow.job(job)?.doctor_steps.iter();
    let mut roles = steps.filter_map(|step| Some(step.input(Input::RoleToAssume.name())?.value.trim().to_owned()));
    roles.next()
}

/// The role of a step, as written.
fn written(step: &Step) -> Option<&str> {
    let is_role = |name: &str| Input::named(name) == Some(Input::RoleToAssume);
    let role = step.inputs.iter().find(|input| is_role(&input.name))?;
    Some(role.written.trim())
}

/// A role of which a part is known.
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
    match &step.file {
        Some(file) if file.starts_with("./") => format!("{name} of `{file}`, called in job `{job}`"),
        Some(file) => format!("{name} of job `{job}` in `{file}`"),
        None => format!("{name} of job `{job}`"),
    }
}

/// Where a role was looked for in vain.
fn without_a_role(notes: &[String], has_job: bool, job: &str) -> String {
    let what = match has_job {
        true => format!("job `{job}` has no step of configure-aws-credentials that names a role"),
        false => format!("job `{job}` is not found in the workflow file"),
    };
    std::iter::once(&what)
        .chain(notes)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("; ")
}

/// What the running job knows of itself.
struct Contexts<'a> {
    live: &'a Live<'a>,
    matrix: Option<Json>,
    strategy: Option<Json>,
    inputs: OnceCell<Option<Json>>,
    event: OnceCell<Option<Json>>,
}

impl Contexts<'_> {
    fn get(&self, context: &str, key: Option<&str>) -> Option<Json> {
        let env = self.live.outside.env;
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

/// The inputs of a run that somebody started.
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

/// A context that `action.yml` hands over: an object, or `null`.
fn object(text: Option<&str>) -> Option<Json> {
    let text = text.filter(|text| text.len() <= MOST_CONTEXT)?;
    let value: Json = serde_json::from_str(text).ok()?;
    (value.is_object() || value.is_null()).then_some(value)
}
