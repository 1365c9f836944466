//! The actions besides the container's, `binary` and `configure`: their inputs are those of `action.yml`, and they run what a
//! release pinned. `ACTIONS=update cargo test --test integration siblings::` regenerates their generated parts.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};

use crate::world::{Scenario, World};
use aws_oidc_doctor::INPUTS;
use serde::Deserialize;
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const START: &str = "# Generated from ../action.yml: `ACTIONS=update cargo test --test integration siblings::`\n";
const END: &str = "# End of the generated part\n";

/// Our own inputs that `configure` has too. It passes on those the runner fills in, and leaves the others at their defaults.
const CONFIGURE_OWN: [&str; 3] = ["trust-policy", "oidc-provider", "diagnosis-role"];

/// The generated parts of `binary/action.yml`.
fn parts_of_binary(text: &str) -> Vec<String> {
    let declared = text.split_once("\ninputs:\n").unwrap().1;
    let (declared, _) = declared.split_once("\nruns:\n").unwrap();
    let (declared, outputs) = declared.split_once("\noutputs:\n").unwrap();
    let mut head = format!("inputs:\n{declared}\noutputs:\n");
    let mut name = "";
    for line in outputs.lines() {
        head += &format!("{line}\n");
        if let Some(given) = line.strip_prefix("  ").and_then(|line| line.strip_suffix(':')) {
            name = given;
        } else if line.starts_with("    description:") {
            head += &format!("    value: ${{{{ steps.doctor.outputs.{name} }}}}\n");
        }
    }
    let env = Scenario::declared_names("inputs", "outputs").into_iter();
    let env = env.map(|name| format!("        INPUT_{}: ${{{{ inputs.{name} }}}}\n", name.to_uppercase()));
    vec![head, env.collect()]
}

/// The generated parts of `configure/action.yml`.
fn parts_of_configure() -> Vec<String> {
    let theirs = |name: &str| INPUTS.iter().find(|spec| spec.name == name);
    let [mut head, mut env, mut with] = ["inputs:\n".to_owned(), String::new(), String::new()];
    for name in Scenario::declared_names("inputs", "outputs") {
        let upper = name.to_uppercase();
        let own = CONFIGURE_OWN.contains(&name.as_str());
        if let Some(spec) = theirs(&name) {
            head += &format!("  {name}:\n    description: As of configure-aws-credentials\n");
            // The inputs that action's own action.yml declares; the rest is up to its code.
            match spec.name {
                "aws-region" => head += "    required: true\n",
                "audience" => head += &format!("    default: {}\n", spec.default),
                _ => {}
            }
            with += &format!("        {name}: ${{{{ inputs.{name} }}}}\n");
        } else if own {
            head += &format!("  {name}:\n    description: {}\n", Scenario::described_inputs()[&name]);
        }
        if theirs(&name).is_some() || own {
            env += &format!("        INPUT_{upper}: ${{{{ inputs.{name} }}}}\n");
        } else if Scenario::declared_inputs()[&name].starts_with("${{") {
            env += &format!("        INPUT_{upper}: {}\n", Scenario::declared_inputs()[&name]);
        }
    }
    vec![head, env, with]
}

#[test]
fn they_have_the_inputs_of_the_container() {
    let text = fs::read_to_string(Path::new(ROOT).join("action.yml")).unwrap();
    for (folder, parts) in [("binary", parts_of_binary(&text)), ("configure", parts_of_configure())] {
        let path = Path::new(ROOT).join(folder).join("action.yml");
        let there = fs::read_to_string(&path).unwrap();
        let mut rest = there.as_str();
        let mut new = String::new();
        for part in parts {
            let (before, after) = rest.split_once(START).unwrap();
            let (_, after) = after.split_once(END).unwrap();
            let indent = before.rsplit('\n').next().unwrap();
            new += &format!("{before}{START}{part}{indent}{END}");
            rest = after;
        }
        new += rest;
        if env::var_os("ACTIONS").is_some_and(|wish| wish == "update") {
            fs::write(&path, new).unwrap();
        } else {
            assert_eq!(
                there, new,
                "`ACTIONS=update cargo test --test integration siblings::` writes {folder}/action.yml anew"
            );
        }
    }
}

/// Untrusted text never becomes part of a script: it is passed in the environment.
#[test]
fn no_expression_stands_in_a_script() {
    for folder in ["binary", "configure"] {
        let text = fs::read_to_string(Path::new(ROOT).join(folder).join("action.yml")).unwrap();
        let runs: Vec<&str> = text
            .lines()
            .filter(|line| line.trim_start().starts_with("run:"))
            .collect();
        assert!(!runs.is_empty());
        for run in runs {
            assert!(!run.contains("${{") && !run.ends_with('|'), "{folder}: {run}");
        }
    }
}

