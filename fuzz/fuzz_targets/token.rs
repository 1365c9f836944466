//! Any text as a token: it is decoded or refused, and a refusal holds no part of it.
#![no_main]

use aws_oidc_doctor::{Claims, decode};
use aws_oidc_doctor::{Subject, customized_keys};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match decode(text) {
        Ok(token) => views(&token.claims),
        // Its words are fixed, and none of them comes from the text.
        Err(error) => assert!(error.to_string().len() < 100),
    }
    if let Ok(claims) = serde_json::from_str::<Claims>(text) {
        views(&claims);
    }
    if let Some(subject) = Subject::parse(text) {
        assert!(text.contains(subject.repository_part()));
        let _ = (
            subject.is_default(),
            subject.classic(),
            subject.kind().map(|kind| kind.words()),
        );
    }
    let _ = customized_keys(text);
});

fn views(claims: &Claims) {
    let _ = (
        claims.issuer(),
        claims.subject(),
        claims.audience(),
        claims.seconds("exp"),
        claims.mistyped(),
    );
}
