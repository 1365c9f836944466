//! What GitHub's REST API says about the run, using the job's own token: the files of the running commit, the repository, how
//! its subjects are built, and what protects an environment. Each is a fact or a [`Gap`], and no call is made twice.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, USER_AGENT};
use reqwest::{Method, Request, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::{Instant, timeout_at};

use super::Env;
use super::http::{Http, Reply, authority};
use super::origin::Destination;
use crate::evidence::{Branches, Environment, Gap, Repository, SubjectTemplate, Why};
use crate::github::workflow;

/// How long to wait for an answer: this is all secondary to the diagnosis, which mustn't wait for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The API, as one job sees it.
pub(crate) struct Api<'a> {
    http: &'a Http,
    to: Destination,
    base: Url,
    bearer: HeaderValue,
    /// The repository that the job runs in: owner and name.
    repository: (&'a str, &'a str),
    /// All calls end by then.
    deadline: Instant,
}

/// A file of a repository at a commit.
pub(crate) struct Blob {
    /// Its id in git.
    pub id: Option<String>,
    /// Its text; a [`Gap`] if GitHub returns none, or more than a workflow can have.
    pub text: Result<String, Gap>,
}

/// A file of the repository at a commit: GitHub docs, "Get repository content".
#[derive(Deserialize)]
struct Content {
    #[serde(rename = "type")]
    kind: String,
    sha: Option<String>,
    #[serde(default)]
    encoding: String,
    #[serde(default)]
    content: String,
}

/// GitHub docs, "Get a repository".
#[derive(Deserialize)]
struct RepositoryJson {
    id: Option<u64>,
    full_name: String,
    owner: Option<Owner>,
    visibility: Option<String>,
    created_at: Option<String>,
    default_branch: Option<String>,
}

#[derive(Deserialize)]
struct Owner {
    id: Option<u64>,
}

/// GitHub docs, "Get an environment".
#[derive(Deserialize)]
struct EnvironmentJson {
    name: String,
    #[serde(default)]
    protection_rules: Vec<Rule>,
    deployment_branch_policy: Option<BranchPolicy>,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(rename = "type")]
    kind: String,
    wait_timer: Option<u32>,
    #[serde(default)]
    reviewers: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct BranchPolicy {
    #[serde(default)]
    protected_branches: bool,
}

