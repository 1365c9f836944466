//! Terraform expressions, as far as they can be evaluated without AWS; what can't be is unknown, named after what would
//! have to be known.

use std::rc::Rc;

use hcl_edit::Ident;
use hcl_edit::expr::{BinaryOperator, Expression, ForExpr, ObjectKey, TraversalOperator, UnaryOperator};
use hcl_edit::template::{Directive, Element, Template};

use super::functions;
use super::module::Module;
use crate::infra::value::{Kind, MOST_TEXT, Place, Text, Value};
use crate::text::Span;

/// References and expressions nested deeper than this are unknown.
const MOST_DEPTH: usize = 120;
/// The most elements of a collection.
pub(super) const MOST_ELEMENTS: usize = 1000;

/// Names bound by a `for`, a `dynamic` block or an instance, innermost last.
pub(super) type Names = Vec<(String, Rc<Value>)>;

/// Where an expression is, and what it can refer to.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) module: &'a Module<'a>,
    /// Index of the file.
    pub(super) file: usize,
    pub(super) names: &'a [(String, Rc<Value>)],
    pub(super) depth: usize,
}

impl<'a> Scope<'a> {
    fn place(&self, expression: &impl hcl_edit::Span) -> Place {
        let span = expression
            .span()
            .map_or_else(Span::default, |range| Span::new(range.start, range.end));
        Place::new(self.file, span)
    }

