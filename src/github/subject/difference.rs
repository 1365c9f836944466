//! How the token's subject and a policy's value for it differ: which part, and in what way.
//!
//! Cause 4 or 7: when the repository part of the subject fits some value and only what follows it does not, it is 7; everything
//! else is 4. The kinds stand in the order in which they are tried, exact before general.

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

/// The way in which a subject and a policy's value differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The operator takes `*` and `?` literally.
    WildcardLiteral,
    /// Equal but for letter case.
    Case,
    /// One has ids (`owner@id/repository@id`), the other names alone.
    Immutable,
    /// One is built from other claims than the default.
    Customized,
    /// The value can never be a subject, and why.
    Malformed(Reason),
    /// A pull request on one side.
    PullRequest,
    /// An environment on one side, or two that differ.
    Environment,
    /// A tag on one side, or two that differ.
    Tag,
    /// A merge queue's branch on one side.
    MergeQueue,
    /// Two branches.
    Branch,
    /// Another owner or repository.
    Repository,
    /// None of these.
    Mismatch,
}

/// Why a value can never be a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A template's placeholder was left as it is: no token fills it in, whatever AWS makes of the text.
    Placeholder,
    /// Any other, in words.
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

/// What differs besides, where one difference is named first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Also {
    /// What follows the repository: what it is in the policy, and in the token.
    Context(String, String),
    /// Letter case: the names in the policy, and in the token.
    NamesByCase(String, String),
    /// The token's repository part has ids, and the value has none.
    Ids(String),
    /// The names are the same and the ids are not.
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
    /// The value that comes nearest: its index.
    pub value: usize,
    /// Where it stands.
    pub location: Location,
    /// How many other values the condition has.
    pub others: usize,
    /// Do all other values of the statement differ in the same way?
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
    /// In what way they differ.
    pub kind: Kind,
    /// The bytes of [`Self::pattern`] that differ.
    pub part: (usize, usize),
    /// The part of the subject that they stand against.
    pub token_part: String,
    /// Does the operator take wildcards literally?
    pub literal: bool,
    /// Does the repository part fit?
    pub repository_fits: bool,
    /// What differs besides.
    pub also: Vec<Also>,
    /// The value as it could be meant, where that is plain.
    pub meant: Option<String>,
}

/// The difference in the `sub` condition of a statement; `None` when it fits, or nothing is known of the subject.
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

/// How far a statement's `sub` condition is from the token's subject; 0 when it fits or there is none.
#[must_use]
pub(crate) fn distance(leaves: &[ConditionLeaf<'_>], issuer: &str, budget: &Budget) -> u32 {
    nearest_value(leaves, issuer, budget).map_or(0, |mut near| near.rank * 1000 + near.unlike(budget))
}

/// The nearest value, and how far the two sides are from each other: the kind first, then how alike the texts are.
struct Near<'a> {
    rank: u32,
    /// Costly, so it is looked at only where the kinds are the same.
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
            // The first is always compared, so that there is something to say.
            let bytes = resolved.len().saturating_add(subject.len());
            if !budget.take(20 + 4 * steps(bytes))
                && let Some(mut best) = best.take()
            {
                best.alike = false;
                return Some(best);
            }
            let difference = compare(resolved, subject, !comparison.takes_wildcards());
            // Undecided by AWS's documentation: a placeholder that was never filled in still says enough.
            if trace.outcome == Outcome::Unknown && difference.kind != Kind::Malformed(Reason::Placeholder) {
                continue;
            }
            // A value for the names alone that would not fit with the ids either says nothing of its own.
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
    /// Do both sides name the same kind of thing, two branches or two environments?
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

    /// How little the texts are alike, of 999.
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

/// Compares one value of a policy with a subject that it does not match.
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
    // What is hidden is nothing to be written anywhere.
    found.meant = found.meant.filter(|meant| !is_masked(meant));
    if literal && has_wildcard(pattern) && found.kind != Kind::WildcardLiteral {
        found.also.push(Also::LiteralWildcards);
    }
    found
}

/// Does a value match, or can it where a part of it is hidden?
fn matches(pattern: &str, value: &str) -> bool {
    match fit(pattern, value, Rule::Wildcards) {
        Some(outcome) => outcome != Outcome::NoMatch,
        None => wildcard::matches(pattern, value),
    }
}

