//! AWS refused the role and its trust policy was not read: what a policy might not expect about this token, likeliest first.
//!
//! Nothing here is more than possible. The forms a subject can take: GitHub docs, "OpenID Connect reference".

use crate::aws::answer::Answer;
use crate::aws::arn::usual_audience;
use crate::case::Case;
use crate::checks;
use crate::evidence::SubjectTemplate;
use crate::finding::{Certainty, Finding, Found};
use crate::github::claims::Claims;
use crate::github::subject::difference::queue_base;
use crate::github::subject::{Context, Subject, customized_keys};
use crate::text::masked::is_masked;

/// More guesses than this help nobody.
const MOST: usize = 4;

/// Lists what may keep this token out.
pub(super) fn findings(case: &Case<'_>) -> Vec<Found> {
    let is_refused = matches!(case.answer, Some(Answer::NotAuthorized(None))) && case.policy_source.is_none();
    let Some(claims) = case.claims.filter(|_| is_refused && !case.asks_with_credentials()) else {
        return Vec::new();
    };
    let suspects = [
        customized(case, claims),
        immutable(case, claims),
        context(claims),
        called_workflow(claims),
        audience(case, claims),
        capitals(claims),
    ];
    let found = suspects.into_iter().flatten().filter_map(|suspect| {
        let rule = &checks::by_id(suspect.id)?.rule;
        let finding = Finding::blocks(suspect.message)
            .at_most(Certainty::Possible)
            .label(case.claim_label(suspect.claim, suspect.label))
            .note("AWS refused the role, and the trust policy was not read: a policy might not expect this part of the token")
            .notes(suspect.known)
            .help(suspect.look_for);
        Some(Found { rule, finding })
    });
    found.take(MOST).collect()
}

/// Something about the token.
struct Suspect {
    /// The check that would find it.
    id: &'static str,
    claim: &'static str,
    label: &'static str,
    message: String,
    look_for: String,
    /// What GitHub's API says about it.
    known: Option<String>,
}

fn subject(claims: &Claims) -> Option<Subject<'_>> {
    Subject::parse(claims.subject()?)
}

fn customized(case: &Case<'_>, claims: &Claims) -> Option<Suspect> {
    let text = claims.subject()?;
    if subject(claims).is_some_and(|subject| subject.is_default()) {
        return None;
    }
    let keys = customized_keys(text).join("`, `");
    Some(Suspect {
        id: "subject-customized",
        claim: "sub",
        label: "this is not the default format",
        message: format!(
            "the token's subject is customized: it is built from `{keys}`, which a policy written for the default format does not match"
        ),
        look_for: format!("look for a `sub` value in the trust policy that matches `{text}`"),
        known: case.subject_template().and_then(SubjectTemplate::words),
    })
}

fn immutable(case: &Case<'_>, claims: &Claims) -> Option<Suspect> {
    let subject = subject(claims).filter(Subject::is_immutable)?;
    Some(Suspect {
        id: "subject-immutable",
        claim: "sub",
        label: "includes the owner's and the repository's IDs",
        message:
            "the token's subject includes IDs (`owner@id/repository@id`), which a policy with names only does not match"
                .to_owned(),
        look_for: format!(
            "check whether the trust policy has `repo:{}:…`; it must have `repo:{}:…`",
            subject.names(),
            subject.repository_part()
        ),
        known: case.why_immutable(),
    })
}

fn context(claims: &Claims) -> Option<Suspect> {
    let subject = subject(claims).filter(Subject::is_default)?;
    let (id, message, look_for) = match subject.kind()? {
        Context::Environment(name) => (
            "subject-environment",
            format!("the job has an environment, so its subject names the environment `{name}` and not a branch"),
            "check whether the trust policy names a branch or a tag: the environment replaces it",
        ),
        Context::PullRequest => (
            "subject-pull-request",
            "the job runs for a pull request, so its subject ends in `:pull_request` and does not name a branch"
                .to_owned(),
            "check whether the trust policy names a branch: a pull request never matches one, whatever branch it comes from",
        ),
        Context::Tag(name) => (
            "subject-tag",
            format!("the job runs for the tag `{name}`, and its subject names it"),
            "check whether the trust policy names only branches (`ref:refs/heads/…`)",
        ),
        Context::Branch(name) if queue_base(name).is_some() => (
            "subject-merge-queue",
            "the job runs for a merge queue, so its subject names the queue's branch".to_owned(),
            "check whether the trust policy names the target branch: the queue uses a branch of its own",
        ),
        Context::Branch(_) | Context::Other(_) => return None,
    };
    Some(Suspect {
        id,
        claim: "sub",
        label: "the token's subject",
        message,
        look_for: look_for.to_owned(),
        known: None,
    })
}

/// Suspects a reusable workflow of another repository: the subject stays the caller's.
fn called_workflow(claims: &Claims) -> Option<Suspect> {
    let (own, called) = (claims.text("repository")?, claims.text("job_workflow_ref")?);
    let called = called.split("/.github/").next()?;
    (!called.eq_ignore_ascii_case(own) && !is_masked(own) && !is_masked(called)).then(|| Suspect {
        id: "subject-repository",
        claim: "job_workflow_ref",
        label: "the called workflow",
        message: format!(
            "the job belongs to a reusable workflow in `{called}`, but its subject names the caller `{own}`"
        ),
        look_for: format!(
            "check whether the trust policy names `{called}` in its `sub` condition: it must name `{own}`"
        ),
        known: None,
    })
}

