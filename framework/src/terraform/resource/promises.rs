//! Known values of a plan are promises: they are in the state after the apply, and the user learns where the apply found others.

use super::super::{
    dynamic::{Datum, Dynamic, attribute, without_unknowns},
    report::Error,
    schema::Attribute,
    vocabulary::{AttributeConstraint, AttributePath, Value},
};

/// `planned`, with the values that it leaves unknown taken from `reached`: a promise is kept by construction.
pub(super) fn keep(planned: &Dynamic, reached: Dynamic) -> Dynamic {
    match (planned, reached) {
        (Value::Unknown, reached) => reached,
        (Value::Value(Datum::Map(planned)), Value::Value(Datum::Map(mut reached))) => Value::Value(Datum::Map(
            planned.iter().map(|(name, promised)| (name.clone(), keep(promised, reached.remove(name).unwrap_or(Value::Null)))).collect(),
        )),
        (Value::Value(Datum::List(planned)), Value::Value(Datum::List(reached))) if planned.len() == reached.len() => {
            Value::Value(Datum::List(planned.iter().zip(reached).map(|(promised, value)| keep(promised, value)).collect()))
        }
        (promised, _) => without_unknowns(promised.clone()),
    }
}

/// A warning for each computed attribute that was planned with one value and found with another.
pub(super) fn broken(attributes: &[Attribute], planned: &Dynamic, reached: &Dynamic) -> Vec<Error> {
    let computed = attributes.iter().filter(|of| of.rules.constraint == AttributeConstraint::Computed);
    let differs = computed.filter(|of| differ(attribute(planned, of.name), attribute(reached, of.name)));
    let warning = |of: &Attribute| {
        let shown = |value: &Dynamic| if of.rules.sensitive { "(sensitive value)".to_owned() } else { show(value) };
        let (planned, found) = (shown(attribute(planned, of.name)), shown(attribute(reached, of.name)));
        tracing::warn!(attribute = of.name, planned, found, "the apply found another value than planned");
        Error::new(
            "Value differs from the plan",
            format!(
                "`{}` was planned as {planned}, and the apply found {found}. The state holds the planned value, as what depends on it was \
                 applied with that. The next plan reads the value that was found: apply once more to pass it on.",
                of.name
            ),
        )
        .at(AttributePath::new(of.name))
    };
    differs.map(warning).collect()
}

/// Whether a known part of `planned` is another value in `reached`.
fn differ(planned: &Dynamic, reached: &Dynamic) -> bool {
    match (planned, reached) {
        (Value::Unknown, _) => false,
        (Value::Value(Datum::Map(planned)), Value::Value(Datum::Map(reached))) => {
            planned.iter().any(|(name, planned)| differ(planned, reached.get(name).unwrap_or(&Value::Null)))
        }
        (Value::Value(Datum::List(planned)), Value::Value(Datum::List(reached))) if planned.len() == reached.len() => {
            planned.iter().zip(reached).any(|(planned, reached)| differ(planned, reached))
        }
        (planned, reached) => planned != reached,
    }
}

/// A value as HCL writes it.
fn show(value: &Dynamic) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Unknown => "(known after apply)".to_owned(),
        Value::Value(Datum::String(text)) => format!("{text:?}"),
        Value::Value(Datum::Number(number)) => number.to_string(),
        Value::Value(Datum::Bool(truth)) => truth.to_string(),
        Value::Value(Datum::List(elements)) => format!("[{}]", elements.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Value(Datum::Map(entries)) => {
            let entries: Vec<_> = entries.iter().map(|(key, value)| format!("{key} = {}", show(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Value(Datum::Typed(_, value)) => show(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model,
        terraform::{Model as _, computed, encode},
    };

    model! {
        /// A thing.
        pub struct Thing {
            /// Its addresses.
            addresses: Vec<Value<String>> => computed(),
            /// Its key.
            key: String => computed().sensitive(),
        }
    }

    fn thing(address: &str, key: Value<String>) -> Dynamic {
        encode(&Value::Value(Thing { addresses: Value::Value(vec![Value::Value(address.to_owned())]), key }))
    }

    #[test]
    fn a_fact_that_differs_from_the_plan_is_a_warning_that_shows_no_secret() {
        let secret = |text: &str| Value::Value(text.to_owned());
        let (planned, reached) = (thing("10.0.0.1", secret("old-key")), thing("10.0.0.2", secret("new-key")));
        assert_eq!(keep(&planned, reached.clone()), planned);
        let warnings = broken(&Thing::attributes(), &planned, &reached);
        assert!(warnings[0].detail.contains("planned as [\"10.0.0.1\"]") && warnings[0].detail.contains("found [\"10.0.0.2\"]"));
        assert_eq!(warnings[1].path, AttributePath::new("key"));
        assert!(!warnings[1].detail.contains("old-key") && !warnings[1].detail.contains("new-key"), "{}", warnings[1].detail);
        // What the plan left unknown is no promise.
        assert_eq!(broken(&Thing::attributes(), &thing("10.0.0.2", Value::Unknown), &reached).len(), 0);
    }
}