/// A release for `binary/fetch`, with a `curl` that copies from a folder.
struct Release {
    root: TempDir,
}

impl Release {
    const BINARY: &str = "#!/bin/sh\necho it runs\n";

    fn new() -> Self {
        let root = TempDir::new().unwrap();
        for folder in ["tools", "served", "temp", "binary"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        let release = Self { root };
        fs::copy(Path::new(ROOT).join("binary/fetch"), release.path("binary/fetch")).unwrap();
        fs::write(release.path("served/aws-oidc-doctor-Linux-X64"), Self::BINARY).unwrap();
        release.tool(
            "curl",
            "while [ $# -gt 1 ]; do [ $1 != --output ] || out=$2; shift; done\ncp \"$SERVED/${1##*/}\" \"$out\"",
        );
        release
    }

    /// A release with checksums.
    fn pinned() -> Self {
        Self::new().pin()
    }

    fn pin(self) -> Self {
        let sums = Command::new("sha256sum")
            .arg("aws-oidc-doctor-Linux-X64")
            .current_dir(self.path("served"))
            .output()
            .unwrap();
        fs::write(self.path("binary/SHA256SUMS"), sums.stdout).unwrap();
        fs::write(
            self.path("binary/URL"),
            "https://github.com/acme/doctor/releases/download/v1.2.3\n",
        )
        .unwrap();
        self
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.root.path().join(name)
    }

    fn tool(&self, name: &str, script: &str) {
        let path = self.path("tools").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn fetch(&self, system: &str) -> Output {
        let tools = self.path("tools");
        Command::new("bash")
            .arg(self.path("binary/fetch"))
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", tools.display()))
            .env("SERVED", self.path("served"))
            .env("GITHUB_OUTPUT", self.path("output"))
            .env("GITHUB_SERVER_URL", "https://github.com")
            .env("RUNNER_ARCH", "X64")
            .env("RUNNER_OS", system)
            .env("RUNNER_TEMP", self.path("temp"))
            .output()
            .unwrap()
    }

    fn refused(&self, system: &str, because: &str) {
        let run = self.fetch(system);
        let said = String::from_utf8(run.stdout).unwrap();
        assert_eq!(run.status.code(), Some(1), "{said}");
        assert!(said.contains(because), "{said}");
        assert!(
            !self.path("output").exists(),
            "what was refused is not offered to the next step"
        );
    }
}

#[test]
fn a_binary_runs_only_with_the_checksum_that_the_commit_pins() {
    let release = Release::pinned();
    release.tool(
        "gh",
        "[ \"$1 $2\" = 'attestation verify' ] || exit 0\nprintf '%s\\n' \"$@\" >\"$SERVED/verified\"",
    );
    let run = release.fetch("Linux");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    let output = fs::read_to_string(release.path("output")).unwrap();
    let binary = output.trim_end().strip_prefix("binary=").unwrap();
    assert_eq!(fs::read_to_string(binary).unwrap(), Release::BINARY);
    let verified = fs::read_to_string(release.path("served/verified")).unwrap();
    assert!(verified.contains("\nacme/doctor\n"), "{verified}");
    assert!(
        verified.contains("\nacme/doctor/.github/workflows/release.yml\n"),
        "{verified}"
    );

    Release::new().refused("Linux", "::error title=aws-oidc-doctor::this commit is no release");
    Release::pinned().refused("Haiku", "no binary for Haiku on X64");

    let moved = Release::pinned();
    fs::write(
        moved.path("served/aws-oidc-doctor-Linux-X64"),
        "#!/bin/sh\necho another\n",
    )
    .unwrap();
    moved.refused("Linux", "its checksum differs");

    let foreign = Release::pinned();
    foreign.tool("gh", "[ \"$1 $2\" != 'attestation verify' ]");
    foreign.refused("Linux", "cannot be verified");

    let gone = Release::pinned();
    fs::remove_file(gone.path("served/aws-oidc-doctor-Linux-X64")).unwrap();
    gone.refused("Linux", "cannot be fetched");
}

/// The job ends with the reason only if the doctor is sure (1); a working set-up leaves no page.
#[test]
fn only_a_denial_keeps_configure_aws_credentials_from_its_turn() {
    for (status, ends, page) in [(0, 0, ""), (1, 1, "why"), (2, 0, "why"), (3, 0, "why"), (134, 0, "why")] {
        let folder = TempDir::new().unwrap();
        let doctor = folder.path().join("doctor");
        fs::write(
            &doctor,
            format!("#!/bin/sh\nprintf why >>\"$GITHUB_STEP_SUMMARY\"\nexit {status}\n"),
        )
        .unwrap();
        fs::set_permissions(&doctor, fs::Permissions::from_mode(0o755)).unwrap();
        let summary = folder.path().join("summary");
        fs::write(&summary, "").unwrap();
        let run = Command::new("bash")
            .arg(Path::new(ROOT).join("configure/diagnose"))
            .env("DOCTOR", &doctor)
            .env("GITHUB_STEP_SUMMARY", &summary)
            .env("TMPDIR", folder.path())
            .output()
            .unwrap();
        assert_eq!(run.status.code(), Some(ends), "{status}");
        assert_eq!(fs::read_to_string(&summary).unwrap(), page, "{status}");
    }
}

#[derive(Deserialize)]
struct Action {
    inputs: BTreeMap<String, BTreeMap<String, Scalar>>,
    outputs: BTreeMap<String, BTreeMap<String, String>>,
    runs: Runs,
}

#[derive(Deserialize)]
struct Runs {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    run: Option<String>,
    uses: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    with: BTreeMap<String, String>,
}

/// A default, or `required: true`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Bool(bool),
    Text(String),
}

/// The result of a composite action.
struct Ran {
    code: i32,
    outputs: BTreeMap<String, String>,
    /// The action used at the end, and its inputs.
    used: Option<(String, BTreeMap<String, String>)>,
}

/// Runs the steps of a composite action in a world, as the runner would, with this program as the release's binary.
fn run_composite(folder: &str, world: &World) -> Ran {
    let release = Release::new();
    let program = env!("CARGO_BIN_EXE_aws-oidc-doctor");
    let script = format!("#!/usr/bin/env bash\nexec {program} \"$@\"\n");
    fs::write(release.path("served/aws-oidc-doctor-Linux-X64"), script).unwrap();
    let release = release.pin();
    fs::create_dir(release.path("configure")).unwrap();
    fs::copy(
        Path::new(ROOT).join("configure/diagnose"),
        release.path("configure/diagnose"),
    )
    .unwrap();

    let text = fs::read_to_string(Path::new(ROOT).join(folder).join("action.yml")).unwrap();
    let action: Action = serde_saphyr::from_str(&text).unwrap();
    let given = |name: &str| world.environment().remove(&format!("INPUT_{}", name.to_uppercase()));
    let value = |expression: &str| -> String {
        let Some(inner) = expression
            .strip_prefix("${{ ")
            .and_then(|rest| rest.strip_suffix(" }}"))
        else {
            return expression.to_owned();
        };
        match inner.split('.').collect::<Vec<_>>()[..] {
            ["inputs", name] => given(name).unwrap_or_else(|| match action.inputs[name].get("default") {
                Some(Scalar::Text(default)) => default.clone(),
                Some(Scalar::Bool(default)) => default.to_string(),
                None => String::new(),
            }),
            ["steps", _, "outputs", name] => world.outputs().remove(name).unwrap_or_default(),
            // From GitHub's contexts: nothing here calls GitHub.
            _ => String::new(),
        }
    };
    let mut ran = Ran {
        code: 0,
        outputs: BTreeMap::new(),
        used: None,
    };
    for step in &action.runs.steps {
        if let Some(uses) = &step.uses {
            let with = step.with.iter().map(|(name, given)| (name.clone(), value(given)));
            ran.used = Some((uses.clone(), with.collect()));
            continue;
        }
        let run = Command::new("bash")
            .args([
                "--noprofile",
                "--norc",
                "-e",
                "-o",
                "pipefail",
                "-c",
                step.run.as_ref().unwrap(),
            ])
            .env_clear()
            .envs(
                world
                    .environment()
                    .into_iter()
                    .filter(|(name, _)| !name.starts_with("INPUT_")),
            )
            .env("PATH", format!("{}:/usr/bin:/bin", release.path("tools").display()))
            .env("SERVED", release.path("served"))
            .env("GITHUB_ACTION_PATH", release.path(folder))
            .envs([("RUNNER_OS", "Linux"), ("RUNNER_ARCH", "X64")])
            .envs(step.env.iter().map(|(name, given)| (name, value(given))))
            .current_dir(world.workspace())
            .output()
            .unwrap();
        ran.code = run.status.code().unwrap();
        if ran.code != 0 {
            break;
        }
    }
    let outputs = action.outputs.iter();
    ran.outputs = outputs
        .map(|(name, output)| (name.clone(), value(&output["value"])))
        .collect();
    ran
}

#[test]
fn without_docker_it_finds_the_same() {
    let world = World::named("subject-environment").start();
    let ran = run_composite("binary", &world);
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.outputs.keys().cloned().collect::<BTreeSet<_>>(),
        Scenario::declared_outputs()
    );
    assert_eq!(ran.outputs["cause"], "subject-environment");
    assert_eq!(ran.outputs["cause-number"], "7");
    assert_ne!(world.summary(), "");
}

