//! The life cycle of a control plane, with the fakes.

mod creation;
mod leftovers;
mod waits;

use super::{Cluster, ClusterCaRef, ClusterModel};
use crate::{
    data::{Kind, ObjectRef},
    ports::{Failure, FailureKind, Releases as _},
    resources::{
        ClusterCa, EastwestGateway, RootCa,
        testing::{
            Scene, apply, balancer, cluster, cluster_ca, created, destroy, drift, gateway, import, injector, mark, model, planned, read,
            root, scene, text,
        },
    },
};
use framework::{Change, Diagnostics, Dynamic, Unfinished, Value, encode, erase};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn clusters_on_one_network_are_warned_of_in_one_run() {
    let scene = scene();
    let plan = |key: &str| {
        let config = encode(&Value::Value(ClusterModel { cluster: text(key), ..cluster() }));
        erase::<Cluster>().plan(&Value::Null, &config, config.clone(), Some(&scene.world)).diagnostics
    };
    assert!(plan("us").warnings.is_empty());
    assert!(plan("us").warnings.is_empty(), "the same cluster, planned once more");
    assert!(plan("eu").warnings[0].detail.contains("Clusters `eu` and `us`"));
    assert!(plan("asia").errors[0].detail.contains("it has `eu`, `us`"));
}

fn namespaced(api_version: &str, kind: &str, name: &str) -> Json {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "istio-system"}})
}

fn policy(spec: &Json) -> Json {
    let mut policy = namespaced("security.istio.io/v1", "PeerAuthentication", "default");
    policy["spec"] = spec.clone();
    policy
}

fn policy_ref() -> ObjectRef {
    ObjectRef::namespaced(Kind::PEER_AUTHENTICATION, "istio-system", "default")
}

fn namespace_ref() -> ObjectRef {
    ObjectRef::cluster_wide(Kind::NAMESPACE, "istio-system")
}

fn strict() -> ClusterModel {
    ClusterModel { mtls_mode: text("STRICT"), ..cluster() }
}

fn plan(scene: &Scene, prior: &Dynamic, model: ClusterModel) -> Diagnostics {
    let config = encode(&Value::Value(model.clone()));
    erase::<Cluster>().plan(prior, &config, crate::resources::testing::planned::<Cluster>(model), Some(&scene.world)).diagnostics
}

#[tokio::test]
async fn a_namespace_with_objects_of_others_outlives_a_destroy() {
    let scene = scene();
    scene.objects.put("eu", injector());
    let state = created::<Cluster>(&scene, cluster()).await;
    scene.objects.put("eu", namespaced("v1", "ConfigMap", "kube-root-ca.crt"));
    scene.objects.put("eu", namespaced("v1", "ConfigMap", "mine"));
    scene.objects.put("eu", namespaced("apps/v1", "Deployment", "kiali"));
    let (state, diagnostics) = destroy::<Cluster>(&scene, &state).await;
    assert!(state.is_null() && diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert!(diagnostics.warnings[0].detail.contains("ConfigMap mine, Deployment kiali"), "{:?}", diagnostics.warnings);
    let left = scene.objects.live("eu", &namespace_ref()).expect("the namespace");
    assert!(left["metadata"].get("labels").is_none(), "{left}");
}

#[tokio::test]
async fn the_last_resource_in_a_namespace_removes_it() {
    let scene = scene();
    scene.objects.put("eu", injector());
    scene.objects.put("eu", balancer("198.51.100.9"));
    let state = created::<EastwestGateway>(&scene, gateway()).await;
    assert!(scene.objects.live("eu", &namespace_ref()).is_some(), "the gateway makes its namespace");
    scene.objects.put("eu", json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "sh.helm.release.v1.istiod.v1", "namespace": "istio-system", "labels": {"mesh.terraform.io/installed-by": crate::data::MANAGER}},
    }));
    let (gone, diagnostics) = destroy::<EastwestGateway>(&scene, &state).await;
    assert!(gone.is_null() && diagnostics.warnings.is_empty(), "{:?}", diagnostics.warnings);
    assert!(scene.objects.live("eu", &namespace_ref()).is_some(), "istiod is still there");
    scene.objects.remove("eu", &ObjectRef::namespaced(Kind::SECRET, "istio-system", "sh.helm.release.v1.istiod.v1"));
    assert!(destroy::<EastwestGateway>(&scene, &state).await.0.is_null());
    assert_eq!(scene.objects.live("eu", &namespace_ref()), None);
}

