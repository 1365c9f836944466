//! IAM policies, above all a role's trust policy: the document, and the result of evaluating it for one request.
//!
//! [`parse()`] reads a trust policy and [`parse_identity()`] one of the caller's policies; both keep every part's location.
//! [`evaluate::decide`] returns the decision alone, fast; [`evaluate::trace`] returns every leaf with its reason, without
//! short-circuiting; [`access::access`] decides from the policies on both sides.

pub mod access;
mod compare;
pub mod context;
pub mod evaluate;
mod json;
mod leaves;
pub mod limits;
pub mod masked;
pub mod operator;
pub mod parse;
mod principal;
mod variables;
pub mod wildcard;

use crate::text::{Location, Span, Spanned, pointer_to};
pub use context::{Presence, RequestContext, RequestPrincipal};
pub use evaluate::{decide, decide_and_say_why, decide_within, trace};
pub use leaves::{ConditionLeaf, leaves};
pub use limits::{Exceeded, Limits};
pub use operator::{Comparison, Operator, SetOperator};
pub use parse::{ParseError, parse, parse_identity};

/// A policy as written, with the location of each part. Invalid documents don't get this far.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// What it is attached to.
    pub based_on: BasedOn,
    /// `Version`; a missing one means 2008-10-17.
    pub version: Option<Spanned<Version>>,
    /// `Id`.
    pub id: Option<Spanned<String>>,
    /// The statements, in order.
    pub statements: Vec<Statement>,
    /// Whether `Statement` is a list. A lone statement may be written as an object.
    pub statement_is_list: bool,
    /// The location of the value of `Statement`.
    pub statement_span: Span,
    /// Keys that occur twice in one JSON object. Most parsers, including AWS's, silently drop one of the two.
    pub duplicates: Vec<DuplicateKey>,
    /// Whether `Version` or `Statement` occurs twice with different values. The last one is kept here, and the decision is
    /// [`Decision::Undecided`].
    pub is_ambiguous: bool,
}

/// A policy read as a role's trust policy.
pub type TrustPolicy = Policy;

/// What a policy is attached to (IAM User Guide, `access_policies_identity-vs-resource`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BasedOn {
    /// The caller: an identity-based policy, a permissions boundary or a session policy. It names resources and no principal.
    Identity,
    /// The requested resource: a role's trust policy. It names principals and no resource.
    Resource,
}

impl Policy {
    /// Whether policy variables (`${key}`) are replaced: only in 2012-10-17.
    #[must_use]
    pub fn has_variables(&self) -> bool {
        self.version.as_ref().is_some_and(|v| v.value == Version::V2012)
    }

    /// The JSON pointer of a statement: `/Statement/0`, or `/Statement` for a lone object.
    #[must_use]
    pub fn statement_pointer(&self, statement: usize) -> String {
        if self.statement_is_list {
            format!("/Statement/{statement}")
        } else {
            "/Statement".to_owned()
        }
    }

    /// The location of a part of a statement; `None` if the statement doesn't have that part.
    #[must_use]
    pub fn location(&self, leaf: Leaf) -> Option<Location> {
        let (Leaf::Action { statement: index }
        | Leaf::Key { statement: index, .. }
        | Leaf::Principal { statement: index }) = leaf;
        let statement = self.statements.get(index)?;
        let (span, name) = match leaf {
            Leaf::Action { .. } => {
                let action = statement.action.as_ref()?;
                (action.span, if action.negated { "NotAction" } else { "Action" })
            }
            Leaf::Key { condition, key, .. } => {
                let condition = statement.conditions.get(condition)?;
                return Some(self.key_location(index, condition, condition.keys.get(key)?));
            }
            Leaf::Principal { .. } => {
                let principal = statement.principal.as_ref()?;
                let name = if principal.negated { "NotPrincipal" } else { "Principal" };
                (principal.span, name)
            }
        };
        Some(Location::new(span, pointer_to(&self.statement_pointer(index), name)))
    }

    /// The location of a condition key's value or list of values.
    fn key_location(&self, statement: usize, condition: &Condition, key: &ConditionKey) -> Location {
        let block = format!("{}/Condition", self.statement_pointer(statement));
        Location::new(
            key.span,
            pointer_to(&pointer_to(&block, &condition.name), &key.key.value),
        )
    }
}

/// The version of the policy language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `2008-10-17`, the default if `Version` is missing: no policy variables.
    V2008,
    /// `2012-10-17`.
    V2012,
}

