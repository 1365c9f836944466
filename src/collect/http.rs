//! The only way to the network, for the token service and for AWS: its limits, its proxies and certificates, and what
//! failures mean. TLS is allowed to any host; plain HTTP only to this machine, and never through a proxy.

use std::error::Error as _;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::{DateTime, Format};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Certificate, Client, NoProxy, Proxy, Request, Response, Url, redirect};
use rustls::crypto::ring::default_provider;
use rustls::crypto::{CryptoProvider, KeyProvider};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;

use super::Env;
use super::origin::Destination;
use crate::evidence::{Gap, Why};
use crate::secrets::Secrets;

/// Time limit for connecting.
pub(crate) const CONNECT: Duration = Duration::from_secs(3);
/// Time limit for the answer, from the start of the request to the end of the body.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);

/// The largest answer that is read: a file of 1 MiB in base64.
const MAX_BODY: usize = 3 << 19;
/// The largest certificate file that is read.
const MAX_CERTIFICATES: u64 = 4 << 20;
/// The longest excerpt of an answer that is shown.
const EXCERPT: usize = 160;

/// HTTP with limits: no redirects, bounded answers, timeouts.
#[derive(Clone)]
pub(crate) struct Http {
    secure: Client,
    plain: Client,
    /// The configured proxy, host and port only, to name it when a call fails.
    proxy: Option<String>,
    certificates: bool,
    secrets: Secrets,
}

/// Nobody is shown a certificate of ours; without keys for one, no code that signs is in the binary.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("no keys".to_owned()))
    }
}

impl Http {
    /// Uses the proxies and certificates of the environment: `HTTPS_PROXY`, `NO_PROXY`, `SSL_CERT_FILE`, and
    /// `AWS_CA_BUNDLE`, whose certificates are trusted in addition to the system's. Secrets are removed from all answers.
    ///
    /// # Errors
    /// A [`Gap`] if a certificate file can't be read, or this machine has no TLS.
    pub(crate) fn new(env: &Env, secrets: &Secrets) -> Result<Self, Gap> {
        Self::with(env, secrets, None)
    }

    /// The same with configure-aws-credentials' `http-proxy` and `no-proxy`, which it uses for STS.
    ///
    /// # Errors
    /// As [`Self::new`], and if the proxy's address isn't valid.
    pub(crate) fn through(&self, env: &Env, proxy: &str, no_proxy: Option<&str>) -> Result<Self, Gap> {
        let unusable = || Gap::new(Why::Unreachable, "`http-proxy` is not the address of a proxy");
        let rule = Proxy::all(proxy).map_err(|_| unusable())?;
        let rule = rule.no_proxy(no_proxy.and_then(NoProxy::from_string).or_else(NoProxy::from_env));
        Self::with(env, &self.secrets, Some((rule, authority(proxy))))
    }

