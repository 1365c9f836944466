//! Properties of trust-policy fixes and witnesses, for random policies and tokens.

use aws_oidc_doctor::Case;
use aws_oidc_doctor::Target;
use aws_oidc_doctor::diagnose;
use aws_oidc_doctor::policy::{Decision, decide, parse};
use aws_oidc_doctor::{Diagnosis, Severity};
use aws_oidc_doctor::{Evidence, Probe};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

const HOST: &str = "token.actions.githubusercontent.com";
const PROVIDER: &str = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";

/// A subject, or a pattern for one.
fn subject(wild: bool) -> BoxedStrategy<String> {
    let owner = prop::sample::select(vec!["acme", "Acme", "acme@12", "acme-corp", "other"]);
    let repository = prop::sample::select(vec!["widgets", "widgets@34", "gadgets"]);
    let context = prop::sample::select(vec![
        "ref:refs/heads/main",
        "ref:refs/heads/dev",
        "ref:refs/tags/v1",
        "environment:production",
        "pull_request",
    ]);
    let plain = (owner, repository, context)
        .prop_map(|(owner, repository, context)| format!("repo:{owner}/{repository}:{context}"));
    if !wild {
        return plain.boxed();
    }
    let broken = prop::sample::select(vec![
        "repo:acme/widgets",
        "repo:acme/widgets:*",
        "repo:acme/*",
        "repo:acme*",
        "repo:acme/widgets:ref:refs/heads/*",
        "acme/widgets:ref:refs/heads/main",
        "repo:acme/widgets:ref:refs/pull/*",
        "repo:acme/widgets:ref:refs/heads/main ",
        "repo:*",
    ])
    .prop_map(str::to_owned);
    prop_oneof![3 => plain, 2 => broken].boxed()
}

fn one_or_list(values: Vec<String>) -> Value {
    match values.as_slice() {
        [only] => json!(only),
        many => json!(many),
    }
}

prop_compose! {
    fn statement()(
        effect in prop::sample::select(vec!["Allow", "Allow", "Allow", "Allow", "Deny"]),
        principal in prop::sample::select(vec![
            json!({"Federated": PROVIDER}), json!({"Federated": PROVIDER}), json!({"Federated": PROVIDER}), json!({"Federated": [PROVIDER]}),
            json!({"Federated": "arn:aws:iam::999999999999:oidc-provider/token.actions.githubusercontent.com"}),
            json!({"AWS": "arn:aws:iam::123456789012:root"}),
        ]),
        action in prop::sample::select(vec![
            json!("sts:AssumeRoleWithWebIdentity"), json!("sts:AssumeRoleWithWebIdentity"), json!(["sts:AssumeRoleWithWebIdentity"]), json!("sts:AssumeRole"), json!("sts:*"),
        ]),
        operator in prop::sample::select(vec!["StringEquals", "StringLike", "StringLike", "ForAnyValue:StringLike", "StringEqualsIgnoreCase", "StringNotLike"]),
        key in prop_oneof![
            8 => Just(format!("{HOST}:sub")), 1 => Just("sub".to_owned()), 1 => Just("tokens.actions.githubusercontent.com:sub".to_owned()),
        ],
        subjects in prop::option::weighted(0.85, prop::collection::vec(subject(true), 1..4)),
        audience in prop::option::weighted(0.7, prop::sample::select(vec!["sts.amazonaws.com", "sts.amazonaws.com", "https://github.com/acme"])),
        extra in prop::option::weighted(0.2, prop::sample::select(vec![
            ("iss", "https://token.actions.githubusercontent.com"), ("repository_owner", "acme"), ("repository", "acme/widgets"), ("ref", "refs/heads/main"),
        ])),
    ) -> Value {
        let mut condition = serde_json::Map::new();
        if let Some(subjects) = subjects {
            condition.insert(operator.to_owned(), json!({ key: one_or_list(subjects) }));
        }
        let equals = condition.entry("StringEquals").or_insert_with(|| json!({}));
        if let Some(audience) = audience {
            equals[format!("{HOST}:aud")] = json!(audience);
        }
        if let Some((key, value)) = extra {
            equals[format!("{HOST}:{key}")] = json!(value);
        }
        if equals.as_object().is_some_and(serde_json::Map::is_empty) {
            condition.remove("StringEquals");
        }
        let mut statement = json!({ "Effect": effect, "Principal": principal, "Action": action });
        if !condition.is_empty() {
            statement["Condition"] = Value::Object(condition);
        }
        statement
    }
}

