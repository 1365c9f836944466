use super::*;

#[test]
fn the_table_is_in_the_order_of_the_inputs() {
    for (index, spec) in INPUTS.iter().enumerate() {
        assert_eq!(spec.input as usize, index, "{}", spec.name);
        assert_eq!(Input::named(&spec.name.to_uppercase()), Some(spec.input));
    }
}

#[test]
fn a_duration_is_what_javascript_makes_of_it() {
    for (text, want) in [
        ("", 3600),
        ("0", 3600),
        ("one hour", 3600),
        ("900", 900),
        (" 900 s", 900),
        ("1h", 1),
        ("3600.5", 3600),
        ("-5", -5),
        ("+5", 5),
        ("-", 3600),
        ("99999999999", i64::from(i32::MAX)),
    ] {
        let mut inputs = Inputs::default();
        assert_eq!(inputs.duration(), None);
        inputs.set(Input::RoleDurationSeconds, text);
        assert_eq!(inputs.duration(), Some(want), "{text}");
    }
}

#[test]
fn a_steps_inputs_are_known_but_for_expressions() {
    let mut inputs = Inputs::of_step([
        ("Role-To-Assume", " arn:x \n"),
        ("aws-region", "${{ vars.REGION }}"),
        ("aws-secret-access-key", "${{ secrets.KEY }}"),
        ("no-such-input", "x"),
    ]);
    assert_eq!(inputs.get(Input::RoleToAssume), Some("arn:x"));
    assert_eq!(inputs.get(Input::AwsRegion), None);
    assert_eq!(inputs.get(Input::AwsSecretAccessKey), Some(GIVEN));
    assert_eq!(inputs.get(Input::RoleChaining), Some(""));
    inputs.complete(|name| (name == "ROLE_CHAINING").then_some("True"));
    assert!(inputs.is_on(Input::RoleChaining));
    assert_eq!(inputs.get(Input::AwsRegion), None, "unknown stays unknown");
    assert_eq!(inputs.session_name(), Some("GitHubActions"));
}

#[test]
fn the_way_is_the_first_that_fits() {
    use Flow::{AccessKey, Ambient, Chaining, Existing, NoRole, Nothing, Oidc, TokenFile};
    let role = ("role-to-assume", "arn:x");
    let key = ("aws-access-key-id", "A");
    let file = ("web-identity-token-file", "f");
    let chaining = ("role-chaining", "TRUE");
    let skip = ("force-skip-oidc", "true");
    let existing = ("use-existing-credentials", "false");
    let unset = ("unset-current-credentials", "true");
    for (with, may_ask, valid, want) in [
        (&[][..], Some(true), None, NoRole),
        (&[], Some(true), Some(true), NoRole),
        (&[skip], None, None, NoRole),
        (&[chaining], None, None, NoRole),
        (&[role], Some(true), None, Oidc),
        (&[role], Some(true), Some(true), Oidc),
        (&[role], None, None, Oidc),
        (&[role], Some(false), None, Ambient),
        (&[role, skip], Some(true), None, Nothing),
        (&[role, skip, chaining], Some(true), None, Nothing),
        (&[role, skip, key], Some(true), None, AccessKey),
        (&[role, key], Some(true), None, AccessKey),
        (&[key], Some(true), None, AccessKey),
        (&[key, file], Some(true), None, AccessKey),
        (&[role, key, file], Some(true), None, TokenFile),
        (&[role, file, chaining], Some(true), None, TokenFile),
        (&[role, chaining], Some(false), None, Chaining),
        (&[role, chaining], Some(true), Some(true), Chaining),
        (&[role, chaining, key], Some(true), None, AccessKey),
        (&[role, ("role-chaining", "yes")], Some(true), None, Oidc),
        (&[role, existing], Some(true), Some(true), Existing),
        (&[role, existing, key], Some(true), Some(true), Existing),
        (&[existing], Some(true), Some(true), Existing),
        (&[role, existing], Some(true), Some(false), Oidc),
        (&[role, existing], Some(true), None, Oidc),
        // What is valid is what the step leaves in place.
        (&[role, existing, unset], Some(true), Some(true), Existing),
        (&[role, existing, skip], Some(true), Some(true), Nothing),
    ] {
        let around = Around { may_ask, valid };
        let inputs = Inputs::of_step(with.iter().copied());
        assert_eq!(inputs.flow(around), want, "{with:?}");
    }
    let around = Around {
        may_ask: Some(true),
        valid: None,
    };
    assert_eq!(Inputs::default().flow(around), Oidc, "nothing is known of the role");
}

