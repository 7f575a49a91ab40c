//! The life cycle of a remote secret, with the fakes.

use std::time::Duration;

use framework::{Change, Datum, Value, encode, erase};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::{RemoteSecret, RemoteSecretModel, model::RemoteRef};
use crate::{
    data::{Kind, ObjectRef},
    mesh::remote_secret::Live,
    ports::{ApiServer, ApiServers as _, Failure, FailureKind},
    resources::testing::{
        Scene, apply, created, destroy, drift, import, istiod, list, mark, model, outage, planned, read, scene, secret, text,
    },
};

fn remote() -> RemoteSecretModel {
    let remote = RemoteRef { cluster: text("eu"), namespace: text("istio-system"), ..RemoteRef::default() };
    RemoteSecretModel {
        cluster: text("us"),
        remote: Value::Value(remote),
        // What the fake grants.
        token_lifetime_hours: Value::Value(1),
        ..RemoteSecretModel::default()
    }
}

fn readable() -> Scene {
    let scene = scene();
    scene.objects.put("us", istiod("istio-system"));
    scene
}

fn object() -> ObjectRef {
    secret("istio-remote-secret-eu")
}

fn live(scene: &Scene) -> Json {
    scene.objects.live("us", &object()).expect("the Secret")
}

/// The plan of an update from a state.
fn plan(scene: &Scene, state: &framework::Dynamic, configured: RemoteSecretModel) -> (RemoteSecretModel, framework::Diagnostics) {
    let proposed = RemoteSecretModel { rotation: configured.rotation, ..model::<RemoteSecretModel>(state) };
    let config = encode(&Value::Value(configured));
    let planned = erase::<RemoteSecret>().plan(state, &config, encode(&Value::Value(proposed)), Some(&scene.world));
    (model(&planned.state), planned.diagnostics)
}

#[tokio::test]
async fn a_remote_secret_is_made_imported_listed_and_destroyed() {
    let scene = readable();
    let state = created::<RemoteSecret>(&scene, remote()).await;
    let status: RemoteSecretModel = model(&state);
    assert_eq!((status.issued_at, status.expires_at), (text("2030-01-01T00:00:00Z"), text("2030-01-01T01:00:00Z")));
    assert_eq!(status.istiod_version, text("1.31.0"));
    assert!(!format!("{state:?}").contains("token of"), "no token is in the state");
    let made = Live::read(&live(&scene));
    let (name, kubeconfig) = made.only().unwrap();
    assert_eq!((name, kubeconfig.server.as_str()), ("eu", "https://eu.example.com:6443"));
    assert_eq!(kubeconfig.token.reveal(), "token of istio-system/istio-reader-service-account");
    assert!(!live(&scene)["metadata"]["labels"].to_string().contains("creat"), "no mark is left");
    assert_eq!(read::<RemoteSecret>(&scene, &state).await.0, state);
    assert_eq!(list::<RemoteSecret>(&scene, None).await, (vec!["us/istio-system/eu".to_owned()], Vec::new()));
    let imported: RemoteSecretModel = model(&import(erase::<RemoteSecret>(), &scene, "us/istio-system/eu").await);
    assert_eq!((imported.server, imported.ca_certificate, imported.drift), (Value::Null, Value::Null, Value::Value(Vec::new())));
    assert!(destroy::<RemoteSecret>(&scene, &state).await.0.is_null());
    assert_eq!(scene.objects.live("us", &object()), None);
}

#[tokio::test]
async fn a_manual_change_and_a_server_that_moved_are_drift_and_are_mended_with_the_same_token() {
    let scene = readable();
    let state = created::<RemoteSecret>(&scene, remote()).await;
    let before = live(&scene);
    let mut changed = before.clone();
    changed["data"] = json!({"ap": "", "eu": ""});
    scene.objects.put("us", changed);
    let (found, _) = read::<RemoteSecret>(&scene, &state).await;
    assert!(drift(&found).join("\n").contains("data.ap: it was added"), "{:?}", drift(&found));
    let (mended, diagnostics) = apply::<RemoteSecret>(&scene, &found, remote()).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!((live(&scene), read::<RemoteSecret>(&scene, &mended).await.0), (before.clone(), state.clone()));

    scene.clock.advance(Duration::from_secs(60));
    let moved = ApiServer { url: "https://198.51.100.12".to_owned(), ..scene.objects.api_server("eu").unwrap() };
    scene.objects.set_api_server("eu", moved);
    let (found, _) = read::<RemoteSecret>(&scene, &state).await;
    assert!(drift(&found)[0].contains("\"https://198.51.100.12\" wanted, \"https://eu.example.com:6443\" found"), "{:?}", drift(&found));
    apply::<RemoteSecret>(&scene, &found, remote()).await;
    let mended = Live::read(&live(&scene));
    assert_eq!(mended.only().unwrap().1.server, "https://198.51.100.12");
    assert_eq!(mended.record, Live::read(&before).record, "the token that was fine stays");

    scene.objects.remove("us", &object());
    assert!(read::<RemoteSecret>(&scene, &state).await.0.is_null());
}

