//! What an expression of a workflow can come to, where not all is known: each answer, and for which refs it is the answer.
//!
//! GitHub docs, "Evaluate expressions in workflows and actions": texts are compared without regard to case, `&&` and `||` give one
//! of their operands, and `false`, `0`, `''` and `null` are false.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use github_actions_expressions::call::Function;
use github_actions_expressions::context::Context;
use github_actions_expressions::literal::Literal;
use github_actions_expressions::op::{BinExpr, BinOp};
use github_actions_expressions::{Expr, SpannedExpr};

use crate::text::language::{Class, Example, Glob, Language};

/// So many answers are followed; of more, all that can be.
const MOST: usize = 64;

/// What is known where an expression is evaluated.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// `github.event_name`; `None` where a workflow elsewhere calls.
    pub(super) event: Option<String>,
    /// `github.ref`: all that it can be.
    pub(super) refs: Refs,
    /// `github.repository`.
    pub(super) repository: Option<String>,
    /// `inputs.*`.
    pub(super) inputs: Values,
    /// `github.event.inputs.*`.
    pub(super) event_inputs: Values,
    /// `matrix.*`, of one job of the matrix.
    pub(super) matrix: Values,
    /// How much of this may still be evaluated.
    pub(super) steps: Steps,
}

/// Some refs.
#[derive(Debug, Clone)]
pub(super) struct Refs {
    pub(super) texts: Language,
    /// Are they here only because a comparison ignores the case of letters: `refs/heads/Main`, where `main` is meant?
    pub(super) are_odd: bool,
}

impl From<Language> for Refs {
    fn from(texts: Language) -> Self {
        Self { texts, are_odd: false }
    }
}

/// The values of a context, all of them; `None` where that is not known.
pub(super) type Values = Option<BTreeMap<String, Value>>;

/// How many parts of expressions are evaluated; what comes then can be anything.
#[derive(Debug, Clone)]
pub(super) struct Steps(Rc<Cell<u32>>);

impl Default for Steps {
    fn default() -> Self {
        Self(Rc::new(Cell::new(1000)))
    }
}

impl Steps {
    fn take(&self) -> bool {
        let left = self.0.get().checked_sub(1);
        self.0.set(left.unwrap_or_default());
        left.is_some()
    }
}

/// What an expression comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Nothing is known of it.
    Any,
    Bool(bool),
    /// Not known, but it counts as false.
    Falsy,
    Null,
    Number(f64),
    /// `github.ref`, without what comes before its name where `is_short`.
    Ref {
        is_short: bool,
    },
    Text(String),
}

/// A value, and the refs for which it is the value.
type Answers = Vec<(Refs, Value)>;

impl Known {
    /// All that a text with `${{ … }}` in it can come to. A part that is not known is `None`.
    pub(super) fn texts(&self, text: &str) -> Vec<(Refs, Vec<Part>)> {
        let mut all = vec![(self.refs.clone(), Vec::new())];
        for piece in pieces(text) {
            let mut next = Vec::new();
            for (refs, parts) in all {
                match piece {
                    Piece::Text(text) => next.push((refs, with(parts, Part::Text(text.to_owned())))),
                    Piece::Expression(text) => {
                        for (refs, value) in self.within(refs).answers(text) {
                            let part = value.part();
                            next.push((refs, with(parts.clone(), part)));
                        }
                    }
                }
            }
            if next.len() > MOST {
                return vec![(self.refs.clone(), vec![Part::Any])];
            }
            all = next;
        }
        all
    }

    /// The refs for which a condition, `if:`, can hold.
    pub(super) fn holds(&self, condition: &str) -> Vec<Refs> {
        let text = condition.trim();
        let text = text
            .strip_prefix("${{")
            .and_then(|rest| rest.strip_suffix("}}"))
            .filter(|inner| !inner.contains("${{"))
            .unwrap_or(text);
        if text.contains("${{") {
            // A text with an expression in it is never empty.
            return vec![self.refs.clone()];
        }
        let mut usual = Language::nothing();
        let mut odd = Language::nothing();
        for (refs, value) in self.answers(text) {
            if value.truth() != Some(false) {
                let texts = if refs.are_odd { &mut odd } else { &mut usual };
                *texts = texts.clone().or(refs.texts);
            }
        }
        let odd = Refs {
            texts: odd,
            are_odd: true,
        };
        let usual = Refs {
            texts: usual,
            are_odd: self.refs.are_odd,
        };
        let is_there = |refs: &Refs| refs.texts.example() != Example::Nothing;
        [usual, odd].into_iter().filter(is_there).collect()
    }