/// Is there a `*` or `?` in it that is not a mask's?
fn has_wildcard(pattern: &str) -> bool {
    match Masked::read(pattern) {
        Some(masked) => masked.known().any(|known| known.contains(['*', '?'])),
        None => pattern.contains(['*', '?']),
    }
}

/// Is the first thing that is hidden an expression of a workflow or a shell, which nobody filled in?
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
    // A subject that is not the default's form may have anything in it; then only a character too many is a slip.
    // What is masked may be the default.
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
        // One template on both sides, with other values.
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

/// Can a subject with hidden parts be one of the default's? Those begin with `repo:`, and end in `pull_request` or in one claim, in
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

/// What the branches of all merge queues begin with. (GitHub docs, "Managing a merge queue".)
pub(crate) const QUEUE: &str = "gh-readonly-queue/";

/// The branch that a merge queue's branch is to be merged into: `main` of `gh-readonly-queue/main/pr-12-0123abc`. `None` for any
/// other branch, those of a like name among them.
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

/// Would it match in the other of the two forms, with ids or without? The part that differs, and the value as it should be.
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
    // Behind a mask there may be an id.
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

/// Names of claims that a customized subject can be built from. (GitHub docs, "Customizing the token claims"; the open set of
/// `repo_property_…` besides.)
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

/// Does a value's context name claims, as only a customized subject does?
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

/// The reason, the value as it could be meant, the bytes at fault.
type Slip = (Reason, Option<String>, (usize, usize));

/// A character in the repository's name that no name on GitHub has, nor this token.
fn odd_name(value: Option<Subject<'_>>, subject: &str) -> Option<Slip> {
    let value = value?;
    let repository = value.repository_part();
    let is_odd = |c: char| !(c.is_alphanumeric() || "-_./@*?".contains(c) || subject.contains(c));
    let at = match repository.find(is_odd) {
        Some(at) => at,
        // `@owner`: GitHub's way to mention somebody.
        None if value.owner.is_empty() && value.owner_id.is_some() => 0,
        None => return None,
    };
    let odd = repository.get(at..)?.chars().next()?;
    let clean: String = repository.chars().filter(|c| *c != odd && !is_odd(*c)).collect();
    let start = "repo:".len() + at;
    Some((
        format!("`{odd}` cannot occur in the name of an owner or repository").into(),
        (clean.matches('/').count() == 1 && !matches!(odd, '<' | '>' | '{' | '}' | '$'))
            .then(|| value.with_names(&clean)),
        (start, start + odd.len_utf8()),
    ))
}

/// A host in a value, whatever stands beside it.
fn with_host(pattern: &str) -> Option<Slip> {
    let host = [
        "https://",
        "http://",
        "github.com/",
        "token.actions.githubusercontent.com",
    ];
    let (host, at) = host.iter().find_map(|host| Some((host, pattern.find(host)?)))?;
    let clean = pattern
        .replace("https://", "")
        .replace("http://", "")
        .replace("github.com/", "");
    Some((
        format!("it contains `{host}`, but a subject has only the repository's name").into(),
        Some(clean),
        (at, at + host.len()),
    ))
}

/// Why what is not hidden of a value can be in no subject.
fn malformed_behind_mask(pattern: &str, value: Option<Subject<'_>>) -> Option<Slip> {
    if let Some(slip) = with_host(pattern) {
        return Some(slip);
    }
    let context = value?.context.filter(|context| !is_masked(context))?;
    let (reason, ..) = malformed(&format!("repo:o/r:{context}"))?;
    Some((reason, None, (pattern.len() - context.len(), pattern.len())))
}

