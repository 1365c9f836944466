//! A scenario: what `examples/worlds/<name>.json` says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::GITHUB_TOKEN;
use super::rest::Rest;

/// The commit that runs.
pub const COMMIT: &str = "4d3b1f6e0c2a5b7d9e8f7a6c5b4d3e2f1a0b9c8d";

/// One job, one account, and how AWS answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scenario {
    /// The file's name.
    #[serde(skip)]
    pub name: String,
    /// What is wrong, in one line.
    pub title: String,
    /// What it demonstrates.
    pub shows: String,
    /// The expected diagnosis.
    pub expect: Expect,
    /// The inputs of the step.
    #[serde(default)]
    pub with: BTreeMap<String, String>,
    /// The program's arguments, for a run that isn't a step: neither inputs nor the runner's variables are set then.
    #[serde(default)]
    pub args: Option<Vec<String>>,
    /// Variables that add to or override the runner's own; an empty one is removed.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The event's payload.
    #[serde(default)]
    pub event: Value,
    /// GitHub's token service.
    #[serde(default)]
    pub token: TokenService,
    /// The AWS account.
    #[serde(default)]
    pub account: Account,
    /// How STS answers `AssumeRoleWithWebIdentity` once token and provider are valid.
    #[serde(default)]
    pub sts: Answer,
    /// How STS answers `AssumeRole`.
    #[serde(default)]
    pub assume_role: Answer,
    /// Further accounts, whose roles can be assumed as well.
    #[serde(default)]
    pub more_accounts: Vec<Account>,
    /// The IAM user whose keys are [`super::World::user_keys`].
    #[serde(default)]
    pub user: Option<Identity>,
    /// Whose credentials an earlier step left in the environment.
    #[serde(default)]
    pub credentials: Option<Identity>,
    /// The lines of the workflow file.
    #[serde(default)]
    pub workflow: Option<Vec<String>>,
    /// Whether the repository is checked out.
    #[serde(default = "yes")]
    pub checkout: bool,
    /// GitHub's REST API.
    #[serde(default)]
    pub rest: Rest,
    /// The lines of further files in the workspace.
    #[serde(default)]
    pub files: BTreeMap<String, Vec<String>>,
    /// The job's `matrix`, which a default in `action.yml` uses.
    #[serde(default)]
    pub matrix: Value,
    /// The same for `job`.
    #[serde(default)]
    pub job_context: Value,
}

/// The expected diagnosis of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub verdict: String,
    pub cause: Option<String>,
    pub number: Option<u8>,
    pub exit: u8,
    /// A finding besides the cause.
    #[serde(default)]
    pub also: Option<String>,
}

/// GitHub's token service.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenService {
    /// Whether the job has `id-token: write`.
    pub granted: bool,
    /// Claims that differ from those of a push to `main` of `acme/widgets`; `null` removes one.
    pub claims: Map<String, Value>,
    /// A refusal with this status and body.
    pub refusal: Option<(u16, String)>,
}

/// An AWS account.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Account {
    pub id: String,
    pub partition: String,
    pub roles: Vec<Role>,
    pub providers: Vec<Provider>,
}

/// A role, as IAM stores it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Role {
    pub name: String,
    #[serde(default = "slash")]
    pub path: String,
    /// The policy, or its text.
    pub trust_policy: Value,
    #[serde(default = "an_hour")]
    pub max_session_duration: u32,
    /// Whether its sessions may read roles and providers.
    #[serde(default)]
    pub reads_iam: bool,
    /// Its inline policies by name, the managed ones by ARN; without them its sessions are allowed everything.
    #[serde(default)]
    pub policies: Option<BTreeMap<String, Value>>,
    /// Its permissions boundary.
    #[serde(default)]
    pub permissions_boundary: Option<Value>,
}

/// An OIDC provider, as IAM stores it: its URL has no scheme.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Provider {
    #[serde(default = "github")]
    pub url: String,
    #[serde(default = "sts_audience")]
    pub client_ids: Vec<String>,
    #[serde(default)]
    pub thumbprints: Vec<String>,
}

/// Whose credentials these are.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Identity {
    pub account: String,
    pub arn: String,
    /// Whether it may read roles and providers.
    pub reads_iam: bool,
    /// A user's inline policies by name, the managed ones by ARN; without them and its group's it is allowed everything.
    #[serde(default)]
    pub policies: BTreeMap<String, Value>,
    /// Those of its group.
    #[serde(default)]
    pub group_policies: BTreeMap<String, Value>,
    /// A user's permissions boundary.
    #[serde(default)]
    pub permissions_boundary: Option<Value>,
}

/// An answer from STS.
#[derive(Debug, Clone, Default)]
pub enum Answer {
    #[default]
    Allow,
    /// `AccessDenied`, in the call's usual words.
    Deny,
    Error {
        status: u16,
        code: String,
        message: String,
    },
}

