//! A separate statement for this token, beside the existing ones.

use serde_json::{Map, Value, json};

use super::admit::{Extent, Shortfall, is_positive};
use super::edit::{Draft, indentation};
use crate::aws::request::meant_key;
use crate::case::{Case, PolicyCase};
use crate::github::subject::lasting::lasting;
use crate::policy::{Leaf, RequestPrincipal, wildcard};
use crate::text::{SourceText, Span};

/// Adds a statement for exactly this token's subject, with all conditions of the statement that almost lets it in; those that keep
/// it out get the token's values.
pub(super) fn add(
    case: &Case<'_>,
    policy: &PolicyCase,
    source: &SourceText,
    shortfall: Option<&Shortfall<'_>>,
    extent: Extent,
) -> Option<Draft> {
    let RequestPrincipal::Federated(provider) = &policy.request.principal else {
        return None;
    };
    let mut draft = Draft {
        mends: shortfall.map(Shortfall::mends).unwrap_or_default(),
        ..Draft::default()
    };
    let (subject, audience) = (case.claims?.subject()?, case.claims?.audience()?);
    let name = |claim: &str| case.asker().key(claim);
    let mut wanted = vec![(name("sub"), subject)];
    wanted.extend(
        shortfall
            .iter()
            .flat_map(|shortfall| &shortfall.values)
            .filter(|(leaf, _)| !leaf.is(&name("sub")))
            .map(|(leaf, value)| (leaf.name().to_owned(), *value)),
    );
    let mut conditions = shortfall.map_or_else(Map::new, |shortfall| kept(case, source, shortfall));
    let has_audience =
        has_key(&conditions, &name("aud")) || wanted.iter().any(|(key, _)| key.eq_ignore_ascii_case(&name("aud")));
    if !has_audience {
        wanted.insert(0, (name("aud"), audience));
    }
    let mut named: Vec<String> = Vec::new();
    let mut lasts = false;
    for (key, value) in wanted {
        let (operator, value) = match (extent, lasting(value)) {
            (Extent::AsWritten, _) => return None,
            (Extent::Lasting, Some(lasting)) => {
                draft.notes.push(format!("it accepts {}", lasting.opens));
                lasts = true;
                ("StringLike", lasting.pattern)
            }
            (Extent::Exact, Some(lasting)) => {
                draft.notes.push(lasting.holds.to_owned());
                ("StringEquals", value.to_owned())
            }
            (_, None) => ("StringEquals", value.to_owned()),
        };
        if !key.eq_ignore_ascii_case(&name("aud")) {
            named.push(format!("`{value}`"));
        }
        let keys = conditions
            .entry(operator)
            .or_insert_with(|| json!({}))
            .as_object_mut()?;
        keys.insert(key, Value::String(value));
    }
    if extent == Extent::Lasting && !lasts {
        return None;
    }
    let named = named.join(" with ");
    draft.title = match extent {
        Extent::Lasting => format!("add a statement for {named}, which later runs match too"),
        _ => format!("add a statement for exactly this job's subject {named}"),
    };
    draft
        .notes
        .extend(shortfall.and_then(|shortfall| shortfall.widens(case)));
    let statement = json!({
        "Effect": "Allow",
        "Principal": { "Federated": provider },
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": conditions,
    });
    append_statement(policy, source, statement, &mut draft)?;
    Some(draft)
}
/// The conditions of a statement except those that keep this token out and those on the subject that its own will imply. Misnamed
/// keys get their intended names.
fn kept(case: &Case<'_>, source: &SourceText, shortfall: &Shortfall<'_>) -> Map<String, Value> {
    let mut kept = Map::new();
    let subject = case.asker().key("sub");
    for (c, condition) in shortfall.statement.conditions.iter().enumerate() {
        let mut keys = Map::new();
        for (k, key) in condition.keys.iter().enumerate() {
            let leaf = Leaf::Key {
                statement: shortfall.index,
                condition: c,
                key: k,
            };
            let written = key.name();
            let is_dead = shortfall.dead.iter().any(|dead| dead.leaf == leaf);
            let passes = |meant: &String| {
                let claim = meant.rsplit(':').next().and_then(|claim| case.claims?.text(claim));
                claim.is_some_and(|claim| key.values.iter().any(|value| wildcard::matches(&value.value, claim)))
            };
            let meant = meant_key(written, &case.issuer).filter(|meant| is_dead && passes(meant));
            let name = meant.as_deref().unwrap_or(written);
            let is_replaced = shortfall.values.iter().any(|(mended, _)| mended.leaf == leaf)
                || is_dead && meant.is_none()
                || name.eq_ignore_ascii_case(&subject) && is_positive(condition);
            if let (false, Ok(value)) = (is_replaced, serde_json::from_str(source.slice(key.span))) {
                keys.insert(name.to_owned(), value);
            }
        }
        if !keys.is_empty() {
            kept.insert(condition.name.clone(), Value::Object(keys));
        }
    }
    kept
}

/// Whether there is a condition on this key.
fn has_key(conditions: &Map<String, Value>, name: &str) -> bool {
    let keys = conditions.values().filter_map(Value::as_object).flat_map(Map::keys);
    keys.into_iter().any(|key| key.eq_ignore_ascii_case(name))
}

/// Adds a statement below the last one, in the layout of the policy.
fn append_statement(policy: &PolicyCase, source: &SourceText, statement: Value, draft: &mut Draft) -> Option<()> {
    let pretty = serde_json::to_string_pretty(&statement).ok()?;
    let at = policy.policy.statements.last().map(|last| last.span)?;
    if policy.policy.statement_is_list {
        let indent = indentation(source, at.start);
        let line = if indent.starts_with('\n') {
            indent.as_str()
        } else {
            "\n"
        };
        let laid_out = pretty.replace('\n', line);
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
    Some(())
}