#[test]
fn configure_aws_credentials_has_its_turn_with_the_inputs_that_were_given() {
    let healthy = World::named("healthy").start();
    let ran = run_composite("configure", &healthy);
    let (action, with) = ran.used.unwrap();
    assert!(action.starts_with("aws-actions/configure-aws-credentials@"), "{action}");
    assert_eq!(ran.outputs["verdict"], "allowed");
    assert_eq!(healthy.summary(), "");
    let names: BTreeSet<&str> = with.keys().map(String::as_str).collect();
    assert_eq!(names, INPUTS.iter().map(|spec| spec.name).collect());
    for (name, value) in with {
        let given = healthy.environment().remove(&format!("INPUT_{}", name.to_uppercase()));
        let default = if name == "audience" { "sts.amazonaws.com" } else { "" };
        assert_eq!(value, given.unwrap_or_else(|| default.to_owned()), "{name}");
    }

    let hopeless = World::named("subject-environment").start();
    let ran = run_composite("configure", &hopeless);
    assert_eq!(ran.code, 1);
    assert!(
        ran.used.is_none(),
        "AWS's answer is known: nothing is tried twelve times"
    );
    assert_eq!(ran.outputs["cause"], "subject-environment");
    assert_ne!(hopeless.summary(), "");
}

/// A tag whose image would be built on every user's runner is rejected.
#[test]
fn a_tag_names_its_image_by_digest() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    for place in [".ci", "binary"] {
        fs::create_dir(root.join(place)).unwrap();
    }
    fs::copy(Path::new(ROOT).join(".ci/release"), root.join(".ci/release")).unwrap();
    fs::copy(Path::new(ROOT).join("Cargo.toml"), root.join("Cargo.toml")).unwrap();
    fs::write(root.join("binary/SHA256SUMS"), "sum\n").unwrap();
    fs::write(root.join("binary/URL"), "url\n").unwrap();
    let accepted = |image: &str| {
        let action = fs::read_to_string(Path::new(ROOT).join("action.yml")).unwrap();
        let line = action.lines().find(|line| line.starts_with("  image: ")).unwrap();
        fs::write(
            root.join("action.yml"),
            action.replace(line, &format!("  image: {image}")),
        )
        .unwrap();
        let run = Command::new("bash")
            .args([".ci/release", "tagged"])
            .current_dir(root)
            .output()
            .unwrap();
        run.status.success()
    };
    let digest = "0".repeat(64);
    assert!(accepted(&format!(
        "docker://ghcr.io/acme/doctor@sha256:{digest} # v1.2.3"
    )));
    assert!(!accepted("Dockerfile"));
    assert!(!accepted("docker://ghcr.io/acme/doctor:v1.2.3"));
    fs::remove_file(root.join("binary/URL")).unwrap();
    assert!(!accepted(&format!(
        "docker://ghcr.io/acme/doctor@sha256:{digest} # v1.2.3"
    )));
}

