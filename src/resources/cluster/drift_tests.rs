//! Fields that others own, and releases that an apply leaves as they are.

use framework::{Change, Memory, Resource as _, encode, erase};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

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

/// What the CLI keeps of a control plane: its state, and what is remembered in private.
struct Kept {
    state: framework::Dynamic,
    memory: Memory,
}

impl Kept {
    /// Applies to it.
    async fn apply(&mut self, scene: &Scene, model: ClusterModel) {
        let config = encode(&Value::Value(model.clone()));
        let planned = crate::resources::testing::planned::<Cluster>(ClusterModel { values_wo: Value::Null, ..model });
        let change = Change { prior: &self.state.clone(), config: &config, planned, unfinished: None, is_resumed: false };
        let applied = erase::<Cluster>().apply(change, &mut self.memory, &scene.world, CancellationToken::new()).await;
        assert!(applied.diagnostics.errors.is_empty(), "{:?}", applied.diagnostics);
        self.state = applied.state;
    }

    /// Refreshes it. Returns its drift.
    async fn refreshed(&mut self, scene: &Scene) -> Vec<String> {
        let outcome = erase::<Cluster>().read(self.state.clone(), &mut self.memory, &scene.world, CancellationToken::new()).await;
        assert!(outcome.diagnostics.errors.is_empty(), "{:?}", outcome.diagnostics);
        self.state = outcome.found;
        drift(&self.state)
    }

    async fn of(scene: &Scene, model: ClusterModel) -> Self {
        scene.objects.put("eu", injector());
        let mut kept = Self { state: Value::Null, memory: Memory::new() };
        kept.apply(scene, model).await;
        kept
    }
}

fn revision(scene: &Scene) -> u64 {
    scene.releases.revision("eu", "istio-system", "istiod")
}

#[tokio::test]
async fn a_revision_of_somebody_else_is_drift_even_if_nothing_else_differs() {
    let scene = scene();
    let mut kept = Kept::of(&scene, cluster()).await;
    assert_eq!(kept.refreshed(&scene).await, [""; 0]);
    // As by `helm upgrade --reuse-values` with a chart of the same version and other templates.
    scene.releases.upgrade_by_others("eu", "istio-system", "istiod");
    let line = "Helm release istiod: revision 2 was made by somebody else, after revision 1";
    assert_eq!(kept.refreshed(&scene).await, [line]);
    assert_eq!(kept.refreshed(&scene).await, [line], "until an apply");
    kept.apply(&scene, cluster()).await;
    assert_eq!((kept.refreshed(&scene).await, revision(&scene)), (Vec::new(), 3));
    // An apply that was killed has saved no memory of its own revision.
    let before = kept.memory.clone();
    kept.apply(&scene, ClusterModel { values: Value::Value(vec![text("replicaCount: 2")]), ..cluster() }).await;
    kept.memory = before;
    assert_eq!(kept.refreshed(&scene).await, [""; 0], "it is ours");
    // Who takes over a release of others keeps what there is.
    scene.releases.upgrade_by_others("eu", "istio-system", "istiod");
    kept.memory.clear();
    assert_eq!(kept.refreshed(&scene).await, [""; 0], "an import, or a state of an earlier version");
    scene.releases.upgrade_by_others("eu", "istio-system", "istiod");
    assert_eq!(kept.refreshed(&scene).await, ["Helm release istiod: revision 6 was made by somebody else, after revision 5"]);
}

#[tokio::test]
async fn write_only_values_reach_the_release_and_nothing_that_is_kept() {
    let scene = scene();
    let with = |secret: &str, version: i64| ClusterModel {
        values: Value::Value(vec![text("env: {TOKEN: public, OTHER: b}")]),
        values_wo: text(&format!("env: {{TOKEN: {secret}}}\nimagePullSecrets: [{secret}]")),
        values_wo_version: Value::Value(version),
        ..cluster()
    };
    let mut kept = Kept::of(&scene, with("s3cret", 1)).await;
    let values = async || {
        let deadline = framework::Deadline::after(std::time::Duration::from_secs(5), CancellationToken::new());
        crate::ports::Releases::get(&*scene.releases, "eu", "istio-system", "istiod", &deadline)
            .await
            .expect("an answer")
            .expect("it")
            .values
    };
    assert_eq!(values().await["env"], json!({"TOKEN": "s3cret", "OTHER": "b"}));
    assert_eq!(kept.refreshed(&scene).await, [""; 0]);
    let nothing_kept = |kept: &Kept| {
        let all = format!("{:?} {:?}", kept.state, kept.memory);
        assert!(!all.contains("s3cret") && !all.contains("leaked"), "{all}");
    };
    nothing_kept(&kept);
    // Also not where somebody has changed an object that holds them.
    consists_of(&scene, &[istiod(1, "s3cret")]);
    scene.objects.put("eu", istiod(1, "leaked"));
    let line = "Deployment istio-system/istiod: spec.template.spec.containers[discovery].image: another value than wanted";
    assert_eq!(kept.refreshed(&scene).await, [line]);
    nothing_kept(&kept);

    let before = revision(&scene);
    kept.apply(&scene, with("s3cret2", 2)).await;
    assert_eq!((values().await["env"]["TOKEN"].clone(), revision(&scene)), (json!("s3cret2"), before + 1));
    kept.apply(&scene, ClusterModel { values_wo: Value::Null, ..with("", 3) }).await;
    assert_eq!(values().await["env"]["TOKEN"], "public", "they are gone with the attribute");
    assert!(!format!("{:?}", kept.memory).contains("private values"), "{:?}", kept.memory);
    let model: ClusterModel = crate::resources::testing::model(&kept.state);
    let planned = crate::resources::testing::model(&crate::resources::testing::planned::<Cluster>(with("s3cret", 1)));
    let shown = Cluster::parse(&planned, &mut framework::Parse::new(&mut framework::Report::new())).expect("valid").plane;
    assert!(model.values_wo.is_null() && !format!("{shown:?}").contains("s3cret"));
}
