//! Never certain and wrong: removing or masking evidence, or a different answer from AWS, makes no finding certain that wasn't.
//!
//! The evidence is that of all cases, and random combinations of their parts, so that every part of the schema meets every other.
//! A trust policy, a list of client IDs, a list of providers and the caller's policies are one fact each: without a part they would be
//! a different fact.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use aws_oidc_doctor::Evidence;
use aws_oidc_doctor::diagnose;
use aws_oidc_doctor::{Certainty, Conclusion, Diagnosis, Severity};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;
use serde_json::{Map, Value, json};

/// The evidence of all cases, by name.
static CASES: LazyLock<Vec<(String, Value)>> = LazyLock::new(|| {
    let folders = |path: &Path| {
        let entries = fs::read_dir(path)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path());
        let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
        folders.sort();
        folders
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let cases = folders(&root).into_iter().flat_map(|group| folders(&group));
    cases
        .map(|case| {
            let text = fs::read_to_string(case.join("evidence.json")).expect("evidence");
            let name = case.strip_prefix(&root).expect("a case").display().to_string();
            (name, serde_json::from_str(&text).expect("JSON"))
        })
        .collect()
});

/// Where something can be removed, as JSON pointers.
fn places(value: &Value) -> Vec<String> {
    fn walk(value: &Value, at: &str, found: &mut Vec<String>) {
        let is_one_fact = [
            "/role/trust_policy",
            "/provider/client_ids",
            "/provider/thumbprints",
            "/providers",
            "/caller/identity_policies",
        ]
        .contains(&at);
        let inner: Vec<(String, &Value)> = match value {
            _ if is_one_fact => Vec::new(),
            Value::Object(map) => map
                .iter()
                .map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value))
                .collect(),
            Value::Array(list) => list
                .iter()
                .enumerate()
                .map(|(i, value)| (i.to_string(), value))
                .collect(),
            _ => Vec::new(),
        };
        for (key, value) in inner {
            let at = format!("{at}/{key}");
            walk(value, &at, found);
            if at != "/schema" {
                found.push(at);
            }
        }
    }
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found
}

fn without(value: &Value, at: &str) -> Value {
    let mut value = value.clone();
    let (parent, key) = at.rsplit_once('/').expect("a pointer");
    match value.pointer_mut(parent).expect("its parent") {
        Value::Object(map) => drop(map.remove(&key.replace("~1", "/").replace("~0", "~"))),
        Value::Array(list) => drop(list.remove(key.parse().expect("an index"))),
        _ => {}
    }
    value
}

/// Where there are texts, including those of a trust policy.
fn texts(value: &Value) -> Vec<String> {
    fn walk(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    walk(
                        value,
                        &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")),
                        found,
                    );
                }
            }
            Value::Array(list) => {
                for (i, value) in list.iter().enumerate() {
                    walk(value, &format!("{at}/{i}"), found);
                }
            }
            Value::String(text) if !text.is_empty() => found.push(at.to_owned()),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found
}

/// The words of a text, as a runner masks them: secrets are whole words or parts of a name.
fn words(text: &str) -> Vec<(usize, usize)> {
    let mut words = vec![(0, text.len())];
    let mut start = None;
    for (at, letter) in text.char_indices().chain([(text.len(), ' ')]) {
        match (letter.is_alphanumeric(), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                words.push((from, at));
                start = None;
            }
            _ => {}
        }
    }
    words
}

fn masked(value: &Value, at: &str, (from, to): (usize, usize)) -> Value {
    let mut value = value.clone();
    if let Some(Value::String(text)) = value.pointer_mut(at) {
        text.replace_range(from..to, "***");
    }
    value
}

fn diagnosed(value: &Value) -> Option<Diagnosis> {
    Evidence::from_json(&value.to_string())
        .ok()
        .map(|evidence| diagnose(&evidence))
}

/// What certainly blocks (a risk is only about the policy): the cause by its number, if it has one, else by its check.
fn certain(diagnosis: &Diagnosis) -> BTreeSet<String> {
    let certain = diagnosis
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Blocks && finding.certainty() == Certainty::Certain);
    certain
        .map(|finding| {
            finding.cause().map_or_else(
                || finding.rule.id.to_owned(),
                |cause| format!("cause {}", cause.number()),
            )
        })
        .collect()
}

/// Whether this input decides if the step uses its token at all: an unknown input is taken as not given.
fn decides_the_way(full: &Value, at: &str) -> bool {
    // An empty role is another flow too: none.
    let is_no_role = at == "/request/role-to-assume" && full.pointer(at) == Some(&json!(""));
    [
        "/request",
        "/request/role-chaining",
        "/request/aws-access-key-id",
        "/request/web-identity-token-file",
    ]
    .contains(&at)
        || is_no_role
}

fn is_of_answer(at: &str) -> bool {
    at.starts_with("/attempt") || at == "/reported"
}

/// Only AWS's answer.
fn answer_of(value: &Value) -> Value {
    let parts = ["schema", "attempt", "reported"].into_iter();
    parts
        .filter_map(|part| Some((part.to_owned(), value.get(part)?.clone())))
        .collect::<Map<_, _>>()
        .into()
}

