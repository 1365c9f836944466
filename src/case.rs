//! What the checks look at: the evidence, read and evaluated once.

mod caller;

use std::cell::OnceCell;
use std::sync::Arc;

use crate::aws::answer::{Answer, Refusal};
use crate::aws::arn::{NotARole, ProviderArn, RoleArn};
use crate::aws::request::{self, Asker, CLAIM_KEYS};
use crate::budget::Budget;
use crate::configure::{Around, Flow, Input, Kind, Stop};
use crate::evidence::paste::blanked;
use crate::evidence::{
    Attempt, CredentialSource, Environment, Evidence, Gap, HeldCredentials, Identity, PolicyText, Probe, Provider,
    Request, Role, Runner, SubjectTemplate, Why,
};
use crate::finding::{Document, Fact, Facts, Label};
use crate::github::claims::Claims;
use crate::github::issuer::{Deployment, GITHUB_ISSUER, issuer_host};
use crate::github::subject::difference::{self, SubjectDifference};
use crate::github::workflow::{self, Workflow, WorkflowError};
use crate::policy::parse::{lay_out, of_role};
use crate::policy::{
    self, ConditionLeaf, Decision, Effect, Outcome, ParseError, PrincipalKind, RequestContext, Statement,
    StatementTrace, Trace, TrustPolicy, leaves,
};
use crate::text::masked::is_masked;
use crate::text::{Location, SourceText, Span, pointer_to};
use crate::witness::{self, Openings, Witness};
pub(crate) use caller::CallerCase;

/// One run, read and evaluated.
#[derive(Debug)]
pub struct Case<'a> {
    /// Everything known.
    pub evidence: &'a Evidence,
    /// The token's claims.
    pub claims: Option<&'a Claims>,
    /// The claims as text.
    pub claims_source: Option<SourceText>,
    /// The token's issuer; if unknown, the one the trust policy or the server implies, or else github.com's.
    pub issuer: String,
    /// Whether the token or AWS names the issuer.
    pub issuer_is_told: bool,
    /// What AWS answered, or what the pasted message says.
    pub answer: Option<Answer>,
    /// AWS's answer is to the job's token, which a chained step doesn't send: it says nothing about the step.
    pub answer_set_aside: bool,
    /// What configure-aws-credentials does with these inputs.
    pub flow: Flow,
    /// Why the step fails by itself, whatever AWS says.
    pub stop: Option<Stop>,
    /// The requested role; `None` if not given or empty.
    pub role_arn: Option<Result<RoleArn, NotARole>>,
    /// The role by the requested ARN, or if that lacks the account, by its own.
    pub role_named: Option<RoleArn>,
    /// The policy, evaluated.
    pub policy: Option<PolicyCase>,
    /// The caller's policies, for a caller with AWS credentials.
    pub(crate) caller: Option<CallerCase>,
    /// Why the policy cannot be read.
    pub policy_error: Option<ParseError>,
    /// The policy's text.
    pub policy_source: Option<SourceText>,
    /// The workflow, read.
    pub workflow: Option<Result<Arc<Workflow>, WorkflowError>>,
    /// The workflow's text.
    pub workflow_source: Option<SourceText>,
    /// The budget for finding the nearest value.
    pub(crate) comparing: Budget,
    /// The budget for searching for who else gets in.
    pub(crate) searching: Budget,
    /// The budget for proving all fixes.
    pub(crate) proving: Budget,
    /// Found once, used by several checks.
    pub(crate) openings: OnceCell<Openings>,
}

/// A policy evaluated for this request.
#[derive(Debug)]
pub struct PolicyCase {
    /// The policy.
    pub policy: TrustPolicy,
    /// The request.
    pub request: RequestContext,
    /// What evaluating it found.
    pub trace: Trace,
    /// The Allow statement that comes closest to letting the request in.
    pub nearest: Option<usize>,
    /// Where that statement's `sub` condition fails, and how.
    pub subject: Option<SubjectDifference>,
    /// What the policy decides for `sts:TagSession`, if the call sends tags.
    pub tagging: Option<Decision>,
}

impl<'a> Case<'a> {
    /// Reads and evaluates the evidence.
    #[must_use]
    pub fn new(evidence: &'a Evidence) -> Self {
        let file = evidence.workflow.as_ref().and_then(Probe::known);
        Self::with(evidence, file.map(|file| workflow::read(&file.text).map(Arc::new)))
    }

