//! Where a token or a key may go, and for which audience a token is issued. Both come from the inputs and the environment, and the
//! audience also from the workflow proven to be running: a checkout, a saved run, a profile and an answer are somebody else's text,
//! and none of the constructors here accepts one.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

use super::Env;
use super::running::Proven;
use crate::args::{Given, OwnInputs};
use crate::aws::arn::{RoleArn, usual_audience};
use crate::configure::Input;

/// Who chose an audience or an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Nobody: it is the default of configure-aws-credentials, the AWS SDK or this machine.
    Default,
    /// An input of the step, or the flag of that name.
    Input(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// The workflow proven to be running.
    Workflow,
}

impl fmt::Display for Origin {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => to.write_str("the default"),
            Self::Input(name) => write!(to, "the input `{name}`"),
            Self::Variable(name) => write!(to, "the variable `{name}`"),
            Self::Workflow => to.write_str("the running workflow"),
        }
    }
}

/// The audience that an ID token is requested for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    text: String,
    origin: Origin,
}

impl Audience {
    /// The input `audience`, else configure-aws-credentials' default (`action.yml`).
    #[must_use]
    pub fn of(inputs: &Given) -> Self {
        match inputs.given(Input::Audience) {
            Some(text) => Self {
                text: text.to_owned(),
                origin: Origin::Input("audience"),
            },
            None => Self::usual("aws"),
        }
    }

    /// The audience of a step in the running workflow; the input `audience` takes precedence. An empty one, as from a variable that
    /// isn't set, is not the default of `action.yml`: the action then takes the variable `AUDIENCE` (`src/helpers.ts`), else it
    /// asks for no audience, and the token is for the repository's owner.
    #[must_use]
    pub(crate) fn of_step(inputs: &Given, env: &Env, text: &str, _: Proven) -> Self {
        let (text, origin) = match (text.trim(), env.get("AUDIENCE").map(str::trim)) {
            _ if inputs.given(Input::Audience).is_some() => return Self::of(inputs),
            ("", Some(text)) => (text, Origin::Variable("AUDIENCE")),
            (text, _) => (text, Origin::Workflow),
        };
        Self {
            text: text.to_owned(),
            origin,
        }
    }

    /// The audience for the input `diagnosis-role`: the one AWS's documentation specifies for its partition.
    #[must_use]
    pub fn of_diagnosis_role(inputs: &OwnInputs) -> Self {
        let role = inputs
            .diagnosis_role
            .as_deref()
            .and_then(|role| RoleArn::parse(role.trim()).ok());
        Self::usual(role.as_ref().map_or("aws", |role| &role.partition))
    }

    fn usual(partition: &str) -> Self {
        Self {
            text: usual_audience(partition).to_owned(),
            origin: Origin::Default,
        }
    }

    /// Returns the audience; empty if the token service is asked for none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns who chose it.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }
}

/// An address that may be called, with a token or a key if the call needs one. [`super::http::Http::send`] calls no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    host: Host,
    origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// AWS's own, which the SDK derives from the region.
    Aws,
    /// The one in this address.
    Given(String),
    /// Wherever this machine finds its own credentials.
    Machine,
}

/// The domains of AWS's endpoints, by partition (the SDK's `partitions.json`).
const AWS_DOMAINS: [&str; 14] = [
    "amazonaws.com",
    "api.aws",
    "amazonaws.com.cn",
    "api.amazonwebservices.com.cn",
    "amazonaws.eu",
    "api.amazonwebservices.eu",
    "c2s.ic.gov",
    "api.aws.ic.gov",
    "sc2s.sgov.gov",
    "api.aws.scloud",
    "cloud.adc-e.uk",
    "api.cloud-aws.adc-e.uk",
    "csp.hci.ic.gov",
    "api.aws.hci.ic.gov",
];

impl Destination {
    /// GitHub's token service, if the job has one.
    #[must_use]
    pub(crate) fn token_service(env: &Env) -> Option<Self> {
        let name = "ACTIONS_ID_TOKEN_REQUEST_URL";
        Some(Self::given(env.get(name)?, Origin::Variable(name)))
    }

    /// GitHub's REST API, if the job has one: github.com's, or that of its own server.
    #[must_use]
    pub(crate) fn rest(env: &Env) -> Option<Self> {
        let name = "GITHUB_API_URL";
        Some(Self::given(env.get(name)?, Origin::Variable(name)))
    }

