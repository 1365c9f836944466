//! What a diagnosis says, as plain data: findings, the eight causes, the stages of the handshake, fixes.

use std::ops::{Deref, DerefMut};

mod side_by_side;

use serde_json::Value;

pub(crate) use side_by_side::{Party, SideBySide};

use crate::configure::{Flow, Input};
use crate::github::claims::Claims;
use crate::github::subject::parts::Part;
use crate::policy::{Decision, Leaf};
use crate::text::{Location, SourceText, Span};

/// What can be wrong, told apart from whether it is. See `docs/checks/`.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Kebab-case; the file, the page and the case folder bear it. Never changes after a release.
    pub id: &'static str,
    /// One of the eight causes, or none.
    pub cause: Option<Cause>,
    /// Where in the handshake it stands.
    pub stage: Stage,
    /// What is wrong, in one line.
    pub title: &'static str,
    /// `docs/checks/<id>.md`.
    pub page: &'static str,
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
            Self::NoIdTokenPermission => "the job isn't allowed to request an ID token (`id-token: write`)",
            Self::NoProvider => "the account has no OIDC provider for this issuer",
            Self::Thumbprint => "the provider's thumbprint does not match",
            Self::Subject => "the `sub` condition does not match: identity, format or operator",
            Self::Audience => "the audience does not match",
            Self::TooMuch => "the trust policy is too permissive (a risk; it blocks nothing)",
            Self::Context => "the branch, tag, environment or event is not what the policy expects",
            Self::EnvironmentProtection => "an environment's protection rules hold the job back",
        }
    }
}

/// The stages of the handshake, in order; `Risk` stands after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    /// The stages of the handshake.
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

/// A fact that a finding rests on. None of them holds where a part of it is crossed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// Whose credentials are at hand, where any were seen, and where they come from.
    AtHand,
    /// What AWS, GitHub or the action said, in words that are understood, or that nothing came back.
    Answer,
    /// The identity-based policies of who asks with AWS credentials, all of them.
    CallerPolicies,
    /// A claim of the token.
    Claim(&'static str),
    /// The token's subject, its audience and its other claims, as far as they are at hand.
    Claims,
    /// The time by AWS's or GitHub's clock.
    Clock,
    /// An input of the step.
    Input(Input),
    /// The token's issuer: told, not taken for granted.
    Issuer,
    /// The trust policy, and that it is the one of the role that is asked for.
    Policy,
    /// The provider of the role's account, and what it accepts.
    Provider,
    /// The ARN of the role that is asked for.
    RoleArn,
    /// The role that is asked for, as IAM shows it, or that IAM knows none of that name.
    Role,
    /// What the job's asking for a token came to, or whether it may ask.
    TokenRequest,
}

/// Tells which facts are known.
pub trait Facts {
    /// Is it known, whole, and about the role that is asked for?
    fn holds(&self, fact: Fact) -> bool;
}

/// What a finding does to the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The role cannot be assumed because of it.
    Blocks,
    /// It blocks nothing, but accepts more than it should.
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
    /// One of the policies of who asks.
    CallerPolicy(usize),
}

impl Document {
    /// Its name in the report JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TrustPolicy => "trust-policy",
            Self::Workflow => "workflow",
            Self::Claims => "claims",
            Self::CallerPolicy(_) => "caller-policy",
        }
    }
}

/// A place in a document, with what is to say of it. The first of a finding is the primary one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Which document.
    pub document: Document,
    /// Where in it.
    pub location: Location,
    /// What is wrong there; may hold text from outside.
    pub text: String,
}

/// A finding, and the rule that it is of.
#[derive(Debug, Clone)]
pub struct Found {
    /// The rule.
    pub rule: &'static Rule,
    /// What was found.
    pub finding: Finding,
}

impl Found {
    /// Which of the eight causes it is.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.finding.cause.or(self.rule.cause)
    }
}

impl Deref for Found {
    type Target = Finding;

    fn deref(&self) -> &Finding {
        &self.finding
    }
}

impl DerefMut for Found {
    fn deref_mut(&mut self) -> &mut Finding {
        &mut self.finding
    }
}