    fn with(env: &Env, secrets: &Secrets, proxy: Option<(Proxy, Option<String>)>) -> Result<Self, Gap> {
        let limits = || {
            Client::builder()
                .connect_timeout(CONNECT)
                .timeout(ANSWER)
                .redirect(redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
        };
        // If one is already installed, it is this one.
        let _ = CryptoProvider {
            key_provider: &NoKeys,
            ..default_provider()
        }
        .install_default();
        let (rule, named) = match proxy {
            Some((rule, named)) => (Some(rule), named),
            None => {
                let names = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
                (None, names.iter().find_map(|name| env.get(name)).and_then(authority))
            }
        };
        let bundle = bundle(env)?;
        // The TLS library reads it whole, whatever it is.
        if let Some(path) = env.get("SSL_CERT_FILE").filter(|path| Path::new(path).exists()) {
            super::files::read(path, MAX_CERTIFICATES)
                .map_err(|message| Gap::new(Why::Unreachable, format!("SSL_CERT_FILE: {message}")))?;
        }
        let secure = || match &rule {
            Some(rule) => limits().proxy(rule.clone()),
            None => limits(),
        };
        let no_tls = |_| Gap::new(Why::Unreachable, "TLS cannot be set up on this machine");
        // Without any certificate on the system the builder fails; plain HTTP on this machine still works then.
        let (secure, certificates) = match secure().tls_certs_merge(bundle.clone()).build() {
            Ok(client) => (client, true),
            Err(_) => {
                let certificates = !bundle.is_empty();
                (secure().tls_certs_only(bundle).build().map_err(no_tls)?, certificates)
            }
        };
        Ok(Self {
            secure,
            plain: limits().no_proxy().tls_certs_only([]).build().map_err(no_tls)?,
            proxy: named,
            certificates,
            secrets: secrets.clone(),
        })
    }

    /// The secrets removed from answers.
    #[must_use]
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Sends a request if its destination admits it, and reads the answer with all secrets removed.
    ///
    /// # Errors
    /// A [`Gap`] that names the host and what to check. It contains no part of the request.
    pub(crate) async fn send(&self, request: Request, to: &Destination) -> Result<Reply, Gap> {
        Ok(self.fetch(request, to).await?.scrubbed(&self.secrets))
    }

    /// The same for a request for a secret: an answer with status 200 is left as is, and its reader adds the secret to [`Self::secrets`].
    ///
    /// # Errors
    /// As [`Self::send`].
    pub(crate) async fn send_for_secret(&self, request: Request, to: &Destination) -> Result<Reply, Gap> {
        let answer = self.fetch(request, to).await?;
        Ok(match answer.status {
            200 => answer,
            _ => answer.scrubbed(&self.secrets),
        })
    }

    async fn fetch(&self, request: Request, to: &Destination) -> Result<Reply, Gap> {
        // The last word is the token, or the signature.
        let shown = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        if let Some(word) = shown.and_then(|value| value.rsplit([' ', '=']).next()) {
            self.secrets.know(word);
        }
        self.exchange(request, to)
            .await
            .map_err(|gap| Gap::new(gap.why, self.secrets.scrub(&gap.detail)))
    }

    async fn exchange(&self, mut request: Request, to: &Destination) -> Result<Reply, Gap> {
        let host = authority(request.url().as_str()).unwrap_or_default();
        if !to.admits(request.url()) {
            return Err(Gap::new(
                Why::Unreachable,
                format!(
                    "`{host}` is not called: it is neither AWS's own host nor the one that was given: check the region and the endpoint"
                ),
            ));
        }
        let client = match request.url().scheme() {
            "https" => &self.secure,
            "http" if to.admits_plain(request.url()) => &self.plain,
            _ => {
                return Err(Gap::new(
                    Why::Unreachable,
                    format!("`{host}` is not called: without https the token or a key could be read on the way"),
                ));
            }
        };
        // A name and password in the address would be sent; nothing here needs them.
        let _ = request.url_mut().set_username("");
        let _ = request.url_mut().set_password(None);
        let answer = async {
            let response = client.execute(request).await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = read(response).await?;
            Ok((status, headers, body))
        };
        match answer.await {
            Ok((status, headers, Some(body))) => Ok(Reply {
                host,
                status,
                headers,
                body,
            }),
            Ok((..)) => Err(Gap::new(
                Why::Malformed,
                format!(
                    "`{host}` answers with more than 1 MiB: this is not the service, check proxies and the address"
                ),
            )),
            Err(error) => Err(self.fault(&error, &host)),
        }
    }

    /// What a failed request means, and what to check.
    fn fault(&self, error: &reqwest::Error, host: &str) -> Gap {
        let mut chain = Vec::new();
        let mut cause = error.source();
        while let Some(error) = cause {
            chain.push(error);
            cause = error.source();
        }
        let texts: Vec<String> = chain.iter().map(ToString::to_string).collect();
        let says = |word: &str| texts.iter().any(|text| text.contains(word));
        let io = |wanted: std::io::ErrorKind| {
            chain.iter().any(|error| {
                error
                    .downcast_ref::<std::io::Error>()
                    .is_some_and(|io| io.kind() == wanted)
            })
        };
        let root = clean(texts.last().map_or("", String::as_str), EXCERPT);
        let way = match &self.proxy {
            Some(proxy) => format!("check the proxy `{proxy}` (HTTPS_PROXY, NO_PROXY) and at egress rules"),
            None => "check egress rules, and whether this network needs HTTPS_PROXY".to_owned(),
        };
        let (why, what) = if error.is_timeout() && error.is_connect() {
            (
                Why::TimedOut,
                format!("`{host}` accepts no connection within {} s: {way}", CONNECT.as_secs()),
            )
        } else if error.is_timeout() {
            (
                Why::TimedOut,
                format!("`{host}` does not answer within {} s: {way}", ANSWER.as_secs()),
            )
        } else if says("dns error") || says("invalid dns name") {
            (
                Why::Unreachable,
                format!(
                    "the name `{host}` does not resolve: check the region or address, at DNS and the proxy settings"
                ),
            )
        } else if says("certificate") && !self.certificates {
            (
                Why::Unreachable,
                format!("`{host}` cannot be verified: no CA certificates on this machine; set SSL_CERT_FILE"),
            )
        } else if says("certificate") {
            (
                Why::Unreachable,
                format!(
                    "`{host}` shows a certificate that is not trusted ({root}): where a proxy opens TLS, set SSL_CERT_FILE or AWS_CA_BUNDLE to its CA"
                ),
            )
        } else if says("tunnel") || says("proxy") {
            (
                Why::Unreachable,
                format!("`{host}` is not reached through the proxy ({root}): {way}"),
            )
        } else if io(std::io::ErrorKind::ConnectionRefused) {
            (
                Why::Unreachable,
                format!("`{host}` refuses the connection: check the address; {way}"),
            )
        } else if error.is_connect() {
            (Why::Unreachable, format!("no connection to `{host}` ({root}): {way}"))
        } else if error.is_body() || error.is_decode() {
            (
                Why::Malformed,
                format!("the answer of `{host}` breaks off ({root}): {way}"),
            )
        } else {
            (
                Why::Unreachable,
                format!("`{host}` closes the connection before it answers ({root}): {way}"),
            )
        };
        Gap::new(why, what)
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Http")
    }
}

/// An answer, whatever its status.
pub(crate) struct Reply {
    /// The host and port that answered.
    pub host: String,
    /// The HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The `Date` header, seconds since 1970.
    #[must_use]
    pub(crate) fn date(&self) -> Option<i64> {
        let date = self.headers.get(DATE)?.to_str().ok()?;
        Some(DateTime::from_str(date, Format::HttpDate).ok()?.secs())
    }