#[tokio::test]
async fn a_policy_of_somebody_else_is_neither_changed_nor_deleted() {
    let scene = scene();
    scene.objects.put("eu", injector());
    let theirs = policy(&json!({"mtls": {"mode": "PERMISSIVE"}, "portLevelMtls": {"8080": {"mode": "DISABLE"}}}));
    scene.objects.put("eu", theirs.clone());
    let (state, diagnostics) = apply::<Cluster>(&scene, &Value::Null, strict()).await;
    assert!(
        state.is_null() && diagnostics.errors[0].detail.contains("PeerAuthentication istio-system/default"),
        "{:?}",
        diagnostics.errors
    );
    assert_eq!(scene.releases.names("eu"), [""; 0], "it is refused before anything is installed");

    let state = created::<Cluster>(&scene, cluster()).await;
    let (updated, diagnostics) = apply::<Cluster>(&scene, &state, strict()).await;
    assert_eq!(diagnostics.errors[0].summary, "Already exists");
    assert_eq!(scene.objects.live("eu", &policy_ref()), Some(theirs.clone()));
    let imported: ClusterModel = model(&import(erase::<Cluster>(), &scene, "eu/istio-system").await);
    assert_eq!(imported.mtls_mode, Value::Null, "no attribute expresses a policy with exceptions");
    destroy::<Cluster>(&scene, &updated).await;
    assert_eq!(scene.objects.live("eu", &policy_ref()), Some(theirs));
}

/// `mtls_mode` is added, or removed, by an apply in which Helm fails, and the next apply takes that back, or completes it.
#[tokio::test]
async fn a_policy_of_an_update_that_fails_is_orphaned_by_no_way_on() {
    for (before, failing, after) in [(strict(), cluster(), cluster()), (cluster(), strict(), cluster()), (strict(), cluster(), strict())] {
        let scene = scene();
        scene.objects.put("eu", injector());
        let state = created::<Cluster>(&scene, before).await;
        let change = async |prior: &Dynamic, unfinished: Option<&Unfinished>, model: ClusterModel| {
            let (config, planned) = (encode(&Value::Value(model.clone())), planned::<Cluster>(model));
            let change = Change { prior, config: &config, planned, unfinished, is_resumed: false };
            erase::<Cluster>().apply(change, &mut framework::Memory::new(), &scene.world, CancellationToken::new()).await
        };
        scene.releases.fail("istiod", Failure::new(FailureKind::TimedOut, "Can't upgrade istiod", "It takes too long."));
        let failed = change(&state, None, ClusterModel { values: Value::Value(vec![text("replicaCount: 2")]), ..failing }).await;
        assert_eq!(failed.diagnostics.errors.len(), 1);
        scene.releases.mend();
        let wanted = after.mtls_mode.is_value();
        let done = change(&failed.state, failed.unfinished.as_ref(), after).await;
        assert!(done.diagnostics.errors.is_empty(), "{:?}", done.diagnostics);
        assert_eq!(scene.objects.live("eu", &policy_ref()).is_some(), wanted);
        let destroyed = destroy::<Cluster>(&scene, &done.state).await;
        assert!(destroyed.0.is_null());
        assert_eq!(scene.objects.live("eu", &policy_ref()), None);
    }
}

