//! Input that is refused before anything is contacted: at which attribute, and what the message teaches.

use framework::protocol::wire::{
    AttributePath, Diagnostic, attribute_path::step::Selector, call_function, diagnostic::Severity, validate_data_resource_config,
    validate_ephemeral_resource_config, validate_provider_config, validate_resource_config,
};
use plugin_host::{
    ABLE, rules,
    values::{encode, object},
};
use rmpv::Value;
use serde_json::{Value as Json, json};

use crate::{configurations::configurations, session::Session};

/// A configuration in addition to the minimal one, the path at which it is refused, and a part of the message.
type Case = (Json, &'static str, &'static str);

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";

fn clusters() -> Vec<Case> {
    let host = "https://eu.example.com";
    let plugin = json!({"api_version": "client.authentication.k8s.io/v1", "command": "aws"});
    let with = |mut access: Json, more: Json| {
        access.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!({"clusters": {"eu": access}})
    };
    let file = |more: Json| with(json!({"config_path": "~/.kube/config"}), more);
    let token = |more: Json| with(json!({"host": host, "token": "t0ken"}), more);
    let bare = |more: Json| with(json!({"host": host}), more);
    vec![
        (json!({"clusters": null}), "clusters", "is required, but its value is null"),
        (json!({"clusters": {"prod eu": {"config_path": "c"}}}), "clusters[\"prod eu\"]", "For example: \"prod-eu\""),
        (json!({"clusters": {"": {"config_path": "c"}}}), "clusters[\"\"]", "it is empty"),
        (json!({"clusters": {"eu": {}}}), "clusters[\"eu\"].host", "Set `config_path` to the path of a kubeconfig"),
        (bare(json!({})), "clusters[\"eu\"].token", "The credentials are missing"),
        (file(json!({"config_context": ""})), "clusters[\"eu\"].config_context", "must not be empty"),
        (file(json!({"config_context_cluster": ""})), "clusters[\"eu\"].config_context_cluster", "set it to null"),
        (json!({"clusters": {"eu": {"config_path": " "}}}), "clusters[\"eu\"].config_path", "must not be empty"),
        (json!({"clusters": {"eu": {"config_paths": []}}}), "clusters[\"eu\"].config_paths", "at least one path"),
        (json!({"clusters": {"eu": {"config_paths": ["a", null]}}}), "clusters[\"eu\"].config_paths[1]", "can't be null"),
        (file(json!({"config_paths": ["a"]})), "clusters[\"eu\"].config_paths", "conflicts with `config_path`"),
        (file(json!({"in_cluster": true})), "clusters[\"eu\"].in_cluster", "either a kubeconfig or"),
        (token(json!({"config_context": "eu"})), "clusters[\"eu\"].config_context", "Set `config_path`"),
        (token(json!({"config_context_auth_info": "me"})), "clusters[\"eu\"].config_context_auth_info", "Set `config_path`"),
        (token(json!({"host": "eu.example.com:6443"})), "clusters[\"eu\"].host", "got `eu.example.com:6443`"),
        (token(json!({"host": "ftp://eu.example.com"})), "clusters[\"eu\"].host", "for example `https://eu.example.com:6443`"),
        (token(json!({"host": "https://ann:s3cret@eu.example.com"})), "clusters[\"eu\"].host", "must not contain a user name"),
        (token(json!({"token": "t0 ken"})), "clusters[\"eu\"].token", "printable characters without spaces"),
        (token(json!({"token": ""})), "clusters[\"eu\"].token", "must be a bearer token"),
        (token(json!({"token_file": "/run/token"})), "clusters[\"eu\"].token_file", "conflicts with `token`"),
        (token(json!({"exec": plugin})), "clusters[\"eu\"].exec", "conflicts with `token`"),
        (bare(json!({"token_file": ""})), "clusters[\"eu\"].token_file", "must not be empty"),
        (bare(json!({"username": "ann"})), "clusters[\"eu\"].username", "requires `password`"),
        (bare(json!({"password": "s3cret"})), "clusters[\"eu\"].password", "requires `username`"),
        (bare(json!({"client_certificate": CERTIFICATE})), "clusters[\"eu\"].client_certificate", "requires `client_key`"),
        (bare(json!({"client_certificate": "LS0t", "client_key": "k"})), "clusters[\"eu\"].client_certificate", "base64decode"),
        (bare(json!({"client_certificate": CERTIFICATE, "client_key": "s3cret"})), "clusters[\"eu\"].client_key", "PRIVATE KEY"),
        (token(json!({"cluster_ca_certificate": "LS0tLS1CRUdJTi"})), "clusters[\"eu\"].cluster_ca_certificate", "base64decode"),
        (token(json!({"cluster_ca_certificate": CERTIFICATE, "insecure": true})), "clusters[\"eu\"].insecure", "Set one of them"),
        (token(json!({"tls_server_name": ""})), "clusters[\"eu\"].tls_server_name", "must not be empty"),
        (token(json!({"proxy_url": "proxy:3128"})), "clusters[\"eu\"].proxy_url", "for example `http://proxy.example.com:3128`"),
        (token(json!({"proxy_url": "ftp://ann:s3cret@proxy"})), "clusters[\"eu\"].proxy_url", "`http`, `https`, `socks5`"),
        (
            bare(json!({"exec": {"api_version": "v1", "command": "aws"}})),
            "clusters[\"eu\"].exec.api_version",
            "client.authentication.k8s.io/v1",
        ),
        (
            bare(json!({"exec": {"api_version": "client.authentication.k8s.io/v1", "command": ""}})),
            "clusters[\"eu\"].exec.command",
            "must not be empty",
        ),
        (
            bare(json!({"exec": {"api_version": "client.authentication.k8s.io/v1", "command": null}})),
            "clusters[\"eu\"].exec.command",
            "is required",
        ),
        (
            bare(json!({"exec": {"api_version": "client.authentication.k8s.io/v1", "command": "aws", "args": ["a", null]}})),
            "clusters[\"eu\"].exec.args[1]",
            "can't be null",
        ),
        (
            bare(json!({"exec": {"api_version": "client.authentication.k8s.io/v1", "command": "aws", "env": {"A": null}}})),
            "clusters[\"eu\"].exec.env[\"A\"]",
            "can't be null",
        ),
    ]
}

