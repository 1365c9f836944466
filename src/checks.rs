//! The checks, in stage order, exact before general. To add one: a file, a line here, a page, a case that must not fire.

mod account_mismatch;
mod action_mismatch;
mod audience_mismatch;
mod audience_not_registered;
mod audience_unchecked;
mod chained_role_not_trusted;
mod claim_mismatch;
mod clock_skew;
mod condition_key_absent;
mod condition_vacuous;
mod denied_elsewhere;
mod duration_out_of_range;
mod endpoint_unreachable;
mod environment_protection;
mod explicit_deny;
mod external_id_mismatch;
mod fork_pull_request;
mod id_token_permission_missing;
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
mod session_expired;
mod session_name_invalid;
mod session_policy_invalid;
mod session_tag_invalid;
mod session_tagging_denied;
mod signing_keys_unreachable;
mod subject_branch;
mod subject_case;
mod subject_customized;
mod subject_environment;
mod subject_immutable;
mod subject_malformed;
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
mod token_foreign;
mod token_request_failed;

use crate::case::{Case, PolicyCase};
use crate::diagnose::{Certainty, Check, Document, Finding, Label, Verdict};
use crate::difference::{Kind, SubjectDifference};
use crate::evidence::{Attempt, Probe};
use crate::fix;
use crate::policy::{Decision, Effect, Leaf};
use crate::source::Span;
use crate::subject::{Context, Subject};
use crate::unseen;
use crate::witness::{self, Breadth};
use crate::workflow::IdToken;

/// All checks, in the order in which they are tried.
pub const CHECKS: &[Check] = &[
    fork_pull_request::CHECK,
    nested_permission_refused::CHECK,
    id_token_permission_missing::CHECK,
    environment_protection::CHECK,
    other_credentials_used::CHECK,
    token_request_failed::CHECK,
    token_foreign::CHECK,
    token_expired::CHECK,
    clock_skew::CHECK,
    role_input_empty::CHECK,
    role_arn_malformed::CHECK,
    account_mismatch::CHECK,
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
    subject_branch::CHECK,
    subject_repository::CHECK,
    subject_mismatch::CHECK,
    condition_key_absent::CHECK,
    claim_mismatch::CHECK,
    denied_elsewhere::CHECK,
    role_chaining_missing::CHECK,
    chained_role_not_trusted::CHECK,
    session_tagging_denied::CHECK,
    external_id_mismatch::CHECK,
    session_expired::CHECK,
    permission_denied_after_login::CHECK,
    subject_unrestricted::CHECK,
    subject_too_broad::CHECK,
    condition_vacuous::CHECK,
    audience_unchecked::CHECK,
];

/// The check with an id.
#[must_use]
pub fn by_id(id: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.id == id)
}

/// What all subject checks share: the one `sub` condition that fails, told by the kind of its difference.
fn subject(case: &Case<'_>, is: fn(&Kind) -> bool, finding: fn(&Case<'_>, &SubjectDifference) -> Finding) -> Verdict {
    let Some(policy) = case
        .policy
        .as_ref()
        .filter(|_| !case.is_allowed() && !case.asks_with_credentials())
    else {
        return Verdict::Clear;
    };
    let Some(difference) = policy.subject.as_ref().filter(|difference| is(&difference.kind)) else {
        return Verdict::Clear;
    };
    let mut finding = finding(case, difference).explains([difference.leaf]);
    // The primary label comes first; a finding's own labels (the workflow's) after it.
    let mut labels = vec![policy_label(case, policy, difference)];
    labels.extend(case.claim_label("sub", "the token's subject"));
    labels.append(&mut finding.labels);
    finding.labels = labels;
    if difference.others > 0 {
        let others = difference.others;
        let values = if others == 1 { "value does" } else { "values do" };
        finding = finding.note(format!(
            "this is the nearest of {} values; the other {others} {values} not match either",
            others + 1
        ));
    }
    finding.notes.extend(unseen::difference(
        &difference.pattern,
        &difference.subject,
        difference.literal,
    ));
    finding.notes.extend(difference.also.iter().cloned());
    if policy.trace.decision == Decision::Undecided {
        finding = finding.certainty(Certainty::Likely);
    }
    let others = other_allows(policy, policy.nearest.unwrap_or_default());
    Verdict::Found(finding.notes(others).fixes(fix::admit(case)))
}

/// The part of the policy's value that differs, where the text lets it be pointed at.
fn policy_label(case: &Case<'_>, policy: &PolicyCase, difference: &SubjectDifference) -> Label {
    let Leaf::Key {
        statement,
        condition,
        key,
    } = difference.leaf
    else {
        return case.policy_label(difference.span, "", "");
    };
    let found = policy
        .policy
        .statements
        .get(statement)
        .and_then(|s| s.conditions.get(condition))
        .and_then(|c| c.keys.get(key));
    let pointer = found
        .map(|key| policy.value_pointer(difference.leaf, key, difference.value))
        .unwrap_or_default();
    let inner = Span::new(difference.span.start + 1, difference.span.end.saturating_sub(1));
    let raw = case.policy_source.as_ref().map_or("", |source| source.slice(inner));
    // An escape in the text, or a variable in the value: then the bytes do not correspond.
    let (from, to) = difference.part;
    let span = if raw == difference.pattern && from < to {
        Span::new(inner.start + from, inner.start + to)
    } else {
        difference.span
    };
    let text = match &difference.kind {
        Kind::WildcardLiteral => "taken literally here".to_owned(),
        Kind::Malformed(reason) => reason.clone(),
        _ => format!("the token has `{}` here", difference.token_part),
    };
    Label {
        document: Document::TrustPolicy,
        pointer,
        span,
        text,
    }
}

