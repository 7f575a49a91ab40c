//! Exports that move: what is no longer wanted goes, and not before the new way works.

use serde_json::{Value as Json, json};

use super::*;
use crate::{
    resources::testing::{planned, unreachable},
    world::Clusters,
};
use framework::{Applied, Change, Unfinished};
use tokio_util::sync::CancellationToken;

fn three() -> Scene {
    let mut scene = scene();
    scene.world.clusters = Clusters::Known(["eu", "us", "ap"].map(|key| (key.to_owned(), true)).into());
    for cluster in ["eu", "ap"] {
        scene.objects.put(cluster, echo());
    }
    scene
}

#[tokio::test]
async fn a_gateway_that_moves_to_another_namespace_leaves_nothing_behind() {
    let scene = three();
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    assert_eq!(exported(&scene, "us"), ["DestinationRule istio-system", "ServiceEntry istio-system"]);
    let (state, diagnostics) = apply::<ServiceExport>(&scene, &state, through("eu", "istio-gateways")).await;
    assert_eq!(words(&diagnostics), "");
    assert_eq!(exported(&scene, "us"), ["DestinationRule istio-gateways", "ServiceEntry istio-gateways"]);
    assert_eq!(exported(&scene, "eu"), ["Gateway istio-gateways", "ServiceEntry echo"]);
    assert_eq!(read::<ServiceExport>(&scene, &state).await.0, state);
}

#[tokio::test]
async fn an_importer_that_becomes_the_exporter_leaves_nothing_behind() {
    let scene = three();
    let before = ServiceExportModel { importers: importers(&["us", "ap"]), ..export(ADDRESS) };
    let state = created::<ServiceExport>(&scene, before).await;
    let after = ServiceExportModel { importers: importers(&["us", "eu"]), ..through("ap", "istio-system") };
    let (state, diagnostics) = apply::<ServiceExport>(&scene, &state, after).await;
    assert_eq!(words(&diagnostics), "");
    assert_eq!(exported(&scene, "ap"), ["Gateway istio-system", "ServiceEntry echo"]);
    assert_eq!(exported(&scene, "eu"), ["DestinationRule istio-system", "ServiceEntry istio-system"]);
    assert_eq!(read::<ServiceExport>(&scene, &state).await.0, state);
    assert!(destroy::<ServiceExport>(&scene, &state).await.0.is_null());
    assert_eq!(["eu", "us", "ap"].map(|cluster| exported(&scene, cluster).len()), [0, 0, 0]);
}

#[tokio::test]
async fn an_exporter_and_importers_that_change_together_leave_nothing_behind() {
    let scene = three();
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    let after = ServiceExportModel { importers: importers(&["eu"]), ..through("ap", "istio-system") };
    let (_, diagnostics) = apply::<ServiceExport>(&scene, &state, after).await;
    assert_eq!(words(&diagnostics), "");
    assert_eq!(exported(&scene, "us"), [""; 0], "it has been dropped");
    assert_eq!(exported(&scene, "eu"), ["DestinationRule istio-system", "ServiceEntry istio-system"]);
}

#[tokio::test]
async fn the_importers_namespace_changes_in_place() {
    let scene = three();
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    let after = ServiceExportModel { importer_namespace: text("istio-config"), ..export(ADDRESS) };
    let (_, diagnostics) = apply::<ServiceExport>(&scene, &state, after).await;
    assert_eq!(words(&diagnostics), "");
    assert_eq!(exported(&scene, "us"), ["DestinationRule istio-config", "ServiceEntry istio-config"]);
}

/// Every step at which a move to another exporter and gateway namespace can fail.
fn steps() -> Vec<(&'static str, ObjectRef)> {
    vec![
        ("ap", object(Kind::SERVICE_ENTRY, "echo")),
        ("ap", object(Kind::GATEWAY, "istio-gateways")),
        ("us", object(Kind::SERVICE_ENTRY, "istio-gateways")),
        ("us", object(Kind::DESTINATION_RULE, "istio-gateways")),
        ("eu", object(Kind::GATEWAY, "istio-system")),
        ("us", object(Kind::SERVICE_ENTRY, "istio-system")),
    ]
}

fn moved() -> ServiceExportModel {
    ServiceExportModel { importers: importers(&["us"]), ..through("ap", "istio-gateways") }
}