    fn within(&self, refs: Refs) -> Self {
        Self { refs, ..self.clone() }
    }

    fn answers(&self, text: &str) -> Answers {
        match Expr::parse(text.trim()) {
            Ok(expression) => self.of(&expression),
            Err(_) => self.any(),
        }
    }

    fn any(&self) -> Answers {
        self.just(Value::Any)
    }

    fn just(&self, value: Value) -> Answers {
        vec![(self.refs.clone(), value)]
    }

    fn of(&self, expression: &SpannedExpr<'_>) -> Answers {
        if !self.steps.take() {
            return self.any();
        }
        let answers = match &expression.inner {
            Expr::Literal(Literal::String(text)) => self.just(Value::Text(text.clone().into_owned())),
            Expr::Literal(Literal::Boolean(is)) => self.just(Value::Bool(*is)),
            Expr::Literal(Literal::Number(number)) => self.just(Value::Number(*number)),
            Expr::Literal(Literal::Null) => self.just(Value::Null),
            Expr::Context(context) => self.just(self.context(context)),
            Expr::UnExpr { expr, .. } => {
                let not = |(refs, value): (Refs, Value)| match value.truth() {
                    Some(is) => vec![(refs, Value::Bool(!is))],
                    None => either(&refs),
                };
                self.of(expr).into_iter().flat_map(not).collect()
            }
            Expr::BinExpr(BinExpr { lhs, op, rhs }) => self.operator(lhs, op, rhs),
            Expr::Call(call) => self.call(call.func, &call.args),
            Expr::Star | Expr::Identifier(_) | Expr::Index(_) => self.any(),
        };
        if answers.len() > MOST { self.any() } else { answers }
    }

    fn operator(&self, left: &SpannedExpr<'_>, op: &BinOp, right: &SpannedExpr<'_>) -> Answers {
        let mut answers = Vec::new();
        for (refs, value) in self.of(left) {
            let here = self.within(refs.clone());
            match op {
                BinOp::And => match value.truth() {
                    Some(false) => answers.push((refs, value)),
                    Some(true) => answers.extend(here.of(right)),
                    None => {
                        answers.push((refs, Value::Falsy));
                        answers.extend(here.of(right));
                    }
                },
                BinOp::Or => match value.truth() {
                    Some(true) => answers.push((refs, value)),
                    Some(false) => answers.extend(here.of(right)),
                    None => {
                        answers.push((refs, value));
                        answers.extend(here.of(right));
                    }
                },
                BinOp::Eq | BinOp::Neq => {
                    for (refs, other) in here.of(right) {
                        let same = equal(&refs, &value, &other);
                        let turned = |(refs, is): (Refs, bool)| (refs, Value::Bool(is == (*op == BinOp::Eq)));
                        answers.extend(same.into_iter().map(turned));
                    }
                }
                BinOp::Ge | BinOp::Gt | BinOp::Le | BinOp::Lt => answers.extend(either(&refs)),
            }
        }
        answers
    }

