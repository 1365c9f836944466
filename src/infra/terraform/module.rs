//! A Terraform module: a directory's blocks with the values of one call, and what its names refer to.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use hcl_edit::Span as _;
use hcl_edit::structure::{Attribute, Block, Body};

use super::document;
use super::expression::{MOST_ELEMENTS, Names, Scope};
use super::json::Native;
use crate::infra::policy::GITHUB;
use crate::infra::value::{Kind, Place, Text, Value, mark};
use crate::text::{SourceText, Span};

/// The deepest nesting of modules.
const MOST_MODULES: usize = 10;
/// The most values evaluated for one role; beyond that, the rest of it is unknown.
const MOST_WORK: usize = 100_000;
/// The most for all roles together.
const MOST_WORK_IN_ALL: usize = 2_000_000;

/// The unknown's name for the account number, wherever that comes from.
pub(in crate::infra) const ACCOUNT: &str = "account";
/// The unknown's name for the partition.
pub(in crate::infra) const PARTITION: &str = "partition";

/// All files, and the Terraform among them by directory.
pub(super) struct World<'a> {
    pub(super) files: &'a [SourceText],
    /// Those in JSON, converted to native syntax.
    pub(super) native: BTreeMap<usize, Native>,
    pub(super) directories: BTreeMap<String, Vec<(usize, Body)>>,
    /// Values for variables: `terraform.tfvars` and `*.auto.tfvars`.
    pub(super) given: BTreeMap<String, Vec<(usize, Body)>>,
    /// The work left for this role, and for all.
    work: Cell<(usize, usize)>,
}

impl<'a> World<'a> {
    pub(super) fn new(files: &'a [SourceText]) -> Self {
        Self {
            files,
            native: BTreeMap::new(),
            directories: BTreeMap::new(),
            given: BTreeMap::new(),
            work: Cell::new((MOST_WORK, MOST_WORK_IN_ALL)),
        }
    }

    /// The text of a file, in native syntax.
    pub(super) fn text(&self, file: usize) -> &str {
        let given = || self.files.get(file).map_or("", |file| &file.text);
        self.native.get(&file).map_or_else(given, |native| &native.text)
    }
}

/// A block or attribute, and its file.
pub(super) type At<'a, T> = (usize, &'a T);

/// A directory with the values of one call.
pub(super) struct Module<'a> {
    world: &'a World<'a>,
    directory: &'a str,
    /// `module.name.`, for addresses.
    pub(super) prefix: String,
    /// The call's inputs; `None` for a root, whose variables can be set elsewhere.
    inputs: Option<HashMap<String, Value>>,
    variables: HashMap<&'a str, At<'a, Block>>,
    locals: HashMap<&'a str, At<'a, Attribute>>,
    resources: BTreeMap<(&'a str, &'a str), At<'a, Block>>,
    data: BTreeMap<(&'a str, &'a str), At<'a, Block>>,
    outputs: Vec<(&'a str, At<'a, Block>)>,
    calls: BTreeMap<&'a str, At<'a, Block>>,
    /// What has been evaluated, with the defaults it depends on; `None` while being evaluated.
    known: RefCell<HashMap<String, Option<Known>>>,
    /// Variables whose default was used.
    defaults: RefCell<BTreeSet<String>>,
    /// The directories of the modules that led to this one, its own last.
    chain: Vec<&'a str>,
}

/// A value, and the variables whose defaults it depends on.
type Known = (Value, BTreeSet<String>);

/// One of the objects that a block represents.
pub(super) struct Instance {
    /// `["prod"]` or `[0]`; empty without `count` and `for_each`.
    pub(super) key: String,
    /// `each` or `count`.
    pub(super) names: Names,
}

