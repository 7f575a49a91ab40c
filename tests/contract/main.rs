//! The built program, driven over gRPC as the CLIs drive it. Needs no cluster: what would be contacted is a port where nobody listens.

#![allow(clippy::expect_used, clippy::panic, clippy::disallowed_methods)] // a test that goes wrong is to stop

mod functions;
mod process;
mod resources;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_terraform-provider-mesh");
