//! Checks the plan of a global service without contacting a cluster: unknown clusters, objects that stay behind, conflicts with other hosts of the
//! run. Computes the host's address.

use std::collections::BTreeSet;

use super::GlobalServiceModel;
use crate::{
    mesh::{ClusterKey, ExportId, Host, Namespace, Vip},
    world::{PlannedHost, Source, World, check_cluster},
};
use framework::{AttributePath, Error, Plan, Value};

/// Completes and checks a planned service.
pub(super) fn plan(plan: &mut Plan<'_, GlobalServiceModel, World>) {
    let clusters = clusters(&plan.planned);
    for key in &clusters {
        check_cluster(plan.world, key, AttributePath::new("gateways").key(key.to_string()), plan.report);
    }
    for cluster in left_behind(plan, &clusters) {
        let problem = format!(
            "Cluster `{cluster}` is removed from `gateways` and is no longer in the provider's `clusters`, so the objects of the host in it can't be \
             deleted and stay. If the cluster still exists, keep it in `clusters` for this apply."
        );
        plan.report.warning(Error::new("Objects stay behind", problem).at(AttributePath::new("gateways")));
    }
    let host = plan.planned.host.as_ref_option().and_then(|host| Host::parse(host).ok());
    let vip = match &plan.planned.vip {
        Value::Null => Some(None),
        Value::Value(vip) => Vip::parse(vip).ok().map(Some),
        Value::Unknown => None,
    };
    let address = host.as_ref().zip(vip).map(|(host, vip)| vip.unwrap_or_else(|| Vip::of_host(host)));
    plan.planned.address = address.map_or(Value::Unknown, |address| Value::Value(address.to_string()));
    let namespace = plan.planned.namespace.as_ref_option().and_then(|namespace| Namespace::parse(namespace).ok());
    let (exporter, importers) = (clusters.first().cloned(), clusters.into_iter().skip(1).collect());
    if let (Some(world), Some(exporter), Some(namespace), Some(host)) = (plan.world, exporter, namespace, host) {
        // For conflicts it doesn't matter which of the clusters export and which import.
        let source = Source::Export(ExportId { exporter, namespace, host });
        for warning in world.planned.add_host(PlannedHost { source, importers, address }) {
            plan.report.warning(warning);
        }
    }
}

pub(super) fn clusters(model: &GlobalServiceModel) -> BTreeSet<ClusterKey> {
    let keys = model.gateways.as_ref_option().into_iter().flat_map(|gateways| gateways.keys());
    keys.filter_map(|key| ClusterKey::parse(key).ok()).collect()
}

/// Returns the clusters that are removed from the service, and are no longer configured.
fn left_behind(plan: &Plan<'_, GlobalServiceModel, World>, after: &BTreeSet<ClusterKey>) -> Vec<ClusterKey> {
    let (Some(world), Some(prior)) = (plan.world, &plan.prior) else { return Vec::new() };
    if plan.planned.gateways.is_unknown() {
        return Vec::new();
    }
    let dismissed = clusters(prior).into_iter().filter(|key| !after.contains(key));
    dismissed.filter(|key| world.clusters.problem(key).is_some()).collect()
}
