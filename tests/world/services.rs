//! The answers of GitHub's token service, STS and IAM. AWS's messages are those that people reported.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::scenario::{Account, Answer, Identity, Provider, Role};
use super::server::{Call, Form, Place, Request, Response, Service, State};
use super::{REQUEST_TOKEN, rest};

/// RFC 3986's unreserved characters stay.
const RFC_3986: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// AWS credentials.
pub struct Keys {
    pub id: String,
    pub secret: String,
    pub session_token: String,
}

/// The credentials an earlier step left in the environment.
pub fn environment_keys() -> Keys {
    keys("environment")
}

/// The access key of the scenario's IAM user.
pub fn user_keys() -> Keys {
    let keys = keys("user");
    Keys {
        id: keys.id.replacen("ASIA", "AKIA", 1),
        ..keys
    }
}

/// STS can't pack the session tags.
pub fn tags_too_large() -> Response {
    error(
        400,
        "PackedPolicyTooLarge",
        "Packed size of session tags consumes 142% of allotted space.",
    )
}

/// Recognises what a request calls.
pub fn recognise(request: &Request, service: Service, state: &State) -> Call {
    let action = request.form.get("Action").map(String::as_str);
    match (service, action) {
        (Service::Elsewhere, _) => Call::Other,
        (Service::Rest, _) => rest::recognise(&request.target),
        (Service::Token, None) => Call::IdToken,
        (_, Some("AssumeRoleWithWebIdentity")) if is_diagnosis_role(request, state) => Call::DiagnosisRole,
        (_, Some("AssumeRoleWithWebIdentity")) => Call::AssumeRoleWithWebIdentity,
        (_, Some("AssumeRole")) => Call::AssumeRole,
        (_, Some("GetCallerIdentity")) => Call::GetCallerIdentity,
        (_, Some("GetRole")) => Call::GetRole,
        (_, Some("GetOpenIDConnectProvider")) => Call::GetOpenIdConnectProvider,
        (_, Some("ListOpenIDConnectProviders")) => Call::ListOpenIdConnectProviders,
        (
            _,
            Some("ListRolePolicies" | "ListAttachedRolePolicies" | "GetRolePolicy" | "GetPolicy" | "GetPolicyVersion"),
        ) => Call::RolePolicies,
        (_, Some(action)) if service == Service::Iam && (action.contains("User") || action.contains("Group")) => {
            Call::UserPolicies
        }
        _ => Call::Other,
    }
}

/// Answers a request as the real service would.
pub fn answer(request: &Request, service: Service, state: &State) -> Response {
    let answer = match request.call {
        Call::IdToken => return id_token(request, state),
        Call::Contents | Call::Repository | Call::SubjectTemplate | Call::Environment => {
            return rest::answer(request, state);
        }
        Call::AssumeRoleWithWebIdentity | Call::DiagnosisRole => assume_role_with_web_identity(request, state),
        Call::AssumeRole => assume_role(request, state),
        Call::GetCallerIdentity => caller(request, state).map(|caller| caller_identity(&caller)),
        Call::GetRole => get_role(request, state),
        Call::GetOpenIdConnectProvider => get_provider(request, state),
        Call::ListOpenIdConnectProviders => list_providers(request, state),
        Call::RolePolicies => role_policies(request, state),
        Call::UserPolicies => user_policies(request, state),
        Call::Proxy | Call::Other => return refusal(request, service, 404),
    };
    match answer {
        Ok(result) => {
            let action = &request.form["Action"];
            let version = if service == Service::Iam { "iam" } else { "sts" };
            xml(
                200,
                format!(
                    "<{action}Response xmlns=\"https://{version}.amazonaws.com/doc/\">\n  <{action}Result>{result}\
                     </{action}Result>\n  <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata>\n\
                     </{action}Response>\n",
                    id()
                ),
            )
        }
        Err(refused) => refused,
    }
}

