//! The data sources of the provider, one file each.

mod check;
mod precheck;
mod probe;
mod services;
mod status;
mod topology;

pub use check::CheckModel;
pub use precheck::{MeshPrecheck, PrecheckModel};
pub use probe::{CallModel, CallerModel, MeshProbe, ProbeModel};
pub use services::{Services, ServicesModel};
pub use status::{MeshStatus, StatusModel};
pub use topology::{MeshTopology, TopologyModel};

use crate::world::World;
use framework::{AnyDataSource, erase_data_source};

/// All data sources of the provider.
pub fn all() -> Vec<Box<dyn AnyDataSource<World>>> {
    vec![
        erase_data_source::<MeshPrecheck>(),
        erase_data_source::<MeshProbe>(),
        erase_data_source::<Services>(),
        erase_data_source::<MeshStatus>(),
        erase_data_source::<MeshTopology>(),
    ]
}