    /// The host that a redirect points to. Redirects aren't followed: a token goes only where it was meant to go.
    #[must_use]
    pub(crate) fn redirect(&self) -> Option<String> {
        let location = self.headers.get(LOCATION)?.to_str().ok()?;
        (300..400)
            .contains(&self.status)
            .then(|| authority(location).unwrap_or_default())
    }

    /// Whether it is a page for people: from a proxy, a firewall, a login.
    #[must_use]
    pub(crate) fn is_page(&self) -> bool {
        let kind = self
            .headers
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        let start = self
            .body
            .trim_ascii_start()
            .first_chunk::<5>()
            .map(|start| start.to_ascii_lowercase());
        kind.contains("html") || start.is_some_and(|start| start == *b"<html" || start == *b"<!doc")
    }

    /// What answered in the service's place: a redirect, or a page for people.
    #[must_use]
    pub(crate) fn detour(&self) -> Option<String> {
        let said = format!("`{}` answers with HTTP {}", self.host, self.status);
        match self.redirect() {
            Some(to) => Some(format!(
                "{said}, a redirect to `{to}` that is not followed: check the proxy"
            )),
            None => self.is_page().then(|| {
                format!("{said} and a web page, so something is in between: check the proxy (HTTPS_PROXY, NO_PROXY)")
            }),
        }
    }

