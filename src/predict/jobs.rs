//! From workflow files to the tokens of their jobs.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::configure::Input;
use crate::github::expression::{Contexts, Value, is_expression};
use crate::github::issuer::Deployment;
use crate::github::workflow::steps::{self, Step};
use crate::github::workflow::{self, IdToken, Job, Kind, Node, Permissions, PermissionsKind, Workflow, WorkflowError};
use crate::text::language::{Class, Example, Glob, Language};
use crate::text::{SourceText, Span, Spanned};

use super::expression::{Follow, Known, Part, Refs, Values, budget, of_caller};
use super::filter::any_name;
use super::trigger::{CALL, InSubject, Trigger, Way, any_ref, is_of_forks, triggers, ways};
use super::{
    Asking, Family, File, Form, Grant, JobTokens, Origin, Piece, Prediction, Problem, Repository, Template, Variable,
    name_character, value_character,
};

/// GitHub's own limit on nesting reusable workflows.
const DEEPEST: usize = 10;
/// Up to this many matrix jobs and input values are enumerated; beyond it, each can have any value.
const MOST: usize = 256;
/// The most jobs examined: files that call each other in many ways would otherwise never end.
const MOST_JOBS: usize = 20_000;

/// The tokens that the jobs of these files can get. `other` reads another file of the repository: a called workflow.
#[must_use]
pub fn predict(repository: &Repository, files: &[File], other: &dyn Fn(&str) -> Option<String>) -> Prediction {
    let mut prediction = Prediction {
        files: files.len(),
        ..Prediction::default()
    };
    let mut read = Vec::new();
    for file in files {
        match Source::read(file.clone()) {
            Ok(source) => read.push(source),
            Err(error) => prediction.problems.push(problem(&file.name, error)),
        }
    }
    // Called workflows that aren't among the files, and those they call in turn.
    let mut called = Vec::new();
    let mut index = 0;
    while let Some(source) = read.get(index).or_else(|| called.get(index.checked_sub(read.len())?)) {
        let paths: Vec<String> = source.calls().collect();
        for path in paths {
            let is_known = |source: &Source| path_of(&source.file.name) == path;
            if called.len() < MOST && !read.iter().chain(&called).any(is_known) && !failed(&prediction, &path) {
                match other(&path).map(|text| Source::read(SourceText::new(&path, text))) {
                    Some(Ok(source)) => called.push(source),
                    Some(Err(error)) => prediction.problems.push(problem(&path, error)),
                    None => {}
                }
            }
        }
        index += 1;
    }
    let all: BTreeMap<&str, &Source> = read
        .iter()
        .chain(&called)
        .map(|source| (path_of(&source.file.name), source))
        .collect();
    let mut walk = Walk {
        repository,
        files: &all,
        other,
        actions: RefCell::default(),
        jobs: Vec::new(),
        left: MOST_JOBS,
    };
    for source in &read {
        walk.workflow(source);
    }
    for source in &read {
        walk.called_elsewhere(source);
    }
    prediction.jobs = walk.jobs;
    prediction
}

fn failed(prediction: &Prediction, path: &str) -> bool {
    prediction.problems.iter().any(|problem| path_of(&problem.file) == path)
}

fn problem(file: &str, error: WorkflowError) -> Problem {
    Problem {
        file: file.to_owned(),
        line: error.line,
        column: error.column,
        message: error.message,
    }
}

/// A file's path in its repository.
fn path_of(name: &str) -> &str {
    name.rfind(".github/workflows/")
        .and_then(|at| name.get(at..))
        .unwrap_or(name)
}

/// A workflow file that has been read.
struct Source {
    file: SourceText,
    root: Node,
    workflow: Workflow,
}

impl Source {
    fn read(file: SourceText) -> Result<Self, WorkflowError> {
        let workflow = workflow::read(&file.text)?;
        let root = workflow::tree(&file.text)?;
        if !matches!(root.kind, Kind::Map(_)) || workflow.jobs.iter().all(|job| job.id.value.is_empty()) {
            return Err(WorkflowError {
                line: 1,
                column: 1,
                message: "it has no `jobs`, so it is not a workflow".to_owned(),
            });
        }
        Ok(Self { file, root, workflow })
    }

    fn body(&self, job: &Job) -> Option<&Node> {
        self.root.get("jobs").unwrap_or(&self.root).get(&job.id.value)
    }

    /// The repository's workflows that its jobs call.
    fn calls(&self) -> impl Iterator<Item = String> {
        let uses = self.workflow.jobs.iter().filter_map(|job| job.uses.as_ref());
        uses.filter_map(|uses| local(&uses.value)).map(str::to_owned)
    }

    fn why(&self, at: Span, what: impl Into<String>) -> Origin {
        Origin {
            file: self.file.name.clone(),
            line: self.file.position(at.start).line,
            what: what.into(),
        }
    }

    /// The workflow's name as it is in the token: the file's path if it has none.
    fn name(&self) -> String {
        let name = self.root.get("name").and_then(Node::scalar);
        name.map_or_else(|| path_of(&self.file.name).to_owned(), |name| name.value)
    }

    fn trigger(&self, name: &str) -> Option<Trigger<'_>> {
        triggers(&self.root).into_iter().find(|trigger| trigger.name == name)
    }
}

/// The path of a workflow in the same repository.
fn local(uses: &str) -> Option<&str> {
    uses.strip_prefix("./").filter(|_| !uses.contains("${{"))
}

/// A run of a workflow, down to a job.
#[derive(Clone)]
struct Run {
    way: Way,
    known: Known,
    why: Vec<Origin>,
    widened: Vec<String>,
    /// The workflow that was started.
    started: (String, String),
    /// Whether it belongs to another repository.
    is_elsewhere: bool,
    grant: Grant,
    /// The ids of the calling jobs.
    callers: Vec<String>,
    /// The paths of the calling workflows.
    paths: Vec<String>,
}

/// The walk over all workflows.
struct Walk<'a> {
    repository: &'a Repository,
    files: &'a BTreeMap<&'a str, &'a Source>,
    /// Reads another file; `actions` caches the results.
    other: &'a dyn Fn(&str) -> Option<String>,
    actions: RefCell<BTreeMap<String, Option<String>>>,
    jobs: Vec<JobTokens>,
    left: usize,
}

