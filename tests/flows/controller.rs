//! The example controller, `crates/signals/examples/controller.rs`, on a queue of its own with the signals that the
//! stack published.

use std::{fs, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{ChildStdout, Command},
    time::timeout,
};

use crate::{
    chaos::calm,
    deadlines::WELL_IN_TIME,
    harness::{TestStack, cases, config, damaged_stack, from_now, instant, listed},
    voltus::{dispatch, publish, with},
};

cases!("controller": the_example_acts_once_on_each_change_and_acknowledges);

const SOURCE: &str = "voltus-prod";

/// The time-out of the example for one signal.
const ACTING: Duration = Duration::from_mins(2);

/// Next to this test, where `cargo test` of the workspace has built it.
fn example() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.ancestors().nth(2).context("the test lies nowhere")?;
    let example = folder.join("examples/controller");
    ensure!(example.is_file(), "{} is not there: `cargo test --no-run` builds it", example.display());
    Ok(example)
}

/// The example's next line. It may have to retry while another case suspends its AWS.
async fn said(lines: &mut Lines<BufReader<ChildStdout>>) -> Result<String> {
    loop {
        let line = timeout(ACTING, lines.next_line()).await.context("in time")??;
        let line = line.context("the example has ended")?;
        if !line.starts_with("tries again") && !line.starts_with("pass over") {
            return Ok(line);
        }
    }
}

/// A rebuilt stack counts from 1 in a newer epoch, which is newer than anything before; its version comes in parts.
async fn follows_a_rebuilt_stack(
    stack: &TestStack,
    queue: &str,
    lines: &mut Lines<BufReader<ChildStdout>>,
    test: &serde_json::Value,
) -> Result<()> {
    let epoch = |by: i64| -> Result<String> {
        let epoch: i64 = test["epoch"].as_str().context("no epoch")?.parse()?;
        Ok((epoch + by).to_string())
    };
    let event = |epoch: String, sequence: u64, part: u64| {
        let mut event = test.clone();
        (event["epoch"], event["sequence"]) = (json!(epoch), json!(sequence.to_string()));
        event["type"] = json!("gridbell.dispatch.scheduled.v1");
        event["data"]["dispatch"] = with(
            event["data"]["dispatch"].clone(),
            json!({
                "key": format!("rebuilt-{sequence}"), "version": sequence, "test": false, "part": part, "parts": 2,
                "targets": [{"id": part.to_string(), "name": null, "external_id": null, "request": null}],
            }),
        );
        event
    };
    let all = [
        event(epoch(0)?, 9, 1),
        // Discards the incomplete version before it.
        event(epoch(1)?, 1, 2),
        // From the old epoch: ignored and not acknowledged, although its number is higher.
        event(epoch(0)?, 10, 1),
        event(epoch(0)?, 10, 2),
        event(epoch(1)?, 1, 1),
    ];
    for (copy, event) in (1_000..).zip(&all) {
        stack.aws.send_signal(queue, event, copy).await?;
    }
    let line = said(lines).await.context("nothing said of the rebuilt stack")?;
    ensure!(line.starts_with("curtail \"rebuilt-1\""), "{line:?}");
    Ok(())
}

/// A dispatch ends, and `effective` names another one that the example has not seen: the site stays curtailed until
/// that one ends.
async fn holds_a_site_for_another_dispatch(
    stack: &TestStack,
    queue: &str,
    lines: &mut Lines<BufReader<ChildStdout>>,
    signal: &serde_json::Value,
) -> Result<()> {
    let event = |change: &str, id: &str, sequence: u64, effective: Option<&str>| {
        let mut event = signal.clone();
        event["type"] = json!(format!("gridbell.dispatch.{change}.v1"));
        (event["subject"], event["sequence"]) = (json!(format!("voltus-prod/{id}")), json!(sequence.to_string()));
        let mut target = json!({"id": "shared-site", "name": null, "external_id": null, "request": null});
        if let Some(other) = effective {
            target["effective"] = json!({"until": null, "governed_by": other, "with": [other], "others": 1});
        }
        event["data"]["dispatch"] = with(
            event["data"]["dispatch"].clone(),
            json!({
                "key": format!("voltus-prod/{id}"), "id": id, "version": sequence, "status": change, "test": false,
                "start": from_now(-60), "end": null, "targets": [target],
            }),
        );
        event
    };
    let steps = [
        (
            event("scheduled", "first", 1, None),
            vec!["curtail \"voltus-prod/first\"", "site \"voltus-prod/shared-site\" is curtailed"],
        ),
        (event("ended", "first", 2, Some("voltus-prod/second")), vec!["\"voltus-prod/first\" is over"]),
        (
            event("cancelled", "second", 1, None),
            vec!["leave \"voltus-prod/second\" alone", "site \"voltus-prod/shared-site\" is released"],
        ),
    ];
    for (copy, (event, expected)) in (2_000..).zip(steps) {
        stack.aws.send_signal(queue, &event, copy).await?;
        for expected in expected {
            let line = said(lines).await.with_context(|| format!("nothing said: {expected}"))?;
            ensure!(line.starts_with(expected), "{line:?}, not {expected:?}");
        }
    }
    Ok(())
}