#[tokio::test]
async fn a_token_is_renewed_when_it_nears_its_end_and_when_asked_for() {
    let scene = readable();
    let state = created::<RemoteSecret>(&scene, remote()).await;
    let (next, diagnostics) = plan(&scene, &state, remote());
    assert!(next.expires_at.is_value() && diagnostics.warnings.is_empty(), "{diagnostics:?}");
    let long = RemoteSecretModel { token_lifetime_hours: Value::Null, ..remote() };
    let asked = created::<RemoteSecret>(&readable(), long.clone()).await;
    let (next, diagnostics) = plan(&scene, &asked, long);
    assert!(next.expires_at.is_value() && diagnostics.warnings[0].detail.contains("`token_lifetime_hours = 1`"), "{diagnostics:?}");

    scene.clock.advance(Duration::from_secs(41 * 60));
    let (next, diagnostics) = plan(&scene, &state, remote());
    assert!(next.expires_at.is_unknown() && diagnostics.warnings[0].detail.contains("expires at 2030-01-01T01:00:00Z"), "{diagnostics:?}");
    apply::<RemoteSecret>(&scene, &state, remote()).await;
    let record = |scene: &Scene| Live::read(&live(scene)).record.unwrap();
    assert_eq!(record(&scene).issued_at, time::macros::datetime!(2030-01-01 00:41 UTC));

    let rotated = RemoteSecretModel { rotation: Value::Value(1), ..remote() };
    scene.clock.advance(Duration::from_secs(60));
    apply::<RemoteSecret>(&scene, &state, rotated.clone()).await;
    assert_eq!((record(&scene).issued_at, record(&scene).rotation), (time::macros::datetime!(2030-01-01 00:42 UTC), Some(1)));
    let mut old = istiod("istio-system");
    old["spec"]["containers"][0]["image"] = "docker.io/istio/pilot:1.30.2".into();
    scene.objects.put("us", old);
    let (state, _) = read::<RemoteSecret>(&scene, &state).await;
    let (_, diagnostics) = plan(&scene, &state, RemoteSecretModel { rotation: Value::Value(2), ..rotated });
    assert!(diagnostics.warnings.iter().any(|warning| warning.detail.contains("60612")), "{diagnostics:?}");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_cant_read_the_cluster_fails_the_apply_with_its_reason_and_a_retry_goes_on() {
    let scene = readable();
    let status =
        |status: &str| json!([{"id": "eu", "secretName": "istio-system/istio-remote-secret-eu", "syncStatus": status}]).to_string();
    scene.objects.let_answer("us", Ok(status("timeout")));
    scene.objects.set_log("2030\terror\tkube\twatch error in cluster eu: failed to list *v1.Namespace: i/o timeout");
    let (state, diagnostics) = apply::<RemoteSecret>(&scene, &Value::Null, remote()).await;
    let error = &diagnostics.errors[0];
    assert_eq!(error.summary, "Cluster \"us\" doesn't discover cluster \"eu\"");
    for words in [
        "Pod istio-system/istiod-a: its status of cluster \"eu\" is \"timeout\"",
        "has logged: watch error in cluster eu",
        "i/o timeout",
        "`server`",
    ] {
        assert!(error.detail.contains(words), "{}", error.detail);
    }
    assert!(state.is_value() && scene.objects.live("us", &object()).is_some(), "nothing is lost");
    scene.objects.let_answer("us", Ok(status("synced")));
    let config = encode(&Value::Value(remote()));
    let unfinished = framework::Unfinished { is_create: true, attempted: Vec::new() };
    let change = Change {
        prior: &state,
        config: &config,
        planned: planned::<RemoteSecret>(remote()),
        unfinished: Some(&unfinished),
        is_resumed: true,
    };
    let applied = erase::<RemoteSecret>().apply(change, &mut framework::Memory::new(), &scene.world, CancellationToken::new()).await;
    assert!(applied.diagnostics.errors.is_empty(), "{:?}", applied.diagnostics);
    assert_eq!(read::<RemoteSecret>(&scene, &applied.state).await.0, applied.state);
}

#[tokio::test]
async fn without_the_permission_to_ask_a_warning_says_that_nothing_was_verified() {
    let scene = readable();
    scene.objects.let_answer("us", Err(Failure::new(FailureKind::Denied, "Can't ask Pod", "The credentials don't allow it.")));
    let (state, diagnostics) = apply::<RemoteSecret>(&scene, &Value::Null, remote()).await;
    assert!(state.is_value() && diagnostics.errors.is_empty(), "{diagnostics:?}");
    assert_eq!(diagnostics.warnings[0].summary, "Discovery was not verified");
    assert!(diagnostics.warnings[0].detail.contains("`pods/portforward`"), "{diagnostics:?}");
}

#[tokio::test]
async fn a_missing_account_and_a_server_that_no_pod_reaches_leave_nothing() {
    let scene = readable();
    let account = ObjectRef::namespaced(Kind::SERVICE_ACCOUNT, "istio-system", "istio-reader-service-account");
    scene.objects.fail("eu", &account, Failure::new(FailureKind::NotFound, "Can't issue", "There is no such object."));
    let (state, diagnostics) = apply::<RemoteSecret>(&scene, &Value::Null, remote()).await;
    assert!(state.is_null() && diagnostics.errors[0].detail.contains("install Istio there first"), "{diagnostics:?}");
    scene.objects.mend();
    let usual = scene.objects.api_server("eu").unwrap();
    for (server, words, attribute) in [
        (ApiServer { url: "https://127.0.0.1:6443".to_owned(), ..usual.clone() }, "`server` is not set", "server"),
        (ApiServer { is_insecure: true, ..usual }, "Set `ca_certificate`", "ca_certificate"),
    ] {
        scene.objects.set_api_server("eu", server);
        let (state, diagnostics) = apply::<RemoteSecret>(&scene, &Value::Null, remote()).await;
        let error = &diagnostics.errors[0];
        assert!(state.is_null() && error.detail.contains(words), "{diagnostics:?}");
        assert_eq!(error.attribute, framework::AttributePath::new(attribute));
        assert_eq!(scene.objects.live("us", &object()), None);
    }
}

#[tokio::test]
async fn a_secret_of_istioctl_is_refused_imported_and_taken_over_and_one_that_lost_our_labels_stays() {
    let scene = readable();
    let state = created::<RemoteSecret>(&scene, remote()).await;
    let mut foreign = live(&scene);
    foreign["metadata"]["labels"] = json!({"istio/multiCluster": "true"});
    foreign["metadata"]["annotations"] = json!({"networking.istio.io/cluster": "eu"});
    scene.objects.put("us", foreign.clone());
    let (again, diagnostics) = apply::<RemoteSecret>(&scene, &Value::Null, remote()).await;
    assert!(again.is_null() && diagnostics.errors[0].detail.contains("mesh_remote_secret.<name> us/istio-system/eu"), "{diagnostics:?}");
    let imported = import(erase::<RemoteSecret>(), &scene, "us/istio-system/eu").await;
    assert!(drift(&imported).join("\n").contains("doesn't manage it"), "{:?}", drift(&imported));
    let (gone, diagnostics) = destroy::<RemoteSecret>(&scene, &state).await;
    assert!(gone.is_null() && diagnostics.warnings[0].summary == "A Secret of others was left in place", "{diagnostics:?}");
    assert_eq!(live(&scene), foreign);
    let (taken, diagnostics) = apply::<RemoteSecret>(&scene, &imported, remote()).await;
    assert!(diagnostics.errors.is_empty() && read::<RemoteSecret>(&scene, &taken).await.0 == taken, "{diagnostics:?}");
    scene.objects.put("us", mark("us").on(live(&scene)));
    created::<RemoteSecret>(&scene, remote()).await;
}

#[tokio::test]
async fn another_name_of_the_remote_cluster_moves_the_secret() {
    let scene = readable();
    let state = created::<RemoteSecret>(&scene, remote()).await;
    let renamed = RemoteRef { cluster: text("eu"), cluster_name: text("europe"), namespace: text("istio-system") };
    let (state, diagnostics) = apply::<RemoteSecret>(&scene, &state, RemoteSecretModel { remote: Value::Value(renamed), ..remote() }).await;
    assert!(diagnostics.errors.is_empty(), "{diagnostics:?}");
    assert_eq!(scene.objects.live("us", &object()), None);
    assert!(scene.objects.live("us", &secret("istio-remote-secret-europe")).is_some());
    assert!(matches!(framework::attribute(&state, "drift"), Value::Value(Datum::List(lines)) if lines.is_empty()));
}

#[tokio::test]
async fn a_secret_of_others_at_the_new_name_is_left_alone() {
    let scene = readable();
    let state = created::<RemoteSecret>(&scene, remote()).await;
    let theirs =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "istio-remote-secret-europe", "namespace": "istio-system"}});
    scene.objects.put("us", theirs.clone());
    let renamed = RemoteRef { cluster: text("eu"), cluster_name: text("europe"), namespace: text("istio-system") };
    let (_, diagnostics) = apply::<RemoteSecret>(&scene, &state, RemoteSecretModel { remote: Value::Value(renamed), ..remote() }).await;
    assert_eq!(diagnostics.errors[0].summary, "Already exists", "{diagnostics:?}");
    assert_eq!(scene.objects.live("us", &secret("istio-remote-secret-europe")), Some(theirs));
    assert!(scene.objects.live("us", &object()).is_some());
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_end_the_wait_for_the_replicas() {
    let scene = readable();
    scene.objects.let_answer("us", Ok("[]".to_owned()));
    let trouble = async {
        outage(&scene, "us").await;
        let read = json!([{"id": "eu", "secretName": "istio-system/istio-remote-secret-eu", "syncStatus": "synced"}]);
        scene.objects.let_answer("us", Ok(read.to_string()));
    };
    let ((state, diagnostics), ()) = tokio::join!(apply::<RemoteSecret>(&scene, &Value::Null, remote()), trouble);
    assert!(diagnostics.errors.is_empty() && diagnostics.warnings.is_empty(), "{diagnostics:?}");
    assert_eq!(model::<RemoteSecretModel>(&state).istiod_version, text("1.31.0"));
}

