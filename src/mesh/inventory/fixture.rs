//! Meshes for tests, as the objects of their clusters.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use time::{Duration, OffsetDateTime, macros::datetime};

use super::{ClusterInventory, Inventory, Objects, Roots, Served};
use crate::{
    data::{CertificateFacts, Name, Secret},
    istio::well_known::{TLS_MODE_ISTIO, TLS_MODE_LABEL},
    mesh::{
        export::{Export, ExportId, Import, Request},
        global::{Global, GlobalId},
        helm::gateway::Address,
        labels::EXPORT_RECORD,
        link::Link,
        names::{ClusterKey, Host, Namespace, NetworkName, ServiceAccountName, ServicePort, TrustDomain},
        remote_secret::{Account, Kubeconfig, Place, TokenRecord},
    },
};

/// When the inventories of the tests are read.
pub const AT: OffsetDateTime = datetime!(2030-01-01 00:00 UTC);

/// The objects of clusters, by key.
pub type Mesh = BTreeMap<String, Objects>;

/// Two clusters: `eu` exports `echo.eu.mesh.local`, and `us` imports it.
pub fn two_clusters() -> Mesh {
    mesh(&["eu", "us"], &[("eu", "echo.eu.mesh.local")])
}

/// Clusters, of which each imports every export of another.
pub fn mesh(keys: &[&str], exports: &[(&str, &str)]) -> Mesh {
    let mut mesh: Mesh = keys.iter().enumerate().map(|(index, key)| ((*key).to_owned(), cluster(key, index))).collect();
    for (exporter, host) in exports {
        let index = keys.iter().position(|key| key == exporter).unwrap();
        let export = export(exporter, host, keys, index);
        for (key, objects) in &mut mesh {
            add(objects, export.manifests(&ClusterKey::parse(key).unwrap()));
        }
    }
    mesh
}

/// Clusters that all serve one host.
pub fn serving(keys: &[&str], host: &str, weights: &Json) -> Mesh {
    let mut mesh = mesh(keys, &[]);
    let member =
        |key: &str| json!({"network": format!("{key}-net"), "gatewayName": "istio-eastwestgateway", "gatewayNamespace": "istio-system"});
    let members: serde_json::Map<_, _> = keys.iter().map(|key| ((*key).to_owned(), member(key))).collect();
    let part = |(index, key): (usize, &&str)| (ClusterKey::parse(key).unwrap(), export(key, host, &[key], index));
    let parts: BTreeMap<_, _> = keys.iter().enumerate().map(part).collect();
    let first = parts.values().next().unwrap();
    let global = Global {
        id: GlobalId { namespace: first.id.namespace.clone(), host: first.id.host.clone() },
        request: serde_json::from_value(json!({"service": "echo", "members": members, "weights": weights, "serviceAccounts": ["echo"]}))
            .unwrap(),
        ports: first.ports.clone(),
        identities: ["spiffe://corp.local/ns/echo/sa/echo".to_owned()].into(),
        parts,
    };
    for (key, objects) in &mut mesh {
        add(objects, global.manifests(&ClusterKey::parse(key).unwrap()));
        for (index, other) in keys.iter().enumerate().filter(|(_, other)| *other != key) {
            link(objects, &format!("{other}-net"), index);
        }
    }
    mesh
}