/// The usual error for a status.
pub fn refusal(request: &Request, service: Service, status: u16) -> Response {
    if service == Service::Rest {
        return rest::refusal(status);
    }
    if matches!(service, Service::Token | Service::Elsewhere) {
        return Response {
            status,
            content_type: "application/json",
            body: json!({"source": "played", "message": format!("status {status}")}).to_string(),
            headers: Vec::new(),
        };
    }
    let action = request.form.get("Action").map_or("", String::as_str);
    match status {
        403 => error(
            403,
            "AccessDenied",
            &format!("User is not authorized to perform: {action}"),
        ),
        404 => error(404, "NoSuchEntity", "It cannot be found."),
        429 => error(429, "Throttling", "Rate exceeded"),
        503 => error(503, "ServiceUnavailable", "Service is unavailable"),
        _ => error(status, "InternalFailure", "An internal error has occurred"),
    }
}

fn id_token(request: &Request, state: &State) -> Response {
    let service = &state.scenario.token;
    let bearer = format!("Bearer {REQUEST_TOKEN}");
    if request.headers.get("authorization") != Some(&bearer) {
        return refusal(request, Service::Token, 401);
    }
    if let Some((status, body)) = &service.refusal {
        return Response {
            status: *status,
            content_type: "application/json",
            body: body.clone(),
            headers: Vec::new(),
        };
    }
    let claims = state
        .scenario
        .claims(request.form.get("audience").map(String::as_str), state.now(), &id());
    let header = json!({"typ": "JWT", "alg": "RS256", "x5t": "eBZ_cn3sXYAd0ch4THBKHIgOwOE", "kid": "78167F727DEC5D801DD1C8784C704A1C880EC0E1"});
    let signature: Vec<u8> = id().bytes().cycle().take(256).map(|byte| byte.rotate_left(3)).collect();
    let [header, claims] = [header, Value::Object(claims)].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signature = URL_SAFE_NO_PAD.encode(signature);
    let token = format!("{header}.{claims}.{signature}");
    state.keep_secret(&signature);
    state.keep_secret(&token);
    Response {
        status: 200,
        content_type: "application/json; charset=utf-8",
        body: json!({"count": token.len(), "value": token}).to_string(),
        headers: Vec::new(),
    }
}

/// Checks in the order that its errors suggest: request, provider, token, role and trust policy, session.
fn assume_role_with_web_identity(request: &Request, state: &State) -> Result<String, Response> {
    let (scenario, account) = (&state.scenario, &state.scenario.account);
    let field = |name: &str| request.form.get(name).map_or("", String::as_str);
    let role_arn = field("RoleArn");
    if !role_arn.starts_with("arn:") {
        return Err(error(400, "ValidationError", "Request ARN is invalid"));
    }
    let invalid = |message: &str| error(400, "InvalidIdentityToken", message);
    let not_a_jwt = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)";
    let claims = claims(field("WebIdentityToken")).ok_or_else(|| invalid(not_a_jwt))?;
    let claim = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();

    let issuer = claim("iss");
    let provider = account
        .providers
        .iter()
        .find(|provider| issuer.strip_prefix("https://") == Some(&provider.url))
        .filter(|_| role_arn.split(':').nth(4) == Some(&account.id))
        .ok_or_else(|| invalid(&format!("No OpenIDConnect provider found in your account for {issuer}")))?;
    let expires = claims.get("exp").and_then(Value::as_i64).unwrap_or_default();
    if state.now() > expires + 300 {
        let message = format!(
            "Token expired: current date/time {} must be before the expiration date/time{expires}",
            state.now()
        );
        return Err(error(400, "ExpiredTokenException", &message));
    }
    // STS's errors about the provider itself come before it checks the audience.
    let told = (request.call == Call::AssumeRoleWithWebIdentity).then_some(&scenario.sts);
    if let Some(Answer::Error { status, code, message }) = told {
        return Err(error(*status, code, message));
    }
    if !provider.client_ids.iter().any(|id| id == claim("aud")) {
        return Err(invalid("Incorrect token audience"));
    }
    let role = role(account, role_arn)
        .filter(|_| !matches!(told, Some(Answer::Deny)))
        .ok_or_else(|| {
            error(
                403,
                "AccessDenied",
                "Not authorized to perform sts:AssumeRoleWithWebIdentity",
            )
        })?;
    let duration = field("DurationSeconds").parse().unwrap_or(3600);
    if duration > role.max_session_duration {
        let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
        return Err(error(400, "ValidationError", message));
    }
    Ok(format!(
        "<SubjectFromWebIdentityToken>{}</SubjectFromWebIdentityToken><Audience>{}</Audience><Provider>{}</Provider>{}",
        escaped(claim("sub")),
        escaped(claim("aud")),
        provider.arn(account),
        session(role, account, field("RoleSessionName"), state)
    ))
}

