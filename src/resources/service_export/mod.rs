//! `mesh_service_export`: a Service of one cluster, callable from others by a host name. Owns, in the exporting cluster, a Gateway that
//! opens the east-west gateway for just that host and a ServiceEntry that gives the host its pods; in each importing cluster, a
//! ServiceEntry that points the host at the gateway's addresses and a DestinationRule that insists on mutual TLS.

mod adoption;
mod creation;
mod import;
mod imported;
pub(super) mod model;
mod multi_cluster;
pub(super) mod network;
pub(super) mod objects;
mod plan;
pub(super) mod ports;
pub(super) mod resolve;
pub(super) mod surroundings;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use futures::future::{Either, join, join_all, select};

use imported::ImportedModel;
pub use model::ServiceExportModel;
use objects::{Seen, remove_obsolete};
use ports::ExportedPortModel;
use resolve::{Resolved, Unresolved};

use crate::{
    data::Kind,
    mesh::{Export, ExportId, ServicePort, Vip, export::Request, helm::gateway::Address, observe::drift::own_differences},
    ports::Failure,
    world::{ClusterAccess, Creation, World, all_failed, strings},
};
use framework::{Cx, DefaultTimeouts, Error, Observed, Parse, Parsed, Plan, Prior, Reached, Resource, Timeouts, Value};

/// The export as it is configured.
pub struct ServiceExport {
    id: ExportId,
    pub(super) request: Request,
    /// The addresses of the exporting cluster's gateway.
    addresses: Vec<Address>,
    /// Whether a create takes over what others have made for the host.
    adopts: bool,
}

/// The export as it is.
pub struct ServiceExportStatus {
    /// The ports and identities; `None` while they can't be found.
    resolved: Option<(Vec<ServicePort>, Vec<String>)>,
    /// The address that importers have; `None` if they don't have the one that they should.
    address: Option<Vip>,
    drift: Vec<String>,
}

impl ServiceExportStatus {
    fn new(export: &Export, is_addressed: bool, drift: Vec<String>) -> Self {
        let address = is_addressed.then(|| export.request.address(&export.id.host));
        Self { resolved: Some((export.ports.clone(), export.identities())), address, drift }
    }
}

/// Returns whether a live ServiceEntry has the expected addresses.
fn is_addressed(seen: &Seen) -> bool {
    let addresses = |entry: &Option<_>| entry.as_ref().map(|entry: &serde_json::Value| entry["spec"]["addresses"].clone());
    seen.object.kind != Kind::SERVICE_ENTRY || addresses(&seen.wanted) == addresses(&seen.live)
}

/// Lists the differences between an object and its manifest.
fn differences(seen: &Seen, export: &Export) -> Vec<String> {
    match (&seen.wanted, &seen.live) {
        (Some(wanted), Some(live)) => own_differences(wanted, live),
        (Some(_), None) => vec!["it is gone".to_owned()],
        (None, Some(_)) => {
            let reason = export.opening.as_ref().map(|opening| format!(": {opening} already, and the gateway rejects a second one"));
            vec![format!("must be removed{}", reason.unwrap_or_default())]
        }
        (None, None) => Vec::new(),
    }
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
        plan::plan(plan);
    }

    async fn preview(planned: &mut ServiceExportModel, cx: &Cx<'_, World>) -> Result<(), Error> {
        surroundings::preview(planned, cx).await;
        adoption::preview(planned, cx).await
    }

    fn plan_destroy(destruction: &mut framework::Destruction<'_, ServiceExportModel, World>) {
        if let Value::Value(gateway) = &destruction.prior.gateway {
            crate::world::check_destroyable(destruction.world, &gateway.cluster, destruction.report);
        }
    }

    async fn apply(spec: &Self, prior: &Prior<Self>, reached: &mut Reached<ServiceExportStatus>, cx: &Cx<'_, World>) -> Result<(), Error> {
        let (entry, left) = if prior.is_none() { spec.left(cx).await? } else { (spec.live_entry(cx).await?, None) };
        let prior = left.as_ref().unwrap_or(prior);
        spec.check_mcs(cx).await?;
        let Resolved { export, warnings } = spec.resolve(entry.as_ref(), cx).await?;
        let creation = Creation::begin(&spec.id.exporter, prior, cx).await;
        let claim = spec.claim(&export, prior, cx).await?;
        // The new objects are written before the old ones are removed, so that calls succeed at any time.
        let begun = match &creation {
            Some(creation) => spec.begin(&export, creation, &claim, cx).await,
            None => Ok(true),
        };
        if let Ok(false) = begun {
            // Another run is at work on it, or it is somebody else's: the next look shows which.
            drop(creation);
            return Self::apply(spec, prior, reached, cx).await;
        }
        // Whatever has failed, something may be in place.
        reached.set(ServiceExportStatus::new(&export, true, Vec::new()));
        begun?;
        for warning in warnings {
            cx.warn(warning);
        }
        spec.warn_of_missing_links(&claim.clusters, cx).await;
        all_failed(spec.write(&export, claim, prior, creation.as_ref(), cx).await)?;
        all_failed(remove_obsolete(prior, &export, cx).await)?;
        all_failed(spec.remove_replaced(&export, prior, cx).await)?;
        if creation.is_some() {
            cx.cluster(&spec.id.exporter).unmark(&spec.entry()).await?;
        }
        spec.warn_of_surroundings(&export, cx).await;
        spec.warn_of_service_ranges(cx).await;
        Ok(())
    }

    async fn read(spec: &Self, cx: &Cx<'_, World>) -> Result<Observed<ServiceExportStatus>, Error> {
        // The read isn't deferred for a cluster that is no longer configured: its access will never be known.
        let clusters = &cx.world.clusters;
        let isnt_known_yet = |importer| !clusters.is_known(importer) && clusters.problem(importer).is_none();
        if !clusters.is_known(&spec.id.exporter) || spec.request.importers.iter().any(isnt_known_yet) {
            return Ok(Observed::Deferred);
        }
        if cx.cluster(&spec.id.exporter).is_lost().await {
            return Ok(Observed::Unseen);
        }
        let entry = spec.live_entry(cx).await?;
        match spec.resolve(entry.as_ref(), cx).await {
            Ok(Resolved { export, .. }) => spec.compare(&export, cx).await,
            Err(Unresolved::Cluster(failure)) => Err(failure.into()),
            Err(Unresolved::Configuration(problem)) => spec.read_unresolved(problem, entry.is_some(), cx).await,
        }
    }

    async fn delete(spec: &Self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let importers = join_all(spec.request.importers.iter().map(|importer| spec.remove_all(importer, cx)));
        let exporter = spec.remove_all(&spec.id.exporter, cx);
        // The gateway is closed last, so that no client is routed to a closed one; but an importer that doesn't answer must not keep it open.
        let patience = cx.deadline.pause(cx.deadline.remaining() / 2);
        let (importers, exporter) = match select(std::pin::pin!(importers), std::pin::pin!(patience)).await {
            Either::Left((importers, _)) => (importers, exporter.await),
            Either::Right((_, importers)) => join(importers, exporter).await,
        };
        all_failed(importers.into_iter().flatten().chain(exporter).collect())
    }

    async fn import(id: &str, cx: &Cx<'_, World>) -> Result<ServiceExportModel, Error> {
        import::import(id, cx).await
    }

    fn record(status: &ServiceExportStatus, model: &mut ServiceExportModel) {
        if let Some((ports, identities)) = &status.resolved {
            model.service_ports = Value::Value(ports.iter().map(|port| Value::Value(ExportedPortModel::from(port))).collect());
            model.identities = strings(identities);
        }
        if let Some(address) = status.address {
            model.address = Value::Value(address.to_string());
        }
        model.import = Value::Value(ImportedModel::of(model));
        model.drift = strings(&status.drift);
    }
}

