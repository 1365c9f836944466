use super::layout::MAX_INDENT;
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
            "JSON allows double quotes only",
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
    // IAM accepts a key without a prefix, but no request includes it.
    assert_eq!(
        keys(r#""sub":"true""#).statements[0].conditions[0].keys[0].key.value,
        "sub"
    );
}

#[test]
fn only_a_key_whose_values_differ_is_ambiguous() {
    for (again, expected) in [("sts:B", true), ("sts:A", false)] {
        // The values are found in the text, wherever it starts.
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
        // `+` is literal, and so is a percent sign in JSON.
        ("%7B%22a%22%3A%22b+c%2520%22%7D".to_owned(), "{\n  \"a\": \"b+c%20\"\n}"),
        (r#"{"a":"%20"}"#.to_owned(), "{\n  \"a\": \"%20\"\n}"),
        // Not fixed here.
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
