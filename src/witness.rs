//! Who else gets in: a search for a concrete subject of a repository that the policy's author surely did not mean, and that the
//! evaluator lets in. No witness, no finding: another guard may save the policy.
//!
//! The search has a [`Budget`]; where it is spent, that nobody was found proves nothing.

use std::collections::HashSet;

use serde_json::Value;

use crate::aws::request::{self, Asker, CLAIM_KEYS};
use crate::budget::{Budget, steps};
use crate::github::claims::Claims;
use crate::github::issuer::issuer_host;
use crate::github::subject::Subject;
use crate::policy::leaves;
use crate::policy::{
    ConditionKey, Decision, Effect, Presence, PrincipalKind, RequestContext, SetOperator, Statement, TrustPolicy,
    decide, trace,
};
use crate::text::{Span, Spanned};

/// What kind of opening a witness shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breadth {
    /// Nothing restricts the subject.
    Anyone,
    /// A token that was made for another service gets in.
    Audience,
    /// A pattern takes in more than it seems to.
    Broad,
    /// The guards hold because their keys are absent.
    Vacuous,
}

/// A request that gets in and should not.
#[derive(Debug, Clone)]
pub struct Witness {
    /// The kind of opening.
    pub breadth: Breadth,
    /// The subject that gets in.
    pub subject: String,
    /// What that means: anyone on GitHub, any repository of the owner, …
    pub reach: String,
    /// Where the policy lets it in.
    pub span: Span,
    /// JSON pointer of that place.
    pub pointer: String,
}

/// All kinds of openings of a policy for somebody who comes with a token, at most one witness for each kind. The asker is the one
/// whom the policy is meant for; everybody else is a stranger.
#[must_use]
pub fn search(asker: Asker<'_>, policy: &TrustPolicy, budget: &Budget) -> Vec<Witness> {
    let mut search = Search {
        asker,
        budget,
        strangers: Strangers::new(asker, policy, budget),
        owners: literal_owners(asker, policy),
        audiences: audiences(asker, policy),
        found: Vec::new(),
    };
    for (index, statement) in policy.statements.iter().enumerate() {
        if statement.effect.value == Effect::Allow && trusts_github(statement) {
            search.statement(index, statement);
        }
    }
    let mut found = search.found;
    // Anyone at all says more than a part of them.
    if found.iter().any(|witness| witness.breadth.is_anyone()) {
        found.retain(|witness| witness.breadth != Breadth::Broad);
    }
    found
}

/// Does a change of a policy keep out all subjects of other people's repositories that were kept out before? No where one gets in,
/// and where not all could be tried.
#[must_use]
pub fn lets_in_no_more(asker: Asker<'_>, before: &TrustPolicy, after: &TrustPolicy, budget: &Budget) -> bool {
    let own = asker
        .claims
        .and_then(|claims| claims.subject())
        .and_then(Subject::parse)
        .map(|s| s.repository_part());
    let audiences = audiences(asker, after);
    let mut changed = Strangers::new(asker, after, budget);
    let mut unchanged = Strangers::new(asker, before, budget);
    let is_other = |subject: &str| Subject::parse(subject).is_none_or(|s| Some(s.repository_part()) != own);
    let mut kept_out = |subject: &str, after: Option<&Narrow<'_>>, before: Option<&Narrow<'_>>| {
        audiences.iter().all(|audience| {
            changed.come_with(subject, audience);
            match changed.decide_by(after) {
                Some(Decision::ImplicitDeny | Decision::ExplicitDeny) => return true,
                Some(_) => {}
                None => return false,
            }
            unchanged.come_with(subject, audience);
            unchanged.decide_by(before) == Some(Decision::Allow)
        })
    };
    if !strangers().iter().all(|subject| kept_out(subject, None, None)) {
        return false;
    }
    for (index, statement) in after.statements.iter().enumerate() {
        let mut after = Narrow::among(after, index, statement);
        let old_statement = before.statements.get(index);
        let mut before = old_statement.map(|statement| Narrow::among(before, index, statement));
        for value in subject_values(asker, statement) {
            after.narrow_or_widen(&value);
            if let (Some(before), Some(old_statement)) = (&mut before, old_statement) {
                match value.same_in(old_statement) {
                    Some(old) => before.narrow_or_widen(&old),
                    None => before.widen(),
                }
            }
            let mut others = instances(value.text(), budget).filter(|subject| is_other(subject));
            if !others.all(|subject| kept_out(&subject, Some(&after), before.as_ref())) {
                return false;
            }
        }
    }
    !budget.is_spent()
}

