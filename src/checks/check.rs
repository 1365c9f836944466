//! The shape of a check, and what several of them share.

use crate::case::{Case, PolicyCase};
use crate::configure::Input;
use crate::finding::{Certainty, Fact, Finding, Label, Party, Remedy, Rule, Severity, SideBySide};
use crate::github::subject::difference::{self, Kind, SubjectDifference};
use crate::github::subject::{Context, Subject};
use crate::github::workflow::{IdToken, Job};
use crate::policy::{Decision, Effect};
use crate::text::{Location, Span, unseen};
use crate::witness::Breadth;

/// One thing that can be wrong, and how it is found.
#[derive(Debug)]
pub struct Check {
    /// Its name and place.
    pub rule: Rule,
    /// When it is looked for.
    pub when: When,
    /// Looks at the case.
    pub run: fn(&Case<'_>) -> Option<Finding>,
}

/// When a check runs: the circumstances without which its finding makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Whatever is known.
    Always,
    /// Unless the role was assumed.
    NotAllowed,
    /// Unless the role was assumed, or requested with AWS credentials.
    NotAllowedByToken,
}

impl Check {
    /// Returns what it finds.
    #[must_use]
    pub fn find(&self, case: &Case<'_>) -> Option<Finding> {
        self.when.holds(case).then(|| (self.run)(case))?
    }
}

impl When {
    /// Whether the check runs for this case.
    #[must_use]
    pub fn holds(self, case: &Case<'_>) -> bool {
        match self {
            Self::Always => true,
            Self::NotAllowed => !case.is_allowed(),
            Self::NotAllowedByToken => !case.is_allowed() && !case.asks_with_credentials(),
        }
    }
}

