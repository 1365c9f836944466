//! Any text as a token: it is decoded or refused, and a refusal holds no part of it.
#![no_main]

use aws_oidc_doctor::claims::{Claims, decode};
use aws_oidc_doctor::subject::{Subject, customized_keys};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match decode(text) {
        Ok(token) => views(&token.claims),
        Err(error) => {
            let said = error.to_string();
            // Words of our own may be in any text; a run of 24 characters is not by chance.
            let characters: Vec<char> = text.chars().collect();
            assert!(
                characters
                    .windows(24)
                    .all(|part| !said.contains(&part.iter().collect::<String>()))
            );
        }
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
