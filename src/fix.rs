//! Changes that fix a finding: in the trust policy, the workflow or the provider.
//!
//! A change to the trust policy is printed only after it was applied and evaluated: the policy accepts the token, and still refuses
//! every subject of another repository that it refused before. The policy's text is otherwise unchanged.

mod admit;
mod apart;
mod edit;
mod least;
mod narrow;
mod proof;
mod provider;
mod render;
mod sides;
mod workflow;

use crate::case::{Case, PolicyCase};
use crate::configure::Input;
use crate::finding::{Fix, Remedy, Target};
use crate::github::issuer::GITHUB_ISSUER;
use crate::policy::Outcome;

pub(crate) use admit::ask_first;
pub(crate) use least::least;
pub use proof::is_proven;
pub(crate) use render::argument;

/// Returns the changes of one kind for the finding with this id, smallest first; empty if none is proved.
#[must_use]
pub(crate) fn by(case: &Case<'_>, remedy: Remedy, id: &str) -> Vec<Fix> {
    let mut fixes = match remedy {
        Remedy::AddClientId => provider::add_client_id(case),
        Remedy::Admit => admit::admit(case),
        Remedy::AllowCaller => sides::allow_caller(case).into_iter().collect(),
        Remedy::CreateProvider => provider::create_provider(case).into_iter().collect(),
        Remedy::ExactStatement => admit::exact_statement(case).into_iter().collect(),
        Remedy::GrantIdToken => vec![workflow::grant_id_token(case)],
        Remedy::Narrow => narrow::to_this_subject(case).into_iter().collect(),
        Remedy::TrustCaller => sides::trust_caller(case).into_iter().collect(),
    };
    for (at, fix) in fixes.iter_mut().enumerate() {
        if fix.target == Target::TrustPolicy {
            fix.command = command(case, id, at + 1);
            let files = [CLAIMS, EVIDENCE]
                .into_iter()
                .filter(|(flag, _)| fix.command.contains(flag));
            fix.notes.extend(files.map(|(_, note)| note.to_owned()));
        }
    }
    fixes
}

/// Whether a note is about the commands of a fix rather than the change.
pub(crate) fn is_about_commands(note: &str) -> bool {
    [CLAIMS, EVIDENCE].iter().any(|(_, about)| *about == note)
}

/// A flag with its file, and a description of the file.
type FromFile = (&'static str, &'static str);

/// Used if the subject alone isn't enough.
const CLAIMS: FromFile = (
    "--claims claims.json",
    "`claims.json` holds the token's claims: `aws-oidc-doctor claims --format json` prints them in the job",
);

/// Used if there is no token.
const EVIDENCE: FromFile = (
    "--evidence evidence.json",
    "`evidence.json` is the saved run: `save-evidence` or `--save-evidence` writes it",
);

/// Commands that fetch the policy, make the change with this number, and put the policy back.
fn command(case: &Case<'_>, id: &str, number: usize) -> String {
    let role = argument(case.role_name().as_deref().unwrap_or_default(), "ROLE");
    let number = if number > 1 {
        format!(" --number {number}")
    } else {
        String::new()
    };
    format!(
        "aws iam get-role --role-name {role} --query Role.AssumeRolePolicyDocument --output json > trust-policy.json\n\
         aws-oidc-doctor fix --trust-policy trust-policy.json {} --id {id}{number} --out trust-policy.json\n\
         aws iam update-assume-role-policy --role-name {role} --policy-document file://trust-policy.json",
        token(case)
    )
}

/// The flags that pass the token to `fix`: its subject if the policy compares only that and the audience, otherwise a file of its
/// claims.
fn token(case: &Case<'_>) -> String {
    if case.asks_with_credentials() {
        return EVIDENCE.0.to_owned();
    }
    let keys = case.policy.iter().flat_map(|policy| &policy.policy.statements);
    let mut keys = keys
        .flat_map(|statement| &statement.conditions)
        .flat_map(|condition| &condition.keys);
    let usual = Input::Audience.spec().default;
    let is_usual = case.claims.and_then(|claims| claims.issuer()) == Some(&*format!("https://{GITHUB_ISSUER}"))
        && case.claims.and_then(|claims| claims.audience()) == Some(usual)
        && keys.all(|key| {
            let compared = ["sub", "aud"].map(|claim| case.asker().key(claim));
            compared.iter().any(|name| key.is(name))
        });
    let subject = case.claims.and_then(|claims| claims.subject()).filter(|_| is_usual);
    let token = match argument(subject.unwrap_or_default(), "") {
        unknown if unknown.is_empty() => CLAIMS.0.to_owned(),
        subject => format!("--subject {subject}"),
    };
    // The principal must be in the role's account.
    let nearest = case.policy.as_ref().and_then(PolicyCase::nearest);
    let is_of_another = nearest.is_none_or(|(_, _, trace)| trace.principal.outcome == Outcome::NoMatch);
    let arns = [
        case.request().get(Input::RoleToAssume),
        case.role().and_then(|role| role.arn.as_deref()),
    ];
    let arn = arns.into_iter().flatten().find(|arn| arn.starts_with("arn:"));
    match argument(arn.filter(|_| is_of_another).unwrap_or_default(), "") {
        unknown if unknown.is_empty() => token,
        arn => format!("{token} --role-to-assume {arn}"),
    }
}
