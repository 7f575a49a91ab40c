//! The provider's configuration with values that are null or unknown.

use std::{net::TcpListener, os::unix::fs::PermissionsExt as _};

use framework::protocol::wire::{
    DynamicValue, Schema, schema::Attribute, validate_data_resource_config, validate_ephemeral_resource_config, validate_resource_config,
};
use plugin_host::{
    Plugin, rules,
    values::{decode, encode, object, unknown},
};
use rmpv::Value;

use crate::{configurations::configurations, session::Session};

fn access() -> Value {
    object(&[("host", "https://127.0.0.1:1".into()), ("token", "t".into())])
}

#[tokio::test]
async fn a_required_value_that_turns_out_to_be_null_is_an_error_and_not_unknown() {
    let exec = object(&[("api_version", "client.authentication.k8s.io/v1".into()), ("command", Value::Nil)]);
    let eu = object(&[("host", "https://127.0.0.1:1".into()), ("exec", exec)]);
    for (config, name) in
        [(object(&[("clusters", Value::Nil)]), "`clusters`"), (object(&[("clusters", object(&[("eu", eu)]))]), "`command`")]
    {
        let (_session, diagnostics) = Session::configured(&config).await;
        assert_eq!(diagnostics[0].summary, "Missing required argument", "{diagnostics:?}");
        assert!(diagnostics[0].detail.contains(name), "{diagnostics:?}");
    }
}

#[tokio::test]
async fn a_cluster_that_is_null_is_not_configured() {
    let (mut session, diagnostics) = Session::configured(&object(&[("clusters", object(&[("eu", access()), ("us", Value::Nil)]))])).await;
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let config = session.config("mesh_root_ca", &[("cluster", "us".into())]);
    let plan = session.plan("mesh_root_ca", &Value::Nil, &config).await;
    assert!(plan.diagnostics[0].detail.contains("has no cluster `us`; it has `eu`"), "{:?}", plan.diagnostics);
}

#[tokio::test]
async fn a_plan_does_not_look_for_a_helm_whose_path_is_unknown() {
    let helm = object(&[("binary", unknown())]);
    let clusters = object(&[("us", access()), ("eu", unknown())]);
    let (mut session, diagnostics) = Session::configured(&object(&[("clusters", clusters), ("helm", helm)])).await;
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    for (name, set) in configurations(&session) {
        let config = session.config(&name, &set);
        let plan = session.plan(&name, &Value::Nil, &config).await;
        assert!(plan.diagnostics.is_empty(), "{name}: {:?}", plan.diagnostics);
    }
}

/// A password that has expired, or a registry that is down, is no matter for a plan.
#[tokio::test]
async fn a_plan_neither_runs_helm_nor_contacts_the_repository_of_the_charts() {
    let registry = TcpListener::bind("127.0.0.1:0").expect("a port");
    registry.set_nonblocking(true).expect("a listener to be asked later");
    let address = registry.local_addr().expect("an address");
    let folder = tempfile::tempdir().expect("a folder");
    let (program, trace) = (folder.path().join("helm"), folder.path().join("trace"));
    std::fs::write(&program, format!("#!/bin/sh\necho \"$@\" >> {}\n", trace.display())).expect("written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("a program");
    let helm = object(&[
        ("binary", program.display().to_string().into()),
        ("repository", format!("oci://{address}/istio").into()),
        ("plain_http", true.into()),
        ("username", "ann".into()),
        ("password", "expired".into()),
    ]);
    let (mut session, diagnostics) =
        Session::configured(&object(&[("clusters", object(&[("eu", access()), ("us", access())])), ("helm", helm)])).await;
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let mut upgrades = 0;
    for (name, set) in configurations(&session) {
        let config = session.config(&name, &set);
        let created = session.plan(&name, &Value::Nil, &config).await;
        assert!(created.diagnostics.is_empty(), "{name}: {:?}", created.diagnostics);
        if session.attributes(&name).iter().any(|attribute| attribute.name == "istio_version") {
            let of_version = |version: &str| [set.as_slice(), &[("istio_version", version.into())]].concat();
            let (old, new) = (session.config(&name, &of_version("1.30.2")), session.config(&name, &of_version("1.31.0")));
            let installed = session.plan(&name, &Value::Nil, &old).await;
            let state = session.applied(&name, &decode(installed.planned_state.as_ref()));
            let upgrade = session.plan(&name, &state, &new).await;
            assert!(upgrade.diagnostics.is_empty(), "{name}: {:?}", upgrade.diagnostics);
            upgrades += 1;
        }
    }
    assert_eq!(upgrades, 2, "the control plane and the gateway have charts");
    assert!(registry.accept().is_err(), "the registry was contacted");
    assert!(!trace.exists(), "helm was run: {}", std::fs::read_to_string(&trace).unwrap_or_default());
}

/// A configuration in which all that is required is known after apply only, and all else is left out.
fn open(attributes: &[Attribute]) -> DynamicValue {
    let required: Vec<_> = attributes.iter().filter(|of| of.required).map(|of| (of.name.as_str(), unknown())).collect();
    encode(&rules::config(attributes, &required))
}

/// Where a CLI defers the provider's configuration, it checks those of the resources all the same.
#[tokio::test]
async fn everything_is_validated_by_a_provider_that_is_not_configured() {
    let session = Session::start().await;
    let plugin = Plugin::start(crate::PROGRAM);
    let mut provider = plugin.provider().await;
    for (name, set) in configurations(&session) {
        let open: Vec<_> = set.iter().map(|(attribute, _)| (*attribute, unknown())).collect();
        for (set, is_valid) in [(set, true), (open, true), (Vec::new(), false)] {
            let config = Some(encode(&session.config(&name, &set)));
            let request = validate_resource_config::Request { type_name: name.clone(), config, client_capabilities: None };
            let answer = provider.validate_resource_config(request).await.expect("an answer").into_inner();
            assert_eq!(answer.diagnostics.is_empty(), is_valid, "{name}: {:?}", answer.diagnostics);
        }
    }
    let attributes = |schema: &Schema| schema.block.clone().expect("a block").attributes;
    for (name, schema) in &session.schema.data_source_schemas {
        let request = validate_data_resource_config::Request { type_name: name.clone(), config: Some(open(&attributes(schema))) };
        let answer = provider.validate_data_resource_config(request).await.expect("an answer").into_inner();
        assert!(answer.diagnostics.is_empty(), "{name}: {:?}", answer.diagnostics);
    }
    for (name, schema) in &session.schema.ephemeral_resource_schemas {
        let request = validate_ephemeral_resource_config::Request { type_name: name.clone(), config: Some(open(&attributes(schema))) };
        let answer = provider.validate_ephemeral_resource_config(request).await.expect("an answer").into_inner();
        assert!(answer.diagnostics.is_empty(), "{name}: {:?}", answer.diagnostics);
    }
}
