//! AWS's words: names of resources, what STS answers, and the request that a policy is evaluated for.

pub mod answer;
pub mod arn;
pub mod request;
