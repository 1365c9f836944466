//! JSON text to [`TrustPolicy`].
//!
//! Strict JSON, as IAM takes nothing else.
//!
//! What the elements are and which go together: IAM User Guide, `reference_policies_grammar` and
//! `reference_policies_elements`. A text is refused where IAM refuses it, with one exception: `Resource`, which IAM does
//! not take in a trust policy, is kept to be reported.

use super::json::{self, Fault, Member, Node, Value};
use super::{
    Actions, Condition, ConditionKey, DuplicateKey, Effect, Operator, Principal, PrincipalEntry, PrincipalKind,
    Statement, TrustPolicy, Version,
};
use crate::source::{Span, Spanned};
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
    let reader = Reader::new(json, base)?;
    if let Err(error) = json::check(json) {
        return Err(reader.syntax_error(&error));
    }
    reader.document()
}

/// As [`parse`], for a text of which it is known that it is JSON.
pub(crate) fn parse_json(json: &str) -> Result<TrustPolicy, ParseError> {
    Reader::new(json, 0)?.document()
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
    json::check(text).is_ok()
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
    fn new(json: &'a str, base: usize) -> Result2<Self> {
        if json.len() > MAX_BYTES {
            return Err(ParseError {
                message: format!("the policy is longer than {MAX_BYTES} bytes"),
                span: Span::new(base, base + json.len()),
                help: Some("IAM stores at most 8,192 characters".to_owned()),
            });
        }
        Ok(Self {
            json,
            base,
            duplicates: Vec::new(),
        })
    }

    fn document(mut self) -> Result2<TrustPolicy> {
        let value = json::read(self.json, self.base).map_err(|Fault { message, span }| ParseError {
            message: format!("not JSON: {message}"),
            span,
            help: None,
        })?;
        let whole = value.span;
        let members = self.object(value, "a policy is a JSON object")?;
        let is_ambiguous = self.note_duplicates(&members, Path::Root, |key| key != "Id");
        let (mut version, mut id, mut statement) = (None, None, None);
        for Member { name, key, value } in members {
            match name.as_ref() {
                "Version" => version = Some(self.version(value)?),
                "Id" => id = Some(self.string(value, "Id")?),
                "Statement" => statement = Some(value),
                other => return Err(self.no_such_element(other, key, &["Version", "Id", "Statement"], "a policy")),
            }
        }
        let Some(Value { span, node }) = statement else {
            return Err(self.error(
                "the policy has no `Statement`".to_owned(),
                whole,
                Some("add `\"Statement\": [ … ]`".to_owned()),
            ));
        };
        let path = Path::Key(&Path::Root, "Statement");
        let (statements, statement_is_list) = match node {
            Node::Object(members) => (vec![self.statement(members, span, path)?], false),
            Node::List(list) => (self.statements(list, path)?, true),
            other => {
                return Err(self.error(
                    format!("`Statement` is an object or a list of objects, not {}", other.kind()),
                    span,
                    None,
                ));
            }
        };
        Ok(TrustPolicy {
            version,
            id,
            statements,
            statement_is_list,
            statement_span: span,
            duplicates: self.duplicates,
            is_ambiguous,
        })
    }

    fn statements(&mut self, list: Vec<Value<'a>>, path: Path<'_>) -> Result2<Vec<Statement>> {
        let mut statements = Vec::with_capacity(list.len());
        for (index, value) in list.into_iter().enumerate() {
            let span = value.span;
            let members = self.object(value, "a statement is an object")?;
            statements.push(self.statement(members, span, Path::Index(&path, index))?);
        }
        Ok(statements)
    }

    fn statement(&mut self, members: Vec<Member<'a>>, span: Span, path: Path<'_>) -> Result2<Statement> {
        let is_ambiguous = self.note_duplicates(&members, path, |key| key != "Sid");
        let (mut sid, mut effect, mut resource) = (None, None, None);
        let mut principal: Option<Principal> = None;
        let mut action: Option<Actions> = None;
        let (mut conditions, mut condition_span) = (Vec::new(), None);
        for Member { name, key, value } in members {
            match name.as_ref() {
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
                    condition_span = Some(value.span);
                    self.conditions(value, Path::Key(&path, "Condition"), &mut conditions)?;
                }
                "Resource" | "NotResource" => resource = Some(value.span),
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
        let (text, span) = self.text(value, "Version")?;
        let version = match text.as_ref() {
            "2008-10-17" => Version::V2008,
            "2012-10-17" => Version::V2012,
            other => {
                return Err(self.error(
                    format!("there is no policy version {}", quoted(other)),
                    span,
                    Some(
                        "the versions are `2012-10-17` and `2008-10-17`; they name the language, not the policy"
                            .to_owned(),
                    ),
                ));
            }
        };
        Ok(Spanned::new(version, span))
    }

    /// "The Effect value is case sensitive" (`reference_policies_elements_effect`).
    fn effect(&self, value: Value<'a>) -> Result2<Spanned<Effect>> {
        let (text, span) = self.text(value, "Effect")?;
        let effect = match text.as_ref() {
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
        let span = value.span;
        let entries = match value.node {
            Node::Text(text) if text == "*" => vec![PrincipalEntry {
                kind: PrincipalKind::Everyone,
                key: span,
                values: vec![Spanned::new("*".to_owned(), span)],
                is_list: false,
            }],
            Node::Text(_) => {
                return Err(self.error(
                    format!("`{name}` is `*` or an object that names the kind of principal"),
                    span,
                    Some("write `{\"Federated\": \"arn:…\"}`, or `AWS` or `Service` for the kind".to_owned()),
                ));
            }
            Node::Object(members) => {
                self.note_duplicates(&members, path, |_| true);
                let entries = members.into_iter().map(|member| self.principal_entry(member));
                entries.collect::<Result2<_>>()?
            }
            other => {
                return Err(self.error(
                    format!("`{name}` is `*` or an object, not {}", other.kind()),
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

    fn principal_entry(&self, Member { name, key, value }: Member<'a>) -> Result2<PrincipalEntry> {
        let kind = match name.as_ref() {
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
        let (values, is_list) = self.strings(value, &name)?;
        Ok(PrincipalEntry {
            kind,
            key,
            values,
            is_list,
        })
    }

    fn actions(&self, value: Value<'a>, negated: bool, key: Span, name: &str) -> Result2<Actions> {
        let span = value.span;
        let (values, is_list) = self.strings(value, name)?;
        Ok(Actions {
            negated,
            key,
            span,
            values,
            is_list,
        })
    }

    fn conditions(&mut self, value: Value<'a>, path: Path<'_>, conditions: &mut Vec<Condition>) -> Result2<()> {
        let members = self.object(value, "`Condition` is an object of operators")?;
        self.note_duplicates(&members, path, |_| true);
        conditions.reserve(members.len());
        for member in members {
            conditions.push(self.condition(member, path)?);
        }
        Ok(())
    }

    fn condition(&mut self, Member { name, key, value }: Member<'a>, path: Path<'_>) -> Result2<Condition> {
        let Some(operator) = Operator::parse(&name) else {
            return Err(self.error(
                format!("there is no condition operator {}", quoted(&name)),
                key,
                if name.ends_with("NullIfExists") {
                    Some("`Null` has no `IfExists` form".to_owned())
                } else {
                    Operator::suggest(&name).map(|operator| format!("did you mean `{operator}`?"))
                },
            ));
        };
        let span = value.span;
        let members = self.object(value, "a condition operator holds an object of condition keys")?;
        self.note_duplicates(&members, Path::Key(&path, &name), |_| true);
        let keys = members.into_iter().map(|member| self.condition_key(member));
        Ok(Condition {
            operator: Spanned::new(operator, key),
            span,
            keys: keys.collect::<Result2<_>>()?,
            name: name.into_owned(),
        })
    }

    fn condition_key(&self, Member { name, key, value }: Member<'a>) -> Result2<ConditionKey> {
        self.check_condition_key(&name, key)?;
        let span = value.span;
        let (values, is_list) = match value.node {
            Node::List(list) => {
                let values = list.into_iter().map(|value| self.condition_value(value, &name));
                (values.collect::<Result2<_>>()?, true)
            }
            _ => (vec![self.condition_value(value, &name)?], false),
        };
        Ok(ConditionKey {
            key: Spanned::new(name.into_owned(), key),
            values,
            span,
            is_list,
        })
    }

    /// IAM's own answers: `Conditions must be prefaced by a vendor` and `Condition can contain only one colon`
    /// (terraform-aws-modules/terraform-aws-eks issue 1084). The tag key of `aws:ResourceTag/…` may contain colons.
    fn check_condition_key(&self, name: &str, span: Span) -> Result2<()> {
        let Some((prefix, rest)) = name.split_once(':') else {
            return Err(self.error(
                format!("the condition key {} has no prefix", quoted(name)),
                span,
                Some("condition keys have a prefix and a colon: `token.actions.githubusercontent.com:sub`".to_owned()),
            ));
        };
        if rest.starts_with("//") {
            return Err(self.error(
                format!("the condition key {} begins with a URL scheme", quoted(name)),
                span,
                Some(format!("leave out {}", quoted(&format!("{prefix}://")))),
            ));
        }
        if rest.split('/').next().is_some_and(|name| name.contains(':')) {
            return Err(self.error(
                format!("the condition key {} has more than one colon", quoted(name)),
                span,
                None,
            ));
        }
        Ok(())
    }

    fn condition_value(&self, Value { span, node }: Value<'a>, key: &str) -> Result2<Spanned<String>> {
        let text = match node {
            Node::Text(text) => text.into_owned(),
            Node::Number(number) => number.to_owned(),
            Node::Boolean(boolean) => boolean.to_string(),
            other => {
                return Err(self.error(
                    format!(
                        "the values of {} are strings, numbers or booleans, not {}",
                        quoted(key),
                        other.kind()
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
        match value.node {
            Node::List(list) => {
                let values = list.into_iter().map(|value| self.string(value, name));
                Ok((values.collect::<Result2<_>>()?, true))
            }
            _ => Ok((vec![self.string(value, name)?], false)),
        }
    }

    fn string(&self, value: Value<'a>, name: &str) -> Result2<Spanned<String>> {
        let (text, span) = self.text(value, name)?;
        Ok(Spanned::new(text.into_owned(), span))
    }

    fn text(&self, Value { span, node }: Value<'a>, name: &str) -> Result2<(Cow<'a, str>, Span)> {
        match node {
            Node::Text(text) => Ok((text, span)),
            other => Err(self.error(
                format!("`{name}` takes strings, not {}", other.kind()),
                span,
                matches!(other, Node::Number(_)).then(|| "put it in quotes".to_owned()),
            )),
        }
    }

    fn object(&self, Value { span, node }: Value<'a>, wanted: &str) -> Result2<Vec<Member<'a>>> {
        match node {
            Node::Object(members) => Ok(members),
            other => Err(self.error(format!("{wanted}, not {}", other.kind()), span, None)),
        }
    }

    /// Notes the keys that occur twice. Does one of those that count have two different values?
    fn note_duplicates(&mut self, members: &[Member<'a>], path: Path<'_>, counts: impl Fn(&str) -> bool) -> bool {
        if all_differ(members) {
            return false;
        }
        let mut first: HashMap<&str, &Member<'_>> = HashMap::new();
        let mut is_ambiguous = false;
        for member in members {
            let name = member.name.as_ref();
            let Some(before) = first.get(name) else {
                first.insert(name, member);
                continue;
            };
            is_ambiguous |= counts(name) && self.written(&before.value) != self.written(&member.value);
            self.duplicates.push(DuplicateKey {
                key: name.to_owned(),
                pointer: path.pointer(),
                first: before.key,
                again: member.key,
            });
        }
        is_ambiguous
    }

    fn written(&self, value: &Value<'_>) -> &'a str {
        let Span { start, end } = value.span;
        self.json.get(start - self.base..end - self.base).unwrap_or_default()
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
        let message = json::message(error);
        ParseError {
            message: format!("not JSON: {}", lower_first(&message)),
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

/// Quick for the few keys that objects of a policy have.
fn all_differ(members: &[Member<'_>]) -> bool {
    if members.len() > 16 {
        let mut names: Vec<&str> = members.iter().map(|member| member.name.as_ref()).collect();
        names.sort_unstable();
        return names.windows(2).all(|pair| pair.first() != pair.last());
    }
    let mut rest = members;
    while let [first, others @ ..] = rest {
        if others.iter().any(|other| other.name == first.name) {
            return false;
        }
        rest = others;
    }
    true
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
    const LONGEST: usize = 256;
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~');
    let mut shown = String::with_capacity(text.len().min(LONGEST) + 2);
    shown.push('`');
    if text.len() <= LONGEST && text.bytes().all(is_plain) {
        shown.push_str(text);
    } else {
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
    }
    shown.push('`');
    shown
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
