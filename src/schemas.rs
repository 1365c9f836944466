//! The JSON Schemas in `schemas/` are generated from the types and validate every case: `SCHEMAS=update cargo test --lib schemas`
//! writes them.
#![expect(
    clippy::disallowed_methods,
    reason = "these are tests, which read the cases and the schemas"
)]

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::configure::INPUTS;
use crate::evidence::{Evidence, MOST_RUNS, Probe, Request, Runs, SCHEMA};
use crate::predict::{Expectations, Read};
use crate::report::{Report, json as report};

impl<T: JsonSchema> JsonSchema for Probe<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{} or why it is missing", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let fact = generator.subschema_for::<T>();
        let gap = generator.subschema_for::<crate::evidence::Gap>();
        json_schema!({
            "if": { "type": "object", "required": ["missing"] },
            "then": { "properties": { "missing": gap } },
            "else": fact,
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

impl JsonSchema for Request {
    fn schema_name() -> Cow<'static, str> {
        "Request".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let input = |help: &str| match help {
            "" => json!({ "type": ["string", "number", "boolean", "null"] }),
            help => json!({ "type": ["string", "number", "boolean", "null"], "description": help }),
        };
        let mut inputs: Map<String, Value> = INPUTS
            .iter()
            .map(|spec| (spec.name.to_owned(), input(spec.help)))
            .collect();
        inputs.insert(
            "source".to_owned(),
            json!({ "type": ["string", "null"], "description": "Where the inputs were read when no input named them" }),
        );
        inputs.insert(
            "set-aside".to_owned(),
            json!({
                "type": "object", "additionalProperties": { "type": "string" },
                "description": "What a step in the checkout says of where a token goes: it is shown and not followed",
            }),
        );
        json_schema!({ "type": "object", "description": "The inputs of the step, by name", "properties": inputs })
    }
}

impl JsonSchema for Runs {
    fn schema_name() -> Cow<'static, str> {
        "Evidence of aws-oidc-doctor".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let run = generator.subschema_for::<Evidence>();
        json_schema!({
            "description": "A saved run, or several that are independent of each other",
            "if": { "type": "object", "required": ["runs"] },
            "then": {
                "properties": {
                    "schema": { "const": SCHEMA },
                    "runs": { "type": "array", "minItems": 1, "maxItems": MOST_RUNS, "items": run },
                },
            },
            "else": run,
        })
    }
}

impl JsonSchema for crate::evidence::Schema {
    fn schema_name() -> Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": SCHEMA, "description": "The version of this form" })
    }

    fn inline_schema() -> bool {
        true
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The schemas by name.
fn schemas() -> [(&'static str, Value); 3] {
    [
        ("evidence", schemars::schema_for!(Runs).to_value()),
        ("report", report::tests::schema()),
        ("test", expectations()),
    ]
}

/// The schema of an expectations file, in whose YAML every scalar is text: an ID needn't be quoted.
fn expectations() -> Value {
    fn scalars(schema: &mut Value) {
        match schema {
            Value::Object(fields) => {
                let is_text = |kind: &Value| kind == "string" || *kind == json!(["string", "null"]);
                match fields.get_mut("type").filter(|kind| is_text(kind)) {
                    Some(kind) => *kind = json!(["string", "number", "boolean", "null"]),
                    None => fields.values_mut().for_each(scalars),
                }
            }
            Value::Array(values) => values.iter_mut().for_each(scalars),
            _ => {}
        }
    }
    let mut schema = schemars::schema_for!(Expectations).to_value();
    scalars(&mut schema);
    schema["anyOf"] = json!(["allow", "deny"].map(|list| json!({
        "required": [list], "properties": { list: { "minItems": 1 } }
    })));
    schema
}

/// The evidence of every case.
fn cases() -> Vec<(PathBuf, String)> {
    let folders = |path: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect()
    };
    let groups = folders(&root().join("tests/cases"));
    let cases = groups.iter().flat_map(|group| folders(group));
    cases
        .map(|case| {
            let text = fs::read_to_string(case.join("evidence.json")).unwrap();
            (case, text)
        })
        .collect()
}

/// Forbids fields that the schema doesn't name.
fn closed(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(closed);
            if fields.get("properties").is_some_and(Value::is_object) && fields.contains_key("type") {
                fields.entry("additionalProperties").or_insert(json!(false));
            }
        }
        Value::Array(values) => values.iter_mut().for_each(closed),
        _ => {}
    }
}

