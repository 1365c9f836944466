//! A checked-out repository: its workflow files, its name and its default branch. Runs no programs, and links can't cause cycles.
#![expect(clippy::disallowed_methods, reason = "this file reads what the user names")]

use std::path::{Path, PathBuf};

use super::Env;
use super::expectations::policy_text;
use super::files::{Files, read, shown};
use crate::args::InputError;
use crate::args::predict::{Each, Generate, RepositoryFlags, SubjectForm};
use crate::aws::arn::RoleArn;
use crate::github::issuer::Deployment;
use crate::github::workflow::MAX_BYTES;
use crate::policy::parse;
use crate::predict::{
    Family, Form, Grant, Prediction, Problem, Repository, RunsFor, Target, TrustedRole, generate, predict,
};
use crate::text::SourceText;

/// Beyond this many files in a directory, the rest are listed but not read.
const MOST_FILES: usize = 10_000;
/// Beyond this many bytes in total, the remaining files are listed but not read.
const MOST_BYTES: usize = 256 << 20;
const MOST_CONFIG: u64 = 1 << 20;
const WORKFLOWS: &str = ".github/workflows";

/// A repository's workflow files.
#[derive(Debug, Default)]
pub struct Checkout {
    /// Its root, if it could be found.
    root: Option<PathBuf>,
    /// The files, sorted by name.
    pub files: Vec<SourceText>,
    /// Those that can't be read.
    pub problems: Vec<Problem>,
}

impl Checkout {
    /// The repository that `from` lies in, without its files.
    fn at(from: &Path) -> Self {
        let root = from.ancestors().find(|path| path.join(".git").exists());
        Self {
            root: root.map(Path::to_owned),
            ..Self::default()
        }
    }

    /// Reads the named files and directories, or the workflows of the repository that `from` lies in.
    ///
    /// # Errors
    /// [`InputError`] if a named path doesn't exist, or contains no workflow.
    pub fn read(from: &Path, named: &[String]) -> Result<Self, InputError> {
        let mut checkout = Self::at(from);
        if named.is_empty() {
            let root = checkout.root.clone().unwrap_or_else(|| from.to_owned());
            let found = root.join(WORKFLOWS);
            if !found.is_dir() {
                let message = "there is no such directory; name a workflow file, or run this in the repository";
                return Err(InputError::new(format!("`{}`", shown(&found, from)), message));
            }
            checkout.directory(&found, from)?;
        }
        for name in named {
            let path = from.join(name);
            if path.is_dir() {
                let workflows = path.join(WORKFLOWS);
                let inner = if workflows.is_dir() { workflows } else { path };
                checkout.directory(&inner, from)?;
            } else {
                let text = read(&path, max_bytes()).map_err(|message| InputError::new(format!("`{name}`"), message))?;
                checkout
                    .files
                    .push(SourceText::new(shown(Path::new(name), Path::new("")), text));
            }
        }
        Ok(checkout)
    }

    /// GitHub reads the YAML files directly in the directory, not those in its subdirectories.
    fn directory(&mut self, path: &Path, from: &Path) -> Result<(), InputError> {
        let place = || format!("`{}`", shown(path, from));
        let entries = path
            .read_dir()
            .map_err(|error| InputError::new(place(), error.to_string()))?;
        let is_yaml = |path: &PathBuf| {
            let kind = path.extension().and_then(|kind| kind.to_str());
            matches!(kind, Some("yml" | "yaml"))
        };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(is_yaml)
            .collect();
        paths.sort();
        if paths.is_empty() {
            return Err(InputError::new(
                place(),
                "there is no workflow file (`.yml`, `.yaml`) in it",
            ));
        }
        let mut bytes: usize = self.files.iter().map(|file| file.text.len()).sum();
        for (index, path) in paths.iter().enumerate() {
            let name = shown(path, from);
            let text = if index >= MOST_FILES || bytes > MOST_BYTES {
                Err("not read: there are too many files".to_owned())
            } else {
                read(path, max_bytes())
            };
            match text {
                Ok(text) => {
                    bytes += text.len();
                    self.files.push(SourceText::new(name, text));
                }
                Err(message) => self.problems.push(Problem {
                    file: name,
                    line: 1,
                    column: 1,
                    message,
                }),
            }
        }
        Ok(())
    }

