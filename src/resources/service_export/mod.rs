//! `mesh_service_export`: a Service of one cluster, callable from others by a host name. Owns, in the exporting cluster, a Gateway that
//! opens the east-west gateway for just that host and a ServiceEntry that gives the host its pods; in each importing cluster, a
//! ServiceEntry that points the host at the gateway's addresses and a DestinationRule that insists on mutual TLS.

pub(super) mod model;
mod ports;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value as Json;

use model::GatewayRef;
pub use model::ServiceExportModel;
use ports::ExportedPortModel;

use crate::world::{ClusterAccess, World, import, listing::Discover};
use crate::{
    data::{Kind, ObjectRef},
    mesh::{
        ClusterKey, Export, ExportId, Host, Namespace, ServicePort, TrustDomain,
        export::{self, Request},
        helm::gateway::{Address, addresses},
        labels,
        names::port,
        observe::drift::differences,
        trust,
    },
    ports::Failure,
};
use framework::{AttributePath, Cx, DefaultTimeouts, Error, Observed, Parse, Parsed, Plan, Prior, Reached, Resource, Timeouts, Value};

/// The export as it is configured.
pub struct ServiceExport {
    id: ExportId,
    request: Request,
    /// The addresses of the exporting cluster's gateway.
    addresses: Vec<Address>,
}

/// The export that is.
pub struct ServiceExportStatus {
    /// The ports and identities; none while they can't be told.
    resolved: Option<(Vec<ServicePort>, Vec<String>)>,
    drift: Vec<String>,
}

impl ServiceExport {
    fn exporter(&self) -> &ClusterKey {
        &self.id.exporter
    }

    fn clusters(&self) -> impl Iterator<Item = &ClusterKey> {
        std::iter::once(&self.id.exporter).chain(&self.request.importers)
    }

    /// The Service that is exported; an error names those that exist.
    async fn live_service(&self, cx: &Cx<'_, World>) -> Result<Json, Error> {
        let exporter = cx.cluster(self.exporter());
        let service = ObjectRef::namespaced(Kind::SERVICE, self.id.namespace.as_str(), self.request.service.as_str());
        if let Some(live) = exporter.get(&service).await? {
            return Ok(live);
        }
        let others = exporter.list(Kind::SERVICE, Some(self.id.namespace.as_str()), "").await?;
        let names: Vec<_> = others.iter().filter_map(|other| other["metadata"]["name"].as_str()).collect();
        let there_are = if names.is_empty() {
            format!("Namespace `{}` has no Service at all, or doesn't exist.", self.id.namespace)
        } else {
            format!("Namespace `{}` has the Services `{}`.", self.id.namespace, names.join("`, `"))
        };
        Err(Error::new("No such Service", format!("Cluster \"{}\" has no {service} to export. {there_are}", self.exporter()))
            .at(AttributePath::new("service")))
    }

    /// The export in full: ports, selector and trust domain from the exporting cluster where the configuration leaves them out.
    async fn resolve(&self, cx: &Cx<'_, World>) -> Result<Export, Error> {
        let service = self.live_service(cx).await?;
        let (ports, selector) = match (&self.request.ports, &self.request.selector) {
            (Some(ports), Some(selector)) => (ports.iter().map(ServicePort::from).collect(), selector.clone()),
            (ports, selector) => {
                let of_service = export::pod_selector(&service);
                let pods = cx.cluster(self.exporter()).list(Kind::POD, Some(self.id.namespace.as_str()), &of_service);
                let found = port::discover(&service, &pods.await?)
                    .map_err(|problem| Error::new("Service can't be exported", problem).at(AttributePath::new("service")))?;
                let ports = ports.as_ref().map(|ports| ports.iter().map(ServicePort::from).collect());
                (ports.unwrap_or(found.ports), selector.clone().unwrap_or(found.selector))
            }
        };
        let trust_domain = match (&self.request.trust_domain, &self.request.service_accounts) {
            (Some(trust_domain), _) => Some(trust_domain.clone()),
            (None, Some(accounts)) if !accounts.is_empty() => Some(self.live_trust_domain(cx).await?),
            _ => None,
        };
        Ok(Export { id: self.id.clone(), request: self.request.clone(), addresses: self.addresses.clone(), ports, selector, trust_domain })
    }