/// An export whose move has failed at an object.
async fn failed_at(cluster: &str, failing: &ObjectRef) -> (Scene, Applied) {
    let scene = three();
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    scene.objects.fail(cluster, failing, unreachable());
    let failed = change(&scene, &state, None, moved()).await;
    assert_eq!(failed.diagnostics.errors.len(), 1, "{cluster} {failing}");
    (scene, failed)
}

async fn change(scene: &Scene, prior: &Dynamic, unfinished: Option<&Unfinished>, config: ServiceExportModel) -> Applied {
    let planned = planned::<ServiceExport>(config.clone());
    let change = Change { prior, config: &encode(&Value::Value(config)), planned, unfinished, is_resumed: false };
    erase::<ServiceExport>().apply(change, &mut framework::Memory::new(), &scene.world, CancellationToken::new()).await
}

async fn destroy_after(scene: &Scene, failed: &Applied) -> Applied {
    let destroy = Change {
        prior: &failed.state,
        config: &Value::Null,
        planned: Value::Null,
        unfinished: failed.unfinished.as_ref(),
        is_resumed: false,
    };
    erase::<ServiceExport>().apply(destroy, &mut framework::Memory::new(), &scene.world, CancellationToken::new()).await
}

#[tokio::test]
async fn a_move_that_fails_keeps_the_old_way_and_is_completed_by_the_next_apply() {
    for (cluster, failing) in steps() {
        let (scene, failed) = failed_at(cluster, &failing).await;
        if cluster != "eu" && failing.namespace.as_deref() != Some("istio-system") {
            assert_eq!(exported(&scene, "eu"), ["Gateway istio-system", "ServiceEntry echo"], "{cluster} {failing}: still open");
            assert!(exported(&scene, "us").contains(&"ServiceEntry istio-system".to_owned()), "{cluster} {failing}: still sent there");
        }
        if cluster == "ap" {
            assert_eq!(exported(&scene, "us").len(), 2, "{failing}: nobody is sent to a gateway that is closed");
        }
        scene.objects.mend();
        let done = change(&scene, &failed.state, failed.unfinished.as_ref(), moved()).await;
        assert_eq!(words(&done.diagnostics), "", "{cluster} {failing}");
        assert_eq!(exported(&scene, "eu"), [""; 0], "{cluster} {failing}");
        assert_eq!(exported(&scene, "us"), ["DestinationRule istio-gateways", "ServiceEntry istio-gateways"], "{cluster} {failing}");
        assert!(destroy::<ServiceExport>(&scene, &done.state).await.0.is_null());
        assert_eq!(["eu", "us", "ap"].map(|cluster| exported(&scene, cluster).len()), [0, 0, 0], "{cluster} {failing}");
    }
}

#[tokio::test]
async fn a_move_that_fails_and_is_taken_back_leaves_nothing_behind() {
    for (cluster, failing) in steps() {
        let (scene, failed) = failed_at(cluster, &failing).await;
        scene.objects.mend();
        let back = change(&scene, &failed.state, failed.unfinished.as_ref(), export(ADDRESS)).await;
        assert_eq!(words(&back.diagnostics), "", "{cluster} {failing}");
        assert_eq!(exported(&scene, "eu"), ["Gateway istio-system", "ServiceEntry echo"], "{cluster} {failing}");
        assert_eq!(exported(&scene, "us"), ["DestinationRule istio-system", "ServiceEntry istio-system"], "{cluster} {failing}");
        assert_eq!(exported(&scene, "ap"), [""; 0], "{cluster} {failing}");
    }
}

#[tokio::test]
async fn a_move_that_fails_is_destroyed_with_all_it_has_left() {
    for (cluster, failing) in steps() {
        let (scene, failed) = failed_at(cluster, &failing).await;
        scene.objects.mend();
        let destroyed = destroy_after(&scene, &failed).await;
        assert!(destroyed.state.is_null(), "{cluster} {failing}: {}", words(&destroyed.diagnostics));
        assert_eq!(["eu", "us", "ap"].map(|cluster| exported(&scene, cluster).len()), [0, 0, 0], "{cluster} {failing}");
    }
}

