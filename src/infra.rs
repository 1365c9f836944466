//! Trust policies as people keep them: Terraform source, plans and state, CloudFormation templates, and IAM's own JSON.
//!
//! Nothing is executed or queried. What only AWS or whoever applies the source knows stays unknown in its place, like a mask in text
//! that a user sends; the rest is read. Every part of a policy knows the line it comes from.

mod policy;
mod template;
mod terraform;
mod value;
mod yaml;

use std::collections::BTreeMap;

use serde_json::Value as Json;

pub(crate) use self::policy::Written;
use self::terraform::module::{ACCOUNT, PARTITION};
pub(crate) use self::value::Place;
use self::value::{Kind, Value, mark, shown};
use crate::text::{SourceText, Span};

/// What was found in some files.
#[derive(Debug, Default)]
pub(crate) struct Infra {
    /// The files.
    pub(crate) files: Vec<SourceText>,
    /// The roles, in the order of the files.
    pub(crate) roles: Vec<Role>,
    /// The identity providers.
    pub(crate) providers: Vec<Provider>,
    /// Files that can't be read, and why.
    pub(crate) unread: Vec<Unread>,
    /// Roles that IAM doesn't have, by ARN, each with what it answered.
    pub(crate) missing: BTreeMap<String, String>,
    /// Modules that are kept elsewhere and weren't read: the call, its source, and its place.
    pub(crate) elsewhere: Vec<(String, String, Place)>,
}

/// A role defined in some file.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    /// Its address there: `aws_iam_role.deploy["prod"]`, `DeployRole`.
    pub(crate) address: String,
    /// Its name, masked where unknown; `None` if the source gives none.
    pub(crate) name: Option<String>,
    /// Its path, `/` by default, masked where unknown.
    pub(crate) path: String,
    /// Its account number, if the source has it.
    pub(crate) account: Option<String>,
    /// Its maximum session duration.
    pub(crate) longest: Option<u32>,
    /// Its place.
    pub(crate) place: Place,
    /// Its trust policy, or why there is none to check.
    pub(crate) policy: Result<Written, String>,
    /// The value from which the policy is written.
    source: Value,
}

/// An identity provider defined in some file.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    /// Its issuer's host, masked where unknown.
    pub(crate) host: String,
    /// The audiences it accepts; `None` if unknown.
    pub(crate) audiences: Option<Vec<String>>,
    /// Its place.
    pub(crate) place: Place,
}

/// A file that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unread {
    /// Its index.
    pub(crate) file: usize,
    /// Line, from 1.
    pub(crate) line: usize,
    /// Column, from 1.
    pub(crate) column: usize,
    /// Why.
    pub(crate) why: String,
}

/// A role as declared in its source.
struct Declared {
    address: String,
    name: Option<Value>,
    path: Option<Value>,
    longest: Option<Value>,
    policy: Value,
    place: Place,
    assumed: Vec<String>,
}

/// What has been found so far.
#[derive(Default)]
struct Draft {
    roles: Vec<Role>,
    providers: Vec<Provider>,
    unread: Vec<Unread>,
    elsewhere: Vec<(String, String, Place)>,
}

impl Provider {
    fn new(url: Option<&Value>, clients: Option<&Value>, place: Place) -> Self {
        let audiences = clients.filter(|list| list.is_known()).map(|list| {
            let texts = list.elements().iter().filter_map(Value::known_text);
            texts.map(str::to_owned).collect()
        });
        Self {
            host: url
                .and_then(Value::as_text)
                .map_or_else(|| "${url}".to_owned(), |url| shown(&url)),
            audiences,
            place,
        }
    }
}

impl Role {
    /// Runs `run` for each of its places in a file.
    fn for_each_place(&mut self, file: usize, run: &mut dyn FnMut(&mut Place)) {
        let parts = self.policy.iter_mut().flat_map(|policy| &mut policy.parts);
        let places = parts.map(|(_, place)| place).chain([&mut self.place]);
        places.filter(|place| place.file == file).for_each(run);
    }

    /// The policy for an account, with the number filled in where it was unknown.
    ///
    /// # Errors
    /// As [`Written::of`].
    pub(crate) fn policy_in(&self, account: &str, partition: &str) -> Result<Written, String> {
        let written = self.policy.as_ref().map_err(Clone::clone)?;
        let has_unknown = |name: &str| written.unknown.iter().any(|unknown| unknown == name);
        if !has_unknown(ACCOUNT) && !has_unknown(PARTITION) {
            return Ok(written.clone());
        }
        let known = self
            .source
            .with(&mark(ACCOUNT), account)
            .with(&mark(PARTITION), partition);
        Written::of(&known).map(|policy| Written {
            assumed: written.assumed.clone(),
            ..policy
        })
    }
}

