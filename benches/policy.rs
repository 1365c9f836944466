//! How fast trust policies are read and evaluated.
//!
//! The policy is a usual one of two statements, about 600 bytes, as `GetRole` would give it, and the request has the ten
//! keys of a GitHub job. `evaluate` is the whole of the subcommand, from a line of JSON of about 1.4 KB to a line of
//! JSON. The bars: 100,000 lines and 1,000,000 decisions a second on one core.
//!
//! `cargo bench --bench policy`

#![expect(clippy::expect_used, reason = "a bench may panic")]

use aws_oidc_doctor::Asker;
use aws_oidc_doctor::Budget;
use aws_oidc_doctor::Evidence;
use aws_oidc_doctor::Inputs;
use aws_oidc_doctor::bulk::evaluate_lines;
use aws_oidc_doctor::diagnose;
use aws_oidc_doctor::policy::{self, Presence, RequestContext, RequestPrincipal, wildcard};
use aws_oidc_doctor::search;
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

const PROVIDER: &str = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";

const POLICY: &str = concat!(
    r#"{"Version":"2012-10-17","Statement":[{"Sid":"GitHubActions","Effect":"Allow","Principal":{"Federated":"#,
    r#""arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"},"Action":"#,
    r#""sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"token.actions.githubusercontent.com:aud":"#,
    r#""sts.amazonaws.com"},"StringLike":{"token.actions.githubusercontent.com:sub":["#,
    r#""repo:acme/widgets:ref:refs/heads/main","repo:acme/widgets:environment:production","repo:acme/gadgets:*"]}}},"#,
    r#"{"Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#
);

const KEYS: [(&str, &str); 10] = [
    ("token.actions.githubusercontent.com:aud", "sts.amazonaws.com"),
    (
        "token.actions.githubusercontent.com:sub",
        "repo:acme/widgets:environment:production",
    ),
    ("token.actions.githubusercontent.com:repository", "acme/widgets"),
    ("token.actions.githubusercontent.com:repository_id", "123456789"),
    ("token.actions.githubusercontent.com:actor", "octocat"),
    ("token.actions.githubusercontent.com:ref", "refs/heads/main"),
    ("token.actions.githubusercontent.com:workflow", "deploy"),
    ("sts:RoleSessionName", "GitHubActions"),
    ("aws:RequestedRegion", "eu-west-1"),
    ("aws:SecureTransport", "true"),
];

fn request() -> RequestContext {
    let caller = RequestPrincipal::Federated(PROVIDER.to_owned());
    let mut request = RequestContext::new("sts:AssumeRoleWithWebIdentity", caller, None);
    for (key, value) in KEYS {
        request.set(key, Presence::One(value.to_owned()));
    }
    request
}

/// A request whose subject fits nothing, so that everything is looked at.
fn refused() -> RequestContext {
    let mut request = request();
    let subject = "repo:acme/widgets:pull_request".to_owned();
    request.set("token.actions.githubusercontent.com:sub", Presence::One(subject));
    request
}

#[divan::bench]
fn parse(bencher: Bencher<'_, '_>) {
    bencher
        .counter(BytesCount::of_str(POLICY))
        .bench(|| policy::parse(black_box(POLICY)));
}

#[divan::bench(args = ["allowed", "refused"])]
fn decide(bencher: Bencher<'_, '_>, outcome: &str) {
    let policy = policy::parse(POLICY).expect("a policy");
    let request = if outcome == "allowed" { request() } else { refused() };
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench(|| policy::decide(black_box(&policy), black_box(&request)));
}

#[divan::bench(args = ["allowed", "refused"])]
fn trace(bencher: Bencher<'_, '_>, outcome: &str) {
    let policy = policy::parse(POLICY).expect("a policy");
    let request = if outcome == "allowed" { request() } else { refused() };
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench(|| policy::trace(black_box(&policy), black_box(&request)));
}

/// Statements, then values: the time grows with them and not faster.
#[divan::bench(args = [1, 10, 100, 1000])]
fn decide_with_statements(bencher: Bencher<'_, '_>, count: usize) {
    let statement = format!(
        r#"{{"Effect":"Allow","Principal":{{"Federated":"{PROVIDER}"}},"Action":"sts:*","Condition":{{"StringEquals":{{"token.actions.githubusercontent.com:sub":"x"}}}}}}"#
    );
    let policy =
        policy::parse(&format!(r#"{{"Statement":[{}]}}"#, vec![statement; count].join(","))).expect("a policy");
    let request = request();
    bencher
        .counter(ItemsCount::new(count))
        .bench(|| policy::decide(black_box(&policy), black_box(&request)));
}

#[divan::bench(args = [1, 10, 100, 1000, 10000])]
fn decide_with_values(bencher: Bencher<'_, '_>, count: usize) {
    let values: Vec<String> = (0..count).map(|nth| format!(r#""repo:acme/w{nth}:*""#)).collect();
    let policy = policy::parse(&format!(
        r#"{{"Statement":{{"Effect":"Allow","Principal":{{"Federated":"{PROVIDER}"}},"Action":"sts:*","Condition":{{"StringLike":{{"token.actions.githubusercontent.com:sub":[{}]}}}}}}}}"#,
        values.join(",")
    ))
    .expect("a policy");
    let request = request();
    bencher
        .counter(ItemsCount::new(count))
        .bench(|| policy::decide(black_box(&policy), black_box(&request)));
}

#[divan::bench(args = [1, 1000])]
fn evaluate(bencher: Bencher<'_, '_>, count: usize) {
    let context: serde_json::Map<String, serde_json::Value> = KEYS
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).into()))
        .collect();
    let trust_policy: serde_json::Value = serde_json::from_str(POLICY).expect("JSON");
    let lines: String = (0..count)
        .map(|nth| {
            let mut context = context.clone();
            if nth % 2 == 1 {
                context.insert(KEYS[1].0.to_owned(), "repo:acme/widgets:pull_request".into());
            }
            let line = serde_json::json!({
                "id": format!("case-{nth}"),
                "trust_policy": trust_policy,
                "request": {
                    "action": "sts:AssumeRoleWithWebIdentity",
                    "principal": {"federated": PROVIDER},
                    "resource": "arn:aws:iam::123456789012:role/deploy",
                    "context": context,
                },
            });
            format!("{line}\n")
        })
        .collect();
    let mut answers = Vec::new();
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        answers.clear();
        evaluate_lines(black_box(lines.as_bytes()), &mut answers)
    });
}

