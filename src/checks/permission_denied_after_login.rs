//! `permission-denied-after-login`: the role was assumed, but a later call in its session was denied.

use super::check::{Check, When};
use crate::aws::answer::{AfterLogin, PolicyKind, Refusal, Whose};
use crate::case::Case;
use crate::finding::{Certainty, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "permission-denied-after-login",
        cause: None,
        stage: Stage::Session,
        title: "the role was assumed, but a later call in its session was denied",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let read = case.message().and_then(|text| AfterLogin::read(text, case.evidence));
    let AfterLogin { refusal, whose } = read?;
    let Refusal {
        user, action, resource, ..
    } = &refusal;
    let what = match (action.is_empty(), resource.is_empty() || resource == "*") {
        (true, _) => "a call".to_owned(),
        (false, true) => format!("`{action}`"),
        (false, false) => format!("`{action}` on `{resource}`"),
    };
    let finding = match whose {
        Whose::Stranger => Finding::note_only(match refusal.session() {
            Some((_, session)) if session.starts_with("i-") => {
                format!("`{user}` was denied {what}: that is a machine's role, not a session that this job started")
            }
            Some(_) => format!("`{user}` was denied {what}: that is not a session of the role that the job requests"),
            None => format!("`{user}` was denied {what}: that is not a role session"),
        })
            .note("so the message does not show whether the role can be assumed: other credentials made this call")
            .help("find out where that step gets its credentials: an input, a profile, the environment or the runner's own role"),
        Whose::Session => {
            let (role, _) = refusal.session().unwrap_or_default();
            let role = if role.is_empty() || role.contains('*') { "the role".to_owned() } else { format!("the role `{role}`") };
            where_to_look(
                Finding::note_only(format!("{role} was assumed, but its session was denied {what}: the trust policy is not the reason")),
                &refusal,
            )
        }
        Whose::Unknown => where_to_look(
            Finding::note_only(format!("AWS credentials were available but were denied {what}: the trust policy is not the reason"))
                .at_most(Certainty::Likely)
                .note("the message does not say whose session it was; run `aws sts get-caller-identity` in the same job to find out"),
            &refusal,
        ),
    };
    Some(match &refusal.because {
        Some(because) => finding.note(format!("AWS says why: {because}")),
        None => finding,
    })
}

/// Says what has to change, depending on the kind of policy that AWS names. (IAM User Guide, `troubleshoot_access-denied`.)
fn where_to_look(finding: Finding, refusal: &Refusal) -> Finding {
    let action = if refusal.action.contains(':') {
        format!("`{}`", refusal.action)
    } else {
        "the action".to_owned()
    };
    let explicit = refusal
        .because
        .as_deref()
        .is_some_and(|because| because.contains("explicit deny"));
    match refusal.policy {
        None => finding
            .help(format!("allow {action} in a permissions policy of the role; if one already does, check its permissions boundary, the step's session policy, the resource's own policy and the organization's policies"))
            .help("decode an encoded message for details: `aws sts decode-authorization-message --encoded-message …`"),
        Some(PolicyKind::IdentityBased) if !explicit => {
            finding.help(format!("allow {action} on this resource in a permissions policy of the role"))
        }
        Some(PolicyKind::IdentityBased) => {
            finding.help(format!("a `Deny` in a permissions policy of the role covers {action}: it overrides every `Allow`"))
        }
        Some(PolicyKind::PermissionsBoundary) => {
            finding.help(format!("the role's permissions boundary must allow {action}, in addition to a permissions policy that allows it"))
        }
        Some(PolicyKind::ResourceBased) => {
            finding.help(format!("the policy of the resource (bucket, repository, key) must allow this role {action}; across accounts both sides must allow it"))
        }
        Some(PolicyKind::RoleTrust) => finding.help("the trust policy of the requested role must name the calling role"),
        Some(PolicyKind::Session) => {
            finding.help(format!("the session was restricted when the role was assumed: allow {action} in `inline-session-policy` or `managed-session-policies`, or remove them"))
        }
        Some(kind @ (PolicyKind::ResourceControl | PolicyKind::ServiceControl)) => finding.help(format!(
            "ask whoever manages the organization's policies: a {} decides, and nothing in this account can override it",
            kind.name()
        )),
        Some(PolicyKind::VpcEndpoint) => {
            finding.help(format!("allow {action} in the policy of the VPC endpoint through which the runner reaches the service"))
        }
    }
}
