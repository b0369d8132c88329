//! Shows in which functions a warm invocation spends its instructions, from the files of `--keep`.

use std::{
    collections::{BTreeMap, HashMap},
    io::{Write, stdout},
    path::PathBuf,
};

use anyhow::{Context, Result};
use clap::Args;

use crate::{measure::instructions::WARM, table::Table};

/// How many of the largest functions are shown, by own cost and by total cost.
const SHOWN: (usize, usize) = (10, 40);

/// Show where warm invocations spend their instructions.
#[derive(Debug, Args)]
pub(crate) struct Top {
    /// The folder given to `--keep`.
    folder: PathBuf,
    /// The function.
    function: String,
}

/// Instructions of a function alone, and with all functions that it calls.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Cost {
    own: u64,
    with_calls: u64,
}

pub(crate) fn run(top: &Top) -> Result<()> {
    let read = |events: usize| {
        let file = top.folder.join(format!("callgrind.{}.{events}", top.function));
        let text = std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        Ok::<_, anyhow::Error>(costs(&text))
    };
    let (before, after) = (read(WARM.0)?, read(WARM.1)?);
    let warm = |name: &str, of: fn(&Cost) -> u64| {
        let of = |costs: &BTreeMap<String, Cost>| costs.get(name).map_or(0, of);
        of(&after).saturating_sub(of(&before)) / (WARM.1 - WARM.0) as u64
    };
    let total: u64 = after.keys().map(|name| warm(name, |cost| cost.own)).sum();
    let mut out = stdout();
    for (title, of, shown) in [
        ("itself", (|cost| cost.own) as fn(&Cost) -> u64, SHOWN.0),
        ("with what it calls", |cost| cost.with_calls, SHOWN.1),
    ] {
        let mut largest: Vec<(u64, &String)> = after.keys().map(|name| (warm(name, of), name)).collect();
        largest.sort_unstable_by(|one, other| other.cmp(one));
        let mut table = Table::new(["function", title, "%"]);
        for (instructions, name) in largest.into_iter().take(shown) {
            #[expect(clippy::cast_precision_loss, reason = "millions of instructions")]
            let percent = 100.0 * instructions as f64 / total as f64;
            table.row([format!("`{name}`"), instructions.to_string(), format!("{percent:.1}")]);
        }
        writeln!(out, "{table}")?;
    }
    Ok(())
}

/// Reads a callgrind file. A name is written in full once and then as its number; the line after `calls=` is the cost
/// of the call.
fn costs(file: &str) -> BTreeMap<String, Cost> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut costs: BTreeMap<&str, Cost> = BTreeMap::new();
    let (mut current, mut called) = ("", false);
    for line in file.lines() {
        let (key, value) = line.split_once('=').unwrap_or(("", line));
        match key {
            "fn" | "cfn" => {
                let (number, name) = value.split_once(' ').unwrap_or((value, ""));
                let name = if name.is_empty() { names.get(number).copied().unwrap_or(number) } else { name };
                names.insert(number, name);
                if key == "fn" {
                    current = name;
                }
            }
            "calls" => called = true,
            "" if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) => {
                let cost = line.split_whitespace().nth(1).and_then(|cost| cost.parse().ok()).unwrap_or(0);
                let entry = costs.entry(current).or_default();
                entry.with_calls += cost;
                if !std::mem::take(&mut called) {
                    entry.own += cost;
                }
            }
            _ => {}
        }
    }
    costs.into_iter().map(|(name, cost)| (name.to_owned(), cost)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Cost, costs};

    #[test]
    fn a_call_counts_for_its_caller_and_a_name_stands_in_full_once() {
        let file = "events: Ir\nsummary: 30\n\nob=(1) /bootstrap\nfl=(1) main.rs\nfn=(1) main\n16 5\ncfn=(2) sign\n\
                    calls=2 40\n+1 20\n* 1\n\nfn=(2)\nfi=(3) other.rs\n40 12\n-3 8\n\ntotals: 26\n";
        let costs = costs(file);
        assert_eq!(costs["main"], Cost { own: 6, with_calls: 26 });
        assert_eq!(costs["sign"], Cost { own: 20, with_calls: 20 });
        assert_eq!(costs.len(), 2);
    }
}
