//! What a diagnosis says, as plain data: findings, the eight causes, the stages of the handshake, fixes.

use std::ops::{Deref, DerefMut};

mod side_by_side;

use serde_json::Value;

pub(crate) use side_by_side::{Party, SideBySide};

use crate::configure::{Flow, Input};
use crate::github::claims::Claims;
use crate::github::subject::parts::Part;
use crate::policy::{Decision, Leaf};
use crate::text::{Location, SourceText, Span, packed};

/// What can be wrong, as opposed to whether it is. See `docs/checks/`.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Kebab-case; shared by the file, the page and the case folder. Never changes after a release.
    pub id: &'static str,
    /// One of the eight causes, if any.
    pub cause: Option<Cause>,
    /// The stage of the handshake that it belongs to.
    pub stage: Stage,
    /// What is wrong, in one line.
    pub title: &'static str,
}

impl Rule {
    /// Its page: `docs/checks/<id>.md`, or in `docs/before-push/` for a rule on the whole repository.
    #[must_use]
    pub fn page(&self) -> &'static str {
        packed::text(&format!("{}.md", self.id))
    }
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

    /// Returns its number, 1 to 8.
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

    /// Returns its short name.
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

    /// Returns its name in reports.
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

/// The stages of the handshake, in order; `Risk` comes after them.
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

    /// Returns its name in reports.
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
    /// It explains what was seen, and little else does.
    Likely,
    /// It would explain what was seen, but so would other causes.
    Possible,
}

impl Certainty {
    /// Names it in one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }

    /// What a sentence of this certainty begins with.
    #[must_use]
    pub fn hedge(self) -> &'static str {
        match self {
            Self::Certain => "",
            Self::Likely => "likely: ",
            Self::Possible => "possible: ",
        }
    }
}

/// A fact that a finding rests on. None holds if any part of it is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// Whose credentials are at hand, if any were seen, and where they come from.
    AtHand,
    /// What AWS, GitHub or the action said, if understood, or that nothing came back.
    Answer,
    /// All identity-based policies of a caller with AWS credentials.
    CallerPolicies,
    /// A claim of the token.
    Claim(&'static str),
    /// The token's subject, audience and other claims, as far as they are at hand.
    Claims,
    /// The time by AWS's or GitHub's clock.
    Clock,
    /// An input of the step.
    Input(Input),
    /// The token's issuer: known, not assumed.
    Issuer,
    /// The trust policy, and that it belongs to the requested role.
    Policy,
    /// The provider of the role's account, and what it accepts.
    Provider,
    /// The requested role's ARN.
    RoleArn,
    /// The requested role as IAM returns it, or that IAM has none by that name.
    Role,
    /// The outcome of the job's token request, or whether the job may make one.
    TokenRequest,
}

/// Says which facts are known.
pub trait Facts {
    /// Whether it is known, complete, and about the requested role.
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
    /// Names it in one word.
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
    /// One of the caller's policies.
    CallerPolicy(usize),
}

impl Document {
    /// Returns its name in the report JSON.
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

/// A place in a document, and what to say about it. A finding's first label is the primary one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The document.
    pub document: Document,
    /// The place in it.
    pub location: Location,
    /// What is wrong there; may contain text from outside.
    pub text: String,
}

/// A finding and its rule.
#[derive(Debug, Clone)]
pub struct Found {
    /// The rule.
    pub rule: &'static Rule,
    /// What was found.
    pub finding: Finding,
}

impl Found {
    /// Returns which of the eight causes it is, if any.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.finding.cause.or(self.rule.cause)
    }

    /// Its message, as certain as it is.
    #[must_use]
    pub fn said(&self) -> String {
        format!("{}{}", self.certainty().hedge(), self.message)
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
    /// How sure it is: certain only through [`Self::rests_on`].
    certainty: Certainty,
    /// The surest it can be, whatever it rests on.
    limit: Certainty,
    /// Whether the action itself stops at it, whatever AWS answers.
    pub by_action: bool,
    /// Which of the eight causes it is, if that depends on what was found rather than on the rule.
    pub cause: Option<Cause>,
    /// What is wrong: one line, lower case, no full stop, text from outside in backticks.
    pub message: String,
    /// The two sides that should match, if that is the point.
    pub(crate) compares: Option<SideBySide>,
    /// Where it is.
    pub labels: Vec<Label>,
    /// The leaves of the policy's trace that it explains.
    pub explains: Vec<Leaf>,
    /// Notes: further facts.
    pub notes: Vec<String>,
    /// What to do, in words, in addition to the fixes.
    pub help: Vec<String>,
    /// The kind of change that would fix it.
    pub remedy: Option<Remedy>,
    /// Changes that fix it.
    pub fixes: Vec<Fix>,
}

