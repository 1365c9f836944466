//! A line of JSON: its request, and the policies' answer.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{MAX_EXPANDED, MAX_STEPS, MAX_VALUE, MAX_VALUES};
use crate::policy::parse::quoted;
use crate::policy::{self, Decision, Limits, Policy, Presence, RequestContext, RequestPrincipal, access};

/// One line, as far as it was read: the ID survives an error after it.
#[derive(Default)]
pub(super) struct Asked<'a> {
    pub(super) id: Option<&'a RawValue>,
    trust_policy: Option<&'a RawValue>,
    /// The caller's policies; if absent, only the trust policy is evaluated.
    identity_policies: Option<&'a RawValue>,
    permissions_boundary: Option<&'a RawValue>,
    session_policies: Option<&'a RawValue>,
    request: Option<RequestContext>,
}

impl<'a> Asked<'a> {
    pub(super) fn read(&mut self, line: &'a str) -> Result<(), String> {
        let mut deserializer = serde_json::Deserializer::from_str(line);
        deserializer
            .deserialize_map(LineVisitor(self))
            .and_then(|()| deserializer.end())
            .map_err(|error| beginning(&error))
    }

    pub(super) fn evaluate(&self) -> Result<(Decision, String), String> {
        let Some(trust_policy) = self.trust_policy else {
            return Err("the line has no `trust_policy`".to_owned());
        };
        let Some(request) = &self.request else {
            return Err("the line has no `request`".to_owned());
        };
        let trust_policy = trust_policy.get();
        let text: String;
        let mut json = trust_policy;
        let parsed = if trust_policy.starts_with('"') && trust_policy.len() <= LONGEST_QUOTED {
            text = serde_json::from_str(trust_policy).map_err(|error| format!("`trust_policy`: {error}"))?;
            json = &text;
            policy::parse(&text)
        } else {
            policy::parse::parse_json(trust_policy)
        };
        let parsed = parsed.or_else(|error| match policy::parse::of_role(json) {
            Some(document) => policy::parse(&document),
            None => Err(error),
        });
        let policy = parsed.map_err(|error| match error.help {
            Some(help) => format!("`trust_policy`: {}; {help}", error.message),
            None => format!("`trust_policy`: {}", error.message),
        })?;
        let limits = Limits::new(MAX_STEPS, MAX_EXPANDED);
        if self.identity_policies.is_none() && (self.permissions_boundary.is_some() || self.session_policies.is_some())
        {
            return Err("the line has no `identity_policies`, which the others limit".to_owned());
        }
        let decided = if let Some(identity) = self.identity_policies {
            let list = |name, value: Option<&RawValue>| {
                value.map_or_else(|| Ok(Vec::new()), |value| list_of_policies(name, value))
            };
            let (identity, boundary, session) = (
                list_of_policies("identity_policies", identity)?,
                list("permissions_boundary", self.permissions_boundary)?,
                list("session_policies", self.session_policies)?,
            );
            let caller = access::Caller {
                identity: Some(&identity),
                boundary: Some(&boundary),
                session: Some(&session),
            };
            access::access_within(request, Some(&policy), caller, &limits).map(|access| (access.decision, access.why()))
        } else {
            policy::decide_within(&policy, request, &limits)
        };
        decided.map_err(|limit| limit.to_string())
    }
}

/// One policy of the caller's, or several.
fn list_of_policies(name: &str, value: &RawValue) -> Result<Vec<Policy>, String> {
    let parts = if value.get().starts_with('[') {
        serde_json::from_str(value.get()).map_err(|error| format!("`{name}`: {error}"))?
    } else {
        vec![value]
    };
    let parsed = parts.into_iter().map(|part: &RawValue| {
        policy::parse_identity(part.get()).map_err(|error| format!("`{name}`: {}", error.message))
    });
    parsed.collect()
}

/// The longest JSON string of a policy: each byte takes at most six, plus the quotes. A longer one is too long without being
/// parsed.
const LONGEST_QUOTED: usize = 6 * policy::parse::MAX_BYTES + 2;

struct LineVisitor<'v, 'a>(&'v mut Asked<'a>);

impl<'de> Visitor<'de> for LineVisitor<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `trust_policy` and `request`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "id" => once(&mut self.0.id, map.next_value()?, "id")?,
                "trust_policy" => once(&mut self.0.trust_policy, map.next_value()?, "trust_policy")?,
                "identity_policies" => once(&mut self.0.identity_policies, map.next_value()?, "identity_policies")?,
                "permissions_boundary" => {
                    once(
                        &mut self.0.permissions_boundary,
                        map.next_value()?,
                        "permissions_boundary",
                    )?;
                }
                "session_policies" => once(&mut self.0.session_policies, map.next_value()?, "session_policies")?,
                "request" => once(&mut self.0.request, map.next_value::<RequestJson>()?.0, "request")?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

fn once<T, E: de::Error>(place: &mut Option<T>, value: T, field: &'static str) -> Result<(), E> {
    if place.replace(value).is_some() {
        return Err(E::duplicate_field(field));
    }
    Ok(())
}

