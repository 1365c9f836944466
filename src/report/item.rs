//! A finding as other tools want it: in one place of a file, with an identity that lasts while lines move.

use std::hash::Hasher as _;

use fnv::FnvHasher;

use super::{Run, clean, hedge, is_file};
use crate::finding::{Certainty, Diagnosis, Document, Edit, Found, Rule, Severity, Target};
use crate::text::{SourceText, Span};

/// A finding, whether of a run or of what was checked before one.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    /// What is wrong.
    pub(crate) rule: &'static Rule,
    /// What it does to the job.
    pub(crate) severity: Severity,
    /// How sure it is.
    pub(crate) certainty: Certainty,
    /// In one line.
    pub(crate) message: String,
    /// What to know, and what to do.
    pub(crate) more: Vec<String>,
    /// Where, the first one first.
    pub(crate) spots: Vec<Spot<'a>>,
    /// Changes that mend it.
    pub(crate) changes: Vec<Change<'a>>,
    /// Lines to write, where no change can be placed.
    pub(crate) shown: Vec<String>,
    /// What it is about, in words that no other line of the file changes.
    pub(crate) about: Vec<String>,
}

/// A place in a document.
#[derive(Debug, Clone)]
pub(crate) struct Spot<'a> {
    /// The document.
    pub(crate) source: &'a SourceText,
    /// What it is called where it is shown along with the report; `None` of a file that the reader has.
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
    /// What it is called where it is shown along with the report; `None` of a file that the reader has.
    pub(crate) shown_as: Option<&'static str>,
    /// What is replaced.
    pub(crate) edits: Vec<Edit>,
}

impl Item<'_> {
    /// The same for the same finding in the same place of the policy or the workflow, whatever else is written around it, and in every
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

    /// The whole message: what is wrong, and how sure that is.
    pub(crate) fn headline(&self) -> String {
        format!("{}{}", hedge(self.certainty), clean(&self.message))
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
    // A file of the repository comes first: there a reader can go.
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
        more: found.notes.iter().chain(&found.help).map(|line| clean(line)).collect(),
        spots,
        changes: changes.collect(),
        shown: Vec::new(),
        about: about(run, diagnosis, found),
    }
}

/// The workflow is a file, and a policy that was given as one; other documents are what somebody was told.
fn shown_as(document: Document, source: &SourceText) -> Option<&'static str> {
    (!is_file(document, source)).then(|| document.name())
}

/// The role, and the texts that the finding points at.
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