/// A key that occurs more than once in one JSON object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateKey {
    /// The key.
    pub key: String,
    /// The JSON pointer of the object that contains it twice.
    pub pointer: String,
    /// The first occurrence (the key's own text).
    pub first: Span,
    /// The second occurrence.
    pub again: Span,
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The whole object.
    pub span: Span,
    /// `Sid`.
    pub sid: Option<Spanned<String>>,
    /// `Effect`.
    pub effect: Spanned<Effect>,
    /// `Principal` or `NotPrincipal`.
    pub principal: Option<Principal>,
    /// `Action` or `NotAction`.
    pub action: Option<Actions>,
    /// `Condition`, one block per operator, in order.
    pub conditions: Vec<Condition>,
    /// The location of the value of `Condition`, if any.
    pub condition_span: Option<Span>,
    /// `Resource` or `NotResource`. Trust policies must not have one; it is kept there so that it can be reported.
    pub resource: Option<Resources>,
    /// Whether one of its own keys other than `Sid` occurs twice with different values. The last one is kept here (for
    /// `Condition`, all blocks), and the statement is [`Outcome::Unknown`].
    pub is_ambiguous: bool,
}

/// `Effect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// `Allow`
    Allow,
    /// `Deny`
    Deny,
}

/// `Principal` or `NotPrincipal`.
#[derive(Debug, Clone, PartialEq)]
pub struct Principal {
    /// Whether it is `NotPrincipal`.
    pub negated: bool,
    /// The element's name in the text.
    pub key: Span,
    /// The element's value in the text.
    pub span: Span,
    /// `"*"` as a bare string is one entry of kind [`PrincipalKind::Everyone`].
    pub entries: Vec<PrincipalEntry>,
}

/// One kind of principal and its values.
#[derive(Debug, Clone, PartialEq)]
pub struct PrincipalEntry {
    /// `Federated`, `AWS`, …
    pub kind: PrincipalKind,
    /// The kind's name in the text (the `"*"` itself for [`PrincipalKind::Everyone`]).
    pub key: Span,
    /// The values, any of which may match.
    pub values: Vec<Spanned<String>>,
    /// Whether the value is written as a list.
    pub is_list: bool,
}

/// The kinds of principal in AWS's policy grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrincipalKind {
    /// `"AWS"`: accounts, users, roles, sessions.
    Aws,
    /// `"CanonicalUser"`.
    CanonicalUser,
    /// `"Principal": "*"`.
    Everyone,
    /// `"Federated"`: identity providers.
    Federated,
    /// `"Service"`.
    Service,
}

/// `Action` or `NotAction`.
#[derive(Debug, Clone, PartialEq)]
pub struct Actions {
    /// Whether it is `NotAction`.
    pub negated: bool,
    /// The element's name in the text.
    pub key: Span,
    /// The element's value in the text.
    pub span: Span,
    /// The patterns.
    pub values: Vec<Spanned<String>>,
    /// Whether the value is written as a list.
    pub is_list: bool,
}

/// `Resource` or `NotResource`.
#[derive(Debug, Clone, PartialEq)]
pub struct Resources {
    /// Whether it is `NotResource`.
    pub negated: bool,
    /// The element's value in the text.
    pub span: Span,
    /// The patterns.
    pub values: Vec<Spanned<String>>,
    /// Whether the value is written as a list.
    pub is_list: bool,
}

/// One condition operator and the keys under it.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The operator, as parsed; the span is its name in the text.
    pub operator: Spanned<Operator>,
    /// The operator's name as written.
    pub name: String,
    /// The location of the object that contains the keys.
    pub span: Span,
    /// The keys, all of which must hold.
    pub keys: Vec<ConditionKey>,
}

impl Condition {
    /// How its operator compares.
    #[must_use]
    pub fn comparison(&self) -> Comparison {
        self.operator.value.comparison
    }
}

impl ConditionKey {
    /// Its name, as written.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.key.value
    }

    /// Whether it is this key. Key names are not case-sensitive (IAM User Guide, `reference_policies_elements_condition`).
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// The location of one of its values, or `all` (that of all of them) if there is none at that index.
    #[must_use]
    pub fn value_location(&self, all: Location, index: usize) -> Location {
        match self.values.get(index) {
            Some(value) if self.is_list => Location::new(value.span, format!("{}/{index}", all.pointer)),
            _ => all,
        }
    }
}

