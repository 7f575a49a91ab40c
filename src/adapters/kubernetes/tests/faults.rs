//! Trouble on real connections: half an answer, silence, a server that is away, credentials that end during a run. Where no program runs, the
//! clock is the test's.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use super::{
    server::{Answer, Asked, Identity, Server, kubeconfig, runs},
    *,
};
use crate::ports::Failure;

fn clusters(access: ClusterAccess) -> Kubernetes {
    Kubernetes::new(BTreeMap::from([("eu".to_owned(), access)]))
}

/// A cluster at an address, which takes any token.
fn at(address: SocketAddr) -> Kubernetes {
    clusters(ClusterAccess {
        base: crate::adapters::Base::Nothing,
        server: crate::adapters::ServerSettings { host: Some(format!("http://{address}")), ..Default::default() },
        credentials: Some(crate::adapters::Credentials::Token(crate::data::Secret::new("t0ken"))),
    })
}

fn with_plugin(folder: &Path, server: &str, credentials: &[Json]) -> Kubernetes {
    clusters(ClusterAccess::kubeconfig(kubeconfig(folder, server, credentials), None))
}

fn object() -> Json {
    json!({"kind": "Secret", "metadata": {"uid": "1", "name": "cacerts"}})
}

/// Answers the first requests by halves.
fn halves(count: usize, whole: Json) -> impl Fn(&Asked) -> Answer + Send + Sync + 'static {
    let asked = AtomicUsize::new(0);
    move |_| if asked.fetch_add(1, Ordering::Relaxed) < count { Answer::Half(ok(&whole)) } else { Answer::Whole(ok(&whole)) }
}

#[tokio::test(start_paused = true)]
async fn half_an_answer_is_asked_for_again() {
    let server = Server::start(halves(2, object())).await;
    assert_eq!(at(server.address).get("eu", &secret(), &minutes()).await.unwrap(), Some(object()));
    let list = json!({"kind": "SecretList", "items": [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]});
    let server = Server::start(halves(2, list)).await;
    assert_eq!(at(server.address).list("eu", Kind::SECRET, None, "", &minutes()).await.unwrap().len(), 2);
    let server = Server::start(halves(2, entry())).await;
    assert_eq!(at(server.address).apply("eu", &entry(), &minutes()).await.unwrap(), entry());
}

#[tokio::test(start_paused = true)]
async fn nothing_but_half_answers_is_neither_an_absence_nor_an_empty_list() {
    let server = Server::start(|_| Answer::Half(ok(&json!({"kind": "SecretList", "items": []})))).await;
    let clusters = at(server.address);
    let unreachable = |failure: Failure| assert_eq!(failure.kind, FailureKind::Unreachable, "{failure}");
    unreachable(clusters.get("eu", &secret(), &minutes()).await.unwrap_err());
    unreachable(clusters.list("eu", Kind::SECRET, None, "", &minutes()).await.unwrap_err());
    // Also of a "not found", which is longer.
    let server = Server::start(|_| Answer::Half(status(404, "NotFound", "secrets \"cacerts\" not found"))).await;
    unreachable(at(server.address).get("eu", &secret(), &minutes()).await.unwrap_err());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_after_half_a_minute_of_silence_counts() {
    let server = Server::start(|_| Answer::Late(Duration::from_secs(30), ok(&object()))).await;
    let begin = tokio::time::Instant::now();
    assert_eq!(at(server.address).get("eu", &secret(), &minutes()).await.unwrap(), Some(object()));
    assert!(begin.elapsed() >= Duration::from_secs(30), "{:?}", begin.elapsed());
}

/// Is there for two seconds, away for ten, and there again; then it answers by `late`.
async fn away_for_a_while(early: fn(&Asked) -> Answer, late: fn(&Asked) -> Answer, server: Server) -> Server {
    let (address, time) = (server.address, minutes());
    time.pause(Duration::from_secs(2)).await.unwrap();
    server.stop().await;
    time.pause(Duration::from_secs(10)).await.unwrap();
    let server = Server::again(address, early).await;
    time.pause(Duration::from_secs(2)).await.unwrap();
    server.stop().await;
    Server::again(address, late).await
}

#[tokio::test(start_paused = true)]
async fn no_wait_is_ended_by_a_server_that_is_away_for_ten_seconds() {
    // An address, a link that is taken up, a definition: each is a field of an object that appears.
    let early: fn(&Asked) -> Answer = |_| Answer::Whole(ok(&object()));
    let ready: fn(&Asked) -> Answer = |_| Answer::Whole(ok(&json!({"metadata": {"uid": "1"}, "status": {"ready": true}})));
    let server = Server::start(early).await;
    let clusters = at(server.address);
    let is_ready = |live: Option<&Json>| live.is_some_and(|live| live["status"]["ready"] == true);
    let (begin, time) = (tokio::time::Instant::now(), minutes());
    let object = secret();
    let (waited, server) =
        tokio::join!(clusters.wait("eu", &object, "it to be ready", &is_ready, &time), away_for_a_while(early, ready, server));
    assert!(is_ready(waited.unwrap().as_ref()) && begin.elapsed() >= Duration::from_secs(12), "{:?}", begin.elapsed());
    drop(server);

    // A namespace's end, and that of any other object.
    let gone: fn(&Asked) -> Answer = |_| Answer::Whole(status(404, "NotFound", "secrets \"cacerts\" not found"));
    let server = Server::start(early).await;
    let clusters = at(server.address);
    let begin = tokio::time::Instant::now();
    let (deleted, server) = tokio::join!(clusters.delete("eu", &object, &time), away_for_a_while(early, gone, server));
    deleted.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(12), "{:?}", begin.elapsed());
    drop(server);
}

