//! Workflow expressions, `${{ … }}`: evaluated as far as the names in them are known, and otherwise left as expressions.
//!
//! Grammar, coercions and functions are those of `github-actions-expressions`. Added here is how an unknown value affects
//! the rest: a text keeps its known parts, `&&` and `||` continue if the unknown part doesn't matter, and what
//! remains is an expression that can be written in its place.

use github_actions_expressions::call::{Call, Function};
use github_actions_expressions::context::Context;
use github_actions_expressions::literal::Literal;
use github_actions_expressions::op::{BinExpr, BinOp, UnOp};
use github_actions_expressions::{Evaluation, Expr, Origin, SpannedExpr};
use serde_json::Value as Json;

use crate::budget::{Budget, steps};

/// Longer expressions aren't evaluated. GitHub's own limit is 21,000 characters.
const LONGEST: usize = 8 << 10;
/// The longest text that an expression may evaluate to.
const MOST_TEXT: usize = 64 << 10;

/// A value, as far as known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// All of it is known.
    Known(Json),
    /// Part of it is unknown.
    Open(Text),
}

/// A text, parts of which are unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text(Vec<Piece>);

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Known(String),
    /// Represented by an expression, which contains names but no values.
    Unknown(String),
}

/// Why an expression has no value, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Fault(pub(crate) String);

/// What an expression can name.
pub(crate) trait Contexts {
    /// The value of `context.key`, or of the whole context without a key; `None` if unknown. An event's inputs, which
    /// may be known one by one, are requested as a context of their own: `github.event.inputs`.
    ///
    /// # Errors
    /// It depends on an expression that has no value.
    fn get(&self, context: &str, key: Option<&str>) -> Result<Option<Value>, Fault>;

    /// Answers a question about unknown values, if every answer is being explored; otherwise `None`. `written` is the question
    /// as text, and always gets the same answer.
    fn decide(&self, question: Question<'_>, written: &str) -> Option<bool> {
        let _ = (question, written);
        None
    }
}

/// What the value of an expression depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Question<'a> {
    /// Whether both are equal.
    Equal(&'a Value, &'a Value),
    /// Whether a text function holds.
    Holds(Function, &'a [Value]),
    /// Anything else.
    Other,
}

const EVENT_INPUTS: &str = "github.event.inputs";

impl Value {
    /// A value of which only the expression for it is known.
    pub(crate) fn unknown(expression: impl Into<String>) -> Self {
        Self::Open(Text(vec![Piece::Unknown(expression.into())]))
    }

    /// A known text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Known(Json::String(text.into()))
    }

    /// Converts it to text as the runner does.
    ///
    /// # Errors
    /// It is a list or an object.
    pub(crate) fn into_text(self) -> Result<Text, Fault> {
        Ok(match self {
            Self::Known(Json::String(text)) => Text::known(text),
            Self::Known(Json::Array(_)) => return Err(Fault("it gives a list, not a string".to_owned())),
            Self::Known(Json::Object(_)) => return Err(Fault("it gives an object, not a string".to_owned())),
            Self::Known(value) => Text::known(shown(value)),
            Self::Open(text) => text,
        })
    }

    /// Whether `&&` and `||` treat it as true.
    fn is_true(&self) -> Option<bool> {
        match self {
            Self::Known(value) => Some(evaluation(value.clone()).as_boolean()),
            Self::Open(text) => text.has_known().then_some(true),
        }
    }

    /// The expression that has this value.
    fn expression(&self) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        match self {
            Self::Known(Json::String(text)) => quoted(text),
            Self::Known(value @ (Json::Array(_) | Json::Object(_))) => {
                format!("fromJSON({})", quoted(&value.to_string()))
            }
            Self::Known(value) => value.to_string(),
            Self::Open(Text(pieces)) => match &**pieces {
                [Piece::Unknown(expression)] => expression.clone(),
                pieces => {
                    let (mut format, mut arguments, mut count) = (String::new(), String::new(), 0);
                    for piece in pieces {
                        match piece {
                            Piece::Known(text) => format += &text.replace('{', "{{").replace('}', "}}"),
                            Piece::Unknown(expression) => {
                                format += &format!("{{{count}}}");
                                arguments += &format!(", {expression}");
                                count += 1;
                            }
                        }
                    }
                    format!("format({}{arguments})", quoted(&format))
                }
            },
        }
    }

    /// The same, as an operand.
    fn operand(&self) -> String {
        let expression = self.expression();
        let is_compound = matches!(self, Self::Open(_)) && expression.contains(['|', '&', '=', '<', '>']);
        if is_compound {
            format!("({expression})")
        } else {
            expression
        }
    }
}

