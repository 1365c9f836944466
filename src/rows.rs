//! The frame of every report: the eight causes, the stages of the hand-shake, the facts that were compared, what is missing.

use crate::answer::Answer;
use crate::arn::{Deployment, issuer_host};
use crate::case::Case;
use crate::configure::{Flow, Input};
use crate::diagnose::{Cause, CauseRow, CauseStatus, Certainty, Finding, Open, Severity, Stage, StageRow, StageStatus};
use crate::difference::Kind;
use crate::evidence::{Attempt, Gap, Probe, Why};
use crate::policy::{Decision, Outcome};
use crate::source::Span;
use crate::subject::Subject;

/// The eight causes, a row each.
#[must_use]
pub fn causes(case: &Case<'_>, findings: &[Finding]) -> Vec<CauseRow> {
    Cause::ALL
        .into_iter()
        .map(|cause| {
            let found = findings
                .iter()
                .filter(|finding| finding.cause == Some(cause) && finding.severity != Severity::Note)
                .min_by_key(|finding| finding.certainty);
            let (status, because) = match found {
                Some(finding) if finding.certainty == Certainty::Possible => {
                    (CauseStatus::Undecided, format!("possible: {}", finding.message))
                }
                Some(finding) => (CauseStatus::Applies, finding.message.clone()),
                None => match ruled_out(case, cause, findings) {
                    Ok(because) => (CauseStatus::RuledOut, because),
                    Err(because) => (CauseStatus::Undecided, because),
                },
            };
            CauseRow { cause, status, because }
        })
        .collect()
}

/// Why a cause is ruled out, or why that cannot be said.
fn ruled_out(case: &Case<'_>, cause: Cause, findings: &[Finding]) -> Result<String, String> {
    let answer = case.answer.as_ref();
    let out = |because: &str| Ok(because.to_owned());
    let open = |because: &str| Err(because.to_owned());
    if case.is_allowed() && cause != Cause::TooMuch {
        return out("AWS let the token in");
    }
    let no_token = case.claims.is_none() && !answer.is_some_and(Answer::token_was_sent);
    match cause {
        Cause::NoIdTokenPermission => {
            if case.claims.is_some() {
                out("the job got an ID token")
            } else if answer.is_some_and(Answer::token_was_sent) {
                out("AWS answered to the job's token")
            } else if matches!(answer, Some(Answer::TokenRequestFailed(_))) {
                out("the job could ask for a token: it was the answer that failed")
            } else if case.runner().and_then(|runner| runner.id_token_request) == Some(true) {
                out("the variables to ask for an ID token are there")
            } else {
                open("nothing shows whether the job may ask for an ID token")
            }
        }
        Cause::NoProvider => {
            let host = issuer_host(&case.issuer);
            if case
                .provider()
                .is_some_and(|p| p.url.as_deref().map(issuer_host) == Some(host))
            {
                out("the account has the provider, and its URL is the token's issuer")
            } else if answer.is_some_and(Answer::provider_exists) {
                out("AWS's answer comes after it has found the provider")
            } else if no_token {
                open("AWS was not reached, and the provider was not read")
            } else {
                open(match answer {
                    Some(Answer::NoProvider(_)) => {
                        "AWS found none in the role's account; with `role-chaining` none is needed there"
                    }
                    Some(_) => "the account's providers were not read, and AWS's answer does not tell",
                    None => "the account's providers were not read, and AWS's answer is not known",
                })
            }
        }
        Cause::Thumbprint => {
            let known = case.claims.is_some() || matches!(answer, Some(Answer::NoProvider(Some(_))));
            if answer.is_some_and(Answer::passed_provider) {
                out("AWS accepted the issuer's certificate")
            } else if known && case.deployment().is_hosted_by_github() {
                out("AWS checks GitHub's certificate against its own root authorities, not the thumbprint")
            } else if known {
                open("the issuer is not GitHub's own, and AWS's answer does not tell")
            } else {
                open("the token's issuer is not known")
            }
        }
        Cause::Subject | Cause::Context => subject(case, cause, findings),
        Cause::Audience => audience(case),
        Cause::TooMuch => match &case.policy {
            Some(_) if case.searching.is_spent() => {
                open("not everything that the policy's patterns take in was looked at")
            }
            Some(_) => out("no subject of a stranger's repository gets in"),
            None => open("the trust policy is not known"),
        },
        Cause::EnvironmentProtection => {
            if case.job_ran() {
                out("this job is running: protection rules hold a job back before it starts")
            } else {
                open("nothing shows whether the job ran")
            }
        }
    }
}

