//! Services for which an east-west gateway is open under their own names, for clusters that discover them. One Gateway for all of them.

use std::{collections::BTreeMap, fmt};

use serde_json::{Value as Json, json};

use super::{
    export::opening,
    helm::gateway::{GatewayNames, PORT},
    labels::{EXPOSURE_RECORD, Owner},
    manifest::{annotated, with_spec},
    names::{Namespace, ObjectName},
};
use crate::{
    data::{Kind, ObjectRef},
    istio::{Gateway, Server, ServerPort, ServerTls, ServerTlsMode},
};

/// What follows a Service's name and namespace in its host.
pub const SUFFIX: &str = ".svc.cluster.local";

/// A Service, or all Services of a namespace. No export has such a host, so none meets it on a gateway.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExposedService {
    namespace: Namespace,
    /// `None` for all.
    name: Option<ObjectName>,
}

impl ExposedService {
    /// Parses `NAMESPACE/SERVICE` or `NAMESPACE/*`.
    ///
    /// # Errors
    /// A message that says what is wrong and what would be valid.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (namespace, name) = text.split_once('/').ok_or_else(|| {
            format!(
                "\"{text}\" is not a Service. Write NAMESPACE/SERVICE, for example \"shop/echo\", or \"shop/*\" for all of a namespace."
            )
        })?;
        let name = if name == "*" { None } else { Some(ObjectName::parse(name)?) };
        Ok(Self { namespace: Namespace::parse(namespace)?, name })
    }

    /// Returns the namespace if it is all Services of one.
    pub fn whole_namespace(&self) -> Option<&Namespace> {
        self.name.is_none().then_some(&self.namespace)
    }

    /// Returns its host, as a Gateway lists it.
    fn host(&self) -> String {
        format!("{}.{}{SUFFIX}", self.name.as_ref().map_or("*", ObjectName::as_str), self.namespace)
    }

    /// Reads a host of a Gateway.
    fn of_host(host: &str) -> Option<Self> {
        let (name, namespace) = host.strip_suffix(SUFFIX)?.rsplit_once('.')?;
        Self::parse(&format!("{namespace}/{name}")).ok()
    }
}

impl fmt::Display for ExposedService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name.as_ref().map_or("*", ObjectName::as_str))
    }
}

/// Which Services a gateway is open for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Those that are named.
    pub services: Vec<ExposedService>,
    /// The labels of those that aren't.
    pub labels: Option<BTreeMap<String, String>>,
}

impl Exposure {
    /// Whether it is for none, whatever the cluster has.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.labels.is_none()
    }

    /// Returns those that are named, and those that were found by the labels.
    pub fn with(&self, found: &[Json]) -> Vec<ExposedService> {
        let service = |live: &Json| {
            let (namespace, name) = (live["metadata"]["namespace"].as_str()?, live["metadata"]["name"].as_str()?);
            ExposedService::parse(&format!("{namespace}/{name}")).ok()
        };
        let mut all: Vec<_> = self.services.iter().cloned().chain(found.iter().filter_map(service)).collect();
        all.sort();
        all.dedup();
        all
    }

    /// What was asked for, where the Gateway's hosts don't show it.
    fn record(&self) -> Option<String> {
        let services: Vec<_> = self.services.iter().map(ToString::to_string).collect();
        self.labels.as_ref().map(|labels| json!({"services": services, "labels": labels}).to_string())
    }

    /// Reads off a live Gateway what was asked for.
    pub fn read(live: &Json) -> Self {
        let record = live["metadata"]["annotations"][EXPOSURE_RECORD].as_str().and_then(|text| serde_json::from_str::<Json>(text).ok());
        let Some(record) = record else { return Self { services: read(live), labels: None } };
        let named = record["services"].as_array().into_iter().flatten().filter_map(Json::as_str);
        Self {
            services: named.filter_map(|text| ExposedService::parse(text).ok()).collect(),
            labels: serde_json::from_value(record["labels"].clone()).ok(),
        }
    }
}

/// Returns the reference of the Gateway.
pub fn object(namespace: &Namespace, names: &GatewayNames) -> ObjectRef {
    ObjectRef::namespaced(Kind::GATEWAY, namespace.as_str(), format!("mesh-exposed-{}", names.release))
}