impl Text {
    /// A known text.
    pub(crate) fn known(text: impl Into<String>) -> Self {
        let text = text.into();
        Self(if text.is_empty() {
            Vec::new()
        } else {
            vec![Piece::Known(text)]
        })
    }

    /// The text, if all of it is known.
    pub(crate) fn as_known(&self) -> Option<&str> {
        match &*self.0 {
            [] => Some(""),
            [Piece::Known(text)] => Some(text),
            _ => None,
        }
    }

    /// Its parts.
    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Renames its unknown parts.
    pub(crate) fn renamed(self, name: impl Fn(String) -> String) -> Self {
        let renamed = |piece| match piece {
            Piece::Unknown(expression) => Piece::Unknown(name(expression)),
            known => known,
        };
        Self(self.0.into_iter().map(renamed).collect())
    }

    /// Whether any non-blank part of it is known.
    pub(crate) fn has_known(&self) -> bool {
        let is_known = |piece: &Piece| matches!(piece, Piece::Known(text) if !text.trim().is_empty());
        self.0.iter().any(is_known)
    }

    /// As it would be written, with unknown parts as `${{ … }}`.
    pub(crate) fn written(&self) -> String {
        let written = |piece: &Piece| match piece {
            Piece::Known(text) => text.clone(),
            Piece::Unknown(expression) => format!("${{{{ {expression} }}}}"),
        };
        self.0.iter().map(written).collect()
    }

    /// With masks for unknown parts, in the form that [`crate::text::masked`] reads.
    pub(crate) fn masked(&self) -> String {
        let masked = |piece: &Piece| match piece {
            Piece::Known(text) => text.clone(),
            // A longer one, or one with other characters, could be mistaken for text.
            Piece::Unknown(expression)
                if expression.len() <= 100
                    && expression
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) =>
            {
                format!("${{{{{expression}}}}}")
            }
            Piece::Unknown(_) => "***".to_owned(),
        };
        self.0.iter().map(masked).collect()
    }

    fn push(&mut self, more: Self) -> Result<(), Fault> {
        for piece in more.0 {
            match (self.0.last_mut(), piece) {
                (Some(Piece::Known(text)), Piece::Known(more)) => text.push_str(&more),
                (_, piece) => self.0.push(piece),
            }
        }
        if self.bytes() > MOST_TEXT {
            return Err(Fault(format!("it comes to more than {} KiB", MOST_TEXT >> 10)));
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        let bytes = |piece: &Piece| match piece {
            Piece::Known(text) | Piece::Unknown(text) => text.len(),
        };
        self.0.iter().map(bytes).sum()
    }
}

/// Whether any part of this value is computed when the workflow runs.
pub(crate) fn is_expression(value: &str) -> bool {
    value.contains("${{")
}

/// The value of a text with expressions in it; that of the expression, if the text contains nothing else.
///
/// # Errors
/// An expression doesn't parse, has no value, or exceeds the limits.
pub(crate) fn evaluate(template: &str, contexts: &dyn Contexts, budget: &Budget) -> Result<Value, Fault> {
    let evaluator = Evaluator { contexts, budget };
    let (mut whole, mut rest) = (Text::default(), template);
    evaluator.take(template.len())?;
    while let Some((before, after)) = rest.split_once("${{") {
        let (expression, after) = end(after).ok_or_else(|| {
            Fault(format!(
                "`{}` is not closed",
                shortened(rest.get(before.len()..).unwrap_or(rest))
            ))
        })?;
        let value = evaluator.parsed(expression)?;
        if before.is_empty() && after.is_empty() && rest.len() == template.len() {
            return Ok(value);
        }
        whole.push(Text::known(before))?;
        whole.push(value.into_text().map_err(|fault| in_expression(expression, &fault))?)?;
        rest = after;
    }
    whole.push(Text::known(rest))?;
    Ok(match whole.as_known() {
        Some(text) => Value::text(text),
        None => Value::Open(whole),
    })
}

/// What an `if:` evaluates to; `None` if unknown. (GitHub documentation, "Evaluate expressions": an `if` is an expression
/// with or without `${{ }}`.)
pub(crate) fn condition(text: &str, contexts: &dyn Contexts, budget: &Budget) -> Option<bool> {
    let text = text.trim();
    let inside = text.strip_prefix("${{").and_then(end);
    let expression = match inside {
        Some((expression, "")) => expression,
        // Text around an expression changes its meaning.
        _ if is_expression(text) => return None,
        _ => text,
    };
    let evaluator = Evaluator { contexts, budget };
    evaluator.truth(&evaluator.parsed(expression).ok()?)
}

