//! Messages as people published them, each with its source and what the program reads in it.
//!
//! `tests/messages/forms.json` holds only the error lines, as quoted there. Fields that a form doesn't list aren't checked.

use std::collections::{BTreeMap, BTreeSet};

use aws_oidc_doctor::Conclusion;
use aws_oidc_doctor::Evidence;
use aws_oidc_doctor::diagnose;
use aws_oidc_doctor::{Answer, Refusal};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    link: String,
    text: String,
    answer: String,
    #[serde(default)]
    fields: Map<String, Value>,
}

fn forms() -> Vec<Form> {
    serde_json::from_str(include_str!("messages/forms.json")).expect("the table is JSON")
}

/// The name of the answer, and its fields.
fn shape(answer: &Answer) -> (String, BTreeMap<&'static str, Value>) {
    let debug = format!("{answer:?}");
    let name = debug
        .split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default()
        .to_owned();
    let refusal = |refusal: &Refusal| {
        BTreeMap::from([
            ("user", json!(refusal.user)),
            ("action", json!(refusal.action)),
            ("resource", json!(refusal.resource)),
            ("because", json!(refusal.because)),
            ("policy", json!(refusal.policy.map(|kind| format!("{kind:?}")))),
        ])
    };
    let fields = match answer {
        Answer::AssumeRoleDenied(denied) | Answer::PermissionDenied(denied) => refusal(denied),
        Answer::DurationInvalid(seconds) => BTreeMap::from([("seconds", json!(seconds))]),
        Answer::NoProvider(issuer) => BTreeMap::from([("issuer", json!(issuer))]),
        Answer::NotAuthorized(kind) => BTreeMap::from([("policy", json!(kind.map(|kind| format!("{kind:?}"))))]),
        Answer::RegionUnusable(region) => BTreeMap::from([("region", json!(region))]),
        Answer::SessionTagsTooLarge(percent) => BTreeMap::from([("percent", json!(percent))]),
        Answer::TokenRequestFailed(audience) => BTreeMap::from([("audience", json!(audience))]),
        Answer::Unreachable(host) => BTreeMap::from([("host", json!(host))]),
        _ => BTreeMap::new(),
    };
    (name, fields)
}

/// What is misread in a text.
fn wrong(form: &Form, text: &str) -> Vec<String> {
    let (name, fields) = shape(&Answer::read("", text));
    let mut wrong = Vec::new();
    if name != form.answer {
        wrong.push(format!("{name}, not {}", form.answer));
    }
    for (field, want) in &form.fields {
        let got = fields.get(field.as_str()).unwrap_or(&Value::Null);
        if got != want {
            wrong.push(format!("{field} is {got}, not {want}"));
        }
    }
    wrong
        .into_iter()
        .map(|what| format!("{}: {what}\n    {text:?}", form.link))
        .collect()
}

#[test]
fn published_messages_are_read() {
    let forms = forms();
    assert!(forms.len() >= 60, "{}", forms.len());
    let texts: BTreeSet<&str> = forms.iter().map(|form| form.text.as_str()).collect();
    assert_eq!(texts.len(), forms.len(), "a form stands twice");
    let bad: Vec<String> = forms
        .iter()
        .inspect(|form| assert!(form.link.starts_with("https://"), "{}", form.link))
        .flat_map(|form| wrong(form, &form.text))
        .collect();
    assert!(bad.is_empty(), "{}:\n{}", bad.len(), bad.join("\n"));
}

/// What a terminal, a log, an issue or a web page does to a text must not change how it is read.
#[test]
fn what_surrounds_a_message_does_not_matter() {
    let each_line = |text: &str, line: &dyn Fn(&str) -> String| text.lines().map(line).collect::<Vec<_>>().join("\n");
    let mut bad = Vec::new();
    for form in forms() {
        let text = form.text.as_str();
        let mut texts = vec![
            each_line(text, &|line| format!("> {line}")),
            each_line(text, &|line| format!("2026-10-01T10:00:00.1234567Z {line}")),
            each_line(text, &|line| format!("2026-10-01T10:00:00.1234567Z ##[error]{line}")),
            each_line(text, &|line| {
                format!("deploy\tConfigure AWS\t2026-10-01T10:00:00.1234567Z {line}")
            }),
            each_line(text, &|line| format!("│ {line}")),
            each_line(text, &|line| format!("| {line}")),
            each_line(text, &|line| format!("\u{1b}[31m{line}\u{1b}[0m")),
            each_line(text, &|line| format!("[31m{line}[0m")),
            format!("::error::{text}"),
            format!("Error: {text}"),
            format!("<Code>X</Code><Message>{text}</Message>"),
            json!({ "Error": { "Message": text } }).to_string(),
            text.replace('\n', "\r\n"),
            text.replace(' ', "\u{a0}"),
            text.replace('\'', "’"),
            // Some escape `&` first, but no message here has one.
            text.replace('"', "&quot;")
                .replace('\'', "&#39;")
                .replace('<', "&lt;")
                .replace('>', "&gt;"),
        ];
        // Broken at any one space, as by a terminal or a mail program.
        texts.extend(text.match_indices(' ').filter_map(|(at, _)| {
            let (head, tail) = text.split_at_checked(at)?;
            Some(format!("{head}\n{}", tail.get(1..)?))
        }));
        bad.extend(texts.iter().flat_map(|text| wrong(&form, text)));
    }
    assert!(
        bad.is_empty(),
        "{}:\n{}",
        bad.len(),
        bad.iter().take(12).cloned().collect::<Vec<_>>().join("\n")
    );
}

