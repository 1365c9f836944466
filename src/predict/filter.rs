//! The patterns under `branches`, `tags` and their `-ignore` forms.
//!
//! GitHub docs, "Workflow syntax for GitHub Actions", "Filter pattern cheat sheet": `*` is any run of characters except `/`, `**` any run,
//! `?` zero or one of the preceding character, `+` one or more of it, `[]` one of those listed, a leading `!` excludes what the
//! patterns above it let in, and `\` escapes a character.

use crate::github::workflow::{Kind, Node};
use crate::text::language::{Class, Glob, Language};

use super::name_character;

/// A filter with more patterns than this is left unread.
const MOST: usize = 100;

/// What a filter lets through.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) names: Language,
    /// In words: "branches that fit `release/*`".
    pub(super) words: String,
    /// Whether it was left open because it couldn't be read.
    pub(super) is_unread: bool,
}

/// Any branch or tag name: no part between slashes is empty (git-check-ref-format).
pub(super) fn any_name() -> Language {
    let empty_parts = ["/*", "*/", "*//*"].map(|pattern| Glob::like(pattern).into());
    let names = Language::from(Glob::default().some(&name_character()));
    empty_parts.into_iter().fold(names, Language::without)
}

/// The filter under a name, `branches` or `tags`, or under its `-ignore`; `None` if there is neither.
pub(super) fn filter(of: &Node, name: &str) -> Option<Filter> {
    let takes = of.get(name).map(|node| (node, false));
    let leaves = || of.get(&format!("{name}-ignore")).map(|node| (node, true));
    let (node, is_ignored) = takes.or_else(leaves)?;
    let patterns = texts(node);
    let unread = |patterns: Option<&[String]>| Filter {
        names: any_name(),
        words: match patterns {
            Some(patterns) => format!("{name} by the filter {}", quoted(patterns)),
            None => format!("any of the {name}"),
        },
        is_unread: true,
    };
    let Some(patterns) = patterns.filter(|patterns| patterns.len() <= MOST) else {
        return Some(unread(None));
    };
    let Some(fitting) = fitting(&patterns) else {
        return Some(unread(Some(&patterns)));
    };
    let (names, words) = if is_ignored {
        (
            any_name().without(fitting),
            format!("{name} other than {}", quoted(&patterns)),
        )
    } else if let Some(listed) = fitting.listed() {
        (
            Language::one_of(listed.iter().map(String::as_str)),
            format!("{name} {}", quoted(&patterns)),
        )
    } else {
        (
            any_name().and(fitting),
            format!("{name} that fit {}", quoted(&patterns)),
        )
    };
    Some(Filter {
        names,
        words,
        is_unread: false,
    })
}

/// A text, or a list of texts; `None` for anything else.
fn texts(node: &Node) -> Option<Vec<String>> {
    match &node.kind {
        Kind::List(items) => items.iter().map(|item| item.scalar().map(|text| text.value)).collect(),
        Kind::Scalar(text) => Some(vec![text.clone()]),
        Kind::Map(_) => None,
    }
}

fn quoted(patterns: &[String]) -> String {
    let few: Vec<String> = patterns.iter().take(4).map(|pattern| format!("`{pattern}`")).collect();
    let more = if patterns.len() > 4 { ", …" } else { "" };
    few.join(", ") + more
}

/// What a list of patterns lets through (the last match decides); `None` if one can't be read.
fn fitting(patterns: &[String]) -> Option<Language> {
    let mut all = match patterns.first() {
        // With nothing to exclude from, GitHub may run nothing at all: unclear.
        Some(first) if first.starts_with('!') => any_name(),
        _ => Language::nothing(),
    };
    for pattern in patterns {
        all = match pattern.strip_prefix('!') {
            Some(pattern) => all.without(glob(pattern)?.into()),
            None => all.or(glob(pattern)?.into()),
        };
    }
    Some(all)
}

/// One pattern.
fn glob(pattern: &str) -> Option<Glob> {
    let mut glob = Glob::default();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        let class = match c {
            '*' if rest.next_if_eq(&'*').is_some() => {
                while rest.next_if_eq(&'*').is_some() {}
                // As in path filters, `**/` can also be empty.
                glob = if rest.next_if_eq(&'/').is_some() {
                    glob.up_to('/')
                } else {
                    glob.many(&Class::any())
                };
                continue;
            }
            '*' => {
                glob = glob.many(&Class::one('/').others());
                continue;
            }
            '[' => {
                let mut ranges = Vec::new();
                loop {
                    let first = rest.next()?;
                    if first == ']' {
                        break;
                    }
                    let last = match rest.next_if_eq(&'-') {
                        Some(_) => rest.next().filter(|c| *c != ']')?,
                        None => first,
                    };
                    ranges.push((first, last));
                }
                Class::of(&ranges)
            }
            '\\' => Class::one(rest.next()?),
            '?' | '+' => return None,
            c => Class::one(c),
        };
        glob = if rest.next_if_eq(&'?').is_some() {
            glob.maybe(&class)
        } else if rest.next_if_eq(&'+').is_some() {
            glob.some(&class)
        } else {
            glob.one(&class)
        };
    }
    Some(glob)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::github::workflow::tree;

    #[test]
    fn filters_let_through_what_github_documents() {
        for (filter_text, inside, outside) in [
            ("branches: [main]", vec!["main"], vec!["mains", "main/x"]),
            ("branches: main", vec!["main"], vec!["dev"]),
            (
                "branches: ['feature/*']",
                vec!["feature/a"],
                vec!["feature/a/b", "feature"],
            ),
            (
                "branches: ['feature/**']",
                vec!["feature/a", "feature/a/b"],
                vec!["features"],
            ),
            ("branches: ['*']", vec!["main"], vec!["a/b"]),
            ("branches: ['**']", vec!["main", "a/b"], vec![""]),
            (
                "branches: ['*feature']",
                vec!["feature", "mona-feature"],
                vec!["feature1"],
            ),
            ("branches: ['v2*']", vec!["v2", "v2.0"], vec!["v1"]),
            (
                "branches: ['v[12].[0-9]+.[0-9]+']",
                vec!["v1.10.1", "v2.0.0"],
                vec!["v3.0.0", "v1..0"],
            ),
            ("branches: ['ma?in']", vec!["min", "main"], vec!["maain"]),
            (r"branches: ['a\+b']", vec!["a+b"], vec!["aab"]),
            (
                "branches: ['releases/**', '!releases/**-alpha']",
                vec!["releases/10", "releases/beta/mona"],
                vec!["releases/10-alpha", "main"],
            ),
            (
                "branches: ['*.md', '!README.md', 'README*']",
                vec!["README.md", "hello.md"],
                vec!["docs/hello.md"],
            ),
            (
                "branches-ignore: [canary, 'x/**']",
                vec!["main", "x"],
                vec!["canary", "x/y/z"],
            ),
            (
                "branches: ['**/main']",
                vec!["main", "a/main", "a/b/main"],
                vec!["amain"],
            ),
            // A filter that can't be read lets everything through.
            ("branches: ['a[']", vec!["anything"], vec![]),
            ("branches: {a: b}", vec!["anything"], vec![]),
            ("branches: ['!main']", vec!["dev"], vec!["main"]),
        ] {
            let found = filter(&tree(filter_text).unwrap(), "branches").unwrap();
            for name in inside {
                assert!(found.names.contains(name), "{filter_text}: {name}");
            }
            for name in outside {
                assert!(!found.names.contains(name), "{filter_text}: {name}");
            }
        }
        assert!(filter(&tree("tags: [x]").unwrap(), "branches").is_none());
    }
}
