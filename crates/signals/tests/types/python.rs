//! Types of Python.

use crate::model::{Definition, Field, Shape, Type};

const HEAD: &str = "\
\"\"\"The types of gridbell's signals and acknowledgements. Generated from the JSON Schemas; do not change this file.\"\"\"

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict, Union
";

/// Words that cannot be the name of an attribute of a class.
const KEYWORDS: [&str; 1] = ["with"];

/// The whole file: objects first, because the names of other types are evaluated at once.
pub(crate) fn file(definitions: &[Definition]) -> String {
    let (mut objects, mut names) = (String::new(), Vec::new());
    for one in definitions {
        collect(one, &mut objects, &mut names);
    }
    format!("{HEAD}{objects}\n\n{}", names.concat().trim_start())
}

fn collect(Definition { name, doc, shape }: &Definition, objects: &mut String, names: &mut Vec<String>) {
    match shape {
        Shape::Object(fields) => *objects += &object(name, doc, fields),
        Shape::Alias(of) => names.push(format!("\n# {doc}\n{name} = {}\n", written(of))),
        Shape::Choice(all) => {
            for one in all {
                collect(one, objects, names);
            }
            let all: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
            names.push(format!("\n# {doc}\n{name} = Union[{}]\n", all.join(", ")));
        }
    }
}

fn object(name: &str, doc: &str, fields: &[Field]) -> String {
    if fields.iter().any(|field| KEYWORDS.contains(&field.name.as_str())) {
        let member =
            |field: &Field| format!("{}        {:?}: {:?},\n", comment("        ", field), field.name, of(field));
        let members: String = fields.iter().map(member).collect();
        return format!("\n\n# {doc}\n{name} = TypedDict(\n    {name:?},\n    {{\n{members}    }},\n)\n");
    }
    let member = |field: &Field| format!("{}    {}: {}\n", comment("    ", field), field.name, of(field));
    let members: String = fields.iter().map(member).collect();
    format!("\n\nclass {name}(TypedDict):\n    \"\"\"{doc}\"\"\"\n\n{members}")
}

fn comment(indent: &str, field: &Field) -> String {
    if field.doc.is_empty() { String::new() } else { format!("{indent}# {}\n", field.doc) }
}

fn of(field: &Field) -> String {
    let of = written(&field.of);
    if field.is_required { of } else { format!("NotRequired[{of}]") }
}

fn written(of: &Type) -> String {
    match of {
        Type::Text => "str".to_owned(),
        Type::Integer => "int".to_owned(),
        Type::Boolean => "bool".to_owned(),
        Type::Null => "None".to_owned(),
        Type::Anything => "Any".to_owned(),
        Type::Map => "dict[str, Any]".to_owned(),
        Type::Word(word) => format!("Literal[{word:?}]"),
        Type::Named(name) => name.clone(),
        Type::List(item) => format!("list[{}]", written(item)),
        Type::OneOf(all) => {
            let words: Vec<&str> = all
                .iter()
                .filter_map(|one| if let Type::Word(word) = one { Some(word.as_str()) } else { None })
                .collect();
            if words.len() == all.len() {
                let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
                return format!("Literal[{}]", words.join(", "));
            }
            format!("Union[{}]", all.iter().map(written).collect::<Vec<String>>().join(", "))
        }
    }
}
