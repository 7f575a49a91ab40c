//! What the provider tells of itself.

use framework::protocol::wire::{
    AttributePath, attribute_path::step::Selector, diagnostic::Severity, get_functions, get_metadata, validate_provider_config,
    validate_resource_config,
};
use rmpv::Value;

use crate::sample::{ABLE, Session, THING};
use plugin_host::values::{decode, encode, object, unknown};

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
    let details: Vec<_> = diagnostics.iter().map(|diagnostic| diagnostic.detail.as_str()).collect();
    assert_eq!(details, ["It is a sample.", "`length` is deprecated. Set `size`."]);
}

/// The summaries and paths of what is wrong with a configuration.
async fn validated(session: &mut Session, config: &Value) -> Vec<String> {
    let request =
        validate_resource_config::Request { type_name: THING.into(), config: Some(encode(config)), client_capabilities: Some(ABLE) };
    let diagnostics = session.provider.validate_resource_config(request).await.expect("an answer").into_inner().diagnostics;
    let wrong = diagnostics.into_iter().filter(|diagnostic| diagnostic.severity() == Severity::Error);
    wrong.map(|diagnostic| format!("{} at {}", diagnostic.summary, steps(diagnostic.attribute.as_ref()))).collect()
}

fn steps(path: Option<&AttributePath>) -> String {
    let step = |selector: &Option<Selector>| match selector {
        Some(Selector::AttributeName(text) | Selector::ElementKeyString(text)) => text.clone(),
        Some(Selector::ElementKeyInt(index)) => index.to_string(),
        None => String::new(),
    };
    path.map(|path| path.steps.iter().map(|part| step(&part.selector)).collect::<Vec<_>>().join("/")).unwrap_or_default()
}

#[tokio::test]
async fn a_required_argument_that_is_null_is_refused_before_the_plan() {
    let mut session = Session::unconfigured().await;
    let nameless = session.config(&[]);
    assert_eq!(validated(&mut session, &nameless).await, ["Missing required argument at name"]);
    let part = session.config(&[("name", "a".into()), ("parts", Value::Array(vec![object(&[("kind", "x".into())])]))]);
    assert_eq!(validated(&mut session, &part).await, ["Missing required argument at parts/0/number"]);
    let named_later = session.config(&[("name", unknown())]);
    assert!(validated(&mut session, &named_later).await.is_empty());
}

#[tokio::test]
async fn a_required_argument_that_turns_out_to_be_null_is_refused_before_anything_is_made() {
    let mut session = Session::start().await;
    let planned = session.plan(&Value::Nil, &session.config(&[("name", unknown())]).clone()).await;
    let request = Session::apply_request(&Value::Nil, &session.config(&[]), &decode(planned.planned_state.as_ref()));
    let applied = session.provider.apply_resource_change(request).await.expect("an answer").into_inner();
    assert_eq!(applied.diagnostics[0].summary, "Missing required argument");
    assert_eq!(steps(applied.diagnostics[0].attribute.as_ref()), "name");
    assert!(decode(applied.new_state.as_ref()).is_nil());
    assert!(session.sample.things.lock().expect("things").is_empty());
}

#[tokio::test]
async fn a_read_only_attribute_in_a_configuration_is_refused() {
    let mut session = Session::start().await;
    let config = session.config(&[("name", "a".into()), ("revision", 7.into()), ("drift", Value::Array(vec!["x".into()]))]);
    let wrong = validated(&mut session, &config).await;
    assert_eq!(wrong, ["Read-only attribute at revision", "Read-only attribute at drift"]);
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

#[test]
fn the_sample_declares_nothing_wrong() {
    assert_eq!(framework::protocol::check(&crate::sample::Sample::default()), Vec::<String>::new());
}
