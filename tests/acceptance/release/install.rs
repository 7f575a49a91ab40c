//! Both CLIs install the release from each kind of mirror, without `dev_overrides`, and use the helm program that comes with it.

use std::{fs, path::Path, process::Command};

use super::{
    dist::{self, VERSION, run},
    server::{Authority, Registry, Server},
};
use crate::{
    fixture::{REQUIREMENT, lab},
    workspace::{Cli, Workspace, clis},
};

/// A plan of a mesh contacts no cluster, and looks for helm.
const MESH: &str = r#"
provider "mesh" {
  clusters = { us = { host = "https://us.example.com", token = "secret-of-a-test" } }
}

resource "mesh_cluster" "us" {
  cluster = "us"
  mesh_id = "shop"
  network = "us-net"
}
"#;

fn plans_after_init(cli: &Cli, installation: &str, authority: Option<&Path>) {
    let workspace = Workspace::new(cli, &format!("{REQUIREMENT}{MESH}"));
    workspace.write("cli.tfrc", &format!("provider_installation {{\n{installation}\n}}\n"));
    // Neither helm nor anything else is on the PATH.
    let run_alone = |arguments: &[&str]| {
        let mut command = workspace.command(arguments);
        command.env("PATH", "/nonexistent");
        if let Some(authority) = authority {
            command.env("SSL_CERT_FILE", authority);
        }
        run(&mut command)
    };
    let printed = run_alone(&["init", "-no-color"]);
    assert!(printed.contains(&format!("Installed terraform-provider-mesh/mesh v{VERSION}")), "{}: {printed}", cli.name);
    let lock = workspace.read(".terraform.lock.hcl");
    assert!(lock.contains(&format!("version = \"{VERSION}\"")) || lock.contains(VERSION), "{lock}");
    assert!(lock.contains("h1:"), "{lock}");
    let plan = run_alone(&["plan", "-no-color"]);
    assert!(plan.contains("1 to add"), "{}: {plan}", cli.name);
    // What was installed is what was released.
    let installed = run(Command::new("find").arg(workspace.path(".terraform")).args(["-follow", "-name", "helm"]));
    let installed = installed.lines().next().expect("the helm program beside the provider");
    let folder = tempfile::tempdir().expect("a folder");
    dist::unpack("linux_amd64", folder.path());
    assert!(fs::read(installed).expect("helm") == fs::read(folder.path().join("helm")).expect("helm"), "{installed} is another helm");
}

#[test]
#[ignore = "needs `make dist-all`; seconds"]
fn it_installs_from_a_filesystem_mirror() {
    for cli in clis(&lab()) {
        plans_after_init(&cli, &format!("filesystem_mirror {{ path = \"{}\" }}", dist::folder().join("mirror").display()), None);
    }
}

#[test]
#[ignore = "needs `make dist-all`; seconds"]
fn it_installs_from_a_network_mirror() {
    let authority = Authority::new();
    let server = Server::start(&authority, dist::folder().join("mirror"));
    for cli in clis(&lab()) {
        plans_after_init(&cli, &format!("network_mirror {{ url = \"https://{}/\" }}", server.address()), Some(authority.file()));
    }
}

/// Terraform has no such mirror.
#[test]
#[ignore = "needs `make dist-all`; seconds"]
fn tofu_installs_it_from_an_oci_registry() {
    let authority = Authority::new();
    let registry = Registry::start(&authority);
    let image = format!("{}/providers/terraform-provider-mesh/mesh:{VERSION}", registry.address());
    run(Command::new(crate::fixture::source("release/push")).arg(&image).env("SSL_CERT_FILE", authority.file()));
    let cli = clis(&lab()).into_iter().find(|cli| cli.name == "tofu").expect("tofu");
    let template = format!("{}/providers/${{namespace}}/${{type}}", registry.address());
    let installation = format!("oci_mirror {{\n  repository_template = \"{template}\"\n  include = [\"registry.opentofu.org/*/*\"]\n}}");
    plans_after_init(&cli, &installation, Some(authority.file()));
}

/// A plan file made on one machine is applied on another, which has another platform in its lock file.
#[test]
#[ignore = "needs `make dist-all`; seconds"]
fn the_lock_file_can_have_the_hashes_of_every_platform() {
    let mirror = dist::folder().join("mirror");
    for cli in clis(&lab()) {
        let workspace = Workspace::new(&cli, REQUIREMENT);
        workspace.write("cli.tfrc", "");
        let folder = mirror.display().to_string();
        let platforms = dist::PLATFORMS.map(|platform| format!("-platform={platform}"));
        let mut arguments = vec!["providers", "lock", "-no-color", "-fs-mirror", &folder];
        arguments.extend(platforms.iter().map(String::as_str));
        workspace.succeed(&arguments);
        let lock = workspace.read(".terraform.lock.hcl");
        assert_eq!(lock.matches("h1:").count(), 2, "{}: {lock}", cli.name);
    }
}
