//! The steps of a job that configure AWS credentials, with their inputs as far as known: through `env`, `matrix` and
//! `inputs`, local composite actions and local reusable workflows.
//!
//! What the running job knows about itself is passed in. A file's contents are untrusted, and bounded in every respect.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value as Json;

use super::{CONFIGURE, DOCTOR, Kind, Node, WorkflowError, bounded_tree};
use crate::budget::Budget;
use crate::configure::{Input, KEYS, boolean};
use crate::github::expression::{self, Contexts, Fault, Question, Text, Value, is_expression};
use crate::text::yaml::Style;
use crate::text::{Span, Spanned};

/// The known values of contexts, by context and key.
pub(crate) type Known = BTreeMap<String, BTreeMap<String, Json>>;

/// The nesting limit for actions within actions and workflows within workflows, the same as GitHub's (GitHub documentation,
/// "Reusing workflow configurations", and actions/runner, `Constants.CompositeActionsMaxDepth`).
const MOST_LEVELS: usize = 10;
/// At most this many further files are read.
const MOST_FILES: usize = 40;
/// At most this many calls of actions and workflows are followed.
const MOST_CALLS: usize = 400;
/// At most this many steps are examined for their inputs.
const MOST_STEPS: usize = 1_000;
/// At most this many notes say what cannot be followed.
const MOST_NOTES: usize = 5;
/// The work budget for expressions.
const WORK: u64 = 3_000_000;

/// The run that a workflow file is read for.
pub(crate) struct Run<'a> {
    /// The job's id.
    pub(crate) job: Option<&'a str>,
    /// The path of the workflow file.
    pub(crate) path: Option<&'a str>,
    /// Whether it is the file that the run started with. Any other may be called, by an unknown caller.
    pub(crate) is_running: bool,
    /// The path of the file that defines the job, if known: a called workflow's isn't the running one's.
    pub(crate) defined_in: Option<&'a str>,
    /// A value of `github`, `inputs`, `matrix` or another context, or the whole context without a key; `null` if it is known
    /// not to exist.
    pub(crate) get: &'a dyn Fn(&str, Option<&str>) -> Option<Json>,
    /// A variable that the job has now, given its name and the workflow's own value for it, if known.
    pub(crate) variable: &'a dyn Fn(&str, Option<&str>) -> Variable,
    /// Another file of the repository, by its path.
    pub(crate) file: &'a dyn Fn(&str) -> Option<String>,
}

/// A variable of the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Variable {
    /// Not set, or unknown.
    Absent,
    /// Its value.
    Known(String),
    /// Set, but to something kept out of reports.
    Withheld,
}

/// What a workflow file says about the AWS credentials of one job.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Whether the job was found.
    pub(crate) has_job: bool,
    /// The steps that configure credentials, in order, without those known to be skipped.
    pub(crate) steps: Vec<Step>,
    /// What could not be followed, one line each.
    pub(crate) notes: Vec<String>,
    /// The context values that were used.
    pub(crate) used: Known,
}

/// A step that configures AWS credentials.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// Its `uses` in the job, or that of the local action that contains it.
    pub(crate) at: Span,
    /// Whether it has an `if` that isn't known to hold.
    pub(crate) is_conditional: bool,
    /// Its `name`, else its `id`.
    pub(crate) name: Option<String>,
    /// Its `id`.
    pub(crate) id: Option<String>,
    /// The action or workflow file that contains it, if not the running one.
    pub(crate) file: Option<String>,
    /// Its inputs.
    pub(crate) inputs: Vec<StepInput>,
    /// The step before it whose outputs are its keys.
    pub(crate) keys_of: Option<Giver>,
}

/// A step whose outputs another one has as inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Giver {
    /// Its `id`.
    pub(crate) id: String,
    /// Its index; `None` if it is skipped, so that its outputs are empty.
    pub(crate) step: Option<usize>,
    /// Whether its inputs make it have any: `output-credentials`, unless the variable of that name stands in for it.
    pub(crate) gives: Option<bool>,
}

/// A step that is skipped, and how many were found before it.
struct Skipped {
    at: usize,
    file: Option<String>,
    id: String,
}

impl Step {
    /// The step before it whose output this input is.
    fn giver(&self, input: &str, before: &[Self], skipped: &[Skipped]) -> Option<Giver> {
        let id = output_of(&self.input(input)?.written, input)?;
        let is_it = |file: &Option<String>, own: &str| *file == self.file && own.eq_ignore_ascii_case(id);
        let step = before
            .iter()
            .rposition(|step| step.id.as_deref().is_some_and(|own| is_it(&step.file, own)));
        let skipped = skipped.iter().rfind(|other| is_it(&other.file, &other.id));
        let step = match (step, skipped) {
            (Some(step), Some(skipped)) if skipped.at > step => None,
            (None, None) => return None,
            (step, _) => step,
        };
        let asked = step.and_then(|step| before.get(step)?.input(Input::OutputCredentials.name()));
        let gives = match asked.map(|asked| asked.value.as_ref().map(Text::as_known)) {
            None => Some(false),
            Some(Ok(Some(text))) => Some(boolean(text) == Some(true)),
            Some(Ok(None) | Err(_)) => None,
        };
        let id = id.to_owned();
        Some(Giver { id, step, gives })
    }

    /// The step before it whose session is its keys, all of them.
    /// (configure-aws-credentials' README, "Retrieving credentials from step output".)
    fn giver_of_keys(&self, before: &[Self], skipped: &[Skipped]) -> Option<Giver> {
        let [key, secret, token] =
            KEYS.map(|input| (self.input(input.name()), self.giver(input.name(), before, skipped)));
        let has_token = token
            .0
            .is_some_and(|token| token.value.as_ref().map(Text::as_known) != Ok(Some("")));
        let is_one = secret.1 == key.1 && (!has_token || token.1 == key.1);
        key.1.filter(|_| is_one)
    }

    /// An input; names are case-insensitive.
    pub(crate) fn input(&self, name: &str) -> Option<&StepInput> {
        self.inputs.iter().find(|input| input.name.eq_ignore_ascii_case(name))
    }
}

/// An input of a step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepInput {
    /// Where its value is in its file.
    pub(crate) span: Span,
    /// Its name as written.
    pub(crate) name: String,
    /// Its value as written.
    pub(crate) written: String,
    /// What that evaluates to.
    pub(crate) value: Result<Text, Fault>,
}

