//! Cases: evidence folders and what a report must, and must not, say about them. `expect.json` says in one sentence what the case
//! shows, and asserts the IDs found and not found, the cause and its certainty, the verdict, the policy's decision, and the status and
//! reason of the eight rows. Every reason that the rows themselves give in a case is asserted at least once; the findings' texts aren't.
//!
//! `tests/cases/<check-id>/<name>` holds evidence of the check, or evidence that resembles it and must be distinguished from it;
//! `_healthy` holds set-ups that work; `_mixed` several mistakes at once, masks and pasted logs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use aws_oidc_doctor::Evidence;
use aws_oidc_doctor::diagnose;
use aws_oidc_doctor::report::console::Style;
use aws_oidc_doctor::report::{self, Report};
use aws_oidc_doctor::{CHECKS, by_id};
use aws_oidc_doctor::{CauseStatus, Diagnosis, Severity};
use serde::Deserialize;
use serde_json::Value;

/// What a report must say. Absent fields aren't checked; `"cause": null` says that nothing may block.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Expect {
    /// What the case shows, and why it is a near miss or a trap: one sentence.
    shows: String,
    must_find: Vec<String>,
    must_not_find: Vec<String>,
    #[serde(deserialize_with = "present")]
    cause: Option<Option<String>>,
    /// How certain the cause is; required if there is one.
    certainty: Option<String>,
    verdict: Option<String>,
    decision: Option<String>,
    /// A cause's number, and its row's status.
    rows: BTreeMap<String, String>,
    /// A cause's number, and what its row's reason contains.
    because: BTreeMap<String, String>,
}

/// A cause's row in a report.
fn row<'a>(report: &'a serde_json::Value, number: &str) -> &'a serde_json::Value {
    &report["causes"][number.parse::<usize>().expect("a cause's number") - 1]
}

fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// A case folder: its check (or group), its path and its contents.
struct Folder {
    group: String,
    name: String,
    evidence: String,
    expect: Expect,
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(path)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

fn cases() -> Vec<Folder> {
    let word = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    let mut cases = Vec::new();
    for group in folders(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")) {
        for case in folders(&group) {
            let read = |file: &str| {
                let path = case.join(file);
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            };
            let name = format!("{}/{}", word(&group), word(&case));
            cases.push(Folder {
                group: word(&group),
                expect: serde_json::from_str(&read("expect.json")).unwrap_or_else(|error| panic!("{name}: {error}")),
                evidence: read("evidence.json"),
                name,
            });
        }
    }
    cases
}

fn evidence(case: &Folder) -> Evidence {
    Evidence::from_json(&case.evidence).unwrap_or_else(|error| panic!("{}: {error}", case.name))
}

/// The diagnosis of each hop of a chain; usually there is one.
fn diagnoses(evidence: &Evidence) -> Vec<Diagnosis> {
    evidence.hops().map(|hop| diagnose(&hop)).collect()
}

/// Where a report differs from what is expected. Findings may be in any hop; everything else is about the deciding hop.
fn wrong(expect: &Expect, evidence: Evidence) -> Vec<String> {
    let diagnoses = diagnoses(&evidence);
    let report: serde_json::Value =
        serde_json::from_str(&report::json::render(&Report::of(&[evidence]))).expect("the report is JSON");
    let findings = diagnoses.iter().flat_map(|diagnosis| &diagnosis.findings);
    let found: Vec<&str> = findings.map(|finding| finding.rule.id).collect();
    let mut wrong = Vec::new();
    for id in &expect.must_find {
        if !found.contains(&id.as_str()) {
            wrong.push(format!("`{id}` is missing from {found:?}"));
        }
    }
    for id in &expect.must_not_find {
        if found.contains(&id.as_str()) {
            wrong.push(format!("`{id}` is in {found:?}"));
        }
    }
    let mut compare = |what: &str, want: Option<&str>, got: &serde_json::Value| {
        if let Some(want) = want
            && got.as_str().unwrap_or("null") != want
        {
            wrong.push(format!("{what} is {got}, not `{want}`; found {found:?}"));
        }
    };
    let cause = expect.cause.as_ref().map(|cause| cause.as_deref().unwrap_or("null"));
    compare("cause", cause, &report["cause"]["id"]);
    compare("certainty", expect.certainty.as_deref(), &report["cause"]["certainty"]);
    compare("verdict", expect.verdict.as_deref(), &report["verdict"]);
    compare(
        "decision",
        expect.decision.as_deref(),
        &report["trust_policy"]["decision"],
    );
    for (number, status) in &expect.rows {
        compare(&format!("row {number}"), Some(status), &row(&report, number)["status"]);
    }
    for (number, because) in &expect.because {
        let got = &row(&report, number)["because"];
        if !got.as_str().is_some_and(|got| got.contains(because)) {
            wrong.push(format!("row {number} says {got}, not `{because}`"));
        }
    }
    wrong
}

#[test]
fn every_case_is_told_apart() {
    let mut bad = Vec::new();
    for case in cases() {
        let wrong = wrong(&case.expect, evidence(&case));
        bad.extend(wrong.into_iter().map(|what| format!("{}: {what}", case.name)));
        if case.group == "_healthy" {
            let diagnoses = diagnoses(&evidence(&case));
            let findings = diagnoses.iter().flat_map(|diagnosis| &diagnosis.findings);
            let blocking: Vec<_> = findings
                .filter(|finding| finding.severity == Severity::Blocks)
                .map(|finding| finding.rule.id)
                .collect();
            if !blocking.is_empty() {
                bad.push(format!("{}: it works, and {blocking:?} block", case.name));
            }
        }
    }
    assert!(bad.is_empty(), "{}:\n{}", bad.len(), bad.join("\n"));
}

#[test]
fn every_case_says_what_it_shows_and_how_certain_its_cause_is() {
    let mut seen = BTreeMap::new();
    for case in cases() {
        let (name, expect, shows) = (&case.name, &case.expect, &case.expect.shows);
        let is_sentence = shows.starts_with(|c: char| c.is_uppercase() || c == '`')
            && shows.ends_with('.')
            && shows.chars().count() <= 140;
        assert!(is_sentence, "{name}: `shows` is one short sentence: {shows:?}");
        if let Some(other) = seen.insert(shows.clone(), name.clone()) {
            panic!("{other} and {name} show the same");
        }
        let has_cause = matches!(expect.cause, Some(Some(_)));
        assert!(
            !has_cause || expect.certainty.is_some(),
            "{name}: a cause without `certainty`"
        );
    }
}

/// The stages and the rows are about one run: what one of them proves, the other doesn't leave open or deny.
#[test]
fn stages_and_rows_agree() {
    let mut wrong = Vec::new();
    for case in cases() {
        let report: Value =
            serde_json::from_str(&report::json::render(&Report::of(&[evidence(&case)]))).expect("the report is JSON");
        let rows = report["causes"].as_array().expect("rows");
        let no_token = rows.iter().any(|row| {
            row["because"].as_str().is_some_and(|because| {
                ["no ID token is sent", "no token was sent", "no token is sent"]
                    .iter()
                    .any(|words| because.contains(words))
            })
        });
        let keeps = row(&report, "1")["because"]
            .as_str()
            .is_some_and(|because| because.contains("assumes no role"));
        for stage in report["stages"].as_array().expect("stages") {
            let [name, status, detail] =
                ["name", "status", "detail"].map(|key| stage[key].as_str().unwrap_or_default());
            let of_token = ["the token was sent to AWS", "AWS accepted the token"].contains(&detail)
                || keeps && status == "passed";
            // A finding's own words, as of a step without credentials, don't contradict a row.
            let is_open = name == "permission"
                && status == "undecided"
                && !detail.starts_with("possible: ")
                && row(&report, "1")["status"] == "ruled-out";
            let is_bare = detail.is_empty() && status != "not-reached";
            if is_bare || is_open || no_token && of_token {
                wrong.push(format!("{}: {name} {status} {detail}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_reason_of_a_row_is_asserted() {
    let (mut reached, mut asserted) = (BTreeMap::new(), BTreeSet::new());
    for case in cases() {
        for cause in diagnoses(&evidence(&case))
            .into_iter()
            .flat_map(|diagnosis| diagnosis.causes)
        {
            // These are a finding's words, as is anything after `possible: `.
            if cause.status == CauseStatus::Applies {
                continue;
            }
            let reason = if cause.because.starts_with("possible: ") {
                "possible: ".to_owned()
            } else {
                cause.because
            };
            if case.expect.because.contains_key(&cause.cause.number().to_string()) {
                asserted.insert(reason.clone());
            }
            reached.entry(reason).or_insert(case.name.clone());
        }
    }
    reached.retain(|reason, _| !asserted.contains(reason));
    assert!(reached.is_empty(), "no `because` asserts {reached:#?}");
}

#[test]
fn no_two_cases_have_the_same_evidence() {
    let mut seen = BTreeMap::new();
    for case in cases() {
        let text = serde_json::to_string(&evidence(&case)).expect("evidence is plain data");
        if let Some(other) = seen.insert(text, case.name.clone()) {
            panic!("{other} and {}: one case is enough", case.name);
        }
    }
}

#[test]
fn a_saved_case_gives_the_same_report() {
    for case in cases() {
        let evidence = evidence(&case);
        let saved = serde_json::to_string(&evidence).expect("evidence is plain data");
        let again = Evidence::from_json(&saved).expect("saved evidence reads back");
        assert_eq!(evidence, again, "{}", case.name);
        assert_eq!(
            report::json::render(&Report::of(&[evidence])),
            report::json::render(&Report::of(&[again])),
            "{}",
            case.name
        );
    }
}

#[test]
fn every_report_holds_together() {
    let all = cases();
    let hops = all
        .iter()
        .flat_map(|case| diagnoses(&evidence(case)).into_iter().map(|hop| (&case.name, hop)));
    for (name, diagnosis) in hops {
        assert_eq!(diagnosis.causes.len(), 8, "{name}");
        for finding in &diagnosis.findings {
            assert!(!finding.message.is_empty(), "{name}: {}", finding.rule.id);
            for label in &finding.labels {
                let document = diagnosis
                    .document(label.document)
                    .unwrap_or_else(|| panic!("{name}: {} points into nothing", finding.rule.id));
                assert!(
                    label.location.span.start <= label.location.span.end
                        && label.location.span.end <= document.text.len(),
                    "{name}: {}",
                    finding.rule.id
                );
                let pointer = &label.location.pointer;
                let json: Option<Value> = serde_json::from_str(&document.text).ok();
                assert!(
                    pointer.is_empty() || json.is_none_or(|json| json.pointer(pointer).is_some()),
                    "{name}: {} says {pointer}, and nothing is there",
                    finding.rule.id
                );
            }
        }
        // All renderers accept it.
        let report = Report::from(diagnosis);
        let told = report.deciding().diagnosis.told.is_some();
        let log = report::github::log(&report, Style::default(), || "a".repeat(32));
        assert_eq!(log.contains("::group::What the token says"), told, "{name}");
        for text in [
            report::console::render(
                &report,
                Style {
                    colour: true,
                    ..Style::default()
                },
            ),
            report::console::render(&report, Style::default()),
            report::summary::render(&report),
            report::json::render(&report),
        ] {
            assert!(!text.is_empty(), "{name}");
        }
    }
}

#[test]
fn every_check_has_a_case_where_it_must_not_fire() {
    let cases = cases();
    let lacking: Vec<&str> = CHECKS
        .iter()
        .map(|check| check.rule.id)
        .filter(|id| {
            !cases
                .iter()
                .any(|case| case.group == *id && case.expect.must_not_find.iter().any(|not| not == id))
        })
        .collect();
    assert!(lacking.is_empty(), "{lacking:?}");
    for case in &cases {
        let known = case.group.starts_with('_') || by_id(&case.group).is_some();
        assert!(known, "{}: no check of that name", case.name);
        let ids = case.expect.must_find.iter().chain(&case.expect.must_not_find);
        for id in ids.chain(case.expect.cause.iter().flatten()) {
            assert!(by_id(id).is_some(), "{}: `{id}` is no check", case.name);
        }
    }
    let healthy = cases.iter().filter(|case| case.group == "_healthy").count();
    assert!(healthy >= 12, "{healthy} cases that work");
}
