//! The life cycle of an import, with the fakes.

use serde_json::json;

use super::{ServiceImport, ServiceImportModel, model::ServiceRef};
use crate::world::SharedReads;
use crate::{
    data::{Kind, ObjectRef},
    resources::{
        ServiceExport, ServiceExportModel,
        testing::{
            Scene, apply, created, destroy, drift, echo, export, import_of, mark, model, planned, preview, read, scene, service_range,
            text, unreachable, words,
        },
    },
};
use framework::{AttributePath, Dynamic, Value, encode, erase};

const ADDRESS: &str = "198.51.100.9";

fn object(kind: Kind) -> ObjectRef {
    ObjectRef::namespaced(kind, "istio-system", "mesh-import-echo-eu-mesh-local")
}

/// The names of what is in the importing cluster.
fn imported(scene: &Scene) -> Vec<String> {
    scene.objects.names("us")
}

/// An export that touches its own cluster only.
async fn exported(scene: &Scene, address: &str) -> Dynamic {
    scene.objects.put("eu", echo());
    let export =
        ServiceExportModel { importers: Value::Value([].into()), service_accounts: Value::Value([text("echo")].into()), ..export(address) };
    created::<ServiceExport>(scene, export).await
}

fn with_service(import: &ServiceImportModel, change: impl FnOnce(&mut ServiceRef)) -> ServiceImportModel {
    let mut import = import.clone();
    if let Value::Value(service) = &mut import.service {
        change(service);
    }
    import
}

#[tokio::test]
async fn an_import_makes_what_the_export_would_make_itself() {
    let (by_export, by_import) = (scene(), scene());
    by_export.objects.put("eu", echo());
    let with_importer = ServiceExportModel { service_accounts: Value::Value([text("echo")].into()), ..export(ADDRESS) };
    created::<ServiceExport>(&by_export, with_importer).await;
    let offered = exported(&by_import, ADDRESS).await;
    assert_eq!(imported(&by_import), [""; 0], "without importers the export touches its own cluster only");
    let state = created::<ServiceImport>(&by_import, import_of(&offered)).await;
    for kind in [Kind::SERVICE_ENTRY, Kind::DESTINATION_RULE] {
        let of_export = ObjectRef::namespaced(kind, "istio-system", "mesh-export-echo-eu-mesh-local");
        let one = by_export.objects.live("us", &of_export).expect("an object of the export");
        let other = by_import.objects.live("us", &object(kind)).expect("an object of the import");
        assert_eq!(one["spec"], other["spec"]);
        assert!(
            other["metadata"]["labels"].as_object().expect("labels").keys().all(|label| !label.contains("unfinished")),
            "no mark is left"
        );
    }
    assert_eq!(read::<ServiceImport>(&by_import, &state).await.0, state);
    assert!(destroy::<ServiceImport>(&by_import, &state).await.0.is_null());
    assert_eq!(imported(&by_import), [""; 0]);
}

#[tokio::test]
async fn an_import_needs_no_access_to_the_exporting_cluster() {
    let scene = scene();
    let offered = exported(&scene, ADDRESS).await;
    scene.objects.take_down("eu", unreachable());
    let state = created::<ServiceImport>(&scene, import_of(&offered)).await;
    assert_eq!(read::<ServiceImport>(&scene, &state).await.0, state);
    assert!(destroy::<ServiceImport>(&scene, &state).await.0.is_null());
}

#[tokio::test]
async fn a_new_address_of_the_exporter_is_an_update_in_place() {
    let scene = scene();
    let offered = exported(&scene, ADDRESS).await;
    let state = created::<ServiceImport>(&scene, import_of(&offered)).await;
    let moved = ServiceExportModel { importers: Value::Value([].into()), ..export("198.51.100.10") };
    let (offered, _) = apply::<ServiceExport>(&scene, &offered, moved).await;
    let (state, diagnostics) = apply::<ServiceImport>(&scene, &state, import_of(&offered)).await;
    assert!(diagnostics.errors.is_empty(), "{diagnostics:?}");
    let entry = scene.objects.live("us", &object(Kind::SERVICE_ENTRY)).expect("the entry");
    assert_eq!(entry["spec"]["endpoints"][0]["address"], "198.51.100.10");
    assert_eq!(entry["spec"]["subjectAltNames"], json!(null), "the export names no accounts any more");
    assert_eq!(read::<ServiceImport>(&scene, &state).await.0, state);
}