impl<'a> Module<'a> {
    pub(super) fn new(
        world: &'a World<'a>,
        directory: &'a str,
        prefix: String,
        inputs: Option<HashMap<String, Value>>,
        above: &[&'a str],
    ) -> Option<Self> {
        let bodies = world.directories.get(directory)?;
        let mut module = Self {
            world,
            directory,
            prefix,
            inputs,
            variables: HashMap::new(),
            locals: HashMap::new(),
            resources: BTreeMap::new(),
            data: BTreeMap::new(),
            outputs: Vec::new(),
            calls: BTreeMap::new(),
            known: RefCell::default(),
            defaults: RefCell::default(),
            chain: above.iter().copied().chain([directory]).collect(),
        };
        for (file, body) in bodies {
            for block in body.blocks() {
                let mut labels = block.labels.iter().map(|label| label.as_str());
                match (block.ident.value().as_str(), labels.next(), labels.next()) {
                    ("variable", Some(name), _) => {
                        module.variables.insert(name, (*file, block));
                    }
                    ("locals", ..) => {
                        let locals = block.body.attributes();
                        module
                            .locals
                            .extend(locals.map(|local| (local.key.value().as_str(), (*file, local))));
                    }
                    ("resource", Some(kind), Some(name)) => {
                        module.resources.insert((kind, name), (*file, block));
                    }
                    ("data", Some(kind), Some(name)) => {
                        module.data.insert((kind, name), (*file, block));
                    }
                    ("output", Some(name), _) => module.outputs.push((name, (*file, block))),
                    ("module", Some(name), _) => {
                        module.calls.insert(name, (*file, block));
                    }
                    _ => {}
                }
            }
        }
        Some(module)
    }

    /// Spends work; false if not enough is left.
    pub(super) fn work(&self, more: usize) -> bool {
        let (own, all) = self.world.work.get();
        self.world
            .work
            .set((own.saturating_sub(more), all.saturating_sub(more)));
        own > more && all > more
    }

    /// Resets the work for the next role.
    pub(super) fn next(&self) {
        self.world.work.set((MOST_WORK, self.world.work.get().1));
    }

    /// The text of a file.
    pub(super) fn text(&self, file: usize) -> &'a str {
        self.world.text(file)
    }

    /// A file by its path from the root.
    pub(super) fn beside(&self, path: &str) -> Option<(usize, &'a str)> {
        let path = join("", path)?;
        let mut files = self.world.files.iter().enumerate();
        files
            .find(|(_, file)| file.name == path)
            .map(|(at, file)| (at, &*file.text))
    }

