//! What an error message proves: AWS's own answers, and the texts that configure-aws-credentials, the runner and IAM show.
//!
//! The action prints the message without its code, so the text decides. A pasted text may have prefixes, retries around it
//! and masks (`***`) in it; only phrases that no mask can hit are looked for.

use crate::configure::Input;
use crate::evidence::{Attempt, Evidence, Probe};

/// What an answer says, coarsely as documented and not finer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The credentials' account is not among `allowed-account-ids`.
    AccountNotAllowed,
    /// The role was assumed.
    Allowed,
    /// `sts:AssumeRole` (or `sts:TagSession`) with AWS credentials was refused: who asked, the action, AWS's "because …".
    AssumeRoleDenied {
        /// `sts:AssumeRole`, `sts:TagSession`, …
        action: String,
        /// The ARN that asked.
        user: String,
        /// The ARN of the role.
        resource: String,
        /// What follows "because", where AWS says it.
        because: Option<String>,
    },
    /// AWS credentials were used and are no good, or not those that were given.
    BadCredentials,
    /// A session longer than a chained role may have.
    DurationChained,
    /// A session shorter or longer than STS takes.
    DurationInvalid,
    /// A session longer than this role gives.
    DurationOverMaximum,
    /// An environment's protection rules hold the job back.
    EnvironmentRefused,
    /// The token expired.
    Expired,
    /// IAM refused to store the policy.
    IamRefusedPolicy,
    /// STS could not talk to the issuer; transient.
    IdpUnreachable,
    /// STS could not read the issuer's signing keys.
    KeysUnreachable,
    /// A nested job asks for more than its caller allows.
    NestedPermission,
    /// No credentials of any kind were found.
    NoCredentials,
    /// The account has no provider for this issuer, as AWS names it.
    NoProvider(Option<String>),
    /// `AccessDenied` from `AssumeRoleWithWebIdentity`: the provider's stage is passed.
    NotAuthorized,
    /// The token is no ID token, or one that STS cannot read.
    NotAToken,
    /// Another message; nothing is concluded from it.
    Other,
    /// `role-to-assume` was empty: the action went on with what credentials there were.
    RoleEmpty,
    /// The role's ARN was not understood.
    RoleArnInvalid,
    /// The region is missing, misspelt or not enabled.
    RegionUnusable,
    /// A session name that STS does not take.
    SessionNameInvalid,
    /// A session policy that STS does not take.
    SessionPolicyInvalid,
    /// A tag that STS does not take.
    SessionTagInvalid,
    /// STS throttled.
    Throttled,
    /// The certificate of the issuer does not fit the provider's thumbprints.
    Thumbprint,
    /// The job may not ask for an ID token.
    TokenNotGranted,
    /// The service did not give an ID token.
    TokenRequestFailed,
    /// The STS endpoint was not reached.
    Unreachable,
    /// The token's audience is not among the provider's client ids.
    WrongAudience,
}

