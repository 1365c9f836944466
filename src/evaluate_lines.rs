//! The `evaluate` subcommand: trust policies against requests in bulk, a JSON line in, a JSON line out.
//!
//! A line is `{"id": …, "trust_policy": {…}, "request": {"action": …, "principal": {…}, "resource": …, "context": {…}}}`.
//! The context is complete: a key that is not in it is absent. A line that is not valid gives a line with the decision
//! `Error`, and the rest go on.

use crate::policy::{self, Decision, Presence, RequestContext, RequestPrincipal};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead, Write};

/// The longest line that is read; a longer one is an error, and is not kept in memory.
pub const MAX_LINE: usize = 16 << 20;

/// How many lines there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Lines answered; empty lines are not.
    pub lines: u64,
    /// Those of them that were answered with `Error`.
    pub errors: u64,
}

/// Evaluates line by line, in order, in memory that does not grow with the number of lines.
///
/// What has been answered is written before more is waited for, so that it works at both ends of a pipe.
///
/// # Errors
/// When reading or writing fails.
pub fn evaluate_lines(mut input: impl BufRead, mut output: impl Write) -> io::Result<Summary> {
    let mut answers = Answers::default();
    // The beginning of a line that is still to come.
    let mut begun = Line::default();
    loop {
        let chunk = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        let length = chunk.len();
        if length == 0 {
            break;
        }
        let mut rest = chunk;
        while let Some((line, after)) = memchr::memchr(b'\n', rest).and_then(|end| rest.split_at_checked(end)) {
            if begun.is_empty() && line.len() <= MAX_LINE {
                answers.answer(line);
            } else {
                begun.push(line);
                begun.finish(&mut answers);
            }
            if answers.text.len() > ENOUGH {
                answers.write(&mut output)?;
            }
            rest = after.get(1..).unwrap_or_default();
        }
        begun.push(rest);
        input.consume(length);
        answers.write(&mut output)?;
    }
    begun.finish(&mut answers);
    answers.write(&mut output)?;
    output.flush()?;
    Ok(answers.summary)
}

/// So many bytes of answers are written at once.
const ENOUGH: usize = 64 << 10;

/// A line that is read in parts.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl Line {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty() && !self.is_too_long
    }

    fn push(&mut self, part: &[u8]) {
        if self.bytes.len() + part.len() > MAX_LINE {
            self.is_too_long = true;
        }
        if self.is_too_long {
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(part);
        }
    }

    fn finish(&mut self, answers: &mut Answers) {
        if self.is_too_long {
            answers.error(None, &format!("the line is longer than {MAX_LINE} bytes"));
        } else {
            answers.answer(&self.bytes);
        }
        self.is_too_long = false;
        self.bytes.clear();
        self.bytes.shrink_to(ENOUGH);
    }
}

#[derive(Default)]
struct Answers {
    text: Vec<u8>,
    is_begun: bool,
    summary: Summary,
}

impl Answers {
    fn answer(&mut self, line: &[u8]) {
        let line = if self.is_begun {
            line
        } else {
            line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
        };
        self.is_begun = true;
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let Ok(line) = std::str::from_utf8(line) else {
            return self.error(None, "the line is not UTF-8");
        };
        let mut case = Case::default();
        if let Err(error) = case.read(line) {
            return self.error(case.id, &error);
        }
        match case.evaluate() {
            Ok((decision, detail)) => self.push(case.id, name(decision), &detail),
            Err(error) => self.error(case.id, &error),
        }
    }

    fn error(&mut self, id: Option<&RawValue>, detail: &str) {
        self.summary.errors += 1;
        self.push(id, "Error", detail);
    }

    fn push(&mut self, id: Option<&RawValue>, decision: &str, detail: &str) {
        self.summary.lines += 1;
        self.text.extend_from_slice(b"{\"id\":");
        self.text.extend_from_slice(id.map_or("null", RawValue::get).as_bytes());
        self.text.extend_from_slice(b",\"decision\":\"");
        self.text.extend_from_slice(decision.as_bytes());
        self.text.extend_from_slice(b"\",\"detail\":");
        // Writing a string to memory does not fail.
        let _ = serde_json::to_writer(&mut self.text, detail);
        self.text.extend_from_slice(b"}\n");
    }

    fn write(&mut self, output: &mut impl Write) -> io::Result<()> {
        if !self.text.is_empty() {
            output.write_all(&self.text)?;
            output.flush()?;
            self.text.clear();
        }
        Ok(())
    }
}

fn name(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "Allow",
        Decision::ExplicitDeny => "ExplicitDeny",
        Decision::ImplicitDeny => "ImplicitDeny",
        Decision::Undecided => "Undecided",
    }
}

/// One line, as far as it was read: the id survives an error that comes after it.
#[derive(Default)]
struct Case<'a> {
    id: Option<&'a RawValue>,
    trust_policy: Option<&'a RawValue>,
    request: Option<RequestContext>,
}

impl<'a> Case<'a> {
    fn read(&mut self, line: &'a str) -> Result<(), String> {
        let mut deserializer = serde_json::Deserializer::from_str(line);
        deserializer
            .deserialize_map(CaseVisitor(self))
            .and_then(|()| deserializer.end())
            .map_err(|error| error.to_string())
    }

