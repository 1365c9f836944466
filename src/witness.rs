//! Who else gets in: a search for a concrete subject of a repository that the policy's author surely didn't mean, but that the
//! evaluator lets in. No witness, no finding: another guard may save the policy. The report says that no stranger gets in only if
//! that is proved (`proof`): a search that finds nobody proves nothing.

mod narrow;
mod proof;
mod request;
mod shape;
mod weight;

use crate::aws::request::{Asker, assume_role};
use crate::budget::{Budget, steps};
use crate::github::issuer::{Deployment, issuer_host};
use crate::github::subject::Subject;
use crate::policy::{
    Decision, Effect, Leaf, Presence, PrincipalKind, RequestContext, SetOperator, Statement, TrustPolicy, decide,
    leaves, trace,
};
use crate::text::Location;

use narrow::{Narrow, SubjectValue, lone, subject_values};
use request::{Choice, Requests, STRANGER};
use shape::{Compared, LONGEST, Meant, Whose, Words, customized_subject, fit, usual_subjects};

/// What kind of opening a witness shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breadth {
    /// Nothing restricts the subject.
    Anyone,
    /// A token made for another service gets in.
    Audience,
    /// A pattern matches strangers who choose their names to fit.
    Broad,
    /// A pattern matches more of the owner's own. That isn't an opening: GitHub's own guide has such patterns.
    Own,
    /// The guards hold because their keys are absent.
    Vacuous,
}

/// A request that gets in besides those that the policy is for.
#[derive(Debug, Clone)]
pub struct Witness {
    /// The kind of opening.
    pub breadth: Breadth,
    /// The subject that gets in, or the ARN if no token is needed.
    pub subject: String,
    /// Keys that the caller with this subject has to choose, and their values.
    pub chosen: Vec<(String, String)>,
    /// The audience of the token; empty if it doesn't matter.
    pub audience: String,
    /// What that means: anyone on GitHub, any repository of the owner, …
    pub reach: String,
    /// Where the policy lets it in.
    pub location: Location,
}

impl Witness {
    /// Whether it comes from a stranger's repository or account.
    #[must_use]
    pub fn is_stranger(&self) -> bool {
        matches!(self.breadth, Breadth::Anyone | Breadth::Broad | Breadth::Vacuous)
    }
}

/// Who else gets in.
#[derive(Debug, Clone, Default)]
pub struct Openings {
    /// At most one of each kind.
    pub witnesses: Vec<Witness>,
    /// Why it can't be said that no stranger gets in, if none was found but it isn't proven that there is none.
    pub undecided: Option<String>,
}

impl Openings {
    /// Adds those of other callers.
    fn join(&mut self, others: Self) {
        for witness in others.witnesses {
            if self.witnesses.iter().all(|other| other.breadth != witness.breadth) {
                self.witnesses.push(witness);
            }
        }
        self.undecided = self.undecided.take().or(others.undecided);
        if self.witnesses.iter().any(Witness::is_stranger) {
            self.undecided = None;
        }
    }
}

/// Who gets in through a policy besides those it is meant for: the asker, and the owners that it names in full.
///
/// The audiences are those that the asker's provider accepts, if known.
#[must_use]
pub fn search(asker: Asker<'_>, audiences: Option<&[String]>, policy: &TrustPolicy, budget: &Budget) -> Openings {
    let mut openings = by_tokens(asker, audiences, policy, budget);
    // Other issuers that the policy also trusts.
    for provider in proof::other_providers(asker, policy) {
        let issuer = format!("https://{}", provider.host);
        let others = if Deployment::of(&issuer) == Deployment::Other {
            let asker = Asker {
                issuer: &issuer,
                ..asker
            };
            let because = || {
                format!(
                    "the policy also trusts `{}`, whose tokens are not known here",
                    provider.host
                )
            };
            Openings {
                undecided: (!proof::keeps_all_out(asker, policy)).then(because),
                ..Openings::default()
            }
        } else {
            let asker = Asker {
                issuer: &issuer,
                ..asker
            };
            by_tokens(asker, None, policy, budget)
        };
        openings.join(others);
    }
    let everyone = by_credentials(asker, policy);
    openings.join(everyone);
    // If anyone at all gets in, narrower groups need no mention.
    if openings.witnesses.iter().any(|witness| witness.breadth.is_anyone()) {
        let is_less = |witness: &Witness| matches!(witness.breadth, Breadth::Broad | Breadth::Own);
        openings.witnesses.retain(|witness| !is_less(witness));
    }
    openings
}

