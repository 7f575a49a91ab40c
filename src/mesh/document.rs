//! A manifest that a user has written for another tool: read key by key, so that the keys that nothing has read can be named.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use super::helm::values;

/// What the API server adds to an object, and an export of it by `kubectl get -o yaml` shows.
const OF_THE_SERVER: &[&[&str]] = &[
    &["status"],
    &["metadata", "creationTimestamp"],
    &["metadata", "generation"],
    &["metadata", "managedFields"],
    &["metadata", "resourceVersion"],
    &["metadata", "selfLink"],
    &["metadata", "uid"],
    &["metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"],
];

/// A manifest, or a map within it, without the keys that were read.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    original: Json,
    unread: Json,
}

impl Document {
    /// Reads a manifest of a kind.
    ///
    /// # Errors
    /// A sentence about a string that isn't YAML, or is the manifest of another kind, or several.
    pub fn parse(text: &str, group: &str, kind: &str) -> Result<Self, String> {
        let read = values::parse_documents(text).map_err(|malformed| format!("It is not valid YAML: {malformed}"))?;
        let manifest = match read.as_slice() {
            [one] => one,
            [] => return Err(format!("It is empty. It must be a manifest of kind {kind}.")),
            several => return Err(format!("It has {} documents. It must be one manifest of kind {kind}.", several.len())),
        };
        let is_of_group = manifest["apiVersion"].as_str().is_some_and(|version| version.split('/').next() == Some(group));
        if manifest["kind"] != kind || !is_of_group {
            let part = |key: &str| manifest[key].as_str().unwrap_or("null").to_owned();
            return Err(format!(
                "It must be a manifest of kind {kind} (apiVersion {group}/…), got kind {} with apiVersion {}.",
                part("kind"),
                part("apiVersion")
            ));
        }
        let mut document = Self::of(manifest.clone());
        for path in [&["apiVersion"][..], &["kind"]].iter().chain(OF_THE_SERVER) {
            document.take(path);
        }
        Ok(document)
    }

    fn of(original: Json) -> Self {
        Self { unread: original.clone(), original }
    }

    /// Reads the value at a path; `None` if it is missing or null.
    pub fn take(&mut self, path: &[&str]) -> Option<Json> {
        let (last, parents) = path.split_last()?;
        let parent = parents.iter().try_fold(&mut self.unread, |value, part| value.get_mut(*part))?;
        parent.as_object_mut()?.remove(*last).filter(|value| !value.is_null())
    }

    /// Returns the value of a key, which stays unread.
    pub fn peek(&self, key: &str) -> Option<&Json> {
        self.unread.get(key)
    }

    /// Reads a string.
    ///
    /// # Errors
    /// A sentence about a value of another type.
    pub fn text(&mut self, path: &[&str]) -> Result<Option<String>, String> {
        self.read(path, "a string", |value| value.as_str().map(str::to_owned))
    }

    /// Reads a list of strings; empty if it is missing.
    ///
    /// # Errors
    /// A sentence about a value of another type.
    pub fn strings(&mut self, path: &[&str]) -> Result<Vec<String>, String> {
        let strings =
            |value: &Json| value.as_array()?.iter().map(|element| element.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
        Ok(self.read(path, "a list of strings", strings)?.unwrap_or_default())
    }

    /// Reads a value of one type.
    ///
    /// # Errors
    /// A sentence about a value of another type.
    pub fn read<T>(&mut self, path: &[&str], what: &str, read: impl FnOnce(&Json) -> Option<T>) -> Result<Option<T>, String> {
        self.take(path)
            .map(|value| read(&value).ok_or_else(|| format!("Its key {} must be {what}, got {value}.", path.join("."))))
            .transpose()
    }

    /// Reads the value at a path only if it is as wanted: what is written there anyway.
    pub fn take_if(&mut self, path: &[&str], wanted: impl FnOnce(&Json) -> bool) {
        let found = path.iter().try_fold(&self.unread, |value, part| value.get(*part));
        if found.is_some_and(wanted) {
            self.take(path);
        }
    }

    /// Reads the map at a path, as far as `read` returns something for an entry.
    pub fn entries<T>(&mut self, path: &[&str], mut read: impl FnMut(&str, &Json) -> Option<T>) -> Vec<T> {
        let Some(map) = path.iter().try_fold(&mut self.unread, |value, part| value.get_mut(*part)).and_then(Json::as_object_mut) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        map.retain(|key, value| match read(key, value) {
            Some(entry) => {
                found.push(entry);
                false
            }
            None => true,
        });
        found
    }

    /// Reads the elements of the list at a path, each a document of its own.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn elements<T>(&mut self, path: &[&str], mut read: impl FnMut(&mut Self) -> Result<T, String>) -> Result<Vec<T>, String> {
        let list = path.iter().try_fold(&mut self.unread, |value, part| value.get_mut(*part)).and_then(Json::as_array_mut);
        let mut found = Vec::new();
        for element in list.into_iter().flatten() {
            let mut document = Self::of(element.take());
            found.push(read(&mut document)?);
            *element = document.unread;
        }
        Ok(found)
    }

