//! Writes the seed corpus from the fixtures: `cargo run --example corpus -- FOLDER`.

use std::{fs, io, path::Path};

use fuzz::{KEY, SOURCES, config};
use serde_json::json;

fn main() -> io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "corpus".to_owned());
    let folder = Path::new(&folder);
    for (name, body) in providers::fixtures::all() {
        let Some((provider, file)) = name.split_once('/') else { continue };
        write(&folder.join(provider), file, body.as_bytes())?;
        for (index, source) in (0_u8..).zip(SOURCES) {
            let of = if source == "dc-1" { "nvgrid" } else { source.split('-').next().unwrap_or_default() };
            if of == provider {
                write(&folder.join("door"), &format!("{source}_{file}"), &[&[index], body.as_bytes()].concat())?;
            }
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
