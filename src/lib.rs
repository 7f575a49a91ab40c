//! A Terraform and OpenTofu provider for Istio meshes over several clusters and networks.

pub mod adapters;
pub mod data;
pub mod data_sources;
pub mod ephemeral;
pub mod functions;
pub mod istio;
pub mod mesh;
pub mod ports;
pub mod provider;
pub mod resources;
pub mod world;
