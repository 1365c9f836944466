//! The output, whatever a stranger wrote: rendered as GitHub renders it, split as a shell splits it, measured.

use aws_oidc_doctor::Claims;
use aws_oidc_doctor::Evidence;
use aws_oidc_doctor::Part;
use aws_oidc_doctor::by_id;
use aws_oidc_doctor::diagnose;
use aws_oidc_doctor::is_unseen;
use aws_oidc_doctor::report::console::Style;
use aws_oidc_doctor::report::{Pages, Report, Run, claims, console, github, json, summary};
use aws_oidc_doctor::{Diagnosis, Document, Finding, Found, Label, MissingFact, Told};
use aws_oidc_doctor::{Fix, Target};
use aws_oidc_doctor::{Location, SourceText, Span};
use comrak::Options;
use proptest::prelude::*;
use serde_json::json;

const HOST: &str = "token.actions.githubusercontent.com";

fn policy(subject: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"Federated": format!("arn:aws:iam::123456789012:oidc-provider/{HOST}")},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {format!("{HOST}:aud"): "sts.amazonaws.com", format!("{HOST}:sub"): subject}},
    }]})
    .to_string()
}

/// A run whose role, subject, audience, issuer and policy are untrusted.
fn run(role: &str, subject: &str, audience: &str, issuer: &str, policy: &str) -> Diagnosis {
    let evidence = json!({
        "schema": 1,
        "request": {"role-to-assume": role, "aws-region": "eu-west-1", "audience": audience},
        "token": {"claims": {"iss": issuer, "aud": audience, "sub": subject, "repository": "acme/widgets"}},
        "role": {"trust_policy": policy},
        "provider": {"arn": format!("arn:aws:iam::123456789012:oidc-provider/{audience}"), "url": HOST, "client_ids": ["x"]},
    });
    diagnose(&Evidence::from_json(&evidence.to_string()).unwrap())
}

/// A message that has several reasons is all there is: nothing is said of the job's permissions as if it had been seen.
#[test]
fn what_a_message_hints_at_is_not_shown_as_seen() {
    for (runner, is_seen) in [(json!(null), false), (json!({"id_token_request": false}), true)] {
        let evidence = json!({
            "schema": 1, "runner": runner,
            "request": {"role-to-assume": "***", "aws-region": "eu-west-1"},
            "reported": "Error: Could not load credentials from any providers",
        });
        let diagnosis = diagnose(&Evidence::from_json(&evidence.to_string()).unwrap());
        assert!(
            diagnosis
                .cause()
                .is_some_and(|cause| cause.rule.id == "id-token-permission-missing")
        );
        let report = console::render(&Report::from(diagnosis), Style::default());
        for claim in ["id-token: none", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"] {
            assert_eq!(report.contains(claim), is_seen, "{claim}: {report}");
        }
    }
}

/// What a log puts in front of a line is not part of what was reported.
#[test]
fn a_message_is_shown_without_what_a_log_put_before_it() {
    for text in [
        "##[error]Could not load credentials from any providers",
        "2026-10-01T10:00:00.1234567Z ##[error]Could not load credentials from any providers\n",
        "> Could not load credentials from any providers",
    ] {
        let evidence = json!({"schema": 1, "reported": text}).to_string();
        let diagnosis = diagnose(&Evidence::from_json(&evidence).unwrap());
        let reported = diagnosis.facts.iter().find(|fact| fact.0 == "reported").unwrap();
        assert_eq!(reported.1, "Could not load credentials from any providers");
    }
}

/// AWS refused, and a part of the policy is unknown: it is likely what denies only if nothing else is.
#[test]
fn one_unknown_is_likely_what_denies_and_several_are_not() {
    let request = json!({"role-to-assume": "arn:aws:iam::123456789012:role/deploy", "aws-region": "eu-west-1"});
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": format!("arn:aws:iam::123456789012:oidc-provider/{HOST}")},
        "Condition": {"StringEquals": {format!("{HOST}:aud"): "sts.amazonaws.com", format!("{HOST}:actor_id"): "77"}},
    }]});
    for (claims, is_likely) in [
        (json!({"aud": "sts.amazonaws.com"}), true),
        (json!({"repository": "acme/widgets"}), false),
    ] {
        let evidence = json!({
            "schema": 1, "request": request, "token": {"claims": claims},
            "role": {"arn": request["role-to-assume"], "trust_policy": policy},
            "attempt": {"outcome": "denied", "code": "AccessDenied", "message": "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
        });
        let diagnosis = diagnose(&Evidence::from_json(&evidence.to_string()).unwrap());
        let conditions = diagnosis.gaps.iter().filter(|gap| gap.wanted.contains("condition"));
        let likely: Vec<_> = conditions
            .map(|gap| gap.supply.contains("likely what denies"))
            .collect();
        assert_eq!(
            likely,
            if is_likely { vec![true] } else { vec![false; 2] },
            "{:?}",
            diagnosis.gaps
        );
    }
}

