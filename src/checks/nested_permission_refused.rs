//! `nested-permission-refused`: a reusable workflow asks for more than its caller allows.

use crate::answer::Answer;
use crate::case::Case;
use crate::diagnose::{Cause, Check, Finding, Stage, Verdict};

/// The check.
pub(super) const CHECK: Check = Check {
    id: "nested-permission-refused",
    cause: Some(Cause::NoIdTokenPermission),
    stage: Stage::Permission,
    title: "a reusable workflow asks for more than its caller allows",
    page: include_str!("../../docs/checks/nested-permission-refused.md"),
    run,
};

fn run(case: &Case<'_>) -> Verdict {
    if case.answer != Some(Answer::NestedPermission) {
        return Verdict::Clear;
    }
    let text = super::pasted(case).unwrap_or_default();
    let job = text
        .split_once("nested job '")
        .and_then(|(_, rest)| rest.split('\'').next());
    let what = job.map_or_else(
        || "the called workflow".to_owned(),
        |job| format!("the nested job `{job}`"),
    );
    Verdict::Found(
        Finding::blocks(format!("{what} asks for `id-token: write`, and the job that calls it does not allow that"))
            .note("along a chain of reusable workflows permissions can only be kept or reduced; asking for more stops the run before it starts")
            .help("give the calling job `permissions:` with `id-token: write` (and what else the called workflow needs, such as `contents: read`)"),
    )
}
