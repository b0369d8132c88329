//! The regression checks: instructions against a committed baseline, and AWS calls against the table of `gridbell
//! cost`.

use std::{
    collections::BTreeMap,
    io::{Write, stdout},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use cost::{Count, STEPS};
use local_stack::Workspace;
use serde_json::{Value, json};

use crate::{
    Binaries,
    measure::{
        self,
        calls::{self, Counted, Did},
        instructions::{self, Instructions},
    },
    scene::Scene,
    stub::Call,
};

/// The share by which a figure may differ from its baseline.
const TOLERANCE: f64 = 0.02;
/// The share by which the logged bytes may differ: the ids and numbers in logs vary in length.
const LOG_TOLERANCE: f64 = 0.05;
/// The number of calls that may differ: how many calls the signals of a batch share depends on the speed of the
/// answers.
const SHARED_CALLS: u32 = 2;

/// Fail if a function costs more, or less, than its committed baseline.
#[derive(Debug, Args)]
pub(crate) struct Gate {
    #[command(flatten)]
    binaries: Binaries,
    /// Write a new baseline for this compiler.
    #[arg(long)]
    bless: bool,
}

pub(crate) async fn run(gate: Gate) -> Result<()> {
    let artifacts = gate.binaries.find()?;
    let scene = Scene::set().await?;
    let mut moved = differing(&calls::count(&scene, &artifacts, 0).await?)?;
    let Some(valgrind) = instructions::valgrind() else {
        bail!("instructions cannot be counted: valgrind is missing (Debian, Ubuntu: apt-get install valgrind)")
    };
    let subjects = measure::subjects(&scene, artifacts).await?;
    let counts = instructions::measure(&scene, &subjects, &valgrind, None).await?;
    let measured: BTreeMap<&str, Instructions> =
        subjects.iter().map(|subject| subject.artifact.name).zip(counts).collect();
    let (file, compiler) = (baseline_file()?, compiler()?);
    let mut baselines: Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
    if gate.bless {
        baselines[&compiler] = measured.iter().map(|(name, count)| ((*name).to_owned(), as_json(*count))).collect();
        std::fs::write(&file, format!("{baselines:#}\n"))?;
    }
    let baseline = baselines.get(&compiler).with_context(|| {
        format!("{} holds nothing for {compiler}: run `cargo run -p bench -- gate --bless`", file.display())
    })?;
    for (name, count) in &measured {
        moved.extend(against(name, *count, baseline)?);
    }
    ensure!(moved.is_empty(), "{} figures moved:\n  {}", moved.len(), moved.join("\n  "));
    writeln!(stdout(), "{} functions within 2 % of their baseline; calls as the cost table has them", measured.len())?;
    Ok(())
}

fn baseline_file() -> Result<PathBuf> {
    Ok(Workspace::find()?.root.join("crates/bench/baseline.json"))
}

/// The compiler and CPU, such as `rustc 1.95.0 x86_64`: others give other figures.
fn compiler() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").current_dir(Workspace::find()?.root).output()?;
    let version = String::from_utf8(output.stdout)?;
    let version: Vec<&str> = version.split_whitespace().take(2).collect();
    Ok(format!("{} {}", version.join(" "), std::env::consts::ARCH))
}

