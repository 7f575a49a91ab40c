//! The pod that makes the calls: found, or created and deleted.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::MeshProbe;
use crate::{
    data::{Kind, ObjectRef},
    mesh::{
        Namespace, ServiceAccountName,
        labels::{Owner, selector_of},
        observe::evidence,
        probe::caller::{self, Caller, NoCaller},
    },
    ports::Failure,
    world::{ClusterAccess as _, LiveCluster, World},
};
use framework::{AttributePath, Cx, Deadline, Error};

/// How long a pod that was created may take until it is ready.
const READY: Duration = Duration::from_secs(60);

/// How long Kubernetes lets it run, should nobody delete it.
const LIFE: Duration = Duration::from_secs(180);

/// How long its deletion may take, whatever became of the read.
const DELETION: Duration = Duration::from_secs(15);

/// Where calls come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// A pod that exists.
    Existing { namespace: Namespace, labels: BTreeMap<String, String>, container: Option<String> },
    /// A pod that is made for the calls.
    Created { namespace: Namespace, image: String, account: ServiceAccountName },
}

impl From {
    pub(super) fn namespace(&self) -> &Namespace {
        match self {
            Self::Existing { namespace, .. } | Self::Created { namespace, .. } => namespace,
        }
    }
}

/// Why no call can be made.
pub(super) enum Hindrance {
    /// The configuration is wrong.
    Wrong(Error),
    /// The cluster is as it is.
    Seen {
        /// What was seen; sentences.
        seen: String,
        /// What to do.
        fix: String,
    },
}

impl std::convert::From<Failure> for Hindrance {
    fn from(failure: Failure) -> Self {
        let seen = failure
            .seen
            .iter()
            .fold(format!("{}. {}", failure.summary.trim_end_matches('.'), failure.why), |all, line| format!("{all} {line}."));
        Self::Seen { seen, fix: failure.advice }
    }
}

impl MeshProbe {
    /// Finds a pod that exists.
    pub(super) async fn find(
        &self,
        labels: &BTreeMap<String, String>,
        container: Option<&str>,
        cluster: LiveCluster<'_>,
    ) -> Result<Caller, Hindrance> {
        let (namespace, selector) = (self.from.namespace(), selector_of(labels));
        let pods = cluster.list(Kind::POD, Some(namespace.as_str()), &selector).await?;
        let which = format!("with the labels {selector} in namespace {namespace} of cluster {}", self.cluster);
        let seen = |seen: String, fix: &str| Hindrance::Seen { seen, fix: fix.to_owned() };
        caller::choose(&pods, container).map_err(|why| match why {
            NoCaller::NoPod => seen(format!("There is no pod {which}."), "Start the workload, or correct `from`."),
            NoCaller::NotReady => {
                let lines = evidence::lines(&pods, &[]).join("; ");
                seen(format!("No pod {which} is ready. {lines}"), "Mend what keeps the pods from becoming ready.")
            }
            NoCaller::NoSidecar => seen(
                format!("No pod {which} has a sidecar, so none is part of the mesh."),
                "Label the namespace with istio-injection=enabled, and restart its workloads.",
            ),
            NoCaller::NoContainer(names) => {
                let detail =
                    format!("The pods {which} have no container {:?}; they have {}.", container.unwrap_or_default(), names.join(", "));
                Hindrance::Wrong(Error::new("No such container", detail).at(AttributePath::new("from").attribute("container")))
            }
        })
    }

    /// Deletes the pods that killed runs have left in the namespace.
    async fn sweep(&self, cluster: LiveCluster<'_>, cx: &Cx<'_, World>) -> Result<(), Failure> {
        let is_left = |pod: &Json| caller::is_left(pod, |run| cx.world.runs.is_alive(run));
        let pods = cluster.list(Kind::POD, Some(self.from.namespace().as_str()), &Owner::Probe.selector()).await?;
        for pod in pods.iter().filter(|pod| is_left(pod)) {
            cluster.delete_found(pod, is_left).await?;
        }
        Ok(())
    }

    /// Creates a pod, lets `calls` use it, and deletes it, whatever became of them.
    pub(super) async fn with_created<T>(
        &self,
        image: &str,
        account: &ServiceAccountName,
        cx: &Cx<'_, World>,
        calls: impl AsyncFnOnce(Caller) -> T,
    ) -> Result<T, Hindrance> {
        let cluster = cx.cluster(&self.cluster);
        self.sweep(cluster, cx).await?;
        let run = cx.world.runs.begin().await;
        let mut hasher = DefaultHasher::new();
        (&run.id, cx.world.clock.now(), self.cluster.as_str(), self.target.to_string()).hash(&mut hasher);
        let (name, namespace) = (format!("mesh-probe-{:016x}", hasher.finish()), self.from.namespace());
        let pod = ObjectRef::namespaced(Kind::POD, namespace.as_str(), &name);
        let manifest = caller::manifest(&name, namespace, image, account, &run.id, LIFE);
        let outcome = match cluster.create(&manifest).await {
            Ok(_) => match self.await_ready(&pod, cx).await {
                Ok(()) => {
                    let caller = Caller { pod: name, container: caller::CONTAINER.to_owned(), service_account: account.to_string() };
                    Ok(calls(caller).await)
                }
                Err(hindrance) => Err(hindrance),
            },
            Err(failure) => Err(failure.into()),
        };
        // Even if the user interrupts: it is all that is left to do.
        let deadline = Deadline::after(DELETION, CancellationToken::new());
        if let Err(failure) = cluster.within(&deadline).delete(&pod).await {
            let detail = format!(
                "{pod} of cluster \"{}\" couldn't be deleted. Kubernetes ends it after {} seconds, and the next probe of the namespace deletes it.\n\n{}",
                self.cluster,
                LIFE.as_secs(),
                failure.detail()
            );
            cx.warn(Error::new("The pod of a probe is left behind", detail));
        }
        outcome
    }

    /// Waits until a pod of ours is ready, with its sidecar.
    async fn await_ready(&self, pod: &ObjectRef, cx: &Cx<'_, World>) -> Result<(), Hindrance> {
        let deadline = cx.deadline.part(READY);
        let live = cx.cluster(&self.cluster).within(&deadline).wait(pod, "its containers to be ready", &caller::is_decided).await;
        let failure = match live {
            Ok(live) => {
                let pods: Vec<_> = live.into_iter().collect();
                return match caller::choose(&pods, None) {
                    Ok(_) => Ok(()),
                    Err(why) => Err(unready(&why, &pods)),
                };
            }
            Err(failure) => failure,
        };
        let last = Deadline::after(DELETION, CancellationToken::new());
        let live = cx.cluster(&self.cluster).within(&last).get(pod).await.ok().flatten();
        Err(failure.seen(evidence::lines(&live.into_iter().collect::<Vec<_>>(), &[])).into())
    }
}

/// Says why a pod that was created makes no call.
fn unready(why: &NoCaller, pods: &[Json]) -> Hindrance {
    let (seen, fix) = match why {
        NoCaller::NoSidecar => (
            "The pod that was created has no sidecar, so it is not part of the mesh.".to_owned(),
            "Check with mesh_status that istiod's webhook for sidecars serves, and that the namespace is one of the mesh.",
        ),
        _ => (
            format!("The pod that was created ended at once, or was deleted. {}", evidence::lines(pods, &[]).join("; ")),
            "Check that the image has the program sleep, and that the cluster's policies allow the pod.",
        ),
    };
    Hindrance::Seen { seen, fix: fix.to_owned() }
}
