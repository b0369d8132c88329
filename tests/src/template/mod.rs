//! Checks of `infra/template.yaml`: relations between its numbers, names and permissions that no linter knows.
//!
//! A check is a function from the template to its findings, in words; a good template has none. Each check has
//! saboteurs that it must catch: edits of the template that break the checked relation. A check without a saboteur, or
//! a saboteur that its check misses, fails the tests.

mod alarms;
mod consumers;
mod courier;
mod dashboard;
mod deployment;
mod domain;
mod endpoint;
mod functions;
mod grants;
mod model;
mod parameters;
mod policies;
mod queues;
mod roles;
mod tables;

use model::Template;
use serde_json::Value;

/// The findings of a check, one sentence each.
type Findings = Vec<String>;

/// A relation, and the edits that must violate it.
struct Check {
    name: &'static str,
    run: fn(&Template) -> Findings,
    saboteurs: fn() -> Vec<Saboteur>,
}

/// An edit of the template.
struct Saboteur {
    what: &'static str,
    at: &'static str,
    /// `None` removes the value.
    to: Option<Value>,
}

/// Writes `to` at the JSON pointer `at`.
fn set(what: &'static str, at: &'static str, to: Value) -> Saboteur {
    Saboteur { what, at, to: Some(to) }
}

/// Removes the value at the JSON pointer `at`.
fn remove(what: &'static str, at: &'static str) -> Saboteur {
    Saboteur { what, at, to: None }
}

/// Adds `message` unless `holds`.
fn must(diagnostics: &mut Findings, holds: bool, message: impl FnOnce() -> String) {
    if !holds {
        diagnostics.push(message());
    }
}

fn checks() -> impl Iterator<Item = &'static Check> {
    [
        queues::CHECKS,
        consumers::CHECKS,
        tables::CHECKS,
        functions::CHECKS,
        grants::CHECKS,
        courier::CHECKS,
        roles::CHECKS,
        endpoint::CHECKS,
        domain::CHECKS,
        alarms::CHECKS,
        dashboard::CHECKS,
        deployment::CHECKS,
        parameters::CHECKS,
    ]
    .into_iter()
    .flatten()
}

#[test]
fn the_template_holds_every_relation() {
    let template = Template::load();
    let diagnostics: Findings = checks()
        .flat_map(|check| (check.run)(&template).into_iter().map(|found| format!("{}: {found}", check.name)))
        .collect();
    assert!(diagnostics.is_empty(), "{}", diagnostics.join("\n"));
}

#[test]
fn every_check_catches_its_saboteurs() {
    let template = Template::load();
    let mut missed = Findings::new();
    for check in checks() {
        let saboteurs = (check.saboteurs)();
        must(&mut missed, !saboteurs.is_empty(), || format!("{}: no saboteur tries it", check.name));
        for saboteur in saboteurs {
            let broken = template.with(saboteur.at, saboteur.to.clone());
            must(&mut missed, !(check.run)(&broken).is_empty(), || {
                format!("{}: missed: {}", check.name, saboteur.what)
            });
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
