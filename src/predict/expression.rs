//! What a workflow expression can evaluate to when not everything is known: each answer, and the refs for which it holds.
//!
//! Expressions are evaluated as in [`crate::github::expression`]. If a value depends on something unknown, both answers are followed,
//! one after the other; if it depends on the ref, the refs are divided by the answer.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use github_actions_expressions::call::Function;
use serde_json::Value as Json;

use crate::budget::Budget;
use crate::github::expression::{self, Contexts, Fault, Piece, Question, Value};
use crate::text::language::{Class, Example, Glob, Language};

/// Up to this many answers are followed; beyond that, anything is possible.
const MOST: usize = 64;
/// The budget for a job's expressions, and the cost of dividing refs.
const WORK: u64 = 400_000;
const DIVIDING: u64 = 400;

/// What is known where an expression is evaluated.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// `github.event_name`; `None` if called by a workflow in another repository.
    pub(super) event: Option<String>,
    /// `github.ref`: every possible value.
    pub(super) refs: Refs,
    /// `github.repository`.
    pub(super) repository: Option<String>,
    /// `inputs.*`.
    pub(super) inputs: Values,
    /// `github.event.inputs.*`.
    pub(super) event_inputs: Values,
    /// `matrix.*`, for one job of the matrix.
    pub(super) matrix: Values,
    /// How much evaluation is left.
    pub(super) budget: Rc<Budget>,
}

/// The budget of a job's expressions.
pub(super) fn budget() -> Rc<Budget> {
    Rc::new(Budget::new(WORK))
}

/// Some refs.
#[derive(Debug, Clone)]
pub(super) struct Refs {
    pub(super) texts: Language,
    /// Whether they match only because a comparison ignores case: `refs/heads/Main` where `main` is meant.
    pub(super) are_odd: bool,
}

impl From<Language> for Refs {
    fn from(texts: Language) -> Self {
        Self { texts, are_odd: false }
    }
}

/// All the values of a context; `None` if unknown.
pub(super) type Values = Option<BTreeMap<String, Value>>;

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Any,
    /// The ref, or just its name.
    Ref {
        is_short: bool,
    },
    Text(String),
}

/// Which answers to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// None: unknowns stay unknown.
    Nothing,
    /// Those about the ref; other unknowns stay unknown.
    Refs,
    /// All of them.
    Each,
}

impl Known {
    /// Everything a text containing `${{ … }}` can evaluate to.
    pub(super) fn values(&self, text: &str) -> Vec<(Refs, Value)> {
        let any = || Value::unknown("anything");
        let value = |contexts: &dyn Contexts| expression::evaluate(text, contexts, &self.budget);
        let found = self.ways(Follow::Each, value).unwrap_or_default();
        if found.is_empty() {
            return vec![(self.refs.clone(), any())];
        }
        let values = found.into_iter();
        values
            .map(|(refs, value)| (refs, value.unwrap_or_else(|_| any())))
            .collect()
    }

    /// The same, split into the parts of the text.
    pub(super) fn texts(&self, text: &str) -> Vec<(Refs, Vec<Part>)> {
        let parts = |value: Value| match value.into_text() {
            Ok(text) => text.pieces().iter().map(part).collect(),
            Err(_) => vec![Part::Any],
        };
        let values = self.values(text).into_iter();
        values.map(|(refs, value)| (refs, parts(value))).collect()
    }

    /// The refs for which a condition (`if:`) can hold.
    pub(super) fn holds(&self, condition: &str) -> Vec<Refs> {
        let holds = |contexts: &dyn Contexts| expression::condition(condition, contexts, &self.budget);
        let Some(found) = self.ways(Follow::Each, holds) else {
            return vec![self.refs.clone()];
        };
        let mut usual = Language::nothing();
        let mut odd = Language::nothing();
        for (refs, _) in found.into_iter().filter(|(_, holds)| *holds != Some(false)) {
            let texts = if refs.are_odd { &mut odd } else { &mut usual };
            *texts = texts.clone().or(refs.texts);
        }
        let odd = Refs {
            texts: odd,
            are_odd: true,
        };
        let usual = Refs {
            texts: usual,
            are_odd: self.refs.are_odd,
        };
        // Each part merged here contains a ref.
        let is_there = |refs: &Refs| refs.texts != Language::nothing();
        [usual, odd].into_iter().filter(is_there).collect()
    }

