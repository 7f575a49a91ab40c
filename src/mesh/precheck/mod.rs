//! Whether a mesh can be installed: named checks of what clusters show before anything of it is in them. As for a mesh that is installed, each
//! result has what was seen, the cause and the fix.

mod balancer;
mod charts;
mod foreign;
mod kubernetes;
mod nodes;
mod permissions;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;
use serde_json::Value as Json;

use super::{
    check::{Check, Status, distinct},
    inventory::Unread,
    names::{ClusterKey, Namespace},
};
use crate::data::{Kind, Permission};

pub use balancer::pending;
pub use charts::{CHARTS, Chart};
pub use foreign::{is_definition, releases};
pub use permissions::{DEFAULT_ROLES, ROLES, missing, needs};

/// Every check with what it says if all is well. Of several failures the first in this order is most likely the cause of the others.
pub const CHECKS: &[(&str, &str)] = &[
    ("precheck.api_server", "The cluster's API server answers and accepts the credentials."),
    ("precheck.distinct", "Each key of `clusters` leads to a cluster of its own."),
    ("precheck.permissions", "The credentials allow what the roles in `roles` do."),
    ("precheck.kubernetes", "Istio supports the cluster's version of Kubernetes."),
    ("precheck.istio", "The cluster has no Istio, or one that this provider has installed."),
    ("precheck.charts", "Helm is there, and gets Istio's charts."),
    ("precheck.nodes", "Pods can run on a node of the cluster."),
    ("precheck.load_balancer", "Services of type LoadBalancer get an address."),
    ("precheck.gateway_api", "Whether the definitions of the Gateway API are there, which `mesh_link` needs. Always `ok`."),
];

/// What was read, or why it can't be read.
pub type Seen<T> = Result<T, String>;

/// What is to be installed, and by whom.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The namespace of istiod.
    pub namespace: Namespace,
    /// The version of Istio, if one is set.
    pub istio_version: Option<Version>,
    /// The roles that the credentials must have.
    pub roles: BTreeSet<String>,
    /// Whether Helm takes over objects that exist.
    pub takes_ownership: bool,
}

/// What all clusters show, and where the charts come from.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The clusters, or why one can't be read.
    pub clusters: BTreeMap<ClusterKey, Result<Candidate, Unread>>,
    /// The charts, or why Helm can't be used.
    pub charts: Result<Vec<Chart>, Unread>,
}

/// What a cluster shows that may become a member of a mesh.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The UID of its namespace `kube-system`, if it may be read.
    pub uid: Option<String>,
    /// The name of the user that the credentials are those of, if the API server says it.
    pub user: Option<String>,
    /// The version of Kubernetes, as the API server says it.
    pub version: Seen<String>,
    /// What the credentials lack of what the roles allow.
    pub missing: Seen<BTreeSet<Permission>>,
    /// The nodes.
    pub nodes: Seen<Vec<Json>>,
    /// The Services.
    pub services: Seen<Vec<Json>>,
    /// The events of Services that wait for an address.
    pub events: Vec<Json>,
    /// Deployments of istiod.
    pub istiods: Seen<Vec<Json>>,
    /// The configurations of istiod's webhooks.
    pub webhooks: Seen<Vec<Json>>,
    /// The metadata of the custom resource definitions.
    pub definitions: Seen<Vec<Json>>,
    /// The Helm releases that Istio's objects belong to, as `NAMESPACE/NAME`, and whether this provider has made them; `None` for one that is gone.
    pub releases: BTreeMap<String, Seen<Option<bool>>>,
}

impl Status {
    /// Checks what clusters show before a mesh is installed.
    pub fn before(survey: &Survey, intent: &Intent) -> Self {
        let version = charts::istio_version(survey, intent);
        let mut checks = vec![charts::check(&survey.charts)];
        for (key, cluster) in &survey.clusters {
            let of_cluster = match cluster {
                Ok(candidate) => of_candidate(candidate, version.as_ref(), intent),
                Err(unread) => vec![unreachable(unread)],
            };
            checks.extend(of_cluster.into_iter().map(|check| check.of(key)));
        }
        let read = survey.clusters.iter().filter_map(|(key, cluster)| Some((key, cluster.as_ref().ok()?.uid.as_deref())));
        checks.push(distinct("precheck.distinct", read));
        Self::sorted(checks, CHECKS)
    }
}

fn of_candidate(candidate: &Candidate, istio: Option<&Version>, intent: &Intent) -> Vec<Check> {
    let accepted = candidate.user.as_ref().map(|user| format!("It answers, and knows the credentials as those of {user}."));
    let mut checks = vec![
        Check::ok("precheck.api_server", accepted.unwrap_or_else(|| "It answers.".to_owned())),
        kubernetes::check(&candidate.version, istio),
        nodes::check(&candidate.nodes),
        balancer::check(candidate),
        gateway_api(&candidate.definitions),
    ];
    checks.extend(permissions::checks(candidate, intent));
    checks.extend(foreign::checks(candidate, intent));
    checks
}

fn unreachable(unread: &Unread) -> Check {
    let id = "precheck.api_server";
    let check =
        if unread.is_unknown { Check::unknown(id, "The access is known only after an apply.") } else { Check::error(id, &unread.why) };
    check.because("Nothing of the cluster could be checked.", &unread.advice)
}

fn gateway_api(definitions: &Seen<Vec<Json>>) -> Check {
    let id = "precheck.gateway_api";
    let name = format!("{}.{}", Kind::API_GATEWAY.plural, Kind::API_GATEWAY.group);
    let Ok(definitions) = definitions else {
        return Check::ok(id, "Whether the definitions of the Gateway API are there can't be read. Only mesh_link needs them.");
    };
    let is_there = definitions.iter().any(|definition| definition["metadata"]["name"] == name);
    Check::ok(id, if is_there { "Its definitions are there." } else { "Its definitions are missing. Only mesh_link needs them." })
}

/// Returns the result of a check whose object can't be read. `what` is plural.
fn unreadable(id: &'static str, what: &str, why: &str) -> Check {
    Check::unknown(id, format!("It can't be told: the {what} can't be read. {}.", why.trim_end_matches('.')))
        .because("Whether all is well here isn't known.", format!("If a permission is missing, let the credentials list {what}."))
}
