//! The life cycle of a root CA, with the fakes.

use serde_json::json;

use super::RootCa;
use crate::resources::testing::{apply, created, destroy, read, root, scene, secret, unreachable};
use framework::Value;

#[tokio::test]
async fn a_root_is_made_once_kept_and_removed_with_its_namespace() {
    let scene = scene();
    let state = created::<RootCa>(&scene, root()).await;
    assert_eq!(read::<RootCa>(&scene, &state).await.0, state);
    let (again, _) = apply::<RootCa>(&scene, &state, root()).await;
    assert_eq!(again, state, "an update keeps the root");
    let (refused, diagnostics) = apply::<RootCa>(&scene, &Value::Null, root()).await;
    assert!(
        refused.is_null() && diagnostics.errors[0].detail.contains("terraform import mesh_root_ca.<name> us/istio-system/mesh-root-ca")
    );
    assert!(destroy::<RootCa>(&scene, &state).await.0.is_null());
    assert_eq!(scene.objects.names("us"), [""; 0]);
}

#[tokio::test]
async fn an_error_keeps_the_state_of_a_read_and_of_a_delete() {
    let scene = scene();
    let state = created::<RootCa>(&scene, root()).await;
    scene.objects.fail("us", &secret("mesh-root-ca"), unreachable());
    let (kept, diagnostics) = read::<RootCa>(&scene, &state).await;
    assert_eq!((kept, diagnostics.errors.len()), (state.clone(), 1));
    let (kept, diagnostics) = destroy::<RootCa>(&scene, &state).await;
    assert_eq!((kept, diagnostics.errors.len()), (state.clone(), 1));
    scene.objects.mend();
    scene.objects.put("us", json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other", "namespace": "istio-system"}}));
    assert!(destroy::<RootCa>(&scene, &state).await.0.is_null());
    assert!(read::<RootCa>(&scene, &state).await.0.is_null(), "only what is certainly gone is forgotten");
}
