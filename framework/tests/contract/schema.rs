//! What the provider tells of itself.

use framework::protocol::wire::{get_functions, get_metadata, validate_provider_config, validate_resource_config};
use rmpv::Value;

use crate::sample::{ABLE, Session, THING};
use plugin_host::values::{encode, object};

#[tokio::test]
async fn everything_is_told_twice_alike() {
    let mut session = Session::unconfigured().await;
    let metadata = session.provider.get_metadata(get_metadata::Request {}).await.expect("metadata").into_inner();
    assert_eq!(metadata.server_capabilities, session.schema.server_capabilities);
    assert_eq!(metadata.resources[0].type_name, THING);
    assert_eq!(metadata.data_sources[0].type_name, "sample_look");
    assert_eq!(metadata.ephemeral_resources[0].type_name, "sample_token");
    assert_eq!(metadata.list_resources[0].type_name, THING);
    assert_eq!(metadata.functions[0].name, "explode");
    for (told, schemas) in [
        ("sample_look", &session.schema.data_source_schemas),
        ("sample_token", &session.schema.ephemeral_resource_schemas),
        (THING, &session.schema.list_resource_schemas),
        (THING, &session.schema.resource_schemas),
    ] {
        assert_eq!(schemas.keys().collect::<Vec<_>>(), [told]);
    }
    let functions = session.provider.get_functions(get_functions::Request {}).await.expect("functions").into_inner().functions;
    assert_eq!(functions, session.schema.functions);
}

#[tokio::test]
async fn what_is_deprecated_says_so() {
    let mut session = Session::unconfigured().await;
    let block = session.schema.resource_schemas[THING].block.clone().expect("a block");
    assert!(block.deprecated && block.deprecation_message == "It is a sample.");
    let length = block.attributes.iter().find(|attribute| attribute.name == "length").expect("length");
    assert!(length.deprecated && length.deprecation_message == "Set `size`.");
    let config = session.config(&[("name", "a".into()), ("length", 1.into())]);
    let request =
        validate_resource_config::Request { type_name: THING.into(), config: Some(encode(&config)), client_capabilities: Some(ABLE) };
    let diagnostics = session.provider.validate_resource_config(request).await.expect("an answer").into_inner().diagnostics;
    assert_eq!(diagnostics.len(), 1);
    assert!(diagnostics[0].detail.contains("Set `size`."), "{diagnostics:?}");
}

#[tokio::test]
async fn a_refused_configuration_leaves_an_unconfigured_provider() {
    let mut session = Session::unconfigured().await;
    let config = || Some(encode(&object(&[("zone", "".into()), ("password", Value::Nil)])));
    let judged =
        session.provider.validate_provider_config(validate_provider_config::Request { config: config() }).await.expect("an answer");
    assert_eq!(judged.into_inner().diagnostics[0].detail, "A zone has a name.");
    let request = framework::protocol::wire::configure_provider::Request { config: config(), ..Default::default() };
    let configured = session.provider.configure_provider(request).await.expect("an answer").into_inner();
    assert_eq!(configured.diagnostics.len(), 1);
    let config = session.config(&[("name", "a".into())]);
    let read = session.read(&config).await;
    assert_eq!(read.diagnostics[0].summary, "Provider not configured");
    // A plan needs no world.
    assert!(session.plan(&Value::Nil, &config).await.diagnostics.is_empty());
}
