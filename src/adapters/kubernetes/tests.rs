//! Requests to the API servers, and how their answers are understood.

mod faults;
mod server;

use std::{collections::BTreeMap, time::Duration};

use framework::Deadline;
use futures::future::join_all;
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::{Kubernetes, ok, scripted, status};
use crate::{
    adapters::ClusterAccess,
    data::{Kind, ObjectRef},
    ports::{FailureKind, Objects as _},
};

fn minutes() -> Deadline {
    Deadline::after(Duration::from_secs(600), CancellationToken::new())
}

fn secret() -> ObjectRef {
    ObjectRef::namespaced(Kind::SECRET, "istio-system", "cacerts")
}

fn entry() -> Json {
    json!({"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": "echo", "namespace": "echo"}})
}

const WEBHOOK: &str = "Internal error occurred: failed calling webhook \"rev.validation.istio.io\": connection refused";

#[tokio::test(start_paused = true)]
async fn an_apply_is_forced_and_names_its_manager() {
    let (clusters, asked) = scripted(|_, _| ok(&entry()));
    clusters.apply("eu", &entry(), &minutes()).await.unwrap();
    clusters.dry_run("eu", &entry(), &minutes()).await.unwrap();
    let path = "PATCH /apis/networking.istio.io/v1/namespaces/echo/serviceentries/echo?fieldManager=terraform-provider-mesh&force=true";
    assert_eq!(*asked.lock().unwrap(), [path.to_owned(), format!("{path}&dryRun=All")]);
}

#[tokio::test(start_paused = true)]
async fn a_creation_leaves_what_exists_as_it_is() {
    let (clusters, asked) = scripted(|_, _| status(409, "AlreadyExists", "namespaces \"istio-system\" already exists"));
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}});
    clusters.create("eu", &namespace, &minutes()).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), ["POST /api/v1/namespaces?fieldManager=terraform-provider-mesh"]);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_what_does_not_exist_makes_nothing() {
    let (clusters, asked) = scripted(|_, _| status(404, "NotFound", "secrets \"cacerts\" not found"));
    let patch = json!({"metadata": {"labels": {"a": null}}});
    assert_eq!(clusters.merge("eu", &secret(), &patch, &minutes()).await.unwrap(), None);
    let path = "PATCH /api/v1/namespaces/istio-system/secrets/cacerts?fieldManager=terraform-provider-mesh";
    assert_eq!(*asked.lock().unwrap(), [path]);
}