fn subject(case: &Case<'_>, cause: Cause, findings: &[Finding]) -> Result<String, String> {
    let Some(policy) = &case.policy else {
        return Err("the trust policy is not known".to_owned());
    };
    if let Some(difference) = &policy.subject {
        let other = findings
            .iter()
            .any(|finding| matches!(finding.cause, Some(Cause::Subject | Cause::Context)));
        if other && case.comparing.is_spent() {
            return Err("not all values of the `sub` condition were compared".to_owned());
        }
        if other {
            let (wanted, has) = (Subject::parse(&difference.pattern), Subject::parse(&difference.subject));
            let both = wanted.zip(has);
            let same_repository = both.is_some_and(|(wanted, has)| wanted.repository_part() == has.repository_part());
            let same_rest = both.is_some_and(|(wanted, has)| wanted.context == has.context);
            return match cause {
                Cause::Subject => {
                    Ok("the repository part of the subject fits; only what follows it does not".to_owned())
                }
                _ if difference
                    .also
                    .iter()
                    .any(|also| also.starts_with("what follows the repository")) =>
                {
                    Err("the repository part differs first; what follows it differs as well".to_owned())
                }
                _ if difference.kind == Kind::Case && !same_rest => {
                    Err("what follows the repository differs in its letters' case".to_owned())
                }
                _ if same_repository && !matches!(difference.kind, Kind::Case | Kind::WildcardLiteral) => {
                    Err("the value of the `sub` condition cannot be compared part by part".to_owned())
                }
                _ if matches!(
                    difference.kind,
                    Kind::Immutable | Kind::Case | Kind::WildcardLiteral | Kind::Repository
                ) =>
                {
                    Ok("what follows the repository fits".to_owned())
                }
                _ => Err("the repository part differs first".to_owned()),
            };
        }
    }
    if case.decision() == Some(Decision::Allow) {
        return Ok("the trust policy lets this subject in".to_owned());
    }
    let Some((_, _, _)) = policy.nearest() else {
        return Ok("no statement of the policy allows anything".to_owned());
    };
    let name = format!("{}:sub", issuer_host(&case.issuer));
    let leaves: Vec<Outcome> = policy
        .nearest()
        .map(|(index, statement, trace)| crate::case::leaves(index, statement, trace))
        .unwrap_or_default()
        .iter()
        .filter(|leaf| leaf.key.key.value.eq_ignore_ascii_case(&name))
        .map(|leaf| leaf.trace.outcome)
        .collect();
    if leaves.is_empty() {
        Ok("the policy has no condition on this token's subject".to_owned())
    } else if leaves.iter().all(|outcome| *outcome == Outcome::Match) {
        Ok("the `sub` condition matches the token".to_owned())
    } else if case.claims.is_none() {
        Err("there is no token to compare the `sub` condition with".to_owned())
    } else {
        Err("the `sub` condition cannot be decided here".to_owned())
    }
}

fn audience(case: &Case<'_>) -> Result<String, String> {
    let registered = case.answer.as_ref().is_some_and(Answer::passed_provider)
        || match (case.own_client_ids(), case.claims.and_then(|c| c.audience())) {
            (Some(ids), Some(audience)) => ids.iter().any(|id| id == audience),
            _ => false,
        };
    let name = format!("{}:aud", issuer_host(&case.issuer));
    // What the nearest statement says of the audience; `None` where it does not ask.
    let policy = case.policy.as_ref().map(|policy| {
        let leaves = policy
            .nearest()
            .map(|(index, statement, trace)| crate::case::leaves(index, statement, trace))
            .unwrap_or_default();
        let asked: Vec<Outcome> = leaves
            .iter()
            .filter(|leaf| leaf.key.key.value.eq_ignore_ascii_case(&name))
            .map(|leaf| leaf.trace.outcome)
            .collect();
        (!asked.is_empty()).then(|| asked.iter().all(|outcome| *outcome == Outcome::Match))
    });
    match (registered, policy) {
        (true, Some(Some(true))) => Ok("the provider accepts the token's audience, and so does the policy".to_owned()),
        (true, Some(None)) => {
            Ok("the provider accepts the token's audience, and the policy does not ask for one".to_owned())
        }
        (false, Some(Some(true) | None)) if case.claims.is_some() => {
            Err("the policy is content with the audience; the provider's client ids are not known".to_owned())
        }
        (true, None) => Err("the provider accepts the audience; the trust policy is not known".to_owned()),
        (true, Some(Some(false))) => {
            Err("the provider accepts the audience; the policy's condition on it is not decided".to_owned())
        }
        _ if case.claims.is_none() => Err("there is no token to read the audience from".to_owned()),
        _ => Err("neither the provider's client ids nor the policy's condition on the audience are known".to_owned()),
    }
}