    /// Evaluates the evidence, whose workflow has been read.
    #[must_use]
    pub(crate) fn with(evidence: &'a Evidence, workflow: Option<Result<Arc<Workflow>, WorkflowError>>) -> Self {
        let claims = evidence
            .token
            .as_ref()
            .and_then(Probe::known)
            .map(|token| &token.claims);
        let answer = Answer::of(evidence);
        let may_ask = match &answer {
            Some(Answer::TokenNotGranted | Answer::NoCredentials) => Some(false),
            _ => evidence.runner.as_ref().and_then(|runner| runner.id_token_request),
        };
        let flow = evidence.request.flow(Around {
            may_ask,
            valid: valid_at_hand(evidence),
        });
        let is_to_token = |answer: &Answer| *answer != Answer::Allowed && answer.token_was_sent();
        let answer_set_aside = flow == Flow::Chaining && answer.as_ref().is_some_and(is_to_token);
        let answer = answer.filter(|_| !answer_set_aside);
        let role_arn = evidence
            .request
            .given(Input::RoleToAssume)
            .map(|text| RoleArn::parse(text.trim()));
        let role = evidence.role.as_ref().and_then(Probe::known);
        let asked = role_arn.as_ref().and_then(|role| role.as_ref().ok()).cloned();
        let role_named = match asked {
            Some(asked) if asked.account.is_some() => Some(asked),
            asked => own_arn(role).or_else(|| of_source_account(evidence, flow)).or(asked),
        };
        let is_stored = answer.as_ref().is_some_and(Answer::passed_provider);
        let (policy_text, policy) = role
            .and_then(|role| role.trust_policy.as_ref())
            .map(|given| read_policy(given, is_stored))
            .unzip();
        // A name is not sent: if AWS answered to the token, it was written down in the ARN's place.
        let is_answered = answer.as_ref().is_some_and(Answer::token_was_sent);
        let stop = evidence.request.stop(flow);
        let stop = stop.filter(|stop| *stop != Stop::RoleName || !is_answered);
        let told = claims.and_then(Claims::issuer);
        let named = answer.as_ref().and_then(Answer::issuer);
        let issuer = told.or(named).map(str::to_owned);
        let mut case = Self {
            evidence,
            claims,
            claims_source: claims.map(claims_source),
            issuer_is_told: issuer.is_some(),
            issuer: issuer
                .unwrap_or_else(|| likely_issuer(evidence, policy.as_ref().and_then(|policy| policy.as_ref().ok()))),
            answer,
            answer_set_aside,
            flow,
            stop,
            role_named,
            role_arn,
            policy: None,
            caller: None,
            policy_error: None,
            policy_source: None,
            workflow,
            workflow_source: None,
            comparing: Budget::default(),
            searching: Budget::default(),
            proving: Budget::default(),
            openings: OnceCell::new(),
        };
        if let Some(file) = evidence.workflow.as_ref().and_then(Probe::known) {
            case.workflow_source = Some(SourceText::new(file.path.clone(), file.text.clone()));
        }
        match policy {
            Some(Ok(policy)) => case.policy = Some(case.evaluate(policy)),
            Some(Err(error)) => case.policy_error = Some(error),
            None => {}
        }
        case.policy_source = policy_text.map(|text| {
            // Once reformatted, its positions no longer match the file.
            let file = role.and_then(|role| role.trust_policy_file.clone());
            let file =
                file.filter(|_| role.is_some_and(|role| role.trust_policy == Some(PolicyText::Text(text.clone()))));
            SourceText::new(file.unwrap_or_else(|| case.policy_name()), text)
        });
        case.caller = case.evaluate_caller();
        case
    }

    /// Evaluates the caller's policies, if known, together with the role's trust policy.
    fn evaluate_caller(&self) -> Option<CallerCase> {
        let identity = self.evidence.caller.as_ref().filter(|_| self.asks_with_credentials())?;
        let mut caller = CallerCase::read(identity)?;
        let (assume, tag) = self.signed_requests(&caller, self.policy.as_ref().map(|policy| &policy.policy));
        let trust = self.policy.as_ref().map(|policy| &policy.policy);
        caller.evaluate(&assume, tag.as_ref(), trust);
        Some(caller)
    }

    /// Builds a signed call's requests for the policies of both sides: `sts:AssumeRole`, and `sts:TagSession` if tags are sent.
    pub(crate) fn signed_requests(
        &self,
        caller: &CallerCase,
        trust: Option<&TrustPolicy>,
    ) -> (RequestContext, Option<RequestContext>) {
        let policies: Vec<&TrustPolicy> = trust.into_iter().chain(caller.policies()).collect();
        let assume = self.signed_by(request::assume_role(self.asker(), &policies));
        let tag = self
            .is_tagged()
            .then(|| self.signed_by(request::tag_session(self.asker(), &policies)));
        (assume, tag)
    }

    /// Completes a request with everything known about the signer.
    pub(crate) fn signed_by(&self, mut request: RequestContext) -> RequestContext {
        let named = match &self.answer {
            Some(Answer::AssumeRoleDenied(refusal)) => Some(refusal.user.as_str()),
            _ => None,
        };
        // What is known about anyone other than the caller that AWS names doesn't count.
        let identity = self
            .at_hand()
            .filter(|identity| named.is_none_or(|named| named == identity.arn));
        if let Some(identity) = identity {
            let signer = request::signer::Signer {
                identity,
                inputs: &self.evidence.request,
                runner: self.runner(),
                role_tags: self.role().and_then(|role| role.tags.as_ref()),
            };
            request::signer::complete(&mut request, signer);
        }
        request
    }

