//! Changes to a text that keep its layout, and the same changes as JSON Patch.

use crate::case::PolicyCase;
use crate::finding::Edit;
use crate::policy::{ConditionLeaf, Leaf, Statement};
use crate::text::{Location, SourceText, Span, Spanned, pointer_to};
use serde_json::{Value, json};
use similar::TextDiff;

/// A policy change that isn't proved yet: replacements in its text, and the same as JSON Patch.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    pub title: String,
    pub edits: Vec<Edit>,
    pub patch: Vec<Value>,
    pub notes: Vec<String>,
    /// The parts of the policy that keep the token out and that the change addresses.
    pub mends: Vec<Leaf>,
}

impl Draft {
    pub(super) fn edit(&mut self, span: Span, text: String, operation: Value) {
        self.edits.push(Edit { span, text });
        self.patch.push(operation);
    }

    /// Sets a title unless it has one.
    pub(super) fn titled(mut self, title: &str) -> Self {
        if self.title.is_empty() {
            title.clone_into(&mut self.title);
        }
        self
    }
}

/// The values of an element or of a condition key: a text or a list.
pub(super) struct Values<'a> {
    pub location: Location,
    pub values: &'a [Spanned<String>],
    pub is_list: bool,
}

/// Adds a value, keeping the list's layout.
pub(super) fn append(draft: &mut Draft, source: &SourceText, to: &Values<'_>, value: &str) {
    let Values {
        location: Location { span, pointer },
        values,
        is_list,
    } = to;
    let span = *span;
    let new = json!(value).to_string();
    let Some(last) = values.last() else {
        draft.edit(
            span,
            format!("[{new}]"),
            json!({"op": "replace", "path": pointer, "value": [value]}),
        );
        return;
    };
    if *is_list {
        // The white space between two values, or before the only one.
        let before = match *values {
            [.., previous, last] => Span::new(previous.span.end, last.span.start),
            _ => Span::new(span.start + 1, last.span.start),
        };
        let between = source
            .slice(before)
            .trim_start_matches(|c: char| c.is_whitespace() && c != '\n' && c != ' ');
        let between = between.trim_start_matches(',');
        let between = if between.trim().is_empty() { between } else { " " };
        let between = if between.is_empty() { " " } else { between };
        draft.edit(
            Span::new(last.span.end, last.span.end),
            format!(",{between}{new}"),
            json!({"op": "add", "path": format!("{pointer}/-"), "value": value}),
        );
    } else {
        let old = source.slice(last.span);
        let line_start = source
            .text
            .get(..span.start)
            .and_then(|head| head.rfind('\n'))
            .map(|at| at + 1);
        let list = match line_start {
            // In a text of several lines, the list gets one value per line.
            Some(start) => {
                let line = source.text.get(start..).unwrap_or_default();
                let indent: String = line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
                format!("[\n{indent}  {old},\n{indent}  {new}\n{indent}]")
            }
            None => format!("[{old}, {new}]"),
        };
        draft.edit(
            span,
            list,
            json!({"op": "replace", "path": pointer, "value": [last.value, value]}),
        );
    }
}

/// Adds an action to those of a statement; `None` if it uses `NotAction`.
pub(super) fn append_action(
    draft: &mut Draft,
    source: &SourceText,
    policy: &PolicyCase,
    (index, statement): (usize, &Statement),
    name: &str,
) -> Option<()> {
    let action = statement.action.as_ref().filter(|action| !action.negated)?;
    let actions = Values {
        location: policy.policy.location(Leaf::Action { statement: index })?,
        values: &action.values,
        is_list: action.is_list,
    };
    append(draft, source, &actions, name);
    Some(())
}

/// Adds a value to a condition.
pub(super) fn append_value(draft: &mut Draft, source: &SourceText, leaf: &ConditionLeaf<'_>, value: &str) {
    let values = Values {
        location: leaf.location(),
        values: &leaf.key.values,
        is_list: leaf.key.is_list,
    };
    append(draft, source, &values, value);
}

/// Removes a condition key, and its operator if nothing else is under it.
pub(super) fn remove(
    draft: &mut Draft,
    source: &SourceText,
    policy: &PolicyCase,
    statement: &Statement,
    leaf: &ConditionLeaf<'_>,
) -> Option<()> {
    let Leaf::Key { statement: index, .. } = leaf.leaf else {
        return None;
    };
    let alone = leaf.condition.keys.len() == 1;
    let (entry, pointer) = if alone {
        if statement.conditions.len() == 1 {
            return None;
        }
        (
            Span::new(leaf.condition.operator.span.start, leaf.condition.span.end),
            pointer_to(
                &format!("{}/Condition", policy.policy.statement_pointer(index)),
                &leaf.condition.name,
            ),
        )
    } else {
        (
            Span::new(leaf.key.key.span.start, leaf.key.span.end),
            leaf.location().pointer,
        )
    };
    let text = source.text.as_str();
    let after = text.get(entry.end..)?;
    let blank = after.len() - after.trim_start().len();
    let span = if after.trim_start().starts_with(',') {
        // Up to where the next entry begins.
        let rest = after.get(blank + 1..)?;
        Span::new(
            entry.start,
            entry.end + blank + 1 + (rest.len() - rest.trim_start().len()),
        )
    } else {
        let head = text.get(..entry.start)?.trim_end();
        Span::new(head.strip_suffix(',').map_or(head.len(), str::len), entry.end)
    };
    draft.edit(span, String::new(), json!({"op": "remove", "path": pointer}));
    Some(())
}

/// The line break and indentation before a place, or one space if it doesn't begin its line.
pub(super) fn indentation(source: &SourceText, at: usize) -> String {
    let head = source.text.get(..at).unwrap_or_default();
    let blanks = head.len() - head.trim_end_matches([' ', '\t']).len();
    if head.trim_end_matches([' ', '\t']).ends_with('\n') {
        format!("\n{}", head.get(head.len() - blanks..).unwrap_or_default())
    } else {
        " ".to_owned()
    }
}

/// The text with all replacements made; `None` if they overlap.
pub(super) fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| edit.span);
    let mut out = String::with_capacity(text.len() + 256);
    let mut at = 0;
    for edit in edits {
        out.push_str(text.get(at..edit.span.start)?);
        out.push_str(&edit.text);
        at = edit.span.end;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

pub(super) fn diff(before: &str, after: &str, name: &str) -> String {
    TextDiff::from_lines(before, after)
        .unified_diff()
        .context_radius(1)
        .header(&format!("a/{name}"), &format!("b/{name}"))
        .missing_newline_hint(false)
        .to_string()
}

/// Whether a text needs no quoting in HCL or YAML.
pub(super) fn is_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/@".contains(c))
}