#[tokio::test]
async fn what_an_export_offers_is_known_in_its_plan_as_far_as_it_can_be() {
    let scene = scene();
    scene.objects.put("eu", echo());
    let config = encode(&Value::Value(export(ADDRESS)));
    let first = erase::<ServiceExport>().plan(&Value::Null, &config, planned::<ServiceExport>(export(ADDRESS)), Some(&scene.world));
    let offered: ServiceExportModel = model(&first.state);
    let Value::Value(offered) = offered.import else { panic!("it is known in part") };
    assert_eq!((offered.host, offered.gateway_addresses), (text("echo.eu.mesh.local"), Value::Value(vec![text(ADDRESS)])));
    assert!(offered.address.is_value() && offered.ports.is_unknown());
}

#[tokio::test]
async fn manual_changes_are_drift_and_are_reverted() {
    let scene = scene();
    let import = import_of(&exported(&scene, ADDRESS).await);
    let state = created::<ServiceImport>(&scene, import.clone()).await;
    scene.objects.remove("us", &object(Kind::DESTINATION_RULE));
    let mut entry = scene.objects.live("us", &object(Kind::SERVICE_ENTRY)).expect("the entry");
    entry["spec"]["endpoints"][0]["address"] = json!("203.0.113.66");
    scene.objects.put("us", entry);
    let (drifted, _) = read::<ServiceImport>(&scene, &state).await;
    let lines = drift(&drifted);
    assert!(lines.iter().any(|line| line.contains("DestinationRule") && line.contains("gone")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("203.0.113.66")), "{lines:?}");
    let (state, _) = apply::<ServiceImport>(&scene, &drifted, import).await;
    assert_eq!(drift(&read::<ServiceImport>(&scene, &state).await.0), [""; 0]);
    for object in [object(Kind::DESTINATION_RULE), object(Kind::SERVICE_ENTRY)] {
        scene.objects.remove("us", &object);
    }
    assert!(read::<ServiceImport>(&scene, &state).await.0.is_null(), "it is gone as a whole");
}

#[tokio::test]
async fn a_host_that_the_cluster_knows_already_is_refused() {
    let scene = scene();
    scene.objects.put("eu", echo());
    let offered = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    let before = imported(&scene);
    let (state, refused) = apply::<ServiceImport>(&scene, &Value::Null, import_of(&offered)).await;
    assert!(state.is_null() && imported(&scene) == before);
    assert_eq!(refused.errors[0].summary, "Host is known in the cluster already");
    assert!(refused.errors[0].detail.contains("ServiceEntry istio-system/mesh-export-echo-eu-mesh-local"), "{refused:?}");

    // The other way round.
    assert!(destroy::<ServiceExport>(&scene, &offered).await.0.is_null());
    let import = import_of(&exported(&scene, ADDRESS).await);
    created::<ServiceImport>(&scene, import.clone()).await;
    let elsewhere = ServiceImportModel { namespace: text("imports"), ..import.clone() };
    assert_eq!(apply::<ServiceImport>(&scene, &Value::Null, elsewhere).await.1.errors[0].summary, "Host is known in the cluster already");
    let again = apply::<ServiceImport>(&scene, &Value::Null, import).await.1;
    assert!(again.errors[0].detail.contains("terraform import mesh_service_import.<name> us/istio-system/echo.eu.mesh.local"), "{again:?}");
}

#[tokio::test]
async fn an_interrupted_create_is_continued_and_objects_of_others_stay() {
    let scene = scene();
    let import = import_of(&exported(&scene, ADDRESS).await);
    let state = created::<ServiceImport>(&scene, import.clone()).await;
    let entry = scene.objects.live("us", &object(Kind::SERVICE_ENTRY)).expect("the entry");
    scene.objects.put("us", mark("us").on(entry));
    let (continued, diagnostics) = apply::<ServiceImport>(&scene, &Value::Null, import).await;
    assert_eq!(diagnostics.warnings[0].summary, "An interrupted creation is continued", "{diagnostics:?}");
    assert_eq!(continued, state);

    let mut foreign = scene.objects.live("us", &object(Kind::SERVICE_ENTRY)).expect("the entry");
    foreign["metadata"]["labels"] = json!({});
    scene.objects.put("us", foreign);
    assert!(destroy::<ServiceImport>(&scene, &state).await.0.is_null());
    assert_eq!(imported(&scene), ["ServiceEntry istio-system/mesh-import-echo-eu-mesh-local"]);
}