fn trusts_github(statement: &Statement) -> bool {
    statement.principal.as_ref().is_some_and(|principal| {
        !principal.negated
            && principal.entries.iter().any(|entry| {
                entry.kind == PrincipalKind::Federated
                    && entry.values.iter().any(|value| value.value.contains(":oidc-provider/"))
            })
    })
}

impl Breadth {
    fn is_anyone(self) -> bool {
        matches!(self, Self::Anyone | Self::Vacuous)
    }
}

/// The search for witnesses in one policy.
struct Search<'a> {
    asker: Asker<'a>,
    budget: &'a Budget,
    strangers: Strangers<'a>,
    /// Owners that the policy or the token names in full: those are meant.
    owners: HashSet<String>,
    audiences: Vec<String>,
    /// At most one of a kind.
    found: Vec<Witness>,
}

impl Search<'_> {
    fn statement(&mut self, index: usize, statement: &Statement) {
        let policy = self.strangers.policy;
        let values = subject_values(self.asker, statement);
        let pointer = policy.statement_pointer(index);
        let mut alone = Narrow::alone(policy, statement);
        self.others(&values, &pointer, statement, &mut alone);
        if self.has(|breadth| breadth == Breadth::Audience) {
            return;
        }
        // Somebody who gets in gets in with any audience.
        let own = self.asker.claims.and_then(|claims| claims.subject()).map(str::to_owned);
        alone.widen();
        let elsewhere = |search: &mut Self, alone: &Narrow<'_>, subject: &str| {
            search
                .strangers
                .get_in(alone, subject, "https://example.com/made-for-another-service")
        };
        let mut found = own.filter(|own| elsewhere(self, &alone, own));
        for value in &values {
            if found.is_some() || self.budget.is_spent() {
                break;
            }
            alone.narrow_or_widen(value);
            found = instances(value.text(), self.budget)
                .take(8)
                .find(|subject| elsewhere(self, &alone, subject));
        }
        alone.widen();
        let found = found.or_else(|| strangers().into_iter().find(|subject| elsewhere(self, &alone, subject)));
        if let Some(subject) = found {
            let span = statement.condition_span.unwrap_or(statement.effect.span);
            self.add(Breadth::Audience, subject, "", span, format!("{pointer}/Condition"));
        }
    }

    /// Strangers, and other repositories than those that are meant.
    fn others(&mut self, values: &[SubjectValue<'_>], pointer: &str, statement: &Statement, alone: &mut Narrow<'_>) {
        // A stranger, made from nothing that the policy says.
        if let Some(subject) = strangers().into_iter().find(|subject| self.gets_in(alone, subject)) {
            let span = statement.condition_span.unwrap_or(statement.effect.span);
            let culprit = values
                .iter()
                .find(|value| crate::policy::wildcard::matches(value.text(), &subject));
            let (span, place) = culprit
                .or(values.first())
                .map_or((span, format!("{pointer}/Condition")), |value| {
                    (value.span(), value.pointer(pointer))
                });
            let is_vacuous = values.is_empty() && vacuous(alone.policy(), &self.strangers.request);
            let breadth = if is_vacuous { Breadth::Vacuous } else { Breadth::Anyone };
            self.add(breadth, subject, "anyone on GitHub", span, place);
            return;
        }
        if self.has(|breadth| breadth == Breadth::Broad || breadth.is_anyone()) {
            return;
        }
        for value in values {
            if self.budget.is_spent() {
                return;
            }
            alone.narrow_or_widen(value);
            if let Some((subject, reach)) = self.broad(value.text(), alone) {
                return self.add(Breadth::Broad, subject, &reach, value.span(), value.pointer(pointer));
            }
        }
    }

    fn has(&self, is: impl Fn(Breadth) -> bool) -> bool {
        self.found.iter().any(|witness| is(witness.breadth))
    }

    fn add(&mut self, breadth: Breadth, subject: String, reach: &str, span: Span, pointer: String) {
        if !self.has(|other| other == breadth) {
            self.found.push(Witness {
                breadth,
                subject,
                reach: reach.to_owned(),
                span,
                pointer,
            });
        }
    }

    /// Does a subject get in by this statement, with an audience that the policy wants?
    fn gets_in(&mut self, alone: &Narrow<'_>, subject: &str) -> bool {
        let strangers = &mut self.strangers;
        self.audiences
            .iter()
            .any(|audience| strangers.get_in(alone, subject, audience))
    }

    /// A subject that a pattern takes in beyond what it seems to say: of a stranger, of another repository of the owner, of any branch
    /// or pull request.
    fn broad(&mut self, pattern: &str, alone: &Narrow<'_>) -> Option<(String, String)> {
        if !pattern.contains(['*', '?']) {
            return None;
        }
        let value = Subject::parse(pattern);
        let budget = self.budget;
        // An id in full belongs to one owner or repository for good, whatever the names are.
        let fixed = |id: Option<&str>| id.is_some_and(|id| !id.contains(['*', '?']));
        let is_fixed = value.is_some_and(|value| fixed(value.owner_id) || fixed(value.repository_id));
        let stranger = instances(pattern, budget).find(|text| {
            !is_fixed
                && Subject::parse(text).is_some_and(|s| {
                    s.is_default()
                        && is_owner(s.owner)
                        && s.repository.is_some_and(is_name)
                        && !self.owners.contains(&s.owner.to_lowercase())
                })
                && self.gets_in(alone, text)
        });
        if let Some(subject) = stranger {
            let owner = Subject::parse(&subject).map_or("", |s| s.owner);
            let reach = format!("strangers: `{owner}` is a name that anyone can register");
            return Some((subject, reach));
        }
        // Anyone can build their subject from this claim.
        if let Some(owner) = pattern
            .strip_prefix("repository_owner:")
            .and_then(|rest| rest.strip_suffix('*'))
        {
            let subject = format!("repository_owner:{owner}-evil");
            if !owner.contains([':', '*', '?']) && self.gets_in(alone, &subject) {
                return Some((
                    subject,
                    format!("strangers: `{owner}-evil` is a name that anyone can register"),
                ));
            }
        }
        let value = value?;
        let names = value.repository_part();
        if value
            .repository
            .is_none_or(|repository| repository.contains(['*', '?']))
            && !is_fixed
        {
            let plain = value
                .repository
                .map(|repository| repository.split('*').next().unwrap_or_default());
            let subject = instances(pattern, budget).find(|text| {
                Subject::parse(text)
                    .is_some_and(|s| s.is_default() && s.repository.is_some_and(is_name) && s.repository != plain)
                    && self.gets_in(alone, text)
            })?;
            let reach = match value.repository {
                Some("*") | None => format!(
                    "every repository of `{}`, with all of its branches and pull requests that fit",
                    value.owner
                ),
                Some(_) => {
                    let other = Subject::parse(&subject).map(|s| s.names()).unwrap_or_default();
                    format!("other repositories of `{}`: `{other}` fits as well", value.owner)
                }
            };
            return Some((subject, reach));
        }
        // The repository is named; how much of what runs in it?
        let context = value.context.unwrap_or_default();
        let all = [
            ("pull_request", "every branch, tag, environment and pull request"),
            ("ref:refs/heads/any-branch", "every branch"),
            ("environment:any-environment", "every environment"),
        ];
        all.into_iter().find_map(|(any, words)| {
            let named = match names.strip_suffix("/*") {
                // With the owner's id comes the repository's.
                Some(owner) if owner.contains('@') && !owner.contains('*') => {
                    format!("{owner}/any-repository@987654321")
                }
                _ => names.replace('*', "987654321"),
            };
            let whose = match names.strip_suffix("/*") {
                Some(owner) => format!("every repository of `{owner}`"),
                None => format!("`{names}`"),
            };
            let subject = format!("repo:{named}:{any}");
            // A pattern such as `release/*` is meant as it is; one that takes in all is not.
            let takes_all = matches!(
                context,
                "" | "*" | "ref:*" | "ref:refs/*" | "ref:refs/heads/*" | "environment:*"
            );
            (takes_all && crate::policy::wildcard::matches(pattern, &subject) && self.gets_in(alone, &subject))
                .then(|| (subject.clone(), format!("{words} of {whose}")))
        })
    }
}

