//! Configurations that together set each attribute of each resource, and the certificates in them.

use serde_json::{Value as Json, json};

use super::NAMESPACE;
use crate::{
    data::{CaSubject, Certificate, KeyAlgorithm},
    ports::{
        Authority,
        fakes::{FakeAuthority, FakeClock},
    },
};

/// Configurations of a resource that together set each optional attribute, to something else than its default.
pub(super) fn configurations(name: &str, root_fingerprint: &str, request: &str) -> Vec<Json> {
    let timeouts = json!({"create": "5m", "read": "1m", "update": "5m", "delete": "5m"});
    match name {
        "mesh_root_ca" => vec![
            json!({
                "cluster": "us", "namespace": NAMESPACE, "name": "existing", "existing_certificate": backup().certificate,
                "existing_private_key_wo": backup().key.reveal(), "existing_private_key_wo_version": 2,
            }),
            json!({
                "cluster": "us", "namespace": NAMESPACE, "name": "root", "common_name": "Root", "organization": "Corp", "validity_days": 400,
                "rotation": 2, "warn_before_days": 20, "timeouts": timeouts,
            }),
        ],
        "mesh_cluster_ca" => vec![
            json!({
                "cluster": "eu", "namespace": NAMESPACE, "common_name": "CA", "organization": "Corp", "validity_days": 200,
                "renew_before_days": 20, "warn_before_days": 30, "key_algorithm": "RSA-4096", "timeouts": timeouts,
                "root_ca": {"cluster": "us", "namespace": NAMESPACE, "name": "root", "fingerprint": root_fingerprint},
                "trusted_roots": [backup().certificate], "force_root_change": true,
            }),
            json!({
                "cluster": "us", "namespace": "ready-made", "root_certificate": own_root().certificate,
                "intermediate_certificate": ready_made()[0].certificate, "intermediate_chain": ready_made()[1].certificate,
                "intermediate_private_key_wo": ready_made()[0].key.reveal(), "intermediate_private_key_wo_version": 2,
            }),
            json!({"cluster": "us", "namespace": "external", "external": true}),
            json!({
                "cluster": "eu", "namespace": "requested", "root_certificate": own_root().certificate,
                "intermediate_certificate": answer(request),
                "request": {"cluster": "eu", "namespace": "requested", "name": "request", "certificate_request": request},
            }),
            json!({
                "cluster": "us", "namespace": "own", "root_private_key_wo_version": 2,
                "root_certificate": own_root().certificate, "root_private_key_wo": own_root().key.reveal(),
            }),
        ],
        "mesh_cluster_ca_request" => vec![json!({
            "cluster": "eu", "namespace": "requested", "name": "request", "common_name": "CA", "organization": "Corp",
            "key_algorithm": "RSA-4096", "rotation": 2, "timeouts": timeouts,
        })],
        "mesh_cluster" => vec![json!({
            "cluster": "eu", "mesh_id": "m", "network": "eu-net", "trust_domain": "corp.local", "trust_domain_aliases": ["us.local"], "cluster_name": "europe",
            "namespace": NAMESPACE, "ca": {"cluster": "eu", "root_fingerprint": root_fingerprint, "trusted_fingerprints": [trusted_fingerprint()]}, "istio_version": "1.30.0",
            "values": ["global: {hub: h}"], "values_wo": "global: {hub: h}", "values_wo_version": 1, "base_values": ["base: {enableCRDTemplates: false}"],
            "namespace_labels": {"pod-security.kubernetes.io/enforce": "privileged"}, "namespace_annotations": {"a.example/b": "c"},
            "canary": {"revision": "next", "istio_version": "1.31.0", "values": ["revisionTags: [trial]"]},
            "dns_capture": false, "mtls_mode": "STRICT", "delete_crds": true,
            "ignore_drift": ["Deployment mesh-system/istiod: spec.replicas"], "adopt": true, "timeouts": timeouts,
        })],
        "mesh_eastwest_gateway" => vec![json!({
            "cluster": "eu", "network": "eu-net", "namespace": NAMESPACE, "name": "gateway", "service_name": "named", "label": "eastwest", "istio_version": "1.30.0",
            "service_annotations": {"a.example/b": "c"}, "load_balancer_class": "l", "source_ranges": ["203.0.113.0/24"], "replicas": 2, "revision": "next",
            "external_addresses": ["198.51.100.9"], "external_port": 15443, "exposed_services": ["shop/echo"], "exposed_service_labels": {"expose": "true"}, "ignore_drift": ["Service *"], "adopt": true,
            "values": ["resources: {limits: {cpu: 1}}"], "values_wo": "resources: {limits: {cpu: 1}}", "values_wo_version": 1, "timeouts": timeouts,
        })],
        "mesh_link" => vec![json!({
            "cluster": "us", "network": "eu-net", "addresses": ["198.51.100.9", "lb.example.com"], "port": 443, "namespace": NAMESPACE,
            "gateway_api_crds_wo": definitions(), "timeouts": timeouts,
        })],
        "mesh_remote_secret" => vec![json!({
            "cluster": "us", "namespace": NAMESPACE, "remote": {"cluster": "eu", "cluster_name": "europe", "namespace": NAMESPACE},
            "remote_gateway": {"cluster": "eu", "addresses": ["198.51.100.9"]}, "server": "https://198.51.100.12:6443",
            "ca_certificate": "-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n", "tls_server_name": "eu.example.com", "service_account": "reader",
            "token_lifetime_hours": 1, "renew_before_hours": 2, "rotation": 3, "legacy_token": true, "timeouts": timeouts,
        })],
        "mesh_service_export" => exports(&timeouts),
        "mesh_service_import" => vec![
            json!({
                "cluster": "us", "service": {
                    "host": "linked.eu.mesh.local", "address": "240.0.0.4", "ports": [{"number": 80, "name": "web", "protocol": "HTTP"}],
                    "identities": [], "network": "eu-net",
                },
            }),
            json!({
                "cluster": "us", "namespace": "imports", "export_to": [".", "shop"], "destination_rule": false, "timeouts": timeouts,
                "service": {
                    "host": "cart.eu.mesh.local", "address": "240.0.0.3", "ports": [{"number": 80, "name": "web", "protocol": "HTTP"}],
                    "identities": ["spiffe://corp.local/ns/shop/sa/cart"], "gateway_addresses": ["198.51.100.9"], "gateway_port": 443,
                    "locality": "eu/a", "endpoint_labels": {"topology.istio.io/cluster": "eu"},
                },
            }),
        ],
        "mesh_global_service" => vec![json!({
            "host": "checkout.mesh.local", "namespace": "echo", "service": "echo", "weights": {"us": 0, "eu": 2}, "vip": "240.0.0.5",
            "gateways": {
                "us": {"cluster": "us", "namespace": "istio-system", "name": "istio-eastwestgateway", "network": "us-net"},
                "eu": {"cluster": "eu", "namespace": NAMESPACE, "name": "gateway", "service_name": "named", "label": "eastwest", "network": "eu-net"},
            },
            "outlier_detection": {"consecutive_errors": 1, "interval_seconds": 2, "ejection_seconds": 20}, "export_to": [".", "shop"],
            "ports": [{"number": 80, "name": "web", "protocol": "HTTP", "target_port": 8080}], "selector": {"app": "echo"},
            "service_accounts": ["echo"], "trust_domain": "corp.local", "callers": ["spiffe://corp.local/ns/shop/sa/cart"],
            "timeouts": timeouts,
        })],
        other => panic!("{other} has no configuration here: add one that sets all of its attributes"),
    }
}

