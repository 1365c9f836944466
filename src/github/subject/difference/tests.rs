use super::*;

fn kind(pattern: &str, subject: &str, literal: bool) -> Kind {
    match compare(pattern, subject, literal).kind {
        Kind::Malformed(_) => Kind::Malformed(Reason::Placeholder),
        kind => kind,
    }
}

#[test]
fn kinds_of_difference() {
    let malformed = Kind::Malformed(Reason::Placeholder);
    let main = "repo:acme/widgets:ref:refs/heads/main";
    let ids = "repo:acme@12/widgets@34:ref:refs/heads/main";
    let env = "repo:acme/widgets:environment:prod";
    let pr = "repo:acme/widgets:pull_request";
    let tag = "repo:acme/widgets:ref:refs/tags/v1";
    let queue = "repo:acme/widgets:ref:refs/heads/gh-readonly-queue/main/pr-1-abc";
    let queues = "repo:acme/widgets:ref:refs/heads/gh-readonly-queue/*";
    let cases = [
        ("repo:acme/*", main, true, Kind::WildcardLiteral),
        ("repo:acme/widgets:*", main, true, Kind::WildcardLiteral),
        ("repo:Acme/widgets:*", main, false, Kind::Case),
        ("repo:acme/widgets:environment:Prod", env, false, Kind::Case),
        ("repo:Acme/widgets:ref:refs/heads/dev", main, false, Kind::Case),
        (main, ids, false, Kind::Immutable),
        ("repo:acme/widgets:*", ids, true, Kind::Immutable),
        ("repo:acme/*", ids, false, Kind::Immutable),
        (
            "repo:acme-12/widgets-34:ref:refs/heads/main",
            ids,
            false,
            Kind::Immutable,
        ),
        ("repo:acme-*/widgets-*:ref:refs/heads/main", ids, false, Kind::Immutable),
        (ids, main, false, Kind::Immutable),
        ("repo:acme/widgets:environment:prod", ids, false, Kind::Immutable),
        ("repo:old/widgets:ref:refs/heads/main", ids, false, Kind::Repository),
        (
            "repo:acme@12/widgets@99:ref:refs/heads/main",
            ids,
            false,
            Kind::Repository,
        ),
        (
            "repo:acme/widgets:environment:prod:job_workflow_ref:x",
            env,
            false,
            Kind::Customized,
        ),
        (
            "repo:acme/widgets:environment:prod",
            "repository_owner:acme:environment:prod",
            false,
            Kind::Customized,
        ),
        (
            main,
            "repo:acme/widgets:ref:refs/heads/main:actor:x",
            false,
            Kind::Customized,
        ),
        // The hidden part is one claim of several.
        (
            main,
            "repo:acme/widgets:ref:refs/heads/main:workflow:<NAME>",
            false,
            Kind::Customized,
        ),
        (
            main,
            "repo:acme/widgets:ref:refs/heads/<BRANCH>:actor:***",
            false,
            Kind::Customized,
        ),
        (
            "repo:acme/widgets:pull_request",
            "repo:acme/widgets:pull_request:actor:***",
            false,
            Kind::Customized,
        ),
        (
            main,
            "repository_owner:<ORG>:repository_visibility:private",
            false,
            Kind::Customized,
        ),
        (main, "repo:acme/widgets:environment:***", false, Kind::Environment),
        (
            "repo:https://github.com/<ORG>/widgets:*",
            main,
            false,
            malformed.clone(),
        ),
        ("repo:acme/widgets", main, false, malformed.clone()),
        ("repo:acme/widgets:refs/heads/main", main, false, malformed.clone()),
        ("repo:acme/widgets:ref:main", main, false, malformed.clone()),
        ("repo:acme/widgets:ref:heads/main", main, false, malformed.clone()),
        ("repo:acme/widgets:ref:refs/pull/*", pr, false, malformed.clone()),
        ("repo:acme/widgets:workflow:deploy", main, false, malformed.clone()),
        ("repo:acme/widgets:ref:refs/heads/main ", main, false, malformed.clone()),
        ("repo: acme/widgets:*", main, false, malformed.clone()),
        ("acme/widgets:ref:refs/heads/main", main, false, malformed.clone()),
        ("repo:github.com/acme/widgets:*", main, false, malformed.clone()),
        ("repo:acme/widgets.git:*", main, false, malformed.clone()),
        ("repo:${GITHUB_REPO}:*", main, false, malformed.clone()),
        ("repo:acme/widgets:branch:main", main, false, malformed.clone()),
        ("repo:acme/widgets:environment", env, false, malformed.clone()),
        ("repo:acme/widgets/*", main, false, malformed.clone()),
        ("repo:acme/widgets:ref:refs/heads", main, false, malformed.clone()),
        ("repo:acme/widgets::ref:refs/heads/main", main, false, malformed.clone()),
        ("repo:acme/widgets:ref:refs/heads//main", main, false, malformed.clone()),
        ("repo:acme/widgets:ref:refs/heads/main,", main, false, malformed),
        (pr, env, false, Kind::Environment),
        (env, pr, false, Kind::PullRequest),
        (pr, queue, false, Kind::MergeQueue),
        (main, env, false, Kind::Environment),
        (env, main, false, Kind::Environment),
        ("repo:acme/*:environment:stage", env, false, Kind::Environment),
        ("*:environment:stage", env, false, Kind::Environment),
        ("repo:acme/widgets:ref:*", env, false, Kind::Environment),
        (main, pr, false, Kind::PullRequest),
        (pr, main, false, Kind::PullRequest),
        ("repo:acme/widgets:ref:refs/heads/*", tag, false, Kind::Tag),
        (tag, main, false, Kind::Tag),
        ("repo:acme/widgets:ref:refs/heads/dev", main, false, Kind::Branch),
        (
            "repo:acme/widgets:ref:refs/heads/release/*",
            queue,
            false,
            Kind::MergeQueue,
        ),
        (main, queue, false, Kind::MergeQueue),
        (queue, main, false, Kind::MergeQueue),
        (queues, main, false, Kind::MergeQueue),
        (
            "repo:acme/widgets:ref:refs/heads/gh-readonly-queue/next/*",
            queue,
            false,
            Kind::MergeQueue,
        ),
        (queues, queue, true, Kind::WildcardLiteral),
        (queues, pr, false, Kind::PullRequest),
        (queues, env, false, Kind::Environment),
        (tag, queue, false, Kind::Tag),
        ("repo:acme/gadgets:ref:refs/heads/main", queue, false, Kind::Repository),
        (
            main,
            "repo:acme/widgets:ref:refs/heads/gh-readonly-queue/notes",
            false,
            Kind::Branch,
        ),
        (
            main,
            "repo:acme/widgets:ref:refs/heads/gh-readonly-queue/main/pr-review",
            false,
            Kind::Branch,
        ),
        ("repo:acme/gadgets:ref:refs/heads/main", main, false, Kind::Repository),
        ("repo:acne/*", main, false, Kind::Repository),
        ("repo:acne/*:pull_request", main, false, Kind::Repository),
    ];
    for (pattern, subject, literal, want) in cases {
        assert_eq!(kind(pattern, subject, literal), want, "{pattern} against {subject}");
    }
}

