//! Roles and identity providers from CloudFormation templates, whether written by hand or by the CDK or SAM.

use std::cell::Cell;
use std::collections::HashMap;

use super::terraform::module::{ACCOUNT, PARTITION};
use super::value::{Kind, MOST_TEXT, Place, Text, Value, mark};
use super::{Declared, Draft, Provider};

/// The deepest nesting of references.
const MOST_DEPTH: usize = 40;
/// The most values evaluated for one template.
const MOST_WORK: usize = 500_000;

/// The resource types of an identity provider; the last is the CDK's own.
const PROVIDERS: [&str; 2] = ["AWS::IAM::OIDCProvider", "Custom::AWSCDKOpenIdConnectProvider"];

/// Whether it is a template: it has resources with types.
pub(super) fn is_template(tree: &Value) -> bool {
    let resources = tree.get("Resources").map(Value::entries).unwrap_or_default();
    resources.iter().any(|(_, resource)| resource.get("Type").is_some())
}

/// Reads a template.
pub(super) fn read(tree: &Value, into: &mut Draft) {
    let template = Template {
        tree,
        work: Cell::new(MOST_WORK),
    };
    for (name, resource) in tree.get("Resources").map(Value::entries).unwrap_or_default() {
        let (Some(name), Some(kind)) = (name.known_text(), resource.get("Type").and_then(Value::known_text)) else {
            continue;
        };
        // A resource excluded by its condition doesn't exist.
        if let Some(condition) = resource.get("Condition").and_then(Value::known_text)
            && template.condition(condition, 0) == Some(false)
        {
            continue;
        }
        let place = resource.get("Type").map_or(resource.place, |kind| kind.place);
        let property = |name: &str| {
            let value = resource
                .get("Properties")?
                .get(name)
                .map(|value| template.value(value, 0))?;
            (value.kind != Kind::Null).then_some(value)
        };
        if kind == "AWS::IAM::Role" {
            into.role(Declared {
                address: name.to_owned(),
                name: property("RoleName"),
                path: property("Path"),
                longest: property("MaxSessionDuration"),
                policy: property("AssumeRolePolicyDocument")
                    .unwrap_or_else(|| Value::unknown("AssumeRolePolicyDocument", place)),
                place,
                assumed: template.defaults(resource),
            });
        } else if PROVIDERS.contains(&kind) {
            let url = property("Url").map(|url| host(&url));
            let clients = property("ClientIdList").or_else(|| property("ClientIDList"));
            into.providers
                .push(Provider::new(url.as_ref(), clients.as_ref(), place));
        }
    }
}

/// The host of an issuer, which is what IAM stores of its URL.
fn host(url: &Value) -> Value {
    match url.known_text() {
        Some(text) => Value::text(text.trim_start_matches("https://").trim_end_matches('/'), url.place),
        None => url.clone(),
    }
}

struct Template<'a> {
    tree: &'a Value,
    work: Cell<usize>,
}

