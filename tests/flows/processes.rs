//! The stack's processes.

use std::fs;

use anyhow::{Context, Result};
use rustix::process::Pid;

/// A process of the group.
struct Process {
    pid: Pid,
    parent: u32,
    environment: Vec<u8>,
}

/// The live processes in a process group; the functions are in their emulator's group.
fn of_group(group: u32) -> Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("processes are listed in /proc")?.flatten() {
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        // It may have ended since.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((_, after)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<&str> = after.split_whitespace().take(3).collect();
        let [state, parent, its_group] = fields[..] else { continue };
        if matches!(state, "Z" | "X") || its_group.parse() != Ok(group) {
            continue;
        }
        let Some(pid) = Pid::from_raw(number) else { continue };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        found.push(Process { pid, parent: parent.parse()?, environment });
    }
    Ok(found)
}

/// The processes that run a function now.
pub(crate) fn of_function(group: u32, function: &str) -> Result<Vec<Pid>> {
    let wanted = format!("AWS_LAMBDA_FUNCTION_NAME={function}");
    let serves = |process: &Process| process.environment.split(|byte| *byte == 0).any(|line| line == wanted.as_bytes());
    Ok(of_group(group)?.into_iter().filter(serves).map(|process| process.pid).collect())
}

/// The emulator: the child of the guard, which leads the group.
pub(crate) fn emulator(group: u32) -> Result<Pid> {
    let child = of_group(group)?.into_iter().find(|process| process.parent == group);
    child.map(|process| process.pid).context("the emulator's process was not found")
}
