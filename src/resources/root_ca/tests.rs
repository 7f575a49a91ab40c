//! The life cycle of a root CA, with the fakes.

use serde_json::json;

use tokio_util::sync::CancellationToken;

use super::{RootCa, RootCaModel};
use crate::{
    data::{Kind, Mark, ObjectRef},
    mesh::trust,
    resources::{
        ClusterCa,
        testing::{
            Scene, apply, cluster_ca, created, destroy, drift, import, mark, model, outage, planned, read, root, scene, secret, text,
            unreachable,
        },
    },
};
use framework::{Deadline, Dynamic, Planned, Value, encode, erase};

#[tokio::test]
async fn a_root_is_made_once_kept_and_removed_with_its_namespace() {
    let scene = scene();
    let state = created::<RootCa>(&scene, root()).await;
    assert_eq!(read::<RootCa>(&scene, &state).await.0, state);
    let (again, _) = apply::<RootCa>(&scene, &state, root()).await;
    assert_eq!(again, state, "an update keeps the root");
    let (refused, diagnostics) = apply::<RootCa>(&scene, &Value::Null, root()).await;
    assert!(
        refused.is_null() && diagnostics.errors[0].detail.contains("terraform import mesh_root_ca.<name> us/istio-system/mesh-root-ca")
    );
    assert!(destroy::<RootCa>(&scene, &state).await.0.is_null());
    assert_eq!(scene.objects.names("us"), [""; 0]);
}

#[tokio::test]
async fn a_namespace_with_an_object_of_whatever_kind_is_kept() {
    let scene = scene();
    let state = created::<RootCa>(&scene, root()).await;
    scene.objects.put(
        "us",
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "kiali", "namespace": "istio-system"}}),
    );
    let (gone, diagnostics) = destroy::<RootCa>(&scene, &state).await;
    assert!(gone.is_null() && diagnostics.warnings[0].detail.contains("It contains HorizontalPodAutoscaler kiali."), "{diagnostics:?}");
    assert_eq!(scene.objects.names("us"), ["HorizontalPodAutoscaler istio-system/kiali", "Namespace istio-system"]);
}

fn namespace(metadata: serde_json::Value) -> serde_json::Value {
    let mut namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
    namespace["metadata"]["name"] = json!("istio-system");
    namespace
}