fn helm() -> Vec<Case> {
    let cases = [
        (json!({"repository": ""}), "repository", "must be an `https://…` repository"),
        (json!({"repository": "ftp://charts.example"}), "repository", "an `oci://…` registry, or a directory"),
        (json!({"repository": "https://ann:s3cret@charts.example"}), "repository", "set `username` and `password`"),
        (json!({"version": "1.31"}), "version", "a full version, such as `1.31.0`"),
        (json!({"version": "~> 1.31"}), "version", "a full version"),
        (json!({"version": ""}), "version", "a full version"),
        (json!({"binary": ""}), "binary", "must not be empty"),
        (json!({"username": "ann"}), "username", "requires `password`"),
        (json!({"password": "s3cret"}), "password", "requires `username`"),
        (json!({"username": "", "password": "s3cret"}), "username", "must not be empty"),
        (json!({"cert_file": "cert.pem"}), "cert_file", "requires `key_file`"),
        (json!({"key_file": "key.pem"}), "key_file", "requires `cert_file`"),
        (json!({"ca_file": ""}), "ca_file", "must not be empty"),
        (json!({"registry_config_path": ""}), "registry_config_path", "must not be empty"),
        (json!({"driver": "sql"}), "driver", "must be `secret` or `configmap`, got \"sql\""),
        (json!({"max_history": -1}), "max_history", "must be between 0 and 1000, got -1"),
        (json!({"max_history": 2.5}), "max_history", "a whole number"),
        (json!({"post_renderer": {"binary_path": ""}}), "post_renderer.binary_path", "must not be empty"),
        (json!({"post_renderer": {"binary_path": null}}), "post_renderer.binary_path", "is required"),
        (json!({"repositories": {"istio": {"repository": "oci://x"}}}), "repositories[\"istio\"]", "`base`, `istiod`, `gateway`"),
        (json!({"repositories": {"base": {"repository": null}}}), "repositories[\"base\"].repository", "is required"),
        (
            json!({"repositories": {"base": {"repository": "oci://x", "username": "a"}}}),
            "repositories[\"base\"].username",
            "`username` requires `password`",
        ),
        (
            json!({"repositories": {"base": {"repository": "https://x", "cert_file": "cert.pem"}}}),
            "repositories[\"base\"].cert_file",
            "`cert_file` requires `key_file`",
        ),
    ];
    let full = |path: &'static str| &*Box::leak(format!("helm.{path}").into_boxed_str());
    cases.into_iter().map(|(helm, path, part)| (json!({"clusters": {}, "helm": helm}), full(path), part)).collect()
}

