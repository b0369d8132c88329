//! The modules of `pipeline` and `gridbell`.

use std::{fs, path::Path};

use super::{paths::paths, workspace};

/// What a module uses stands on its line or above. A module without a line of its own stands where its parent does.
struct Order(&'static [&'static [&'static str]]);

/// Crates that `pipeline` passes on under their own name. They stand above all its modules.
const PASSED_ON: [&str; 1] = ["config"];

const PIPELINE: Order = Order(&[
    &["zone"],
    &["fifo"],
    &["standard_webhooks"],
    &["queues"],
    // What is stored and what travels.
    &["alerts::kind"],
    &["alerts::condition"],
    &["dispatches"],
    &["outputs::event", "outputs::lane", "outputs::state"],
    &["polling::budget"],
    &["job", "messages"],
    &["alerts::occasion"],
    &["alerts::channels::health", "alerts::channels::log"],
    &["alerts::incident"],
    &["alerts::group"],
    &["alerts::mail"],
    &["alerts::channels"],
    &["polling::state"],
    &["retry::state"],
    // What the use cases need.
    &["ports"],
    &["trace"],
    &["update"],
    &["in_time"],
    // The use cases.
    &["ingest"],
    &["outputs::reach"],
    &["alerts::conditions"],
    &["alerts"],
    &["outputs"],
    &["deadlines"],
    &["polling"],
    &["retry"],
    &["hydrate"],
    &["health"],
    &["retrier"],
]);

const GRIDBELL: Order = Order(&[
    &["usage"],
    &["argument"],
    &["show"],
    &["progress"],
    &["console"],
    &["endpoint"],
    &["demo"],
    &["verbs"],
    &["web"],
    &["verbs::console", "verbs::demo", "verbs::providers", "verbs::trigger", "verbs::up"],
    &["cli"],
]);

impl Order {
    /// The line of a module: its own, or that of the nearest module around it.
    fn line_of(&self, module: &[String]) -> Option<usize> {
        (1..=module.len()).rev().find_map(|length| {
            let name = module[..length].join("::");
            self.0.iter().position(|line| line.contains(&name.as_str()))
        })
    }

    /// What a module with that text uses and must not.
    fn problems(&self, module: &[String], text: &str) -> Vec<String> {
        let name = module.join("::");
        let Some(own) = self.line_of(module) else { return vec![format!("{name} has no place: add it to its order")] };
        let mut found: Vec<String> = Vec::new();
        let is_ours = |used: &Vec<String>| used.first().is_some_and(|first| !PASSED_ON.contains(&first.as_str()));
        for used in paths(text).into_iter().map(|path| resolved(module, path)).filter(is_ours) {
            match self.line_of(&used) {
                Some(line) if line <= own => {}
                Some(_) => found.push(format!("{name} must not use {}", used.join("::"))),
                None => found.push(format!("{name} uses {}, which has no place: add it to the order", used.join("::"))),
            }
        }
        found.sort();
        found.dedup();
        found
    }
}

/// The path from the crate's root.
fn resolved(module: &[String], path: Vec<String>) -> Vec<String> {
    let mut from = module.to_vec();
    let mut rest = path.into_iter().peekable();
    match rest.next().as_deref() {
        Some("crate") => from.clear(),
        Some("super") => drop(from.pop()),
        _ => {}
    }
    while rest.next_if(|segment| segment == "super").is_some() {
        from.pop();
    }
    from.into_iter().chain(rest).collect()
}

/// The modules below a folder, each with its text. Those of tests are left out.
fn modules(folder: &Path, parent: &[String], found: &mut Vec<(Vec<String>, String)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        let is_of_tests = stem == "tests" || stem.ends_with("_tests");
        let own = [parent, std::slice::from_ref(&stem)].concat();
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if is_of_tests => {}
            None if path.is_dir() => modules(&path, &own, found),
            Some("rs") if parent.is_empty() && matches!(stem.as_str(), "lib" | "main") => {}
            Some("rs") => {
                let module = if stem == "mod" { parent.to_vec() } else { own };
                found.push((module, fs::read_to_string(&path).expect("text")));
            }
            _ => {}
        }
    }
}

fn check(name: &str, order: &Order) {
    let mut all = Vec::new();
    modules(&workspace().join("crates").join(name).join("src"), &[], &mut all);
    assert!(all.len() > 20, "{} modules of {name}", all.len());
    let found: Vec<String> = all.iter().flat_map(|(module, text)| order.problems(module, text)).collect();
    assert!(found.is_empty(), "in {name}:\n{}", found.join("\n"));
    for line in order.0.iter().flat_map(|line| line.iter()) {
        assert!(all.iter().any(|(module, _)| module.join("::").starts_with(line)), "{name} has no module {line}");
    }
}

#[test]
fn no_module_of_pipeline_uses_one_that_stands_below_it() {
    check("pipeline", &PIPELINE);
}

#[test]
fn no_module_of_gridbell_uses_one_that_stands_below_it() {
    check("gridbell", &GRIDBELL);
}

#[test]
fn an_import_that_points_back_is_found() {
    let of = |module: &str, text: &str| {
        let module: Vec<String> = module.split("::").map(str::to_owned).collect();
        PIPELINE.problems(&module, text).join("; ")
    };
    assert_eq!(
        of("alerts::mail::list", "use crate::{alerts::{Alert, group::AlertGroup}, zone::Zone};"),
        "alerts::mail::list must not use alerts::Alert"
    );
    assert_eq!(of("alerts::mail", "use super::stages::Rules;"), "alerts::mail must not use alerts::stages::Rules");
    assert_eq!(of("alerts::notify", "use super::{mail::Mail, stages::Rules};\nuse crate::ports::Clock;"), "");
    assert_eq!(of("ports", "fn f() -> crate::retrier::Retrier {}"), "ports must not use retrier::Retrier");
    assert_eq!(of("new", ""), "new has no place: add it to its order");
    assert_eq!(of("health", "use crate::new::New;"), "health uses new::New, which has no place: add it to the order");
}
