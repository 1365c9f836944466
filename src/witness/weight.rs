//! The cost of evaluating a policy, in budget steps.

use crate::budget::steps;
use crate::policy::TrustPolicy;

/// How many steps one decision takes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weight {
    /// For any subject.
    fixed: u64,
    /// For every 16 bytes of the subject.
    bytes: u64,
}

impl Weight {
    pub(super) fn of(policy: &TrustPolicy) -> Self {
        let mut weight = Self::default();
        for statement in &policy.statements {
            let principals = statement.principal.iter().flat_map(|principal| &principal.entries);
            let principals = principals.flat_map(|entry| &entry.values);
            let actions = statement.action.iter().flat_map(|action| &action.values);
            for value in principals.chain(actions) {
                weight.fixed += 8 + steps(value.value.len());
            }
            for key in statement.conditions.iter().flat_map(|condition| &condition.keys) {
                weight.fixed += 8 + steps(key.name().len());
                for value in &key.values {
                    weight = weight.and(Self::value(&value.value));
                }
            }
        }
        weight
    }

    /// The weight of one value. A piece between stars is searched for in the whole subject, one with `?` at every position;
    /// variables may stand for the whole subject.
    pub(super) fn value(text: &str) -> Self {
        let count = |what: &str| u64::try_from(text.matches(what).take(5000).count()).unwrap_or_default();
        let (stars, variables) = (count("*"), count("${"));
        let floats = |(_, rest): (&str, &str)| rest.rsplit_once('*').is_some_and(|(middle, _)| middle.contains('?'));
        let places = match stars {
            0 => 0,
            _ if text.split_once('*').is_some_and(floats) => steps(text.len()).saturating_mul(16).min(512),
            _ => 1,
        };
        Self {
            fixed: 2 + steps(text.len()) + 4 * stars,
            bytes: places + 8 * variables + variables * variables,
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            fixed: self.fixed + other.fixed,
            bytes: self.bytes + other.bytes,
        }
    }

    pub(super) fn steps(self, subject: usize) -> u64 {
        self.fixed.saturating_add(self.bytes.saturating_mul(steps(subject)))
    }
}