    /// Forgets that anything is left: the rest has no meaning for the reader.
    pub fn discard(&mut self) {
        self.unread = Json::Null;
    }

    /// Returns the keys that nothing has read, such as `spec.endpoints[0].weight`; the outermost one where all below it is unread.
    pub fn unread(&self) -> Vec<String> {
        let mut keys = Vec::new();
        collect(&self.original, &self.unread, "", &mut keys);
        keys
    }
}

/// Adds the keys of `unread` to `keys`. `original` is the same value before anything was read.
fn collect(original: &Json, unread: &Json, path: &str, keys: &mut Vec<String>) {
    let is_empty = match unread {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(elements) => elements.is_empty(),
        Json::Object(entries) => entries.is_empty(),
        _ => false,
    };
    if is_empty {
        return;
    }
    match unread {
        // Metadata and spec themselves are in every manifest.
        Json::Object(entries) if original != unread || !path.contains('.') => {
            let separator = if path.is_empty() { "" } else { "." };
            for (key, value) in entries {
                let name = values::key(std::slice::from_ref(key));
                collect(&original[key.as_str()], value, &format!("{path}{separator}{name}"), keys);
            }
        }
        Json::Array(elements) if original != unread => {
            for (index, element) in elements.iter().enumerate() {
                let mut place = path.to_owned();
                let _ = write!(place, "[{index}]");
                collect(&original[index], element, &place, keys);
            }
        }
        _ => keys.push(path.to_owned()),
    }
}

/// Sets the value at a path of nested maps.
pub fn insert(into: &mut Map<String, Json>, path: &[&str], value: Json) {
    match path {
        [] => {}
        [last] => {
            into.insert((*last).to_owned(), value);
        }
        [first, rest @ ..] => {
            let inner = into.entry((*first).to_owned()).or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MANIFEST: &str = "---\napiVersion: a.io/v1\nkind: Thing\nmetadata:\n  name: x\n  uid: y\nspec:\n  a: {b: 1, c: {d: 2, e.f: 3}}\n  \
                            list: [{n: 1, m: 2}, {n: 3}]\n  all: {p: 1, q: 2}\n";

    #[test]
    fn keys_that_nothing_has_read_are_named() {
        let mut document = Document::parse(MANIFEST, "a.io", "Thing").unwrap();
        assert_eq!(document.unread(), ["metadata.name", "spec.a", "spec.all", "spec.list"]);
        assert_eq!(document.text(&["metadata", "name"]), Ok(Some("x".to_owned())));
        assert_eq!(document.take(&["spec", "a", "c", "d"]), Some(json!(2)));
        assert_eq!(document.take(&["spec", "no", "d"]), None);
        let numbers = document.elements(&["spec", "list"], |element| Ok(element.take(&["n"])));
        assert_eq!(numbers, Ok(vec![Some(json!(1)), Some(json!(3))]));
        document.take_if(&["spec", "a", "b"], |value| value == 2);
        assert_eq!(document.unread(), ["spec.a.b", "spec.a.c.\"e.f\"", "spec.all", "spec.list[0].m"]);
        assert_eq!(document.entries(&["spec", "all"], |key, value| (key == "p").then(|| value.clone())), [json!(1)]);
        assert_eq!(document.unread()[2], "spec.all.q");
        document.discard();
        assert!(document.unread().is_empty());
    }

    #[test]
    fn another_manifest_is_refused_with_what_it_is() {
        let refused = |text: &str| Document::parse(text, "a.io", "Thing").unwrap_err();
        assert!(refused("").contains("empty"));
        assert!(refused("a: [").contains("not valid YAML"));
        assert!(refused("apiVersion: v1\nkind: Service\n").contains("got kind Service with apiVersion v1"));
        assert!(refused("- a").contains("got kind null"));
        assert!(refused(&format!("{MANIFEST}{MANIFEST}")).contains("2 documents"));
        let mut document = Document::parse(MANIFEST, "a.io", "Thing").unwrap();
        assert!(document.strings(&["spec", "list"]).unwrap_err().contains("spec.list must be a list of strings, got [{"));
        assert!(document.text(&["spec", "a", "b"]).unwrap_err().contains("spec.a.b must be a string, got 1"));
    }

    #[test]
    fn a_list_of_strings_is_empty_if_it_is_missing() {
        let mut document = Document::parse("apiVersion: a.io/v1\nkind: Thing\nspec: {hosts: [a, b]}\n", "a.io", "Thing").unwrap();
        assert_eq!(document.strings(&["spec", "hosts"]), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(document.strings(&["spec", "hosts"]), Ok(Vec::new()), "it was read");
    }

    #[test]
    fn values_are_set_in_nested_maps() {
        let mut map = Map::new();
        insert(&mut map, &["a", "b"], json!(1));
        insert(&mut map, &["a", "c"], json!(2));
        assert_eq!(Json::Object(map), json!({"a": {"b": 1, "c": 2}}));
    }
}
