//! Every resource with every optional attribute set goes through create, import and plan, by the rules of the protocol and of the CLIs' core.

use std::sync::Arc;

use framework::{
    AttributeConstraint, Nesting, Type, Value as Known,
    protocol::{
        Mask, Server,
        wire::{self, get_provider_schema, provider_server::Provider as _, schema::Attribute},
    },
};
use plugin_host::{
    rules,
    values::{decode, encode, get, is_unknown},
};
use rmpv::Value;
use serde_json::{Value as Json, json};
use tonic::Request;

use super::testing::{FakeMesh, balancer, echo, gateway_api};
use crate::{
    data::{CaSubject, Certificate, KeyAlgorithm},
    mesh::{Namespace, rotation::TrustRecord, trust},
    ports::{
        Authority,
        fakes::{FakeAuthority, FakeClock, FakeObjects, FakeReleases},
    },
    world::World,
};

/// Namespace of Istio: not the default, so that an attribute that isn't read back shows.
const NAMESPACE: &str = "mesh-system";

/// Attributes that the clusters can't show, so that an import leaves them null or at their default.
const NOT_IN_A_CLUSTER: &[&str] = &[
    "timeouts",
    "namespace_labels",
    "namespace_annotations",
    "istio_version",
    "external_addresses",
    "external_port",
    "delete_crds",
    "ignore_drift",
    "renew_before_days",
    "force_root_change",
    "warn_before_days",
    "root_private_key_wo_version",
    "intermediate_private_key_wo_version",
    "existing_private_key_wo_version",
    "existing_certificate",
];

/// A configured provider, called as the core calls it.
struct Session {
    server: Server<FakeMesh>,
    schemas: get_provider_schema::Response,
    objects: Arc<FakeObjects>,
}

fn no_errors(what: &str, diagnostics: &[wire::Diagnostic]) {
    assert!(diagnostics.iter().all(|found| found.severity() != wire::diagnostic::Severity::Error), "{what}: {diagnostics:#?}");
}

impl Session {
    async fn new() -> Self {
        let objects = Arc::new(FakeObjects::default());
        let fakes = objects.clone();
        let world = move || World::fake(&fakes, &Arc::new(FakeReleases::default()), &FakeClock::default());
        let server = Server::new(FakeMesh(Arc::new(world)), Mask::idle());
        let schemas = server.get_provider_schema(Request::new(wire::get_provider_schema::Request {})).await.expect("a schema").into_inner();
        let attributes = &schemas.provider.as_ref().and_then(|schema| schema.block.as_ref()).expect("a block").attributes;
        let config = Some(encode(&rules::config(attributes, &[])));
        let request = wire::configure_provider::Request { config, ..Default::default() };
        no_errors("configure", &server.configure_provider(Request::new(request)).await.expect("an answer").into_inner().diagnostics);
        Self { server, schemas, objects }
    }

    fn attributes(&self, name: &str) -> &[Attribute] {
        &self.schemas.resource_schemas[name].block.as_ref().expect("a block").attributes
    }

    /// Plans, by the rules that the core holds a provider to.
    async fn plan(&self, name: &str, prior: &Value, config: &Value) -> Value {
        let attributes = self.attributes(name);
        let request = wire::plan_resource_change::Request {
            type_name: name.to_owned(),
            prior_state: Some(encode(prior)),
            config: Some(encode(config)),
            proposed_new_state: Some(encode(&rules::proposed(attributes, prior, config))),
            ..Default::default()
        };
        let response = self.server.plan_resource_change(Request::new(request)).await.expect("an answer").into_inner();
        no_errors(name, &response.diagnostics);
        let planned = decode(response.planned_state.as_ref());
        assert_eq!(rules::plan_faults(attributes, prior, config, &planned), [""; 0], "{name}");
        planned
    }

    /// Applies a plan, by the rules that the core holds a provider to; returns the state and the identity.
    async fn create(&self, name: &str, config: &Value) -> (Value, Option<wire::ResourceIdentityData>) {
        let planned = self.plan(name, &Value::Nil, config).await;
        let request = wire::apply_resource_change::Request {
            type_name: name.to_owned(),
            prior_state: Some(encode(&Value::Nil)),
            planned_state: Some(encode(&planned)),
            config: Some(encode(config)),
            ..Default::default()
        };
        let response = self.server.apply_resource_change(Request::new(request)).await.expect("an answer").into_inner();
        no_errors(name, &response.diagnostics);
        let state = decode(response.new_state.as_ref());
        assert_eq!(rules::apply_faults(self.attributes(name), &planned, &state, true), [""; 0], "{name}");
        (state, response.new_identity)
    }

