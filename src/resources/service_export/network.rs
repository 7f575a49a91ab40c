//! Checks that importing clusters have a way to the exporting cluster's network, where the export names that instead of addresses.

use futures::future::join_all;

use super::ServiceExport;
use crate::{
    data::Kind,
    mesh::{ClusterKey, link},
    ports::FailureKind,
    world::{ClusterAccess as _, World},
};
use framework::{AttributePath, Cx, Error};

impl ServiceExport {
    /// Warns of the clusters, among these, that have no Gateway to the export's network: calls fail there until they have one. It is no error, as
    /// istiod also finds gateways by other means, such as remote secrets.
    pub(super) async fn warn_of_missing_links(&self, clusters: &[ClusterKey], cx: &Cx<'_, World>) {
        let Some(network) = &self.request.network else { return };
        let importers: Vec<_> = clusters.iter().filter(|cluster| **cluster != self.id.exporter).collect();
        let looks = importers
            .iter()
            .map(|cluster| async move { cx.cluster(cluster).list(Kind::API_GATEWAY, None, &link::to_network(network)).await });
        for (cluster, found) in importers.iter().zip(join_all(looks).await) {
            let is_missing = match found {
                Ok(gateways) => gateways.is_empty(),
                // The cluster doesn't know the Gateway API.
                Err(failure) => failure.kind == FailureKind::NotFound,
            };
            if is_missing {
                let detail = format!(
                    "The export of {} names network \"{network}\", and cluster \"{cluster}\" has no Gateway with the label `{}`, so its pods \
                     can't reach the host unless istiod finds the network's gateway by other means. Add a mesh_link of cluster \"{cluster}\" to \
                     the network, and let `network` refer to it, so that the link is made first.",
                    self.id.host,
                    link::to_network(network)
                );
                cx.warn(Error::new("No link to the network", detail).at(AttributePath::new("network")));
            }
        }
    }
}
