//! The rules by which the attributes of a schema make a plan, in the order in which they depend on each other.

use super::{
    places::{Place, elements, objects, same_inputs},
    replacement::replacements,
};
use crate::terraform::{
    Attribute, AttributeConstraint, AttributePath, Datum, Dynamic, Forecast, Nesting, Type, Value, attribute, same_elements, set_attribute,
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

/// Defaults, equivalent values, write-only and settled ones: all that doesn't depend on whether anything changes. What is computed stays as
/// it was, whatever a configuration says of it, so that only the inputs decide about that.
fn settle(attributes: &[Attribute], prior: &Dynamic, config: &Dynamic, planned: &mut Dynamic) {
    for of in attributes {
        let (before, configured) = (attribute(prior, of.name), attribute(config, of.name));
        if of.rules.write_only {
            set_attribute(planned, of.name, Value::Null);
        } else if let Forecast::Settled(value) = &of.rules.forecast {
            set_attribute(planned, of.name, value.clone());
        } else if of.rules.constraint == AttributeConstraint::Computed {
            set_attribute(planned, of.name, before.clone());
        } else if let (Value::Null, Some(default)) = (configured, &of.rules.default) {
            let is_same = prior.is_value() && of.rules.equivalence.is_some_and(|equivalent| equivalent(before, default));
            set_attribute(planned, of.name, if is_same { before } else { default }.clone());
        } else if configured.is_null() {
            // Left out.
        } else if of.rules.equivalence.is_some_and(|equivalent| before.is_value() && equivalent(before, configured)) {
            set_attribute(planned, of.name, before.clone());
        } else if let (Type::Nested(Nesting::Set, inner), Value::Value(Datum::List(configured))) = (&of.ty, configured) {
            set_attribute(planned, of.name, settled_set(inner, before, configured));
        } else if let Some((inner, objects)) = objects(of, planned) {
            for (place, object) in objects {
                settle(inner, place.of(before), place.of(configured), object);
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

/// A set's objects as configured, each completed by what is computed of the prior object with the same inputs. The CLI's proposal is of no
/// use here: its order is not the configuration's.
fn settled_set(attributes: &[Attribute], before: &Dynamic, configured: &[Dynamic]) -> Dynamic {
    let settled = |config: &Dynamic| {
        let mut object = config.clone();
        settle(attributes, &Value::Null, config, &mut object);
        if let Some(earlier) = elements(before).iter().find(|earlier| same_inputs(attributes, earlier, &object)) {
            settle(attributes, earlier, config, &mut object);
        }
        object
    };
    let settled: Vec<_> = configured.iter().map(settled).collect();
    if before.is_value() && same_elements(elements(before), &settled) { before.clone() } else { Value::Value(Datum::List(settled)) }
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
                let earlier = match place {
                    Place::Element => elements(before).iter().find(|earlier| same_inputs(inner, earlier, object)),
                    // What is at this position now may have been elsewhere, or be new.
                    Place::Index(_) => Some(place.of(before)).filter(|earlier| same_inputs(inner, earlier, object)),
                    Place::Itself | Place::Key(_) => Some(place.of(before)),
                };
                forecast(inner, earlier.unwrap_or(&Value::Null), object);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model,
        terraform::{Model as _, Set, computed, encode, optional, required},
    };

    model! {
        /// A part.
        pub struct Part {
            /// Number.
            number: i64 => required(),
            /// Kind.
            kind: String => optional().default("plain"),
            /// Serial.
            serial: String => computed().kept(),
            /// Place.
            place: String => computed(),
        }
    }

    model! {
        /// A thing.
        pub struct Thing {
            /// Name.
            name: String => required().replaces(),
            /// Size.
            size: i64 => optional().default(1),
            /// Text.
            text: String => optional().equivalent_by(|a, b| matches!((a, b), (Value::Value(Datum::String(a)), Value::Value(Datum::String(b))) if a.trim() == b.trim())),
            /// Parts.
            parts: Vec<Value<Part>> => optional(),
            /// Bag.
            bag: Set<Part> => optional(),
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

    #[test]
    fn a_computed_value_in_a_configuration_changes_nothing() {
        let meddling = Thing { version: known("2"), drift: Value::Value(vec![known("made up")]), ..config() };
        assert_eq!(plan(Some(state()), meddling).0, state());
    }

    fn part(number: i64) -> Part {
        Part { number: Value::Value(number), ..Part::default() }
    }

    fn made(number: i64) -> Part {
        let kind = known("plain");
        Part { kind, serial: Value::Value(format!("S-{number}")), place: Value::Value(format!("shelf {number}")), ..part(number) }
    }

    fn listed(parts: impl IntoIterator<Item = Part>) -> Value<Vec<Value<Part>>> {
        Value::Value(parts.into_iter().map(Value::Value).collect())
    }

    fn bagged(parts: impl IntoIterator<Item = Part>) -> Value<Set<Part>> {
        Value::Value(parts.into_iter().map(Value::Value).collect())
    }

    #[test]
    fn an_object_in_a_list_keeps_what_is_kept_while_its_inputs_are_the_same() {
        let prior = Thing { parts: listed([made(1), made(2)]), ..state() };
        let same = plan(Some(prior.clone()), Thing { parts: listed([part(1), part(2)]), ..config() }).0;
        assert_eq!(same, prior);
        let changed = plan(Some(prior), Thing { parts: listed([part(1), part(3)]), ..config() }).0;
        let new = |number| Part { serial: Value::Unknown, place: Value::Unknown, ..made(number) };
        assert_eq!(changed.parts, listed([Part { place: Value::Unknown, ..made(1) }, new(3)]));
    }

    #[test]
    fn an_object_in_a_set_is_found_by_its_inputs() {
        let prior = Thing { bag: bagged([made(1), made(2)]), ..state() };
        let same = plan(Some(prior.clone()), Thing { bag: bagged([part(2), part(1)]), ..config() }).0;
        assert_eq!(same, prior);
        let changed = plan(Some(prior), Thing { bag: bagged([part(3), part(2)]), ..config() }).0;
        let new = Part { serial: Value::Unknown, place: Value::Unknown, ..made(3) };
        assert_eq!(changed.bag, bagged([new, Part { place: Value::Unknown, ..made(2) }]));
    }
}
