//! JSON text to [`TrustPolicy`].
//!
//! Strict JSON, as IAM takes nothing else, read twice: `serde_json` says whether it is JSON at all, `jsonc-parser` gives
//! the tree with the place of every part and with keys that occur twice, which `serde_json` drops.
//!
//! What the elements are and which go together: IAM User Guide, `reference_policies_grammar` and
//! `reference_policies_elements`. A text is refused where IAM refuses it, with one exception: `Resource`, which IAM does
//! not take in a trust policy, is kept to be reported.

use super::{
    Actions, Condition, ConditionKey, DuplicateKey, Effect, Operator, Principal, PrincipalEntry, PrincipalKind,
    Statement, TrustPolicy, Version,
};
use crate::source::{Span, Spanned};
use jsonc_parser::ast::{Array, Object, ObjectProp, Value};
use jsonc_parser::common::Ranged;
use std::borrow::Cow;
use std::collections::HashMap;

/// Why a text is no trust policy, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// What is wrong: lower case, no full stop, the policy's own words in backticks.
    pub message: String,
    /// Where in the text.
    pub span: Span,
    /// What to do about it, where that can be said.
    pub help: Option<String>,
}

/// The longest text that is read. IAM stores at most 8,192 characters without white space
/// (IAM User Guide, `reference_iam-quotas`).
pub const MAX_BYTES: usize = 1 << 20;

/// Reads a trust policy.
///
/// # Errors
/// [`ParseError`] for text that IAM would not store: no JSON, no such element or operator, a missing or wrong value.
pub fn parse(text: &str) -> Result<TrustPolicy, ParseError> {
    let json = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let base = text.len() - json.len();
    let reader = Reader {
        json,
        base,
        duplicates: Vec::new(),
    };
    if json.len() > MAX_BYTES {
        return Err(ParseError {
            message: format!("the policy is longer than {MAX_BYTES} bytes"),
            span: Span::new(base, text.len()),
            help: Some("IAM stores at most 8,192 characters".to_owned()),
        });
    }
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(json) {
        return Err(reader.syntax_error(&error));
    }
    reader.document()
}

/// The text as a person wants to read it: `GetRole` answers with one percent-encoded line, which is decoded and laid
/// out; text with line breaks stays as it is, byte for byte. A byte-order mark is dropped.
///
/// The encoding is RFC 3986 (IAM API Reference, `GetRole`), in which `+` is itself.
#[must_use]
pub fn lay_out(text: &str) -> String {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let text = decode(text).unwrap_or(Cow::Borrowed(text));
    if text.contains(['\n', '\r']) || text.len() > MAX_BYTES || !is_json(&text) {
        return text.into_owned();
    }
    indent(&text).unwrap_or_else(|| text.into_owned())
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Deeper nesting is not laid out: each line would be longer than the last.
const MAX_INDENT: usize = 32;

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// The text without percent-encoding, if that is what it is.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    let line = text.trim();
    if !line.contains('%') || line.contains(['\n', '\r']) || is_json(line) {
        return None;
    }
    let decoded = percent_encoding::percent_decode_str(line).decode_utf8().ok()?;
    let decoded = match decoded.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => Cow::Owned(rest.to_owned()),
        None => decoded,
    };
    // JSON that is merely broken begins with a brace and keeps its percent signs.
    (!line.starts_with('{') || is_json(&decoded)).then_some(decoded)
}