    /// Imports by identity, and reads, as the core does after an import.
    async fn import(&self, name: &str, identity: Option<wire::ResourceIdentityData>) -> Value {
        let request = wire::import_resource_state::Request { type_name: name.to_owned(), identity, ..Default::default() };
        let response = self.server.import_resource_state(Request::new(request)).await.expect("an answer").into_inner();
        no_errors(name, &response.diagnostics);
        let current_state = response.imported_resources.first().and_then(|imported| imported.state.clone());
        let request = wire::read_resource::Request { type_name: name.to_owned(), current_state, ..Default::default() };
        let response = self.server.read_resource(Request::new(request)).await.expect("an answer").into_inner();
        no_errors(name, &response.diagnostics);
        decode(response.new_state.as_ref())
    }
}

/// A configuration as the wire carries it.
pub(super) fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(on) => Value::from(*on),
        Json::Number(number) => Value::from(number.as_i64().expect("an integer")),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(elements) => Value::Array(elements.iter().map(value).collect()),
        Json::Object(entries) => Value::Map(entries.iter().map(|(key, entry)| (Value::from(key.as_str()), value(entry))).collect()),
    }
}

/// Configurations of a resource that together set each optional attribute, to something else than its default.
fn configurations(name: &str, root_fingerprint: &str, request: &str) -> Vec<Json> {
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
            "values": ["global: {hub: h}"], "base_values": ["base: {enableCRDTemplates: false}"],
            "namespace_labels": {"pod-security.kubernetes.io/enforce": "privileged"}, "namespace_annotations": {"a.example/b": "c"},
            "dns_capture": false, "mtls_mode": "STRICT", "delete_crds": true,
            "ignore_drift": ["Deployment mesh-system/istiod: spec.replicas"], "adopt": true, "timeouts": timeouts,
        })],
        "mesh_eastwest_gateway" => vec![json!({
            "cluster": "eu", "network": "eu-net", "namespace": NAMESPACE, "name": "gateway", "service_name": "named", "label": "eastwest", "istio_version": "1.30.0",
            "service_annotations": {"a.example/b": "c"}, "load_balancer_class": "l", "source_ranges": ["203.0.113.0/24"], "replicas": 2,
            "external_addresses": ["198.51.100.9"], "external_port": 15443, "exposed_services": ["shop/echo"], "ignore_drift": ["Service *"], "adopt": true, "values": ["resources: {limits: {cpu: 1}}"], "timeouts": timeouts,
        })],
        "mesh_link" => vec![json!({
            "cluster": "us", "network": "eu-net", "addresses": ["198.51.100.9", "lb.example.com"], "port": 443, "namespace": NAMESPACE,
            "timeouts": timeouts,
        })],
        "mesh_service_export" => vec![
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
                "endpoint_labels": {"topology.istio.io/cluster": "eu"}, "timeouts": timeouts,
            }),
        ],
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

/// Whether all that is known of a planned value is as it was before.
fn agrees(before: &Value, planned: &Value) -> bool {
    match planned {
        Value::Map(entries) if before.is_map() => {
            entries.iter().all(|(key, planned)| agrees(get(before, key.as_str().unwrap_or_default()), planned))
        }
        _ => is_unknown(planned) || before == planned,
    }
}

