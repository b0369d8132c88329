//! The command line: nouns first, exit status 0 where it did what was asked, 1 where not, 2 for a wrong command line.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};

use crate::{
    show,
    usage::{self, UsageError},
    verbs,
};

/// Takes grid operators' webhooks and makes one ordered stream of signals of them.
#[derive(Debug, Parser)]
#[command(name = "gridbell", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Brings the whole system up on this machine, plays every provider's story through it, and checks what comes of it.
    Demo(verbs::demo::Demo),
    /// Brings the whole system up on this machine and keeps it until Ctrl-C.
    Up(verbs::up::Up),
    /// Serves the providers' APIs on this machine, with their webhooks, until Ctrl-C.
    Providers(verbs::providers::Providers),
    /// Plays a provider's scenario at a source, by that provider's own rules.
    Trigger(verbs::trigger::Trigger),
    /// Registers a source's webhook with its provider, lists it, takes it away, tests it.
    #[command(subcommand)]
    Webhook(verbs::webhook::WebhookVerb),
    /// Looks at dispatches, and answers for a controller.
    #[command(subcommand)]
    Dispatch(verbs::dispatch::DispatchVerb),
    /// Looks at sites: who is curtailed, until when, and which of the dispatches that overlap there says how much.
    #[command(subcommand)]
    Site(verbs::site::SiteVerb),
    /// Looks at deliveries that did not go through, and puts them in once more.
    #[command(subcommand)]
    Delivery(verbs::delivery::DeliveryVerb),
    /// Shows under which epoch signals are published, and begins a new one after a restore.
    #[command(subcommand)]
    Epoch(verbs::epoch::EpochVerb),
    /// Looks at incidents, and takes them on.
    #[command(subcommand)]
    Alert(verbs::alert::AlertVerb),
    /// Looks after gridbell.toml.
    #[command(subcommand)]
    Config(verbs::config::ConfigVerb),
    /// Serves a web page on this machine: dispatches, sites, deliveries, incidents, sources; until Ctrl-C.
    #[command(after_help = verbs::console::EXAMPLES)]
    Console(verbs::console::WebConsole),
    /// Says in one screen what would stop a dispatch from getting through, with the mend beside it.
    #[command(after_help = verbs::doctor::EXAMPLES)]
    Doctor(verbs::doctor::Doctor),
    /// Says what it costs at AWS, line by line, before the bill does.
    Cost(verbs::cost::Cost),
    /// Prints the completions for a shell.
    #[command(
        after_help = "Example:\n  gridbell completions bash > ~/.local/share/bash-completion/completions/gridbell"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// The exit status of what has no end and whose reader has left: what a shell says of a process that SIGPIPE ended.
const READER_LEFT: u8 = 141;

/// The whole command line, for tests that go through every verb.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Reads the command line and does what it says.
pub fn run() -> ExitCode {
    let mut ours = false;
    let done = match Cli::try_parse() {
        Ok(cli) => {
            // These fail with the last words of a compiler, the emulator or a checker. Everywhere else an error is one line.
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

/// What was asked for, or what answers a command line that stops too early.
fn is_help(error: &clap::Error) -> bool {
    !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

/// What is wrong and what would be right, without the usage, which `--help` shows.
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
        Verb::Console(console) => runtime.block_on(verbs::console::run(console)),
        Verb::Completions { .. } => Ok(()),
        Verb::Cost(cost) => verbs::cost::run(&cost),
        Verb::Alert(verb) => runtime.block_on(verbs::alert::run(verb)),
        Verb::Epoch(verb) => runtime.block_on(verbs::epoch::run(verb)),
        Verb::Config(verb) => runtime.block_on(verbs::config::run(verb)),
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
