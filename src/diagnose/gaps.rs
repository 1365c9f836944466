//! What was compared, what is missing, and what is odd about the documents themselves.

use crate::aws::answer::{Answer, without_prefix};
use crate::aws::request::REPORTS_DIFFER;
use crate::case::Case;
use crate::configure::{Flow, Input};
use crate::evidence::{Attempt, Gap, Probe, Request, Why};
use crate::finding::{Fact, Facts as _, MissingFact};
use crate::github::claims::Claims;
use crate::github::expression::is_expression;
use crate::github::issuer::issuer_host;
use crate::policy::{Decision, Outcome, Presence, decide};
use crate::text::Span;
use crate::text::masked::is_masked;

/// Returns the name and value of each fact that was compared.
#[must_use]
pub(super) fn facts(case: &Case<'_>) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let request = case.request();
    if let Some(role) = request.given(Input::RoleToAssume) {
        facts.push(("role", role.to_owned()));
    } else if let Some(arn) = case.role().and_then(|role| role.arn.clone()) {
        facts.push(("role", arn));
    }
    if let Some(source) = &request.source {
        facts.push(("inputs", source.clone()));
    }
    if let Some(caller) = case.evidence.caller.as_ref().filter(|caller| !caller.arn.is_empty()) {
        facts.push(("caller", format!("{} ({})", caller.arn, caller.source)));
    }
    if let Some(claims) = case.claims {
        facts.push(("subject", claims.subject().unwrap_or("(none)").to_owned()));
        facts.push(("audience", claims.audience().unwrap_or("(none)").to_owned()));
        facts.push(("issuer", claims.issuer().unwrap_or("(none)").to_owned()));
    }
    match case.evidence.attempt.as_ref() {
        Some(Probe::Known(Attempt::Allowed { assumed_role_arn })) => {
            facts.push(("AWS", format!("allowed: {assumed_role_arn}")))
        }
        Some(Probe::Known(Attempt::Denied {
            code,
            message,
            request_id,
        })) => {
            let id = request_id
                .as_deref()
                .map(|id| format!(" (request {id})"))
                .unwrap_or_default();
            facts.push(("AWS", format!("{code}: {message}{id}")));
        }
        Some(Probe::Known(Attempt::Reported { text })) => facts.push(("reported", said(text))),
        Some(Probe::Missing(gap)) => facts.push(("AWS", format!("no answer: {}", reason(gap)))),
        None => {}
    }
    facts.extend(case.evidence.reported.as_ref().map(|text| ("reported", said(text))));
    facts
}

/// The message without what a log, a quotation or the runner put in front of its lines.
fn said(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().map(without_prefix).collect();
    lines.join("\n")
}