impl Answer {
    /// Reads a message, with its code where that is known.
    #[must_use]
    pub fn read(code: &str, text: &str) -> Self {
        let lower = text.to_lowercase();
        let has = |needles: &[&str]| needles.iter().any(|needle| lower.contains(needle));
        // A phrase decides before a code does: some codes have several meanings. Specific phrases stand before general ones.
        if has(&["is requesting '"]) && has(&["but is only allowed '"]) && has(&["id-token"]) {
            return Self::NestedPermission;
        }
        if has(&[
            "due to environment protection rules",
            "is not allowed to deploy to",
            "didn't satisfy other protection rules",
        ]) {
            return Self::EnvironmentRefused;
        }
        if has(&[
            "actions_id_token_request_url",
            "actions_id_token_request_token",
            "did you mean to set the `id-token` permission",
        ]) {
            return Self::TokenNotGranted;
        }
        if has(&[
            "getidtoken call failed",
            "failed to get id token",
            "do not have id token field",
        ]) {
            return Self::TokenRequestFailed;
        }
        if let Some(denied) = assume_role_denied(text) {
            return denied;
        }
        if has(&[
            "not authorized to perform sts:assumerolewithwebidentity",
            "not authorized to perform: sts:assumerolewithwebidentity",
        ]) {
            return Self::NotAuthorized;
        }
        if let Some(rest) = after(text, "No OpenIDConnect provider found in your account for ") {
            let issuer = rest.split_whitespace().next().unwrap_or_default();
            let issuer = issuer.trim_end_matches(['.', ',', ';', '"', '\'', '`', ')']);
            return Self::NoProvider((!issuer.is_empty() && !issuer.contains('*')).then(|| issuer.to_owned()));
        }
        let phrases: [(&[&str], Self); 24] = [
            (&["no openidconnect provider found"], Self::NoProvider(None)),
            (&["incorrect token audience"], Self::WrongAudience),
            (&["doesn't match configured thumbprint"], Self::Thumbprint),
            (&["couldn't retrieve verification key"], Self::KeysUnreachable),
            (
                &["token expired:", "token too old:", "expiredtokenexception"],
                Self::Expired,
            ),
            (
                &[
                    "not a valid jwt",
                    "missing a required claim",
                    "could not be validated by aws",
                ],
                Self::NotAToken,
            ),
            (
                &[
                    "source account id is needed",
                    "request arn is invalid",
                    "at 'rolearn' failed",
                ],
                Self::RoleArnInvalid,
            ),
            (
                &[
                    "'rolesessionname' failed",
                    "role session name must",
                    "role session name is not valid",
                ],
                Self::SessionNameInvalid,
            ),
            (&["exceeds the maxsessionduration"], Self::DurationOverMaximum),
            (&["exceeds the 1 hour session limit"], Self::DurationChained),
            (&["'durationseconds' failed"], Self::DurationInvalid),
            (
                &[
                    "packedpolicytoolarge",
                    "packed size",
                    "packed policy consumes",
                    "at 'policy' failed",
                    "at 'policyarns",
                ],
                Self::SessionPolicyInvalid,
            ),
            (
                &["at 'tags.", "custom-tags:", "'tags' failed", "session tag"],
                Self::SessionTagInvalid,
            ),
            (
                &[
                    "invalid condition type",
                    "federated principals must be valid",
                    "which is not scoped to all",
                    "condition can contain only one colon",
                    "has prohibited field",
                    "invalid principal in policy",
                    "contained an invalid principal",
                    "may only specify sts assumerole actions",
                    "policy statement must contain",
                    "contains an invalid json",
                    "syntax errors in policy",
                    "vendors must be prefixed",
                    "missing required field",
                    "this policy contains invalid json",
                    "policy document must be version",
                    "unknown field",
                ],
                Self::IamRefusedPolicy,
            ),
            (
                &["does not match any of the expected account ids"],
                Self::AccountNotAllowed,
            ),
            (&["proceeding with iam user credentials"], Self::RoleEmpty),
            (
                &[
                    "security token included in the request",
                    "credentials loaded by the sdk do not match",
                    "'aws-secret-access-key' must be provided",
                    "if 'force-skip-oidc' is true",
                ],
                Self::BadCredentials,
            ),
            (
                &[
                    "region is not valid",
                    "not supplied: aws-region",
                    "regiondisabled",
                    "sts is not activated in this region",
                ],
                Self::RegionUnusable,
            ),
            (&["rate exceeded", "throttl", "toomanyrequests"], Self::Throttled),
            (
                &[
                    "idpcommunicationerror",
                    "idp communication",
                    "problem communicating with the identity provider",
                ],
                Self::IdpUnreachable,
            ),
            (
                &[
                    "enotfound",
                    "econnrefused",
                    "etimedout",
                    "econnreset",
                    "eai_again",
                    "socket hang up",
                    "action timed out after",
                    "self-signed certificate",
                    "self signed certificate",
                    "unable to get local issuer certificate",
                    "connect timeout",
                ],
                Self::Unreachable,
            ),
            (&["could not load credentials from any providers"], Self::NoCredentials),
            (&["credentials could not be loaded"], Self::NoCredentials),
            (&["malformedpolicydocument"], Self::IamRefusedPolicy),
        ];
        for (needles, answer) in phrases {
            if has(needles) {
                return answer;
            }
        }
        // `arn:aws:iam::1234:role/x is invalid`
        if let Some((head, _)) = lower.split_once(" is invalid")
            && head
                .split_whitespace()
                .next_back()
                .is_some_and(|word| word.starts_with("arn:"))
        {
            return Self::RoleArnInvalid;
        }
        match code {
            "AccessDenied" => Self::NotAuthorized,
            "ExpiredToken" | "ExpiredTokenException" => Self::Expired,
            "IDPCommunicationError" => Self::IdpUnreachable,
            "InvalidIdentityToken" | "IDPRejectedClaim" => Self::NotAToken,
            "MalformedPolicyDocument" | "PackedPolicyTooLarge" => Self::SessionPolicyInvalid,
            "RegionDisabledException" => Self::RegionUnusable,
            "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequestsException" => {
                Self::Throttled
            }
            _ => Self::Other,
        }
    }