/// The id of the step that this expression names the output of: `${{ steps.ID.outputs.NAME }}`.
pub(crate) fn output_of<'a>(written: &'a str, name: &str) -> Option<&'a str> {
    let inner = written.trim().strip_prefix("${{")?.strip_suffix("}}")?.trim();
    let mut parts = inner.split('.');
    let (steps, id, outputs, output) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is = |part: &str, word: &str| part.eq_ignore_ascii_case(word);
    (is(steps, "steps") && is(outputs, "outputs") && is(output, name) && parts.next().is_none()).then_some(id)
}

/// Finds the steps of the job.
///
/// # Errors
/// [`WorkflowError`] if the file isn't a workflow.
pub(crate) fn find(text: &str, run: &Run<'_>) -> Result<Found, WorkflowError> {
    let root = bounded_tree(text)?;
    let budget = Budget::new(WORK);
    let finder = Finder::new(run, None, &budget);
    let file = File {
        path: None,
        root: &root,
    };
    let dispatch = ["on", "workflow_dispatch", "inputs"];
    let dispatch = dispatch.iter().try_fold(&root, |node, key| node.get(key));
    let inputs = match run.is_running
        || !super::workflow(&root)
            .events
            .iter()
            .any(|event| event.name.value == "workflow_call")
    {
        true => Inputs::Event(dispatch),
        false => Inputs::Unknown,
    };
    finder.workflow(file, inputs, &[]);
    let mut ways = finder.ways.into_inner().into_iter();
    let mut found = Found {
        has_job: ways.len() > 0,
        steps: ways.next().unwrap_or_default(),
        notes: finder.notes.into_inner(),
        used: finder.used.into_inner(),
    };
    // The calls that were not followed may differ.
    let is_cut = finder.calls.get() > MOST_CALLS && ways.len() > 0;
    for other in ways {
        merge(&mut found, other);
    }
    if is_cut {
        found.steps.clear();
        found.has_job = false;
    }
    Ok(found)
}

/// Whether this step, or the local action that it calls, may configure AWS credentials.
pub(crate) fn may_ask(step: &Node) -> bool {
    match step.get("uses").and_then(Node::text) {
        Some(uses) => uses.starts_with("./") || uses.to_ascii_lowercase().starts_with(CONFIGURE),
        None => step.get("with").is_some(),
    }
}

/// The steps of a workflow file's job, for a caller that supplies the contexts of its expressions.
pub(crate) fn of_job(
    root: &Node,
    job: &Node,
    contexts: &dyn Contexts,
    file: &dyn Fn(&str) -> Option<String>,
    budget: &Budget,
) -> Vec<Step> {
    let run = Run {
        job: None,
        path: None,
        is_running: false,
        defined_in: None,
        get: &|_, _| None,
        variable: &|_, _| Variable::Absent,
        file,
    };
    let finder = Finder::new(&run, Some(contexts), budget);
    let steps = job.get("steps").map(|steps| &steps.kind);
    let Some(Kind::List(steps)) = steps else {
        return Vec::new();
    };
    let scope = Scope {
        finder: &finder,
        file: File { path: None, root },
        job: None,
        env: [job.get("env"), root.get("env")],
        step_env: None,
        inputs: Inputs::Unknown,
        is_running: true,
        steps,
    };
    let mut found = Vec::new();
    finder.steps(steps, &scope, &[], &mut found);
    found
}

/// Combines several jobs that call the same workflow, or several files with a job of this id: what they agree on is known.
fn merge(found: &mut Found, other: Vec<Step>) {
    let is_like = |(a, b): (&Step, &Step)| {
        let names = |step: &Step| -> Vec<_> { step.inputs.iter().map(|input| input.written.clone()).collect() };
        (&a.name, &a.file, names(a)) == (&b.name, &b.file, names(b))
    };
    if found.steps.len() != other.len() || !found.steps.iter().zip(&other).all(is_like) {
        found.steps.clear();
        found.has_job = false;
        found.notes.insert(
            0,
            "several workflow files have a job of this id, and which of them runs is not known".to_owned(),
        );
        return;
    }
    for (step, other) in found.steps.iter_mut().zip(other) {
        for (mine, theirs) in step.inputs.iter_mut().zip(&other.inputs) {
            if mine.value != theirs.value {
                mine.value = unresolved(&mine.written);
            }
        }
        step.keys_of = step
            .keys_of
            .take()
            .filter(|giver| other.keys_of.as_ref() == Some(giver));
    }
}

/// A text with everything it names unknown.
fn unresolved(written: &str) -> Result<Text, Fault> {
    struct Nothing;
    impl Contexts for Nothing {
        fn get(&self, _: &str, _: Option<&str>) -> Result<Option<Value>, Fault> {
            Ok(None)
        }
    }
    expression::evaluate(written, &Nothing, &Budget::new(WORK))?.into_text()
}

/// A further file: none, or parsed.
type Read = Option<Rc<Result<Node, WorkflowError>>>;

struct Finder<'a> {
    run: &'a Run<'a>,
    /// Used instead of what the run knows.
    contexts: Option<&'a dyn Contexts>,
    budget: &'a Budget,
    /// The further files that were read, by path.
    files: RefCell<BTreeMap<String, Read>>,
    calls: Cell<usize>,
    /// The steps of each job that may be the running one.
    ways: RefCell<Vec<Vec<Step>>>,
    notes: RefCell<Vec<String>>,
    used: RefCell<Known>,
    /// Steps of the job at hand that are skipped.
    skipped: RefCell<Vec<Skipped>>,
}

/// A parsed file.
#[derive(Clone, Copy)]
struct File<'a> {
    /// Its path, if it isn't the running workflow.
    path: Option<&'a str>,
    root: &'a Node,
}

/// Where `inputs.*` come from.
#[derive(Clone, Copy)]
enum Inputs<'a> {
    /// The event; the file declares these of its inputs.
    Event(Option<&'a Node>),
    /// The caller of the action or workflow.
    Given {
        declared: Option<&'a Node>,
        with: Option<&'a Node>,
        by: &'a Scope<'a>,
        /// A workflow's caller has other contexts, so what is unknown there can only be named by the input itself here.
        is_workflow: bool,
    },
    /// An unknown caller.
    Unknown,
}

