//! Parameters: each is in a group of the console, has a default, and is explained in `infra/README.md`.

use std::path::Path;

use serde_json::json;

use super::model::{listed, strings};
use super::{Check, Findings, must, remove, set};

pub(super) const CHECKS: &[Check] = &[Check {
    name: "each parameter is in one group, has a default and stands in the README",
    run: |template| {
        let mut diagnostics = Findings::new();
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/README.md");
        let readme = std::fs::read_to_string(readme).unwrap();
        let groups = template.at("/Metadata/AWS::CloudFormation::Interface/ParameterGroups");
        let grouped: Vec<&str> = listed(groups).iter().flat_map(|group| strings(&group["Parameters"])).collect();
        let parameters = template.at("/Parameters").as_object().expect("parameters");
        for (name, parameter) in parameters {
            let places = grouped.iter().filter(|grouped| *grouped == name).count();
            must(&mut diagnostics, places == 1, || format!("{name}: in {places} groups"));
            must(&mut diagnostics, !parameter["Default"].is_null(), || format!("{name}: no default"));
            must(&mut diagnostics, parameter["Description"].is_string(), || format!("{name}: no description"));
            // In a row of the table.
            let explained = readme.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{name}`")));
            must(&mut diagnostics, explained, || format!("{name}: not in the table of infra/README.md"));
        }
        for name in grouped.iter().filter(|name| !parameters.contains_key(**name)) {
            diagnostics.push(format!("{name}: in a group, and no parameter"));
        }
        diagnostics
    },
    saboteurs: || {
        vec![
            remove("one that asks", "/Parameters/MemorySize/Default"),
            set("one that nobody explains", "/Parameters/Other", json!({ "Type": "String", "Default": "" })),
            remove("one in no group", "/Metadata/AWS::CloudFormation::Interface/ParameterGroups/4/Parameters/0"),
            remove("a group of what is gone", "/Parameters/RolePath"),
        ]
    },
}];
