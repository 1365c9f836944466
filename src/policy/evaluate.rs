//! Evaluates a trust policy for one request, as AWS does.
//!
//! Statements, operators, keys and values are combined as the IAM User Guide says
//! (`reference_policies_condition-logic-multiple-context-keys-or-values`, `reference_policies_evaluation-logic`), in
//! three-valued logic: what can't be determined is [`Outcome::Unknown`], which propagates only as far as it matters.
//! `docs/evaluation.md` lists each rule with its source, and each point on which AWS is silent.

use super::compare::{Fit, MASKED, compare, parted, resolved, steps, truth};
use super::context::with_lower_case;
use super::limits::{Exceeded, Limits};
use super::operator::{Comparison, Operator, SetOperator};
use super::parse::quoted;
use super::principal;
use super::wildcard;
use super::{
    BasedOn, Condition, ConditionKey, ConditionTrace, Decision, Effect, ElementTrace, KeyTrace, Outcome, Presence,
    Principal, PrincipalKind, RequestContext, Resources, Statement, StatementTrace, Trace, TrustPolicy, ValueTrace,
};
use crate::text::Spanned;
use crate::text::masked::{Masked, is_masked};

/// The decision alone.
#[must_use]
pub fn decide(policy: &TrustPolicy, request: &RequestContext) -> Decision {
    let unlimited = Limits::unlimited();
    let evaluation = Evaluation::new(policy, request, &unlimited);
    let outcomes = policy
        .statements
        .iter()
        .map(|statement| (statement, evaluation.statement(statement)));
    combine(policy, outcomes)
}

/// The decision with every leaf and its reason; nothing is short-circuited.
#[must_use]
pub fn trace(policy: &TrustPolicy, request: &RequestContext) -> Trace {
    let unlimited = Limits::unlimited();
    let evaluation = Evaluation::new(policy, request, &unlimited);
    let statements: Vec<StatementTrace> = policy
        .statements
        .iter()
        .map(|statement| evaluation.trace_statement(statement))
        .collect();
    let outcomes = policy
        .statements
        .iter()
        .zip(statements.iter().map(|traced| traced.outcome));
    Trace {
        decision: combine(policy, outcomes),
        statements,
    }
}

/// The decision, and in one clause why: the statement that decides, or the first thing that fails in the closest
/// statement.
#[must_use]
pub fn decide_and_say_why(policy: &TrustPolicy, request: &RequestContext) -> (Decision, String) {
    Evaluation::new(policy, request, &Limits::unlimited()).decide_and_say_why()
}

/// The same within limits, for policies and requests of any size.
///
/// # Errors
/// The limit that was exceeded.
pub fn decide_within(
    policy: &TrustPolicy,
    request: &RequestContext,
    limits: &Limits,
) -> Result<(Decision, String), Exceeded> {
    let decided = Evaluation::new(policy, request, limits).decide_and_say_why();
    limits.check().map(|()| decided)
}

/// An explicit deny wins, then an allow; with neither, the request is denied
/// (IAM User Guide, `reference_policies_evaluation-logic`).
///
/// If no statement can allow it, it is denied whatever the unknown parts are: a [`Decision::ImplicitDeny`] may then in
/// fact be an explicit one.
fn combine<'a>(policy: &TrustPolicy, outcomes: impl Iterator<Item = (&'a Statement, Outcome)>) -> Decision {
    settle(gather(policy, outcomes))
}

/// What a policy allows and what it denies, separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Says {
    /// Whether any statement allows it.
    pub(super) allow: Outcome,
    /// Whether any statement denies it.
    pub(super) deny: Outcome,
}

/// What a policy says, not yet combined with others.
pub(super) fn says(policy: &TrustPolicy, request: &RequestContext, limits: &Limits) -> Says {
    let evaluation = Evaluation::new(policy, request, limits);
    let outcomes = policy.statements.iter();
    gather(
        policy,
        outcomes.map(|statement| (statement, evaluation.statement(statement))),
    )
}

fn gather<'a>(policy: &TrustPolicy, outcomes: impl Iterator<Item = (&'a Statement, Outcome)>) -> Says {
    let (mut allow, mut deny) = (Outcome::NoMatch, Outcome::NoMatch);
    for (statement, outcome) in outcomes {
        if statement.is_ambiguous {
            // Either value of a duplicate `Effect` may apply.
            allow = or(allow, outcome);
            deny = or(deny, outcome);
        } else if statement.effect.value == Effect::Allow {
            allow = or(allow, outcome);
        } else {
            deny = or(deny, outcome);
        }
    }
    if policy.is_ambiguous {
        (allow, deny) = (Outcome::Unknown, Outcome::Unknown);
    }
    Says { allow, deny }
}

