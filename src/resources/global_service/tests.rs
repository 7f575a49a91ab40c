//! The life cycle of a global service, with the fakes.

use serde_json::{Value as Json, json};

use super::{GlobalService, GlobalServiceModel, model::ServingGatewayRef};
use crate::{
    data::{Kind, ObjectRef},
    resources::{
        ServiceExport, ServiceExportModel,
        testing::{
            Scene, apply, created, destroy, drift, echo, export, import, list, mark, model, preview, read, scene, service_range, text,
            unreachable, words,
        },
    },
};
use framework::{Dynamic, Value, erase};

fn object(kind: Kind) -> ObjectRef {
    ObjectRef::namespaced(kind, if kind == Kind::GATEWAY { "istio-system" } else { "echo" }, "mesh-global-echo-mesh-local")
}

fn elsewhere() -> ObjectRef {
    ObjectRef::namespaced(Kind::SERVICE_ENTRY, "echo", "mesh-global-echo-mesh-local-elsewhere")
}

fn global(clusters: &[&str], weights: &[(&str, i64)]) -> GlobalServiceModel {
    let gateway = |cluster: &str| ServingGatewayRef {
        cluster: text(cluster),
        namespace: text("istio-system"),
        name: text("istio-eastwestgateway"),
        service_name: Value::Null,
        label: Value::Null,
        network: text(&format!("{cluster}-net")),
    };
    GlobalServiceModel {
        host: text("echo.mesh.local"),
        namespace: text("echo"),
        service: text("echo"),
        gateways: Value::Value(clusters.iter().map(|key| ((*key).to_owned(), Value::Value(gateway(key)))).collect()),
        weights: match weights {
            [] => Value::Null,
            weights => Value::Value(weights.iter().map(|(key, weight)| ((*key).to_owned(), Value::Value(*weight))).collect()),
        },
        service_accounts: Value::Value([text("echo")].into()),
        trust_domain: text("corp.local"),
        ..GlobalServiceModel::default()
    }
}

fn both() -> GlobalServiceModel {
    global(&["eu", "us"], &[])
}

fn with_services() -> Scene {
    let scene = scene();
    for cluster in ["us", "eu"] {
        scene.objects.put(cluster, echo());
    }
    scene
}

/// The kinds and names of the service's objects in a cluster.
fn objects(scene: &Scene, cluster: &str) -> Vec<String> {
    scene
        .objects
        .names(cluster)
        .into_iter()
        .filter(|name| name.contains("mesh-global"))
        .map(|name| name.replace("mesh-global-echo-mesh-local", "*"))
        .collect()
}

const ALL: [&str; 4] = ["DestinationRule echo/*", "Gateway istio-system/*", "ServiceEntry echo/*", "ServiceEntry echo/*-elsewhere"];

fn spec(scene: &Scene, cluster: &str, object: &ObjectRef) -> Json {
    scene.objects.live(cluster, object).unwrap_or_else(|| panic!("no {object}"))["spec"].clone()
}

#[tokio::test]
async fn each_cluster_serves_the_host_itself_and_leads_to_the_other() {
    let scene = with_services();
    let state = created::<GlobalService>(&scene, both()).await;
    for (cluster, other) in [("us", "eu"), ("eu", "us")] {
        assert_eq!(objects(&scene, cluster), ALL);
        let (own, elsewhere) = (spec(&scene, cluster, &object(Kind::SERVICE_ENTRY)), spec(&scene, cluster, &elsewhere()));
        assert_eq!(own["workloadSelector"], json!({"labels": {"app": "echo"}}));
        assert_eq!(own["ports"], json!([{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8080}]));
        assert_eq!(elsewhere["endpoints"], json!([{"network": format!("{other}-net"), "labels": {"security.istio.io/tlsMode": "istio"}}]));
        // istiod makes one service of entries that agree in these.
        for field in ["hosts", "addresses", "exportTo", "location", "resolution", "subjectAltNames"] {
            assert_eq!(own[field], elsewhere[field], "{field}");
        }
        assert_eq!(own["subjectAltNames"], json!(["spiffe://corp.local/ns/echo/sa/echo"]));
        let policy = &spec(&scene, cluster, &object(Kind::DESTINATION_RULE))["trafficPolicy"];
        assert_eq!(policy["loadBalancer"], json!({"localityLbSetting": {"failoverPriority": ["topology.istio.io/network"]}}));
        assert_eq!(
            policy["outlierDetection"],
            json!({"consecutive5xxErrors": 3, "interval": "1s", "baseEjectionTime": "10s", "maxEjectionPercent": 100})
        );
    }
    let found: GlobalServiceModel = model(&state);
    assert_eq!(found.identities, Value::Value(vec![text("spiffe://corp.local/ns/echo/sa/echo")]));
    assert_eq!(read::<GlobalService>(&scene, &state).await.0, state);
    assert_eq!(list::<GlobalService>(&scene, None).await, (vec!["echo/echo.mesh.local".to_owned()], Vec::new()));
    assert_eq!(import(erase::<GlobalService>(), &scene, "echo/echo.mesh.local").await, state);
    assert!(destroy::<GlobalService>(&scene, &state).await.0.is_null());
    assert!(objects(&scene, "us").is_empty() && objects(&scene, "eu").is_empty());
}

