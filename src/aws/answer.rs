//! What an error message proves: AWS's own answers, and the messages of configure-aws-credentials, the runner and IAM.
//!
//! The action prints the message without its code, so the text decides. Pasted text may contain prefixes, retries
//! and masks (`***`); only phrases that no mask can hit are searched for.

mod refusal;
mod text;

use crate::configure::Input;
use crate::evidence::{Attempt, Evidence, Probe};
use crate::github::issuer::Deployment;
use text::Text;

pub(crate) use refusal::PolicyKind;
pub use refusal::Refusal;
pub(crate) use text::{one_line, without_prefix};

/// What an answer says, no more finely than documented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The credentials' account is not among `allowed-account-ids`.
    AccountNotAllowed,
    /// The role was assumed.
    Allowed,
    /// `sts:AssumeRole` (or `sts:TagSession`) with AWS credentials was refused.
    AssumeRoleDenied(Refusal),
    /// AWS credentials were used and are invalid, or aren't the ones that were supplied.
    BadCredentials,
    /// The signature's time doesn't match AWS's: this machine's clock is wrong.
    ClockWrong,
    /// A session longer than role chaining allows.
    DurationChained,
    /// A session shorter or longer than STS accepts: the seconds, if AWS repeats them.
    DurationInvalid(Option<i64>),
    /// A session longer than this role allows.
    DurationOverMaximum,
    /// An environment's protection rules block the job.
    EnvironmentRefused,
    /// The token expired.
    Expired,
    /// IAM refused to store the policy.
    IamRefusedPolicy,
    /// STS could not reach the issuer; transient.
    IdpUnreachable,
    /// STS could not read the issuer's signing keys.
    KeysUnreachable,
    /// A nested job requests more than its caller allows.
    NestedPermission,
    /// No credentials of any kind were found.
    NoCredentials,
    /// The account has no provider for this issuer, as AWS names it.
    NoProvider(Option<String>),
    /// `AccessDenied` from `AssumeRoleWithWebIdentity`: most likely the provider accepted the token. The kind of policy, if AWS names it.
    NotAuthorized(Option<PolicyKind>),
    /// Not an ID token, or one that STS cannot read.
    NotAToken,
    /// Any other message; nothing is concluded from it.
    Other,
    /// A service other than STS refused a call, whoever made it.
    PermissionDenied(Refusal),
    /// `role-to-assume` was empty: the action went on with the credentials it found.
    RoleEmpty,
    /// The role's ARN was not understood.
    RoleArnInvalid,
    /// A role's name without its account: the action stopped before calling AWS.
    RoleNameOnly,
    /// The region is missing, misspelled or not enabled: the region, if the message names it.
    RegionUnusable(Option<String>),
    /// Once-valid AWS credentials have expired.
    SessionExpired,
    /// A session name that STS rejects.
    SessionNameInvalid,
    /// A session policy that STS rejects.
    SessionPolicyInvalid,
    /// A tag that STS rejects.
    SessionTagInvalid,
    /// The tags are too large together: the percentage of the space they use, if AWS says it.
    SessionTagsTooLarge(Option<u32>),
    /// STS throttled.
    Throttled,
    /// The issuer's certificate doesn't match the provider's thumbprints.
    Thumbprint,
    /// The job isn't allowed to request an ID token.
    TokenNotGranted,
    /// GitHub's token service did not issue an ID token: the audience that it refused, if it says so.
    TokenRequestFailed(Option<String>),
    /// The STS endpoint could not be reached: its host, if the message names it.
    Unreachable(Option<String>),
    /// The token's audience is not among the provider's client ids.
    WrongAudience,
}

