//! What a call signed with AWS credentials carries about its signer and the requested session.
//!
//! Sources: IAM User Guide, `reference_policies_condition-keys` (global keys) and `reference_policies_iam-condition-keys`; for the
//! tags, configure-aws-credentials, `src/assumeRole.ts`.

use std::collections::BTreeMap;

use crate::configure::{Input, Inputs};
use crate::evidence::{Identity, Runner};
use crate::policy::{Presence, RequestContext};

/// Who signs a call, and what the call is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signer<'a> {
    /// Whose credentials these are.
    pub identity: &'a Identity,
    /// The inputs of the step.
    pub inputs: &'a Inputs,
    /// The job that the tags come from.
    pub runner: Option<&'a Runner>,
    /// The tags of the requested role.
    pub role_tags: Option<&'a BTreeMap<String, String>>,
}

/// Sets the request's keys that depend on this signer, if the policy tests them.
pub(crate) fn complete(request: &mut RequestContext, signer: Signer<'_>) {
    let keys: Vec<String> = request.keys().into_iter().map(str::to_owned).collect();
    for key in keys {
        if let Some(presence) = value(&key, request.resource.as_deref(), signer) {
            request.set(&key, presence);
        }
    }
}

/// The value of a key, given in lower case.
fn value(key: &str, role: Option<&str>, signer: Signer<'_>) -> Option<Presence> {
    let identity = signer.identity;
    let one = |text: &str| Presence::One(text.to_owned());
    let unknown = |why: &str| Presence::Unknown(why.to_owned());
    let user = identity.arn.split_once(":user/").map(|(_, path)| path);
    let is_session = identity.arn.contains(":assumed-role/");
    Some(match key {
        "aws:principalarn" if user.is_some() => one(&identity.arn),
        // "For IAM roles, the request context returns the ARN of the role, not the ARN of the user that assumed the role."
        "aws:principalarn" if is_session => match &identity.role {
            Some(role) => one(role),
            None => unknown("it is the calling role's ARN, whose path a session does not show"),
        },
        "aws:principaltype" if user.is_some() => one("User"),
        "aws:principaltype" if is_session => one("AssumedRole"),
        "aws:principalisawsservice" => one("false"),
        "aws:username" => match user {
            Some(path) => one(path.rsplit('/').next().unwrap_or_default()),
            None if is_session => Presence::Absent,
            None => return None,
        },
        "aws:resourceaccount" => one(role?.split(':').nth(4).filter(|account| account.len() == 12)?),
        "aws:principalorgid" | "aws:principalorgpaths" => {
            unknown("which organization the caller's account belongs to is not known here")
        }
        "aws:resourceorgid" | "aws:resourceorgpaths" => {
            unknown("which organization the role's account belongs to is not known here")
        }
        "sts:sourceidentity" | "aws:sourceidentity" => {
            unknown("configure-aws-credentials sets none, and whether the asking session has one is not known here")
        }
        "sts:transitivetagkeys" => transitive_keys(signer),
        "aws:tagkeys" if !signer.inputs.is_on(Input::RoleSkipSessionTagging) => unknown(
            "it is the names of all session tags, which differ between the versions of configure-aws-credentials",
        ),
        key => {
            let tag = |prefix: &str| key.strip_prefix(prefix);
            if let Some(name) = tag("aws:requesttag/") {
                request_tag(name, signer)
            } else if let Some(name) = tag("aws:resourcetag/").or_else(|| tag("iam:resourcetag/")) {
                match signer.role_tags {
                    Some(tags) => find(tags.iter().map(|(key, value)| (&**key, &**value)), name),
                    None => unknown("the tags of the requested role are not known here"),
                }
            } else if tag("aws:principaltag/").is_some() {
                unknown("the caller's tags are not known here")
            } else {
                return None;
            }
        }
    })
}

/// A tag that the call sends. (Tag keys are compared case-insensitively: IAM User Guide, `id_tags`.)
fn request_tag(name: &str, signer: Signer<'_>) -> Presence {
    let inputs = signer.inputs;
    if inputs.is_on(Input::RoleSkipSessionTagging) {
        return Presence::Absent;
    }
    let runner = signer.runner;
    let of_runner = |variable: &str| match variable {
        "GITHUB_ACTOR" => runner?.actor.as_deref(),
        "GITHUB_REF" => runner?.git_ref.as_deref(),
        "GITHUB_REPOSITORY" => runner?.repository.as_deref(),
        _ => None,
    };
    // Tags that only some versions send aren't included.
    let Ok(tags) = inputs.tags(of_runner) else {
        return Presence::Unknown("`custom-tags` cannot be read".to_owned());
    };
    let found = find(tags.iter().map(|tag| (&*tag.key, &*tag.value)), name);
    let may_be_sent =
        Inputs::tag_names().any(|own| own.eq_ignore_ascii_case(name)) || inputs.get(Input::CustomTags).is_none();
    match found {
        Presence::Absent if may_be_sent => {
            Presence::Unknown("the value of this session tag is not known here".to_owned())
        }
        found => found,
    }
}