/// Decides by the trust policy's principals, actions and external ID; any other condition is assumed to hold.
fn assume_role(request: &Request, state: &State) -> Result<String, Response> {
    let caller = caller(request, state)?;
    let field = |name: &str| request.form.get(name).map_or("", String::as_str);
    let arn = field("RoleArn");
    let denied = |action: &str| {
        let message = format!(
            "User: {} is not authorized to perform: {action} on resource: {arn}",
            caller.arn
        );
        error(403, "AccessDenied", &message)
    };
    let (account, role) = match &state.scenario.assume_role {
        Answer::Allow => any_role(state, arn).ok_or_else(|| denied("sts:AssumeRole"))?,
        Answer::Deny => return Err(denied("sts:AssumeRole")),
        Answer::Error { status, code, message } => return Err(error(*status, code, message)),
    };
    let is_session = caller.arn.contains(":assumed-role/");
    if is_session
        && field("DurationSeconds")
            .parse()
            .is_ok_and(|seconds: u32| seconds > 3600)
    {
        let message =
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
        return Err(error(400, "ValidationError", message));
    }
    let mut actions = vec!["sts:AssumeRole"];
    if request.form.contains_key("Tags.member.1.Key") {
        actions.push("sts:TagSession");
    }
    let members = |list: &str, end: &str| -> Vec<&String> {
        let fields = request.form.iter();
        let of = fields.filter(|(name, _)| name.starts_with(&format!("{list}.member.")) && name.ends_with(end));
        of.map(|(_, value)| value).collect()
    };
    let keys = members("Tags", ".Key");
    if !members("TransitiveTagKeys", "").iter().all(|key| keys.contains(key)) {
        let message = "The specified transitive tag key must be included in the requested tags.";
        return Err(error(400, "ValidationError", message));
    }
    let asking = state.scenario.accounts().find_map(|account| {
        let mut roles = account.roles.iter();
        let is_its_session = |role: &&Role| caller.arn.starts_with(&session_arn(role, account, ""));
        roles.find(is_its_session)
    });
    let user = state.scenario.user.as_ref().filter(|user| user.arn == caller.arn);
    for action in actions {
        let is_allowed = |policies: &Option<BTreeMap<String, Value>>| {
            policies
                .as_ref()
                .is_none_or(|policies| policies.values().any(|policy| allows(policy, action, arn)))
        };
        let by_caller = asking.is_none_or(|asking| {
            is_allowed(&asking.policies)
                && asking
                    .permissions_boundary
                    .as_ref()
                    .is_none_or(|policy| allows(policy, action, arn))
        });
        let of_user = user
            .into_iter()
            .flat_map(|user| user.policies.values().chain(user.group_policies.values()));
        let of_user: Vec<&Value> = of_user.collect();
        let by_user = of_user.is_empty() || of_user.iter().any(|policy| allows(policy, action, arn));
        let limit = user.and_then(|user| user.permissions_boundary.as_ref());
        let by_caller = by_caller && by_user && limit.is_none_or(|limit| allows(limit, action, arn));
        if !by_caller || !trusts(&role.trust_policy, &caller, action, field("ExternalId")) {
            return Err(denied(action));
        }
    }
    Ok(session(role, account, field("RoleSessionName"), state))
}

/// Whether some statement lets this caller do this.
fn trusts(policy: &Value, caller: &Identity, action: &str, external_id: &str) -> bool {
    let list = |value: &Value| match value {
        Value::Array(values) => values.clone(),
        Value::Null => Vec::new(),
        value => vec![value.clone()],
    };
    let mut fields = caller.arn.split('/');
    let own = match (fields.next(), fields.next()) {
        (Some(head), Some(role)) if head.ends_with(":assumed-role") => {
            format!("arn:aws:iam::{}:role/{role}", caller.account)
        }
        _ => caller.arn.clone(),
    };
    let root = format!("arn:aws:iam::{}:root", caller.account);
    list(&policy["Statement"]).iter().any(|statement| {
        let wanted = &statement["Condition"]["StringEquals"]["sts:ExternalId"];
        list(&statement["Action"]).iter().any(|name| *name == *action)
            && list(&statement["Principal"]["AWS"])
                .iter()
                .any(|name| [&own, &root, &caller.arn].iter().any(|own| *name == ***own))
            && (wanted.is_null() || *wanted == *external_id)
    })
}

