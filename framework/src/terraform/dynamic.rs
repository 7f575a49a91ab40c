//! Values as the protocol carries them: any type, null or unknown at every level, numbers of any size.

use std::{cmp::Ordering, collections::BTreeMap};

pub use super::number::Number;
use super::vocabulary::{AttributeType, Value};

/// A value of any type, which may be null or unknown as a whole or in any of its parts.
pub type Dynamic = Value<Datum>;

/// The content of a known value.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// A string.
    String(String),
    /// A number of any size.
    Number(Number),
    /// `true` or `false`.
    Bool(bool),
    /// The elements of a list, a set or a tuple.
    List(Vec<Dynamic>),
    /// The entries of a map or the attributes of an object.
    Map(BTreeMap<String, Dynamic>),
    /// A value with its own type: the content of a `dynamic` attribute or argument.
    Typed(Box<AttributeType>, Box<Dynamic>),
}

impl Datum {
    /// Returns the name of the kind of value, as users know it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::Number(_) => "number",
            Self::Bool(_) => "bool",
            Self::List(_) => "list",
            Self::Map(_) => "object",
            Self::Typed(..) => "dynamic value",
        }
    }

    /// Returns the value with its type, as `dynamic` attributes hold it: a list becomes a tuple and a map an object, as in HCL.
    #[must_use]
    pub fn with_type(self) -> Self {
        match self {
            typed @ Self::Typed(..) => typed,
            other => Self::Typed(Box::new(type_of(&other)), Box::new(Value::Value(other))),
        }
    }
}

/// The type that HCL gives to a literal of this value.
fn type_of(datum: &Datum) -> AttributeType {
    let part = |value: &Dynamic| match value {
        Value::Value(datum) => type_of(datum),
        Value::Null | Value::Unknown => AttributeType::Any,
    };
    match datum {
        Datum::String(_) => AttributeType::String,
        Datum::Number(_) => AttributeType::Number,
        Datum::Bool(_) => AttributeType::Bool,
        Datum::List(elements) => AttributeType::Tuple(elements.iter().map(part).collect()),
        Datum::Map(entries) => AttributeType::Object(entries.iter().map(|(name, value)| (name.clone(), part(value))).collect()),
        // Stays as it is within another value.
        Datum::Typed(..) => AttributeType::Any,
    }
}

impl From<&str> for Datum {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Datum {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Datum {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i64> for Datum {
    fn from(int: i64) -> Self {
        Self::Number(Number::Int(int))
    }
}

/// The attribute of an object; null when there is none. An unknown object has unknown attributes.
pub fn attribute<'a>(object: &'a Dynamic, name: &str) -> &'a Dynamic {
    match object {
        Value::Value(Datum::Map(attributes)) => attributes.get(name).unwrap_or(&Value::Null),
        Value::Unknown => &Value::Unknown,
        _ => &Value::Null,
    }
}

/// Puts `value` at an attribute of a known object; does nothing to any other value.
pub fn set_attribute(object: &mut Dynamic, name: &str, value: Dynamic) {
    if let Value::Value(Datum::Map(attributes)) = object {
        attributes.insert(name.to_owned(), value);
    }
}

/// The value with every unknown in it turned into null.
#[must_use]
pub fn without_unknowns(value: Dynamic) -> Dynamic {
    match value {
        Value::Unknown => Value::Null,
        Value::Value(Datum::List(elements)) => Value::Value(Datum::List(elements.into_iter().map(without_unknowns).collect())),
        Value::Value(Datum::Map(entries)) => {
            Value::Value(Datum::Map(entries.into_iter().map(|(key, value)| (key, without_unknowns(value))).collect()))
        }
        Value::Value(Datum::Typed(ty, value)) => Value::Value(Datum::Typed(ty, Box::new(without_unknowns(*value)))),
        other => other,
    }
}

/// Whether the value and all of its parts are known.
pub fn is_wholly_known(value: &Dynamic) -> bool {
    match value {
        Value::Unknown => false,
        Value::Value(Datum::List(elements)) => elements.iter().all(is_wholly_known),
        Value::Value(Datum::Map(entries)) => entries.values().all(is_wholly_known),
        Value::Value(Datum::Typed(_, value)) => is_wholly_known(value),
        _ => true,
    }
}

/// Orders values of one type: a total order, in which values are equal exactly if `==` says so.
pub(super) fn compare(a: &Dynamic, b: &Dynamic) -> Ordering {
    let rank = |value: &Dynamic| match value {
        Value::Null => 0,
        Value::Value(datum) => match datum {
            Datum::Bool(_) => 1,
            Datum::Number(_) => 2,
            Datum::String(_) => 3,
            Datum::List(_) => 4,
            Datum::Map(_) => 5,
            Datum::Typed(..) => 6,
        },
        Value::Unknown => 7,
    };
    let (Value::Value(x), Value::Value(y)) = (a, b) else { return rank(a).cmp(&rank(b)) };
    match (x, y) {
        (Datum::Bool(a), Datum::Bool(b)) => a.cmp(b),
        (Datum::Number(a), Datum::Number(b)) => a.compare(b),
        (Datum::String(a), Datum::String(b)) => a.cmp(b),
        (Datum::List(a), Datum::List(b)) => {
            let parts = a.iter().zip(b).map(|(a, b)| compare(a, b));
            parts.fold(Ordering::Equal, Ordering::then).then(a.len().cmp(&b.len()))
        }
        (Datum::Map(a), Datum::Map(b)) => {
            let parts = a.iter().zip(b).map(|((key, a), (other, b))| key.cmp(other).then_with(|| compare(a, b)));
            parts.fold(Ordering::Equal, Ordering::then).then(a.len().cmp(&b.len()))
        }
        (Datum::Typed(ty, a), Datum::Typed(other, b)) => {
            compare(a, b).then_with(|| if ty == other { Ordering::Equal } else { ty.to_string().cmp(&other.to_string()) })
        }
        _ => rank(a).cmp(&rank(b)),
    }
}
