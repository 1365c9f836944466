//! The condition keys of an evaluated statement, one by one.

use super::{Comparison, Condition, ConditionKey, KeyTrace, Leaf, Policy, StatementTrace};
use crate::text::Location;

/// A condition key of a statement, and the result of evaluating it.
#[derive(Debug, Clone, Copy)]
pub struct ConditionLeaf<'a> {
    /// The policy that it belongs to.
    policy: &'a Policy,
    /// The index of its statement.
    statement: usize,
    /// Which key it is.
    pub leaf: Leaf,
    /// Its operator.
    pub condition: &'a Condition,
    /// The key and its values.
    pub key: &'a ConditionKey,
    /// The result of evaluating it.
    pub trace: &'a KeyTrace,
}

impl ConditionLeaf<'_> {
    /// The name of the key, as written.
    #[must_use]
    pub fn name(&self) -> &str {
        self.key.name()
    }

    /// Whether it is this key.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.key.is(name)
    }

    /// How its operator compares.
    #[must_use]
    pub fn comparison(&self) -> Comparison {
        self.condition.comparison()
    }

    /// The location of its value or list of values.
    #[must_use]
    pub fn location(&self) -> Location {
        self.policy.key_location(self.statement, self.condition, self.key)
    }

    /// The location of one of its values; if there is none at that index, that of all of them.
    #[must_use]
    pub fn value(&self, index: usize) -> Location {
        self.key.value_location(self.location(), index)
    }

    /// The location of its name.
    #[must_use]
    pub fn named_at(&self) -> Location {
        Location {
            span: self.key.key.span,
            ..self.location()
        }
    }
}

/// All condition keys of a statement, with the results of evaluating it.
#[must_use]
pub fn leaves<'a>(policy: &'a Policy, index: usize, trace: &'a StatementTrace) -> Vec<ConditionLeaf<'a>> {
    let mut leaves = Vec::new();
    let conditions = policy
        .statements
        .get(index)
        .map_or(&[][..], |statement| &statement.conditions);
    for (c, (condition, condition_trace)) in conditions.iter().zip(&trace.conditions).enumerate() {
        for (k, (key, key_trace)) in condition.keys.iter().zip(&condition_trace.keys).enumerate() {
            leaves.push(ConditionLeaf {
                policy,
                statement: index,
                leaf: Leaf::Key {
                    statement: index,
                    condition: c,
                    key: k,
                },
                condition,
                key,
                trace: key_trace,
            });
        }
    }
    leaves
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::policy::{RequestContext, parse, trace};

    /// A location's JSON pointer and its span lead to the same value.
    #[test]
    fn pointer_and_span_of_a_place_are_of_the_same_value() {
        for text in [
            r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:*",
                "Condition": {"StringLike": {"a/b~c:sub": "x", "aws:y": ["1", "2"]}, "Bool": {"z": true}}}}"#,
            r#"{"Statement": [{"Effect": "Deny", "NotPrincipal": {"AWS": ["1"]}, "NotAction": ["a:b"]},
                {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["a:b"], "Condition": {"StringEquals": {"k": []}}}]}"#,
        ] {
            let policy = parse(text).unwrap();
            let json: Value = serde_json::from_str(text).unwrap();
            let is_same = |at: &Location| {
                let written: Value = serde_json::from_str(text.get(at.span.start..at.span.end).unwrap()).unwrap();
                assert_eq!(json.pointer(&at.pointer), Some(&written), "{at:?} in {text}");
            };
            let trace = trace(&policy, &RequestContext::default());
            for (statement, traced) in trace.statements.iter().enumerate() {
                is_same(&policy.location(Leaf::Action { statement }).unwrap());
                is_same(&policy.location(Leaf::Principal { statement }).unwrap());
                for leaf in leaves(&policy, statement, traced) {
                    is_same(&leaf.location());
                    assert_eq!(policy.location(leaf.leaf), Some(leaf.location()));
                    for index in 0..=leaf.key.values.len() {
                        is_same(&leaf.value(index));
                    }
                }
            }
        }
    }
}
