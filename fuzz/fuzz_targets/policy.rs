//! Any text: laying it out and reading it ends, errors point into the text, and what is read is read the same again.
#![no_main]

use aws_oidc_doctor::policy::parse::{lay_out, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let laid_out = lay_out(text);
    if parse(&laid_out).is_ok() {
        assert_eq!(lay_out(&laid_out), laid_out);
    }
    for text in [text, &laid_out] {
        match parse(text) {
            Ok(policy) => {
                for statement in &policy.statements {
                    let written = &text[statement.span.start..statement.span.end];
                    assert!(written.starts_with('{') && written.ends_with('}'));
                    let keys = statement.conditions.iter().flat_map(|condition| &condition.keys);
                    for value in keys.flat_map(|key| &key.values) {
                        assert!(!text[value.span.start..value.span.end].is_empty());
                    }
                }
            }
            Err(error) => {
                assert!(text.get(error.span.start..error.span.end).is_some());
                assert!(!error.message.is_empty() && !error.message.contains('\n'));
            }
        }
    }
    // A policy on one line means the same laid out.
    if let (Ok(before), Ok(after)) = (parse(text), parse(&laid_out)) {
        assert_eq!(before.statements.len(), after.statements.len());
        assert_eq!(before.duplicates.len(), after.duplicates.len());
    }
});