fn usual(subject: &str) -> Diagnosis {
    let policy = policy("repo:acme/widgets:ref:refs/heads/dev");
    run(
        "arn:aws:iam::123456789012:role/deploy",
        subject,
        "sts.amazonaws.com",
        &format!("https://{HOST}"),
        &policy,
    )
}

/// A diagnosis in which every text is this one, in and out of backticks.
fn hostile(text: &str) -> Diagnosis {
    let mut diagnosis = usual("repo:acme/widgets:ref:refs/heads/main");
    let said = format!("the job is `{text}` and {text}");
    let source = SourceText::new(text, format!("{text}\n{text}"));
    let label = |document| Label {
        document,
        location: Location::new(Span::new(0, text.len()), text),
        text: said.clone(),
    };
    let fix = |target, diff: &str| Fix {
        title: said.clone(),
        target,
        edits: Vec::new(),
        patch: vec![json!({"op": text})],
        text: text.to_owned(),
        diff: diff.to_owned(),
        command: text.to_owned(),
        terraform: text.to_owned(),
        cloudformation: text.to_owned(),
        notes: vec![said.clone()],
        proof: Some(said.clone()),
    };
    let mut finding = [Document::TrustPolicy, Document::Workflow, Document::Claims]
        .into_iter()
        .fold(Finding::blocks(said.clone()), |finding, document| {
            finding.label(label(document))
        })
        .notes([text.to_owned(), said.clone()])
        .help(text)
        .help(said.clone());
    finding.fixes = vec![fix(Target::TrustPolicy, text), fix(Target::Workflow, "")];
    diagnosis.findings = ["subject-branch", "subject-case"]
        .map(|id| Found {
            rule: &by_id(id).unwrap().rule,
            finding: finding.clone(),
        })
        .into();
    diagnosis.causes.iter_mut().for_each(|row| row.because = said.clone());
    diagnosis.stages.iter_mut().for_each(|row| row.detail = text.to_owned());
    diagnosis.gaps = vec![MissingFact {
        wanted: text.to_owned(),
        why: said.clone(),
        supply: text.to_owned(),
    }];
    diagnosis.notes = vec![text.to_owned(), said.clone()];
    diagnosis.facts = vec![("role", text.to_owned()), ("AWS", said.clone())];
    diagnosis.subject = Some(text.to_owned());
    diagnosis.policy = Some(source.clone());
    diagnosis.workflow = Some(source.clone());
    diagnosis.claims = Some(source);
    let part = Part {
        text: text.to_owned(),
        claim: Some(text.to_owned()),
        from: "the repository's name",
    };
    let object = json!({text: text, "sub": text});
    diagnosis.told = Some(Told {
        claims: Claims(object.as_object().cloned().unwrap()),
        parts: vec![(part, Some(text.to_owned()))],
        keys: vec![(text.to_owned(), Some(text.to_owned()))],
        least: vec![fix(Target::TrustPolicy, ""), fix(Target::TrustPolicy, "")],
        finish: Some(text.to_owned()),
    });
    diagnosis
}

const COLOURED: Style = Style {
    colour: true,
    links: true,
    width: 80,
};

/// A step's log, with guessable guards.
fn log(report: &Report) -> String {
    github::log(report, Style::default(), || "0123456789abcdef".to_owned())
}

fn several(diagnoses: impl IntoIterator<Item = Diagnosis>) -> Report {
    diagnoses.into_iter().map(Run::from).collect()
}

/// GitHub's Markdown, with its formulas and footnotes; HTML is kept, so that it shows.
fn rendered(markdown: &str) -> String {
    let mut options = Options::default();
    let extension = &mut options.extension;
    extension.autolink = true;
    extension.table = true;
    extension.strikethrough = true;
    extension.tasklist = true;
    extension.footnotes = true;
    extension.math_dollars = true;
    extension.math_code = true;
    extension.alerts = true;
    options.render.r#unsafe = true;
    comrak::markdown_to_html(markdown, &options)
}

