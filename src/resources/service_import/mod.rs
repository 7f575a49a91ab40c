//! `mesh_service_import`: the importer's half of an export, for a state without access to the exporting cluster. Owns a ServiceEntry that points
//! the host at the exporting cluster's gateway, and a DestinationRule that insists on mutual TLS.

pub(super) mod model;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use futures::future::try_join_all;
use serde_json::Value as Json;

pub use model::ServiceImportModel;

use crate::{
    data::{Kind, ObjectRef},
    mesh::{
        ClusterKey, Host, Namespace, Vip,
        export::{Import, ImportId},
        labels,
        observe::drift::own_differences,
    },
    ports::Failure,
    resources::{
        new_objects::NewObjects,
        service_export::objects::write_all,
        service_ranges::{Owner, warn_of_service_ranges},
    },
    world::{
        ClusterAccess, Creation, LiveCluster, PlannedHost, Source, World, all_failed, check_cluster, check_destroyable, import,
        listing::Discover, marked, not_ours, strings,
    },
};
use framework::{AttributePath, Cx, DefaultTimeouts, Error, Observed, Parse, Parsed, Plan, Prior, Reached, Resource, Timeouts, Value};

/// The import as it is configured.
pub struct ServiceImport {
    id: ImportId,
    import: Import,
}

/// The import as it is.
pub struct ServiceImportStatus {
    drift: Vec<String>,
}

/// The attribute that has the address. It comes from the export.
const OF_EXPORT: Owner =
    Owner { attribute: "service", advice: "Choose a `vip` of 240.0.0.0/4 or outside of that range for the export, or leave it out there." };

