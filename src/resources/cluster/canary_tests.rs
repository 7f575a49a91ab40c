//! The life cycle of a second istiod, with the fakes.

use serde_json::{Value as Json, json};

use super::{CanaryModel, Cluster, ClusterModel};
use crate::{
    data::Release,
    ports::{Failure, FailureKind, Releases as _},
    resources::{
        EastwestGateway, EastwestGatewayModel,
        testing::{Scene, apply, balancer, cluster, created, destroy, drift, gateway, injector, mark, planned, read, scene, text},
    },
};
use framework::{Change, Deadline, Diagnostics, Dynamic, Unfinished, Value, encode, erase};
use tokio_util::sync::CancellationToken;

const OWN: &str = "1.30.0";
const NEWER: &str = "1.31.0";

fn canary_injector() -> Json {
    let mut injector = injector();
    injector["metadata"]["name"] = "istio-sidecar-injector-next".into();
    injector["metadata"]["labels"] = json!({"app": "sidecar-injector", "istio.io/rev": "next"});
    injector
}

/// Clusters in which both istiods would serve.
fn served() -> Scene {
    let scene = scene();
    scene.objects.put("eu", injector());
    scene.objects.put("eu", canary_injector());
    scene
}

fn own(version: &str) -> ClusterModel {
    ClusterModel { istio_version: text(version), ..cluster() }
}

fn with(canary: CanaryModel, own: ClusterModel) -> ClusterModel {
    ClusterModel { canary: Value::Value(canary), ..own }
}

fn next(version: Value<String>) -> CanaryModel {
    CanaryModel { revision: text("next"), istio_version: version, values: Value::Value(vec![text("revisionTags: [trial]")]) }
}

/// The release of another tool by the canary's name.
fn theirs() -> Release {
    Release {
        name: "istiod-next".to_owned(),
        namespace: "istio-system".to_owned(),
        chart: "istiod".to_owned(),
        version: None,
        values: json!({"revision": "next"}),
        private: Vec::new(),
        takes_ownership: false,
    }
}

/// The versions of `istio-base`, `istiod` and `istiod-next`.
async fn versions(scene: &Scene) -> [Option<String>; 3] {
    let deadline = Deadline::after(std::time::Duration::from_secs(1), CancellationToken::new());
    let mut versions = [None, None, None];
    for (version, name) in versions.iter_mut().zip(["istio-base", "istiod", "istiod-next"]) {
        *version = scene.releases.get("eu", "istio-system", name, &deadline).await.expect("an answer").map(|release| release.version);
    }
    versions
}

fn some(versions: [&str; 3]) -> [Option<String>; 3] {
    versions.map(|version| (!version.is_empty()).then(|| version.to_owned()))
}

fn plan(scene: &Scene, prior: &Dynamic, model: ClusterModel) -> Diagnostics {
    let config = encode(&Value::Value(model.clone()));
    erase::<Cluster>().plan(prior, &config, planned::<Cluster>(model), Some(&scene.world)).diagnostics
}

#[tokio::test]
async fn a_canary_comes_beside_istiod_and_goes_when_istiod_has_its_version() {
    let scene = served();
    let state = created::<Cluster>(&scene, own(OWN)).await;
    assert_eq!(versions(&scene).await, some([OWN, OWN, ""]));

    let (state, diagnostics) = apply::<Cluster>(&scene, &state, with(next(text(NEWER)), own(OWN))).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(versions(&scene).await, some([NEWER, OWN, NEWER]), "the definitions are those of the newer one");
    assert_eq!(scene.releases.revision("eu", "istio-system", "istiod"), 1, "istiod itself is left as it is");
    assert_eq!(read::<Cluster>(&scene, &state).await.0, state);

    let (state, diagnostics) = apply::<Cluster>(&scene, &state, with(next(text(NEWER)), own(NEWER))).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(versions(&scene).await, some([NEWER, NEWER, NEWER]));
    let (state, diagnostics) = apply::<Cluster>(&scene, &state, own(NEWER)).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(versions(&scene).await, some([NEWER, NEWER, ""]));
    assert_eq!(read::<Cluster>(&scene, &state).await.0, state);
}

