//! The same facts from files. A named file is read whole, up to a limit; FIFOs, directories and devices are refused.
#![expect(clippy::disallowed_methods, reason = "this file reads what the user names")]

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use super::Env;
use crate::args::InputError;
use crate::evidence::paste::{self, Unread};
use crate::evidence::{AttachedPolicy, Gap, PolicyText, Provider, Role, Runs, Why};
use crate::fix::argument;
use crate::github::claims::Token;

const MAX_EVIDENCE: u64 = 16 << 20;
const MAX_DOCUMENT: u64 = 1 << 20;
const MAX_TOKEN: u64 = 64 << 10;

/// Reads inputs from files.
#[derive(Debug)]
pub struct Files<'a> {
    /// The directory that relative paths start from and that no path may leave; without it, any path is allowed.
    pub workspace: Option<&'a Path>,
}

/// A document, and its name in errors.
struct Given {
    place: String,
    text: String,
}

impl Given {
    fn read<T>(&self, read: fn(&str) -> Result<T, Unread>) -> Result<T, InputError> {
        read(&self.text).map_err(|Unread { at, message }| {
            let place = match at {
                Some((line, column)) => format!("{}, line {line}, column {column}", self.place),
                None => self.place.clone(),
            };
            InputError::new(place, message)
        })
    }
}

impl Files<'_> {
    /// Reads one or several saved runs.
    ///
    /// # Errors
    /// [`InputError`] if they can't be read.
    pub(crate) fn evidence(&self, place: &str, path: &str) -> Result<Runs, InputError> {
        self.open(place, path, MAX_EVIDENCE)?.read(paste::runs)
    }

    /// Reads claims, as [`paste::claims`] does; from a file or from the text itself.
    ///
    /// # Errors
    /// [`InputError`] if they can't be read; it contains no part of the text.
    pub(crate) fn claims(&self, place: &str, path: &str) -> Result<Token, InputError> {
        let document = match path.trim_start() {
            // The token itself, its payload or a subject, instead of a file that contains it.
            text if text.starts_with("eyJ") || paste::is_subject(text) => Given {
                place: place.to_owned(),
                text: text.to_owned(),
            },
            _ => self.document(place, path)?,
        };
        document.read(paste::claims)
    }

    /// Reads a trust policy, as [`paste::trust_policy`] does; from a file or from the text itself.
    ///
    /// # Errors
    /// [`InputError`] if it can't be read.
    pub(crate) fn trust_policy(&self, place: &str, given: &str) -> Result<Role, InputError> {
        let document = self.document(place, given)?;
        let text = PolicyText::Text(document.text.clone());
        let is_file = !given.trim_start().starts_with(['{', '[']) && given != "-";
        let mut role = document.read(paste::trust_policy).map_err(|error| {
            let file = if is_file {
                argument(given, "FILE")
            } else {
                "FILE".to_owned()
            };
            let check = paste::CHECK.replace("FILE", &file);
            InputError::new(error.place, error.message.replace(paste::CHECK, &check))
        })?;
        if is_file && role.trust_policy.as_ref() == Some(&text) {
            role.trust_policy_file = Some(given.to_owned());
        }
        Ok(role)
    }

    /// Reads one of the caller's policies, as [`paste::caller_policy`] does; from a file or from the text itself.
    ///
    /// # Errors
    /// [`InputError`] if it can't be read.
    pub(crate) fn caller_policy(&self, place: &str, given: &str) -> Result<AttachedPolicy, InputError> {
        self.document(place, given)?.read(paste::caller_policy)
    }

    /// Reads an OIDC provider, as [`paste::provider`] does; from a file or from the text itself.
    ///
    /// # Errors
    /// [`InputError`] if it can't be read.
    pub(crate) fn provider(&self, place: &str, given: &str) -> Result<Provider, InputError> {
        self.document(place, given)?.read(paste::provider)
    }

    /// Reads a file of the workspace or of the user.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn text(&self, path: &str, most: u64) -> Result<String, String> {
        read(self.resolve(path)?, most)
    }

    /// Returns an error message: the text itself, or `-` for standard input.
    ///
    /// # Errors
    /// [`InputError`] if standard input can't be read.
    pub fn message(&self, place: &str, given: &str) -> Result<String, InputError> {
        match given {
            "-" if self.workspace.is_none() => Ok(self.open(place, given, MAX_DOCUMENT)?.text),
            text => Ok(text.to_owned()),
        }
    }

    /// A path, or the text itself: JSON, possibly in a string or percent-encoded, or several lines.
    fn document(&self, place: &str, given: &str) -> Result<Given, InputError> {
        if given.trim_start().starts_with(['{', '[', '"', '%']) || given.trim().contains('\n') {
            let (place, text) = (place.to_owned(), given.to_owned());
            return Ok(Given { place, text });
        }
        self.open(place, given, MAX_DOCUMENT)
    }

    fn open(&self, place: &str, path: &str, most: u64) -> Result<Given, InputError> {
        let (place, text) = if path == "-" && self.workspace.is_none() {
            (format!("{place} (standard input)"), bounded(io::stdin().lock(), most))
        } else {
            (
                format!("{place} (`{path}`)"),
                self.resolve(path).and_then(|path| read(path, most)),
            )
        };
        match text {
            Ok(text) => Ok(Given {
                text: text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned),
                place,
            }),
            Err(message) => Err(InputError::new(place, message)),
        }
    }

    /// Returns where a file may be written: in an existing directory of the workspace, and not through a link out of it.
    ///
    /// # Errors
    /// What is wrong with the path, in words.
    pub fn place(&self, path: &str) -> Result<PathBuf, String> {
        let path = Path::new(path);
        let name = path.file_name().filter(|_| self.workspace.is_some());
        let (Some(name), Some(folder)) = (name, path.parent()) else {
            return self
                .workspace
                .map_or_else(|| Ok(path.into()), |_| Err("it names no file".to_owned()));
        };
        Ok(self.resolve(folder)?.join(name))
    }

    fn resolve(&self, path: impl AsRef<Path>) -> Result<PathBuf, String> {
        let path = path.as_ref();
        let Some(workspace) = self.workspace else {
            return Ok(path.into());
        };
        let found = |path: &Path| path.canonicalize().map_err(|error| words(&error));
        let workspace = found(workspace)?;
        let path = found(&workspace.join(path))?;
        if path.starts_with(&workspace) {
            Ok(path)
        } else {
            Err("it lies outside of the workspace".to_owned())
        }
    }
}

