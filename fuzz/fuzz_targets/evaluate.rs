//! Any lines: each gets one answer, and deciding, tracing and saying why agree, also when keys become unknown.
#![no_main]

use aws_oidc_doctor::bulk::evaluate_lines;
use aws_oidc_doctor::policy::{
    Decision, Presence, RequestContext, RequestPrincipal, decide, decide_and_say_why, parse, trace, wildcard,
};
use libfuzzer_sys::fuzz_target;
use std::io::BufReader;

const PROVIDER: &str = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";

fuzz_target!(|data: &[u8]| {
    let (mut whole, mut parts) = (Vec::new(), Vec::new());
    let summary = evaluate_lines(data, &mut whole).expect("memory takes all");
    evaluate_lines(BufReader::with_capacity(3, data), &mut parts).expect("memory takes all");
    assert_eq!(whole, parts);
    assert_eq!(
        whole.split_inclusive(|byte| *byte == b'\n').count() as u64,
        summary.lines
    );

    // The first line as a policy, each further one as a key and its values.
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.lines();
    let Ok(policy) = parse(lines.next().unwrap_or_default()) else {
        return;
    };
    let caller = RequestPrincipal::Federated(PROVIDER.to_owned());
    let mut known = RequestContext::new("sts:AssumeRoleWithWebIdentity", caller, None);
    let mut unknown = known.clone();
    for (nth, line) in lines.enumerate() {
        let mut values = line.split('\t').map(str::to_owned);
        let key = values.next().unwrap_or_default();
        let values: Vec<String> = values.collect();
        let presence = match values.as_slice() {
            [] => Presence::Absent,
            [value] => Presence::One(value.clone()),
            _ => Presence::Many(values),
        };
        if let (Presence::One(pattern), Presence::One(value)) = (&presence, known.get(&key)) {
            let parted = wildcard::parted(pattern, value);
            assert_eq!(parted.is_none(), wildcard::matches(pattern, value));
            assert!(parted.is_none_or(|at| pattern.is_char_boundary(at.pattern) && value.is_char_boundary(at.value)));
        }
        unknown.set(
            &key,
            if nth % 2 == 0 {
                Presence::Unknown(String::new())
            } else {
                presence.clone()
            },
        );
        known.set(&key, presence);
    }
    for request in [&known, &unknown] {
        let decision = decide(&policy, request);
        assert_eq!(trace(&policy, request).decision, decision);
        assert_eq!(decide_and_say_why(&policy, request).0, decision);
    }
    match (decide(&policy, &unknown), decide(&policy, &known)) {
        (Decision::Allow, after) => assert!(matches!(after, Decision::Allow | Decision::Undecided)),
        (Decision::ExplicitDeny | Decision::ImplicitDeny, after) => assert_ne!(after, Decision::Allow),
        (Decision::Undecided, _) => {}
    }
});