fn imports() -> Vec<Case> {
    let service = |more: Json| {
        let mut service = json!({
            "host": "echo.eu.mesh.local", "address": "240.0.0.2", "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
            "identities": [], "gateway_addresses": ["198.51.100.9"],
        });
        service.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!({"service": service})
    };
    let port = |number: i64, name: &str, protocol: &str| json!({"number": number, "name": name, "protocol": protocol});
    vec![
        (json!({"cluster": "EU West"}), "cluster", "For example: \"EU-West\""),
        (json!({"namespace": "Imports"}), "namespace", "For example: \"imports\""),
        (json!({"export_to": []}), "export_to", "at least one namespace"),
        (json!({"service": null}), "service", "is required"),
        (service(json!({"host": "echo"})), "service.host", "echo"),
        (service(json!({"address": "198.51.100.9"})), "service.address", "198.51.100.9"),
        (service(json!({"ports": []})), "service.ports", "can't be called"),
        (service(json!({"ports": [port(0, "http", "HTTP")]})), "service.ports[0].number", "must be between 1 and 65535, got 0"),
        (service(json!({"ports": [port(80, "Http", "HTTP")]})), "service.ports[0].name", "such as \"http-80\""),
        (service(json!({"ports": [port(80, "http", "UDP")]})), "service.ports[0].protocol", "UDP"),
        (service(json!({"ports": [port(80, "a", "HTTP"), port(80, "b", "HTTP")]})), "service.ports[1]", "Port 80 is listed twice"),
        (service(json!({"identities": ["corp.local/echo"]})), "service.identities[0]", "the function `spiffe_id` returns it"),
        (service(json!({"gateway_addresses": []})), "service.gateway_addresses", "Apply the exporter's state first"),
        (service(json!({"network": "EU net"})), "service.network", "EU net"),
        (service(json!({"gateway_addresses": ["x y"]})), "service.gateway_addresses[0]", "neither an IP address nor a hostname"),
        (service(json!({"gateway_port": 70000})), "service.gateway_port", "got 70000"),
        (service(json!({"locality": "eu//a"})), "service.locality", "a part of it is empty"),
    ]
}

fn exports() -> Vec<Case> {
    vec![
        (json!({"host": "*.mesh.local"}), "host", "\"*.mesh.local\""),
        (json!({"host": "echo"}), "host", "\"echo\""),
        (json!({"host": ""}), "host", "Write a DNS name such as"),
        (json!({"host": "echo.eu.mesh.local."}), "host", "it ends with a dot"),
        (json!({"importers": ["eu"]}), "importers", "is the exporting cluster"),
        (json!({"ports": [null]}), "ports[0]", "An element can't be null."),
        (json!({"endpoint_labels": {"a b": "c"}}), "endpoint_labels[\"a b\"]", "is not a valid name of a key"),
        (json!({"endpoint_labels": {"a": "-"}}), "endpoint_labels[\"a\"]", "is not a valid value of a label"),
        (
            json!({"endpoint_labels": {"security.istio.io/tlsMode": "istio"}}),
            "endpoint_labels[\"security.istio.io/tlsMode\"]",
            "by itself. Remove it.",
        ),
        (json!({"importers": ["u s"]}), "importers", "For example: \"u-s\""),
        (json!({"vip": "8.8.8.8"}), "vip", "8.8.8.8"),
        (json!({"vip": "240.0.0.2/32"}), "vip", "240.0.0.2/32"),
        (json!({"ports": []}), "ports", "leave `ports` out to export those of the live Service"),
        (json!({"ports": [{"number": 70000, "protocol": "HTTP"}]}), "ports[0].number", "must be between 1 and 65535, got 70000"),
        (json!({"ports": [{"number": 80, "protocol": "http3"}]}), "ports[0].protocol", "HTTP"),
        (json!({"ports": [{"number": 80, "protocol": null}]}), "ports[0].protocol", "is required"),
        (json!({"ports": [{"number": 80, "protocol": "TCP", "target_port": 0}]}), "ports[0].target_port", "between 1 and 65535, got 0"),
        (json!({"ports": [{"number": 80, "protocol": "UDP"}]}), "ports[0].protocol", "UDP"),
        (json!({"locality": "eu//a"}), "locality", "a part of it is empty"),
        (json!({"export_to": ["A"]}), "export_to", "Other than a namespace, it can be"),
        (json!({"service_accounts": ["a b"]}), "service_accounts", "is not allowed"),
        (json!({"callers": ["corp.local/ns/shop/sa/cart"]}), "callers", "spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT"),
        (json!({"callers": ["spiffe://corp.local/ns/Shop/sa/*"]}), "callers", "For example: \"shop\""),
        (
            json!({"gateway": {"cluster": "eu", "namespace": "istio-system", "name": "g", "addresses": ["x y"]}}),
            "gateway.addresses[0]",
            "neither an IP address nor a hostname",
        ),
        (
            json!({"gateway": {"cluster": "eu", "namespace": "istio-system", "name": "g", "addresses": ["198.51.100.9"], "port": 0}}),
            "gateway.port",
            "must be between 1 and 65535, got 0",
        ),
        (json!({"gateway": {"cluster": "eu", "namespace": "istio-system", "name": "g"}}), "gateway.addresses", "or `network`"),
        (json!({"network": "eu net"}), "network", "For example: \"eu-net\""),
        (json!({"importer_namespace": "Echo"}), "importer_namespace", "For example: \"echo\""),
        (json!({"service": "Echo_1"}), "service", "For example: \"echo-1\""),
        (json!({"address": "240.241.0.1"}), "address", "The provider sets `address`"),
    ]
}

