//! What the job's token will say when none is at hand: its subject follows from the workflow file, the event and the ref.
//!
//! GitHub docs, "OpenID Connect reference", "Example subject claims".

use serde_json::json;

use super::diagnose_case;
use crate::aws::answer::Answer;
use crate::aws::request::CLAIM_KEYS;
use crate::case::Case;
use crate::configure::{Flow, Input};
use crate::evidence::Probe;
use crate::finding::{Certainty, Document, Finding, Found, Party, Severity, SideBySide, Stage, Target};
use crate::github::claims::{Claims, Token};
use crate::github::subject::difference::{QUEUE, queue_base};
use crate::github::subject::{Context, Subject};
use crate::policy::{Decision, wildcard};
use crate::predict::{Family, Form, Repository, predict};
use crate::text::SourceText;
use crate::text::masked::is_masked;

/// What an event leads to.
struct Outlook {
    /// In words: the event, the subject, and what the policy makes of it.
    words: String,
    /// Whether the subject is known exactly.
    is_exact: bool,
    /// Whether such a token gets in, as far as known.
    gets_in: bool,
    /// A token that doesn't get in.
    refused: Option<Claims>,
    /// The pattern of that token's subject and all like it, if there are many.
    pattern: Option<String>,
}

/// Says why the trust policy won't let this job in, judging by the workflow file alone. Never certain: only a token would prove it.
pub(super) fn findings(case: &Case<'_>) -> Option<Found> {
    if case.claims.is_some() || case.flow != Flow::Oidc || case.policy.is_none() {
        return None;
    }
    if case.subject_template().is_some_and(|template| !template.is_default()) {
        return None;
    }
    let refused = match &case.answer {
        None => false,
        Some(Answer::NotAuthorized(None)) => true,
        Some(_) => return None,
    };
    let Some(outlooks) = outlooks(case) else {
        return hopeless(case);
    };
    let (inside, out): (Vec<_>, Vec<_>) = outlooks.iter().partition(|outlook| outlook.gets_in);
    let first = out.first()?;
    let mut found = what_keeps_out(case, first.refused.as_ref()?)?;
    let finding = &mut found.finding;
    if !inside.is_empty() && !refused {
        finding.severity = Severity::Note;
    }
    finding.labels.retain(|label| label.document != Document::Claims);
    finding.remedy = None;
    foretell(finding, first);
    let certainty = if inside.is_empty() && (first.is_exact || refused) {
        Certainty::Likely
    } else {
        Certainty::Possible
    };
    if !first.is_exact {
        finding.fixes.retain(|fix| fix.target == Target::Workflow);
    }
    let events: Vec<&str> = outlooks.iter().map(|outlook| outlook.words.as_str()).collect();
    finding.notes.insert(
        0,
        format!(
            "no token is available; according to the workflow file, {}",
            events.join("; ")
        ),
    );
    found.finding = found.finding.at_most(certainty);
    Some(found)
}

/// Rewords a finding, since no token was seen: nothing is shown as sent, and where many are possible no name is made up.
fn foretell(finding: &mut Finding, outlook: &Outlook) {
    let subject = outlook.refused.as_ref().and_then(Claims::subject).unwrap_or_default();
    if let Some(compared) = finding.compares.take() {
        let left = compared.left;
        let would = if left.does == "sends" { "would send" } else { left.does };
        let all = outlook.pattern.clone().filter(|_| left.value == subject);
        let value = all.unwrap_or(left.value);
        finding.compares = Some(SideBySide::of(
            compared.what,
            Party::new(left.who, would, value),
            compared.right,
        ));
    }
    for label in &mut finding.labels {
        if let Some(rest) = label.text.strip_prefix("the token has ") {
            label.text = format!("the token would have {rest}");
        }
    }
    let Some((pattern, own)) = outlook.pattern.as_deref().zip(Subject::parse(subject)) else {
        return;
    };
    let Some(all) = Subject::parse(pattern) else { return };
    let base = |subject: &Subject<'_>| match subject.kind() {
        Some(Context::Branch(name)) => queue_base(name).map(str::to_owned),
        _ => None,
    };
    let names = [
        (Some(subject.to_owned()), pattern.to_owned()),
        (
            own.context.map(str::to_owned),
            all.context.unwrap_or_default().to_owned(),
        ),
        (name(&own), name(&all).unwrap_or_default()),
        (
            base(&own).filter(|base| !pattern.contains(&format!("{QUEUE}{base}/"))),
            "*".to_owned(),
        ),
    ];
    let texts = std::iter::once(&mut finding.message)
        .chain(&mut finding.notes)
        .chain(&mut finding.help)
        .chain(finding.labels.iter_mut().map(|label| &mut label.text));
    for text in texts {
        for (own, all) in &names {
            if let Some(own) = own {
                *text = text.replace(&format!("`{own}`"), &format!("`{all}`"));
            }
        }
        *text = text
            .replace("the branch `*`", "a branch")
            .replace("the tag `*`", "a tag")
            .replace("the merge queue of `*`", "a merge queue");
    }
}

