//! Checks the plan of a control plane without contacting a cluster, and warns of what its apply does to running workloads.

use semver::Version;

use super::{ClusterCaRef, ClusterModel, parse_plane};
use crate::{
    mesh::{ClusterKey, ControlPlane, MeshId, NetworkName, Revision, TrustDomain},
    world::{PlannedCluster, PlannedRoot, World, adopts},
};
use framework::{AttributePath, Error, Parse, Plan, Report, Value};

/// Completes and checks a planned control plane.
pub(super) fn plan(plan: &mut Plan<'_, ClusterModel, World>) {
    crate::world::plan_version(
        &plan.planned.istio_version,
        plan.prior.as_ref().map(|prior| &prior.installed_version),
        &mut plan.planned.installed_version,
        plan.world,
        plan.report,
    );
    // The apply then waits until istiod has taken it up.
    if let (Some(world), Some(cluster)) = (plan.world, plan.planned.cluster.as_ref_option())
        && world.planned.renews_ca(cluster, plan.planned.namespace.as_ref_option().map(String::as_str).unwrap_or_default())
        && plan.planned.ca.is_value()
    {
        plan.planned.ca_in_use = Value::Unknown;
    }
    if plan.prior.as_ref() != Some(&plan.planned) {
        crate::world::check_helm(plan.world, plan.report);
    }
    // An unknown CA, as in every first plan, doesn't hide problems with the rest.
    if let Some(cluster) = plan.known(planned_cluster) {
        crate::world::check_cluster(plan.world, &cluster.key, AttributePath::new("cluster"), plan.report);
        let warnings = plan.world.map(|world| world.planned.add_cluster(cluster));
        warnings.into_iter().flatten().for_each(|warning| plan.report.warning(warning));
    }
    warn_of_another_root(plan);
    super::canary::check_plan(plan);
    if let Some(plane) = plan.known(parse_plane) {
        let prior = plan.prior.as_ref().and_then(|prior| parse_plane(prior, &mut Parse::new(&mut Report::new())));
        if let Some(warning) = prior.and_then(|prior| restart_needed(&prior, &plane)) {
            plan.report.warning(warning);
        }
        for refusal in plane.refusals(!plan.planned.ca.is_null()) {
            plan.report.error(Error::new(refusal.title(), refusal.message).at(AttributePath::new("values")));
        }
        for (attribute, lints) in [("values", plane.lints()), ("base_values", plane.base_lints())] {
            for lint in lints {
                plan.report.warning(Error::new(lint.title(), lint.message).at(AttributePath::new(attribute)));
            }
        }
    }
}

/// Reads what other clusters of the mesh need to know about this one.
fn planned_cluster(model: &ClusterModel, parse: &mut Parse<'_>) -> Option<PlannedCluster> {
    let plane = parse_plane(model, &mut Parse::new(&mut Report::new()));
    Some(PlannedCluster {
        key: parse.required("cluster", &model.cluster, |key| ClusterKey::parse(key))?,
        mesh_id: parse.required("mesh_id", &model.mesh_id, |text| MeshId::parse(text))?,
        network: parse.required("network", &model.network, |text| NetworkName::parse(text)),
        trust_domain: parse.required("trust_domain", &model.trust_domain, |text| TrustDomain::parse(text)),
        accepted_domains: plane.as_ref().map(ControlPlane::accepted_domains),
        dns_capture: model.dns_capture.as_ref_option().copied(),
        version: model.installed_version.as_ref_option().and_then(|version| Version::parse(version).ok()),
        canary: canary_of(model),
        root: match &model.ca {
            // An istiod that is taken over keeps the CA that it has, which may lead to the common root.
            Value::Null if adopts(model.adopt) => PlannedRoot::Unknown,
            Value::Null if plane.is_some_and(|plane| plane.signs()) => PlannedRoot::OwnOfIstiod,
            // Null: something else signs, with a root that only the cluster knows; or the values, which may say so, are unknown.
            Value::Null | Value::Unknown => PlannedRoot::Unknown,
            Value::Value(ca) => match (&ca.root_fingerprint, &ca.trusted_fingerprints) {
                (_, Value::Unknown) => PlannedRoot::Unknown,
                (Value::Value(fingerprint), _) => PlannedRoot::Trusted { signer: fingerprint.clone(), further: further_roots(ca) },
                _ => PlannedRoot::Unknown,
            },
        },
    })
}

/// Reads the revision and the version of a canary, which has that of the cluster's own istiod if it sets none.
fn canary_of(model: &ClusterModel) -> Option<(Revision, Option<Version>)> {
    let canary = model.canary.as_ref_option()?;
    let version = match &canary.istio_version {
        Value::Null => &model.installed_version,
        version => version,
    };
    let revision = Revision::parse(canary.revision.as_ref_option()?).ok()?;
    Some((revision, version.as_ref_option().and_then(|version| Version::parse(version).ok())))
}

fn further_roots(ca: &ClusterCaRef) -> Vec<String> {
    Parse::each_known(&ca.trusted_fingerprints, |root| Ok::<_, String>(root.clone()))
}

/// Warns that istiod gets another root.
fn warn_of_another_root(plan: &mut Plan<'_, ClusterModel, World>) {
    let fingerprint = |model: &ClusterModel| model.ca.as_ref_option().and_then(|ca| ca.root_fingerprint.as_ref_option()).cloned();
    let Some(prior) = &plan.prior else { return };
    // A root that all workloads trust already makes no call fail.
    let is_trusted = |root: &String| prior.ca.as_ref_option().is_some_and(|ca| further_roots(ca).contains(root));
    let other = fingerprint(&plan.planned).filter(|root| fingerprint(prior).as_ref() != Some(root) && !is_trusted(root));
    if let Some(root) = other {
        plan.report.warning(
            Error::new(
                "istiod gets another root of trust",
                format!(
                    "istiod restarts with the root {root}. Workloads that still have a certificate of another root fail to call those that have a \
                     new one, until they are restarted or their certificate is renewed, within a day by default."
                ),
            )
            .at(AttributePath::new("ca")),
        );
    }
}

/// Warns of a change that running sidecars don't follow: they keep the cluster's name and network with which they were injected.
pub(super) fn restart_needed(prior: &ControlPlane, planned: &ControlPlane) -> Option<Error> {
    let (attribute, before, after, what) = if prior.cluster_name != planned.cluster_name {
        let what = "istiod accepts only sidecars of its own cluster name: until they restart, they get no new configuration and no new certificates";
        ("cluster_name", prior.cluster_name.as_str(), planned.cluster_name.as_str(), what)
    } else if prior.network != planned.network {
        let what = "sidecars keep the network with which they were injected: until they restart, calls between networks can fail";
        ("network", prior.network.as_str(), planned.network.as_str(), what)
    } else if prior.trust_domain != planned.trust_domain {
        let what = "workloads keep certificates of the old trust domain, which callers that expect the new one refuse, until they restart";
        ("trust_domain", prior.trust_domain.as_str(), planned.trust_domain.as_str(), what)
    } else {
        return None;
    };
    let detail = format!(
        "`{attribute}` changes from `{before}` to `{after}`, and {what}. Right after the apply, restart every workload with a sidecar, and the \
         gateways: `kubectl rollout restart deployment --namespace NAMESPACE`."
    );
    Some(Error::new("Sidecars must restart", detail).at(AttributePath::new(attribute)))
}
