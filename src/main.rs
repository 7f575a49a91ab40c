//! The provider as a program.

use std::process::ExitCode;

use framework::plugin;
use terraform_provider_mesh::provider::Mesh;

fn main() -> ExitCode {
    plugin::run(Mesh, env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
}
