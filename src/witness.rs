//! Who else gets in: a search for a concrete subject of a repository that the policy's author surely did not mean, and that the
//! evaluator lets in. No witness, no finding: another guard may save the policy.

use serde_json::Value;

use crate::arn::issuer_host;
use crate::case::{Case, PolicyCase, leaves};
use crate::claims::Claims;
use crate::diagnose::{Certainty, Finding, Label};
use crate::policy::{
    Decision, Effect, Outcome, Presence, PrincipalKind, RequestContext, SetOperator, Statement, TrustPolicy, decide,
    trace,
};
use crate::request::{self, Call};
use crate::source::Span;
use crate::subject::Subject;

/// What kind of opening a witness shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breadth {
    /// Nothing restricts the subject.
    Anyone,
    /// A token that was made for another service gets in.
    Audience,
    /// A pattern takes in more than it seems to.
    Broad,
    /// The guards hold because their keys are absent.
    Vacuous,
}

/// A request that gets in and should not.
#[derive(Debug, Clone)]
pub struct Witness {
    /// The kind of opening.
    pub breadth: Breadth,
    /// The subject that gets in.
    pub subject: String,
    /// What that means: anyone on GitHub, any repository of the owner, …
    pub reach: String,
    /// Where the policy lets it in.
    pub span: Span,
    /// JSON pointer of that place.
    pub pointer: String,
}

impl Witness {
    /// The finding that it proves.
    #[must_use]
    pub fn finding(self, case: &Case<'_>) -> Finding {
        let message = match self.breadth {
            Breadth::Anyone => format!("{} can assume this role: no condition restricts the subject", self.reach),
            Breadth::Audience => "the trust policy does not look at the audience: a token that was made for another service gets in as well".to_owned(),
            Breadth::Broad => format!("the `sub` condition lets in {}", self.reach),
            Breadth::Vacuous => format!("{} can assume this role: the only guard holds when its key is absent", self.reach),
        };
        let text = match self.breadth {
            Breadth::Audience => "no condition on the audience here".to_owned(),
            _ => format!("`{}` gets in", self.subject),
        };
        let finding = Finding::risk(message)
            .certainty(Certainty::Certain)
            .label(Label {
                text,
                ..case.policy_label(self.span, self.pointer, "")
            })
            .note("it blocks nothing: this is what the policy lets in beyond this job");
        match self.breadth {
            Breadth::Anyone | Breadth::Vacuous => finding
                .note(format!("shown by the evaluator: the subject `{}` gets in", self.subject))
                .help("add a condition on `sub` that names this repository and what it runs for: `repo:<owner>/<repository>:environment:<name>` or `…:ref:refs/heads/<branch>`"),
            Breadth::Broad => finding
                .note(format!("shown by the evaluator: the subject `{}` gets in", self.subject))
                .help("name the repository in full, with its ids where the token has them, and the branch or environment; `*` runs over `/` and `:` as well"),
            Breadth::Audience => finding
                .note("the provider's client ids still apply: only audiences that are registered there come this far")
                .help("add `\"StringEquals\": { \"<issuer>:aud\": \"sts.amazonaws.com\" }` to the statement"),
        }
    }
}

/// All kinds of openings of the policy, at most one witness for each kind.
#[must_use]
pub fn search(case: &Case<'_>) -> Vec<Witness> {
    case.witnesses.get_or_init(|| look(case)).clone()
}

fn look(case: &Case<'_>) -> Vec<Witness> {
    let Some(policy) = &case.policy else { return Vec::new() };
    if case.asks_with_credentials() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (index, statement) in policy.policy.statements.iter().enumerate() {
        if statement.effect.value == Effect::Allow && trusts_github(statement) {
            found.extend(in_statement(case, policy, index, statement));
        }
    }
    let mut kinds: Vec<Breadth> = Vec::new();
    found.retain(|witness: &Witness| {
        let first = !kinds.contains(&witness.breadth);
        kinds.push(witness.breadth);
        first
    });
    // Anyone at all says more than a part of them.
    if kinds
        .iter()
        .any(|kind| matches!(kind, Breadth::Anyone | Breadth::Vacuous))
    {
        found.retain(|witness| witness.breadth != Breadth::Broad);
    }
    found
}

