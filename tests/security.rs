//! The tests named in the threat model exist.

use std::fs;
use std::path::Path;

/// The text of all Rust files in a folder.
fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            into.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_line_of_the_threat_model_is_held_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    sources(&root.join("src"), &mut code);
    sources(&root.join("tests"), &mut code);
    let page = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let lines = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| Must hold"));
    let mut count = 0;
    for line in lines {
        let tests = line.rsplit(" | ").next().unwrap();
        let names: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test holds: {line}");
        for name in names {
            // The attribute is right above, apart from other attributes.
            let at = code
                .find(&format!("fn {name}("))
                .unwrap_or_else(|| panic!("no test is called `{name}`: {line}"));
            let above: String = code.get(at.saturating_sub(200)..at).unwrap_or_default().to_owned();
            assert!(above.contains("#[test]"), "`{name}` is no test");
        }
        count += 1;
    }
    assert!(count > 20, "{count} lines");
}