/// Valid JSON on lines of its own, two spaces a level; strings, numbers, order and doubled keys as they are.
fn indent(json: &str) -> Option<String> {
    let mut laid_out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut chars = json.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => {}
            '"' => {
                laid_out.push(c);
                let mut escaped = false;
                for c in chars.by_ref() {
                    laid_out.push(c);
                    if c == '"' && !escaped {
                        break;
                    }
                    escaped = c == '\\' && !escaped;
                }
            }
            '{' | '[' => {
                laid_out.push(c);
                while chars.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
                if let Some(close) = chars.next_if(|c| matches!(c, '}' | ']')) {
                    laid_out.push(close);
                    continue;
                }
                depth += 1;
                if depth > MAX_INDENT {
                    return None;
                }
                new_line(&mut laid_out, depth);
            }
            '}' | ']' => {
                depth = depth.checked_sub(1)?;
                new_line(&mut laid_out, depth);
                laid_out.push(c);
            }
            ',' => {
                laid_out.push(c);
                new_line(&mut laid_out, depth);
            }
            ':' => laid_out.push_str(": "),
            other => laid_out.push(other),
        }
    }
    Some(laid_out)
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

struct Reader<'a> {
    json: &'a str,
    /// Where `json` begins in the text that was given.
    base: usize,
    duplicates: Vec<DuplicateKey>,
}

