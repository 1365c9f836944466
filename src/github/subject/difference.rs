//! How the token's subject and a policy's value for it differ: which part, and in what way.
//!
//! Cause 7 if the repository part of the subject matches some value and only what follows it doesn't; cause 4
//! otherwise. The kinds are listed roughly in the order in which they are tried, exact before general.

mod malformed;

use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;

use crate::budget::{Budget, steps};
use crate::github::issuer::issuer_host;
use crate::github::subject::{Context, Subject, customized_keys};
use crate::policy::masked::{Rule, fit};
use crate::policy::wildcard;
use crate::policy::{ConditionLeaf, Leaf, Outcome, Presence, Trace, TrustPolicy, leaves};
use crate::text::Location;
use crate::text::masked::{Masked, Piece, is_masked};
use malformed::{malformed, malformed_behind_mask, odd_name, stray};

/// How a subject and a policy's value differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The operator takes `*` and `?` literally.
    WildcardLiteral,
    /// Equal except for letter case.
    Case,
    /// One has ids (`owner@id/repository@id`), the other only names.
    Immutable,
    /// One is built from claims other than the default's.
    Customized,
    /// The value can never be a subject, and why.
    Malformed(Reason),
    /// A pull request on one side.
    PullRequest,
    /// An environment on one side, or two different ones.
    Environment,
    /// A tag on one side, or two different ones.
    Tag,
    /// A merge queue's branch on one side.
    MergeQueue,
    /// Two different branches.
    Branch,
    /// A different owner or repository.
    Repository,
    /// None of these.
    Mismatch,
}

/// Why a value can never be a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A template's placeholder was left in: no token fills it, whatever AWS makes of the text.
    Placeholder,
    /// Any other reason, in words.
    Other(String),
}

impl From<String> for Reason {
    fn from(words: String) -> Self {
        Self::Other(words)
    }
}

impl From<&str> for Reason {
    fn from(words: &str) -> Self {
        Self::Other(words.to_owned())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Placeholder => "it contains a placeholder that was never filled in",
            Self::Other(words) => words,
        })
    }
}

/// A further difference, besides the one that is named first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Also {
    /// What follows the repository: in the policy, and in the token.
    Context(String, String),
    /// Letter case: the names in the policy, and in the token.
    NamesByCase(String, String),
    /// The token's repository part has ids, the value's has none.
    Ids(String),
    /// The names are the same, the ids aren't.
    SameNamesOtherIds,
    /// The operator takes wildcards literally.
    LiteralWildcards,
}

impl fmt::Display for Also {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Context(policy, token) => write!(
                to,
                "what follows the repository differs too: the policy has {policy}, the token has {token}"
            ),
            Self::NamesByCase(policy, token) => write!(
                to,
                "the names differ in letter case too: the policy has `{policy}`, the token has `{token}`"
            ),
            Self::Ids(token) => write!(
                to,
                "the token's subject includes IDs (`{token}`), so the names alone would not match either"
            ),
            Self::SameNamesOtherIds => to.write_str(
                "the names are the same but the IDs differ: a repository of this name was deleted and recreated, or it is a different one",
            ),
            Self::LiteralWildcards => {
                to.write_str("the operator takes `*` and `?` literally here; wildcards need `StringLike`")
            }
        }
    }
}

/// The `sub` condition that fails, and how its nearest value differs from the token's subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectDifference {
    /// The condition key.
    pub leaf: Leaf,
    /// The operator's name as written.
    pub operator: String,
    /// The index of the nearest value.
    pub value: usize,
    /// Where that value is.
    pub location: Location,
    /// How many other values the condition has.
    pub others: usize,
    /// Whether all other values of the statement differ in the same way.
    pub alike: bool,
    /// How it differs.
    pub difference: Difference,
}

impl Deref for SubjectDifference {
    type Target = Difference;

    fn deref(&self) -> &Difference {
        &self.difference
    }
}

