//! The life cycle of a cluster's CA, with the fakes.

use std::time::Duration;

use super::{ClusterCa, ClusterCaModel};
use crate::resources::{
    RootCa,
    testing::{apply, cluster_ca, created, model, root, scene},
};
use framework::{Dynamic, Value, encode, erase};

#[tokio::test]
async fn the_key_is_in_no_state() {
    let scene = scene();
    let state = created::<RootCa>(&scene, root()).await;
    let ca = created::<ClusterCa>(&scene, cluster_ca(&state)).await;
    assert!(!format!("{state:?}{ca:?}").contains("key of"));
}

#[tokio::test]
async fn an_intermediate_is_renewed_in_time_and_not_before() {
    let scene = scene();
    let root = created::<RootCa>(&scene, root()).await;
    let state = created::<ClusterCa>(&scene, cluster_ca(&root)).await;
    let plan = |state: &Dynamic| {
        let config = encode(&Value::Value(cluster_ca(&root)));
        erase::<ClusterCa>().plan(state, &config, state.clone(), Some(&scene.world)).state
    };
    assert_eq!(plan(&state), state);
    assert_eq!(apply::<ClusterCa>(&scene, &state, cluster_ca(&root)).await.0, state, "nothing is issued without a reason");
    scene.clock.advance(Duration::from_secs(680 * 24 * 3600));
    let renewal: ClusterCaModel = model(&plan(&state));
    assert!(renewal.certificate.is_unknown() && renewal.expires_at.is_unknown() && renewal.root_fingerprint.is_value());
    let (renewed, diagnostics) = apply::<ClusterCa>(&scene, &state, cluster_ca(&root)).await;
    assert!(diagnostics.errors.is_empty());
    assert_ne!(model::<ClusterCaModel>(&renewed).fingerprint, model::<ClusterCaModel>(&state).fingerprint);
    assert_eq!(plan(&renewed), renewed);
}
