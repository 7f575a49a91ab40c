//! The protocol, driven over gRPC as the CLIs drive it: the built program, and in this process a sample provider that has everything a
//! provider can have. Needs no cluster: what would be contacted is a port where nobody listens.

#![allow(clippy::expect_used, clippy::panic, clippy::disallowed_methods)] // a test that goes wrong is to stop

mod conformance;
mod core;
mod data_source;
mod deferral;
mod ephemeral;
mod functions;
mod host;
mod identity;
mod listing;
mod migration;
mod process;
mod resources;
mod sample;
mod schema;
mod values;
