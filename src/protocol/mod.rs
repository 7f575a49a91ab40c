//! The tfplugin protocol, version 6: between the wire and [`crate::terraform`]. Translates, and keeps the protocol's rules; knows no mesh.

mod convert;
mod json;
mod msgpack;
mod plan;
#[cfg(test)]
mod round_trip;
mod server;
mod types;
pub mod wire;

pub use server::Server;
