//! HTTP/1.1 on loopback, one thread and one request per connection, and the faults.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::SockRef;
use time::OffsetDateTime;
use time::macros::format_description;

use super::scenario::Scenario;
use super::services;

/// What a request calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// GitHub's ID-token service.
    IdToken,
    /// The attempt.
    AssumeRoleWithWebIdentity,
    /// The same call, for the role in the input `diagnosis-role`.
    DiagnosisRole,
    AssumeRole,
    GetCallerIdentity,
    GetRole,
    GetOpenIdConnectProvider,
    ListOpenIdConnectProviders,
    /// GitHub's REST API: a file of the repository.
    Contents,
    /// The repository itself.
    Repository,
    /// The template of its subjects.
    SubjectTemplate,
    /// An environment and its protection rules.
    Environment,
    /// IAM's calls about a role's policies: `GetRolePolicy`, `GetPolicy` and the like.
    RolePolicies,
    /// The same for a user and its groups.
    UserPolicies,
    /// `CONNECT` to the proxy.
    Proxy,
    /// Anything else.
    Other,
}

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing listens. It affects the whole service that the call belongs to.
    Refused,
    /// The connection is reset after the request is read.
    Reset,
    /// No answer, until the client gives up.
    Hang,
    /// The right answer, late.
    Slow(Duration),
    /// Half of the announced body.
    Truncated,
    /// A body without an end.
    Endless,
    /// This status, with the error that the service would send.
    Status(u16),
    /// STS can't pack the session tags.
    TagsTooLarge,
    /// A page of HTML from a proxy, status 200.
    ProxyPage,
    /// Half of a JSON or XML document, sent as if it were whole.
    Malformed,
    /// A redirect to [`super::World::elsewhere_url`].
    Redirect,
    /// TLS with an unknown authority. It affects the whole service.
    UnknownCa,
    /// The service's name can't be resolved. It affects the whole service.
    NoSuchHost,
    /// The answer repeats every secret in the request: with this status, here, and in this form.
    Echo(u16, Place, Form),
}

/// Where an answer repeats secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the error's code.
    Code,
    /// In a header: `x-amzn-RequestId`.
    Header,
    /// In the error's message; in a correct answer, in the ARN or beside the token.
    Text,
}

/// How they are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Whole,
    Base64,
    Capitals,
    Entities,
    Percent,
    Reversed,
    /// `/` for `.`.
    Slashes,
    /// A space every 20 letters.
    Spaced,
}

/// A request as received, and when.
#[derive(Debug, Clone)]
pub struct Request {
    pub call: Call,
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
    /// The body's fields, or the query's.
    pub form: BTreeMap<String, String>,
    /// When it was read.
    pub began: Instant,
    /// When its answer was written or abandoned.
    pub ended: Option<Instant>,
}

impl Request {
    /// Whether both were under way at the same time.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (Some(end), Some(other_end)) = (self.ended, other.ended) else {
            return false;
        };
        self.began < other_end && other.began < end
    }

    /// Whether it is for GitHub's REST API.
    pub fn is_rest(&self) -> bool {
        home(self.call) == Service::Rest
    }

    /// Whether it was signed with AWS credentials.
    pub fn is_signed(&self) -> bool {
        self.access_key().is_some()
    }

    /// The ID of the access key that signed it.
    pub fn access_key(&self) -> Option<&str> {
        self.headers
            .get("authorization")?
            .split("Credential=")
            .nth(1)?
            .split('/')
            .next()
    }
}

/// One of the simulated services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Token,
    Sts,
    Iam,
    Rest,
    Elsewhere,
}

/// A response.
pub struct Response {
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
    pub headers: Vec<(&'static str, String)>,
}

/// What the threads share.
pub struct State {
    pub scenario: Arc<Scenario>,
    faults: Mutex<Vec<(Call, Fault, usize)>>,
    delay: Duration,
    clock_ahead: i64,
    elsewhere: String,
    requests: Mutex<Vec<Request>>,
    secrets: Mutex<Vec<String>>,
    ending: AtomicBool,
}

impl State {
    pub fn new(
        scenario: Arc<Scenario>,
        faults: Vec<(Call, Fault, usize)>,
        delay: Duration,
        clock_ahead: i64,
        elsewhere: String,
    ) -> Self {
        Self {
            scenario,
            faults: Mutex::new(faults),
            delay,
            clock_ahead,
            elsewhere,
            requests: Mutex::default(),
            secrets: Mutex::default(),
            ending: AtomicBool::new(false),
        }
    }

