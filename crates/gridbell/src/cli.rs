//! The command line: nouns first. Exit status 0: done; 1: failed; 2: wrong command line.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};

use crate::{
    show,
    usage::{self, UsageError},
    verbs,
};

/// Turn the webhooks of grid operators into one ordered stream of signals.
#[derive(Debug, Parser)]
#[command(name = "gridbell", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start the whole system on this machine, play every provider's scenarios and check the results.
    Demo(verbs::demo::Demo),
    /// Run the whole system on this machine until Ctrl-C.
    Up(verbs::up::Up),
    /// Simulate the providers' APIs and their webhooks on this machine until Ctrl-C.
    Providers(verbs::providers::Providers),
    /// Play a provider's scenario against a source, by that provider's own rules.
    Trigger(verbs::trigger::Trigger),
    /// Register, list, test and remove a source's webhook at its provider.
    #[command(subcommand)]
    Webhook(verbs::webhook::WebhookVerb),
    /// Show dispatches, and acknowledge one for its controller.
    #[command(subcommand)]
    Dispatch(verbs::dispatch::DispatchVerb),
    /// Show sites: which are curtailed, until when, and which of the overlapping dispatches governs.
    #[command(subcommand)]
    Site(verbs::site::SiteVerb),
    /// Show deliveries that did not go through, and replay them.
    #[command(subcommand)]
    Delivery(verbs::delivery::DeliveryVerb),
    /// Show where signals are delivered, test an output, and replay what one did not take.
    #[command(subcommand)]
    Output(verbs::output::OutputVerb),
    /// Show the epoch of the published signals, and begin a new one after a restore.
    #[command(subcommand)]
    Epoch(verbs::epoch::EpochVerb),
    /// Show incidents, acknowledge and snooze them.
    #[command(subcommand)]
    Alert(verbs::alert::AlertVerb),
    /// Check and apply gridbell.toml, and list the applied versions.
    #[command(subcommand)]
    Config(verbs::config::ConfigVerb),
    /// Serve the web console on this machine until Ctrl-C: dispatches, sites, deliveries, outputs, incidents, sources.
    #[command(after_help = verbs::console::EXAMPLES)]
    Console(verbs::console::WebConsole),
    /// Check on one screen what would block a dispatch, and show how to fix it.
    #[command(after_help = verbs::doctor::EXAMPLES)]
    Doctor(verbs::doctor::Doctor),
    /// Test a running stack from its public address to a signal and a mail, with test dispatches only.
    #[command(after_help = verbs::verify::EXAMPLES)]
    Verify(verbs::verify::Verify),
    /// Estimate what gridbell costs at AWS, line by line.
    Cost(verbs::cost::Cost),
    /// Print the completions for a shell.
    #[command(
        after_help = "Example:\n  gridbell completions bash > ~/.local/share/bash-completion/completions/gridbell"
    )]
    Completions {
        /// Shell to complete for
        shell: clap_complete::Shell,
    },
}

/// Exit status of an endless verb whose reader has closed the pipe: the one that shells report for SIGPIPE.
const READER_LEFT: u8 = 141;

