//! `mesh_eastwest_gateway`: the gateway through which other networks reach this one. Owns one Helm release, and is ready when the load
//! balancer has an address.

mod addresses;
mod adoption;
#[cfg(test)]
mod adoption_tests;
mod exposure;
mod plan;
mod revision;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use crate::world::{ClusterAccess, Creation, LiveCluster, World, import, in_place, is_ending, listing::Discover, namespace, release_drift};
use crate::{
    data::{Deployed, Kind, ObjectRef, Release},
    mesh::{
        ClusterKey, EastwestGatewaySettings, Exposure, LabelValue, Namespace, NetworkName, ObjectName, ReleaseName, Revision, Values,
        helm::gateway::{CHART, GatewayNames, PORT},
        labels::selector_of,
        observe::ignored::IgnoredField,
    },
    ports::Failure,
};
use addresses::{External, port_value};
use adoption::Found;
use async_trait::async_trait;
use framework::{
    Cx, Datum, DefaultTimeouts, Error, Observed, Parse, Parsed, Plan, Prior, Reached, Resource, Set, Timeouts, Value, computed, model,
    optional, required,
};

model! {
    /// The east-west gateway of a cluster: workloads on other networks reach this cluster's exported services through it, with mutual
    /// TLS from sidecar to sidecar. Installs Istio's `gateway` chart, with a Service of type LoadBalancer, and waits for its address.
    ///
    /// It exposes nothing by itself: every `mesh_service_export` opens it for one host, and `exposed_services` for Services under their own names.
    pub struct EastwestGatewayModel {
        /// Key of the cluster in the provider's `clusters`. Refer to `mesh_cluster.us.cluster`.
        cluster: String => required().replaces(),
        /// The cluster's network. Refer to `mesh_cluster.us.network`, so that the control plane is installed first.
        network: String => required(),
        /// Namespace of the gateway. It is created if it doesn't exist.
        namespace: String => optional().default(Namespace::ISTIO_SYSTEM).replaces(),
        /// Name of the Helm release, and, unless `service_name` is set, of the Deployment and of the Service.
        name: String => optional().default("istio-eastwestgateway").replaces(),
        /// Name of the Deployment and of the Service, where it isn't `name`: for a release that was installed with the Helm value `name`.
        service_name: String => optional().replaces(),
        /// Label `istio` of the pods, by which the Gateways of exports select them. Defaults to the Service's name without `istio-`:
        /// `eastwestgateway`. Two gateways of a cluster need different ones, or each opens what is exported by the other.
        label: String => optional().replaces(),
        /// Version of Istio's charts, for example `1.31.0`. Defaults to the provider's `helm.version`, or else to the newest version.
        istio_version: String => optional(),
        /// Annotations of the Service, for the cloud's load balancer.
        service_annotations: BTreeMap<String, Value<String>> => optional(),
        /// The Service's load balancer class, for example `service.k8s.aws/nlb`.
        load_balancer_class: String => optional(),
        /// CIDR ranges from which the load balancer accepts connections, for example `203.0.113.0/24`. Defaults to all.
        source_ranges: Set<String> => optional(),
        /// Addresses by which other clusters reach the gateway: IP addresses or hostnames, for example `["203.0.113.7"]`. Set them where no load
        /// balancer gives the Service an address that they can use, as on bare metal, behind NAT or a VPN, or for a DNS name of your own. The
        /// apply then doesn't wait for a load balancer.
        external_addresses: Set<String> => optional(),
        /// Port of `external_addresses` that leads to the gateway: 1 to 65535. Defaults to the node port for a Service of type NodePort, or else
        /// to the Service's port.
        external_port: i64 => optional(),
        /// Services that clusters with a `mesh_remote_secret` for this one may call through the gateway under their own names: `NAMESPACE/SERVICE`, or
        /// `NAMESPACE/*` for all of a namespace, for example `["shop/echo"]`. Any workload of the mesh may then call them. The cluster's domain must be
        /// `cluster.local`. Exports don't need it.
        exposed_services: Set<String> => optional(),
        /// Labels of further Services that are exposed like `exposed_services`, in all namespaces: `{ "mesh.example.com/expose" = "true" }`. All of the labels
        /// count. A Service that gets or loses them later is a line of `drift`, and the next apply follows. Whoever may label a Service may then open it to the mesh.
        exposed_service_labels: BTreeMap<String, Value<String>> => optional(),
        /// Revision of istiod whose proxy and configuration the gateway gets: `revision` of the `canary` of the `mesh_cluster`, or a tag of it. Defaults
        /// to the cluster's own istiod. A change rolls the pods; the load balancer stays.
        revision: String => optional(),
        /// Fixed number of pods. If not set, the chart's autoscaler decides.
        replicas: i64 => optional().at_least(1),
        /// Helm values for the `gateway` chart, as YAML documents; later ones override earlier ones, and attributes of this resource override
        /// all of them.
        values: Vec<Value<String>> => optional().equivalent_by(crate::world::same_values),
        /// Helm values on top of `values` that may hold secrets, as one YAML document. They reach the release, and are in no plan or state; a plan shows
        /// neither them nor changes of them, and an import reads them into `values`. The CLI can't compare write-only values: increase
        /// `values_wo_version` when they change, or they are applied with the next change of something else.
        values_wo: String => optional().sensitive().write_only(),
        /// Version of `values_wo`. Increase it when these values change.
        values_wo_version: i64 => optional(),
        /// Fields of the chart's objects that somebody else in the cluster owns, such as an autoscaler or a policy engine: `drift` then leaves them
        /// out. Each is written like the beginning of a line of `drift`, with `*` for any characters, and includes all that is below it:
        /// `Deployment istio-system/istio-eastwestgateway: spec.template.spec.containers[*].resources`. Without a field it is the object as a
        /// whole, which may then be missing, too. An apply of another change still writes what the chart says.
        ignore_drift: Set<String> => optional(),
        /// Whether a create takes over a gateway of this name that exists already and that this provider didn't install: a Helm release, or the
        /// objects of `istioctl install`. The plan shows what of it changes. Its load balancer stays. It has no effect on a resource that is in
        /// the state.
        adopt: bool => optional().default(false).equivalent_by(|_, _| true),
        /// Addresses by which other clusters reach the gateway: `external_addresses`, or those of the load balancer: IP addresses, or hostnames,
        /// depending on the cloud.
        addresses: Vec<Value<String>> => computed().kept_unless(&["service_annotations", "load_balancer_class"]),
        /// Port of `addresses` for mutual TLS from other networks: `external_port`, or that of the Service, which is 15443 unless `values` set
        /// another.
        port: i64 => computed().kept(),
        /// Installed version of Istio.
        installed_version: String => computed(),
        /// Differences between the cluster and the last applied configuration, one string each. The next apply reverts them.
        drift: Vec<Value<String>> => computed().settled(Datum::List(vec![])),
        /// How long each operation may take.
        timeouts: Timeouts => optional(),
    }
}

