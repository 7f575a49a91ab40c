//! Helm values: YAML documents, merged as Helm merges them.

use std::fmt;

use serde_json::{Map, Value as Json};

/// The parsed text of one values file. Always a map.
#[derive(Clone, PartialEq)]
pub struct Values {
    tree: Json,
    /// Whether it is stored nowhere but in the cluster.
    is_private: bool,
}

/// Shows nothing of what is private.
impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_private { f.write_str("(private)") } else { self.tree.fmt(f) }
    }
}

/// Why a string is not a valid values file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub message: String,
    /// Line, from 1, if known.
    pub line: Option<u64>,
    /// Column, from 1.
    pub column: Option<u64>,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column {column}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl Values {
    /// Reads a values file. An empty text is an empty map.
    ///
    /// # Errors
    /// A string that is not valid YAML, with its position; YAML that is not a map.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        match parse_yaml(text)? {
            Json::Null => Ok(Self { tree: Json::Object(Map::new()), is_private: false }),
            tree @ Json::Object(_) => Ok(Self { tree, is_private: false }),
            other => Err(Malformed { message: format!("values must be a map of keys, got {}", sort(&other)), line: None, column: None }),
        }
    }

    /// Reads a values file that may hold secrets.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), but a message shows nothing of the string.
    pub fn parse_private(text: &str) -> Result<Self, Malformed> {
        let message = || "must be a map of keys in YAML; it is write-only, so nothing of it is shown here".to_owned();
        let parsed = Self::parse(text).map_err(|malformed| Malformed { message: message(), ..malformed })?;
        Ok(Self { is_private: true, ..parsed })
    }

    /// Returns the places of the private values among several files, as drift names them: `pilot.env.TOKEN`.
    pub fn private_places(files: &[Self]) -> Vec<String> {
        let mut places = Vec::new();
        for file in files.iter().filter(|file| file.is_private) {
            collect_places(&mut Vec::new(), &file.tree, &mut places);
        }
        places
    }

    /// As a tree.
    pub const fn as_json(&self) -> &Json {
        &self.tree
    }

    /// Several files as one tree; later ones win.
    pub fn merged(files: &[Self]) -> Json {
        files.iter().fold(Json::Object(Map::new()), |merged, file| merge(&merged, &file.tree))
    }
}

/// A list is one value, as for Helm.
fn collect_places(path: &mut Vec<String>, tree: &Json, places: &mut Vec<String>) {
    match tree {
        Json::Object(map) if !map.is_empty() => {
            for (key, inner) in map {
                path.push(key.clone());
                collect_places(path, inner, places);
                path.pop();
            }
        }
        _ if path.is_empty() => {}
        _ => places.push(path.join(".")),
    }
}

/// YAML as Helm reads it: `yes`, `on`, `no` and `off` are booleans when unquoted, and `0400` is octal (YAML 1.1).
fn parse_yaml(text: &str) -> Result<Json, Malformed> {
    serde_saphyr::from_str_with_options(text, options()).map_err(Malformed::from)
}

/// Reads each document of a string, in the same way; empty ones are left out.
pub(in crate::mesh) fn parse_documents(text: &str) -> Result<Vec<Json>, Malformed> {
    serde_saphyr::from_multiple_with_options(text, options()).map_err(Malformed::from)
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! { strict_booleans: false, legacy_octal_numbers: true }
}

impl From<serde_saphyr::Error> for Malformed {
    fn from(error: serde_saphyr::Error) -> Self {
        let error = error.without_snippet();
        let place = error.location();
        let (line, column) = (place.map(|place| place.line()), place.map(|place| place.column()));
        Self { message: message(&error.to_string()), line, column }
    }
}

/// Returns the parser's message without the position, which is reported separately.
fn message(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let end = first.rfind(" at line ").unwrap_or(first.len());
    first.get(..end).unwrap_or(first).trim_end_matches([',', ' ']).to_owned()
}

/// One tree over another, as Helm merges values files: maps deeply, all else (lists too) is replaced.
///
/// A null replaces as well and stays: Helm takes it as the wish to delete the chart's default.
#[must_use]
pub fn merge(base: &Json, over: &Json) -> Json {
    match (base, over) {
        (Json::Object(base), Json::Object(over)) => {
            let mut merged = base.clone();
            for (key, value) in over {
                let value = merged.get(key).map_or_else(|| value.clone(), |below| merge(below, value));
                merged.insert(key.clone(), value);
            }
            Json::Object(merged)
        }
        _ => over.clone(),
    }
}