pub(super) fn settle(says: Says) -> Decision {
    match (says.deny, says.allow) {
        (Outcome::Match, _) => Decision::ExplicitDeny,
        (_, Outcome::NoMatch) => Decision::ImplicitDeny,
        (Outcome::NoMatch, Outcome::Match) => Decision::Allow,
        _ => Decision::Undecided,
    }
}

/// What the outcome of a condition key is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basis {
    Absent,
    Compared,
    /// The key is present but empty.
    Empty,
    Existence,
    Undocumented(&'static str),
    Unknown,
}

type Ruling = (Outcome, Basis);

const ABSENT_IF_EXISTS: &str =
    "the request does not include this key, and AWS's pages differ on whether `ForAnyValue` or `IfExists` decides then";
const EMPTY_VALUES: &str = "the key has several empty values, and AWS does not say whether it counts as empty then";
const SEVERAL_VALUES: &str = "the request has several values for this key, and AWS asks for a set operator then";
const NULL_AND_MATCH: &str = "one value fits, another has a policy variable without a value, \
     and AWS's pages differ on what that gives";
const NULL_IF_EXISTS: &str = "a policy variable has no value, and AWS does not say whether `IfExists` covers that";
const EMPTY_IF_EXISTS: &str = "the key has no values, and AWS does not say whether it exists then";
const NULL_EMPTY: &str = "the key has an empty value, and AWS does not say plainly whether it exists then";
const NULL_SET: &str = "AWS does not describe `Null` with a set operator";
const NULL_VALUE: &str = "`Null` accepts only `true` or `false`";

/// One policy and one request.
struct Evaluation<'a> {
    policy: &'a TrustPolicy,
    request: &'a RequestContext,
    /// The request, if policy variables are replaced at all.
    variables: Option<&'a RequestContext>,
    /// Once used up, nothing costly is evaluated any more, and the outcome must not be used.
    limits: &'a Limits,
}

impl<'a> Evaluation<'a> {
    fn new(policy: &'a TrustPolicy, request: &'a RequestContext, limits: &'a Limits) -> Self {
        Self {
            policy,
            request,
            variables: policy.has_variables().then_some(request),
            limits,
        }
    }

    fn decide_and_say_why(&self) -> (Decision, String) {
        let statements = &self.policy.statements;
        let outcomes: Vec<Outcome> = statements.iter().map(|statement| self.statement(statement)).collect();
        let decision = combine(self.policy, statements.iter().zip(outcomes.iter().copied()));
        if self.limits.is_used_up() {
            return (decision, String::new());
        }
        (decision, self.why(decision, &outcomes))
    }

    fn statement(&self, statement: &Statement) -> Outcome {
        if statement.is_ambiguous {
            return Outcome::Unknown;
        }
        let mut outcome = and(self.resource(statement), self.action(statement));
        if outcome != Outcome::NoMatch {
            outcome = and(outcome, self.principal(statement));
        }
        if outcome != Outcome::NoMatch {
            outcome = and(outcome, self.conditions(statement));
        }
        outcome
    }

    fn action(&self, statement: &Statement) -> Outcome {
        let Some(actions) = &statement.action else {
            return Outcome::NoMatch;
        };
        let fits = actions.values.iter().any(|value| self.fits_action(&value.value));
        Outcome::of(fits != actions.negated)
    }

    /// "The prefix and the action name are case insensitive", with wildcards
    /// (IAM User Guide, `reference_policies_elements_action`).
    fn fits_action(&self, wanted: &str) -> bool {
        let actual = self.request.action.as_str();
        if !wanted.bytes().any(|byte| matches!(byte, b'*' | b'?')) {
            return wanted.eq_ignore_ascii_case(actual);
        }
        if !self.limits.take(steps(Comparison::StringLike, wanted, actual)) {
            return false;
        }
        with_lower_case(wanted, |wanted| {
            with_lower_case(actual, |actual| wildcard::matches(wanted, actual))
        })
    }

    /// In a trust policy, `Resource` has no documented meaning: IAM rejects it.
    fn resource(&self, statement: &Statement) -> Outcome {
        match (&statement.resource, self.policy.based_on) {
            (None, _) => Outcome::Match,
            (Some(_), BasedOn::Resource) => Outcome::Unknown,
            (Some(resources), BasedOn::Identity) => {
                let fits = any(resources.values.iter().map(|value| self.fits_resource(&value.value).0));
                if resources.negated { not(fits) } else { fits }
            }
        }
    }

