//! What the policies on both sides of an AWS call say together: the caller's, and the role's trust policy.
//!
//! IAM User Guide, `reference_policies_evaluation-logic_policy-eval-denyallow`, `…_policy-eval-basics` and
//! `…-cross-account`. Service and resource control policies are visible only to the organization; AWS's error message
//! says when they deny.

use super::evaluate::{self, Says};
use super::principal::{self, Reach};
use super::{Decision, Effect, Exceeded, Limits, Outcome, Policy, RequestContext, RequestPrincipal};

/// The caller's policies. `None` means unknown; an empty list means that there are none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caller<'a> {
    /// Its identity-based policies.
    pub identity: Option<&'a [Policy]>,
    /// Its permissions boundary.
    pub boundary: Option<&'a [Policy]>,
    /// Its session policies.
    pub session: Option<&'a [Policy]>,
}

/// What each kind of policy says, and the overall decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The overall decision.
    pub decision: Decision,
    /// Each side's denial, if any, in the order of [`Side::ALL`].
    by: [Option<Decision>; 4],
    /// Whether the caller's policies of every kind allow it.
    allowed_by_caller: bool,
    /// Whether its identity-based policies allow it, whatever limits them.
    allowed_by_identity: bool,
}

impl Access {
    /// The sides that deny it or fail to allow it, each considered alone.
    pub fn blocked(&self) -> impl Iterator<Item = (Side, Decision)> {
        let sides = Side::ALL.into_iter().zip(self.by);
        sides.filter_map(|(side, decision)| Some((side, decision?)))
    }

    /// Whether the caller's policies of every kind allow it.
    #[must_use]
    pub fn is_allowed_by_caller(&self) -> bool {
        self.allowed_by_caller
    }

    /// Whether the caller's identity-based policies allow it, whatever else limits them.
    #[must_use]
    pub fn is_allowed_by_identity(&self) -> bool {
        self.allowed_by_identity
    }

    /// Why, in one clause.
    #[must_use]
    pub fn why(&self) -> String {
        let denied = self.blocked().find(|(_, decision)| *decision == self.decision);
        match (self.decision, denied) {
            (Decision::Allow, _) => "the policies allow it together".to_owned(),
            (Decision::Undecided, _) => "it depends on something that is not known".to_owned(),
            (_, None) => "neither side allows it".to_owned(),
            (Decision::ExplicitDeny, Some((side, _))) => format!("explicitly denied by the {}", side.name()),
            (Decision::ImplicitDeny, Some((side, _))) => format!("no {} allows it", side.name()),
        }
    }
}

/// The policies of a call, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The caller's permissions boundary.
    Boundary,
    /// The caller's identity-based policies.
    Identity,
    /// The caller's session policies.
    Session,
    /// The role's trust policy.
    Trust,
}

impl Side {
    /// In the order of AWS's page.
    const ALL: [Self; 4] = [Self::Trust, Self::Identity, Self::Boundary, Self::Session];

    /// AWS's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Boundary => "permissions boundary",
            Self::Identity => "identity-based policy",
            Self::Session => "session policy",
            Self::Trust => "role trust policy",
        }
    }
}

/// Decides a request to assume a role.
#[must_use]
pub fn access(request: &RequestContext, trust: Option<&Policy>, caller: Caller<'_>) -> Access {
    decide(request, trust, caller, &Limits::unlimited())
}

/// The same within limits, for policies and requests of any size.
///
/// # Errors
/// The limit that was exceeded.
pub fn access_within(
    request: &RequestContext,
    trust: Option<&Policy>,
    caller: Caller<'_>,
    limits: &Limits,
) -> Result<Access, Exceeded> {
    let access = decide(request, trust, caller, limits);
    limits.check().map(|()| access)
}

