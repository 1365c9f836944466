//! Changes for a call signed with AWS credentials, on either side: the caller's policies and the role's trust policy.
//! Each is evaluated with the policies of both sides before it is printed.

use serde_json::{Value, json};

use super::edit::{Draft, Values, append, append_action, apply, indentation};
use super::proof::{storable, written};
use super::render;
use crate::aws::request;
use crate::case::{CallerCase, Case, PolicyCase};
use crate::configure::Input;
use crate::finding::{Fix, Target};
use crate::policy::access::Side;
use crate::policy::{
    Condition, ConditionKey, Decision, Effect, Outcome, Policy, PrincipalKind, RequestPrincipal, Statement, decide,
    parse, parse_identity,
};
use crate::text::masked::is_masked;
use crate::text::{Location, SourceText, Span};
use crate::witness;

/// The actions of the call.
fn actions(case: &Case<'_>) -> Vec<&'static str> {
    let tag = case.is_tagged().then_some("sts:TagSession");
    std::iter::once("sts:AssumeRole").chain(tag).collect()
}

/// An additional policy for the calling role that allows the call on this one role.
pub(super) fn allow_caller(case: &Case<'_>) -> Option<Fix> {
    let caller = case.caller.as_ref()?;
    let is_missing = |access| CallerCase::blocked(access) == Some((Side::Identity, Decision::ImplicitDeny));
    if !is_missing(caller.assume) && !is_missing(caller.tag) {
        return None;
    }
    let role = case.role_named.as_ref()?;
    let target = format!(
        "arn:{}:iam::{}:role{}{}",
        role.partition,
        role.account.as_ref()?,
        role.path,
        role.name
    );
    if is_masked(&target) || target.contains(['*', '?', '$']) {
        return None;
    }
    let actions = actions(case);
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": target }],
    });
    let text = serde_json::to_string_pretty(&document).ok()?;
    let policy = parse_identity(&text).ok()?;
    let trust = case.policy.as_ref().map(|policy| &policy.policy);
    let (assume, tag) = case.signed_requests(caller, trust);
    let mut is_whole = true;
    for request in std::iter::once(&assume).chain(&tag) {
        let access = caller.access_with(&policy, request, trust);
        match access.decision {
            Decision::Allow => {}
            // The rest isn't on this side.
            Decision::Undecided => is_whole = false,
            Decision::ImplicitDeny if access.blocked().all(|(side, _)| side == Side::Trust) => is_whole = false,
            Decision::ExplicitDeny | Decision::ImplicitDeny => return None,
        }
    }
    let identity = case.at_hand()?;
    let mut fix = Fix::new(
        format!("let the caller use {} on this role", joined(&actions)),
        Target::CallerPolicy,
    );
    let (kind, asking) = match identity.user() {
        Some(user) => ("user", render::argument(user, "USER")),
        None => {
            let asking = identity.arn.split(":assumed-role/").nth(1)?.split('/').next()?;
            ("role", render::argument(asking, "ROLE"))
        }
    };
    let name = render::argument(&format!("assume-{}", role.name), "NAME");
    fix.command = format!(
        "aws iam put-{kind}-policy --{kind}-name {asking} --policy-name {name} --policy-document file://policy.json"
    );
    fix.terraform = render::terraform(&policy, &document);
    fix.text = text;
    fix.notes.push(
        if is_whole {
            "applied and evaluated with the policies of both sides: the call is allowed, and on no other role"
        } else {
            "applied and evaluated: none of the caller's policies is then in the way, and no other role is opened; what the role's trust policy says \
             still decides"
        }
        .to_owned(),
    );
    if let Some(account) = identity.arn.split(':').nth(4).filter(|account| account.len() == 12) {
        fix.notes.push(format!("it belongs in account {account}, the caller's"));
    }
    Some(fix)
}

/// A trust policy change that lets in the calling role, or the tags it sends.
pub(super) fn trust_caller(case: &Case<'_>) -> Option<Fix> {
    let (policy, source) = (case.policy.as_ref()?, case.policy_source.as_ref()?);
    let identity = case.at_hand()?;
    let asking = identity.role.as_deref().or_else(|| {
        // A user calls under its own ARN.
        identity.user().map(|_| &*identity.arn)
    })?;
    let (drafts, principal) = match (policy.trace.decision, policy.tagging) {
        (Decision::Allow, Some(Decision::ImplicitDeny)) => (vec![Draft::default()], None),
        (Decision::ImplicitDeny, _) => {
            let added = add_principal(policy, source, asking);
            let stated = add_statement(case, policy, source, asking);
            (added.into_iter().chain(stated).collect(), Some(asking))
        }
        _ => return None,
    };
    drafts
        .iter()
        .flat_map(|draft| with_tags(policy, source, draft, principal))
        .find_map(|draft| prove(case, policy, source, draft, asking))
}

