//! Checks that importing clusters have a way to the exporting cluster's network, where the export names that instead of addresses.

use futures::future::join_all;

use super::ServiceExport;
use crate::{
    data::Kind,
    mesh::{ClusterKey, Host, NetworkName, link},
    ports::FailureKind,
    world::{ClusterAccess as _, World},
};
use framework::{AttributePath, Cx, Error};

impl ServiceExport {
    /// Warns of the clusters, among these, that have no Gateway to the export's network: calls fail there until they have one. It is no error, as
    /// istiod also finds gateways by other means, such as remote secrets.
    pub(super) async fn warn_of_missing_links(&self, clusters: &[ClusterKey], cx: &Cx<'_, World>) {
        let Some(network) = &self.request.network else { return };
        let importers = clusters.iter().filter(|cluster| **cluster != self.id.exporter);
        let looks = importers
            .map(|cluster| async move { (!has_link(cluster, network, cx).await).then(|| no_link(&self.id.host, cluster, network)) });
        for mut warning in join_all(looks).await.into_iter().flatten() {
            warning.detail.push_str(" Let `network` refer to it, so that it is made first.");
            cx.warn(warning.at(AttributePath::new("network")));
        }
    }
}

/// Whether a cluster has a Gateway to a network. One that can't be read is taken to have it.
pub(in crate::resources) async fn has_link(cluster: &ClusterKey, network: &NetworkName, cx: &Cx<'_, World>) -> bool {
    match cx.cluster(cluster).list(Kind::API_GATEWAY, None, &link::to_network(network)).await {
        Ok(gateways) => !gateways.is_empty(),
        // Otherwise the cluster doesn't know the Gateway API.
        Err(failure) => failure.kind != FailureKind::NotFound,
    }
}

/// The warning of a cluster that has no Gateway to a network.
pub(in crate::resources) fn no_link(host: &Host, cluster: &ClusterKey, network: &NetworkName) -> Error {
    Error::new(
        "No link to the network",
        format!(
            "Calls of {host} go by way of network \"{network}\", and cluster \"{cluster}\" has no Gateway with the label `{}`, so its pods can't reach \
             the host there unless istiod finds the network's gateway by other means. Add a mesh_link of cluster \"{cluster}\" to the network.",
            link::to_network(network)
        ),
    )
}