prop_compose! {
    fn policy()(statements in prop::collection::vec(statement(), 1..4), lone in any::<bool>(), style in 0..3_u8) -> String {
        let statement = match statements.as_slice() {
            [only] if lone => only.clone(),
            many => json!(many),
        };
        let policy = json!({ "Version": "2012-10-17", "Statement": statement });
        match style {
            0 => policy.to_string(),
            1 => serde_json::to_string_pretty(&policy).unwrap(),
            _ => serde_json::to_string_pretty(&policy).unwrap().replace("\n  ", "\n\t"),
        }
    }
}

fn evidence(policy: &str, subject: &str, audience: &str) -> Evidence {
    let parts = subject.strip_prefix("repo:").unwrap();
    let (repository, context) = parts.split_once(':').unwrap();
    let (owner, name) = repository.split_once('/').unwrap();
    let bare = |text: &str| text.split('@').next().unwrap().to_owned();
    let mut claims = json!({
        "iss": format!("https://{HOST}"), "aud": audience, "sub": subject,
        "repository": format!("{}/{}", bare(owner), bare(name)), "repository_owner": bare(owner),
        "repository_id": "34", "repository_owner_id": "12", "actor": "somebody", "actor_id": "7", "workflow": "deploy",
        "job_workflow_ref": "acme/widgets/.github/workflows/deploy.yml@refs/heads/main",
        "ref": context.strip_prefix("ref:").unwrap_or("refs/heads/main"),
    });
    if let Some(name) = context.strip_prefix("environment:") {
        claims["environment"] = json!(name);
    }
    let evidence = json!({
        "schema": 1,
        "request": { "role-to-assume": "arn:aws:iam::123456789012:role/deploy", "aws-region": "eu-west-1" },
        "token": { "claims": claims },
        "role": { "arn": "arn:aws:iam::123456789012:role/deploy", "trust_policy": policy },
    });
    Evidence::from_json(&evidence.to_string()).unwrap()
}

fn decision(policy: &str, subject: &str, audience: &str) -> Decision {
    let evidence = evidence(policy, subject, audience);
    let case = Case::new(&evidence);
    let policy = parse(policy).unwrap();
    decide(&policy, &case.request_for(&policy))
}

fn fixes(diagnosis: &Diagnosis) -> impl Iterator<Item = &aws_oidc_doctor::Fix> {
    diagnosis
        .findings
        .iter()
        .flat_map(|finding| &finding.fixes)
        .filter(|fix| fix.target == Target::TrustPolicy)
}

/// Every possible caller in the small world of these tests.
fn population() -> Vec<String> {
    let mut all = Vec::new();
    for owner in ["acme", "Acme", "acme@12", "acme-evil", "other", "evil@9"] {
        for repository in ["widgets", "widgets@34", "gadgets", "x"] {
            for context in [
                "ref:refs/heads/main",
                "ref:refs/tags/v1",
                "environment:evil",
                "pull_request",
            ] {
                all.push(format!("repo:{owner}/{repository}:{context}"));
            }
        }
    }
    all
}

