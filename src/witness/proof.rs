//! Proves that nobody gets in from a stranger's repository: what no stranger can have is removed from the policy, and the rest is
//! evaluated for a caller whose claims are unknown. If the decision is a denial, nobody gets in, whatever the claims are.

use crate::aws::arn::ProviderArn;
use crate::aws::request::{self, Asker};
use crate::budget::Budget;
use crate::github::claims::Claims;
use crate::github::issuer::{Deployment, issuer_host};
use crate::policy::{
    Comparison, Condition, ConditionKey, Decision, Effect, Outcome, Presence, PrincipalKind, RequestContext,
    RequestPrincipal, Statement, TrustPolicy, decide, leaves, trace,
};
use crate::text::masked::is_masked;

use super::weight::Weight;

/// What the proof left open.
#[derive(Debug)]
pub(super) struct Open {
    /// The statements through which strangers may come.
    pub(super) statements: Vec<usize>,
    /// Why that can't be decided without an example of one who gets in.
    pub(super) because: String,
}

/// Tries to prove that no stranger gets in with one of the audiences, or with any audience if they aren't known.
pub(super) fn prove(
    asker: Asker<'_>,
    audiences: Option<&[String]>,
    policy: &TrustPolicy,
    budget: &Budget,
) -> Result<(), Open> {
    let weight = Weight::of(policy);
    if !budget.take(weight.steps(0)) {
        return Err(Open {
            statements: (0..policy.statements.len()).collect(),
            because: String::new(),
        });
    }
    let mut rest = TrustPolicy {
        based_on: policy.based_on,
        version: policy.version.clone(),
        id: None,
        statements: Vec::new(),
        statement_is_list: true,
        statement_span: policy.statement_span,
        duplicates: policy.duplicates.clone(),
        is_ambiguous: policy.is_ambiguous,
    };
    let mut kept = Vec::new();
    for (index, statement) in policy.statements.iter().enumerate() {
        // Either of two duplicate keys may apply.
        let left = if policy.duplicates.is_empty() {
            without_what_is_known(asker, statement)
        } else {
            Some(statement.clone())
        };
        if let Some(left) = left {
            rest.statements.push(left);
            kept.push(index);
        }
    }
    if !policy.is_ambiguous && !rest.statements.iter().any(allows) {
        return Ok(());
    }
    let request = anybody(asker, policy);
    let aud = asker.key("aud");
    let unknown = [String::new()];
    for audience in audiences.unwrap_or(&unknown) {
        let mut request = request.clone();
        if audiences.is_some() {
            request.set(&aud, Presence::One(audience.clone()));
        }
        if !matches!(decide(&rest, &request), Decision::ImplicitDeny | Decision::ExplicitDeny) {
            let is_only = policy.statements.len() == 1;
            return Err(open(asker, &rest, &kept, is_only, &request));
        }
    }
    Ok(())
}

/// Whether the policy denies every token of the asker's issuer, whatever is in it.
pub(super) fn keeps_all_out(asker: Asker<'_>, policy: &TrustPolicy) -> bool {
    let decision = decide(policy, &anybody(asker, policy));
    matches!(decision, Decision::ImplicitDeny | Decision::ExplicitDeny)
}

fn allows(statement: &Statement) -> bool {
    statement.effect.value == Effect::Allow || statement.is_ambiguous
}

/// A request in which everything that its sender can choose is unknown.
fn anybody(asker: Asker<'_>, policy: &TrustPolicy) -> RequestContext {
    let nothing = Claims::default();
    let asker = Asker {
        claims: Some(&nothing),
        ..asker
    };
    let mut request = request::web_identity(asker, policy);
    let unknown = || Presence::Unknown("a stranger can choose it".to_owned());
    for key in ["sts:RoleSessionName", "aws:RequestedRegion"] {
        if *request.get(key) != Presence::Absent {
            request.set(key, unknown());
        }
    }
    if Deployment::of(asker.issuer).has_claim_keys() {
        for claim in ["environment", "enterprise_id"] {
            request.set(&asker.key(claim), unknown());
        }
    }
    request
}

/// Whether a condition on a key holds for all strangers.
enum Known {
    Always,
    Never,
    No,
}

/// The statement without the conditions that hold for every stranger; `None` if one holds for none.
fn without_what_is_known(asker: Asker<'_>, statement: &Statement) -> Option<Statement> {
    let mut is_whole = true;
    for condition in &statement.conditions {
        for key in &condition.keys {
            match known(asker, condition, key) {
                Known::Always => is_whole = false,
                Known::Never => return None,
                Known::No => {}
            }
        }
    }
    let mut left = statement.clone();
    if !is_whole {
        for condition in &mut left.conditions {
            let all = std::mem::take(&mut condition.keys);
            let open = all
                .into_iter()
                .filter(|key| !matches!(known(asker, condition, key), Known::Always));
            condition.keys = open.collect();
        }
    }
    Some(left)
}

