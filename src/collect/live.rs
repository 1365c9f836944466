//! Trust policies read from IAM: those of the roles that the jobs of a checkout name.

use serde_json::{Value, json};

use super::sources::Sources;
use super::{Env, Outside, collect};
use crate::args::{self, Command, InputError};
use crate::aws::arn::RoleArn;
use crate::evidence::{Evidence, PolicyText, Probe, Why};
use crate::predict::{Grant, Prediction};
use crate::text::SourceText;

/// The most roles that are looked up.
const MOST: usize = 50;

impl Sources {
    /// Adds the roles that the jobs name by their full ARN. What IAM doesn't return is listed among what wasn't checked.
    ///
    /// # Errors
    /// [`InputError`] if there are no AWS credentials.
    pub async fn ask(&mut self, prediction: &Prediction, outside: &Outside<'_>) -> Result<(), InputError> {
        // A job's own token isn't requested, and what the job knows of itself says nothing about the jobs being checked.
        let is_jobs = |name: &str| {
            ["ACTIONS_", "GITHUB_", "INPUT_", "RUNNER_"]
                .iter()
                .any(|own| name.starts_with(own))
        };
        let env: Env = outside.env.iter().filter(|(name, _)| !is_jobs(name)).collect();
        let outside = Outside { env: &env, ..*outside };
        let roles = named(prediction);
        for (count, arn) in roles.iter().enumerate() {
            if count >= MOST {
                let left = roles.len() - MOST;
                self.problems
                    .push(format!("IAM: {left} roles were not read: the limit is {MOST}"));
                break;
            }
            let flags = ["aws-oidc-doctor", "diagnose", "--role-to-assume", arn];
            let Ok(Command::Diagnose(args)) = args::parse(flags.map(Into::into), std::iter::empty()) else {
                continue;
            };
            let run = collect(&args, &outside)
                .await
                .runs
                .into_iter()
                .next()
                .unwrap_or_default();
            match &run.role {
                Some(Probe::Missing(gap)) if gap.why == Why::NoCredentials => {
                    return Err(InputError::new("`--live`", gap.detail.clone()));
                }
                Some(Probe::Missing(gap)) if gap.why == Why::NotFound => {
                    self.missing.insert(arn.clone(), gap.detail.clone());
                }
                Some(Probe::Missing(gap)) => {
                    self.problems
                        .push(format!("IAM: `{arn}`: {}: {}", gap.why.words(), gap.detail));
                }
                Some(Probe::Known(_)) | None => self.add(arn, &run),
            }
        }
        Ok(())
    }

    /// Adds a role as `aws iam get-role` prints it, so that it is read like one in a file.
    fn add(&mut self, arn: &str, run: &Evidence) {
        let (Some(role), Ok(parsed)) = (run.role.as_ref().and_then(Probe::known), RoleArn::parse(arn)) else {
            return;
        };
        let policy = match &role.trust_policy {
            Some(PolicyText::Text(text)) => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.clone())),
            Some(PolicyText::Value(value)) => Value::clone(value),
            None => return,
        };
        let role = json!({ "Role": {
            "RoleName": parsed.name,
            "Path": parsed.path,
            "Arn": arn,
            "MaxSessionDuration": role.max_session_duration,
            "AssumeRolePolicyDocument": policy,
        } });
        let audiences = run.provider.as_ref().and_then(Probe::known);
        self.live.extend(audiences.and_then(|provider| {
            let audiences = provider.client_ids.clone()?;
            Some((self.files.len(), provider.url.clone()?, audiences))
        }));
        self.files
            .push(SourceText::new(format!("IAM: {arn}"), format!("{role:#}")));
    }
}

/// The roles that jobs with a token name, each once.
fn named(prediction: &Prediction) -> Vec<String> {
    let mut roles: Vec<String> = Vec::new();
    let jobs = prediction.jobs.iter().filter(|job| job.grant != Grant::Missing);
    for asking in jobs.flat_map(|job| &job.steps) {
        let role = asking
            .step
            .input("role-to-assume")
            .and_then(|role| role.value.as_ref().ok());
        let Some(role) = role.and_then(|role| role.as_known()).map(str::trim) else {
            continue;
        };
        let is_whole = RoleArn::parse(role).is_ok_and(|arn| arn.account.is_some());
        if is_whole && !roles.iter().any(|other| other == role) {
            roles.push(role.to_owned());
        }
    }
    roles
}