/// Subjects of other people's repositories that get in by `after` and did not by `before`.
#[must_use]
pub fn newly_in(case: &Case<'_>, before: &TrustPolicy, after: &TrustPolicy) -> Vec<String> {
    let own = case
        .claims
        .and_then(|claims| claims.subject())
        .and_then(Subject::parse)
        .map(|s| s.repository_part().to_owned());
    let candidates = |policy: &TrustPolicy| -> Vec<String> {
        (0..policy.statements.len())
            .flat_map(|index| subject_patterns(case, policy, index))
            .flat_map(|(pattern, _, _)| instances(&pattern))
            .collect()
    };
    let mut subjects = strangers();
    subjects.extend(candidates(after));
    subjects.retain(|subject| Subject::parse(subject).is_none_or(|s| Some(s.repository_part()) != own.as_deref()));
    subjects.retain(|subject| {
        audiences(case, after).iter().any(|audience| {
            let request = |policy: &TrustPolicy| context(case, policy, subject, audience);
            decide(after, &request(after)) != Decision::ImplicitDeny
                && decide(after, &request(after)) != Decision::ExplicitDeny
                && !matches!(decide(before, &request(before)), Decision::Allow)
        })
    });
    subjects.sort();
    subjects.dedup();
    subjects
}

fn trusts_github(statement: &Statement) -> bool {
    statement.principal.as_ref().is_some_and(|principal| {
        !principal.negated
            && principal.entries.iter().any(|entry| {
                entry.kind == PrincipalKind::Federated
                    && entry.values.iter().any(|value| value.value.contains(":oidc-provider/"))
            })
    })
}

fn in_statement(case: &Case<'_>, policy: &PolicyCase, index: usize, statement: &Statement) -> Vec<Witness> {
    let mut found = Vec::new();
    let audiences = audiences(case, &policy.policy);
    let gets_in = |subject: &str| {
        audiences.iter().find(|audience| {
            let request = context(case, &policy.policy, subject, audience);
            decide(&policy.policy, &request) == Decision::Allow && admits(policy, index, &request)
        })
    };
    let pointer = policy.policy.statement_pointer(index);
    let patterns = subject_patterns(case, &policy.policy, index);
    let place = |breadth, subject: &str, reach: &str, span, pointer: String| Witness {
        breadth,
        subject: subject.to_owned(),
        reach: reach.to_owned(),
        span,
        pointer,
    };
    // A stranger, made from nothing that the policy says.
    if let Some((subject, audience)) = strangers()
        .into_iter()
        .find_map(|subject| gets_in(&subject).map(|audience| (subject, audience.clone())))
    {
        let request = context(case, &policy.policy, &subject, &audience);
        let span = statement.condition_span.unwrap_or(statement.effect.span);
        let culprit = patterns
            .iter()
            .find(|(pattern, ..)| crate::policy::wildcard::matches(pattern, &subject));
        let at = culprit
            .or(patterns.first())
            .map_or((span, format!("{pointer}/Condition")), |(_, span, pointer)| {
                (*span, pointer.clone())
            });
        let breadth = if patterns.is_empty() && vacuous(policy, index, &request) {
            Breadth::Vacuous
        } else {
            Breadth::Anyone
        };
        found.push(place(breadth, &subject, "anyone on GitHub", at.0, at.1));
    } else {
        let owners = literal_owners(case, policy);
        for (pattern, span, pointer) in &patterns {
            if let Some((subject, reach)) = broad(pattern, &owners, |subject| gets_in(subject).is_some()) {
                found.push(place(Breadth::Broad, &subject, &reach, *span, pointer.clone()));
                break;
            }
        }
    }
    // Somebody who gets in gets in with any audience.
    let mut subjects: Vec<String> = case
        .claims
        .and_then(|claims| claims.subject())
        .map(str::to_owned)
        .into_iter()
        .collect();
    subjects.extend(
        patterns
            .iter()
            .flat_map(|(pattern, _, _)| instances(pattern).into_iter().take(8)),
    );
    subjects.extend(strangers());
    let elsewhere = "https://example.com/made-for-another-service";
    for subject in subjects {
        let request = context(case, &policy.policy, &subject, elsewhere);
        if decide(&policy.policy, &request) == Decision::Allow && admits(policy, index, &request) {
            let span = statement.condition_span.unwrap_or(statement.effect.span);
            found.push(place(
                Breadth::Audience,
                &subject,
                "",
                span,
                format!("{pointer}/Condition"),
            ));
            break;
        }
    }
    found
}

