//! Write-only values: they go from the configuration to an apply, past plan and state.

use super::{
    dynamic::{Datum, Dynamic, attribute, set_attribute},
    schema::{Attribute, Nesting, Type},
    vocabulary::Value,
};

/// Takes the write-only values out of a plan or state.
pub(super) fn remove(object: &mut Dynamic, attributes: &[Attribute]) {
    put(object, &Value::Null, attributes);
}

/// Puts the write-only values of the configuration to where the plan had to leave null.
pub(super) fn put(object: &mut Dynamic, config: &Dynamic, attributes: &[Attribute]) {
    for of in attributes {
        let configured = attribute(config, of.name);
        if of.rules.write_only {
            set_attribute(object, of.name, configured.clone());
        } else if let (Type::Nested(nesting, inner), Value::Value(Datum::Map(outer))) = (&of.ty, &mut *object)
            && let Some(nested) = outer.get_mut(of.name)
        {
            match (nesting, nested) {
                (Nesting::Single, object) => put(object, configured, inner),
                (Nesting::List, Value::Value(Datum::List(elements))) => {
                    let configured = if let Value::Value(Datum::List(configured)) = configured { configured.as_slice() } else { &[] };
                    for (index, element) in elements.iter_mut().enumerate() {
                        put(element, configured.get(index).unwrap_or(&Value::Null), inner);
                    }
                }
                (Nesting::Map, Value::Value(Datum::Map(entries))) => {
                    for (key, entry) in entries {
                        put(entry, attribute(configured, key), inner);
                    }
                }
                _ => {}
            }
        }
    }
}
