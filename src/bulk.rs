//! The `evaluate` subcommand: trust policies against requests in bulk, a JSON line in, a JSON line out.
//!
//! A line is `{"id": …, "trust_policy": {…}, "request": {"action": …, "principal": {…}, "resource": …, "context": {…}}}`.
//! With `identity_policies`, `permissions_boundary` and `session_policies` (a policy or a list) the decision is that of both sides.
//! The context is complete: a key that is not in it is absent. A line that is not valid gives a line with the decision
//! `Error`, and the rest go on.

use crate::policy::parse::quoted;
use crate::policy::{self, Decision, Limits, Policy, Presence, RequestContext, RequestPrincipal, access};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{self, BufRead, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The longest line that is read; a longer one is an error, and is not kept in memory.
pub const MAX_LINE: usize = 16 << 20;

/// The longest value of a condition key. A whole token has at most 20,000 characters (STS API Reference,
/// `AssumeRoleWithWebIdentity`).
pub const MAX_VALUE: usize = 64 << 10;

/// The most values of a request, those of all its condition keys together.
pub const MAX_VALUES: usize = 100_000;

/// The most that comparing a policy with a request is allowed to take ([`Limits`]), about a second. A policy as long
/// as IAM takes against 500 values of 100 characters takes less.
pub const MAX_STEPS: u64 = 1 << 30;

/// The longest value of a policy with its variables replaced; IAM stores 8,192 characters, of which 8 are a variable.
pub const MAX_EXPANDED: usize = 256 << 10;

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
pub fn evaluate_lines(input: impl BufRead + Send, output: impl Write + Send) -> io::Result<Summary> {
    evaluate_in_parallel(input, output, 1)
}

/// The same on so many threads, or on as many of them as can be had.
///
/// Whichever thread is free reads the lines that are there and answers them, and waits for its turn to write.
///
/// # Errors
/// When reading or writing fails.
pub fn evaluate_in_parallel(input: impl BufRead + Send, output: impl Write + Send, jobs: usize) -> io::Result<Summary> {
    let input = Mutex::new(Lines::new(input));
    let output = Output::new(output);
    let work = || work(&input, &output);
    let summary = thread::scope(|scope| {
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..jobs).map_while(spawn).collect();
        let mut summary = work();
        for other in others {
            let other = other
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a thread has failed")));
            summary = summary.and_then(|summary| other.map(|other| summary.plus(other)));
        }
        summary
    })?;
    lock(&output.written).writer.flush()?;
    Ok(summary)
}

impl Summary {
    fn plus(self, other: Self) -> Self {
        Self {
            lines: self.lines + other.lines,
            errors: self.errors + other.errors,
        }
    }
}

fn work<R: BufRead, W: Write>(input: &Mutex<Lines<R>>, output: &Output<W>) -> io::Result<Summary> {
    let mut batch = Batch::default();
    let mut answers = Answers::default();
    loop {
        let mut reading = lock(input);
        if output.has_failed() || !reading.read(&mut batch)? {
            return Ok(answers.summary);
        }
        // Nothing more is read beside what is large, so that the memory does not grow with the threads.
        let mut reading = (batch.bytes.len() > LARGE).then_some(reading);
        if batch.is_too_long {
            answers.too_long();
        }
        for line in batch.lines() {
            answers.answer(line);
            if answers.text.len() > ENOUGH {
                output.write(batch.number, &mut answers.text)?;
            }
        }
        output.write(batch.number, &mut answers.text)?;
        output.next(batch.number);
        if let Some(reading) = &mut reading {
            // All long lines are read into the same memory.
            std::mem::swap(&mut reading.begun.bytes, &mut batch.bytes);
            reading.begun.bytes.clear();
        }
    }
}

/// So many bytes of answers are written at once.
const ENOUGH: usize = 64 << 10;

/// More than so many bytes at once come from a long line only.
const LARGE: usize = 256 << 10;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whole lines that are read at once, without the last line break.
#[derive(Default)]
struct Batch {
    /// Which of all batches, from 0.
    number: u64,
    bytes: Vec<u8>,
    /// Is it a line that is too long, and not kept?
    is_too_long: bool,
}

impl Batch {
    fn push(&mut self, part: &[u8]) {
        if self.bytes.len() + part.len() > MAX_LINE {
            self.is_too_long = true;
        }
        if self.is_too_long {
            self.bytes.clear();
        } else {
            if self.bytes.len() + part.len() > LARGE {
                // At once, as growing step by step leaves the steps behind; only what is used takes memory.
                self.bytes.reserve_exact(MAX_LINE - self.bytes.len());
            }
            self.bytes.extend_from_slice(part);
        }
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let bytes = self.bytes.as_slice();
        let is_marked = self.number == 0 && bytes.starts_with(BYTE_ORDER_MARK);
        let mut rest = bytes.get(if is_marked { BYTE_ORDER_MARK.len() } else { 0 }..);
        std::iter::from_fn(move || {
            let all = rest?;
            let end = memchr::memchr(b'\n', all).unwrap_or(all.len());
            let (line, after) = all.split_at_checked(end)?;
            rest = after.get(1..);
            Some(line)
        })
    }