    /// The trust domain that the exporting cluster's istiod works with.
    async fn live_trust_domain(&self, cx: &Cx<'_, World>) -> Result<TrustDomain, Error> {
        let config = ObjectRef::namespaced(Kind::CONFIG_MAP, self.request.gateway_namespace.as_str(), "istio");
        let live = cx.cluster(self.exporter()).get(&config).await?;
        live.as_ref().and_then(trust::trust_domain_of_mesh_config).ok_or_else(|| {
            Error::new(
                "Trust domain not found",
                format!("Cluster \"{}\" has no {config} with the mesh's configuration. Set `trust_domain`, or `gateway` to one in istiod's namespace.", self.exporter()),
            )
            .at(AttributePath::new("trust_domain"))
        })
    }

    /// Every object of the export with the cluster it belongs to, the exporter's first.
    fn objects(&self, export: &Export) -> Vec<(ClusterKey, Json)> {
        let exporter = export.exporter_manifests().into_iter().map(|manifest| (self.id.exporter.clone(), manifest));
        let importers = self
            .request
            .importers
            .iter()
            .flat_map(|importer| export.importer_manifests().into_iter().map(move |manifest| (importer.clone(), manifest)));
        exporter.chain(importers).collect()
    }

    /// Removes what the export has in clusters that import it no more.
    async fn withdraw(&self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let left: Vec<_> =
            cx.world.clusters.reachable().into_iter().filter(|cluster| !self.clusters().any(|member| member == cluster)).collect();
        let removals = left.iter().map(|cluster| self.remove_from(cluster, cx));
        futures::future::try_join_all(removals).await.map(|_| ())
    }

    /// Removes all of the export's objects in a cluster, found by their label.
    async fn remove_from(&self, cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<(), Error> {
        let cluster = cx.cluster(cluster);
        for kind in [Kind::GATEWAY, Kind::DESTINATION_RULE, Kind::SERVICE_ENTRY] {
            let selector = self.id.selector();
            let found = cluster.list(kind, None, &selector).await?;
            for object in found.iter().filter_map(|object| object["metadata"].as_object()) {
                let text = |field: &str| object.get(field).and_then(Json::as_str).unwrap_or_default();
                let object = ObjectRef::namespaced(kind, text("namespace"), text("name"));
                cluster.delete(&object).await?;
            }
        }
        Ok(())
    }

    /// The live object for each wanted one, in parallel.
    async fn look(&self, wanted: &[(ClusterKey, Json)], cx: &Cx<'_, World>) -> Result<Vec<Option<Json>>, Failure> {
        let looks = wanted.iter().filter_map(|(cluster, manifest)| {
            let object = ObjectRef::of(manifest, self.id.namespace.as_str())?;
            Some(async move { cx.cluster(cluster).get(&object).await })
        });
        futures::future::try_join_all(looks).await
    }

    /// What is there while `problem` keeps the export from being what it should.
    async fn read_unresolved(&self, problem: Error, cx: &Cx<'_, World>) -> Result<Observed<ServiceExportStatus>, Error> {
        let selector = self.id.selector();
        let entries = cx.cluster(self.exporter()).list(Kind::SERVICE_ENTRY, None, &selector).await?;
        if entries.is_empty() {
            return Ok(Observed::Gone);
        }
        let drift = vec![format!("{}: {}", problem.summary, problem.detail)];
        Ok(Observed::Found(ServiceExportStatus { resolved: None, drift }))
    }

    fn status(export: &Export, drift: Vec<String>) -> ServiceExportStatus {
        ServiceExportStatus { resolved: Some((export.ports.clone(), export.identities())), drift }
    }
}

/// The clusters that import no more, and can't be reached to be told.
fn left_behind(plan: &Plan<'_, ServiceExportModel, World>) -> Vec<ClusterKey> {
    let (Some(world), Some(prior)) = (plan.world, &plan.prior) else { return Vec::new() };
    let (Value::Value(before), Value::Value(after)) = (&prior.importers, &plan.planned.importers) else { return Vec::new() };
    let dismissed = before.difference(after).filter_map(|key| ClusterKey::parse(key.as_ref_option()?).ok());
    dismissed.filter(|key| world.clusters.problem(key).is_some()).collect()
}

#[async_trait]
impl Resource for ServiceExport {
    type World = World;
    type Model = ServiceExportModel;
    type Spec = Self;
    type Status = ServiceExportStatus;

