//! The rules that the CLIs' core holds a provider's plans and states to, and the state that it proposes.

use framework::protocol::wire::{
    AttributePath,
    attribute_path::step::Selector,
    schema::{Attribute, object::NestingMode},
};
use rmpv::Value;

use crate::{
    types::{Type, entry, has_unknown},
    values::{is_unknown, object},
};

const NULL: &Value = &Value::Nil;

/// Returns the attributes of nested objects, and how these are held.
fn nested(attribute: &Attribute) -> Option<(NestingMode, &[Attribute])> {
    attribute.nested_type.as_ref().map(|nested| (nested.nesting(), nested.attributes.as_slice()))
}

/// Returns an attribute of an object; null if there is no object.
fn attribute<'a>(object: &'a Value, name: &str) -> &'a Value {
    entry(object, &name.into()).unwrap_or(NULL)
}

/// Applies `change` to each nested object of a value, with the object at its place in another value; null where there is none. The elements
/// of a set have no place.
fn each_nested(nesting: NestingMode, value: &Value, other: &Value, mut change: impl FnMut(&Value, &Value) -> Value) -> Value {
    match (nesting, value) {
        (NestingMode::List, Value::Array(elements)) => {
            let others = other.as_array().map_or(&[][..], Vec::as_slice);
            Value::Array(elements.iter().enumerate().map(|(index, element)| change(element, others.get(index).unwrap_or(NULL))).collect())
        }
        (NestingMode::Set, Value::Array(elements)) => Value::Array(elements.iter().map(|element| change(element, NULL)).collect()),
        (NestingMode::Map, Value::Map(entries)) => {
            Value::Map(entries.iter().map(|(key, value)| (key.clone(), change(value, entry(other, key).unwrap_or(NULL)))).collect())
        }
        (NestingMode::Single, single @ Value::Map(_)) => change(single, other),
        (_, other) => other.clone(),
    }
}

/// Returns a configuration: null for all that isn't set, also in nested objects. What is set is passed on even if it is null and required,
/// or read-only: the core leaves these to the provider.
pub fn config(attributes: &[Attribute], set: &[(&str, Value)]) -> Value {
    complete(attributes, &object(set))
}

fn complete(attributes: &[Attribute], given: &Value) -> Value {
    for (name, _) in given.as_map().into_iter().flatten() {
        assert!(attributes.iter().any(|of| name.as_str() == Some(&of.name)), "An argument named {name} is not expected here.");
    }
    let value = |of: &Attribute| {
        let given = attribute(given, &of.name);
        match nested(of) {
            Some((nesting, inner)) => {
                each_nested(nesting, given, NULL, |given, _| if given.is_map() { complete(inner, given) } else { given.clone() })
            }
            None => given.clone(),
        }
    };
    object(&attributes.iter().map(|of| (of.name.as_str(), value(of))).collect::<Vec<_>>())
}

/// Returns the state that the core proposes to the provider: the configuration, and the prior state's values of what is computed and not
/// configured.
pub fn proposed(attributes: &[Attribute], prior: &Value, config: &Value) -> Value {
    if !config.is_map() {
        return config.clone();
    }
    let value = |of: &Attribute| {
        let (before, configured) = (attribute(prior, &of.name), attribute(config, &of.name));
        match nested(of) {
            _ if configured.is_nil() && of.computed => before.clone(),
            Some((NestingMode::Set, inner)) => {
                let mut candidates: Vec<&Value> = before.as_array().into_iter().flatten().collect();
                each_nested(NestingMode::Set, configured, NULL, |configured, _| {
                    let place = candidates.iter().position(|before| may_be_prior(inner, before, configured));
                    let before = place.map_or(NULL, |place| candidates.remove(place));
                    proposed(inner, before, configured)
                })
            }
            Some((nesting, inner)) => each_nested(nesting, configured, before, |configured, before| proposed(inner, before, configured)),
            None => configured.clone(),
        }
    };
    object(&attributes.iter().map(|of| (of.name.as_str(), value(of))).collect::<Vec<_>>())
}

/// Returns whether a set's element of the prior state can have come of this configured one: all that is configured is as it was.
fn may_be_prior(attributes: &[Attribute], prior: &Value, config: &Value) -> bool {
    attributes.iter().all(|of| {
        let (before, configured) = (attribute(prior, &of.name), attribute(config, &of.name));
        (configured.is_nil() && of.computed) || nested(of).is_some() || Type::of(of).equals(before, configured)
    })
}