impl Scenario {
    /// Reads a scenario by its name.
    ///
    /// # Errors
    /// If there is none with that name, or its file is invalid.
    pub fn named(name: &str) -> Result<Self, String> {
        let file = format!("{}/examples/worlds/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(&file)
            .map_err(|_| format!("no world `{name}`; there are {}", Self::names().join(", ")))?;
        let mut scenario: Self = serde_json::from_str(&text).map_err(|error| format!("{file}: {error}"))?;
        name.clone_into(&mut scenario.name);
        Ok(scenario)
    }

    /// The names of all scenarios, in order.
    pub fn names() -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/worlds");
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".json")?.to_owned()))
            .collect();
        names.sort();
        names
    }

    /// The inputs of `action.yml`, and their defaults.
    pub fn declared_inputs() -> BTreeMap<String, String> {
        let inputs = action().inputs.into_iter();
        inputs.map(|(name, input)| (name, input.default)).collect()
    }

    /// The inputs of `action.yml`, with their descriptions.
    pub fn described_inputs() -> BTreeMap<String, String> {
        let inputs = action().inputs.into_iter();
        inputs.map(|(name, input)| (name, input.description)).collect()
    }

    /// The outputs of `action.yml`.
    pub fn declared_outputs() -> BTreeSet<String> {
        action().outputs.into_keys().collect()
    }

    /// The outputs of `action.yml`, with their descriptions.
    pub fn described_outputs() -> BTreeMap<String, String> {
        let outputs = action().outputs.into_iter();
        outputs.map(|(name, output)| (name, output.description)).collect()
    }

    /// The names in a part of `action.yml`, in their order.
    pub fn declared_names(part: &str, next: &str) -> Vec<String> {
        let action = fs::read_to_string(ACTION).unwrap();
        let (_, rest) = action.split_once(&format!("\n{part}:\n")).unwrap();
        let (block, _) = rest.split_once(&format!("\n{next}:\n")).unwrap();
        let names = block
            .lines()
            .filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
        names.map(str::to_owned).collect()
    }

    /// The runner's variables.
    pub fn runner(&self) -> BTreeMap<String, String> {
        [
            ("ACTIONS_RUNTIME_URL", "https://pipelines.actions.example/"),
            ("CI", "true"),
            ("GITHUB_ACTION", "doctor"),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_ACTOR", "octocat"),
            ("GITHUB_API_URL", "https://api.github.com"),
            ("GITHUB_EVENT_NAME", "push"),
            ("GITHUB_JOB", "deploy"),
            ("GITHUB_REF", "refs/heads/main"),
            ("GITHUB_REF_NAME", "main"),
            ("GITHUB_REF_TYPE", "branch"),
            ("GITHUB_REPOSITORY", "acme/widgets"),
            ("GITHUB_REPOSITORY_ID", "456789"),
            ("GITHUB_REPOSITORY_OWNER", "acme"),
            ("GITHUB_REPOSITORY_OWNER_ID", "123456"),
            ("GITHUB_RUN_ATTEMPT", "1"),
            ("GITHUB_RUN_ID", "9876543210"),
            ("GITHUB_RUN_NUMBER", "42"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_SHA", COMMIT),
            ("GITHUB_TRIGGERING_ACTOR", "octocat"),
            ("GITHUB_WORKFLOW", "deploy"),
            ("GITHUB_WORKFLOW_SHA", COMMIT),
            (
                "GITHUB_WORKFLOW_REF",
                "acme/widgets/.github/workflows/deploy.yml@refs/heads/main",
            ),
            ("RUNNER_ARCH", "X64"),
            ("RUNNER_ENVIRONMENT", "github-hosted"),
            ("RUNNER_OS", "Linux"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// Every input that `action.yml` declares, by the runner's name for it: the step's value, else its default.
    pub fn inputs(&self) -> BTreeMap<String, String> {
        let mut inputs = Self::declared_inputs();
        inputs.extend(self.contexts());
        inputs.extend(self.with.clone());
        inputs
            .into_iter()
            .map(|(name, value)| (variable(&name), value.replace("${{ github.token }}", GITHUB_TOKEN)))
            .collect()
    }

    /// The runner sets inputs without a value too.
    pub fn empty_inputs(&self) -> BTreeMap<String, String> {
        if self.args.is_some() {
            return BTreeMap::new();
        }
        let mut inputs = self.inputs();
        inputs.retain(|_, value| value.is_empty());
        inputs
    }

    /// The command for the same diagnosis outside a step: its inputs as flags.
    pub fn command(&self) -> Vec<String> {
        self.args.clone().unwrap_or_else(|| {
            let contexts = self.contexts();
            let flags = contexts
                .iter()
                .chain(&self.with)
                .map(|(name, value)| format!("--{name}={value}"));
            let token = (!self.with.contains_key("github-token")).then(|| format!("--github-token={GITHUB_TOKEN}"));
            ["diagnose".to_owned()].into_iter().chain(flags).chain(token).collect()
        })
    }

    /// The defaults that are expressions, as the runner evaluates them.
    fn contexts(&self) -> BTreeMap<String, String> {
        let of = |name: &str, value: &Value| (name.to_owned(), format!("{value:#}"));
        [
            of("matrix", &self.matrix),
            of("job-context", &self.job_context),
            of("strategy", &Value::Null),
        ]
        .into()
    }

    /// The workflow file's path in the repository.
    pub fn workflow_path(&self) -> &'static str {
        ".github/workflows/deploy.yml"
    }

    /// The claims of a token for this audience, requested now (seconds since 1970).
    pub fn claims(&self, audience: Option<&str>, now: i64, jti: &str) -> Map<String, Value> {
        let mut claims = json!({
            "jti": jti,
            "sub": "repo:acme/widgets:ref:refs/heads/main",
            "aud": null,
            "ref": "refs/heads/main",
            "sha": "4d3b1f6e0c2a5b7d9e8f7a6c5b4d3e2f1a0b9c8d",
            "repository": "acme/widgets",
            "repository_owner": "acme",
            "repository_owner_id": "123456",
            "run_id": "9876543210",
            "run_number": "42",
            "run_attempt": "1",
            "repository_visibility": "private",
            "repository_id": "456789",
            "actor_id": "583231",
            "actor": "octocat",
            "workflow": "deploy",
            "head_ref": "",
            "base_ref": "",
            "event_name": "push",
            "ref_protected": "true",
            "ref_type": "branch",
            "workflow_ref": "acme/widgets/.github/workflows/deploy.yml@refs/heads/main",
            "workflow_sha": "4d3b1f6e0c2a5b7d9e8f7a6c5b4d3e2f1a0b9c8d",
            "job_workflow_ref": "acme/widgets/.github/workflows/deploy.yml@refs/heads/main",
            "job_workflow_sha": "4d3b1f6e0c2a5b7d9e8f7a6c5b4d3e2f1a0b9c8d",
            "runner_environment": "github-hosted",
            "iss": "https://token.actions.githubusercontent.com",
            "nbf": now - 300,
            "iat": now,
            "exp": now + 300,
        });
        let claims = claims.as_object_mut().unwrap();
        claims.extend(self.token.claims.clone());
        if claims["aud"].is_null() {
            let owner = claims["repository_owner"].as_str().unwrap_or("acme");
            let audience = audience.map_or_else(|| format!("https://github.com/{owner}"), str::to_owned);
            claims.insert("aud".to_owned(), audience.into());
        }
        claims.retain(|_, value| !value.is_null());
        claims.clone()
    }
}

impl Default for TokenService {
    fn default() -> Self {
        Self {
            granted: true,
            claims: Map::new(),
            refusal: None,
        }
    }
}

impl Default for Account {
    fn default() -> Self {
        Self {
            id: "123456789012".to_owned(),
            partition: "aws".to_owned(),
            roles: Vec::new(),
            providers: Vec::new(),
        }
    }
}

impl Scenario {
    /// All accounts.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        std::iter::once(&self.account).chain(&self.more_accounts)
    }
}

impl Role {
    /// Its ARN.
    pub fn arn(&self, account: &Account) -> String {
        format!(
            "arn:{}:iam::{}:role{}{}",
            account.partition, account.id, self.path, self.name
        )
    }
}

impl Provider {
    /// Its ARN.
    pub fn arn(&self, account: &Account) -> String {
        format!(
            "arn:{}:iam::{}:oidc-provider/{}",
            account.partition, account.id, self.url
        )
    }
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, deny_unknown_fields)]
        enum Wire {
            Word(String),
            Error { status: u16, code: String, message: String },
        }
        match Wire::deserialize(from)? {
            Wire::Word(word) if word == "allow" => Ok(Self::Allow),
            Wire::Word(word) if word == "deny" => Ok(Self::Deny),
            Wire::Word(word) => Err(serde::de::Error::custom(format!(
                "`{word}` is neither `allow` nor `deny`"
            ))),
            Wire::Error { status, code, message } => Ok(Self::Error { status, code, message }),
        }
    }
}

/// The declarations in `action.yml`.
const ACTION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/action.yml");

fn action() -> Action {
    let text = fs::read_to_string(ACTION).unwrap();
    serde_saphyr::from_str(&text).expect("action.yml")
}

#[derive(Deserialize)]
struct Action {
    inputs: BTreeMap<String, Input>,
    outputs: BTreeMap<String, Input>,
}

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    default: String,
    #[serde(default)]
    description: String,
}

/// The runner turns spaces into `_` and letters into capitals, and keeps hyphens.
fn variable(input: &str) -> String {
    format!("INPUT_{}", input.replace(' ', "_").to_uppercase())
}

fn yes() -> bool {
    true
}

fn slash() -> String {
    "/".to_owned()
}

fn an_hour() -> u32 {
    3600
}

fn github() -> String {
    "token.actions.githubusercontent.com".to_owned()
}

fn sts_audience() -> Vec<String> {
    vec!["sts.amazonaws.com".to_owned()]
}
