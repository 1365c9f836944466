//! The handshake, stage by stage.

use crate::aws::answer::Answer;
use crate::case::Case;
use crate::finding::{Certainty, Found, Severity, Stage, StageRow, StageStatus};
use crate::github::issuer::{Deployment, issuer_host};
use crate::policy::{Decision, Outcome};

/// Returns the stages of the handshake, in order.
#[must_use]
pub(super) fn stages(case: &Case<'_>, findings: &[Found]) -> Vec<StageRow> {
    let mut failed = false;
    // A caller that uses AWS credentials on purpose has no token, and AWS looks for no provider.
    let is_signed = case.asks_with_credentials() || case.flow.keeps();
    let is_here = |stage: &Stage| !is_signed || !matches!(stage, Stage::Token | Stage::Provider);
    let fails_here = |stage: Stage| {
        findings
            .iter()
            .any(|finding| finding.rule.stage == stage && finding.severity == Severity::Blocks)
    };
    let is_over_maximum = case.answer == Some(Answer::DurationOverMaximum);
    Stage::HANDSHAKE
        .into_iter()
        .filter(|stage| is_here(stage) && (*stage != Stage::Permission || !is_signed || fails_here(*stage)))
        .map(|stage| {
            let worst = findings
                .iter()
                .filter(|finding| finding.rule.stage == stage && finding.severity == Severity::Blocks)
                .min_by_key(|finding| finding.certainty());
            let (status, detail) = match worst {
                Some(finding) if finding.certainty() != Certainty::Possible => (StageStatus::Failed, finding.said()),
                Some(finding) => (StageStatus::Undecided, finding.said()),
                None if case.flow.keeps() => (StageStatus::NotReached, NO_ROLE.to_owned()),
                None => match passed(case, stage) {
                    Some(detail) => (StageStatus::Passed, detail),
                    None if stage == Stage::Provider && matches!(case.answer, Some(Answer::NoProvider(_))) => (
                        StageStatus::Failed,
                        "AWS found no provider in the role's account".to_owned(),
                    ),
                    // AWS publishes no order: its answer most likely comes after the trust policy.
                    None if failed && !(stage == Stage::TrustPolicy && is_over_maximum) => {
                        (StageStatus::NotReached, String::new())
                    }
                    None => (StageStatus::Undecided, unknown(case, stage)),
                },
            };
            failed |= status == StageStatus::Failed;
            StageRow { stage, status, detail }
        })
        .collect()
}

const NO_ROLE: &str = "the step assumes no role";

/// Says what is not known about a stage.
fn unknown(case: &Case<'_>, stage: Stage) -> String {
    let words = match stage {
        Stage::Permission => "nothing shows whether the job is allowed to request an ID token",
        Stage::Token if case.claims.is_none() => "the token's claims are not known",
        Stage::Token => "the claims do not show that the token is one of GitHub Actions",
        Stage::Request if case.role_arn.is_none() => "the role's ARN is not known",
        Stage::Request => "the role's ARN is not known in full",
        Stage::Provider if case.provider().is_none() => "the account's OIDC provider is not known",
        Stage::Provider => "the provider that was read cannot be compared with the token",
        Stage::Role if case.role().is_some() => "nothing shows whose trust policy it is",
        Stage::Role => "the role was not read",
        Stage::TrustPolicy => return undecided(case),
        Stage::Session if case.answer.is_some() => "AWS's answer does not say",
        Stage::Session | Stage::Risk => "AWS was not asked",
    };
    words.to_owned()
}

/// Says why the trust policy is neither passed nor failed.
fn undecided(case: &Case<'_>) -> String {
    let Some(policy) = &case.policy else {
        return match case.policy_error {
            Some(_) => "the trust policy cannot be read",
            None => "the trust policy is not known",
        }
        .to_owned();
    };
    if policy.trace.decision != Decision::Undecided {
        return "the policy refuses this request, but AWS's answer does not say so".to_owned();
    }
    let open = policy.statements().flat_map(|(index, ..)| policy.leaves(index));
    let mut open = open.filter(|leaf| leaf.trace.outcome == Outcome::Unknown);
    match open.next() {
        Some(leaf) => format!(
            "whether the condition on `{}` holds is not known: {}",
            leaf.name(),
            leaf.trace.because
        ),
        None => "whether the principal matches is not known".to_owned(),
    }
}