    /// Whether the step's call needs `sts:TagSession`: for its own tags, or for those that the calling session passes on. (IAM User Guide,
    /// `id_session-tags`, "Chaining roles with session tags".)
    pub(crate) fn is_tagged(&self) -> bool {
        let inherits = self
            .evidence
            .caller
            .as_ref()
            .is_some_and(|caller| !caller.transitive_tags.is_empty());
        self.asks_with_credentials() && (inherits || !self.request().is_on(Input::RoleSkipSessionTagging))
    }

    fn evaluate(&self, policy: TrustPolicy) -> PolicyCase {
        let request = self.request_for(&policy);
        let trace = policy::trace(&policy, &request);
        let nearest = nearest(&policy, &trace, &self.issuer, &self.comparing);
        let subject = nearest
            .and_then(|statement| difference::subject(&policy, &trace, statement, &self.issuer, &self.comparing));
        let tagging = self.is_tagged().then(|| {
            let request = self.signed_by(request::tag_session(self.asker(), &[&policy]));
            policy::trace(&policy, &request).decision
        });
        PolicyCase {
            policy,
            request,
            trace,
            nearest,
            subject,
            tagging,
        }
    }

    /// Returns the caller that requests the role.
    #[must_use]
    pub fn asker(&self) -> Asker<'_> {
        let caller = match &self.answer {
            Some(Answer::AssumeRoleDenied(refusal)) => Some(refusal.user.as_str()),
            _ => self.at_hand().map(|identity| identity.arn.as_str()),
        };
        Asker {
            claims: self.claims,
            issuer: &self.issuer,
            role: self.role_named.as_ref(),
            provider: self.provider().and_then(|provider| provider.arn.as_deref()),
            inputs: &self.evidence.request,
            caller: caller.filter(|_| self.asks_with_credentials()),
        }
    }

    /// Builds the request context for a policy: its keys are those the policy uses.
    #[must_use]
    pub fn request_for(&self, policy: &TrustPolicy) -> RequestContext {
        if self.asks_with_credentials() {
            self.signed_by(request::assume_role(self.asker(), &[policy]))
        } else {
            request::web_identity(self.asker(), policy)
        }
    }

    /// Finds who else gets in: done once, used by several checks.
    #[must_use]
    pub fn openings(&self) -> &Openings {
        self.openings.get_or_init(|| match &self.policy {
            Some(policy) => witness::search(self.asker(), self.audiences(), &policy.policy, &self.searching),
            None => Openings::default(),
        })
    }

    /// Returns the witnesses to that.
    #[must_use]
    pub fn witnesses(&self) -> &[Witness] {
        &self.openings().witnesses
    }

    fn policy_name(&self) -> String {
        match self.role_name() {
            Some(name) => format!("trust policy of role `{name}`"),
            None => "trust policy".to_owned(),
        }
    }

    /// Whether AWS finds no provider, for this token's issuer if it names one.
    #[must_use]
    pub fn finds_no_provider(&self) -> bool {
        matches!(self.answer, Some(Answer::NoProvider(_)))
            && self
                .answer
                .as_ref()
                .and_then(Answer::issuer)
                .is_none_or(|named| issuer_host(named) == issuer_host(&self.issuer))
    }

    /// Whether IAM says that the role doesn't exist.
    #[must_use]
    pub fn is_role_missing(&self) -> bool {
        let gap = self.evidence.role.as_ref().and_then(Probe::gap);
        gap.is_some_and(|gap| gap.why == Why::NotFound)
    }

    /// Whether the role is requested with AWS credentials (`sts:AssumeRole`) rather than the token.
    #[must_use]
    pub fn asks_with_credentials(&self) -> bool {
        matches!(self.flow, Flow::AccessKey | Flow::Chaining)
            || (self.flow != Flow::TokenFile
                && self
                    .evidence
                    .caller
                    .as_ref()
                    .is_some_and(|caller| !caller.arn.is_empty()))
            || self.answer.as_ref().is_some_and(Answer::is_about_credentials)
    }

    /// Returns the pasted message, or AWS's own, verbatim.
    #[must_use]
    pub fn message(&self) -> Option<&'a str> {
        match self.evidence.attempt.as_ref().and_then(Probe::known) {
            Some(Attempt::Reported { text }) => Some(text),
            Some(Attempt::Denied { message, .. }) => Some(message),
            _ => self.evidence.reported.as_deref(),
        }
    }

    /// Whether the role was requested by an IAM user or an instance's role when the job meant to use its token.
    #[must_use]
    pub fn asked_by_stranger(&self) -> bool {
        let Some(Answer::AssumeRoleDenied(Refusal { action, user, .. })) = &self.answer else {
            return false;
        };
        let instance = user.rsplit('/').next().is_some_and(|session| session.starts_with("i-"));
        let keys = self.request().given(Input::AwsAccessKeyId).is_some();
        action == "sts:AssumeRole" && (user.contains(":user/") || instance) && !keys && self.flow != Flow::Chaining
    }

    /// Whether no role is requested, as far as known, and there is nothing else to decide.
    #[must_use]
    pub fn names_no_role(&self) -> bool {
        self.request().names_no_role()
            && self.evidence.role.is_none()
            && self.answer.is_none()
            && self.message().is_none()
    }

    /// Returns the role, if it was read.
    #[must_use]
    pub fn role(&self) -> Option<&'a Role> {
        self.evidence.role.as_ref().and_then(Probe::known)
    }

    /// Returns the role's name, if known.
    #[must_use]
    pub fn role_name(&self) -> Option<String> {
        if let Some(Ok(role)) = &self.role_arn {
            return Some(role.name.clone());
        }
        let arn = self.role()?.arn.as_deref()?;
        RoleArn::parse(arn).ok().map(|role| role.name)
    }

    /// Returns the role's partition and account, as far as known.
    #[must_use]
    pub fn account(&self) -> (String, Option<String>) {
        let own = own_arn(self.role());
        let asked = self.role_arn.as_ref().and_then(|role| role.as_ref().ok()).cloned();
        let role = asked.filter(|role| role.account.is_some()).or(own);
        if let Some(role) = role {
            return (role.partition, role.account);
        }
        let provider = self
            .provider()
            .and_then(|p| p.arn.as_deref())
            .and_then(ProviderArn::parse);
        match provider {
            Some(arn) => (arn.partition, Some(arn.account)),
            None => ("aws".to_owned(), None),
        }
    }

    /// Returns the provider, if it was read.
    #[must_use]
    pub fn provider(&self) -> Option<&'a Provider> {
        self.evidence.provider.as_ref().and_then(Probe::known)
    }

    /// Returns the provider that was read, unless it is another issuer's.
    #[must_use]
    pub fn own_provider(&self) -> Option<&'a Provider> {
        let is_issuers = |url: &str| issuer_host(url) == issuer_host(&self.issuer);
        self.provider()
            .filter(|provider| provider.url.as_deref().is_none_or(is_issuers))
    }

    /// Whether the account was searched and has no such provider.
    #[must_use]
    pub fn lacks_provider(&self) -> bool {
        let gap = self.evidence.provider.as_ref().and_then(Probe::gap);
        gap.is_some_and(|gap| gap.why == Why::NotFound)
    }

    /// Returns the provider's client IDs.
    #[must_use]
    pub fn own_client_ids(&self) -> Option<&'a Vec<String>> {
        self.own_provider().and_then(|provider| provider.client_ids.as_ref())
    }

    /// Returns the audiences that the provider accepts, if known.
    #[must_use]
    pub fn audiences(&self) -> Option<&'a [String]> {
        self.own_client_ids().map(Vec::as_slice).filter(|ids| !ids.is_empty())
    }

    /// Returns the facts about the runner.
    #[must_use]
    pub fn runner(&self) -> Option<&'a Runner> {
        self.evidence.runner.as_ref()
    }

    /// Returns the repository's default branch, from GitHub's API or the event.
    #[must_use]
    pub(crate) fn default_branch(&self) -> Option<&'a str> {
        let repository = self.evidence.repository.as_ref().and_then(Probe::known);
        repository
            .and_then(|repository| repository.default_branch.as_deref())
            .or_else(|| self.runner()?.default_branch.as_deref())
    }

    /// Returns how the repository's token subjects are built, if GitHub said.
    #[must_use]
    pub(crate) fn subject_template(&self) -> Option<&'a SubjectTemplate> {
        self.evidence.subject_template.as_ref().and_then(Probe::known)
    }

    /// Says why the repository's subjects contain IDs, as far as GitHub said.
    #[must_use]
    pub(crate) fn why_immutable(&self) -> Option<String> {
        let repository = self.evidence.repository.as_ref().and_then(Probe::known)?;
        if let Some(day) = repository.made_immutable() {
            return Some(format!(
                "the repository was created on {day}: since 15 July 2026 GitHub includes IDs in the subjects of new repositories, and, as reported, they cannot opt out"
            ));
        }
        repository.created?;
        Some(match self.subject_template()?.use_immutable_subject? {
            true => "the repository has opted in to IDs in the subject (`use_immutable_subject: true`)".to_owned(),
            false => "the repository is older than 15 July 2026 and has not opted in to IDs in the subject, so it or its organization was most \
                      likely renamed or transferred since"
                .to_owned(),
        })
    }

    /// Returns the keys of [`CLAIM_KEYS`] that the nearest statement compares.
    #[must_use]
    pub(crate) fn claims_compared(&self) -> Vec<String> {
        let keys = CLAIM_KEYS.map(|claim| self.asker().key(claim));
        let leaves = self.policy.as_ref().map(PolicyCase::nearest_leaves).unwrap_or_default();
        let compared = leaves.iter().filter(|leaf| keys.iter().any(|key| leaf.is(key)));
        compared.map(|leaf| leaf.name().to_owned()).collect()
    }

    /// Returns what protects the job's environment, if GitHub said.
    #[must_use]
    pub(crate) fn environment(&self) -> Option<&'a Environment> {
        let environment = self.evidence.environment.as_ref().and_then(Probe::known)?;
        let is_own = |name: &str| name.eq_ignore_ascii_case(&environment.name);
        let named = self.claims.and_then(|claims| claims.text("environment"));
        named.is_some_and(is_own).then_some(environment)
    }

    /// Returns the inputs.
    #[must_use]
    pub fn request(&self) -> &'a Request {
        &self.evidence.request
    }

    /// Returns the deployment of GitHub that the issuer belongs to.
    #[must_use]
    pub fn deployment(&self) -> Deployment {
        Deployment::of(&self.issuer)
    }

    /// Returns the policy's decision on the request.
    #[must_use]
    pub fn decision(&self) -> Option<Decision> {
        self.policy.as_ref().map(|policy| policy.trace.decision)
    }

    /// Whether the policy lets the whole request in, tags included.
    #[must_use]
    pub fn is_let_in(&self) -> bool {
        let policy = self.policy.as_ref();
        policy.is_some_and(|policy| {
            policy.trace.decision == Decision::Allow && policy.tagging.is_none_or(|tagging| tagging == Decision::Allow)
        }) && !self.caller.as_ref().is_some_and(CallerCase::is_denied)
    }

    /// Whether the step ends with its credentials: AWS issued them, and nothing in the step itself prevents it.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        (self.answer == Some(Answer::Allowed) || self.needs_no_answer()) && !self.ends_by_itself()
    }

    /// Whether the step is known to succeed without an answer to its own call: it requests nothing, or keeps credentials shown to work.
    #[must_use]
    pub fn needs_no_answer(&self) -> bool {
        let keeps = self.answer.is_none() && self.flow.keeps();
        self.request().does_nothing(self.flow) || (keeps && valid_at_hand(self.evidence) == Some(true))
    }

    /// Whether the step may keep credentials of which nobody knows whether they are there and valid.
    #[must_use]
    pub fn may_keep(&self) -> bool {
        let request = self.request();
        let is_open = request.is_on(Input::UseExistingCredentials) && !request.unsets();
        let is_told = matches!(self.flow, Flow::Existing | Flow::Nothing) || valid_at_hand(self.evidence).is_some();
        is_open && !is_told
    }

    /// Whether the step fails by itself, before it calls AWS or after it was given credentials.
    #[must_use]
    pub fn ends_by_itself(&self) -> bool {
        let unset = self.runner().is_some_and(|runner| !runner.unset.is_empty());
        let assumes = !self.flow.keeps() && self.request().given(Input::RoleToAssume).is_some();
        self.stop.is_some() || (unset && assumes) || self.is_account_refused() || self.profile_fault().is_some()
    }

    /// Says why the profile that the step names can't be written, if it gets that far: after it was given credentials.
    #[must_use]
    pub fn profile_fault(&self) -> Option<&str> {
        self.evidence
            .request
            .profile_fault()
            .filter(|_| self.flow != Flow::Existing)
    }

    /// Whether `allowed-account-ids` refuses the account that the step ends in. It isn't checked if the step keeps the credentials at hand
    /// because they are valid.
    #[must_use]
    pub fn is_account_refused(&self) -> bool {
        let allowed = self.request().allowed_accounts();
        let is_listed = |account: &str| is_masked(account) || allowed.contains(&account);
        self.flow != Flow::Existing
            && !allowed.is_empty()
            && self.final_account().is_some_and(|account| !is_listed(&account))
    }

    /// Returns the account of the credentials that the step ends with.
    #[must_use]
    pub fn final_account(&self) -> Option<String> {
        let own = || self.at_hand().map(|identity| identity.account.clone());
        if self.flow.keeps() || self.request().is_empty(Input::RoleToAssume) {
            return own();
        }
        // A bare role name refers to the caller's account.
        let named = self.role_named.as_ref().and_then(|role| role.account.clone());
        named.or_else(|| own().filter(|_| self.flow.has_credentials()))
    }

    /// Returns whose AWS credentials the step has, if known.
    #[must_use]
    pub fn at_hand(&self) -> Option<&'a Identity> {
        let reader = self.evidence.reader.as_ref().and_then(Probe::known);
        self.evidence
            .caller
            .as_ref()
            .filter(|caller| !caller.arn.is_empty())
            .or(reader.filter(|reader| reader.source != CredentialSource::DiagnosisRole))
    }

    /// Whether the job ran at all. Anything seen of it shows that it did, except a message from GitHub about the job itself.
    #[must_use]
    pub fn job_ran(&self) -> bool {
        self.evidence.runner.is_some()
            || self.evidence.token.is_some()
            || self.answer.as_ref().is_some_and(|answer| {
                !matches!(
                    answer,
                    Answer::EnvironmentRefused | Answer::IamRefusedPolicy | Answer::NestedPermission | Answer::Other
                )
            })
    }

    /// Labels a value of the trust policy.
    #[must_use]
    pub fn policy_label(&self, location: impl Into<Location>, text: impl Into<String>) -> Label {
        Label {
            document: Document::TrustPolicy,
            location: location.into(),
            text: text.into(),
        }
    }

    /// Labels a claim of the token.
    #[must_use]
    pub fn claim_label(&self, claim: &str, text: impl Into<String>) -> Option<Label> {
        let source = self.claims_source.as_ref()?;
        let key = format!("\n  {}: ", serde_json::to_string(claim).ok()?);
        let start = source.text.find(&key)? + key.len();
        let value = serde_json::to_string_pretty(self.claims?.0.get(claim)?).ok()?;
        Some(Label {
            document: Document::Claims,
            location: Location::new(Span::new(start, start + value.len()), pointer_to("", claim)),
            text: text.into(),
        })
    }

    /// Labels a place in the workflow file.
    #[must_use]
    pub fn workflow_label(&self, span: Span, text: impl Into<String>) -> Label {
        Label {
            document: Document::Workflow,
            location: span.into(),
            text: text.into(),
        }
    }
}

