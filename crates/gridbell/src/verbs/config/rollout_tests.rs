//! A rollout over an in-memory stack: all functions or none, whatever fails.

use std::{cell::RefCell, collections::BTreeMap};

use aws::configuration::{Probed, ReplaceError, Stored, Version, digest};
use jiff::Timestamp;

use super::rollout::{Fleet, ProbeFailure, RolloutError, Wanted, catch_up, roll_out};
use local_stack::progress::Silent;
use stack_client::{ALIAS, FUNCTIONS};

/// A stack whose functions read the table when a version starts, unless a fault is set.
#[derive(Debug, Default)]
struct Stack(RefCell<State>);

#[derive(Debug, Default)]
struct State {
    versions: Vec<Version>,
    current: Option<Stored>,
    /// What each published version of each function runs with, none where it cannot start; the first is version 1.
    published: BTreeMap<String, Vec<Option<Version>>>,
    /// The version that callers of each function invoke.
    live: BTreeMap<String, usize>,
    /// Functions with a changed parameter since their last version.
    changed: Vec<&'static str>,
    /// The operations, in order.
    log: Vec<String>,
    /// A function that refuses configurations with this text, and its error.
    picky: Option<(&'static str, &'static str)>,
    /// A function that never starts.
    dead: Option<&'static str>,
    /// A function whose restart Lambda refuses from that version on.
    stuck: Option<(&'static str, u64)>,
    /// A concurrent apply, which wins.
    rival: Option<Version>,
    /// A function whose new versions are not ready for this many probes.
    slow: Option<(&'static str, u32)>,
    /// Functions whose alias cannot be moved.
    fixed: Vec<&'static str>,
    /// A function whose alias can be moved once.
    sticky: Option<&'static str>,
    /// A function that is being deployed.
    deployed: Option<&'static str>,
    /// How many probes are throttled.
    throttled: u32,
}

impl Stack {
    /// A stack that runs with that configuration as its first version.
    fn running(json: &str) -> Self {
        let version =
            Version { number: 1, digest: digest(json), json: json.to_owned(), at: now(), by: "ada".to_owned() };
        let published = FUNCTIONS.map(|function| (function.to_owned(), vec![Some(version.clone())])).into();
        let live = FUNCTIONS.map(|function| (function.to_owned(), 1)).into();
        let current = Some(Stored::Applied(version.clone()));
        Self(RefCell::new(State { versions: vec![version], current, published, live, ..State::default() }))
    }

    /// A stack that has never had a configuration.
    fn without() -> Self {
        let stack = Self::running("none");
        {
            let mut state = stack.0.borrow_mut();
            (state.versions, state.current) = (Vec::new(), None);
            state.published.values_mut().for_each(|versions| *versions = vec![None]);
        }
        stack
    }

    fn with(self, change: impl FnOnce(&mut State)) -> Self {
        change(&mut self.0.borrow_mut());
        self
    }

    async fn apply(&self, json: &str) -> Result<u64, RolloutError> {
        let before = self.0.borrow().current.clone();
        let rival = self.0.borrow_mut().rival.take();
        if let Some(rival) = rival {
            self.0.borrow_mut().current = Some(Stored::Applied(rival));
        }
        roll_out(self, before.as_ref(), Wanted { json, at: now(), by: "bob" }, &Silent).await
    }

    /// What all functions run with; panics if they differ.
    fn all_run(&self) -> Option<String> {
        let state = self.0.borrow();
        let mut jsons: Vec<Option<&str>> =
            FUNCTIONS.iter().map(|function| state.at(function, ALIAS).map(|version| version.json.as_str())).collect();
        jsons.dedup();
        assert_eq!(jsons.len(), 1, "{jsons:?}");
        jsons[0].map(str::to_owned)
    }

    fn current(&self) -> (u64, Option<String>) {
        match self.0.borrow().current.as_ref().expect("something was applied") {
            Stored::Applied(version) => (version.number, Some(version.json.clone())),
            Stored::Withdrawn { number } => (*number, None),
        }
    }

    fn log(&self) -> Vec<String> {
        self.0.borrow().log.clone()
    }
}

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().expect("an instant")
}

impl State {
    /// What a version of a function, or its alias, runs with.
    fn at(&self, function: &str, version: &str) -> Option<&Version> {
        let number = if version == ALIAS { self.live[function] } else { version.parse().expect("a number") };
        self.published[function][number - 1].as_ref()
    }

    /// The current version, if the function can start with it.
    fn starts_with(&self, function: &str) -> Result<Version, String> {
        let Some(Stored::Applied(version)) = &self.current else {
            return Err("no configuration is applied".to_owned());
        };
        match self.picky {
            Some((picky, text)) if picky == function && version.json.contains(text) => {
                Err(format!("cannot use {text}"))
            }
            _ => Ok(version.clone()),
        }
    }
}

impl Fleet for Stack {
    async fn replace(&self, expected: Option<u64>, version: &Version) -> Result<(), ReplaceError> {
        let mut state = self.0.borrow_mut();
        if state.current.as_ref().map(Stored::number) != expected {
            return Err(ReplaceError::Overtaken);
        }
        state.log.push(format!("version {}", version.number));
        assert!(state.versions.iter().all(|known| known.number != version.number), "a number is used once");
        state.versions.push(version.clone());
        state.current = Some(Stored::Applied(version.clone()));
        Ok(())
    }

