//! `role-arn-malformed`: `role-to-assume` is not a role ARN.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::configure::{Flow, Input};
use crate::finding::{Certainty, Fact, Finding, Rule, Stage};
use crate::text::masked::is_masked;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "role-arn-malformed",
        cause: None,
        stage: Stage::Request,
        title: "`role-to-assume` is not a role ARN",
    },
    when: When::NotAllowed,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    // configure-aws-credentials' own message, before it calls AWS. (`src/assumeRole.ts` in v6.2.3.)
    let stopped = case.answer == Some(Answer::RoleNameOnly);
    let said = stopped || case.answer == Some(Answer::RoleArnInvalid);
    match &case.role_arn {
        // An answer to the token shows that AWS accepted the ARN: the account number's wrong length is a copying mistake.
        Some(Err(error)) if error.account_only && case.answer.as_ref().is_some_and(Answer::token_was_sent) => None,
        Some(Err(error)) => {
            let given = case.request().get(Input::RoleToAssume).unwrap_or_default().trim();
            let bare = !given.starts_with("arn:");
            // With AWS credentials, a bare name is completed with their account.
            if bare && (case.asks_with_credentials() || case.flow != Flow::Oidc && case.stop.is_none()) {
                return None;
            }
            // A name can't be sent as an ARN, yet AWS answered to the token: the name was written down in place of the ARN.
            if bare && case.answer.as_ref().is_some_and(Answer::token_was_sent) {
                return None;
            }
            // Masked entirely: the value can't be seen.
            if bare && is_masked(given) && !said {
                return None;
            }
            // Without a token, the ARN hasn't been used yet.
            let unused = matches!(
                case.answer,
                Some(Answer::NoCredentials | Answer::TokenNotGranted | Answer::TokenRequestFailed(_))
            );
            let mut finding = Finding::blocks(format!("`role-to-assume` is not a role ARN: {}", error.message))
                .rests_on(case, &[Fact::Input(Input::RoleToAssume)])
                .note(format!("it is `{given}`"))
                .note("a role's ARN is `arn:aws:iam::<12-digit account>:role/<path and name>`");
            if let Some(instead) = &error.instead {
                finding = finding.help(format!("write `{instead}`"));
            } else {
                finding = finding.help("copy the ARN from the role's page in the IAM console");
            }
            // The account number's wrong length may be a copying mistake.
            Some(match (unused, error.account_only && !said) {
                (true, _) => finding.at_most(Certainty::Possible),
                (false, true) => finding.at_most(Certainty::Likely),
                (false, false) => finding,
            })
        }
        _ if stopped => Some(
            Finding::blocks("`role-to-assume` is a role's name, but the action needs the ARN: it stopped before calling AWS")
                .rests_on(case, &[Fact::Answer])
                .note("a name is completed with the account of the available AWS credentials, and with an ID token there are none")
                .help("set `role-to-assume` to the full ARN: `arn:aws:iam::<12-digit account>:role/<path and name>`"),
        ),
        // AWS says the same of a valid ARN in a different partition than the region's.
        Some(Ok(_)) if super::partition_mismatch::CHECK.find(case).is_some() => None,
        _ if said => Some(
            Finding::blocks("AWS rejected the ARN in `role-to-assume` as invalid")
                .rests_on(case, &[Fact::Answer])
                .note("common reasons: an empty secret, a masked or quoted value, white space, or the role's name instead of its ARN")
                .help("set `role-to-assume` to the full ARN: `arn:aws:iam::<12-digit account>:role/<path and name>`"),
        ),
        _ => None,
    }
}