fn endless(rotation: Option<i64>) -> RemoteSecretModel {
    RemoteSecretModel { legacy_token: Value::Value(true), rotation: rotation.into(), ..remote() }
}

fn token_secret(rotation: &str) -> ObjectRef {
    secret(&format!("istio-reader-service-account-us{rotation}"))
}

/// The token by which istiod reads.
fn token_in_place(scene: &Scene) -> String {
    Live::read(&live(scene)).only().expect("a kubeconfig").1.token.reveal().to_owned()
}

#[tokio::test]
async fn a_token_without_an_end_is_kept_by_a_secret_rotated_imported_and_revoked() {
    let scene = readable();
    let state = created::<RemoteSecret>(&scene, endless(None)).await;
    let status: RemoteSecretModel = model(&state);
    assert_eq!((&status.expires_at, status.issued_at.is_value()), (&Value::Null, true));
    assert_eq!(token_in_place(&scene), "endless token of istio-reader-service-account-us");
    let kept = scene.objects.live("eu", &token_secret("")).expect("the Secret of the token");
    assert!(!kept["metadata"]["labels"].to_string().contains("creat"), "no mark is left: {kept}");
    assert_eq!(read::<RemoteSecret>(&scene, &state).await.0, state);
    let (_, diagnostics) = plan(&scene, &state, endless(None));
    assert!(diagnostics.warnings.is_empty(), "{diagnostics:?}");
    let imported: RemoteSecretModel = model(&import(erase::<RemoteSecret>(), &scene, "us/istio-system/eu").await);
    assert_eq!((imported.legacy_token, imported.drift), (Value::Value(true), Value::Value(Vec::new())));

    let (state, diagnostics) = apply::<RemoteSecret>(&scene, &state, endless(Some(1))).await;
    assert!(diagnostics.errors.is_empty(), "{diagnostics:?}");
    assert_eq!(token_in_place(&scene), "endless token of istio-reader-service-account-us-1");
    assert_eq!(scene.objects.live("eu", &token_secret("")), None, "the former token is revoked");

    let (state, diagnostics) = apply::<RemoteSecret>(&scene, &state, remote()).await;
    assert!(diagnostics.errors.is_empty(), "{diagnostics:?}");
    assert_eq!(token_in_place(&scene), "token of istio-system/istio-reader-service-account");
    assert_eq!(scene.objects.live("eu", &token_secret("-1")), None);
    let (state, _) = apply::<RemoteSecret>(&scene, &state, endless(Some(1))).await;
    assert_eq!(token_in_place(&scene), "endless token of istio-reader-service-account-us-1");
    assert!(destroy::<RemoteSecret>(&scene, &state).await.0.is_null());
    assert_eq!((scene.objects.live("eu", &token_secret("-1")), scene.objects.live("us", &object())), (None, None));
}

