//! `role-path-mismatch`: the role's path differs from the one in `role-to-assume`.

use super::check::{Check, When};
use crate::aws::arn::RoleArn;
use crate::case::Case;
use crate::finding::{Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "role-path-mismatch",
        cause: None,
        stage: Stage::Role,
        title: "the role's path differs from the one in `role-to-assume`",
    },
    when: When::NotAllowed,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let Some(Ok(asked)) = &case.role_arn else {
        return None;
    };
    let Some(Ok(real)) = case.role().and_then(|role| role.arn.as_deref()).map(RoleArn::parse) else {
        return None;
    };
    if asked.name.to_lowercase() != real.name.to_lowercase() || (asked.path == real.path && asked.name == real.name) {
        return None;
    }
    let arn = case.role().and_then(|role| role.arn.clone()).unwrap_or_default();
    let message = if asked.path == real.path {
        format!(
            "the role is named `{}`, but `role-to-assume` has `{}`",
            real.name, asked.name
        )
    } else {
        format!(
            "the role's path is `{}`, but `role-to-assume` has `{}`",
            real.path, asked.path
        )
    };
    Some(
        Finding::blocks(message)
            .note("the path is part of the ARN; most likely AWS refuses an ARN with the wrong path as if the role did not exist")
            .help(format!("set `role-to-assume: {arn}`")),
    )
}