/// How a value of a policy and the token's subject differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The value.
    pub pattern: String,
    /// The token's subject.
    pub subject: String,
    /// How they differ.
    pub kind: Kind,
    /// The bytes of [`Self::pattern`] that differ.
    pub part: (usize, usize),
    /// The part of the subject compared with those bytes.
    pub token_part: String,
    /// Whether the operator takes wildcards literally.
    pub literal: bool,
    /// Whether the repository part matches.
    pub repository_fits: bool,
    /// Further differences.
    pub also: Vec<Also>,
    /// The value that may have been meant, if that is clear.
    pub meant: Option<String>,
}

/// The difference in a statement's `sub` condition; `None` if it matches, or if the subject is unknown.
#[must_use]
pub(crate) fn subject(
    policy: &TrustPolicy,
    trace: &Trace,
    statement: usize,
    issuer: &str,
    budget: &Budget,
) -> Option<SubjectDifference> {
    let leaves = leaves(policy, statement, trace.statements.get(statement)?);
    let near = nearest_value(&leaves, issuer, budget)?;
    Some(SubjectDifference {
        leaf: near.leaf.leaf,
        operator: near.leaf.condition.name.clone(),
        value: near.value,
        location: near.leaf.value(near.value),
        others: near.leaf.key.values.len() - 1,
        alike: near.alike,
        difference: near.difference,
    })
}

/// How far a statement's `sub` condition is from the token's subject; 0 if it matches or there is none.
#[must_use]
pub(crate) fn distance(leaves: &[ConditionLeaf<'_>], issuer: &str, budget: &Budget) -> u32 {
    nearest_value(leaves, issuer, budget).map_or(0, |mut near| near.rank * 1000 + near.unlike(budget))
}

/// The nearest value, and how far apart the two sides are: by kind first, then by how similar the texts are.
struct Near<'a> {
    rank: u32,
    /// Costly, so only computed to break a tie between kinds.
    unlike: Option<u32>,
    leaf: &'a ConditionLeaf<'a>,
    value: usize,
    alike: bool,
    difference: Difference,
}

impl Near<'_> {
    fn unlike(&mut self, budget: &Budget) -> u32 {
        *self.unlike.get_or_insert_with(|| self.difference.unlike(budget))
    }
}

