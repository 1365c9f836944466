//! From [`Evidence`] to [`Diagnosis`]: runs every check, picks the cause, and says whether each of the eight applies.

use std::collections::HashSet;

mod causes;
mod flow;
mod foreseen;
mod gaps;
mod stages;
mod suspects;
mod told;

use crate::aws::answer::Answer;
use crate::case::Case;
use crate::checks::CHECKS;
use crate::configure::{Flow, Input};
use crate::evidence::{Attempt, Evidence, Probe};
use crate::finding::{Cause, Certainty, Conclusion, Diagnosis, Found, Remedy, Rule, Session, Severity, Stage, Told};
use crate::fix;
use crate::policy::{Decision, Leaf};

/// Looks at everything known and says why the role cannot be assumed.
#[must_use]
pub fn diagnose(evidence: &Evidence) -> Diagnosis {
    diagnose_case(&Case::new(evidence))
}

/// Returns what the token says by itself, whatever else is known.
#[must_use]
pub fn told(evidence: &Evidence) -> Option<Told> {
    told::told(&Case::new(evidence))
}

/// Returns the checks that explain a message from AWS, GitHub or the action: those that find something, else those of the stage at which it
/// says it stopped. Empty if the message is not understood.
#[must_use]
pub fn explaining(message: &str) -> Vec<&'static Rule> {
    let evidence = Evidence {
        attempt: Some(Probe::Known(Attempt::Reported {
            text: message.to_owned(),
        })),
        ..Evidence::default()
    };
    let case = Case::new(&evidence);
    let stage = match &case.answer {
        None | Some(Answer::Other | Answer::Allowed) => return Vec::new(),
        Some(Answer::NotAuthorized(_)) => Some(Stage::TrustPolicy),
        Some(answer) => stages::stopped_at(answer),
    };
    let found: Vec<_> = diagnose_case(&case).findings.iter().map(|found| found.rule).collect();
    if !found.is_empty() {
        return found;
    }
    let rules = CHECKS.iter().map(|check| &check.rule);
    rules.filter(|rule| Some(rule.stage) == stage).collect()
}

/// More places than this for one mistake don't help the reader.
const MOST_PLACES: usize = 20;
/// The same for missing facts.
const MOST_GAPS: usize = 40;

/// Why this token is refused, and the conclusion, as [`diagnose`] would say it, without fixes: [`mended`] adds them.
#[must_use]
pub(crate) fn cause(case: &Case<'_>) -> (Conclusion, Option<Found>) {
    // A risk is never the cause, and searching for one takes longest.
    let (findings, _) = findings(case, |rule| rule.stage != Stage::Risk);
    let conclusion = conclude(case, &findings);
    let is_cause = |found: &Found| found.severity == Severity::Blocks;
    (conclusion, findings.into_iter().find(is_cause))
}

/// The cause with its fixes, as in the diagnosis.
#[must_use]
pub(crate) fn mended(case: &Case<'_>, cause: Found) -> Found {
    let mut findings = [cause];
    mend(case, &mut findings, |_| true);
    let [cause] = findings;
    cause
}

/// What [`diagnose`] finds whatever the policy decides on this token: who else gets in, and what stops the step itself.
#[must_use]
pub(crate) fn besides(case: &Case<'_>) -> Vec<Found> {
    let (mut findings, _) = findings(case, |_| true);
    let is_wanted =
        |found: &Found| found.severity == Severity::Risk || found.severity == Severity::Blocks && found.by_action;
    mend(case, &mut findings, is_wanted);
    findings.retain(is_wanted);
    findings
}

