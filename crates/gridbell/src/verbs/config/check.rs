//! `config check`: reads the file and shows how gridbell understands it.

use std::{fmt::Write as _, path::Path};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::outputs;
use crate::show::{self, Paint};
use config::{
    Config, Contacts, Deadlines, MAX_JSON_BYTES,
    file::{File, FileError, Problem},
};
use local_stack::{elf, template};
use stack_client::{ALL_FUNCTIONS, logical_id};

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell config check --config gridbell.toml
  gridbell config check --deploy                                    also what only a deployment needs
  gridbell config check --build target/sam                          between `sam build` and `sam deploy`
  gridbell config check --build template-v0.1.0-x86_64.yaml         beside the packages of a release, before `sam deploy`
  gridbell config check --build target/sam --architecture arm64     where parameters.yaml says Architecture: arm64";

/// Checks that the functions of a template run on the processor that they are deployed to. `build` is the folder that
/// `sam build` has made, or the template of a release beside its packages.
pub(super) fn built(build: &Path, architecture: Option<&str>) -> Result<()> {
    let (folder, file) = if build.is_file() {
        (build.parent().unwrap_or(Path::new(".")), build.to_owned())
    } else {
        (build, build.join("template.yaml"))
    };
    let template = template::load(&file)?;
    let usual = template.pointer("/Parameters/Architecture/Default").and_then(serde_json::Value::as_str);
    let architecture = architecture.or(usual).context("the template names no Architecture; say --architecture")?;
    for function in ALL_FUNCTIONS {
        let id = logical_id(function);
        let code = template.pointer(&format!("/Resources/{id}/Properties/CodeUri")).and_then(serde_json::Value::as_str);
        let code = folder.join(code.unwrap_or(&id));
        if code.extension().is_some_and(|extension| extension == "zip") {
            elf::check_package(&code, architecture)?;
        } else {
            elf::check(&code.join("bootstrap"), architecture)?;
        }
    }
    Ok(())
}

/// Checks `file` and prints a summary, or all mistakes.
pub(super) fn check(file: &Path, deploys: bool, as_json: bool) -> Result<()> {
    let name = file.display().to_string();
    let config = match File::load(file) {
        Ok(read) => match read.deployment_mistakes(&name) {
            mistakes if deploys && !mistakes.is_empty() => return refuse(&name, &mistakes, as_json),
            _ => read.config,
        },
        Err(FileError::Invalid(mistakes)) => return refuse(&name, &mistakes, as_json),
        Err(error) => return Err(error.into()),
    };
    outputs::check_secrets(&config, |name| std::env::var(name).ok())?;
    let functions = config.to_json();
    if as_json {
        let read: Value = serde_json::from_str(&functions)?;
        return show::json_line(&json!({"file": name, "bytes": functions.len(), "config": read}));
    }
    show::screen(&sum(file, &config, functions.len()))
}

/// Prints the mistakes, one on each line. A single one is the error itself.
fn refuse(file: &str, mistakes: &[Problem], as_json: bool) -> Result<()> {
    if as_json {
        let mistake = |Problem { place, key, text }: &Problem| json!({"line": place.line, "column": place.column, "key": key, "text": text});
        show::json_line(&json!({"file": file, "mistakes": mistakes.iter().map(mistake).collect::<Vec<Value>>()}))?;
    } else if let [mistake] = mistakes {
        bail!("{mistake}");
    } else {
        mistakes.iter().try_for_each(|mistake| show::line(&mistake.to_string()))?;
    }
    match mistakes.len() {
        1 => bail!("1 mistake in {file}"),
        several => bail!("{several} mistakes in {file}"),
    }
}

