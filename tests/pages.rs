//! Every check has a page; the page's example is run, and so is its corrected policy. The page shows the console's report on its
//! example, so that a change of wording shows up as one: `PAGES=update cargo test --test integration pages::` rewrites it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::{env, fs};

use aws_oidc_doctor::CHECKS;
use aws_oidc_doctor::Evidence;
use aws_oidc_doctor::diagnose;
use aws_oidc_doctor::report::console;
use aws_oidc_doctor::{Cause, Diagnosis};
use serde_json::{Map, Value, json};

/// A fenced block of a page: the words after the fence, and its text.
struct Block {
    info: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                open = Some(Block {
                    info: info.trim().to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    blocks
}

fn overlay(base: &mut Map<String, Value>, over: &Value) {
    for (key, value) in over.as_object().expect("an object") {
        if value.is_null() {
            base.remove(key);
        } else {
            base.insert(key.clone(), value.clone());
        }
    }
}

/// The evidence that a page's example describes; `fixed` uses the corrected policy instead.
fn evidence(page: &str, fixed: bool) -> Value {
    let mut evidence = json!({ "schema": 1, "request": {
        "role-to-assume": "arn:aws:iam::123456789012:role/deploy", "aws-region": "eu-west-1", "audience": "sts.amazonaws.com",
    }});
    let policy = if fixed {
        "json trust-policy fixed"
    } else {
        "json trust-policy"
    };
    for block in blocks(page) {
        let json =
            || serde_json::from_str::<Value>(&block.text).unwrap_or_else(|error| panic!("{}: {error}", block.info));
        match block.info.as_str() {
            "json claims" => {
                let mut claims = Map::from_iter([
                    ("iss".to_owned(), json!("https://token.actions.githubusercontent.com")),
                    ("aud".to_owned(), json!("sts.amazonaws.com")),
                ]);
                overlay(&mut claims, &json());
                evidence["token"] = json!({ "claims": claims });
            }
            info if info == policy => {
                evidence["role"]["trust_policy"] = json!(block.text);
                // The policy is the role's, unless the page says otherwise.
                let asked = evidence["request"]["role-to-assume"].clone();
                evidence["role"]
                    .as_object_mut()
                    .expect("an object")
                    .entry("arn")
                    .or_insert(asked);
            }
            "json request" => overlay(evidence["request"].as_object_mut().expect("an object"), &json()),
            "json role" => {
                for (key, value) in json().as_object().expect("an object") {
                    evidence["role"][key] = value.clone();
                }
            }
            "json attempt" => evidence["attempt"] = json(),
            "json caller" => evidence["caller"] = json(),
            "json clock" => evidence["clock"] = json(),
            "json environment" => evidence["environment"] = json(),
            "json provider" => evidence["provider"] = json(),
            "json providers" => evidence["providers"] = json(),
            "json reader" => evidence["reader"] = json(),
            "json runner" => evidence["runner"] = json(),
            "json token" => evidence["token"] = json(),
            "text error" => evidence["attempt"] = json!({ "outcome": "reported", "text": block.text.trim_end() }),
            "yaml workflow" => {
                evidence["workflow"] = json!({ "path": ".github/workflows/deploy.yml", "text": block.text })
            }
            _ => {}
        }
    }
    evidence
}

fn run(page: &str, fixed: bool) -> Diagnosis {
    diagnose(&Evidence::from_json(&evidence(page, fixed).to_string()).expect("the example is an evidence file"))
}

#[test]
fn every_example_shows_its_check() {
    let mut wrong = Vec::new();
    for check in CHECKS {
        let diagnosis = run(check.rule.page(), false);
        let found: Vec<&str> = diagnosis.findings.iter().map(|finding| finding.rule.id).collect();
        let blocking = diagnosis.cause().map(|cause| cause.rule.id);
        let first = diagnosis
            .findings
            .iter()
            .find(|finding| finding.rule.id == check.rule.id);
        let ok = match first {
            Some(finding) if finding.severity == aws_oidc_doctor::Severity::Blocks => blocking == Some(check.rule.id),
            Some(_) => blocking.is_none(),
            None => false,
        };
        if !ok {
            wrong.push(format!("{}: found {found:?}", check.rule.id));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        CHECKS.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_corrected_policy_mends_it() {
    let mut wrong = Vec::new();
    let mut mended = 0;
    for check in CHECKS {
        if !blocks(check.rule.page())
            .iter()
            .any(|block| block.info == "json trust-policy fixed")
        {
            continue;
        }
        mended += 1;
        let mut evidence = evidence(check.rule.page(), true);
        // AWS's answer was to the previous policy.
        evidence.as_object_mut().expect("an object").remove("attempt");
        let diagnosis = diagnose(&Evidence::from_json(&evidence.to_string()).expect("the example is an evidence file"));
        if diagnosis
            .findings
            .iter()
            .any(|finding| finding.rule.id == check.rule.id)
        {
            wrong.push(check.rule.id);
        }
    }
    assert!(wrong.is_empty(), "not mended: {wrong:?}");
    assert!(mended >= 20, "{mended} pages with a corrected policy");
}

/// Where a page's report begins and ends.
const REPORT: &str = "## What the doctor says\n```text report\n";
const AFTER_REPORT: &str = "## How to fix it\n";

/// The headline, the facts, the findings and their fixes, without trailing blanks. The wording of the stages and the eight causes
/// that follow is asserted by the cases.
fn first_part(page: &str) -> String {
    let printed = console::render(&run(page, false).into(), console::Style::default());
    let lines: Vec<&str> = printed
        .lines()
        .map(str::trim_end)
        .take_while(|line| !line.starts_with("the handshake"))
        .collect();
    assert!(
        lines.len() < printed.lines().count(),
        "the handshake follows the findings"
    );
    assert!(
        lines.iter().all(|line| !line.starts_with("```")),
        "no line ends the block"
    );
    format!("{}\n", lines.join("\n").trim_end())
}

#[test]
fn every_page_shows_what_is_said_of_its_example() {
    let update = env::var_os("PAGES").is_some_and(|wish| wish == "update");
    let mut stale = Vec::new();
    for check in CHECKS {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("docs/checks/{}.md", check.rule.id));
        let page = fs::read_to_string(&path).expect("the page");
        let (before, after) = page.split_once(AFTER_REPORT).expect("how to fix it");
        let before = before.split_once(REPORT).map_or(before, |(before, _)| before);
        let now = [before, REPORT, &first_part(&page), "```\n\n", AFTER_REPORT, after].concat();
        if now == page {
            continue;
        }
        if update {
            fs::write(&path, now).expect("the page is written");
            continue;
        }
        let diff = similar::TextDiff::from_lines(&page, &now);
        stale.push(format!("{}:\n{}", check.rule.id, diff.unified_diff().context_radius(1)));
    }
    assert!(
        stale.is_empty(),
        "{} pages show another report than their example gives. Is the new one right? Then `PAGES=update cargo test --test integration pages::` \
         writes it.\n{}",
        stale.len(),
        stale.join("\n")
    );
}

#[test]
fn pages_have_the_same_shape() {
    const HEADINGS: [&str; 6] = [
        "## What it looks like",
        "## Example",
        "## What the doctor says",
        "## How to fix it",
        "## When it is not this",
        "## Sources",
    ];
    for check in CHECKS {
        let page = check.rule.page();
        assert!(
            page.starts_with(&format!("# {}\n", check.rule.id)),
            "{}: its title",
            check.rule.id
        );
        let headings: Vec<&str> = page.lines().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(headings, HEADINGS, "{}", check.rule.id);
        let cause = match check.rule.cause {
            Some(cause) => format!("Cause {} of 8: {}.", cause.number(), cause.title()),
            None => "Beyond the eight causes.".to_owned(),
        };
        assert!(page.contains(&cause), "{}: `{cause}`", check.rule.id);
        assert!(
            page.contains(&format!("Stage: {}.", check.rule.stage.name())),
            "{}: its stage",
            check.rule.id
        );
        let sources = page.split("## Sources").nth(1).expect("a section");
        assert!(sources.contains("https://"), "{}: its sources", check.rule.id);
    }
}

#[test]
fn every_check_has_its_files() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for check in CHECKS {
        let file = root.join(format!("src/checks/{}.rs", check.rule.id.replace('-', "_")));
        assert!(file.is_file(), "{}", file.display());
        let case = root.join(format!("tests/cases/{}", check.rule.id));
        assert!(case.is_dir(), "{}: a case that must not fire", check.rule.id);
    }
    let pages = std::fs::read_dir(root.join("docs/checks")).expect("the pages").count();
    assert_eq!(pages, CHECKS.len(), "pages without a check");
    let files = std::fs::read_dir(root.join("src/checks")).expect("the checks").count();
    // `check.rs` is their shared code.
    assert_eq!(files, CHECKS.len() + 1, "files without a line in `CHECKS`");
}

#[test]
fn the_table_of_causes_names_every_check_once() {
    let table = include_str!("../docs/causes.md");
    for check in CHECKS {
        let link = format!("(checks/{}.md)", check.rule.id);
        assert_eq!(table.matches(&link).count(), 1, "{link}");
    }
    for cause in Cause::ALL {
        // The table's cells begin with a capital letter.
        assert!(table.contains(&cause.title()[1..]), "{}", cause.title());
    }
}

/// The names in brackets that a list at the end has to explain: `[name]`, but not `[text](address)` nor `[REDACTED]`.
fn references(text: &str) -> BTreeSet<&str> {
    let is_name = |name: &str| {
        let mut bytes = name.bytes();
        bytes.all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)) && name.bytes().any(|b| !b.is_ascii_uppercase())
    };
    let named = text.split('[').skip(1).filter_map(|rest| rest.split_once(']'));
    let bare = named.filter(|(name, after)| is_name(name) && !after.starts_with('('));
    bare.map(|(name, _)| name).collect()
}

/// Every source that a sentence refers to is in the list at the page's end, and nothing else is.
#[test]
fn every_reference_has_its_source() {
    let rules = include_str!("../docs/evaluation.md");
    let is_source = |line: &&str| line.starts_with('[') && line.contains("]: ");
    let (sources, sentences): (Vec<_>, Vec<_>) = rules.lines().partition(is_source);
    assert!(
        rules.ends_with(&format!("\n\n{}\n", sources.join("\n"))),
        "a source stands elsewhere"
    );
    let of_aws = |line: &&str| {
        line.split_once("]: ")
            .is_some_and(|(_, link)| link.starts_with("https://docs.aws.amazon.com/"))
    };
    assert!(sources.iter().all(of_aws), "a source is not AWS's");
    assert_eq!(references(&sentences.join("\n")), references(&sources.join("\n")));

    let (table, sources) = include_str!("../docs/causes.md")
        .split_once("\nSources:\n")
        .expect("sources");
    let numbers = |text| {
        references(text)
            .into_iter()
            .filter(|name| name.parse::<u8>().is_ok())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(numbers(table), numbers(sources));
    for source in sources.split("·") {
        assert!(source.contains("(https://"), "{source}");
    }
}

/// Whatever says something of AWS or GitHub says where that comes from.
#[test]
fn pages_beside_the_checks_name_their_sources() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut speaking = 0;
    for folder in ["docs/before-push", "docs/guides"] {
        for entry in fs::read_dir(root.join(folder)).expect("the pages") {
            let path = entry.expect("a page").path();
            let page = fs::read_to_string(&path).expect("a page");
            if !["AWS", "IAM", "STS", "GitHub"].iter().any(|name| page.contains(name)) {
                continue;
            }
            speaking += 1;
            let sources = page.split_once("\n## Sources\n").map_or("", |(_, sources)| sources);
            assert!(sources.contains("https://"), "{}", path.display());
        }
    }
    assert!(speaking >= 5, "{speaking}");
}