/// Reads a regular file of at most this many bytes.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn read(path: impl AsRef<Path>, most: u64) -> Result<String, String> {
    let mut options = OpenOptions::new();
    options.read(true);
    // A FIFO without a writer would block the program.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.open(path).map_err(|error| words(&error))?;
    let metadata = file.metadata().map_err(|error| words(&error))?;
    if metadata.is_dir() {
        return Err("it is a directory".to_owned());
    }
    if !metadata.is_file() {
        return Err("it is not a regular file (`-` reads standard input)".to_owned());
    }
    bounded(file, most)
}

/// Reads a token from a file as configure-aws-credentials does (`readFileUtf8` in `src/helpers.ts`): no link is followed except
/// those that Kubernetes creates. A container sees only the workspace.
///
/// # Errors
/// A [`Gap`] that says what is wrong with the file.
pub(crate) fn token(path: &str, workspace: &Path, is_container: bool) -> Result<String, Gap> {
    let path = workspace.join(path);
    let shown = path.display();
    let is_link = |path: &Path| path.symlink_metadata().is_ok_and(|found| found.is_symlink());
    let is_kubernetes = path
        .strip_prefix("/var/run/secrets")
        .is_ok_and(|rest| rest.ends_with("serviceaccount/token") && rest.components().count() == 3);
    if !is_kubernetes && (is_link(&path) || path.parent().is_some_and(is_link)) {
        let what =
            format!("`{shown}` is a symbolic link, or lies in one, which configure-aws-credentials does not follow");
        return Err(Gap::new(Why::Malformed, what));
    }
    match path.try_exists() {
        Ok(false) if is_container && !path.starts_with(workspace) => {
            let what =
                format!("`{shown}` lies outside of the workspace, and a container sees nothing else of the runner");
            Err(Gap::new(Why::Unreachable, what))
        }
        Ok(false) => Err(Gap::new(Why::NotFound, format!("`{shown}` does not exist"))),
        _ => read(&path, MAX_TOKEN).map_err(|what| Gap::new(Why::Malformed, format!("`{shown}`: {what}"))),
    }
}

