//! A prediction as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::json::escaped;
use super::{MOST_NAME, clean, cut};
use crate::predict::{Family, Form, Grant, JobTokens, Prediction, Repository};

/// The most rows shown of a job; the JSON has all.
const MOST_ROWS: usize = 60;

/// Renders a prediction for a terminal or a log.
#[must_use]
pub fn render(prediction: &Prediction, repository: &Repository) -> String {
    let mut out = String::new();
    for job in &prediction.jobs {
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(out, "job {}  {}:{}", clean(&job.name), clean(&job.file), job.line);
        if !job.families.is_empty() && job.families.iter().all(|family| family.is_elsewhere) {
            let _ = writeln!(out, "  {ELSEWHERE}");
            continue;
        }
        if job.grant != Grant::Missing {
            table(&mut out, job, repository);
        }
        for note in notes(job) {
            let _ = writeln!(out, "  note: {}", clean(&note));
        }
    }
    if prediction.jobs.is_empty() {
        let _ = writeln!(
            out,
            "no job asks for an ID token: none of {} has `id-token: write` or configures AWS credentials",
            files(prediction.files)
        );
    } else {
        out.push_str(&footer(repository));
    }
    out
}

const ELSEWHERE: &str = "called by a workflow of another repository, its token has that repository's subject; `job_workflow_ref` names this file";

/// Renders a prediction as JSON.
#[must_use]
pub fn json(prediction: &Prediction, repository: &Repository) -> String {
    let problems = prediction.problems.iter().map(|problem| {
        json!({ "file": problem.file, "line": problem.line, "column": problem.column, "message": problem.message })
    });
    let value = json!({
        "schema": 1,
        "repository": repository.name,
        "issuer": repository.issuer,
        "jobs": prediction.jobs.iter().map(job).collect::<Vec<_>>(),
        "problems": problems.collect::<Vec<_>>(),
    });
    escaped(&format!("{value:#}\n"))
}

fn files(count: usize) -> String {
    match count {
        1 => "the file".to_owned(),
        count => format!("the {count} files"),
    }
}

/// One row per subject: the events, the subject and why. No line begins with untrusted text, which a runner could take for a
/// command.
fn table(out: &mut String, job: &JobTokens, repository: &Repository) {
    let mut rows: Vec<(Vec<&str>, String, String)> = Vec::new();
    for family in job.families.iter().filter(|family| !family.is_odd) {
        let because = because(job, family);
        for subject in shown(family, repository) {
            let same = rows
                .iter_mut()
                .find(|(_, other, why)| *other == subject && *why == because);
            match same {
                Some((events, ..)) if events.contains(&family.event.as_str()) => {}
                Some((events, ..)) => events.push(&family.event),
                None => rows.push((vec![&family.event], subject, because.clone())),
            }
        }
    }
    let left_out = rows.len().saturating_sub(MOST_ROWS);
    let rows: Vec<[String; 3]> = rows
        .into_iter()
        .take(MOST_ROWS)
        .map(|(events, subject, because)| {
            [format!("on {}", events.join(", ")), subject, because].map(|cell| cut(&clean(&cell), MOST_NAME))
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    let titles = ["event", "subject", "because"].map(str::to_owned);
    let rows: Vec<[String; 3]> = [titles].into_iter().chain(rows).collect();
    let width = |column: fn(&[String; 3]) -> &String| rows.iter().map(|row| column(row).chars().count()).max();
    let (first, second) = (width(|[on, ..]| on), width(|[_, subject, _]| subject));
    let (first, second) = (first.unwrap_or_default(), second.unwrap_or_default());
    for [on, subject, because] in &rows {
        let _ = writeln!(out, "  {on:<first$}  {subject:<second$}  {because}");
    }
    if left_out > 0 {
        let _ = writeln!(out, "  … and {left_out} more; `--format json` has all");
    }
}

/// The subjects; only the classic form if both are possible, as the footer has the other.
fn shown(family: &Family, repository: &Repository) -> Vec<String> {
    let patterns = family.patterns();
    let classic: Vec<String> = patterns
        .iter()
        .filter(|pattern| !pattern.contains('@'))
        .cloned()
        .collect();
    match repository.form {
        Form::Either if !classic.is_empty() => classic,
        _ => patterns,
    }
}

/// The open names, and the last places that decide.
fn because(job: &JobTokens, family: &Family) -> String {
    let mut words: Vec<String> = family
        .words()
        .into_iter()
        .filter(|words| !words.starts_with("with"))
        .map(str::to_owned)
        .collect();
    words.extend(family.why.iter().skip(1).map(|why| {
        let place = match why.file == job.file {
            true => format!("line {}", why.line),
            false => format!("{}:{}", why.file, why.line),
        };
        format!("{}, {place}", why.what)
    }));
    if words.is_empty() {
        words.extend(family.why.iter().map(|why| format!("{}, line {}", why.what, why.line)));
    }
    words.join("; ")
}

/// The notes that apply to all rows of a job.
fn notes(job: &JobTokens) -> Vec<String> {
    if job.grant == Grant::Missing {
        return job
            .notes
            .iter()
            .filter(|note| note.contains("id-token"))
            .cloned()
            .collect();
    }
    let mut notes = job.notes.clone();
    let mut add = |note: String| {
        if !notes.contains(&note) {
            notes.push(note);
        }
    };
    for family in &job.families {
        if family.is_odd {
            add(
                "`==` ignores the case of letters, so the same name in other letter case passes `if` as well"
                    .to_owned(),
            );
        }
        family.widened.iter().cloned().for_each(&mut add);
    }
    if job.grant == Grant::Unknown {
        add("whether it is allowed to request a token is up to its caller or an expression".to_owned());
    }
    notes
}

fn footer(repository: &Repository) -> String {
    let Some(name) = &repository.name else {
        return "\nthe repository's name is not known; `--repository owner/name` gives it\n".to_owned();
    };
    let Some((owner, repo)) = name.split_once('/').filter(|_| repository.form == Form::Either) else {
        return String::new();
    };
    let id = |id: &Option<String>| id.clone().unwrap_or_else(|| "ID".to_owned());
    let with = format!(
        "repo:{owner}@{}/{repo}@{}:",
        id(&repository.owner_id),
        id(&repository.id)
    );
    format!(
        "\nwith immutable subjects (repositories created, renamed or transferred since 15 July 2026, and those that chose so), `{}` stands in place of \
         `repo:{}:`\n",
        clean(&with),
        clean(name)
    )
}

fn job(job: &JobTokens) -> Value {
    json!({
        "file": job.file,
        "line": job.line,
        "job": job.name,
        "id_token": match job.grant {
            Grant::Given => "given",
            Grant::Missing => "missing",
            Grant::Unknown => "unknown",
        },
        "tokens": job.families.iter().filter(|_| job.grant != Grant::Missing).map(tokens).collect::<Vec<_>>(),
        "notes": notes(job),
    })
}

fn tokens(family: &Family) -> Value {
    let claims: BTreeMap<&str, Vec<String>> = family.claim_patterns().collect();
    json!({
        "event": family.event,
        "subjects": family.patterns(),
        "exact": family.listed().is_some(),
        "claims": claims,
        "why": family.why.iter().map(|why| json!({ "file": why.file, "line": why.line, "what": why.what })).collect::<Vec<_>>(),
        "wider_than_known": family.widened,
        "elsewhere": family.is_elsewhere,
        "other_letter_case": family.is_odd,
    })
}