/// Where in the document we are, for JSON pointers; written out only when something is to be said.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl Path<'_> {
    fn pointer(self) -> String {
        match self {
            Path::Root => String::new(),
            Path::Key(parent, key) => format!("{}/{}", parent.pointer(), key.replace('~', "~0").replace('/', "~1")),
            Path::Index(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }
}

type Result2<T> = Result<T, ParseError>;

impl<'a> Reader<'a> {
    fn document(mut self) -> Result2<TrustPolicy> {
        let parsed = jsonc_parser::parse_to_ast(self.json, &jsonc_parser::CollectOptions::default(), &STRICT).map_err(
            |error| {
                let at = error.range();
                self.error(
                    lower_first(&error.kind().to_string()),
                    self.span(at.start, at.end),
                    None,
                )
            },
        )?;
        let everything = self.span(0, self.json.len());
        let object = match parsed.value {
            Some(Value::Object(object)) => object,
            Some(other) => {
                return Err(self.error(
                    format!("a policy is a JSON object, not {}", kind(&other)),
                    self.span_of(&other),
                    None,
                ));
            }
            None => return Err(self.error("there is no policy".to_owned(), everything, None)),
        };
        let whole = self.span_of(&object);
        let is_ambiguous = self.note_duplicates(&object, Path::Root, |key| key != "Id");
        let (mut version, mut id, mut statement) = (None, None, None);
        for property in object.properties {
            let key = self.key(&property);
            match property.name.as_str() {
                "Version" => version = Some(self.version(property.value)?),
                "Id" => id = Some(self.string(property.value, "Id")?),
                "Statement" => statement = Some(property.value),
                other => return Err(self.no_such_element(other, key, &["Version", "Id", "Statement"], "a policy")),
            }
        }
        let Some(statement) = statement else {
            return Err(self.error(
                "the policy has no `Statement`".to_owned(),
                whole,
                Some("add `\"Statement\": [ … ]`".to_owned()),
            ));
        };
        let statement_span = self.span_of(&statement);
        let path = Path::Key(&Path::Root, "Statement");
        let (statements, statement_is_list) = match statement {
            Value::Object(object) => (vec![self.statement(object, path)?], false),
            Value::Array(list) => (self.statements(list, path)?, true),
            other => {
                return Err(self.error(
                    format!("`Statement` is an object or a list of objects, not {}", kind(&other)),
                    statement_span,
                    None,
                ));
            }
        };
        Ok(TrustPolicy {
            version,
            id,
            statements,
            statement_is_list,
            statement_span,
            duplicates: self.duplicates,
            is_ambiguous,
        })
    }

    fn statements(&mut self, list: Array<'a>, path: Path<'_>) -> Result2<Vec<Statement>> {
        list.elements
            .into_iter()
            .enumerate()
            .map(|(index, value)| match value {
                Value::Object(object) => self.statement(object, Path::Index(&path, index)),
                other => Err(self.error(
                    format!("a statement is an object, not {}", kind(&other)),
                    self.span_of(&other),
                    None,
                )),
            })
            .collect()
    }

    fn statement(&mut self, object: Object<'a>, path: Path<'_>) -> Result2<Statement> {
        let span = self.span_of(&object);
        let is_ambiguous = self.note_duplicates(&object, path, |key| key != "Sid");
        let (mut sid, mut effect, mut resource) = (None, None, None);
        let mut principal: Option<Principal> = None;
        let mut action: Option<Actions> = None;
        let (mut conditions, mut condition_span) = (Vec::new(), None);
        for property in object.properties {
            let key = self.key(&property);
            let value = property.value;
            match property.name.as_str() {
                "Sid" => sid = Some(self.string(value, "Sid")?),
                "Effect" => effect = Some(self.effect(value)?),
                name @ ("Principal" | "NotPrincipal") => {
                    let negated = name == "NotPrincipal";
                    if principal.as_ref().is_some_and(|other| other.negated != negated) {
                        return Err(self.both("Principal", key));
                    }
                    principal = Some(self.principal(value, negated, key, Path::Key(&path, name))?);
                }
                name @ ("Action" | "NotAction") => {
                    let negated = name == "NotAction";
                    if action.as_ref().is_some_and(|other| other.negated != negated) {
                        return Err(self.both("Action", key));
                    }
                    action = Some(self.actions(value, negated, key, name)?);
                }
                "Condition" => {
                    condition_span = Some(self.span_of(&value));
                    conditions.append(&mut self.conditions(value, Path::Key(&path, "Condition"))?);
                }
                "Resource" | "NotResource" => resource = Some(self.span_of(&value)),
                other => return Err(self.no_such_element(other, key, &STATEMENT_KEYS, "a statement")),
            }
        }
        let effect = effect.ok_or_else(|| self.missing("Effect", span, "add `\"Effect\": \"Allow\"`"))?;
        if principal.is_none() {
            return Err(self.missing(
                "Principal",
                span,
                "a trust policy says in `Principal` who may assume the role",
            ));
        }
        if action.is_none() {
            return Err(self.missing("Action", span, "add `\"Action\": \"sts:AssumeRoleWithWebIdentity\"`"));
        }
        Ok(Statement {
            span,
            sid,
            effect,
            principal,
            action,
            conditions,
            condition_span,
            resource,
            is_ambiguous,
        })
    }

    fn version(&self, value: Value<'a>) -> Result2<Spanned<Version>> {
        let Spanned { value, span } = self.string(value, "Version")?;
        let version = match value.as_str() {
            "2008-10-17" => Version::V2008,
            "2012-10-17" => Version::V2012,
            other => {
                return Err(self.error(
                    format!("there is no policy version {}", quoted(other)),
                    span,
                    Some(
                        "the versions are `2012-10-17` and `2008-10-17`; they name the language, not the policy".into(),
                    ),
                ));
            }
        };
        Ok(Spanned::new(version, span))
    }

    fn effect(&self, value: Value<'a>) -> Result2<Spanned<Effect>> {
        let Spanned { value, span } = self.string(value, "Effect")?;
        let effect = match value.as_str() {
            "Allow" => Effect::Allow,
            "Deny" => Effect::Deny,
            other => {
                return Err(self.error(
                    format!("`Effect` is `Allow` or `Deny`, not {}", quoted(other)),
                    span,
                    nearest(other, &["Allow", "Deny"]),
                ));
            }
        };
        Ok(Spanned::new(effect, span))
    }

    fn principal(&mut self, value: Value<'a>, negated: bool, key: Span, path: Path<'_>) -> Result2<Principal> {
        let name = if negated { "NotPrincipal" } else { "Principal" };
        let span = self.span_of(&value);
        let entries = match value {
            Value::StringLit(text) if text.value == "*" => vec![PrincipalEntry {
                kind: PrincipalKind::Everyone,
                key: span,
                values: vec![Spanned::new("*".to_owned(), span)],
                is_list: false,
            }],
            Value::StringLit(_) => {
                return Err(self.error(
                    format!("`{name}` is `*` or an object that names the kind of principal"),
                    span,
                    Some("write `{\"Federated\": \"arn:…\"}`, or `AWS` or `Service` for the kind".to_owned()),
                ));
            }
            Value::Object(object) => {
                self.note_duplicates(&object, path, |_| true);
                object
                    .properties
                    .into_iter()
                    .map(|property| self.principal_entry(property))
                    .collect::<Result2<_>>()?
            }
            other => {
                return Err(self.error(
                    format!("`{name}` is `*` or an object, not {}", kind(&other)),
                    span,
                    None,
                ));
            }
        };
        Ok(Principal {
            negated,
            key,
            span,
            entries,
        })
    }

    fn principal_entry(&self, property: ObjectProp<'a>) -> Result2<PrincipalEntry> {
        let key = self.key(&property);
        let name = property.name.as_str();
        let kind = match name {
            "AWS" => PrincipalKind::Aws,
            "CanonicalUser" => PrincipalKind::CanonicalUser,
            "Federated" => PrincipalKind::Federated,
            "Service" => PrincipalKind::Service,
            other => {
                return Err(self.error(
                    format!("there is no kind of principal {}", quoted(other)),
                    key,
                    nearest(other, &["AWS", "CanonicalUser", "Federated", "Service"]),
                ));
            }
        };
        let (values, is_list) = self.strings(property.value, name)?;
        Ok(PrincipalEntry {
            kind,
            key,
            values,
            is_list,
        })
    }

    fn actions(&self, value: Value<'a>, negated: bool, key: Span, name: &str) -> Result2<Actions> {
        let span = self.span_of(&value);
        let (values, is_list) = self.strings(value, name)?;
        Ok(Actions {
            negated,
            key,
            span,
            values,
            is_list,
        })
    }

    fn conditions(&mut self, value: Value<'a>, path: Path<'_>) -> Result2<Vec<Condition>> {
        let object = self.object(value, "`Condition` is an object of operators")?;
        self.note_duplicates(&object, path, |_| true);
        object
            .properties
            .into_iter()
            .map(|property| self.condition(property, path))
            .collect()
    }

    fn condition(&mut self, property: ObjectProp<'a>, path: Path<'_>) -> Result2<Condition> {
        let name_span = self.key(&property);
        let name = property.name.into_string();
        let Some(operator) = Operator::parse(&name) else {
            return Err(self.error(
                format!("there is no condition operator {}", quoted(&name)),
                name_span,
                if name.contains("IfExists") && name.contains("Null") {
                    Some("`Null` has no `IfExists` form".to_owned())
                } else {
                    Operator::suggest(&name).map(|operator| format!("did you mean `{operator}`?"))
                },
            ));
        };
        let span = self.span_of(&property.value);
        let object = self.object(property.value, "a condition operator holds an object of condition keys")?;
        self.note_duplicates(&object, Path::Key(&path, &name), |_| true);
        let keys = object
            .properties
            .into_iter()
            .map(|property| self.condition_key(property))
            .collect::<Result2<_>>()?;
        Ok(Condition {
            operator: Spanned::new(operator, name_span),
            name,
            span,
            keys,
        })
    }

    fn condition_key(&self, property: ObjectProp<'a>) -> Result2<ConditionKey> {
        let key = Spanned::new(property.name.as_str().to_owned(), self.key(&property));
        self.check_condition_key(&key)?;
        let span = self.span_of(&property.value);
        let (values, is_list) = match property.value {
            Value::Array(list) => (
                list.elements
                    .into_iter()
                    .map(|value| self.condition_value(value, &key.value))
                    .collect::<Result2<_>>()?,
                true,
            ),
            value => (vec![self.condition_value(value, &key.value)?], false),
        };
        Ok(ConditionKey {
            key,
            values,
            span,
            is_list,
        })
    }

    /// IAM's own answers: `Conditions must be prefaced by a vendor` and `Condition can contain only one colon`
    /// (terraform-aws-modules/terraform-aws-eks issue 1084). The tag key of `aws:ResourceTag/…` may contain colons.
    fn check_condition_key(&self, key: &Spanned<String>) -> Result2<()> {
        let text = key.value.as_str();
        let Some((prefix, rest)) = text.split_once(':') else {
            return Err(self.error(
                format!("the condition key {} has no prefix", quoted(text)),
                key.span,
                Some("condition keys have a prefix and a colon: `token.actions.githubusercontent.com:sub`".to_owned()),
            ));
        };
        if rest.starts_with("//") {
            return Err(self.error(
                format!("the condition key {} begins with a URL scheme", quoted(text)),
                key.span,
                Some(format!("leave out `{}`", cut(&format!("{prefix}://")))),
            ));
        }
        if rest.split('/').next().is_some_and(|name| name.contains(':')) {
            return Err(self.error(
                format!("the condition key {} has more than one colon", quoted(text)),
                key.span,
                None,
            ));
        }
        Ok(())
    }

    fn condition_value(&self, value: Value<'a>, key: &str) -> Result2<Spanned<String>> {
        let span = self.span_of(&value);
        let text = match value {
            Value::StringLit(text) => text.value.into_owned(),
            Value::NumberLit(number) => number.value.to_owned(),
            Value::BooleanLit(boolean) => boolean.value.to_string(),
            other => {
                return Err(self.error(
                    format!(
                        "the values of {} are strings, numbers or booleans, not {}",
                        quoted(key),
                        kind(&other)
                    ),
                    span,
                    None,
                ));
            }
        };
        Ok(Spanned::new(text, span))
    }

    /// A string or a list of strings, and whether it is a list.
    fn strings(&self, value: Value<'a>, name: &str) -> Result2<(Vec<Spanned<String>>, bool)> {
        match value {
            Value::Array(list) => {
                let values = list.elements.into_iter().map(|value| self.string(value, name));
                Ok((values.collect::<Result2<_>>()?, true))
            }
            value => Ok((vec![self.string(value, name)?], false)),
        }
    }

    fn string(&self, value: Value<'a>, name: &str) -> Result2<Spanned<String>> {
        let span = self.span_of(&value);
        match value {
            Value::StringLit(text) => Ok(Spanned::new(text.value.into_owned(), span)),
            Value::NumberLit(_) => Err(self.error(
                format!("`{name}` takes strings, not a number"),
                span,
                Some("put it in quotes".to_owned()),
            )),
            other => Err(self.error(format!("`{name}` takes strings, not {}", kind(&other)), span, None)),
        }
    }

    fn object(&self, value: Value<'a>, wanted: &str) -> Result2<Object<'a>> {
        match value {
            Value::Object(object) => Ok(object),
            other => Err(self.error(format!("{wanted}, not {}", kind(&other)), self.span_of(&other), None)),
        }
    }

    /// Notes the keys that occur twice. Does one of those that count have two different values?
    fn note_duplicates(&mut self, object: &Object<'a>, path: Path<'_>, counts: impl Fn(&str) -> bool) -> bool {
        let properties = &object.properties;
        if properties.len() < 2 || all_differ(properties) {
            return false;
        }
        let mut first: HashMap<&str, &ObjectProp<'_>> = HashMap::new();
        let mut is_ambiguous = false;
        for property in properties {
            let key = property.name.as_str();
            let Some(before) = first.get(key) else {
                first.insert(key, property);
                continue;
            };
            is_ambiguous |= counts(key) && before.value.text(self.json) != property.value.text(self.json);
            let duplicate = DuplicateKey {
                key: key.to_owned(),
                pointer: path.pointer(),
                first: self.key(before),
                again: self.key(property),
            };
            self.duplicates.push(duplicate);
        }
        is_ambiguous
    }

    fn key(&self, property: &ObjectProp<'_>) -> Span {
        let range = match &property.name {
            jsonc_parser::ast::ObjectPropName::String(name) => name.range,
            jsonc_parser::ast::ObjectPropName::Word(name) => name.range,
        };
        self.span(range.start, range.end)
    }

    fn span_of(&self, node: &impl Ranged) -> Span {
        self.span(node.start(), node.end())
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.base + start, self.base + end)
    }

    fn error(&self, message: String, span: Span, help: Option<String>) -> ParseError {
        ParseError { message, span, help }
    }

    fn missing(&self, element: &str, statement: Span, help: &str) -> ParseError {
        self.error(
            format!("the statement has no `{element}`"),
            statement,
            Some(help.to_owned()),
        )
    }

    fn both(&self, element: &str, key: Span) -> ParseError {
        self.error(
            format!("a statement has `{element}` or `Not{element}`, not both"),
            key,
            None,
        )
    }

    fn no_such_element(&self, name: &str, key: Span, known: &[&str], whole: &str) -> ParseError {
        self.error(
            format!("{whole} has no element {}", quoted(name)),
            key,
            nearest(name, known),
        )
    }

    fn syntax_error(&self, error: &serde_json::Error) -> ParseError {
        let line_start = self
            .json
            .split_inclusive('\n')
            .take(error.line().saturating_sub(1))
            .map(str::len)
            .sum::<usize>();
        let mut start = (line_start + error.column().saturating_sub(1)).min(self.json.len());
        while !self.json.is_char_boundary(start) {
            start -= 1;
        }
        let found = self.json.get(start..).and_then(|rest| rest.chars().next());
        let end = start + found.map_or(0, char::len_utf8);
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        ParseError {
            message: format!("not JSON: {}", lower_first(message)),
            span: self.span(start, end),
            help: match found {
                Some('\'') => Some("JSON takes double quotes only".to_owned()),
                Some('/' | '#') => Some("JSON has no comments".to_owned()),
                _ if message.contains("trailing comma") => Some("leave out the last comma".to_owned()),
                _ => None,
            },
        }
    }
}

const STATEMENT_KEYS: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Condition",
    "Resource",
    "NotResource",
];