#[tokio::test]
async fn another_host_replaces_the_import() {
    let scene = scene();
    let import = import_of(&exported(&scene, ADDRESS).await);
    let state = created::<ServiceImport>(&scene, import.clone()).await;
    let plan = |config: &ServiceImportModel| {
        let encoded = encode(&Value::Value(config.clone()));
        erase::<ServiceImport>().plan(&state, &encoded, planned::<ServiceImport>(config.clone()), Some(&scene.world))
    };
    let other = plan(&with_service(&import, |service| service.host = text("cart.eu.mesh.local")));
    assert_eq!(other.replace, [AttributePath::new("service").attribute("host")]);
    let port = plan(&with_service(&import, |service| service.gateway_port = Value::Value(443)));
    assert_eq!(port.replace, [], "all else changes in place");
    // A host that the plan didn't know.
    let (state, _) =
        apply::<ServiceImport>(&scene, &state, with_service(&import, |service| service.host = text("cart.eu.mesh.local"))).await;
    assert_eq!(
        imported(&scene),
        ["DestinationRule istio-system/mesh-import-cart-eu-mesh-local", "ServiceEntry istio-system/mesh-import-cart-eu-mesh-local"]
    );
    assert!(drift(&read::<ServiceImport>(&scene, &state).await.0).is_empty());
}

#[tokio::test]
async fn a_port_that_is_null_is_refused_at_its_path() {
    let import = with_service(&import_of(&exported(&scene(), ADDRESS).await), |service| {
        if let Value::Value(ports) = &mut service.ports {
            ports.push(Value::Null);
        }
    });
    let errors = erase::<ServiceImport>().validate(&encode(&Value::Value(import))).errors;
    assert_eq!(errors.iter().map(|error| error.summary.as_ref()).collect::<Vec<_>>(), ["Invalid service.ports[1]"]);
}

#[tokio::test]
async fn an_object_that_changes_hands_during_a_destroy_stays() {
    let scene = scene();
    let state = created::<ServiceImport>(&scene, import_of(&exported(&scene, ADDRESS).await)).await;
    let mut other = scene.objects.live("us", &object(Kind::DESTINATION_RULE)).expect("the rule");
    other["metadata"]["labels"] = json!({"team": "other"});
    scene.objects.change_after_look("us", other);
    assert!(destroy::<ServiceImport>(&scene, &state).await.0.is_null());
    assert_eq!(imported(&scene), ["DestinationRule istio-system/mesh-import-echo-eu-mesh-local"]);
}

#[tokio::test]
async fn the_imports_of_a_run_share_a_look_for_others_of_their_hosts() {
    let mut scene = scene();
    scene.world.shared = SharedReads::default();
    let import = import_of(&exported(&scene, ADDRESS).await);
    let of_host = |host: &str| with_service(&import, |service| service.host = text(host));
    for host in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        created::<ServiceImport>(&scene, of_host(&format!("{host}.eu.mesh.local"))).await;
    }
    assert_eq!(scene.objects.lists("us", Kind::SERVICE_ENTRY), 4, "from the fourth on, one look answers for all");

    // What the look has found is looked at again.
    let elsewhere = ServiceImportModel { namespace: text("shop"), ..of_host("a.eu.mesh.local") };
    let refused = apply::<ServiceImport>(&scene, &Value::Null, elsewhere.clone()).await.1;
    assert_eq!(refused.errors[0].summary, "Host is known in the cluster already");
    scene.objects.remove("us", &ObjectRef::namespaced(Kind::SERVICE_ENTRY, "istio-system", "mesh-import-a-eu-mesh-local"));
    created::<ServiceImport>(&scene, elsewhere).await;
    assert_eq!(scene.objects.lists("us", Kind::SERVICE_ENTRY), 4);
}

#[tokio::test]
async fn an_address_of_services_of_the_cluster_is_warned_of_in_plan_and_apply() {
    let scene = scene();
    scene.objects.put("us", service_range("10.96.0.0/12"));
    let offered = exported(&scene, ADDRESS).await;
    let at = |address: &str| with_service(&import_of(&offered), |service| service.address = text(address));
    let named = "Choose a `vip` of 240.0.0.0/4 or outside of that range for the export";
    assert!(words(&preview::<ServiceImport>(&scene, at("10.96.1.2")).await.1).contains(named));
    assert!(!words(&preview::<ServiceImport>(&scene, at("10.0.0.2")).await.1).contains(named));
    assert!(words(&apply::<ServiceImport>(&scene, &Value::Null, at("10.96.1.2")).await.1).contains(named));
}
