//! Changes of the trust policy that let this token in, proposed and proved.

use super::edit::{Draft, append, apply, diff, indentation, remove};
use super::render;
use super::workflow::{give_environment, job_environment, missing_environment};
use crate::aws::request::{self, Asker, CLAIM_KEYS, meant_key};
use crate::budget::Budget;
use crate::case::{Case, PolicyCase};
use crate::finding::{Fix, Target};
use crate::github::issuer::issuer_host;
use crate::github::subject::Subject;
use crate::github::subject::difference::Kind;
use crate::policy::{
    Condition, ConditionKey, ConditionLeaf, Decision, Effect, Leaf, Outcome, Presence, PrincipalKind, RequestPrincipal,
    Statement, TrustPolicy, decide, leaves, parse,
};
use crate::text::{SourceText, Span};
use crate::witness;
use serde_json::{Value, json};

/// The most characters, white space apart, that a role's trust policy can have after its quota is raised; 2048 before.
/// (IAM User Guide, `reference_iam-quotas`.)
const LARGEST: usize = 8192;

const USUAL: usize = 2048;

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

pub(super) fn is_positive(condition: &Condition) -> bool {
    let comparison = condition.operator.value.comparison;
    comparison.is_string() && !comparison.is_negated()
}

/// Do all values name this token's repository in full?
fn names_own_repository(case: &Case<'_>, key: &ConditionKey) -> bool {
    let mut values = key.values.iter();
    !key.values.is_empty() && values.all(|value| own_repository(case, &value.value).is_some())
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