/// What expressions can name at some place in a file.
#[derive(Clone, Copy)]
struct Scope<'a> {
    finder: &'a Finder<'a>,
    file: File<'a>,
    /// The job's scope, if this one is a step's.
    job: Option<&'a Self>,
    /// `env` of the job and of the workflow.
    env: [Option<&'a Node>; 2],
    /// `env` of the nearest step or action call, and the scope in which it is evaluated.
    step_env: Option<(&'a Node, &'a Self)>,
    inputs: Inputs<'a>,
    /// Whether it is the running job's, not that of a job that calls it.
    is_running: bool,
    /// The job's steps, which can set variables.
    steps: &'a [Node],
}

impl<'a> Finder<'a> {
    fn new(run: &'a Run<'a>, contexts: Option<&'a dyn Contexts>, budget: &'a Budget) -> Self {
        Self {
            run,
            contexts,
            budget,
            files: RefCell::default(),
            calls: Cell::new(0),
            ways: RefCell::default(),
            notes: RefCell::default(),
            used: RefCell::default(),
            skipped: RefCell::default(),
        }
    }

    /// Finds the job in a workflow file and in those that it calls.
    fn workflow(&self, file: File<'_>, inputs: Inputs<'_>, callers: &[&str]) {
        let jobs = jobs(file.root);
        let path = file.path.or(self.run.path);
        let is_defined_here = self.run.defined_in.is_none_or(|wanted| path == Some(wanted));
        for (id, body, steps) in &jobs {
            let scope = Scope {
                finder: self,
                file,
                job: None,
                env: [body.get("env"), file.root.get("env")],
                step_env: None,
                inputs,
                is_running: true,
                steps,
            };
            match body.get("uses").and_then(Node::text).filter(|_| id.is_some()) {
                Some(uses) => self.called(
                    uses,
                    body,
                    &Scope {
                        is_running: false,
                        ..scope
                    },
                    callers,
                ),
                None if is_defined_here && self.is_running(*id, jobs.len()) => {
                    self.skipped.borrow_mut().clear();
                    let mut found = Vec::new();
                    self.steps(steps, &scope, &[], &mut found);
                    self.ways.borrow_mut().push(found);
                }
                None => {}
            }
        }
    }

    /// The same rule as in [`super::Workflow::job`].
    fn is_running(&self, id: Option<&str>, jobs: usize) -> bool {
        match (id, self.run.job) {
            (Some(id), Some(job)) => id == job,
            _ => jobs == 1,
        }
    }

    /// Follows a call of a workflow.
    fn called(&self, uses: &str, job: &Node, by: &Scope<'_>, callers: &[&str]) {
        let Some(path) = uses.strip_prefix("./") else {
            let is_it = self.run.defined_in.is_none_or(|wanted| uses.starts_with(wanted));
            if is_it {
                self.note(format!(
                    "`{uses}` is a workflow of another repository or commit, and is not read"
                ));
            }
            return;
        };
        if !self.may_follow(path, callers) {
            return;
        }
        let Some(read) = self.file(path) else {
            self.note(format!("`{path}` cannot be read"));
            return;
        };
        match &*read {
            Ok(root) => {
                let declared = ["on", "workflow_call", "inputs"];
                let inputs = Inputs::Given {
                    declared: declared.iter().try_fold(root, |node, key| node.get(key)),
                    with: job.get("with"),
                    by,
                    is_workflow: true,
                };
                let file = File { path: Some(path), root };
                self.workflow(file, inputs, &[callers, &[path]].concat());
            }
            Err(error) => self.note(format!("`{path}` is not a workflow (line {}: {error})", error.line)),
        }
    }

    /// Finds the steps that configure credentials.
    fn steps(&self, steps: &[Node], around: &Scope<'_>, callers: &[&str], found: &mut Vec<Step>) {
        for node in steps {
            if found.len() >= MOST_STEPS {
                self.note(format!(
                    "there are more than {MOST_STEPS} steps of configure-aws-credentials"
                ));
                return;
            }
            let uses = node.get("uses").and_then(Node::text);
            let with = node.get("with");
            let is_configure = match uses {
                Some(uses) => uses.to_ascii_lowercase().starts_with(CONFIGURE),
                // A `with:` block pasted alone is the failing step's.
                None => with.is_some_and(|with| with.get("role-to-assume").is_some()),
            };
            let local = uses.and_then(|uses| uses.strip_prefix("./"));
            if !is_configure && local.is_none() {
                if let Some(uses) = uses.filter(|uses| may_configure(uses, with)) {
                    self.note(format!("`{uses}` is an action of another repository, and is not read"));
                }
                continue;
            }
            let env = node.get("env").map(|env| (env, around));
            let scope = Scope {
                job: around.job.or(Some(around)),
                step_env: env.or(around.step_env),
                ..*around
            };
            let condition = node.get("if").and_then(Node::text);
            let holds = condition.map_or(Some(true), |text| expression::condition(text, &scope, self.budget));
            if holds == Some(false) {
                self.skipped
                    .borrow_mut()
                    .extend(node.get("id").and_then(Node::text).map(|id| Skipped {
                        at: found.len(),
                        file: scope.file.path.map(str::to_owned),
                        id: id.to_owned(),
                    }));
                self.note(format!("`{}` is skipped: its `if` is false", uses.unwrap_or_default()));
                continue;
            }
            let first = found.len();
            match local {
                Some(path) => self.action(path.trim_end_matches('/'), with, &scope, callers, found),
                None => {
                    let text = |key| node.get(key).and_then(Node::text).map(str::to_owned);
                    let mut step = Step {
                        at: Span::default(),
                        is_conditional: false,
                        name: text("name").or_else(|| text("id")),
                        id: text("id"),
                        file: scope.file.path.map(str::to_owned),
                        inputs: with.map(|with| scope.inputs_of(with)).unwrap_or_default(),
                        keys_of: None,
                    };
                    step.keys_of = step.giver_of_keys(found, &self.skipped.borrow());
                    found.push(step);
                }
            }
            for step in found.iter_mut().skip(first) {
                step.at = node.get("uses").unwrap_or(node).span;
                step.is_conditional |= holds.is_none();
            }
        }
    }