    /// What is known of AWS's answer, or of the message that somebody pasted.
    #[must_use]
    pub fn of(evidence: &Evidence) -> Option<Self> {
        match evidence.hop.attempt.as_ref().and_then(Probe::known) {
            Some(Attempt::Allowed { .. }) => Some(Self::Allowed),
            Some(Attempt::Denied { code, message, .. }) => Some(match Self::read(code, message) {
                // An answer of STS: what it calls malformed is the session policy, and its denial is the token's.
                Self::IamRefusedPolicy => Self::SessionPolicyInvalid,
                answer => answer,
            }),
            Some(Attempt::Reported { text }) if shows_session(text, evidence) => Some(Self::Allowed),
            Some(Attempt::Reported { text }) => Some(Self::read("", text)),
            None => evidence.reported.as_deref().map(|text| Self::read("", text)),
        }
    }

    /// Does it show that a token was made and sent to STS?
    #[must_use]
    pub fn token_was_sent(&self) -> bool {
        self.passed_provider()
            || matches!(
                self,
                Self::Expired
                    | Self::IdpUnreachable
                    | Self::KeysUnreachable
                    | Self::NoProvider(_)
                    | Self::NotAToken
                    | Self::Thumbprint
                    | Self::WrongAudience
            )
    }

    /// Does it show that the account has a provider for the token's issuer?
    /// (Inferred from AWS's messages: any answer but the missing provider comes after it.)
    #[must_use]
    pub fn provider_exists(&self) -> bool {
        self.passed_provider()
            || matches!(
                self,
                Self::Expired | Self::KeysUnreachable | Self::Thumbprint | Self::WrongAudience
            )
    }

    /// Does it show that the provider accepted the token, audience included?
    #[must_use]
    pub fn passed_provider(&self) -> bool {
        matches!(self, Self::Allowed | Self::DurationOverMaximum | Self::NotAuthorized)
    }

    /// Does it come from asking with AWS credentials, not with the token?
    #[must_use]
    pub fn is_about_credentials(&self) -> bool {
        matches!(
            self,
            Self::AssumeRoleDenied { .. } | Self::BadCredentials | Self::DurationChained
        )
    }
}

/// `User: ARN is not authorized to perform: sts:TagSession on resource: ARN because …`.
fn assume_role_denied(text: &str) -> Option<Answer> {
    let rest = after(text, "is not authorized to perform: sts:")?;
    let action = rest.split_whitespace().next()?.trim_end_matches([',', '.']);
    if action.starts_with("AssumeRoleWithWebIdentity") {
        return None;
    }
    let user = text
        .split_once(" is not authorized to perform: sts:")
        .and_then(|(head, _)| head.rsplit_once("User: "))
        .map_or("", |(_, user)| user.trim());
    let resource = after(rest, "on resource: ")
        .and_then(|r| r.split_whitespace().next())
        .unwrap_or_default();
    let because =
        after(rest, "because ").or_else(|| after(rest, "with an explicit deny").map(|_| "with an explicit deny"));
    Some(Answer::AssumeRoleDenied {
        action: format!("sts:{action}"),
        user: user.to_owned(),
        resource: resource.trim_end_matches(['.', ',']).to_owned(),
        because: because.map(|b| b.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()),
    })
}

fn after<'a>(text: &'a str, needle: &str) -> Option<&'a str> {
    text.split_once(needle).map(|(_, rest)| rest)
}

