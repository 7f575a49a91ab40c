//! What the shared root is for, and what a root of one's own needs.

use crate::{
    mesh::{HOST, bare_clusters, both, call, call_until, example, is_ok, restart_workloads},
    workspace::{Workspace, clis},
};

#[test]
fn without_a_shared_root_the_call_fails() {
    let lab = bare_clusters();
    let cli = &clis(&lab)[0];
    let workspace = example(&lab, cli);
    let shared = std::fs::read_to_string(workspace.path("main.tf")).expect("the example");
    // Each istiod then makes a root of its own; all else is as in the example.
    let apart = shared.replace("  ca           = mesh_cluster_ca.this[each.key]\n", "");
    let apart = remove_blocks(&apart, &["resource \"mesh_root_ca\"", "resource \"mesh_cluster_ca\""]);
    assert!(!apart.contains("mesh_cluster_ca"), "{apart}");
    workspace.write("main.tf", &apart);
    workspace.apply();
    restart_workloads(&lab);
    let url = format!("http://{HOST}/");
    // Refused, and for the certificate: not because something isn't there yet. Only the sidecar's log tells the reason.
    let (us, _) = both(&lab);
    us.exec("echo", "deploy/client", &["curl", "-s", "-XPOST", "localhost:15000/logging?connection=debug"]).expect("exec");
    call_until(&lab, &url, |answer| {
        let log = us.kubectl(&["logs", "-n", "echo", "deploy/client", "-c", "istio-proxy", "--tail=50"]).expect("a log");
        answer.contains("503") && log.contains("CERTIFICATE_VERIFY_FAILED")
    });
    for _ in 0..5 {
        assert!(!is_ok(&call(&lab, &url)), "clusters without a shared root of trust called each other");
    }
    workspace.destroy();
}

/// Removes top-level blocks that begin so.
fn remove_blocks(configuration: &str, beginnings: &[&str]) -> String {
    let mut kept = Vec::new();
    let mut removing = false;
    for line in configuration.lines() {
        removing |= beginnings.iter().any(|beginning| line.starts_with(beginning));
        if !removing {
            kept.push(line);
        }
        if line == "}" {
            removing = false;
        }
    }
    kept.join("\n")
}

#[test]
fn a_root_of_ones_own_signs_and_its_key_is_nowhere() {
    let lab = bare_clusters();
    let (_, eu) = both(&lab);
    for cli in clis(&lab) {
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
        let workspace = Workspace::new(&cli, &configuration(1));
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
}

fn openssl(folder: &std::path::Path, arguments: &[&str]) {
    let output = std::process::Command::new("openssl").args(arguments).current_dir(folder).output().expect("openssl");
    assert!(output.status.success(), "{output:?}");
}