    /// Follows a call of a composite action.
    fn action(&self, path: &str, with: Option<&Node>, by: &Scope<'_>, callers: &[&str], found: &mut Vec<Step>) {
        if !self.may_follow(path, callers) {
            return;
        }
        let read = ["action.yml", "action.yaml"].iter().find_map(|name| {
            let path = if path.is_empty() {
                (*name).to_owned()
            } else {
                format!("{path}/{name}")
            };
            self.file(&path)
        });
        let Some(read) = read else {
            self.note(format!("the action `./{path}` cannot be read"));
            return;
        };
        match &*read {
            Ok(root) => {
                let Some(Kind::List(steps)) = root
                    .get("runs")
                    .and_then(|runs| runs.get("steps"))
                    .map(|steps| &steps.kind)
                else {
                    return;
                };
                let inputs = Inputs::Given {
                    declared: root.get("inputs"),
                    with,
                    by,
                    is_workflow: false,
                };
                let name = format!("./{path}");
                let file = File {
                    path: Some(&name),
                    root,
                };
                self.steps(
                    steps,
                    &Scope { file, inputs, ..*by },
                    &[callers, &[path]].concat(),
                    found,
                );
            }
            Err(error) => self.note(format!("`./{path}` is not an action (line {}: {error})", error.line)),
        }
    }

    fn may_follow(&self, path: &str, callers: &[&str]) -> bool {
        if callers.contains(&path) {
            self.note(format!("`{path}` calls itself"));
            return false;
        }
        if callers.len() >= MOST_LEVELS {
            self.note(format!("`{path}` is called more than {MOST_LEVELS} levels deep"));
            return false;
        }
        self.calls.set(self.calls.get() + 1);
        if self.calls.get() > MOST_CALLS {
            self.note(format!("actions and workflows are called more than {MOST_CALLS} times"));
            return false;
        }
        true
    }

    fn file(&self, path: &str) -> Read {
        if let Some(read) = self.files.borrow().get(path) {
            return read.clone();
        }
        if self.files.borrow().len() >= MOST_FILES {
            self.note(format!("more than {MOST_FILES} actions and workflows are called"));
            return None;
        }
        let read = (self.run.file)(path).map(|text| Rc::new(bounded_tree(&text)));
        self.files.borrow_mut().insert(path.to_owned(), read.clone());
        read
    }

    fn note(&self, note: String) {
        let mut notes = self.notes.borrow_mut();
        if notes.len() < MOST_NOTES && !notes.contains(&note) {
            notes.push(note);
        }
    }

    /// What the run knows about a context; records that it was used.
    fn known(&self, context: &str, key: Option<&str>) -> Option<Json> {
        let value = (self.run.get)(context, key)?;
        match (context, key) {
            // An event contains more than a report needs.
            ("github", Some("event")) => {}
            (_, Some(key)) => self.keep(context, key, &value),
            (_, None) => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    self.keep(context, key, value);
                }
            }
        }
        Some(value)
    }

    fn keep(&self, context: &str, key: &str, value: &Json) {
        let mut used = self.used.borrow_mut();
        used.entry(context.to_owned())
            .or_default()
            .insert(key.to_owned(), value.clone());
    }
}

impl Contexts for Scope<'_> {
    fn get(&self, context: &str, key: Option<&str>) -> Result<Option<Value>, Fault> {
        let around = match context {
            "github" | "github.event.inputs" | "matrix" => self.finder.contexts,
            _ => None,
        };
        if let Some(around) = around {
            return around.get(context, key);
        }
        match (context, key) {
            ("env", Some(name)) => self.variable(name),
            ("inputs", Some(name)) => self.input(name),
            ("github", Some("token") | None) | ("env" | "inputs", _) => Ok(None),
            ("github", key) => Ok(self.finder.known(context, key).map(Value::Known)),
            ("matrix" | "strategy", key) if self.is_running => Ok(self.finder.known(context, key).map(Value::Known)),
            _ => Ok(None),
        }
    }

    fn decide(&self, question: Question<'_>, written: &str) -> Option<bool> {
        self.finder.contexts?.decide(question, written)
    }
}

impl Scope<'_> {
    fn inputs_of(&self, with: &Node) -> Vec<StepInput> {
        let Kind::Map(entries) = &with.kind else {
            return Vec::new();
        };
        let entries = entries.iter().filter_map(|(name, node)| {
            Some(StepInput {
                span: node.span,
                name: name.value.clone(),
                written: node.text()?.to_owned(),
                value: self.evaluated(node).and_then(Value::into_text),
            })
        });
        entries.collect()
    }

    fn variable(&self, name: &str) -> Result<Option<Value>, Fault> {
        let mut nearest = self.step_env;
        while let Some((env, scope)) = nearest {
            if let Some(value) = env.get(name) {
                return scope.evaluated(value).map(Some);
            }
            nearest = scope.step_env;
        }
        let job = self.job.unwrap_or(self);
        // A job that calls a workflow has no `env` context.
        if !job.is_running {
            return Ok(None);
        }
        let written = job.env.into_iter().flatten().find_map(|env| env.get(name));
        let outside = Self {
            env: [None, None],
            ..*job
        };
        let written = written.map(|node| outside.evaluated(node)).transpose()?;
        let text = match &written {
            Some(Value::Known(value)) => value.as_str(),
            _ => None,
        };
        let is_own = |step: &Node| is_doctor(step) && step.get("env").and_then(|env| env.get(name)).is_some();
        let sets = |text: &str| text.contains("GITHUB_ENV") && text.contains(name);
        let is_set = job
            .steps
            .iter()
            .any(|step| step.get("run").and_then(Node::text).is_some_and(sets));
        let now = match job.steps.iter().any(is_own) {
            true => Variable::Absent,
            false => (self.finder.run.variable)(name, text),
        };
        Ok(match now {
            // A step that has not run yet may set it.
            Variable::Known(now) if is_set && (now.is_empty() || text == Some(&now)) => None,
            Variable::Known(now) => {
                let value = Json::String(now);
                self.finder.keep("env", name, &value);
                Some(Value::Known(value))
            }
            // A value that is partly unknown is named by the variable, which the doctor's own step has too.
            Variable::Absent => written.filter(|value| !is_set && matches!(value, Value::Known(_))),
            Variable::Withheld => None,
        })
    }

    fn input(&self, name: &str) -> Result<Option<Value>, Fault> {
        match self.inputs {
            Inputs::Unknown => match self.finder.contexts {
                Some(contexts) => contexts.get("inputs", Some(name)),
                None => Ok(None),
            },
            Inputs::Event(declared) => {
                match self
                    .finder
                    .known("github", Some("event_name"))
                    .as_ref()
                    .and_then(Json::as_str)
                {
                    Some("workflow_dispatch") => {}
                    Some("workflow_call") => return Ok(None),
                    Some(_) => return Ok(Some(Value::Known(Json::Null))),
                    None => return Ok(None),
                }
                let declared = declared.and_then(|inputs| inputs.named(name));
                match self.finder.known("inputs", Some(name)) {
                    Some(Json::Null) => self.default(declared).map(Some),
                    Some(value) => Ok(Some(typed(Value::Known(value), declared))),
                    None => Ok(None),
                }
            }
            Inputs::Given {
                declared,
                with,
                by,
                is_workflow,
            } => {
                let declared = declared.and_then(|inputs| inputs.named(name));
                let Some(given) = with.and_then(|with| with.named(name)) else {
                    return self.default(declared).map(Some);
                };
                Ok(match by.evaluated(given)? {
                    Value::Open(_) if is_workflow => None,
                    value if is_workflow => Some(typed(value, declared)),
                    // An action's inputs are text.
                    value => Some(match value.into_text()? {
                        text if text.as_known().is_some() => Value::text(text.written()),
                        text => Value::Open(text),
                    }),
                })
            }
        }
    }

    /// The default of an input that is not given.
    fn default(&self, declared: Option<&Node>) -> Result<Value, Fault> {
        let Some(default) = declared.and_then(|input| input.get("default")) else {
            return Ok(Value::Known(Json::Null));
        };
        let bare = Self {
            env: [None, None],
            step_env: None,
            inputs: Inputs::Event(None),
            ..*self
        };
        Ok(typed(bare.evaluated(default)?, declared))
    }

    fn evaluated(&self, node: &Node) -> Result<Value, Fault> {
        let Some(text) = node.text() else {
            return Err(Fault("it is a list or an object, not a string".to_owned()));
        };
        if is_expression(text) {
            return expression::evaluate(text, self, self.finder.budget);
        }
        if is_account_as_number(node) {
            return Ok(Value::unknown(text));
        }
        Ok(Value::text(text))
    }
}

