//! What an adoption of a gateway takes over beside its release.

use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::{EastwestGateway, EastwestGatewayModel};
use crate::{
    data::Release,
    ports::Releases as _,
    resources::testing::{Scene, apply, balancer, created, gateway, preview, scene},
};
use framework::{Deadline, Diagnostics, Value};

fn adopting() -> EastwestGatewayModel {
    EastwestGatewayModel { adopt: Value::Value(true), ..gateway() }
}

fn account(release: Option<&str>) -> Json {
    let annotations = release.map(|name| json!({"meta.helm.sh/release-namespace": "istio-system", "meta.helm.sh/release-name": name}));
    json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "istio-eastwestgateway", "namespace": "istio-system", "annotations": annotations},
    })
}

/// A cluster with a gateway's account that belongs to a release.
fn with_account_of(release: Option<&str>) -> Scene {
    let scene = scene();
    scene.objects.put("eu", account(release));
    scene
}

fn said(diagnostics: &Diagnostics) -> String {
    diagnostics.warnings.iter().map(|warning| format!("{}: {}", warning.summary, warning.detail)).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn objects_of_a_release_that_is_gone_or_of_none_are_announced() {
    for (release, words) in [
        (Some("old"), "objects of the Helm release istio-system/old, which is gone: 1 ServiceAccount become those of the release"),
        (None, "objects of no Helm release: 1 ServiceAccount become those of the release istio-eastwestgateway"),
    ] {
        let scene = with_account_of(release);
        let announced = said(&preview::<EastwestGateway>(&scene, adopting()).await.1);
        assert!(announced.contains("Taken over in cluster \"eu\": what is left of another gateway: "), "{announced}");
        assert!(announced.contains(words), "{announced}");
        scene.objects.put("eu", balancer("198.51.100.9"));
        created::<EastwestGateway>(&scene, adopting()).await;
    }
    // Its own.
    let scene = with_account_of(Some("istio-eastwestgateway"));
    assert_eq!(said(&preview::<EastwestGateway>(&scene, adopting()).await.1), "");
    let scene = with_account_of(Some("old"));
    assert_eq!(said(&preview::<EastwestGateway>(&scene, gateway()).await.1), "", "without `adopt` Helm takes nothing over");
}

#[tokio::test]
async fn objects_of_a_release_that_exists_are_not_taken_over() {
    let scene = with_account_of(Some("theirs"));
    scene.objects.put("eu", balancer("198.51.100.9"));
    let theirs = Release {
        name: "theirs".to_owned(),
        namespace: "istio-system".to_owned(),
        chart: "gateway".to_owned(),
        version: None,
        values: json!({"name": "istio-eastwestgateway"}),
        private: Vec::new(),
        takes_ownership: false,
    };
    let deadline = Deadline::after(std::time::Duration::from_secs(5), CancellationToken::new());
    scene.releases.apply("eu", &theirs, None, &deadline).await.expect("installed");
    for diagnostics in
        [preview::<EastwestGateway>(&scene, adopting()).await.1, apply::<EastwestGateway>(&scene, &Value::Null, adopting()).await.1]
    {
        let error = &diagnostics.errors[0];
        assert_eq!(error.summary, "Objects belong to another release");
        for words in ["the Helm release istio-system/theirs of cluster \"eu\": 1 ServiceAccount.", "set `name` to its name"] {
            assert!(error.detail.contains(words), "{words}: {}", error.detail);
        }
    }
    assert_eq!(scene.releases.names("eu"), ["istio-system/theirs"]);
    assert!(scene.releases.owning().is_empty());
}
