use super::*;
use crate::policy::{Presence, parse, parse_identity};
use serde_json::{Value, json};

const HUB: &str = "arn:aws:iam::123456789012:role/hub";
const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/hub/ci";
const USER: &str = "arn:aws:iam::123456789012:user/ci";
const OWN: &str = "arn:aws:iam::123456789012:role/team/deploy";
const OTHER: &str = "arn:aws:iam::210987654321:role/team/deploy";

fn request(caller: &str, role: &str) -> RequestContext {
    let mut request = RequestContext::new(
        "sts:AssumeRole",
        RequestPrincipal::Aws(caller.to_owned()),
        Some(role.to_owned()),
    );
    request.set("aws:SourceIp", Presence::Unknown(String::new()));
    request
}

fn document(statement: &Value) -> String {
    json!({"Version": "2012-10-17", "Statement": statement}).to_string()
}

fn trusts(principal: &Value) -> Policy {
    parse(&document(
        &json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}),
    ))
    .unwrap()
}

fn identity(effect: &str, resource: &str) -> Policy {
    parse_identity(&document(
        &json!({"Effect": effect, "Action": "sts:Assume*", "Resource": resource}),
    ))
    .unwrap()
}

#[test]
fn both_sides_decide_as_the_accounts_and_the_trusted_name_demand() {
    use Decision::{Allow, ExplicitDeny, ImplicitDeny, Undecided};
    let allows = [identity("Allow", "*")];
    let elsewhere = [identity("Allow", HUB)];
    let denies = [identity("Allow", "*"), identity("Deny", "arn:aws:iam::*:role/team/*")];
    let by_address = [
        parse_identity(&document(&json!({"Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}})))
        .unwrap(),
    ];
    type Known<'a> = Option<&'a [Policy]>;
    let (all, other, denied, perhaps, none, unknown): (
        Known<'_>,
        Known<'_>,
        Known<'_>,
        Known<'_>,
        Known<'_>,
        Known<'_>,
    ) = (
        Some(&allows),
        Some(&elsewhere),
        Some(&denies),
        Some(&by_address),
        Some(&[]),
        None,
    );
    let (identity, boundary, session, trust) = (
        Some(Side::Identity),
        Some(Side::Boundary),
        Some(Side::Session),
        Some(Side::Trust),
    );
    let root = "arn:aws:iam::123456789012:root";
    for (caller, role, principal, policies, decision, blocked) in [
        // Across accounts, both must allow it.
        (SESSION, OTHER, json!({"AWS": HUB}), [all, none, none], Allow, None),
        (
            SESSION,
            OTHER,
            json!({"AWS": HUB}),
            [none, none, none],
            ImplicitDeny,
            identity,
        ),
        (
            SESSION,
            OTHER,
            json!({"AWS": HUB}),
            [other, none, none],
            ImplicitDeny,
            identity,
        ),
        (
            SESSION,
            OTHER,
            json!({"AWS": HUB}),
            [unknown, none, none],
            Undecided,
            None,
        ),
        (
            SESSION,
            OTHER,
            json!({"AWS": HUB}),
            [other, unknown, unknown],
            ImplicitDeny,
            identity,
        ),
        (
            SESSION,
            OTHER,
            json!({"AWS": HUB}),
            [perhaps, none, none],
            Undecided,
            None,
        ),
        (
            SESSION,
            OTHER,
            json!({"AWS": HUB}),
            [denied, none, none],
            ExplicitDeny,
            identity,
        ),
        (
            SESSION,
            OTHER,
            json!({"AWS": HUB}),
            [all, other, none],
            ImplicitDeny,
            boundary,
        ),
        (
            SESSION,
            OTHER,
            json!({"AWS": HUB}),
            [all, none, other],
            ImplicitDeny,
            session,
        ),
        (SESSION, OTHER, json!({"AWS": HUB}), [all, all, all], Allow, None),
        (SESSION, OTHER, json!({"AWS": root}), [all, none, none], Allow, None),
        (
            SESSION,
            OTHER,
            json!({"AWS": SESSION}),
            [other, none, none],
            ImplicitDeny,
            identity,
        ),
        (
            SESSION,
            OTHER,
            json!({"AWS": SESSION.replace("ci", "*")}),
            [all, none, none],
            ImplicitDeny,
            trust,
        ),
        (
            SESSION,
            OTHER,
            json!({"AWS": SESSION.replace("ci", "cd")}),
            [all, none, none],
            ImplicitDeny,
            trust,
        ),
        (
            SESSION,
            OTHER,
            json!({"AWS": OWN}),
            [unknown, unknown, unknown],
            ImplicitDeny,
            trust,
        ),
        (
            SESSION,
            OTHER,
            json!({"AWS": "AROA123EXAMPLE0000000"}),
            [all, none, none],
            Undecided,
            None,
        ),
        // Within an account, a role's ARN needs none of the caller's policies, and is limited.
        (SESSION, OWN, json!({"AWS": HUB}), [none, none, none], Allow, None),
        (
            SESSION,
            OWN,
            json!({"AWS": HUB}),
            [none, other, none],
            ImplicitDeny,
            boundary,
        ),
        (
            SESSION,
            OWN,
            json!({"AWS": HUB}),
            [all, none, other],
            ImplicitDeny,
            session,
        ),
        (
            SESSION,
            OWN,
            json!({"AWS": HUB}),
            [unknown, none, none],
            Undecided,
            None,
        ),
        // A session's or a user's isn't limited.
        (SESSION, OWN, json!({"AWS": SESSION}), [none, other, other], Allow, None),
        (USER, OWN, json!({"AWS": USER}), [none, other, none], Allow, None),
        (
            SESSION,
            OWN,
            json!({"AWS": SESSION}),
            [denied, none, none],
            ExplicitDeny,
            identity,
        ),
        // An account's leaves it to the caller's policies.
        (
            SESSION,
            OWN,
            json!({"AWS": root}),
            [none, none, none],
            ImplicitDeny,
            identity,
        ),
        (
            SESSION,
            OWN,
            json!({"AWS": [root, HUB]}),
            [none, none, none],
            Allow,
            None,
        ),
        (
            SESSION,
            OWN,
            json!({"AWS": "123456789012"}),
            [all, other, none],
            ImplicitDeny,
            boundary,
        ),
        (USER, OWN, json!({"AWS": root}), [all, none, none], Allow, None),
        // Whether `*` does is undocumented.
        (SESSION, OWN, json!("*"), [none, none, none], Undecided, None),
        (SESSION, OWN, json!("*"), [all, none, none], Allow, None),
        (SESSION, OTHER, json!("*"), [none, none, none], ImplicitDeny, identity),
        // The account is unknown.
        (
            SESSION,
            "arn:aws:iam::***:role/team/deploy",
            json!({"AWS": HUB}),
            [all, none, none],
            Allow,
            None,
        ),
        (
            SESSION,
            "arn:aws:iam::***:role/team/deploy",
            json!({"AWS": HUB}),
            [none, none, none],
            Undecided,
            None,
        ),
    ] {
        let [identity, boundary, session] = policies;
        let caller_policies = Caller {
            identity,
            boundary,
            session,
        };
        let found = access(&request(caller, role), Some(&trusts(&principal)), caller_policies);
        assert_eq!(
            (found.decision, found.blocked().next().map(|(side, _)| side)),
            (decision, blocked),
            "{caller} {role} {principal}"
        );
    }
    // Even without the trust policy, a denial on the caller's side is reported.
    let caller = |identity| Caller {
        identity,
        ..Caller::default()
    };
    for (policies, decision, blocked) in [
        (none, ImplicitDeny, identity),
        (denied, ExplicitDeny, identity),
        (all, Undecided, None),
    ] {
        let found = access(&request(SESSION, OTHER), None, caller(policies));
        assert_eq!(
            (found.decision, found.blocked().next().map(|(side, _)| side)),
            (decision, blocked)
        );
    }
    assert_eq!(access(&request(SESSION, OWN), None, caller(none)).decision, Undecided);
}

#[test]
fn resources_match_part_by_part() {
    use Decision::{Allow, ImplicitDeny, Undecided};
    for (resource, decision) in [
        (json!("*"), Allow),
        (json!(OTHER), Allow),
        (json!("arn:aws:iam::*:role/team/deploy"), Allow),
        (json!("arn:aws:iam::210987654321:role/*"), Allow),
        (json!("arn:aws:iam::210987654321:role/team/deplo?"), Allow),
        (json!("arn:aws:iam::2109*"), Allow),
        (json!("arn:*"), Allow),
        (json!([HUB, OTHER]), Allow),
        (json!([]), ImplicitDeny),
        (json!("arn:aws:iam::210987654321:role/deploy"), ImplicitDeny),
        (json!("arn:aws:iam::210987654321:role/Team/deploy"), ImplicitDeny),
        (json!("arn:aws:iam::2*:role/hub"), ImplicitDeny),
        (json!("arn:aws:sts::*"), ImplicitDeny),
        (
            json!("arn:aws:iam::210987654321:role/${aws:PrincipalTag/team}/deploy"),
            ImplicitDeny,
        ),
        (
            json!("arn:aws:iam::${aws:PrincipalAccount}:role/team/deploy"),
            Undecided,
        ),
        (json!("arn:aws:iam"), Undecided),
    ] {
        let text = document(&json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": resource}));
        let policies = [parse_identity(&text).unwrap()];
        let caller = Caller {
            identity: Some(&policies),
            boundary: Some(&[]),
            session: Some(&[]),
        };
        let found = access(&request(SESSION, OTHER), Some(&trusts(&json!({"AWS": HUB}))), caller);
        assert_eq!(found.decision, decision, "{resource}");
        // Everything else.
        let text = text.replace("Resource", "NotResource");
        let policies = [parse_identity(&text).unwrap()];
        let found = access(
            &request(SESSION, OTHER),
            Some(&trusts(&json!({"AWS": HUB}))),
            Caller {
                identity: Some(&policies),
                ..caller
            },
        );
        let turned = match decision {
            Allow => ImplicitDeny,
            ImplicitDeny => Allow,
            other => other,
        };
        assert_eq!(found.decision, turned, "NotResource {resource}");
    }
}

#[test]
fn a_policy_of_who_asks_has_resources_and_no_principal() {
    for (statement, want) in [
        (
            json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}),
            "a policy of the caller has no `Principal`",
        ),
        (
            json!({"Effect": "Allow", "Action": "*"}),
            "the statement has no `Resource`",
        ),
        (
            json!({"Effect": "Allow", "Resource": "*"}),
            "the statement has no `Action`",
        ),
        (
            json!({"Effect": "Allow", "Action": "*", "Resource": "*", "NotResource": "*"}),
            "a statement has `Resource` or `NotResource`, not both",
        ),
        (
            json!({"Effect": "Allow", "Action": "*", "Resource": 7}),
            "`Resource` takes strings, not a number",
        ),
    ] {
        assert_eq!(
            parse_identity(&document(&statement)).unwrap_err().message,
            want,
            "{statement}"
        );
    }
    // A policy of one kind doesn't parse as the other.
    let text = document(&json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}));
    assert!(parse(&text).unwrap_err().help.unwrap().contains("permissions policy"));
}
