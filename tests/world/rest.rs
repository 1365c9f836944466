//! GitHub's REST API's answers about the repository that the job runs in.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::GITHUB_TOKEN;
use super::scenario::COMMIT;
use super::server::{Call, Fault, Request, Response, State};

const CALLS: [Call; 4] = [
    Call::Contents,
    Call::Repository,
    Call::SubjectTemplate,
    Call::Environment,
];

/// What can be read.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rest {
    /// Whether the job's token may read the repository's files (`contents: read`).
    pub contents: bool,
    /// Whether it may read environments and the subject's template (`actions: read`).
    pub actions: bool,
    /// The workflow file in the running commit; by default the one checked out.
    pub workflow: Option<Vec<String>>,
    /// Whether it returns the texts of files, not only their IDs.
    pub texts: bool,
    /// Further files of that commit.
    pub files: BTreeMap<String, Vec<String>>,
    /// What `GET /repos/acme/widgets` says besides the usual.
    pub repository: Map<String, Value>,
    /// What `GET …/actions/oidc/customization/sub` says.
    pub subject_template: Value,
    /// The environments.
    pub environments: BTreeMap<String, Map<String, Value>>,
    /// The fault of every call.
    pub fault: Option<Named>,
}

/// A fault, as a scenario names it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Named {
    Huge,
    Page,
    Redirect,
    Slow,
    Status(u16),
}

impl Default for Rest {
    fn default() -> Self {
        Self {
            contents: true,
            actions: true,
            workflow: None,
            texts: true,
            files: BTreeMap::new(),
            repository: Map::new(),
            subject_template: json!({"use_default": true, "use_immutable_subject": false, "sub_claim_prefix": "repo:acme/widgets"}),
            environments: BTreeMap::new(),
            fault: None,
        }
    }
}

impl Rest {
    /// The faults of its calls.
    pub fn faults(&self) -> Vec<(Call, Fault, usize)> {
        let fault = self.fault.map(|fault| match fault {
            Named::Huge => Fault::Endless,
            Named::Page => Fault::ProxyPage,
            Named::Redirect => Fault::Redirect,
            Named::Slow => Fault::Hang,
            Named::Status(status) => Fault::Status(status),
        });
        let each = |call| fault.map(|fault| (call, fault, usize::MAX));
        CALLS.into_iter().filter_map(each).collect()
    }
}

/// The segments of a path; an enterprise server has `/api/v3` before them.
fn segments(target: &str) -> Vec<String> {
    let path = target.split('?').next().unwrap().trim_start_matches("/api/v3");
    let decoded = |part: &str| {
        percent_encoding::percent_decode_str(part)
            .decode_utf8_lossy()
            .into_owned()
    };
    path.trim_start_matches('/').split('/').map(decoded).collect()
}

pub fn recognise(target: &str) -> Call {
    let segments = segments(target);
    match &*segments.iter().map(String::as_str).collect::<Vec<_>>() {
        ["repos", _, _] => Call::Repository,
        ["repos", _, _, "contents", ..] => Call::Contents,
        ["repos", _, _, "actions", "oidc", "customization", "sub"] => Call::SubjectTemplate,
        ["repos", _, _, "environments", _] => Call::Environment,
        _ => Call::Other,
    }
}

pub fn answer(request: &Request, state: &State) -> Response {
    if request.headers.get("authorization") != Some(&format!("Bearer {GITHUB_TOKEN}")) {
        return refusal(401);
    }
    let scenario = &state.scenario;
    let rest = &scenario.rest;
    let segments = segments(&request.target);
    if segments[1..3] != ["acme", "widgets"] {
        return refusal(404);
    }
    match request.call {
        // GitHub doesn't reveal that something exists which a token isn't allowed to see.
        Call::Contents if !rest.contents => refusal(404),
        Call::Environment | Call::SubjectTemplate if !rest.actions => refusal(403),
        Call::Contents => {
            let path = segments[4..].join("/");
            let running = rest.workflow.as_ref().or(scenario.workflow.as_ref());
            let is_workflow = path == scenario.workflow_path();
            let further = || rest.files.get(&path).or_else(|| scenario.files.get(&path));
            let lines = running.filter(|_| is_workflow).or_else(further);
            match lines.filter(|_| request.form.get("ref").is_some_and(|commit| commit == COMMIT)) {
                Some(lines) => found(content(&path, &(lines.join("\n") + "\n"), rest.texts)),
                None => refusal(404),
            }
        }
        Call::Repository => {
            let mut repository = json!({
                "id": 456789, "name": "widgets", "full_name": "acme/widgets", "private": true, "visibility": "private",
                "owner": {"login": "acme", "id": 123456, "type": "Organization"}, "created_at": "2024-05-06T07:08:09Z",
                "default_branch": "main",
            });
            repository.as_object_mut().unwrap().extend(rest.repository.clone());
            found(repository)
        }
        Call::SubjectTemplate => found(rest.subject_template.clone()),
        // An environment that a job names exists; usually it is protected.
        Call::Environment => {
            let reviewers = json!([{"id": 1, "type": "required_reviewers", "reviewers": [{"type": "User"}]}]);
            let mut whole =
                json!({"id": 1, "name": segments[4], "protection_rules": reviewers, "deployment_branch_policy": null});
            let own = rest.environments.get(&segments[4]).cloned().unwrap_or_default();
            whole.as_object_mut().unwrap().extend(own);
            found(whole)
        }
        _ => refusal(404),
    }
}

/// A file as "Get repository content" returns it; a large one without its text.
fn content(path: &str, text: &str, whole: bool) -> Value {
    let packed = STANDARD.encode(text);
    let lines: Vec<&str> = packed
        .as_bytes()
        .chunks(60)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    json!({
        "type": "file", "encoding": if whole { "base64" } else { "none" }, "size": text.len(), "name": path.rsplit('/').next(),
        "path": path, "content": if whole { lines.join("\n") + "\n" } else { String::new() }, "sha": id(text),
    })
}

/// The ID, as from `git hash-object`.
fn id(text: &str) -> String {
    let blob = format!("blob {}\0{text}", text.len());
    let id = digest(&SHA1_FOR_LEGACY_USE_ONLY, blob.as_bytes());
    id.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A refusal in GitHub's words.
pub fn refusal(status: u16) -> Response {
    let message = match status {
        401 => "Bad credentials",
        403 => "Resource not accessible by integration",
        404 => "Not Found",
        429 => "API rate limit exceeded for installation.",
        _ => "Server Error",
    };
    let headers = match status {
        429 => vec![
            ("x-ratelimit-remaining", "0".to_owned()),
            ("x-ratelimit-reset", "1790001000".to_owned()),
        ],
        _ => Vec::new(),
    };
    Response {
        status,
        content_type: "application/json; charset=utf-8",
        body: json!({"message": message, "status": status.to_string()}).to_string(),
        headers,
    }
}

fn found(body: Value) -> Response {
    Response {
        status: 200,
        content_type: "application/json; charset=utf-8",
        body: body.to_string(),
        headers: Vec::new(),
    }
}