    /// Wildcards match within the parts of an ARN, and a final `*` matches further parts as well
    /// (IAM User Guide, `reference_policies_elements_resource`).
    fn fits_resource(&self, wanted: &str) -> (Outcome, Option<&'static str>) {
        if wanted == "*" {
            return (Outcome::Match, None);
        }
        let Some(actual) = self.request.resource.as_deref() else {
            return (Outcome::Unknown, Some(NO_RESOURCE));
        };
        // "only in the resource portion of the ARN … after the fifth colon" (`reference_policies_variables`).
        let variable = self.variables.and_then(|_| wanted.split_once("${"));
        if variable.is_some_and(|(before, _)| before.matches(':').count() < 5) {
            return (Outcome::Unknown, Some(EARLY_VARIABLE));
        }
        let parts = wanted.splitn(6, ':').count();
        if parts == 6 || wanted.contains("${") {
            let fit = self.compare(Comparison::ArnLike, wanted, actual);
            return (fit.outcome, fit.because);
        }
        if !self.limits.take(steps(Comparison::ArnLike, wanted, actual)) {
            return (Outcome::Unknown, None);
        }
        let mut pairs = wanted.splitn(parts, ':').zip(actual.splitn(parts, ':'));
        let fits = pairs.all(|(wanted, actual)| wildcard::matches(wanted, actual));
        if !wanted.ends_with('*') || self.request.has_masks && (is_masked(wanted) || is_masked(actual)) {
            return (Outcome::Unknown, Some(INCOMPLETE));
        }
        (Outcome::of(fits), None)
    }

    fn principal(&self, statement: &Statement) -> Outcome {
        if self.policy.based_on == BasedOn::Identity {
            // It is attached to the caller.
            return Outcome::Match;
        }
        match &statement.principal {
            Some(principal) if principal.negated => Outcome::Unknown,
            Some(principal) => self.principal_entries(principal),
            None => Outcome::NoMatch,
        }
    }

    fn principal_entries(&self, principal: &Principal) -> Outcome {
        let entry = |entry: &super::PrincipalEntry| {
            let values = entry.values.iter();
            any(values.map(|value| self.fits_principal(entry.kind, &value.value)))
        };
        if self.policy.duplicates.is_empty() {
            return any(principal.entries.iter().map(entry));
        }
        any(grouped(&principal.entries, |entry| entry.kind as u8, entry))
    }

    fn fits_principal(&self, kind: PrincipalKind, wanted: &str) -> Outcome {
        let caller = &self.request.principal;
        if !self.limits.take((wanted.len() + caller.len()) as u64) {
            return Outcome::Unknown;
        }
        principal::fit(kind, wanted, caller, self.request.has_masks).0
    }

    fn conditions(&self, statement: &Statement) -> Outcome {
        if self.policy.duplicates.is_empty() {
            return every(statement.conditions.iter().map(|condition| self.condition(condition)));
        }
        every(grouped(
            &statement.conditions,
            |condition| condition.name.as_str(),
            |condition| self.condition(condition),
        ))
    }

    fn condition(&self, condition: &Condition) -> Outcome {
        let key = |key: &ConditionKey| self.key(condition.operator.value, key).0;
        if self.policy.duplicates.is_empty() {
            return every(condition.keys.iter().map(key));
        }
        every(grouped(&condition.keys, |key| key.key.value.to_ascii_lowercase(), key))
    }

    fn key(&self, operator: Operator, key: &ConditionKey) -> Ruling {
        let presence = self.request.get(&key.key.value);
        if let Presence::Many(values) = presence
            && !self.limits.take(4 * values.len() as u64)
        {
            return (Outcome::Unknown, Basis::Unknown);
        }
        if operator.comparison == Comparison::Null {
            return existence(operator, key, presence);
        }
        match presence {
            Presence::Absent => absent(operator),
            Presence::Unknown(_)
                if self.request.has_masks && key.values.iter().any(|value| is_masked(&value.value)) =>
            {
                (Outcome::Unknown, Basis::Unknown)
            }
            Presence::Unknown(_) => unknown(operator, key),
            Presence::One(value) => self.one(operator, key, value),
            Presence::Many(values) => self.many(operator, key, values),
        }
    }

    fn one(&self, operator: Operator, key: &ConditionKey, value: &str) -> Ruling {
        if operator.set.is_some() && value.is_empty() {
            return empty(operator);
        }
        self.values(operator, key, value)
    }

