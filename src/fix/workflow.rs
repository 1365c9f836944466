//! Changes of the workflow file.

use super::admit::is_positive;
use super::edit::{apply, diff, indentation, is_plain};
use crate::case::{Case, PolicyCase};
use crate::finding::{Fix, Target};
use crate::github::issuer::issuer_host;
use crate::github::subject::difference::Kind;
use crate::github::subject::{Context, Subject};
use crate::github::workflow::{IdToken, Job, Permissions, PermissionsKind};
use crate::policy::{Decision, Presence, decide};
use crate::text::{SourceText, Span};
use serde_json::json;

/// The change on the job's side where one side has an environment and the other has not.
pub(super) fn job_environment(case: &Case<'_>, policy: &PolicyCase) -> Option<Fix> {
    let difference = policy
        .subject
        .as_ref()
        .filter(|difference| difference.kind == Kind::Environment)?;
    let wanted = Subject::parse(&difference.pattern)?.kind()?;
    let has = Subject::parse(&difference.subject)?.kind()?;
    let (job, source) = (job(case), case.workflow_source.as_ref());
    let mut fix = match (wanted, has) {
        (Context::Environment(name), Context::Branch(_) | Context::Tag(_) | Context::PullRequest)
            // `${{ … }}` would be an expression in a workflow, quoted or not.
            if !name.contains(['*', '?', ':', '$']) =>
        {
            let name = in_yaml(&name.replace("%3A", ":"));
            give_environment(case, format!("or give the job `environment: {name}`"), &name)
        }
        (Context::Branch(_) | Context::Tag(_), Context::Environment(_)) => {
            let (job, source) = (job?, source?);
            let environment = job.environment.as_ref()?;
            let position = source.position(environment.span.start);
            let line = source.text.lines().nth(position.line - 1)?;
            // Only where the whole key stands on one line.
            if !line.trim_start().starts_with("environment:") {
                return None;
            }
            let start = source
                .text
                .get(..environment.span.start)?
                .rfind('\n')
                .map_or(0, |at| at + 1);
            let end = (start + line.len() + 1).min(source.text.len());
            let mut fix = Fix::new("or take the environment out of the job", Target::Workflow);
            fix.diff = diff(
                &source.text,
                &apply(&source.text, vec![(Span::new(start, end), String::new())])?,
                &source.name,
            );
            fix
        }
        _ => return None,
    };
    let environment = if matches!(has, Context::Environment(_)) {
        "change the policy if deploys from this environment are meant"
    } else {
        "change the policy if deploys without an environment are meant"
    };
    fix.notes.push(format!(
        "which of the two: {environment}; change the job if the policy says what is meant"
    ));
    Some(fix)
}

/// The environment, as YAML, with which the policy lets the job in as it is, where the job has none and a condition asks for it.
pub(super) fn missing_environment(case: &Case<'_>, policy: &PolicyCase) -> Option<String> {
    let key = |claim: &str| format!("{}:{claim}", issuer_host(&case.issuer));
    let failing = policy.failing();
    let leaf = failing.iter().find(|leaf| {
        leaf.is(&key("environment")) && leaf.trace.actual == Presence::Absent && is_positive(leaf.condition)
    })?;
    let [name] = leaf.key.values.as_slice() else {
        return None;
    };
    let name = name.value.as_str();
    if name.contains(['*', '?', '$']) {
        return None;
    }
    let subject = Subject::parse(case.claims?.subject()?)?;
    let subject = format!(
        "repo:{}:environment:{}",
        subject.repository_part(),
        name.replace(':', "%3A")
    );
    let mut request = case.request_for(&policy.policy);
    request.set(&key("environment"), Presence::One(name.to_owned()));
    request.set(&key("sub"), Presence::One(subject));
    (decide(&policy.policy, &request) == Decision::Allow).then(|| in_yaml(name))
}

pub(super) fn give_environment(case: &Case<'_>, title: String, name: &str) -> Fix {
    let mut fix = Fix::new(title, Target::Workflow);
    fix.text = format!("    environment: {name}\n");
    if let (Some(job), Some(source)) = (job(case), case.workflow_source.as_ref())
        && let Some(changed) = below_key(source, job, |indent| format!("{indent}environment: {name}\n"))
    {
        fix.diff = diff(&source.text, &changed, &source.name);
    }
    fix
}

/// Gives the job `id-token: write`, as a diff of the workflow where it is known.
#[must_use]
pub fn grant_id_token(case: &Case<'_>) -> Vec<Fix> {
    let mut fix = Fix::new("give the job `id-token: write`", Target::Workflow);
    fix.text = "    permissions:\n      id-token: write\n      contents: read\n".to_owned();
    if let (Some(Ok(workflow)), Some(source)) = (&case.workflow, case.workflow_source.as_ref()) {
        let id = case.runner().and_then(|runner| runner.job.as_deref());
        let job = workflow.job(id).or_else(|| workflow.jobs.first());
        if let Some(changed) = job.and_then(|job| granted(source, job, workflow.permissions.as_ref())) {
            fix.diff = diff(&source.text, &changed, &source.name);
        }
    }
    vec![fix]
}

/// The workflow with `id-token: write` in the block that counts; `None` where a person must decide.
fn granted(source: &SourceText, job: &Job, all: Option<&Permissions>) -> Option<String> {
    if job.id.value.is_empty() || job.uses.is_some() && job.permissions.is_none() && all.is_none() {
        return None;
    }
    let text = source.text.as_str();
    let Some(permissions) = job.permissions.as_ref().or(all) else {
        // No block at all.
        return below_key(source, job, |indent| {
            format!("{indent}permissions:\n{indent}  id-token: write\n{indent}  contents: read\n")
        });
    };
    match (&permissions.kind, permissions.id_token) {
        (_, IdToken::Write(_)) => None,
        (PermissionsKind::Scopes(scopes), IdToken::Read(span) | IdToken::None(span)) if !scopes.is_empty() => apply(
            text,
            vec![(
                span,
                source.slice(span).replace("read", "write").replace("none", "write"),
            )],
        ),
        (PermissionsKind::Scopes(scopes), IdToken::Absent) => {
            let first = scopes.first()?.0.span.start;
            let indent = indentation(source, first);
            indent.starts_with('\n').then(|| {
                apply(
                    text,
                    vec![(Span::new(first, first), format!("id-token: write{indent}"))],
                )
            })?
        }
        _ => None,
    }
}

/// The job that cannot assume the role, where the workflow is known.
fn job<'a>(case: &'a Case<'_>) -> Option<&'a Job> {
    let workflow = case.workflow.as_ref()?.as_ref().ok()?;
    workflow.job(case.runner().and_then(|runner| runner.job.as_deref()))
}

/// The workflow with a line more right below a job's key, indented as what stands there.
fn below_key(source: &SourceText, job: &Job, lines: impl Fn(&str) -> String) -> Option<String> {
    let text = source.text.as_str();
    if job.id.value.is_empty() {
        return None;
    }
    let line_end = job.id.span.end + text.get(job.id.span.end..)?.find('\n')? + 1;
    let indent: String = text.get(line_end..)?.chars().take_while(|c| *c == ' ').collect();
    if indent.is_empty() {
        return None;
    }
    apply(text, vec![(Span::new(line_end, line_end), lines(&indent))])
}

fn in_yaml(text: &str) -> String {
    let is_word = ["true", "false", "null"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    if is_plain(text) && text.starts_with(|c: char| c.is_ascii_alphabetic()) && !is_word && !text.contains(':') {
        text.to_owned()
    } else {
        json!(text).to_string()
    }
}
