//! Changes to the workflow file.

use super::admit::is_positive;
use super::edit::{apply, diff, indentation, is_plain};
use super::provider::{policy_denies, takes_audience};
use crate::case::{Case, PolicyCase};
use crate::finding::{Edit, Fix, Target};
use crate::github::issuer::issuer_host;
use crate::github::subject::difference::Kind;
use crate::github::subject::{Context, Subject};
use crate::github::workflow::{IdToken, Job, Permissions, PermissionsKind};
use crate::policy::{Decision, Presence, decide};
use crate::text::masked::is_masked;
use crate::text::{SourceText, Span};
use serde_json::json;

/// The change to the job if only one side has an environment; offered only if the policy then lets the job in.
pub(super) fn job_environment(case: &Case<'_>, policy: &PolicyCase) -> Option<Fix> {
    let difference = policy
        .subject
        .as_ref()
        .filter(|difference| difference.kind == Kind::Environment)?;
    let wanted = Subject::parse(&difference.pattern)?.kind()?;
    let has = Subject::parse(&difference.subject)?.kind()?;
    match (wanted, has) {
        (Context::Environment(name), Context::Branch(_) | Context::Tag(_) | Context::PullRequest)
            // `${{ … }}` would be an expression in a workflow, quoted or not.
            if !name.contains(['*', '?', ':', '$']) && !is_masked(name) =>
        {
            let name = name.replace("%3A", ":");
            if !is_let_in(case, policy, Some(&name)) {
                return None;
            }
            let name = in_yaml(&name);
            let mut fix = give_environment(case, format!("give the job `environment: {name}`"), &name)?;
            fix.notes.push(
                "which fix to choose: change the policy if deploying without an environment is intended; change the job if the policy is \
                 right"
                    .to_owned(),
            );
            Some(fix)
        }
        (Context::Branch(_) | Context::Tag(_), Context::Environment(_)) if is_let_in(case, policy, None) => {
            take_environment(case)
        }
        _ => None,
    }
}

/// Keeps the job to the runs that the policy trusts on purpose, which opens nothing: out of pull requests if it trusts a branch or a tag, and
/// to the default branch if it trusts that one. (An outdated name, such as `master`, is not the default branch's.)
pub(super) fn keep_to_trusted(case: &Case<'_>, policy: &PolicyCase) -> Option<Fix> {
    let difference = policy.subject.as_ref()?;
    let (title, condition) = match (&difference.kind, Subject::parse(&difference.pattern)?.kind()?) {
        (Kind::PullRequest, Context::Branch(_) | Context::Tag(_)) if is_for_a_pull_request(case) => (
            "keep the job out of pull requests: it runs on `push`, after the merge".to_owned(),
            "if: github.event_name != 'pull_request'".to_owned(),
        ),
        (Kind::Branch, Context::Branch(name)) if case.default_branch() == Some(name) && is_plain(name) => (
            format!("keep the job to the default branch, `{name}`"),
            format!("if: github.ref == 'refs/heads/{name}'"),
        ),
        _ => return None,
    };
    let mut fix = Fix::new(title, Target::Workflow);
    fix.text = format!("    {condition}\n");
    if let (Some(job), Some(source)) = (job(case), case.workflow_source.as_ref())
        && let Some(edit) = below_key(source, job, |indent| format!("{indent}{condition}\n"))
    {
        // An existing `if:` has to be combined with it by hand.
        let own = format!("{}if:", edit.text.split("if:").next().unwrap_or_default());
        if !source.slice(job.span).lines().any(|line| line.starts_with(&own)) {
            change(&mut fix, source, edit)?;
        }
    }
    Some(fix)
}

/// Whether the token is a pull request's, without an environment. (GitHub docs, "OpenID Connect reference", "Example subject claims".)
pub(super) fn is_for_a_pull_request(case: &Case<'_>) -> bool {
    let subject = case.claims.and_then(|claims| claims.subject());
    let event = case.claims.and_then(|claims| claims.text("event_name"));
    subject.is_some_and(|subject| subject.ends_with(":pull_request"))
        && event.is_none_or(|event| event == "pull_request")
}

