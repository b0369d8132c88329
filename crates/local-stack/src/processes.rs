//! The functions' processes on this machine, for a test that kills one. Linux only: on other systems it finds none.

use std::io;

use rustix::process::{Pid, Signal, kill_process};

/// What a test does to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// It stands still.
    Stop,
    /// It goes on.
    Continue,
    /// It ends at once.
    Kill,
}

/// Does that to a process.
///
/// # Errors The process has ended, or belongs to another user.
pub fn harm(process: u32, harm: Harm) -> io::Result<()> {
    let signal = match harm {
        Harm::Stop => Signal::STOP,
        Harm::Continue => Signal::CONT,
        Harm::Kill => Signal::KILL,
    };
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    Ok(kill_process(pid, signal)?)
}

/// The processes whose environment contains this function's name and this emulator's endpoint.
pub fn of_function(function: &str, endpoint: &str) -> Vec<u32> {
    let wanted = [format!("AWS_LAMBDA_FUNCTION_NAME={function}"), format!("AWS_ENDPOINT_URL={endpoint}")];
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    processes
        .flatten()
        .filter_map(|process| {
            let pid = process.file_name().to_str()?.parse().ok()?;
            // Another user's process cannot be read and does not belong to this stack.
            let environment = std::fs::read(process.path().join("environ")).ok()?;
            let variables: Vec<&[u8]> = environment.split(|byte| *byte == 0).collect();
            wanted.iter().all(|wanted| variables.contains(&wanted.as_bytes())).then_some(pid)
        })
        .collect()
}

/// The emulator: the child of the guard that leads its group.
pub(super) fn emulator(guard: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{guard}/task/{guard}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