/// Is it this statement that lets the request in?
fn admits(policy: &PolicyCase, index: usize, request: &RequestContext) -> bool {
    trace(&policy.policy, request)
        .statements
        .get(index)
        .is_some_and(|statement| statement.outcome == Outcome::Match)
}

/// Does a condition of the statement hold only because its key is absent?
fn vacuous(policy: &PolicyCase, index: usize, request: &RequestContext) -> bool {
    let trace = trace(&policy.policy, request);
    let (Some(statement), Some(trace)) = (policy.policy.statements.get(index), trace.statements.get(index)) else {
        return false;
    };
    leaves(index, statement, trace).iter().any(|leaf| {
        let operator = leaf.condition.operator.value;
        leaf.trace.actual == Presence::Absent
            && (operator.if_exists
                || operator.set == Some(SetOperator::ForAllValues)
                || operator.comparison.is_negated())
    })
}

/// The values of a statement's positive conditions on `sub`: text, place, pointer.
fn subject_patterns(case: &Case<'_>, policy: &TrustPolicy, index: usize) -> Vec<(String, Span, String)> {
    let name = format!("{}:sub", issuer_host(&case.issuer));
    let escape = |text: &str| text.replace('~', "~0").replace('/', "~1");
    let mut patterns = Vec::new();
    for condition in policy
        .statements
        .get(index)
        .into_iter()
        .flat_map(|statement| &statement.conditions)
    {
        let comparison = condition.operator.value.comparison;
        if !comparison.is_string() || comparison.is_negated() {
            continue;
        }
        for key in condition
            .keys
            .iter()
            .filter(|key| key.key.value.eq_ignore_ascii_case(&name))
        {
            for (v, value) in key.values.iter().enumerate() {
                let mut pointer = format!(
                    "{}/Condition/{}/{}",
                    policy.statement_pointer(index),
                    escape(&condition.name),
                    escape(&key.key.value)
                );
                if key.is_list {
                    pointer.push_str(&format!("/{v}"));
                }
                patterns.push((value.value.clone(), value.span, pointer));
            }
        }
    }
    patterns
}

/// Owners that the policy or the token names in full: those are meant.
fn literal_owners(case: &Case<'_>, policy: &PolicyCase) -> Vec<String> {
    let mut owners: Vec<String> = (0..policy.policy.statements.len())
        .flat_map(|index| subject_patterns(case, &policy.policy, index))
        .filter_map(|(pattern, _, _)| Subject::parse(&pattern).map(|s| s.owner.to_lowercase()))
        .filter(|owner| !owner.contains(['*', '?']))
        .collect();
    owners.extend(
        case.claims
            .and_then(|claims| claims.subject())
            .and_then(Subject::parse)
            .map(|s| s.owner.to_lowercase()),
    );
    owners
}