async fn the_example_acts_once_on_each_change_and_acknowledges() -> Result<()> {
    let stack = damaged_stack().await?;
    let queue = stack.aws.make_fifo("controller.fifo").await?;
    let folder = stack.state_file.with_file_name(format!("controller-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let mut described: serde_json::Value = serde_json::from_str(&fs::read_to_string(&stack.state_file)?)?;
    described["queues"]["signals"] = json!(queue);
    described["acks"] = json!(format!("{}/{}", stack.description.acks, config::ACK_TOKEN));
    fs::write(folder.join("stack.json"), described.to_string())?;
    let mut running = Command::new(example()?)
        .arg(folder.join("stack.json"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("the example does not start")?;
    let mut lines = BufReader::new(running.stdout.take().context("no output")?).lines();

    let (start, end) = (from_now(600), from_now(4_200));
    let first = with(dispatch("controlled", 0), json!({"start_time": start, "end_time": end}));
    let moved = with(first.clone(), json!({"modification_number": 1, "end_time": from_now(5_000)}));
    let cancelled = with(moved.clone(), json!({"modification_number": 2, "authorized": false}));
    let changes = [("create", first), ("update", moved), ("update", cancelled)];
    let mut copies = 0..;
    let (mut expected, mut in_time) = (Vec::new(), true);
    for (place, (event, state)) in changes.iter().enumerate() {
        let _turn = calm().await;
        let published_at = instant();
        publish(&stack, SOURCE, event, state).await?;
        let signals = stack.signals.of("voltus-prod/controlled", place + 1).await?;
        // The newest, the newest again, and then the oldest.
        for signal in [&signals[place], &signals[place], &signals[0]] {
            stack.aws.send_signal(&queue, &signal.event, copies.next().unwrap_or_default()).await?;
        }
        let verb = ["curtail", "instead", "leave"][place];
        let line = said(&mut lines).await.with_context(|| format!("nothing said of {verb}"))?;
        ensure!(line.starts_with(&format!("{verb} \"voltus-prod/controlled\"")), "{line}");
        in_time &= published_at.elapsed() < WELL_IN_TIME;
        expected.push(line);
    }
    let mut test = stack.signals.of("voltus-prod/controlled", 3).await?[0].event.clone();
    test["subject"] = json!("voltus-prod/nobody");
    test["data"]["dispatch"] =
        with(test["data"]["dispatch"].clone(), json!({"key": "voltus-prod/controlled", "version": 1, "test": true}));
    stack.aws.send_signal(&queue, &test, copies.next().unwrap_or_default()).await?;
    let line = said(&mut lines).await.context("nothing said of the test")?;
    ensure!(line == "test \"voltus-prod/controlled\"", "after {expected:?}: {line:?}");
    follows_a_rebuilt_stack(&stack, &queue, &mut lines, &test).await?;
    holds_a_site_for_another_dispatch(&stack, &queue, &mut lines, &test).await?;
    running.kill().await?;
    fs::remove_dir_all(folder)?;
    stack.at_the_end(move |stack| async move {
        let mail = stack.mail.naming(&[], "voltus-prod/controlled").await?;
        ensure!(mail.is_empty() || !in_time, "it was acknowledged in time, and yet:{}", listed(&mail));
        Ok(())
    });
    Ok(())
}
