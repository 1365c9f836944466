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
mod tests;
