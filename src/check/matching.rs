//! Which of the roles in the files a step requests.

use std::collections::HashMap;

use crate::infra::{Infra, Role};
use crate::policy::Outcome;
use crate::policy::masked::{Rule, fit};
use crate::text::masked::is_masked;

/// The candidate roles.
pub(super) struct Candidates {
    /// Their indices.
    pub(super) roles: Vec<usize>,
    /// Whether they match by name, not just possibly. If several do, they are in different accounts.
    pub(super) is_by_name: bool,
    /// The account number, if the step names it.
    pub(super) account: Option<String>,
    /// The partition; masked if the step doesn't name it.
    pub(super) partition: String,
}

/// How well a role fits the request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// By name.
    Exactly,
    /// Part of the name is unknown.
    Perhaps,
}

/// The roles of some files by name: most are known in full and asked for in full.
pub(super) struct Names<'a> {
    known: HashMap<&'a str, Vec<usize>>,
    /// Roles whose name isn't known, in whole or in part.
    others: Vec<usize>,
}

impl<'a> Names<'a> {
    pub(super) fn of(infra: &'a Infra) -> Self {
        let mut names = Self {
            known: HashMap::new(),
            others: Vec::new(),
        };
        for (index, role) in infra.roles.iter().enumerate() {
            match role.name.as_deref().filter(|name| !is_masked(name)) {
                Some(name) => names.known.entry(name).or_default().push(index),
                None => names.others.push(index),
            }
        }
        names
    }

    /// The roles that could be the one asked for, in order.
    fn possible(&self, infra: &Infra, asked: &str) -> Vec<usize> {
        if is_masked(asked) {
            return (0..infra.roles.len()).collect();
        }
        let known = self.known.get(asked).into_iter().flatten();
        let mut possible: Vec<usize> = known.chain(&self.others).copied().collect();
        possible.sort_unstable();
        possible
    }
}

impl Candidates {
    pub(super) fn of(infra: &Infra, names: &Names<'_>, asked: &str) -> Self {
        let fields: Vec<&str> = asked.splitn(6, ':').collect();
        let (partition, account, name) = match *fields.as_slice() {
            ["arn", partition, "iam", _, account, role] => {
                (Some(partition), Some(account), role.trim_start_matches("role/"))
            }
            _ => (None, None, asked),
        };
        let known = |text: &&str| !text.contains(['$', '{', '*']) && !text.is_empty();
        let account = account.filter(known).map(str::to_owned);
        let name = name.rsplit('/').next().unwrap_or(name);
        // It consists of a single expression.
        let is_open = name == "***" || name.starts_with("${{") && name.ends_with("}}");
        let mut found: Vec<(Fit, usize)> = Vec::new();
        let possible = match is_open {
            true => (0..infra.roles.len()).collect(),
            false => names.possible(infra, name),
        };
        for index in possible {
            let Some(role) = infra.roles.get(index) else { continue };
            let is_elsewhere = role.account.is_some() && account.is_some() && role.account != account;
            let fits = fits(role, name, is_open).filter(|_| !is_elsewhere);
            found.extend(fits.map(|fit| (fit, index)));
        }
        let best = found.iter().map(|(fit, _)| *fit).min();
        let mut roles: Vec<usize> = found
            .iter()
            .filter(|(fit, _)| Some(*fit) == best)
            .map(|(_, index)| *index)
            .collect();
        // The same policy from source and from a plan counts once.
        let text = |index: &usize| Some(infra.roles.get(*index)?.policy.as_ref().ok()?.text.clone());
        roles.dedup_by(|a, b| text(a).is_some() && text(a) == text(b));
        Self {
            is_by_name: best == Some(Fit::Exactly),
            roles,
            account,
            partition: partition.filter(known).unwrap_or("${partition}").to_owned(),
        }
    }
}

/// Whether the role trusts GitHub's tokens, as far as known.
pub(super) fn is_githubs(role: &Role) -> bool {
    role.policy.as_ref().is_ok_and(|policy| policy.is_githubs())
}

fn fits(role: &Role, asked: &str, is_open: bool) -> Option<Fit> {
    let perhaps = is_githubs(role).then_some(Fit::Perhaps);
    let Some(name) = &role.name else { return perhaps };
    if is_open {
        return perhaps;
    }
    match fit(name, asked, Rule::Equal) {
        None => (name == asked).then_some(Fit::Exactly),
        Some(Outcome::NoMatch) => None,
        Some(_) => perhaps,
    }
}
