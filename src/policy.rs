//! IAM policies, a role's trust policy above all: the document, and what evaluating it for one request found out.
//!
//! [`parse()`] reads a trust policy and [`parse_identity()`] a policy of who asks; both keep where everything stands.
//! [`evaluate::decide`] gives the decision alone, fast; [`evaluate::trace`] gives every leaf with its reason, without short
//! circuit; [`access::access`] decides by the policies of both sides.

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

/// A policy as written, with the place of each part. Invalid documents do not get this far.
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
    /// Is `Statement` a list? A lone statement may be written as an object.
    pub statement_is_list: bool,
    /// The place of the value of `Statement`.
    pub statement_span: Span,
    /// Keys that occur twice in one JSON object. Most parsers, AWS's among them, drop one of the two silently.
    pub duplicates: Vec<DuplicateKey>,
    /// Does `Version` or `Statement` occur twice with different values? The last one is kept here, and the decision is
    /// [`Decision::Undecided`].
    pub is_ambiguous: bool,
}

/// A policy that was read as a role's trust policy.
pub type TrustPolicy = Policy;

/// What a policy is attached to (IAM User Guide, `access_policies_identity-vs-resource`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BasedOn {
    /// Who asks: an identity-based policy, a permissions boundary or a session policy. It names resources and no principal.
    Identity,
    /// What is asked for: a role's trust policy. It names principals and no resource.
    Resource,
}

impl Policy {
    /// Are policy variables (`${key}`) replaced? Only in 2012-10-17.
    #[must_use]
    pub fn has_variables(&self) -> bool {
        self.version.as_ref().is_some_and(|v| v.value == Version::V2012)
    }

    /// JSON pointer of a statement: `/Statement/0`, or `/Statement` for a lone object.
    #[must_use]
    pub fn statement_pointer(&self, statement: usize) -> String {
        if self.statement_is_list {
            format!("/Statement/{statement}")
        } else {
            "/Statement".to_owned()
        }
    }

    /// Where a part of a statement stands; `None` where the statement has none.
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

    /// Where the value of a condition key stands, or the list of them.
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
    /// `2008-10-17`, also what a missing `Version` means: no policy variables.
    V2008,
    /// `2012-10-17`.
    V2012,
}

/// A key that occurs more than once in one JSON object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateKey {
    /// The key.
    pub key: String,
    /// The JSON pointer of the object that holds it twice.
    pub pointer: String,
    /// Where it stands first (the key's own text).
    pub first: Span,
    /// Where it stands again.
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
    /// `Condition`, a block an operator, in order.
    pub conditions: Vec<Condition>,
    /// The place of the value of `Condition`, where there is one.
    pub condition_span: Option<Span>,
    /// `Resource` or `NotResource`, which a trust policy isn't allowed to have; there it is kept to be reported.
    pub resource: Option<Resources>,
    /// Does one of its own keys but `Sid` occur twice with different values? The last one is kept here (of `Condition`
    /// all blocks), and the statement is [`Outcome::Unknown`].
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
    /// Is it `NotPrincipal`?
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
    /// The values, any of which may fit.
    pub values: Vec<Spanned<String>>,
    /// Is the value written as a list?
    pub is_list: bool,
}

/// The kinds of principal of AWS's policy grammar.
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
    /// Is it `NotAction`?
    pub negated: bool,
    /// The element's name in the text.
    pub key: Span,
    /// The element's value in the text.
    pub span: Span,
    /// The patterns.
    pub values: Vec<Spanned<String>>,
    /// Is the value written as a list?
    pub is_list: bool,
}

/// `Resource` or `NotResource`.
#[derive(Debug, Clone, PartialEq)]
pub struct Resources {
    /// Is it `NotResource`?
    pub negated: bool,
    /// The element's value in the text.
    pub span: Span,
    /// The patterns.
    pub values: Vec<Spanned<String>>,
    /// Is the value written as a list?
    pub is_list: bool,
}