    /// Runs `work`, which evaluates expressions, once per combination of the answers it depends on; `None` if there are too many.
    pub(super) fn ways<T>(&self, follow: Follow, work: impl Fn(&dyn Contexts) -> T) -> Option<Vec<(Refs, T)>> {
        let mut all = Vec::new();
        let mut script: Vec<usize> = Vec::new();
        loop {
            let sight = Sight {
                known: self,
                follow,
                way: RefCell::new(Way {
                    refs: self.refs.clone(),
                    script,
                    ..Way::default()
                }),
            };
            let found = work(&sight);
            let mut way = sight.way.into_inner();
            all.push((way.refs, found));
            // The next way differs in the last question with an answer left.
            while let Some((taken, of)) = way.taken.pop() {
                if taken + 1 < of {
                    way.taken.push((taken + 1, of));
                    break;
                }
            }
            if way.taken.is_empty() {
                return Some(all);
            }
            if all.len() >= MOST {
                return None;
            }
            script = way.taken.into_iter().map(|(taken, _)| taken).collect();
        }
    }
}

/// The answers along one way.
struct Way {
    refs: Refs,
    /// The answers to give first.
    script: Vec<usize>,
    /// The answers given where there were several, and out of how many.
    taken: Vec<(usize, usize)>,
    decided: BTreeMap<String, bool>,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            refs: Language::nothing().into(),
            script: Vec::new(),
            taken: Vec::new(),
            decided: BTreeMap::new(),
        }
    }
}

impl Way {
    /// Picks one of several answers.
    fn take(&mut self, of: usize) -> usize {
        if of < 2 {
            return 0;
        }
        let taken = self.script.get(self.taken.len()).copied().unwrap_or_default();
        self.taken.push((taken, of));
        taken
    }
}

/// What is known along one way.
struct Sight<'a> {
    known: &'a Known,
    follow: Follow,
    way: RefCell<Way>,
}

impl Contexts for Sight<'_> {
    fn get(&self, context: &str, key: Option<&str>) -> Result<Option<Value>, Fault> {
        let text = |text: Option<&str>| text.map(Value::text);
        let values = match context {
            "inputs" => &self.known.inputs,
            "github.event.inputs" => &self.known.event_inputs,
            "matrix" => &self.known.matrix,
            "github" => {
                let repository = self.known.repository.as_deref();
                return Ok(match key.unwrap_or_default().to_ascii_lowercase().as_str() {
                    "event_name" => text(self.known.event.as_deref()),
                    "repository" => text(repository),
                    "repository_owner" => text(repository.and_then(|name| name.split('/').next())),
                    _ => None,
                });
            }
            _ => return Ok(None),
        };
        let Some((values, key)) = values.as_ref().zip(key) else {
            return Ok(None);
        };
        let found = values.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
        Ok(Some(found.map_or(Value::Known(Json::Null), |(_, value)| value.clone())))
    }

    fn decide(&self, question: Question<'_>, written: &str) -> Option<bool> {
        if self.follow == Follow::Nothing {
            return None;
        }
        // A ref is never empty.
        if matches!(question, Question::Other) && named_ref(written).is_some() {
            return Some(true);
        }
        let mut way = self.way.try_borrow_mut().ok()?;
        let divided = match question {
            Question::Equal(Value::Known(text), value) | Question::Equal(value, Value::Known(text)) => {
                let equal = |is_short, text: &String| self.apart(&way.refs, is_short, &[text], |glob| glob);
                is_ref(value).zip(Some(text)).map(|(is_short, text)| match text {
                    Json::String(text) => equal(is_short, text),
                    // Different types are both converted to numbers; a text that isn't a number equals nothing, and a ref isn't one.
                    _ => vec![(way.refs.clone(), false)],
                })
            }
            Question::Equal(one, other) if is_ref(one).is_some() && is_ref(one) == is_ref(other) => {
                Some(vec![(way.refs.clone(), true)])
            }
            Question::Holds(function, [text, part]) => self.has(function, &way.refs, text, part),
            Question::Equal(..) | Question::Holds(..) | Question::Other => None,
        };
        if let Some(mut divided) = divided.filter(|divided| !divided.is_empty()) {
            let taken = way.take(divided.len());
            let (refs, is) = divided.swap_remove(taken.min(divided.len() - 1));
            way.refs = refs;
            return Some(is);
        }
        if self.follow == Follow::Refs {
            return None;
        }
        if let Some(is) = way.decided.get(written) {
            return Some(*is);
        }
        let is = way.take(2) == 0;
        way.decided.insert(written.to_owned(), is);
        Some(is)
    }
}

