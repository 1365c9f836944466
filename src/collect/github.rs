//! GitHub's side: what the runner says about the job, and the ID token.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, USER_AGENT};
use reqwest::{Method, Request as HttpRequest, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::aws::{random, wait};
use super::http::{Http, Reply};
use super::origin::{Audience, Destination};
use super::{Env, files};
use crate::configure::REQUIRED_VARIABLES;
use crate::evidence::{Gap, HeldCredentials, Runner, Why};
use crate::github::claims;
use crate::github::claims::Token;
use crate::secrets::Secrets;

/// What the environment says about the job; `None` outside a job.
#[must_use]
pub(crate) fn runner(env: &Env) -> Option<Runner> {
    let requested = |name| env.get(name).is_some();
    if !is_job(env) {
        return None;
    }
    let text = |name| env.get(name).map(str::to_owned);
    let event = event(env).unwrap_or_default();
    Some(Runner {
        // If not granted, both are absent (actions/runner, `ContainerActionHandler.cs`).
        id_token_request: Some(requested(REQUEST_URL) && requested(REQUEST_TOKEN)),
        event_name: text("GITHUB_EVENT_NAME"),
        git_ref: text("GITHUB_REF"),
        repository: text("GITHUB_REPOSITORY"),
        head_repository: event
            .pull_request
            .and_then(|request| Some(request.head.repo?.full_name)),
        default_branch: event.repository.and_then(|repository| repository.default_branch),
        actor: text("GITHUB_ACTOR"),
        job: text("GITHUB_JOB"),
        workflow_ref: text("GITHUB_WORKFLOW_REF"),
        server_url: text("GITHUB_SERVER_URL"),
        runner_environment: text("RUNNER_ENVIRONMENT"),
        unset: REQUIRED_VARIABLES
            .into_iter()
            .filter(|name| env.get(name).is_none())
            .map(str::to_owned)
            .collect(),
        aws_credentials: Some(aws_credentials(env)),
    })
}

/// Whether this is a GitHub Actions job.
#[must_use]
pub fn is_job(env: &Env) -> bool {
    env.get("GITHUB_ACTIONS") == Some("true") || env.get(REQUEST_URL).is_some()
}

const REQUEST_URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const REQUEST_TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

/// Where the SDK's default chain would find credentials, in its order.
fn aws_credentials(env: &Env) -> HeldCredentials {
    let any = |names: &[&str]| names.iter().any(|name| env.get(name).is_some());
    if any(&["AWS_PROFILE"]) {
        HeldCredentials::Profile
    } else if any(&["AWS_ACCESS_KEY_ID"]) {
        HeldCredentials::Environment
    } else if any(&["AWS_WEB_IDENTITY_TOKEN_FILE"]) {
        HeldCredentials::WebIdentity
    } else if any(&[
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ]) {
        HeldCredentials::Container
    } else {
        HeldCredentials::None
    }
}

/// The parts of the event that are read; they differ from one event to the next. (GitHub docs, "Webhook events and payloads".)
#[derive(Default, Deserialize)]
struct Event {
    pull_request: Option<PullRequest>,
    repository: Option<EventRepository>,
}

#[derive(Deserialize)]
struct PullRequest {
    head: Head,
}

#[derive(Deserialize)]
struct Head {
    repo: Option<HeadRepository>,
}

#[derive(Deserialize)]
struct HeadRepository {
    full_name: String,
}

#[derive(Deserialize)]
struct EventRepository {
    default_branch: Option<String>,
}

/// Reads the event's file. GitHub's events are at most 25 MB.
fn event(env: &Env) -> Option<Event> {
    serde_json::from_str(&files::read(env.get("GITHUB_EVENT_PATH")?, 32 << 20).ok()?).ok()
}

/// The issuer of this server's tokens, as far as the job knows before it has one: an enterprise's own issuer ends in
/// its name, which only the token contains. (GitHub documentation, "OpenID Connect reference".)
#[must_use]
pub(crate) fn likely_issuer(env: &Env) -> String {
    let server = env.get("GITHUB_SERVER_URL").unwrap_or("https://github.com");
    let host = server
        .split_once("://")
        .map_or(server, |(_, host)| host)
        .trim_end_matches('/');
    if host == "github.com" {
        "https://token.actions.githubusercontent.com".to_owned()
    } else if host.ends_with(".ghe.com") {
        format!("https://token.actions.{host}")
    } else {
        format!("https://{host}/_services/token")
    }
}

/// An ID token and when it arrived.
pub(crate) struct IdToken {
    /// The token itself: for STS only.
    pub raw: SecretString,
    /// What it says.
    pub token: Token,
    /// The service's `Date` header.
    pub date: Option<i64>,
}

/// What JavaScript's `encodeURIComponent` leaves alone; actions/toolkit uses it to encode the audience.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// A service with a brief outage, or one that doesn't yet know the job has started, is asked again, as often
/// as configure-aws-credentials does by default.
const MOST_CALLS: u32 = 12;
/// How often its HTTP client retries by itself on gateway errors. (`@actions/http-client`, `_maxRetries`.)
const OF_A_GATEWAY: u32 = 11;

/// The largest answer containing a token: STS accepts tokens of up to 20 000 characters.
const MAX_ANSWER: usize = 64 << 10;

/// Requests an ID token, as often as the step would, and passes it to `mask` before anything else.
///
/// # Errors
/// A [`Gap`] that says why there is none. It contains no part of a token.
pub(crate) async fn id_token(
    env: &Env,
    http: &Http,
    audience: &Audience,
    attempts: u32,
    mask: &dyn Fn(&str),
) -> Result<IdToken, Gap> {
    let (Some(service), Some(token)) = (Destination::token_service(env), env.get(REQUEST_TOKEN)) else {
        return Err(Gap::new(Why::NotGranted, not_granted(env)));
    };
    let unusable = |what: &str| Gap::new(Why::Malformed, format!("{what}, so no token can be asked for"));
    let url = service.address().unwrap_or_default();
    let separator = if url.contains('?') { '&' } else { '?' };
    let address = match audience.as_str() {
        "" => url.to_owned(),
        audience => format!("{url}{separator}audience={}", utf8_percent_encode(audience, COMPONENT)),
    };
    let address = Url::parse(&address).map_err(|_| unusable("ACTIONS_ID_TOKEN_REQUEST_URL is not an address"))?;
    let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| unusable("ACTIONS_ID_TOKEN_REQUEST_TOKEN is not a header's value"))?;
    bearer.set_sensitive(true);
    let may_be_asked = service.admits(&address) && (address.scheme() == "https" || service.admits_plain(&address));
    let mut calls = 1;
    loop {
        let mut request = HttpRequest::new(Method::GET, address.clone());
        request.headers_mut().insert(AUTHORIZATION, bearer.clone());
        request
            .headers_mut()
            .insert(ACCEPT, HeaderValue::from_static("application/json"));
        request
            .headers_mut()
            .insert(USER_AGENT, HeaderValue::from_static("aws-oidc-doctor"));
        let answer = http.send_for_secret(request, &service).await;
        let most = match &answer {
            Ok(answer) => {
                tracing::info!(host = answer.host, status = answer.status, "ID token");
                match answer.status {
                    502..=504 => attempts.saturating_mul(OF_A_GATEWAY),
                    429 | 500.. => attempts,
                    _ => 0,
                }
            }
            Err(gap) => {
                tracing::info!(gap.detail, "ID token");
                let passes = may_be_asked && gap.why == Why::Unreachable;
                if passes { attempts } else { 0 }
            }
        };
        if calls >= most.min(MOST_CALLS) {
            return read(&answer?, http.secrets(), mask);
        }
        tokio::time::sleep(wait(calls, random())).await;
        calls += 1;
    }
}

