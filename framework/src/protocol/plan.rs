//! The rules by which the attributes of a schema make a plan, in the order in which they depend on each other.

use std::collections::BTreeSet;

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
    // A replacement is a new object: of the old one it keeps nothing.
    if !replace.is_empty() {
        forecast(attributes, &Value::Null, &mut planned);
    } else if planned != *prior {
        forecast(attributes, prior, &mut planned);
    }
    Draft { planned, replace }
}

/// Defaults, equivalent values, write-only and settled ones: what doesn't depend on whether anything changes.
fn settle(attributes: &[Attribute], prior: &Dynamic, config: &Dynamic, planned: &mut Dynamic) {
    for of in attributes {
        let (before, configured) = (attribute(prior, of.name), attribute(config, of.name));
        if of.rules.write_only {
            set_attribute(planned, of.name, Value::Null);
        } else if let Forecast::Settled(value) = &of.rules.forecast {
            set_attribute(planned, of.name, value.clone());
        } else if let (Value::Null, Some(default)) = (configured, &of.rules.default) {
            set_attribute(planned, of.name, default.clone());
        } else if configured.is_null() {
            // Left out, or for the provider to compute.
        } else if of.rules.equivalence.is_some_and(|equivalent| before.is_value() && equivalent(before, configured)) {
            set_attribute(planned, of.name, before.clone());
        } else if let Some((inner, objects)) = objects(of, planned) {
            for (place, object) in objects {
                settle(inner, place.before(before), place.of(configured), object);
            }
        }
    }
}

/// Opens what an update must leave open, although no input changes; all that is computed, if that is nothing.
pub(super) fn reopen(attributes: &[Attribute], prior: &Dynamic, planned: &mut Dynamic) {
    forecast(attributes, prior, planned);
    if planned == prior {
        let computed = attributes.iter().filter(|of| of.rules.constraint == AttributeConstraint::Computed);
        for of in computed.filter(|of| !matches!(of.rules.forecast, Forecast::Settled(_))) {
            set_attribute(planned, of.name, Value::Unknown);
        }
    }
}

/// What a change leaves open of the computed attributes.
pub(super) fn forecast(attributes: &[Attribute], prior: &Dynamic, planned: &mut Dynamic) {
    for of in attributes {
        let before = attribute(prior, of.name);
        if of.rules.constraint == AttributeConstraint::Computed {
            match of.rules.forecast {
                Forecast::Kept(unless)
                    if prior.is_value() && !unless.iter().any(|name| attribute(prior, name) != attribute(planned, name)) =>
                {
                    set_attribute(planned, of.name, before.clone());
                }
                Forecast::Settled(_) => {}
                Forecast::Kept(_) | Forecast::Unknown => set_attribute(planned, of.name, Value::Unknown),
            }
        } else if let Some((inner, objects)) = objects(of, planned) {
            for (place, object) in objects {
                forecast(inner, place.before(before), object);
            }
        }
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
        } else if let Type::Nested(nesting, inner) = &of.ty {
            for place in Place::all(*nesting, before, after) {
                replacements(inner, place.of(before), place.of(after), &place.after(path.clone()), replace);
            }
        }
    }
}

/// Where a nested object is within its attribute.
enum Place {
    Itself,
    Index(usize),
    Key(String),
}

impl Place {
    /// The places at which there is an object on either side.
    fn all(nesting: Nesting, before: &Dynamic, after: &Dynamic) -> Vec<Self> {
        let length = |value: &Dynamic| if let Value::Value(Datum::List(elements)) = value { elements.len() } else { 0 };
        let keys = |value: &Dynamic| {
            if let Value::Value(Datum::Map(entries)) = value { entries.keys().cloned().collect() } else { BTreeSet::new() }
        };
        match nesting {
            Nesting::Single => vec![Self::Itself],
            Nesting::List => (0..length(before).max(length(after))).map(Self::Index).collect(),
            Nesting::Map => keys(before).union(&keys(after)).cloned().map(Self::Key).collect(),
        }
    }