    /// The resources of a kind.
    pub(super) fn resources(&self, kind: &str) -> impl Iterator<Item = (&'a str, At<'a, Block>)> {
        let of = move |((its, name), at): (&(&'a str, &'a str), &At<'a, Block>)| (*its == kind).then_some((*name, *at));
        self.resources.iter().filter_map(of).collect::<Vec<_>>().into_iter()
    }

    /// Its module calls: the name, the block and the source as written.
    pub(super) fn calls(&self) -> impl Iterator<Item = (&'a str, At<'a, Block>, Option<String>)> {
        self.calls.iter().map(|(name, at)| {
            let source = at.1.body.get_attribute("source");
            (
                *name,
                *at,
                source.and_then(|source| source.value.as_str()).map(str::to_owned),
            )
        })
    }

    /// The modules that a call represents, if their directory is among the files.
    pub(super) fn called(&self, name: &str) -> Vec<(Instance, Self)> {
        let Some((file, block)) = self.calls.get(name) else {
            return Vec::new();
        };
        let source = block
            .body
            .get_attribute("source")
            .and_then(|source| source.value.as_str());
        let directory = source
            .filter(|source| source.starts_with('.'))
            .and_then(|source| join(self.directory, source));
        let Some((directory, _)) = directory.and_then(|directory| self.world.directories.get_key_value(&directory))
        else {
            return Vec::new();
        };
        if self.chain.len() >= MOST_MODULES || self.chain.contains(&directory.as_str()) {
            return Vec::new();
        }
        let mut called = Vec::new();
        for instance in self.instances(block, *file) {
            let scope = self.scope(*file, &instance.names);
            let inputs = block
                .body
                .attributes()
                .map(|input| (input.key.value().to_string(), scope.value(&input.value)));
            let prefix = format!("{}module.{name}{}.", self.prefix, instance.key);
            let module = Module::new(self.world, directory, prefix, Some(inputs.collect()), &self.chain);
            called.extend(module.map(|module| (instance, module)));
        }
        called
    }

    /// Runs something, and returns the variables whose defaults it depends on too.
    pub(super) fn watched<T>(&self, run: impl FnOnce() -> T) -> (T, BTreeSet<String>) {
        let before = self.defaults.take();
        let value = run();
        let own = self.defaults.replace(before);
        self.defaults.borrow_mut().extend(own.iter().cloned());
        (value, own)
    }

    pub(super) fn scope<'s>(&'s self, file: usize, names: &'s [(String, Rc<Value>)]) -> Scope<'s>
    where
        'a: 's,
    {
        Scope {
            module: self,
            file,
            names,
            depth: 0,
        }
    }

    /// The instances that `count` and `for_each` create from a block.
    pub(super) fn instances(&self, block: &Block, file: usize) -> Vec<Instance> {
        let scope = self.scope(file, &[]);
        let place = Place::new(file, span_of(block));
        let object = |entries: Vec<(&str, Value)>| {
            let entries = entries
                .into_iter()
                .map(|(name, value)| (Value::text(name, place), value));
            Value::new(Kind::Object(entries.collect()), place)
        };
        if let Some(count) = block.body.get_attribute("count") {
            let value = scope.value(&count.value);
            let number = value.as_text().and_then(|text| text.parse::<usize>().ok());
            let one = |key: String, index: Value| Instance {
                key,
                names: vec![("count".to_owned(), Rc::new(object(vec![("index", index)])))],
            };
            return match number {
                Some(number) => (0..number.min(MOST_ELEMENTS))
                    .map(|at| one(format!("[{at}]"), Value::new(Kind::Number(at.to_string()), place)))
                    .collect(),
                None => vec![one("[0]".to_owned(), Value::unknown("count.index", place))],
            };
        }
        if let Some(each) = block.body.get_attribute("for_each") {
            let value = scope.value(&each.value);
            let one = |key: String, each: Vec<(&str, Value)>| Instance {
                key,
                names: vec![("each".to_owned(), Rc::new(object(each)))],
            };
            return match super::functions::entries(&value) {
                Some(entries) => entries
                    .into_iter()
                    .take(MOST_ELEMENTS)
                    .map(|(key, value)| {
                        // A set's elements are their own keys.
                        let key = if matches!(key.kind, Kind::Number(_)) {
                            value.clone()
                        } else {
                            key
                        };
                        let shown = format!(
                            "[\"{}\"]",
                            crate::infra::value::shown(&key.as_text().unwrap_or_default())
                        );
                        one(shown, vec![("key", key), ("value", value)])
                    })
                    .collect(),
                None => {
                    let (key, value) = (Value::unknown("each.key", place), Value::unknown("each.value", place));
                    vec![one("[each.key]".to_owned(), vec![("key", key), ("value", value)])]
                }
            };
        }
        vec![Instance {
            key: String::new(),
            names: Vec::new(),
        }]
    }

    /// [`Self::instances`]; if there are none only because of a variable's default, what another value would create.
    pub(super) fn possible(&self, block: &Block, file: usize) -> Vec<Instance> {
        let (instances, defaults) = self.watched(|| self.instances(block, file));
        if !instances.is_empty() || defaults.is_empty() {
            return instances;
        }
        let place = Place::new(file, span_of(block));
        let unknown = |name: &str, of: &[&str]| {
            let entries = of
                .iter()
                .map(|own| (Value::text(*own, place), Value::unknown(format!("{name}.{own}"), place)));
            (
                name.to_owned(),
                Rc::new(Value::new(Kind::Object(entries.collect()), place)),
            )
        };
        vec![Instance {
            key: "[…]".to_owned(),
            names: vec![unknown("each", &["key", "value"]), unknown("count", &["index"])],
        }]
    }

    /// What a path refers to, and how many steps that consumes, not counting the first.
    pub(super) fn reference(&self, path: &[&str], depth: usize) -> Option<(Value, usize)> {
        let of = |names: &[&str]| names.join(".");
        match path {
            ["var", name, ..] => {
                let value = self.once(of(&["var", name]), || self.variable(name, depth))?;
                Some((value, 1))
            }
            ["local", name, ..] => {
                let (file, local) = *self.locals.get(name)?;
                let value = self.once(of(&["local", name]), || {
                    let scope = Scope {
                        depth,
                        ..self.scope(file, &[])
                    };
                    Some(scope.value(&local.value))
                })?;
                Some((value, 1))
            }
            ["path", which, ..] => {
                let path = if *which == "module" && !self.directory.is_empty() {
                    self.directory
                } else {
                    "."
                };
                Some((Value::text(path, Place::default()), 1))
            }
            ["module", name, ..] => {
                let value = self.once(of(&["module", name]), || self.outputs_of(name))?;
                Some((value, 1))
            }
            ["data", kind, name, rest @ ..] => self
                .object("data", (kind, name), rest, depth)
                .map(|(value, used)| (value, used + 2)),
            [kind, name, rest @ ..] => self
                .object("", (kind, name), rest, depth)
                .map(|(value, used)| (value, used + 1)),
            _ => None,
        }
    }

    /// Evaluates something once; `None` if it depends on itself.
    fn once(&self, name: String, work: impl FnOnce() -> Option<Value>) -> Option<Value> {
        if let Some(known) = self.known.borrow().get(&name) {
            let (value, defaults) = known.as_ref()?;
            self.defaults.borrow_mut().extend(defaults.iter().cloned());
            return Some(value.clone());
        }
        self.known.borrow_mut().insert(name.clone(), None);
        let (value, defaults) = self.watched(work);
        let Some(value) = value else {
            self.known.borrow_mut().remove(&name);
            return None;
        };
        self.known.borrow_mut().insert(name, Some((value.clone(), defaults)));
        Some(value)
    }

    fn variable(&self, name: &str, depth: usize) -> Option<Value> {
        if let Some(inputs) = &self.inputs {
            if let Some(value) = inputs.get(name) {
                return Some(value.clone());
            }
        } else if let Some((file, value)) = self.given(name) {
            return Some(
                Scope {
                    depth,
                    ..self.scope(file, &[])
                }
                .value(&value.value),
            );
        }
        let (file, block) = *self.variables.get(name)?;
        let default = block.body.get_attribute("default")?;
        let value = Scope {
            depth,
            ..self.scope(file, &[])
        }
        .value(&default.value);
        if self.inputs.is_none() {
            self.defaults.borrow_mut().insert(format!("var.{name}"));
        }
        Some(value)
    }

    /// A value from a file of values; the last file wins.
    fn given(&self, name: &str) -> Option<At<'a, Attribute>> {
        let files = self.world.given.get(self.directory)?;
        files
            .iter()
            .rev()
            .find_map(|(file, body)| Some((*file, body.get_attribute(name)?)))
    }

