//! Output and questions at a terminal, through Python's pseudo-terminals.

use super::{STACK, Said, gridbell, post, wait_for};
use std::process::{Command, Stdio};

/// Runs a command on a terminal with the given columns, and answers the first question.
const ON_A_TERMINAL: &str = "
import fcntl, os, pty, struct, sys, termios
columns, answer, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
ready, go = os.pipe()
child, terminal = pty.fork()
if child == 0:
    os.read(ready, 1)
    os.execv(command[0], command)
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack('HHHH', 40, columns, 0, 0))
os.write(go, b'1')
seen = b''
while True:
    try:
        more = os.read(terminal, 4096)
    except OSError:
        break
    if not more:
        break
    seen += more
    if answer and b'[y/N]' in seen:
        os.write(terminal, answer.encode() + b'\\n')
        answer = ''
sys.stdout.buffer.write(seen.replace(b'\\r\\n', b'\\n'))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
";

/// Runs `gridbell …` on the stack, at a terminal with `columns`; types `answer` at the first question.
fn at_a_terminal(columns: u32, answer: &str, arguments: &[&str]) -> Said {
    let output = Command::new("python3")
        .args(["-c", ON_A_TERMINAL, &columns.to_string(), answer, env!("CARGO_BIN_EXE_gridbell")])
        .args(arguments)
        .args(["--state", STACK.1.state_file().to_str().expect("a path")])
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .output()
        .expect("python3 starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Said { code: output.status.code().expect("ended"), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn a_person_is_asked_before_something_goes_in_again_and_may_say_no() {
    let body = r#"{"what":"is that"}"#;
    post("nvgrid-demo", body);
    let waiting = || {
        let listed =
            gridbell(&["delivery", "list", "--source", "nvgrid-demo", "--kind", "quarantined", "--json"]).json();
        let mut ids =
            listed["deliveries"].as_array().expect("a list").iter().filter(|one| one["replayed_as"].is_null());
        ids.next().and_then(|one| one["id"].as_str().map(str::to_owned))
    };
    let id = wait_for("quarantined delivery", waiting);
    let no = at_a_terminal(100, "n", &["delivery", "replay", &id]);
    assert!(no.code == 1 && no.out.contains("1 would go in once more. Go on? [y/N]"), "{}", no.out);
    assert!(no.out.trim_end().ends_with("error: left as it is"), "{}", no.out);
    assert_eq!(waiting().as_ref(), Some(&id));
    let yes = at_a_terminal(100, "y", &["delivery", "replay", &id]);
    assert!(yes.code == 0 && yes.out.contains(&format!("{id} went in again as ")), "{}", yes.out);
}

#[test]
fn a_configuration_is_asked_about_at_a_terminal() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("gridbell.toml");
    std::fs::write(&file, "[sources.nvgrid-demo]\nprovider = 'nvgrid'\n").expect("written");
    let said = at_a_terminal(100, "", &["config", "apply", "--dry-run", "--config", file.to_str().expect("a path")]);
    assert!(said.code == 0 && said.out.contains("nothing was changed") && !said.out.contains("[y/N]"), "{}", said.out);
    let said = at_a_terminal(100, "no", &["config", "apply", "--config", file.to_str().expect("a path")]);
    assert!(
        said.code == 1 && said.out.contains("the configuration of gridbell would change. Go on? [y/N]"),
        "{}",
        said.out
    );
}

#[test]
fn tables_fit_a_narrow_terminal_and_are_coloured_there_alone() {
    let key = super::dispatch("11cfced0-16f4-4fb7-b72e-000000000003");
    for columns in [80, 60, 46] {
        for arguments in [&["dispatch", "list"][..], &["site", "list"], &["doctor"], &["dispatch", "timeline", &key]] {
            let said = at_a_terminal(columns, "", arguments);
            let plain = without_colours(&said.out);
            let widest = plain.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            assert!(widest <= columns as usize, "{arguments:?} takes {widest} columns of {columns}:\n{plain}");
            assert!(plain.contains(&key) || columns < 47 || arguments != ["dispatch", "list"], "{plain}");
        }
    }
    assert!(at_a_terminal(80, "", &["doctor"]).out.contains('\u{1b}'));
    assert!(!gridbell(&["doctor"]).out.contains('\u{1b}'));
}

fn without_colours(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or(part, |(_, rest)| rest))
}
