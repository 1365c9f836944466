//! AWS's side: the real AssumeRoleWithWebIdentity call, whose credentials are discarded, and what IAM says about the role and
//! the account's OIDC providers.

use std::fmt::Display;
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::Path;
use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_iam::operation::get_policy::GetPolicyOutput;
use aws_sdk_iam::operation::get_policy_version::GetPolicyVersionOutput;
use aws_sdk_sts::config::{Credentials, ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityOutput;
use aws_sdk_sts::types::{self, PolicyDescriptorType};
use futures_util::future::{join, join4, try_join, try_join_all};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use super::Env;
use super::files::sound_aws_files;
use super::http::{Http, Line, Seen, clean};
use super::origin::Destination;
use crate::args::Given;
use crate::aws::arn::{RoleArn, partition_of_region, provider_arn};
use crate::configure::{Input, Tag};
use crate::evidence::{
    AttachedPolicy, Attempt, CredentialSource, Gap, Identity, PolicyText, Probe, Provider, Request, Role, Why,
};
use crate::policy::parse::lay_out;

/// An identity that policies are attached to.
#[derive(Debug, Clone)]
struct Holder {
    kind: HolderKind,
    name: String,
    arn: String,
}

/// The kinds of holders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HolderKind {
    Group,
    Role,
    User,
}

impl HolderKind {
    /// The calls that read it, list its inline policies, list its managed policies, and read one inline policy.
    const fn calls(self) -> [&'static str; 4] {
        match self {
            Self::Group => [
                "iam:GetGroup",
                "iam:ListGroupPolicies",
                "iam:ListAttachedGroupPolicies",
                "iam:GetGroupPolicy",
            ],
            Self::Role => [
                "iam:GetRole",
                "iam:ListRolePolicies",
                "iam:ListAttachedRolePolicies",
                "iam:GetRolePolicy",
            ],
            Self::User => [
                "iam:GetUser",
                "iam:ListUserPolicies",
                "iam:ListAttachedUserPolicies",
                "iam:GetUserPolicy",
            ],
        }
    }
}

impl Holder {
    /// The role whose session is the caller, or the user; `None` for an account.
    fn of(identity: &Identity) -> Option<Self> {
        if let Some(name) = identity.user() {
            return Some(Self {
                kind: HolderKind::User,
                name: name.to_owned(),
                arn: identity.arn.clone(),
            });
        }
        let (head, session) = identity.arn.split_once(":assumed-role/")?;
        let name = session.split('/').next()?.to_owned();
        let partition = head.split(':').nth(1)?;
        Some(Self {
            kind: HolderKind::Role,
            arn: format!("arn:{partition}:iam::{}:role/{name}", identity.account),
            name,
        })
    }
}

/// The policies that IAM lists for one holder.
struct Lists {
    holder: Holder,
    inline: Vec<String>,
    managed: Vec<String>,
    /// Whether there are more.
    is_cut: bool,
}

/// Time limit for the default chain, which looks at files and calls metadata services even if there are none.
const DEFAULT_CHAIN: Duration = Duration::from_secs(1);
/// The most caller policies that are read: a role has ten managed ones by default, and its inline ones are small.
const MOST_POLICIES: usize = 20;
/// The longest AWS message that is kept.
const MESSAGE: usize = 2000;

/// AWS, as one request sees it.
pub(crate) struct Aws {
    config: SdkConfig,
    region: String,
    /// The given region isn't valid, so STS has no address. IAM doesn't need one.
    no_region: Option<Gap>,
    http: Http,
    sts_http: Http,
    sts: Destination,
    iam: Destination,
}

/// The answer to an attempt, and the endpoint's clock.
pub(crate) struct Answered {
    /// The answer itself.
    pub attempt: Probe<Attempt>,
    /// The `Date` header.
    pub date: Option<i64>,
    /// The session, for the hop after this one.
    pub session: Option<Credentials>,
}

impl Answered {
    /// An attempt without an answer.
    #[must_use]
    pub(crate) fn none(gap: Gap) -> Self {
        Self {
            attempt: Probe::Missing(gap),
            date: None,
            session: None,
        }
    }
}

/// An answer from STS, and what came back.
type Called<T, E> = (Result<T, SdkError<E>>, Seen);

/// configure-aws-credentials makes up to 36 calls if AWS throttles.
const MOST_CALLS: u32 = 20;
/// The longest wait before the second call; each further one is up to twice as long, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// What IAM said.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The caller that read it.
    pub reader: Option<Probe<Identity>>,
    /// The role.
    pub role: Option<Probe<Role>>,
    /// The provider of the token's issuer.
    pub provider: Option<Probe<Provider>>,
    /// The ARNs of all providers.
    pub providers: Option<Probe<Vec<String>>>,
}

/// Where the machine's credentials are looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Where<'a> {
    /// In the whole default chain.
    Anywhere,
    /// In the default chain without the variables `AWS_ACCESS_KEY_ID` and so on.
    ButVariables,
    /// In this profile.
    Profile(&'a str),
}

/// What to read from IAM.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The role, whose account is known.
    pub arn: &'a RoleArn,
    /// The account.
    pub account: &'a str,
    /// Whether to read the role.
    pub role: bool,
    /// The issuer whose provider to read.
    pub issuer: Option<&'a str>,
}

