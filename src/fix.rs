//! Changes that fix a finding: in the trust policy, the workflow or the provider.
//!
//! A change to the trust policy is printed only after it was applied and evaluated: the policy accepts the token, and no subject of
//! another repository that it refused before. It is made in the policy's own text, which is otherwise unchanged.

mod admit;
mod apart;
mod edit;
pub mod narrow;
mod proof;
mod provider;
pub mod render;
mod workflow;

pub use admit::{admit, ask_first, exact_statement};
pub use proof::is_proven;
pub use provider::{add_client_id, create_provider};
pub use workflow::grant_id_token;