    /// Returns a header, if present and text.
    #[must_use]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether the XML ends where its first element does. The SDK reads half a document as if it were whole, and half a list
    /// of providers isn't a list.
    #[must_use]
    pub(crate) fn is_whole(&self) -> bool {
        let text = self.body.trim_ascii();
        let Some(start) = text.strip_prefix(b"<") else {
            return true;
        };
        // An XML declaration comes first.
        let start = match start.strip_prefix(b"?") {
            Some(_) => text
                .windows(2)
                .position(|end| end == b"?>")
                .and_then(|end| text.get(end + 2..)),
            None => Some(text),
        };
        let name = start.and_then(|start| start.trim_ascii_start().strip_prefix(b"<"));
        let name = name.map(|name| {
            name.split(|byte| byte.is_ascii_whitespace() || b"/>".contains(byte))
                .next()
        });
        let (Some(Some(name)), Some(text)) = (name, text.strip_suffix(b">")) else {
            return false;
        };
        text.trim_ascii_end()
            .strip_suffix(name)
            .is_some_and(|text| text.ends_with(b"</"))
            || text.ends_with(b"/")
    }

    /// A short excerpt of the body, without control characters.
    #[must_use]
    pub(crate) fn excerpt(&self) -> String {
        let text = String::from_utf8_lossy(self.body.get(..8192).unwrap_or(&self.body));
        clean(&text, EXCERPT)
    }

    /// The same with all secrets removed from the body and the headers.
    #[must_use]
    pub(crate) fn scrubbed(mut self, secrets: &Secrets) -> Self {
        let scrubbed = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let clean = secrets.scrub(&text);
            (clean != text).then(|| clean.into_owned().into_bytes())
        };
        if let Some(clean) = scrubbed(&self.body) {
            self.body = clean;
        }
        for value in self.headers.values_mut() {
            if let Some(clean) = scrubbed(value.as_bytes()) {
                *value = HeaderValue::from_bytes(&clean).unwrap_or(HeaderValue::from_static("***"));
            }
        }
        self
    }
}

/// One line of at most this many characters, without control characters.
#[must_use]
pub(crate) fn clean(text: &str, most: usize) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// Host and port of an address only: no name, no password, no query.
#[must_use]
pub(crate) fn authority(url: &str) -> Option<String> {
    let url = if url.contains("://") {
        Url::parse(url)
    } else {
        Url::parse(&format!("http://{url}"))
    }
    .ok()?;
    let host = url.host_str()?;
    Some(
        url.port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
    )
}

/// Returns `None` if it is too long.
async fn read(mut response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_BODY {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

fn bundle(env: &Env) -> Result<Vec<Certificate>, Gap> {
    let Some(path) = env.get("AWS_CA_BUNDLE") else {
        return Ok(Vec::new());
    };
    let unreadable = |message: String| Gap::new(Why::Unreachable, format!("AWS_CA_BUNDLE: {message}"));
    let pem = super::files::read(path, MAX_CERTIFICATES).map_err(unreadable)?;
    match Certificate::from_pem_bundle(pem.as_bytes()) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(unreadable(format!("`{path}` holds no PEM certificates"))),
    }
}

/// The AWS SDK's connection to [`Http`]. It remembers the last answer, because the SDK's errors don't include it.
#[derive(Clone)]
pub(crate) struct Line {
    http: Http,
    to: Destination,
    /// Whether the answers contain credentials.
    secret: bool,
    seen: Arc<Mutex<Seen>>,
}

/// What came back from the last request on a [`Line`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Host and port.
    pub host: String,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Whether a page for people came instead of AWS's answer.
    pub page: bool,
    /// The `Date` header.
    pub date: Option<i64>,
    /// Why there was no answer.
    pub gap: Option<Gap>,
    /// Whether the request was sent, at least in part.
    pub was_asked: bool,
}

impl Line {
    /// Creates a line for one call, to this destination.
    #[must_use]
    pub(crate) fn new(http: &Http, to: &Destination) -> Self {
        Self {
            http: http.clone(),
            to: to.clone(),
            secret: false,
            seen: Arc::default(),
        }
    }

    /// Creates a line for a call that asks for credentials, as [`Http::send_for_secret`].
    #[must_use]
    pub(crate) fn for_secret(http: &Http, to: &Destination) -> Self {
        Self {
            secret: true,
            ..Self::new(http, to)
        }
    }