    fn many(&self, operator: Operator, key: &ConditionKey, values: &[String]) -> Ruling {
        let Some(set) = operator.set else {
            return match values {
                [value] => self.one(operator, key, value),
                _ => (Outcome::Unknown, Basis::Undocumented(SEVERAL_VALUES)),
            };
        };
        match values {
            [] => return empty(operator),
            [value] => return self.one(operator, key, value),
            _ => {}
        }
        let compared = self.each(set, operator, key, values);
        if values.iter().all(String::is_empty) && compared.0 != empty(operator).0 {
            return (Outcome::Unknown, Basis::Undocumented(EMPTY_VALUES));
        }
        compared
    }

    /// Compares all values of the request with all values of the policy.
    fn each(&self, set: SetOperator, operator: Operator, key: &ConditionKey, values: &[String]) -> Ruling {
        let mut why = Basis::Compared;
        let each = values.iter().map(|value| {
            let (outcome, this) = self.values(operator, key, value);
            if outcome == Outcome::Unknown && why == Basis::Compared {
                why = this;
            }
            outcome
        });
        let outcome = match set {
            SetOperator::ForAllValues => every(each),
            SetOperator::ForAnyValue => any(each),
        };
        (
            outcome,
            if outcome == Outcome::Unknown {
                why
            } else {
                Basis::Compared
            },
        )
    }

    fn compare(&self, comparison: Comparison, wanted: &str, actual: &str) -> Fit {
        let has_masks = self.request.has_masks;
        compare(comparison, wanted, actual, self.variables, has_masks, self.limits)
    }

    /// Compares one value of the request with all values of the policy: one match is enough; a negated operator requires none.
    fn values(&self, operator: Operator, key: &ConditionKey, actual: &str) -> Ruling {
        let negated = operator.comparison.is_negated();
        let (mut fits, mut is_null, mut unknown) = (false, false, None);
        for wanted in &key.values {
            if fits && memchr::memchr(b'$', wanted.value.as_bytes()).is_none() {
                // Only a policy variable without a value can still matter.
                if !self.limits.take(8 + wanted.value.len() as u64 / 16) {
                    break;
                }
                continue;
            }
            let fit = self.compare(operator.comparison, &wanted.value, actual);
            if self.limits.is_used_up() {
                break;
            }
            is_null |= fit.is_null;
            match fit.outcome {
                Outcome::Match => fits = true,
                Outcome::Unknown => unknown = unknown.or(fit.because),
                Outcome::NoMatch => {}
            }
        }
        match (fits, unknown) {
            (true, _) if negated => (Outcome::NoMatch, Basis::Compared),
            (true, _) if is_null => (Outcome::Unknown, Basis::Undocumented(NULL_AND_MATCH)),
            (true, _) => (Outcome::Match, Basis::Compared),
            (false, Some(because)) => (Outcome::Unknown, Basis::Undocumented(because)),
            (false, None) if negated => (Outcome::Match, Basis::Compared),
            (false, None) if is_null && operator.if_exists => (Outcome::Unknown, Basis::Undocumented(NULL_IF_EXISTS)),
            (false, None) => (Outcome::NoMatch, Basis::Compared),
        }
    }
}

/// "If the key … is not present in the request context, the values do not match and the condition is false. If the policy
/// condition requires that the key is not matched … the condition is true." `…IfExists`: "evaluate the condition element
/// as true"; a nonmatch can't come from "a missing key when checked with `…IfExists`". Without the key, `ForAllValues` is
/// true and `ForAnyValue` false; which wins in `ForAnyValue:…IfExists` is undocumented.
fn absent(operator: Operator) -> Ruling {
    let outcome = match operator.set {
        Some(SetOperator::ForAnyValue) if operator.if_exists => {
            return (Outcome::Unknown, Basis::Undocumented(ABSENT_IF_EXISTS));
        }
        Some(SetOperator::ForAnyValue) => Outcome::NoMatch,
        Some(SetOperator::ForAllValues) => Outcome::Match,
        None => Outcome::of(operator.if_exists || operator.comparison.is_negated()),
    };
    (outcome, Basis::Absent)
}

/// `ForAllValues` is true "if the context key value resolves to a null dataset, such as an empty string", `ForAnyValue`
/// false (`reference_policies_condition-single-vs-multi-valued-context-keys`).
fn empty(operator: Operator) -> Ruling {
    match operator.set {
        Some(SetOperator::ForAllValues) => (Outcome::Match, Basis::Empty),
        _ if operator.if_exists => (Outcome::Unknown, Basis::Undocumented(EMPTY_IF_EXISTS)),
        _ => (Outcome::NoMatch, Basis::Empty),
    }
}