    const NAME: &'static str = "mesh_service_export";
    const TIMEOUTS: DefaultTimeouts =
        DefaultTimeouts { apply: Duration::from_secs(180), read: Duration::from_secs(60), delete: Duration::from_secs(180) };
    const IDENTITY: &'static [&'static str] = &["gateway.cluster", "namespace", "host"];

    fn timeouts(model: &ServiceExportModel) -> &Value<Timeouts> {
        &model.timeouts
    }

    fn parse(model: &ServiceExportModel, parse: &mut Parse<'_>) -> Option<Self> {
        model.parse(parse)
    }

    fn plan(plan: &mut Plan<'_, ServiceExportModel, World>, _spec: &Parsed<Self>) {
        // The gateway's address is unknown in the first plan; the clusters' keys are not.
        let exporter = match &plan.planned.gateway {
            Value::Value(GatewayRef { cluster: Value::Value(cluster), .. }) => Some(("gateway", cluster.clone())),
            _ => None,
        };
        let importers = match &plan.planned.importers {
            Value::Value(importers) => importers.iter().cloned().collect(),
            _ => Vec::new(),
        };
        let importers = importers.into_iter().filter_map(|importer| match importer {
            Value::Value(importer) => Some(("importers", importer)),
            _ => None,
        });
        for (attribute, key) in exporter.into_iter().chain(importers) {
            if let Ok(key) = ClusterKey::parse(&key) {
                crate::world::check_cluster(plan.world, &key, AttributePath::new(attribute), plan.report);
            }
        }
        for cluster in left_behind(plan) {
            let problem = format!(
                "Cluster `{cluster}` shall import the host no more, and is no longer in the provider's `clusters`: what the export has there, a \
                 ServiceEntry and a DestinationRule, can't be removed and stays. If the cluster still exists, keep it in `clusters` for this apply."
            );
            plan.report.warning(Error::new("Objects stay behind", problem).at(AttributePath::new("importers")));
        }
    }

    async fn apply(spec: &Self, prior: &Prior<Self>, reached: &mut Reached<ServiceExportStatus>, cx: &Cx<'_, World>) -> Result<(), Error> {
        let export = spec.resolve(cx).await?;
        let wanted = spec.objects(&export);
        if prior.is_none() {
            let found = spec.look(&wanted, cx).await?;
            if let Some(((cluster, manifest), _)) = wanted.iter().zip(&found).find(|(_, found)| found.is_some()) {
                let object = ObjectRef::of(manifest, spec.id.namespace.as_str()).map(|object| object.to_string()).unwrap_or_default();
                return Err(crate::world::not_ours(cluster, &object, &format!("mesh_service_export.<name> {}", spec.id)));
            }
        }
        reached.set(Self::status(&export, Vec::new()));
        let writes = wanted.iter().map(|(cluster, manifest)| cx.cluster(cluster).apply(manifest));
        // All are tried, so that one cluster's trouble doesn't keep the others from being up to date.
        let failures = futures::future::join_all(writes).await.into_iter().filter_map(Result::err);
        crate::world::all_failed(failures.collect())?;
        if prior.is_none() {
            return Ok(());
        }
        // What is left under the labels of other exporters, those of applies that failed included.
        for moved in prior.in_place().filter(|prior| prior.id.exporter != spec.id.exporter) {
            futures::future::try_join_all(moved.clusters().map(|cluster| moved.remove_from(cluster, cx))).await?;
        }
        spec.withdraw(cx).await
    }

