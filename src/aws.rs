//! The AWS side: resource names, STS's answers, and the request that a policy is evaluated for.

pub(crate) mod answer;
pub(crate) mod arn;
pub(crate) mod request;
