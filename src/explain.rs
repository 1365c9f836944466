//! The checks' pages, as `explain` prints them.

use std::fmt::Write as _;

use crate::check::rules::RULES;
use crate::checks::{CHECKS, by_id};
use crate::finding::{Rule, Stage};
use crate::text::alike::did_you_mean;

/// Returns the page of a check.
#[must_use]
pub fn page(id: &str) -> Option<&'static str> {
    let before = || RULES.iter().find(|rule| rule.id == id).map(|rule| rule.page());
    by_id(id).map(|check| check.rule.page()).or_else(before)
}

/// Returns the checks of one of the eight causes, by its number.
#[must_use]
pub fn of_cause(number: &str) -> Vec<&'static Rule> {
    let rules = CHECKS.iter().map(|check| &check.rule);
    rules
        .filter(|rule| rule.cause.is_some_and(|cause| cause.number().to_string() == number))
        .collect()
}

/// Returns the checks whose page shows this part of a message in a log.
#[must_use]
pub fn showing(text: &str) -> Vec<&'static Rule> {
    // A lowercase word is a misspelt ID.
    if !text.contains(|c: char| c == ' ' || c.is_ascii_uppercase()) {
        return Vec::new();
    }
    let text = match text.trim() {
        // The code STS returns with this message.
        "AccessDenied" => "not authorized".to_owned(),
        text => text.to_lowercase(),
    };
    let shows = |rule: &&Rule| {
        let (_, rest) = rule.page().split_once("\n## What it looks like\n").unwrap_or_default();
        let (seen, _) = rest.split_once("\n## ").unwrap_or_default();
        // Every other part is between two fences.
        let mut logs = seen.split("```").skip(1).step_by(2);
        logs.any(|log| log.to_lowercase().contains(&text))
    };
    CHECKS.iter().map(|check| &check.rule).filter(shows).collect()
}

/// Returns the page of a rule, or one line for each of several.
#[must_use]
pub fn pages(rules: &[&Rule]) -> String {
    if let [only] = rules {
        return only.page().to_owned();
    }
    let mut text: String = rules.iter().map(|rule| line(rule)).collect();
    text.push_str("\n`explain <id>` prints a page.\n");
    text
}

/// Returns the ID nearest to a wrong one, with its page.
#[must_use]
pub fn near(id: &str) -> Option<(&'static str, &'static str)> {
    let id = id.trim().to_lowercase().replace(['_', ' '], "-");
    let near = did_you_mean(&id, CHECKS.iter().map(|check| check.rule.id))?;
    by_id(near).map(|check| (near, check.rule.page()))
}

/// Returns all checks, by stage, with the number of their cause.
#[must_use]
pub fn list() -> String {
    let mut text = String::new();
    for stage in Stage::HANDSHAKE.into_iter().chain([Stage::Risk]) {
        let _ = writeln!(text, "{}", stage.name());
        for check in CHECKS.iter().filter(|check| check.rule.stage == stage) {
            text.push_str(&line(&check.rule));
        }
    }
    text.push_str(
        "\nThe number is the cause, 1 to 8; `-` means beyond the eight causes. `explain <id>` prints a check's page.\n",
    );
    text
}

fn line(rule: &Rule) -> String {
    let cause = rule
        .cause
        .map_or_else(|| "-".to_owned(), |cause| cause.number().to_string());
    format!("  {cause}  {:<28} {}\n", rule.id, rule.title)
}