impl Draft {
    fn role(&mut self, declared: Declared) {
        let policy = Written::of(&declared.policy).map(|policy| Written {
            assumed: declared.assumed,
            ..policy
        });
        let text = |value: &Value| value.as_text().map(|text| shown(&text));
        let path = declared.path.as_ref().and_then(text);
        self.roles.push(Role {
            address: declared.address,
            name: declared.name.as_ref().and_then(text),
            path: path
                .filter(|path| path.starts_with(['/', '$']))
                .unwrap_or_else(|| "/".to_owned()),
            account: None,
            longest: declared.longest.and_then(|value| value.as_text()?.parse().ok()),
            place: declared.place,
            policy,
            source: declared.policy,
        });
    }
}

/// Reads the files' contents: Terraform, templates, plans, state, and IAM's JSON.
#[must_use]
pub(crate) fn read(files: Vec<SourceText>) -> Infra {
    let mut draft = Draft::default();
    terraform::read(&files, &mut draft);
    for (index, file) in files.iter().enumerate() {
        if terraform::is_source(&file.name) || !may_hold_roles(&file.text) {
            continue;
        }
        let is_json = file.name.ends_with(".json") || file.text.trim_start().starts_with('{');
        if is_json
            && let Ok(json) = serde_json::from_str::<Json>(&file.text)
            && (plan(&json, index, &mut draft) || state(&json, index, &mut draft))
        {
            continue;
        }
        if !is_json && !has_extension(&file.name, &["yaml", "yml", "template"]) {
            continue;
        }
        match yaml::read(&file.text, index) {
            Ok(tree) if template::is_template(&tree) => template::read(&tree, &mut draft),
            Ok(tree) => iam(&tree, &file.name, &mut draft),
            Err(fault) => draft.unread.push(Unread {
                file: index,
                line: fault.line,
                column: fault.column,
                why: format!("it is neither JSON nor YAML: {}", fault.message),
            }),
        }
    }
    Infra {
        files,
        roles: draft.roles,
        providers: draft.providers,
        unread: draft.unread,
        missing: BTreeMap::new(),
        elsewhere: draft.elsewhere,
    }
}

/// Whether this name is that of the account number or the partition, which a role's ARN contains.
pub(crate) fn is_filled_in(name: &str) -> bool {
    matches!(name, ACCOUNT | PARTITION)
}

/// Screens a text before it is read: most files of a repository contain no roles.
fn may_hold_roles(text: &str) -> bool {
    [
        "AssumeRole",
        "aws_iam_openid_connect_provider",
        "OIDCProvider",
        "OpenIdConnectProvider",
    ]
    .iter()
    .any(|word| text.contains(word))
}

/// Whether it is Terraform or OpenTofu source.
pub(crate) fn is_source(path: &str) -> bool {
    terraform::is_source(path)
}

/// Whether a file may contain roles, or what they are made from. Most YAML and JSON in a repository doesn't.
pub(crate) fn is_of_interest(path: &str, text: &str) -> bool {
    is_source(path) || !has_extension(path, &["json", "txt", "yaml", "yml"]) || may_hold_roles(text)
}

fn has_extension(path: &str, extensions: &[&str]) -> bool {
    path.rsplit_once('.').is_some_and(|(_, own)| extensions.contains(&own))
}

/// The directory of a file; empty at the root.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Reads a plan or state from `terraform show -json`. It has no lines, so every place is the whole file.
fn plan(json: &Json, file: usize, into: &mut Draft) -> bool {
    let values = json.get("planned_values").or_else(|| json.get("values"));
    let Some(root) = values
        .and_then(|values| values.get("root_module"))
        .filter(|_| json.get("format_version").is_some())
    else {
        return false;
    };
    let mut modules = vec![root];
    while let Some(module) = modules.pop() {
        let list = |name: &str| {
            module
                .get(name)
                .and_then(Json::as_array)
                .map(Vec::as_slice)
                .unwrap_or_default()
        };
        modules.extend(list("child_modules"));
        for resource in list("resources") {
            let text = |name: &str| resource.get(name).and_then(Json::as_str).unwrap_or_default();
            if let Some(values) = resource.get("values") {
                object(text("type"), text("address").to_owned(), values, file, into);
            }
        }
    }
    true
}

