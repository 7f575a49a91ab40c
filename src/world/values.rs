//! Attribute values that several resources read and write alike: lists of strings, versions, Helm values.

use framework::{Datum, Dynamic, Value};

use crate::mesh::helm::values;

/// Returns strings as a computed list.
pub(crate) fn strings(strings: &[String]) -> Value<Vec<Value<String>>> {
    Value::Value(strings.iter().cloned().map(Value::Value).collect())
}

/// Parses a version of Istio's charts; ranges are refused, because what they select changes without a plan.
pub(crate) fn parse_version(text: &str) -> Result<String, String> {
    semver::Version::parse(text)
        .map(|_| text.to_owned())
        .map_err(|_| format!("`{text}` is not a valid chart version. Write a full version, such as `1.31.0`."))
}

/// Whether two lists of Helm values, as YAML strings, merge to the same values.
pub(crate) fn same_values(a: &Dynamic, b: &Dynamic) -> bool {
    fn texts(value: &Dynamic) -> Option<Vec<&str>> {
        match value {
            Value::Null => Some(Vec::new()),
            Value::Value(Datum::List(elements)) => elements
                .iter()
                .map(|element| match element {
                    Value::Value(Datum::String(text)) => Some(text.as_str()),
                    _ => None,
                })
                .collect(),
            _ => None,
        }
    }
    match (texts(a), texts(b)) {
        (Some(a), Some(b)) => values::same(&a, &b),
        _ => false,
    }
}
