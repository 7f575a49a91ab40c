//! What users of other providers complain of, tried with every resource of this one: docs/design/complaints.md has the list.

use std::sync::Arc;

use framework::protocol::wire::ClientCapabilities;
use plugin_host::{Action, Object, diagnostics::has_errors, values::get};
use rmpv::Value;
use serde_json::{Value as Json, json};

use super::{
    faults::{Scene, configurations},
    testing::FakeMesh,
};
use crate::{
    data::ObjectRef,
    ports::fakes::{Effect, FakeClock},
    world::{Clusters, World},
};

fn names() -> Vec<&'static str> {
    super::all().iter().map(|resource| resource.name()).collect()
}

/// Everything in both clusters.
fn objects(scene: &Scene) -> Vec<(&'static str, Json)> {
    ["us", "eu"].into_iter().flat_map(|cluster| scene.objects.all(cluster).into_iter().map(move |object| (cluster, object))).collect()
}

/// A scene in which the resource exists, with its object in the state, and with the objects that it has made.
async fn with_object(name: &'static str) -> (Scene, Object, Vec<(&'static str, ObjectRef)>) {
    let mut scene = Scene::new(name).await;
    scene.make_services();
    let before = objects(&scene);
    let to = scene.config(0);
    let object = scene.settled(&Object::absent(), &to).await;
    let reference = |object: &Json| ObjectRef::of(object, "").expect("a known kind");
    let is_new = |(cluster, object): &(&str, Json)| !before.iter().any(|(of, was)| of == cluster && reference(was) == reference(object));
    let made = objects(&scene).into_iter().filter(is_new).map(|(cluster, object)| (cluster, reference(&object))).collect();
    (scene, object, made)
}

/// An identity that is missing after a failed create would be another one in the next refresh, which is an error of the CLI for good.
#[tokio::test]
async fn a_create_that_fails_stores_its_identity_at_once() {
    let mut stored = 0;
    for name in names() {
        for effect in [Effect::None, Effect::Done] {
            for call in 0.. {
                let mut scene = Scene::new(name).await;
                scene.make_services();
                let to = scene.config(0);
                let plan = scene.session.plan(name, &Object::absent(), &to).await;
                scene.faulty.fail_at(call, effect);
                let failed = scene.session.apply_plan(name, &Object::absent(), &to, &plan).await;
                if !scene.faulty.mend() {
                    break;
                }
                if failed.object.state.is_nil() {
                    continue;
                }
                stored += 1;
                let identity = failed.object.identity.clone();
                assert!(identity.is_some(), "{name}: after a fault at call {call} ({effect:?}) the state has no identity");
                // The next run is another process.
                scene.session = Scene::begin(&scene.mesh).await;
                let read = scene.session.refresh(name, &failed.object).await.object;
                // A refresh may find that nothing has been made.
                if !read.state.is_nil() {
                    assert_eq!(read.identity, identity, "{name}: the refresh after a fault at call {call} ({effect:?})");
                }
                let (_, applied) = scene.run(&failed.object, &to).await;
                assert_eq!(applied.object.identity, identity, "{name}: the apply after a fault at call {call} ({effect:?})");
            }
        }
    }
    assert!(stored > names().len(), "only {stored} faults leave anything in a state: this proves little");
}

/// An annotation of a controller, read for the plan, must not be sent with the apply: the controller may have changed it in between.
#[tokio::test]
async fn an_update_sends_nothing_that_others_have_written() {
    const THEIRS: &str = "controller.example.com/runtime";
    let mut kept = 0;
    for name in names() {
        let (mut scene, object, made) = with_object(name).await;
        let annotate = |scene: &Scene, value: &str| {
            for (cluster, reference) in &made {
                let mut live = scene.objects.live(cluster, reference).expect("the object");
                live["metadata"]["annotations"][THEIRS] = json!(value);
                scene.objects.put(cluster, live);
            }
        };
        annotate(&scene, "seen by the plan");
        let to = scene.config(1);
        let object = scene.session.refresh(name, &object).await.object;
        let plan = scene.session.plan(name, &object, &to).await;
        assert_eq!(plan.action, Action::Update, "{name}");
        annotate(&scene, "newer");
        let applied = scene.session.apply_plan(name, &object, &to, &plan).await;
        assert!(!has_errors(&applied.diagnostics), "{name}: {:#?}", applied.diagnostics);
        for (cluster, object) in objects(&scene) {
            let found = &object["metadata"]["annotations"][THEIRS];
            assert!(found.is_null() || found == "newer", "{name}: {cluster}: {object:#}");
            kept += usize::from(found == "newer");
        }
    }
    assert!(kept > 0, "no object still has the annotation: this proves nothing");
}