/// An expression up to its `}}`, ignoring any within quotes, and what follows.
fn end(text: &str) -> Option<(&str, &str)> {
    let mut is_quoted = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '\'' => is_quoted = !is_quoted,
            '}' if !is_quoted => {
                let (expression, rest) = text.split_at_checked(at)?;
                if let Some(rest) = rest.strip_prefix("}}") {
                    return Some((expression, rest));
                }
            }
            _ => {}
        }
    }
    None
}

struct Evaluator<'a> {
    contexts: &'a dyn Contexts,
    budget: &'a Budget,
}

impl Evaluator<'_> {
    fn take(&self, bytes: usize) -> Result<(), Fault> {
        if self.budget.take(16 * steps(bytes)) {
            Ok(())
        } else {
            Err(Fault("there is too much to evaluate".to_owned()))
        }
    }

    fn truth(&self, value: &Value) -> Option<bool> {
        let ask = || self.contexts.decide(Question::Other, &value.expression());
        value.is_true().or_else(ask)
    }

    fn parsed(&self, text: &str) -> Result<Value, Fault> {
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(in_expression(text, &Fault("it is longer than 8 KiB".to_owned())));
        }
        self.take(text.len())?;
        let parsed =
            Expr::parse(text).map_err(|error| in_expression(text, &Fault(format!("it does not parse: {error}"))))?;
        self.value(&parsed).map_err(|fault| in_expression(text, &fault))
    }

    fn value(&self, expression: &SpannedExpr<'_>) -> Result<Value, Fault> {
        self.take(0)?;
        Ok(match &expression.inner {
            Expr::Literal(literal) => Value::Known(match literal {
                Literal::Boolean(value) => Json::Bool(*value),
                Literal::Null => Json::Null,
                Literal::Number(value) => number(*value),
                Literal::String(text) => Json::String(text.clone().into_owned()),
            }),
            Expr::Context(context) => self.context(context)?,
            Expr::Call(call) => self.call(call, expression.origin.raw)?,
            Expr::BinExpr(_) => self.binary(expression)?,
            Expr::UnExpr { op: UnOp::Not, expr } => {
                let value = self.value(expr)?;
                match self.truth(&value) {
                    Some(is_true) => Value::Known(Json::Bool(!is_true)),
                    None => Value::unknown(format!("!{}", value.operand())),
                }
            }
            Expr::Star | Expr::Identifier(_) | Expr::Index(_) => Value::unknown(expression.origin.raw),
        })
    }

    /// Operators of equal precedence form a chain to the left, of any length.
    fn binary(&self, expression: &SpannedExpr<'_>) -> Result<Value, Fault> {
        let (mut chain, mut first) = (Vec::new(), expression);
        while let Expr::BinExpr(BinExpr { lhs, op, rhs }) = &first.inner {
            chain.push((op, rhs));
            first = lhs;
        }
        let mut left = self.value(first)?;
        for (op, rhs) in chain.into_iter().rev() {
            self.take(0)?;
            let truth = matches!(op, BinOp::And | BinOp::Or)
                .then(|| self.truth(&left))
                .flatten();
            left = match (op, truth) {
                (BinOp::And, Some(false)) | (BinOp::Or, Some(true)) => left,
                (BinOp::And, Some(true)) | (BinOp::Or, Some(false)) => self.value(rhs)?,
                _ => self.compared(op, &left, &self.value(rhs)?)?,
            };
        }
        Ok(left)
    }

    fn compared(&self, op: &BinOp, left: &Value, right: &Value) -> Result<Value, Fault> {
        let sign = match op {
            BinOp::And => "&&",
            BinOp::Or => "||",
            BinOp::Eq => "==",
            BinOp::Neq => "!=",
            BinOp::Gt => ">",
            BinOp::Ge => ">=",
            BinOp::Lt => "<",
            BinOp::Le => "<=",
        };
        let (Value::Known(a), Value::Known(b)) = (left, right) else {
            let written = format!("{} {sign} {}", left.operand(), right.operand());
            self.take(written.len())?;
            let decided = match op {
                BinOp::Neq => {
                    let equal = format!("{} == {}", left.operand(), right.operand());
                    self.contexts.decide(Question::Equal(left, right), &equal).map(|is| !is)
                }
                BinOp::Eq => self.contexts.decide(Question::Equal(left, right), &written),
                _ => self.contexts.decide(Question::Other, &written),
            };
            return Ok(decided.map_or_else(|| Value::unknown(written), |is| Value::Known(Json::Bool(is))));
        };
        let (a, b) = (evaluation(a.clone()), evaluation(b.clone()));
        let (a, b) = (a.sema(), b.sema());
        Ok(Value::Known(Json::Bool(match op {
            BinOp::Eq => a == b,
            BinOp::Neq => a != b,
            BinOp::Gt => a > b,
            BinOp::Ge => a >= b,
            BinOp::Lt => a < b,
            BinOp::Le => a <= b,
            BinOp::And | BinOp::Or => false,
        })))
    }

    fn call(&self, call: &Call<'_>, raw: &str) -> Result<Value, Fault> {
        match call.func {
            Function::Always => return Ok(Value::Known(Json::Bool(true))),
            Function::Cancelled | Function::Failure | Function::HashFiles | Function::Success => {
                return Ok(Value::unknown(raw));
            }
            _ => {}
        }
        let arguments: Vec<Value> = call
            .args
            .iter()
            .map(|argument| self.value(argument))
            .collect::<Result<_, _>>()?;
        let open = || {
            let name = raw.split('(').next().unwrap_or(raw).trim();
            let arguments: Vec<String> = arguments.iter().map(Value::expression).collect();
            Value::unknown(format!("{name}({})", arguments.join(", ")))
        };
        let known: Option<Vec<Json>> = arguments
            .iter()
            .map(|argument| match argument {
                Value::Known(value) => Some(value.clone()),
                Value::Open(_) => None,
            })
            .collect();
        match (call.func, &*arguments, known.as_deref()) {
            (Function::Format, [Value::Known(format), rest @ ..], _) => {
                let mut whole = Text::default();
                for piece in format_pieces(&shown(format.clone()))? {
                    whole.push(match piece {
                        Ok(text) => Text::known(text),
                        Err(index) => {
                            let argument = rest.get(index).cloned();
                            argument
                                .ok_or_else(|| Fault(format!("`format` has no argument {index}")))?
                                .into_text()?
                        }
                    })?;
                }
                self.take(whole.bytes())?;
                Ok(match whole.as_known() {
                    Some(text) => Value::text(text),
                    None => Value::Open(whole),
                })
            }
            (Function::Case, _, _) => {
                let (pairs, default) = arguments.as_chunks::<2>();
                for [is_so, value] in pairs {
                    match is_so {
                        Value::Known(Json::Bool(true)) => return Ok(value.clone()),
                        Value::Known(Json::Bool(false)) => {}
                        Value::Known(_) => return Err(Fault("a condition of `case` is not a boolean".to_owned())),
                        Value::Open(_) => return Ok(open()),
                    }
                }
                Ok(default.first().cloned().unwrap_or(Value::Known(Json::Null)))
            }
            (Function::ToJSON, _, Some([value])) => {
                let text = serde_json::to_string_pretty(value).unwrap_or_default();
                self.take(text.len())?;
                Ok(Value::text(text))
            }
            (Function::FromJSON, _, Some([value])) => {
                let text = shown(value.clone());
                self.take(text.len())?;
                let value = serde_json::from_str(&text);
                Ok(Value::Known(value.map_err(|_| {
                    Fault("`fromJSON` is given a text that is not JSON".to_owned())
                })?))
            }
            (_, _, Some(known)) => {
                self.take(known.iter().map(|value| value.to_string().len()).sum())?;
                let written = known.iter().map(expression).collect();
                let call = Expr::Call(Call {
                    func: call.func,
                    args: written,
                });
                Ok(match call.consteval() {
                    Some(Evaluation::Boolean(value)) => Value::Known(Json::Bool(value)),
                    Some(Evaluation::String(text)) => Value::text(text),
                    _ => open(),
                })
            }
            (Function::Contains | Function::EndsWith | Function::StartsWith, _, None) => {
                let open = open();
                let question = Question::Holds(call.func, &arguments);
                let decided = self.contexts.decide(question, &open.expression());
                Ok(decided.map_or(open, |is| Value::Known(Json::Bool(is))))
            }
            _ => Ok(open()),
        }
    }

    /// `github.ref`, `matrix['role']`, `fromJSON(…).a[0]`.
    fn context(&self, context: &Context<'_>) -> Result<Value, Fault> {
        let mut parts = context.parts.iter();
        let Some(head) = parts.next() else {
            return Ok(Value::Known(Json::Null));
        };
        let mut parts = parts.peekable();
        let mut value = match &head.inner {
            Expr::Identifier(name) => {
                let name = name.as_str();
                let key = match parts.peek() {
                    Some(part) => self.key(part)?,
                    None => Key::None,
                };
                match &key {
                    Key::Name(key) => {
                        parts.next();
                        match self.event_input(name, key, parts.clone())? {
                            Some(input) => {
                                parts.nth(1);
                                input
                            }
                            None => {
                                let found = self.contexts.get(&name.to_ascii_lowercase(), Some(key))?;
                                found.unwrap_or_else(|| Value::unknown(format!("{name}{}", access(key))))
                            }
                        }
                    }
                    _ => {
                        let found = self.contexts.get(&name.to_ascii_lowercase(), None)?;
                        found.unwrap_or_else(|| Value::unknown(name))
                    }
                }
            }
            _ => self.value(head)?,
        };
        let mut is_filtered = false;
        for part in parts {
            self.take(0)?;
            let key = self.key(part)?;
            value = match (value, key) {
                (Value::Known(of), Key::Name(key)) => Value::Known(member(of, &key, is_filtered)),
                (Value::Known(of), Key::All | Key::None) => {
                    is_filtered = true;
                    Value::Known(Json::Array(match of {
                        Json::Array(list) => list,
                        Json::Object(map) => map.into_iter().map(|(_, value)| value).collect(),
                        _ => Vec::new(),
                    }))
                }
                (of, Key::Name(key)) => Value::unknown(format!("{}{}", of.operand(), access(&key))),
                (of, Key::All | Key::None) => Value::unknown(format!("{}.*", of.operand())),
                (of, Key::Open(key)) => Value::unknown(format!("{}[{key}]", of.operand())),
            };
        }
        Ok(value)
    }

    /// `github.event.inputs.x`, of which `rest` starts with the last two parts.
    fn event_input<'e>(
        &self,
        name: &str,
        key: &str,
        mut rest: impl Iterator<Item = &'e SpannedExpr<'e>>,
    ) -> Result<Option<Value>, Fault> {
        let is_inputs = |part: &SpannedExpr<'_>| match &part.inner {
            Expr::Identifier(name) => name.as_str().eq_ignore_ascii_case("inputs"),
            _ => false,
        };
        let is_event = name.eq_ignore_ascii_case("github") && key.eq_ignore_ascii_case("event");
        let input = match (is_event && rest.next().is_some_and(is_inputs))
            .then(|| rest.next())
            .flatten()
        {
            Some(input) => self.key(input)?,
            None => return Ok(None),
        };
        match input {
            Key::Name(input) => self.contexts.get(EVENT_INPUTS, Some(&input)),
            _ => Ok(None),
        }
    }

    fn key(&self, part: &SpannedExpr<'_>) -> Result<Key, Fault> {
        Ok(match &part.inner {
            Expr::Identifier(name) => Key::Name(name.as_str().to_owned()),
            Expr::Star => Key::All,
            Expr::Index(index) if index.inner == Expr::Star => Key::All,
            Expr::Index(index) => match self.value(index)? {
                Value::Known(key) => Key::Name(shown(key)),
                open => Key::Open(open.expression()),
            },
            _ => Key::Open(part.origin.raw.to_owned()),
        })
    }
}

