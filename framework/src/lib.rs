//! What a Terraform and OpenTofu provider is written against: models, the life cycle of a resource, protocol 6.11 and the plugin process.

mod deadline;
pub mod plugin;
pub mod protocol;
mod terraform;

pub use deadline::{Cut, Deadline};
pub use terraform::*;
