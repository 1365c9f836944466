//! The events under `on:`, and the ref and subject that each produces.
//!
//! GitHub docs: "Events that trigger workflows" lists the `GITHUB_REF` of each; "OpenID Connect reference" says that the subject names the
//! environment, else `pull_request`, else the ref.

use crate::github::workflow::{Kind, Node};
use crate::text::Span;
use crate::text::language::{Class, Glob, Language};

use super::filter::{any_name, filter};
use super::name_character;

/// A way in which an event starts the workflow.
#[derive(Debug, Clone)]
pub(super) struct Way {
    pub(super) event: String,
    /// The event's position, and in words what lets this through.
    pub(super) at: Span,
    pub(super) what: String,
    /// `refs/heads/…` and so on: every ref possible, and the same in words.
    pub(super) refs: Language,
    pub(super) words: String,
    pub(super) subject: InSubject,
    /// Why the set is larger than it would be if more were known.
    pub(super) widened: Option<String>,
}

/// What the subject of a job without an environment contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InSubject {
    /// Which of the two isn't documented.
    Either,
    PullRequest,
    Ref,
}

/// The event for a workflow called by another.
pub(super) const CALL: &str = "workflow_call";

/// An event that starts the workflow, and its filters, if any.
#[derive(Debug, Clone)]
pub(super) struct Trigger<'a> {
    pub(super) name: String,
    pub(super) at: Span,
    pub(super) body: Option<&'a Node>,
}

/// The events of a workflow.
pub(super) fn triggers(root: &Node) -> Vec<Trigger<'_>> {
    let Some(on) = root.get("on") else { return Vec::new() };
    let bare = |node: &Node| {
        let name = node.scalar()?;
        Some(Trigger {
            name: name.value,
            at: name.span,
            body: None,
        })
    };
    match &on.kind {
        Kind::Map(entries) => entries
            .iter()
            .map(|(name, body)| Trigger {
                name: name.value.clone(),
                at: name.span,
                body: Some(body),
            })
            .collect(),
        Kind::List(items) => items.iter().filter_map(bare).collect(),
        Kind::Scalar(_) => bare(on).into_iter().collect(),
    }
}