/// What follows a dot or is in brackets.
enum Key {
    All,
    Name(String),
    None,
    /// Computed by this expression, whose value is unknown.
    Open(String),
}

/// A member of a value; `null` if there is none. Names are case-insensitive.
fn member(of: Json, key: &str, is_filtered: bool) -> Json {
    match of {
        Json::Array(list) if is_filtered => Json::Array(
            list.into_iter()
                .map(|item| member(item, key, false))
                .filter(|item| !item.is_null())
                .collect(),
        ),
        Json::Array(mut list) => match key.parse::<usize>() {
            Ok(index) if index < list.len() => list.swap_remove(index),
            _ => Json::Null,
        },
        Json::Object(map) => {
            let found = map.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
            found.map_or(Json::Null, |(_, value)| value)
        }
        _ => Json::Null,
    }
}

/// A member access, as written.
fn access(key: &str) -> String {
    let is_name = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if is_name {
        format!(".{key}")
    } else {
        format!("['{}']", key.replace('\'', "''"))
    }
}

/// The texts around a format's `{0}`s, and the indices in those.
fn format_pieces(format: &str) -> Result<Vec<Result<String, usize>>, Fault> {
    let fault = || Fault("the text of `format` has a brace that is not closed or not doubled".to_owned());
    let (mut pieces, mut text, mut rest) = (Vec::new(), String::new(), format);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at_checked(at).ok_or_else(fault)?;
        text.push_str(before);
        if let Some(after) = after.strip_prefix("{{").or_else(|| after.strip_prefix("}}")) {
            text.push_str(after_brace(rest, at));
            rest = after;
        } else {
            let (index, after) = after
                .strip_prefix('{')
                .and_then(|rest| rest.split_once('}'))
                .ok_or_else(fault)?;
            pieces.push(Ok(std::mem::take(&mut text)));
            pieces.push(Err(index.parse().map_err(|_| fault())?));
            rest = after;
        }
    }
    text.push_str(rest);
    pieces.push(Ok(text));
    Ok(pieces)
}

