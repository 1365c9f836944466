//! `nested-permission-refused`: a reusable workflow requests more than its caller allows.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::finding::{Cause, Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "nested-permission-refused",
        cause: Some(Cause::NoIdTokenPermission),
        stage: Stage::Permission,
        title: "a reusable workflow requests more than its caller allows",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    if case.answer != Some(Answer::NestedPermission) {
        return None;
    }
    let text = super::check::pasted(case).unwrap_or_default();
    let job = text
        .split_once("nested job '")
        .and_then(|(_, rest)| rest.split('\'').next());
    let what = job.map_or_else(
        || "the called workflow".to_owned(),
        |job| format!("the nested job `{job}`"),
    );
    Some(
        Finding::blocks(format!("{what} requests `id-token: write`, but the calling job does not grant it"))
            .rests_on(case, &[Fact::Answer])
            // GitHub docs, "Reusing workflow configurations"; actions/runner, `PermissionsHelper.cs`.
            .note("permissions can only stay the same or be reduced along a chain of reusable workflows; requesting more stops the run before it starts")
            .help("give the calling job `permissions:` with `id-token: write` (and whatever else the called workflow needs, such as `contents: read`)"),
    )
}
