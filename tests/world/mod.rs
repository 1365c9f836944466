//! A world on loopback: GitHub's ID-token service, STS and IAM, simulated from a data file, with faults where a test wants them.
//!
//! ```ignore
//! let world = World::named("subject-environment").fault(Call::GetRole, Fault::Hang).start();
//! command.env_clear().envs(world.environment()).args(world.args());
//! assert!(world.requests().iter().any(|request| request.call == Call::GetRole));
//! ```

#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test uses a part of it")]
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is test code, which clippy sees only in `#[test]` functions"
)]

mod rest;
mod scenario;
mod server;
mod services;
mod tls;

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

pub use scenario::{Expect, Scenario};
pub use server::{Call, Fault, Form, Place, Request};
use server::{Server, Service, State};
use tls::Authority;

/// What the job presents to the token service; it must not be in any output.
const REQUEST_TOKEN: &str = "eyJ0eXAiOiJKV1QifQ.cnVudGltZS10b2tlbi1vZi10aGUtam9i.c2VjcmV0LXJ1bnRpbWUtc2lnbmF0dXJl";

/// The job's token, `${{ github.token }}`: only for GitHub's REST API.
const GITHUB_TOKEN: &str = "ghs_16C7e42F292c6912E7710c838347Ae178B4a";

/// A world that isn't started yet.
pub struct Setup {
    scenario: Scenario,
    faults: Vec<(Call, Fault, usize)>,
    delay: Duration,
    clock_ahead: i64,
    tls: bool,
}

/// A running world. It stops when dropped.
pub struct World {
    scenario: Arc<Scenario>,
    state: Arc<State>,
    token: Endpoint,
    sts: Endpoint,
    iam: Endpoint,
    rest: Endpoint,
    elsewhere: Server,
    proxy: Server,
    authority: Arc<Authority>,
    home: TempDir,
}

/// The address of a service, and what keeps it there.
struct Endpoint {
    url: String,
    _server: Option<Server>,
    _closed: Option<(TcpListener, TcpStream)>,
}

impl World {
    /// The world that `examples/worlds/<name>.json` describes.
    pub fn named(name: &str) -> Setup {
        Self::of(Scenario::named(name).unwrap_or_else(|error| panic!("{error}")))
    }

    /// The world of a scenario.
    pub fn of(scenario: Scenario) -> Setup {
        Setup {
            scenario,
            faults: Vec::new(),
            delay: Duration::ZERO,
            clock_ahead: 0,
            tls: false,
        }
    }