/// The gateway to be.
pub struct EastwestGateway {
    cluster: ClusterKey,
    gateway: EastwestGatewaySettings,
    external: External,
    exposed: Exposure,
    istio_version: Option<String>,
    ignored: Vec<IgnoredField>,
    adopts: bool,
}

/// The gateway that is.
pub struct EastwestGatewayStatus {
    addresses: Vec<String>,
    port: u16,
    installed_version: String,
    drift: Vec<String>,
}

impl Default for EastwestGatewayStatus {
    fn default() -> Self {
        Self { addresses: Vec::new(), port: PORT, installed_version: String::new(), drift: Vec::new() }
    }
}

impl EastwestGateway {
    fn on<'a>(&'a self, cx: &'a Cx<'_, World>) -> LiveCluster<'a> {
        cx.cluster(&self.cluster)
    }

    fn namespace(&self) -> &str {
        self.gateway.namespace.as_str()
    }

    fn service(&self) -> ObjectRef {
        ObjectRef::namespaced(Kind::SERVICE, self.namespace(), self.gateway.names.service())
    }

    async fn release(&self, cx: &Cx<'_, World>) -> Result<Option<Deployed>, Error> {
        self.on(cx).release(self.namespace(), self.gateway.names.release.as_str()).await.map_err(Error::from)
    }

    /// What is left without the release: a destroy that was cut off has more to do.
    async fn remains(&self, cx: &Cx<'_, World>) -> Result<Observed<EastwestGatewayStatus>, Error> {
        let service = self.service();
        let remains = match self.on(cx).get(&service).await? {
            Some(live) if is_ending(&live) => Some(format!("{service}: it is being deleted; its load balancer goes first")),
            _ => namespace::remains(self.on(cx), &self.gateway.namespace).await?,
        };
        Ok(remains.map_or(Observed::Gone, |line| Observed::Found(EastwestGatewayStatus { drift: vec![line], ..Default::default() })))
    }

    /// Installs or upgrades the release, unless it is in place.
    async fn install(&self, release: Release, creation: Option<&Creation>, cx: &Cx<'_, World>) -> Result<Deployed, Error> {
        if creation.is_none()
            && let Some(deployed) = in_place(self.on(cx), &release, &self.ignored).await?
        {
            return Ok(deployed);
        }
        let release = Release { takes_ownership: self.adopts && creation.is_some(), ..release };
        match self.on(cx).install(&release, creation).await {
            Ok(deployed) => Ok(deployed),
            Err(failure) => Err(self.with_evidence(failure, cx).await),
        }
    }

    /// Adds how the gateway's pods and the load balancer fare to a failure.
    async fn with_evidence(&self, failure: Failure, cx: &Cx<'_, World>) -> Error {
        let labels = selector_of(&self.gateway.names.pod_labels());
        Error::from(failure.seen(crate::world::seen(self.on(cx), self.namespace(), &labels).await))
    }

    /// Parses the attributes that the configuration sets.
    fn parse_model(model: &EastwestGatewayModel, parse: &mut Parse<'_>) -> Option<Self> {
        let cluster = parse.required("cluster", &model.cluster, |key| ClusterKey::parse(key));
        let network = parse.required("network", &model.network, |text| NetworkName::parse(text));
        let namespace = parse.required("namespace", &model.namespace, |text| Namespace::parse(text));
        let name = parse.required("name", &model.name, |text| ReleaseName::parse(text));
        let service = parse.optional("service_name", &model.service_name, |text| ObjectName::parse(text));
        let label = parse.optional("label", &model.label, |text| LabelValue::parse(text));
        let istio_version = parse.optional("istio_version", &model.istio_version, |text| crate::world::parse_version(text));
        let annotations = parse.entries("service_annotations", &model.service_annotations, |text| Ok::<_, String>(text.clone()));
        let class = parse.optional("load_balancer_class", &model.load_balancer_class, |text| Ok::<_, String>(text.clone()));
        let ranges = parse.each("source_ranges", &model.source_ranges, |text| {
            text.parse::<ipnet::IpNet>().map_err(|_| format!("`{text}` is not a valid CIDR range. Write one such as `203.0.113.0/24`."))
        });
        let revision = parse.optional("revision", &model.revision, |text| Revision::parse(text));
        let replicas = parse.optional("replicas", &model.replicas, |count| match u32::try_from(*count) {
            Ok(count @ 1..) => Ok(count),
            _ => Err(format!("Must be at least 1, got {count}.")),
        });
        let external = External::parse(model, parse);
        let exposed = exposure::parse(model, parse);
        let values = parse.each("values", &model.values, |text| Values::parse(text));
        let private = parse.optional("values_wo", &model.values_wo, |text| Values::parse_private(text));
        let ignored = parse.each("ignore_drift", &model.ignore_drift, |text| IgnoredField::parse(text));
        let adopts = parse.optional("adopt", &model.adopt, |on| Ok::<_, String>(*on));
        Some(Self {
            cluster: cluster?,
            gateway: EastwestGatewaySettings {
                names: GatewayNames { release: name?, service: service?, label: label? },
                namespace: namespace?,
                network: network?,
                service_annotations: annotations?,
                load_balancer_class: class?,
                source_ranges: ranges?,
                revision: revision?,
                replicas: replicas?,
                values: values?.into_iter().chain(private?).collect(),
            },
            external: external?,
            exposed: exposed?,
            istio_version: istio_version?,
            ignored: ignored?,
            adopts: adopts?.unwrap_or_default(),
        })
    }
}

