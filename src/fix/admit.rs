//! Changes to the trust policy that make it accept this token, smallest first.

use serde_json::{Value, json};

use super::apart;
use super::edit::{Draft, append_action, append_value, indentation, remove};
use super::proof::prove;
use super::workflow::{
    ask_for_audience, give_environment, is_for_a_pull_request, job_environment, keep_to_trusted, missing_environment,
};
use crate::aws::request::{CLAIM_KEYS, meant_key};
use crate::case::{Case, PolicyCase};
use crate::finding::Fix;
use crate::github::issuer::{Deployment, issuer_host};
use crate::github::subject::Subject;
use crate::github::subject::difference::Kind;
use crate::github::subject::lasting::lasting;
use crate::policy::{
    Condition, ConditionKey, ConditionLeaf, Decision, Effect, Leaf, Outcome, Presence, PrincipalKind, RequestPrincipal,
    Statement,
};
use crate::text::{SourceText, Span};

/// Returns changes that let this token in, smallest first, each sufficient on its own. Empty if the token or the policy is unknown,
/// if no change passes the proof, or if a condition keeps the token out on purpose.
pub(super) fn admit(case: &Case<'_>) -> Vec<Fix> {
    let Some((policy, source)) = subject_of_change(case) else {
        return Vec::new();
    };
    if let Some(name) = missing_environment(case, policy) {
        return give_environment(case, format!("give the job `environment: {name}`"), &name)
            .into_iter()
            .collect();
    }
    if let Some(fix) = rename_keys(case, policy).and_then(|draft| prove(case, policy, source, draft)) {
        return vec![fix];
    }
    // Changes that open nothing come first.
    let mut fixes: Vec<Fix> = keep_to_trusted(case, policy).into_iter().collect();
    for draft in drafts(case, policy, source) {
        if let Some(mut fix) = prove(case, policy, source, draft)
            && fixes.iter().all(|other| other.text != fix.text)
        {
            fix.notes
                .extend(is_for_a_pull_request(case).then(|| OPENS_TO_PULL_REQUESTS.to_owned()));
            fixes.push(fix);
        }
    }
    fixes.extend(job_environment(case, policy));
    fixes.extend(ask_for_audience(case, policy));
    fixes
}

/// What accepting the subject of pull requests opens: whoever can push a branch can change the workflow in it.
const OPENS_TO_PULL_REQUESTS: &str = "this gives the role to the code of every pull request from this repository, before anyone has \
                                      reviewed it: grant the role few permissions";

/// Explains why no policy change is offered if a condition keeps the token out on purpose.
#[must_use]
pub(crate) fn ask_first(case: &Case<'_>) -> Option<String> {
    let (policy, _) = subject_of_change(case)?;
    let is_guarded =
        policy.trace.decision == Decision::ImplicitDeny && matches!(shortfall(case, policy), Nearest::Guarded);
    is_guarded.then(|| {
        "no policy change is offered: a condition excludes such jobs, apparently on purpose; ask the role's owner before you \
         relax it"
            .to_owned()
    })
}

/// A statement that depends only on this job's subject, whatever the others depend on.
pub(super) fn exact_statement(case: &Case<'_>) -> Option<Fix> {
    let (policy, source) = subject_of_change(case)?;
    let draft = apart::add(case, policy, source, None, Extent::Exact)?;
    prove(case, policy, source, draft)
}

/// Policy changes that aren't proved yet.
fn drafts(case: &Case<'_>, policy: &PolicyCase, source: &SourceText) -> Vec<Draft> {
    if policy.trace.decision == Decision::ExplicitDeny {
        return spare(case, policy, source).into_iter().collect();
    }
    let shortfall = match shortfall(case, policy) {
        Nearest::Short(shortfall) => shortfall,
        Nearest::None => {
            return apart::add(case, policy, source, None, Extent::Exact)
                .into_iter()
                .collect();
        }
        Nearest::Guarded => return Vec::new(),
    };
    let mut drafts = Vec::new();
    for extent in [Extent::Exact, Extent::AsWritten, Extent::Lasting] {
        let here = repair(case, policy, source, &shortfall, extent);
        // What can't be fixed in place gets a statement of its own, with all other conditions.
        let apart = || apart::add(case, policy, source, Some(&shortfall), extent);
        drafts.extend(
            here.filter(|draft| prove(case, policy, source, draft.clone()).is_some())
                .or_else(apart),
        );
    }
    drafts
}

/// The starting point of a policy change.
enum Nearest<'a> {
    /// A statement that almost lets the token in.
    Short(Shortfall<'a>),
    /// No statement is meant for tokens.
    None,
    /// A condition keeps the token out on purpose, or depends on what the job sends: the policy is not the place to fix it.
    Guarded,
}

