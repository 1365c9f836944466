//! Trust policies as people keep them: Terraform's source, plans and state, CloudFormation's templates, and IAM's own JSON.
//!
//! Nothing is run and nobody is asked. What only AWS or whoever applies it knows stays unknown in its place, as a mask does in a text
//! that somebody sends; the rest is read. Every part of a policy knows the line that it comes from.

mod policy;
mod template;
mod terraform;
mod value;
mod yaml;

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
    /// Files that cannot be read, and why.
    pub(crate) unread: Vec<Unread>,
    /// Modules that are kept elsewhere and were not looked at: the call, its source, and where it stands.
    pub(crate) elsewhere: Vec<(String, String, Place)>,
}

/// A role that is written down somewhere.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    /// What it is called there: `aws_iam_role.deploy["prod"]`, `DeployRole`.
    pub(crate) address: String,
    /// Its name; a mask where it is not known.
    pub(crate) name: Option<String>,
    /// Its path, `/` unless it says otherwise; a mask where it is not known.
    pub(crate) path: String,
    /// Its account's number, where the source knows it.
    pub(crate) account: Option<String>,
    /// The longest session that it gives.
    pub(crate) longest: Option<u32>,
    /// Where it stands.
    pub(crate) place: Place,
    /// Its trust policy, or why there is none to look at.
    pub(crate) policy: Result<Written, String>,
    /// The policy's value, from which it is written.
    source: Value,
}

/// An identity provider that is written down somewhere.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    /// Its issuer's host; a mask where it is not known.
    pub(crate) host: String,
    /// The audiences that it accepts; `None` where they are not known.
    pub(crate) audiences: Option<Vec<String>>,
    /// Where it stands.
    pub(crate) place: Place,
}

/// A file that cannot be read.
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

/// A role as its source declares it.
struct Declared {
    address: String,
    name: Option<Value>,
    path: Option<Value>,
    longest: Option<Value>,
    policy: Value,
    place: Place,
    assumed: Vec<String>,
}

/// What is found on the way.
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
    /// Runs something for every place of it in a file.
    fn for_each_place(&mut self, file: usize, run: &mut dyn FnMut(&mut Place)) {
        let parts = self.policy.iter_mut().flat_map(|policy| &mut policy.parts);
        let places = parts.map(|(_, place)| place).chain([&mut self.place]);
        places.filter(|place| place.file == file).for_each(run);
    }

    /// The policy as it is in an account: its own number in the place of the account's.
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

/// Reads what the files hold: Terraform, templates, plans, state, and IAM's JSON.
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
            && plan(&json, index, &mut draft)
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
        elsewhere: draft.elsewhere,
    }
}

/// Is this name that of the account's number or the partition, which a role's ARN tells?
pub(crate) fn is_filled_in(name: &str) -> bool {
    matches!(name, ACCOUNT | PARTITION)
}

/// A look at a text before it is read: most files of a repository hold no role.
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

/// Is it Terraform's or OpenTofu's source?
pub(crate) fn is_source(path: &str) -> bool {
    terraform::is_source(path)
}

/// May a file hold roles, or what they are made of? Most YAML and JSON of a repository does not.
pub(crate) fn is_of_interest(path: &str, text: &str) -> bool {
    is_source(path) || !has_extension(path, &["json", "txt", "yaml", "yml"]) || may_hold_roles(text)
}

fn has_extension(path: &str, extensions: &[&str]) -> bool {
    path.rsplit_once('.').is_some_and(|(_, own)| extensions.contains(&own))
}

/// The directory of a file; empty for the first one.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// What `terraform show -json` says of a plan or a state. It has no lines: the whole file is where all of it stands.
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
            let place = Place::new(file, Span::default());
            let text = |name: &str| resource.get(name).and_then(Json::as_str);
            let Some(values) = resource.get("values") else { continue };
            let value = |name: &str| match values.get(name) {
                Some(Json::String(text)) => Some(Value::text(text.clone(), place)),
                Some(Json::Number(number)) => Some(Value::new(Kind::Number(number.to_string()), place)),
                _ => None,
            };
            let address = text("address").unwrap_or_default().to_owned();
            match text("type") {
                Some("aws_iam_role") => {
                    into.role(Declared {
                        name: value("name"),
                        path: value("path"),
                        longest: value("max_session_duration"),
                        policy: value("assume_role_policy")
                            .unwrap_or_else(|| Value::unknown("known after apply", place)),
                        address,
                        place,
                        assumed: Vec::new(),
                    });
                    let account = values.get("arn").and_then(Json::as_str).and_then(account_of);
                    if let Some(role) = into.roles.last_mut() {
                        role.account = account;
                    }
                }
                Some("aws_iam_openid_connect_provider") => {
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
    }
    true
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
    // A document alone: one that trusts somebody, not one that permits something.
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
