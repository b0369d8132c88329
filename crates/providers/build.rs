//! Finds the fixtures of all providers, `src/<provider>/fixtures/*.json`, for `src/fixtures.rs`.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    let source = folder_of("CARGO_MANIFEST_DIR")?.join("src");
    println!("cargo::rerun-if-changed={}", source.display());
    let mut lines = Vec::new();
    for provider in sorted(&source)? {
        let fixtures = provider.join("fixtures");
        if !fixtures.is_dir() {
            continue;
        }
        for file in sorted(&fixtures)? {
            let name = file.strip_prefix(&source).map_err(io::Error::other)?;
            let name = name.display().to_string().replace("/fixtures/", "/");
            lines.push(format!("    ({name:?}, include_str!({:?})),\n", file.display().to_string()));
        }
    }
    fs::write(folder_of("OUT_DIR")?.join("fixtures.rs"), format!("&[\n{}]\n", lines.concat()))
}

fn folder_of(variable: &str) -> io::Result<PathBuf> {
    env::var_os(variable).map(PathBuf::from).ok_or_else(|| io::Error::other(format!("cargo sets {variable}")))
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}