/// Whether some statement of a caller's policy allows this. The only supported wildcard is a lone `*`.
fn allows(policy: &Value, action: &str, role: &str) -> bool {
    let list = |value: &Value| match value {
        Value::Array(values) => values.clone(),
        value => vec![value.clone()],
    };
    list(&policy["Statement"]).iter().any(|statement| {
        let has = |element: &str, wanted: &str| {
            list(&statement[element])
                .iter()
                .any(|value| *value == *wanted || *value == *"*")
        };
        has("Action", action) && has("Resource", role)
    })
}

fn any_role<'a>(state: &'a State, arn: &str) -> Option<(&'a Account, &'a Role)> {
    let mut accounts = state.scenario.accounts();
    accounts.find_map(|account| Some((account, role(account, arn)?)))
}

fn caller_identity(caller: &Identity) -> String {
    format!(
        "<Arn>{}</Arn><UserId>AROA123EXAMPLE0000000:session</UserId><Account>{}</Account>",
        caller.arn, caller.account
    )
}

fn get_role(request: &Request, state: &State) -> Result<String, Response> {
    let account = reader(request, state, "iam:GetRole")?;
    let name = &request.form["RoleName"];
    let role = account.roles.iter().find(|role| role.name == *name).ok_or_else(|| {
        error(
            404,
            "NoSuchEntity",
            &format!("The role with name {name} cannot be found."),
        )
    })?;
    let policy = match &role.trust_policy {
        Value::String(text) => text.clone(),
        policy => policy.to_string(),
    };
    Ok(format!(
        "<Role><Path>{}</Path><AssumeRolePolicyDocument>{}</AssumeRolePolicyDocument>\
         <MaxSessionDuration>{}</MaxSessionDuration><RoleId>AROA123EXAMPLE0000000</RoleId><RoleLastUsed/>\
         <RoleName>{}</RoleName><Arn>{}</Arn><CreateDate>2026-03-14T09:26:53Z</CreateDate>{}</Role>",
        role.path,
        utf8_percent_encode(&policy, RFC_3986),
        role.max_session_duration,
        role.name,
        role.arn(account),
        match role.permissions_boundary {
            Some(_) => boundary(),
            None => String::new(),
        }
    ))
}

fn boundary() -> String {
    format!(
        "<PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType>\
         <PermissionsBoundaryArn>{BOUNDARY}</PermissionsBoundaryArn></PermissionsBoundary>"
    )
}

/// IAM's answers about the user's policies, and those of its one group, `deployers`.
fn user_policies(request: &Request, state: &State) -> Result<String, Response> {
    let action = &request.form["Action"];
    reader(request, state, &format!("iam:{action}"))?;
    let not_found = || error(404, "NoSuchEntity", "It cannot be found.");
    let user = state.scenario.user.as_ref().ok_or_else(not_found)?;
    let name = user.arn.rsplit('/').next().unwrap_or_default();
    let field = |name: &str| request.form.get(name).map_or("", String::as_str);
    let (of, whose) = match action.contains("Group") && *action != "ListGroupsForUser" {
        true => (&user.group_policies, "deployers"),
        false => (&user.policies, name),
    };
    if field("UserName") != name && field("GroupName") != whose {
        return Err(not_found());
    }
    Ok(match action.as_str() {
        "GetUser" => format!(
            "<User><Path>/</Path><UserName>{name}</UserName><UserId>AIDA123EXAMPLE0000000</UserId><Arn>{}</Arn>\
             <CreateDate>2026-03-14T09:26:53Z</CreateDate>{}</User>",
            user.arn,
            user.permissions_boundary
                .as_ref()
                .map_or_else(String::new, |_| boundary())
        ),
        "ListGroupsForUser" => format!(
            "<Groups><member><Path>/</Path><GroupName>deployers</GroupName><GroupId>AGPA123EXAMPLE0000000</GroupId>\
             <Arn>arn:aws:iam::{}:group/deployers</Arn><CreateDate>2026-03-14T09:26:53Z</CreateDate></member></Groups>\
             <IsTruncated>false</IsTruncated>",
            user.account
        ),
        "ListUserPolicies" | "ListGroupPolicies" => {
            let names: Vec<String> = of.keys().filter(|name| !name.starts_with("arn:")).cloned().collect();
            format!("{}<IsTruncated>false</IsTruncated>", members("PolicyNames", &names))
        }
        "ListAttachedUserPolicies" | "ListAttachedGroupPolicies" => attached_policies(of.keys()),
        _ => {
            let policy = of.get(field("PolicyName")).ok_or_else(not_found)?;
            let document = utf8_percent_encode(&policy.to_string(), RFC_3986).to_string();
            let owner = if action.contains("Group") {
                "GroupName"
            } else {
                "UserName"
            };
            format!(
                "<{owner}>{whose}</{owner}><PolicyName>{}</PolicyName><PolicyDocument>{document}</PolicyDocument>",
                field("PolicyName")
            )
        }
    })
}

