//! The simulated world itself: its scenarios are valid, and its services answer as GitHub's and AWS's do.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::world::{Call, Fault, Scenario, World};

#[test]
fn every_scenario_reads() {
    let names = Scenario::names();
    assert!(names.len() >= 20, "{names:?}");
    for name in names {
        Scenario::named(&name).unwrap();
    }
}

#[test]
fn a_token_is_for_the_asked_audience_and_the_owner_by_default() {
    let world = World::named("healthy").start();
    let bearer = format!("Bearer {}", world.environment()["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]);
    for (query, audience) in [
        ("&audience=sts.amazonaws.com", "sts.amazonaws.com"),
        ("&audience=https%3A%2F%2Fgithub.com%2Fo", "https://github.com/o"),
        ("", "https://github.com/acme"),
    ] {
        let answer = get(&format!("{}{query}", world.token_url()), &bearer);
        let body: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        let token = aws_oidc_doctor::decode(body["value"].as_str().unwrap()).unwrap();
        assert_eq!(token.claims.audience(), Some(audience), "{query}");
    }
    assert!(get(&world.token_url(), "Bearer guessed").starts_with("HTTP/1.1 401 "));
    assert_eq!(world.requests_of(Call::IdToken).len(), 4);
}

#[test]
fn sts_refuses_in_its_own_words() {
    for (name, status, words) in [
        ("healthy", 200, "<AccessKeyId>"),
        (
            "provider-missing",
            400,
            "No OpenIDConnect provider found in your account for https://token.",
        ),
        ("audience-not-registered", 400, "Incorrect token audience"),
        (
            "subject-case",
            403,
            "Not authorized to perform sts:AssumeRoleWithWebIdentity",
        ),
    ] {
        let world = World::named(name).start();
        let bearer = format!("Bearer {}", world.environment()["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]);
        get(&format!("{}&audience=sts.amazonaws.com", world.token_url()), &bearer);
        let token = world
            .secrets()
            .into_iter()
            .find(|secret| secret.matches('.').count() == 2)
            .unwrap();
        let form = format!(
            "Action=AssumeRoleWithWebIdentity&RoleArn={}&RoleSessionName=s&WebIdentityToken={token}",
            world.scenario().with["role-to-assume"]
        );
        let answer = post(world.sts_url(), &form);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
        assert!(answer.contains(words), "{name}: {answer}");
    }
}

#[test]
fn faults_strike_the_wanted_call_alone() {
    let world = World::named("healthy")
        .fault_times(Call::GetCallerIdentity, Fault::Status(503), 1)
        .fault(Call::ListOpenIdConnectProviders, Fault::Reset)
        .start();
    let action = "Action=GetCallerIdentity";
    assert!(post(world.sts_url(), action).starts_with("HTTP/1.1 503 "));
    assert!(post(world.sts_url(), action).starts_with("HTTP/1.1 403 "));
    assert_eq!(post(world.iam_url(), "Action=ListOpenIDConnectProviders"), "");

    let refused = World::named("healthy").fault(Call::GetRole, Fault::Refused).start();
    let address = refused.iam_url().trim_start_matches("http://").to_owned();
    assert!(TcpStream::connect(address).is_err());
    assert!(post(refused.sts_url(), action).starts_with("HTTP/1.1 403 "));

    let cut = World::named("healthy").fault(Call::IdToken, Fault::Truncated).start();
    let answer = get(&cut.token_url(), "");
    let announced = answer
        .split("Content-Length: ")
        .nth(1)
        .unwrap()
        .split('\r')
        .next()
        .unwrap();
    assert!(answer.split("\r\n\r\n").nth(1).unwrap().len() < announced.parse().unwrap());
}

#[test]
fn overlapping_requests_can_be_told() {
    let world = World::named("healthy").delay(Duration::from_millis(50)).start();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| post(world.sts_url(), "Action=GetCallerIdentity"));
        }
    });
    post(world.sts_url(), "Action=GetCallerIdentity");
    let [first, second, third] = world.requests().try_into().unwrap();
    assert!(first.overlaps(&second));
    assert!(!first.overlaps(&third));
}

#[test]
fn tls_is_spoken_with_our_own_authority_and_through_the_proxy() {
    let world = World::named("healthy").tls().start();
    let pem = std::fs::read(world.ca_file()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&pem).unwrap()])
        .proxy(
            reqwest::Proxy::https(world.proxy_url())
                .unwrap()
                .no_proxy(reqwest::NoProxy::from_string("127.0.0.1")),
        );
    let client = client.build().unwrap();
    let strict = reqwest::Client::builder().no_proxy().build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let form = "Action=GetCallerIdentity";
        for url in [world.sts_url(), "https://sts.eu-west-1.amazonaws.com"] {
            let answer = client.post(url).body(form).send().await.unwrap();
            assert_eq!(answer.status(), 403, "{url}");
        }
        assert!(strict.post(world.sts_url()).body(form).send().await.is_err());
    });
    assert_eq!(world.requests_of(Call::GetCallerIdentity).len(), 2);
    assert_eq!(
        world.requests_of(Call::Proxy)[0].target,
        "sts.eu-west-1.amazonaws.com:443"
    );
}

fn get(url: &str, authorization: &str) -> String {
    let (host, path) = url.trim_start_matches("http://").split_once('/').unwrap();
    ask(
        host,
        &format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\n\r\n"),
    )
}

fn post(url: &str, form: &str) -> String {
    let host = url.trim_start_matches("http://");
    ask(
        host,
        &format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        ),
    )
}

/// The whole answer, or the part received before the connection broke.
fn ask(host: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}
