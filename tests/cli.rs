//! The whole program, as a shell and the runner start it.

use crate::{program, run, step, text};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::world::{Call, Scenario, World};
use aws_oidc_doctor::report::fixed::{Fixed, Form, WhichFix};
use serde_json::{Value, json};

fn report(world: &World) -> Value {
    serde_json::from_str(&world.outputs()["report"]).unwrap()
}

const CLAIMS: &str = r#"{"iss": "https://token.actions.githubusercontent.com", "aud": "sts.amazonaws.com",
 "sub": "repo:acme/widgets:ref:refs/heads/main", "repository": "acme/widgets"}"#;

const POLICY: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
 "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"},
 "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringEquals": {
  "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
  "token.actions.githubusercontent.com:sub": "repo:acme/widgets:ref:refs/heads/dev"}}}]}"#;

#[test]
fn bad_input_is_the_error_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let claims = format!("--claims={}", file("claims.json", CLAIMS.as_bytes()));
    let policy = format!("--trust-policy={}", file("policy.json", POLICY.as_bytes()));
    let place = |flag: &str, path: &str| format!("error: `--{flag}` (`{path}`)");
    let missing = folder.path().join("missing.json").to_str().unwrap().to_owned();
    for (flag, path, says) in [
        ("trust-policy", missing.clone(), ": no such file"),
        ("claims", missing.clone(), ": no such file"),
        ("evidence", missing.clone(), ": no such file"),
        ("oidc-provider", missing.clone(), ": no such file"),
        ("workflow-file", missing.clone(), ": no such file"),
        (
            "trust-policy",
            file("empty", b""),
            ": it is empty; give the trust policy: `aws iam get-role ",
        ),
        (
            "claims",
            file("blank", b" \n"),
            ": it is empty; give the token's claims: ",
        ),
        (
            "trust-policy",
            folder.path().to_str().unwrap().to_owned(),
            ": it is a directory",
        ),
        ("claims", "/dev/zero".to_owned(), ": it is not a regular file"),
        (
            "trust-policy",
            file("comments", b"{\n  // who\n  \"Statement\": []\n}"),
            ", line 2, column 3: JSON has no comments",
        ),
        (
            "trust-policy",
            file("utf16", b"\xff\xfe{\0}\0"),
            ": it is UTF-16; save it as UTF-8",
        ),
        (
            "trust-policy",
            file("broken", b"{\n  \"Statement\": [,]\n}"),
            ", line 2, column 17: it is not JSON: ",
        ),
        (
            "trust-policy",
            file("role.tf", b"resource \"aws_iam_role\" \"deploy\" {\n}\n"),
            ": it is Terraform source code; give the policy as Terraform renders it: `terraform show -json | jq ",
        ),
        (
            "trust-policy",
            file("template.json", br#"{"Resources": {"R": {"Type": "AWS::IAM::Role"}}}"#),
            ": it is a CloudFormation template; give the trust policy: `aws iam get-role ",
        ),
        (
            "trust-policy",
            file("roles.json", br#"{"Roles": []}"#),
            ": it is a list of roles; pick one of them: `jq ",
        ),
        (
            "trust-policy",
            file("roles.csv", b"role,account,policy\na,b,c\n"),
            ": it is CSV; ",
        ),
        (
            "evidence",
            file("trust.json", POLICY.as_bytes()),
            ": it is a trust policy; `--trust-policy` takes it; give a saved run: ",
        ),
        (
            "evidence",
            file("nothing.json", b"{}"),
            ": it is JSON, but not a saved run: ",
        ),
        (
            "evidence",
            file("odd.json", b"{\"schema\": 1,\n\"token\": 3}"),
            ", line 2, column 10: ",
        ),
        (
            "evidence",
            file("later.json", b"{\"schema\": 7}"),
            ", line 1, column 13: `schema` is 7, and this version reads 1",
        ),
        (
            "claims",
            file("no.jwt", b"ghs_0123456789secret"),
            ": neither an ID token nor JSON: ",
        ),
        (
            "claims",
            file("mistyped.json", b"{\n \"sub\": 7}"),
            ", line 2, column 2: the claim `sub` is not a text",
        ),
    ] {
        let given = format!("--{flag}={path}");
        let others = [&*claims, &*policy];
        let others = others.iter().filter(|other| !other.starts_with(&format!("--{flag}=")));
        for command in ["diagnose", "fix"] {
            let args: Vec<&str> = [command, &*given].into_iter().chain(others.clone().copied()).collect();
            alone(&args, "", &(place(flag, &path) + says));
        }
    }
    for (args, stdin, error) in [
        (
            vec!["--trust-policy={]"],
            "",
            "error: `--trust-policy`, line 1, column 2: it is not JSON: ",
        ),
        (
            vec!["--claims=-"],
            "{",
            "error: `--claims` (standard input), line 1, column 1: it is not JSON: ",
        ),
        (
            vec!["--attempt=yes", &claims],
            "",
            "error: `--attempt`: expected `true` or `false`, found `yes`",
        ),
        (
            vec!["--evidence=-", "--claims=-"],
            "{}",
            "error: `--claims`: standard input is read by `--evidence` already; give one of the two as a file",
        ),
        (
            vec!["--evidence=-", "--trust-policy=-"],
            "{}",
            "error: `--trust-policy`: standard input is read by `--evidence` already; give one of the two as a file",
        ),
        (
            vec!["--evidence=-", "--error=-"],
            "{}",
            "error: `--error`: standard input is read by `--evidence` already; give one of the two as a file",
        ),
    ] {
        alone(&[&["diagnose"], &*args].concat(), stdin, error);
    }
    for args in [
        vec!["diagnoze"],
        vec!["diagnose", "--format=xml"],
        vec!["fix", "--format=json"],
        vec!["diagnose", "--rol=x"],
        vec!["diagnose", "--fail-on=all"],
        vec![],
    ] {
        let output = run(&args, "");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
}

/// Expects a single line that begins with this error.
fn alone(args: &[&str], stdin: &str, error: &str) {
    let output = run(args, stdin);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(2), "{args:?}\n{stdout}{stderr}");
    assert!(stderr.starts_with(error), "{args:?}\n{stderr}\n{error}");
    assert_eq!((&*stdout, stderr.lines().count()), ("", 1), "{args:?}\n{stderr}");
    assert!(!stderr.contains("secret"), "{args:?}");
}

#[test]
fn claims_and_policies_are_taken_as_people_have_them() {
    let subject = "repo:acme/widgets:ref:refs/heads/main";
    let stamped = |text: &str| {
        let lines = text
            .lines()
            .map(|line| format!("2026-11-21T17:50:00.1234567Z {line}\n"));
        lines.collect::<String>()
    };
    let encoded = POLICY.replace('\n', "").replace('"', "%22").replace('{', "%7B");
    for (claims, policy) in [
        (subject.to_owned(), json!(POLICY).to_string()),
        (format!("sub: {subject}\naud: sts.amazonaws.com"), encoded),
        (stamped(CLAIMS), stamped(POLICY)),
    ] {
        let output = run(
            &[
                "diagnose",
                "--format=json",
                "--claims",
                &claims,
                "--trust-policy",
                &policy,
            ],
            "",
        );
        assert_eq!(output.status.code(), Some(1), "{claims}\n{}", text(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["cause"]["id"], "subject-branch", "{claims}");
        assert_eq!(report["subject"], subject, "{claims}");
    }
}

/// A claims file, and a policy file that has the claims' repository on another branch.
fn claims_and_policy(folder: &Path) -> (String, String) {
    let (claims, policy) = (folder.join("claims.json"), folder.join("policy.json"));
    fs::write(&claims, CLAIMS).unwrap();
    fs::write(&policy, POLICY).unwrap();
    (claims.display().to_string(), policy.display().to_string())
}

#[test]
fn a_fix_is_written_in_place_and_lets_the_job_in() {
    let folder = tempfile::tempdir().unwrap();
    let (claims, policy) = claims_and_policy(folder.path());
    let output = run(
        &["fix", "--claims", &claims, "--trust-policy", &policy, "--out", &policy],
        "",
    );
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("error[subject-branch]: ") && said.contains("\nfix: ") && said.contains("\n  +"),
        "{said}"
    );
    assert!(said.contains("note: applied and evaluated: "), "{said}");
    assert!(output.stdout.is_empty());
    let written = fs::read_to_string(&policy).unwrap();
    assert!(
        written.contains("refs/heads/main") && written.contains("refs/heads/dev"),
        "{written}"
    );
    let again = run(&["diagnose", "--claims", &claims, "--trust-policy", &policy], "");
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stdout));
    // There is nothing left to fix, and nothing is written.
    let output = run(
        &["fix", "--claims", &claims, "--trust-policy", &policy, "--out", &policy],
        "",
    );
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).starts_with("error: there is nothing to fix"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(fs::read_to_string(&policy).unwrap(), written);
    // A subject is enough if the policy compares nothing else.
    let one = run(
        &[
            "fix",
            "--subject=repo:acme/widgets:ref:refs/heads/main",
            "--trust-policy",
            POLICY,
        ],
        "",
    );
    assert_eq!(text(&one.stdout), written, "{}", text(&one.stderr));
}

