//! The template as JSON, with CloudFormation's short tags in their long form, and as it is with a courier.

use std::path::Path;

use saphyr::{LoadableYamlNode, ScalarOwned, Tag, YamlOwned};
use serde_json::{Map, Value, json};

/// `infra/template.yaml`, or a broken copy of it.
pub(super) struct Template(Value);

static NULL: Value = Value::Null;

impl Template {
    pub(super) fn load() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/template.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        let documents = YamlOwned::load_from_str(&text).unwrap();
        assert_eq!(documents.len(), 1, "the template is one document");
        Self(long_form(&documents[0]))
    }

    /// A copy with another value, or none, at a JSON pointer whose parent exists.
    pub(super) fn with(&self, at: &str, to: Option<Value>) -> Self {
        let mut copy = self.0.clone();
        let (parent, key) = at.rsplit_once('/').unwrap();
        let parent = copy.pointer_mut(parent).unwrap_or_else(|| panic!("nothing at {parent}"));
        let changed = match (parent, to) {
            (Value::Object(map), Some(value)) => map.insert(key.to_owned(), value.clone()) != Some(value),
            (Value::Object(map), None) => map.shift_remove(key).is_some(),
            (Value::Array(list), Some(value)) if key == "-" => {
                list.push(value);
                true
            }
            (Value::Array(list), to) => {
                let index: usize = key.parse().unwrap();
                let before = list[index].clone();
                match to {
                    Some(value) => list[index] = value,
                    None => drop(list.remove(index)),
                }
                list.get(index) != Some(&before)
            }
            (other, _) => panic!("{at}: {other} holds nothing"),
        };
        assert!(changed, "the edit at {at} changes nothing");
        Self(copy)
    }

    /// The value at a JSON pointer; null if there is none.
    pub(super) fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&NULL)
    }

    /// A property of a resource, by its pointer below `Properties`; null if there is none.
    pub(super) fn property(&self, resource: &str, pointer: &str) -> &Value {
        self.at(&format!("/Resources/{resource}/Properties/{pointer}"))
    }

    /// The logical ids of all resources, or of those of one type.
    pub(super) fn resources(&self, kind: Option<&str>) -> Vec<&str> {
        let all = self.at("/Resources").as_object().expect("resources");
        all.iter().filter(|(_, body)| kind.is_none_or(|kind| body["Type"] == kind)).map(|(id, _)| id.as_str()).collect()
    }

    pub(super) fn is(&self, resource: &str, kind: &str) -> bool {
        self.at(&format!("/Resources/{resource}/Type")) == kind
    }

    /// Whether a resource exists in every stack, or in every one that is watched: others may refer to it.
    pub(super) fn is_everywhere(&self, resource: &str) -> bool {
        let condition = self.at(&format!("/Resources/{resource}/Condition"));
        condition.is_null() || condition == "Watching"
    }

    pub(super) fn functions(&self) -> Vec<&str> {
        self.resources(Some("AWS::Serverless::Function"))
    }

    pub(super) fn queues(&self) -> Vec<&str> {
        self.resources(Some("AWS::SQS::Queue"))
    }

    /// A function's own property, or the one in `Globals`.
    pub(super) fn function(&self, function: &str, pointer: &str) -> &Value {
        match self.property(function, pointer) {
            Value::Null => self.at(&format!("/Globals/Function/{pointer}")),
            own => own,
        }
    }

    /// A function's variables: the shared ones and its own.
    pub(super) fn environment(&self, function: &str) -> Map<String, Value> {
        let own = self.property(function, "Environment/Variables");
        let shared = self.at("/Globals/Function/Environment/Variables");
        [shared, own].into_iter().filter_map(Value::as_object).flat_map(Clone::clone).collect()
    }

    /// Every event source mapping: (mapping, queue, function). The function is empty if the mapping does not invoke an
    /// alias.
    pub(super) fn mappings(&self) -> Vec<(&str, &str, &str)> {
        let ids = self.resources(Some("AWS::Lambda::EventSourceMapping"));
        ids.into_iter()
            .map(|id| {
                let queue = target(self.property(id, "EventSourceArn")).unwrap_or_default();
                (id, queue, alias_of(self.property(id, "FunctionName")).unwrap_or_default())
            })
            .collect()
    }
}

/// The logical id in a `Ref` or `Fn::GetAtt`.
pub(super) fn target(value: &Value) -> Option<&str> {
    value["Ref"].as_str().or_else(|| value["Fn::GetAtt"][0].as_str())
}

/// The function whose alias `live` a `Ref` names: SAM's `X.Alias`.
pub(super) fn alias_of(value: &Value) -> Option<&str> {
    value["Ref"].as_str()?.strip_suffix(".Alias")
}

/// A list of strings, or one string.
pub(super) fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// A list, or one value if the template allows both.
pub(super) fn listed(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::Array(many) => many,
        one => std::slice::from_ref(one),
    }
}

/// The number, or 0 if there is none.
pub(super) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn long_form(node: &YamlOwned) -> Value {
    match node {
        YamlOwned::Value(ScalarOwned::Null) => Value::Null,
        YamlOwned::Value(ScalarOwned::Boolean(value)) => json!(value),
        YamlOwned::Value(ScalarOwned::Integer(value)) => json!(value),
        YamlOwned::Value(ScalarOwned::FloatingPoint(value)) => json!(value.into_inner()),
        YamlOwned::Value(ScalarOwned::String(value)) => json!(value),
        YamlOwned::Sequence(items) => items.iter().map(long_form).collect(),
        YamlOwned::Mapping(entries) => {
            let key = |key: &YamlOwned| key.as_str().expect("keys are strings").to_owned();
            Value::Object(entries.iter().map(|(name, value)| (key(name), long_form(value))).collect())
        }
        YamlOwned::Tagged(tag, inner) => function_call(tag, &long_form(inner)),
        other => panic!("CloudFormation takes no such YAML: {other:?}"),
    }
}

fn function_call(tag: &Tag, argument: &Value) -> Value {
    match (tag.suffix.as_str(), argument) {
        ("Ref", _) => json!({ "Ref": argument }),
        ("GetAtt", Value::String(path)) => {
            let (resource, attribute) = path.split_once('.').expect("!GetAtt Resource.Attribute");
            json!({ "Fn::GetAtt": [resource, attribute] })
        }
        // The template as it is with a courier.
        ("If", Value::Array(choice)) if choice.first() == Some(&json!("HasCourier")) => choice[1].clone(),
        (name, _) => json!({ format!("Fn::{name}"): argument }),
    }
}