impl<'a> Api<'a> {
    /// Uses the job's token. `None` if the environment names no API or no repository, or the token isn't valid.
    pub(crate) fn new(env: &'a Env, http: &'a Http, token: &SecretString, deadline: Instant) -> Option<Self> {
        let to = Destination::rest(env)?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).ok()?;
        bearer.set_sensitive(true);
        Some(Self {
            base: Url::parse(to.address()?).ok().filter(|base| !base.cannot_be_a_base())?,
            repository: env.get("GITHUB_REPOSITORY")?.split_once('/')?,
            http,
            to,
            bearer,
            deadline,
        })
    }

    /// Returns a file of a repository at a commit.
    ///
    /// # Errors
    /// A [`Gap`], also if it isn't a file.
    pub(crate) async fn file(&self, (owner, name): (&str, &str), path: &str, commit: &str) -> Result<Blob, Gap> {
        let segments = ["repos", owner, name, "contents"].into_iter().chain(path.split('/'));
        let content: Content = self
            .get(segments, Some(("ref", commit)), Some("contents: read"))
            .await?;
        let malformed = |what: &str| Gap::new(Why::Malformed, format!("GitHub has `{path}`, and it is {what}"));
        if content.kind != "file" {
            return Err(malformed("no file"));
        }
        let text = || {
            // For a large file, only the id is returned.
            if content.encoding != "base64" {
                return Err(malformed("too large to be read"));
            }
            let mut packed = content.content;
            packed.retain(|letter| !letter.is_ascii_whitespace());
            let bytes = STANDARD.decode(packed).map_err(|_| malformed("not in base64"))?;
            let text = String::from_utf8(bytes).map_err(|_| malformed("no text in UTF-8"))?;
            match text.len() > workflow::MAX_BYTES {
                true => Err(malformed("larger than 1 MiB")),
                false => Ok(text),
            }
        };
        Ok(Blob {
            id: content.sha,
            text: text(),
        })
    }

    /// Returns the repository that the job runs in.
    ///
    /// # Errors
    /// A [`Gap`].
    pub(crate) async fn repository(&self) -> Result<Repository, Gap> {
        let (owner, name) = self.repository;
        let read: RepositoryJson = self.get(["repos", owner, name], None, None).await?;
        let created = read.created_at.and_then(|at| OffsetDateTime::parse(&at, &Rfc3339).ok());
        Ok(Repository {
            name: read.full_name,
            id: read.id,
            owner_id: read.owner.and_then(|owner| owner.id),
            created: created.map(OffsetDateTime::unix_timestamp),
            visibility: read.visibility,
            default_branch: read.default_branch,
        })
    }

    /// Returns how the subjects of its tokens are built.
    ///
    /// # Errors
    /// A [`Gap`].
    pub(crate) async fn subject_template(&self) -> Result<SubjectTemplate, Gap> {
        let (owner, name) = self.repository;
        let path = ["repos", owner, name, "actions", "oidc", "customization", "sub"];
        self.get(path, None, Some("actions: read")).await
    }

    /// Returns what protects an environment.
    ///
    /// # Errors
    /// A [`Gap`].
    pub(crate) async fn environment(&self, environment: &str) -> Result<Environment, Gap> {
        let (owner, name) = self.repository;
        let path = ["repos", owner, name, "environments", environment];
        let read: EnvironmentJson = self.get(path, None, Some("actions: read")).await?;
        let is_named = |kind: &str| ["branch_policy", "required_reviewers", "wait_timer"].contains(&kind);
        let rules = &read.protection_rules;
        Ok(Environment {
            name: read.name,
            reviewers: rules.iter().map(|rule| rule.reviewers.len()).sum(),
            wait_minutes: rules.iter().filter_map(|rule| rule.wait_timer).max().unwrap_or(0),
            branches: read
                .deployment_branch_policy
                .map(|policy| match policy.protected_branches {
                    true => Branches::Protected,
                    false => Branches::Selected,
                }),
            other_rules: rules.iter().filter(|rule| !is_named(&rule.kind)).count(),
        })
    }

    /// `permission` is what the job's token needs if the repository is private.
    async fn get<T: DeserializeOwned>(
        &self,
        segments: impl IntoIterator<Item = &str>,
        query: Option<(&str, &str)>,
        permission: Option<&str>,
    ) -> Result<T, Gap> {
        let mut request = Request::new(Method::GET, address(&self.base, segments, query));
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.bearer.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
        headers.insert(USER_AGENT, HeaderValue::from_static("aws-oidc-doctor"));
        let path = request.url().path().to_owned();
        let deadline = self.deadline.min(Instant::now() + PATIENCE);
        let answer = timeout_at(deadline, self.http.send(request, &self.to)).await;
        let answer = answer.unwrap_or_else(|_| {
            let host = authority(self.base.as_str()).unwrap_or_default();
            let seconds = PATIENCE.as_secs();
            let what = format!("`{host}` does not answer within {seconds} s: check proxies and egress rules");
            Err(Gap::new(Why::TimedOut, what))
        });
        let answer = answer.inspect_err(|gap| tracing::info!(path, gap.detail, "GitHub's API"))?;
        tracing::info!(path, status = answer.status, "GitHub's API");
        if answer.status != 200 {
            return Err(refusal(&answer, permission));
        }
        serde_json::from_slice(&answer.body).map_err(|_| {
            let host = &answer.host;
            let what = answer.detour().unwrap_or_else(|| {
                format!("`{host}` answers with something that is not the JSON of GitHub's API: check the proxy")
            });
            Gap::new(Why::Malformed, what)
        })
    }
}

/// An address of the API. Whatever a segment contains, it stays one segment of the path.
fn address<'s>(base: &Url, segments: impl IntoIterator<Item = &'s str>, query: Option<(&str, &str)>) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    if let Some((name, value)) = query {
        url.query_pairs_mut().append_pair(name, value);
    }
    url
}