impl ServiceExport {
    /// An export that nobody imports: what one cluster has of a host that several serve.
    pub(super) fn of_one(id: ExportId, request: Request) -> Self {
        Self { id, request, addresses: Vec::new(), adopts: false }
    }

    /// Returns whether another configuration of the export uses the same gateway.
    fn has_gateway_of(&self, other: &Self) -> bool {
        let gateway = |export: &Self| (export.id.clone(), export.request.gateway_namespace.clone(), export.request.gateway());
        gateway(self) == gateway(other)
    }

    /// Returns whether the Gateway of another configuration is the same object.
    fn has_gateway_object_of(&self, other: &Self) -> bool {
        self.id == other.id && self.request.gateway_namespace == other.request.gateway_namespace
    }

    /// Compares the export with the objects in its clusters. An importer that can't be read is skipped with a warning that names it.
    async fn compare(&self, export: &Export, cx: &Cx<'_, World>) -> Result<Observed<ServiceExportStatus>, Error> {
        let members = export.members().filter(|cluster| cx.world.clusters.problem(cluster).is_none());
        let looks = members.map(|cluster| async move { (cluster, self.look(export, cluster, cx).await) });
        let (mut seen, mut is_complete) = (Vec::new(), true);
        for (cluster, found) in join_all(looks).await {
            match found {
                Ok(found) => seen.extend(found.into_iter().map(|object| (cluster, object))),
                Err(failure) if *cluster == self.id.exporter => return Err(failure.into()),
                Err(failure) => {
                    is_complete = false;
                    cx.warn(self.unseen(failure));
                }
            }
        }
        if is_complete && seen.iter().all(|(_, seen)| seen.live.is_none()) {
            return Ok(Observed::Gone);
        }
        let drift = seen.iter().flat_map(|(cluster, seen)| {
            let lines = differences(seen, export).into_iter();
            lines.map(move |line| format!("Cluster {cluster}: {}: {line}", seen.object))
        });
        let is_addressed = seen.iter().all(|(_, seen)| is_addressed(seen));
        Ok(Observed::Found(ServiceExportStatus::new(export, is_addressed, drift.collect())))
    }

    fn unseen(&self, failure: Failure) -> Error {
        let mut warning = Error::from(failure);
        warning
            .detail
            .push_str(&format!("\n\nThe state of the export of {} in this cluster stays as it was at the last refresh.", self.id.host));
        warning
    }

    /// Returns the state of an export that can't be resolved because of `problem`. It must not fail a plan: the next apply reports it.
    async fn read_unresolved(&self, problem: Error, is_exported: bool, cx: &Cx<'_, World>) -> Result<Observed<ServiceExportStatus>, Error> {
        let found = |drift| Ok(Observed::Found(ServiceExportStatus { resolved: None, address: None, drift }));
        if is_exported {
            cx.warn(problem);
            return found(Vec::new());
        }
        let objects: Vec<_> = self.objects().into_iter().filter(|(cluster, _)| cx.world.clusters.problem(cluster).is_none()).collect();
        let looks = join_all(objects.iter().map(|(cluster, object)| cx.cluster(cluster).get_ours(object))).await;
        // An object that can't be read may exist.
        if looks.iter().any(|live| live.as_ref().map_or(true, Option::is_some)) {
            return found(vec![format!("{}: {}", problem.summary, problem.detail)]);
        }
        Ok(Observed::Gone)
    }
}