    async fn withdraw(&self, number: u64) -> Result<(), ReplaceError> {
        let mut state = self.0.borrow_mut();
        state.log.push("withdrawn".to_owned());
        state.current = Some(Stored::Withdrawn { number });
        Ok(())
    }

    async fn restart(&self, function: &str, _why: &str) -> Result<(), String> {
        let mut state = self.0.borrow_mut();
        let number = state.current.as_ref().map_or(0, Stored::number);
        if state.stuck.is_some_and(|(stuck, from)| stuck == function && number >= from) {
            return Err("access denied".to_owned());
        }
        state.log.push(format!("restart {function}"));
        Ok(())
    }

    async fn is_restarted(&self, _function: &str) -> Result<bool, String> {
        Ok(true)
    }

    async fn publish(&self, function: &str, _why: &str) -> Result<String, String> {
        let mut state = self.0.borrow_mut();
        let starts = state.starts_with(function).ok();
        state.changed.retain(|changed| *changed != function);
        let versions = state.published.get_mut(function).expect("a function");
        versions.push(starts);
        Ok(versions.len().to_string())
    }

    async fn live(&self, function: &str) -> Result<String, String> {
        let state = self.0.borrow();
        if state.deployed == Some(function) {
            return Err("a deployment moves its alias".to_owned());
        }
        Ok(state.live[function].to_string())
    }

    async fn point(&self, function: &str, version: &str) -> Result<(), String> {
        let mut state = self.0.borrow_mut();
        if state.fixed.contains(&function) {
            return Err("access denied".to_owned());
        }
        let sticks = state.sticky.filter(|sticky| *sticky == function);
        state.fixed.extend(sticks);
        state.log.push(format!("{function} to {version}"));
        state.live.insert(function.to_owned(), version.parse().expect("a number"));
        Ok(())
    }

    async fn has_unpublished(&self, function: &str) -> Result<bool, String> {
        Ok(self.0.borrow().changed.contains(&function))
    }

    async fn probe(&self, function: &str, version: &str) -> Result<Probed, ProbeFailure> {
        let mut state = self.0.borrow_mut();
        if state.throttled > 0 {
            state.throttled -= 1;
            return Err(ProbeFailure { reason: "throttled".to_owned(), is_passing: true });
        }
        if state.dead == Some(function) {
            return Err(ProbeFailure { reason: "it cannot start".to_owned(), is_passing: false });
        }
        if let Some((slow, left @ 1..)) = state.slow.filter(|(slow, _)| *slow == function && version != ALIAS) {
            state.slow = Some((slow, left - 1));
            return Err(ProbeFailure { reason: "it is pending".to_owned(), is_passing: true });
        }
        let running = state.at(function, version).cloned();
        let problem = if running.is_some() { None } else { state.starts_with(function).err() };
        Ok(Probed {
            function: function.to_owned(),
            release: String::new(),
            number: running.as_ref().map(|version| version.number),
            digest: running.map(|version| version.digest),
            problem,
        })
    }