    /// STS: the input `sts-endpoint`, else the environment's endpoint, else the region's own. A profile's endpoint isn't
    /// used: its file may come from the checkout.
    #[must_use]
    pub(crate) fn sts(inputs: &Given, env: &Env) -> Self {
        match inputs.given(Input::StsEndpoint) {
            Some(address) => Self::given(address, Origin::Input("sts-endpoint")),
            None => Self::of_service("AWS_ENDPOINT_URL_STS", env),
        }
    }

    /// IAM: the environment's endpoint, else the partition's own.
    #[must_use]
    pub(crate) fn iam(env: &Env) -> Self {
        Self::of_service("AWS_ENDPOINT_URL_IAM", env)
    }

    /// Wherever this machine finds its own credentials.
    #[must_use]
    pub(crate) fn machine() -> Self {
        Self {
            host: Host::Machine,
            origin: Origin::Default,
        }
    }

    /// A service's variable takes precedence over the one for all services (AWS SDKs and Tools Reference Guide,
    /// `feature-ss-endpoints`). A blank one, as from `env: AWS_ENDPOINT_URL: ${{ vars.URL }}`, counts as unset.
    fn of_service(own: &'static str, env: &Env) -> Self {
        let ignored = env
            .get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        let set = |name| Some((name, env.get(name).filter(|address| !address.trim().is_empty())?));
        match [own, "AWS_ENDPOINT_URL"].into_iter().find_map(set).filter(|_| !ignored) {
            Some((name, address)) => Self::given(address, Origin::Variable(name)),
            None => Self {
                host: Host::Aws,
                origin: Origin::Default,
            },
        }
    }

    fn given(address: &str, origin: Origin) -> Self {
        Self {
            host: Host::Given(address.to_owned()),
            origin,
        }
    }

    /// The address as given; `None` if the SDK finds it.
    #[must_use]
    pub(crate) fn address(&self) -> Option<&str> {
        match &self.host {
            Host::Given(address) => Some(address),
            Host::Aws | Host::Machine => None,
        }
    }

    /// Whether this address may be called.
    #[must_use]
    pub(crate) fn admits(&self, url: &Url) -> bool {
        match &self.host {
            Host::Aws => {
                url.scheme() == "https"
                    && url.port().is_none()
                    && url.host_str().is_some_and(|host| {
                        let within = |domain: &&str| host.strip_suffix(*domain).is_some_and(|rest| rest.ends_with('.'));
                        AWS_DOMAINS.iter().any(within)
                    })
            }
            Host::Given(address) => Url::parse(address).is_ok_and(|given| given.origin() == url.origin()),
            Host::Machine => true,
        }
    }