impl Facts for Case<'_> {
    fn holds(&self, fact: Fact) -> bool {
        let told = |text: Option<&str>| text.is_some_and(is_told);
        let asked = || {
            let role = self.role_arn.as_ref()?.as_ref().ok()?;
            (is_told(&role.partition) && is_told(&role.path) && is_told(&role.name))
                .then_some((role, role.account.as_ref()?))
        };
        let is_own = |arn: Option<&str>| {
            let own = arn.and_then(|arn| RoleArn::parse(arn.trim()).ok());
            asked().is_some_and(|(asked, _)| own.as_ref() == Some(asked))
        };
        let not_found = |gap: Option<&Gap>| gap.is_some_and(|gap| gap.why == Why::NotFound) && asked().is_some();
        match fact {
            Fact::Answer => {
                let gap = self.evidence.attempt.as_ref().and_then(Probe::gap);
                let is_understood = self.answer.as_ref().is_some_and(|answer| *answer != Answer::Other);
                gap.is_some() || is_understood && self.message().is_none_or(words_are_whole)
            }
            Fact::CallerPolicies => {
                let is_whole = self.caller.as_ref().is_some_and(|caller| caller.is_whole);
                is_whole && self.at_hand().is_some_and(|identity| is_told(&identity.arn))
            }
            Fact::Claim(name) => self.claims.is_some_and(|claims| match name {
                "aud" => told(claims.audience()),
                _ => claims
                    .0
                    .get(name)
                    .is_some_and(|value| value.as_str().is_none_or(is_told)),
            }),
            Fact::Claims => {
                let all = self.claims.map(|claims| claims.0.values());
                self.holds(Fact::Claim("sub"))
                    && self.holds(Fact::Claim("aud"))
                    && all.is_some_and(|mut all| all.all(|value| value.as_str().is_none_or(is_told)))
            }
            Fact::AtHand => {
                let seen = self.evidence.reader.as_ref().and_then(Probe::known);
                // If none were seen, there are none only if the runner or the action itself says so.
                let none = valid_at_hand(self.evidence) == Some(false) || self.answer == Some(Answer::NoCredentials);
                seen.map_or(none, |reader| {
                    use CredentialSource::{DefaultChain, DiagnosisRole, Environment};
                    matches!(reader.source, DefaultChain | DiagnosisRole | Environment)
                })
            }
            Fact::Clock => self.evidence.clock.is_some_and(|clock| clock.outside().is_some()),
            // Keys are never kept: all that is known is that one was given.
            Fact::Input(input) => {
                let value = self.request().get(input);
                value.is_some_and(|value| input.spec().kind == Kind::Secret || is_told(value))
            }
            Fact::Issuer => self.issuer_is_told && is_told(&self.issuer),
            // A policy without a role's name, or with another's, may belong to any role.
            Fact::Policy => {
                let text = self.policy_source.as_ref().map_or("", |source| &source.text);
                // A sole statement denies by its conditions, whatever its provider's account.
                let is_alone = self
                    .policy
                    .as_ref()
                    .is_some_and(|policy| policy.policy.statements.len() == 1);
                let is_whole = is_told(text) || is_alone && is_told(&text.replace("::***:oidc-provider/", "::"));
                self.holds(Fact::Role) && is_whole
            }
            Fact::Provider => match &self.evidence.provider {
                Some(Probe::Known(provider)) => {
                    let arn = provider.arn.as_deref().and_then(ProviderArn::parse);
                    arn.zip(asked()).is_some_and(|(arn, (role, account))| {
                        arn.partition == role.partition
                            && arn.account == *account
                            && arn.host == issuer_host(&self.issuer)
                    }) && provider.client_ids.iter().flatten().all(|id| is_told(id))
                }
                provider => not_found(provider.as_ref().and_then(Probe::gap)),
            },
            Fact::Role => match &self.evidence.role {
                Some(Probe::Known(role)) => is_own(role.arn.as_deref()),
                role => not_found(role.as_ref().and_then(Probe::gap)),
            },
            Fact::RoleArn => asked().is_some(),
            Fact::TokenRequest => {
                self.runner().is_some_and(|runner| runner.id_token_request.is_some())
                    || self.evidence.token.as_ref().and_then(Probe::gap).is_some()
            }
        }
    }
}