/// What GitHub's site makes of text that isn't code: mentions, references, emoji, commits.
fn is_made_something_of(word: &str) -> bool {
    let after = |mark: char| {
        word.split(mark)
            .skip(1)
            .any(|rest| rest.starts_with(char::is_alphanumeric))
    };
    let commit = word
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|run| run.len() >= 7 && run.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let number = word
        .to_lowercase()
        .split("gh-")
        .skip(1)
        .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    after('@') || after('#') || after(':') || commit || number || word.contains("www.") || word.contains('$')
}

/// The checks' pages, as in a job with the action.
fn pages() -> Pages {
    Pages::of(Some("acme/doctor"), Some("v1"))
}

/// The addresses a report links to: those of its checks' pages.
fn links(report: &Report) -> Vec<String> {
    let pages = pages();
    let findings = report.diagnoses().flat_map(|diagnosis| &diagnosis.findings);
    let links: Vec<String> = findings.filter_map(|finding| pages.url(finding.rule)).collect();
    assert!(
        links.iter().all(|link| link.starts_with("https://github.com/")),
        "{links:?}"
    );
    links
}

/// The summary has no links or tags but ours, and nothing that GitHub's site transforms.
fn assert_plain(report: impl Into<Report>) -> Result<String, TestCaseError> {
    let report = report.into().with_pages(pages());
    let markdown = summary::render(&report);
    let links = links(&report);
    const OURS: [&str; 18] = [
        "h2", "h3", "h4", "p", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "strong", "em",
        "details", "summary",
    ];
    let html = rendered(&markdown);
    let mut in_code = 0;
    for piece in html.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap();
        let name = tag.trim_start_matches('/').split(' ').next().unwrap();
        let is_our_link = match tag.strip_prefix("a href=\"") {
            Some(address) => links.iter().any(|link| address == format!("{link}\"")),
            None => tag == "/a",
        };
        prop_assert!(
            OURS.contains(&name) || name == "blockquote" || is_our_link,
            "<{}> in {}\n{}",
            tag,
            html,
            markdown
        );
        match (name, tag.starts_with('/')) {
            ("code" | "pre", false) => in_code += 1,
            ("code" | "pre", true) => in_code -= 1,
            _ => {}
        }
        if in_code == 0 {
            for word in text.split_whitespace() {
                prop_assert!(!is_made_something_of(word), "{} in {}\n{}", word, html, markdown);
            }
        }
    }
    Ok(markdown)
}

/// Reports with a text in place of the token's and the policy's: compared, with the part that differs in bold.
fn compared(text: &str) -> [Diagnosis; 2] {
    let subject = format!("repo:acme/widgets:environment:{text}");
    let other = format!("repo:acme/widgets:ref:refs/heads/{text}x");
    [("sts.amazonaws.com", &other), (text, &subject)].map(|(audience, accepted)| {
        let evidence = json!({
            "schema": 1,
            "request": {"role-to-assume": "arn:aws:iam::123456789012:role/deploy", "aws-region": "eu-west-1"},
            "token": {"claims": {"iss": format!("https://{HOST}"), "aud": audience, "sub": subject}},
            "role": {"trust_policy": policy(accepted)},
        });
        diagnose(&Evidence::from_json(&evidence.to_string()).unwrap())
    })
}