/// Whether the policy would let the job in with this environment, or without any, which changes the rest of the subject.
/// (GitHub docs, "OpenID Connect reference", "Example subject claims".)
fn is_let_in(case: &Case<'_>, policy: &PolicyCase, environment: Option<&str>) -> bool {
    let changed = || {
        let claims = case.claims?;
        let subject = Subject::parse(claims.subject()?).filter(Subject::is_default)?;
        let context = match environment {
            Some(name) => format!("environment:{}", name.replace(':', "%3A")),
            None if claims.text("event_name") == Some("pull_request") => "pull_request".to_owned(),
            None => format!("ref:{}", claims.text("ref")?),
        };
        let asker = case.asker();
        let mut request = case.request_for(&policy.policy);
        let environment = environment.map_or(Presence::Absent, |name| Presence::One(name.to_owned()));
        request.set(&asker.key("environment"), environment);
        let subject = format!("repo:{}:{context}", subject.repository_part());
        request.set(&asker.key("sub"), Presence::One(subject));
        Some(decide(&policy.policy, &request) == Decision::Allow)
    };
    changed().unwrap_or(false)
}

/// Removes the environment from the job if the whole key is on one line.
fn take_environment(case: &Case<'_>) -> Option<Fix> {
    let (job, source) = (job(case)?, case.workflow_source.as_ref()?);
    let environment = job.environment.as_ref()?;
    let position = source.position(environment.span.start);
    let line = source.text.lines().nth(position.line - 1)?;
    if !line.trim_start().starts_with("environment:") {
        return None;
    }
    let head = source.text.get(..environment.span.start)?;
    let start = head.rfind('\n').map_or(0, |at| at + 1);
    let end = (start + line.len() + 1).min(source.text.len());
    let mut fix = Fix::new("remove the environment from the job", Target::Workflow);
    let edit = Edit {
        span: Span::new(start, end),
        text: String::new(),
    };
    change(&mut fix, source, edit)?;
    fix.notes.push(
        "which fix to choose: change the policy if deploying from this environment is intended; change the job if the policy is right"
            .to_owned(),
    );
    Some(fix)
}

/// The environment, as YAML, with which the unchanged policy lets the job in, if the job has none and a condition requires one.
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
    is_let_in(case, policy, Some(name)).then(|| in_yaml(name))
}

/// Gives the job an environment; `None` if it names one that may be empty at run time, which has to be set at its source.
pub(super) fn give_environment(case: &Case<'_>, title: String, name: &str) -> Option<Fix> {
    // A job that calls a reusable workflow can't have one. (GitHub docs, "Reuse workflows", supported keywords.)
    if job(case).is_some_and(|job| job.environment.is_some() || job.uses.is_some()) {
        return None;
    }
    let mut fix = Fix::new(title, Target::Workflow);
    fix.text = format!("    environment: {name}\n");
    if let (Some(job), Some(source)) = (job(case), case.workflow_source.as_ref())
        && let Some(edit) = below_key(source, job, |indent| format!("{indent}environment: {name}\n"))
    {
        change(&mut fix, source, edit)?;
    }
    Some(fix)
}

/// Requests the audience that the policy expects if, as far as known, the provider accepts it too: the policy stays as it is.
pub(super) fn ask_for_audience(case: &Case<'_>, policy: &PolicyCase) -> Option<Fix> {
    let audience = case.asker().key("aud");
    let failing = policy.failing();
    let wanted = failing
        .iter()
        .filter(|leaf| leaf.is(&audience) && is_positive(leaf.condition))
        .flat_map(|leaf| &leaf.key.values)
        .map(|value| value.value.as_str());
    with_audience(case, wanted)
}

/// Requests the first of these audiences with which the token passes the whole handshake.
pub(super) fn with_audience<'a>(case: &Case<'_>, audiences: impl IntoIterator<Item = &'a str>) -> Option<Fix> {
    let ids = case.own_client_ids();
    let passes = |audience: &str| {
        is_plain(audience)
            && case.claims.and_then(|claims| claims.audience()) != Some(audience)
            && ids.is_none_or(|ids| ids.iter().any(|id| id == audience))
            && case
                .policy
                .as_ref()
                .is_none_or(|policy| takes_audience(case, policy, audience))
    };
    let audience = audiences.into_iter().find(|audience| passes(audience))?;
    let mut fix = Fix::new(format!("request the audience `{audience}`"), Target::Workflow);
    fix.text = format!(
        "      - uses: aws-actions/configure-aws-credentials@v6\n        with:\n          audience: {audience}\n"
    );
    fix.notes.extend(policy_denies(case, audience));
    if ids.is_none() {
        fix.notes.push(format!(
            "`{audience}` must be among the provider's client IDs, which are not known"
        ));
    }
    Some(fix)
}