    fn outputs_of(&self, name: &str) -> Option<Value> {
        let (file, call) = self.calls.get(name)?;
        let called = self.called(name);
        let place = Place::new(*file, span_of(call));
        let mut instances = Vec::new();
        for (instance, module) in called {
            let outputs = module.outputs.iter().filter_map(|(name, (file, output))| {
                let value = output.body.get_attribute("value")?;
                Some((Value::text(*name, place), module.scope(*file, &[]).value(&value.value)))
            });
            instances.push((instance, Value::new(Kind::Object(outputs.collect()), place)));
        }
        self.gathered(call, instances, place)
    }

    /// A block's objects as references see them: one, a list or a map.
    fn gathered(&self, block: &Block, instances: Vec<(Instance, Value)>, place: Place) -> Option<Value> {
        let kind = if block.body.has_attribute("count") {
            Kind::List(instances.into_iter().map(|(_, value)| value).collect())
        } else if block.body.has_attribute("for_each") {
            let entry = |(instance, value): (Instance, Value)| {
                let key = instance.names.first().and_then(|(_, each)| each.get("key").cloned());
                Some((key?, value))
            };
            Kind::Object(instances.into_iter().filter_map(entry).collect())
        } else {
            return instances.into_iter().next().map(|(_, value)| value);
        };
        Some(Value::new(kind, place))
    }