/// Requests of other people's jobs. Built once for a policy: from one job to the next only claims change.
struct Strangers<'a> {
    asker: Asker<'a>,
    policy: &'a TrustPolicy,
    weight: Weight,
    /// Is there nothing in the policy that could take back what a statement allows?
    only_allows: bool,
    budget: &'a Budget,
    request: RequestContext,
    /// The claims that the policy asks for, by the condition key.
    asked: Vec<(String, String)>,
}

impl<'a> Strangers<'a> {
    fn new(asker: Asker<'a>, policy: &'a TrustPolicy, budget: &'a Budget) -> Self {
        let request = request::web_identity(
            Asker {
                claims: Some(&Claims::default()),
                ..asker
            },
            policy,
        );
        let prefix = format!("{}:", issuer_host(asker.issuer).to_ascii_lowercase());
        let is_claim =
            |claim: &str| ["sub", "aud", "oaud", "amr", "email"].contains(&claim) || CLAIM_KEYS.contains(&claim);
        let asked = request
            .keys()
            .into_iter()
            .filter_map(|key| Some((key.to_owned(), key.strip_prefix(&prefix)?.to_owned())))
            .filter(|(_, claim)| is_claim(claim))
            .collect();
        let takes_back = |statement: &Statement| statement.effect.value == Effect::Deny || statement.is_ambiguous;
        Self {
            asker,
            policy,
            weight: Weight::of(policy),
            only_allows: !policy.is_ambiguous && !policy.statements.iter().any(takes_back),
            budget,
            request,
            asked,
        }
    }

