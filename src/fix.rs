//! Changes that mend a finding: on the trust policy, the workflow or the provider.
//!
//! A change on the trust policy is printed only after it was applied and evaluated: the token gets in, and no subject of another
//! repository gets in that did not before. It is made in the policy's own text, which stays as it is everywhere else.

use serde_json::{Value, json};
use similar::TextDiff;

use crate::aws::arn::{provider_arn, usual_audience};
use crate::aws::request::{self, Asker, CLAIM_KEYS, meant_key};
use crate::budget::Budget;
use crate::case::{Case, PolicyCase};
use crate::configure::Input;
use crate::finding::{Fix, Target};
use crate::github::issuer::{Deployment, issuer_host};
use crate::github::subject::difference::Kind;
use crate::github::subject::{Context, Subject};
use crate::github::workflow::{IdToken, Job, Permissions, PermissionsKind};
use crate::policy::ConditionLeaf;
use crate::policy::leaves;
use crate::policy::{
    Condition, ConditionKey, Decision, Effect, Leaf, Outcome, Presence, PrincipalKind, RequestPrincipal, Statement,
    TrustPolicy, decide, parse,
};
use crate::text::{SourceText, Span};
use crate::witness;

pub mod narrow;
pub mod render;

/// The most characters, white space apart, that a role's trust policy can have after its quota is raised; 2048 before.
/// (IAM User Guide, `reference_iam-quotas`.)
const LARGEST: usize = 8192;
const USUAL: usize = 2048;

/// A change of a policy that is not proved yet: replacements in its text, and the same as JSON Patch.
#[derive(Debug, Clone, Default)]
struct Draft {
    title: String,
    edits: Vec<(Span, String)>,
    patch: Vec<Value>,
    notes: Vec<String>,
}

impl Draft {
    fn edit(&mut self, span: Span, text: String, operation: Value) {
        self.edits.push((span, text));
        self.patch.push(operation);
    }
}

/// Changes of the trust policy that let this token in: the smallest first. Empty where the token or the policy is not known, or
/// where no change passes the proof.
#[must_use]
pub fn admit(case: &Case<'_>) -> Vec<Fix> {
    case.admitting.get_or_init(|| propose(case)).clone()
}

fn propose(case: &Case<'_>) -> Vec<Fix> {
    let Some((policy, source)) = subject_of_change(case) else {
        return Vec::new();
    };
    if let Some(name) = missing_environment(case, policy) {
        return vec![give_environment(
            case,
            format!("give the job `environment: {name}`"),
            &name,
        )];
    }
    if let Some(fix) = rename_keys(case, policy).and_then(|draft| prove(case, policy, source, draft)) {
        return vec![fix];
    }
    let mut drafts = Vec::new();
    if policy.trace.decision == Decision::ExplicitDeny {
        drafts.extend(spare(case, policy, source));
    } else {
        drafts.extend(repair(case, policy, source, Breadth::Exact));
        drafts.extend(repair(case, policy, source, Breadth::AsWritten));
    }
    let mut fixes: Vec<Fix> = Vec::new();
    for draft in drafts {
        if let Some(fix) = prove(case, policy, source, draft)
            && fixes.iter().all(|other| other.text != fix.text)
        {
            fixes.push(fix);
        }
    }
    if fixes.is_empty() && !guards(case, policy) {
        fixes = exact_statement(case);
    }
    fixes.extend(job_environment(case, policy));
    fixes
}

/// Does a condition on one of the claims keep the token out on purpose? A statement beside it would go round it.
fn guards(case: &Case<'_>, policy: &PolicyCase) -> bool {
    let prefix = format!("{}:", issuer_host(&case.issuer)).to_lowercase();
    policy.failing().iter().any(|leaf| {
        let key = leaf.name().to_lowercase();
        key.strip_prefix(&prefix)
            .is_some_and(|claim| CLAIM_KEYS.contains(&claim))
            && (leaf.trace.actual == Presence::Absent || leaf.condition.operator.value.comparison.is_negated())
    })
}

