//! `mesh_global_service`: one host that several clusters serve. Owns in each of them a DestinationRule, and in each that serves the host a
//! ServiceEntry of its pods and a Gateway that lets the host through; where others serve it too, a ServiceEntry of their networks.

mod import;
mod model;
mod objects;
mod plan;
mod resolve;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;

pub use model::GlobalServiceModel;
use resolve::Resolved;

use super::{
    service_export::{ServiceExport, ports::ExportedPortModel, surroundings::VIP},
    service_ranges::warn_of_service_ranges,
};
use crate::{
    mesh::{
        ClusterKey, ServicePort, Vip,
        global::{Global, GlobalId, Request},
    },
    world::{ClusterAccess, World, all_failed, check_destroyable, strings},
};
use framework::{Cx, DefaultTimeouts, Destruction, Error, Observed, Parse, Parsed, Plan, Prior, Reached, Resource, Timeouts, Value};

/// The service as it is configured.
pub struct GlobalService {
    id: GlobalId,
    request: Request,
}

/// The service as it is.
pub struct GlobalServiceStatus {
    /// The ports and identities; `None` while they can't be found.
    resolved: Option<(Vec<ServicePort>, Vec<String>)>,
    address: Vip,
    drift: Vec<String>,
}

impl GlobalServiceStatus {
    fn new(global: &Global, drift: Vec<String>) -> Self {
        let resolved = Some((global.ports.clone(), global.identities.iter().cloned().collect()));
        Self { resolved, address: global.request.address(&global.id.host), drift }
    }
}

impl GlobalService {
    /// The service as a single cluster exports it.
    fn part(&self, cluster: &ClusterKey) -> Option<ServiceExport> {
        let member = self.request.members.get(cluster)?;
        let (id, request) = crate::mesh::global::part(&self.id, &self.request, cluster, member);
        Some(ServiceExport::of_one(id, request))
    }

    fn import_id(&self) -> String {
        format!("mesh_global_service.<name> {}", self.id)
    }

    /// The clusters that are, or were, in the provider's `clusters` of this run.
    fn configured<'a>(&'a self, cx: &'a Cx<'_, World>) -> impl Iterator<Item = &'a ClusterKey> {
        self.request.members.keys().filter(|key| cx.world.clusters.problem(key).is_none())
    }
}

#[async_trait]
impl Resource for GlobalService {
    type World = World;
    type Model = GlobalServiceModel;
    type Spec = Self;
    type Status = GlobalServiceStatus;

    const NAME: &'static str = "mesh_global_service";
    const TIMEOUTS: DefaultTimeouts =
        DefaultTimeouts { apply: Duration::from_secs(180), read: Duration::from_secs(60), delete: Duration::from_secs(180) };
    const IDENTITY: &'static [&'static str] = &["namespace", "host"];

    fn timeouts(model: &GlobalServiceModel) -> &Value<Timeouts> {
        &model.timeouts
    }

    fn parse(model: &GlobalServiceModel, parse: &mut Parse<'_>) -> Option<Self> {
        model.parse(parse)
    }

    fn plan(plan: &mut Plan<'_, GlobalServiceModel, World>, _spec: &Parsed<Self>) {
        plan::plan(plan);
    }

    async fn preview(planned: &mut GlobalServiceModel, cx: &Cx<'_, World>) -> Result<(), Error> {
        if let Some(vip) = planned.vip.as_ref_option().and_then(|vip| Vip::parse(vip).ok()) {
            warn_of_service_ranges(&plan::clusters(planned), vip, &VIP, cx).await;
        }
        Ok(())
    }

    fn plan_destroy(destruction: &mut Destruction<'_, GlobalServiceModel, World>) {
        for key in destruction.prior.gateways.as_ref_option().into_iter().flat_map(|gateways| gateways.keys()) {
            check_destroyable(destruction.world, &Value::Value(key.clone()), destruction.report);
        }
    }

    async fn apply(spec: &Self, prior: &Prior<Self>, reached: &mut Reached<GlobalServiceStatus>, cx: &Cx<'_, World>) -> Result<(), Error> {
        let left = if prior.is_none() { spec.left(cx).await? } else { None };
        let prior = left.as_ref().unwrap_or(prior);
        let clusters: Vec<_> = spec.request.members.keys().cloned().collect();
        let Resolved { global, unseen, warnings } = spec.resolve(&clusters, cx).await?;
        let claim = spec.claim(&global, prior, unseen, cx).await?;
        let creation = spec.begin(&claim, prior, cx).await?;
        for warning in warnings {
            cx.warn(warning);
        }
        spec.warn_of_missing_links(&claim.clusters, cx).await;
        reached.set(GlobalServiceStatus::new(&global, Vec::new()));
        if let Some(creation) = &creation {
            spec.mark(&global, &claim, creation, reached, cx).await?;
        }
        let mut failures = spec.write(&global, claim, prior, creation.as_ref(), cx).await;
        failures.extend(spec.remove_obsolete(&global, prior, cx).await);
        all_failed(failures)?;
        if let (Some(_), Some(home)) = (&creation, spec.request.home()) {
            cx.cluster(home).unmark(&spec.id.rule()).await?;
        }
        join_all(global.parts.iter().filter_map(|(key, export)| Some((spec.part(key)?, export))).map(|(part, export)| async move {
            part.warn_of_surroundings(export, cx).await;
        }))
        .await;
        if let Some(vip) = spec.request.vip {
            warn_of_service_ranges(&clusters, vip, &VIP, cx).await;
        }
        Ok(())
    }

    async fn read(spec: &Self, cx: &Cx<'_, World>) -> Result<Observed<GlobalServiceStatus>, Error> {
        if spec.configured(cx).any(|key| !cx.world.clusters.is_known(key)) {
            return Ok(Observed::Deferred);
        }
        let mut clusters = Vec::new();
        for key in spec.configured(cx) {
            if !cx.cluster(key).is_lost().await {
                clusters.push(key.clone());
            }
        }
        if clusters.is_empty() {
            return Ok(Observed::Unseen);
        }
        match spec.resolve(&clusters, cx).await {
            Ok(resolved) => spec.compare(&clusters, resolved, cx).await,
            // It must not fail a plan: the next apply reports it.
            Err(resolve::Unresolved::Configuration(problem)) => spec.read_unresolved(&clusters, problem, cx).await,
            Err(unresolved) => Err(unresolved.into()),
        }
    }

    async fn delete(spec: &Self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let failures = join_all(spec.request.members.keys().map(|cluster| spec.remove_all(cluster, cx))).await;
        all_failed(failures.concat())
    }

    async fn import(id: &str, cx: &Cx<'_, World>) -> Result<GlobalServiceModel, Error> {
        import::import(id, cx).await
    }

    fn record(status: &GlobalServiceStatus, model: &mut GlobalServiceModel) {
        if let Some((ports, identities)) = &status.resolved {
            model.service_ports = Value::Value(ports.iter().map(|port| Value::Value(ExportedPortModel::from(port))).collect());
            model.identities = strings(identities);
        }
        model.address = Value::Value(status.address.to_string());
        model.drift = strings(&status.drift);
    }
}
