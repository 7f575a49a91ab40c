//! The tfplugin protocol, version 6: between the wire and [`crate::terraform`]. Translates, and keeps the protocol's rules; knows no mesh.

mod answer;
mod catalog;
mod config_from_state;
mod config_rules;
mod diagnostics;
mod json;
mod mask;
mod msgpack;
mod places;
mod plan;
mod replacement;
#[cfg(test)]
mod round_trip;
mod schema;
mod self_check;
mod server;
mod shape;
mod value;
pub mod wire;

pub use mask::Mask;
pub use self_check::check;
pub use server::Server;