    /// Predicts the tokens that the jobs of its files can get.
    #[must_use]
    pub fn predict(&self, repository: &Repository) -> Prediction {
        let mut prediction = predict(repository, &self.files, &|path| self.other(path));
        prediction.problems.extend(self.problems.iter().cloned());
        prediction
    }

    /// Another file of the repository.
    fn other(&self, path: &str) -> Option<String> {
        let is_inside = Path::new(path)
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        let root = self.root.as_ref().filter(|_| is_inside)?;
        read(root.join(path), max_bytes()).ok()
    }

    /// What is known about the repository: from the flags, a job's variables, and the remote `origin`.
    ///
    /// # Errors
    /// [`InputError`] for an invalid name, ID or date.
    pub fn repository(&self, flags: &RepositoryFlags, env: &Env) -> Result<Repository, InputError> {
        let remote = self.root.as_deref().map(Remote::of).unwrap_or_default();
        if let Some(name) = flags.repository.as_deref().filter(|name| !is_name(name)) {
            let message = format!("`{name}` is not the name of a repository: expected `owner/name`");
            return Err(InputError::new("`--repository`", message));
        }
        let given = flags.repository.clone();
        let in_job = || Some(env.get("GITHUB_REPOSITORY").filter(|name| is_name(name))?.to_owned());
        let name = given.clone().or_else(in_job).or(remote.name);
        let of_job = |variable: &str| {
            let own = env
                .get(variable)
                .filter(|_| name.as_deref() == env.get("GITHUB_REPOSITORY"));
            own.map(str::to_owned)
        };
        let id = |flag: &str, given: &Option<String>, variable: &str| match given {
            Some(id) if id.is_empty() || !id.bytes().all(|c| c.is_ascii_digit()) => {
                Err(InputError::new(flag, format!("`{id}` is not an ID: expected a number")))
            }
            Some(id) => Ok(Some(id.clone())),
            None => Ok(of_job(variable)),
        };
        let form = match (flags.subjects, &flags.created) {
            (Some(SubjectForm::Classic), _) => Form::Classic,
            (Some(SubjectForm::Immutable), _) => Form::Immutable,
            (None, Some(day)) if is_day(day) => Form::since(day),
            (None, Some(day)) => {
                let message = format!("`{day}` is not a date: expected `YYYY-MM-DD`");
                return Err(InputError::new("`--created`", message));
            }
            (Some(SubjectForm::Both) | None, _) => Form::Either,
        };
        let issuer = flags.issuer.clone().unwrap_or_else(|| {
            let server = env
                .get("GITHUB_SERVER_URL")
                .map(str::to_owned)
                .filter(|_| given.is_none());
            Deployment::issuer_of_server(
                &server
                    .or(remote.server)
                    .unwrap_or_else(|| "https://github.com".to_owned()),
            )
        });
        Ok(Repository {
            owner_id: id("`--owner-id`", &flags.owner_id, "GITHUB_REPOSITORY_OWNER_ID")?,
            id: id("`--repository-id`", &flags.repository_id, "GITHUB_REPOSITORY_ID")?,
            form,
            default_branch: flags.default_branch.clone().or(remote.default_branch),
            template: (!flags.claim_keys.is_empty()).then(|| flags.claim_keys.clone()),
            issuer,
            name,
        })
    }
}