/// Whether it is an unquoted account id: a number, which loses its leading zero (actions/runner, `YamlObjectReader`).
fn is_account_as_number(node: &Node) -> bool {
    let is_it =
        |text: &str| text.len() == 12 && text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    node.style == Style::Plain && node.text().is_some_and(is_it)
}

/// A value as written, typed as GitHub types it (YAML 1.2, core schema); `None` if it contains an expression.
pub(crate) fn literal(node: &Node) -> Option<Json> {
    Some(match &node.kind {
        Kind::Scalar(text) if is_expression(text) || is_account_as_number(node) => return None,
        Kind::Scalar(text) if node.style == Style::Plain => match text.as_str() {
            "true" | "True" | "TRUE" => Json::Bool(true),
            "false" | "False" | "FALSE" => Json::Bool(false),
            "null" | "Null" | "NULL" | "~" | "" => Json::Null,
            // Other bases, infinity and NaN.
            text if ["0x", "0o", ".", "-.", "+."]
                .iter()
                .any(|start| text.starts_with(start)) =>
            {
                return None;
            }
            text => match text.parse() {
                Ok(value) if text.bytes().all(|byte| b"0123456789+-.eE".contains(&byte)) => expression::number(value),
                _ => Json::String(text.to_owned()),
            },
        },
        Kind::Scalar(text) => Json::String(text.clone()),
        Kind::List(items) => Json::Array(items.iter().map(literal).collect::<Option<_>>()?),
        Kind::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| Some((key.value.clone(), literal(value)?)));
            Json::Object(entries.collect::<Option<_>>()?)
        }
    })
}

/// Converts the value of an input declared as a boolean or a number.
pub(crate) fn typed(value: Value, declared: Option<&Node>) -> Value {
    let kind = declared.and_then(|input| input.get("type")).and_then(Node::text);
    match (kind, &value) {
        (Some("boolean"), Value::Known(Json::String(text))) if matches!(&**text, "true" | "false") => {
            Value::Known(Json::Bool(text == "true"))
        }
        (Some("number"), Value::Known(Json::String(text))) => match serde_json::from_str(text) {
            Ok(number @ Json::Number(_)) => Value::Known(number),
            _ => value,
        },
        _ => value,
    }
}

/// The jobs of a workflow file or part of one: each with its id, its body and its steps.
fn jobs(root: &Node) -> Vec<(Option<&str>, &Node, &[Node])> {
    fn steps(body: &Node) -> &[Node] {
        match body.get("steps").map(|steps| &steps.kind) {
            Some(Kind::List(steps)) => steps,
            _ => &[],
        }
    }
    fn listed(entries: &[(Spanned<String>, Node)]) -> Vec<(Option<&str>, &Node, &[Node])> {
        entries
            .iter()
            .map(|(id, body)| (Some(&*id.value), body, steps(body)))
            .collect()
    }
    match &root.kind {
        Kind::List(items) => vec![(None, root, items)],
        Kind::Map(entries) => match root.get("jobs").map(|jobs| &jobs.kind) {
            Some(Kind::Map(jobs)) => listed(jobs),
            None if entries.iter().any(|(_, body)| body.get("runs-on").is_some()) => listed(entries),
            None if root.get("steps").is_some() => vec![(None, root, steps(root))],
            None if root.get("uses").or(root.get("with")).is_some() => vec![(None, root, std::slice::from_ref(root))],
            _ => Vec::new(),
        },
        Kind::Scalar(_) => Vec::new(),
    }
}

/// Whether another repository's action may configure AWS credentials, judging by its name and inputs; AWS's other actions don't.
fn may_configure(uses: &str, with: Option<&Node>) -> bool {
    let uses = uses.to_ascii_lowercase();
    let is_known = uses.starts_with("aws-actions/") || uses.contains(DOCTOR) || uses.starts_with("docker://");
    let says = |name: &str| name.contains("aws") || name.contains("role");
    let has_one = || match with.map(|with| &with.kind) {
        Some(Kind::Map(inputs)) => inputs.iter().any(|(name, _)| says(&name.value.to_ascii_lowercase())),
        _ => false,
    };
    !is_known && (says(&uses) || has_one())
}