#[tokio::test]
async fn the_network_of_a_namespace_that_a_control_plane_makes_at_the_same_moment_stays() {
    let scene = scene();
    // Between the look, which finds no namespace, and the write.
    let made = namespace(json!({"labels": {"topology.istio.io/network": "us-net"}}));
    scene.objects.make_before_write("us", made.clone());
    created::<RootCa>(&scene, root()).await;
    assert_eq!(scene.objects.live("us", &ObjectRef::cluster_wide(Kind::NAMESPACE, "istio-system")), Some(made));
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_end_the_wait_for_the_end_of_a_namespace() {
    let scene = scene();
    scene.objects.put("us", namespace(json!({"deletionTimestamp": "2030-01-01T00:00:00Z"})));
    let trouble = async {
        outage(&scene, "us").await;
        scene.objects.remove("us", &ObjectRef::cluster_wide(Kind::NAMESPACE, "istio-system"));
    };
    let ((state, diagnostics), ()) = tokio::join!(apply::<RootCa>(&scene, &Value::Null, root()), trouble);
    assert!(state.is_value() && diagnostics.errors.is_empty(), "{diagnostics:?}");
}

#[tokio::test]
async fn an_error_keeps_the_state_of_a_read_and_of_a_delete() {
    let scene = scene();
    let state = created::<RootCa>(&scene, root()).await;
    scene.objects.fail("us", &secret("mesh-root-ca"), unreachable());
    let (kept, diagnostics) = read::<RootCa>(&scene, &state).await;
    assert_eq!((kept, diagnostics.errors.len()), (state.clone(), 1));
    let (kept, diagnostics) = destroy::<RootCa>(&scene, &state).await;
    assert_eq!((kept, diagnostics.errors.len()), (state.clone(), 1));
    scene.objects.mend();
    scene.objects.put("us", json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other", "namespace": "istio-system"}}));
    assert!(destroy::<RootCa>(&scene, &state).await.0.is_null());
    assert!(read::<RootCa>(&scene, &state).await.0.is_null(), "only what is certainly gone is forgotten");
}

#[tokio::test]
async fn a_root_that_an_interrupted_create_has_left_is_kept_unless_it_was_made_for_other_inputs() {
    let scene = scene();
    let state = created::<RootCa>(&scene, root()).await;
    let mark_again = || {
        let live = scene.objects.live("us", &secret("mesh-root-ca")).expect("the Secret");
        assert_eq!(Mark::of(&live), None, "a create that has finished leaves no mark");
        scene.objects.put("us", mark("us").on(live));
    };
    mark_again();
    let (again, diagnostics) = apply::<RootCa>(&scene, &Value::Null, root()).await;
    assert_eq!((&again, diagnostics.errors.len(), diagnostics.warnings.len()), (&state, 0, 1), "{diagnostics:?}");
    mark_again();
    let (other, _) = apply::<RootCa>(&scene, &Value::Null, RootCaModel { common_name: text("Other"), ..root() }).await;
    assert_ne!(model::<RootCaModel>(&other).fingerprint, model::<RootCaModel>(&state).fingerprint);
    mark_again();
    assert_eq!(read::<RootCa>(&scene, &other).await.0, other, "the mark is no drift");
    import(erase::<RootCa>(), &scene, "us/istio-system/mesh-root-ca").await;
    apply::<RootCa>(&scene, &other, RootCaModel { common_name: text("Other"), ..root() }).await;
    assert_eq!(apply::<RootCa>(&scene, &Value::Null, root()).await.1.errors[0].summary, "Already exists", "an update removes it");
}

fn with_computed_unknown(state: &Dynamic, model: RootCaModel) -> (Dynamic, Dynamic) {
    let config = encode(&Value::Value(model.clone()));
    let mut proposed = planned::<RootCa>(model);
    for kept in ["certificate", "fingerprint", "expires_at"] {
        framework::set_attribute(&mut proposed, kept, framework::attribute(state, kept).clone());
    }
    (config, proposed)
}

fn plan(scene: &Scene, state: &Dynamic, model: RootCaModel) -> Planned {
    let (config, proposed) = with_computed_unknown(state, model);
    erase::<RootCa>().plan(state, &config, proposed, Some(&scene.world))
}

fn fingerprint(state: &Dynamic) -> Value<String> {
    model::<RootCaModel>(state).fingerprint
}

#[tokio::test]
async fn subject_and_validity_describe_the_next_root() {
    let scene = scene();
    let state = created::<RootCa>(&scene, root()).await;
    let renamed = || RootCaModel { common_name: text("Other"), validity_days: Value::Value(100), ..root() };
    let planned = plan(&scene, &state, renamed());
    assert!(planned.replace.is_empty() && planned.diagnostics.warnings[0].detail.contains("describes the next root"));
    let (same, _) = apply::<RootCa>(&scene, &state, renamed()).await;
    assert_eq!(fingerprint(&same), fingerprint(&state));
    let rotated = || RootCaModel { rotation: Value::Value(1), ..renamed() };
    let (next, diagnostics) = apply::<RootCa>(&scene, &same, rotated()).await;
    assert!(diagnostics.errors.is_empty() && fingerprint(&next) != fingerprint(&state));
    let (again, _) = apply::<RootCa>(&scene, &next, rotated()).await;
    assert_eq!(again, next, "one rotation makes one root");
}

#[tokio::test]
async fn an_imported_root_of_somebody_else_is_kept_by_three_lines() {
    let scene = scene();
    created::<RootCa>(&scene, RootCaModel { common_name: text("Root CA"), organization: text("Istio"), ..root() }).await;
    let mut foreign = scene.objects.live("us", &secret("mesh-root-ca")).unwrap();
    foreign["metadata"] = json!({"name": "mesh-root-ca", "namespace": "istio-system"});
    scene.objects.put("us", foreign);
    let imported = import(erase::<RootCa>(), &scene, "us/istio-system/mesh-root-ca").await;
    let planned = plan(&scene, &imported, root());
    assert_eq!(planned.state, imported);
    assert!(planned.replace.is_empty() && planned.diagnostics.warnings.is_empty());
}

#[tokio::test]
async fn a_lost_root_that_the_mesh_still_trusts_is_not_made_anew() {
    let scene = scene();
    let state = created::<RootCa>(&scene, root()).await;
    let backup = trust::read_root_secret(&scene.objects.live("us", &secret("mesh-root-ca")).unwrap()).unwrap();
    created::<ClusterCa>(&scene, cluster_ca(&state)).await;
    let deadline = Deadline::after(std::time::Duration::from_secs(1), CancellationToken::new());
    scene.world.objects.delete("us", &secret("mesh-root-ca"), &deadline).await.unwrap();

    let (lost, diagnostics) = read::<RootCa>(&scene, &state).await;
    assert!(diagnostics.errors.is_empty());
    assert!(drift(&lost)[0].contains("these CAs are signed by its root: istio-system/cacerts of cluster \"eu\""), "{:?}", drift(&lost));
    assert_eq!(fingerprint(&lost), fingerprint(&state));
    let (kept, diagnostics) = apply::<RootCa>(&scene, &lost, root()).await;
    assert_eq!(kept, lost);
    assert!(diagnostics.errors[0].detail.contains("set `existing_certificate` and `existing_private_key_wo`"), "{:?}", diagnostics.errors);

    let restore =
        |key: Value<String>| RootCaModel { existing_certificate: text(&backup.certificate), existing_private_key_wo: key, ..root() };
    let (restored, diagnostics) = apply::<RootCa>(&scene, &lost, restore(text(backup.key.reveal()))).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(fingerprint(&restored), fingerprint(&state));
    assert!(!format!("{restored:?}").contains("key of"));
    let (kept, diagnostics) = apply::<RootCa>(&scene, &restored, restore(Value::Null)).await;
    assert!(diagnostics.errors.is_empty() && fingerprint(&kept) == fingerprint(&state));
    let (kept, diagnostics) = apply::<RootCa>(&scene, &kept, root()).await;
    assert!(diagnostics.errors.is_empty() && fingerprint(&kept) == fingerprint(&state), "the attributes may go again");
}

#[tokio::test]
async fn a_damaged_or_swapped_root_is_drift_until_it_is_restored() {
    let scene = scene();
    let state = created::<RootCa>(&scene, root()).await;
    let live = scene.objects.live("us", &secret("mesh-root-ca")).unwrap();
    created::<RootCa>(&scene, RootCaModel { name: text("other"), ..root() }).await;
    let other = scene.objects.live("us", &secret("other")).unwrap();
    for (key, sentence) in [("tls.crt", "it holds another root"), ("tls.key", "tls.key doesn't belong to tls.crt")] {
        let mut changed = live.clone();
        changed["data"][key] = other["data"][key].clone();
        scene.objects.put("us", changed);
        let (found, _) = read::<RootCa>(&scene, &state).await;
        assert!(drift(&found)[0].contains(sentence), "{:?}", drift(&found));
        assert_eq!(apply::<RootCa>(&scene, &found, root()).await.1.errors[0].summary, "The root CA is lost");
        let rotated = RootCaModel { rotation: Value::Value(7), ..root() };
        let (next, diagnostics) = apply::<RootCa>(&scene, &found, rotated).await;
        assert!(diagnostics.errors.is_empty() && fingerprint(&next) != fingerprint(&state));
    }
}

#[tokio::test]
async fn a_root_moves_to_another_cluster_with_its_key() {
    let scene = scene();
    let state = created::<RootCa>(&scene, root()).await;
    let (moved, diagnostics) = apply::<RootCa>(&scene, &state, RootCaModel { cluster: text("eu"), ..root() }).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(fingerprint(&moved), fingerprint(&state));
    assert_eq!(scene.objects.names("us"), [""; 0]);
    assert_eq!(read::<RootCa>(&scene, &moved).await.0, moved);
    // To where another root is, nothing moves.
    created::<RootCa>(&scene, root()).await;
    let (kept, diagnostics) = apply::<RootCa>(&scene, &moved, root()).await;
    assert!(kept == moved && diagnostics.errors[0].summary == "Already exists");
}

#[tokio::test]
async fn the_end_of_a_root_is_warned_of_when_nothing_else_changes() {
    let scene = scene();
    let state = created::<RootCa>(&scene, root()).await;
    let warnings = |days: Value<i64>| plan(&scene, &state, RootCaModel { warn_before_days: days, ..root() }).diagnostics.warnings;
    assert!(warnings(Value::Null).is_empty());
    scene.clock.advance(std::time::Duration::from_secs(86_400 * 3300));
    assert!(warnings(Value::Null)[0].detail.contains("in 350 days"));
    assert!(warnings(Value::Value(300)).is_empty());
}

#[tokio::test]
async fn a_root_whose_cluster_gets_another_key_is_kept() {
    let mut scene = scene();
    scene.world.clusters = crate::world::Clusters::Known(["us", "america"].map(|key| (key.to_owned(), true)).into());
    let state = created::<RootCa>(&scene, root()).await;
    let secret = secret("mesh-root-ca");
    let mut live = scene.objects.live("us", &secret).expect("the root");
    live["metadata"]["uid"] = serde_json::json!("one");
    for key in ["us", "america"] {
        scene.objects.put(key, live.clone());
    }
    let (moved, diagnostics) = apply::<RootCa>(&scene, &state, RootCaModel { cluster: text("america"), ..root() }).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert!(scene.objects.live("us", &secret).is_some(), "it is the same Secret");
    assert_eq!(model::<RootCaModel>(&moved).fingerprint, model::<RootCaModel>(&state).fingerprint);
}
