//! Drift: how a live object differs from the manifest that was applied.
//!
//! The comparison goes by what is wanted: what others add (defaults of the API server, labels, status) is no difference. What controllers
//! are known to own is none either: istiod writes its webhooks' `caBundle` and `failurePolicy`, an autoscaler writes `replicas`.

use serde_json::{Map, Value as Json};

use super::quantity;
use crate::data::Kind;

/// Differences of an object of ours, a line each: `spec.ports[0].number: 80 wanted, 81 found`.
pub fn differences(wanted: &Json, live: &Json) -> Vec<String> {
    let is_secret = Kind::of(wanted) == Some(Kind::SECRET);
    let mut comparison = Comparison { lines: Vec::new(), is_secret, ignored: &|_| false, is_whole: &|_| false };
    comparison.compare(&mut Vec::new(), wanted, live);
    comparison.lines
}

/// Returns the differences of a custom resource of Istio that this provider created. Its `spec` is compared both ways: istiod writes only
/// `status`, and the kinds have no defaults, so an additional field was added by a user. A selector, for example, disables a mesh-wide policy.
pub fn own_differences(wanted: &Json, live: &Json) -> Vec<String> {
    let is_spec = |path: &[String]| path.first().is_some_and(|first| first == "spec");
    let mut comparison = Comparison { lines: Vec::new(), is_secret: false, ignored: &|_| false, is_whole: &is_spec };
    comparison.compare(&mut Vec::new(), wanted, live);
    comparison.lines
}

/// Returns the differences of an object of a Helm release. `autoscaled`: the release has an autoscaler, which decides how many pods there are.
/// `ignored`: fields that others own.
pub fn release_differences(wanted: &Json, live: &Json, autoscaled: bool, ignored: &dyn Fn(&str) -> bool) -> Vec<String> {
    let kind = Kind::of(wanted);
    let is_webhook = matches!(kind, Some(Kind::VALIDATING_WEBHOOK | Kind::MUTATING_WEBHOOK));
    let is_workload = kind == Some(Kind::DEPLOYMENT);
    let ignored = move |path: &[String]| {
        let last = path.last().map_or("", String::as_str);
        is_webhook && matches!(last, "caBundle" | "failurePolicy")
            || is_workload && autoscaled && path == ["spec", "replicas"]
            || ignored(&path.join("."))
    };
    let mut comparison = Comparison { lines: Vec::new(), is_secret: kind == Some(Kind::SECRET), ignored: &ignored, is_whole: &|_| false };
    comparison.compare(&mut Vec::new(), wanted, live);
    comparison.lines
}

/// Returns where Helm values differ from those that were applied, a path each. The values themselves aren't shown: they may come from a sensitive
/// variable, which a provider can't know.
pub fn value_differences(wanted: &Json, live: &Json) -> Vec<String> {
    let mut comparison = Comparison { lines: Vec::new(), is_secret: false, ignored: &|_| false, is_whole: &|_| false };
    comparison.compare(&mut Vec::new(), wanted, live);
    comparison.lines.iter().map(|line| format!("{}: another value than configured", line.split(": ").next().unwrap_or_default())).collect()
}

/// Returns a line about an object without the values in it, which may come from private ones.
pub fn without_values(line: &str) -> String {
    let place = line.split(": ").next().unwrap_or_default();
    if line.ends_with(" found") { format!("{place}: another value than wanted") } else { line.to_owned() }
}

/// Returns whether a field of a chart's object may hold what the user's Helm values say in confidence: a Secret's data, a ConfigMap's, or an
/// environment variable.
fn is_confidential(is_secret: bool, path: &[String]) -> bool {
    let is_data = path.first().is_some_and(|first| first == "data" || first == "binaryData");
    let is_variable = path.last().is_some_and(|last| last == "value") && path.iter().any(|part| part.starts_with("env["));
    is_variable || is_data || is_secret && path.first().is_some_and(|first| first.starts_with("data"))
}

struct Comparison<'a> {
    lines: Vec<String>,
    is_secret: bool,
    ignored: &'a dyn Fn(&[String]) -> bool,
    /// Whether an object at a path is wanted whole: what it has beyond that is a difference.
    is_whole: &'a dyn Fn(&[String]) -> bool,
}