fn not_granted(env: &Env) -> String {
    let missing = |name: &'static str| env.get(name).is_none().then_some(name);
    let missing: Vec<_> = [missing(REQUEST_URL), missing(REQUEST_TOKEN)]
        .into_iter()
        .flatten()
        .collect();
    format!(
        "{} not set: the job isn't allowed to request an ID token",
        match &*missing {
            [one] => format!("{one} is"),
            _ => format!("{} are", missing.join(" and ")),
        }
    )
}

fn read(answer: &Reply, secrets: &Secrets, mask: &dyn Fn(&str)) -> Result<IdToken, Gap> {
    #[derive(Deserialize)]
    struct Body {
        value: Option<String>,
    }
    let host = &answer.host;
    let malformed = |what: String| Gap::new(Why::Malformed, format!("`{host}` {what}"));
    if answer.status != 200 {
        let excerpt = answer.excerpt();
        let said = if excerpt.is_empty() {
            String::new()
        } else {
            format!(": {excerpt}")
        };
        let why = match answer.status {
            401 | 403 => Why::AccessDenied,
            404 => Why::NotFound,
            429 => Why::Throttled,
            500.. => Why::Unreachable,
            _ => Why::Malformed,
        };
        let status = answer.status;
        let detour = answer.detour();
        return Err(Gap::new(
            why,
            detour.unwrap_or_else(|| format!("`{host}` answers with HTTP {status}{said}")),
        ));
    }
    if answer.body.len() > MAX_ANSWER {
        return Err(malformed(
            "answers with more than 64 KiB, which is not a token".to_owned(),
        ));
    }
    let Ok(Body { value }) = serde_json::from_slice(&answer.body) else {
        return Err(malformed(match answer.is_page() {
            true => "answers with a web page instead of a token: check the proxy (HTTPS_PROXY, NO_PROXY)".to_owned(),
            false => "answers with something that is not JSON, or breaks off: check the proxy".to_owned(),
        }));
    };
    let Some(raw) = value.filter(|value| !value.is_empty()) else {
        return Err(malformed("answers without a token: its JSON has no `value`".to_owned()));
    };
    secrets.add(&raw);
    secrets.hand_over(mask);
    let raw = SecretString::from(raw);
    let token = claims::decode(raw.expose_secret())
        .map_err(|error| malformed(format!("answers with something that is not an ID token: {error}")))?;
    Ok(IdToken {
        raw,
        token,
        date: answer.date(),
    })
}

