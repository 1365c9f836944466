//! The inputs: their names, the variables that replace them, and what empty ones default to.

use super::{Input, Kind};

/// A description of an input.
#[derive(Debug)]
pub struct Spec {
    /// The input.
    pub input: Input,
    /// Its name in a `with:` block.
    pub name: &'static str,
    /// The variable used if the input is empty, if any.
    pub variable: Option<&'static str>,
    /// The value of an empty one.
    pub default: &'static str,
    /// How it is read.
    pub kind: Kind,
    /// The placeholder for its value in help text.
    pub value: &'static str,
    /// What it does; empty if it makes no difference to a diagnosis.
    pub help: &'static str,
}

const fn spec(
    input: Input,
    name: &'static str,
    variable: Option<&'static str>,
    kind: Kind,
    value: &'static str,
    help: &'static str,
) -> Spec {
    Spec {
        input,
        name,
        variable,
        default: "",
        kind,
        value,
        help,
    }
}

/// All inputs, in the order of [`Input`].
pub const INPUTS: [Spec; 32] = {
    use Input as I;
    use Kind::{Boolean, Lines, Number, Presence, Secret, Text};
    [
        spec(
            I::RoleToAssume,
            "role-to-assume",
            Some("ROLE_TO_ASSUME"),
            Text,
            "ARN",
            "ARN of the role to assume",
        ),
        spec(
            I::AwsRegion,
            "aws-region",
            Some("AWS_REGION"),
            Text,
            "REGION",
            "Region of the STS endpoint to call",
        ),
        Spec {
            default: "sts.amazonaws.com",
            ..spec(
                I::Audience,
                "audience",
                None,
                Text,
                "TEXT",
                "Audience of the token [default: sts.amazonaws.com]",
            )
        },
        Spec {
            default: "GitHubActions",
            ..spec(
                I::RoleSessionName,
                "role-session-name",
                Some("ROLE_SESSION_NAME"),
                Text,
                "NAME",
                "Name of the session [default: GitHubActions]",
            )
        },
        Spec {
            default: "3600",
            ..spec(
                I::RoleDurationSeconds,
                "role-duration-seconds",
                Some("ROLE_DURATION_SECONDS"),
                Number,
                "SECONDS",
                "Length of the session [default: 3600]",
            )
        },
        spec(
            I::RoleChaining,
            "role-chaining",
            Some("ROLE_CHAINING"),
            Boolean,
            "BOOL",
            "Assume the role with the credentials in the environment",
        ),
        spec(
            I::RoleExternalId,
            "role-external-id",
            Some("ROLE_EXTERNAL_ID"),
            Text,
            "ID",
            "External ID of a chained role",
        ),
        spec(
            I::RoleSkipSessionTagging,
            "role-skip-session-tagging",
            Some("ROLE_SKIP_SESSION_TAGGING"),
            Boolean,
            "BOOL",
            "Send no session tags to a chained role",
        ),
        spec(
            I::InlineSessionPolicy,
            "inline-session-policy",
            Some("INLINE_SESSION_POLICY"),
            Text,
            "JSON",
            "Session policy",
        ),
        spec(
            I::ManagedSessionPolicies,
            "managed-session-policies",
            Some("MANAGED_SESSION_POLICIES"),
            Lines,
            "ARNS",
            "ARNs of managed session policies, one per line",
        ),
        spec(
            I::AllowedAccountIds,
            "allowed-account-ids",
            None,
            Text,
            "IDS",
            "Account numbers allowed for the role, comma-separated",
        ),
        spec(
            I::AwsAccessKeyId,
            "aws-access-key-id",
            None,
            Secret,
            "KEY",
            "If set, configure-aws-credentials does not use OIDC; never shown",
        ),
        spec(
            I::WebIdentityTokenFile,
            "web-identity-token-file",
            Some("WEB_IDENTITY_TOKEN_FILE"),
            Text,
            "FILE",
            "If set, configure-aws-credentials reads the token from this file",
        ),
        spec(
            I::ForceSkipOidc,
            "force-skip-oidc",
            None,
            Boolean,
            "BOOL",
            "Prevents configure-aws-credentials from using OIDC",
        ),
        spec(
            I::UseExistingCredentials,
            "use-existing-credentials",
            Some("USE_EXISTING_CREDENTIALS"),
            Presence,
            "TEXT",
            "Makes configure-aws-credentials stop if the environment has valid credentials",
        ),
        spec(
            I::AwsProfile,
            "aws-profile",
            None,
            Text,
            "NAME",
            "Profile that configure-aws-credentials writes to",
        ),
        spec(
            I::CustomTags,
            "custom-tags",
            None,
            Text,
            "JSON",
            "Additional session tags for a chained role",
        ),
        spec(
            I::TransitiveTagKeys,
            "transitive-tag-keys",
            Some("TRANSITIVE_TAG_KEYS"),
            Lines,
            "KEYS",
            "Session tags that a chained session passes on, one per line",
        ),
        spec(
            I::StsEndpoint,
            "sts-endpoint",
            None,
            Text,
            "URL",
            "STS endpoint to use instead of the region's",
        ),
        spec(
            I::HttpProxy,
            "http-proxy",
            None,
            Text,
            "URL",
            "Proxy for the calls to STS",
        ),
        spec(
            I::NoProxy,
            "no-proxy",
            None,
            Text,
            "HOSTS",
            "Hosts to reach without that proxy",
        ),
        spec(
            I::AwsSecretAccessKey,
            "aws-secret-access-key",
            None,
            Secret,
            "KEY",
            "Secret of that access key; shown nowhere",
        ),
        spec(
            I::AwsSessionToken,
            "aws-session-token",
            None,
            Secret,
            "TOKEN",
            "Session token of that access key; shown nowhere",
        ),
        spec(
            I::UnsetCurrentCredentials,
            "unset-current-credentials",
            Some("UNSET_CURRENT_CREDENTIALS"),
            Boolean,
            "BOOL",
            "Whether the step takes the credentials out of the environment first",
        ),
        spec(
            I::OutputCredentials,
            "output-credentials",
            Some("OUTPUT_CREDENTIALS"),
            Boolean,
            "BOOL",
            "",
        ),
        spec(
            I::OutputEnvCredentials,
            "output-env-credentials",
            None,
            Boolean,
            "BOOL",
            "Whether the step exports its credentials to the steps after it",
        ),
        spec(
            I::OverwriteAwsProfile,
            "overwrite-aws-profile",
            Some("OVERWRITE_AWS_PROFILE"),
            Boolean,
            "BOOL",
            "",
        ),
        spec(
            I::MaskAwsAccountId,
            "mask-aws-account-id",
            Some("MASK_AWS_ACCOUNT_ID"),
            Boolean,
            "BOOL",
            "",
        ),
        spec(
            I::DisableRetry,
            "disable-retry",
            Some("DISABLE_RETRY"),
            Boolean,
            "BOOL",
            "",
        ),
        spec(
            I::RetryMaxAttempts,
            "retry-max-attempts",
            Some("RETRY_MAX_ATTEMPTS"),
            Number,
            "N",
            "",
        ),
        spec(
            I::SpecialCharactersWorkaround,
            "special-characters-workaround",
            Some("SPECIAL_CHARACTERS_WORKAROUND"),
            Boolean,
            "BOOL",
            "",
        ),
        spec(I::ActionTimeoutS, "action-timeout-s", None, Number, "SECONDS", ""),
    ]
};