    /// The object at this place; null where there is none.
    fn of<'a>(&self, value: &'a Dynamic) -> &'a Dynamic {
        match (self, value) {
            (Self::Itself, object) => object,
            (Self::Index(index), Value::Value(Datum::List(elements))) => elements.get(*index).unwrap_or(&Value::Null),
            (Self::Key(key), Value::Value(Datum::Map(entries))) => entries.get(key).unwrap_or(&Value::Null),
            _ => &Value::Null,
        }
    }

    /// The prior self of the object at this place. An element of a list has none: lists are reordered freely.
    fn before<'a>(&self, prior: &'a Dynamic) -> &'a Dynamic {
        if matches!(self, Self::Index(_)) { &Value::Null } else { self.of(prior) }
    }

    fn after(&self, path: AttributePath) -> AttributePath {
        match self {
            Self::Itself => path,
            Self::Index(index) => path.index(i64::try_from(*index).unwrap_or(i64::MAX)),
            Self::Key(key) => path.key(key.clone()),
        }
    }
}

type Objects<'a> = Vec<(Place, &'a mut Dynamic)>;

/// The nested objects of an attribute, each with its place, and their attributes; none for an attribute of a plain type.
fn objects<'a>(of: &'a Attribute, object: &'a mut Dynamic) -> Option<(&'a [Attribute], Objects<'a>)> {
    let (Type::Nested(nesting, inner), Value::Value(Datum::Map(attributes))) = (&of.ty, object) else { return None };
    let objects = match (nesting, attributes.get_mut(of.name)?) {
        (Nesting::Single, single) => vec![(Place::Itself, single)],
        (Nesting::List, Value::Value(Datum::List(elements))) => {
            elements.iter_mut().enumerate().map(|(index, element)| (Place::Index(index), element)).collect()
        }
        (Nesting::Map, Value::Value(Datum::Map(entries))) => {
            entries.iter_mut().map(|(key, entry)| (Place::Key(key.clone()), entry)).collect()
        }
        _ => Vec::new(),
    };
    Some((inner, objects))
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
            /// Fingerprint.
            fingerprint: String => computed().kept_unless(&["size", "drift"]),
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
            fingerprint: known("f"),
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
        for computed in ["address", "fingerprint", "version", "drift"] {
            set_attribute(&mut proposed, computed, attribute(&prior, computed).clone());
        }
        let draft = draft(&Thing::attributes(), &prior, &config, proposed);
        let Ok(Value::Value(thing)) = crate::terraform::decode(&draft.planned, &AttributePath::root()) else { panic!("no plan") };
        (thing, draft.replace.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_create_knows_defaults_and_what_is_settled() {
        let (planned, replace) = plan(None, config());
        assert_eq!(planned, Thing { address: Value::Unknown, fingerprint: Value::Unknown, version: Value::Unknown, ..state() });
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
        assert_eq!(planned, Thing { size: Value::Value(2), fingerprint: Value::Unknown, version: Value::Unknown, ..state() });
        assert!(replace.is_empty());
        let (planned, _) = plan(Some(state()), Thing { text: known("y"), ..config() });
        assert_eq!(planned, Thing { text: known("y"), version: Value::Unknown, ..state() });
    }

    #[test]
    fn drift_alone_is_an_update() {
        let drifted = Thing { drift: Value::Value(vec![known("moved")]), ..state() };
        assert_eq!(plan(Some(drifted), config()).0, Thing { fingerprint: Value::Unknown, version: Value::Unknown, ..state() });
    }

    #[test]
    fn a_replacement_knows_nothing_of_the_old_one() {
        let (planned, replace) = plan(Some(state()), Thing { name: known("b"), ..config() });
        assert_eq!(
            planned,
            Thing { name: known("b"), address: Value::Unknown, fingerprint: Value::Unknown, version: Value::Unknown, ..state() }
        );
        assert_eq!(replace.len(), 1);
    }
}
