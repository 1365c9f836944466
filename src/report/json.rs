//! The report as JSON, `"schema": 1`. Other tools rely on it, so fields are added and never changed.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Report, Run, cut};
use crate::finding::{Cause, Diagnosis, Fix, Found, Label};
use crate::policy::Decision;
use crate::text::unseen::is_unseen;

/// Returns it formatted for reading.
#[must_use]
pub fn render(report: &Report) -> String {
    escaped(&format!("{:#}\n", value(report)))
}

/// Returns it on one line, for a step's output.
#[must_use]
pub fn line(report: &Report) -> String {
    escaped(&value(report).to_string())
}

/// Returns [`line()`] in at most this many bytes. `left_out` says what was dropped for that: first all of `runs` but their
/// outcomes, then the texts of the fixes, then the ends of long texts and lists.
#[must_use]
pub fn line_within(whole: &Report, most: usize) -> String {
    let text = line(whole);
    if text.len() <= most {
        return text;
    }
    let mut report = value(whole);
    for name in ["runs", "chain"] {
        for run in list(&mut report, name) {
            if let Some(fields) = run.as_object_mut() {
                fields.retain(|name, _| {
                    [
                        "schema",
                        "verdict",
                        "cause",
                        "flow",
                        "flow_reason",
                        "role",
                        "role_source",
                    ]
                    .contains(&&**name)
                });
            }
        }
    }
    set(&mut report, "left_out", json!("the details of `runs`"));
    let text = escaped(&report.to_string());
    if text.len() <= most {
        return text;
    }
    for fix in list(&mut report, "findings")
        .iter_mut()
        .flat_map(|finding| list(finding, "fixes"))
    {
        for name in ["text", "diff", "terraform", "cloudformation"] {
            set(fix, name, json!(""));
        }
        set(fix, "patch", json!([]));
    }
    set(
        &mut report,
        "left_out",
        json!("the texts of the fixes, and the details of `runs`"),
    );
    for (texts, entries) in [(usize::MAX, usize::MAX), (MOST_TEXT, 50), (MOST_TEXT / 10, 10)] {
        shorten(&mut report, texts, entries);
        if texts < usize::MAX {
            set(
                &mut report,
                "left_out",
                json!("the texts of the fixes, the details of `runs`, and the ends of long texts and lists"),
            );
        }
        let text = escaped(&report.to_string());
        if text.len() <= most {
            return text;
        }
    }
    let verdict = whole.deciding().diagnosis.conclusion.name();
    json!({ "schema": 1, "verdict": verdict, "left_out": "everything else: it is too large" }).to_string()
}

/// The most characters of a text in a report that would otherwise be too large.
const MOST_TEXT: usize = 2000;

fn list<'a>(value: &'a mut Value, name: &str) -> &'a mut [Value] {
    let list = value.get_mut(name).and_then(Value::as_array_mut);
    list.map_or(&mut [], Vec::as_mut_slice)
}

fn set(value: &mut Value, name: &str, new: Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.insert(name.to_owned(), new);
    }
}

fn shorten(value: &mut Value, texts: usize, entries: usize) {
    match value {
        Value::String(text) => *text = cut(text, texts),
        Value::Array(list) => {
            list.truncate(entries);
            list.iter_mut().for_each(|value| shorten(value, texts, entries));
        }
        Value::Object(fields) => fields.values_mut().for_each(|value| shorten(value, texts, entries)),
        _ => {}
    }
}

/// Writes invisible characters as JSON escapes, which leaves the values as they are.
#[must_use]
pub fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // A line break is the layout's; one in a text is escaped already.
        if c != '\n' && is_unseen(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// The run that decides, and all runs.
fn value(report: &Report) -> Value {
    let deciding = report.deciding();
    let json = ReportJson {
        deciding: run(deciding),
        chain: deciding.chain.iter().map(run).collect(),
        runs: report.runs().map(run).collect(),
        left_out: None,
    };
    serde_json::to_value(json).unwrap_or_default()
}

/// The report of one run of the program.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "Report of aws-oidc-doctor"))]
struct ReportJson<'a> {
    #[serde(flatten)]
    deciding: RunJson<'a>,
    /// A diagnosis for each hop of the deciding run, if it is a chain of roles.
    chain: Vec<RunJson<'a>>,
    /// All runs, in order: usually one, more if a job requests several roles.
    runs: Vec<RunJson<'a>>,
    /// What was left out to keep the report small.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<String>,
}

