//! Evaluates a trust policy for one request, as AWS does.
use super::{Decision, RequestContext, Trace, TrustPolicy};

/// The decision alone.
#[must_use]
pub fn decide(_policy: &TrustPolicy, _request: &RequestContext) -> Decision {
    Decision::Undecided
}

/// The decision with every leaf and its reason; nothing is short-circuited.
#[must_use]
pub fn trace(_policy: &TrustPolicy, _request: &RequestContext) -> Trace {
    Trace {
        decision: Decision::Undecided,
        statements: vec![],
    }
}