/// Returns what a tree has that another one hasn't, or has differently: merged over the other one it gives the tree.
pub(super) fn added(tree: &Json, to: &Json) -> Json {
    let (Json::Object(tree), Json::Object(to)) = (tree, to) else { return tree.clone() };
    let other = tree.iter().filter(|(key, value)| to.get(*key) != Some(*value));
    Json::Object(other.map(|(key, value)| (key.clone(), to.get(key).map_or_else(|| value.clone(), |to| added(value, to)))).collect())
}

/// Whether two YAML documents mean the same: layout, comments, order of keys and quotes aside. Invalid ones are the same only
/// when they are equal.
pub fn same_yaml(a: &str, b: &str) -> bool {
    a == b || matches!((parse_yaml(a), parse_yaml(b)), (Ok(a), Ok(b)) if a == b)
}

/// Whether lists of values files give the same values.
pub fn same(a: &[&str], b: &[&str]) -> bool {
    let merged =
        |texts: &[&str]| texts.iter().map(|text| Values::parse(text)).collect::<Result<Vec<_>, _>>().map(|files| Values::merged(&files));
    a == b || matches!((merged(a), merged(b)), (Ok(a), Ok(b)) if a == b)
}

/// Renders values as YAML; `None` if they are empty.
pub fn to_yaml(values: &Json) -> Option<String> {
    let has_any = values.as_object().is_some_and(|values| !values.is_empty());
    has_any.then(|| serde_saphyr::to_string(values).unwrap_or_else(|_| values.to_string()))
}

/// What is at a path.
pub(super) fn at<'a>(values: &'a Json, path: &[String]) -> Option<&'a Json> {
    path.iter().try_fold(values, |values, part| values.get(part))
}

/// A path in one text; parts that have dots themselves are quoted.
pub(in crate::mesh) fn key(path: &[String]) -> String {
    let part = |part: &String| if part.contains('.') { format!("{part:?}") } else { part.clone() };
    path.iter().map(part).collect::<Vec<_>>().join(".")
}

/// Whether two values are the same to a chart, which prints them: `true` and `"true"` are.
pub(super) fn same_scalar(a: &Json, b: &Json) -> bool {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    a == b || (!a.is_object() && !a.is_array() && text(a) == text(b))
}

fn sort(value: &Json) -> &'static str {
    match value {
        Json::Null => "nothing",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(text: &str) -> Json {
        Values::parse(text).unwrap().tree
    }

    #[test]
    fn a_file_is_a_map() {
        assert_eq!(parse(""), json!({}));
        assert_eq!(parse("# only a comment\n"), json!({}));
        assert_eq!(parse("a: {b: [1, 2.5, x]}"), json!({"a": {"b": [1, 2.5, "x"]}}));
        assert_eq!(parse("a: yes\nb: 'yes'\nc: off\nd: \"true\""), json!({"a": true, "b": "yes", "c": false, "d": "true"}));
        assert_eq!(parse("x: &x {a: 1}\ny: *x\n80: z"), json!({"x": {"a": 1}, "y": {"a": 1}, "80": "z"}));
        assert_eq!(parse("x: &x {a: 1}\ny:\n  <<: *x\n  b: 2"), json!({"x": {"a": 1}, "y": {"a": 1, "b": 2}}));
        assert_eq!(parse("defaultMode: 0400\nport: 400"), json!({"defaultMode": 256, "port": 400}));
        assert!(Values::parse("- a").unwrap_err().message.contains("got a list"));
    }

    #[test]
    fn malformed_yaml_is_reported_with_its_position() {
        let error = Values::parse("global:\n  a: [1,\n  b: }\n").unwrap_err();
        assert_eq!(error.line, Some(2), "{error}");
        assert!(error.to_string().starts_with("line 2, column "), "{error}");
        assert!(Values::parse("a: 1\na: 2").unwrap_err().to_string().contains("line 2"), "a duplicate key");
    }

    #[test]
    fn merging_is_helms() {
        let merged = merge(&json!({"a": {"b": 1, "c": [1, 2]}, "d": {"e": 1}}), &json!({"a": {"c": [3]}, "d": null, "f": 1}));
        assert_eq!(merged, json!({"a": {"b": 1, "c": [3]}, "d": null, "f": 1}));
        assert_eq!(Values::merged(&[Values::parse("a: 1").unwrap(), Values::parse("a: {b: 2}").unwrap()]), json!({"a": {"b": 2}}));
    }

    #[test]
    fn layout_is_no_difference() {
        assert!(same_yaml("a: 1\nb: {c: x}", "# same\nb:\n  c: \"x\"\na: 1\n"));
        assert!(!same_yaml("a: 1", "a: '1'"));
        assert!(same_yaml("a: [", "a: ["));
        assert!(!same_yaml("a: [", "b: ["));
    }

    #[test]
    fn keys_with_dots_are_quoted() {
        assert_eq!(key(&["service".to_owned(), "a.b/c".to_owned()]), "service.\"a.b/c\"");
    }
}
