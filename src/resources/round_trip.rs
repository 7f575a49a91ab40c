//! Every resource with every optional attribute set goes through create, import and plan, by the rules of the protocol and of the CLIs' core.

mod configurations;

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

use super::testing::{FakeMesh, balancer, echo, gateway_api, istiod, mcs_api};
use crate::{
    mesh::{Namespace, rotation::TrustRecord, trust},
    ports::fakes::{FakeClock, FakeObjects, FakeReleases},
    world::World,
};

use configurations::{configurations, own_root, ready_made};

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
    "renew_before_hours",
    "force_root_change",
    "warn_before_days",
    "values_wo_version",
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

/// Whether all that is known of a planned value is as it was before.
fn agrees(before: &Value, planned: &Value) -> bool {
    match planned {
        Value::Map(entries) if before.is_map() => {
            entries.iter().all(|(key, planned)| agrees(get(before, key.as_str().unwrap_or_default()), planned))
        }
        _ => is_unknown(planned) || before == planned,
    }
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
    session.objects.put("eu", mcs_api());
    session.objects.put("us", istiod(NAMESPACE));
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
    session.objects.put(
        "eu",
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": format!("istio-sidecar-injector-next-{NAMESPACE}"), "labels": {"app": "sidecar-injector", "istio.io/rev": "next"}},
            "webhooks": [{"clientConfig": {"caBundle": "abc"}}],
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