/// Returns what breaks the rules of a plan: the configuration is kept, or the prior value of the same meaning; what is neither configured
/// nor computed stays null; a write-only value is never planned.
pub fn plan_faults(attributes: &[Attribute], prior: &Value, config: &Value, planned: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if config.is_nil() != planned.is_nil() {
        return vec![format!("is planned as {planned} where the configuration is {config}")];
    }
    if is_unknown(planned) && !is_unknown(config) {
        return vec!["is planned as unknown, and configured".to_owned()];
    }
    for of in attributes {
        let (before, configured, planned) = (attribute(prior, &of.name), attribute(config, &of.name), attribute(planned, &of.name));
        let inner = attribute_faults(of, before, configured, planned);
        faults.extend(inner.into_iter().map(|fault| format!("{} {fault}", of.name)));
    }
    faults
}

fn attribute_faults(of: &Attribute, before: &Value, configured: &Value, planned: &Value) -> Vec<String> {
    let ty = Type::of(of);
    if of.write_only {
        return if planned.is_nil() { Vec::new() } else { vec![format!("is write-only, and planned: {planned}")] };
    }
    let is_kept = || !before.is_nil() && !configured.is_nil() && ty.equals(planned, before);
    let is_open = of.computed && (configured.is_nil() || !of.optional);
    if ty.equals(planned, configured) || is_kept() || is_open {
        return Vec::new();
    }
    if configured.is_nil() {
        return vec![format!("is neither configured nor computed, and planned: {planned}")];
    }
    let Some((nesting, inner)) = nested(of) else {
        return vec![format!("is planned as {planned}, and configured as {configured}")];
    };
    match (nesting, configured, planned) {
        (_, _, planned) if planned.is_nil() || is_unknown(planned) => vec![format!("is configured, and planned as {planned}")],
        (NestingMode::Set, Value::Array(_), Value::Array(_)) => {
            // Which planned element is which configured one can't be seen: the core demands as many, and each to be possible.
            let (configured, planned) = (ty.at(0).distinct(configured), ty.at(0).distinct(planned));
            let earlier: Vec<&Value> = before.as_array().into_iter().flatten().chain([NULL]).collect();
            let is_possible = |planned: &&Value| {
                configured.iter().any(|configured| earlier.iter().any(|before| plan_faults(inner, before, configured, planned).is_empty()))
            };
            if configured.len() == planned.len() && planned.iter().all(is_possible) {
                return Vec::new();
            }
            vec![format!("has other elements than are configured: {planned:?}")]
        }
        (NestingMode::List, Value::Array(configured), Value::Array(planned)) if configured.len() == planned.len() => {
            let before = before.as_array().map_or(&[][..], Vec::as_slice);
            let element = |index: usize| plan_faults(inner, before.get(index).unwrap_or(NULL), &configured[index], &planned[index]);
            (0..planned.len()).flat_map(|index| element(index).into_iter().map(move |fault| format!("[{index}] {fault}"))).collect()
        }
        (NestingMode::Map, Value::Map(entries), Value::Map(planned_entries)) if entries.len() == planned_entries.len() => {
            let of_key = |key| {
                let (before, planned) = (entry(before, key).unwrap_or(NULL), entry(planned, key).unwrap_or(NULL));
                plan_faults(inner, before, entry(configured, key).unwrap_or(NULL), planned)
            };
            entries.iter().flat_map(|(key, _)| of_key(key).into_iter().map(move |fault| format!("[{key}] {fault}"))).collect()
        }
        (NestingMode::Single, ..) => plan_faults(inner, before, configured, planned),
        _ => vec![format!("has other objects than are configured: {planned}")],
    }
}

/// Returns what breaks the rules of an apply: what was planned as known is so, and nothing is left unknown. The final plan of an apply is
/// held to the same rules, but for what is still unknown in it (`is_final` is false then).
pub fn apply_faults(attributes: &[Attribute], planned: &Value, state: &Value, is_final: bool) -> Vec<String> {
    let mut faults = compatible(&Type::of_all(attributes), "", planned, state);
    if is_final && has_unknown(state) {
        faults.push(format!("something is still unknown: {state}"));
    }
    faults
}