    fn clear(&mut self) {
        self.is_too_long = false;
        self.bytes.clear();
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

struct Lines<R> {
    reader: R,
    /// The beginning of a line that is still to come.
    begun: Batch,
    is_over: bool,
}

impl<R: BufRead> Lines<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            begun: Batch::default(),
            is_over: false,
        }
    }

    /// Waits for a line, and takes those that are there with it. Is there one?
    fn read(&mut self, batch: &mut Batch) -> io::Result<bool> {
        batch.clear();
        while !self.is_over {
            let chunk = match self.reader.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.is_over = true;
                    self.begun.clear();
                    return Err(error);
                }
            };
            self.is_over = chunk.is_empty();
            let end = memchr::memchr(b'\n', chunk);
            let mut used = end.unwrap_or(chunk.len());
            self.begun.push(chunk.get(..used).unwrap_or_default());
            if let Some(end) = end {
                if self.begun.bytes.len() <= ENOUGH && !self.begun.is_too_long {
                    used = memchr::memrchr(b'\n', chunk).unwrap_or(end);
                    self.begun
                        .bytes
                        .extend_from_slice(chunk.get(end..used).unwrap_or_default());
                }
                used += 1;
            }
            self.reader.consume(used);
            if end.is_some() {
                return Ok(self.take(batch));
            }
        }
        Ok((self.begun.is_too_long || !self.begun.bytes.is_empty()) && self.take(batch))
    }

    fn take(&mut self, batch: &mut Batch) -> bool {
        batch.number = self.begun.number + 1;
        std::mem::swap(&mut self.begun, batch);
        if batch.bytes.len() <= LARGE && batch.bytes.capacity() > 2 * LARGE {
            // The memory of long lines stays here.
            self.begun.bytes.extend_from_slice(&batch.bytes);
            std::mem::swap(&mut self.begun.bytes, &mut batch.bytes);
            self.begun.bytes.clear();
        }
        true
    }
}

/// Where the answers go, in the order of the batches.
struct Output<W> {
    written: Mutex<Written<W>>,
    changed: Condvar,
}

struct Written<W> {
    writer: W,
    /// The batch whose answers are next.
    next: u64,
    has_failed: bool,
}

