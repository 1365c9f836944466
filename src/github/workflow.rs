//! The few keys of a workflow file that matter here, with positions: `permissions`, `environment`, `uses`, and the
//! steps that configure AWS credentials.
//!
//! People also paste parts of a file: a list of steps, one job, a `permissions` block. Those are read too.

pub(crate) mod steps;

/// Why a text isn't a workflow, and where.
pub(crate) use crate::text::yaml::Fault as WorkflowError;
use crate::text::yaml::{self, Limits};
pub(crate) use crate::text::yaml::{Kind, Node};
use crate::text::{Span, Spanned};

/// The longest text that is read; GitHub's own limit is half that.
pub(crate) const MAX_BYTES: usize = 1 << 20;

const CONFIGURE: &str = "aws-actions/configure-aws-credentials";

/// This action, whoever owns the repository.
const DOCTOR: &str = "aws-oidc-doctor";

/// A workflow file, or a part of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Workflow {
    /// `permissions` of the whole workflow.
    pub permissions: Option<Permissions>,
    /// The events under `on`.
    pub events: Vec<Trigger>,
    /// Its jobs.
    pub jobs: Vec<Job>,
}

impl Workflow {
    /// The job with this id; the only job if the id is unknown or the text is part of a file.
    #[must_use]
    pub fn job(&self, id: Option<&str>) -> Option<&Job> {
        match (
            id.and_then(|id| self.jobs.iter().find(|job| job.id.value == id)),
            &*self.jobs,
        ) {
            (Some(job), _) => Some(job),
            (None, [only]) if id.is_none() || only.id.value.is_empty() => Some(only),
            _ => None,
        }
    }
}

/// An event that starts the workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Its name.
    pub name: Spanned<String>,
    /// The patterns under `branches`.
    pub branches: Vec<String>,
    /// The patterns under `tags`.
    pub tags: Vec<String>,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its key under `jobs`; empty if only steps were given.
    pub id: Spanned<String>,
    /// From its key to its end.
    pub span: Span,
    /// Its own `permissions`, which replace the workflow's.
    pub permissions: Option<Permissions>,
    /// The environment's name.
    pub environment: Option<Spanned<String>>,
    /// The reusable workflow that it calls.
    pub uses: Option<Spanned<String>>,
    /// `secrets: inherit`.
    pub secrets_inherit: bool,
    /// Its `timeout-minutes`.
    pub timeout: Option<Spanned<String>>,
    /// The `timeout-minutes` of its steps, in order.
    pub step_timeouts: Vec<Option<Spanned<String>>>,
    /// Its steps that use `aws-actions/configure-aws-credentials`.
    pub steps: Vec<ConfigureStep>,
    /// Its steps that use this action.
    pub doctor_steps: Vec<ConfigureStep>,
}

/// A step with inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigureStep {
    /// The value of its `uses`.
    pub span: Span,
    /// Its `name`, else its `id`.
    pub name: Option<Spanned<String>>,
    /// The entries of `with`; names as written.
    pub inputs: Vec<(Spanned<String>, Spanned<String>)>,
    /// Its index among the job's steps.
    pub index: usize,
}

impl ConfigureStep {
    /// An input; names are case-insensitive.
    #[must_use]
    pub fn input(&self, name: &str) -> Option<&Spanned<String>> {
        self.inputs
            .iter()
            .find(|(key, _)| key.value.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// A `permissions` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// The key and its value.
    pub span: Span,
    /// How it is written.
    pub kind: PermissionsKind,
    /// What it says about `id-token`.
    pub id_token: IdToken,
}

/// How a `permissions` block is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermissionsKind {
    /// `write-all`.
    WriteAll,
    /// `read-all`.
    ReadAll,
    /// Scope by scope; empty for `{}`.
    Scopes(Vec<(Spanned<String>, Spanned<String>)>),
    /// Anything else, perhaps an expression.
    Other,
}

/// What a `permissions` block says about `id-token`, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdToken {
    /// `write`, or `write-all`: the job may request a token.
    Write(Span),
    /// `read`, or `read-all`: not enough.
    Read(Span),
    /// `none`.
    None(Span),
    /// Not named in the block, which means `none`.
    Absent,
}

/// Reads a workflow file or a part of one.
///
/// # Errors
/// [`WorkflowError`] if it isn't YAML, or is larger or deeper than a workflow can be.
pub fn read(text: &str) -> Result<Workflow, WorkflowError> {
    Ok(workflow(&bounded_tree(text)?))
}

fn bounded_tree(text: &str) -> Result<Node, WorkflowError> {
    if text.len() > MAX_BYTES {
        return Err(WorkflowError {
            line: 1,
            column: 1,
            message: "it is larger than 1 MiB".to_owned(),
        });
    }
    tree(text)
}