/// The doubled brace.
fn after_brace(text: &str, at: usize) -> &str {
    text.get(at..=at).unwrap_or_default()
}

/// The library's form of a value.
fn evaluation(value: Json) -> Evaluation {
    Evaluation::try_from(value).unwrap_or(Evaluation::Null)
}

/// A value as the runner writes it in a text.
fn shown(value: Json) -> String {
    match value {
        Json::String(text) => text,
        value => evaluation(value).sema().to_string(),
    }
}

/// A number as the runner writes it: whole ones without a fraction.
pub(crate) fn number(value: f64) -> Json {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
        Json::from(value as i64)
    } else {
        serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number)
    }
}

/// A known value as part of an expression.
fn expression(value: &Json) -> SpannedExpr<'static> {
    let inner = match value {
        Json::Null => Expr::Literal(Literal::Null),
        Json::Bool(value) => Expr::from(*value),
        Json::Number(value) => Expr::from(value.as_f64().unwrap_or_default()),
        Json::String(text) => Expr::from(text.clone()),
        value @ (Json::Array(_) | Json::Object(_)) => Expr::Call(Call {
            func: Function::FromJSON,
            args: vec![expression(&Json::String(value.to_string()))],
        }),
    };
    SpannedExpr {
        origin: Origin::new(0..0, ""),
        inner,
    }
}

