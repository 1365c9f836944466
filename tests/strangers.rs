//! Row 6, "the policy lets in too much", is ruled out only if no stranger gets in: as a property, for random policies and
//! strangers, and for the patterns people write. `PROPTEST_CASES` sets the number of policies.

use std::cell::Cell;

use aws_oidc_doctor::Budget;
use aws_oidc_doctor::Claims;
use aws_oidc_doctor::Evidence;
use aws_oidc_doctor::Inputs;
use aws_oidc_doctor::diagnose;
use aws_oidc_doctor::policy::{Decision, TrustPolicy, decide, parse};
use aws_oidc_doctor::{Asker, web_identity};
use aws_oidc_doctor::{Cause, CauseStatus, Diagnosis, Fix, Severity};
use aws_oidc_doctor::{Witness, search};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

const HOST: &str = "token.actions.githubusercontent.com";
const PROVIDER: &str = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";

/// Values of a condition key. The owner `acme` and its IDs are intended, everyone else is a stranger.
fn values(key: &str) -> &'static [&'static str] {
    match key {
        "sub" => &[
            "*",
            "repo:*",
            "repo:acme*",
            "repo:acme/*",
            "repo:acme-*/widgets:*",
            "repo:acme/widgets:*",
            "repo:acme/widgets:ref:refs/heads/main",
            "repo:acme@12/widgets@34:*",
            "repo:acme@*/widgets@*:*",
            "repo:*@12/*",
            "repo:*/widgets:ref:refs/heads/main",
            "*/widgets:ref:refs/heads/main",
            "*:ref:refs/heads/main",
            "repo:*:environment:prod",
            "repo:*:pull_request",
            "repo:?cme/widgets:*",
            "repo:*/w?dgets:*",
            "environment:prod",
            "environment:prod:*",
            "repository_owner:acme",
            "repository_owner:acme*",
            "repository_owner_id:12:*",
            "repository_id:3*",
            "workflow:deploy:ref:refs/heads/main",
            "actor:jo:repo:acme/widgets",
            "job_workflow_ref:acme/infra/.github/workflows/deploy.yml@*",
            "pull_request",
            "acme/widgets:*",
            "repo:${token.actions.githubusercontent.com:repository}:*",
            "repo:*acme/widgets*",
            "repo:acme/widgets",
            "",
        ],
        "repository" => &["acme/widgets", "acme/*", "*/widgets", "acme*", "*", "acme/w?dgets"],
        "repository_id" => &["34", "3*", "*"],
        "repository_owner_id" => &["12", "12*", "?"],
        "environment" => &["prod", "prod-*", "*", "a:b"],
        "ref" => &["refs/heads/main", "refs/heads/*", "*main", "refs/tags/v*", "main"],
        "workflow" => &["deploy", "*deploy*"],
        "actor" => &["jo", "j*"],
        "actor_id" => &["77", "7*"],
        "enterprise_id" => &["5", "*"],
        "job_workflow_ref" => &[
            "acme/infra/.github/workflows/deploy.yml@refs/heads/main",
            "*/.github/workflows/deploy.yml@*",
            "acme*",
        ],
        "aud" => &["sts.amazonaws.com", "https://github.com/acme", "*"],
        "repository_visibility" => &["private"],
        "sts:RoleSessionName" => &["GitHubActions", "INC-*"],
        "aws:SourceIp" => &["203.0.113.0/24", "0.0.0.0/0"],
        "aws:RequestedRegion" => &["eu-west-1", "us-*"],
        "aws:CurrentTime" => &["2027-01-01T00:00:00Z"],
        "aws:SecureTransport" => &["true", "false"],
        _ => &["x"],
    }
}

const KEYS: [&str; 20] = [
    "sub",
    "sub",
    "sub",
    "sub",
    "sub",
    "repository",
    "repository_id",
    "repository_owner_id",
    "environment",
    "ref",
    "workflow",
    "actor",
    "actor_id",
    "enterprise_id",
    "job_workflow_ref",
    "aud",
    "repository_visibility",
    "sts:RoleSessionName",
    "aws:SourceIp",
    "aws:RequestedRegion",
];

fn operator() -> impl Strategy<Value = String> {
    let string = prop::sample::select(vec![
        "StringLike",
        "StringLike",
        "StringLike",
        "StringLike",
        "StringEquals",
        "StringEquals",
        "StringEqualsIgnoreCase",
        "StringNotLike",
        "StringNotEquals",
        "StringNotEqualsIgnoreCase",
        "ArnLike",
        "ArnNotEquals",
        "NumericEquals",
        "NumericLessThan",
        "DateGreaterThan",
        "Bool",
        "IpAddress",
        "NotIpAddress",
    ]);
    let set = prop::sample::select(vec!["", "", "", "", "", "", "ForAllValues:", "ForAnyValue:"]);
    let if_exists = prop::sample::select(vec!["", "", "", "", "", "IfExists"]);
    prop_oneof![
        12 => (set, string, if_exists).prop_map(|(set, string, if_exists)| format!("{set}{string}{if_exists}")),
        1 => Just("Null".to_owned()),
    ]
}

