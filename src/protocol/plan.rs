//! The rules by which the attributes of a schema make a plan, in the order in which they depend on each other.

use crate::terraform::{
    Attribute, AttributeConstraint, AttributePath, Datum, Dynamic, Forecast, Nesting, Type, Value, attribute, set_attribute,
};

/// A plan so far.
pub(super) struct Draft {
    pub(super) planned: Dynamic,
    pub(super) replace: Vec<AttributePath>,
}

/// Plans a create (`prior` is null) or an update. `proposed` is the CLI's merge of prior state and configuration.
pub(super) fn draft(attributes: &[Attribute], prior: &Dynamic, config: &Dynamic, proposed: Dynamic) -> Draft {
    let mut planned = proposed;
    settle(attributes, prior, config, &mut planned);
    let mut replace = Vec::new();
    if !prior.is_null() {
        replacements(attributes, prior, &planned, &AttributePath::root(), &mut replace);
    }
    let is_new = prior.is_null() || !replace.is_empty();
    if is_new || planned != *prior {
        for computed in attributes.iter().filter(|attribute| attribute.rules.constraint == AttributeConstraint::Computed) {
            match computed.rules.forecast {
                Forecast::Kept if !is_new => set_attribute(&mut planned, computed.name, attribute(prior, computed.name).clone()),
                Forecast::Settled(_) => {}
                Forecast::Kept | Forecast::Unknown => set_attribute(&mut planned, computed.name, Value::Unknown),
            }
        }
    }
    Draft { planned, replace }
}

/// Defaults, equivalent values, write-only and settled ones: what doesn't depend on whether anything changes.
fn settle(attributes: &[Attribute], prior: &Dynamic, config: &Dynamic, planned: &mut Dynamic) {
    for of in attributes {
        let configured = attribute(config, of.name);
        if of.rules.write_only {
            set_attribute(planned, of.name, Value::Null);
        } else if let Forecast::Settled(value) = &of.rules.forecast {
            set_attribute(planned, of.name, value.clone());
        } else if let (Value::Null, Some(default)) = (configured, &of.rules.default) {
            set_attribute(planned, of.name, default.clone());
        } else if let Some(equivalent) = of.rules.equivalence
            && !prior.is_null()
            && !configured.is_null()
            && !attribute(prior, of.name).is_null()
            && equivalent(attribute(prior, of.name), configured)
        {
            set_attribute(planned, of.name, attribute(prior, of.name).clone());
        } else if let Type::Nested(nesting, inner) = &of.ty {
            settle_nested(*nesting, inner, attribute(prior, of.name), configured, planned, of.name);
        }
    }
}

fn settle_nested(nesting: Nesting, inner: &[Attribute], prior: &Dynamic, config: &Dynamic, object: &mut Dynamic, name: &str) {
    let Value::Value(Datum::Map(attributes)) = object else { return };
    match (nesting, attributes.get_mut(name), config) {
        (Nesting::Single, Some(planned), config) if planned.is_value() => settle(inner, prior, config, planned),
        (Nesting::List, Some(Value::Value(Datum::List(planned))), Value::Value(Datum::List(config))) => {
            for (planned, config) in planned.iter_mut().zip(config) {
                // An element has no prior self: lists are reordered freely.
                settle(inner, &Value::Null, config, planned);
            }
        }
        (Nesting::Map, Some(Value::Value(Datum::Map(planned))), Value::Value(Datum::Map(config))) => {
            for (key, planned) in planned.iter_mut() {
                settle(inner, attribute(prior, key), config.get(key).unwrap_or(&Value::Null), planned);
            }
        }
        _ => {}
    }
}

/// The paths whose change replaces the resource.
fn replacements(attributes: &[Attribute], prior: &Dynamic, planned: &Dynamic, path: &AttributePath, replace: &mut Vec<AttributePath>) {
    for of in attributes {
        let (before, after) = (attribute(prior, of.name), attribute(planned, of.name));
        if before == after {
            continue;
        }
        let path = path.clone().attribute(of.name);
        if of.rules.replaces {
            replace.push(path);
        } else if let Type::Nested(Nesting::Single, inner) = &of.ty {
            replacements(inner, before, after, &path, replace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model,
        terraform::{Datum, Model as _, computed, encode, optional, required},
    };

    model! {
        /// A thing.
        pub struct Thing {
            /// Name.
            name: String => required().replaces(),
            /// Size.
            size: i64 => optional().default(1),
            /// Text.
            text: String => optional().equivalent_by(|a, b| matches!((a, b), (Value::Value(Datum::String(a)), Value::Value(Datum::String(b))) if a.trim() == b.trim())),
            /// Key.
            key_wo: String => optional().write_only(),
            /// Address.
            address: String => computed().kept(),
            /// Version.
            version: String => computed(),
            /// Drift.
            drift: Vec<Value<String>> => computed().settled(Datum::List(vec![])),
        }
    }

    fn known(text: &str) -> Value<String> {
        Value::Value(text.to_owned())
    }

    fn config() -> Thing {
        Thing { name: known("a"), text: known("x"), key_wo: known("secret"), ..Thing::default() }
    }

    fn state() -> Thing {
        Thing {
            size: Value::Value(1),
            key_wo: Value::Null,
            address: known("10.0.0.1"),
            version: known("1"),
            drift: Value::Value(vec![]),
            ..config()
        }
    }

    fn plan(prior: Option<Thing>, config: Thing) -> (Thing, Vec<String>) {
        let config = encode(&Value::Value(config));
        let prior = prior.map_or(Value::Null, |prior| encode(&Value::Value(prior)));
        // As the core does: computed values of the prior state, all else from the configuration.
        let mut proposed = config.clone();
        for computed in ["address", "version", "drift"] {
            set_attribute(&mut proposed, computed, attribute(&prior, computed).clone());
        }
        let draft = draft(&Thing::attributes(), &prior, &config, proposed);
        let Ok(Value::Value(thing)) = crate::terraform::decode(&draft.planned, &AttributePath::root()) else { panic!("no plan") };
        (thing, draft.replace.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_create_knows_defaults_and_what_is_settled() {
        let (planned, replace) = plan(None, config());
        assert_eq!(planned, Thing { address: Value::Unknown, version: Value::Unknown, ..state() });
        assert!(replace.is_empty());
    }

    #[test]
    fn nothing_changes_when_only_the_layout_does() {
        let (planned, _) = plan(Some(state()), Thing { text: known(" x "), ..config() });
        assert_eq!(planned, state());
    }

    #[test]
    fn an_update_keeps_what_is_kept() {
        let (planned, replace) = plan(Some(state()), Thing { size: Value::Value(2), ..config() });
        assert_eq!(planned, Thing { size: Value::Value(2), version: Value::Unknown, ..state() });
        assert!(replace.is_empty());
    }

    #[test]
    fn drift_alone_is_an_update() {
        let drifted = Thing { drift: Value::Value(vec![known("moved")]), ..state() };
        assert_eq!(plan(Some(drifted), config()).0, Thing { version: Value::Unknown, ..state() });
    }

    #[test]
    fn a_replacement_knows_nothing_of_the_old_one() {
        let (planned, replace) = plan(Some(state()), Thing { name: known("b"), ..config() });
        assert_eq!(planned, Thing { name: known("b"), address: Value::Unknown, version: Value::Unknown, ..state() });
        assert_eq!(replace.len(), 1);
    }
}