/// What keeps the nearest statement from letting the token in.
pub(super) struct Shortfall<'a> {
    /// Its index.
    pub index: usize,
    /// The statement.
    pub statement: &'a Statement,
    /// It trusts another provider.
    principal: bool,
    /// It allows another action.
    action: bool,
    /// Conditions on claims that don't accept the token's value, and that value.
    pub values: Vec<(ConditionLeaf<'a>, &'a str)>,
    /// Conditions on keys that are never in the context of a request with a token.
    pub dead: Vec<ConditionLeaf<'a>>,
}

impl Shortfall<'_> {
    /// The warning for a change to a condition on a claim other than subject and audience, which was written as a guard.
    pub(super) fn widens(&self, case: &Case<'_>) -> Option<String> {
        let plain = ["sub", "aud"].map(|claim| case.asker().key(claim));
        let guard = self
            .values
            .iter()
            .find(|(leaf, _)| !plain.iter().any(|key| leaf.is(key)))?;
        Some(format!(
            "the condition on `{}` is a safeguard: ask the role's owner before you relax it",
            guard.0.name()
        ))
    }

    /// The parts of the policy that keep the token out.
    pub(super) fn mends(&self) -> Vec<Leaf> {
        let statement = self.index;
        let keys = self.values.iter().map(|(leaf, _)| leaf.leaf);
        let principal = self.principal.then_some(Leaf::Principal { statement });
        let action = self.action.then_some(Leaf::Action { statement });
        keys.chain(self.dead.iter().map(|leaf| leaf.leaf))
            .chain(principal)
            .chain(action)
            .collect()
    }
}

fn shortfall<'a>(case: &Case<'_>, policy: &'a PolicyCase) -> Nearest<'a> {
    let Some((index, statement, trace)) = policy.nearest() else {
        return Nearest::None;
    };
    let is_for_tokens = statement.principal.as_ref().is_some_and(|principal| {
        !principal.negated
            && principal
                .entries
                .iter()
                .any(|entry| matches!(entry.kind, PrincipalKind::Federated | PrincipalKind::Everyone))
    });
    if !is_for_tokens {
        return Nearest::None;
    }
    let mut shortfall = Shortfall {
        index,
        statement,
        principal: trace.principal.outcome == Outcome::NoMatch,
        action: trace.action.outcome == Outcome::NoMatch,
        values: Vec::new(),
        dead: Vec::new(),
    };
    let prefix = format!("{}:", issuer_host(&case.issuer)).to_lowercase();
    for leaf in policy.failing() {
        let key = leaf.name().to_lowercase();
        let claim = key
            .strip_prefix(&prefix)
            .filter(|claim| ["sub", "aud"].contains(claim) || CLAIM_KEYS.contains(claim));
        // Absent keys of another provider belong to its statement; its principal is what fails.
        match (&leaf.trace.actual, claim) {
            (Presence::One(value), Some(_)) if is_positive(leaf.condition) => shortfall.values.push((leaf, value)),
            // Names something no token of this issuer carries.
            (Presence::Absent, None) if is_positive(leaf.condition) => shortfall.dead.push(leaf),
            _ => return Nearest::Guarded,
        }
    }
    Nearest::Short(shortfall)
}

fn subject_of_change<'a>(case: &'a Case<'_>) -> Option<(&'a PolicyCase, &'a SourceText)> {
    // A token that isn't GitHub's should be replaced, not let in.
    if case.is_allowed() || case.asks_with_credentials() || Deployment::of(&case.issuer) == Deployment::Other {
        return None;
    }
    case.claims?.subject()?;
    Some((case.policy.as_ref()?, case.policy_source.as_ref()?))
}

/// How much a fixed condition lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Only this token's value.
    Exact,
    /// As much as the value intended for it.
    AsWritten,
    /// The values of later runs of the same job, too.
    Lasting,
}

/// Renames the condition keys of the nearest statement to the request's names, if nothing else fails.
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
        if leaf.condition.keys.iter().any(|key| key.is(&meant)) {
            return None;
        }
        is_confined |=
            meant.eq_ignore_ascii_case(&subject) && is_positive(leaf.condition) && names_own_repository(case, leaf.key);
        let from = leaf.location().pointer;
        let object = from.rsplit_once('/').map(|(object, _)| object)?;
        let path = format!("{object}/{}", meant.replace('~', "~0").replace('/', "~1"));
        // A policy can't have the same key twice in one object.
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
        done.push(format!("rename the key `{}` to `{meant}`", leaf.name()));
    }
    draft.title = done.join(", and ");
    (is_confined && !done.is_empty()).then_some(draft)
}

