//! The rules that the CLIs' core requires of a provider, for every resource.

use framework::protocol::wire::{
    DynamicValue, RawState, apply_resource_change, get_resource_identity_schemas, import_resource_state, plan_resource_change,
    provider_client::ProviderClient, read_resource, schema::Attribute, upgrade_resource_state, validate_resource_config,
};
use plugin_host::{
    Plugin, rules,
    values::{decode, encode, get, is_unknown, object, unknown},
};
use rmpv::Value;
use tonic::transport::Channel;

use crate::{configurations::configurations, session::Session};

/// Every managed object has a unique identity, and can be listed.
#[tokio::test]
async fn every_resource_has_an_identity_and_a_listing() {
    let mut session = Session::start().await;
    let identities = session.provider.get_resource_identity_schemas(get_resource_identity_schemas::Request {}).await.expect("an answer");
    let identities = identities.into_inner().identity_schemas;
    for (name, _) in configurations(&session) {
        let needed: Vec<_> = identities[&name].identity_attributes.iter().filter(|of| of.required_for_import).map(|of| &of.name).collect();
        // A global service is in all of its clusters.
        let part = if name == "mesh_global_service" { "host" } else { "cluster" };
        assert!(needed.iter().any(|needed| *needed == part), "{name}: {needed:?}");
        assert!(session.schema.list_resource_schemas.contains_key(&name), "{name} can't be listed");
    }
    assert_eq!(identities.len(), session.schema.resource_schemas.len());
    assert_eq!(session.schema.list_resource_schemas.len(), session.schema.resource_schemas.len());
}

