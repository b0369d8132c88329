//! A provider is one folder: the code of the functions and of the commands does not match on a provider's name.

#![expect(clippy::expect_used, reason = "a test helper fails the test")]

use std::{fs, path::Path};

use providers::PROVIDERS;

/// Crates that use providers only through the trait.
const CRATES: &[&str] = &[
    "dispatch",
    "signals",
    "pipeline",
    "aws",
    "config",
    "local-stack",
    "stack-client",
    "receiver",
    "hydrator",
    "retrier",
    "alerter",
    "courier",
    "gridbell",
];

/// Parts about particular providers, or used only by tests.
const BUT: &[&str] = &[
    "/tests",
    "_tests.rs",
    "aws/src/contract/",
    "aws/src/dynamo/recorded/",
    // Scenarios with particular providers and their data.
    "gridbell/src/demo/",
    // The registrations, fixed records and the test of a new provider.
    "gridbell/src/verbs/webhook/registrar.rs",
    "gridbell/src/verbs/fixtures.rs",
    "gridbell/src/verbs/new_provider.rs",
];

fn check(folder: &Path, found: &mut Vec<String>) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.display().to_string();
        if BUT.iter().any(|but| name.contains(but)) {
            continue;
        }
        if path.is_dir() {
            files += check(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files += 1;
            let text = fs::read_to_string(&path).expect("a file");
            let named = |line: &&str| {
                let is_code = !line.trim_start().starts_with("//");
                is_code && PROVIDERS.iter().any(|provider| line.contains(&format!("\"{provider}\"")))
            };
            found.extend(before_tests(&text).filter(named).map(|line| format!("{name}: {}", line.trim())));
        }
    }
    files
}

/// Tests are at the end of a file.
fn before_tests(text: &str) -> impl Iterator<Item = &str> {
    let next = text.lines().skip(1).chain([""]);
    let code = text.lines().zip(next).take_while(|(line, next)| *line != "#[cfg(test)]" || !next.ends_with('{'));
    code.map(|(line, _)| line)
}

#[test]
fn no_code_outside_a_providers_folder_matches_on_its_name() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crates");
    let mut found = Vec::new();
    let files: usize = CRATES.iter().map(|name| check(&crates.join(name).join("src"), &mut found)).sum();
    assert!(files > 200, "{files} files were read");
    assert!(found.is_empty(), "{}", found.join("\n"));
}
