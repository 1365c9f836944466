//! The tokens a workflow's jobs can get, before any of them runs: every subject, and the other claims that IAM compares, as sets.
//!
//! Most of it is decided in the repository: the events under `on:` with their filters, `environment:`, `if:`, and the callers of a
//! reusable workflow. Where it isn't, the set is larger, never smaller, and says so. Whether a set contains a subject, and what a
//! policy decides on it, is answered exactly and without enumeration: see [`Family::judge`].
//!
//! Sources: GitHub docs, "OpenID Connect reference" (the subject for an event, an environment and a called workflow), "Events that
//! trigger workflows" (`GITHUB_REF` for each event) and "Workflow syntax for GitHub Actions" (filters, environments, calls).

mod expect;
mod expression;
mod filter;
mod generate;
mod jobs;
mod judge;
mod trigger;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::github::claims::Claims;
use crate::github::issuer::GITHUB_ISSUER;
use crate::github::workflow::IdToken;
use crate::github::workflow::steps::Step;
use crate::text::SourceText;
use crate::text::language::{Class, Example, Glob, Language};

pub use expect::{Checked, Expectations};
#[cfg(feature = "live")]
pub(crate) use expect::{Read, Wrong};
pub use generate::TrustedRole;
#[cfg(feature = "live")]
pub(crate) use generate::{Target, generate};
pub use jobs::predict;
pub(crate) use jobs::{RunsFor, add_family};

/// What is known about the repository besides its files.
#[derive(Debug, Clone)]
pub struct Repository {
    /// `owner/name`.
    pub name: Option<String>,
    /// The owner's id.
    pub owner_id: Option<String>,
    /// The repository's id.
    pub id: Option<String>,
    /// The form of its subjects.
    pub form: Form,
    /// The name of its default branch.
    pub default_branch: Option<String>,
    /// `include_claim_keys`, if its subjects are customized.
    pub template: Option<Vec<String>>,
    /// The issuer of its tokens.
    pub issuer: String,
}

impl Default for Repository {
    fn default() -> Self {
        Self {
            name: None,
            owner_id: None,
            id: None,
            form: Form::default(),
            default_branch: None,
            template: None,
            issuer: format!("https://{GITHUB_ISSUER}"),
        }
    }
}

/// The form of a repository's subjects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// `repo:owner/name:…`
    Classic,
    /// Unknown.
    #[default]
    Either,
    /// `repo:owner@id/name@id:…`
    Immutable,
}

impl Form {
    /// The form, given the day the repository was created, renamed or last transferred (`YYYY-MM-DD`): immutable from 15 July 2026
    /// on; before that, either, since owners can opt in (GitHub docs, "OpenID Connect reference", immutable subject claims).
    #[must_use]
    pub(crate) fn since(day: &str) -> Self {
        if day >= "2026-07-15" {
            Self::Immutable
        } else {
            Self::Either
        }
    }
}

/// A file of the repository.
pub(crate) type File = SourceText;

/// The result for a set of workflow files.
#[derive(Debug, Clone, Default)]
pub struct Prediction {
    /// The jobs that can get an ID token, or need one.
    pub jobs: Vec<JobTokens>,
    /// The files that can't be read, in whole or in part.
    pub problems: Vec<Problem>,
    /// How many files were read.
    pub files: usize,
}

/// Something that can't be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{file}`, line {line}, column {column}: {message}")]
pub struct Problem {
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What's wrong.
    pub message: String,
}

/// A job, and the tokens it can get.
#[derive(Debug, Clone)]
pub struct JobTokens {
    /// Its file.
    pub file: String,
    /// The line it starts on.
    pub line: usize,
    /// Its id, preceded by those of the jobs that call its workflow: `call / deploy`.
    pub name: String,
    /// Its own id.
    pub id: String,
    /// Whether it is allowed to request a token.
    pub grant: Grant,
    /// Its steps that configure AWS credentials.
    pub(crate) steps: Vec<Asking>,
    /// The tokens, one family per event and environment.
    pub families: Vec<Family>,
    /// Further remarks about it.
    pub notes: Vec<String>,
}

/// A step that configures AWS credentials, with one set of values its inputs can have.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    /// The step.
    pub(crate) step: Step,
    /// The tokens the job can have when the inputs have these values.
    pub(crate) families: Vec<Family>,
}

/// Whether a job is allowed to request an ID token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// `id-token: write`.
    Given,
    /// Not granted: there is no token.
    Missing,
    /// Can't be determined.
    Unknown,
}

impl Grant {
    fn of(id_token: IdToken) -> Self {
        match id_token {
            IdToken::Write(_) => Self::Given,
            IdToken::Absent | IdToken::None(_) | IdToken::Read(_) => Self::Missing,
        }
    }

