//! The smallest trust policy that lets a token in, if there is none to change.

use serde_json::{Value, json};

use super::proof::is_proven;
use super::render;
use crate::aws::arn::{ProviderArn, partition_of_region, provider_arn};
use crate::aws::request::Asker;
use crate::budget::Budget;
use crate::configure::Input;
use crate::finding::{Fix, Target};
use crate::github::issuer::{Deployment, issuer_host};
use crate::github::subject::lasting::lasting;
use crate::github::subject::{Context, Subject};
use crate::policy::{TrustPolicy, parse};
use crate::text::masked::{is_masked, is_masked_account};

/// The placeholder for an unknown account number.
const ACCOUNT: &str = "<ACCOUNT_ID>";
/// Replaces it for evaluation.
const STAND_IN: &str = "123456789012";

/// The smallest policy that lets in exactly this token and, if its subject changes with each run, one that later runs match too.
/// Each was evaluated. None for a token that isn't a job's, or if part of it is masked.
#[must_use]
pub(crate) fn least(asker: Asker<'_>) -> Vec<Fix> {
    let claims = asker
        .claims
        .filter(|_| Deployment::of(asker.issuer) != Deployment::Other);
    let Some((subject, audience)) = claims.and_then(|claims| claims.subject().zip(claims.audience())) else {
        return Vec::new();
    };
    if [subject, audience, asker.issuer].into_iter().any(is_masked) {
        return Vec::new();
    }
    let lasting = lasting(subject);
    let mut exact = policy(
        asker,
        audience,
        "StringEquals",
        subject,
        "the smallest trust policy that accepts this token",
    );
    if let (Some(fix), Some(lasting)) = (&mut exact, &lasting) {
        fix.notes.push(lasting.holds.to_owned());
    }
    let lasts = lasting.and_then(|lasting| {
        let title = "the same, for later runs of the job as well";
        let mut fix = policy(asker, audience, "StringLike", &lasting.pattern, title)?;
        fix.notes.push(format!("it accepts {}", lasting.opens));
        Some(fix)
    });
    exact.into_iter().chain(lasts).collect()
}

fn policy(asker: Asker<'_>, audience: &str, operator: &str, subject: &str, title: &str) -> Option<Fix> {
    let (partition, account) = account(asker);
    let key = |claim: &str| asker.key(claim);
    let mut equals = json!({ key("aud"): audience });
    let parsed = Subject::parse(subject).filter(|subject| subject.repository.is_some());
    let mut notes = Vec::new();
    // A subject that doesn't name the repository is shared by every job whose template yields the same.
    match (parsed, repository(asker)) {
        (Some(subject), _) => {
            notes.push("evaluated: the policy accepts this token, and no subject of another repository".to_owned());
            if subject.kind() == Some(Context::PullRequest) {
                notes.push(
                    "it accepts every pull request of the repository, and so code that nobody has reviewed: not for a role that can \
                     change anything"
                        .to_owned(),
                );
            }
        }
        (None, Some((claim, value))) => {
            set(&mut equals, key(claim), value);
            notes.push(format!(
                "evaluated: the policy accepts this token; its subject does not name the repository, so the policy compares `{claim}` as well"
            ));
        }
        (None, None) => notes.push(
            "evaluated: the policy accepts this token; its subject does not name the repository, so every job whose subject is the same gets in \
             as well"
                .to_owned(),
        ),
    }
    let mut condition = json!({ "StringEquals": equals });
    match condition.get_mut(operator) {
        Some(keys) => set(keys, key("sub"), subject),
        None => condition = json!({ "StringEquals": equals, operator: { key("sub"): subject } }),
    }
    let document = |account: &str| {
        json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Federated": provider_arn(&partition, account, asker.issuer) },
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": condition,
            }],
        })
    };
    let read = |document: &Value| parse(&document.to_string()).ok();
    let evaluated = read(&document(account.as_deref().unwrap_or(STAND_IN)))?;
    let nobody = TrustPolicy {
        statements: Vec::new(),
        ..evaluated.clone()
    };
    // The account is the policy's own.
    let asker = Asker {
        role: None,
        provider: None,
        ..asker
    };
    if !is_proven(asker, &nobody, &evaluated, &Budget::default()) {
        return None;
    }
    if account.is_none() {
        notes.push(format!(
            "write the number of the role's account in place of `{ACCOUNT}`; that account needs an OIDC provider for `{}`",
            issuer_host(asker.issuer)
        ));
    }
    let shown = document(account.as_deref().unwrap_or(ACCOUNT));
    let written = read(&shown)?;
    let mut fix = Fix::new(title, Target::TrustPolicy);
    fix.text = serde_json::to_string_pretty(&shown).ok()?;
    fix.terraform = render::terraform(&written, &shown);
    fix.cloudformation = render::cloudformation(&shown);
    fix.notes = notes;
    Some(fix)
}

/// The claim with the token's repository ID, else its name, if STS compares it.
fn repository(asker: Asker<'_>) -> Option<(&'static str, &str)> {
    let claims = asker.claims.filter(|_| Deployment::of(asker.issuer).has_claim_keys())?;
    ["repository_id", "repository"]
        .into_iter()
        .find_map(|claim| Some((claim, claims.text(claim).filter(|value| !is_masked(value))?)))
}

/// The role's partition and account, as far as known.
fn account(asker: Asker<'_>) -> (String, Option<String>) {
    let whole = |account: &String| !is_masked_account(account);
    if let Some(role) = asker.role {
        return (role.partition.clone(), role.account.clone().filter(whole));
    }
    if let Some(arn) = asker.provider.and_then(ProviderArn::parse) {
        return (arn.partition, Some(arn.account).filter(whole));
    }
    let region = asker.inputs.get(Input::AwsRegion).unwrap_or_default();
    (partition_of_region(region).to_owned(), None)
}

fn set(keys: &mut Value, key: String, value: &str) {
    if let Some(keys) = keys.as_object_mut() {
        keys.insert(key, Value::from(value));
    }
}
