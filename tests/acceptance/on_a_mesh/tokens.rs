//! An ephemeral token: it opens the cluster, and is in no state, plan or log.

use mesh_lab::Cluster;

use super::Mesh;
use crate::workspace::{Workspace, text};

/// A token of an account of the EU, with which a second configuration of the provider makes a root there.
fn configuration(us: &Cluster, eu: &Cluster) -> String {
    let ca = eu.kubectl(&["config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.certificate-authority-data}"]).expect("a CA");
    let host = eu.kubectl(&["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"]).expect("an address");
    format!(
        r#"
        terraform {{
          required_providers {{
            mesh = {{ source = "terraform-provider-mesh/mesh" }}
          }}
        }}
        provider "mesh" {{
          clusters = {{ us = {{ config_path = "{}" }}, eu = {{ config_path = "{}" }} }}
        }}
        ephemeral "mesh_cluster_token" "keeper" {{
          cluster          = "eu"
          namespace        = "kube-system"
          service_account  = "keeper"
          lifetime_seconds = 600
        }}
        provider "mesh" {{
          alias = "keeper"
          clusters = {{
            eu = {{
              host                   = "{}"
              cluster_ca_certificate = base64decode("{}")
              token                  = ephemeral.mesh_cluster_token.keeper.token
            }}
          }}
        }}
        resource "mesh_root_ca" "kept" {{
          provider  = mesh.keeper
          cluster   = "eu"
          namespace = "kube-system"
        }}
        "#,
        us.kubeconfig_path().display(),
        eu.kubeconfig_path().display(),
        host.trim(),
        ca.trim(),
    )
}

pub(super) fn an_ephemeral_token_opens_the_cluster_and_is_stored_nowhere(mesh: &Mesh) {
    let Mesh { us, eu, cli, .. } = mesh;
    eu.kubectl(&["create", "serviceaccount", "-n", "kube-system", "keeper"]).expect("an account");
    let workspace = Workspace::new(cli, &configuration(us, eu));
    let refused = workspace.fail(&["apply", "-auto-approve", "-no-color"]);
    assert!(refused.contains("system:serviceaccount:kube-system:keeper"), "not asked as the keeper: {refused}");

    let role = ["create", "clusterrolebinding", "keeper", "--clusterrole=cluster-admin", "--serviceaccount=kube-system:keeper"];
    eu.kubectl(&role).expect("a binding");
    assert_stored_nowhere(mesh, &workspace);
    workspace.assert_settled();
    workspace.destroy();
    eu.kubectl(&["delete", "clusterrolebinding", "keeper"]).expect("deleted");

    let missing = Workspace::new(cli, &configuration(us, eu));
    missing.edit("service_account  = \"keeper\"", "service_account  = \"nobody\"");
    let refused = missing.fail(&["plan", "-no-color"]);
    assert!(refused.contains("No such service account") && refused.contains("`keeper`"), "{refused}");
    eu.kubectl(&["delete", "serviceaccount", "-n", "kube-system", "keeper"]).expect("deleted");
}

/// Plans and applies, and looks for tokens: each is a JSON object in base64, so its beginning is known.
fn assert_stored_nowhere(mesh: &Mesh, workspace: &Workspace) {
    const BEGINNING: &str = "eyJhbGciOi";
    let mut log = String::new();
    for arguments in [&["plan", "-no-color", "-out=plan"][..], &["apply", "-no-color", "plan"]] {
        let output = workspace.command(arguments).env("TF_LOG", "trace").output().expect("the CLI starts");
        assert!(output.status.success(), "{}", text(&output));
        log.push_str(&text(&output));
    }
    assert!(log.contains("OpenEphemeralResource"), "{}: the log has nothing of the token at all", mesh.cli.name);
    for (place, found) in [("the log", log), ("the state", workspace.read("terraform.tfstate")), ("the plan", workspace.unpacked("plan"))] {
        assert!(found.contains("mesh_root_ca"), "{place} says nothing of the resource");
        assert!(!found.contains(BEGINNING), "{}: a token is in {place}", mesh.cli.name);
    }
}