    /// The grant of a called workflow's job: its own permissions can only narrow its caller's (GitHub docs, "Reusing workflow
    /// configurations").
    fn under(self, caller: Self) -> Self {
        match (self, caller) {
            (Self::Missing, _) | (_, Self::Missing) => Self::Missing,
            (Self::Given, Self::Given) => Self::Given,
            _ => Self::Unknown,
        }
    }
}

/// Why a token has its claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub file: String,
    /// The line.
    pub line: usize,
    /// What is there, in words.
    pub what: String,
}

/// Tokens that differ only in a few names: those of a job, for one event and one environment.
///
/// A claim is a text with variables; a variable can be any text of its set, independently of the others.
#[derive(Debug, Clone)]
pub struct Family {
    /// The event that starts the job.
    pub event: String,
    /// Why it has these claims.
    pub why: Vec<Origin>,
    /// Why the set is larger than it would be if more were known.
    pub widened: Vec<String>,
    /// Whether the job runs in another repository, which calls this workflow.
    pub is_elsewhere: bool,
    /// Whether these names pass a comparison only because it ignores case: `Main` where `main` is meant.
    pub is_odd: bool,
    variables: Vec<Variable>,
    claims: BTreeMap<String, Template>,
}

/// A variable: any text of a set.
#[derive(Debug, Clone)]
struct Variable {
    /// What it is, in words: "any branch".
    words: String,
    texts: Language,
}

/// A claim: a text with variables in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(usize),
}

/// The claims that IAM compares but a workflow file says nothing about.
const UNTOLD: [&str; 5] = [
    "actor",
    "actor_id",
    "enterprise_id",
    "repository_id",
    "repository_owner_id",
];

/// Up to this many texts of a variable are enumerated.
const LISTED: usize = 32;

impl Template {
    fn text(text: impl Into<String>) -> Self {
        Self::default().then(text)
    }

    fn then(mut self, text: impl Into<String>) -> Self {
        let text = text.into();
        match self.0.last_mut() {
            Some(Piece::Text(last)) => last.push_str(&text),
            _ => self.0.push(Piece::Text(text)),
        }
        self
    }

    fn then_any(mut self, variable: usize) -> Self {
        self.0.push(Piece::Variable(variable));
        self
    }

    fn join(mut self, other: &Self) -> Self {
        for piece in &other.0 {
            self = match piece {
                Piece::Text(text) => self.then(text),
                Piece::Variable(variable) => self.then_any(*variable),
            };
        }
        self
    }

    fn variables(&self) -> impl Iterator<Item = usize> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Variable(variable) => Some(*variable),
        })
    }

    /// The text, with each variable replaced by its text.
    fn filled(&self, texts: &[String]) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Variable(variable) => texts.get(*variable).cloned().unwrap_or_default(),
        };
        self.0.iter().map(piece).collect()
    }

    /// The text before and after a variable, if it is the only one.
    fn around(&self, variable: usize) -> Option<(String, String)> {
        let at = self.0.iter().position(|piece| *piece == Piece::Variable(variable))?;
        let (before, after) = (self.0.get(..at)?, self.0.get(at + 1..)?);
        let text = |pieces: &[Piece]| -> Option<String> {
            let text = |piece: &Piece| match piece {
                Piece::Text(text) => Some(text.clone()),
                Piece::Variable(_) => None,
            };
            pieces.iter().map(text).collect()
        };
        text(before).zip(text(after))
    }

    /// All its texts. If several variables can't be listed, all but the last are widened to whatever their patterns let
    /// through.
    fn language(&self, variables: &[Variable]) -> Language {
        let mut all = vec![Glob::default()];
        let mut pieces = self.0.iter().peekable();
        let ends = |globs: &[Glob], language: &Language, after: &Glob| {
            let each = globs.iter().map(|before| language.within(before, after));
            each.fold(Language::nothing(), Language::or)
        };
        while let Some(piece) = pieces.next() {
            let Piece::Variable(variable) = piece else {
                let Piece::Text(text) = piece else { continue };
                all = all.into_iter().map(|glob| glob.text(text)).collect();
                continue;
            };
            let Some(variable) = variables.get(*variable) else {
                continue;
            };
            let mut rest = pieces.clone();
            let is_last = rest.all(|piece| matches!(piece, Piece::Text(_)));
            if is_last {
                let after = pieces.fold(Glob::default(), |glob, piece| match piece {
                    Piece::Text(text) => glob.text(text),
                    Piece::Variable(_) => glob,
                });
                return ends(&all, &variable.texts, &after);
            }
            let listed = variable.texts.listed().filter(|texts| texts.len() <= LISTED);
            let globs: Vec<Glob> = match listed {
                Some(texts) => texts.iter().map(|text| Glob::default().text(text)).collect(),
                None => variable
                    .texts
                    .covering()
                    .iter()
                    .map(|cover| Glob::like(cover))
                    .collect(),
            };
            let pairs = all
                .iter()
                .flat_map(|before| globs.iter().map(|glob| before.clone().then(glob)));
            all = pairs.take(LISTED * LISTED).collect();
        }
        all.into_iter()
            .map(Language::from)
            .fold(Language::nothing(), Language::or)
    }
}