#[tokio::test]
async fn an_importer_that_is_down_keeps_neither_gateway_of_a_failed_move_open() {
    let (scene, failed) = failed_at("us", &object(Kind::SERVICE_ENTRY, "istio-gateways")).await;
    scene.objects.mend();
    scene.objects.take_down("us", unreachable());
    assert!(exported(&scene, "eu").len() == 2 && exported(&scene, "ap").len() == 2);
    let destroyed = destroy_after(&scene, &failed).await;
    assert!(destroyed.state == failed.state && !destroyed.diagnostics.errors.is_empty(), "the rest is reported");
    assert_eq!((exported(&scene, "eu").len(), exported(&scene, "ap").len()), (0, 0), "both are closed");
}

#[tokio::test]
async fn nothing_of_others_is_overwritten_or_removed() {
    let scene = three();
    let foreign = |cluster: &str, namespace: &str| {
        let entry = json!({
            "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "spec": {"hosts": ["echo.eu.mesh.local"]},
            "metadata": {"name": "mesh-export-echo-eu-mesh-local", "namespace": namespace},
        });
        scene.objects.put(cluster, entry.clone());
        entry
    };
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    let strangers = foreign("ap", "istio-system");
    let wider = ServiceExportModel { importers: importers(&["us", "ap"]), ..export(ADDRESS) };
    let (kept, diagnostics) = apply::<ServiceExport>(&scene, &state, wider).await;
    assert!(kept == state && words(&diagnostics).contains("already has ServiceEntry istio-system/mesh-export"), "{}", words(&diagnostics));
    assert!(!words(&diagnostics).contains("import"), "there is nothing to import: {}", words(&diagnostics));
    assert_eq!(scene.objects.live("ap", &object(Kind::SERVICE_ENTRY, "istio-system")), Some(strangers));
    // Somebody takes the object over, and the export goes elsewhere.
    let theirs = foreign("us", "istio-system");
    apply::<ServiceExport>(&scene, &state, ServiceExportModel { importer_namespace: text("istio-config"), ..export(ADDRESS) }).await;
    assert_eq!(scene.objects.live("us", &object(Kind::SERVICE_ENTRY, "istio-system")), Some(theirs));
}

#[tokio::test]
async fn a_second_export_of_a_host_is_refused_and_the_first_is_named() {
    let scene = three();
    created::<ServiceExport>(&scene, export(ADDRESS)).await;
    let mut other: Json = echo();
    other["metadata"]["namespace"] = json!("other");
    scene.objects.put("eu", other);
    for second in [export(ADDRESS), through("eu", "istio-gateways")] {
        let second = ServiceExportModel { namespace: text("other"), importers: importers(&[]), ..second };
        let (state, diagnostics) = apply::<ServiceExport>(&scene, &Value::Null, second).await;
        assert!(state.is_null());
        assert!(words(&diagnostics).contains("It belongs to the export `eu/echo/echo.eu.mesh.local`."), "{}", words(&diagnostics));
        assert!(words(&diagnostics).contains("mesh_service_export.<name> eu/echo/echo.eu.mesh.local"), "{}", words(&diagnostics));
    }
    let again = ServiceExportModel { importers: importers(&["us"]), ..through("ap", "istio-gateways") };
    let (_, diagnostics) = apply::<ServiceExport>(&scene, &Value::Null, again).await;
    assert!(words(&diagnostics).contains("It belongs to the export `eu/echo/echo.eu.mesh.local`."), "{}", words(&diagnostics));
    let elsewhere = ServiceExportModel { importers: importers(&[]), ..through("ap", "istio-system") };
    created::<ServiceExport>(&scene, elsewhere).await;
}

#[tokio::test]
async fn a_cluster_that_gets_another_key_keeps_its_objects() {
    let mut scene = three();
    scene.world.clusters = Clusters::Known(["eu", "europe", "us", "america"].map(|key| (key.to_owned(), true)).into());
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    let renamed = ServiceExportModel { importers: importers(&["america"]), ..through("europe", "istio-system") };
    // Both keys lead to the same clusters, and so to the same objects.
    for (before, after) in [("eu", "europe"), ("us", "america")] {
        for object in [
            object(Kind::SERVICE_ENTRY, "echo"),
            object(Kind::GATEWAY, "istio-system"),
            object(Kind::SERVICE_ENTRY, "istio-system"),
            object(Kind::DESTINATION_RULE, "istio-system"),
        ] {
            if let Some(mut live) = scene.objects.live(before, &object) {
                live["metadata"]["uid"] = json!(format!("uid of {before} {object}"));
                scene.objects.put(before, live.clone());
                scene.objects.put(after, live);
            }
        }
    }
    scene.objects.put("europe", echo());
    let (_, diagnostics) = apply::<ServiceExport>(&scene, &state, renamed).await;
    assert_eq!(words(&diagnostics), "");
    assert_eq!((exported(&scene, "eu").len(), exported(&scene, "us").len()), (2, 2), "they are the new ones");
    let exporter = scene.objects.live("europe", &object(Kind::GATEWAY, "istio-system")).expect("the gateway");
    assert_eq!(exporter["metadata"]["labels"]["mesh.terraform.io/exported-by"], "europe");
}