/// Returns the branch, tag or environment that a subject names.
fn name(subject: &Subject<'_>) -> Option<String> {
    match subject.kind()? {
        Context::Branch(name) | Context::Environment(name) | Context::Tag(name) => Some(name.to_owned()),
        Context::Other(_) | Context::PullRequest => None,
    }
}

/// Names a merge queue's branch as GitHub does, in place of a shorter made-up name.
fn of_queue(mut token: Claims) -> Claims {
    let branch = token.text("ref").and_then(|name| name.strip_prefix("refs/heads/"));
    if let Some(branch) = branch.filter(|name| name.starts_with(QUEUE) && queue_base(name).is_none()) {
        let (base, _) = branch.rsplit_once('/').unwrap_or((branch, ""));
        let (from, to) = (
            branch.to_owned(),
            format!("{base}/pr-1-0123456789abcdef0123456789abcdef01234567"),
        );
        for claim in ["ref", "sub"] {
            let renamed = token.text(claim).map(|text| text.replace(&from, &to));
            token.0.extend(renamed.map(|text| (claim.to_owned(), json!(text))));
        }
    }
    token
}

/// Finds what no token in GitHub's default form gets past, whatever the job: tries the policy's own values, and the usual subjects of the
/// repositories it names.
fn hopeless(case: &Case<'_>) -> Option<Found> {
    const MOST: usize = 8;
    /// These look at the policy, or at what every token has, not at what this job runs for.
    const WHATEVER: [&str; 6] = [
        "action-mismatch",
        "audience-mismatch",
        "condition-key-absent",
        "principal-mismatch",
        "subject-malformed",
        "subject-wildcard-literal",
    ];
    // With more than this, some would go untried.
    if values(case).count() > MOST {
        return None;
    }
    let mut first = None;
    for value in values(case) {
        let filled = value.replace(['*', '?'], "x");
        let subject = Subject::parse(&filled)?;
        let names = subject.repository.map(|_| subject.repository_part())?;
        let usual = [
            "ref:refs/heads/main",
            "ref:refs/tags/v1",
            "environment:production",
            "pull_request",
        ];
        let usual = usual.map(|context| format!("repo:{names}:{context}"));
        let own = subject.is_default().then(|| filled.clone());
        for subject in own.into_iter().chain(usual) {
            let found = what_keeps_out(case, &usual_token(case, &subject)?)?;
            first = first.or(WHATEVER.contains(&found.rule.id).then_some(found));
        }
    }
    let mut found = first?;
    let finding = &mut found.finding;
    finding.labels.retain(|label| label.document != Document::Claims);
    finding.remedy = None;
    finding.fixes.clear();
    // The token was only a trial one.
    finding.compares = None;
    finding.notes.insert(
        0,
        "no token is available; no token in GitHub's default format passes this, whatever the job runs for".to_owned(),
    );
    found.finding = found.finding.at_most(Certainty::Likely);
    Some(found)
}

