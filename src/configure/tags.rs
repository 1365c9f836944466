//! The session tags sent with `sts:AssumeRole`. (`src/assumeRole.ts`.)

use serde_json::Value;

use super::{Input, Inputs};

/// A session tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Whether it is dropped if the tags are too large together.
    pub droppable: bool,
}

/// Key, variable, and whether the tag is dropped if the tags are too large together.
const TAG_SOURCES: [(&str, &str, bool); 12] = [
    ("Repository", "GITHUB_REPOSITORY", false),
    ("Workflow", "GITHUB_WORKFLOW", false),
    ("Action", "GITHUB_ACTION", false),
    ("Actor", "GITHUB_ACTOR", false),
    ("Commit", "GITHUB_SHA", false),
    ("Branch", "GITHUB_REF", false),
    ("EventName", "GITHUB_EVENT_NAME", true),
    ("BaseRef", "GITHUB_BASE_REF", true),
    ("HeadRef", "GITHUB_HEAD_REF", true),
    ("RunId", "GITHUB_RUN_ID", true),
    ("Job", "GITHUB_JOB", true),
    ("TriggeringActor", "GITHUB_TRIGGERING_ACTOR", true),
];

impl Inputs {
    /// The session tags of an `AssumeRole` call, from the runner's variables; none if tagging is skipped.
    ///
    /// # Errors
    /// If `custom-tags` is invalid: what is wrong with it.
    pub fn tags<'a>(&self, variable: impl Fn(&str) -> Option<&'a str>) -> Result<Vec<Tag>, String> {
        let own = TAG_SOURCES.iter().filter_map(|(key, name, droppable)| {
            Some(Tag {
                key: (*key).to_owned(),
                value: sanitized(variable(name)?),
                droppable: *droppable,
            })
        });
        let mut tags = vec![Tag {
            key: "GitHub".to_owned(),
            value: "Actions".to_owned(),
            droppable: false,
        }];
        tags.extend(own);
        if let Some(text) = self.given(Input::CustomTags) {
            let custom = custom_tags(text, tags.len())?;
            tags.extend(custom);
        }
        if self.is_on(Input::RoleSkipSessionTagging) {
            tags.clear();
        }
        Ok(tags)
    }

    /// The names in `transitive-tag-keys` that this step may send a tag for: the action silently drops the others.
    #[must_use]
    pub fn transitive_names(&self) -> Vec<String> {
        self.tags(|_| Some(""))
            .map_or_else(|_| Vec::new(), |tags| self.transitive_keys(&tags))
    }

    /// The names of the tags that the action sends by itself, in some versions or all.
    pub fn tag_names() -> impl Iterator<Item = &'static str> {
        TAG_SOURCES.iter().map(|(name, ..)| *name)
    }

    /// The keys in `transitive-tag-keys` that have a tag: the action silently drops the others.
    #[must_use]
    pub fn transitive_keys(&self, tags: &[Tag]) -> Vec<String> {
        let lines = self
            .get(Input::TransitiveTagKeys)
            .unwrap_or_default()
            .lines()
            .map(str::trim);
        let known = lines.filter(|key| tags.iter().any(|tag| tag.key == **key));
        known.map(str::to_owned).collect()
    }
}

/// Whether a tag may contain this character. (`[\p{L}\p{Z}\p{N}_.:/=+\-@]`)
fn is_tag_letter(c: char) -> bool {
    c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c)
}

/// A variable as a tag's value (`sanitizeGitHubVariables`).
fn sanitized(value: &str) -> String {
    const MOST: usize = 256;
    value
        .chars()
        .map(|c| if is_tag_letter(c) { c } else { '_' })
        .take(MOST)
        .collect()
}

/// Parses the input `custom-tags`, given the number of other tags (`parseAndValidateCustomTags`).
pub(super) fn custom_tags(text: &str, beside: usize) -> Result<Vec<Tag>, String> {
    const MOST: usize = 50;
    let parsed = serde_json::from_str(text).map_err(|_| "it is not JSON".to_owned())?;
    let Value::Object(map) = parsed else {
        return Err("it is not a JSON object".to_owned());
    };
    let mut tags = Vec::new();
    for (key, value) in map {
        let value = match value {
            Value::String(text) => text,
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            _ => {
                return Err(format!(
                    "the value of `{key}` is neither a string nor a number, `true` or `false`"
                ));
            }
        };
        let (letters, most) = (key.encode_utf16().count(), value.encode_utf16().count());
        if !(1..=128).contains(&letters) {
            return Err(format!(
                "the key `{key}` has {letters} characters, and 1 to 128 are allowed"
            ));
        }
        if most > 256 {
            return Err(format!(
                "the value of `{key}` has {most} characters, and 256 are allowed"
            ));
        }
        if let Some(odd) = key.chars().chain(value.chars()).find(|c| !is_tag_letter(*c)) {
            return Err(format!(
                "the tag `{key}` contains `{odd}`; only letters, digits, spaces and `_.:/=+-@` are allowed"
            ));
        }
        if key == "GitHub" || TAG_SOURCES.iter().any(|(own, ..)| *own == key) {
            return Err(format!("the key `{key}` is one that the action sets itself"));
        }
        tags.push(Tag {
            key,
            value,
            droppable: false,
        });
    }
    if beside + tags.len() > MOST {
        return Err(format!(
            "there are {} tags with the action's own, and {MOST} are allowed",
            beside + tags.len()
        ));
    }
    Ok(tags)
}
