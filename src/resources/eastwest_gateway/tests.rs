//! The life cycle of an east-west gateway, with the fakes.

use super::{EastwestGateway, EastwestGatewayModel};
use crate::resources::testing::{apply, balancer, drift, gateway, model, read, scene, text};
use framework::Value;
use serde_json::json;

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