/// Generates the least-privilege trust policies for what the flags name, and returns the files that can't be read.
///
/// # Errors
/// [`InputError`] if something can't be read, or no such policy exists.
pub fn generated(flags: &Generate, from: &Path, env: &Env) -> Result<(Vec<TrustedRole>, Vec<Problem>), InputError> {
    let files = Files { workspace: None };
    let role = match &flags.role_to_assume {
        Some(arn) => Some(RoleArn::parse(arn).map_err(|error| InputError::new("`--role-to-assume`", error.message))?),
        None => None,
    };
    let current = match &flags.trust_policy {
        Some(given) => {
            let text = policy_text("`--trust-policy`", given)?;
            let policy = parse(&text).map_err(|error| InputError::new("`--trust-policy`", error.to_string()))?;
            let value =
                serde_json::from_str(&text).map_err(|error| InputError::new("`--trust-policy`", error.to_string()))?;
            Some((policy, value))
        }
        None => None,
    };
    let (families, problems, note) = wanted(flags, &files, from, env)?;
    let usual = role.as_ref().map_or("github-actions", |role| role.name.as_str());
    let mut groups: Vec<(String, Vec<&Family>)> = Vec::new();
    for (job, family) in &families {
        let of = match flags.each {
            None => usual.to_owned(),
            Some(Each::Job) => format!("{usual}-{}", role_name(job)),
            Some(Each::Environment) => match family.claim("environment").map(|name| name.only()) {
                Some(Some(name)) => format!("{usual}-{}", role_name(&name)),
                Some(None) => format!("{usual}-environments"),
                None => usual.to_owned(),
            },
        };
        match groups.iter_mut().find(|(name, _)| *name == of) {
            Some((_, group)) => group.push(family),
            None => groups.push((of, vec![family])),
        }
    }
    if groups.is_empty() {
        let message = "no job asks for an ID token: none has `id-token: write`".to_owned();
        return Err(InputError::new("the workflows", message));
    }
    let mut roles = Vec::new();
    for (name, group) in &groups {
        let target = Target {
            name,
            role: role.as_ref(),
            current: current.as_ref(),
        };
        let mut role = generate(group, target).map_err(|message| InputError::new(format!("role `{name}`"), message))?;
        role.notes.extend(note.clone());
        roles.push(role);
    }
    Ok((roles, problems))
}

/// The tokens to let in, by job; the files that can't be read; and a note, if any.
type Wanted = (Vec<(String, Family)>, Vec<Problem>, Option<String>);

