//! Objects of the clusters' API servers. One client a cluster, made at the first call and kept.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use http::{Method, Request};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value as Json;
use tokio::sync::OnceCell;

use super::{
    access::ClusterAccess,
    refusal::{self, Attempt},
};
use crate::{
    deadline::Deadline,
    ports::{Failure, FailureKind, Kind, MANAGER, ObjectRef, Objects},
};

/// How long to try a connection, and how long one request may take; the operation's own deadline is above both.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(60);

/// How long an API server that can't be reached is tried again: long enough for one that restarts, not so long that a plan seems to hang.
const PATIENCE: Duration = Duration::from_secs(5);

/// The clusters of the provider's configuration.
pub struct Kubernetes {
    clusters: BTreeMap<String, Connection>,
}

struct Connection {
    access: ClusterAccess,
    client: OnceCell<(Client, String)>,
}

/// What a write does.
#[derive(Clone, Copy, PartialEq)]
enum Write {
    Apply,
    DryRun,
}

impl Kubernetes {
    /// The clusters by their keys. Connects to none.
    pub fn new(clusters: BTreeMap<String, ClusterAccess>) -> Self {
        let connect = |(key, access)| (key, Connection { access, client: OnceCell::new() });
        Self { clusters: clusters.into_iter().map(connect).collect() }
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
    pub(super) fn kubeconfig(&self, cluster: &str) -> Result<Kubeconfig, Failure> {
        self.connection(cluster)?.access.kubeconfig(cluster)
    }

    /// The cluster's client, and the address it connects to.
    async fn client(&self, cluster: &str) -> Result<&(Client, String), Failure> {
        let connection = self.connection(cluster)?;
        connection
            .client
            .get_or_try_init(|| async {
                let unusable = |error: &dyn ToString| {
                    Failure::new(
                        FailureKind::Unconfigured,
                        format!("Can't connect to cluster \"{cluster}\""),
                        "The address or the credentials in the provider's configuration can't be used.",
                    )
                    .raw(error.to_string())
                };
                let kubeconfig = connection.access.kubeconfig(cluster)?;
                let mut config =
                    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(|error| unusable(&error))?;
                config.connect_timeout = Some(CONNECT);
                config.read_timeout = Some(ANSWER);
                let address = config.cluster_url.to_string();
                let client = Client::try_from(config).map_err(|error| unusable(&error))?;
                Ok((client, address))
            })
            .await
    }

    /// Sends a request, again and again while it makes sense: an API server that restarts, a webhook that doesn't serve yet.
    async fn send(&self, attempt: &Attempt<'_>, request: &Call, deadline: &Deadline) -> Result<Json, Failure> {
        let (client, address) = self.client(attempt.cluster).await?;
        let begin = tokio::time::Instant::now();
        let mut pause = Duration::from_millis(100);
        loop {
            let sent = deadline.bound(client.request::<Json>(request.build())).await;
            let error = match sent {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(cut) => return Err(Failure::cut(cut, attempt.title(), &attempt.doing())),
            };
            let failure = refusal::failure(attempt, address, error);
            let again = match failure.kind {
                FailureKind::Unreachable => begin.elapsed() < PATIENCE,
                FailureKind::NotReady => request.is_patient,
                _ => false,
            };
            if !again || deadline.remaining() < pause {
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

    async fn write(&self, cluster: &str, manifest: &Json, write: Write, deadline: &Deadline) -> Result<Json, Failure> {
        let object = ObjectRef::of(manifest, "default").ok_or_else(|| {
            Failure::new(
                FailureKind::Other,
                "Unknown kind of object",
                format!("The provider has no kind {} of {}.", manifest["kind"], manifest["apiVersion"]),
            )
        })?;
        let verb = if write == Write::Apply { "write" } else { "try out" };
        let dry = if write == Write::DryRun { "&dryRun=All" } else { "" };
        let call = Call {
            method: Method::PATCH,
            path: format!("{}?fieldManager={MANAGER}&force=true{dry}", path(&object)),
            content_type: "application/apply-patch+yaml",
            body: manifest.to_string(),
            is_patient: write == Write::Apply,
        };
        self.send(&Attempt { cluster, verb, object: object.to_string() }, &call, deadline).await
    }
}

/// A request that can be sent more than once.
struct Call {
    method: Method,
    path: String,
    content_type: &'static str,
    body: String,
    /// Whether to wait for what isn't ready yet.
    is_patient: bool,
}

impl Call {
    fn get(path: String) -> Self {
        Call { method: Method::GET, path, content_type: "application/json", body: String::new(), is_patient: true }
    }

    fn build(&self) -> Request<Vec<u8>> {
        let mut request = Request::new(self.body.clone().into_bytes());
        *request.method_mut() = self.method.clone();
        // Names were checked when they were parsed, so there is nothing to escape but the queries, which are escaped where they are made.
        *request.uri_mut() = self.path.parse().unwrap_or_default();
        if let Ok(content_type) = self.content_type.parse() {
            request.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
        }
        request
    }
}

fn collection(kind: Kind, namespace: Option<&str>) -> String {
    let root = if kind.group.is_empty() { format!("/api/{}", kind.version) } else { format!("/apis/{}/{}", kind.group, kind.version) };
    match namespace {
        Some(namespace) if kind.namespaced => format!("{root}/namespaces/{namespace}/{}", kind.plural),
        _ => format!("{root}/{}", kind.plural),
    }
}

fn path(object: &ObjectRef) -> String {
    format!("{}/{}", collection(object.kind, object.namespace.as_deref()), object.name)
}

/// A label selector in a query.
fn escape(selector: &str) -> String {
    selector.replace('%', "%25").replace('=', "%3D").replace(',', "%2C").replace('!', "%21").replace(' ', "%20").replace('/', "%2F")
}

#[async_trait]
impl Objects for Kubernetes {
    async fn apply(&self, cluster: &str, manifest: &Json, deadline: &Deadline) -> Result<Json, Failure> {
        self.write(cluster, manifest, Write::Apply, deadline).await
    }

    async fn dry_run(&self, cluster: &str, manifest: &Json, deadline: &Deadline) -> Result<(), Failure> {
        self.write(cluster, manifest, Write::DryRun, deadline).await.map(|_| ())
    }

    async fn get(&self, cluster: &str, object: &ObjectRef, deadline: &Deadline) -> Result<Option<Json>, Failure> {
        let attempt = Attempt { cluster, verb: "read", object: object.to_string() };
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
        let attempt = Attempt { cluster, verb: "list", object: format!("{}{within}", kind.plural) };
        let call = Call::get(format!("{}{query}", collection(kind, namespace)));
        let list = absent(self.send(&attempt, &call, deadline).await)?;
        let mut items = match list.map(|mut list| list["items"].take()) {
            Some(Json::Array(items)) => items,
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
        let attempt = Attempt { cluster, verb: "delete", object: object.to_string() };
        let call = Call { method: Method::DELETE, is_patient: true, ..Call::get(format!("{}?propagationPolicy=Background", path(object))) };
        absent(self.send(&attempt, &call, deadline).await)?;
        match self.wait(cluster, object, "it to be gone", &|live| live.is_none(), deadline).await {
            Ok(_) => Ok(()),
            Err(failure) => {
                let last = Deadline::after(CONNECT, tokio_util::sync::CancellationToken::new());
                let live = self.get(cluster, object, &last).await.ok().flatten().unwrap_or_default();
                let finalizers = live["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Json::as_str);
                let lines: Vec<_> = finalizers.map(|finalizer| format!("{object} is held by the finalizer {finalizer}")).collect();
                Err(failure.seen(lines))
            }
        }
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
