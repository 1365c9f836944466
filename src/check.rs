//! Before the push: compares the tokens that jobs can get with the policies that will judge them.
//!
//! Of each set of tokens on which a policy decides alike, one is diagnosed as if a job had presented it, so that the result is
//! what the diagnosis would be after the push. Unknowns make a finding less certain; they never cause one.

mod fixes;
mod matching;
pub(crate) mod rules;
mod unused;

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{panic, thread};

use crate::aws::arn::RoleArn;
use crate::aws::request::Asker;
use crate::case::Case;
use crate::checks::by_id;
use crate::configure::{Input, Inputs};
use crate::diagnose::{besides, cause, diagnose, mended};
use crate::evidence::{Evidence, Gap, PolicyText, Probe, Provider, Request, Role, Runner, Why, WorkflowFile};
use crate::finding::{Certainty, Conclusion, Document, Edit, Finding, Found, Rule, Severity};
use crate::github::claims::{Claims, Token};
use crate::github::workflow::steps::{Step, StepInput};
use crate::github::workflow::{self, Workflow, WorkflowError};
use crate::infra::{self, Infra, Place, Written};
use crate::policy::{Decision, PrincipalKind, TrustPolicy, parse};
use crate::predict::{self, Family, Grant, JobTokens, Origin, Prediction, Problem, Repository, add_family};
use crate::text::masked::is_masked;
use crate::text::{SourceText, Span};

use matching::{Candidates, Names};

/// The result of checking a repository.
#[derive(Debug, Default)]
pub struct Checked {
    /// All files: those containing policies, then the workflows.
    pub(crate) files: Vec<SourceText>,
    /// The steps that request a role, in the order of the jobs.
    pub(crate) asks: Vec<Ask>,
    /// The findings, most severe first.
    pub(crate) findings: Vec<Noted>,
    /// What wasn't examined, and why, one line each.
    pub(crate) unread: Vec<String>,
    /// How many policies trust GitHub's tokens.
    pub(crate) policies: usize,
}

/// A step that requests a role.
#[derive(Debug)]
pub(crate) struct Ask {
    /// The workflow file.
    pub(crate) file: String,
    /// The line of the step.
    pub(crate) line: usize,
    /// The job.
    pub(crate) job: String,
    /// The role, as written.
    pub(crate) role: String,
    /// Where its policy is defined: addresses in the files.
    pub(crate) policies: Vec<String>,
    /// The outcome for each kind of token.
    pub(crate) outcomes: Vec<Outcome>,
    /// Further remarks about it.
    pub(crate) notes: Vec<String>,
}

impl Ask {
    fn without_answers(&self) -> Self {
        Self {
            file: self.file.clone(),
            line: self.line,
            job: self.job.clone(),
            role: self.role.clone(),
            policies: Vec::new(),
            outcomes: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds an outcome; tokens that look the same in the output count once.
    fn come_to(&mut self, outcome: Outcome) {
        if !self.outcomes.contains(&outcome) {
            self.outcomes.push(outcome);
        }
    }

    /// None of the job's own tokens gets in.
    fn refuse_all(&mut self, asking: &Asking<'_>, rule: &str) {
        let own = |family: &&Family| !family.is_odd && !family.is_elsewhere;
        for family in asking.families.iter().filter(own) {
            for subject in family.patterns() {
                self.come_to(Outcome {
                    event: family.event.clone(),
                    subject,
                    verdict: Verdict::Denied(rule.to_owned()),
                });
            }
        }
    }

    fn remark(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// The outcome for a kind of token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The event that starts the job.
    pub(crate) event: String,
    /// The subject, or a pattern if there are many.
    pub(crate) subject: String,
    /// Whether it gets in.
    pub(crate) verdict: Verdict,
}

/// Whether a token gets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Yes.
    Allowed,
    /// No, by this finding.
    Denied(String),
    /// It depends on something unknown.
    Undecided,
}

/// A finding, and where it is in the files.
#[derive(Debug, Clone)]
pub(crate) struct Noted {
    /// What's wrong.
    pub(crate) rule: &'static Rule,
    /// Its effect on the job.
    pub(crate) severity: Severity,
    /// How certain it is.
    pub(crate) certainty: Certainty,
    /// In one line.
    pub(crate) message: String,
    /// Explanations.
    pub(crate) more: Vec<String>,
    /// What to do about it.
    pub(crate) help: Vec<String>,
    /// Where: the file's index, the bytes, and what's wrong there.
    pub(crate) spots: Vec<(usize, Span, String)>,
    /// Changes that fix it.
    pub(crate) changes: Vec<Change>,
    /// What it is about, in words that edits elsewhere in the files don't change.
    pub(crate) about: Vec<String>,
}

/// A change to a file.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// What it does.
    pub(crate) title: String,
    /// Index of the file.
    pub(crate) file: usize,
    /// The replacements.
    pub(crate) edits: Vec<Edit>,
    /// The lines to write if they can't be placed.
    pub(crate) text: String,
}

impl Noted {
    fn new(rule: &'static Rule, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            rule,
            severity,
            certainty: Certainty::Likely,
            message: message.into(),
            more: Vec::new(),
            help: Vec::new(),
            spots: Vec::new(),
            changes: Vec::new(),
            about: Vec::new(),
        }
    }

    /// Leaves out the changes that would write down this subject, which stands for many.
    fn leave_out(&mut self, subject: &str) {
        let has = |change: &Change| {
            let mut texts = change
                .edits
                .iter()
                .map(|edit| &edit.text)
                .chain([&change.text, &change.title]);
            !subject.is_empty() && texts.any(|text| text.contains(subject))
        };
        self.changes.retain(|change| !has(change));
    }
}