/// Reads the token in a file.
///
/// # Errors
/// A [`Gap`] if it isn't one.
pub(crate) fn token(text: String, secrets: &Secrets, mask: &dyn Fn(&str)) -> Result<IdToken, Gap> {
    secrets.add(text.trim());
    secrets.hand_over(mask);
    let raw = SecretString::from(text);
    let token = claims::decode(raw.expose_secret())
        .map_err(|error| Gap::new(Why::Malformed, format!("the token file holds no ID token: {error}")))?;
    Ok(IdToken { raw, token, date: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderMap;

    fn answer(status: u16, body: &str) -> Reply {
        Reply {
            host: "token.example".to_owned(),
            status,
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn an_answer_without_a_token_says_what_it_is() {
        let big = format!("{{\"value\": \"{}\"}}", "x".repeat(MAX_ANSWER));
        for (status, body, why, want) in [
            (
                403,
                "forbidden for SECRET-no-4711 eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzIn0.x",
                Why::AccessDenied,
                "HTTP 403: forbidden for *** ***",
            ),
            (404, "", Why::NotFound, "answers with HTTP 404"),
            (
                429,
                "{\"message\":\"slow\"}",
                Why::Throttled,
                "HTTP 429: {\"message\":\"slow\"}",
            ),
            (503, "<html>x", Why::Unreachable, "a web page"),
            (200, "<html>", Why::Malformed, "a web page"),
            (200, "{\"value\": \"eyJ", Why::Malformed, "breaks off"),
            (200, "{\"count\": 1}", Why::Malformed, "no `value`"),
            (200, "{\"value\": \"\"}", Why::Malformed, "no `value`"),
            (
                200,
                "{\"value\": \"SECRET-no-4711\"}",
                Why::Malformed,
                "not an ID token: it does not have the three parts",
            ),
            (200, &big, Why::Malformed, "64 KiB"),
        ] {
            let secrets = Secrets::default();
            secrets.know("SECRET-no-4711");
            let mut answer = answer(status, body);
            if status != 200 {
                answer = answer.scrubbed(&secrets);
            }
            let gap = read(&answer, &secrets, &|_| ()).err().unwrap();
            assert_eq!(gap.why, why, "{body}");
            assert!(gap.detail.contains(want), "{}", gap.detail);
            assert!(
                !gap.detail.contains("SECRET") && !gap.detail.contains("eyJ"),
                "{}",
                gap.detail
            );
        }
    }

    #[test]
    fn the_token_is_masked_before_it_is_read() {
        let masked = std::cell::RefCell::new(Vec::new());
        let secrets = Secrets::default();
        let read = |value: &str| {
            let body = format!("{{\"count\": 9, \"value\": \"{value}\"}}");
            read(&answer(200, &body), &secrets, &|raw| {
                masked.borrow_mut().push(raw.to_owned())
            })
        };
        let token = read("e30.eyJzdWIiOiJzIn0.x").ok().unwrap();
        assert_eq!(token.token.claims.subject(), Some("s"));
        assert_eq!(*masked.borrow(), ["e30.eyJzdWIiOiJzIn0.x"]);
        assert!(read("no.Token.at.all").is_err());
        assert_eq!(masked.borrow().len(), 2);
        // The same secret again needs no second mask and arrives whole.
        assert!(read("e30.eyJzdWIiOiJzIn0.x").is_ok());
        // Masking a letter or a word would blank out the log.
        for word in [
            "e",
            "deploy",
            "authorized",
            "Not authorized to perform sts:AssumeRoleWithWebIdentity",
        ] {
            assert!(read(word).is_err());
        }
        assert_eq!(masked.borrow().len(), 2);
    }

    #[test]
    fn the_issuer_follows_the_server() {
        for (server, want) in [
            (None, "https://token.actions.githubusercontent.com"),
            (
                Some("https://github.com"),
                "https://token.actions.githubusercontent.com",
            ),
            (Some("https://acme.ghe.com"), "https://token.actions.acme.ghe.com"),
            (
                Some("https://git.acme.example/"),
                "https://git.acme.example/_services/token",
            ),
        ] {
            let env: Env = server.map(|server| ("GITHUB_SERVER_URL", server)).into_iter().collect();
            assert_eq!(likely_issuer(&env), want);
        }
    }

    #[test]
    fn a_pull_request_says_where_it_comes_from() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("event.json");
        for (event, want, branch) in [
            (
                r#"{"pull_request": {"head": {"repo": {"full_name": "fork/widgets"}}}}"#,
                Some("fork/widgets"),
                None,
            ),
            (
                r#"{"pull_request": {"head": {"repo": null}}, "repository": {"default_branch": "trunk"}}"#,
                None,
                Some("trunk"),
            ),
            (r#"{"ref": "refs/heads/main", "repository": {"id": 1}}"#, None, None),
            ("no JSON", None, None),
        ] {
            std::fs::write(&path, event).unwrap();
            let env: Env = [
                ("GITHUB_ACTIONS", "true"),
                ("GITHUB_EVENT_PATH", path.to_str().unwrap()),
            ]
            .into_iter()
            .collect();
            let runner = runner(&env).unwrap();
            assert_eq!(runner.head_repository.as_deref(), want, "{event}");
            assert_eq!(runner.default_branch.as_deref(), branch, "{event}");
            assert_eq!(
                (runner.id_token_request, runner.aws_credentials),
                (Some(false), Some(HeldCredentials::None))
            );
        }
        assert_eq!(runner(&Env::default()), None);
    }
}