#[tokio::test]
async fn what_others_add_to_the_mesh_wide_policy_is_drift_and_removed() {
    let scene = scene();
    scene.objects.put("eu", injector());
    let state = created::<Cluster>(&scene, strict()).await;
    let mut weakened = scene.objects.live("eu", &policy_ref()).expect("the policy");
    weakened["spec"]["selector"] = json!({"matchLabels": {"app": "none"}});
    scene.objects.put("eu", weakened);
    let (seen, _) = read::<Cluster>(&scene, &state).await;
    assert_eq!(drift(&seen), [r#"PeerAuthentication istio-system/default: spec.selector: {"matchLabels":{"app":"none"}} was added"#]);
    let (state, _) = apply::<Cluster>(&scene, &seen, strict()).await;
    assert_eq!(scene.objects.live("eu", &policy_ref()).expect("the policy")["spec"], json!({"mtls": {"mode": "STRICT"}}));
    let (state, _) = apply::<Cluster>(&scene, &state, cluster()).await;
    assert_eq!((drift(&state), scene.objects.live("eu", &policy_ref())), (Vec::new(), None));
}

#[tokio::test]
async fn definitions_are_deleted_although_an_interrupted_destroy_forgot_their_release() {
    let scene = scene();
    scene.objects.put("eu", injector());
    let state = created::<Cluster>(&scene, ClusterModel { delete_crds: Value::Value(true), ..cluster() }).await;
    let definition = |name: &str, namespace: &str| {
        let annotations = json!({"meta.helm.sh/release-name": "istio-base", "meta.helm.sh/release-namespace": namespace});
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name, "annotations": annotations},
        })
    };
    scene.objects.put("eu", definition("gateways.networking.istio.io", "istio-system"));
    scene.objects.put("eu", definition("others.networking.istio.io", "other"));
    let deadline = framework::Deadline::after(std::time::Duration::from_secs(1), tokio_util::sync::CancellationToken::new());
    scene.releases.remove("eu", "istio-system", "istio-base", &deadline).await.expect("removed");
    destroy::<Cluster>(&scene, &state).await;
    let left = ["CustomResourceDefinition others.networking.istio.io", "MutatingWebhookConfiguration istio-sidecar-injector"];
    assert_eq!(scene.objects.names("eu"), left);
}

#[tokio::test]
async fn a_policy_engine_that_refuses_the_probe_is_not_taken_for_istiod() {
    let scene = scene();
    scene.objects.put("eu", injector());
    let probe = ObjectRef::namespaced(Kind::GATEWAY, "istio-system", "mesh-terraform-io-probe");
    let refused =
        Failure::new(FailureKind::Rejected, "refused", "refused").raw("admission webhook \"validate.kyverno.svc\" denied the request");
    scene.objects.fail("eu", &probe, refused);
    let timeouts = framework::Timeouts { create: text("50ms"), ..framework::Timeouts::default() };
    let hasty = ClusterModel { timeouts: Value::Value(timeouts), ..cluster() };
    let (state, diagnostics) = apply::<Cluster>(&scene, &Value::Null, hasty).await;
    assert!(diagnostics.errors[0].detail.contains("validation webhook to serve"), "{:?}", diagnostics.errors);
    scene.objects.put(
        "eu",
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "istio-validator-istio-system"},
            "webhooks": [{"name": "rev.validation.istio.io", "failurePolicy": "Fail", "clientConfig": {"caBundle": "abc"}}],
        }),
    );
    let (_, diagnostics) = apply::<Cluster>(&scene, &state, cluster()).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
}

#[tokio::test]
async fn a_control_plane_without_a_cluster_name_keeps_the_one_that_its_sidecars_have() {
    let scene = scene();
    let release = crate::data::Release {
        name: "istiod".to_owned(),
        namespace: "istio-system".to_owned(),
        chart: "istiod".to_owned(),
        version: None,
        values: json!({"global": {"meshID": "m", "network": "eu-net"}}),
        private: Vec::new(),
        takes_ownership: false,
    };
    let deadline = framework::Deadline::after(std::time::Duration::from_secs(1), tokio_util::sync::CancellationToken::new());
    scene.releases.apply("eu", &release, None, &deadline).await.expect("installed");
    let state = import(erase::<Cluster>(), &scene, "eu/istio-system").await;
    let imported: ClusterModel = model(&state);
    assert_eq!(imported.cluster_name, text("Kubernetes"));
    let kept = plan(&scene, &state, imported);
    assert!(kept.warnings.is_empty(), "{:?}", kept.warnings);
    let renamed = plan(&scene, &state, cluster());
    assert!(renamed.warnings[0].detail.contains("from `Kubernetes` to `eu`"), "{:?}", renamed.warnings);
}

