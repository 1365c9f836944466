//! From [`Evidence`] to [`Diagnosis`]: runs every check, picks the cause, and says of each of the eight whether it applies.

use std::collections::HashSet;

use crate::answer::Answer;
use crate::case::Case;
use crate::checks::CHECKS;
use crate::evidence::{Attempt, Evidence, Probe};
use crate::fix::Fix;
use crate::policy::{Decision, Leaf};
use crate::rows;
use crate::source::{SourceText, Span};

/// One thing that can be wrong. See `docs/checks/`.
#[derive(Debug)]
pub struct Check {
    /// Kebab-case; the file, the page and the case folder bear it. Never changes after a release.
    pub id: &'static str,
    /// One of the eight causes, or none.
    pub cause: Option<Cause>,
    /// Where in the hand-shake it stands.
    pub stage: Stage,
    /// What is wrong, in one line.
    pub title: &'static str,
    /// `docs/checks/<id>.md`.
    pub page: &'static str,
    /// Looks at the case.
    pub run: fn(&Case<'_>) -> Verdict,
}

/// What a check says.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing wrong, or not this check's matter.
    Clear,
    /// It is this.
    Found(Finding),
    /// It may be this, and something is missing to tell.
    Undecided(Open),
}

/// The eight causes that frame every report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// 1
    NoIdTokenPermission,
    /// 2
    NoProvider,
    /// 3
    Thumbprint,
    /// 4
    Subject,
    /// 5
    Audience,
    /// 6
    TooMuch,
    /// 7
    Context,
    /// 8
    EnvironmentProtection,
}

impl Cause {
    /// All eight, in order.
    pub const ALL: [Self; 8] = [
        Self::NoIdTokenPermission,
        Self::NoProvider,
        Self::Thumbprint,
        Self::Subject,
        Self::Audience,
        Self::TooMuch,
        Self::Context,
        Self::EnvironmentProtection,
    ];

    /// Its number, 1 to 8.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::NoIdTokenPermission => 1,
            Self::NoProvider => 2,
            Self::Thumbprint => 3,
            Self::Subject => 4,
            Self::Audience => 5,
            Self::TooMuch => 6,
            Self::Context => 7,
            Self::EnvironmentProtection => 8,
        }
    }

    /// Its name where there is little room.
    #[must_use]
    pub fn short(self) -> &'static str {
        match self {
            Self::NoIdTokenPermission => "id-token permission",
            Self::NoProvider => "OIDC provider",
            Self::Thumbprint => "thumbprint",
            Self::Subject => "subject",
            Self::Audience => "audience",
            Self::TooMuch => "too permissive",
            Self::Context => "branch, tag, event",
            Self::EnvironmentProtection => "protection rules",
        }
    }

    /// Its name in reports.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::NoIdTokenPermission => "the job may not ask for an ID token (`id-token: write`)",
            Self::NoProvider => "the account has no OIDC provider for this issuer",
            Self::Thumbprint => "the provider's thumbprint does not fit",
            Self::Subject => "the `sub` condition does not match: identity, form or operator",
            Self::Audience => "the audience does not match",
            Self::TooMuch => "the trust policy lets in too much (a risk; it blocks nothing)",
            Self::Context => "the branch, tag, environment or event is not what the policy expects",
            Self::EnvironmentProtection => "an environment's protection rules hold the job back",
        }
    }
}

/// The stages of the hand-shake, in order; `Risk` stands after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Stage {
    Permission,
    Token,
    Request,
    Provider,
    Role,
    TrustPolicy,
    Session,
    Risk,
}

impl Stage {
    /// The stages of the hand-shake.
    pub const HANDSHAKE: [Self; 7] = [
        Self::Permission,
        Self::Token,
        Self::Request,
        Self::Provider,
        Self::Role,
        Self::TrustPolicy,
        Self::Session,
    ];

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Permission => "permission",
            Self::Token => "token",
            Self::Request => "request",
            Self::Provider => "provider",
            Self::Role => "role",
            Self::TrustPolicy => "trust policy",
            Self::Session => "session",
            Self::Risk => "risk",
        }
    }
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// The evidence proves it.
    Certain,
    /// It explains what is seen, and little else does.
    Likely,
    /// It would explain what is seen, as other things would.
    Possible,
}

impl Certainty {
    /// In one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }
}

/// What a finding does to the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The role cannot be assumed because of it.
    Blocks,
    /// It blocks nothing, and lets in more than it should.
    Risk,
    /// Good to know.
    Note,
}

impl Severity {
    /// In one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::Risk => "risk",
            Self::Note => "note",
        }
    }
}