/// Why a value can never be a subject: the reason, the value as it could be meant, the bytes at fault.
fn malformed(pattern: &str) -> Option<Slip> {
    let whole = (0, pattern.len());
    let at = |needle: &str| {
        pattern
            .find(needle)
            .map_or(whole, |start| (start, start + needle.len()))
    };
    let replaced = |from: &str, to: &str| Some(pattern.replacen(from, to, 1));
    if pattern.trim().is_empty() {
        return Some(("it is empty".into(), None, whole));
    }
    if pattern.trim() != pattern {
        let part = if pattern.trim_end() == pattern {
            (0, pattern.len() - pattern.trim_start().len())
        } else {
            (pattern.trim_end().len(), pattern.len())
        };
        return Some((
            "it starts or ends with a stray space".into(),
            Some(pattern.trim().to_owned()),
            part,
        ));
    }
    if let Some(odd) = pattern.find(|c: char| {
        c.is_control()
            || matches!(
                c,
                '\\' | '"' | '\u{200b}' | '\u{feff}' | '\u{a0}' | '\u{2018}'..='\u{201f}'
            )
    }) {
        let width = pattern
            .get(odd..)
            .and_then(|rest| rest.chars().next())
            .map_or(1, char::len_utf8);
        let clean: String = pattern
            .chars()
            .filter(|c| {
                !(c.is_control()
                    || matches!(
                        c,
                        '\\' | '"' | '\u{200b}' | '\u{feff}' | '\u{a0}' | '\u{2018}'..='\u{201f}'
                    ))
            })
            .collect();
        return Some((
            "it contains a character that no subject has: a backslash, a quote or an invisible character".into(),
            Some(clean),
            (odd, odd + width),
        ));
    }
    if let Some((at, _)) = pattern
        .match_indices("repo:")
        .find(|(at, _)| pattern.get(..*at).is_some_and(|head| head.ends_with([',', ';', '|'])))
    {
        return Some((
            "it has several subjects in one string; each must be a separate value in a list".into(),
            pattern.get(..at - 1).map(str::to_owned),
            (at - 1, at),
        ));
    }
    if let Some(open) = pattern.find("${") {
        let inside = pattern
            .get(open + 2..)
            .and_then(|rest| rest.split('}').next())
            .unwrap_or_default();
        let at = (open, pattern.len().min(open + inside.len() + 3));
        if inside.starts_with('{') || !(inside.contains(':') || matches!(inside.trim(), "*" | "?" | "$")) {
            return Some((Reason::Placeholder, None, at));
        }
        let variable = "its policy variable has no value in this request, or is plain text because `\"Version\": \"2012-10-17\"` is missing";
        return Some((variable.into(), None, at));
    }
    if let Some(slip) = with_host(pattern) {
        return Some(slip);
    }
    if pattern.contains("refs/pull/") {
        let meant = Subject::parse(pattern).map(|value| format!("repo:{}:pull_request", value.repository_part()));
        return Some((
            "no default subject contains `refs/pull/…`: a pull request's ends in `:pull_request`, with neither branch nor number"
                .into(),
            meant,
            at("refs/pull/"),
        ));
    }
    let Some(value) = Subject::parse(pattern) else {
        return no_repo_prefix(pattern, whole);
    };
    let repository = value.repository_part();
    let part = ("repo:".len(), "repo:".len() + repository.len());
    if repository.contains(char::is_whitespace) {
        let clean: String = repository.split_whitespace().collect();
        return Some((
            "it has a stray space in the repository's name".into(),
            Some(value.with_names(&clean)),
            part,
        ));
    }
    if repository.contains(['\'', '`']) {
        return Some((
            "it contains a quote".into(),
            Some(pattern.replace(['\'', '`'], "")),
            part,
        ));
    }
    let literal_part = repository.split('*').next().unwrap_or_default();
    if literal_part.matches('/').count() > 1 && repository.contains('*') {
        let names = literal_part.trim_end_matches('/');
        return Some((
            "a slash follows the repository: it must be a colon".into(),
            (names.matches('/').count() == 1 && value.context.is_none()).then(|| format!("repo:{names}:*")),
            part,
        ));
    }
    if !repository.contains('*') {
        if repository.matches('/').count() > 1 || repository.ends_with('/') || repository.starts_with('/') {
            let clean = repository.trim_matches('/').to_owned();
            let meant = (clean.matches('/').count() == 1).then(|| value.with_names(&clean));
            return Some((format!("`{repository}` is not `owner/repository`").into(), meant, part));
        }
        if let Some(clean) = repository.strip_suffix(".git") {
            return Some((
                "the repository's name ends in `.git`, which a subject does not have".into(),
                Some(value.with_names(clean)),
                part,
            ));
        }
        if value.repository.is_none() {
            return Some((format!("`{repository}` is not `owner/repository`").into(), None, part));
        }
    }
    let Some(context) = value.context else {
        return (!repository.ends_with('*')).then(|| {
            (
                "nothing follows the repository: a default subject ends in `:ref:…`, `:environment:…` or `:pull_request`"
                    .into(),
                Some(format!("{pattern}:*")),
                (pattern.len(), pattern.len()),
            )
        });
    };
    let context_part = (pattern.len() - context.len(), pattern.len());
    if context.is_empty() {
        return Some(("nothing follows the last colon".into(), None, context_part));
    }
    if context.trim_start() != context {
        return Some((
            "it has a stray space after the colon".into(),
            Some(pattern.replace(": ", ":")),
            context_part,
        ));
    }
    if context.starts_with("workflow:") || context.starts_with("job_workflow_ref:") && !customized_context(&value) {
        return Some((
            "no default subject names its workflow; the claim `job_workflow_ref` does".into(),
            None,
            context_part,
        ));
    }
    if context.starts_with("refs/") {
        return Some((
            "`ref:` is missing before `refs/`".into(),
            replaced(":refs/", ":ref:refs/"),
            context_part,
        ));
    }
    if let Some(name) = context.strip_prefix("ref:") {
        if let Some((head, rest)) = name.split_once(':')
            && !customized_context(&value)
            && !head.contains('*')
        {
            return Some((
                format!("`:{rest}` follows the ref, but the ref must end the subject").into(),
                Some(format!("repo:{repository}:ref:{head}")),
                (pattern.len() - rest.len() - 1, pattern.len()),
            ));
        }
        let literal = name.split(['*', '?']).next().unwrap_or_default();
        let fits = ["refs/heads/", "refs/tags/", "refs/"]
            .iter()
            .any(|form| literal.starts_with(form) || form.starts_with(literal));
        let cut_off = ["refs", "refs/", "refs/heads", "refs/heads/", "refs/tags", "refs/tags/"].contains(&name);
        if !fits
            || cut_off
            || literal.starts_with("refs/head/")
            || literal.starts_with("refs/tag/")
            || literal.starts_with("refs/branches/")
        {
            let bare = name
                .rsplit_once("heads/")
                .map_or(name, |(_, bare)| bare)
                .trim_start_matches('/');
            let bare = bare
                .strip_prefix("refs/")
                .map_or(bare, |rest| rest.split_once('/').map_or(rest, |(_, name)| name));
            return Some((
                format!("`{name}` is not a full ref: `refs/heads/…` for a branch, `refs/tags/…` for a tag").into(),
                Some(format!("repo:{repository}:ref:refs/heads/{bare}")),
                context_part,
            ));
        }
        return None;
    }
    if customized_context(&value) {
        return None;
    }
    if let Some(name) = context.strip_prefix("environment:")
        && let Some((_, rest)) = name.split_once(':')
    {
        return Some((
            format!("`:{rest}` follows the environment; a colon in its name is written `%3A`").into(),
            None,
            (pattern.len() - rest.len() - 1, pattern.len()),
        ));
    }
    let literal = context.split(['*', '?']).next().unwrap_or_default();
    let fits = ["ref:refs/", "environment:", "pull_request"]
        .iter()
        .any(|form| literal.starts_with(form) || form.starts_with(literal));
    let bare_pull_request = literal.starts_with("pull_request") && context != "pull_request" && !context.contains('*');
    if fits && !bare_pull_request && context != "environment:" && context != "environment" {
        return None;
    }
    let meant = match context.split_once(':') {
        Some(("env" | "environments" | "Environment", name)) => Some(format!("repo:{repository}:environment:{name}")),
        Some(("branch" | "branches" | "heads", name)) => Some(format!("repo:{repository}:ref:refs/heads/{name}")),
        Some(("tag" | "tags", name)) => Some(format!("repo:{repository}:ref:refs/tags/{name}")),
        _ if context.starts_with("pull") => Some(format!("repo:{repository}:pull_request")),
        _ => None,
    };
    Some((
        format!("`{context}` is none of `ref:…`, `environment:…` and `pull_request`").into(),
        meant,
        context_part,
    ))
}

