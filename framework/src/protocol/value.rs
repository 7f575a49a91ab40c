//! Values in messages: msgpack or JSON are read, msgpack is written.

use super::{json, msgpack, shape::Shape, wire};
use crate::terraform::{Dynamic, Error, Schema, Value};

/// Reads a value of a schema's attributes.
pub(super) fn read(value: Option<wire::DynamicValue>, schema: &Schema) -> Result<Dynamic, Error> {
    read_as(value, &Shape::Object(&schema.attributes))
}

/// Reads a value; neither msgpack nor JSON is null.
pub(super) fn read_as(value: Option<wire::DynamicValue>, shape: &Shape<'_>) -> Result<Dynamic, Error> {
    match value {
        Some(value) if !value.msgpack.is_empty() => msgpack::read(&value.msgpack, shape),
        Some(value) if !value.json.is_empty() => json::read(&value.json, shape),
        _ => Ok(Value::Null),
    }
}

/// Whether a value is null, as far as that can be seen without its type.
pub(super) fn is_null(value: Option<&wire::DynamicValue>) -> bool {
    value.is_none_or(|value| value.msgpack == [0xc0] || (value.msgpack.is_empty() && (value.json.is_empty() || value.json == b"null")))
}

/// Writes a value of a schema's attributes.
pub(super) fn write(value: &Dynamic, schema: &Schema) -> wire::DynamicValue {
    write_as(value, &Shape::Object(&schema.attributes))
}

/// Writes a value of the given shape.
pub(super) fn write_as(value: &Dynamic, shape: &Shape<'_>) -> wire::DynamicValue {
    wire::DynamicValue { msgpack: msgpack::write(value, shape), json: Vec::new() }
}
