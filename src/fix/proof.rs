//! Only a change that was applied and evaluated becomes a fix.

use serde_json::Value;

use super::admit::is_positive;
use super::edit::{Draft, apply, diff};
use super::render;
use crate::aws::answer::Answer;
use crate::aws::request::{self, Asker};
use crate::budget::{Budget, steps};
use crate::case::{Case, PolicyCase};
use crate::finding::{Edit, Fix, Target};
use crate::github::issuer::{GITHUB_ISSUER, issuer_host};
use crate::github::subject::Subject;
use crate::policy::{Decision, Effect, Leaf, Outcome, Presence, RequestContext, Statement, TrustPolicy, decide, parse};
use crate::text::SourceText;
use crate::text::masked::is_masked;
use crate::witness;

/// The most characters, not counting white space, that a role's trust policy can have once its quota is raised; 2048 by default.
/// (IAM User Guide, `reference_iam-quotas`.)
const LARGEST: usize = 8192;
const USUAL: usize = 2048;

/// Whether a policy change lets the caller in with the token, but no subject of another repository that was kept out before. False
/// if the budget is too small to tell.
#[must_use]
pub fn is_proven(asker: Asker<'_>, before: &TrustPolicy, after: &TrustPolicy, budget: &Budget) -> bool {
    decide(after, &request::web_identity(asker, after)) == Decision::Allow
        && witness::lets_in_no_more(asker, before, after, budget)
}

fn size(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
}

/// Whether the policy fits the largest quota.
pub(super) fn storable(text: &str) -> bool {
    size(text) <= LARGEST
}

/// Applies a draft and evaluates it.
pub(super) fn prove(case: &Case<'_>, policy: &PolicyCase, source: &SourceText, draft: Draft) -> Option<Fix> {
    let text = apply(&source.text, &draft.edits)?;
    let changed: TrustPolicy = parse(&text).ok()?;
    let size = size(&text);
    let budget = &case.proving;
    // A masked policy can't be stored.
    let proven = size <= LARGEST
        && !is_masked(&text)
        && is_proven(case.asker(), &policy.policy, &changed, budget)
        && keeps_guards(case, &policy.policy, &changed, &draft.mends, budget);
    if !proven {
        return None;
    }
    let mut fix = Fix::new(draft.title, Target::TrustPolicy);
    fix.notes = draft.notes;
    if size > USUAL {
        fix.notes.push(format!("the policy would have {size} characters; IAM accepts {USUAL} unless the account's quota is raised (to at most {LARGEST})"));
    }
    fix.notes.extend(not_enough_alone(case));
    fix.notes.extend(not_storable(case, &changed));
    let subject = case.claims.and_then(|claims| claims.subject()).and_then(Subject::parse);
    fix.proof = Some(
        if subject.is_some_and(|subject| subject.repository.is_some()) {
            "applied and evaluated: the policy accepts this token, and no subject of another repository that it refused before"
        } else {
            "applied and evaluated: the policy accepts this token; its subject does not name the repository, so every job with the same \
             subject is accepted too"
        }
        .to_owned(),
    );
    written(fix, (draft.edits, draft.patch), source, text, &changed)
}

/// The change in all printed forms.
pub(super) fn written(
    mut fix: Fix,
    (edits, patch): (Vec<Edit>, Vec<Value>),
    source: &SourceText,
    text: String,
    changed: &TrustPolicy,
) -> Option<Fix> {
    fix.edits = edits;
    fix.patch = patch;
    fix.diff = diff(&source.text, &text, "trust-policy.json");
    let document = serde_json::from_str(&text).ok()?;
    fix.terraform = render::terraform(changed, &document);
    fix.cloudformation = render::cloudformation(&document);
    fix.text = text;
    Some(fix)
}

/// Whether everyone kept out by a condition other than those the change addresses stays out. Jobs of the token's own repository
/// are tried too: each claim changed, alone and together with the subject.
fn keeps_guards(case: &Case<'_>, before: &TrustPolicy, after: &TrustPolicy, mends: &[Leaf], budget: &Budget) -> bool {
    if mends.is_empty() {
        return true;
    }
    // Anyone the other conditions let in is allowed in.
    let relaxed = relaxed(before, admitting(case, after), mends);
    let subject = case.asker().key("sub");
    let size = steps(case.policy_source.as_ref().map_or(0, |source| source.text.len()));
    let is_kept_out = |request: &RequestContext| {
        budget.take(3 * size)
            && (decide(after, request) != Decision::Allow
                || decide(before, request) == Decision::Allow
                || decide(&relaxed, request) == Decision::Allow)
    };
    let own = case.request_for(after);
    let mut subjects = vec![own.get(&subject).clone()];
    subjects.extend(own_subjects(case).into_iter().map(Presence::One));
    subjects.extend(variants(&[&relaxed, after], &subject));
    let mut request = own;
    subjects.into_iter().all(|changed| {
        request.set(&subject, changed);
        is_kept_out(&request)
            && keys(&relaxed)
                .filter(|key| !key.eq_ignore_ascii_case(&subject))
                .all(|key| {
                    let own = request.get(key).clone();
                    let kept_out = variants(&[&relaxed], key).into_iter().all(|value| {
                        request.set(key, value);
                        is_kept_out(&request)
                    });
                    request.set(key, own);
                    kept_out
                })
    })
}

