//! `mesh_remote_secret`: istiod of one cluster reads the Services of another one. Owns one Secret.

mod discovery;
mod import;
mod model;
mod plan;
mod spec;
#[cfg(test)]
mod tests;
mod token;

use std::time::Duration;

use async_trait::async_trait;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

pub use model::RemoteSecretModel;

use crate::{
    data::{Kind, Secret},
    mesh::{
        ClusterKey,
        labels::{self, remote_of, remote_secrets},
        remote_secret::{self, Account, ISTIOD_PODS, Kubeconfig, Live, Place, REMOTE_SECRETS, RemoteGateway, Token, TokenPolicy},
    },
    ports::Failure,
    world::{ClusterAccess, Creation, LiveCluster, World, listing::Discover, marked, not_ours},
};
use framework::{Cx, DefaultTimeouts, Error, Observed, Parse, Parsed, Plan, Prior, Reached, Resource, Timeouts, Value};
use serde_json::{Value as Json, json};
use spec::Override;

/// The remote secret to be.
pub struct RemoteSecret {
    cluster: ClusterKey,
    place: Place,
    server: Override,
    account: Account,
    lifetime_hours: u32,
    policy: TokenPolicy,
    rotation: Option<i64>,
    is_endless: bool,
    gateway: Option<RemoteGateway>,
}

/// The remote secret that is.
#[derive(Default)]
pub struct RemoteSecretStatus {
    issued_at: Option<OffsetDateTime>,
    expires_at: Option<OffsetDateTime>,
    istiod_version: Option<String>,
    drift: Vec<String>,
}

impl RemoteSecret {
    fn on<'a>(&'a self, cx: &'a Cx<'_, World>) -> LiveCluster<'a> {
        cx.cluster(&self.cluster)
    }

    fn id(&self) -> String {
        format!("{}/{}/{}", self.cluster, self.place.namespace, self.place.remote)
    }

    /// Writes the Secret, in one write: istiod reads the cluster by the old one until it has read it by the new one.
    async fn write(
        &self,
        kubeconfig: &Kubeconfig,
        token: &Token,
        live: Option<&Json>,
        creation: Option<&Creation>,
        reached: &mut Reached<RemoteSecretStatus>,
        cx: &Cx<'_, World>,
    ) -> Result<(), Error> {
        let cluster = self.on(cx);
        let manifest = marked(self.place.manifest(kubeconfig, &self.record_of(token)), creation);
        cluster.put_first(&manifest, live.is_none(), reached, || self.import_id()).await?;
        let others: serde_json::Map<_, _> =
            live.map(Live::read).iter().flat_map(|live| live.others(&self.place)).map(|name| (name.to_owned(), Json::Null)).collect();
        if !others.is_empty() {
            cluster.patch(&self.place.object(), &json!({"data": others})).await?;
        }
        Ok(())
    }

    /// Deletes the Secrets that earlier inputs have left under other names: Istio's name of the remote cluster has changed.
    async fn remove_former(&self, prior: &Prior<Self>, cx: &Cx<'_, World>) -> Result<(), Error> {
        for former in prior.in_place().filter(|former| former.place != self.place) {
            former.remove(cx).await?;
        }
        Ok(())
    }

    /// Deletes the Secret, if it is ours.
    async fn remove(&self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let (cluster, object) = (self.on(cx), self.place.object());
        let Some(live) = cluster.get(&object).await? else { return Ok(()) };
        if !self.is_own(&live) {
            cx.warn(Error::new(
                "A Secret of others was left in place",
                format!(
                    "{object} of cluster \"{}\" has no longer the labels of this resource, so somebody else has made it anew, and it was not deleted. \
                     istiod goes on to read cluster \"{}\" by it. Delete it, if nobody needs it: `kubectl delete secret -n {} {}`.",
                    self.cluster, self.place.remote, self.place.namespace, object.name
                ),
            ));
            return Ok(());
        }
        cluster.delete_found(&live, |live| self.is_own(live)).await.map_err(Error::from)
    }

    /// Whether a Secret is that of this resource.
    fn is_own(&self, live: &Json) -> bool {
        labels::is_ours(live) && remote_of(live).as_ref() == Some(&self.place.remote)
    }

    fn import_id(&self) -> String {
        format!("mesh_remote_secret.<name> {}", self.id())
    }
}

#[async_trait]
impl Resource for RemoteSecret {
    type World = World;
    type Model = RemoteSecretModel;
    type Spec = Self;
    type Status = RemoteSecretStatus;