fn is_doctor(step: &Node) -> bool {
    let uses = step.get("uses").and_then(Node::text);
    uses.is_some_and(|uses| uses.to_ascii_lowercase().contains(DOCTOR))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What a run knows and has, for a test.
    #[derive(Default)]
    struct Here {
        job: Option<&'static str>,
        defined_in: Option<&'static str>,
        /// The user named the file.
        is_given: bool,
        contexts: Json,
        variables: Vec<(&'static str, Variable)>,
        files: Vec<(&'static str, String)>,
    }

    impl Here {
        fn find(&self, workflow: &str) -> Found {
            let get = |context: &str, key: Option<&str>| {
                let of = self.contexts.get(context)?;
                Some(key.map_or_else(|| of.clone(), |key| of.get(key).cloned().unwrap_or_default()))
            };
            let variable = |name: &str, _: Option<&str>| {
                let found = self.variables.iter().find(|(own, _)| *own == name);
                found.map_or(Variable::Absent, |(_, value)| value.clone())
            };
            let file = |path: &str| {
                let found = self.files.iter().find(|(own, _)| *own == path);
                found.map(|(_, text)| text.clone())
            };
            let run = Run {
                job: self.job,
                path: Some(".github/workflows/deploy.yml"),
                is_running: !self.is_given,
                defined_in: self.defined_in,
                get: &get,
                variable: &variable,
                file: &file,
            };
            find(workflow, &run).unwrap()
        }

        /// The `role-to-assume` inputs of all steps, as they would be written.
        fn roles(&self, workflow: &str) -> Vec<String> {
            let role = |step: Step| {
                let role = step.inputs.into_iter().find(|input| input.name == "role-to-assume");
                role.map_or_else(
                    || "-".to_owned(),
                    |role| role.value.map_or_else(|fault| fault.0, |text| text.written()),
                )
            };
            self.find(workflow).steps.into_iter().map(role).collect()
        }
    }

    fn step(role: &str) -> String {
        format!("{{uses: aws-actions/configure-aws-credentials@v6, with: {{role-to-assume: \"{role}\"}}}}")
    }

    fn job(steps: &[String]) -> String {
        format!("jobs: {{deploy: {{runs-on: x, steps: [{}]}}}}", steps.join(", "))
    }

    fn deploy() -> Here {
        Here {
            job: Some("deploy"),
            ..Here::default()
        }
    }

    #[test]
    fn a_role_is_found_wherever_it_is_written() {
        let dispatch =
            json!({"github": {"event_name": "workflow_dispatch"}, "inputs": {"stage": "prod", "dry": "false"}});
        let push =
            json!({"github": {"event_name": "push", "ref_name": "main"}, "matrix": {"role": "m", "env": {"acc": 1}}});
        let inputs = "on: {workflow_dispatch: {inputs: {stage: {}, other: {default: dev}, dry: {type: boolean}}}}\n";
        for (contexts, workflow, want) in [
            (&push, job(&[step("literal")]), "literal"),
            (&push, job(&[step("${{ matrix.role }}-${{ matrix.env.acc }}")]), "m-1"),
            (&push, format!("env: {{A: 'w-${{{{ github.ref_name }}}}'}}\n{}", job(&[step("${{ env.A }}")])), "w-main"),
            (&push, format!("env: {{A: '${{{{ secrets.A }}}}'}}\n{}", job(&[step("${{ env.A }}")])), "${{ env.A }}"),
            (&push, format!("env: {{A: 012345678901}}\n{}", job(&[step("${{ env.A }}")])), "${{ env.A }}"),
            (&push, format!("env: {{A: '012345678901'}}\n{}", job(&[step("${{ env.A }}")])), "012345678901"),
            (
                &push,
                "env: {A: w, B: w}\njobs: {deploy: {env: {A: 'j'}, steps: [{uses: aws-actions/configure-aws-credentials@v6, \
                 env: {B: 's-${{ env.B }}'}, with: {role-to-assume: '${{ env.A }}${{ env.B }}'}}]}}"
                    .to_owned(),
                "js-w",
            ),
            (
                &push,
                "jobs: {deploy: {steps: [{uses: aws-actions/configure-aws-credentials@v6, env: {B: '${{ secrets.B }}'}, \
                 with: {role-to-assume: '${{ env.B }}'}}]}}"
                    .to_owned(),
                "${{ secrets.B }}",
            ),
            (&push, inputs.to_owned() + &job(&[step("${{ inputs.stage || github.ref_name }}")]), "main"),
            (
                &dispatch,
                inputs.to_owned() + &job(&[step("${{ inputs.stage }}${{ inputs.other }}${{ inputs.none }}")]),
                "proddev",
            ),
            (&dispatch, inputs.to_owned() + &job(&[step("${{ inputs.dry && 'dry' || 'wet' }}")]), "wet"),
            (&Json::Null, inputs.to_owned() + &job(&[step("${{ inputs.stage }}")]), "${{ inputs.stage }}"),
            (&Json::Null, job(&[step("a-${{ matrix.x }}")]), "a-${{ matrix.x }}"),
            (&push, job(&[step("${{ github.token }}")]), "${{ github.token }}"),
            (&push, job(&[step("${{ toJSON(github) }}")]), "${{ toJSON(github) }}"),
        ] {
            let here = Here { contexts: contexts.clone(), ..deploy() };
            assert_eq!(here.roles(&workflow), [want], "{workflow}");
        }
    }

    #[test]
    fn a_variable_of_the_job_comes_before_what_the_file_says_of_it() {
        let workflow = format!(
            "env: {{A: file, B: file, C: file}}\n{}",
            job(&[step("${{ env.A }}${{ env.B }}${{ env.D }}")])
        );
        let here = Here {
            variables: vec![("A", Variable::Known("now".to_owned())), ("B", Variable::Withheld)],
            ..deploy()
        };
        assert_eq!(here.roles(&workflow), ["now${{ env.B }}${{ env.D }}"]);
        assert_eq!(
            here.find(&workflow).used["env"],
            [("A".to_owned(), json!("now"))].into()
        );
        // What the doctor's own step sets isn't the job's.
        let doctor = "{uses: acme/aws-oidc-doctor@v1, env: {A: other}}".to_owned();
        let workflow = format!("env: {{A: file}}\n{}", job(&[doctor, step("${{ env.A }}")]));
        assert_eq!(here.roles(&workflow), ["file"]);
        // What a step sets is unknown before it runs.
        let run = "{run: 'echo \"A=$(role)\" >> $GITHUB_ENV'}".to_owned();
        let workflow = format!("env: {{A: file}}\n{}", job(&[run, step("${{ env.A }}")]));
        for (variable, want) in [
            (Variable::Absent, "${{ env.A }}"),
            (Variable::Known("file".to_owned()), "${{ env.A }}"),
            (Variable::Known(String::new()), "${{ env.A }}"),
            (Variable::Known("now".to_owned()), "now"),
        ] {
            let here = Here {
                variables: vec![("A", variable)],
                ..deploy()
            };
            assert_eq!(here.roles(&workflow), [want]);
        }
    }

    #[test]
    fn a_step_that_is_skipped_is_none() {
        let given = |condition: &str, role: &str| step(role).replace("{uses", &format!("{{if: \"{condition}\", uses"));
        let here = Here {
            contexts: json!({"github": {"ref": "refs/heads/main"}}),
            ..deploy()
        };
        let steps = [
            given("github.ref == 'refs/heads/main'", "main"),
            given("github.ref != 'refs/heads/main'", "other"),
            given("${{ vars.X }}", "perhaps"),
            given("failure()", "failure"),
        ];
        assert_eq!(here.roles(&job(&steps)), ["main", "perhaps", "failure"]);
        let skipped = "`aws-actions/configure-aws-credentials@v6` is skipped: its `if` is false";
        assert_eq!(here.find(&job(&steps)).notes, [skipped]);
    }

    #[test]
    fn local_actions_are_followed_with_their_inputs() {
        let action = "inputs: {role: {}, stage: {default: dev}}\nruns: {using: composite, steps: [{run: x}, \
                      {name: Assume, uses: aws-actions/configure-aws-credentials@v6, \
                      with: {role-to-assume: '${{ inputs.role }}-${{ inputs.stage }}-${{ env.E }}'}}]}";
        let outer = "inputs: {r: {}}\nruns: {steps: [{uses: ./.github/actions/inner/, env: {E: o}, with: {role: '${{ inputs.R }}'}}]}";
        let here = Here {
            files: vec![
                (".github/actions/inner/action.yaml", action.to_owned()),
                ("outer/action.yml", outer.to_owned()),
            ],
            ..deploy()
        };
        let call = |path: &str, with: &str| format!("{{uses: {path}, env: {{E: e}}, with: {with}}}");
        for (call, want) in [
            (
                call("./.github/actions/inner", "{role: a, stage: '${{ vars.S }}'}"),
                "a-${{ vars.S }}-e",
            ),
            (
                call("./outer", "{r: '${{ secrets.ROLE }}'}"),
                "${{ secrets.ROLE }}-dev-o",
            ),
            (call("./outer", "{}"), "-dev-o"),
        ] {
            assert_eq!(here.roles(&job(std::slice::from_ref(&call))), [want], "{call}");
        }
        let found = here.find(&job(&[call("./outer", "{}")]));
        assert_eq!(found.steps[0].name.as_deref(), Some("Assume"));
        assert_eq!(found.steps[0].file.as_deref(), Some("./.github/actions/inner"));
        assert_eq!(
            here.find(&job(&[call("./none", "{}")])).notes,
            ["the action `./none` cannot be read"]
        );
    }

    #[test]
    fn called_workflows_are_followed_with_their_inputs() {
        let called =
            "on: {workflow_call: {inputs: {role: {}, dry: {type: boolean, default: false}}}}\njobs: {assume: {steps: ["
                .to_owned()
                + &step("${{ inputs.role }}${{ inputs.dry && '-dry' || '' }}${{ matrix.m }}")
                + "]}}";
        let here = Here {
            job: Some("assume"),
            contexts: json!({"github": {"event_name": "push"}, "matrix": {"m": "-own"}}),
            files: vec![
                (".github/workflows/called.yml", called),
                (
                    ".github/workflows/between.yml",
                    "jobs: {x: {uses: ./.github/workflows/called.yml, with: {role: '${{ inputs.r }}'}}}".to_owned(),
                ),
            ],
            ..Here::default()
        };
        let call = |to: &str, with: &str| format!("{{uses: ./.github/workflows/{to}.yml, with: {with}}}");
        for (jobs, want) in [
            (vec![call("called", "{role: a}")], &["a-own"][..]),
            (vec![call("called", "{role: a, dry: true}")], &["a-dry-own"]),
            (vec![call("between", "{r: b}")], &["b-own"]),
            // What only the caller knows is unknown here, and has another name.
            (
                vec![call("called", "{role: '${{ secrets.R }}'}")],
                &["${{ inputs.role }}-own"],
            ),
            (
                vec![call("called", "{role: '${{ matrix.m }}'}")],
                &["${{ inputs.role }}-own"],
            ),
            (
                vec![call("called", "{role: '${{ env.E }}'}")],
                &["${{ inputs.role }}-own"],
            ),
            // Several calls.
            (
                vec![call("called", "{role: a}"), call("called", "{role: a}")],
                &["a-own"],
            ),
            (
                vec![call("called", "{role: a}"), call("called", "{role: b}")],
                &["${{ inputs.role }}${{ (inputs.dry && '-dry') || '' }}${{ matrix.m }}"],
            ),
            (vec![call("none", "{}")], &[]),
            (vec!["{uses: acme/other/.github/workflows/x.yml@v1}".to_owned()], &[]),
        ] {
            let jobs: Vec<_> = jobs.iter().enumerate().map(|(n, job)| format!("j{n}: {job}")).collect();
            let workflow = format!("env: {{E: e}}\njobs: {{{}}}", jobs.join(", "));
            assert_eq!(here.roles(&workflow), want, "{workflow}");
        }
    }

    /// `--workflow-file` can name a file that another one calls.
    #[test]
    fn the_inputs_of_a_file_that_may_be_called_are_not_known() {
        let workflow = job(&[step("${{ inputs.role }}")]);
        let called = format!("on: [push, workflow_call]\n{workflow}");
        for (workflow, is_given, want) in [
            (&workflow, false, ""),
            (&workflow, true, ""),
            (&called, false, ""),
            (&called, true, "${{ inputs.role }}"),
        ] {
            let contexts = json!({"github": {"event_name": "push"}});
            let here = Here {
                contexts,
                is_given,
                ..deploy()
            };
            assert_eq!(here.roles(workflow), [want], "{workflow}");
        }
    }

    /// As in HHS/simpler-grants-gov, `cd-release.yml`: many jobs call the same few workflows.
    #[test]
    fn a_file_that_is_called_often_is_one_file() {
        let called = format!(
            "on: {{workflow_call: {{inputs: {{role: {{}}}}}}}}\njobs: {{deploy: {{steps: [{{uses: ./log}}, {}]}}}}",
            step("${{ inputs.role }}")
        );
        let reads = Cell::new(0);
        let file = |path: &str| {
            reads.set(reads.get() + 1);
            Some(if path.starts_with("log") {
                "runs: {steps: []}".to_owned()
            } else {
                called.clone()
            })
        };
        let jobs = |count: usize| {
            let job = |n| format!("j{n}: {{uses: ./.github/workflows/called.yml, with: {{role: a}}}}");
            format!("jobs: {{{}}}", (0..count).map(job).collect::<Vec<_>>().join(", "))
        };
        let run = Run {
            job: Some("deploy"),
            file: &file,
            ..run_of_nothing()
        };
        let found = find(&jobs(60), &run).unwrap();
        assert_eq!(
            found.steps[0].input("role-to-assume").unwrap().value,
            Ok(Text::known("a"))
        );
        assert!(found.notes.is_empty(), "{:?}", found.notes);
        assert_eq!(reads.get(), 2);
        let found = find(&jobs(600), &run).unwrap();
        assert_eq!(found.notes, ["actions and workflows are called more than 400 times"]);
        assert!(found.steps.is_empty() && !found.has_job);
    }

    #[test]
    fn which_file_defines_the_job_tells_jobs_of_one_id_apart() {
        let called = format!("on: {{workflow_call: {{}}}}\n{}", job(&[step("called")]));
        let workflow = format!(
            "jobs: {{deploy: {{steps: [{}]}}, call: {{uses: ./.github/workflows/called.yml}}}}",
            step("direct")
        );
        for (defined_in, want) in [
            (None, &[][..]),
            (Some(".github/workflows/deploy.yml"), &["direct"]),
            (Some(".github/workflows/called.yml"), &["called"]),
            (Some("acme/other/.github/workflows/x.yml"), &[]),
        ] {
            let here = Here {
                defined_in,
                files: vec![(".github/workflows/called.yml", called.clone())],
                ..deploy()
            };
            assert_eq!(here.roles(&workflow), want, "{defined_in:?}");
            assert_eq!(here.find(&workflow).has_job, !want.is_empty());
        }
    }

    #[test]
    fn a_hostile_file_is_followed_within_bounds() {
        let recursive = "runs: {steps: [{uses: ./a}, {uses: ./b}]}";
        let here = Here {
            files: vec![
                ("a/action.yml", recursive.to_owned()),
                ("b/action.yml", recursive.to_owned()),
                ("broken/action.yml", "runs: {steps: [".to_owned()),
            ],
            ..deploy()
        };
        let found = here.find(&job(&["{uses: ./a}".to_owned(), "{uses: ./broken}".to_owned()]));
        assert_eq!(found.notes[..2], ["`a` calls itself", "`b` calls itself"]);
        assert!(
            found.notes[2].starts_with("`./broken` is not an action (line "),
            "{:?}",
            found.notes
        );

        // Each level uses the one above ten times.
        let levels = (0..12).map(|level| {
            let value = "${{ inputs.x }}".repeat(10);
            let next = format!("{{uses: ./l{}, with: {{x: '{value}'}}}}", level + 1);
            format!(
                "inputs: {{x: {{}}}}\nruns: {{steps: [{next}, {}]}}",
                step("${{ inputs.x }}")
            )
        });
        let names: Vec<&'static str> = vec![
            "l0/action.yml",
            "l1/action.yml",
            "l2/action.yml",
            "l3/action.yml",
            "l4/action.yml",
            "l5/action.yml",
            "l6/action.yml",
            "l7/action.yml",
            "l8/action.yml",
            "l9/action.yml",
            "l10/action.yml",
            "l11/action.yml",
        ];
        let here = Here {
            files: names.into_iter().zip(levels).collect(),
            ..deploy()
        };
        let found = here.find(&job(&["{uses: ./l0, with: {x: aaaaaaaaaa}}".to_owned()]));
        assert!(found.notes[0].contains("more than 10 levels deep"), "{:?}", found.notes);
        let faults = found.steps.iter().filter(|step| step.inputs[0].value.is_err()).count();
        assert!(
            faults > 0 && faults < found.steps.len(),
            "{faults} of {}",
            found.steps.len()
        );

        let many: Vec<_> = (0..2_000).map(|n| format!("{{uses: ./x{n}}}")).collect();
        let found = deploy().find(&job(&many));
        assert_eq!(found.notes.len(), MOST_NOTES);
        let many: Vec<_> = (0..2_000).map(|n| step(&format!("r{n}"))).collect();
        assert_eq!(deploy().find(&job(&many)).steps.len(), MOST_STEPS);
        assert!(find(&"x".repeat(2 << 20), &run_of_nothing()).is_err());
    }

    fn run_of_nothing() -> Run<'static> {
        Run {
            job: None,
            path: None,
            is_running: false,
            defined_in: None,
            get: &|_, _| None,
            variable: &|_, _| Variable::Absent,
            file: &|_| None,
        }
    }

    #[test]
    fn what_people_paste_has_its_steps() {
        let with = "with: {role-to-assume: a}";
        for (text, steps) in [
            (format!("- uses: aws-actions/configure-aws-credentials@v6\n  {with}"), 1),
            (format!("uses: aws-actions/configure-aws-credentials@v6\n{with}"), 1),
            (with.to_owned(), 1),
            (
                "a: {runs-on: x, steps: [{uses: aws-actions/configure-aws-credentials@v6}]}".to_owned(),
                1,
            ),
            (
                "runs-on: x\nsteps: [{uses: AWS-actions/configure-aws-credentials@v6}]".to_owned(),
                1,
            ),
            ("permissions: {}".to_owned(), 0),
            ("jobs: [1]".to_owned(), 0),
            ("jobs: {a: , b: []}".to_owned(), 0),
            ("words".to_owned(), 0),
            (String::new(), 0),
        ] {
            assert_eq!(find(&text, &run_of_nothing()).unwrap().steps.len(), steps, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_it_panic(text in "(jobs:|uses: |steps:|with: |env: |inputs|\\$\\{\\{|\\}\\}|[a-z:{}\\[\\] \n,./'-]|\\PC){0,80}") {
            let _ = find(&text, &run_of_nothing());
            let here = Here { files: vec![("a/action.yml", text)], ..deploy() };
            let _ = here.find(&job(&["{uses: ./a, with: {x: 1}}".to_owned()]));
        }
    }
}
