//! The caller's policies, read and evaluated together with the role's trust policy.

use crate::evidence::{AttachedPolicy, Identity, PolicyText, Probe, Why};
use crate::policy::access::{self, Access, Side};
use crate::policy::parse::lay_out;
use crate::policy::{Decision, Policy, RequestContext, Trace, parse_identity};
use crate::text::SourceText;
use crate::text::masked::is_masked;

/// The caller's policies, as far as known.
#[derive(Debug, Default)]
pub(crate) struct CallerCase {
    /// Every policy that could be read, in the order identity, boundary, session.
    pub documents: Vec<CallerPolicy>,
    /// What could not be read, in words.
    pub unread: Vec<String>,
    identity: Option<Vec<Policy>>,
    boundary: Option<Vec<Policy>>,
    session: Option<Vec<Policy>>,
    /// What `sts:AssumeRole` evaluates to under all policies of both sides.
    pub assume: Option<Access>,
    /// The same for `sts:TagSession`, if the call needs it.
    pub tag: Option<Access>,
    /// Whether all identity-based policies are here under the names IAM lists, with nothing masked in them.
    pub is_whole: bool,
}

/// A role has at most twenty managed policies, and little room for inline ones. (IAM User Guide, `reference_iam-quotas`.)
const MOST: usize = 50;

/// One of the caller's policies.
#[derive(Debug)]
pub(crate) struct CallerPolicy {
    /// Its kind.
    pub side: Side,
    /// Its text.
    pub source: SourceText,
    /// The policy.
    pub policy: Policy,
    /// The trace for `sts:AssumeRole`, or for `sts:TagSession` if that is what fails.
    pub trace: Trace,
}

impl CallerCase {
    /// Reads them. `None` if nothing is known about any.
    pub(crate) fn read(identity: &Identity) -> Option<Self> {
        let none =
            |gap: Option<&Probe<AttachedPolicy>>| gap.and_then(Probe::gap).is_some_and(|gap| gap.why == Why::NotFound);
        let list = |probe: Option<&Probe<Vec<AttachedPolicy>>>| probe.and_then(Probe::known).cloned();
        let boundary = identity.permissions_boundary.as_ref();
        let boundary = match boundary.and_then(Probe::known) {
            Some(boundary) => Some(vec![boundary.clone()]),
            None => none(boundary).then(Vec::new),
        };
        let mut case = Self::default();
        let attached = list(identity.identity_policies.as_ref());
        let session = list(identity.session_policies.as_ref());
        if attached.is_none() && boundary.is_none() && session.as_ref().is_none_or(Vec::is_empty) {
            return None;
        }
        case.is_whole = attached.as_ref().is_some_and(|list| {
            list.iter()
                .all(|policy| policy.name.is_some() && !is_masked(&text(&policy.policy)))
        });
        case.identity = attached.and_then(|list| case.parse(Side::Identity, &list));
        case.boundary = boundary.and_then(|list| case.parse(Side::Boundary, &list));
        case.session = session.and_then(|list| case.parse(Side::Session, &list));
        Some(case)
    }

    /// Parses a list of policies. If one can't be read, nothing is concluded from the list.
    fn parse(&mut self, side: Side, list: &[AttachedPolicy]) -> Option<Vec<Policy>> {
        if list.len() > MOST {
            self.unread
                .push(format!("more than {MOST} of the kind {}", side.name()));
            return None;
        }
        let mut policies = Vec::new();
        for (index, attached) in list.iter().enumerate() {
            let name = match &attached.name {
                Some(name) => format!("{} `{name}` of the caller", side.name()),
                None => format!("{} {} of the caller", side.name(), index + 1),
            };
            let text = text(&attached.policy);
            match parse_identity(&text) {
                Ok(policy) => {
                    policies.push(policy.clone());
                    self.documents.push(CallerPolicy {
                        side,
                        source: SourceText::new(name, text),
                        trace: crate::policy::trace(&policy, &RequestContext::default()),
                        policy,
                    });
                }
                Err(error) => self.unread.push(format!("{name}: {error}")),
            }
        }
        (policies.len() == list.len()).then_some(policies)
    }

    /// Iterates over all policies, for the keys they use.
    pub(crate) fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.documents.iter().map(|document| &document.policy)
    }

    /// Evaluates a request under these policies and the role's trust policy.
    pub(crate) fn access(&self, request: &RequestContext, trust: Option<&Policy>) -> Access {
        access::access(request, trust, self.policies_by_kind())
    }

    fn policies_by_kind(&self) -> access::Caller<'_> {
        access::Caller {
            identity: self.identity.as_deref(),
            boundary: self.boundary.as_deref(),
            session: self.session.as_deref(),
        }
    }

    /// Does the same with one additional identity-based policy.
    pub(crate) fn access_with(&self, more: &Policy, request: &RequestContext, trust: Option<&Policy>) -> Access {
        let identity: Option<Vec<Policy>> = self
            .identity
            .as_ref()
            .map(|identity| identity.iter().chain([more]).cloned().collect());
        let caller = access::Caller {
            identity: identity.as_deref(),
            ..self.policies_by_kind()
        };
        access::access(request, trust, caller)
    }

    /// Evaluates them for a call, and for its tags if it sends any.
    pub(crate) fn evaluate(&mut self, assume: &RequestContext, tag: Option<&RequestContext>, trust: Option<&Policy>) {
        self.assume = Some(self.access(assume, trust));
        self.tag = tag.map(|tag| self.access(tag, trust));
        let shown = match (self.is_denied_to_assume(), tag) {
            (false, Some(tag)) if self.is_denied_to_tag() => tag,
            _ => assume,
        };
        for document in &mut self.documents {
            document.trace = crate::policy::trace(&document.policy, shown);
        }
    }

    /// Whether the call is denied, whatever else is unknown.
    pub(crate) fn is_denied(&self) -> bool {
        self.is_denied_to_assume() || self.is_denied_to_tag()
    }

    fn is_denied_to_assume(&self) -> bool {
        self.assume.is_some_and(is_denied)
    }

    fn is_denied_to_tag(&self) -> bool {
        self.tag.is_some_and(is_denied)
    }

    /// Returns the caller's side that denies it.
    pub(crate) fn blocked(access: Option<Access>) -> Option<(Side, Decision)> {
        let access = access.filter(|access| is_denied(*access))?;
        access.blocked().find(|(side, _)| *side != Side::Trust)
    }
}

fn is_denied(access: Access) -> bool {
    matches!(access.decision, Decision::ExplicitDeny | Decision::ImplicitDeny)
}

fn text(policy: &PolicyText) -> String {
    match policy {
        PolicyText::Text(text) => lay_out(text),
        PolicyText::Value(value) => serde_json::to_string_pretty(value).unwrap_or_default(),
    }
}