#[test]
fn a_fix_that_is_not_proven_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let (claims, policy) = claims_and_policy(folder.path());
    let out = folder.path().join("out.json");
    let foreign = CLAIMS.replace("token.actions.githubusercontent.com", "oidc.example.com");
    for (args, says) in [
        (
            vec!["--claims", &*claims],
            "the trust policy is not known: give it with `--trust-policy`",
        ),
        (
            vec!["--claims", &claims, "--trust-policy", &policy, "--id=audience-mismatch"],
            "there is no finding `audience-mismatch`: nothing is written; there is a change for `--id subject-branch`",
        ),
        (
            vec!["--claims", &claims, "--trust-policy", &policy, "--number=7"],
            "`subject-branch` has 1 fixes, and none with the number 7",
        ),
        (
            vec!["--claims", &foreign, "--trust-policy", &policy],
            "no change of the trust policy is proven to fix ",
        ),
    ] {
        let out = format!("--out={}", out.display());
        let output = run(&[&["fix", &*out], &*args].concat(), "");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.starts_with(&format!("error: {says}")), "{args:?}: {said}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
    assert!(!out.exists());
}

#[cfg(unix)]
#[test]
fn a_fix_replaces_a_regular_file_and_nothing_else() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (claims, policy) = claims_and_policy(folder.path());
    let place = |name: &str| folder.path().join(name);
    let (target, link, fifo) = (place("target"), place("link"), place("fifo"));
    fs::write(&target, "untouched").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    mkfifo(&fifo);
    let fix = |out: &Path| {
        let out = format!("--out={}", out.display());
        run(&["fix", "--claims", &claims, "--trust-policy", &policy, &out], "")
    };
    for (path, why) in [
        (&link, "it is a link, and links are not followed"),
        (&fifo, "it is not a regular file"),
        (&folder.path().to_owned(), "is a directory"),
    ] {
        let begun = Instant::now();
        let output = fix(path);
        assert!(begun.elapsed() < Duration::from_secs(8), "{path:?}");
        assert_eq!(output.status.code(), Some(2), "{path:?}");
        let said = text(&output.stderr);
        let start = format!("error: `--out` (`{}`): it cannot be written: ", path.display());
        assert!(said.starts_with(&start) && said.contains(why), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    assert_eq!(fs::read_to_string(&target).unwrap(), "untouched");
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(fix(&target).status.code(), Some(0));
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::read_to_string(&target).unwrap().contains("refs/heads/main"));
}

#[test]
fn one_form_of_the_fixed_policy_is_printed_alone() {
    for (form, start, end) in [
        ("policy", "{\"Version\": ", "}\n"),
        ("hcl", "data \"aws_iam_policy_document\" \"trust\" {\n", "})\n"),
        ("cfn", "AssumeRolePolicyDocument:\n  Version: \"2012-10-17\"\n", "\n"),
    ] {
        let format = format!("--format={form}");
        for (command, exit) in [("diagnose", 1), ("fix", 0)] {
            let output = run(&[command, "--claims=-", "--trust-policy", POLICY, &format], CLAIMS);
            assert_eq!(output.status.code(), Some(exit), "{command} {form}");
            let printed = text(&output.stdout);
            assert!(printed.starts_with(start) && printed.ends_with(end), "{printed}");
            assert!(
                printed.contains("refs/heads/main") && printed.contains("refs/heads/dev"),
                "{printed}"
            );
        }
    }
    let output = run(&["diagnose", "--claims=-", "--format=hcl"], CLAIMS);
    assert!(output.stdout.is_empty());
    assert!(
        text(&output.stderr).starts_with("error: the trust policy is not known"),
        "{}",
        text(&output.stderr)
    );
}

