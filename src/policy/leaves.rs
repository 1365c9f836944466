//! The condition keys of an evaluated statement, one by one.

use super::{Condition, ConditionKey, KeyTrace, Leaf, Statement, StatementTrace};

/// A condition key of a statement, and what evaluating it found.
#[derive(Debug, Clone, Copy)]
pub struct ConditionLeaf<'a> {
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
        &self.key.key.value
    }

    /// Is it this key? Their names are not case-sensitive (IAM User Guide, `reference_policies_elements_condition`).
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }
}

/// All condition keys of a statement.
#[must_use]
pub fn leaves<'a>(index: usize, statement: &'a Statement, trace: &'a StatementTrace) -> Vec<ConditionLeaf<'a>> {
    let mut leaves = Vec::new();
    for (c, (condition, condition_trace)) in statement.conditions.iter().zip(&trace.conditions).enumerate() {
        for (k, (key, key_trace)) in condition.keys.iter().zip(&condition_trace.keys).enumerate() {
            leaves.push(ConditionLeaf {
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