/// Checks every job of a prediction, and every policy among the files.
#[must_use]
pub(crate) fn check(
    infra: Infra,
    workflows: &[SourceText],
    prediction: &Prediction,
    repository: &Repository,
    threads: usize,
) -> Checked {
    let mut files = HashMap::new();
    for (index, file) in workflows.iter().enumerate() {
        files.entry(&*file.name).or_insert((infra.files.len() + index, file));
    }
    let known = Known {
        files,
        infra: &infra,
        names: Names::of(&infra),
        repository,
    };
    let mut check = Check::new(&known);
    let mut asks = Vec::new();
    for (of_job, noted) in of_jobs(&known, &prediction.jobs, threads) {
        asks.extend(of_job);
        noted.into_iter().for_each(|kept| check.keep(kept));
    }
    check.unused(prediction);
    let policies = infra.roles.iter().filter(|role| matching::is_githubs(role)).count();
    let mut findings: Vec<Noted> = check.noted.into_iter().map(|(_, noted)| noted).collect();
    findings.sort_by_key(|noted| (noted.severity, noted.certainty));
    let line = |problem: &Problem| {
        format!(
            "{}:{}:{}: {}",
            problem.file, problem.line, problem.column, problem.message
        )
    };
    let mut unread: Vec<String> = prediction.problems.iter().map(line).collect();
    let name = |file: usize| infra.files.get(file).map_or("", |file| &file.name);
    for file in &infra.unread {
        unread.push(format!(
            "{}:{}:{}: {}",
            name(file.file),
            file.line,
            file.column,
            file.why
        ));
    }
    for role in infra.roles.iter() {
        if let Err(why) = &role.policy {
            let at = infra
                .files
                .get(role.place.file)
                .map(|file| file.position(role.place.span.start));
            let line = at.map_or(1, |at| at.line);
            unread.push(format!(
                "{}:{line}: the policy of `{}`: {why}",
                name(role.place.file),
                role.address
            ));
        }
    }
    for (call, source, place) in &infra.elsewhere {
        let line = infra
            .files
            .get(place.file)
            .map_or(1, |file| file.position(place.span.start).line);
        unread.push(format!(
            "{}:{line}: `{call}` was not looked at: its source is `{source}`",
            name(place.file)
        ));
    }
    Checked {
        asks,
        findings,
        unread,
        policies,
        files: infra.files.iter().chain(workflows).cloned().collect(),
    }
}

/// The most roles of one name examined.
const MOST_OF_A_NAME: usize = 20;
const ELSEWHERE: &str = "called by a workflow of another repository it has that repository's subject";

/// What a job asks for, and what was found.
type OfJob = (Vec<Ask>, Vec<(String, Noted)>);

/// Checks each job, on this many threads or as many as can be started. The answer doesn't depend on how many.
fn of_jobs(known: &Known<'_>, jobs: &[JobTokens], threads: usize) -> Vec<OfJob> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut check = Check::new(known);
        let mut done = Vec::new();
        while let Some((index, job)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, jobs.get(i)?)))
        {
            done.push((index, (check.job(job), std::mem::take(&mut check.noted))));
        }
        done
    };
    let mut done = thread::scope(|scope| {
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..threads.min(jobs.len() / ENOUGH)).map_while(spawn).collect();
        let mut done = work();
        for other in others {
            done.extend(other.join().unwrap_or_else(|payload| panic::resume_unwind(payload)));
        }
        done
    });
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, of_job)| of_job).collect()
}

/// A thread takes longer to start than fewer jobs take to check.
const ENOUGH: usize = 8;

/// What the checks of all jobs have in common.
struct Known<'a> {
    infra: &'a Infra,
    /// The workflows by name, each with its index after the files of `infra`.
    files: HashMap<&'a str, (usize, &'a SourceText)>,
    names: Names<'a>,
    repository: &'a Repository,
}

/// A policy, as written and as read.
type Read = (Written, TrustPolicy);

/// The check in progress.
struct Check<'a> {
    known: &'a Known<'a>,
    infra: &'a Infra,
    repository: &'a Repository,
    /// The findings, each with what tells it from others.
    noted: Vec<(String, Noted)>,
    /// Findings already reported, by what tells them apart.
    seen: BTreeSet<String>,
    /// Policies by role and account, read once.
    written: HashMap<(usize, String), Result<Rc<Read>, String>>,
    /// Workflows by index, read once.
    read: HashMap<usize, Result<Arc<Workflow>, WorkflowError>>,
}

/// A step, and what's known about it.
struct Asking<'s> {
    job: &'s JobTokens,
    step: &'s Step,
    /// The tokens the job can have when the step's inputs are these.
    families: &'s [Family],
    inputs: Inputs,
    /// The role, with unknown parts masked.
    role: String,
}

/// What one policy refuses a job, for one reason.
struct Group {
    found: Found,
    /// The policy's text, as its labels count it.
    text: Option<SourceText>,
    /// One of the tokens, then all events and subjects.
    token: Claims,
    tokens: Vec<(String, String)>,
    is_sure: bool,
    /// The token's IDs are made up: they belong to no one, and no change can contain them.
    has_made_up_ids: bool,
    /// The token stands for others: its subject is one of many.
    is_one_of_many: bool,
    /// Why the same tokens are refused if their subjects have IDs; which form they have is unknown.
    with_ids: Option<Box<Self>>,
}

impl Group {
    /// Whether these are its tokens, but with IDs in their subjects.
    fn is_with_ids(&self, other: &Self) -> bool {
        let names = |(event, subject): &(String, String)| {
            let names = without_ids(subject).filter(|names| names != subject)?;
            Some((event.clone(), names))
        };
        let is_own = |token| names(token).is_some_and(|names| self.tokens.contains(&names));
        other.tokens.iter().all(is_own)
    }
}

impl<'a> Check<'a> {
    fn new(known: &'a Known<'a>) -> Self {
        Self {
            known,
            infra: known.infra,
            repository: known.repository,
            noted: Vec::new(),
            seen: BTreeSet::new(),
            written: HashMap::new(),
            read: HashMap::new(),
        }
    }

