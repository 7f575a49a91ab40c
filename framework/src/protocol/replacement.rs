//! Which changes need a new object in place of the old one.

use super::places::{Place, elements};
use crate::terraform::{Attribute, AttributePath, Datum, Dynamic, Nesting, Type, Value, attribute, same_elements};

/// Collects the paths whose change replaces the resource.
pub(super) fn replacements(
    attributes: &[Attribute],
    prior: &Dynamic,
    planned: &Dynamic,
    path: &AttributePath,
    replace: &mut Vec<AttributePath>,
) {
    for of in attributes {
        let (before, after) = (attribute(prior, of.name), attribute(planned, of.name));
        if before == after || is_new_default(of, prior, before, after) {
            continue;
        }
        let path = path.clone().attribute(of.name);
        if of.rules.replaces {
            replace.push(path);
            continue;
        }
        let Type::Nested(nesting, inner) = &of.ty else { continue };
        match nesting {
            // Which objects there will be isn't known: as for any other attribute, what isn't known counts as changed.
            Nesting::List | Nesting::Set | Nesting::Map if after.is_unknown() => {
                if inner.iter().any(replaces) {
                    replace.push(path);
                }
            }
            Nesting::Set => {
                let naming = |value: &Dynamic| elements(value).iter().map(|object| naming(inner, object)).collect::<Vec<_>>();
                if inner.iter().any(replaces) && !same_elements(&naming(before), &naming(after)) {
                    replace.push(path);
                }
            }
            _ => {
                for place in Place::all(*nesting, before, after) {
                    replacements(inner, place.of(before), place.of(after), &place.after(path.clone()), replace);
                }
            }
        }
    }
}

/// Whether the attribute only gets a default that objects made by an older version of the provider don't have in their state.
fn is_new_default(of: &Attribute, prior: &Dynamic, before: &Dynamic, after: &Dynamic) -> bool {
    prior.is_value() && before.is_null() && of.rules.default.as_ref() == Some(after)
}

/// Whether a change of the attribute, or of one nested in it, replaces the resource.
fn replaces(of: &Attribute) -> bool {
    of.rules.replaces || matches!(&of.ty, Type::Nested(_, inner) if inner.iter().any(replaces))
}

/// The part of an object whose change replaces the resource.
fn naming(attributes: &[Attribute], object: &Dynamic) -> Dynamic {
    let Value::Value(_) = object else { return object.clone() };
    let parts = attributes.iter().filter(|of| replaces(of)).map(|of| (of.name.to_owned(), attribute(object, of.name).clone()));
    Value::Value(Datum::Map(parts.collect()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        model,
        terraform::{Model, Set, encode, optional, required},
    };

    model! {
        /// A port.
        pub struct Port {
            /// Number.
            number: i64 => required().replaces(),
            /// Note.
            note: String => optional(),
        }
    }

    model! {
        /// A thing.
        pub struct Thing {
            /// Zone.
            zone: String => optional().default("here").replaces(),
            /// Ports in a list.
            list: Vec<Value<Port>> => optional(),
            /// Ports in a set.
            set: Set<Port> => optional(),
            /// Ports in a map.
            map: BTreeMap<String, Value<Port>> => optional(),
        }
    }

    fn port(number: i64, note: &str) -> Value<Port> {
        Value::Value(Port { number: Value::Value(number), note: Value::Value(note.to_owned()) })
    }

    fn thing() -> Thing {
        Thing {
            zone: Value::Value("here".to_owned()),
            list: Value::Value(vec![port(1, "a")]),
            set: Value::Value(Set::from([port(1, "a"), port(2, "b")])),
            map: Value::Value([("k".to_owned(), port(1, "a"))].into()),
        }
    }

    fn replaced(prior: Thing, planned: Thing) -> Vec<String> {
        let mut replace = Vec::new();
        let (prior, planned) = (encode(&Value::Value(prior)), encode(&Value::Value(planned)));
        replacements(&Thing::attributes(), &prior, &planned, &AttributePath::root(), &mut replace);
        replace.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_default_that_a_new_version_brings_replaces_nothing() {
        let zone = |zone| Thing { zone, ..thing() };
        let (here, there) = (Value::Value("here".to_owned()), Value::Value("there".to_owned()));
        assert!(replaced(zone(Value::Null), zone(here.clone())).is_empty());
        assert_eq!(replaced(zone(Value::Null), zone(there.clone())), ["zone"]);
        assert_eq!(replaced(zone(here), zone(there.clone())), ["zone"]);
        assert_eq!(replaced(zone(there), zone(Value::Unknown)), ["zone"]);
    }

    #[test]
    fn a_nested_change_replaces_by_what_changes() {
        assert!(replaced(thing(), thing()).is_empty());
        assert_eq!(replaced(thing(), Thing { list: Value::Value(vec![port(2, "a")]), ..thing() }), ["list[0].number"]);
        assert!(replaced(thing(), Thing { list: Value::Value(vec![port(1, "b")]), ..thing() }).is_empty());
        assert_eq!(replaced(thing(), Thing { map: Value::Value(BTreeMap::new()), ..thing() }), ["map[\"k\"].number"]);
        assert_eq!(replaced(thing(), Thing { set: Value::Value(Set::from([port(1, "a"), port(3, "b")])), ..thing() }), ["set"]);
        assert!(replaced(thing(), Thing { set: Value::Value(Set::from([port(2, "c"), port(1, "a")])), ..thing() }).is_empty());
    }

    #[test]
    fn a_collection_that_is_not_known_yet_may_replace() {
        // The apply knows it, and must not find more to replace than the plan did.
        let empty = || Thing { zone: thing().zone, ..Thing::default() };
        assert_eq!(replaced(empty(), Thing { list: Value::Unknown, ..empty() }), ["list"]);
        assert_eq!(replaced(empty(), Thing { set: Value::Unknown, ..empty() }), ["set"]);
        assert_eq!(replaced(thing(), Thing { map: Value::Unknown, ..thing() }), ["map"]);
    }
}
