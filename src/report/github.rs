//! What the runner reads: workflow commands, annotations and outputs, escaped as it unescapes them.
//! (actions/runner, `ActionCommand.cs` and `FileCommandManager.cs`; actions/toolkit, `command.ts` and `file-command.ts`.)

use super::console::{Style, sections};
use super::{Pages, Report, capital, clean, cut, headline, is_file, json};
use crate::evidence::Runs;
use crate::finding::{Diagnosis, Severity};

/// The runner cuts an annotation's message at 4096 characters; this leaves room for escapes.
const MOST_MESSAGE: usize = 1300;
/// The runner shows ten annotations of each kind per step.
const MOST_ANNOTATIONS: usize = 10;
/// The most bytes of the report in the outputs: a job's outputs can total 1 MB, counted in UTF-16.
/// (GitHub docs, "Workflow syntax", `jobs.<job_id>.outputs`.)
const MOST_REPORT: usize = 400 * 1024;
/// The same for the evidence, which is never cut: half of it would describe another run.
const MOST_EVIDENCE: usize = 256 * 1024;
/// The most bytes of the subject in the outputs.
const MOST_SUBJECT: usize = 64 * 1024;

/// Escapes the data of a workflow command.
#[must_use]
pub fn escape_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property of a workflow command.
#[must_use]
pub fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Returns the command that masks a secret in everything logged from then on.
#[must_use]
pub fn mask(secret: &str) -> String {
    format!("::add-mask::{}\n", escape_data(secret))
}

/// Wraps a report in `stop-commands`, so that nothing in it is read as a command. `token` must not be guessable.
#[must_use]
pub fn guarded(text: &str, token: &str) -> String {
    let text = text.replace("##[", "# #[");
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("::stop-commands::{token}\n{text}{end}::{token}::\n")
}

/// Renders the report for a step's log: the answer, then the evidence in groups. `random` makes the guards' tokens.
pub fn log(report: &Report, style: Style, random: impl Fn() -> String) -> String {
    let sections = sections(report, style);
    let guarded = |text: &str| guarded(text, &random());
    sections
        .iter()
        .map(|section| match &section.title {
            Some(title) => grouped(&capital(title), &guarded(&section.text)),
            None => guarded(&section.text),
        })
        .collect()
}

/// A group of lines, which a log shows folded.
fn grouped(title: &str, lines: &str) -> String {
    format!("::group::{}\n{lines}::endgroup::\n", escape_data(title))
}

/// Renders one annotation per finding, at its place in a file if it has one: the policy's, if given as a file, or the workflow's.
#[must_use]
pub fn annotations(report: &Report) -> String {
    let mut counts = [0; 3];
    report
        .diagnoses()
        .map(|diagnosis| of_run(diagnosis, &report.pages, &mut counts))
        .collect()
}

fn of_run(diagnosis: &Diagnosis, pages: &Pages, counts: &mut [usize; 3]) -> String {
    let mut out = String::new();
    for finding in &diagnosis.findings {
        let (command, count) = match finding.severity {
            Severity::Blocks => ("error", 0),
            Severity::Risk => ("warning", 1),
            Severity::Note => ("notice", 2),
        };
        if let Some(count) = counts.get_mut(count) {
            *count += 1;
            if *count > MOST_ANNOTATIONS {
                continue;
            }
        }
        let mut properties = vec![format!(
            "title={}",
            escape_property(&format!("aws-oidc-doctor: {}", finding.rule.id))
        )];
        // GitHub can't find a name in the repository that has to be shown differently.
        let place = finding.labels.iter().find_map(|label| {
            let source = diagnosis.document(label.document)?;
            (is_file(label.document, source) && clean(&source.name) == source.name).then_some((label, source))
        });
        if let Some((label, source)) = place {
            let start = source.position(label.location.span.start);
            properties.push(format!("file={}", escape_property(&source.name)));
            properties.push(format!("line={}", start.line));
            let end = source.position(label.location.span.end);
            if end.line == start.line {
                properties.push(format!("col={}", start.column));
                properties.push(format!("endColumn={}", end.column));
            }
        }
        let mut message = clean(&finding.message);
        for help in finding
            .help
            .iter()
            .chain(finding.fixes.first().map(|fix| &fix.title))
            .take(1)
        {
            message.push_str("\nhelp: ");
            message.push_str(&clean(help));
        }
        let page = pages.url(finding.rule).map(|page| format!("\nwhy: {page}"));
        let mut message = cut(&message, MOST_MESSAGE);
        message.push_str(&page.unwrap_or_default());
        out.push_str(&format!(
            "::{command} {}::{}\n",
            properties.join(","),
            escape_data(&message)
        ));
    }
    if diagnosis.findings.is_empty() && diagnosis.exit_code() != 0 {
        out.push_str(&annotation("error", &headline(diagnosis)));
    }
    out
}