/// A document that a label points into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Document {
    TrustPolicy,
    Workflow,
    Claims,
}

impl Document {
    /// Its name in the report JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TrustPolicy => "trust-policy",
            Self::Workflow => "workflow",
            Self::Claims => "claims",
        }
    }
}

/// A place in a document, with what is to say of it. The first of a finding is the primary one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Which document.
    pub document: Document,
    /// JSON pointer of the value, where the document is JSON.
    pub pointer: String,
    /// The place.
    pub span: Span,
    /// What is wrong there; may hold text from outside.
    pub text: String,
}

/// What a check found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The check.
    pub id: &'static str,
    /// Its cause's number, where it is one of the eight.
    pub cause: Option<Cause>,
    /// Its stage.
    pub stage: Stage,
    /// What it does to the job.
    pub severity: Severity,
    /// How sure it is.
    pub certainty: Certainty,
    /// What is wrong: one line, lower case, no full stop, text from outside in backticks.
    pub message: String,
    /// Where.
    pub labels: Vec<Label>,
    /// The leaves of the policy's trace that it explains.
    pub explains: Vec<Leaf>,
    /// Facts.
    pub notes: Vec<String>,
    /// What to do, in words, beside the fixes.
    pub help: Vec<String>,
    /// Changes that mend it.
    pub fixes: Vec<Fix>,
}

impl Finding {
    /// A certain finding that blocks; [`diagnose`] fills in the check.
    #[must_use]
    pub fn blocks(message: impl Into<String>) -> Self {
        Self {
            id: "",
            cause: None,
            stage: Stage::Risk,
            severity: Severity::Blocks,
            certainty: Certainty::Certain,
            message: message.into(),
            labels: Vec::new(),
            explains: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
            fixes: Vec::new(),
        }
    }

    /// A certain finding that blocks nothing and lets in too much.
    #[must_use]
    pub fn risk(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Risk,
            ..Self::blocks(message)
        }
    }

    /// Good to know.
    #[must_use]
    pub fn note_only(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Note,
            ..Self::blocks(message)
        }
    }

    /// How sure it is.
    #[must_use]
    pub fn certainty(mut self, certainty: Certainty) -> Self {
        self.certainty = certainty;
        self
    }

    /// Adds a place.
    #[must_use]
    pub fn label(mut self, label: impl Into<Option<Label>>) -> Self {
        self.labels.extend(label.into());
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds a fact, where there is one.
    #[must_use]
    pub fn notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds changes that mend it.
    #[must_use]
    pub fn fixes(mut self, fixes: impl IntoIterator<Item = Fix>) -> Self {
        self.fixes.extend(fixes);
        self
    }

    /// Adds the leaves of the trace that it explains.
    #[must_use]
    pub fn explains(mut self, leaves: impl IntoIterator<Item = Leaf>) -> Self {
        self.explains.extend(leaves);
        self
    }
}

/// A fact that is missing for a surer answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// What was wanted.
    pub wanted: String,
    /// Why it is not there.
    pub why: String,
    /// How to supply it.
    pub supply: String,
}

/// What it all comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// The role can be assumed, or nothing stands against it.
    Allowed,
    /// It cannot.
    Denied,
    /// Too little is known.
    Undecided,
}

impl Conclusion {
    /// In one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Undecided => "undecided",
        }
    }
}

/// The state of one of the eight causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CauseRow {
    /// Which.
    pub cause: Cause,
    /// How it stands.
    pub status: CauseStatus,
    /// Why, one clause.
    pub because: String,
}

/// How one of the eight causes stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum CauseStatus {
    Applies,
    RuledOut,
    Undecided,
}

impl CauseStatus {
    /// Its name in the report JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Applies => "applies",
            Self::RuledOut => "ruled-out",
            Self::Undecided => "undecided",
        }
    }
}

/// The state of one stage of the hand-shake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageRow {
    /// Which.
    pub stage: Stage,
    /// How it went.
    pub status: StageStatus,
    /// What shows it.
    pub detail: String,
}

/// How a stage went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum StageStatus {
    Passed,
    Failed,
    Undecided,
    NotReached,
}

impl StageStatus {
    /// Its name in the report JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Undecided => "undecided",
            Self::NotReached => "not-reached",
        }
    }
}

