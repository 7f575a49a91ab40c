//! `mesh_link`: by which gateway a cluster reaches the network of another one. Owns one Gateway of the class `istio-remote`.

mod definitions;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value as Json;

use crate::{
    data::Kind,
    mesh::{
        ClusterKey, Namespace, NetworkName,
        gateway_api::Definitions,
        helm::gateway::{self, Address},
        labels::Owner,
        link::{self, Link},
        names::port,
        observe::drift::own_differences,
    },
    ports::{Failure, FailureKind},
    world::{ClusterAccess, Creation, LiveCluster, World, check_cluster, import, listing::Discover, marked},
};
use framework::{
    AttributePath, Cx, Datum, DefaultTimeouts, Error, Observed, Parse, Parsed, Plan, Prior, Reached, Resource, Timeouts, Value, computed,
    model, optional, required,
};

model! {
    /// By which gateway a cluster reaches the network of another one. A `mesh_service_export` that names the network (`network`) then needs no
    /// address in the importing clusters: a gateway with a new address is one write in each of them, however many Services are exported.
    ///
    /// The link is a Gateway of the class `istio-remote`, for which nothing is deployed: istiod reads its addresses. It needs the definitions of
    /// the Gateway API in the cluster, which Istio's charts don't bring: set `gateway_api_crds_wo`, or install them with
    /// `kubectl apply -f https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.6.0/standard-install.yaml`.
    ///
    /// With several gateways of one network, list the addresses of all of them: calls are spread over them.
    pub struct LinkModel {
        /// Key, in the provider's `clusters`, of the cluster whose pods call: `mesh_cluster.us.cluster`, so that the link waits for its istiod.
        cluster: String => required().replaces(),
        /// Name of the network to reach: `mesh_eastwest_gateway.eu.network`.
        network: String => required().replaces(),
        /// The addresses of that network's east-west gateway, IP addresses or hostnames: `mesh_eastwest_gateway.eu.addresses`. istiod resolves
        /// hostnames itself.
        addresses: Vec<Value<String>> => required().length(1, 16),
        /// The port of these addresses for mutual TLS, 1 to 65535: `mesh_eastwest_gateway.eu.port`.
        port: i64 => optional().default(i64::from(gateway::PORT)),
        /// Namespace of the Gateway; it must exist.
        namespace: String => optional().default(Namespace::ISTIO_SYSTEM).replaces(),
        /// The definitions of the Gateway API, for a cluster that has none: the content of `standard-install.yaml` of one of its releases,
        /// `file("standard-install.yaml")` or `data.http.gateway_api.response_body`. An apply that writes the link creates those of the
        /// group `gateway.networking.k8s.io` that are missing. Where there is one of `Gateway` already, none is touched, and a destroy leaves them,
        /// as others may use them by then.
        gateway_api_crds_wo: String => optional().write_only(),
        /// Differences between the cluster and the last applied configuration, one string each. The next apply reverts them.
        drift: Vec<Value<String>> => computed().settled(Datum::List(vec![])),
        /// How long each operation may take.
        timeouts: Timeouts => optional(),
    }
}

/// The link to be.
pub struct NetworkLink {
    cluster: ClusterKey,
    link: Link,
    /// Only in an apply.
    definitions: Option<Definitions>,
}

/// The link that is.
pub struct NetworkLinkStatus {
    drift: Vec<String>,
}

impl NetworkLink {
    fn on<'a>(&'a self, cx: &'a Cx<'_, World>) -> LiveCluster<'a> {
        cx.cluster(&self.cluster)
    }

    fn id(&self) -> String {
        format!("{}/{}/{}", self.cluster, self.link.namespace, self.link.network)
    }

    /// Waits until istiod has taken up the Gateway.
    async fn taken_up(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        let (cluster, object) = (self.on(cx), self.link.object());
        let is_taken_up = |live: Option<&Json>| live.is_some_and(link::is_taken_up);
        let waited = cluster.wait(&object, "istiod to take up the Gateway", &is_taken_up).await;
        waited.map(|_| ()).map_err(|failure| {
            failure.advice(format!(
                "Is istiod running in cluster \"{}\", and has it made the GatewayClass `istio-remote`? It does so once the definitions of the \
                 Gateway API are there, unless PILOT_ENABLE_GATEWAY_API is false.",
                self.cluster
            ))
        })
    }
}

#[async_trait]
impl Resource for NetworkLink {
    type World = World;
    type Model = LinkModel;
    type Spec = Self;
    type Status = NetworkLinkStatus;