#[test]
fn no_link_and_no_tag_in_the_summary_but_ours() {
    let mut texts: Vec<String> = [
        "a`(www.evil.example/x",
        "www.evil.example",
        "http://evil.example",
        "mailto:a@evil.example",
        "a@evil.example",
        "xmpp:a@evil.example/x",
        "`` `www.evil.example",
        "x`www.evil.example`y``www.evil.example",
        "<https://evil.example>",
        "[x](https://evil.example) ![x](https://evil.example/x.png)",
        "[x]: https://evil.example",
        "<img src=x> <script> <a href=x>",
        "</code></pre></details><b>",
        "@octocat and octo/repo#1, #12, GH-7, 0123456789abcdef :tada:",
        "$`x`$ $\\href{x}{y}$",
        "[^1] [ ] ~~x~~ **x** _x_ # x",
        "a|b\\|c\\\\|`www.evil.example`|",
        "1. x",
        "- x",
        "> x",
        "```\nwww.evil.example",
        "\u{200b}www.evil.example",
        "&#119;ww.evil.example &lt;b&gt;",
        "`",
        "\\`www.evil.example",
        "---",
        "",
        " ",
    ]
    .map(str::to_owned)
    .to_vec();
    // cmark accepts at most 80 backticks around a code span, and counts those of a fence to 255.
    for run in [15, 16, 17, 79, 80, 81, 254, 255, 256, 300] {
        texts.push(format!("{} www.evil.example", "`".repeat(run)));
        texts.push(format!("x\n{}\nwww.evil.example", "`".repeat(run)));
    }
    let mut sides = 0;
    for text in texts {
        assert_plain(hostile(&text)).unwrap();
        for diagnosis in compared(&text) {
            let summary = assert_plain(diagnosis).unwrap();
            sides += usize::from(summary.contains("| **policy** accepts |"));
        }
    }
    assert!(sides > 40, "{sides}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_a_link_or_a_tag_in_the_summary(pieces in prop::collection::vec(prop::sample::select(vec![
        "`", "``", "`````", " ", "\n", "\\", "|", "(", ")", "[", "]", "!", "<", ">", "<b>", "&", "&#64;", "@", "#", "$", ":", "/", ".", "*",
        "_", "~", "-", "+", "1.", "a", "é", "www.", "www.evil.example", "http://", "https://evil.example", "a@b.example", "@octocat", "#1",
        "GH-1", "0123456", "mailto:", "```", "~~~", "\t", "\r", "\u{a0}", "\u{200b}", "'", "\"",
    ]), 0..12)) {
        assert_plain(hostile(&pieces.concat()))?;
        for diagnosis in compared(&pieces.concat()) {
            assert_plain(diagnosis)?;
        }
    }
}

#[test]
fn what_was_not_looked_at_is_no_check_mark() {
    let summary = |more: serde_json::Value| {
        let mut evidence = json!({
            "schema": 1,
            "request": {"role-to-assume": "arn:aws:iam::123456789012:role/deploy", "aws-region": "eu-west-1"},
            "token": {"claims": {"iss": format!("https://{HOST}"), "aud": "sts.amazonaws.com", "sub": "repo:acme/widgets:pull_request"}},
            "attempt": {"outcome": "allowed", "assumed_role_arn": "arn:aws:sts::123456789012:assumed-role/deploy/x"},
        });
        for (name, value) in more.as_object().unwrap() {
            evidence[name] = value.clone();
        }
        summary::render(&Report::of(&[Evidence::from_json(&evidence.to_string()).unwrap()]))
    };
    let trusting = |subject: &str| json!({"role": {"trust_policy": policy(subject)}});
    assert!(summary(json!({})).starts_with("## ✅ "));
    assert!(summary(json!({"left_out": ["step `Two`"]})).starts_with("## ☑️ "));
    assert!(summary(trusting("repo:acme/widgets:pull_request")).starts_with("## ✅ "));
    let mut unasked = trusting("repo:acme/widgets:pull_request");
    unasked["attempt"] = json!(null);
    let unasked = summary(unasked);
    assert!(unasked.starts_with("## ☑️ "), "{unasked}");
    let open = policy("x")
        .replace("StringEquals", "StringLike")
        .replace("\"x\"", "\"repo:*\"");
    assert!(summary(json!({"role": {"trust_policy": open}})).starts_with("## ⚠️ "));
}

#[test]
fn a_step_that_was_not_checked_has_a_row_beside_the_roles() {
    let run = json!({"request": {"role-to-assume": "arn:aws:iam::123456789012:role/deploy"}, "attempt": {"outcome": "allowed"}});
    let mut last = run.clone();
    last["left_out"] = json!(["step `Eleven | x` (`arn:aws:iam::123456789012:role/eleven`)"]);
    for (runs, count) in [
        (json!([run, last]), "## ☑️ 2 of 2 requests pass, 1 not checked"),
        (json!([last]), "## ☑️ 1 of 1 requests pass, 1 not checked"),
        (json!([run, run]), "## ✅ 2 of 2 requests pass\n"),
    ] {
        let file = json!({"schema": 1, "runs": runs}).to_string();
        let report = Report::of(&aws_oidc_doctor::Runs::from_json(&file).unwrap().0);
        let text = summary::render(&report);
        let row = "| ❓ | step `Eleven \\| x` (`arn:aws:iam::123456789012:role/eleven`) | not checked |";
        assert!(text.starts_with(count), "{text}");
        assert_eq!(text.contains(row), count.contains("not checked"), "{text}");
    }
}