/// A change, and the same with what the session tags need: `sts:TagSession` beside `sts:AssumeRole`, or else in a statement of its
/// own, if a condition on `sts:ExternalId` or `sts:RoleSessionName` keeps it out: its request carries neither key (AWS service
/// authorization reference for STS).
fn with_tags(policy: &PolicyCase, source: &SourceText, draft: &Draft, principal: Option<&str>) -> Vec<Draft> {
    let beside = || {
        let (index, statement, _) = policy.nearest()?;
        let mut beside = draft.clone();
        append_action(&mut beside, source, policy, (index, statement), "sts:TagSession")?;
        Some(beside.titled("allow `sts:TagSession` beside `sts:AssumeRole`"))
    };
    let apart = || {
        let mut apart = draft.clone();
        insert(&mut apart, policy, source, &tag_apart(policy, source, principal)?)?;
        apart.notes.push(
            "`sts:TagSession` carries neither `sts:ExternalId` nor `sts:RoleSessionName`, so a statement with a condition on one of them cannot \
             allow it; by itself it gives no session"
                .to_owned(),
        );
        Some(apart.titled("allow `sts:TagSession` in a statement of its own"))
    };
    let alone = (!draft.edits.is_empty()).then(|| draft.clone());
    [alone, beside(), apart()].into_iter().flatten().collect()
}

/// The nearest statement, for `sts:TagSession` alone: without conditions on keys that its request doesn't carry.
fn tag_apart(policy: &PolicyCase, source: &SourceText, principal: Option<&str>) -> Option<Value> {
    let (_, statement, _) = policy.nearest()?;
    let is_absent = |key: &ConditionKey| {
        ["sts:ExternalId", "sts:RoleSessionName"]
            .iter()
            .any(|name| key.is(name))
    };
    let principal = match principal {
        Some(asking) => json!({ "AWS": asking }),
        None => as_written(source, statement.principal.as_ref()?.span)?,
    };
    let mut apart = json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:TagSession" });
    let mut conditions = serde_json::Map::new();
    for Condition { name, keys, .. } in &statement.conditions {
        for key in keys.iter().filter(|key| !is_absent(key)) {
            let value = as_written(source, key.span)?;
            if let Some(keys) = conditions.entry(name).or_insert_with(|| json!({})).as_object_mut() {
                keys.insert(key.name().to_owned(), value);
            }
        }
    }
    if let Some(apart) = apart.as_object_mut().filter(|_| !conditions.is_empty()) {
        apart.insert("Condition".to_owned(), Value::Object(conditions));
    }
    Some(apart)
}

/// Adds the calling role to the principals of the statement that lacks nothing else.
fn add_principal(policy: &PolicyCase, source: &SourceText, asking: &str) -> Option<Draft> {
    let (index, statement, trace) = policy.nearest()?;
    let principal = statement.principal.as_ref().filter(|principal| !principal.negated)?;
    let entry = principal
        .entries
        .iter()
        .find(|entry| entry.kind == PrincipalKind::Aws)?;
    let fits = |outcome| outcome == Outcome::Match;
    if trace.principal.outcome != Outcome::NoMatch
        || !fits(trace.action.outcome)
        || !trace.conditions.iter().all(|condition| fits(condition.outcome))
    {
        return None;
    }
    let span = Span::new(
        entry.key.end,
        entry.values.last().map_or(entry.key.end, |value| value.span.end),
    );
    // The value itself: it begins after its name.
    let start = span.start + source.slice(span).find(['"', '['])?;
    let end = if entry.is_list {
        span.end + source.text.get(span.end..)?.find(']')? + 1
    } else {
        span.end
    };
    let mut draft = Draft::default().titled("trust the calling role");
    let pointer = format!("{}/Principal/AWS", policy.policy.statement_pointer(index));
    let trusted = Values {
        location: Location::new(Span::new(start, end), pointer),
        values: &entry.values,
        is_list: entry.is_list,
    };
    append(&mut draft, source, &trusted, asking);
    Some(draft)
}

/// Adds a statement for the calling role if no statement is about AWS credentials.
fn add_statement(case: &Case<'_>, policy: &PolicyCase, source: &SourceText, asking: &str) -> Option<Draft> {
    let is_about_credentials = |statement: &Statement| {
        let entries = statement.principal.iter().flat_map(|principal| &principal.entries);
        let mut kinds = entries.map(|entry| entry.kind);
        statement.effect.value == Effect::Allow
            && kinds.any(|kind| matches!(kind, PrincipalKind::Aws | PrincipalKind::Everyone))
    };
    // What such a statement requires (an external ID, say) may have to be required of this role too.
    if policy
        .policy
        .statements
        .iter()
        .any(|statement| is_about_credentials(statement) && !statement.conditions.is_empty())
    {
        return None;
    }
    let statement = json!({ "Effect": "Allow", "Principal": { "AWS": asking }, "Action": actions(case) });
    let mut draft = Draft::default();
    insert(&mut draft, policy, source, &statement)?;
    Some(draft.titled("trust the calling role"))
}