/// The managed policies among these.
fn attached_policies<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let mut list = String::new();
    for arn in names.filter(|name| name.starts_with("arn:")) {
        write!(
            list,
            "<member><PolicyName>x</PolicyName><PolicyArn>{arn}</PolicyArn></member>"
        )
        .unwrap();
    }
    format!("<AttachedPolicies>{list}</AttachedPolicies><IsTruncated>false</IsTruncated>")
}

const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/boundary";

/// IAM's answers about a role's policies.
fn role_policies(request: &Request, state: &State) -> Result<String, Response> {
    let action = &request.form["Action"];
    let account = reader(request, state, &format!("iam:{action}"))?;
    let field = |name: &str| request.form.get(name).map_or("", String::as_str);
    let not_found = || error(404, "NoSuchEntity", "It cannot be found.");
    let named = |role: &&Role| role.name == field("RoleName");
    let policies = |role: &Role| {
        let all = json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
        let administrator = || BTreeMap::from([("arn:aws:iam::aws:policy/AdministratorAccess".to_owned(), all)]);
        role.policies.clone().unwrap_or_else(administrator)
    };
    let encoded = |policy: &Value| utf8_percent_encode(&policy.to_string(), RFC_3986).to_string();
    let role = || account.roles.iter().find(named).ok_or_else(not_found);
    let managed = || {
        let mut all = account.roles.iter();
        let arn = field("PolicyArn");
        let user = state.scenario.user.as_ref().and_then(|user| match arn {
            BOUNDARY => user.permissions_boundary.clone(),
            arn => user.policies.get(arn).or_else(|| user.group_policies.get(arn)).cloned(),
        });
        let found = user.or_else(|| {
            all.find_map(|role| match arn {
                BOUNDARY => role.permissions_boundary.clone(),
                arn => policies(role).get(arn).cloned(),
            })
        });
        found.ok_or_else(not_found)
    };
    Ok(match action.as_str() {
        "ListRolePolicies" => {
            let names: Vec<String> = policies(role()?)
                .into_keys()
                .filter(|name| !name.starts_with("arn:"))
                .collect();
            format!("{}<IsTruncated>false</IsTruncated>", members("PolicyNames", &names))
        }
        "ListAttachedRolePolicies" => attached_policies(policies(role()?).keys()),
        "GetRolePolicy" => {
            let (role, name) = (role()?, field("PolicyName"));
            let policy = policies(role).get(name).cloned().ok_or_else(not_found)?;
            format!(
                "<RoleName>{}</RoleName><PolicyName>{name}</PolicyName><PolicyDocument>{}</PolicyDocument>",
                role.name,
                encoded(&policy)
            )
        }
        "GetPolicy" => {
            managed()?;
            "<Policy><DefaultVersionId>v3</DefaultVersionId></Policy>".to_owned()
        }
        _ => {
            assert_eq!(field("VersionId"), "v3");
            format!(
                "<PolicyVersion><Document>{}</Document></PolicyVersion>",
                encoded(&managed()?)
            )
        }
    })
}