fn resources() -> Vec<(&'static str, Case)> {
    let of = |name: &'static str, cases: Vec<Case>| cases.into_iter().map(move |case| (name, case));
    let cluster: Vec<Case> = vec![
        (json!({"cluster": null}), "cluster", "is required"),
        (json!({"cluster": "US East"}), "cluster", "For example: \"US-East\""),
        (json!({"mesh_id": ""}), "mesh_id", "it is empty"),
        (json!({"mesh_id": "m!"}), "mesh_id", "'!' (position 2) is not allowed"),
        (json!({"network": "us net"}), "network", "' ' (position 3) is not allowed"),
        (json!({"trust_domain": "Corp.Local"}), "trust_domain", "For example: \"corp.local\""),
        (json!({"trust_domain_aliases": ["us.local", "Corp.Local"]}), "trust_domain_aliases[1]", "For example: \"corp.local\""),
        (json!({"cluster_name": "-"}), "cluster_name", "start and end with a letter or digit"),
        (json!({"namespace": "istio_system"}), "namespace", "For example: \"istio-system\""),
        (json!({"ignore_drift": ["Deployments *"]}), "ignore_drift", "no objects of the kind `Deployments`"),
        (json!({"istio_version": "latest"}), "istio_version", "such as `1.31.0`"),
        (json!({"canary": {"revision": "1.31"}}), "canary.revision", "For example: \"1-31\""),
        (json!({"canary": {"revision": "default"}}), "canary.revision", "the revision of the cluster's own istiod"),
        (json!({"canary": {"revision": null}}), "canary.revision", "is required"),
        (json!({"canary": {"revision": "next", "istio_version": "1.31"}}), "canary.istio_version", "a full version"),
        (json!({"canary": {"revision": "next", "values": ["- a"]}}), "canary.values[0]", "must be a map of keys"),
        (json!({"values": ["a: [1,\n b: }"]}), "values[0]", "line"),
        (json!({"values": ["a: 1", "- a"]}), "values[1]", "must be a map of keys"),
        (json!({"values": [null]}), "values[0]", "can't be null"),
        (json!({"base_values": ["text"]}), "base_values[0]", "must be a map of keys"),
        (json!({"values_wo": "- s3cret"}), "values_wo", "nothing of it is shown"),
        (json!({"values_wo": "a: 1", "values_wo_version": 1.5}), "values_wo_version", "a whole number"),
        (json!({"namespace_labels": {"-a": "b"}}), "namespace_labels[\"-a\"]", "start and end with a letter or digit"),
        (json!({"namespace_labels": {"a": "b c"}}), "namespace_labels[\"a\"]", "' ' (position 2) is not allowed"),
        (json!({"namespace_labels": {"topology.istio.io/network": "n"}}), "namespace_labels[\"topology.istio.io/network\"]", "itself"),
        (json!({"namespace_annotations": {"a/b/c": "d"}}), "namespace_annotations[\"a/b/c\"]", "'/' (position 2) is not allowed"),
        (json!({"mtls_mode": "strict"}), "mtls_mode", "STRICT"),
        (json!({"ca": {"cluster": "eu", "root_fingerprint": "abc"}}), "ca", "Refer to the mesh_cluster_ca of `us`"),
        (json!({"timeouts": {"create": "soon"}}), "timeouts.create", "is not a duration"),
        (json!({"timeouts": {"read": "-5m"}}), "timeouts.read", "is not a duration"),
        (json!({"installed_version": "1.31.0"}), "installed_version", "The provider sets `installed_version`"),
    ];
    let root: Vec<Case> = vec![
        (json!({"cluster": ""}), "cluster", "it is empty"),
        (json!({"name": "Root"}), "name", "For example: \"root\""),
        (json!({"namespace": "a.b"}), "namespace", "'.' (position 2) is not allowed"),
        (json!({"validity_days": 0}), "validity_days", "must be between 1 and 36500, got 0"),
        (json!({"validity_days": 99999}), "validity_days", "got 99999"),
        (json!({"warn_before_days": -1}), "warn_before_days", "must be between"),
        (json!({"fingerprint": "abc"}), "fingerprint", "Remove it from the configuration"),
        (json!({"existing_private_key_wo": "k"}), "existing_private_key_wo", "requires `existing_certificate`"),
    ];
    let answered = json!({"cluster": "eu", "namespace": "istio-system", "name": "cacerts-request", "certificate_request": "csr"});
    let ca: Vec<Case> = vec![
        (json!({"root_ca": null}), "root_ca", "Set `root_ca` to a mesh_root_ca"),
        (json!({"key_algorithm": "RSA"}), "key_algorithm", "must be"),
        (json!({"validity_days": 0}), "validity_days", "got 0"),
        (json!({"renew_before_days": -1}), "renew_before_days", "must be"),
        (json!({"external": true}), "root_ca", "would have no effect"),
        (json!({"root_certificate": CERTIFICATE}), "root_certificate", "conflicts with `root_ca`"),
        (json!({"common_name": ""}), "common_name", "must have a length between 1 and 64, got 0"),
        (json!({"namespace": "A"}), "namespace", "For example: \"a\""),
        (json!({"request": answered, "intermediate_private_key_wo": "key"}), "request", "conflicts with `intermediate_private_key_wo`"),
    ];
    let request: Vec<Case> =
        vec![(json!({"key_algorithm": "ed25519"}), "key_algorithm", "must be"), (json!({"name": ""}), "name", "it is empty")];
    let gateway: Vec<Case> = vec![
        (json!({"network": null}), "network", "is required"),
        (json!({"replicas": -1}), "replicas", "must be at least 1, got -1"),
        (json!({"exposed_services": ["echo"]}), "exposed_services", "Write NAMESPACE/SERVICE"),
        (json!({"exposed_service_labels": {}}), "exposed_service_labels", "one label at least"),
        (json!({"exposed_service_labels": {"a": "b c"}}), "exposed_service_labels[\"a\"]", "' ' (position 2) is not allowed"),
        (json!({"replicas": 1.5}), "replicas", "a whole number"),
        (json!({"source_ranges": ["10.0.0.0"]}), "source_ranges", "10.0.0.0"),
        (json!({"source_ranges": ["10.0.0.0/33"]}), "source_ranges", "10.0.0.0/33"),
        (json!({"name": "gateway!"}), "name", "is not allowed"),
        (json!({"revision": "Next"}), "revision", "For example: \"next\""),
        (json!({"values": ["a: b: c"]}), "values[0]", "line"),
        (json!({"values_wo": "a: b: s3cret"}), "values_wo", "line 1"),
        (json!({"istio_version": "1.31"}), "istio_version", "a full version"),
    ];
    of("mesh_cluster", cluster)
        .chain(of("mesh_root_ca", root))
        .chain(of("mesh_cluster_ca", ca))
        .chain(of("mesh_cluster_ca_request", request))
        .chain(of("mesh_eastwest_gateway", gateway))
        .chain(of("mesh_link", links()))
        .chain(of("mesh_remote_secret", remote_secrets()))
        .chain(of("mesh_service_export", exports()))
        .chain(of("mesh_service_import", imports()))
        .chain(of("mesh_global_service", globals()))
        .collect()
}

