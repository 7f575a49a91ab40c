//! Clusters that can't be reached, and objects that can't be written.

use super::*;
use crate::{
    data::Mark,
    ports::{Failure, FailureKind},
    resources::testing::{mark, unreachable},
    world::Clusters,
};

#[tokio::test]
async fn objects_left_in_a_removed_cluster_are_reported() {
    let mut scene = scene();
    scene.objects.put("eu", echo());
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    let nobody = ServiceExportModel { importers: importers(&[]), ..export(ADDRESS) };
    assert!(plan(&scene, &state, &nobody).1.warnings.is_empty(), "a cluster that is still configured");
    scene.world.clusters = Clusters::Known([("eu".to_owned(), true)].into());
    assert!(plan(&scene, &state, &nobody).1.warnings[0].detail.contains("Cluster `us` is removed from `importers`"));
    let (_, diagnostics) = apply::<ServiceExport>(&scene, &state, nobody).await;
    assert_eq!(words(&diagnostics), "", "the plan has said it");
}

#[tokio::test]
async fn an_update_that_fails_in_one_cluster_is_written_to_the_others() {
    let scene = scene();
    scene.objects.put("eu", echo());
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    scene.objects.fail(
        "eu",
        &object(Kind::GATEWAY, "istio-system"),
        Failure::new(FailureKind::Denied, "Can't write the gateway", "Not allowed."),
    );
    scene.objects.fail("us", &object(Kind::DESTINATION_RULE, "istio-system"), unreachable());
    let (state, diagnostics) = apply::<ServiceExport>(&scene, &state, export("198.51.100.10")).await;
    assert_eq!((diagnostics.errors.len(), drift(&state).len()), (1, 1));
    assert!(words(&diagnostics).contains("Not allowed.") && words(&diagnostics).contains("Nobody answers."), "{}", words(&diagnostics));
    let entry = scene.objects.live("us", &object(Kind::SERVICE_ENTRY, "istio-system")).expect("the entry");
    assert_eq!(entry["spec"]["endpoints"][0]["address"], "198.51.100.10");
    let (kept, _) = destroy::<ServiceExport>(&scene, &state).await;
    assert!(kept.is_value(), "what couldn't be removed stays in the state");
    scene.objects.mend();
    assert!(destroy::<ServiceExport>(&scene, &kept).await.0.is_null());
    assert_eq!(scene.objects.names("us"), [""; 0]);
}

#[tokio::test]
async fn a_create_with_an_importer_down_is_written_to_the_others_and_can_go_on() {
    let mut scene = scene();
    scene.world.clusters = Clusters::Known(["eu", "us", "ap"].map(|key| (key.to_owned(), true)).into());
    scene.objects.put("eu", echo());
    scene.objects.take_down("ap", unreachable());
    let both = || ServiceExportModel { importers: importers(&["us", "ap"]), ..export(ADDRESS) };
    let (state, diagnostics) = apply::<ServiceExport>(&scene, &Value::Null, both()).await;
    assert!(words(&diagnostics).contains("Nobody answers."), "{}", words(&diagnostics));
    assert_eq!((exported(&scene, "eu").len(), exported(&scene, "us").len()), (2, 2));
    scene.objects.mend();
    let (state, diagnostics) = apply::<ServiceExport>(&scene, &state, both()).await;
    assert_eq!((words(&diagnostics), exported(&scene, "ap").len()), (String::new(), 2));
    assert_eq!(read::<ServiceExport>(&scene, &state).await.0, state);
}

#[tokio::test]
async fn an_importer_that_is_down_holds_up_no_plan() {
    let scene = scene();
    scene.objects.put("eu", echo());
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    scene.objects.take_down("us", Failure::new(FailureKind::Unreachable, "Can't reach cluster \"us\"", "Nobody answers."));
    let (found, diagnostics) = read::<ServiceExport>(&scene, &state).await;
    assert_eq!((found, diagnostics.errors.len()), (state.clone(), 0));
    assert!(
        diagnostics.warnings[0].summary.contains("\"us\"")
            && diagnostics.warnings[0].detail.contains("stays as it was at the last refresh")
    );
    scene.objects.put(
        "eu",
        scene
            .objects
            .live("eu", &object(Kind::GATEWAY, "istio-system"))
            .map(|mut gateway| {
                gateway["spec"]["servers"][0]["hosts"] = json!(["*"]);
                gateway
            })
            .expect("the gateway"),
    );
    let (drifted, _) = read::<ServiceExport>(&scene, &state).await;
    assert_eq!(drift(&drifted).len(), 1, "the exporter is seen all the same");
    scene.objects.mend();
    scene.objects.take_down("eu", unreachable());
    let (kept, diagnostics) = read::<ServiceExport>(&scene, &state).await;
    assert_eq!((kept, diagnostics.errors.len()), (state, 1), "without the exporter nothing is known");
}