impl Comparison<'_> {
    fn compare(&mut self, path: &mut Vec<String>, wanted: &Json, live: &Json) {
        if (self.ignored)(path) || path.first().is_some_and(|first| first == "status") {
            return;
        }
        match (wanted, live) {
            (Json::Object(wanted), Json::Object(live)) => self.maps(path, wanted, live),
            (Json::Array(wanted), Json::Array(live)) => self.lists(path, wanted, live),
            // A null in a chart's output asks for nothing.
            (Json::Null, _) => {}
            _ if same(wanted, live, is_of_resources(path)) => {}
            _ => self.differ(path, wanted, live),
        }
    }

    fn maps(&mut self, path: &mut Vec<String>, wanted: &Map<String, Json>, live: &Map<String, Json>) {
        for (key, wanted) in wanted {
            // A Secret may be written as text and is kept encoded; what it holds is compared by who wrote it.
            if self.is_secret && path.is_empty() && key == "stringData" {
                continue;
            }
            path.push(key.clone());
            self.compare(path, wanted, live.get(key).unwrap_or(&Json::Null));
            path.pop();
        }
        if (self.is_whole)(path) {
            for (key, added) in live.iter().filter(|(key, added)| !wanted.contains_key(*key) && !same(&Json::Null, added, false)) {
                self.lines.push(format!("{}.{key}: {} was added", path.join("."), shown(added)));
            }
        }
    }

    fn lists(&mut self, path: &mut Vec<String>, wanted: &[Json], live: &[Json]) {
        // Elements with names are found by them, wherever they stand.
        if let Some(key) = key_of(wanted, live) {
            let inner = path.pop().unwrap_or_default();
            for wanted in wanted {
                path.push(format!("{inner}[{}]", wanted[key].as_str().unwrap_or_default()));
                match live.iter().find(|live| live[key] == wanted[key]) {
                    Some(live) => self.compare(path, wanted, live),
                    None => self.note(path, "it is gone"),
                }
                path.pop();
            }
            for added in live.iter().filter(|live| !wanted.iter().any(|wanted| wanted[key] == live[key])) {
                path.push(format!("{inner}[{}]", added[key].as_str().unwrap_or_default()));
                self.note(path, "it was added");
                path.pop();
            }
            path.push(inner);
            return;
        }
        if wanted.len() != live.len() {
            self.differ(path, &Json::Array(wanted.to_vec()), &Json::Array(live.to_vec()));
            return;
        }
        for (index, (wanted, live)) in wanted.iter().zip(live).enumerate() {
            let inner = path.pop().unwrap_or_default();
            path.push(format!("{inner}[{index}]"));
            self.compare(path, wanted, live);
            path.pop();
            path.push(inner);
        }
    }

    fn note(&mut self, path: &[String], what: &str) {
        if !(self.ignored)(path) {
            self.lines.push(format!("{}: {what}", path.join(".")));
        }
    }

    fn differ(&mut self, path: &[String], wanted: &Json, live: &Json) {
        let place = path.join(".");
        let line = if is_confidential(self.is_secret, path) {
            format!("{place}: another value than wanted")
        } else {
            format!("{place}: {} wanted, {} found", shown(wanted), if live.is_null() { "nothing".to_owned() } else { shown(live) })
        };
        self.lines.push(line);
    }
}

/// By what the elements of two lists are told apart: a volume may be mounted twice, but not at one path. None when there is no such key.
fn key_of(wanted: &[Json], live: &[Json]) -> Option<&'static str> {
    let tells_apart = |list: &[Json], key: &str| {
        let values: std::collections::BTreeSet<_> = list.iter().filter_map(|element| element[key].as_str()).collect();
        values.len() == list.len()
    };
    if wanted.is_empty() {
        return None;
    }
    ["mountPath", "name"].into_iter().find(|key| tells_apart(wanted, key) && tells_apart(live, key))
}

/// Whether the value at a path is a quantity, which has several notations.
fn is_of_resources(path: &[String]) -> bool {
    path.iter().any(|part| part == "limits" || part == "requests")
}

/// Whether two values are the same to the API server, which drops what is empty and rewrites numbers, and quantities where there are any.
fn same(wanted: &Json, live: &Json, is_quantity: bool) -> bool {
    fn is_empty(value: &Json) -> bool {
        match value {
            Json::Null => true,
            Json::Bool(truth) => !truth,
            Json::Number(number) => number.as_f64() == Some(0.0),
            Json::String(text) => text.is_empty(),
            Json::Array(list) => list.is_empty(),
            Json::Object(map) => map.values().all(is_empty),
        }
    }
    fn text(value: &Json) -> Option<String> {
        match value {
            Json::String(text) => Some(text.clone()),
            Json::Number(number) => Some(number.to_string()),
            Json::Bool(truth) => Some(truth.to_string()),
            _ => None,
        }
    }
    if wanted == live || is_empty(wanted) && is_empty(live) {
        return true;
    }
    match (text(wanted), text(live)) {
        (Some(wanted), Some(live)) => wanted == live || is_quantity && quantity::same(&wanted, &live),
        _ => false,
    }
}

