//! The eight causes, one row each: it applies, or why it is ruled out.

use crate::aws::answer::Answer;
use crate::case::{Case, PolicyCase};
use crate::configure::Flow;
use crate::evidence::Environment;
use crate::finding::{Cause, CauseRow, CauseStatus, Certainty, Found, Severity};
use crate::github::issuer::issuer_host;
use crate::github::subject::Subject;
use crate::github::subject::difference::{Also, Kind};
use crate::policy::wildcard::matches;
use crate::policy::{Decision, Outcome};
use crate::text::masked::is_masked;

/// Returns the eight causes, one row each.
#[must_use]
pub(super) fn causes(case: &Case<'_>, findings: &[Found]) -> Vec<CauseRow> {
    Cause::ALL
        .into_iter()
        .map(|cause| {
            let found = findings
                .iter()
                .filter(|finding| finding.cause() == Some(cause) && finding.severity != Severity::Note)
                .min_by_key(|finding| finding.certainty());
            let (status, because) = match found {
                Some(finding) if finding.certainty() == Certainty::Possible => (CauseStatus::Undecided, finding.said()),
                Some(finding) => (CauseStatus::Applies, finding.said()),
                None => match ruled_out(case, cause, findings) {
                    Ok(because) => (CauseStatus::RuledOut, because),
                    Err(because) => (CauseStatus::Undecided, because),
                },
            };
            CauseRow { cause, status, because }
        })
        .collect()
}

/// Says why a cause is ruled out, or why that cannot be determined.
fn ruled_out(case: &Case<'_>, cause: Cause, findings: &[Found]) -> Result<String, String> {
    let answer = case.answer.as_ref();
    let out = |because: &str| Ok(because.to_owned());
    let open = |because: &str| Err(because.to_owned());
    // A token that isn't sent can't be refused. Row 6 is about the policy alone.
    if matches!(case.flow, Flow::AccessKey | Flow::Chaining)
        && !matches!(cause, Cause::EnvironmentProtection | Cause::TooMuch)
    {
        return out("the step uses AWS credentials: no ID token is sent");
    }
    if case.asks_with_credentials() && cause == Cause::TooMuch {
        return open("the role was requested with AWS credentials: which tokens it accepts was not checked");
    }
    if case.flow.keeps() && !matches!(cause, Cause::EnvironmentProtection | Cause::TooMuch) {
        return out("the step assumes no role: no token is sent");
    }
    if case.is_allowed() && cause != Cause::TooMuch {
        return out(if case.flow.has_credentials() {
            "AWS accepted the credentials, and no token was sent"
        } else {
            "AWS accepted the token"
        });
    }
    // On purpose, not for lack of the permission.
    let is_token = !matches!(cause, Cause::TooMuch | Cause::EnvironmentProtection);
    if is_token && matches!(case.flow, Flow::AccessKey | Flow::Chaining | Flow::Existing) {
        return out("the step uses AWS credentials: no ID token is sent");
    }
    let no_token = matches!(
        answer,
        Some(Answer::NoCredentials | Answer::TokenNotGranted | Answer::TokenRequestFailed(_))
    ) || answer.is_none() && case.runner().and_then(|runner| runner.id_token_request) == Some(false);
    match cause {
        Cause::NoIdTokenPermission => {
            if case.claims.is_some() {
                out(token_is_there(case))
            } else if answer.is_some_and(Answer::token_was_sent) {
                out("AWS responded to the job's token")
            } else if matches!(answer, Some(Answer::TokenRequestFailed(_))) {
                out("the job was able to request a token: it was the response that failed")
            } else if case.runner().and_then(|runner| runner.id_token_request) == Some(true) {
                out("the variables for requesting an ID token are set")
            } else if case.runner().and_then(|runner| runner.id_token_request) == Some(false) {
                open("the job isn't allowed to request an ID token, which the step needs only with a role")
            } else {
                open("nothing shows whether the job is allowed to request an ID token")
            }
        }
        Cause::NoProvider => {
            let host = issuer_host(&case.issuer);
            if case
                .provider()
                .is_some_and(|p| p.url.as_deref().map(issuer_host) == Some(host))
            {
                out("the account has the provider, and its URL matches the token's issuer")
            } else if answer.is_some_and(Answer::passed_provider) {
                out("AWS's answer most likely means that it had already found the provider")
            } else if matches!(answer, Some(Answer::Thumbprint | Answer::WrongAudience)) {
                out("AWS's answer is about the provider, so it has found it")
            } else if answer.is_some_and(Answer::provider_exists) {
                open("AWS's answer most likely means that it had already found the provider")
            } else if no_token {
                open("AWS was not reached, and the provider was not read")
            } else {
                open(match answer {
                    Some(Answer::NoProvider(_)) => {
                        "AWS found no provider in the role's account; with `role-chaining` none is needed there"
                    }
                    Some(_) => "the account's providers were not read, and AWS's answer does not say",
                    None => "the account's providers were not read, and AWS's answer is not known",
                })
            }
        }
        Cause::Thumbprint => {
            let known = case.claims.is_some() || matches!(answer, Some(Answer::NoProvider(Some(_))));
            if known && case.deployment().is_hosted_by_github() {
                // IAM User Guide, `id_roles_providers_create_oidc`; if AWS falls back to the thumbprint, its answer says so.
                out("AWS checks GitHub's certificate against its own root authorities: it needs no thumbprint")
            } else if answer.is_some_and(Answer::passed_provider) {
                out("AWS's answer most likely means that it had already accepted the issuer's certificate")
            } else if known {
                open("the issuer is not GitHub's own, and AWS's answer does not say")
            } else {
                open("the token's issuer is not known")
            }
        }
        Cause::Subject | Cause::Context => subject(case, cause, findings),
        Cause::Audience => audience(case),
        Cause::TooMuch => match (&case.policy, &case.openings().undecided) {
            (None, _) => open("the trust policy is not known"),
            (_, Some(because)) => open(because),
            _ if case
                .policy_source
                .as_ref()
                .is_some_and(|source| is_masked(&source.text)) =>
            {
                open("part of the policy is masked: who it accepts is not known")
            }
            _ => out("no subject from a stranger's repository is accepted"),
        },
        Cause::EnvironmentProtection => {
            let environment = case.environment().filter(|_| case.job_ran());
            let rules = environment.map(Environment::rules).filter(|rules| !rules.is_empty());
            if let Some((environment, rules)) = environment.zip(rules) {
                Ok(format!(
                    "the job is running: the environment `{}` has let it through ({rules})",
                    environment.name
                ))
            } else if case.job_ran() {
                out(match case.runner() {
                    Some(_) => "the job is running: protection rules would have held it back before it started",
                    None => "the job ran: protection rules would have held it back before it started",
                })
            } else {
                open("nothing shows whether the job ran")
            }
        }
    }
}

