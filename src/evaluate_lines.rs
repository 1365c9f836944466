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

/// The longest value of a condition key. A whole token has at most 20,000 characters (STS API Reference,
/// `AssumeRoleWithWebIdentity`).
pub const MAX_VALUE: usize = 64 << 10;

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
            begun.push(line);
            begun.finish(&mut answers);
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
            principal: Option<Caller>,
            #[serde(default)]
            resource: Option<String>,
            #[serde(default)]
            context: Context,
        }
        let parts = Parts::deserialize(deserializer)?;
        let mut request = parts.context.0;
        request.action = parts.action.into_owned();
        request.principal = parts.principal.map(|caller| caller.0).unwrap_or_default();
        request.resource = parts.resource;
        Ok(Self(request))
    }
}

struct Caller(RequestPrincipal);

impl<'de> Deserialize<'de> for Caller {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(CallerVisitor)
    }
}

struct CallerVisitor;

impl<'de> Visitor<'de> for CallerVisitor {
    type Value = Caller;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one of `federated`, `aws` and `service`")
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
    if text.len() > MAX_VALUE {
        return Err(E::custom(format_args!(
            "the value of `{key}` is longer than {MAX_VALUE} bytes"
        )));
    }
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).map_err(E::custom),
        Some(b't' | b'f' | b'-' | b'0'..=b'9') => Ok(text.to_owned()),
        _ => Err(E::custom(format_args!(
            "the value of `{key}` is not a string, a number, a boolean or a list of them"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::io::{BufReader, Read};

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
}
