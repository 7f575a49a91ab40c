//! States that this version of a resource didn't write.

use rmpv::Value;

use framework::protocol::wire::{RawState, generate_resource_config, import_resource_state, move_resource_state, upgrade_resource_state};

use crate::sample::{Session, THING};
use plugin_host::{
    diagnostics::{errors, warnings},
    values::{decode, encode, get},
};

fn raw(json: &str) -> RawState {
    RawState { json: json.as_bytes().to_vec(), ..RawState::default() }
}

#[tokio::test]
async fn a_state_is_upgraded_version_by_version() {
    let mut session = Session::unconfigured().await;
    for (version, json) in [
        (0, r#"{"title": "a", "size": 3}"#),
        (1, r#"{"name": "a", "size": 3}"#),
        (2, r#"{"name": "a", "zone": "here", "size": 3, "later": [{}]}"#),
    ] {
        let request = upgrade_resource_state::Request { type_name: THING.into(), version, raw_state: Some(raw(json)) };
        let upgraded = session.provider.upgrade_resource_state(request).await.expect("an answer").into_inner();
        assert!(upgraded.diagnostics.is_empty(), "{version}: {:?}", upgraded.diagnostics);
        let state = decode(upgraded.upgraded_state.as_ref());
        assert_eq!((get(&state, "name"), get(&state, "zone"), get(&state, "size")), (&"a".into(), &"here".into(), &3.into()));
    }
    for (version, json, summary) in [
        (3, "{}", "State of a newer provider"),
        (0, "[]", "Wrong type of value"),
        (0, r#"{"title": "a", "size": 0}"#, "Thing without a size"),
        (0, "{", "Malformed state"),
        (2, "", "Malformed state"),
        (2, r#"{"size": "many"}"#, "Wrong type of value"),
        (1, r#"{"size": 1.5}"#, "Invalid size"),
    ] {
        let request = upgrade_resource_state::Request { type_name: THING.into(), version, raw_state: Some(raw(json)) };
        let refused = session.provider.upgrade_resource_state(request).await.expect("an answer").into_inner();
        assert_eq!(refused.diagnostics[0].summary, summary, "{json}");
    }
}

#[tokio::test]
async fn an_upgrade_loses_no_digit_and_reveals_no_secret() {
    let mut session = Session::unconfigured().await;
    let digits = "12345678901234567890123456789.5";
    let json = format!(r#"{{"title": "a", "atoms": {digits}, "key": "a-former-secret"}}"#);
    let request = upgrade_resource_state::Request { type_name: THING.into(), version: 0, raw_state: Some(raw(&json)) };
    let upgraded = session.provider.upgrade_resource_state(request).await.expect("an answer").into_inner();
    assert_eq!(get(&decode(upgraded.upgraded_state.as_ref()), "atoms"), &digits.into());
    assert_eq!(session.mask.apply("key: a-former-secret"), "key: ***");
}

#[tokio::test]
async fn a_state_of_terraform_0_11_is_refused_with_the_way_out() {
    let mut session = Session::unconfigured().await;
    let flatmap = std::collections::HashMap::from([("name".to_owned(), "a".to_owned())]);
    let raw_state = Some(RawState { json: Vec::new(), flatmap });
    let request = upgrade_resource_state::Request { type_name: THING.into(), version: 0, raw_state };
    let refused = session.provider.upgrade_resource_state(request).await.expect("an answer").into_inner();
    assert_eq!(refused.diagnostics[0].summary, "State of an old format");
    assert!(refused.diagnostics[0].detail.contains("terraform state rm"), "{:?}", refused.diagnostics);
}

#[tokio::test]
async fn a_state_that_breaks_todays_rules_is_read_updated_and_destroyed() {
    let mut session = Session::start().await;
    let (config, _) = session.create(&[("name", "a".into())]).await;
    let mut made = session.config(&[("name", "a".into()), ("zone", "here".into()), ("size", 1.into()), ("length", 1000.into())]);
    let read = session.read(&made).await;
    assert_eq!(warnings(&read.diagnostics), ["Invalid length"]);
    made = decode(read.new_state.as_ref());
    assert_eq!((errors(&read.diagnostics).len(), get(&made, "revision")), (0, &1.into()), "it is read all the same");
    let updated = session.apply(&made, &config).await;
    assert!(updated.diagnostics.is_empty(), "{:?}", updated.diagnostics);
    assert!(session.destroy(&made).await.state.is_nil());

    // Without a name there is nothing to look at: the state stays, so that an apply can complete it.
    let nameless = session.config(&[("zone", "here".into()), ("size", 1.into())]);
    let read = session.read(&nameless).await;
    assert!(errors(&read.diagnostics).is_empty() && decode(read.new_state.as_ref()) == nameless);
    assert_eq!(warnings(&read.diagnostics), ["The state of this sample_thing is incomplete"]);
}

#[tokio::test]
async fn a_state_that_gives_no_inputs_is_refreshed_and_destroyed_by_its_identity() {
    let mut session = Session::start().await;
    session.create(&[("name", "a".into())]).await;
    let base = [("name", "a".into()), ("zone", "here".into())];
    let numberless = plugin_host::values::object(&[("kind", "plain".into())]);
    // A part without its number gives no spec; half a size is not even a value of the model.
    for (broken, recorded) in [(("main", numberless), &1.into()), (("size", 0.5.into()), &Value::Nil)] {
        let state = session.config(&[base.as_slice(), &[broken]].concat());
        let read = session.read(&state).await;
        assert!(errors(&read.diagnostics).is_empty() && !warnings(&read.diagnostics).is_empty(), "{:?}", read.diagnostics);
        assert_eq!(get(&decode(read.new_state.as_ref()), "revision"), recorded, "an object that exists stays");
        let destroyed = session.destroy(&state).await;
        assert!(destroyed.state.is_nil() && destroyed.diagnostics.is_empty(), "{:?}", destroyed.diagnostics);
        assert!(!session.sample.things.lock().expect("things").contains_key("a"), "and so is the object");
        // What is gone is gone, and destroying it again is no error.
        assert!(decode(session.read(&state).await.new_state.as_ref()).is_nil());
        assert!(session.destroy(&state).await.state.is_nil());
        session.create(&[("name", "a".into())]).await;
    }
}

#[tokio::test]
async fn no_state_that_leaves_the_provider_holds_a_write_only_value() {
    let mut session = Session::start().await;
    let (_, made) = session.create(&[("name", "a".into()), ("key_wo", "a-secret-key".into())]).await;
    assert!(get(&made, "key_wo").is_nil(), "created");
    let base = [("name", "a".into()), ("zone", "here".into()), ("size", 1.into())];
    let keyed = session.config(&[base.as_slice(), &[("key_wo", "a-stored-key".into())]].concat());
    assert!(get(&decode(session.read(&keyed).await.new_state.as_ref()), "key_wo").is_nil(), "read");
    let sized = session.config(&[("name", "a".into()), ("zone", "here".into()), ("size", 0.5.into()), ("key_wo", "a-stored-key".into())]);
    assert!(get(&decode(session.read(&sized).await.new_state.as_ref()), "key_wo").is_nil(), "read by its identity");
    let request = import_resource_state::Request { type_name: THING.into(), id: "here/a".into(), ..Default::default() };
    let imported = session.provider.import_resource_state(request).await.expect("an answer").into_inner().imported_resources;
    let imported = decode(imported[0].state.as_ref());
    assert!(get(&imported, "name") == &"a".into() && get(&imported, "key_wo").is_nil(), "imported");
    for (version, json) in [(1, r#"{"name": "a"}"#), (2, r#"{"name": "a", "key_wo": "a-stored-key"}"#)] {
        let request = upgrade_resource_state::Request { type_name: THING.into(), version, raw_state: Some(raw(json)) };
        let upgraded = session.provider.upgrade_resource_state(request).await.expect("an answer").into_inner();
        assert!(get(&decode(upgraded.upgraded_state.as_ref()), "key_wo").is_nil(), "upgraded from {version}");
    }
    let request = move_resource_state::Request {
        source_provider_address: "registry.example.com/other/other".into(),
        source_type_name: "other_thing".into(),
        source_state: Some(raw(r#"{"label": "a"}"#)),
        target_type_name: THING.into(),
        ..Default::default()
    };
    let moved = session.provider.move_resource_state(request).await.expect("an answer").into_inner();
    assert!(get(&decode(moved.target_state.as_ref()), "key_wo").is_nil(), "moved");
}

#[tokio::test]
async fn an_object_moves_in_from_a_type_that_is_known() {
    let mut session = Session::unconfigured().await;
    let request = |provider: &str, type_name: &str, json: &str| move_resource_state::Request {
        source_provider_address: provider.into(),
        source_type_name: type_name.into(),
        source_state: Some(raw(json)),
        source_private: b"theirs".to_vec(),
        target_type_name: THING.into(),
        ..move_resource_state::Request::default()
    };
    let moved = session.provider.move_resource_state(request("registry.example.com/other/other", "other_thing", r#"{"label": "a"}"#)).await;
    let moved = moved.expect("an answer").into_inner();
    assert!(moved.diagnostics.is_empty() && moved.target_private.is_empty() && moved.target_identity.is_some());
    assert_eq!(get(&decode(moved.target_state.as_ref()), "name"), &"a".into());
    // Our own type, from another registry and an older version.
    let of_ours =
        move_resource_state::Request { source_schema_version: 1, ..request("registry.example.com/old/sample", THING, r#"{"name": "a"}"#) };
    let moved = session.provider.move_resource_state(of_ours).await.expect("an answer").into_inner();
    assert!(moved.diagnostics.is_empty(), "{:?}", moved.diagnostics);
    assert_eq!(get(&decode(moved.target_state.as_ref()), "zone"), &"here".into());
    for (type_name, json, summary) in [
        (THING, r#"{"name": "a"}"#, "Can't be moved"),
        ("other_stuff", r#"{"label": "a"}"#, "Can't be moved"),
        ("other_thing", r#"{"label": null}"#, "Not to be adopted"),
        ("other_thing", r#"{"label": []}"#, "Wrong type of value"),
        ("other_thing", "nonsense", "Malformed state"),
    ] {
        let refused = session.provider.move_resource_state(request("registry.example.com/other/other", type_name, json)).await;
        assert_eq!(refused.expect("an answer").into_inner().diagnostics[0].summary, summary);
    }
}

#[tokio::test]
async fn the_configuration_of_a_state_gives_that_state() {
    let mut session = Session::start().await;
    let part = plugin_host::values::object(&[("number", 7.into())]);
    let set = [("name", "a".into()), ("note", "x".into()), ("main", part)];
    let (config, state) = session.create(&set).await;
    let request = generate_resource_config::Request { type_name: THING.into(), state: Some(encode(&state)) };
    let generated = session.provider.generate_resource_config(request).await.expect("an answer").into_inner();
    assert_eq!(decode(generated.config.as_ref()), config);
}