fn get_provider(request: &Request, state: &State) -> Result<String, Response> {
    let account = reader(request, state, "iam:GetOpenIDConnectProvider")?;
    let arn = &request.form["OpenIDConnectProviderArn"];
    let provider = account
        .providers
        .iter()
        .find(|provider| provider.arn(account) == *arn)
        .ok_or_else(|| {
            error(
                404,
                "NoSuchEntity",
                &format!("OpenIDConnect Provider not found for arn {arn}"),
            )
        })?;
    let Provider {
        url,
        client_ids,
        thumbprints,
    } = provider;
    Ok(format!(
        "<Url>{url}</Url>{}{}<CreateDate>2025-06-02T08:00:00Z</CreateDate>",
        members("ClientIDList", client_ids),
        members("ThumbprintList", thumbprints)
    ))
}

fn list_providers(request: &Request, state: &State) -> Result<String, Response> {
    let account = reader(request, state, "iam:ListOpenIDConnectProviders")?;
    let mut list = String::new();
    for provider in &account.providers {
        write!(list, "<member><Arn>{}</Arn></member>", provider.arn(account)).unwrap();
    }
    Ok(format!("<OpenIDConnectProviderList>{list}</OpenIDConnectProviderList>"))
}

/// Who signed the request.
fn caller(request: &Request, state: &State) -> Result<Identity, Response> {
    let unknown = || {
        error(
            403,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        )
    };
    let key = request.access_key().ok_or_else(|| {
        error(
            403,
            "MissingAuthenticationToken",
            "Request is missing Authentication Token",
        )
    })?;
    if key == environment_keys().id {
        return state.scenario.credentials.clone().ok_or_else(unknown);
    }
    if key == user_keys().id {
        return state.scenario.user.clone().ok_or_else(unknown);
    }
    let all = state.scenario.accounts();
    let mut roles = all.flat_map(|account| account.roles.iter().map(move |role| (account, role)));
    let (account, role) = roles
        .find(|(account, role)| key == keys(&role.arn(account)).id)
        .ok_or_else(unknown)?;
    // A session's keys are nothing without its token.
    if request.headers.get("x-amz-security-token") != Some(&keys(&role.arn(account)).session_token) {
        return Err(unknown());
    }
    Ok(Identity {
        account: account.id.clone(),
        arn: session_arn(role, account, "GitHubActions"),
        reads_iam: role.reads_iam,
        ..Identity::default()
    })
}

/// The account that the signer may read; others have no roles here.
fn reader<'a>(request: &Request, state: &'a State, action: &str) -> Result<&'a Account, Response> {
    let caller = caller(request, state)?;
    let own = state.scenario.accounts().find(|account| caller.account == account.id);
    if let Some(account) = own.filter(|_| caller.reads_iam) {
        return Ok(account);
    }
    if caller.reads_iam {
        return Err(error(
            404,
            "NoSuchEntity",
            "The entity cannot be found in this account.",
        ));
    }
    let what = [
        "RoleName",
        "UserName",
        "GroupName",
        "OpenIDConnectProviderArn",
        "PolicyArn",
    ]
    .iter()
    .find_map(|field| request.form.get(*field));
    let message = format!(
        "User: {} is not authorized to perform: {action} on resource: {} because no identity-based policy allows the \
         {action} action",
        caller.arn,
        what.map_or("*", String::as_str)
    );
    Err(error(403, "AccessDenied", &message))
}

fn role<'a>(account: &'a Account, arn: &str) -> Option<&'a Role> {
    account.roles.iter().find(|role| role.arn(account) == arn)
}

fn is_diagnosis_role(request: &Request, state: &State) -> bool {
    let wanted = request.form.get("RoleArn");
    wanted.is_some() && wanted == state.scenario.with.get("diagnosis-role")
}

fn session(role: &Role, account: &Account, name: &str, state: &State) -> String {
    let keys = keys(&role.arn(account));
    state.keep_secret(&keys.id);
    state.keep_secret(&keys.secret);
    state.keep_secret(&keys.session_token);
    let expiration = OffsetDateTime::from_unix_timestamp(state.now() + 3600).unwrap();
    format!(
        "<AssumedRoleUser><Arn>{}</Arn><AssumedRoleId>AROA123EXAMPLE0000000:{name}</AssumedRoleId></AssumedRoleUser>\
         <Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken>\
         <Expiration>{}</Expiration></Credentials>",
        session_arn(role, account, name),
        keys.id,
        keys.secret,
        keys.session_token,
        expiration.format(&Rfc3339).unwrap()
    )
}