/// Lists what is missing, and how to supply it.
#[must_use]
pub(super) fn gaps(case: &Case<'_>) -> Vec<MissingFact> {
    let mut gaps = Vec::new();
    if case.is_allowed() {
        return gaps;
    }
    let mut open = |wanted: &str, why: String, supply: &str| gaps.push(MissingFact::new(wanted, why, supply));
    let nobody = || "not requested".to_owned();
    let running = case.evidence.runner.is_some();
    if case.claims.is_none() && case.flow == Flow::Oidc && !case.asks_with_credentials() {
        let why = case
            .evidence
            .token
            .as_ref()
            .and_then(Probe::gap)
            .map_or_else(nobody, reason);
        open(
            "the token's claims",
            why,
            "run the doctor as a step of the failing job with `id-token: write`, or pass `--claims` with its claims",
        );
    }
    if case.request().names_no_role() && case.role().and_then(|role| role.arn.as_ref()).is_none() {
        let why = case.request().source.clone();
        open(
            "the role",
            why.unwrap_or_else(|| "no input names it".to_owned()),
            &with_the_role(case.request()),
        );
    }
    if let (Some(role), false) = (
        case.request().given(Input::RoleToAssume),
        matches!(case.role_arn, Some(Ok(_))),
    ) && is_masked(role)
        && case.role().and_then(|role| role.arn.as_ref()).is_none()
    {
        open(
            "the role",
            format!("`{role}` is masked or a placeholder"),
            &with_the_role(case.request()),
        );
    }
    // Without a role, the rest would be of no use.
    if case.names_no_role() {
        return gaps;
    }
    let policy_known = case.policy_source.is_some();
    if !policy_known {
        let gap = case.evidence.role.as_ref().and_then(Probe::gap);
        // That the role does not exist is a finding, not a gap.
        if gap.is_none_or(|gap| gap.why != Why::NotFound) {
            open(
                "the role's trust policy",
                gap.map_or_else(nobody, reason),
                "pass `trust-policy` with the file or the JSON (`aws iam get-role --role-name NAME`), give the job credentials with \
                 `iam:GetRole` in the role's account, or set `diagnosis-role`",
            );
        }
    }
    // What is proven about a policy holds only for its own role.
    if policy_known && !case.holds(Fact::Role) {
        open(
            "whose trust policy it is",
            "nothing shows that it belongs to the requested role".to_owned(),
            "pass `trust-policy` as `aws iam get-role --role-name NAME` prints it, and the role's full ARN as `role-to-assume`",
        );
    }
    if case.provider().is_none()
        && !case
            .answer
            .as_ref()
            .is_some_and(|answer| answer.passed_provider() || matches!(answer, Answer::NoProvider(_)))
        && !case.asks_with_credentials()
    {
        let gap = case.evidence.provider.as_ref().and_then(Probe::gap);
        if gap.is_none_or(|gap| gap.why != Why::NotFound) {
            open(
                "the account's OIDC provider",
                gap.map_or_else(nobody, reason),
                "pass `oidc-provider` with what `aws iam get-open-id-connect-provider` prints, or allow `iam:GetOpenIDConnectProvider`",
            );
        }
    }
    let refused = match &case.answer {
        Some(Answer::AssumeRoleDenied(refusal)) => refusal.policy.is_none(),
        _ => false,
    };
    let policies = case
        .evidence
        .caller
        .as_ref()
        .and_then(|caller| caller.identity_policies.as_ref());
    if refused && case.asks_with_credentials() && policies.and_then(Probe::known).is_none() {
        open(
            "the caller's policies",
            policies.and_then(Probe::gap).map_or_else(nobody, reason),
            if case.at_hand().is_some_and(|caller| caller.user().is_some()) {
                "pass `caller-policy` with each of them (`aws iam get-user-policy`, `aws iam get-group-policy`, `aws iam get-policy-version`), or \
                 set `diagnosis-role` to a role of the user's account that may read them: `iam:GetUser`, `iam:ListUserPolicies`, `iam:GetUserPolicy`, \
                 `iam:ListAttachedUserPolicies`, `iam:ListGroupsForUser`, `iam:ListGroupPolicies`, `iam:GetGroupPolicy`, \
                 `iam:ListAttachedGroupPolicies`, `iam:GetPolicy` and `iam:GetPolicyVersion`"
            } else {
                "pass `caller-policy` with each of them (`aws iam get-role-policy`, `aws iam get-policy-version`), or let the calling role read \
                 its own: `iam:GetRole`, `iam:ListRolePolicies`, `iam:GetRolePolicy`, `iam:ListAttachedRolePolicies`, `iam:GetPolicy` and \
                 `iam:GetPolicyVersion`"
            },
        );
    }
    for unread in case.caller.iter().flat_map(|caller| &caller.unread) {
        open(
            "the caller's policies",
            unread.clone(),
            "correct the policy, or pass it as `aws iam` prints it",
        );
    }
    let makes_a_call = !matches!(case.flow, Flow::Ambient | Flow::Nothing | Flow::NoRole);
    if case.answer.is_none() && makes_a_call && !case.ends_by_itself() {
        match case.evidence.attempt.as_ref().and_then(Probe::gap) {
            Some(gap) => open(
                "what AWS answers",
                reason(gap),
                match gap.why {
                    Why::Throttled => "run again: AWS limits how many calls it takes in a second",
                    _ => "fix what kept the call from reaching AWS, then run again",
                },
            ),
            None if running => open(
                "what AWS answers",
                "AWS was not asked".to_owned(),
                "leave `attempt` set to `true`, so that the real call is made",
            ),
            None => open(
                "what AWS answers",
                "AWS was not asked".to_owned(),
                "run the doctor in the job, or pass the error message with `--error`",
            ),
        }
    }
    gaps.extend(undecided(case));
    gaps
}

