//! A single fix of the trust policy: the policy with it applied, in one form, and what it changes.

use std::fmt::Write as _;

use super::{MOST_LINES, Report, clean, clean_lines, json};
use crate::finding::{Fix, Found, Severity, Target};

/// Selects one of a report's fixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhichFix {
    /// The finding; by default the cause, or else the first finding that has a fix.
    pub id: Option<String>,
    /// The number of its fix, as in the report.
    pub number: usize,
}

impl Default for WhichFix {
    fn default() -> Self {
        Self { id: None, number: 1 }
    }
}

/// The format of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// CloudFormation.
    CloudFormation,
    /// JSON.
    Policy,
    /// Terraform.
    Terraform,
}

/// A change of the trust policy that was applied and evaluated.
#[derive(Debug, Clone, Copy)]
pub struct Fixed<'a> {
    found: &'a Found,
    fix: &'a Fix,
}

impl<'a> Fixed<'a> {
    /// Returns the selected fix of the deciding run.
    ///
    /// # Errors
    /// A message that says why there is none.
    pub fn of(report: &'a Report, which: &WhichFix) -> Result<Self, String> {
        let diagnosis = &report.deciding().diagnosis;
        let of_policy = |fix: &Fix| fix.target == Target::TrustPolicy && !fix.text.is_empty();
        let mendable = || {
            let findings = diagnosis.findings.iter();
            findings.filter(|found| found.fixes.iter().any(of_policy))
        };
        let found = match &which.id {
            Some(id) => diagnosis.findings.iter().find(|found| found.rule.id == id),
            None => diagnosis.cause().or_else(|| mendable().next()),
        };
        let others = || {
            let flags = |found: &Found| match found.fixes.iter().position(of_policy) {
                None | Some(0) => format!("`--id {}`", found.rule.id),
                Some(at) => format!("`--id {} --number {}`", found.rule.id, at + 1),
            };
            let ids: Vec<String> = mendable().map(flags).collect();
            if ids.is_empty() {
                "nothing is written".to_owned()
            } else {
                format!("nothing is written; there is a change for {}", ids.join(", "))
            }
        };
        let Some(found) = found else {
            return Err(match &which.id {
                Some(id) => format!("there is no finding `{id}`: {}", others()),
                None if diagnosis.policy.is_none() => {
                    "the trust policy is not known: give it with `--trust-policy`".to_owned()
                }
                None => format!("there is nothing to fix ({}): {}", report.headline(), others()),
            });
        };
        let Some(fix) = which.number.checked_sub(1).and_then(|at| found.fixes.get(at)) else {
            return Err(match found.fixes.len() {
                0 if diagnosis.policy.is_none() => {
                    "the trust policy is not known: give it with `--trust-policy`".to_owned()
                }
                0 => format!(
                    "no change of the trust policy is proven to fix `{}`: {}",
                    found.rule.id,
                    others()
                ),
                count => format!(
                    "`{}` has {count} fixes, and none with the number {}",
                    found.rule.id, which.number
                ),
            });
        };
        if of_policy(fix) {
            Ok(Self { found, fix })
        } else {
            let place = fix.target.name();
            Err(format!(
                "fix {} of `{}` is not in the trust policy but in the {place} ({}): {}",
                which.number,
                found.rule.id,
                fix.title,
                others()
            ))
        }
    }

    /// Returns the whole policy in one form. Invisible characters are written as escapes, which mean the same to a parser.
    #[must_use]
    pub fn text(&self, form: Form) -> String {
        let text = match form {
            Form::CloudFormation => &self.fix.cloudformation,
            Form::Policy => &self.fix.text,
            Form::Terraform => &self.fix.terraform,
        };
        let mut text = json::escaped(text.trim_end_matches('\n'));
        text.push('\n');
        text
    }

    /// Returns what it changes, for the person who applies it.
    #[must_use]
    pub fn told(&self) -> String {
        let severity = match self.found.severity {
            Severity::Blocks => "error",
            Severity::Risk | Severity::Note => self.found.severity.name(),
        };
        let mut out = format!(
            "{severity}[{}]: {}\nfix: {}\n",
            self.found.rule.id,
            clean(&self.found.message),
            clean(&self.fix.title)
        );
        for line in clean_lines(&self.fix.diff).lines() {
            let _ = writeln!(out, "  {line}");
        }
        for note in self.fix.notes.iter().take(MOST_LINES).chain(&self.fix.proof) {
            let _ = writeln!(out, "note: {}", clean(note));
        }
        out
    }
}