/// Those of an export.
fn exports(timeouts: &Json) -> Vec<Json> {
    vec![
        json!({
            "host": "orders.eu.mesh.local", "namespace": "echo", "service": "echo", "importers": ["us"], "network": "eu-net",
            "gateway": {"cluster": "eu", "namespace": "istio-system", "name": "istio-eastwestgateway"},
        }),
        json!({
            "host": "echo.eu.mesh.local", "namespace": "echo", "service": "echo", "importers": ["us"], "importer_namespace": "imports",
            "gateway": {"cluster": "eu", "namespace": "istio-system", "name": "istio-eastwestgateway", "service_name": "named", "label": "eastwest", "port": 443, "addresses": ["198.51.100.9"]},
            "export_to": [".", "shop"], "vip": "240.0.0.2", "selector": {"app": "echo"}, "service_accounts": ["echo"],
            "ports": [{"number": 80, "name": "web", "protocol": "HTTP", "target_port": 8080}],
            "trust_domain": "corp.local", "callers": ["spiffe://corp.local/ns/shop/sa/cart"], "locality": "eu/a", "adopt": true, "destination_rule": false,
            "mcs_service_export": true, "endpoint_labels": {"topology.istio.io/cluster": "eu"}, "timeouts": timeouts,
        }),
    ]
}

/// The user's own root. The fake numbers its certificates, so this one comes after those of the resources.
pub(super) fn own_root() -> Certificate {
    let authority = FakeAuthority::at(FakeClock::default());
    let subject = CaSubject { common_name: "Own".to_owned(), organization: "Corp".to_owned(), algorithm: KeyAlgorithm::default() };
    let create = || authority.create_root(&subject, std::time::Duration::from_secs(86_400 * 1000)).expect("a root");
    for _ in 0..8 {
        create();
    }
    create()
}

/// Another root, as it would come from a backup.
fn backup() -> Certificate {
    let authority = FakeAuthority::at(FakeClock::default());
    for _ in 0..32 {
        authority.sign(&own_root(), "Number", None, std::time::Duration::ZERO);
    }
    let subject = CaSubject { common_name: "Backup".to_owned(), organization: "Corp".to_owned(), algorithm: KeyAlgorithm::default() };
    authority.create_root(&subject, std::time::Duration::from_secs(86_400 * 1000)).expect("a root")
}

/// The fingerprint of the backup, which the clusters trust as well.
fn trusted_fingerprint() -> String {
    FakeAuthority::at(FakeClock::default()).inspect(&backup().certificate).expect("a certificate").fingerprint
}

/// An intermediate that the user's own root has signed by way of another, and that other one.
pub(super) fn ready_made() -> [Certificate; 2] {
    let authority = FakeAuthority::at(FakeClock::default());
    for _ in 0..16 {
        authority.sign(&own_root(), "Number", None, std::time::Duration::ZERO);
    }
    let issuing = authority.sign(&own_root(), "Issuing", None, std::time::Duration::from_secs(86_400 * 900));
    [authority.sign(&issuing, "Istio", Some(0), std::time::Duration::from_secs(86_400 * 800)), issuing]
}

/// The certificate that a request becomes.
fn answer(request: &str) -> String {
    let authority = FakeAuthority::at(FakeClock::default());
    for _ in 0..64 {
        authority.sign(&own_root(), "Number", None, std::time::Duration::ZERO);
    }
    authority.sign_request(&own_root(), request, std::time::Duration::from_secs(86_400 * 800))
}

/// The definitions of a release of the Gateway API.
fn definitions() -> String {
    let definition = |plural: &str| {
        let (group, version) = ("gateway.networking.k8s.io", json!({"name": "v1", "served": true}));
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("{plural}.{group}")},
            "spec": {"group": group, "versions": [version]},
        })
    };
    ["gatewayclasses", "gateways"].map(|plural| definition(plural).to_string()).join("\n---\n")
}
