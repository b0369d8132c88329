//! Every verb ends quietly if its reader has closed the pipe.

use std::{
    io::Read,
    process::{Child, Stdio},
    time::Duration,
};

use super::{
    Said,
    cases::{Case, cases, leaves, line},
    command, gridbell,
};

/// At the first run, `up` installs and builds.
const MOST: Duration = Duration::from_mins(15);

/// A pipe whose reader has closed it.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    Stdio::from(writer)
}

fn ended(mut child: Child) -> Said {
    let mut err = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut err).expect("UTF-8");
    }
    for _ in 0..MOST.as_millis() / 20 {
        if let Some(status) = child.try_wait().expect("asked") {
            return Said { code: status.code(), out: String::new(), err };
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(child.kill());
    drop(child.wait());
    panic!("it goes on: {err}");
}

/// The number of error lines; fails after a panic or a raw pipe error.
fn errors(said: &Said) -> usize {
    for word in ["panicked", "os error 32", "roken pipe", "RUST_BACKTRACE"] {
        assert!(!said.err.contains(word), "{}", said.err);
    }
    said.err.lines().filter(|line| line.starts_with("error: ")).count()
}

#[test]
fn every_verb_that_has_an_end_comes_to_it() {
    let cases = cases();
    for (verb, of) in leaves() {
        for case in &cases[verb.as_str()] {
            let Case::Runs(arguments) = case else { continue };
            for json in [false, true] {
                let line = line(&verb, &of, arguments, json);
                let normal = gridbell(&line);
                let unread = ended(command(&line).stdout(closed()).stderr(Stdio::piped()).spawn().expect("starts"));
                let left = unread.code == Some(141) && errors(&unread) == 0;
                let same = unread.code == normal.code && errors(&unread) == errors(&normal);
                assert!(
                    left || same,
                    "{verb}: {:?} {} where it was {:?} {}",
                    unread.code,
                    unread.err,
                    normal.code,
                    normal.err
                );
                let deaf = ended(command(&line).stdout(closed()).stderr(closed()).spawn().expect("starts"));
                assert!(
                    deaf.code == normal.code || deaf.code == Some(141),
                    "{verb}: {:?} with nobody to tell",
                    deaf.code
                );
            }
        }
    }
}

#[test]
fn what_would_go_on_for_ever_ends_and_takes_everything_down() {
    let cases = cases();
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("stack.json");
    for (verb, of) in leaves() {
        for case in &cases[verb.as_str()] {
            let Case::Endless(arguments) = case else { continue };
            let mut line = line(&verb, &of, arguments, false);
            if verb == "up" {
                line.extend(["--state".to_owned(), state.to_str().expect("a path").to_owned()]);
            }
            let said = ended(
                command(&line)
                    .current_dir(folder.path())
                    .env("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"))
                    .stdout(closed())
                    .stderr(Stdio::piped())
                    .spawn()
                    .expect("starts"),
            );
            assert_eq!((said.code, errors(&said)), (Some(141), 0), "{verb}: {}", said.err);
        }
    }
    assert!(!state.exists(), "the stack went down with it");
}