#[tokio::test(start_paused = true)]
async fn a_replacement_is_a_put_of_the_whole_object() {
    let (clusters, asked) =
        scripted(|count, _| if count == 0 { ok(&entry()) } else { status(409, "Conflict", "the object has been modified") });
    clusters.replace("eu", &entry(), &minutes()).await.unwrap();
    let path = "PUT /apis/networking.istio.io/v1/namespaces/echo/serviceentries/echo?fieldManager=terraform-provider-mesh";
    assert_eq!(*asked.lock().unwrap(), [path]);
    assert_eq!(clusters.replace("eu", &entry(), &minutes()).await.unwrap_err().kind, FailureKind::Conflict);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_does_not_exist_is_none() {
    let (clusters, _) = scripted(|_, _| status(404, "NotFound", "secrets \"cacerts\" not found"));
    assert_eq!(clusters.get("eu", &secret(), &minutes()).await.unwrap(), None);
}

/// With a `resourceVersion` an API server may answer from its cache, and what was made a moment ago would count as gone.
#[tokio::test(start_paused = true)]
async fn a_read_is_of_the_newest_version() {
    let (clusters, asked) = scripted(|_, line| match line {
        line if line.contains("/cacerts") => ok(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cacerts"}})),
        _ => ok(&json!({"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": []})),
    });
    clusters.get("eu", &secret(), &minutes()).await.unwrap();
    clusters.list("eu", Kind::SECRET, Some("istio-system"), "owner=helm", &minutes()).await.unwrap();
    clusters.list_metadata("eu", Kind::SECRET, Some("istio-system"), "owner=helm", &minutes()).await.unwrap();
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|line| !line.contains("resourceVersion")), "{asked:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_installed_has_no_objects() {
    let (clusters, _) = scripted(|_, line| match line {
        "GET /apis" => ok(&json!({"kind": "APIGroupList", "groups": [{"name": "apps"}]})),
        _ => (404, "404 page not found\n".to_owned()),
    });
    assert!(clusters.list("eu", Kind::GATEWAY, Some("istio-system"), "", &minutes()).await.unwrap().is_empty());
    let gateway = ObjectRef::namespaced(Kind::GATEWAY, "istio-system", "expose");
    assert_eq!(clusters.get("eu", &gateway, &minutes()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_404_of_another_server_is_not_taken_for_not_found() {
    let (clusters, _) = scripted(|_, _| (404, "<html>no such site</html>".to_owned()));
    assert_eq!(clusters.get("eu", &secret(), &minutes()).await.unwrap_err().kind, FailureKind::Unreachable);
    let failure = clusters.list("eu", Kind::SECRET, Some("istio-system"), "owner=helm", &minutes()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unreachable, "{failure}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_a_list_is_not_taken_for_an_empty_one() {
    for body in ["{}", "[1]", r#"{"kind": "SecretList", "items": 1}"#, r#"{"kind": "SecretList", "items": [{}, 1]}"#] {
        let (clusters, _) = scripted(move |_, _| (200, body.to_owned()));
        let failure = clusters.list("eu", Kind::SECRET, Some("istio-system"), "", &minutes()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unreachable, "{body}: {failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_does_not_wait_for_minutes_for_an_overloaded_server() {
    let (clusters, _) = scripted(|_, _| status(503, "ServiceUnavailable", "the server is currently unable to handle the request"));
    let deadline = minutes();
    assert_eq!(clusters.get("eu", &secret(), &deadline).await.unwrap_err().kind, FailureKind::NotReady);
    assert!(deadline.remaining() > Duration::from_secs(580), "only {:?} left", deadline.remaining());
}

#[tokio::test(start_paused = true)]
async fn a_write_waits_for_the_webhook() {
    let (clusters, asked) = scripted(|count, _| if count < 20 { status(500, "InternalError", WEBHOOK) } else { ok(&entry()) });
    clusters.apply("eu", &entry(), &minutes()).await.unwrap();
    assert_eq!(asked.lock().unwrap().len(), 21);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_never_serves_is_named_when_the_time_is_over() {
    let (clusters, _) = scripted(|_, _| status(500, "InternalError", WEBHOOK));
    let failure = clusters.apply("eu", &entry(), &minutes()).await.unwrap_err();
    assert!(failure.to_string().contains("rev.validation.istio.io"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_trial_is_one_look_at_the_webhook() {
    let (clusters, asked) = scripted(|_, _| status(500, "InternalError", WEBHOOK));
    assert_eq!(clusters.dry_run("eu", &entry(), &minutes()).await.unwrap_err().kind, FailureKind::NotReady);
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_never_installed_is_not_waited_for_until_the_end() {
    let (clusters, _) = scripted(|_, _| (404, "404 page not found\n".to_owned()));
    let deadline = minutes();
    let failure = clusters.apply("eu", &entry(), &deadline).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotReady, "{failure}");
    assert!(deadline.remaining() > Duration::from_secs(540), "only {:?} left", deadline.remaining());
}

#[tokio::test(start_paused = true)]
async fn refusals_keep_the_servers_words() {
    for (answer, kind) in [
        (status(403, "Forbidden", "secrets is forbidden: User \"ann\" cannot patch"), FailureKind::Denied),
        (status(401, "Unauthorized", "Unauthorized"), FailureKind::Denied),
        (status(422, "Invalid", "ServiceEntry \"echo\" is invalid: spec.hosts"), FailureKind::Rejected),
        (status(400, "BadRequest", "admission webhook \"rev.validation.istio.io\" denied the request: no host"), FailureKind::Rejected),
        (status(404, "NotFound", "namespaces \"echo\" not found"), FailureKind::Rejected),
    ] {
        let said = serde_json::from_str::<Json>(&answer.1).unwrap()["message"].as_str().unwrap().to_owned();
        let (clusters, _) = scripted(move |_, _| answer.clone());
        let failure = clusters.apply("eu", &entry(), &minutes()).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.to_string().contains(&said), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_lasts_until_the_object_is_gone() {
    let (clusters, asked) = scripted(|count, _| match count {
        0..=5 => ok(&json!({"metadata": {"uid": "1"}})),
        _ => status(404, "NotFound", "secrets \"cacerts\" not found"),
    });
    clusters.delete("eu", &secret(), &minutes()).await.unwrap();
    assert_eq!(asked.lock().unwrap().len(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_new_object_of_the_same_name_is_not_waited_for() {
    let (clusters, _) = scripted(|count, _| ok(&json!({"metadata": {"uid": if count < 3 { "old" } else { "new" }}})));
    clusters.delete("eu", &secret(), &minutes()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_object_that_was_made_anew_before_the_deletion_stays() {
    let precondition = "Precondition failed: UID in precondition: old, UID in object meta: new";
    let (clusters, asked) = scripted(move |_, line| match line.split(' ').next() {
        Some("DELETE") => status(409, "Conflict", precondition),
        _ => ok(&json!({"metadata": {"uid": "new"}})),
    });
    clusters.delete_exactly("eu", &secret(), "old", &minutes()).await.unwrap();
    let path = "/api/v1/namespaces/istio-system/secrets/cacerts";
    assert_eq!(*asked.lock().unwrap(), [format!("DELETE {path}"), format!("GET {path}")]);
}

#[tokio::test]
async fn an_object_as_it_was_read_is_deleted_by_one_request() {
    let read = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "cacerts", "namespace": "istio-system", "uid": "1", "resourceVersion": "7"},
    });
    let (clusters, asked) = scripted(|_, _| ok(&json!({"kind": "Status", "status": "Success"})));
    assert!(clusters.delete_unchanged("eu", &read, &minutes()).await.unwrap());
    assert_eq!(asked.lock().unwrap().len(), 1);
    let (clusters, asked) = scripted(|_, _| status(409, "Conflict", "ResourceVersion in precondition: 7, in object meta: 8"));
    assert!(!clusters.delete_unchanged("eu", &read, &minutes()).await.unwrap(), "somebody has changed it");
    assert_eq!(asked.lock().unwrap().len(), 1);
    let (clusters, _) = scripted(|_, _| status(404, "NotFound", "secrets \"cacerts\" not found"));
    assert!(clusters.delete_unchanged("eu", &read, &minutes()).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_an_object_that_is_being_deleted_says_what_holds_it() {
    let namespace = ObjectRef::cluster_wide(Kind::NAMESPACE, "istio-system");
    let condition = json!({"type": "NamespaceFinalizersRemaining", "status": "True", "message": "a finalizer remains"});
    let held = json!({
        "metadata": {"name": "istio-system", "deletionTimestamp": "2030-01-01T00:00:00Z"}, "status": {"conditions": [condition]},
    });
    let (clusters, _) = scripted(move |_, _| ok(&held));
    let seconds = Deadline::after(Duration::from_secs(5), CancellationToken::new());
    let failure = clusters.wait("eu", &namespace, "its deletion to end", &|live| live.is_none(), &seconds).await.unwrap_err();
    assert!(failure.kind == FailureKind::TimedOut && failure.to_string().contains("a finalizer remains"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_is_held_up_names_the_finalizer() {
    let (clusters, _) =
        scripted(|_, _| ok(&json!({"metadata": {"uid": "1", "finalizers": ["service.kubernetes.io/load-balancer-cleanup"]}})));
    let failure = clusters.delete("eu", &secret(), &minutes()).await.unwrap_err();
    assert!(failure.to_string().contains("load-balancer-cleanup"), "{failure}");
}

#[tokio::test]
async fn an_address_without_a_server_is_reported_in_seconds() {
    // A port of this machine on which nothing listens.
    let host = Some("https://127.0.0.1:1".to_owned());
    let access = ClusterAccess {
        base: crate::adapters::Base::Nothing,
        server: crate::adapters::ServerSettings { host, insecure: Some(true), ..Default::default() },
        credentials: Some(crate::adapters::Credentials::Token(crate::data::Secret::new("t0ken"))),
    };
    let clusters = Kubernetes::new(BTreeMap::from([("eu".to_owned(), access)]));
    let failure = clusters.get("eu", &secret(), &minutes()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unreachable);
    assert!(failure.to_string().contains("https://127.0.0.1:1") && failure.to_string().contains("\"eu\""), "{failure}");
}

#[tokio::test]
async fn an_unknown_cluster_is_reported_with_the_known_ones() {
    let (clusters, _) = scripted(|_, _| (500, String::new()));
    let failure = clusters.get("ap", &secret(), &minutes()).await.unwrap_err();
    assert!(failure.kind == FailureKind::Unconfigured && failure.why.contains("`eu`"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_survives_half_a_minute_of_an_api_server_in_trouble() {
    let begin = tokio::time::Instant::now();
    let (clusters, asked) = scripted(move |count, _| match begin.elapsed().as_secs() {
        0..1 => ok(&json!({"metadata": {"uid": "1"}})),
        1..30 if count % 2 == 0 => status(503, "ServiceUnavailable", "apiserver not ready"),
        // As a load balancer whose backend is away.
        1..30 => (502, "<html>Bad Gateway</html>".to_owned()),
        30..60 => (200, "{\"metadata\": {\"ui".to_owned()),
        _ => ok(&json!({"metadata": {"uid": "1"}, "status": {"ready": true}})),
    });
    let ready = |live: Option<&Json>| live.is_some_and(|live| live["status"]["ready"] == true);
    clusters.wait("eu", &secret(), "it to be ready", &ready, &minutes()).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(60) && asked.lock().unwrap().len() > 20);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_ends_in_trouble_says_which() {
    let begin = tokio::time::Instant::now();
    let (clusters, _) = scripted(move |_, _| match begin.elapsed().as_secs() {
        0..1 => ok(&json!({})),
        _ => status(503, "ServiceUnavailable", "etcd has no leader"),
    });
    let failure = clusters.wait("eu", &secret(), "its address", &|_| false, &minutes()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::TimedOut);
    assert!(failure.summary.ends_with("is not ready") && failure.why.contains("waiting for its address"), "{failure:?}");
    assert!(failure.to_string().contains("etcd has no leader"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_write_is_tried_again_where_the_server_has_answered_before() {
    let begin = tokio::time::Instant::now();
    let (clusters, _) = scripted(move |_, _| match begin.elapsed().as_secs() {
        1..31 => (200, String::new()),
        _ => ok(&entry()),
    });
    clusters.apply("eu", &entry(), &minutes()).await.unwrap();
    minutes().pause(Duration::from_secs(1)).await.unwrap();
    clusters.apply("eu", &entry(), &minutes()).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(31));
}

#[tokio::test(start_paused = true)]
async fn the_time_that_a_server_wants_to_be_left_alone_is_respected() {
    let overloaded = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 429, "reason": "TooManyRequests", "message": "slow down",
        "details": {"retryAfterSeconds": 20},
    });
    let (clusters, asked) = scripted(move |count, _| if count < 3 { (429, overloaded.to_string()) } else { ok(&entry()) });
    let begin = tokio::time::Instant::now();
    clusters.apply("eu", &entry(), &minutes()).await.unwrap();
    assert_eq!((asked.lock().unwrap().len(), begin.elapsed().as_secs() / 10), (4, 6));
    // A refresh that would have to wait for longer than it is patient fails at once.
    let begin = tokio::time::Instant::now();
    let (clusters, _) = scripted(|_, _| {
        let body = json!({"kind": "Status", "code": 429, "reason": "TooManyRequests", "details": {"retryAfterSeconds": 40}});
        (429, body.to_string())
    });
    assert_eq!(clusters.get("eu", &secret(), &minutes()).await.unwrap_err().kind, FailureKind::NotReady);
    assert!(begin.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_read_outlasts_an_overload_in_which_the_server_says_when_to_ask_again() {
    let overloaded = json!({
        "kind": "Status", "code": 429, "reason": "TooManyRequests", "message": "slow down", "details": {"retryAfterSeconds": 1},
    });
    let refusals = overloaded.to_string();
    let (clusters, asked) = scripted(move |count, _| if count < 8 { (429, refusals.clone()) } else { ok(&entry()) });
    assert!(clusters.get("eu", &secret(), &minutes()).await.unwrap().is_some());
    assert_eq!(asked.lock().unwrap().len(), 9);
    // One that never ends is reported, and what only asks how things are now waits for nothing.
    let (begin, refusals) = (tokio::time::Instant::now(), overloaded.to_string());
    let (clusters, _) = scripted(move |_, _| (429, refusals.clone()));
    assert_eq!(clusters.get("eu", &secret(), &minutes()).await.unwrap_err().kind, FailureKind::NotReady);
    assert!((25..32).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    let begin = tokio::time::Instant::now();
    assert_eq!(clusters.dry_run("eu", &entry(), &minutes()).await.unwrap_err().kind, FailureKind::NotReady);
    assert_eq!(begin.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_cut_off_shows_no_secret() {
    let (clusters, _) = scripted(|_, _| (200, "{\"data\": {\"key\": \"s3cret".to_owned()));
    let failure = clusters.get("eu", &secret(), &minutes()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unreachable);
    assert!(!failure.to_string().contains("s3cret"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_list_of_metadata_leaves_out_the_rest() {
    let (clusters, asked) =
        scripted(|_, _| ok(&json!({"kind": "PartialObjectMetadataList", "items": [{"metadata": {"name": "a.istio.io"}}]})));
    let crds = clusters.list_metadata("eu", Kind::CRD, None, "", &minutes()).await.unwrap();
    assert_eq!((&crds[0]["kind"], &crds[0]["metadata"]["name"]), (&json!("CustomResourceDefinition"), &json!("a.istio.io")));
    assert_eq!(*asked.lock().unwrap(), ["GET /apis/apiextensions.k8s.io/v1/customresourcedefinitions"]);
}

#[tokio::test(start_paused = true)]
async fn those_who_ask_for_the_identity_at_once_share_the_answer() {
    let (clusters, asked) = scripted(|_, _| ok(&json!({"metadata": {"uid": "1"}})));
    let deadline = minutes();
    let uids = join_all((0..30).map(|_| clusters.cluster_uid("eu", &deadline))).await;
    assert!(uids.into_iter().all(|uid| uid.unwrap() == Some("1".to_owned())));
    assert_eq!(clusters.cluster_uid("eu", &deadline).await.unwrap(), Some("1".to_owned()));
    assert_eq!(*asked.lock().unwrap(), ["GET /api/v1/namespaces/kube-system"]);
}

#[tokio::test(start_paused = true)]
async fn those_who_ask_for_the_identity_at_once_share_the_failure() {
    let (clusters, asked) = scripted(|count, _| match count {
        0 => status(400, "BadRequest", "not today"),
        _ => ok(&json!({"metadata": {"uid": "1"}})),
    });
    let deadline = minutes();
    let uids = join_all((0..30).map(|_| clusters.cluster_uid("eu", &deadline))).await;
    assert!(uids.into_iter().all(|uid| uid.is_err()));
    assert_eq!(asked.lock().unwrap().len(), 1);
    assert_eq!(clusters.cluster_uid("eu", &deadline).await.unwrap(), Some("1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_one_that_asks_for_the_identity_is_not_that_of_the_others() {
    let (clusters, asked) = scripted(|count, _| match count {
        0..5 => status(503, "ServiceUnavailable", "starting"),
        _ => ok(&json!({"metadata": {"uid": "1"}})),
    });
    let (short, long) = (Deadline::after(Duration::from_millis(50), CancellationToken::new()), minutes());
    let (first, second) = tokio::join!(clusters.cluster_uid("eu", &short), clusters.cluster_uid("eu", &long));
    assert_eq!(first.unwrap_err().kind, FailureKind::TimedOut);
    assert_eq!(second.unwrap(), Some("1".to_owned()));
    assert_eq!(asked.lock().unwrap().len(), 6);
}