fn figures(count: Instructions) -> [(&'static str, u64); 3] {
    [("init", count.init), ("first", count.first), ("warm", count.warm)]
}

fn as_json(count: Instructions) -> Value {
    figures(count).into_iter().map(|(what, instructions)| (what.to_owned(), json!(instructions))).collect()
}

/// The figures that differ from the baseline by more than the tolerance.
fn against(name: &str, count: Instructions, baseline: &Value) -> Result<Vec<String>> {
    let mut moved = Vec::new();
    for (what, now) in figures(count) {
        let before = baseline.get(name).and_then(|of| of.get(what)).and_then(Value::as_u64);
        let before = before.with_context(|| format!("the baseline holds no {what} of {name}"))?;
        #[expect(clippy::cast_precision_loss, reason = "millions of instructions")]
        let change = now as f64 / before as f64 - 1.0;
        if change.abs() > TOLERANCE {
            let percent = 100.0 * change;
            moved.push(format!("{name}, {what}: {now} instructions, {percent:+.1} % (baseline {before})"));
        }
    }
    Ok(moved)
}

/// The steps that consume something other than the cost table states.
fn differing(counted: &[Counted]) -> Result<Vec<String>> {
    let mut moved = Vec::new();
    for step in STEPS {
        let found = counted.iter().find(|counted| counted.what == step.what);
        let found = found.with_context(|| format!("the bench counts no step {:?}", step.what))?;
        for (did, billed) in [(&found.alone, Some(step.alone)), (&found.batch, step.ten)] {
            let (Some(did), Some(billed)) = (did, billed) else { continue };
            let counted = count(did)?;
            if !alike(counted, billed) {
                moved.push(format!("{:?} consumes {counted:?}; crates/cost/src/calls.rs says {billed:?}", step.what));
            }
        }
    }
    Ok(moved)
}

fn count(did: &Did) -> Result<Count> {
    let calls = |of: &dyn Fn(&Call) -> bool| u32::try_from(did.calls.iter().filter(|call| of(call)).count());
    let capacity = did.capacity();
    Ok(Count {
        standard: calls(&|call| call.operation.starts_with("sqs:") && !call.fifo)?,
        fifo: calls(&|call| call.operation.starts_with("sqs:") && call.fifo)?,
        writes: u32::try_from(capacity.writes)?,
        half_reads: u32::try_from(capacity.half_reads)?,
        mails: calls(&|call| call.operation.starts_with("ses:"))?,
        logged: u32::try_from(did.logged)?,
    })
}

fn alike(counted: Count, billed: Count) -> bool {
    let fifo =
        if billed.fifo > 1 { counted.fifo.abs_diff(billed.fifo) <= SHARED_CALLS } else { counted.fifo == billed.fifo };
    let logged = f64::from(counted.logged.abs_diff(billed.logged)) <= LOG_TOLERANCE * f64::from(billed.logged);
    fifo && logged && Count { fifo: 0, logged: 0, ..counted } == Count { fifo: 0, logged: 0, ..billed }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same in every profile, so debug binaries do.
    #[tokio::test(flavor = "multi_thread")]
    async fn calls_and_units_are_as_the_cost_table_has_them() {
        let artifacts = crate::artifacts::functions().expect("built");
        let scene = Scene::set().await.expect("a scene");
        let counted = calls::count(&scene, &artifacts, 0).await.expect("counted");
        assert_eq!(differing(&counted).expect("every step"), Vec::<String>::new());
    }

    const BEFORE: Instructions = Instructions { init: 1_000_000, first: 3_000_000, warm: 600_000 };

    #[test]
    fn what_moves_by_more_than_two_percent_is_named_in_both_directions() {
        let baseline = json!({ "receiver": as_json(BEFORE) });
        let check = |count, expected: &[&str]| {
            let moved = against("receiver", count, &baseline).unwrap();
            assert_eq!(moved.len(), expected.len(), "{moved:?}");
            assert!(moved.iter().zip(expected).all(|(moved, expected)| moved.contains(expected)), "{moved:?}");
        };
        check(BEFORE, &[]);
        check(Instructions { init: 1_019_000, warm: 589_000, ..BEFORE }, &[]);
        check(
            Instructions { init: 1_021_000, warm: 580_000, ..BEFORE },
            &["init: 1021000 instructions, +2.1 %", "warm"],
        );
        assert!(against("hydrator", BEFORE, &baseline).is_err());
    }

    #[test]
    fn counts_are_alike_where_only_shared_calls_and_the_length_of_ids_differ() {
        let billed = Count { fifo: 2, writes: 60, logged: 4_255, ..Count::default() };
        assert!(alike(Count { fifo: 3, logged: 4_300, ..billed }, billed));
        assert!(!alike(Count { writes: 61, ..billed }, billed));
        assert!(!alike(Count { logged: 5_000, ..billed }, billed));
        let alone = Count { fifo: 1, ..Count::default() };
        assert!(!alike(Count { fifo: 2, ..alone }, alone));
    }
}