impl Walk<'_> {
    /// Walks a workflow started by an event.
    fn workflow(&mut self, source: &Source) {
        let jobs = source.workflow.jobs.iter();
        let deciding: String = jobs.filter_map(|job| source.body(job)).map(deciding).collect();
        for trigger in triggers(&source.root) {
            let ways = ways(&trigger, self.repository.default_branch.as_deref());
            for way in ways.into_iter().filter(|way| way.refs.example() != Example::Nothing) {
                for inputs in dispatch_inputs(&trigger, &deciding) {
                    let known = Known {
                        event: Some(trigger.name.clone()),
                        refs: way.refs.clone().into(),
                        repository: self.repository.name.clone(),
                        inputs: inputs.clone(),
                        event_inputs: inputs,
                        matrix: None,
                        budget: budget(),
                    };
                    let run = Run {
                        why: vec![source.why(way.at, way.what.clone())],
                        widened: way.widened.clone().into_iter().collect(),
                        way: way.clone(),
                        known,
                        started: (path_of(&source.file.name).to_owned(), source.name()),
                        is_elsewhere: false,
                        grant: Grant::Given,
                        callers: Vec::new(),
                        paths: Vec::new(),
                    };
                    self.all_jobs(source, &run);
                }
            }
        }
    }

    /// Walks a reusable workflow as another repository may call it (and must, if nothing here does).
    fn called_elsewhere(&mut self, source: &Source) {
        let Some(trigger) = source.trigger(CALL) else { return };
        let refs = any_ref();
        let way = Way {
            event: CALL.to_owned(),
            at: trigger.at,
            what: "`on: workflow_call`, by another repository".to_owned(),
            refs: refs.clone(),
            words: "any ref".to_owned(),
            subject: InSubject::Either,
            widened: None,
        };
        let run = Run {
            known: Known {
                event: None,
                refs: refs.into(),
                repository: None,
                inputs: None,
                event_inputs: None,
                matrix: None,
                budget: budget(),
            },
            why: vec![source.why(way.at, way.what.clone())],
            widened: vec!["who calls this workflow from another repository is not known here".to_owned()],
            way,
            started: Default::default(),
            is_elsewhere: true,
            grant: Grant::Unknown,
            callers: Vec::new(),
            paths: Vec::new(),
        };
        self.all_jobs(source, &run);
    }

    fn all_jobs(&mut self, source: &Source, run: &Run) {
        for job in &source.workflow.jobs {
            let Some(left) = self.left.checked_sub(1) else { return };
            self.left = left;
            self.job(source, job, run);
        }
    }

    fn job(&mut self, source: &Source, job: &Job, run: &Run) {
        let Some(body) = source.body(job) else { return };
        let own = job.permissions.as_ref().or(source.workflow.permissions.as_ref());
        let grant = match own {
            Some(permissions) => granted(permissions).under(run.grant),
            // "If you don't specify permissions in the calling job, the called workflow has the default permissions": a called job
            // without permissions has its caller's. Otherwise, the default has no `id-token`.
            None if run.callers.is_empty() && !run.is_elsewhere => Grant::Missing,
            None => run.grant,
        };
        for matrix in matrix(body, &deciding(body)) {
            let mut run = Run { grant, ..run.clone() };
            run.known.matrix = matrix;
            run.known.budget = budget();
            let condition = body.entry("if").and_then(|(key, value)| Some((key, value.scalar()?)));
            let Some((key, condition)) = condition else {
                self.run(source, job, body, &run);
                continue;
            };
            for refs in run.known.holds(&condition.value) {
                let mut run = run.clone();
                // A condition that excludes nothing isn't worth mentioning.
                if run.known.refs.texts.is_within(&refs.texts) == Some(false) {
                    let what = format!("`if: {}`", condition.value.trim());
                    run.why.push(source.why(key.span, what));
                    run.way.words += ", where `if` lets the job run";
                    run.known.refs = refs;
                }
                self.run(source, job, body, &run);
            }
        }
    }

    fn run(&mut self, source: &Source, job: &Job, body: &Node, run: &Run) {
        match &job.uses {
            Some(uses) => self.call(source, job, body, &uses.value, run),
            None => self.tokens(source, job, body, run),
        }
    }

    /// Walks a job that calls a workflow.
    fn call(&mut self, source: &Source, job: &Job, body: &Node, uses: &str, run: &Run) {
        let mut run = run.clone();
        run.callers.push(job.id.value.clone());
        let at = job.uses.as_ref().map_or(job.id.span, |uses| uses.span);
        run.why.push(source.why(at, format!("`uses: {uses}`")));
        let path = local(uses);
        let called = path.and_then(|path| self.files.get(path)).copied();
        let Some(called) = called.filter(|called| called.trigger(CALL).is_some()) else {
            let why = match path {
                Some(path) => format!("`{path}` cannot be read, so its jobs may name any environment"),
                None => format!("`{uses}` is not read, so its jobs may name any environment"),
            };
            run.widened.push(why);
            run.known.matrix = None;
            let of_called = self.of_called(uses, &run);
            let asks = Asks {
                called: of_called,
                ..Asks::default()
            };
            for environment in [None, Some(any_environment())] {
                self.add(source, job, &run, environment, &asks);
            }
            return;
        };
        if run.paths.iter().any(|caller| Some(caller.as_str()) == path) || run.paths.len() >= DEEPEST {
            return;
        }
        if let Some(path) = path {
            run.paths.push(path.to_owned());
        }
        for (refs, inputs) in call_inputs(called, body, &run.known) {
            run.known.refs = refs;
            run.known.inputs = Some(inputs);
            self.all_jobs(called, &run);
        }
    }

    /// Adds the tokens of a job that runs steps itself.
    fn tokens(&mut self, source: &Source, job: &Job, body: &Node, run: &Run) {
        let ways = self.steps(source, body, run);
        if run.grant == Grant::Missing && ways.iter().all(|(_, steps)| steps.is_empty()) {
            return;
        }
        let path = path_of(&source.file.name);
        let asks = Asks {
            called: self.of_called(&format!("./{path}"), run),
            ways,
        };
        let environment = body.get("environment");
        let name = job.environment.as_ref();
        let Some(name) = name.filter(|name| !name.value.trim().is_empty()) else {
            // `environment: ${{ fromJSON(…) }}` is a text; anything else without a name means no environment.
            let is_none = environment.is_none_or(|node| !matches!(node.kind, Kind::List(_)));
            if is_none {
                self.add(source, job, run, None, &asks);
            }
            return;
        };
        for (refs, parts) in run.known.texts(&name.value) {
            let mut run = run.clone();
            let what = format!("`environment: {}`", name.value.trim());
            // Unknown parts can be empty, and so can the whole.
            let can_be_none = parts.iter().all(|part| matches!(part, Part::Any));
            run.known.refs = refs;
            if can_be_none {
                self.add(source, job, &run, None, &asks);
            }
            if !parts.is_empty() {
                run.why.push(source.why(name.span, what.clone()));
                if parts.contains(&Part::Any) {
                    run.widened.push(format!("what {what} comes to is not known here"));
                }
                let environment = environment_of(&parts, &run.known.refs.texts);
                let is_none = |names: &Language| names.example() == Example::Nothing;
                if !matches!(&environment, Environment::Open(names, _) if is_none(names)) {
                    self.add(source, job, &run, Some(environment), &asks);
                }
            }
        }
    }

    /// The job's steps that configure AWS credentials, for each answer they depend on.
    fn steps(&self, source: &Source, body: &Node, run: &Run) -> Vec<(Refs, Vec<Step>)> {
        let read = |path: &str| {
            let mut actions = self.actions.borrow_mut();
            let text = actions.entry(path.to_owned()).or_insert_with(|| (self.other)(path));
            text.clone()
        };
        let known = &run.known;
        let steps = |contexts: &dyn Contexts| steps::of_job(&source.root, body, contexts, &read, &known.budget);
        // With too many ways, the steps without any answer.
        let ways = known.ways(Follow::Refs, steps);
        ways.or_else(|| known.ways(Follow::Nothing, steps)).unwrap_or_default()
    }

    /// `job_workflow_ref` up to and including its `@`, and what can follow; `None` for the run's own ref.
    fn of_called(&self, uses: &str, run: &Run) -> (Template, Option<Language>) {
        match (local(uses), uses.split_once('@')) {
            (Some(path), _) => match (&self.repository.name, run.is_elsewhere) {
                (Some(name), false) => (Template::text(format!("{name}/{path}@")), None),
                // Called from elsewhere, at any ref.
                (Some(name), true) => (Template::text(format!("{name}/{path}@")), Some(Language::everything())),
                (None, _) => (Template::default(), Some(Language::everything())),
            },
            // A branch, a tag or a commit (samples in "OpenID Connect reference" have `@refs/heads/main` and a commit).
            (None, Some((path, git_ref))) if !uses.contains("${{") => {
                let forms = [
                    git_ref.to_owned(),
                    format!("refs/heads/{git_ref}"),
                    format!("refs/tags/{git_ref}"),
                ];
                let forms = Language::one_of(forms.iter().map(String::as_str));
                (Template::text(format!("{path}@")), Some(forms))
            }
            _ => (Template::default(), Some(Language::everything())),
        }
    }

    /// Adds the tokens of a job in a run, with or without an environment.
    fn add(&mut self, source: &Source, job: &Job, run: &Run, environment: Option<Environment>, asks: &Asks) {
        let (called, called_at) = &asks.called;
        let subjects: &[bool] = match (&environment, run.way.subject) {
            (Some(_), _) | (None, InSubject::Ref) => &[false],
            (None, InSubject::PullRequest) => &[true],
            (None, InSubject::Either) => &[true, false],
        };
        for is_pull_request in subjects {
            let mut family = Family {
                event: run.way.event.clone(),
                why: run.why.clone(),
                widened: run.widened.clone(),
                is_elsewhere: run.is_elsewhere,
                is_odd: run.known.refs.are_odd,
                variables: Vec::new(),
                claims: BTreeMap::new(),
            };
            let mut build = Build {
                family: &mut family,
                repository: self.repository,
            };
            let prefix = build.repository(run.is_elsewhere);
            let git_ref = build.variable(run.known.refs.texts.clone(), &run.way.words);
            build.set("ref", git_ref.clone());
            build.set("iss", Template::text(self.repository.issuer.clone()));
            let (audiences, words) = audiences(asks, self.repository);
            let audience = build.variable(audiences, words);
            build.set("aud", audience);
            if !run.is_elsewhere {
                build.set("event_name", Template::text(run.way.event.clone()));
                let (path, name) = &run.started;
                build.set("workflow", Template::text(name.clone()));
                if let Some(repository) = &self.repository.name {
                    let started = Template::text(format!("{repository}/{path}@")).join(&git_ref);
                    build.set("workflow_ref", started);
                }
            }
            let at = match called_at {
                Some(at) => build.variable(at.clone(), "any ref of the called workflow"),
                None => git_ref.clone(),
            };
            build.set("job_workflow_ref", called.clone().join(&at));
            let context = match &environment {
                Some(environment) => {
                    let (raw, encoded) = match environment {
                        Environment::Named(name) => {
                            (Template::text(name.clone()), Template::text(name.replace(':', "%3A")))
                        }
                        Environment::Open(names, words) => {
                            let name = build.variable(names.clone(), words);
                            (name.clone(), name)
                        }
                    };
                    build.set("environment", raw);
                    Template::text("environment:").join(&encoded)
                }
                None if *is_pull_request => Template::text("pull_request"),
                None => Template::text("ref:").join(&git_ref),
            };
            build.subject(&prefix, &context);
            self.push(source, job, run, family, asks);
        }
    }

    /// Adds tokens to the job's.
    fn push(&mut self, source: &Source, job: &Job, run: &Run, family: Family, asks: &Asks) {
        let name: Vec<&str> = run.callers.iter().map(String::as_str).collect();
        let name = match (&*name, &job.uses) {
            (callers, Some(_)) => callers.join(" / "),
            (callers, None) => [callers, &[job.id.value.as_str()]].concat().join(" / "),
        };
        let is_same = |tokens: &&mut JobTokens| {
            tokens.file == source.file.name
                && tokens.name == name
                && tokens
                    .families
                    .first()
                    .is_none_or(|other| other.is_elsewhere == family.is_elsewhere)
        };
        let found = self.jobs.iter_mut().find(is_same);
        let tokens = match found {
            Some(tokens) => tokens,
            None => {
                self.jobs.push(JobTokens {
                    file: source.file.name.clone(),
                    line: source.file.position(job.id.span.start).line,
                    name,
                    id: job.id.value.clone(),
                    grant: run.grant,
                    steps: Vec::new(),
                    families: Vec::new(),
                    notes: Vec::new(),
                });
                let Some(tokens) = self.jobs.last_mut() else { return };
                tokens
            }
        };
        if is_of_forks(&family.event) {
            // GitHub docs, "GITHUB_TOKEN": `none` at most for public forks; a private repository's settings can allow more.
            note(
                tokens,
                "a pull request from a fork gets no token, unless a private repository's settings allow it",
            );
        }
        if run.grant == Grant::Missing {
            note(tokens, "without `id-token: write` the job gets no token");
        }
        for (refs, steps) in &asks.ways {
            let own = match &*asks.ways {
                [_] => Some(family.clone()),
                _ => family.narrowed(refs),
            };
            for (step, own) in steps.iter().filter_map(|step| Some((step, own.clone()?))) {
                let is_room = tokens.steps.len() < MOST;
                match tokens.steps.iter_mut().find(|asking| asking.step == *step) {
                    Some(asking) => add_family(&mut asking.families, own),
                    None if is_room => tokens.steps.push(Asking {
                        step: step.clone(),
                        families: vec![own],
                    }),
                    None => {}
                }
            }
        }
        add_family(&mut tokens.families, family);
    }
}

