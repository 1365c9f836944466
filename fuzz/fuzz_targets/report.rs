//! Any evidence: it is diagnosed, and no text in it becomes a command, a tag, a terminal escape or more than the runner takes.
#![no_main]

use aws_oidc_doctor::Runs;
use aws_oidc_doctor::report::console::Style;
use aws_oidc_doctor::report::{Report, console, github, json, summary};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // A whole evidence file, or one with the text in the places that strangers write.
    let places = serde_json::json!({
        "schema": 1,
        "request": { "role-to-assume": text, "aws-region": text, "role-session-name": text },
        "runner": { "id_token_request": true, "event_name": text, "head_repository": text, "repository": "acme/widgets" },
        "token": { "claims": { "iss": "https://token.actions.githubusercontent.com", "aud": text, "sub": format!("repo:acme/widgets:{text}") } },
        "role": { "trust_policy": text },
        "attempt": { "outcome": "denied", "code": "AccessDenied", "message": text },
        "workflow": { "path": text, "text": text },
    });
    let twice = serde_json::json!({ "schema": 1, "runs": [places, places] });
    for Runs(runs) in [
        Runs::from_json(text).ok(),
        Runs::from_json(&places.to_string()).ok(),
        Runs::from_json(&twice.to_string()).ok(),
    ]
    .into_iter()
    .flatten()
    {
        let report = Report::of(&runs);
        assert_eq!(report.runs().count(), runs.len());
        assert!(report.runs().all(|run| run.diagnosis.causes.len() == 8));
        for colour in [false, true] {
            let console = console::render(&report, Style { colour, ..Style::default() });
            assert!(!console.contains("##["));
            assert!(colour || !console.chars().any(|c| c.is_control() && c != '\n'));
        }
        let log = github::log(&report, Style::default(), || "0123456789abcdef".to_owned());
        assert!(!log.contains("##[") && !log.chars().any(|c| c.is_control() && c != '\n'));
        let summary = summary::render(&report);
        assert!(summary.len() < 1 << 20);
        let annotations = github::annotations(&report);
        assert!(
            annotations
                .lines()
                .all(|line| line.starts_with("::") && line.len() < 64 * 1024)
        );
        assert!(!json::line(&report).contains('\n'));
    }
});
