//! Rules that need the whole repository.

use crate::finding::{Cause, Rule, Stage};

/// Part of a policy that no job needs.
pub(crate) const TRUST_UNUSED: Rule = Rule {
    id: "trust-unused",
    cause: Some(Cause::TooMuch),
    stage: Stage::Risk,
    title: "the trust policy accepts a subject that no job has",
};

/// A role for anyone who opens a pull request.
pub(crate) const PULL_REQUEST_TARGET: Rule = Rule {
    id: "pull-request-target",
    cause: Some(Cause::TooMuch),
    stage: Stage::Risk,
    title: "a job asks for a role on `pull_request_target`",
};

/// Access keys next to a token.
pub(crate) const STATIC_KEYS: Rule = Rule {
    id: "static-keys",
    cause: None,
    stage: Stage::Risk,
    title: "a job has an access key beside its ID token",
};

/// All of these rules.
pub(crate) const RULES: [&Rule; 3] = [&TRUST_UNUSED, &PULL_REQUEST_TARGET, &STATIC_KEYS];
