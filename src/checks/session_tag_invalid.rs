//! `session-tag-invalid`: AWS rejects a session tag.

use super::check::{Check, When};
use crate::aws::answer::Answer;
use crate::case::Case;
use crate::configure::Input;
use crate::finding::{Certainty, Fact, Finding, Rule, Stage};
use crate::text::masked::is_hidden;

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "session-tag-invalid",
        cause: None,
        stage: Stage::Request,
        title: "AWS rejects a session tag",
    },
    when: When::NotAllowed,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    if let Some(Answer::SessionTagsTooLarge(percent)) = case.answer {
        let share = percent.map_or_else(|| "more than all".to_owned(), |percent| format!("{percent}%"));
        return Some(
            Finding::blocks(format!("the session tags take {share} of the space that AWS has for them"))
                .rests_on(case, &[Fact::Answer])
                .note("that space is smaller than 50 tags of full length; a session that is chained from brings its transitive tags along, as that of an EKS pod identity does")
                // aws/containers-roadmap#2413; `src/assumeRole.ts` in v6.2.3, lines 60 to 70; aws-actions/configure-aws-credentials#1803.
                .note("configure-aws-credentials leaves out some of its own tags and asks again since v6.2")
                .help("set `role-skip-session-tagging: true`, or give fewer and shorter `custom-tags`")
                .help("use a newer configure-aws-credentials"),
        );
    }
    if let Some(finding) = sent_again(case) {
        return Some(finding);
    }
    let said = case.answer == Some(Answer::SessionTagInvalid);
    let fault = case
        .request()
        .given(Input::CustomTags)
        .filter(|tags| !is_hidden(tags))
        .and_then(fault);
    if !said && fault.is_none() {
        return None;
    }
    let on: &[Fact] = if said {
        &[Fact::Answer]
    } else {
        &[Fact::Input(Input::CustomTags)]
    };
    Some(
        Finding::blocks(fault.unwrap_or_else(|| "AWS rejects one of the session tags".to_owned()))
            .rests_on(case, on)
            .note("a tag has a key of at most 128 characters and a value of at most 256, of letters, digits, blanks and `_.:/=+-@`; at most 50 tags in all")
            .note("with the ID token no tags are sent; `custom-tags` is read anyway, and broken JSON in it fails the step")
            .help("correct `custom-tags`, or set `role-skip-session-tagging: true`"),
    )
}

/// "If you pass a session tag with the same key as an inherited tag, the operation fails." (STS API Reference, `AssumeRole`, `Tags`.)
fn sent_again(case: &Case<'_>) -> Option<Finding> {
    let said = case.answer == Some(Answer::SessionTagInvalid)
        && case
            .message()
            .is_some_and(|text| text.contains("transitive tag key from the calling session"));
    let inherited = &case.at_hand().filter(|_| case.asks_with_credentials())?.transitive_tags;
    // The tags that every version sends, whatever the job runs for.
    let sent = case.request().tags(|_| Some("")).unwrap_or_default();
    let sent = sent.into_iter().filter(|tag| !tag.droppable).map(|tag| tag.key);
    let again: Vec<String> = sent
        .filter(|key| inherited.iter().any(|name| name.eq_ignore_ascii_case(key)))
        .map(|key| format!("`{key}`"))
        .collect();
    if !said && (case.answer.is_some() || again.is_empty()) {
        return None;
    }
    let names = match again.as_slice() {
        [] => "a session tag".to_owned(),
        [only] => format!("the session tag {only}"),
        several => format!("the session tags {}", several.join(", ")),
    };
    let finding = Finding::blocks(format!(
        "the step sends {names} again, which the calling session already passes on (`transitive-tag-keys`)"
    ));
    let is_told = case.request().get(Input::RoleSkipSessionTagging).is_some();
    Some(
        match (said, is_told) {
            (true, _) => finding.rests_on(case, &[Fact::Answer]),
            (false, true) => finding,
            (false, false) => finding.at_most(Certainty::Possible),
        }
        .note("AWS refuses a tag whose key is inherited, whatever its value; configure-aws-credentials sends the same tags in every step")
        .help("set `role-skip-session-tagging: true` in this step: the inherited tags stay, and still need `sts:TagSession` on both sides")
        .help("or take `transitive-tag-keys` out of the step before"),
    )
}

fn fault(tags: &str) -> Option<String> {
    let tags = match serde_json::from_str::<serde_json::Value>(tags) {
        Err(error) => return Some(format!("`custom-tags` is not JSON: {error}")),
        Ok(serde_json::Value::Object(tags)) => tags,
        Ok(_) => return Some("`custom-tags` is not a JSON object".to_owned()),
    };
    tags.iter().find_map(|(key, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let odd = value
            .chars()
            .find(|c| !(c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(*c)));
        if key.chars().count() > 128 {
            Some(format!("the key of the tag `{key}` has more than 128 characters"))
        } else if value.chars().count() > 256 {
            Some(format!("the value of the tag `{key}` has more than 256 characters"))
        } else {
            odd.map(|odd| format!("the value of the tag `{key}` contains `{odd}`"))
        }
    })
}