impl Answer {
    /// Reads a message, with its code if known.
    #[must_use]
    pub fn read(code: &str, text: &str) -> Self {
        let text = &Text::new(text);
        let has = |phrases: &[&str]| text.has(phrases);
        // Phrases decide before codes do: some codes have several meanings. Specific phrases come before general ones.
        if has(&["is requesting '"]) && has(&["but is only allowed '"]) && has(&["id-token"]) {
            return Self::NestedPermission;
        }
        if let Some(answer) = token(text) {
            return answer;
        }
        let refused: Vec<Refusal> = Refusal::all(text).collect();
        let sts = refused.iter().find(|refusal| is_sts(&refusal.action));
        if let Some(refusal) = sts.filter(|refusal| !refusal.action.ends_with("WithWebIdentity")) {
            return Self::AssumeRoleDenied(refusal.clone());
        }
        if has(&NOT_AUTHORIZED) {
            return Self::NotAuthorized(PolicyKind::named_after(text, &NOT_AUTHORIZED));
        }
        // An older form, which does not name the caller. (Netflix/security_monkey#732, rusoto/rusoto#1108.)
        if has(&["not authorized to perform sts:AssumeRole"]) {
            return Self::AssumeRoleDenied(Refusal {
                action: "sts:AssumeRole".to_owned(),
                ..Refusal::default()
            });
        }
        if let Some(rest) = text.after("No OpenIDConnect provider found in your account for ") {
            // A host split by a line break is recognized as one of GitHub's only when whole.
            let issuer = rest.word_until(|word| Deployment::of(word) != Deployment::Other);
            // A mask or a placeholder doesn't name an issuer.
            let is_named = issuer.contains('.') && !issuer.contains(['*', '<', '{', '[', '$']);
            return Self::NoProvider(is_named.then_some(issuer));
        }
        if let Some(answer) = request(text) {
            return answer;
        }
        if let Some(refusal) = refused.into_iter().next().or_else(|| operation_refused(text)) {
            return Self::PermissionDenied(refusal);
        }
        if let Some(answer) = surroundings(text) {
            return answer;
        }
        // What CloudTrail records of the call: the code without a reason. (ministryofjustice/modernisation-platform#3909.)
        if has(&["an unknown error occurred", "errorcode"])
            && has(&["accessdenied"])
            && has(&["assumerolewithwebidentity"])
        {
            return Self::NotAuthorized(None);
        }
        match code {
            "AccessDenied" => Self::NotAuthorized(None),
            "ExpiredToken" | "ExpiredTokenException" => Self::Expired,
            "IDPCommunicationError" => Self::IdpUnreachable,
            "InvalidIdentityToken" | "IDPRejectedClaim" => Self::NotAToken,
            "MalformedPolicyDocument" | "PackedPolicyTooLarge" => Self::SessionPolicyInvalid,
            "RegionDisabledException" => Self::RegionUnusable(None),
            "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequestsException" => {
                Self::Throttled
            }
            _ => Self::Other,
        }
    }

    /// What is known of AWS's answer, or of the pasted message.
    #[must_use]
    pub fn of(evidence: &Evidence) -> Option<Self> {
        let text = match evidence.attempt.as_ref().and_then(Probe::known) {
            Some(Attempt::Allowed { .. }) => return Some(Self::Allowed),
            Some(Attempt::Denied { code, message, .. }) => {
                return Some(match Self::read(code, message) {
                    // This is STS's answer: what it calls malformed is the session policy, and its denial is about the token.
                    Self::IamRefusedPolicy => Self::SessionPolicyInvalid,
                    Self::PermissionDenied(_) => Self::Other,
                    Self::SessionExpired => Self::BadCredentials,
                    answer => answer,
                });
            }
            Some(Attempt::Reported { text }) => text,
            None => evidence.reported.as_ref()?,
        };
        // Where a step asks with credentials, or no step is known, those may be what expired: then the role was not assumed.
        let request = &evidence.request;
        let is_signed = request.is_on(Input::RoleChaining) || request.given(Input::AwsAccessKeyId).is_some();
        let is_open = request.get(Input::RoleToAssume).is_none();
        Some(match Self::read("", text) {
            Self::SessionExpired if is_signed || is_open => Self::Other,
            Self::SessionExpired => Self::Allowed,
            Self::PermissionDenied(_) => match AfterLogin::read(text, evidence) {
                Some(AfterLogin {
                    whose: Whose::Stranger, ..
                })
                | None => Self::Other,
                Some(_) => Self::Allowed,
            },
            answer => answer,
        })
    }

