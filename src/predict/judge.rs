//! What a policy decides on a family of tokens: none is listed, and none is left out.
//!
//! The policy's values cut each open name into parts in which all texts match the same values. One token of such a part
//! represents all of it, and the evaluator itself decides on that token.

use crate::aws::request::{Asker, web_identity};
use crate::github::claims::Claims;
use crate::policy::{Comparison, Decision, TrustPolicy, decide};
use crate::text::language::{Example, Glob, Language};
use crate::text::masked::is_masked;

use super::{Family, LISTED, Piece, Template, Variable};

/// With more parts than this, the family is a single share, left undecided.
const MOST: usize = 512;

/// With more values than this, two open names in one claim are not told apart: the work grows with the square of their number.
const FEW: usize = 20;

/// Tokens on which a policy decides alike.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    /// The decision.
    pub(crate) decision: Decision,
    /// One of these tokens; unknown claims are masked.
    pub(crate) token: Claims,
}

impl Share {
    /// The subject of the representative token.
    #[must_use]
    pub(crate) fn subject(&self) -> &str {
        self.token.subject().unwrap_or_default()
    }
}

impl Family {
    /// What the policy decides on the tokens; together, the shares cover all of them.
    #[must_use]
    pub(crate) fn judge(&self, policy: &TrustPolicy, asker: Asker<'_>) -> Vec<Share> {
        self.shares(policy, asker).unwrap_or_else(|| {
            let token = self.example().unwrap_or_default();
            let decision = Decision::Undecided;
            vec![Share { decision, token }]
        })
    }

    /// `None` if there are too many parts.
    fn shares(&self, policy: &TrustPolicy, asker: Asker<'_>) -> Option<Vec<Share>> {
        let wanted = wanted(policy, asker);
        // A few texts are tried one by one, so that only those that can't be listed stay open in a claim.
        let each = self.variables.iter().map(|variable| {
            let few = variable.texts.listed().filter(|texts| texts.len() <= LISTED);
            few.map_or_else(
                || match wanted.len() > FEW {
                    true => vec![variable.texts.clone()],
                    false => split(&variable.texts),
                },
                |texts| texts.iter().map(|text| Language::exactly(text)).collect(),
            )
        });
        let mut shares = Vec::new();
        for texts in product(each)? {
            let cuts = self.cuts(&texts, &wanted);
            let each: Option<Vec<_>> = texts
                .iter()
                .zip(&cuts.of)
                .map(|(texts, cuts)| parts(texts, cuts))
                .collect();
            for part in product(each?.into_iter())? {
                let names: Option<Vec<String>> = part.iter().map(|texts| texts.example().text()).collect();
                let mut token = self.token(&names?);
                for claim in &cuts.hidden {
                    token.0.insert((*claim).to_owned(), MASKED.into());
                }
                let asker = Asker {
                    claims: Some(&token),
                    ..asker
                };
                let decision = decide(policy, &web_identity(asker, policy));
                shares.push(Share { decision, token });
            }
        }
        (shares.len() <= MOST).then_some(shares)
    }

    /// Where the policy's values cut the texts of each variable.
    fn cuts<'a>(&self, texts: &[Language], all: &'a [Wanted]) -> Cuts<'a> {
        let only: Vec<Option<String>> = texts.iter().map(Language::only).collect();
        let mut cuts = Cuts {
            of: vec![Vec::new(); texts.len()],
            hidden: Vec::new(),
        };
        for wanted in all {
            let Some(template) = self.claims.get(&wanted.claim) else {
                continue;
            };
            let template = template.settled(&only);
            let Some(variable) = template.variables().next() else {
                continue;
            };
            let place = template.around(variable).zip(wanted.texts.as_ref());
            let own = match place {
                Some(((before, after), wanted)) => Some(vec![(variable, wanted.inside(&before, &after))]),
                None if all.len() > FEW => None,
                // Two open names in one claim.
                None => wanted.cuts(&template, texts),
            };
            match own {
                Some(own) => {
                    for (variable, cut) in own {
                        if let Some(cuts) = cuts.of.get_mut(variable) {
                            cuts.push(cut);
                        }
                    }
                }
                None if all.len() <= FEW && self.is_apart(wanted, texts) => {}
                // They depend on each other, or no set can model the comparison.
                None => cuts.hidden.push(&wanted.claim),
            }
        }
        cuts
    }
}

