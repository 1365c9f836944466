//! `explicit-deny`: a Deny statement of the trust policy matches.

use super::check::{Check, When};
use crate::aws::request::CLAIM_KEYS;
use crate::case::Case;
use crate::finding::{Fact, Finding, Remedy, Rule, Stage};
use crate::policy::{Decision, Effect, Outcome, Presence};
use crate::text::Location;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "explicit-deny",
        cause: None,
        stage: Stage::TrustPolicy,
        title: "a Deny statement of the trust policy matches",
    },
    when: When::NotAllowed,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let policy = case.policy.as_ref()?;
    if policy.trace.decision != Decision::ExplicitDeny {
        return None;
    }
    let mut finding =
        Finding::blocks("a Deny statement of the trust policy matches this request, and a Deny overrides every Allow");
    let mut never = None;
    for (index, statement, trace) in policy.statements() {
        if trace.effect != Effect::Deny || trace.outcome != Outcome::Match {
            continue;
        }
        let name = statement
            .sid
            .as_ref()
            .map(|sid| format!(" (`{}`)", sid.value))
            .unwrap_or_default();
        let leaves = policy.leaves(index);
        if leaves.is_empty() {
            let pointer = format!("{}/Effect", policy.policy.statement_pointer(index));
            finding = finding.label(case.policy_label(
                Location::new(statement.effect.span, pointer),
                format!("this statement{name} has no condition"),
            ));
        }
        for leaf in leaves {
            let is_claim = CLAIM_KEYS
                .iter()
                .chain(&["sub", "aud"])
                .any(|claim| leaf.is(&case.asker().key(claim)));
            if leaf.trace.actual == Presence::Absent && leaf.comparison().is_negated() && !is_claim {
                never = Some(leaf.name().to_owned());
            }
            finding = finding.label(case.policy_label(
                leaf.location(),
                format!("this Deny{name} applies: {}", leaf.trace.because),
            ));
        }
    }
    finding = finding.help(match never {
        // IAM User Guide, `reference_policies_elements_condition_operators`: a negated operator matches if the key is absent.
        Some(key) => format!(
            "`{key}` is in no request with a token, and without its key a negated operator holds: take this condition out, or write the Deny \
             on a claim that AWS evaluates"
        ),
        None => "change the Deny statement so that it excludes this token, or run the job where it does not apply".to_owned(),
    });
    Some(
        finding
            .rests_on(case, &[Fact::Policy, Fact::Issuer, Fact::Claims])
            .remedy(Remedy::Admit),
    )
}