const UNMASK: &str = "supply the unmasked value; if AWS itself has the placeholder, no token matches it";
const CLAIMS: &str = "supply the token's claims: they decide it";
const BY_HAND: &str = "compare it by hand, or look up the call in CloudTrail";

/// Lists what the policy requires that can't be decided.
fn undecided(case: &Case<'_>) -> Vec<MissingFact> {
    let mut gaps = Vec::new();
    let policy = case.policy.as_ref();
    let Some(policy) = policy.filter(|policy| policy.trace.decision == Decision::Undecided) else {
        return gaps;
    };
    let of_token = format!("{}:", issuer_host(&case.issuer)).to_lowercase();
    let lacks = |claims: Option<&Claims>, key: &str| {
        let key = key.to_lowercase();
        let claim = key.strip_prefix(&of_token);
        claim.is_some_and(|claim| claims.is_none_or(|claims| !claims.0.contains_key(claim)))
    };
    let mut open = |wanted: &str, why: String, supply: &str| gaps.push(MissingFact::new(wanted, why, supply));
    for (index, statement, trace) in policy.statements() {
        if trace.outcome != Outcome::Unknown {
            continue;
        }
        if trace.principal.outcome == Outcome::Unknown {
            let is_masked =
                trace.principal.because.is_none() && trace.principal.values.iter().any(|value| value.is_masked);
            let why = trace.principal.because.clone();
            let why = why.or_else(|| trace.principal.values.iter().find_map(|value| value.because.clone()));
            open(
                "whether the principal matches",
                why.unwrap_or_else(|| "AWS does not describe it".to_owned()),
                if is_masked { UNMASK } else { BY_HAND },
            );
        }
        if statement.resource.is_some() {
            open(
                "what `Resource` does in a trust policy",
                "AWS does not describe it: as reported, IAM refuses to store one".to_owned(),
                "remove `Resource` from the policy",
            );
        }
        for leaf in policy.leaves(index) {
            if leaf.trace.outcome == Outcome::Unknown {
                open(
                    &format!("whether the condition on `{}` holds", leaf.name()),
                    leaf.trace.because.clone(),
                    match case.claims {
                        _ if leaf.trace.is_masked => UNMASK,
                        claims if lacks(claims, leaf.name()) => CLAIMS,
                        _ => BY_HAND,
                    },
                );
            }
        }
    }
    // Of several unknowns each may be what denies.
    if let [only] = &mut *gaps
        && [BY_HAND, CLAIMS].contains(&&*only.supply)
        && matches!(case.answer, Some(Answer::NotAuthorized(_)))
    {
        only.supply = format!(
            "everything else in the statement matches, so this is likely what denies the request: {}",
            only.supply
        );
    }
    gaps
}

/// Says how to pass a role that comes from an expression in the workflow: as written in the step, so that no value has to be known.
fn with_the_role(request: &Request) -> String {
    let role = Input::RoleToAssume.name();
    if !request.not_known.contains_key(role) {
        return "pass `role-to-assume` with the role's ARN".to_owned();
    }
    // As YAML, where JSON's quotes are valid.
    let written = |name: &str, value: &str| format!("{name}: {}", serde_json::Value::from(value));
    let others = request.not_known.iter().filter(|(name, _)| *name != role);
    let inputs = request.not_known.get_key_value(role).into_iter().chain(others);
    let inputs: Vec<_> = inputs.map(|(name, value)| written(name, value)).collect();
    format!("add to the doctor's step: `with: {{ {} }}`", inputs.join(", "))
}