fn compatible(ty: &Type, path: &str, planned: &Value, state: &Value) -> Vec<String> {
    match (ty, planned, state) {
        (_, planned, _) if is_unknown(planned) => Vec::new(),
        (_, _, state) if is_unknown(state) => vec![format!("{path} was known, and is unknown")],
        (Type::Object(_) | Type::Map(_), Value::Map(entries), Value::Map(state_entries)) => {
            let vanished =
                entries.iter().filter(|(key, _)| entry(state, key).is_none()).map(|(key, _)| format!("{path}.{key} has vanished"));
            let appeared =
                state_entries.iter().filter(|(key, _)| entry(planned, key).is_none()).map(|(key, _)| format!("{path}.{key} has appeared"));
            let mut faults: Vec<_> = vanished.chain(appeared).collect();
            for (key, planned) in entries {
                let name = key.as_str().unwrap_or_default();
                if let Some(state) = entry(state, key) {
                    faults.extend(compatible(ty.under(name), &format!("{path}.{name}"), planned, state));
                }
            }
            faults
        }
        (Type::List(_) | Type::Tuple(_), Value::Array(planned), Value::Array(state)) if planned.len() == state.len() => {
            let element = |index: usize| compatible(ty.at(index), &format!("{path}[{index}]"), &planned[index], &state[index]);
            (0..planned.len()).flat_map(element).collect()
        }
        (Type::Set(inner), Value::Array(_), Value::Array(_)) => {
            let (planned, state) = (inner.distinct(planned), inner.distinct(state));
            let fits = |planned: &Value, state: &Value| compatible(inner, path, planned, state).is_empty();
            let is_lost = planned.iter().any(|planned| !state.iter().any(|state| fits(planned, state)));
            let is_new = state.iter().any(|state| !planned.iter().any(|planned| fits(planned, state)));
            if is_lost || is_new || state.len() > planned.len() {
                return vec![format!("{path} was planned as {planned:?} and became {state:?}")];
            }
            Vec::new()
        }
        // Anything goes where the plan didn't know the type.
        (Type::Dynamic, ..) => {
            if ty.equals(planned, state) {
                Vec::new()
            } else {
                vec![format!("{path} was {planned} and became {state}")]
            }
        }
        (ty, planned, state) if ty.equals(planned, state) => Vec::new(),
        (_, planned, state) => vec![format!("{path} was planned as {planned} and became {state}")],
    }
}

/// Returns what breaks the rule of a stored state: a write-only attribute is null.
pub fn state_faults(attributes: &[Attribute], state: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for of in attributes {
        let value = attribute(state, &of.name);
        if of.write_only && !value.is_nil() && !is_unknown(value) {
            faults.push(format!("{} is write-only, and stored", of.name));
        }
        if let Some((nesting, inner)) = nested(of) {
            each_nested(nesting, value, NULL, |nested, _| {
                faults.extend(state_faults(inner, nested).into_iter().map(|fault| format!("{}.{fault}", of.name)));
                Value::Nil
            });
        }
    }
    faults
}

/// Returns the paths whose change really makes a replacement: those whose values differ. Fails the test at a path that leads nowhere.
pub fn required_replaces(attributes: &[Attribute], prior: &Value, planned: &Value, paths: &[AttributePath]) -> Vec<String> {
    let ty = Type::of_all(attributes);
    let differs = |path: &&AttributePath| {
        if prior.is_nil() {
            return false;
        }
        let (before, after) = (walk(&ty, prior, path), walk(&ty, planned, path));
        match (before, after) {
            (None, None) => panic!("requires_replace names {path:?}, which doesn't exist"),
            (Some((ty, before)), Some((_, after))) => has_unknown(after) || !ty.equals(before, after),
            (Some((_, value)), None) | (None, Some((_, value))) => !value.is_nil(),
        }
    };
    paths.iter().filter(differs).map(path_text).collect()
}

fn walk<'a>(ty: &'a Type, value: &'a Value, path: &AttributePath) -> Option<(&'a Type, &'a Value)> {
    path.steps.iter().try_fold((ty, value), |(ty, value), step| match step.selector.as_ref()? {
        Selector::AttributeName(key) | Selector::ElementKeyString(key) => Some((ty.under(key), entry(value, &key.as_str().into())?)),
        Selector::ElementKeyInt(index) => {
            let index = usize::try_from(*index).ok()?;
            Some((ty.at(index), value.as_array()?.get(index)?))
        }
    })
}

