//! The results as tables.

use crate::{
    artifacts::Artifact,
    measure::{
        Subject,
        calls::{BATCH, Counted, Did, in_words},
        instructions::Instructions,
        ms,
        start::Start,
    },
    table::Table,
};

/// Not measured, or not applicable.
const NONE: &str = "–";

/// Starts, memory and sizes, each compared with `hello`'s.
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
            artifact.zip_bytes().map_or_else(|_| "?".to_owned(), megabytes),
        ]);
    }
    table
}

/// Instructions: starts compared with `hello`'s, calls with `raw`'s.
pub(crate) fn instructions(artifacts: &[&Artifact], counts: &[Instructions]) -> Table {
    let mut table =
        Table::new(["binary", "init, M", "/ hello", "first invocation, M", "/ raw", "warm invocation, M", "/ raw"]);
    let [hello, raw, ..] = counts else { return table };
    for (artifact, count) in artifacts.iter().zip(counts) {
        // `hello` makes no calls, so its invocations are not compared.
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

/// AWS calls, and what they consume.
pub(crate) fn calls(counted: &[Counted]) -> Table {
    let mut table = Table::new([
        "what happens",
        "function",
        "calls, alone",
        "each of ten",
        "write units, alone",
        "each of ten",
        "read units, alone",
        "each of ten",
        "logged, bytes",
        "which calls",
    ]);
    for step in counted {
        let (alone, batch) = (step.alone.as_ref(), step.batch.as_ref());
        let each = |of: fn(&Did) -> u64| batch.map_or(NONE.to_owned(), |did| tenth(of(did)));
        let one = |of: fn(&Did) -> u64| alone.map_or(NONE.to_owned(), |did| of(did).to_string());
        let which = match (alone, batch) {
            (None, Some(batch)) => format!("all: {}", in_words(&batch.calls)),
            (Some(alone), Some(batch)) => format!("{}; ten: {}", in_words(&alone.calls), in_words(&batch.calls)),
            (alone, None) => alone.map_or_else(String::new, |alone| in_words(&alone.calls)),
        };
        table.row([
            step.what.to_owned(),
            step.function.to_owned(),
            one(|did| did.calls.len() as u64),
            each(|did| did.calls.len() as u64),
            one(|did| did.capacity().writes as u64),
            each(|did| did.capacity().writes as u64),
            alone.map_or(NONE.to_owned(), |did| format!("{:.1}", whole(did.capacity().half_reads as u64) / 2.0)),
            batch.map_or(NONE.to_owned(), |did| {
                format!("{:.2}", whole(did.capacity().half_reads as u64) / 2.0 / whole(BATCH as u64))
            }),
            one(|did| did.logged),
            which,
        ]);
    }
    table
}

fn tenth(of_ten: u64) -> String {
    format!("{:.1}", whole(of_ten) / whole(BATCH as u64))
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
