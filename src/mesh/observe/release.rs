//! Drift of a Helm release: how its state, version and values differ from those that were applied.

use serde_json::Value as Json;

use super::drift;
use crate::data::{Deployed, Release, ReleaseStatus};

/// Returns a line for each difference between the release that was applied and the one that there is. The version counts only where one
/// was set, and values at the places of `private` ones not at all: they are not known here.
pub fn differences(wanted: &Release, live: &Deployed, private: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    if live.status != ReleaseStatus::Deployed {
        lines.push(live.description.clone());
    }
    if let Some(version) = wanted.version.as_ref().filter(|version| *version != live.version.trim_start_matches('v')) {
        lines.push(format!("version: {version} wanted, {} found (revision {})", live.version, live.revision));
    }
    let is_public = |place: &str| !private.iter().any(|private| is_at(place, private));
    let others = drift::value_differences(&wanted.values, &live.values);
    lines.extend(
        others.into_iter().filter(|line| is_public(line.split(": ").next().unwrap_or_default())).map(|line| format!("values: {line}")),
    );
    let mut added = Vec::new();
    collect_added(&mut Vec::new(), &wanted.values, &live.values, &mut added);
    // A value that somebody else has set may be a secret.
    lines.extend(
        added.into_iter().filter(|path| is_public(path)).map(|path| format!("values: {path}: it was added (revision {})", live.revision)),
    );
    lines.extend(live.unreadable.iter().cloned());
    lines
}

/// Whether a place is another one, or within it, or around it: a value that was replaced by a map, for example.
fn is_at(place: &str, other: &str) -> bool {
    let is_within =
        |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    is_within(place, other) || is_within(other, place)
}

/// Collects the paths of the values that only the live release has. Maps are merged by Helm, so they are searched; a list is one value.
fn collect_added(path: &mut Vec<String>, wanted: &Json, live: &Json, added: &mut Vec<String>) {
    let Json::Object(live) = live else { return };
    for (key, live) in live {
        path.push(key.clone());
        match wanted.get(key) {
            Some(wanted) => collect_added(path, wanted, live, added),
            None if is_nothing(live) => {}
            None if live.is_object() => collect_added(path, &Json::Null, live, added),
            None => added.push(path.join(".")),
        }
        path.pop();
    }
}

fn is_nothing(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Object(map) => map.values().all(is_nothing),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted(version: Option<&str>, values: Json) -> Release {
        Release {
            name: "istiod".to_owned(),
            namespace: "istio-system".to_owned(),
            chart: "istiod".to_owned(),
            version: version.map(str::to_owned),
            values,
            private: Vec::new(),
            takes_ownership: false,
        }
    }

    fn live(values: Json) -> Deployed {
        Deployed {
            name: "istiod".to_owned(),
            namespace: "istio-system".to_owned(),
            revision: 4,
            status: ReleaseStatus::Deployed,
            chart: "istiod".to_owned(),
            version: "1.30.2".to_owned(),
            app_version: "1.30.2".to_owned(),
            values,
            manifest: Vec::new(),
            unreadable: vec!["istiod/templates/a.yaml: not valid YAML: …".to_owned()],
            is_ours: true,
            mark: None,
            description: "Upgrade complete".to_owned(),
        }
    }

    #[test]
    fn a_rollback_by_somebody_else_is_seen_by_the_version() {
        let values = json!({"global": {"network": "us"}});
        let lines = differences(&wanted(Some("1.31.0"), values.clone()), &live(values.clone()), &[]);
        assert_eq!(lines[0], "version: 1.31.0 wanted, 1.30.2 found (revision 4)");
        assert_eq!(lines[1..], ["istiod/templates/a.yaml: not valid YAML: …"]);
        assert_eq!(differences(&wanted(None, values.clone()), &live(values), &[]).len(), 1, "no version was set");
    }

    #[test]
    fn values_are_compared_in_both_directions() {
        let applied = json!({"global": {"network": "us"}, "replicaCount": 1});
        let found = json!({
            "global": {"network": "us", "hub": null}, "replicaCount": 2, "pilot": {"env": {}},
            "meshConfig": {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}},
        });
        let lines = differences(&wanted(None, applied.clone()), &live(found.clone()), &[]);
        assert_eq!(
            lines[..2],
            [
                "values: replicaCount: another value than configured",
                "values: meshConfig.outboundTrafficPolicy.mode: it was added (revision 4)"
            ]
        );
        assert_eq!(lines.len(), 3, "{lines:?}");
    }

    #[test]
    fn private_values_are_not_compared_where_they_are_not_known() {
        let applied = json!({"global": {"network": "us", "imagePullPolicy": "Always"}});
        let found = json!({
            "global": {"network": "us", "imagePullPolicy": "Never"}, "env": {"TOKEN": "s3cret", "OTHER": "b"}, "pullSecrets": ["s3cret"],
        });
        let private = ["global.imagePullPolicy", "env.TOKEN", "pullSecrets"].map(str::to_owned);
        let lines = differences(&wanted(None, applied), &live(found), &private);
        assert_eq!(lines[..lines.len() - 1], ["values: env.OTHER: it was added (revision 4)"]);
        assert!(is_at("a.b[0]", "a.b") && is_at("a", "a.b") && !is_at("a.bc", "a.b"));
    }
}