fn decide(request: &RequestContext, trust: Option<&Policy>, caller: Caller<'_>, limits: &Limits) -> Access {
    let of_list = |policies, without| of_list(request, policies, without, limits);
    let sides = Sides {
        trust: trust.map_or(Trust::UNKNOWN, |trust| Trust::of(request, trust, limits)),
        identity: of_list(caller.identity, Outcome::NoMatch),
        boundary: of_list(caller.boundary, Outcome::Match),
        session: of_list(caller.session, Outcome::Match),
        is_own_account: is_own_account(request),
    };
    let decision = evaluate::settle(sides.says());
    let by = Side::ALL.map(|side| {
        if sides.denies(side) == Outcome::Match {
            Some(Decision::ExplicitDeny)
        } else {
            // Regardless of the others.
            (sides.alone(side).allows() == Outcome::NoMatch).then_some(Decision::ImplicitDeny)
        }
    });
    let allows = |says: Says| says.allow == Outcome::Match && says.deny == Outcome::NoMatch;
    let allowed_by_identity = allows(sides.identity);
    Access {
        decision,
        by,
        allowed_by_caller: allowed_by_identity && allows(sides.boundary) && allows(sides.session),
        allowed_by_identity,
    }
}

/// What each side allows and denies.
#[derive(Debug, Clone, Copy)]
struct Sides {
    trust: Trust,
    identity: Says,
    boundary: Says,
    session: Says,
    is_own_account: Outcome,
}

/// What a trust policy allows, by how it names the caller.
#[derive(Debug, Clone, Copy)]
struct Trust {
    /// By its own ARN: a user's or a session's.
    itself: Outcome,
    /// By the role that the caller's session belongs to.
    role: Outcome,
    /// By its account.
    account: Outcome,
    /// By `*`.
    everyone: Outcome,
    deny: Outcome,
}

impl Trust {
    const UNKNOWN: Self = Self::all(Outcome::Unknown, Outcome::Unknown);

    const fn all(allow: Outcome, deny: Outcome) -> Self {
        Self {
            itself: allow,
            role: allow,
            account: allow,
            everyone: allow,
            deny,
        }
    }

    fn of(request: &RequestContext, trust: &Policy, limits: &Limits) -> Self {
        let allow = |reach: Reach| {
            let mut only = trust.clone();
            for statement in &mut only.statements {
                let principal = statement.principal.as_mut();
                if let Some(principal) = principal.filter(|_| statement.effect.value == Effect::Allow) {
                    for entry in &mut principal.entries {
                        let kind = entry.kind;
                        entry
                            .values
                            .retain(|value| principal::reach(kind, &value.value, &request.principal) == reach);
                    }
                }
            }
            evaluate::says(&only, request, limits).allow
        };
        Self {
            itself: allow(Reach::Itself),
            role: allow(Reach::Role),
            account: allow(Reach::Account),
            everyone: allow(Reach::Everyone),
            deny: evaluate::says(trust, request, limits).deny,
        }
    }

    fn any(&self) -> Outcome {
        [self.itself, self.role, self.account, self.everyone]
            .into_iter()
            .fold(Outcome::NoMatch, evaluate::or)
    }
}

impl Sides {
    fn says(&self) -> Says {
        let deny = Side::ALL
            .into_iter()
            .fold(Outcome::NoMatch, |deny, side| evaluate::or(deny, self.denies(side)));
        Says {
            allow: self.allows(),
            deny,
        }
    }

    fn denies(&self, side: Side) -> Outcome {
        match side {
            Side::Boundary => self.boundary.deny,
            Side::Identity => self.identity.deny,
            Side::Session => self.session.deny,
            Side::Trust => self.trust.deny,
        }
    }

    fn allows(&self) -> Outcome {
        match self.is_own_account {
            Outcome::Match => self.within_account(),
            Outcome::NoMatch => self.across_accounts(),
            Outcome::Unknown => {
                let (own, other) = (self.within_account(), self.across_accounts());
                if own == other { own } else { Outcome::Unknown }
            }
        }
    }

