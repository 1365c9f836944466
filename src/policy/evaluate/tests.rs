//! Tables that read like AWS's pages, then property tests.
#![expect(clippy::string_slice, reason = "a test may panic")]

use super::*;
use crate::policy::{RequestPrincipal, parse};
use Outcome::{Match, NoMatch, Unknown};
use proptest::prelude::*;
use serde_json::{Value, json};

const PROVIDER: &str = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";

fn request(keys: &[(&str, Presence)]) -> RequestContext {
    let mut request = RequestContext::new(
        "sts:AssumeRoleWithWebIdentity",
        RequestPrincipal::Federated(PROVIDER.to_owned()),
        None,
    );
    for (key, presence) in keys {
        request.set(key, presence.clone());
    }
    request
}

fn one(value: &str) -> Presence {
    Presence::One(value.to_owned())
}

fn many(values: &[&str]) -> Presence {
    Presence::Many(values.iter().map(|value| (*value).to_owned()).collect())
}

fn somehow() -> Presence {
    Presence::Unknown("nobody looked".to_owned())
}

fn policy(statements: &Value) -> TrustPolicy {
    let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn allow(condition: &Value) -> Value {
    json!({
        "Effect": "Allow", "Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": condition
    })
}

fn deny(condition: &Value) -> Value {
    json!({"Effect": "Deny", "Principal": {"Federated": PROVIDER}, "Action": "sts:*", "Condition": condition})
}

/// The outcome of one condition on the key `t:k`; deciding and tracing must agree.
fn condition(operator: &str, values: Value, presence: Presence, others: &[(&str, Presence)]) -> Outcome {
    let policy = policy(&json!([allow(&json!({operator: {"T:k": values}}))]));
    let mut request = request(others);
    request.set("t:K", presence);
    let trace = trace(&policy, &request);
    assert_eq!(trace.decision, decide(&policy, &request));
    let key = &trace.statements[0].conditions[0].keys[0];
    assert!(!key.because.is_empty() && !key.because.ends_with('.') && !key.because.contains('\n'));
    said_why(&policy, &request, trace.decision);
    key.outcome
}

fn said_why(policy: &TrustPolicy, request: &RequestContext, expected: Decision) {
    let (decision, why) = decide_and_say_why(policy, request);
    assert_eq!(decision, expected);
    assert!(why.len() > 10 && !why.contains('\n') && !why.ends_with('.'), "{why}");
}

fn table(operator: &str, rows: &[(Value, Presence, Outcome)]) {
    for (values, presence, expected) in rows {
        let outcome = condition(operator, values.clone(), presence.clone(), &[]);
        assert_eq!(outcome, *expected, "{operator} {values} with {presence:?}");
    }
}

#[test]
fn strings() {
    table(
        "StringEquals",
        &[
            (json!("a"), one("a"), Match),
            (json!("a"), one("A"), NoMatch),
            (json!("a"), one(""), NoMatch),
            (json!(""), one(""), Match),
            (json!(["b", "a"]), one("a"), Match),
            (json!(["b", "c"]), one("a"), NoMatch),
            (json!("a*"), one("ab"), NoMatch),
            (json!("a*"), one("a*"), Match),
            (json!(true), one("true"), Match),
            (json!(12), one("12"), Match),
            (json!([]), one("a"), NoMatch),
            (json!("a"), Presence::Absent, NoMatch),
            (json!("a"), somehow(), Unknown),
            (json!([]), somehow(), NoMatch),
            (json!("a"), many(&["a"]), Match),
            (json!("a"), many(&["a", "b"]), Unknown),
            (json!("a"), many(&[]), Unknown),
        ],
    );
    table(
        "StringNotEquals",
        &[
            (json!("a"), one("a"), NoMatch),
            (json!("a"), one("A"), Match),
            (json!(["b", "a"]), one("a"), NoMatch),
            (json!(["b", "c"]), one("a"), Match),
            (json!([]), one("a"), Match),
            (json!([]), somehow(), Match),
            (json!("a"), Presence::Absent, Match),
            (json!("a"), somehow(), Unknown),
        ],
    );
    table(
        "StringEqualsIgnoreCase",
        &[
            (json!("aB"), one("Ab"), Match),
            (json!("ab"), one("ac"), NoMatch),
            (json!("a*"), one("ab"), NoMatch),
            (json!("ä"), one("ä"), Match),
            (json!("ä"), one("Ä"), Unknown),
            (json!("k"), one("\u{212a}"), Unknown),
            (json!("ss"), one("ß"), Unknown),
            (json!("ä"), one("b"), NoMatch),
            (json!("i"), one("\u{130}"), Unknown),
            (json!("I"), one("ı"), Unknown),
            (json!("ıK"), one("I\u{212a}"), Unknown),
            (json!("ẞ"), one("SS"), Unknown),
            (json!("ı"), one("j"), NoMatch),
            (json!("e\u{307}"), one("e"), NoMatch),
            (json!("a"), Presence::Absent, NoMatch),
        ],
    );
    table(
        "StringNotEqualsIgnoreCase",
        &[
            (json!("aB"), one("Ab"), NoMatch),
            (json!("ab"), one("ac"), Match),
            (json!("a"), Presence::Absent, Match),
        ],
    );
    table(
        "StringLike",
        &[
            (
                json!("repo:acme/*"),
                one("repo:acme/widgets:ref:refs/heads/main"),
                Match,
            ),
            (
                json!("repo:acme/*"),
                one("repo:ACME/widgets:ref:refs/heads/main"),
                NoMatch,
            ),
            (json!("v?"), one("v1"), Match),
            (json!("v?"), one("v10"), NoMatch),
            (json!("*"), one(""), Match),
            (json!("*"), somehow(), Unknown),
            (json!("*"), Presence::Absent, NoMatch),
            (json!("a"), one("ab"), NoMatch),
        ],
    );
    table(
        "StringNotLike",
        &[
            (json!("a*"), one("ab"), NoMatch),
            (json!("a*"), one("b"), Match),
            (json!(["a*", "b*"]), one("b"), NoMatch),
            (json!("a*"), Presence::Absent, Match),
        ],
    );
}

#[test]
fn if_exists() {
    table(
        "StringEqualsIfExists",
        &[
            (json!("a"), one("a"), Match),
            (json!("a"), one("b"), NoMatch),
            (json!("a"), Presence::Absent, Match),
            (json!("a"), somehow(), Unknown),
        ],
    );
    table(
        "StringLikeIfExists",
        &[(json!("*"), somehow(), Match), (json!("a*"), somehow(), Unknown)],
    );
    table(
        "StringNotEqualsIfExists",
        &[(json!("a"), one("a"), NoMatch), (json!("a"), Presence::Absent, Match)],
    );
    table(
        "BoolIfExists",
        &[
            (json!("true"), Presence::Absent, Match),
            (json!("true"), one("false"), NoMatch),
        ],
    );
    table(
        "ForAnyValue:StringEqualsIfExists",
        &[
            (json!("a"), Presence::Absent, Unknown),
            (json!("a"), many(&["b"]), NoMatch),
            (json!("a"), many(&[]), Unknown),
        ],
    );
}

#[test]
fn numbers() {
    table(
        "NumericEquals",
        &[
            (json!(10), one("10"), Match),
            (json!("10"), one("10.0"), Match),
            (json!("-1.5"), one("-1.50"), Match),
            (json!("10"), one("11"), NoMatch),
            (json!("ten"), one("10"), Unknown),
            (json!("10"), one("ten"), Unknown),
            (json!("1e1"), one("10"), Unknown),
            (json!("+1"), one("1"), Unknown),
            (json!("1."), one("1"), Unknown),
            (json!(".5"), one("0.5"), Unknown),
            (json!(""), one("1"), Unknown),
            (json!("NaN"), one("NaN"), Unknown),
            (json!("9007199254740993"), one("9007199254740993"), Unknown),
            (json!("123456789012345"), one("123456789012346"), NoMatch),
            (json!("1234567.89012345"), one("1234567.89012345"), Match),
            (json!("12345678.90123456"), one("12345678.90123456"), Unknown),
            (json!(["ten", "10"]), one("10"), Match),
            (json!(["ten", "11"]), one("10"), Unknown),
            (json!("10"), Presence::Absent, NoMatch),
            (json!("${t:k}"), one("1"), Unknown),
        ],
    );
    table(
        "NumericNotEquals",
        &[
            (json!("10"), one("11"), Match),
            (json!(["10", "11"]), one("11"), NoMatch),
            (json!("ten"), one("10"), Unknown),
            (json!("10"), Presence::Absent, Match),
        ],
    );
    for (operator, less, equal, greater) in [
        ("NumericLessThan", Match, NoMatch, NoMatch),
        ("NumericLessThanEquals", Match, Match, NoMatch),
        ("NumericGreaterThan", NoMatch, NoMatch, Match),
        ("NumericGreaterThanEquals", NoMatch, Match, Match),
    ] {
        table(
            operator,
            &[
                (json!("3600"), one("900"), less),
                (json!("3600"), one("3600"), equal),
                (json!("3600"), one("43200"), greater),
                (json!("3600"), Presence::Absent, NoMatch),
            ],
        );
    }
}

#[test]
fn dates() {
    let now = "2026-11-20T12:00:00Z";
    for (operator, before, same, after) in [
        ("DateEquals", NoMatch, Match, NoMatch),
        ("DateNotEquals", Match, NoMatch, Match),
        ("DateLessThan", Match, NoMatch, NoMatch),
        ("DateLessThanEquals", Match, Match, NoMatch),
        ("DateGreaterThan", NoMatch, NoMatch, Match),
        ("DateGreaterThanEquals", NoMatch, Match, Match),
    ] {
        table(
            operator,
            &[
                (json!(now), one("2026-11-20T11:59:59.999Z"), before),
                (json!(now), one(now), same),
                (json!(now), one("1795176000"), same),
                (json!(now), one("2026-11-20T13:00+01:00"), same),
                (json!(now), one("2026-11-20T06:30:00.000-05:30"), same),
                (json!(now), one("2026-11-20T12:00:00.5Z"), after),
                (json!(1_795_176_000), one("1795176001"), after),
                (json!(now), one("2025"), before),
                (json!("2026-11-01"), one(now), after),
                (json!(now), one("2026-11-20T23:59:59Z"), after),
                (json!("2026-11-20T12:00:01Z"), one("2026-11-20T12:00:00.5Z"), before),
                (json!("2026-11-20T12:00:30Z"), one("2026-11-20T12:00:20Z"), before),
                (json!("2026-11"), one("2026-11-30T12:00Z"), Unknown),
                (json!("2026-11"), one("2026-12-03T00:00Z"), after),
                (json!("2026-12"), one(now), before),
                (json!("2026-11-20"), one(now), Unknown),
                (json!("2026"), one(now), Unknown),
                // Zones go from 14 hours ahead of UTC to 12 hours behind.
                (json!("2026-11-20"), one("2026-11-19T09:59:59Z"), before),
                (json!("2026-11-20"), one("2026-11-19T10:00:00Z"), Unknown),
                (json!("2026-11-20"), one("2026-11-21T12:00:00Z"), Unknown),
                (json!("2026-11-20"), one("2026-11-21T12:00:01Z"), after),
                (json!("2026-11-20T00:00:00Z"), one("2026-11-18"), before),
                (json!("2026-11-20"), one("2026-11-20"), same),
                (json!("2026-11-20"), one("2026-11-21"), after),
            ],
        );
    }
    for malformed in [
        "",
        "yesterday",
        "2026-11-20T12:00:00",
        "2026-11-20 12:00:00Z",
        "2026-11-20T12Z",
        "2026-13-01",
        "2026-02-30",
        "2026-11-20T24:00:00Z",
        "2026-11-20T12:60Z",
        "2026-11-20T12:00:60Z",
        "2026-11-20T12:00:00.Z",
        "-1",
        "1.5",
        "2026-11-20T12:00.5Z",
        "2026-11-20T12:00:00+1:00",
        "2026-11T12:00Z",
        "1795176000000",
        "2026-1-1",
        "2026-11-20-1",
        "2026-11-20T12:00:00z",
        "2026-11-20T12:00:00.0123456789Z",
        "2026-11-20T12:00:00+24:00",
        "2026-11-20T12:00:00-01:60",
        "${aws:CurrentTime}",
    ] {
        table(
            "DateGreaterThan",
            &[
                (json!(malformed), one(now), Unknown),
                (json!(now), one(malformed), Unknown),
                (json!(malformed), one(malformed), Unknown),
            ],
        );
    }
}

#[test]
fn booleans_and_binaries() {
    table(
        "Bool",
        &[
            (json!("true"), one("true"), Match),
            (json!(true), one("true"), Match),
            (json!("false"), one("true"), NoMatch),
            (json!(["false", "true"]), one("true"), Match),
            (json!("True"), one("true"), Match),
            (json!("true"), one("TRUE"), Match),
            (json!("FALSE"), one("True"), NoMatch),
            (json!("yes"), one("true"), Unknown),
            (json!("${t:k}"), one("true"), Unknown),
            (json!("true"), Presence::Absent, NoMatch),
        ],
    );
    table(
        "BinaryEquals",
        &[
            (
                json!("QmluYXJ5VmFsdWVJbkJhc2U2NA=="),
                one("QmluYXJ5VmFsdWVJbkJhc2U2NA=="),
                Match,
            ),
            (
                json!("QmluYXJ5VmFsdWVJbkJhc2U2NA=="),
                one("ASIAIOSFODNN7EXAMPLE"),
                NoMatch,
            ),
            (
                json!("QmluYXJ5VmFsdWVJbkJhc2U2NA=="),
                one("BinaryValueInBase64"),
                Unknown,
            ),
            (json!("not base 64!"), one("not base 64!"), Unknown),
            (json!("QQ=="), Presence::Absent, NoMatch),
        ],
    );
}

#[test]
fn addresses() {
    table(
        "IpAddress",
        &[
            (json!("203.0.113.0/24"), one("203.0.113.1"), Match),
            (json!("203.0.113.0/24"), one("198.51.100.1"), NoMatch),
            (
                json!(["198.51.100.0/24", "2001:DB8:1234:5678::/64"]),
                one("2001:db8:1234:5678::1"),
                Match,
            ),
            (json!("203.0.113.1"), one("203.0.113.1"), Match),
            (json!("203.0.113.1"), one("203.0.113.2"), NoMatch),
            (json!("0.0.0.0/0"), one("203.0.113.2"), Match),
            (json!("0.0.0.0/0"), one("2001:db8::1"), NoMatch),
            (json!("::/0"), one("203.0.113.2"), NoMatch),
            (json!("2001:db8::1"), one("2001:db8::1"), Match),
            (json!("2001:db8::1"), one("2001:db8::2"), Unknown),
            (json!("2001:db8::1"), one("2001:db9::1"), NoMatch),
            (json!("203.0.113.7/24"), one("203.0.113.7"), Unknown),
            (json!("203.0.113.7/24"), one("198.51.100.1"), NoMatch),
            (json!("203.0.113.0/24"), one("::ffff:203.0.113.1"), Unknown),
            (json!("::ffff:203.0.113.0/120"), one("203.0.113.1"), Unknown),
            (json!("203.0.113.0/33"), one("203.0.113.1"), Unknown),
            (json!("everywhere"), one("203.0.113.1"), Unknown),
            (json!("203.0.113.0/24"), one("runner"), Unknown),
            (json!("203.0.113.0/24"), Presence::Absent, NoMatch),
            (json!("203.0.113.0/24"), somehow(), Unknown),
        ],
    );
    table(
        "NotIpAddress",
        &[
            (json!("203.0.113.0/24"), one("203.0.113.1"), NoMatch),
            (json!("203.0.113.0/24"), one("198.51.100.1"), Match),
            (json!("203.0.113.0/24"), Presence::Absent, Match),
        ],
    );
}

#[test]
fn arns() {
    let topic = "arn:aws:sns:us-west-2:123456789012:TOPIC-ID";
    for operator in ["ArnEquals", "ArnLike"] {
        table(
            operator,
            &[
                (json!(topic), one(topic), Match),
                (
                    json!(topic),
                    one("arn:aws:sns:us-west-2:777788889999:TOPIC-ID"),
                    NoMatch,
                ),
                (
                    json!(topic),
                    one("arn:aws:sns:us-west-2:123456789012:topic-id"),
                    NoMatch,
                ),
                (json!(topic), Presence::Absent, NoMatch),
                (json!("arn:aws:sns:*:123456789012:*"), one(topic), Match),
                (json!("arn:aws:sns:*:12345678901?:TOPIC*"), one(topic), Match),
                // A star doesn't match a colon before the last field.
                (
                    json!("arn:aws:someservice:*:111122223333:finance/*"),
                    one("arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt"),
                    NoMatch,
                ),
                (
                    json!("arn:aws:sns:*:*:a:*"),
                    one("arn:aws:sns:eu-west-1:1:a:b:c"),
                    Match,
                ),
                (
                    json!("arn:aws:iam::123456789012:role/*"),
                    one("arn:aws:iam::123456789012:role/a/b"),
                    Match,
                ),
                (json!("repo:acme/*"), one("repo:acme/widgets"), NoMatch),
                (json!("*"), one("repo:acme/widgets"), NoMatch),
                (json!("*"), one(topic), Unknown),
                (json!("arn:aws:*"), one(topic), Unknown),
                (json!("arn:azure:*"), one(topic), NoMatch),
            ],
        );
    }
    for operator in ["ArnNotEquals", "ArnNotLike"] {
        table(
            operator,
            &[
                (json!(topic), one(topic), NoMatch),
                (json!("arn:aws:sns:*:123456789012:*"), one(topic), NoMatch),
                (json!(topic), one("arn:aws:sns:us-west-2:777788889999:TOPIC-ID"), Match),
                (json!(topic), one("repo:acme/widgets"), Match),
                (json!(topic), Presence::Absent, Match),
            ],
        );
    }
    table(
        "StringLike",
        &[(
            json!("arn:aws:someservice:*:111122223333:finance/*"),
            one("arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt"),
            Match,
        )],
    );
}

#[test]
fn null() {
    table(
        "Null",
        &[
            (json!("true"), Presence::Absent, Match),
            (json!("true"), one("a"), NoMatch),
            (json!("true"), many(&["a", "b"]), NoMatch),
            (json!("true"), somehow(), Unknown),
            (json!(true), Presence::Absent, Match),
            (json!("false"), Presence::Absent, NoMatch),
            (json!("false"), one("a"), Match),
            (json!("false"), many(&["a"]), Match),
            (json!(["true", "false"]), somehow(), Match),
            (json!(["true", "false"]), one(""), Match),
            (json!([]), Presence::Absent, NoMatch),
            (json!([]), somehow(), NoMatch),
            (json!("true"), one(""), Unknown),
            (json!("false"), many(&[]), Unknown),
            (json!("false"), many(&[""]), Unknown),
            (json!("maybe"), Presence::Absent, Unknown),
            (json!(["maybe", "true"]), Presence::Absent, Match),
            (json!(["maybe", "true"]), one("a"), Unknown),
            (json!("True"), Presence::Absent, Unknown),
        ],
    );
    table("ForAnyValue:Null", &[(json!("true"), Presence::Absent, Unknown)]);
    table("ForAllValues:Null", &[(json!("false"), one("a"), Unknown)]);
}

#[test]
fn set_operators() {
    table(
        "ForAllValues:StringEquals",
        &[
            (json!(["a", "b"]), many(&["a", "b"]), Match),
            (json!(["a", "b"]), many(&["a", "c"]), NoMatch),
            (json!(["a", "b"]), many(&["a"]), Match),
            (json!(["a", "b"]), one("a"), Match),
            (json!(["a", "b"]), one("c"), NoMatch),
            (json!("a"), many(&[]), Match),
            (json!("a"), one(""), Match),
            (json!("a"), many(&[""]), Match),
            (json!("a"), many(&["", "a"]), NoMatch),
            (json!("a"), many(&["", ""]), Unknown),
            (json!(["a", ""]), many(&["", ""]), Match),
            (json!([]), many(&["a", "b"]), NoMatch),
            (json!("a"), Presence::Absent, Match),
            (json!("a"), somehow(), Unknown),
        ],
    );
    table(
        "ForAnyValue:StringEquals",
        &[
            (json!(["a", "b"]), many(&["a", "c"]), Match),
            (json!(["a", "b"]), many(&["c", "d"]), NoMatch),
            (json!(["a", "b"]), one("a"), Match),
            (json!(["a", "b"]), one("c"), NoMatch),
            (json!("a"), many(&[]), NoMatch),
            (json!(""), one(""), NoMatch),
            (json!("a"), Presence::Absent, NoMatch),
            (json!("a"), somehow(), Unknown),
        ],
    );
    // "None of the values of the context key in the request can match any of the context key values in your policy."
    table(
        "ForAllValues:StringNotEquals",
        &[
            (json!(["a", "b"]), many(&["c", "d"]), Match),
            (json!(["a", "b"]), many(&["a", "c"]), NoMatch),
            (json!("a"), Presence::Absent, Match),
            (json!("a"), many(&[]), Match),
        ],
    );
    // "At least one context key value in the request must NOT match any of values in the context key in your policy."
    table(
        "ForAnyValue:StringNotEquals",
        &[
            (json!(["a", "b"]), many(&["a", "c"]), Match),
            (json!(["a", "b"]), many(&["a", "b"]), NoMatch),
            (json!("a"), Presence::Absent, NoMatch),
            (json!("a"), many(&[]), NoMatch),
            (json!("a"), many(&["", ""]), Unknown),
            (json!(["a", ""]), many(&["", ""]), NoMatch),
        ],
    );
    table(
        "ForAllValues:StringNotLike",
        &[
            (json!("key1*"), many(&["key1:hr", "key1:personnel"]), NoMatch),
            (json!("key1*"), many(&["key2:audit"]), Match),
            (json!("key1*"), Presence::Absent, Match),
        ],
    );
    table("ForAllValues:StringLike", &[(json!("*"), somehow(), Match)]);
    table("ForAnyValue:StringLike", &[(json!("*"), somehow(), Unknown)]);
    table("ForAnyValue:StringNotLike", &[(json!("*"), somehow(), NoMatch)]);
    table(
        "ForAllValues:StringEqualsIfExists",
        &[
            (json!("a"), Presence::Absent, Match),
            (json!("a"), many(&["b"]), NoMatch),
        ],
    );
    table(
        "ForAllValues:NumericLessThan",
        &[
            (json!("10"), many(&["1", "x"]), Unknown),
            (json!("10"), many(&["11", "x"]), NoMatch),
        ],
    );
    table(
        "ForAnyValue:NumericLessThan",
        &[
            (json!("10"), many(&["1", "x"]), Match),
            (json!("10"), many(&["11", "x"]), Unknown),
        ],
    );
}

#[test]
fn policy_variables() {
    let others = [
        ("aws:PrincipalTag/team", one("blue")),
        ("t:star", one("a*")),
        ("t:empty", one("")),
        ("t:arn", one("a:b")),
        ("t:many", many(&["a", "b"])),
        ("t:single", many(&["a"])),
        ("t:blank", many(&[""])),
        ("t:unknown", somehow()),
    ];
    for (operator, values, actual, expected) in [
        ("StringEquals", json!("${aws:principaltag/TEAM}-x"), "blue-x", Match),
        ("StringEquals", json!("${aws:principaltag/TEAM}-x"), "red-x", NoMatch),
        ("StringNotEquals", json!("${aws:principaltag/TEAM}"), "red", Match),
        ("StringLike", json!("x/${aws:PrincipalTag/team}/*"), "x/blue/y", Match),
        (
            "StringEqualsIgnoreCase",
            json!("${aws:PrincipalTag/team}"),
            "BLUE",
            Match,
        ),
        (
            "ArnLike",
            json!("arn:aws:s3:::b/${aws:PrincipalTag/team}/*"),
            "arn:aws:s3:::b/blue/x",
            Match,
        ),
        // Defaults.
        ("StringEquals", json!("${t:no, 'anonymous'}"), "anonymous", Match),
        (
            "StringEquals",
            json!("${aws:PrincipalTag/team, 'anonymous'}"),
            "blue",
            Match,
        ),
        ("StringEquals", json!("${t:no, 'a}b'}"), "a}b", Match),
        ("StringEquals", json!("${t:no, ''}"), "", Match),
        // No value: nothing is equal to it or like it.
        ("StringEquals", json!("${t:no}"), "", NoMatch),
        ("StringEquals", json!("${t:no}"), "${t:no}", NoMatch),
        ("StringLike", json!("*${t:no}"), "x", NoMatch),
        ("StringNotEquals", json!("${t:no}"), "x", Match),
        ("StringNotEquals", json!(["${t:no}", "x"]), "x", NoMatch),
        ("StringEquals", json!(["${t:no}", "x"]), "x", Unknown),
        ("StringEquals", json!(["x", "${t:no}"]), "x", Unknown),
        ("StringEquals", json!(["${t:no}", "x"]), "y", NoMatch),
        ("StringEqualsIfExists", json!("${t:no}"), "x", Unknown),
        ("StringEquals", json!("${t:no}${t:unknown}"), "x", NoMatch),
        // Literal characters.
        ("StringLike", json!("a${*}b*"), "a*bc", Match),
        ("StringLike", json!("a${*}b"), "axb", NoMatch),
        ("StringLike", json!("a${?}"), "a?", Match),
        ("StringLike", json!("a${?}"), "ab", NoMatch),
        ("StringEquals", json!("${$}{x}"), "${x}", Match),
        ("StringEquals", json!("a${*}"), "a*", Match),
        ("ArnLike", json!("arn:aws:s3:::${*}*"), "arn:aws:s3:::*x", Match),
        ("ArnLike", json!("arn:aws:s3:::${*}*"), "arn:aws:s3:::x", NoMatch),
        // What AWS leaves open.
        ("StringLike", json!("${t:star}"), "a*", Match),
        ("StringLike", json!("${t:star}"), "ab", Unknown),
        ("StringLike", json!("${t:star}"), "b", NoMatch),
        ("StringEquals", json!("${t:star}"), "ab", NoMatch),
        ("StringLike", json!("${t:no, '*'}"), "ab", Unknown),
        ("StringEquals", json!("${t:empty}x"), "x", Unknown),
        ("StringEquals", json!("${t:empty}x"), "y", NoMatch),
        ("StringNotEquals", json!("${t:empty}x"), "x", Unknown),
        ("StringNotEquals", json!("${t:empty}x"), "y", Match),
        ("StringLike", json!("${t:empty}x*"), "y", NoMatch),
        ("StringEquals", json!(["${t:empty}x", "y"]), "y", Unknown),
        ("StringEqualsIfExists", json!("${t:empty}x"), "y", Unknown),
        ("StringEquals", json!("${t:empty}${t:no}"), "y", NoMatch),
        ("StringEquals", json!("${t:no, 'a${*}'}"), "a*", Unknown),
        ("StringEquals", json!("${t:no, '${t:star}'}"), "a*", Unknown),
        ("StringEquals", json!("${t:empty, 'y'}"), "y", Unknown),
        ("StringEquals", json!("${t:many}"), "a", Unknown),
        ("StringEquals", json!("${t:single}"), "a", Match),
        ("StringEquals", json!("${t:blank}a"), "a", Unknown),
        ("StringEquals", json!("${t:unknown}"), "a", Unknown),
        ("StringEquals", json!("${team}"), "a", Unknown),
        ("StringEquals", json!("${t:open"), "a", Unknown),
        ("StringEquals", json!("${}"), "a", Unknown),
        ("StringEquals", json!("${t:no,'x'}"), "x", Unknown),
        ("StringEquals", json!("${t:no, 'x}"), "x", Unknown),
        ("ArnLike", json!("arn:aws:${t:arn}:::x"), "arn:aws:a:b::x", Unknown),
        ("ArnLike", json!("arn:aws:s3:::${t:arn}"), "arn:aws:s3:::a:b", Match),
        // A dollar sign alone isn't special.
        ("StringEquals", json!("$5"), "$5", Match),
        ("StringEquals", json!("{t:k}"), "{t:k}", Match),
    ] {
        let outcome = condition(operator, values.clone(), one(actual), &others);
        assert_eq!(outcome, expected, "{operator} {values} with {actual}");
    }
}

#[test]
fn variables_are_text_in_the_old_language() {
    let statement = allow(&json!({"StringEquals": {"t:k": "${t:other}"}})).to_string();
    for version in ["", r#""Version": "2008-10-17", "#] {
        let policy = parse(&format!(r#"{{{version}"Statement": [{statement}]}}"#)).unwrap();
        let decision = |value| decide(&policy, &request(&[("t:k", one(value)), ("t:other", one("x"))]));
        assert_eq!(decision("x"), Decision::ImplicitDeny);
        assert_eq!(decision("${t:other}"), Decision::Allow);
    }
}

#[test]
fn statements_operators_and_keys() {
    let good = json!({"StringEquals": {"t:k": "a"}});
    let bad = json!({"StringEquals": {"t:k": "b"}});
    let open = json!({"StringEquals": {"t:u": "b"}});
    let request = request(&[("t:k", one("a")), ("t:l", one("a")), ("t:u", somehow())]);
    for (statements, expected) in [
        (json!([]), Decision::ImplicitDeny),
        (allow(&json!({})), Decision::Allow),
        (json!([allow(&good)]), Decision::Allow),
        (json!([allow(&bad)]), Decision::ImplicitDeny),
        (json!([allow(&open)]), Decision::Undecided),
        (json!([allow(&bad), allow(&good)]), Decision::Allow),
        (json!([allow(&open), allow(&good)]), Decision::Allow),
        (json!([allow(&open), allow(&bad)]), Decision::Undecided),
        (json!([allow(&good), deny(&good)]), Decision::ExplicitDeny),
        (json!([allow(&good), deny(&bad)]), Decision::Allow),
        (json!([allow(&good), deny(&open)]), Decision::Undecided),
        (json!([allow(&bad), deny(&open)]), Decision::ImplicitDeny),
        (json!([allow(&open), deny(&good)]), Decision::ExplicitDeny),
        (json!([deny(&good), deny(&open)]), Decision::ExplicitDeny),
        (
            json!([allow(&json!({"StringEquals": {"t:k": "a", "t:l": "a"}}))]),
            Decision::Allow,
        ),
        (
            json!([allow(&json!({"StringEquals": {"t:k": "a", "t:l": "b"}}))]),
            Decision::ImplicitDeny,
        ),
        (
            json!([allow(&json!({"StringEquals": {"t:u": "a", "t:l": "b"}}))]),
            Decision::ImplicitDeny,
        ),
        (
            json!([allow(
                &json!({"StringEquals": {"t:k": "a"}, "StringLike": {"t:l": "a*"}})
            )]),
            Decision::Allow,
        ),
        (
            json!([allow(
                &json!({"StringEquals": {"t:k": "a"}, "StringLike": {"t:l": "b*"}})
            )]),
            Decision::ImplicitDeny,
        ),
    ] {
        let policy = policy(&statements);
        assert_eq!(decide(&policy, &request), expected, "{statements}");
        assert_eq!(trace(&policy, &request).decision, expected, "{statements}");
        said_why(&policy, &request, expected);
    }
}

#[test]
fn actions() {
    for (element, values, expected) in [
        ("Action", json!("sts:AssumeRoleWithWebIdentity"), Match),
        ("Action", json!("STS:assumerolewithwebidentity"), Match),
        ("Action", json!("sts:*"), Match),
        ("Action", json!("*"), Match),
        ("Action", json!("STS:AssumeRole*"), Match),
        ("Action", json!("sts:AssumeRoleWith???Identity"), Match),
        ("Action", json!("sts:AssumeRole"), NoMatch),
        (
            "Action",
            json!(["sts:AssumeRole", "sts:AssumeRoleWithWebIdentity"]),
            Match,
        ),
        ("Action", json!("sts:AssumeRoleWithSAML"), NoMatch),
        ("Action", json!([]), NoMatch),
        ("NotAction", json!("sts:AssumeRole"), Match),
        ("NotAction", json!("sts:*"), NoMatch),
        ("NotAction", json!([]), Match),
    ] {
        let policy = policy(&json!({"Effect": "Allow", "Principal": {"Federated": PROVIDER}, element: values}));
        let trace = trace(&policy, &request(&[]));
        assert_eq!(trace.statements[0].action.outcome, expected, "{element} {values}");
        assert_eq!(trace.statements[0].outcome, expected, "{element} {values}");
    }
}

#[test]
fn principals() {
    use RequestPrincipal::{Aws, Federated, Service};
    let account = "123456789012";
    let root = "arn:aws:iam::123456789012:root";
    let role = "arn:aws:iam::123456789012:role/path/deploy";
    let user = "arn:aws:iam::123456789012:user/alice";
    let session = "arn:aws:sts::123456789012:assumed-role/deploy/run-1";
    let federated_user = "arn:aws:sts::123456789012:federated-user/alice";
    let cases = [
        (json!({"Federated": PROVIDER}), Federated(PROVIDER.into()), Match),
        (json!({"Federated": ["x", PROVIDER]}), Federated(PROVIDER.into()), Match),
        (
            json!({"Federated": PROVIDER.to_uppercase()}),
            Federated(PROVIDER.into()),
            NoMatch,
        ),
        (
            json!({"Federated": "arn:aws:iam::123456789012:oidc-provider/*"}),
            Federated(PROVIDER.into()),
            NoMatch,
        ),
        (
            json!({"Federated": "arn:aws:iam::210987654321:oidc-provider/token.actions.githubusercontent.com"}),
            Federated(PROVIDER.into()),
            NoMatch,
        ),
        (json!({"Federated": "*"}), Federated(PROVIDER.into()), Unknown),
        (json!("*"), Federated(PROVIDER.into()), Unknown),
        (json!({"AWS": "*"}), Federated(PROVIDER.into()), Unknown),
        (json!({"AWS": root}), Federated(PROVIDER.into()), NoMatch),
        (json!({"AWS": PROVIDER}), Federated(PROVIDER.into()), NoMatch),
        (
            json!({"Service": "ec2.amazonaws.com", "Federated": PROVIDER}),
            Federated(PROVIDER.into()),
            Match,
        ),
        (
            json!({"AWS": "*", "Federated": PROVIDER}),
            Federated(PROVIDER.into()),
            Match,
        ),
        (json!({"Federated": []}), Federated(PROVIDER.into()), NoMatch),
        (json!({}), Federated(PROVIDER.into()), NoMatch),
        (
            json!({"CanonicalUser": "79a59df900b949e5"}),
            Federated(PROVIDER.into()),
            NoMatch,
        ),
        (json!({"Federated": PROVIDER}), RequestPrincipal::Unknown, Unknown),
        (json!({}), RequestPrincipal::Unknown, NoMatch),
        (
            json!({"Service": "ec2.amazonaws.com"}),
            Service("ec2.amazonaws.com".into()),
            Match,
        ),
        (
            json!({"Service": "ecs.amazonaws.com"}),
            Service("ec2.amazonaws.com".into()),
            NoMatch,
        ),
        (json!({"Service": "*"}), Service("ec2.amazonaws.com".into()), Unknown),
        (json!("*"), Service("ec2.amazonaws.com".into()), Unknown),
        (json!("*"), Aws(user.into()), Match),
        (json!({"AWS": "*"}), Aws(session.into()), Match),
        (json!({"Federated": user}), Aws(user.into()), NoMatch),
        (json!({"AWS": account}), Aws(user.into()), Match),
        (json!({"AWS": root}), Aws(user.into()), Match),
        (json!({"AWS": root}), Aws(session.into()), Match),
        (json!({"AWS": "210987654321"}), Aws(session.into()), NoMatch),
        (
            json!({"AWS": "arn:aws:iam::210987654321:root"}),
            Aws(session.into()),
            NoMatch,
        ),
        (
            json!({"AWS": "arn:aws-cn:iam::123456789012:root"}),
            Aws(session.into()),
            NoMatch,
        ),
        (json!({"AWS": user}), Aws(user.into()), Match),
        (json!({"AWS": user}), Aws(session.into()), NoMatch),
        (
            json!({"AWS": "arn:aws:iam::123456789012:user/*"}),
            Aws(user.into()),
            NoMatch,
        ),
        (json!({"AWS": role}), Aws(session.into()), Match),
        (json!({"AWS": role}), Aws(role.into()), Match),
        (
            json!({"AWS": role}),
            Aws("arn:aws:sts::123456789012:assumed-role/other/run-1".into()),
            NoMatch,
        ),
        (
            json!({"AWS": "arn:aws:iam::210987654321:role/deploy"}),
            Aws(session.into()),
            NoMatch,
        ),
        (json!({"AWS": session}), Aws(session.into()), Match),
        (json!({"AWS": session}), Aws(role.into()), NoMatch),
        (
            json!({"AWS": session}),
            Aws("arn:aws:sts::123456789012:assumed-role/deploy/run-2".into()),
            NoMatch,
        ),
        (json!({"AWS": user}), Aws(federated_user.into()), Unknown),
        (json!({"AWS": federated_user}), Aws(federated_user.into()), Match),
        (json!({"AWS": root}), Aws(federated_user.into()), Match),
        (json!({"AWS": role}), Aws(federated_user.into()), NoMatch),
        (json!({"AWS": federated_user}), Aws(user.into()), NoMatch),
        (
            json!({"AWS": "arn:aws:iam::210987654321:user/alice"}),
            Aws(federated_user.into()),
            NoMatch,
        ),
        (json!({"AWS": "AROAEXAMPLEEXAMPLE123"}), Aws(session.into()), Unknown),
        (json!({"AWS": root}), Aws(account.into()), Match),
        (json!({"AWS": account}), Aws(root.into()), Match),
        (json!({"AWS": user}), Aws(account.into()), NoMatch),
        (json!({"AWS": user}), Aws("alice".into()), Unknown),
        (json!({"AWS": user}), Aws("alice-and-bo".into()), Unknown),
        (json!({"AWS": "alice"}), Aws(user.into()), NoMatch),
    ];
    for (principal, caller, expected) in cases {
        let statement = json!({"Effect": "Allow", "Principal": principal, "Action": "sts:*"});
        let policy = policy(&statement);
        let request = RequestContext::new("sts:AssumeRole", caller.clone(), None);
        let trace = trace(&policy, &request);
        assert_eq!(
            trace.statements[0].principal.outcome, expected,
            "{principal} with {caller:?}"
        );
        assert_eq!(trace.decision, decide(&policy, &request));
        let text = json!({"Effect": "Allow", "NotPrincipal": principal, "Action": "sts:*"});
        assert_eq!(
            decide(&super::tests::policy(&text), &request),
            Decision::Undecided,
            "NotPrincipal is for no trust policy"
        );
    }
}

#[test]
fn a_budget_holds_for_all_that_is_compared() {
    let list = |text: &str, count: usize| -> Vec<String> {
        (0..count).map(|nth| text.replace('N', &nth.to_string())).collect()
    };
    let mut cases = Vec::new();
    for comparison in Comparison::ALL
        .into_iter()
        .filter(|comparison| *comparison != Comparison::Null)
    {
        let operator = if comparison.is_negated() {
            "ForAllValues"
        } else {
            "ForAnyValue"
        };
        let text = match comparison.positive() {
            Comparison::BinaryEquals => "QmF0",
            Comparison::IpAddress => "10.0.0.N",
            other if other.name().starts_with("Date") => "20N-01-01T00:00:00Z",
            other if other.name().starts_with("Arn") => "arn:aws:iam::N:role/x",
            Comparison::Bool => "true",
            _ => "yN",
        };
        let condition = json!({format!("{operator}:{comparison}"): {"t:k": list(text, 100)}});
        let values = Presence::Many(list("xN", 200));
        cases.push((allow(&condition), request(&[("t:k", values)])));
    }
    // Values after one that matches, no values, and keys checked only for existence.
    let some = |values: &[String]| request(&[("t:k", Presence::Many(values.to_vec()))]);
    let all = [vec!["*".to_owned()], list("xN", 100)].concat();
    cases.push((
        allow(&json!({"ForAllValues:StringLike": {"t:k": all}})),
        some(&list("xN", 200)),
    ));
    cases.push((
        allow(&json!({"ForAllValues:StringNotLike": {"t:k": []}})),
        some(&list("xN", 3_000)),
    ));
    cases.push((
        allow(&json!({"Null": {"t:k": "false"}})),
        some(&vec![String::new(); 3_000]),
    ));
    // Pieces that are tried at each position, and letters outside ASCII.
    let slow = "*a?".to_owned() + &"a".repeat(20) + "b*";
    cases.push((
        allow(&json!({"StringLike": {"t:k": slow}})),
        request(&[("t:k", one(&"a".repeat(500)))]),
    ));
    cases.push((
        allow(&json!({"StringEqualsIgnoreCase": {"t:k": "ä".repeat(300)}})),
        request(&[("t:k", one("b"))]),
    ));
    cases.push((
        allow(&json!({"StringEquals": {"t:k": "${t:m}".repeat(200)}})),
        request(&[("t:k", one("b")), ("t:m", one("c"))]),
    ));
    let mut callers = allow(&json!({}));
    callers["Principal"] = json!({"AWS": list("arn:aws:iam::N:root", 100)});
    let mut caller = request(&[]);
    caller.principal = RequestPrincipal::Aws("arn:aws:iam::x:".repeat(10));
    cases.push((callers, caller));
    let mut actions = allow(&json!({}));
    actions["Action"] = json!(list("sts:*N", 100));
    let mut action = request(&[]);
    action.action = "sts:x".repeat(50);
    cases.push((actions, action));
    for (statement, request) in cases {
        let policy = policy(&json!([statement]));
        let within = |steps| decide_within(&policy, &request, &Limits::new(steps, 1_000));
        assert_eq!(within(10_000), Err(Exceeded::Steps(10_000)), "{statement}");
        assert_eq!(
            within(100_000_000),
            Ok(decide_and_say_why(&policy, &request)),
            "{statement}"
        );
    }
}

#[test]
fn what_iam_stores_is_within_the_budget_of_a_line() {
    for (comparison, pattern) in [
        (Comparison::ArnLike, "arn:aws:iam::*:role/?"),
        (Comparison::DateEquals, "2026-01-01T00:00:00Z"),
        (Comparison::IpAddress, "10.0.0.0/8"),
        (Comparison::NumericEquals, "1"),
        (Comparison::StringEquals, "a"),
        (Comparison::StringEqualsIgnoreCase, "a"),
        (Comparison::StringEqualsIgnoreCase, "repo:ä/b:*:environment"),
        (Comparison::StringLike, "a"),
        (Comparison::StringLike, "*a?b*"),
        (Comparison::StringLike, "repo:*/widge?s-of-acme:environment:*"),
    ] {
        // IAM stores 8,192 characters, including quotes and a comma for each pattern. Explaining compares a second time.
        let patterns = 8_192 / (pattern.len() as u64 + 3);
        let steps = 2 * 500 * patterns * steps(comparison, pattern, &"x".repeat(100));
        assert!(steps < crate::bulk::MAX_STEPS, "{comparison} {pattern}: {steps}");
    }
}

#[test]
fn keys_that_occur_twice_count_only_where_all_readings_agree() {
    let statement = |body: &str| {
        format!(r#"{{"Effect": "Allow", "Principal": {{"Federated": "{PROVIDER}"}}, "Action": "sts:*", {body}}}"#)
    };
    let document = |statement: &str| format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#);
    let (a, b) = (r#""t:k": "a""#, r#""t:k": "b""#);
    let (capital_a, capital_b) = (r#""T:K": "a""#, r#""T:K": "b""#);
    for (text, expected, doubled) in [
        (
            document(&statement(&format!(r#""Condition": {{"StringEquals": {{{a}, {a}}}}}"#))),
            Decision::Allow,
            "/Statement/0/Condition/StringEquals",
        ),
        (
            document(&statement(&format!(r#""Condition": {{"StringEquals": {{{a}, {b}}}}}"#))),
            Decision::Undecided,
            "/Statement/0/Condition/StringEquals",
        ),
        (
            document(&statement(&format!(r#""Condition": {{"StringEquals": {{{b}, {b}}}}}"#))),
            Decision::ImplicitDeny,
            "/Statement/0/Condition/StringEquals",
        ),
        (
            document(&statement(&format!(
                r#""Condition": {{"StringEquals": {{{a}, {capital_b}}}}}"#
            ))),
            Decision::Undecided,
            "/Statement/0/Condition/StringEquals",
        ),
        (
            document(&statement(&format!(
                r#""Condition": {{"StringEquals": {{{a}, {capital_a}}}}}"#
            ))),
            Decision::Allow,
            "/Statement/0/Condition/StringEquals",
        ),
        (
            document(&statement(&format!(
                r#""Condition": {{"StringEquals": {{{a}}}, "StringEquals": {{{a}}}}}"#
            ))),
            Decision::Allow,
            "/Statement/0/Condition",
        ),
        (
            document(&statement(&format!(
                r#""Condition": {{"StringEquals": {{{a}}}, "StringEquals": {{{b}}}}}"#
            ))),
            Decision::Undecided,
            "/Statement/0/Condition",
        ),
        (
            document(&statement(&format!(
                r#""Condition": {{"StringEquals": {{{a}}}}}, "Condition": {{"StringEquals": {{{b}}}}}"#
            ))),
            Decision::Undecided,
            "/Statement/0",
        ),
        (
            document(&statement(r#""Effect": "Deny""#)),
            Decision::Undecided,
            "/Statement/0",
        ),
        (
            document(&statement(r#""Action": "sts:*""#)),
            Decision::Allow,
            "/Statement/0",
        ),
        (
            document(&statement(r#""Sid": "a", "Sid": "b""#)),
            Decision::Allow,
            "/Statement/0",
        ),
        (
            document(&format!(
                r#"{{"Effect": "Allow", "Action": "*", "Principal": {{"Federated": "x", "Federated": "{PROVIDER}"}}}}"#
            )),
            Decision::Undecided,
            "/Statement/0/Principal",
        ),
        (
            document(r#"{"Effect": "Allow", "Action": "*", "Principal": {"Federated": "x", "Federated": "y"}}"#),
            Decision::ImplicitDeny,
            "/Statement/0/Principal",
        ),
        (
            format!(r#"{{"Statement": [], "Statement": {}}}"#, statement(r#""Sid": """#)),
            Decision::Undecided,
            "",
        ),
        (
            format!(
                r#"{{"Id": "a", "Id": "b", "Statement": {}}}"#,
                statement(r#""Sid": """#)
            ),
            Decision::Allow,
            "",
        ),
    ] {
        let policy = parse(&text).unwrap();
        let request = request(&[("t:k", one("a"))]);
        assert_eq!(decide(&policy, &request), expected, "{text}");
        assert_eq!(trace(&policy, &request).decision, expected, "{text}");
        assert_eq!(policy.duplicates.len(), 1, "{text}");
        assert_eq!(policy.duplicates[0].pointer, doubled, "{text}");
        said_why(&policy, &request, expected);
    }
}

#[test]
fn a_resource_leaves_it_undecided_unless_something_else_fails() {
    for (principal, expected) in [(PROVIDER, Decision::Undecided), ("x", Decision::ImplicitDeny)] {
        let text = json!({"Effect": "Allow", "Principal": {"Federated": principal}, "Action": "*", "Resource": "*"});
        let trace = trace(&policy(&text), &request(&[]));
        assert_eq!(trace.decision, expected);
        assert!(trace.statements[0].because.is_some());
    }
}

/// Values on which comparisons of all kinds agree, differ and fail.
const VALUES: [&str; 22] = [
    "",
    "a",
    "A",
    "ab",
    "a*",
    "*",
    "?",
    "ä",
    "true",
    "false",
    "1",
    "2.0",
    "10",
    "2026",
    "2026-11-20",
    "2026-11-20T12:00:00Z",
    "203.0.113.0/24",
    "203.0.113.9",
    "arn:aws:iam::1:role/*",
    "arn:aws:iam::1:role/r",
    "${t:l}",
    "${t:no, 'a'}x${*}",
];

const KEYS: [&str; 4] = ["t:k", "T:K", "t:l", "t:m"];

fn value() -> impl Strategy<Value = String> {
    prop::sample::select(VALUES.as_slice()).prop_map(str::to_owned)
}

fn operator() -> impl Strategy<Value = Operator> {
    let set = prop::sample::select(vec![
        None,
        None,
        Some(SetOperator::ForAllValues),
        Some(SetOperator::ForAnyValue),
    ]);
    let comparison = prop::sample::select(Comparison::ALL.as_slice());
    (set, comparison, prop::bool::weighted(0.2)).prop_map(|(set, comparison, if_exists)| Operator {
        set,
        comparison,
        if_exists: if_exists && comparison != Comparison::Null,
    })
}

fn negated() -> Vec<Comparison> {
    Comparison::ALL
        .into_iter()
        .filter(|comparison| comparison.is_negated())
        .collect()
}

fn known() -> impl Strategy<Value = Presence> {
    prop_oneof![
        2 => Just(Presence::Absent),
        4 => value().prop_map(Presence::One),
        2 => prop::collection::vec(value(), 0..4).prop_map(Presence::Many),
    ]
}

fn maybe_known() -> impl Strategy<Value = Presence> {
    prop_oneof![3 => known(), 1 => Just(somehow())]
}

fn block() -> impl Strategy<Value = Value> {
    let keys = prop::collection::vec(
        (
            prop::sample::select(KEYS.as_slice()),
            prop::collection::vec(value(), 0..4),
        ),
        0..3,
    );
    prop::collection::vec((operator(), keys), 0..3).prop_map(|operators| {
        let operators = operators.into_iter().map(|(operator, keys)| {
            let keys = keys.into_iter().map(|(key, values)| (key.to_owned(), values.into()));
            (operator.to_string(), Value::Object(keys.collect()))
        });
        Value::Object(operators.collect())
    })
}

fn statement() -> impl Strategy<Value = Value> {
    (prop::bool::weighted(0.7), block(), 0..10).prop_map(|(allows, block, odd)| {
        let mut statement = if allows { allow(&block) } else { deny(&block) };
        match odd {
            0 => statement["Principal"] = json!("*"),
            1 => statement["Principal"] = json!({"Federated": "x"}),
            2 => statement["Action"] = json!("sts:AssumeRole"),
            3 => statement["Resource"] = json!("*"),
            _ => {}
        }
        statement
    })
}

fn context(presence: impl Strategy<Value = Presence>) -> impl Strategy<Value = Vec<(&'static str, Presence)>> {
    prop::collection::vec(presence, 3).prop_map(|values| ["t:k", "t:l", "t:m"].into_iter().zip(values).collect())
}

fn statements() -> impl Strategy<Value = Value> {
    prop::collection::vec(statement(), 0..4).prop_map(Value::Array)
}

fn outcome(operator: Operator, values: &[String], presence: &Presence) -> Outcome {
    condition(
        &operator.to_string(),
        json!(values),
        presence.clone(),
        &[("t:l", one("a"))],
    )
}

proptest! {
    #[test]
    fn deciding_tracing_and_saying_why_agree(statements in statements(), context in context(maybe_known())) {
        let (policy, request) = (policy(&statements), request(&context));
        let decision = decide(&policy, &request);
        prop_assert_eq!(trace(&policy, &request).decision, decision);
        let said = decide_and_say_why(&policy, &request);
        prop_assert_eq!(said.0, decision);
        prop_assert_eq!(decide_within(&policy, &request, &Limits::new(100_000, 1_000)), Ok(said));
    }

    #[test]
    fn another_deny_allows_nothing(statements in statements(), block in block(), context in context(maybe_known())) {
        let request = request(&context);
        let before = decide(&policy(&statements), &request);
        let mut more = statements.as_array().unwrap().clone();
        more.push(deny(&block));
        let after = decide(&policy(&json!(more)), &request);
        prop_assert!(after != Decision::Allow || before == Decision::Allow);
        prop_assert!(before != Decision::ExplicitDeny || after == Decision::ExplicitDeny);
    }

    #[test]
    fn an_operator_and_its_negation_differ_on_one_value(
        comparison in prop::sample::select(negated()),
        values in prop::collection::vec(value(), 0..4), actual in value()
    ) {
        let negated = Operator { set: None, comparison, if_exists: false };
        let (yes, no) = (outcome(negated.positive(), &values, &one(&actual)), outcome(negated, &values, &one(&actual)));
        match yes {
            Match => prop_assert_eq!(no, NoMatch),
            NoMatch => prop_assert_eq!(no, Match),
            // A variable without a value is clear-cut only for the negated operator.
            Unknown => prop_assert!(no == Unknown || values.iter().any(|value| value.contains('$'))),
        }
    }

    #[test]
    fn another_value_takes_no_match_away(
        operator in operator(), mut values in prop::collection::vec(value(), 0..4), more in value(), presence in known()
    ) {
        prop_assume!(!operator.comparison.is_negated());
        let before = outcome(operator, &values, &presence);
        values.push(more);
        let after = outcome(operator, &values, &presence);
        prop_assert!(before != Match || after != NoMatch);
    }

    #[test]
    fn if_exists_is_the_plain_operator_when_the_key_exists(
        operator in operator(), values in prop::collection::vec(value(), 0..4), actual in value()
    ) {
        prop_assume!(operator.comparison != Comparison::Null && !actual.is_empty());
        let (with, without) = (Operator { if_exists: true, ..operator }, Operator { if_exists: false, ..operator });
        prop_assert_eq!(outcome(with, &values, &one(&actual)), outcome(without, &values, &one(&actual)));
        let absent = if operator.set == Some(SetOperator::ForAnyValue) { Unknown } else { Match };
        prop_assert_eq!(outcome(with, &values, &Presence::Absent), absent);
    }

    #[test]
    fn what_is_decided_holds_whatever_the_unknown_is(
        statements in statements(), unknown in context(maybe_known()), filling in context(known())
    ) {
        let policy = policy(&statements);
        let filled: Vec<(&str, Presence)> = unknown
            .iter()
            .zip(&filling)
            .map(|(known, filling)| if matches!(known.1, Presence::Unknown(_)) { filling.clone() } else { known.clone() })
            .collect();
        let (before, after) = (trace(&policy, &request(&unknown)), trace(&policy, &request(&filled)));
        match before.decision {
            Decision::Allow => prop_assert!(matches!(after.decision, Decision::Allow | Decision::Undecided)),
            Decision::ExplicitDeny | Decision::ImplicitDeny => prop_assert!(after.decision != Decision::Allow),
            Decision::Undecided => {}
        }
        for (before, after) in before.statements.iter().zip(&after.statements) {
            let pairs = [(before.outcome, after.outcome)].into_iter().chain(
                before.conditions.iter().zip(&after.conditions).flat_map(|(before, after)| {
                    before.keys.iter().zip(&after.keys).map(|(before, after)| (before.outcome, after.outcome))
                }),
            );
            for (before, after) in pairs {
                prop_assert!(before == Unknown || after == Unknown || before == after);
            }
        }
    }

    #[test]
    fn any_request_ends(
        operator in operator(), values in prop::collection::vec(".{0,12}", 0..4), actual in ".{0,12}", other in ".{0,6}"
    ) {
        condition(&operator.to_string(), json!(values), one(&actual), &[("t:l", one(&other))]);
    }
}

#[test]
fn the_trace_points_at_the_text() {
    let text = format!(
        r#"{{
  "Version": "2012-10-17",
  "Statement": {{
    "Effect": "Allow",
    "Principal": {{"Federated": ["x", "{PROVIDER}"]}},
    "Action": ["sts:AssumeRole", "sts:TagSession"],
    "Condition": {{"StringLike": {{"t:sub": ["repo:acme/*:ref:refs/heads/main", "repo:${{t:org}}/w"]}}, "Null": {{"t:x": true}}, "NumericEquals": {{"t:sub": "${{t:org}}"}}}}
  }}
}}"#
    );
    let policy = parse(&text).unwrap();
    let request = request(&[
        ("t:sub", one("repo:acme/widgets:ref:refs/heads/master")),
        ("t:org", one("acme")),
    ]);
    let trace = trace(&policy, &request);
    let statement = &trace.statements[0];
    let written = |span: crate::text::Span| &text[span.start..span.end];
    assert_eq!(written(statement.principal.values[0].span), "\"x\"");
    let fits: Vec<Outcome> = statement.principal.values.iter().map(|value| value.outcome).collect();
    assert_eq!(fits, [NoMatch, Match]);
    assert_eq!(statement.action.outcome, NoMatch);
    assert_eq!(
        statement.action.values[0].parted.map(|parted| parted.pattern),
        Some("sts:AssumeRole".len())
    );
    let values = &statement.conditions[0].keys[0].values;
    assert_eq!(written(values[0].span), "\"repo:acme/*:ref:refs/heads/main\"");
    let parted = values[0].parted.unwrap();
    assert_eq!(&values[0].resolved[parted.pattern..], "in");
    assert_eq!(parted.value, "repo:acme/widgets:ref:refs/heads/ma".len());
    assert_eq!(values[1].resolved, "repo:acme/w");
    assert_eq!(statement.conditions[2].keys[0].values[0].resolved, "${t:org}");
    assert_eq!(values[1].parted.map(|parted| parted.pattern), Some("repo:acme/w".len()));
    assert_eq!(
        statement.conditions[0].keys[0].because,
        "`repo:acme/widgets:ref:refs/heads/master` does not match any of the 2 values"
    );
    assert_eq!(
        statement.conditions[1].keys[0].because,
        "the request does not include this key"
    );
    assert_eq!(statement.conditions[1].outcome, Match);
}

#[test]
fn how_far_equal_texts_and_arns_got() {
    for (operator, wanted, actual, expected) in [
        ("StringEquals", "abc", "abd", Some((2, 2))),
        ("StringEquals", "ab", "abc", Some((2, 2))),
        ("StringEquals", "abc", "ab", Some((2, 2))),
        ("StringEquals", "äb", "äc", Some((2, 2))),
        ("StringEquals", "${t:o}b", "ac", Some((1, 1))),
        ("StringEquals", "${t:no}b", "ac", None),
        ("StringEqualsIgnoreCase", "ABc", "abd", Some((2, 2))),
        ("StringNotEquals", "abc", "abd", Some((2, 2))),
        (
            "ArnLike",
            "arn:aws:iam::1:role/*",
            "arn:aws:iam::2:role/x",
            Some((13, 13)),
        ),
        (
            "ArnLike",
            "arn:*:iam::1:role/a",
            "arn:aws:iam::1:role/b",
            Some((18, 20)),
        ),
        ("ArnLike", "role/a", "arn:aws:iam::1:role/b", None),
        ("ArnLike", "arn:aws:iam::1:role/*", "repo:acme/widgets", None),
        ("NumericEquals", "1", "2", None),
        ("StringLike", "${t:star}", "ab", None),
    ] {
        let policy = policy(&json!([allow(&json!({operator: {"t:k": wanted}}))]));
        let trace = trace(
            &policy,
            &request(&[("t:k", one(actual)), ("t:o", one("a")), ("t:star", one("a*"))]),
        );
        let parted = trace.statements[0].conditions[0].keys[0].values[0].parted;
        assert_eq!(
            parted.map(|parted| (parted.pattern, parted.value)),
            expected,
            "{operator} {wanted} {actual}"
        );
    }
}

#[test]
fn reasons_are_plain_words() {
    for (operator, values, presence, expected) in [
        (
            "StringEquals",
            json!("a"),
            Presence::Absent,
            "the request does not include this key, and `StringEquals` needs it",
        ),
        (
            "StringNotEquals",
            json!("a"),
            Presence::Absent,
            "`StringNotEquals` holds because the request does not include this key",
        ),
        (
            "StringEquals",
            json!("a"),
            somehow(),
            "the value is not known: nobody looked",
        ),
        ("StringEquals", json!("a"), one("b"), "`b` does not equal `a`"),
        ("StringEquals", json!("a"), one("a"), "`a` equals `a`"),
        (
            "StringEquals",
            json!(["a", "b", "c"]),
            one("d"),
            "`d` does not equal any of the 3 values",
        ),
        (
            "StringLike",
            json!(["a", "b", "c*"]),
            one("c"),
            "`c` matches one of the 3 values",
        ),
        (
            "StringNotLike",
            json!(["a", "b", "c*"]),
            one("c"),
            "`c` matches one of the 3 values, which `StringNotLike` forbids",
        ),
        (
            "StringNotLike",
            json!(["a", "b"]),
            one("c"),
            "`c` does not match any of the 2 values, as `StringNotLike` requires",
        ),
        ("StringEquals", json!([]), one("c"), "`StringEquals` has no values"),
        (
            "StringEquals",
            json!("a\nb"),
            one("c\nd"),
            "`c\\nd` does not equal `a\\nb`",
        ),
        ("NumericLessThan", json!("1"), one("2"), "`2` is not less than `1`"),
        (
            "IpAddress",
            json!("203.0.113.0/24"),
            one("203.0.113.7"),
            "`203.0.113.7` lies in `203.0.113.0/24`",
        ),
        (
            "DateGreaterThan",
            json!("2026"),
            one("2025"),
            "`2025` is not after `2026`",
        ),
        (
            "ForAllValues:StringEquals",
            json!("a"),
            one(""),
            "the key has an empty value, which satisfies `ForAllValues:StringEquals`",
        ),
        (
            "ForAllValues:IpAddress",
            json!("2001:db8::1"),
            many(&["2001:db8::2", "x"]),
            "AWS gives `/32` as the prefix of an address without one, which leaves IPv6 open",
        ),
        (
            "ForAllValues:StringEquals",
            json!("a"),
            many(&[]),
            "the key has an empty value, which satisfies `ForAllValues:StringEquals`",
        ),
        (
            "ForAnyValue:StringEquals",
            json!("a"),
            many(&["b", "c"]),
            "`ForAnyValue:StringEquals` holds for none of the 2 values of the request",
        ),
        (
            "ForAllValues:StringEquals",
            json!("a"),
            many(&["b", "a"]),
            "`ForAllValues:StringEquals` does not hold for all 2 values of the request",
        ),
        (
            "ForAnyValue:StringEquals",
            json!("a"),
            one(""),
            "the key has an empty value, which does not satisfy `ForAnyValue:StringEquals`",
        ),
        (
            "StringEquals",
            json!("a"),
            Presence::Unknown(String::new()),
            "the value is not known",
        ),
        (
            "Null",
            json!(["true", "false"]),
            somehow(),
            "it does not depend on whether the request includes this key",
        ),
        (
            "Null",
            json!("true"),
            somehow(),
            "the value is not known: nobody looked",
        ),
        (
            "ForAllValues:NumericLessThan",
            json!("10"),
            many(&["1", "x", "2"]),
            "the request's value is not an integer or decimal number",
        ),
        (
            "ForAllValues:NumericLessThan",
            json!("10"),
            many(&["x", "11"]),
            "`ForAllValues:NumericLessThan` does not hold for all 2 values of the request",
        ),
        (
            "ForAnyValue:NumericLessThan",
            json!("10"),
            many(&["x", "1"]),
            "`ForAnyValue:NumericLessThan` holds for one of the 2 values of the request",
        ),
        (
            "NumericEquals",
            json!("x"),
            one("1"),
            "the policy's value is not an integer or decimal number",
        ),
        ("Null", json!("false"), one("a"), "the request includes this key"),
        (
            "StringLikeIfExists",
            json!("*"),
            somehow(),
            "it is the same for every value",
        ),
    ] {
        let policy = policy(&json!([allow(&json!({operator: {"t:k": values}}))]));
        let trace = trace(&policy, &request(&[("t:k", presence)]));
        assert_eq!(trace.statements[0].conditions[0].keys[0].because, expected);
    }
}

#[test]
fn why_names_the_statement_that_comes_closest() {
    let sub = json!({"StringEquals": {"t:k": "b"}});
    let mut elsewhere = allow(&sub);
    elsewhere["Action"] = json!("sts:AssumeRole");
    let mut other = allow(&sub);
    other["Principal"] = json!({"Federated": "x"});
    let mut neither = other.clone();
    neither["Action"] = json!("sts:AssumeRole");
    let mut with_resource = allow(&json!({}));
    with_resource["Resource"] = json!("*");
    let mut neither_with_resource = neither.clone();
    neither_with_resource["Resource"] = json!("*");
    let not_principal = json!({"Effect": "Allow", "NotPrincipal": {"AWS": "x"}, "Action": "*"});
    let everyone = json!({"Effect": "Allow", "Principal": {"AWS": ["x", "*"]}, "Action": "*"});
    let request = request(&[("t:k", one("a"))]);
    for (statements, expected) in [
        (
            json!([elsewhere, other, allow(&sub)]),
            "`/Statement/2`: `StringEquals` on `t:k`: `a` does not equal `b`",
        ),
        (
            json!([elsewhere]),
            "`/Statement/0`: `sts:AssumeRoleWithWebIdentity` is not the action",
        ),
        (other, "`/Statement`: the principal does not match"),
        (
            json!([allow(&sub), allow(&sub)]),
            "`/Statement/0`: `StringEquals` on `t:k`: `a` does not equal `b`",
        ),
        (
            json!([neither, elsewhere]),
            "`/Statement/1`: `sts:AssumeRoleWithWebIdentity` is not the action",
        ),
        (
            with_resource,
            "`/Statement`: the statement has a `Resource`, which IAM does not accept in a trust policy",
        ),
        (neither_with_resource, "`/Statement`: the principal does not match"),
        (
            not_principal,
            "`/Statement`: `NotPrincipal` is not supported in a role's trust policy",
        ),
        (
            everyone,
            "`/Statement`: AWS does not say whether `*` covers a caller that an identity provider vouches for",
        ),
        (json!([deny(&json!({})), allow(&sub)]), "`/Statement/0` denies it"),
        (json!([deny(&sub), allow(&json!({}))]), "`/Statement/1` allows it"),
        (json!([deny(&sub)]), "no statement allows anything"),
    ] {
        assert_eq!(decide_and_say_why(&policy(&statements), &request).1, expected);
    }
}

#[test]
fn huge_policies_take_their_time_and_no_more() {
    let values: Vec<String> = (0..10_000).map(|nth| format!("repo:acme/w{nth}:*")).collect();
    let policy = policy(&json!([allow(&json!({"StringLike": {"t:k": values}}))]));
    let request = request(&[("t:k", one("repo:acme/w9999:x"))]);
    assert_eq!(decide(&policy, &request), Decision::Allow);
    assert_eq!(
        trace(&policy, &request).statements[0].conditions[0].keys[0]
            .values
            .len(),
        10_000
    );
    let twice = r#""StringEquals": {"t:k": "a"},"#.repeat(5_000) + r#""StringEquals": {"t:k": "b"}"#;
    let text = format!(
        r#"{{"Statement": {{"Effect": "Allow", "Principal": {{"Federated": "{PROVIDER}"}}, "Action": "*", "Condition": {{{twice}}}}}}}"#
    );
    assert_eq!(decide(&parse(&text).unwrap(), &request), Decision::ImplicitDeny);
}

#[test]
fn each_comparison_has_its_words() {
    for (operator, wanted, actual, expected) in [
        ("StringEquals", "a", "b", "`b` does not equal `a`"),
        ("StringEqualsIgnoreCase", "a", "b", "`b` does not equal `a`"),
        ("StringLike", "a", "b", "`b` does not match `a`"),
        ("NumericEquals", "1", "2", "`2` does not equal `1`"),
        ("NumericLessThan", "1", "2", "`2` is not less than `1`"),
        ("NumericLessThanEquals", "1", "2", "`2` is not at most `1`"),
        ("NumericGreaterThan", "2", "1", "`1` is not greater than `2`"),
        ("NumericGreaterThanEquals", "2", "1", "`1` is not at least `2`"),
        ("DateEquals", "2025-01", "2026-01", "`2026-01` does not equal `2025-01`"),
        (
            "DateLessThan",
            "2025-01",
            "2026-01",
            "`2026-01` is not before `2025-01`",
        ),
        (
            "DateLessThanEquals",
            "2025-01",
            "2026-01",
            "`2026-01` is not at or before `2025-01`",
        ),
        (
            "DateGreaterThan",
            "2026-01",
            "2025-01",
            "`2025-01` is not after `2026-01`",
        ),
        (
            "DateGreaterThanEquals",
            "2026-01",
            "2025-01",
            "`2025-01` is not at or after `2026-01`",
        ),
        ("Bool", "true", "false", "`false` does not equal `true`"),
        ("BinaryEquals", "QQ==", "Qg==", "`Qg==` does not equal `QQ==`"),
        (
            "IpAddress",
            "203.0.113.0/24",
            "198.51.100.1",
            "`198.51.100.1` does not lie in `203.0.113.0/24`",
        ),
        (
            "ArnLike",
            "arn:a:b:c:d:e",
            "arn:a:b:c:d:f",
            "`arn:a:b:c:d:f` does not match `arn:a:b:c:d:e`",
        ),
    ] {
        let policy = policy(&json!([allow(&json!({operator: {"t:k": wanted}}))]));
        let trace = trace(&policy, &request(&[("t:k", one(actual))]));
        assert_eq!(trace.statements[0].conditions[0].keys[0].because, expected);
        assert_eq!(trace.statements[0].because, None);
    }
    for (operator, values, expected) in [
        (
            "ForAllValues:StringLike",
            json!("*"),
            "`ForAllValues:StringLike` holds for all 2 values of the request",
        ),
        (
            "ForAnyValue:StringLike",
            json!("a"),
            "`ForAnyValue:StringLike` holds for one of the 2 values of the request",
        ),
    ] {
        let policy = policy(&json!([allow(&json!({operator: {"t:k": values}}))]));
        let trace = trace(&policy, &request(&[("t:k", many(&["a", "b"]))]));
        assert_eq!(trace.statements[0].conditions[0].keys[0].because, expected);
    }
}

/// The plain outcome, and the one with masks taken as hidden parts.
fn with_and_without_masks(operator: &str, wanted: &Value, actual: Presence) -> (Outcome, Outcome, String) {
    let policy = policy(&json!([allow(&json!({ operator: { "t:k": wanted } }))]));
    let request = request(&[("t:k", actual), ("t:owner", one("***"))]);
    let plain = trace(&policy, &request).statements[0].conditions[0].outcome;
    let masked = trace(&policy, &request.with_masks()).statements[0].conditions[0].clone();
    (plain, masked.outcome, masked.keys[0].because.clone())
}

#[test]
fn a_mask_is_unknown_where_it_is_asked_for_and_text_elsewhere() {
    let main = "repo:***/app:ref:refs/heads/main";
    for (operator, wanted, actual, plain, masked) in [
        (
            "StringEquals",
            json!("repo:acme/app:ref:refs/heads/main"),
            one(main),
            NoMatch,
            Unknown,
        ),
        (
            "StringEquals",
            json!("repo:acme/app:ref:refs/heads/dev"),
            one(main),
            NoMatch,
            NoMatch,
        ),
        (
            "StringNotEquals",
            json!("repo:acme/app:ref:refs/heads/main"),
            one(main),
            Match,
            Unknown,
        ),
        (
            "StringEqualsIgnoreCase",
            json!("repo:acme/APP:ref:refs/heads/main"),
            one(main),
            NoMatch,
            Unknown,
        ),
        (
            "StringLike",
            json!(["repo:acme/x:*", "repo:acme/app:*"]),
            one(main),
            NoMatch,
            Unknown,
        ),
        (
            "StringLike",
            json!(["repo:acme/app:*", "repo:*/app:*"]),
            one(main),
            Match,
            Match,
        ),
        ("StringNotLike", json!("repo:acme/x:*"), one(main), Match, Match),
        ("StringLike", json!("***"), one("a"), Match, Unknown),
        ("StringLikeIfExists", json!("***"), somehow(), Match, Unknown),
        (
            "StringLike",
            json!("repo:***/app:*"),
            one("repo:acme/app:x"),
            Match,
            Unknown,
        ),
        ("StringEquals", json!("${t:owner}"), one("acme"), NoMatch, Unknown),
        (
            "StringLike",
            json!("${t:owner}/<APP>"),
            one("acme/app"),
            NoMatch,
            Unknown,
        ),
        ("StringEquals", json!("${*}"), one("*"), Match, Match),
        (
            "ForAnyValue:StringEquals",
            json!("b"),
            many(&["a", "***"]),
            NoMatch,
            Unknown,
        ),
        (
            "ForAllValues:StringEquals",
            json!("b"),
            many(&["a", "***"]),
            NoMatch,
            NoMatch,
        ),
        (
            "ArnLike",
            json!("arn:aws:iam::***:role/a"),
            one("arn:aws:iam::123456789012:role/b"),
            NoMatch,
            NoMatch,
        ),
        (
            "ArnLike",
            json!("arn:aws:iam::1???????????:role/a"),
            one("arn:aws:iam::***:role/a"),
            NoMatch,
            Unknown,
        ),
        ("NumericEquals", json!("5"), one("***"), Unknown, Unknown),
        ("Bool", json!("true"), one("***"), Unknown, Unknown),
        ("Null", json!("false"), one("***"), Match, Match),
        ("StringEquals", json!("xxx"), one("xxx"), Match, Match),
    ] {
        let (without, with, because) = with_and_without_masks(operator, &wanted, actual.clone());
        assert_eq!(
            (without, with),
            (plain, masked),
            "{operator} {wanted} with {actual:?}: {because}"
        );
    }
    let (.., because) = with_and_without_masks("StringEquals", &json!("repo:acme/app:ref:refs/heads/main"), one(main));
    assert_eq!(
        because,
        "the request's `repo:***/app:ref:refs/heads/main` is masked in its owner, and the hidden part decides"
    );
    let (.., because) = with_and_without_masks("StringEquals", &json!("repo:<ORG>/app:x"), one("repo:acme/app:x"));
    assert_eq!(
        because,
        "the policy's `repo:<ORG>/app:x` has the placeholder `<ORG>` in its owner, and the hidden part decides"
    );
}

#[test]
fn a_masked_principal_is_unknown_where_the_rest_fits() {
    let provider = |account: &str| format!("arn:aws:iam::{account}:oidc-provider/token.actions.githubusercontent.com");
    for (wanted, caller, expected) in [
        (provider("***"), provider("123456789012"), Decision::Undecided),
        (provider("123456789***"), provider("123456789012"), Decision::Undecided),
        (
            provider("999999999***"),
            provider("123456789012"),
            Decision::ImplicitDeny,
        ),
        (provider("***"), provider("<account>"), Decision::Undecided),
        (
            "arn:aws:iam::***:oidc-provider/gitlab.com".to_owned(),
            provider("123456789012"),
            Decision::ImplicitDeny,
        ),
    ] {
        let statement = json!({"Effect": "Allow", "Principal": {"Federated": wanted}, "Action": "sts:*"});
        let caller = RequestPrincipal::Federated(caller);
        let request = RequestContext::new("sts:AssumeRoleWithWebIdentity", caller, None);
        let policy = policy(&json!([statement]));
        assert_eq!(decide(&policy, &request), Decision::ImplicitDeny, "{wanted}");
        assert_eq!(decide(&policy, &request.with_masks()), expected, "{wanted}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it is about time")]
fn hostile_masks_take_no_time() {
    let start = std::time::Instant::now();
    for unit in [
        "<",
        "***a",
        "<a>",
        "xxxx/",
        "${{",
        "[",
        "arn:aws:iam::?",
        "{a",
        "R",
        "…",
        "*?***",
    ] {
        let text = unit.repeat(8192 / unit.len());
        for (wanted, actual) in [
            (text.as_str(), "repo:acme/app:x"),
            ("repo:acme/*", &text),
            (&text, &text),
        ] {
            with_and_without_masks("StringLike", &json!(wanted), one(actual));
            with_and_without_masks("StringEquals", &json!(format!("arn:{wanted}")), one(actual));
        }
    }
    assert!(
        start.elapsed() < std::time::Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}