    async fn pause(&self) {}
}

#[tokio::test]
async fn every_function_is_published_and_asked_before_any_alias_moves() {
    let stack = Stack::running("old");
    assert_eq!(stack.apply("new").await.expect("applied"), 2);
    assert_eq!(stack.all_run().as_deref(), Some("new"));
    let restarts = FUNCTIONS.map(|function| format!("restart {function}"));
    let moves = FUNCTIONS.map(|function| format!("{function} to 2"));
    assert_eq!(stack.log(), [&["version 2".to_owned()], restarts.as_slice(), moves.as_slice()].concat());
}

#[tokio::test]
async fn where_one_function_refuses_it_all_run_with_what_ran_before() {
    for function in FUNCTIONS {
        let stack = Stack::running("old").with(|state| state.picky = Some((function, "new")));
        let said = stack.apply("new").await.expect_err("refused").to_string();
        let expected = format!(
            "the {function}: cannot use new. Version 1 runs (as version 3) again; nothing has changed for the providers"
        );
        assert_eq!(said, expected);
        assert_eq!(stack.all_run().as_deref(), Some("old"));
        assert_eq!(stack.current(), (3, Some("old".to_owned())));
        let log = stack.log();
        assert!(log.iter().all(|done| !done.ends_with(" to 2")), "no caller met the refused version: {log:?}");
    }
}

#[tokio::test]
async fn an_alias_that_cannot_be_moved_takes_the_others_back() {
    let stack = Stack::running("old").with(|state| state.fixed = vec!["retrier"]);
    let said = stack.apply("new").await.expect_err("refused").to_string();
    assert!(said.starts_with("the retrier: access denied. Version 1 runs (as version 3) again"), "{said}");
    assert_eq!(stack.all_run().as_deref(), Some("old"));
    let log = stack.log();
    let moves: Vec<_> = log.iter().filter(|done| done.contains(" to ")).take(4).collect();
    assert_eq!(moves, ["receiver to 2", "hydrator to 2", "receiver to 1", "hydrator to 1"]);
}

#[tokio::test]
async fn nothing_is_applied_while_a_deployment_is_under_way() {
    let stack = Stack::running("old").with(|state| state.deployed = Some("alerter"));
    let said = stack.apply("new").await.expect_err("refused").to_string();
    assert_eq!(said, "the alerter: a deployment moves its alias. Nothing was changed");
    assert_eq!((stack.log(), stack.current()), (Vec::new(), (1, Some("old".to_owned()))));
}

#[tokio::test]
async fn a_first_configuration_that_does_not_work_is_withdrawn() {
    let stack = Stack::without().with(|state| state.picky = Some(("alerter", "bad")));
    let said = stack.apply("bad").await.expect_err("refused").to_string();
    assert!(said.contains("the alerter: cannot use bad. The stack has no configuration again"), "{said}");
    assert_eq!((stack.all_run(), stack.current()), (None, (1, None)));
    assert_eq!(stack.apply("good").await.expect("applied"), 2, "the number that was used up is not used again");
    assert_eq!(stack.all_run().as_deref(), Some("good"));
}

#[tokio::test]
async fn of_two_that_apply_at_once_one_changes_nothing() {
    let rival =
        Version { number: 2, digest: digest("rival"), json: "rival".to_owned(), at: now(), by: "eve".to_owned() };
    let stack = Stack::running("old").with(|state| state.rival = Some(rival));
    let said = stack.apply("new").await.expect_err("refused").to_string();
    assert_eq!(said, "another `config apply` came first; nothing was changed");
    assert_eq!(stack.log(), [""; 0], "no function is restarted");
    assert_eq!(stack.current(), (2, Some("rival".to_owned())));
}

#[tokio::test]
async fn a_function_that_cannot_start_is_named_before_anything_changes() {
    let stack = Stack::running("old").with(|state| state.dead = Some("retrier"));
    let said = stack.apply("new").await.expect_err("refused").to_string();
    assert_eq!(said, "the retrier: it cannot start. Nothing was changed");
    assert_eq!((stack.log(), stack.current()), (Vec::new(), (1, Some("old".to_owned()))));
}

#[tokio::test]
async fn a_restart_that_is_refused_leaves_no_function_with_the_new_one() {
    let stack = Stack::running("old").with(|state| state.stuck = Some(("hydrator", 2)));
    let said = stack.apply("new").await.expect_err("refused").to_string();
    assert!(said.starts_with("the hydrator: access denied. Version 1 runs (as version 3) again"), "{said}");
    assert_eq!(stack.all_run().as_deref(), Some("old"));
}

#[tokio::test]
async fn what_cannot_be_restored_is_said_by_its_function() {
    // The receiver's alias moves to the new version and does not go back.
    let stack = Stack::running("old").with(|state| (state.fixed, state.sticky) = (vec!["hydrator"], Some("receiver")));
    let error = stack.apply("new").await.expect_err("refused");
    assert!(matches!(error, RolloutError::Torn { .. }), "{error}");
    let said = error.to_string();
    let expected = "the hydrator: access denied; the receiver does not go back to version 1: access denied. Going back failed as \
                    well: the receiver: access denied. Functions may differ";
    assert!(said.starts_with(expected), "{said}");
    assert_eq!(stack.current(), (3, Some("old".to_owned())), "what starts from now on reads what ran before");
}

#[tokio::test]
async fn a_function_that_answers_late_or_is_throttled_is_asked_again() {
    let stack = Stack::running("old").with(|state| (state.slow, state.throttled) = (Some(("receiver", 3)), 4));
    assert_eq!(stack.apply("new").await.expect("applied"), 2);
    assert_eq!(stack.all_run().as_deref(), Some("new"));
}

#[tokio::test]
async fn an_apply_that_was_interrupted_is_finished_by_the_next() {
    let stack = Stack::running("old");
    let new = Version { number: 2, digest: digest("new"), json: "new".to_owned(), at: now(), by: "ada".to_owned() };
    stack.replace(Some(1), &new).await.expect("stored");
    let version = stack.publish("receiver", "").await.expect("published");
    stack.point("receiver", &version).await.expect("moved");
    let behind = catch_up(&stack, &new, &Silent).await.expect("brought");
    assert_eq!(behind, ["hydrator", "retrier", "alerter"]);
    assert_eq!(stack.all_run().as_deref(), Some("new"));
    assert!(catch_up(&stack, &new, &Silent).await.expect("asked").is_empty());
}

#[tokio::test]
async fn a_parameter_that_a_deployment_changed_is_published() {
    let stack = Stack::running("old").with(|state| state.changed = vec!["retrier"]);
    let Some(Stored::Applied(current)) = stack.0.borrow().current.clone() else { panic!("nothing is applied") };
    assert_eq!(catch_up(&stack, &current, &Silent).await.expect("brought"), ["retrier"]);
    assert!(stack.0.borrow().live.values().all(|version| *version == 2), "all functions together");
    assert!(catch_up(&stack, &current, &Silent).await.expect("asked").is_empty());
}
