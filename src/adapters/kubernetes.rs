//! Objects of the clusters' API servers. One client a cluster, made at the first call and kept.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{Method, Request};
use kube::config::Kubeconfig;
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::{
    access::ClusterAccess,
    connection::{Connection, Server},
    refusal::{self, Attempt, Refusal, Verb},
};
use crate::{
    data::{Kind, MANAGER, ObjectRef},
    ports::{Failure, FailureKind, Objects},
};
use framework::Deadline;

/// How long a last look may take when the time is already over.
const LAST_LOOK: Duration = Duration::from_secs(3);

/// The clusters of the provider's configuration.
pub struct Kubernetes {
    clusters: BTreeMap<String, Connection>,
}

impl Kubernetes {
    /// The clusters by their keys. Connects to none.
    pub fn new(clusters: BTreeMap<String, ClusterAccess>) -> Self {
        Self { clusters: clusters.into_iter().map(|(key, access)| (key, Connection::new(access))).collect() }
    }

    fn connection(&self, cluster: &str) -> Result<&Connection, Failure> {
        self.clusters.get(cluster).ok_or_else(|| {
            let keys: Vec<_> = self.clusters.keys().map(|key| format!("`{key}`")).collect();
            Failure::new(
                FailureKind::Unconfigured,
                format!("No access to cluster \"{cluster}\""),
                format!("The provider's `clusters` has no such cluster, or not all of it is known yet. It has {}.", keys.join(", ")),
            )
            .advice("A cluster stays in `clusters` until everything in it is destroyed.")
        })
    }

    /// The cluster's kubeconfig, for a program that connects by itself.
    pub(super) fn kubeconfig(&self, cluster: &str) -> Result<Arc<Kubeconfig>, Failure> {
        self.connection(cluster)?.kubeconfig(cluster)
    }