/// A key that may be absent or have any value: decided only if all possibilities agree.
fn unknown(operator: Operator, key: &ConditionKey) -> Ruling {
    let fits_all = operator.comparison.positive() == Comparison::StringLike
        && key.values.iter().any(|value| wildcard::is_universal(&value.value))
        && !key.values.iter().any(|value| value.value.contains("${"));
    let fits_none = key.values.is_empty();
    let present = Outcome::of(fits_all != operator.comparison.is_negated());
    let same = (fits_all || fits_none)
        && present == absent(operator).0
        && (operator.set.is_none() || empty(operator).0 == present);
    if same {
        (present, Basis::Compared)
    } else {
        (Outcome::Unknown, Basis::Unknown)
    }
}

/// `Null`: "either `true` (the key doesn't exist — it is null) or `false` (the key exists and its value is not null)".
fn existence(operator: Operator, key: &ConditionKey, presence: &Presence) -> Ruling {
    if operator.set.is_some() {
        return (Outcome::Unknown, Basis::Undocumented(NULL_SET));
    }
    let wants = |wanted| key.values.iter().any(|value| truth(&value.value) == Some(wanted));
    let outcome = match (wants(true), wants(false), presence) {
        (true, true, _) | (true, false, Presence::Absent) => Outcome::Match,
        _ if key.values.iter().any(|value| truth(&value.value).is_none()) => {
            return (Outcome::Unknown, Basis::Undocumented(NULL_VALUE));
        }
        (false, false, _) | (false, true, Presence::Absent) => Outcome::NoMatch,
        (.., Presence::Unknown(_)) => return (Outcome::Unknown, Basis::Unknown),
        _ if is_empty(presence) => return (Outcome::Unknown, Basis::Undocumented(NULL_EMPTY)),
        (_, wants_present, _) => Outcome::of(wants_present),
    };
    (outcome, Basis::Existence)
}

fn is_empty(presence: &Presence) -> bool {
    match presence {
        Presence::One(value) => value.is_empty(),
        Presence::Many(values) => values.iter().all(String::is_empty),
        Presence::Absent | Presence::Unknown(_) => false,
    }
}

impl Outcome {
    pub(super) fn of(fits: bool) -> Self {
        if fits { Self::Match } else { Self::NoMatch }
    }
}

fn not(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Match => Outcome::NoMatch,
        Outcome::NoMatch => Outcome::Match,
        Outcome::Unknown => Outcome::Unknown,
    }
}

pub(super) fn and(a: Outcome, b: Outcome) -> Outcome {
    match (a, b) {
        (Outcome::NoMatch, _) | (_, Outcome::NoMatch) => Outcome::NoMatch,
        (Outcome::Match, Outcome::Match) => Outcome::Match,
        _ => Outcome::Unknown,
    }
}

pub(super) fn or(a: Outcome, b: Outcome) -> Outcome {
    match (a, b) {
        (Outcome::Match, _) | (_, Outcome::Match) => Outcome::Match,
        (Outcome::NoMatch, Outcome::NoMatch) => Outcome::NoMatch,
        _ => Outcome::Unknown,
    }
}

fn every(outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    let mut all = Outcome::Match;
    for outcome in outcomes {
        all = and(all, outcome);
        if all == Outcome::NoMatch {
            break;
        }
    }
    all
}

fn any(outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    let mut some = Outcome::NoMatch;
    for outcome in outcomes {
        some = or(some, outcome);
        if some == Outcome::Match {
            break;
        }
    }
    some
}