impl Template<'_> {
    /// Evaluates a value, calling its functions (CloudFormation User Guide, intrinsic functions). What is omitted
    /// (`AWS::NoValue`) is null.
    fn value(&self, value: &Value, depth: usize) -> Value {
        let place = value.place;
        let left = self.work.get();
        self.work.set(left.saturating_sub(1));
        if left == 0 || depth > MOST_DEPTH {
            return Value::unknown("too deep", place);
        }
        let depth = depth + 1;
        match &value.kind {
            Kind::Object(entries) => {
                if let [(name, argument)] = &**entries
                    && let Some(name) = name.known_text()
                    && (name == "Ref" || name.starts_with("Fn::"))
                {
                    return self.function(name, argument, place, depth).unwrap_or_else(|| {
                        let first = argument.elements().first().unwrap_or(argument);
                        let what = first.as_text().unwrap_or_else(|| name.to_owned());
                        Value::unknown(what.replace("AWS::", ""), place)
                    });
                }
                let entry = |(key, value): &(Value, Value)| (key.clone(), self.value(value, depth));
                let is_there = |(_, value): &(Value, Value)| value.kind != Kind::Null;
                Value::new(
                    Kind::Object(entries.iter().map(entry).filter(is_there).collect()),
                    place,
                )
            }
            Kind::List(items) => {
                let items = items.iter().map(|item| self.value(item, depth));
                Value::new(
                    Kind::List(items.filter(|item| item.kind != Kind::Null).collect()),
                    place,
                )
            }
            _ => value.clone(),
        }
    }

    fn function(&self, name: &str, argument: &Value, place: Place, depth: usize) -> Option<Value> {
        let argument_at = |at: usize| argument.elements().get(at);
        let worked_out = |at: usize| argument_at(at).map(|value| self.value(value, depth));
        match name {
            "Ref" => self.reference(argument.known_text()?, place, depth),
            "Fn::GetAtt" => {
                let (name, attribute) = match argument.known_text() {
                    Some(text) => text.split_once('.')?,
                    None => (argument_at(0)?.known_text()?, argument_at(1)?.known_text()?),
                };
                self.attribute(name, attribute, place, depth)
            }
            "Fn::Sub" => match argument.known_text() {
                Some(text) => self.substituted(text, &[], argument.place, depth),
                None => self.substituted(
                    argument_at(0)?.known_text()?,
                    argument_at(1)?.entries(),
                    argument_at(0)?.place,
                    depth,
                ),
            },
            "Fn::Join" => {
                let separator = argument_at(0)?.as_text()?;
                let items = worked_out(1)?;
                let mut joined = Text::default();
                if items.elements().is_empty() {
                    return None;
                }
                for (at, item) in items.elements().iter().enumerate() {
                    if at > 0 {
                        joined.push(&Value::text(separator.clone(), place))?;
                    }
                    joined.push(item)?;
                    (joined.text.len() <= MOST_TEXT).then_some(())?;
                }
                Some(Value::new(Kind::Text(joined), place))
            }
            "Fn::If" => match self.condition(argument_at(0)?.known_text()?, depth) {
                Some(true) => worked_out(1),
                Some(false) => worked_out(2),
                None => None,
            },
            "Fn::Select" => {
                let index = worked_out(0)?.as_text()?.parse().ok()?;
                worked_out(1)?.element(index)
            }
            "Fn::Split" => {
                let (separator, text) = (argument_at(0)?.as_text()?, worked_out(1)?);
                let parts = text
                    .known_text()?
                    .split(&*separator)
                    .map(|part| Value::text(part, place));
                Some(Value::new(Kind::List(parts.collect()), place))
            }
            "Fn::FindInMap" => {
                let key = |at: usize| worked_out(at)?.known_text().map(str::to_owned);
                let found = self.tree.get("Mappings")?.get(&key(0)?)?.get(&key(1)?)?.get(&key(2)?)?;
                Some(self.value(found, depth))
            }
            "Fn::ToJsonString" => Some(Value::new(Kind::Json(Box::new(self.value(argument, depth))), place)),
            _ => None,
        }
    }

    fn parameter(&self, name: &str) -> Option<&Value> {
        self.tree.get("Parameters")?.get(name)
    }

    fn reference(&self, name: &str, place: Place, depth: usize) -> Option<Value> {
        match name {
            "AWS::NoValue" => return Some(Value::new(Kind::Null, place)),
            "AWS::AccountId" => return Some(Value::text(mark(ACCOUNT), place)),
            "AWS::Partition" => return Some(Value::text(mark(PARTITION), place)),
            "AWS::URLSuffix" => return Some(Value::text("amazonaws.com", place)),
            _ => {}
        }
        if let Some(parameter) = self.parameter(name) {
            let default = parameter.get("Default")?;
            let kind = parameter.get("Type").and_then(Value::known_text).unwrap_or_default();
            // A list is a single comma-separated text.
            if matches!(kind, "CommaDelimitedList" | "List<String>") {
                let text = default.as_text()?;
                let items = text.split(',').map(|item| Value::text(item.trim(), default.place));
                return Some(Value::new(Kind::List(items.collect()), default.place));
            }
            // The name of a parameter in Parameter Store, not its value.
            return (!kind.contains("SSM::")).then(|| default.clone());
        }
        let resource = self.tree.get("Resources")?.get(name)?;
        match resource.get("Type")?.known_text()? {
            "AWS::IAM::Role" => Some(self.value(resource.get("Properties")?.get("RoleName")?, depth)),
            // The provider's ARN.
            kind if PROVIDERS.contains(&kind) => self.provider(resource, place, depth),
            _ => None,
        }
    }

    fn attribute(&self, name: &str, attribute: &str, place: Place, depth: usize) -> Option<Value> {
        let resource = self.tree.get("Resources")?.get(name)?;
        let kind = resource.get("Type")?.known_text()?;
        match attribute {
            "Arn" if PROVIDERS.contains(&kind) => self.provider(resource, place, depth),
            "Arn" if kind == "AWS::IAM::Role" => {
                let properties = resource.get("Properties")?;
                let path = properties
                    .get("Path")
                    .map_or_else(|| Value::text("/", place), |path| self.value(path, depth));
                let mut arn = Text::default();
                arn.push(&Value::text(
                    format!("arn:{}:iam::{}:role", mark(PARTITION), mark(ACCOUNT)),
                    place,
                ))?;
                arn.push(&path)?;
                arn.push(&self.value(properties.get("RoleName")?, depth))?;
                Some(Value::new(Kind::Text(arn), place))
            }
            _ => None,
        }
    }

    fn provider(&self, resource: &Value, place: Place, depth: usize) -> Option<Value> {
        let url = host(&self.value(resource.get("Properties")?.get("Url")?, depth));
        let mut arn = Text::default();
        arn.push(&Value::text(
            format!("arn:{}:iam::{}:oidc-provider/", mark(PARTITION), mark(ACCOUNT)),
            place,
        ))?;
        arn.push(&url)?;
        Some(Value::new(Kind::Text(arn), place))
    }

    /// `${name}`, `${name.attribute}`, and `${!literal}`, which becomes `${literal}`.
    fn substituted(&self, text: &str, own: &[(Value, Value)], place: Place, depth: usize) -> Option<Value> {
        let mut made = Text::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            made.push(&Value::text(before, place))?;
            let Some((name, after)) = after.split_once('}') else {
                made.push(&Value::text("${", place))?;
                rest = after;
                break;
            };
            rest = after;
            let name = name.trim();
            let own = own
                .iter()
                .find(|(key, _)| key.known_text() == Some(name))
                .map(|(_, value)| self.value(value, depth));
            let value = match (name.strip_prefix('!'), own) {
                (Some(literal), _) => Some(Value::text(format!("${{{literal}}}"), place)),
                (None, Some(value)) => Some(value),
                (None, None) => match name.split_once('.') {
                    Some((name, attribute)) => self.attribute(name, attribute, place, depth),
                    None => self.reference(name, place, depth),
                },
            };
            made.push(&value.unwrap_or_else(|| Value::unknown(name.replace("AWS::", ""), place)))?;
            (made.text.len() <= MOST_TEXT).then_some(())?;
        }
        made.push(&Value::text(rest, place))?;
        // Text with nothing substituted is in the file verbatim.
        if made.text == text {
            return Some(Value::text(text, place));
        }
        Some(Value::new(Kind::Text(made), place))
    }

    /// Whether a condition holds; `None` if that depends on a parameter without a default.
    fn condition(&self, name: &str, depth: usize) -> Option<bool> {
        (depth <= MOST_DEPTH).then_some(())?;
        self.holds(self.tree.get("Conditions")?.get(name)?, depth + 1)
    }

    fn holds(&self, value: &Value, depth: usize) -> Option<bool> {
        (depth <= MOST_DEPTH).then_some(())?;
        let [(name, argument)] = value.entries() else {
            return None;
        };
        let each = || argument.elements().iter().map(|value| self.holds(value, depth + 1));
        match name.known_text()? {
            "Condition" => self.condition(argument.known_text()?, depth),
            "Fn::Equals" => {
                let side = |at: usize| {
                    let value = self.value(argument.elements().get(at)?, depth);
                    value.is_known().then(|| value.as_text())?
                };
                Some(side(0)? == side(1)?)
            }
            "Fn::Not" => each().next()?.map(|holds| !holds),
            "Fn::And" if each().any(|holds| holds == Some(false)) => Some(false),
            "Fn::And" => each().all(|holds| holds == Some(true)).then_some(true),
            "Fn::Or" if each().any(|holds| holds == Some(true)) => Some(true),
            "Fn::Or" => each().all(|holds| holds == Some(false)).then_some(false),
            _ => None,
        }
    }

    /// The parameters with defaults that a resource refers to; they can be overridden.
    fn defaults(&self, resource: &Value) -> Vec<String> {
        let parameters = self.tree.get("Parameters").map(Value::entries).unwrap_or_default();
        let mut names: HashMap<&str, bool> = HashMap::new();
        for (name, parameter) in parameters {
            if let (Some(name), true) = (name.known_text(), parameter.get("Default").is_some()) {
                names.insert(name, false);
            }
        }
        named(resource, &mut names, 0);
        let mut used: Vec<String> = names
            .into_iter()
            .filter(|(_, used)| *used)
            .map(|(name, _)| name.to_owned())
            .collect();
        used.sort();
        used
    }
}

/// Records which names a value refers to.
fn named(value: &Value, names: &mut HashMap<&str, bool>, depth: usize) {
    if depth > MOST_DEPTH {
        return;
    }
    match &value.kind {
        Kind::List(items) => items.iter().for_each(|item| named(item, names, depth + 1)),
        Kind::Object(entries) => entries.iter().for_each(|(_, value)| named(value, names, depth + 1)),
        Kind::Text(text) => {
            for (name, used) in names.iter_mut() {
                *used |= text.text == *name || text.text.contains(&format!("${{{name}}}"));
            }
        }
        _ => {}
    }
}
