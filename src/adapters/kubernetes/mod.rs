//! The clusters' API servers: one client a cluster, made at the first call, and requests that are tried again while it makes sense.

mod namespaces;
mod objects;
mod request;
mod stuck;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub(super) use request::{Call, path};
#[cfg(test)]
pub(super) use testing::{ok, scripted, status};

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use framework::Deadline;
use kube::config::Kubeconfig;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::{
    access::ClusterAccess,
    connection::{Connection, Server},
    refusal::{self, Attempt, Refusal, Refused},
};
use crate::ports::{Failure, FailureKind};

/// The first pause before a request is tried again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

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

    /// Returns the cluster's kubeconfig, for a program that connects by itself.
    pub(super) fn kubeconfig(&self, cluster: &str) -> Result<Arc<Kubeconfig>, Failure> {
        self.connection(cluster)?.kubeconfig(cluster)
    }

    /// Sends a request, again and again while it makes sense: an API server that restarts, a webhook that doesn't serve yet.
    pub(super) async fn send(&self, attempt: &Attempt<'_>, call: &Call, deadline: &Deadline) -> Result<Json, Failure> {
        self.send_for(attempt, call, deadline).await
    }

    /// As [`send`](Self::send), for an answer that is parsed as something else than all of its JSON.
    async fn send_for<T: DeserializeOwned>(&self, attempt: &Attempt<'_>, call: &Call, deadline: &Deadline) -> Result<T, Failure> {
        self.call(attempt, |server: Arc<Server>| async move { call.send(&server).await }, deadline).await
    }

    /// As [`send`](Self::send), for any sort of request.
    pub(super) async fn call<T, F: Future<Output = Result<T, Refused>> + Send>(
        &self,
        attempt: &Attempt<'_>,
        call: impl Fn(Arc<Server>) -> F + Send + Sync,
        deadline: &Deadline,
    ) -> Result<T, Failure> {
        let connection = self.connection(attempt.cluster)?;
        let begin = tokio::time::Instant::now();
        let mut pause = PAUSES.0;
        loop {
            let server = connection.server(attempt.cluster, deadline).await?;
            let cut = |cut| Failure::cut(cut, attempt.waiting(), &attempt.doing());
            let refused = match deadline.bound(call(Arc::clone(&server))).await.map_err(cut)? {
                Ok(answer) => return Ok(answer),
                Err(refused) => refused,
            };
            if refused.is_of_credentials() && connection.renew(attempt.cluster, &server).await {
                tracing::info!(cluster = attempt.cluster, "the credentials are no longer accepted: obtaining new ones");
                continue;
            }
            let mut refusal = refusal::of(attempt, &server, refused);
            if refusal.is_doubtful && !is_api_server(&server, deadline).await {
                refusal = Refusal::unreachable(attempt, &server, "404 from a server that is not an API server");
            }
            let Refusal { failure, patience, after, .. } = refusal;
            let next = after.unwrap_or_default().max(jittered(pause));
            if begin.elapsed() + after.unwrap_or_default() >= patience {
                return Err(failure);
            }
            tracing::debug!(cluster = attempt.cluster, failure = %failure.summary, pause = ?next, "trying again");
            if let Err(ended) = deadline.pause(next).await {
                // The time is over because of this.
                return Err(cut(ended).seen([failure.why]).raw(failure.raw.unwrap_or_default()));
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}

/// A pause of 75 to 125 percent, so that many requests that failed at once don't come again at once.
fn jittered(pause: Duration) -> Duration {
    // Each of these states is seeded at random.
    let random = RandomState::new().hash_one(()) % 512;
    pause * (768 + u32::try_from(random).unwrap_or_default()) / 1024
}

/// Returns whether an API server is behind the address at all. It answers a path of a kind that isn't installed with a bare 404, and so
/// does any web server, a proxy's error page for one; taken for "not found", that would make Terraform forget what lives on.
async fn is_api_server(server: &Server, deadline: &Deadline) -> bool {
    let groups = deadline.bound(Call::get("/apis".to_owned()).send::<Json>(server)).await;
    matches!(groups, Ok(Ok(groups)) if groups["kind"] == "APIGroupList")
}

/// An object that doesn't exist is no failure of a read.
fn absent<T>(outcome: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}
