//! The built program, driven over gRPC as the CLIs drive it. Needs no cluster: the configured API servers are ports where nothing listens.

#![allow(clippy::expect_used, clippy::panic, clippy::disallowed_methods)] // a test that goes wrong is to stop

mod bad_inputs;
mod configurations;
mod functions;
mod process;
mod provider;
mod resources;
mod session;
mod snapshots;
mod states;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_terraform-provider-mesh");
