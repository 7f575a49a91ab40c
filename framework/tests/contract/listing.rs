//! Listing what exists.

use framework::protocol::wire::{list_resource, validate_list_resource_config};
use rmpv::Value;

use crate::sample::{Session, THING};
use plugin_host::values::{decode, encode, get, object};

async fn list(session: &mut Session, prefix: Value, limit: i64, include_resource_object: bool) -> Vec<list_resource::Event> {
    let config = Some(encode(&object(&[("prefix", prefix)])));
    let request = list_resource::Request { type_name: THING.into(), config, include_resource_object, limit };
    let mut stream = session.provider.list_resource(request).await.expect("a stream").into_inner();
    let mut events = Vec::new();
    while let Some(event) = stream.message().await.expect("an event") {
        events.push(event);
    }
    events
}

#[tokio::test]
async fn what_exists_is_listed() {
    let mut session = Session::start().await;
    for name in ["a1", "a2", "b1"] {
        session.create(&[("name", name.into())]).await;
    }
    assert_eq!(list(&mut session, Value::Nil, 0, false).await.len(), 3);
    let events = list(&mut session, "a".into(), 0, false).await;
    assert_eq!(events.iter().map(|event| event.display_name.as_str()).collect::<Vec<_>>(), ["here/a1", "here/a2"]);
    assert!(events.iter().all(|event| event.identity.is_some() && event.resource_object.is_none()));
    let limited = list(&mut session, "a".into(), 1, true).await;
    assert_eq!(limited.len(), 1);
    let state = decode(limited[0].resource_object.as_ref());
    assert_eq!((get(&state, "name"), get(&state, "revision")), (&"a1".into(), &1.into()), "with all that a read finds");

    session.create(&[("name", "secret".into())]).await;
    let partly = list(&mut session, "b".into(), 0, false).await;
    assert_eq!(partly[0].display_name, "here/b1");
    assert_eq!(partly[1].diagnostic[0].summary, "Forbidden", "what was found stands beside the error");
}

#[tokio::test]
async fn a_filter_is_checked() {
    let mut session = Session::unconfigured().await;
    let config = Some(encode(&object(&[("prefix", "*".into())])));
    let request = validate_list_resource_config::Request { type_name: THING.into(), config, include_resource_object: None, limit: None };
    let diagnostics = session.provider.validate_list_resource_config(request).await.expect("an answer").into_inner().diagnostics;
    assert_eq!(diagnostics[0].detail, "No wildcards.");
    assert_eq!(list(&mut session, Value::Nil, 0, false).await[0].diagnostic[0].summary, "Provider not configured");
}
