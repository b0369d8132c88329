//! Whole histories from seeds. Every test first checks determinism: without it, no other result means anything. Then
//! come the seeds that once found a bug, the saboteurs, and as many other seeds as there is time for.
//!
//! `GRIDBELL_SEEDS` sets the number of other seeds: half from 0 on, half from `GRIDBELL_SEED_BASE`, a number or a
//! commit's hash; without it the second half is the same each time too.
#![expect(clippy::disallowed_methods, reason = "the tests print how many seeds a second they run")]

use std::{
    fmt::Write as _,
    panic::resume_unwind,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use simulation::swarm::{self, Options, Report, Saboteur};

/// The number of seeds without `GRIDBELL_SEEDS`.
const FEW: u64 = 100;

/// A saboteur must be caught within this many seeds.
const BUDGET: u64 = 300;

/// How often each saboteur must be caught if `GRIDBELL_SEEDS` is set: the number of seeds varies, so the test reports a
/// median.
const CATCHES: usize = 5;

/// Checks that the same seed gives the same history, byte for byte, with all faults. Every other test starts with this
/// check.
fn deterministic() {
    static DETERMINISTIC: OnceLock<()> = OnceLock::new();
    DETERMINISTIC.get_or_init(|| {
        for seed in 0..4 {
            let history = || swarm::run(seed, &recorded()).jsonl();
            let (once, again) = (history(), history());
            assert!(once.lines().count() > 100, "seed {seed} has no history to speak of");
            let differs = once.lines().zip(again.lines()).position(|(a, b)| a != b);
            assert_eq!((differs, once.len()), (None, again.len()), "seed {seed} is not deterministic");
        }
    });
}

fn recorded() -> Options {
    Options { record: true, ..Options::default() }
}

/// Prints the end of a failed seed's history, and the command that replays it.
fn assert_holds(report: &Report) {
    let Some(violation) = &report.violation else { return };
    let seed = report.seed;
    let timeline = swarm::timeline(&swarm::run(seed, &recorded()).history);
    let lines: Vec<&str> = timeline.lines().collect();
    let end = lines[lines.len().saturating_sub(40)..].join("\n");
    let faults: Vec<&str> = report.kinds.iter().map(|kind| kind.name()).collect();
    panic!("{end}\n\nseed {seed}: {violation}\nfaults: {faults:?}\nreplay: cargo xtask swarm run --seed {seed}");
}

/// The seeds in a file, each at the start of a line.
fn listed(file: &str) -> Vec<u64> {
    file.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

/// Runs seeds on all cores.
fn play<T: Send>(seeds: &[u64], one: impl Fn(u64) -> T + Sync) -> Vec<(u64, T)> {
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut played: Vec<(u64, T)> = thread::scope(|scope| {
        let job = || {
            let mut mine = Vec::new();
            while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                mine.push((*seed, one(*seed)));
            }
            mine
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(job)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    played.sort_by_key(|(seed, _)| *seed);
    played
}

#[test]
fn a_seed_is_the_same_history_byte_for_byte() {
    deterministic();
    assert_ne!(swarm::run(1, &recorded()).jsonl(), swarm::run(2, &recorded()).jsonl());
}

#[test]
fn seeds_that_once_failed_pass() {
    deterministic();
    let seeds = listed(include_str!("../regressions.txt"));
    assert!(!seeds.is_empty());
    for (_, report) in play(&seeds, |seed| swarm::run(seed, &Options::default())) {
        assert_holds(&report);
    }
}

/// The number of seeds in `GRIDBELL_SEEDS`.
fn asked() -> Option<u64> {
    std::env::var("GRIDBELL_SEEDS").ok()?.parse().ok()
}

/// How many seeds each catch took, and the invariant of the first catch.
fn caught(saboteur: Saboteur, catches: usize) -> (Vec<u64>, &'static str) {
    let options = Options { saboteur: Some(saboteur), ..Options::default() };
    let (mut takes, mut by, mut began) = (Vec::new(), "", 0);
    for seed in 0.. {
        if let Some(violation) = swarm::run(seed, &options).violation {
            takes.push(seed + 1 - began);
            began = seed + 1;
            by = if by.is_empty() { violation.invariant } else { by };
        }
        if takes.len() == catches || seed + 1 >= began + BUDGET {
            break;
        }
    }
    takes.sort_unstable();
    (takes, by)
}

#[test]
fn every_saboteur_is_caught() {
    deterministic();
    let numbers: Vec<u64> = (0..).take(Saboteur::ALL.len()).collect();
    let catches = if asked().is_some() { CATCHES } else { 1 };
    let mut table = String::new();
    let mut survives = false;
    let saboteur = |number: u64| Saboteur::ALL[usize::try_from(number).expect("few")];
    for (number, (takes, by)) in play(&numbers, |number| caught(saboteur(number), catches)) {
        let name = saboteur(number).name();
        let median = takes.get(catches / 2).filter(|_| takes.len() == catches);
        survives |= median.is_none();
        let median = median.map_or("NOT CAUGHT".to_owned(), |median| format!("median {median:>3} seeds"));
        let _ = writeln!(table, "{name:<28} {median}, {by}, of {takes:?}");
    }
    println!("{table}");
    assert!(!survives, "{table}");
}

#[test]
fn the_first_seeds_hold() {
    deterministic();
    all_hold(0);
}

#[test]
fn fresh_seeds_hold() {
    deterministic();
    all_hold(std::env::var("GRIDBELL_SEED_BASE").map_or(1 << 32, |base| {
        let digits = base.get(..12).unwrap_or(&base);
        base.parse().or_else(|_| u64::from_str_radix(digits, 16)).unwrap_or(1 << 32)
    }));
}

/// Runs half of the requested seeds, from that one on.
#[expect(clippy::print_stdout, reason = "two tests print their results")]
fn all_hold(from: u64) {
    let open = listed(include_str!("../open.txt"));
    let all = (0..asked().unwrap_or(FEW) / 2).map(|n| from.wrapping_add(n));
    let seeds: Vec<u64> = all.filter(|seed| !open.contains(seed)).collect();
    let began = Instant::now();
    let played = play(&seeds, |seed| swarm::run(seed, &Options::default()));
    let steps: u64 = played.iter().map(|(_, report)| report.steps).sum();
    let failed = played.iter().filter(|(_, report)| report.violation.is_some()).count();
    println!("{} seeds from {from} on in {:.0?}, {steps} steps, {failed} failed", played.len(), began.elapsed());
    for (_, report) in &played {
        if let Some(found) = &report.violation {
            println!("seed {}: {found}", report.seed);
        }
    }
    for (_, report) in &played {
        assert_holds(report);
    }
}
