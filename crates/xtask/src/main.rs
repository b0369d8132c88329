//! Commands for gridbell's developers. `cargo xtask --help` lists them.

mod cargo;
mod chaos;
mod prebuilt;
mod storm;
mod swarm;

use std::ffi::OsString;

use anyhow::Result;
use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;

/// The arguments of `cargo xtask`.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Commands for developers of gridbell")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run simulated histories: one seed, many seeds, or a storm
    #[command(subcommand)]
    Swarm(swarm::Swarm),
    /// Measure starts, instructions, AWS calls and load: build the driver in the release profile and run it
    #[command(after_help = cargo::BENCH_EXAMPLES)]
    Bench {
        /// Arguments of the driver; `cargo xtask bench -- --help` shows its own help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
        arguments: Vec<OsString>,
    },
    /// Start the system on this machine, damage it while webhooks arrive, and check that each is accounted for
    #[command(after_help = chaos::EXAMPLES)]
    Chaos(chaos::Chaos),
    /// Deploy an earlier commit, this one, the earlier one again and this one again while webhooks arrive; check that none is lost
    #[command(after_help = chaos::upgrade::EXAMPLES)]
    Upgrade(chaos::upgrade::UpgradeArgs),
    /// Write the template of a release, whose functions are packages that were built before
    #[command(after_help = prebuilt::EXAMPLES)]
    Prebuilt(prebuilt::Prebuilt),
    /// Write the payloads in `events/` again
    Fixtures,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Swarm(command) => swarm::run(command),
        Command::Chaos(options) => Runtime::new()?.block_on(chaos::run(options)),
        Command::Upgrade(options) => Runtime::new()?.block_on(chaos::upgrade::run(options)),
        Command::Prebuilt(options) => prebuilt::run(&options),
        Command::Bench { arguments } => cargo::bench(&arguments),
        Command::Fixtures => cargo::fixtures(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_of_the_bench_are_passed_on() {
        let words = ["cargo xtask", "bench", "load", "--single", "50"];
        let Command::Bench { arguments } = Cli::try_parse_from(words).unwrap().command else { panic!("no bench") };
        assert_eq!(arguments, ["load", "--single", "50"]);
    }
}