impl Family {
    /// Whether no text of the claim matches the value, where the variables have these texts.
    fn is_apart(&self, wanted: &Wanted, texts: &[Language]) -> bool {
        let variables = self.variables.iter().zip(texts).map(|(variable, texts)| Variable {
            texts: texts.clone(),
            ..variable.clone()
        });
        let variables: Vec<Variable> = variables.collect();
        let all = self
            .claims
            .get(&wanted.claim)
            .map(|template| template.language(&variables));
        all.zip(wanted.texts.clone())
            .is_some_and(|(all, wanted)| matches!(all.and(wanted).example(), Example::Nothing))
    }
}

/// The sets that a variable's texts are written as, if they are a few.
fn split(texts: &Language) -> Vec<Language> {
    let mut parts = texts.parts();
    parts.retain(|part| !matches!(part.example(), Example::Nothing));
    match parts.len() {
        1..=LISTED => parts,
        _ => vec![texts.clone()],
    }
}

/// Masks a claim about which nothing is known.
const MASKED: &str = "***";

struct Cuts<'a> {
    /// The cuts of each variable.
    of: Vec<Vec<Language>>,
    /// Claims on which nothing can be decided.
    hidden: Vec<&'a str>,
}

impl Template {
    /// The template with the known texts filled in.
    fn settled(&self, only: &[Option<String>]) -> Self {
        self.0.iter().fold(Self::default(), |all, piece| match piece {
            Piece::Text(text) => all.then(text),
            Piece::Variable(variable) => match only.get(*variable) {
                Some(Some(text)) => all.then(text),
                _ => all.then_any(*variable),
            },
        })
    }
}

/// A value that the policy compares a claim with.
struct Wanted {
    claim: String,
    /// The texts that match it; `None` if they aren't a set.
    texts: Option<Language>,
    /// The text that the claim must be or, if so, begin with.
    written: Option<(String, bool)>,
}

impl Wanted {
    /// Which texts of which variables decide whether the claim matches; `None` if that isn't a matter of each variable alone.
    fn cuts(&self, template: &Template, texts: &[Language]) -> Option<Vec<(usize, Language)>> {
        let (written, is_open) = self.written.as_ref()?;
        let mut cuts = Vec::new();
        follow(&template.0, written, *is_open, texts, &mut cuts)?;
        Some(cuts)
    }
}

/// Finds how a text can be divided among the pieces; if it is open, anything may follow it.
fn follow(
    pieces: &[Piece],
    rest: &str,
    is_open: bool,
    texts: &[Language],
    into: &mut Vec<(usize, Language)>,
) -> Option<()> {
    let Some((first, more)) = pieces.split_first() else {
        return Some(());
    };
    let variable = match first {
        Piece::Text(text) => match rest.strip_prefix(text.as_str()) {
            Some(rest) => return follow(more, rest, is_open, texts, into),
            None => return Some(()),
        },
        Piece::Variable(variable) => *variable,
    };
    if into.len() > MOST {
        return None;
    }
    if is_open {
        into.push((variable, Glob::like(&format!("{rest}*")).into()));
    }
    match more.first() {
        None if is_open => {}
        None => into.push((variable, Language::exactly(rest))),
        Some(Piece::Text(text)) => {
            for (at, _) in rest.char_indices() {
                let (own, after) = rest.split_at_checked(at)?;
                let is_end = is_open && text.starts_with(after);
                if (is_end || after.starts_with(text.as_str())) && texts.get(variable)?.contains(own) {
                    into.push((variable, Language::exactly(own)));
                    follow(more, after, is_open, texts, into)?;
                }
            }
        }
        Some(Piece::Variable(_)) => return None,
    }
    Some(())
}