/// A character too many: without it the value would match.
fn stray(pattern: &str, subject: &str) -> Option<Slip> {
    pattern.char_indices().find_map(|(at, c)| {
        let doubled = matches!(c, '/' | ':')
            && pattern
                .get(at + 1..)
                .is_some_and(|rest| rest.starts_with(c) || rest.is_empty());
        if !(doubled || c.is_whitespace() || ",;=\"'`()[]<>|".contains(c)) {
            return None;
        }
        let without = format!("{}{}", pattern.get(..at)?, pattern.get(at + c.len_utf8()..)?);
        matches(&without, subject).then(|| {
            (
                format!("it has a stray `{c}` in it").into(),
                Some(without),
                (at, at + c.len_utf8()),
            )
        })
    })
}

/// A value that does not begin with `repo:`, nor with a wildcard, nor with a claim that a customized subject may begin with.
fn no_repo_prefix(pattern: &str, whole: (usize, usize)) -> Option<Slip> {
    if pattern.starts_with(['*', '?']) {
        return None;
    }
    let first = pattern.split(':').next().unwrap_or_default();
    if is_template_key(first) && pattern.contains(':') {
        return None;
    }
    let literal = pattern.split(['*', '?']).next().unwrap_or_default();
    if "repo:".starts_with(literal) {
        return None;
    }
    let meant = first.contains('/').then(|| format!("repo:{pattern}"));
    Some(("it does not start with `repo:`".into(), meant, whole))
}