#[tokio::test]
async fn an_export_moves_to_a_link_in_place_and_is_imported_without_addresses() {
    let scene = scene();
    scene.objects.put("eu", echo());
    scene.objects.put("eu", balancer(ADDRESS));
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    let mut linked = ServiceExportModel { network: text("eu-net"), ..export(ADDRESS) };
    if let Value::Value(gateway) = &mut linked.gateway {
        gateway.addresses = Value::Null;
    }
    let (state, diagnostics) = apply::<ServiceExport>(&scene, &state, linked.clone()).await;
    assert!(words(&diagnostics).starts_with("No link to the network: Calls of echo.eu.mesh.local"), "{}", words(&diagnostics));
    let entry = scene.objects.live("us", &object(Kind::SERVICE_ENTRY, "istio-system")).unwrap();
    assert_eq!(entry["spec"]["endpoints"], json!([{"network": "eu-net", "labels": {"security.istio.io/tlsMode": "istio"}}]));
    assert_eq!(read::<ServiceExport>(&scene, &state).await.0, state);
    assert_eq!(import(erase::<ServiceExport>(), &scene, "eu/echo/echo.eu.mesh.local").await, state);
    // With a Gateway to the network, whoever made it, there is nothing to warn of.
    let way = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"name": "eu", "namespace": "elsewhere", "labels": {"topology.istio.io/network": "eu-net"}},
    });
    scene.objects.put("us", way);
    assert_eq!(words(&apply::<ServiceExport>(&scene, &state, linked).await.1), "");
}

#[tokio::test]
async fn another_gateway_is_open_before_importers_call_it_and_the_former_one_until_none_does() {
    let scene = scene();
    scene.objects.put("eu", echo());
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    let mut moved = export("203.0.113.7");
    if let Value::Value(gateway) = &mut moved.gateway {
        gateway.name = text("istio-second");
    }
    // The importer is down: its clients go on calling the former gateway, those of others may call the new one.
    scene.objects.fail("us", &object(Kind::SERVICE_ENTRY, "istio-system"), unreachable());
    let (failed, diagnostics) = apply::<ServiceExport>(&scene, &state, moved.clone()).await;
    assert_eq!(diagnostics.errors.len(), 1, "{diagnostics:?}");
    let selector = |name: &str| {
        let gateway = ObjectRef::namespaced(Kind::GATEWAY, "istio-system", name);
        scene.objects.live("eu", &gateway).map(|gateway| gateway["spec"]["selector"]["istio"].clone())
    };
    let names = ["mesh-export-echo-eu-mesh-local", "mesh-export-echo-eu-mesh-local-next"];
    assert_eq!(names.map(selector), [Some(json!("eastwestgateway")), Some(json!("second"))]);

    scene.objects.mend();
    let (state, diagnostics) = apply::<ServiceExport>(&scene, &failed, moved).await;
    assert!(diagnostics.errors.is_empty(), "{diagnostics:?}");
    assert_eq!(names.map(selector), [Some(json!("second")), None]);
    assert_eq!(read::<ServiceExport>(&scene, &state).await.0, state);
}

#[tokio::test]
async fn an_object_that_changes_hands_during_its_removal_stays() {
    let scene = three();
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    let gateway = object(Kind::GATEWAY, "istio-system");
    let mut other = scene.objects.live("eu", &gateway).expect("the Gateway");
    other["metadata"]["labels"] = json!({"team": "other"});
    scene.objects.change_after_look("eu", other.clone());
    let (_, diagnostics) = apply::<ServiceExport>(&scene, &state, through("eu", "istio-gateways")).await;
    assert_eq!(words(&diagnostics), "");
    assert_eq!(scene.objects.live("eu", &gateway), Some(other));
}