fn nearest_value<'a>(leaves: &'a [ConditionLeaf<'a>], issuer: &str, budget: &Budget) -> Option<Near<'a>> {
    let name = format!("{}:sub", issuer_host(issuer));
    let mut best: Option<Near<'_>> = None;
    let mut kinds = HashSet::new();
    for leaf in leaves {
        let (comparison, trace) = (leaf.comparison(), leaf.trace);
        if comparison.is_negated() || !comparison.is_string() || trace.outcome == Outcome::Match || !leaf.is(&name) {
            continue;
        }
        let Presence::One(subject) = &trace.actual else {
            continue;
        };
        for (v, value) in leaf.key.values.iter().enumerate() {
            let resolved = trace.values.get(v).map_or(&value.value, |value| &value.resolved);
            // The first value is always compared, so that there is something to report.
            let bytes = resolved.len().saturating_add(subject.len());
            if !budget.take(20 + 4 * steps(bytes))
                && let Some(mut best) = best.take()
            {
                best.alike = false;
                return Some(best);
            }
            let difference = compare(resolved, subject, !comparison.takes_wildcards());
            // AWS's documentation leaves this undecided, but a placeholder that was never filled in says enough.
            if trace.outcome == Outcome::Unknown && difference.kind != Kind::Malformed(Reason::Placeholder) {
                continue;
            }
            // A value with names only that wouldn't match with ids either shows nothing new.
            if !(difference.kind == Kind::Immutable
                && difference.also.iter().any(|also| matches!(also, Also::Context(..))))
            {
                kinds.insert(std::mem::discriminant(&difference.kind));
            }
            let mut near = Near {
                rank: difference.rank(),
                unlike: None,
                leaf,
                value: v,
                alike: true,
                difference,
            };
            let is_nearer = match &mut best {
                Some(best) if best.rank == near.rank => near.unlike(budget) < best.unlike(budget),
                Some(best) => near.rank < best.rank,
                None => true,
            };
            if is_nearer {
                best = Some(near);
            }
        }
    }
    best.map(|mut best| {
        best.alike = kinds.len() <= 1;
        best
    })
}

impl Difference {
    /// Whether both sides name the same kind of thing, such as two branches or two environments.
    fn same_kind(&self) -> bool {
        let kind = Subject::parse(&self.pattern).and_then(|value| value.kind());
        let token = Subject::parse(&self.subject).and_then(|token| token.kind());
        matches!((kind, token), (Some(a), Some(b)) if std::mem::discriminant(&a) == std::mem::discriminant(&b))
    }

    /// Smaller is nearer.
    fn rank(&self) -> u32 {
        match &self.kind {
            Kind::WildcardLiteral => 0,
            Kind::Case => 1,
            Kind::Malformed(_) if self.meant.as_deref().is_some_and(|meant| matches(meant, &self.subject)) => 2,
            Kind::Immutable if self.also.is_empty() => 3,
            Kind::Environment | Kind::PullRequest | Kind::Tag | Kind::MergeQueue | Kind::Branch if self.same_kind() => {
                4
            }
            Kind::Environment | Kind::PullRequest | Kind::Tag | Kind::MergeQueue | Kind::Branch => 5,
            Kind::Immutable => 6,
            Kind::Malformed(_) if self.repository_fits => 6,
            Kind::Mismatch if self.repository_fits => 6,
            Kind::Customized => 7,
            Kind::Repository => 8,
            Kind::Malformed(_) => 9,
            Kind::Mismatch => 10,
        }
    }

    /// How dissimilar the texts are, out of 999.
    fn unlike(&self, budget: &Budget) -> u32 {
        if !budget.take(steps(4 * self.pattern.len().saturating_mul(self.subject.len()))) {
            return 999;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 999"
        )]
        let unlike = ((1.0 - strsim::normalized_levenshtein(&self.pattern, &self.subject)) * 999.0) as u32;
        unlike
    }
}

/// Compares a policy's value with a subject that it doesn't match.
#[must_use]
pub(crate) fn compare(pattern: &str, subject: &str, literal: bool) -> Difference {
    let mut found = Difference {
        pattern: pattern.to_owned(),
        subject: subject.to_owned(),
        kind: Kind::Mismatch,
        part: (0, pattern.len()),
        token_part: subject.to_owned(),
        literal,
        repository_fits: false,
        also: Vec::new(),
        meant: None,
    };
    classify(&mut found, pattern, subject);
    // Never suggest a value with hidden parts.
    found.meant = found.meant.filter(|meant| !is_masked(meant));
    if literal && has_wildcard(pattern) && found.kind != Kind::WildcardLiteral {
        found.also.push(Also::LiteralWildcards);
    }
    found
}

/// Whether a value matches, or may match if part of it is hidden.
fn matches(pattern: &str, value: &str) -> bool {
    match fit(pattern, value, Rule::Wildcards) {
        Some(outcome) => outcome != Outcome::NoMatch,
        None => wildcard::matches(pattern, value),
    }
}

/// Whether it contains a `*` or `?` that isn't part of a mask.
fn has_wildcard(pattern: &str) -> bool {
    match Masked::read(pattern) {
        Some(masked) => masked.known().any(|known| known.contains(['*', '?'])),
        None => pattern.contains(['*', '?']),
    }
}

/// The first hidden part, if it is a workflow's or shell's expression that was never filled in.
fn placeholder(pattern: &str) -> Option<(usize, usize)> {
    let mut at = 0;
    for piece in Masked::read(pattern)?.pieces {
        match piece {
            Piece::Known(text) => at += text.len(),
            Piece::Hidden(mask, _) => return mask.starts_with('$').then(|| (at, at + mask.len())),
        }
    }
    None
}