#[test]
fn the_schemas_are_those_of_the_types() {
    for (name, schema) in schemas() {
        let path = root().join(format!("schemas/{name}.json"));
        let text = format!("{schema:#}\n");
        if std::env::var("SCHEMAS").is_ok_and(|what| what == "update") {
            fs::write(&path, &text).unwrap();
        }
        assert!(
            fs::read_to_string(&path).unwrap() == text,
            "schemas/{name}.json is not that of the types: run `SCHEMAS=update cargo test --lib schemas`"
        );
    }
}

#[test]
fn every_case_and_every_report_fits_its_schema() {
    let [(_, evidence), (_, mut report), _] = schemas();
    closed(&mut report);
    let evidence = jsonschema::validator_for(&evidence).unwrap();
    let report = jsonschema::validator_for(&report).unwrap();
    let fits = |schema: &jsonschema::Validator, value: &Value, what: &Path| {
        let errors: Vec<_> = schema
            .iter_errors(value)
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:?}", what.display());
    };
    for (case, text) in cases() {
        fits(&evidence, &serde_json::from_str(&text).unwrap(), &case);
        let runs = Runs::from_json(&text).unwrap();
        fits(&evidence, &serde_json::to_value(&runs).unwrap(), &case);
        let two = Runs(vec![runs.0[0].clone(); 2]);
        fits(&evidence, &serde_json::to_value(&two).unwrap(), &case);
        let text = report::render(&Report::of(&runs.0));
        fits(&report, &serde_json::from_str(&text).unwrap(), &case);
    }
    for name in schemas()[0].1["$defs"]["Evidence"]["properties"]
        .as_object()
        .unwrap()
        .keys()
    {
        let alone = format!("{{\"{name}\": null}}");
        let read = crate::evidence::paste::runs(&alone);
        assert!(
            !read.is_err_and(|error| error.message.contains("no saved run")),
            "`{name}` makes a text a saved run"
        );
    }
    for wrong in [
        json!([]),
        json!({"schema": 2}),
        json!({"token": {"claims": 3}}),
        json!({"provider": {"missing": {"why": "because"}}}),
        json!({"attempt": {"outcome": "perhaps"}}),
        json!({"runs": []}),
        json!({"request": {"aws-region": ["x"]}}),
    ] {
        assert!(!evidence.is_valid(&wrong), "{wrong}");
    }
}

#[test]
fn the_schema_of_a_test_takes_what_is_read() {
    let schema = jsonschema::validator_for(&expectations()).unwrap();
    for (text, want) in [
        (
            "policy: trust-policy.json\nrepository: acme/widgets\nallow:\n  - environment: production\n  - {event: push, ref: main}\n\
             deny:\n  - event: pull_request\n  - {name: a fork, claims: {sub: 'repo:someone/widgets:ref:refs/heads/main'}}\n",
            true,
        ),
        (
            "policy: {Version: '2012-10-17', Statement: []}\nowner-id: 1\nrepository-id: 2\naudience: x\nissuer: y\n\
             deny: [{ref: 1.0, environment: true, claims: {runner_id: 3}}]\n",
            true,
        ),
        ("allow: []\ndeny: [{ref: main}]\n", true),
        ("repository: acme/widgets\n", false),
        ("allow: []\n", false),
        ("allow: 7\n", false),
        ("allow: [main]\n", false),
        ("allows: []\n", false),
        ("allow: [{branch: main}]\n", false),
        ("allow: [{ref: [main]}]\n", false),
        ("repository: [a]\nallow: [{ref: main}]\n", false),
        ("allow: [{claims: {sub: [a]}}]\n", false),
    ] {
        let file: Value = serde_saphyr::from_str(text).unwrap();
        assert_eq!(schema.is_valid(&file), want, "by the schema: {text}");
        assert_eq!(Read::of(text).is_ok(), want, "by `test`: {text}");
    }
}
