//! `action.yml` and the program agree.

use crate::step;
use std::collections::BTreeSet;

use crate::world::{Scenario, World};
use aws_oidc_doctor::{INPUTS, Kind, Spec};

#[test]
fn the_inputs_are_the_flags() {
    let declared: BTreeSet<String> = Scenario::declared_inputs().into_keys().collect();
    let flags: BTreeSet<String> = aws_oidc_doctor::args::input_names().into_iter().collect();
    assert_eq!(declared, flags);
}

/// An input of configure-aws-credentials has no default here; its description names that action's default, and says so if the
/// input changes nothing.
#[test]
fn the_inputs_are_those_of_the_table() {
    let declared = Scenario::declared_inputs();
    let described = Scenario::described_inputs();
    for Spec {
        name,
        default,
        help,
        kind,
        ..
    } in &INPUTS
    {
        let is_role = *name == "role-to-assume";
        assert_eq!(declared[*name], if is_role { "(omitted)" } else { "" }, "{name}");
        let described = &described[*name];
        if !default.is_empty() {
            assert!(described.ends_with(&format!("({default})")), "{name}: {described}");
        }
        assert_eq!(help.is_empty(), described.contains("Accepted"), "{name}: {described}");
        assert_eq!(
            *kind == Kind::Secret,
            described.contains("never shown"),
            "{name}: {described}"
        );
    }
    let own = declared
        .keys()
        .filter(|name| INPUTS.iter().all(|spec| spec.name != *name));
    for name in own {
        // What a container can't see is passed by a default. (actions/runner, `action_yaml.json`, `input-default-context`.)
        let default = match name.as_str() {
            "attempt" | "fail" => "true",
            "fail-on" => "blocks",
            "mode" => "diagnose",
            "github-token" => "${{ github.token }}",
            "job-context" => "${{ toJSON(job) }}",
            "matrix" => "${{ toJSON(matrix) }}",
            "strategy" => "${{ toJSON(strategy) }}",
            _ => "",
        };
        assert_eq!(declared[name], default, "{name}");
        assert_eq!(
            default.contains("${{"),
            described[name].starts_with("Set by default"),
            "{name}"
        );
    }
}

#[test]
fn the_outputs_are_those_declared() {
    let world = World::named("subject-environment").start();
    let run = step(&world).output().unwrap();
    assert_eq!(run.status.code(), Some(1), "{}", String::from_utf8_lossy(&run.stderr));
    let outputs: BTreeSet<String> = world.outputs().into_keys().collect();
    assert_eq!(outputs, Scenario::declared_outputs());
    assert_eq!(world.outputs()["cause"], "subject-environment");
    assert_eq!(world.outputs()["cause-number"], "7");
    assert_eq!(world.exported(), "", "nothing is exported to later steps");
    assert!(!world.summary().is_empty());
}