impl Family {
    /// All subjects; a superset if two names in the subject depend on each other.
    #[must_use]
    pub(crate) fn subjects(&self) -> Language {
        self.claim("sub").unwrap_or_else(Language::everything)
    }

    /// All values of a claim; `None` if nothing is known about it, or the tokens don't have it.
    #[must_use]
    pub(crate) fn claim(&self, name: &str) -> Option<Language> {
        Some(self.claims.get(name)?.language(&self.variables))
    }

    /// Every claim about which something is known, as patterns.
    pub(crate) fn claim_patterns(&self) -> impl Iterator<Item = (&str, Vec<String>)> {
        self.claims
            .iter()
            .map(|(name, template)| (name.as_str(), template.language(&self.variables).covering()))
    }

    /// The subjects, if there are only a few.
    #[must_use]
    pub(crate) fn listed(&self) -> Option<Vec<String>> {
        self.subjects().listed().filter(|all| all.len() <= LISTED)
    }

    /// The subjects in readable form: `*` is any run of characters.
    #[must_use]
    pub(crate) fn patterns(&self) -> Vec<String> {
        let mut patterns = self.subjects().covering();
        patterns.sort();
        patterns.dedup();
        patterns
    }

    /// What the names in the subject can be, in words: "any branch".
    #[must_use]
    pub(crate) fn words(&self) -> Vec<&str> {
        let used = self.claims.get("sub").into_iter().flat_map(Template::variables);
        let variables = used.filter_map(|variable| self.variables.get(variable));
        let open = variables.filter(|variable| variable.texts.only().is_none());
        open.map(|variable| variable.words.as_str())
            .filter(|words| !words.is_empty())
            .collect()
    }

    /// The same tokens with one value for a claim.
    #[must_use]
    pub(crate) fn with(mut self, claim: &str, value: &str) -> Self {
        self.claims.insert(claim.to_owned(), Template::text(value));
        self
    }

    /// The tokens with this ref; `None` if no token has it.
    #[must_use]
    pub(crate) fn at_ref(&self, git_ref: &str) -> Option<Self> {
        if !self.claim("ref")?.contains(git_ref) {
            return None;
        }
        let mut own = self.clone();
        if let [Piece::Variable(variable)] = *self.claims.get("ref")?.0
            && let Some(variable) = own.variables.get_mut(variable)
        {
            variable.texts = Language::exactly(git_ref);
        }
        Some(own)
    }

    /// The tokens whose ref is one of these; `None` if there are none.
    #[must_use]
    fn narrowed(&self, refs: &expression::Refs) -> Option<Self> {
        let mut own = self.clone();
        own.is_odd |= refs.are_odd;
        let variable = match &*self.claims.get("ref")?.0 {
            [Piece::Variable(variable)] => own.variables.get_mut(*variable)?,
            [Piece::Text(text)] => return refs.texts.contains(text).then_some(own),
            _ => return Some(own),
        };
        variable.texts = variable.texts.clone().and(refs.texts.clone());
        (variable.texts.example() != Example::Nothing).then_some(own)
    }

    /// One of its tokens, with unknown claims masked.
    #[must_use]
    pub(crate) fn example(&self) -> Option<Claims> {
        let texts: Option<Vec<String>> = self
            .variables
            .iter()
            .map(|variable| variable.texts.example().text())
            .collect();
        Some(self.token(&texts?))
    }

    fn token(&self, texts: &[String]) -> Claims {
        let mut claims: Map<String, Value> = self
            .claims
            .iter()
            .map(|(name, template)| (name.clone(), json!(template.filled(texts))))
            .collect();
        for name in UNTOLD {
            claims.entry(name).or_insert_with(|| json!("***"));
        }
        for name in ["job_workflow_ref", "ref", "repository", "workflow"] {
            claims.entry(name).or_insert_with(|| json!("***"));
        }
        Claims(claims)
    }
}

impl JobTokens {
    /// Whether it can get a token with this subject.
    #[must_use]
    pub fn can_have(&self, subject: &str) -> bool {
        self.grant != Grant::Missing && self.families.iter().any(|family| family.subjects().contains(subject))
    }
}

/// A character of a branch or tag name (git-check-ref-format).
fn name_character() -> Class {
    let mut not: Vec<(char, char)> = [' ', '~', '^', ':', '?', '*', '[', '\\', '\u{7f}']
        .map(|c| (c, c))
        .into();
    not.push(('\0', '\u{1f}'));
    Class::of(&not).others()
}

/// A character of a value in a subject, where a colon is written `%3A`.
fn value_character() -> Class {
    Class::one(':').others()
}