/// Returns the stage at which AWS's answer plainly says it stopped, if it does.
pub(super) fn stopped_at(answer: &Answer) -> Option<Stage> {
    match answer {
        Answer::TokenNotGranted => Some(Stage::Permission),
        Answer::Expired | Answer::TokenRequestFailed(_) => Some(Stage::Token),
        Answer::RoleArnInvalid | Answer::RoleNameOnly | Answer::SessionNameInvalid => Some(Stage::Request),
        Answer::IdpUnreachable
        | Answer::KeysUnreachable
        | Answer::NoProvider(_)
        | Answer::NotAToken
        | Answer::Thumbprint
        | Answer::WrongAudience => Some(Stage::Provider),
        _ => None,
    }
}

/// Says what shows that a stage was passed. AWS publishes no order of its checks: what a refusal shows of the stages before it is inferred
/// from its messages.
fn passed(case: &Case<'_>, stage: Stage) -> Option<String> {
    let answer = case.answer.as_ref();
    let is = |yes: bool, words: &str| yes.then(|| words.to_owned());
    match stage {
        Stage::Permission => is(case.claims.is_some(), super::causes::token_is_there(case))
            .or_else(|| is(answer.is_some_and(Answer::token_was_sent), "the token was sent to AWS"))
            .or_else(|| {
                is(
                    matches!(answer, Some(Answer::TokenRequestFailed(_))),
                    "the job was able to request a token: it was the response that failed",
                )
            })
            .or_else(|| {
                is(
                    case.runner().and_then(|runner| runner.id_token_request) == Some(true),
                    "the variables for requesting an ID token are set",
                )
            }),
        Stage::Token => is(case.is_allowed(), "AWS accepted the token")
            .or_else(|| {
                is(
                    answer.is_some_and(Answer::passed_provider),
                    "AWS most likely accepted the token",
                )
            })
            .or_else(|| {
                is(
                    case.claims.is_some_and(|claims| claims.subject().is_some())
                        && case.deployment() != Deployment::Other,
                    "it is a GitHub Actions ID token",
                )
            }),
        Stage::Request => is(
            case.is_allowed() || matches!(answer, Some(Answer::AssumeRoleDenied(_))),
            "AWS understood the request",
        )
        .or_else(|| {
            is(
                answer.is_some_and(Answer::token_was_sent),
                "AWS most likely understood the request",
            )
        })
        .or_else(|| is(matches!(case.role_arn, Some(Ok(_))), "the role's ARN is well-formed")),
        Stage::Provider => is(case.is_allowed(), "AWS found the provider, which accepted the token")
            .or_else(|| {
                let provider = case.provider()?;
                let url = provider.url.as_deref().map(issuer_host) == Some(issuer_host(&case.issuer));
                let audience = case.claims?.audience()?;
                let registered = provider.client_ids.as_ref()?.iter().any(|id| id == audience);
                is(
                    url && registered,
                    "the account's provider matches the token's issuer and audience",
                )
            })
            .or_else(|| {
                is(
                    answer.is_some_and(Answer::passed_provider),
                    "AWS most likely found the provider, which accepted the token",
                )
            }),
        Stage::Role => is(case.is_allowed(), "AWS found the role")
            .or_else(|| {
                // A document by itself may be any role's.
                is(case.role()?.arn.is_some(), "the role was read")
            })
            .or_else(|| {
                is(
                    matches!(answer, Some(Answer::DurationOverMaximum)),
                    "AWS most likely found the role",
                )
            }),
        Stage::TrustPolicy => is(
            case.is_allowed(),
            if case.flow.has_credentials() {
                "AWS accepted the credentials"
            } else {
                "AWS accepted the token"
            },
        )
        .or_else(|| {
            is(
                case.decision() == Some(Decision::Allow),
                "the policy allows this request",
            )
        }),
        Stage::Session => is(case.is_allowed(), "AWS issued a session"),
        Stage::Risk => None,
    }
}