fn known(asker: Asker<'_>, condition: &Condition, key: &ConditionKey) -> Known {
    let operator = condition.operator.value;
    let comparison = operator.comparison;
    let prefix = format!("{}:", issuer_host(asker.issuer));
    let claim = key
        .name()
        .get(..prefix.len())
        .filter(|start| start.eq_ignore_ascii_case(&prefix))
        .and_then(|_| key.name().get(prefix.len()..))
        .map(str::to_ascii_lowercase);
    let Some(claim) = claim.filter(|_| Deployment::of(asker.issuer) != Deployment::Other) else {
        return Known::No;
    };
    // Subjects and repositories are never ARNs.
    let is_pinned = comparison.is_arn() && matches!(claim.as_str(), "sub" | "repository")
        || comparison.is_string()
            && key
                .values
                .iter()
                .all(|value| is_somebodys(&claim, &value.value, comparison));
    if !is_pinned {
        Known::No
    } else if comparison.is_negated() {
        // It also holds without the key; with a set operator, AWS's pages are less clear.
        if operator.set.is_none() {
            Known::Always
        } else {
            Known::No
        }
    } else if claim == "sub" || operator.set.is_none() && !operator.if_exists {
        // Every token has a subject, and never an empty one.
        Known::Never
    } else {
        Known::No
    }
}

/// Whether a value only matches claims in the tokens of one owner or repository, or in nobody's.
fn is_somebodys(claim: &str, value: &str, comparison: Comparison) -> bool {
    let is_open = |(at, c): &(usize, char)| match c {
        '*' | '?' => comparison.takes_wildcards(),
        '$' => value.get(at + 1..).is_some_and(|rest| rest.starts_with('{')),
        _ => false,
    };
    let end = value.char_indices().find(is_open).map(|(at, _)| at);
    let head = value.get(..end.unwrap_or(value.len())).unwrap_or_default();
    let is_whole = end.is_none();
    match claim {
        "sub" => names_somebody(head, is_whole),
        "repository" => names_owner(head, is_whole),
        "repository_id" | "repository_owner_id" | "enterprise_id" => is_whole,
        _ => false,
    }
}

/// Whether it is `owner/repository` with the owner in full, or not a repository at all.
fn names_owner(head: &str, is_whole: bool) -> bool {
    head.find(['/', '@']).is_some_and(|at| at > 0) || is_whole
}

/// Whether the beginning of a subject (`claim:value:claim:value`, where GitHub writes `:` in a value as `%3A`) names the owner or the
/// repository, or can't be in any token.
fn names_somebody(head: &str, is_whole: bool) -> bool {
    let mut parts = head.split(':').peekable();
    while let Some(key) = parts.next() {
        let has_key = is_whole || parts.peek().is_some();
        if has_key
            && !key
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_'))
        {
            return true;
        }
        let key = key.to_ascii_lowercase();
        if key == "pull_request" {
            continue;
        }
        let Some(value) = parts.next() else {
            return is_whole;
        };
        let has_value = is_whole || parts.peek().is_some();
        let is_somebodys = match key.as_str() {
            "repo" | "repository" => names_owner(value, has_value),
            "repository_owner" | "repository_owner_id" | "repository_id" | "enterprise" | "enterprise_id" => has_value,
            _ => false,
        };
        if is_somebodys {
            return true;
        }
    }
    false
}

/// The remaining statements that may let strangers in, and what is unknown in the first.
fn open(asker: Asker<'_>, rest: &TrustPolicy, kept: &[usize], is_only: bool, request: &RequestContext) -> Open {
    let traced = trace(rest, request);
    let mut statements = Vec::new();
    let mut because = None;
    let all = rest.statements.iter().zip(&traced.statements).zip(kept);
    for (left, ((statement, trace), index)) in all.enumerate() {
        if !allows(statement) || trace.outcome == Outcome::NoMatch {
            continue;
        }
        statements.push(*index);
        because = because.or_else(|| {
            let whose = if is_only {
                "the statement".to_owned()
            } else {
                format!("statement {}", index + 1)
            };
            let principal = &trace.principal;
            if principal.outcome == Outcome::Unknown {
                let values = principal.values.iter();
                let value = values.clone().find(|value| value.outcome == Outcome::Unknown);
                let why = principal
                    .because
                    .as_ref()
                    .or_else(|| value.and_then(|value| value.because.as_ref()));
                let why = why.map_or_else(String::new, |why| format!(": {why}"));
                return Some(format!(
                    "it is not known whether the principal of {whose} covers a stranger's token{why}"
                ));
            }
            let leaves = leaves(rest, left, trace);
            let unknown = leaves.iter().filter(|leaf| leaf.trace.outcome == Outcome::Unknown);
            // Keys that no claim decides come first.
            let of_token = format!("{}:", issuer_host(asker.issuer)).to_lowercase();
            let name = unknown.map(|leaf| leaf.name()).min_by_key(|name| {
                (
                    name.to_lowercase().starts_with(&of_token),
                    name.ends_with(":aud"),
                    name.ends_with(":sub"),
                )
            })?;
            Some(why_open(name.to_lowercase().strip_prefix(&of_token), name, &whose))
        });
    }
    Open {
        statements,
        because: because.unwrap_or_else(|| "it is not proven that no stranger is accepted".to_owned()),
    }
}

