//! Write-only values: they go from the configuration to an apply, past plan and state.

use std::collections::BTreeSet;

use super::{
    dynamic::{Datum, Dynamic, attribute, set_attribute},
    schema::{Attribute, Nesting, Type},
    vocabulary::Value,
};

/// Sets the write-only values of a plan or state to null.
pub fn remove(object: &mut Dynamic, attributes: &[Attribute]) {
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
                (Nesting::List | Nesting::Set, Value::Value(Datum::List(elements))) => {
                    let configured = if let Value::Value(Datum::List(configured)) = configured { configured.as_slice() } else { &[] };
                    let mut taken = BTreeSet::new();
                    for (index, element) in elements.iter_mut().enumerate() {
                        put(element, counterpart(element, index, configured, &mut taken), inner);
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

/// The element of the configuration from which an element of the plan was made: the one at the same index if it agrees, else the first
/// that does. Under `ignore_changes` the planned list is that of the state, and indexes mean nothing.
fn counterpart<'a>(planned: &Dynamic, index: usize, configured: &'a [Dynamic], taken: &mut BTreeSet<usize>) -> &'a Dynamic {
    let agrees = |configured: &Dynamic| agree(planned, configured);
    let found = Some(index).filter(|index| configured.get(*index).is_some_and(agrees) && !taken.contains(index));
    let found = found.or_else(|| (0..configured.len()).find(|index| !taken.contains(index) && agrees(&configured[*index])));
    found.map_or(&Value::Null, |index| {
        taken.insert(index);
        &configured[index]
    })
}

/// Whether every value that is set on both sides is the same; write-only ones are null in the plan.
fn agree(planned: &Dynamic, configured: &Dynamic) -> bool {
    match (planned, configured) {
        (Value::Value(Datum::Map(planned)), Value::Value(Datum::Map(configured))) => {
            planned.iter().all(|(name, value)| configured.get(name).is_none_or(|configured| agree(value, configured)))
        }
        (Value::Value(Datum::List(planned)), Value::Value(Datum::List(configured))) => {
            planned.len() == configured.len() && planned.iter().zip(configured).all(|(planned, configured)| agree(planned, configured))
        }
        (Value::Null | Value::Unknown, _) | (_, Value::Null | Value::Unknown) => true,
        (planned, configured) => planned == configured,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model,
        terraform::{Model as _, encode, optional, required},
    };

    model! {
        /// A door.
        pub struct Door {
            /// Its number.
            number: i64 => required(),
            /// What opens it.
            pin_wo: String => optional().write_only(),
        }
    }

    model! {
        /// A house.
        pub struct House {
            /// Its doors.
            doors: Vec<Value<Door>> => optional(),
        }
    }

    fn house(doors: &[(i64, Option<&str>)]) -> Dynamic {
        let door = |(number, pin): &(i64, Option<&str>)| {
            Value::Value(Door { number: Value::Value(*number), pin_wo: pin.map_or(Value::Null, |pin| Value::Value(pin.to_owned())) })
        };
        encode(&Value::Value(House { doors: Value::Value(doors.iter().map(door).collect()) }))
    }

    #[test]
    fn a_secret_goes_to_its_own_element_also_when_the_list_is_ignored() {
        let config = house(&[(1, Some("one")), (2, Some("two")), (3, Some("three"))]);
        // `ignore_changes = [doors]`: the plan holds the state's list.
        let mut planned = house(&[(2, None), (1, None), (4, None)]);
        put(&mut planned, &config, &House::attributes());
        assert_eq!(planned, house(&[(2, Some("two")), (1, Some("one")), (4, None)]));
        remove(&mut planned, &House::attributes());
        assert_eq!(planned, house(&[(2, None), (1, None), (4, None)]));
    }
}
