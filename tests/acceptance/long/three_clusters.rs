//! The module over two clusters, which a third one joins and leaves under traffic. Each exports `echo` to all others.

use std::time::Duration;

use mesh_lab::{Cluster, client_manifest, echo_manifest};
use serde_json::json;

use crate::{
    fixture::{REQUIREMENT, bare_clusters, lab, variables},
    traffic::{Traffic, call_from, is_ok, repeat_until, restart_workloads, restart_workloads_of},
    workspace::{Workspace, clis},
};

/// About two minutes for each CLI.
#[test]
#[ignore = "needs a lab of three clusters"]
fn a_third_cluster_joins_and_leaves_without_a_lost_call() {
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
                variable "members" {{ type = set(string) }}
                provider "mesh" {{
                  clusters = var.clusters
                  helm     = var.helm
                }}
                module "mesh" {{
                  source         = "./mesh"
                  mesh_id        = "training-mesh"
                  root_cluster   = "us"
                  members        = {{ for key in var.members : key => {{ network = "${{key}}-net" }} }}
                  istiod_values  = var.values.istiod
                  gateway_values = var.values.gateway
                  exports = {{
                    for key in var.members : "echo.${{key}}.mesh.local" => {{ cluster = key, namespace = "echo", service = "echo" }}
                  }}
                }}
                "#
            ),
        );
        workspace.add_module("mesh");
        let join = |members: &[&str]| {
            let mut variables = variables.clone();
            variables["members"] = json!(members);
            workspace.write("terraform.tfvars.json", &variables.to_string());
            workspace.apply();
            workspace.assert_settled();
        };
        workspace.succeed(&["get"]);
        join(&["us", "eu"]);
        restart_workloads(&lab);
        let mut traffic = Traffic::start_both_ways(&lab);
        traffic.mark("nothing");
        traffic.flow(Duration::from_secs(8));
        traffic.mark("a third cluster joins");
        join(&["us", "eu", "ap"]);
        traffic.mark("the workloads of the third cluster get their sidecars");
        restart_workloads_of(&clusters[2]);
        for caller in &clusters {
            for callee in clusters.iter().filter(|callee| callee.name() != caller.name()) {
                assert_answers(caller, callee);
            }
        }
        traffic.mark("the third cluster leaves");
        join(&["us", "eu"]);
        traffic.flow(Duration::from_secs(8));
        let tally = traffic.finish();
        assert!(tally.made() > 1000 && tally.not_answered().count() == 0, "{}: {tally}", cli.name);
        workspace.destroy();
    }
}

fn assert_answers(caller: &Cluster, callee: &Cluster) {
    let url = format!("http://echo.{}.mesh.local/", callee.name());
    let answer = repeat_until(&url, || call_from(caller, &url), is_ok);
    assert!(answer.contains(&format!("Cluster={}", callee.name())), "{} called {}:\n{answer}", caller.name(), callee.name());
}