/// Appends a statement.
fn insert(draft: &mut Draft, policy: &PolicyCase, source: &SourceText, statement: &Value) -> Option<()> {
    let last = policy.policy.statements.last()?;
    if !policy.policy.statement_is_list {
        return None;
    }
    let before = indentation(source, last.span.start);
    let text = serde_json::to_string_pretty(statement).ok()?;
    let text = match before.strip_prefix('\n') {
        Some(indent) => text.replace('\n', &format!("\n{indent}")),
        None => statement.to_string(),
    };
    draft.edit(
        Span::new(last.span.end, last.span.end),
        format!(",{before}{text}"),
        json!({"op": "add", "path": "/Statement/-", "value": statement}),
    );
    Some(())
}

/// A value as the policy has it.
fn as_written(source: &SourceText, span: Span) -> Option<Value> {
    serde_json::from_str(source.slice(span)).ok()
}

/// Applies a draft and evaluates it on both sides: the call is allowed, and nobody else who was kept out before gets in.
fn prove(case: &Case<'_>, policy: &PolicyCase, source: &SourceText, draft: Draft, asking: &str) -> Option<Fix> {
    let text = apply(&source.text, &draft.edits)?;
    let changed = parse(&text).ok()?;
    if !storable(&text)
        || is_masked(&text)
        || !is_let_in(case, &changed)
        || !keeps_others_out(case, &policy.policy, &changed, asking)
    {
        return None;
    }
    let mut fix = Fix::new(draft.title, Target::TrustPolicy);
    fix.notes = draft.notes;
    // The other side may still block the call.
    let other_side = case.caller.as_ref().and_then(|caller| {
        let (assume, tag) = case.signed_requests(caller, Some(&changed));
        let all = std::iter::once(&assume).chain(&tag);
        let mut blocked = all.map(|request| CallerCase::blocked(Some(caller.access(request, Some(&changed)))));
        blocked.find_map(|blocked| blocked)
    });
    if let Some((side, _)) = other_side {
        fix.notes.push(format!(
            "not sufficient by itself: the caller's {} does not allow it yet",
            side.name()
        ));
    }
    fix.notes.push(
        "applied and evaluated: the policy lets these credentials in, and nobody else whom it kept out before: no other role or user of \
         their account, no other account and no token"
            .to_owned(),
    );
    written(fix, (draft.edits, draft.patch), source, text, &changed)
}

/// Whether the trust policy lets the call in, with its tags.
fn is_let_in(case: &Case<'_>, changed: &Policy) -> bool {
    let tag = case
        .is_tagged()
        .then(|| case.signed_by(request::tag_session(case.asker(), &[changed])));
    let assume = case.request_for(changed);
    std::iter::once(&assume)
        .chain(&tag)
        .all(|request| decide(changed, request) == Decision::Allow)
}

/// Whether others stay out: those who could sign such a call, with and without what conditions require; and tokens.
fn keeps_others_out(case: &Case<'_>, before: &Policy, after: &Policy, asking: &str) -> bool {
    let budget = &case.proving;
    if !witness::lets_in_no_more(case.asker(), before, after, budget) {
        return false;
    }
    let Some(account) = asking.split(':').nth(4) else {
        return false;
    };
    let name = asking.rsplit('/').next().unwrap_or_default();
    let others = [
        format!("arn:aws:sts::{account}:assumed-role/{name}-other/ci"),
        format!("arn:aws:sts::{account}:assumed-role/other/{name}"),
        format!("arn:aws:iam::{account}:user/{name}"),
        format!("arn:aws:iam::{account}:root"),
        format!("arn:aws:sts::999999999999:assumed-role/{name}/ci"),
        "arn:aws:iam::999999999999:root".to_owned(),
    ];
    let external = case.request().given(Input::RoleExternalId).map(str::to_owned);
    let asker = case.asker();
    others.iter().filter(|other| *other != asking).all(|other| {
        let make = [
            request::assume_role(asker, &[before, after]),
            request::tag_session(asker, &[before, after]),
        ];
        make.into_iter().all(|mut request| {
            request.principal = RequestPrincipal::Aws(other.clone());
            [external.clone(), None].into_iter().all(|external| {
                let presence = external.map_or(crate::policy::Presence::Absent, crate::policy::Presence::One);
                if request.action == "sts:AssumeRole" {
                    request.set("sts:ExternalId", presence);
                }
                budget.take(64)
                    && (decide(after, &request) != Decision::Allow || decide(before, &request) == Decision::Allow)
            })
        })
    })
}

/// `a` and `b`.
fn joined(actions: &[&str]) -> String {
    actions
        .iter()
        .map(|action| format!("`{action}`"))
        .collect::<Vec<_>>()
        .join(" and ")
}