#[tokio::test]
async fn a_canary_that_is_given_up_takes_the_new_definitions_with_it() {
    let scene = served();
    let state = created::<Cluster>(&scene, with(next(text(NEWER)), own(OWN))).await;
    assert_eq!(versions(&scene).await, some([NEWER, OWN, NEWER]));
    let (_, diagnostics) = apply::<Cluster>(&scene, &state, own(OWN)).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(versions(&scene).await, some([OWN, OWN, ""]));
}

#[tokio::test]
async fn it_has_the_settings_of_istiod_but_for_its_own() {
    let scene = served();
    let own = ClusterModel { values: Value::Value(vec![text("global: {hub: h}\npilot: {env: {A: '1'}}")]), ..own(OWN) };
    let canary = CanaryModel { values: Value::Value(vec![text("pilot: {env: {A: '2'}}")]), ..next(Value::Null) };
    let state = created::<Cluster>(&scene, with(canary, own)).await;
    let deadline = Deadline::after(std::time::Duration::from_secs(1), CancellationToken::new());
    let values =
        async |name| scene.releases.get("eu", "istio-system", name, &deadline).await.expect("an answer").expect("the release").values;
    let (mut istiod, canary) = (values("istiod").await, values("istiod-next").await);
    assert_eq!(versions(&scene).await, some([OWN, OWN, OWN]));
    istiod["revision"] = "next".into();
    istiod["pilot"]["env"]["A"] = "2".into();
    assert_eq!(canary, istiod);

    scene.releases.apply_values("eu", "istio-system/istiod-next", |values| values["global"]["hub"] = "other".into());
    let drifted = drift(&read::<Cluster>(&scene, &state).await.0);
    assert!(drifted.iter().any(|line| line.starts_with("Helm release istiod-next: values: global.hub")), "{drifted:?}");
}

#[tokio::test]
async fn a_canary_in_use_stays_and_nothing_else_is_changed() {
    let scene = served();
    let state = created::<Cluster>(&scene, with(next(text(NEWER)), own(OWN))).await;
    let shop = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"istio.io/rev": "next"}}});
    let pod = |namespace: &str, name: &str, app: &str, revision: &str| {
        let (labels, annotations) = (json!({"service.istio.io/canonical-name": app}), json!({"istio.io/rev": revision}));
        let metadata = json!({"name": name, "namespace": namespace, "labels": labels, "annotations": annotations});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
    };
    scene.objects.put("eu", shop);
    scene.objects.put("eu", pod("shop", "cart-1", "cart", "next"));
    scene.objects.put("eu", pod("shop", "cart-2", "cart", "next"));
    scene.objects.put("eu", pod("istio-system", "gateway-1", "istio-eastwestgateway", "next"));
    scene.objects.put("eu", pod("other", "cart-3", "cart", "default"));
    let mut ending = pod("other", "cart-4", "cart", "next");
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    scene.objects.put("eu", ending);
    let mut ended = pod("other", "cart-5", "cart", "next");
    ended["status"]["phase"] = "Succeeded".into();
    scene.objects.put("eu", ended);
    let mut tag = canary_injector();
    tag["metadata"]["name"] = "istio-revision-tag-trial".into();
    tag["metadata"]["labels"]["istio.io/tag"] = "trial".into();
    scene.objects.put("eu", tag);
    for (name, revision) in [("batch", "trial"), ("old", "stable")] {
        scene
            .objects
            .put("eu", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"istio.io/rev": revision}}}));
    }
    let (_, diagnostics) = apply::<Cluster>(&scene, &state, own(NEWER)).await;
    let error = &diagnostics.errors[0];
    assert_eq!(error.summary, "The canary is in use");
    let users = "- Namespace batch\n- Namespace shop\n- Pod istio-system/gateway-1\n- 2 pods in namespace shop, for example cart-1\n";
    assert!(error.detail.contains(users), "{}", error.detail);
    assert_eq!(versions(&scene).await, some([NEWER, OWN, NEWER]));

    // Whoever destroys the control plane means all of it.
    let (state, diagnostics) = destroy::<Cluster>(&scene, &state).await;
    assert!(state.is_null() && diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(scene.releases.names("eu"), [""; 0]);
}