fn workflow(root: &Node) -> Workflow {
    let mut workflow = Workflow::default();
    match &root.kind {
        Kind::List(_) => workflow.jobs.push(job(None, root, Some(root))),
        Kind::Map(entries) => {
            workflow.permissions = root.entry("permissions").map(permissions);
            workflow.events = root.get("on").map(events).unwrap_or_default();
            let jobs = match root.get("jobs") {
                Some(Node {
                    kind: Kind::Map(jobs), ..
                }) => Some(jobs),
                // Only the jobs, without the key above them.
                None if entries.iter().any(|(_, value)| value.get("runs-on").is_some()) => Some(entries),
                _ => None,
            };
            match jobs {
                Some(jobs) => workflow
                    .jobs
                    .extend(jobs.iter().map(|(id, body)| job(Some(id), body, body.get("steps")))),
                None if root.get("steps").is_some() => {
                    let job = job(None, root, root.get("steps"));
                    workflow.permissions = None;
                    workflow.jobs.push(job);
                }
                None if root.get("uses").is_some() || root.get("with").is_some() => {
                    let list = Node::new(Kind::List(vec![root.clone()]), root.span);
                    workflow.jobs.push(job(None, &list, Some(&list)));
                }
                None => {}
            }
        }
        Kind::Scalar(_) => {}
    }
    workflow
}

fn job(id: Option<&Spanned<String>>, body: &Node, steps: Option<&Node>) -> Job {
    let id = id
        .cloned()
        .unwrap_or_else(|| Spanned::new(String::new(), Span::new(body.span.start, body.span.start)));
    let environment = body.get("environment");
    let steps = match steps.map(|steps| &steps.kind) {
        Some(Kind::List(steps)) => &**steps,
        _ => &[],
    };
    let using = |wanted: fn(&str) -> bool| {
        let steps = steps.iter().enumerate();
        steps.filter_map(|(index, node)| step(node, index, wanted)).collect()
    };
    let timeout = |node: &Node| node.get("timeout-minutes").and_then(Node::scalar);
    Job {
        span: Span::new(id.span.start, body.span.end.max(id.span.end)),
        permissions: body.entry("permissions").map(permissions),
        environment: environment
            .and_then(Node::scalar)
            .or_else(|| environment?.get("name")?.scalar()),
        uses: body
            .get("uses")
            .and_then(Node::scalar)
            .filter(|_| matches!(body.kind, Kind::Map(_))),
        secrets_inherit: body
            .get("secrets")
            .and_then(Node::scalar)
            .is_some_and(|text| text.value == "inherit"),
        timeout: timeout(body),
        step_timeouts: steps.iter().map(timeout).collect(),
        steps: using(|uses| uses.to_ascii_lowercase().starts_with(CONFIGURE)),
        doctor_steps: using(|uses| uses.to_ascii_lowercase().contains(DOCTOR)),
        id,
    }
}

fn step(node: &Node, index: usize, wanted: fn(&str) -> bool) -> Option<ConfigureStep> {
    let uses = node.get("uses").and_then(Node::scalar);
    let fits = match &uses {
        Some(uses) => wanted(&uses.value),
        // A `with:` block pasted alone is the failing step's.
        None => wanted(CONFIGURE) && node.get("with")?.get("role-to-assume").is_some(),
    };
    if !fits {
        return None;
    }
    let inputs = match node.get("with").map(|with| &with.kind) {
        Some(Kind::Map(entries)) => entries
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.scalar()?)))
            .collect(),
        _ => Vec::new(),
    };
    Some(ConfigureStep {
        span: uses.map_or(node.span, |uses| uses.span),
        name: node.get("name").or_else(|| node.get("id")).and_then(Node::scalar),
        inputs,
        index,
    })
}

fn permissions((key, value): (&Spanned<String>, &Node)) -> Permissions {
    let (kind, id_token) = match &value.kind {
        Kind::Map(entries) => {
            let scopes: Vec<_> = entries
                .iter()
                .filter_map(|(scope, level)| Some((scope.clone(), level.scalar()?)))
                .collect();
            let id_token = scopes.iter().find(|(scope, _)| scope.value == "id-token");
            let id_token = id_token.map_or(IdToken::Absent, |(scope, level)| {
                let span = Span::new(scope.span.start, level.span.end);
                match &*level.value {
                    "write" => IdToken::Write(span),
                    "read" => IdToken::Read(span),
                    _ => IdToken::None(span),
                }
            });
            (PermissionsKind::Scopes(scopes), id_token)
        }
        Kind::Scalar(text) => match &**text {
            "write-all" => (PermissionsKind::WriteAll, IdToken::Write(value.span)),
            "read-all" => (PermissionsKind::ReadAll, IdToken::Read(value.span)),
            _ => (PermissionsKind::Other, IdToken::Absent),
        },
        Kind::List(_) => (PermissionsKind::Other, IdToken::Absent),
    };
    Permissions {
        span: Span::new(key.span.start, value.span.end.max(key.span.end)),
        kind,
        id_token,
    }
}