/// One outcome per name: AWS may use the first, the last or all of a JSON key's duplicates; if they differ, it is unknown.
fn grouped<'i, T, N: Ord>(
    items: &'i [T],
    name: impl Fn(&'i T) -> N,
    outcome: impl Fn(&'i T) -> Outcome,
) -> impl Iterator<Item = Outcome> {
    let mut outcomes: Vec<(N, Outcome)> = items.iter().map(|item| (name(item), outcome(item))).collect();
    outcomes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let groups = outcomes.chunk_by(|(a, _), (b, _)| a == b);
    let settled: Vec<Outcome> = groups
        .filter_map(|group| group.iter().map(|(_, outcome)| *outcome).reduce(same))
        .collect();
    settled.into_iter()
}

fn same(a: Outcome, b: Outcome) -> Outcome {
    if a == b { a } else { Outcome::Unknown }
}

/// The explanations: the same functions again, each with its reason in words.
impl Evaluation<'_> {
    fn trace_statement(&self, statement: &Statement) -> StatementTrace {
        StatementTrace {
            effect: statement.effect.value,
            outcome: self.statement(statement),
            because: self.statement_reason(statement).map(str::to_owned),
            principal: self.trace_principal(statement),
            action: self.trace_action(statement),
            resource: self.trace_resource(statement),
            conditions: statement
                .conditions
                .iter()
                .map(|condition| ConditionTrace {
                    outcome: self.condition(condition),
                    keys: condition
                        .keys
                        .iter()
                        .map(|key| self.trace_key(condition, key))
                        .collect(),
                })
                .collect(),
        }
    }

    fn trace_principal(&self, statement: &Statement) -> ElementTrace {
        let Some(principal) = &statement.principal else {
            let outcome = self.principal(statement);
            return ElementTrace {
                outcome,
                because: (outcome != Outcome::Match).then(|| "the statement has no `Principal`".to_owned()),
                span: statement.span,
                values: Vec::new(),
            };
        };
        let values = principal
            .entries
            .iter()
            .flat_map(|entry| entry.values.iter().map(move |value| (entry.kind, value)))
            .map(|(kind, value)| {
                let (outcome, because) =
                    principal::fit(kind, &value.value, &self.request.principal, self.request.has_masks);
                ValueTrace {
                    outcome,
                    span: value.span,
                    resolved: value.value.clone(),
                    parted: None,
                    is_masked: because == Some(principal::MASKED),
                    because: because.map(str::to_owned),
                }
            })
            .collect();
        ElementTrace {
            outcome: self.principal(statement),
            span: principal.span,
            values,
            because: principal.negated.then(|| NOT_PRINCIPAL.to_owned()),
        }
    }

    fn trace_resource(&self, statement: &Statement) -> Option<ElementTrace> {
        let Resources { values, span, .. } = statement.resource.as_ref()?;
        if self.policy.based_on == BasedOn::Resource {
            return None;
        }
        let value = |value: &Spanned<String>| {
            let (outcome, because) = self.fits_resource(&value.value);
            ValueTrace {
                outcome,
                span: value.span,
                resolved: resolved(Comparison::ArnLike, &value.value, self.variables).into_owned(),
                parted: None,
                is_masked: because == Some(MASKED),
                because: because.map(str::to_owned),
            }
        };
        Some(ElementTrace {
            outcome: self.resource(statement),
            span: *span,
            values: values.iter().map(value).collect(),
            because: None,
        })
    }

    fn trace_action(&self, statement: &Statement) -> ElementTrace {
        let Some(actions) = &statement.action else {
            return missing(statement, "the statement has no `Action`");
        };
        let values = actions
            .values
            .iter()
            .map(|value| self.trace_action_value(value))
            .collect();
        ElementTrace {
            outcome: self.action(statement),
            span: actions.span,
            values,
            because: None,
        }
    }

    fn trace_action_value(&self, value: &Spanned<String>) -> ValueTrace {
        let fits = self.fits_action(&value.value);
        let parted = with_lower_case(&value.value, |wanted| {
            with_lower_case(&self.request.action, |actual| wildcard::parted(wanted, actual))
        });
        ValueTrace {
            outcome: Outcome::of(fits),
            span: value.span,
            resolved: value.value.clone(),
            parted,
            is_masked: false,
            because: None,
        }
    }

    fn trace_key(&self, condition: &Condition, key: &ConditionKey) -> KeyTrace {
        let operator = condition.operator.value;
        let ruling = self.key(operator, key);
        let actual = self.request.get(&key.key.value).clone();
        let values = match (&actual, operator.comparison) {
            (Presence::Absent | Presence::Unknown(_), _) | (_, Comparison::Null) => Vec::new(),
            (Presence::One(value), _) => self.trace_values(operator, key, std::slice::from_ref(value)),
            (Presence::Many(values), _) => self.trace_values(operator, key, values),
        };
        KeyTrace {
            outcome: ruling.0,
            is_masked: ruling.1 == Basis::Undocumented(MASKED),
            because: self.key_reason(operator, key, ruling),
            actual,
            values,
        }
    }

    fn trace_values(&self, operator: Operator, key: &ConditionKey, actual: &[String]) -> Vec<ValueTrace> {
        let comparison = operator.comparison;
        let one = |wanted: &Spanned<String>| {
            let fits: Vec<Fit> = actual
                .iter()
                .map(|actual| self.compare(comparison, &wanted.value, actual))
                .collect();
            let outcome = any(fits.iter().map(|fit| fit.outcome));
            let parted = match actual {
                [actual] if outcome == Outcome::NoMatch => parted(
                    comparison,
                    &wanted.value,
                    actual,
                    self.variables,
                    self.request.has_masks,
                ),
                _ => None,
            };
            let because = fits.iter().find_map(|fit| fit.because);
            ValueTrace {
                outcome,
                span: wanted.span,
                resolved: resolved(comparison, &wanted.value, self.variables).into_owned(),
                parted,
                is_masked: because == Some(MASKED),
                because: because.map(str::to_owned),
            }
        };
        key.values.iter().map(one).collect()
    }

    fn why(&self, decision: Decision, outcomes: &[Outcome]) -> String {
        if self.policy.is_ambiguous {
            return "`Version` or `Statement` occurs twice with different values".to_owned();
        }
        let statements = self.policy.statements.iter().zip(outcomes).enumerate();
        let (effect, wanted) = match decision {
            Decision::Allow => (Some(Effect::Allow), Outcome::Match),
            Decision::ExplicitDeny => (Some(Effect::Deny), Outcome::Match),
            Decision::ImplicitDeny => (Some(Effect::Allow), Outcome::NoMatch),
            Decision::Undecided => (None, Outcome::Unknown),
        };
        let mut candidates = statements.filter(|(_, (statement, outcome))| {
            **outcome == wanted && effect.is_none_or(|effect| effect == statement.effect.value)
        });
        let Some((mut index, (mut closest, _))) = candidates.next() else {
            return "no statement allows anything".to_owned();
        };
        let mut why = String::with_capacity(192);
        if wanted != Outcome::Match {
            let mut most = self.fitting_elements(closest);
            for (other, (statement, _)) in candidates {
                let fitting = self.fitting_elements(statement);
                if fitting > most {
                    (index, closest, most) = (other, statement, fitting);
                }
            }
        }
        why.push('`');
        why.push_str(&self.policy.statement_pointer(index));
        match decision {
            Decision::Allow => why.push_str("` allows it"),
            Decision::ExplicitDeny => why.push_str("` denies it"),
            Decision::ImplicitDeny | Decision::Undecided => {
                why.push_str("`: ");
                self.push_first_reason(closest, wanted, &mut why);
            }
        }
        why
    }

    fn fitting_elements(&self, statement: &Statement) -> u8 {
        let fits = |outcome| u8::from(outcome != Outcome::NoMatch);
        fits(self.principal(statement)) + fits(self.action(statement))
    }

    fn push_first_reason(&self, statement: &Statement, wanted: Outcome, why: &mut String) {
        if let Some(because) = self.statement_reason(statement).filter(|_| wanted == Outcome::Unknown) {
            return why.push_str(because);
        }
        if self.principal(statement) == wanted {
            if wanted == Outcome::NoMatch {
                return why.push_str("the principal does not match");
            }
            let traced = self.trace_principal(statement);
            let because = traced
                .because
                .or_else(|| traced.values.into_iter().find_map(|value| value.because));
            return why.push_str(
                because
                    .as_deref()
                    .unwrap_or("whether the principal matches is not known"),
            );
        }
        if self.action(statement) == wanted {
            why.push_str(&quoted(&self.request.action));
            return why.push_str(" is not the action");
        }
        if self.resource(statement) == wanted {
            if wanted == Outcome::Unknown {
                return why.push_str("whether the resource matches is not known");
            }
            why.push_str(&quoted(self.request.resource.as_deref().unwrap_or_default()));
            return why.push_str(" is not among its resources");
        }
        for condition in &statement.conditions {
            for key in &condition.keys {
                let verdict = self.key(condition.operator.value, key);
                if verdict.0 == wanted {
                    why.push('`');
                    why.push_str(&condition.name);
                    why.push_str("` on ");
                    why.push_str(&quoted(&key.key.value));
                    why.push_str(": ");
                    return why.push_str(&self.key_reason(condition.operator.value, key, verdict));
                }
            }
        }
        why.push_str("a key occurs twice in one object with different values");
    }

    fn statement_reason(&self, statement: &Statement) -> Option<&'static str> {
        if statement.is_ambiguous {
            Some("a key of the statement occurs twice with different values")
        } else if statement.resource.is_some() && self.policy.based_on == BasedOn::Resource {
            Some("the statement has a `Resource`, which IAM does not accept in a trust policy")
        } else {
            None
        }
    }

    fn key_reason(&self, operator: Operator, key: &ConditionKey, (outcome, why): Ruling) -> String {
        let presence = self.request.get(&key.key.value);
        match why {
            Basis::Undocumented(MASKED) => masked_reason(key, presence).unwrap_or_else(|| MASKED.to_owned()),
            Basis::Undocumented(because) => because.to_owned(),
            Basis::Unknown => match presence {
                Presence::Unknown(because) if !because.is_empty() => format!("the value is not known: {because}"),
                _ => "the value is not known".to_owned(),
            },
            Basis::Absent => absent_reason(operator, outcome),
            Basis::Empty if outcome == Outcome::Match => {
                format!("the key has an empty value, which satisfies `{operator}`")
            }
            Basis::Empty => format!("the key has an empty value, which does not satisfy `{operator}`"),
            Basis::Existence => match presence {
                Presence::Absent => "the request does not include this key".to_owned(),
                Presence::Unknown(_) => "it does not depend on whether the request includes this key".to_owned(),
                _ => "the request includes this key".to_owned(),
            },
            Basis::Compared => match presence {
                Presence::One(actual) => compared_reason(operator, key, actual, outcome),
                Presence::Many(values) => match values.as_slice() {
                    [actual] => compared_reason(operator, key, actual, outcome),
                    values => set_reason(operator, values.len(), outcome),
                },
                _ => "it is the same for every value".to_owned(),
            },
        }
    }
}

