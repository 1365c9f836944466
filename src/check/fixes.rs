//! Turns a change to the policy's text into a change to its source file, proved by reading the changed file.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::Change;
use crate::finding::{Edit, Fix, Target};
use crate::infra::{self, Infra, Written};
use crate::text::{SourceText, Span};

/// The changes for some fixes; one that can't be placed in a file is shown as Terraform or CloudFormation.
pub(super) fn changes(
    infra: &Infra,
    policy: Option<(usize, &Written)>,
    workflow: Option<usize>,
    fixes: &[Fix],
) -> Vec<Change> {
    let mut changes = Vec::new();
    for fix in fixes {
        let change = match fix.target {
            Target::Workflow => workflow.map(|file| Change {
                title: fix.title.clone(),
                file,
                edits: fix.edits.clone(),
                text: fix.text.clone(),
            }),
            Target::TrustPolicy => policy.map(|(role, written)| placed(infra, role, written, fix)),
            Target::CallerPolicy | Target::Provider => None,
        };
        changes.extend(change);
    }
    changes
}

fn placed(infra: &Infra, role: usize, written: &Written, fix: &Fix) -> Change {
    let edits: Option<Vec<(usize, Edit)>> = fix.edits.iter().map(|edit| in_file(infra, written, edit)).collect();
    let change = edits.filter(|edits| !edits.is_empty()).and_then(|edits| {
        let file = edits.first()?.0;
        let is_one = edits.iter().all(|(other, _)| *other == file);
        let edits: Vec<Edit> = edits.into_iter().map(|(_, edit)| edit).collect();
        (is_one && comes_to(infra, file, &edits, (role, written), &fix.text)).then_some((file, edits))
    });
    let is_template = written
        .parts
        .first()
        .and_then(|(_, place)| infra.files.get(place.file))
        .is_some_and(|file| !infra::is_source(&file.name));
    let text = if is_template {
        &fix.cloudformation
    } else {
        &fix.terraform
    };
    let (file, edits) = change.unwrap_or_default();
    Change {
        title: fix.title.clone(),
        file,
        text: if edits.is_empty() { text.clone() } else { String::new() },
        edits,
    }
}

/// Replaces a value, or appends one after it in its list, if the file contains the value literally.
fn in_file(infra: &Infra, written: &Written, edit: &Edit) -> Option<(usize, Edit)> {
    let (old, new) = if edit.span.start == edit.span.end {
        // After the value that ends here.
        let (span, _) = written
            .parts
            .iter()
            .rev()
            .find(|(span, _)| span.end == edit.span.start && is_text(written, *span))?;
        (*span, edit.text.trim_start().strip_prefix(',')?.trim())
    } else {
        (edit.span, edit.text.as_str())
    };
    let is_behind = edit.span.start == edit.span.end;
    // One value instead of another, or a list of them.
    let (new, is_list) = match serde_json::from_str::<String>(new) {
        Ok(one) => (vec![one], false),
        Err(_) => (
            serde_json::from_str::<Vec<String>>(new).ok().filter(|_| !is_behind)?,
            true,
        ),
    };
    let value: String = serde_json::from_str(written.text.get(old.start..old.end)?).ok()?;
    let place = written.exactly(old)?;
    let file = infra.files.get(place.file)?;
    let source = file.slice(place.span);
    let quote = source.chars().next().filter(|c| matches!(c, '"' | '\''));
    // No characters with a meaning of their own: an escape, a template.
    let is_plain = |text: &str| !text.contains(['"', '\'', '\\', '\n']) && !text.contains("${") && !text.contains("%{");
    if !new.iter().all(|new| is_plain(new)) {
        return None;
    }
    let quote_or = quote.unwrap_or('"');
    let new: Vec<String> = new.iter().map(|new| format!("{quote_or}{new}{quote_or}")).collect();
    let new = new.join(", ");
    let new = if is_list { format!("[{new}]") } else { new };
    if is_behind {
        // An element of a bracketed list can be followed by a comma and another value.
        let after = file.text.get(place.span.end..).unwrap_or_default().trim_start();
        let span = Span::new(place.span.end, place.span.end);
        let text = format!(", {new}");
        return after
            .starts_with([',', ']'])
            .then_some((place.file, Edit { span, text }));
    }
    let inside = match quote {
        Some(quote) => source.strip_prefix(quote)?.strip_suffix(quote)?,
        None => source,
    };
    // A list replaces a text along with its function.
    let before = file.text.get(..place.span.start)?.trim_end();
    let start = match before.strip_suffix("!Sub") {
        Some(before) if is_list => before.len(),
        _ => place.span.start,
    };
    let edit = Edit {
        span: Span::new(start, place.span.end),
        text: new,
    };
    (inside == value && is_plain(&value)).then_some((place.file, edit))
}