/// Who gets in with the tokens of one issuer.
fn by_tokens(asker: Asker<'_>, audiences: Option<&[String]>, policy: &TrustPolicy, budget: &Budget) -> Openings {
    let open = proof::prove(asker, audiences, policy, budget).err();
    let mut search = Search {
        budget,
        meant: meant(asker, policy),
        requests: Requests::new(asker, policy, budget),
        audiences: match audiences {
            Some(audiences) => audiences.to_vec(),
            None => wanted_audiences(asker, policy),
        },
        registered: audiences,
        is_masked: false,
        found: Vec::new(),
    };
    for (index, statement) in policy.statements.iter().enumerate() {
        if statement.effect.value == Effect::Allow && trusts_github(statement) {
            let is_open = open.as_ref().is_some_and(|open| open.statements.contains(&index));
            search.statement(index, statement, is_open);
        }
    }
    let undecided = if search.found.iter().any(Witness::is_stranger) {
        None
    } else if budget.is_spent() {
        Some("not everything that the policy's patterns match was checked".to_owned())
    } else if search.is_masked {
        Some("a value of the `sub` condition contains `***`, which stands for masked text".to_owned())
    } else {
        open.map(|open| open.because)
    };
    Openings {
        witnesses: search.found,
        undecided,
    }
}

/// Who gets in with the credentials of an AWS account that the policy doesn't name.
fn by_credentials(asker: Asker<'_>, policy: &TrustPolicy) -> Openings {
    const STRANGER: &str = "arn:aws:iam::999999999999:role/some-stranger";
    let trusts_all = |statement: &Statement| {
        let mut entries = statement.principal.iter().flat_map(|principal| &principal.entries);
        entries.any(|entry| {
            entry.kind == PrincipalKind::Everyone
                || entry.kind == PrincipalKind::Aws && entry.values.iter().any(|value| value.value == "*")
        })
    };
    let statements = policy.statements.iter().enumerate();
    let mut trusting = statements.filter(|(_, s)| s.effect.value == Effect::Allow && trusts_all(s));
    let mut openings = Openings::default();
    let Some((index, _)) = trusting.next() else {
        return openings;
    };
    let asker = Asker {
        caller: Some(STRANGER),
        ..asker
    };
    let mut request = assume_role(asker, &[policy]);
    for (key, value) in [
        ("aws:PrincipalArn", STRANGER),
        ("aws:PrincipalAccount", "999999999999"),
        ("aws:PrincipalOrgID", "o-stranger00"),
    ] {
        let keys = policy
            .statements
            .iter()
            .flat_map(|s| &s.conditions)
            .flat_map(|c| &c.keys);
        let mut values = keys.filter(|other| other.is(key)).flat_map(|other| &other.values);
        // A stranger may choose a name that matches a wildcard.
        if !values.any(|value| value.value.contains(['*', '?', '$'])) {
            request.set(key, Presence::One(value.to_owned()));
        }
    }
    // Anyone who knows the right values can send them.
    for key in ["sts:ExternalId", "sts:RoleSessionName"] {
        request.set(key, Presence::Unknown("a stranger can choose it".to_owned()));
    }
    match decide(policy, &request) {
        Decision::Allow => {
            openings.witnesses.extend(
                policy
                    .location(Leaf::Principal { statement: index })
                    .map(|location| Witness {
                        breadth: Breadth::Anyone,
                        subject: STRANGER.to_owned(),
                        chosen: Vec::new(),
                        audience: String::new(),
                        reach: "anyone with an AWS account".to_owned(),
                        location,
                    }),
            )
        }
        Decision::Undecided => {
            openings.undecided =
                Some("the policy trusts `*`, and it is not known whether other AWS accounts are accepted".to_owned());
        }
        Decision::ExplicitDeny | Decision::ImplicitDeny => {}
    }
    openings
}

