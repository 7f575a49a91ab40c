//! The configuration that would give a state: what a person would have to write for an object that was imported or listed.

use crate::terraform::{Attribute, AttributeConstraint, Datum, Dynamic, Nesting, Type, Value};

/// The state's attributes, as far as a configuration needs to set them.
pub(super) fn config(attributes: &[Attribute], state: Dynamic) -> Dynamic {
    let Value::Value(Datum::Map(mut values)) = state else { return state };
    for attribute in attributes {
        let Some(value) = values.get_mut(attribute.name) else { continue };
        let rules = &attribute.rules;
        let is_left_out = rules.constraint == AttributeConstraint::Computed
            || rules.write_only
            || rules.deprecation.is_some_and(|_| rules.constraint != AttributeConstraint::Required)
            || rules.default.as_ref() == Some(value);
        *value = match (&attribute.ty, std::mem::take(value)) {
            _ if is_left_out => Value::Null,
            (Type::Nested(Nesting::List | Nesting::Set, inner), Value::Value(Datum::List(elements))) => {
                Value::Value(Datum::List(elements.into_iter().map(|element| config(inner, element)).collect()))
            }
            (Type::Nested(Nesting::Map, inner), Value::Value(Datum::Map(entries))) => {
                Value::Value(Datum::Map(entries.into_iter().map(|(key, entry)| (key, config(inner, entry))).collect()))
            }
            (Type::Nested(Nesting::Single, inner), object) => config(inner, object),
            (_, value) => value,
        };
    }
    Value::Value(Datum::Map(values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model,
        terraform::{Model as _, computed, encode, optional, required},
    };

    model! {
        /// A port.
        pub struct Port {
            /// Number.
            number: i64 => required(),
            /// Protocol.
            protocol: String => optional().default("TCP"),
        }
    }

    model! {
        /// A thing.
        pub struct Thing {
            /// Name.
            name: String => required(),
            /// Ports.
            ports: Vec<Value<Port>> => optional(),
            /// Old.
            old: String => optional().deprecated("Use `name`."),
            /// Address.
            address: String => computed(),
        }
    }

    #[test]
    fn only_what_a_person_would_write_is_left() {
        let text = |text: &str| Value::Value(text.to_owned());
        let port = Port { number: Value::Value(80), protocol: text("TCP") };
        let thing = Thing { name: text("a"), ports: Value::Value(vec![Value::Value(port.clone())]), old: text("b"), address: text("c") };
        let port = Port { protocol: Value::Null, ..port };
        let wanted = Thing { old: Value::Null, address: Value::Null, ports: Value::Value(vec![Value::Value(port)]), ..thing.clone() };
        assert_eq!(config(&Thing::attributes(), encode(&Value::Value(thing))), encode(&Value::Value(wanted)));
    }
}