    fn source(&self, place: Place) -> &'a str {
        let text = self.module.text(self.file);
        text.get(place.span.start..place.span.end).unwrap_or_default()
    }

    fn unknown(&self, place: Place) -> Value {
        Value::unknown(self.source(place), place)
    }

    /// Evaluates an expression.
    pub(super) fn value(&self, expression: &Expression) -> Value {
        let place = self.place(expression);
        if self.depth >= MOST_DEPTH || !self.module.work(1) {
            return self.unknown(place);
        }
        let scope = Scope {
            depth: self.depth + 1,
            ..*self
        };
        let value = scope.evaluate(expression, place);
        // A compound value is copied wherever it is referenced.
        if self.module.work(value.weight()) {
            value
        } else {
            self.unknown(place)
        }
    }

    fn evaluate(&self, expression: &Expression, place: Place) -> Value {
        match expression {
            Expression::Null(_) => Value::new(Kind::Null, place),
            Expression::Bool(value) => Value::new(Kind::Bool(*value.value()), place),
            Expression::Number(number) => Value::new(Kind::Number(number.value().to_string()), place),
            Expression::String(text) => Value::text(text.as_str(), place),
            Expression::Array(items) => {
                Value::new(Kind::List(items.iter().map(|item| self.value(item)).collect()), place)
            }
            Expression::Object(object) => {
                let entries = object
                    .iter()
                    .map(|(key, value)| (self.key(key), self.value(value.expr())));
                Value::new(Kind::Object(entries.collect()), place)
            }
            Expression::StringTemplate(template) => self.template(template, place),
            Expression::HeredocTemplate(heredoc) => self.template(&heredoc.template, place),
            Expression::Parenthesis(inner) => self.value(inner.inner()),
            Expression::Variable(name) => self.name(name.value(), place),
            Expression::Conditional(conditional) => match self.value(&conditional.cond_expr).kind {
                Kind::Bool(true) => self.value(&conditional.true_expr),
                Kind::Bool(false) => self.value(&conditional.false_expr),
                _ => {
                    let (one, other) = (self.value(&conditional.true_expr), self.value(&conditional.false_expr));
                    if one.kind == other.kind {
                        one
                    } else {
                        self.unknown(place)
                    }
                }
            },
            Expression::FuncCall(call) => {
                let name = call.name.name.value().as_str();
                if !call.name.namespace.is_empty() && call.name.namespace.iter().any(|part| part.as_str() != "core") {
                    return self.unknown(place);
                }
                let mut arguments: Vec<Value> = call.args.iter().map(|argument| self.value(argument)).collect();
                if call.args.expand_final()
                    && let Some(last) = arguments.pop()
                {
                    match last.kind {
                        Kind::List(items) => arguments.extend(items),
                        _ => return self.unknown(place),
                    }
                }
                functions::call(self, name, arguments, place).unwrap_or_else(|| self.unknown(place))
            }
            Expression::Traversal(traversal) => {
                let operators: Vec<&TraversalOperator> = traversal.operators.iter().map(|o| o.value()).collect();
                self.traversal(&traversal.expr, &operators, place)
            }
            Expression::UnaryOp(operation) => match (*operation.operator.value(), self.value(&operation.expr).kind) {
                (UnaryOperator::Not, Kind::Bool(value)) => Value::new(Kind::Bool(!value), place),
                (UnaryOperator::Neg, Kind::Number(text)) => Value::new(Kind::Number(format!("-{text}")), place),
                _ => self.unknown(place),
            },
            Expression::BinaryOp(operation) => {
                let (left, right) = (self.value(&operation.lhs_expr), self.value(&operation.rhs_expr));
                binary(&left, *operation.operator.value(), &right)
                    .map_or_else(|| self.unknown(place), |kind| Value::new(kind, place))
            }
            Expression::ForExpr(expression) => self.for_each(expression, place),
        }
    }

    fn key(&self, key: &ObjectKey) -> Value {
        let place = self.place(key);
        match key {
            ObjectKey::Ident(name) => Value::text(name.as_str(), place),
            // A bare name is a literal key (Terraform, "Types and values").
            ObjectKey::Expression(Expression::Variable(name)) => Value::text(name.as_str(), place),
            ObjectKey::Expression(expression) => {
                let value = self.value(expression);
                match value.as_text() {
                    Some(text) if !matches!(value.kind, Kind::Text(_)) => Value::text(text, value.place),
                    _ => value,
                }
            }
        }
    }

    /// Evaluates a template; one that is a single expression has that expression's value.
    pub(super) fn template(&self, template: &Template, place: Place) -> Value {
        if let Some(Element::Interpolation(only)) = template.as_single_element() {
            return self.value(&only.expr);
        }
        let mut text = Text::default();
        if self.append(template, &mut text).is_none() || text.text.len() > MOST_TEXT {
            return self.unknown(place);
        }
        Value::new(Kind::Text(text), place)
    }

    fn append(&self, template: &Template, text: &mut Text) -> Option<()> {
        for element in template.iter() {
            match element {
                Element::Literal(literal) => {
                    let place = self.place(literal);
                    text.push_literal(literal.value(), self.source(place), place);
                }
                Element::Interpolation(interpolation) => {
                    let value = self.value(&interpolation.expr);
                    text.push(&value)?;
                }
                Element::Directive(directive) => self.directive(directive, text)?,
            }
            if text.text.len() > MOST_TEXT {
                return None;
            }
        }
        Some(())
    }

    fn directive(&self, directive: &Directive, text: &mut Text) -> Option<()> {
        match directive {
            Directive::If(branches) => match (self.value(&branches.if_expr.cond_expr).kind, &branches.else_expr) {
                (Kind::Bool(true), _) => self.append(&branches.if_expr.template, text),
                (Kind::Bool(false), Some(other)) => self.append(&other.template, text),
                (Kind::Bool(false), None) => Some(()),
                _ => None,
            },
            Directive::For(directive) => {
                let each = &directive.for_expr;
                let entries = functions::entries(&self.value(&each.collection_expr))?;
                for (key, value) in entries.into_iter().take(MOST_ELEMENTS) {
                    self.module.work(1).then_some(())?;
                    let names = self.and(
                        each.key_var.as_ref().map(|name| name.as_str()),
                        key,
                        each.value_var.as_str(),
                        value,
                    );
                    self.with_names(&names, |scope| scope.append(&each.template, text))?;
                }
                Some(())
            }
        }
    }

    /// The names in scope, plus those of an entry.
    fn and(&self, key_name: Option<&str>, key: Value, value_name: &str, value: Value) -> Names {
        let mut names = self.names.to_vec();
        names.extend(key_name.map(|name| (name.to_owned(), Rc::new(key))));
        names.push((value_name.to_owned(), Rc::new(value)));
        names
    }

    fn with_names<T>(&self, names: &[(String, Rc<Value>)], run: impl FnOnce(&Scope<'_>) -> T) -> T {
        run(&Scope {
            module: self.module,
            file: self.file,
            names,
            depth: self.depth + 1,
        })
    }

    fn for_each(&self, expression: &ForExpr, place: Place) -> Value {
        let collection = self.value(&expression.intro.collection_expr);
        let Some(entries) = functions::entries(&collection).filter(|entries| entries.len() <= MOST_ELEMENTS) else {
            return self.unknown(place);
        };
        let (mut items, mut pairs): (Vec<Value>, Vec<(Value, Value)>) = (Vec::new(), Vec::new());
        for (key, value) in entries {
            if !self.module.work(1) {
                return self.unknown(place);
            }
            let intro = &expression.intro;
            let names = self.and(
                intro.key_var.as_ref().map(|name| name.as_str()),
                key,
                intro.value_var.as_str(),
                value,
            );
            let made = self.with_names(&names, |scope| {
                if let Some(condition) = &expression.cond {
                    match scope.value(&condition.expr).kind {
                        Kind::Bool(true) => {}
                        Kind::Bool(false) => return Some(None),
                        _ => return None,
                    }
                }
                let key = expression.key_expr.as_ref().map(|key| scope.value(key));
                Some(Some((key, scope.value(&expression.value_expr))))
            });
            match made {
                None => return self.unknown(place),
                Some(None) => {}
                Some(Some((None, value))) => items.push(value),
                Some(Some((Some(key), value))) if expression.grouping => {
                    match pairs.iter_mut().find(|(known, _)| known.as_text() == key.as_text()) {
                        Some((
                            _,
                            Value {
                                kind: Kind::List(list), ..
                            },
                        )) => list.push(value),
                        _ => pairs.push((key, Value::new(Kind::List(vec![value]), place))),
                    }
                }
                Some(Some((Some(key), value))) => pairs.push((key, value)),
            }
        }
        let kind = if expression.key_expr.is_some() {
            Kind::Object(pairs)
        } else {
            Kind::List(items)
        };
        Value::new(kind, place)
    }

    fn name(&self, name: &Ident, place: Place) -> Value {
        let bound = self.names.iter().rev().find(|(bound, _)| bound == name.as_str());
        bound.map_or_else(|| self.unknown(place), |(_, value)| Value::clone(value))
    }

    fn traversal(&self, root: &Expression, operators: &[&TraversalOperator], place: Place) -> Value {
        let mut path: Vec<&str> = Vec::new();
        if let Expression::Variable(name) = root {
            path.push(name.as_str());
            for operator in operators {
                match operator {
                    TraversalOperator::GetAttr(name) => path.push(name.as_str()),
                    _ => break,
                }
            }
        }
        let is_bound = |name: &str| self.names.iter().any(|(bound, _)| bound == name);
        let (value, used) = match &*path {
            [] => (self.value(root), 0),
            [name, ..] if is_bound(name) => (self.value(root), 0),
            _ => match self.module.reference(&path, self.depth) {
                Some(found) => found,
                None => return self.unknown(place),
            },
        };
        match operators.get(used..) {
            Some(rest) => self.steps(value, rest).unwrap_or_else(|| self.unknown(place)),
            None => self.unknown(place),
        }
    }

    /// The value at the end of a path; `None` if the path can't be followed.
    fn steps(&self, mut value: Value, operators: &[&TraversalOperator]) -> Option<Value> {
        for (at, operator) in operators.iter().enumerate() {
            value = match operator {
                TraversalOperator::GetAttr(name) => value.get(name.as_str())?.clone(),
                TraversalOperator::LegacyIndex(index) => value.element(usize::try_from(*index.value()).ok()?)?,
                TraversalOperator::Index(index) => {
                    let index = self.value(index);
                    match (&index.kind, value.entries()) {
                        (Kind::Number(number), _) => value.element(number.parse().ok()?)?,
                        // Both iterate over the same keys, whatever they are.
                        (Kind::Unknown(index), [(key, only)]) if key.kind == Kind::Unknown(index.clone()) => {
                            only.clone()
                        }
                        _ => value.get(index.known_text()?)?.clone(),
                    }
                }
                TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_) => {
                    let rest = operators.get(at + 1..)?;
                    let items = match &value.kind {
                        Kind::List(items) => items.clone(),
                        Kind::Null => Vec::new(),
                        Kind::Unknown(_) => return None,
                        _ => vec![value.clone()],
                    };
                    let items = items
                        .into_iter()
                        .map(|item| self.steps(item, rest))
                        .collect::<Option<_>>()?;
                    return Some(Value::new(Kind::List(items), value.place));
                }
            };
        }
        Some(value)
    }
}