/// Whether a changed policy keeps out all subjects of other people's repositories that were kept out before; `false` if one gets
/// in, or if not all could be tried.
#[must_use]
pub(crate) fn lets_in_no_more(asker: Asker<'_>, before: &TrustPolicy, after: &TrustPolicy, budget: &Budget) -> bool {
    let own = asker
        .claims
        .and_then(|claims| claims.subject())
        .and_then(Subject::parse)
        .map(|s| s.repository_part());
    let audiences = wanted_audiences(asker, after);
    let mut changed = Requests::new(asker, after, budget);
    let mut unchanged = Requests::new(asker, before, budget);
    let is_other = |subject: &str| Subject::parse(subject).is_none_or(|s| Some(s.repository_part()) != own);
    let nothing = Choice::new();
    let mut kept_out = |subject: &str, after: Option<&Narrow<'_>>, before: Option<&Narrow<'_>>| {
        audiences.iter().all(|audience| {
            changed.come_with(subject, audience, &nothing);
            match changed.decide_by(after) {
                Some(Decision::ImplicitDeny | Decision::ExplicitDeny) => return true,
                Some(_) => {}
                None => return false,
            }
            unchanged.come_with(subject, audience, &nothing);
            unchanged.decide_by(before) == Some(Decision::Allow)
        })
    };
    let everyone = Compared {
        takes_wildcards: true,
        ignores_case: false,
    };
    let deployment = Deployment::of(asker.issuer);
    let strangers = usual_subjects(deployment)
        .filter_map(|shape| fit("*", everyone, shape, WORDS, Whose::Anyones, budget))
        .collect::<Vec<_>>();
    if !strangers.iter().all(|subject| kept_out(subject, None, None)) {
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
            // The value itself with its wildcards filled in counts as well, whether or not GitHub issues such a subject.
            let mut subjects = subjects(&value, deployment, WORDS, Whose::Anyones, budget);
            if value.text().len() <= LONGEST && budget.take(steps(2 * value.text().len())) {
                subjects.extend(["", "x"].map(|fill| value.text().replace('*', fill).replace('?', "x")));
            }
            let mut others = subjects
                .iter()
                .filter(|subject| Subject::parse(subject).is_some() && is_other(subject));
            if !others.all(|subject| kept_out(subject, Some(&after), before.as_ref())) {
                return false;
            }
        }
    }
    !budget.is_spent()
}

/// The words that fill what a policy leaves open in a subject.
const WORDS: Words<'_> = Words {
    owner: STRANGER.0,
    repository: STRANGER.1,
    branch: "main",
    environment: "production",
};

/// Subjects that match a value, of those who are searched for.
fn subjects(
    value: &SubjectValue<'_>,
    deployment: Deployment,
    words: Words<'_>,
    whose: Whose<'_>,
    budget: &Budget,
) -> Vec<String> {
    let how = Compared {
        takes_wildcards: value.takes_wildcards,
        ignores_case: value.ignores_case,
    };
    let fits = |shape: &str| fit(value.text(), how, shape, words, whose, budget);
    // A value without wildcards is one subject, whichever shape it has.
    let most = if how.takes_wildcards && value.text().contains(['*', '?']) {
        usize::MAX
    } else {
        1
    };
    let mut subjects: Vec<String> = usual_subjects(deployment).filter_map(fits).take(most).collect();
    if subjects.len() < most {
        subjects.extend(customized_subject(value.text()).as_deref().and_then(fits));
    }
    subjects.dedup();
    // What the value spells out comes before what can be read into it: `pull_request` may be the end of an environment's name.
    let is_said = |subject: &String| {
        let context = Subject::parse(subject).and_then(|s| s.context);
        context.is_some_and(|context| value.text().ends_with(context))
    };
    subjects.sort_by_key(|subject| !is_said(subject));
    subjects
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
    budget: &'a Budget,
    meant: Meant,
    requests: Requests<'a>,
    audiences: Vec<String>,
    /// The same, if they are known to be the provider's.
    registered: Option<&'a [String]>,
    /// Whether something was left out because it is masked.
    is_masked: bool,
    /// At most one of each kind.
    found: Vec<Witness>,
}