fn classify(found: &mut Difference, pattern: &str, subject: &str) {
    let rule = if found.literal { Rule::Equal } else { Rule::Wildcards };
    let hidden = fit(pattern, subject, rule);
    if hidden == Some(Outcome::Unknown) {
        if let Some(part) = placeholder(pattern) {
            found.kind = Kind::Malformed(Reason::Placeholder);
            found.part = part;
        }
        return;
    }
    let has_wildcard = has_wildcard(pattern);
    if found.literal && has_wildcard && matches(pattern, subject) {
        found.kind = Kind::WildcardLiteral;
        found.repository_fits = true;
        let first = pattern.find(['*', '?']).unwrap_or(0);
        found.part = (first, first + 1);
        return;
    }
    let (lower_pattern, lower_subject) = (pattern.to_lowercase(), subject.to_lowercase());
    if matches(&lower_pattern, &lower_subject) && fit(&lower_pattern, &lower_subject, rule) != Some(Outcome::NoMatch) {
        found.kind = Kind::Case;
        (found.part, found.token_part) = parted_by_case(pattern, subject);
        return;
    }
    let token = Subject::parse(subject);
    let value = Subject::parse(pattern);
    if let Some(token) = token
        && let Some((part, meant)) = other_form(pattern, value, &token)
    {
        found.kind = Kind::Immutable;
        found.part = part;
        found.token_part = token.repository_part().to_owned();
        found.meant = meant;
        return;
    }
    // A subject that isn't in a default form may contain anything; then only a stray character counts as a slip.
    // A masked subject may be a default one.
    let may_be_default = Masked::read(subject).is_some_and(|masked| may_be_default(&masked));
    let token_customized = !may_be_default && token.is_none_or(|token| !token.is_default());
    let slip = match token_customized {
        true => None,
        false if is_masked(pattern) => malformed_behind_mask(pattern, value),
        false => malformed(pattern).or_else(|| odd_name(value, subject)),
    };
    if let Some((reason, meant, part)) = slip.or_else(|| stray(pattern, subject)) {
        found.repository_fits = match (value, token) {
            (Some(value), Some(token)) => matches(value.repository_part(), token.repository_part()),
            _ => false,
        };
        found.meant = meant;
        found.part = part;
        found.kind = Kind::Malformed(reason);
        return;
    }
    let value_customized = !pattern.starts_with('*') && value.is_none_or(|value| customized_context(&value));
    if token_customized || value_customized {
        // The same template on both sides, with different values.
        let is_one_template = token_customized && customized_keys(pattern) == customized_keys(subject);
        found.kind = if is_one_template {
            Kind::Mismatch
        } else {
            Kind::Customized
        };
        return;
    }
    let Some(token) = token else { return };
    let (repository, context) = match value {
        Some(value) => (value.repository_part(), value.context),
        // `*:environment:production`
        None => ("*", pattern.split_once(':').map(|(_, context)| context)),
    };
    let context_at = context.map_or(pattern.len(), |context| pattern.len() - context.len());
    let context_fits = context.is_none_or(|context| matches(context, token.context.unwrap_or_default()));
    found.repository_fits = matches(repository, token.repository_part());
    if found.repository_fits {
        found.part = (context_at, pattern.len());
        found.token_part = token.context.unwrap_or_default().to_owned();
        found.kind = context_kind(context.unwrap_or_default(), &token);
        return;
    }
    let repository_at = pattern.find(repository).unwrap_or(0);
    found.part = (repository_at, repository_at + repository.len());
    found.token_part = token.repository_part().to_owned();
    if !context_fits {
        found.also.push(Also::Context(
            context.map_or_else(String::new, |context| Context::of(context).words()),
            token.kind().map_or_else(String::new, |kind| kind.words()),
        ));
    }
    let value_names = value.map_or_else(|| repository.to_owned(), |value| value.names());
    let same_names = matches(&value_names, &token.names());
    let alike = matches(&value_names.to_lowercase(), &token.names().to_lowercase());
    let form_differs = value.is_some_and(|value| value.is_immutable() != token.is_immutable());
    if alike && form_differs {
        found.kind = Kind::Immutable;
        found.meant = context.map(|context| format!("repo:{}:{context}", token.repository_part()));
        if !same_names {
            found.also.push(Also::NamesByCase(value_names, token.names()));
        }
    } else if alike && !same_names {
        found.kind = Kind::Case;
    } else {
        found.kind = Kind::Repository;
        if form_differs && token.is_immutable() {
            found.also.push(Also::Ids(token.repository_part().to_owned()));
        }
        if same_names {
            found.also.push(Also::SameNamesOtherIds);
        }
    }
}