    const NAME: &'static str = "mesh_remote_secret";
    const TIMEOUTS: DefaultTimeouts =
        DefaultTimeouts { apply: Duration::from_secs(180), read: Duration::from_secs(60), delete: Duration::from_secs(120) };
    const IDENTITY: &'static [&'static str] = &["cluster", "namespace", "remote.cluster"];

    fn timeouts(model: &RemoteSecretModel) -> &Value<Timeouts> {
        &model.timeouts
    }

    fn parse(model: &RemoteSecretModel, parse: &mut Parse<'_>) -> Option<Self> {
        Self::parse_model(model, parse)
    }

    fn plan(plan: &mut Plan<'_, RemoteSecretModel, World>, spec: &Parsed<Self>) {
        plan::check(plan, spec);
    }

    fn plan_destroy(destruction: &mut framework::Destruction<'_, RemoteSecretModel, World>) {
        crate::world::check_destroyable(destruction.world, &destruction.prior.cluster, destruction.report);
    }

    async fn apply(spec: &Self, prior: &Prior<Self>, reached: &mut Reached<RemoteSecretStatus>, cx: &Cx<'_, World>) -> Result<(), Error> {
        let (cluster, object) = (spec.on(cx), spec.place.object());
        let live = if prior.is_none() { cluster.left(&object, || spec.import_id()).await? } else { cluster.get(&object).await? };
        let is_elsewhere = !prior.is_none() && prior.finished().is_none_or(|prior| prior.place != spec.place);
        if is_elsewhere && live.as_ref().is_some_and(|live| !spec.is_own(live)) {
            return Err(not_ours(&spec.cluster, &object.to_string(), &spec.import_id()));
        }
        // What is wrong with the server is known before there is a token.
        spec.kubeconfig(&Secret::new(""), cx.world)?;
        let creation = Creation::begin(&spec.cluster, prior, cx).await;
        let token = spec.token(live.as_ref(), prior, creation.as_ref(), reached, cx).await?;
        let kubeconfig = spec.kubeconfig(&token.token, cx.world)?;
        let status = |istiod_version| RemoteSecretStatus {
            issued_at: Some(token.issued_at),
            expires_at: token.expires_at,
            istiod_version,
            drift: Vec::new(),
        };
        // All of the status but istiod's version is known before the write, which may be cut off after it has succeeded.
        reached.set(status(None));
        let written = spec.write(&kubeconfig, &token, live.as_ref(), creation.as_ref(), reached, cx).await;
        if written.is_err()
            && reached.is_nothing()
            && let Err(error) = spec.remove_token(cx).await
        {
            cx.warn(error);
        }
        written?;
        spec.remove_former(prior, cx).await?;
        if !spec.has_former_tokens(prior) {
            reached.set_all(status(None));
        }
        let version = spec.discovered(&kubeconfig, cx).await?;
        // Only now does no replica read by a former token.
        spec.remove_former_tokens(prior, cx).await?;
        reached.set_all(status(version));
        if creation.is_some() {
            spec.unmark_token(cx).await?;
            cluster.unmark(&object).await?;
        }
        Ok(())
    }

    async fn read(spec: &Self, cx: &Cx<'_, World>) -> Result<Observed<RemoteSecretStatus>, Error> {
        if !cx.world.clusters.is_known(&spec.cluster) {
            return Ok(Observed::Deferred);
        }
        let cluster = spec.on(cx);
        if cluster.is_lost().await {
            return Ok(Observed::Unseen);
        }
        let (namespace, object) = (Some(spec.place.namespace.as_str()), spec.place.object());
        let selector = format!("{REMOTE_SECRETS}=true");
        let (secrets, pods) =
            tokio::join!(cluster.list(Kind::SECRET, namespace, &selector), cluster.list(Kind::POD, namespace, ISTIOD_PODS));
        let secrets = secrets?;
        let version = pods.ok().and_then(|pods| remote_secret::version(&pods)).map(|version| version.to_string());
        let live = match secrets.iter().find(|secret| secret["metadata"]["name"] == object.name.as_str()) {
            Some(live) => Some(live.clone()),
            // Somebody may have taken its label away.
            None => cluster.get(&object).await?,
        };
        let Some(live) = live else {
            // An update to another name may have come that far.
            let is_left = secrets.iter().any(|secret| spec.is_own(secret)) || spec.keeps_token(cx).await?;
            let drift = vec![format!("{object}: it is gone")];
            let status = RemoteSecretStatus { issued_at: None, expires_at: None, istiod_version: version, drift };
            return Ok(if is_left { Observed::Found(status) } else { Observed::Gone });
        };
        let live = Live::read(&live);
        let token = live.token(&spec.place);
        // Of an access that isn't known now nothing is compared.
        let wanted = token.as_ref().map(|token| token.token.clone()).or_else(|| live.only().map(|(_, found)| found.token.clone()));
        let wanted = wanted.and_then(|token| spec.kubeconfig(&token, cx.world).ok());
        let differences = live.differences(&spec.place, wanted.as_ref()).into_iter().map(|line| format!("{object}: {line}"));
        let drift = differences.chain(spec.token_drift(&live, cx).await?).collect();
        let recorded = live.record.as_ref();
        Ok(Observed::Found(RemoteSecretStatus {
            issued_at: recorded.map(|record| record.issued_at),
            expires_at: recorded.and_then(|record| record.expires_at),
            istiod_version: version,
            drift,
        }))
    }

    async fn delete(spec: &Self, cx: &Cx<'_, World>) -> Result<(), Error> {
        if !spec.on(cx).leaves_behind(&spec.place.object().to_string()).await {
            spec.remove(cx).await?;
        }
        spec.remove_token(cx).await
    }

    async fn import(id: &str, cx: &Cx<'_, World>) -> Result<RemoteSecretModel, Error> {
        import::import(id, cx).await
    }

    fn record(status: &RemoteSecretStatus, model: &mut RemoteSecretModel) {
        let time = |at: Option<OffsetDateTime>| at.and_then(|at| at.format(&Rfc3339).ok()).map_or(Value::Null, Value::Value);
        model.issued_at = time(status.issued_at);
        model.expires_at = time(status.expires_at);
        model.istiod_version = status.istiod_version.clone().map_or(Value::Null, Value::Value);
        model.drift = crate::world::strings(&status.drift);
    }
}

#[async_trait]
impl Discover for RemoteSecret {
    async fn discover(cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        let found = cx.cluster(cluster).list_metadata(Kind::SECRET, None, &remote_secrets()).await?;
        let id = |secret: &Json| Some(format!("{cluster}/{}/{}", secret["metadata"]["namespace"].as_str()?, remote_of(secret)?));
        Ok(found.iter().filter_map(id).collect())
    }
}
