//! What a policy makes of a family of tokens: no token is listed, and none is left out.
//!
//! The policy's values cut each name that is open into parts in which all texts fit the same values. Of such a part one token
//! stands for all, and the evaluator itself decides on it.

use crate::aws::request::{Asker, web_identity};
use crate::github::claims::Claims;
use crate::policy::{Comparison, Decision, TrustPolicy, decide};
use crate::text::language::{Example, Glob, Language};
use crate::text::masked::is_masked;

use super::{Family, LISTED, Template};

/// Of more parts than these, what is left is one, on which nothing is decided.
const MOST: usize = 512;

/// Tokens on which a policy decides alike.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    /// The decision.
    pub(crate) decision: Decision,
    /// One of these tokens; what is not known is masked.
    pub(crate) token: Claims,
}

impl Share {
    /// The subject of the token that stands for all.
    #[must_use]
    pub(crate) fn subject(&self) -> &str {
        self.token.subject().unwrap_or_default()
    }
}

impl Family {
    /// What the policy decides on its tokens: the shares together are all of them.
    #[must_use]
    pub(crate) fn judge(&self, policy: &TrustPolicy, asker: Asker<'_>) -> Vec<Share> {
        self.shares(policy, asker).unwrap_or_else(|| {
            let token = self.example().unwrap_or_default();
            let decision = Decision::Undecided;
            vec![Share { decision, token }]
        })
    }

    /// `None` where there are too many parts.
    fn shares(&self, policy: &TrustPolicy, asker: Asker<'_>) -> Option<Vec<Share>> {
        let wanted = wanted(policy, asker);
        // A few texts are taken one by one; then only those that cannot be listed are left open in a claim.
        let each = self.variables.iter().map(|variable| {
            let few = variable.texts.listed().filter(|texts| texts.len() <= LISTED);
            few.map_or_else(
                || vec![variable.texts.clone()],
                |texts| texts.iter().map(|text| Language::exactly(text)).collect(),
            )
        });
        let mut shares = Vec::new();
        for texts in product(each)? {
            let cuts = self.cuts(&texts, &wanted);
            let each: Option<Vec<_>> = texts
                .iter()
                .zip(&cuts.of)
                .map(|(texts, cuts)| parts(texts, cuts))
                .collect();
            for part in product(each?.into_iter())? {
                let names: Option<Vec<String>> = part.iter().map(|texts| texts.example().text()).collect();
                let mut token = self.token(&names?);
                for claim in &cuts.hidden {
                    token.0.insert((*claim).to_owned(), MASKED.into());
                }
                let asker = Asker {
                    claims: Some(&token),
                    ..asker
                };
                let decision = decide(policy, &web_identity(asker, policy));
                shares.push(Share { decision, token });
            }
        }
        (shares.len() <= MOST).then_some(shares)
    }

    /// Where the policy's values cut the texts of each variable.
    fn cuts<'a>(&self, texts: &[Language], wanted: &'a [(String, Option<Language>)]) -> Cuts<'a> {
        let only: Vec<Option<String>> = texts.iter().map(Language::only).collect();
        let mut cuts = Cuts {
            of: vec![Vec::new(); texts.len()],
            hidden: Vec::new(),
        };
        for (claim, wanted) in wanted {
            let Some(template) = self.claims.get(claim) else {
                continue;
            };
            let template = template.settled(&only);
            let Some(variable) = template.variables().next() else {
                continue;
            };
            let place = template
                .around(variable)
                .zip(wanted.as_ref())
                .zip(cuts.of.get_mut(variable));
            match place {
                Some((((before, after), wanted), cuts)) => cuts.push(wanted.inside(&before, &after)),
                // Two open names in one claim, or a comparison that no set follows.
                None => cuts.hidden.push(claim),
            }
        }
        cuts
    }
}

/// What stands for a claim of which nothing is known.
const MASKED: &str = "***";

struct Cuts<'a> {
    /// Those of each variable.
    of: Vec<Vec<Language>>,
    /// Claims on which nothing can be decided.
    hidden: Vec<&'a str>,
}

impl Template {
    /// The same with the texts that are known.
    fn settled(&self, only: &[Option<String>]) -> Self {
        self.0.iter().fold(Self::default(), |all, piece| match piece {
            super::Piece::Text(text) => all.then(text),
            super::Piece::Variable(variable) => match only.get(*variable) {
                Some(Some(text)) => all.then(text),
                _ => all.then_any(*variable),
            },
        })
    }
}

/// Each value that the policy compares a claim with, as the texts that fit it; `None` where it is no set of texts.
fn wanted(policy: &TrustPolicy, asker: Asker<'_>) -> Vec<(String, Option<Language>)> {
    /// A longer value is none that a person wrote.
    const LONGEST: usize = 2048;
    let prefix = asker.key("").to_lowercase();
    let conditions = policy.statements.iter().flat_map(|statement| &statement.conditions);
    let mut wanted = Vec::new();
    for condition in conditions {
        let comparison = condition.operator.value.comparison;
        for key in &condition.keys {
            let name = key.key.value.to_lowercase();
            let Some(claim) = name.strip_prefix(&prefix) else {
                continue;
            };
            for value in &key.values {
                let text = value.value.as_str();
                let is_followed = text.len() <= LONGEST && !text.contains("${") && !is_masked(text);
                let language = match comparison {
                    Comparison::Null => continue,
                    _ if !is_followed => None,
                    Comparison::StringEquals | Comparison::StringNotEquals => Some(Language::exactly(text)),
                    Comparison::StringEqualsIgnoreCase | Comparison::StringNotEqualsIgnoreCase => {
                        Some(Language::in_any_case(text))
                    }
                    Comparison::StringLike | Comparison::StringNotLike => Some(Glob::like(text).into()),
                    _ => None,
                };
                wanted.push((claim.to_owned(), language));
            }
        }
    }
    wanted
}

/// A set, cut by others into parts that lie in or outside of each; `None` where there are too many, or too much work.
fn parts(texts: &Language, cuts: &[Language]) -> Option<Vec<Language>> {
    let mut parts = vec![texts.clone()];
    if texts.only().is_some() {
        return Some(parts);
    }
    for cut in cuts {
        let mut next = Vec::new();
        for part in parts {
            for half in [part.clone().and(cut.clone()), part.without(cut.clone())] {
                match half.example() {
                    Example::Found(_) => next.push(half),
                    Example::Nothing => {}
                    Example::Unknown => return None,
                }
            }
        }
        if next.len() > MOST {
            return None;
        }
        parts = next;
    }
    Some(parts)
}

/// One of each, in all ways; `None` where there are too many.
fn product<T: Clone>(each: impl Iterator<Item = Vec<T>>) -> Option<Vec<Vec<T>>> {
    let mut all = vec![Vec::new()];
    for own in each {
        let longer = |one: &Vec<T>, last: &T| [one.as_slice(), std::slice::from_ref(last)].concat();
        all = all
            .iter()
            .flat_map(|one| own.iter().map(|last| longer(one, last)))
            .collect();
        if all.len() > MOST {
            return None;
        }
    }
    Some(all)
}