    /// The services' clock, seconds since 1970.
    pub fn now(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        i64::try_from(now.as_secs()).unwrap() + self.clock_ahead
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub fn secrets(&self) -> Vec<String> {
        self.secrets.lock().unwrap().clone()
    }

    /// Remembers what must not be in any output.
    pub fn keep_secret(&self, secret: &str) {
        self.secrets.lock().unwrap().push(secret.to_owned());
    }

    /// The fault that makes a whole service unreachable.
    pub fn endpoint_fault(&self, service: Service) -> Option<Fault> {
        let faults = self.faults.lock().unwrap();
        faults
            .iter()
            .find(|(call, fault, _)| {
                matches!(fault, Fault::Refused | Fault::UnknownCa | Fault::NoSuchHost) && home(*call) == service
            })
            .map(|(_, fault, _)| *fault)
    }

    fn next_fault(&self, call: Call) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let (_, fault, left) = faults.iter_mut().find(|(of, _, left)| *of == call && *left > 0)?;
        *left -= 1;
        Some(*fault)
    }

    fn begin(&self, request: Request) -> usize {
        let mut requests = self.requests.lock().unwrap();
        requests.push(request);
        requests.len() - 1
    }

    fn end(&self, index: usize) {
        self.requests.lock().unwrap()[index].ended = Some(Instant::now());
    }
}

/// A listener and its thread.
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers every connection in a thread of its own.
    pub fn start(listener: TcpListener, service: Service, state: &Arc<State>, tls: Option<Arc<ServerConfig>>) -> Self {
        Self::accept(listener, state, move |tcp, state| {
            // Clients may disconnect at any time; that doesn't fail a test.
            let _ = match &tls {
                Some(config) => ServerConnection::new(Arc::clone(config))
                    .map_err(io::Error::other)
                    .and_then(|session| converse(&mut StreamOwned::new(session, tcp), service, state)),
                None => converse(&mut { tcp }, service, state),
            };
        })
    }

    /// The address it listens on.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    fn accept(
        listener: TcpListener,
        state: &Arc<State>,
        serve: impl Fn(TcpStream, &Arc<State>) + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(state);
        let serve = Arc::new(serve);
        let thread = thread::spawn(move || {
            for tcp in listener.incoming() {
                if shared.ending.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(tcp) = tcp else { continue };
                let (serve, state) = (Arc::clone(&serve), Arc::clone(&shared));
                thread::spawn(move || serve(tcp, &state));
            }
        });
        Self {
            address,
            state: Arc::clone(state),
            thread: Some(thread),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.ending.store(true, Ordering::SeqCst);
        // One more connection wakes the thread.
        if TcpStream::connect(self.address).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

/// A proxy that routes every name to its service.
pub fn start_proxy(state: &Arc<State>, services: [String; 4]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Server::accept(listener, state, move |mut near, state| {
        let Ok(Some(mut request)) = read(&mut near) else { return };
        request.call = Call::Proxy;
        let target = request.target.clone();
        let index = state.begin(request);
        let [token, sts, iam, rest] = &services;
        let to = match target.as_str() {
            host if host.starts_with("sts.") => sts,
            host if host.starts_with("iam.") => iam,
            host if host.starts_with("api.") => rest,
            host if host.contains("actions.githubusercontent.com") => token,
            host => host,
        };
        let Ok(mut far) = TcpStream::connect(to) else { return };
        let _ = near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
        let (mut from_far, mut to_near) = (far.try_clone().unwrap(), near.try_clone().unwrap());
        let back = thread::spawn(move || {
            let _ = io::copy(&mut from_far, &mut to_near);
            let _ = to_near.shutdown(std::net::Shutdown::Both);
        });
        let _ = io::copy(&mut near, &mut far);
        let _ = far.shutdown(std::net::Shutdown::Both);
        let _ = back.join();
        state.end(index);
    })
}

/// The connection below, for the faults of TCP.
trait Connection: Read + Write {
    fn tcp(&self) -> &TcpStream;
}

impl Connection for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Connection for StreamOwned<ServerConnection, TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref()
    }
}

/// Reads a request and answers it, correctly or with a fault.
fn converse(stream: &mut impl Connection, service: Service, state: &State) -> io::Result<()> {
    let Some(mut request) = read(stream)? else {
        return Ok(());
    };
    request.call = services::recognise(&request, service, state);
    let fault = state.next_fault(request.call);
    let index = state.begin(request.clone());
    thread::sleep(state.delay);
    let done = answer(stream, &request, service, state, fault);
    state.end(index);
    done
}

