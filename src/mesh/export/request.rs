//! The configuration of an export. The same value is the input of an apply, the annotation that stores it in the exporting cluster, and the
//! source of an import: the objects alone don't show what the configuration sets and what was taken from the live Service.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value as Json;

use super::Caller;
use crate::mesh::{
    helm::gateway::{self, Address, GatewayNames},
    labels::EXPORT_RECORD,
    names::{
        ClusterKey, Host, LabelValue, Locality, Namespace, NetworkName, ObjectName, Protocol, ReleaseName, ServiceAccountName, ServicePort,
        TrustDomain, Vip,
    },
    trust::spiffe_id,
};

/// An export as it is configured. Annotations of all earlier releases must stay readable: a new field is optional, and no key changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The Service.
    pub service: ObjectName,
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
    /// The port of the gateway's load balancer.
    #[serde(default = "passthrough_port", skip_serializing_if = "is_passthrough_port")]
    pub gateway_port: u16,
    /// The exporting cluster's network, which importers have a link to; they have the gateway's addresses if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkName>,
    /// The clusters that import.
    #[serde(default)]
    pub importers: BTreeSet<ClusterKey>,
    /// The namespace of the importers' objects; the gateway's if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub importer_namespace: Option<Namespace>,
    /// The namespaces that see the host; all if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export_to: Option<BTreeSet<Audience>>,
    /// The virtual address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip: Option<Vip>,
    /// The ports; the live Service's if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<PortRequest>>,
    /// Labels of the pods; the live Service's selector if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<BTreeMap<String, String>>,
    /// Accounts that the pods may run as; any if not set, or empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_accounts: Option<BTreeSet<ServiceAccountName>>,
    /// Trust domain of the accounts; the exporting cluster's if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_domain: Option<TrustDomain>,
    /// Identities that may call; any of the mesh if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callers: Option<BTreeSet<Caller>>,
    /// Where the exporting cluster is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<Locality>,
    /// Further labels of the importers' endpoints.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoint_labels: BTreeMap<String, String>,
    /// Whether the exporter gets a ServiceExport of the Multi-Cluster Services API.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mcs_service_export: bool,
    /// Whether the importers get a DestinationRule.
    #[serde(default = "is_by_default", skip_serializing_if = "is_on")]
    pub destination_rule: bool,
}

/// A port as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortRequest {
    /// The port that clients call.
    pub number: u16,
    /// Its name; made of protocol and number if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its protocol.
    pub protocol: Protocol,
    /// The port of the pods; the same number if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_port: Option<u16>,
}

/// An element of `export_to`: who sees a host, as Istio's `exportTo` has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// `*`: every namespace.
    Everyone,
    /// `.`: the namespace of the object itself.
    OwnNamespace,
    /// One namespace.
    Namespace(Namespace),
}

impl Audience {
    /// Parses an element of `export_to`.
    ///
    /// # Errors
    /// A sentence that describes the problem and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "*" => Ok(Self::Everyone),
            "." => Ok(Self::OwnNamespace),
            namespace => Namespace::parse(namespace)
                .map(Self::Namespace)
                .map_err(|problem| format!("{problem} Other than a namespace, it can be \".\" (the objects' own) or \"*\" (all).")),
        }
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Everyone => "*",
            Self::OwnNamespace => ".",
            Self::Namespace(namespace) => namespace.as_str(),
        })
    }
}

impl Request {
    /// Returns the names of the gateway.
    pub fn gateway(&self) -> GatewayNames {
        GatewayNames { release: self.gateway_name.clone(), service: self.gateway_service.clone(), label: self.gateway_label.clone() }
    }

    /// Returns the name of the gateway's Service and Deployment.
    pub fn gateway_service_name(&self) -> &str {
        self.gateway_service.as_ref().map_or(self.gateway_name.as_str(), ObjectName::as_str)
    }