/// The first run of characters that differ by letter case alone.
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
mod tests {
    use super::*;

    fn kind(pattern: &str, subject: &str, literal: bool) -> Kind {
        match compare(pattern, subject, literal).kind {
            Kind::Malformed(_) => Kind::Malformed(Reason::Placeholder),
            kind => kind,
        }
    }

    #[test]
    fn kinds_of_difference() {
        let malformed = Kind::Malformed(Reason::Placeholder);
        let main = "repo:acme/widgets:ref:refs/heads/main";
        let ids = "repo:acme@12/widgets@34:ref:refs/heads/main";
        let env = "repo:acme/widgets:environment:prod";
        let pr = "repo:acme/widgets:pull_request";
        let tag = "repo:acme/widgets:ref:refs/tags/v1";
        let queue = "repo:acme/widgets:ref:refs/heads/gh-readonly-queue/main/pr-1-abc";
        let queues = "repo:acme/widgets:ref:refs/heads/gh-readonly-queue/*";
        let cases = [
            ("repo:acme/*", main, true, Kind::WildcardLiteral),
            ("repo:acme/widgets:*", main, true, Kind::WildcardLiteral),
            ("repo:Acme/widgets:*", main, false, Kind::Case),
            ("repo:acme/widgets:environment:Prod", env, false, Kind::Case),
            ("repo:Acme/widgets:ref:refs/heads/dev", main, false, Kind::Case),
            (main, ids, false, Kind::Immutable),
            ("repo:acme/widgets:*", ids, true, Kind::Immutable),
            ("repo:acme/*", ids, false, Kind::Immutable),
            (
                "repo:acme-12/widgets-34:ref:refs/heads/main",
                ids,
                false,
                Kind::Immutable,
            ),
            ("repo:acme-*/widgets-*:ref:refs/heads/main", ids, false, Kind::Immutable),
            (ids, main, false, Kind::Immutable),
            ("repo:acme/widgets:environment:prod", ids, false, Kind::Immutable),
            ("repo:old/widgets:ref:refs/heads/main", ids, false, Kind::Repository),
            (
                "repo:acme@12/widgets@99:ref:refs/heads/main",
                ids,
                false,
                Kind::Repository,
            ),
            (
                "repo:acme/widgets:environment:prod:job_workflow_ref:x",
                env,
                false,
                Kind::Customized,
            ),
            (
                "repo:acme/widgets:environment:prod",
                "repository_owner:acme:environment:prod",
                false,
                Kind::Customized,
            ),
            (
                main,
                "repo:acme/widgets:ref:refs/heads/main:actor:x",
                false,
                Kind::Customized,
            ),
            // What is hidden is one claim of several.
            (
                main,
                "repo:acme/widgets:ref:refs/heads/main:workflow:<NAME>",
                false,
                Kind::Customized,
            ),
            (
                main,
                "repo:acme/widgets:ref:refs/heads/<BRANCH>:actor:***",
                false,
                Kind::Customized,
            ),
            (
                "repo:acme/widgets:pull_request",
                "repo:acme/widgets:pull_request:actor:***",
                false,
                Kind::Customized,
            ),
            (
                main,
                "repository_owner:<ORG>:repository_visibility:private",
                false,
                Kind::Customized,
            ),
            (main, "repo:acme/widgets:environment:***", false, Kind::Environment),
            (
                "repo:https://github.com/<ORG>/widgets:*",
                main,
                false,
                malformed.clone(),
            ),
            ("repo:acme/widgets", main, false, malformed.clone()),
            ("repo:acme/widgets:refs/heads/main", main, false, malformed.clone()),
            ("repo:acme/widgets:ref:main", main, false, malformed.clone()),
            ("repo:acme/widgets:ref:heads/main", main, false, malformed.clone()),
            ("repo:acme/widgets:ref:refs/pull/*", pr, false, malformed.clone()),
            ("repo:acme/widgets:workflow:deploy", main, false, malformed.clone()),
            ("repo:acme/widgets:ref:refs/heads/main ", main, false, malformed.clone()),
            ("repo: acme/widgets:*", main, false, malformed.clone()),
            ("acme/widgets:ref:refs/heads/main", main, false, malformed.clone()),
            ("repo:github.com/acme/widgets:*", main, false, malformed.clone()),
            ("repo:acme/widgets.git:*", main, false, malformed.clone()),
            ("repo:${GITHUB_REPO}:*", main, false, malformed.clone()),
            ("repo:acme/widgets:branch:main", main, false, malformed.clone()),
            ("repo:acme/widgets:environment", env, false, malformed.clone()),
            ("repo:acme/widgets/*", main, false, malformed.clone()),
            ("repo:acme/widgets:ref:refs/heads", main, false, malformed.clone()),
            ("repo:acme/widgets::ref:refs/heads/main", main, false, malformed.clone()),
            ("repo:acme/widgets:ref:refs/heads//main", main, false, malformed.clone()),
            ("repo:acme/widgets:ref:refs/heads/main,", main, false, malformed),
            (pr, env, false, Kind::Environment),
            (env, pr, false, Kind::PullRequest),
            (pr, queue, false, Kind::MergeQueue),
            (main, env, false, Kind::Environment),
            (env, main, false, Kind::Environment),
            ("repo:acme/*:environment:stage", env, false, Kind::Environment),
            ("*:environment:stage", env, false, Kind::Environment),
            ("repo:acme/widgets:ref:*", env, false, Kind::Environment),
            (main, pr, false, Kind::PullRequest),
            (pr, main, false, Kind::PullRequest),
            ("repo:acme/widgets:ref:refs/heads/*", tag, false, Kind::Tag),
            (tag, main, false, Kind::Tag),
            ("repo:acme/widgets:ref:refs/heads/dev", main, false, Kind::Branch),
            (
                "repo:acme/widgets:ref:refs/heads/release/*",
                queue,
                false,
                Kind::MergeQueue,
            ),
            (main, queue, false, Kind::MergeQueue),
            (queue, main, false, Kind::MergeQueue),
            (queues, main, false, Kind::MergeQueue),
            (
                "repo:acme/widgets:ref:refs/heads/gh-readonly-queue/next/*",
                queue,
                false,
                Kind::MergeQueue,
            ),
            (queues, queue, true, Kind::WildcardLiteral),
            (queues, pr, false, Kind::PullRequest),
            (queues, env, false, Kind::Environment),
            (tag, queue, false, Kind::Tag),
            ("repo:acme/gadgets:ref:refs/heads/main", queue, false, Kind::Repository),
            (
                main,
                "repo:acme/widgets:ref:refs/heads/gh-readonly-queue/notes",
                false,
                Kind::Branch,
            ),
            (
                main,
                "repo:acme/widgets:ref:refs/heads/gh-readonly-queue/main/pr-review",
                false,
                Kind::Branch,
            ),
            ("repo:acme/gadgets:ref:refs/heads/main", main, false, Kind::Repository),
            ("repo:acne/*", main, false, Kind::Repository),
            ("repo:acne/*:pull_request", main, false, Kind::Repository),
        ];
        for (pattern, subject, literal, want) in cases {
            assert_eq!(kind(pattern, subject, literal), want, "{pattern} against {subject}");
        }
    }