/// A break within a word: anything with a definite end in the message is still whole.
#[test]
fn a_break_within_a_word_is_mended_where_that_can_be_decided() {
    let text = "User: arn:aws:sts::123456789012:assumed-role/deploy/GitHubActions is not authorized to perform: ecr:PutImage \
                on resource: arn:aws:ecr:eu-west-1:123456789012:repository/widgets because no identity-based policy allows \
                the ecr:PutImage action";
    let whole = Answer::read("", text);
    for (at, _) in text.char_indices().skip(1) {
        let mut broken = text.to_owned();
        broken.insert(at, '\n');
        assert_eq!(Answer::read("", &broken), whole, "{broken:?}");
    }
    let text = "Error: Could not assume role with OIDC: No OpenIDConnect provider found in your account for \
                https://token.actions.githubusercontent.com";
    for (at, _) in text.char_indices().skip(1) {
        let mut broken = text.to_owned();
        broken.insert(at, '\n');
        let want = Answer::NoProvider(Some("https://token.actions.githubusercontent.com".to_owned()));
        assert_eq!(Answer::read("", &broken), want, "{broken:?}");
    }
    let text = "getaddrinfo ENOTFOUND sts.eu-wset-1.amazonaws.com";
    for (at, _) in text.char_indices().skip(1) {
        let mut broken = text.to_owned();
        broken.insert(at, '\n');
        let want = Answer::Unreachable(Some("sts.eu-wset-1.amazonaws.com".to_owned()));
        assert_eq!(Answer::read("", &broken), want, "{broken:?}");
    }
}

/// A refusal after the login is named, with AWS's reason, and never taken for a role that can't be assumed.
#[test]
fn what_was_refused_after_the_login_is_named() {
    let refused = forms().into_iter().filter(|form| form.answer == "PermissionDenied");
    for form in refused {
        let evidence = json!({ "schema": 1, "attempt": { "outcome": "reported", "text": form.text } });
        let diagnosis = diagnose(&Evidence::from_json(&evidence.to_string()).expect("an evidence file"));
        assert_ne!(diagnosis.conclusion, Conclusion::Denied, "{}", form.text);
        assert!(diagnosis.cause().is_none(), "{}", form.text);
        let found = diagnosis
            .findings
            .iter()
            .find(|finding| finding.rule.id == "permission-denied-after-login");
        let found = found.unwrap_or_else(|| panic!("nothing is said of {}", form.text));
        if let Some(because) = form.fields.get("because").and_then(Value::as_str) {
            assert!(
                found.notes.iter().any(|note| note.ends_with(because)),
                "{:?}",
                found.notes
            );
        }
        assert!(!found.help.is_empty(), "{}", form.text);
    }
}

/// Reading a message takes time linear in its length, whatever it repeats: quadratic time would be minutes at these lengths.
#[test]
fn a_long_message_takes_no_longer_than_its_length() {
    let pieces = [
        "is not authorized to perform ",
        "User: is not authorized to perform: a:B on resource: ",
        "sts.",
        "sts.a.dial tcp ",
        "because no identity-based policy ",
        "&€€€",
        "<b",
        "\u{1b}]",
        "[1;",
        "\\\\u",
        "> | ",
        "arn:x is invali ",
    ];
    for piece in pieces {
        let _ = Answer::read("", &piece.repeat(300_000 / piece.len()));
    }
}

/// A truncated message, or any part of one, is read without a panic.
#[test]
fn a_cut_message_is_read() {
    for form in forms() {
        for (at, _) in form.text.char_indices().step_by(7) {
            if let Some((head, tail)) = form.text.split_at_checked(at) {
                let _ = (Answer::read("", head), Answer::read("", tail));
            }
        }
    }
}