/// Returns one outlook per event, if everything the subject is made of is known.
fn outlooks(case: &Case<'_>) -> Option<Vec<Outlook>> {
    let workflow = case.workflow.as_ref()?.as_ref().ok()?;
    let runner = case.runner();
    let id = runner.and_then(|runner| runner.job.as_deref());
    let mut asking = workflow.jobs.iter().filter(|job| !job.steps.is_empty());
    let job = workflow.job(id).or_else(|| match (asking.next(), asking.next()) {
        (Some(only), None) if id.is_none() => Some(only),
        _ => None,
    })?;
    if job.uses.is_some() {
        // The called workflow's jobs request the token, and may have environments.
        return None;
    }
    let repository = repository(case)?;
    let source = case.workflow_source.as_ref()?;
    // Often only the job is pasted. With an environment, its subject is the same for every event.
    let is_cut = workflow.events.is_empty() && job.environment.is_some();
    let source = match is_cut {
        true => SourceText::new(source.name.as_str(), format!("on: push\n{}", source.text)),
        false => source.clone(),
    };
    let prediction = predict(&repository, std::slice::from_ref(&source), &|_| None);
    let families = prediction.jobs.iter().filter(|tokens| tokens.id == job.id.value);
    let families: Vec<&Family> = families
        .flat_map(|tokens| &tokens.families)
        .filter(|family| !family.is_odd)
        .collect();
    let running = runner.and_then(|runner| runner.event_name.as_deref());
    let git_ref = runner.and_then(|runner| runner.git_ref.as_deref());
    // A caller in another repository has a different subject.
    if running.is_none() && families.iter().any(|family| family.is_elsewhere) {
        return None;
    }
    let here = families.into_iter().filter(|family| !family.is_elsewhere);
    let here: Vec<Family> = match (running, git_ref) {
        (Some(event), Some(git_ref)) => here
            .filter(|family| family.event == event)
            .filter_map(|family| family.at_ref(git_ref))
            .collect(),
        (Some(event), None) => here.filter(|family| family.event == event).cloned().collect(),
        (None, _) => here.cloned().collect(),
    };
    let audience = case.request().given(Input::Audience);
    let asking = |family: Family| match audience {
        Some(audience) => family.with("aud", audience),
        None => family,
    };
    let here: Vec<Family> = here.into_iter().map(asking).collect();
    let mut events: Vec<&str> = here.iter().map(|family| family.event.as_str()).collect();
    events.dedup();
    let of_event = |event: &&str| {
        let families: Vec<&Family> = here.iter().filter(|family| family.event == *event).collect();
        outlook(case, event, &families)
    };
    let mut found: Vec<Outlook> = events.iter().map(of_event).collect();
    for outlook in found.iter_mut().filter(|_| is_cut) {
        outlook.words = outlook.words.replacen("on `push` ", "whatever the event ", 1);
    }
    (!found.is_empty()).then_some(found)
}

/// Says what the policy makes of an event's tokens.
fn outlook(case: &Case<'_>, event: &str, families: &[&Family]) -> Outlook {
    let shares: Vec<_> = case
        .policy
        .iter()
        .flat_map(|policy| {
            let judge = |family: &&Family| family.judge(&policy.policy, case.asker());
            families.iter().flat_map(judge).collect::<Vec<_>>()
        })
        .collect();
    let is_out = |decision| matches!(decision, Decision::ImplicitDeny | Decision::ExplicitDeny);
    let refused = shares.iter().find(|share| is_out(share.decision));
    let accepted = shares.iter().find(|share| !is_out(share.decision));
    let mut patterns: Vec<String> = families.iter().flat_map(|family| family.patterns()).collect();
    patterns.sort();
    patterns.dedup();
    let is_listed = |family: &&Family| family.widened.is_empty() && family.listed().is_some();
    let is_exact = patterns.len() == 1 && families.iter().all(is_listed);
    let (is, all) = if is_exact { ("is", "") } else { ("is one of", "all of ") };
    let subjects = format!("on `{event}` the subject {is} `{}`", patterns.join("`, `"));
    let words = match (accepted, refused) {
        (Some(accepted), Some(refused)) => format!(
            "{subjects}: the policy accepts `{}` and refuses `{}`",
            accepted.subject(),
            refused.subject()
        ),
        (Some(share), None) if share.decision == Decision::Allow => {
            format!("{subjects}, {all}which the policy accepts")
        }
        (Some(_), None) => format!("{subjects}, which the policy may accept"),
        (None, _) => format!("{subjects}, {all}which the policy refuses"),
    };
    let refused = refused.map(|share| of_queue(share.token.clone()));
    let is_one_of_many = |pattern: &&String| {
        let subject = refused.as_ref().and_then(Claims::subject).unwrap_or_default();
        **pattern != subject && wildcard::matches(pattern, subject)
    };
    Outlook {
        words,
        is_exact,
        gets_in: accepted.is_some(),
        pattern: patterns.iter().find(is_one_of_many).cloned(),
        refused,
    }
}

