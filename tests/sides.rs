//! Properties of reports and fixes on both sides of a call signed with AWS credentials, for random policies.

use aws_oidc_doctor::policy::{Decision, Presence, RequestContext, RequestPrincipal, decide, parse};
use aws_oidc_doctor::{Conclusion, Diagnosis, Evidence, Fix, Severity, Target, diagnose};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

const HUB: &str = "arn:aws:iam::123456789012:role/team/hub";
const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/hub/ci";
const OTHER: &str = "arn:aws:iam::123456789012:role/other";
const OWN: &str = "arn:aws:iam::123456789012:role/deploy";
const SPOKE: &str = "arn:aws:iam::210987654321:role/deploy";

fn one_or_many(values: Vec<&'static str>) -> Value {
    match values.as_slice() {
        [only] => json!(only),
        many => json!(many),
    }
}

fn actions() -> impl Strategy<Value = Value> {
    let names = select(vec![
        "sts:AssumeRole",
        "sts:AssumeRole",
        "sts:TagSession",
        "sts:*",
        "*",
        "sts:AssumeRoleWithWebIdentity",
    ]);
    prop::collection::vec(names, 1..3).prop_map(one_or_many)
}

fn condition() -> impl Strategy<Value = Option<Value>> {
    prop::option::weighted(
        0.35,
        select(vec![
            json!({"StringEquals": {"sts:ExternalId": "ticket"}}),
            json!({"StringEquals": {"sts:ExternalId": "ticket", "aws:PrincipalAccount": "123456789012"}}),
            json!({"StringLike": {"sts:RoleSessionName": "ci*"}}),
            json!({"ArnLike": {"aws:PrincipalArn": HUB}}),
            json!({"ArnNotEquals": {"aws:PrincipalArn": HUB}}),
            json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
            json!({"StringEquals": {"aws:RequestTag/Repository": "acme/widgets"}}),
            json!({"Null": {"aws:TagKeys": "true"}}),
        ]),
    )
}

prop_compose! {
    fn trust_statement()(
        effect in select(vec!["Allow", "Allow", "Allow", "Allow", "Deny"]),
        principals in prop::collection::vec(select(vec![
            HUB, HUB, SESSION, OTHER, "arn:aws:sts::123456789012:assumed-role/hub/*", "arn:aws:iam::123456789012:root", "arn:aws:iam::999999999999:root",
            "AROA123EXAMPLE0000000",
        ]), 1..3),
        action in actions(),
        condition in condition(),
        is_for_tokens in prop::bool::weighted(0.1),
    ) -> Value {
        let mut statement = json!({"Effect": effect, "Principal": {"AWS": one_or_many(principals)}, "Action": action});
        if is_for_tokens {
            statement["Principal"] = json!({"Federated": "arn:aws:iam::210987654321:oidc-provider/token.actions.githubusercontent.com"});
        }
        if let Some(condition) = condition {
            statement["Condition"] = condition;
        }
        statement
    }
}

prop_compose! {
    fn identity_statement()(
        effect in select(vec!["Allow", "Allow", "Allow", "Allow", "Deny"]),
        action in actions(),
        resources in prop::collection::vec(select(vec![
            "*", SPOKE, OWN, "arn:aws:iam::*:role/deploy", "arn:aws:iam::210987654321:role/other", "arn:aws:iam::2*",
        ]), 1..3),
        negated in prop::bool::weighted(0.1),
        condition in condition(),
    ) -> Value {
        let mut statement = json!({"Effect": effect, "Action": action});
        statement[if negated { "NotResource" } else { "Resource" }] = one_or_many(resources);
        if let Some(condition) = condition {
            statement["Condition"] = condition;
        }
        statement
    }
}