/// Each value the policy compares a claim with.
fn wanted(policy: &TrustPolicy, asker: Asker<'_>) -> Vec<Wanted> {
    /// Nobody writes longer values by hand.
    const LONGEST: usize = 2048;
    let prefix = asker.key("").to_lowercase();
    let conditions = policy.statements.iter().flat_map(|statement| &statement.conditions);
    let mut wanted = Vec::new();
    for condition in conditions {
        let comparison = condition.operator.value.comparison;
        for key in &condition.keys {
            let name = key.key.value.to_lowercase();
            let Some(claim) = name.strip_prefix(&prefix) else {
                continue;
            };
            for value in &key.values {
                let text = value.value.as_str();
                let is_followed = text.len() <= LONGEST && !text.contains("${") && !is_masked(text);
                let language = match comparison {
                    Comparison::Null => continue,
                    _ if !is_followed => None,
                    Comparison::StringEquals | Comparison::StringNotEquals => Some(Language::exactly(text)),
                    Comparison::StringEqualsIgnoreCase | Comparison::StringNotEqualsIgnoreCase => {
                        Some(Language::in_any_case(text))
                    }
                    Comparison::StringLike | Comparison::StringNotLike => Some(Glob::like(text).into()),
                    _ => None,
                };
                let written = match comparison {
                    _ if !is_followed => None,
                    Comparison::StringEquals | Comparison::StringNotEquals => Some((text, false)),
                    Comparison::StringLike | Comparison::StringNotLike => match text.strip_suffix('*') {
                        Some(start) => Some((start, true)),
                        None => Some((text, false)),
                    }
                    .filter(|(text, _)| !text.contains(['*', '?'])),
                    _ => None,
                };
                wanted.push(Wanted {
                    claim: claim.to_owned(),
                    texts: language,
                    written: written.map(|(text, is_open)| (text.to_owned(), is_open)),
                });
            }
        }
    }
    wanted
}

/// A set, cut by others into parts that are entirely inside or outside each; `None` if that takes too many parts or too much work.
fn parts(texts: &Language, cuts: &[Language]) -> Option<Vec<Language>> {
    let mut parts = vec![texts.clone()];
    if texts.only().is_some() {
        return Some(parts);
    }
    for cut in cuts {
        let mut next = Vec::new();
        for part in parts {
            for half in [part.clone().and(cut.clone()), part.without(cut.clone())] {
                match half.example() {
                    Example::Found(_) => next.push(half),
                    Example::Nothing => {}
                    Example::Unknown => return None,
                }
            }
        }
        if next.len() > MOST {
            return None;
        }
        parts = next;
    }
    Some(parts)
}