fn answer(
    stream: &mut impl Connection,
    request: &Request,
    service: Service,
    state: &State,
    fault: Option<Fault>,
) -> io::Result<()> {
    let right = || services::answer(request, service, state);
    match fault {
        None | Some(Fault::Refused | Fault::UnknownCa | Fault::NoSuchHost) => send(stream, state, &right()),
        Some(Fault::Slow(delay)) => {
            thread::sleep(delay);
            send(stream, state, &right())
        }
        Some(Fault::Reset) => SockRef::from(stream.tcp()).set_linger(Some(Duration::ZERO)),
        Some(Fault::Hang) => {
            // Ends when the client closes its end.
            while !matches!(stream.read(&mut [0; 1024]), Ok(0) | Err(_)) {}
            Ok(())
        }
        Some(Fault::Truncated) => {
            let whole = right();
            let half = &whole.body.as_bytes()[..whole.body.len() / 2];
            stream.write_all(head(state, &whole, Some(whole.body.len())).as_bytes())?;
            stream.write_all(half)
        }
        Some(Fault::Endless) => {
            let mut start = right();
            start.body.truncate(12);
            stream.write_all(head(state, &start, None).as_bytes())?;
            stream.write_all(start.body.as_bytes())?;
            while !state.ending.load(Ordering::SeqCst) {
                stream.write_all(&[b'a'; 65536])?;
            }
            Ok(())
        }
        Some(Fault::Echo(status, place, form)) => {
            let said = services::repeated(request, form);
            let response = match status {
                200 => services::right_and_repeated(right(), &said),
                _ => services::refused_and_repeated(service, status, place, &said),
            };
            let head = head(state, &response, Some(response.body.len()));
            let id = match place {
                Place::Header => format!("\r\nx-amzn-RequestId: {said}\r\n"),
                _ => "\r\n".to_owned(),
            };
            stream.write_all(head.replacen("\r\n", &id, 1).as_bytes())?;
            stream.write_all(response.body.as_bytes())
        }
        Some(Fault::TagsTooLarge) => send(stream, state, &services::tags_too_large()),
        Some(Fault::Status(status)) => send(stream, state, &services::refusal(request, service, status)),
        Some(Fault::ProxyPage) => send(
            stream,
            state,
            &Response {
                status: 200,
                content_type: "text/html; charset=utf-8",
                body: "<!DOCTYPE html>\n<html><head><title>Blocked</title></head><body>Your organisation's proxy \
                       blocked this page.</body></html>\n"
                    .to_owned(),
                headers: Vec::new(),
            },
        ),
        Some(Fault::Malformed) => {
            let mut half = right();
            half.body.truncate(half.body.len() / 2);
            send(stream, state, &half)
        }
        Some(Fault::Redirect) => send(
            stream,
            state,
            &Response {
                status: 307,
                content_type: "text/plain",
                body: String::new(),
                headers: vec![("Location", state.elsewhere.clone())],
            },
        ),
    }
}

fn send(stream: &mut impl Connection, state: &State, response: &Response) -> io::Result<()> {
    let head = head(state, response, Some(response.body.len()));
    stream.write_all(head.as_bytes())?;
    stream.write_all(response.body.as_bytes())?;
    stream.flush()
}

fn head(state: &State, response: &Response, length: Option<usize>) -> String {
    // RFC 9110 §5.6.7.
    let date = OffsetDateTime::from_unix_timestamp(state.now())
        .unwrap()
        .format(format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        ))
        .unwrap();
    let mut head = format!(
        "HTTP/1.1 {} Played\r\nDate: {date}\r\nContent-Type: {}\r\nConnection: close\r\n",
        response.status, response.content_type
    );
    if let Some(length) = length {
        head += &format!("Content-Length: {length}\r\n");
    }
    for (name, value) in &response.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head + "\r\n"
}

/// Reads one request; `None` if the client only connected.
fn read(stream: &mut impl Read) -> io::Result<Option<Request>> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Request::new(&mut headers);
        if let httparse::Status::Complete(length) = head.parse(&bytes).map_err(|error| bad(&error.to_string()))? {
            let (method, target) = (head.method.unwrap().to_owned(), head.path.unwrap().to_owned());
            let headers: BTreeMap<String, String> = head
                .headers
                .iter()
                .map(|header| {
                    let value = String::from_utf8_lossy(header.value).into_owned();
                    (header.name.to_lowercase(), value)
                })
                .collect();
            let wanted = headers.get("content-length").map_or(Ok(0), |text| text.parse());
            let wanted: usize = wanted.map_err(|_| bad("content-length"))?;
            let mut body = bytes.split_off(length);
            while body.len() < wanted {
                match stream.read(&mut chunk)? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    count => body.extend_from_slice(&chunk[..count]),
                }
            }
            let body = String::from_utf8_lossy(&body).into_owned();
            let fields = if body.is_empty() {
                target.split_once('?').map_or("", |(_, query)| query)
            } else {
                &body
            };
            return Ok(Some(Request {
                call: Call::Other,
                form: form_urlencoded::parse(fields.as_bytes()).into_owned().collect(),
                method,
                target,
                headers,
                body,
                began: Instant::now(),
                ended: None,
            }));
        }
        match stream.read(&mut chunk)? {
            0 if bytes.is_empty() => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}

/// The service a call belongs to.
fn home(call: Call) -> Service {
    match call {
        Call::IdToken => Service::Token,
        Call::AssumeRoleWithWebIdentity | Call::DiagnosisRole | Call::AssumeRole | Call::GetCallerIdentity => {
            Service::Sts
        }
        Call::GetRole
        | Call::GetOpenIdConnectProvider
        | Call::ListOpenIdConnectProviders
        | Call::RolePolicies
        | Call::UserPolicies => Service::Iam,
        Call::Contents | Call::Repository | Call::SubjectTemplate | Call::Environment => Service::Rest,
        Call::Proxy | Call::Other => Service::Elsewhere,
    }
}
