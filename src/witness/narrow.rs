//! A policy's values for `sub`, and the policy with only one of them.

use crate::aws::request::Asker;
use crate::github::issuer::issuer_host;
use crate::policy::{Comparison, Condition, ConditionKey, Statement, TrustPolicy};
use crate::text::{Location, Spanned, pointer_to};

use super::weight::Weight;

/// A policy or one statement of it; while one of a statement's values for `sub` is examined, without the other values: the
/// decision for a subject that matches the value is the same, but costs less.
pub(super) struct Narrow<'a> {
    policy: &'a TrustPolicy,
    statement: &'a Statement,
    /// The statement's index among the others; `None` if they are left out.
    among: Option<usize>,
    /// With all values; `None` if that is the policy as it is.
    whole: Option<TrustPolicy>,
    whole_weight: Weight,
    /// With one value, that value's place (condition and key), and whether the decision is the same.
    narrow: Option<(TrustPolicy, (usize, usize), bool)>,
    /// The weight of the same without that value.
    rest_weight: Weight,
    is_narrow: bool,
    pub(super) weight: Weight,
}

impl<'a> Narrow<'a> {
    /// The statement by itself.
    pub(super) fn alone(policy: &'a TrustPolicy, statement: &'a Statement) -> Self {
        let whole = (policy.statements.len() != 1).then(|| lone(policy, statement.clone()));
        let weight = Weight::of(whole.as_ref().unwrap_or(policy));
        Self {
            policy,
            statement,
            among: None,
            whole,
            whole_weight: weight,
            narrow: None,
            rest_weight: weight,
            is_narrow: false,
            weight,
        }
    }

    /// The statement with the others.
    pub(super) fn among(policy: &'a TrustPolicy, index: usize, statement: &'a Statement) -> Self {
        let weight = Weight::of(policy);
        Self {
            policy,
            statement,
            among: Some(index),
            whole: None,
            whole_weight: weight,
            narrow: None,
            rest_weight: weight,
            is_narrow: false,
            weight,
        }
    }

    pub(super) fn policy(&self) -> &TrustPolicy {
        match &self.narrow {
            Some((narrow, ..)) if self.is_narrow => narrow,
            _ => self.whole.as_ref().unwrap_or(self.policy),
        }
    }

    /// Goes back to all values.
    pub(super) fn widen(&mut self) {
        self.is_narrow = false;
        self.weight = self.whole_weight;
    }

    pub(super) fn narrow_or_widen(&mut self, value: &SubjectValue<'_>) {
        if !self.narrow(value) {
            self.widen();
        }
    }

    /// Leaves only this value of its condition; returns `false` if that would decide differently on subjects made from it.
    pub(super) fn narrow(&mut self, value: &SubjectValue<'_>) -> bool {
        let place = (value.condition, value.key);
        if self.narrow.as_ref().is_none_or(|(_, other, _)| *other != place) {
            // A variable without a value in another value changes the outcome, and so does a duplicate key.
            let is_plain = self.policy.duplicates.is_empty() && !value.of.values.iter().any(|v| v.value.contains('$'));
            let rest = without_values(self.statement, place);
            let narrow = match self.among {
                Some(index) => with_statement(self.policy, index, rest),
                None => lone(self.policy, rest),
            };
            self.rest_weight = Weight::of(&narrow);
            self.narrow = Some((narrow, place, is_plain));
        }
        let Some((narrow, _, true)) = &mut self.narrow else {
            return false;
        };
        if !value.takes_wildcards && value.text().contains(['*', '?']) {
            return false;
        }
        let key = narrow
            .statements
            .get_mut(self.among.unwrap_or_default())
            .and_then(|statement| statement.conditions.get_mut(value.condition))
            .and_then(|condition| condition.keys.get_mut(value.key));
        let Some(key) = key else { return false };
        key.values = vec![value.value.clone()];
        self.weight = self.rest_weight.and(Weight::value(value.text()));
        self.is_narrow = true;
        true
    }
}