/// One diagnosis. In the report, the one that decides.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Run"))]
struct RunJson<'a> {
    /// The version of this format: 1.
    schema: u32,
    /// Whether the step ends with its credentials.
    #[cfg_attr(test, schemars(extend("enum" = ["allowed", "denied", "undecided"])))]
    verdict: &'a str,
    /// The flow that the step uses.
    #[cfg_attr(test, schemars(extend("enum" = ["oidc", "chaining", "keys", "token-file", "ambient", "existing", "none"])))]
    flow: &'a str,
    /// The same in a sentence: what the step does for its credentials, and which input or variable makes it do so.
    flow_reason: &'a str,
    /// The requested role, as written.
    role: Option<&'a str>,
    /// Where the inputs were read if no input gave them.
    role_source: Option<&'a str>,
    /// What blocks; null if nothing does.
    cause: Option<BlockingJson<'a>>,
    /// The eight causes, in order.
    causes: Vec<CauseJson<'a>>,
    /// The stages of the handshake, in order.
    stages: Vec<StageJson<'a>>,
    /// What was found: what blocks first, certain before likely.
    findings: Vec<FindingJson<'a>>,
    /// What is not known.
    gaps: Vec<GapJson<'a>>,
    /// Notes on the whole.
    notes: &'a [String],
    /// What the trust policy alone decides; null without a policy.
    trust_policy: Option<DecisionJson>,
    /// The token's subject.
    subject: Option<&'a str>,
    /// What the token says by itself, and the policies that would let it in.
    token: Option<Value>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Blocking"))]
struct BlockingJson<'a> {
    /// The check.
    id: &'a str,
    /// Its number among the eight causes, if it is one of them.
    number: Option<u8>,
    /// What is wrong, in a line.
    title: &'a str,
    /// How sure it is.
    #[cfg_attr(test, schemars(extend("enum" = ["certain", "likely", "possible"])))]
    certainty: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Cause"))]
struct CauseJson<'a> {
    /// 1 to 8.
    number: u8,
    /// Its name.
    title: &'a str,
    /// Its status.
    #[cfg_attr(test, schemars(extend("enum" = ["applies", "ruled-out", "undecided"])))]
    status: &'a str,
    /// Why.
    because: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Stage"))]
struct StageJson<'a> {
    /// Its name.
    name: &'a str,
    /// How it went.
    #[cfg_attr(test, schemars(extend("enum" = ["passed", "failed", "undecided", "not-reached"])))]
    status: &'a str,
    /// What shows it.
    detail: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Finding"))]
struct FindingJson<'a> {
    /// The check.
    id: &'a str,
    /// Its number among the eight causes, if it is one of them.
    number: Option<u8>,
    /// What it does to the job.
    #[cfg_attr(test, schemars(extend("enum" = ["blocks", "risk", "note"])))]
    severity: &'a str,
    /// How sure it is.
    #[cfg_attr(test, schemars(extend("enum" = ["certain", "likely", "possible"])))]
    certainty: &'a str,
    /// The stage of the handshake, or `risk`.
    stage: &'a str,
    /// What is wrong, in a line.
    message: &'a str,
    /// Where; the first is the place itself.
    labels: Vec<LabelJson<'a>>,
    /// Facts.
    notes: &'a [String],
    /// What to do, in addition to the fixes.
    help: &'a [String],
    /// Changes, each sufficient on its own.
    fixes: Vec<FixJson<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Label"))]
struct LabelJson<'a> {
    /// Which document.
    #[cfg_attr(test, schemars(extend("enum" = ["trust-policy", "caller-policy", "workflow", "claims"])))]
    document: &'a str,
    /// JSON Pointer of the value.
    pointer: &'a str,
    /// From 1.
    line: Option<usize>,
    /// From 1.
    column: Option<usize>,
    /// What is wrong there.
    text: &'a str,
    /// What is written there.
    source: Option<&'a str>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Fix"))]