fn binary(left: &Value, operator: BinaryOperator, right: &Value) -> Option<Kind> {
    use BinaryOperator as Op;
    let known = left.is_known() && right.is_known();
    let number = |value: &Value| match &value.kind {
        Kind::Number(text) => text.parse::<f64>().ok(),
        _ => None,
    };
    Some(match (operator, &left.kind, &right.kind) {
        (Op::And, Kind::Bool(false), _) | (Op::And, _, Kind::Bool(false)) => Kind::Bool(false),
        (Op::Or, Kind::Bool(true), _) | (Op::Or, _, Kind::Bool(true)) => Kind::Bool(true),
        (Op::And, Kind::Bool(a), Kind::Bool(b)) => Kind::Bool(*a && *b),
        (Op::Or, Kind::Bool(a), Kind::Bool(b)) => Kind::Bool(*a || *b),
        (Op::Eq, ..) if known => Kind::Bool(same(left, right)),
        (Op::NotEq, ..) if known => Kind::Bool(!same(left, right)),
        // An existing list or text isn't null, whatever it contains.
        (Op::Eq, Kind::List(_) | Kind::Object(_) | Kind::Text(_), Kind::Null) => Kind::Bool(false),
        (Op::NotEq, Kind::List(_) | Kind::Object(_) | Kind::Text(_), Kind::Null) => Kind::Bool(true),
        _ => {
            let (a, b) = (number(left)?, number(right)?);
            match operator {
                Op::Less => Kind::Bool(a < b),
                Op::LessEq => Kind::Bool(a <= b),
                Op::Greater => Kind::Bool(a > b),
                Op::GreaterEq => Kind::Bool(a >= b),
                Op::Plus => Kind::Number((a + b).to_string()),
                Op::Minus => Kind::Number((a - b).to_string()),
                Op::Mul => Kind::Number((a * b).to_string()),
                Op::Div if b != 0.0 => Kind::Number((a / b).to_string()),
                Op::Mod if b != 0.0 => Kind::Number((a % b).to_string()),
                _ => return None,
            }
        }
    })
}

/// Whether they are equal, regardless of place.
fn same(left: &Value, right: &Value) -> bool {
    match (&left.kind, &right.kind) {
        (Kind::List(a), Kind::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Kind::Object(a), Kind::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| {
                    key.known_text()
                        .and_then(|key| right.get(key))
                        .is_some_and(|other| same(value, other))
                })
        }
        (Kind::Null, Kind::Null) => true,
        (Kind::Null, _) | (_, Kind::Null) => false,
        _ => left.as_text().is_some() && left.as_text() == right.as_text(),
    }
}