/// What is certain with `less` and wasn't with `full`. What AWS's own words prove is left out: a removed fact can only have
/// contradicted it.
fn newly_certain(full: &Value, less: &Value) -> Vec<String> {
    let (Some(was), Some(is)) = (diagnosed(full), diagnosed(less)) else {
        return Vec::new();
    };
    let said = diagnosed(&answer_of(full))
        .map(|diagnosis| certain(&diagnosis))
        .unwrap_or_default();
    let new = &certain(&is) - &certain(&was);
    (&new - &said).into_iter().collect()
}

/// Without AWS's answer, or a part of it, findings it ruled out may appear: those in both are no more certain, and the rest of the
/// answer proves nothing new by itself.
fn surer_without_answer(full: &Value, less: &Value) -> Vec<String> {
    let mut new = surer(full, less);
    if let (Some(was), Some(is)) = (diagnosed(&answer_of(full)), diagnosed(&answer_of(less))) {
        new.extend(&certain(&is) - &certain(&was));
    }
    new
}

/// What was likely and is now certain.
fn surer(full: &Value, less: &Value) -> Vec<String> {
    let (Some(was), Some(is)) = (diagnosed(full), diagnosed(less)) else {
        return Vec::new();
    };
    let certainty = |diagnosis: &Diagnosis, id: &str| {
        let mut found = diagnosis
            .findings
            .iter()
            .filter(|finding| finding.rule.id == id && finding.severity == Severity::Blocks);
        found.next().map(|finding| finding.certainty())
    };
    let ids = is.findings.iter().map(|finding| finding.rule.id);
    ids.filter(|id| match (certainty(&was, id), certainty(&is, id)) {
        // What is possible, because the call didn't get that far, may well be certain for the next one.
        (Some(was), Some(is)) => was == Certainty::Likely && is == Certainty::Certain,
        _ => false,
    })
    .map(str::to_owned)
    .collect()
}

/// Evidence whose parts come from any of the cases.
fn evidence() -> impl Strategy<Value = Value> {
    const PARTS: [&str; 11] = [
        "request",
        "runner",
        "token",
        "provider",
        "providers",
        "reader",
        "role",
        "attempt",
        "workflow",
        "clock",
        "reported",
    ];
    let part = |name: &'static str| {
        let mut known: Vec<Option<Value>> = CASES.iter().map(|(_, case)| case.get(name).cloned()).collect();
        known.dedup();
        select(known).prop_map(move |value| (name, value))
    };
    let parts: Vec<_> = PARTS.into_iter().map(part).collect();
    parts.prop_map(|parts| {
        let known = parts
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let mut evidence: Map<String, Value> = known.collect();
        evidence.insert("schema".to_owned(), json!(1));
        Value::Object(evidence)
    })
}

/// Whether AWS's message, if it names an issuer, names the token's. Otherwise the two are from different runs.
fn is_of_one_run(evidence: &Value) -> bool {
    let message = ["/attempt/text", "/attempt/message", "/reported"]
        .into_iter()
        .find_map(|at| evidence.pointer(at)?.as_str());
    let named = message
        .and_then(|text| text.split_once("found in your account for "))
        .map(|(_, issuer)| issuer);
    let issuer = evidence.pointer("/token/claims/iss").and_then(Value::as_str);
    named
        .zip(issuer)
        .is_none_or(|(named, issuer)| named.trim_start_matches("https://") == issuer.trim_start_matches("https://"))
}

fn any_case() -> impl Strategy<Value = Value> {
    let case = any::<Index>().prop_map(|index| index.get(&CASES).1.clone());
    prop_oneof![case, evidence()].prop_filter("of one run", is_of_one_run)
}

/// The same evidence in every run; `CERTAIN=10000` looks further.
fn config() -> ProptestConfig {
    let more = std::env::var("CERTAIN").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: more.unwrap_or(600),
        rng_seed: more.map_or(RngSeed::Fixed(1), |_| RngSeed::Random),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn less_evidence_makes_nothing_certain(full in any_case(), at in any::<Index>()) {
        let places: Vec<_> = places(&full).into_iter().filter(|at| !decides_the_way(&full, at)).collect();
        let at = at.get(&places);
        let less = without(&full, at);
        let new = if is_of_answer(at) { surer_without_answer(&full, &less) } else { newly_certain(&full, &less) };
        prop_assert!(new.is_empty(), "without {at}: {new:?} is certain of {full}");
    }

    #[test]
    fn what_is_crossed_out_makes_nothing_certain(full in any_case(), at in any::<Index>(), word in any::<Index>()) {
        let texts: Vec<_> = texts(&full).into_iter().filter(|at| !decides_the_way(&full, at)).collect();
        let at = at.get(&texts);
        let words = words(full.pointer(at).and_then(Value::as_str).unwrap_or_default());
        let less = masked(&full, at, *word.get(&words));
        let new = if is_of_answer(at) { surer_without_answer(&full, &less) } else { newly_certain(&full, &less) };
        prop_assert!(new.is_empty(), "{:?} of {at} crossed out: {new:?} is certain of {full}", less.pointer(at));
    }

    #[test]
    fn nothing_blocks_a_step_that_succeeds(full in any_case()) {
        let mut allowed = full.clone();
        allowed["attempt"] = json!({ "outcome": "allowed", "assumed_role_arn": "arn:aws:sts::123456789012:assumed-role/deploy/GitHubActions" });
        let surer = surer(&full, &allowed);
        prop_assert!(surer.is_empty(), "{surer:?} is certain of {full} when it is allowed");
        if let Some(diagnosis) = diagnosed(&allowed) {
            let blocks: Vec<_> = diagnosis.findings.iter().filter(|finding| finding.severity == Severity::Blocks).collect();
            // What stops the action itself fails the step, whatever AWS returns.
            let fails = blocks.iter().any(|finding| finding.by_action);
            prop_assert_eq!(diagnosis.conclusion == Conclusion::Allowed, !fails);
            prop_assert!(blocks.iter().all(|finding| finding.by_action), "{blocks:?}");
        }
    }
}