/// One condition key and the values it is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct ConditionKey {
    /// The key as written; compared case-insensitively.
    pub key: Spanned<String>,
    /// The values; numbers and booleans as their JSON text.
    pub values: Vec<Spanned<String>>,
    /// The location of the value or the list.
    pub span: Span,
    /// Whether the value is written as a list.
    pub is_list: bool,
}

/// What a part of the policy says about the request: three-valued, because some facts can't be known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It matches.
    Match,
    /// It doesn't match.
    NoMatch,
    /// It can't be determined: a value is unknown, or AWS doesn't document it.
    Unknown,
}

/// What the whole policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// A statement allows it, none denies it.
    Allow,
    /// A Deny statement matches.
    ExplicitDeny,
    /// No statement allows it.
    ImplicitDeny,
    /// It depends on something unknown.
    Undecided,
}

/// The full result of evaluating one policy for one request; nothing is short-circuited.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The overall decision.
    pub decision: Decision,
    /// One node per statement, in order.
    pub statements: Vec<StatementTrace>,
}

/// One statement's part of a [`Trace`].
#[derive(Debug, Clone, PartialEq)]
pub struct StatementTrace {
    /// Allow or Deny.
    pub effect: Effect,
    /// Whether all its elements match.
    pub outcome: Outcome,
    /// Why, if the elements don't say so: a duplicate key, a `Resource`.
    pub because: Option<String>,
    /// Whether the principal matches.
    pub principal: ElementTrace,
    /// Whether the action matches.
    pub action: ElementTrace,
    /// Whether the resource matches. A trust policy has none.
    pub resource: Option<ElementTrace>,
    /// One node per condition operator, in the order of [`Statement::conditions`].
    pub conditions: Vec<ConditionTrace>,
}

/// `Principal`, `Action`, `Resource` and their Not… forms.
#[derive(Debug, Clone, PartialEq)]
pub struct ElementTrace {
    /// Whether the element matches.
    pub outcome: Outcome,
    /// Its location; the whole statement if the element is missing.
    pub span: Span,
    /// Each value; for principals, those of all entries in order.
    pub values: Vec<ValueTrace>,
    /// Why, in words, if the values alone don't say so (missing element, undocumented form).
    pub because: Option<String>,
}

/// One condition operator's part of a [`Trace`].
#[derive(Debug, Clone, PartialEq)]
pub struct ConditionTrace {
    /// Whether all its keys hold.
    pub outcome: Outcome,
    /// One node per key, in the order of [`Condition::keys`].
    pub keys: Vec<KeyTrace>,
}

/// One condition key's part of a [`Trace`].
#[derive(Debug, Clone, PartialEq)]
pub struct KeyTrace {
    /// Whether the condition on this key holds.
    pub outcome: Outcome,
    /// What the request context has for the key.
    pub actual: Presence,
    /// One node per policy value. It may be empty if the key is absent or unknown, and for `Null`.
    pub values: Vec<ValueTrace>,
    /// Whether a hidden part decides.
    pub is_masked: bool,
    /// Why, in one clause of plain words: "the request does not include this key".
    pub because: String,
}

/// One value of the policy compared with what the request has.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueTrace {
    /// Whether this value matches (before a negated operator inverts it).
    pub outcome: Outcome,
    /// The value in the policy text.
    pub span: Span,
    /// The value with policy variables replaced.
    pub resolved: String,
    /// For a failed string comparison: how far it got.
    pub parted: Option<Parted>,
    /// Whether a hidden part decides.
    pub is_masked: bool,
    /// Why, if the comparison alone doesn't say so ("not a number").
    pub because: Option<String>,
}

/// How far a failed match got: everything before these offsets agrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parted {
    /// Byte offset in the pattern ([`ValueTrace::resolved`]) where they diverge.
    pub pattern: usize,
    /// Byte offset in the request's value where they diverge (the furthest that the pattern before `pattern` can reach).
    pub value: usize,
}

/// Identifies an element of one statement: its action, its principal or one condition key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Leaf {
    /// The action element of a statement.
    Action {
        /// Index of the statement.
        statement: usize,
    },
    /// A condition key.
    Key {
        /// Index of the statement.
        statement: usize,
        /// Index of the operator in the statement.
        condition: usize,
        /// Index of the key under the operator.
        key: usize,
    },
    /// The principal element of a statement.
    Principal {
        /// Index of the statement.
        statement: usize,
    },
}
