//! The guard in every case that ends a process: no process that it started may remain.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

use std::{io::Write, os::unix::process::CommandExt, path::Path, process::Stdio, time::Duration};

use super::*;
use crate::tools::Python;

/// Starts a child in its own session, as a daemon does, writes both process ids, and ignores SIGTERM.
const FAMILY: &str = "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ > inner; while :; do sleep 0.1; done' & \
                      echo $$ > outer; while :; do sleep 0.1; done";

fn guard(folder: &Path) -> Guard {
    Guard::new(&Python::find().expect("python3").program, folder).expect("the script is laid")
}

/// The process ids that the script has written.
fn family(folder: &Path) -> Vec<i32> {
    for _ in 0..500 {
        let ids: Vec<i32> = ["outer", "inner"]
            .iter()
            .filter_map(|name| std::fs::read_to_string(folder.join(name)).ok()?.trim().parse().ok())
            .collect();
        if ids.len() == 2 {
            return ids;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the family did not start");
}

fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).is_some_and(|state| !"ZX".contains(state))
}

fn wait_until_gone(pids: &[i32]) {
    for _ in 0..500 {
        if pids.iter().all(|pid| !is_alive(*pid)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("left running: {pids:?}");
}

fn start(folder: &Path) -> Guarded {
    let mut command = guard(folder).command("sh");
    command.args(["-c", FAMILY]).current_dir(folder);
    Guarded::spawn(&mut command).expect("started")
}

#[tokio::test]
async fn an_ended_command_leaves_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let guarded = start(folder.path());
    let pids = family(folder.path());
    guarded.end().await;
    assert!(pids.iter().all(|pid| !is_alive(*pid)), "gone when `end` returns");
}

#[tokio::test]
async fn a_dropped_command_leaves_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let guarded = start(folder.path());
    let pids = family(folder.path());
    drop(guarded);
    assert!(pids.iter().all(|pid| !is_alive(*pid)), "gone when `drop` returns");
}

#[tokio::test]
async fn a_command_that_ends_by_itself_takes_its_children_along_and_keeps_its_status() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("description");
    std::fs::write(&file, "").expect("written");
    let mut command = guard(folder.path()).command_of(&file, "sh");
    command.args(["-c", "setsid sleep 100 & echo $! > inner; echo $$ > outer; exit 7"]).current_dir(folder.path());
    let mut guarded = Guarded::spawn(&mut command).expect("started");
    let pids = family(folder.path());
    assert_eq!(guarded.wait().await.expect("ended").code(), Some(7));
    wait_until_gone(&pids);
    assert!(!file.exists());
}

#[tokio::test]
async fn the_group_goes_even_where_the_guard_itself_was_killed() {
    let folder = tempfile::tempdir().expect("folder");
    let mut command = guard(folder.path()).command("sh");
    command.args(["-c", "echo $$ > outer; echo $$ > inner; while :; do sleep 0.1; done"]).current_dir(folder.path());
    let guarded = Guarded::spawn(&mut command).expect("started");
    let pids = family(folder.path());
    let pid = guarded.group().and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)).expect("runs");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    guarded.end().await;
    wait_until_gone(&pids);
}

/// The parent is a separate program, which holds the pipe as gridbell does and is killed with SIGKILL.
#[test]
fn a_killed_parent_leaves_nothing() {
    const PARENT: &str = "import subprocess, sys, time\n\
        subprocess.Popen([sys.executable, *sys.argv[1:]], stdin=subprocess.PIPE, start_new_session=True)\n\
        time.sleep(100)";
    let folder = tempfile::tempdir().expect("folder");
    let guard = guard(folder.path());
    let mut parent = std::process::Command::new(&guard.python)
        .args(["-c", PARENT])
        .arg(&guard.script)
        .args(["-", "sh", "-c", FAMILY])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("started");
    let pids = family(folder.path());
    parent.kill().expect("killed");
    parent.wait().expect("ended");
    wait_until_gone(&pids);
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let guard = guard(folder.path());
    let mut child = std::process::Command::new(&guard.python)
        .arg(&guard.script)
        .args(["-", "/no/such/program"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    child.stdin.take().expect("piped").flush().expect("open");
    let output = child.wait_with_output().expect("ended");
    assert_eq!(String::from_utf8_lossy(&output.stderr).trim(), "/no/such/program: No such file or directory");
    assert_eq!(output.status.code(), Some(1));
}
