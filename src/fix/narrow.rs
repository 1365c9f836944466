//! The narrowest policy that still accepts this run's token: a change to a policy that lets in too much.

use serde_json::json;

use super::admit::{add_subject_condition, is_positive};
use super::edit::{Draft, apply, indentation};
use super::proof::prove;
use crate::case::{Case, PolicyCase};
use crate::finding::Fix;
use crate::github::subject::lasting::lasting;
use crate::policy::{Decision, Leaf, Statement, parse};
use crate::text::{SourceText, Span};
use crate::witness::{self, Witness};

/// The most statements changed at once.
const MOST: usize = 8;

/// Restricts each statement through which strangers get in to exactly this token's subject. Only if the policy lets the token in,
/// and if no stranger gets in afterwards.
pub(super) fn to_this_subject(case: &Case<'_>) -> Option<Fix> {
    let (policy, source) = (case.policy.as_ref()?, case.policy_source.as_ref()?);
    let subject = case.claims?.subject()?;
    if policy.trace.decision != Decision::Allow || case.asks_with_credentials() || subject.contains(['*', '?', '$']) {
        return None;
    }
    let mut draft = Draft {
        title: format!("accept exactly this job's subject `{subject}`"),
        notes: vec![
            "all other subjects lose access to this role: before you apply this, check in CloudTrail which subjects use it"
                .to_owned(),
            "also evaluated: no subject from a stranger's repository is accepted any more".to_owned(),
        ],
        ..Draft::default()
    };
    draft
        .notes
        .extend(lasting(subject).map(|lasting| lasting.holds.to_owned()));
    let mut openings = case.openings().clone();
    for _ in 0..MOST {
        let Some(stranger) = openings.witnesses.iter().find(|witness| witness.is_stranger()) else {
            break;
        };
        restrict(case, policy, source, stranger, subject, &mut draft)?;
        let changed = parse(&apply(&source.text, &draft.edits)?).ok()?;
        openings = witness::search(case.asker(), case.audiences(), &changed, &case.proving);
    }
    let is_closed = openings.undecided.is_none() && !openings.witnesses.iter().any(Witness::is_stranger);
    (is_closed && !draft.edits.is_empty()).then(|| prove(case, policy, source, draft))?
}

/// Restricts the statement through which a stranger gets in to one subject.
fn restrict(
    case: &Case<'_>,
    policy: &PolicyCase,
    source: &SourceText,
    stranger: &Witness,
    subject: &str,
    draft: &mut Draft,
) -> Option<()> {
    // No audience means no token.
    if stranger.audience.is_empty() {
        return None;
    }
    let statements = policy.policy.statements.iter().enumerate();
    let (index, statement) = statements.rev().find(|(index, _)| {
        stranger
            .location
            .pointer
            .starts_with(&policy.policy.statement_pointer(*index))
    })?;
    let name = case.asker().key("sub");
    for (c, condition) in statement.conditions.iter().enumerate().filter(|(_, c)| is_positive(c)) {
        for (k, key) in condition.keys.iter().enumerate() {
            if key.is(&name) {
                let leaf = Leaf::Key {
                    statement: index,
                    condition: c,
                    key: k,
                };
                let path = policy.policy.location(leaf)?.pointer;
                let text = json!(subject).to_string();
                draft.edit(key.span, text, json!({"op": "replace", "path": path, "value": subject}));
                return Some(());
            }
        }
    }
    if statement.condition_span.is_some() {
        return add_subject_condition(case, policy, source, index, statement, draft);
    }
    add_condition(policy, source, index, statement, (&name, subject), draft)
}

/// Adds a `Condition` to a statement that has none.
fn add_condition(
    policy: &PolicyCase,
    source: &SourceText,
    index: usize,
    statement: &Statement,
    (key, value): (&str, &str),
    draft: &mut Draft,
) -> Option<()> {
    let head = source.text.get(..statement.span.end.checked_sub(1)?)?.trim_end();
    let indent = indentation(source, statement.action.as_ref()?.key.start);
    let condition = json!({ "StringEquals": { key: value } });
    draft.edit(
        Span::new(head.len(), head.len()),
        format!(",{indent}\"Condition\": {condition}"),
        json!({
            "op": "add",
            "path": format!("{}/Condition", policy.policy.statement_pointer(index)),
            "value": condition,
        }),
    );
    Some(())
}
