//! Taking over a host that somebody else has made callable.

use serde_json::{Value as Json, json};

use super::super::{ServiceExport, ServiceExportModel};
use crate::{
    data::{Kind, ObjectRef},
    resources::testing::{Scene, apply, created, drift, echo, export, preview, read, scene, text, unreachable},
};
use framework::{Diagnostics, Value};

fn adopting() -> ServiceExportModel {
    ServiceExportModel { adopt: Value::Value(true), vip: text("240.0.0.2"), ..export("198.51.100.9") }
}

fn object(kind: Kind, name: &str, spec: Json) -> Json {
    json!({"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": {"name": name, "namespace": "echo"}, "spec": spec})
}

/// The host as the article makes it, without this provider.
fn by_hand() -> Scene {
    let scene = scene();
    scene.objects.put("eu", echo());
    let host = json!(["echo.eu.mesh.local"]);
    let server = json!({"port": {"number": 15443, "name": "tls", "protocol": "TLS"}, "tls": {"mode": "AUTO_PASSTHROUGH"}, "hosts": host});
    scene
        .objects
        .put("eu", object(Kind::SERVICE_ENTRY, "echo-export", json!({"hosts": host, "workloadSelector": {"labels": {"app": "echo"}}})));
    scene.objects.put("eu", object(Kind::GATEWAY, "cross", json!({"selector": {"istio": "eastwestgateway"}, "servers": [server]})));
    scene.objects.put("us", object(Kind::SERVICE_ENTRY, "echo-eu", json!({"hosts": host, "addresses": ["240.0.0.7"]})));
    let outlier = json!({"outlierDetection": {"consecutive5xxErrors": 1}});
    scene.objects.put("us", object(Kind::DESTINATION_RULE, "echo-eu", json!({"host": "echo.eu.mesh.local", "trafficPolicy": outlier})));
    scene
}

fn said(diagnostics: &Diagnostics) -> String {
    diagnostics.warnings.iter().map(|warning| format!("{}: {}", warning.summary, warning.detail)).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_host_of_others_becomes_an_export_after_the_plan_has_shown_what_changes() {
    let scene = by_hand();
    let plan = said(&preview::<ServiceExport>(&scene, adopting()).await.1);
    for line in [
        "Taken over in cluster \"eu\": what makes the host",
        "Taken over in cluster \"us\": what makes the host",
        "ServiceEntry echo/echo-export: it is replaced by mesh-export-echo-eu-mesh-local",
        "Gateway echo/cross: it is replaced",
        "ServiceEntry echo/echo-eu: spec.addresses[0]: \"240.0.0.2\" wanted, \"240.0.0.7\" found",
        "DestinationRule echo/echo-eu: it stays",
    ] {
        assert!(plan.contains(line), "{line} is not in\n{plan}");
    }
    let state = created::<ServiceExport>(&scene, adopting()).await;
    assert_eq!(drift(&read::<ServiceExport>(&scene, &state).await.0), [""; 0]);
    let names = |cluster: &str| -> Vec<String> {
        let names = scene.objects.names(cluster).into_iter().filter(|name| !name.starts_with("Service "));
        names.collect()
    };
    assert_eq!(names("eu"), ["Gateway istio-system/mesh-export-echo-eu-mesh-local", "ServiceEntry echo/mesh-export-echo-eu-mesh-local"]);
    assert_eq!(
        names("us"),
        [
            "DestinationRule echo/echo-eu",
            "DestinationRule istio-system/mesh-export-echo-eu-mesh-local",
            "ServiceEntry istio-system/mesh-export-echo-eu-mesh-local"
        ]
    );
}

#[tokio::test]
async fn without_adopt_and_after_the_create_objects_of_others_stay() {
    let scene = by_hand();
    assert_eq!(said(&preview::<ServiceExport>(&scene, export("198.51.100.9")).await.1), "");
    let entry = ObjectRef::namespaced(Kind::SERVICE_ENTRY, "echo", "echo-eu");
    let state = created::<ServiceExport>(&scene, export("198.51.100.9")).await;
    assert!(scene.objects.live("us", &entry).is_some());
    apply::<ServiceExport>(&scene, &state, adopting()).await;
    assert!(scene.objects.live("us", &entry).is_some(), "`adopt` has an effect on a create only");
}

#[tokio::test]
async fn what_cannot_be_seen_prevents_no_plan() {
    let scene = by_hand();
    scene.objects.take_down("us", unreachable());
    let diagnostics = preview::<ServiceExport>(&scene, adopting()).await.1;
    assert!(diagnostics.errors.is_empty() && said(&diagnostics).contains("Nobody answers"), "{diagnostics:?}");
    let unknown = ServiceExportModel { gateway: Value::Unknown, ..adopting() };
    assert!(preview::<ServiceExport>(&scene, unknown).await.1.errors.is_empty());
}

#[tokio::test]
async fn an_import_of_a_host_of_others_names_the_way() {
    let scene = by_hand();
    let imported = framework::erase::<ServiceExport>();
    let outcome = imported.import("eu/echo/echo.eu.mesh.local", &scene.world, tokio_util::sync::CancellationToken::new()).await;
    assert!(outcome.diagnostics.errors[0].detail.contains("`adopt = true`"), "{:?}", outcome.diagnostics.errors);
}
