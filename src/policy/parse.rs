//! JSON text to [`Policy`].
//!
//! Strict JSON, as IAM takes nothing else.
//!
//! What the elements are and which go together: IAM User Guide, `reference_policies_grammar` and
//! `reference_policies_elements`. What cannot be evaluated is an error; IAM refuses more than that (a trust policy's
//! `Resource`, an empty `Statement`, a doubled `Sid`), and what it would refuse is read, so that it can be reported.

use super::json::{self, Fault, Member, Node, Value};
use super::{
    Actions, BasedOn, Condition, ConditionKey, DuplicateKey, Effect, Operator, Policy, Principal, PrincipalEntry,
    PrincipalKind, Resources, Statement, TrustPolicy, Version,
};
use crate::text::alike::did_you_mean;
use crate::text::{Span, Spanned, pointer_to};
use serde::Deserialize;
use serde_json::Value as Document;
use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Why a text is no policy, and where.
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
/// [`ParseError`] for text that is no policy: no JSON, no such element or operator, a missing or wrong value.
pub fn parse(text: &str) -> Result<TrustPolicy, ParseError> {
    read(text, BasedOn::Resource)
}

/// Reads a policy of who asks: identity-based, a permissions boundary or a session policy.
///
/// # Errors
/// As [`parse`]; and for a statement with a `Principal` or without a `Resource`.
pub fn parse_identity(text: &str) -> Result<Policy, ParseError> {
    read(text, BasedOn::Identity)
}

fn read(text: &str, based_on: BasedOn) -> Result<Policy, ParseError> {
    let json = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let base = text.len() - json.len();
    let reader = Reader::new(json, base, based_on)?;
    if let Err(error) = json::check(json) {
        return Err(reader.syntax_error(&error));
    }
    reader.document()
}