impl Sight<'_> {
    fn has(&self, function: Function, refs: &Refs, text: &Value, part: &Value) -> Option<Vec<(Refs, bool)>> {
        if let (Value::Known(Json::Array(list)), Some(is_short)) = (text, is_ref(part)) {
            // Any of these, if all are texts.
            let texts: Option<Vec<&str>> = list.iter().map(Json::as_str).collect();
            return Some(self.apart(refs, is_short, &texts?, |glob| glob));
        }
        let (Some(is_short), Value::Known(Json::String(part))) = (is_ref(text), part) else {
            return None;
        };
        let any = Glob::default().many(&Class::any());
        let with = |part: Glob| match function {
            Function::EndsWith => any.clone().then(&part),
            Function::StartsWith => part.then(&any),
            _ => any.clone().then(&part).then(&any),
        };
        Some(self.apart(refs, is_short, &[part], with))
    }

    /// Divides the refs: those that match a text exactly, those that match ignoring case, those that match none. Empty ones are omitted.
    fn apart(
        &self,
        refs: &Refs,
        is_short: bool,
        texts: &[impl AsRef<str>],
        with: impl Fn(Glob) -> Glob,
    ) -> Vec<(Refs, bool)> {
        if !self
            .known
            .budget
            .take(DIVIDING * crate::budget::steps(16 * texts.len()))
        {
            return Vec::new();
        }
        let any_of = |glob: &dyn Fn(&str) -> Glob| {
            let all = texts.iter().map(|text| fitting(&with(glob(text.as_ref())), is_short));
            all.fold(Language::nothing(), Language::or)
        };
        let exact = any_of(&|text| Glob::default().text(text));
        let folded = any_of(&Glob::in_any_case);
        let part = |texts: Language, are_odd: bool| Refs {
            texts: refs.texts.clone().and(texts),
            are_odd,
        };
        let all = [
            (part(exact.clone(), refs.are_odd), true),
            (part(folded.clone().without(exact), true), true),
            (part(Language::everything().without(folded), refs.are_odd), false),
        ];
        let is_there = |(part, _): &(Refs, bool)| part.texts.example() != Example::Nothing;
        all.into_iter().filter(is_there).collect()
    }
}

/// Whether an expression is `github.ref` or its short form, `github.ref_name`; `None` for any other.
fn named_ref(expression: &str) -> Option<bool> {
    let is = |name: &str| expression.eq_ignore_ascii_case(name);
    (is("github.ref") || is("github.ref_name")).then(|| is("github.ref_name"))
}

fn is_ref(value: &Value) -> Option<bool> {
    match value {
        Value::Open(text) => match text.pieces() {
            [Piece::Unknown(expression)] => named_ref(expression),
            _ => None,
        },
        Value::Known(_) => None,
    }
}

fn part(piece: &Piece) -> Part {
    match piece {
        Piece::Known(text) => Part::Text(text.clone()),
        Piece::Unknown(expression) => named_ref(expression).map_or(Part::Any, |is_short| Part::Ref { is_short }),
    }
}

/// A value as a called workflow sees it: unknowns other than the ref are renamed.
pub(super) fn of_caller(value: Value) -> Value {
    let name = |expression: String| match named_ref(&expression) {
        Some(_) => expression,
        None => format!("caller.{expression}"),
    };
    match value {
        Value::Open(text) => Value::Open(text.renamed(name)),
        known => known,
    }
}