fn globals() -> Vec<Case> {
    let gateway = |cluster: &str| json!({"cluster": cluster, "namespace": "istio-system", "name": "gw", "network": "net"});
    let gateways = || json!({"us": gateway("us"), "eu": gateway("eu")});
    vec![
        (json!({"host": "echo"}), "host", "it has one label only"),
        (json!({"gateways": {}}), "gateways", "Must not be empty: a host that no cluster serves can't be called."),
        (json!({"gateways": {"a": gateway("us")}}), "gateways[\"a\"].cluster", "Give it the key `us`."),
        (json!({"gateways": {"us": null}}), "gateways[\"us\"]", "can't be null"),
        (json!({"gateways": gateways(), "weights": {"ap": 0}}), "weights[\"ap\"]", "has no gateway of cluster `ap`; it has `eu`, `us`."),
        (json!({"gateways": gateways(), "weights": {"us": 0, "eu": 0}}), "weights", "Leave at least one in service."),
        (json!({"gateways": gateways(), "weights": {"us": -1}}), "weights[\"us\"]", "between 0 and 1000, got -1"),
        (json!({"outlier_detection": {"interval_seconds": 0}}), "outlier_detection.interval_seconds", "between 1 and 3600, got 0"),
        (json!({"outlier_detection": {"consecutive_errors": 0}}), "outlier_detection.consecutive_errors", "between 1 and 1000, got 0"),
        (json!({"vip": "8.8.8.8"}), "vip", "could belong to a real host"),
        (json!({"ports": []}), "ports", "Must not be empty."),
        (json!({"callers": ["shop"]}), "callers", "is not the identity of a workload"),
    ]
}

