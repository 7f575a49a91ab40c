//! The adoption of a gateway: its release, or what istioctl has made, and what an adoption takes over beside.

use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::{EastwestGateway, EastwestGatewayModel};
use crate::{
    data::{ObjectRef, Release},
    ports::{Failure, FailureKind, Releases as _},
    resources::testing::{Scene, apply, balancer, created, drift, gateway, import, model, preview, read, scene, text},
};
use framework::{Deadline, Diagnostics, Value, erase};

fn adopting() -> EastwestGatewayModel {
    EastwestGatewayModel { adopt: Value::Value(true), ..gateway() }
}

/// The gateway's Deployment, which selects its pods by these labels.
fn deployment(labels: Json) -> Json {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "istio-eastwestgateway", "namespace": "istio-system"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}},
    })
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

#[tokio::test]
async fn a_gateway_of_others_is_taken_over_with_its_addresses() {
    let scene = scene();
    scene.objects.put("eu", balancer("198.51.100.9"));
    created::<EastwestGateway>(&scene, EastwestGatewayModel { replicas: Value::Value(3), ..gateway() }).await;
    let release = ("istio-system", "istio-eastwestgateway");
    let refused = preview::<EastwestGateway>(&scene, adopting()).await.1;
    assert!(refused.errors[0].detail.contains("terraform import mesh_eastwest_gateway"), "it is another state's: {refused:?}");
    scene.releases.give_away("eu", release.0, release.1);
    // Who installs it manually doesn't repeat what the chart assumes.
    scene.releases.apply_values("eu", "istio-system/istio-eastwestgateway", |values| {
        values.as_object_mut().expect("a map").retain(|key, _| !["name", "labels"].contains(&key.as_str()));
    });
    let refused = apply::<EastwestGateway>(&scene, &Value::Null, gateway()).await.1;
    assert!(refused.errors[0].detail.contains("set `adopt = true`"), "{:?}", refused.errors);

    let (seen, diagnostics) = preview::<EastwestGateway>(&scene, adopting()).await;
    let seen: EastwestGatewayModel = model(&seen);
    assert!(said(&diagnostics).contains("values: replicaCount: it was added (revision 1)"), "{}", said(&diagnostics));
    assert_eq!((seen.addresses, seen.port), (Value::Value(vec![text("198.51.100.9")]), Value::Value(15443)), "known in the plan");

    let state = created::<EastwestGateway>(&scene, adopting()).await;
    assert_eq!(scene.releases.revision("eu", release.0, release.1), 2);
    assert_eq!(drift(&read::<EastwestGateway>(&scene, &state).await.0), [""; 0]);
}

#[tokio::test]
async fn an_adoption_that_fails_leaves_a_gateway_of_others_in_no_state() {
    let scene = scene();
    scene.objects.put("eu", balancer("198.51.100.9"));
    created::<EastwestGateway>(&scene, gateway()).await;
    scene.releases.give_away("eu", "istio-system", "istio-eastwestgateway");
    scene.releases.fail("istio-eastwestgateway", Failure::new(FailureKind::TimedOut, "Can't upgrade it", "It takes too long."));
    let (state, diagnostics) = apply::<EastwestGateway>(&scene, &Value::Null, adopting()).await;
    assert!(state.is_null() && diagnostics.errors.len() == 1, "{diagnostics:?}");
    scene.releases.mend();
    created::<EastwestGateway>(&scene, adopting()).await;
}

#[tokio::test]
async fn a_gateway_of_istioctl_is_taken_over_if_the_chart_selects_its_pods() {
    let scene = scene();
    scene.objects.put("eu", balancer("198.51.100.9"));
    scene.objects.put("eu", deployment(json!({"app": "istio-ingressgateway", "istio": "eastwestgateway"})));
    let refused = preview::<EastwestGateway>(&scene, adopting()).await.1;
    assert!(refused.errors[0].detail.contains("kubectl delete deployment --namespace"), "{refused:?}");
    let refused = apply::<EastwestGateway>(&scene, &Value::Null, adopting()).await.1;
    assert!(refused.errors[0].detail.contains("kubectl delete deployment --namespace"), "a plan may have seen nothing of it: {refused:?}");
    let with_label = EastwestGatewayModel { values: Value::Value(vec![text("labels: {app: istio-ingressgateway}")]), ..adopting() };
    let diagnostics = preview::<EastwestGateway>(&scene, with_label.clone()).await.1;
    assert!(diagnostics.errors.is_empty() && said(&diagnostics).contains("they become part of the Helm release"), "{diagnostics:?}");
    created::<EastwestGateway>(&scene, with_label).await;
}