/// Returns a path as HCL writes it: `parts[0].number`.
pub fn path_text(path: &AttributePath) -> String {
    let step = |selector: &Selector| match selector {
        Selector::AttributeName(name) => format!(".{name}"),
        Selector::ElementKeyString(key) => format!("[{key:?}]"),
        Selector::ElementKeyInt(index) => format!("[{index}]"),
    };
    path.steps.iter().filter_map(|of| of.selector.as_ref()).map(step).collect::<String>().trim_start_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use framework::protocol::wire::{attribute_path::Step, schema::Object};

    use super::*;
    use crate::values::unknown;

    fn plain(name: &str, ty: &str) -> Attribute {
        Attribute { name: name.into(), r#type: ty.into(), optional: true, ..Attribute::default() }
    }

    /// `name`, `size` (computed if not set), `serial` (computed), `key_wo`, and a set of parts with `number` and `place` (computed).
    fn attributes() -> Vec<Attribute> {
        let part = vec![plain("number", r#""number""#), Attribute { optional: false, computed: true, ..plain("place", r#""string""#) }];
        let parts = Object { attributes: part, nesting: NestingMode::Set.into() };
        vec![
            plain("name", r#""string""#),
            Attribute { computed: true, ..plain("size", r#""number""#) },
            Attribute { optional: false, computed: true, ..plain("serial", r#""string""#) },
            Attribute { write_only: true, ..plain("key_wo", r#""string""#) },
            plain("names", r#"["set","string"]"#),
            Attribute { r#type: Vec::new(), nested_type: Some(parts), ..plain("parts", "") },
        ]
    }

    fn part(number: i64, place: Value) -> Value {
        object(&[("number", number.into()), ("place", place)])
    }

    fn faults(prior: &[(&str, Value)], config: &[(&str, Value)], planned: &[(&str, Value)]) -> usize {
        let of = |set| super::config(&attributes(), set);
        let prior = if prior.is_empty() { Value::Nil } else { of(prior) };
        plan_faults(&attributes(), &prior, &of(config), &of(planned)).len()
    }

    #[test]
    fn a_plan_keeps_the_configuration() {
        let name = |name: &str| ("name", Value::from(name));
        assert_eq!(faults(&[], &[name("a")], &[name("a"), ("size", 1.into()), ("serial", unknown())]), 0);
        assert_eq!(faults(&[], &[name("a")], &[name("b")]), 1, "a configured value is changed");
        assert_eq!(faults(&[name(" a")], &[name("a")], &[name(" a")]), 0, "the prior value of the same meaning is kept");
        assert_eq!(faults(&[], &[], &[name("a")]), 1, "what is neither configured nor computed is planned");
        assert_eq!(faults(&[], &[("key_wo", "k".into())], &[]), 0);
        assert_eq!(faults(&[], &[("key_wo", "k".into())], &[("key_wo", "k".into())]), 1, "a write-only value is planned");
        assert_eq!(faults(&[], &[("serial", "mine".into())], &[("serial", unknown())]), 0, "a read-only value may be replaced");
    }

    #[test]
    fn a_set_keeps_each_unknown_element() {
        let names = |names: &[Value]| ("names", Value::Array(names.to_vec()));
        assert_eq!(faults(&[], &[names(&[unknown(), unknown()])], &[names(&[unknown(), unknown()])]), 0);
        assert_eq!(faults(&[], &[names(&[unknown(), unknown()])], &[names(&[unknown()])]), 1);
        assert_eq!(faults(&[], &[names(&["a".into(), "b".into()])], &[names(&["b".into(), "a".into()])]), 0);
    }

    #[test]
    fn nested_elements_of_a_set_have_no_place() {
        let parts = |parts: &[Value]| ("parts", Value::Array(parts.to_vec()));
        let config = [parts(&[part(1, Value::Nil), part(2, Value::Nil)])];
        assert_eq!(faults(&[], &config, &[parts(&[part(2, unknown()), part(1, unknown())])]), 0);
        assert_eq!(faults(&[], &config, &[parts(&[part(2, unknown())])]), 1);
        assert_eq!(faults(&[], &config, &[parts(&[part(2, unknown()), part(3, unknown())])]), 1);
        let of = |set: &[(&str, Value)]| super::config(&attributes(), set);
        let prior = of(&[parts(&[part(1, "here".into()), part(3, "there".into())])]);
        let proposed = proposed(&attributes(), &prior, &of(&config));
        assert_eq!(entry(&proposed, &"parts".into()), Some(&Value::Array(vec![part(1, "here".into()), part(2, Value::Nil)])));
    }

    #[test]
    fn an_apply_keeps_the_plan() {
        let of = |set: &[(&str, Value)]| super::config(&attributes(), set);
        let planned = of(&[("size", 1.into()), ("serial", unknown()), ("parts", Value::Array(vec![part(1, unknown())]))]);
        let state =
            |size: i64, place: Value| of(&[("size", size.into()), ("serial", "S".into()), ("parts", Value::Array(vec![part(1, place)]))]);
        let faults = |state: &Value| apply_faults(&attributes(), &planned, state, true).len();
        assert_eq!(faults(&state(1, "here".into())), 0);
        assert_eq!(faults(&state(2, "here".into())), 1, "a planned value is changed");
        assert_eq!(faults(&state(1, unknown())), 1, "something is still unknown");
        assert_eq!(faults(&Value::Nil), 1, "the object has vanished");
        assert_eq!(state_faults(&attributes(), &of(&[("key_wo", "k".into())])).len(), 1);
    }

    #[test]
    fn only_a_change_replaces() {
        let path = |name: &str| AttributePath { steps: vec![Step { selector: Some(Selector::AttributeName(name.into())) }] };
        let of = |name: &str| super::config(&attributes(), &[("name", name.into())]);
        let replaces = |planned: &str| required_replaces(&attributes(), &of("a"), &of(planned), &[path("name"), path("size")]);
        assert_eq!((replaces("b"), replaces("a")), (vec!["name".to_owned()], vec![]));
    }
}