fn audience(case: &Case<'_>, claims: &Claims) -> Option<Suspect> {
    let (partition, _) = case.account();
    let audience = claims
        .audience()
        .filter(|audience| *audience != usual_audience(&partition) && !is_masked(audience))?;
    Some(Suspect {
        id: "audience-mismatch",
        claim: "aud",
        label: "not the usual audience",
        message: format!("the token's audience is `{audience}`, which is not the usual one"),
        look_for: format!("check whether the trust policy's `aud` condition has `{audience}`"),
        known: None,
    })
}

fn capitals(claims: &Claims) -> Option<Suspect> {
    let subject = subject(claims)?;
    let names = subject.repository_part();
    (names.contains(|c: char| c.is_ascii_uppercase()) && !is_masked(names)).then(|| Suspect {
        id: "subject-case",
        claim: "sub",
        label: "contains capital letters",
        message: format!(
            "the names in the subject contain capital letters (`{names}`), and IAM compares them case-sensitively"
        ),
        look_for: format!("check whether the trust policy has `repo:{names}` in the same letter case"),
        known: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::diagnose::diagnose;
    use crate::evidence::Evidence;
    use crate::finding::{Certainty, Conclusion};

    #[test]
    fn without_a_policy_what_is_special_about_the_token_is_possible() {
        let plain = "repo:acme/widgets:ref:refs/heads/main";
        for (subject, audience, called, want) in [
            (plain, "sts.amazonaws.com", "acme/widgets", vec![]),
            (
                "repo:acme/widgets:environment:prod",
                "sts.amazonaws.com",
                "acme/widgets",
                vec!["subject-environment"],
            ),
            (
                "repo:acme@1/widgets@2:ref:refs/heads/main",
                "sts.amazonaws.com",
                "acme/widgets",
                vec!["subject-immutable"],
            ),
            (
                "repo:Acme@1/widgets@2:environment:prod",
                "sts.amazonaws.com",
                "acme/widgets",
                vec!["subject-immutable", "subject-environment", "subject-case"],
            ),
            (
                "repo:acme/widgets:pull_request",
                "sts.amazonaws.com",
                "acme/widgets",
                vec!["subject-pull-request"],
            ),
            (
                "repo:acme/widgets:ref:refs/tags/v1",
                "sts.amazonaws.com",
                "acme/widgets",
                vec!["subject-tag"],
            ),
            (
                "repo:acme/widgets:ref:refs/heads/gh-readonly-queue/main/pr-1-0a",
                "sts.amazonaws.com",
                "acme/widgets",
                vec!["subject-merge-queue"],
            ),
            (
                "repository_owner:acme:environment:prod",
                "sts.amazonaws.com",
                "acme/widgets",
                vec!["subject-customized"],
            ),
            (
                plain,
                "https://github.com/acme",
                "acme/widgets",
                vec!["audience-mismatch"],
            ),
            (plain, "sts.amazonaws.com", "acme/shared", vec!["subject-repository"]),
            // Masked values raise no suspicion.
            ("repo:XXXX/widgets:ref:refs/heads/main", "***", "***/widgets", vec![]),
        ] {
            let mut evidence = json!({
                "token": { "claims": {
                    "iss": "https://token.actions.githubusercontent.com", "sub": subject, "aud": audience, "repository": "acme/widgets",
                    "job_workflow_ref": format!("{called}/.github/workflows/deploy.yml@refs/heads/main"),
                } },
                "attempt": {
                    "outcome": "denied", "code": "AccessDenied", "message": "Not authorized to perform sts:AssumeRoleWithWebIdentity",
                },
            });
            let diagnosis = diagnose(&Evidence::from_json(&evidence.to_string()).unwrap());
            let found: Vec<_> = diagnosis.findings.iter().map(|found| found.rule.id).collect();
            assert_eq!(found, want, "{subject}");
            assert!(
                diagnosis
                    .findings
                    .iter()
                    .all(|found| found.certainty() == Certainty::Possible)
            );
            assert_eq!(diagnosis.conclusion, Conclusion::Denied);
            // Nothing is suspected if nothing failed, or something else did.
            for outcome in [
                json!(null),
                json!({"outcome": "allowed"}),
                json!({"outcome": "reported", "text": "Incorrect token audience"}),
            ] {
                if let Some(attempt) = evidence.get_mut("attempt") {
                    *attempt = outcome;
                }
                let mut evidence = evidence.clone();
                if evidence.get("attempt").is_some_and(serde_json::Value::is_null)
                    && let Some(map) = evidence.as_object_mut()
                {
                    map.remove("attempt");
                }
                let diagnosis = diagnose(&Evidence::from_json(&evidence.to_string()).unwrap());
                let possible = |id: &str| diagnosis.findings.iter().any(|found| found.rule.id == id);
                assert!(
                    !possible("subject-environment") && !possible("subject-immutable"),
                    "{evidence}"
                );
            }
        }
    }
}