/// Was something else refused to a session of the role? Then the role was assumed.
///
/// "User: arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION is not authorized to perform: ACTION" (IAM User Guide,
/// `troubleshoot_access-denied`).
fn shows_session(text: &str, evidence: &Evidence) -> bool {
    let role = evidence.hop.request.get(Input::RoleToAssume).unwrap_or_default();
    let name = role.rsplit(['/', ':']).next().unwrap_or_default();
    if name.is_empty() || Answer::read("", text) != Answer::Other {
        return false;
    }
    text.lines().any(|line| {
        let refused = line.split_once("User: ").and_then(|(_, user)| user.split_once(' '));
        let Some((user, action)) = refused else { return false };
        let Some(action) = action.strip_prefix("is not authorized to perform: ") else {
            return false;
        };
        let Some((account, session)) = user.split_once(":assumed-role/") else {
            return false;
        };
        let account = account.rsplit(':').next();
        let (user_role, session) = session.split_once('/').unwrap_or((session, ""));
        // A session of an instance profile is named after the instance, and no token was needed for it.
        user_role == name
            && role.split(':').nth(4).is_none_or(|own| Some(own) == account)
            && !session.starts_with("i-")
            && !action.to_lowercase().starts_with("sts:")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_as_they_are_pasted() {
        for (text, want) in [
            (
                "Error: Could not assume role with OIDC: Not authorized to perform sts:AssumeRoleWithWebIdentity",
                Answer::NotAuthorized,
            ),
            (
                "An error occurred (AccessDenied) when calling the AssumeRoleWithWebIdentity operation: Not authorized to perform sts:AssumeRoleWithWebIdentity",
                Answer::NotAuthorized,
            ),
            (
                "Retry AssumeRole: attempt 1 of 12 failed: Could not assume role with OIDC: Incorrect token audience. Retrying after 38ms.",
                Answer::WrongAudience,
            ),
            (
                "Error: No OpenIDConnect provider found in your account for https://token.actions.githubusercontent.com",
                Answer::NoProvider(Some("https://token.actions.githubusercontent.com".into())),
            ),
            (
                "No OpenIDConnect provider found in your account for ***",
                Answer::NoProvider(None),
            ),
            (
                "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements",
                Answer::KeysUnreachable,
            ),
            (
                "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint",
                Answer::Thumbprint,
            ),
            (
                "Token expired: current date/time 1 must be before the expiration date/time2",
                Answer::Expired,
            ),
            (
                "Credentials could not be loaded, please check your action inputs: Could not load credentials from any providers",
                Answer::NoCredentials,
            ),
            (
                "It looks like you might be trying to authenticate with OIDC. Did you mean to set the `id-token` permission? If you are not…",
                Answer::TokenNotGranted,
            ),
            (
                "getIDToken call failed: Error message: Unable to get ACTIONS_ID_TOKEN_REQUEST_URL env variable",
                Answer::TokenNotGranted,
            ),
            (
                "getIDToken call failed: Error message: Failed to get ID Token. \n \n Error Code : 403",
                Answer::TokenRequestFailed,
            ),
            (
                "Error calling workflow 'a/b/.github/workflows/x.yml@main'. The nested job 'd' is requesting 'id-token: write', but is only allowed 'id-token: none'.",
                Answer::NestedPermission,
            ),
            (
                "Branch \"dev\" is not allowed to deploy to production due to environment protection rules.",
                Answer::EnvironmentRefused,
            ),
            (
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
                Answer::DurationOverMaximum,
            ),
            (
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
                Answer::DurationChained,
            ),
            (
                "1 validation error detected: Value '50000' at 'durationSeconds' failed to satisfy constraint",
                Answer::DurationInvalid,
            ),
            (
                "Could not assume role with OIDC: 1 validation error detected: Value 'dependabot[bot]' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*",
                Answer::SessionNameInvalid,
            ),
            (
                "Source Account ID is needed if the Role Name is provided and not the Role Arn.",
                Answer::RoleArnInvalid,
            ),
            (
                "Invalid Condition type : ForAllValuesStringEquals",
                Answer::IamRefusedPolicy,
            ),
            ("getaddrinfo ENOTFOUND sts.eu-wset-1.amazonaws.com", Answer::Unreachable),
            (
                "The account ID of the provided credentials (1) does not match any of the expected account IDs: 2, 3",
                Answer::AccountNotAllowed,
            ),
            (
                "The nested job 'd' is requesting 'contents: write, id-token: write', but is only allowed 'contents: read, id-token: none'.",
                Answer::NestedPermission,
            ),
            ("something else", Answer::Other),
        ] {
            assert_eq!(Answer::read("", text), want, "{text}");
        }
    }

    #[test]
    fn a_refused_assume_role_keeps_who_what_and_why() {
        let text = "Could not assume role with user credentials: User: arn:aws:sts::111111111111:assumed-role/hub/x is not authorized to perform: sts:TagSession on resource: arn:aws:iam::***:role/spoke because no role trust policy allows the sts:TagSession action";
        assert_eq!(
            Answer::read("AccessDenied", text),
            Answer::AssumeRoleDenied {
                action: "sts:TagSession".into(),
                user: "arn:aws:sts::111111111111:assumed-role/hub/x".into(),
                resource: "arn:aws:iam::***:role/spoke".into(),
                because: Some("no role trust policy allows the sts:TagSession action".into()),
            }
        );
    }
}