/// Whether a subject with hidden parts may be a default one. Those begin with `repo:`, and end in `pull_request` or in one claim, in
/// which a colon is written `%3A`.
fn may_be_default(masked: &Masked<'_>) -> bool {
    const LEAST: usize = "repo:".len();
    let known = match masked.pieces.first() {
        Some(Piece::Known(known)) => *known,
        _ => "",
    };
    let begins = known
        .get(..LEAST)
        .map_or_else(|| "repo:".starts_with(known), |known| known == "repo:");
    let Some(context) = Subject::parse(masked.text).and_then(|subject| subject.context) else {
        return begins;
    };
    let colons = Masked::read(context).map(|context| context.known().map(|known| known.matches(':').count()).sum());
    colons.is_some_and(|colons: usize| colons <= 1 && !context.starts_with("pull_request:"))
}

/// The prefix of all merge queue branches. (GitHub docs, "Managing a merge queue".)
pub(crate) const QUEUE: &str = "gh-readonly-queue/";

/// The branch that a merge queue's branch will be merged into: `main` of `gh-readonly-queue/main/pr-12-0123abc`. `None` for any
/// other branch, however similar its name.
pub(crate) fn queue_base(branch: &str) -> Option<&str> {
    let (base, entry) = branch.strip_prefix(QUEUE)?.rsplit_once('/')?;
    let (number, commit) = entry.strip_prefix("pr-")?.split_once('-')?;
    let is_entry = !number.is_empty()
        && number.bytes().all(|c| c.is_ascii_digit())
        && !commit.is_empty()
        && commit.bytes().all(|c| c.is_ascii_hexdigit());
    is_entry.then_some(base)
}

/// The kind of difference in what follows the repository.
fn context_kind(context: &str, token: &Subject<'_>) -> Kind {
    let value = Context::of(context);
    let token = token.kind();
    let is_environment = matches!(value, Context::Environment(_)) || context.starts_with("environment");
    match (value, token) {
        // GitHub's own order: an environment replaces the rest, a pull request the ref.
        (_, Some(Context::Environment(_))) => Kind::Environment,
        (Context::PullRequest | Context::Branch(_), Some(Context::Branch(name))) if queue_base(name).is_some() => {
            Kind::MergeQueue
        }
        (Context::PullRequest, _) | (_, Some(Context::PullRequest)) => Kind::PullRequest,
        _ if is_environment => Kind::Environment,
        (Context::Tag(_), _) | (_, Some(Context::Tag(_))) => Kind::Tag,
        (Context::Branch(name), Some(Context::Branch(_))) if name.starts_with(QUEUE) => Kind::MergeQueue,
        (Context::Branch(_), Some(Context::Branch(_))) => Kind::Branch,
        _ => Kind::Mismatch,
    }
}