/// The policy without the conditions that a change addresses. If it addresses a principal or an action, the statement gets that of
/// the one that now admits the token; a Deny statement that it addresses is dropped.
fn relaxed(policy: &TrustPolicy, admitting: Option<&Statement>, mends: &[Leaf]) -> TrustPolicy {
    let mut policy = policy.clone();
    let mut index = 0;
    policy.statements.retain_mut(|statement| {
        let here = index;
        index += 1;
        if mends.contains(&Leaf::Principal { statement: here }) {
            statement.principal = admitting.and_then(|statement| statement.principal.clone());
        }
        if mends.contains(&Leaf::Action { statement: here }) {
            statement.action = admitting.and_then(|statement| statement.action.clone());
        }
        let mut is_about = false;
        for (c, condition) in statement.conditions.iter_mut().enumerate() {
            let mut k = 0;
            condition.keys.retain(|_| {
                let leaf = Leaf::Key {
                    statement: here,
                    condition: c,
                    key: k,
                };
                k += 1;
                is_about |= mends.contains(&leaf);
                !mends.contains(&leaf)
            });
        }
        statement.conditions.retain(|condition| !condition.keys.is_empty());
        !(is_about && statement.effect.value == Effect::Deny)
    });
    policy
}

/// The condition keys of a policy.
fn keys(policy: &TrustPolicy) -> impl Iterator<Item = &str> {
    let conditions = policy.statements.iter().flat_map(|statement| &statement.conditions);
    conditions.flat_map(|condition| &condition.keys).map(|key| key.name())
}

/// Possible values of a key in a request: absent, those the policies name, and another.
fn variants(policies: &[&TrustPolicy], key: &str) -> Vec<Presence> {
    const MOST: usize = 16;
    let conditions = policies.iter().flat_map(|policy| &policy.statements);
    let keys = conditions
        .flat_map(|statement| &statement.conditions)
        .flat_map(|condition| &condition.keys);
    let values = keys
        .filter(|found| found.key.value.eq_ignore_ascii_case(key))
        .flat_map(|found| &found.values)
        .take(MOST)
        .map(|value| Presence::One(value.value.replace(['*', '?'], "x")));
    let others = [Presence::Absent, Presence::One("another".to_owned())];
    others.into_iter().chain(values).collect()
}

/// Subjects of other jobs of the token's repository.
fn own_subjects(case: &Case<'_>) -> Vec<String> {
    let subject = case.claims.and_then(|claims| claims.subject()).and_then(Subject::parse);
    let contexts = [
        "pull_request",
        "ref:refs/heads/main",
        "ref:refs/heads/another",
        "ref:refs/tags/v0",
        "environment:another",
        "environment:production",
    ];
    subject.map_or_else(Vec::new, |subject| {
        let names = subject.repository_part();
        contexts
            .iter()
            .map(|context| format!("repo:{names}:{context}"))
            .collect()
    })
}

/// A note if another stage of the handshake is known to fail as well.
fn not_enough_alone(case: &Case<'_>) -> Option<String> {
    let passed = case.answer.as_ref().is_some_and(Answer::passed_provider);
    let missing = case.lacks_provider();
    let audience = case.claims.and_then(|claims| claims.audience());
    match (case.own_client_ids(), audience) {
        _ if passed => None,
        _ if missing => {
            Some("not sufficient by itself: the account has no OIDC provider for the token's issuer yet".to_owned())
        }
        (Some(ids), Some(audience)) if !ids.iter().any(|id| id == audience) => Some(format!(
            "not sufficient by itself: the token's audience `{audience}` is not among the provider's client IDs"
        )),
        _ => None,
    }
}

/// A statement for which IAM rejects the whole policy: "must evaluate … `sub` or … `job_workflow_ref` which is not scoped to all"
/// (the message of `update-assume-role-policy` for GitHub's own issuer, since June 2025).
fn not_storable(case: &Case<'_>, policy: &TrustPolicy) -> Option<String> {
    if issuer_host(&case.issuer) != GITHUB_ISSUER {
        return None;
    }
    let keys = [case.asker().key("sub"), case.asker().key("job_workflow_ref")];
    let index = policy.statements.iter().position(|statement| {
        let mut restricting = statement.conditions.iter().filter(|condition| is_positive(condition));
        let principals = statement.principal.iter().flat_map(|principal| &principal.entries);
        let mut trusted = principals.flat_map(|entry| &entry.values);
        statement.effect.value == Effect::Allow
            && trusted.any(|value| value.value.ends_with(&format!("oidc-provider/{GITHUB_ISSUER}")))
            && !restricting.any(|condition| {
                condition.keys.iter().any(|key| {
                    keys.iter().any(|name| key.is(name))
                        && key
                            .values
                            .iter()
                            .all(|value| !value.value.trim_matches(['*', '?']).is_empty())
                })
            })
    })?;
    Some(format!(
        "since June 2025 IAM has accepted a policy for GitHub's provider only with a condition on `sub` or `job_workflow_ref`: statement {} has \
         none, so IAM refuses this change until one is added",
        index + 1
    ))
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
