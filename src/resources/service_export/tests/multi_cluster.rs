//! The ServiceExport of an export.

use super::*;
use crate::resources::testing::mcs_api;

fn marked() -> ServiceExportModel {
    ServiceExportModel { mcs_service_export: Value::Value(true), ..export(ADDRESS) }
}

fn object(service: &str) -> ObjectRef {
    ObjectRef::namespaced(Kind::SERVICE_EXPORT, "echo", service)
}

#[tokio::test]
async fn it_is_made_kept_and_removed_with_the_export() {
    let scene = scene();
    scene.objects.put("eu", echo());
    scene.objects.put("eu", mcs_api());
    let without = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    assert_eq!(scene.objects.live("eu", &object("echo")), None);
    let (state, _) = apply::<ServiceExport>(&scene, &without, marked()).await;
    assert!(scene.objects.live("eu", &object("echo")).is_some());
    assert_eq!(scene.objects.live("us", &object("echo")), None, "importers need none");
    assert_eq!(read::<ServiceExport>(&scene, &state).await.0, state);

    scene.objects.remove("eu", &object("echo"));
    let gone = read::<ServiceExport>(&scene, &state).await.0;
    assert_eq!(drift(&gone), ["Cluster eu: ServiceExport echo/echo: it is gone"]);
    let (state, _) = apply::<ServiceExport>(&scene, &gone, marked()).await;
    let imported = import(erase::<ServiceExport>(), &scene, "eu/echo/echo.eu.mesh.local").await;
    assert_eq!(model::<ServiceExportModel>(&imported).mcs_service_export, Value::Value(true));

    let (state, _) = apply::<ServiceExport>(&scene, &state, export(ADDRESS)).await;
    assert_eq!(scene.objects.live("eu", &object("echo")), None);
    let (state, _) = apply::<ServiceExport>(&scene, &state, marked()).await;
    assert!(destroy::<ServiceExport>(&scene, &state).await.0.is_null());
    assert_eq!(scene.objects.live("eu", &object("echo")), None);
}

#[tokio::test]
async fn one_of_others_is_left_as_it_is() {
    let scene = scene();
    scene.objects.put("eu", echo());
    scene.objects.put("eu", mcs_api());
    let metadata = json!({"namespace": "echo", "name": "echo"});
    scene.objects.put("eu", json!({"apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "ServiceExport", "metadata": metadata}));
    let (state, diagnostics) = apply::<ServiceExport>(&scene, &Value::Null, marked()).await;
    assert!(state.is_null() && words(&diagnostics).contains("already has ServiceExport echo/echo"), "{}", words(&diagnostics));
    assert!(words(&diagnostics).contains("leave `mcs_service_export` out"), "{}", words(&diagnostics));
}

#[tokio::test]
async fn a_cluster_without_the_definition_is_refused_with_the_way_out() {
    let scene = scene();
    scene.objects.put("eu", echo());
    let before = scene.objects.names("eu");
    for versions in [None, Some(json!([{"name": "v1beta1", "served": true}]))] {
        if let Some(versions) = versions {
            let mut other = mcs_api();
            other["spec"]["versions"] = versions;
            scene.objects.put("eu", other);
        }
        let (state, diagnostics) = apply::<ServiceExport>(&scene, &Value::Null, marked()).await;
        assert!(state.is_null() && words(&diagnostics).contains("Or leave `mcs_service_export` out"), "{}", words(&diagnostics));
    }
    assert_eq!(scene.objects.names("eu").len(), before.len() + 1, "nothing but the definition was added");
}
