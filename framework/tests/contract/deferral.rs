//! While the provider's configuration is unknown: a CLI that can wait is told to, any other gets the best there is.

use framework::protocol::wire::{
    ClientCapabilities, Deferred, import_resource_state, open_ephemeral_resource, read_data_source, read_resource,
};
use rmpv::Value;

use crate::sample::{ABLE, Session, THING};
use plugin_host::values::{decode, encode, is_unknown, object};

const UNABLE: Option<ClientCapabilities> = None;

fn is_deferred(deferred: Option<Deferred>) -> bool {
    deferred.is_some_and(|deferred| deferred.reason() == framework::protocol::wire::deferred::Reason::ProviderConfigUnknown)
}

#[tokio::test]
async fn a_cli_that_can_wait_is_told_to() {
    let mut session = Session::unknown().await;
    let config = session.config(&[("name", "a".into()), ("zone", "here".into()), ("size", 1.into())]);
    assert!(is_deferred(session.plan(&Value::Nil, &config).await.deferred));
    let read = session.read(&config).await;
    assert!(is_deferred(read.deferred) && read.diagnostics.is_empty());
    assert_eq!(decode(read.new_state.as_ref()), config, "the state stays");

    let request = import_resource_state::Request {
        type_name: THING.into(),
        id: "here/a".into(),
        client_capabilities: Some(ABLE),
        ..import_resource_state::Request::default()
    };
    let imported = session.provider.import_resource_state(request).await.expect("an answer").into_inner();
    assert!(is_deferred(imported.deferred) && imported.diagnostics.is_empty());
    let state = decode(imported.imported_resources[0].state.as_ref());
    assert!(is_unknown(&state));
    let read = session.read(&state).await;
    assert!(is_deferred(read.deferred) && is_unknown(&decode(read.new_state.as_ref())), "the core reads what an import gave");

    let config = Some(encode(&object(&[("prefix", "a".into()), ("count", Value::Nil)])));
    let request =
        read_data_source::Request { type_name: "sample_look".into(), config, client_capabilities: Some(ABLE), provider_meta: None };
    let looked = session.provider.read_data_source(request).await.expect("an answer").into_inner();
    assert!(is_deferred(looked.deferred) && looked.diagnostics.is_empty());

    let config = Some(encode(&object(&[("user", "ann".into()), ("token", Value::Nil)])));
    let request = open_ephemeral_resource::Request { type_name: "sample_token".into(), config, client_capabilities: Some(ABLE) };
    let opened = session.provider.open_ephemeral_resource(request).await.expect("an answer").into_inner();
    assert!(is_deferred(opened.deferred) && opened.diagnostics.is_empty() && opened.result.is_some());
}

#[tokio::test]
async fn a_deferral_hides_no_other_error() {
    let mut session = Session::unknown().await;
    let config = Some(encode(&object(&[("user", "nobody".into()), ("token", Value::Nil)])));
    let request = open_ephemeral_resource::Request { type_name: "sample_token".into(), config, client_capabilities: Some(ABLE) };
    let opened = session.provider.open_ephemeral_resource(request).await.expect("an answer").into_inner();
    assert_eq!(plugin_host::diagnostics::errors(&opened.diagnostics), ["Unknown user"]);
}

#[tokio::test]
async fn any_other_keeps_its_state_or_hears_why_not() {
    let mut session = Session::unknown().await;
    let state = session.config(&[("name", "a".into()), ("zone", "here".into()), ("size", 1.into())]);
    let request = read_resource::Request { type_name: THING.into(), current_state: Some(encode(&state)), ..Default::default() };
    let read = session.provider.read_resource(request).await.expect("an answer").into_inner();
    assert!(read.deferred.is_none() && read.diagnostics.is_empty());
    assert_eq!(decode(read.new_state.as_ref()), state);

    let request = import_resource_state::Request {
        type_name: THING.into(),
        id: "here/a".into(),
        client_capabilities: UNABLE,
        ..import_resource_state::Request::default()
    };
    let imported = session.provider.import_resource_state(request).await.expect("an answer").into_inner();
    assert!(imported.deferred.is_none());
    assert_eq!(imported.diagnostics[0].summary, "Known after apply");
}