/// Refs whose text, or name, matches.
fn fitting(glob: &Glob, is_short: bool) -> Language {
    if !is_short {
        return glob.clone().into();
    }
    let kinds = ["refs/heads/", "refs/tags/", "refs/pull/"];
    let kinds = kinds.map(|kind| Language::from(Glob::default().text(kind).then(glob)));
    kinds.into_iter().fold(Language::nothing(), Language::or)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let inputs = [("stage", Value::text("prod")), ("free", Value::unknown("inputs.free"))];
        let inputs = Some(inputs.map(|(name, value)| (name.to_owned(), value)).into());
        Known {
            event: Some("push".to_owned()),
            refs: Language::from(Glob::like("refs/heads/*")).into(),
            repository: Some("acme/widgets".to_owned()),
            inputs: inputs.clone(),
            event_inputs: inputs,
            matrix: Some(BTreeMap::from([("env".to_owned(), Value::text("eu"))])),
            budget: budget(),
        }
    }

    #[test]
    fn texts_come_to_what_they_can() {
        let text = |text: &str| Part::Text(text.to_owned());
        for (given, want) in [
            ("prod", vec![vec![text("prod")]]),
            ("${{ matrix.env }}-x", vec![vec![text("eu-x")]]),
            ("${{ inputs.stage }}", vec![vec![text("prod")]]),
            ("${{ github.event.inputs.STAGE }}", vec![vec![text("prod")]]),
            ("${{ inputs.free }}", vec![vec![Part::Any]]),
            ("${{ vars.X }}", vec![vec![Part::Any]]),
            ("${{ inputs.none || 'dev' }}", vec![vec![text("dev")]]),
            ("${{ inputs.free || 'dev' }}", vec![vec![Part::Any], vec![text("dev")]]),
            ("${{ github.ref_name }}", vec![vec![Part::Ref { is_short: true }]]),
            (
                "${{ github.ref == 'refs/heads/main' && 'prod' || 'dev' }}",
                vec![vec![text("prod")], vec![text("dev")]],
            ),
            (
                "${{ github.ref_type == 'tag' && 'a' || 'b' }}",
                vec![vec![text("a")], vec![text("b")]],
            ),
            (
                "${{ github.event_name == 'PUSH' && 'a' || 'b' }}",
                vec![vec![text("a")]],
            ),
            (
                "${{ startsWith(github.ref, 'refs/tags/') && 'a' || 'b' }}",
                vec![vec![text("b")]],
            ),
            (
                "${{ vars.X == 'a' && 'p' || 'q' }}",
                vec![vec![text("p")], vec![text("q")]],
            ),
            ("${{ format('{0}-{1}', inputs.stage, 1) }}", vec![vec![text("prod-1")]]),
            (
                "${{ case(github.ref_name == 'main', 'p', 'd') }}",
                vec![vec![text("p")], vec![text("d")]],
            ),
            // An unknown is the same wherever it is named.
            (
                "${{ vars.X == 'a' && 'p' || vars.X != 'a' && 'q' || 'r' }}",
                vec![vec![text("p")], vec![text("q")]],
            ),
            (
                "${{ contains(fromJSON('[\"refs/heads/main\", \"refs/tags/v1\"]'), github.ref) && 'a' || 'b' }}",
                vec![vec![text("a")], vec![text("b")]],
            ),
            (
                "${{ github.ref_type }}-${{ inputs.stage }}",
                vec![vec![Part::Any, text("-prod")]],
            ),
            ("${{ ??? }}", vec![vec![Part::Any]]),
            ("${{ '' }}", vec![vec![]]),
            ("${{ open", vec![vec![Part::Any]]),
        ] {
            let found = known().texts(given).into_iter().filter(|(refs, _)| !refs.are_odd);
            let found: Vec<_> = found.map(|(_, parts)| parts).collect();
            assert_eq!(found, want, "{given}");
        }
    }

    #[test]
    fn a_condition_narrows_the_refs() {
        for (condition, main, other) in [
            ("github.ref == 'refs/heads/main'", true, false),
            ("${{ github.ref != 'refs/heads/main' }}", false, true),
            ("github.ref_name == 'MAIN' && success()", true, false),
            ("!startsWith(github.ref, 'refs/heads/m')", false, true),
            ("github.event_name == 'schedule'", false, false),
            (
                "github.event_name == 'schedule' || github.ref_name == 'main'",
                true,
                false,
            ),
            ("vars.ON", true, true),
            ("always()", true, true),
            ("needs.x.result == 'success'", true, true),
            ("contains(github.ref, 'mai')", true, false),
            ("endsWith(github.repository, '/gadgets')", false, false),
            ("false", false, false),
            ("${{ false }} text", true, true),
            ("this is no expression", true, true),
        ] {
            let all = known().holds(condition);
            let has = |name: &str| all.iter().any(|refs| refs.texts.contains(name));
            assert_eq!(has("refs/heads/main"), main, "{condition}");
            assert_eq!(has("refs/heads/dev"), other, "{condition}");
        }
    }
}