#[tokio::test]
async fn every_attribute_has_one_type_and_a_description() {
    fn check(path: &str, attributes: &[Attribute]) {
        for attribute in attributes {
            let path = format!("{path}.{}", attribute.name);
            assert!(!attribute.description.is_empty(), "{path} is not documented");
            assert_eq!(attribute.r#type.is_empty(), attribute.nested_type.is_some(), "{path} has both types or none");
            assert!(attribute.required != (attribute.optional || attribute.computed), "{path} is both required and not");
            check(&path, attribute.nested_type.as_ref().map_or(&[], |nested| &nested.attributes));
        }
    }
    let session = Session::start().await;
    check("provider", &session.schema.provider.as_ref().and_then(|schema| schema.block.as_ref()).expect("a block").attributes);
    for name in session.schema.resource_schemas.keys() {
        check(name, &session.attributes(name));
    }
}

#[tokio::test]
async fn a_plan_keeps_to_the_rules_of_the_core() {
    let mut session = Session::start().await;
    for (name, set) in configurations(&session) {
        let config = session.config(&name, &set);
        let plan = session.plan(&name, &Value::Nil, &config).await;
        assert!(plan.diagnostics.is_empty(), "{name}: {:?}", plan.diagnostics);
        let planned = decode(plan.planned_state.as_ref());
        let attributes = session.attributes(&name);
        assert_eq!(rules::plan_faults(&attributes, &Value::Nil, &config, &planned), Vec::<String>::new(), "{name}");
        // Null as in states from before there was the attribute, so that these plan no change.
        for of in attributes.iter().filter(|of| of.computed && of.name != "trusted_fingerprints") {
            assert!(!get(&planned, &of.name).is_nil(), "{name}.{} is computed, and planned as null", of.name);
        }

        let state = session.applied(&name, &planned);
        let again = session.plan(&name, &state, &config).await;
        assert_eq!(decode(again.planned_state.as_ref()), state, "{name}: a second plan changes something");
        assert!(again.requires_replace.is_empty());

        let destroy = plan_resource_change::Request {
            type_name: name.clone(),
            prior_state: Some(encode(&state)),
            proposed_new_state: Some(encode(&Value::Nil)),
            config: Some(encode(&Value::Nil)),
            ..plan_resource_change::Request::default()
        };
        let destroy = session.provider.plan_resource_change(destroy).await.expect("an answer").into_inner();
        assert!(decode(destroy.planned_state.as_ref()).is_nil() && destroy.diagnostics.is_empty());
    }
}

#[tokio::test]
async fn unknown_values_are_planned_and_never_refused() {
    let mut session = Session::start().await;
    for (name, set) in configurations(&session) {
        let set: Vec<_> = set.iter().map(|(attribute, _)| (*attribute, unknown())).collect();
        let config = session.config(&name, &set);
        let request =
            validate_resource_config::Request { type_name: name.clone(), config: Some(encode(&config)), client_capabilities: None };
        let diagnostics = session.provider.validate_resource_config(request).await.expect("an answer").into_inner().diagnostics;
        assert!(diagnostics.is_empty(), "{name}: {diagnostics:?}");
        let plan = session.plan(&name, &Value::Nil, &config).await;
        assert!(plan.diagnostics.is_empty(), "{name}: {:?}", plan.diagnostics);
        let planned = decode(plan.planned_state.as_ref());
        for (attribute, _) in &set {
            assert!(is_unknown(get(&planned, attribute)), "{name}.{attribute}");
        }
    }
}

#[tokio::test]
async fn an_unreachable_cluster_changes_no_state() {
    let mut session = Session::start().await;
    let mut states = Vec::new();
    for (name, set) in configurations(&session) {
        let config = session.config(&name, &set);
        let plan = session.plan(&name, &Value::Nil, &config).await;
        let state = session.applied(&name, &decode(plan.planned_state.as_ref()));
        states.push((name, state));
    }
    // All at once, as each is tried for some seconds.
    futures::future::join_all(states.into_iter().map(|(name, state)| loses_nothing(session.provider.clone(), name, state))).await;
}

async fn loses_nothing(mut provider: ProviderClient<Channel>, name: String, state: Value) {
    let request = read_resource::Request {
        type_name: name.clone(),
        current_state: Some(encode(&state)),
        private: b"private".to_vec(),
        ..read_resource::Request::default()
    };
    let read = provider.read_resource(request).await.expect("an answer").into_inner();
    assert_eq!(decode(read.new_state.as_ref()), state, "{name}: a failed read changed the state");
    assert!(read.diagnostics[0].detail.contains("127.0.0.1:1"), "{name}: {:?}", read.diagnostics);
    assert_eq!(read.private, b"private");

    let request = apply_resource_change::Request {
        type_name: name.clone(),
        prior_state: Some(encode(&state)),
        planned_state: Some(encode(&Value::Nil)),
        config: Some(encode(&Value::Nil)),
        ..apply_resource_change::Request::default()
    };
    let destroyed = provider.apply_resource_change(request).await.expect("an answer").into_inner();
    assert_eq!(decode(destroyed.new_state.as_ref()), state, "{name}: a failed destroy dropped the state");
    assert!(!destroyed.diagnostics.is_empty());
}

#[tokio::test]
async fn a_stored_state_is_read_by_the_schema() {
    let mut session = Session::start().await;
    let json = br#"{"cluster": "us", "validity_days": 30, "of_a_later_version": {"a": 1}}"#;
    let upgrade = |version: i64, json: &[u8]| upgrade_resource_state::Request {
        type_name: "mesh_root_ca".into(),
        version,
        raw_state: Some(RawState { json: json.to_vec(), ..RawState::default() }),
    };
    let upgraded = session.provider.upgrade_resource_state(upgrade(0, json)).await.expect("an answer").into_inner();
    let state = decode(upgraded.upgraded_state.as_ref());
    assert_eq!((get(&state, "cluster"), get(&state, "validity_days"), get(&state, "certificate")), (&"us".into(), &30.into(), &Value::Nil));

    let newer = session.provider.upgrade_resource_state(upgrade(7, json)).await.expect("an answer").into_inner();
    assert_eq!(newer.diagnostics[0].summary, "State of a newer provider");
    let wrong = session.provider.upgrade_resource_state(upgrade(0, br#"{"cluster": [1]}"#)).await.expect("an answer").into_inner();
    assert_eq!(wrong.diagnostics[0].detail, "Expected a string, found a list.");
    assert_eq!(wrong.diagnostics[0].attribute.as_ref().expect("a path").steps.len(), 1);
}

#[tokio::test]
async fn a_request_that_makes_no_sense_gets_a_diagnostic() {
    let mut session = Session::start().await;
    let validate = |type_name: &str, config: DynamicValue| validate_resource_config::Request {
        type_name: type_name.to_owned(),
        config: Some(config),
        client_capabilities: None,
    };
    let unknown_type = session.provider.validate_resource_config(validate("mesh_thing", encode(&Value::Nil))).await.expect("an answer");
    assert!(unknown_type.into_inner().diagnostics[0].detail.contains("mesh_root_ca"));
    let garbage = DynamicValue { msgpack: vec![0xc1, 0xff], json: Vec::new() };
    let malformed = session.provider.validate_resource_config(validate("mesh_root_ca", garbage)).await.expect("an answer");
    assert_eq!(malformed.into_inner().diagnostics[0].summary, "Malformed value");
    // An older CLI would keep a write-only value in its state.
    let key = object(&[("cluster", "us".into()), ("root_certificate", "c".into()), ("root_private_key_wo", "k".into())]);
    let refused = session.provider.validate_resource_config(validate("mesh_cluster_ca", encode(&key))).await.expect("an answer");
    assert!(refused.into_inner().diagnostics.iter().any(|diagnostic| diagnostic.summary == "Write-only attribute not supported"));

    let import =
        import_resource_state::Request { type_name: "mesh_cluster".into(), id: "us".into(), ..import_resource_state::Request::default() };
    let imported = session.provider.import_resource_state(import).await.expect("an answer").into_inner();
    assert!(imported.imported_resources.is_empty() && imported.diagnostics[0].detail.contains("CLUSTER/NAMESPACE"));

    let unconfigured = Plugin::start(crate::PROGRAM);
    let request = read_resource::Request { type_name: "mesh_root_ca".into(), ..read_resource::Request::default() };
    let read = unconfigured.provider().await.read_resource(request).await.expect("an answer").into_inner();
    assert_eq!(read.diagnostics[0].summary, "Provider not configured");
}

#[tokio::test]
async fn a_thousand_calls_at_once_are_answered() {
    let session = Session::start().await;
    let calls = (0..1000).map(|_| {
        let mut provider = session.provider.clone();
        let config = encode(&object(&[("cluster", "us".into())]));
        async move {
            let request =
                validate_resource_config::Request { type_name: "mesh_root_ca".into(), config: Some(config), client_capabilities: None };
            provider.validate_resource_config(request).await.expect("an answer").into_inner().diagnostics.len()
        }
    });
    assert_eq!(futures::future::join_all(calls).await.iter().sum::<usize>(), 0);
}

#[test]
fn the_provider_declares_nothing_wrong() {
    assert_eq!(framework::protocol::check(&terraform_provider_mesh::provider::Mesh), Vec::<String>::new());
}