    /// The issuer that AWS names, less what no GitHub issuer has (a trailing slash, an enterprise's slug twice).
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        let Self::NoProvider(Some(issuer)) = self else {
            return None;
        };
        Some(match Deployment::of(issuer.trim_end_matches('/')) {
            Deployment::Other | Deployment::Forgejo => issuer,
            Deployment::Enterprise => once(issuer.trim_end_matches('/')),
            _ => issuer.trim_end_matches('/'),
        })
    }

    /// Whether it shows that a token was issued and sent to STS.
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

    /// Whether it shows, most likely, that the account has a provider for the token's issuer. (Inferred from AWS's messages, one of which
    /// is for a missing provider: AWS publishes no order of its checks.)
    #[must_use]
    pub fn provider_exists(&self) -> bool {
        self.passed_provider()
            || matches!(
                self,
                Self::Expired | Self::KeysUnreachable | Self::Thumbprint | Self::WrongAudience
            )
    }

    /// Whether it shows that the provider accepted the token, audience included: most likely, unless AWS allowed the call. (Inferred, as
    /// above.)
    #[must_use]
    pub fn passed_provider(&self) -> bool {
        matches!(self, Self::Allowed | Self::DurationOverMaximum | Self::NotAuthorized(_))
    }

    /// Whether it is about a call with AWS credentials, not with the token.
    #[must_use]
    pub fn is_about_credentials(&self) -> bool {
        matches!(
            self,
            Self::AssumeRoleDenied(_) | Self::BadCredentials | Self::ClockWrong | Self::DurationChained
        )
    }
}

/// `…/slug/slug` without the second slug.
fn once(issuer: &str) -> &str {
    match issuer.rsplit_once('/') {
        Some((head, slug)) if head.rsplit('/').next() == Some(slug) => head,
        _ => issuer,
    }
}

/// A call that was refused after the role was assumed, and whose call it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AfterLogin {
    /// What AWS says.
    pub refusal: Refusal,
    /// Who made the call.
    pub whose: Whose,
}

/// Who made a refused call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// A session of the requested role, or of the only role known.
    Session,
    /// An IAM user, this machine's own role, or a role other than the requested one.
    Stranger,
    /// AWS does not say.
    Unknown,
}

impl AfterLogin {
    /// Reads it from a message, preferring a refusal to the role's own session.
    ///
    /// "User: arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION is not authorized to perform: ACTION" (IAM User Guide,
    /// `troubleshoot_access-denied`).
    #[must_use]
    pub(crate) fn read(text: &str, evidence: &Evidence) -> Option<Self> {
        let Answer::PermissionDenied(first) = Answer::read("", text) else {
            return None;
        };
        let text = &Text::new(text);
        let own = Refusal::all(text).find(|refusal| Whose::of(refusal, evidence) == Whose::Session);
        let refusal = own.unwrap_or(first);
        Some(Self {
            whose: Whose::of(&refusal, evidence),
            refusal,
        })
    }
}

impl Whose {
    fn of(refusal: &Refusal, evidence: &Evidence) -> Self {
        // A placeholder says nothing.
        if !refusal.user.starts_with("arn:") {
            return Self::Unknown;
        }
        let Some((role, session)) = refusal.session() else {
            return Self::Stranger;
        };
        let read = evidence.role.as_ref().and_then(Probe::known);
        let asked = evidence.request.get(Input::RoleToAssume);
        let asked = asked
            .or(read.and_then(|role| role.arn.as_deref()))
            .unwrap_or_default()
            .trim();
        let name = asked.rsplit(['/', ':']).next().unwrap_or_default();
        // Masks and placeholders say nothing.
        let told = |part: &str| !part.is_empty() && !part.contains(['*', '$', '<', '{']);
        let same = |asked: &str, has: &str| !told(asked) || !told(has) || asked == has;
        let account = asked.split(':').nth(4).unwrap_or_default();
        // A session of an instance profile is named after the instance, and needed no token.
        if same(name, role) && same(account, refusal.account().unwrap_or_default()) && !session.starts_with("i-") {
            Self::Session
        } else {
            Self::Stranger
        }
    }
}

const NOT_AUTHORIZED: [&str; 2] = [
    "not authorized to perform sts:AssumeRoleWithWebIdentity",
    "not authorized to perform: sts:AssumeRoleWithWebIdentity",
];

fn is_sts(action: &str) -> bool {
    action
        .get(..4)
        .is_some_and(|service| service.eq_ignore_ascii_case("sts:"))
}