fn diagnose_case(case: &Case<'_>) -> Diagnosis {
    let mut gaps = gaps::gaps(case);
    let (mut findings, mut notes) = findings(case, |_| true);
    mend(case, &mut findings, |_| true);
    notes.extend(gaps::remarks(case));
    let is_settled = findings
        .iter()
        .any(|found| found.severity == Severity::Blocks && found.certainty() == Certainty::Certain);
    if !case.is_allowed() && !is_settled {
        gaps.extend(gaps::unread(case));
    }
    gaps.dedup();
    let more = gaps.len().saturating_sub(MOST_GAPS);
    if more > 0 {
        gaps.truncate(MOST_GAPS);
        notes.push(format!("{more} more missing facts are not listed"));
    }
    let conclusion = conclude(case, &findings);
    let session = match conclusion {
        Conclusion::Denied => None,
        _ if case.is_allowed() => Some(Session::Aws),
        Conclusion::Allowed => Some(Session::Policy),
        Conclusion::Undecided => None,
    };
    let no_role = case.names_no_role() && findings.iter().all(|found| found.severity != Severity::Blocks);
    Diagnosis {
        flow: case.flow,
        way: flow::flow(case),
        conclusion,
        is_partial: !case.evidence.left_out.is_empty(),
        no_role: no_role && conclusion == Conclusion::Undecided,
        written_role: case.request().not_known.get(Input::RoleToAssume.name()).cloned(),
        told: told::where_it_helps(case),
        session,
        causes: causes::causes(case, &findings),
        stages: stages::stages(case, &findings),
        gaps,
        decision: case.decision(),
        notes,
        facts: gaps::facts(case),
        subject: case.claims.and_then(|claims| claims.subject()).map(str::to_owned),
        findings,
        policy: case.policy_source.clone(),
        caller: case
            .caller
            .iter()
            .flat_map(|caller| &caller.documents)
            .map(|document| document.source.clone())
            .collect(),
        workflow: case.workflow_source.clone(),
        claims: case.claims_source.clone(),
    }
}

/// What these checks find, sorted, each mistake once; and notes on the whole.
fn findings(case: &Case<'_>, is_wanted: fn(&Rule) -> bool) -> (Vec<Found>, Vec<String>) {
    let mut findings = Vec::new();
    let is_for_another = is_for_another(case);
    for check in CHECKS.iter().filter(|check| is_wanted(&check.rule)) {
        if let Some(mut finding) = check.find(case) {
            if is_for_another && check.rule.cause == Some(Cause::Audience) {
                finding = finding.at_most(Certainty::Possible);
            }
            findings.push(Found {
                rule: &check.rule,
                finding,
            });
        }
    }
    if findings.iter().all(|found| found.severity != Severity::Blocks) {
        findings.extend(foreseen::findings(case));
        findings.extend(suspects::findings(case));
    }
    if case.answer.is_none() && case.may_keep() {
        // With valid credentials in the environment, the step asks AWS for no others.
        let blocks = |found: &&mut Found| found.severity == Severity::Blocks && !found.by_action;
        for found in findings.iter_mut().filter(blocks) {
            found.finding = found.finding.clone().at_most(Certainty::Possible);
        }
    }
    let mut notes = Vec::new();
    if case.is_allowed() || case.answer == Some(Answer::Allowed) {
        // AWS's answer overrides our evaluation.
        let before = findings.len();
        findings.retain(|finding| finding.severity != Severity::Blocks || finding.by_action);
        if case.flow == Flow::Oidc && findings.len() < before
            || case.decision() == Some(Decision::ImplicitDeny)
            || case.decision() == Some(Decision::ExplicitDeny)
        {
            notes.push(
                "AWS accepted the token, although according to the evidence it should not have: AWS is right, so either the evidence belongs \
                 to another role or this program is wrong; a bug report with the trust policy would help"
                    .to_owned(),
            );
        }
    }
    // Certain before likely, then stage order, then the order of `CHECKS`, exact before general; risks and notes last. Anything past the
    // stage at which AWS's answer stopped would fail next, but isn't the cause.
    let stopped_at = case.answer.as_ref().and_then(stages::stopped_at);
    findings.sort_by_key(|finding| {
        let is_next = stopped_at.is_some_and(|stage| finding.rule.stage > stage);
        let certainty = finding.certainty();
        (
            finding.severity,
            certainty == Certainty::Possible,
            is_next,
            certainty,
            finding.rule.stage,
        )
    });
    let mut explained: HashSet<Leaf> = HashSet::new();
    findings.retain(|finding| {
        let repeats = finding.severity == Severity::Blocks
            && !finding.explains.is_empty()
            && finding.explains.iter().all(|leaf| explained.contains(leaf));
        if finding.severity == Severity::Blocks && !repeats {
            explained.extend(&finding.explains);
        }
        !repeats
    });
    for finding in &mut findings {
        let more = finding.labels.len().saturating_sub(MOST_PLACES);
        if more > 0 {
            finding.labels.truncate(MOST_PLACES);
            finding.notes.push(format!("the same applies in {more} more places"));
        }
    }
    (findings, notes)
}