/// Adds tokens unless already present: jobs of a matrix may differ in nothing that matters.
pub(crate) fn add_family(families: &mut Vec<Family>, family: Family) {
    let is_known = |other: &Family| {
        let texts = |family: &Family| -> Vec<Language> {
            family.variables.iter().map(|variable| variable.texts.clone()).collect()
        };
        other.event == family.event && other.claims == family.claims && texts(other) == texts(&family)
    };
    if families.len() < MOST && !families.iter().any(is_known) {
        families.push(family);
    }
}

/// What a job requests in a run.
#[derive(Default)]
struct Asks {
    /// The workflow that defines it, as in [`Walk::of_called`].
    called: (Template, Option<Language>),
    /// Its steps, for each answer they depend on.
    ways: Vec<(Refs, Vec<Step>)>,
}

fn note(tokens: &mut JobTokens, text: &str) {
    if tokens.notes.iter().all(|note| note != text) {
        tokens.notes.push(text.to_owned());
    }
}

/// A family under construction.
struct Build<'a> {
    family: &'a mut Family,
    repository: &'a Repository,
}

impl Build<'_> {
    /// A variable over a set of texts; the text itself if there is only one.
    fn variable(&mut self, texts: Language, words: &str) -> Template {
        if let Some(only) = texts.only() {
            return Template::text(only);
        }
        self.family.variables.push(Variable {
            words: words.to_owned(),
            texts,
        });
        Template::default().then_any(self.family.variables.len() - 1)
    }

    fn set(&mut self, claim: &str, value: Template) {
        self.family.claims.insert(claim.to_owned(), value);
    }

    /// The repository as it is in the subject; also sets the claims that name it.
    fn repository(&mut self, is_elsewhere: bool) -> Template {
        let digits = Class::of(&[('0', '9')]);
        let free = Class::of(&[(':', ':'), ('/', '/'), ('@', '@')]).others();
        let name = || Glob::default().some(&free);
        let id = |id: &Option<String>| match id {
            Some(id) => Glob::default().text(id),
            None => Glob::default().some(&digits),
        };
        let Repository {
            name: Some(whole),
            owner_id,
            id: own_id,
            form,
            ..
        } = self.repository
        else {
            return self.any_repository(&name(), &digits);
        };
        if is_elsewhere {
            return self.any_repository(&name(), &digits);
        }
        let (owner, repository) = whole.split_once('/').unwrap_or((whole, ""));
        self.set("repository", Template::text(whole.clone()));
        self.set("repository_owner", Template::text(owner.to_owned()));
        for (claim, id) in [("repository_owner_id", owner_id), ("repository_id", own_id)] {
            if let Some(id) = id {
                self.set(claim, Template::text(id.clone()));
            }
        }
        let classic = Language::exactly(whole);
        let immutable = || -> Language {
            let owner = Glob::default().text(owner).text("@").then(&id(owner_id));
            owner.text("/").text(repository).text("@").then(&id(own_id)).into()
        };
        let (texts, words) = match form {
            Form::Classic => (classic, ""),
            Form::Either => (classic.or(immutable()), "with and without ids"),
            Form::Immutable => (immutable(), "with the ids of owner and repository"),
        };
        self.variable(texts, words)
    }

    fn any_repository(&mut self, name: &Glob, digits: &Class) -> Template {
        let at = Glob::default().text("@").some(digits);
        let slash = Glob::default().text("/");
        let classic: Language = name.clone().then(&slash).then(name).into();
        let immutable: Language = name.clone().then(&at).then(&slash).then(name).then(&at).into();
        let texts = match self.repository.form {
            Form::Classic => classic,
            _ => classic.or(immutable),
        };
        self.variable(texts, "any repository")
    }

    /// The subject, by the repository's template if it has one (GitHub docs, "OpenID Connect reference", customized subjects).
    fn subject(&mut self, repository: &Template, context: &Template) {
        let keys = self.repository.template.clone();
        let keys = keys.unwrap_or_else(|| vec!["repo".to_owned(), "context".to_owned()]);
        let mut subject = Template::default();
        for (index, key) in keys.iter().enumerate() {
            if index > 0 {
                subject = subject.then(":");
            }
            subject = match key.as_str() {
                "repo" => subject.then("repo:").join(repository),
                "context" => subject.join(context),
                key => {
                    let value = match self.family.claims.get(key) {
                        Some(value) => value.encoded(),
                        None => {
                            self.family
                                .widened
                                .push(format!("the subject has `{key}`, whose value is not known here"));
                            let any = Glob::default().many(&value_character()).into();
                            self.variable(any, &format!("any `{key}`"))
                        }
                    };
                    subject.then(format!("{key}:")).join(&value)
                }
            };
        }
        self.set("sub", subject);
    }
}