/// A collection as an attribute: null if it is empty.
fn some_of<T, U, C: FromIterator<U>>(elements: impl IntoIterator<Item = T>, value: impl Fn(T) -> U) -> Value<C> {
    let mut elements = elements.into_iter().map(value).peekable();
    if elements.peek().is_none() { Value::Null } else { Value::Value(elements.collect()) }
}

#[async_trait]
impl Resource for EastwestGateway {
    type World = World;
    type Model = EastwestGatewayModel;
    type Spec = Self;
    type Status = EastwestGatewayStatus;

    const NAME: &'static str = "mesh_eastwest_gateway";
    const TIMEOUTS: DefaultTimeouts =
        DefaultTimeouts { apply: Duration::from_secs(600), read: Duration::from_secs(120), delete: Duration::from_secs(600) };
    const IDENTITY: &'static [&'static str] = &["cluster", "namespace", "name"];

    fn timeouts(model: &EastwestGatewayModel) -> &Value<Timeouts> {
        &model.timeouts
    }

    fn parse(model: &EastwestGatewayModel, parse: &mut Parse<'_>) -> Option<Self> {
        Self::parse_model(model, parse)
    }

    fn plan(plan: &mut Plan<'_, EastwestGatewayModel, World>, spec: &Parsed<Self>) {
        plan::plan(plan, spec);
    }

    async fn preview(planned: &mut EastwestGatewayModel, cx: &Cx<'_, World>) -> Result<(), Error> {
        adoption::preview(planned, cx).await
    }

    fn plan_destroy(destruction: &mut framework::Destruction<'_, EastwestGatewayModel, World>) {
        crate::world::check_destroyable(destruction.world, &destruction.prior.cluster, destruction.report);
    }

    async fn apply(
        spec: &Self,
        prior: &Prior<Self>,
        reached: &mut Reached<EastwestGatewayStatus>,
        cx: &Cx<'_, World>,
    ) -> Result<(), Error> {
        spec.check_reachable()?;
        cx.world.releases.check().await?;
        let Found { version: found, is_adopted } = spec.own_release(prior, cx).await?;
        spec.check_revision(cx).await?;
        let is_new = found.is_none() && !is_adopted;
        if is_new {
            // An interrupted destroy may have left the Service to the cloud, which removes its load balancer first.
            spec.on(cx).get_staying(&spec.service()).await?;
        }
        let creation = Creation::begin(&spec.cluster, prior, cx).await;
        let version = spec.wanted_version(cx).or(found);
        let (cluster, namespace) = (spec.on(cx), &spec.gateway.namespace);
        if is_adopted {
            namespace::ensure(cluster, namespace).await?;
        } else {
            // A release that failed to become ready exists all the same.
            namespace::ensure_for(cluster, namespace, is_new, reached, EastwestGatewayStatus::default()).await?;
        }
        let deployed = spec.install(spec.gateway.release(version), creation.as_ref(), cx).await?;
        reached.set(EastwestGatewayStatus { installed_version: deployed.version.clone(), ..EastwestGatewayStatus::default() });
        spec.expose(prior, cx).await?;
        let service = spec.wait_for_addresses(cx).await?;
        let (addresses, port) = (spec.external.addresses(service.as_ref()), spec.external.port(service.as_ref()));
        reached.set(EastwestGatewayStatus { addresses, port, installed_version: deployed.version.clone(), drift: Vec::new() });
        if deployed.mark.is_some() {
            spec.on(cx).unmark_release(spec.namespace(), spec.gateway.names.release.as_str()).await?;
        }
        Ok(())
    }

    async fn read(spec: &Self, cx: &Cx<'_, World>) -> Result<Observed<EastwestGatewayStatus>, Error> {
        if !cx.world.clusters.is_known(&spec.cluster) {
            return Ok(Observed::Deferred);
        }
        if spec.on(cx).is_lost().await {
            return Ok(Observed::Unseen);
        }
        let Some(live) = spec.release(cx).await?.map(adoption::explicit) else { return spec.remains(cx).await };
        let (service, wanted) = (spec.service(), spec.gateway.release(spec.istio_version.clone()));
        let (service, mut drift, exposure) = tokio::try_join!(
            async { spec.on(cx).get(&service).await.map_err(Error::from) },
            release_drift(spec.on(cx), &wanted, &live, &spec.ignored),
            spec.exposure_drift(cx),
        )?;
        drift.extend(exposure);
        let (addresses, port) = (spec.external.addresses(service.as_ref()), spec.external.port(service.as_ref()));
        drift.extend(spec.lost_addresses(&addresses));
        Ok(Observed::Found(EastwestGatewayStatus { addresses, port, installed_version: live.version, drift }))
    }

    async fn delete(spec: &Self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let objects = format!("the Helm release {}/{} and the load balancer of its Service", spec.namespace(), spec.gateway.names.release);
        if spec.on(cx).leaves_behind(&objects).await {
            return Ok(());
        }
        cx.world.releases.check().await?;
        if !spec.exposed.is_empty() {
            spec.close(cx).await?;
        }
        // Helm doesn't wait for the load balancer; what is left of it would block the network's own removal.
        spec.on(cx).uninstall(spec.namespace(), spec.gateway.names.release.as_str()).await?;
        if let Err(failure) = spec.on(cx).delete(&spec.service()).await {
            return Err(spec.with_evidence(failure, cx).await);
        }
        namespace::release(spec.on(cx), &spec.gateway.namespace).await.map_err(Error::from)
    }

    async fn import(id: &str, cx: &Cx<'_, World>) -> Result<EastwestGatewayModel, Error> {
        let (cluster, [namespace, name]) =
            import::parts(id, "CLUSTER/NAMESPACE/NAME, for example eu/istio-system/istio-eastwestgateway", cx)?;
        let live = cx.cluster(&cluster).release(&namespace, &name).await?;
        let live = live.ok_or_else(|| import::nothing(&cluster, &format!("Helm release {namespace}/{name}")))?;
        let found = EastwestGatewaySettings::read_values(&live.values, &live.name);
        let exposed = exposure::imported(cx.cluster(&cluster), &namespace, &name).await?;
        Ok(EastwestGatewayModel {
            cluster: Value::Value(cluster.to_string()),
            network: found.network.into(),
            namespace: Value::Value(namespace),
            name: Value::Value(name),
            service_name: found.service.into(),
            label: found.label.into(),
            // The version isn't pinned by what is installed.
            istio_version: Value::Null,
            service_annotations: some_of(found.service_annotations, |(key, text)| (key, Value::Value(text))),
            load_balancer_class: found.load_balancer_class.into(),
            source_ranges: some_of(found.source_ranges, Value::Value),
            revision: found.revision.into(),
            replicas: found.replicas.map(i64::from).into(),
            values: found.rest.map(|rest| vec![Value::Value(rest)]).into(),
            values_wo: Value::Null,
            values_wo_version: Value::Null,
            // Nothing in the cluster shows what is configured instead of the load balancer's addresses.
            external_addresses: Value::Null,
            external_port: Value::Null,
            exposed_services: exposed.0,
            exposed_service_labels: exposed.1,
            ignore_drift: Value::Null,
            adopt: Value::Null,
            addresses: Value::Null,
            port: Value::Null,
            installed_version: Value::Null,
            drift: Value::Null,
            timeouts: Value::Null,
        })
    }

    fn record(status: &EastwestGatewayStatus, model: &mut EastwestGatewayModel) {
        model.addresses = crate::world::strings(&status.addresses);
        model.port = port_value(status.port);
        model.installed_version = Value::Value(status.installed_version.trim_start_matches('v').to_owned());
        model.drift = crate::world::strings(&status.drift);
    }
}

#[async_trait]
impl Discover for EastwestGateway {
    async fn discover(cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        let gateways = cx.cluster(cluster).releases_of(None, &[CHART]).await?;
        // Ingress gateways are of the same chart, and of no network.
        let eastwest =
            gateways.into_iter().filter(|gateway| EastwestGatewaySettings::read_values(&gateway.values, &gateway.name).network.is_some());
        Ok(eastwest.map(|gateway| format!("{cluster}/{}/{}", gateway.namespace, gateway.name)).collect())
    }
}