fn session_arn(role: &Role, account: &Account, session: &str) -> String {
    format!(
        "arn:{}:sts::{}:assumed-role/{}/{session}",
        account.partition, account.id, role.name
    )
}

/// The keys of a session: always the same, in AWS's format.
fn keys(whose: &str) -> Keys {
    let mut state = whose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut letters = |count: usize, of: &[u8]| -> String {
        let mut letter = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(of[usize::try_from(state >> 33).unwrap() % of.len()])
        };
        (0..count).map(|_| letter()).collect()
    };
    let base64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    Keys {
        id: format!("ASIA{}", letters(16, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")),
        secret: letters(40, base64),
        session_token: format!("IQoJb3JpZ2luX2VjE{}==", letters(301, base64)),
    }
}

/// Every secret of a request, in this form.
pub fn repeated(request: &Request, form: Form) -> String {
    let token = request.form.get("WebIdentityToken");
    let headers = ["authorization", "x-amz-security-token"];
    let secrets = headers
        .iter()
        .filter_map(|name| request.headers.get(*name))
        .chain(token);
    let said = secrets.map(String::as_str).collect::<Vec<_>>().join(" and ");
    let every = |encode: fn(u8) -> String| said.bytes().map(encode).collect();
    match form {
        Form::Whole => said,
        Form::Base64 => STANDARD.encode(said),
        Form::Capitals => said.to_uppercase(),
        Form::Entities => every(|byte| format!("&#{byte};")),
        Form::Percent => every(|byte| format!("%{byte:02x}")),
        Form::Reversed => said.chars().rev().collect(),
        Form::Slashes => said.replace('.', "/"),
        Form::Spaced => {
            let letters = said.chars().collect::<Vec<_>>();
            let words: Vec<String> = letters.chunks(20).map(|word| word.iter().collect()).collect();
            words.join(" ")
        }
    }
}

/// A correct answer that also repeats something, where its reader looks.
pub fn right_and_repeated(mut right: Response, said: &str) -> Response {
    right.body = right.body.replace("<Arn>", &format!("<Arn>{} ", escaped(said)));
    right.body = right.body.replacen("{\"", &format!("{{\"said\":{},\"", json!(said)), 1);
    right
}

/// A refusal that repeats something.
pub fn refused_and_repeated(service: Service, status: u16, place: Place, said: &str) -> Response {
    if matches!(service, Service::Rest | Service::Token) {
        return Response {
            status,
            content_type: "application/json",
            body: json!({"message": format!("bad token {said}")}).to_string(),
            headers: Vec::new(),
        };
    }
    match place {
        Place::Code => error(status, &escaped(said), "It is refused."),
        Place::Header => error(status, "InternalFailure", "It is refused."),
        Place::Text => error(status, "InternalFailure", &format!("bad token {said}")),
    }
}

/// The claims of a token, as STS would read them; `None` if it isn't a JWT.
fn claims(token: &str) -> Option<Map<String, Value>> {
    let [_, claims, _] = token.split('.').collect::<Vec<_>>().try_into().ok()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

fn members(list: &str, members: &[String]) -> String {
    let members: String = members
        .iter()
        .map(|member| format!("<member>{}</member>", escaped(member)))
        .collect();
    format!("<{list}>{members}</{list}>")
}

fn error(status: u16, code: &str, message: &str) -> Response {
    xml(
        status,
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    <Type>Sender</Type>\n    \
             <Code>{code}</Code>\n    <Message>{}</Message>\n  </Error>\n  <RequestId>{}</RequestId>\n</ErrorResponse>\n",
            escaped(message),
            id()
        ),
    )
}

fn xml(status: u16, body: String) -> Response {
    Response {
        status,
        content_type: "text/xml",
        body,
        headers: Vec::new(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A request ID, never the same twice.
fn id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("6f1c2d3e-4b5a-4697-8a8b-{count:012x}")
}