/// Reads a state as Terraform stores it. Its values aren't meant for outside Terraform, but its format has stayed the same since 0.12.
fn state(json: &Json, file: usize, into: &mut Draft) -> bool {
    let is_state = json.get("version").and_then(Json::as_u64) == Some(4) && json.get("terraform_version").is_some();
    let Some(resources) = json.get("resources").and_then(Json::as_array).filter(|_| is_state) else {
        return false;
    };
    for resource in resources {
        let text = |name: &str| resource.get(name).and_then(Json::as_str);
        // Data sources only repeat what is defined elsewhere.
        if text("mode") != Some("managed") {
            continue;
        }
        let (kind, name) = (text("type").unwrap_or_default(), text("name").unwrap_or_default());
        let module = text("module").map(|module| format!("{module}.")).unwrap_or_default();
        for instance in resource.get("instances").and_then(Json::as_array).into_iter().flatten() {
            let key = instance
                .get("index_key")
                .map(|key| format!("[{key}]"))
                .unwrap_or_default();
            if let Some(values) = instance.get("attributes") {
                object(kind, format!("{module}{kind}.{name}{key}"), values, file, into);
            }
        }
    }
    true
}

/// A resource as it is or will be, its attributes evaluated.
fn object(kind: &str, address: String, values: &Json, file: usize, into: &mut Draft) {
    let place = Place::new(file, Span::default());
    let value = |name: &str| match values.get(name) {
        Some(Json::String(text)) => Some(Value::text(text.clone(), place)),
        Some(Json::Number(number)) => Some(Value::new(Kind::Number(number.to_string()), place)),
        _ => None,
    };
    match kind {
        "aws_iam_role" => {
            into.role(Declared {
                name: value("name"),
                path: value("path"),
                longest: value("max_session_duration"),
                policy: value("assume_role_policy").unwrap_or_else(|| Value::unknown("known after apply", place)),
                address,
                place,
                assumed: Vec::new(),
            });
            let account = values.get("arn").and_then(Json::as_str).and_then(account_of);
            if let Some(role) = into.roles.last_mut() {
                role.account = account;
            }
        }
        "aws_iam_openid_connect_provider" => {
            let clients = values.get("client_id_list").and_then(Json::as_array).map(|list| {
                let texts = list
                    .iter()
                    .filter_map(Json::as_str)
                    .map(|text| Value::text(text, place));
                Value::new(Kind::List(texts.collect()), place)
            });
            let url = value("url").map(|url| {
                let text = url.as_text().unwrap_or_default();
                Value::text(text.trim_start_matches("https://"), place)
            });
            into.providers
                .push(Provider::new(url.as_ref(), clients.as_ref(), place));
        }
        _ => {}
    }
}

fn account_of(arn: &str) -> Option<String> {
    let account = arn.split(':').nth(4)?;
    (account.len() == 12).then(|| account.to_owned())
}

/// IAM's own JSON: a policy, `get-role`, `list-roles`, `get-account-authorization-details`.
fn iam(tree: &Value, path: &str, into: &mut Draft) {
    let roles = tree.get("Roles").or_else(|| tree.get("RoleDetailList"));
    let role = tree
        .get("Role")
        .or(Some(tree))
        .filter(|role| role.get("AssumeRolePolicyDocument").is_some());
    for role in roles.map(Value::elements).unwrap_or_default().iter().chain(role) {
        let Some(policy) = role.get("AssumeRolePolicyDocument") else {
            continue;
        };
        let name = role.get("RoleName").cloned();
        into.role(Declared {
            address: name.as_ref().and_then(Value::as_text).unwrap_or_default(),
            name,
            path: role.get("Path").cloned(),
            longest: role.get("MaxSessionDuration").cloned(),
            policy: policy.clone(),
            place: role.get("RoleName").map_or(role.place, |name| name.place),
            assumed: Vec::new(),
        });
        if let Some(made) = into.roles.last_mut() {
            made.account = role.get("Arn").and_then(Value::known_text).and_then(account_of);
        }
    }
    // A document on its own: a trust policy, not a permissions policy.
    let statements = tree.get("Statement").map(|statements| match &statements.kind {
        Kind::List(list) => list.as_slice(),
        _ => std::slice::from_ref(statements),
    });
    if statements
        .unwrap_or_default()
        .iter()
        .any(|statement| statement.get("Principal").is_some())
    {
        into.role(Declared {
            address: path.to_owned(),
            name: None,
            path: None,
            longest: None,
            policy: tree.clone(),
            place: tree.place,
            assumed: Vec::new(),
        });
    }
}

#[cfg(test)]
mod tests;
