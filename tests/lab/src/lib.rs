//! The lab: two real Kubernetes clusters, `us` and `eu`, on one Linux machine, on networks that cannot reach each other's pods,
//! joined by a WAN on which their load balancers have addresses. No Docker; only the cloud's load balancer is a stand-in.
//!
//! `lab up` makes it, `lab down` leaves nothing of it. Tests use it through [`Lab`].

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking"))]

mod balancer;
mod cgroup;
mod chart;
mod clean;
mod cluster;
mod command;
mod containerd;
mod daemon;
mod down;
mod envoy;
mod fault;
mod gateway_api;
mod go_build;
mod image;
mod kubeconfig;
mod kubernetes;
mod lab;
mod layout;
mod lingering;
mod lock;
mod machine;
mod mesh_by_hand;
mod nameserver;
mod netns;
mod pause;
mod pki;
mod pod;
mod process;
mod progress;
mod proxy;
mod registry;
mod status;
mod steps;
mod traffic;
mod up;
mod values;
mod wait;

pub use balancer::{Answer, CLASS as BALANCER_CLASS, serve as serve_balancer};
pub use chart::{Charts, serve as serve_charts};
pub use cluster::ClusterName;
pub use down::down;
pub use fault::Fault;
pub use gateway_api::{gateway_api, remove_gateway_api};
pub use lab::{Balancer, Binaries, Cluster, Lab, client_manifest, echo_manifest};
pub use layout::{Layout, REGISTRY, WAN_ADDRESS};
pub use mesh_by_hand::{Times, mesh_by_hand, mesh_by_istioctl};
pub use pause::Paused;
pub use progress::say;
pub use proxy::{Proxy, Trouble};
pub use status::status;
pub use traffic::{Call, Outcome, Outside, Tally, Target, Traffic};
pub use up::{build, up};
pub use values::{gateway_values, lab_values};