/// The ways in which an event starts the workflow; `workflow_call` is excluded.
pub(super) fn ways(trigger: &Trigger<'_>, default_branch: Option<&str>) -> Vec<Way> {
    let filtered = |name: &str| trigger.body.and_then(|body| filter(body, name));
    let event = trigger.name.as_str();
    let on = format!("`on: {event}`");
    let way = |refs: Language, words: &str| Way {
        event: trigger.name.clone(),
        at: trigger.at,
        what: on.clone(),
        refs,
        words: words.to_owned(),
        subject: InSubject::Ref,
        widened: None,
    };
    let branches = || way(under("refs/heads/", &any_name()), "any branch");
    let tags = || way(under("refs/tags/", &any_name()), "any tag");
    let narrowed = |kind: &str, found: super::filter::Filter| Way {
        what: format!("{on}, {}", found.words),
        widened: found.is_unread.then(|| format!("the filter of {on} cannot be read")),
        ..way(under(kind, &found.names), &found.words)
    };
    match event {
        CALL => Vec::new(),
        "push" => match (filtered("branches"), filtered("tags")) {
            // "If you define only one of both, the workflow won't run for the other" (Workflow syntax for GitHub Actions).
            (None, None) => vec![branches(), tags()],
            (on_branches, on_tags) => {
                let of_branches = on_branches.map(|found| narrowed("refs/heads/", found));
                let of_tags = on_tags.map(|found| narrowed("refs/tags/", found));
                of_branches.into_iter().chain(of_tags).collect()
            }
        },
        "pull_request" => {
            let merged = if types(trigger).any(|kind| kind == "closed") {
                // Once it is merged, the ref is the base branch (seen in real tokens).
                under("refs/heads/", &any_name())
            } else {
                Language::nothing()
            };
            vec![Way {
                subject: InSubject::PullRequest,
                ..way(merges().or(merged), "the merge commit of any pull request")
            }]
        }
        "pull_request_review" | "pull_request_review_comment" => vec![Way {
            subject: InSubject::Either,
            widened: Some(format!("GitHub does not document the subject of {on}")),
            ..way(merges(), "the merge commit of any pull request")
        }],
        "pull_request_target" => {
            let default = default_branch.map_or_else(any_name, Language::exactly);
            let base = filtered("branches").map_or_else(any_name, |found| found.names.or(default));
            vec![Way {
                subject: InSubject::Either,
                widened: Some(format!("GitHub does not document the subject of {on}")),
                ..way(under("refs/heads/", &base), "the base branch or the default branch")
            }]
        }
        // Only the beginning of the name is documented.
        "merge_group" => {
            let base = filtered("branches");
            let words = match &base {
                Some(base) => format!("the merge queue's branch for {}", base.words),
                None => "the merge queue's branch".to_owned(),
            };
            let queue = Glob::default().text("refs/heads/gh-readonly-queue/");
            let no_slash = name_character().without(&Class::one('/'));
            let entry = Glob::default().text("/").some(&no_slash);
            let base = base.map_or_else(any_name, |found| found.names);
            vec![way(base.within(&queue, &entry), &words)]
        }
        "workflow_dispatch" | "create" | "registry_package" => vec![branches(), tags()],
        "deployment" | "deployment_status" => vec![
            branches(),
            tags(),
            Way {
                widened: Some(format!(
                    "a deployment of a commit has no ref, and GitHub does not document its subject ({on})"
                )),
                ..way(Language::exactly(""), "no ref")
            },
        ],
        "release" => vec![tags()],
        _ if ON_DEFAULT_BRANCH.contains(&event) => match default_branch {
            Some(name) => vec![way(
                Language::exactly(&format!("refs/heads/{name}")),
                "the default branch",
            )],
            None => vec![Way {
                widened: Some("the name of the default branch is not known".to_owned()),
                ..way(
                    under("refs/heads/", &any_name()),
                    "the default branch, whose name is not known",
                )
            }],
        },
        _ => vec![Way {
            subject: InSubject::Either,
            widened: Some(format!("GitHub does not document which ref {on} has")),
            ..way(under("refs/", &any_name()), "any ref")
        }],
    }
}

/// Events that "will only trigger a workflow run if the workflow file exists on the default branch", and that run for it.
const ON_DEFAULT_BRANCH: [&str; 22] = [
    "branch_protection_rule",
    "check_run",
    "check_suite",
    "delete",
    "discussion",
    "discussion_comment",
    "fork",
    "gollum",
    "image_version",
    "issue_comment",
    "issues",
    "label",
    "milestone",
    "project",
    "project_card",
    "project_column",
    "public",
    "repository_dispatch",
    "schedule",
    "watch",
    "workflow_run",
    "repository_vulnerability_alert",
];

/// Whether it is a pull request event, for which GitHub issues no token if it comes from a fork (GitHub docs, `GITHUB_TOKEN`
/// reference: at most `read` for public forks).
pub(super) fn is_of_forks(event: &str) -> bool {
    matches!(
        event,
        "pull_request" | "pull_request_review" | "pull_request_review_comment"
    )
}

/// Any ref that another repository's workflow can run for.
pub(super) fn any_ref() -> Language {
    under("refs/", &any_name())
}

fn types<'a>(trigger: &Trigger<'a>) -> impl Iterator<Item = String> + use<'a> {
    let node = trigger.body.and_then(|body| body.get("types"));
    let items = match node.map(|node| &node.kind) {
        Some(Kind::List(items)) => items.iter().filter_map(Node::scalar).collect(),
        Some(Kind::Scalar(_)) => node.and_then(Node::scalar).into_iter().collect(),
        _ => Vec::new(),
    };
    items.into_iter().map(|text| text.value)
}

fn under(kind: &str, names: &Language) -> Language {
    names.within(&Glob::default().text(kind), &Glob::default())
}

fn merges() -> Language {
    let digits = Class::of(&[('0', '9')]);
    Glob::default().text("refs/pull/").some(&digits).text("/merge").into()
}
