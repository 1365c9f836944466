//! Changes that fix a finding: in the trust policy, the workflow or the provider.
//!
//! A change to the trust policy is printed only after it was applied and evaluated: the policy accepts the token, and no subject of
//! another repository that it refused before. It is made in the policy's own text, which is otherwise unchanged.

mod admit;
mod apart;
mod edit;
mod least;
mod narrow;
mod proof;
mod provider;
mod render;
mod sides;
mod workflow;

use crate::case::Case;
use crate::finding::{Fix, Remedy};

pub(crate) use admit::ask_first;
pub(crate) use least::least;
pub use proof::is_proven;
pub(crate) use render::argument;

/// The changes of a kind, the smallest first: empty where none is proved.
#[must_use]
pub(crate) fn by(case: &Case<'_>, remedy: Remedy) -> Vec<Fix> {
    match remedy {
        Remedy::AddClientId => provider::add_client_id(case),
        Remedy::Admit => admit::admit(case),
        Remedy::AllowCaller => sides::allow_caller(case).into_iter().collect(),
        Remedy::CreateProvider => provider::create_provider(case).into_iter().collect(),
        Remedy::ExactStatement => admit::exact_statement(case).into_iter().collect(),
        Remedy::GrantIdToken => vec![workflow::grant_id_token(case)],
        Remedy::Narrow => narrow::to_this_subject(case).into_iter().collect(),
        Remedy::TrustCaller => sides::trust_caller(case).into_iter().collect(),
    }
}