    /// Returns the namespace of the importers' objects.
    pub fn importer_namespace(&self) -> &Namespace {
        self.importer_namespace.as_ref().unwrap_or(&self.gateway_namespace)
    }

    /// Returns the address of the host in the importing clusters.
    pub fn address(&self, host: &Host) -> Vip {
        self.vip.unwrap_or_else(|| Vip::of_host(host))
    }

    /// Returns the address of the host in the exporting cluster.
    pub fn exporter_address(&self, host: &Host) -> Vip {
        self.address(host).at_exporter(host)
    }

    /// Returns the SPIFFE identities of the accounts; none without accounts, or as long as their trust domain isn't known.
    pub fn identities(&self, namespace: &Namespace, trust_domain: Option<&TrustDomain>) -> Vec<String> {
        let accounts = self.service_accounts.iter().flatten();
        accounts.filter_map(|account| Some(spiffe_id(trust_domain?, namespace, account))).collect()
    }

    /// Returns Istio's `exportTo` of an object in `own` namespace. `required` is a namespace that must see the host in any case.
    pub fn export_to(&self, own: &Namespace, required: Option<&Namespace>) -> Vec<String> {
        audience(self.export_to.as_ref(), own, required)
    }

    /// Returns the annotation's value.
    pub fn to_annotation(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads the annotation of an exporter's `ServiceEntry`.
    ///
    /// # Errors
    /// A sentence about an object without the annotation, or with an unreadable one.
    pub fn read(entry: &Json) -> Result<Self, String> {
        let text =
            entry["metadata"]["annotations"][EXPORT_RECORD].as_str().ok_or_else(|| format!("It has no annotation {EXPORT_RECORD}."))?;
        serde_json::from_str(text).map_err(|error| format!("Its annotation {EXPORT_RECORD} can't be read: {error}."))
    }
}

/// Returns Istio's `exportTo` of an object in `own` namespace. It is always written: without it, the mesh's `defaultServiceExportTo` decides.
pub(in crate::mesh) fn audience<'a>(
    export_to: Option<&'a BTreeSet<Audience>>,
    own: &'a Namespace,
    required: impl IntoIterator<Item = &'a Namespace>,
) -> Vec<String> {
    let Some(audience) = export_to.filter(|audience| !audience.contains(&Audience::Everyone)) else {
        return vec![Audience::Everyone.to_string()];
    };
    let named = audience.iter().map(|element| if let Audience::Namespace(namespace) = element { namespace } else { own });
    // Istio refuses a namespace that is listed twice, once as `.`.
    named.chain(required).collect::<BTreeSet<_>>().into_iter().map(ToString::to_string).collect()
}

impl From<&PortRequest> for ServicePort {
    fn from(port: &PortRequest) -> Self {
        Self::of(port.number, port.name.clone(), port.protocol, port.target_port)
    }
}

fn passthrough_port() -> u16 {
    gateway::PORT
}

/// The default of what is on unless it is switched off.
pub(super) fn is_by_default() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
pub(super) fn is_on(setting: &bool) -> bool {
    *setting
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_passthrough_port(port: &u16) -> bool {
    *port == gateway::PORT
}

/// Stores types of the domain as the strings that they are parsed from.
macro_rules! stored_as_string {
    ($($name:ty),* $(,)?) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    )*};
}