impl<W: Write> Output<W> {
    fn new(writer: W) -> Self {
        Self {
            written: Mutex::new(Written {
                writer,
                next: 0,
                has_failed: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Writes when the batch is next, and nothing after a write that failed.
    fn write(&self, batch: u64, text: &mut Vec<u8>) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let mut written = self.turn(batch);
        let result = if written.has_failed {
            Ok(())
        } else {
            written.writer.write_all(text).and_then(|()| written.writer.flush())
        };
        if result.is_err() {
            written.has_failed = true;
            self.changed.notify_all();
        }
        text.clear();
        text.shrink_to(2 * ENOUGH);
        result
    }

    fn next(&self, batch: u64) {
        self.turn(batch).next = batch + 1;
        self.changed.notify_all();
    }

    fn turn(&self, batch: u64) -> MutexGuard<'_, Written<W>> {
        let waits = |written: &mut Written<W>| written.next != batch && !written.has_failed;
        let turn = self.changed.wait_while(lock(&self.written), waits);
        turn.unwrap_or_else(PoisonError::into_inner)
    }

    fn has_failed(&self) -> bool {
        lock(&self.written).has_failed
    }
}

#[derive(Default)]
struct Answers {
    text: Vec<u8>,
    summary: Summary,
}

impl Answers {
    fn answer(&mut self, line: &[u8]) {
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        if line.len() > MAX_LINE {
            return self.too_long();
        }
        let Ok(line) = std::str::from_utf8(line) else {
            return self.error(None, "the line is not UTF-8");
        };
        let mut case = Asked::default();
        if let Err(error) = case.read(line) {
            return self.error(case.id, &error);
        }
        match case.evaluate() {
            Ok((decision, detail)) => self.push(case.id, name(decision), &detail),
            Err(error) => self.error(case.id, &error),
        }
    }

    fn too_long(&mut self) {
        self.error(None, &format!("the line is longer than {MAX_LINE} bytes"));
    }

    fn error(&mut self, id: Option<&RawValue>, detail: &str) {
        self.summary.errors += 1;
        self.push(id, "Error", detail);
    }

    fn push(&mut self, id: Option<&RawValue>, decision: &str, detail: &str) {
        self.summary.lines += 1;
        let id = id.map_or("null", RawValue::get);
        self.text.reserve(id.len() + detail.len() + 64);
        self.text.extend_from_slice(b"{\"id\":");
        // A bare carriage return is white space to JSON, and the end of a line to some who read the answers.
        self.text
            .extend(id.bytes().map(|byte| if byte == b'\r' { b' ' } else { byte }));
        self.text.extend_from_slice(b",\"decision\":\"");
        self.text.extend_from_slice(decision.as_bytes());
        self.text.extend_from_slice(b"\",\"detail\":");
        // Writing a string to memory does not fail.
        let _ = serde_json::to_writer(&mut self.text, detail);
        self.text.extend_from_slice(b"}\n");
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
struct Asked<'a> {
    id: Option<&'a RawValue>,
    trust_policy: Option<&'a RawValue>,
    /// The policies of who asks; where they are not there, the trust policy alone is asked.
    identity_policies: Option<&'a RawValue>,
    permissions_boundary: Option<&'a RawValue>,
    session_policies: Option<&'a RawValue>,
    request: Option<RequestContext>,
}

impl<'a> Asked<'a> {
    fn read(&mut self, line: &'a str) -> Result<(), String> {
        let mut deserializer = serde_json::Deserializer::from_str(line);
        deserializer
            .deserialize_map(LineVisitor(self))
            .and_then(|()| deserializer.end())
            .map_err(|error| beginning(&error))
    }

    fn evaluate(&self) -> Result<(Decision, String), String> {
        let Some(trust_policy) = self.trust_policy else {
            return Err("the line has no `trust_policy`".to_owned());
        };
        let Some(request) = &self.request else {
            return Err("the line has no `request`".to_owned());
        };
        let trust_policy = trust_policy.get();
        let text: String;
        let mut json = trust_policy;
        let parsed = if trust_policy.starts_with('"') && trust_policy.len() <= LONGEST_QUOTED {
            text = serde_json::from_str(trust_policy).map_err(|error| format!("`trust_policy`: {error}"))?;
            json = &text;
            policy::parse(&text)
        } else {
            policy::parse::parse_json(trust_policy)
        };
        let parsed = parsed.or_else(|error| match policy::parse::of_role(json) {
            Some(document) => policy::parse(&document),
            None => Err(error),
        });
        let policy = parsed.map_err(|error| match error.help {
            Some(help) => format!("`trust_policy`: {}; {help}", error.message),
            None => format!("`trust_policy`: {}", error.message),
        })?;
        let limits = Limits::new(MAX_STEPS, MAX_EXPANDED);
        if self.identity_policies.is_none() && (self.permissions_boundary.is_some() || self.session_policies.is_some())
        {
            return Err("the line has no `identity_policies`, which the others limit".to_owned());
        }
        let decided = if let Some(identity) = self.identity_policies {
            let list = |name, value: Option<&RawValue>| {
                value.map_or_else(|| Ok(Vec::new()), |value| list_of_policies(name, value))
            };
            let (identity, boundary, session) = (
                list_of_policies("identity_policies", identity)?,
                list("permissions_boundary", self.permissions_boundary)?,
                list("session_policies", self.session_policies)?,
            );
            let caller = access::Caller {
                identity: Some(&identity),
                boundary: Some(&boundary),
                session: Some(&session),
            };
            access::access_within(request, Some(&policy), caller, &limits).map(|access| (access.decision, access.why()))
        } else {
            policy::decide_within(&policy, request, &limits)
        };
        decided.map_err(|limit| limit.to_string())
    }
}

/// A policy of who asks, or several.
fn list_of_policies(name: &str, value: &RawValue) -> Result<Vec<Policy>, String> {
    let parts = if value.get().starts_with('[') {
        serde_json::from_str(value.get()).map_err(|error| format!("`{name}`: {error}"))?
    } else {
        vec![value]
    };
    let parsed = parts.into_iter().map(|part: &RawValue| {
        policy::parse_identity(part.get()).map_err(|error| format!("`{name}`: {}", error.message))
    });
    parsed.collect()
}

/// A policy as text is at most so long with its quotes, and each of its bytes takes at most six; what is longer is too long
/// as it is.
const LONGEST_QUOTED: usize = 6 * policy::parse::MAX_BYTES + 2;

struct LineVisitor<'v, 'a>(&'v mut Asked<'a>);

impl<'de> Visitor<'de> for LineVisitor<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `trust_policy` and `request`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "id" => once(&mut self.0.id, map.next_value()?, "id")?,
                "trust_policy" => once(&mut self.0.trust_policy, map.next_value()?, "trust_policy")?,
                "identity_policies" => once(&mut self.0.identity_policies, map.next_value()?, "identity_policies")?,
                "permissions_boundary" => {
                    once(
                        &mut self.0.permissions_boundary,
                        map.next_value()?,
                        "permissions_boundary",
                    )?;
                }
                "session_policies" => once(&mut self.0.session_policies, map.next_value()?, "session_policies")?,
                "request" => once(&mut self.0.request, map.next_value::<RequestJson>()?.0, "request")?,
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

/// The beginning of what an error says: it may repeat a part of the line, which can be long.
fn beginning(error: &serde_json::Error) -> String {
    struct Beginning(String);
    impl fmt::Write for Beginning {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            let room = LONGEST_ERROR.saturating_sub(self.0.len());
            let shown = part.get(..part.floor_char_boundary(room)).unwrap_or_default();
            self.0.push_str(shown);
            if shown.len() == part.len() {
                return Ok(());
            }
            self.0.push('…');
            Err(fmt::Error)
        }
    }
    let mut shown = Beginning(String::new());
    // It fails where it is cut.
    let _ = write!(shown, "{error}");
    shown.0
}

const LONGEST_ERROR: usize = 1024;

/// A string that is borrowed where it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct RequestJson(RequestContext);

impl<'de> Deserialize<'de> for RequestJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(expecting = "an object with `action`")]
        struct Parts<'a> {
            #[serde(borrow)]
            action: Cow<'a, str>,
            #[serde(default)]
            principal: Option<PrincipalJson>,
            #[serde(default)]
            resource: Option<String>,
            #[serde(default)]
            context: ContextJson,
        }
        let parts = Parts::deserialize(deserializer)?;
        let mut request = parts.context.0;
        request.action = parts.action.into_owned();
        request.principal = parts.principal.map(|caller| caller.0).unwrap_or_default();
        request.resource = parts.resource;
        Ok(Self(request))
    }
}

struct PrincipalJson(RequestPrincipal);

impl<'de> Deserialize<'de> for PrincipalJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PrincipalVisitor)
    }
}

struct PrincipalVisitor;

impl<'de> Visitor<'de> for PrincipalVisitor {
    type Value = PrincipalJson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one of `federated`, `aws` and `service`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PrincipalJson, A::Error> {
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
                return Err(de::Error::custom(format_args!(
                    "unknown field {}, expected one of `federated`, `aws`, `service`",
                    quoted(&key)
                )));
            };
            if caller.replace(this).is_some() {
                return Err(de::Error::custom("a request has one principal"));
            }
        }
        caller
            .map(PrincipalJson)
            .ok_or_else(|| de::Error::custom("the principal is empty"))
    }
}