    /// Sends a request, again and again while it makes sense: an API server that restarts, a webhook that doesn't serve yet.
    pub(super) async fn send(&self, attempt: &Attempt<'_>, request: &Call, deadline: &Deadline) -> Result<Json, Failure> {
        let server = self.connection(attempt.cluster)?.server(attempt.cluster, deadline).await?;
        let begin = tokio::time::Instant::now();
        let mut pause = Duration::from_millis(100);
        loop {
            let request = request.build().map_err(|error| {
                Failure::new(FailureKind::Other, attempt.title(), format!("`{}` is no path of an API server: {error}.", request.path))
            })?;
            let sent = deadline.bound(server.client.request::<Json>(request)).await;
            let error = match sent {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(cut) => return Err(Failure::cut(cut, attempt.title(), &attempt.doing())),
            };
            let mut refusal = refusal::of(attempt, &server.address, error);
            if refusal.is_doubtful && !is_api_server(server, deadline).await {
                refusal = Refusal::unreachable(attempt, &server.address, "404 from something that is no API server");
            }
            let Refusal { failure, patience, .. } = refusal;
            if begin.elapsed() >= patience {
                return Err(failure);
            }
            tracing::debug!(cluster = attempt.cluster, failure = %failure.summary, ?pause, "trying again");
            if let Err(cut) = deadline.pause(pause).await {
                let cut = Failure::cut(cut, attempt.title(), &attempt.doing());
                return Err(cut.seen([failure.why]).raw(failure.raw.unwrap_or_default()));
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    async fn write(&self, verb: Verb, cluster: &str, manifest: &Json, deadline: &Deadline) -> Result<Json, Failure> {
        let object = ObjectRef::of(manifest, "default").ok_or_else(|| {
            Failure::new(
                FailureKind::Other,
                "Unknown kind of object",
                format!("The provider has no kind {} of {}.", manifest["kind"], manifest["apiVersion"]),
            )
        })?;
        let dry = if verb == Verb::TryOut { "&dryRun=All" } else { "" };
        let call = Call {
            method: Method::PATCH,
            path: format!("{}?fieldManager={MANAGER}&force=true{dry}", path(&object)),
            content_type: "application/apply-patch+yaml",
            body: manifest.to_string(),
        };
        self.send(&Attempt { cluster, verb, object: object.to_string() }, &call, deadline).await
    }
}

/// Whether an API server is behind the address at all. It answers a path of a kind that isn't installed by a bare 404, and so does any
/// web server, a proxy's error page for one; taken for "not found", that would make Terraform forget what lives on.
async fn is_api_server(server: &Server, deadline: &Deadline) -> bool {
    let Ok(request) = Call::get("/apis".to_owned()).build() else { return false };
    let groups = deadline.bound(server.client.request::<Json>(request)).await;
    matches!(groups, Ok(Ok(groups)) if groups["kind"] == "APIGroupList")
}

/// A request that can be sent more than once.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

impl Call {
    pub(super) fn get(path: String) -> Self {
        Call { method: Method::GET, path, content_type: "application/json", body: String::new() }
    }

    fn build(&self) -> http::Result<Request<Vec<u8>>> {
        // Names were checked when they were parsed, so there is nothing to escape but the queries, which are escaped where they are made.
        let request = Request::builder().method(&self.method).uri(&self.path).header(http::header::CONTENT_TYPE, self.content_type);
        request.body(self.body.clone().into_bytes())
    }
}

fn collection(kind: Kind, namespace: Option<&str>) -> String {
    let root = if kind.group.is_empty() { format!("/api/{}", kind.version) } else { format!("/apis/{}/{}", kind.group, kind.version) };
    match namespace {
        Some(namespace) if kind.namespaced => format!("{root}/namespaces/{namespace}/{}", kind.plural),
        _ => format!("{root}/{}", kind.plural),
    }
}

pub(super) fn path(object: &ObjectRef) -> String {
    format!("{}/{}", collection(object.kind, object.namespace.as_deref()), object.name)
}

/// A label selector in a query.
fn escape(selector: &str) -> String {
    selector.replace('%', "%25").replace('=', "%3D").replace(',', "%2C").replace('!', "%21").replace(' ', "%20").replace('/', "%2F")
}

#[async_trait]
impl Objects for Kubernetes {
    async fn apply(&self, cluster: &str, manifest: &Json, deadline: &Deadline) -> Result<Json, Failure> {
        self.write(Verb::Write, cluster, manifest, deadline).await
    }

    async fn dry_run(&self, cluster: &str, manifest: &Json, deadline: &Deadline) -> Result<(), Failure> {
        self.write(Verb::TryOut, cluster, manifest, deadline).await.map(|_| ())
    }

    async fn get(&self, cluster: &str, object: &ObjectRef, deadline: &Deadline) -> Result<Option<Json>, Failure> {
        let attempt = Attempt { cluster, verb: Verb::Read, object: object.to_string() };
        absent(self.send(&attempt, &Call::get(path(object)), deadline).await)
    }

    async fn list(
        &self,
        cluster: &str,
        kind: Kind,
        namespace: Option<&str>,
        labels: &str,
        deadline: &Deadline,
    ) -> Result<Vec<Json>, Failure> {
        let query = if labels.is_empty() { String::new() } else { format!("?labelSelector={}", escape(labels)) };
        let within = namespace.map(|namespace| format!(" of namespace {namespace}")).unwrap_or_default();
        let attempt = Attempt { cluster, verb: Verb::List, object: format!("{}{within}", kind.plural) };
        let call = Call::get(format!("{}{query}", collection(kind, namespace)));
        let Some(mut list) = absent(self.send(&attempt, &call, deadline).await)? else { return Ok(Vec::new()) };
        // Whatever else answers, it has not said that there are none.
        if !list["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) {
            let server = self.connection(cluster)?.server(cluster, deadline).await?;
            return Err(Refusal::unreachable(&attempt, &server.address, "the answer is no list of objects").failure);
        }
        let mut items = match list["items"].take() {
            Json::Array(items) => items,
            _ => Vec::new(),
        };
        // Items of a list don't say what they are.
        for item in &mut items {
            item["apiVersion"] = kind.api_version().into();
            item["kind"] = kind.kind.into();
        }
        Ok(items)
    }

    async fn delete(&self, cluster: &str, object: &ObjectRef, deadline: &Deadline) -> Result<(), Failure> {
        let attempt = Attempt { cluster, verb: Verb::Delete, object: object.to_string() };
        // Tried again after a lost answer, a deletion by name would hit what somebody has made anew meanwhile.
        let Some(live) = absent(self.send(&attempt, &Call::get(path(object)), deadline).await)? else { return Ok(()) };
        self.delete_exactly(cluster, object, live["metadata"]["uid"].as_str().unwrap_or_default(), deadline).await
    }

    async fn delete_exactly(&self, cluster: &str, object: &ObjectRef, uid: &str, deadline: &Deadline) -> Result<(), Failure> {
        let attempt = Attempt { cluster, verb: Verb::Delete, object: object.to_string() };
        let options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", "preconditions": {"uid": uid},
        });
        let call = Call { method: Method::DELETE, body: options.to_string(), ..Call::get(path(object)) };
        match absent(self.send(&attempt, &call, deadline).await) {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(()),
            // It is another one by now, or a namespace that is being deleted already: waiting shows which.
            Err(failure) if failure.kind == FailureKind::Conflict => {}
            Err(failure) => return Err(failure),
        }
        let is_gone = |live: Option<&Json>| live.is_none_or(|live| live["metadata"]["uid"] != uid);
        let Err(failure) = self.wait(cluster, object, "it to be gone", &is_gone, deadline).await else { return Ok(()) };
        let failure = Failure { summary: attempt.title(), ..failure };
        if failure.kind != FailureKind::TimedOut {
            return Err(failure);
        }
        let last = Deadline::after(LAST_LOOK, CancellationToken::new());
        let live = self.get(cluster, object, &last).await.ok().flatten().unwrap_or_default();
        let finalizers = live["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Json::as_str);
        Err(failure.seen(finalizers.map(|finalizer| format!("{object} is held by the finalizer {finalizer}"))))
    }

    async fn wait(
        &self,
        cluster: &str,
        object: &ObjectRef,
        what: &str,
        wanted: &(dyn for<'a> Fn(Option<&'a Json>) -> bool + Sync),
        deadline: &Deadline,
    ) -> Result<Option<Json>, Failure> {
        let mut pause = Duration::from_millis(100);
        loop {
            let live = self.get(cluster, object, deadline).await?;
            if wanted(live.as_ref()) {
                return Ok(live);
            }
            deadline.pause(pause).await.map_err(|cut| {
                let title = format!("{object} of cluster \"{cluster}\" is not ready");
                Failure::cut(cut, title, &format!("waiting for {what}"))
            })?;
            pause = (pause * 3 / 2).min(Duration::from_secs(1));
        }
    }
}

/// What isn't there is no failure of a read.
fn absent(outcome: Result<Json, Failure>) -> Result<Option<Json>, Failure> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;
    use http::{Response, StatusCode};
    use kube::client::Body;