    async fn read(spec: &Self, cx: &Cx<'_, World>) -> Result<Observed<ServiceExportStatus>, Error> {
        if spec.clusters().any(|cluster| !cx.world.clusters.is_known(cluster)) {
            return Ok(Observed::Deferred);
        }
        let export = match spec.resolve(cx).await {
            Ok(export) => export,
            // That the Service is gone, or can't be exported any more, is for the next apply to refuse; its plan must not fail.
            Err(error) if !error.path.steps.is_empty() => return spec.read_unresolved(error, cx).await,
            Err(error) => return Err(error),
        };
        let wanted = spec.objects(&export);
        let live = spec.look(&wanted, cx).await?;
        if live.iter().all(Option::is_none) {
            return Ok(Observed::Gone);
        }
        let drift = wanted.iter().zip(&live).flat_map(|((cluster, manifest), live)| {
            let object = ObjectRef::of(manifest, spec.id.namespace.as_str()).map(|object| object.to_string()).unwrap_or_default();
            let lines = live.as_ref().map_or_else(|| vec!["it is gone".to_owned()], |live| differences(manifest, live));
            lines.into_iter().map(move |line| format!("Cluster {cluster}: {object}: {line}"))
        });
        let drift = drift.collect();
        Ok(Observed::Found(Self::status(&export, drift)))
    }

    async fn delete(spec: &Self, cx: &Cx<'_, World>) -> Result<(), Error> {
        // First nobody is sent there any more, then it is closed.
        futures::future::try_join_all(spec.request.importers.iter().map(|importer| spec.remove_from(importer, cx))).await?;
        spec.remove_from(&spec.id.exporter, cx).await
    }

    async fn import(id: &str, cx: &Cx<'_, World>) -> Result<ServiceExportModel, Error> {
        let (exporter, [namespace, host]) = import::parts(id, "CLUSTER/NAMESPACE/HOST, for example eu/echo/echo.eu.mesh.local", cx)?;
        let wrong = |problem: String| Error::new("Invalid import ID", problem);
        let id = ExportId { exporter, namespace: Namespace::parse(&namespace).map_err(wrong)?, host: Host::parse(&host).map_err(wrong)? };
        let exporter = cx.cluster(&id.exporter);
        let found = exporter.list(Kind::SERVICE_ENTRY, Some(&namespace), &id.selector()).await?;
        let entry = found
            .first()
            .ok_or_else(|| import::nothing(exporter.key, &format!("ServiceEntry of an export of {host} in namespace {namespace}")))?;
        let request = Request::read(entry).map_err(|problem| Error::new("Not an export of this provider", problem))?;
        let service = ObjectRef::namespaced(Kind::SERVICE, request.gateway_namespace.as_str(), request.gateway_name.as_str());
        let addresses = exporter.get(&service).await?.as_ref().map(addresses).unwrap_or_default();
        Ok(ServiceExportModel::from(&Self { id, request, addresses }))
    }

    fn record(status: &ServiceExportStatus, model: &mut ServiceExportModel) {
        if let Some((ports, identities)) = &status.resolved {
            model.service_ports = Value::Value(ports.iter().map(|port| Value::Value(ExportedPortModel::from(port))).collect());
            model.identities = crate::world::strings(identities);
        }
        model.drift = crate::world::strings(&status.drift);
    }
}

#[async_trait]
impl Discover for ServiceExport {
    async fn discover(cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        let selector = labels::exported_by(cluster);
        let entries = cx.cluster(cluster).list(Kind::SERVICE_ENTRY, None, &selector).await?;
        let name = |entry: &Json| {
            let (namespace, host) = (entry["metadata"]["namespace"].as_str()?, entry["spec"]["hosts"][0].as_str()?);
            Some(format!("{cluster}/{namespace}/{host}"))
        };
        Ok(entries.iter().filter_map(name).collect())
    }
}
