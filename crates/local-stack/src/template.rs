//! `infra/template.yaml` as JSON, which `CloudFormation` accepts too, so that the functions' code can be set as `sam
//! package` does.

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use anyhow::{Context, Result, bail};
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};
use stack_client::logical_id;

/// Reads a template and expands its short forms (`!Ref`, `!Sub`, …).
///
/// # Errors It is not readable, not YAML, or has a tag that `CloudFormation` does not know.
pub fn load(file: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    parse(&text).with_context(|| format!("{} is not a template", file.display()))
}

/// Parses a template's text and expands its short forms.
///
/// # Errors It is not YAML, or has a tag that `CloudFormation` does not know.
pub fn parse(text: &str) -> Result<Value> {
    let documents = Yaml::load_from_str(text)?;
    match documents.as_slice() {
        [document] => plain(document),
        _ => bail!("{} documents where one belongs", documents.len()),
    }
}

fn plain(node: &Yaml<'_>) -> Result<Value> {
    Ok(match node {
        Yaml::Value(scalar) => self::scalar(scalar),
        Yaml::Sequence(items) => Value::Array(items.iter().map(plain).collect::<Result<_>>()?),
        Yaml::Mapping(entries) => {
            let mut object = Map::new();
            for (key, value) in entries {
                let key = key
                    .as_str()
                    .map(Cow::Borrowed)
                    .or_else(|| key.as_integer().map(|number| Cow::Owned(number.to_string())));
                object.insert(key.context("a key that is not a string")?.into_owned(), plain(value)?);
            }
            Value::Object(object)
        }
        Yaml::Tagged(tag, inner) => long_form(&tag.suffix, plain(inner)?)?,
        Yaml::Representation(text, ..) => Value::String(text.to_string()),
        Yaml::Alias(_) | Yaml::BadValue => bail!("an alias or a value that cannot be read"),
    })
}

fn scalar(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => json!(value),
        Scalar::Integer(value) => json!(value),
        Scalar::FloatingPoint(value) => json!(value.into_inner()),
        Scalar::String(value) => Value::String(value.to_string()),
    }
}

/// `!GetAtt A.Arn` → `{"Fn::GetAtt": ["A", "Arn"]}`, and so on.
fn long_form(tag: &str, value: Value) -> Result<Value> {
    let (name, value) = match (tag, &value) {
        ("Ref" | "Condition", _) => (tag.to_owned(), value),
        ("GetAtt", Value::String(path)) => {
            let (resource, attribute) = path.split_once('.').context("!GetAtt wants Resource.Attribute")?;
            ("Fn::GetAtt".to_owned(), json!([resource, attribute]))
        }
        (
            "And" | "Base64" | "Cidr" | "Equals" | "FindInMap" | "GetAtt" | "GetAZs" | "If" | "ImportValue" | "Join"
            | "Not" | "Or" | "Select" | "Split" | "Sub" | "Transform",
            _,
        ) => (format!("Fn::{tag}"), value),
        _ => bail!("the tag !{tag} is none of CloudFormation's"),
    };
    Ok(json!({ name: value }))
}

/// Sets each function's code to an address in S3.
pub(super) fn set_code(template: &mut Value, uris: &BTreeMap<&'static str, String>) -> Result<()> {
    for (function, uri) in uris {
        let properties = properties(template, function)?;
        properties.insert("CodeUri".to_owned(), json!(uri));
    }
    Ok(())
}

/// Adds an environment variable to one function.
pub(super) fn set_variable(template: &mut Value, function: &str, name: &str, value: Value) -> Result<()> {
    let environment = properties(template, function)?.entry("Environment").or_insert_with(|| json!({}));
    let variables = environment
        .as_object_mut()
        .context("Environment is no mapping")?
        .entry("Variables")
        .or_insert_with(|| json!({}));
    variables.as_object_mut().context("Variables is no mapping")?.insert(name.to_owned(), value);
    Ok(())
}

fn properties<'t>(template: &'t mut Value, function: &str) -> Result<&'t mut Map<String, Value>> {
    let id = logical_id(function);
    template
        .pointer_mut(&format!("/Resources/{id}/Properties"))
        .and_then(Value::as_object_mut)
        .with_context(|| format!("the template has no function {id}"))
}

/// Writes the concurrency of each mapping as a number. An emulator may insert a parameter as text, and it lacks
/// CloudFormation's conversion to a number.
pub(super) fn write_concurrency(template: &mut Value, parameters: &BTreeMap<String, String>) -> Result<()> {
    let defaults = template.get("Parameters").cloned().unwrap_or_default();
    let resources = template.get_mut("Resources").and_then(Value::as_object_mut).into_iter().flatten();
    for (id, resource) in resources {
        let Some(bound) = resource.pointer_mut("/Properties/ScalingConfig/MaximumConcurrency") else { continue };
        let Some(name) = bound.get("Ref").and_then(Value::as_str) else { continue };
        let number = match parameters.get(name) {
            Some(given) => given.parse::<u64>().ok(),
            None => defaults.pointer(&format!("/{name}/Default")).and_then(Value::as_u64),
        };
        *bound = json!(number.with_context(|| format!("{id}: the parameter {name} is no number"))?);
    }
    Ok(())
}

