//! The files of the commit that runs: as GitHub's API has them, else as the checkout has them, which can be a stranger's.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use super::Env;
use super::api::Api;
use super::files::Files;
use crate::evidence::{Gap, Probe, Why, WorkflowFile};
use crate::github::workflow;

/// Actions and called workflows that are looked at beside the workflow's own file.
const MOST_FILES: usize = 20;

/// Where the files of the job's workflow are.
pub(crate) struct Running<'a> {
    api: Option<&'a Api<'a>>,
    /// The repository that the workflow is of; a rule of the organization's can have it run in another one.
    repository: (&'a str, &'a str),
    /// The workflow's file in that repository.
    path: &'a str,
    /// Its commit.
    commit: Option<&'a str>,
    /// Where that repository may be checked out.
    workspace: Option<&'a Path>,
    /// Further files, as far as they were read; `None` for one that is not there, or not read yet.
    further: RefCell<BTreeMap<String, Option<String>>>,
}

impl<'a> Running<'a> {
    /// Those of the environment's job.
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
        })
    }

    /// The workflow's own file.
    pub(crate) async fn workflow(&self) -> Option<Probe<WorkflowFile>> {
        let read = self.read(self.path).await?.map(|(text, commit)| WorkflowFile {
            path: self.path.to_owned(),
            text,
            commit,
        });
        Some(read.into())
    }

    /// A further file, where it was read already. One that was not is read by [`Self::read_missed`].
    #[expect(dead_code, reason = "local actions and called workflows are not followed yet")]
    pub(crate) fn file(&self, path: &str) -> Option<String> {
        let mut further = self.further.borrow_mut();
        if further.len() < MOST_FILES {
            further.entry(path.to_owned()).or_default().clone()
        } else {
            further.get(path)?.clone()
        }
    }

    /// A file's text, and the commit where that is known to be the one that runs.
    async fn read(&self, path: &str) -> Option<Result<(String, Option<String>), Gap>> {
        let refused = match self.api.zip(self.commit) {
            Some((api, commit)) => match api.file(self.repository, path, commit).await {
                Ok(text) => return Some(Ok((text, Some(commit.to_owned())))),
                Err(gap) => Some(gap),
            },
            None => None,
        };
        let workspace = self.workspace.map(|workspace| Files {
            workspace: Some(workspace),
        });
        let found = workspace.map(|files| files.text(path, workflow::MAX_BYTES as u64));
        Some(match (found, refused) {
            (Some(Ok(text)), _) => Ok((text, None)),
            (_, Some(gap)) => Err(gap),
            (Some(Err(message)), None) => Err(Gap::new(
                Why::NotFound,
                format!("`{path}` in the workspace: {message}; check the repository out first (actions/checkout)"),
            )),
            (None, None) => return None,
        })
    }
}