/// Gives the job `id-token: write`, as a diff of the workflow if known.
pub(super) fn grant_id_token(case: &Case<'_>) -> Fix {
    let mut fix = Fix::new("give the job `id-token: write`", Target::Workflow);
    fix.text = "    permissions:\n      id-token: write\n      contents: read\n".to_owned();
    if let (Some(Ok(workflow)), Some(source)) = (&case.workflow, case.workflow_source.as_ref()) {
        let id = case.runner().and_then(|runner| runner.job.as_deref());
        let job = workflow.job(id).or_else(|| workflow.jobs.first());
        if let Some(edit) = job.and_then(|job| granted(source, job, workflow.permissions.as_ref())) {
            change(&mut fix, source, edit);
        }
        let block = job
            .and_then(|job| job.permissions.as_ref())
            .or(workflow.permissions.as_ref());
        if !block.is_some_and(|block| matches!(block.kind, PermissionsKind::Scopes(_))) {
            // GitHub docs, "Workflow syntax", `permissions`.
            fix.notes.push(
                "a `permissions` block removes every permission that it does not list: add whatever else the job uses, such as `packages: read`"
                    .to_owned(),
            );
        }
    }
    fix
}

/// Adds `id-token: write` to the effective block; `None` if a person must decide.
fn granted(source: &SourceText, job: &Job, all: Option<&Permissions>) -> Option<Edit> {
    if job.id.value.is_empty() || job.uses.is_some() && job.permissions.is_none() && all.is_none() {
        return None;
    }
    let Some(permissions) = job.permissions.as_ref().or(all) else {
        // No block at all.
        return below_key(source, job, |indent| {
            format!("{indent}permissions:\n{indent}  id-token: write\n{indent}  contents: read\n")
        });
    };
    match (&permissions.kind, permissions.id_token) {
        (PermissionsKind::Scopes(scopes), IdToken::Read(span) | IdToken::None(span)) if !scopes.is_empty() => {
            Some(Edit {
                span,
                text: source.slice(span).replace("read", "write").replace("none", "write"),
            })
        }
        (PermissionsKind::Scopes(scopes), IdToken::Absent) => {
            let first = scopes.first()?.0.span.start;
            let indent = indentation(source, first);
            indent.starts_with('\n').then(|| Edit {
                span: Span::new(first, first),
                text: format!("id-token: write{indent}"),
            })
        }
        _ => None,
    }
}

/// The job that can't assume the role, if the workflow is known.
fn job<'a>(case: &'a Case<'_>) -> Option<&'a Job> {
    let workflow = case.workflow.as_ref()?.as_ref().ok()?;
    workflow.job(case.runner().and_then(|runner| runner.job.as_deref()))
}

/// Changes the workflow.
fn change(fix: &mut Fix, source: &SourceText, edit: Edit) -> Option<()> {
    let edits = vec![edit];
    fix.diff = diff(&source.text, &apply(&source.text, &edits)?, &source.name);
    fix.edits = edits;
    Some(())
}

/// Inserts lines right below a job's key, indented like those there.
fn below_key(source: &SourceText, job: &Job, lines: impl Fn(&str) -> String) -> Option<Edit> {
    let text = source.text.as_str();
    if job.id.value.is_empty() {
        return None;
    }
    let line_end = job.id.span.end + text.get(job.id.span.end..)?.find('\n')? + 1;
    let indent: String = text.get(line_end..)?.chars().take_while(|c| *c == ' ').collect();
    if indent.is_empty() {
        return None;
    }
    Some(Edit {
        span: Span::new(line_end, line_end),
        text: lines(&indent),
    })
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