    /// What the scripted API server was asked: `GET /api/v1/…`.
    type Asked = Arc<Mutex<Vec<String>>>;

    /// One cluster, `eu`, whose API server answers by `answer`, which is given the number of the request and its line.
    fn scripted(answer: impl Fn(usize, &str) -> (u16, String) + Send + 'static) -> (Kubernetes, Asked) {
        let (service, mut server) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let asked = Asked::default();
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Some((request, respond)) = server.next_request().await {
                let line = format!("{} {}", request.method(), request.uri());
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                let (status, body) = answer(log.len(), &line);
                log.push(line);
                respond.send_response(
                    Response::builder().status(StatusCode::from_u16(status).unwrap()).body(Body::from(body.into_bytes())).unwrap(),
                );
            }
        });
        let server = Server { client: kube::Client::new(service, "default"), address: "https://eu.example:6443/".to_owned() };
        (Kubernetes { clusters: BTreeMap::from([("eu".to_owned(), Connection::to(server))]) }, asked)
    }

    fn status(code: u16, reason: &str, message: &str) -> (u16, String) {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message});
        (code, status.to_string())
    }

    fn ok(object: &Json) -> (u16, String) {
        (200, object.to_string())
    }

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
    async fn what_the_api_server_has_not_is_none() {
        let (clusters, _) = scripted(|_, _| status(404, "NotFound", "secrets \"cacerts\" not found"));
        assert_eq!(clusters.get("eu", &secret(), &minutes()).await.unwrap(), None);
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
    async fn a_404_of_something_else_than_an_api_server_loses_nothing() {
        let (clusters, _) = scripted(|_, _| (404, "<html>no such site</html>".to_owned()));
        assert_eq!(clusters.get("eu", &secret(), &minutes()).await.unwrap_err().kind, FailureKind::Unreachable);
        let failure = clusters.list("eu", Kind::SECRET, Some("istio-system"), "owner=helm", &minutes()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unreachable, "{failure}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_no_list_is_not_taken_for_an_empty_one() {
        let (clusters, _) = scripted(|_, _| (200, "{}".to_owned()));
        let failure = clusters.list("eu", Kind::SECRET, Some("istio-system"), "", &minutes()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unreachable, "{failure}");
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
    async fn a_kind_that_nobody_installs_is_not_waited_for_until_the_end() {
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
    async fn an_object_that_came_anew_under_the_name_is_another() {
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

    #[tokio::test(start_paused = true)]
    async fn a_deletion_that_is_held_up_names_the_finalizer() {
        let (clusters, _) =
            scripted(|_, _| ok(&json!({"metadata": {"uid": "1", "finalizers": ["service.kubernetes.io/load-balancer-cleanup"]}})));
        let failure = clusters.delete("eu", &secret(), &minutes()).await.unwrap_err();
        assert!(failure.to_string().contains("load-balancer-cleanup"), "{failure}");
    }

    #[tokio::test]
    async fn nobody_at_the_address_is_said_in_seconds() {
        let access = ClusterAccess::Explicit {
            // A port of this machine on which nothing listens.
            host: "https://127.0.0.1:1".to_owned(),
            ca_certificate: None,
            credentials: super::super::Credentials::Token(crate::data::Secret::new("t0ken")),
            insecure: true,
            tls_server_name: None,
            proxy_url: None,
        };
        let clusters = Kubernetes::new(BTreeMap::from([("eu".to_owned(), access)]));
        let failure = clusters.get("eu", &secret(), &minutes()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unreachable);
        assert!(failure.to_string().contains("https://127.0.0.1:1") && failure.to_string().contains("\"eu\""), "{failure}");
    }

    #[tokio::test]
    async fn an_unknown_cluster_is_told_the_known_ones() {
        let (clusters, _) = scripted(|_, _| (500, String::new()));
        let failure = clusters.get("ap", &secret(), &minutes()).await.unwrap_err();
        assert!(failure.kind == FailureKind::Unconfigured && failure.why.contains("`eu`"), "{failure}");
    }
}
