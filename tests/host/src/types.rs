//! The types of attributes, and when the CLIs' core takes two values for equal.

use std::collections::BTreeMap;

use framework::protocol::wire::schema::{Attribute, object::NestingMode};
use rmpv::Value;
use serde_json::Value as Json;

use crate::values::is_unknown;

/// A type of HCL.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// `string`
    String,
    /// `number`
    Number,
    /// `bool`
    Bool,
    /// `any`: each value carries its type.
    Dynamic,
    /// `list(…)`
    List(Box<Type>),
    /// `set(…)`
    Set(Box<Type>),
    /// `map(…)`
    Map(Box<Type>),
    /// `tuple([…])`
    Tuple(Vec<Type>),
    /// `object({…})`
    Object(BTreeMap<String, Type>),
}

impl Type {
    /// Returns the type of an attribute.
    pub fn of(attribute: &Attribute) -> Self {
        let Some(nested) = &attribute.nested_type else {
            return Self::parse(&serde_json::from_slice(&attribute.r#type).expect("a type in JSON"));
        };
        let object = Self::of_all(&nested.attributes);
        match nested.nesting() {
            NestingMode::List => Self::List(Box::new(object)),
            NestingMode::Set => Self::Set(Box::new(object)),
            NestingMode::Map => Self::Map(Box::new(object)),
            NestingMode::Single | NestingMode::Invalid => object,
        }
    }

    /// Returns the object type of these attributes.
    pub fn of_all(attributes: &[Attribute]) -> Self {
        Self::Object(attributes.iter().map(|of| (of.name.clone(), Self::of(of))).collect())
    }

    /// Reads a type as the protocol writes it: `"string"`, `["list", "string"]`.
    pub fn parse(json: &Json) -> Self {
        let inner = || Box::new(Self::parse(&json[1]));
        match (json.as_str(), json[0].as_str()) {
            (Some("string"), _) => Self::String,
            (Some("number"), _) => Self::Number,
            (Some("bool"), _) => Self::Bool,
            (Some("dynamic"), _) => Self::Dynamic,
            (_, Some("list")) => Self::List(inner()),
            (_, Some("set")) => Self::Set(inner()),
            (_, Some("map")) => Self::Map(inner()),
            (_, Some("tuple")) => Self::Tuple(json[1].as_array().into_iter().flatten().map(Self::parse).collect()),
            (_, Some("object")) => {
                Self::Object(json[1].as_object().into_iter().flatten().map(|(name, ty)| (name.clone(), Self::parse(ty))).collect())
            }
            _ => panic!("not a type: {json}"),
        }
    }

    /// Reads the type that goes with a dynamic value.
    pub fn described(ty: &Value) -> Self {
        let bytes = match ty {
            Value::Binary(bytes) => bytes.as_slice(),
            other => other.as_str().expect("a type").as_bytes(),
        };
        Self::parse(&serde_json::from_slice(bytes).expect("a type in JSON"))
    }

    /// Returns whether the core takes two values for equal, where an unknown value equals another one.
    pub fn equals(&self, one: &Value, other: &Value) -> bool {
        if is_unknown(one) || is_unknown(other) {
            return is_unknown(one) && is_unknown(other);
        }
        match (self, one, other) {
            (Self::Number, one, other) if !one.is_nil() && !other.is_nil() => number(one) == number(other),
            (Self::Dynamic, Value::Array(one), Value::Array(other)) => match (&one[..], &other[..]) {
                ([ty, one], [other_ty, other]) => {
                    let (ty, other_ty) = (Self::described(ty), Self::described(other_ty));
                    ty == other_ty && ty.equals(one, other)
                }
                _ => panic!("a dynamic value without its type"),
            },
            (Self::Set(inner), Value::Array(_), Value::Array(_)) => {
                let (one, mut other) = (inner.distinct(one), inner.distinct(other));
                one.len() == other.len()
                    && one.iter().all(|element| {
                        let place = other.iter().position(|candidate| inner.equals(element, candidate));
                        place.map(|place| other.swap_remove(place)).is_some()
                    })
            }
            (Self::List(_) | Self::Tuple(_), Value::Array(one), Value::Array(other)) => {
                one.len() == other.len() && one.iter().zip(other).enumerate().all(|(index, (one, other))| self.at(index).equals(one, other))
            }
            (Self::Map(_) | Self::Object(_), Value::Map(one), Value::Map(other_entries)) => {
                one.len() == other_entries.len()
                    && one.iter().all(|(key, one)| {
                        entry(other, key).is_some_and(|other| self.under(key.as_str().unwrap_or_default()).equals(one, other))
                    })
            }
            (_, one, other) => one == other,
        }
    }

    /// Returns the elements of a set as the core holds them: equal ones once, but each that is not wholly known.
    pub fn distinct<'a>(&self, set: &'a Value) -> Vec<&'a Value> {
        let mut distinct: Vec<&Value> = Vec::new();
        for element in set.as_array().into_iter().flatten() {
            if has_unknown(element) || !distinct.iter().any(|known| !has_unknown(known) && self.equals(known, element)) {
                distinct.push(element);
            }
        }
        distinct
    }

