//! The resources of the provider, and their listings for `terraform query`.

mod authority;
mod ca_request;
mod cluster;
mod cluster_ca;
#[cfg(test)]
mod complaints;
mod eastwest_gateway;
#[cfg(test)]
mod faults;
mod global_service;
mod link;
#[cfg(test)]
mod lost_clusters;
mod new_objects;
mod remote_secret;
mod root_ca;
#[cfg(test)]
mod round_trip;
mod service_export;
mod service_import;
mod service_ranges;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use ca_request::{CaRequest, CaRequestModel};
pub use cluster::{Cluster, ClusterModel};
pub use cluster_ca::{ClusterCa, ClusterCaModel};
pub use eastwest_gateway::{EastwestGateway, EastwestGatewayModel};
pub use global_service::{GlobalService, GlobalServiceModel};
pub use link::{LinkModel, NetworkLink};
pub use remote_secret::{RemoteSecret, RemoteSecretModel};
pub use root_ca::{RootCa, RootCaModel};
pub use service_export::{ServiceExport, ServiceExportModel};
pub use service_import::{ServiceImport, ServiceImportModel};

use crate::world::{InClusters, World};
use framework::{AnyListing, AnyResource, erase, erase_listing};

/// All resources of the provider.
pub fn all() -> Vec<Box<dyn AnyResource<World>>> {
    vec![
        erase::<RootCa>(),
        erase::<CaRequest>(),
        erase::<ClusterCa>(),
        erase::<Cluster>(),
        erase::<EastwestGateway>(),
        erase::<NetworkLink>(),
        erase::<RemoteSecret>(),
        erase::<ServiceExport>(),
        erase::<ServiceImport>(),
        erase::<GlobalService>(),
    ]
}

/// The listings, one of each resource.
pub fn listings() -> Vec<Box<dyn AnyListing<World>>> {
    vec![
        erase_listing::<InClusters<RootCa>>(),
        erase_listing::<InClusters<CaRequest>>(),
        erase_listing::<InClusters<ClusterCa>>(),
        erase_listing::<InClusters<Cluster>>(),
        erase_listing::<InClusters<EastwestGateway>>(),
        erase_listing::<InClusters<NetworkLink>>(),
        erase_listing::<InClusters<RemoteSecret>>(),
        erase_listing::<InClusters<ServiceExport>>(),
        erase_listing::<InClusters<ServiceImport>>(),
        erase_listing::<InClusters<GlobalService>>(),
    ]
}
