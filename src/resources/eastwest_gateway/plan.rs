//! Checks the plan of a gateway without contacting a cluster, and decides whether its apply can change the addresses: if they become unknown,
//! every export behind the gateway is planned as an update.

use super::{EastwestGateway, EastwestGatewayModel, addresses::parse_external};
use crate::mesh::{ExposedService, Revision};
use crate::world::{PlannedGateway, World, check_cluster, check_helm, plan_version, strings};
use framework::{AttributePath, Error, Parse, Parsed, Plan, Report, Value};

/// Beginnings of drift lines about objects that have no influence on the load balancer.
const HARMLESS: &[&str] =
    &["Deployment ", "HorizontalPodAutoscaler ", "PodDisruptionBudget ", "ServiceAccount ", "Role ", "RoleBinding ", "NetworkPolicy "];

/// Helm values that have an influence on the Service.
const OF_THE_SERVICE: &[&str] = &["service", "networkGateway", "name", "labels"];

/// Completes and checks a planned gateway.
pub(super) fn plan(plan: &mut Plan<'_, EastwestGatewayModel, World>, spec: &Parsed<EastwestGateway>) {
    plan_version(
        &plan.planned.istio_version,
        plan.prior.as_ref().map(|prior| &prior.installed_version),
        &mut plan.planned.installed_version,
        plan.world,
        plan.report,
    );
    plan_addresses(plan);
    if plan.prior.as_ref() != Some(&plan.planned) {
        check_helm(plan.world, plan.report);
    }
    if let Parsed::Ready(spec) = spec {
        check_cluster(plan.world, &spec.cluster, AttributePath::new("cluster"), plan.report);
        let gateway = PlannedGateway {
            cluster: spec.cluster.clone(),
            name: format!("{}/{}", spec.namespace(), spec.gateway.names.release),
            label: spec.gateway.names.label().to_owned(),
            revision: spec.gateway.release(None).values["revision"].as_str().and_then(|revision| Revision::parse(revision).ok()),
            version: plan.planned.installed_version.as_ref_option().and_then(|version| semver::Version::parse(version).ok()),
            open_namespaces: spec.exposed.services.iter().filter_map(ExposedService::whole_namespace).cloned().collect(),
        };
        let warnings = plan.world.map(|world| world.planned.add_gateway(gateway));
        warnings.into_iter().flatten().for_each(|warning| plan.report.warning(warning));
        for lint in spec.gateway.lints() {
            plan.report.warning(Error::new(lint.title(), lint.message).at(AttributePath::new("values")));
        }
        if let Err(error) = spec.check_reachable() {
            plan.report.error(error);
        }
    }
}

/// Plans `addresses` and `port`: configured ones are known, and those of the load balancer are kept unless the apply can change them.
fn plan_addresses(plan: &mut Plan<'_, EastwestGatewayModel, World>) {
    let external = plan.known(parse_external);
    let is_stable = plan.prior.as_ref().is_some_and(|prior| {
        let same_service = service_values(prior).is_some_and(|values| Some(values) == service_values(&plan.planned));
        let lines = prior.drift.as_ref_option().into_iter().flatten().filter_map(Value::as_ref_option);
        let same_private = prior.values_wo_version == plan.planned.values_wo_version;
        same_service
            && same_private
            && lines.into_iter().all(|line| is_harmless(line))
            && prior.external_addresses == plan.planned.external_addresses
    });
    match external {
        Some(Some(addresses)) => plan.planned.addresses = strings(&addresses.iter().map(ToString::to_string).collect::<Vec<_>>()),
        _ if !is_stable => plan.planned.addresses = Value::Unknown,
        _ => {}
    }
    match &plan.planned.external_port {
        Value::Value(port) => plan.planned.port = Value::Value(*port),
        port => {
            let is_same = plan.prior.as_ref().is_some_and(|prior| prior.external_port == *port);
            if !is_same || !is_stable {
                plan.planned.port = Value::Unknown;
            }
        }
    }
}

/// Returns the Helm values that have an influence on the Service; `None` if they are not known.
fn service_values(model: &EastwestGatewayModel) -> Option<Vec<serde_json::Value>> {
    let spec = EastwestGateway::parse_model(model, &mut Parse::new(&mut Report::new()))?;
    let values = spec.gateway.release(None).values;
    Some(OF_THE_SERVICE.iter().chain(&["networkGatewayPorts"]).map(|key| values[key].clone()).collect())
}

/// Returns whether a drift line can't mean that the load balancer changes.
pub(super) fn is_harmless(line: &str) -> bool {
    match line.split_once(": values: ") {
        Some((release, key)) => {
            release.starts_with("Helm release ") && !OF_THE_SERVICE.iter().any(|of_service| key.starts_with(of_service))
        }
        None => HARMLESS.iter().any(|kind| line.starts_with(kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::is_harmless;

    #[test]
    fn only_drift_of_the_service_can_move_the_load_balancer() {
        for line in [
            "Deployment istio-system/gw: spec.replicas: 1 wanted, 2 found",
            "HorizontalPodAutoscaler istio-system/gw: it is gone",
            "Helm release gw: values: resources.limits.cpu: it was added (revision 4)",
        ] {
            assert!(is_harmless(line), "{line}");
        }
        for line in [
            "Service istio-system/gw: spec.ports[tls]: it is gone",
            "Service istio-system/gw: it has no address",
            "Helm release gw: values: service.annotations.a: it was added (revision 4)",
            "Helm release gw: values: networkGatewayPorts.tls.port: it was added (revision 4)",
            "Helm release gw: it is gone",
            "the last apply did not finish: Gave up",
        ] {
            assert!(!is_harmless(line), "{line}");
        }
    }
}