    /// A run of a job, read and evaluated.
    fn case<'e>(&mut self, asking: &Asking<'_>, evidence: &'e Evidence) -> Case<'e> {
        let workflow = self.workflow(&asking.job.file).map(|(index, source)| {
            let read = || workflow::read(&source.text).map(Arc::new);
            self.read.entry(index).or_insert_with(read).clone()
        });
        Case::with(evidence, workflow)
    }

    fn workflow(&self, file: &str) -> Option<(usize, &'a SourceText)> {
        self.known.files.get(file).copied()
    }

    fn job(&mut self, job: &JobTokens) -> Vec<Ask> {
        let source = self.workflow(&job.file).map(|(_, source)| source);
        let mut asks = Vec::new();
        for asked in in_one_region(&job.steps) {
            let step = &asked.step;
            let role = step.input("role-to-assume").and_then(|role| role.value.as_ref().ok());
            let Some(role) = role.filter(|role| !role.written().trim().is_empty()) else {
                continue;
            };
            let asking = Asking {
                job,
                step,
                families: &asked.families,
                inputs: known(step),
                role: role.masked().trim().to_owned(),
            };
            let mut ask = Ask {
                file: job.file.clone(),
                line: source
                    .as_ref()
                    .map_or(job.line, |source| source.position(step.at.start).line),
                job: job.name.clone(),
                policies: Vec::new(),
                outcomes: Vec::new(),
                notes: Vec::new(),
                role: role.written().trim().to_owned(),
            };
            if let Some(file) = &step.file {
                ask.remark(format!("the step is in `{file}`"));
            }
            self.around(&asking);
            asks.extend(self.ask(&asking, ask));
        }
        asks
    }

    /// Reports what a step shows without any policy.
    fn around(&mut self, asking: &Asking<'_>) {
        let Some((file, _)) = self.workflow(&asking.job.file) else {
            return;
        };
        let at = |span: Span, text: &str| (file, span, text.to_owned());
        let about = vec![asking.job.file.clone(), asking.job.name.clone()];
        if let Some(key) = asking.access_key()
            // The outputs of a step are a session's keys.
            && !["steps.", "steps["].iter().any(|context| key.written.to_ascii_lowercase().contains(context))
            && asking.job.grant != Grant::Missing
        {
            let mut noted = Noted::new(
                &rules::STATIC_KEYS,
                Severity::Risk,
                format!("job `{}` has an access key beside its ID token", asking.job.name),
            );
            noted.more.push(
                "with an access key among its inputs, configure-aws-credentials uses that key and not the token"
                    .to_owned(),
            );
            noted
                .help
                .push("remove `aws-access-key-id` and `aws-secret-access-key`, and delete the key in IAM".to_owned());
            noted
                .spots
                .push(at(asking.place_of(key), "a key that lasts until someone deletes it"));
            noted.about = about.clone();
            self.note(noted);
        }
        if asking
            .families
            .iter()
            .any(|family| family.event == "pull_request_target" && !family.is_odd)
        {
            let mut noted = Noted::new(
                &rules::PULL_REQUEST_TARGET,
                Severity::Risk,
                format!(
                    "job `{}` asks for a role on `pull_request_target`, which anyone who opens a pull request can start",
                    asking.job.name
                ),
            );
            noted.more.push("a step that runs code of the pull request (its checkout, its build, its tests) has the role's credentials".to_owned());
            noted.help.push("ask for the role in a workflow that a push to a protected branch starts, or in an environment that someone has to approve".to_owned());
            noted.spots.push(at(asking.step.at, "asked for here"));
            noted.about = about;
            self.note(noted);
        }
    }

    fn ask(&mut self, asking: &Asking<'_>, mut ask: Ask) -> Vec<Ask> {
        let has_outputs = asking.step.keys_of.as_ref().map(|giver| giver.gives != Some(false));
        let has_key = asking.access_key().is_some() && has_outputs != Some(false);
        if asking.inputs.is_on(Input::RoleChaining) || has_key {
            let with = match has_key && has_outputs.is_none() {
                true => "the access key among its inputs",
                false => "the session of a step before it",
            };
            ask.remark(format!("it asks with {with}, not with the token: not looked at"));
            return vec![ask];
        }
        let infra = self.infra;
        let candidates = Candidates::of(infra, &self.known.names, &asking.role);
        let address = |role: &usize| Some(infra.roles.get(*role)?.address.clone());
        ask.policies = candidates.roles.iter().filter_map(address).collect();
        let partition = candidates.partition.clone();
        let account = candidates.account.clone().unwrap_or_else(|| "${account}".to_owned());
        match &*candidates.roles {
            [] => {
                self.without_policy(asking);
                match infra.missing.get(&asking.role) {
                    Some(answer) => self.role_missing(asking, &mut ask, answer),
                    None => ask.remark("its policy is not among the files"),
                }
            }
            [only] if candidates.is_by_name => self.judge(asking, &mut ask, *only, &account, &partition),
            roles if candidates.is_by_name => return self.each(asking, &ask, roles, &account, &partition),
            roles => {
                ask.remark(format!(
                    "which of {} policies is the role's cannot be told; a token counts as let in where one of them lets it in",
                    roles.len()
                ));
                self.compare(asking, &mut ask, roles, &account, &partition);
            }
        }
        vec![ask]
    }