/// The whole diagnosis with a trust policy of IAM's full size, made to take long: half a second is the bar.
#[divan::bench(args = ["repo:octo-org/r#*:*", "repo:*/*:#*", "repo:o#/*:*", "*#*", "repo:${aws:x#}/*:*"])]
fn diagnose_full(bencher: Bencher<'_, '_>, unit: &str) {
    let mut values = Vec::new();
    while values.iter().map(|value: &String| value.len() + 3).sum::<usize>() < 7_800 {
        values.push(unit.replace('#', &values.len().to_string()));
    }
    let host = "token.actions.githubusercontent.com";
    let policy = serde_json::json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Federated": PROVIDER }, "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": { "StringLike": { format!("{host}:sub"): values } },
    }]});
    let evidence = serde_json::json!({
        "schema": 1,
        "request": { "role-to-assume": "arn:aws:iam::123456789012:role/deploy" },
        "token": { "claims": {
            "iss": format!("https://{host}"), "aud": "sts.amazonaws.com", "sub": "repo:octo-org/octo-repo:environment:prod",
        } },
        "role": { "trust_policy": policy.to_string() },
    });
    let evidence = Evidence::from_json(&evidence.to_string()).expect("evidence");
    bencher.bench(|| diagnose(black_box(&evidence)));
}

/// Patterns of 2,048 characters against values of 8 KB, made to take long.
#[divan::bench(args = ["*a", "a*", "*ab", "*?a", "a?", "?", "aaaa*b"])]
fn hostile_pattern(bencher: Bencher<'_, '_>, unit: &str) {
    let pattern = format!(
        "*{}?{}b*",
        unit.repeat(1024 / unit.len()),
        unit.repeat(1022 / unit.len())
    );
    let value = "a".repeat(8192);
    bencher.bench(|| wildcard::matches(black_box(&pattern), black_box(&value)));
}

/// The same, with the place where it parts.
#[divan::bench(args = ["*a", "a*", "*ab", "*?a", "a?", "?", "aaaa*b"])]
fn hostile_pattern_parted(bencher: Bencher<'_, '_>, unit: &str) {
    let pattern = format!(
        "*{}?{}b*",
        unit.repeat(1024 / unit.len()),
        unit.repeat(1022 / unit.len())
    );
    let value = "a".repeat(8192);
    bencher.bench(|| wildcard::parted(black_box(&pattern), black_box(&value)));
}

/// 1,024 times `*a`, the pattern that makes backtracking matchers hang.
#[divan::bench(args = ["a", "b", "ab"])]
fn stars(bencher: Bencher<'_, '_>, unit: &str) {
    let pattern = "*a".repeat(1024);
    let value = unit.repeat(8192 / unit.len()) + "b";
    bencher.bench(|| wildcard::matches(black_box(&pattern), black_box(&value)));
}

/// Who gets in through 5,000 trust policies of the usual shapes, read and searched without a run.
#[divan::bench(sample_count = 10)]
fn witnesses_of_5000_policies(bencher: Bencher<'_, '_>) {
    let host = "token.actions.githubusercontent.com";
    let policies: Vec<String> = (0..5_000)
        .map(|number| {
            let (owner, name) = (format!("org{}", number / 50), format!("app{number}"));
            let exact = format!("repo:{owner}/{name}:ref:refs/heads/main");
            let production = format!("repo:{owner}/{name}:environment:production");
            let condition = match number % 10 {
                0..=2 => serde_json::json!({ "StringEquals": { format!("{host}:aud"): "sts.amazonaws.com", format!("{host}:sub"): exact } }),
                3 | 4 => serde_json::json!({ "StringEquals": { format!("{host}:aud"): "sts.amazonaws.com" }, "StringLike": { format!("{host}:sub"): [exact, production] } }),
                5 | 6 => serde_json::json!({ "StringEquals": { format!("{host}:aud"): "sts.amazonaws.com" }, "StringLike": { format!("{host}:sub"): format!("repo:{owner}/{name}:*") } }),
                7 => serde_json::json!({ "StringLike": { format!("{host}:sub"): format!("repo:{owner}/*") } }),
                8 => serde_json::json!({ "StringLike": { format!("{host}:sub"): format!("repo:{owner}*/{name}:*") } }),
                _ => serde_json::json!({ "StringEquals": { format!("{host}:aud"): "sts.amazonaws.com", format!("{host}:repository_owner_id"): "1234" } }),
            };
            serde_json::json!({ "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": { "Federated": PROVIDER }, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition,
            }]})
            .to_string()
        })
        .collect();
    let inputs = Inputs::default();
    let issuer = format!("https://{host}");
    let asker = Asker {
        claims: None,
        issuer: &issuer,
        role: None,
        provider: None,
        inputs: &inputs,
        caller: None,
    };
    bencher.bench(|| {
        policies
            .iter()
            .map(|text| {
                let policy = policy::parse(black_box(text)).expect("a policy");
                search(asker, None, &policy, &Budget::default()).witnesses.len()
            })
            .sum::<usize>()
    });
}