fn links() -> Vec<Case> {
    vec![
        (json!({"addresses": null}), "addresses", "is required"),
        (json!({"addresses": []}), "addresses", "must have a length between 1 and 16, got 0"),
        (json!({"addresses": ["198.51.100.9", "x y"]}), "addresses[1]", "neither an IP address nor a hostname"),
        (json!({"port": 70000}), "port", "must be between 1 and 65535, got 70000"),
        (json!({"network": "eu net"}), "network", "For example: \"eu-net\""),
        (json!({"namespace": "A"}), "namespace", "For example: \"a\""),
        (json!({"gateway_api_crds_wo": "kind: ["}), "gateway_api_crds_wo", "must be YAML"),
        (json!({"gateway_api_crds_wo": "kind: List"}), "gateway_api_crds_wo", "Set it to the content of `standard-install.yaml`"),
        (json!({"drift": []}), "drift", "The provider sets `drift`"),
    ]
}

fn remote_secrets() -> Vec<Case> {
    let gateway = |cluster: &str, addresses: &[&str]| json!({"remote_gateway": {"cluster": cluster, "addresses": addresses}});
    vec![
        (json!({"remote": null}), "remote", "is required"),
        (json!({"remote": {"cluster": "us"}}), "remote.cluster", "Refer to the mesh_cluster of another cluster."),
        (json!({"remote": {"cluster": "eu", "cluster_name": "E U"}}), "remote.cluster_name", "For example: \"E-U\""),
        (json!({"remote": {"cluster": "eu", "namespace": "A"}}), "remote.namespace", "For example: \"a\""),
        (gateway("us", &["198.51.100.9"]), "remote_gateway.cluster", "It is a gateway of cluster `us`."),
        (gateway("eu", &[]), "remote_gateway.addresses", "The gateway has no address yet"),
        (json!({"server": "https://127.0.0.1:6443"}), "server", "Set `server` to an address that the pods can reach"),
        (json!({"server": "eu.example.com"}), "server", "for example `https://eu.example.com:6443`"),
        (json!({"ca_certificate": "LS0t"}), "ca_certificate", "base64decode"),
        (json!({"tls_server_name": ""}), "tls_server_name", "must not be empty"),
        (json!({"service_account": "A"}), "service_account", "For example: \"a\""),
        (json!({"token_lifetime_hours": 0}), "token_lifetime_hours", "must be between 1 and 87600, got 0"),
        (json!({"renew_before_hours": 0}), "renew_before_hours", "must be between 1 and 87600, got 0"),
        (json!({"expires_at": "2030"}), "expires_at", "The provider sets `expires_at`"),
    ]
}

fn token() -> Vec<Case> {
    vec![
        (json!({"service_account": ""}), "service_account", "it is empty"),
        (json!({"service_account": null}), "service_account", "is required"),
        (json!({"lifetime_seconds": 10}), "lifetime_seconds", "between 600 (ten minutes) and 86400 (a day), got 10"),
        (json!({"namespace": "NS"}), "namespace", "For example: \"ns\""),
        (json!({"token": "t"}), "token", "The provider sets `token`"),
    ]
}

fn data_sources() -> Vec<(&'static str, Case)> {
    let services: Vec<Case> = vec![
        (json!({"cluster": null}), "cluster", "is required"),
        (json!({"cluster": "EU West"}), "cluster", "For example: \"EU-West\""),
        (json!({"namespaces": ["Shop"]}), "namespaces", "For example: \"shop\""),
        (json!({"labels": {"a": "b,c=d"}}), "labels[\"a\"]", "',' (position 2) is not allowed"),
        (json!({"labels": {"!a": "b"}}), "labels[\"!a\"]", "'!' (position 1) is not allowed"),
        (json!({"services": {}}), "services", "The provider sets `services`"),
    ];
    let status: Vec<Case> = vec![
        (json!({"clusters": ["EU West"]}), "clusters", "For example: \"EU-West\""),
        (json!({"verdict": "ok"}), "verdict", "The provider sets `verdict`"),
    ];
    let precheck: Vec<Case> = vec![
        (json!({"clusters": ["EU West"]}), "clusters", "For example: \"EU-West\""),
        (json!({"namespace": "Istio"}), "namespace", "For example: \"istio\""),
        (json!({"istio_version": "1.31"}), "istio_version", "Write a full version, such as `1.31.0`"),
        (json!({"roles": ["admin"]}), "roles", "must be one of mesh-installer, mesh-exporter"),
        (json!({"summary": "ok"}), "summary", "The provider sets `summary`"),
    ];
    let of = |name: &'static str, cases: Vec<Case>| cases.into_iter().map(move |case| (name, case));
    let topology: Vec<Case> =
        vec![(json!({"clusters": [""]}), "clusters", "it is empty"), (json!({"html": "<p>"}), "html", "The provider sets `html`")];
    let from = json!({"namespace": "echo", "labels": {"app": "client"}});
    let with = |set: Json| {
        let mut all = from.clone();
        all.as_object_mut().expect("an object").extend(set.as_object().expect("an object").clone());
        json!({"from": all})
    };
    let probe: Vec<Case> = vec![
        (json!({"cluster": "EU West"}), "cluster", "For example: \"EU-West\""),
        (json!({"url": "echo.eu.mesh.local"}), "url", "the schemes are http, https and tcp"),
        (json!({"url": "http://me:s3cret@echo.eu.mesh.local/"}), "url", "must not have a user or a password"),
        (json!({"url": "tcp://echo.eu.mesh.local"}), "url", "must have a port"),
        (json!({"requests": 0}), "requests", "must be between 1 and 20, got 0"),
        (json!({"timeout_seconds": 21}), "timeout_seconds", "must be between 1 and 20, got 21"),
        (json!({"requests": 13}), "requests", "13 calls of 5 seconds each may take 65 seconds; the limit is 60"),
        (with(json!({"namespace": "Echo"})), "from.namespace", "For example: \"echo\""),
        (with(json!({"labels": {}})), "from.labels", "must have one label at least"),
        (with(json!({"labels": null})), "from.labels", "either `labels` or `image` must be set"),
        (with(json!({"image": "curl"})), "from.image", "must not be set together with `labels`"),
        (with(json!({"service_account": "a"})), "from.service_account", "must not be set together with `labels`"),
        (with(json!({"labels": null, "image": "a b"})), "from.image", "is not a valid image"),
        (json!({"ok": true}), "ok", "The provider sets `ok`"),
    ];
    of("mesh_services", services)
        .chain(of("mesh_precheck", precheck))
        .chain(of("mesh_probe", probe))
        .chain(of("mesh_status", status))
        .chain(of("mesh_topology", topology))
        .collect()
}