/// What a job runs for, as given by the user.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RunsFor<'a> {
    /// A branch, with `*` for any run of characters.
    Branch(&'a str),
    /// An environment.
    Environment(&'a str),
    /// Pull requests.
    PullRequest,
    /// A tag, with `*` for any run of characters.
    Tag(&'a str),
}

impl Family {
    /// The tokens of jobs that run for any of these.
    #[must_use]
    pub(crate) fn of_words(repository: &Repository, runs_for: RunsFor<'_>, audience: &str) -> Self {
        let mut family = Self {
            event: String::new(),
            why: Vec::new(),
            widened: Vec::new(),
            is_elsewhere: false,
            is_odd: false,
            variables: Vec::new(),
            claims: BTreeMap::new(),
        };
        let mut build = Build {
            family: &mut family,
            repository,
        };
        let prefix = build.repository(false);
        let names = |kind: &str, pattern: &str| {
            let names = match pattern.contains('*') {
                true => Language::from(Glob::like(&pattern.replace('?', "*"))).and(any_name()),
                false => Language::exactly(pattern),
            };
            names.within(&Glob::default().text(kind), &Glob::default())
        };
        let refs = match runs_for {
            RunsFor::Branch(name) => names("refs/heads/", name),
            RunsFor::Tag(name) => names("refs/tags/", name),
            RunsFor::Environment(_) | RunsFor::PullRequest => any_ref(),
        };
        let git_ref = build.variable(refs, "");
        build.set("ref", git_ref.clone());
        build.set("iss", Template::text(repository.issuer.clone()));
        build.set("aud", Template::text(audience));
        let context = match runs_for {
            RunsFor::Environment(name) => {
                build.set("environment", Template::text(name));
                Template::text(format!("environment:{}", name.replace(':', "%3A")))
            }
            RunsFor::PullRequest => Template::text("pull_request"),
            RunsFor::Branch(_) | RunsFor::Tag(_) => Template::text("ref:").join(&git_ref),
        };
        build.subject(&prefix, &context);
        family
    }
}

impl Template {
    /// Encoded as a value in a subject, where `:` is `%3A`.
    fn encoded(&self) -> Self {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => Piece::Text(text.replace(':', "%3A")),
            Piece::Variable(variable) => Piece::Variable(*variable),
        };
        Self(self.0.iter().map(piece).collect())
    }
}

/// An environment: a name, or any of a set.
enum Environment {
    Named(String),
    Open(Language, String),
}

fn any_environment() -> Environment {
    Environment::Open(
        Glob::default().some(&value_character()).into(),
        "any environment".to_owned(),
    )
}

/// The environment that the parts of a text evaluate to.
fn environment_of(parts: &[Part], refs: &Language) -> Environment {
    if let Some(named) = whole(parts) {
        return Environment::Named(named);
    }
    // A single ref with text around it: as exact as the ref itself.
    let is_ref = |part: &Part| matches!(part, Part::Ref { .. });
    let around = |parts: &[Part]| Some(Glob::default().text(&whole(parts)?.replace(':', "%3A")));
    if let Some(at) = parts.iter().position(is_ref)
        && let (Some(before), Some(after)) = (parts.get(..at).and_then(around), parts.get(at + 1..).and_then(around))
    {
        let is_short = matches!(parts.get(at), Some(Part::Ref { is_short: true }));
        let names = if is_short {
            let kinds = ["refs/heads/", "refs/tags/", "refs/pull/"].map(|kind| refs.inside(kind, ""));
            kinds.into_iter().fold(Language::nothing(), Language::or)
        } else {
            refs.clone()
        };
        if let Some([only]) = names.listed().as_deref() {
            return Environment::Open(Language::exactly(only).within(&before, &after), String::new());
        }
        return Environment::Open(names.within(&before, &after), "named after the ref".to_owned());
    }
    let any = |glob: Glob, part: &Part| match part {
        Part::Any => glob.many(&value_character()),
        Part::Ref { .. } => glob.some(&name_character()),
        Part::Text(text) => glob.text(&text.replace(':', "%3A")),
    };
    let open = parts.iter().fold(Glob::default(), any);
    let some: Language = Glob::default().some(&value_character()).into();
    let words = match parts {
        [Part::Any] => "any environment",
        _ => "part of the environment's name is not known",
    };
    Environment::Open(Language::from(open).and(some), words.to_owned())
}

fn granted(permissions: &Permissions) -> Grant {
    match (&permissions.kind, permissions.id_token) {
        (PermissionsKind::Other, IdToken::Absent) => Grant::Unknown,
        (_, id_token) => Grant::of(id_token),
    }
}

/// The audiences of the tokens that a job's steps request: AWS's own unless a step says otherwise (configure-aws-credentials,
/// `action.yml`), and GitHub's own where a step says that it is empty.
fn audiences(asks: &Asks, repository: &Repository) -> (Language, &'static str) {
    const USUAL: &str = "sts.amazonaws.com";
    const UNKNOWN: &str = "any audience";
    let owner = repository
        .name
        .as_deref()
        .and_then(|name| Some(name.split_once('/')?.0));
    let own = owner.and_then(|owner| Deployment::own_audience(&repository.issuer, owner));
    let mut audiences: Vec<&str> = Vec::new();
    for step in asks.ways.iter().flat_map(|(_, steps)| steps) {
        let audience = match step.input(Input::Audience.name()) {
            Some(input) => match input.value.as_ref().map(|audience| audience.as_known().map(str::trim)) {
                Ok(Some("")) => own.as_deref(),
                Ok(audience) => audience,
                Err(_) => None,
            },
            None => Some(USUAL),
        };
        let Some(audience) = audience else {
            return (Language::everything(), UNKNOWN);
        };
        if !audiences.contains(&audience) {
            audiences.push(audience);
        }
    }
    if audiences.is_empty() {
        audiences.push(USUAL);
    }
    (Language::one_of(audiences), "the audiences of the job's steps")
}

/// The texts that decide on a job's tokens, in lower case: what they don't name needn't be distinguished.
fn deciding(body: &Node) -> String {
    let mut texts = String::new();
    let mut add = |node: Option<&Node>| {
        if let Some(text) = node.and_then(Node::scalar) {
            texts += &text.value.to_lowercase();
            texts.push('\n');
        }
    };
    add(body.get("if"));
    add(body.get("environment"));
    add(body.get("environment").and_then(|environment| environment.get("name")));
    let mut add_all = |node: Option<&Node>| {
        let entries = node.map(Node::entries).unwrap_or_default();
        entries.iter().for_each(|(_, value)| add(Some(value)));
    };
    add_all(body.get("with"));
    add_all(body.get("env"));
    if let Some(Kind::List(steps)) = body.get("steps").map(|steps| &steps.kind) {
        for step in steps.iter().filter(|step| steps::may_ask(step)) {
            add_all(step.get("with"));
            add_all(step.get("env"));
            add_all(Some(step));
        }
    }
    texts
}

/// The jobs of a matrix, as far as `deciding` texts name its keys; without a matrix, one job.
fn matrix(body: &Node, deciding: &str) -> Vec<Values> {
    let Some(matrix) = body.get("strategy").and_then(|strategy| strategy.get("matrix")) else {
        return vec![Some(BTreeMap::new())];
    };
    let Kind::Map(entries) = &matrix.kind else {
        return vec![None];
    };
    if !deciding.contains("matrix") {
        return vec![None];
    }
    let mut rows = vec![BTreeMap::new()];
    for (key, values) in entries {
        if key.value == "include" || key.value == "exclude" {
            continue;
        }
        let Kind::List(values) = &values.kind else {
            return vec![None];
        };
        if !deciding.contains(&key.value.to_lowercase()) {
            continue;
        }
        let mut next = Vec::new();
        for row in &rows {
            for value in values {
                let mut row: BTreeMap<String, Value> = row.clone();
                row.insert(key.value.clone(), literal("matrix", &key.value, value));
                next.push(row);
            }
        }
        if next.len() > MOST {
            return vec![None];
        }
        rows = next;
    }
    // `exclude` is ignored: its jobs stay. An `include` entry is a row of its own, and may also extend existing rows.
    match matrix.get("include").map(|include| &include.kind) {
        None => {}
        Some(Kind::List(items)) => {
            let is_key = |(key, _): &(Spanned<String>, Node)| key.value != "include" && key.value != "exclude";
            let is_alone = !entries.iter().any(is_key);
            let mut added = Vec::new();
            for item in items {
                let Kind::Map(entries) = &item.kind else {
                    return vec![None];
                };
                let own = || {
                    let value = |key: &str, value| literal("matrix", key, value);
                    entries
                        .iter()
                        .map(move |(key, own)| (key.value.clone(), value(&key.value, own)))
                };
                added.push(own().collect::<BTreeMap<_, _>>());
                for row in rows.iter().filter(|_| !is_alone) {
                    let fits = own().all(|(key, value)| row.get(&key).is_none_or(|there| *there == value));
                    if fits {
                        added.push(row.clone().into_iter().chain(own()).collect());
                    }
                }
            }
            rows = if is_alone {
                added
            } else {
                rows.into_iter().chain(added).collect()
            };
        }
        Some(_) => return vec![None],
    }
    if rows.len() > MOST {
        return vec![None];
    }
    rows.into_iter().map(Some).collect()
}

/// A value without expressions; any other is known by name only.
fn literal(context: &str, name: &str, node: &Node) -> Value {
    steps::literal(node).map_or_else(|| Value::unknown(format!("{context}.{name}")), Value::Known)
}

/// The inputs of an event, for each choice of those that have options and are named by `deciding` texts; empty for an event without
/// inputs.
fn dispatch_inputs(trigger: &Trigger<'_>, deciding: &str) -> Vec<Values> {
    if trigger.name != "workflow_dispatch" {
        // A webhook's payload has other fields, and no `inputs`.
        return vec![Some(BTreeMap::new())];
    }
    let inputs = trigger.body.and_then(|body| body.get("inputs"));
    let Some(Kind::Map(inputs)) = inputs.map(|inputs| &inputs.kind) else {
        return vec![Some(BTreeMap::new())];
    };
    let mut all = vec![BTreeMap::new()];
    for (name, input) in inputs {
        let any = || Value::unknown(format!("inputs.{}", name.value));
        let values: Vec<Value> = match input.get("type").and_then(Node::text) {
            Some("choice") if deciding.contains(&name.value.to_lowercase()) => {
                match input.get("options").map(|options| &options.kind) {
                    // A choice is always a text.
                    Some(Kind::List(options)) => {
                        let text = |option: &Node| option.text().filter(|text| !is_expression(text)).map(Value::text);
                        options.iter().map(|option| text(option).unwrap_or_else(any)).collect()
                    }
                    _ => vec![any()],
                }
            }
            _ => vec![any()],
        };
        let next: Vec<_> = all
            .iter()
            .flat_map(|inputs: &BTreeMap<String, Value>| {
                values.iter().map(|value| {
                    let mut inputs = inputs.clone();
                    inputs.insert(name.value.clone(), value.clone());
                    inputs
                })
            })
            .collect();
        all = if next.len() > MOST || values.is_empty() {
            let unknown = |mut inputs: BTreeMap<String, Value>| {
                inputs.insert(name.value.clone(), any());
                inputs
            };
            all.into_iter().map(unknown).collect()
        } else {
            next
        };
    }
    all.into_iter().map(Some).collect()
}

/// A called workflow's inputs, from its caller or else their defaults, and the refs for which they have these values.
fn call_inputs(called: &Source, caller: &Node, known: &Known) -> Vec<(Refs, BTreeMap<String, Value>)> {
    let mut all = vec![(known.refs.clone(), BTreeMap::new())];
    let trigger = called.trigger(CALL);
    let declared = trigger.as_ref().and_then(|trigger| trigger.body?.get("inputs"));
    let Some(Kind::Map(declared)) = declared.map(|inputs| &inputs.kind) else {
        return all;
    };
    let given = caller.get("with");
    for (name, input) in declared {
        let given = given.and_then(|with| with.named(&name.value));
        let any = || Value::unknown(format!("inputs.{}", name.value));
        let mut next = Vec::new();
        for (refs, inputs) in &all {
            let values = match given.map(Node::text) {
                Some(Some(text)) if is_expression(text) => {
                    let here = Known {
                        refs: refs.clone(),
                        ..known.clone()
                    };
                    here.values(text)
                        .into_iter()
                        .map(|(refs, value)| (refs, of_caller(value)))
                        .collect()
                }
                Some(_) => vec![(
                    refs.clone(),
                    given.map_or_else(any, |given| text_of(given).unwrap_or_else(any)),
                )],
                None => {
                    let default = input.get("default").map(|default| text_of(default).unwrap_or_else(any));
                    vec![(refs.clone(), default.unwrap_or_else(|| Value::text("")))]
                }
            };
            let values = values
                .into_iter()
                .map(|(refs, value)| (refs, steps::typed(value, Some(input))));
            next.extend(values.map(|(refs, value)| {
                let mut inputs = inputs.clone();
                inputs.insert(name.value.clone(), value);
                (refs, inputs)
            }));
        }
        if next.len() > MOST {
            for (_, inputs) in &mut all {
                inputs.insert(name.value.clone(), any());
            }
        } else {
            all = next;
        }
    }
    all
}

/// The text written for an input, before its type turns it into another value.
fn text_of(node: &Node) -> Option<Value> {
    let text = node.text()?;
    steps::literal(node)?;
    Some(Value::text(text))
}

/// The text that the parts add up to, if all are known.
fn whole(parts: &[Part]) -> Option<String> {
    fn text(part: &Part) -> Option<&str> {
        match part {
            Part::Text(text) => Some(text),
            Part::Any | Part::Ref { .. } => None,
        }
    }
    parts.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widgets() -> Repository {
        Repository {
            name: Some("acme/widgets".to_owned()),
            form: Form::Classic,
            default_branch: Some("main".to_owned()),
            ..Repository::default()
        }
    }

    fn of(repository: &Repository, files: &[(&str, &str)]) -> Prediction {
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| SourceText::new(format!(".github/workflows/{name}"), *text))
            .collect();
        predict(repository, &files, &|_| None)
    }

    /// The patterns of a workflow's only file, `event subject`, without the repository.
    fn patterns(text: &str) -> Vec<String> {
        let prediction = of(&widgets(), &[("deploy.yml", text)]);
        assert_eq!(prediction.problems, [], "{text}");
        let families = prediction.jobs.iter().flat_map(|job| &job.families);
        let here = families.filter(|family| !family.is_elsewhere && !family.is_odd);
        here.flat_map(|family| {
            let own = |pattern: &String| {
                let pattern = pattern.replace("repo:acme/widgets:", "");
                format!("{} {pattern}", family.event)
            };
            family.patterns().iter().map(own).collect::<Vec<_>>()
        })
        .collect()
    }

    fn workflow(on: &str, job: &str) -> String {
        format!("on: {on}\npermissions: {{id-token: write}}\njobs:\n  deploy:\n    runs-on: x\n{job}    steps: []\n")
    }

    #[test]
    fn each_event_has_its_subjects() {
        for (on, want) in [
            ("push", vec!["push ref:refs/heads/*", "push ref:refs/tags/*"]),
            ("{push: {branches: [main]}}", vec!["push ref:refs/heads/main"]),
            ("{push: {tags: ['v*']}}", vec!["push ref:refs/tags/v*"]),
            (
                "{push: {branches: [main, dev], tags: [v1]}}",
                vec![
                    "push ref:refs/heads/dev",
                    "push ref:refs/heads/main",
                    "push ref:refs/tags/v1",
                ],
            ),
            (
                "{push: {paths: [src/**]}}",
                vec!["push ref:refs/heads/*", "push ref:refs/tags/*"],
            ),
            ("pull_request", vec!["pull_request pull_request"]),
            (
                "pull_request_target",
                vec![
                    "pull_request_target pull_request",
                    "pull_request_target ref:refs/heads/*",
                ],
            ),
            (
                "{schedule: [{cron: '0 0 * * *'}]}",
                vec!["schedule ref:refs/heads/main"],
            ),
            ("workflow_run", vec!["workflow_run ref:refs/heads/main"]),
            ("release", vec!["release ref:refs/tags/*"]),
            (
                "workflow_dispatch",
                vec![
                    "workflow_dispatch ref:refs/heads/*",
                    "workflow_dispatch ref:refs/tags/*",
                ],
            ),
            (
                "{merge_group: {branches: [main]}}",
                vec!["merge_group ref:refs/heads/gh-readonly-queue/main/*"],
            ),
            (
                "something_new",
                vec!["something_new pull_request", "something_new ref:refs/*"],
            ),
            ("workflow_call", vec![]),
            (
                "[push, pull_request]",
                vec![
                    "push ref:refs/heads/*",
                    "push ref:refs/tags/*",
                    "pull_request pull_request",
                ],
            ),
        ] {
            let mut found = patterns(&workflow(on, ""));
            let mut want = want;
            found.sort();
            want.sort_unstable();
            assert_eq!(found, want, "{on}");
        }
    }

    #[test]
    fn an_environment_takes_the_place_of_the_ref() {
        let choice = "{workflow_dispatch: {inputs: {stage: {type: choice, options: [prod, dev]}}}}";
        for (on, environment, want) in [
            ("pull_request", "prod", vec!["environment:prod"]),
            ("push", "{name: prod, url: x}", vec!["environment:prod"]),
            ("push", "'Prod:V1'", vec!["environment:Prod%3AV1"]),
            ("push", "{url: x}", vec!["ref:refs/heads/*", "ref:refs/tags/*"]),
            (
                choice,
                "'${{ inputs.stage }}'",
                vec!["environment:dev", "environment:prod"],
            ),
            (
                choice,
                "'${{ github.event.inputs.stage }}-eu'",
                vec!["environment:dev-eu", "environment:prod-eu"],
            ),
            ("push", "\"${{ inputs.stage || 'dev' }}\"", vec!["environment:dev"]),
            (
                "{push: {branches: [main, x]}}",
                "\"${{ github.ref_name == 'main' && 'prod' || 'dev' }}\"",
                vec!["environment:dev", "environment:prod"],
            ),
            (
                "{push: {branches: [a, b]}}",
                "'${{ github.ref_name }}'",
                vec!["environment:a", "environment:b"],
            ),
            (
                "{push: {branches: ['r/*']}}",
                "'on-${{ github.ref_name }}'",
                vec!["environment:on-r/*"],
            ),
            (
                "{push: {tags: ['v*']}}",
                "'${{ github.ref_name }}'",
                vec!["environment:v*"],
            ),
            (
                "{push: {tags: [v1]}}",
                "'${{ vars.E }}'",
                vec!["environment:*", "ref:refs/tags/v1"],
            ),
            ("{push: {tags: [v1]}}", "'a-${{ vars.E }}'", vec!["environment:a-*"]),
        ] {
            let job = format!("    environment: {environment}\n");
            let mut found: Vec<String> = patterns(&workflow(on, &job))
                .iter()
                .map(|pattern| pattern.split_once(' ').unwrap().1.to_owned())
                .collect();
            found.sort();
            found.dedup();
            assert_eq!(found, want, "{on} {environment}");
        }
    }

    #[test]
    fn a_matrix_and_a_condition_are_followed() {
        let job = "    strategy: {matrix: {env: [a, b], include: [{env: c}]}}\n    environment: '${{ matrix.env }}'\n";
        let found = patterns(&workflow("{push: {branches: [main]}}", job));
        assert_eq!(
            found,
            ["push environment:a", "push environment:b", "push environment:c"]
        );
        for (condition, want) in [
            ("github.ref == 'refs/heads/main'", vec!["push ref:refs/heads/main"]),
            ("github.event_name == 'pull_request'", vec!["pull_request pull_request"]),
            ("startsWith(github.ref, 'refs/tags/v')", vec!["push ref:refs/tags/v*"]),
            ("false", vec![]),
        ] {
            let job = format!("    if: {condition}\n");
            assert_eq!(patterns(&workflow("[push, pull_request]", &job)), want, "{condition}");
        }
    }

    #[test]
    fn a_called_workflow_has_its_callers_subject() {
        let called = "on:\n  workflow_call:\n    inputs: {stage: {type: string, default: dev}}\njobs:\n  deploy:\n    runs-on: x\n    \
                      environment: ${{ inputs.stage }}\n  test:\n    runs-on: x\n";
        let caller = "on: {push: {branches: [main]}}\npermissions: {id-token: write}\njobs:\n  a:\n    uses: \
                      ./.github/workflows/called.yml\n    with: {stage: prod}\n  b:\n    uses: \
                      ./.github/workflows/called.yml\n  c:\n    uses: acme/shared/.github/workflows/x.yml@v1\n";
        let prediction = of(&widgets(), &[("called.yml", called), ("caller.yml", caller)]);
        let found: Vec<_> = prediction
            .jobs
            .iter()
            .map(|job| {
                let first = job.families.first().unwrap();
                let called = first.claim("job_workflow_ref").unwrap();
                (
                    job.name.as_str(),
                    job.file.rsplit('/').next().unwrap(),
                    first.is_elsewhere,
                    called.covering(),
                )
            })
            .collect();
        let own = "acme/widgets/.github/workflows/called.yml@refs/heads/main".to_owned();
        let at = |at: &str| format!("acme/shared/.github/workflows/x.yml@{at}");
        assert_eq!(
            found,
            [
                ("a / deploy", "called.yml", false, vec![own.clone()]),
                ("a / test", "called.yml", false, vec![own.clone()]),
                ("b / deploy", "called.yml", false, vec![own.clone()]),
                ("b / test", "called.yml", false, vec![own]),
                (
                    "c",
                    "caller.yml",
                    false,
                    vec![at("v1"), at("refs/heads/v1"), at("refs/tags/v1")]
                ),
                (
                    "deploy",
                    "called.yml",
                    true,
                    vec!["acme/widgets/.github/workflows/called.yml@*".to_owned()]
                ),
                (
                    "test",
                    "called.yml",
                    true,
                    vec!["acme/widgets/.github/workflows/called.yml@*".to_owned()]
                ),
            ]
        );
        for (job, subject, want) in [
            (0, "repo:acme/widgets:environment:prod", true),
            (0, "repo:acme/widgets:environment:dev", false),
            (1, "repo:acme/widgets:ref:refs/heads/main", true),
            (2, "repo:acme/widgets:environment:dev", true),
            (4, "repo:acme/widgets:environment:anything", true),
            (4, "repo:acme/widgets:ref:refs/heads/main", true),
            (5, "repo:other/place:environment:anything", true),
        ] {
            assert_eq!(prediction.jobs[job].can_have(subject), want, "{job} {subject}");
        }
    }

    #[test]
    fn callers_that_circle_end() {
        let file = |other: &str| {
            format!(
                "on: {{workflow_call: , push: }}\npermissions: {{id-token: write}}\njobs:\n  a: {{uses: \
                 ./.github/workflows/{other}.yml}}\n  b: {{uses: ./.github/workflows/{other}.yml}}\n  d: {{runs-on: x}}\n"
            )
        };
        let names: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        let files: Vec<_> = (0..12)
            .map(|n| (format!("{n}.yml"), file(&names[(n + 1) % 12])))
            .collect();
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        assert!(of(&widgets(), &files).jobs.len() <= MOST_JOBS);
    }

    #[test]
    fn who_gets_no_token_is_told_apart() {
        let with = |permissions: &str, steps: &str| {
            format!("on: push\njobs:\n  d:\n    runs-on: x\n{permissions}    steps: [{steps}]\n")
        };
        let configure = "{uses: aws-actions/configure-aws-credentials@v6}";
        for (permissions, steps, want) in [
            ("", "", None),
            ("", configure, Some(Grant::Missing)),
            ("    permissions: read-all\n", configure, Some(Grant::Missing)),
            ("    permissions: write-all\n", "", Some(Grant::Given)),
            ("    permissions: {id-token: write}\n", "", Some(Grant::Given)),
        ] {
            let prediction = of(&widgets(), &[("x.yml", &with(permissions, steps))]);
            let found = prediction.jobs.first();
            assert_eq!(found.map(|job| job.grant), want, "{permissions} {steps}");
            let can_have = found.is_some_and(|job| job.can_have("repo:acme/widgets:ref:refs/heads/main"));
            assert_eq!(can_have, want == Some(Grant::Given));
        }
    }

    #[test]
    fn what_is_no_workflow_is_a_problem_and_the_rest_goes_on() {
        let good = workflow("push", "");
        let prediction = of(
            &widgets(),
            &[("bad.yml", "a: [1\nb: }"), ("list.yml", "[]"), ("good.yml", &good)],
        );
        let places: Vec<_> = prediction
            .problems
            .iter()
            .map(|problem| (&*problem.file, problem.line))
            .collect();
        assert_eq!(
            places,
            [(".github/workflows/bad.yml", 2), (".github/workflows/list.yml", 1)]
        );
        assert_eq!(prediction.jobs.len(), 1);
    }

    #[test]
    fn a_repository_has_its_form_and_its_template() {
        let text = workflow("{push: {branches: [main]}}", "");
        let ids = |form, owner_id: Option<&str>, id: Option<&str>, template: Option<&[&str]>| {
            let repository = Repository {
                form,
                owner_id: owner_id.map(str::to_owned),
                id: id.map(str::to_owned),
                template: template.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect()),
                ..widgets()
            };
            let prediction = of(&repository, &[("d.yml", &text)]);
            prediction.jobs[0].families[0].patterns()
        };
        let end = "ref:refs/heads/main";
        for (found, want) in [
            (
                ids(Form::Classic, None, None, None),
                vec![format!("repo:acme/widgets:{end}")],
            ),
            (
                ids(Form::Either, Some("1"), Some("2"), None),
                vec![
                    format!("repo:acme/widgets:{end}"),
                    format!("repo:acme@1/widgets@2:{end}"),
                ],
            ),
            (
                ids(Form::Immutable, Some("1"), None, None),
                vec![format!("repo:acme@1/widgets@*:{end}")],
            ),
            (
                ids(
                    Form::Classic,
                    None,
                    None,
                    Some(&["repository_owner", "context", "actor"]),
                ),
                vec![format!("repository_owner:acme:{end}:actor:*")],
            ),
            (
                ids(Form::Classic, None, None, Some(&["repo"])),
                vec!["repo:acme/widgets".to_owned()],
            ),
        ] {
            assert_eq!(found, want);
        }
        assert_eq!(
            (Form::since("2026-07-15"), Form::since("2024-01-01")),
            (Form::Immutable, Form::Either)
        );
    }
}