/// The user's own root. The fake numbers its certificates, so this one comes after those of the resources.
fn own_root() -> Certificate {
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
fn ready_made() -> [Certificate; 2] {
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

/// The attributes of a resource that none of the configurations sets, or only to their default.
fn unset(declared: &[framework::Attribute], given: &[&Json], path: &str) -> Vec<String> {
    let mut unset = Vec::new();
    for attribute in declared.iter().filter(|attribute| attribute.rules.constraint != AttributeConstraint::Computed) {
        let values: Vec<&Json> = given.iter().map(|given| &given[attribute.name]).filter(|given| !given.is_null()).collect();
        let is_default = |given: &&Json| match (&attribute.rules.default, given) {
            (Some(Known::Value(framework::Datum::String(default))), Json::String(given)) => given == default,
            (Some(Known::Value(framework::Datum::Bool(default))), Json::Bool(given)) => given == default,
            _ => false,
        };
        let path = format!("{path}.{}", attribute.name);
        if values.iter().all(is_default) {
            unset.push(path);
        } else if let Type::Nested(nesting, inner) = &attribute.ty {
            let elements = |given: &Json| -> Vec<Json> {
                match given {
                    Json::Array(all) => all.clone(),
                    Json::Object(all) if *nesting == Nesting::Map => all.values().cloned().collect(),
                    one => vec![one.clone()],
                }
            };
            let objects: Vec<Json> = values.into_iter().flat_map(elements).collect();
            let objects: Vec<&Json> = objects.iter().collect();
            unset.extend(self::unset(inner, &objects, &path));
        }
    }
    unset
}

#[tokio::test]
async fn every_resource_is_imported_with_every_attribute_as_it_was_created() {
    let session = Session::new().await;
    session.objects.put("eu", echo());
    session.objects.put("us", gateway_api());
    session.objects.put("eu", balancer("198.51.100.9"));
    let mut gateway = balancer("198.51.100.9");
    for (namespace, name) in [(NAMESPACE, "named"), ("istio-system", "named")] {
        gateway["metadata"] = json!({"name": name, "namespace": namespace});
        session.objects.put("eu", gateway.clone());
    }
    session.objects.put(
        "eu",
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": format!("istio-sidecar-injector-{NAMESPACE}")}, "webhooks": [{"clientConfig": {"caBundle": "abc"}}],
        }),
    );
    let external = trust::bundle(&ready_made()[0], &ready_made()[1].certificate, &own_root().certificate);
    let namespace = Namespace::parse("external").expect("a namespace");
    let mut external = trust::cacerts_secret(&namespace, &external, &Json::Null, &TrustRecord::default());
    external["metadata"]["ownerReferences"] = json!([{"kind": "ExternalSecret", "name": "cacerts"}]);
    session.objects.put("us", external);
    let (mut root_fingerprint, mut request) = (String::new(), String::new());
    for resource in super::all() {
        let name = resource.name();
        let configurations = configurations(name, &root_fingerprint, &request);
        assert_eq!(unset(&resource.schema().attributes, &configurations.iter().collect::<Vec<_>>(), name), [""; 0], "set them here");
        for configuration in configurations {
            let set: Vec<_> = configuration.as_object().expect("an object").iter().map(|(key, set)| (key.as_str(), value(set))).collect();
            let config = rules::config(session.attributes(name), &set);
            let (state, identity) = session.create(name, &config).await;
            if name == "mesh_root_ca" {
                root_fingerprint = get(&state, "fingerprint").as_str().expect("a fingerprint").to_owned();
            }
            if name == "mesh_cluster_ca_request" {
                request = get(&state, "certificate_request").as_str().expect("a request").to_owned();
            }
            assert_eq!(session.plan(name, &state, &config).await, state, "{name}: the plan right after the apply is empty");

            let imported = session.import(name, identity).await;
            let planned = session.plan(name, &imported, &config).await;
            for attribute in session.attributes(name) {
                let (before, after) = (get(&imported, &attribute.name), get(&planned, &attribute.name));
                let may_change = NOT_IN_A_CLUSTER.contains(&attribute.name.as_str());
                assert!(
                    may_change || agrees(before, after),
                    "{name}.{} is imported as {before}, and was created as {after}",
                    attribute.name
                );
            }
        }
    }
}

#[test]
fn what_a_computed_attribute_is_kept_by_is_an_attribute() {
    for resource in super::all() {
        let attributes = resource.schema().attributes;
        for attribute in &attributes {
            if let framework::Forecast::Kept(unless) = attribute.rules.forecast {
                let unknown: Vec<_> = unless.iter().filter(|name| !attributes.iter().any(|other| other.name == **name)).collect();
                assert!(
                    unknown.is_empty(),
                    "{}.{} is kept unless {unknown:?} change, which it doesn't have",
                    resource.name(),
                    attribute.name
                );
            }
        }
    }
}