/// Writes the values of parameters as their defaults. An emulator expands SAM's resources with the defaults alone, and
/// the way of a deployment decides which resources they become.
pub(super) fn write_defaults(template: &mut Value, parameters: &BTreeMap<String, String>) {
    for (name, value) in parameters {
        let Some(parameter) = template.pointer_mut(&format!("/Parameters/{name}")) else { continue };
        let is_number = parameter.get("Type").is_some_and(|kind| kind == "Number");
        let number = value.parse::<u64>().ok().filter(|_| is_number);
        parameter["Default"] = number.map_or_else(|| json!(value), |number| json!(number));
    }
}

/// Makes a deletion remove everything, even what the cloud keeps when a stack is deleted.
pub(super) fn keep_nothing(template: &mut Value) {
    let resources = template.get_mut("Resources").and_then(Value::as_object_mut).into_iter().flatten();
    for resource in resources.filter_map(|(_, resource)| resource.as_object_mut()) {
        resource.remove("DeletionPolicy");
        resource.remove("UpdateReplacePolicy");
    }
}

/// The tables' logical ids with the attribute of their TTL; an emulator may ignore it.
pub(super) fn ttl_attributes(template: &Value) -> Vec<(String, String)> {
    let resources = template.get("Resources").and_then(Value::as_object).into_iter().flatten();
    resources
        .filter_map(|(id, resource)| {
            let attribute = resource.pointer("/Properties/TimeToLiveSpecification/AttributeName")?.as_str()?;
            Some((id.clone(), attribute.to_owned()))
        })
        .collect()
}

/// True if the template has such a parameter.
pub(super) fn has_parameter(template: &Value, name: &str) -> bool {
    template.pointer(&format!("/Parameters/{name}")).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_written_out() {
        let text = "A: !Ref B\nC: !GetAtt D.E.F\nG: !Sub\n  - \"${x}\"\n  - x: !Select [0, !Split [\":\", y]]\nH: !If [I, 1, !Ref AWS::NoValue]\nJ: \"2012-10-17\"\nK: 2010-09-09\nL: true\nM: 1.5\nN: !Equals [a, b]\nO: ~\n";
        let expected = json!({
            "A": {"Ref": "B"}, "C": {"Fn::GetAtt": ["D", "E.F"]},
            "G": {"Fn::Sub": ["${x}", {"x": {"Fn::Select": [0, {"Fn::Split": [":", "y"]}]}}]},
            "H": {"Fn::If": ["I", 1, {"Ref": "AWS::NoValue"}]},
            "J": "2012-10-17", "K": "2010-09-09", "L": true, "M": 1.5, "N": {"Fn::Equals": ["a", "b"]}, "O": null,
        });
        assert_eq!(parse(text).expect("a template").to_string(), expected.to_string());
    }

    #[test]
    fn an_unknown_tag_is_refused() {
        assert_eq!(parse("A: !Reff B").expect_err("refused").to_string(), "the tag !Reff is none of CloudFormation's");
    }

    #[test]
    fn the_emulator_gets_concurrency_as_a_number() {
        let mut template =
            load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/template.yaml")).expect("the template");
        let given = |value: &str| BTreeMap::from([("RetrierConcurrency".to_owned(), value.to_owned())]);
        assert!(write_concurrency(&mut template.clone(), &given("many")).is_err());
        write_concurrency(&mut template, &given("7")).expect("numbers");
        let bound =
            |id: &str| template.pointer(&format!("/Resources/{id}/Properties/ScalingConfig/MaximumConcurrency"));
        assert_eq!(bound("RetrierMapping"), Some(&json!(7)));
        for default in ["HydratorMapping", "AlerterMapping", "ReviewsMapping"] {
            assert_eq!(bound(default), Some(&json!(2)), "{default}");
        }
    }

    #[test]
    fn the_emulator_expands_with_the_given_values() {
        let text = "Parameters:\n  A: { Type: String, Default: x }\n  B: { Type: Number, Default: 1 }\n";
        let mut template = parse(text).expect("a template");
        let given =
            [("A", "off"), ("B", "7"), ("C", "unknown")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        write_defaults(&mut template, &BTreeMap::from(given));
        assert_eq!(template["Parameters"]["A"]["Default"], json!("off"));
        assert_eq!(template["Parameters"]["B"]["Default"], json!(7));
        assert_eq!(template["Parameters"].as_object().map(Map::len), Some(2));
    }

    #[test]
    fn the_templates_tables_have_a_ttl() {
        let template =
            load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/template.yaml")).expect("the template");
        let mut tables = ttl_attributes(&template);
        tables.sort();
        let expected = ["AlertsTable", "DeliveriesTable", "DispatchesTable", "OutputsTable"]
            .map(|table| (table.to_owned(), "expires_at".to_owned()));
        assert_eq!(tables, expected);
    }
}