fn why_open(claim: Option<&str>, name: &str, whose: &str) -> String {
    match claim {
        Some("job_workflow_ref") => format!(
            "{whose} accepts every job that calls the workflow in `{name}`: if its repository is public, which is not known here, anyone's job"
        ),
        Some("actor" | "actor_id") => {
            format!("{whose} accepts every job that the account in `{name}` starts, even in a stranger's repository")
        }
        Some(_) => format!(
            "no stranger was found that {whose} accepts, but it is not proven that there is none: `{name}` might accept others"
        ),
        None => format!("the value of `{name}` in {whose} is not known for a stranger's request"),
    }
}

/// A few other identity providers of the same account that the policy trusts.
pub(super) fn other_providers(asker: Asker<'_>, policy: &TrustPolicy) -> Vec<ProviderArn> {
    const MOST: usize = 4;
    let own = match request::web_identity(asker, policy).principal {
        RequestPrincipal::Federated(arn) => ProviderArn::parse(&arn),
        _ => None,
    };
    let mut found: Vec<ProviderArn> = Vec::new();
    let entries = policy.statements.iter().filter(|statement| allows(statement));
    let entries = entries
        .flat_map(|statement| &statement.principal)
        .flat_map(|principal| &principal.entries);
    let federated = entries.filter(|entry| entry.kind == PrincipalKind::Federated);
    for arn in federated
        .flat_map(|entry| &entry.values)
        .filter_map(|value| ProviderArn::parse(&value.value))
    {
        let is_accounts = own
            .as_ref()
            .is_none_or(|own| own.account == arn.account || is_masked(&arn.account));
        if is_accounts
            && arn.host != issuer_host(asker.issuer)
            && found.len() < MOST
            && found.iter().all(|other| other.host != arn.host)
        {
            found.push(arn);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_somebodys() {
        use Comparison::{StringEquals, StringLike};
        for (claim, value, comparison, want) in [
            ("sub", "repo:acme/widgets:*", StringLike, true),
            ("sub", "repo:acme/*", StringLike, true),
            ("sub", "repo:acme@*/widgets@*:*", StringLike, true),
            ("sub", "repo:acme*", StringLike, false),
            ("sub", "repo:acme*", StringEquals, true),
            ("sub", "repo:*/widgets", StringLike, false),
            ("sub", "repo:${aws:x}/widgets:*", StringEquals, false),
            ("sub", "repo:acme/${aws:x}:*", StringLike, true),
            ("sub", "*", StringLike, false),
            ("sub", "", StringEquals, true),
            ("sub", "", StringLike, true),
            ("sub", "environment:prod", StringEquals, false),
            ("sub", "environment:prod:repo:acme/widgets", StringEquals, true),
            ("sub", "environment:*:repo:acme/widgets", StringLike, false),
            ("sub", "pull_request", StringEquals, false),
            ("sub", "pull_request:repository:acme/*", StringLike, true),
            ("sub", "repository_owner:acme", StringEquals, true),
            ("sub", "repository_owner:acme*", StringLike, false),
            ("sub", "repository_owner_id:12:*", StringLike, true),
            ("sub", "acme/widgets:*", StringLike, true),
            ("sub", "acme", StringEquals, true),
            (
                "sub",
                "job_workflow_ref:acme/x/.github/workflows/y.yml@main",
                StringEquals,
                false,
            ),
            ("repository", "acme/*", StringLike, true),
            ("repository", "*/widgets", StringLike, false),
            ("repository_id", "34", StringLike, true),
            ("repository_id", "3*", StringLike, false),
            ("environment", "prod", StringEquals, false),
            (
                "job_workflow_ref",
                "acme/x/.github/workflows/y.yml@main",
                StringEquals,
                false,
            ),
            ("actor_id", "7", StringEquals, false),
        ] {
            assert_eq!(
                is_somebodys(claim, value, comparison),
                want,
                "{claim} {value} {comparison}"
            );
        }
    }
}
