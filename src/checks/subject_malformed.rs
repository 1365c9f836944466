//! `subject-malformed`: the value in the policy cannot be a default subject.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::finding::{Cause, Certainty, Finding, Rule, Stage};
use crate::github::subject::Subject;
use crate::github::subject::difference::{Kind, Reason, SubjectDifference};
use crate::policy::wildcard;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "subject-malformed",
        cause: Some(Cause::Subject),
        stage: Stage::TrustPolicy,
        title: "the value in the policy cannot be a default subject",
    },
    when: When::NotAllowedByToken,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let finding = super::check::subject(case, |kind| matches!(kind, Kind::Malformed(_)), finding)?;
    // The placeholder may have been inserted to share the policy. AWS's refusal is about the policy as stored.
    let is_template = case.policy.as_ref().and_then(|policy| policy.subject.as_ref());
    let is_template = is_template.is_some_and(|found| found.kind == Kind::Malformed(Reason::Placeholder));
    let refused = matches!(case.answer, Some(Answer::NotAuthorized(_)));
    Some(if is_template && !refused {
        finding.at_most(Certainty::Possible)
    } else {
        finding
    })
}

fn finding(_: &Case<'_>, difference: &SubjectDifference) -> Finding {
    let Kind::Malformed(reason) = &difference.kind else {
        return Finding::blocks("");
    };
    // Another token may give the variable a matching value, and a customized subject may have another form.
    let matches = if difference.pattern.contains("${") {
        "does not match this token"
    } else {
        "cannot match any subject in GitHub's default format"
    };
    let mut finding = Finding::blocks(format!("the `sub` condition's value {matches}: {reason}"))
        .note("a default subject is `repo:<owner>/<repository>:` and then `ref:refs/heads/<branch>`, `ref:refs/tags/<tag>`, `environment:<name>` or `pull_request`");
    // Templates produce these: `["repo"]`, `["repo", "ref"]` on a pull request, and those with the workflow's name. (GitHub docs, "OpenID
    // Connect reference".) The policy may have been written for one.
    let is_of_a_template = Subject::parse(&difference.pattern).is_some_and(|value| match value.context {
        Some(context) => ["refs/pull/", "ref:refs/pull/", "workflow:"]
            .iter()
            .any(|form| context.starts_with(form)),
        None => value.repository_part().matches('/').count() == 1,
    });
    if is_of_a_template {
        finding = finding
            .at_most(Certainty::Likely)
            .note("a customized subject can have this format; no default subject has it");
    }
    // A value that wouldn't match either doesn't help.
    let fits = |meant: &&String| {
        **meant == difference.subject || !difference.literal && wildcard::matches(meant, &difference.subject)
    };
    if let Some(meant) = difference.meant.as_ref().filter(fits) {
        finding = finding.help(format!("did you mean `{meant}`?"));
    }
    finding
}
