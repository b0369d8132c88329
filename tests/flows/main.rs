//! Flows on the local stack: the real functions and the real template, tested as a black box over HTTP, SQS and mail.
//!
//! The first case starts the stack: it installs tools and builds functions as needed. The cases share the stack and use
//! different sources and ids, so all of them run at once. `cargo test --test flows -- leap` runs some.

mod bulk;
mod chaos;
mod consumers;
mod cut;
mod deadlines;
mod endpoint;
mod epoch;
mod evil;
mod failing;
mod harness;
mod incidents;
mod leap;
mod nvgrid;
mod odd_inputs;
mod openvolt;
mod outputs;
mod poll;
mod processes;
mod rings;
mod sites;
mod stack;
mod stub;
mod text;
mod voltus;

use std::{process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::{Builder, Runtime};

/// Cases wait far more than they compute.
const AT_ONCE: usize = 64;

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(AT_ONCE));
    let runtime = Arc::new(Builder::new_multi_thread().enable_all().build()?);
    let cases = [
        // The slow ones first.
        chaos::cases(),
        poll::cases(),
        cut::cases(),
        failing::cases(),
        outputs::cases(),
        incidents::cases(),
        rings::cases(),
        epoch::cases(),
        deadlines::cases(),
        consumers::cases(),
        endpoint::cases(),
        evil::cases(),
        voltus::cases(),
        leap::cases(),
        bulk::cases(),
        nvgrid::cases(),
        openvolt::cases(),
        odd_inputs::cases(),
        sites::cases(),
        stack::cases(),
        text::cases(),
    ];
    let trials = cases.into_iter().flatten().map(|case| trial(case, runtime.clone())).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    let wrong = runtime.block_on(harness::end());
    let mut code = conclusion.exit_code();
    if !wrong.is_empty() {
        use std::io::Write as _;
        writeln!(std::io::stderr(), "after all cases:\n\n{}\n", wrong.join("\n\n"))?;
        code = ExitCode::from(101);
    }
    Ok(code)
}

fn trial(case: harness::Case, runtime: Arc<Runtime>) -> Trial {
    let harness::Case { name, run } = case;
    Trial::test(name, move || runtime.block_on(run()).map_err(|error| Failed::from(format!("{error:#}"))))
}