/// Pasting a fix's commands makes that fix, from only the policy and the subject.
#[test]
fn the_printed_commands_make_the_change_that_was_shown() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let folders = |path: &Path| {
        let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let (mut tried, mut wrong) = (0, Vec::new());
    for case in folders(&cases).iter().flat_map(|group| folders(group)) {
        let evidence = fs::read_to_string(case.join("evidence.json")).unwrap();
        let diagnosis = aws_oidc_doctor::diagnose(&aws_oidc_doctor::Evidence::from_json(&evidence).unwrap());
        let Some(policy) = &diagnosis.policy else { continue };
        for fix in diagnosis.findings.iter().flat_map(|found| &found.fixes) {
            let Some(command) = fix.command.lines().nth(1) else {
                continue;
            };
            let words: Vec<&str> = command.split(' ').collect();
            let Some(subject) = words.iter().position(|word| *word == "--subject") else {
                let file = [" --claims claims.json ", " --evidence evidence.json "];
                assert!(file.iter().any(|file| command.contains(file)), "{command}");
                continue;
            };
            let option = |name: &str| words.iter().position(|word| *word == name).map(|at| words[at + 1]);
            let token = json!({
                "iss": "https://token.actions.githubusercontent.com",
                "aud": "sts.amazonaws.com",
                "sub": words[subject + 1],
            });
            let role = option("--role-to-assume");
            let request = role.map_or_else(|| json!({}), |arn| json!({"role-to-assume": arn}));
            let pasted = json!({"schema": 1, "request": request, "token": {"claims": token}, "role": {"trust_policy": policy.text}});
            let pasted = aws_oidc_doctor::Evidence::from_json(&pasted.to_string()).unwrap();
            let report = aws_oidc_doctor::report::Report::of(&[pasted]);
            let which = WhichFix {
                id: option("--id").map(str::to_owned),
                number: option("--number").map_or(1, |number| number.parse().unwrap()),
            };
            tried += 1;
            match Fixed::of(&report, &which) {
                Ok(fixed) => {
                    let made: Value = serde_json::from_str(&fixed.text(Form::Policy)).unwrap();
                    if made != serde_json::from_str::<Value>(&fix.text).unwrap() {
                        wrong.push(format!("{}: {command}\nanother change", case.display()));
                    }
                }
                Err(why) => wrong.push(format!("{}: {command}\n{why}", case.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {tried}\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried > 20, "{tried}");
}

#[test]
fn what_fails_a_step_can_be_chosen() {
    let open = POLICY
        .replace("repo:acme/widgets:ref:refs/heads/dev", "repo:acme/*")
        .replace("StringEquals", "StringLike");
    let anyone = POLICY
        .replace("repo:acme/widgets:ref:refs/heads/dev", "*")
        .replace("StringEquals", "StringLike");
    for (policy, flag, exit) in [
        (POLICY, "--fail-on=blocks", 1),
        (POLICY, "--fail-on=risk", 1),
        (POLICY, "--fail-on=never", 0),
        (POLICY, "--fail-on=Never", 0),
        (POLICY, "--fail=false", 0),
        (&anyone, "--fail-on=blocks", 0),
        (&anyone, "--fail-on=risk", 1),
        (&anyone, "--fail-on=never", 0),
        // Access for the organisation's own repositories is worth a note, but isn't a risk.
        (&open, "--fail-on=risk", 0),
    ] {
        let output = run(&["diagnose", "--claims=-", "--trust-policy", policy, flag], CLAIMS);
        assert_eq!(output.status.code(), Some(exit), "{flag}: {}", text(&output.stdout));
    }
    // As a step, where `fail: false` means the same.
    for (input, value, exit) in [
        ("fail-on", "never", 0),
        ("fail-on", "blocks", 1),
        ("fail-on", "", 1),
        ("fail", "false", 0),
    ] {
        let world = World::named("subject-environment").with(input, value).start();
        assert_eq!(
            step(&world).output().unwrap().status.code(),
            Some(exit),
            "{input}: {value}"
        );
        assert_eq!(world.outputs()["verdict"], "denied");
    }
}

#[test]
fn a_step_takes_the_message_that_somebody_saw() {
    let output = program()
        .args(["action"])
        .env(
            "INPUT_ERROR",
            "Error: Could not assume role with OIDC: Incorrect token audience",
        )
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("audience"), "{}", text(&output.stdout));
}

#[test]
fn the_program_explains_itself() {
    let help = text(&run(&["--help"], "").stdout);
    for line in [
        "A job can't assume its role:\n  diagnose     Diagnose a role, live in a job or from files\n",
        "\nReference:\n  explain ",
        "\nIn bulk:\n  evaluate ",
        "\nExit codes:\n  0 ",
    ] {
        assert!(help.contains(line), "{line}\n{help}");
    }
    assert!(!help.contains("  man "), "{help}");
    for command in ["diagnose", "claims", "fix", "evaluate", "explain", "completions"] {
        let help = text(&run(&[command, "--help"], "").stdout);
        assert!(
            help.contains("\nExample:\n  aws") || help.contains("\nExamples:\n  aws"),
            "{help}"
        );
        assert!(help.contains("--color <WHEN>"), "{help}");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(&["completions", shell], "");
        assert_eq!(script.status.code(), Some(0), "{shell}");
        assert!(text(&script.stdout).contains("role-to-assume"), "{shell}");
    }
    for page in [vec!["man"], vec!["man", "diagnose"]] {
        let page = text(&run(&page, "").stdout);
        assert!(
            page.contains(".TH aws-oidc-doctor") && page.contains(".SH SYNOPSIS"),
            "{page}"
        );
    }
    assert_eq!(run(&["man", "nosuch"], "").status.code(), Some(2));
    for name in ["evidence", "report", "test"] {
        let schema: Value = serde_json::from_slice(&run(&["schema", name], "").stdout).unwrap();
        assert_eq!(
            schema["$schema"], "https://json-schema.org/draft/2020-12/schema",
            "{name}"
        );
    }
    let version = text(&run(&["--version"], "").stdout);
    assert!(
        version.starts_with(concat!("aws-oidc-doctor ", env!("CARGO_PKG_VERSION"))),
        "{version}"
    );
}

#[test]
fn a_page_is_found_by_what_people_have() {
    for (asked, page) in [
        ("subject-case", "# subject-case"),
        ("subject-cas", "# subject-case"),
        ("Subject_Environment", "# subject-environment"),
        ("subject-enviroment", "# subject-environment"),
        ("2", "  2  "),
        ("7", "subject-environment"),
        (
            "Not authorized to perform sts:AssumeRoleWithWebIdentity",
            "subject-mismatch",
        ),
        ("Error: Incorrect token audience", "# audience-not-registered"),
        ("Not authorized", "subject-branch"),
        ("AccessDenied", "subject-branch"),
        ("no openidconnect", "provider-missing"),
    ] {
        let output = run(&["explain", asked], "");
        assert_eq!(output.status.code(), Some(0), "{asked}: {}", text(&output.stderr));
        assert!(text(&output.stdout).contains(page), "{asked}: {}", text(&output.stdout));
    }
    let output = run(&["explain", "subject-cas"], "");
    assert_eq!(
        text(&output.stderr),
        "note: there is no check `subject-cas`; this is `subject-case`\n"
    );
    for unknown in ["9", "banana", "subject"] {
        let output = run(&["explain", unknown], "");
        assert_eq!(output.status.code(), Some(2), "{unknown}");
        assert!(output.stdout.is_empty(), "{unknown}");
    }
}

#[test]
fn a_laptop_needs_files_alone() {
    let claims = CLAIMS.replace('\n', "");
    for (more, exit, want) in [
        (vec![], 1, "subject-branch"),
        (vec!["--fail=false"], 0, "subject-branch"),
        (
            vec!["--error=Not authorized to perform sts:AssumeRoleWithWebIdentity"],
            1,
            "subject-branch",
        ),
    ] {
        let policy = format!("--trust-policy={POLICY}");
        let args = [&["diagnose", "--claims=-", &policy, "--format=json"], &*more].concat();
        let output = run(&args, &claims);
        assert_eq!(output.status.code(), Some(exit), "{more:?}: {}", text(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["cause"]["id"], want, "{more:?}");
        assert_eq!(text(&output.stderr), "", "{more:?}");
    }
    // Only a message; and nothing at all.
    let output = run(&["diagnose", "--error", "Incorrect token audience"], "");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert_eq!(run(&["diagnose"], "").status.code(), Some(2));
}

#[test]
fn a_saved_run_says_the_same_elsewhere() {
    for name in [
        "subject-environment",
        "healthy",
        "no-iam-access",
        "token-request-failed",
        "role-chaining-missing",
    ] {
        let world = World::named(name).start();
        let saved = world.root().join("evidence.json");
        let mut live = program();
        live.args(world.scenario().command())
            .args(["--format=json", "--save-evidence"])
            .arg(&saved);
        let live = live.envs(world.environment()).output().unwrap();
        let requests = world.requests().len();
        let saved = fs::read_to_string(saved).unwrap();
        let replayed = run(&["diagnose", "--evidence=-", "--format=json"], &saved);
        assert_eq!(text(&live.stdout), text(&replayed.stdout), "{name}");
        assert_eq!(live.status.code(), replayed.status.code(), "{name}");
        // Replay never uses the network, whatever the environment offers.
        let mut inside = program();
        inside
            .args(["diagnose", "--evidence"])
            .arg(world.root().join("evidence.json"));
        assert!(inside.envs(world.environment()).output().unwrap().stderr.is_empty());
        assert_eq!(world.requests().len(), requests, "{name}");
    }
}

#[test]
fn colour_in_a_step_and_none_in_a_pipe() {
    let coloured = |variables: &[(&str, &str)], color: &str| {
        let mut command = program();
        command
            .args(["diagnose", "--claims=-", "--trust-policy", POLICY, color])
            .envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(CLAIMS.as_bytes()).unwrap();
        child.wait_with_output().unwrap().stdout.contains(&0x1b)
    };
    for (variables, want) in [
        (&[][..], false),
        (&[("GITHUB_ACTIONS", "true")], true),
        (&[("GITHUB_ACTIONS", "true"), ("NO_COLOR", "1")], false),
        (&[("GITHUB_ACTIONS", "true"), ("NO_COLOR", "")], true),
        (&[("CLICOLOR_FORCE", "1")], true),
    ] {
        assert_eq!(coloured(variables, "--color=auto"), want, "{variables:?}");
        assert!(coloured(variables, "--color=always"), "{variables:?}");
        assert!(!coloured(variables, "--color=never"), "{variables:?}");
    }
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    for args in [
        "explain",
        "explain subject-environment",
        "evaluate /dev/stdin",
        "diagnose --help",
    ] {
        let mut child = program()
            .args(args.split(' '))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(text(&output.stderr), "", "{args}");
        assert_eq!(output.status.code(), Some(0), "{args}");
    }
}

/// A run that saves its evidence at a path.
#[cfg(unix)]
fn save(path: &Path) -> Output {
    let flag = format!("--save-evidence={}", path.display());
    run(&["diagnose", "--claims=-", "--trust-policy", POLICY, &flag], CLAIMS)
}

#[cfg(unix)]
fn mkfifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[cfg(unix)]
#[test]
fn evidence_is_saved_whole_and_not_through_a_link() {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let (target, link, fifo, socket) = (place("target"), place("link"), place("fifo"), place("socket"));
    fs::write(&target, "untouched").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    mkfifo(&fifo);
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    // Anything but a regular file is left alone.
    for (path, why) in [
        (link.clone(), "it is a link, and links are not followed"),
        (fifo.clone(), "it is not a regular file"),
        (socket, "it is not a regular file"),
        ("/dev/full".into(), ""),
        (place("no/such/folder"), ""),
        (folder.path().to_owned(), ""),
        ("/".into(), ""),
    ] {
        let begun = Instant::now();
        let output = save(&path);
        assert!(begun.elapsed() < Duration::from_secs(8), "{path:?}");
        assert_eq!(output.status.code(), Some(2), "{path:?}");
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let start = format!(
            "error: `--save-evidence` (`{}`): it cannot be written: {why}",
            path.display()
        );
        assert!(stderr.starts_with(&start), "{stderr}");
        assert!(stdout.contains("subject-branch"), "the report is printed all the same");
    }
    assert_eq!(fs::read_to_string(&target).unwrap(), "untouched");
    assert!(link.is_symlink() && fs::metadata(&fifo).unwrap().file_type().is_fifo());
    let device = fs::metadata("/dev/full").unwrap().file_type();
    assert!(device.is_char_device());
    // An existing file keeps its mode; a new one is only for its owner.
    let (new, open) = (place("new"), place("open"));
    fs::write(&open, "before").unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o640)).unwrap();
    for (path, mode) in [(&new, 0o600), (&open, 0o640)] {
        assert_eq!(save(path).status.code(), Some(1));
        assert!(fs::read_to_string(path).unwrap().contains("\"schema\": 1"));
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
    }
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 6, "no file is left beside it");
}

#[cfg(unix)]
#[test]
fn evidence_goes_to_devices_and_to_standard_output_as_it_is() {
    use std::os::unix::fs::FileTypeExt as _;
    assert_eq!(save(Path::new("/dev/null")).status.code(), Some(1));
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    for path in ["-", "/dev/stdout"] {
        let output = save(Path::new(path));
        assert_eq!(output.status.code(), Some(1), "{path}");
        let evidence: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(evidence["schema"], 1, "{path}");
        let report = text(&output.stderr);
        assert!(
            report.contains("subject-branch") && !report.contains('\u{1b}'),
            "{report}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_step_whose_outputs_or_summary_cannot_be_written_fails() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    mkfifo(&fifo);
    for (variable, what) in [
        ("GITHUB_OUTPUT", "the outputs (`GITHUB_OUTPUT`) cannot be written"),
        (
            "GITHUB_STEP_SUMMARY",
            "the summary (`GITHUB_STEP_SUMMARY`) cannot be written",
        ),
    ] {
        for place in [Path::new("/dev/full"), &fifo, folder.path()] {
            let world = World::named("healthy").with("fail", "false").start();
            let begun = Instant::now();
            let output = step(&world).env(variable, place).output().unwrap();
            assert!(begun.elapsed() < Duration::from_secs(8), "{place:?}");
            let log = text(&output.stdout);
            assert_eq!(output.status.code(), Some(2), "{variable}={place:?}: {log}");
            assert!(
                log.contains(&format!("::error title=aws-oidc-doctor::{what}: ")),
                "{log}"
            );
            // The other file is still written.
            let other = if variable == "GITHUB_OUTPUT" {
                world.summary()
            } else {
                world.output()
            };
            assert!(!other.is_empty(), "{variable}={place:?}");
        }
        let world = World::named("healthy").start();
        let output = step(&world).env(variable, "/dev/null").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    }
}

/// The raw token only goes to a step's log, as a mask.
#[test]
fn a_raw_token_is_written_to_the_log_of_a_step_alone() {
    let world = World::named("subject-environment").start();
    let secrets = world.secrets();
    let holds = |text: &str| secrets.iter().any(|secret| text.contains(secret));
    // As a command in a job: its streams may go to files.
    for format in ["console", "json", "summary"] {
        let mut command = program();
        command.args(["diagnose", "--role-to-assume", "arn:aws:iam::123456789012:role/deploy"]);
        command.args(["--aws-region", "eu-west-1", "-v", "--format", format]);
        let output = command.envs(world.environment()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(!holds(&said) && !said.contains("add-mask"), "{said}");
    }
    assert_eq!(world.requests_of(Call::AssumeRoleWithWebIdentity).len(), 3);
    // As a step whose output isn't the log.
    let file = world.root().join("log");
    step(&world).stdout(fs::File::create(&file).unwrap()).status().unwrap();
    let log = fs::read_to_string(file).unwrap();
    assert!(log.contains("subject-environment") && !holds(&log), "{log}");
}

/// What the runner would take for commands: lines that begin with `::` outside of `stop-commands`, and `##[` anywhere.
fn commands(log: &str) -> Vec<&str> {
    let mut stopped = None;
    let mut commands = Vec::new();
    for line in log.lines().map(str::trim_start) {
        if let Some(token) = stopped {
            if line == format!("::{token}::") {
                stopped = None;
            }
        } else if let Some(token) = line.strip_prefix("::stop-commands::") {
            stopped = Some(token);
        } else if line.starts_with("::") {
            commands.push(line);
        }
    }
    assert_eq!(stopped, None, "commands are on again at the end");
    commands.extend(log.lines().filter(|line| line.contains("##[")));
    commands
}

#[test]
fn a_step_masks_first_and_prints_no_secret() {
    for name in ["healthy", "subject-environment", "diagnosis-role", "no-iam-access"] {
        let world = World::named(name).start();
        let output = step(&world).env("RUNNER_DEBUG", "1").output().unwrap();
        let log = text(&output.stdout);
        let (github, rest) = log.split_once('\n').unwrap();
        assert!(github.starts_with("::add-mask::ghs_"), "{github}");
        let (first, rest) = rest.split_once('\n').unwrap();
        let token = first.strip_prefix("::add-mask::").unwrap();
        assert_eq!(token.split('.').count(), 3);
        assert!(world.secrets().contains(&token.to_owned()));
        let shown = rest.to_owned() + &text(&output.stderr) + &world.output() + &world.summary() + &world.exported();
        for secret in world.secrets() {
            let shown: String = shown.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
            assert!(!shown.contains(&secret), "{name}: {shown}");
        }
        assert_eq!(world.exported(), "", "{name}");
    }
}

#[test]
fn untrusted_text_forges_nothing() {
    let evil = "x\n::set-env name=A::1\n##[error]y %0A::error::z | `a` <img src=x onerror=alert(1)> \u{1b}[31m ::add-mask::a\r::stop-commands::b";
    let mut scenario = Scenario::named("subject-environment").unwrap();
    for claim in [
        "sub",
        "environment",
        "actor",
        "ref",
        "workflow",
        "job_workflow_ref",
        evil,
    ] {
        scenario
            .token
            .claims
            .insert(claim.to_owned(), json!(format!("repo:acme/widgets:environment:{evil}")));
    }
    let policy = scenario.account.roles[0].trust_policy.to_string();
    let policy = policy.replace(
        "refs/heads/main",
        &json!(evil).to_string().trim_matches('"').replace('$', ""),
    );
    scenario.account.roles[0].trust_policy = serde_json::from_str(&policy).unwrap();
    scenario
        .with
        .insert("role-session-name".to_owned(), evil.replace('\0', ""));
    let world = World::of(scenario).start();
    let output = step(&world)
        .env("INPUT_EVIL\n::error::x", "1")
        .env("RUNNER_DEBUG", "1")
        .output()
        .unwrap();
    let log = text(&output.stdout) + &text(&output.stderr);
    // The groups are exactly ours: no untrusted text is in a title.
    const GROUPS: [&str; 6] = [
        "::group::The handshake, step by step",
        "::group::The eight causes",
        "::group::What was compared",
        "::group::Missing information",
        "::group::The token's claims",
        "::endgroup::",
    ];
    for command in commands(&log) {
        if GROUPS.contains(&command) {
            continue;
        }
        let ours = [
            "::add-mask::eyJ",
            "::add-mask::ghs_",
            "::error title=aws-oidc-doctor",
            "::warning title=aws-oidc-doctor",
            "::notice title=aws-oidc-doctor",
        ];
        assert!(ours.iter().any(|start| command.starts_with(start)), "{command}");
        assert!(!command.contains("##["), "{command}");
    }
    for escape in log.split('\u{1b}').skip(1) {
        let end = escape.find(|letter: char| letter.is_ascii_alphabetic()).unwrap();
        assert!(escape.starts_with('[') && escape[end..].starts_with('m'), "{escape:?}");
    }
    // The runner reads only our outputs.
    let names: Vec<_> = world.outputs().into_keys().collect();
    assert_eq!(
        names,
        ["cause", "cause-number", "evidence", "report", "subject", "verdict"]
    );
    let summary = world.summary();
    let mut options = comrak::Options::default();
    options.extension.autolink = true;
    options.extension.table = true;
    options.render.r#unsafe = true;
    let html = comrak::markdown_to_html(&summary, &options);
    assert!(!html.contains("<img") && !html.contains("<a "), "{html}");
    assert!(summary.len() < 1 << 20);
    assert_eq!(world.exported(), "");
}

#[test]
fn fail_false_and_attempt_false() {
    let world = World::named("subject-environment").with("fail", "false").start();
    assert_eq!(step(&world).output().unwrap().status.code(), Some(0));
    assert_eq!(world.outputs()["verdict"], "denied");

    let world = World::named("subject-environment").with("attempt", "False").start();
    step(&world).output().unwrap();
    assert!(world.requests_of(Call::AssumeRoleWithWebIdentity).is_empty());
    assert_eq!(world.outputs()["cause"], "subject-environment");
}

#[test]
fn an_unknown_input_is_a_warning_and_a_bad_one_an_error() {
    let world = World::named("subject-environment").start();
    let output = step(&world)
        .env("INPUT_ROLE-ARN", "x")
        .env("INPUT_ATTEMPT", "nope")
        .output()
        .unwrap();
    let log = text(&output.stdout);
    assert!(
        log.contains("::warning title=aws-oidc-doctor::unexpected input `role-arn` is ignored\n"),
        "{log}"
    );
    assert!(
        log.contains("::error title=aws-oidc-doctor::input `attempt`: expected `true` or `false`, found `nope`\n"),
        "{log}"
    );
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(world.outputs()["cause"], "subject-environment");
}

#[cfg(unix)]
#[test]
fn a_hostile_workspace_neither_leads_out_nor_holds_up() {
    for (trap, want) in [
        ("fifo", "it is not a regular file"),
        ("link", "it lies outside of the workspace"),
        ("huge", "it is larger than 1 MiB"),
        ("../../../../../../../../etc/passwd", "it lies outside of the workspace"),
        ("-", "no such file"),
    ] {
        let world = World::named("subject-environment").with("trust-policy", trap).start();
        let workspace = world.workspace();
        let made = Command::new("mkfifo").arg(workspace.join("fifo")).status().unwrap();
        assert!(made.success());
        std::os::unix::fs::symlink("/etc/passwd", workspace.join("link")).unwrap();
        fs::File::create(workspace.join("huge"))
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        // The running workflow is a trap too.
        let workflow = workspace.join(world.scenario().workflow_path());
        fs::remove_file(&workflow).unwrap();
        fs::rename(workspace.join(if trap == "fifo" { "link" } else { "fifo" }), &workflow).unwrap();
        let begun = Instant::now();
        let output = step(&world).output().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(8), "{trap}");
        assert_eq!(output.status.code(), Some(2), "{trap}");
        let log = text(&output.stdout);
        assert!(
            log.contains(&format!("input `trust-policy` (`{trap}`): {want}")),
            "{trap}: {log}"
        );
        assert!(!log.contains("root:"), "{trap}");
    }
}

/// A world whose job has these lines as steps, and no inputs.
fn steps(lines: &[&str]) -> World {
    steps_in("subject-environment", lines)
}

fn steps_in(world: &str, lines: &[&str]) -> World {
    let mut scenario = Scenario::named(world).unwrap();
    scenario.with.clear();
    let head = [
        "jobs:",
        "  deploy:",
        "    runs-on: x",
        "    permissions: {id-token: write}",
        "    steps:",
    ];
    let steps = lines.iter().map(|line| format!("      {line}"));
    scenario.workflow = Some(head.iter().map(ToString::to_string).chain(steps).collect());
    World::of(scenario).start()
}

const DEPLOY: &str = "with: {role-to-assume: 'arn:aws:iam::123456789012:role/deploy', aws-region: eu-west-1}";

#[test]
fn without_inputs_the_jobs_own_steps_are_diagnosed() {
    let world = steps(&[
        "- uses: aws-actions/configure-aws-credentials@v6",
        &format!("  {DEPLOY}"),
        "- uses: acme/aws-oidc-doctor@v1",
    ]);
    let output = step(&world).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(world.outputs()["cause"], "subject-environment");
    let sent = world.requests_of(Call::AssumeRoleWithWebIdentity).remove(0).form;
    for (field, want) in [
        ("RoleArn", "arn:aws:iam::123456789012:role/deploy"),
        ("RoleSessionName", "GitHubActions"),
        ("DurationSeconds", "3600"),
    ] {
        assert_eq!(sent[field], want);
    }

    // Several steps: each is diagnosed, with one token; the one that fails represents all.
    let other = DEPLOY.replace("role/deploy", "role/other");
    let world = steps(&[
        "- name: One",
        "  uses: aws-actions/configure-aws-credentials@v6",
        &format!("  {DEPLOY}"),
        "- name: Two",
        "  uses: aws-actions/configure-aws-credentials@v6",
        &format!("  {other}"),
    ]);
    let output = step(&world).output().unwrap();
    assert_eq!(world.outputs()["cause"], "subject-environment");
    let log = text(&output.stdout);
    assert!(
        log.contains("==> step `One` of job `deploy`") && log.contains("==> step `Two` of job `deploy`"),
        "{log}"
    );
    assert_eq!(world.requests_of(Call::IdToken).len(), 1);
    assert_eq!(world.requests_of(Call::AssumeRoleWithWebIdentity).len(), 2);

    // An expression's value is unknown here.
    let secret = DEPLOY.replace("arn:aws:iam::123456789012:role/deploy", "${{ secrets.ROLE }}");
    let world = steps(&[
        "- uses: aws-actions/configure-aws-credentials@v6",
        &format!("  {secret}"),
    ]);
    let output = step(&world).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    let said = text(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains(" with: { role-to-assume: \"${{ secrets.ROLE }}\" } "),
        "{said}"
    );
    assert!(world.requests_of(Call::AssumeRoleWithWebIdentity).is_empty());

    // Invalid YAML results in a note.
    let world = steps(&["- uses: [}"]);
    let output = step(&world)
        .env("INPUT_ROLE-TO-ASSUME", "arn:aws:iam::123456789012:role/deploy")
        .env("INPUT_AWS-REGION", "eu-west-1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert_eq!(world.outputs()["cause"], "subject-environment");
}

#[test]
fn a_job_without_a_step_that_names_a_role_is_asked_nothing() {
    let world = steps(&["- uses: ./.github/actions/login"]);
    let output = step(&world).output().unwrap();
    let log = text(&output.stdout);
    // The role is unknown: that isn't an empty input.
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert_eq!(world.outputs()["cause"], "", "{log}");
    assert!(
        log.contains("job `deploy` has no step of configure-aws-credentials that names a role"),
        "{log}"
    );
    assert!(world.requests_of(Call::AssumeRoleWithWebIdentity).is_empty());
}

#[test]
fn of_several_steps_every_run_is_reported_saved_and_replayed() {
    let other = DEPLOY.replace("role/deploy", "role/other");
    let world = steps_in(
        "healthy",
        &[
            "- name: One",
            "  uses: aws-actions/configure-aws-credentials@v6",
            &format!("  {DEPLOY}"),
            "- name: Two",
            "  uses: aws-actions/configure-aws-credentials@v6",
            &format!("  {other}"),
        ],
    );
    let saved = world.root().join("evidence.json");
    let mut live = program();
    live.args(["diagnose", "--format=json", "--save-evidence"]).arg(&saved);
    let live = live.envs(world.environment()).output().unwrap();
    // The first passes; the second doesn't, and decides.
    let report: Value = serde_json::from_slice(&live.stdout).unwrap();
    let runs = report["runs"].as_array().unwrap();
    let told: Vec<_> = runs
        .iter()
        .map(|run| {
            let text = |name: &str| run[name].as_str().unwrap_or_default();
            (text("verdict"), text("role"), text("role_source"))
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "allowed",
                "arn:aws:iam::123456789012:role/deploy",
                "step `One` of job `deploy`, as the checkout has it"
            ),
            (
                "denied",
                "arn:aws:iam::123456789012:role/other",
                "step `Two` of job `deploy`, as the checkout has it"
            ),
        ]
    );
    let mut deciding = report.clone();
    deciding.as_object_mut().unwrap().remove("runs");
    deciding.as_object_mut().unwrap().remove("chain");
    assert_eq!(deciding, runs[1]);
    assert_eq!(live.status.code(), Some(1));

    let saved = fs::read_to_string(saved).unwrap();
    let file: Value = serde_json::from_str(&saved).unwrap();
    assert_eq!(
        (&file["schema"], file["runs"].as_array().unwrap().len()),
        (&json!(1), 2)
    );
    let replayed = run(&["diagnose", "--evidence=-", "--format=json"], &saved);
    assert_eq!(text(&live.stdout), text(&replayed.stdout));
    assert_eq!(replayed.status.code(), Some(1));
    let again = run(&["diagnose", "--evidence=-", "--save-evidence=-"], &saved);
    assert_eq!(text(&again.stdout), saved);
    // A given input overrides that of each run.
    let over = run(
        &[
            "diagnose",
            "--evidence=-",
            "--save-evidence=-",
            "--role-session-name=mine",
        ],
        &saved,
    );
    assert_eq!(text(&over.stdout).matches(r#""role-session-name": "mine""#).count(), 2);
    // A log can be piped in.
    let message = "Error: Could not assume role with OIDC: Not authorized to perform sts:AssumeRoleWithWebIdentity";
    let piped = run(&["diagnose", "--format=json", "--error=-"], message);
    let given = run(&["diagnose", "--format=json", "--error", message], "");
    assert!(text(&given.stdout).contains(r#""verdict": "denied""#));
    assert_eq!(piped.stdout, given.stdout);
    // Errors are located in a file of several runs as in a file of one.
    let bad = run(
        &["diagnose", "--evidence=-"],
        "{\"schema\": 1, \"runs\": [{},\n {\"token\": {\"claims\": 3}}]}",
    );
    assert_eq!(bad.status.code(), Some(2));
    let error = text(&bad.stderr);
    assert!(
        error.starts_with("error: `--evidence` (standard input), line 2, column "),
        "{error}"
    );

    let output = step(&world).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(world.outputs()["verdict"], "denied");
    assert_eq!(self::report(&world)["runs"].as_array().unwrap().len(), 2);
    let log = text(&output.stdout);
    assert!(
        log.contains("1 of 2 requests pass; the first that fails: the role was not assumed"),
        "{log}"
    );
    let passed = step(&world).env("INPUT_FAIL", "false").output().unwrap();
    assert_eq!(passed.status.code(), Some(0));
}

#[test]
fn the_attempt_has_the_parameters_of_the_step() {
    let world = World::named("healthy")
        .with("role-duration-seconds", "1h")
        .with("role-session-name", "me")
        .with("inline-session-policy", "{}")
        .with(
            "managed-session-policies",
            "arn:aws:iam::aws:policy/A\n\n  arn:aws:iam::aws:policy/B ",
        )
        .with("audience", "https://x/?a=b&c")
        .start();
    step(&world).output().unwrap();
    let asked = world.requests_of(Call::IdToken).remove(0);
    assert!(
        asked
            .target
            .ends_with("?api-version=2.0&audience=https%3A%2F%2Fx%2F%3Fa%3Db%26c"),
        "{}",
        asked.target
    );
    let attempt = world.requests_of(Call::AssumeRoleWithWebIdentity).remove(0);
    for (field, want) in [
        ("DurationSeconds", "1"),
        ("RoleSessionName", "me"),
        ("Policy", "{}"),
        ("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/A"),
        ("PolicyArns.member.2.arn", "arn:aws:iam::aws:policy/B"),
    ] {
        assert_eq!(attempt.form.get(field).map(String::as_str), Some(want), "{field}");
    }
    assert!(!attempt.is_signed());
}

#[test]
fn credentials_of_another_account_are_not_believed() {
    let mut scenario = Scenario::named("subject-environment").unwrap();
    let credentials = scenario.credentials.as_mut().unwrap();
    credentials.account = "999999999999".to_owned();
    credentials.arn = "arn:aws:iam::999999999999:user/ci".to_owned();
    let world = World::of(scenario.clone()).start();
    let output = step(&world).output().unwrap();
    let log = text(&output.stdout);
    assert!(log.contains("`arn:aws:iam::999999999999:user/ci`"), "{log}");
    assert_ne!(world.outputs()["cause"], "role-missing");
    assert_eq!(report(&world)["trust_policy"], Value::Null);

    // A diagnosis role can read what they can't.
    let with_role = Scenario::named("diagnosis-role").unwrap();
    scenario.account.roles = with_role.account.roles;
    scenario
        .with
        .insert("diagnosis-role".to_owned(), with_role.with["diagnosis-role"].clone());
    let world = World::of(scenario).start();
    step(&world).output().unwrap();
    assert_eq!(world.outputs()["cause"], "subject-environment");
    assert_eq!(world.requests_of(Call::DiagnosisRole).len(), 1);
}

#[test]
fn only_a_self_hosted_machine_is_asked_for_its_own_credentials() {
    for (kind, asked) in [("github-hosted", false), ("self-hosted", true)] {
        let world = World::named("no-iam-access").start();
        let begun = Instant::now();
        let mut command = step(&world);
        for key in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
            command.env_remove(key);
        }
        command.env("RUNNER_ENVIRONMENT", kind).output().unwrap();
        assert_eq!(!world.requests_of(Call::Other).is_empty(), asked, "{kind}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{kind}");
        assert!(world.requests_of(Call::GetRole).is_empty(), "{kind}");
    }
}

#[test]
fn the_provider_follows_the_tokens_issuer() {
    let mut scenario = Scenario::named("healthy").unwrap();
    let slug = "token.actions.githubusercontent.com/acme";
    scenario
        .token
        .claims
        .insert("iss".to_owned(), json!(format!("https://{slug}")));
    let world = World::of(scenario).start();
    step(&world).output().unwrap();
    let asked: Vec<_> = world
        .requests_of(Call::GetOpenIdConnectProvider)
        .into_iter()
        .map(|request| request.form["OpenIDConnectProviderArn"].clone())
        .collect();
    let arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";
    assert_eq!(asked, [arn.to_owned(), format!("{arn}/acme")]);

    let world = World::named("healthy").start();
    step(&world)
        .env("GITHUB_SERVER_URL", "https://git.acme.example")
        .output()
        .unwrap();
    let asked = world.requests_of(Call::GetOpenIdConnectProvider);
    assert!(asked[0].form["OpenIDConnectProviderArn"].ends_with("git.acme.example/_services/token"));
}

#[test]
fn a_bad_region_is_said_and_the_rest_goes_on() {
    let world = World::named("subject-environment")
        .with("aws-region", "EU (Ireland)")
        .start();
    let output = step(&world).output().unwrap();
    assert!(text(&output.stdout).contains("aws-region"), "{}", text(&output.stdout));
    assert!(world.requests_of(Call::AssumeRoleWithWebIdentity).is_empty());
    assert_eq!(world.requests_of(Call::GetRole).len(), 1, "IAM has no region");
}

#[test]
fn the_other_commands() {
    let list = run(&["explain"], "");
    assert!(text(&list.stdout).contains("subject-environment"));
    assert!(text(&run(&["explain", "subject-case"], "").stdout).starts_with('#'));
    let output = run(&["evaluate"], "{\"id\": \"a\"}\nno JSON\n");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        "error: 2 of 2 lines cannot be evaluated; their `detail` says why\n"
    );
    assert_eq!(
        text(&output.stdout).matches("\"decision\":\"Error\"").count(),
        2,
        "{}",
        text(&output.stdout)
    );
    assert_eq!(run(&["evaluate", "/nowhere"], "").status.code(), Some(2));
    assert_eq!(run(&["--version"], "").status.code(), Some(0));
    assert!(text(&run(&["diagnose", "--help"], "").stdout).contains("--role-to-assume"));
}

#[test]
fn a_refusal_is_final_and_a_moments_trouble_is_not() {
    for (status, code, attempts) in [
        (403, "AccessDenied", 1),
        (400, "InvalidIdentityToken", 1),
        (400, "ExpiredTokenException", 1),
        (400, "ValidationError", 1),
        (400, "IDPCommunicationError", 20),
        (400, "Throttling", 20),
        (503, "ServiceUnavailable", 20),
    ] {
        let mut scenario = Scenario::named("subject-environment").unwrap();
        let answer = json!({"status": status, "code": code, "message": "said so"});
        scenario.sts = serde_json::from_value(answer).unwrap();
        let world = World::of(scenario).start();
        let output = step(&world).output().unwrap();
        assert!(output.status.code().is_some_and(|code| code < 4), "{code}");
        assert_eq!(
            world.requests_of(Call::AssumeRoleWithWebIdentity).len(),
            attempts,
            "{code}"
        );
    }
}

#[test]
fn a_token_in_the_wrong_place_is_repeated_nowhere() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
    let token = format!("{header}.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(CLAIMS));
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved.json");
    let saved = saved.to_str().unwrap();
    let quoted = format!("AWS refused {token} today");
    for flag in [
        "--trust-policy",
        "--oidc-provider",
        "--workflow-file",
        "--evidence",
        "--role-to-assume",
        "--audience",
        "--role-session-name",
        "--error",
        "--no-such-flag",
        "--format",
    ] {
        for value in [&token, &quoted] {
            for args in [
                vec!["diagnose", flag, value],
                vec!["diagnose", &format!("{flag}={value}")],
                vec!["diagnose", "--format", "json", "--save-evidence", saved, flag, value],
            ] {
                let output = run(&args, "");
                let kept = fs::read_to_string(saved).unwrap_or_default();
                let said = text(&output.stdout) + &text(&output.stderr) + &kept;
                assert!(!said.contains("eyJ"), "{flag}: {said}");
            }
        }
    }
    // As a step, from the inputs.
    let mut command = program();
    command
        .args(["action"])
        .env("INPUT_TRUST-POLICY", &token)
        .env("INPUT_ERROR", &quoted)
        .env("INPUT_NONSENSE", &token);
    let output = command.output().unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(!said.contains("eyJ"), "{said}");
    // Where claims are expected, it is read.
    for claims in [token.clone(), format!("{{\"value\": \"{token}\"}}")] {
        let output = run(&["diagnose", "--claims", &claims], "");
        assert!(
            text(&output.stdout).contains("subject   repo:acme/widgets:ref:refs/heads/main"),
            "{}",
            text(&output.stderr)
        );
        assert!(!(text(&output.stdout) + &text(&output.stderr)).contains("eyJ"));
    }
    // One that can't be read isn't repeated either, and the error doesn't mention GitHub's token service.
    for claims in [format!("{token}.x"), "nosuch.json".to_owned()] {
        let output = run(&["diagnose", "--claims", &claims], "");
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(
            said.starts_with("error: ") && !said.contains("token service") && !said.contains("eyJ"),
            "{said}"
        );
    }
}