fn transitive_keys(signer: Signer<'_>) -> Presence {
    let inputs = signer.inputs;
    let Some(keys) = inputs.get(Input::TransitiveTagKeys) else {
        return Presence::Unknown("the given inputs do not say which tags are transitive".to_owned());
    };
    if keys.trim().is_empty() || inputs.is_on(Input::RoleSkipSessionTagging) {
        return Presence::Absent;
    }
    Presence::Unknown("it is those of `transitive-tag-keys` that a tag is sent for".to_owned())
}

fn find<'t>(mut tags: impl Iterator<Item = (&'t str, &'t str)>, name: &str) -> Presence {
    match tags.find(|(key, _)| key.eq_ignore_ascii_case(name)) {
        Some((_, value)) => Presence::One(value.to_owned()),
        None => Presence::Absent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_who_signs_is_in_the_request() {
        let session = Identity {
            account: "123456789012".to_owned(),
            arn: "arn:aws:sts::123456789012:assumed-role/hub/ci".to_owned(),
            role: Some("arn:aws:iam::123456789012:role/team/hub".to_owned()),
            ..Identity::default()
        };
        let elsewhere = Identity {
            role: None,
            ..session.clone()
        };
        let user = Identity {
            arn: "arn:aws:iam::123456789012:user/team/ci".to_owned(),
            ..elsewhere.clone()
        };
        let runner = Runner {
            repository: Some("acme/widgets".to_owned()),
            actor: Some("dependabot[bot]".to_owned()),
            ..Runner::default()
        };
        let tags = BTreeMap::from([("Team".to_owned(), "a".to_owned())]);
        let one = |text: &str| Some(Presence::One(text.to_owned()));
        let (absent, open) = (Some(Presence::Absent), Some(Presence::Unknown(String::new())));
        let inputs = |given: &[(&str, &str)]| {
            let mut inputs = Inputs::of_step(given.iter().copied());
            inputs.complete(|_| None);
            inputs
        };
        let none = inputs(&[]);
        let skipped = inputs(&[
            ("role-skip-session-tagging", "true"),
            ("transitive-tag-keys", "Repository"),
        ]);
        let custom = inputs(&[("custom-tags", "{\"Cost\": \"7\"}"), ("transitive-tag-keys", "Cost")]);
        for (identity, inputs, key, want) in [
            (
                &session,
                &none,
                "aws:principalarn",
                one("arn:aws:iam::123456789012:role/team/hub"),
            ),
            (&elsewhere, &none, "aws:principalarn", open.clone()),
            (
                &user,
                &none,
                "aws:principalarn",
                one("arn:aws:iam::123456789012:user/team/ci"),
            ),
            (&session, &none, "aws:principaltype", one("AssumedRole")),
            (&user, &none, "aws:username", one("ci")),
            (&session, &none, "aws:username", absent.clone()),
            (&session, &none, "aws:principalorgid", open.clone()),
            (&session, &none, "aws:resourceaccount", one("210987654321")),
            (&session, &none, "aws:resourcetag/team", one("a")),
            (&session, &none, "iam:resourcetag/other", absent.clone()),
            (&session, &none, "aws:principaltag/team", open.clone()),
            (&session, &none, "aws:requesttag/repository", one("acme/widgets")),
            (&session, &none, "aws:requesttag/actor", one("dependabot_bot_")),
            (&session, &none, "aws:requesttag/branch", open.clone()),
            (&session, &none, "aws:requesttag/runid", open.clone()),
            (&session, &none, "aws:requesttag/cost", absent.clone()),
            (&session, &custom, "aws:requesttag/cost", one("7")),
            (&session, &skipped, "aws:requesttag/repository", absent.clone()),
            (&session, &none, "aws:tagkeys", open.clone()),
            (&session, &none, "sts:transitivetagkeys", absent.clone()),
            (&session, &skipped, "sts:transitivetagkeys", absent.clone()),
            (&session, &custom, "sts:transitivetagkeys", open.clone()),
            (&session, &none, "sts:externalid", None),
        ] {
            let signer = Signer {
                identity,
                inputs,
                runner: Some(&runner),
                role_tags: Some(&tags),
            };
            let found = value(key, Some("arn:aws:iam::210987654321:role/deploy"), signer);
            let bare = found.map(|presence| match presence {
                Presence::Unknown(_) => Presence::Unknown(String::new()),
                known => known,
            });
            assert_eq!(bare, want, "{} {key}", identity.arn);
        }
    }
}