/// Returns the repository: as GitHub describes it, else in the form the policy uses if it names the same one.
fn repository(case: &Case<'_>) -> Option<Repository> {
    let template = case.subject_template();
    let keys = match template.filter(|template| !template.is_default()) {
        // Its organization's template, which isn't known.
        Some(template) if template.include_claim_keys.as_ref().is_none_or(Vec::is_empty) => return None,
        Some(template) => template.include_claim_keys.clone(),
        None => None,
    };
    let own = case.runner().and_then(|runner| {
        let from_ref = || runner.workflow_ref.as_deref()?.split("/.github/").next();
        runner.repository.as_deref().or_else(from_ref)
    });
    let prefix = template
        .and_then(|template| template.sub_claim_prefix.as_deref())
        .and_then(Subject::parse);
    let literal =
        |subject: &Subject<'_>| !subject.repository_part().contains(['*', '?', '$']) && subject.repository.is_some();
    let mut written = values(case).filter_map(Subject::parse).filter(literal);
    let same = prefix.or_else(|| written.find(|subject| own.is_none_or(|own| subject.names() == own)));
    let id = |id: Option<&str>| id.map(str::to_owned);
    Some(Repository {
        name: Some(same.map(|subject| subject.names()).or(own.map(str::to_owned))?),
        owner_id: same.and_then(|subject| id(subject.owner_id)),
        id: same.and_then(|subject| id(subject.repository_id)),
        form: match same.is_some_and(|subject| subject.is_immutable()) {
            true => Form::Immutable,
            false => Form::Classic,
        },
        template: keys,
        issuer: case.issuer.to_string(),
        ..Repository::default()
    })
}

/// Iterates over the values of the policy's conditions on `sub`.
fn values<'a>(case: &'a Case<'_>) -> impl Iterator<Item = &'a str> {
    let key = case.asker().key("sub");
    let statements = case.policy.iter().flat_map(|policy| &policy.policy.statements);
    let keys = statements
        .flat_map(|statement| &statement.conditions)
        .flat_map(|condition| &condition.keys)
        .filter(move |found| found.key.value.eq_ignore_ascii_case(&key));
    keys.flat_map(|key| &key.values).map(|value| value.value.as_str())
}

/// Returns the claims other than the subject and audience that the policy asks for, with the values it wants.
fn asked(case: &Case<'_>) -> Vec<(String, String)> {
    let prefix = case.asker().key("");
    let statements = case.policy.iter().flat_map(|policy| &policy.policy.statements);
    let keys = statements
        .flat_map(|statement| &statement.conditions)
        .filter(|condition| !condition.comparison().is_negated())
        .flat_map(|condition| &condition.keys);
    keys.filter_map(|key| {
        let name = key.name().to_lowercase();
        let claim = name
            .strip_prefix(&prefix.to_lowercase())
            .filter(|claim| CLAIM_KEYS.contains(claim))?;
        Some((claim.to_owned(), key.values.first()?.value.replace(['*', '?'], "x")))
    })
    .collect()
}

/// Returns the claims of a usual token with this subject.
fn usual_token(case: &Case<'_>, subject: &str) -> Option<Claims> {
    let parts = Subject::parse(subject)?;
    let mut claims = json!({
        "iss": case.issuer,
        "sub": subject,
        "aud": "sts.amazonaws.com",
        "repository": parts.names(),
        "repository_owner": parts.owner,
        "event_name": "push",
    });
    let map = claims.as_object_mut()?;
    match parts.context.unwrap_or_default().split_once(':') {
        Some(("ref", name)) => map.insert("ref".to_owned(), json!(name)),
        Some(("environment", name)) => map.insert("environment".to_owned(), json!(name.replace("%3A", ":"))),
        _ => None,
    };
    Some(Claims(map.clone()))
}