impl PolicyCase {
    /// Returns the statement that comes closest to letting the request in, and its trace.
    #[must_use]
    pub fn nearest(&self) -> Option<(usize, &Statement, &StatementTrace)> {
        let index = self.nearest?;
        Some((
            index,
            self.policy.statements.get(index)?,
            self.trace.statements.get(index)?,
        ))
    }

    /// Iterates over the statements, with their indexes and traces.
    pub fn statements(&self) -> impl Iterator<Item = (usize, &Statement, &StatementTrace)> {
        let statements = self.policy.statements.iter().zip(&self.trace.statements);
        statements
            .enumerate()
            .map(|(index, (statement, trace))| (index, statement, trace))
    }

    /// Iterates over the other statements that allow something and can be meant for a token.
    pub fn rivals(&self) -> impl Iterator<Item = usize> {
        let statements = self.policy.statements.iter().enumerate();
        statements
            .filter(|(index, statement)| {
                Some(*index) != self.nearest && statement.effect.value == Effect::Allow && is_for_tokens(statement)
            })
            .map(|(index, _)| index)
    }

    /// Returns the condition keys of a statement.
    #[must_use]
    pub fn leaves(&self, statement: usize) -> Vec<ConditionLeaf<'_>> {
        let trace = self.trace.statements.get(statement);
        trace.map_or_else(Vec::new, |trace| leaves(&self.policy, statement, trace))
    }

    /// Returns the condition keys of the nearest statement.
    #[must_use]
    pub fn nearest_leaves(&self) -> Vec<ConditionLeaf<'_>> {
        self.nearest.map_or_else(Vec::new, |statement| self.leaves(statement))
    }

    /// Returns the condition keys that fail in the nearest statement.
    #[must_use]
    pub fn failing(&self) -> Vec<ConditionLeaf<'_>> {
        let mut leaves = self.nearest_leaves();
        leaves.retain(|leaf| leaf.trace.outcome == Outcome::NoMatch);
        leaves
    }
}