async fn changed(scene: &Scene, state: &Dynamic, to: GlobalServiceModel) -> Dynamic {
    let (state, diagnostics) = apply::<GlobalService>(scene, state, to).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(read::<GlobalService>(scene, &state).await.0, state, "nothing is left to do");
    state
}

#[tokio::test]
async fn a_cluster_is_taken_out_of_service_and_comes_back() {
    let scene = with_services();
    let state = created::<GlobalService>(&scene, both()).await;
    let drained = changed(&scene, &state, global(&["eu", "us"], &[("us", 0)])).await;
    assert_eq!(objects(&scene, "us"), ["DestinationRule echo/*", "ServiceEntry echo/*-elsewhere"]);
    assert_eq!(objects(&scene, "eu"), ["DestinationRule echo/*", "Gateway istio-system/*", "ServiceEntry echo/*"]);
    assert_eq!(
        model::<GlobalServiceModel>(&drained).identities,
        model::<GlobalServiceModel>(&state).identities,
        "its pods still answer a while"
    );
    changed(&scene, &drained, both()).await;
    assert_eq!((objects(&scene, "us"), objects(&scene, "eu")), (ALL.map(str::to_owned).to_vec(), ALL.map(str::to_owned).to_vec()));
}

#[tokio::test]
async fn clusters_join_and_leave() {
    let scene = with_services();
    let alone = created::<GlobalService>(&scene, global(&["eu"], &[])).await;
    assert_eq!(objects(&scene, "eu"), ALL[..3]);
    let joined = changed(&scene, &alone, both()).await;
    assert_eq!((objects(&scene, "us").len(), objects(&scene, "eu").len()), (4, 4));
    changed(&scene, &joined, global(&["us"], &[])).await;
    assert_eq!((objects(&scene, "us"), objects(&scene, "eu").len()), (ALL[..3].iter().map(|name| (*name).to_owned()).collect(), 0));
}

#[tokio::test]
async fn a_cluster_that_is_down_is_taken_out_of_service_by_the_others() {
    let scene = with_services();
    let state = created::<GlobalService>(&scene, both()).await;
    for object in [object(Kind::SERVICE_ENTRY), object(Kind::DESTINATION_RULE), elsewhere(), object(Kind::GATEWAY)] {
        scene.objects.fail("us", &object, unreachable());
    }
    let (kept, diagnostics) = read::<GlobalService>(&scene, &state).await;
    assert!(kept == state && diagnostics.errors.is_empty() && diagnostics.warnings.len() == 1, "{diagnostics:?}");
    let (state, diagnostics) = apply::<GlobalService>(&scene, &state, global(&["eu", "us"], &[("us", 0)])).await;
    assert_eq!(diagnostics.errors.len(), 1, "it isn't all done: {diagnostics:?}");
    assert_eq!(objects(&scene, "eu"), ALL[..3], "nobody is led to it any more");
    assert!(!state.is_null());
}

#[tokio::test]
async fn a_cluster_whose_service_can_not_be_read_goes_on_serving() {
    let scene = with_services();
    let state = created::<GlobalService>(&scene, both()).await;
    scene.objects.fail("us", &ObjectRef::namespaced(Kind::SERVICE, "echo", "echo"), unreachable());
    let changed = GlobalServiceModel { export_to: Value::Value([text("shop")].into()), ..both() };
    let (_, diagnostics) = apply::<GlobalService>(&scene, &state, changed).await;
    assert_eq!(diagnostics.errors.len(), 1, "{diagnostics:?}");
    assert_eq!((objects(&scene, "us"), objects(&scene, "eu")), (ALL.map(str::to_owned).to_vec(), ALL.map(str::to_owned).to_vec()));
}