    /// Whether it may be called without TLS: only on this machine, and where the machine finds its own credentials, at addresses
    /// that aren't routed any further.
    #[must_use]
    pub(crate) fn admits_plain(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let own = self.host == Host::Machine;
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => address.is_loopback() || (own && address.is_link_local()),
            Ok(IpAddr::V6(address)) => address.is_loopback() || (own && address.is_unique_local()),
            Err(_) => host.eq_ignore_ascii_case("localhost"),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    /// Inputs, as on the command line.
    fn inputs(sts_endpoint: &str, audience: &str) -> Given {
        let flags = [
            format!("--sts-endpoint={sts_endpoint}"),
            format!("--audience={audience}"),
        ];
        let command = Given::augment_args(clap::Command::new("").no_binary_name(true));
        Given::from_arg_matches(&command.get_matches_from(flags)).unwrap()
    }

    #[test]
    fn an_audience_is_the_inputs_or_the_default() {
        for (given, want, origin) in [
            ("", "sts.amazonaws.com", Origin::Default),
            (" \n", "sts.amazonaws.com", Origin::Default),
            (" vault \n", "vault", Origin::Input("audience")),
        ] {
            let audience = Audience::of(&inputs("", given));
            assert_eq!((audience.as_str(), audience.origin()), (want, origin), "{given:?}");
        }
        for (role, want) in [
            ("arn:aws:iam::123456789012:role/r", "sts.amazonaws.com"),
            ("arn:aws-cn:iam::123456789012:role/r", "sts.amazonaws.com.cn"),
            ("no ARN", "sts.amazonaws.com"),
        ] {
            let audience = Audience::of_diagnosis_role(&OwnInputs {
                diagnosis_role: Some(role.to_owned()),
                ..OwnInputs::default()
            });
            assert_eq!(audience.as_str(), want, "{role}");
        }
    }

    #[test]
    fn an_endpoint_is_the_inputs_or_the_environments_or_awss_own() {
        let sts = |input: &str, variables: &[(&str, &str)]| {
            let env: Env = variables.iter().copied().collect();
            let sts = Destination::sts(&inputs(input, ""), &env);
            (sts.address().map(str::to_owned), sts.origin)
        };
        let both = |own, all| [("AWS_ENDPOINT_URL_STS", own), ("AWS_ENDPOINT_URL", all)];
        let is = |address: &str, origin| (Some(address.to_owned()), origin);
        let (own, all) = ("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL");
        assert_eq!(sts("", &[]), (None, Origin::Default));
        assert_eq!(sts("", &both(" ", "")), (None, Origin::Default));
        assert_eq!(
            sts("", &both("http://a", "http://b")),
            is("http://a", Origin::Variable(own))
        );
        assert_eq!(sts("", &both("", "http://b")), is("http://b", Origin::Variable(all)));
        assert_eq!(
            sts("http://c", &both("http://a", "http://b")),
            is("http://c", Origin::Input("sts-endpoint"))
        );
        let ignored = [(own, "http://a"), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")];
        assert_eq!(sts("", &ignored), (None, Origin::Default));
        assert_eq!(sts("http://c", &ignored), is("http://c", Origin::Input("sts-endpoint")));
        let env: Env = both("http://a", "http://b").into_iter().collect();
        assert_eq!(Destination::iam(&env).address(), Some("http://b"));
    }

    #[test]
    fn nothing_but_the_chosen_address_is_asked() {
        let none = Env::default();
        let aws = Destination::iam(&none);
        let given = Destination::sts(&inputs("https://sts.acme.example:8443/x", ""), &none);
        for (url, by_aws, by_given) in [
            ("https://sts.eu-west-1.amazonaws.com/", true, false),
            ("https://sts.cn-north-1.amazonaws.com.cn/", true, false),
            ("https://iam.amazonaws.com/?a=b", true, false),
            ("http://sts.eu-west-1.amazonaws.com/", false, false),
            ("https://sts.eu-west-1.amazonaws.com:8443/", false, false),
            ("https://amazonaws.com/", false, false),
            ("https://evilamazonaws.com/", false, false),
            ("https://amazonaws.com.example/", false, false),
            ("https://sts.amazonaws.com@evil.example/", false, false),
            ("https://127.0.0.1/", false, false),
            ("https://sts.acme.example:8443/other", false, true),
            ("https://STS.acme.example:8443/", false, true),
            ("https://sts.acme.example/", false, false),
            ("http://sts.acme.example:8443/x", false, false),
            ("https://evil.example:8443/x", false, false),
        ] {
            let parsed = Url::parse(url).unwrap();
            assert_eq!(
                (aws.admits(&parsed), given.admits(&parsed)),
                (by_aws, by_given),
                "{url}"
            );
        }
        let broken = Destination::sts(&inputs("no address", ""), &none);
        assert!(!broken.admits(&Url::parse("https://sts.amazonaws.com").unwrap()));
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        let (aws, machine) = (Destination::iam(&Env::default()), Destination::machine());
        for (url, loopback, metadata) in [
            ("http://127.0.0.1:8080/x", true, true),
            ("http://127.8.8.8/", true, true),
            ("http://[::1]:80/", true, true),
            ("http://LOCALHOST/", true, true),
            ("http://169.254.169.254/", false, true),
            ("http://[fd00:ec2::254]/", false, true),
            ("http://127.0.0.1@example.com/", false, false),
            ("http://127.0.0.1.example.com/", false, false),
            ("http://localhost.example.com/", false, false),
            ("http://10.0.0.1/", false, false),
            ("http://0.0.0.0/", false, false),
            ("http://[::ffff:127.0.0.1]/", false, false),
        ] {
            let parsed = Url::parse(url).unwrap();
            let found = (aws.admits_plain(&parsed), machine.admits_plain(&parsed));
            assert_eq!(found, (loopback, metadata), "{url}");
        }
    }
}