/// Checks the files that the AWS SDK would read by itself, whatever they are and however long that takes.
///
/// # Errors
/// In words: which of them isn't a readable file, or lies in the workspace, where it may be a stranger's.
pub(crate) fn sound_aws_files(env: &Env, workspace: Option<&Path>) -> Result<(), String> {
    let home = env.get("HOME").map(|home| Path::new(home).join(".aws"));
    let usual = |name: &str| home.as_ref().map(|home| home.join(name));
    for (variable, usual) in [
        ("AWS_CONFIG_FILE", usual("config")),
        ("AWS_SHARED_CREDENTIALS_FILE", usual("credentials")),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", None),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", None),
    ] {
        let named = env.get(variable).map(PathBuf::from);
        let Some(path) = named.clone().or(usual) else { continue };
        let place = match named {
            Some(_) => format!("the file that `{variable}` names"),
            None => format!("`{}`", path.display()),
        };
        // A missing file is the SDK's to report.
        let Ok(found) = path.canonicalize() else { continue };
        let workspace = workspace.and_then(|workspace| workspace.canonicalize().ok());
        if workspace.is_some_and(|workspace| found.starts_with(workspace)) {
            return Err(format!(
                "{place} is not used: it lies in the workspace, where a checkout can put one"
            ));
        }
        read(found, MAX_DOCUMENT).map_err(|message| format!("{place} cannot be used: {message}"))?;
    }
    Ok(())
}

/// Whether the AWS SDK's credentials file has a non-empty profile of this name. Nothing else in it is looked at.
pub(crate) fn has_profile(env: &Env, workspace: Option<&Path>, name: &str) -> bool {
    let home = env.get("HOME").map(|home| Path::new(home).join(".aws/credentials"));
    let named = env.get("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
    let text = match (sound_aws_files(env, workspace), named.or(home)) {
        (Ok(()), Some(path)) => read(path, MAX_DOCUMENT),
        _ => return false,
    };
    text.is_ok_and(|text| text.lines().any(|line| line.trim() == format!("[{name}]")))
}

fn bounded(from: impl io::Read, most: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    from.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| words(&error))?;
    if bytes.len() as u64 > most {
        return Err(format!("it is larger than {} MiB", most >> 20));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("it is UTF-16; save it as UTF-8 (in PowerShell: `… | Out-File -Encoding utf8 FILE`)".to_owned());
    }
    String::from_utf8(bytes)
        .map_err(|error| format!("it is not UTF-8 from byte {} on", error.utf8_error().valid_up_to()))
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => format!("it cannot be read: {error}"),
    }
}

