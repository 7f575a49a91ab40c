//! Values in JSON, as a state file has them. What the schema doesn't know any more is ignored, what is missing is null.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::types::{Shape, element_path};
use crate::terraform::{AttributePath, AttributeType, Datum, Dynamic, Error, Number, Type, Value};

/// Reads a value of the given shape.
pub(super) fn read(bytes: &[u8], shape: &Shape<'_>) -> Result<Dynamic, Error> {
    let json: Json =
        serde_json::from_slice(bytes).map_err(|error| Error::new("Malformed state", format!("The state is no JSON: {error}.")))?;
    decode(&json, shape, &AttributePath::root())
}

fn decode(json: &Json, shape: &Shape<'_>, path: &AttributePath) -> Result<Dynamic, Error> {
    let mismatch = |wanted: &str| {
        let found = match json {
            Json::Null => "null",
            Json::Bool(_) => "a bool",
            Json::Number(_) => "a number",
            Json::String(_) => "a string",
            Json::Array(_) => "a list",
            Json::Object(_) => "an object",
        };
        Error::new("Wrong type of value", format!("Expected {wanted}, found {found}.")).at(path.clone())
    };
    if json.is_null() {
        return Ok(Value::Null);
    }
    let datum = match shape {
        Shape::Plain(AttributeType::String) => Datum::String(json.as_str().ok_or_else(|| mismatch("a string"))?.to_owned()),
        Shape::Plain(AttributeType::Bool) => Datum::Bool(json.as_bool().ok_or_else(|| mismatch("a bool"))?),
        Shape::Plain(AttributeType::Number) => Datum::Number(number(json).ok_or_else(|| mismatch("a number"))?),
        Shape::Plain(AttributeType::Any) => return dynamic(json, path).ok_or_else(|| mismatch("a value with its type"))?,
        shape if shape.is_sequence() => {
            let elements = json.as_array().ok_or_else(|| mismatch("a list"))?;
            let read = elements.iter().enumerate().map(|(index, element)| {
                let inner = shape.element(index).ok_or_else(|| mismatch("fewer elements"))?;
                decode(element, &inner, &element_path(shape, path, index))
            });
            Datum::List(read.collect::<Result<_, _>>()?)
        }
        shape if shape.is_map() => {
            let mut read = BTreeMap::new();
            for (key, entry) in json.as_object().ok_or_else(|| mismatch("a map"))? {
                let inner = shape.element(0).ok_or_else(|| mismatch("a map"))?;
                read.insert(key.clone(), decode(entry, &inner, &path.clone().key(key.clone()))?);
            }
            Datum::Map(read)
        }
        shape => {
            let entries = json.as_object().ok_or_else(|| mismatch("an object"))?;
            let mut read = BTreeMap::new();
            for (name, inner) in shape.attributes() {
                let entry = entries.get(name).unwrap_or(&Json::Null);
                read.insert(name.to_owned(), decode(entry, &inner, &path.clone().attribute(name.to_owned()))?);
            }
            Datum::Map(read)
        }
    };
    Ok(Value::Value(datum))
}

fn number(json: &Json) -> Option<Number> {
    match json {
        Json::Number(number) => number
            .as_i64()
            .map(Number::Int)
            .or_else(|| number.as_u64().map(Number::Uint))
            .or_else(|| number.as_f64().filter(|float| float.is_finite()).map(Number::Float)),
        // Large numbers are written as text by some versions.
        Json::String(text) => text.parse::<f64>().is_ok().then(|| Number::Decimal(text.clone())),
        _ => None,
    }
}

/// A value that brings its type: `{"type": …, "value": …}`.
fn dynamic(json: &Json, path: &AttributePath) -> Option<Result<Dynamic, Error>> {
    let ty = serde_json::to_vec(json.get("type")?).ok()?;
    let value = json.get("value")?;
    Some(super::types::parse(&ty).map_err(|error| error.at(path.clone())).and_then(|ty| {
        let inner = decode(value, &Shape::Plain(&ty), path)?;
        Ok(Value::Value(Datum::Typed(Box::new(Type::Plain(ty)), Box::new(inner))))
    }))
}
