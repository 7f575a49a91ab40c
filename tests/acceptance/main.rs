//! Both CLIs, the built provider, two real clusters, real traffic. Needs the lab (`make lab-up`) and runs on its WAN, one test after
//! the other: `make acceptance`.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test that goes wrong is to stop

mod balancer;
mod drift;
mod examples;
mod functions;
mod helm_values;
#[allow(dead_code, clippy::disallowed_methods)] // the contract tests need more of it
#[path = "../contract/host.rs"]
mod host;
mod input;
mod interrupt;
mod listing;
mod mesh;
mod module;
mod secrets;
mod sources;
mod tokens;
mod trust;
#[allow(dead_code)]
#[path = "../contract/values.rs"]
mod values;
mod workspace;
