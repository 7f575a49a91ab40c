//! Both CLIs, the built provider, two real clusters, real traffic. Needs the lab (`make lab-up`) and runs on its WAN: `make acceptance`.
//!
//! The tests are in three groups, by what they need; docs/design/testing.md says which to choose. A test that takes longer than a pull
//! request may wait is `#[ignore]`d and runs with `make test-long`.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test that goes wrong is to stop

mod fixture;
mod inventory;
mod kills;
mod long;
mod offline;
mod on_a_mesh;
mod on_bare_clusters;
mod release;
mod traffic;
mod workspace;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_terraform-provider-mesh");