    fn call(&self, function: Function, args: &[SpannedExpr<'_>]) -> Answers {
        match (function, args) {
            (Function::Contains | Function::EndsWith | Function::StartsWith, [text, part]) => {
                let mut answers = Vec::new();
                for (refs, text) in self.of(text) {
                    for (refs, part) in self.within(refs).of(part) {
                        let found = has(function, &refs, &text, &part);
                        answers.extend(found.into_iter().map(|(refs, is)| (refs, Value::Bool(is))));
                    }
                }
                answers
            }
            (Function::Always, []) => self.just(Value::Bool(true)),
            // Without a step or job that failed, which no deployment needs; with one, a job that asks for it runs.
            (Function::Success | Function::Failure | Function::Cancelled, []) => either(&self.refs),
            (Function::Format, [format, values @ ..]) => self.format(format, values),
            (Function::Case, args) => self.case(args),
            _ => self.any(),
        }
    }

    /// `case(condition, value, …, default)`.
    fn case(&self, args: &[SpannedExpr<'_>]) -> Answers {
        match args {
            [condition, value, rest @ ..] if !rest.is_empty() => {
                let mut answers = Vec::new();
                for (refs, is) in self.of(condition) {
                    let here = self.within(refs);
                    if is.truth() != Some(false) {
                        answers.extend(here.of(value));
                    }
                    if is.truth() != Some(true) {
                        answers.extend(here.case(rest));
                    }
                }
                answers
            }
            [default] => self.of(default),
            _ => self.any(),
        }
    }

    fn format(&self, format: &SpannedExpr<'_>, values: &[SpannedExpr<'_>]) -> Answers {
        let Expr::Literal(Literal::String(format)) = &format.inner else {
            return self.any();
        };
        if format.contains("{{") || format.contains("}}") {
            return self.any();
        }
        let mut all = vec![(self.refs.clone(), format.clone().into_owned())];
        for (index, value) in values.iter().enumerate() {
            let mut next = Vec::new();
            for (refs, text) in all {
                for (refs, value) in self.within(refs).of(value) {
                    let Part::Text(value) = value.part() else {
                        return self.any();
                    };
                    if value.contains(['{', '}']) {
                        return self.any();
                    }
                    next.push((refs, text.replace(&format!("{{{index}}}"), &value)));
                }
            }
            all = next;
        }
        all.into_iter().map(|(refs, text)| (refs, Value::Text(text))).collect()
    }

    fn context(&self, context: &Context<'_>) -> Value {
        let Some(name) = context.as_pattern() else {
            return Value::Any;
        };
        let known = |text: &Option<String>| text.clone().map_or(Value::Any, Value::Text);
        match name.as_str() {
            "github.event_name" => known(&self.event),
            "github.ref" => Value::Ref { is_short: false },
            "github.ref_name" => Value::Ref { is_short: true },
            "github.repository" => known(&self.repository),
            "github.repository_owner" => {
                let owner = self.repository.as_deref().and_then(|name| name.split('/').next());
                owner.map_or(Value::Any, |owner| Value::Text(owner.to_owned()))
            }
            name => {
                let (values, name) = if let Some(name) = name.strip_prefix("inputs.") {
                    (&self.inputs, name)
                } else if let Some(name) = name.strip_prefix("github.event.inputs.") {
                    (&self.event_inputs, name)
                } else if let Some(name) = name.strip_prefix("matrix.") {
                    (&self.matrix, name)
                } else {
                    return Value::Any;
                };
                // A part of a value that is a map, or of all values.
                let Some(values) = values.as_ref().filter(|_| !name.contains(['.', '*'])) else {
                    return Value::Any;
                };
                let found = values.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map_or(Value::Null, |(_, value)| value.clone())
            }
        }
    }
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Any,
    /// The ref, or its name alone.
    Ref {
        is_short: bool,
    },
    Text(String),
}

impl Value {
    fn truth(&self) -> Option<bool> {
        match self {
            Self::Any => None,
            Self::Bool(is) => Some(*is),
            Self::Falsy | Self::Null => Some(false),
            Self::Number(number) => Some(*number != 0.0 && !number.is_nan()),
            Self::Ref { .. } => Some(true),
            Self::Text(text) => Some(!text.is_empty()),
        }
    }

    /// What the parts of a text come to as one value.
    pub(super) fn of_parts(parts: &[Part]) -> Self {
        match parts {
            [] => Self::Text(String::new()),
            [Part::Ref { is_short }] => Self::Ref { is_short: *is_short },
            [Part::Text(text)] => Self::Text(text.clone()),
            _ => Self::Any,
        }
    }

