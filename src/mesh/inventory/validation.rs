//! What istiod's validation webhooks do with an object that they must refuse. Only a webhook that the API server reaches, and whose certificate it
//! accepts, refuses anything.

use serde_json::{Map, Value as Json, json};

use super::{Objects, control_plane::called_namespace, text};
use crate::data::Kind;

/// What came of an invalid object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validation {
    /// istiod refused it.
    Refused,
    /// Nobody refused it.
    Accepted,
    /// The API server couldn't call the webhook, and why.
    NotCalled(String),
}

/// Returns a Gateway that istiod refuses, as its port has no protocol that there is.
pub(in crate::mesh) fn invalid(namespace: &str) -> Json {
    json!({
        "apiVersion": Kind::GATEWAY.api_version(), "kind": Kind::GATEWAY.kind,
        "metadata": {"name": "mesh-terraform-io-probe", "namespace": namespace},
        "spec": {"selector": {"none": "none"}, "servers": [{"port": {"number": 80, "name": "http", "protocol": "NONE"}, "hosts": ["probe.invalid"]}]},
    })
}

/// Returns an invalid object for each validation webhook of an istiod that is there, by the webhook's name, with the labels by which it chooses
/// objects.
pub fn probes(objects: &Objects) -> Vec<(String, Json)> {
    let of = |validator: &Json| {
        let webhook = &validator["webhooks"][0];
        let namespace = called_namespace(webhook);
        let is_here = objects.control_planes.iter().any(|plane| plane["metadata"]["namespace"] == namespace.as_str());
        is_here.then(|| {
            let mut probe = invalid(&namespace);
            probe["metadata"]["labels"] = Json::Object(chosen_labels(&webhook["objectSelector"]));
            (text(validator, &["metadata", "name"]), probe)
        })
    };
    objects.validators.iter().filter_map(of).collect()
}

/// Returns labels that a selector chooses.
fn chosen_labels(selector: &Json) -> Map<String, Json> {
    let mut labels = selector["matchLabels"].as_object().cloned().unwrap_or_default();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let value = match expression["operator"].as_str() {
            Some("In") => expression["values"][0].clone(),
            Some("Exists") => json!(""),
            _ => continue,
        };
        labels.extend(expression["key"].as_str().map(|key| (key.to_owned(), value)));
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_webhook_of_an_istiod_gets_an_object_that_it_looks_at() {
        let validator = |name: &str, namespace: &str, expression: Json| {
            let client = json!({"service": {"namespace": namespace, "name": "istiod"}});
            let webhook = json!({"clientConfig": client, "objectSelector": {"matchExpressions": [expression]}});
            json!({"metadata": {"name": name}, "webhooks": [webhook]})
        };
        let objects = Objects {
            control_planes: vec![json!({"metadata": {"namespace": "istio-system", "name": "istiod"}})],
            validators: vec![
                validator("of-revision", "istio-system", json!({"key": "istio.io/rev", "operator": "In", "values": ["default", "next"]})),
                validator("of-all", "istio-system", json!({"key": "istio.io/rev", "operator": "DoesNotExist"})),
                validator("of-others", "elsewhere", json!({})),
            ],
            ..Objects::default()
        };
        let probes = probes(&objects);
        let shown: Vec<_> = probes.iter().map(|(name, probe)| (name.as_str(), &probe["metadata"]["labels"])).collect();
        assert_eq!(shown, [("of-revision", &json!({"istio.io/rev": "default"})), ("of-all", &json!({}))]);
        assert_eq!(probes[0].1["metadata"]["namespace"], "istio-system");
    }
}
