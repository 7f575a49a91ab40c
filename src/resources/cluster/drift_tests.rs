//! Fields that others own, and releases that an apply leaves as they are.

use serde_json::{Value as Json, json};

use super::{Cluster, ClusterModel};
use crate::resources::testing::{Scene, apply, cluster, created, drift, injector, read, scene, text};
use framework::Value;

fn istiod(replicas: u32, image: &str) -> Json {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "istiod", "namespace": "istio-system"},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "discovery", "image": image}]}}},
    })
}

fn scaler() -> Json {
    json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "istiod", "namespace": "istio-system"}})
}

fn ignoring(patterns: &[&str]) -> ClusterModel {
    ClusterModel { ignore_drift: Value::Value(patterns.iter().map(|pattern| text(pattern)).collect()), ..cluster() }
}

/// A control plane that consists of these objects.
fn consists_of(scene: &Scene, manifest: &[Json]) {
    scene.releases.set_manifest("eu", "istio-system", "istiod", manifest.to_vec());
}

#[tokio::test]
async fn fields_of_others_are_no_drift_and_all_else_is() {
    let scene = scene();
    scene.objects.put("eu", injector());
    let patterns = ["Deployment istio-system/*: spec.template.spec.containers[*].image", "HorizontalPodAutoscaler istio-system/istiod"];
    let state = created::<Cluster>(&scene, ignoring(&patterns)).await;
    consists_of(&scene, &[istiod(1, "pilot"), scaler()]);
    scene.objects.put("eu", istiod(1, "mirror/pilot"));
    assert_eq!(drift(&read::<Cluster>(&scene, &state).await.0), [""; 0]);
    consists_of(&scene, &[istiod(1, "pilot")]);
    scene.objects.put("eu", istiod(2, "mirror/pilot"));
    assert_eq!(drift(&read::<Cluster>(&scene, &state).await.0), ["Deployment istio-system/istiod: spec.replicas: 1 wanted, 2 found"]);
}

#[tokio::test]
async fn an_apply_upgrades_only_a_release_that_differs() {
    let scene = scene();
    scene.objects.put("eu", injector());
    let state = created::<Cluster>(&scene, cluster()).await;
    consists_of(&scene, &[istiod(1, "pilot")]);
    scene.objects.put("eu", istiod(1, "mirror/pilot"));
    let revisions = || ["istio-base", "istiod"].map(|release| scene.releases.revision("eu", "istio-system", release));
    let pattern = "Deployment istio-system/istiod: spec.template";
    let (state, diagnostics) = apply::<Cluster>(&scene, &state, ignoring(&[pattern])).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(revisions(), [1, 1], "the field of others is not written");
    scene.objects.put("eu", istiod(2, "mirror/pilot"));
    apply::<Cluster>(&scene, &state, ignoring(&[pattern])).await;
    assert_eq!(revisions(), [1, 2]);
    scene.releases.give_away("eu", "istio-system", "istio-base");
    apply::<Cluster>(&scene, &state, ignoring(&[pattern])).await;
    assert_eq!(revisions()[0], 2, "it becomes this provider's");
}
