//! What istiod's validation webhooks do with an object that they must refuse. Only a webhook that the API server reaches, and whose certificate it
//! accepts, refuses anything.

use serde_json::{Map, Value as Json, json};

use super::{Objects, control_plane::called_namespace, text};
use crate::{data::Kind, mesh::helm::discovery::matches};

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

/// An invalid object for a validation webhook, and how the API server names the webhook when it reports on it.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The name of the webhook's configuration.
    pub validator: String,
    /// The object, with the labels by which the webhook chooses objects.
    pub object: Json,
    /// The name of the webhook itself, which several configurations may have.
    webhook: String,
    /// The host that the API server calls.
    host: String,
    /// Whether no other webhook of this name looks at the object as well.
    is_alone: bool,
}

impl Probe {
    /// Returns what the API server's words say of this webhook; `None` if they are of another one, or may be. `is_refusal`: the object was refused, as
    /// opposed to that a webhook couldn't be called.
    pub fn judge(&self, words: &str, is_refusal: bool) -> Option<Validation> {
        if !words.contains(&format!("\"{}\"", self.webhook)) {
            return None;
        }
        if is_refusal {
            return self.is_alone.then_some(Validation::Refused);
        }
        let is_called = !words.contains("://") || words.contains(&format!("://{}", self.host));
        let why = words.split_once("failed to call webhook: ").map_or(words, |(_, why)| why);
        (is_called || self.is_alone).then(|| Validation::NotCalled(why.trim_end_matches('.').to_owned() + "."))
    }
}

/// Returns an invalid object for each validation webhook of an istiod that is there.
pub fn probes(objects: &Objects) -> Vec<Probe> {
    let of = |validator: &Json| {
        let webhook = &validator["webhooks"][0];
        let namespace = called_namespace(webhook);
        let is_here = objects.control_planes.iter().any(|plane| plane["metadata"]["namespace"] == namespace.as_str());
        is_here.then(|| {
            let mut object = invalid(&namespace);
            let labels = Json::Object(chosen_labels(&webhook["objectSelector"]));
            let name = text(validator, &["metadata", "name"]);
            let looks = |other: &Json| {
                let others = &other["webhooks"][0];
                others["name"] == webhook["name"] && matches(&others["objectSelector"], &labels)
            };
            let is_alone = !objects.validators.iter().any(|other| text(other, &["metadata", "name"]) != name && looks(other));
            object["metadata"]["labels"] = labels;
            let host = format!("{}.{namespace}.svc", text(webhook, &["clientConfig", "service", "name"]));
            Probe { validator: name, object, webhook: text(webhook, &["name"]), host, is_alone }
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
        let shown: Vec<_> = probes.iter().map(|probe| (probe.validator.as_str(), &probe.object["metadata"]["labels"])).collect();
        assert_eq!(shown, [("of-revision", &json!({"istio.io/rev": "default"})), ("of-all", &json!({}))]);
        assert_eq!(probes[0].object["metadata"]["namespace"], "istio-system");
    }

    /// Two istiods, each with the webhook of the chart `istiod` in its namespace, and one with that of the chart `base`.
    fn of_two_istiods() -> Vec<Probe> {
        let validator = |name: &str, webhook: &str, namespace: &str, expression: Json| {
            let client = json!({"service": {"namespace": namespace, "name": "istiod"}});
            let webhook = json!({"name": webhook, "clientConfig": client, "objectSelector": {"matchExpressions": [expression]}});
            json!({"metadata": {"name": name}, "webhooks": [webhook]})
        };
        let of_default = json!({"key": "istio.io/rev", "operator": "In", "values": ["default"]});
        let plane = |namespace: &str| json!({"metadata": {"namespace": namespace, "name": "istiod"}});
        probes(&Objects {
            control_planes: vec![plane("istio-system"), plane("other")],
            validators: vec![
                validator("a", "rev.validation.istio.io", "istio-system", of_default.clone()),
                validator("b", "rev.validation.istio.io", "other", of_default),
                validator("c", "validation.istio.io", "istio-system", json!({"key": "istio.io/rev", "operator": "DoesNotExist"})),
            ],
            ..Objects::default()
        })
    }

    #[test]
    fn what_is_said_of_one_webhook_is_booked_on_no_other() {
        let probes = of_two_istiods();
        let judged = |words: &str, is_refusal: bool| -> Vec<_> { probes.iter().map(|probe| probe.judge(words, is_refusal)).collect() };
        let refusal = |name: &str| format!("admission webhook \"{name}\" denied the request: configuration is invalid: invalid protocol");
        assert_eq!(judged(&refusal("validation.istio.io"), true), [None, None, Some(Validation::Refused)]);
        assert_eq!(judged(&refusal("rev.validation.istio.io"), true), [None, None, None], "which of the two isn't said");
        let call = "failed calling webhook \"rev.validation.istio.io\": failed to call webhook: Post \"https://istiod.other.svc:443/validate\": EOF";
        let why = "Post \"https://istiod.other.svc:443/validate\": EOF.";
        assert_eq!(judged(call, false), [None, Some(Validation::NotCalled(why.to_owned())), None]);
    }
}
