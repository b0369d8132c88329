//! `cargo xtask prebuilt`: the template of a release, whose functions are the packages beside it. `sam deploy` then needs
//! no Rust toolchain.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use local_stack::{Workspace, elf, template};
use serde_json::Value;

pub(crate) const EXAMPLES: &str = "\
FOLDER has the packages, such as receiver-v0.1.0-x86_64.zip. The template is written beside them.

Examples:
  cargo xtask prebuilt --tag v0.1.0 --architecture x86_64 --packages dist";

/// The arguments of `prebuilt`.
#[derive(Debug, clap::Args)]
pub(crate) struct Prebuilt {
    /// Tag of the release, in the names of the packages
    #[arg(long, value_name = "TAG")]
    tag: String,
    /// Processor of the packages
    #[arg(long, value_name = "NAME", value_parser = ["x86_64", "arm64"])]
    architecture: String,
    /// Folder with the packages
    #[arg(long, value_name = "FOLDER")]
    packages: PathBuf,
}

/// A release for one processor.
#[derive(Debug, Clone, Copy)]
struct Release<'a> {
    tag: &'a str,
    architecture: &'a str,
}

impl Release<'_> {
    /// The file name of a function's package.
    fn package(&self, function: &str) -> String {
        format!("{function}-{}-{}.zip", self.tag, self.architecture)
    }
}

/// Writes the template, and checks that each package runs on the processor.
pub(crate) fn run(args: &Prebuilt) -> Result<()> {
    let source = Workspace::find()?.template();
    let text = std::fs::read_to_string(&source).with_context(|| format!("{} cannot be read", source.display()))?;
    let release = Release { tag: &args.tag, architecture: &args.architecture };
    let (text, packages) = prebuilt(&text, release)?;
    for package in packages {
        elf::check_package(&args.packages.join(package), release.architecture)?;
    }
    let file = args.packages.join(format!("template-{}-{}.yaml", release.tag, release.architecture));
    write(&file, &text)
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
}

/// The template with packages instead of the instructions to build, and the packages' names.
fn prebuilt(text: &str, release: Release<'_>) -> Result<(String, Vec<String>)> {
    let Release { tag, architecture } = release;
    let mut out = format!("# Made from infra/template.yaml of {tag}, for the packages of {tag} for {architecture}.\n");
    let (mut packages, mut function, mut parameter) = (Vec::new(), None, "");
    for line in text.lines() {
        let trimmed = line.trim_start();
        if line.len() - trimmed.len() == 2 && trimmed.ends_with(':') {
            (function, parameter) = (None, trimmed);
        }
        if let Some(binary) = trimmed.strip_prefix("BuildProperties: { Binary: ") {
            function = binary.strip_suffix(" }").map(str::to_owned);
            continue;
        }
        if trimmed.starts_with("BuildMethod: ") {
            continue;
        }
        let indent = line.get(..line.len() - trimmed.len()).unwrap_or_default();
        match trimmed.split_once(": ") {
            Some(("CodeUri", _)) => {
                let function = function.take().context("a CodeUri without a BuildProperties above it")?;
                let package = release.package(&function);
                writeln!(out, "{indent}CodeUri: ./{package}")?;
                packages.push(package);
            }
            Some(("Default", _)) if parameter == "Architecture:" => writeln!(out, "{indent}Default: {architecture}")?,
            Some(("AllowedValues", _)) if parameter == "Architecture:" => {
                writeln!(out, "{indent}AllowedValues: [{architecture}]")?;
            }
            _ => writeln!(out, "{line}")?,
        }
    }
    complete(&out, release, &packages)?;
    Ok((out, packages))
}

/// Checks the written template: the steps above know its lines, not its meaning.
fn complete(text: &str, release: Release<'_>, packages: &[String]) -> Result<()> {
    let template = template::parse(text)?;
    let resources = template.get("Resources").and_then(Value::as_object).context("no resources")?;
    let functions = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function");
    let mut count = 0;
    for (id, function) in functions {
        let code = function.pointer("/Properties/CodeUri").and_then(Value::as_str).unwrap_or_default();
        let package = code.strip_prefix("./").is_some_and(|name| packages.iter().any(|package| package == name));
        ensure!(package, "{id}: its code is {code:?}, which is no package");
        ensure!(function.pointer("/Metadata/BuildMethod").is_none(), "{id}: `sam build` would build it again");
        count += 1;
    }
    let allowed = template.pointer("/Parameters/Architecture/AllowedValues").cloned().unwrap_or_default();
    ensure!(allowed == serde_json::json!([release.architecture]), "Architecture may be {allowed}");
    if count == 0 || count != packages.len() {
        bail!("{count} functions and {} packages", packages.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack_client::{COURIER, FUNCTIONS};

    #[test]
    fn the_template_of_a_release_names_its_packages() {
        let text = std::fs::read_to_string(Workspace::find().unwrap().template()).unwrap();
        let release = Release { tag: "v0.1.0", architecture: "arm64" };
        let (written, packages) = prebuilt(&text, release).unwrap();
        let functions = FUNCTIONS.into_iter().chain([COURIER]);
        let expected: Vec<String> = functions.map(|function| format!("{function}-v0.1.0-arm64.zip")).collect();
        assert_eq!(packages, expected);
        let (before, after) = (template::parse(&text).unwrap(), template::parse(&written).unwrap());
        assert_eq!(after["Parameters"]["Architecture"]["Default"], "arm64");
        // Everything else is the same.
        for section in ["Globals", "Conditions", "Mappings", "Outputs"] {
            assert_eq!(before[section], after[section], "{section}");
        }
        let names = |template: &Value| template["Resources"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&before), names(&after));
    }

    #[test]
    fn a_function_that_the_steps_overlook_is_refused() {
        let text = std::fs::read_to_string(Workspace::find().unwrap().template()).unwrap();
        let release = Release { tag: "v0.1.0", architecture: "x86_64" };
        let overlooked = text.replacen("      CodeUri: ../\n", "      CodeUri:\n        ../\n", 1);
        assert!(prebuilt(&overlooked, release).is_err());
        let other = text.replacen("BuildProperties: { Binary: receiver }", "BuildProperties: {Binary: receiver}", 1);
        assert!(prebuilt(&other, release).is_err());
    }

    #[test]
    fn a_package_for_another_processor_gets_no_template() {
        let folder = tempfile::tempdir().unwrap();
        let args = Prebuilt {
            tag: "v0.1.0".to_owned(),
            architecture: "x86_64".to_owned(),
            packages: folder.path().to_owned(),
        };
        assert!(run(&args).unwrap_err().to_string().contains("receiver-v0.1.0-x86_64.zip cannot be read"));
        assert!(!folder.path().join("template-v0.1.0-x86_64.yaml").exists());
    }
}
