//! Warns of a virtual address from which a cluster gives its Services theirs.

use futures::future::join_all;

use crate::{
    data::Kind,
    mesh::{ClusterKey, Vip, export},
    world::{ClusterAccess as _, World},
};
use framework::{AttributePath, Cx, Error};

/// What has the address.
pub(super) struct Owner {
    /// The attribute to name.
    pub(super) attribute: &'static str,
    /// What to do; a sentence.
    pub(super) advice: &'static str,
}

/// Warns of each of the clusters that gives its Services addresses of the range that the address is in. A look that fails is left out: it is a warning
/// only.
pub(super) async fn warn_of_service_ranges<'a>(
    clusters: impl IntoIterator<Item = &'a ClusterKey>,
    vip: Vip,
    owner: &Owner,
    cx: &Cx<'_, World>,
) {
    if vip.is_reserved() {
        return;
    }
    let known = clusters.into_iter().filter(|cluster| cx.world.clusters.problem(cluster).is_none() && cx.world.clusters.is_known(cluster));
    let looks = known.map(|cluster| async move {
        let ranges = cx.cluster(cluster).shared().list(Kind::SERVICE_CIDR, None, "").await.ok()?;
        export::service_range(&ranges, vip).map(|range| warning(cluster, vip, range, owner))
    });
    for warning in join_all(looks).await.into_iter().flatten() {
        cx.warn(warning);
    }
}

fn warning(cluster: &ClusterKey, vip: Vip, range: &str, owner: &Owner) -> Error {
    let detail = format!(
        "{vip} is in {range}, from which cluster \"{cluster}\" gives its Services their addresses. Calls of a Service that has, or gets, this address \
         can go to the host instead. {}",
        owner.advice
    );
    Error::new("Virtual address in the range of Services", detail).at(AttributePath::new(owner.attribute))
}