/// As [`parse`], for a text of which it is known that it is JSON.
pub(crate) fn parse_json(json: &str) -> Result<TrustPolicy, ParseError> {
    Reader::new(json, 0, BasedOn::Resource)?.document()
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

/// The policy in what is none by itself: percent-encoded, or in what `aws iam get-role` prints, whole or its `Role`.
pub(crate) fn of_role(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Printed {
        role: Option<Role>,
        assume_role_policy_document: Option<Document>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Role {
        assume_role_policy_document: Document,
    }
    if text.len() > MAX_BYTES {
        return None;
    }
    let decoded = decode(text);
    let printed: Option<Printed> = serde_json::from_str(decoded.as_deref().unwrap_or(text)).ok();
    let document = printed.and_then(|printed| {
        let own = printed.role.map(|role| role.assume_role_policy_document);
        own.or(printed.assume_role_policy_document)
    });
    match document {
        Some(Document::String(text)) => Some(lay_out(&text)),
        Some(document) => serde_json::to_string_pretty(&document).ok(),
        None => decoded.map(|text| lay_out(&text)),
    }
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
    based_on: BasedOn,
    duplicates: Vec<DuplicateKey>,
}

/// Where in the document we are, for JSON pointers; written out only when something is to be said.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root,
    Key(&'p Self, &'p str),
    Index(&'p Self, usize),
}

impl Path<'_> {
    fn pointer(self) -> String {
        match self {
            Path::Root => String::new(),
            Path::Key(parent, key) => pointer_to(&parent.pointer(), key),
            Path::Index(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }
}

type Result2<T> = Result<T, ParseError>;

impl<'a> Reader<'a> {
    fn new(json: &'a str, base: usize, based_on: BasedOn) -> Result2<Self> {
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
            based_on,
            duplicates: Vec::new(),
        })
    }

    fn document(mut self) -> Result2<Policy> {
        let value = json::read(self.json, self.base).map_err(|Fault { message, span }| ParseError {
            message: match message.as_str() {
                json::TOO_MANY => message,
                _ => format!("not JSON: {message}"),
            },
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
        Ok(Policy {
            based_on: self.based_on,
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
        let (mut sid, mut effect) = (None, None);
        let mut resource: Option<Resources> = None;
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
                name @ ("Resource" | "NotResource") => {
                    let negated = name == "NotResource";
                    if self.based_on == BasedOn::Identity
                        && resource.as_ref().is_some_and(|other| other.negated != negated)
                    {
                        return Err(self.both("Resource", key));
                    }
                    resource = Some(self.resources(value, name)?);
                }
                other => return Err(self.no_such_element(other, key, &STATEMENT_KEYS, "a statement")),
            }
        }
        let effect = effect.ok_or_else(|| self.missing("Effect", span, "add `\"Effect\": \"Allow\"`"))?;
        if self.based_on == BasedOn::Identity {
            self.check_identity(principal.as_ref(), resource.as_ref(), span)?;
        } else if principal.is_none() {
            return Err(self.missing(
                "Principal",
                span,
                if resource.is_some() {
                    "this looks like a permissions policy; the trust policy is the role's `AssumeRolePolicyDocument`, which `aws iam get-role` prints"
                } else {
                    "in a trust policy, `Principal` says who is allowed to assume the role"
                },
            ));
        }
        if action.is_none() {
            let name = match self.based_on {
                BasedOn::Identity => "sts:AssumeRole",
                BasedOn::Resource => "sts:AssumeRoleWithWebIdentity",
            };
            return Err(self.missing("Action", span, &format!("add `\"Action\": \"{name}\"`")));
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
                        "the versions are `2012-10-17` and `2008-10-17`; they are versions of the policy language, not of the policy"
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
                    help(other, &["Allow", "Deny"]),
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
                    format!("`{name}` must be `*` or an object with the type of principal"),
                    span,
                    Some("write `{\"Federated\": \"arn:…\"}`, or use `AWS` or `Service` as the type".to_owned()),
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
                    format!("there is no principal type {}", quoted(other)),
                    key,
                    help(other, &["AWS", "CanonicalUser", "Federated", "Service"]),
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
        for value in &values {
            self.check_action(&value.value, value.span)?;
        }
        Ok(Actions {
            negated,
            key,
            span,
            values,
            is_list,
        })
    }

    /// A trust policy's is only reported, whatever it is.
    fn resources(&self, value: Value<'a>, name: &str) -> Result2<Resources> {
        let span = value.span;
        let (values, is_list) = match self.based_on {
            BasedOn::Identity => self.strings(value, name)?,
            BasedOn::Resource => (Vec::new(), false),
        };
        Ok(Resources {
            negated: name == "NotResource",
            span,
            values,
            is_list,
        })
    }

    /// IAM's own answers: `Policy document should not specify a principal.` and `Policy statement must contain resources.`
    /// (getmoto/moto, `moto/iam/policy_validation.py`, whose cases were verified against AWS).
    fn check_identity(
        &self,
        principal: Option<&Principal>,
        resources: Option<&Resources>,
        statement: Span,
    ) -> Result2<()> {
        if let Some(principal) = principal {
            return Err(self.error(
                "a policy of the caller has no `Principal`".to_owned(),
                principal.key,
                Some("this looks like a trust policy; a caller's policies are what is attached to its role: `aws iam list-role-policies` and `aws iam list-attached-role-policies`".to_owned()),
            ));
        }
        match resources {
            Some(_) => Ok(()),
            None => Err(self.missing(
                "Resource",
                statement,
                "in a policy of the caller, `Resource` says which roles it is allowed to assume",
            )),
        }
    }

    /// IAM's own answers: `Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.`, `Actions/Condition
    /// can contain only one colon.` and `Action vendors (e.g., aws, ec2, etc.) must not contain wildcards.`, as people
    /// report them (aws-cloudformation/cfn-lint issue 935, boogy/iam-policy-validator issue 172). Of `*:*` reports differ.
    fn check_action(&self, action: &str, span: Span) -> Result2<()> {
        let message = match action.split_once(':') {
            _ if matches!(action, "*" | "*:*") => return Ok(()),
            None => "has no service prefix",
            Some((_, name)) if name.contains(':') => "has more than one colon",
            Some((service, _)) if service.contains(['*', '?']) => "has a wildcard in the service prefix",
            Some(_) => return Ok(()),
        };
        Err(self.error(
            format!("the action {} {message}", quoted(action)),
            span,
            Some("write actions like `sts:AssumeRoleWithWebIdentity`, or `*` for all".to_owned()),
        ))
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

    /// IAM's own answer: `Condition can contain only one colon` (terraform-aws-modules/terraform-aws-eks issue 1084). The
    /// tag key of `aws:ResourceTag/…` may contain colons. A key without a colon is stored, and no request carries it
    /// (getmoto/moto pull request 2269, whose cases were verified against AWS).
    fn check_condition_key(&self, name: &str, span: Span) -> Result2<()> {
        let Some((prefix, rest)) = name.split_once(':') else {
            return Ok(());
        };
        if rest.starts_with("//") {
            return Err(self.error(
                format!("the condition key {} starts with a URL scheme", quoted(name)),
                span,
                Some(format!("remove {}", quoted(&format!("{prefix}://")))),
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

    /// Notes the keys that occur twice; only condition keys can differ in case, as all other names count with theirs. Does one of those that count have two different values?
    fn note_duplicates(&mut self, members: &[Member<'a>], path: Path<'_>, counts: impl Fn(&str) -> bool) -> bool {
        if all_differ(members) {
            return false;
        }
        let mut first: HashMap<String, &Member<'_>> = HashMap::new();
        let mut is_ambiguous = false;
        for member in members {
            let name = member.name.as_ref();
            let before = match first.entry(name.to_ascii_lowercase()) {
                Entry::Occupied(before) => *before.get(),
                Entry::Vacant(place) => {
                    place.insert(member);
                    continue;
                }
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
            help(name, known),
        )
    }

    fn syntax_error(&self, error: &serde_json::Error) -> ParseError {
        let line_start = self
            .json
            .split_inclusive('\n')
            .take(error.line().saturating_sub(1))
            .map(str::len)
            .sum::<usize>();
        let mut start = line_start + error.column().saturating_sub(1);
        if error.to_string().contains("control character") {
            // Here `serde_json` counts what comes before, elsewhere up to and with.
            start += 1;
        }
        let start = self.json.floor_char_boundary(start);
        let found = self.json.get(start..).and_then(|rest| rest.chars().next());
        let end = start + found.map_or(0, char::len_utf8);
        let before = self.json.get(..start).unwrap_or_default().trim_end();
        let (message, help) = match found {
            Some('}' | ']') if before.ends_with(',') => ("trailing comma".to_owned(), Some("remove the last comma")),
            Some('\'') => (json::message(error), Some("JSON takes double quotes only")),
            Some('/' | '#') => (json::message(error), Some("JSON has no comments")),
            _ => (json::message(error), None),
        };
        ParseError {
            message: format!("not JSON: {message}"),
            span: self.span(start, end),
            help: help.map(str::to_owned),
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
        let mut names: Vec<String> = members.iter().map(|member| member.name.to_ascii_lowercase()).collect();
        names.sort_unstable();
        return names.windows(2).all(|pair| pair.first() != pair.last());
    }
    let mut rest = members;
    while let [first, others @ ..] = rest {
        if others.iter().any(|other| other.name.eq_ignore_ascii_case(&first.name)) {
            return false;
        }
        rest = others;
    }
    true
}

fn help(name: &str, known: &[&str]) -> Option<String> {
    did_you_mean(name, known.iter().copied()).map(|known| format!("did you mean `{known}`?"))
}

/// Somebody's own text in a message: in backticks, on one line, not too long.
pub(crate) fn quoted(text: &str) -> String {
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

#[cfg(test)]
#[expect(clippy::string_slice, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WHOLE: &str = r#"{
  "Version": "2012-10-17",
  "Id": "mine",
  "Statement": [
    {
      "Sid": "GitHub",
      "Effect": "Allow",
      "Principal": {"Federated": ["arn:a", "arn:b"], "AWS": "123456789012"},
      "Action": "sts:AssumeRoleWithWebIdentity",
      "Condition": {
        "ForAnyValue:StringLikeIfExists": {"token.actions.githubusercontent.com:sub": ["repo:\u0061/b", "x"]},
        "NumericLessThan": {"aws:RequestTag/a:b:c": 1.50, "t:b": true}
      }
    },
    {"Effect": "Deny", "NotPrincipal": "*", "NotAction": ["sts:*"], "Resource": "*"}
  ]
}"#;

    #[test]
    fn everything_is_kept_with_its_place() {
        for text in [WHOLE.to_owned(), format!("\u{feff}{WHOLE}")] {
            let policy = parse(&text).unwrap();
            let written = |span: Span| &text[span.start..span.end];
            assert!(policy.has_variables() && policy.statement_is_list && policy.duplicates.is_empty());
            assert_eq!(written(policy.version.unwrap().span), "\"2012-10-17\"");
            assert_eq!(policy.id.unwrap().value, "mine");
            assert!(written(policy.statement_span).starts_with('[') && written(policy.statement_span).ends_with(']'));
            let [allow, deny] = policy.statements.as_slice() else {
                panic!("two statements")
            };
            assert!(written(allow.span).starts_with("{\n      \"Sid\"") && written(allow.span).ends_with('}'));
            assert_eq!(allow.sid.as_ref().unwrap().value, "GitHub");
            assert_eq!(written(allow.effect.span), "\"Allow\"");
            let principal = allow.principal.as_ref().unwrap();
            assert_eq!(written(principal.key), "\"Principal\"");
            assert_eq!(principal.entries.len(), 2);
            assert_eq!(principal.entries[0].kind, PrincipalKind::Federated);
            assert_eq!(written(principal.entries[0].key), "\"Federated\"");
            assert_eq!(written(principal.entries[0].values[1].span), "\"arn:b\"");
            assert!(principal.entries[0].is_list && !principal.entries[1].is_list);
            let action = allow.action.as_ref().unwrap();
            assert_eq!(
                (written(action.key), written(action.span)),
                ("\"Action\"", "\"sts:AssumeRoleWithWebIdentity\"")
            );
            assert!(!action.negated && !action.is_list);
            assert!(written(allow.condition_span.unwrap()).starts_with("{\n        \"ForAny"));
            let [like, less] = allow.conditions.as_slice() else {
                panic!("two operators")
            };
            assert_eq!(like.operator.value.to_string(), "ForAnyValue:StringLikeIfExists");
            assert_eq!(written(like.operator.span), "\"ForAnyValue:StringLikeIfExists\"");
            assert_eq!(like.name, "ForAnyValue:StringLikeIfExists");
            assert_eq!(
                written(like.keys[0].key.span),
                "\"token.actions.githubusercontent.com:sub\""
            );
            assert_eq!(like.keys[0].values[0].value, "repo:a/b");
            assert_eq!(written(like.keys[0].values[0].span), r#""repo:\u0061/b""#);
            assert_eq!(written(like.keys[0].span), r#"["repo:\u0061/b", "x"]"#);
            assert!(like.keys[0].is_list);
            assert_eq!(less.keys[0].values[0].value, "1.50");
            assert_eq!(less.keys[1].values[0].value, "true");
            assert_eq!(written(less.keys[1].values[0].span), "true");
            assert!(written(less.span).starts_with("{\"aws:RequestTag/a:b:c\""));
            assert!(deny.principal.as_ref().unwrap().negated && deny.action.as_ref().unwrap().negated);
            assert_eq!(
                deny.principal.as_ref().unwrap().entries[0].kind,
                PrincipalKind::Everyone
            );
            assert_eq!(written(deny.resource.as_ref().unwrap().span), "\"*\"");
            assert_eq!(deny.effect.value, Effect::Deny);
        }
    }

    #[test]
    fn a_missing_version_is_the_old_one() {
        for (version, expected) in [
            ("", false),
            (r#""Version": "2008-10-17","#, false),
            (r#""Version": "2012-10-17","#, true),
        ] {
            let policy = parse(&format!(r#"{{{version} "Statement": []}}"#)).unwrap();
            assert_eq!(policy.has_variables(), expected);
            assert!(policy.statements.is_empty());
        }
    }

    #[test]
    fn what_iam_would_not_store() {
        let statement = |body: &str| format!(r#"{{"Statement": {{"Effect": "Allow", {body}}}}}"#);
        let complete = |more: &str| statement(&format!(r#""Principal": "*", "Action": "*", {more}"#));
        let condition = |body: &str| complete(&format!(r#""Condition": {body}"#));
        for (text, message, at, help) in [
            (String::new(), "not JSON: the text ends within a value", "", ""),
            ("nonsense".into(), "not JSON: expected a value", "o", ""),
            (
                r#"{"Statement": [],}"#.into(),
                "not JSON: trailing comma",
                "}",
                "remove the last comma",
            ),
            (r#"{"Statement": }"#.into(), "not JSON: expected value", "}", ""),
            (
                "{'Statement': []}".into(),
                "not JSON: key must be a string",
                "'",
                "JSON takes double quotes only",
            ),
            (
                "// x\n{}".into(),
                "not JSON: expected value",
                "/",
                "JSON has no comments",
            ),
            (
                "{\"Statement\": [] /* x */}".into(),
                "not JSON: expected `,` or `}`",
                "/",
                "JSON has no comments",
            ),
            (
                r#"{"Statement": []} x"#.into(),
                "not JSON: trailing characters",
                "x",
                "",
            ),
            (
                "{\"Id\": \"a\nb\", \"Statement\": []}".into(),
                "not JSON: control character",
                "\n",
                "",
            ),
            (
                r#"{"Id": "\ud800", "Statement": []}"#.into(),
                "not JSON: ",
                r#""\ud800""#,
                "",
            ),
            (
                r#"{"Id": 01, "Statement": []}"#.into(),
                "not JSON: invalid number",
                "1",
                "",
            ),
            (
                "[".repeat(300) + &"]".repeat(300),
                "not JSON: nested too deeply",
                "",
                "",
            ),
            ("[]".into(), "a policy is a JSON object, not a list", "[]", ""),
            ("null".into(), "a policy is a JSON object, not null", "null", ""),
            ("{}".into(), "the policy has no `Statement`", "{}", "add"),
            (
                r#"{"Statement": [], "statement": []}"#.into(),
                "a policy has no element `statement`",
                "\"statement\"",
                "did you mean `Statement`?",
            ),
            (
                r#"{"Statement": "x"}"#.into(),
                "`Statement` is an object or a list of objects, not a string",
                "\"x\"",
                "",
            ),
            (
                r#"{"Statement": [1]}"#.into(),
                "a statement is an object, not a number",
                "1",
                "",
            ),
            (
                r#"{"Version": "2012-10-18", "Statement": []}"#.into(),
                "there is no policy version `2012-10-18`",
                "\"2012-10-18\"",
                "the versions are",
            ),
            (
                r#"{"Version": 2012, "Statement": []}"#.into(),
                "`Version` takes strings, not a number",
                "2012",
                "put it in quotes",
            ),
            (
                r#"{"Statement": {"Principal": "*", "Action": "*"}}"#.into(),
                "the statement has no `Effect`",
                r#"{"Principal""#,
                "add",
            ),
            (
                statement(r#""Action": "*""#),
                "the statement has no `Principal`",
                r#"{"Effect""#,
                "who is allowed to assume",
            ),
            (
                statement(r#""Principal": "*""#),
                "the statement has no `Action`",
                r#"{"Effect""#,
                "add",
            ),
            (
                complete(r#""Effect": "allow""#),
                "`Effect` is `Allow` or `Deny`, not `allow`",
                "\"allow\"",
                "did you mean `Allow`?",
            ),
            (
                complete(r#""Effect": true"#),
                "`Effect` takes strings, not a boolean",
                "true",
                "",
            ),
            (
                complete(r#""Conditions": {}"#),
                "a statement has no element `Conditions`",
                "\"Conditions\"",
                "did you mean `Condition`?",
            ),
            (
                complete(r#""NotPrincipal": "*""#),
                "a statement has `Principal` or `NotPrincipal`, not both",
                "\"NotPrincipal\"",
                "",
            ),
            (
                complete(r#""NotAction": "*""#),
                "a statement has `Action` or `NotAction`, not both",
                "\"NotAction\"",
                "",
            ),
            (
                statement(r#""NotAction": "*", "Action": "*""#),
                "a statement has `Action` or `NotAction`, not both",
                "\"Action\"",
                "",
            ),
            (
                statement(r#""Action": "*", "Principal": "arn:aws:iam::1:root""#),
                "`Principal` must be `*` or an object",
                "\"arn:aws:iam::1:root\"",
                "Federated",
            ),
            (
                statement(r#""Action": "*", "NotPrincipal": []"#),
                "`NotPrincipal` is `*` or an object, not a list",
                "[]",
                "",
            ),
            (
                statement(r#""Action": "*", "Principal": {"federated": "x"}"#),
                "there is no principal type `federated`",
                "\"federated\"",
                "did you mean `Federated`?",
            ),
            (
                statement(r#""Action": "*", "Principal": {"AWS": 123456789012}"#),
                "`AWS` takes strings, not a number",
                "123456789012",
                "put it in quotes",
            ),
            (
                statement(r#""Principal": "*", "Action": ["a", null]"#),
                "`Action` takes strings, not null",
                "null",
                "",
            ),
            (
                statement(r#""Principal": "*", "Action": "AssumeRoleWithWebIdentity""#),
                "the action `AssumeRoleWithWebIdentity` has no service prefix",
                "\"AssumeRole",
                "`sts:AssumeRoleWithWebIdentity`",
            ),
            (
                statement(r#""Principal": "*", "Action": ["*", "*:*", "sts*"]"#),
                "the action `sts*` has no service prefix",
                "\"sts*\"",
                "`*` for all",
            ),
            (
                statement(r#""Principal": "*", "NotAction": "s?s:*""#),
                "the action `s?s:*` has a wildcard in the service prefix",
                "\"s?s:*\"",
                "write actions like",
            ),
            (
                statement(r#""Principal": "*", "Action": "*:Assume*""#),
                "the action `*:Assume*` has a wildcard",
                "\"*:Assume*\"",
                "write actions like",
            ),
            (
                statement(r#""Principal": "*", "Action": "sts:sts:AssumeRole""#),
                "the action `sts:sts:AssumeRole` has more than one colon",
                "\"sts:sts",
                "write actions like",
            ),
            (complete(r#""Sid": {}"#), "`Sid` takes strings, not an object", "{}", ""),
            (
                condition("[]"),
                "`Condition` is an object of operators, not a list",
                "[]",
                "",
            ),
            (
                condition(r#"{"StringEquals": "x"}"#),
                "a condition operator holds an object of condition keys, not a string",
                "\"x\"",
                "",
            ),
            (
                condition(r#"{"ForAllValuesStringEquals": {}}"#),
                "there is no condition operator `ForAllValuesStringEquals`",
                "\"ForAllValuesStringEquals\"",
                "did you mean `ForAllValues:StringEquals`?",
            ),
            (
                condition(r#"{"stringEquals": {}}"#),
                "there is no condition operator `stringEquals`",
                "\"stringEquals\"",
                "did you mean `StringEquals`?",
            ),
            (
                condition(r#"{"NullIfExists": {}}"#),
                "there is no condition operator `NullIfExists`",
                "\"NullIfExists\"",
                "`Null` has no `IfExists` form",
            ),
            (
                condition(r#"{"ForAnyValue:NullIfExists": {}}"#),
                "there is no condition operator",
                "\"ForAnyValue",
                "`Null` has no",
            ),
            (
                condition(r#"{"StringEquals": {"https://token.x:sub": "x"}}"#),
                "the condition key `https://token.x:sub` starts with a URL scheme",
                "\"https://token.x:sub\"",
                "remove `https://`",
            ),
            (
                condition(r#"{"StringEquals": {"a:b:c": "x"}}"#),
                "the condition key `a:b:c` has more than one colon",
                "\"a:b:c\"",
                "",
            ),
            (
                condition(r#"{"StringEquals": {"a:b": {}}}"#),
                "the values of `a:b` are strings, numbers or booleans, not an object",
                "{}",
                "",
            ),
            (
                condition(r#"{"StringEquals": {"a:b": ["x", null]}}"#),
                "the values of `a:b` are strings, numbers or booleans, not null",
                "null",
                "",
            ),
            (
                condition(r#"{"StringEquals": {"a:b": [["x"]]}}"#),
                "the values of `a:b` are strings, numbers or booleans, not a list",
                "[\"x\"]",
                "",
            ),
        ] {
            let error = parse(&text).expect_err(&text);
            assert!(error.message.starts_with(message), "{} for {text}", error.message);
            assert!(
                !error.message.ends_with('.') && !error.message.contains('\n'),
                "{}",
                error.message
            );
            let written = text.get(error.span.start..error.span.end).expect("a span in the text");
            assert!(written.starts_with(at), "{written} for {text}");
            assert_eq!(error.help.is_some(), !help.is_empty(), "{:?} for {text}", error.help);
            assert!(error.help.unwrap_or_default().contains(help), "{text}");
            let marked = parse(&format!("\u{feff}{text}")).expect_err(&text);
            assert_eq!(
                (marked.span.start, marked.span.end),
                (error.span.start + 3, error.span.end + 3),
                "{text}"
            );
        }
    }

    #[test]
    fn sizes_and_depths_have_bounds() {
        let long = format!(r#"{{"Id": "{}", "Statement": []}}"#, "x".repeat(MAX_BYTES));
        assert!(parse(&long).unwrap_err().message.contains("longer than"));
        assert_eq!(lay_out(&long), long);
        for text in [
            "[".repeat(1_000_000),
            "{\"a\":".repeat(150_000),
            "[".repeat(400_000) + &"]".repeat(400_000),
        ] {
            assert!(parse(&text).is_err());
            assert_eq!(lay_out(&text), text);
        }
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(lay_out(&nested(MAX_INDENT)).lines().count(), 2 * MAX_INDENT + 1);
        assert_eq!(lay_out(&nested(MAX_INDENT + 1)), nested(MAX_INDENT + 1));
        let list = |length: usize| format!("[{}1]", " ".repeat(length - 3));
        assert_eq!(lay_out(&list(MAX_BYTES)), "[\n  1\n]");
        assert_eq!(lay_out(&list(MAX_BYTES + 1)), list(MAX_BYTES + 1));
        let keys: String = (0..20_000)
            .map(|nth| format!(r#""a:{nth}":"",""#).trim_end_matches('"').to_owned())
            .collect();
        let policy = parse(&format!(
            r#"{{"Statement":{{"Effect":"Deny","Principal":"*","Action":"*","Condition":{{"Bool":{{{keys}"a:0":"x"}}}}}}}}"#
        ));
        let policy = policy.unwrap();
        assert_eq!(policy.statements[0].conditions[0].keys.len(), 20_001);
        assert_eq!(policy.duplicates.len(), 1);
        assert_eq!(policy.duplicates[0].pointer, "/Statement/Condition/Bool");
        assert_eq!(policy.duplicates[0].key, "a:0");
    }

    #[test]
    fn a_doubled_key_is_found_however_it_is_written() {
        let text = r#"{"Statement": {"Effect": "Allow", "Principal": {"AWS": "a", "\u0041WS": "b"}, "Action": "*"}}"#;
        let policy = parse(text).unwrap();
        assert_eq!(policy.duplicates[0].pointer, "/Statement/Principal");
        assert_eq!(
            &text[policy.duplicates[0].again.start..policy.duplicates[0].again.end],
            r#""\u0041WS""#
        );
    }

    #[test]
    fn condition_keys_that_differ_in_case_are_the_same() {
        let keys = |keys: &str| {
            let statement = r#""Effect":"Allow","Principal":"*","Action":"*""#;
            parse(&format!(
                r#"{{"Statement":{{{statement},"Condition":{{"Bool":{{{keys}}}}}}}}}"#
            ))
            .unwrap()
        };
        let many: String = (0..20).map(|nth| format!(r#","t:{nth}":"""#)).collect();
        for more in ["", &many] {
            let policy = keys(&format!(r#""t:k":"true","T:K":"true"{more}"#));
            assert_eq!(policy.duplicates.len(), 1);
            assert_eq!(policy.duplicates[0].key, "T:K");
            assert!(
                keys(&format!(r#""t:k":"true","T:L":"true"{more}"#))
                    .duplicates
                    .is_empty()
            );
        }
        // A key without a prefix is stored by IAM, and carried by no request.
        assert_eq!(
            keys(r#""sub":"true""#).statements[0].conditions[0].keys[0].key.value,
            "sub"
        );
    }

    #[test]
    fn only_a_key_whose_values_differ_is_ambiguous() {
        for (again, expected) in [("sts:B", true), ("sts:A", false)] {
            // The values are looked up in the text, wherever it begins.
            for mark in ["", "\u{feff}"] {
                let text = format!(
                    r#"{mark}{{"Statement":{{"Effect":"Allow","Principal":"*","Action":"sts:A","Action":"{again}"}}}}"#
                );
                let policy = parse(&text).unwrap();
                assert_eq!(policy.duplicates.len(), 1, "{text}");
                assert_eq!(policy.statements[0].is_ambiguous, expected, "{text}");
            }
        }
    }

    #[test]
    fn quoted_text_is_short_and_on_one_line() {
        for (text, expected) in [
            ("x".repeat(256), format!("`{}`", "x".repeat(256))),
            ("x".repeat(257), format!("`{}…`", "x".repeat(256))),
            ("ä".repeat(256), format!("`{}`", "ä".repeat(256))),
            (
                "a\nb\u{2028}c\u{1b}ä".to_owned(),
                "`a\\nb\\u{2028}c\\u{1b}ä`".to_owned(),
            ),
        ] {
            assert_eq!(quoted(&text), expected);
        }
    }

    #[test]
    fn lays_out_one_line_and_leaves_the_rest() {
        let line =
            r#"{"Version":"2012-10-17","Version":"x", "Statement":[{"a":[],"b":{ },"c":1.50e+1,"d":"\u0041 \"{,:" }]}"#;
        let laid_out = r#"{
  "Version": "2012-10-17",
  "Version": "x",
  "Statement": [
    {
      "a": [],
      "b": {},
      "c": 1.50e+1,
      "d": "\u0041 \"{,:"
    }
  ]
}"#;
        let encode =
            |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        for (text, expected) in [
            (line.to_owned(), laid_out),
            (format!("\u{feff}{line}"), laid_out),
            (encode(line), laid_out),
            (encode(line) + "\n", laid_out),
            (encode(&format!("\u{feff}{line}")), laid_out),
            (encode(laid_out), laid_out),
            (laid_out.to_owned(), laid_out),
            (format!("{line}\n"), &format!("{line}\n")),
            // `+` is itself, a percent sign in JSON too.
            ("%7B%22a%22%3A%22b+c%2520%22%7D".to_owned(), "{\n  \"a\": \"b+c%20\"\n}"),
            (r#"{"a":"%20"}"#.to_owned(), "{\n  \"a\": \"%20\"\n}"),
            // Not ours to mend.
            ("nonsense".to_owned(), "nonsense"),
            (r#"{"a":"%20""#.to_owned(), r#"{"a":"%20""#),
            ("%ff%7B".to_owned(), "%ff%7B"),
            ("%7B%22a".to_owned(), "{\"a"),
            ("a%20b\nc".to_owned(), "a%20b\nc"),
            (String::new(), ""),
        ] {
            assert_eq!(lay_out(&text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn laying_out_changes_no_meaning(text in "[ \\[\\]{}\",:a1-9\\\\nu%7B2]{0,40}") {
            let laid_out = lay_out(&text);
            if let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) {
                prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&laid_out).unwrap(), value);
                prop_assert_eq!(lay_out(&laid_out), laid_out.clone());
            }
            let _ = parse(&laid_out);
        }

        #[test]
        fn a_policy_cut_anywhere_is_an_error_in_its_text(at in 0..WHOLE.len()) {
            let text = WHOLE.get(..at).unwrap_or_default();
            let error = parse(text).unwrap_err();
            prop_assert!(text.get(error.span.start..error.span.end).is_some());
        }

        #[test]
        fn a_policy_with_a_character_changed_never_panics(at in 0..WHOLE.len(), c in any::<char>()) {
            let text: String = WHOLE.char_indices().map(|(index, old)| if index == at { c } else { old }).collect();
            if let Err(error) = parse(&text) {
                prop_assert!(text.get(error.span.start..error.span.end).is_some());
            }
            let _ = lay_out(&text);
        }
    }
}