fn events(on: &Node) -> Vec<Trigger> {
    let bare = |name| Trigger {
        name,
        branches: Vec::new(),
        tags: Vec::new(),
    };
    match &on.kind {
        Kind::Map(entries) => {
            let event = |(name, filters): &(Spanned<String>, Node)| Trigger {
                branches: filters.texts("branches"),
                tags: filters.texts("tags"),
                ..bare(name.clone())
            };
            entries.iter().map(event).collect()
        }
        Kind::List(items) => items.iter().filter_map(Node::scalar).map(bare).collect(),
        Kind::Scalar(_) => on.scalar().into_iter().map(bare).collect(),
    }
}

/// The limits on a workflow's or action's file.
const LIMITS: Limits = Limits {
    depth: 64,
    values: 100_000,
    what: "a workflow",
};

/// The first document of a YAML text; an empty text is an empty map.
pub(crate) fn tree(text: &str) -> Result<Node, WorkflowError> {
    yaml::read(text, &LIMITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKFLOW: &str = r#"name: Deploy
on:
  push:
    branches: [main]
  pull_request:
permissions: read-all
jobs:
  build:
    runs-on: ubuntu-latest
    permissions: {}
    steps: &steps
      - uses: actions/checkout@v5
  deploy:
    runs-on: ubuntu-latest
    environment: { name: prod, url: "https://example.com" }
    permissions:
      contents: read
      id-token: write # for AWS
    steps:
      - name: Configure AWS
        uses: aws-actions/configure-aws-credentials@v6
        with:
          role-to-assume: ${{ secrets.ROLE }}
          aws-region: 'eu-west-1'
          role-duration-seconds: 0900
          role-chaining: True
      - uses: example/aws-oidc-doctor@v1
        with: {aws-region: eu-west-1}
  call:
    uses: ./.github/workflows/other.yml
    secrets: inherit
  again:
    runs-on: x
    steps: *steps
"#;

    fn at(span: Span) -> &'static str {
        WORKFLOW.get(span.start..span.end).unwrap()
    }

    #[test]
    fn reads_the_keys_that_matter_with_their_places() {
        let workflow = read(WORKFLOW).unwrap();
        let permissions = workflow.permissions.as_ref().unwrap();
        assert_eq!(permissions.kind, PermissionsKind::ReadAll);
        assert!(matches!(permissions.id_token, IdToken::Read(span) if at(span) == "read-all"));
        assert_eq!(at(permissions.span), "permissions: read-all");
        let events: Vec<_> = workflow.events.iter().map(|event| &*event.name.value).collect();
        assert_eq!(events, ["push", "pull_request"]);

        let build = workflow.job(Some("build")).unwrap();
        let none = build.permissions.as_ref().unwrap();
        assert_eq!((at(none.span), none.id_token), ("permissions: {}", IdToken::Absent));

        let deploy = workflow.job(Some("deploy")).unwrap();
        assert_eq!(deploy.environment.as_ref().unwrap().value, "prod");
        let block = deploy.permissions.as_ref().unwrap();
        assert!(matches!(block.id_token, IdToken::Write(span) if at(span) == "id-token: write"));
        assert_eq!(
            at(block.span),
            "permissions:
      contents: read
      id-token: write"
        );
        let step = &deploy.steps[0];
        assert_eq!(at(step.span), "aws-actions/configure-aws-credentials@v6");
        assert_eq!(step.name.as_ref().unwrap().value, "Configure AWS");
        assert_eq!(at(step.input("AWS-Region").unwrap().span), "'eu-west-1'");
        for (input, want) in [
            ("role-to-assume", "${{ secrets.ROLE }}"),
            ("aws-region", "eu-west-1"),
            ("role-duration-seconds", "0900"),
            ("role-chaining", "True"),
        ] {
            assert_eq!(step.input(input).unwrap().value, want, "{input}");
        }
        assert_eq!(deploy.doctor_steps[0].input("aws-region").unwrap().value, "eu-west-1");

        let call = workflow.job(Some("call")).unwrap();
        assert_eq!(call.uses.as_ref().unwrap().value, "./.github/workflows/other.yml");
        assert!(call.secrets_inherit);
        assert!(workflow.job(Some("again")).unwrap().steps.is_empty());
        assert_eq!(workflow.job(Some("nobody")), None);
    }

    #[test]
    fn reads_what_people_paste() {
        let with = "with:
    role-to-assume: arn
    aws-region: eu-west-1";
        for (text, jobs, steps) in [
            (
                format!(
                    "- uses: aws-actions/configure-aws-credentials@v6
  {with}"
                ),
                1,
                1,
            ),
            (
                format!(
                    "  - name: x
    uses: aws-actions/configure-aws-credentials@v4
    {}",
                    with.replace("  ", "      ")
                ),
                1,
                1,
            ),
            (
                format!(
                    "uses: aws-actions/configure-aws-credentials@v6
{with}"
                ),
                1,
                1,
            ),
            (with.to_owned(), 1, 1),
            (
                format!(
                    "deploy:
  runs-on: x
  steps:
  - uses: aws-actions/configure-aws-credentials@v6
    {}",
                    with.replace("    ", "      ")
                ),
                1,
                1,
            ),
            (
                "runs-on: x
steps:
- uses: aws-actions/configure-aws-credentials@v6"
                    .to_owned(),
                1,
                1,
            ),
            (
                "permissions:
  id-token: write"
                    .to_owned(),
                0,
                0,
            ),
            (String::new(), 0, 0),
            ("just words".to_owned(), 0, 0),
            (
                "jobs: [1, {a: b}]
permissions: [x]
on: 7"
                    .to_owned(),
                0,
                0,
            ),
            (
                "jobs: {a: , b: [], c: {steps: {x: y}}, d: {steps: [1, [], {uses: []}]}}".to_owned(),
                4,
                0,
            ),
        ] {
            let workflow = read(&text).unwrap_or_else(|error| {
                panic!(
                    "{text}
{error:?}"
                )
            });
            assert_eq!(workflow.jobs.len(), jobs, "{text}");
            assert_eq!(
                workflow.jobs.iter().map(|job| job.steps.len()).sum::<usize>(),
                steps,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_yaml_says_where() {
        let error = read(
            "on: push
jobs:
  a: [1,
  b: }",
        )
        .unwrap_err();
        assert!(error.line >= 3, "{error:?}");
        for text in [
            "[".repeat(10_000),
            "a:
"
            .to_owned()
                + &(1..200)
                    .map(|depth| {
                        format!(
                            "{}b:
",
                            " ".repeat(depth)
                        )
                    })
                    .collect::<String>(),
            "- ".repeat(5_000),
            "x".repeat(MAX_BYTES + 1),
            // Every line expands to ten times the one above.
            (1..9).fold(
                "a0: &a0 [1,1,1,1,1,1,1,1,1,1]
"
                .to_owned(),
                |text, n| {
                    let before = format!("*a{},", n - 1).repeat(10);
                    text + &format!(
                        "a{n}: &a{n} [{}]
",
                        before.trim_end_matches(',')
                    )
                },
            ),
            "&a [*a]".to_owned(),
        ] {
            assert!(read(&text).is_err(), "{} bytes", text.len());
        }
    }

    #[test]
    fn aliases_count_by_the_bytes_that_they_repeat() {
        let list = |bytes, count| format!("a: &a {}\nb: [{}]", "x".repeat(bytes), "*a,".repeat(count));
        let steps = |bytes, jobs| {
            let with = format!("{{role-to-assume: {}}}", "x".repeat(bytes));
            let jobs: String = (0..jobs)
                .map(|n| format!("  j{n}: {{runs-on: x, steps: *s}}\n"))
                .collect();
            format!("s: &s [{{uses: {CONFIGURE}@v6, with: {with}}}]\njobs:\n{jobs}")
        };
        let nested = |bytes, depth| {
            let open: String = (0..depth).map(|n| format!("&a{n} [")).collect();
            format!("a: {open}{}{}", "x".repeat(bytes), "]".repeat(depth))
        };
        for (text, line) in [
            (list(60_000, 13_000), 2),
            (list(700_000, 90_000), 2),
            (list(60_000, 70), 2),
            (steps(60_000, 100), 71),
            (nested(900_000, 5), 1),
        ] {
            let error = read(&text).unwrap_err();
            assert_eq!(
                (error.line, error.message.as_str()),
                (line, "with its aliases expanded it is larger than 4 MiB"),
                "{} bytes",
                text.len()
            );
        }
        for text in [list(60_000, 60), list(10, 10_000), nested(900_000, 3)] {
            assert_eq!(read(&text).map(|_| ()), Ok(()), "{} bytes", text.len());
        }
        assert_eq!(read(&steps(60_000, 60)).unwrap().jobs.len(), 60);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([a-z:{}\\[\\] \n&*'\"#|>!%@-]|jobs:|steps:|uses: |\\PC){0,80}") {
            let _ = read(&text);
        }
    }
}
