//! Roles and identity providers from Terraform source.

mod document;
mod expression;
mod functions;
mod json;
pub(super) mod module;

use std::collections::BTreeSet;

use hcl_edit::Span as _;
use hcl_edit::parser::parse_body;
use hcl_edit::structure::{Block, Body};

use self::module::{Module, World, join, span_of};
use super::value::{Kind, Place, Value};
use super::{Draft, Provider, Unread, folder};
use crate::text::{SourceText, Span};

/// Whether it is a Terraform or OpenTofu file.
pub(super) fn is_source(path: &str) -> bool {
    [".tf", ".tf.json", ".tofu", ".tofu.json"]
        .iter()
        .any(|end| path.ends_with(end))
}

/// Whether it is a file of values that Terraform loads automatically.
fn is_given(path: &str) -> bool {
    let path = path.strip_suffix(".json").unwrap_or(path);
    path.ends_with(".auto.tfvars") || path.rsplit('/').next() == Some("terraform.tfvars")
}

/// Reads all modules among the files.
pub(super) fn read(files: &[SourceText], into: &mut Draft) {
    let mut world = World::new(files);
    for (index, file) in files.iter().enumerate() {
        let (is_source, is_given) = (is_source(&file.name), is_given(&file.name));
        if !is_source && !is_given {
            continue;
        }
        let unread = |line, column, message: &str| Unread {
            file: index,
            line,
            column,
            why: format!("it is not Terraform: {message}"),
        };
        if file.name.ends_with(".json") {
            let read = if is_source { json::native } else { json::values };
            match read(&file.text) {
                Ok(native) => world.native.insert(index, native),
                Err(fault) => {
                    into.unread.push(unread(fault.line, fault.column, &fault.message));
                    continue;
                }
            };
        }
        match parse_body(world.text(index)) {
            Ok(body) => {
                let bodies = if is_source {
                    &mut world.directories
                } else {
                    &mut world.given
                };
                bodies
                    .entry(folder(&file.name).to_owned())
                    .or_default()
                    .push((index, body));
            }
            Err(error) => {
                let mut location = (error.location().line(), error.location().column());
                // Positions in native syntax converted from JSON aren't the file's.
                if world.native.contains_key(&index) {
                    location = (1, 1);
                }
                let message = error.message().lines().next().unwrap_or_default();
                into.unread.push(unread(location.0, location.1, message));
            }
        }
    }
    // Terraform loads `*.auto.tfvars` after `terraform.tfvars`, by name. (Terraform docs, "Input variables", precedence.)
    for bodies in world.given.values_mut() {
        bodies.sort_by_key(|(file, _)| {
            let name = files.get(*file).map_or("", |file| &file.name);
            (name.contains(".auto.tfvars"), name)
        });
    }
    let first = (into.roles.len(), into.providers.len(), into.elsewhere.len());
    // A called directory is read through its callers, with their values; in a cycle, one directory is the start.
    let calls: Vec<(&str, Vec<String>)> = world
        .directories
        .iter()
        .map(|(directory, bodies)| (&**directory, called(directory, bodies)))
        .collect();
    let is_called = |directory: &str| {
        calls
            .iter()
            .any(|(other, called)| *other != directory && called.iter().any(|called| called == directory))
    };
    let mut directories: Vec<&str> = calls.iter().map(|(directory, _)| *directory).collect();
    directories.sort_by_key(|directory| is_called(directory));
    let mut read: BTreeSet<String> = BTreeSet::new();
    for directory in directories {
        if !read.insert(directory.to_owned()) {
            continue;
        }
        let mut open = vec![directory.to_owned()];
        while let Some(next) = open.pop() {
            let called = calls
                .iter()
                .find(|(directory, _)| *directory == next)
                .map_or(&[][..], |(_, called)| called);
            open.extend(called.iter().filter(|called| read.insert((*called).clone())).cloned());
        }
        if let Some(module) = Module::new(&world, directory, String::new(), None, &[]) {
            roles(&module, into);
        }
    }
    for (file, native) in &world.native {
        for role in into.roles.iter_mut().skip(first.0) {
            role.for_each_place(*file, &mut |place| native.moved(place));
            native.move_all(&mut role.source, *file);
        }
        let providers = into
            .providers
            .iter_mut()
            .skip(first.1)
            .map(|provider| &mut provider.place);
        let elsewhere = into.elsewhere.iter_mut().skip(first.2).map(|(.., place)| place);
        providers
            .chain(elsewhere)
            .filter(|place| place.file == *file)
            .for_each(|place| native.moved(place));
    }
}

/// The directories that a directory's module blocks call.
fn called(directory: &str, bodies: &[(usize, Body)]) -> Vec<String> {
    let calls = bodies.iter().flat_map(|(_, body)| body.get_blocks("module"));
    let source = |call: &Block| {
        let source = call.body.get_attribute("source")?.value.as_str()?;
        join(directory, source).filter(|_| source.starts_with('.'))
    };
    calls.filter_map(source).collect()
}

fn roles(module: &Module<'_>, into: &mut Draft) {
    for (name, (file, block)) in module.resources("aws_iam_role") {
        let span = block
            .ident
            .span()
            .map_or_else(Span::default, |span| Span::new(span.start, span.end));
        let end = block
            .labels
            .last()
            .and_then(|label| label.span())
            .map_or(span.end, |label| label.end);
        let place = Place::new(file, Span::new(span.start, end));
        for instance in module.possible(block, file) {
            module.next();
            let scope = module.scope(file, &instance.names);
            let written = |name: &str| {
                let value = block
                    .body
                    .get_attribute(name)
                    .map(|attribute| scope.value(&attribute.value));
                value.filter(|value| value.kind != Kind::Null)
            };
            let (policy, defaults) = module.watched(|| written("assume_role_policy"));
            into.role(super::Declared {
                address: format!("{}aws_iam_role.{name}{}", module.prefix, instance.key),
                name: written("name"),
                path: written("path"),
                longest: written("max_session_duration"),
                policy: policy.unwrap_or_else(|| Value::unknown("assume_role_policy", place)),
                place,
                assumed: defaults.into_iter().collect(),
            });
        }
    }
    for (_, (file, block)) in module.resources("aws_iam_openid_connect_provider") {
        let place = Place::new(file, span_of(block));
        for instance in module.instances(block, file) {
            let scope = module.scope(file, &instance.names);
            let url = module.attribute("aws_iam_openid_connect_provider", block, &scope, "url", place);
            let clients = block
                .body
                .get_attribute("client_id_list")
                .map(|list| scope.value(&list.value));
            into.providers
                .push(Provider::new(url.as_ref(), clients.as_ref(), place));
        }
    }
    for (name, (file, block), source) in module.calls() {
        let children = module.called(name);
        if children.is_empty() && !source.as_ref().is_some_and(|source| source.starts_with('.')) {
            into.elsewhere.push((
                format!("{}module.{name}", module.prefix),
                source.unwrap_or_else(|| "a source that is worked out".to_owned()),
                Place::new(file, span_of(block)),
            ));
        }
        for (_, child) in &children {
            roles(child, into);
        }
    }
}