/// A pull request's job, whose policy trusts a branch, and its workflow.
fn pull_request(workflow: &str, event: &str) -> Diagnosis {
    let evidence = json!({
        "schema": 1,
        "request": {"role-to-assume": "arn:aws:iam::123456789012:role/deploy", "aws-region": "eu-west-1"},
        "runner": {"job": "deploy"},
        "token": {"claims": {
            "iss": format!("https://{HOST}"), "aud": "sts.amazonaws.com", "sub": "repo:acme/widgets:pull_request",
            "repository": "acme/widgets", "event_name": event,
        }},
        "role": {
            "arn": "arn:aws:iam::123456789012:role/deploy",
            "trust_policy": policy("repo:acme/widgets:ref:refs/heads/main"),
            "trust_policy_file": "infra/trust.json",
        },
        "workflow": {"path": ".github/workflows/deploy.yml", "text": workflow},
    });
    diagnose(&Evidence::from_json(&evidence.to_string()).unwrap())
}

#[test]
fn what_opens_nothing_comes_before_what_lets_every_pull_request_in() {
    const JOB: &str = "jobs:\n  deploy:\n    runs-on: x\n";
    let own = format!("{JOB}    if: github.ref == 'refs/heads/main'\n");
    let of_a_step = format!("{JOB}    steps:\n      - if: true\n        run: x\n");
    for (workflow, event, has_diff) in [
        (JOB, "pull_request", Some(true)),
        (&of_a_step, "pull_request", Some(true)),
        (&own, "pull_request", Some(false)),
        ("", "pull_request", Some(false)),
        (JOB, "pull_request_target", None),
    ] {
        let diagnosis = pull_request(workflow, event);
        let fixes = &diagnosis.cause().unwrap().fixes;
        let targets: Vec<Target> = fixes.iter().map(|fix| fix.target).collect();
        let warns = |fix: &Fix| fix.notes.iter().any(|note| note.contains("every pull request"));
        let Some(has_diff) = has_diff else {
            assert_eq!(targets, [Target::TrustPolicy], "{event}");
            assert!(!warns(&fixes[0]));
            continue;
        };
        assert_eq!(targets, [Target::Workflow, Target::TrustPolicy], "{workflow}");
        assert!(fixes[0].text.contains("if: github.event_name != 'pull_request'"));
        let added = "\n+    if: github.event_name != 'pull_request'\n";
        assert_eq!(fixes[0].diff.contains(added), has_diff, "{workflow}: {}", fixes[0].diff);
        assert!(
            warns(&fixes[1]) && fixes[1].command.contains(" --number 2 "),
            "{:?}",
            fixes[1]
        );
        let text = summary::render(&diagnosis.into());
        let (before, fold) = text.split_once("<details><summary>The change").unwrap();
        assert!(before.contains("every pull request") && !fold.is_empty(), "{text}");
    }
}

/// Only the default branch is trusted on purpose for certain: a policy for `master` may just be older than the branch `main`.
#[test]
fn a_job_is_kept_to_the_default_branch_and_to_no_other() {
    const WORKFLOW: &str = "on: push\njobs:\n  deploy:\n    runs-on: x\n";
    for (default, targets) in [
        (
            json!({"default_branch": "main"}),
            &[Target::Workflow, Target::TrustPolicy][..],
        ),
        (json!({"default_branch": "trunk"}), &[Target::TrustPolicy]),
        (json!({}), &[Target::TrustPolicy]),
    ] {
        let evidence = json!({
            "schema": 1,
            "request": {"role-to-assume": "arn:aws:iam::123456789012:role/deploy", "aws-region": "eu-west-1"},
            "runner": {"job": "deploy", "default_branch": default["default_branch"]},
            "repository": {"name": "acme/widgets"},
            "token": {"claims": {
                "iss": format!("https://{HOST}"), "aud": "sts.amazonaws.com", "sub": "repo:acme/widgets:ref:refs/heads/topic",
            }},
            "role": {"trust_policy": policy("repo:acme/widgets:ref:refs/heads/main")},
            "workflow": {"path": "deploy.yml", "text": WORKFLOW},
        });
        let diagnosis = diagnose(&Evidence::from_json(&evidence.to_string()).unwrap());
        let fixes = &diagnosis.cause().unwrap().fixes;
        assert!(
            fixes.iter().map(|fix| fix.target).eq(targets.iter().copied()),
            "{default}: {fixes:?}"
        );
        let is_kept = fixes[0].diff.contains("\n+    if: github.ref == 'refs/heads/main'\n");
        assert_eq!(is_kept, targets.len() == 2, "{}", fixes[0].diff);
    }
}

