//! The life cycle of a control plane, with the fakes.

use super::{Cluster, ClusterCaRef, ClusterModel};
use crate::{
    ports::{Failure, FailureKind},
    resources::{
        ClusterCa, RootCa,
        testing::{apply, cluster, cluster_ca, created, destroy, drift, injector, read, root, scene, text},
    },
};
use framework::{Value, encode, erase};

#[tokio::test]
async fn a_control_plane_that_fails_half_way_is_in_the_state_and_planned_again() {
    let scene = scene();
    scene.objects.put("eu", injector());
    scene.releases.fail("istiod", Failure::new(FailureKind::TimedOut, "Can't install istiod", "It takes too long."));
    let (state, diagnostics) = apply::<Cluster>(&scene, &Value::Null, cluster()).await;
    assert_eq!(diagnostics.errors.len(), 1);
    assert_eq!(drift(&state), ["the last apply did not finish: Can't install istiod"]);
    assert_eq!(scene.releases.names("eu"), ["istio-system/istio-base", "istio-system/istiod"]);
    scene.releases.mend();
    let (state, diagnostics) = apply::<Cluster>(&scene, &state, cluster()).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(drift(&state), [""; 0]);
    assert_eq!(read::<Cluster>(&scene, &state).await.0, state);
    assert!(destroy::<Cluster>(&scene, &state).await.0.is_null());
    assert_eq!(scene.releases.names("eu"), [""; 0]);
    assert_eq!(scene.objects.names("eu"), ["MutatingWebhookConfiguration istio-sidecar-injector"]);
}

#[tokio::test]
async fn a_control_plane_with_another_root_is_not_installed() {
    let scene = scene();
    let root = created::<RootCa>(&scene, root()).await;
    created::<ClusterCa>(&scene, cluster_ca(&root)).await;
    let ca = ClusterCaRef { cluster: text("eu"), root_fingerprint: text("another") };
    let (state, diagnostics) = apply::<Cluster>(&scene, &Value::Null, ClusterModel { ca: Value::Value(ca), ..cluster() }).await;
    assert!(state.is_null());
    assert!(diagnostics.errors[0].detail.contains("not another"), "{:?}", diagnostics.errors);
    assert_eq!(scene.releases.names("eu"), [""; 0]);
}

#[tokio::test]
async fn clusters_on_one_network_are_warned_of_in_one_run() {
    let scene = scene();
    let plan = |key: &str| {
        let config = encode(&Value::Value(ClusterModel { cluster: text(key), ..cluster() }));
        erase::<Cluster>().plan(&Value::Null, &config, config.clone(), Some(&scene.world)).diagnostics
    };
    assert!(plan("us").warnings.is_empty());
    assert!(plan("us").warnings.is_empty(), "the same cluster, planned once more");
    assert!(plan("eu").warnings[0].detail.contains("Clusters `eu` and `us`"));
    assert!(plan("asia").errors[0].detail.contains("it has `eu`, `us`"));
}
