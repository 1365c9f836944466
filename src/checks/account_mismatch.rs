//! `account-mismatch`: the role is in another account than expected.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::aws::arn::ProviderArn;
use crate::case::Case;
use crate::configure::Input;
use crate::finding::{Certainty, Fact, Finding, Party, Rule, SideBySide, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "account-mismatch",
        cause: None,
        stage: Stage::Session,
        title: "the role is in another account than expected",
    },
    when: When::Always,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    let (_, account) = case.account();
    let allowed: Vec<&str> = case
        .request()
        .given(Input::AllowedAccountIds)
        .map(|list| list.split(',').map(str::trim).filter(|id| !id.is_empty()).collect())
        .unwrap_or_default();
    let outside = case.is_account_refused();
    let account = if outside { case.final_account() } else { account };
    if case.answer == Some(Answer::AccountNotAllowed) || outside {
        // The message names the credentials' account, which isn't necessarily the role's.
        let named = super::check::pasted(case)
            .and_then(|text| {
                let (named, _) = text.split_once("provided credentials (")?.1.split_once(')')?;
                Some(named.trim().to_owned())
            })
            .filter(|named| is_account(named));
        if let (Some(named), Some(account)) = (&named, &account)
            && named != account
            && !outside
        {
            return Some(
                Finding::blocks(format!("the credentials in use belong to account `{named}`, and the role to `{account}`"))
                    .rests_on(case, &[Fact::Answer, Fact::RoleArn])
                    .note("configure-aws-credentials compares the account of the credentials that it ends up with to `allowed-account-ids`")
                    .help("find out where the credentials come from: those of an earlier step, of the runner or of a secret were used in place of the role's"),
            );
        }
        let ends_in = named.or(account);
        let which = ends_in
            .as_ref()
            .map(|account| format!("`{account}`"))
            .unwrap_or_else(|| "the role's account".to_owned());
        let on: &[Fact] = if outside {
            &[Fact::Input(Input::AllowedAccountIds), Fact::RoleArn]
        } else {
            &[Fact::Answer]
        };
        let finding = Finding::blocks(format!("{which} is not among `allowed-account-ids`"))
            .compares(ends_in.zip(allowed.split_first()).map(|(account, (first, more))| {
                SideBySide::of(
                    "account",
                    Party::new("step", "ends in", account),
                    Party::new("`allowed-account-ids`", "has", *first).and_more(more.len()),
                )
            }))
            .rests_on(case, on)
            .by_action()
            .note(if allowed.is_empty() {
                "the list is an input of the step".to_owned()
            } else {
                format!("allowed: `{}`", allowed.join("`, `"))
            })
            .note("configure-aws-credentials checks this only after it has exported the credentials")
            .help("add the account to `allowed-account-ids`, or use a role of an account that is listed");
        // Anything refused before the action checks the account fails first.
        let is_refused = case
            .answer
            .as_ref()
            .is_some_and(|answer| !matches!(answer, Answer::AccountNotAllowed | Answer::Allowed));
        return Some(if is_refused { finding.as_note() } else { finding });
    }
    // The given provider belongs to a different account than the role. (IAM User Guide, `id_roles_providers_oidc`.)
    let provider = case
        .provider()
        .and_then(|provider| provider.arn.as_deref())
        .and_then(ProviderArn::parse);
    match (provider, account) {
        (Some(provider), Some(account)) if is_account(&provider.account) && provider.account != account && !case.is_allowed() => Some(
            Finding::blocks(format!("the OIDC provider is in account `{}`, and the role in `{account}`", provider.account))
                .compares(SideBySide::of(
                    "account",
                    Party::new("role", "is in", &account),
                    Party::new("provider", "is in", &provider.account),
                ))
                .at_most(if case.answer.as_ref().is_some_and(Answer::passed_provider) { Certainty::Possible } else { Certainty::Likely })
                .note("AWS looks for the provider in the account that the role's ARN names, and nowhere else")
                .help("create the provider in the role's account as well, or assume a role in the provider's account and chain from there with `role-chaining`"),
        ),
        _ => None,
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}
