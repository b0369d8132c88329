//! The crates.

use std::fs;

use toml::Table;

use super::workspace;

/// Each crate, and the crates of ours that it may use: all of them stand above it.
const CRATES: [(&str, &[&str]); 23] = [
    ("signals", &[]),
    ("dispatch", &["signals"]),
    ("providers", &["dispatch"]),
    ("config", &["dispatch", "providers"]),
    ("pipeline", &["config", "dispatch", "providers"]),
    ("aws", &["dispatch", "pipeline", "providers"]),
    // The functions are wiring only.
    ("receiver", &["aws"]),
    ("hydrator", &["aws"]),
    ("retrier", &["aws"]),
    ("alerter", &["aws"]),
    ("courier", &["aws"]),
    // Tests play with these.
    ("provider-sims", &[]),
    ("simulation", &["dispatch", "pipeline", "provider-sims", "providers"]),
    ("fuzz", &["pipeline", "providers", "simulation"]),
    // A person's machine.
    ("cost", &[]),
    ("stack-client", &["aws", "pipeline"]),
    ("nvgrid-client", &["aws"]),
    ("local-stack", &["aws", "config", "dispatch", "pipeline", "providers", "stack-client"]),
    ("provider-server", &["config", "local-stack", "nvgrid-client", "provider-sims", "providers", "stack-client"]),
    (
        "gridbell",
        &[
            "aws",
            "config",
            "cost",
            "dispatch",
            "local-stack",
            "nvgrid-client",
            "pipeline",
            "provider-server",
            "provider-sims",
            "providers",
            "simulation",
            "stack-client",
        ],
    ),
    // Developers' commands. They use nothing of the command line.
    ("bench", &["config", "cost", "local-stack", "provider-sims", "providers", "stack-client"]),
    (
        "xtask",
        &[
            "aws",
            "config",
            "cost",
            "local-stack",
            "pipeline",
            "provider-server",
            "provider-sims",
            "providers",
            "simulation",
            "stack-client",
        ],
    ),
    ("tests", &[]),
];

/// The crates of ours that a crate is built with. What only its tests use is left out: tests may use anything.
fn uses(manifest: &Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten();
    let tables = targets.filter_map(|(_, target)| target.as_table()).chain([manifest]);
    let dependencies = tables.filter_map(|table| table.get("dependencies")?.as_table()).flatten();
    let names = dependencies.map(|(name, _)| name.clone());
    names.filter(|name| CRATES.iter().any(|(known, _)| known == name)).collect()
}

/// What is wrong with the dependencies of a crate.
fn problems(name: &str, manifest: &str) -> Vec<String> {
    let manifest: Table = manifest.parse().expect("a manifest");
    let Some((_, allowed)) = CRATES.iter().find(|(known, _)| *known == name) else {
        return vec![format!("{name} has no place: add it to CRATES")];
    };
    let wrong = uses(&manifest).into_iter().filter(|used| !allowed.contains(&used.as_str()));
    wrong.map(|used| format!("{name} must not use {used}")).collect()
}

#[test]
fn each_crate_uses_only_crates_that_it_may() {
    let folders =
        fs::read_dir(workspace().join("crates")).expect("the crates").map(|entry| entry.expect("a crate").path());
    let mut found = Vec::new();
    let mut count = 0;
    for folder in folders.chain([workspace().join("tests")]) {
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else { continue };
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a name");
        found.extend(problems(name, &manifest));
        count += 1;
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(count, CRATES.len(), "CRATES names a crate that is not there");
}

#[test]
fn what_a_crate_may_use_stands_above_it() {
    for (place, (name, allowed)) in CRATES.iter().enumerate() {
        for used in *allowed {
            assert!(
                CRATES[..place].iter().any(|(above, _)| above == used),
                "{name} may use {used}, which stands below it"
            );
        }
    }
}

#[test]
fn an_edge_that_points_back_is_found() {
    let manifest = "[dependencies]\nserde = \"1\"\npipeline = { workspace = true }\n[dev-dependencies]\naws = \"1\"\n";
    assert_eq!(problems("providers", manifest), ["providers must not use pipeline"]);
    let manifest = "[target.'cfg(unix)'.dependencies]\nlocal-stack = { workspace = true }\n";
    assert_eq!(problems("stack-client", manifest), ["stack-client must not use local-stack"]);
    assert_eq!(problems("other", ""), ["other has no place: add it to CRATES"]);
}