fn in_expression(expression: &str, fault: &Fault) -> Fault {
    if fault.0.starts_with('`') {
        return fault.clone();
    }
    Fault(format!("`${{{{ {} }}}}`: {fault}", shortened(expression.trim())))
}

fn shortened(text: &str) -> String {
    const MOST: usize = 120;
    let mut letters = text.chars();
    let short: String = letters.by_ref().take(MOST).collect();
    if letters.next().is_some() { short + "…" } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// Contexts in which `secrets`, `steps` and anything not listed are unknown.
    struct World;

    impl Contexts for World {
        fn get(&self, context: &str, key: Option<&str>) -> Result<Option<Value>, Fault> {
            let all = json!({
                "env": {"STAGE": "prod", "EMPTY": ""},
                "github": {"ref": "refs/heads/main", "event": {"inputs": {"n": 3}, "labels": [{"name": "a"}, {"name": "b"}]}},
                "matrix": {"role": "deploy", "on": true, "list": ["x", "y"], "account": 123_456_789_012_u64, "half": 0.5},
                "nothing": null,
            });
            let Some(of) = all.get(context) else {
                // Part of it is known.
                return Ok((context == "partly").then(|| {
                    Value::Open(Text(vec![
                        Piece::Known("arn:".to_owned()),
                        Piece::Unknown("secrets.A".to_owned()),
                    ]))
                }));
            };
            Ok(match key {
                None => Some(Value::Known(of.clone())),
                Some(key) if context == "env" => of.get(key).cloned().map(Value::Known),
                Some(key) => Some(Value::Known(member(of.clone(), key, false))),
            })
        }
    }

    fn written(template: &str) -> Result<String, Fault> {
        let text = evaluate(template, &World, &Budget::default())?.into_text()?;
        // A known text can look like an expression: `${{ '${{' }}`.
        assert!(
            text.as_known().is_some() || is_expression(&text.written()),
            "{template}"
        );
        Ok(text.written())
    }

    #[test]
    fn what_is_known_is_evaluated_and_the_rest_is_named() {
        for (template, want) in [
            ("plain", "plain"),
            ("${{ matrix.role }}", "deploy"),
            ("${{ MATRIX['Role'] }}", "deploy"),
            ("a-${{ matrix.role }}-${{env.STAGE}}", "a-deploy-prod"),
            ("${{ matrix.none }}", ""),
            ("${{ nothing.at.all }}", ""),
            (
                "${{ matrix.account }}/${{ matrix.half }}/${{ matrix.on }}/${{ 1.50 }}",
                "123456789012/0.5/true/1.5",
            ),
            ("${{ matrix.list[1] }}${{ matrix.list[7] }}", "y"),
            ("${{ github.event.inputs.n }}", "3"),
            ("${{ join(github.event.labels.*.name, '+') }}", "a+b"),
            ("${{ github.ref == 'REFS/heads/main' && 'p' || 'q' }}", "p"),
            ("${{ github.ref != 'refs/heads/main' && 'p' || 'q' }}", "q"),
            ("${{ env.EMPTY || env.STAGE }}", "prod"),
            ("${{ !env.EMPTY && 1 < 2 }}", "true"),
            ("${{ format('{0}-{{{1}}}', matrix.role, 'ü') }}", "deploy-{ü}"),
            ("${{ fromJSON('{\"prod\": {\"role\": \"r\"}}')[env.STAGE].role }}", "r"),
            ("${{ fromJSON(toJSON(matrix)).role }}", "deploy"),
            ("${{ contains(matrix.list, 'X') }}", "true"),
            (
                "${{ contains('abc', 'B') }}${{ startsWith('abc', 'a') }}${{ endsWith('abc', 'x') }}",
                "truetruefalse",
            ),
            (
                "${{ case(env.STAGE == 'dev', 'd', env.STAGE == 'prod', 'p', 'x') }}",
                "p",
            ),
            ("${{ 'a ''quoted'' }} brace' }}", "a 'quoted' }} brace"),
            ("${{ always() && 'x' }}", "x"),
            // Unknown parts are shown as what can be written in their place.
            ("${{ secrets.ROLE }}", "${{ secrets.ROLE }}"),
            ("${{ secrets[env.STAGE] }}", "${{ secrets.prod }}"),
            (
                "${{ secrets[format('{0}_ROLE', env.STAGE)] }}",
                "${{ secrets.prod_ROLE }}",
            ),
            ("${{ vars['a b'] }}", "${{ vars['a b'] }}"),
            ("${{ steps.x.outputs.role }}", "${{ steps.x.outputs.role }}"),
            ("${{ needs.x.outputs[matrix.role] }}", "${{ needs.x.outputs.deploy }}"),
            ("${{ env.UNSET }}", "${{ env.UNSET }}"),
            ("${{ secrets }}", "${{ secrets }}"),
            ("${{ failure() }}", "${{ failure() }}"),
            ("arn:${{ secrets.A }}:${{ matrix.role }}", "arn:${{ secrets.A }}:deploy"),
            (
                "${{ format('arn:{0}:{1}', secrets.A, matrix.role) }}",
                "arn:${{ secrets.A }}:deploy",
            ),
            (
                "${{ env.STAGE == 'prod' && secrets.P || secrets.D }}",
                "${{ secrets.P || secrets.D }}",
            ),
            (
                "${{ env.STAGE == 'dev' && secrets.P || secrets.D }}",
                "${{ secrets.D }}",
            ),
            ("${{ secrets.P || 'it''s' }}", "${{ secrets.P || 'it''s' }}"),
            (
                "${{ vars.X == 'y' && secrets.P || 'd' }}",
                "${{ ((vars.X == 'y') && secrets.P) || 'd' }}",
            ),
            ("${{ partly.x || 'never' }}", "arn:${{ secrets.A }}"),
            (
                "${{ contains(partly.x, 'b') }}",
                "${{ contains(format('arn:{0}', secrets.A), 'b') }}",
            ),
            (
                "${{ fromJSON(secrets.ROLES).prod }}",
                "${{ fromJSON(secrets.ROLES).prod }}",
            ),
            (
                "${{ fromJSON(vars.ROLES)[secrets.X] }}",
                "${{ fromJSON(vars.ROLES)[secrets.X] }}",
            ),
        ] {
            assert_eq!(written(template).as_deref(), Ok(want), "{template}");
        }
    }

    #[test]
    fn what_has_no_value_says_why() {
        let long = format!("${{{{ {} }}}}", "a||".repeat(4_000));
        let deep = format!("${{{{ {} }}}}", "!".repeat(9_000));
        let wide = format!("${{{{ format('{}') }}}}", "x".repeat(9_000));
        for (template, want) in [
            ("${{ a ||", "`${{ a ||` is not closed"),
            ("${{ 'a }}", "is not closed"),
            ("x ${{ a b }}", "`${{ a b }}`: it does not parse"),
            ("${{ }}", "`${{  }}`: it does not parse"),
            ("${{ nope(1) }}", "it does not parse"),
            ("${{ fromJSON('[1') }}", "`fromJSON` is given a text that is not JSON"),
            (
                "x${{ matrix.list }}",
                "`${{ matrix.list }}`: it gives a list, not a string",
            ),
            ("${{ matrix }}", "it gives an object, not a string"),
            ("${{ format('{0} {1}', 'a') }}", "`format` has no argument 1"),
            (
                "${{ format('{18446744073709551615}', 'a') }}",
                "`format` has no argument",
            ),
            ("${{ format('{0', 'a') }}", "a brace that is not closed"),
            ("${{ case('x', 1, 2) }}", "not a boolean"),
            (&long, "longer than 8 KiB"),
            (&deep, "longer than 8 KiB"),
            (&wide, "longer than 8 KiB"),
            (&"${{ matrix.role }}".repeat(20_000), "KiB"),
        ] {
            let fault = written(template).unwrap_err().to_string();
            assert!(fault.contains(want), "{template:.80}: {fault}");
            assert!(fault.len() < 400, "{fault}");
        }
        let budget = Budget::new(100);
        let all = "${{ matrix.role }}".repeat(100);
        assert!(evaluate(&all, &World, &budget).is_err() && budget.is_spent());
    }

    #[test]
    fn a_condition_is_an_expression_with_or_without_its_braces() {
        for (text, want) in [
            ("true", Some(true)),
            ("false", Some(false)),
            (" ${{ github.ref == 'refs/heads/main' }} ", Some(true)),
            ("github.ref == 'refs/heads/dev'", Some(false)),
            ("success() && github.ref == 'refs/heads/dev'", None),
            ("github.ref == 'refs/heads/dev' && success()", Some(false)),
            ("always()", Some(true)),
            ("failure()", None),
            ("vars.DEPLOY == 'true'", None),
            ("${{ false }} && true", None),
            ("nonsense(", None),
        ] {
            assert_eq!(condition(text, &World, &Budget::default()), want, "{text}");
        }
    }

    #[test]
    fn a_partly_known_text_is_read_as_masked() {
        for (template, want) in [
            (
                "arn:aws:iam::${{ secrets.ACC }}:role/deploy",
                "arn:aws:iam::${{secrets.ACC}}:role/deploy",
            ),
            (
                "arn:aws:iam::${{ secrets.A || secrets['}}'] }}:role/deploy",
                "arn:aws:iam::***:role/deploy",
            ),
        ] {
            let Value::Open(text) = evaluate(template, &World, &Budget::default()).unwrap() else {
                panic!("{template}")
            };
            assert_eq!(text.masked(), want);
            assert!(crate::text::masked::is_masked(&text.masked()), "{template}");
        }
    }

    proptest! {
        #[test]
        fn no_expression_makes_it_panic(
            text in "(\\$\\{\\{|\\}\\}|[a-z.*()\\[\\]!&|<>='{}0-9, -]|format\\(|fromJSON\\(|matrix|secrets\\.A|\\PC){0,60}"
        ) {
            let _ = written(&text);
            let _ = condition(&text, &World, &Budget::default());
        }

        /// What an expression with unknown parts is reduced to evaluates like the whole.
        #[test]
        fn what_is_named_stands_for_the_whole(
            parts in prop::collection::vec(prop::sample::select(vec![
                "secrets.A", "env.STAGE", "'b'", "''", "env.EMPTY", "matrix.on", "github.ref == 'x'", "partly.x",
            ]), 1..5),
            ops in prop::collection::vec(prop::sample::select(vec!["&&", "||", "==", "!="]), 4),
            secret in "[a-z]{0,3}",
        ) {
            struct All(String);
            impl Contexts for All {
                fn get(&self, context: &str, key: Option<&str>) -> Result<Option<Value>, Fault> {
                    match context {
                        "secrets" => Ok(Some(Value::text(&*self.0))),
                        "partly" => Ok(Some(Value::text(format!("arn:{}", self.0)))),
                        _ => World.get(context, key),
                    }
                }
            }
            let mut expression = parts[0].to_owned();
            for (part, op) in parts[1..].iter().zip(ops) {
                expression = format!("{expression} {op} {part}");
            }
            let template = format!("${{{{ {expression} }}}}");
            let all = All(secret);
            let text = |template: &str, contexts: &dyn Contexts| {
                evaluate(template, contexts, &Budget::default()).and_then(Value::into_text).map(|text| text.written())
            };
            let named = text(&template, &World).unwrap();
            prop_assert_eq!(text(&named, &all), text(&template, &all), "{}: {}", template, named);
        }
    }
}