/// What GitHub says before there is a token.
fn token(text: &Text) -> Option<Answer> {
    if text.has(&[
        "due to environment protection rules",
        "is not allowed to deploy to",
        "didn't satisfy other protection rules",
    ]) {
        return Some(Answer::EnvironmentRefused);
    }
    if text.has(&[
        "actions_id_token_request_url",
        "actions_id_token_request_token",
        "did you mean to set the `id-token` permission",
    ]) {
        return Some(Answer::TokenNotGranted);
    }
    // The token service's own words, as reported: aws-actions/configure-aws-credentials#272.
    if let Some(rest) = text.after("issue ID_TOKEN for audience") {
        let named = rest.as_str().trim_start_matches(':').trim_start();
        let audience = match named.chars().next() {
            Some(quote @ ('\'' | '"')) => named.split(quote).nth(1).unwrap_or_default().replace('\n', ""),
            _ => rest.word().to_owned(),
        };
        return Some(Answer::TokenRequestFailed((!audience.is_empty()).then_some(audience)));
    }
    text.has(&[
        "getidtoken call failed",
        "failed to get id token",
        "do not have id token field",
    ])
    .then_some(Answer::TokenRequestFailed(None))
}

/// What STS says about the token and the request, IAM about a policy, and the action before it calls AWS.
fn request(text: &Text) -> Option<Answer> {
    use Answer as A;
    let phrases: [(&[&str], A); 23] = [
        (&["no openidconnect provider found"], A::NoProvider(None)),
        (&["incorrect token audience"], A::WrongAudience),
        (&["doesn't match configured thumbprint"], A::Thumbprint),
        (&["couldn't retrieve verification key"], A::KeysUnreachable),
        (
            &[
                "token expired: ",
                "token too old: ",
                "web identity token that was passed is expired",
            ],
            A::Expired,
        ),
        (
            &[
                "not a valid jwt",
                "missing a required claim",
                "could not be validated by aws",
            ],
            A::NotAToken,
        ),
        (&["source account id is needed"], A::RoleNameOnly),
        (&["request arn is invalid", "at 'rolearn' failed"], A::RoleArnInvalid),
        (
            &[
                "'rolesessionname' failed",
                "role session name must",
                "role session name is not valid",
            ],
            A::SessionNameInvalid,
        ),
        (&["exceeds the maxsessionduration"], A::DurationOverMaximum),
        (&["exceeds the 1 hour session limit"], A::DurationChained),
        (&["'durationseconds' failed"], A::DurationInvalid(seconds(text))),
        (
            &["packed size of session tags"],
            A::SessionTagsTooLarge(
                text.after("session tags consumes")
                    .and_then(|rest| rest.word().trim_end_matches('%').parse().ok()),
            ),
        ),
        (
            &[
                "packedpolicytoolarge",
                "packed size",
                "packed policy consumes",
                "at 'policy' failed",
                "at 'policyarns",
            ],
            A::SessionPolicyInvalid,
        ),
        (
            &[
                "at 'tags.",
                "custom-tags:",
                "'tags' failed",
                "unable to validate tags",
                "session tag",
                "transitive tag key",
            ],
            A::SessionTagInvalid,
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
            A::IamRefusedPolicy,
        ),
        (
            &["does not match any of the expected account ids"],
            A::AccountNotAllowed,
        ),
        (&["proceeding with iam user credentials"], A::RoleEmpty),
        // The credentials used to assume a role; otherwise a session already in use.
        (
            &[
                "security token included in the request is expired",
                "the provided token has expired",
            ],
            if text.has(&[
                "credentials could not be loaded",
                "could not assume role with",
                "calling the assumerole operation",
            ]) {
                A::BadCredentials
            } else {
                A::SessionExpired
            },
        ),
        (
            // IAM User Guide, `signature-v4-troubleshooting`, "Troubleshooting credential scope" and expired signatures.
            &[
                "signature expired: ",
                "signature not yet current: ",
                "difference between the request time and the current time is too large",
            ],
            A::ClockWrong,
        ),
        (
            &[
                "security token included in the request",
                "credentials loaded by the sdk do not match",
                "'aws-secret-access-key' must be provided",
                "if 'force-skip-oidc' is true",
            ],
            A::BadCredentials,
        ),
        (
            &["region is not valid"],
            A::RegionUnusable(text.after("region is not valid: ").map(|rest| rest.word().to_owned())),
        ),
        (
            &[
                "not supplied: aws-region",
                "regiondisabled",
                "sts is not activated in this region",
            ],
            A::RegionUnusable(None),
        ),
    ];
    phrases
        .into_iter()
        .find(|(needles, _)| text.has(needles))
        .map(|(_, answer)| answer)
}