#[test]
fn a_finding_is_at_its_place_in_the_policys_own_file() {
    let written: serde_json::Value = serde_json::from_str(&policy("repo:acme/widgets:ref:refs/heads/main")).unwrap();
    let written = format!("{written:#}");
    let diagnosis = |file: &str| {
        let workflow = "jobs:\n  deploy:\n    environment: production\n    runs-on: x\n";
        let evidence = json!({
            "schema": 1,
            "request": {"role-to-assume": "arn:aws:iam::123456789012:role/deploy", "aws-region": "eu-west-1"},
            "runner": {"job": "deploy"},
            "token": {"claims": {
                "iss": format!("https://{HOST}"), "aud": "sts.amazonaws.com", "sub": "repo:acme/widgets:environment:production",
            }},
            "role": {"trust_policy": written, "trust_policy_file": file},
            "workflow": {"path": "deploy.yml", "text": workflow},
        });
        let mut evidence = evidence;
        if file.is_empty() {
            evidence["role"].as_object_mut().unwrap().remove("trust_policy_file");
        }
        Report::from(diagnose(&Evidence::from_json(&evidence.to_string()).unwrap()))
    };
    for (file, place, uri) in [
        ("infra/trust.json", ",file=infra/trust.json,line=", "infra/trust.json"),
        (
            "trust policy, new.json",
            ",file=trust policy%2C new.json,line=",
            "trust%20policy%2C%20new.json",
        ),
        // A name that isn't a file's, or that can't be shown: the line is the workflow's.
        ("", ",file=deploy.yml,line=3,col=", "deploy.yml"),
        ("a\u{202e}b.json", ",file=deploy.yml,line=3,col=", "a%E2%80%AEb.json"),
    ] {
        let report = diagnosis(file);
        let text = github::annotations(&report);
        assert!(text.starts_with("::error ") && text.contains(place), "{file}: {text}");
        let log: serde_json::Value = serde_json::from_str(&aws_oidc_doctor::report::sarif::render(&report)).unwrap();
        let first = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        assert_eq!(first, uri, "{file}");
    }
}

#[test]
fn no_escape_but_ours_reaches_a_terminal() {
    for text in [
        "\u{1b}]8;;https://evil.example\u{1b}\\x",
        "\u{1b}[2J",
        "\u{9d}8;;x\u{9c}",
        "\u{7}",
    ] {
        let report = Report::from(hostile(text)).with_pages(pages());
        let links = links(&report);
        let shown = console::render(&report, COLOURED);
        assert!(
            shown.contains("\u{1b}]8;;https://github.com/"),
            "the check's name is a link"
        );
        for escape in shown.split('\u{1b}').skip(1) {
            let is_colour = escape.strip_prefix('[').is_some_and(|rest| {
                let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';');
                end.is_some_and(|end| rest[end..].starts_with('m'))
            });
            let is_link = escape
                .strip_prefix("]8;;")
                .is_some_and(|to| to.is_empty() || links.iter().any(|link| link == to));
            let is_end = escape.starts_with('\\');
            assert!(is_colour || is_link || is_end, "{escape:?}");
        }
        let rest = shown.chars().filter(|c| c.is_control() && !"\n\u{1b}".contains(*c));
        assert_eq!(rest.count(), 0);
        // A log doesn't follow links, and without colours there are none.
        for style in [
            Style {
                links: false,
                ..COLOURED
            },
            Style {
                colour: false,
                ..COLOURED
            },
        ] {
            assert!(!console::render(&report, style).contains("\u{1b}]"));
        }
    }
}

/// The commands of a report: those of the fixes, and those in backticks in its sentences.
fn commands(diagnosis: &Diagnosis) -> Vec<String> {
    let sentences = diagnosis
        .findings
        .iter()
        .flat_map(|finding| finding.notes.iter().chain(&finding.help))
        .chain(diagnosis.gaps.iter().map(|gap| &gap.supply))
        .chain(&diagnosis.notes)
        .chain(
            diagnosis
                .findings
                .iter()
                .flat_map(|finding| finding.fixes.iter().flat_map(|fix| &fix.notes)),
        );
    let quoted = sentences.flat_map(|text| text.split('`').skip(1).step_by(2));
    let quoted = quoted
        .filter(|text| text.starts_with("aws ") || text.starts_with("gh "))
        .map(str::to_owned);
    let fixes = diagnosis.findings.iter().flat_map(|finding| &finding.fixes);
    fixes
        .flat_map(|fix| fix.command.lines().map(str::to_owned))
        .chain(quoted)
        .collect()
}

