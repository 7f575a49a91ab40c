//! Creates that fail or are cut short.

use super::*;

#[tokio::test]
async fn a_control_plane_that_fails_half_way_is_in_the_state_and_planned_again() {
    let scene = scene();
    scene.objects.put("eu", injector());
    scene.releases.fail("istiod", Failure::new(FailureKind::TimedOut, "Can't install istiod", "It takes too long."));
    let (state, diagnostics) = apply::<Cluster>(&scene, &Value::Null, cluster()).await;
    assert_eq!(diagnostics.errors.len(), 1);
    assert_eq!(drift(&state), ["the last apply did not finish: Can't install istiod"]);
    assert_eq!(scene.releases.names("eu"), ["istio-system/istio-base", "istio-system/istiod"]);
    scene.releases.mend();
    let (state, diagnostics) = apply::<Cluster>(&scene, &state, cluster()).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(drift(&state), [""; 0]);
    assert_eq!(read::<Cluster>(&scene, &state).await.0, state);
    assert!(destroy::<Cluster>(&scene, &state).await.0.is_null());
    assert_eq!(scene.releases.names("eu"), [""; 0]);
    assert_eq!(scene.objects.names("eu"), ["MutatingWebhookConfiguration istio-sidecar-injector"]);
}

#[tokio::test]
async fn what_an_interrupted_create_has_left_is_completed_by_a_create() {
    let scene = scene();
    scene.objects.put("eu", injector());
    let first = created::<Cluster>(&scene, strict()).await;
    assert_eq!(apply::<Cluster>(&scene, &Value::Null, cluster()).await.1.errors[0].summary, "Already exists", "what is complete");
    destroy::<Cluster>(&scene, &first).await;

    // The CLI has lost the state of a create that failed, with a policy that is no longer wanted.
    apply::<Cluster>(&scene, &Value::Null, strict()).await;
    for release in ["istio-base", "istiod"] {
        scene.releases.mark("eu", "istio-system", release, mark("us"));
    }
    assert_eq!(apply::<Cluster>(&scene, &Value::Null, cluster()).await.1.errors[0].summary, "Already exists", "of another key");
    for release in ["istio-base", "istiod"] {
        scene.releases.mark("eu", "istio-system", release, mark("eu"));
    }
    let (state, diagnostics) = apply::<Cluster>(&scene, &Value::Null, cluster()).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(diagnostics.warnings[0].summary, "An interrupted creation is continued");
    assert_eq!(scene.objects.live("eu", &policy_ref()), None, "of the interrupted create");
    assert_eq!(apply::<Cluster>(&scene, &Value::Null, cluster()).await.1.errors[0].summary, "Already exists", "it is complete by now");
    assert_eq!(read::<Cluster>(&scene, &state).await.0, state);
}

#[tokio::test]
async fn a_create_that_fails_leaves_its_mark_until_one_succeeds() {
    let scene = scene();
    scene.objects.put("eu", injector());
    scene.releases.fail("istiod", Failure::new(FailureKind::TimedOut, "Can't install istiod", "It takes too long."));
    let (state, _) = apply::<Cluster>(&scene, &Value::Null, cluster()).await;
    assert!(state.is_value());
    scene.releases.mend();
    let (_, diagnostics) = apply::<Cluster>(&scene, &Value::Null, cluster()).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(apply::<Cluster>(&scene, &Value::Null, cluster()).await.1.errors[0].summary, "Already exists");
}

#[tokio::test]
async fn a_release_of_somebody_else_beside_an_interrupted_create_is_refused() {
    let scene = scene();
    scene.objects.put("eu", injector());
    created::<Cluster>(&scene, cluster()).await;
    scene.releases.mark("eu", "istio-system", "istio-base", mark("eu"));
    scene.releases.give_away("eu", "istio-system", "istiod");
    assert_eq!(apply::<Cluster>(&scene, &Value::Null, cluster()).await.1.errors[0].summary, "Already exists");
}

#[tokio::test]
async fn a_control_plane_with_another_root_is_not_installed() {
    let scene = scene();
    let root = created::<RootCa>(&scene, root()).await;
    created::<ClusterCa>(&scene, cluster_ca(&root)).await;
    let ca = ClusterCaRef { cluster: text("eu"), root_fingerprint: text("another"), trusted_fingerprints: Value::Null };
    let (state, diagnostics) = apply::<Cluster>(&scene, &Value::Null, ClusterModel { ca: Value::Value(ca), ..cluster() }).await;
    assert!(state.is_null());
    assert!(diagnostics.errors[0].detail.contains("not another"), "{:?}", diagnostics.errors);
    assert_eq!(scene.releases.names("eu"), [""; 0]);
}

#[tokio::test]
async fn a_destroy_that_was_killed_before_its_namespace_is_completed_by_the_next_destroy_or_apply() {
    let killed = async || {
        let scene = scene();
        scene.objects.put("eu", injector());
        let state = created::<Cluster>(&scene, cluster()).await;
        let deadline = framework::Deadline::after(std::time::Duration::from_secs(1), tokio_util::sync::CancellationToken::new());
        for release in ["istiod", "istio-base"] {
            scene.releases.remove("eu", "istio-system", release, &deadline).await.expect("removed");
        }
        let (left, _) = read::<Cluster>(&scene, &state).await;
        assert_eq!(drift(&left), ["Namespace istio-system: it is empty; what this resource had in it is gone"]);
        (scene, state, left)
    };
    let (scene, _, left) = killed().await;
    assert!(destroy::<Cluster>(&scene, &left).await.0.is_null());
    assert_eq!(scene.objects.names("eu"), ["MutatingWebhookConfiguration istio-sidecar-injector"]);
    let (scene, state, left) = killed().await;
    assert_eq!(apply::<Cluster>(&scene, &left, cluster()).await.0, state);

    let (scene, state, _) = killed().await;
    scene.objects.put("eu", json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine", "namespace": "istio-system"}}));
    assert!(read::<Cluster>(&scene, &state).await.0.is_null(), "the namespace is in use");
}
