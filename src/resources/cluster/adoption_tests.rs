//! Taking over control planes of others.

use framework::{Cx, Deadline, Dynamic, Parse, Prior, Report, Resource as _, Value};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::{Cluster, ClusterCaRef, ClusterModel};
use crate::{
    data::{Kind, ObjectRef, Release},
    ports::{Failure, FailureKind, Releases as _},
    resources::{
        ClusterCa, ClusterCaModel, RootCa, RootCaModel,
        testing::{
            Scene, apply, cluster, cluster_ca, created, destroy, drift, injector, mark, model, planned, preview, read, root, scene, text,
            unreachable,
        },
    },
};

const RELEASES: [&str; 2] = ["istio-base", "istiod"];

fn adopting() -> ClusterModel {
    ClusterModel { adopt: Value::Value(true), ..cluster() }
}

fn deadline() -> Deadline {
    Deadline::after(std::time::Duration::from_secs(1), CancellationToken::new())
}

/// Installs a release as somebody else.
async fn helm_install(scene: &Scene, name: &str, chart: &str, values: Json) {
    let release = Release {
        name: name.to_owned(),
        namespace: "istio-system".to_owned(),
        chart: chart.to_owned(),
        version: None,
        values,
        private: Vec::new(),
        takes_ownership: false,
    };
    scene.releases.apply("eu", &release, None, &deadline()).await.expect("installed");
    scene.releases.give_away("eu", "istio-system", name);
}

/// A control plane that was made manually, with the values that `cluster()` gives it except for the network.
async fn by_hand(base: &str, istiod: &str) -> Scene {
    let scene = scene();
    scene.objects.put("eu", injector());
    helm_install(&scene, base, "base", json!({})).await;
    let values = json!({
        "global": {"meshID": "m", "network": "other-net", "multiCluster": {"clusterName": "eu"}},
        "meshConfig": {"trustDomain": "cluster.local", "defaultConfig": {"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}}},
    });
    helm_install(&scene, istiod, "istiod", values).await;
    scene.releases.set_manifest("eu", "istio-system", istiod, vec![deployment(json!({"meta.helm.sh/release-name": istiod}))]);
    scene.objects.put("eu", deployment(json!({"meta.helm.sh/release-name": istiod})));
    scene
}

fn deployment(annotations: Json) -> Json {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "istiod", "namespace": "istio-system", "annotations": annotations, "labels": {"operator.istio.io/version": "1.30.2"}},
    })
}

fn said(warnings: &[framework::Diagnostic], title: &str) -> String {
    let found = warnings.iter().find(|warning| warning.summary == title);
    found.unwrap_or_else(|| panic!("no {title:?} in {warnings:?}")).detail.clone().into_owned()
}

#[tokio::test]
async fn a_control_plane_of_others_is_taken_over_after_the_plan_has_shown_what_changes() {
    let scene = by_hand("istio-base", "istiod").await;
    let refused = apply::<Cluster>(&scene, &Value::Null, cluster()).await.1;
    assert!(refused.errors[0].detail.contains("set `adopt = true`"), "{:?}", refused.errors);

    let announced = said(
        &preview::<Cluster>(&scene, adopting()).await.1.warnings,
        "Taken over in cluster \"eu\": the control plane in namespace istio-system",
    );
    assert!(announced.contains("Helm release istiod: values: global.network: another value than configured"), "{announced}");
    assert!(!announced.contains("trustDomain") && !announced.contains("istioNamespace"), "{announced}");

    let (state, diagnostics) = apply::<Cluster>(&scene, &Value::Null, adopting()).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(drift(&read::<Cluster>(&scene, &state).await.0), [""; 0]);
    assert_eq!(RELEASES.map(|release| scene.releases.revision("eu", "istio-system", release)), [2, 2]);
    assert!(destroy::<Cluster>(&scene, &state).await.0.is_null());
    assert_eq!(scene.releases.names("eu"), [""; 0]);
}