#[test]
fn a_step_stops_by_itself_where_the_action_does() {
    let role = ("role-to-assume", "arn:aws:iam::123456789012:role/a");
    let region = ("aws-region", "eu-west-1");
    let key = ("aws-access-key-id", "A");
    let stop = |with: &[(&str, &str)]| {
        let inputs = Inputs::of_step(with.iter().copied());
        inputs.stop(inputs.flow(Around {
            may_ask: Some(true),
            valid: Some(true),
        }))
    };
    for (more, want) in [
        (&[][..], None),
        (&[("aws-region", "EU-west-1")], Some(Stop::Region)),
        (&[("aws-region", "eu_west_1")], Some(Stop::Region)),
        (&[("aws-region", "nowhere")], None),
        (&[("role-chaining", "yes")], Some(Stop::Boolean(Input::RoleChaining))),
        (
            &[("output-credentials", "1")],
            Some(Stop::Boolean(Input::OutputCredentials)),
        ),
        (&[("role-chaining", "TRUE")], None),
        (&[("use-existing-credentials", "nonsense")], None),
        (&[("role-session-name", "x")], Some(Stop::SessionName)),
        (&[("role-session-name", "a b")], Some(Stop::SessionName)),
        (&[("role-session-name", "dependabot[bot]")], Some(Stop::SessionName)),
        (&[("role-session-name", "a.b@c=d,e+f-g_h")], None),
        (&[("force-skip-oidc", "true")], Some(Stop::ForceSkipOidc)),
        (&[key], Some(Stop::KeyWithoutSecret)),
        (&[key, ("use-existing-credentials", "x")], None),
        (&[("aws-profile", "a b")], Some(Stop::Profile)),
        (&[("aws-profile", "a]")], Some(Stop::Profile)),
        (&[("aws-profile", "../a")], Some(Stop::Profile)),
        (&[("aws-profile", "a.b-c")], None),
        (&[key, ("aws-secret-access-key", "s")], None),
        (&[("custom-tags", "{\"a\": 1}")], None),
        (
            &[("custom-tags", "{")],
            Some(Stop::CustomTags("it is not JSON".to_owned())),
        ),
        (
            &[("custom-tags", "[1]")],
            Some(Stop::CustomTags("it is not a JSON object".to_owned())),
        ),
        (
            &[
                ("aws-region", "***"),
                ("role-session-name", "***"),
                ("role-to-assume", "***"),
            ],
            None,
        ),
        (&[("role-to-assume", "deploy")], Some(Stop::RoleName)),
        (&[("role-to-assume", "deploy"), ("role-chaining", "true")], None),
        (
            &[("role-to-assume", "deploy"), ("web-identity-token-file", "f")],
            Some(Stop::RoleName),
        ),
    ] {
        let with: Vec<_> = [role, region].into_iter().chain(more.iter().copied()).collect();
        assert_eq!(stop(&with), want, "{more:?}");
    }
    assert_eq!(stop(&[role]), Some(Stop::Region), "a region is required");
    assert_eq!(stop(&[region, ("custom-tags", "{")]), None, "no role, no tags");
    let unknown = Inputs::default();
    assert_eq!(unknown.stop(Flow::Oidc), None, "what is not known stops nothing");
}