/// What the policy expects after the repository, and what the token has, in words.
fn contexts(difference: &SubjectDifference) -> (String, String) {
    let (from, to) = difference.part;
    let wanted = Context::of(difference.pattern.get(from..to).unwrap_or_default()).words();
    let has = Subject::parse(&difference.subject)
        .and_then(|subject| subject.kind())
        .map(|kind| kind.words())
        .unwrap_or_default();
    (wanted, has)
}

/// The environment that a value names.
fn environment_in(pattern: &str) -> String {
    pattern
        .split_once("environment:")
        .map(|(_, name)| name)
        // `${{ … }}` would be an expression in a workflow.
        .filter(|name| !name.contains('$'))
        .unwrap_or("NAME")
        .replace("%3A", ":")
}

/// The job's `environment`, where the workflow is known.
fn environment_in_workflow(case: &Case<'_>) -> Option<Label> {
    let Some(Ok(workflow)) = &case.workflow else {
        return None;
    };
    let id = case.runner().and_then(|runner| runner.job.as_deref());
    let job =
        workflow
            .jobs
            .iter()
            .find(|job| Some(job.id.value.as_str()) == id)
            .or(match workflow.jobs.as_slice() {
                [only] => Some(only),
                _ => None,
            })?;
    let environment = job.environment.as_ref()?;
    Some(case.workflow_label(environment.span, "this environment is what the subject names"))
}

/// The name of the operator of a difference, as written.
fn operator_name(case: &Case<'_>, difference: &SubjectDifference) -> String {
    let Leaf::Key {
        statement, condition, ..
    } = difference.leaf
    else {
        return String::new();
    };
    case.policy
        .as_ref()
        .and_then(|policy| policy.policy.statements.get(statement))
        .and_then(|statement| statement.conditions.get(condition))
        .map_or_else(String::new, |condition| condition.name.clone())
}

/// "the nearest of 3 statements is explained": a note where several statements allow something.
fn other_allows(policy: &PolicyCase, nearest: usize) -> Option<String> {
    let count = policy
        .policy
        .statements
        .iter()
        .filter(|statement| statement.effect.value == Effect::Allow)
        .count();
    (count > 1).then(|| format!("statement {} of the policy comes nearest and is explained; the other {} that allow something do not match either", nearest + 1, count - 1))
}

/// A risk that a witness proves.
fn risk(case: &Case<'_>, breadth: Breadth) -> Verdict {
    match witness::search(case).iter().find(|witness| witness.breadth == breadth) {
        Some(witness) => Verdict::Found(witness.finding(case)),
        None => Verdict::Clear,
    }
}

/// The message that somebody pasted, or AWS's own, as it came.
fn message<'a>(case: &Case<'a>) -> Option<&'a str> {
    match case.hop.attempt.as_ref().and_then(Probe::known) {
        Some(Attempt::Reported { text }) => Some(text),
        Some(Attempt::Denied { message, .. }) => Some(message),
        _ => case.evidence.reported.as_deref(),
    }
}

/// The same on one line, without colours, quote marks and what else surrounds it.
fn pasted(case: &Case<'_>) -> Option<String> {
    message(case).map(crate::answer::one_line)
}

/// A text on one line, cut at a length in characters.
fn one_line(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > most {
        let cut: String = line.chars().take(most).collect();
        format!("{cut}…")
    } else {
        line
    }
}

/// The nearest of some names, where one is near.
fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .filter(|known| *known != name)
        .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
        .filter(|(alike, _)| *alike > 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

impl Case<'_> {
    /// Does the workflow at hand grant `id-token: write` to all of its jobs (or to the one that runs)?
    fn workflow_grants_id_token(&self) -> bool {
        let Some(Ok(workflow)) = &self.workflow else {
            return false;
        };
        let grants = |job: &crate::workflow::Job| {
            let permissions = job.permissions.as_ref().or(workflow.permissions.as_ref());
            permissions.is_some_and(|permissions| matches!(permissions.id_token, IdToken::Write(_)))
        };
        let id = self.runner().and_then(|runner| runner.job.as_deref());
        match workflow.jobs.iter().find(|job| Some(job.id.value.as_str()) == id) {
            Some(job) => grants(job),
            None if workflow.jobs.is_empty() => workflow
                .permissions
                .as_ref()
                .is_some_and(|permissions| matches!(permissions.id_token, IdToken::Write(_))),
            None => workflow.jobs.iter().all(grants),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_stages_in_order() {
        let mut ids: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
        assert!(CHECKS.windows(2).all(|pair| pair[0].stage <= pair[1].stage));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), CHECKS.len());
    }
}
