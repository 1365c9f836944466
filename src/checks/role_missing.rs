//! `role-missing`: the role does not exist.

use super::check::{Check, When};
use crate::case::Case;
use crate::finding::{Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "role-missing",
        cause: None,
        stage: Stage::Role,
        title: "the role does not exist",
    },
    when: When::NotAllowed,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    if !case.is_role_missing() {
        return None;
    }
    let (_, account) = case.account();
    let name = case
        .role_name()
        .map_or_else(|| "the role".to_owned(), |name| format!("the role `{name}`"));
    let place = account.map_or_else(|| "its account".to_owned(), |account| format!("account `{account}`"));
    let mut finding = Finding::blocks(format!("{name} does not exist in {place}"))
        .rests_on(case, &[Fact::Role])
        .note("as reported, AWS does not reveal this: the job gets `Not authorized to perform sts:AssumeRoleWithWebIdentity`, as for any refusal")
        .help("correct the name or the account number in `role-to-assume`, or create the role; names are case-sensitive");
    if let Some(Ok(role)) = &case.role_arn
        && role.path != "/"
    {
        finding = finding.note(format!(
            "`iam:GetRole` was called with `{}`, without the path `{}`",
            role.name, role.path
        ));
    }
    Some(finding)
}
