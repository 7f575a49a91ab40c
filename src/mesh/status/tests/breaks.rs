//! The ways to break a mesh.

use serde_json::json;
use time::macros::datetime;

use super::*;

pub(super) type Break = fn(&mut Mesh);

/// What breaks a mesh, and the beginning of the first line of its summary.
pub(super) const BREAKS: &[(Break, &str)] = &[
    (
        |mesh| mesh.get_mut("us").unwrap().uid = Some("the UID of eu".to_owned()),
        "error cluster.distinct: The keys eu and us lead to one cluster.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().unread.extend([("secrets".to_owned(), "Forbidden".to_owned())]),
        "unknown cluster.readable: cluster eu: Not everything",
    ),
    (|mesh| mesh.get_mut("eu").unwrap().control_planes.clear(), "error istiod.installed: cluster eu: There is no istiod."),
    (
        |mesh| mesh.get_mut("eu").unwrap().control_planes[0]["spec"]["replicas"] = json!(0),
        "error istiod.ready: cluster eu: istio-system/istiod: istiod is scaled to 0 pods.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().control_planes[0]["status"] = json!({}),
        "error istiod.ready: cluster eu: istio-system/istiod: 0 of 1 pods of istiod are ready.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().control_planes[0]["spec"]["replicas"] = json!(2),
        "warning istiod.ready: cluster eu: istio-system/istiod: 1 of 2 pods of istiod are ready.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().control_planes[0]["metadata"]["labels"]["app.kubernetes.io/version"] = json!("1.29.3"),
        "warning istiod.version: Versions are more than one minor version apart: 1.29.3 in eu; 1.31.0 in us.",
    ),
    (|mesh| mesh.get_mut("us").unwrap().injectors.clear(), "error webhook.injection: cluster us: The webhook is not registered."),
    (
        |mesh| mesh.get_mut("us").unwrap().injectors[0]["webhooks"][0]["clientConfig"]["caBundle"] = json!(""),
        "error webhook.injection: cluster us: istiod has put no certificate into istio-sidecar-injector.",
    ),
    (
        |mesh| {
            let why = "context deadline exceeded".to_owned();
            mesh.get_mut("us").unwrap().validations.insert("istio-validator-istio-system".to_owned(), Validation::NotCalled(why));
        },
        "error webhook.validation: cluster us: The API server can't call istio-validator-istio-system: context deadline exceeded",
    ),
    (
        |mesh| _ = mesh.get_mut("us").unwrap().validations.insert("istio-validator-istio-system".to_owned(), Validation::Accepted),
        "warning webhook.validation: cluster us: istio-validator-istio-system lets an invalid object pass.",
    ),
    (|mesh| mesh.get_mut("us").unwrap().validators.clear(), "warning webhook.validation: cluster us: The webhook is not registered."),
    (
        |mesh| mesh.get_mut("us").unwrap().roots[0].signer = Some(certificate("x", datetime!(2030-01-20 00:00 UTC))),
        "warning ca.expiry: cluster us: CA certificate of istiod O=Corp, CN=Root: It expires on 2030-01-20.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().roots[0].signer = Some(certificate("x", datetime!(2029-12-31 00:00 UTC))),
        "error ca.expiry: cluster us: CA certificate of istiod O=Corp, CN=Root: It has expired on 2029-12-31.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().roots[0].configured = roots("fedcba9876543210").served,
        "error ca.served: cluster us: istio-system/istiod: istiod serves the root abcdef012345, and the Secret cacerts holds the root fedcba987654.",
    ),
    (
        |mesh| {
            let old = certificate("old", datetime!(2030-03-01 00:00 UTC));
            mesh.get_mut("us").unwrap().roots[0].used.insert("istiod-2".to_owned(), Ok(old));
        },
        "warning ca.used: cluster us: Pod istiod-2: It signs with the CA old, valid until 2030-03-01, and the Secret cacerts holds the intermed.",
    ),
    (
        |mesh| _ = mesh.get_mut("us").unwrap().roots[0].used.insert("istiod-2".to_owned(), Err("It is gone.".to_owned())),
        "unknown ca.used: cluster us: Pod istiod-2: istiod can't be asked for its CA: It is gone.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().roots = vec![roots("fedcba9876543210")],
        "error ca.root: There is no common root of trust: the root abcdef012345 in eu; the root fedcba987654 in us.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().mesh_configs[0]["data"]["mesh"] = json!("trustDomain: corp.local"),
        "warning mesh.id: Clusters have different mesh IDs: no ID in us; shop-mesh in eu.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().mesh_configs[0]["data"]["mesh"] = json!("defaultConfig: {meshId: shop-mesh}"),
        "error mesh.trust_domain: Clusters have different trust domains: cluster.local in us; corp.local in eu.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().namespaces[0]["metadata"]["labels"] = json!({}),
        "error network.label: cluster us: Namespace istio-system: The namespace has no label topology.istio.io/network.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().namespaces[0]["metadata"]["labels"]["topology.istio.io/network"] = json!("eu-net"),
        "warning network.distinct: Clusters share a network: eu-net in eu, us.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().gateway_services.clear(),
        "error gateway.present: cluster eu: istio-system/istio-eastwestgateway: Exports name it",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().gateway_deployments[0]["spec"]["replicas"] = json!(0),
        "error gateway.ready: cluster eu: istio-system/istio-eastwestgateway: It is scaled to 0 pods.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().gateway_services[0]["status"] = json!({}),
        "error gateway.address: cluster eu: istio-system/istio-eastwestgateway: The load balancer has no address.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().gateways.clear(),
        "error export.open: cluster eu: echo.eu.mesh.local: No Gateway opens the host on istio-system/istio-eastwestgateway.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().pods = Some(Vec::new()),
        "error export.pods: cluster eu: echo.eu.mesh.local: No pod of namespace echo matches the exported selector.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().pods = Some(vec![pod("echo-1", true, false)]),
        "error export.pods: cluster eu: echo.eu.mesh.local: None of 1 pod is ready.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().pods = Some(vec![pod("echo-1", false, true), pod("echo-2", true, true)]),
        "warning export.pods: cluster eu: echo.eu.mesh.local: 1 pod without a sidecar: echo-1.",
    ),
    (
        |mesh| {
            let refused = Served::Refused("tls handshake eof".to_owned());
            mesh.get_mut("eu").unwrap().served.insert("echo.eu.mesh.local".to_owned(), refused);
        },
        "error export.served: cluster eu: echo.eu.mesh.local: The east-west gateway takes no TLS connection to it: tls handshake eof.",
    ),
    (
        |mesh| _ = mesh.get_mut("eu").unwrap().served.insert("echo.eu.mesh.local".to_owned(), Served::Unasked("It is gone.".to_owned())),
        "unknown export.served: cluster eu: echo.eu.mesh.local: The east-west gateway can't be asked: It is gone.",
    ),
    (
        |mesh| _ = mesh.get_mut("eu").unwrap().served.insert("echo.eu.mesh.local".to_owned(), Served::Presented(Vec::new())),
        "error export.served: cluster eu: echo.eu.mesh.local: The certificate that answers has no identity, which is not of the trust domain corp.local.",
    ),
    (
        |mesh| {
            let other = Served::Presented(vec!["spiffe://corp.local/ns/echo/sa/default".to_owned()]);
            mesh.get_mut("eu").unwrap().served.insert("echo.eu.mesh.local".to_owned(), other);
        },
        "error export.served: cluster eu: echo.eu.mesh.local: It is served as spiffe://corp.local/ns/echo/sa/default, and the export has the service \
         accounts echo of namespace echo.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().entries.clear(),
        "error import.present: cluster us: echo.eu.mesh.local: Cluster eu exports the host to this cluster, and its ServiceEntry is missing.",
    ),
    (|mesh| mesh.get_mut("us").unwrap().rules.clear(), "warning import.present: cluster us: echo.eu.mesh.local: The DestinationRule"),
    (
        |mesh| mesh.get_mut("eu").unwrap().entries.clear(),
        "error import.exported: cluster us: echo.eu.mesh.local: Cluster eu doesn't export it.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().entries[0]["spec"]["endpoints"][0]["address"] = json!("203.0.113.9"),
        "warning import.address: cluster us: echo.eu.mesh.local: It has the address 203.0.113.9, and the gateway of cluster eu has 198.51.100.10.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().rules[0]["spec"]["trafficPolicy"]["tls"]["mode"] = json!("DISABLE"),
        "error import.tls: cluster us: echo.eu.mesh.local: Its DestinationRule has the TLS mode DISABLE.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().entries[0]["spec"]["subjectAltNames"] = json!(["spiffe://corp.local/ns/other/sa/echo"]),
        "error import.identity: cluster us: echo.eu.mesh.local: It accepts spiffe://corp.local/ns/other/sa/echo, and the export has",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().entries[0]["spec"]["subjectAltNames"] = json!([]),
        "warning import.identity: cluster us: echo.eu.mesh.local: It accepts any identity",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().sidecars[0]["spec"]["initContainers"][0]["image"] = json!("proxyv2:1.29.1-distroless"),
        "warning sidecar.version: cluster us: 1 sidecar too far from istiod 1.31.0: echo/echo-1 (1.29.1).",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().sidecars[1]["spec"]["initContainers"][0]["env"] = json!([]),
        "warning sidecar.dns: cluster us: 1 sidecar without DNS capture: echo/client-1.",
    ),
    (
        |mesh| {
            let us = by_network(mesh);
            us.api_gateways = Some(Vec::new());
            us.remote_secrets = Some(Vec::new());
        },
        "warning import.link: cluster us: echo.eu.mesh.local: No link leads to network eu-net.",
    ),
    (
        |mesh| by_network(mesh).api_gateways.as_mut().unwrap()[0]["status"] = json!({}),
        "error link.ready: cluster us: istio-system/mesh-link-eu-net: istiod has not taken up the Gateway to network eu-net.",
    ),
    (
        |mesh| {
            let us = by_network(mesh);
            us.api_gateways.as_mut().unwrap()[0]["spec"]["addresses"][0]["value"] = json!("203.0.113.9");
            fixture::know_at(us, "itself", "eu-net", "203.0.113.9");
        },
        "warning link.address: cluster us: istio-system/mesh-link-eu-net: It has the address 203.0.113.9, port 15443, and the gateways of network eu-net",
    ),
    (
        |mesh| _ = by_network(mesh).networks_pages.insert("istio-system/istiod-2".to_owned(), Ok("null".to_owned())),
        "error link.gateway: cluster us: istio-system/mesh-link-eu-net: istiod doesn't know the way to network eu-net: istio-system/istiod-2 knows no gateway.",
    ),
    (
        |mesh| fixture::discover(by_network(mesh), "ap", -1),
        "error discovery.token: cluster us: istio-system/istio-remote-secret-ap: The token for cluster ap has expired at 2029-12-31",
    ),
    (
        |mesh| _ = by_network(mesh).clusters_pages.insert("istio-system/istiod-2".to_owned(), Ok("[]".to_owned())),
        "error discovery.read: cluster us: istio-system/istio-remote-secret-eu: istiod doesn't read cluster eu: istio-system/istiod-2: it doesn't know",
    ),
    (
        |mesh| _ = by_network(mesh).clusters_pages.insert("istio-system/istiod-1".to_owned(), Err("It is silent.".to_owned())),
        "unknown discovery.read: cluster us: istio-system/istio-remote-secret-eu: It can't be told whether istiod reads cluster eu: istio-system/istiod-1: It is silent.",
    ),
    (
        |mesh| {
            let us = by_network(mesh);
            us.api_gateways = Some(Vec::new());
            us.networks_pages.clear();
            fixture::know_at(us, "eu", "eu-net", "203.0.113.9");
        },
        "error discovery.gateway: cluster us: istio-system/istio-remote-secret-eu: istiod doesn't know the way to network eu-net: istio-system/istiod-1 \
         knows 203.0.113.9 port 15443, and the gateway of cluster eu has 198.51.100.10 port 15443.",
    ),
];

/// Makes it a mesh with an export by network. Returns the importing cluster.
fn by_network(mesh: &mut Mesh) -> &mut Objects {
    *mesh = fixture::by_network();
    mesh.get_mut("us").unwrap()
}
