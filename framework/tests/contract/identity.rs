//! Identity: told with every state, enough for an import, and read again when it was stored.

use framework::protocol::wire::{
    RawState, ResourceIdentityData, get_resource_identity_schemas, import_resource_state, upgrade_resource_identity,
};
use rmpv::Value;

use crate::sample::{Session, THING};
use plugin_host::values::{decode, encode, get, object};

fn here(name: &str) -> Value {
    object(&[("name", name.into()), ("zone", "here".into())])
}

fn identity(data: Option<&ResourceIdentityData>) -> Value {
    let value = decode(data.expect("an identity").identity_data.as_ref());
    object(&[("name", get(&value, "name").clone()), ("zone", get(&value, "zone").clone())])
}

#[tokio::test]
async fn an_identity_goes_with_every_state() {
    let mut session = Session::start().await;
    let (config, state) = session.create(&[("name", "a".into())]).await;
    assert_eq!(identity(session.read(&state).await.new_identity.as_ref()), here("a"));
    assert_eq!(identity(session.plan(&state, &config).await.planned_identity.as_ref()), here("a"));
    let request = Session::apply_request(&state, &config, &state);
    let applied = session.provider.apply_resource_change(request).await.expect("an answer").into_inner();
    assert_eq!(identity(applied.new_identity.as_ref()), here("a"));
    // While part of it is unknown there is none.
    let unknown = session.config(&[("name", "a".into()), ("zone", plugin_host::values::unknown())]);
    assert!(session.plan(&Value::Nil, &unknown).await.planned_identity.is_none());
    session.destroy(&state).await;
    assert!(session.read(&state).await.new_identity.is_none(), "what is gone has no identity");
}

#[tokio::test]
async fn an_import_finds_by_name_and_by_identity() {
    let mut session = Session::start().await;
    let (_, state) = session.create(&[("name", "a".into())]).await;
    let schemas = session.provider.get_resource_identity_schemas(get_resource_identity_schemas::Request {}).await.expect("an answer");
    let attributes = schemas.into_inner().identity_schemas[THING].identity_attributes.clone();
    let needed: Vec<_> = attributes.iter().map(|attribute| (attribute.name.as_str(), attribute.required_for_import)).collect();
    assert_eq!(needed, [("zone", false), ("name", true)]);

    let by_identity = |data: Value| import_resource_state::Request {
        type_name: THING.into(),
        identity: Some(ResourceIdentityData { identity_data: Some(encode(&data)) }),
        ..import_resource_state::Request::default()
    };
    let by_name = |id: &str| import_resource_state::Request { type_name: THING.into(), id: id.into(), ..Default::default() };
    let without_zone = object(&[("name", "a".into()), ("zone", Value::Nil)]);
    for request in [by_name("here/a"), by_identity(here("a")), by_identity(without_zone)] {
        let imported = session.provider.import_resource_state(request).await.expect("an answer").into_inner();
        assert!(imported.diagnostics.is_empty(), "{:?}", imported.diagnostics);
        let imported = &imported.imported_resources[0];
        assert_eq!(identity(imported.identity.as_ref()), here("a"));
        let read = session.read(&decode(imported.state.as_ref())).await;
        let read = decode(read.new_state.as_ref());
        assert_eq!((get(&read, "name"), get(&read, "revision")), (get(&state, "name"), get(&state, "revision")));
    }
    let nameless = by_identity(object(&[("name", Value::Nil), ("zone", "here".into())]));
    for (request, summary) in
        [(by_name("here/b"), "Nothing to import"), (by_name("b"), "Wrong import name"), (nameless, "Incomplete identity")]
    {
        let imported = session.provider.import_resource_state(request).await.expect("an answer").into_inner();
        assert!(imported.imported_resources.is_empty());
        assert_eq!(imported.diagnostics[0].summary, summary);
    }
}

#[tokio::test]
async fn an_identity_that_was_stored_is_read() {
    let mut session = Session::start().await;
    let upgrade = |version| upgrade_resource_identity::Request {
        type_name: THING.into(),
        version,
        raw_identity: Some(RawState { json: br#"{"name": "a", "zone": "here", "more": 1}"#.to_vec(), ..RawState::default() }),
    };
    let upgraded = session.provider.upgrade_resource_identity(upgrade(0)).await.expect("an answer").into_inner();
    assert_eq!(identity(upgraded.upgraded_identity.as_ref()), here("a"));
    let older = upgrade_resource_identity::Request {
        raw_identity: Some(RawState { json: br#"{"title": "a", "zone": "here"}"#.to_vec(), ..RawState::default() }),
        ..upgrade(0)
    };
    let upgraded = session.provider.upgrade_resource_identity(older).await.expect("an answer").into_inner();
    assert_eq!(identity(upgraded.upgraded_identity.as_ref()), here("a"), "the first version called the name a title");
    let newer = session.provider.upgrade_resource_identity(upgrade(2)).await.expect("an answer").into_inner();
    assert_eq!(newer.diagnostics[0].summary, "Identity of a newer provider");
}
