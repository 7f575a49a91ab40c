//! Waits for istiod's webhook.

use std::time::Duration;

use super::*;
use crate::resources::testing::outage;

fn probe() -> ObjectRef {
    ObjectRef::namespaced(Kind::GATEWAY, "istio-system", "mesh-terraform-io-probe")
}

fn not_called() -> Failure {
    let why = "An admission webhook that must check the object doesn't answer.";
    Failure::new(FailureKind::NotReady, "Can't check it", why)
        .raw("failed calling webhook \"rev.validation.istio.io\": Post \"https://istiod.istio-system.svc:443/validate\": context deadline exceeded")
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_end_the_wait_for_the_webhook() {
    let scene = scene();
    scene.objects.put("eu", injector());
    scene.objects.fail("eu", &probe(), not_called());
    let begin = tokio::time::Instant::now();
    let ((state, diagnostics), ()) = tokio::join!(apply::<Cluster>(&scene, &Value::Null, cluster()), outage(&scene, "eu"));
    assert!(diagnostics.errors.is_empty() && begin.elapsed() > Duration::from_secs(35), "{:?}", diagnostics.errors);
    assert_eq!(drift(&state), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_kept_the_webhook_from_serving_is_told_when_the_time_is_over() {
    let scene = scene();
    scene.objects.put("eu", injector());
    scene.objects.fail("eu", &probe(), not_called());
    let (_, diagnostics) = apply::<Cluster>(&scene, &Value::Null, cluster()).await;
    let error = &diagnostics.errors[0];
    assert_eq!(error.summary, "istiod's webhook doesn't serve");
    for words in [
        "Gave up after 600s while waiting for istiod's validation webhook to serve.",
        "The last look failed: An admission webhook that must check the object doesn't answer. failed calling webhook \"rev.validation.istio.io\"",
        "port 15017 of its pods",
        "`timeouts`",
    ] {
        assert!(error.detail.contains(words), "{words}: {}", error.detail);
    }
}