#[tokio::test]
async fn a_control_plane_of_another_state_is_refused_by_the_plan_and_by_the_apply() {
    let scene = scene();
    scene.objects.put("eu", injector());
    created::<Cluster>(&scene, cluster()).await;
    for diagnostics in [preview::<Cluster>(&scene, adopting()).await.1, apply::<Cluster>(&scene, &Value::Null, adopting()).await.1] {
        assert!(diagnostics.errors[0].detail.contains("terraform import mesh_cluster.<name> eu/istio-system"), "{diagnostics:?}");
    }
}

#[tokio::test]
async fn an_adoption_that_fails_half_way_is_in_no_state_and_goes_on() {
    let scene = by_hand("istio-base", "istiod").await;
    scene.releases.fail("istiod", Failure::new(FailureKind::TimedOut, "Can't upgrade istiod", "It takes too long."));
    let (state, diagnostics) = apply::<Cluster>(&scene, &Value::Null, adopting()).await;
    assert_eq!(diagnostics.errors.len(), 1);
    assert!(state.is_null(), "a destroy must not delete what others have created");
    scene.releases.mend();
    // As when istiod's release had not been touched yet.
    scene.releases.give_away("eu", "istio-system", "istiod");
    let state = created::<Cluster>(&scene, adopting()).await;
    assert_eq!(drift(&read::<Cluster>(&scene, &state).await.0), [""; 0]);
}

#[tokio::test]
async fn releases_of_other_names_become_those_of_the_resource() {
    let scene = by_hand("base", "my-istiod").await;
    let announced = said(
        &preview::<Cluster>(&scene, adopting()).await.1.warnings,
        "Taken over in cluster \"eu\": the control plane in namespace istio-system",
    );
    assert!(announced.contains("Helm release my-istiod: its objects become those of the release istiod"), "{announced}");
    assert!(announced.contains("values: global.network"), "{announced}");
    let state = created::<Cluster>(&scene, adopting()).await;
    assert_eq!(scene.releases.names("eu"), RELEASES.map(|release| format!("istio-system/{release}")));
    assert_eq!(drift(&read::<Cluster>(&scene, &state).await.0), [""; 0]);
}

#[tokio::test]
async fn an_istiod_with_a_revision_is_left_alone() {
    let scene = by_hand("istio-base", "istiod-canary").await;
    scene.releases.set_manifest("eu", "istio-system", "istiod-canary", Vec::new());
    for diagnostics in [preview::<Cluster>(&scene, adopting()).await.1, apply::<Cluster>(&scene, &Value::Null, adopting()).await.1] {
        assert_eq!(diagnostics.errors[0].summary, "istiod can't be taken over");
    }
}

#[tokio::test]
async fn what_this_provider_manages_is_not_taken_over_unless_its_creation_is_unfinished() {
    let scene = scene();
    scene.objects.put("eu", injector());
    created::<Cluster>(&scene, cluster()).await;
    let refused = preview::<Cluster>(&scene, adopting()).await.1;
    assert!(refused.errors[0].detail.contains("terraform untaint"), "{:?}", refused.errors);
    // As when the create was cut short between the two.
    scene.releases.mark("eu", "istio-system", "istio-base", mark("eu"));
    let continued = preview::<Cluster>(&scene, adopting()).await.1;
    assert!(continued.errors.is_empty(), "{:?}", continued.errors);
}

#[tokio::test]
async fn an_istiod_with_a_revision_that_comes_during_an_adoption_stays_a_release() {
    let scene = by_hand("base", "my-istiod").await;
    helm_install(&scene, "istiod-canary", "istiod", json!({})).await;
    scene.releases.set_manifest("eu", "istio-system", "istiod-canary", Vec::new());
    let cx = Cx::new(&scene.world, deadline());
    let planned = model(&planned::<Cluster>(adopting()));
    let spec = Cluster::parse(&planned, &mut Parse::new(&mut Report::new())).expect("valid");
    spec.forget_others(&Prior::none(), &cx).await.expect("forgotten");
    assert_eq!(scene.releases.names("eu"), ["istio-system/istiod-canary"]);
}