/// Everything the program includes at build time is visible to the image's build.
#[test]
fn the_image_is_built_from_all_that_it_includes() {
    let ignore = fs::read_to_string(Path::new(ROOT).join(".dockerignore")).unwrap();
    let sent: BTreeSet<&str> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let tracked = Command::new("git")
        .args([
            "grep",
            "--only-matching",
            "-hE",
            r#"include_(str|bytes)!\("(\.\./)+[^/"]+"#,
            "--",
            "src",
        ])
        .current_dir(ROOT)
        .output()
        .unwrap();
    let included = String::from_utf8(tracked.stdout).unwrap();
    let folders: BTreeSet<&str> = included.lines().filter_map(|line| line.rsplit('/').next()).collect();
    assert!(!folders.is_empty());
    assert!(folders.is_subset(&sent), "{folders:?}");
}

/// The repository's name is in Cargo.toml, and the same everywhere else: `.ci/repository` changes it.
#[test]
fn the_repository_has_one_name() {
    let name = env!("CARGO_PKG_REPOSITORY")
        .strip_prefix("https://github.com/")
        .unwrap();
    let (owner, project) = name.split_once('/').unwrap();
    let tracked = Command::new("git")
        .args(["ls-files", "-z", "*.md", "*.yml"])
        .current_dir(ROOT)
        .output()
        .unwrap();
    let mut count = 0;
    for path in String::from_utf8(tracked.stdout).unwrap().split_terminator('\0') {
        // A file being moved is listed but gone.
        let text = fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_default();
        for before in ["uses: ", "github.com/", "ghcr.io/", "--repo "] {
            for place in text.split(before).skip(1) {
                let mut words = place.split(|letter: char| !letter.is_ascii_alphanumeric() && !"-_.".contains(letter));
                let (its_owner, its_project) = (words.next(), words.next());
                if its_project == Some(project) {
                    assert_eq!(its_owner, Some(owner), "{path}");
                    count += 1;
                }
            }
        }
    }
    assert!(count > 0);
}