/// The stages of the hand-shake, in order.
#[must_use]
pub fn stages(case: &Case<'_>, findings: &[Finding]) -> Vec<StageRow> {
    let mut failed = false;
    Stage::HANDSHAKE
        .into_iter()
        .map(|stage| {
            let worst = findings
                .iter()
                .filter(|finding| finding.stage == stage && finding.severity == Severity::Blocks)
                .min_by_key(|finding| finding.certainty);
            let (status, detail) = match worst {
                Some(finding) if finding.certainty != Certainty::Possible => {
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
                    None => (StageStatus::Undecided, "not known".to_owned()),
                },
            };
            failed |= status == StageStatus::Failed;
            StageRow { stage, status, detail }
        })
        .collect()
}

/// What shows that a stage was passed.
fn passed(case: &Case<'_>, stage: Stage) -> Option<String> {
    let answer = case.answer.as_ref();
    let is = |yes: bool, words: &str| yes.then(|| words.to_owned());
    match stage {
        Stage::Permission => is(case.claims.is_some(), "the job got an ID token")
            .or_else(|| is(answer.is_some_and(Answer::token_was_sent), "the token was sent to AWS"))
            .or_else(|| {
                is(
                    case.runner().and_then(|runner| runner.id_token_request) == Some(true),
                    "the variables to ask for an ID token are there",
                )
            }),
        Stage::Token => is(answer.is_some_and(Answer::passed_provider), "AWS accepted the token").or_else(|| {
            is(
                case.claims.is_some_and(|claims| claims.subject().is_some()) && case.deployment() != Deployment::Other,
                "it is an ID token of GitHub Actions",
            )
        }),
        Stage::Request => is(answer.is_some_and(Answer::token_was_sent), "AWS understood the request")
            .or_else(|| is(matches!(case.role_arn, Some(Ok(_))), "the role's ARN is well-formed")),
        Stage::Provider => is(
            answer.is_some_and(Answer::passed_provider),
            "AWS found the provider and it accepted the token",
        )
        .or_else(|| {
            let provider = case.provider()?;
            let url = provider.url.as_deref().map(issuer_host) == Some(issuer_host(&case.issuer));
            let audience = case.claims?.audience()?;
            let registered = provider.client_ids.as_ref()?.iter().any(|id| id == audience);
            is(
                url && registered,
                "the account's provider fits the token's issuer and audience",
            )
        }),
        Stage::Role => is(
            case.is_allowed() || matches!(answer, Some(Answer::DurationOverMaximum)),
            "AWS found the role",
        )
        .or_else(|| {
            let role = case.role()?;
            is(role.arn.is_some() || role.trust_policy.is_some(), "the role was read")
        }),
        Stage::TrustPolicy => is(case.is_allowed(), "AWS let the token in").or_else(|| {
            is(
                case.decision() == Some(Decision::Allow),
                "the policy lets this request in",
            )
        }),
        Stage::Session => is(case.is_allowed(), "AWS gave a session"),
        Stage::Risk => None,
    }
}

/// Name and value of the facts that were compared.
#[must_use]
pub fn facts(case: &Case<'_>) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let request = case.request();
    if let Some(role) = request.given(Input::RoleToAssume) {
        facts.push(("role", role.to_owned()));
    } else if let Some(arn) = case.role().and_then(|role| role.arn.clone()) {
        facts.push(("role", arn));
    }
    if let Some(source) = &request.source {
        facts.push(("inputs", source.clone()));
    }
    if let Some(claims) = case.claims {
        facts.push(("subject", claims.subject().unwrap_or("(none)").to_owned()));
        facts.push(("audience", claims.audience().unwrap_or("(none)").to_owned()));
        facts.push(("issuer", claims.issuer().unwrap_or("(none)").to_owned()));
    }
    match case.hop.attempt.as_ref() {
        Some(Probe::Known(Attempt::Allowed { assumed_role_arn })) => {
            facts.push(("AWS", format!("allowed: {assumed_role_arn}")))
        }
        Some(Probe::Known(Attempt::Denied {
            code,
            message,
            request_id,
        })) => {
            let id = request_id
                .as_deref()
                .map(|id| format!(" (request {id})"))
                .unwrap_or_default();
            facts.push(("AWS", format!("{code}: {message}{id}")));
        }
        Some(Probe::Known(Attempt::Reported { text })) => facts.push(("reported", text.clone())),
        Some(Probe::Missing(gap)) => facts.push(("AWS", format!("no answer: {}", reason(gap)))),
        None => {}
    }
    if let Some(text) = &case.evidence.reported {
        facts.push(("reported", text.clone()));
    }
    facts
}

