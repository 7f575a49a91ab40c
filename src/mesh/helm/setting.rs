//! One Helm value that an attribute decides. Declared once: it is rendered, linted against the user's values, and read back on import.

use serde_json::Value as Json;

use super::values;

/// A value at a path.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Setting {
    /// Where in the values.
    pub(super) path: Vec<String>,
    /// The attribute that decides it, as a user would name it.
    pub(super) attribute: &'static str,
    /// The value.
    pub(super) value: Json,
    /// Where else a chart looks for it, and prefers what it finds there.
    pub(super) shadows: Vec<Vec<String>>,
}

impl Setting {
    pub(super) fn new(path: &[&str], attribute: &'static str, value: impl Into<Json>) -> Self {
        Self { path: owned(path), attribute, value: value.into(), shadows: Vec::new() }
    }

    /// The chart prefers what it finds at this path.
    #[must_use]
    pub(super) fn shadowed_by(mut self, path: &[&str]) -> Self {
        self.shadows.push(owned(path));
        self
    }
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|part| (*part).to_owned()).collect()
}

/// The values with the settings over them, and nothing that would beat these.
pub(super) fn applied(values: &Json, settings: &[Setting]) -> Json {
    let shadows: Vec<_> = settings.iter().flat_map(|setting| setting.shadows.iter().cloned()).collect();
    settings.iter().fold(without(values, &shadows), |values, setting| {
        let over = setting
            .path
            .iter()
            .rev()
            .fold(setting.value.clone(), |inner, part| Json::Object([(part.clone(), inner)].into_iter().collect()));
        values::merge(&values, &over)
    })
}

/// The values without what is at the paths, and without the maps that are empty then.
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

    #[test]
    fn settings_go_in_and_come_out() {
        let settings = [Setting::new(&["global", "network"], "network", "us-net")];
        let values = json!({"global": {"hub": "h"}});
        let with = applied(&values, &settings);
        assert_eq!(with, json!({"global": {"hub": "h", "network": "us-net"}}));
        assert_eq!(without(&with, &[settings[0].path.clone()]), values);
        assert_eq!(without(&json!({"global": {"network": "n"}}), &[settings[0].path.clone()]), json!({}));

        let shadowed = [Setting::new(&["global", "network"], "network", "us-net").shadowed_by(&["pilot", "global", "network"])];
        let applied = applied(&json!({"pilot": {"global": {"network": "other"}, "env": {}}}), &shadowed);
        assert_eq!(applied, json!({"pilot": {"env": {}}, "global": {"network": "us-net"}}));
    }
}