/// What a check found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What it does to the job.
    pub severity: Severity,
    /// How sure it is: certain by [`Self::rests_on`] alone.
    certainty: Certainty,
    /// No surer than this, whatever it rests on.
    limit: Certainty,
    /// Is it the action that stops at it, whatever AWS answers?
    pub by_action: bool,
    /// Which of the eight causes it is, where that is up to what was found and not the rule's.
    pub cause: Option<Cause>,
    /// What is wrong: one line, lower case, no full stop, text from outside in backticks.
    pub message: String,
    /// The two sides that should be alike, where it comes to that.
    pub(crate) compares: Option<SideBySide>,
    /// Where.
    pub labels: Vec<Label>,
    /// The leaves of the policy's trace that it explains.
    pub explains: Vec<Leaf>,
    /// Facts.
    pub notes: Vec<String>,
    /// What to do, in words, beside the fixes.
    pub help: Vec<String>,
    /// The kind of change that would mend it.
    pub remedy: Option<Remedy>,
    /// Changes that mend it.
    pub fixes: Vec<Fix>,
}

/// A kind of change. Each is worked out once, for the first finding that asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// The provider accepts the token's audience, or the step asks for another.
    AddClientId,
    /// The trust policy lets this token in, or the job changes so that it does.
    Admit,
    /// A policy of who asks allows what the call needs.
    AllowCaller,
    /// The account gets the provider.
    CreateProvider,
    /// A statement that rests on this job's subject alone.
    ExactStatement,
    /// The job may ask for an ID token.
    GrantIdToken,
    /// The trust policy lets in nobody but this token.
    Narrow,
    /// The trust policy lets in the role that asks, or its tags.
    TrustCaller,
}

impl Finding {
    /// A finding that blocks: likely, until the facts that it rests on are named.
    #[must_use]
    pub fn blocks(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Blocks,
            certainty: Certainty::Likely,
            limit: Certainty::Certain,
            cause: None,
            by_action: false,
            message: message.into(),
            compares: None,
            labels: Vec::new(),
            explains: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
            remedy: None,
            fixes: Vec::new(),
        }
    }

    /// A finding that blocks nothing and lets in too much.
    #[must_use]
    pub fn risk(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Risk,
            ..Self::blocks(message)
        }
    }

    /// Good to know: it says what is seen, and is no cause.
    #[must_use]
    pub fn note_only(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Note,
            certainty: Certainty::Certain,
            ..Self::blocks(message)
        }
    }

    /// The action stops at it, whatever AWS answers.
    #[must_use]
    pub fn by_action(mut self) -> Self {
        self.by_action = true;
        self
    }

    /// It is good to know here, and no cause.
    #[must_use]
    pub fn as_note(mut self) -> Self {
        self.severity = Severity::Note;
        self
    }

    /// How sure it is.
    #[must_use]
    pub fn certainty(&self) -> Certainty {
        self.certainty.max(self.limit)
    }

    /// It is certain where each of these facts holds.
    #[must_use]
    pub fn rests_on(mut self, known: &impl Facts, facts: &[Fact]) -> Self {
        if !facts.is_empty() && facts.iter().all(|fact| known.holds(*fact)) {
            self.certainty = Certainty::Certain;
        }
        self
    }

    /// It is no surer than this.
    #[must_use]
    pub fn at_most(mut self, certainty: Certainty) -> Self {
        self.limit = self.limit.max(certainty);
        self
    }

    /// Sets the two sides beside each other.
    #[must_use]
    pub(crate) fn compares(mut self, compared: impl Into<Option<SideBySide>>) -> Self {
        self.compares = compared.into();
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

    /// Names the kind of change that would mend it.
    #[must_use]
    pub fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
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
pub struct MissingFact {
    /// What was wanted.
    pub wanted: String,
    /// Why it is not there.
    pub why: String,
    /// How to supply it.
    pub supply: String,
}

impl MissingFact {
    pub(crate) fn new(wanted: impl Into<String>, why: impl Into<String>, supply: impl Into<String>) -> Self {
        Self {
            wanted: wanted.into(),
            why: why.into(),
            supply: supply.into(),
        }
    }
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

/// The state of one stage of the handshake.
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

/// Whose word it is that the role gives a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// AWS gave one.
    Aws,
    /// The trust policy lets the token in; what AWS says is not known.
    Policy,
}

/// The whole answer, as data.
#[derive(Debug, Clone)]
pub struct Diagnosis {
    /// The way that the step takes.
    pub flow: Flow,
    /// What it comes to.
    pub conclusion: Conclusion,
    /// Whose word it is that the role can be assumed; `None` where nobody's is.
    pub session: Option<Session>,
    /// What was found, in stage order, certain before likely.
    pub findings: Vec<Found>,
    /// The eight causes, a row each.
    pub causes: Vec<CauseRow>,
    /// The stages of the handshake.
    pub stages: Vec<StageRow>,
    /// What is missing.
    pub gaps: Vec<MissingFact>,
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
    /// The policies of who asks.
    pub caller: Vec<SourceText>,
    /// The workflow's text.
    pub workflow: Option<SourceText>,
    /// The claims, laid out.
    pub claims: Option<SourceText>,
    /// Were steps of the same job left out, so that what passes here is not all?
    pub is_partial: bool,
    /// No role is asked for, or none is to be found: there is nothing to decide.
    pub no_role: bool,
    /// The role as the step has it, where that is an expression that nobody else sees.
    pub written_role: Option<String>,
    /// What the token says by itself, where there is no role or no policy to compare it with.
    pub told: Option<Told>,
}

/// What a token says by itself, and what lets it in.
#[derive(Debug, Clone)]
pub struct Told {
    /// The claims.
    pub claims: Claims,
    /// The parts of its subject, each with what it comes from and where the workflow has it.
    pub parts: Vec<(Part, Option<String>)>,
    /// The condition keys that AWS compares for such a token, with the token's values.
    pub keys: Vec<(String, Option<String>)>,
    /// The smallest policies that let it in: the exact one, then one that later runs fit as well.
    pub least: Vec<Fix>,
    /// What somebody who may read the role runs to finish the diagnosis.
    pub finish: Option<String>,
}

impl Diagnosis {
    /// The cause: the first finding that blocks.
    #[must_use]
    pub fn cause(&self) -> Option<&Found> {
        self.findings
            .iter()
            .find(|finding| finding.severity == Severity::Blocks)
    }

    /// The first risk: what the policy accepts besides, or what the step does that nobody meant.
    #[must_use]
    pub(crate) fn risk(&self) -> Option<&Found> {
        self.findings.iter().find(|finding| finding.severity == Severity::Risk)
    }

    /// The finding that an answer is about: the cause, or else the first risk.
    #[must_use]
    pub(crate) fn lead(&self) -> Option<&Found> {
        self.cause().or_else(|| self.risk())
    }

    /// The exit code, before `fail: false` is heeded: 0 allowed, or no role is asked for; 1 denied; 3 undecided.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.conclusion {
            Conclusion::Allowed => 0,
            Conclusion::Denied => 1,
            Conclusion::Undecided if self.no_role => 0,
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
            Document::CallerPolicy(index) => self.caller.get(index),
        }
    }
}