/// As the protocol carries it.
fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(on) => (*on).into(),
        Json::Number(number) => number.as_i64().map_or_else(|| number.as_f64().unwrap_or_default().into(), Value::from),
        Json::String(text) => text.as_str().into(),
        Json::Array(elements) => Value::Array(elements.iter().map(value).collect()),
        Json::Object(attributes) => Value::Map(attributes.iter().map(|(name, of)| (name.as_str().into(), value(of))).collect()),
    }
}

fn path(path: Option<&AttributePath>) -> String {
    let mut text = String::new();
    for selector in path.iter().flat_map(|path| &path.steps).filter_map(|step| step.selector.as_ref()) {
        match selector {
            Selector::AttributeName(name) if text.is_empty() => text.push_str(name),
            Selector::AttributeName(name) => text.push_str(&format!(".{name}")),
            Selector::ElementKeyString(key) => text.push_str(&format!("[\"{key}\"]")),
            Selector::ElementKeyInt(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// What is wrong with how a configuration is refused, if anything.
fn fault(of: &str, (config, at, part): &Case, diagnostics: &[Diagnostic]) -> Option<String> {
    let errors: Vec<_> = diagnostics.iter().filter(|found| found.severity() == Severity::Error).collect();
    let found = errors.iter().any(|error| path(error.attribute.as_ref()) == *at && error.detail.contains(part));
    let shows_a_secret = format!("{errors:?}").contains("s3cret");
    let all: Vec<_> = errors.iter().map(|error| format!("\n    {}: {}", path(error.attribute.as_ref()), error.detail)).collect();
    (!found || shows_a_secret).then(|| format!("{of} {config} at {at}, {part:?}; found:{}", all.concat()))
}

#[tokio::test]
async fn a_hundred_mistakes_are_refused_at_their_attribute_with_what_to_do() {
    let mut session = Session::start().await;
    let mut faults = Vec::new();
    let mut count = 0;
    let provider = session.schema.provider.as_ref().and_then(|schema| schema.block.clone()).expect("a block").attributes;
    for case in clusters().into_iter().chain(helm()) {
        let set: Vec<_> = case.0.as_object().expect("an object").iter().map(|(name, of)| (name.as_str(), value(of))).collect();
        let request = validate_provider_config::Request { config: Some(encode(&rules::config(&provider, &set))) };
        let answer = session.provider.validate_provider_config(request).await.expect("an answer").into_inner();
        faults.extend(fault("provider", &case, &answer.diagnostics));
        count += 1;
    }
    let minimal: std::collections::BTreeMap<_, _> = configurations(&session).into_iter().collect();
    for (name, case) in resources() {
        let mut set = minimal[name].clone();
        let extra = case.0.as_object().expect("an object");
        set.retain(|(attribute, _)| !extra.contains_key(*attribute));
        let extra: Vec<_> = extra.iter().map(|(attribute, of)| (attribute.as_str(), value(of))).collect();
        let set: Vec<_> = set.iter().map(|(attribute, of)| (*attribute, of.clone())).chain(extra).collect();
        let request = validate_resource_config::Request {
            type_name: name.to_owned(),
            config: Some(encode(&session.config(name, &set))),
            client_capabilities: Some(ABLE),
        };
        let answer = session.provider.validate_resource_config(request).await.expect("an answer").into_inner();
        faults.extend(fault(name, &case, &answer.diagnostics));
        count += 1;
    }
    for case in token() {
        let mut set = json!({"cluster": "eu", "service_account": "ci", "namespace": "ci"});
        set.as_object_mut().expect("an object").extend(case.0.as_object().expect("an object").clone());
        let request =
            validate_ephemeral_resource_config::Request { type_name: "mesh_cluster_token".to_owned(), config: Some(encode(&value(&set))) };
        let answer = session.provider.validate_ephemeral_resource_config(request).await.expect("an answer").into_inner();
        faults.extend(fault("mesh_cluster_token", &case, &answer.diagnostics));
        count += 1;
    }
    for (name, case) in data_sources() {
        let attributes = session.schema.data_source_schemas[name].block.clone().expect("a block").attributes;
        let mut set = match name {
            "mesh_services" => json!({"cluster": "eu"}),
            "mesh_probe" => json!({
                "cluster": "us", "url": "http://echo.eu.mesh.local/", "from": {"namespace": "echo", "labels": {"app": "client"}},
            }),
            _ => json!({}),
        };
        set.as_object_mut().expect("an object").extend(case.0.as_object().expect("an object").clone());
        let set: Vec<_> = set.as_object().expect("an object").iter().map(|(name, of)| (name.as_str(), value(of))).collect();
        let config = Some(encode(&rules::config(&attributes, &set)));
        let request = validate_data_resource_config::Request { type_name: name.to_owned(), config };
        let answer = session.provider.validate_data_resource_config(request).await.expect("an answer").into_inner();
        faults.extend(fault(name, &case, &answer.diagnostics));
        count += 1;
    }
    for (name, arguments, argument, part) in [
        ("sni", json!([0, "echo.eu.mesh.local"]), 0, "must be between 1 and 65535, got 0"),
        ("sni", json!([80, "echo"]), 1, "\"echo\""),
        ("vip", json!(["a b", []]), 0, "\"a b\""),
        ("spiffe_id", json!(["Corp", "ns", "sa"]), 0, "For example: \"corp\""),
        ("spiffe_id", json!(["corp", "n s", "sa"]), 1, "is not allowed"),
        ("spiffe_id", json!(["corp", "ns", ""]), 2, "it is empty"),
        ("load_balancer", json!(["aws", {}]), 0, "must be \"eks\", \"gke\""),
        ("load_balancer", json!(["gke", {"internal": "maybe"}]), 1, "must be true or false"),
        ("load_balancer", json!(["metallb", {"pool": "a"}]), 1, "Its options are"),
        ("eastwest_gateway_from_operator", json!(["a: ["]), 0, "not valid YAML"),
        ("eastwest_gateway_from_operator", json!(["kind: Service\napiVersion: v1"]), 0, "must be a manifest of kind IstioOperator"),
        ("service_export_from_service_entry", json!([""]), 0, "empty"),
        (
            "service_export_from_service_entry",
            json!(["apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nspec: {hosts: ['*.mesh.local']}"]),
            0,
            "has a wildcard",
        ),
    ] {
        let encoded = arguments.as_array().expect("a list").iter().map(|argument| encode(&value(argument))).collect();
        let request = call_function::Request { name: name.to_owned(), arguments: encoded };
        let error = session.provider.call_function(request).await.expect("an answer").into_inner().error.expect("an error");
        if error.function_argument != Some(argument) || !error.text.contains(part) {
            faults.push(format!("{name}{arguments}: argument {argument}, {part:?}; found {error:?}"));
        }
        count += 1;
    }
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
    assert!(count >= 100, "{count}");
}

#[tokio::test]
async fn what_none_of_the_cases_changes_is_valid() {
    let mut session = Session::start().await;
    for (name, set) in configurations(&session) {
        let config = Some(encode(&session.config(&name, &set)));
        let request = validate_resource_config::Request { type_name: name.clone(), config, client_capabilities: None };
        let answer = session.provider.validate_resource_config(request).await.expect("an answer").into_inner();
        assert!(answer.diagnostics.is_empty(), "{name}: {:?}", answer.diagnostics);
    }
    let set = object(&[("cluster", "eu".into()), ("service_account", "ci".into()), ("namespace", "ci".into())]);
    let request = validate_ephemeral_resource_config::Request { type_name: "mesh_cluster_token".to_owned(), config: Some(encode(&set)) };
    let answer = session.provider.validate_ephemeral_resource_config(request).await.expect("an answer").into_inner();
    assert!(answer.diagnostics.is_empty(), "{:?}", answer.diagnostics);
}
