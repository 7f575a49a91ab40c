//! Checks the plan of an export without contacting a cluster: unknown clusters, objects that stay behind, conflicts with other exports of the
//! run. Computes the host's address.

use super::{ServiceExportModel, imported::ImportedModel, model::GatewayRef};
use crate::{
    mesh::{ClusterKey, ExportId, Host, Namespace, TrustDomain, Vip},
    world::{PlannedHost, Source, World, check_cluster},
};
use framework::{AttributePath, Error, Parse, Plan, Value};

/// Completes and checks a planned export.
pub(super) fn plan(plan: &mut Plan<'_, ServiceExportModel, World>) {
    // The gateway's address is unknown in the first plan; the clusters' keys are not.
    let exporter = exporter(&plan.planned.gateway);
    let importers = Parse::each_known(&plan.planned.importers, |key: &String| ClusterKey::parse(key));
    for (attribute, key) in exporter.iter().map(|key| ("gateway", key)).chain(importers.iter().map(|key| ("importers", key))) {
        check_cluster(plan.world, key, AttributePath::new(attribute), plan.report);
    }
    for cluster in left_behind(plan) {
        let problem = format!(
            "Cluster `{cluster}` is removed from `importers` and is no longer in the provider's `clusters`, so the export's ServiceEntry and \
             DestinationRule in it can't be deleted and stay. If the cluster still exists, keep it in `clusters` for this apply."
        );
        plan.report.warning(Error::new("Objects stay behind", problem).at(AttributePath::new("importers")));
    }
    let host = plan.planned.host.as_ref_option().and_then(|host| Host::parse(host).ok());
    let vip = match &plan.planned.vip {
        Value::Null => Some(None),
        Value::Value(vip) => Vip::parse(vip).ok().map(Some),
        Value::Unknown => None,
    };
    let address = host.as_ref().zip(vip).map(|(host, vip)| vip.unwrap_or_else(|| Vip::of_host(host)));
    plan.planned.address = address.map_or(Value::Unknown, |address| Value::Value(address.to_string()));
    if let (Some(world), Some(exporter)) = (plan.world, &exporter)
        && let Some(domain) = world.planned.trust_domain(exporter)
        && has_other_domain(&plan.planned, &domain)
    {
        // The same apply changes the exporter's trust domain, and with it the identities.
        plan.planned.identities = Value::Unknown;
    }
    // Null in a state of an earlier release: the next refresh sets it, and is no reason for an update.
    if !plan.planned.import.is_null() {
        plan.planned.import = Value::Value(ImportedModel::of(&plan.planned));
    }
    let namespace = plan.planned.namespace.as_ref_option().and_then(|namespace| Namespace::parse(namespace).ok());
    if let (Some(world), Some(exporter), Some(namespace), Some(host)) = (plan.world, exporter, namespace, host) {
        let source = Source::Export(ExportId { exporter, namespace, host });
        for warning in world.planned.add_host(PlannedHost { source, importers: importers.into_iter().collect(), address }) {
            plan.report.warning(warning);
        }
    }
}

/// Returns whether the identities, which follow the exporting cluster, are of another trust domain than this one.
fn has_other_domain(planned: &ServiceExportModel, domain: &TrustDomain) -> bool {
    let identities = planned.identities.as_ref_option().into_iter().flatten().filter_map(Value::as_ref_option);
    let prefix = format!("spiffe://{domain}/");
    planned.trust_domain.is_null() && identities.into_iter().any(|identity| !identity.starts_with(&prefix))
}

fn exporter(gateway: &Value<GatewayRef>) -> Option<ClusterKey> {
    ClusterKey::parse(gateway.as_ref_option()?.cluster.as_ref_option()?).ok()
}

/// Returns the clusters from which the export is removed, and which are no longer configured.
fn left_behind(plan: &Plan<'_, ServiceExportModel, World>) -> Vec<ClusterKey> {
    let (Some(world), Some(prior)) = (plan.world, &plan.prior) else { return Vec::new() };
    let (Value::Value(before), Value::Value(after)) = (&prior.importers, &plan.planned.importers) else { return Vec::new() };
    let dismissed = before.iter().filter_map(Value::as_ref_option).filter(|key| !after.contains(key));
    let dismissed = dismissed.filter_map(|key| ClusterKey::parse(key).ok());
    dismissed.filter(|key| world.clusters.problem(key).is_some()).collect()
}