/// A kind of change. Each is computed once, for the first finding that requests it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// The provider accepts the token's audience, or the step asks for another.
    AddClientId,
    /// The trust policy lets this token in, or the job changes so that its token gets in.
    Admit,
    /// One of the caller's policies allows what the call needs.
    AllowCaller,
    /// The account gets the provider.
    CreateProvider,
    /// A statement that depends on this job's subject alone.
    ExactStatement,
    /// The job may ask for an ID token.
    GrantIdToken,
    /// The trust policy lets in nobody but this token.
    Narrow,
    /// The trust policy lets in the calling role, or its tags.
    TrustCaller,
}

impl Finding {
    /// Creates a finding that blocks: likely, until the facts it rests on are named.
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

    /// Creates a finding that blocks nothing but lets in too much.
    #[must_use]
    pub fn risk(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Risk,
            ..Self::blocks(message)
        }
    }

    /// Creates a note: it describes what was seen and isn't a cause.
    #[must_use]
    pub fn note_only(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Note,
            certainty: Certainty::Certain,
            ..Self::blocks(message)
        }
    }

    /// Marks that the action stops at it, whatever AWS answers.
    #[must_use]
    pub fn by_action(mut self) -> Self {
        self.by_action = true;
        self
    }

    /// Makes it a note: good to know, not a cause.
    #[must_use]
    pub fn as_note(mut self) -> Self {
        self.severity = Severity::Note;
        self
    }

    /// Returns how sure it is.
    #[must_use]
    pub fn certainty(&self) -> Certainty {
        self.certainty.max(self.limit)
    }

    /// Makes it certain if all of these facts hold.
    #[must_use]
    pub fn rests_on(mut self, known: &impl Facts, facts: &[Fact]) -> Self {
        if !facts.is_empty() && facts.iter().all(|fact| known.holds(*fact)) {
            self.certainty = Certainty::Certain;
        }
        self
    }

    /// Makes it no surer than this.
    #[must_use]
    pub fn at_most(mut self, certainty: Certainty) -> Self {
        self.limit = self.limit.max(certainty);
        self
    }

    /// Sets the two sides to compare.
    #[must_use]
    pub(crate) fn compares(mut self, compared: impl Into<Option<SideBySide>>) -> Self {
        self.compares = compared.into();
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, label: impl Into<Option<Label>>) -> Self {
        self.labels.extend(label.into());
        self
    }

    /// Adds a note.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds notes, if any.
    #[must_use]
    pub fn notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }

    /// Adds a line of help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Names the kind of change that would fix it.
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

/// A fact missing for a surer answer.
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

/// The overall result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// The role can be assumed, or nothing prevents it.
    Allowed,
    /// It cannot.
    Denied,
    /// Too little is known.
    Undecided,
}

impl Conclusion {
    /// Names it in one word.
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
    /// The cause.
    pub cause: Cause,
    /// Its status.
    pub status: CauseStatus,
    /// Why, one clause.
    pub because: String,
}

/// The status of one of the eight causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum CauseStatus {
    Applies,
    RuledOut,
    Undecided,
}

impl CauseStatus {
    /// Returns its name in the report JSON.
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
    /// The stage.
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
    /// Returns its name in the report JSON.
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

/// Who says that the role can be assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// AWS issued a session.
    Aws,
    /// The trust policy lets the token in; AWS's answer isn't known.
    Policy,
}