impl Aws {
    /// Sets up the SDK for the request's region. Reads no files: endpoints, proxies and the rest come from the
    /// inputs and the environment.
    ///
    /// # Errors
    /// A [`Gap`] if the region or an address isn't valid.
    pub(crate) fn new(env: &Env, http: &Http, inputs: &Given, request: &Request, partition: &str) -> Result<Self, Gap> {
        let wanted = request.get(Input::AwsRegion).unwrap_or_default();
        // A checkout's region is trusted only within the role's own partition: a token isn't sent to another partition's STS for it.
        let is_checkouts = request.source.is_some() && inputs.given(Input::AwsRegion).is_none();
        let (region, no_region) = match region(wanted, partition) {
            Ok(region) if is_checkouts && partition_of_region(&region) != partition => {
                let what =
                    format!("the region `{region}` of the step in the checkout is not one of the role's partition");
                (self::region("", partition)?, Some(Gap::new(Why::Malformed, what)))
            }
            Ok(region) => (region, None),
            Err(gap) => (self::region("", partition)?, Some(gap)),
        };
        let sts_http = match inputs.given(Input::HttpProxy) {
            Some(address) => http.through(env, address, inputs.given(Input::NoProxy))?,
            None => http.clone(),
        };
        let on = |variable| {
            env.get(variable)
                .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
        };
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.clone()))
            .use_fips(on("AWS_USE_FIPS_ENDPOINT"))
            .use_dual_stack(on("AWS_USE_DUALSTACK_ENDPOINT"))
            // `Http` limits the time per request; the calling code limits the whole run.
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(2)
                    .with_initial_backoff(Duration::from_millis(300)),
            );
        // Shown in CloudTrail's user agent.
        config.set_app_name(AppName::new("aws-oidc-doctor").ok());
        Ok(Self {
            config: config.build(),
            region,
            no_region,
            http: http.clone(),
            sts_http,
            sts: Destination::sts(inputs, env),
            iam: Destination::iam(env),
        })
    }

    /// Calls STS for the role with a token, as configure-aws-credentials would. Transient failures are retried.
    pub(crate) async fn attempt(
        &self,
        request: &Request,
        role: &str,
        token: &SecretString,
        until: Instant,
    ) -> Answered {
        if let Some(gap) = &self.no_region {
            return Answered::none(gap.clone());
        }
        let (answer, seen) = persist((until, request.attempts()), || self.assume(request, role, token)).await;
        let answer = answer.map(|output| (output.assumed_role_user, output.credentials));
        self.answered("sts:AssumeRoleWithWebIdentity", answer, &seen)
    }

    /// Calls STS for the role with AWS credentials, as configure-aws-credentials would.
    pub(crate) async fn attempt_as(
        &self,
        request: &Request,
        role: &str,
        credentials: &Credentials,
        tags: &[Tag],
        until: Instant,
    ) -> Answered {
        if let Some(gap) = &self.no_region {
            return Answered::none(gap.clone());
        }
        let keys = request.transitive_keys(tags);
        // Dropped tags stay among the transitive keys, which the action doesn't update. (`src/assumeRole.ts`)
        let fewer: Vec<Tag> = tags.iter().filter(|tag| !tag.droppable).cloned().collect();
        let made = persist((until, request.attempts()), async || {
            let made = self.assume_as(request, role, credentials, tags, &keys).await;
            match made.0.as_ref().is_err_and(is_too_large) {
                true => self.assume_as(request, role, credentials, &fewer, &keys).await,
                false => made,
            }
        })
        .await;
        let (answer, seen) = made;
        let answer = answer.map(|output| (output.assumed_role_user, output.credentials));
        self.answered("sts:AssumeRole", answer, &seen)
    }

    /// Returns whose credentials these are, as configure-aws-credentials checks before using them.
    ///
    /// # Errors
    /// AWS's refusal, or why there was no answer.
    pub(crate) async fn caller(
        &self,
        credentials: &Credentials,
        source: &CredentialSource,
        (until, attempts): (Instant, u32),
    ) -> Result<Identity, Probe<Attempt>> {
        let call = "sts:GetCallerIdentity";
        if let Some(gap) = self.no_region.clone().or_else(|| unsound(credentials, source)) {
            return Err(Probe::Missing(gap));
        }
        let (answer, seen) = persist((until, attempts), || async {
            let line = Line::new(&self.sts_http, &self.sts);
            let answer = self
                .sts_once(&line, Some(credentials))
                .get_caller_identity()
                .send()
                .await;
            (answer, line.seen())
        })
        .await;
        match answer.map(|identity| (identity.account, identity.arn)) {
            Ok((Some(account), Some(arn))) => Ok(Identity {
                account,
                arn: clean(&arn, MESSAGE),
                source: source.clone(),
                ..Identity::default()
            }),
            Ok(_) => Err(Probe::Missing(nothing(call, &seen))),
            Err(error) => Err(self.refused(call, &error, &seen)),
        }
    }

    fn answered<E: ProvideErrorMetadata>(
        &self,
        call: &str,
        answer: Result<(Option<types::AssumedRoleUser>, Option<types::Credentials>), SdkError<E>>,
        seen: &Seen,
    ) -> Answered {
        let (attempt, session) = match answer {
            Ok((user, credentials)) => {
                let assumed_role_arn = user.map(|user| user.arn).unwrap_or_default();
                (
                    Probe::Known(Attempt::Allowed { assumed_role_arn }),
                    credentials.map(keys),
                )
            }
            Err(error) => (self.refused(call, &error, seen), None),
        };
        Answered {
            attempt,
            date: seen.date,
            session,
        }
    }

    /// Assumes a read-only role with the token, to get its credentials.
    ///
    /// # Errors
    /// A [`Gap`] that says why it can't be assumed.
    pub(crate) async fn credentials(
        &self,
        role: &str,
        token: &SecretString,
        until: Instant,
    ) -> Result<Credentials, Gap> {
        let mut request = Request::default();
        request.inputs.set(Input::RoleDurationSeconds, "900");
        let call = "sts:AssumeRoleWithWebIdentity";
        let (answer, seen) = persist((until, request.attempts()), || self.assume(&request, role, token)).await;
        let gap = match answer.map(|output| output.credentials) {
            Ok(Some(given)) => return Ok(keys(given)),
            Ok(None) => nothing(call, &seen),
            Err(error) => self.gap(call, &error, &seen),
        };
        Err(Gap::new(
            gap.why,
            format!("`diagnosis-role` cannot be assumed: {}", gap.detail),
        ))
    }

    async fn assume(
        &self,
        request: &Request,
        role: &str,
        token: &SecretString,
    ) -> Called<
        AssumeRoleWithWebIdentityOutput,
        aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError,
    > {
        let line = Line::for_secret(&self.sts_http, &self.sts);
        let answer = self
            .sts_once(&line, None)
            .assume_role_with_web_identity()
            .role_arn(role)
            .role_session_name(session_name(request))
            .duration_seconds(duration(request))
            .web_identity_token(token.expose_secret())
            .set_policy(request.given(Input::InlineSessionPolicy).map(str::to_owned))
            .set_policy_arns(policies(request))
            .send()
            .await;
        self.hide(answer.as_ref().ok().and_then(|output| output.credentials()));
        (answer, line.seen())
    }

    async fn assume_as(
        &self,
        request: &Request,
        role: &str,
        credentials: &Credentials,
        tags: &[Tag],
        transitive: &[String],
    ) -> Called<
        aws_sdk_sts::operation::assume_role::AssumeRoleOutput,
        aws_sdk_sts::operation::assume_role::AssumeRoleError,
    > {
        let line = Line::for_secret(&self.sts_http, &self.sts);
        let tags = tags
            .iter()
            .filter_map(|tag| types::Tag::builder().key(&tag.key).value(&tag.value).build().ok());
        let tags: Vec<_> = tags.collect();
        let answer = self
            .sts_once(&line, Some(credentials))
            .assume_role()
            .role_arn(role)
            .role_session_name(session_name(request))
            .duration_seconds(duration(request))
            .set_tags((!tags.is_empty()).then_some(tags))
            .set_transitive_tag_keys((!transitive.is_empty()).then(|| transitive.to_vec()))
            .set_external_id(request.given(Input::RoleExternalId).map(str::to_owned))
            .set_policy(request.given(Input::InlineSessionPolicy).map(str::to_owned))
            .set_policy_arns(policies(request))
            .send()
            .await;
        self.hide(answer.as_ref().ok().and_then(|output| output.credentials()));
        (answer, line.seen())
    }

    /// Treats the keys issued by STS as secrets from here on.
    fn hide(&self, given: Option<&types::Credentials>) {
        let secrets = self.http.secrets();
        if let Some(given) = given {
            secrets.add(given.access_key_id());
            secrets.add(given.secret_access_key());
            secrets.add(given.session_token());
        }
    }

    /// A refusal is AWS's answer; anything else isn't an answer.
    fn refused<E: ProvideErrorMetadata>(&self, call: &str, error: &SdkError<E>, seen: &Seen) -> Probe<Attempt> {
        match (
            answered(error),
            error.raw_response().map_or(0, |answer| answer.status().as_u16()),
        ) {
            (Some((code, message)), status) if status < 500 && !is_throttle(code, status) => {
                let id = error.as_service_error().and_then(|error| error.meta().request_id());
                Probe::Known(Attempt::Denied {
                    code: clean(code, MESSAGE),
                    message: cut(message),
                    request_id: id.map(|id| clean(id, MESSAGE)),
                })
            }
            _ => Probe::Missing(self.gap(call, error, seen)),
        }
    }

    /// Reads from IAM with these credentials, making all calls side by side.
    pub(crate) async fn read(
        &self,
        credentials: Credentials,
        source: &CredentialSource,
        wanted: Wanted<'_>,
    ) -> Reading {
        if let Some(gap) = unsound(&credentials, source) {
            return Reading::none(wanted, &gap);
        }
        let partition = &*wanted.arn.partition;
        let (reader, role, provider, providers) = join4(
            self.identity(&credentials, source),
            async {
                if wanted.role {
                    Some(self.role(&credentials, wanted.arn, wanted.account).await)
                } else {
                    None
                }
            },
            async {
                match wanted.issuer {
                    Some(issuer) => Some(self.provider(&credentials, partition, wanted.account, issuer).await),
                    None => None,
                }
            },
            async {
                match wanted.issuer {
                    Some(_) => Some(self.providers(&credentials).await),
                    None => None,
                }
            },
        )
        .await;
        let mut reading = Reading {
            reader: Some(reader),
            role,
            provider,
            providers,
        };
        match &reading.reader {
            Some(Probe::Known(identity)) if identity.account != wanted.account => {
                let gap = Gap::new(
                    Why::WrongAccount,
                    format!(
                        "the credentials ({source}) are those of `{}`, and the role is in account {}",
                        identity.arn, wanted.account
                    ),
                );
                reading.miss(&gap);
            }
            Some(Probe::Missing(gap)) => {
                let gap = gap.clone();
                reading.doubt(&gap);
            }
            _ => {}
        }
        reading
    }

    async fn identity(&self, credentials: &Credentials, source: &CredentialSource) -> Probe<Identity> {
        let line = Line::new(&self.sts_http, &self.sts);
        match self.sts(&line, Some(credentials)).get_caller_identity().send().await {
            Ok(identity) => match (identity.account, identity.arn) {
                (Some(account), Some(arn)) => Probe::Known(Identity {
                    account,
                    arn: clean(&arn, MESSAGE),
                    source: source.clone(),
                    ..Identity::default()
                }),
                _ => Probe::Missing(nothing("sts:GetCallerIdentity", &line.seen())),
            },
            Err(error) => Probe::Missing(self.gap("sts:GetCallerIdentity", &error, &line.seen())),
        }
    }

    async fn role(&self, credentials: &Credentials, arn: &RoleArn, account: &str) -> Probe<Role> {
        let line = Line::new(&self.http, &self.iam);
        let call = "iam:GetRole";
        match self
            .iam(&line, credentials)
            .get_role()
            .role_name(&arn.name)
            .send()
            .await
        {
            Ok(output) => match output.role {
                Some(role)
                    if RoleArn::parse(&role.arn).is_ok_and(|found| found.account.as_deref() != Some(account)) =>
                {
                    Probe::Missing(Gap::new(
                        Why::WrongAccount,
                        format!(
                            "{call}: the credentials read `{}`, and the role is in account {account}",
                            role.arn
                        ),
                    ))
                }
                Some(role) => Probe::Known(Role {
                    arn: Some(role.arn),
                    trust_policy: role
                        .assume_role_policy_document
                        .map(|text| PolicyText::Text(lay_out(&text))),
                    trust_policy_file: None,
                    max_session_duration: role.max_session_duration.and_then(|seconds| seconds.try_into().ok()),
                    created: Some(role.create_date.secs()),
                    tags: role
                        .tags
                        .map(|tags| tags.into_iter().map(|tag| (tag.key, tag.value)).collect()),
                }),
                None => Probe::Missing(nothing(call, &line.seen())),
            },
            Err(error) => {
                let resource = format!("arn:{}:iam::{account}:role{}{}", arn.partition, arn.path, arn.name);
                Probe::Missing(self.denied(call, &resource, &error, &line.seen()))
            }
        }
    }

    /// Reads an issuer's provider.
    pub(crate) async fn provider(
        &self,
        credentials: &Credentials,
        partition: &str,
        account: &str,
        issuer: &str,
    ) -> Probe<Provider> {
        let line = Line::new(&self.http, &self.iam);
        let arn = provider_arn(partition, account, issuer);
        let call = self.iam(&line, credentials).get_open_id_connect_provider();
        match call.open_id_connect_provider_arn(&arn).send().await {
            Ok(provider) => Probe::Known(Provider {
                url: provider.url,
                client_ids: Some(provider.client_id_list.unwrap_or_default()),
                thumbprints: Some(provider.thumbprint_list.unwrap_or_default()),
                arn: Some(arn),
            }),
            Err(error) => Probe::Missing(self.denied("iam:GetOpenIDConnectProvider", &arn, &error, &line.seen())),
        }
    }

    async fn providers(&self, credentials: &Credentials) -> Probe<Vec<String>> {
        let line = Line::new(&self.http, &self.iam);
        match self
            .iam(&line, credentials)
            .list_open_id_connect_providers()
            .send()
            .await
        {
            Ok(list) => {
                let list = list.open_id_connect_provider_list.unwrap_or_default();
                Probe::Known(list.into_iter().filter_map(|provider| provider.arn).collect())
            }
            Err(error) => Probe::Missing(self.denied("iam:ListOpenIDConnectProviders", "*", &error, &line.seen())),
        }
    }

    /// Adds the policies of the session's role, or of the user and its groups: what IAM refuses is a gap. A session of
    /// another account's role, or an account, is left as is.
    pub(super) async fn policies_of(&self, credentials: &Credentials, mut identity: Identity) -> Identity {
        let Some(asking) = Holder::of(&identity) else {
            return identity;
        };
        let (held, lists) = join(self.held(credentials, &asking), self.lists(credentials, &asking)).await;
        let held = match held {
            // A role or user of the same name in another account is a different one.
            Ok((arn, boundary)) if arn.split(':').nth(4) == Some(&identity.account) => Ok((arn, boundary)),
            Ok(_) => Err(Gap::new(
                Why::WrongAccount,
                format!("{}: the credentials read another account", asking.kind.calls()[0]),
            )),
            // The caller must exist somewhere, so this is another account.
            Err(gap) => Err(elsewhere(gap)),
        };
        let attached = async {
            held.as_ref().map_err(Gap::clone)?;
            let lists = lists?;
            let count: usize = lists.iter().map(|list| list.inline.len() + list.managed.len()).sum();
            if count > MOST_POLICIES || lists.iter().any(|list| list.is_cut) {
                let what = format!("the caller has more than {MOST_POLICIES} policies; they were not read");
                return Err(Gap::new(Why::Malformed, what));
            }
            let inline = lists.iter().flat_map(|list| {
                let names = list.inline.iter();
                names.map(|name| self.inline_policy(credentials, &list.holder, name))
            });
            let managed = lists.iter().flat_map(|list| &list.managed);
            let managed = managed.map(|arn| self.managed_policy(credentials, arn));
            let (inline, managed) = try_join(try_join_all(inline), try_join_all(managed)).await?;
            Ok(inline.into_iter().chain(managed).collect())
        };
        let limit = async {
            let (_, boundary) = held.as_ref().map_err(Gap::clone)?;
            let arn = boundary
                .as_ref()
                .ok_or_else(|| Gap::new(Why::NotFound, "the caller has no permissions boundary"))?;
            self.managed_policy(credentials, arn).await.map_err(elsewhere)
        };
        let (attached, limit) = join(attached, limit).await;
        if let (HolderKind::Role, Ok((arn, _))) = (asking.kind, held) {
            identity.role = Some(arn);
        }
        identity.identity_policies = Some(attached.into());
        identity.permissions_boundary = Some(limit.into());
        identity
    }

    /// Returns the ARN of a role or user, and that of its permissions boundary.
    async fn held(&self, credentials: &Credentials, asking: &Holder) -> Result<(String, Option<String>), Gap> {
        let (call, name) = ((asking.kind.calls()[0], &*asking.arn), &*asking.name);
        if asking.kind == HolderKind::User {
            let get = async |iam: aws_sdk_iam::Client| iam.get_user().user_name(name).send().await;
            let user = self.ask(credentials, call, get, |output| output.user).await?;
            let boundary = user.permissions_boundary;
            return Ok((
                user.arn,
                boundary.and_then(|boundary| boundary.permissions_boundary_arn),
            ));
        }
        let get = async |iam: aws_sdk_iam::Client| iam.get_role().role_name(name).send().await;
        let role = self.ask(credentials, call, get, |output| output.role).await?;
        let boundary = role.permissions_boundary;
        Ok((
            role.arn,
            boundary.and_then(|boundary| boundary.permissions_boundary_arn),
        ))
    }

    /// Lists what is attached to a role, or to a user and its groups.
    async fn lists(&self, credentials: &Credentials, asking: &Holder) -> Result<Vec<Lists>, Gap> {
        if asking.kind != HolderKind::User {
            return Ok(vec![self.list(credentials, asking.clone()).await?]);
        }
        let name = &*asking.name;
        let groups = async {
            let get = async |iam: aws_sdk_iam::Client| iam.list_groups_for_user().user_name(name).send().await;
            let call = ("iam:ListGroupsForUser", &*asking.arn);
            // A user is in at most ten groups, which fit on one page.
            let groups = self.ask(credentials, call, get, |output| Some(output.groups)).await?;
            let groups = groups.into_iter().map(|group| Holder {
                kind: HolderKind::Group,
                name: group.group_name,
                arn: group.arn,
            });
            try_join_all(groups.map(|group| self.list(credentials, group))).await
        };
        let (own, mut all) = try_join(self.list(credentials, asking.clone()), groups).await?;
        all.push(own);
        Ok(all)
    }

    async fn list(&self, credentials: &Credentials, holder: Holder) -> Result<Lists, Gap> {
        let ([_, inline, managed, _], name, arn) = (holder.kind.calls(), &*holder.name, &*holder.arn);
        let (inline, managed) = ((inline, arn), (managed, arn));
        type Iam = aws_sdk_iam::Client;
        let read = match holder.kind {
            HolderKind::Group => {
                let names = async |iam: Iam| iam.list_group_policies().group_name(name).send().await;
                let arns = async |iam: Iam| iam.list_attached_group_policies().group_name(name).send().await;
                try_join(
                    self.ask(credentials, inline, names, |output| {
                        Some((output.policy_names, output.is_truncated))
                    }),
                    self.ask(credentials, managed, arns, |output| {
                        Some((output.attached_policies, output.is_truncated))
                    }),
                )
                .await
            }
            HolderKind::Role => {
                let names = async |iam: Iam| iam.list_role_policies().role_name(name).send().await;
                let arns = async |iam: Iam| iam.list_attached_role_policies().role_name(name).send().await;
                try_join(
                    self.ask(credentials, inline, names, |output| {
                        Some((output.policy_names, output.is_truncated))
                    }),
                    self.ask(credentials, managed, arns, |output| {
                        Some((output.attached_policies, output.is_truncated))
                    }),
                )
                .await
            }
            HolderKind::User => {
                let names = async |iam: Iam| iam.list_user_policies().user_name(name).send().await;
                let arns = async |iam: Iam| iam.list_attached_user_policies().user_name(name).send().await;
                try_join(
                    self.ask(credentials, inline, names, |output| {
                        Some((output.policy_names, output.is_truncated))
                    }),
                    self.ask(credentials, managed, arns, |output| {
                        Some((output.attached_policies, output.is_truncated))
                    }),
                )
                .await
            }
        };
        let ((inline, more), (managed, even_more)) = read?;
        let managed = managed.unwrap_or_default().into_iter();
        Ok(Lists {
            inline,
            managed: managed.filter_map(|policy| policy.policy_arn).collect(),
            is_cut: more || even_more,
            holder,
        })
    }

    async fn inline_policy(
        &self,
        credentials: &Credentials,
        holder: &Holder,
        policy: &str,
    ) -> Result<AttachedPolicy, Gap> {
        let ([.., call], name) = (holder.kind.calls(), &*holder.name);
        let call = (call, &*holder.arn);
        type Iam = aws_sdk_iam::Client;
        let document = match holder.kind {
            HolderKind::Group => {
                let get = async |iam: Iam| iam.get_group_policy().group_name(name).policy_name(policy).send().await;
                self.ask(credentials, call, get, |output| Some(output.policy_document))
                    .await
            }
            HolderKind::Role => {
                let get = async |iam: Iam| iam.get_role_policy().role_name(name).policy_name(policy).send().await;
                self.ask(credentials, call, get, |output| Some(output.policy_document))
                    .await
            }
            HolderKind::User => {
                let get = async |iam: Iam| iam.get_user_policy().user_name(name).policy_name(policy).send().await;
                self.ask(credentials, call, get, |output| Some(output.policy_document))
                    .await
            }
        };
        document.map(|document| attached(policy, &document))
    }

    /// Reads a managed policy in its default version.
    async fn managed_policy(&self, credentials: &Credentials, arn: &str) -> Result<AttachedPolicy, Gap> {
        let get = async |iam: aws_sdk_iam::Client| iam.get_policy().policy_arn(arn).send().await;
        let version = |output: GetPolicyOutput| output.policy?.default_version_id;
        let version = self.ask(credentials, ("iam:GetPolicy", arn), get, version).await?;
        let get = async |iam: aws_sdk_iam::Client| {
            let call = iam.get_policy_version().policy_arn(arn).version_id(version);
            call.send().await
        };
        let document = |output: GetPolicyVersionOutput| output.policy_version?.document;
        let document = self
            .ask(credentials, ("iam:GetPolicyVersion", arn), get, document)
            .await?;
        Ok(attached(arn, &document))
    }

    /// Makes an IAM call, given its name, its subject, and what to take from the answer.
    async fn ask<O, T, E: ProvideErrorMetadata>(
        &self,
        credentials: &Credentials,
        (call, resource): (&str, &str),
        send: impl AsyncFnOnce(aws_sdk_iam::Client) -> Result<O, SdkError<E>>,
        wanted: impl FnOnce(O) -> Option<T>,
    ) -> Result<T, Gap> {
        let line = Line::new(&self.http, &self.iam);
        let answer = send(self.iam(&line, credentials)).await;
        let answer = answer.map_err(|error| self.denied(call, resource, &error, &line.seen()))?;
        wanted(answer).ok_or_else(|| nothing(call, &line.seen()))
    }

    /// Returns the machine's credentials: from variables, profiles, web identity, container and instance metadata; without the
    /// variables if the step takes them away first; or those of one profile only.
    ///
    /// # Errors
    /// A [`Gap`] if there are none, or if a file that the SDK would read isn't a readable file.
    pub(crate) async fn default_chain(
        &self,
        env: &Env,
        workspace: Option<&Path>,
        from: Where<'_>,
    ) -> Result<Credentials, Gap> {
        let none = |what: &str| Gap::new(Why::NoCredentials, format!("the default chain {what}"));
        sound_aws_files(env, workspace).map_err(|what| none(&format!("cannot be looked through: {what}")))?;
        let config = ProviderConfig::without_region()
            .with_http_client(Line::for_secret(&self.http, &Destination::machine()))
            .with_behavior_version(self.config.behavior_version())
            .with_region(self.config.region().cloned())
            .with_use_fips(self.config.use_fips())
            .with_use_dual_stack(self.config.use_dual_stack());
        let (profile, variables) = match from {
            Where::Anywhere => (None, true),
            Where::ButVariables => (None, false),
            Where::Profile(name) => (Some(name.to_owned()), false),
        };
        // The SDK blocks on files: in its own thread it doesn't hold up anything else.
        let look = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .ok()?;
            runtime.block_on(async {
                let profiles = ProfileFileCredentialsProvider::builder().configure(&config);
                if let Some(name) = profile {
                    return profiles.profile_name(name).build().provide_credentials().await.ok();
                }
                // The default chain, in its order. Its own loader brings much that isn't asked for.
                let chain = match variables {
                    true => CredentialsProviderChain::first_try(
                        "Environment",
                        EnvironmentVariableCredentialsProvider::new(),
                    )
                    .or_else("Profile", profiles.build()),
                    false => CredentialsProviderChain::first_try("Profile", profiles.build()),
                };
                let chain = chain
                    .or_else(
                        "WebIdentityToken",
                        WebIdentityTokenCredentialsProvider::builder()
                            .configure(&config)
                            .build(),
                    )
                    .or_else(
                        "EcsContainer",
                        EcsCredentialsProvider::builder().configure(&config).build(),
                    )
                    .or_else(
                        "Ec2InstanceMetadata",
                        ImdsCredentialsProvider::builder().configure(&config).build(),
                    );
                chain.provide_credentials().await.ok()
            })
        });
        match tokio::time::timeout(DEFAULT_CHAIN, look).await {
            Ok(Ok(Some(found))) => {
                let secrets = self.http.secrets();
                secrets.add(found.access_key_id());
                secrets.add(found.secret_access_key());
                secrets.add(found.session_token().unwrap_or_default());
                Ok(found)
            }
            Ok(_) => Err(none("finds no credentials")),
            Err(_) => Err(none("finds no credentials within a second")),
        }
    }

    fn sts(&self, line: &Line, credentials: Option<&Credentials>) -> aws_sdk_sts::Client {
        let mut config = aws_sdk_sts::config::Builder::from(&self.config).http_client(line.clone());
        config.set_credentials_provider(
            credentials.map(|credentials| SharedCredentialsProvider::new(credentials.clone())),
        );
        config.set_endpoint_url(self.sts.address().map(str::to_owned));
        aws_sdk_sts::Client::from_conf(config.build())
    }

    /// The same for a call that [`persist`] retries.
    fn sts_once(&self, line: &Line, credentials: Option<&Credentials>) -> aws_sdk_sts::Client {
        let once = self.sts(line, credentials).config().to_builder();
        aws_sdk_sts::Client::from_conf(once.retry_config(RetryConfig::disabled()).build())
    }

    fn iam(&self, line: &Line, credentials: &Credentials) -> aws_sdk_iam::Client {
        let mut config = aws_sdk_iam::config::Builder::from(&self.config)
            .http_client(line.clone())
            .credentials_provider(credentials.clone());
        config.set_endpoint_url(self.iam.address().map(str::to_owned));
        aws_sdk_iam::Client::from_conf(config.build())
    }

    /// As [`Self::gap`]; for a refusal, with the permission to add.
    fn denied<E: ProvideErrorMetadata>(&self, call: &str, resource: &str, error: &SdkError<E>, seen: &Seen) -> Gap {
        let mut gap = self.gap(call, error, seen);
        let refused = matches!(answered(error), Some(("AccessDenied" | "AccessDeniedException", _)));
        if gap.why == Why::AccessDenied && refused {
            gap.detail += &format!(
                "; to allow it: {{\"Effect\": \"Allow\", \"Action\": \"{call}\", \"Resource\": \"{resource}\"}}"
            );
        }
        gap
    }

    /// Why a call failed.
    fn gap<E: ProvideErrorMetadata>(&self, call: &str, error: &SdkError<E>, seen: &Seen) -> Gap {
        let host = if seen.host.is_empty() {
            "the endpoint"
        } else {
            &*seen.host
        };
        let status = seen.status.unwrap_or_default();
        if let Some(gap) = &seen.gap {
            return Gap::new(
                gap.why,
                format!("{call}: {}{}", gap.detail, self.region_hint(gap.why, host)),
            );
        }
        if let Some((code, message)) = answered(error) {
            let why = match code {
                "NoSuchEntity" => Why::NotFound,
                code if is_throttle(code, status) => Why::Throttled,
                _ if status >= 500 => Why::Unreachable,
                _ => Why::AccessDenied,
            };
            return Gap::new(
                why,
                format!("{call}: `{host}` answers {}: {}", clean(code, 80), cut(message)),
            );
        }
        let (why, what) = match error {
            SdkError::ConstructionFailure(_) => (
                Why::Malformed,
                "the request cannot be made: check the region and the endpoint".to_owned(),
            ),
            _ if status == 429 => (Why::Throttled, format!("`{host}` answers with HTTP 429")),
            _ if seen.page => (
                Why::Malformed,
                format!(
                    "`{host}` answers with HTTP {status} and a web page, so this is not AWS: check the proxy (HTTPS_PROXY, NO_PROXY), egress rules and the endpoint"
                ),
            ),
            _ if (300..400).contains(&status) => (
                Why::Malformed,
                format!(
                    "`{host}` answers with HTTP {status}, a redirect that is not followed: check the proxy and the endpoint"
                ),
            ),
            _ if status >= 500 => (Why::Unreachable, format!("`{host}` answers with HTTP {status}")),
            SdkError::TimeoutError(_) => (Why::TimedOut, format!("`{host}` does not answer in time")),
            _ if status == 0 => (Why::Unreachable, format!("`{host}` is not reached")),
            _ => (
                Why::Malformed,
                format!(
                    "`{host}` answers with HTTP {status} and something that AWS never sends, or breaks off: check the proxy and the endpoint"
                ),
            ),
        };
        Gap::new(why, format!("{call}: {what}"))
    }

    fn region_hint(&self, why: Why, host: &str) -> String {
        if why == Why::Unreachable && host.contains(&self.region) {
            format!("; the region is `{}`", self.region)
        } else {
            String::new()
        }
    }
}