#[tokio::test]
async fn an_importer_that_is_down_does_not_keep_the_gateway_open() {
    let scene = scene();
    scene.objects.put("eu", echo());
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    scene.objects.take_down("us", unreachable());
    let (kept, diagnostics) = destroy::<ServiceExport>(&scene, &state).await;
    assert_eq!(exported(&scene, "eu"), [""; 0], "closed");
    assert!(kept == state && diagnostics.errors.len() == 1, "the rest is reported");
    scene.objects.mend();
    assert!(destroy::<ServiceExport>(&scene, &kept).await.0.is_null());
    assert_eq!(exported(&scene, "us"), [""; 0]);
}

#[tokio::test]
async fn an_importer_whose_access_is_not_known_yet_defers_the_read() {
    let mut scene = scene();
    scene.objects.put("eu", echo());
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    scene.world.clusters = Clusters::Known([("eu".to_owned(), true), ("us".to_owned(), false)].into());
    let read = erase::<ServiceExport>()
        .read(state.clone(), &mut framework::Memory::new(), &scene.world, tokio_util::sync::CancellationToken::new())
        .await;
    assert!(read.is_deferred && read.found == state);
}

#[tokio::test]
async fn an_export_that_an_interrupted_create_has_left_is_completed_and_leaves_nothing_behind() {
    let scene = scene();
    scene.objects.put("eu", echo());
    scene.objects.fail("us", &object(Kind::DESTINATION_RULE, "istio-system"), unreachable());
    let (state, _) = apply::<ServiceExport>(&scene, &Value::Null, export(ADDRESS)).await;
    assert!(state.is_value());
    scene.objects.mend();
    // The CLI has lost the state, twice; the second time the configuration is another one.
    let (_, diagnostics) = apply::<ServiceExport>(&scene, &Value::Null, export(ADDRESS)).await;
    assert_eq!((diagnostics.errors.len(), exported(&scene, "us").len()), (0, 2), "{diagnostics:?}");
    let entry = scene.objects.live("eu", &object(Kind::SERVICE_ENTRY, "echo")).expect("the entry");
    assert_eq!(Mark::of(&entry), None, "a create that has finished leaves no mark");
    scene.objects.put("eu", mark("eu").on(entry));
    let after = || ServiceExportModel { importer_namespace: text("istio-config"), ..export(ADDRESS) };
    let (state, diagnostics) = apply::<ServiceExport>(&scene, &Value::Null, after()).await;
    assert_eq!((diagnostics.errors.len(), diagnostics.warnings.len()), (0, 1), "{diagnostics:?}");
    assert_eq!(exported(&scene, "us"), ["DestinationRule istio-config", "ServiceEntry istio-config"]);
    assert_eq!(read::<ServiceExport>(&scene, &state).await.0, state);
    let (_, diagnostics) = apply::<ServiceExport>(&scene, &Value::Null, after()).await;
    assert_eq!(diagnostics.errors[0].summary, "Already exists", "it is complete by now");
}

#[tokio::test]
async fn what_somebody_creates_after_the_look_stays_as_it_is() {
    for (cluster, kind, namespace) in [("eu", Kind::SERVICE_ENTRY, "echo"), ("us", Kind::DESTINATION_RULE, "istio-system")] {
        let scene = scene();
        scene.objects.put("eu", echo());
        let object = object(kind, namespace);
        let theirs = json!({
            "apiVersion": "networking.istio.io/v1", "kind": kind.kind,
            "metadata": {"name": object.name.clone(), "namespace": namespace}, "spec": {"theirs": true},
        });
        scene.objects.change_after_look(cluster, theirs.clone());
        let (state, diagnostics) = apply::<ServiceExport>(&scene, &Value::Null, export(ADDRESS)).await;
        assert_eq!(diagnostics.errors[0].summary, "Already exists", "{}", words(&diagnostics));
        assert_eq!(scene.objects.live(cluster, &object), Some(theirs.clone()));
        assert_eq!(state.is_value(), cluster == "us", "of a create that has made nothing there is no state");
        if state.is_value() {
            assert!(destroy::<ServiceExport>(&scene, &state).await.0.is_null());
            assert_eq!((scene.objects.live(cluster, &object), exported(&scene, "eu").len()), (Some(theirs), 0));
        }
    }
}
