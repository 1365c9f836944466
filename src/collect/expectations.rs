//! Expectation files, and the policies that they apply to.

use std::path::Path;

use super::files::{Files, read};
use crate::args::InputError;
use crate::args::predict::Test;
use crate::evidence::PolicyText;
use crate::policy::{TrustPolicy, parse};
use crate::predict::{Checked, Read};

const MOST: u64 = 1 << 20;

/// A file of expectations, and the results.
#[derive(Debug)]
pub struct Tested {
    /// The file.
    pub file: String,
    /// Each of its tokens.
    pub checked: Vec<Checked>,
}

/// Evaluates the tokens of a file against its policy, or the one that the flags name.
///
/// # Errors
/// [`InputError`] if the file or its policy can't be read.
pub fn tested(flags: &Test, file: &str, from: &Path) -> Result<Tested, InputError> {
    let place = |line: usize| format!("`{file}`, line {line}");
    let path = from.join(file);
    let text = read(&path, MOST).map_err(|message| InputError::new(format!("`{file}`"), message))?;
    let wrong = |wrong: crate::predict::Wrong| InputError::new(place(wrong.line), wrong.message);
    let expected = Read::of(&text).map_err(wrong)?;
    let policy = match (&flags.trust_policy, &expected.all.policy) {
        (Some(given), _) => policy("`--trust-policy`", given)?,
        (None, Some(serde_json::Value::String(beside))) => {
            let beside = path.parent().unwrap_or(from).join(beside);
            policy(&format!("the policy of `{file}`"), &beside.display().to_string())?
        }
        (None, Some(policy)) => parse(&policy.to_string())
            .map_err(|error| InputError::new(format!("the policy in `{file}`"), error.to_string()))?,
        (None, None) => {
            let message = "there is no policy: `policy: FILE` names it, or `--trust-policy`";
            return Err(InputError::new(format!("`{file}`"), message));
        }
    };
    Ok(Tested {
        file: file.to_owned(),
        checked: expected.check(&policy).map_err(wrong)?,
    })
}

/// A policy, as a file or as the text itself.
pub(super) fn policy_text(place: &str, given: &str) -> Result<String, InputError> {
    let found = Files { workspace: None }.trust_policy(place, given)?.trust_policy;
    Ok(match found {
        Some(PolicyText::Text(text)) => text,
        Some(PolicyText::Value(value)) => value.to_string(),
        None => String::new(),
    })
}

fn policy(place: &str, given: &str) -> Result<TrustPolicy, InputError> {
    parse(&policy_text(place, given)?).map_err(|error| InputError::new(place, error.to_string()))
}