impl Reading {
    /// A reading with everything wanted missing.
    #[must_use]
    pub(crate) fn none(wanted: Wanted<'_>, gap: &Gap) -> Self {
        Self {
            role: wanted.role.then(|| Probe::Missing(gap.clone())),
            provider: wanted.issuer.map(|_| Probe::Missing(gap.clone())),
            ..Self::default()
        }
    }

    /// Whether IAM refused, or these were the wrong credentials.
    #[must_use]
    pub(crate) fn is_refused(&self) -> bool {
        let refused =
            |gap: Option<&Gap>| gap.is_some_and(|gap| matches!(gap.why, Why::AccessDenied | Why::WrongAccount));
        refused(self.role.as_ref().and_then(Probe::gap)) || refused(self.provider.as_ref().and_then(Probe::gap))
    }

    /// Keeps what is known here, and takes the rest from another reading that knows it.
    #[must_use]
    pub(crate) fn or(self, other: Self) -> Self {
        fn known<T>(one: Option<Probe<T>>, other: Option<Probe<T>>) -> Option<Probe<T>> {
            match (one, other) {
                (Some(Probe::Missing(_)) | None, Some(Probe::Known(fact))) => Some(Probe::Known(fact)),
                (None, other) => other,
                (one, _) => one,
            }
        }
        let found = other.role.as_ref().and_then(Probe::known).is_some()
            || other.provider.as_ref().and_then(Probe::known).is_some();
        Self {
            reader: if found { other.reader } else { self.reader },
            role: known(self.role, other.role),
            provider: known(self.provider, other.provider),
            providers: known(self.providers, other.providers),
        }
    }

