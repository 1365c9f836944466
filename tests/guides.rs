//! The guides: each policy is read from its page, and lets in and keeps out the callers the page says.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aws_oidc_doctor::policy::{parse, parse_identity};
use aws_oidc_doctor::{Conclusion, Evidence, Severity, diagnose};
use serde_json::{Value, json};

/// A page's contents, by the words after its fences.
#[derive(Default)]
struct Guide {
    /// The trust policy and ARN of each role, by its name or that of a variant.
    roles: BTreeMap<String, (String, String)>,
    /// The permissions of a role.
    permissions: BTreeMap<String, String>,
    /// A role, a caller, and whether it gets in.
    asks: Vec<(String, String, bool)>,
}

fn guides() -> BTreeMap<String, Guide> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, read(&fs::read_to_string(path).unwrap()))
        })
        .collect()
}

fn read(page: &str) -> Guide {
    let mut guide = Guide::default();
    for block in page.split("\n```").skip(1).step_by(2) {
        let (info, text) = block.split_once('\n').unwrap();
        match info.split(' ').collect::<Vec<_>>().as_slice() {
            ["json", "trust-policy", role, account, variant @ ..] => {
                let (name, arn) = (
                    variant.first().unwrap_or(role),
                    format!("arn:aws:iam::{account}:role/{role}"),
                );
                let taken = guide.roles.insert((*name).to_owned(), (text.to_owned(), arn));
                assert!(taken.is_none(), "{name} has two trust policies");
            }
            ["json", "permissions", role] => {
                guide.permissions.insert((*role).to_owned(), text.to_owned());
            }
            ["text", list @ ("gets-in" | "stays-out"), role] => {
                let lines = text.lines().filter(|line| !line.is_empty());
                guide
                    .asks
                    .extend(lines.map(|line| ((*role).to_owned(), line.to_owned(), *list == "gets-in")));
            }
            ["yaml" | "hcl" | "shell"] => {}
            other => panic!("a fence that no test reads: {other:?}"),
        }
    }
    guide
}

/// The evidence of a role's caller: a subject or a session's ARN, and `key=value` for anything else.
fn evidence(guide: &Guide, role: &str, asks: &str) -> Value {
    let (policy, arn) = &guide.roles[role];
    let mut words = asks.split(' ');
    let who = words.next().unwrap();
    let more: BTreeMap<&str, &str> = words.map(|word| word.split_once('=').unwrap()).collect();
    let mut evidence = json!({
        "request": {
            "role-to-assume": arn, "aws-region": "eu-west-1", "role-session-name": more.get("session").unwrap_or(&""),
            "role-external-id": more.get("external-id").unwrap_or(&""), "role-skip-session-tagging": "",
        },
        "role": {"arn": arn, "trust_policy": policy},
    });
    let Some(parts) = who.strip_prefix("repo:") else {
        let fields: Vec<&str> = who.split([':', '/']).collect();
        evidence["request"]["role-chaining"] = json!("true");
        evidence["caller"] = json!({
            "account": fields[4], "arn": who, "source": "environment", "session_policies": [],
            "role": who.contains("assumed-role").then(|| format!("arn:aws:iam::{}:role/{}", fields[4], fields[6])),
            "permissions_boundary": {"missing": {"why": "not-found"}},
        });
        let own = guide.permissions.get(fields[6]).filter(|_| fields[4] == "123456789012");
        let policies: Vec<Value> = own
            .iter()
            .map(|policy| json!({"name": "own", "policy": policy}))
            .collect();
        evidence["caller"]["identity_policies"] = json!(policies);
        return evidence;
    };
    let (repository, context) = parts.split_once(':').unwrap();
    let (owner, name) = repository.split_once('/').unwrap();
    let id = |text: &str, known: [&str; 2]| match text.split_once('@') {
        Some((_, id)) => id.to_owned(),
        None if text == known[0] => known[1].to_owned(),
        None => "9999".to_owned(),
    };
    let bare = |text: &str| text.split('@').next().unwrap().to_owned();
    let mut claims = json!({
        "iss": "https://token.actions.githubusercontent.com",
        "aud": more.get("aud").unwrap_or(&"sts.amazonaws.com"),
        "sub": who,
        "repository": format!("{}/{}", bare(owner), bare(name)),
        "repository_id": more.get("repository_id").map_or_else(|| id(name, ["widgets", "5678"]), |id| (*id).to_owned()),
        "repository_owner": bare(owner),
        "repository_owner_id": id(owner, ["acme", "1234"]),
        "ref": context.strip_prefix("ref:").unwrap_or("refs/heads/main"),
    });
    if let Some(environment) = context.strip_prefix("environment:") {
        claims["environment"] = json!(environment);
    }
    evidence["token"] = json!({"claims": claims});
    evidence
}

#[test]
fn each_policy_of_a_guide_lets_in_and_keeps_out_who_the_guide_says() {
    let mut wrong = Vec::new();
    for (name, guide) in guides() {
        for (role, asks, gets_in) in &guide.asks {
            let evidence = evidence(&guide, role, asks);
            let diagnosis = diagnose(&Evidence::from_json(&evidence.to_string()).unwrap());
            let wanted = if *gets_in {
                Conclusion::Allowed
            } else {
                Conclusion::Denied
            };
            if diagnosis.conclusion != wanted {
                let found: Vec<_> = diagnosis
                    .findings
                    .iter()
                    .map(|finding| (finding.rule.id, &finding.message))
                    .collect();
                wrong.push(format!("{name}, {role}: {asks}: {:?} {found:?}", diagnosis.conclusion));
            }
            // Recommended policies carry no risk.
            let risks = diagnosis
                .findings
                .iter()
                .filter(|finding| finding.severity == Severity::Risk);
            wrong.extend(risks.map(|risk| format!("{name}, {role}: {}", risk.message)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_policy_of_a_guide_is_whole_and_asked_both_ways() {
    let all = guides();
    assert_eq!(all.len(), 3);
    for (name, guide) in all {
        for (role, (policy, arn)) in &guide.roles {
            let parsed = parse(policy).unwrap_or_else(|error| panic!("{name}, {role}: {error}"));
            assert!(
                parsed.duplicates.is_empty() && arn.starts_with("arn:aws:iam::"),
                "{name}, {role}"
            );
            // The most IAM accepts without a raised quota. (IAM User Guide, `reference_iam-quotas`.)
            assert!(
                policy.chars().filter(|c| !c.is_whitespace()).count() <= 2048,
                "{name}, {role}"
            );
            for gets_in in [true, false] {
                let asked = guide.asks.iter().any(|(of, _, is)| of == role && *is == gets_in);
                assert!(
                    asked,
                    "{name}: nobody shows that {role} lets in, or keeps out: {gets_in}"
                );
            }
            // Both forms of a subject, if there is one.
            let (by_name, by_id) = (policy.contains("repo:acme/"), policy.contains("repo:acme@1234/"));
            assert_eq!(by_name, by_id, "{name}, {role}");
        }
        for (role, policy) in &guide.permissions {
            parse_identity(policy).unwrap_or_else(|error| panic!("{name}, {role}: {error}"));
        }
    }
}