/// A value in a line: not too much of it.
fn shown(value: &Json) -> String {
    const MOST: usize = 120;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(replicas: u32, image: &str) -> Json {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "istiod", "labels": {"app": "istiod"}},
            "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "discovery", "image": image, "resources": {"requests": {"cpu": "500m"}}}]}}},
        })
    }

    #[test]
    fn what_others_add_is_no_difference() {
        let mut live = deployment(1, "pilot");
        live["metadata"]["labels"]["extra"] = json!("x");
        live["metadata"]["uid"] = json!("u");
        live["status"] = json!({"replicas": 1});
        live["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("0.5");
        assert_eq!(release_differences(&deployment(1, "pilot"), &live, false, &|_| false), [""; 0]);
    }

    #[test]
    fn what_a_person_changed_is_told_by_field() {
        assert_eq!(
            release_differences(&deployment(1, "pilot"), &deployment(2, "other"), false, &|_| false),
            ["spec.replicas: 1 wanted, 2 found", "spec.template.spec.containers[discovery].image: \"pilot\" wanted, \"other\" found"]
        );
        assert_eq!(release_differences(&deployment(1, "pilot"), &deployment(2, "pilot"), true, &|_| false), [""; 0]);
        assert_eq!(
            differences(&json!({"spec": {"hosts": ["a"]}}), &json!({"spec": {"hosts": ["a", "b"]}})),
            [r#"spec.hosts: ["a"] wanted, ["a","b"] found"#]
        );
        assert_eq!(
            differences(&json!({"ports": [{"name": "a"}, {"name": "b"}]}), &json!({"ports": [{"name": "b"}]})),
            ["ports[a]: it is gone"]
        );
    }

    #[test]
    fn what_others_add_to_an_object_of_ours_is_a_difference() {
        let wanted = json!({
            "metadata": {"name": "e", "labels": {"a": "b"}},
            "spec": {"hosts": ["h"], "endpoints": [{"address": "198.51.100.9"}], "tls": {"mode": "ISTIO_MUTUAL"}},
        });
        let mut live = wanted.clone();
        live["metadata"]["labels"]["team"] = json!("x");
        live["status"] = json!({"conditions": []});
        live["spec"]["subjectAltNames"] = json!([]);
        assert_eq!(own_differences(&wanted, &live), [""; 0]);
        live["spec"]["endpoints"][0]["weight"] = json!(7);
        live["spec"]["tls"]["sni"] = json!("x");
        live["spec"]["selector"] = json!({"app": "x"});
        assert_eq!(
            own_differences(&wanted, &live),
            ["spec.endpoints[0].weight: 7 was added", "spec.tls.sni: \"x\" was added", "spec.selector: {\"app\":\"x\"} was added"]
        );
        assert_eq!(differences(&wanted, &live), [""; 0]);
    }

    #[test]
    fn what_controllers_own_is_no_difference() {
        let webhook = |policy: &str, bundle: &str| {
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "w"},
                "webhooks": [{"name": "a", "failurePolicy": policy, "clientConfig": {"caBundle": bundle}}],
            })
        };
        assert_eq!(release_differences(&webhook("Ignore", ""), &webhook("Fail", "abc"), false, &|_| false), [""; 0]);
    }

    #[test]
    fn empty_and_missing_are_the_same() {
        let wanted = json!({"metadata": {"annotations": {}, "creationTimestamp": null, "uid": null}, "spec": {"hostNetwork": false, "args": [], "weight": 0}});
        assert_eq!(differences(&wanted, &json!({"metadata": {}, "spec": {}})), [""; 0]);
    }

    #[test]
    fn what_helm_values_may_say_in_confidence_is_not_shown() {
        let wanted = json!({"env": {"LICENSE": "one: secret"}, "list": ["secret"], "replicaCount": 1});
        let live = json!({"env": {"LICENSE": "another"}, "list": ["x", "y"], "replicaCount": 1});
        assert_eq!(
            value_differences(&wanted, &live),
            ["env.LICENSE: another value than configured", "list: another value than configured"]
        );
        let container = |value: &str| json!({"spec": {"containers": [{"name": "a", "env": [{"name": "LICENSE", "value": value}]}]}});
        assert_eq!(
            release_differences(&container("secret"), &container("another"), false, &|_| false),
            ["spec.containers[a].env[LICENSE].value: another value than wanted"]
        );
        let map = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"mesh": value}});
        assert_eq!(release_differences(&map("secret"), &map("another"), false, &|_| false), ["data.mesh: another value than wanted"]);
    }

    #[test]
    fn a_secrets_values_are_not_told() {
        let secret = |value: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"key": value}});
        assert_eq!(differences(&secret("YQ=="), &secret("Yg==")), ["data.key: another value than wanted"]);
    }
}
