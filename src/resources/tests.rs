//! What holds for every resource: deferral, imports and listings.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    Cluster, ClusterCa, EastwestGateway, RootCa, ServiceExport, ServiceExportModel, ServiceImport,
    testing::{
        balancer, cluster, cluster_ca, created, echo, export, gateway, import_of, injector, list, read, root, scene, secret, text,
        unreachable,
    },
};
use crate::world::Clusters;
use framework::{Value, erase};

#[tokio::test]
async fn a_cluster_that_isnt_known_yet_is_not_read() {
    let mut scene = scene();
    let state = created::<RootCa>(&scene, root()).await;
    scene.world.clusters = Clusters::Unknown;
    let (kept, diagnostics) = read::<RootCa>(&scene, &state).await;
    assert!(kept == state && diagnostics.errors.is_empty());
}

#[tokio::test]
async fn an_import_id_without_an_object_is_explained() {
    let scene = scene();
    let nothing = erase::<Cluster>().import("us/istio-system", &scene.world, CancellationToken::new()).await;
    assert!(nothing.found.is_null() && nothing.diagnostics.errors[0].detail.contains("no Helm release istio-system/istiod"));
    let wrong = erase::<Cluster>().import("us", &scene.world, CancellationToken::new()).await;
    assert!(wrong.diagnostics.errors[0].detail.contains("CLUSTER/NAMESPACE"));
    let odd = erase::<Cluster>().import("us/istio system?x", &scene.world, CancellationToken::new()).await;
    assert_eq!(odd.diagnostics.errors[0].summary, "Invalid import ID");
}

#[tokio::test]
async fn every_existing_object_is_listed() {
    let mut scene = scene();
    scene.objects.put("eu", injector());
    scene.objects.put("eu", echo());
    scene.objects.put("eu", balancer("198.51.100.9"));
    let root = created::<RootCa>(&scene, root()).await;
    created::<ClusterCa>(&scene, cluster_ca(&root)).await;
    created::<Cluster>(&scene, cluster()).await;
    created::<EastwestGateway>(&scene, gateway()).await;
    created::<ServiceExport>(&scene, export("198.51.100.9")).await;
    let nothing = (Vec::<String>::new(), Vec::<String>::new());
    let only = |name: &str| (vec![name.to_owned()], Vec::<String>::new());
    assert_eq!(list::<RootCa>(&scene, None).await, only("us/istio-system/mesh-root-ca"));
    assert_eq!(list::<RootCa>(&scene, Some(&["eu"])).await, nothing);
    assert_eq!(list::<ClusterCa>(&scene, None).await, only("eu/istio-system"));
    assert_eq!(list::<Cluster>(&scene, None).await, only("eu/istio-system"));
    assert_eq!(list::<EastwestGateway>(&scene, None).await, only("eu/istio-system/istio-eastwestgateway"));
    assert_eq!(list::<ServiceExport>(&scene, None).await, only("eu/echo/echo.eu.mesh.local"));
    let of_nobody = ServiceExportModel { importers: Value::Value([].into()), host: text("cart.eu.mesh.local"), ..export("198.51.100.9") };
    created::<ServiceImport>(&scene, import_of(&created::<ServiceExport>(&scene, of_nobody).await)).await;
    assert_eq!(list::<ServiceImport>(&scene, None).await, only("us/istio-system/cart.eu.mesh.local"));
    assert!(list::<Cluster>(&scene, Some(&["asia"])).await.1[0].contains("it has `eu`, `us`"));

    // A CA that somebody else made is listed where istiod is: it can be imported.
    let mut foreign = scene.objects.live("eu", &secret("cacerts")).expect("the Secret");
    foreign["metadata"]["labels"] = json!({});
    scene.objects.put("eu", foreign);
    assert_eq!(list::<ClusterCa>(&scene, None).await, only("eu/istio-system"));

    scene.objects.fail("eu", &secret("cacerts"), unreachable());
    let (_, errors) = list::<ClusterCa>(&scene, None).await;
    assert_eq!(errors, ["Nobody answers."]);
    scene.world.clusters = Clusters::Unknown;
    assert!(list::<RootCa>(&scene, None).await.1[0].contains("known only after an apply"));
}