/// All combinations of one element from each; `None` if there are too many.
fn product<T: Clone>(each: impl Iterator<Item = Vec<T>>) -> Option<Vec<Vec<T>>> {
    let mut all = vec![Vec::new()];
    for own in each {
        let longer = |one: &Vec<T>, last: &T| [one.as_slice(), std::slice::from_ref(last)].concat();
        all = all
            .iter()
            .flat_map(|one| own.iter().map(|last| longer(one, last)))
            .collect();
        if all.len() > MOST {
            return None;
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::configure::Inputs;
    use crate::policy::parse;
    use crate::predict::{Form, Repository, predict};
    use crate::text::SourceText;

    const ISSUER: &str = "https://token.actions.githubusercontent.com";

    fn families(workflow: &str, form: Form) -> Vec<Family> {
        let repository = Repository {
            name: Some("acme/widgets".to_owned()),
            form,
            default_branch: Some("main".to_owned()),
            ..Repository::default()
        };
        let file = SourceText::new(".github/workflows/d.yml", workflow);
        let prediction = predict(&repository, &[file], &|_| None);
        prediction.jobs.into_iter().flat_map(|job| job.families).collect()
    }

    fn asker<'a>(inputs: &'a Inputs, claims: Option<&'a Claims>) -> Asker<'a> {
        Asker {
            claims,
            issuer: ISSUER,
            role: None,
            provider: None,
            inputs,
            caller: None,
        }
    }

    fn policy(conditions: &serde_json::Value) -> TrustPolicy {
        let statement = json!({
            "Effect": "Allow",
            "Principal": { "Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": conditions,
        });
        parse(&json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()).unwrap()
    }

    fn key(claim: &str) -> String {
        format!("token.actions.githubusercontent.com:{claim}")
    }

    /// What the policy decides on the tokens of a workflow's only job, each decision once.
    fn decisions(on: &str, environment: &str, conditions: &serde_json::Value) -> Vec<Decision> {
        let workflow =
            format!("on: {on}\npermissions: {{id-token: write}}\njobs:\n  d:\n    runs-on: x\n{environment}");
        let inputs = Inputs::default();
        let policy = policy(conditions);
        let mut found: Vec<Decision> = Vec::new();
        for family in families(&workflow, Form::Classic) {
            for share in family.judge(&policy, asker(&inputs, None)) {
                if !found.contains(&share.decision) {
                    found.push(share.decision);
                }
            }
        }
        found
    }

    #[test]
    fn a_policy_lets_in_all_some_or_none() {
        use Decision::{Allow, ImplicitDeny, Undecided};
        let sub = |operator: &str, value: serde_json::Value| json!({ operator: { key("sub"): value } });
        let like = |value: &str| sub("StringLike", json!(value));
        let any = "    environment: ${{ vars.E }}\n";
        for (on, environment, conditions, want) in [
            ("push", "", like("repo:acme/widgets:*"), vec![Allow]),
            (
                "push",
                "",
                like("repo:acme/widgets:ref:refs/heads/*"),
                vec![Allow, ImplicitDeny],
            ),
            (
                "{push: {branches: ['**']}}",
                "",
                like("repo:acme/widgets:ref:refs/heads/*"),
                vec![Allow],
            ),
            (
                "{push: {branches: ['r/*']}}",
                "",
                like("repo:acme/widgets:ref:refs/heads/r/?*"),
                vec![Allow],
            ),
            (
                "{push: {branches: ['r/*', '!r/x']}}",
                "",
                like("repo:acme/widgets:ref:refs/heads/r/x"),
                vec![ImplicitDeny],
            ),
            (
                "{push: {branches: ['r/*']}}",
                "",
                like("repo:acme/widgets:ref:refs/heads/r/x"),
                vec![Allow, ImplicitDeny],
            ),
            ("pull_request", "", like("repo:acme/widgets:pull_request"), vec![Allow]),
            (
                "push",
                "    environment: prod\n",
                sub("StringEquals", json!("repo:acme/widgets:environment:prod")),
                vec![Allow],
            ),
            (
                "push",
                "    environment: prod\n",
                sub("StringEqualsIgnoreCase", json!("REPO:acme/widgets:environment:PROD")),
                vec![Allow],
            ),
            (
                "{push: {branches: [main]}}",
                any,
                like("repo:acme/widgets:environment:prod"),
                vec![ImplicitDeny, Allow],
            ),
            // Other claims, alone and together with the subject.
            (
                "{push: {branches: ['**']}}",
                "",
                json!({"StringLike": {key("ref"): "refs/heads/m*"}}),
                vec![Allow, ImplicitDeny],
            ),
            (
                "{push: {branches: ['**']}}",
                "",
                json!({"StringLike": {key("ref"): "refs/heads/m*", key("sub"): "repo:acme/widgets:ref:refs/heads/d*"}}),
                vec![ImplicitDeny],
            ),
            (
                "{push: {branches: [main]}}",
                "",
                json!({"StringEquals": {key("job_workflow_ref"): "acme/widgets/.github/workflows/d.yml@refs/heads/main"}}),
                vec![Allow],
            ),
            (
                "{push: {branches: [main]}}",
                "",
                json!({"StringEquals": {key("environment"): "prod"}}),
                vec![ImplicitDeny],
            ),
            (
                "push",
                "",
                json!({"StringNotLike": {key("sub"): "*:refs/tags/*"}}),
                vec![Allow, ImplicitDeny],
            ),
            // What the workflow doesn't say.
            (
                "push",
                "",
                json!({"StringEquals": {key("actor"): "jo"}}),
                vec![Undecided],
            ),
            (
                "push",
                "",
                json!({"StringEquals": {key("sub"): "${aws:x}"}}),
                vec![ImplicitDeny, Undecided],
            ),
        ] {
            let found = decisions(on, environment, &conditions);
            let wanted = found.iter().all(|decision| want.contains(decision)) && !found.is_empty();
            assert!(
                wanted && (found.len() == want.len() || want.contains(&Undecided)),
                "{on} {environment} {conditions}: {found:?}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: prop::test_runner::RngSeed::Fixed(11), cases: 400, ..ProptestConfig::default() })]

        /// For any token of the family, the policy's decision is that of the share it belongs to.
        #[test]
        fn a_share_speaks_for_each_of_its_tokens(
            filters in prop::collection::vec("!?[ab/*]{1,4}", 1..3),
            values in prop::collection::vec("(repo:acme(/widgets|@[78]/widgets@8|@7/widgets@[*]|@*):(ref:)?)?[*]?(refs/heads/)?[ab/?*]{0,3}", 1..3),
            is_exact in any::<bool>(),
            has_ids in any::<bool>(),
            on_ref in prop::option::of("refs/heads/[ab?*]{0,3}"),
            is_negated in any::<bool>(),
            name in "[ab/]{1,4}",
        ) {
            prop_assume!(!values.iter().chain(&on_ref).any(|value| value.contains("***")));
            let filters: Vec<String> = filters.iter().map(|filter| format!("'{filter}'")).collect();
            let workflow = format!(
                "on: {{push: {{branches: [{}]}}}}\npermissions: {{id-token: write}}\njobs: {{d: {{runs-on: x}}}}\n",
                filters.join(", ")
            );
            let mut conditions = json!({ if is_negated { "StringNotLike" } else { "StringLike" }: { key("sub"): values } });
            if is_exact {
                conditions = json!({ if is_negated { "StringNotEquals" } else { "StringEquals" }: { key("sub"): values } });
            }
            if let Some(value) = on_ref {
                conditions["StringLike"] = conditions.get("StringLike").cloned().unwrap_or_else(|| json!({}));
                conditions["StringLike"][key("ref")] = json!(value);
            }
            let policy = policy(&conditions);
            let inputs = Inputs::default();
            // Whether its subjects have IDs, and which, is not known.
            for family in families(&workflow, Form::Either) {
                let ids = if has_ids { ["@7", "@8"] } else { ["", ""] };
                let subject = format!("repo:acme{}/widgets{}:ref:refs/heads/{name}", ids[0], ids[1]);
                let shares = family.judge(&policy, asker(&inputs, None));
                // Each representative token is a member.
                for share in shares.iter().filter(|share| !is_masked(share.subject())) {
                    prop_assert!(family.subjects().contains(share.subject()), "{}", share.subject());
                }
                if !family.subjects().contains(&subject) {
                    continue;
                }
                let mut token = family.example().unwrap();
                token.0.insert("sub".to_owned(), json!(subject));
                token.0.insert("ref".to_owned(), json!(format!("refs/heads/{name}")));
                let decision = decide(&policy, &web_identity(asker(&inputs, Some(&token)), &policy));
                let is_its = |share: &Share| share.decision == decision || is_masked(share.subject());
                prop_assert!(shares.iter().any(is_its), "{subject} {decision:?} {shares:?}");
            }
        }
    }
}