/// The beginning of an error message: it may quote part of the line, which can be long.
fn beginning(error: &serde_json::Error) -> String {
    struct Beginning(String);
    impl fmt::Write for Beginning {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            let room = LONGEST_ERROR.saturating_sub(self.0.len());
            let shown = part.get(..part.floor_char_boundary(room)).unwrap_or_default();
            self.0.push_str(shown);
            if shown.len() == part.len() {
                return Ok(());
            }
            self.0.push('…');
            Err(fmt::Error)
        }
    }
    let mut shown = Beginning(String::new());
    // This fails if it was cut.
    let _ = write!(shown, "{error}");
    shown.0
}

const LONGEST_ERROR: usize = 1024;

/// A string, borrowed if it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct RequestJson(RequestContext);

impl<'de> Deserialize<'de> for RequestJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(expecting = "an object with `action`")]
        struct Parts<'a> {
            #[serde(borrow)]
            action: Cow<'a, str>,
            #[serde(default)]
            principal: Option<PrincipalJson>,
            #[serde(default)]
            resource: Option<String>,
            #[serde(default)]
            context: ContextJson,
        }
        let parts = Parts::deserialize(deserializer)?;
        let mut request = parts.context.0;
        request.action = parts.action.into_owned();
        request.principal = parts.principal.map(|caller| caller.0).unwrap_or_default();
        request.resource = parts.resource;
        Ok(Self(request))
    }
}

struct PrincipalJson(RequestPrincipal);

impl<'de> Deserialize<'de> for PrincipalJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PrincipalVisitor)
    }
}

struct PrincipalVisitor;

impl<'de> Visitor<'de> for PrincipalVisitor {
    type Value = PrincipalJson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one of `federated`, `aws` and `service`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PrincipalJson, A::Error> {
        let mut caller = None;
        while let Some(Text(key)) = map.next_key()? {
            let value: String = map.next_value()?;
            let this = if key.eq_ignore_ascii_case("federated") {
                RequestPrincipal::Federated(value)
            } else if key.eq_ignore_ascii_case("aws") {
                RequestPrincipal::Aws(value)
            } else if key.eq_ignore_ascii_case("service") {
                RequestPrincipal::Service(value)
            } else {
                return Err(de::Error::custom(format_args!(
                    "unknown field {}, expected one of `federated`, `aws`, `service`",
                    quoted(&key)
                )));
            };
            if caller.replace(this).is_some() {
                return Err(de::Error::custom("a request has one principal"));
            }
        }
        caller
            .map(PrincipalJson)
            .ok_or_else(|| de::Error::custom("the principal is empty"))
    }
}

#[derive(Default)]
struct ContextJson(RequestContext);

impl<'de> Deserialize<'de> for ContextJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ContextVisitor)
    }
}

struct ContextVisitor;

impl<'de> Visitor<'de> for ContextVisitor {
    type Value = ContextJson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of condition keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ContextJson, A::Error> {
        let mut context = RequestContext::default().with_capacity(FEW_KEYS);
        let mut room = MAX_VALUES;
        while let Some(Text(key)) = map.next_key()? {
            let value: &RawValue = map.next_value()?;
            take_one(&mut room).map_err(de::Error::custom)?;
            let presence = if value.get().starts_with('[') {
                list(&key, value, &mut room).map(Presence::Many)
            } else {
                scalar(&key, value).map(Presence::One)
            };
            if context.set(&key, presence.map_err(de::Error::custom)?).is_some() {
                return Err(de::Error::custom(format_args!(
                    "the context has the key {} twice",
                    quoted(&key)
                )));
            }
        }
        Ok(ContextJson(context))
    }
}

/// The number of keys a request can have before the table grows.
const FEW_KEYS: usize = 14;

fn take_one(room: &mut usize) -> Result<(), String> {
    *room = room
        .checked_sub(1)
        .ok_or_else(|| format!("the context has more than {MAX_VALUES} values"))?;
    Ok(())
}

/// Reads the values of a list one by one: a long list takes no memory before it is counted.
fn list(key: &str, values: &RawValue, room: &mut usize) -> Result<Vec<String>, String> {
    struct List<'l>(&'l str, &'l mut usize, &'l mut Option<String>);

    impl<'de> Visitor<'de> for List<'_> {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
            let Self(key, room, wrong) = self;
            let mut values = Vec::new();
            while let Some(value) = list.next_element::<&RawValue>()? {
                match take_one(room).and_then(|()| scalar(key, value)) {
                    Ok(value) => values.push(value),
                    Err(error) => {
                        *wrong = Some(error);
                        return Err(de::Error::custom("a value is wrong"));
                    }
                }
            }
            Ok(values)
        }
    }

    let mut wrong = None;
    let read = serde_json::Deserializer::from_str(values.get()).deserialize_seq(List(key, room, &mut wrong));
    read.map_err(|error| wrong.unwrap_or_else(|| error.to_string()))
}

/// Reads a string, or the text of a number or a boolean.
fn scalar(key: &str, value: &RawValue) -> Result<String, String> {
    let text = value.get();
    if text.len() > MAX_VALUE {
        return Err(format!("the value of {} is longer than {MAX_VALUE} bytes", quoted(key)));
    }
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).map_err(|error| error.to_string()),
        Some(b't' | b'f' | b'-' | b'0'..=b'9') => Ok(text.to_owned()),
        _ => Err(format!(
            "the value of {} is not a string, a number, a boolean or a list of them",
            quoted(key)
        )),
    }
}
