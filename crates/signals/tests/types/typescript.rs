//! Types of TypeScript.

use std::fmt::Write as _;

use crate::model::{Definition, Field, Shape, Type};

const HEAD: &str = "\
// The types of gridbell's signals and acknowledgements. Generated from the JSON Schemas; do not change this file.
";

/// The whole file.
pub(crate) fn file(definitions: &[Definition]) -> String {
    definitions.iter().fold(HEAD.to_owned(), |text, one| text + "\n" + &definition(one))
}

fn definition(Definition { name, doc, shape }: &Definition) -> String {
    let comment = comment("", doc);
    match shape {
        Shape::Object(fields) => {
            let members: String = fields.iter().map(member).collect();
            format!("{comment}export interface {name} {{\n{members}}}\n")
        }
        Shape::Alias(of) => format!("{comment}export type {name} = {};\n", written(of)),
        Shape::Choice(all) => {
            let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
            let alias = format!("{comment}export type {name} = {};\n", names.join(" | "));
            all.iter().fold(alias, |text, one| text + "\n" + &definition(one))
        }
    }
}

fn member(Field { name, doc, is_required, of }: &Field) -> String {
    let optional = if *is_required { "" } else { "?" };
    format!("{}  {name}{optional}: {};\n", comment("  ", doc), written(of))
}

fn comment(indent: &str, doc: &str) -> String {
    let mut text = String::new();
    if !doc.is_empty() {
        let _ = writeln!(text, "{indent}/** {doc} */");
    }
    text
}

fn written(of: &Type) -> String {
    match of {
        Type::Text => "string".to_owned(),
        Type::Integer => "number".to_owned(),
        Type::Boolean => "boolean".to_owned(),
        Type::Null => "null".to_owned(),
        Type::Anything => "unknown".to_owned(),
        Type::Map => "Record<string, unknown>".to_owned(),
        Type::Word(word) => format!("{word:?}"),
        Type::Named(name) => name.clone(),
        Type::List(item) => match &**item {
            Type::OneOf(_) => format!("({})[]", written(item)),
            item => format!("{}[]", written(item)),
        },
        Type::OneOf(all) => all.iter().map(written).collect::<Vec<String>>().join(" | "),
    }
}