/// Lets a connection's credentials grow old enough to be taken for ended when they are refused.
async fn grow_old() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_token_that_ends_during_a_wait_is_replaced_and_the_wait_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let has_ended = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&has_ended);
    let server = Server::start(move |asked| {
        let valid = if ended.load(Ordering::Relaxed) { "second" } else { "first" };
        match asked.bearer.as_deref() {
            Some(bearer) if bearer == valid => Answer::Whole(ok(&json!({"metadata": {"uid": bearer}}))),
            _ => Answer::Whole(status(401, "Unauthorized", "Unauthorized")),
        }
    })
    .await;
    // As of plugins that don't say when their tokens end.
    let credentials = [json!({"token": "first"}), json!({"token": "second"})];
    let clusters = with_plugin(folder.path(), &format!("http://{}", server.address), &credentials);
    assert!(clusters.get("eu", &secret(), &minutes()).await.unwrap().is_some());
    grow_old().await;
    has_ended.store(true, Ordering::Relaxed);
    let with_second = |live: Option<&Json>| live.is_some_and(|live| live["metadata"]["uid"] == "second");
    clusters.wait("eu", &secret(), "the second token", &with_second, &minutes()).await.unwrap();
    assert_eq!(runs(folder.path()), 2);

    // One that is refused as soon as it is made is wrong, and no reason to run the plugin for ever.
    has_ended.store(false, Ordering::Relaxed);
    let failure = clusters.get("eu", &secret(), &minutes()).await.unwrap_err();
    assert!(failure.kind == FailureKind::Denied && runs(folder.path()) == 2, "{failure}");
}

/// A server that returns the number of the certificate that it is asked with, and accepts it unless it has ended.
async fn by_certificate(identities: Vec<Identity>, ended: Arc<AtomicBool>) -> Server {
    let known: Vec<_> = identities.iter().map(|identity| identity.certificate.to_vec()).collect();
    Server::to(&identities, move |asked| {
        let number = known.iter().position(|known| Some(known) == asked.certificate.as_ref()).expect("one of these");
        if number == 0 && ended.load(Ordering::Relaxed) {
            return Answer::Whole(status(401, "Unauthorized", "Unauthorized"));
        }
        assert!(asked.bearer.is_none() && asked.line.starts_with("GET /api/v1/"), "{}", asked.line);
        Answer::Whole(ok(&json!({"metadata": {"uid": number.to_string()}})))
    })
    .await
}

async fn number(clusters: &Kubernetes) -> String {
    clusters.get("eu", &secret(), &minutes()).await.unwrap().unwrap()["metadata"]["uid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_client_certificate_of_a_plugin_is_replaced_before_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let identities = vec![Identity::new(), Identity::new()];
    let mut printed: Vec<_> = identities.iter().map(Identity::printed).collect();
    let soon = time::OffsetDateTime::now_utc() + time::Duration::seconds(63);
    printed[0]["expirationTimestamp"] = json!(soon.format(&time::format_description::well_known::Rfc3339).unwrap());
    let server = by_certificate(identities, Arc::default()).await;
    let clusters = with_plugin(folder.path(), &format!("https://{}", server.address), &printed);
    assert_eq!((number(&clusters).await, number(&clusters).await, runs(folder.path())), ("0".to_owned(), "0".to_owned(), 1));
    // A minute before its end it is no longer used.
    minutes().pause(Duration::from_secs(4)).await.unwrap();
    assert_eq!((number(&clusters).await, number(&clusters).await, runs(folder.path())), ("1".to_owned(), "1".to_owned(), 2));
}

#[tokio::test]
async fn a_client_certificate_whose_end_was_not_told_is_replaced_when_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let identities = vec![Identity::new(), Identity::new()];
    let printed: Vec<_> = identities.iter().map(Identity::printed).collect();
    let has_ended = Arc::new(AtomicBool::new(false));
    let server = by_certificate(identities, Arc::clone(&has_ended)).await;
    let clusters = with_plugin(folder.path(), &format!("https://{}", server.address), &printed);
    assert_eq!(number(&clusters).await, "0");
    grow_old().await;
    has_ended.store(true, Ordering::Relaxed);
    assert_eq!((number(&clusters).await, runs(folder.path())), ("1".to_owned(), 2), "by a connection of its own");
}
