//! Plays seeds: `swarm FIRST COUNT`, or one with its timeline: `swarm SEED`.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "for people")]

use sim::swarm::{self, Kind, Options, Saboteur};

fn main() {
    let mut numbers = Vec::new();
    let mut options = Options::default();
    for arg in std::env::args().skip(1) {
        if let Some(saboteur) = Saboteur::parse(&arg) {
            options.saboteur = Some(saboteur);
        } else if let Some(kind) = arg.strip_prefix("-").and_then(Kind::parse) {
            options.without.push(kind);
        } else if let Ok(number) = arg.parse::<u64>() {
            numbers.push(number);
        }
    }
    if let [seed] = numbers[..] {
        options.record = true;
        let report = swarm::run(seed, &options);
        println!("{}", swarm::timeline(&report.history));
        println!("{:?} {:?}", report.violation, report.kinds);
        return;
    }
    let (first, count) = (numbers[0], numbers[1]);
    let began = std::time::Instant::now();
    let (mut steps, mut found) = (0, std::collections::BTreeMap::<&str, Vec<u64>>::new());
    for seed in first..first + count {
        let report = swarm::run(seed, &options);
        steps += report.steps;
        if let Some(violation) = report.violation {
            let list = found.entry(violation.invariant).or_default();
            list.push(seed);
            if list.len() <= 2 {
                println!("seed {seed}: {violation}");
            }
        }
    }
    println!(
        "{count} seeds, {} steps each, {:.1} seeds/s",
        steps / count,
        count as f64 / began.elapsed().as_secs_f64()
    );
    for (name, seeds) in found {
        println!("{name}: {} {:?}", seeds.len(), &seeds[..seeds.len().min(12)]);
    }
}