    const NAME: &'static str = "mesh_link";
    const TIMEOUTS: DefaultTimeouts =
        DefaultTimeouts { apply: Duration::from_secs(120), read: Duration::from_secs(60), delete: Duration::from_secs(120) };
    const IDENTITY: &'static [&'static str] = &["cluster", "namespace", "network"];

    fn timeouts(model: &LinkModel) -> &Value<Timeouts> {
        &model.timeouts
    }

    fn parse(model: &LinkModel, parse: &mut Parse<'_>) -> Option<Self> {
        let cluster = parse.required("cluster", &model.cluster, |key| ClusterKey::parse(key));
        let network = parse.required("network", &model.network, |text| NetworkName::parse(text));
        let namespace = parse.required("namespace", &model.namespace, |text| Namespace::parse(text));
        let addresses = parse.each("addresses", &model.addresses, |text| Address::parse(text));
        let port = parse.optional("port", &model.port, |number| port::number(*number));
        let definitions = parse.optional("gateway_api_crds_wo", &model.gateway_api_crds_wo, |yaml| Definitions::parse(yaml));
        let link = Link { network: network?, namespace: namespace?, addresses: addresses?, port: port?.unwrap_or(gateway::PORT) };
        Some(Self { cluster: cluster?, link, definitions: definitions? })
    }

    fn plan(plan: &mut Plan<'_, LinkModel, World>, spec: &Parsed<Self>) {
        if let Parsed::Ready(spec) = spec {
            check_cluster(plan.world, &spec.cluster, AttributePath::new("cluster"), plan.report);
        }
    }

    async fn apply(spec: &Self, prior: &Prior<Self>, reached: &mut Reached<NetworkLinkStatus>, cx: &Cx<'_, World>) -> Result<(), Error> {
        let (cluster, object) = (spec.on(cx), spec.link.object());
        spec.ensure_definitions(cx).await?;
        let import = || format!("mesh_link.<name> {}", spec.id());
        let is_new = prior.is_none() && cluster.left(&object, import).await?.is_none();
        let creation = Creation::begin(&spec.cluster, prior, cx).await;
        // All of the status is known before the write, which may be cut off after it has succeeded.
        reached.set(NetworkLinkStatus { drift: Vec::new() });
        cluster.put_first(&marked(spec.link.manifest(), creation.as_ref()), is_new, reached, import).await?;
        spec.taken_up(cx).await?;
        if creation.is_some() {
            cluster.unmark(&object).await?;
        }
        Ok(())
    }

    async fn read(spec: &Self, cx: &Cx<'_, World>) -> Result<Observed<NetworkLinkStatus>, Error> {
        if !cx.world.clusters.is_known(&spec.cluster) {
            return Ok(Observed::Deferred);
        }
        if spec.on(cx).is_lost().await {
            return Ok(Observed::Unseen);
        }
        let object = spec.link.object();
        let Some(live) = spec.on(cx).get(&object).await? else { return Ok(Observed::Gone) };
        let drift = own_differences(&spec.link.manifest(), &live).into_iter().map(|line| format!("{object}: {line}")).collect();
        Ok(Observed::Found(NetworkLinkStatus { drift }))
    }

    async fn delete(spec: &Self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let (cluster, object) = (spec.on(cx), spec.link.object());
        if cluster.leaves_behind(&object.to_string()).await {
            return Ok(());
        }
        cluster.delete(&object).await.map_err(Error::from)
    }

    async fn import(id: &str, cx: &Cx<'_, World>) -> Result<LinkModel, Error> {
        let (cluster, [namespace, network]) = import::parts(id, "CLUSTER/NAMESPACE/NETWORK, for example us/istio-system/eu-net", cx)?;
        let wrong = |problem: String| Error::new("Invalid import ID", problem);
        let object = link::object(&Namespace::parse(&namespace).map_err(wrong)?, &NetworkName::parse(&network).map_err(wrong)?);
        let live = cx.cluster(&cluster).get(&object).await?.ok_or_else(|| import::nothing(&cluster, &object.to_string()))?;
        let link = Link::read(&live).ok_or_else(|| {
            Error::new("Not a link", format!("{object} of cluster \"{cluster}\" has no addresses, or no network among its labels."))
        })?;
        Ok(LinkModel {
            cluster: Value::Value(cluster.to_string()),
            network: Value::Value(network),
            addresses: Value::Value(link.addresses.iter().map(|address| Value::Value(address.to_string())).collect()),
            port: Value::Value(i64::from(link.port)),
            namespace: Value::Value(namespace),
            gateway_api_crds_wo: Value::Null,
            drift: Value::Null,
            timeouts: Value::Null,
        })
    }

    fn record(status: &NetworkLinkStatus, model: &mut LinkModel) {
        model.drift = crate::world::strings(&status.drift);
    }
}

#[async_trait]
impl Discover for NetworkLink {
    async fn discover(cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        let found = match cx.cluster(cluster).list(Kind::API_GATEWAY, None, &Owner::Link.selector()).await {
            // A cluster without the Gateway API has no links.
            Err(failure) if failure.kind == FailureKind::NotFound => Vec::new(),
            found => found?,
        };
        let name = |live: &Json| {
            let link = Link::read(live)?;
            Some(format!("{cluster}/{}/{}", link.namespace, link.network))
        };
        Ok(found.iter().filter_map(name).collect())
    }
}