/// Weaker evidence: the network, a missing input. Counts only if the message has nothing that AWS says.
fn surroundings(text: &Text) -> Option<Answer> {
    use Answer as A;
    let asks_sts = || text.has(&["assumerole", "assume role"]);
    if text.has(&["rate exceeded", "throttl", "toomanyrequests"]) {
        return Some(A::Throttled);
    }
    if text.has(&[
        "idpcommunicationerror",
        "idp communication",
        "problem communicating with the identity provider",
    ]) {
        return Some(A::IdpUnreachable);
    }
    if text.has(&NETWORK) || text.has(&OTHER_NETWORK) && (asks_sts() || sts_host(text).is_some()) {
        let named = sts_host(text);
        let other = HOST_AFTER
            .iter()
            .filter_map(|phrase| text.after(phrase))
            .find_map(|rest| host_in(rest.word()));
        return match (named, other) {
            (Some(host), _) => Some(A::Unreachable(Some(host))),
            (None, Some(host)) if host.ends_with(".githubusercontent.com") => Some(A::TokenRequestFailed(None)),
            // A host other than AWS's STS: something else could not be reached.
            (None, Some(_)) if !asks_sts() => None,
            (None, _) => Some(A::Unreachable(None)),
        };
    }
    if text.has(&[
        "could not load credentials from any providers",
        "credentials could not be loaded",
    ]) {
        return Some(A::NoCredentials);
    }
    if text.has(&["malformedpolicydocument"]) {
        return Some(A::IamRefusedPolicy);
    }
    // `arn:aws:iam::1234:role/x is invalid`
    let flow = text.whole().as_str().split_whitespace().collect::<Vec<_>>();
    let is_invalid = flow.windows(3).any(|words| match words {
        [arn, "is", invalid] => arn.starts_with("arn:") && invalid.starts_with("invalid"),
        _ => false,
    });
    is_invalid.then_some(A::RoleArnInvalid)
}

/// Error texts of Node.js, in which configure-aws-credentials is written.
const NETWORK: [&str; 13] = [
    "enotfound",
    "econnrefused",
    "etimedout",
    "econnreset",
    "eai_again",
    "ehostunreach",
    "enetunreach",
    "socket hang up",
    "action timed out after",
    "self-signed certificate",
    "self signed certificate",
    "unable to get local issuer certificate",
    "connect timeout",
];

/// Error texts of other and older SDKs; some of them apply to any host.
const OTHER_NETWORK: [&str; 22] = [
    // The proxy's own refusal, in configure-aws-credentials.
    "tunneling socket could not be established",
    // JavaScript, version 2
    "inaccessible host",
    // Python, aws-cli
    "could not connect to the endpoint url",
    "read timeout on endpoint url",
    "failed to connect to proxy url",
    "ssl validation failed",
    "certificate verify failed",
    "name or service not known",
    "nodename nor servname",
    "temporary failure in name resolution",
    // Go, Terraform
    "no such host",
    "i/o timeout",
    "dial tcp",
    "connection reset by peer",
    "connection refused",
    "tls handshake timeout",
    "certificate signed by unknown authority",
    // Java, Kotlin, .NET, Ruby
    "unable to execute http request",
    "unexpected response code for connect",
    "unknownhostexception",
    "unknown host",
    "nosuchendpointerror",
];

/// What precedes the host that could not be reached.
const HOST_AFTER: [&str; 7] = [
    "enotfound ",
    "eai_again ",
    "inaccessible host: ",
    "endpoint url: ",
    "dial tcp: lookup ",
    "unknown host. ",
    "Post ",
];