    /// Does the policy let it in, and is it this statement that does?
    fn get_in(&mut self, alone: &Narrow<'_>, subject: &str, audience: &str) -> bool {
        if !self.budget.take(40) {
            return false;
        }
        self.come_with(subject, audience);
        self.decide_by(Some(alone)) == Some(Decision::Allow)
            && (self.only_allows || self.decide_by(None) == Some(Decision::Allow))
    }

    /// The decision of a policy, or of a part of it; `None` where there are no steps left.
    fn decide(&self, policy: &TrustPolicy, weight: Weight) -> Option<Decision> {
        let key = self.asked.iter().find(|(_, claim)| claim == "sub");
        let bytes = match key.map(|(key, _)| self.request.get(key)) {
            Some(Presence::One(subject)) => subject.len(),
            _ => 0,
        };
        self.budget
            .take(weight.steps(bytes))
            .then(|| decide(policy, &self.request))
    }

    /// The decision of the policy, or what is the same for this subject.
    fn decide_by(&self, narrow: Option<&Narrow<'_>>) -> Option<Decision> {
        match narrow {
            Some(narrow) => self.decide(narrow.policy(), narrow.weight),
            None => self.decide(self.policy, self.weight),
        }
    }

    /// The request of somebody else's job with a subject and an audience.
    fn come_with(&mut self, subject: &str, audience: &str) {
        let claims = self.claims(subject, audience);
        let asker = Asker {
            claims: Some(&claims),
            ..self.asker
        };
        for (key, claim) in &self.asked {
            self.request.set(key, request::claim_key(asker, claim));
        }
    }

    /// The claims of that job, as far as they are asked for.
    fn claims(&self, subject: &str, audience: &str) -> Claims {
        let is_asked =
            |name: &str| ["sub", "aud", "azp"].contains(&name) || self.asked.iter().any(|(_, claim)| claim == name);
        let own = self.asker.claims.filter(|claims| claims.subject() == Some(subject));
        let mut claims = Claims::default();
        if let Some(own) = own {
            let asked = own.0.iter().filter(|(name, _)| is_asked(name));
            claims
                .0
                .extend(asked.map(|(name, value)| (name.clone(), value.clone())));
        }
        let mut set = |name: &str, value: &dyn Fn() -> String| {
            if is_asked(name) {
                claims.0.insert(name.to_owned(), Value::String(value()));
            }
        };
        set("aud", &|| audience.to_owned());
        if own.is_none() {
            set("sub", &|| subject.to_owned());
            if let Some(s) = Subject::parse(subject) {
                set("repository", &|| s.names());
                set("repository_id", &|| s.repository_id.unwrap_or("123454321").to_owned());
                set("repository_owner_id", &|| s.owner_id.unwrap_or("987654321").to_owned());
                let context = s.context.unwrap_or_default();
                set("ref", &|| {
                    context.strip_prefix("ref:").unwrap_or("refs/heads/main").to_owned()
                });
                if let Some(name) = context.strip_prefix("environment:") {
                    set("environment", &|| name.to_owned());
                }
                set("job_workflow_ref", &|| {
                    format!("{}/.github/workflows/deploy.yml@refs/heads/main", s.names())
                });
            }
            set("actor", &|| "some-stranger".to_owned());
            set("actor_id", &|| "987654321".to_owned());
            set("workflow", &|| "deploy".to_owned());
        }
        claims
    }
}

/// How many steps a decision of a policy takes.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    /// For any subject.
    fixed: u64,
    /// For 16 bytes of the subject.
    bytes: u64,
}