stored_as_string!(
    Address,
    Audience,
    Caller,
    ClusterKey,
    Host,
    LabelValue,
    Locality,
    Namespace,
    NetworkName,
    ObjectName,
    Protocol,
    ReleaseName,
    ServiceAccountName,
    TrustDomain,
    Vip
);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(annotation: &str) -> Json {
        json!({"metadata": {"annotations": {EXPORT_RECORD: annotation}}})
    }

    /// As release 0.1 wrote it for an export with every optional attribute. Exports in clusters have it: never change it.
    const OF_0_1: &str = r#"{"service":"echo","gatewayName":"istio-eastwestgateway","gatewayNamespace":"istio-system","importers":["us"],"importerNamespace":"istio-config","vip":"240.0.0.2","ports":[{"number":80,"name":"web","protocol":"http","targetPort":8080},{"number":5432,"protocol":"TCP"}],"selector":{"app":"echo","tier":"front"},"serviceAccounts":["echo","echo-canary"],"trustDomain":"corp.local","locality":"eu-west-1/a"}"#;

    #[test]
    fn an_annotation_of_the_first_release_is_read_in_full() {
        let request = Request::read(&entry(OF_0_1)).unwrap();
        assert_eq!((request.service.as_str(), request.gateway_name.as_str()), ("echo", "istio-eastwestgateway"));
        assert_eq!((request.gateway_namespace.as_str(), request.gateway_port), ("istio-system", 15443));
        assert_eq!(request.importers, [ClusterKey::parse("us").unwrap()].into());
        assert_eq!(request.importer_namespace().as_str(), "istio-config");
        assert_eq!(request.vip, Some(Vip::parse("240.0.0.2").unwrap()));
        let port = |number, name: Option<&str>, protocol, target_port| PortRequest {
            number,
            name: name.map(str::to_owned),
            protocol,
            target_port,
        };
        assert_eq!(request.ports, Some(vec![port(80, Some("web"), Protocol::Http, Some(8080)), port(5432, None, Protocol::Tcp, None)]));
        assert_eq!(request.selector.as_ref().unwrap()["tier"], "front");
        assert_eq!(request.service_accounts.as_ref().unwrap().len(), 2);
        assert_eq!(request.trust_domain, Some(TrustDomain::parse("corp.local").unwrap()));
        assert_eq!(request.locality, Some(Locality::parse("eu-west-1/a").unwrap()));
        // Only the protocol's case is not kept.
        assert_eq!(request.to_annotation(), OF_0_1.replace("\"http\"", "\"HTTP\""));
    }

    #[test]
    fn the_least_annotation_of_the_first_release_is_read() {
        let least = r#"{"service":"echo","gatewayName":"gw","gatewayNamespace":"istio-system","importers":[]}"#;
        let request = Request::read(&entry(least)).unwrap();
        assert_eq!(request.to_annotation(), least);
        assert_eq!(request.importer_namespace().as_str(), "istio-system");
        assert_eq!((&request.ports, &request.export_to, &request.service_accounts), (&None, &None, &None));
    }

    #[test]
    fn an_unreadable_annotation_is_reported_by_name() {
        assert!(Request::read(&Json::Null).unwrap_err().contains(EXPORT_RECORD));
        let wrong = Request::read(&entry(r#"{"service":"E","gatewayName":"g","gatewayNamespace":"n"}"#)).unwrap_err();
        assert!(wrong.contains(EXPORT_RECORD) && wrong.contains("\"E\""), "{wrong}");
    }

    #[test]
    fn the_audience_is_everyone_unless_it_is_narrowed() {
        let own = Namespace::parse("istio-system").unwrap();
        let gateways = Namespace::parse("istio-gateways").unwrap();
        let to = |elements: &[&str]| {
            let mut request = Request::read(&entry(r#"{"service":"echo","gatewayName":"gw","gatewayNamespace":"n"}"#)).unwrap();
            request.export_to = Some(elements.iter().map(|element| Audience::parse(element).unwrap()).collect());
            request
        };
        let unset = Request { export_to: None, ..to(&[]) };
        assert_eq!(unset.export_to(&own, None), ["*"]);
        assert_eq!(to(&["*"]).export_to(&own, Some(&gateways)), ["*"]);
        assert_eq!(to(&[".", "istio-system", "shop"]).export_to(&own, None), ["istio-system", "shop"], "Istio refuses duplicates");
        assert_eq!(to(&["shop"]).export_to(&own, Some(&gateways)), ["istio-gateways", "shop"]);
        assert!(Audience::parse("Shop").unwrap_err().contains("\"*\" (all)"));
    }
}