#[tokio::test]
async fn a_gateway_whose_pods_have_the_labels_of_the_chart_keeps_them_while_its_deployment_is_replaced() {
    let scene = scene();
    scene.objects.put("eu", balancer("198.51.100.9"));
    let labels = json!({"app": "istio-eastwestgateway", "istio": "eastwestgateway", "topology.istio.io/network": "eu-net"});
    let deployment = deployment(labels);
    scene.objects.put("eu", deployment.clone());
    let refused = preview::<EastwestGateway>(&scene, adopting()).await.1;
    assert!(refused.errors[0].detail.contains("kubectl delete deployment --cascade=orphan"), "{refused:?}");

    scene.objects.remove("eu", &ObjectRef::of(&deployment, "").expect("a known kind"));
    let announced = said(&preview::<EastwestGateway>(&scene, adopting()).await.1);
    assert!(announced.contains("Service istio-system/istio-eastwestgateway and what belongs to it"), "{announced}");
    scene.releases.fail("istio-eastwestgateway", Failure::new(FailureKind::TimedOut, "Can't install it", "It takes too long."));
    let (state, _) = apply::<EastwestGateway>(&scene, &Value::Null, adopting()).await;
    assert!(state.is_null(), "a destroy must not delete the Service of others");
    scene.releases.mend();
    created::<EastwestGateway>(&scene, adopting()).await;
}

#[tokio::test]
async fn a_gateway_whose_service_or_pods_have_other_names_is_imported_with_them_and_taken_over_only_by_them() {
    for (values, named) in [
        (json!({"networkGateway": "eu-net", "labels": {"istio": "other"}}), EastwestGatewayModel { label: text("other"), ..adopting() }),
        (json!({"networkGateway": "eu-net", "name": "other"}), EastwestGatewayModel { service_name: text("other"), ..adopting() }),
    ] {
        let scene = scene();
        let mut service = balancer("198.51.100.9");
        scene.objects.put("eu", service.clone());
        service["metadata"]["name"] = json!("other");
        scene.objects.put("eu", service);
        created::<EastwestGateway>(&scene, gateway()).await;
        scene.releases.apply_values("eu", "istio-system/istio-eastwestgateway", |live| *live = values.clone());
        scene.releases.give_away("eu", "istio-system", "istio-eastwestgateway");
        let planned = preview::<EastwestGateway>(&scene, adopting()).await.1;
        let (state, applied) = apply::<EastwestGateway>(&scene, &Value::Null, adopting()).await;
        assert!(state.is_null(), "a plan may have seen nothing of it");
        for errors in [planned.errors, applied.errors] {
            assert_eq!(errors[0].summary, "The gateway has another name", "{errors:?}");
        }
        let imported = import(erase::<EastwestGateway>(), &scene, "eu/istio-system/istio-eastwestgateway").await;
        let found: EastwestGatewayModel = model(&imported);
        assert_eq!((&found.service_name, &found.label), (&named.service_name, &named.label));
        assert_eq!(drift(&imported), [""; 0], "it is as the attributes say");
        let diagnostics = preview::<EastwestGateway>(&scene, named.clone()).await.1;
        assert!(diagnostics.errors.is_empty(), "{diagnostics:?}");
        created::<EastwestGateway>(&scene, named).await;
    }
}

#[tokio::test]
async fn an_adoption_of_another_version_is_checked_by_the_plan_and_by_the_apply() {
    let of_version = |version: &str| EastwestGatewayModel { istio_version: text(version), ..adopting() };
    let with_release = async || {
        let scene = scene();
        scene.objects.put("eu", balancer("198.51.100.9"));
        created::<EastwestGateway>(&scene, EastwestGatewayModel { istio_version: text("1.30.2"), ..gateway() }).await;
        scene.releases.give_away("eu", "istio-system", "istio-eastwestgateway");
        scene
    };
    let of_istioctl = async || {
        let scene = scene();
        scene.objects.put("eu", balancer("198.51.100.9"));
        let mut deployment = deployment(json!({"app": "istio-eastwestgateway", "istio": "eastwestgateway"}));
        deployment["metadata"]["labels"] = json!({"operator.istio.io/version": "1.30.2"});
        scene.objects.put("eu", deployment);
        scene
    };
    for scene in [with_release().await, of_istioctl().await] {
        let too_far = [
            preview::<EastwestGateway>(&scene, of_version("1.32.0")).await.1,
            apply::<EastwestGateway>(&scene, &Value::Null, of_version("1.32.0")).await.1,
        ];
        for refused in too_far {
            assert_eq!(refused.errors[0].summary, "Unsupported change of Istio's version", "{refused:?}");
        }
        assert!(said(&preview::<EastwestGateway>(&scene, of_version("1.29.0")).await.1).contains("Downgrade of Istio"));
        let (state, applied) = apply::<EastwestGateway>(&scene, &Value::Null, of_version("1.29.0")).await;
        assert!(state.is_value() && said(&applied).contains("Downgrade of Istio"), "{applied:?}");
    }
    let state = created::<EastwestGateway>(&of_istioctl().await, adopting()).await;
    assert_eq!(model::<EastwestGatewayModel>(&state).installed_version, text("1.30.2"), "the version stays");
}
