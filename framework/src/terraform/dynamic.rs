//! Values as the protocol carries them: any type, null or unknown at every level, numbers of any size.

use std::{cmp::Ordering, collections::BTreeMap};

use super::vocabulary::{AttributeType, Value};

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
    Typed(Box<AttributeType>, Box<Dynamic>),
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

/// Numbers with at most this many zeros at their end, or places after the point, are written without an exponent.
const PLAIN_ZEROS: i64 = 30;

/// A number as precise as its source: integers and floats as such, all else as decimal text.
#[derive(Clone, Debug)]
pub enum Number {
    /// A whole number that fits 64 bits with a sign.
    Int(i64),
    /// A whole number that needs the 64th bit.
    Uint(u64),
    /// A binary floating-point number.
    Float(f64),
    /// Any other number, in the decimal notation that [`Number::parse`] gives.
    Decimal(String),
}

impl Number {
    /// Reads decimal notation, as JSON has it: `-12`, `1.50`, `1e400`. Equal numbers read as equal ones.
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |mantissa| ("-", mantissa));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if whole.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        // Shortest digits and their exponent are the same for all notations of a number.
        let trimmed = digits.trim_end_matches('0');
        let dropped = i64::try_from(digits.len() - trimmed.len()).ok()?;
        let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(dropped)?;
        let digits = trimmed.trim_start_matches('0');
        Some(match exponent {
            _ if digits.is_empty() => Self::Int(0),
            0..=PLAIN_ZEROS => {
                let plain = format!("{sign}{digits}{}", "0".repeat(usize::try_from(exponent).ok()?));
                plain.parse().map(Self::Int).or_else(|_| plain.parse().map(Self::Uint)).unwrap_or(Self::Decimal(plain))
            }
            _ if (-PLAIN_ZEROS..0).contains(&exponent) => {
                let places = usize::try_from(-exponent).ok()?;
                let padded = format!("{digits:0>width$}", width = places + 1);
                let (whole, fraction) = padded.split_at(padded.len() - places);
                Self::Decimal(format!("{sign}{whole}.{fraction}"))
            }
            _ => Self::Decimal(format!("{sign}{digits}e{exponent}")),
        })
    }

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
        Value::Value(Datum::Typed(ty, value)) => Value::Value(Datum::Typed(ty, Box::new(without_unknowns(*value)))),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_form_in_all_notations() {
        let same = |texts: &[&str], number: Number| {
            for text in texts {
                assert_eq!(Number::parse(text).map(|number| format!("{number:?}")), Some(format!("{number:?}")), "{text}");
            }
        };
        same(&["0", "-0", "0.00", "0e9"], Number::Int(0));
        same(&["12", "1.2e1", "12.0", "012", "120E-1"], Number::Int(12));
        same(&["-9223372036854775808"], Number::Int(i64::MIN));
        same(&["18446744073709551615"], Number::Uint(u64::MAX));
        same(&["18446744073709551616"], Number::Decimal("18446744073709551616".to_owned()));
        same(&["0.1", "1e-1", "0.10"], Number::Decimal("0.1".to_owned()));
        same(&["-0.0125", "-125e-4"], Number::Decimal("-0.0125".to_owned()));
        same(&["1e400", "10e399"], Number::Decimal("1e400".to_owned()));
        for wrong in ["", "-", ".5", "1.2.3", "1e", "NaN", "inf", "0x10", "1_000", "1e99999999999999999999"] {
            assert!(Number::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_fraction_is_the_same_from_configuration_and_state() {
        // 0.5 comes as a float from the configuration and as text from the state.
        assert_eq!(Number::parse("0.5"), Some(Number::Float(0.5)));
        assert_ne!(Number::parse("0.1"), Number::parse("0.10000000000000001"));
    }
}