/// The whole command line, for tests that run every verb.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses the command line and runs the verb.
pub fn run() -> ExitCode {
    let mut ours = false;
    let done = match Cli::try_parse() {
        Ok(cli) => {
            // These errors end with several lines of a compiler, emulator or checker. All other errors are one line.
            ours = matches!(cli.verb, Verb::Up(_) | Verb::Demo(_));
            act(cli)
        }
        Err(error) if is_help(&error) => error.exit(),
        Err(error) => Err(usage::error(in_one_line(&error.render().to_string()))),
    };
    let Err(error) = done else { return ExitCode::SUCCESS };
    if error.is::<show::ReaderLeft>() {
        return ExitCode::from(READER_LEFT);
    }
    show::error(&format!("{error:#}"), ours);
    if error.is::<UsageError>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// Whether clap answers with help: because of `--help` or `--version`, or because the subcommand is missing.
fn is_help(error: &clap::Error) -> bool {
    !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

/// Clap's error on one line: the problem and the tip, without the usage, which `--help` shows.
fn in_one_line(said: &str) -> String {
    let lines = said.lines().map(str::trim).take_while(|line| !line.starts_with("For more information"));
    let (usage, said): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with("Usage:"));
    let said: Vec<&str> = said.into_iter().filter(|line| !line.is_empty()).collect();
    let words = usage.first().map_or("", |usage| usage.trim_start_matches("Usage: ")).split(' ');
    let verb: String =
        words.take_while(|word| word.starts_with(char::is_alphabetic)).flat_map(|word| [word, " "]).collect();
    let said = said.join(" ").replace(" tip: ", "; ");
    format!("{}; `{verb}--help` says more", said.trim_start_matches("error: "))
}

fn act(cli: Cli) -> Result<()> {
    if let Verb::Completions { shell } = &cli.verb {
        let mut script = Vec::new();
        clap_complete::generate(*shell, &mut Cli::command(), "gridbell", &mut script);
        return show::raw(&script);
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no threads can be started")?;
    match cli.verb {
        Verb::Demo(demo) => runtime.block_on(verbs::demo::run(demo)),
        Verb::Up(up) => runtime.block_on(verbs::up::run(up)),
        Verb::Providers(providers) => runtime.block_on(verbs::providers::run(providers)),
        Verb::Trigger(trigger) => runtime.block_on(verbs::trigger::run(trigger)),
        Verb::Webhook(verb) => runtime.block_on(verbs::webhook::run(verb)),
        Verb::Dispatch(verb) => runtime.block_on(verbs::dispatch::run(verb)),
        Verb::Site(verb) => runtime.block_on(verbs::site::run(verb)),
        Verb::Delivery(verb) => runtime.block_on(verbs::delivery::run(verb)),
        Verb::Output(verb) => runtime.block_on(verbs::output::run(verb)),
        Verb::Console(console) => runtime.block_on(verbs::console::run(console)),
        Verb::Completions { .. } => Ok(()),
        Verb::Cost(cost) => verbs::cost::run(&cost),
        Verb::Alert(verb) => runtime.block_on(verbs::alert::run(verb)),
        Verb::Epoch(verb) => runtime.block_on(verbs::epoch::run(verb)),
        Verb::Config(verb) => runtime.block_on(verbs::config::run(verb)),
        Verb::Verify(verify) => runtime.block_on(verbs::verify::run(verify)),
        Verb::Doctor(doctor) => runtime.block_on(verbs::doctor::run(doctor)),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verbs_help_has_an_example() {
        fn leaves(command: &clap::Command, found: &mut Vec<clap::Command>) {
            if !command.has_subcommands() {
                found.push(command.clone());
            }
            for one in command.get_subcommands().filter(|one| one.get_name() != "help") {
                leaves(one, found);
            }
        }
        let mut verbs = Vec::new();
        let mut whole = Cli::command();
        whole.build();
        leaves(&whole, &mut verbs);
        assert!(verbs.len() > 20, "{}", verbs.len());
        for mut verb in verbs {
            let help = verb.render_long_help().to_string();
            assert!(help.contains("Example") && help.contains("gridbell "), "{help}");
        }
    }

    #[test]
    fn a_wrong_command_line_is_one_line() {
        let check = |words: &str, expected: &str| {
            let words = ["gridbell"].into_iter().chain(words.split(' '));
            let error = Cli::try_parse_from(words).expect_err("refused");
            assert_eq!(in_one_line(&error.render().to_string()), expected);
        };
        check(
            "dispatch list --sourc x",
            "unexpected argument '--sourc' found; a similar argument exists: '--source'; `gridbell dispatch list --help` says more",
        );
        check(
            "dispatch get",
            "the following required arguments were not provided: <KEY>; `gridbell dispatch get --help` says more",
        );
        check(
            "dispatch list --phase never",
            "invalid value 'never' for '--phase <PHASE>' [possible values: running, upcoming, over, ended, cancelled]; `--help` says more",
        );
    }
}