    fn evaluate(&self) -> Result<(Decision, String), String> {
        let Some(trust_policy) = self.trust_policy else {
            return Err("the line has no `trust_policy`".to_owned());
        };
        let Some(request) = &self.request else {
            return Err("the line has no `request`".to_owned());
        };
        let trust_policy = trust_policy.get();
        let parsed = if trust_policy.starts_with('"') {
            let text: String =
                serde_json::from_str(trust_policy).map_err(|error| format!("`trust_policy`: {error}"))?;
            policy::parse(&text)
        } else {
            policy::parse::parse_json(trust_policy)
        };
        let policy = parsed.map_err(|error| match error.help {
            Some(help) => format!("`trust_policy`: {}; {help}", error.message),
            None => format!("`trust_policy`: {}", error.message),
        })?;
        Ok(policy::decide_and_say_why(&policy, request))
    }
}

struct CaseVisitor<'v, 'a>(&'v mut Case<'a>);

impl<'de> Visitor<'de> for CaseVisitor<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `trust_policy` and `request`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "id" => once(&mut self.0.id, map.next_value()?, "id")?,
                "trust_policy" => once(&mut self.0.trust_policy, map.next_value()?, "trust_policy")?,
                "request" => once(&mut self.0.request, map.next_value::<Request>()?.0, "request")?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

fn once<T, E: de::Error>(place: &mut Option<T>, value: T, field: &'static str) -> Result<(), E> {
    if place.replace(value).is_some() {
        return Err(E::duplicate_field(field));
    }
    Ok(())
}

/// A string that is borrowed where it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct Request(RequestContext);

impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(expecting = "an object with `action`")]
        struct Parts<'a> {
            #[serde(borrow)]
            action: Cow<'a, str>,
            #[serde(default)]
            principal: Caller,
            #[serde(default)]
            resource: Option<String>,
            #[serde(default)]
            context: Context,
        }
        let parts = Parts::deserialize(deserializer)?;
        let mut request = parts.context.0;
        request.action = parts.action.into_owned();
        request.principal = parts.principal.0;
        request.resource = parts.resource;
        Ok(Self(request))
    }
}

#[derive(Default)]
struct Caller(RequestPrincipal);

impl<'de> Deserialize<'de> for Caller {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(CallerVisitor)
    }
}

struct CallerVisitor;

impl<'de> Visitor<'de> for CallerVisitor {
    type Value = Caller;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one of `federated`, `aws` and `service`")
    }

    fn visit_none<E: de::Error>(self) -> Result<Caller, E> {
        Ok(Caller::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Caller, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Caller, A::Error> {
        let mut caller = None;
        while let Some(Text(key)) = map.next_key()? {
            let value: String = map.next_value()?;
            let this = if key.eq_ignore_ascii_case("federated") {
                RequestPrincipal::Federated(value)
            } else if key.eq_ignore_ascii_case("aws") {
                RequestPrincipal::Aws(value)
            } else if key.eq_ignore_ascii_case("service") {
                RequestPrincipal::Service(value)
            } else {
                return Err(de::Error::unknown_field(&key, &["federated", "aws", "service"]));
            };
            if caller.replace(this).is_some() {
                return Err(de::Error::custom("a request has one principal"));
            }
        }
        caller
            .map(Caller)
            .ok_or_else(|| de::Error::custom("the principal is empty"))
    }
}

#[derive(Default)]
struct Context(RequestContext);

impl<'de> Deserialize<'de> for Context {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ContextVisitor)
    }
}

struct ContextVisitor;

impl<'de> Visitor<'de> for ContextVisitor {
    type Value = Context;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of condition keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Context, A::Error> {
        let mut context = RequestContext::default().with_capacity(FEW_KEYS);
        while let Some(Text(key)) = map.next_key()? {
            let value: &RawValue = map.next_value()?;
            let presence = match value.get().as_bytes().first() {
                Some(b'[') => {
                    let values: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(de::Error::custom)?;
                    let values: Result<Vec<String>, A::Error> =
                        values.into_iter().map(|value| scalar(&key, value)).collect();
                    Presence::Many(values?)
                }
                _ => Presence::One(scalar(&key, value)?),
            };
            if context.set(&key, presence).is_some() {
                return Err(de::Error::custom(format_args!("the context has the key `{key}` twice")));
            }
        }
        Ok(Context(context))
    }
}

/// So many keys a request has without the table growing.
const FEW_KEYS: usize = 14;

/// A string, or a number or a boolean by its own text.
fn scalar<E: de::Error>(key: &str, value: &RawValue) -> Result<String, E> {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'"') => match text.get(1..text.len() - 1) {
            Some(plain) if !plain.contains('\\') => Ok(plain.to_owned()),
            _ => serde_json::from_str(text).map_err(E::custom),
        },
        Some(b't' | b'f' | b'-' | b'0'..=b'9') => Ok(text.to_owned()),
        _ => Err(E::custom(format_args!(
            "the value of `{key}` is not a string, a number, a boolean or a list of them"
        ))),
    }
}