fn condition() -> impl Strategy<Value = (String, String, Vec<String>)> {
    (prop::sample::select(KEYS.to_vec()), operator()).prop_flat_map(|(key, operator)| {
        let values = if operator == "Null" {
            &["true", "false"]
        } else {
            values(key)
        };
        let key = if key.contains(':') {
            key.to_owned()
        } else {
            format!("{HOST}:{key}")
        };
        let value = prop::sample::select(values.to_vec()).prop_map(str::to_owned);
        (Just(operator), Just(key), prop::collection::vec(value, 1..3))
    })
}

fn statement() -> impl Strategy<Value = Value> {
    let effect = prop::sample::select(vec!["Allow", "Allow", "Allow", "Deny"]);
    let principal = prop::sample::select(vec![
        json!({ "Federated": PROVIDER }),
        json!({ "Federated": PROVIDER }),
        json!({ "Federated": PROVIDER }),
        json!({ "Federated": PROVIDER }),
        json!({ "Federated": [PROVIDER, "arn:aws:iam::123456789012:oidc-provider/gitlab.com"] }),
        json!({ "AWS": "*" }),
        json!("*"),
        json!({ "AWS": "arn:aws:iam::123456789012:root", "Federated": PROVIDER }),
        json!({ "Service": "ec2.amazonaws.com" }),
    ]);
    let action = prop::sample::select(vec![
        json!("sts:AssumeRoleWithWebIdentity"),
        json!("sts:AssumeRoleWithWebIdentity"),
        json!(["sts:AssumeRole*", "sts:TagSession"]),
        json!("sts:AssumeRole"),
    ]);
    (effect, principal, action, prop::collection::vec(condition(), 0..4)).prop_map(
        |(effect, principal, action, conditions)| {
            let mut block = Map::new();
            for (operator, key, values) in conditions {
                let under = block.entry(operator).or_insert_with(|| json!({}));
                under[key] = json!(values);
            }
            let mut statement = json!({ "Effect": effect, "Principal": principal, "Action": action });
            if !block.is_empty() {
                statement["Condition"] = Value::Object(block);
            }
            statement
        },
    )
}

fn policy() -> impl Strategy<Value = String> {
    prop::collection::vec(statement(), 1..4)
        .prop_map(|statements| json!({ "Version": "2012-10-17", "Statement": statements }).to_string())
}