    /// The simulated scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Everything the runner passes to the step: `GITHUB_*`, `RUNNER_*`, `INPUT_*` as `action.yml` declares them, the token
    /// service, credentials, and the addresses of STS and IAM. Meant for an otherwise empty environment.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::from([
            ("HOME".to_owned(), self.path("home")),
            ("AWS_ENDPOINT_URL_STS".to_owned(), self.sts.url.clone()),
            ("AWS_ENDPOINT_URL_IAM".to_owned(), self.iam.url.clone()),
            // Nothing may look for a machine's role here; attempts are recorded.
            (
                "AWS_EC2_METADATA_SERVICE_ENDPOINT".to_owned(),
                self.elsewhere.url("http"),
            ),
        ]);
        if self.scenario.credentials.is_some() {
            let keys = services::environment_keys();
            all.insert("AWS_ACCESS_KEY_ID".to_owned(), keys.id);
            all.insert("AWS_SECRET_ACCESS_KEY".to_owned(), keys.secret);
            all.insert("AWS_SESSION_TOKEN".to_owned(), keys.session_token);
        }
        if self.scenario.args.is_none() {
            all.extend(self.scenario.runner());
            all.insert("GITHUB_API_URL".to_owned(), self.rest.url.clone());
            all.extend(self.scenario.inputs());
            for (name, place) in [
                ("GITHUB_EVENT_PATH", "event.json"),
                ("GITHUB_ENV", "env"),
                ("GITHUB_OUTPUT", "output"),
                ("GITHUB_STATE", "state"),
                ("GITHUB_STEP_SUMMARY", "summary"),
                ("GITHUB_WORKSPACE", "workspace"),
                ("RUNNER_TEMP", "temp"),
            ] {
                all.insert(name.to_owned(), self.path(place));
            }
            if self.scenario.token.granted {
                all.insert("ACTIONS_ID_TOKEN_REQUEST_URL".to_owned(), self.token_url());
                all.insert("ACTIONS_ID_TOKEN_REQUEST_TOKEN".to_owned(), REQUEST_TOKEN.to_owned());
            }
        }
        all.extend(self.scenario.env.clone());
        all.retain(|_, value| !value.is_empty());
        all.extend(self.scenario.empty_inputs());
        all
    }

    /// The arguments of the program: `action`, unless the scenario says otherwise.
    pub fn args(&self) -> Vec<String> {
        self.scenario.args.clone().unwrap_or_else(|| vec!["action".to_owned()])
    }

    /// The access key of the scenario's IAM user: its ID and its secret.
    pub fn user_keys(&self) -> (String, String) {
        let keys = services::user_keys();
        (keys.id, keys.secret)
    }

    /// `ACTIONS_ID_TOKEN_REQUEST_URL`: like GitHub's, it already has a query, and two slashes in its path.
    pub fn token_url(&self) -> String {
        format!(
            "{}/84//idtoken/9c3d1f0e-6a0b-4b1e-8f7a-2f1d7c9e5b3a/1f5f6f0a-12d4-5b6e-9a55-7a3b0c8d4e21?api-version=2.0",
            self.token.url
        )
    }

    /// Where STS is.
    pub fn sts_url(&self) -> &str {
        &self.sts.url
    }

    /// Where IAM is.
    pub fn iam_url(&self) -> &str {
        &self.iam.url
    }

    /// Where GitHub's REST API is.
    pub fn rest_url(&self) -> &str {
        &self.rest.url
    }

    /// An address that nothing should call: the target of [`Fault::Redirect`].
    pub fn elsewhere_url(&self) -> String {
        self.elsewhere.url("http")
    }

    /// A proxy for `HTTPS_PROXY`: it accepts `CONNECT`, and routes AWS's and GitHub's real names to this world.
    pub fn proxy_url(&self) -> String {
        self.proxy.url("http")
    }

    /// The certificate authority of a world over TLS, for `SSL_CERT_FILE` and `AWS_CA_BUNDLE`.
    pub fn ca_file(&self) -> PathBuf {
        let file = self.home.path().join("ca.pem");
        fs::write(&file, self.authority.pem()).unwrap();
        file
    }

    /// Every request so far, in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.state.requests()
    }

    /// The requests of one kind.
    pub fn requests_of(&self, call: Call) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.call == call);
        requests
    }

    /// Everything issued or accepted that must not be in any output.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.state.secrets();
        let keys = services::environment_keys();
        secrets.extend([REQUEST_TOKEN, GITHUB_TOKEN].map(str::to_owned));
        secrets.extend([keys.id, keys.secret, keys.session_token]);
        if self.scenario.user.is_some() {
            secrets.push(services::user_keys().secret);
        }
        secrets
    }

    /// What was written to `GITHUB_OUTPUT`.
    pub fn output(&self) -> String {
        self.read("output")
    }

    /// The step's outputs, read from `GITHUB_OUTPUT` as the runner reads them.
    pub fn outputs(&self) -> BTreeMap<String, String> {
        let written = self.output();
        let mut lines = written.lines();
        let mut outputs = BTreeMap::new();
        while let Some(line) = lines.next() {
            if let Some((name, delimiter)) = line.split_once("<<").filter(|(name, _)| !name.contains('=')) {
                let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
                outputs.insert(name.to_owned(), value.join("\n"));
            } else if let Some((name, value)) = line.split_once('=') {
                outputs.insert(name.to_owned(), value.to_owned());
            }
        }
        outputs
    }

    /// What was written to `GITHUB_STEP_SUMMARY`.
    pub fn summary(&self) -> String {
        self.read("summary")
    }

    /// What was written to `GITHUB_ENV`, which should be nothing.
    pub fn exported(&self) -> String {
        self.read("env")
    }

    /// The folder with the workspace, the runner's files and the home folder.
    pub fn root(&self) -> &Path {
        self.home.path()
    }

    /// The checked-out repository.
    pub fn workspace(&self) -> PathBuf {
        self.home.path().join("workspace")
    }

    fn path(&self, name: &str) -> String {
        self.home.path().join(name).to_str().unwrap().to_owned()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.home.path().join(name)).unwrap_or_default()
    }
}

