//! The files of the running commit: from GitHub's API, else from the checkout, which may be a stranger's.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

use super::Env;
use super::api::{Api, Blob};
use super::files::Files;
use crate::evidence::{Gap, Probe, Why, WorkflowFile};
use crate::github::workflow;

/// The most actions and called workflows that are read in addition to the workflow's own file.
const MOST_FILES: usize = 20;

/// Where the files of the job's workflow are.
pub(crate) struct Running<'a> {
    api: Option<&'a Api<'a>>,
    /// The workflow's repository; an organization's ruleset may run it in another one.
    repository: (&'a str, &'a str),
    /// The workflow's file in that repository.
    path: &'a str,
    /// Its commit.
    commit: Option<&'a str>,
    /// Where that repository may be checked out.
    workspace: Option<&'a Path>,
    /// Further files that were requested: their texts, if they were read and exist.
    further: RefCell<BTreeMap<String, Option<Option<String>>>>,
    /// Whether the workflow and all of those were read, and are the ones running.
    is_proven: Cell<bool>,
}

/// Proof that the workflow and everything it calls is what runs: GitHub's API returned the texts, or ids that match the checkout's.
/// Only this module can create one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proven(());

impl<'a> Running<'a> {
    /// The files of the environment's job.
    pub(crate) fn of(env: &'a Env, api: Option<&'a Api<'a>>) -> Option<Self> {
        // owner/repo/.github/workflows/deploy.yml@refs/heads/main
        let place = env.get("GITHUB_WORKFLOW_REF")?;
        let (place, _) = place.split_once('@').unwrap_or((place, ""));
        let (owner, rest) = place.split_once('/')?;
        let (name, path) = rest.split_once('/')?;
        let is_own = env.get("GITHUB_REPOSITORY") == place.strip_suffix(path)?.strip_suffix('/');
        Some(Self {
            api,
            repository: (owner, name),
            path,
            commit: env.get("GITHUB_WORKFLOW_SHA"),
            workspace: env.get("GITHUB_WORKSPACE").filter(|_| is_own).map(Path::new),
            further: RefCell::default(),
            is_proven: Cell::new(false),
        })
    }

    /// The workflow's own file.
    pub(crate) async fn workflow(&self) -> Option<Probe<WorkflowFile>> {
        let read = self.read(self.path).await?.map(|(text, commit)| {
            self.is_proven.set(commit.is_some());
            WorkflowFile {
                path: self.path.to_owned(),
                checkout_differs: commit.is_some()
                    && self
                        .checked_out(self.path)
                        .is_some_and(|own| own.is_ok_and(|own| differ(&own, &text))),
                text,
                commit,
            }
        });
        Some(read.into())
    }

    /// A further file, if already read. One that wasn't is read by [`Self::read_missed`].
    pub(crate) fn file(&self, path: &str) -> Option<String> {
        let mut further = self.further.borrow_mut();
        if further.len() < MOST_FILES {
            further.entry(path.to_owned()).or_default().clone().flatten()
        } else {
            further.get(path)?.clone().flatten()
        }
    }

    /// Reads the files that were requested but not read yet. Returns whether there were any.
    pub(crate) async fn read_missed(&self) -> bool {
        let unread = |(path, text): (&String, &Option<Option<String>>)| text.is_none().then(|| path.clone());
        let missed: Vec<String> = self.further.borrow().iter().filter_map(unread).collect();
        for path in &missed {
            let read = self.read(path).await.and_then(Result::ok);
            let text = read.map(|(text, commit)| {
                self.is_proven.set(self.is_proven.get() && commit.is_some());
                text
            });
            self.further.borrow_mut().insert(path.clone(), Some(text));
        }
        !missed.is_empty()
    }

    /// Returns proof that the files read are the ones running, if so.
    pub(crate) fn proof(&self) -> Option<Proven> {
        self.is_proven.get().then_some(Proven(()))
    }

    /// A file's text, and the commit if it is known to be the one running.
    async fn read(&self, path: &str) -> Option<Result<(String, Option<String>), Gap>> {
        let read = match self.api.zip(self.commit) {
            Some((api, commit)) => Some((api.file(self.repository, path, commit).await, commit)),
            None => None,
        };
        let (id, refused) = match read {
            Some((Ok(Blob { text: Ok(text), .. }), commit)) => return Some(Ok((text, Some(commit.to_owned())))),
            Some((Ok(Blob { text: Err(gap), id }), commit)) => (id.map(|id| (id, commit)), Some(gap)),
            Some((Err(gap), _)) => (None, Some(gap)),
            None => (None, None),
        };
        Some(match (self.checked_out(path), refused) {
            (Some(Ok(text)), _) => {
                let commit = id
                    .filter(|(id, _)| *id == blob_id(&text))
                    .map(|(_, commit)| commit.to_owned());
                Ok((text, commit))
            }
            (_, Some(gap)) => Err(gap),
            (Some(Err(message)), None) => Err(Gap::new(
                Why::NotFound,
                format!("`{path}` in the workspace: {message}; check the repository out first (actions/checkout)"),
            )),
            (None, None) => return None,
        })
    }

    /// A file as the checkout has it.
    fn checked_out(&self, path: &str) -> Option<Result<String, String>> {
        let files = Files {
            workspace: Some(self.workspace?),
        };
        Some(files.text(path, workflow::MAX_BYTES as u64))
    }
}

/// The id that git assigns to a file with this text (git, "Git Internals - Git Objects"). Finding another text with the
/// id of a given one takes more than a SHA-1 collision.
fn blob_id(text: &str) -> String {
    let mut hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(format!("blob {}\0{text}", text.len()).as_bytes());
    hash.finish()
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Whether they differ in more than line endings, which a checkout on Windows changes.
fn differ(one: &str, other: &str) -> bool {
    !one.lines().eq(other.lines())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_gits() {
        // `git hash-object`
        for (text, id) in [
            ("", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
            ("hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"),
            ("on: push # \u{fc}\n", "5c9d9139790f4e2b84392f9cc727ba7f41c5ea09"),
        ] {
            assert_eq!(blob_id(text), id, "{text}");
        }
    }
}
