//! A finding as other tools expect it: at one place in a file, with an identity that survives moved lines.

use std::hash::Hasher as _;

use fnv::FnvHasher;

use super::{Run, clean, is_file};
use crate::finding::{Certainty, Diagnosis, Document, Edit, Found, Rule, Severity, Target};
use crate::text::{SourceText, Span};

/// A finding, of a run or of a check before one.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    /// What is wrong.
    pub(crate) rule: &'static Rule,
    /// Its effect on the job.
    pub(crate) severity: Severity,
    /// How certain it is.
    pub(crate) certainty: Certainty,
    /// The message, in one line.
    pub(crate) message: String,
    /// Explanations.
    pub(crate) more: Vec<String>,
    /// What to do about it.
    pub(crate) help: Vec<String>,
    /// Where it is, the main place first.
    pub(crate) spots: Vec<Spot<'a>>,
    /// Changes that fix it.
    pub(crate) changes: Vec<Change<'a>>,
    /// Lines to write if no change can be placed, with what they do.
    pub(crate) shown: Vec<(String, String)>,
    /// What it is about, in terms that don't depend on other lines of the file.
    pub(crate) about: Vec<String>,
}

/// A place in a document.
#[derive(Debug, Clone)]
pub(crate) struct Spot<'a> {
    /// The document.
    pub(crate) source: &'a SourceText,
    /// Its name where it is shown along with the report; `None` for a file the reader has.
    pub(crate) shown_as: Option<&'static str>,
    /// Where in it.
    pub(crate) span: Span,
    /// What is wrong there.
    pub(crate) text: String,
}

/// A change to a document.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    /// What it does.
    pub(crate) title: String,
    /// The document.
    pub(crate) source: &'a SourceText,
    /// Its name where it is shown along with the report; `None` for a file the reader has.
    pub(crate) shown_as: Option<&'static str>,
    /// The replacements.
    pub(crate) edits: Vec<Edit>,
}

impl Item<'_> {
    /// Returns the same value for the same finding at the same place in the policy or workflow, whatever is around it, in every
    /// version of this program.
    pub(crate) fn fingerprint(&self) -> String {
        let mut hasher = FnvHasher::default();
        let first = self.spots.first();
        let parts = [self.rule.id, first.map_or("", |spot| &spot.source.name)];
        for part in parts.into_iter().chain(self.about.iter().map(String::as_str)) {
            hasher.write(part.as_bytes());
            hasher.write_u8(0xFF);
        }
        format!("{:016x}", hasher.finish())
    }

    /// The whole message: what is wrong, and how certain that is.
    pub(crate) fn headline(&self) -> String {
        format!("{}{}", self.certainty.hedge(), clean(&self.message))
    }
}

/// The findings of a run.
pub(super) fn items(run: &Run) -> impl Iterator<Item = Item<'_>> {
    run.diagnosis.findings.iter().map(|found| item(run, found))
}

fn item<'a>(run: &'a Run, found: &'a Found) -> Item<'a> {
    let diagnosis = &run.diagnosis;
    let spots = found.labels.iter().filter_map(|label| {
        let source = diagnosis.document(label.document)?;
        Some(Spot {
            source,
            shown_as: shown_as(label.document, source),
            span: label.location.span,
            text: clean(&label.text),
        })
    });
    let mut spots: Vec<Spot<'_>> = spots.collect();
    // A file in the repository comes first: the reader can open it.
    spots.sort_by_key(|spot| spot.shown_as.is_some());
    let changes = found.fixes.iter().filter_map(|fix| {
        let document = match fix.target {
            Target::TrustPolicy => Document::TrustPolicy,
            Target::Workflow => Document::Workflow,
            Target::CallerPolicy | Target::Provider => return None,
        };
        let source = diagnosis.document(document)?;
        Some(Change {
            title: clean(&fix.title),
            source,
            shown_as: shown_as(document, source),
            edits: fix.edits.clone(),
        })
        .filter(|change| !change.edits.is_empty())
    });
    Item {
        rule: found.rule,
        severity: found.severity,
        certainty: found.certainty(),
        message: found.message.clone(),
        more: found.notes.iter().map(|line| clean(line)).collect(),
        help: found.help.iter().map(|line| clean(line)).collect(),
        spots,
        changes: changes.collect(),
        shown: Vec::new(),
        about: about(run, diagnosis, found),
    }
}

/// The name of a document that isn't a file: the workflow is one, and so is a policy given as one.
fn shown_as(document: Document, source: &SourceText) -> Option<&'static str> {
    (!is_file(document, source)).then(|| document.name())
}

/// The role, and the texts the finding points at.
fn about(run: &Run, diagnosis: &Diagnosis, found: &Found) -> Vec<String> {
    let texts = found
        .labels
        .iter()
        .filter(|label| label.document != Document::Claims)
        .filter_map(|label| {
            let source = diagnosis.document(label.document)?;
            Some(source.slice(label.location.span).to_owned())
        });
    run.role.iter().cloned().chain(texts).collect()
}