#[tokio::test]
async fn a_token_that_was_revoked_or_replaced_by_hand_is_drift_and_one_of_others_is_left_alone() {
    let scene = readable();
    let state = created::<RemoteSecret>(&scene, endless(None)).await;
    scene.objects.remove("eu", &token_secret(""));
    let (found, _) = read::<RemoteSecret>(&scene, &state).await;
    assert!(drift(&found)[0].contains("of cluster \"eu\": it is gone, and its token with it"), "{:?}", drift(&found));
    let (state, diagnostics) = apply::<RemoteSecret>(&scene, &found, endless(None)).await;
    assert!(diagnostics.errors.is_empty() && read::<RemoteSecret>(&scene, &state).await.0 == state, "{diagnostics:?}");

    let mut changed = scene.objects.live("eu", &token_secret("")).expect("the Secret of the token");
    changed["data"] = json!({"token": "b3RoZXI="});
    scene.objects.put("eu", changed);
    let (found, _) = read::<RemoteSecret>(&scene, &state).await;
    assert!(drift(&found)[0].contains("its token is not the one by which istiod reads"), "{:?}", drift(&found));
    let (state, _) = apply::<RemoteSecret>(&scene, &found, endless(None)).await;
    assert_eq!(token_in_place(&scene), "other");

    let theirs = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": token_secret("-1").name, "namespace": "istio-system"}});
    scene.objects.put("eu", theirs.clone());
    let (_, diagnostics) = apply::<RemoteSecret>(&scene, &state, endless(Some(1))).await;
    let error = &diagnostics.errors[0];
    assert!(error.summary == "Already exists" && error.detail.contains("set another `rotation`"), "{diagnostics:?}");
    assert_eq!(scene.objects.live("eu", &token_secret("-1")), Some(theirs));
    assert_eq!(token_in_place(&scene), "other", "nothing has changed");
}