/// The change on the job's side where one side has an environment and the other has not.
fn job_environment(case: &Case<'_>, policy: &PolicyCase) -> Option<Fix> {
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
fn missing_environment(case: &Case<'_>, policy: &PolicyCase) -> Option<String> {
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

fn give_environment(case: &Case<'_>, title: String, name: &str) -> Fix {
    let mut fix = Fix::new(title, Target::Workflow);
    fix.text = format!("    environment: {name}\n");
    if let (Some(job), Some(source)) = (job(case), case.workflow_source.as_ref())
        && let Some(changed) = below_key(source, job, |indent| format!("{indent}environment: {name}\n"))
    {
        fix.diff = diff(&source.text, &changed, &source.name);
    }
    fix
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

/// A new statement that lets in exactly this subject; for when the statements that are there cannot be mended without letting in more.
#[must_use]
pub fn exact_statement(case: &Case<'_>) -> Vec<Fix> {
    let Some((policy, source)) = subject_of_change(case) else {
        return Vec::new();
    };
    add_statement(case, policy, source)
        .and_then(|draft| prove(case, policy, source, draft))
        .into_iter()
        .collect()
}

fn subject_of_change<'a>(case: &'a Case<'_>) -> Option<(&'a PolicyCase, &'a SourceText)> {
    if case.is_allowed() || case.asks_with_credentials() {
        return None;
    }
    case.claims?.subject()?;
    Some((case.policy.as_ref()?, case.policy_source.as_ref()?))
}

/// How much a repaired condition lets in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Breadth {
    /// This token's subject alone.
    Exact,
    /// As much as the value that was meant for it.
    AsWritten,
}

/// Names the condition keys of the nearest statement as the request does, where that is all that fails.
fn rename_keys(case: &Case<'_>, policy: &PolicyCase) -> Option<Draft> {
    let (_, statement, trace) = policy.nearest()?;
    if trace.principal.outcome == Outcome::NoMatch || trace.action.outcome == Outcome::NoMatch {
        return None;
    }
    let subject = format!("{}:sub", issuer_host(&case.issuer));
    // The statement let nobody in, so all its subjects are new.
    let mut is_confined = confined(case, statement, &subject);
    let mut draft = Draft::default();
    let mut done = Vec::new();
    for leaf in policy.failing() {
        let meant = meant_key(leaf.name(), &case.issuer).filter(|_| leaf.trace.actual == Presence::Absent)?;
        if leaf
            .condition
            .keys
            .iter()
            .any(|key| key.key.value.eq_ignore_ascii_case(&meant))
        {
            return None;
        }
        is_confined |=
            meant.eq_ignore_ascii_case(&subject) && is_positive(leaf.condition) && names_own_repository(case, leaf.key);
        let from = policy.key_pointer(leaf.leaf);
        let object = from.rsplit_once('/').map(|(object, _)| object)?;
        let path = format!("{object}/{}", meant.replace('~', "~0").replace('/', "~1"));
        // A key that stands twice in one object is no policy.
        if draft
            .patch
            .iter()
            .any(|operation| operation.get("path").and_then(Value::as_str) == Some(&path))
        {
            return None;
        }
        let name = json!(meant).to_string();
        draft.edit(
            leaf.key.key.span,
            name,
            json!({"op": "move", "from": from, "path": path}),
        );
        done.push(format!("write the key `{}` as `{meant}`", leaf.name()));
    }
    draft.title = done.join(", and ");
    (is_confined && !done.is_empty()).then_some(draft)
}

/// Mends what fails in the nearest statement.
fn repair(case: &Case<'_>, policy: &PolicyCase, source: &SourceText, breadth: Breadth) -> Option<Draft> {
    let (index, statement, trace) = policy.nearest()?;
    let mut draft = Draft::default();
    let mut done: Vec<String> = Vec::new();
    // A statement in which something other than a value failed let nobody in; then all its subjects are new.
    let mut was_dead = false;
    if trace.principal.outcome == Outcome::NoMatch {
        done.push(repair_principal(policy, index, statement, &mut draft)?);
        was_dead = true;
    }
    if trace.action.outcome == Outcome::NoMatch {
        let action = statement.action.as_ref().filter(|action| !action.negated)?;
        let pointer = format!("{}/Action", policy.policy.statement_pointer(index));
        let token_action = "sts:AssumeRoleWithWebIdentity";
        append(
            &mut draft,
            source,
            action.span,
            &action.values,
            action.is_list,
            &pointer,
            token_action,
        );
        done.push(format!("allow `{token_action}`"));
        was_dead = true;
    }
    let name = |claim: &str| format!("{}:{claim}", issuer_host(&case.issuer));
    for leaf in policy.failing() {
        let key = leaf.name();
        let positive = !leaf.condition.operator.value.comparison.is_negated();
        let wanted = match &leaf.trace.actual {
            Presence::One(value) if positive && leaf.condition.operator.value.comparison.is_string() => value.clone(),
            // A guard that the token does not pass is no mistake to be taken out.
            Presence::Absent if positive && CLAIM_KEYS.iter().any(|claim| key.eq_ignore_ascii_case(&name(claim))) => {
                return None;
            }
            Presence::Absent if positive => {
                remove(&mut draft, source, policy, statement, &leaf)?;
                done.push(format!("take the condition on `{key}` out"));
                was_dead = true;
                continue;
            }
            _ => return None,
        };
        if key.eq_ignore_ascii_case(&name("sub")) {
            done.push(repair_subject(
                case, policy, source, &leaf, &wanted, breadth, &mut draft,
            )?);
        } else {
            if breadth == Breadth::AsWritten {
                // The same change as before; a second fix needs something of its own.
                let own = policy.subject.is_some();
                if !own {
                    return None;
                }
            }
            let pointer = policy.key_pointer(leaf.leaf);
            append(
                &mut draft,
                source,
                leaf.key.span,
                &leaf.key.values,
                leaf.key.is_list,
                &pointer,
                &wanted,
            );
            done.push(format!("allow `{wanted}` for `{key}`"));
            was_dead |= !key.eq_ignore_ascii_case(&name("aud"));
        }
    }
    if done.is_empty() || (breadth == Breadth::AsWritten && policy.subject.is_none()) {
        return None;
    }
    let restricted = restricts_subject(statement, &name("sub"));
    if was_dead && !confined(case, statement, &name("sub")) {
        return None;
    }
    if !restricted {
        // IAM stores a policy for GitHub only with a condition on `sub`, so a change must bring one.
        add_subject_condition(case, policy, source, index, statement, &mut draft)?;
        done.push("restrict the subject to this one".to_owned());
        draft.notes.push(
            "IAM stores a policy for GitHub's provider only with a condition on `sub` (since June 2025), so this change brings one: other \
             repositories that the policy let in are shut out"
                .to_owned(),
        );
    }
    draft.title = done.join(", and ");
    Some(draft)
}

fn repair_principal(policy: &PolicyCase, index: usize, statement: &Statement, draft: &mut Draft) -> Option<String> {
    let RequestPrincipal::Federated(arn) = &policy.request.principal else {
        return None;
    };
    let principal = statement.principal.as_ref().filter(|principal| !principal.negated)?;
    let entry = principal
        .entries
        .iter()
        .find(|entry| entry.kind == PrincipalKind::Federated)?;
    let [value] = entry.values.as_slice() else { return None };
    let pointer = format!("{}/Principal/Federated", policy.policy.statement_pointer(index));
    let pointer = if entry.is_list { format!("{pointer}/0") } else { pointer };
    draft.edit(
        value.span,
        json!(arn).to_string(),
        json!({"op": "replace", "path": pointer, "value": arn}),
    );
    Some(format!("trust the provider `{arn}`"))
}

/// Mends the `sub` condition; what was done, in words.
fn repair_subject(
    case: &Case<'_>,
    policy: &PolicyCase,
    source: &SourceText,
    leaf: &ConditionLeaf<'_>,
    subject: &str,
    breadth: Breadth,
    draft: &mut Draft,
) -> Option<String> {
    let difference = policy
        .subject
        .as_ref()
        .filter(|difference| difference.leaf == leaf.leaf)?;
    let pointer = policy.key_pointer(leaf.leaf);
    let mut value = subject.to_owned();
    if breadth == Breadth::AsWritten {
        match &difference.kind {
            Kind::WildcardLiteral => return to_like(case, policy, leaf, draft),
            Kind::Case => {
                // The value as written, with the token's letter case in the part that names the repository.
                let token = Subject::parse(subject)?;
                let written = Subject::parse(&difference.pattern)?;
                value = format!("repo:{}:{}", token.repository_part(), written.context?);
            }
            Kind::Immutable => value = difference.meant.clone()?,
            Kind::Environment | Kind::Tag | Kind::Branch | Kind::PullRequest => return None,
            _ => return None,
        }
        if value == subject || !leaf.condition.operator.value.comparison.takes_wildcards() && value.contains(['*', '?'])
        {
            return None;
        }
        own_repository(case, &value)?;
    }
    if leaf.condition.operator.value.comparison.takes_wildcards()
        && breadth == Breadth::Exact
        && subject.contains(['*', '?', '$'])
    {
        // Cannot be written as a plain value here.
        return None;
    }
    let written = leaf.key.values.get(difference.value)?;
    let can_never_match =
        matches!(difference.kind, Kind::Malformed(_)) && !difference.pattern.contains(['*', '?', '$']);
    if can_never_match {
        let path = policy.value_pointer(leaf.leaf, leaf.key, difference.value);
        draft.edit(
            written.span,
            json!(value).to_string(),
            json!({"op": "replace", "path": path, "value": value}),
        );
        return Some(format!("write `{value}` in place of what can never match"));
    }
    append(
        draft,
        source,
        leaf.key.span,
        &leaf.key.values,
        leaf.key.is_list,
        &pointer,
        &value,
    );
    Some(if breadth == Breadth::Exact {
        format!("add exactly this job's subject `{value}`")
    } else {
        format!("add `{value}`, as broad as the value that is there")
    })
}

/// Turns `StringEquals` into `StringLike` for the `sub` condition.
fn to_like(case: &Case<'_>, policy: &PolicyCase, leaf: &ConditionLeaf<'_>, draft: &mut Draft) -> Option<String> {
    let Leaf::Key {
        statement, condition, ..
    } = leaf.leaf
    else {
        return None;
    };
    let statement_text = policy.policy.statements.get(statement)?;
    for value in &leaf.key.values {
        own_repository(case, &value.value)?;
    }
    let like = leaf.condition.name.replace("StringEquals", "StringLike");
    let taken = statement_text
        .conditions
        .iter()
        .enumerate()
        .any(|(c, other)| c != condition && other.name.eq_ignore_ascii_case(&like));
    // The other keys under the operator move along, so none of their values may have a wildcard.
    let others = leaf
        .condition
        .keys
        .iter()
        .filter(|key| key.key.span != leaf.key.key.span);
    let plain = others
        .flat_map(|key| &key.values)
        .all(|value| !value.value.contains(['*', '?']));
    if like == leaf.condition.name || taken || !plain {
        return None;
    }
    let base = format!("{}/Condition", policy.policy.statement_pointer(statement));
    draft.edit(
        leaf.condition.operator.span,
        json!(like).to_string(),
        json!({"op": "move", "from": format!("{base}/{}", leaf.condition.name), "path": format!("{base}/{like}")}),
    );
    Some(format!("let `{like}` compare, so that the wildcard counts as one"))
}

/// A value that names this token's repository in full, before any wildcard.
fn own_repository(case: &Case<'_>, value: &str) -> Option<()> {
    let subject = case.claims?.subject()?;
    let token = Subject::parse(subject)?;
    token.context?;
    let prefix = format!("repo:{}:", token.repository_part());
    (value.starts_with(&prefix) && !prefix.contains(['*', '?', '$'])).then_some(())
}

/// Has the statement a positive condition on `sub`?
fn restricts_subject(statement: &Statement, key_name: &str) -> bool {
    statement.conditions.iter().any(|condition| {
        is_positive(condition)
            && condition
                .keys
                .iter()
                .any(|key| key.key.value.eq_ignore_ascii_case(key_name))
    })
}

/// Does the statement's condition on `sub` let in subjects of this token's repository alone?
fn confined(case: &Case<'_>, statement: &Statement, key_name: &str) -> bool {
    statement.conditions.iter().any(|condition| {
        is_positive(condition)
            && !condition.operator.value.if_exists
            && condition
                .keys
                .iter()
                .any(|key| key.key.value.eq_ignore_ascii_case(key_name) && names_own_repository(case, key))
    })
}

fn is_positive(condition: &Condition) -> bool {
    let comparison = condition.operator.value.comparison;
    comparison.is_string() && !comparison.is_negated()
}

/// Do all values name this token's repository in full?
fn names_own_repository(case: &Case<'_>, key: &ConditionKey) -> bool {
    let mut values = key.values.iter();
    !key.values.is_empty() && values.all(|value| own_repository(case, &value.value).is_some())
}

/// Adds a value to an element that may be a text or a list, and keeps the list's layout.
fn append(
    draft: &mut Draft,
    source: &SourceText,
    span: Span,
    values: &[crate::text::Spanned<String>],
    is_list: bool,
    pointer: &str,
    value: &str,
) {
    let new = json!(value).to_string();
    let Some(last) = values.last() else {
        draft.edit(
            span,
            format!("[{new}]"),
            json!({"op": "replace", "path": pointer, "value": [value]}),
        );
        return;
    };
    if is_list {
        // The white space between two values, or before the only one.
        let before = match values {
            [.., previous, last] => Span::new(previous.span.end, last.span.start),
            _ => Span::new(span.start + 1, last.span.start),
        };
        let between = source
            .slice(before)
            .trim_start_matches(|c: char| c.is_whitespace() && c != '\n' && c != ' ');
        let between = between.trim_start_matches(',');
        let between = if between.trim().is_empty() { between } else { " " };
        let between = if between.is_empty() { " " } else { between };
        draft.edit(
            Span::new(last.span.end, last.span.end),
            format!(",{between}{new}"),
            json!({"op": "add", "path": format!("{pointer}/-"), "value": value}),
        );
    } else {
        let old = source.slice(last.span);
        let line_start = source
            .text
            .get(..span.start)
            .and_then(|head| head.rfind('\n'))
            .map(|at| at + 1);
        let list = match line_start {
            // In a text of several lines the list gets a line a value.
            Some(start) => {
                let line = source.text.get(start..).unwrap_or_default();
                let indent: String = line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
                format!("[\n{indent}  {old},\n{indent}  {new}\n{indent}]")
            }
            None => format!("[{old}, {new}]"),
        };
        draft.edit(
            span,
            list,
            json!({"op": "replace", "path": pointer, "value": [last.value, value]}),
        );
    }
}

/// Takes a condition key out, with its operator where nothing else stands under it.
fn remove(
    draft: &mut Draft,
    source: &SourceText,
    policy: &PolicyCase,
    statement: &Statement,
    leaf: &ConditionLeaf<'_>,
) -> Option<()> {
    let Leaf::Key {
        statement: index,
        condition,
        ..
    } = leaf.leaf
    else {
        return None;
    };
    let alone = leaf.condition.keys.len() == 1;
    let (entry, pointer) = if alone {
        if statement.conditions.len() == 1 {
            return None;
        }
        let name = statement
            .conditions
            .get(condition)?
            .name
            .replace('~', "~0")
            .replace('/', "~1");
        (
            Span::new(leaf.condition.operator.span.start, leaf.condition.span.end),
            format!("{}/Condition/{name}", policy.policy.statement_pointer(index)),
        )
    } else {
        (
            Span::new(leaf.key.key.span.start, leaf.key.span.end),
            policy.key_pointer(leaf.leaf),
        )
    };
    let text = source.text.as_str();
    let after = text.get(entry.end..)?;
    let blank = after.len() - after.trim_start().len();
    let span = if after.trim_start().starts_with(',') {
        // Up to where the next entry begins.
        let rest = after.get(blank + 1..)?;
        Span::new(
            entry.start,
            entry.end + blank + 1 + (rest.len() - rest.trim_start().len()),
        )
    } else {
        let head = text.get(..entry.start)?.trim_end();
        Span::new(head.strip_suffix(',').map_or(head.len(), str::len), entry.end)
    };
    draft.edit(span, String::new(), json!({"op": "remove", "path": pointer}));
    Some(())
}

/// Adds `StringEquals … sub` to a statement that has none.
fn add_subject_condition(
    case: &Case<'_>,
    policy: &PolicyCase,
    source: &SourceText,
    index: usize,
    statement: &Statement,
    draft: &mut Draft,
) -> Option<()> {
    let subject = case.claims?.subject()?;
    let key = format!("{}:sub", issuer_host(&case.issuer));
    let pointer = policy.policy.statement_pointer(index);
    let escaped = key.replace('~', "~0").replace('/', "~1");
    let equals = statement
        .conditions
        .iter()
        .find(|condition| condition.name == "StringEquals");
    if let Some(first) = equals.and_then(|equals| equals.keys.first()) {
        let start = first.key.span.start;
        let indent = indentation(source, start);
        draft.edit(
            Span::new(start, start),
            format!("{}: {},{indent}", json!(key), json!(subject)),
            json!({"op": "add", "path": format!("{pointer}/Condition/StringEquals/{escaped}"), "value": subject}),
        );
        return Some(());
    }
    let condition = statement.condition_span?;
    let start = condition.start + 1;
    let first = statement.conditions.first()?.operator.span.start;
    let indent = indentation(source, first);
    draft.edit(
        Span::new(start, start),
        format!("{indent}\"StringEquals\": {{ {}: {} }},", json!(key), json!(subject)),
        json!({"op": "add", "path": format!("{pointer}/Condition/StringEquals"), "value": {key: subject}}),
    );
    Some(())
}

/// The line break and the blanks before a place, or one blank where it does not begin its line.
fn indentation(source: &SourceText, at: usize) -> String {
    let head = source.text.get(..at).unwrap_or_default();
    let blanks = head.len() - head.trim_end_matches([' ', '\t']).len();
    if head.trim_end_matches([' ', '\t']).ends_with('\n') {
        format!("\n{}", head.get(head.len() - blanks..).unwrap_or_default())
    } else {
        " ".to_owned()
    }
}

/// A statement of its own for exactly this subject.
fn add_statement(case: &Case<'_>, policy: &PolicyCase, source: &SourceText) -> Option<Draft> {
    let RequestPrincipal::Federated(arn) = &policy.request.principal else {
        return None;
    };
    if policy.trace.decision == Decision::ExplicitDeny {
        return None;
    }
    let subject = case.claims?.subject()?;
    let audience = case.claims?.audience()?;
    let host = issuer_host(&case.issuer);
    let statement = json!({
        "Effect": "Allow",
        "Principal": { "Federated": arn },
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": { "StringEquals": { format!("{host}:aud"): audience, format!("{host}:sub"): subject } },
    });
    let pretty = serde_json::to_string_pretty(&statement).ok()?;
    let mut draft = Draft {
        title: format!("add a statement for exactly this job's subject `{subject}`"),
        ..Draft::default()
    };
    let at = policy.policy.statements.last().map(|last| last.span)?;
    let indent = indentation(source, at.start);
    let laid_out = pretty.replace(
        '\n',
        if indent.starts_with('\n') {
            indent.as_str()
        } else {
            "\n"
        },
    );
    if policy.policy.statement_is_list {
        draft.edit(
            Span::new(at.end, at.end),
            format!(",{indent}{laid_out}"),
            json!({"op": "add", "path": "/Statement/-", "value": statement}),
        );
    } else {
        let old = source.slice(policy.policy.statement_span);
        let both: Vec<Value> = vec![serde_json::from_str(old).ok()?, statement];
        draft.edit(
            policy.policy.statement_span,
            format!("[{old},\n{pretty}]"),
            json!({"op": "replace", "path": "/Statement", "value": both}),
        );
    }
    Some(draft)
}

/// Takes this token out of the Deny statements that match, where they except values of a kind that can be added to.
fn spare(case: &Case<'_>, policy: &PolicyCase, source: &SourceText) -> Option<Draft> {
    let mut draft = Draft::default();
    for (index, (statement, trace)) in policy
        .policy
        .statements
        .iter()
        .zip(&policy.trace.statements)
        .enumerate()
    {
        if statement.effect.value != Effect::Deny || trace.outcome != Outcome::Match {
            continue;
        }
        let all = leaves(index, statement, trace);
        let name = format!("{}:sub", issuer_host(&case.issuer));
        let leaf = all.iter().find(|leaf| {
            let comparison = leaf.condition.operator.value.comparison;
            comparison.is_negated() && comparison.is_string() && leaf.is(&name)
        })?;
        let Presence::One(subject) = &leaf.trace.actual else {
            return None;
        };
        append(
            &mut draft,
            source,
            leaf.key.span,
            &leaf.key.values,
            leaf.key.is_list,
            &policy.key_pointer(leaf.leaf),
            subject,
        );
        draft.title = format!("except exactly this job's subject `{subject}` from the Deny statement");
    }
    (!draft.edits.is_empty()).then_some(draft)
}

/// Does a change of a policy let the asker in with the token, and no subject of another repository that was kept out before? No
/// where the budget does not suffice to tell.
#[must_use]
pub fn is_proven(asker: Asker<'_>, before: &TrustPolicy, after: &TrustPolicy, budget: &Budget) -> bool {
    decide(after, &request::web_identity(asker, after)) == Decision::Allow
        && witness::lets_in_no_more(asker, before, after, budget)
}

/// Applies a draft and evaluates it: only what holds becomes a fix.
fn prove(case: &Case<'_>, policy: &PolicyCase, source: &SourceText, draft: Draft) -> Option<Fix> {
    let text = apply(&source.text, draft.edits)?;
    let changed: TrustPolicy = parse(&text).ok()?;
    let size = text.chars().filter(|c| !c.is_whitespace()).count();
    if size > LARGEST || !is_proven(case.asker(), &policy.policy, &changed, &case.proving) {
        return None;
    }
    let mut fix = Fix::new(draft.title, Target::TrustPolicy);
    fix.notes = draft.notes;
    if size > USUAL {
        fix.notes.push(format!("the policy then has {size} characters; IAM takes {USUAL} unless the quota of the account is raised (to at most {LARGEST})"));
    }
    fix.notes.push(
        "applied and evaluated: this token gets in, and no subject of another repository that did not before"
            .to_owned(),
    );
    fix.patch = draft.patch;
    fix.diff = diff(&source.text, &text, "trust-policy.json");
    let role = render::argument(case.role_name().as_deref().unwrap_or_default(), "ROLE");
    fix.command =
        format!("aws iam update-assume-role-policy --role-name {role} --policy-document file://trust-policy.json");
    if let Some(statement) = admitting(case, &changed) {
        fix.terraform = render::terraform(statement);
        fix.cloudformation = render::cloudformation(statement);
    }
    fix.text = text;
    Some(fix)
}

/// The statement that lets this token in.
fn admitting<'a>(case: &Case<'_>, policy: &'a TrustPolicy) -> Option<&'a Statement> {
    let trace = crate::policy::trace(policy, &case.request_for(policy));
    let found = trace
        .statements
        .iter()
        .position(|statement| statement.effect == Effect::Allow && statement.outcome == Outcome::Match)?;
    policy.statements.get(found)
}

/// The text with all replacements made; `None` where they overlap.
fn apply(text: &str, mut edits: Vec<(Span, String)>) -> Option<String> {
    edits.sort_by_key(|(span, _)| *span);
    let mut out = String::with_capacity(text.len() + 256);
    let mut at = 0;
    for (span, new) in edits {
        out.push_str(text.get(at..span.start)?);
        out.push_str(&new);
        at = span.end;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

fn diff(before: &str, after: &str, name: &str) -> String {
    TextDiff::from_lines(before, after)
        .unified_diff()
        .context_radius(1)
        .header(&format!("a/{name}"), &format!("b/{name}"))
        .missing_newline_hint(false)
        .to_string()
}

/// Creates the provider in the role's account.
#[must_use]
pub fn create_provider(case: &Case<'_>) -> Vec<Fix> {
    let (partition, account) = case.account();
    let audience = case
        .claims
        .and_then(|claims| claims.audience())
        .unwrap_or_else(|| usual_audience(&partition));
    if !is_plain(&case.issuer) || !is_plain(audience) {
        return Vec::new();
    }
    let issuer = format!("https://{}", issuer_host(&case.issuer));
    let mut fix = Fix::new("create the provider in the role's account", Target::Provider);
    fix.command = format!(
        "aws iam create-open-id-connect-provider --url {} --client-id-list {}",
        render::argument(&issuer, "URL"),
        render::argument(audience, "AUDIENCE")
    );
    fix.terraform = format!(
        "resource \"aws_iam_openid_connect_provider\" \"github\" {{\n  url            = \"{issuer}\"\n  client_id_list = [\"{audience}\"]\n}}\n"
    );
    fix.cloudformation = format!(
        "GitHubProvider:\n  Type: AWS::IAM::OIDCProvider\n  Properties:\n    Url: {issuer}\n    ClientIdList: [{audience}]\n"
    );
    if let Some(account) = account {
        fix.notes.push(format!(
            "its ARN is then `{}`, which the trust policy must name",
            provider_arn(&partition, &account, &case.issuer)
        ));
    }
    if case.deployment() != Deployment::Server {
        fix.notes.push("no thumbprint is needed".to_owned());
    }
    vec![fix]
}

/// Adds the token's audience to the provider's client ids.
#[must_use]
pub fn add_client_id(case: &Case<'_>) -> Vec<Fix> {
    let Some(audience) = case
        .claims
        .and_then(|claims| claims.audience())
        .or(case.request().get(Input::Audience))
        .filter(|a| is_plain(a))
    else {
        return Vec::new();
    };
    let (partition, account) = case.account();
    let arn = case
        .own_provider()
        .and_then(|provider| provider.arn.clone())
        .or_else(|| account.map(|account| provider_arn(&partition, &account, &case.issuer)))
        .unwrap_or_default();
    let mut fixes = Vec::new();
    let usual = usual_audience(&partition);
    let ids = case.own_client_ids();
    let fits_policy = case
        .policy
        .as_ref()
        .is_none_or(|policy| takes_audience(case, policy, usual));
    if audience != usual && fits_policy && ids.is_none_or(|ids| ids.iter().any(|id| id == usual)) {
        let mut fix = Fix::new(format!("ask for the audience `{usual}`"), Target::Workflow);
        fix.text = format!(
            "      - uses: aws-actions/configure-aws-credentials@v6\n        with:\n          audience: {usual}\n"
        );
        fixes.push(fix);
    }
    let mut fix = Fix::new(format!("register `{audience}` with the provider"), Target::Provider);
    fix.command = format!(
        "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {} --client-id {}",
        render::argument(&arn, "ARN"),
        render::argument(audience, "AUDIENCE")
    );
    fixes.push(fix);
    fixes
}

/// Would the policy's nearest statement take this audience?
fn takes_audience(case: &Case<'_>, policy: &PolicyCase, audience: &str) -> bool {
    let key = format!("{}:aud", issuer_host(&case.issuer));
    let mut request = case.request_for(&policy.policy);
    request.set(&key, Presence::One(audience.to_owned()));
    let trace = crate::policy::trace(&policy.policy, &request);
    let allows = |(index, traced): (usize, &crate::policy::StatementTrace)| {
        let Some(statement) = policy.policy.statements.get(index) else {
            return false;
        };
        let leaves = leaves(index, statement, traced);
        let mut audiences = leaves.iter().filter(|leaf| leaf.is(&key));
        statement.effect.value == Effect::Allow && audiences.all(|leaf| leaf.trace.outcome != Outcome::NoMatch)
    };
    trace.statements.iter().enumerate().any(allows)
}

/// A text that needs no quoting in HCL or in YAML.
fn is_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/@".contains(c))
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

/// The values of a condition key, as texts.
fn values(key: &ConditionKey) -> Vec<&str> {
    key.values.iter().map(|value| value.value.as_str()).collect()
}