/// A path as people, workflows and SARIF write it: from the folder on, with slashes on Windows too.
#[must_use]
pub(super) fn shown(path: &Path, from: &Path) -> String {
    let path: PathBuf = path.strip_prefix(from).unwrap_or(path).components().collect();
    match path.as_os_str().is_empty() {
        true => ".".to_owned(),
        false => path.display().to_string().replace(MAIN_SEPARATOR, "/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_from_its_folder_on() {
        for (path, from, want) in [
            ("/w/.github/workflows/a.yml", "/w", ".github/workflows/a.yml"),
            ("/w", "/w", "."),
            ("/other/a.yml", "/w", "/other/a.yml"),
            ("./infra//role.tf", ".", "infra/role.tf"),
            ("../role.tf", ".", "../role.tf"),
        ] {
            assert_eq!(shown(Path::new(path), Path::new(from)), want, "{path} from {from}");
        }
    }

    const ANYWHERE: Files<'_> = Files { workspace: None };

    fn saved(text: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap().to_owned();
        (folder, path)
    }

    #[cfg(unix)]
    #[test]
    fn a_token_file_is_a_regular_file_and_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = folder.path();
        std::fs::create_dir(workspace.join("folder")).unwrap();
        std::fs::write(workspace.join("folder/token"), "a.b.c\n").unwrap();
        std::fs::write(workspace.join("huge"), vec![b'x'; 70_000]).unwrap();
        for (link, to) in [("link", "folder/token"), ("linked", "folder"), ("nowhere", "gone")] {
            std::os::unix::fs::symlink(to, workspace.join(link)).unwrap();
        }
        let absolute = workspace.join("folder/token").display().to_string();
        for (path, is_container, want) in [
            ("folder/token", true, Ok("a.b.c\n")),
            (&*absolute, false, Ok("a.b.c\n")),
            ("link", true, Err(Why::Malformed)),
            ("linked/token", true, Err(Why::Malformed)),
            ("nowhere", false, Err(Why::Malformed)),
            ("folder", true, Err(Why::Malformed)),
            ("huge", true, Err(Why::Malformed)),
            ("/dev/zero", true, Err(Why::Malformed)),
            ("gone", true, Err(Why::NotFound)),
            ("/no/such/file", false, Err(Why::NotFound)),
            ("/no/such/file", true, Err(Why::Unreachable)),
        ] {
            let found = token(path, workspace, is_container).map_err(|gap| gap.why);
            assert_eq!(found.as_deref().map_err(|why| *why), want, "{path} {is_container}");
        }
    }

    #[test]
    fn claims_come_in_three_forms() {
        for text in [
            "{\"sub\": \"s\"}",
            "\u{feff}{\"header\": {\"alg\": \"RS256\"}, \"claims\": {\"sub\": \"s\"}}",
            "e30.eyJzdWIiOiJzIn0.x\n",
        ] {
            let (_folder, path) = saved(text);
            let token = ANYWHERE.claims("`--claims`", &path).unwrap();
            assert_eq!(token.claims.subject(), Some("s"), "{text}");
        }
        for (text, want) in [
            ("{\"sub\":\n 7}", "line 1, column 2: the claim `sub` is not a text"),
            ("{\"sub\":\n \"s\",,}", "line 2, column 6: it is not JSON: "),
            (
                "ghs_secret",
                "neither an ID token nor JSON: it does not have the three parts",
            ),
            ("", "it is empty"),
        ] {
            let (_folder, path) = saved(text);
            let error = ANYWHERE.claims("`--claims`", &path).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
            assert!(
                error.starts_with("`--claims` (`/") && !error.contains("ghs_secret"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_trust_policy_keeps_its_text() {
        let text = "{ \"Statement\": [],\n \"Statement\": [] }";
        let (_folder, path) = saved(text);
        for given in [text, &path] {
            let role = ANYWHERE.trust_policy("`--trust-policy`", given).unwrap();
            assert_eq!(role.trust_policy, Some(PolicyText::Text(text.to_owned())), "{given}");
        }
        let printed = r#"{"Role": {"Arn": "a", "AssumeRolePolicyDocument": {"Statement": []}, "MaxSessionDuration": 7200, "CreateDate": "2026-01-02T03:04:05+00:00"}}"#;
        // If the policy is the whole file, positions in the policy are positions in the file.
        for (text, is_one) in [("{\n  \"Statement\": []\n}", true), (printed, false)] {
            let (_folder, path) = saved(text);
            let role = ANYWHERE.trust_policy("x", &path).unwrap();
            assert_eq!(role.trust_policy_file, is_one.then_some(path), "{text}");
        }
        let role = ANYWHERE.trust_policy("x", printed).unwrap();
        assert_eq!(role.trust_policy_file, None);
        assert_eq!(
            (role.arn.as_deref(), role.max_session_duration, role.created),
            (Some("a"), Some(7200), Some(1_767_323_045))
        );
        assert!(matches!(role.trust_policy, Some(PolicyText::Value(_))));
        for (given, want) in [
            ("{\"Role\": {}}", "missing field `AssumeRolePolicyDocument`"),
            ("[]", "expected a JSON object"),
            ("{", "line 1, column 1: it is not JSON: EOF"),
            ("/nowhere.json", "input (`/nowhere.json`): no such file"),
        ] {
            let error = ANYWHERE.trust_policy("input", given).unwrap_err().to_string();
            assert!(error.contains(want), "{given}: {error}");
        }
    }

    #[test]
    fn a_provider_is_what_the_aws_cli_prints() {
        let printed = r#"{"Url": "token.actions.githubusercontent.com", "ClientIDList": ["a"], "ThumbprintList": [], "CreateDate": "x"}"#;
        let provider = ANYWHERE.provider("x", printed).unwrap();
        assert_eq!(provider.client_ids, Some(vec!["a".to_owned()]));
        assert!(
            ANYWHERE
                .provider("x", "{}")
                .unwrap_err()
                .message
                .contains("ClientIDList")
        );
        let error = ANYWHERE.provider("x", "{\"Url\": 1}").unwrap_err();
        assert_eq!(error.place, "x, line 1, column 9");
    }

    #[cfg(unix)]
    #[test]
    fn the_sdk_is_kept_from_files_that_are_none() {
        let workspace = tempfile::tempdir().unwrap();
        let home = tempfile::tempdir().unwrap();
        let inside = workspace.path().join("config");
        std::fs::write(&inside, "[default]\nendpoint_url = https://evil.example\n").unwrap();
        let fifo = home.path().join("fifo");
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&fifo)
                .status()
                .unwrap()
                .success()
        );
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let look = |variable: &str, value: &str| {
            let env: Env = [("HOME", &*text(home.path())), (variable, value)].into_iter().collect();
            sound_aws_files(&env, Some(workspace.path()))
        };
        for variable in [
            "AWS_CONFIG_FILE",
            "AWS_SHARED_CREDENTIALS_FILE",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        ] {
            for (path, want) in [
                (text(&inside), "it lies in the workspace"),
                (text(&fifo), "not a regular file"),
                ("/dev/zero".to_owned(), "not a regular file"),
                ("/dev".to_owned(), "it is a directory"),
            ] {
                let error = look(variable, &path).unwrap_err();
                assert!(error.contains(want) && error.contains(variable), "{path}: {error}");
            }
            assert_eq!(look(variable, "/nowhere"), Ok(()));
        }
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        std::os::unix::fs::symlink(&inside, home.path().join(".aws/config")).unwrap();
        assert!(look("X", "").unwrap_err().contains("it lies in the workspace"));
    }

    #[cfg(unix)]
    #[test]
    fn a_hostile_workspace_can_neither_lead_out_nor_hold_up() {
        use std::os::unix::fs::symlink;
        let outside = tempfile::tempdir().unwrap();
        let workspace = tempfile::tempdir().unwrap();
        let (secret, inside) = (outside.path().join("secret.json"), workspace.path());
        std::fs::write(&secret, "{}").unwrap();
        std::fs::write(inside.join("policy.json"), "{}").unwrap();
        std::fs::create_dir(inside.join("folder")).unwrap();
        symlink(&secret, inside.join("link.json")).unwrap();
        symlink(outside.path(), inside.join("way")).unwrap();
        symlink("policy.json", inside.join("fine.json")).unwrap();
        symlink("loop.json", inside.join("loop.json")).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(inside.join("fifo"))
            .status()
            .unwrap();
        assert!(made.success());
        let huge = std::fs::File::create(inside.join("huge.json")).unwrap();
        huge.set_len(1 << 40).unwrap();

        let files = Files {
            workspace: Some(inside),
        };
        let absolute = inside.join("policy.json");
        for fine in [
            "policy.json",
            "fine.json",
            "folder/../policy.json",
            absolute.to_str().unwrap(),
        ] {
            assert!(files.trust_policy("x", fine).is_ok(), "{fine}");
        }
        for (path, want) in [
            ("link.json", "outside of the workspace"),
            ("way/secret.json", "outside of the workspace"),
            ("../../../etc/passwd", "outside of the workspace"),
            (secret.to_str().unwrap(), "outside of the workspace"),
            ("/dev/zero", "outside of the workspace"),
            ("loop.json", "it cannot be read"),
            ("fifo", "not a regular file"),
            ("folder", "it is a directory"),
            ("huge.json", "larger than 1 MiB"),
            ("-", "no such file"),
            ("nul\0byte", "it cannot be read"),
        ] {
            let error = files.trust_policy("x", path).unwrap_err();
            assert!(error.message.contains(want), "{path}: {error}");
        }
    }
}