const MASKED_ISSUER: &str = "the token's issuer is masked, so which keys of the policy are its own is not known";

/// Says that there is a token, but not that the job got it if claims were only passed in.
pub(super) fn token_is_there(case: &Case<'_>) -> &'static str {
    match case.runner() {
        Some(_) => "the job got an ID token",
        None => "the claims that were given are those of an ID token",
    }
}

fn subject(case: &Case<'_>, cause: Cause, findings: &[Found]) -> Result<String, String> {
    let Some(policy) = &case.policy else {
        return Err("the trust policy is not known".to_owned());
    };
    if let Some(difference) = &policy.subject {
        let other = findings
            .iter()
            .any(|finding| matches!(finding.cause(), Some(Cause::Subject | Cause::Context)));
        if other && case.comparing.is_spent() {
            return Err("not all values of the `sub` condition were compared".to_owned());
        }
        if other {
            let (wanted, has) = (Subject::parse(&difference.pattern), Subject::parse(&difference.subject));
            let both = wanted.zip(has);
            let same_repository = both.is_some_and(|(wanted, has)| wanted.repository_part() == has.repository_part());
            let same_rest = both
                .is_some_and(|(wanted, has)| matches(wanted.context.unwrap_or("*"), has.context.unwrap_or_default()));
            return match cause {
                Cause::Subject if is_masked(&difference.pattern) || is_masked(&difference.subject) => {
                    Err("part of the subject, or of the policy's value for it, is masked".to_owned())
                }
                Cause::Subject => Ok("the repository part of the subject matches; only the rest does not".to_owned()),
                _ if difference.also.iter().any(|also| matches!(also, Also::Context(..))) => {
                    Err("the repository part differs first; the rest differs as well".to_owned())
                }
                _ if difference.kind == Kind::Case && !same_rest => {
                    Err("what follows the repository differs in letter case".to_owned())
                }
                _ if same_repository && !matches!(difference.kind, Kind::Case | Kind::WildcardLiteral) => {
                    Err("the value of the `sub` condition cannot be compared part by part".to_owned())
                }
                _ if matches!(
                    difference.kind,
                    Kind::Immutable | Kind::Case | Kind::WildcardLiteral | Kind::Repository
                ) =>
                {
                    Ok("what follows the repository matches".to_owned())
                }
                _ => Err("the repository part differs first".to_owned()),
            };
        }
    }
    if case.decision() == Some(Decision::Allow) {
        return Ok("the trust policy accepts this subject".to_owned());
    }
    let Some((_, _, _)) = policy.nearest() else {
        return Ok("no statement of the policy allows anything".to_owned());
    };
    let of_token = format!("{}:", issuer_host(&case.issuer));
    let name = format!("{of_token}sub");
    let nearest = policy.nearest_leaves();
    // Other claims say where a token comes from as well.
    let is_open = nearest.iter().any(|leaf| {
        let claim = leaf.name().to_lowercase();
        let claim = claim.strip_prefix(&of_token.to_lowercase());
        leaf.trace.outcome == Outcome::Unknown && claim.is_some_and(|claim| !matches!(claim, "aud" | "sub"))
    });
    let leaves: Vec<Outcome> = nearest
        .iter()
        .filter(|leaf| leaf.is(&name))
        .map(|leaf| leaf.trace.outcome)
        .collect();
    let is_another_issuers = policy
        .failing()
        .iter()
        .any(|leaf| leaf.name().to_lowercase().ends_with(":sub"));
    if leaves.is_empty() && is_another_issuers {
        Err("the `sub` condition applies to another issuer's tokens, so it was not compared".to_owned())
    } else if leaves.is_empty() && is_masked(&case.issuer) {
        Err(MASKED_ISSUER.to_owned())
    } else if is_open && leaves.iter().all(|outcome| *outcome == Outcome::Match) {
        Err("a condition on another claim of the token is not decided".to_owned())
    } else if leaves.is_empty() {
        Ok("the policy has no condition on this token's subject".to_owned())
    } else if leaves.iter().all(|outcome| *outcome == Outcome::Match) {
        Ok("the `sub` condition matches the token".to_owned())
    } else if findings.iter().any(|finding| finding.cause() == Some(Cause::Context)) {
        Ok("the repository part of the subject matches; only the rest does not".to_owned())
    } else if findings.iter().any(|finding| finding.cause() == Some(Cause::Subject)) {
        Err("the operator does not compare the subject part by part".to_owned())
    } else if case.claims.is_none() {
        Err("there is no token to compare the `sub` condition with".to_owned())
    } else {
        Err("the `sub` condition cannot be decided here".to_owned())
    }
}

fn audience(case: &Case<'_>) -> Result<String, String> {
    let is_read = match (case.own_client_ids(), case.claims.and_then(|c| c.audience())) {
        (Some(ids), Some(audience)) => ids.iter().any(|id| id == audience),
        _ => false,
    };
    // AWS publishes no order of its checks: that the client IDs come first is inferred.
    let registered = is_read || case.answer.as_ref().is_some_and(Answer::passed_provider);
    let accepts = match is_read {
        true => "the provider accepts",
        false => "the provider most likely accepts",
    };
    let name = format!("{}:aud", issuer_host(&case.issuer));
    // What the nearest statement requires of the audience; `None` if nothing.
    let policy = case.policy.as_ref().map(|policy| {
        let leaves = policy.nearest_leaves();
        let asked: Vec<Outcome> = leaves
            .iter()
            .filter(|leaf| leaf.is(&name))
            .map(|leaf| leaf.trace.outcome)
            .collect();
        (!asked.is_empty()).then(|| asked.iter().all(|outcome| *outcome == Outcome::Match))
    });
    // Of several statements the nearest one is a guess until the rest of the token is known.
    let is_open =
        |policy: &PolicyCase| policy.trace.decision == Decision::Undecided && policy.rivals().next().is_some();
    if case.claims.is_some() && case.policy.as_ref().is_some_and(is_open) {
        return Err("which statement of the policy is meant for this token is not known".to_owned());
    }
    if is_masked(&case.issuer) && matches!(policy, Some(None)) {
        return Err(MASKED_ISSUER.to_owned());
    }
    match (registered, policy) {
        (true, Some(Some(true))) => Ok(format!("{accepts} the token's audience, and the policy accepts it")),
        (true, Some(None)) => Ok(format!(
            "{accepts} the token's audience, and the policy does not require one"
        )),
        (false, Some(Some(true) | None)) if case.claims.is_some() => {
            Err("the policy accepts the audience; the provider's client IDs are not known".to_owned())
        }
        (true, None) => Err(format!("{accepts} the audience; the trust policy is not known")),
        (true, Some(Some(false))) => Err(format!(
            "{accepts} the audience; the policy's condition on it is undecided"
        )),
        _ if case.claims.is_none() => Err("there is no token to read the audience from".to_owned()),
        _ => Err("neither the provider's client IDs nor the policy's condition on the audience is known".to_owned()),
    }
}