/// Returns the Allow statement that comes closest: principal and action first, then the fewest failing keys, then the closest `sub`
/// condition.
fn nearest(policy: &TrustPolicy, trace: &Trace, issuer: &str, budget: &Budget) -> Option<usize> {
    policy
        .statements
        .iter()
        .zip(&trace.statements)
        .enumerate()
        .filter(|(_, (statement, _))| statement.effect.value == Effect::Allow)
        .min_by_key(|(index, (statement, trace))| {
            let leaves = leaves(policy, *index, trace);
            let failing = leaves.iter().filter(|leaf| leaf.trace.outcome == Outcome::NoMatch);
            let failing = failing.count();
            let distance = difference::distance(&leaves, issuer, budget);
            (
                trace.principal.outcome == Outcome::NoMatch,
                !is_for_tokens(statement),
                trace.action.outcome == Outcome::NoMatch,
                failing,
                distance,
            )
        })
        .map(|(index, _)| index)
}

/// Whether a statement names an identity provider, or everyone.
fn is_for_tokens(statement: &Statement) -> bool {
    statement.principal.as_ref().is_some_and(|principal| {
        let mut kinds = principal.entries.iter().map(|entry| entry.kind);
        kinds.any(|kind| matches!(kind, PrincipalKind::Federated | PrincipalKind::Everyone))
    })
}

