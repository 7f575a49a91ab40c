//! States that earlier builds have stored. Every later build reads them: `states/` only ever grows.

use std::{
    fs,
    path::{Path, PathBuf},
};

use framework::protocol::wire::{Diagnostic, RawState, diagnostic::Severity, read_resource, upgrade_resource_state};
use plugin_host::{
    rules,
    values::{decode, encode, get, object},
};
use rmpv::Value;
use serde_json::Value as Json;

use crate::session::Session;

/// A resource instance as it is in a state file.
struct Stored {
    file: PathBuf,
    type_name: String,
    version: i64,
    attributes: Json,
}

impl Stored {
    /// Returns the state by today's schema, in which an attribute that was added since is null.
    fn current(&self, session: &Session) -> Value {
        let attributes = session.attributes(&self.type_name);
        let values: Vec<_> = attributes.iter().map(|of| (of.name.as_str(), to_wire(&self.attributes[&of.name]))).collect();
        rules::config(&attributes, &values)
    }
}

/// Returns the stored states of all versions.
fn stored() -> Vec<Stored> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/states");
    let entries = fs::read_dir(&folder).expect("tests/contract/states").map(|entry| entry.expect("an entry").path());
    let versions = entries.filter(|entry| entry.is_dir());
    let files = versions.flat_map(|version| fs::read_dir(version).expect("a version").map(|entry| entry.expect("an entry").path()));
    let mut stored: Vec<_> = files
        .map(|file| {
            let json: Json = serde_json::from_str(&fs::read_to_string(&file).expect("a file")).expect("JSON");
            let type_name = json["type"].as_str().expect("a type").to_owned();
            let mut attributes = json["attributes"].clone();
            if type_name == "mesh_remote_secret" {
                // A token that is due would be renewed, whatever build has stored it.
                attributes["expires_at"] = "2999-01-01T00:00:00Z".into();
            }
            Stored { type_name, version: json["schema_version"].as_i64().expect("a version"), attributes, file }
        })
        .collect();
    stored.sort_by(|one, other| one.file.cmp(&other.file));
    stored
}

/// A stored value as the wire carries it.
fn to_wire(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(truth) => (*truth).into(),
        Json::Number(number) => number.as_i64().map_or_else(|| number.as_f64().expect("a number").into(), Into::into),
        Json::String(text) => text.as_str().into(),
        Json::Array(elements) => Value::Array(elements.iter().map(to_wire).collect()),
        Json::Object(members) => object(&members.iter().map(|(name, member)| (name.as_str(), to_wire(member))).collect::<Vec<_>>()),
    }
}

#[tokio::test]
async fn every_resource_has_a_stored_state() {
    let session = Session::start().await;
    let stored = stored();
    for name in session.schema.resource_schemas.keys() {
        assert!(stored.iter().any(|state| state.type_name == *name), "{name} has no state in tests/contract/states: see the README there");
    }
}

#[tokio::test]
async fn a_state_of_an_earlier_build_keeps_its_values() {
    let mut session = Session::start().await;
    for state in stored() {
        let (file, name) = (state.file.display().to_string(), state.type_name.as_str());
        let request = upgrade_resource_state::Request {
            type_name: name.to_owned(),
            version: state.version,
            raw_state: Some(RawState { json: state.attributes.to_string().into_bytes(), ..RawState::default() }),
        };
        let upgraded = session.provider.upgrade_resource_state(request).await.expect("an answer").into_inner();
        assert!(upgraded.diagnostics.is_empty(), "{file}: {:?}", upgraded.diagnostics);
        let upgraded = decode(upgraded.upgraded_state.as_ref());

        // An attribute that the schema gained since is null; one that it has lost needs an upgrade, and a word here on where its value went.
        let attributes = session.attributes(name);
        let known = |name: &str| attributes.iter().any(|attribute| attribute.name == name);
        let lost: Vec<_> = state.attributes.as_object().expect("attributes").keys().filter(|name| !known(name)).collect();
        assert!(lost.is_empty(), "{file}: the schema lost {lost:?}");
        assert_eq!(upgraded, state.current(&session), "{file}");
    }
}

#[tokio::test]
async fn a_state_of_an_earlier_build_is_refreshed() {
    let session = Session::start().await;
    // All at once, as each is tried for some seconds.
    futures::future::join_all(stored().iter().map(|state| is_refreshed(&session, state))).await;
}

async fn is_refreshed(session: &Session, state: &Stored) {
    let (file, current) = (state.file.display(), state.current(session));
    let request = read_resource::Request {
        type_name: state.type_name.clone(),
        current_state: Some(encode(&current)),
        ..read_resource::Request::default()
    };
    let read = session.provider.clone().read_resource(request).await.expect("an answer").into_inner();
    // The clusters don't answer. That the refresh got as far as to ask them shows that the state was read.
    assert_eq!(decode(read.new_state.as_ref()), current, "{file}");
    assert!(read.diagnostics.iter().all(|diagnostic| diagnostic.detail.contains("127.0.0.1:1")), "{file}: {:?}", read.diagnostics);
    assert!(!read.diagnostics.is_empty(), "{file}");
}

#[tokio::test]
async fn a_state_of_an_earlier_build_is_planned_without_a_replacement() {
    let mut session = Session::start().await;
    for state in stored() {
        let (file, name, current) = (state.file.display(), state.type_name.as_str(), state.current(&session));
        let attributes = session.attributes(name);
        let configured: Vec<_> = attributes
            .iter()
            .filter(|attribute| !attribute.computed || attribute.optional)
            .map(|attribute| (attribute.name.as_str(), get(&current, &attribute.name).clone()))
            .collect();
        let config = session.config(name, &configured);
        let plan = session.plan(name, &current, &config).await;
        // The states are of more than one mesh, which is worth a warning in a run.
        let is_error = |diagnostic: &&Diagnostic| diagnostic.severity() == Severity::Error;
        assert_eq!(plan.diagnostics.iter().find(is_error), None, "{file}");
        assert!(plan.requires_replace.is_empty(), "{file} would be replaced: {:?}", plan.requires_replace);
    }
}