#[derive(Default)]
struct ContextJson(RequestContext);

impl<'de> Deserialize<'de> for ContextJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ContextVisitor)
    }
}

struct ContextVisitor;

impl<'de> Visitor<'de> for ContextVisitor {
    type Value = ContextJson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of condition keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ContextJson, A::Error> {
        let mut context = RequestContext::default().with_capacity(FEW_KEYS);
        let mut room = MAX_VALUES;
        while let Some(Text(key)) = map.next_key()? {
            let value: &RawValue = map.next_value()?;
            take_one(&mut room).map_err(de::Error::custom)?;
            let presence = if value.get().starts_with('[') {
                list(&key, value, &mut room).map(Presence::Many)
            } else {
                scalar(&key, value).map(Presence::One)
            };
            if context.set(&key, presence.map_err(de::Error::custom)?).is_some() {
                return Err(de::Error::custom(format_args!(
                    "the context has the key {} twice",
                    quoted(&key)
                )));
            }
        }
        Ok(ContextJson(context))
    }
}

/// So many keys a request has without the table growing.
const FEW_KEYS: usize = 14;

fn take_one(room: &mut usize) -> Result<(), String> {
    *room = room
        .checked_sub(1)
        .ok_or_else(|| format!("the context has more than {MAX_VALUES} values"))?;
    Ok(())
}

/// The values of a list, read one by one: a long list takes no room before it is counted.
fn list(key: &str, values: &RawValue, room: &mut usize) -> Result<Vec<String>, String> {
    struct List<'l>(&'l str, &'l mut usize, &'l mut Option<String>);

    impl<'de> Visitor<'de> for List<'_> {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
            let Self(key, room, wrong) = self;
            let mut values = Vec::new();
            while let Some(value) = list.next_element::<&RawValue>()? {
                match take_one(room).and_then(|()| scalar(key, value)) {
                    Ok(value) => values.push(value),
                    Err(error) => {
                        *wrong = Some(error);
                        return Err(de::Error::custom("a value is wrong"));
                    }
                }
            }
            Ok(values)
        }
    }

    let mut wrong = None;
    let read = serde_json::Deserializer::from_str(values.get()).deserialize_seq(List(key, room, &mut wrong));
    read.map_err(|error| wrong.unwrap_or_else(|| error.to_string()))
}