impl Weight {
    fn of(policy: &TrustPolicy) -> Self {
        let mut weight = Self::default();
        for statement in &policy.statements {
            let principals = statement.principal.iter().flat_map(|principal| &principal.entries);
            let principals = principals.flat_map(|entry| &entry.values);
            let actions = statement.action.iter().flat_map(|action| &action.values);
            for value in principals.chain(actions) {
                weight.fixed += 8 + steps(value.value.len());
            }
            for key in statement.conditions.iter().flat_map(|condition| &condition.keys) {
                weight.fixed += 8 + steps(key.key.value.len());
                for value in &key.values {
                    weight = weight.and(Self::value(&value.value));
                }
            }
        }
        weight
    }

    /// Of one value. A piece between stars is looked for in the whole subject, one with `?` at each place anew; variables may
    /// stand for all of the subject.
    fn value(text: &str) -> Self {
        let count = |what: &str| u64::try_from(text.matches(what).take(5000).count()).unwrap_or_default();
        let (stars, variables) = (count("*"), count("${"));
        let floats = |(_, rest): (&str, &str)| rest.rsplit_once('*').is_some_and(|(middle, _)| middle.contains('?'));
        let places = match stars {
            0 => 0,
            _ if text.split_once('*').is_some_and(floats) => steps(text.len()).saturating_mul(16).min(512),
            _ => 1,
        };
        Self {
            fixed: 2 + steps(text.len()) + 4 * stars,
            bytes: places + 8 * variables + variables * variables,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            fixed: self.fixed + other.fixed,
            bytes: self.bytes + other.bytes,
        }
    }

    fn steps(self, subject: usize) -> u64 {
        self.fixed.saturating_add(self.bytes.saturating_mul(steps(subject)))
    }
}

/// A policy, or one statement of it, and while one of a statement's values for `sub` is looked at, without the other values: what it
/// says of a subject that fits the value is the same, and costs the less.
struct Narrow<'a> {
    policy: &'a TrustPolicy,
    statement: &'a Statement,
    /// Where the statement stands among the others; `None` where they are left out.
    among: Option<usize>,
    /// With all values; `None` where that is the policy as it is.
    whole: Option<TrustPolicy>,
    whole_weight: Weight,
    /// With one value, and where that one is: condition and key. Is what it says the same?
    narrow: Option<(TrustPolicy, (usize, usize), bool)>,
    /// Of the same without that value.
    rest_weight: Weight,
    is_narrow: bool,
    weight: Weight,
}

impl<'a> Narrow<'a> {
    /// The statement without the others.
    fn alone(policy: &'a TrustPolicy, statement: &'a Statement) -> Self {
        let whole = (policy.statements.len() != 1).then(|| lone(policy, statement.clone()));
        let weight = Weight::of(whole.as_ref().unwrap_or(policy));
        Self {
            policy,
            statement,
            among: None,
            whole,
            whole_weight: weight,
            narrow: None,
            rest_weight: weight,
            is_narrow: false,
            weight,
        }
    }

    /// The statement with the others.
    fn among(policy: &'a TrustPolicy, index: usize, statement: &'a Statement) -> Self {
        let weight = Weight::of(policy);
        Self {
            policy,
            statement,
            among: Some(index),
            whole: None,
            whole_weight: weight,
            narrow: None,
            rest_weight: weight,
            is_narrow: false,
            weight,
        }
    }

    fn policy(&self) -> &TrustPolicy {
        match &self.narrow {
            Some((narrow, ..)) if self.is_narrow => narrow,
            _ => self.whole.as_ref().unwrap_or(self.policy),
        }
    }

    /// All of its values again.
    fn widen(&mut self) {
        self.is_narrow = false;
        self.weight = self.whole_weight;
    }

    fn narrow_or_widen(&mut self, value: &SubjectValue<'_>) {
        if !self.narrow(value) {
            self.widen();
        }
    }

