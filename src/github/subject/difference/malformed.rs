//! Why a policy's value can never be a subject, and what may have been meant.

use super::{Reason, customized_context, is_template_key, matches};
use crate::github::subject::Subject;
use crate::text::masked::is_masked;

/// The reason, the value that may have been meant, the bytes at fault.
pub(super) type Slip = (Reason, Option<String>, (usize, usize));

/// A character in the repository's name that occurs in no name on GitHub, nor in this token.
pub(super) fn odd_name(value: Option<Subject<'_>>, subject: &str) -> Option<Slip> {
    let value = value?;
    let repository = value.repository_part();
    let is_odd = |c: char| !(c.is_alphanumeric() || "-_./@*?".contains(c) || subject.contains(c));
    let at = match repository.find(is_odd) {
        Some(at) => at,
        // `@owner`: GitHub's way to mention someone.
        None if value.owner.is_empty() && value.owner_id.is_some() => 0,
        None => return None,
    };
    let odd = repository.get(at..)?.chars().next()?;
    let clean: String = repository.chars().filter(|c| *c != odd && !is_odd(*c)).collect();
    let start = "repo:".len() + at;
    Some((
        format!("`{odd}` cannot occur in the name of an owner or repository").into(),
        (clean.matches('/').count() == 1 && !matches!(odd, '<' | '>' | '{' | '}' | '$'))
            .then(|| value.with_names(&clean)),
        (start, start + odd.len_utf8()),
    ))
}

/// A host in a value, whatever surrounds it.
fn with_host(pattern: &str) -> Option<Slip> {
    let host = [
        "https://",
        "http://",
        "github.com/",
        "token.actions.githubusercontent.com",
    ];
    let (host, at) = host.iter().find_map(|host| Some((host, pattern.find(host)?)))?;
    let clean = pattern
        .replace("https://", "")
        .replace("http://", "")
        .replace("github.com/", "");
    Some((
        format!("it contains `{host}`, but a subject has only the repository's name").into(),
        Some(clean),
        (at, at + host.len()),
    ))
}

/// Why the visible parts of a value cannot occur in any subject.
pub(super) fn malformed_behind_mask(pattern: &str, value: Option<Subject<'_>>) -> Option<Slip> {
    if let Some(slip) = with_host(pattern) {
        return Some(slip);
    }
    let context = value?.context.filter(|context| !is_masked(context))?;
    let (reason, ..) = malformed(&format!("repo:o/r:{context}"))?;
    Some((reason, None, (pattern.len() - context.len(), pattern.len())))
}

/// Why a value can never be a subject.
pub(super) fn malformed(pattern: &str) -> Option<Slip> {
    if let Some(slip) = in_text(pattern) {
        return Some(slip);
    }
    match Subject::parse(pattern) {
        Some(value) => in_repository(pattern, value).or_else(|| in_context(pattern, value)),
        None => no_repo_prefix(pattern),
    }
}

/// What is wrong whatever the parts are: stray characters, several values in one, something that isn't a subject at all.
fn in_text(pattern: &str) -> Option<Slip> {
    let whole = (0, pattern.len());
    let at = |needle: &str| {
        pattern
            .find(needle)
            .map_or(whole, |start| (start, start + needle.len()))
    };
    if pattern.trim().is_empty() {
        return Some(("it is empty".into(), None, whole));
    }
    if pattern.trim() != pattern {
        let part = if pattern.trim_end() == pattern {
            (0, pattern.len() - pattern.trim_start().len())
        } else {
            (pattern.trim_end().len(), pattern.len())
        };
        return Some((
            "it starts or ends with a stray space".into(),
            Some(pattern.trim().to_owned()),
            part,
        ));
    }
    if let Some(odd) = pattern.find(|c: char| {
        c.is_control()
            || matches!(
                c,
                '\\' | '"' | '\u{200b}' | '\u{feff}' | '\u{a0}' | '\u{2018}'..='\u{201f}'
            )
    }) {
        let width = pattern
            .get(odd..)
            .and_then(|rest| rest.chars().next())
            .map_or(1, char::len_utf8);
        let clean: String = pattern
            .chars()
            .filter(|c| {
                !(c.is_control()
                    || matches!(
                        c,
                        '\\' | '"' | '\u{200b}' | '\u{feff}' | '\u{a0}' | '\u{2018}'..='\u{201f}'
                    ))
            })
            .collect();
        return Some((
            "it contains a character that no subject has: a backslash, a quote or an invisible character".into(),
            Some(clean),
            (odd, odd + width),
        ));
    }
    if let Some((at, _)) = pattern
        .match_indices("repo:")
        .find(|(at, _)| pattern.get(..*at).is_some_and(|head| head.ends_with([',', ';', '|'])))
    {
        return Some((
            "it has several subjects in one string; each must be a separate value in a list".into(),
            pattern.get(..at - 1).map(str::to_owned),
            (at - 1, at),
        ));
    }
    if let Some(open) = pattern.find("${") {
        let inside = pattern
            .get(open + 2..)
            .and_then(|rest| rest.split('}').next())
            .unwrap_or_default();
        let at = (open, pattern.len().min(open + inside.len() + 3));
        if inside.starts_with('{') || !(inside.contains(':') || matches!(inside.trim(), "*" | "?" | "$")) {
            return Some((Reason::Placeholder, None, at));
        }
        let variable = "its policy variable has no value in this request, or is plain text because `\"Version\": \"2012-10-17\"` is missing";
        return Some((variable.into(), None, at));
    }
    if let Some(slip) = with_host(pattern) {
        return Some(slip);
    }
    if pattern.contains("refs/pull/") {
        let meant = Subject::parse(pattern).map(|value| format!("repo:{}:pull_request", value.repository_part()));
        return Some((
            "no default subject contains `refs/pull/…`: a pull request's ends in `:pull_request`, with neither branch nor number"
                .into(),
            meant,
            at("refs/pull/"),
        ));
    }
    None
}

