//! The ephemeral resources of the provider, one file each.

mod cluster_token;

pub use cluster_token::{ClusterToken, ClusterTokenModel};

use crate::world::World;
use framework::{AnyEphemeral, erase_ephemeral};

/// All ephemeral resources of the provider.
pub fn all() -> Vec<Box<dyn AnyEphemeral<World>>> {
    vec![erase_ephemeral::<ClusterToken>()]
}