/// The whole answer, as data.
#[derive(Debug, Clone)]
pub struct Diagnosis {
    /// What it comes to.
    pub conclusion: Conclusion,
    /// What was found, in stage order, certain before likely.
    pub findings: Vec<Finding>,
    /// The eight causes, a row each.
    pub causes: Vec<CauseRow>,
    /// The stages of the hand-shake.
    pub stages: Vec<StageRow>,
    /// What is missing.
    pub gaps: Vec<Open>,
    /// What the policy says of the request; `None` without a policy.
    pub decision: Option<Decision>,
    /// Said of the whole: a contradiction between AWS's answer and ours, for one.
    pub notes: Vec<String>,
    /// The facts that were compared, name and value, for the report's head.
    pub facts: Vec<(&'static str, String)>,
    /// The token's subject.
    pub subject: Option<String>,
    /// The trust policy's text.
    pub policy: Option<SourceText>,
    /// The workflow's text.
    pub workflow: Option<SourceText>,
    /// The claims, laid out.
    pub claims: Option<SourceText>,
}

impl Diagnosis {
    /// The cause: the first finding that blocks.
    #[must_use]
    pub fn cause(&self) -> Option<&Finding> {
        self.findings
            .iter()
            .find(|finding| finding.severity == Severity::Blocks)
    }

    /// The exit code, before `fail: false` is heeded: 0 allowed, 1 denied, 3 undecided.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.conclusion {
            Conclusion::Allowed => 0,
            Conclusion::Denied => 1,
            Conclusion::Undecided => 3,
        }
    }

    /// The text of a document.
    #[must_use]
    pub fn document(&self, document: Document) -> Option<&SourceText> {
        match document {
            Document::TrustPolicy => self.policy.as_ref(),
            Document::Workflow => self.workflow.as_ref(),
            Document::Claims => self.claims.as_ref(),
        }
    }
}

/// Looks at everything that is known and says why the role cannot be assumed.
#[must_use]
pub fn diagnose(evidence: &Evidence) -> Diagnosis {
    diagnose_case(&Case::new(evidence))
}

/// More than so many places of one mistake tell a reader nothing.
const MOST_PLACES: usize = 20;
/// The same of facts that are missing.
const MOST_GAPS: usize = 40;

fn diagnose_case(case: &Case<'_>) -> Diagnosis {
    let mut findings = Vec::new();
    let mut gaps = rows::gaps(case);
    for check in CHECKS {
        match (check.run)(case) {
            Verdict::Clear => {}
            Verdict::Found(finding) => findings.push(Finding {
                id: check.id,
                cause: check.cause,
                stage: check.stage,
                ..finding
            }),
            Verdict::Undecided(open) => gaps.push(open),
        }
    }
    let mut notes = Vec::new();
    let allowed = case.answer == Some(Answer::Allowed);
    if allowed {
        // What AWS says outranks us.
        let before = findings.len();
        findings.retain(|finding| finding.severity != Severity::Blocks);
        if findings.len() < before
            || case.decision() == Some(Decision::ImplicitDeny)
            || case.decision() == Some(Decision::ExplicitDeny)
        {
            notes.push(
                "AWS let the token in, although by the evidence at hand it should not have: AWS is right, so either the evidence is not \
                 of this role or this program is wrong; a report with the trust policy would help"
                    .to_owned(),
            );
        }
    }
    if case.hop.request.set_aside.contains_key("audience") {
        // The step asks for another audience than the token has that was asked for here.
        let about_audience = findings
            .iter_mut()
            .filter(|finding| finding.cause == Some(Cause::Audience));
        about_audience.for_each(|finding| finding.certainty = Certainty::Possible);
    }
    // Certain before likely, then stage order, then the order of `CHECKS`, exact before general. Risks and notes come after.
    findings.sort_by_key(|finding| (finding.severity, finding.certainty, finding.stage));
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
    // One change mends what several findings show; it is printed once.
    let mut offered: Vec<(String, String)> = Vec::new();
    for finding in &mut findings {
        finding.fixes.retain(|fix| {
            let key = (fix.title.clone(), fix.text.clone());
            let first = !offered.contains(&key);
            offered.push(key);
            first
        });
    }
    for finding in &mut findings {
        let more = finding.labels.len().saturating_sub(MOST_PLACES);
        if more > 0 {
            finding.labels.truncate(MOST_PLACES);
            finding.notes.push(format!("the same is so in {more} more places"));
        }
    }
    notes.extend(rows::remarks(case));
    gaps.dedup();
    let more = gaps.len().saturating_sub(MOST_GAPS);
    if more > 0 {
        gaps.truncate(MOST_GAPS);
        notes.push(format!("{more} more facts are missing than are named"));
    }
    let conclusion = conclude(case, &findings);
    Diagnosis {
        conclusion,
        causes: rows::causes(case, &findings),
        stages: rows::stages(case, &findings),
        gaps,
        decision: case.decision(),
        notes,
        facts: rows::facts(case),
        subject: case.claims.and_then(|claims| claims.subject()).map(str::to_owned),
        findings,
        policy: case.policy_source.clone(),
        workflow: case.workflow_source.clone(),
        claims: case.claims_source.clone(),
    }
}