/// What is wrong with the names of the owner and the repository.
fn in_repository(pattern: &str, value: Subject<'_>) -> Option<Slip> {
    let repository = value.repository_part();
    let part = ("repo:".len(), "repo:".len() + repository.len());
    if repository.contains(char::is_whitespace) {
        let clean: String = repository.split_whitespace().collect();
        return Some((
            "it has a stray space in the repository's name".into(),
            Some(value.with_names(&clean)),
            part,
        ));
    }
    if repository.contains(['\'', '`']) {
        return Some((
            "it contains a quote".into(),
            Some(pattern.replace(['\'', '`'], "")),
            part,
        ));
    }
    let literal_part = repository.split('*').next().unwrap_or_default();
    if literal_part.matches('/').count() > 1 && repository.contains('*') {
        let names = literal_part.trim_end_matches('/');
        return Some((
            "a slash follows the repository: it must be a colon".into(),
            (names.matches('/').count() == 1 && value.context.is_none()).then(|| format!("repo:{names}:*")),
            part,
        ));
    }
    if !repository.contains('*') {
        if repository.matches('/').count() > 1 || repository.ends_with('/') || repository.starts_with('/') {
            let clean = repository.trim_matches('/').to_owned();
            let meant = (clean.matches('/').count() == 1).then(|| value.with_names(&clean));
            return Some((format!("`{repository}` is not `owner/repository`").into(), meant, part));
        }
        if let Some(clean) = repository.strip_suffix(".git") {
            return Some((
                "the repository's name ends in `.git`, which a subject does not have".into(),
                Some(value.with_names(clean)),
                part,
            ));
        }
        if value.repository.is_none() {
            return Some((format!("`{repository}` is not `owner/repository`").into(), None, part));
        }
    }
    None
}

