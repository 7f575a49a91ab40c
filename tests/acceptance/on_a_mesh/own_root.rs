//! A root CA that users bring along.

use super::Mesh;
use crate::workspace::Workspace;

pub(super) fn a_root_of_ones_own_signs_and_its_key_is_stored_nowhere(mesh: &Mesh) {
    let Mesh { eu, cli, .. } = mesh;
    let folder = tempfile::tempdir().expect("a folder");
    openssl(
        folder.path(),
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "root.key",
            "-out",
            "root.crt",
            "-subj",
            "/O=Corp/CN=Corp root",
            "-days",
            "30",
        ],
    );
    openssl(folder.path(), &["genrsa", "-out", "other.key", "2048"]);
    let read = |file: &str| std::fs::read_to_string(folder.path().join(file)).expect("a file");
    let configuration = |version: u32| {
        format!(
            r#"
            variable "root_key" {{
              type      = string
              ephemeral = true
            }}
            terraform {{
              required_providers {{
                mesh = {{ source = "terraform-provider-mesh/mesh" }}
              }}
            }}
            provider "mesh" {{ clusters = {{ eu = {{ config_path = "{}" }} }} }}
            resource "mesh_cluster_ca" "eu" {{
              cluster                     = "eu"
              namespace                   = "own-root"
              root_certificate            = file("{}")
              root_private_key_wo         = var.root_key
              root_private_key_wo_version = {version}
              validity_days               = 20
              renew_before_days           = 5
            }}
            "#,
            eu.kubeconfig_path().display(),
            folder.path().join("root.crt").display(),
        )
    };
    let workspace = Workspace::new(cli, &configuration(1));
    // An ephemeral value is no part of a plan: the apply is given it anew.
    let give = |key: &str| workspace.write("key.auto.tfvars.json", &serde_json::json!({"root_key": read(key)}).to_string());
    give("other.key");
    let refused = workspace.fail(&["plan", "-no-color"]);
    assert!(
        refused.contains("The private key doesn't belong to the certificate of") && refused.contains("root_private_key_wo"),
        "{refused}"
    );

    give("root.key");
    workspace.succeed(&["plan", "-no-color", "-out=plan"]);
    workspace.succeed(&["apply", "-no-color", "plan"]);
    workspace.assert_settled();
    let first = workspace.state("mesh_cluster_ca.eu")["fingerprint"].clone();
    workspace.write("main.tf", &configuration(2));
    workspace.apply();
    workspace.assert_settled();
    assert_ne!(workspace.state("mesh_cluster_ca.eu")["fingerprint"], first, "a new version of the key issues a new intermediate");
    let line = read("root.key").lines().nth(5).expect("a line of the key").to_owned();
    for (place, found) in [("the state", workspace.read("terraform.tfstate")), ("the plan", workspace.unpacked("plan"))] {
        assert!(found.contains("mesh_cluster_ca") && !found.contains(&line), "{}: the key is in {place}", cli.name);
    }
    workspace.destroy();
}

pub(crate) fn openssl(folder: &std::path::Path, arguments: &[&str]) {
    let output = std::process::Command::new("openssl").args(arguments).current_dir(folder).output().expect("openssl");
    assert!(output.status.success(), "{output:?}");
}
