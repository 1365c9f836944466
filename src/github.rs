//! GitHub's words: the ID token and its claims, its issuer and subject, and the workflow that asks for it.

pub mod claims;
pub mod expression;
pub mod issuer;
pub mod subject;
pub mod workflow;