    /// Roles of one name, apparently in several accounts: all are judged, as it isn't known which one the step means.
    fn each(&mut self, asking: &Asking<'_>, ask: &Ask, roles: &[usize], account: &str, partition: &str) -> Vec<Ask> {
        let infra = self.infra;
        let before = self.noted.len();
        let mut asks = Vec::new();
        for role in roles.iter().take(MOST_OF_A_NAME) {
            let Some(own) = infra.roles.get(*role) else { continue };
            let place = infra.files.get(own.place.file).map_or("", |file| &file.name);
            let which = format!(
                "one of {} roles of this name: `{}` of {place}",
                roles.len(),
                own.address
            );
            let mut of_role = Ask {
                policies: vec![own.address.clone()],
                notes: ask.notes.clone(),
                ..ask.without_answers()
            };
            of_role.remark(which.clone());
            let first = self.noted.len();
            let of_account = own.account.as_deref().unwrap_or(account);
            self.judge(asking, &mut of_role, *role, of_account, partition);
            for (_, noted) in self.noted.iter_mut().skip(first) {
                noted.certainty = noted.certainty.max(Certainty::Likely);
                noted.more.push(which.clone());
                noted.about.push(format!("{place} {}", own.address));
            }
            asks.push(of_role);
        }
        let gets_in = |ask: &Ask| ask.outcomes.iter().any(|outcome| outcome.verdict == Verdict::Allowed);
        if asks.iter().any(gets_in) {
            let own = self.noted.iter_mut().skip(before);
            own.filter(|(_, noted)| noted.severity == Severity::Blocks)
                .for_each(|(_, noted)| noted.severity = Severity::Note);
        }
        asks
    }

    fn policy(&mut self, role: usize, account: &str, partition: &str) -> Result<Rc<Read>, String> {
        let infra = self.infra;
        let made = self.written.entry((role, account.to_owned())).or_insert_with(|| {
            let role = infra.roles.get(role).ok_or_else(String::new)?;
            let written = role.policy_in(account, partition)?;
            let policy = parse(&written.text).map_err(|error| format!("it cannot be read: {error}"))?;
            Ok(Rc::new((written, policy)))
        });
        made.clone()
    }

    /// Several policies, one of which is the role's: records the outcome for each kind of token, without findings.
    fn compare(&mut self, asking: &Asking<'_>, ask: &mut Ask, roles: &[usize], account: &str, partition: &str) {
        let policies: Vec<(usize, Rc<Read>)> = roles
            .iter()
            .filter_map(|role| Some((*role, self.policy(*role, account, partition).ok()?)))
            .collect();
        for family in asking.families.iter().filter(|family| !family.is_odd) {
            if family.is_elsewhere {
                ask.remark(ELSEWHERE);
                continue;
            }
            let mut verdict = Verdict::Denied(String::new());
            for (role, read) in &policies {
                let (_, policy) = &**read;
                let arn = self
                    .arn(*role, account, partition)
                    .and_then(|arn| RoleArn::parse(&arn).ok());
                let asker = Asker {
                    claims: None,
                    issuer: &self.repository.issuer,
                    role: arn.as_ref(),
                    provider: None,
                    inputs: &asking.inputs,
                    caller: None,
                };
                let shares = family.judge(policy, asker);
                if shares.iter().any(|share| share.decision == Decision::Allow) {
                    verdict = Verdict::Allowed;
                } else if verdict != Verdict::Allowed
                    && shares.iter().any(|share| share.decision == Decision::Undecided)
                {
                    verdict = Verdict::Undecided;
                }
            }
            for subject in family.patterns() {
                ask.come_to(Outcome {
                    event: family.event.clone(),
                    subject,
                    verdict: verdict.clone(),
                });
            }
        }
    }

    fn arn(&self, role: usize, account: &str, partition: &str) -> Option<String> {
        let role = self.infra.roles.get(role)?;
        let name = role.name.as_deref().unwrap_or("${name}");
        let account = role.account.as_deref().unwrap_or(account);
        let partition = if partition.starts_with('$') { "aws" } else { partition };
        Some(format!("arn:{partition}:iam::{account}:role{}{name}", role.path))
    }

    /// What the diagnosis says without a policy: for one, that there is no token.
    fn without_policy(&mut self, asking: &Asking<'_>) {
        if asking.job.grant != Grant::Missing {
            return;
        }
        let mut evidence = self.evidence(asking, None, "");
        evidence.request.inputs = asking.inputs.clone();
        self.no_token(asking, &evidence, None);
    }

    /// Reports a role that IAM doesn't have.
    fn role_missing(&mut self, asking: &Asking<'_>, ask: &mut Ask, answer: &str) {
        let mut evidence = self.evidence(asking, None, "");
        evidence.role = Some(Probe::Missing(Gap::new(Why::NotFound, answer)));
        let (Some(found), Some((file, _))) = (
            cause(&self.case(asking, &evidence))
                .1
                .filter(|found| found.rule.id == "role-missing"),
            self.workflow(&asking.job.file),
        ) else {
            return;
        };
        ask.refuse_all(asking, found.rule.id);
        let mut noted = self.translated(&found, asking, None, None);
        noted
            .more
            .insert(0, format!("job `{}` of {}", asking.job.name, asking.job.file));
        let role = asking.step.input("role-to-assume");
        let span = role.map_or(asking.step.at, |role| asking.place_of(role));
        noted.spots = vec![(file, span, "IAM has no such role".to_owned())];
        noted.about = vec![asking.job.file.clone(), asking.job.name.clone(), asking.role.clone()];
        self.note(noted);
    }

    fn no_token(&mut self, asking: &Asking<'_>, evidence: &Evidence, policy: Option<(usize, &Written)>) {
        let diagnosis = diagnose(evidence);
        let is_it = |found: &&Found| found.rule.id == "id-token-permission-missing";
        if let Some(found) = diagnosis.findings.iter().find(is_it) {
            let mut noted = self.translated(found, asking, diagnosis.policy.as_ref(), policy);
            noted.about.extend([asking.job.file.clone(), asking.job.name.clone()]);
            noted
                .more
                .insert(0, format!("job `{}` of {}", asking.job.name, asking.job.file));
            // The job itself grants it; the caller of its workflow, which is among the files as well, doesn't.
            if noted.spots.is_empty() {
                noted.spots = self.calls(asking);
                if !noted.spots.is_empty() {
                    noted.certainty = Certainty::Likely;
                    noted.message =
                        "the job that calls this job's workflow does not grant `id-token: write`".to_owned();
                    // What withholds it is known here.
                    noted.more.retain(|note| !note.contains("something else withholds it"));
                    noted.help = vec!["give the calling job `id-token: write` too".to_owned()];
                }
            }
            self.note(noted);
        }
    }