/// What is missing, and how to supply it.
#[must_use]
pub fn gaps(case: &Case<'_>) -> Vec<Open> {
    let mut gaps = Vec::new();
    if case.is_allowed() {
        return gaps;
    }
    let mut open = |wanted: &str, why: String, supply: &str| {
        gaps.push(Open {
            wanted: wanted.to_owned(),
            why,
            supply: supply.to_owned(),
        });
    };
    let nobody = || "nobody asked for it".to_owned();
    let running = case.evidence.runner.is_some();
    if case.claims.is_none() && case.flow == Flow::Oidc {
        let why = case
            .evidence
            .token
            .as_ref()
            .and_then(Probe::gap)
            .map_or_else(nobody, reason);
        open(
            "the token's claims",
            why,
            "run the doctor as a step of the failing job with `id-token: write`, or pass `--claims` with the claims",
        );
    }
    if case.request().get(Input::RoleToAssume).is_none() && case.role().and_then(|role| role.arn.as_ref()).is_none() {
        open(
            "the role",
            case.request()
                .source
                .clone()
                .unwrap_or_else(|| "no input names it".to_owned()),
            "pass `role-to-assume` with the role's ARN",
        );
    }
    let policy_known = case.policy_source.is_some();
    if !policy_known {
        let gap = case.hop.role.as_ref().and_then(Probe::gap);
        // That the role does not exist is a finding, not a gap.
        if gap.is_none_or(|gap| gap.why != Why::NotFound) {
            open(
                "the role's trust policy",
                gap.map_or_else(nobody, reason),
                "pass `trust-policy` with the file or the JSON (`aws iam get-role --role-name NAME`), give the job credentials that may \
                 `iam:GetRole` in the role's account, or name a `diagnosis-role`",
            );
        }
    }
    if case.provider().is_none()
        && !case.answer.as_ref().is_some_and(Answer::passed_provider)
        && !case.asks_with_credentials()
    {
        let gap = case.evidence.provider.as_ref().and_then(Probe::gap);
        if gap.is_none_or(|gap| gap.why != Why::NotFound) {
            open(
                "the account's OIDC provider",
                gap.map_or_else(nobody, reason),
                "pass `oidc-provider` with what `aws iam get-open-id-connect-provider` prints, or allow `iam:GetOpenIDConnectProvider`",
            );
        }
    }
    if case.answer.is_none() && case.flow == Flow::Oidc {
        match case.hop.attempt.as_ref().and_then(Probe::gap) {
            Some(gap) => open(
                "what AWS answers",
                reason(gap),
                "mend what kept the call from AWS, then run again",
            ),
            None if running => open(
                "what AWS answers",
                "AWS was not asked".to_owned(),
                "leave `attempt` at `true`, so that the real call is made",
            ),
            None => open(
                "what AWS answers",
                "AWS was not asked".to_owned(),
                "run the doctor in the job, or pass the message that was shown with `--error`",
            ),
        }
    }
    if let Some(policy) = &case.policy
        && policy.trace.decision == Decision::Undecided
    {
        let supply = if matches!(case.answer, Some(Answer::NotAuthorized(_))) {
            "everything else in the statement fits, so this is likely what denies: compare it by hand, or look the call up in CloudTrail"
        } else {
            "compare it by hand, or look the call up in CloudTrail"
        };
        for (statement, trace) in policy.policy.statements.iter().zip(&policy.trace.statements) {
            if trace.outcome != Outcome::Unknown {
                continue;
            }
            if trace.principal.outcome == Outcome::Unknown {
                let why = trace.principal.because.clone();
                let why = why.or_else(|| trace.principal.values.iter().find_map(|value| value.because.clone()));
                open(
                    "whether the principal fits",
                    why.unwrap_or_else(|| "AWS does not describe it".to_owned()),
                    supply,
                );
            }
            if statement.resource.is_some() {
                open(
                    "what `Resource` does in a trust policy",
                    "IAM refuses to store one, so AWS does not describe it".to_owned(),
                    "take `Resource` out of the policy",
                );
            }
            for leaf in crate::case::leaves(0, statement, trace) {
                if leaf.trace.outcome == Outcome::Unknown {
                    open(
                        &format!("whether the condition on `{}` holds", leaf.key.key.value),
                        leaf.trace.because.clone(),
                        supply,
                    );
                }
            }
        }
    }
    gaps
}

