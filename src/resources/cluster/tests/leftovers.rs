//! What a destroy removes of what istiod has created by itself.

use super::*;

fn map(namespace: &str, name: &str) -> Json {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}})
}

fn other_istiod(namespace: &str) -> Json {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "istiod-theirs", "namespace": namespace, "labels": {"app": "istiod"}},
    })
}

/// The ConfigMaps and Secrets that a destroy leaves, beside an istiod of others in a namespace.
async fn left_beside(other: Option<&str>) -> Vec<String> {
    let scene = scene();
    scene.objects.put("eu", injector());
    let state = created::<Cluster>(&scene, cluster()).await;
    for (namespace, name) in
        [("istio-system", "istio-ca-root-cert"), ("shop", "istio-ca-root-cert"), ("shop", "istio-ca-crl"), ("shop", "own")]
    {
        scene.objects.put("eu", map(namespace, name));
    }
    scene.objects.put("eu", namespaced("v1", "Secret", "istio-ca-secret"));
    if let Some(namespace) = other {
        scene.objects.put("eu", other_istiod(namespace));
    }
    let (gone, diagnostics) = destroy::<Cluster>(&scene, &state).await;
    assert!(gone.is_null() && diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    let kinds = ["ConfigMap", "Secret"];
    scene.objects.names("eu").into_iter().filter(|name| kinds.iter().any(|kind| name.starts_with(kind))).collect()
}

#[tokio::test]
async fn the_roots_of_an_istiod_of_others_stay() {
    assert_eq!(left_beside(None).await, ["ConfigMap shop/own"]);
    let roots = ["ConfigMap shop/istio-ca-crl", "ConfigMap shop/istio-ca-root-cert", "ConfigMap shop/own"];
    assert_eq!(left_beside(Some("other")).await, roots);
    let own = ["ConfigMap istio-system/istio-ca-root-cert", "Secret istio-system/istio-ca-secret"];
    assert_eq!(left_beside(Some("istio-system")).await, [&own[..1], &roots[..], &own[1..]].concat());
}