/// The claims of a job in a stranger's repository, with values that the policies require.
fn stranger() -> impl Strategy<Value = Claims> {
    let of = |all: &[&'static str]| prop::sample::select(all.to_vec());
    (
        of(&["mallory", "acme-other", "acme-x", "scme", "acmeacme", "widgets"]),
        of(&["widgets", "wxdgets", "tools"]),
        prop::option::of(of(&["99", "129", "1"])),
        of(&["3", "35", "99"]),
        of(&["prod", "prod-eu", "a:b", "x@12/y", ""]),
        of(&["refs/heads/main", "refs/heads/x", "refs/tags/v1", "refs/heads/a@12/b"]),
        of(&["deploy", "my-deploy-2"]),
        of(&["jo", "mallory"]),
        (0..9_u8, any::<bool>(), any::<bool>()),
        of(&["sts.amazonaws.com", "https://github.com/acme", "https://elsewhere.example"]),
    )
        .prop_map(|(owner, name, owner_id, id, environment, git_ref, workflow, actor, (form, calls, in_enterprise), aud)| {
            let context = match environment {
                "" if form == 0 => "pull_request".to_owned(),
                "" => format!("ref:{git_ref}"),
                environment => format!("environment:{}", environment.replace(':', "%3A")),
            };
            let repository = match owner_id {
                Some(owner_id) => format!("{owner}@{owner_id}/{name}@{id}"),
                None => format!("{owner}/{name}"),
            };
            let workflow_ref = "acme/infra/.github/workflows/deploy.yml@refs/heads/main";
            let job_workflow_ref = if calls {
                workflow_ref.to_owned()
            } else {
                format!("{owner}/{name}/.github/workflows/deploy.yml@{git_ref}")
            };
            let encoded = environment.replace(':', "%3A");
            let sub = match form {
                1 => format!("repo:{repository}:ref:{git_ref}"),
                2 => format!("environment:{encoded}"),
                3 => format!("repository_owner:{owner}"),
                4 => format!("workflow:{workflow}:ref:{git_ref}"),
                5 => format!("repo:{repository}:environment:{encoded}:ref:{git_ref}"),
                6 => format!("repository_id:{id}:repository_owner_id:{}", owner_id.unwrap_or("99")),
                7 => format!("job_workflow_ref:{job_workflow_ref}"),
                _ => format!("repo:{repository}:{context}"),
            };
            let mut claims = json!({
                "iss": format!("https://{HOST}"), "aud": aud, "sub": sub,
                "repository": format!("{owner}/{name}"), "repository_id": id,
                "repository_owner_id": owner_id.unwrap_or("99"), "ref": git_ref, "workflow": workflow,
                "actor": actor, "actor_id": if actor == "jo" { "77" } else { "7" }, "job_workflow_ref": job_workflow_ref,
                "repository_visibility": "private",
            });
            if !environment.is_empty() {
                claims["environment"] = json!(environment);
            }
            if in_enterprise {
                claims["enterprise_id"] = json!("6");
            }
            Claims(claims.as_object().unwrap().clone())
        })
}

fn own() -> Claims {
    let claims = json!({
        "iss": format!("https://{HOST}"), "aud": "sts.amazonaws.com", "sub": "repo:acme/widgets:ref:refs/heads/main",
        "repository": "acme/widgets", "repository_id": "34", "repository_owner_id": "12", "ref": "refs/heads/main",
        "workflow": "deploy", "actor": "jo", "actor_id": "77",
        "job_workflow_ref": "acme/widgets/.github/workflows/deploy.yml@refs/heads/main",
    });
    Claims(claims.as_object().unwrap().clone())
}

fn asker<'a>(claims: Option<&'a Claims>, inputs: &'a Inputs) -> Asker<'a> {
    Asker {
        claims,
        issuer: "https://token.actions.githubusercontent.com",
        role: None,
        provider: Some(PROVIDER),
        inputs,
        caller: None,
    }
}

/// Whether the evaluator lets these claims in, with some session name and region.
fn gets_in(policy: &TrustPolicy, claims: &Claims) -> bool {
    ["GitHubActions", "INC-7"].into_iter().any(|session| {
        ["eu-west-1", "us-east-1"].into_iter().any(|region| {
            let inputs = Inputs::of_step([("role-session-name", session), ("aws-region", region)]);
            decide(policy, &web_identity(asker(Some(claims), &inputs), policy)) == Decision::Allow
        })
    })
}

#[test]
fn where_a_stranger_gets_in_row_6_is_not_ruled_out() {
    let set = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    let cases = set.unwrap_or(400);
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let [ruled_out, with_stranger, with_witness] = [const { Cell::new(0) }; 3];
    let add = |count: &Cell<u32>, is: bool| count.set(count.get() + u32::from(is));
    let law = |(text, strangers, has_token): (String, Vec<Claims>, bool)| {
        let policy = parse(&text).unwrap();
        let inputs = Inputs::default();
        let token = own();
        let openings = search(
            asker(has_token.then_some(&token), &inputs),
            None,
            &policy,
            &Budget::default(),
        );
        let is_found = openings.witnesses.iter().any(Witness::is_stranger);
        let is_ruled_out = openings.undecided.is_none() && !is_found;
        let one = strangers.iter().find(|claims| gets_in(&policy, claims));
        add(&ruled_out, is_ruled_out);
        add(&with_stranger, one.is_some());
        add(&with_witness, one.is_some() && is_found);
        prop_assert!(
            !is_ruled_out || one.is_none(),
            "{}\n{text}",
            serde_json::to_string(&one).unwrap()
        );
        Ok(())
    };
    let all = (policy(), prop::collection::vec(stranger(), 16), any::<bool>());
    runner.run(&all, law).unwrap_or_else(|error| panic!("{error}"));
    let [ruled_out, with_stranger, with_witness] = [ruled_out, with_stranger, with_witness].map(Cell::into_inner);
    println!(
        "{cases} policies, {ruled_out} ruled out; {with_stranger} let a stranger in, {with_witness} with a witness"
    );
    // The property wasn't vacuous.
    assert!(ruled_out > cases / 10 && with_stranger > cases / 20 && with_witness > with_stranger / 2);
}

/// A run of `acme/widgets` with this policy; the provider accepts only AWS's audience.
fn diagnosis(policy: &str) -> Diagnosis {
    let evidence = json!({
        "schema": 1,
        "request": { "role-to-assume": "arn:aws:iam::123456789012:role/deploy" },
        "token": { "claims": own() },
        "provider": { "arn": PROVIDER, "url": HOST, "client_ids": ["sts.amazonaws.com"] },
        "role": { "arn": "arn:aws:iam::123456789012:role/deploy", "trust_policy": policy },
    });
    diagnose(&Evidence::from_json(&evidence.to_string()).unwrap())
}

/// The fixes of policies that let in too much.
fn narrowed(diagnosis: &Diagnosis) -> Vec<&Fix> {
    let risks = diagnosis
        .findings
        .iter()
        .filter(|found| found.severity == Severity::Risk);
    risks.flat_map(|found| &found.fixes).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn the_narrowest_policy_keeps_this_token_and_shuts_strangers_out(
        text in policy(), strangers in prop::collection::vec(stranger(), 16),
    ) {
        for fix in narrowed(&diagnosis(&text)) {
            let policy = parse(&fix.text).unwrap();
            prop_assert!(gets_in(&policy, &own()), "{}", fix.text);
            // Tokens for other audiences don't get past the provider.
            for claims in strangers.iter().filter(|claims| claims.audience() == Some("sts.amazonaws.com")) {
                prop_assert!(!gets_in(&policy, claims), "{}\n{}", serde_json::to_string(claims).unwrap(), fix.text);
            }
            prop_assert!(fix.notes.iter().any(|note| note.starts_with("all other subjects lose access to this role")));
            let mut patched: Value = serde_json::from_str(&text).unwrap();
            let patch: json_patch::Patch = serde_json::from_value(Value::Array(fix.patch.clone())).unwrap();
            json_patch::patch(&mut patched, &patch).unwrap();
            prop_assert_eq!(&patched, &serde_json::from_str::<Value>(&fix.text).unwrap());
        }
    }
}

/// What people write, whether row 6 applies, and whether there is a narrower policy.
#[test]
fn usual_policies_and_what_they_let_in() {
    use CauseStatus::{Applies, RuledOut, Undecided};
    let statement = |condition: Value| json!({ "Effect": "Allow", "Principal": { "Federated": PROVIDER }, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition });
    let sub = |value: &str| json!({ "StringLike": { format!("{HOST}:sub"): value } });
    let with = |operator: &str, key: &str, value: &str| {
        let mut condition = sub("repo:*");
        let key = if key.contains(':') {
            key.to_owned()
        } else {
            format!("{HOST}:{key}")
        };
        condition
            .as_object_mut()
            .unwrap()
            .entry(operator)
            .or_insert_with(|| json!({}))[key] = json!(value);
        condition
    };
    for (condition, row, has_fix) in [
        (sub("repo:acme/widgets:*"), RuledOut, false),
        (sub("repo:acme/*"), RuledOut, false),
        (sub("repo:acme@*/*"), RuledOut, false),
        (sub("repo:acme*"), Applies, true),
        (sub("repo:acme-*/widgets:*"), Applies, false),
        (sub("repo:*"), Applies, true),
        (sub("*/widgets:ref:refs/heads/main"), Applies, true),
        (sub("repo:*:ref:refs/heads/main"), Applies, true),
        (with("StringEquals", "environment", "prod"), Applies, false),
        (with("StringEquals", "ref", "refs/heads/main"), Applies, true),
        (with("StringLike", "ref", "*main"), Applies, true),
        (with("StringEquals", "workflow", "deploy"), Applies, true),
        (with("StringEquals", "actor", "jo"), Applies, true),
        (with("StringEquals", "repository", "acme/widgets"), RuledOut, false),
        (with("StringLike", "repository", "*/widgets"), Applies, true),
        (with("StringEquals", "repository_owner_id", "12"), RuledOut, false),
        (
            with("StringEquals", "job_workflow_ref", "acme/x/.github/workflows/y.yml@z"),
            Undecided,
            false,
        ),
        (with("StringNotLike", "sub", "repo:mallory/*"), Applies, true),
        (with("Null", "environment", "true"), Applies, true),
        (with("Null", "environment", "false"), Applies, false),
        (with("StringEquals", "sts:RoleSessionName", "INC-7"), Applies, false),
        (with("IpAddress", "aws:SourceIp", "203.0.113.0/24"), Undecided, false),
        (
            with("DateLessThan", "aws:CurrentTime", "2027-01-01T00:00:00Z"),
            Undecided,
            false,
        ),
        (with("Bool", "aws:SecureTransport", "true"), Applies, true),
        (
            with("StringEquals", "repository_visibility", "private"),
            RuledOut,
            false,
        ),
    ] {
        let policy = json!({ "Version": "2012-10-17", "Statement": [statement(condition)] }).to_string();
        let diagnosis = diagnosis(&policy);
        let found = diagnosis.causes.iter().find(|row| row.cause == Cause::TooMuch).unwrap();
        assert_eq!(
            (found.status, !narrowed(&diagnosis).is_empty()),
            (row, has_fix),
            "{policy}: {}",
            found.because
        );
    }
}