    /// The places where the job's workflow is called.
    fn calls(&self, asking: &Asking<'_>) -> Vec<(usize, Span, String)> {
        let why = asking.families.iter().take(1).flat_map(|family| &family.why);
        let calls = why.filter(|why| why.what.starts_with("`uses: "));
        let spot = |why: &Origin| {
            let (file, source) = self.workflow(&why.file)?;
            let before: usize = source.text.split_inclusive('\n').take(why.line - 1).map(str::len).sum();
            let line = source.text.get(before..)?.lines().next()?;
            let start = before + (line.len() - line.trim_start().len());
            let span = Span::new(start, before + line.trim_end().len());
            Some((
                file,
                span,
                "called here: this job must grant `id-token: write` too".to_owned(),
            ))
        };
        calls.filter_map(spot).collect()
    }

    /// Judges the job's tokens by the role's only policy.
    fn judge(&mut self, asking: &Asking<'_>, ask: &mut Ask, role: usize, account: &str, partition: &str) {
        let read = match self.policy(role, account, partition) {
            Ok(read) => read,
            Err(why) => {
                ask.remark(format!("its policy was not looked at: {why}"));
                self.without_policy(asking);
                return;
            }
        };
        let (written, policy) = &*read;
        let Some(arn) = self.arn(role, account, partition) else {
            return;
        };
        let with = |check: &Self, token: Option<&Claims>, event: &str| {
            let evidence = check.evidence(asking, token, event);
            check.of_role(evidence, (role, written), account, partition)
        };
        if asking.job.grant == Grant::Missing {
            ask.remark("the job gets no token".to_owned());
            let evidence = with(self, None, "");
            self.no_token(asking, &evidence, Some((role, written)));
            return;
        }
        let is_later = |other: &predict::Asking| other.step.at.start < asking.step.at.start;
        if asking.job.steps.iter().any(is_later) && trusts_roles_alone(policy) {
            self.unchained(asking, ask, written, policy);
            return;
        }
        let has_gaps = !written.assumed.is_empty() || written.unknown.iter().any(|name| !infra::is_filled_in(name));
        let parsed = RoleArn::parse(&arn).ok();
        let mut groups: Vec<Group> = Vec::new();
        // The events for which some token gets in.
        let (mut let_in, mut first_allowed) = (BTreeSet::new(), None);
        // Those for which that is not decided.
        let mut open = BTreeSet::new();
        let families = || asking.families.iter().filter(|family| !family.is_odd);
        let has_names_alone = families().any(|family| family.patterns().iter().any(|pattern| !has_ids(pattern, "@*")));
        for family in families() {
            let patterns = family.patterns();
            // A name that only stands for those that a pattern lets through.
            let is_one_of_many = |subject: &str| patterns.iter().all(|pattern| pattern != subject);
            let with_unknown_ids = patterns.iter().find(|pattern| has_ids(pattern, "@*"));
            if family.is_elsewhere {
                ask.remark(ELSEWHERE);
                continue;
            }
            let asker = Asker {
                claims: None,
                issuer: &self.repository.issuer,
                role: parsed.as_ref(),
                provider: None,
                inputs: &asking.inputs,
                caller: None,
            };
            let shares = family.judge(policy, asker);
            for share in &shares {
                if share.decision == Decision::Undecided && is_masked(share.subject()) {
                    let is_its = |pattern: &&String| shares.len() == 1 || has_ids(pattern, "@*");
                    for subject in patterns.iter().filter(is_its) {
                        ask.come_to(Outcome {
                            event: family.event.clone(),
                            subject: subject.clone(),
                            verdict: Verdict::Undecided,
                        });
                    }
                    ask.remark("several parts of its subject are open, and the policy's pattern covers them together: which tokens get in is not decided");
                    open.insert(family.event.clone());
                    continue;
                }
                let is_one = shares.len() == 1;
                let unknown_ids = with_unknown_ids.filter(|_| has_ids(share.subject(), "@"));
                let subject = match (&*patterns, is_one) {
                    ([only], true) => only.clone(),
                    _ => unknown_ids.map_or(share.subject(), String::as_str).to_owned(),
                };
                let unknown_ids = unknown_ids.is_some();
                let outcome = |verdict| Outcome {
                    event: family.event.clone(),
                    subject: subject.clone(),
                    verdict,
                };
                if share.decision == Decision::Allow {
                    let_in.insert(family.event.clone());
                    first_allowed = first_allowed.or_else(|| {
                        Some((
                            share.token.clone(),
                            family.event.clone(),
                            is_one_of_many(share.subject()),
                        ))
                    });
                    ask.come_to(outcome(Verdict::Allowed));
                    continue;
                }
                // Who the token belongs to decides most, and would be made up.
                if self.repository.name.is_none() {
                    ask.remark("the repository's name is not known: `--repository owner/name` gives it");
                    for subject in &patterns {
                        ask.come_to(Outcome {
                            subject: subject.clone(),
                            ..outcome(Verdict::Undecided)
                        });
                    }
                    continue;
                }
                let evidence = with(self, Some(&share.token), &family.event);
                let case = self.case(asking, &evidence);
                let (Conclusion::Denied, Some(cause)) = cause(&case) else {
                    ask.come_to(outcome(Verdict::Undecided));
                    continue;
                };
                ask.come_to(outcome(Verdict::Denied(cause.rule.id.to_owned())));
                let is_sure = !has_gaps && !asking.step.is_conditional && family.widened.is_empty();
                if unknown_ids && has_names_alone {
                    let note = "whether its subject has IDs (`@`), and which, is not known: `--owner-id` and `--repository-id` tell";
                    ask.remark(note);
                    continue;
                }
                let token = (family.event.clone(), subject.clone());
                let same = groups
                    .iter_mut()
                    .find(|group| group.found.rule.id == cause.rule.id && places(&group.found) == places(&cause));
                match same {
                    Some(group) => {
                        group.is_sure &= is_sure;
                        group.tokens.push(token);
                    }
                    None => groups.push(Group {
                        found: mended(&case, cause),
                        text: case.policy_source.clone(),
                        token: share.token.clone(),
                        tokens: vec![token],
                        is_sure: is_sure && !unknown_ids,
                        has_made_up_ids: unknown_ids,
                        is_one_of_many: is_one_of_many(share.subject()),
                        with_ids: None,
                    }),
                }
            }
        }
        for group in in_one_form(groups) {
            let more = match account.contains('$') {
                true => self.changes_in_any_account(asking, role, &group),
                false => Vec::new(),
            };
            let may_get_in = &let_in | &open;
            self.refused(asking, group, more, &may_get_in, (role, written));
        }
        // Who else gets in, and what stops the step itself, doesn't depend on the token.
        let token = first_allowed.or_else(|| {
            let family = asking
                .families
                .iter()
                .find(|family| !family.is_odd && !family.is_elsewhere)?;
            let token = family.example()?;
            let is_one_of_many = !family
                .patterns()
                .iter()
                .any(|pattern| Some(&**pattern) == token.subject());
            Some((token, family.event.clone(), is_one_of_many))
        });
        if let Some((token, event, is_one_of_many)) = token {
            let evidence = with(self, Some(&token), &event);
            let case = self.case(asking, &evidence);
            for found in besides(&case) {
                if found.severity == Severity::Risk || !let_in.is_empty() {
                    let mut noted = self.translated(&found, asking, case.policy_source.as_ref(), Some((role, written)));
                    if has_gaps {
                        noted.certainty = noted.certainty.max(Certainty::Likely);
                    }
                    if is_one_of_many {
                        noted.leave_out(token.subject().unwrap_or_default());
                    }
                    noted.about.push(ask.policies.join(" "));
                    self.note(noted);
                }
            }
        }
    }