    /// A resource or a data source, or one of its attributes.
    fn object(&self, data: &str, kind: (&str, &str), rest: &[&str], depth: usize) -> Option<(Value, usize)> {
        let blocks = if data.is_empty() { &self.resources } else { &self.data };
        let Some((file, block)) = blocks.get(&kind).copied() else {
            // What isn't declared here is known by name only, except for the account number.
            return None;
        };
        let is_one = !block.body.has_attribute("count") && !block.body.has_attribute("for_each");
        let place = Place::new(file, span_of(block));
        if let (true, [attribute, ..]) = (is_one, rest) {
            let value = self.once(format!("{data}.{}.{}.{attribute}", kind.0, kind.1), || {
                let scope = Scope {
                    depth,
                    ..self.scope(file, &[])
                };
                self.attribute(kind.0, block, &scope, attribute, place)
            })?;
            return Some((value, 1));
        }
        let value = self.once(format!("{data}.{}.{}", kind.0, kind.1), || {
            let instances = self.instances(block, file).into_iter().map(|instance| {
                let scope = Scope {
                    depth,
                    ..self.scope(file, &instance.names)
                };
                let names = block.body.attributes().map(|attribute| attribute.key.value().as_str());
                let computed = [
                    "arn",
                    "url",
                    "id",
                    "name",
                    "json",
                    "minified_json",
                    "account_id",
                    "partition",
                ];
                let mut attributes: Vec<(Value, Value)> = Vec::new();
                for name in names.chain(computed) {
                    let is_large = matches!(name, "assume_role_policy" | "policy" | "count" | "for_each");
                    if is_large || attributes.iter().any(|(known, _)| known.known_text() == Some(name)) {
                        continue;
                    }
                    let value = self.attribute(kind.0, block, &scope, name, place);
                    attributes.extend(value.map(|value| (Value::text(name, place), value)));
                }
                let object = Value::new(Kind::Object(attributes), place);
                (instance, object)
            });
            let instances = instances.collect();
            self.gathered(block, instances, place)
        })?;
        Some((value, 0))
    }

    /// An attribute of a resource or a data source: as written, or as AWS will set it.
    pub(super) fn attribute(
        &self,
        kind: &str,
        block: &Block,
        scope: &Scope<'_>,
        name: &str,
        place: Place,
    ) -> Option<Value> {
        let written = |name: &str| {
            block
                .body
                .get_attribute(name)
                .map(|attribute| scope.value(&attribute.value))
        };
        let account = |value: &str| Some(Value::text(mark(value), place));
        match (kind, name) {
            ("aws_iam_openid_connect_provider", "url") => {
                let url = written("url").or_else(|| written("arn"))?;
                Some(host(&url).unwrap_or(url))
            }
            ("aws_iam_openid_connect_provider", "arn" | "id") => written("arn").or_else(|| {
                let url = written("url")?;
                let url = host(&url).unwrap_or(url);
                let mut arn = Text::default();
                arn.push(&Value::text(
                    format!("arn:{}:iam::{}:oidc-provider/", mark(PARTITION), mark(ACCOUNT)),
                    place,
                ))?;
                arn.push(&url)?;
                Some(Value::new(Kind::Text(arn), url.place))
            }),
            ("aws_iam_role", "arn") => written("arn").or_else(|| {
                let mut arn = Text::default();
                arn.push(&Value::text(
                    format!("arn:{}:iam::{}:role", mark(PARTITION), mark(ACCOUNT)),
                    place,
                ))?;
                arn.push(
                    &written("path")
                        .filter(|path| path.kind != Kind::Null)
                        .unwrap_or_else(|| Value::text("/", place)),
                )?;
                arn.push(&written("name")?)?;
                Some(Value::new(Kind::Text(arn), place))
            }),
            ("aws_iam_role", "id") => written("name"),
            ("aws_iam_policy_document", "json" | "minified_json") => Some(Value::new(
                Kind::Json(Box::new(document::document(scope, block, place))),
                place,
            )),
            ("aws_caller_identity", "account_id" | "id") => account(ACCOUNT),
            ("aws_partition", "partition" | "id") => account(PARTITION),
            _ => written(name),
        }
    }
}

/// The span of a whole block.
pub(super) fn span_of(block: &Block) -> Span {
    block
        .span()
        .map_or_else(Span::default, |span| Span::new(span.start, span.end))
}

/// The host and path of an issuer, which is what IAM stores of it.
fn host(url: &Value) -> Option<Value> {
    let known = url.known_text()?;
    let known = known.split_once("oidc-provider/").map_or(known, |(_, host)| host);
    let host = known.trim_start_matches("https://").trim_end_matches('/');
    let host = if host.eq_ignore_ascii_case(GITHUB) {
        GITHUB
    } else {
        host
    };
    Some(Value::text(host, url.place))
}

/// A path relative to a directory, without `.` and `..`; `None` if it leads outside.
pub(super) fn join(directory: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