/// A policy with one statement.
pub(super) fn lone(policy: &TrustPolicy, statement: Statement) -> TrustPolicy {
    TrustPolicy {
        based_on: policy.based_on,
        version: policy.version.clone(),
        id: None,
        statements: vec![statement],
        statement_is_list: policy.statement_is_list,
        statement_span: policy.statement_span,
        // All that matters is whether there are any.
        duplicates: policy.duplicates.iter().take(1).cloned().collect(),
        is_ambiguous: policy.is_ambiguous,
    }
}

/// A policy with one statement replaced.
fn with_statement(policy: &TrustPolicy, index: usize, statement: Statement) -> TrustPolicy {
    let mut copy = policy.clone();
    if let Some(place) = copy.statements.get_mut(index) {
        *place = statement;
    }
    copy
}

/// A statement without the values of one condition key.
fn without_values(statement: &Statement, place: (usize, usize)) -> Statement {
    let mut copy = Statement {
        span: statement.span,
        sid: None,
        effect: statement.effect.clone(),
        principal: statement.principal.clone(),
        action: statement.action.clone(),
        conditions: Vec::with_capacity(statement.conditions.len()),
        condition_span: statement.condition_span,
        resource: statement.resource.clone(),
        is_ambiguous: statement.is_ambiguous,
    };
    for (c, condition) in statement.conditions.iter().enumerate() {
        let keys = condition.keys.iter().enumerate().map(|(k, key)| {
            let values = if (c, k) == place {
                Vec::new()
            } else {
                key.values.clone()
            };
            ConditionKey {
                key: key.key.clone(),
                values,
                ..*key
            }
        });
        copy.conditions.push(Condition {
            operator: condition.operator.clone(),
            name: condition.name.clone(),
            span: condition.span,
            keys: keys.collect(),
        });
    }
    copy
}

/// A value of a statement's positive condition on `sub`.
#[derive(Clone, Copy)]
pub(super) struct SubjectValue<'a> {
    /// The indices of the condition in the statement, of the key in that, and of the value in that.
    pub(super) condition: usize,
    pub(super) key: usize,
    index: usize,
    operator: &'a str,
    pub(super) takes_wildcards: bool,
    pub(super) ignores_case: bool,
    pub(super) of: &'a ConditionKey,
    pub(super) value: &'a Spanned<String>,
}

impl<'a> SubjectValue<'a> {
    pub(super) fn text(&self) -> &'a str {
        &self.value.value
    }

    pub(super) fn location(&self, statement: &str) -> Location {
        let operator = pointer_to(&format!("{statement}/Condition"), self.operator);
        let all = Location::new(self.of.span, pointer_to(&operator, self.of.name()));
        self.of.value_location(all, self.index)
    }

    /// The same value at the same place in another statement, under the same operator and key.
    pub(super) fn same_in<'b>(&self, statement: &'b Statement) -> Option<SubjectValue<'b>> {
        let condition = statement.conditions.get(self.condition)?;
        let of = condition.keys.get(self.key)?;
        let value = of.values.get(self.index)?;
        let is_same = value.value == self.value.value && of.name() == self.of.name() && condition.name == self.operator;
        is_same.then_some(SubjectValue {
            condition: self.condition,
            key: self.key,
            index: self.index,
            operator: &condition.name,
            takes_wildcards: self.takes_wildcards,
            ignores_case: self.ignores_case,
            of,
            value,
        })
    }
}

/// The values of a statement's positive conditions on `sub`.
pub(super) fn subject_values<'a>(asker: Asker<'_>, statement: &'a Statement) -> Vec<SubjectValue<'a>> {
    let name = format!("{}:sub", issuer_host(asker.issuer));
    let mut values = Vec::new();
    for (c, condition) in statement.conditions.iter().enumerate() {
        let comparison = condition.comparison();
        if !comparison.is_string() || comparison.is_negated() {
            continue;
        }
        for (k, of) in condition.keys.iter().enumerate() {
            if of.is(&name) {
                values.extend(of.values.iter().enumerate().map(|(index, value)| SubjectValue {
                    condition: c,
                    key: k,
                    index,
                    operator: &condition.name,
                    takes_wildcards: comparison.takes_wildcards(),
                    ignores_case: comparison == Comparison::StringEqualsIgnoreCase,
                    of,
                    value,
                }));
            }
        }
    }
    values
}