/// Repairs what fails in place.
fn repair(
    case: &Case<'_>,
    policy: &PolicyCase,
    source: &SourceText,
    shortfall: &Shortfall<'_>,
    extent: Extent,
) -> Option<Draft> {
    let Shortfall { index, statement, .. } = *shortfall;
    let name = |claim: &str| case.asker().key(claim);
    // Values added to two conditions combine with the existing ones, which allows more than was asked for.
    let is_one = shortfall.values.len() <= 1;
    if !is_one || extent != Extent::Exact && shortfall.values.is_empty() {
        return None;
    }
    let mut draft = Draft {
        mends: shortfall.mends(),
        ..Draft::default()
    };
    let mut done: Vec<String> = Vec::new();
    if shortfall.principal {
        done.push(repair_principal(policy, index, statement, &mut draft)?);
    }
    if shortfall.action {
        let wanted = "sts:AssumeRoleWithWebIdentity";
        append_action(&mut draft, source, policy, (index, statement), wanted)?;
        done.push(format!("allow `{wanted}`"));
    }
    for leaf in &shortfall.dead {
        // Even misnamed, it is a guard.
        if meant_key(leaf.name(), &case.issuer).is_some() {
            return None;
        }
        remove(&mut draft, source, policy, statement, leaf)?;
        done.push(format!("remove the condition on `{}`", leaf.name()));
    }
    for (leaf, value) in &shortfall.values {
        if leaf.is(&name("sub")) {
            done.push(repair_subject(case, policy, source, leaf, value, extent, &mut draft)?);
        } else {
            let value = widened(&mut draft, leaf, value, extent)?;
            append_value(&mut draft, source, leaf, &value);
            done.push(format!("allow `{value}` for `{}`", leaf.name()));
        }
    }
    draft.notes.extend(shortfall.widens(case));
    // If something other than the subject kept the token out, all subjects of the statement may be new.
    let is_about_subject = |(leaf, _): &(ConditionLeaf<'_>, &str)| leaf.is(&name("sub")) || leaf.is(&name("aud"));
    let was_dead = shortfall.principal || shortfall.action || !shortfall.dead.is_empty();
    if (was_dead || !shortfall.values.iter().all(is_about_subject)) && !confined(case, statement, &name("sub")) {
        return None;
    }
    if !restricts_subject(statement, &name("sub")) {
        // IAM stores a policy for GitHub only with a condition on `sub`, so a change must bring one.
        add_subject_condition(case, policy, source, index, statement, &mut draft)?;
        done.push("restrict the subject to this one".to_owned());
        draft.notes.push(
            "since June 2025 IAM has accepted a policy for GitHub's provider only with a condition on `sub`, so this change adds one: other \
             repositories that the policy accepted lose access"
                .to_owned(),
        );
    }
    draft.title = done.join(", and ");
    (!done.is_empty()).then_some(draft)
}

/// Returns the value to add for the token's; remarks about it go to the draft's notes.
pub(super) fn widened(draft: &mut Draft, leaf: &ConditionLeaf<'_>, value: &str, extent: Extent) -> Option<String> {
    let takes_wildcards = leaf.comparison().takes_wildcards();
    let lasting = lasting(value);
    match extent {
        // Can't be written as a plain value here.
        Extent::Exact if takes_wildcards && value.contains(['*', '?', '$']) => None,
        Extent::Exact => {
            draft.notes.extend(lasting.map(|lasting| lasting.holds.to_owned()));
            Some(value.to_owned())
        }
        Extent::AsWritten => None,
        Extent::Lasting => {
            let lasting = lasting.filter(|_| takes_wildcards)?;
            draft.notes.push(format!("it accepts {}", lasting.opens));
            Some(lasting.pattern)
        }
    }
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

/// Repairs the `sub` condition; returns a description of the change.
fn repair_subject(
    case: &Case<'_>,
    policy: &PolicyCase,
    source: &SourceText,
    leaf: &ConditionLeaf<'_>,
    subject: &str,
    extent: Extent,
    draft: &mut Draft,
) -> Option<String> {
    let difference = policy
        .subject
        .as_ref()
        .filter(|difference| difference.leaf == leaf.leaf)?;
    let is_typo =
        extent == Extent::AsWritten && difference.kind == Kind::Repository && is_nearly(&difference.pattern, subject);
    let value = match extent {
        Extent::Exact | Extent::Lasting => widened(draft, leaf, subject, extent)?,
        Extent::AsWritten if is_typo => subject.to_owned(),
        Extent::AsWritten => {
            let value = match &difference.kind {
                Kind::WildcardLiteral => return to_like(case, policy, leaf, draft),
                Kind::Case => {
                    // The value as written, with the token's letter case in the part that names the repository.
                    let token = Subject::parse(subject)?;
                    let written = Subject::parse(&difference.pattern)?;
                    format!("repo:{}:{}", token.repository_part(), written.context?)
                }
                Kind::Immutable => difference.meant.clone()?,
                _ => return None,
            };
            let takes_wildcards = leaf.comparison().takes_wildcards();
            if value == subject || !takes_wildcards && value.contains(['*', '?']) {
                return None;
            }
            own_repository(case, &value)?;
            value
        }
    };
    let written = leaf.key.values.get(difference.value)?;
    let can_never_match =
        matches!(difference.kind, Kind::Malformed(_)) && !difference.pattern.contains(['*', '?', '$']);
    if can_never_match || is_typo {
        let path = &difference.location.pointer;
        draft.edit(
            written.span,
            json!(value).to_string(),
            json!({"op": "replace", "path": path, "value": value}),
        );
        return Some(match is_typo {
            true => format!("use `{value}` in place of `{}`, if that is a typo", difference.pattern),
            false => format!("use `{value}` in place of the value that can never match"),
        });
    }
    append_value(draft, source, leaf, &value);
    Some(match extent {
        Extent::Exact => format!("add exactly this job's subject `{value}`"),
        Extent::AsWritten => format!("add `{value}`, as broad as the existing value"),
        Extent::Lasting => format!("add `{value}`, which later runs match too"),
    })
}

/// Whether the repository's name differs by a single typo. Digits distinguish repositories on purpose.
fn is_nearly(pattern: &str, subject: &str) -> bool {
    let (Some(written), Some(has)) = (Subject::parse(pattern), Subject::parse(subject)) else {
        return false;
    };
    let (written, has) = (written.repository_part(), has.repository_part());
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    !written.contains(['*', '?', '$']) && digits(written) == digits(has) && strsim::osa_distance(written, has) == 1
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
    // The other keys under the operator move too, so none of their values may contain a wildcard.
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
    Some(format!("use `{like}`, so that the wildcard works as one"))
}

/// A value that names this token's repository in full, before any wildcard.
fn own_repository(case: &Case<'_>, value: &str) -> Option<()> {
    let subject = case.claims?.subject()?;
    let token = Subject::parse(subject)?;
    token.context?;
    let prefix = format!("repo:{}:", token.repository_part());
    (value.starts_with(&prefix) && !prefix.contains(['*', '?', '$'])).then_some(())
}

/// Whether the statement has a positive condition on `sub`.
fn restricts_subject(statement: &Statement, key_name: &str) -> bool {
    statement
        .conditions
        .iter()
        .any(|condition| is_positive(condition) && condition.keys.iter().any(|key| key.is(key_name)))
}

/// Whether the statement's condition on `sub` lets in only subjects of this token's repository.
fn confined(case: &Case<'_>, statement: &Statement, key_name: &str) -> bool {
    statement.conditions.iter().any(|condition| {
        is_positive(condition)
            && !condition.operator.value.if_exists
            && condition
                .keys
                .iter()
                .any(|key| key.is(key_name) && names_own_repository(case, key))
    })
}

pub(super) fn is_positive(condition: &Condition) -> bool {
    let comparison = condition.comparison();
    comparison.is_string() && !comparison.is_negated()
}

/// Whether all values name this token's repository in full.
fn names_own_repository(case: &Case<'_>, key: &ConditionKey) -> bool {
    let mut values = key.values.iter();
    !key.values.is_empty() && values.all(|value| own_repository(case, &value.value).is_some())
}

/// Adds `StringEquals … sub` to a statement that has none.
pub(super) fn add_subject_condition(
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

/// Exempts this token from the matching Deny statements, if they have exceptions that can be extended.
fn spare(case: &Case<'_>, policy: &PolicyCase, source: &SourceText) -> Option<Draft> {
    let mut draft = Draft::default();
    for (index, statement, trace) in policy.statements() {
        if statement.effect.value != Effect::Deny || trace.outcome != Outcome::Match {
            continue;
        }
        let all = policy.leaves(index);
        let name = format!("{}:sub", issuer_host(&case.issuer));
        let leaf = all.iter().find(|leaf| {
            let comparison = leaf.comparison();
            comparison.is_negated() && comparison.is_string() && leaf.is(&name)
        })?;
        let Presence::One(subject) = &leaf.trace.actual else {
            return None;
        };
        append_value(&mut draft, source, leaf, subject);
        draft.title = format!("except exactly this job's subject `{subject}` from the Deny statement");
    }
    (!draft.edits.is_empty()).then_some(draft)
}