    /// Returns the type of a list's or tuple's element.
    pub fn at(&self, index: usize) -> &Self {
        match self {
            Self::List(inner) | Self::Set(inner) => inner,
            Self::Tuple(types) => types.get(index).unwrap_or(&Self::Dynamic),
            other => panic!("{other:?} has no elements"),
        }
    }

    /// Returns the type of a map's entry or an object's attribute.
    pub fn under(&self, key: &str) -> &Self {
        match self {
            Self::Map(inner) => inner,
            Self::Object(attributes) => attributes.get(key).unwrap_or_else(|| panic!("no attribute {key}")),
            other => panic!("{other:?} has no entries"),
        }
    }

    /// Fails the test if the core couldn't decode this value by its type.
    pub fn check(&self, path: &str, value: &Value) {
        let fits = match (self, value) {
            (_, Value::Nil | Value::Ext(..)) => true,
            (Self::String, Value::String(text)) => text.is_str(),
            (Self::Number, number) => number.is_number() || number.as_str().is_some_and(|text| text.parse::<f64>().is_ok()),
            (Self::Bool, value) => value.is_bool(),
            (Self::Dynamic, Value::Array(pair)) => pair.len() == 2,
            (Self::List(_) | Self::Set(_) | Self::Tuple(_), Value::Array(elements)) => {
                elements.iter().enumerate().for_each(|(index, element)| self.at(index).check(&format!("{path}[{index}]"), element));
                !matches!(self, Self::Tuple(types) if types.len() != elements.len())
            }
            (Self::Map(_) | Self::Object(_), Value::Map(entries)) => {
                for (key, entry) in entries {
                    let key = key.as_str().unwrap_or_else(|| panic!("{path} has a key that is not a string"));
                    self.under(key).check(&format!("{path}.{key}"), entry);
                }
                !matches!(self, Self::Object(attributes) if attributes.len() != entries.len())
            }
            _ => false,
        };
        assert!(fits, "{path} is {value}, which is not a {self:?}");
    }
}

/// Returns the entry of a map or the attribute of an object.
pub fn entry<'a>(map: &'a Value, key: &Value) -> Option<&'a Value> {
    map.as_map()?.iter().find(|(name, _)| name == key).map(|(_, entry)| entry)
}

/// Returns whether anything in the value is unknown.
pub fn has_unknown(value: &Value) -> bool {
    match value {
        Value::Array(elements) => elements.iter().any(has_unknown),
        Value::Map(entries) => entries.iter().any(|(_, entry)| has_unknown(entry)),
        other => is_unknown(other),
    }
}

/// Returns a number's sign, digits and exponent of ten, without zeros at either end: equal numbers have equal ones, however they are written.
fn number(value: &Value) -> (bool, String, i64) {
    let text = match value {
        Value::Integer(number) => number.to_string(),
        // All digits that the binary fraction has.
        Value::F32(number) => format!("{number:.1074}"),
        Value::F64(number) => format!("{number:.1074}"),
        other => other.as_str().expect("a number").to_ascii_lowercase(),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{}{fraction}", whole.trim_start_matches(['-', '+']));
    let exponent = exponent.parse::<i64>().expect("an exponent") - i64::try_from(fraction.len()).expect("a length");
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return (false, String::new(), 0);
    }
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    (mantissa.starts_with('-'), significant.to_owned(), exponent + i64::try_from(zeros).expect("a length"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::{object, unknown};

    fn array(values: &[Value]) -> Value {
        Value::Array(values.to_vec())
    }

    #[test]
    fn a_set_has_no_order_and_no_duplicates_but_keeps_what_is_unknown() {
        let set = Type::Set(Box::new(Type::String));
        assert!(set.equals(&array(&["a".into(), "b".into()]), &array(&["b".into(), "a".into(), "a".into()])));
        assert!(!set.equals(&array(&[unknown(), unknown()]), &array(&[unknown()])), "two unknown elements are two");
        assert!(set.equals(&array(&[unknown(), "a".into(), unknown()]), &array(&["a".into(), unknown(), unknown()])));
        assert!(!Type::List(Box::new(Type::String)).equals(&array(&["a".into(), "b".into()]), &array(&["b".into(), "a".into()])));
    }

    #[test]
    fn numbers_are_equal_by_value() {
        for (one, other) in [
            (Value::from(10), Value::from(10.0)),
            (Value::from("1e2"), Value::from(100)),
            (Value::from(-0.5), Value::from("-0.50")),
            (Value::from(0), Value::from("-0.0")),
        ] {
            assert!(Type::Number.equals(&one, &other), "{one} {other}");
        }
        // As the core holds them: one is a binary fraction, the other is not.
        assert!(!Type::Number.equals(&Value::from(0.1), &Value::from("0.1")));
        assert!(!Type::Number.equals(&Value::from(u64::MAX), &Value::from(u64::MAX - 1)));
    }

    #[test]
    #[should_panic(expected = ".size is \"x\", which is not a Number")]
    fn a_value_of_another_type_is_noticed() {
        Type::parse(&serde_json::json!(["object", {"size": "number"}])).check("", &object(&[("size", "x".into())]));
    }
}
