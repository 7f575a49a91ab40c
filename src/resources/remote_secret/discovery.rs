//! Whether every replica of istiod has read the remote cluster, and why not.

use std::time::Duration;

use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use super::RemoteSecret;
use crate::{
    data::{Kind, ObjectRef},
    mesh::remote_secret::{
        CLUSTERS_PAGE, ISTIOD_CONTAINER, ISTIOD_DEBUG_PORT, ISTIOD_PODS, Kubeconfig, Reading, reading, replicas, told, version,
    },
    ports::{Failure, FailureKind, Waiting},
    world::World,
};
use framework::{Cx, Deadline, Error};

/// How often to look.
const POLL: Duration = Duration::from_secs(1);

/// How long one replica may take for its answer.
const ANSWER: Duration = Duration::from_secs(10);

/// How long a look at the logs may take, once the time is over.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// How many lines of a log are searched.
const LINES: u32 = 500;

/// What a look at all replicas has found.
enum Look {
    /// All of them have read the cluster.
    Done,
    /// What is missing, a line for each replica.
    Not(Vec<String>),
    /// The credentials don't allow to ask.
    Unseen(Failure),
}

impl RemoteSecret {
    /// Waits until every replica has read the remote cluster. Returns istiod's version.
    pub(super) async fn discovered(&self, kubeconfig: &Kubeconfig, cx: &Cx<'_, World>) -> Result<Option<String>, Error> {
        let (mut pods, mut missing) = (Vec::new(), vec!["no replica was asked".to_owned()]);
        let mut waiting = Waiting::until(&cx.deadline);
        // A replica that hasn't noticed the new Secret yet would answer for the former one, as its answer doesn't say for which.
        World::propagated(cx).await;
        loop {
            match waiting.outlast(self.on(cx).list(Kind::POD, Some(self.place.namespace.as_str()), ISTIOD_PODS).await) {
                Ok(Some(found)) => pods = found,
                // What was seen before says more than silence does.
                Ok(None) => {}
                Err(failure) if failure.kind == FailureKind::Denied => {
                    self.unverified(&failure, cx);
                    return Ok(None);
                }
                Err(failure) => return Err(failure.into()),
            }
            let found = || version(&pods).map(|version| version.to_string());
            match self.look(&replicas(&pods), cx).await {
                Look::Done => return Ok(found()),
                Look::Unseen(failure) => {
                    self.unverified(&failure, cx);
                    return Ok(found());
                }
                Look::Not(lines) if !cx.deadline.remaining().is_zero() => missing = lines,
                Look::Not(_) => {}
            }
            let title = format!("Cluster \"{}\" doesn't discover cluster \"{}\"", self.cluster, self.place.remote);
            let what = format!("waiting for every replica of istiod to read cluster \"{}\"", self.place.remote);
            if let Err(failure) = waiting.pause(POLL, &title, &what).await {
                let failure = failure.seen(missing).seen(self.logged(&replicas(&pods), cx).await);
                return Err(if failure.kind == FailureKind::Interrupted { failure } else { failure.advice(self.advice(kubeconfig)) }.into());
            }
        }
    }

    async fn look(&self, pods: &[ObjectRef], cx: &Cx<'_, World>) -> Look {
        if pods.is_empty() {
            return Look::Not(vec![format!("Namespace {} has no running pod with the label {ISTIOD_PODS}", self.place.namespace)]);
        }
        let deadline = cx.deadline.part(ANSWER);
        let cluster = self.on(cx).within(&deadline);
        let answers = join_all(pods.iter().map(|pod| cluster.ask_pod(pod, ISTIOD_DEBUG_PORT, CLUSTERS_PAGE))).await;
        let mut missing = Vec::new();
        for (pod, answer) in pods.iter().zip(answers) {
            match answer.map(|answer| reading(&answer, &self.place)) {
                Ok(Reading::Synced) => {}
                Ok(Reading::Own) => missing.push(format!("{pod}: cluster \"{}\" is its own", self.place.name)),
                Ok(Reading::Not(why)) => missing.push(format!("{pod}: {why}")),
                Err(failure) if failure.kind == FailureKind::Denied => return Look::Unseen(failure),
                Err(failure) => missing.push(format!("{pod}: {}", failure.why)),
            }
        }
        if missing.is_empty() { Look::Done } else { Look::Not(missing) }
    }

    /// Reports that nothing could be verified, which is no failure: the Secret is written.
    fn unverified(&self, failure: &Failure, cx: &Cx<'_, World>) {
        let detail = format!(
            "The remote secret was written, but the credentials for cluster \"{}\" don't allow to ask istiod whether it reads cluster \"{}\". Grant `get` and \
             `create` of `pods/portforward`, and `list` of `pods`, in namespace {}, or look yourself: `istioctl remote-clusters`.\n\n{}",
            self.cluster,
            self.place.remote,
            self.place.namespace,
            failure.detail()
        );
        cx.warn(Error::new("Discovery was not verified", detail));
    }

    /// Returns what the replicas have logged of the cluster.
    async fn logged(&self, pods: &[ObjectRef], cx: &Cx<'_, World>) -> Vec<String> {
        let deadline = Deadline::after(LAST_LOOK, CancellationToken::new());
        let (world, cluster) = (cx.world, self.cluster.as_str());
        let logs = join_all(pods.iter().map(|pod| world.pods.log(cluster, pod, ISTIOD_CONTAINER, LINES, &deadline))).await;
        let lines = pods.iter().zip(logs).flat_map(|(pod, log)| {
            told(&log.unwrap_or_default(), &self.place).into_iter().map(move |line| format!("{pod} has logged: {line}"))
        });
        lines.collect()
    }

    fn advice(&self, kubeconfig: &Kubeconfig) -> String {
        let (reader, remote) = (&self.cluster, &self.place.remote);
        format!(
            "The Secret is written and saved in the state; the next apply goes on from there. Check that\n\
             - the pods of cluster \"{reader}\" reach {}, the API server of cluster \"{remote}\": set `server` if they need another address;\n\
             - its certificate is one of `ca_certificate`, or of the certificate authority in the provider's `clusters`, and has the host's name;\n\
             - {} of cluster \"{remote}\" may list Services and EndpointSlices: Istio's chart `istiod` binds the ClusterRole istio-reader-clusterrole to it;\n\
             - no other Secret of cluster \"{reader}\" with the label istio/multiCluster leads to \"{}\".",
            kubeconfig.server,
            self.account.object(),
            self.place.name
        )
    }
}