/// Lists what GitHub's API did not return, grouped by reason.
#[must_use]
pub(super) fn unread(case: &Case<'_>) -> Vec<MissingFact> {
    let evidence = case.evidence;
    let is_asked = evidence.repository.is_some() || case.names_no_role();
    let workflow = evidence.workflow.as_ref().filter(|_| is_asked).and_then(Probe::gap);
    let mut all: Vec<(Vec<&str>, &Gap)> = Vec::new();
    for (what, gap) in [
        ("the running workflow", workflow),
        ("the repository", evidence.repository.as_ref().and_then(Probe::gap)),
        (
            "the repository's subject template",
            evidence.subject_template.as_ref().and_then(Probe::gap),
        ),
        (
            "the environment's protection rules",
            evidence.environment.as_ref().and_then(Probe::gap),
        ),
    ] {
        let Some(gap) = gap else { continue };
        match all.iter_mut().find(|(_, other)| *other == gap) {
            Some((parts, _)) => parts.push(what),
            None => all.push((vec![what], gap)),
        }
    }
    let open = |(parts, gap): (Vec<&str>, &Gap)| MissingFact {
        wanted: parts.join(", "),
        why: reason(gap),
        supply: match gap.why {
            Why::AccessDenied | Why::NotFound if parts.first() == Some(&"the running workflow") => {
                "give the job `contents: read`, or check the repository out before this step"
            }
            Why::AccessDenied | Why::NotFound => "give the job `actions: read`",
            _ => "run again; `github-token: \"\"` turns these requests off",
        }
        .to_owned(),
    };
    all.into_iter().map(open).collect()
}

const IN_CHECKOUT: &str = "the step in the checkout";
const BY_A_STRANGER: &str = "which is not followed, because a checkout can be a stranger's";

/// Lists what is odd about the documents themselves.
#[must_use]
pub(super) fn remarks(case: &Case<'_>) -> Vec<String> {
    let mut remarks = Vec::new();
    for (input, fault) in &case.request().faults {
        remarks.push(format!("the step's `{input}` has no value: {fault}"));
    }
    let is_refused = case.runner().and_then(|runner| runner.id_token_request) == Some(false);
    let is_pasted = !matches!(case.evidence.attempt, Some(Probe::Known(Attempt::Denied { .. })));
    let is_to_token = |answer: &Answer| *answer != Answer::Allowed && answer.token_was_sent();
    if is_refused && is_pasted && case.answer.as_ref().is_some_and(is_to_token) {
        remarks.push(
            "this job isn't allowed to request an ID token, and the message is AWS's answer to one: it comes from another job or \
             run. Run the doctor in that job"
                .to_owned(),
        );
    }
    let file = case.evidence.workflow.as_ref().and_then(Probe::known);
    for (input, written) in &case.request().set_aside {
        if input == Input::Audience.name() && case.flow != Flow::Oidc {
            continue;
        }
        let what = match input.as_str() {
            "audience" => "the token was requested for",
            "sts-endpoint" => "STS was asked at",
            _ => "AWS was asked through",
        };
        let used = match input.as_str() {
            "audience" => match case.request().get(Input::Audience) {
                Some("") => "GitHub's own audience".to_owned(),
                audience => format!("`{}`", audience.unwrap_or(Input::Audience.spec().default)),
            },
            "sts-endpoint" => "AWS's own address, or the environment's".to_owned(),
            _ => "the environment's proxy, if it has one".to_owned(),
        };
        let is_known = !is_expression(written);
        let written = if written.is_empty() { "''" } else { written };
        let (place, reason) = match input.as_str() {
            _ if !is_known => ("the step", "whose value is not known here"),
            "audience" => (IN_CHECKOUT, BY_A_STRANGER),
            _ if file.is_some_and(|file| file.commit.is_some()) => (
                "the step",
                "which is not followed, because no workflow file decides where a token is sent",
            ),
            _ => (IN_CHECKOUT, BY_A_STRANGER),
        };
        remarks.push(format!(
            "{place} has `{input}: {written}`, {reason}; {what} {used}. If the step is yours, pass the value as the input `{input}`"
        ));
    }
    if let Some(file) = file.filter(|file| file.checkout_differs && !case.is_allowed()) {
        let commit = file.commit.as_deref().unwrap_or_default();
        let commit = commit.get(..7).unwrap_or(commit);
        remarks.push(format!(
            "`{}` differs in the checkout: what counts is the one that runs, of commit `{commit}`",
            file.path
        ));
    }
    if case.flow == Flow::Chaining && (case.answer_set_aside || case.answer.is_none() && case.policy.is_none()) {
        let used = "not checked: the step has `role-chaining: true`, so it uses the previous role's session and not the job's token";
        remarks.push(match (case.answer_set_aside, case.request().names_no_role()) {
            (true, _) => format!("{used}, and AWS's answer to the token says nothing about that session"),
            (false, true) => format!("{used}; which role it requests is not known"),
            (false, false) => {
                format!("{used}; neither AWS's answer to that session nor the role's trust policy is known")
            }
        });
    }
    if !case.evidence.left_out.is_empty() {
        let shown: Vec<_> = case.evidence.left_out.iter().take(20).map(String::as_str).collect();
        let more = case.evidence.left_out.len() - shown.len();
        let more = if more > 0 {
            format!(", and {more} more")
        } else {
            String::new()
        };
        remarks.push(format!(
            "not checked, because a run checks at most ten roles or for the reason beside it: {}{more}",
            shown.join("; ")
        ));
    }
    if let (Some(policy), Some(source)) = (&case.policy, &case.policy_source) {
        const MOST: usize = 20;
        let more = policy.policy.duplicates.len().saturating_sub(MOST);
        for twice in policy.policy.duplicates.iter().take(MOST) {
            let written = |span: Span| source.text.get(span.start..span.end).unwrap_or_default();
            let (first, again) = (written(twice.first), written(twice.again));
            let which = if first != again && first.eq_ignore_ascii_case(again) {
                "condition keys are case-insensitive, and AWS does not say which of the two counts"
            } else {
                // IAM User Guide, `reference_policies_grammar`.
                "IAM's grammar forbids it, and AWS does not say which of the two counts"
            };
            remarks.push(format!(
                "`{}` occurs twice in one object of the trust policy, on lines {} and {}: {which}",
                twice.key,
                source.position(twice.first.start).line,
                source.position(twice.again.start).line
            ));
        }
        if more > 0 {
            remarks.push(format!(
                "{more} more keys occur twice in one object of the trust policy"
            ));
        }
    }
    remarks.extend(by_documentation(case));
    remarks.extend(not_searched(case));
    if let (Some(Err(error)), Some(source)) = (&case.workflow, &case.workflow_source) {
        remarks.push(format!(
            "the workflow file `{}` cannot be read (line {}, column {}: {error}), so nothing is concluded from it",
            source.name, error.line, error.column
        ));
    }
    remarks
}