#[tokio::test]
async fn what_a_person_changed_is_drift() {
    let scene = with_services();
    let state = created::<GlobalService>(&scene, both()).await;
    let mut rule = scene.objects.live("us", &object(Kind::DESTINATION_RULE)).expect("the rule");
    rule["spec"]["trafficPolicy"]["loadBalancer"] = json!({"simple": "RANDOM"});
    scene.objects.put("us", rule);
    scene.objects.remove("eu", &elsewhere());
    let (found, _) = read::<GlobalService>(&scene, &state).await;
    let lines = drift(&found).join("\n");
    assert!(lines.contains("Cluster us: DestinationRule echo/mesh-global-echo-mesh-local: spec.trafficPolicy.loadBalancer"), "{lines}");
    assert!(lines.contains("Cluster eu: ServiceEntry echo/mesh-global-echo-mesh-local-elsewhere: it is gone"), "{lines}");
    changed(&scene, &found, both()).await;
}

#[tokio::test]
async fn clusters_whose_services_differ_are_refused_before_anything_is_written() {
    let scene = with_services();
    let mut other = echo();
    other["spec"]["ports"][0]["port"] = json!(81);
    scene.objects.put("us", other);
    let (state, diagnostics) = apply::<GlobalService>(&scene, &Value::Null, both()).await;
    assert!(state.is_null() && objects(&scene, "eu").is_empty());
    assert_eq!(diagnostics.errors[0].summary, "Clusters have different ports");
    let detail = &diagnostics.errors[0].detail;
    assert!(detail.contains("http 80/HTTP in cluster \"eu\", and http 81/HTTP in cluster \"us\""), "{detail}");
    let mut target = echo();
    target["spec"]["ports"][0]["targetPort"] = json!(9090);
    scene.objects.put("us", target);
    created::<GlobalService>(&scene, both()).await;
    assert_eq!(spec(&scene, "us", &object(Kind::SERVICE_ENTRY))["ports"][0]["targetPort"], 9090);
}

#[tokio::test]
async fn a_host_of_another_resource_is_left_alone() {
    let scene = with_services();
    let one = || ServiceExportModel { host: text("echo.mesh.local"), ..export("198.51.100.9") };
    let exported = created::<ServiceExport>(&scene, one()).await;
    let (state, diagnostics) = apply::<GlobalService>(&scene, &Value::Null, both()).await;
    assert!(state.is_null() && objects(&scene, "eu").is_empty());
    assert!(diagnostics.errors[0].detail.contains("another resource of this provider"), "{diagnostics:?}");
    assert!(destroy::<ServiceExport>(&scene, &exported).await.0.is_null());

    created::<GlobalService>(&scene, both()).await;
    let (_, again) = apply::<GlobalService>(&scene, &Value::Null, both()).await;
    assert!(again.errors[0].detail.contains("terraform import mesh_global_service.<name> echo/echo.mesh.local"), "{again:?}");
    let (state, refused) = apply::<ServiceExport>(&scene, &Value::Null, one()).await;
    assert!(state.is_null() && refused.errors[0].summary == "Already exists", "{refused:?}");
}

#[tokio::test]
async fn an_interrupted_create_is_continued() {
    let scene = with_services();
    let state = created::<GlobalService>(&scene, both()).await;
    let rule = scene.objects.live("eu", &object(Kind::DESTINATION_RULE)).expect("the rule of the first cluster");
    scene.objects.put("eu", mark("eu").on(rule));
    scene.objects.remove("us", &elsewhere());
    let (continued, diagnostics) = apply::<GlobalService>(&scene, &Value::Null, both()).await;
    assert_eq!(diagnostics.warnings[0].summary, "An interrupted creation is continued", "{diagnostics:?}");
    assert_eq!((continued, objects(&scene, "us").len()), (state, 4));
}

#[tokio::test]
async fn an_address_of_services_of_any_cluster_is_warned_of_in_plan_and_apply() {
    let scene = scene();
    scene.objects.put("eu", service_range("172.20.0.0/16"));
    let at = |vip: &str| GlobalServiceModel { vip: text(vip), ..global(&["eu", "us"], &[]) };
    for vip in ["172.20.0.9", "10.0.0.2", "240.0.0.2"] {
        let planned = words(&preview::<GlobalService>(&scene, at(vip)).await.1);
        let is_named = planned.contains("172.20.0.9 is in 172.20.0.0/16, from which cluster \"eu\"");
        assert_eq!(is_named, vip == "172.20.0.9", "{vip}: {planned}");
    }
}