/// The same clusters, with an export by network: the US has a link to the EU, and discovers it.
pub fn by_network() -> Mesh {
    let mut mesh = two_clusters();
    let record = &mut mesh.get_mut("eu").unwrap().entries[0]["metadata"]["annotations"][EXPORT_RECORD];
    *record = json!(record.as_str().unwrap().replacen('{', r#"{"network":"eu-net","#, 1));
    let us = mesh.get_mut("us").unwrap();
    us.entries[0]["spec"]["endpoints"] = json!([{"network": "eu-net"}]);
    link(us, "eu-net", 0);
    discover(us, "eu", 5);
    know(us, "eu", 0);
    mesh
}

/// Adds a link to the network of a cluster with this number, taken up by istiod.
pub fn link(objects: &mut Objects, network: &str, index: usize) {
    let link = Link {
        network: NetworkName::parse(network).unwrap(),
        namespace: Namespace::parse("istio-system").unwrap(),
        addresses: vec![Address::parse(&address(index)).unwrap()],
        port: 15443,
    };
    let mut gateway = link.manifest();
    gateway["status"] = json!({"conditions": [{"type": "Programmed", "status": "True"}]});
    objects.api_gateways.get_or_insert_default().push(gateway);
    know_at(objects, "itself", network, &address(index));
}

/// Lets the pod of istiod that tells of the networks know the gateway of a cluster with this number.
pub fn know(objects: &mut Objects, cluster: &str, index: usize) {
    know_at(objects, cluster, &format!("{cluster}-net"), &address(index));
}

/// Lets it know a gateway in a cluster to a network at an address.
pub fn know_at(objects: &mut Objects, cluster: &str, network: &str, address: &str) {
    let gateway = json!({
        "Network": network, "Cluster": cluster, "Addr": address, "Port": 15443, "HBONEPort": 0, "ServiceAccount": {"Namespace": "", "Name": ""},
    });
    add_to_page(&mut objects.networks_pages, gateway);
}

/// Adds to the answer of a pod of istiod.
fn add_to_page(pages: &mut BTreeMap<String, Result<String, String>>, entry: Json) {
    let page = pages.entry("istio-system/istiod-1".to_owned()).or_insert_with(|| Ok("[]".to_owned()));
    let mut all: Vec<Json> = serde_json::from_str(page.as_ref().unwrap()).unwrap();
    all.push(entry);
    *page = Ok(json!(all).to_string());
}

/// Lets a cluster discover another one, with a token that is valid for so many of the last ten days.
pub fn discover(objects: &mut Objects, name: &str, days_left: i64) {
    let place = Place {
        namespace: Namespace::parse("istio-system").unwrap(),
        remote: ClusterKey::parse(name).unwrap(),
        name: ClusterKey::parse(name).unwrap(),
    };
    let record = TokenRecord {
        account: Account { namespace: place.namespace.clone(), name: ServiceAccountName::parse("reader").unwrap() },
        lifetime_hours: 240,
        rotation: None,
        issued_at: AT - Duration::days(10 - days_left),
        expires_at: Some(AT + Duration::days(days_left)),
        check: String::new(),
        gateway: None,
    };
    let kubeconfig = Kubeconfig { server: String::new(), ca_certificate: None, tls_server_name: None, token: Secret::new("") };
    objects.remote_secrets.get_or_insert_default().push(place.manifest(&kubeconfig, &record));
    let read = json!({"id": name, "secretName": format!("istio-system/{}", place.object().name), "syncStatus": "synced"});
    add_to_page(&mut objects.clusters_pages, read);
}

/// Puts manifests into a cluster.
fn add(objects: &mut Objects, manifests: Vec<Json>) {
    for manifest in manifests {
        match manifest["kind"].as_str().unwrap() {
            "ServiceEntry" => {
                if manifest["metadata"]["annotations"][EXPORT_RECORD].is_string() {
                    let host = manifest["spec"]["hosts"][0].as_str().unwrap().to_owned();
                    objects.served.insert(host, Served::Presented(vec!["spiffe://corp.local/ns/echo/sa/echo".to_owned()]));
                }
                objects.entries.push(manifest);
            }
            "DestinationRule" => objects.rules.push(manifest),
            _ => objects.gateways.push(manifest),
        }
    }
}

fn export(exporter: &str, host: &str, keys: &[&str], index: usize) -> Export {
    let importers: Vec<_> = keys.iter().filter(|key| **key != exporter).collect();
    let request = json!({
        "service": "echo", "gatewayName": "istio-eastwestgateway", "gatewayNamespace": "istio-system", "importers": importers,
        "serviceAccounts": ["echo"],
    });
    Export {
        id: ExportId {
            exporter: ClusterKey::parse(exporter).unwrap(),
            namespace: Namespace::parse("echo").unwrap(),
            host: Host::parse(host).unwrap(),
        },
        request: serde_json::from_value::<Request>(request).unwrap(),
        addresses: vec![Address::parse(&address(index)).unwrap()],
        ports: vec![ServicePort::of(80, None, crate::mesh::Protocol::parse("HTTP").unwrap(), None)],
        selector: BTreeMap::from([("app".to_owned(), "echo".to_owned())]),
        trust_domain: Some(TrustDomain::parse("corp.local").unwrap()),
        opening: None,
    }
}

/// Replaces the import that the export of `eu` has made by a `mesh_service_import` of the same host.
pub fn import(objects: &mut Objects) {
    let import = serde_json::from_value::<Import>(json!({
        "service": {
            "host": "echo.eu.mesh.local", "address": "240.0.0.2", "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
            "identities": ["spiffe://corp.local/ns/echo/sa/echo"], "gatewayAddresses": [address(0)], "gatewayPort": 15443,
        },
    }));
    objects.entries.clear();
    objects.rules.clear();
    add(objects, import.unwrap().manifests(&Namespace::parse("istio-system").unwrap()));
}

/// The address of a cluster's gateway.
fn address(index: usize) -> String {
    format!("198.51.100.{}", index + 10)
}

fn cluster(key: &str, index: usize) -> Objects {
    let network = format!("{key}-net");
    let labels = json!({"topology.istio.io/network": network});
    let webhook = |name: &str| {
        let client = json!({"caBundle": "abc", "service": {"namespace": "istio-system", "name": "istiod"}});
        json!({"metadata": {"name": name}, "webhooks": [{"name": "a", "clientConfig": client}]})
    };
    let config = "trustDomain: corp.local\ndefaultConfig: {meshId: shop-mesh}";
    Objects {
        uid: Some(format!("the UID of {key}")),
        control_planes: vec![deployment("istiod", &json!({"app": "istiod", "app.kubernetes.io/version": "1.31.0"}), 1)],
        control_plane_pods: Vec::new(),
        namespaces: vec![json!({"metadata": {"name": "istio-system", "labels": labels}})],
        mesh_configs: vec![json!({"metadata": {"namespace": "istio-system", "name": "istio"}, "data": {"mesh": config}})],
        roots: vec![roots("abcdef0123456789")],
        injectors: vec![webhook("istio-sidecar-injector")],
        validators: vec![webhook("istio-validator-istio-system")],
        gateway_services: vec![json!({
            "metadata": {"namespace": "istio-system", "name": "istio-eastwestgateway", "labels": labels},
            "spec": {"type": "LoadBalancer", "selector": {"istio": "eastwestgateway"}, "ports": [{"name": "tls", "port": 15443, "targetPort": 15443}]},
            "status": {"loadBalancer": {"ingress": [{"ip": address(index)}]}},
        })],
        gateway_deployments: vec![gateway_deployment(&network)],
        gateway_pods: ["gateway-1", "gateway-2"].map(gateway_pod).into(),
        sidecars: vec![pod("echo-1", true, true), pod("client-1", true, true)],
        pods: Some(vec![pod("echo-1", true, true), pod("client-1", true, true)]),
        ..Objects::default()
    }
}

fn gateway_deployment(network: &str) -> Json {
    let mut deployment = deployment("istio-eastwestgateway", &json!({"topology.istio.io/network": network}), 1);
    deployment["spec"]["template"] = json!({"metadata": {"labels": {"istio": "eastwestgateway", "app": "istio-eastwestgateway"}}});
    deployment
}

fn gateway_pod(name: &str) -> Json {
    let mut pod = pod(name, false, true);
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"] = json!({"namespace": "istio-system", "name": name, "labels": {"istio": "eastwestgateway"}});
    pod
}

/// A Deployment whose pods are all ready.
pub fn deployment(name: &str, labels: &Json, replicas: u64) -> Json {
    json!({
        "metadata": {"namespace": "istio-system", "name": name, "labels": labels},
        "spec": {"replicas": replicas}, "status": {"readyReplicas": replicas},
    })
}

/// The certificates of a cluster with one root.
pub fn roots(fingerprint: &str) -> Roots {
    let root = certificate(fingerprint, datetime!(2040-01-01 00:00 UTC));
    let signer = certificate("the intermediate", datetime!(2032-01-01 00:00 UTC));
    let used = [("istiod-1".to_owned(), Ok(signer.clone()))].into();
    Roots { namespace: "istio-system".to_owned(), served: vec![root.clone()], configured: vec![root], signer: Some(signer), used }
}

/// A certificate with what the checks look at.
pub fn certificate(fingerprint: &str, not_after: OffsetDateTime) -> CertificateFacts {
    let name = Name { der: Vec::new(), text: "O=Corp, CN=Root".to_owned() };
    CertificateFacts {
        pem: String::new(),
        fingerprint: fingerprint.to_owned(),
        subject: name.clone(),
        issuer: name,
        not_before: datetime!(2025-01-01 00:00 UTC),
        not_after,
        organization: String::new(),
        common_name: String::new(),
        uris: Vec::new(),
        algorithm: String::new(),
        may_sign: true,
        path_len: None,
    }
}

/// A pod of namespace `echo`, whose label `app` is the first part of its name.
pub fn pod(name: &str, has_sidecar: bool, is_ready: bool) -> Json {
    let proxy = json!({
        "name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.31.0", "args": ["proxy", "sidecar"],
        "env": [{"name": "ISTIO_META_DNS_CAPTURE", "value": "true"}],
    });
    let app = name.split('-').next().unwrap();
    let tls_mode = has_sidecar.then_some(TLS_MODE_ISTIO);
    json!({
        "metadata": {"namespace": "echo", "name": name, "labels": {"app": app, TLS_MODE_LABEL: tls_mode}},
        "spec": {"containers": [{"name": app, "image": "echo"}], "initContainers": if has_sidecar { json!([proxy]) } else { json!([]) }},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": if is_ready { "True" } else { "False" }}]},
    })
}

/// What the clusters show.
pub fn inventory(mesh: &Mesh) -> Inventory {
    let clusters = mesh.iter().map(|(key, objects)| {
        let key = ClusterKey::parse(key).unwrap();
        let shown = ClusterInventory::of(&key, objects);
        (key, Ok(shown))
    });
    Inventory { clusters: clusters.collect(), at: AT }
}