/// Returns the manifest of the Gateway that opens these Services. One that a namespace as a whole includes has no host of its own.
pub fn manifest(namespace: &Namespace, names: &GatewayNames, exposure: &Exposure, services: &[ExposedService]) -> Json {
    let is_included =
        |one: &ExposedService| one.name.is_some() && services.iter().any(|all| all.name.is_none() && all.namespace == one.namespace);
    let mut hosts: Vec<_> = services.iter().filter(|one| !is_included(one)).map(ExposedService::host).collect();
    hosts.sort();
    let gateway = Gateway {
        selector: names.pod_labels(),
        servers: vec![Server {
            port: ServerPort { number: PORT, name: "tls".to_owned(), protocol: "TLS" },
            tls: ServerTls { mode: ServerTlsMode::AutoPassthrough },
            hosts,
        }],
    };
    let manifest = with_spec(Kind::GATEWAY, namespace, &object(namespace, names).name, &Owner::Exposure, &gateway);
    match exposure.record() {
        Some(record) => annotated(manifest, &BTreeMap::from([(EXPOSURE_RECORD, record)])),
        None => manifest,
    }
}

/// Reads the Services off a live Gateway.
fn read(live: &Json) -> Vec<ExposedService> {
    let hosts = live["spec"]["servers"][0]["hosts"].as_array().into_iter().flatten().filter_map(Json::as_str);
    hosts.filter_map(ExposedService::of_host).collect()
}

/// Finds, among Gateways of others, one that opens a host of the Services or some of them on the gateway whose pods have these labels: Envoy would reject
/// both. Hosts that are equal are no harm.
pub fn conflict(gateways: &[Json], pod_labels: &BTreeMap<String, String>, services: &[ExposedService]) -> Option<String> {
    services.iter().find_map(|service| {
        let host = service.host();
        opening::overlapping(gateways, pod_labels, &host).filter(|opening| opening.host != host).map(|opening| opening.to_string())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mesh::ReleaseName;

    fn names() -> GatewayNames {
        GatewayNames::of(ReleaseName::parse("istio-eastwestgateway").unwrap())
    }

    fn services(texts: &[&str]) -> Vec<ExposedService> {
        texts.iter().map(|text| ExposedService::parse(text).unwrap()).collect()
    }

    #[test]
    fn services_are_opened_by_one_gateway_and_read_back() {
        let namespace = Namespace::parse("istio-system").unwrap();
        let named = Exposure { services: services(&["shop/*", "shop/echo", "bank/cart"]), labels: None };
        let manifest = manifest(&namespace, &names(), &named, &named.with(&[]));
        assert_eq!(manifest["metadata"]["name"], "mesh-exposed-istio-eastwestgateway");
        assert_eq!(manifest["spec"]["selector"], json!({"istio": "eastwestgateway"}));
        assert_eq!(manifest["spec"]["servers"][0]["hosts"], json!(["*.shop.svc.cluster.local", "cart.bank.svc.cluster.local"]));
        assert_eq!(Exposure::read(&manifest), Exposure { services: services(&["shop/*", "bank/cart"]), labels: None });
        assert_eq!(manifest["metadata"]["annotations"], Json::Null);
    }

    #[test]
    fn what_has_the_labels_is_opened_and_what_was_asked_for_is_recorded() {
        let labels = BTreeMap::from([("expose".to_owned(), "true".to_owned())]);
        let exposure = Exposure { services: services(&["shop/echo"]), labels: Some(labels) };
        let found = ["shop", "bank"].map(|namespace| json!({"metadata": {"namespace": namespace, "name": "echo"}}));
        let manifest = manifest(&Namespace::parse("istio-system").unwrap(), &names(), &exposure, &exposure.with(&found));
        assert_eq!(manifest["spec"]["servers"][0]["hosts"], json!(["echo.bank.svc.cluster.local", "echo.shop.svc.cluster.local"]));
        assert_eq!(Exposure::read(&manifest), exposure);
    }

    #[test]
    fn what_is_no_service_is_refused() {
        for (text, words) in [
            ("echo", "NAMESPACE/SERVICE"),
            ("Shop/echo", "\"shop\""),
            ("shop/Echo", "\"echo\""),
            ("shop/", "it is empty"),
            ("*/echo", "'*'"),
        ] {
            assert!(ExposedService::parse(text).unwrap_err().contains(words), "{text}: {:?}", ExposedService::parse(text));
        }
    }

    #[test]
    fn a_gateway_of_others_that_overlaps_is_found() {
        let labels = crate::mesh::export::pod_labels(&names(), None);
        let found = |host: &str, service: &str| {
            let others = json!({
                "metadata": {"namespace": "istio-system", "name": "cross-network-gateway"},
                "spec": {
                    "selector": {"istio": "eastwestgateway"},
                    "servers": [{"port": {"number": 15443}, "tls": {"mode": "AUTO_PASSTHROUGH"}, "hosts": [host]}],
                },
            });
            conflict(&[others], &labels, &services(&[service])).is_some()
        };
        assert!(found("*.local", "shop/echo") && found("*.local", "shop/*") && found("echo.shop.svc.cluster.local", "shop/*"));
        assert!(!found("echo.shop.svc.cluster.local", "shop/echo") && !found("*.eu.mesh.local", "shop/*"));
    }
}