#[test]
fn what_is_masked_is_no_difference() {
    let malformed = Kind::Malformed(Reason::Placeholder);
    let main = "repo:***/widgets:ref:refs/heads/main";
    for (pattern, subject, literal, want) in [
        // What may match isn't reported.
        ("repo:acme/widgets:*", main, false, Kind::Mismatch),
        (
            "repo:***/widgets:ref:refs/heads/main",
            "repo:acme/widgets:ref:refs/heads/main",
            true,
            Kind::Mismatch,
        ),
        (
            "repo:<OWNER>/<REPO>:*",
            "repo:acme/widgets:pull_request",
            false,
            Kind::Mismatch,
        ),
        (
            "repo:${{ github.repository }}:*",
            "repo:acme/widgets:pull_request",
            false,
            malformed.clone(),
        ),
        // The rest decides.
        ("repo:acme/gadgets:*", main, false, Kind::Repository),
        ("repo:acme/widgets:ref:refs/heads/dev", main, false, Kind::Branch),
        ("repo:acme/widgets:environment:prod", main, false, Kind::Environment),
        ("repo:acme/Widgets:ref:refs/heads/main", main, false, Kind::Case),
        ("repo:acme/*", main, true, Kind::WildcardLiteral),
        ("repo:acme/widgets:ref:main", main, false, malformed.clone()),
        (
            "repo:***/widgets:ref:main",
            "repo:acme/widgets:ref:refs/heads/main",
            false,
            malformed,
        ),
        (
            "repo:***/widgets:pull_request",
            "repo:acme/widgets:ref:refs/heads/main",
            false,
            Kind::PullRequest,
        ),
        (
            "repo:${{ github.repository }}:environment:prod",
            "repo:acme/widgets:pull_request",
            false,
            Kind::PullRequest,
        ),
        (
            "repo:acme/widgets:pull_request",
            "repo:***:ref:refs/heads/main",
            true,
            Kind::PullRequest,
        ),
        (
            "repo:acme/widgets:*",
            "repo:***@1/widgets@2:pull_request",
            false,
            Kind::Immutable,
        ),
        (
            "repo:acme@9/widgets@9:*",
            "repo:acme@1/***@2:pull_request",
            false,
            Kind::Repository,
        ),
        ("repo:acme/gadgets:*", "repo:acme/widgets:***", false, Kind::Repository),
    ] {
        assert_eq!(kind(pattern, subject, literal), want, "{pattern} against {subject}");
        let meant = compare(pattern, subject, literal).meant;
        assert!(
            meant.is_none_or(|meant| !is_masked(&meant)),
            "{pattern} against {subject}"
        );
    }
}

#[test]
fn the_part_that_differs() {
    for (pattern, subject, part, token_part) in [
        ("repo:Acme/widgets:*", "repo:acme/widgets:pull_request", "Acme", "acme"),
        (
            "repo:acme/gadgets:*",
            "repo:acme/widgets:pull_request",
            "acme/gadgets",
            "acme/widgets",
        ),
        (
            "repo:acme/widgets:ref:refs/heads/dev",
            "repo:acme/widgets:ref:refs/heads/main",
            "ref:refs/heads/dev",
            "ref:refs/heads/main",
        ),
        (
            "repo:acme/widgets:*",
            "repo:acme@1/widgets@2:pull_request",
            "acme/widgets",
            "acme@1/widgets@2",
        ),
    ] {
        let found = compare(pattern, subject, false);
        assert_eq!(pattern.get(found.part.0..found.part.1), Some(part), "{pattern}");
        assert_eq!(found.token_part, token_part, "{pattern}");
    }
}
