//! `input-malformed`: an input does not have the form that configure-aws-credentials accepts.

use super::check::{Check, When};
use crate::case::Case;
use crate::configure::{Input, Stop};
use crate::finding::{Fact, Finding, Rule, Stage};

/// The check.
pub(super) const CHECK: Check = Check {
    rule: Rule {
        id: "input-malformed",
        cause: None,
        stage: Stage::Request,
        title: "an input does not have the form that configure-aws-credentials accepts",
    },
    when: When::NotAllowed,
    run,
};

fn run(case: &Case<'_>) -> Option<Finding> {
    if let Some(why) = case.profile_fault() {
        // `mergeProfileSection` in `src/profileManager.ts`
        return Some(
            Finding::blocks(format!(
                "the profile `{}` cannot be written: {why}",
                case.request().given(Input::AwsProfile).unwrap_or_default()
            ))
            .rests_on(
                case,
                &[Fact::Input(Input::AwsProfile), Fact::Input(Input::OverwriteAwsProfile)],
            )
            .by_action()
            .note("configure-aws-credentials fails then, after AWS has given it credentials")
            .help("set `overwrite-aws-profile: true`, or give the profile another name"),
        );
    }
    Some(match case.stop.as_ref()? {
        Stop::Boolean(input) => {
            let given = case.request().given(*input).unwrap_or_default();
            Finding::blocks(format!("`{}` is neither `true` nor `false`: it is `{given}`", input.name()))
                .rests_on(case, &[Fact::Input(*input)])
                .by_action()
                .note("configure-aws-credentials accepts `true`, `True`, `TRUE`, `false`, `False` and `FALSE`, and stops at anything else before it makes any request")
                .help(format!("set `{}` to `true` or `false`; if it is an expression, check what it evaluates to", input.name()))
        }
        Stop::CustomTags(fault) => Finding::blocks(format!(
            "configure-aws-credentials rejects `custom-tags`: {fault}"
        ))
        .rests_on(case, &[Fact::Input(Input::CustomTags)])
        .by_action()
        .note("it reads them also where it does not send them, with the ID token or a token file")
        .help(format!(
            "set `{}` to a JSON object of strings, such as `{{\"Team\": \"payments\"}}`",
            Input::CustomTags.name()
        )),
        Stop::Profile => Finding::blocks(format!(
            "`aws-profile` is not the name of a profile that can be written: `{}`",
            case.request().given(Input::AwsProfile).unwrap_or_default()
        ))
        .rests_on(case, &[Fact::Input(Input::AwsProfile)])
        .by_action()
        .note("configure-aws-credentials writes the credentials of the role to that profile, and fails if its name contains white space, brackets or slashes")
        .help("give the profile a plain name, or leave `aws-profile` out"),
        _ => return None,
    })
}
