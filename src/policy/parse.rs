//! Parses JSON text into a [`Policy`].
//!
//! Strict JSON, as IAM accepts nothing else.
//!
//! The elements and how they combine: IAM User Guide, `reference_policies_grammar` and
//! `reference_policies_elements`. What can't be evaluated is an error; IAM rejects more than that (a trust policy's
//! `Resource`, an empty `Statement`, a duplicate `Sid`), which is parsed here so that it can be reported.

mod layout;

use super::json::{self, Fault, Member, Node, Value};
use super::{
    Actions, BasedOn, Condition, ConditionKey, DuplicateKey, Effect, Operator, Policy, Principal, PrincipalEntry,
    PrincipalKind, Resources, Statement, TrustPolicy, Version,
};
use crate::text::alike::did_you_mean;
use crate::text::{Span, Spanned, pointer_to};
use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use layout::BYTE_ORDER_MARK;
pub use layout::lay_out;
pub(crate) use layout::of_role;

/// Why a text isn't a policy, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// What is wrong: lower case, no full stop, text from the policy in backticks.
    pub message: String,
    /// Where in the text.
    pub span: Span,
    /// How to fix it, if known.
    pub help: Option<String>,
}

/// The longest text accepted. IAM stores at most 8,192 characters, not counting white space
/// (IAM User Guide, `reference_iam-quotas`).
pub const MAX_BYTES: usize = 1 << 20;

/// Reads a trust policy.
///
/// # Errors
/// [`ParseError`] for text that isn't a policy: not JSON, an unknown element or operator, a missing or wrong value.
pub fn parse(text: &str) -> Result<TrustPolicy, ParseError> {
    read(text, BasedOn::Resource)
}

/// Reads one of the caller's policies: identity-based, a permissions boundary or a session policy.
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

/// As [`parse`], for a text known to be JSON.
pub(crate) fn parse_json(json: &str) -> Result<TrustPolicy, ParseError> {
    Reader::new(json, 0, BasedOn::Resource)?.document()
}

struct Reader<'a> {
    json: &'a str,
    /// Where `json` starts in the original text.
    base: usize,
    based_on: BasedOn,
    duplicates: Vec<DuplicateKey>,
}

/// Where in the document we are, for JSON pointers; only written out when something is reported.
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

    /// In a trust policy its presence is reported, whatever its value.
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

    /// IAM's error messages: `Policy document should not specify a principal.` and `Policy statement must contain resources.`
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

    /// IAM's error messages: `Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.`, `Actions/Condition
    /// can contain only one colon.` and `Action vendors (e.g., aws, ec2, etc.) must not contain wildcards.`, as reported in
    /// aws-cloudformation/cfn-lint issue 935 and boogy/iam-policy-validator issue 172. Reports on `*:*` differ.
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

    /// IAM's error message: `Condition can contain only one colon` (terraform-aws-modules/terraform-aws-eks issue 1084). The
    /// tag key of `aws:ResourceTag/…` may contain colons. A key without a colon is accepted, but no request includes it
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

    /// Records the keys that occur twice; only condition keys can differ in case, as all other names are case-sensitive.
    /// Returns whether one of those that count has two different values.
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
            // Here `serde_json` counts the characters before it, elsewhere up to and including it.
            start += 1;
        }
        let start = self.json.floor_char_boundary(start);
        let found = self.json.get(start..).and_then(|rest| rest.chars().next());
        let end = start + found.map_or(0, char::len_utf8);
        let before = self.json.get(..start).unwrap_or_default().trim_end();
        let (message, help) = match found {
            Some('}' | ']') if before.ends_with(',') => ("trailing comma".to_owned(), Some("remove the last comma")),
            Some('\'') => (json::message(error), Some("JSON allows double quotes only")),
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

/// Fast for the few keys that a policy's objects have.
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

/// User-supplied text for a message: in backticks, on one line, not too long.
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
mod tests;