    /// Returns what came back last.
    #[must_use]
    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().map(|seen| seen.clone()).unwrap_or_default()
    }

    async fn exchange(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let wrong = |error: Box<dyn std::error::Error + Send + Sync>| ConnectorError::user(error);
        let request = request.try_into_http1x().map_err(|error| wrong(error.into()))?;
        let request = request.map(|body| body.bytes().unwrap_or_default().to_vec());
        let request = Request::try_from(request).map_err(|error| wrong(error.into()))?;
        let host = authority(request.url().as_str()).unwrap_or_default();
        tracing::info!(host, method = %request.method(), "request");
        let url = request.url();
        let was_asked = self.to.admits(url) && (url.scheme() == "https" || self.to.admits_plain(url));
        let mut answer = match self.secret {
            true => self.http.send_for_secret(request, &self.to).await,
            false => self.http.send(request, &self.to).await,
        };
        if let Ok(cut) = &answer
            && !cut.is_page()
            && !cut.is_whole()
        {
            let detail = format!("the answer of `{host}` breaks off: check the proxy and egress rules");
            answer = Err(Gap::new(Why::Malformed, detail));
        }
        let seen = match &answer {
            Ok(answer) => Seen {
                host,
                status: Some(answer.status),
                page: answer.is_page(),
                date: answer.date(),
                gap: None,
                was_asked,
            },
            Err(gap) => Seen {
                host,
                gap: Some(gap.clone()),
                was_asked,
                ..Seen::default()
            },
        };
        tracing::info!(
            host = seen.host,
            status = seen.status,
            gap = seen.gap.as_ref().map(|gap| &*gap.detail),
            "answer"
        );
        if let Ok(mut last) = self.seen.lock() {
            *last = seen;
        }
        // The SDK retries if no connection was made or it broke; a host that timed out once will do so again.
        let answer = answer.map_err(|gap| match gap.why {
            Why::Unreachable => ConnectorError::io(gap.detail.into()),
            _ => ConnectorError::other(gap.detail.into(), None),
        })?;
        let status = answer.status.try_into().map_err(|_| wrong("no HTTP status".into()))?;
        let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
        for (name, value) in &answer.headers {
            if let Ok(value) = value.to_str() {
                let _ = response
                    .headers_mut()
                    .try_append(name.as_str().to_owned(), value.to_owned());
            }
        }
        Ok(response)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Line")
    }
}

impl HttpConnector for Line {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().exchange(request))
    }
}

impl HttpClient for Line {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_host_and_port_of_an_address_are_shown() {
        for (url, want) in [
            ("https://user:secret@proxy.example:3128/x?y", "proxy.example:3128"),
            ("user:secret@proxy:3128", "proxy:3128"),
            ("https://sts.amazonaws.com", "sts.amazonaws.com"),
        ] {
            assert_eq!(authority(url).as_deref(), Some(want), "{url}");
        }
    }

    #[test]
    fn an_excerpt_is_one_short_line_without_secrets() {
        let answer = |body: &str| Reply {
            host: String::new(),
            status: 500,
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        };
        let secrets = Secrets::default();
        secrets.know("request-token-4711");
        let body = "a\r\n::error::b\u{1b}[31m request-token/4711 eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzIn0.sig, \u{202e}x";
        let shown = answer(body).scrubbed(&secrets).excerpt();
        assert_eq!(shown, "a ::error::b [31m *** ***, \u{202e}x");
        assert_eq!(answer(&"ä".repeat(10_000)).excerpt().chars().count(), EXCERPT + 1);
        for (body, whole) in [
            ("<a x='1'><b>c</b></a>\n", true),
            ("<?xml version='1.0'?>\n<a><b/></a >", true),
            ("<a/>", true),
            ("{}", true),
            ("", true),
            ("<a><b>c</b>", false),
            ("<a><b>c</b><", false),
            ("<?xml version='1.0'?>", false),
            ("<?xml version=", false),
            ("<a", false),
        ] {
            assert_eq!(answer(body).is_whole(), whole, "{body}");
        }
        assert!(answer(" <!DOCTYPE html>").is_page());
        assert!(!answer("<ErrorResponse>").is_page());
    }
}