fn document(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

prop_compose! {
    fn call()(
        trust in prop::collection::vec(trust_statement(), 1..3),
        identity in prop::option::weighted(0.9, prop::collection::vec(identity_statement(), 0..3)),
        boundary in prop::option::weighted(0.2, identity_statement()),
        is_own in any::<bool>(),
        external_id in select(vec!["", "", "ticket", "other"]),
        skips_tags in select(vec!["", "true"]),
        is_pretty in any::<bool>(),
    ) -> Value {
        let role = if is_own { OWN } else { SPOKE };
        let trust = document(&trust);
        let trust = if is_pretty { serde_json::to_string_pretty(&trust).unwrap() } else { trust.to_string() };
        let mut caller = json!({
            "account": "123456789012", "arn": SESSION, "role": HUB, "source": "environment", "session_policies": [],
            "permissions_boundary": {"missing": {"why": "not-found"}},
        });
        if let Some(identity) = identity {
            let policies: Vec<Value> = identity.iter().map(|statement| json!({"name": "p", "policy": document(std::slice::from_ref(statement))})).collect();
            caller["identity_policies"] = json!(policies);
        }
        if let Some(boundary) = boundary {
            caller["permissions_boundary"] = json!({"name": "b", "policy": document(&[boundary])});
        }
        json!({
            "request": {
                "role-to-assume": role, "aws-region": "eu-west-1", "role-chaining": "true", "role-external-id": external_id,
                "role-skip-session-tagging": skips_tags, "role-session-name": "ci", "custom-tags": "", "transitive-tag-keys": "",
            },
            "runner": {"repository": "acme/widgets"},
            "caller": caller,
            "role": {"arn": role, "trust_policy": trust},
        })
    }
}

fn diagnosis(evidence: &Value) -> Diagnosis {
    diagnose(&Evidence::from_json(&evidence.to_string()).unwrap())
}

fn blocking(diagnosis: &Diagnosis) -> Vec<&str> {
    let findings = diagnosis.findings.iter();
    findings
        .filter(|finding| finding.severity == Severity::Blocks)
        .map(|finding| finding.rule.id)
        .collect()
}

fn fixes(diagnosis: &Diagnosis) -> Vec<Fix> {
    diagnosis
        .findings
        .iter()
        .flat_map(|finding| finding.fixes.clone())
        .collect()
}

fn with(evidence: &Value, fix: &Fix) -> Value {
    let mut mended = evidence.clone();
    match fix.target {
        Target::TrustPolicy => mended["role"]["trust_policy"] = json!(fix.text),
        Target::CallerPolicy => {
            let policies = mended["caller"]["identity_policies"].as_array_mut().unwrap();
            policies.push(json!({"name": "new", "policy": fix.text}));
        }
        _ => {}
    }
    mended
}

/// A trust policy's decision for a caller; keys that aren't set are absent, as for a caller that omits them all.
fn decision(policy: &str, caller: &str, action: &str, external_id: Option<&str>, role: &str) -> Decision {
    let principal = RequestPrincipal::Aws(caller.to_owned());
    let mut request = RequestContext::new(action, principal, Some(role.to_owned()));
    for (key, value) in [
        ("aws:PrincipalAccount", caller.split(':').nth(4)),
        ("aws:PrincipalArn", Some(caller)),
        ("sts:ExternalId", external_id.filter(|_| action == "sts:AssumeRole")),
        ("aws:RequestTag/Repository", Some("acme/widgets")),
    ] {
        if let Some(value) = value {
            request.set(key, Presence::One(value.to_owned()));
        }
    }
    decide(&parse(policy).unwrap(), &request)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, rng_seed: RngSeed::Fixed(13), ..ProptestConfig::default() })]

    #[test]
    fn a_change_on_one_side_is_enough_or_says_what_else_is_missing(call in call()) {
        let before = diagnosis(&call);
        for fix in fixes(&before) {
            let mended = with(&call, &fix);
            let after = diagnosis(&mended);
            let says_more = fix.notes.iter().any(|note| note.starts_with("not sufficient by itself") || note.contains("still decides"));
            prop_assert!(
                says_more || after.conclusion != Conclusion::Denied,
                "{}: {:?}\n{mended:#}", fix.title, blocking(&after)
            );
            // What was fixed isn't reported again.
            let id = before.findings.iter().find(|finding| finding.fixes.iter().any(|other| other.text == fix.text)).unwrap().rule.id;
            let is_left = blocking(&after).contains(&id);
            prop_assert!(says_more || !is_left, "{id} is left after {}\n{mended:#}", fix.title);
            // Both sides together.
            for other in fixes(&after) {
                let both = diagnosis(&with(&mended, &other));
                prop_assert!(both.conclusion != Conclusion::Denied || says_more, "{} and {}: {:?}\n{mended:#}", fix.title, other.title, blocking(&both));
            }
        }
    }

    #[test]
    fn a_change_of_the_trust_policy_lets_in_this_role_and_nobody_else(call in call()) {
        let before = call["role"]["trust_policy"].as_str().unwrap();
        let role = call["role"]["arn"].as_str().unwrap();
        for fix in fixes(&diagnosis(&call)).iter().filter(|fix| fix.target == Target::TrustPolicy) {
            for caller in [
                "arn:aws:sts::123456789012:assumed-role/other/ci", "arn:aws:sts::123456789012:assumed-role/hub-2/ci",
                "arn:aws:iam::123456789012:user/hub", "arn:aws:sts::999999999999:assumed-role/hub/ci", "arn:aws:iam::999999999999:root",
            ] {
                for action in ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"] {
                    for external_id in [None, Some("ticket"), Some("else")] {
                        let (was, is) = (decision(before, caller, action, external_id, role), decision(&fix.text, caller, action, external_id, role));
                        // Tagging alone issues no session.
                        let may_change = action == "sts:TagSession" && decision(&fix.text, caller, "sts:AssumeRole", Some("ticket"), role) != Decision::ImplicitDeny;
                        prop_assert!(was == is || may_change, "{caller} {action} {external_id:?}: {was:?}, {is:?}\n{}", fix.text);
                    }
                }
            }
            // The edits and the patch yield the same policy.
            let mut patched: Value = serde_json::from_str(before).unwrap();
            let patch: json_patch::Patch = serde_json::from_value(Value::Array(fix.patch.clone())).unwrap();
            json_patch::patch(&mut patched, &patch).unwrap();
            prop_assert_eq!(&patched, &serde_json::from_str::<Value>(&fix.text).unwrap());
        }
    }

    #[test]
    fn a_policy_of_who_asks_opens_this_role_alone(call in call()) {
        let role = call["role"]["arn"].as_str().unwrap();
        for fix in fixes(&diagnosis(&call)).iter().filter(|fix| fix.target == Target::CallerPolicy) {
            let policy: Value = serde_json::from_str(&fix.text).unwrap();
            prop_assert_eq!(policy["Statement"].as_array().unwrap().len(), 1);
            prop_assert_eq!(&policy["Statement"][0]["Resource"], role);
            for action in policy["Statement"][0]["Action"].as_array().unwrap() {
                prop_assert!(["sts:AssumeRole", "sts:TagSession"].contains(&action.as_str().unwrap()));
            }
        }
    }

    /// Unknowns deny nothing: with all the caller's policies unknown, only the trust policy's decision is left.
    #[test]
    fn what_is_not_known_of_who_asks_denies_nothing(call in call()) {
        let mut less = call.clone();
        for part in ["identity_policies", "permissions_boundary", "session_policies"] {
            less["caller"].as_object_mut().unwrap().remove(part);
        }
        let found = diagnosis(&less);
        prop_assert!(!blocking(&found).contains(&"caller-not-allowed"), "{less:#}");
        // What is then allowed may be denied by them, but not the other way round.
        if found.conclusion == Conclusion::Denied {
            prop_assert_ne!(diagnosis(&call).conclusion, Conclusion::Allowed, "{:#}", call);
        }
    }
}

