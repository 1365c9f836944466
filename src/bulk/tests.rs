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
    // However the bytes arrive, the answer is the same.
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
        // Without variables, so that a test build doesn't take long.
        case["trust_policy"]["Version"] = json!("2008-10-17");
        case
    };
    let variables = |text: &str, variable: usize| {
        case(
            &json!({"StringEquals": {"t:k": text}}),
            &request(&json!({"t:k": "a", "t:x": "x".repeat(variable)})),
        )
    };
    let steps = "comparing the policy with the request takes more than 1073741824 steps (a step is about a character)";
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

/// Lines, and the size of each read.
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
        // Lines read before it are answered; the beginning of a line isn't one.
        let text = line.repeat(100) + "{";
        let mut output = Vec::new();
        let input = BufReader::with_capacity(1000, text.as_bytes().chain(Ends));
        let error = evaluate_in_parallel(input, &mut output, jobs).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(output.iter().filter(|byte| **byte == b'\n').count(), 100);
    }
}