    /// This value alone of its condition; no where that would not say the same of the subjects that are made from it.
    fn narrow(&mut self, value: &SubjectValue<'_>) -> bool {
        let place = (value.condition, value.key);
        if self.narrow.as_ref().is_none_or(|(_, other, _)| *other != place) {
            // A variable without a value in another value changes the outcome, and so does a key that stands twice.
            let is_plain = self.policy.duplicates.is_empty() && !value.of.values.iter().any(|v| v.value.contains('$'));
            let rest = without_values(self.statement, place);
            let narrow = match self.among {
                Some(index) => with_statement(self.policy, index, rest),
                None => lone(self.policy, rest),
            };
            self.rest_weight = Weight::of(&narrow);
            self.narrow = Some((narrow, place, is_plain));
        }
        let Some((narrow, _, true)) = &mut self.narrow else {
            return false;
        };
        if !value.takes_wildcards && value.text().contains(['*', '?']) {
            return false;
        }
        let key = narrow
            .statements
            .get_mut(self.among.unwrap_or_default())
            .and_then(|statement| statement.conditions.get_mut(value.condition))
            .and_then(|condition| condition.keys.get_mut(value.key));
        let Some(key) = key else { return false };
        key.values = vec![value.value.clone()];
        self.weight = self.rest_weight.and(Weight::value(value.text()));
        self.is_narrow = true;
        true
    }
}

/// A policy with one statement.
fn lone(policy: &TrustPolicy, statement: Statement) -> TrustPolicy {
    TrustPolicy {
        version: policy.version.clone(),
        id: None,
        statements: vec![statement],
        statement_is_list: policy.statement_is_list,
        statement_span: policy.statement_span,
        // Whether there are any is all that counts.
        duplicates: policy.duplicates.iter().take(1).cloned().collect(),
        is_ambiguous: policy.is_ambiguous,
    }
}

/// A policy with another statement in the place of one.
fn with_statement(policy: &TrustPolicy, index: usize, statement: Statement) -> TrustPolicy {
    let mut copy = policy.clone();
    if let Some(place) = copy.statements.get_mut(index) {
        *place = statement;
    }
    copy
}

/// A statement without the values of one condition key.
fn without_values(statement: &Statement, place: (usize, usize)) -> Statement {
    let mut copy = Statement {
        span: statement.span,
        sid: None,
        effect: statement.effect.clone(),
        principal: statement.principal.clone(),
        action: statement.action.clone(),
        conditions: Vec::with_capacity(statement.conditions.len()),
        condition_span: statement.condition_span,
        resource: statement.resource,
        is_ambiguous: statement.is_ambiguous,
    };
    for (c, condition) in statement.conditions.iter().enumerate() {
        let keys = condition.keys.iter().enumerate().map(|(k, key)| {
            let values = if (c, k) == place {
                Vec::new()
            } else {
                key.values.clone()
            };
            ConditionKey {
                key: key.key.clone(),
                values,
                ..*key
            }
        });
        copy.conditions.push(crate::policy::Condition {
            operator: condition.operator.clone(),
            name: condition.name.clone(),
            span: condition.span,
            keys: keys.collect(),
        });
    }
    copy
}

/// Does a condition of the statement hold only because its key is absent?
fn vacuous(alone: &TrustPolicy, request: &RequestContext) -> bool {
    let trace = trace(alone, request);
    let (Some(statement), Some(trace)) = (alone.statements.first(), trace.statements.first()) else {
        return false;
    };
    leaves(0, statement, trace).iter().any(|leaf| {
        let operator = leaf.condition.operator.value;
        leaf.trace.actual == Presence::Absent
            && (operator.if_exists
                || operator.set == Some(SetOperator::ForAllValues)
                || operator.comparison.is_negated())
    })
}

/// A value of a statement's positive condition on `sub`.
#[derive(Clone, Copy)]
struct SubjectValue<'a> {
    /// Which condition of the statement, which key of it, which value of that.
    condition: usize,
    key: usize,
    index: usize,
    operator: &'a str,
    takes_wildcards: bool,
    of: &'a ConditionKey,
    value: &'a Spanned<String>,
}

impl<'a> SubjectValue<'a> {
    fn text(&self) -> &'a str {
        &self.value.value
    }

    fn span(&self) -> Span {
        self.value.span
    }

    fn pointer(&self, statement: &str) -> String {
        let escape = |text: &str| text.replace('~', "~0").replace('/', "~1");
        let pointer = format!(
            "{statement}/Condition/{}/{}",
            escape(self.operator),
            escape(&self.of.key.value)
        );
        if self.of.is_list {
            format!("{pointer}/{}", self.index)
        } else {
            pointer
        }
    }

    /// The same value at the same place of another statement, under the same operator and key.
    fn same_in<'b>(&self, statement: &'b Statement) -> Option<SubjectValue<'b>> {
        let condition = statement.conditions.get(self.condition)?;
        let of = condition.keys.get(self.key)?;
        let value = of.values.get(self.index)?;
        let is_same =
            value.value == self.value.value && of.key.value == self.of.key.value && condition.name == self.operator;
        is_same.then_some(SubjectValue {
            condition: self.condition,
            key: self.key,
            index: self.index,
            operator: &condition.name,
            takes_wildcards: self.takes_wildcards,
            of,
            value,
        })
    }
}