#[tokio::test]
async fn tags_of_istiod_stay_with_it() {
    let scene = served();
    let own = ClusterModel { values: Value::Value(vec![text("revisionTags: [prod]")]), ..own(OWN) };
    created::<Cluster>(&scene, with(CanaryModel { values: Value::Null, ..next(Value::Null) }, own)).await;
    let deadline = Deadline::after(std::time::Duration::from_secs(1), CancellationToken::new());
    let canary = scene.releases.get("eu", "istio-system", "istiod-next", &deadline).await.expect("an answer").expect("the release");
    assert!(canary.values.get("revisionTags").is_none(), "{}", canary.values);
}

#[tokio::test]
async fn the_state_outlives_an_istiod_that_somebody_has_uninstalled_beside_its_canary() {
    let scene = served();
    let state = created::<Cluster>(&scene, with(next(text(NEWER)), own(OWN))).await;
    let deadline = Deadline::after(std::time::Duration::from_secs(1), CancellationToken::new());
    for release in ["istiod", "istio-base"] {
        scene.releases.remove("eu", "istio-system", release, &deadline).await.expect("uninstalled");
    }
    let state = read::<Cluster>(&scene, &state).await.0;
    assert_eq!(drift(&state), ["Helm release istio-base: it is gone", "Helm release istiod: it is gone"]);
    destroy::<Cluster>(&scene, &state).await;
    assert_eq!(scene.releases.names("eu"), [""; 0]);
}

#[tokio::test]
async fn an_adoption_takes_over_no_objects_by_the_name_of_its_canary() {
    let scene = served();
    let adopting = ClusterModel { adopt: Value::Value(true), ..with(next(text(NEWER)), own(OWN)) };
    created::<Cluster>(&scene, adopting).await;
    assert_eq!(scene.releases.names("eu").len(), 3);
    assert_eq!(scene.releases.owning(), ["istio-base", "istiod"]);
}

#[tokio::test]
async fn a_refused_apply_makes_nothing_of_others_ours() {
    let scene = served();
    let state = created::<Cluster>(&scene, own(OWN)).await;
    scene
        .releases
        .apply("eu", &theirs(), None, &Deadline::after(std::time::Duration::from_secs(1), CancellationToken::new()))
        .await
        .expect("installed");
    scene.releases.give_away("eu", "istio-system", "istiod-next");
    let other = || with(CanaryModel { revision: text("other"), ..next(Value::Null) }, own(OWN));
    let attempted = encode(&Value::Value(with(next(Value::Null), own(OWN))));
    let unfinished = Unfinished { is_create: false, attempted: vec![attempted] };
    for (model, is_refused) in [(with(next(Value::Null), own(OWN)), true), (other(), false)] {
        let mut injector = canary_injector();
        injector["metadata"]["name"] = "istio-sidecar-injector-other".into();
        scene.objects.put("eu", injector);
        let config = encode(&Value::Value(model.clone()));
        let change =
            Change { prior: &state, config: &config, planned: planned::<Cluster>(model), unfinished: Some(&unfinished), is_resumed: false };
        let applied = erase::<Cluster>().apply(change, &mut framework::Memory::new(), &scene.world, CancellationToken::new()).await;
        assert_eq!(
            applied.diagnostics.errors.iter().any(|error| error.summary == "Already exists"),
            is_refused,
            "{:?}",
            applied.diagnostics
        );
        assert!(scene.releases.names("eu").contains(&"istio-system/istiod-next".to_owned()), "it stays");
    }
}

#[tokio::test]
async fn a_removal_that_fails_is_made_up_for_by_the_next_apply() {
    let scene = served();
    let state = created::<Cluster>(&scene, with(next(text(NEWER)), own(OWN))).await;
    scene.releases.fail("istiod", Failure::new(FailureKind::TimedOut, "Can't install istiod", "It takes too long."));
    let (state, diagnostics) = apply::<Cluster>(&scene, &state, own(NEWER)).await;
    assert_eq!(diagnostics.errors.len(), 1);
    assert_eq!(versions(&scene).await[2].as_deref(), Some(NEWER));
    scene.releases.mend();
    let (_, diagnostics) = apply::<Cluster>(&scene, &state, own(NEWER)).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(versions(&scene).await, some([NEWER, NEWER, ""]));
}