    /// A later step that presents the token, although the policy expects the session of an earlier one.
    fn unchained(&mut self, asking: &Asking<'_>, ask: &mut Ask, written: &Written, policy: &TrustPolicy) {
        let Some(check) = by_id("role-chaining-missing") else {
            return;
        };
        ask.refuse_all(asking, check.rule.id);
        let message = "this step asks with the job's ID token, and the role trusts the role of an earlier step: `role-chaining: true` is missing";
        let mut noted = Noted::new(&check.rule, Severity::Blocks, message);
        noted
            .more
            .push(format!("job `{}` of {}", asking.job.name, asking.job.file));
        noted
            .help
            .push("set `role-chaining: true` in this step, or let the role trust the token".to_owned());
        if let Some((file, _)) = self.workflow(&asking.job.file) {
            noted.spots.push((
                file,
                asking.step.at,
                "`role-chaining: true` is missing in this step".to_owned(),
            ));
        }
        let principal = policy
            .statements
            .iter()
            .find_map(|statement| statement.principal.as_ref());
        let place = principal.and_then(|principal| written.place(principal.span));
        noted
            .spots
            .extend(place.map(|place| spot(place, "the role trusts roles, and no token")));
        noted.about.extend([asking.job.file.clone(), asking.job.name.clone()]);
        self.note(noted);
    }

    /// Reports why a job's tokens are refused.
    fn refused(
        &mut self,
        asking: &Asking<'_>,
        group: Group,
        more: Vec<Change>,
        let_in: &BTreeSet<String>,
        policy: (usize, &Written),
    ) {
        let mut found = group.found;
        if !group.is_sure {
            found.finding = found.finding.at_most(Certainty::Likely);
        }
        let mut noted = self.translated(&found, asking, group.text.as_ref(), Some(policy));
        noted.changes.splice(0..0, more);
        if let Some(other) = &group.with_ids {
            let with_ids = self.translated(&other.found, asking, other.text.as_ref(), Some(policy));
            let is_new = |change: &Change| noted.changes.iter().all(|own| own.title != change.title);
            let changes: Vec<Change> = with_ids.changes.into_iter().filter(is_new).collect();
            noted.changes.extend(changes);
            let subjects: Vec<String> = other
                .tokens
                .iter()
                .take(5)
                .map(|(_, subject)| format!("`{subject}`"))
                .collect();
            noted.more.push(format!(
                "with IDs in its subject ({}) it does not get in either: {}",
                subjects.join(", "),
                other.found.message
            ));
        }
        if group.has_made_up_ids {
            noted.changes.clear();
            for (.., text) in noted.spots.iter_mut().filter(|(.., text)| text.contains("@0")) {
                "names without IDs".clone_into(text);
            }
            noted.more.clear();
            noted.help = vec!["`--owner-id` and `--repository-id` tell the IDs that its subject has".to_owned()];
        }
        if group.is_one_of_many && !group.has_made_up_ids {
            for token in group.with_ids.iter().map(|other| &other.token).chain([&group.token]) {
                noted.leave_out(token.subject().unwrap_or_default());
            }
            let subject = group.token.subject().unwrap_or_default();
            noted.more.push(format!(
                "`{subject}` stands for every subject of this job that is refused alike"
            ));
        }
        // For one of these events, no token gets in: no branch, no tag.
        let is_whole = group.tokens.iter().any(|(event, _)| !let_in.contains(event));
        // Some of a job's tokens are refused on purpose: a branch that nobody deploys from.
        let is_meant = !(let_in.is_empty() || is_whole && group.is_sure);
        if is_meant || noted.certainty == Certainty::Possible {
            noted.severity = Severity::Note;
        }
        let mut tokens: Vec<String> = Vec::new();
        for (event, subject) in &group.tokens {
            let line = format!("{event}: `{subject}`");
            if !tokens.contains(&line) {
                tokens.push(line);
            }
        }
        let more = tokens.len().saturating_sub(5);
        tokens.truncate(5);
        let mut line = format!(
            "job `{}` of {}, on {}",
            asking.job.name,
            asking.job.file,
            tokens.join(", ")
        );
        if more > 0 {
            line.push_str(&format!(", and {more} more"));
        }
        noted.more.insert(0, line);
        noted.about.extend([asking.job.file.clone(), asking.job.name.clone()]);
        if let Some((file, _)) = self.workflow(&asking.job.file)
            && noted.spots.iter().all(|(other, ..)| *other != file)
        {
            noted
                .spots
                .push((file, asking.step.at, "the role is requested here".to_owned()));
        }
        self.note(noted);
    }

