//! Files that may contain trust policies, from a directory and its subdirectories. Links aren't followed, so there are no cycles.
#![expect(clippy::disallowed_methods, reason = "this file reads what the user names")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{panic, thread};

use super::files::{read, shown};
use super::repository::Checkout;
use crate::args::InputError;
use crate::check::{Checked, check};
use crate::infra::{self, Place};
use crate::predict::Repository;
use crate::report::check::Baseline;
use crate::text::SourceText;

/// Beyond this many files, the rest are counted but not read.
const MOST_FILES: usize = 10_000;
/// No repository has more entries than this.
const MOST_ENTRIES: usize = 500_000;
/// Beyond this many bytes in total, reading stops.
const MOST_BYTES: usize = 128 << 20;
/// A template has at most 1 MB (CloudFormation quotas); a plan is larger.
const MOST_FILE: u64 = 16 << 20;
/// The maximum directory depth.
const MOST_DEPTH: usize = 64;

/// Kinds of files that contain policies, or that policies are built from.
const KINDS: [&str; 11] = [
    "json", "template", "tf", "tftpl", "tfvars", "tmpl", "tofu", "tpl", "txt", "yaml", "yml",
];
/// Third-party or generated directories.
const NOT_OURS: [&str; 4] = ["node_modules", "target", "vendor", "venv"];

/// The roles in files and directories, and what couldn't be read.
#[derive(Debug, Default)]
pub struct Sources {
    pub(super) files: Vec<SourceText>,
    /// Identity providers returned by IAM: the index of the role's file, the host and the audiences.
    pub(super) live: Vec<(usize, String, Vec<String>)>,
    /// Roles that IAM doesn't have, by ARN, each with what it answered.
    pub(super) missing: BTreeMap<String, String>,
    /// What wasn't read, and why, one per line.
    pub(super) problems: Vec<String>,
    bytes: usize,
}

impl Sources {
    /// Reads the named files and directories, or the repository that `from` lies in.
    ///
    /// # Errors
    /// [`InputError`] if a named path doesn't exist or can't be read.
    pub fn read(from: &Path, named: &[String]) -> Result<Self, InputError> {
        let mut sources = Self::default();
        if named.is_empty() {
            let root = from.ancestors().find(|path| path.join(".git").exists()).unwrap_or(from);
            sources.directory(root, root)?;
        }
        for name in named {
            let path = from.join(name);
            if path.is_dir() {
                let root = if path.starts_with(from) { from } else { &path };
                sources.directory(&path, root)?;
            } else {
                let text = read(&path, MOST_FILE).map_err(|message| InputError::new(format!("`{name}`"), message))?;
                sources
                    .files
                    .push(SourceText::new(shown(Path::new(name), Path::new(".")), text));
            }
        }
        Ok(sources)
    }

    /// Checks the jobs of a checkout against these files, on this many threads.
    #[must_use]
    pub fn check(self, checkout: &Checkout, repository: &Repository, threads: usize) -> Checked {
        let predict = || checkout.predict(repository);
        let (mut infra, prediction) = thread::scope(|scope| {
            let spawn = || thread::Builder::new().spawn_scoped(scope, predict).ok();
            let beside = (threads > 1).then(spawn).flatten();
            let infra = infra::read(self.files);
            let joined = beside.map(|thread| thread.join().unwrap_or_else(|payload| panic::resume_unwind(payload)));
            (infra, joined.unwrap_or_else(predict))
        });
        infra.missing = self.missing;
        for (file, host, audiences) in self.live {
            let place = Place {
                file,
                ..Place::default()
            };
            infra.providers.push(infra::Provider {
                host,
                audiences: Some(audiences),
                place,
            });
        }
        let mut checked = check(infra, &checkout.files, &prediction, repository, threads);
        checked.unread.extend(self.problems);
        checked
    }