fn wanted(flags: &Generate, files: &Files<'_>, from: &Path, env: &Env) -> Result<Wanted, InputError> {
    let with_audience = |family: Family| match &flags.audience {
        Some(audience) => family.with("aud", audience),
        None => family,
    };
    if let Some(claims) = &flags.claims {
        let token = files.claims("`--claims`", claims)?;
        let family = with_audience(Family::of_claims(&token.claims));
        return Ok((vec![("token".to_owned(), family)], Vec::new(), None));
    }
    let runs_for: Vec<(&str, RunsFor<'_>)> = (flags
        .environment
        .iter()
        .map(|name| (&**name, RunsFor::Environment(name))))
    .chain(flags.branch.iter().map(|name| (&**name, RunsFor::Branch(name))))
    .chain(flags.tag.iter().map(|name| (&**name, RunsFor::Tag(name))))
    .chain(flags.pull_request.then_some(("pull-request", RunsFor::PullRequest)))
    .collect();
    let checkout = match runs_for.is_empty() {
        true => Checkout::read(from, &flags.workflows)?,
        false => Checkout::at(from),
    };
    let mut repository = checkout.repository(&flags.repository, env)?;
    if repository.name.is_none() {
        let message = "the repository is not known: its name is not that of a remote `origin`".to_owned();
        return Err(InputError::new("`--repository`", message));
    }
    let has_ids = repository.owner_id.is_some() && repository.id.is_some();
    let mut note = None;
    match repository.form {
        Form::Immutable if !has_ids => {
            let message =
                "immutable subjects have the ids of owner and repository; `--owner-id` and `--repository-id` give them";
            return Err(InputError::new("`--owner-id`", message));
        }
        Form::Either if !has_ids => {
            repository.form = Form::Classic;
            note = Some(
                "immutable subjects are not accepted, since the ids are not known; `--owner-id` and `--repository-id` give them".to_owned(),
            );
        }
        _ => {}
    }
    if !runs_for.is_empty() {
        let audience = flags.audience.as_deref().unwrap_or("sts.amazonaws.com");
        let family = |(name, of): (&str, RunsFor<'_>)| (name.to_owned(), Family::of_words(&repository, of, audience));
        return Ok((runs_for.into_iter().map(family).collect(), Vec::new(), note));
    }
    let prediction = checkout.predict(&repository);
    let mut families = Vec::new();
    for job in prediction.jobs.into_iter().filter(|job| job.grant != Grant::Missing) {
        let own = job
            .families
            .into_iter()
            .filter(|family| !family.is_elsewhere && !family.is_odd);
        families.extend(own.map(|family| (job.name.clone(), with_audience(family))));
    }
    Ok((families, prediction.problems, note))
}

/// A text as part of a role name (IAM API, `CreateRole`).
fn role_name(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    text.chars().map(|c| if fits(c) { c } else { '-' }).take(40).collect()
}

fn max_bytes() -> u64 {
    u64::try_from(MAX_BYTES).unwrap_or(u64::MAX)
}

fn is_name(text: &str) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c));
    text.split_once('/')
        .is_some_and(|(owner, name)| is_part(owner) && is_part(name))
}

fn is_day(text: &str) -> bool {
    let form = time::macros::format_description!("[year]-[month]-[day]");
    time::Date::parse(text, form).is_ok()
}

/// What git knows about the remote `origin`.
#[derive(Debug, Default)]
struct Remote {
    name: Option<String>,
    server: Option<String>,
    default_branch: Option<String>,
}

impl Remote {
    fn of(root: &Path) -> Self {
        let git = git_directory(root);
        let config = read(git.join("config"), MOST_CONFIG).unwrap_or_default();
        let (server, name) = origin(&config).and_then(|url| server_and_name(&url)).unzip();
        let head = read(git.join("refs/remotes/origin/HEAD"), MOST_CONFIG).unwrap_or_default();
        let branch = head.trim().strip_prefix("ref: refs/remotes/origin/");
        Self {
            name,
            server,
            default_branch: branch.map(str::to_owned),
        }
    }
}

/// `.git`, or where it points to: in a worktree it is a file (gitrepository-layout).
fn git_directory(root: &Path) -> PathBuf {
    let git = root.join(".git");
    let pointer = read(&git, MOST_CONFIG).unwrap_or_default();
    let Some(own) = pointer.trim().strip_prefix("gitdir: ") else {
        return git;
    };
    let own = root.join(own);
    match read(own.join("commondir"), MOST_CONFIG) {
        Ok(common) => own.join(common.trim()),
        Err(_) => own,
    }
}

/// `remote.origin.url` (git-config).
fn origin(config: &str) -> Option<String> {
    let mut is_origin = false;
    config.lines().map(str::trim).find_map(|line| {
        if line.starts_with('[') {
            is_origin = line.eq_ignore_ascii_case("[remote \"origin\"]");
            return None;
        }
        let (key, value) = line.split_once('=').filter(|_| is_origin)?;
        (key.trim() == "url").then(|| value.trim().to_owned())
    })
}