impl ServiceImport {
    fn on<'a>(&'a self, cx: &'a Cx<'_, World>) -> LiveCluster<'a> {
        cx.cluster(&self.id.cluster)
    }

    fn manifests(&self) -> Vec<Json> {
        self.import.manifests(&self.id.namespace)
    }

    fn import_id(&self) -> String {
        format!("mesh_service_import.<name> {}/{}/{}", self.id.cluster, self.id.namespace, self.id.host)
    }

    /// Checks that nothing of another owner is overwritten, and that the host has no other ServiceEntry of ours in the cluster. Returns the objects
    /// that don't exist yet.
    async fn claim(&self, prior: &Prior<Self>, cx: &Cx<'_, World>) -> Result<NewObjects, Error> {
        let had: Vec<_> = prior.finished().into_iter().flat_map(|prior| prior.id.objects()).collect();
        // Objects that a failed apply left are the import's own.
        let is_continued = !prior.is_none() || self.on(cx).left(&self.id.entry(), || self.import_id()).await?.is_some();
        let mut new = NewObjects::default();
        for object in self.id.objects().into_iter().filter(|object| !had.contains(object)) {
            match self.on(cx).get(&object).await? {
                None => new.add(&self.id.cluster, [object]),
                Some(live) if is_continued && labels::is_ours(&live) => {}
                Some(_) => return Err(not_ours(&self.id.cluster, &object.to_string(), &self.import_id())),
            }
        }
        // One look answers for all imports that are created; what it finds may be gone by now.
        let entries = self.on(cx).shared().list(Kind::SERVICE_ENTRY, None, &labels::exports_of(&self.id.host)).await?;
        let others = entries.iter().filter_map(|entry| ObjectRef::of(entry, "")).filter(|entry| !had.contains(entry));
        for other in others.filter(|entry| *entry != self.id.entry()) {
            if self.on(cx).get(&other).await?.is_some_and(|live| labels::is_ours(&live)) {
                return Err(self.conflict(&other));
            }
        }
        Ok(new)
    }

    fn conflict(&self, other: &ObjectRef) -> Error {
        Error::new(
            "Host is known in the cluster already",
            format!(
                "Cluster \"{}\" already has {other} for \"{}\", of a mesh_service_export or of another mesh_service_import, so nothing was \
                 created: a cluster can have a host once only. Remove the cluster from `importers` of the export and apply that first, or \
                 remove this import.",
                self.id.cluster, self.id.host
            ),
        )
        .at(AttributePath::new("service"))
    }

    /// Writes the objects, the ServiceEntry first: it has the mark of a create.
    async fn write(
        &self,
        new: &NewObjects,
        creation: Option<&Creation>,
        reached: &mut Reached<ServiceImportStatus>,
        cx: &Cx<'_, World>,
    ) -> Result<(), Error> {
        let (entries, rules): (Vec<_>, Vec<_>) =
            self.manifests().into_iter().partition(|manifest| Kind::of(manifest) == Some(Kind::SERVICE_ENTRY));
        let is_new = |manifest: &Json| new.contain(&self.id.cluster, manifest);
        for entry in entries {
            self.on(cx).put_first(&marked(entry.clone(), creation), is_new(&entry), reached, || self.import_id()).await?;
        }
        all_failed(write_all(self.on(cx), &rules, is_new).await)
    }

    /// Removes objects, if they are ours.
    async fn remove(&self, objects: &[ObjectRef], cx: &Cx<'_, World>) -> Result<(), Failure> {
        for object in objects {
            if let Some(found) = self.on(cx).get_ours(object).await? {
                self.on(cx).delete_found(&found, labels::is_ours).await?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Resource for ServiceImport {
    type World = World;
    type Model = ServiceImportModel;
    type Spec = Self;
    type Status = ServiceImportStatus;

    const NAME: &'static str = "mesh_service_import";
    const TIMEOUTS: DefaultTimeouts =
        DefaultTimeouts { apply: Duration::from_secs(120), read: Duration::from_secs(60), delete: Duration::from_secs(120) };
    const IDENTITY: &'static [&'static str] = &["cluster", "namespace", "service.host"];

    fn timeouts(model: &ServiceImportModel) -> &Value<Timeouts> {
        &model.timeouts
    }

    fn parse(model: &ServiceImportModel, parse: &mut Parse<'_>) -> Option<Self> {
        model.parse(parse)
    }

    fn plan(plan: &mut Plan<'_, ServiceImportModel, World>, _spec: &Parsed<Self>) {
        // The service may be unknown as a whole.
        if let Some(cluster) = plan.planned.cluster.as_ref_option().and_then(|key| ClusterKey::parse(key).ok()) {
            check_cluster(plan.world, &cluster, AttributePath::new("cluster"), plan.report);
        }
        let host = |model: &ServiceImportModel| model.service.as_ref_option()?.host.as_ref_option().cloned();
        let (before, after) = (plan.prior.as_ref().and_then(host), host(&plan.planned));
        if before.zip(after).is_some_and(|(before, after)| before != after) {
            plan.replace(AttributePath::new("service").attribute("host"));
        }
        if let (Some(world), Some(host)) = (plan.world, planned_host(&plan.planned)) {
            for warning in world.planned.add_host(host) {
                plan.report.warning(warning);
            }
        }
    }

    async fn preview(planned: &mut ServiceImportModel, cx: &Cx<'_, World>) -> Result<(), Error> {
        let cluster = planned.cluster.as_ref_option().and_then(|key| ClusterKey::parse(key).ok());
        let address = planned.service.as_ref_option().and_then(|service| Vip::parse(service.address.as_ref_option()?).ok());
        if let Some((cluster, address)) = cluster.zip(address) {
            warn_of_service_ranges([&cluster], address, &OF_EXPORT, cx).await;
        }
        Ok(())
    }

    fn plan_destroy(destruction: &mut framework::Destruction<'_, ServiceImportModel, World>) {
        check_destroyable(destruction.world, &destruction.prior.cluster, destruction.report);
    }

    async fn apply(spec: &Self, prior: &Prior<Self>, reached: &mut Reached<ServiceImportStatus>, cx: &Cx<'_, World>) -> Result<(), Error> {
        let new = spec.claim(prior, cx).await?;
        let creation = Creation::begin(&spec.id.cluster, prior, cx).await;
        reached.set(ServiceImportStatus { drift: Vec::new() });
        spec.write(&new, creation.as_ref(), reached, cx).await?;
        // A host that the plan didn't know yet.
        for moved in prior.in_place().filter(|prior| prior.id != spec.id) {
            moved.remove(&moved.id.objects(), cx).await?;
        }
        let [_, rule] = spec.id.objects();
        if !prior.is_none() && !spec.import.destination_rule {
            spec.remove(&[rule], cx).await?;
        }
        if creation.is_some() {
            spec.on(cx).unmark(&spec.id.entry()).await?;
        }
        warn_of_service_ranges([&spec.id.cluster], spec.import.service.address, &OF_EXPORT, cx).await;
        Ok(())
    }

    async fn read(spec: &Self, cx: &Cx<'_, World>) -> Result<Observed<ServiceImportStatus>, Error> {
        if !cx.world.clusters.is_known(&spec.id.cluster) {
            return Ok(Observed::Deferred);
        }
        if spec.on(cx).is_lost().await {
            return Ok(Observed::Unseen);
        }
        let objects = spec.id.objects();
        let manifests = spec.manifests();
        let wanted = |object: &ObjectRef| manifests.iter().find(|manifest| ObjectRef::of(manifest, "").as_ref() == Some(object));
        let live = try_join_all(objects.iter().map(|object| spec.on(cx).get_for(object, wanted(object)))).await?;
        if live.iter().all(Option::is_none) {
            return Ok(Observed::Gone);
        }
        let mut drift = Vec::new();
        for (object, live) in objects.iter().zip(&live) {
            let lines = match (wanted(object), live) {
                (Some(wanted), Some(live)) => own_differences(wanted, live),
                (Some(_), None) => vec!["it is gone".to_owned()],
                (None, Some(_)) => vec!["must be removed".to_owned()],
                (None, None) => Vec::new(),
            };
            drift.extend(lines.into_iter().map(|line| format!("{object}: {line}")));
        }
        Ok(Observed::Found(ServiceImportStatus { drift }))
    }

    async fn delete(spec: &Self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let [entry, rule] = spec.id.objects();
        if spec.on(cx).leaves_behind(&format!("{entry} and {rule}")).await {
            return Ok(());
        }
        spec.remove(&[rule, entry], cx).await.map_err(Error::from)
    }

    async fn import(id: &str, cx: &Cx<'_, World>) -> Result<ServiceImportModel, Error> {
        let (cluster, [namespace, host]) = import::parts(id, "CLUSTER/NAMESPACE/HOST, for example us/istio-system/echo.eu.mesh.local", cx)?;
        let wrong = |problem: String| Error::new("Invalid import ID", problem);
        let id = ImportId { cluster, namespace: Namespace::parse(&namespace).map_err(wrong)?, host: Host::parse(&host).map_err(wrong)? };
        let entry = cx.cluster(&id.cluster).get(&id.entry()).await?;
        let entry = entry.ok_or_else(|| import::nothing(&id.cluster, &id.entry().to_string()))?;
        let import = Import::read(&entry).map_err(|problem| Error::new("Not an import of this provider", problem))?;
        Ok(ServiceImportModel::from(&Self { id, import }))
    }

    fn record(status: &ServiceImportStatus, model: &mut ServiceImportModel) {
        model.drift = strings(&status.drift);
    }
}

/// Returns the host as far as the plan knows it.
fn planned_host(model: &ServiceImportModel) -> Option<PlannedHost> {
    let service = model.service.as_ref_option()?;
    let id = ImportId {
        cluster: ClusterKey::parse(model.cluster.as_ref_option()?).ok()?,
        namespace: Namespace::parse(model.namespace.as_ref_option()?).ok()?,
        host: Host::parse(service.host.as_ref_option()?).ok()?,
    };
    let address = service.address.as_ref_option().and_then(|address| Vip::parse(address).ok());
    Some(PlannedHost { source: Source::Import(id), importers: BTreeSet::new(), address })
}

#[async_trait]
impl Discover for ServiceImport {
    async fn discover(cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        let entries = cx.cluster(cluster).list(Kind::SERVICE_ENTRY, None, &labels::imports()).await?;
        let name = |entry: &Json| {
            let (namespace, host) = (entry["metadata"]["namespace"].as_str()?, entry["spec"]["hosts"][0].as_str()?);
            Some(format!("{cluster}/{namespace}/{host}"))
        };
        Ok(entries.iter().filter_map(name).collect())
    }
}