fn repository(subject: &str) -> &str {
    subject.strip_prefix("repo:").unwrap().split(':').next().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn a_fix_lets_this_token_in_and_no_stranger(policy in policy(), subject in subject(false)) {
        let diagnosis = diagnose(&evidence(&policy, &subject, "sts.amazonaws.com"));
        let before = diagnosis.policy.as_ref().map(|source| source.text.clone()).unwrap();
        for fix in fixes(&diagnosis) {
            // This token gets in.
            prop_assert_eq!(decision(&fix.text, &subject, "sts.amazonaws.com"), Decision::Allow, "{}\n{}", fix.title, fix.text);
            // The edits and the patch yield the same as the text.
            let mut edits: Vec<_> = fix.edits.iter().collect();
            edits.sort_by_key(|edit| std::cmp::Reverse((edit.span.start, edit.span.end)));
            let mut edited = before.clone();
            for edit in &edits {
                edited.replace_range(edit.span.start..edit.span.end, &edit.text);
            }
            // Two insertions at one place keep their order.
            let is_clear = edits.windows(2).all(|pair| pair[0].span.start > pair[1].span.start);
            prop_assert!(!is_clear || edited == fix.text, "{edited}\n{}", fix.text);
            let mut patched: Value = serde_json::from_str(&before).unwrap();
            let patch: json_patch::Patch = serde_json::from_value(Value::Array(fix.patch.clone())).unwrap();
            json_patch::patch(&mut patched, &patch).unwrap();
            prop_assert_eq!(&patched, &serde_json::from_str::<Value>(&fix.text).unwrap(), "{}\n{:?}", fix.text, fix.patch);
            let restricts = fix.notes.iter().any(|note| note.contains("lose access"));
            for other in population() {
                let was = decision(&before, &other, "sts.amazonaws.com");
                let is = decision(&fix.text, &other, "sts.amazonaws.com");
                // Everyone who got in before still does, unless IAM itself requires a restriction, which a note says.
                prop_assert!(was != Decision::Allow || is == Decision::Allow || restricts, "{other} is shut out by {}\n{}", fix.title, fix.text);
                // The only new subjects are this repository's.
                if was != Decision::Allow && is == Decision::Allow {
                    // Under `StringEqualsIgnoreCase` in any letter case, which GitHub doesn't distinguish either.
                    prop_assert_eq!(repository(&other).to_lowercase(), repository(&subject).to_lowercase(), "{} gets in by {}\n{}", other, fix.title, fix.text);
                }
            }
        }
    }

    #[test]
    fn what_fails_and_can_be_mended_has_a_fix(policy in policy(), subject in subject(false)) {
        let evidence = evidence(&policy, &subject, "sts.amazonaws.com");
        let diagnosis = diagnose(&evidence);
        let denied = diagnosis.findings.iter().any(|finding| finding.severity == Severity::Blocks);
        if denied && diagnosis.decision == Some(Decision::ImplicitDeny) {
            // A Deny that still matches after the fix defeats even an exact statement, and what is forbidden must not be allowed.
            let is_forbidden = policy.contains("\"Deny\"") || policy.contains("StringNotLike");
            prop_assert!(is_forbidden || fixes(&diagnosis).next().is_some(), "no fix for {subject}\n{policy}");
        }
    }

    #[test]
    fn a_witness_gets_in(policy in policy(), subject in subject(false)) {
        let evidence = evidence(&policy, &subject, "sts.amazonaws.com");
        let case = Case::new(&evidence);
        for witness in case.witnesses() {
            if witness.breadth == aws_oidc_doctor::Breadth::Audience {
                continue;
            }
            let got_in = ["sts.amazonaws.com", "https://github.com/acme"]
                .iter()
                .any(|audience| decision(&policy, &witness.subject, audience) == Decision::Allow);
            prop_assert!(got_in, "{} does not get in\n{policy}", witness.subject);
            prop_assert_ne!(witness.subject.as_str(), subject.as_str());
        }
    }

    #[test]
    fn a_policy_that_names_every_subject_in_full_is_no_risk(subjects in prop::collection::vec(subject(false), 1..5)) {
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "Federated": PROVIDER }, "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": { format!("{HOST}:sub"): subjects.clone(), format!("{HOST}:aud"): "sts.amazonaws.com" } },
        }]});
        let evidence = evidence(&policy.to_string(), &subjects[0], "sts.amazonaws.com");
        prop_assert!(Case::new(&evidence).witnesses().is_empty());
    }
}

/// Conditions besides the one on the subject.
fn guards() -> impl Strategy<Value = Vec<(&'static str, String, Value)>> {
    let claim = |name: &str| format!("{HOST}:{name}");
    let called = "acme/shared/.github/workflows/d.yml@refs/heads/main";
    let own = "acme/widgets/.github/workflows/deploy.yml@refs/heads/main";
    prop::sample::subsequence(
        vec![
            ("StringEquals", claim("job_workflow_ref"), json!(called)),
            ("StringEquals", claim("job_workflow_ref"), json!(own)),
            ("StringLike", claim("job_workflow_ref"), json!("acme/*")),
            ("StringEquals", claim("environment"), json!("production")),
            ("StringEquals", claim("repository_id"), json!("34")),
            ("StringEquals", claim("repository_id"), json!(["99", "98"])),
            ("StringEquals", claim("actor"), json!("somebody")),
            ("StringLike", claim("ref"), json!("refs/heads/*")),
            ("Null", claim("environment"), json!("false")),
            ("Null", claim("environment"), json!("true")),
            ("Bool", "aws:SecureTransport".to_owned(), json!("true")),
            ("Bool", "aws:SecureTransport".to_owned(), json!("false")),
            ("StringNotLike", claim("sub"), json!("*:pull_request")),
            ("StringNotEquals", claim("actor"), json!("mallory")),
            ("StringLike", "sts:RoleSessionName".to_owned(), json!("INC-*")),
        ],
        0..4,
    )
}

