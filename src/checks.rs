//! The checks, in stage order, exact before general. `CONTRIBUTING.md` says how to add one.

mod access_key_incomplete;
mod account_mismatch;
mod action_mismatch;
mod audience_mismatch;
mod audience_not_registered;
mod audience_unchecked;
mod caller_not_allowed;
mod chained_role_not_trusted;
pub(crate) mod check;
mod claim_mismatch;
mod clock_skew;
mod condition_key_absent;
mod condition_vacuous;
mod credentials_missing;
mod denied_elsewhere;
mod duration_out_of_range;
mod endpoint_unreachable;
mod environment_protection;
mod environment_unprotected;
mod explicit_deny;
mod external_id_mismatch;
mod fork_pull_request;
mod id_token_permission_missing;
mod input_malformed;
mod nested_permission_refused;
mod other_credentials_used;
mod partition_mismatch;
mod permission_denied_after_login;
mod policy_malformed;
mod principal_mismatch;
mod provider_missing;
mod provider_url_mismatch;
mod region_unusable;
mod role_arn_malformed;
mod role_chaining_missing;
mod role_input_empty;
mod role_missing;
mod role_path_mismatch;
mod runner_variables_missing;
mod session_expired;
mod session_name_invalid;
mod session_policy_invalid;
mod session_tag_invalid;
mod session_tagging_denied;
mod session_too_short;
mod signing_keys_unreachable;
mod subject_branch;
mod subject_case;
mod subject_customized;
mod subject_environment;
mod subject_immutable;
mod subject_malformed;
mod subject_merge_queue;
mod subject_mismatch;
mod subject_pull_request;
mod subject_repository;
mod subject_tag;
mod subject_too_broad;
mod subject_unrestricted;
mod subject_wildcard_literal;
mod throttled;
mod thumbprint_mismatch;
mod token_expired;
mod token_file_unusable;
mod token_foreign;
mod token_request_failed;

use check::Check;

/// All checks, in the order in which they are tried.
pub const CHECKS: &[Check] = &[
    fork_pull_request::CHECK,
    nested_permission_refused::CHECK,
    id_token_permission_missing::CHECK,
    environment_protection::CHECK,
    credentials_missing::CHECK,
    other_credentials_used::CHECK,
    token_file_unusable::CHECK,
    token_request_failed::CHECK,
    token_foreign::CHECK,
    token_expired::CHECK,
    clock_skew::CHECK,
    input_malformed::CHECK,
    access_key_incomplete::CHECK,
    runner_variables_missing::CHECK,
    role_input_empty::CHECK,
    role_arn_malformed::CHECK,
    partition_mismatch::CHECK,
    session_name_invalid::CHECK,
    session_tag_invalid::CHECK,
    duration_out_of_range::CHECK,
    session_policy_invalid::CHECK,
    region_unusable::CHECK,
    endpoint_unreachable::CHECK,
    throttled::CHECK,
    provider_url_mismatch::CHECK,
    provider_missing::CHECK,
    thumbprint_mismatch::CHECK,
    signing_keys_unreachable::CHECK,
    audience_not_registered::CHECK,
    role_missing::CHECK,
    role_path_mismatch::CHECK,
    policy_malformed::CHECK,
    principal_mismatch::CHECK,
    action_mismatch::CHECK,
    explicit_deny::CHECK,
    audience_mismatch::CHECK,
    subject_immutable::CHECK,
    subject_customized::CHECK,
    subject_case::CHECK,
    subject_wildcard_literal::CHECK,
    subject_malformed::CHECK,
    subject_environment::CHECK,
    subject_pull_request::CHECK,
    subject_tag::CHECK,
    subject_merge_queue::CHECK,
    subject_branch::CHECK,
    subject_repository::CHECK,
    subject_mismatch::CHECK,
    condition_key_absent::CHECK,
    claim_mismatch::CHECK,
    denied_elsewhere::CHECK,
    role_chaining_missing::CHECK,
    caller_not_allowed::CHECK,
    chained_role_not_trusted::CHECK,
    session_tagging_denied::CHECK,
    external_id_mismatch::CHECK,
    account_mismatch::CHECK,
    session_expired::CHECK,
    session_too_short::CHECK,
    permission_denied_after_login::CHECK,
    subject_unrestricted::CHECK,
    subject_too_broad::CHECK,
    condition_vacuous::CHECK,
    audience_unchecked::CHECK,
    environment_unprotected::CHECK,
];

/// Returns the check with this id.
#[must_use]
pub fn by_id(id: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.rule.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_stages_in_order() {
        let mut ids: Vec<&str> = CHECKS.iter().map(|check| check.rule.id).collect();
        assert!(CHECKS.windows(2).all(|pair| pair[0].rule.stage <= pair[1].rule.stage));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), CHECKS.len());
    }
}