#[test]
fn a_printed_command_is_safe_to_paste() {
    const HOSTILE: [&str; 24] = [
        "$(id>pwned)",
        "${HOME}",
        "`id`",
        "a;id",
        "a&id",
        "a|id",
        "a\nid",
        "a>x",
        "a<x",
        "a'b",
        "a\"b",
        "a\\b",
        "a*",
        "a?",
        "~",
        "#a",
        "--debug",
        "-x",
        "a b",
        "<name>",
        "{a,b}",
        "é",
        "\u{200b}",
        "file:///etc/passwd",
    ];
    let (issuer, subject) = (format!("https://{HOST}"), "repo:acme/widgets:ref:refs/heads/main");
    let policy = policy("repo:acme/widgets:ref:refs/heads/dev");
    let mut seen = std::collections::BTreeSet::new();
    for text in HOSTILE {
        let role = format!("arn:aws:iam::123456789012:role/{text}");
        for diagnosis in [
            run(&role, subject, "sts.amazonaws.com", &issuer, &policy),
            run(&role, subject, text, &issuer, &policy),
            run(&role, subject, "x", &format!("https://{HOST}/{text}"), &policy),
            run(
                "arn:aws:iam::123456789012:role/deploy",
                &format!("repo:acme/{text}:pull_request"),
                text,
                &issuer,
                &policy,
            ),
        ] {
            for command in commands(&diagnosis) {
                // The policy is fetched into a file that we name.
                let command = match command.strip_suffix(" > trust-policy.json") {
                    Some(fetch) if fetch.starts_with("aws iam get-role ") => fetch,
                    _ => &*command,
                };
                let words: Vec<&str> = command.split(' ').collect();
                // No character in it is special to a shell, so spaces separate the words.
                assert!(
                    command
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || " +=,.@_-:/".contains(c)),
                    "{command}"
                );
                let first = if words[0] == "aws-oidc-doctor" { 2 } else { 3 };
                for (i, word) in words.iter().enumerate() {
                    assert!(!word.is_empty(), "{command}");
                    // An option is one of ours, and its value isn't an option.
                    let is_option = word.starts_with('-');
                    assert!(!is_option || OPTIONS.contains(word), "{command}");
                    assert!(i < first || is_option != words[i - 1].starts_with('-'), "{command}");
                    assert!(
                        !word.starts_with("file:") || *word == "file://trust-policy.json",
                        "{command}"
                    );
                }
                seen.insert(words[first - 1].to_owned());
            }
        }
    }
    const OPTIONS: [&str; 15] = [
        "--claims",
        "--id",
        "--number",
        "--out",
        "--output",
        "--query",
        "--role-to-assume",
        "--subject",
        "--trust-policy",
        "--role-name",
        "--policy-document",
        "--url",
        "--client-id-list",
        "--open-id-connect-provider-arn",
        "--client-id",
    ];
    for operation in [
        "get-role",
        "fix",
        "update-assume-role-policy",
        "create-open-id-connect-provider",
        "add-client-id-to-open-id-connect-provider",
    ] {
        assert!(seen.contains(operation), "{operation} was not tried: {seen:?}");
    }
}