    /// Both accounts must allow it. (`reference_policies_evaluation-logic-cross-account`.)
    fn across_accounts(&self) -> Outcome {
        every([
            self.trust.any(),
            self.identity.allow,
            self.boundary.allow,
            self.session.allow,
        ])
    }

    /// Trust policies "must explicitly allow access for principals". Within an account, naming the caller is enough (STS API
    /// Reference, `AssumeRole`: "Add the user as a principal directly in the role's trust policy"): a role's ARN as far as "a
    /// permissions boundary or session policy" allows it, a session's or a user's without limit. An account's ARN leaves it to
    /// the caller's policies. (`reference_policies_evaluation-logic_policy-eval-denyallow`.)
    fn within_account(&self) -> Outcome {
        let limits = [self.boundary.allow, self.session.allow];
        // AWS doesn't say whether `*` names the caller.
        let perhaps = |outcome: Outcome| evaluate::or(outcome, Outcome::Unknown);
        let everyone = [self.identity.allow, limits[0], limits[1]].map(perhaps);
        [
            self.trust.itself,
            every([self.trust.role, limits[0], limits[1], Outcome::Match]),
            every([self.trust.account, self.identity.allow, limits[0], limits[1]]),
            every([self.trust.everyone, everyone[0], everyone[1], everyone[2]]),
        ]
        .into_iter()
        .fold(Outcome::NoMatch, evaluate::or)
    }

    /// The same if all other sides allowed it.
    fn alone(mut self, side: Side) -> Self {
        let open = Says {
            allow: Outcome::Match,
            deny: Outcome::NoMatch,
        };
        if side != Side::Trust {
            // How the trust policy names the caller decides what else is needed.
            let known = |outcome| {
                if outcome == Outcome::Unknown {
                    Outcome::Match
                } else {
                    outcome
                }
            };
            self.trust = Trust {
                itself: known(self.trust.itself),
                role: known(self.trust.role),
                account: known(self.trust.account),
                everyone: known(self.trust.everyone),
                deny: Outcome::NoMatch,
            };
            if self.trust.any() == Outcome::NoMatch {
                self.trust = Trust::all(Outcome::Match, Outcome::NoMatch);
            }
        }
        for (other, policies) in [
            (Side::Identity, &mut self.identity),
            (Side::Boundary, &mut self.boundary),
            (Side::Session, &mut self.session),
        ] {
            if other != side {
                *policies = open;
            }
        }
        self
    }
}

/// What policies of one kind say together. If there are none, identity policies allow nothing and the others limit nothing.
fn of_list(request: &RequestContext, policies: Option<&[Policy]>, without: Outcome, limits: &Limits) -> Says {
    match policies {
        None => Says {
            allow: Outcome::Unknown,
            deny: Outcome::Unknown,
        },
        Some([]) => Says {
            allow: without,
            deny: Outcome::NoMatch,
        },
        Some(policies) => policies
            .iter()
            .map(|policy| evaluate::says(policy, request, limits))
            .fold(
                Says {
                    allow: Outcome::NoMatch,
                    deny: Outcome::NoMatch,
                },
                |all, this| Says {
                    allow: evaluate::or(all.allow, this.allow),
                    deny: evaluate::or(all.deny, this.deny),
                },
            ),
    }
}

/// Whether the role is in the caller's account.
fn is_own_account(request: &RequestContext) -> Outcome {
    let account = |arn: &str| arn.split(':').nth(4).map(str::to_owned);
    let caller = match &request.principal {
        RequestPrincipal::Aws(arn) => account(arn),
        _ => None,
    };
    let is_number = |account: &String| account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let role = request.resource.as_deref().and_then(account);
    match (caller.filter(is_number), role.filter(is_number)) {
        (Some(caller), Some(role)) => Outcome::of(caller == role),
        _ => Outcome::Unknown,
    }
}

fn every(outcomes: [Outcome; 4]) -> Outcome {
    outcomes.into_iter().fold(Outcome::Match, evaluate::and)
}

#[cfg(test)]
mod tests;