const NOT_PRINCIPAL: &str = "`NotPrincipal` is not supported in a role's trust policy";
const NO_RESOURCE: &str = "it is not known which role is requested";
const EARLY_VARIABLE: &str =
    "AWS replaces no policy variables before the fifth colon of an ARN, and does not say what they give there";
const INCOMPLETE: &str = "AWS does not say which roles an ARN with fewer than six parts stands for";

fn missing(statement: &Statement, because: &str) -> ElementTrace {
    ElementTrace {
        outcome: Outcome::NoMatch,
        span: statement.span,
        values: Vec::new(),
        because: Some(because.to_owned()),
    }
}

/// What is hidden, and where.
fn masked_reason(key: &ConditionKey, presence: &Presence) -> Option<String> {
    let actual = match presence {
        Presence::One(actual) => std::slice::from_ref(actual),
        Presence::Many(values) => values,
        Presence::Absent | Presence::Unknown(_) => &[],
    };
    let actual = actual.iter().map(|value| ("request", value));
    let wanted = key.values.iter().map(|value| ("policy", &value.value));
    actual.chain(wanted).find_map(|(whose, value)| {
        let masked = Masked::read(value)?;
        Some(format!(
            "the {whose}'s {} {}, and the hidden part decides",
            quoted(value),
            masked.words()
        ))
    })
}