/// Returns the role's own ARN, as read.
fn own_arn(role: Option<&Role>) -> Option<RoleArn> {
    RoleArn::parse(role?.arn.as_deref()?).ok()
}

/// Formats and parses a policy; if the whole role was given instead, the role's policy.
fn read_policy(given: &PolicyText, is_stored: bool) -> (String, Result<TrustPolicy, ParseError>) {
    let mut text = match given {
        PolicyText::Text(text) => lay_out(text),
        PolicyText::Value(value) => serde_json::to_string_pretty(value).unwrap_or_default(),
    };
    let mut policy = policy::parse(&text);
    if policy.is_err()
        && let Some(document) = of_role(&text)
    {
        policy = policy::parse(&document);
        text = document;
    }
    // AWS compared the token with a policy, and IAM stores only valid JSON: anything extra was added to present it.
    if policy.is_err()
        && is_stored
        && let Some(clean) = blanked(&text)
        && let Ok(read) = policy::parse(&clean)
    {
        policy = Ok(read);
        text = clean;
    }
    (text, policy)
}

/// Returns the role that a bare name stands for if the step has AWS credentials: one in their account. (`src/assumeRole.ts`.)
fn of_source_account(evidence: &Evidence, flow: Flow) -> Option<RoleArn> {
    let caller = evidence.caller.as_ref().filter(|_| flow.has_credentials())?;
    let account = Some(caller.account.as_str()).filter(|account| !account.is_empty());
    RoleArn::parse(&evidence.request.role_arn(account)?).ok()
}

