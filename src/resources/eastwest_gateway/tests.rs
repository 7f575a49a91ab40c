//! The life cycle of an east-west gateway, with the fakes.

use super::{EastwestGateway, EastwestGatewayModel};
use crate::resources::testing::{apply, balancer, drift, gateway, model, read, scene, text};
use framework::Value;

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