/// A subject that a pattern takes in beyond what it seems to say: of a stranger, of another repository of the owner, of any branch
/// or pull request.
fn broad(pattern: &str, owners: &[String], gets_in: impl Fn(&str) -> bool) -> Option<(String, String)> {
    if !pattern.contains(['*', '?']) {
        return None;
    }
    let value = Subject::parse(pattern);
    let instances: Vec<String> = instances(pattern);
    // An id in full belongs to one owner or repository for good, whatever the names are.
    let fixed = |id: Option<&str>| id.is_some_and(|id| !id.contains(['*', '?']));
    let is_fixed = value.is_some_and(|value| fixed(value.owner_id) || fixed(value.repository_id));
    let stranger = instances.iter().find(|text| {
        !is_fixed
            && Subject::parse(text).is_some_and(|s| {
                s.is_default()
                    && is_owner(s.owner)
                    && s.repository.is_some_and(is_name)
                    && !owners.contains(&s.owner.to_lowercase())
            })
            && gets_in(text)
    });
    if let Some(subject) = stranger {
        let owner = Subject::parse(subject).map_or("", |s| s.owner);
        return Some((
            subject.clone(),
            format!("strangers: `{owner}` is a name that anyone can register"),
        ));
    }
    // Anyone can build their subject from this claim.
    if let Some(owner) = pattern
        .strip_prefix("repository_owner:")
        .and_then(|rest| rest.strip_suffix('*'))
    {
        let subject = format!("repository_owner:{owner}-evil");
        if !owner.contains([':', '*', '?']) && gets_in(&subject) {
            return Some((
                subject,
                format!("strangers: `{owner}-evil` is a name that anyone can register"),
            ));
        }
    }
    let value = value?;
    let names = value.repository_part();
    if value
        .repository
        .is_none_or(|repository| repository.contains(['*', '?']))
        && !is_fixed
    {
        let plain = value
            .repository
            .map(|repository| repository.split('*').next().unwrap_or_default());
        let subject = instances.iter().find(|text| {
            Subject::parse(text)
                .is_some_and(|s| s.is_default() && s.repository.is_some_and(is_name) && s.repository != plain)
                && gets_in(text)
        })?;
        let reach = match value.repository {
            Some("*") | None => format!(
                "every repository of `{}`, with all of its branches and pull requests that fit",
                value.owner
            ),
            Some(_) => {
                let other = Subject::parse(subject).map(|s| s.names()).unwrap_or_default();
                format!("other repositories of `{}`: `{other}` fits as well", value.owner)
            }
        };
        return Some((subject.clone(), reach));
    }
    // The repository is named; how much of what runs in it?
    let context = value.context.unwrap_or_default();
    let all = [
        ("pull_request", "every branch, tag, environment and pull request"),
        ("ref:refs/heads/any-branch", "every branch"),
        ("environment:any-environment", "every environment"),
    ];
    all.into_iter().find_map(|(any, words)| {
        let named = match names.strip_suffix("/*") {
            // With the owner's id comes the repository's.
            Some(owner) if owner.contains('@') && !owner.contains('*') => format!("{owner}/any-repository@987654321"),
            _ => names.replace('*', "987654321"),
        };
        let whose = match names.strip_suffix("/*") {
            Some(owner) => format!("every repository of `{owner}`"),
            None => format!("`{names}`"),
        };
        let subject = format!("repo:{named}:{any}");
        // A pattern such as `release/*` is meant as it is; one that takes in all is not.
        let takes_all = matches!(
            context,
            "" | "*" | "ref:*" | "ref:refs/*" | "ref:refs/heads/*" | "environment:*"
        );
        (takes_all && crate::policy::wildcard::matches(pattern, &subject) && gets_in(&subject))
            .then(|| (subject.clone(), format!("{words} of {whose}")))
    })
}

