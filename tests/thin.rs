//! What is said where little is known: nothing that was not given, nothing that contradicts the next line, and what to supply.

use crate::{run, text};

const REFUSED: &str = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
const ROLE: &str = "arn:aws:iam::123456789012:role/deploy";
const POLICY: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Federated":
 "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"}, "Action": "sts:AssumeRoleWithWebIdentity",
 "Condition": {"StringEquals": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
 "token.actions.githubusercontent.com:sub": "repo:acme/widgets:ref:refs/heads/main"}}}]}"#;

/// The report as one line, with single spaces.
fn report(flags: &[&str]) -> String {
    let out = run(&[&["diagnose"], flags].concat(), "");
    let words = text(&out.stdout);
    assert!(!words.is_empty(), "{}", text(&out.stderr));
    assert!(!words.contains("\n\n\n"), "{words}");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn nothing_is_said_that_was_not_given() {
    let reported = |error: &'static str| vec!["--error", error];
    for (flags, says, never) in [
        // A document by itself may be any role's.
        (
            vec!["--trust-policy", POLICY],
            &[
                "role undecided nothing shows whose trust policy it is",
                "supply the token's claims",
            ][..],
            &["the role was read", "compare it by hand"][..],
        ),
        (
            vec!["--trust-policy", POLICY, "--error", REFUSED],
            &[
                "trust policy undecided whether the condition on `token.actions.githubusercontent.com:aud` holds is not known",
            ],
            &["the role was read", "compare it by hand"],
        ),
        // What is masked is asked for.
        (
            vec!["--role-to-assume", "***"],
            &["the role: `***` is masked or a placeholder"],
            &[],
        ),
        (
            vec!["--role-to-assume", "${{ secrets.ROLE }}", "--error", REFUSED],
            &["the role: `${{ secrets.ROLE }}` is masked or a placeholder"],
            &[],
        ),
        (
            vec!["--role-to-assume", "arn:aws:iam::***:role/deploy"],
            &["request passed the role's ARN is well-formed"],
            &["the role: "],
        ),
        // A hint is no fact.
        (
            reported("Could not load credentials from any providers"),
            &[
                "1 id-token permission applies likely: the job isn't allowed to request an ID token: it doesn't have",
                "permission failed likely: the job isn't allowed",
            ],
            &["missing from its `permissions`"],
        ),
        // AWS names no order in which it looks.
        (
            reported("Token expired: current date/time 1790000000 must be before the expiration date/time 1789990000"),
            &["2 OIDC provider undecided AWS's answer most likely means"],
            &["ruled out AWS's answer most likely"],
        ),
        (
            reported("Couldn't retrieve verification key from your identity provider, please reference"),
            &[
                "2 OIDC provider undecided AWS's answer most likely means",
                "token undecided the token's claims are not known",
            ],
            &[],
        ),
        (
            reported("Incorrect token audience"),
            &[
                "2 OIDC provider ruled out AWS's answer is about the provider",
                "help: compare the step's `audience`",
            ],
            &[],
        ),
        (
            reported("The requested DurationSeconds exceeds the MaxSessionDuration set for this role."),
            &["trust policy undecided the trust policy is not known"],
            &["trust policy not reached"],
        ),
        // Nobody can print a provider that is not there.
        (
            reported("No OpenIDConnect provider found in your account for https://token.actions.githubusercontent.com"),
            &[
                "(cause 2 of 8, certain)",
                "token undecided the token's claims are not known",
            ],
            &["the account's OIDC provider: not requested"],
        ),
        (
            reported(
                "An error occurred (RegionDisabledException): STS is not activated in this region for account:123456789012.",
            ),
            &["error[region-unusable]: STS is not enabled for the region of the call in the role's account"],
            &["the region is missing", "a typo"],
        ),
        (
            reported("Request ARN is invalid"),
            &["AWS rejected the ARN in `role-to-assume` as invalid"],
            &["not a role ARN"],
        ),
        // A step that asks with credentials may itself be what found them expired.
        (
            vec![
                "--role-to-assume",
                ROLE,
                "--role-chaining",
                "--error",
                "The security token included in the request is expired",
            ],
            &["undecided", "note[session-expired]: AWS credentials had expired"],
            &["can be assumed", "AWS issued a session", "the role was assumed,"],
        ),
        // A refusal names who asked and for what: the request was understood, and no token is missing.
        (
            reported(
                "User: arn:aws:sts::111122223333:assumed-role/ci/x is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/deploy",
            ),
            &["request passed AWS understood the request"],
            &["the token's claims: not requested"],
        ),
        (
            reported(
                "Could not assume role with user credentials: The security token included in the request is expired",
            ),
            &["configure-aws-credentials asks for an ID token only with"],
            &["note: it asks"],
        ),
    ] {
        let report = report(&flags);
        for says in says {
            assert!(report.contains(says), "{flags:?}: {says}\n{report}");
        }
        for never in never {
            assert!(!report.contains(never), "{flags:?}: {never}\n{report}");
        }
    }
}

/// A job that can't have a token has no answer to one.
#[test]
fn a_message_of_another_job_is_said_to_be_one() {
    let says = "note: this job isn't allowed to request an ID token, and the message is AWS's answer to one";
    for (may_ask, message, is_said) in [
        (false, REFUSED, true),
        (true, REFUSED, false),
        (false, "Rate exceeded", false),
    ] {
        let evidence = serde_json::json!({"schema": 1, "request": {"role-to-assume": ROLE}, "runner": {"id_token_request": may_ask},
            "attempt": {"outcome": "reported", "text": message}});
        let out = run(&["diagnose", "--evidence", "-"], &evidence.to_string());
        let report = text(&out.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(report.contains(says), is_said, "{may_ask} {message}\n{report}");
    }
}

#[test]
fn claims_are_explained_as_far_as_they_go() {
    let of = |claims: &str| text(&run(&["claims", "-"], claims).stdout);
    let whole = r#"{"iss": "https://token.actions.githubusercontent.com", "aud": "sts.amazonaws.com", "actor": "a", "actor_id": "1",
        "sub": "repo:acme/widgets:pull_request", "job_workflow_ref": "x", "ref": "r", "repository": "acme/widgets",
        "repository_id": "2", "repository_owner_id": "3", "workflow": "w"}"#;
    for (claims, says, never) in [
        (
            whole,
            ":environment = (not in this token)",
            "(not among the given claims)",
        ),
        (
            r#"{"sub": "repo:acme/widgets:pull_request"}"#,
            ":ref = (not among the given claims)",
            ":ref = (not in this token)",
        ),
        (
            r#"{"iss": "https://token.actions.githubusercontent.com", "sub": "***", "aud": "a"}"#,
            "masked, so what it is made of is not known",
            "does not document",
        ),
        (
            r#"{"iss": "https://gitlab.com", "sub": "project_path:a/b:ref_type:branch:ref:main", "aud": "a"}"#,
            "of another service: the issuer is not one of GitHub's",
            "customized subject",
        ),
    ] {
        let said = of(claims);
        assert!(said.contains(says) && !said.contains(never), "{claims}\n{said}");
    }
}

#[test]
fn a_policy_elsewhere_that_refuses_a_caller_is_not_about_a_subject() {
    let case = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/cases/denied-elsewhere/a-chained-role-behind-an-rcp/evidence.json"
    );
    let said = report(&["--evidence", case]);
    assert!(said.contains("let this caller assume the role"), "{said}");
    assert!(!said.contains("subjects with IDs"), "{said}");
}
