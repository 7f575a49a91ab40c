//! Values that several resources read and write alike.

use framework::Value;

/// Texts as a computed list.
pub(crate) fn texts(texts: &[String]) -> Value<Vec<Value<String>>> {
    Value::Value(texts.iter().cloned().map(Value::Value).collect())
}

/// Reads a version of Istio's charts; ranges are refused, as what they give changes without a plan.
pub(crate) fn parse_version(text: &str) -> Result<String, String> {
    semver::Version::parse(text)
        .map(|_| text.to_owned())
        .map_err(|_| format!("`{text}` is not a version of a chart. Write one in full, such as `1.31.0`."))
}