#[test]
fn tags_are_those_that_the_action_sends() {
    let env = |name: &str| match name {
        "GITHUB_REPOSITORY" => Some("acme/widgets"),
        "GITHUB_ACTOR" => Some("dependabot[bot]"),
        "GITHUB_RUN_ID" => Some("42"),
        _ => None,
    };
    let tags = |with: &[(&str, &str)]| Inputs::of_step(with.iter().copied()).tags(env);
    let shown = |tags: &[Tag]| -> Vec<String> { tags.iter().map(|tag| format!("{}={}", tag.key, tag.value)).collect() };
    let custom = ("custom-tags", "{\"Team\": \"a b\", \"N\": 7}");
    let found = tags(&[custom]).unwrap();
    let mut names = shown(&found);
    names.sort();
    assert_eq!(
        names,
        [
            "Actor=dependabot_bot_",
            "GitHub=Actions",
            "N=7",
            "Repository=acme/widgets",
            "RunId=42",
            "Team=a b"
        ]
    );
    let kept: Vec<_> = found.iter().filter(|tag| tag.droppable).map(|tag| &*tag.key).collect();
    assert_eq!(kept, ["RunId"]);
    assert_eq!(tags(&[custom, ("role-skip-session-tagging", "true")]).unwrap(), []);
    for odd in [
        "{\"Actor\": \"x\"}",
        "{\"a\": null}",
        "{\"a\": {}}",
        "{\"\": \"x\"}",
        "{\"a\": \"?\"}",
        "7",
    ] {
        assert!(tags(&[("custom-tags", odd)]).is_err(), "{odd}");
    }
    let inputs = Inputs::of_step([("transitive-tag-keys", "Repository\nNone\n RunId ")]);
    assert_eq!(inputs.transitive_keys(&found), ["Repository", "RunId"]);
}

#[test]
fn a_call_that_fails_is_made_as_often_as_the_action_makes_it() {
    let (disabled, most) = ("disable-retry", "retry-max-attempts");
    for (with, want) in [
        (&[][..], 12),
        (&[(most, "3")], 3),
        (&[(most, "0")], 12),
        (&[(most, "-1")], 1),
        (&[(most, "many")], 12),
        (&[(disabled, "true"), (most, "3")], 1),
        (&[(disabled, "true"), ("special-characters-workaround", "true")], 12),
    ] {
        assert_eq!(Inputs::of_step(with.iter().copied()).attempts(), want, "{with:?}");
    }
}

#[test]
fn what_a_step_hands_on_and_whom_it_lets_through() {
    for (with, hands_on, unsets) in [
        (&[][..], true, false),
        (&[("aws-profile", "deploy")], false, false),
        (&[("aws-profile", "default")], true, false),
        (
            &[("aws-profile", "deploy"), ("output-env-credentials", "true")],
            true,
            false,
        ),
        (&[("output-env-credentials", "false")], false, false),
        (&[("unset-current-credentials", "true")], true, true),
        (
            &[
                ("unset-current-credentials", "true"),
                ("output-env-credentials", "false"),
            ],
            false,
            false,
        ),
    ] {
        let inputs = Inputs::of_step(with.iter().copied());
        assert_eq!((inputs.hands_on(), inputs.unsets()), (hands_on, unsets), "{with:?}");
    }
    for (list, want) in [("", &[][..]), (" 1 , 2", &["1", "2"]), (",2", &[]), ("1,", &["1", ""])] {
        assert_eq!(
            Inputs::of_step([("allowed-account-ids", list)]).allowed_accounts(),
            want,
            "{list}"
        );
    }
    let named = Inputs::of_step([("role-to-assume", "team/deploy")]);
    assert_eq!(
        named.role_arn(Some("1")).as_deref(),
        Some("arn:aws:iam::1:role/team/deploy")
    );
    assert_eq!(named.role_arn(None), None);
}
