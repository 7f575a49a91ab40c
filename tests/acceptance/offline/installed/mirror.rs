//! A filesystem mirror with the built provider.

use std::{fs, path::Path};

use crate::workspace::{Cli, Workspace};

/// The version of this build.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// A version before it.
pub(super) const OLDER: &str = "0.0.9";

/// Where the CLI looks for a provider without a host in its address.
pub(super) fn registry(cli: &Cli) -> &'static str {
    if cli.name == "tofu" { "registry.opentofu.org" } else { "registry.terraform.io" }
}

/// A mirror with both versions, which the CLIs of all workspaces with [`Mirror::install`] use. The older one is this build, too, with a file that makes
/// its hash another one: what an older build has stored is in `state.rs`.
pub(super) struct Mirror {
    folder: tempfile::TempDir,
}

impl Mirror {
    pub(super) fn new(cli: &Cli) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for version in [OLDER, VERSION] {
            let package = folder.path().join(registry(cli)).join("terraform-provider-mesh/mesh").join(version).join(platform());
            fs::create_dir_all(&package).expect("a folder");
            let program = package.join(format!("terraform-provider-mesh_v{version}"));
            // A link where it can be one: the program is large.
            fs::hard_link(crate::PROGRAM, &program).or_else(|_| fs::copy(crate::PROGRAM, &program).map(drop)).expect("the program");
            fs::write(package.join("VERSION"), version).expect("written");
        }
        Self { folder }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Lets a workspace install from the mirror, and from nowhere else.
    pub(super) fn install(&self, workspace: &Workspace) {
        workspace
            .write("cli.tfrc", &format!("provider_installation {{\n  filesystem_mirror {{ path = \"{}\" }}\n}}\n", self.path().display()));
    }
}

/// This machine, as the CLIs name it.
fn platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{}_{architecture}", std::env::consts::OS)
}