/// A string, or a number or a boolean by its own text.
fn scalar(key: &str, value: &RawValue) -> Result<String, String> {
    let text = value.get();
    if text.len() > MAX_VALUE {
        return Err(format!("the value of {} is longer than {MAX_VALUE} bytes", quoted(key)));
    }
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).map_err(|error| error.to_string()),
        Some(b't' | b'f' | b'-' | b'0'..=b'9') => Ok(text.to_owned()),
        _ => Err(format!(
            "the value of {} is not a string, a number, a boolean or a list of them",
            quoted(key)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::io::{BufReader, Read};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    const PROVIDER: &str = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";

    fn answers(input: &[u8]) -> (Vec<Value>, Summary) {
        let mut output = Vec::new();
        let summary = evaluate_lines(input, &mut output).unwrap();
        let lines = output.split_inclusive(|byte| *byte == b'\n');
        let answers: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
        assert_eq!(answers.len() as u64, summary.lines);
        let errors = answers.iter().filter(|answer| answer["decision"] == "Error").count();
        assert_eq!(errors as u64, summary.errors);
        for answer in &answers {
            assert_eq!(
                answer.as_object().unwrap().keys().collect::<Vec<_>>(),
                ["id", "decision", "detail"]
            );
        }
        // However the bytes come, the answer is the same.
        for size in [1, 7, 4096] {
            let mut again = Vec::new();
            evaluate_lines(BufReader::with_capacity(size, input), &mut again).unwrap();
            assert_eq!(again, output);
        }
        (answers, summary)
    }

    fn case(condition: &Value, request: &Value) -> Value {
        json!({
            "id": 7,
            "trust_policy": {"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": condition
            }]},
            "request": request,
        })
    }

    fn request(context: &Value) -> Value {
        json!({"action": "sts:AssumeRoleWithWebIdentity", "principal": {"federated": PROVIDER}, "context": context})
    }

    fn one(line: &str) -> Value {
        let (mut answers, _) = answers(line.as_bytes());
        assert_eq!(answers.len(), 1, "{line}");
        answers.remove(0)
    }

    #[test]
    fn decisions() {
        let plain = json!({"StringEquals": {"t:k": "a"}});
        for (condition, context, expected) in [
            (json!({}), json!({}), "Allow"),
            (plain.clone(), json!({"t:k": "a"}), "Allow"),
            (plain.clone(), json!({"T:K": ["a"]}), "Allow"),
            (plain.clone(), json!({"t:k": "b"}), "ImplicitDeny"),
            (plain.clone(), json!({}), "ImplicitDeny"),
            (plain, json!({"t:k": ["a", "b"]}), "Undecided"),
            (json!({"NumericEquals": {"t:k": "1.50"}}), json!({"t:k": 1.5}), "Allow"),
            (json!({"StringEquals": {"t:k": "-15"}}), json!({"t:k": -15}), "Allow"),
            (json!({"Bool": {"t:k": "true"}}), json!({"t:k": true}), "Allow"),
            (json!({"Bool": {"t:k": "false"}}), json!({"t:k": false}), "Allow"),
            (
                json!({"StringEquals": {"t:k": "a\"\n\\b"}}),
                json!({"t:k": "a\"\n\\b"}),
                "Allow",
            ),
            (
                json!({"ForAllValues:StringEquals": {"t:k": ["1", "true", "x"]}}),
                json!({"t:k": [1, true, "x"]}),
                "Allow",
            ),
        ] {
            let answer = one(&case(&condition, &request(&context)).to_string());
            assert_eq!(
                answer["decision"], expected,
                "{condition} {context}: {}",
                answer["detail"]
            );
            assert_eq!(answer["id"], 7);
        }
    }

    #[test]
    fn principals_of_all_kinds() {
        for (caller, expected) in [
            (json!({"federated": PROVIDER}), "Allow"),
            (json!({"Federated": PROVIDER}), "Allow"),
            (json!({"AWS": "arn:aws:iam::123456789012:root"}), "ImplicitDeny"),
            (json!({"service": "ec2.amazonaws.com"}), "ImplicitDeny"),
            (Value::Null, "Undecided"),
        ] {
            let mut request = request(&json!({}));
            request["principal"] = caller.clone();
            let answer = one(&case(&json!({}), &request).to_string());
            assert_eq!(answer["decision"], expected, "{caller}");
            request.as_object_mut().unwrap().remove("principal");
            assert_eq!(one(&case(&json!({}), &request).to_string())["decision"], "Undecided");
        }
        for (caller, detail) in [
            (json!({}), "the principal is empty"),
            (
                json!({"user": "x"}),
                "unknown field `user`, expected one of `federated`, `aws`, `service`",
            ),
            (json!({"aws": "x", "service": "y"}), "a request has one principal"),
            (
                json!("x"),
                "expected an object with one of `federated`, `aws` and `service`",
            ),
        ] {
            let mut request = request(&json!({}));
            request["principal"] = caller.clone();
            let answer = one(&case(&json!({}), &request).to_string());
            assert_eq!(answer["decision"], "Error", "{caller}");
            assert!(
                answer["detail"].as_str().unwrap().contains(detail),
                "{caller}: {answer}"
            );
        }
    }

    #[test]
    fn policies_of_who_asks_are_asked_as_well() {
        let case = |more: &Value| {
            let mut line = json!({
                "id": 7,
                "trust_policy": {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:role/hub"}, "Action": "sts:*"}]},
                "request": {
                    "action": "sts:AssumeRole",
                    "principal": {"aws": "arn:aws:sts::123456789012:assumed-role/hub/ci"},
                    "resource": "arn:aws:iam::210987654321:role/deploy",
                },
            });
            line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            one(&line.to_string())
        };
        let policy =
            |effect: &str, action: &str| json!({"Statement": {"Effect": effect, "Action": action, "Resource": "*"}});
        let (all, tags) = (policy("Allow", "*"), policy("Allow", "sts:TagSession"));
        for (more, expected, detail) in [
            (json!({}), "Allow", "`/Statement/0` allows it"),
            (
                json!({"identity_policies": all}),
                "Allow",
                "the policies allow it together",
            ),
            (json!({"identity_policies": [tags, all]}), "Allow", ""),
            (
                json!({"identity_policies": []}),
                "ImplicitDeny",
                "no identity-based policy allows it",
            ),
            (
                json!({"identity_policies": tags}),
                "ImplicitDeny",
                "no identity-based policy allows it",
            ),
            (
                json!({"identity_policies": all, "permissions_boundary": tags}),
                "ImplicitDeny",
                "no permissions boundary allows it",
            ),
            (
                json!({"identity_policies": all, "session_policies": [tags]}),
                "ImplicitDeny",
                "no session policy allows it",
            ),
            (
                json!({"identity_policies": [all, policy("Deny", "sts:AssumeRole")]}),
                "ExplicitDeny",
                "explicitly denied by the identity-based policy",
            ),
            (
                json!({"session_policies": all}),
                "Error",
                "the line has no `identity_policies`",
            ),
            (
                json!({"identity_policies": {"Statement": {"Effect": "Allow", "Action": "*"}}}),
                "Error",
                "`identity_policies`: the statement has no `Resource`",
            ),
            (json!({"identity_policies": [7]}), "Error", "`identity_policies`: "),
        ] {
            let answer = case(&more);
            assert_eq!(answer["decision"], expected, "{more}: {answer}");
            assert!(answer["detail"].as_str().unwrap().contains(detail), "{more}: {answer}");
        }
    }

    #[test]
    fn the_longest_value() {
        let case_of = |length: usize| {
            let value = "x".repeat(length);
            case(
                &json!({"StringEquals": {"t:k": value}}),
                &request(&json!({"t:k": value})),
            )
            .to_string()
        };
        // The quotes count.
        assert_eq!(one(&case_of(MAX_VALUE - 2))["decision"], "Allow");
        assert_eq!(one(&case_of(MAX_VALUE - 1))["decision"], "Error");
    }

    #[test]
    fn a_policy_may_be_text() {
        let mut case = case(&json!({}), &request(&json!({})));
        case["trust_policy"] = json!(case["trust_policy"].to_string());
        assert_eq!(one(&case.to_string())["decision"], "Allow");
        case["trust_policy"] = json!("{");
        let answer = one(&case.to_string());
        assert_eq!(answer["decision"], "Error");
        assert_eq!(
            answer["detail"],
            "`trust_policy`: not JSON: the text ends within an object"
        );
    }

    #[test]
    fn bad_lines_are_answered_and_the_rest_go_on() {
        let good = case(&json!({}), &request(&json!({}))).to_string();
        let without = |field: &str| {
            let mut case: Value = serde_json::from_str(&good).unwrap();
            case.as_object_mut().unwrap().remove(field);
            case.to_string()
        };
        for (line, id, detail) in [
            ("nonsense".to_owned(), Value::Null, "expected ident"),
            (
                "[]".to_owned(),
                Value::Null,
                "an object with `trust_policy` and `request`",
            ),
            ("{}".to_owned(), Value::Null, "the line has no `trust_policy`"),
            (without("trust_policy"), json!(7), "the line has no `trust_policy`"),
            (without("request"), json!(7), "the line has no `request`"),
            (r#"{"id": "x", "trust_policy": {"#.to_owned(), json!("x"), "EOF"),
            (
                r#"{"id": {"a": [1]}, "request": 1}"#.to_owned(),
                json!({"a": [1]}),
                "invalid type",
            ),
            (r#"{"id": 1, "id": 2}"#.to_owned(), json!(2), "duplicate field `id`"),
            (
                r#"{"id": 1, "request": {}}"#.to_owned(),
                json!(1),
                "missing field `action`",
            ),
            (
                good.replace("\"Allow\"", "\"allow\""),
                json!(7),
                "did you mean `Allow`?",
            ),
            (
                good.replace("\"context\":{}", r#""context":{"t:k": null}"#),
                json!(7),
                "the value of `t:k` is not",
            ),
            (
                good.replace("\"context\":{}", r#""context":{"t:k": {}}"#),
                json!(7),
                "the value of `t:k` is not",
            ),
            (
                good.replace("\"context\":{}", r#""context":{"t:k": [[]]}"#),
                json!(7),
                "the value of `t:k` is not",
            ),
            (
                good.replace("\"context\":{}", r#""context":{"t:k": 1, "T:K": 2}"#),
                json!(7),
                "the key `T:K` twice",
            ),
            (
                good.replace("\"context\":{}", r#""context":[]"#),
                json!(7),
                "an object of condition keys",
            ),
            (
                good.replace("\"context\":{}", r#""context":{"t:k": "\ud800"}"#),
                json!(7),
                "hex escape",
            ),
            (
                good.replace(
                    "\"context\":{}",
                    &format!(r#""context":{{"t:k": "{}"}}"#, "x".repeat(MAX_VALUE)),
                ),
                json!(7),
                "the value of `t:k` is longer than 65536 bytes",
            ),
            (format!("{good} x"), json!(7), "trailing characters"),
            (good.clone() + &good, json!(7), "trailing characters"),
        ] {
            let lines = format!("{good}\n{line}\n{good}\n");
            let (answers, summary) = answers(lines.as_bytes());
            assert_eq!(summary, Summary { lines: 3, errors: 1 }, "{line}");
            assert_eq!(answers[1]["decision"], "Error", "{line}");
            assert_eq!(answers[1]["id"], id, "{line}");
            assert!(
                answers[1]["detail"].as_str().unwrap().contains(detail),
                "{line}: {}",
                answers[1]["detail"]
            );
            assert_eq!(
                (&answers[0]["decision"], &answers[2]["decision"]),
                (&json!("Allow"), &json!("Allow"))
            );
        }
    }

    #[test]
    fn lines_of_all_shapes() {
        let good = case(&json!({}), &request(&json!({}))).to_string();
        for (input, expected) in [
            (Vec::new(), vec![]),
            (b"\n  \r\n\t\n".to_vec(), vec![]),
            (good.clone().into_bytes(), vec!["Allow"]),
            (
                format!("\u{feff}{good}\r\n\r\n{good}").into_bytes(),
                vec!["Allow", "Allow"],
            ),
            (
                [b"\xff\n", good.as_bytes(), b"\n\xc3"].concat(),
                vec!["Error", "Allow", "Error"],
            ),
            ("[".repeat(100_000).into_bytes(), vec!["Error"]),
            (
                format!("{{\"trust_policy\":{}", "[".repeat(100_000)).into_bytes(),
                vec!["Error"],
            ),
        ] {
            let (answers, _) = answers(&input);
            let decisions: Vec<&str> = answers
                .iter()
                .filter_map(|answer| answer["decision"].as_str())
                .collect();
            assert_eq!(decisions, expected);
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let good = case(&json!({}), &request(&json!({}))).to_string();
        let mut longest = good.clone();
        longest.extend(std::iter::repeat_n(' ', MAX_LINE - good.len()));
        let lines = format!("{good}\n{longest}\n{longest} \n{good}\n{longest} \n{good}\n");
        for capacity in [8 << 10, lines.len()] {
            let mut output = Vec::new();
            let summary = evaluate_lines(BufReader::with_capacity(capacity, lines.as_bytes()), &mut output).unwrap();
            assert_eq!(summary, Summary { lines: 6, errors: 2 });
            let output = String::from_utf8(output).unwrap();
            for (at, line) in output.lines().enumerate() {
                let is_too_long = line.contains("the line is longer than 16777216 bytes");
                assert_eq!(is_too_long, at == 2 || at == 4, "line {at}: {line}");
            }
        }
    }

    #[test]
    fn answers_are_written_in_large_parts_while_there_is_more_to_read() {
        #[derive(Default)]
        struct Sizes(Vec<usize>);
        impl Write for Sizes {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.push(bytes.len());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let good = case(&json!({}), &request(&json!({}))).to_string() + "\n";
        let mut sizes = Sizes::default();
        evaluate_lines(good.repeat(5_000).as_bytes(), &mut sizes).unwrap();
        let (last, full) = sizes.0.split_last().unwrap();
        assert!(full.len() > 1, "{:?}", sizes.0);
        assert!(
            full.iter().all(|size| (ENOUGH + 1..2 * ENOUGH).contains(size)),
            "{:?}",
            sizes.0
        );
        assert!(*last < 2 * ENOUGH);
        assert_eq!(ENOUGH, 65_536);
    }

    #[test]
    fn an_interrupted_read_is_repeated() {
        struct Interrupted<R>(R, bool);
        impl<R: Read> Read for Interrupted<R> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.1 = !self.1;
                if self.1 {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                self.0.read(buffer)
            }
        }
        let good = case(&json!({}), &request(&json!({}))).to_string();
        let mut output = Vec::new();
        let input = BufReader::with_capacity(16, Interrupted(good.as_bytes(), false));
        assert_eq!(
            evaluate_lines(input, &mut output).unwrap(),
            Summary { lines: 1, errors: 0 }
        );
    }

    #[test]
    fn failing_to_write_or_read_is_an_error() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        assert!(evaluate_lines(&b"x\n"[..], Broken).is_err());
        assert!(evaluate_lines(BufReader::new(Broken), io::sink()).is_err());
    }

    #[test]
    fn an_id_is_repeated_on_one_line() {
        let mut answers = Vec::new();
        evaluate_lines(&b"{\"id\": [1,\r2]}\n"[..], &mut answers).unwrap();
        let answers = String::from_utf8(answers).unwrap();
        assert!(answers.starts_with("{\"id\":[1, 2],"), "{answers:?}");
    }

    #[test]
    fn what_takes_too_much_is_an_error_and_the_rest_go_on() {
        let good = case(&json!({}), &request(&json!({}))).to_string();
        let list = |count: usize, length: usize| -> Vec<String> {
            (0..count).map(|nth| format!("{nth}{}", "x".repeat(length))).collect()
        };
        let any = |patterns: &[String], values: &[String]| {
            let condition = json!({"ForAnyValue:StringEquals": {"t:k": patterns}});
            let mut case = case(&condition, &request(&json!({"t:k": values})));
            // Without variables, so that a test build is not long about it.
            case["trust_policy"]["Version"] = json!("2008-10-17");
            case
        };
        let variables = |text: &str, variable: usize| {
            case(
                &json!({"StringEquals": {"t:k": text}}),
                &request(&json!({"t:k": "a", "t:x": "x".repeat(variable)})),
            )
        };
        let steps =
            "comparing the policy with the request takes more than 1073741824 steps (a step is about a character)";
        let expanded = "a value of the policy is longer than 262144 bytes with its policy variables replaced";
        for (line, detail) in [
            (any(&list(10, 60_000), &list(20_000, 0)), steps),
            (any(&list(10, 60_000), &list(6_000, 0)), "ImplicitDeny"),
            (variables(&"${t:x}".repeat(100_000), 65_000), expanded),
            (variables(&"${t:x}".repeat(5_000), 65_000), expanded),
            (variables(&("${t:x}".repeat(4) + &"y".repeat(145)), 65_500), expanded),
            (
                variables(&("${t:x}".repeat(4) + &"y".repeat(144)), 65_500),
                "ImplicitDeny",
            ),
        ] {
            let mut output = Vec::new();
            let lines = format!("{good}\n{line}\n{good}\n");
            assert_eq!(evaluate_lines(lines.as_bytes(), &mut output).unwrap().lines, 3);
            let output = String::from_utf8(output).unwrap();
            let answers: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(
                (&answers[0]["decision"], &answers[2]["decision"]),
                (&json!("Allow"), &json!("Allow"))
            );
            assert_eq!(answers[1]["id"], 7);
            let is_error = detail != "ImplicitDeny";
            let expected = if is_error { "Error" } else { detail };
            assert_eq!(answers[1]["decision"], expected, "{}", answers[1]["detail"]);
            assert!(!is_error || answers[1]["detail"] == detail, "{}", answers[1]["detail"]);
        }
    }

    #[test]
    fn a_request_has_so_many_values_at_most() {
        let values = |keys: usize, list: usize| {
            let mut context: serde_json::Map<String, Value> =
                (1..keys).map(|nth| (format!("t:{nth}"), json!(nth))).collect();
            context.insert("t:list".to_owned(), json!(vec![1; list]));
            let mut output = Vec::new();
            let line = case(&json!({}), &request(&Value::Object(context))).to_string();
            evaluate_lines(line.as_bytes(), &mut output).unwrap();
            serde_json::from_slice::<Value>(&output).unwrap()
        };
        for (keys, list, expected) in [
            (1, MAX_VALUES - 1, "Allow"),
            (1, MAX_VALUES, "Error"),
            (MAX_VALUES, 0, "Allow"),
            (MAX_VALUES, 1, "Error"),
        ] {
            let answer = values(keys, list);
            assert_eq!(answer["decision"], expected, "{keys} {list}: {answer}");
            let detail = answer["detail"].as_str().unwrap();
            assert_eq!(
                detail.starts_with("the context has more than 100000 values"),
                expected == "Error",
                "{detail}"
            );
        }
    }

    /// Lines, and how much is read at once.
    fn mixture() -> impl Strategy<Value = (Vec<u8>, usize)> {
        let good = case(&json!({}), &request(&json!({}))).to_string();
        let denied = case(&json!({"StringLike": {"t:k": "a*"}}), &request(&json!({"t:k": "b"}))).to_string();
        let mistyped = good.replace("\"Principal\"", "\"Principals\"");
        let padded = good.clone();
        let line = prop_oneof![
            6 => Just(good.into_bytes()),
            4 => Just(denied.into_bytes()),
            2 => Just(mistyped.into_bytes()),
            2 => prop::collection::vec(any::<u8>().prop_filter("a line", |byte| *byte != b'\n'), 0..40),
            1 => "[ \\t\\r]{0,3}".prop_map(String::into_bytes),
            1 => (0..2 * LARGE).prop_map(move |length| (padded.clone() + &" ".repeat(length)).into_bytes()),
            1 => (0..2 * LARGE).prop_map(|length| vec![b'[' ; length]),
        ];
        let lines = prop::collection::vec(line, 0..40);
        let capacity = prop_oneof![1..100_usize, 1000..100_000_usize];
        (lines, any::<bool>(), capacity).prop_map(|(lines, is_ended, capacity)| {
            let mut all = lines.join(&b'\n');
            all.extend(is_ended.then_some(b'\n'));
            (all, capacity)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn threads_change_no_answer((lines, capacity) in mixture()) {
            let mut expected = Vec::new();
            let mut summary = Summary::default();
            for line in lines.split(|byte| *byte == b'\n') {
                summary = summary.plus(evaluate_lines(line, &mut expected).unwrap());
            }
            for jobs in [1, 2, 7] {
                let mut output = Vec::new();
                let input = BufReader::with_capacity(capacity, lines.as_slice());
                prop_assert_eq!(evaluate_in_parallel(input, &mut output, jobs).unwrap(), summary);
                prop_assert!(output == expected, "{} jobs", jobs);
            }
        }
    }

    #[test]
    fn a_line_is_answered_before_the_next_one_comes() {
        struct Asks(Vec<Vec<u8>>, mpsc::Receiver<()>, bool);
        impl Read for Asks {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if self.2 {
                    let answer = self.1.recv_timeout(Duration::from_secs(60));
                    answer.map_err(|_| io::Error::other("no answer"))?;
                }
                let Some(line) = self.0.pop() else { return Ok(0) };
                self.2 = true;
                buffer[..line.len()].copy_from_slice(&line);
                Ok(line.len())
            }
        }
        struct Answered(mpsc::Sender<()>, bool);
        impl Write for Answered {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 |= bytes.ends_with(b"\n");
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                if std::mem::take(&mut self.1) {
                    let _ = self.0.send(());
                }
                Ok(())
            }
        }
        let line = case(&json!({}), &request(&json!({}))).to_string() + "\n";
        for jobs in [1, 2, 7] {
            let (answered, answers) = mpsc::channel();
            let input = BufReader::new(Asks(vec![line.clone().into_bytes(); 20], answers, false));
            let summary = evaluate_in_parallel(input, Answered(answered, false), jobs).unwrap();
            assert_eq!(summary, Summary { lines: 20, errors: 0 });
        }
    }

    #[test]
    fn nothing_more_is_read_beside_a_large_line() {
        struct Counted<R>(R, Arc<AtomicUsize>);
        impl<R: Read> Read for Counted<R> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let length = self.0.read(buffer)?;
                self.1.fetch_add(length, Ordering::SeqCst);
                Ok(length)
            }
        }
        struct Lead(Arc<AtomicUsize>, usize, usize);
        impl Write for Lead {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.2 = self.2.max(self.0.load(Ordering::SeqCst) - self.1);
                self.1 += LINE * bytes.iter().filter(|byte| **byte == b'\n').count();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        const LINE: usize = 2 * LARGE;
        const BUFFER: usize = 4096;
        let mut line = case(&json!({}), &request(&json!({}))).to_string();
        line += &" ".repeat(LINE - 1 - line.len());
        line.push('\n');
        let input = line.repeat(30);
        for jobs in [1, 2, 7] {
            let read = Arc::new(AtomicUsize::new(0));
            let mut lead = Lead(Arc::clone(&read), 0, 0);
            let counted = BufReader::with_capacity(BUFFER, Counted(input.as_bytes(), read));
            assert_eq!(evaluate_in_parallel(counted, &mut lead, jobs).unwrap().lines, 30);
            assert!(lead.2 <= LINE + BUFFER, "{jobs} jobs: {}", lead.2);
        }
    }

    #[test]
    fn threads_end_when_reading_or_writing_fails() {
        struct Endless(Vec<u8>);
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0.as_slice().read(buffer)
            }
        }
        struct Closes(usize);
        impl Write for Closes {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::BrokenPipe)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        struct Ends;
        impl Read for Ends {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let line = case(&json!({}), &request(&json!({}))).to_string() + "\n";
        for jobs in [1, 2, 7] {
            let input = BufReader::with_capacity(line.len() * 3, Endless(line.repeat(3).into_bytes()));
            let error = evaluate_in_parallel(input, Closes(10_000), jobs).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            // What was read before is answered, and the beginning of a line is no line.
            let text = line.repeat(100) + "{";
            let mut output = Vec::new();
            let input = BufReader::with_capacity(1000, text.as_bytes().chain(Ends));
            let error = evaluate_in_parallel(input, &mut output, jobs).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            assert_eq!(output.iter().filter(|byte| **byte == b'\n').count(), 100);
        }
    }
}