/// The values of a statement's positive conditions on `sub`.
fn subject_values<'a>(asker: Asker<'_>, statement: &'a Statement) -> Vec<SubjectValue<'a>> {
    let name = format!("{}:sub", issuer_host(asker.issuer));
    let mut values = Vec::new();
    for (c, condition) in statement.conditions.iter().enumerate() {
        let comparison = condition.operator.value.comparison;
        if !comparison.is_string() || comparison.is_negated() {
            continue;
        }
        for (k, of) in condition.keys.iter().enumerate() {
            if of.key.value.eq_ignore_ascii_case(&name) {
                values.extend(of.values.iter().enumerate().map(|(index, value)| SubjectValue {
                    condition: c,
                    key: k,
                    index,
                    operator: &condition.name,
                    takes_wildcards: comparison.takes_wildcards(),
                    of,
                    value,
                }));
            }
        }
    }
    values
}

/// How many patterns the policy has for the subject.
#[must_use]
pub fn patterns(asker: Asker<'_>, policy: &TrustPolicy) -> usize {
    let statements = policy.statements.iter();
    statements.map(|statement| subject_values(asker, statement).len()).sum()
}

/// Owners that the policy or the token names in full: those are meant.
fn literal_owners(asker: Asker<'_>, policy: &TrustPolicy) -> HashSet<String> {
    policy
        .statements
        .iter()
        .flat_map(|statement| subject_values(asker, statement))
        .filter_map(|value| Subject::parse(value.text()))
        .map(|subject| subject.owner)
        .filter(|owner| !owner.contains(['*', '?']))
        .chain(
            asker
                .claims
                .and_then(|claims| claims.subject())
                .and_then(Subject::parse)
                .map(|subject| subject.owner),
        )
        .map(str::to_lowercase)
        .collect()
}

/// Can it be the name of a repository?
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Can it be the name of an owner on GitHub? Letters and digits, with single hyphens between them.
fn is_owner(text: &str) -> bool {
    !text.is_empty()
        && text
            .split('-')
            .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// Subjects of nobody that a policy could mean.
fn strangers() -> Vec<String> {
    ["ref:refs/heads/main", "pull_request", "environment:production"]
        .iter()
        .flat_map(|context| {
            [
                format!("repo:some-stranger/some-repository:{context}"),
                format!("repo:some-stranger@987654321/some-repository@123454321:{context}"),
            ]
        })
        .collect()
}

/// Subjects that fit a pattern, with the wildcards filled in by what turns it into a whole subject of somebody's repository. They
/// are made one by one, and no more than there are steps for.
fn instances<'a>(pattern: &str, budget: &'a Budget) -> impl Iterator<Item = String> + use<'a> {
    const FILL: [&str; 16] = [
        "-evil",
        "evil",
        "-evil:ref:refs/heads/main",
        "-evil/x",
        "evil/x",
        "x",
        "",
        "-evil/x:ref:refs/heads/main",
        "evil/x:ref:refs/heads/main",
        "x:ref:refs/heads/main",
        "ref:refs/heads/main",
        "pull_request",
        "main",
        ":ref:refs/heads/main",
        "production",
        "987654321",
    ];
    /// What can stand before an unanchored pattern.
    const HEAD: [&str; 4] = ["repo:", "repo:evil/x", "repo:evil/x:", "repo:evil/"];
    // Two wildcards in full; what more there are get nothing.
    let (heads, rest, most): (&[&str], &str, usize) = match pattern.strip_prefix('*') {
        Some(unanchored) => (&HEAD, unanchored, 1),
        None => (&[""], pattern, 2),
    };
    let pieces: Vec<String> = rest
        .splitn(most + 1, '*')
        .map(|piece| piece.replace('*', "").replace('?', "x"))
        .collect();
    let bytes = 32 + pattern.len();
    let fills: &[&str] = if pieces.len() > 1 { &FILL } else { &[""] };
    let more: &[&str] = if pieces.len() > 2 { &FILL } else { &[""] };
    let all = heads.iter().flat_map(move |head| {
        fills
            .iter()
            .flat_map(move |fill| more.iter().map(move |more| [*head, *fill, *more]))
    });
    all.map_while(move |[head, fill, more]| {
        budget.take(2 + steps(bytes)).then(|| {
            let mut text = head.to_owned();
            for (piece, fill) in pieces.iter().zip([fill, more, ""]) {
                text.push_str(piece);
                text.push_str(fill);
            }
            text
        })
    })
    .filter(|text| Subject::parse(text).is_some())
}

