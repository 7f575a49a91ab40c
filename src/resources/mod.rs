//! One file a resource, and what they share.

mod cluster;
mod cluster_ca;
mod eastwest_gateway;
mod import;
mod listing;
mod namespace;
mod observation;
mod root_ca;
mod service_export;
#[cfg(test)]
mod tests;
mod world;

use observation::{release_drift, seen};

pub use cluster::{Cluster, ClusterModel};
pub use cluster_ca::{ClusterCa, ClusterCaModel};
pub use eastwest_gateway::{EastwestGatewayModel, Gateway};
pub use root_ca::{RootCa, RootCaModel};
pub use service_export::{ServiceExport, ServiceExportModel};
pub use world::{Clusters, Networks, World};

use crate::{
    mesh::ClusterKey,
    ports::Failure,
    terraform::{AnyListing, AnyResource, AttributePath, Cx, Error, Report, Value, erase, erase_listing},
};

/// All resources of the provider.
pub fn all() -> Vec<Box<dyn AnyResource<World>>> {
    vec![erase::<RootCa>(), erase::<ClusterCa>(), erase::<Cluster>(), erase::<Gateway>(), erase::<ServiceExport>()]
}

/// The listings, one of each resource.
pub fn listings() -> Vec<Box<dyn AnyListing<World>>> {
    vec![
        erase_listing::<RootCa>(),
        erase_listing::<ClusterCa>(),
        erase_listing::<Cluster>(),
        erase_listing::<Gateway>(),
        erase_listing::<ServiceExport>(),
    ]
}

/// A failure of the world as an error of the resource.
pub(crate) fn failed(failure: Failure) -> Error {
    let detail = failure.detail();
    Error::new(failure.summary, detail)
}

/// Failures of work done at once, as one error that tells all of them.
fn all_failed(failures: Vec<Failure>) -> Result<(), Error> {
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else { return Ok(()) };
    let others: Vec<_> = failures.map(|other| format!("\n\n{}: {}", other.summary, other.detail())).collect();
    let mut error = failed(first);
    error.detail.push_str(&others.concat());
    Err(error)
}

/// Reports a key that isn't one of the provider's `clusters`.
fn check_cluster(world: Option<&World>, cluster: &ClusterKey, path: AttributePath, report: &mut Report) {
    if let Some(problem) = world.and_then(|world| world.clusters.problem(cluster)) {
        report.error(Error::new("Unknown cluster", problem).at(path));
    }
}

/// The error of a cluster that isn't one of the provider's `clusters`, or that can't be reached with what is known now.
pub(crate) fn reachable(cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<(), Error> {
    if let Some(problem) = cx.world.clusters.problem(cluster) {
        return Err(Error::new("Unknown cluster", problem));
    }
    if cx.world.clusters.is_known(cluster) { Ok(()) } else { Err(cx.unseen(&format!("The access to cluster `{cluster}`"))) }
}

/// Reports that a planned change would need a `helm`, and there is none.
fn check_helm(world: Option<&World>, report: &mut Report) {
    if let Some(Err(failure)) = world.map(|world| world.releases.locate()) {
        report.error(failed(failure));
    }
}

/// What exists, and this resource didn't make, is left alone.
fn not_ours(cluster: &str, object: &str, import: &str) -> Error {
    Error::new(
        "Exists already",
        format!(
            "Cluster \"{cluster}\" already has {object}, which this resource didn't make, so it was left as it is.\n\nTo take it over, run \
             `terraform import {import}` (or `tofu import`); to have a new one, remove the old one or choose another name."
        ),
    )
}

/// Texts as a computed list.
fn texts(texts: &[String]) -> Value<Vec<Value<String>>> {
    Value::Value(texts.iter().cloned().map(Value::Value).collect())
}

/// Reads a version of Istio's charts; ranges are refused, as what they give changes without a plan.
pub(crate) fn parse_version(text: &str) -> Result<String, String> {
    semver::Version::parse(text)
        .map(|_| text.to_owned())
        .map_err(|_| format!("`{text}` is not a version of a chart. Write one in full, such as `1.31.0`."))
}
