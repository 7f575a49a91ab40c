//! Values in JSON, as a state file has them. What the schema doesn't know any more is ignored, what is missing is null. A string, a number
//! and a bool are read as one another where that is unambiguous, so that the type of an attribute can change in a release: as other
//! providers do.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::shape::{DEEPEST, Shape, element_path, parse};
use crate::terraform::{AttributePath, AttributeType, Datum, Dynamic, Error, Number, Value};

/// Reads a value of the given shape. It is read piece by piece from its text, so that no number loses a digit.
pub(super) fn read(bytes: &[u8], shape: &Shape<'_>) -> Result<Dynamic, Error> {
    let json: &RawValue =
        serde_json::from_slice(bytes).map_err(|error| Error::new("Malformed state", format!("The state is not valid JSON: {error}.")))?;
    decode(json, shape, &AttributePath::root(), 0)
}

/// A value that brings its type.
#[derive(Deserialize)]
struct Dynamically<'a> {
    #[serde(borrow, rename = "type")]
    ty: &'a RawValue,
    #[serde(borrow)]
    value: &'a RawValue,
}

fn decode(json: &RawValue, shape: &Shape<'_>, path: &AttributePath, depth: usize) -> Result<Dynamic, Error> {
    if json.get() == "null" {
        return Ok(Value::Null);
    }
    if depth == DEEPEST {
        return Err(Error::new("Malformed state", "Its values are nested too deeply.").at(path.clone()));
    }
    let depth = depth + 1;
    let datum = match shape {
        Shape::Plain(AttributeType::String) => Datum::String(string(json).ok_or_else(|| mismatch(json, "a string", path))?),
        Shape::Plain(AttributeType::Bool) => Datum::Bool(truth(json).ok_or_else(|| mismatch(json, "a bool", path))?),
        Shape::Plain(AttributeType::Number) => Datum::Number(number(json).ok_or_else(|| mismatch(json, "a number", path))?),
        Shape::Plain(AttributeType::Any) => {
            let Dynamically { ty, value } = piece(json, "a value with its type", path)?;
            let ty = parse(ty.get().as_bytes()).map_err(|error| error.at(path.clone()))?;
            let inner = decode(value, &Shape::Plain(&ty), path, depth)?;
            Datum::Typed(Box::new(ty), Box::new(inner))
        }
        shape if shape.is_sequence() => {
            let elements: Vec<&RawValue> = piece(json, "a list", path)?;
            let read = elements.iter().enumerate().map(|(index, element)| {
                let inner = shape.element(index).ok_or_else(|| mismatch(json, "fewer elements", path))?;
                decode(element, &inner, &element_path(shape, path, index), depth)
            });
            Datum::List(read.collect::<Result<_, _>>()?)
        }
        shape if shape.is_map() => {
            let entries: BTreeMap<String, &RawValue> = piece(json, "a map", path)?;
            let read = entries.into_iter().map(|(key, entry)| {
                let inner = shape.element(0).ok_or_else(|| mismatch(json, "a map", path))?;
                decode(entry, &inner, &path.clone().key(key.clone()), depth).map(|entry| (key, entry))
            });
            Datum::Map(read.collect::<Result<_, _>>()?)
        }
        shape => {
            let entries: BTreeMap<String, &RawValue> = piece(json, "an object", path)?;
            let read = shape.attributes().into_iter().map(|(name, inner)| {
                let path = path.clone().attribute(name.to_owned());
                let value = entries.get(name).map_or(Ok(Value::Null), |entry| decode(entry, &inner, &path, depth));
                value.map(|value| (name.to_owned(), value))
            });
            Datum::Map(read.collect::<Result<_, _>>()?)
        }
    };
    Ok(Value::Value(datum))
}

/// Reads one level of the text, which is known to be JSON: if it doesn't fit, it is something else than wanted.
fn piece<'a, T: Deserialize<'a>>(json: &'a RawValue, wanted: &str, path: &AttributePath) -> Result<T, Error> {
    serde_json::from_str(json.get()).map_err(|_| mismatch(json, wanted, path))
}

fn mismatch(json: &RawValue, wanted: &str, path: &AttributePath) -> Error {
    let found = match json.get().bytes().next() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "a bool",
        Some(b'"') => "a string",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        _ => "a number",
    };
    Error::new("Wrong type of value", format!("Expected {wanted}, found {found}.")).at(path.clone())
}

fn string(json: &RawValue) -> Option<String> {
    match json.get().bytes().next()? {
        b'"' => serde_json::from_str(json.get()).ok(),
        b'[' | b'{' => None,
        // Numbers and bools as they are written.
        _ => Some(json.get().to_owned()),
    }
}

fn truth(json: &RawValue) -> Option<bool> {
    match json.get() {
        "true" | "1" | "\"true\"" | "\"1\"" => Some(true),
        "false" | "0" | "\"false\"" | "\"0\"" => Some(false),
        _ => None,
    }
}

fn number(json: &RawValue) -> Option<Number> {
    match json.get().strip_prefix('"') {
        None => Number::parse(json.get()),
        // Large numbers are written as text by some versions.
        Some(text) => Number::parse(text.strip_suffix('"')?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(json: &str, ty: AttributeType) -> Result<Dynamic, String> {
        read(json.as_bytes(), &Shape::Plain(&ty)).map_err(|error| error.detail)
    }

    #[test]
    fn strings_numbers_and_bools_are_read_as_one_another() {
        let text = |text: &str| Ok(Value::Value(Datum::from(text)));
        let long = "12345678901234567890123.5";
        assert_eq!(decoded(long, AttributeType::String), text(long));
        assert_eq!(decoded("true", AttributeType::String), text("true"));
        assert_eq!(decoded("\"a\\u0062\"", AttributeType::String), text("ab"));
        for (json, truth) in [("true", true), ("1", true), ("\"1\"", true), ("\"true\"", true), ("0", false), ("\"false\"", false)] {
            assert_eq!(decoded(json, AttributeType::Bool), Ok(Value::Value(Datum::Bool(truth))), "{json}");
        }
        let number = Number::parse(long).expect("a number");
        assert_eq!(decoded(&format!("\"{long}\""), AttributeType::Number), Ok(Value::Value(Datum::Number(number))));
        for (json, ty, found) in [
            ("\"yes\"", AttributeType::Bool, "Expected a bool, found a string."),
            ("2", AttributeType::Bool, "Expected a bool, found a number."),
            ("\"TRUE\"", AttributeType::Bool, "Expected a bool, found a string."),
            ("true", AttributeType::Number, "Expected a number, found a bool."),
            ("[1]", AttributeType::String, "Expected a string, found a list."),
        ] {
            assert_eq!(decoded(json, ty), Err(found.to_owned()), "{json}");
        }
    }
}