/// The session fails the test where the CLI would report an inconsistent plan or result.
#[tokio::test]
async fn another_version_of_a_chart_is_an_update_that_keeps_its_promises() {
    for name in ["mesh_cluster", "mesh_eastwest_gateway"] {
        let mut scene = Scene::new(name).await;
        let of_version = |scene: &Scene, version: &str| {
            let mut configuration = configurations(name, &Json::Null)[0].clone();
            configuration["istio_version"] = json!(version);
            scene.config_of(&configuration)
        };
        let (old, new) = (of_version(&scene, "1.30.2"), of_version(&scene, "1.31.0"));
        let object = scene.settled(&Object::absent(), &old).await;
        let plan = scene.session.plan(name, &object, &new).await;
        assert_eq!((plan.action, get(&plan.planned, "installed_version")), (Action::Update, &"1.31.0".into()), "{name}");
        let object = scene.settled(&object, &new).await;
        assert_eq!(get(&object.state, "installed_version"), &"1.31.0".into(), "{name}");
        let object = scene.session.refresh(name, &object).await.object;
        assert_eq!(scene.session.plan(name, &object, &new).await.action, Action::NoOp, "{name}");
    }
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Map(entries) => entries.iter().flat_map(|(key, value)| [strings(key), strings(value)].concat()).collect(),
        Value::Array(elements) => elements.iter().flat_map(strings).collect(),
        Value::String(text) => text.as_str().map(str::to_owned).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// When Istio's API moves on, a later build writes the objects by the new version. Nothing in a state says that they are others then.
#[tokio::test]
async fn no_state_says_by_which_version_of_an_api_an_object_was_written() {
    for name in names() {
        let (scene, object, made) = with_object(name).await;
        let versions: Vec<_> = made
            .iter()
            .filter_map(|(cluster, reference)| scene.objects.live(cluster, reference))
            .map(|live| live["apiVersion"].as_str().expect("a version").to_owned())
            .collect();
        assert!(!versions.is_empty(), "{name}");
        let identity = object.identity.clone().expect("an identity");
        for text in [strings(&object.state), strings(&identity)].concat() {
            let is_version = versions.iter().any(|version| *version == text || version.contains('/') && text.contains(version.as_str()));
            assert!(!is_version && text != "api_version", "{name} has {text} in its state");
        }
    }
}

/// As while the cluster itself is upgraded in the same run, and its address is "known after apply".
#[tokio::test]
async fn what_exists_is_not_planned_anew_while_the_provider_is_unknown() {
    for name in names() {
        let (scene, object, _) = with_object(name).await;
        let (objects, releases) = (scene.objects.clone(), scene.releases.clone());
        let world = move || World { clusters: Clusters::Unknown, ..World::fake(&objects, &releases, &FakeClock::default()) };
        let mut session = Scene::begin(&FakeMesh(Arc::new(world))).await;
        for deferral_allowed in [true, false] {
            session.capabilities = ClientCapabilities { deferral_allowed, ..session.capabilities };
            let read = session.refresh(name, &object).await;
            assert!(read.diagnostics.is_empty(), "{name}: {:?}", read.diagnostics);
            assert_eq!(read.object.state, object.state, "{name}: the refresh");
            let plan = session.plan(name, &object, &scene.config(0)).await;
            assert_eq!((plan.action, has_errors(&plan.diagnostics)), (Action::NoOp, false), "{name}: {:?}", plan.diagnostics);
        }
    }
}