/// Returns the finding that a token would produce; `None` if it would get in, or if that can't be determined.
fn what_keeps_out(case: &Case<'_>, claims: &Claims) -> Option<Found> {
    let mut claims = claims.clone();
    if let Some(audience) = case.request().given(Input::Audience) {
        claims.0.insert("aud".to_owned(), json!(audience));
    }
    // The token is assumed to satisfy what the policy asks of other claims.
    for (claim, value) in asked(case) {
        if claims.text(&claim).is_none_or(is_masked) {
            claims.0.insert(claim, json!(value));
        }
    }
    let mut evidence = case.evidence.clone();
    evidence.token = Some(Probe::Known(Token {
        claims,
        ..Token::default()
    }));
    let diagnosis = diagnose_case(&Case::new(&evidence));
    match diagnosis.decision? {
        Decision::Allow | Decision::Undecided => None,
        Decision::ImplicitDeny | Decision::ExplicitDeny => {
            let is_policys =
                |found: &&Found| found.severity == Severity::Blocks && found.rule.stage == Stage::TrustPolicy;
            diagnosis.findings.iter().find(is_policys).cloned()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::diagnose::diagnose;
    use crate::evidence::Evidence;

    const HOST: &str = "token.actions.githubusercontent.com";

    fn evidence(subject: &str, on: &str, environment: &str, more: &Value) -> Evidence {
        let workflow = format!(
            "on: {on}\npermissions:\n  id-token: write\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n{environment}    steps:\n      - uses: \
             aws-actions/configure-aws-credentials@v6\n        with:\n          role-to-assume: arn:aws:iam::123456789012:role/deploy\n"
        );
        let statement = json!({
            "Effect": "Allow",
            "Principal": { "Federated": format!("arn:aws:iam::123456789012:oidc-provider/{HOST}") },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringLike": { format!("{HOST}:sub"): subject, format!("{HOST}:aud"): "sts.amazonaws.com" } },
        });
        let mut evidence = json!({
            "role": { "trust_policy": json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string() },
            "workflow": { "path": ".github/workflows/deploy.yml", "text": workflow },
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            if let Some(map) = evidence.as_object_mut() {
                map.insert(name.clone(), value.clone());
            }
        }
        Evidence::from_json(&evidence.to_string()).unwrap()
    }

    #[test]
    fn of_many_tokens_nobodys_name_is_made_up() {
        let denied = json!({"attempt": {"outcome": "reported", "text": "Not authorized to perform sts:AssumeRoleWithWebIdentity"}});
        let branch = "repo:acme/widgets:ref:refs/heads/main";
        for (subject, on, message) in [
            (branch, "{push: {tags: ['v*']}}", "the job runs for the tag `v*`, but"),
            (branch, "release", "the job runs for a tag, but"),
            (
                branch,
                "{push: {branches: [dev]}}",
                "the job runs for the branch `dev`, but",
            ),
            (branch, "merge_group", "the job runs for a merge queue, but"),
            (
                branch,
                "{merge_group: {branches: [dev]}}",
                "the job runs for the merge queue of `dev`, but",
            ),
            (
                "repo:acme/widgets:environment:prod",
                "schedule",
                "the trust policy expects the environment `prod`, but the job has no environment: its subject names a branch",
            ),
        ] {
            let diagnosis = diagnose(&evidence(subject, on, "", &denied));
            let cause = diagnosis.cause().unwrap_or_else(|| panic!("{on}"));
            assert!(cause.message.starts_with(message), "{on}: {}", cause.message);
            let left = &cause.compares.as_ref().unwrap().left;
            assert_eq!(left.does, "would send", "{on}");
            let texts = cause.notes.iter().chain(cause.labels.iter().map(|label| &label.text));
            for text in texts.chain([&left.value]) {
                assert!(
                    !text.contains("the token has ") && !text.contains("refs/tags/a"),
                    "{on}: {text}"
                );
            }
        }
    }

    #[test]
    fn what_no_token_gets_past_shows_none() {
        let evidence = evidence("repo:acme/widgets", "push", "", &json!({"workflow": null}));
        let diagnosis = diagnose(&evidence);
        let cause = diagnosis.cause().unwrap();
        assert_eq!((cause.rule.id, cause.compares.is_none()), ("subject-malformed", true));
        assert!(
            !cause.notes.iter().any(|note| note.contains("this token")),
            "{:?}",
            cause.notes
        );
    }

    #[test]
    fn a_job_without_its_workflow_has_the_subject_of_its_environment() {
        let denied = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
        let text = |environment: &str| {
            format!(
                "jobs:\n  deploy:\n    runs-on: ubuntu-latest\n{environment}    steps:\n      - uses: aws-actions/configure-aws-credentials@v6\n        \
                 with:\n          role-to-assume: arn:aws:iam::123456789012:role/deploy\n"
            )
        };
        for (environment, cause) in [
            ("    environment: prod\n", Some("subject-environment")),
            ("    environment: ${{ inputs.e }}\n", None),
            ("", None),
        ] {
            let more = json!({
                "workflow": { "path": "deploy.yml", "text": text(environment) },
                "attempt": { "outcome": "reported", "text": denied },
            });
            let diagnosis = diagnose(&evidence("repo:acme/widgets:ref:refs/heads/main", "push", "", &more));
            assert_eq!(diagnosis.cause().map(|found| found.rule.id), cause, "{environment}");
            if let Some(found) = diagnosis.cause() {
                assert!(
                    found
                        .notes
                        .iter()
                        .any(|note| note.contains("whatever the event the subject is"))
                );
            }
        }
    }

    #[test]
    fn the_workflow_tells_what_the_subject_will_be() {
        let prod = "    environment: prod\n";
        let denied = json!({"attempt": {"outcome": "reported", "text": "Not authorized to perform sts:AssumeRoleWithWebIdentity"}});
        let none = json!({});
        let branch = "repo:acme/widgets:ref:refs/heads/main";
        let (likely, possible) = (Some(Certainty::Likely), Some(Certainty::Possible));
        for (subject, on, environment, more, want, certainty) in [
            (branch, "push", prod, &denied, Some("subject-environment"), likely),
            (branch, "push", prod, &none, Some("subject-environment"), likely),
            (branch, "push", "", &denied, None, None),
            (
                branch,
                "pull_request",
                "",
                &denied,
                Some("subject-pull-request"),
                likely,
            ),
            (
                branch,
                "{push: {tags: ['v*']}}",
                "",
                &denied,
                Some("subject-tag"),
                likely,
            ),
            (
                branch,
                "{push: {branches: [dev]}}",
                "",
                &denied,
                Some("subject-branch"),
                likely,
            ),
            (branch, "{push: {branches: [dev, main]}}", "", &denied, None, None),
            // Whatever the filter lets through, and whatever the expression evaluates to.
            (
                branch,
                "{push: {branches: ['release/**', '!release/x']}}",
                "",
                &denied,
                Some("subject-branch"),
                likely,
            ),
            (
                branch,
                "push",
                "    environment: \"${{ inputs.stage || 'dev' }}\"\n",
                &denied,
                Some("subject-environment"),
                likely,
            ),
            (
                "repo:acme/widgets:environment:prod",
                "push",
                "",
                &denied,
                Some("subject-environment"),
                likely,
            ),
            ("repo:acme/widgets:environment:prod", "push", prod, &denied, None, None),
            // Some events get in and others don't.
            (
                branch,
                "[push, pull_request]",
                "",
                &denied,
                Some("subject-pull-request"),
                possible,
            ),
            (branch, "[push, pull_request]", "", &none, None, None),
            // The subject can't be predicted.
            (branch, "pull_request_target", "", &denied, None, None),
            (
                branch,
                "push",
                "    environment: ${{ inputs.e }}\n",
                &denied,
                None,
                None,
            ),
            // The runner knows the event and the ref.
            (
                branch,
                "[push, pull_request]",
                "",
                &json!({"runner": {"event_name": "push", "ref": "refs/heads/dev", "repository": "acme/widgets"}}),
                Some("subject-branch"),
                likely,
            ),
            (
                branch,
                "push",
                "",
                &json!({"runner": {"event_name": "push", "ref": "refs/heads/main", "repository": "acme/other"}}),
                Some("subject-repository"),
                likely,
            ),
        ] {
            let diagnosis = diagnose(&evidence(subject, on, environment, more));
            let cause = diagnosis.cause();
            assert_eq!(
                cause.map(|cause| cause.rule.id),
                want,
                "{subject} {on} {environment} {more}"
            );
            assert_eq!(
                cause.map(|cause| cause.certainty()),
                certainty,
                "{subject} {on} {environment} {more}"
            );
            if let Some(cause) = cause {
                assert!(
                    cause
                        .notes
                        .first()
                        .is_some_and(|note| note.starts_with("no token is available; ")),
                    "{:?}",
                    cause.notes
                );
            }
        }
    }

    #[test]
    fn what_no_token_gets_past_is_likely_without_one() {
        let refused = json!({"workflow": null, "attempt": {"outcome": "reported", "text": "Not authorized to perform sts:AssumeRoleWithWebIdentity"}});
        for (operator, subject, audience, want) in [
            ("StringLike", "repo:acme/widgets:*", "sts.amazonaws.com", None),
            (
                "StringLike",
                "repo:acme/widgets:environment:x",
                "sts.amazonaws.com",
                None,
            ),
            (
                "StringEquals",
                "repo:acme/widgets:*",
                "sts.amazonaws.com",
                Some("subject-wildcard-literal"),
            ),
            (
                "StringLike",
                "repo:acme/widgets:branch:main",
                "sts.amazonaws.com",
                Some("subject-malformed"),
            ),
            (
                "StringLike",
                "repo:acme/widgets:*",
                "https://github.com/acme",
                Some("audience-mismatch"),
            ),
            // A customized subject can be anything.
            ("StringLike", "repository_owner:acme:*", "sts.amazonaws.com", None),
        ] {
            let mut more = refused.clone();
            let statement = json!({
                "Effect": "Allow",
                "Principal": { "Federated": format!("arn:aws:iam::123456789012:oidc-provider/{HOST}") },
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": { operator: { format!("{HOST}:sub"): subject }, "ForAnyValue:StringEquals": { format!("{HOST}:aud"): audience } },
            });
            if let Some(map) = more.as_object_mut() {
                map.remove("workflow");
                map.insert(
                    "role".to_owned(),
                    json!({"trust_policy": { "Version": "2012-10-17", "Statement": [statement] }}),
                );
            }
            let diagnosis = diagnose(&Evidence::from_json(&more.to_string()).unwrap());
            let cause = diagnosis.cause().map(|cause| (cause.rule.id, cause.certainty()));
            assert_eq!(cause, want.map(|id| (id, Certainty::Likely)), "{subject} {audience}");
        }
    }

    #[test]
    fn where_some_events_get_in_and_nothing_failed_it_is_a_note() {
        let diagnosis = diagnose(&evidence(
            "repo:acme/widgets:ref:refs/heads/main",
            "[push, pull_request]",
            "",
            &json!({}),
        ));
        let notes: Vec<_> = diagnosis
            .findings
            .iter()
            .filter(|found| found.severity == Severity::Note)
            .collect();
        let words = "on `push` the subject is one of `repo:acme/widgets:ref:refs/heads/*`, `repo:acme/widgets:ref:refs/tags/*`: the policy accepts \
                     `repo:acme/widgets:ref:refs/heads/main` and refuses `repo:acme/widgets:ref:refs/heads/a`; on `pull_request` the subject is \
                     `repo:acme/widgets:pull_request`, which the policy refuses";
        assert!(
            notes
                .iter()
                .any(|found| found.notes.iter().any(|note| note.ends_with(words))),
            "{notes:?}"
        );
    }
}
