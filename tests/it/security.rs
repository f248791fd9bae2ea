//! SECURITY.md says which test shows each defence; this one, that there are such tests.

use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// All Rust files of the project.
fn sources(folder: &Path, found: &mut String) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_threat_names_a_test_that_there_is() {
    let mut code = String::new();
    for folder in ["src", "tests", "host-harness"] {
        sources(&Path::new(ROOT).join(folder), &mut code);
    }
    let text = std::fs::read_to_string(Path::new(ROOT).join("SECURITY.md")).unwrap();
    let (_, table) = text.split_once("| threat | defence | test |").unwrap();
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() >= 25, "{}", rows.len());
    for row in rows {
        let tests = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap();
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "a test for: {row}");
        for name in names {
            let is_there = if let Some(script) = name.strip_prefix(".ci/") {
                Path::new(ROOT).join(".ci").join(script).is_file()
            } else {
                code.contains(&format!("fn {name}("))
            };
            assert!(is_there, "no test {name}, for: {row}");
        }
    }
}