/// What is odd about the documents themselves.
#[must_use]
pub fn remarks(case: &Case<'_>) -> Vec<String> {
    let mut remarks = Vec::new();
    for (input, written) in &case.request().set_aside {
        let what = match input.as_str() {
            "audience" => "the token was asked for",
            "sts-endpoint" => "STS was asked at",
            _ => "AWS was asked through",
        };
        let used = match input.as_str() {
            "audience" => format!(
                "`{}`",
                case.request().get(Input::Audience).unwrap_or("sts.amazonaws.com")
            ),
            "sts-endpoint" => "AWS's own address, or the environment's".to_owned(),
            _ => "the environment's proxy, if it has one".to_owned(),
        };
        remarks.push(format!(
            "the step in the checkout has `{input}: {written}`, which is not followed, because a checkout can be a stranger's; \
             {what} {used}: if the step is yours, pass it as the input `{input}`"
        ));
    }
    if !case.evidence.left_out.is_empty() {
        let shown: Vec<_> = case.evidence.left_out.iter().take(20).map(String::as_str).collect();
        let more = case.evidence.left_out.len() - shown.len();
        let more = if more > 0 {
            format!(", and {more} more")
        } else {
            String::new()
        };
        remarks.push(format!(
            "not looked at, because ten roles are enough for one run: {}{more}",
            shown.join("; ")
        ));
    }
    if let (Some(policy), Some(source)) = (&case.policy, &case.policy_source) {
        const MOST: usize = 20;
        let more = policy.policy.duplicates.len().saturating_sub(MOST);
        for twice in policy.policy.duplicates.iter().take(MOST) {
            let written = |span: Span| source.text.get(span.start..span.end).unwrap_or_default();
            let (first, again) = (written(twice.first), written(twice.again));
            let which = if first != again && first.eq_ignore_ascii_case(again) {
                "the names of condition keys count without regard to case, and AWS does not say which of the two counts"
            } else {
                "most readers of JSON, AWS's among them, keep only one"
            };
            remarks.push(format!(
                "`{}` stands twice in one object of the trust policy, in lines {} and {}: {which}",
                twice.key,
                source.position(twice.first.start).line,
                source.position(twice.again.start).line
            ));
        }
        if more > 0 {
            remarks.push(format!(
                "{more} more keys stand twice in one object of the trust policy"
            ));
        }
    }
    remarks.extend(not_searched(case));
    if let (Some(Err(error)), Some(source)) = (&case.workflow, &case.workflow_source) {
        remarks.push(format!(
            "the workflow file `{}` cannot be read (line {}, column {}: {error}), so nothing is concluded from it",
            source.name, error.line, error.column
        ));
    }
    remarks
}

/// What was left out because the policy is too much to look at.
fn not_searched(case: &Case<'_>) -> Option<String> {
    let left_out: Vec<&str> = [
        (&case.comparing, "which of them comes nearest to the token"),
        (&case.searching, "who else gets in"),
        (&case.proving, "whether a change lets in others"),
    ]
    .into_iter()
    .filter_map(|(budget, what)| budget.is_spent().then_some(what))
    .collect();
    let policy = &case.policy.as_ref().filter(|_| !left_out.is_empty())?.policy;
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    Some(format!(
        "not searched further: the policy holds {} for the subject in {}, too much to find out in full {}",
        count(crate::witness::patterns(case, policy), "pattern"),
        count(policy.statements.len(), "statement"),
        left_out.join(", and ")
    ))
}

fn reason(gap: &Gap) -> String {
    if gap.detail.is_empty() {
        gap.why.words().to_owned()
    } else {
        format!("{}: {}", gap.why.words(), gap.detail)
    }
}
