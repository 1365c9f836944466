//! The condition keys of an evaluated statement, one by one.

use super::{Comparison, Condition, ConditionKey, KeyTrace, Leaf, Policy, StatementTrace};
use crate::text::Location;

/// A condition key of a statement, and what evaluating it found.
#[derive(Debug, Clone, Copy)]
pub struct ConditionLeaf<'a> {
    /// The policy that it is of.
    policy: &'a Policy,
    /// The index of its statement.
    statement: usize,
    /// Which.
    pub leaf: Leaf,
    /// Its operator.
    pub condition: &'a Condition,
    /// The key and its values.
    pub key: &'a ConditionKey,
    /// What evaluating it found.
    pub trace: &'a KeyTrace,
}

impl ConditionLeaf<'_> {
    /// The name of the key, as written.
    #[must_use]
    pub fn name(&self) -> &str {
        self.key.name()
    }

    /// Is it this key?
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.key.is(name)
    }

    /// How its operator compares.
    #[must_use]
    pub fn comparison(&self) -> Comparison {
        self.condition.comparison()
    }

    /// Where its value stands, or the list of them.
    #[must_use]
    pub fn location(&self) -> Location {
        self.policy.key_location(self.statement, self.condition, self.key)
    }

    /// Where one of its values stands; where there is none of that index, what is in their place.
    #[must_use]
    pub fn value(&self, index: usize) -> Location {
        self.key.value_location(self.location(), index)
    }

    /// Where its name stands.
    #[must_use]
    pub fn named_at(&self) -> Location {
        Location {
            span: self.key.key.span,
            ..self.location()
        }
    }
}

/// All condition keys of a statement, with what evaluating the statement found.
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

    /// What stands at a location, by its JSON pointer and by its span, is the same.
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