    fn part(&self) -> Part {
        match self {
            Self::Any | Self::Falsy => Part::Any,
            Self::Bool(is) => Part::Text(is.to_string()),
            Self::Null => Part::Text(String::new()),
            Self::Number(number) => Part::Text(number.to_string()),
            Self::Ref { is_short } => Part::Ref { is_short: *is_short },
            Self::Text(text) => Part::Text(text.clone()),
        }
    }
}

fn with(mut parts: Vec<Part>, part: Part) -> Vec<Part> {
    if part != Part::Text(String::new()) {
        parts.push(part);
    }
    parts
}

fn either(refs: &Refs) -> Answers {
    [true, false].map(|is| (refs.clone(), Value::Bool(is))).into()
}

/// For which refs two values are equal, and for which they are not.
fn equal(refs: &Refs, one: &Value, other: &Value) -> Vec<(Refs, bool)> {
    let unknown = || [true, false].map(|is| (refs.clone(), is)).into();
    match (one, other) {
        (Value::Ref { is_short }, Value::Text(text)) | (Value::Text(text), Value::Ref { is_short }) => {
            apart(refs, text, *is_short, |text| text)
        }
        (Value::Ref { is_short: a }, Value::Ref { is_short: b }) if a == b => vec![(refs.clone(), true)],
        // Of different types both become numbers, and a text that is none equals nothing; a ref is none.
        (Value::Ref { .. }, Value::Bool(_) | Value::Null | Value::Number(_))
        | (Value::Bool(_) | Value::Null | Value::Number(_), Value::Ref { .. }) => vec![(refs.clone(), false)],
        (Value::Text(one), Value::Text(other)) => {
            vec![(refs.clone(), one.to_uppercase() == other.to_uppercase())]
        }
        (Value::Bool(one), Value::Bool(other)) => vec![(refs.clone(), one == other)],
        (Value::Number(one), Value::Number(other)) => vec![(refs.clone(), one == other)],
        (Value::Null, Value::Null) => vec![(refs.clone(), true)],
        _ => unknown(),
    }
}

fn has(function: Function, refs: &Refs, text: &Value, part: &Value) -> Vec<(Refs, bool)> {
    let Value::Text(part) = part else {
        return [true, false].map(|is| (refs.clone(), is)).into();
    };
    match text {
        Value::Ref { is_short } => {
            let any = Glob::default().many(&Class::any());
            let with = |part: Glob| match function {
                Function::EndsWith => any.clone().then(&part),
                Function::StartsWith => part.then(&any),
                _ => any.clone().then(&part).then(&any),
            };
            apart(refs, part, *is_short, with)
        }
        Value::Text(text) => {
            let (text, part) = (text.to_uppercase(), part.to_uppercase());
            let is = match function {
                Function::EndsWith => text.ends_with(&part),
                Function::StartsWith => text.starts_with(&part),
                _ => text.contains(&part),
            };
            vec![(refs.clone(), is)]
        }
        _ => [true, false].map(|is| (refs.clone(), is)).into(),
    }
}

/// Refs whose text, or whose name, fits.
fn fitting(glob: &Glob, is_short: bool) -> Language {
    if !is_short {
        return glob.clone().into();
    }
    let kinds = ["refs/heads/", "refs/tags/", "refs/pull/"];
    let kinds = kinds.map(|kind| Language::from(Glob::default().text(kind).then(glob)));
    kinds.into_iter().fold(Language::nothing(), Language::or)
}

/// The refs that a text fits, as it stands and in other letter case, and those that it does not; nothing for what is empty.
fn apart(refs: &Refs, text: &str, is_short: bool, with: impl Fn(Glob) -> Glob) -> Vec<(Refs, bool)> {
    let exact = fitting(&with(Glob::default().text(text)), is_short);
    let folded = fitting(&with(Glob::in_any_case(text)), is_short);
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

#[derive(Clone, Copy)]
enum Piece<'a> {
    Text(&'a str),
    Expression(&'a str),
}

/// A text, and the expressions in it.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${{") {
        // A text within an expression can hold `}}`; then it is no expression that parses, and anything.
        let Some((inner, after)) = after.split_once("}}") else {
            break;
        };
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(Piece::Expression(inner));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let text = |text: &str| Value::Text(text.to_owned());
        let inputs = [("stage", text("prod")), ("free", Value::Any)];
        let inputs = Some(inputs.map(|(name, value)| (name.to_owned(), value)).into());
        Known {
            event: Some("push".to_owned()),
            refs: Language::from(Glob::like("refs/heads/*")).into(),
            repository: Some("acme/widgets".to_owned()),
            inputs: inputs.clone(),
            event_inputs: inputs,
            matrix: Some(BTreeMap::from([("env".to_owned(), text("eu"))])),
            steps: Steps::default(),
        }
    }

    #[test]
    fn texts_come_to_what_they_can() {
        let text = |text: &str| Part::Text(text.to_owned());
        for (given, want) in [
            ("prod", vec![vec![text("prod")]]),
            ("${{ matrix.env }}-x", vec![vec![text("eu"), text("-x")]]),
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
            ("${{ ??? }}", vec![vec![Part::Any]]),
            ("${{ '' }}", vec![vec![]]),
            ("${{ open", vec![vec![text("${{ open")]]),
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
