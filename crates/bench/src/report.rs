//! What was measured, as tables.

use crate::{
    artifacts::Artifact,
    measure::{
        Subject,
        calls::{BATCH, Counted, in_words},
        instructions::Instructions,
        ms,
        start::Start,
    },
    table::Table,
};

/// Nothing was measured, or there is nothing to measure.
const NONE: &str = "–";

/// Starts, memory and sizes, each beside `hello`'s.
pub(crate) fn starts(subjects: &[Subject], starts: &[Start]) -> Table {
    let mut table = Table::new([
        "binary",
        "exec → ready, ms",
        "/ hello",
        "exec → first response, ms",
        "/ hello",
        "peak RSS, MiB",
        "/ hello",
        "binary, MB",
        "zip, MB",
    ]);
    let Some(hello) = starts.first() else { return table };
    for (Subject { artifact, .. }, start) in subjects.iter().zip(starts) {
        let (ready, answered) = (ms(start.ready), ms(start.answered));
        let (rss, base) = (whole(start.peak_rss_kib), whole(hello.peak_rss_kib));
        table.row([
            artifact.name.to_owned(),
            format!("{ready:.2}"),
            format!("{:.2}", ready / ms(hello.ready)),
            format!("{answered:.2}"),
            format!("{:.2}", answered / ms(hello.answered)),
            format!("{:.1}", rss / 1_024.0),
            format!("{:.2}", rss / base),
            megabytes(artifact.bytes),
            megabytes(artifact.zip_bytes),
        ]);
    }
    table
}

/// Instructions: starts beside `hello`'s, calls beside `raw`'s.
pub(crate) fn instructions(artifacts: &[&Artifact], counts: &[Instructions]) -> Table {
    let mut table =
        Table::new(["binary", "init, M", "/ hello", "first invocation, M", "/ raw", "warm invocation, M", "/ raw"]);
    let [hello, raw, ..] = counts else { return table };
    for (artifact, count) in artifacts.iter().zip(counts) {
        // `hello` calls nobody: its invocations compare with nothing.
        let ratio = |own: u64, raw: u64| {
            if artifact.name == "hello" { NONE.to_owned() } else { format!("{:.2}", whole(own) / whole(raw)) }
        };
        table.row([
            artifact.name.to_owned(),
            millions(count.init),
            format!("{:.2}", whole(count.init) / whole(hello.init)),
            millions(count.first),
            ratio(count.first, raw.first),
            millions(count.warm),
            ratio(count.warm, raw.warm),
        ]);
    }
    table
}

/// AWS calls.
pub(crate) fn calls(counted: &[Counted]) -> Table {
    let mut table = Table::new(["what happens", "function", "alone", "each in a batch of 10", "which calls"]);
    for step in counted {
        let alone = if step.alone.is_empty() { NONE.to_owned() } else { step.alone.len().to_string() };
        let each = step.batch.as_ref().map(|calls| format!("{:.1}", whole(calls.len() as u64) / whole(BATCH as u64)));
        let which = match &step.batch {
            Some(batch) if step.alone.is_empty() => format!("all: {}", in_words(batch)),
            Some(batch) => format!("{}; batch: {}", in_words(&step.alone), in_words(batch)),
            None => in_words(&step.alone),
        };
        table.row([step.what.to_owned(), step.function.to_owned(), alone, each.unwrap_or(NONE.to_owned()), which]);
    }
    table
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53, to be shown with three digits")]
fn whole(number: u64) -> f64 {
    number as f64
}

fn millions(instructions: u64) -> String {
    format!("{:.2}", whole(instructions) / 1e6)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.2}", whole(bytes) / 1e6)
}