/// Says that a policy accepts the token only by claims that are keys according to AWS's documentation, if AWS has not answered itself.
fn by_documentation(case: &Case<'_>) -> Option<String> {
    let policy = case.policy.as_ref().filter(|_| case.answer.is_none())?;
    let claims = case.claims_compared();
    if policy.trace.decision != Decision::Allow || claims.is_empty() {
        return None;
    }
    let mut without = policy.request.clone();
    for claim in &claims {
        without.set(claim, Presence::Absent);
    }
    (decide(&policy.policy, &without) != Decision::Allow).then(|| {
        format!(
            "the trust policy accepts this token by `{}`: {REPORTS_DIFFER}",
            claims.join("`, `")
        )
    })
}

/// Says what was left out because the policy is too large to search.
fn not_searched(case: &Case<'_>) -> Option<String> {
    let left_out: Vec<&str> = [
        (&case.comparing, "which of them comes closest to the token"),
        (&case.searching, "who else is accepted"),
        (&case.proving, "whether a change accepts anyone else"),
    ]
    .into_iter()
    .filter_map(|(budget, what)| budget.is_spent().then_some(what))
    .collect();
    let policy = &case.policy.as_ref().filter(|_| !left_out.is_empty())?.policy;
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    Some(format!(
        "search incomplete: the policy has {} for the subject in {}, too much to determine in full {}",
        count(crate::witness::patterns(case.asker(), policy), "pattern"),
        count(policy.statements.len(), "statement"),
        left_out.join(", and ")
    ))
}

fn reason(gap: &Gap) -> String {
    if gap.detail.is_empty() {
        gap.why.words().to_owned()
    } else if gap.detail.starts_with(gap.why.words()) {
        gap.detail.clone()
    } else {
        format!("{}: {}", gap.why.words(), gap.detail)
    }
}