/// One condition operator and the keys under it.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The operator, as parsed; the span is its name in the text.
    pub operator: Spanned<Operator>,
    /// The operator's name as written.
    pub name: String,
    /// The place of the object that holds the keys.
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

    /// Is it this key? Their names are not case-sensitive (IAM User Guide, `reference_policies_elements_condition`).
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// Where one of its values stands, given where all of them do: there, if there is none of that index.
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
    /// The key as written; compared without regard to case.
    pub key: Spanned<String>,
    /// The values; numbers and booleans as their JSON text.
    pub values: Vec<Spanned<String>>,
    /// The place of the value or the list.
    pub span: Span,
    /// Is the value written as a list?
    pub is_list: bool,
}

/// What a part of the policy says of the request: three values, because some facts cannot be known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It fits.
    Match,
    /// It does not fit.
    NoMatch,
    /// It cannot be told: a value is unknown, or AWS does not document it.
    Unknown,
}

/// What the whole policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// A statement allows, none denies.
    Allow,
    /// A Deny statement matches.
    ExplicitDeny,
    /// No statement allows.
    ImplicitDeny,
    /// It depends on something unknown.
    Undecided,
}

/// Everything that evaluating one policy for one request found out; nothing is short-circuited.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The outcome of it all.
    pub decision: Decision,
    /// A node a statement, in order.
    pub statements: Vec<StatementTrace>,
}

/// One statement's part of a [`Trace`].
#[derive(Debug, Clone, PartialEq)]
pub struct StatementTrace {
    /// Allow or Deny.
    pub effect: Effect,
    /// Do all its elements fit?
    pub outcome: Outcome,
    /// Why, where the elements do not say it: a doubled key, a `Resource`.
    pub because: Option<String>,
    /// Does the principal fit?
    pub principal: ElementTrace,
    /// Does the action fit?
    pub action: ElementTrace,
    /// Does the resource fit? A trust policy has none.
    pub resource: Option<ElementTrace>,
    /// A node a condition operator, in the order of [`Statement::conditions`].
    pub conditions: Vec<ConditionTrace>,
}

/// `Principal`, `Action`, `Resource` and their Not… forms.
#[derive(Debug, Clone, PartialEq)]
pub struct ElementTrace {
    /// Does the element fit?
    pub outcome: Outcome,
    /// Where it stands; the whole statement when the element is missing.
    pub span: Span,
    /// Each value: for principals over all entries in order.
    pub values: Vec<ValueTrace>,
    /// Why, in words, where the values alone do not say it (missing element, undocumented form).
    pub because: Option<String>,
}

/// One condition operator's part of a [`Trace`].
#[derive(Debug, Clone, PartialEq)]
pub struct ConditionTrace {
    /// Do all its keys hold?
    pub outcome: Outcome,
    /// A node a key, in the order of [`Condition::keys`].
    pub keys: Vec<KeyTrace>,
}

/// One condition key's part of a [`Trace`].
#[derive(Debug, Clone, PartialEq)]
pub struct KeyTrace {
    /// Does the condition on this key hold?
    pub outcome: Outcome,
    /// What the request carries for the key.
    pub actual: Presence,
    /// A node a policy value. For a key that is absent or unknown, and for `Null`, it may be empty.
    pub values: Vec<ValueTrace>,
    /// Is it a hidden part that decides?
    pub is_masked: bool,
    /// Why it came out so, one clause in plain words: "the request does not include this key".
    pub because: String,
}

/// One value of the policy against what the request has.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueTrace {
    /// Does this value fit (before a negated operator turns it round)?
    pub outcome: Outcome,
    /// The value in the policy text.
    pub span: Span,
    /// The value after policy variables are replaced.
    pub resolved: String,
    /// For a failed string comparison: how far it got.
    pub parted: Option<Parted>,
    /// Is it a hidden part that decides?
    pub is_masked: bool,
    /// Why, where the comparison alone does not say it ("not a number").
    pub because: Option<String>,
}

/// How far a failed match got: everything before these bytes agrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parted {
    /// Byte offset in the pattern ([`ValueTrace::resolved`]) where it parts.
    pub pattern: usize,
    /// Byte offset in the request's value where it parts (the furthest that the pattern before `pattern` can reach).
    pub value: usize,
}

/// Names one key of one condition of one statement.
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