/// The properties above aren't vacuous: changes of every kind are offered, each for the call that needs it.
#[test]
fn each_side_is_mended_where_it_is_the_one_to_mend() {
    let both = json!(["sts:AssumeRole", "sts:TagSession"]);
    let allows = |action: &Value, role: &str| json!({"Effect": "Allow", "Action": action, "Resource": role});
    let trusts =
        |principal: &str, action: &Value| json!({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action});
    let external = |mut statement: Value| {
        statement["Condition"] = json!({"StringEquals": {"sts:ExternalId": "ticket"}});
        statement
    };
    let assume = json!("sts:AssumeRole");
    for (trust, identity, titles) in [
        (trusts(HUB, &both), Some(allows(&both, SPOKE)), &[][..]),
        (
            trusts(HUB, &both),
            Some(allows(&both, OWN)),
            &["let the caller use `sts:AssumeRole` and `sts:TagSession` on this role"],
        ),
        (
            trusts(HUB, &both),
            Some(allows(&assume, SPOKE)),
            &["let the caller use `sts:AssumeRole` and `sts:TagSession` on this role"],
        ),
        (trusts(HUB, &both), None, &[]),
        (
            trusts(HUB, &assume),
            Some(allows(&both, SPOKE)),
            &["allow `sts:TagSession` beside `sts:AssumeRole`"],
        ),
        (
            trusts(HUB, &assume),
            None,
            &["allow `sts:TagSession` beside `sts:AssumeRole`"],
        ),
        (
            external(trusts(HUB, &both)),
            Some(allows(&both, SPOKE)),
            &["allow `sts:TagSession` in a statement of its own"],
        ),
        (
            trusts(OTHER, &both),
            Some(allows(&both, SPOKE)),
            &["trust the calling role"],
        ),
        (
            external(trusts(OTHER, &both)),
            Some(allows(&both, SPOKE)),
            &["trust the calling role"],
        ),
        (
            trusts(OTHER, &assume),
            Some(allows(&assume, OWN)),
            &[
                "let the caller use `sts:AssumeRole` and `sts:TagSession` on this role",
                "trust the calling role",
            ],
        ),
        (trusts("AROA123EXAMPLE0000000", &both), Some(allows(&both, SPOKE)), &[]),
    ] {
        let mut caller = json!({
            "account": "123456789012", "arn": SESSION, "role": HUB, "source": "environment", "session_policies": [],
            "permissions_boundary": {"missing": {"why": "not-found"}},
        });
        if let Some(identity) = identity {
            caller["identity_policies"] = json!([{"name": "p", "policy": document(&[identity])}]);
        }
        let call = json!({
            "request": {
                "role-to-assume": SPOKE, "aws-region": "eu-west-1", "role-chaining": "true", "role-external-id": "ticket",
                "role-skip-session-tagging": "", "role-session-name": "ci",
            },
            "caller": caller,
            "role": {"arn": SPOKE, "trust_policy": document(&[trust])},
        });
        let diagnosis = diagnosis(&call);
        let found: Vec<String> = fixes(&diagnosis).into_iter().map(|fix| fix.title).collect();
        assert_eq!(found, titles, "{call:#}\n{:?}", blocking(&diagnosis));
    }
}

#[test]
fn more_policies_than_a_role_can_have_are_not_evaluated() {
    for (count, cause) in [(50, Some("caller-not-allowed")), (51, None)] {
        let other =
            json!({"name": "p", "policy": document(&[json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})])});
        let trust = document(&[json!({"Effect": "Allow", "Principal": {"AWS": HUB}, "Action": "sts:*"})]);
        let found = diagnosis(&json!({
            "request": {"role-to-assume": SPOKE, "aws-region": "eu-west-1", "role-chaining": "true"},
            "caller": {"account": "123456789012", "arn": SESSION, "source": "environment", "identity_policies": vec![other; count]},
            "role": {"arn": SPOKE, "trust_policy": trust},
        }));
        assert_eq!(found.cause().map(|cause| cause.rule.id), cause, "{count}");
    }
}
