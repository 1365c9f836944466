//! `caller-not-allowed`: a policy on the caller's side does not allow it to assume the role.

use super::check::{Check, When};
use crate::aws::answer::{Answer, PolicyKind, Refusal};
use crate::case::{CallerCase, Case};
use crate::configure::Input;
use crate::evidence::Identity;
use crate::finding::{Document, Fact, Finding, Label, Remedy, Rule, Stage};
use crate::policy::access::{Access, Side};
use crate::policy::{Decision, Effect, Outcome, Statement, StatementTrace};
use crate::text::{Location, Span};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "caller-not-allowed",
        cause: None,
        stage: Stage::Session,
        title: "a policy on the caller's side does not allow it to assume the role",
    },
    when: When::NotAllowed,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let refusal = refusal(case);
    let by_policies = by_policies(case);
    if refusal.is_none() && by_policies.is_none() {
        return None;
    }
    let text = |said: fn(&Refusal) -> &String, known: Option<&str>| match refusal {
        Some(refusal) if !said(refusal).is_empty() => said(refusal).clone(),
        _ => known.unwrap_or("the caller").to_owned(),
    };
    let user = text(|refusal| &refusal.user, case.at_hand().map(|identity| &*identity.arn));
    let role = text(|refusal| &refusal.resource, case.request().given(Input::RoleToAssume));
    let named = refusal
        .and_then(|refusal| refusal.policy)
        .filter(|kind| is_callers(*kind));
    let what = format!("`{user}` isn't allowed to call `sts:AssumeRole` on `{role}`");
    let mut finding = Finding::blocks(match (named, by_policies) {
        (Some(kind), _) => format!("{what}: AWS says that its {} does not allow it", kind.name()),
        (None, Some((side, Decision::ExplicitDeny))) => format!("{what}: a {} of its own denies it", side.name()),
        (None, Some((Side::Identity, _))) => format!("{what}: none of its identity-based policies allows it"),
        (None, Some((side, _))) => format!("{what}: its {} does not allow it", side.name()),
        (None, None) => format!("{what}, although the role's trust policy lets it in"),
    });
    if named.is_some() {
        finding = finding.rests_on(case, &[Fact::Answer]);
    } else if let Some((side, decision)) = by_policies {
        finding = finding.rests_on(case, rests_on(case, side, decision));
    }
    if let Some((side, _)) = by_policies {
        let access = case.caller.as_ref().and_then(|caller| caller.assume);
        finding = finding.label(label(case, access)).notes(read(case, side));
        if side == Side::Identity {
            finding = finding.remedy(Remedy::AllowCaller);
        }
    }
    let assume = case.caller.as_ref().and_then(|caller| caller.assume);
    if named.is_none() && by_policies.is_none() && assume.is_some_and(|access| access.is_allowed_by_identity()) {
        finding = finding.note(
            "evaluated: the identity-based policies that are known allow it, so what is left is a permissions boundary, a session policy or a \
             policy of the organization",
        );
    }
    finding = finding
        .note("the trust policy cannot help here: across accounts both sides must agree")
        .notes(
            refusal
                .and_then(|refusal| refusal.because.as_ref())
                .map(|because| format!("AWS says why: {because}")),
        );
    finding = finding.notes(super::check::source_account(case));
    let asking = match case.at_hand().and_then(Identity::user) {
        Some(_) => "user",
        None => "role",
    };
    let kind = named.or(by_policies.map(|(side, _)| kind(side)));
    Some(match kind {
        Some(PolicyKind::ServiceControl) => {
            finding.help("ask whoever manages the organization's service control policies: one that applies to the caller's account denies the call, or none allows it")
        }
        Some(PolicyKind::PermissionsBoundary) => {
            finding.help(format!("let the permissions boundary of the calling {asking} allow `sts:AssumeRole` and `sts:TagSession` on the role"))
        }
        Some(PolicyKind::Session) => {
            finding.help("the step before narrows its session (`inline-session-policy`, `managed-session-policies`): allow `sts:AssumeRole` and `sts:TagSession` on the role there")
        }
        _ => finding.help(format!(
            "give the calling {asking} a policy that allows `sts:AssumeRole` and `sts:TagSession` on the ARN of the next role"
        )),
    })
}

/// Whether it is the caller's side that denies.
pub(super) fn applies(case: &Case<'_>) -> bool {
    let is_trusted = || !matches!(case.decision(), Some(Decision::ExplicitDeny | Decision::ImplicitDeny));
    refusal(case).is_some() || by_policies(case).is_some() && is_trusted()
}

fn refusal<'a>(case: &'a Case<'_>) -> Option<&'a Refusal> {
    let Some(Answer::AssumeRoleDenied(refusal)) = &case.answer else {
        return None;
    };
    if refusal.action != "sts:AssumeRole" || case.asked_by_stranger() || super::external_id_mismatch::applies(case) {
        return None;
    }
    let by_rest = refusal.policy.is_none() && case.decision() == Some(Decision::Allow);
    (refusal.policy.is_some_and(is_callers) || by_rest).then_some(refusal)
}

