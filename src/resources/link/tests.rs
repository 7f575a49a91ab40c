//! The life cycle of a link, with the fakes.

use serde_json::json;

use super::{LinkModel, NetworkLink};
use crate::{
    data::{Kind, ObjectRef},
    resources::testing::{apply, created, destroy, drift, gateway_api, import, list, mark, model, read, scene, text},
};
use framework::{Value, erase};

fn link(address: &str) -> LinkModel {
    LinkModel { cluster: text("us"), network: text("eu-net"), addresses: Value::Value(vec![text(address)]), ..LinkModel::default() }
}

fn object() -> ObjectRef {
    ObjectRef::namespaced(Kind::API_GATEWAY, "istio-system", "mesh-link-eu-net")
}

#[tokio::test]
async fn a_link_follows_an_address_is_imported_listed_and_destroyed() {
    let scene = scene();
    scene.objects.put("us", gateway_api());
    let state = created::<NetworkLink>(&scene, link("198.51.100.9")).await;
    assert_eq!(read::<NetworkLink>(&scene, &state).await.0, state);
    let (state, diagnostics) = apply::<NetworkLink>(&scene, &state, link("lb.example.com")).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    let live = scene.objects.live("us", &object()).unwrap();
    assert_eq!(live["spec"]["addresses"], json!([{"type": "Hostname", "value": "lb.example.com"}]));
    assert!(!live["metadata"]["labels"].to_string().contains("creat"), "no mark is left: {live}");
    assert_eq!(list::<NetworkLink>(&scene, Some(&["us"])).await, (vec!["us/istio-system/eu-net".to_owned()], Vec::new()));
    assert_eq!(import(erase::<NetworkLink>(), &scene, "us/istio-system/eu-net").await, state);
    assert!(destroy::<NetworkLink>(&scene, &state).await.0.is_null());
    assert_eq!(scene.objects.live("us", &object()), None);
}

#[tokio::test]
async fn a_manual_change_is_drift_and_is_reverted() {
    let scene = scene();
    scene.objects.put("us", gateway_api());
    let state = created::<NetworkLink>(&scene, link("198.51.100.9")).await;
    let mut changed = scene.objects.live("us", &object()).unwrap();
    changed["spec"]["addresses"][0]["value"] = json!("203.0.113.1");
    changed["spec"]["infrastructure"] = json!({"labels": {"a": "b"}});
    changed["metadata"]["labels"]["topology.istio.io/network"] = json!("us-net");
    scene.objects.put("us", changed);
    let (found, _) = read::<NetworkLink>(&scene, &state).await;
    let lines = drift(&found).join("\n");
    for words in ["203.0.113.1", "spec.infrastructure", "us-net"] {
        assert!(lines.contains(words), "{lines}");
    }
    let (mended, diagnostics) = apply::<NetworkLink>(&scene, &found, link("198.51.100.9")).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(read::<NetworkLink>(&scene, &mended).await.0, state);
    scene.objects.remove("us", &object());
    assert!(read::<NetworkLink>(&scene, &mended).await.0.is_null());
}

#[tokio::test]
async fn a_cluster_without_the_gateway_api_is_refused_with_the_way_out() {
    let scene = scene();
    let (state, diagnostics) = apply::<NetworkLink>(&scene, &Value::Null, link("198.51.100.9")).await;
    let error = &diagnostics.errors[0];
    assert!(state.is_null() && error.summary == "The Gateway API is not installed", "{error:?}");
    assert!(error.detail.contains("kubectl apply -f https://") && error.detail.contains("Cluster \"us\""), "{}", error.detail);
}

#[tokio::test]
async fn definitions_that_are_given_are_created_where_there_are_none_and_stay() {
    let scene = scene();
    let classes = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "gatewayclasses.gateway.networking.k8s.io"},
        "spec": {"group": "gateway.networking.k8s.io"},
    });
    let given = |address: &str| LinkModel { gateway_api_crds_wo: text(&format!("{classes}\n---\n{}", gateway_api())), ..link(address) };
    let state = created::<NetworkLink>(&scene, given("198.51.100.9")).await;
    assert!(!format!("{state:?}").contains("CustomResourceDefinition"), "{state:?}");
    let definitions = ["gatewayclasses", "gateways"].map(|plural| format!("CustomResourceDefinition {plural}.gateway.networking.k8s.io"));
    let link_of = "Gateway istio-system/mesh-link-eu-net".to_owned();
    assert_eq!(scene.objects.names("us"), [definitions.as_slice(), &[link_of]].concat());
    assert!(destroy::<NetworkLink>(&scene, &state).await.0.is_null());
    assert_eq!(scene.objects.names("us"), definitions, "others may use them by then");

    scene.objects.remove("us", &ObjectRef::cluster_wide(Kind::CRD, "gatewayclasses.gateway.networking.k8s.io"));
    created::<NetworkLink>(&scene, given("198.51.100.9")).await;
    assert_eq!(scene.objects.names("us").len(), 2, "a cluster that has the Gateway API is left as it is");
}

#[tokio::test]
async fn a_gateway_api_without_v1_is_refused() {
    let scene = scene();
    let mut old = gateway_api();
    old["spec"]["versions"] = json!([{"name": "v1beta1", "served": true}, {"name": "v1", "served": false}]);
    scene.objects.put("us", old);
    let (state, diagnostics) = apply::<NetworkLink>(&scene, &Value::Null, link("198.51.100.9")).await;
    assert!(state.is_null() && diagnostics.errors[0].summary == "The Gateway API is too old", "{diagnostics:?}");
}

#[tokio::test]
async fn a_gateway_of_somebody_else_is_left_alone_and_one_of_a_killed_create_is_continued() {
    let scene = scene();
    scene.objects.put("us", gateway_api());
    created::<NetworkLink>(&scene, link("198.51.100.9")).await;
    let (again, diagnostics) = apply::<NetworkLink>(&scene, &Value::Null, link("203.0.113.1")).await;
    assert!(again.is_null() && diagnostics.errors[0].summary == "Already exists");
    assert!(diagnostics.errors[0].detail.contains("mesh_link.<name> us/istio-system/eu-net"), "{:?}", diagnostics.errors);
    let live = scene.objects.live("us", &object()).unwrap();
    assert_eq!(live["spec"]["addresses"][0]["value"], "198.51.100.9");
    scene.objects.put("us", mark("us").on(live));
    let state = created::<NetworkLink>(&scene, link("203.0.113.1")).await;
    assert_eq!(model::<LinkModel>(&state).drift, Value::Value(Vec::new()));
    assert_eq!(read::<NetworkLink>(&scene, &state).await.0, state);
}