struct FixJson<'a> {
    /// What it does.
    title: &'a str,
    /// What it changes.
    #[cfg_attr(test, schemars(extend("enum" = ["provider", "trust-policy", "caller-policy", "workflow"])))]
    target: &'a str,
    /// JSON Patch (RFC 6902), for a trust policy.
    patch: &'a [Value],
    /// The whole changed trust policy, or the lines of the workflow to write.
    text: &'a str,
    /// The change as a unified diff.
    diff: &'a str,
    /// The commands that make the change, one per line.
    command: &'a str,
    /// As Terraform.
    terraform: &'a str,
    /// As CloudFormation.
    cloudformation: &'a str,
    /// What to know about it.
    notes: Vec<&'a str>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Gap"))]
struct GapJson<'a> {
    /// What was wanted.
    wanted: &'a str,
    /// Why it is missing.
    why: &'a str,
    /// How to supply it.
    supply: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Decision"))]
struct DecisionJson {
    /// For this job's request.
    #[cfg_attr(test, schemars(extend("enum" = ["allow", "deny", "undecided"])))]
    decision: &'static str,
}

fn run(run: &Run) -> RunJson<'_> {
    let diagnosis = &run.diagnosis;
    RunJson {
        schema: 1,
        verdict: diagnosis.conclusion.name(),
        flow: diagnosis.flow.name(),
        flow_reason: &diagnosis.way,
        role: run.role.as_deref(),
        role_source: run.source.as_deref(),
        cause: diagnosis.cause().map(|cause| BlockingJson {
            id: cause.rule.id,
            number: cause.cause().map(Cause::number),
            title: &cause.message,
            certainty: cause.certainty().name(),
        }),
        causes: diagnosis
            .causes
            .iter()
            .map(|row| CauseJson {
                number: row.cause.number(),
                title: row.cause.title(),
                status: row.status.name(),
                because: &row.because,
            })
            .collect(),
        stages: diagnosis
            .stages
            .iter()
            .map(|row| StageJson {
                name: row.stage.name(),
                status: row.status.name(),
                detail: &row.detail,
            })
            .collect(),
        findings: diagnosis
            .findings
            .iter()
            .map(|found| finding(diagnosis, found))
            .collect(),
        gaps: diagnosis
            .gaps
            .iter()
            .map(|gap| GapJson {
                wanted: &gap.wanted,
                why: &gap.why,
                supply: &gap.supply,
            })
            .collect(),
        notes: &diagnosis.notes,
        trust_policy: diagnosis.decision.map(|decision| DecisionJson {
            decision: match decision {
                Decision::Allow => "allow",
                Decision::ExplicitDeny | Decision::ImplicitDeny => "deny",
                Decision::Undecided => "undecided",
            },
        }),
        subject: diagnosis.subject.as_deref(),
        token: diagnosis.told.as_ref().map(super::claims::value),
    }
}

fn finding<'a>(diagnosis: &'a Diagnosis, finding: &'a Found) -> FindingJson<'a> {
    FindingJson {
        id: finding.rule.id,
        number: finding.cause().map(Cause::number),
        severity: finding.severity.name(),
        certainty: finding.certainty().name(),
        stage: finding.rule.stage.name(),
        message: &finding.message,
        labels: finding
            .labels
            .iter()
            .map(|label| self::label(diagnosis, label))
            .collect(),
        notes: &finding.notes,
        help: &finding.help,
        fixes: finding.fixes.iter().map(fix).collect(),
    }
}

fn label<'a>(diagnosis: &'a Diagnosis, label: &'a Label) -> LabelJson<'a> {
    let source = diagnosis.document(label.document);
    let position = source.map(|source| source.position(label.location.span.start));
    LabelJson {
        document: label.document.name(),
        pointer: &label.location.pointer,
        line: position.map(|position| position.line),
        column: position.map(|position| position.column),
        text: &label.text,
        source: source.map(|source| source.slice(label.location.span)),
    }
}

fn fix(fix: &Fix) -> FixJson<'_> {
    FixJson {
        title: &fix.title,
        target: fix.target.name(),
        patch: &fix.patch,
        text: &fix.text,
        diff: &fix.diff,
        command: &fix.command,
        terraform: &fix.terraform,
        cloudformation: &fix.cloudformation,
        notes: fix.notes.iter().chain(&fix.proof).map(String::as_str).collect(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The JSON Schema of the report.
    pub(crate) fn schema() -> Value {
        schemars::schema_for!(ReportJson<'_>).to_value()
    }
}
