//! Both CLIs, the built provider, two real clusters, real traffic. Needs the lab (`make lab-up`) and runs on its WAN, one test after
//! the other: `make acceptance`.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test that goes wrong is to stop

mod balancer;
mod drift;
mod examples;
mod functions;
mod input;
mod interrupt;
mod mesh;
mod secrets;
mod sources;
mod trust;
mod values;
mod workspace;