/// Can it be the name of a repository?
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Can it be the name of an owner on GitHub? Letters and digits, with single hyphens between them.
fn is_owner(text: &str) -> bool {
    !text.is_empty()
        && text
            .split('-')
            .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// Subjects of nobody that a policy could mean.
fn strangers() -> Vec<String> {
    ["ref:refs/heads/main", "pull_request", "environment:production"]
        .iter()
        .flat_map(|context| {
            [
                format!("repo:some-stranger/some-repository:{context}"),
                format!("repo:some-stranger@987654321/some-repository@123454321:{context}"),
            ]
        })
        .collect()
}

/// Subjects that fit a pattern, with the wildcards filled in by what turns it into a whole subject of somebody's repository.
fn instances(pattern: &str) -> Vec<String> {
    const FILL: [&str; 16] = [
        "-evil",
        "evil",
        "-evil:ref:refs/heads/main",
        "-evil/x",
        "evil/x",
        "x",
        "",
        "-evil/x:ref:refs/heads/main",
        "evil/x:ref:refs/heads/main",
        "x:ref:refs/heads/main",
        "ref:refs/heads/main",
        "pull_request",
        "main",
        ":ref:refs/heads/main",
        "production",
        "987654321",
    ];
    /// Two wildcards in full; what more there are get nothing.
    const MOST: usize = 1000;
    /// What can stand before an unanchored pattern.
    const HEAD: [&str; 4] = ["repo:", "repo:evil/x", "repo:evil/x:", "repo:evil/"];
    let mut texts = vec![String::new()];
    let mut rest = pattern;
    if let Some(unanchored) = pattern.strip_prefix('*') {
        texts = HEAD.map(str::to_owned).to_vec();
        rest = unanchored;
    }
    for c in rest.chars() {
        match c {
            '*' => {
                let fill: &[&str] = if texts.len() * FILL.len() > MOST { &[""] } else { &FILL };
                texts = texts
                    .iter()
                    .flat_map(|text| fill.iter().map(move |fill| format!("{text}{fill}")))
                    .collect();
            }
            '?' => texts.iter_mut().for_each(|text| text.push('x')),
            c => texts.iter_mut().for_each(|text| text.push(c)),
        }
    }
    texts.retain(|text| Subject::parse(text).is_some());
    texts
}

/// The audiences that a stranger's job can ask for and that a policy may want.
fn audiences(case: &Case<'_>, policy: &TrustPolicy) -> Vec<String> {
    let name = format!("{}:aud", issuer_host(&case.issuer));
    let mut audiences: Vec<String> = policy
        .statements
        .iter()
        .flat_map(|statement| &statement.conditions)
        .flat_map(|condition| &condition.keys)
        .filter(|key| key.key.value.eq_ignore_ascii_case(&name))
        .flat_map(|key| &key.values)
        .map(|value| value.value.replace(['*', '?'], "x"))
        .take(2)
        .collect();
    audiences.push("sts.amazonaws.com".to_owned());
    audiences.dedup();
    audiences
}

/// The request of somebody else's job with a subject and an audience.
fn context(case: &Case<'_>, policy: &TrustPolicy, subject: &str, audience: &str) -> RequestContext {
    let parsed = Subject::parse(subject);
    let own = case.claims.filter(|claims| claims.subject() == Some(subject));
    let mut claims = own.map(|claims| claims.0.clone()).unwrap_or_default();
    let mut set = |name: &str, value: &str| {
        claims.insert(name.to_owned(), Value::String(value.to_owned()));
    };
    set("aud", audience);
    if own.is_none() {
        set("iss", &case.issuer);
        set("sub", subject);
        if let Some(s) = parsed {
            set("repository", &s.names());
            set("repository_owner", s.owner);
            set("repository_id", s.repository_id.unwrap_or("123454321"));
            set("repository_owner_id", s.owner_id.unwrap_or("987654321"));
            let context = s.context.unwrap_or_default();
            set("ref", context.strip_prefix("ref:").unwrap_or("refs/heads/main"));
            if let Some(name) = context.strip_prefix("environment:") {
                set("environment", name);
            }
            set(
                "job_workflow_ref",
                &format!("{}/.github/workflows/deploy.yml@refs/heads/main", s.names()),
            );
        }
        set("actor", "some-stranger");
        set("actor_id", "987654321");
        set("workflow", "deploy");
    }
    let claims: Claims = Claims(claims);
    let asked = case.role_arn.as_ref().and_then(|role| role.as_ref().ok());
    let call = Call {
        evidence: case.evidence,
        claims: Some(&claims),
        issuer: &case.issuer,
        role: asked,
    };
    request::web_identity(call, policy)
}
