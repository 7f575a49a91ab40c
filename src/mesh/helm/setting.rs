//! The Helm values that attributes decide. Each is declared once: from its declaration it is rendered, linted against the user's values, and
//! read back by an import.

use serde_json::Value as Json;

use super::values;

/// A Helm value that an attribute decides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    path: &'static [&'static str],
    attribute: &'static str,
    shadows: &'static [&'static [&'static str]],
}

impl Setting {
    /// Declares the value at `path`, decided by `attribute`.
    pub(super) const fn new(path: &'static [&'static str], attribute: &'static str) -> Self {
        Self { path, attribute, shadows: &[] }
    }

    /// Declares the paths at which the chart looks as well, and prefers what it finds there.
    pub(super) const fn shadowed_by(self, shadows: &'static [&'static [&'static str]]) -> Self {
        Self { shadows, ..self }
    }

    /// Sets the value.
    pub(super) fn to(self, value: impl Into<Json>) -> Decision {
        let shadows = self.shadows.iter().map(|path| owned(path)).collect();
        Decision { path: owned(self.path), attribute: self.attribute, value: value.into(), shadows }
    }

    /// Sets one entry of a value that is a map.
    pub(super) fn entry(self, key: &str, value: impl Into<Json>) -> Decision {
        Decision { path: self.path_of(key), ..self.to(value) }
    }

    /// Returns the value, unless it is missing or null.
    pub(super) fn read(self, values: &Json) -> Option<&Json> {
        values::at(values, &owned(self.path)).filter(|found| !found.is_null())
    }

    /// Returns the value if it is a string.
    pub(super) fn read_text(self, values: &Json) -> Option<String> {
        self.read(values).and_then(Json::as_str).map(str::to_owned)
    }

    /// Returns the value if it is a list of strings.
    pub(super) fn read_texts(self, values: &Json) -> Option<Vec<String>> {
        self.read(values)?.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
    }

    /// Returns the attribute that decides the value.
    pub(super) const fn attribute(self) -> &'static str {
        self.attribute
    }

    /// Returns the value's path.
    pub(super) fn path(self) -> Vec<String> {
        owned(self.path)
    }

    /// Returns the path of one entry of a value that is a map.
    pub(super) fn path_of(self, key: &str) -> Vec<String> {
        self.path.iter().chain([&key]).map(|part| (*part).to_owned()).collect()
    }
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|part| (*part).to_owned()).collect()
}

/// What an attribute sets a value to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Decision {
    /// The path in the values.
    pub(super) path: Vec<String>,
    /// The attribute that decides it.
    pub(super) attribute: &'static str,
    /// The value.
    pub(super) value: Json,
    /// The paths that the chart would prefer.
    pub(super) shadows: Vec<Vec<String>>,
}

/// Returns the values with the decisions over them, and without the keys that the chart would prefer to these.
pub(super) fn applied(values: &Json, decisions: &[Decision]) -> Json {
    let shadows: Vec<_> = decisions.iter().flat_map(|decision| decision.shadows.iter().cloned()).collect();
    decisions.iter().fold(without(values, &shadows), |values, decision| {
        let over = decision
            .path
            .iter()
            .rev()
            .fold(decision.value.clone(), |inner, part| Json::Object([(part.clone(), inner)].into_iter().collect()));
        values::merge(&values, &over)
    })
}

/// Returns the values without those at the paths, and without the maps that are empty then.
pub(super) fn without(values: &Json, paths: &[Vec<String>]) -> Json {
    let mut rest = values.clone();
    for path in paths {
        remove(&mut rest, path);
    }
    rest
}

fn remove(values: &mut Json, path: &[String]) {
    let (Some((first, rest)), Some(map)) = (path.split_first(), values.as_object_mut()) else { return };
    if rest.is_empty() {
        map.remove(first);
    } else if let Some(inner) = map.get_mut(first) {
        remove(inner, rest);
        if inner.as_object().is_some_and(serde_json::Map::is_empty) {
            map.remove(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NETWORK: Setting = Setting::new(&["global", "network"], "network").shadowed_by(&[&["pilot", "global", "network"]]);
    const ANNOTATIONS: Setting = Setting::new(&["service", "annotations"], "service_annotations");

    #[test]
    fn a_setting_is_rendered_and_read_back() {
        let values = json!({"global": {"hub": "h"}});
        let with = applied(&values, &[NETWORK.to("us-net"), ANNOTATIONS.entry("a.example/b", "c")]);
        assert_eq!(with, json!({"global": {"hub": "h", "network": "us-net"}, "service": {"annotations": {"a.example/b": "c"}}}));
        assert_eq!(NETWORK.read_text(&with).as_deref(), Some("us-net"));
        assert_eq!(without(&with, &[NETWORK.path(), ANNOTATIONS.path_of("a.example/b")]), values);
        assert_eq!(NETWORK.read(&json!({"global": {"network": null}})), None);
    }

    #[test]
    fn a_setting_wins_over_the_keys_that_the_chart_would_prefer() {
        let applied = applied(&json!({"pilot": {"global": {"network": "other"}, "env": {}}}), &[NETWORK.to("us-net")]);
        assert_eq!(applied, json!({"pilot": {"env": {}}, "global": {"network": "us-net"}}));
    }
}
