//! The handshake, stage by stage.

use crate::aws::answer::Answer;
use crate::case::Case;
use crate::configure::Flow;
use crate::finding::{Certainty, Found, Severity, Stage, StageRow, StageStatus};
use crate::github::issuer::{Deployment, issuer_host};
use crate::policy::Decision;

/// Returns the stages of the handshake, in order.
#[must_use]
pub(super) fn stages(case: &Case<'_>, findings: &[Found]) -> Vec<StageRow> {
    let mut failed = false;
    // A caller that uses AWS credentials on purpose has no token, and AWS looks for no provider.
    let is_signed = matches!(case.flow, Flow::AccessKey | Flow::Chaining | Flow::Existing);
    let is_here = |stage: &Stage| !is_signed || !matches!(stage, Stage::Token | Stage::Provider);
    let fails_here = |stage: Stage| {
        findings
            .iter()
            .any(|finding| finding.rule.stage == stage && finding.severity == Severity::Blocks)
    };
    // If the cause is certain, it doesn't matter what else is unknown.
    let cause = findings.iter().find(|finding| finding.severity == Severity::Blocks);
    let unknown = match cause.map(|cause| cause.certainty()) {
        Some(Certainty::Certain) => "",
        _ => "not known",
    };
    Stage::HANDSHAKE
        .into_iter()
        .filter(|stage| is_here(stage) && (*stage != Stage::Permission || !is_signed || fails_here(*stage)))
        .map(|stage| {
            let worst = findings
                .iter()
                .filter(|finding| finding.rule.stage == stage && finding.severity == Severity::Blocks)
                .min_by_key(|finding| finding.certainty());
            let (status, detail) = match worst {
                Some(finding) if finding.certainty() != Certainty::Possible => {
                    (StageStatus::Failed, finding.message.clone())
                }
                Some(finding) => (StageStatus::Undecided, format!("possible: {}", finding.message)),
                None => match passed(case, stage) {
                    Some(detail) => (StageStatus::Passed, detail),
                    None if stage == Stage::Provider && matches!(case.answer, Some(Answer::NoProvider(_))) => (
                        StageStatus::Failed,
                        "AWS found no provider in the role's account".to_owned(),
                    ),
                    None if failed => (StageStatus::NotReached, String::new()),
                    None => (StageStatus::Undecided, unknown.to_owned()),
                },
            };
            failed |= status == StageStatus::Failed;
            StageRow { stage, status, detail }
        })
        .collect()
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
        Stage::Request => is(case.is_allowed(), "AWS understood the request")
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
                let role = case.role()?;
                is(role.arn.is_some() || role.trust_policy.is_some(), "the role was read")
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
