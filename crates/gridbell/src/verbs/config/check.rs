//! `config check`: the file read, and what gridbell understood.

use std::{fmt::Write as _, path::Path};

use anyhow::Result;
use serde_json::json;

use crate::{
    config::{CONFIG_LIMIT, Config, Deadlines},
    show::{self, Paint},
};

/// Checks `file` and sums it up on standard output.
pub(super) fn check(file: &Path, as_json: bool) -> Result<()> {
    let config = Config::load(file)?;
    let functions = config.functions_json()?;
    if as_json {
        let read: serde_json::Value = serde_json::from_str(&functions)?;
        return show::json_line(&json!({"file": file.display().to_string(), "bytes": functions.len(), "config": read}));
    }
    show::screen(&sum(file, &config, functions.len()))
}

/// What was read, in words.
fn sum(file: &Path, config: &Config, bytes: usize) -> String {
    let paint = Paint::stdout();
    // Writing into memory does not fail.
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} is good: {} sources, {} of {CONFIG_LIMIT} bytes",
        file.display(),
        config.sources.len(),
        bytes
    );
    for (name, source) in &config.sources {
        let environment = format!("{:?}", source.environment).to_lowercase();
        let url = source.api_url.as_ref().map_or("is never asked", |url| url.as_str().trim_end_matches('/'));
        let key = source.api_key.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
        let tokens = match source.tokens.len() {
            0 => "no token: `gridbell up` makes one, a deployment needs one",
            1 => "1 token",
            _ => "2 tokens, rotating",
        };
        let _ = writeln!(out, "  {}  {} {environment}, {url}, key {key}, {tokens}", paint.bold(name), source.provider);
    }
    let _ = writeln!(out, "  deadlines: {}", words(config.deadlines));
    for (name, source) in &config.sources {
        let own = config.deadlines.but(source.deadlines);
        if own != config.deadlines {
            let _ = writeln!(out, "    of {name}: {}", words(own));
        }
        for (program, said) in &source.programs {
            let _ = writeln!(out, "    of {name}, program {program:?}: {}", words(own.but(*said)));
        }
    }
    match &config.contacts {
        Some(contacts) => {
            let reminded = match contacts.remind_s {
                0 => "no reminders".to_owned(),
                remind_s => format!("reminded every {remind_s} s"),
            };
            let _ = writeln!(out, "  alerts: from {} to {}, {reminded}", contacts.from, contacts.email.join(", "));
            let (wait_s, interval_s) = (contacts.group_wait_s, contacts.group_interval_s);
            let _ =
                writeln!(out, "    mails that can wait are grouped for {wait_s} s, further ones for {interval_s} s");
            for step in &contacts.escalate {
                let _ = writeln!(out, "    after {} s also to {}", step.after_s, step.email.join(", "));
            }
        }
        None => out.push_str("  alerts: no [contacts], so no person is notified; a deployment needs them"),
    }
    out
}

fn words(Deadlines { lead_s, immediate_s, acknowledge }: Deadlines) -> String {
    let by = if acknowledge { "a controller's acknowledgement" } else { "reaching the signals queue" };
    format!("{lead_s} s before the start, or {immediate_s} s after the first delivery, by {by}")
}