#[test]
fn every_report_is_bounded() {
    for text in [
        "x".repeat(1 << 15),
        "x\n".repeat(1 << 14),
        "é`".repeat(1 << 13),
        "\u{3164}".repeat(1 << 13),
        format!("{}y", "a, ".repeat(1 << 13)),
    ] {
        let report = Report::from(hostile(&text));
        for size in [
            console::render(&report, COLOURED).len(),
            log(&report).len(),
            github::annotations(&report).len(),
        ] {
            assert!(size < 1 << 20, "{size}");
        }
        assert!(github::annotations(&report).lines().all(|line| line.len() < 16 * 1024));
        let many = several(std::iter::repeat_n(hostile(&text), 24));
        let all = summary::render(&many);
        assert!(all.len() < 1 << 20, "{}", all.len());
        assert!(all.contains("omitted"), "what is left out is said");
        assert!(
            all.matches("## ❌").count() >= 20,
            "each has its headline before any has its fixes"
        );
        let outputs = github::outputs(&report);
        let units: usize = outputs.iter().map(|(_, value)| value.encode_utf16().count() * 2).sum();
        assert!(units < 1 << 20, "{units}");
        let (_, report) = outputs.iter().find(|(name, _)| *name == "report").unwrap();
        let report: serde_json::Value = serde_json::from_str(report).unwrap();
        assert_eq!(report["verdict"], "denied");
        assert!(
            report["left_out"]
                .as_str()
                .unwrap()
                .starts_with("the texts of the fixes")
        );
    }
    // The runner shows ten annotations of each kind per step, not per run.
    let annotations = github::annotations(&several(std::iter::repeat_n(hostile("x"), 24)));
    assert_eq!(annotations.matches("::error ").count(), 10);
    // With many runs, each keeps its result.
    let text = "x".repeat(1 << 10);
    let outputs = github::outputs(&several(std::iter::repeat_n(hostile(&text), 10)));
    let report: serde_json::Value = serde_json::from_str(&outputs[3].1).unwrap();
    let runs = report["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 10);
    assert!(
        runs.iter()
            .all(|run| run["verdict"] == "denied" && run["cause"].is_object())
    );
    assert_eq!(report["left_out"], "the details of `runs`");
    assert!(!report["findings"][0]["fixes"][0]["text"].as_str().unwrap().is_empty());
    // Normally nothing is left out.
    let report = several(std::iter::repeat_n(usual("repo:acme/widgets:ref:refs/heads/main"), 2));
    let reports = summary::render(&report) + &github::outputs(&report)[3].1;
    assert!(!reports.contains("omitted") && !reports.contains("left_out"));
}

#[test]
fn what_is_not_seen_is_shown_in_every_report() {
    for c in [
        '\u{3164}',
        '\u{115f}',
        '\u{ffa0}',
        '\u{34f}',
        '\u{17b4}',
        '\u{fe0f}',
        '\u{e0041}',
        '\u{200b}',
        '\u{202e}',
        '\u{ad}',
        '\u{feff}',
        '\u{2028}',
        '\u{fff9}',
        '\u{2800}',
        '\u{a0}',
        '\u{9b}',
    ] {
        let text = format!("wid{c}gets");
        let report = Report::from(hostile(&text));
        let reports = [
            console::render(&report, Style::default()),
            summary::render(&report),
            github::annotations(&report),
            log(&report),
            json::render(&report),
            json::line(&report),
            claims::json(report.deciding().diagnosis.told.as_ref().unwrap()),
        ];
        for report in &reports {
            assert!(
                !report.chars().any(|c| c != '\n' && is_unseen(c)),
                "U+{:04X} in {report}",
                u32::from(c)
            );
        }
        for report in &reports[..4] {
            assert!(report.contains(&format!("wid<U+{:04X}>gets", u32::from(c))), "{report}");
        }
        let value: serde_json::Value = serde_json::from_str(&reports[4]).unwrap();
        assert_eq!(value["subject"], text, "JSON says exactly what there is");
    }
    // The text after it is still marked correctly.
    let mut diagnosis = hostile("x");
    diagnosis.policy = Some(SourceText::new("policy", "a\u{200b}b: wrong"));
    diagnosis.findings.truncate(1);
    diagnosis.findings[0].labels.truncate(1);
    diagnosis.findings[0].labels[0].location.span = Span::new(7, 12);
    let console = console::render(&diagnosis.into(), Style::default());
    let lines: Vec<&str> = console.lines().collect();
    let at = lines
        .iter()
        .position(|line| line.contains("a<U+200B>b: wrong"))
        .unwrap();
    assert_eq!(lines[at].find("wrong"), lines[at + 1].find("^^^^^"), "{console}");
}

#[test]
fn texts_that_look_the_same_are_told_apart() {
    let (issuer, role) = (format!("https://{HOST}"), "arn:aws:iam::123456789012:role/deploy");
    for (wanted, has, audience, note) in [
        (
            "repo:acme/wid\u{3164}gets:pull_request",
            "repo:acme/widgets:pull_request",
            "sts.amazonaws.com",
            "the policy has U+3164 at position 14",
        ),
        (
            "repo:acme/widgets:environment:prod",
            "repo:acme/widgets:environment:prod\u{200b}",
            "sts.amazonaws.com",
            "the token has U+200B at position 35",
        ),
        (
            "repo:acme/widgets:pull_request",
            "repo:acme/widgets:pull_request",
            "sts.amazonaws.com\u{fe0f}",
            "the token has U+FE0F at position 18",
        ),
    ] {
        let diagnosis = run(role, has, audience, &issuer, &policy(wanted));
        let notes: Vec<&String> = diagnosis.findings.iter().flat_map(|finding| &finding.notes).collect();
        let want = format!("the two differ only in invisible characters: {note}");
        assert!(notes.iter().any(|said| **said == want), "{notes:?}");
    }
    let diagnosis = usual("repo:acme/widgets:ref:refs/heads/main");
    assert!(!format!("{:?}", diagnosis.findings).contains("invisible"));
}
