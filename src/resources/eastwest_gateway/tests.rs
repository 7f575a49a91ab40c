//! The life cycle of an east-west gateway, with the fakes.

use super::{EastwestGateway, EastwestGatewayModel};
use crate::{
    data::ObjectRef,
    ports::Releases as _,
    resources::testing::{Scene, apply, balancer, created, destroy, drift, gateway, model, outage, planned, read, scene, text},
};
use framework::{Diagnostics, Dynamic, Value, encode, erase};
use serde_json::{Value as Json, json};

#[tokio::test]
async fn a_gateway_is_there_when_it_has_an_address() {
    let scene = scene();
    let timeouts = framework::Timeouts { create: text("50ms"), ..framework::Timeouts::default() };
    let waiting = EastwestGatewayModel { timeouts: Value::Value(timeouts), ..gateway() };
    let (state, diagnostics) = apply::<EastwestGateway>(&scene, &Value::Null, waiting).await;
    assert!(diagnostics.errors[0].detail.contains("waiting for the load balancer"), "{:?}", diagnostics.errors);
    assert_eq!(drift(&state).len(), 1);
    scene.objects.put("eu", balancer("198.51.100.9"));
    let (state, _) = apply::<EastwestGateway>(&scene, &state, gateway()).await;
    assert_eq!(model::<EastwestGatewayModel>(&state).addresses, Value::Value(vec![text("198.51.100.9")]));
    scene.objects.put("eu", balancer("198.51.100.10"));
    let (moved, _) = read::<EastwestGateway>(&scene, &state).await;
    assert_eq!(model::<EastwestGatewayModel>(&moved).addresses, Value::Value(vec![text("198.51.100.10")]));
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_end_the_wait_for_the_address() {
    let scene = scene();
    let trouble = async {
        outage(&scene, "eu").await;
        scene.objects.put("eu", balancer("198.51.100.9"));
    };
    let ((state, diagnostics), ()) = tokio::join!(apply::<EastwestGateway>(&scene, &Value::Null, gateway()), trouble);
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(model::<EastwestGatewayModel>(&state).addresses, Value::Value(vec![text("198.51.100.9")]));
}

#[tokio::test]
async fn the_port_is_the_one_that_the_service_has() {
    let scene = scene();
    let mut service = balancer("198.51.100.9");
    service["spec"] = json!({"type": "LoadBalancer", "ports": [{"name": "status-port", "port": 15021}, {"name": "tls", "port": 443, "targetPort": 15443}]});
    scene.objects.put("eu", service);
    let (state, _) = apply::<EastwestGateway>(&scene, &Value::Null, gateway()).await;
    assert_eq!(model::<EastwestGatewayModel>(&state).port, Value::Value(443));
    assert_eq!(read::<EastwestGateway>(&scene, &state).await.0, state);
}

#[tokio::test]
async fn a_service_without_a_load_balancer_is_not_waited_for() {
    let scene = scene();
    let mut service = balancer("198.51.100.9");
    service["spec"] = json!({"type": "NodePort"});
    service["status"] = json!({"loadBalancer": {}});
    scene.objects.put("eu", service.clone());
    let (_, diagnostics) = apply::<EastwestGateway>(&scene, &Value::Null, gateway()).await;
    assert!(diagnostics.errors[0].detail.contains("has the type NodePort"), "{:?}", diagnostics.errors);
}

#[tokio::test]
async fn a_gateway_that_never_got_an_address_is_completed_by_a_create() {
    let scene = scene();
    let timeouts = framework::Timeouts { create: text("50ms"), ..framework::Timeouts::default() };
    let waiting = EastwestGatewayModel { timeouts: Value::Value(timeouts), ..gateway() };
    let (state, _) = apply::<EastwestGateway>(&scene, &Value::Null, waiting).await;
    assert!(state.is_value());
    scene.objects.put("eu", balancer("198.51.100.9"));
    let (_, diagnostics) = apply::<EastwestGateway>(&scene, &Value::Null, gateway()).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(apply::<EastwestGateway>(&scene, &Value::Null, gateway()).await.1.errors[0].summary, "Already exists");
}

/// Plans a configuration over a state as the protocol does, where nothing but the configuration may change.
fn plan(scene: &Scene, state: &Dynamic, config: EastwestGatewayModel) -> (EastwestGatewayModel, Diagnostics) {
    let mut draft = planned::<EastwestGateway>(config.clone());
    for kept in ["addresses", "port", "installed_version"] {
        framework::set_attribute(&mut draft, kept, framework::attribute(state, kept).clone());
    }
    let planned = erase::<EastwestGateway>().plan(state, &encode(&Value::Value(config)), draft, Some(&scene.world));
    (model(&planned.state), planned.diagnostics)
}

fn with_values(values: &str) -> EastwestGatewayModel {
    EastwestGatewayModel { values: Value::Value(vec![self::text(values)]), ..gateway() }
}

/// The state with this drift.
fn drifted(state: &Dynamic, line: &str) -> Dynamic {
    let mut state = state.clone();
    framework::set_attribute(&mut state, "drift", encode(&Value::Value(vec![text(line)])));
    state
}

#[tokio::test]
async fn a_change_that_cannot_move_the_load_balancer_does_not_open_its_address() {
    let scene = scene();
    scene.objects.put("eu", balancer("198.51.100.9"));
    let created = created::<EastwestGateway>(&scene, gateway()).await;
    let state = drifted(&created, "Deployment istio-system/istio-eastwestgateway: spec.replicas: 1 wanted, 2 found");
    let kept = Value::Value(vec![text("198.51.100.9")]);
    assert_eq!(plan(&scene, &state, gateway()).0.addresses, kept);
    assert_eq!(plan(&scene, &state, with_values("resources: {limits: {cpu: 1}}")).0.addresses, kept);
    assert_eq!(plan(&scene, &state, with_values("service: {loadBalancerIP: 198.51.100.10}")).0.addresses, Value::Unknown);
    assert_eq!(plan(&scene, &state, with_values("networkGatewayPorts: {tls: {port: 443}}")).0.port, Value::Unknown);
    let state = drifted(&created, "Service istio-system/istio-eastwestgateway: spec.ports[tls]: it is gone");
    assert_eq!(plan(&scene, &state, gateway()).0.addresses, Value::Unknown);
}

#[tokio::test]
async fn a_gateway_that_loses_its_address_waits_for_another() {
    let scene = scene();
    scene.objects.put("eu", balancer("198.51.100.9"));
    let state = created::<EastwestGateway>(&scene, gateway()).await;
    let mut service = balancer("198.51.100.9");
    service["status"] = json!({"loadBalancer": {}});
    scene.objects.put("eu", service);
    let (lost, _) = read::<EastwestGateway>(&scene, &state).await;
    assert!(drift(&lost)[0].contains("it has no address"), "{:?}", drift(&lost));
    assert_eq!(plan(&scene, &lost, gateway()).0.addresses, Value::Unknown, "so exports wait for it, too");
    scene.objects.put("eu", balancer("198.51.100.10"));
    let (found, diagnostics) = apply::<EastwestGateway>(&scene, &lost, gateway()).await;
    assert!(diagnostics.errors.is_empty());
    assert_eq!(model::<EastwestGatewayModel>(&found).addresses, Value::Value(vec![text("198.51.100.10")]));
}

fn behind_nat(sort: &str, port: Option<i64>) -> EastwestGatewayModel {
    EastwestGatewayModel {
        external_addresses: Value::Value([text("gw.example.com"), text("203.0.113.7")].into()),
        external_port: port.into(),
        ..with_values(&format!("service: {{type: {sort}}}"))
    }
}

#[tokio::test]
async fn external_addresses_replace_those_of_a_load_balancer() {
    let scene = scene();
    let mut service = balancer("198.51.100.9");
    service["spec"] = json!({"type": "NodePort", "ports": [{"name": "tls", "port": 15443, "targetPort": 15443, "nodePort": 31443}]});
    service["status"] = json!({"loadBalancer": {}});
    scene.objects.put("eu", service);
    let state = created::<EastwestGateway>(&scene, behind_nat("NodePort", None)).await;
    let found: EastwestGatewayModel = model(&state);
    assert_eq!(found.addresses, Value::Value(vec![text("203.0.113.7"), text("gw.example.com")]));
    assert_eq!(found.port, Value::Value(31443), "nodes are reached at the node port");
    assert_eq!(read::<EastwestGateway>(&scene, &state).await.0, state);
    let (planned, _) = plan(&scene, &state, behind_nat("NodePort", Some(443)));
    assert_eq!(planned.port, Value::Value(443));
    let state = created::<EastwestGateway>(&self::scene(), behind_nat("None", Some(443))).await;
    assert_eq!(model::<EastwestGatewayModel>(&state).port, Value::Value(443));
}

#[tokio::test]
async fn a_service_type_that_gets_no_address_is_refused_at_once() {
    let scene = scene();
    scene.objects.put("eu", balancer("198.51.100.9"));
    let state = created::<EastwestGateway>(&scene, gateway()).await;
    for sort in ["NodePort", "ClusterIP", "None"] {
        let config = with_values(&format!("service: {{type: {sort}}}"));
        let (_, diagnostics) = plan(&scene, &state, config.clone());
        assert!(diagnostics.errors[0].detail.contains(&format!("has the type {sort}")), "{:?}", diagnostics.errors);
        assert!(diagnostics.errors[0].detail.contains("external_addresses"), "{:?}", diagnostics.errors);
        let (none, diagnostics) = apply::<EastwestGateway>(&self::scene(), &Value::Null, config).await;
        assert!(none.is_null() && !diagnostics.errors.is_empty(), "nothing is installed");
    }
    assert!(plan(&scene, &state, with_values("service: {type: NodePort, externalIPs: [203.0.113.7]}")).1.errors.is_empty());
}

#[tokio::test]
async fn a_service_of_another_name_is_waited_for_and_deleted() {
    let scene = scene();
    let mut service = balancer("198.51.100.9");
    service["metadata"]["name"] = json!("gw");
    scene.objects.put("eu", service);
    let state = created::<EastwestGateway>(&scene, EastwestGatewayModel { service_name: text("gw"), ..gateway() }).await;
    assert_eq!(model::<EastwestGatewayModel>(&state).addresses, Value::Value(vec![text("198.51.100.9")]));
    let (gone, diagnostics) = destroy::<EastwestGateway>(&scene, &state).await;
    assert!(gone.is_null() && diagnostics.errors.is_empty(), "{diagnostics:?}");
    assert!(!scene.objects.names("eu").iter().any(|name| name.starts_with("Service ")), "{:?}", scene.objects.names("eu"));
}

#[tokio::test]
async fn a_plan_warns_of_a_second_gateway_with_the_same_label() {
    let scene = scene();
    assert!(plan(&scene, &Value::Null, gateway()).1.warnings.is_empty());
    let second = EastwestGatewayModel { name: text("second"), label: text("eastwestgateway"), ..gateway() };
    let warnings = plan(&scene, &Value::Null, second).1.warnings;
    assert_eq!(warnings[0].summary, "Gateways share a label");
}

#[tokio::test]
async fn a_gateway_object_of_others_is_neither_changed_nor_deleted() {
    let scene = scene();
    scene.objects.put("eu", balancer("198.51.100.9"));
    let exposed = || EastwestGatewayModel { exposed_services: Value::Value([text("shop/echo")].into()), ..gateway() };
    let (opened, _) = apply::<EastwestGateway>(&scene, &Value::Null, exposed()).await;
    let mut theirs = scene.objects.all("eu").into_iter().find(|object| object["kind"] == "Gateway").expect("a Gateway");
    let object = ObjectRef::of(&theirs, "").expect("a known kind");
    theirs["metadata"]["labels"] = Json::Null;
    theirs["spec"]["servers"][0]["hosts"] = json!(["theirs.shop.svc.cluster.local"]);
    let (state, _) = apply::<EastwestGateway>(&scene, &opened, gateway()).await;
    assert_eq!(scene.objects.live("eu", &object), None, "it is open for nothing now");

    scene.objects.put("eu", theirs.clone());
    let (state, diagnostics) = apply::<EastwestGateway>(&scene, &state, exposed()).await;
    assert_eq!(diagnostics.errors[0].summary, "Already exists", "{diagnostics:?}");
    assert!(destroy::<EastwestGateway>(&scene, &state).await.0.is_null());
    assert_eq!(scene.objects.live("eu", &object), Some(theirs));
}

#[tokio::test]
async fn services_with_the_labels_are_followed() {
    let scene = scene();
    scene.objects.put("eu", balancer("198.51.100.9"));
    let labels = Value::Value([("expose".to_owned(), text("true"))].into());
    let exposed = || EastwestGatewayModel { exposed_service_labels: labels.clone(), ..gateway() };
    let hosts = || {
        let gateway = scene.objects.all("eu").into_iter().find(|object| object["kind"] == "Gateway");
        gateway.map(|gateway| gateway["spec"]["servers"][0]["hosts"].clone())
    };
    let label = |value: &str| {
        let metadata = json!({"namespace": "shop", "name": "echo", "labels": {"expose": value}});
        scene.objects.put("eu", json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {}}));
    };
    let state = created::<EastwestGateway>(&scene, exposed()).await;
    assert_eq!((hosts(), drift(&read::<EastwestGateway>(&scene, &state).await.0)), (None, Vec::new()), "no Service has the label");
    label("true");
    let object = "Gateway istio-system/mesh-exposed-istio-eastwestgateway";
    assert_eq!(drift(&read::<EastwestGateway>(&scene, &state).await.0), [format!("{object}: it is gone")]);
    let (state, _) = apply::<EastwestGateway>(&scene, &state, exposed()).await;
    assert_eq!(hosts(), Some(json!(["echo.shop.svc.cluster.local"])));
    assert_eq!(drift(&read::<EastwestGateway>(&scene, &state).await.0), [""; 0]);
    label("false");
    assert_eq!(drift(&read::<EastwestGateway>(&scene, &state).await.0), [format!("{object}: must be removed: no Service has the labels")]);
    let (state, _) = apply::<EastwestGateway>(&scene, &state, exposed()).await;
    assert_eq!(hosts(), None);
    assert!(destroy::<EastwestGateway>(&scene, &state).await.0.is_null());
}

#[tokio::test]
async fn a_destroy_that_was_killed_is_unfinished_until_the_load_balancer_and_the_namespace_are_gone() {
    let scene = scene();
    scene.objects.put("eu", balancer("198.51.100.9"));
    let state = created::<EastwestGateway>(&scene, gateway()).await;
    let deadline = framework::Deadline::after(std::time::Duration::from_secs(1), tokio_util::sync::CancellationToken::new());
    scene.releases.remove("eu", "istio-system", "istio-eastwestgateway", &deadline).await.expect("removed");
    scene.objects.put_ending("eu", balancer("198.51.100.9"));
    let (left, _) = read::<EastwestGateway>(&scene, &state).await;
    assert_eq!(drift(&left), ["Service istio-system/istio-eastwestgateway: it is being deleted; its load balancer goes first"]);
    assert!(destroy::<EastwestGateway>(&scene, &left).await.0.is_null());
    assert_eq!(scene.objects.names("eu"), [""; 0]);
    assert!(read::<EastwestGateway>(&scene, &state).await.0.is_null());
}