impl Search<'_> {
    fn statement(&mut self, index: usize, statement: &Statement, is_open: bool) {
        let (asker, policy) = (self.requests.asker, self.requests.policy);
        let values = subject_values(asker, statement);
        let pointer = policy.statement_pointer(index);
        let mut alone = Narrow::alone(policy, statement);
        if is_open {
            if values
                .iter()
                .any(|value| value.takes_wildcards && value.text().contains("***"))
            {
                self.is_masked = true;
            } else {
                self.strangers(&values, &pointer, statement, &mut alone);
            }
        }
        if !self.found.iter().any(Witness::is_stranger) {
            self.own(&values, &pointer, &mut alone);
        }
        self.audience(&values, &pointer, statement, &mut alone);
    }

    /// Searches for a subject from a repository of an owner that isn't meant.
    fn strangers(&mut self, values: &[SubjectValue<'_>], pointer: &str, statement: &Statement, alone: &mut Narrow<'_>) {
        if self.has(|breadth| breadth.is_anyone()) {
            return;
        }
        let Some(choices) = self.choices(statement) else {
            return;
        };
        let deployment = Deployment::of(self.requests.asker.issuer);
        let names = self.names(statement);
        let texts = choices.words();
        // A job with an environment has it in its subject, unless the subject is customized.
        let names_one = |(key, presences): &(String, Vec<Presence>)| {
            key.ends_with(":environment") && presences.first() != Some(&Presence::Absent)
        };
        let has_environment = choices.keys.iter().any(names_one);
        let mut shapes: Vec<&str> = usual_subjects(deployment).collect();
        shapes.sort_by_key(|shape| has_environment && !shape.contains("{environment}"));
        for words in texts
            .iter()
            .flat_map(|words| names.iter().map(|names| words.named(names)))
        {
            let any = Compared {
                takes_wildcards: true,
                ignores_case: false,
            };
            for shape in &shapes {
                let subject = fit("*", any, shape, words, Whose::Strangers(&self.meant), self.budget);
                let Some((subject, choice, audience)) = subject.and_then(|s| self.get_in(alone, s, &choices)) else {
                    continue;
                };
                let culprit = values
                    .iter()
                    .find(|v| crate::policy::wildcard::matches(v.text(), &subject));
                let at = match culprit.or(values.first()) {
                    Some(value) => value.location(pointer),
                    None => conditions(statement, pointer),
                };
                let is_vacuous = values.is_empty() && vacuous(alone.policy(), &self.requests.request);
                let is_anyone = words.owner == STRANGER.0 && words.repository == STRANGER.1;
                let (breadth, reach) = match is_anyone {
                    true if is_vacuous => (Breadth::Vacuous, everyone(self.requests.asker.issuer)),
                    true => (Breadth::Anyone, everyone(self.requests.asker.issuer)),
                    false => (Breadth::Broad, by_name(&subject)),
                };
                return self.add(breadth, subject, &choice, audience, &reach, at);
            }
        }
        if self.has(|breadth| breadth == Breadth::Broad) {
            return;
        }
        for value in values {
            if self.budget.is_spent() {
                return;
            }
            alone.narrow_or_widen(value);
            for words in texts
                .iter()
                .flat_map(|words| names.iter().map(|names| words.named(names)))
            {
                let fitting = subjects(value, deployment, words, Whose::Strangers(&self.meant), self.budget);
                let found = fitting
                    .into_iter()
                    .find_map(|subject| self.get_in(alone, subject, &choices));
                if let Some((subject, choice, audience)) = found {
                    let reach = by_name(&subject);
                    let at = value.location(pointer);
                    return self.add(Breadth::Broad, subject, &choice, audience, &reach, at);
                }
            }
        }
    }

    /// Searches for what a pattern matches of the owner's own.
    fn own(&mut self, values: &[SubjectValue<'_>], pointer: &str, alone: &mut Narrow<'_>) {
        if self.has(|breadth| breadth == Breadth::Own) {
            return;
        }
        let deployment = Deployment::of(self.requests.asker.issuer);
        for value in values {
            let Some(reach) = reach_of_own(value) else { continue };
            if self.budget.is_spent() {
                return;
            }
            alone.narrow_or_widen(value);
            let words = Words {
                owner: "",
                repository: "another-repository",
                branch: "any-branch",
                environment: "any-environment",
            };
            let fitting = subjects(value, deployment, words, Whose::Meant(&self.meant), self.budget);
            let nothing = Choices::default();
            let found = fitting
                .into_iter()
                .filter(|subject| Subject::parse(subject).is_some_and(|s| s.is_default()))
                .find_map(|subject| self.get_in(alone, subject, &nothing));
            if let Some((subject, choice, audience)) = found {
                let at = value.location(pointer);
                return self.add(Breadth::Own, subject, &choice, audience, &reach, at);
            }
        }
    }

    /// Searches for a token made for another service that gets in.
    fn audience(&mut self, values: &[SubjectValue<'_>], pointer: &str, statement: &Statement, alone: &mut Narrow<'_>) {
        if self.has(|breadth| breadth == Breadth::Audience) {
            return;
        }
        let (asker, policy) = (self.requests.asker, self.requests.policy);
        let meant = wanted_audiences(asker, policy);
        let own = asker.claims.and_then(|claims| claims.audience());
        let elsewhere = match self.registered {
            Some(registered) => {
                let mut others = registered.iter();
                others.find(|id| !meant.contains(id) && Some(id.as_str()) != own)
            }
            .cloned(),
            None => Some("https://example.com/made-for-another-service".to_owned()),
        };
        let Some(elsewhere) = elsewhere else { return };
        let nothing = Choice::new();
        let deployment = Deployment::of(asker.issuer);
        alone.widen();
        let own = asker.claims.and_then(|claims| claims.subject()).map(str::to_owned);
        let mut found = own.filter(|own| self.requests.get_in(alone, own, &elsewhere, &nothing));
        for value in values {
            if found.is_some() || self.budget.is_spent() {
                break;
            }
            alone.narrow_or_widen(value);
            found = subjects(value, deployment, WORDS, Whose::Anyones, self.budget)
                .into_iter()
                .find(|subject| self.requests.get_in(alone, subject, &elsewhere, &nothing));
        }
        alone.widen();
        let stranger = || format!("repo:{}/{}:ref:refs/heads/main", STRANGER.0, STRANGER.1);
        let found = found
            .or_else(|| Some(stranger()).filter(|subject| self.requests.get_in(alone, subject, &elsewhere, &nothing)));
        if let Some(subject) = found {
            let at = conditions(statement, pointer);
            self.add(Breadth::Audience, subject, &nothing, elsewhere, "", at);
        }
    }

    fn has(&self, is: impl Fn(Breadth) -> bool) -> bool {
        self.found.iter().any(|witness| is(witness.breadth))
    }

    fn add(
        &mut self,
        breadth: Breadth,
        subject: String,
        choice: &Choice,
        audience: String,
        reach: &str,
        location: Location,
    ) {
        if self.has(|other| other == breadth) {
            return;
        }
        let chosen = choice.iter().filter_map(|(key, presence)| match presence {
            Presence::One(value) => Some((key.clone(), value.clone())),
            _ => None,
        });
        self.found.push(Witness {
            breadth,
            subject,
            chosen: chosen.collect(),
            audience,
            reach: reach.to_owned(),
            location,
        });
    }

    /// The subject, choice and audience with which a subject gets in by this statement, if any.
    fn get_in(&mut self, alone: &Narrow<'_>, subject: String, choices: &Choices) -> Option<(String, Choice, String)> {
        for choice in choices.all() {
            for audience in &self.audiences {
                if self.requests.get_in(alone, &subject, audience, &choice) {
                    return Some((subject, choice, audience.clone()));
                }
            }
        }
        None
    }

    /// Names of strangers' repositories that the statement might let in.
    fn names(&self, statement: &Statement) -> Vec<(String, String)> {
        let key = self.requests.asker.key("repository");
        let mut names = Vec::new();
        let mut is_asked = false;
        for condition in &statement.conditions {
            let comparison = condition.comparison();
            for of in condition.keys.iter().filter(|of| of.is(&key)) {
                is_asked |= !comparison.is_negated();
                let how = Compared::by(comparison);
                let fits = |value: &str| {
                    let whose = Whose::Strangers(&self.meant);
                    fit(value, how, "{owner}/{name}", WORDS, whose, self.budget)
                };
                let all = of
                    .values
                    .iter()
                    .take(MOST_CHOICES)
                    .filter_map(|value| fits(&value.value));
                names.extend(all.filter_map(|name| {
                    let (owner, name) = name.split_once('/')?;
                    Some((owner.to_owned(), name.to_owned()))
                }));
            }
        }
        if !is_asked || names.is_empty() {
            names.insert(0, (STRANGER.0.to_owned(), STRANGER.1.to_owned()));
        }
        names
    }

    /// What a stranger can choose for the keys that the policy checks besides the subject: what the policy itself says. `None`
    /// if nothing satisfies the statement.
    fn choices(&self, statement: &Statement) -> Option<Choices> {
        let (asker, policy) = (self.requests.asker, self.requests.policy);
        let mut choices = Choices::default();
        let key_of = |claim: &str| asker.key(claim).to_lowercase();
        let of_claims: &[(&str, &[&str], Option<&str>)] = &[
            ("environment", &["{environment}"], None),
            (
                "ref",
                &["refs/heads/{branch}", "refs/tags/{tag}", "refs/pull/{id}/merge"],
                Some("refs/heads/main"),
            ),
            ("workflow", &["{value}"], Some("deploy")),
            ("actor", &["{name}"], Some(STRANGER.0)),
            ("job_workflow_ref", &["{owner}/{name}/.github/workflows/{branch}"], None),
            ("repository_id", &["{id}"], Some("123454321")),
            ("repository_owner_id", &["{id}"], Some("987654321")),
        ];
        let of_claims = of_claims
            .iter()
            .filter(|_| Deployment::of(asker.issuer).has_claim_keys())
            .map(|(claim, shapes, usual)| (key_of(claim), *shapes, *usual));
        let others: [(&str, &[&str], &str); 2] = [
            ("sts:rolesessionname", &["{name}"], "GitHubActions"),
            ("aws:requestedregion", &["{name}"], "us-east-1"),
        ];
        let others = others.map(|(key, shapes, usual)| (key.to_owned(), shapes, Some(usual)));
        for (key, shapes, usual) in of_claims.chain(others) {
            let keys = policy.statements.iter().flat_map(|s| &s.conditions);
            let keys = keys.flat_map(|c| c.keys.iter().map(move |of| (c, of)));
            let mut is_asked = false;
            let mut presences: Vec<Presence> = Vec::new();
            // What a job has by default.
            match usual {
                Some(usual) => presences.push(Presence::One(usual.to_owned())),
                None if key.ends_with(":environment") => presences.push(Presence::Absent),
                None => {}
            }
            for (condition, of) in keys.filter(|(_, of)| of.is(&key)) {
                is_asked = true;
                let how = Compared::by(condition.comparison());
                for value in of.values.iter().take(64) {
                    let whose = Whose::Strangers(&self.meant);
                    let fits = shapes
                        .iter()
                        .find_map(|shape| fit(&value.value, how, shape, WORDS, whose, self.budget));
                    presences.extend(fits.map(Presence::One));
                }
            }
            // Otherwise it is the stranger's own workflow.
            let is_needed = !key.ends_with(":job_workflow_ref") || names_key(statement, &key);
            if !is_asked || !is_needed {
                continue;
            }
            presences.dedup();
            if names_key(statement, &key) {
                let part = only_key(policy, statement, &key);
                let mut request = self.requests.request.clone();
                presences.retain(|presence| {
                    request.set(&key, presence.clone());
                    self.budget.take(16) && decide(&part, &request) == Decision::Allow
                });
                if presences.is_empty() {
                    return None;
                }
            }
            presences.truncate(MOST_CHOICES);
            choices.keys.push((key, presences));
        }
        Some(choices)
    }
}

/// At most this many values of a key are tried together with a subject.
const MOST_CHOICES: usize = 4;

/// The values that a stranger can choose from, by condition key.
#[derive(Debug, Default)]
struct Choices {
    keys: Vec<(String, Vec<Presence>)>,
}

impl Choices {
    /// All combinations, up to a limit.
    fn all(&self) -> Vec<Choice> {
        const MOST: usize = 64;
        let mut all = vec![Choice::new()];
        for (key, presences) in &self.keys {
            let longer = all.iter().flat_map(|choice| {
                presences.iter().map(|presence| {
                    let mut choice = choice.clone();
                    choice.push((key.clone(), presence.clone()));
                    choice
                })
            });
            all = longer.take(MOST).collect();
        }
        all
    }

    /// The words to build subjects from, so that they agree with what is chosen.
    fn words(&self) -> Vec<OwnedWords> {
        let values = |claim: &str, prefix: &str| {
            let key = self.keys.iter().find(|(key, _)| key.ends_with(claim));
            let values = key
                .iter()
                .flat_map(|(_, presences)| presences)
                .filter_map(|presence| match presence {
                    Presence::One(value) => value.strip_prefix(prefix).map(str::to_owned),
                    _ => None,
                });
            values.collect::<Vec<_>>()
        };
        let (environments, branches) = (values(":environment", ""), values(":ref", "refs/heads/"));
        let count = environments.len().max(branches.len()).max(1);
        let nth = |values: &[String], nth: usize, usual: &str| {
            let value = values.get(nth).or(values.first());
            value.map_or_else(|| usual.to_owned(), |value| value.replace(':', "%3A"))
        };
        (0..count)
            .map(|n| OwnedWords {
                branch: nth(&branches, n, WORDS.branch),
                environment: nth(&environments, n, WORDS.environment),
            })
            .collect()
    }
}

struct OwnedWords {
    branch: String,
    environment: String,
}

impl OwnedWords {
    fn named<'a>(&'a self, (owner, repository): &'a (String, String)) -> Words<'a> {
        Words {
            owner,
            repository,
            branch: &self.branch,
            environment: &self.environment,
        }
    }
}

fn names_key(statement: &Statement, key: &str) -> bool {
    let mut keys = statement.conditions.iter().flat_map(|condition| &condition.keys);
    keys.any(|of| of.is(key))
}

/// The statement with only its conditions on one key.
fn only_key(policy: &TrustPolicy, statement: &Statement, key: &str) -> TrustPolicy {
    let mut part = statement.clone();
    for condition in &mut part.conditions {
        condition.keys.retain(|of| of.is(key));
    }
    lone(policy, part)
}

/// Everyone for whom this issuer issues tokens.
fn everyone(issuer: &str) -> String {
    let host = issuer_host(issuer);
    match Deployment::of(issuer) {
        Deployment::GitHub => "anyone on GitHub".to_owned(),
        Deployment::Enterprise => format!("anyone in the enterprise `{}`", host.rsplit('/').next().unwrap_or(host)),
        Deployment::DataResidency => {
            let site = host.split('/').next().unwrap_or(host);
            format!("anyone on `{}`", site.strip_prefix("token.actions.").unwrap_or(site))
        }
        Deployment::Forgejo | Deployment::Server => {
            format!("anyone on `{}`", host.split('/').next().unwrap_or(host))
        }
        Deployment::Other => format!("anyone with a token of `{host}`"),
    }
}

/// How a stranger can get a subject.
fn by_name(subject: &str) -> String {
    match Subject::parse(subject) {
        Some(s) if s.owner == STRANGER.0 => format!("strangers: `{}` can be anyone's repository", s.names()),
        Some(s) => format!("strangers: `{}` is a name that anyone can register", s.owner),
        None => match subject.strip_prefix("repository_owner:") {
            Some(owner) => {
                let owner = owner.split(':').next().unwrap_or(owner);
                format!("strangers: `{owner}` is a name that anyone can register")
            }
            None => "strangers: any repository can have its subject customized like this".to_owned(),
        },
    }
}

/// What a value matches of the owner's own beyond what a job needs, in words.
fn reach_of_own(value: &SubjectValue<'_>) -> Option<String> {
    let pattern = value.text();
    if !value.takes_wildcards || !pattern.contains(['*', '?']) {
        return None;
    }
    let subject = Subject::parse(pattern).filter(|subject| !subject.owner.contains(['*', '?', '$']))?;
    match subject.repository {
        None | Some("*") => return Some(format!("every repository of `{}`", subject.owner)),
        Some(repository) if repository.contains(['*', '?']) => {
            return Some(format!(
                "every repository of `{}` that matches `{repository}`",
                subject.owner
            ));
        }
        Some(_) => {}
    }
    let part = subject.repository_part();
    // A pattern such as `release/*` is intended; one that matches everything isn't.
    match subject.context? {
        "*" => Some(format!("every branch, tag, environment and pull request of `{part}`")),
        "ref:*" | "ref:refs/*" => Some(format!("every branch and tag of `{part}`")),
        "ref:refs/heads/*" => Some(format!("every branch of `{part}`")),
        "ref:refs/tags/*" => Some(format!("every tag of `{part}`")),
        "environment:*" => Some(format!("every environment of `{part}`")),
        _ => None,
    }
}

/// The location of a statement's conditions, or of its effect if there are none.
fn conditions(statement: &Statement, pointer: &str) -> Location {
    let span = statement.condition_span.unwrap_or(statement.effect.span);
    Location::new(span, format!("{pointer}/Condition"))
}

/// Whether a condition of the statement holds only because its key is absent.
fn vacuous(alone: &TrustPolicy, request: &RequestContext) -> bool {
    let trace = trace(alone, request);
    let Some(trace) = trace.statements.first() else {
        return false;
    };
    leaves(alone, 0, trace).iter().any(|leaf| {
        let operator = leaf.condition.operator.value;
        leaf.trace.actual == Presence::Absent
            && (operator.if_exists
                || operator.set == Some(SetOperator::ForAllValues)
                || operator.comparison.is_negated())
    })
}

/// How many patterns the policy has for the subject.
#[must_use]
pub(crate) fn patterns(asker: Asker<'_>, policy: &TrustPolicy) -> usize {
    let statements = policy.statements.iter();
    statements.map(|statement| subject_values(asker, statement).len()).sum()
}

/// The owners that the policy and the token name in full.
fn meant(asker: Asker<'_>, policy: &TrustPolicy) -> Meant {
    let mut meant = Meant::default();
    let is_plain = |text: &str| !text.is_empty() && !text.contains(['*', '?', '$']);
    let own = asker.claims.and_then(|claims| claims.subject());
    let values: Vec<_> = policy
        .statements
        .iter()
        .flat_map(|s| subject_values(asker, s))
        .collect();
    for subject in values
        .iter()
        .map(|value| value.text())
        .chain(own)
        .filter_map(Subject::parse)
    {
        let ids = [subject.owner_id, subject.repository_id].into_iter().flatten();
        meant.ids.extend(ids.filter(|id| is_plain(id)).map(str::to_owned));
        if is_plain(subject.owner) {
            meant.owners.insert(subject.owner.to_lowercase());
        }
    }
    for name in ["repository", "repository_id", "repository_owner_id"] {
        let key = asker.key(name);
        let keys = policy
            .statements
            .iter()
            .flat_map(|s| &s.conditions)
            .flat_map(|c| &c.keys);
        let values = keys.filter(|of| of.is(&key)).flat_map(|of| &of.values);
        let own = asker.claims.and_then(|claims| claims.text(name));
        for text in values.map(|value| value.value.as_str()).chain(own) {
            match text.split_once('/') {
                Some((owner, _)) if name == "repository" && is_plain(owner) => {
                    meant.owners.insert(owner.to_lowercase());
                }
                None if name != "repository" && is_plain(text) => {
                    meant.ids.insert(text.to_owned());
                }
                _ => {}
            }
        }
    }
    meant
}

/// The audiences that a stranger's job can request and that the policy might accept.
fn wanted_audiences(asker: Asker<'_>, policy: &TrustPolicy) -> Vec<String> {
    let name = asker.key("aud");
    let mut audiences: Vec<String> = policy
        .statements
        .iter()
        .flat_map(|statement| &statement.conditions)
        .flat_map(|condition| &condition.keys)
        .filter(|key| key.is(&name))
        .flat_map(|key| &key.values)
        .map(|value| value.value.replace(['*', '?'], "x"))
        .take(MOST_CHOICES)
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

    /// Compares the shortcut with the statement as it is.
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
                    json!({ "StringNotLike": { format!("{HOST}:sub"): "*:pull_request" } }),
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
                    let mut requests = Requests::new(asker, &policy, &budget);
                    let statement = &policy.statements[0];
                    for value in subject_values(asker, statement) {
                        let mut alone = Narrow::alone(&policy, statement);
                        if !alone.narrow(&value) {
                            continue;
                        }
                        for subject in subjects(&value, Deployment::GitHub, WORDS, Whose::Anyones, &budget) {
                            requests.come_with(&subject, "sts.amazonaws.com", &Choice::new());
                            let narrow = decide(alone.policy(), &requests.request);
                            assert_eq!(
                                narrow,
                                decide(&policy, &requests.request),
                                "{operator} {values:?} {subject}"
                            );
                            shortcuts += 1;
                            both_allow += usize::from(narrow == Decision::Allow);
                        }
                    }
                }
            }
        }
        assert!(both_allow > 50 && both_allow < shortcuts, "{both_allow} of {shortcuts}");
    }
}