/// Does what all subject checks share: finds the one failing `sub` condition by the kind of its difference.
pub(super) fn subject(
    case: &Case<'_>,
    is: fn(&Kind) -> bool,
    finding: fn(&Case<'_>, &SubjectDifference) -> Finding,
) -> Option<Finding> {
    let policy = case.policy.as_ref()?;
    let difference = policy.subject.as_ref().filter(|difference| is(&difference.kind))?;
    let mut finding = finding(case, difference)
        .compares(sides(difference))
        .explains([difference.leaf]);
    // The primary label comes first; a finding's own labels (the workflow's) after it.
    let mut labels = vec![policy_label(case, difference)];
    labels.extend(case.claim_label("sub", "the token's subject"));
    labels.append(&mut finding.labels);
    finding.labels = labels;
    if difference.others > 0 {
        let others = difference.others;
        let values = if others == 1 { "value does" } else { "values do" };
        finding = finding.note(format!(
            "this is the closest of {} values; the other {others} {values} not match either",
            others + 1
        ));
    }
    finding.notes.extend(unseen::difference(
        &difference.pattern,
        &difference.subject,
        |one, other| !difference.literal && crate::policy::wildcard::matches(one, other),
    ));
    finding.notes.extend(difference.also.iter().map(ToString::to_string));
    if is_one_kind(case, policy, difference) {
        finding = denied(case, policy, &[Fact::Issuer, Fact::Claim("sub")], finding);
    }
    let others = other_allows(policy, policy.nearest.unwrap_or_default());
    Some(finding.notes(others).remedy(Remedy::Admit))
}

/// Compares the token's subject with the closest value.
fn sides(difference: &SubjectDifference) -> SideBySide {
    let (subject, part) = (&difference.subject, &difference.token_part);
    let from = match subject.strip_suffix(part.as_str()) {
        Some(head) => head.len(),
        None => subject.find(part.as_str()).unwrap_or_default(),
    };
    let token = Party::new("token", "sends", subject);
    let policy = Party::new("policy", "accepts", &difference.pattern).and_more(difference.others);
    let (pattern_part, token_part) = (difference.part, (from, from + part.len()));
    // A wildcard taken literally is compared with everything it could stand for.
    if part.is_empty() || part == subject || pattern_part.0 == pattern_part.1 {
        return SideBySide::of("subject", token, policy);
    }
    SideBySide::within("subject", token, token_part, policy, pattern_part)
}

/// Returns a finding on the nearest statement, with the facts it rests on besides the policy: certain if no other statement can have been
/// meant for a token.
pub(super) fn by_policy(case: &Case<'_>, on: &[Fact], finding: Finding) -> Finding {
    match &case.policy {
        Some(policy) if policy.rivals().next().is_none() => denied(case, policy, on, finding),
        _ => finding,
    }
}

fn denied(case: &Case<'_>, policy: &PolicyCase, on: &[Fact], finding: Finding) -> Finding {
    match policy.trace.decision {
        Decision::ImplicitDeny | Decision::ExplicitDeny => finding.rests_on(case, &[on, &[Fact::Policy]].concat()),
        Decision::Allow | Decision::Undecided => finding,
    }
}

/// Whether all values that could have been meant for this token differ from it in the same way. Otherwise the nearest is a guess.
fn is_one_kind(case: &Case<'_>, policy: &PolicyCase, found: &SubjectDifference) -> bool {
    let kind = std::mem::discriminant(&found.kind);
    found.alike
        && policy.rivals().all(|statement| {
            difference::subject(&policy.policy, &policy.trace, statement, &case.issuer, &case.comparing)
                .is_some_and(|other| other.alike && std::mem::discriminant(&other.kind) == kind)
        })
}

/// Labels the part of the policy's value that differs, if the text allows pointing at it.
pub(super) fn policy_label(case: &Case<'_>, difference: &SubjectDifference) -> Label {
    let whole = difference.location.span;
    let inner = Span::new(whole.start + 1, whole.end.saturating_sub(1));
    let raw = case.policy_source.as_ref().map_or("", |source| source.slice(inner));
    // With an escape in the text or a variable in the value, the bytes don't correspond.
    let (from, to) = difference.part;
    let span = if raw == difference.pattern && from < to {
        Span::new(inner.start + from, inner.start + to)
    } else {
        whole
    };
    let text = match &difference.kind {
        Kind::WildcardLiteral => "taken literally here".to_owned(),
        Kind::Malformed(reason) => reason.to_string(),
        _ => format!("the token has `{}` here", difference.token_part),
    };
    let place = Location {
        span,
        ..difference.location.clone()
    };
    case.policy_label(place, text)
}

/// Says what the policy expects after the repository, and what the token has.
pub(super) fn contexts(difference: &SubjectDifference) -> (String, String) {
    let (from, to) = difference.part;
    let wanted = Context::of(difference.pattern.get(from..to).unwrap_or_default()).words();
    let has = Subject::parse(&difference.subject)
        .and_then(|subject| subject.kind())
        .map(|kind| kind.words())
        .unwrap_or_default();
    (wanted, has)
}

/// Returns the environment named in a value.
pub(super) fn environment_in(pattern: &str) -> String {
    pattern
        .split_once("environment:")
        .map(|(_, name)| name)
        // In a workflow, `${{ … }}` would be an expression.
        .filter(|name| !name.contains('$'))
        .unwrap_or("NAME")
        .replace("%3A", ":")
}

/// Labels the job's `environment`, if the workflow is known.
pub(super) fn environment_in_workflow(case: &Case<'_>) -> Option<Label> {
    let Some(Ok(workflow)) = &case.workflow else {
        return None;
    };
    let id = case.runner().and_then(|runner| runner.job.as_deref());
    let job =
        workflow
            .jobs
            .iter()
            .find(|job| Some(job.id.value.as_str()) == id)
            .or(match workflow.jobs.as_slice() {
                [only] => Some(only),
                _ => None,
            })?;
    let environment = job.environment.as_ref()?;
    Some(case.workflow_label(environment.span, "the subject names this environment"))
}

/// Notes that "statement 1 of the policy comes closest", when several statements allow something.
pub(super) fn other_allows(policy: &PolicyCase, nearest: usize) -> Option<String> {
    let count = policy
        .policy
        .statements
        .iter()
        .filter(|statement| statement.effect.value == Effect::Allow)
        .count();
    (count > 1).then(|| format!("statement {} of the policy comes closest and is explained here; the other {} that allow something do not match either", nearest + 1, count - 1))
}

/// Returns a risk that a witness proves.
pub(super) fn risk(case: &Case<'_>, breadth: Breadth) -> Option<Finding> {
    let witness = case.witnesses().iter().find(|witness| witness.breadth == breadth)?;
    let reach = &witness.reach;
    let is_registered = case.audiences().is_some_and(|ids| ids.contains(&witness.audience));
    let message = match breadth {
        Breadth::Anyone if witness.audience.is_empty() => format!("{reach} can assume this role: it trusts `*`"),
        Breadth::Anyone => format!("{reach} can assume this role: no condition restricts the repository"),
        Breadth::Audience if is_registered => format!(
            "the trust policy does not check the audience: a token for `{}` is accepted too",
            witness.audience
        ),
        Breadth::Audience => {
            "the trust policy does not check the audience: if the provider accepts another service's audience, a token \
                              for that service is accepted too"
                .to_owned()
        }
        Breadth::Broad | Breadth::Own => format!("the `sub` condition accepts {reach}"),
        Breadth::Vacuous => format!("{reach} can assume this role: the only restriction is met when its key is absent"),
    };
    let text = match breadth {
        Breadth::Audience => "no condition on the audience here".to_owned(),
        _ => format!("`{}` is accepted", witness.subject),
    };
    let finding = match breadth {
        Breadth::Audience if !is_registered => Finding::risk(message).at_most(Certainty::Possible),
        Breadth::Own => Finding::note_only(message),
        _ => Finding::risk(message).rests_on(case, &[Fact::Policy]),
    };
    let mut finding = finding
        .label(Label {
            text,
            ..case.policy_label(witness.location.clone(), "")
        })
        .note("it blocks nothing: this is what the policy accepts besides this job");
    if breadth != Breadth::Audience {
        let who = if witness.audience.is_empty() {
            ""
        } else {
            "the subject "
        };
        finding = finding.note(format!(
            "shown by the evaluator: {who}`{}` is accepted",
            witness.subject
        ));
    }
    for (key, value) in &witness.chosen {
        finding = finding.note(format!("with `{key}` set to `{value}`, which the sender can choose"));
    }
    Some(match breadth {
        Breadth::Anyone if witness.audience.is_empty() => {
            finding.help("list the intended accounts or roles in `Principal`")
        }
        Breadth::Anyone | Breadth::Vacuous => finding
            .remedy(Remedy::Narrow)
            .help("add a condition on `sub` that names this repository and the environment or ref: `repo:<owner>/<repository>:environment:<name>` or `…:ref:refs/heads/<branch>`"),
        Breadth::Audience if is_registered => finding
            .note("the provider accepts that audience")
            .help("add `\"StringEquals\": { \"<issuer>:aud\": \"sts.amazonaws.com\" }` to the statement"),
        Breadth::Audience => finding
            .note("the provider's client IDs are not known here: only audiences registered there get this far")
            .help("add `\"StringEquals\": { \"<issuer>:aud\": \"sts.amazonaws.com\" }` to the statement"),
        Breadth::Broad => finding
            .remedy(Remedy::Narrow)
            .help("give the full repository name, with IDs where the token has them, and the branch or environment; `*` also matches `/` and `:`"),
        Breadth::Own => finding.help("if that is broader than intended, give the repository, and the branch or environment"),
    })
}

/// Makes the finding a risk if the step continues anyway, with unintended credentials, and names whose they are.
pub(super) fn or_goes_on(case: &Case<'_>, mut finding: Finding) -> Finding {
    if !case.is_allowed() {
        return finding;
    }
    finding.severity = Severity::Risk;
    let Some(identity) = case.at_hand() else {
        finding.message += ": the step succeeds anyway";
        return finding;
    };
    finding.message += &format!(": the step succeeds as `{}`", identity.arn);
    finding.note(format!(
        "these credentials ({}) are those of account `{}`; nothing fails, and what follows runs under that identity",
        identity.source, identity.account
    ))
}

/// Returns the job that runs, or all jobs of the workflow if that isn't known.
pub(super) fn jobs<'a>(case: &'a Case<'_>) -> Vec<&'a Job> {
    let Some(Ok(workflow)) = &case.workflow else {
        return Vec::new();
    };
    let id = case.runner().and_then(|runner| runner.job.as_deref());
    let named = workflow.jobs.iter().filter(|job| Some(job.id.value.as_str()) == id);
    let named: Vec<&Job> = named.collect();
    if named.is_empty() {
        workflow.jobs.iter().collect()
    } else {
        named
    }
}

/// Whether the workflow's steps use access keys and name no role. If so, none of them requests an ID token.
pub(super) fn brings_keys(case: &Case<'_>) -> bool {
    let steps: Vec<_> = jobs(case).into_iter().flat_map(|job| &job.steps).collect();
    !steps.is_empty()
        && steps
            .iter()
            .all(|step| step.input("aws-access-key-id").is_some() && step.input("role-to-assume").is_none())
}

/// Says which role a bare name stands for if the step has AWS credentials: one in their account.
pub(super) fn source_account(case: &Case<'_>) -> Option<String> {
    let name = case
        .request()
        .given(Input::RoleToAssume)
        .filter(|role| !role.contains(':'))?;
    let role = case.role_named.as_ref().filter(|_| case.flow.has_credentials())?;
    Some(format!(
        "`{name}` is a name, not an ARN, so the step asks for the role of that name in account {}, that of the credentials it has; give the ARN of a \
         role in another account",
        role.account.as_ref()?
    ))
}

/// Returns the pasted message, or AWS's own, on one line, without colours, quotation marks or anything else around it.
pub(super) fn pasted(case: &Case<'_>) -> Option<String> {
    case.message().map(crate::aws::answer::one_line)
}

/// Puts a text on one line, truncated to a number of characters.
pub(super) fn one_line(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > most {
        let cut: String = line.chars().take(most).collect();
        format!("{cut}…")
    } else {
        line
    }
}

impl Case<'_> {
    /// Whether the workflow at hand grants `id-token: write` to all of its jobs (or to the one that runs).
    pub(crate) fn workflow_grants_id_token(&self) -> bool {
        let Some(Ok(workflow)) = &self.workflow else {
            return false;
        };
        let grants = |job: &crate::github::workflow::Job| {
            let permissions = job.permissions.as_ref().or(workflow.permissions.as_ref());
            permissions.is_some_and(|permissions| matches!(permissions.id_token, IdToken::Write(_)))
        };
        let id = self.runner().and_then(|runner| runner.job.as_deref());
        match workflow.jobs.iter().find(|job| Some(job.id.value.as_str()) == id) {
            Some(job) => grants(job),
            None if workflow.jobs.is_empty() => workflow
                .permissions
                .as_ref()
                .is_some_and(|permissions| matches!(permissions.id_token, IdToken::Write(_))),
            None => workflow.jobs.iter().all(grants),
        }
    }
}
