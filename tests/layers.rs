//! The modules are layered, as `src/lib.rs` lists them: none imports one listed below it.

use std::fs;
use std::path::Path;

/// The top-level modules, from the ground up.
fn layers() -> Vec<String> {
    let map = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).unwrap();
    let module = |line: &str| {
        let name = line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ")?;
        name.strip_suffix(';').map(str::to_owned)
    };
    map.lines().filter_map(module).collect()
}

/// The files of a module, and their contents without tests.
fn sources(path: &Path, into: &mut Vec<(String, String)>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            sources(&entry.unwrap().path(), into);
        }
    } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs") {
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code: String = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        into.push((path.display().to_string(), code));
    }
}

/// The modules that a text names after `crate::`, singly or in a list.
fn named(code: &str) -> Vec<&str> {
    let mut named = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match rest.strip_prefix('{') {
            Some(list) => {
                let mut depth = 0;
                for part in list.split_inclusive([',', '{', '}']) {
                    if depth == 0 {
                        let name = part.trim().split(|c| !is_name(c)).next();
                        named.extend(name.filter(|name| !name.is_empty()));
                    }
                    depth += part.matches('{').count();
                    match depth.checked_sub(part.matches('}').count()) {
                        Some(left) => depth = left,
                        None => break,
                    }
                }
            }
            None => named.extend(rest.split(|c| !is_name(c)).next()),
        }
    }
    named
}

#[test]
fn no_module_imports_one_above_it() {
    let layers = layers();
    assert!(layers.len() > 15, "{layers:?}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut count = 0;
    for (level, module) in layers.iter().enumerate() {
        let mut files = Vec::new();
        sources(&root.join(format!("{module}.rs")), &mut files);
        if root.join(module).is_dir() {
            sources(&root.join(module), &mut files);
        }
        for (file, code) in files {
            for name in named(&code) {
                let Some(other) = layers.iter().position(|layer| layer == name) else {
                    continue;
                };
                count += 1;
                assert!(
                    other <= level,
                    "{file} imports `{name}`, which stands above `{module}` in src/lib.rs"
                );
            }
        }
    }
    assert!(count > 200, "{count} imports");
}

#[test]
fn names_are_found_in_lists_too() {
    assert_eq!(named("use crate::a::b; x(crate::c);"), ["a", "c"]);
    assert_eq!(named("use crate::{a::{b, c}, d, e::f};"), ["a", "d", "e"]);
}