/// Renders an annotation without a place: `command` is `error`, `warning` or `notice`.
#[must_use]
pub fn annotation(command: &str, text: &str) -> String {
    let message = escape_data(&cut(&clean(text), MOST_MESSAGE));
    format!("::{command} title=aws-oidc-doctor::{message}\n")
}

/// Renders the step's outputs.
#[must_use]
pub fn outputs(report: &Report) -> Vec<(&'static str, String)> {
    let diagnosis = &report.deciding().diagnosis;
    let cause = diagnosis.cause();
    vec![
        ("verdict", diagnosis.conclusion.name().to_owned()),
        ("cause", cause.map(|cause| cause.rule.id.to_owned()).unwrap_or_default()),
        (
            "cause-number",
            cause
                .and_then(|cause| cause.cause())
                .map(|cause| cause.number().to_string())
                .unwrap_or_default(),
        ),
        ("report", json::line_within(report, MOST_REPORT)),
        // Half a subject would be a different one.
        (
            "subject",
            diagnosis
                .subject
                .clone()
                .filter(|subject| subject.len() <= MOST_SUBJECT)
                .unwrap_or_default(),
        ),
    ]
}

/// Renders everything collected as the step's output `evidence`: one line, which can be diagnosed again elsewhere.
///
/// # Errors
/// A message if it is too large for an output.
pub fn evidence(runs: &Runs) -> Result<String, String> {
    let line = serde_json::to_value(runs)
        .map(|runs| json::escaped(&runs.to_string()))
        .unwrap_or_default();
    if line.len() <= MOST_EVIDENCE {
        return Ok(line);
    }
    Err(format!(
        "the output `evidence` is left empty: it would have {} KiB, and {} KiB are the most; save it to a file with the input \
         `save-evidence`",
        line.len() >> 10,
        MOST_EVIDENCE >> 10
    ))
}

/// Renders an entry of the file that `GITHUB_OUTPUT` names. `delimiter` must not be guessable; an entry whose value contains it
/// anyway is left out.
#[must_use]
pub fn output_entry(name: &str, value: &str, delimiter: &str) -> String {
    if value.contains(delimiter) {
        return String::new();
    }
    format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unescape(text: &str) -> String {
        text.replace("%3A", ":")
            .replace("%2C", ",")
            .replace("%0D", "\r")
            .replace("%0A", "\n")
            .replace("%25", "%")
    }

    proptest::proptest! {
        #[test]
        fn escapes_come_back_and_stay_on_one_line(text in ".*") {
            for escaped in [escape_data(&text), escape_property(&text)] {
                proptest::prop_assert_eq!(unescape(&escaped), text.clone());
                proptest::prop_assert!(!escaped.contains(['\r', '\n']));
            }
            proptest::prop_assert!(!escape_property(&text).contains([':', ',']));
        }

        #[test]
        fn no_command_between_the_guards(text in "(::warning::x|##\\[error\\]|\n|a)*") {
            let guarded = guarded(&text, "0123456789abcdef");
            let lines: Vec<&str> = guarded.lines().collect();
            proptest::prop_assert_eq!(lines.first().copied(), Some("::stop-commands::0123456789abcdef"));
            proptest::prop_assert_eq!(lines.last().copied(), Some("::0123456789abcdef::"));
            proptest::prop_assert!(!guarded.contains("##["));
        }
    }

    #[test]
    fn an_output_cannot_end_itself() {
        assert_eq!(output_entry("a", "x\ny", "D"), "a<<D\nx\ny\nD\n");
        assert_eq!(output_entry("a", "x\nD\nevil<<E", "D"), "");
    }
}
