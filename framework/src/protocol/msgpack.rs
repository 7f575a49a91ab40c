//! Values in msgpack, read and written as the type says. An error carries the path of the value that doesn't fit.

use std::collections::BTreeMap;

use rmpv::Value as Msgpack;

use super::shape::{DEEPEST, Shape, element_path};
use crate::terraform::{AttributePath, AttributeType, Datum, Dynamic, Error, Number, Value};

/// The same depth as the parser counts it: twice for each level, and thrice for a text in the innermost.
const DEPTH: usize = 2 * DEEPEST + 3;

/// Reads a value of the given shape.
pub(super) fn read(bytes: &[u8], shape: &Shape<'_>) -> Result<Dynamic, Error> {
    let mut rest = bytes;
    let value = rmpv::decode::read_value_with_max_depth(&mut rest, DEPTH)
        .map_err(|error| Error::new("Malformed value", format!("The message holds no msgpack: {error}.")))?;
    if rest.is_empty() {
        decode(&value, shape, &AttributePath::root())
    } else {
        Err(Error::new("Malformed value", "Something follows the value."))
    }
}

/// Writes a value of the given shape.
pub(super) fn write(value: &Dynamic, shape: &Shape<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory doesn't fail.
    let _ = rmpv::encode::write_value(&mut bytes, &encode(value, shape));
    bytes
}

fn mismatch(wanted: &str, found: &Msgpack, path: &AttributePath) -> Error {
    let kind = match found {
        Msgpack::Nil => "null",
        Msgpack::Boolean(_) => "a bool",
        Msgpack::Integer(_) | Msgpack::F32(_) | Msgpack::F64(_) => "a number",
        Msgpack::String(text) if text.is_str() => "a string",
        Msgpack::String(_) => "a string that is not valid UTF-8",
        Msgpack::Binary(_) => "bytes",
        Msgpack::Array(_) => "a list",
        Msgpack::Map(_) => "a map",
        Msgpack::Ext(..) => "an unknown value",
    };
    Error::new("Wrong type of value", format!("Expected {wanted}, found {kind}.")).at(path.clone())
}

fn decode(value: &Msgpack, shape: &Shape<'_>, path: &AttributePath) -> Result<Dynamic, Error> {
    match value {
        Msgpack::Nil => return Ok(Value::Null),
        // Any extension is an unknown value; those that refine it (not null, a prefix) say no more than we need.
        Msgpack::Ext(..) => return Ok(Value::Unknown),
        _ => {}
    }
    let datum = match shape {
        Shape::Plain(AttributeType::String) => match value.as_str() {
            Some(text) => Datum::String(text.to_owned()),
            None => return Err(mismatch("a string", value, path)),
        },
        Shape::Plain(AttributeType::Bool) => match value.as_bool() {
            Some(truth) => Datum::Bool(truth),
            None => return Err(mismatch("a bool", value, path)),
        },
        Shape::Plain(AttributeType::Number) => Datum::Number(number(value).ok_or_else(|| mismatch("a number", value, path))?),
        Shape::Plain(AttributeType::Any) => return dynamic(value, path),
        shape if shape.is_sequence() => {
            let elements = value.as_array().ok_or_else(|| mismatch("a list", value, path))?;
            let mut read = Vec::with_capacity(elements.len());
            for (index, element) in elements.iter().enumerate() {
                let path = element_path(shape, path, index);
                let inner = shape.element(index).ok_or_else(|| mismatch(&format!("{index} elements"), value, &path))?;
                read.push(decode(element, &inner, &path)?);
            }
            Datum::List(read)
        }
        shape if shape.is_map() => {
            let mut read = BTreeMap::new();
            for (key, entry) in value.as_map().ok_or_else(|| mismatch("a map", value, path))? {
                let key = key.as_str().ok_or_else(|| mismatch("a string as key", key, path))?;
                let inner = shape.element(0).ok_or_else(|| mismatch("a map", value, path))?;
                read.insert(key.to_owned(), decode(entry, &inner, &path.clone().key(key.to_owned()))?);
            }
            Datum::Map(read)
        }
        shape => {
            let entries = value.as_map().ok_or_else(|| mismatch("an object", value, path))?;
            let attributes = shape.attributes();
            // A type that came with the value has as many attributes as its sender likes: what is missing must not grow out of nothing.
            if matches!(shape, Shape::Plain(_)) && entries.len() < attributes.len() {
                return Err(mismatch("an object with all attributes of its type", value, path));
            }
            let mut read = BTreeMap::new();
            for (name, inner) in attributes {
                let entry = entries.iter().find(|(key, _)| key.as_str() == Some(name)).map_or(&Msgpack::Nil, |(_, entry)| entry);
                read.insert(name.to_owned(), decode(entry, &inner, &path.clone().attribute(name.to_owned()))?);
            }
            Datum::Map(read)
        }
    };
    Ok(Value::Value(datum))
}