    /// Marks everything as unread for this reason; a role and a provider that weren't requested stay unset.
    pub(crate) fn miss(&mut self, gap: &Gap) {
        if self.role.is_some() {
            self.role = Some(Probe::Missing(gap.clone()));
        }
        if self.provider.is_some() {
            self.provider = Some(Probe::Missing(gap.clone()));
        }
        self.providers = None;
    }

    /// The account is unknown: what was found belongs to the wanted account, because ARNs say so; what wasn't
    /// found may be missing only in a different account.
    fn doubt(&mut self, gap: &Gap) {
        let not_found = |found: Option<&Gap>| found.is_some_and(|found| found.why == Why::NotFound);
        if not_found(self.role.as_ref().and_then(Probe::gap)) {
            self.role = Some(Probe::Missing(gap.clone()));
        }
        if not_found(self.provider.as_ref().and_then(Probe::gap)) {
            self.provider = Some(Probe::Missing(gap.clone()));
        }
        self.providers = None;
    }
}

/// Makes a call until it has a final answer: transient failures (throttling, faults of the service or the connection, keys that
/// AWS couldn't read) are retried after growing, jittered waits, as configure-aws-credentials does: `attempts` times itself,
/// with up to three calls by its SDK each time.
async fn persist<T, E: ProvideErrorMetadata>(
    (until, attempts): (Instant, u32),
    mut call: impl AsyncFnMut() -> Called<T, E>,
) -> Called<T, E> {
    let mut calls = 1;
    loop {
        let (answer, seen) = call().await;
        let most = match answer.as_ref().err().and_then(|error| passes(error, &seen)) {
            Some(Passes::Sdk) => attempts.saturating_mul(3),
            Some(Passes::Action) => attempts,
            Some(Passes::Hardly) => attempts.min(3),
            None => 0,
        };
        let wait = wait(calls, random());
        if calls >= most.min(MOST_CALLS) || Instant::now() + wait >= until {
            return (answer, seen);
        }
        tokio::time::sleep(wait).await;
        calls += 1;
    }
}