fn conclude(case: &Case<'_>, findings: &[Finding]) -> Conclusion {
    let blocked = |certainty| {
        findings
            .iter()
            .any(|finding| finding.severity == Severity::Blocks && finding.certainty <= certainty)
    };
    // A pasted text that is not understood may be about something else.
    let is_reported = !matches!(
        case.hop.attempt,
        Some(Probe::Known(Attempt::Denied { .. } | Attempt::Allowed { .. }))
    );
    // What AWS says of a token for another audience than the step's does not tell what it says of the step's.
    let is_for_another = case.hop.request.set_aside.contains_key("audience")
        && (case.is_allowed() || matches!(case.answer, Some(Answer::NotAuthorized(_) | Answer::WrongAudience)));
    match case
        .answer
        .as_ref()
        // That AWS had no time says nothing of the role.
        .filter(|answer| **answer != Answer::Throttled && (**answer != Answer::Other || !is_reported))
    {
        Some(_) if is_for_another && !blocked(Certainty::Likely) => Conclusion::Undecided,
        Some(Answer::Allowed) => Conclusion::Allowed,
        // An answer of AWS's that nothing is concluded from still says that it failed.
        Some(_) => Conclusion::Denied,
        None if blocked(Certainty::Likely) => Conclusion::Denied,
        None if blocked(Certainty::Possible) => Conclusion::Undecided,
        None if case.decision() == Some(Decision::Allow) => Conclusion::Allowed,
        None => Conclusion::Undecided,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::budget::Budget;
    use crate::fix::Target;

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

    /// A policy with as many values, keys or statements as fit so many bytes.
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

    /// A statement with many values of an operator on the subject.
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

    fn row(diagnosis: &Diagnosis, cause: Cause) -> CauseStatus {
        diagnosis.causes.iter().find(|row| row.cause == cause).unwrap().status
    }

    fn is_cut_short(diagnosis: &Diagnosis) -> bool {
        diagnosis
            .notes
            .iter()
            .any(|note| note.starts_with("not searched further: the policy holds "))
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
            assert_ne!(row(&diagnosis, Cause::TooMuch), CauseStatus::RuledOut, "{name}");
            assert!(!has_policy_fix(&diagnosis), "{name}");
        }
        // With all the steps: nobody else gets in, and there is a fix.
        let make = |n: usize| {
            let values: Vec<String> = (0..n).map(|i| format!("repo:octo-org/octo-repo:{i}")).collect();
            let condition = json!({ format!("{HOST}:sub"): values, format!("{HOST}:aud"): "sts.amazonaws.com" });
            vec![statement("Allow", &json!({ "StringEquals": condition }))]
        };
        let diagnosis = diagnose(&evidence(&full(2048, &make)));
        assert_eq!(row(&diagnosis, Cause::TooMuch), CauseStatus::RuledOut);
        assert!(has_policy_fix(&diagnosis));
    }

    #[test]
    fn a_hostile_policy_takes_no_more_steps_than_are_given() {
        // Denies take back what each pattern allows, so that all of the policy is looked at for each candidate.
        let make = |n: usize| {
            let pattern = |head: &str| -> Vec<String> { (0..n).map(|i| format!("repo:{head}{i}*:*")).collect() };
            let key = format!("{HOST}:sub");
            let condition = json!({ "StringLike": { &key: pattern("a") }, "StringNotLike": { &key: pattern("*") } });
            vec![statement("Allow", &condition)]
        };
        let diagnosis = diagnose(&evidence(&full(16_000, &make)));
        assert!(is_cut_short(&diagnosis), "{:?}", diagnosis.notes);
        assert_eq!(row(&diagnosis, Cause::TooMuch), CauseStatus::Undecided);
        assert!(!has_policy_fix(&diagnosis));
    }

    #[test]
    fn of_many_places_some_are_named() {
        let keys = |n: usize| -> Value { (0..n).map(|i| (format!("{HOST}:environmen{i}"), json!("x"))).collect() };
        let make = |n| vec![statement("Allow", &json!({ "StringEquals": keys(n) }))];
        let diagnosis = diagnose(&evidence(&full(8192, &make)));
        let finding = diagnosis.cause().unwrap();
        assert_eq!(
            (finding.id, finding.labels.len()),
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
        assert!(
            diagnosis
                .notes
                .iter()
                .any(|note| note.contains(" more facts are missing"))
        );
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