/// If the value would match in the other of the two forms, with or without ids: the part that differs, and the corrected value.
fn other_form(
    pattern: &str,
    value: Option<Subject<'_>>,
    token: &Subject<'_>,
) -> Option<((usize, usize), Option<String>)> {
    let part = |value: Option<Subject<'_>>| {
        let repository = value.map_or("", |value| value.repository_part());
        let at = if value.is_some() { "repo:".len() } else { 0 };
        (at, at + repository.len())
    };
    // A mask may hide an id.
    let has_ids = |value: Subject<'_>| value.is_immutable() && is_masked(token.text);
    if token.is_immutable() && !value.is_some_and(has_ids) {
        let (owner, repository) = (token.owner, token.repository.unwrap_or_default());
        let (owner_id, repository_id) = (
            token.owner_id.unwrap_or_default(),
            token.repository_id.unwrap_or_default(),
        );
        let owners = [
            owner.to_owned(),
            format!("{owner}@{owner_id}"),
            format!("{owner}-{owner_id}"),
        ];
        let repositories = [
            repository.to_owned(),
            format!("{repository}@{repository_id}"),
            format!("{repository}-{repository_id}"),
        ];
        let fits = owners.iter().any(|o| {
            repositories
                .iter()
                .any(|r| matches(pattern, &token.with_names(&format!("{o}/{r}"))))
        });
        return fits.then(|| {
            let context = value.and_then(|value| value.context).or(token.context);
            let meant = context.map(|context| format!("repo:{}:{context}", token.repository_part()));
            (part(value), meant)
        });
    }
    let value = value.filter(Subject::is_immutable)?;
    matches(&value.classic(), token.text).then(|| (part(Some(value)), Some(value.classic())))
}

/// Claims that a customized subject can be built from. (GitHub docs, "Customizing the token claims"; in addition, any
/// `repo_property_…`.)
const TEMPLATE_KEYS: [&str; 26] = [
    "actor",
    "actor_id",
    "base_ref",
    "check_run_id",
    "context",
    "enterprise",
    "enterprise_id",
    "environment",
    "event_name",
    "head_ref",
    "job_workflow_ref",
    "job_workflow_sha",
    "ref",
    "ref_protected",
    "ref_type",
    "repo",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "repository_visibility",
    "run_id",
    "runner_environment",
    "sha",
    "workflow",
    "workflow_ref",
];

fn is_template_key(key: &str) -> bool {
    TEMPLATE_KEYS.contains(&key) || key.starts_with("repo_property_")
}

/// Whether a value's context names claims, as only a customized subject's does.
fn customized_context(value: &Subject<'_>) -> bool {
    let Some(context) = value.context else { return false };
    let after_default = match Context::of(context) {
        Context::Branch(rest) | Context::Environment(rest) | Context::Tag(rest) => {
            rest.split_once(':').map(|(_, rest)| rest)
        }
        Context::Other(other) => match other
            .strip_prefix("ref:")
            .or_else(|| other.strip_prefix("pull_request:"))
        {
            Some(rest) if other.starts_with("pull_request:") => Some(rest),
            Some(rest) => rest.split_once(':').map(|(_, rest)| rest),
            None => Some(other),
        },
        Context::PullRequest => None,
    };
    after_default.is_some_and(|rest| {
        rest.split(':')
            .next()
            .is_some_and(|key| is_template_key(key) && rest.contains(':'))
    })
}

/// The first run of characters that differ only in letter case.
fn parted_by_case(pattern: &str, subject: &str) -> ((usize, usize), String) {
    let common = pattern
        .char_indices()
        .zip(subject.chars())
        .find(|((_, p), s)| p != s)
        .map_or(0, |((at, _), _)| at);
    let boundary = |text: &str, at: usize| {
        let start = text
            .get(..at)
            .and_then(|head| head.rfind([':', '/', '@']))
            .map_or(0, |found| found + 1);
        let rest = text.get(at..).unwrap_or_default();
        let end = rest.find([':', '/', '@', '*']).map_or(text.len(), |found| at + found);
        (start, end)
    };
    let (start, end) = boundary(pattern, common);
    let (token_start, token_end) = boundary(subject, common.min(subject.len()));
    (
        (start, end),
        subject.get(token_start..token_end).unwrap_or(subject).to_owned(),
    )
}

#[cfg(test)]
mod tests;
