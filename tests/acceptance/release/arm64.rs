//! What is built for arm64 runs, in an emulator of its processor: `release/setup` installs one.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use super::dist::{self, VERSION, run};
use crate::{
    fixture::{REQUIREMENT, lab},
    workspace::{Workspace, clis},
};

const EMULATOR: &str = "qemu-aarch64-static";

/// Both programs name their processor in the header of the file: 183 is `EM_AARCH64`.
fn is_for_arm64(program: &Path) -> bool {
    fs::read(program).expect("a program").get(18..20) == Some(&183_u16.to_le_bytes())
}

#[test]
#[ignore = "needs `make dist-all`; seconds"]
fn the_provider_for_arm64_tells_the_cli_the_same_schema() {
    let unpacked = tempfile::tempdir().expect("a folder");
    dist::unpack("linux_arm64", unpacked.path());
    let provider = unpacked.path().join(format!("terraform-provider-mesh_v{VERSION}"));
    assert!(is_for_arm64(&provider) && is_for_arm64(&unpacked.path().join("helm")));
    let helm = run(Command::new(EMULATOR).arg(unpacked.path().join("helm")).args(["version", "--short"]));
    assert!(helm.starts_with("v4."), "{helm}");

    let emulated = tempfile::tempdir().expect("a folder");
    let program = emulated.path().join("terraform-provider-mesh");
    fs::write(&program, format!("#!/bin/sh\nexec {EMULATOR} {} \"$@\"\n", provider.display())).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a program");
    for cli in clis(&lab()) {
        let schema = |folder: Option<&Path>| {
            let workspace = Workspace::new(&cli, REQUIREMENT);
            if let Some(folder) = folder {
                let overrides = format!("dev_overrides {{ \"terraform-provider-mesh/mesh\" = \"{}\" }}", folder.display());
                workspace.write("cli.tfrc", &format!("provider_installation {{\n  {overrides}\n  direct {{}}\n}}\n"));
            }
            run(workspace.command(&["providers", "schema", "-json"]).stderr(std::process::Stdio::null()))
        };
        let (native, emulated) = (schema(None), schema(Some(emulated.path())));
        assert!(native.contains("mesh_eastwest_gateway") && native == emulated, "{}: the schemas differ", cli.name);
    }
}