/// Who retries when the same call may get a different answer a moment later.
enum Passes {
    /// Only the action.
    Action,
    /// Only the action, and the answer is most likely the same.
    Hardly,
    /// Its SDK as well.
    Sdk,
}

fn passes<E: ProvideErrorMetadata>(error: &SdkError<E>, seen: &Seen) -> Option<Passes> {
    let status = seen.status.unwrap_or_default();
    let is_broken = seen.was_asked && seen.gap.as_ref().is_some_and(|gap| gap.why == Why::Unreachable);
    match answered(error) {
        Some((code, _)) if is_throttle(code, status) || code == "IDPCommunicationError" => Some(Passes::Sdk),
        Some((_, message)) if message.contains("retrieve verification key") => Some(Passes::Action),
        _ if is_broken || status == 429 || status >= 500 => Some(Passes::Sdk),
        _ if is_too_large(error) => Some(Passes::Hardly),
        _ => None,
    }
}

/// Whether the session's tags and policies together are too large. How AWS packs them is not documented.
fn is_too_large<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    matches!(answered(error), Some(("PackedPolicyTooLarge", _)))
}

/// How long to wait after this many calls: the limit doubles each time, and any shorter wait is possible, so that jobs that
/// failed together don't come back together. `random` is between 0 and 1.
#[must_use]
pub(crate) fn wait(calls: u32, random: f64) -> Duration {
    let doubled = 2_u32.saturating_pow(calls.saturating_sub(1).min(16));
    FIRST_WAIT
        .saturating_mul(doubled)
        .min(LONGEST_WAIT)
        .mul_f64(random.clamp(0.0, 1.0))
}

