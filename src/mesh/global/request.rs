//! The configuration of a global service. The same value is the input of an apply, the annotation that stores it in each cluster, and the source
//! of an import.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::mesh::{
    export::{Audience, Caller, PortRequest, audience},
    labels::GLOBAL_RECORD,
    names::{ClusterKey, Host, LabelValue, Namespace, NetworkName, ObjectName, ReleaseName, ServiceAccountName, TrustDomain, Vip},
};

/// A global service as it is configured. Annotations of all earlier releases must stay readable: a new field is optional, and no key changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The Service, in each cluster.
    pub service: ObjectName,
    /// The clusters, with their gateways.
    pub members: BTreeMap<ClusterKey, Member>,
    /// Shares of the clusters in calls that leave their own; 1 if not set, and none with 0.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<ClusterKey, u32>,
    /// The namespaces that see the host; all if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export_to: Option<BTreeSet<Audience>>,
    /// The virtual address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip: Option<Vip>,
    /// The ports; the live Services' if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<PortRequest>>,
    /// Labels of the pods; the live Service's selector if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<BTreeMap<String, String>>,
    /// Accounts that the pods may run as; any if not set, or empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_accounts: Option<BTreeSet<ServiceAccountName>>,
    /// Trust domain of the accounts; each cluster's own if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_domain: Option<TrustDomain>,
    /// Identities that may call; any of the mesh if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callers: Option<BTreeSet<Caller>>,
    /// When an endpoint gets no more calls for a while.
    #[serde(default)]
    pub detection: Detection,
}

/// A cluster of a global service: its gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The network, to which the other clusters have links.
    pub network: NetworkName,
    /// The gateway's name.
    pub gateway_name: ReleaseName,
    /// The gateway's namespace.
    pub gateway_namespace: Namespace,
    /// The name of the gateway's Service and Deployment, if it isn't the gateway's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_service: Option<ObjectName>,
    /// The label of the gateway's pods, if it isn't made of the Service's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_label: Option<LabelValue>,
}

/// When an endpoint gets no more calls for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Detection {
    /// Errors in a row.
    pub consecutive_errors: u32,
    /// How often to look, in seconds.
    pub interval_seconds: u32,
    /// How long, in seconds: the first time; each further time it is longer.
    pub ejection_seconds: u32,
}

impl Default for Detection {
    fn default() -> Self {
        Self { consecutive_errors: 3, interval_seconds: 1, ejection_seconds: 10 }
    }
}

impl Request {
    /// Returns a cluster's share in calls that leave their own.
    pub fn weight(&self, cluster: &ClusterKey) -> u32 {
        self.weights.get(cluster).copied().unwrap_or(1)
    }

    /// Returns the clusters that serve the host: those that aren't drained.
    pub fn serving(&self) -> impl Iterator<Item = (&ClusterKey, &Member)> {
        self.members.iter().filter(|(key, _)| self.serves(key))
    }

    /// Whether a cluster serves the host.
    pub fn serves(&self, cluster: &ClusterKey) -> bool {
        self.members.contains_key(cluster) && self.weight(cluster) > 0
    }

    /// Returns the cluster whose objects show an interrupted create, and in which a listing finds the service: the first.
    pub fn home(&self) -> Option<&ClusterKey> {
        self.members.keys().next()
    }

    /// Returns the address of the host, the same in all clusters.
    pub fn address(&self, host: &Host) -> Vip {
        self.vip.unwrap_or_else(|| Vip::of_host(host))
    }

    /// Returns Istio's `exportTo` of an object in `own` namespace. `required` are namespaces that must see the host in any case.
    pub(super) fn export_to<'a>(&'a self, own: &'a Namespace, required: impl IntoIterator<Item = &'a Namespace>) -> Vec<String> {
        audience(self.export_to.as_ref(), own, required)
    }

    /// Returns the annotation's value.
    pub fn to_annotation(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads the annotation of a DestinationRule.
    ///
    /// # Errors
    /// A sentence about an object without the annotation, or with an unreadable one.
    pub fn read(rule: &Json) -> Result<Self, String> {
        let text =
            rule["metadata"]["annotations"][GLOBAL_RECORD].as_str().ok_or_else(|| format!("It has no annotation {GLOBAL_RECORD}."))?;
        serde_json::from_str(text).map_err(|error| format!("Its annotation {GLOBAL_RECORD} can't be read: {error}."))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(text: &str) -> ClusterKey {
        ClusterKey::parse(text).unwrap()
    }

    /// As this release writes it. Services in clusters have it: never change it.
    #[test]
    fn an_annotation_of_the_first_release_with_global_services_is_read() {
        let text = r#"{"service":"echo","members":{"eu":{"network":"eu-net","gatewayName":"gw","gatewayNamespace":"istio-system"},"us":{"network":"us-net","gatewayName":"gw","gatewayNamespace":"istio-system"}},"weights":{"us":0},"serviceAccounts":["echo"],"detection":{"consecutiveErrors":3,"intervalSeconds":1,"ejectionSeconds":10}}"#;
        let request = Request::read(&json!({"metadata": {"annotations": {GLOBAL_RECORD: text}}})).unwrap();
        assert_eq!(request.to_annotation(), text);
        assert_eq!((request.home(), request.serving().map(|(key, _)| key).collect::<Vec<_>>()), (Some(&key("eu")), vec![&key("eu")]));
        assert_eq!((request.weight(&key("eu")), request.weight(&key("us")), request.serves(&key("ap"))), (1, 0, false));
    }
}