#[tokio::test]
async fn an_istiod_without_mesh_id_and_network_is_imported_refreshed_and_destroyed() {
    let scene = scene();
    for chart in ["base", "istiod"] {
        let release = crate::data::Release {
            name: if chart == "base" { "istio-base" } else { chart }.to_owned(),
            namespace: "istio-system".to_owned(),
            chart: chart.to_owned(),
            private: Vec::new(),
            takes_ownership: false,
            version: None,
            values: json!({}),
        };
        let deadline = framework::Deadline::after(std::time::Duration::from_secs(1), CancellationToken::new());
        scene.releases.apply("eu", &release, None, &deadline).await.expect("installed");
    }
    let state = import(erase::<Cluster>(), &scene, "eu/istio-system").await;
    assert_eq!(model::<ClusterModel>(&state).mesh_id, Value::Null);
    let (again, diagnostics) = read::<Cluster>(&scene, &state).await;
    assert!(again == state && diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    let (gone, diagnostics) = destroy::<Cluster>(&scene, &state).await;
    assert!(gone.is_null() && diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(scene.releases.names("eu"), [""; 0]);
}

#[tokio::test]
async fn a_raised_version_of_the_provider_is_a_planned_change() {
    let mut scene = scene();
    scene.objects.put("eu", injector());
    scene.world.istio_version = Some("1.30.2".to_owned());
    let state = created::<Cluster>(&scene, cluster()).await;
    assert_eq!(model::<ClusterModel>(&state).installed_version, text("1.30.2"));
    let plan = |scene: &Scene| {
        let config = encode(&Value::Value(cluster()));
        erase::<Cluster>().plan(&state, &config, state.clone(), Some(&scene.world))
    };
    assert_eq!(plan(&scene).state, state, "the plan right after the apply is empty");
    scene.world.istio_version = Some("1.31.0".to_owned());
    assert_eq!(model::<ClusterModel>(&plan(&scene).state).installed_version, text("1.31.0"));
    scene.world.istio_version = Some("1.33.0".to_owned());
    assert!(plan(&scene).diagnostics.errors[0].detail.contains("1.30.2 is installed, and 1.33.0"), "two minor versions at once");
}

#[tokio::test]
async fn labels_of_the_namespace_are_set_watched_and_removed_and_those_of_others_stay() {
    let scene = scene();
    scene.objects.put("eu", injector());
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system", "labels": {"team": "mesh"}}});
    scene.objects.put("eu", namespace.clone());
    let map = |key: &str, value: &str| Value::Value([(key.to_owned(), text(value))].into());
    let enforce = "pod-security.kubernetes.io/enforce";
    let model = ClusterModel { namespace_labels: map(enforce, "privileged"), namespace_annotations: map("a.example/b", "c"), ..cluster() };
    let state = created::<Cluster>(&scene, model).await;
    let live = || scene.objects.live("eu", &ObjectRef::cluster_wide(Kind::NAMESPACE, "istio-system")).unwrap()["metadata"].clone();
    assert_eq!((&live()["labels"][enforce], &live()["annotations"]["a.example/b"]), (&json!("privileged"), &json!("c")));
    let mut changed = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": live()});
    changed["metadata"]["labels"][enforce] = json!("baseline");
    scene.objects.put("eu", changed);
    let lines = drift(&read::<Cluster>(&scene, &state).await.0);
    assert!(lines.len() == 1 && lines[0].contains("Namespace istio-system") && lines[0].contains("baseline"), "{lines:?}");

    let (state, diagnostics) = apply::<Cluster>(&scene, &state, cluster()).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!((&live()["labels"][enforce], &live()["labels"]["team"]), (&Json::Null, &json!("mesh")));
    assert!(live()["annotations"]["a.example/b"].is_null());
    assert_eq!(drift(&state), [""; 0]);
}

#[test]
fn keys_and_values_of_labels_are_checked_at_their_path() {
    let labels = [("topology.istio.io/network", "x"), ("-a", "x"), ("a/b/c", "x"), ("fine", "not fine"), ("a.example/b_c", "")];
    let labels = labels.map(|(key, value)| (key.to_owned(), text(value)));
    let model = ClusterModel { namespace_labels: Value::Value(labels.into()), ..cluster() };
    let mut report = framework::Report::new();
    super::metadata::NamespaceMetadata::parse(&model, &mut framework::Parse::new(&mut report));
    let mut paths: Vec<_> = report.into_diagnostics().errors.into_iter().map(|error| error.attribute.to_string()).collect();
    paths.sort();
    let at = |key: &str| format!("namespace_labels[\"{key}\"]");
    assert_eq!(paths, [at("-a"), at("a/b/c"), at("fine"), at("topology.istio.io/network")]);
}

#[tokio::test]
async fn values_that_somebody_has_added_to_the_base_chart_are_drift() {
    let scene = scene();
    scene.objects.put("eu", injector());
    let base_values = Value::Value(vec![text("global: {enableReaderRBAC: false}")]);
    let state = created::<Cluster>(&scene, ClusterModel { base_values, ..cluster() }).await;
    assert_eq!(drift(&read::<Cluster>(&scene, &state).await.0), [""; 0]);
    scene.releases.apply_values("eu", "istio-system/istio-base", |values| values["base"] = json!({"excludedCRDs": ["a"]}));
    let lines = drift(&read::<Cluster>(&scene, &state).await.0);
    assert!(lines.len() == 1 && lines[0].contains("istio-base: values: base.excludedCRDs: it was added"), "{lines:?}");
    let imported: ClusterModel = model(&import(erase::<Cluster>(), &scene, "eu/istio-system").await);
    assert!(format!("{:?}", imported.base_values).contains("excludedCRDs"), "{:?}", imported.base_values);
}

#[tokio::test]
async fn a_destroy_names_the_workloads_that_still_have_a_sidecar() {
    let scene = scene();
    scene.objects.put("eu", injector());
    let state = created::<Cluster>(&scene, cluster()).await;
    for (namespace, name) in [("shop", "a"), ("shop", "b"), ("istio-system", "gateway")] {
        let labels = json!({"security.istio.io/tlsMode": "istio"});
        scene
            .objects
            .put("eu", json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": labels}}));
    }
    let (gone, diagnostics) = destroy::<Cluster>(&scene, &state).await;
    assert!(gone.is_null());
    let warning = &diagnostics.warnings[0];
    assert!(warning.detail.contains("still have sidecars: shop (2)."), "{}", warning.detail);
}

#[test]
fn a_new_trust_domain_is_warned_of() {
    let plane = |trust_domain: &str| {
        let model = ClusterModel { trust_domain: text(trust_domain), ..crate::resources::testing::cluster() };
        let planned = crate::resources::testing::planned::<Cluster>(model);
        super::parse_plane(&super::super::testing::model(&planned), &mut framework::Parse::new(&mut framework::Report::new()))
            .expect("a plane")
    };
    let warning = super::plan::restart_needed(&plane("corp.local"), &plane("new.local")).expect("a warning");
    assert!(warning.detail.contains("from `corp.local` to `new.local`"), "{}", warning.detail);
    assert!(super::plan::restart_needed(&plane("corp.local"), &plane("corp.local")).is_none());
}

#[tokio::test]
async fn a_destroy_in_a_cluster_that_is_no_longer_configured_is_refused_at_plan() {
    let mut scene = scene();
    scene.objects.put("eu", injector());
    let state = created::<Cluster>(&scene, cluster()).await;
    assert!(erase::<Cluster>().plan_destroy(&state, Some(&scene.world)).diagnostics.errors.is_empty());
    scene.world.clusters = crate::world::Clusters::Known([("us".to_owned(), true)].into());
    let refused = erase::<Cluster>().plan_destroy(&state, Some(&scene.world)).diagnostics;
    assert!(refused.errors[0].detail.contains("Keep a cluster in `clusters` until everything in it is destroyed"), "{:?}", refused.errors);
}
