//! The provider as a program.

use std::process::ExitCode;

use terraform_provider_mesh::{plugin, provider};

fn main() -> ExitCode {
    plugin::run(provider::Mesh, env!("CARGO_PKG_VERSION"))
}