/// What an unsuccessful answer means.
fn refusal(answer: &Reply, permission: Option<&str>) -> Gap {
    let Reply { host, status, .. } = answer;
    if let Some(detour) = answer.detour() {
        return Gap::new(Why::Malformed, detour);
    }
    let said = format!("`{host}` answers with HTTP {status}");
    // GitHub docs, "Rate limits for the REST API", "Exceeding the rate limit".
    let is_used_up = answer.header("x-ratelimit-remaining") == Some("0") || answer.header("retry-after").is_some();
    let needs = permission.map_or_else(String::new, |permission| format!(" (`{permission}`)"));
    match status {
        429 => Gap::new(Why::Throttled, format!("{said}: too many requests{}", until(answer))),
        403 if is_used_up => Gap::new(Why::Throttled, format!("{said}: too many requests{}", until(answer))),
        401 => Gap::new(
            Why::AccessDenied,
            format!("{said}: it does not accept the token in `github-token`"),
        ),
        403 => Gap::new(
            Why::AccessDenied,
            format!("{said}: the job's token is not allowed to read it{needs}"),
        ),
        // Whatever a token isn't allowed to see is "not found" as well.
        404 => Gap::new(
            Why::NotFound,
            format!("{said}: there is none, or the job's token is not allowed to read it{needs}"),
        ),
        500.. => Gap::new(Why::Unreachable, said),
        _ => Gap::new(Why::Malformed, said),
    }
}

/// When the API will answer again, if it says so.
fn until(answer: &Reply) -> String {
    let number = |name| answer.header(name)?.parse::<i64>().ok();
    if let Some(seconds) = number("retry-after") {
        return format!(", and it answers again in {seconds} s");
    }
    let reset = number("x-ratelimit-reset").and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    reset.map_or_else(String::new, |at| {
        format!(", and it answers again from {:02}:{:02} UTC on", at.hour(), at.minute())
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderName};

    use super::*;

    #[test]
    fn a_name_stays_one_segment_of_the_address() {
        for (base, name, want) in [
            (
                "https://api.github.com",
                "production",
                "https://api.github.com/environments/production",
            ),
            (
                "https://git.acme.example/api/v3/",
                "eu/west 1",
                "https://git.acme.example/api/v3/environments/eu%2Fwest%201",
            ),
            (
                "https://api.acme.ghe.com",
                "../../user?x#y",
                "https://api.acme.ghe.com/environments/..%2F..%2Fuser%3Fx%23y",
            ),
            ("https://api.github.com", "..", "https://api.github.com/environments"),
            (
                "https://api.github.com",
                "@evil.example",
                "https://api.github.com/environments/@evil.example",
            ),
        ] {
            let url = address(&Url::parse(base).unwrap(), ["environments", name], None);
            assert_eq!(url.as_str(), want, "{name}");
        }
        let query = Some(("ref", "a&b"));
        let url = address(&Url::parse("https://api.github.com").unwrap(), ["x"], query);
        assert_eq!(url.as_str(), "https://api.github.com/x?ref=a%26b");
    }

    #[test]
    fn a_refusal_says_what_is_needed_or_when_to_come_again() {
        for (status, headers, why, want) in [
            (
                401,
                &[][..],
                Why::AccessDenied,
                "does not accept the token in `github-token`",
            ),
            (
                403,
                &[],
                Why::AccessDenied,
                "is not allowed to read it (`actions: read`)",
            ),
            (
                404,
                &[],
                Why::NotFound,
                "there is none, or the job's token is not allowed to read it (`actions: read`)",
            ),
            (
                403,
                &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1790001000")],
                Why::Throttled,
                "again from 14:30 UTC on",
            ),
            (
                403,
                &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "soon")],
                Why::Throttled,
                "too many requests",
            ),
            (
                403,
                &[("x-ratelimit-remaining", "4999")],
                Why::AccessDenied,
                "not allowed",
            ),
            (403, &[("retry-after", "60")], Why::Throttled, "answers again in 60 s"),
            (429, &[], Why::Throttled, "too many requests"),
            (502, &[], Why::Unreachable, "HTTP 502"),
            (
                301,
                &[("location", "https://evil.example/x?token=1")],
                Why::Malformed,
                "a redirect to `evil.example` that is not followed",
            ),
            (503, &[("content-type", "text/html")], Why::Malformed, "a web page"),
            (418, &[], Why::Malformed, "HTTP 418"),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let answer = Reply {
                host: "api.github.com".to_owned(),
                status,
                headers: map,
                body: Vec::new(),
            };
            let gap = refusal(&answer, Some("actions: read"));
            assert_eq!(gap.why, why, "{status} {headers:?}");
            assert!(gap.detail.contains(want), "{status} {headers:?}: {}", gap.detail);
        }
    }
}
