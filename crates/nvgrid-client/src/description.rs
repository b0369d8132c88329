//! The description of the service: from the site's own `.proto` files, a descriptor set, or server reflection.

use std::path::{Path, PathBuf};

use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor,
    SerializeOptions, ServiceDescriptor,
};
use serde_json::Value;

use super::NvgridError;

/// The documented package.
const PACKAGE: &str = "nvidia.dcpower.v1";

/// Where a description comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// `.proto` files, and the folders of their imports.
    Proto {
        /// The files.
        files: Vec<PathBuf>,
        /// The import folders; none: the files' own folders.
        folders: Vec<PathBuf>,
    },
    /// A descriptor set as `protoc` writes it.
    DescriptorSet(PathBuf),
    /// The server's reflection.
    Reflection,
}

/// A description.
#[derive(Debug, Clone)]
pub struct Description {
    pub(crate) pool: DescriptorPool,
    /// Its origin, for people.
    pub(crate) from: String,
}

impl Description {
    /// Compiles `.proto` files.
    ///
    /// # Errors
    /// [`NvgridError::Description`], with the position.
    pub fn of_proto(files: &[PathBuf], folders: &[PathBuf]) -> Result<Self, NvgridError> {
        let own = |file: &PathBuf| match file.parent() {
            Some(folder) if folder != Path::new("") => folder.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let from = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
        let folders = if folders.is_empty() { files.iter().map(own).collect() } else { folders.to_vec() };
        // The error's `Debug` output is its message with the position.
        let compiled = protox::compile(files, folders).map_err(|error| unreadable(&from, &format!("{error:?}")))?;
        let pool = DescriptorPool::from_file_descriptor_set(compiled);
        Ok(Self { pool: pool.map_err(|error| unreadable(&from, &format!("{error:?}")))?, from })
    }

    /// Reads a descriptor set, which may lack Google's own types.
    ///
    /// # Errors
    /// [`NvgridError::Description`].
    pub fn of_set(file: &Path) -> Result<Self, NvgridError> {
        let from = file.display().to_string();
        let bytes = std::fs::read(file).map_err(|error| unreadable(&from, &error.to_string()))?;
        let mut pool = DescriptorPool::global();
        pool.decode_file_descriptor_set(bytes.as_slice()).map_err(|error| {
            unreadable(&from, &format!("{error:?}; write it with `protoc --include_imports --descriptor_set_out=FILE`"))
        })?;
        Ok(Self { pool, from })
    }

    /// A method by its documented name; the service may be in any package.
    ///
    /// # Errors
    /// [`NvgridError::Lacks`].
    pub(crate) fn method(&self, service: &str, method: &str) -> Result<MethodDescriptor, NvgridError> {
        let found = self.pool.get_service_by_name(&format!("{PACKAGE}.{service}"));
        let found = found.or_else(|| self.pool.services().find(|one| one.name() == service));
        let there = || self.pool.services().map(|one| one.full_name().to_owned()).collect::<Vec<_>>();
        let found: ServiceDescriptor = found.ok_or_else(|| self.lacks(&format!("service {service}"), &there()))?;
        let there = || found.methods().map(|one| one.name().to_owned()).collect::<Vec<_>>();
        found
            .methods()
            .find(|one| one.name() == method)
            .ok_or_else(|| self.lacks(&format!("method {method} in the service {}", found.full_name()), &there()))
    }

    /// A field by its documented name.
    ///
    /// # Errors
    /// [`NvgridError::Lacks`].
    pub(crate) fn field(&self, message: &MessageDescriptor, name: &str) -> Result<FieldDescriptor, NvgridError> {
        let there = || message.fields().map(|one| one.name().to_owned()).collect::<Vec<_>>();
        message
            .get_field_by_name(name)
            .ok_or_else(|| self.lacks(&format!("field {name} in the message {}", message.full_name()), &there()))
    }

    /// Checks that a documented field is a single string.
    /// Its value may be a secret, and an error about the type would print it.
    ///
    /// # Errors
    /// [`NvgridError::Lacks`].
    pub(crate) fn text(&self, message: &MessageDescriptor, name: &str) -> Result<(), NvgridError> {
        let field = self.field(message, name)?;
        match field.kind() {
            Kind::String if !field.is_list() => Ok(()),
            other => Err(self.lacks(&format!("text in {}.{name}", message.full_name()), &[format!("{other:?}")])),
        }
    }

    /// The message type of a field.
    ///
    /// # Errors
    /// [`NvgridError::Lacks`].
    pub(crate) fn message(&self, message: &MessageDescriptor, name: &str) -> Result<MessageDescriptor, NvgridError> {
        match self.field(message, name)?.kind() {
            Kind::Message(inner) => Ok(inner),
            other => Err(self.lacks(&format!("message in {}.{name}", message.full_name()), &[format!("{other:?}")])),
        }
    }

    /// Checks that these values are among an enum field's values.
    ///
    /// # Errors
    /// [`NvgridError::Lacks`].
    pub(crate) fn values(&self, message: &MessageDescriptor, name: &str, wanted: &[String]) -> Result<(), NvgridError> {
        let found: EnumDescriptor = match self.field(message, name)?.kind() {
            Kind::Enum(found) => found,
            other => {
                return Err(self.lacks(&format!("enum in {}.{name}", message.full_name()), &[format!("{other:?}")]));
            }
        };
        let there = || found.values().map(|one| one.name().to_owned()).collect::<Vec<_>>();
        match wanted.iter().find(|wanted| found.get_value_by_name(wanted).is_none()) {
            Some(wanted) => Err(self.lacks(&format!("value {wanted} in the enum {}", found.full_name()), &there())),
            None => Ok(()),
        }
    }

    fn lacks(&self, what: &str, there: &[String]) -> NvgridError {
        let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
        NvgridError::Lacks { from: self.from.clone(), what: what.to_owned(), there }
    }
}

pub(crate) fn unreadable(from: &str, reason: &str) -> NvgridError {
    NvgridError::Description { from: from.to_owned(), reason: reason.split_whitespace().collect::<Vec<_>>().join(" ") }
}

/// A message as JSON with the names of its description, unset fields included.
pub fn to_json(message: &DynamicMessage) -> Result<Value, serde_json::Error> {
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);
    message.serialize_with_options(serde_json::value::Serializer, &options)
}

/// A message from JSON.
pub fn from_json(message: MessageDescriptor, value: Value) -> Result<DynamicMessage, serde_json::Error> {
    DynamicMessage::deserialize(message, value)
}