/// What a fix changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A policy of the role that asks.
    CallerPolicy,
    /// The account's OIDC provider.
    Provider,
    /// The role's trust policy.
    TrustPolicy,
    /// The workflow file.
    Workflow,
}

impl Target {
    /// Its name in the report JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CallerPolicy => "caller-policy",
            Self::Provider => "provider",
            Self::TrustPolicy => "trust-policy",
            Self::Workflow => "workflow",
        }
    }
}

/// A place in a text, and what stands there after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The place; empty where something is put in.
    pub span: Span,
    /// What stands there then.
    pub text: String,
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    /// What it does, one line.
    pub title: String,
    /// What it changes.
    pub target: Target,
    /// What is replaced in the document that it changes, where that is known.
    pub edits: Vec<Edit>,
    /// RFC 6902 operations, for a trust policy.
    pub patch: Vec<Value>,
    /// The whole changed text (trust policy), or the lines to write (workflow); empty for a command alone.
    pub text: String,
    /// The change as a unified diff; empty where there is nothing to compare with.
    pub diff: String,
    /// The command that makes the change.
    pub command: String,
    /// The statement as a Terraform `aws_iam_policy_document`.
    pub terraform: String,
    /// The statement as CloudFormation.
    pub cloudformation: String,
    /// What to know of it.
    pub notes: Vec<String>,
    /// What was shown by applying and evaluating it.
    pub proof: Option<String>,
}

impl Fix {
    pub(crate) fn new(title: impl Into<String>, target: Target) -> Self {
        Self {
            title: title.into(),
            target,
            edits: Vec::new(),
            patch: Vec::new(),
            text: String::new(),
            diff: String::new(),
            command: String::new(),
            terraform: String::new(),
            cloudformation: String::new(),
            notes: Vec::new(),
            proof: None,
        }
    }
}