const STRICT: jsonc_parser::ParseOptions = jsonc_parser::ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Quick for the few keys that objects of a policy have.
fn all_differ(properties: &[ObjectProp<'_>]) -> bool {
    if properties.len() > 16 {
        let mut names: Vec<&str> = properties.iter().map(|property| property.name.as_str()).collect();
        names.sort_unstable();
        return names.windows(2).all(|pair| pair.first() != pair.last());
    }
    let mut rest = properties;
    while let [first, others @ ..] = rest {
        if others.iter().any(|other| other.name.as_str() == first.name.as_str()) {
            return false;
        }
        rest = others;
    }
    true
}

fn kind(value: &Value<'_>) -> &'static str {
    match value {
        Value::StringLit(_) => "a string",
        Value::NumberLit(_) => "a number",
        Value::BooleanLit(_) => "a boolean",
        Value::Object(_) => "an object",
        Value::Array(_) => "a list",
        Value::NullKeyword(_) => "null",
    }
}

fn nearest(name: &str, known: &[&str]) -> Option<String> {
    let name: String = name.chars().take(64).map(|c| c.to_ascii_lowercase()).collect();
    known
        .iter()
        .map(|known| {
            (
                strsim::normalized_damerau_levenshtein(&known.to_ascii_lowercase(), &name),
                known,
            )
        })
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| format!("did you mean `{known}`?"))
}

/// Somebody's own text in a message: in backticks, on one line, not too long.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", cut(text))
}

fn cut(text: &str) -> String {
    const LONGEST: usize = 256;
    let mut shown = String::with_capacity(text.len().min(LONGEST));
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST {
            shown.push('…');
            break;
        }
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