/// Adds the fixes of those that are wanted.
fn mend(case: &Case<'_>, findings: &mut [Found], is_wanted: fn(&Found) -> bool) {
    // One change can fix several findings; it is worked out and printed once.
    let mut offered: HashSet<Remedy> = HashSet::new();
    for finding in findings {
        let Some(remedy) = finding.remedy.filter(|remedy| offered.insert(*remedy)) else {
            continue;
        };
        if !is_wanted(finding) {
            continue;
        }
        finding.fixes = fix::by(case, remedy, finding.rule.id);
        if remedy == Remedy::Admit && finding.fixes.is_empty() {
            finding.help.extend(fix::ask_first(case));
        }
    }
}

/// Whether the step asks for a token with another audience than the one that was requested here.
fn is_for_another(case: &Case<'_>) -> bool {
    case.flow == Flow::Oidc && case.evidence.request.set_aside.contains_key("audience")
}

fn conclude(case: &Case<'_>, findings: &[Found]) -> Conclusion {
    let blocked = |certainty| {
        findings
            .iter()
            .any(|finding| finding.severity == Severity::Blocks && finding.certainty() <= certainty)
    };
    // The action fails by itself, whatever AWS answers.
    if findings
        .iter()
        .any(|finding| finding.by_action && finding.severity == Severity::Blocks)
    {
        return Conclusion::Denied;
    }
    // A pasted text that isn't understood may be about something else.
    let is_reported = !matches!(
        case.evidence.attempt,
        Some(Probe::Known(Attempt::Denied { .. } | Attempt::Allowed { .. }))
    );
    // AWS's answer to a token for a different audience says nothing about the step's own.
    let is_for_another = is_for_another(case)
        && (case.is_allowed() || matches!(case.answer, Some(Answer::NotAuthorized(_) | Answer::WrongAudience)));
    if case.ends_by_itself() {
        return Conclusion::Denied;
    }
    if case.needs_no_answer() {
        return Conclusion::Allowed;
    }
    match case
        .answer
        .as_ref()
        // Throttling says nothing about the role.
        .filter(|answer| **answer != Answer::Throttled && (**answer != Answer::Other || !is_reported))
    {
        Some(_) if is_for_another && !blocked(Certainty::Likely) => Conclusion::Undecided,
        Some(Answer::Allowed) => Conclusion::Allowed,
        // An AWS answer that proves nothing else still shows that the call failed.
        Some(_) => Conclusion::Denied,
        None if blocked(Certainty::Likely) => Conclusion::Denied,
        None if blocked(Certainty::Possible) => Conclusion::Undecided,
        None if case.is_let_in() => Conclusion::Allowed,
        None => Conclusion::Undecided,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::budget::Budget;
    use crate::finding::{StageStatus, Target};

    const HOST: &str = "token.actions.githubusercontent.com";

    fn evidence(policy: &Value) -> Evidence {
        let evidence = json!({
            "schema": 1,
            "request": { "role-to-assume": "arn:aws:iam::123456789012:role/deploy", "aws-region": "eu-west-1" },
            "token": { "claims": {
                "iss": format!("https://{HOST}"), "aud": "sts.amazonaws.com",
                "sub": "repo:octo-org/octo-repo:environment:prod",
            } },
            "role": { "arn": "arn:aws:iam::123456789012:role/deploy", "trust_policy": policy.to_string() },
        });
        Evidence::from_json(&evidence.to_string()).unwrap()
    }

    fn statement(effect: &str, condition: &Value) -> Value {
        json!({
            "Effect": effect,
            "Principal": { "Federated": format!("arn:aws:iam::123456789012:oidc-provider/{HOST}") },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": condition,
        })
    }

    #[test]
    fn what_a_refusal_shows_of_the_stages_before_it_is_most_likely() {
        for message in [
            "Not authorized to perform sts:AssumeRoleWithWebIdentity",
            "Incorrect token audience",
            "Token expired: current date/time 1790001200 must be before the expiration date/time 1790000300",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ] {
            let evidence = Evidence {
                attempt: Some(Probe::Known(Attempt::Reported {
                    text: message.to_owned(),
                })),
                ..Evidence::default()
            };
            let diagnosis = diagnose(&evidence);
            let inferred = |stage: &Stage| !matches!(stage, Stage::Permission);
            for row in diagnosis.stages.iter().filter(|row| inferred(&row.stage)) {
                let is_hedged = row.status != StageStatus::Passed || row.detail.contains("most likely");
                assert!(is_hedged, "{message}: {row:?}");
            }
        }
    }

    #[test]
    fn a_policy_that_accepts_by_a_contested_key_says_so() {
        let own = json!({ format!("{HOST}:sub"): "repo:octo-org/octo-repo:environment:prod" });
        let mut and_key = own.clone();
        and_key[format!("{HOST}:environment")] = json!("prod");
        let key = format!("{HOST}:environment");
        for (allowed, denied, is_said) in [
            (json!({ "StringEquals": own }), None, false),
            (json!({ "StringEquals": and_key }), None, true),
            // Without the key these accept the token as well.
            (
                json!({ "StringEquals": own, "StringEqualsIfExists": { &key: "prod" } }),
                None,
                false,
            ),
            (
                json!({ "StringEquals": own, "StringNotEquals": { &key: "staging" } }),
                None,
                false,
            ),
            // AWS itself refuses: that is a finding.
            (
                json!({ "StringEquals": and_key }),
                Some("Not authorized to perform sts:AssumeRoleWithWebIdentity"),
                false,
            ),
        ] {
            let policy = json!({ "Version": "2012-10-17", "Statement": [statement("Allow", &allowed)] });
            let mut evidence = evidence(&policy);
            let claims = evidence.token.as_mut().and_then(|token| match token {
                Probe::Known(token) => Some(&mut token.claims),
                Probe::Missing(_) => None,
            });
            claims.unwrap().0.insert("environment".to_owned(), json!("prod"));
            evidence.attempt = denied.map(|message| {
                Probe::Known(Attempt::Denied {
                    code: "AccessDenied".to_owned(),
                    message: message.to_owned(),
                    request_id: None,
                })
            });
            let diagnosis = diagnose(&evidence);
            let said = diagnosis.notes.iter().any(|note| note.contains("reports differ"));
            assert_eq!(said, is_said, "{policy}: {:?}", diagnosis.notes);
        }
    }

    /// Builds a policy with as many values, keys or statements as fit into this many bytes.
    fn full(bytes: usize, make: &dyn Fn(usize) -> Vec<Value>) -> Value {
        let policy = |n| json!({ "Version": "2012-10-17", "Statement": make(n) });
        let mut count = 1;
        while policy(count * 2).to_string().len() <= bytes {
            count *= 2;
        }
        let mut step = count / 2;
        while step > 0 {
            if policy(count + step).to_string().len() <= bytes {
                count += step;
            }
            step /= 2;
        }
        policy(count)
    }

    /// Builds a statement with many values for one operator on the subject.
    fn values(operator: &str, value: impl Fn(usize) -> String + 'static) -> Box<dyn Fn(usize) -> Vec<Value>> {
        let operator = operator.to_owned();
        Box::new(move |n| {
            let values: Vec<String> = (0..n).map(&value).collect();
            vec![statement(
                "Allow",
                &json!({ &operator: { format!("{HOST}:sub"): values } }),
            )]
        })
    }

    fn one(operator: &str, value: impl Fn(usize) -> String + 'static) -> Box<dyn Fn(usize) -> Vec<Value>> {
        let operator = operator.to_owned();
        Box::new(move |n| {
            let condition = json!({ &operator: { format!("{HOST}:sub"): value(n) } });
            vec![statement("Allow", &condition)]
        })
    }

    fn row(diagnosis: &Diagnosis, cause: Cause) -> crate::finding::CauseStatus {
        diagnosis.causes.iter().find(|row| row.cause == cause).unwrap().status
    }

    fn is_cut_short(diagnosis: &Diagnosis) -> bool {
        diagnosis
            .notes
            .iter()
            .any(|note| note.starts_with("search incomplete: the policy has "))
    }

    fn has_policy_fix(diagnosis: &Diagnosis) -> bool {
        let mut fixes = diagnosis.findings.iter().flat_map(|finding| &finding.fixes);
        fixes.any(|fix| fix.target == Target::TrustPolicy)
    }

    #[test]
    fn a_full_policy_is_searched_to_the_end() {
        for (name, make) in [
            (
                "a list of repositories",
                values("StringLike", |i| format!("repo:octo-org/r{i}*:*")),
            ),
            ("a list of owners", values("StringLike", |i| format!("repo:o{i}/*:*"))),
            (
                "a list in full",
                values("StringEquals", |i| format!("repo:octo-org/octo-repo:{i}")),
            ),
            ("unanchored", values("ForAllValues:StringLike", |i| format!("*{i}*"))),
            ("many stars", one("StringLike", |n| "*a".repeat(n) + "b")),
            ("question marks", one("StringLike", |n| "*?".repeat(n))),
        ] {
            let evidence = evidence(&full(8192, &*make));
            let case = Case::new(&evidence);
            let diagnosis = diagnose_case(&case);
            assert!(!is_cut_short(&diagnosis), "{name}: {:?}", diagnosis.notes);
            assert!(diagnosis.conclusion == Conclusion::Denied, "{name}");
        }
    }

    #[test]
    fn what_is_cut_short_rules_nothing_out_and_mends_nothing() {
        for (name, make) in [
            (
                "repositories",
                values("StringLike", |i| format!("repo:octo-org/r{i}*:*")),
            ),
            ("any repository", values("StringLike", |i| format!("repo:*/*:{i}*"))),
            (
                "a list in full",
                values("StringEquals", |i| format!("repo:octo-org/octo-repo:{i}")),
            ),
            ("many stars", one("StringLike", |n| "*a".repeat(n) + "b")),
            (
                "variables",
                one("StringLike", |n| {
                    format!("repo:{}/*", format!("${{{HOST}:sub}}").repeat(n))
                }),
            ),
        ] {
            let evidence = evidence(&full(2048, &*make));
            let mut case = Case::new(&evidence);
            (case.searching, case.proving) = (Budget::new(200), Budget::new(200));
            let diagnosis = diagnose_case(&case);
            assert!(is_cut_short(&diagnosis), "{name}: {:?}", diagnosis.notes);
            assert_ne!(
                row(&diagnosis, Cause::TooMuch),
                crate::finding::CauseStatus::RuledOut,
                "{name}"
            );
            assert!(!has_policy_fix(&diagnosis), "{name}");
        }
        // With the full budget: nobody else gets in, and there is a fix.
        let make = |n: usize| {
            let values: Vec<String> = (0..n).map(|i| format!("repo:octo-org/octo-repo:{i}")).collect();
            let condition = json!({ format!("{HOST}:sub"): values, format!("{HOST}:aud"): "sts.amazonaws.com" });
            vec![statement("Allow", &json!({ "StringEquals": condition }))]
        };
        let diagnosis = diagnose(&evidence(&full(2048, &make)));
        assert_eq!(row(&diagnosis, Cause::TooMuch), crate::finding::CauseStatus::RuledOut);
        assert!(has_policy_fix(&diagnosis));
    }

    #[test]
    fn a_hostile_policy_takes_no_more_steps_than_are_given() {
        // Denies take back what each pattern allows, so the whole policy is searched for each candidate.
        let make = |n: usize| {
            let pattern = |head: &str| -> Vec<String> { (0..n).map(|i| format!("repo:{head}{i}*:*")).collect() };
            let key = format!("{HOST}:sub");
            let condition = json!({ "StringLike": { &key: pattern("a") }, "StringNotLike": { &key: pattern("*") } });
            vec![statement("Allow", &condition)]
        };
        let diagnosis = diagnose(&evidence(&full(16_000, &make)));
        assert!(is_cut_short(&diagnosis), "{:?}", diagnosis.notes);
        assert_eq!(row(&diagnosis, Cause::TooMuch), crate::finding::CauseStatus::Undecided);
        assert!(!has_policy_fix(&diagnosis));
    }

    #[test]
    fn of_many_places_some_are_named() {
        let keys = |n: usize| -> Value { (0..n).map(|i| (format!("{HOST}:environmen{i}"), json!("x"))).collect() };
        let make = |n| vec![statement("Allow", &json!({ "StringEquals": keys(n) }))];
        let diagnosis = diagnose(&evidence(&full(8192, &make)));
        let finding = diagnosis.cause().unwrap();
        assert_eq!(
            (finding.rule.id, finding.labels.len()),
            ("condition-key-absent", MOST_PLACES)
        );
        assert!(
            finding.notes.iter().any(|note| note.ends_with(" more places")),
            "{:?}",
            finding.notes
        );

        let keys = |n: usize| -> Value { (0..n).map(|i| (format!("aws:k{i}"), json!("x"))).collect() };
        let make = |n| vec![statement("Allow", &json!({ "StringEquals": keys(n) }))];
        let diagnosis = diagnose(&evidence(&full(8192, &make)));
        assert_eq!(diagnosis.gaps.len(), MOST_GAPS);
        assert!(diagnosis.notes.iter().any(|note| note.contains(" more missing facts")));
    }

    #[test]
    fn times_at_their_limits_are_no_panic() {
        let times = [i64::MIN, -1, 0, 1_790_000_000, i64::MAX];
        for exp in times {
            for (iat, local) in [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (0, 0)] {
                let evidence = json!({
                    "token": { "claims": { "iss": format!("https://{HOST}"), "sub": "s", "exp": exp, "iat": iat } },
                    "clock": { "local": local, "aws": iat },
                    "attempt": { "outcome": "denied", "code": "ExpiredTokenException", "message": "Token expired: current date/time 1" },
                });
                let diagnosis = diagnose(&Evidence::from_json(&evidence.to_string()).unwrap());
                assert!(diagnosis.cause().is_some(), "{exp} {iat} {local}");
            }
        }
    }

    #[test]
    fn a_claim_longer_than_any_token_is_not_compared() {
        let policy = full(2048, &*values("StringLike", |i| format!("repo:octo-org/r{i}*")));
        let mut evidence = evidence(&policy);
        let Some(Probe::Known(token)) = &mut evidence.token else {
            panic!("a token")
        };
        let long = "repo:octo-org/octo-repo:environment:".to_owned() + &"a".repeat(20_000);
        token.claims.0.insert("sub".to_owned(), json!(long));
        assert_eq!(diagnose(&evidence).decision, Some(Decision::Undecided));
    }
}
