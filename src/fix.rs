//! Changes that mend a finding: on the trust policy, the workflow or the provider.
//!
//! A change on the trust policy is printed only after it was applied and evaluated: the token gets in, and no subject of another
//! repository gets in that did not before. It is made in the policy's own text, which stays as it is everywhere else.

mod admit;
mod apart;
mod edit;
mod least;
pub mod narrow;
mod proof;
mod provider;
pub mod render;
mod workflow;

pub use admit::{admit, ask_first, exact_statement};
pub use least::least;
pub use proof::is_proven;
pub use provider::{add_client_id, create_provider};
pub use workflow::grant_id_token;
