//! What a policy accepts but no job needs.

use crate::finding::{Certainty, Severity};
use crate::github::issuer::issuer_host;
use crate::infra::Written;
use crate::policy::{Comparison, Effect, TrustPolicy};
use crate::predict::{Grant, Prediction};
use crate::text::Span;
use crate::text::language::{Example, Glob, Language};
use crate::text::masked::is_masked;

use super::{Check, Noted, rules, spot};

impl Check<'_> {
    /// Reports subjects of this repository that a policy accepts and no job can have.
    pub(super) fn unused(&mut self, prediction: &Prediction) {
        let Some(repository) = self.repository.name.clone() else {
            return;
        };
        // A file that can't be read may need anything.
        if !prediction.problems.is_empty() {
            return;
        }
        let jobs = prediction.jobs.iter().filter(|job| job.grant != Grant::Missing);
        let families: Vec<_> = jobs
            .flat_map(|job| &job.families)
            .filter(|family| !family.is_odd)
            .collect();
        // Many jobs share the same subjects.
        let mut subjects: Vec<Language> = Vec::new();
        for family in families {
            let own = family.subjects();
            if !subjects.contains(&own) {
                subjects.push(own);
            }
        }
        let mut found = Vec::new();
        for (index, role) in self.infra.roles.iter().enumerate() {
            let Ok(written) = &role.policy else { continue };
            if !written.text.contains(":sub") {
                continue;
            }
            let Ok(read) = self.policy(index, "${account}", "${partition}") else {
                continue;
            };
            for (value, noted) in self.values(&read.1, written, &repository, &role.address) {
                let wanted: Language = Glob::like(&value).into();
                if subjects
                    .iter()
                    .all(|subjects| subjects.clone().and(wanted.clone()).example() == Example::Nothing)
                {
                    found.push(noted);
                }
            }
        }
        for noted in found {
            self.note(noted);
        }
    }

    /// Whether a value is made from a variable's default, which can be overridden.
    fn is_a_default(&self, written: &Written, value: Span) -> bool {
        let place = written.exactly(value);
        let source = place.and_then(|place| Some(self.infra.files.get(place.file)?.slice(place.span)));
        let text = written
            .text
            .get(value.start..value.end)
            .unwrap_or_default()
            .trim_matches('"');
        !written.assumed.is_empty() && !source.is_some_and(|source| source.contains(text))
    }

    /// A policy's values that are subjects of this repository, each with its finding.
    fn values(&self, policy: &TrustPolicy, written: &Written, repository: &str, address: &str) -> Vec<(String, Noted)> {
        let key = format!("{}:sub", issuer_host(&self.repository.issuer));
        let own = [
            format!("repo:{repository}:"),
            format!("repo:{}@", repository.split('/').next().unwrap_or_default()),
        ];
        let mut values = Vec::new();
        let allowing = policy
            .statements
            .iter()
            .filter(|statement| statement.effect.value == Effect::Allow);
        for condition in allowing.flat_map(|statement| &statement.conditions) {
            let is_match = matches!(
                condition.operator.value.comparison,
                Comparison::StringEquals | Comparison::StringLike
            );
            for condition in condition
                .keys
                .iter()
                .filter(|_| is_match)
                .filter(|own| own.key.value.eq_ignore_ascii_case(&key))
            {
                for value in &condition.values {
                    let text = &value.value;
                    let starts = |own: &String| {
                        text.get(..own.len())
                            .is_some_and(|start| start.eq_ignore_ascii_case(own))
                    };
                    let is_own = starts(&own[0])
                        || starts(&own[1])
                            && text.contains(&format!("/{}@", repository.split('/').nth(1).unwrap_or_default()));
                    if !is_own || is_masked(text) || text.contains("${") || self.is_a_default(written, value.span) {
                        continue;
                    }
                    let context = text
                        .split_once(':')
                        .map_or("", |(_, rest)| rest)
                        .split_once(':')
                        .map_or("", |(_, rest)| rest);
                    let message = match context.strip_prefix("environment:") {
                        Some(environment) => format!(
                            "the policy of `{address}` trusts the environment `{environment}`, which no job names"
                        ),
                        None => format!("the policy of `{address}` trusts `{text}`, a subject that no job can have"),
                    };
                    let mut noted = Noted::new(&rules::TRUST_UNUSED, Severity::Risk, message);
                    noted.certainty = Certainty::Likely;
                    noted
                        .spots
                        .extend(written.place(value.span).map(|place| spot(place, "no job needs this")));
                    noted
                        .help
                        .push("remove it, or correct it where a job was meant".to_owned());
                    noted.about = vec![address.to_owned(), text.clone()];
                    values.push((text.clone(), noted));
                }
            }
        }
        values
    }
}
