//! The data sources of the provider, one file each.

mod services;

pub use services::{Services, ServicesModel};

use crate::world::World;
use framework::{AnyDataSource, erase_data_source};

/// All data sources of the provider.
pub fn all() -> Vec<Box<dyn AnyDataSource<World>>> {
    vec![erase_data_source::<Services>()]
}