/// A summary of the configuration.
pub(in super::super) fn sum(file: &Path, config: &Config, bytes: usize) -> String {
    let paint = Paint::stdout();
    // Writing to memory does not fail.
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} is good: {} sources, {} of {MAX_JSON_BYTES} bytes",
        file.display(),
        config.sources.len(),
        bytes
    );
    for (name, source) in &config.sources {
        let environment = format!("{:?}", source.environment).to_lowercase();
        let url = source.api_url.as_deref().unwrap_or("is never asked");
        let key = source.api_key.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
        let tokens = match source.tokens.len() {
            0 => "no token: `gridbell up` makes one, a deployment needs one",
            1 => "1 token",
            _ => "2 tokens, rotating",
        };
        let _ = writeln!(out, "  {}  {} {environment}, {url}, key {key}, {tokens}", paint.bold(name), source.provider);
    }
    let words = |deadlines| words(deadlines, !config.outputs.is_empty());
    let _ = writeln!(out, "  deadlines: {}", words(config.deadlines));
    for (name, source) in &config.sources {
        if let Some(own) = source.deadlines {
            let _ = writeln!(out, "    of {name}: {}", words(own));
        }
        for (program, own) in &source.programs {
            let _ = writeln!(out, "    of {name}, program {program:?}: {}", words(*own));
        }
    }
    if !config.sites.is_empty() {
        let _ = writeln!(out, "  {} sites described: {}", config.sites.len(), brief(config.sites.keys()));
    }
    outputs::describe(&mut out, config);
    if config.contacts.is_empty() {
        out.push_str("  alerts: no [contacts], so no person is notified; a deployment needs them");
    } else {
        alerts(&mut out, &config.contacts);
    }
    out
}

fn alerts(out: &mut String, contacts: &Contacts) {
    let reminded = match contacts.remind_s {
        0 => "no reminders".to_owned(),
        remind_s => format!("reminded every {remind_s} s"),
    };
    let _ = writeln!(out, "  alerts: from {} to {}, {reminded}", contacts.from, contacts.email.join(", "));
    let (wait_s, interval_s) = (contacts.group_wait_s, contacts.group_interval_s);
    let _ = writeln!(out, "    mails that can wait are grouped for {wait_s} s, further ones for {interval_s} s");
    for step in &contacts.escalate {
        let _ = writeln!(out, "    after {} s also to {}", step.after_s, step.email.join(", "));
    }
    if !contacts.channels.is_empty() {
        let names = contacts.channels.to.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let tests = if contacts.channels.ring_tests { ", tests too" } else { ", but not for tests" };
        let _ = writeln!(out, "    rings {names}{tests}");
    }
}

/// The first few of a list.
fn brief<'k>(keys: impl ExactSizeIterator<Item = &'k String>) -> String {
    const SHOWN: usize = 5;
    let more = keys.len().saturating_sub(SHOWN);
    let shown = keys.take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

fn words(Deadlines { lead_s, immediate_s, acknowledge }: Deadlines, has_outputs: bool) -> String {
    let by = match (acknowledge, has_outputs) {
        (true, _) => "a controller's acknowledgement",
        (false, true) => "every required output having taken it",
        (false, false) => "reaching the signals queue",
    };
    format!("{lead_s} s before the start, or {immediate_s} s after the first delivery, by {by}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A build folder like that of `sam build`: a template, and a folder per function.
    fn build(machines: [u8; 5]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("folder");
        let template = "Parameters:\n  Architecture:\n    Type: String\n    Default: x86_64\n";
        std::fs::write(folder.path().join("template.yaml"), template).expect("written");
        for (function, machine) in ALL_FUNCTIONS.into_iter().zip(machines) {
            let own = folder.path().join(logical_id(function));
            std::fs::create_dir(&own).expect("made");
            let header = [0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, machine, 0];
            std::fs::write(own.join("bootstrap"), header).expect("written");
        }
        folder
    }

    #[test]
    fn a_build_for_another_processor_is_refused_before_it_is_deployed() {
        let (x86_64, arm64) = (62, 183);
        built(build([x86_64; 5]).path(), None).expect("as the template has it");
        built(build([arm64; 5]).path(), Some("arm64")).expect("as the parameter has it");
        let one = build([x86_64, x86_64, arm64, x86_64, x86_64]);
        let said = built(one.path(), None).expect_err("refused").to_string();
        assert!(said.contains("RetrierFunction/bootstrap was built for arm64, and the function is x86_64"), "{said}");
    }
}
