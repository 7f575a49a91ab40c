//! Values as the protocol carries them: any type, null or unknown at every level, numbers of any size.

use std::{cmp::Ordering, collections::BTreeMap};

use super::vocabulary::Value;

/// A value of any type, which may be null or unknown as a whole or in any of its parts.
pub type Dynamic = Value<Datum>;

/// What a known value holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// A text.
    String(String),
    /// A number of any size.
    Number(Number),
    /// A truth value.
    Bool(bool),
    /// The elements of a list, a set or a tuple.
    List(Vec<Dynamic>),
    /// The entries of a map or the attributes of an object.
    Map(BTreeMap<String, Dynamic>),
    /// A value that brings its own type: what a `dynamic` attribute or argument holds.
    Typed(Box<super::schema::Type>, Box<Dynamic>),
}

impl Datum {
    /// The name of the kind of value, as users know it.
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
}

/// A number as precise as its source: integers and floats as such, all else as decimal text.
#[derive(Clone, Debug)]
pub enum Number {
    /// A whole number that fits 64 bits with a sign.
    Int(i64),
    /// A whole number that needs the 64th bit.
    Uint(u64),
    /// A binary floating-point number.
    Float(f64),
    /// Any other number, in decimal notation.
    Decimal(String),
}

impl Number {
    /// The number as a 64-bit integer, if it is one.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            Self::Uint(uint) => i64::try_from(*uint).ok(),
            #[allow(clippy::cast_possible_truncation)] // whole and within the range of exact floats
            Self::Float(float) => (float.fract() == 0.0 && float.abs() < 9e15).then_some(*float as i64),
            Self::Decimal(text) => text.parse().ok(),
        }
    }

    #[allow(clippy::cast_precision_loss)] // only compared where both sides lost the same
    fn as_f64(&self) -> f64 {
        match self {
            Self::Int(int) => *int as f64,
            Self::Uint(uint) => *uint as f64,
            Self::Float(float) => *float,
            Self::Decimal(text) => text.parse().unwrap_or(f64::NAN),
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Decimal(a), Self::Decimal(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b) == Ordering::Equal || a == b,
            _ => match (self.as_i64(), other.as_i64()) {
                (Some(a), Some(b)) => a == b,
                (None, None) => matches!((self, other), (Self::Uint(a), Self::Uint(b)) if a == b) || self.as_f64() == other.as_f64(),
                _ => false,
            },
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(int) => int.fmt(f),
            Self::Uint(uint) => uint.fmt(f),
            Self::Float(float) => float.fmt(f),
            Self::Decimal(text) => text.fmt(f),
        }
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
        other => other,
    }
}