    fn directory(&mut self, path: &Path, root: &Path) -> Result<(), InputError> {
        let mut open = vec![(path.to_owned(), 0)];
        let mut found: BTreeSet<PathBuf> = BTreeSet::new();
        let mut entries = 0;
        while let Some((folder, depth)) = open.pop() {
            let inside = match folder.read_dir() {
                Ok(inside) => inside,
                Err(error) if depth == 0 => {
                    return Err(InputError::new(format!("`{}`", folder.display()), error.to_string()));
                }
                Err(error) => {
                    self.problems.push(format!("{}: {error}", shown(&folder, root)));
                    continue;
                }
            };
            for entry in inside.filter_map(Result::ok) {
                entries += 1;
                let name = entry.file_name();
                let name = name.to_string_lossy();
                // For a link, this is the type of the link itself, neither file nor directory.
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() && depth < MOST_DEPTH && !name.starts_with('.') && !NOT_OURS.contains(&&*name) {
                    open.push((entry.path(), depth + 1));
                } else if kind.is_file() && KINDS.iter().any(|kind| name.rsplit('.').next() == Some(kind)) {
                    found.insert(entry.path());
                }
            }
            if entries > MOST_ENTRIES {
                self.problems.push(format!(
                    "{}: more than {MOST_ENTRIES} files; the rest was not looked at",
                    shown(path, root)
                ));
                break;
            }
        }
        let left_out = found.len().saturating_sub(MOST_FILES);
        if left_out > 0 {
            self.problems.push(format!(
                "{}: {left_out} files were not read: the limit is {MOST_FILES}",
                shown(path, root)
            ));
        }
        for path in found.into_iter().take(MOST_FILES) {
            let name = shown(&path, root);
            if self.bytes > MOST_BYTES {
                self.problems
                    .push(format!("{name}: not read: the files before it are too large together"));
                break;
            }
            match read(&path, MOST_FILE) {
                Ok(text) if infra::is_of_interest(&name, &text) => {
                    self.bytes += text.len();
                    self.files.push(SourceText::new(name, text));
                }
                Ok(_) => {}
                // Text in another encoding isn't one of these files.
                Err(message) if infra::is_source(&name) => self.problems.push(format!("{name}: {message}")),
                Err(_) => {}
            }
        }
        Ok(())
    }
}

/// Reads the known findings.
///
/// # Errors
/// [`InputError`] if the file doesn't exist, or isn't a baseline.
pub fn baseline(path: &str) -> Result<Baseline, InputError> {
    let read = read(Path::new(path), MOST_FILE).and_then(|text| Baseline::read(&text));
    read.map_err(|message| InputError::new(format!("`--baseline` (`{path}`)"), message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_read_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in ["a/b", ".terraform/modules", "node_modules/x"] {
            std::fs::create_dir_all(root.join(path)).unwrap();
            std::fs::write(root.join(path).join("main.tf"), "locals {}\n").unwrap();
        }
        std::fs::write(root.join("package.json"), "{}").unwrap();
        std::fs::write(root.join("trust.json"), "{\"a\": \"sts:AssumeRole\"}").unwrap();
        std::fs::write(root.join("a/note.md"), "AssumeRole").unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(root, root.join("a/circle")).unwrap();
            std::os::unix::fs::symlink(root.join("trust.json"), root.join("a/linked.json")).unwrap();
        }
        let sources = Sources::read(root, &[]).unwrap();
        let names: Vec<_> = sources.files.iter().map(|file| &*file.name).collect();
        assert_eq!(names, ["a/b/main.tf", "trust.json"]);
        assert_eq!(sources.problems, Vec::<String>::new());
        let one = Sources::read(root, &["./a".to_owned(), "trust.json".to_owned()]).unwrap();
        let names: Vec<_> = one.files.iter().map(|file| &*file.name).collect();
        assert_eq!(names, ["a/b/main.tf", "trust.json"]);
        assert!(Sources::read(root, &["nothing".to_owned()]).is_err());
    }

    #[test]
    fn of_very_many_files_some_are_read() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..=MOST_FILES {
            std::fs::write(folder.path().join(format!("{n}.tf")), "").unwrap();
        }
        let sources = Sources::read(folder.path(), &[".".to_owned()]).unwrap();
        assert_eq!((sources.files.len(), sources.problems.len()), (MOST_FILES, 1));
    }
}
