//! Requests of other people's jobs.

use serde_json::Value;

use crate::aws::request::{self, Asker, CLAIM_KEYS};
use crate::budget::Budget;
use crate::github::claims::Claims;
use crate::github::issuer::issuer_host;
use crate::github::subject::{Context, Subject};
use crate::policy::{Decision, Effect, Presence, RequestContext, Statement, TrustPolicy, decide};

use super::narrow::Narrow;
use super::weight::Weight;

/// The owner and the repository of a stranger whose names don't matter.
pub(super) const STRANGER: (&str, &str) = ("some-stranger", "some-repository");

/// What the caller with a subject chooses: condition keys and their values. What the subject itself says takes precedence.
pub(super) type Choice = Vec<(String, Presence)>;

/// Built once per policy: from one job to the next, only claims change.
pub(super) struct Requests<'a> {
    pub(super) asker: Asker<'a>,
    pub(super) policy: &'a TrustPolicy,
    weight: Weight,
    /// Whether nothing in the policy could override what a statement allows.
    only_allows: bool,
    pub(super) budget: &'a Budget,
    pub(super) request: RequestContext,
    /// The condition keys that the policy checks, and the claim of each.
    asked: Vec<(String, String)>,
}

impl<'a> Requests<'a> {
    pub(super) fn new(asker: Asker<'a>, policy: &'a TrustPolicy, budget: &'a Budget) -> Self {
        let nobody = Asker {
            claims: Some(&Claims::default()),
            ..asker
        };
        let request = request::web_identity(nobody, policy);
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

    /// Whether the policy lets it in, by this statement.
    pub(super) fn get_in(&mut self, alone: &Narrow<'_>, subject: &str, audience: &str, choice: &Choice) -> bool {
        if !self.budget.take(40) {
            return false;
        }
        self.come_with(subject, audience, choice);
        self.decide_by(Some(alone)) == Some(Decision::Allow)
            && (self.only_allows || self.decide_by(None) == Some(Decision::Allow))
    }

    /// The decision of a policy or a part of it; `None` if too few steps are left.
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

    /// The decision of the policy, or of what is equivalent for this subject.
    pub(super) fn decide_by(&self, narrow: Option<&Narrow<'_>>) -> Option<Decision> {
        match narrow {
            Some(narrow) => self.decide(narrow.policy(), narrow.weight),
            None => self.decide(self.policy, self.weight),
        }
    }

    /// Makes it the request of someone else's job with a subject and an audience.
    pub(super) fn come_with(&mut self, subject: &str, audience: &str, choice: &Choice) {
        let claims = self.claims(subject, audience);
        let asker = Asker {
            claims: Some(&claims),
            ..self.asker
        };
        for (key, claim) in &self.asked {
            self.request.set(key, request::claim_key(asker, claim));
        }
        let kind = Subject::parse(subject).and_then(|subject| subject.kind());
        let host = issuer_host(self.asker.issuer);
        for (key, presence) in choice {
            let claim = key.strip_prefix(host).and_then(|rest| rest.strip_prefix(':'));
            let is_said = match (claim, kind) {
                (Some("environment"), Some(Context::Environment(_))) => true,
                (Some("ref"), Some(Context::Branch(_) | Context::Tag(_))) => true,
                (Some("repository_id" | "repository_owner_id"), _) => {
                    Subject::parse(subject).is_some_and(|s| s.is_immutable())
                }
                _ => false,
            };
            if !is_said {
                self.request.set(key, presence.clone());
            }
        }
    }

    /// The claims of that job, as far as the policy checks them.
    fn claims(&self, subject: &str, audience: &str) -> Claims {
        let is_asked =
            |name: &str| ["sub", "aud", "azp"].contains(&name) || self.asked.iter().any(|(_, claim)| claim == name);
        let own = self.asker.claims;
        let mut claims = Claims::default();
        let mut set = |name: &str, value: &dyn Fn() -> String| {
            if is_asked(name) {
                claims.0.insert(name.to_owned(), Value::String(value()));
            }
        };
        set("aud", &|| audience.to_owned());
        set("sub", &|| subject.to_owned());
        let s = Subject::parse(subject);
        let names = s.map_or_else(|| format!("{}/{}", STRANGER.0, STRANGER.1), |s| s.names());
        // Ids of the asker's own owner and repository.
        let token = own.and_then(|claims| claims.subject()).and_then(Subject::parse);
        let is_own_owner = s.zip(token).is_some_and(|(s, token)| s.owner == token.owner);
        let is_own_repository = is_own_owner && s.zip(token).is_some_and(|(s, token)| s.repository == token.repository);
        let owned = |name: &str, is_own: bool| own.filter(|_| is_own).and_then(|claims| claims.text(name));
        set("repository", &|| names.clone());
        set("repository_id", &|| {
            let id = s.and_then(|s| s.repository_id);
            id.or(owned("repository_id", is_own_repository))
                .unwrap_or("123454321")
                .to_owned()
        });
        set("repository_owner_id", &|| {
            let id = s.and_then(|s| s.owner_id);
            id.or(owned("repository_owner_id", is_own_owner))
                .unwrap_or("987654321")
                .to_owned()
        });
        if let Some(id) = owned("enterprise_id", is_own_owner) {
            set("enterprise_id", &|| id.to_owned());
        }
        let context = s.and_then(|s| s.context).unwrap_or_default();
        set("ref", &|| {
            context.strip_prefix("ref:").unwrap_or("refs/heads/main").to_owned()
        });
        if let Some(name) = context.strip_prefix("environment:") {
            set("environment", &|| name.replace("%3A", ":"));
        }
        set("job_workflow_ref", &|| {
            format!("{names}/.github/workflows/deploy.yml@refs/heads/main")
        });
        set("actor", &|| STRANGER.0.to_owned());
        set("actor_id", &|| "987654321".to_owned());
        set("workflow", &|| "deploy".to_owned());
        if let Some(own) = own.filter(|claims| claims.subject() == Some(subject)) {
            let asked = own
                .0
                .iter()
                .filter(|(name, _)| is_asked(name) && *name != "aud" && *name != "azp");
            claims
                .0
                .extend(asked.map(|(name, value)| (name.clone(), value.clone())));
        }
        claims
    }
}
