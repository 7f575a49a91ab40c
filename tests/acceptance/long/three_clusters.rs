//! The module over three clusters, each of which exports `echo` to both others.

use mesh_lab::{Cluster, client_manifest, echo_manifest};
use serde_json::json;

use crate::{
    fixture::{REQUIREMENT, bare_clusters, lab, variables},
    traffic::{call_from, is_ok, repeat_until, restart_workloads},
    workspace::{Workspace, clis},
};

/// About two minutes for each CLI.
#[test]
#[ignore = "needs a lab of three clusters"]
fn each_of_three_clusters_calls_both_others() {
    for cli in clis(&lab()) {
        let lab = bare_clusters();
        let clusters = ["us", "eu", "ap"].map(|name| lab.cluster(name).expect("a cluster"));
        let mut variables = variables(&lab);
        for cluster in &clusters {
            variables["clusters"][cluster.name().as_str()] = json!({ "config_path": cluster.kubeconfig_path() });
            cluster.apply(&echo_manifest(cluster.name())).expect("echo");
            cluster.apply(client_manifest()).expect("client");
        }
        let workspace = Workspace::new(
            &cli,
            &format!(
                r#"
                {REQUIREMENT}
                variable "clusters" {{ type = any }}
                variable "helm" {{ type = any }}
                variable "values" {{ type = any }}
                provider "mesh" {{
                  clusters = var.clusters
                  helm     = var.helm
                }}
                module "mesh" {{
                  source         = "./mesh"
                  mesh_id        = "training-mesh"
                  root_cluster   = "us"
                  members        = {{ for key, access in var.clusters : key => {{ network = "${{key}}-net" }} }}
                  istiod_values  = var.values.istiod
                  gateway_values = var.values.gateway
                  exports = {{
                    for key, access in var.clusters : "echo.${{key}}.mesh.local" => {{ cluster = key, namespace = "echo", service = "echo" }}
                  }}
                }}
                "#
            ),
        );
        workspace.add_module("mesh");
        workspace.write("terraform.tfvars.json", &variables.to_string());
        workspace.succeed(&["get"]);
        workspace.apply();
        workspace.assert_settled();
        restart_workloads(&lab);
        for caller in &clusters {
            for callee in clusters.iter().filter(|callee| callee.name() != caller.name()) {
                assert_answers(caller, callee);
            }
        }
        workspace.destroy();
    }
}

fn assert_answers(caller: &Cluster, callee: &Cluster) {
    let url = format!("http://echo.{}.mesh.local/", callee.name());
    let answer = repeat_until(&url, || call_from(caller, &url), is_ok);
    assert!(answer.contains(&format!("Cluster={}", callee.name())), "{} called {}:\n{answer}", caller.name(), callee.name());
}