fn number(value: &Msgpack) -> Option<Number> {
    if let Some(int) = value.as_i64() {
        return Some(Number::Int(int));
    }
    match value {
        Msgpack::Integer(integer) => integer.as_u64().map(Number::Uint),
        // There is infinity in the CLIs' arithmetic, but nothing that is not a number.
        Msgpack::F64(float) => (!float.is_nan()).then_some(Number::Float(*float)),
        Msgpack::F32(float) => (!float.is_nan()).then_some(Number::Float(f64::from(*float))),
        // What fits none of these comes as decimal text.
        Msgpack::String(text) => text.as_str().and_then(Number::parse),
        _ => None,
    }
}

/// A value that brings its type: a pair of the type, as JSON, and the value.
fn dynamic(value: &Msgpack, path: &AttributePath) -> Result<Dynamic, Error> {
    let Some([ty, inner]) = value.as_array().map(Vec::as_slice) else { return Err(mismatch("a pair of type and value", value, path)) };
    let json = match ty {
        Msgpack::Binary(bytes) => bytes.as_slice(),
        Msgpack::String(text) => text.as_bytes(),
        other => return Err(mismatch("a type", other, path)),
    };
    let ty = super::shape::parse(json).map_err(|error| error.at(path.clone()))?;
    let inner = decode(inner, &Shape::Plain(&ty), path)?;
    Ok(Value::Value(Datum::Typed(Box::new(ty), Box::new(inner))))
}

fn encode(value: &Dynamic, shape: &Shape<'_>) -> Msgpack {
    let datum = match value {
        Value::Null => return Msgpack::Nil,
        Value::Unknown => return Msgpack::Ext(0, vec![0]),
        Value::Value(datum) => datum,
    };
    match datum {
        Datum::String(text) => text.as_str().into(),
        Datum::Bool(truth) => (*truth).into(),
        Datum::Number(Number::Int(int)) => (*int).into(),
        Datum::Number(Number::Uint(uint)) => (*uint).into(),
        Datum::Number(Number::Float(float)) => (*float).into(),
        // As the CLIs do: a float if it is exactly that, else text.
        Datum::Number(number @ Number::Decimal(text)) => {
            let float = number.as_f64();
            if Number::Float(float) == *number { float.into() } else { text.as_str().into() }
        }
        Datum::List(elements) => Msgpack::Array(
            elements.iter().enumerate().map(|(index, element)| encode_inner(element, shape.element(index).as_ref())).collect(),
        ),
        Datum::Map(entries) if shape.is_map() => {
            Msgpack::Map(entries.iter().map(|(key, entry)| (key.as_str().into(), encode_inner(entry, shape.element(0).as_ref()))).collect())
        }
        // An object has exactly the attributes of its type.
        Datum::Map(entries) => Msgpack::Map(
            shape
                .attributes()
                .into_iter()
                .map(|(name, inner)| (name.into(), encode(entries.get(name).unwrap_or(&Value::Null), &inner)))
                .collect(),
        ),
        Datum::Typed(ty, inner) => Msgpack::Array(vec![Msgpack::Binary(ty.to_string().into_bytes()), encode(inner, &Shape::Plain(ty))]),
    }
}

/// A value whose type has no place for it can only be null.
fn encode_inner(value: &Dynamic, shape: Option<&Shape<'_>>) -> Msgpack {
    shape.map_or(Msgpack::Nil, |shape| encode(value, shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_that_is_not_utf_8_is_named_as_such() {
        let error = read(&[0xa1, 0xff], &Shape::Plain(&AttributeType::String)).expect_err("an error");
        assert_eq!(error.detail, "Expected a string, found a string that is not valid UTF-8.");
    }
}