    /// The changes to the source that are the same for any account number, if the role's own isn't known: nothing can be
    /// proved about a policy whose principal isn't known.
    fn changes_in_any_account(&mut self, asking: &Asking<'_>, role: usize, group: &Group) -> Vec<Change> {
        const ANY: &str = "000000000000";
        // Literal principals belong to the role's own account.
        let of_principals = |written: &Written| {
            let rest = written.text.split(":oidc-provider/").next()?;
            let account = rest.rsplit(':').next()?;
            (account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())).then(|| account.to_owned())
        };
        let own = self
            .infra
            .roles
            .get(role)
            .and_then(|role| of_principals(role.policy.as_ref().ok()?));
        let account = own.unwrap_or_else(|| ANY.to_owned());
        let Ok(read) = self.policy(role, &account, "aws") else {
            return Vec::new();
        };
        let (written, _) = &*read;
        let event = group.tokens.first().map_or("", |(event, _)| event);
        let evidence = self.evidence(asking, Some(&group.token), event);
        let evidence = self.of_role(evidence, (role, written), &account, "aws");
        let case = self.case(asking, &evidence);
        let Some(cause) = cause(&case).1.filter(|cause| cause.rule.id == group.found.rule.id) else {
            return Vec::new();
        };
        let cause = mended(&case, cause);
        let text = case.policy_source.as_ref();
        let mut changes = self.translated(&cause, asking, text, Some((role, written))).changes;
        changes.retain(|change| {
            let is_anyones = change.edits.iter().all(|edit| !edit.text.contains(ANY));
            change.file < self.infra.files.len() && !change.edits.is_empty() && is_anyones
        });
        changes
    }

    /// Adds the role and its policy.
    fn of_role(
        &self,
        mut evidence: Evidence,
        (role, written): (usize, &Written),
        account: &str,
        partition: &str,
    ) -> Evidence {
        let arn = self.arn(role, account, partition);
        if let Some(arn) = &arn {
            evidence.request.inputs.set(Input::RoleToAssume, arn.clone());
        }
        evidence.role = Some(Probe::Known(Role {
            arn,
            trust_policy: Some(PolicyText::Text(written.text.clone())),
            max_session_duration: self.infra.roles.get(role).and_then(|role| role.longest),
            ..Role::default()
        }));
        evidence.provider = self.provider(role, account, partition);
        evidence
    }

    /// Evidence as if a job had presented this token.
    fn evidence(&self, asking: &Asking<'_>, token: Option<&Claims>, event: &str) -> Evidence {
        let claim = |name: &str| Some(token?.0.get(name)?.as_str()?.to_owned()).filter(|text| !text.contains("***"));
        let workflow = self.workflow(&asking.job.file).map(|(_, source)| {
            Probe::Known(WorkflowFile {
                path: source.name.clone(),
                text: source.text.clone(),
                ..WorkflowFile::default()
            })
        });
        Evidence {
            request: Request {
                inputs: asking.inputs.clone(),
                ..Request::default()
            },
            runner: Some(Runner {
                id_token_request: match asking.job.grant {
                    Grant::Given => Some(true),
                    Grant::Missing => Some(false),
                    Grant::Unknown => None,
                },
                event_name: (!event.is_empty()).then(|| event.to_owned()),
                git_ref: claim("ref"),
                repository: self.repository.name.clone(),
                job: Some(asking.job.id.clone()),
                ..Runner::default()
            }),
            token: token.map(|claims| {
                Probe::Known(Token {
                    claims: claims.clone(),
                    ..Token::default()
                })
            }),
            workflow,
            ..Evidence::default()
        }
    }

    /// The provider in the role's file, if it is the only one for the issuer.
    fn provider(&self, role: usize, account: &str, partition: &str) -> Option<Probe<Provider>> {
        let host = crate::github::issuer::issuer_host(&self.repository.issuer);
        let role = self.infra.roles.get(role)?;
        let own = self.infra.providers.iter().filter(|provider| provider.host == host);
        let mut own = own.filter(|provider| provider.place.file == role.place.file);
        let (only, None) = (own.next()?, own.next()) else {
            return None;
        };
        Some(Probe::Known(Provider {
            arn: Some(format!(
                "arn:{}:iam::{account}:oidc-provider/{host}",
                if partition.starts_with('$') { "aws" } else { partition }
            )),
            url: Some(host.to_owned()),
            client_ids: Some(only.audiences.clone()?),
            ..Provider::default()
        }))
    }

    /// A diagnosis's finding, with its places mapped to the files; `text` is the policy as it was diagnosed.
    fn translated(
        &self,
        found: &Found,
        asking: &Asking<'_>,
        text: Option<&SourceText>,
        policy: Option<(usize, &Written)>,
    ) -> Noted {
        let workflow = self.workflow(&asking.job.file).map(|(file, _)| file);
        let finding: &Finding = found;
        let mut noted = Noted::new(found.rule, finding.severity, finding.message.clone());
        noted.certainty = finding.certainty();
        for label in &finding.labels {
            let place = match label.document {
                Document::TrustPolicy => policy
                    .and_then(|(_, written)| written.place(label.location.span))
                    .map(|place| (place.file, place.span)),
                Document::Workflow => workflow.map(|file| (file, label.location.span)),
                Document::CallerPolicy(_) | Document::Claims => None,
            };
            if let Some((file, span)) = place {
                noted.spots.push((file, span, label.text.clone()));
            }
            if label.document == Document::TrustPolicy
                && let Some(text) = text
            {
                noted.about.push(text.slice(label.location.span).to_owned());
            }
        }
        noted.more.clone_from(&finding.notes);
        noted.help.clone_from(&finding.help);
        noted.changes = fixes::changes(self.infra, policy, workflow, &finding.fixes);
        noted
    }

    /// Adds a finding, unless already present.
    fn note(&mut self, noted: Noted) {
        let is_shared = noted.severity == Severity::Risk;
        let spots: Vec<String> = noted
            .spots
            .iter()
            .map(|(file, span, _)| format!("{file}:{}", span.start))
            .collect();
        let about = if is_shared {
            String::new()
        } else {
            noted.about.join("\0")
        };
        self.keep((format!("{}\0{}\0{about}", noted.rule.id, spots.join(",")), noted));
    }

    fn keep(&mut self, (apart, noted): (String, Noted)) {
        if self.seen.insert(apart.clone()) {
            self.noted.push((apart, noted));
        }
    }
}