fn absent_reason(operator: Operator, outcome: Outcome) -> String {
    if outcome == Outcome::NoMatch {
        format!("the request does not include this key, and `{operator}` needs it")
    } else {
        format!("`{operator}` holds because the request does not include this key")
    }
}

fn compared_reason(operator: Operator, key: &ConditionKey, actual: &str, outcome: Outcome) -> String {
    let (does, does_not) = relation(operator.comparison);
    let actual = quoted(actual);
    let negated = operator.comparison.is_negated();
    let wanted = match key.values.as_slice() {
        [] => return format!("`{operator}` has no values"),
        [value] => quoted(&value.value),
        _ if (outcome == Outcome::Match) == negated => format!("any of the {} values", key.values.len()),
        _ => format!("one of the {} values", key.values.len()),
    };
    match (outcome, negated) {
        (Outcome::Match, false) => format!("{actual} {does} {wanted}"),
        (Outcome::Match, true) => format!("{actual} {does_not} {wanted}, as `{operator}` requires"),
        (_, false) => format!("{actual} {does_not} {wanted}"),
        (_, true) => format!("{actual} {does} {wanted}, which `{operator}` forbids"),
    }
}

fn set_reason(operator: Operator, count: usize, outcome: Outcome) -> String {
    let holds = outcome == Outcome::Match;
    match operator.set {
        Some(SetOperator::ForAllValues) if holds => format!("`{operator}` holds for all {count} values of the request"),
        Some(SetOperator::ForAllValues) => format!("`{operator}` does not hold for all {count} values of the request"),
        _ if holds => format!("`{operator}` holds for one of the {count} values of the request"),
        _ => format!("`{operator}` holds for none of the {count} values of the request"),
    }
}

fn relation(comparison: Comparison) -> (&'static str, &'static str) {
    match comparison.positive() {
        Comparison::StringLike | Comparison::ArnEquals | Comparison::ArnLike => ("matches", "does not match"),
        Comparison::IpAddress => ("lies in", "does not lie in"),
        Comparison::NumericLessThan => ("is less than", "is not less than"),
        Comparison::NumericLessThanEquals => ("is at most", "is not at most"),
        Comparison::NumericGreaterThan => ("is greater than", "is not greater than"),
        Comparison::NumericGreaterThanEquals => ("is at least", "is not at least"),
        Comparison::DateLessThan => ("is before", "is not before"),
        Comparison::DateLessThanEquals => ("is at or before", "is not at or before"),
        Comparison::DateGreaterThan => ("is after", "is not after"),
        Comparison::DateGreaterThanEquals => ("is at or after", "is not at or after"),
        _ => ("equals", "does not equal"),
    }
}

#[cfg(test)]
mod tests;