#[tokio::test]
async fn a_control_plane_of_istioctl_gets_releases() {
    let scene = scene();
    scene.objects.put("eu", injector());
    scene.objects.put("eu", deployment(Json::Null));
    let announced = said(
        &preview::<Cluster>(&scene, ClusterModel { mtls_mode: text("STRICT"), ..adopting() }).await.1.warnings,
        "Taken over in cluster \"eu\": the control plane in namespace istio-system",
    );
    for line in [
        r#"mesh_id: "m" wanted, nothing found"#,
        "PeerAuthentication istio-system/default: nothing found, it will be created",
        "helm template",
    ] {
        assert!(announced.contains(line), "{line}: {announced}");
    }
    let state = created::<Cluster>(&scene, adopting()).await;
    assert_eq!(model::<ClusterModel>(&state).installed_version, text("1.30.2"), "the version stays");
}

#[tokio::test]
async fn a_release_that_an_adoption_creates_is_not_called_gone() {
    let scene = by_hand("istio-base", "istiod").await;
    scene.releases.forget("eu", "istio-system", "istio-base", &deadline()).await.expect("forgotten");
    let announced = said(
        &preview::<Cluster>(&scene, adopting()).await.1.warnings,
        "Taken over in cluster \"eu\": the control plane in namespace istio-system",
    );
    assert!(announced.contains("Helm release istio-base: nothing found, it will be created"), "{announced}");
}

#[tokio::test]
async fn a_downgrade_is_a_warning_of_the_plan_and_of_the_apply() {
    let scene = scene();
    scene.objects.put("eu", injector());
    scene.objects.put("eu", deployment(Json::Null));
    let older = ClusterModel { istio_version: text("1.29.0"), ..adopting() };
    let planned = preview::<Cluster>(&scene, older.clone()).await.1;
    let applied = apply::<Cluster>(&scene, &Value::Null, older).await.1;
    for diagnostics in [planned, applied] {
        assert!(said(&diagnostics.warnings, "Downgrade of Istio").contains("1.30.2 is installed, and 1.29.0 is configured"));
    }
}

#[tokio::test]
async fn what_cannot_be_seen_prevents_no_plan() {
    let scene = by_hand("istio-base", "istiod").await;
    scene.objects.take_down("eu", unreachable());
    let diagnostics = preview::<Cluster>(&scene, adopting()).await.1;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert!(
        said(&diagnostics.warnings, "What the control plane in namespace istio-system takes over can't be seen").contains("Nobody answers")
    );
    let unknown = preview::<Cluster>(&scene, ClusterModel { mesh_id: Value::Unknown, ..adopting() }).await.1;
    assert!(said(&unknown.warnings, "What the control plane of eu takes over can't be seen").contains("known only after apply"));
    assert!(preview::<Cluster>(&scene, cluster()).await.1.warnings.is_empty(), "without `adopt` nothing is looked at");
}

#[tokio::test]
async fn an_istiod_that_serves_the_right_root_keeps_its_pods() {
    let scene = by_hand("istio-base", "istiod").await;
    let root = created::<RootCa>(&scene, root()).await;
    let ca = created::<ClusterCa>(&scene, cluster_ca(&root)).await;
    let certificate = model::<RootCaModel>(&root).certificate.as_ref_option().expect("a certificate").clone();
    scene.objects.put(
        "eu",
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio-ca-root-cert", "namespace": "istio-system"},
            "data": {"root-cert.pem": certificate},
        }),
    );
    let root_fingerprint = model::<ClusterCaModel>(&ca).root_fingerprint;
    let reference = ClusterCaRef { cluster: text("eu"), root_fingerprint, trusted_fingerprints: Value::Null };
    let with_ca = ClusterModel { ca: Value::Value(reference), ..adopting() };
    let state: Dynamic = created::<Cluster>(&scene, with_ca).await;
    let istiod = scene.releases.get("eu", "istio-system", "istiod", &deadline()).await.expect("an answer").expect("istiod");
    assert!(istiod.values["podAnnotations"].is_null(), "{}", istiod.values);
    assert_eq!(drift(&read::<Cluster>(&scene, &state).await.0), [""; 0]);
}

