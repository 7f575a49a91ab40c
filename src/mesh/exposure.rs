//! Services for which an east-west gateway is open under their own names, for clusters that discover them. One Gateway for all of them.

use std::{collections::BTreeMap, fmt};

use serde_json::Value as Json;

use super::{
    export::opening,
    helm::gateway::{GatewayNames, PORT},
    labels::Owner,
    manifest::with_spec,
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

/// Returns the reference of the Gateway.
pub fn object(namespace: &Namespace, names: &GatewayNames) -> ObjectRef {
    ObjectRef::namespaced(Kind::GATEWAY, namespace.as_str(), format!("mesh-exposed-{}", names.release))
}

/// Returns the manifest of the Gateway. A Service that a namespace as a whole includes has no host of its own.
pub fn manifest(namespace: &Namespace, names: &GatewayNames, services: &[ExposedService]) -> Json {
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
    with_spec(Kind::GATEWAY, namespace, &object(namespace, names).name, &Owner::Exposure, &gateway)
}

/// Reads the Services off a live Gateway.
pub fn read(live: &Json) -> Vec<ExposedService> {
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
        let manifest = manifest(&namespace, &names(), &services(&["shop/*", "shop/echo", "bank/cart"]));
        assert_eq!(manifest["metadata"]["name"], "mesh-exposed-istio-eastwestgateway");
        assert_eq!(manifest["spec"]["selector"], json!({"istio": "eastwestgateway"}));
        assert_eq!(manifest["spec"]["servers"][0]["hosts"], json!(["*.shop.svc.cluster.local", "cart.bank.svc.cluster.local"]));
        assert_eq!(read(&manifest), services(&["shop/*", "bank/cart"]));
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
