//! The GitHub side: the ID token and its claims, its issuer and subject, and the workflow that requests it.

pub(crate) mod claims;
pub(crate) mod expression;
pub(crate) mod issuer;
pub(crate) mod subject;
pub(crate) mod workflow;