impl Asking<'_> {
    /// The access key among the inputs, if it isn't empty.
    fn access_key(&self) -> Option<&StepInput> {
        let key = self.step.input(Input::AwsAccessKeyId.name())?;
        key.value
            .as_ref()
            .is_ok_and(|value| !value.written().trim().is_empty())
            .then_some(key)
    }

    /// Where an input is in the workflow file, or else where the action that has it is called.
    fn place_of(&self, input: &StepInput) -> Span {
        match self.step.file {
            None => input.span,
            Some(_) => self.step.at,
        }
    }
}

/// The known inputs of a step; the rest can come from elsewhere.
fn known(step: &Step) -> Inputs {
    let mut inputs = Inputs::default();
    for own in &step.inputs {
        let value = own.value.as_ref().ok().and_then(|value| value.as_known());
        if let (Some(input), Some(value)) = (Input::named(&own.name), value.map(str::trim))
            && !value.is_empty()
        {
            inputs.set(input, value);
        }
    }
    inputs
}

/// The steps by what they request: those that differ only in the region request the same.
fn in_one_region(steps: &[predict::Asking]) -> Vec<predict::Asking> {
    let mut all: Vec<predict::Asking> = Vec::new();
    let asks = |step: &Step| -> Vec<(String, Option<String>)> {
        let inputs = step
            .inputs
            .iter()
            .filter(|input| !input.name.eq_ignore_ascii_case("aws-region"));
        let value = |input: &StepInput| input.value.as_ref().ok().map(|value| value.written());
        inputs.map(|input| (input.name.clone(), value(input))).collect()
    };
    for asking in steps {
        let is_same = |other: &&mut predict::Asking| {
            let place = |step: &Step| (step.at, step.is_conditional, step.file.clone());
            place(&other.step) == place(&asking.step) && asks(&other.step) == asks(&asking.step)
        };
        match all.iter_mut().find(is_same) {
            Some(other) => asking
                .families
                .iter()
                .for_each(|family| add_family(&mut other.families, family.clone())),
            None => all.push(asking.clone()),
        }
    }
    all
}

/// Whether the policy trusts roles only, and no token.
fn trusts_roles_alone(policy: &TrustPolicy) -> bool {
    let principals = policy
        .statements
        .iter()
        .filter_map(|statement| statement.principal.as_ref());
    let mut entries = principals.flat_map(|principal| &principal.entries).peekable();
    entries.peek().is_some() && entries.all(|entry| entry.kind == PrincipalKind::Aws)
}

/// Merges two groups that say the same of subjects with and without IDs.
fn in_one_form(groups: Vec<Group>) -> Vec<Group> {
    let (with_ids, mut all): (Vec<Group>, Vec<Group>) = groups.into_iter().partition(|group| {
        let mut subjects = group.tokens.iter().map(|(_, subject)| subject);
        subjects.all(|subject| has_ids(subject, "@"))
    });
    for group in with_ids {
        match all
            .iter_mut()
            .find(|other| other.with_ids.is_none() && other.is_with_ids(&group))
        {
            Some(other) => other.with_ids = Some(Box::new(group)),
            None => all.push(group),
        }
    }
    all
}

/// A subject without the owner and repository IDs.
fn without_ids(subject: &str) -> Option<String> {
    let (repository, rest) = subject.strip_prefix("repo:")?.split_once(':')?;
    let (owner, name) = repository.split_once('/')?;
    let name_of = |part: &str| part.split('@').next().unwrap_or_default().to_owned();
    Some(format!("repo:{}/{}:{rest}", name_of(owner), name_of(name)))
}

/// Whether this subject, or pattern, has repository IDs; `ids` is `@*` to look for unknown ones.
fn has_ids(subject: &str, ids: &str) -> bool {
    let repository = subject.split(':').nth(1);
    repository.is_some_and(|repository| repository.contains(ids))
}

fn places(found: &Found) -> Vec<(Document, Span)> {
    let policy = found
        .labels
        .iter()
        .filter(|label| label.document == Document::TrustPolicy);
    policy.map(|label| (label.document, label.location.span)).collect()
}

/// A place in the files, for findings that don't come from a diagnosis.
fn spot(place: Place, text: &str) -> (usize, Span, String) {
    (place.file, place.span, text.to_owned())
}

#[cfg(test)]
mod tests;