impl Setup {
    /// Injects a fault into every such call.
    #[must_use]
    pub fn fault(self, call: Call, fault: Fault) -> Self {
        self.fault_times(call, fault, usize::MAX)
    }

    /// Injects a fault into the first such calls only.
    #[must_use]
    pub fn fault_times(mut self, call: Call, fault: Fault, times: usize) -> Self {
        self.faults.push((call, fault, times));
        self
    }

    /// Delays every answer by this long.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sets GitHub's and AWS's clocks this many seconds before this machine's.
    #[must_use]
    pub fn clock_ahead(mut self, seconds: i64) -> Self {
        self.clock_ahead = seconds;
        self
    }

    /// Speaks TLS, with certificates of [`World::ca_file`].
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Leaves the repository not checked out.
    #[must_use]
    pub fn without_checkout(mut self) -> Self {
        self.scenario.checkout = false;
        self
    }

    /// Sets another input of the step.
    #[must_use]
    pub fn with(mut self, input: &str, value: &str) -> Self {
        self.scenario.with.insert(input.to_owned(), value.to_owned());
        self
    }

    /// Starts the servers and lays out the runner's files.
    pub fn start(self) -> World {
        let home = TempDir::new().unwrap();
        for folder in ["home", "temp", "workspace/.github/workflows"] {
            fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        for file in ["env", "output", "state", "summary"] {
            fs::write(home.path().join(file), "").unwrap();
        }
        fs::write(home.path().join("event.json"), self.scenario.event.to_string()).unwrap();
        if let Some(lines) = self.scenario.workflow.as_ref().filter(|_| self.scenario.checkout) {
            let file = home.path().join("workspace").join(self.scenario.workflow_path());
            fs::write(file, lines.join("\n") + "\n").unwrap();
        }

        for (path, lines) in self.scenario.files.iter().filter(|_| self.scenario.checkout) {
            let file = home.path().join("workspace").join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, lines.join("\n") + "\n").unwrap();
        }

        let mut faults = self.faults;
        faults.extend(self.scenario.rest.faults());
        let scenario = Arc::new(self.scenario);
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = Arc::new(State::new(
            Arc::clone(&scenario),
            faults,
            self.delay,
            self.clock_ahead,
            format!("http://{}/", elsewhere.local_addr().unwrap()),
        ));
        let authority = Arc::new(Authority::new());
        let endpoint = |service| Endpoint::new(service, &state, self.tls.then_some(&*authority));
        let token = endpoint(Service::Token);
        let sts = endpoint(Service::Sts);
        let iam = endpoint(Service::Iam);
        let rest = endpoint(Service::Rest);
        let all = [&token.url, &sts.url, &iam.url, &rest.url];
        let proxy = server::start_proxy(&state, all.map(|url| host_and_port(url)));
        World {
            elsewhere: Server::start(elsewhere, Service::Elsewhere, &state, None),
            scenario,
            state,
            token,
            sts,
            iam,
            rest,
            proxy,
            authority,
            home,
        }
    }
}

impl Endpoint {
    fn new(service: Service, state: &Arc<State>, authority: Option<&Authority>) -> Self {
        let fault = state.endpoint_fault(service);
        if fault == Some(Fault::NoSuchHost) {
            // The resolver itself rejects a label of more than 63 letters, without asking any server.
            return Self {
                url: format!("https://{}.invalid", "no-such-host-".repeat(5)),
                _server: None,
                _closed: None,
            };
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        if fault == Some(Fault::Refused) {
            // The near end of an open connection: nothing listens there, and the port can't be assigned to anything else.
            let client = TcpStream::connect(address).unwrap();
            return Self {
                url: format!("http://{}", client.local_addr().unwrap()),
                _server: None,
                _closed: Some((listener, client)),
            };
        }
        let tls = match fault {
            Some(Fault::UnknownCa) => Some(Authority::new().server()),
            _ => authority.map(Authority::server),
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        Self {
            url: format!("{scheme}://{address}"),
            _server: Some(Server::start(listener, service, state, tls)),
            _closed: None,
        }
    }
}

fn host_and_port(url: &str) -> String {
    url.split("://").nth(1).unwrap().to_owned()
}