/// What is wrong with what follows the repository.
fn in_context(pattern: &str, value: Subject<'_>) -> Option<Slip> {
    let repository = value.repository_part();
    let Some(context) = value.context else {
        return (!repository.ends_with('*')).then(|| {
            (
                "nothing follows the repository: a default subject ends in `:ref:…`, `:environment:…` or `:pull_request`"
                    .into(),
                Some(format!("{pattern}:*")),
                (pattern.len(), pattern.len()),
            )
        });
    };
    let context_part = (pattern.len() - context.len(), pattern.len());
    if context.is_empty() {
        return Some(("nothing follows the last colon".into(), None, context_part));
    }
    if context.trim_start() != context {
        return Some((
            "it has a stray space after the colon".into(),
            Some(pattern.replace(": ", ":")),
            context_part,
        ));
    }
    if context.starts_with("workflow:") || context.starts_with("job_workflow_ref:") && !customized_context(&value) {
        return Some((
            "no default subject names its workflow; the claim `job_workflow_ref` does".into(),
            None,
            context_part,
        ));
    }
    if context.starts_with("refs/") {
        return Some((
            "`ref:` is missing before `refs/`".into(),
            Some(pattern.replacen(":refs/", ":ref:refs/", 1)),
            context_part,
        ));
    }
    if let Some(name) = context.strip_prefix("ref:") {
        return in_ref(pattern, value, name, context_part);
    }
    if customized_context(&value) {
        return None;
    }
    if let Some(name) = context.strip_prefix("environment:")
        && let Some((_, rest)) = name.split_once(':')
    {
        return Some((
            format!("`:{rest}` follows the environment; a colon in its name is written `%3A`").into(),
            None,
            (pattern.len() - rest.len() - 1, pattern.len()),
        ));
    }
    let literal = context.split(['*', '?']).next().unwrap_or_default();
    let fits = ["ref:refs/", "environment:", "pull_request"]
        .iter()
        .any(|form| literal.starts_with(form) || form.starts_with(literal));
    let bare_pull_request = literal.starts_with("pull_request") && context != "pull_request" && !context.contains('*');
    if fits && !bare_pull_request && context != "environment:" && context != "environment" {
        return None;
    }
    let meant = match context.split_once(':') {
        Some(("env" | "environments" | "Environment", name)) => Some(format!("repo:{repository}:environment:{name}")),
        Some(("branch" | "branches" | "heads", name)) => Some(format!("repo:{repository}:ref:refs/heads/{name}")),
        Some(("tag" | "tags", name)) => Some(format!("repo:{repository}:ref:refs/tags/{name}")),
        _ if context.starts_with("pull") => Some(format!("repo:{repository}:pull_request")),
        _ => None,
    };
    Some((
        format!("`{context}` is none of `ref:…`, `environment:…` and `pull_request`").into(),
        meant,
        context_part,
    ))
}

/// What is wrong with the name of a ref.
fn in_ref(pattern: &str, value: Subject<'_>, name: &str, context_part: (usize, usize)) -> Option<Slip> {
    let repository = value.repository_part();
    if let Some((head, rest)) = name.split_once(':')
        && !customized_context(&value)
        && !head.contains('*')
    {
        return Some((
            format!("`:{rest}` follows the ref, but the ref must end the subject").into(),
            Some(format!("repo:{repository}:ref:{head}")),
            (pattern.len() - rest.len() - 1, pattern.len()),
        ));
    }
    let literal = name.split(['*', '?']).next().unwrap_or_default();
    let fits = ["refs/heads/", "refs/tags/", "refs/"]
        .iter()
        .any(|form| literal.starts_with(form) || form.starts_with(literal));
    let cut_off = ["refs", "refs/", "refs/heads", "refs/heads/", "refs/tags", "refs/tags/"].contains(&name);
    if !fits
        || cut_off
        || literal.starts_with("refs/head/")
        || literal.starts_with("refs/tag/")
        || literal.starts_with("refs/branches/")
    {
        let bare = name
            .rsplit_once("heads/")
            .map_or(name, |(_, bare)| bare)
            .trim_start_matches('/');
        let bare = bare
            .strip_prefix("refs/")
            .map_or(bare, |rest| rest.split_once('/').map_or(rest, |(_, name)| name));
        return Some((
            format!("`{name}` is not a full ref: `refs/heads/…` for a branch, `refs/tags/…` for a tag").into(),
            Some(format!("repo:{repository}:ref:refs/heads/{bare}")),
            context_part,
        ));
    }
    None
}

/// A stray character: without it the value would match.
pub(super) fn stray(pattern: &str, subject: &str) -> Option<Slip> {
    pattern.char_indices().find_map(|(at, c)| {
        let doubled = matches!(c, '/' | ':')
            && pattern
                .get(at + 1..)
                .is_some_and(|rest| rest.starts_with(c) || rest.is_empty());
        if !(doubled || c.is_whitespace() || ",;=\"'`()[]<>|".contains(c)) {
            return None;
        }
        let without = format!("{}{}", pattern.get(..at)?, pattern.get(at + c.len_utf8()..)?);
        matches(&without, subject).then(|| {
            (
                format!("it has a stray `{c}` in it").into(),
                Some(without),
                (at, at + c.len_utf8()),
            )
        })
    })
}

/// A value that begins neither with `repo:` nor a wildcard, nor with a claim that can begin a customized subject.
fn no_repo_prefix(pattern: &str) -> Option<Slip> {
    if pattern.starts_with(['*', '?']) {
        return None;
    }
    let first = pattern.split(':').next().unwrap_or_default();
    if is_template_key(first) && pattern.contains(':') {
        return None;
    }
    let literal = pattern.split(['*', '?']).next().unwrap_or_default();
    if "repo:".starts_with(literal) {
        return None;
    }
    let meant = first.contains('/').then(|| format!("repo:{pattern}"));
    Some(("it does not start with `repo:`".into(), meant, (0, pattern.len())))
}