#[tokio::test]
async fn the_secret_of_a_token_that_a_killed_create_has_left_is_taken_up() {
    let scene = readable();
    let state = created::<RemoteSecret>(&scene, endless(None)).await;
    for (cluster, object) in [("us", object()), ("eu", token_secret(""))] {
        let left = scene.objects.live(cluster, &object).expect("an object");
        scene.objects.put(cluster, mark(cluster).on(left));
    }
    scene.objects.remove("us", &object());
    let again = created::<RemoteSecret>(&scene, endless(None)).await;
    assert_eq!(again, state);
    // The Secret in the US is gone, the token is not.
    scene.objects.remove("us", &object());
    let (found, _) = read::<RemoteSecret>(&scene, &again).await;
    assert!(drift(&found)[0].contains("istio-remote-secret-eu: it is gone"), "{:?}", drift(&found));
    assert!(destroy::<RemoteSecret>(&scene, &found).await.0.is_null());
    assert_eq!(scene.objects.live("eu", &token_secret("")), None);
}

#[tokio::test]
async fn the_secret_of_a_token_that_a_killed_update_has_left_is_used() {
    let scene = readable();
    let state = created::<RemoteSecret>(&scene, endless(None)).await;
    let mut left = scene.objects.live("eu", &token_secret("")).expect("the Secret of the token");
    left["metadata"]["name"] = token_secret("-1").name.into();
    scene.objects.put("eu", left);
    let (state, diagnostics) = apply::<RemoteSecret>(&scene, &state, endless(Some(1))).await;
    assert!(diagnostics.errors.is_empty(), "{diagnostics:?}");
    assert_eq!(scene.objects.live("eu", &token_secret("")), None, "the former one is revoked");
    assert!(destroy::<RemoteSecret>(&scene, &state).await.0.is_null());
    assert_eq!(scene.objects.live("eu", &token_secret("-1")), None);
}
