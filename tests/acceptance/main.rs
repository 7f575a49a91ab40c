//! Both CLIs, the built provider, two real clusters, real traffic. Needs the lab (`make lab-up`) and runs on its WAN, one test after
//! the other: `make acceptance`.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test that goes wrong is to stop

mod balancer;
mod drift;
mod examples;
mod functions;
mod helm_values;
mod input;
mod interrupt;
mod listing;
mod mesh;
mod module;
mod secrets;
mod sources;
mod tokens;
mod trust;
mod workspace;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_terraform-provider-mesh");