fn is_text(written: &Written, span: Span) -> bool {
    written
        .text
        .get(span.start..span.end)
        .is_some_and(|text| text.starts_with('"'))
}

/// Whether the changed file evaluates to the changed policy.
fn comes_to(infra: &Infra, file: usize, edits: &[Edit], (role, written): (usize, &Written), wanted: &str) -> bool {
    let Some(source) = infra.files.get(file) else {
        return false;
    };
    let mut text = source.text.clone();
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.span.start));
    for edit in edits {
        if text.get(edit.span.start..edit.span.end).is_none() {
            return false;
        }
        text.replace_range(edit.span.start..edit.span.end, &edit.text);
    }
    let Some(role) = infra.roles.get(role) else {
        return false;
    };
    // A called module is read from its callers; any other from its own directory.
    let is_own = !role.address.starts_with("module.");
    if !is_own && infra.files.len() > MOST_FILES {
        return false;
    }
    let folder = |name: &str| {
        name.rsplit_once('/')
            .map_or(String::new(), |(folder, _)| folder.to_owned())
    };
    let own = folder(&source.name);
    let is_near = |_: usize, other: &SourceText| !is_own || folder(&other.name).starts_with(&own);
    // Those that the policy comes from usually suffice; a directory can have hundreds, and as many policies.
    let parts: BTreeSet<usize> = written.parts.iter().map(|(_, place)| place.file).collect();
    let is_part = |index: usize, _: &SourceText| index == role.place.file || parts.contains(&index);
    let changed = |other: &SourceText| match other.name == source.name {
        true => SourceText::new(source.name.clone(), text.clone()),
        false => other.clone(),
    };
    let reads_as_wanted = |is_read: &dyn Fn(usize, &SourceText) -> bool| {
        let files = infra.files.iter().enumerate();
        let files = files.filter(|(index, other)| is_read(*index, other));
        let after = infra::read(files.map(|(_, other)| changed(other)).collect());
        let name = |infra: &Infra, role: &infra::Role| infra.files.get(role.place.file).map(|file| file.name.clone());
        let is_same = |other: &&infra::Role| other.address == role.address && name(&after, other) == name(infra, role);
        let mut same = after.roles.iter().filter(is_same);
        same.any(|role| {
            role.policy
                .as_ref()
                .is_ok_and(|after| shape(&after.text) == shape(wanted))
        })
    };
    reads_as_wanted(&is_part) || reads_as_wanted(&is_near)
}

/// Up to this many files, modules that call each other are read again to prove a change.
const MOST_FILES: usize = 200;

/// All of a policy but its principals, since only one of the two texts contains the account number.
fn shape(text: &str) -> Vec<String> {
    let mut texts = Vec::new();
    if let Ok(json) = serde_json::from_str::<Json>(text) {
        gather(&json, "", &mut texts);
    }
    texts
}

fn gather(json: &Json, key: &str, texts: &mut Vec<String>) {
    match json {
        Json::Object(fields) => {
            for (key, value) in fields {
                if key != "Principal" {
                    texts.push(key.clone());
                    gather(value, key, texts);
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| gather(item, key, texts)),
        Json::String(text) => texts.push(format!("{key}={text}")),
        other => texts.push(format!("{key}={other}")),
    }
}
