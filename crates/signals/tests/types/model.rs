//! The JSON Schemas as definitions of types.

use serde_json::Value;
use signals::{acknowledgement_schema, envelope_schema, schemas};

/// A named type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) shape: Shape,
}

/// What a named type is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    Object(Vec<Field>),
    /// One of these objects, which get names of their own.
    Choice(Vec<Definition>),
    Alias(Type),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) is_required: bool,
    pub(crate) of: Type,
}

/// A type where it is used.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Type {
    Text,
    Integer,
    Boolean,
    Null,
    Anything,
    Map,
    Word(String),
    Named(String),
    List(Box<Type>),
    OneOf(Vec<Type>),
}

/// Every type of the schemas, each once, and `Data`, which is one of the kinds of data.
pub(crate) fn definitions() -> Vec<Definition> {
    let kinds = schemas().map(|(_, schema)| schema.to_value());
    let names = kinds.iter().map(|schema| Type::Named(text(schema, "title")));
    let data = Definition {
        name: "Data".to_owned(),
        doc: "The data of the types that this release knows; ignore a signal of another type.".to_owned(),
        shape: Shape::Alias(Type::OneOf(names.collect())),
    };
    let mut all: Vec<Definition> = Vec::new();
    for schema in kinds.iter().chain(&[envelope_schema().to_value(), acknowledgement_schema().to_value()]) {
        let parts = schema["$defs"].as_object().into_iter().flatten();
        let found =
            parts.map(|(name, part)| definition(name, part)).chain([definition(&text(schema, "title"), schema)]);
        for one in found {
            match all.iter().find(|known| known.name == one.name) {
                Some(known) => assert_eq!(*known, one, "two types with one name"),
                None => all.push(one),
            }
        }
    }
    let envelope = all.iter_mut().find(|one| one.name == "Envelope").expect("an envelope");
    let Shape::Object(fields) = &mut envelope.shape else { panic!("the envelope is an object") };
    fields.iter_mut().find(|field| field.name == "data").expect("data").of = Type::Named(data.name.clone());
    all.push(data);
    all
}

fn text(schema: &Value, name: &str) -> String {
    schema[name].as_str().unwrap_or_else(|| panic!("no {name} in {schema}")).to_owned()
}

fn doc(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().replace('\n', " ")
}

fn definition(name: &str, schema: &Value) -> Definition {
    let shape = if schema["properties"].is_object() {
        Shape::Object(fields(schema))
    } else {
        match choices(schema) {
            Some(all) if all.iter().all(|one| one["properties"].is_object()) => {
                Shape::Choice(all.iter().map(|one| definition(&format!("{name}{}", suffix(one)), one)).collect())
            }
            _ => Shape::Alias(type_of(schema)),
        }
    };
    Definition { name: name.to_owned(), doc: doc(schema), shape }
}

fn choices(schema: &Value) -> Option<&Vec<Value>> {
    ["oneOf", "anyOf"].iter().find_map(|name| schema[*name].as_array())
}

/// What distinguishes an object from the others: the constant or the name of its first member.
fn suffix(schema: &Value) -> String {
    let (name, first) = schema["properties"].as_object().and_then(|all| all.iter().next()).expect("a member");
    let words = first["const"].as_str().unwrap_or(name).split('_');
    words.map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

fn fields(schema: &Value) -> Vec<Field> {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let members = schema["properties"].as_object().into_iter().flatten();
    let field = |(name, member): (&String, &Value)| Field {
        name: name.clone(),
        doc: doc(member),
        is_required: required.contains(&name.as_str()),
        of: type_of(member),
    };
    members.map(field).collect()
}

fn type_of(schema: &Value) -> Type {
    if let Some(path) = schema["$ref"].as_str() {
        return Type::Named(path.strip_prefix("#/$defs/").unwrap_or_else(|| panic!("{path}")).to_owned());
    }
    if let Some(word) = schema["const"].as_str() {
        return Type::Word(word.to_owned());
    }
    if let Some(words) = schema["enum"].as_array() {
        return Type::OneOf(words.iter().map(|word| Type::Word(word.as_str().expect("a word").to_owned())).collect());
    }
    if let Some(all) = choices(schema) {
        return Type::OneOf(all.iter().map(type_of).collect());
    }
    match &schema["type"] {
        Value::Array(names) => Type::OneOf(names.iter().map(|name| plain(name, schema)).collect()),
        Value::Null => Type::Anything,
        name => plain(name, schema),
    }
}

fn plain(name: &Value, schema: &Value) -> Type {
    match name.as_str() {
        Some("string") => Type::Text,
        Some("integer") => Type::Integer,
        Some("boolean") => Type::Boolean,
        Some("null") => Type::Null,
        Some("object") if !schema["properties"].is_object() => Type::Map,
        Some("array") => Type::List(Box::new(type_of(&schema["items"]))),
        _ => panic!("a type that the generator does not know: {schema}"),
    }
}
