//! The `evaluate` subcommand: evaluates requests against trust policies in bulk, one JSON line in, one JSON line out.
//!
//! A line is `{"id": …, "trust_policy": {…}, "request": {"action": …, "principal": {…}, "resource": …, "context": {…}}}`.
//! With `identity_policies`, `permissions_boundary` and `session_policies` (a policy or a list) the decision covers both sides.
//! The context is complete: a key not in it is absent. An invalid line is answered with the decision `Error`, and the rest
//! are still evaluated.

mod line;

use std::io::{self, BufRead, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::value::RawValue;

use crate::policy::Decision;
use line::Asked;

/// The longest line read; a longer one is an error and isn't kept in memory.
pub const MAX_LINE: usize = 16 << 20;

/// The longest value of a condition key. A whole token has at most 20,000 characters (STS API Reference,
/// `AssumeRoleWithWebIdentity`).
pub const MAX_VALUE: usize = 64 << 10;

/// The most values of a request, over all its condition keys.
pub const MAX_VALUES: usize = 100_000;

/// The most steps for comparing a policy with a request ([`crate::policy::Limits`]), about a second. The longest policy IAM accepts
/// needs fewer against 500 values of 100 characters.
pub const MAX_STEPS: u64 = 1 << 30;

/// The longest value of a policy with its variables replaced; IAM stores 8,192 characters, and a variable takes 8.
pub const MAX_EXPANDED: usize = 256 << 10;

/// Counts of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Lines answered; empty lines aren't.
    pub lines: u64,
    /// Lines answered with `Error`.
    pub errors: u64,
}

/// Evaluates line by line, in order, in memory that does not grow with the number of lines.
///
/// Answers are written before waiting for more input, so that it works at both ends of a pipe.
///
/// # Errors
/// If reading or writing fails.
pub fn evaluate_lines(input: impl BufRead + Send, output: impl Write + Send) -> io::Result<Summary> {
    evaluate_in_parallel(input, output, 1)
}

/// The same on this many threads, or as many as can be started.
///
/// Any free thread reads the available lines, answers them, and waits for its turn to write.
///
/// # Errors
/// If reading or writing fails.
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
        // Nothing else is read while a large batch is evaluated, so that memory doesn't grow with the number of threads.
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
            // All long lines are read into the same buffer.
            std::mem::swap(&mut reading.begun.bytes, &mut batch.bytes);
            reading.begun.bytes.clear();
        }
    }
}

/// Answers are written once they exceed this many bytes.
const ENOUGH: usize = 64 << 10;

/// Only a long line makes a batch larger than this many bytes.
const LARGE: usize = 256 << 10;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whole lines read at once, without the last line break.
#[derive(Default)]
struct Batch {
    /// Its index among all batches, from 0.
    number: u64,
    bytes: Vec<u8>,
    /// Whether it is a line that is too long, and wasn't kept.
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
                // At once, as growing step by step would leave smaller buffers behind; only the used part takes memory.
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
    /// The beginning of an incomplete line.
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

    /// Waits for a line and takes those available with it. Returns whether there is one.
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
            // The buffer for long lines stays here.
            self.begun.bytes.extend_from_slice(&batch.bytes);
            std::mem::swap(&mut self.begun.bytes, &mut batch.bytes);
            self.begun.bytes.clear();
        }
        true
    }
}

/// Writes the answers in the order of the batches.
struct Output<W> {
    written: Mutex<Written<W>>,
    changed: Condvar,
}

struct Written<W> {
    writer: W,
    /// The batch whose answers come next.
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

    /// Writes once the batch is next, and nothing after a failed write.
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
        // A bare carriage return is white space in JSON, but a line end to some readers of the answers.
        self.text
            .extend(id.bytes().map(|byte| if byte == b'\r' { b' ' } else { byte }));
        self.text.extend_from_slice(b",\"decision\":\"");
        self.text.extend_from_slice(decision.as_bytes());
        self.text.extend_from_slice(b"\",\"detail\":");
        // Writing a string to memory doesn't fail.
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

#[cfg(test)]
mod tests;