#[tokio::test]
async fn an_interrupted_create_with_a_canary_is_completed() {
    let scene = served();
    let adopting = || ClusterModel { adopt: Value::Value(true), ..with(next(text(NEWER)), own(OWN)) };
    created::<Cluster>(&scene, adopting()).await;
    for release in ["istio-base", "istiod", "istiod-next"] {
        scene.releases.mark("eu", "istio-system", release, mark("eu"));
    }
    let (state, diagnostics) = apply::<Cluster>(&scene, &Value::Null, adopting()).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    let (_, diagnostics) = apply::<Cluster>(&scene, &state, adopting()).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(scene.releases.revision("eu", "istio-system", "istiod-next"), 2, "its mark is gone, so the last apply left it as it is");
}

#[tokio::test]
async fn a_release_of_somebody_else_by_its_name_is_left_alone() {
    let scene = served();
    let state = created::<Cluster>(&scene, with(next(text(NEWER)), own(OWN))).await;
    scene.releases.give_away("eu", "istio-system", "istiod-next");
    // As after an upgrade by hand: it is this state's all the same.
    let (state, diagnostics) = apply::<Cluster>(&scene, &state, with(next(Value::Null), own(OWN))).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    scene.releases.give_away("eu", "istio-system", "istiod-next");
    let (state, diagnostics) = apply::<Cluster>(&scene, &state, own(OWN)).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(versions(&scene).await, some([OWN, OWN, ""]));

    // Another tool's, which no state knows.
    let deadline = Deadline::after(std::time::Duration::from_secs(1), CancellationToken::new());
    scene.releases.apply("eu", &theirs(), None, &deadline).await.expect("installed");
    scene.releases.give_away("eu", "istio-system", "istiod-next");
    let (_, diagnostics) = apply::<Cluster>(&scene, &state, with(next(Value::Null), own(OWN))).await;
    assert_eq!(diagnostics.errors[0].summary, "Already exists");
    let (state, _) = apply::<Cluster>(&scene, &state, own(OWN)).await;
    destroy::<Cluster>(&scene, &state).await;
    assert_eq!(scene.releases.names("eu"), ["istio-system/istiod-next"], "it stays");
}

#[tokio::test]
async fn a_plan_checks_its_version_and_its_values() {
    let scene = served();
    let errors = |model: ClusterModel| {
        let errors = plan(&scene, &Value::Null, model).errors;
        errors.iter().map(|error| format!("{}: {}", error.attribute, error.summary)).collect::<Vec<_>>()
    };
    assert_eq!(errors(with(next(text(NEWER)), own(OWN))), [""; 0]);
    assert_eq!(
        errors(with(next(text("1.32.0")), own(OWN))),
        ["canary.istio_version: Unsupported change of Istio's version"],
        "two minor versions at once"
    );
    assert_eq!(errors(with(next(text(NEWER)), cluster())), ["canary.istio_version: The version of the cluster's own istiod is not set"]);
    assert_eq!(errors(with(next(Value::Null), cluster())), [""; 0]);
    let values = |values: &str| CanaryModel { values: Value::Value(vec![text(values)]), ..next(Value::Null) };
    assert_eq!(errors(with(values("revision: other"), own(OWN))), ["canary.values: Helm value revision is not supported"]);
    let warnings = plan(&scene, &Value::Null, with(values("global: {netwrok: n}"), own(OWN))).warnings;
    assert!(warnings.iter().any(|warning| warning.attribute.to_string() == "canary.values"), "{warnings:?}");
}

#[tokio::test]
async fn a_gateway_asks_for_a_revision_that_there_is() {
    let scene = scene();
    scene.objects.put("eu", balancer("198.51.100.9"));
    let of = |revision: &str| EastwestGatewayModel { revision: text(revision), ..gateway() };
    let (state, diagnostics) = apply::<EastwestGateway>(&scene, &Value::Null, of("next")).await;
    let error = &diagnostics.errors[0];
    assert!(state.is_null() && error.summary == "Unknown revision of istiod", "{error:?}");
    assert_eq!(scene.releases.names("eu"), [""; 0]);
    scene.objects.put("eu", canary_injector());
    let state = created::<EastwestGateway>(&scene, of("next")).await;
    let (_, diagnostics) = apply::<EastwestGateway>(&scene, &state, of("trial")).await;
    assert!(diagnostics.errors[0].detail.contains("There are: next."), "{:?}", diagnostics.errors);
}