/// Between 0 and 1. std seeds its hashers from the system's randomness.
#[must_use]
pub(crate) fn random() -> f64 {
    let number = std::hash::RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(number >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

/// The SDK panics on a line break in a key, as in a secret pasted with one.
fn unsound(credentials: &Credentials, source: &CredentialSource) -> Option<Gap> {
    let is_odd = |key: &str| key.contains(|letter: char| !letter.is_ascii_graphic());
    let odd = is_odd(credentials.access_key_id()) || credentials.session_token().is_some_and(is_odd);
    let what = || format!("the credentials ({source}) hold white space or other characters that no key has");
    odd.then(|| Gap::new(Why::NoCredentials, what()))
}

fn keys(given: types::Credentials) -> Credentials {
    let (id, secret) = (given.access_key_id, given.secret_access_key);
    Credentials::new(id, secret, Some(given.session_token), None, "session")
}

/// If something exists but isn't found, the lookup is in the wrong account.
fn elsewhere(gap: Gap) -> Gap {
    let why = if gap.why == Why::NotFound {
        Why::WrongAccount
    } else {
        gap.why
    };
    Gap { why, ..gap }
}

/// A policy as IAM lists it. (Its document is percent-encoded: IAM API Reference, `GetRolePolicy` and `GetPolicyVersion`.)
fn attached(name: &str, document: &str) -> AttachedPolicy {
    AttachedPolicy {
        name: Some(clean(name, MESSAGE)),
        policy: PolicyText::Text(lay_out(document)),
    }
}

fn session_name(request: &Request) -> &str {
    request.session_name().unwrap_or(Input::RoleSessionName.spec().default)
}

fn duration(request: &Request) -> i32 {
    request
        .duration()
        .and_then(|seconds| seconds.try_into().ok())
        .unwrap_or(3600)
}

fn policies(request: &Request) -> Option<Vec<PolicyDescriptorType>> {
    let arns = request.managed_session_policies();
    let policies: Vec<_> = arns
        .map(|arn| PolicyDescriptorType::builder().arn(arn).build())
        .collect();
    (!policies.is_empty()).then_some(policies)
}

/// The region to call: the input, or the partition's first if empty.
fn region(given: &str, partition: &str) -> Result<String, Gap> {
    if given.is_empty() {
        return Ok(match partition {
            "aws-cn" => "cn-north-1",
            "aws-us-gov" => "us-gov-west-1",
            _ => "us-east-1",
        }
        .to_owned());
    }
    if is_region(given) {
        return Ok(given.to_owned());
    }
    Err(Gap::new(
        Why::Malformed,
        format!(
            "`{}` cannot be a region, so STS has no address: check `aws-region`",
            clean(given, 80)
        ),
    ))
}

/// Whether it has the form of a region, `eu-west-1` or `us-gov-east-1`. The SDK puts any word into a host name: `s3` becomes
/// `sts.s3.amazonaws.com`, which is somebody's bucket. (The patterns of all regions: the SDK's `partitions.json`.)
pub(super) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let letters = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let digits = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    match &*parts {
        ["aws", "global"] => true,
        [area, middle @ .., number] => {
            text.len() <= 63
                && !middle.is_empty()
                && (2..=4).contains(&area.len())
                && letters(area)
                && middle.iter().all(letters)
                && digits(number)
        }
        _ => false,
    }
}

/// AWS's own code and message, if the answer had them.
fn answered<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<(&str, &str)> {
    let meta = error.as_service_error()?.meta();
    Some((
        meta.code().filter(|code| !code.is_empty())?,
        meta.message().unwrap_or_default(),
    ))
}

fn is_throttle(code: &str, status: u16) -> bool {
    status == 429
        || code.contains("Throttl")
        || matches!(
            code,
            "TooManyRequestsException" | "RequestLimitExceeded" | "SlowDown" | "LimitExceeded"
        )
}

fn nothing(call: impl Display, seen: &Seen) -> Gap {
    Gap::new(
        Why::Malformed,
        format!(
            "{call}: the answer of `{}` is incomplete: check the proxy and the endpoint",
            seen.host
        ),
    )
}

/// AWS's message unchanged, but bounded.
fn cut(message: &str) -> String {
    match message.char_indices().nth(MESSAGE) {
        Some((end, _)) => format!("{}…", message.get(..end).unwrap_or_default()),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_given_or_the_partitions_first() {
        for (given, partition, want) in [
            ("eu-west-1", "aws", Some("eu-west-1")),
            ("", "aws", Some("us-east-1")),
            ("", "aws-cn", Some("cn-north-1")),
            ("", "aws-us-gov", Some("us-gov-west-1")),
            ("us-gov-east-1", "aws-us-gov", Some("us-gov-east-1")),
            ("eusc-de-east-1", "aws", Some("eusc-de-east-1")),
            ("aws-global", "aws", Some("aws-global")),
            ("EU", "aws", None),
            ("s3", "aws", None),
            ("s3-us-west-2", "aws", None),
            ("bucket", "aws", None),
            ("my-bucket-website", "aws", None),
            ("eu-west-", "aws", None),
            ("-west-1", "aws", None),
            ("eu--1", "aws", None),
            ("eu-1", "aws", None),
            ("eu-west-1.example.com/", "aws", None),
            (&*"a".repeat(64), "aws", None),
        ] {
            assert_eq!(region(given, partition).ok().as_deref(), want, "{given}");
        }
    }

    #[test]
    fn a_checkouts_region_is_good_for_the_roles_partition_alone() {
        let env = Env::default();
        let http = Http::new(&env, &crate::secrets::Secrets::default()).unwrap();
        for (region, partition, source, asked) in [
            ("eu-west-1", "aws", Some("a step"), true),
            ("cn-north-1", "aws", Some("a step"), false),
            ("us-iso-east-1", "aws", Some("a step"), false),
            ("eu-isoe-west-1", "aws", Some("a step"), false),
            ("us-isof-east-1", "aws", Some("a step"), false),
            ("cn-north-1", "aws-cn", Some("a step"), true),
            // An input is the user's own choice.
            ("cn-north-1", "aws", None, true),
        ] {
            let mut request = Request {
                source: source.map(str::to_owned),
                ..Request::default()
            };
            request.inputs.set(Input::AwsRegion, region);
            let aws = Aws::new(&env, &http, &Given::default(), &request, partition).unwrap();
            assert_eq!(aws.no_region.is_none(), asked, "{region} {partition} {source:?}");
        }
    }

    #[test]
    fn waits_grow_and_are_spread() {
        let milliseconds = |calls| wait(calls, 1.0).as_millis();
        assert_eq!(
            [1, 2, 3, 4, 5, 6, 20, u32::MAX].map(milliseconds),
            [20, 40, 80, 160, 320, 500, 500, 500]
        );
        assert_eq!(wait(3, 0.5), Duration::from_millis(40));
        assert_eq!((wait(3, 0.0), wait(1, 7.0)), (Duration::ZERO, FIRST_WAIT));
        // All the waits together end long before the diagnosis does.
        let all: Duration = (1..MOST_CALLS).map(|calls| wait(calls, 1.0)).sum();
        assert!(all < Duration::from_secs(9), "{all:?}");
        assert!((0.0..=1.0).contains(&random()));
    }

    #[test]
    fn what_one_reading_lacks_another_fills() {
        let gap = Gap::new(Why::AccessDenied, "denied");
        let one = Reading {
            role: Some(Probe::Missing(gap.clone())),
            provider: Some(Probe::Known(Provider::default())),
            ..Reading::default()
        };
        assert!(one.is_refused());
        let other = Reading {
            reader: Some(Probe::Known(Identity::default())),
            role: Some(Probe::Known(Role::default())),
            provider: Some(Probe::Missing(gap)),
            ..Reading::default()
        };
        let both = one.or(other);
        assert!(!both.is_refused() && both.reader.is_some());
    }
}