    #[test]
    fn what_is_masked_is_no_difference() {
        let malformed = Kind::Malformed(Reason::Placeholder);
        let main = "repo:***/widgets:ref:refs/heads/main";
        for (pattern, subject, literal, want) in [
            // Nothing is said of what may fit.
            ("repo:acme/widgets:*", main, false, Kind::Mismatch),
            (
                "repo:***/widgets:ref:refs/heads/main",
                "repo:acme/widgets:ref:refs/heads/main",
                true,
                Kind::Mismatch,
            ),
            (
                "repo:<OWNER>/<REPO>:*",
                "repo:acme/widgets:pull_request",
                false,
                Kind::Mismatch,
            ),
            (
                "repo:${{ github.repository }}:*",
                "repo:acme/widgets:pull_request",
                false,
                malformed.clone(),
            ),
            // The rest decides.
            ("repo:acme/gadgets:*", main, false, Kind::Repository),
            ("repo:acme/widgets:ref:refs/heads/dev", main, false, Kind::Branch),
            ("repo:acme/widgets:environment:prod", main, false, Kind::Environment),
            ("repo:acme/Widgets:ref:refs/heads/main", main, false, Kind::Case),
            ("repo:acme/*", main, true, Kind::WildcardLiteral),
            ("repo:acme/widgets:ref:main", main, false, malformed.clone()),
            (
                "repo:***/widgets:ref:main",
                "repo:acme/widgets:ref:refs/heads/main",
                false,
                malformed,
            ),
            (
                "repo:***/widgets:pull_request",
                "repo:acme/widgets:ref:refs/heads/main",
                false,
                Kind::PullRequest,
            ),
            (
                "repo:${{ github.repository }}:environment:prod",
                "repo:acme/widgets:pull_request",
                false,
                Kind::PullRequest,
            ),
            (
                "repo:acme/widgets:pull_request",
                "repo:***:ref:refs/heads/main",
                true,
                Kind::PullRequest,
            ),
            (
                "repo:acme/widgets:*",
                "repo:***@1/widgets@2:pull_request",
                false,
                Kind::Immutable,
            ),
            (
                "repo:acme@9/widgets@9:*",
                "repo:acme@1/***@2:pull_request",
                false,
                Kind::Repository,
            ),
            ("repo:acme/gadgets:*", "repo:acme/widgets:***", false, Kind::Repository),
        ] {
            assert_eq!(kind(pattern, subject, literal), want, "{pattern} against {subject}");
            let meant = compare(pattern, subject, literal).meant;
            assert!(
                meant.is_none_or(|meant| !is_masked(&meant)),
                "{pattern} against {subject}"
            );
        }
    }

    #[test]
    fn the_part_that_differs() {
        for (pattern, subject, part, token_part) in [
            ("repo:Acme/widgets:*", "repo:acme/widgets:pull_request", "Acme", "acme"),
            (
                "repo:acme/gadgets:*",
                "repo:acme/widgets:pull_request",
                "acme/gadgets",
                "acme/widgets",
            ),
            (
                "repo:acme/widgets:ref:refs/heads/dev",
                "repo:acme/widgets:ref:refs/heads/main",
                "ref:refs/heads/dev",
                "ref:refs/heads/main",
            ),
            (
                "repo:acme/widgets:*",
                "repo:acme@1/widgets@2:pull_request",
                "acme/widgets",
                "acme@1/widgets@2",
            ),
        ] {
            let found = compare(pattern, subject, false);
            assert_eq!(pattern.get(found.part.0..found.part.1), Some(part), "{pattern}");
            assert_eq!(found.token_part, token_part, "{pattern}");
        }
    }
}