/// `https://host/owner/name.git`, `ssh://git@host/owner/name`, `git@host:owner/name`.
fn server_and_name(url: &str) -> Option<(String, String)> {
    let (host, path) = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?,
        None => url.split_once(':')?,
    };
    // A password may precede the host; it isn't looked at.
    let host = host.rsplit('@').next()?.split(':').next()?;
    let path = path.trim_matches('/');
    let name = path.strip_suffix(".git").unwrap_or(path);
    is_name(name).then(|| (format!("https://{host}"), name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_has_a_server_and_a_name() {
        for (url, want) in [
            (
                "https://github.com/acme/widgets.git",
                Some(("https://github.com", "acme/widgets")),
            ),
            (
                "https://jo:secret@github.com/acme/widgets",
                Some(("https://github.com", "acme/widgets")),
            ),
            (
                "git@github.com:acme/widgets.git",
                Some(("https://github.com", "acme/widgets")),
            ),
            (
                "ssh://git@ghe.acme.example:2222/acme/w.x",
                Some(("https://ghe.acme.example", "acme/w.x")),
            ),
            ("/srv/git/widgets", None),
            ("https://github.com/acme", None),
            ("", None),
        ] {
            let found = server_and_name(url);
            let found = found.as_ref().map(|(server, name)| (server.as_str(), name.as_str()));
            assert_eq!(found, want, "{url}");
        }
        let config =
            "[core]\n\turl = x\n[remote \"fork\"]\n\turl = f\n[remote \"origin\"]\n\tfetch = +x\n\turl = git@h:a/b\n";
        assert_eq!(origin(config).as_deref(), Some("git@h:a/b"));
    }

    #[test]
    fn a_checkout_is_read_and_what_cannot_be_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let workflows = root.join(WORKFLOWS);
        std::fs::create_dir_all(&workflows).unwrap();
        std::fs::create_dir_all(root.join(".git/refs/remotes/origin")).unwrap();
        std::fs::create_dir_all(root.join("src/deep")).unwrap();
        std::fs::write(
            root.join(".git/config"),
            "[remote \"origin\"]\nurl = git@github.com:acme/widgets.git\n",
        )
        .unwrap();
        std::fs::write(
            root.join(".git/refs/remotes/origin/HEAD"),
            "ref: refs/remotes/origin/trunk\n",
        )
        .unwrap();
        std::fs::write(workflows.join("a.yml"), "on: push\n").unwrap();
        std::fs::write(workflows.join("note.md"), "x").unwrap();
        std::fs::create_dir(workflows.join("dir.yml")).unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("loop.yml", workflows.join("loop.yml")).unwrap();
            std::os::unix::fs::symlink(&workflows, workflows.join("circle")).unwrap();
        }
        let checkout = Checkout::read(&root.join("src/deep"), &[]).unwrap();
        let names: Vec<_> = checkout
            .files
            .iter()
            .map(|file| file.name.rsplit('/').next().unwrap())
            .collect();
        assert_eq!(names, ["a.yml"]);
        assert_eq!(checkout.problems.len(), if cfg!(unix) { 2 } else { 1 });
        let repository = checkout
            .repository(&RepositoryFlags::default(), &Env::default())
            .unwrap();
        assert_eq!(repository.name.as_deref(), Some("acme/widgets"));
        assert_eq!(repository.default_branch.as_deref(), Some("trunk"));
        assert_eq!(repository.issuer, "https://token.actions.githubusercontent.com");
        assert!(checkout.other("../etc/passwd").is_none() && checkout.other("/etc/passwd").is_none());
        assert!(checkout.other(".github/workflows/a.yml").is_some());
        assert!(Checkout::read(root, &["nothing.yml".to_owned()]).is_err());
        assert!(Checkout::read(&root.join("src"), &["deep".to_owned()]).is_err());
    }

    #[test]
    fn a_directory_of_ten_thousand_files_is_read_up_to_there() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..=MOST_FILES {
            std::fs::write(folder.path().join(format!("{n}.yml")), "").unwrap();
        }
        let checkout = Checkout::read(folder.path(), &[".".to_owned()]).unwrap();
        assert_eq!((checkout.files.len(), checkout.problems.len()), (MOST_FILES, 1));
    }
}