/// Guesses the issuer when neither the token nor AWS names it: that of the provider that was read, else the one the policy trusts if its
/// server is the same, else the server's.
fn likely_issuer(evidence: &Evidence, policy: Option<&TrustPolicy>) -> String {
    let read = evidence.provider.as_ref().and_then(Probe::known);
    if let Some(url) = read.and_then(|provider| provider.url.as_deref()) {
        return format!("https://{}", issuer_host(url));
    }
    let server = evidence.runner.as_ref().and_then(|runner| runner.server_url.as_deref());
    let of_server = server.map(Deployment::issuer_of_server);
    let mut trusted: Vec<String> = policy
        .into_iter()
        .flat_map(|policy| &policy.statements)
        .filter_map(|statement| statement.principal.as_ref())
        .flat_map(|principal| &principal.entries)
        .flat_map(|entry| &entry.values)
        .filter_map(|value| ProviderArn::parse(&value.value))
        .map(|arn| arn.host)
        .filter(|host| {
            of_server
                .as_ref()
                .is_none_or(|server| host.starts_with(issuer_host(server)))
        })
        .collect();
    trusted.sort_by_key(|host| Deployment::of(host) == Deployment::Other);
    match (trusted.into_iter().next(), of_server) {
        (Some(host), _) => format!("https://{host}"),
        (None, Some(server)) => server,
        (None, None) => format!("https://{GITHUB_ISSUER}"),
    }
}

/// Whether nothing in a text is masked or left to be filled in.
pub(crate) fn is_told(text: &str) -> bool {
    !is_masked(text)
}

/// Whether a message masks only names, as in `arn:aws:iam::***:role/***` and `User: ***`, and none of its words. What a folder between
/// two slashes is called may show where the message is from.
fn words_are_whole(message: &str) -> bool {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut before = "";
    message.split("***").enumerate().all(|(i, after)| {
        let cuts = before.ends_with(is_word) || after.starts_with(is_word);
        let is_alone = before.ends_with(' ') && after.starts_with([' ', ':']) && !before.ends_with(": ");
        let word = before.rsplit([' ', '(', '\n']).next().unwrap_or_default();
        let is_folder = word.ends_with('/') && !word.contains(':') && after.starts_with('/');
        let fits = i == 0 || !cuts && !is_alone && !is_folder;
        before = after;
        fits
    })
}

/// Whether there are AWS credentials at hand that AWS accepts.
fn valid_at_hand(evidence: &Evidence) -> Option<bool> {
    if let Some(caller) = evidence.caller.as_ref().filter(|caller| !caller.arn.is_empty()) {
        // `unset-current-credentials` takes away what the variables hold, not what a profile does.
        let is_kept = matches!(
            caller.source,
            CredentialSource::DefaultChain | CredentialSource::Profile
        );
        return (is_kept || !evidence.request.unsets()).then_some(caller.source != CredentialSource::Inputs);
    }
    let gap = evidence.attempt.as_ref().and_then(Probe::gap);
    if gap.is_some_and(|gap| gap.why == Why::NoCredentials) {
        return Some(false);
    }
    let reader = evidence.reader.as_ref().and_then(Probe::known);
    let held = evidence
        .runner
        .as_ref()
        .and_then(|runner| runner.aws_credentials.as_ref());
    let is_of_environment =
        reader.is_some_and(|reader| reader.source == CredentialSource::Environment) && !evidence.request.unsets();
    match held {
        // A named profile takes precedence over the variables, and with none at hand the two contradict each other.
        Some(HeldCredentials::Profile | HeldCredentials::None) if is_of_environment => None,
        Some(HeldCredentials::None) => Some(false),
        _ => is_of_environment.then_some(true),
    }
}

fn claims_source(claims: &Claims) -> SourceText {
    SourceText::new(
        "claims of the ID token",
        serde_json::to_string_pretty(&claims.0).unwrap_or_default(),
    )
}