/// The host of an STS endpoint in a message, even if split by a line break: `sts.REGION.amazonaws.com`.
fn sts_host(text: &Text) -> Option<String> {
    ["sts.", "sts-fips."].iter().find_map(|begin| {
        text.all_after(begin).find_map(|rest| {
            let before = rest.before();
            let begins_word = !before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
            // `sts.amazonaws.com` is also the token's audience.
            let label = before.trim_end_matches([' ', '"', '\'', ':', '=']);
            let is_audience = label.ends_with("audience") || label.ends_with("aud");
            let tail = rest.near(120).squeezed();
            let end = [".amazonaws.com", ".amazonaws.eu", ".api.aws"]
                .iter()
                .filter_map(|end| Some(tail.find(end)? + end.len()))
                .chain(tail.starts_with("amazonaws.com").then_some("amazonaws.com".len()))
                .min()?;
            let name = tail.get(..end).filter(|name| name.len() < 100 && is_host(name))?;
            let china = tail.get(end..).is_some_and(|rest| rest.starts_with(".cn"));
            (begins_word && !is_audience).then(|| format!("{begin}{name}{}", if china { ".cn" } else { "" }))
        })
    })
}

/// The host in a word: in a URL, quoted, with its port.
fn host_in(word: &str) -> Option<String> {
    let word = word.trim_start_matches(['"', '\'', '`']);
    let word = word.split_once("://").map_or(word, |(_, rest)| rest);
    let host = word.split(|c: char| !is_host(c.encode_utf8(&mut [0; 4]))).next()?;
    // An IP address doesn't show whose it is.
    let named = host.contains('.') && host.chars().any(char::is_alphabetic);
    named.then(|| host.trim_end_matches('.').to_ascii_lowercase())
}

fn is_host(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
}

/// `Value '50000' at 'durationSeconds' failed`.
fn seconds(text: &Text) -> Option<i64> {
    let rest = text.after("at 'durationSeconds' failed")?.since("Value '")?;
    rest.joined().trim_matches('\'').parse().ok()
}

/// A refusal that names no user: `when calling the PutObject operation: Access Denied`, `operation error S3: PutObject, …`.
fn operation_refused(text: &Text) -> Option<Refusal> {
    let is_refused = text.has(&["accessdenied", "access denied", "unauthorizedoperation"]);
    let named = text.after("when calling the ").or_else(|| {
        text.after("operation error ")
            .and_then(|rest| rest.until(&[":"])?.beyond().strip(":"))
    });
    let operation = named.map(|rest| rest.word().to_owned()).unwrap_or_default();
    // `UnauthorizedOperation` is EC2's word for a refused call. (EC2 API Reference, error codes.)
    let known = !operation.is_empty() || text.has(&["unauthorizedoperation"]);
    (is_refused && known && !operation.starts_with("Assume") && !operation.starts_with("GetCaller")).then(|| Refusal {
        action: operation,
        ..Refusal::default()
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
                Answer::NotAuthorized(None),
            ),
            (
                "An error occurred (AccessDenied) when calling the AssumeRoleWithWebIdentity operation: Not authorized to perform sts:AssumeRoleWithWebIdentity",
                Answer::NotAuthorized(None),
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
                Answer::TokenRequestFailed(None),
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
                Answer::DurationInvalid(Some(50_000)),
            ),
            (
                "Could not assume role with OIDC: 1 validation error detected: Value 'dependabot[bot]' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*",
                Answer::SessionNameInvalid,
            ),
            (
                "Source Account ID is needed if the Role Name is provided and not the Role Arn.",
                Answer::RoleNameOnly,
            ),
            (
                "Invalid Condition type : ForAllValuesStringEquals",
                Answer::IamRefusedPolicy,
            ),
            (
                "getaddrinfo ENOTFOUND sts.eu-wset-1.amazonaws.com",
                Answer::Unreachable(Some("sts.eu-wset-1.amazonaws.com".into())),
            ),
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
            Answer::AssumeRoleDenied(Refusal {
                action: "sts:TagSession".into(),
                user: "arn:aws:sts::111111111111:assumed-role/hub/x".into(),
                resource: "arn:aws:iam::***:role/spoke".into(),
                because: Some("no role trust policy allows the sts:TagSession action".into()),
                policy: Some(PolicyKind::RoleTrust),
            })
        );
    }
}