/// Returns the decision of the caller's policies, unless AWS says otherwise.
fn by_policies(case: &Case<'_>) -> Option<(Side, Decision)> {
    let (side, decision) = CallerCase::blocked(case.caller.as_ref()?.assume)?;
    let fits = match &case.answer {
        None => true,
        Some(Answer::AssumeRoleDenied(refusal)) => {
            refusal.action == "sts:AssumeRole" && refusal.policy.is_none_or(|named| named == kind(side))
        }
        Some(_) => false,
    };
    (fits && !case.asked_by_stranger()).then_some((side, decision))
}

/// Returns the facts that prove it: within one account the trust policy can be enough, and what one policy denies no other can allow.
pub(super) fn rests_on(case: &Case<'_>, side: Side, decision: Decision) -> &'static [Fact] {
    let account = case.at_hand().map(|identity| identity.account.as_str());
    let is_own = case.role_named.as_ref().and_then(|role| role.account.as_deref()) == account;
    match (side, decision) {
        (Side::Identity, _) if is_own && decision == Decision::ImplicitDeny => {
            &[Fact::RoleArn, Fact::CallerPolicies, Fact::Policy]
        }
        (Side::Identity, _) => &[Fact::RoleArn, Fact::CallerPolicies],
        // Which policies a session was given is known from the inputs of the preceding step, not from AWS.
        _ => &[],
    }
}

/// Whether the policy is the caller's or its account's. (IAM User Guide, `troubleshoot_access-denied`.)
fn is_callers(kind: PolicyKind) -> bool {
    use PolicyKind as K;
    matches!(
        kind,
        K::IdentityBased | K::PermissionsBoundary | K::ServiceControl | K::Session
    )
}

fn kind(side: Side) -> PolicyKind {
    match side {
        Side::Boundary => PolicyKind::PermissionsBoundary,
        Side::Identity => PolicyKind::IdentityBased,
        Side::Session => PolicyKind::Session,
        Side::Trust => PolicyKind::RoleTrust,
    }
}

/// Says what was read of this side.
fn read(case: &Case<'_>, side: Side) -> Option<String> {
    let documents = &case.caller.as_ref()?.documents;
    let names: Vec<&str> = documents
        .iter()
        .filter(|document| document.side == side)
        .map(|document| &*document.source.name)
        .take(20)
        .collect();
    Some(match names.as_slice() {
        [] => "the caller has no identity-based policies at all".to_owned(),
        names => format!("evaluated: {}", names.join(", ")),
    })
}

/// Labels where the caller's policies deny a call, or come closest to allowing it.
pub(super) fn label(case: &Case<'_>, access: Option<Access>) -> Option<Label> {
    let (side, decision) = CallerCase::blocked(access)?;
    let documents = case.caller.as_ref()?.documents.iter().enumerate();
    let spots = documents
        .filter(|(_, document)| document.side == side)
        .flat_map(|(index, document)| {
            let statements = document
                .policy
                .statements
                .iter()
                .zip(&document.trace.statements)
                .enumerate();
            statements.filter_map(move |(at, (statement, trace))| {
                let (fits, element, span, text) = spot(statement, trace, decision)?;
                let pointer = format!("{}/{element}", document.policy.statement_pointer(at));
                Some((
                    fits,
                    Label {
                        document: Document::CallerPolicy(index),
                        location: Location::new(span, pointer),
                        text,
                    },
                ))
            })
        });
    spots.max_by_key(|(fits, _)| *fits).map(|(_, label)| label)
}

/// Returns the part of a statement that decides, and how well the statement fits.
fn spot(
    statement: &Statement,
    trace: &StatementTrace,
    decision: Decision,
) -> Option<(usize, &'static str, Span, String)> {
    let action = statement.action.as_ref()?;
    let resource = statement.resource.as_ref()?;
    let resource_name = if resource.negated { "NotResource" } else { "Resource" };
    if decision == Decision::ExplicitDeny {
        let denies = statement.effect.value == Effect::Deny && trace.outcome == Outcome::Match;
        return denies.then(|| (0, resource_name, resource.span, "denied here".to_owned()));
    }
    if statement.effect.value == Effect::Deny {
        return None;
    }
    let no = |outcome| outcome == Outcome::NoMatch;
    let resource_fails = trace.resource.as_ref().is_some_and(|resource| no(resource.outcome));
    let failing = statement
        .conditions
        .iter()
        .zip(&trace.conditions)
        .flat_map(|(condition, trace)| condition.keys.iter().zip(&trace.keys));
    let failing = failing.clone().find(|(_, trace)| no(trace.outcome));
    Some(if no(trace.action.outcome) {
        let name = if action.negated { "NotAction" } else { "Action" };
        (
            usize::from(!resource_fails),
            name,
            action.span,
            "the action is not among these".to_owned(),
        )
    } else if resource_fails {
        (
            2,
            resource_name,
            resource.span,
            "the role is not among these".to_owned(),
        )
    } else {
        let (key, trace) = failing?;
        (3, "Condition", key.span, trace.because.clone())
    })
}