/// The whole answer, as data.
#[derive(Debug, Clone)]
pub struct Diagnosis {
    /// The flow that the step uses.
    pub flow: Flow,
    /// The same in a sentence: what the step does for its credentials, and which input or variable makes it do so.
    pub way: String,
    /// The overall result.
    pub conclusion: Conclusion,
    /// Who says that the role can be assumed; `None` if nobody does.
    pub session: Option<Session>,
    /// What was found, in stage order, certain before likely.
    pub findings: Vec<Found>,
    /// The eight causes, one row each.
    pub causes: Vec<CauseRow>,
    /// The stages of the handshake.
    pub stages: Vec<StageRow>,
    /// What is missing.
    pub gaps: Vec<MissingFact>,
    /// The policy's decision on the request; `None` without a policy.
    pub decision: Option<Decision>,
    /// Notes on the whole: a contradiction between AWS's answer and ours, for one.
    pub notes: Vec<String>,
    /// The facts that were compared, name and value, for the report's head.
    pub facts: Vec<(&'static str, String)>,
    /// The token's subject.
    pub subject: Option<String>,
    /// The trust policy's text.
    pub policy: Option<SourceText>,
    /// The caller's policies.
    pub caller: Vec<SourceText>,
    /// The workflow's text.
    pub workflow: Option<SourceText>,
    /// The claims, formatted.
    pub claims: Option<SourceText>,
    /// Whether steps of the same job were left out, so that what passes here isn't everything.
    pub is_partial: bool,
    /// No role is requested, or none can be found: there is nothing to decide.
    pub no_role: bool,
    /// The role as written in the step, if it is an expression that can't be resolved here.
    pub written_role: Option<String>,
    /// What the token says by itself, if there is no role or no policy to compare it with.
    pub told: Option<Told>,
}

/// What a token says by itself, and what lets it in.
#[derive(Debug, Clone)]
pub struct Told {
    /// The claims.
    pub claims: Claims,
    /// The parts of its subject, each with what it comes from and where the workflow sets it.
    pub parts: Vec<(Part, Option<String>)>,
    /// The condition keys that AWS compares for such a token, with the token's values.
    pub keys: Vec<(String, Option<String>)>,
    /// The smallest policies that let it in: the exact one, then one that also fits later runs.
    pub least: Vec<Fix>,
    /// What someone with read access to the role can run to finish the diagnosis.
    pub finish: Option<String>,
}

impl Diagnosis {
    /// Returns the cause: the first finding that blocks.
    #[must_use]
    pub fn cause(&self) -> Option<&Found> {
        self.findings
            .iter()
            .find(|finding| finding.severity == Severity::Blocks)
    }

    /// Returns the first risk: what else the policy accepts, or what the step does that nobody intended.
    #[must_use]
    pub(crate) fn risk(&self) -> Option<&Found> {
        self.findings.iter().find(|finding| finding.severity == Severity::Risk)
    }

    /// Returns the finding that an answer is about: the cause, or else the first risk.
    #[must_use]
    pub(crate) fn lead(&self) -> Option<&Found> {
        self.cause().or_else(|| self.risk())
    }

    /// Returns the exit code, before `fail: false` is applied: 0 allowed, or no role requested; 1 denied; 3 undecided.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.conclusion {
            Conclusion::Allowed => 0,
            Conclusion::Denied => 1,
            Conclusion::Undecided if self.no_role => 0,
            Conclusion::Undecided => 3,
        }
    }

    /// Returns the text of a document.
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
    /// One of the caller's policies.
    CallerPolicy,
    /// The account's OIDC provider.
    Provider,
    /// The role's trust policy.
    TrustPolicy,
    /// The workflow file.
    Workflow,
}

impl Target {
    /// Returns its name in the report JSON.
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

/// A place in a text, and its replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The place; empty for an insertion.
    pub span: Span,
    /// The replacement.
    pub text: String,
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    /// What it does, one line.
    pub title: String,
    /// What it changes.
    pub target: Target,
    /// The replacements in the document that it changes, if known.
    pub edits: Vec<Edit>,
    /// RFC 6902 operations, for a trust policy.
    pub patch: Vec<Value>,
    /// The whole changed text (trust policy), or the lines to write (workflow); empty for a command alone.
    pub text: String,
    /// The change as a unified diff; empty if there is nothing to compare with.
    pub diff: String,
    /// The command that makes the change.
    pub command: String,
    /// The statement as a Terraform `aws_iam_policy_document`.
    pub terraform: String,
    /// The statement as CloudFormation.
    pub cloudformation: String,
    /// What to know about it.
    pub notes: Vec<String>,
    /// What applying and evaluating it proved.
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