#[tokio::test]
async fn a_policy_of_others_is_taken_over_too() {
    let scene = by_hand("istio-base", "istiod").await;
    let policy = ObjectRef::namespaced(Kind::PEER_AUTHENTICATION, "istio-system", "default");
    scene.objects.put(
        "eu",
        json!({
            "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": {"name": "default", "namespace": "istio-system"},
            "spec": {"mtls": {"mode": "PERMISSIVE"}},
        }),
    );
    let strict = ClusterModel { mtls_mode: text("STRICT"), ..adopting() };
    let announced = said(
        &preview::<Cluster>(&scene, strict.clone()).await.1.warnings,
        "Taken over in cluster \"eu\": the control plane in namespace istio-system",
    );
    assert!(announced.contains("spec.mtls.mode: \"STRICT\" wanted, \"PERMISSIVE\" found"), "{announced}");
    created::<Cluster>(&scene, strict).await;
    assert_eq!(scene.objects.live("eu", &policy).expect("the policy")["spec"]["mtls"]["mode"], "STRICT");
}

fn definition(name: &str, release: Option<(&str, &str)>) -> Json {
    let annotations =
        release.map(|(namespace, name)| json!({"meta.helm.sh/release-namespace": namespace, "meta.helm.sh/release-name": name}));
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name, "annotations": annotations}})
}

#[tokio::test]
async fn what_is_left_of_another_control_plane_is_announced_by_kind() {
    let scene = scene();
    scene.objects.put("eu", definition("gateways.networking.istio.io", None));
    scene.objects.put("eu", definition("sidecars.networking.istio.io", None));
    scene.objects.put("eu", definition("telemetries.telemetry.istio.io", Some(("mesh", "old-base"))));
    scene.objects.put("eu", definition("widgets.example.com", None));
    for (name, is_of_charts) in [("istiod-clusterrole-istio-system", true), ("istiod-clusterrole-other", false), ("admin", false)] {
        scene.objects.put("eu", json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}}));
        assert_eq!(name.ends_with("-istio-system"), is_of_charts);
    }
    let title = "Taken over in cluster \"eu\": what is left of another control plane";
    let announced = said(&preview::<Cluster>(&scene, adopting()).await.1.warnings, title);
    for line in [
        "objects of no Helm release: 1 ClusterRole, 2 CustomResourceDefinitions become those of the releases istio-base and istiod",
        "objects of the Helm release mesh/old-base, which is gone: 1 CustomResourceDefinition become",
    ] {
        assert!(announced.contains(line), "{line}: {announced}");
    }
    assert!(preview::<Cluster>(&scene, cluster()).await.1.warnings.is_empty(), "without `adopt` Helm takes nothing over");
}

#[tokio::test]
async fn objects_of_a_release_that_exists_elsewhere_are_not_taken_over() {
    let scene = scene();
    scene.objects.put("eu", injector());
    let release = Release {
        name: "istio-base".to_owned(),
        namespace: "other".to_owned(),
        chart: "base".to_owned(),
        version: None,
        values: json!({}),
        private: Vec::new(),
        takes_ownership: false,
    };
    scene.releases.apply("eu", &release, None, &deadline()).await.expect("installed");
    scene.objects.put("eu", definition("gateways.networking.istio.io", Some(("other", "istio-base"))));
    for diagnostics in [preview::<Cluster>(&scene, adopting()).await.1, apply::<Cluster>(&scene, &Value::Null, adopting()).await.1] {
        assert_eq!(diagnostics.errors[0].summary, "Objects belong to another release");
        assert!(diagnostics.errors[0].detail.contains("the Helm release other/istio-base of cluster \"eu\": 1 CustomResourceDefinition."));
        assert!(diagnostics.errors[0].detail.contains("enableCRDTemplates: false"), "{diagnostics:?}");
    }
    assert_eq!(scene.releases.names("eu"), ["other/istio-base"]);
    assert!(scene.releases.owning().is_empty());
    // Definitions that the configuration leaves to that release are not taken over.
    let beside = ClusterModel { base_values: Value::Value(vec![text("base: {enableCRDTemplates: false}")]), ..adopting() };
    let diagnostics = preview::<Cluster>(&scene, beside.clone()).await.1;
    assert!(diagnostics.errors.is_empty() && !format!("{diagnostics:?}").contains("CustomResourceDefinition"), "{diagnostics:?}");
    created::<Cluster>(&scene, beside).await;
}