fn guarded(conditions: &[(&'static str, String, Value)]) -> String {
    let mut condition = json!({});
    for (operator, key, value) in conditions {
        condition[*operator][key] = value.clone();
    }
    let statement = json!({
        "Effect": "Allow", "Principal": { "Federated": PROVIDER }, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition,
    });
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

/// The same evidence with other claims.
fn with_claims(policy: &str, subject: &str, claims: &Value) -> Evidence {
    let mut evidence = evidence(policy, subject, "sts.amazonaws.com");
    let Some(Probe::Known(token)) = &mut evidence.token else {
        panic!("a token")
    };
    for (claim, value) in claims.as_object().unwrap() {
        if value.is_null() {
            token.claims.0.remove(claim);
        } else {
            token.claims.0.insert(claim.clone(), value.clone());
        }
    }
    evidence
}

fn decides(policy: &str, evidence: &Evidence) -> Decision {
    let policy = parse(policy).unwrap();
    decide(&policy, &Case::new(evidence).request_for(&policy))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// Anyone newly let in passes each condition that this token passed: only what kept the token out is relaxed.
    #[test]
    fn a_fix_keeps_every_guard(
        guards in guards(),
        pattern in prop::sample::select(vec!["repo:acme/*", "repo:acme/widgets:*", "repo:acme/widgets:ref:refs/heads/release", "repo:acme/gadgets:*"]),
        subject in prop::sample::select(vec![
            "repo:acme/widgets:ref:refs/heads/main", "repo:acme/widgets:pull_request", "repo:acme/widgets:environment:staging", "repo:acme/widgets:ref:refs/tags/v1.2",
        ]),
    ) {
        let mut conditions = vec![("StringLike", format!("{HOST}:sub"), json!(pattern))];
        for guard in guards {
            if !conditions.iter().any(|(operator, key, _)| *operator == guard.0 && *key == guard.1) {
                conditions.push(guard);
            }
        }
        let policy = guarded(&conditions);
        let own = evidence(&policy, subject, "sts.amazonaws.com");
        let passed: Vec<String> = conditions
            .iter()
            .map(|condition| guarded(std::slice::from_ref(condition)))
            .filter(|alone| decides(alone, &own) == Decision::Allow)
            .collect();
        let diagnosis = diagnose(&own);
        for fix in fixes(&diagnosis) {
            prop_assert_eq!(decides(&fix.text, &own), Decision::Allow, "{}\n{}", fix.title, fix.text);
            for subject in population().into_iter().filter(|subject| subject.starts_with("repo:acme/")) {
                for changed in [
                    json!({}), json!({"actor": "mallory"}), json!({"environment": "production"}), json!({"environment": null}),
                    json!({"repository_id": "99"}), json!({"ref": "refs/tags/v9"}), json!({"ref": "refs/pull/9/merge"}),
                    json!({"job_workflow_ref": "mallory/x/.github/workflows/x.yml@refs/heads/main"}),
                ] {
                    let other = with_claims(&policy, &subject, &changed);
                    if decides(&policy, &other) != Decision::Allow && decides(&fix.text, &other) == Decision::Allow {
                        for guard in &passed {
                            prop_assert_ne!(decides(guard, &other), Decision::ImplicitDeny, "{} {} gets in by {}\n{}", subject, changed, fix.title, fix.text);
                        }
                    }
                }
            }
        }
    }

    /// A policy change gets the token through everything known, or says what else blocks it.
    #[test]
    fn a_fix_is_enough_by_itself(policy in policy(), subject in subject(false), audience in prop::sample::select(vec!["sts.amazonaws.com", "https://github.com/acme", "other"])) {
        let mut evidence = evidence(&policy, &subject, audience);
        let provider = json!({ "arn": PROVIDER, "url": HOST, "client_ids": ["sts.amazonaws.com", "https://github.com/acme"] });
        evidence.provider = Some(Probe::Known(serde_json::from_value(provider).unwrap()));
        let diagnosis = diagnose(&evidence);
        for fix in diagnosis.findings.iter().flat_map(|finding| &finding.fixes) {
            let mut mended = evidence.clone();
            if fix.target == Target::TrustPolicy {
                mended.role = Some(Probe::Known(aws_oidc_doctor::Role {
                    trust_policy: Some(aws_oidc_doctor::PolicyText::Text(fix.text.clone())),
                    ..mended.role.as_ref().and_then(Probe::known).cloned().unwrap()
                }));
            } else if let Some(audience) = fix.title.strip_prefix("ask for the audience `") {
                let Some(Probe::Known(token)) = &mut mended.token else {
        panic!("a token")
    };
                token.claims.0.insert("aud".to_owned(), json!(audience.trim_end_matches('`')));
            } else {
                continue;
            }
            let is_alone = !fix.notes.iter().any(|note| note.starts_with("not sufficient by itself"));
            let left = diagnose(&mended);
            prop_assert!(!is_alone || left.cause().is_none(), "{}: {:?}\n{}", fix.title, left.cause().map(|cause| &cause.message), fix.text);
        }
    }
}

/// A value with one letter wrong is replaced: two values would keep the typo. Digits and patterns are no typos.
#[test]
fn a_value_with_a_typo_is_replaced() {
    for (written, is_typo) in [
        ("repo:acme/widgts:ref:refs/heads/main", true),
        ("repo:acme/widgtes:ref:refs/heads/main", true),
        ("repo:acme/gadgets:ref:refs/heads/main", false),
        ("repo:acme/widgets2:ref:refs/heads/main", false),
        ("repo:acme/widgt*:ref:refs/heads/main", false),
    ] {
        let subject = "repo:acme/widgets:ref:refs/heads/main";
        let policy = guarded(&[("StringEquals", format!("{HOST}:sub"), json!(written))]);
        let diagnosis = diagnose(&evidence(&policy, subject, "sts.amazonaws.com"));
        let replaced: Vec<_> = fixes(&diagnosis)
            .filter(|fix| fix.target == Target::TrustPolicy && !fix.text.contains(written))
            .collect();
        assert_eq!(replaced.len(), usize::from(is_typo), "{written}");
        for fix in replaced {
            assert!(
                fix.title
                    .ends_with(&format!("in place of `{written}`, if that is a typo")),
                "{}",
                fix.title
            );
            assert_eq!(decision(&fix.text, subject, "sts.amazonaws.com"), Decision::Allow);
            assert_ne!(decision(&fix.text, written, "sts.amazonaws.com"), Decision::Allow);
        }
    }
}

#[test]
fn what_changes_with_the_run_has_a_fix_that_lasts() {
    let policy = |operator: &str| {
        guarded(&[
            (
                if operator == "StringLike" {
                    "StringLike"
                } else {
                    "StringEquals"
                },
                format!("{HOST}:sub"),
                json!("repo:acme/widgets:ref:refs/heads/main"),
            ),
            ("StringEquals", format!("{HOST}:repository_id"), json!("34")),
        ])
    };
    for (subject, next, never) in [
        (
            "repo:acme/widgets:ref:refs/heads/gh-readonly-queue/main/pr-1-0a",
            Some("repo:acme/widgets:ref:refs/heads/gh-readonly-queue/main/pr-2-0b"),
            "repo:acme/widgets:ref:refs/heads/gh-readonly-queue/dev/pr-2-0b",
        ),
        (
            "repo:acme/widgets:ref:refs/tags/v1.2.3",
            Some("repo:acme/widgets:ref:refs/tags/v2"),
            "repo:acme/widgets:ref:refs/tags/nightly",
        ),
        (
            "repo:acme/widgets:ref:refs/heads/dev",
            None,
            "repo:acme/widgets:ref:refs/heads/x",
        ),
    ] {
        for operator in ["StringEquals", "StringLike"] {
            let policy = policy(operator);
            let diagnosis = diagnose(&evidence(&policy, subject, "sts.amazonaws.com"));
            let fixes: Vec<_> = fixes(&diagnosis).collect();
            let has = |fix: &aws_oidc_doctor::Fix, note: &str| fix.notes.iter().any(|n| n.starts_with(note));
            let lasting: Vec<_> = fixes.iter().filter(|fix| has(fix, "it accepts ")).collect();
            assert_eq!(lasting.len(), usize::from(next.is_some()), "{subject} {operator}");
            assert_eq!(has(fixes[0], "valid for this "), next.is_some(), "{subject} {operator}");
            if let (Some(next), [lasting]) = (next, &*lasting) {
                assert_ne!(decision(&fixes[0].text, next, "sts.amazonaws.com"), Decision::Allow);
                assert_eq!(decision(&lasting.text, next, "sts.amazonaws.com"), Decision::Allow);
                assert_ne!(decision(&lasting.text, never, "sts.amazonaws.com"), Decision::Allow);
                let other = with_claims(&lasting.text, next, &json!({"repository_id": "99"}));
                assert_ne!(decides(&lasting.text, &other), Decision::Allow, "the guard stays");
            }
        }
    }
}

#[test]
fn a_misspelt_condition_key_is_written_as_the_request_has_it() {
    let policy = |key: &str, value: &str| {
        let statement = json!({
            "Effect": "Allow", "Principal": { "Federated": PROVIDER }, "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringLike": { key: value } },
        });
        json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
    };
    let subject = "repo:acme/widgets:ref:refs/heads/main";
    for (key, value, renames) in [
        ("sub", "repo:acme/widgets:*", true),
        ("tokens.actions.githubusercontent.com:sub", "repo:acme/widgets:*", true),
        // These would let strangers in, or keep this token out.
        ("sub", "repo:acme*", false),
        ("sub", "*", false),
        ("sub", "repo:acme/gadgets:*", false),
        ("aud", "sts.amazonaws.com", false),
    ] {
        let diagnosis = diagnose(&evidence(&policy(key, value), subject, "sts.amazonaws.com"));
        let first = fixes(&diagnosis).next().unwrap();
        assert_eq!(
            first.title.starts_with("rename the key"),
            renames,
            "{key} {value}: {}",
            first.title
        );
        if renames {
            assert_eq!(first.title, format!("rename the key `{key}` to `{HOST}:sub`"));
            let changed: Value = serde_json::from_str(&first.text).unwrap();
            assert_eq!(changed.to_string(), policy(&format!("{HOST}:sub"), value));
            let object = "/Statement/0/Condition/StringLike";
            let patch =
                json!({"op": "move", "from": format!("{object}/{key}"), "path": format!("{object}/{HOST}:sub")});
            assert_eq!(first.patch, [patch]);
        }
    }
}

#[test]
fn a_guard_on_a_claim_is_not_gone_round() {
    let subject = "repo:acme/widgets:ref:refs/heads/main";
    let policy = |condition: Value| {
        let statement = json!({
            "Effect": "Allow", "Principal": { "Federated": PROVIDER }, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition,
        });
        json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
    };
    let (sub, environment) = (format!("{HOST}:sub"), format!("{HOST}:environment"));
    for (condition, helps) in [
        (
            json!({"StringLike": {&sub: "repo:acme/widgets:*"}, "StringEquals": {&environment: "production"}}),
            true,
        ),
        // With an environment, the subject wouldn't match.
        (
            json!({"StringEquals": {&sub: subject, &environment: "production"}}),
            false,
        ),
        (
            json!({"StringLike": {&sub: "repo:acme/widgets:*", &environment: "prod-*"}}),
            false,
        ),
        (
            json!({"StringLike": {&sub: "repo:acme/widgets:*"}, "Null": {&environment: "false"}}),
            false,
        ),
    ] {
        let text = policy(condition);
        let diagnosis = diagnose(&evidence(&text, subject, "sts.amazonaws.com"));
        assert_eq!(fixes(&diagnosis).count(), 0, "{text}");
        let workflow = diagnosis.findings.iter().flat_map(|finding| &finding.fixes);
        let titles: Vec<&str> = workflow.map(|fix| fix.title.as_str()).collect();
        assert_eq!(
            titles == ["give the job `environment: production`"],
            helps,
            "{text}: {titles:?}"
        );
        assert!(helps || titles.is_empty(), "{titles:?}");
    }
}