/// The audiences that a stranger's job can ask for and that a policy may want.
fn audiences(asker: Asker<'_>, policy: &TrustPolicy) -> Vec<String> {
    let name = format!("{}:aud", issuer_host(asker.issuer));
    let mut audiences: Vec<String> = policy
        .statements
        .iter()
        .flat_map(|statement| &statement.conditions)
        .flat_map(|condition| &condition.keys)
        .filter(|key| key.key.value.eq_ignore_ascii_case(&name))
        .flat_map(|key| &key.values)
        .map(|value| value.value.replace(['*', '?'], "x"))
        .take(2)
        .collect();
    audiences.push("sts.amazonaws.com".to_owned());
    audiences.dedup();
    audiences
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::configure::Inputs;
    use crate::policy::parse;

    const HOST: &str = "token.actions.githubusercontent.com";

    /// The shortcut, against the statement as it is.
    #[test]
    fn a_value_alone_says_what_the_statement_says() {
        let inputs = Inputs::default();
        let asker = Asker {
            claims: None,
            issuer: "https://token.actions.githubusercontent.com",
            role: None,
            provider: None,
            inputs: &inputs,
            caller: None,
        };
        let budget = Budget::default();
        let values = [
            "repo:acme/*",
            "repo:*/widgets:*",
            "*:ref:*",
            "repo:acme/widgets:ref:refs/heads/ma?n",
            "repo:${aws:x}/*",
            "repo:acme/widgets:pull_request",
        ];
        let (mut shortcuts, mut both_allow) = (0, 0);
        for operator in [
            "StringLike",
            "StringEquals",
            "StringEqualsIgnoreCase",
            "ForAllValues:StringLike",
            "StringLikeIfExists",
        ] {
            for values in [&values[..4], &values[..], &values[3..4], &values[5..]] {
                for guard in [
                    json!({}),
                    json!({ "StringNotLike": { format!("{HOST}:sub"): "*evil*" } }),
                ] {
                    let mut condition = guard;
                    condition[operator] = json!({ format!("{HOST}:sub"): values });
                    let statement = json!({
                        "Effect": "Allow",
                        "Principal": { "Federated": format!("arn:aws:iam::123456789012:oidc-provider/{HOST}") },
                        "Action": "sts:AssumeRoleWithWebIdentity",
                        "Condition": condition,
                    });
                    let policy = json!({ "Version": "2012-10-17", "Statement": [statement] });
                    let policy = parse(&policy.to_string()).unwrap();
                    let mut strangers = Strangers::new(asker, &policy, &budget);
                    let statement = &policy.statements[0];
                    for value in subject_values(asker, statement) {
                        let mut alone = Narrow::alone(&policy, statement);
                        if !alone.narrow(&value) {
                            continue;
                        }
                        for subject in instances(value.text(), &budget).collect::<Vec<_>>() {
                            strangers.come_with(&subject, "sts.amazonaws.com");
                            let narrow = decide(alone.policy(), &strangers.request);
                            assert_eq!(
                                narrow,
                                decide(&policy, &strangers.request),
                                "{operator} {values:?} {subject}"
                            );
                            shortcuts += 1;
                            both_allow += usize::from(narrow == Decision::Allow);
                        }
                    }
                }
            }
        }
        assert!(
            both_allow > 100 && both_allow < shortcuts,
            "{both_allow} of {shortcuts}"
        );
    }

    #[test]
    fn instances_fill_two_wildcards_and_fit() {
        let budget = Budget::default();
        for (pattern, count) in [
            ("repo:a/b:pull_request", 1),
            ("repo:a/*", 16),
            ("repo:*/*", 256),
            ("repo:*/*:*", 256),
            ("*", 4),
            ("*:ref:*", 64),
            ("a*", 0),
        ] {
            let all: Vec<String> = instances(pattern, &budget).collect();
            assert_eq!(all.len(), count, "{pattern}");
            assert!(
                all.iter().all(|text| crate::policy::wildcard::matches(pattern, text)),
                "{pattern}"
            );
        }
        assert_eq!(instances("repo:*/*", &Budget::new(60)).count(), 12);
        // A pattern of a million stars is not written out.
        assert_eq!(instances(&"*a".repeat(500_000), &Budget::default()).count(), 64);
    }
}
