//! Writes the seed corpus from the fixtures: `cargo run --example corpus -- FOLDER`.

use std::{fs, io, path::Path};

use fuzz::{KEY, config, sources};
use providers::{PROVIDERS, fixtures};
use serde_json::json;

fn main() -> io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "corpus".to_owned());
    let folder = Path::new(&folder);
    for (index, provider) in (0_u8..).zip(PROVIDERS) {
        for (file, body) in fixtures::of(provider.name()) {
            write(&folder.join("providers"), &format!("{provider}_{file}"), &[&[index], body.as_bytes()].concat())?;
        }
    }
    for (index, (source, provider)) in (0_u8..).zip(sources()) {
        for (file, body) in fixtures::of(provider.name()) {
            write(&folder.join("endpoint"), &format!("{source}_{file}"), &[&[index], body.as_bytes()].concat())?;
        }
    }
    for state in ["accepted", "completed", "failed"] {
        let ack = json!({ "dispatch": KEY, "version": 1, "state": state, "detail": "ready" });
        write(&folder.join("acks"), state, ack.to_string().as_bytes())?;
    }
    write(&folder.join("config"), "whole", config().to_string().as_bytes())
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join(name), bytes)
}
