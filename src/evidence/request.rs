//! What a step requests, as in a saved run: its inputs by name, and what is known about them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Deref;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::configure::{INPUTS, Input, Inputs, KEYS, Text};

/// What the step requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The inputs of the step.
    pub inputs: Inputs,
    /// Where the inputs were read if no input gave them: "step `Configure AWS` of job `deploy`".
    pub source: Option<String>,
    /// The audience, endpoint and proxy of the step in the checkout, by input. They are shown, not followed: a checkout has no
    /// say in where a token goes.
    pub set_aside: BTreeMap<String, String>,
    /// Inputs of the step that are unknown here, in whole or in part, as they would be written in another step of the job: with
    /// `${{ secrets.ROLE }}` in them. They contain names, no values.
    pub not_known: BTreeMap<String, String>,
    /// Inputs of the step that have no value, or one that the step can't use here, and why.
    pub faults: BTreeMap<String, String>,
    /// Inputs that are empty and replaced by a variable of the job, which the action reads instead.
    pub by_variable: BTreeSet<String>,
}

impl Request {
    /// Whether the requested role is unknown, in whole or in part.
    #[must_use]
    pub fn names_no_role(&self) -> bool {
        self.get(Input::RoleToAssume).is_none() || self.not_known.contains_key(Input::RoleToAssume.name())
    }

    /// Why the profile that the step names can't be written, although its name is valid.
    #[must_use]
    pub fn profile_fault(&self) -> Option<&str> {
        self.given(Input::AwsProfile)?;
        self.faults.get(Input::AwsProfile.name()).map(String::as_str)
    }

    /// Empties its keys: the outputs that they name are empty, for this reason.
    pub(crate) fn empty_keys(&mut self, why: String) {
        for input in KEYS {
            self.inputs.set(input, "");
            self.not_known.remove(input.name());
        }
        // Said once, of the one that decides how the step gets credentials.
        self.faults.insert(Input::AwsAccessKeyId.name().to_owned(), why);
    }

    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Deref for Request {
    type Target = Inputs;

    fn deref(&self) -> &Inputs {
        &self.inputs
    }
}

const SOURCE: &str = "source";
const SET_ASIDE: &str = "set-aside";
const NOT_KNOWN: &str = "not-known";
const FAULTS: &str = "faults";
const BY_VARIABLE: &str = "by-variable";

impl Serialize for Request {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        for (input, value) in self.inputs.iter() {
            map.serialize_entry(input.name(), value)?;
        }
        if let Some(source) = &self.source {
            map.serialize_entry(SOURCE, source)?;
        }
        if !self.set_aside.is_empty() {
            map.serialize_entry(SET_ASIDE, &self.set_aside)?;
        }
        if !self.not_known.is_empty() {
            map.serialize_entry(NOT_KNOWN, &self.not_known)?;
        }
        if !self.faults.is_empty() {
            map.serialize_entry(FAULTS, &self.faults)?;
        }
        if !self.by_variable.is_empty() {
            map.serialize_entry(BY_VARIABLE, &self.by_variable)?;
        }
        map.end()
    }
}

/// Unknown names are skipped: a saved run may come from a later version.
impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct RequestVisitor;

        impl<'de> Visitor<'de> for RequestVisitor {
            type Value = Request;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("inputs by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Request, A::Error> {
                let mut request = Request::default();
                while let Some(name) = map.next_key::<String>()? {
                    match (&*name, INPUTS.iter().find(|spec| spec.name == name)) {
                        (SOURCE, _) => request.source = map.next_value::<Option<Text>>()?.map(|text| text.0),
                        (SET_ASIDE, _) => request.set_aside = map.next_value()?,
                        (NOT_KNOWN, _) => request.not_known = map.next_value()?,
                        (FAULTS, _) => request.faults = map.next_value()?,
                        (BY_VARIABLE, _) => request.by_variable = map.next_value()?,
                        (_, Some(spec)) => {
                            if let Some(Text(value)) = map.next_value()? {
                                request.inputs.set(spec.input, value);
                            }
                        }
                        _ => {
                            map.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(request)
            }
        }

        from.deserialize_map(RequestVisitor)
    }
}
