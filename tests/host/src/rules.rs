//! What the CLIs' core does with a provider's plans and states, and what it holds a provider to.

use framework::protocol::wire::schema::{Attribute, object::NestingMode};
use rmpv::Value;

use super::values::{get, is_unknown, object};

/// The attributes of nested objects, and how these are held.
fn nested(attribute: &Attribute) -> Option<(NestingMode, &[Attribute])> {
    attribute.nested_type.as_ref().map(|nested| (nested.nesting(), nested.attributes.as_slice()))
}

/// The nested objects in a value, each with the one at its place in another value; null where there is none.
fn pairs<'a>(nesting: NestingMode, value: &'a Value, other: &'a Value) -> Vec<(&'a Value, &'a Value)> {
    match (nesting, value) {
        (NestingMode::List, Value::Array(elements)) => {
            let others = other.as_array().map_or(&[][..], Vec::as_slice);
            elements.iter().enumerate().map(|(index, element)| (element, others.get(index).unwrap_or(&Value::Nil))).collect()
        }
        (NestingMode::Map, Value::Map(entries)) => entries.iter().map(|(key, entry)| (entry, entry_of(other, key))).collect(),
        (NestingMode::Single, single @ Value::Map(_)) => vec![(single, other)],
        _ => Vec::new(),
    }
}

fn entry_of<'a>(map: &'a Value, key: &Value) -> &'a Value {
    map.as_map().and_then(|entries| entries.iter().find(|(name, _)| name == key)).map_or(&Value::Nil, |(_, entry)| entry)
}

fn attribute<'a>(object: &'a Value, name: &str) -> &'a Value {
    if object.is_map() { get(object, name) } else { &Value::Nil }
}

/// A configuration: null for all that isn't set, also in nested objects.
pub fn config(attributes: &[Attribute], set: &[(&str, Value)]) -> Value {
    let given = object(set);
    complete(attributes, &given)
}

fn complete(attributes: &[Attribute], given: &Value) -> Value {
    let value = |of: &Attribute| {
        let given = entry_of(given, &of.name.as_str().into());
        match nested(of) {
            Some((NestingMode::Single, inner)) if given.is_map() => complete(inner, given),
            Some((NestingMode::List, inner)) if given.is_array() => {
                Value::Array(given.as_array().into_iter().flatten().map(|element| complete(inner, element)).collect())
            }
            Some((NestingMode::Map, inner)) if given.is_map() => {
                Value::Map(given.as_map().into_iter().flatten().map(|(key, entry)| (key.clone(), complete(inner, entry))).collect())
            }
            _ => given.clone(),
        }
    };
    object(&attributes.iter().map(|of| (of.name.as_str(), value(of))).collect::<Vec<_>>())
}

/// The state that is proposed to the provider: the configuration, and the prior state's values of what isn't configured but computed.
pub fn proposed(attributes: &[Attribute], prior: &Value, config: &Value) -> Value {
    if !config.is_map() {
        return config.clone();
    }
    let value = |of: &Attribute| {
        let (before, configured) = (attribute(prior, &of.name), get(config, &of.name));
        match nested(of) {
            _ if configured.is_nil() => {
                if of.computed {
                    before.clone()
                } else {
                    Value::Nil
                }
            }
            Some((nesting, inner)) => {
                let mut objects = pairs(nesting, configured, before).into_iter().map(|(config, before)| proposed(inner, before, config));
                match configured {
                    Value::Array(_) => Value::Array(objects.collect()),
                    Value::Map(entries) if nesting == NestingMode::Map => {
                        Value::Map(entries.iter().map(|(key, _)| key.clone()).zip(objects).collect())
                    }
                    single => objects.next().unwrap_or_else(|| single.clone()),
                }
            }
            None => configured.clone(),
        }
    };
    object(&attributes.iter().map(|of| (of.name.as_str(), value(of))).collect::<Vec<_>>())
}

/// What breaks the rules of a plan: the configuration is kept, or the prior value of the same meaning; what is neither configured nor
/// computed stays null; a write-only value is never planned.
pub fn plan_faults(attributes: &[Attribute], prior: &Value, config: &Value, planned: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for of in attributes {
        let (before, configured, planned) = (attribute(prior, &of.name), attribute(config, &of.name), attribute(planned, &of.name));
        let mut fault = |what: &str| faults.push(format!("{} {what}: {planned}", of.name));
        if of.write_only {
            if !planned.is_nil() {
                fault("is write-only, and planned");
            }
        } else if configured.is_nil() {
            if !of.computed && !planned.is_nil() {
                fault("is neither configured nor computed, and planned");
            }
        } else if planned == before && !before.is_nil() {
            // The prior value is kept where the new one means the same.
        } else if let Some((nesting, inner)) = nested(of).filter(|_| !is_unknown(configured)) {
            let (objects, planned_objects) = (pairs(nesting, configured, planned), pairs(nesting, planned, before));
            if objects.len() != planned_objects.len() {
                fault("has other objects than are configured");
            }
            for ((configured, planned), (_, before)) in objects.into_iter().zip(planned_objects) {
                let inner = plan_faults(inner, before, configured, planned);
                faults.extend(inner.into_iter().map(|fault| format!("{}.{fault}", of.name)));
            }
        } else if planned != configured {
            fault("is not as configured");
        }
    }
    faults
}

/// What breaks the rules of an apply: what was planned as known is so, and nothing is left unknown.
pub fn apply_faults(path: &str, planned: &Value, state: &Value) -> Vec<String> {
    match (planned, state) {
        (_, unknown) if is_unknown(unknown) => vec![format!("{path} is still unknown")],
        (planned, _) if is_unknown(planned) => Vec::new(),
        (Value::Map(attributes), Value::Map(_)) => {
            attributes.iter().flat_map(|(name, planned)| apply_faults(&format!("{path}.{name}"), planned, entry_of(state, name))).collect()
        }
        (Value::Array(planned), Value::Array(state)) if planned.len() == state.len() => {
            planned.iter().zip(state).flat_map(|(planned, state)| apply_faults(&format!("{path}[]"), planned, state)).collect()
        }
        (planned, state) if planned == state => Vec::new(),
        (planned, state) => vec![format!("{path} was planned as {planned} and became {state}")],
    }
}