/// Counterexamples that longer runs found, without the parts that did not matter.
#[test]
fn what_was_once_surer_with_less_is_not() {
    let role = "arn:aws:iam::123456789012:role/deploy";
    for (full, at, less) in [
        (
            json!({"schema": 1, "attempt": {"outcome": "reported", "text": "Error: Unable to get ACTIONS_ID_TOKEN_REQUEST_URL env variable\n    at (/run/act/actions/aws-actions-configure-aws-credentials@v6/dist/index.js:71:23)"}}),
            "/attempt/text",
            json!(
                "Error: Unable to get ACTIONS_ID_TOKEN_REQUEST_URL env variable\n    at (/run/***/actions/aws-actions-configure-aws-credentials@v6/dist/index.js:71:23)"
            ),
        ),
        (
            json!({
                "schema": 1, "request": {"role-to-assume": role, "aws-region": "eu-west-1", "role-chaining": "true"},
                "runner": {"job": "deploy", "aws_credentials": "web-identity", "runner_environment": "github-hosted"},
                "attempt": {"missing": {"why": "no-credentials", "detail": "the default chain cannot be looked through"}},
            }),
            "/runner/aws_credentials",
            json!("***"),
        ),
        (
            json!({
                "schema": 1,
                "request": {"role-to-assume": role, "aws-region": "eu-west-1", "aws-access-key-id": "AKIAIOSFODNN7EXAMPLE", "use-existing-credentials": "true"},
                "reader": {"account": "123456789012", "arn": "arn:aws:sts::123456789012:assumed-role/reader/x", "source": "environment"},
                "attempt": {"outcome": "reported", "text": "The security token included in the request is expired"},
            }),
            "/reader/source",
            json!("***"),
        ),
        (
            json!({
                "schema": 1, "request": {"role-to-assume": "", "aws-region": "eu-west-1"}, "runner": {"aws_credentials": "none"},
                "reader": {"account": "123456789012", "arn": "arn:aws:sts::123456789012:assumed-role/reader/x", "source": "environment"},
            }),
            "/reader",
            json!(null),
        ),
    ] {
        assert!(diagnosed(&full).is_some(), "{full}");
        let mut after = full.clone();
        *after.pointer_mut(at).unwrap() = less;
        assert_eq!(newly_certain(&full, &after), Vec::<String>::new(), "{at} of {full}");
    }
}

/// The role is an expression: all of it is unknown, or its account.
#[test]
fn nothing_is_certain_of_a_role_that_is_not_known() {
    let mut count = 0;
    for (name, case) in CASES.iter() {
        for masked in [None, Some("arn:aws:iam::${{secrets.ACCOUNT}}:role/deploy")] {
            let mut case = case.clone();
            for part in ["attempt", "reported", "chain", "runs"] {
                case.as_object_mut().expect("an object").remove(part);
            }
            let Some(request) = case.get_mut("request").and_then(Value::as_object_mut) else {
                continue;
            };
            request.insert("not-known".to_owned(), json!({"role-to-assume": "${{ secrets.ROLE }}"}));
            match masked {
                Some(role) => request.insert("role-to-assume".to_owned(), json!(role)),
                None => request.remove("role-to-assume"),
            };
            let Some(diagnosis) = diagnosed(&case) else { continue };
            count += 1;
            let blocks = |finding: &&aws_oidc_doctor::Found| {
                finding.severity == Severity::Blocks && finding.certainty() == Certainty::Certain
            };
            for finding in diagnosis.findings.iter().filter(blocks) {
                let stage = format!("{:?}", finding.rule.stage);
                let is_of_the_role = ["Provider", "Role", "TrustPolicy", "Session"].contains(&&*stage);
                assert!(!is_of_the_role, "{name}, {masked:?}: {} is certain", finding.rule.id);
            }
        }
    }
    assert!(count > 200, "{count}");
}
