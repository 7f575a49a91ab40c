//! What the clusters of a mesh of three know of each other: all Services by discovery, one host that all of them serve, and one that one of them
//! exports by way of links.

use mesh_lab::{Cluster, client_manifest, echo_manifest, gateway_api, remove_gateway_api};
use serde_json::json;

use crate::{
    fixture::{bare_clusters, lab, variables},
    on_a_mesh::discovery::{EXPOSED, answered_by, scale},
    traffic::{call_from, is_ok, repeat_until, restart_workloads},
    workspace::{Workspace, clis},
};

/// A link from each cluster to each other one, a host that all of them serve, and an export of the EU to both others by the links.
const LINKED: &str = r#"
module "discovery" {
  source   = "./discovery"
  clusters = mesh_cluster.this
  gateways = mesh_eastwest_gateway.this
}

locals {
  ways = { for way in setproduct(local.members, local.members) : "${way[0]}-${way[1]}" => { from = way[0], to = way[1] } if way[0] != way[1] }
}

resource "mesh_link" "this" {
  for_each  = local.ways
  cluster   = mesh_cluster.this[each.value.from].cluster
  network   = mesh_eastwest_gateway.this[each.value.to].network
  addresses = mesh_eastwest_gateway.this[each.value.to].addresses
}

resource "mesh_global_service" "echo" {
  host             = "echo.mesh.local"
  namespace        = "echo"
  service          = "echo"
  service_accounts = ["echo"]
  gateways         = mesh_eastwest_gateway.this
  depends_on       = [mesh_link.this]
}

resource "mesh_service_export" "linked" {
  host       = "linked.eu.mesh.local"
  gateway    = { for key in ["cluster", "namespace", "name"] : key => mesh_eastwest_gateway.this["eu"][key] }
  network    = mesh_link.this["us-eu"].network
  namespace  = "echo"
  service    = "echo"
  importers  = [mesh_link.this["us-eu"].cluster, mesh_link.this["ap-eu"].cluster]
}
"#;

#[test]
#[ignore = "needs a lab of three clusters"]
fn three_clusters_discover_link_and_serve_one_host() {
    for cli in clis(&lab()) {
        let lab = bare_clusters();
        let clusters = ["us", "eu", "ap"].map(|name| lab.cluster(name).expect("a cluster"));
        let [us, eu, ap] = &clusters;
        let mut variables = variables(&lab);
        for cluster in &clusters {
            variables["clusters"][cluster.name().as_str()] = json!({ "config_path": cluster.kubeconfig_path() });
            cluster.apply(&gateway_api().expect("definitions")).expect("the Gateway API");
            cluster.apply(&echo_manifest(cluster.name())).expect("echo");
            cluster.apply(client_manifest()).expect("client");
        }
        let workspace = Workspace::of_example(&cli, "two-clusters");
        workspace.write("terraform.tfvars.json", &variables.to_string());
        workspace.edit("  values   = var.values.gateway\n", &format!("  values   = var.values.gateway\n\n  {EXPOSED}\n"));
        workspace.add_module("discovery");
        workspace.write("linked.tf", LINKED);
        workspace.succeed(&["get"]);
        let printed = workspace.apply();
        assert!(printed.contains("0 changed, 0 destroyed"), "{printed}");
        workspace.assert_settled();
        restart_workloads(&lab);

        let names = clusters.each_ref().map(Cluster::name);
        for cluster in &clusters {
            answered_by(cluster, &names);
            let own = format!("Cluster={}", cluster.name());
            repeat_until(&own, || call_from(cluster, "http://echo.mesh.local/"), |answer| is_ok(answer) && answer.contains(&own));
        }
        for cluster in [us, ap] {
            repeat_until("the export", || call_from(cluster, "http://linked.eu.mesh.local/"), |answer| answer.contains("Cluster=eu"));
        }

        // The others answer in its place, and one that is left answers alone.
        scale(ap, 0);
        answered_by(ap, &[us.name(), eu.name()]);
        let elsewhere = |answer: &str| is_ok(answer) && !answer.contains("Cluster=ap");
        repeat_until("the others", || call_from(ap, "http://echo.mesh.local/"), elsewhere);
        scale(us, 0);
        for cluster in &clusters {
            answered_by(cluster, &[eu.name()]);
            repeat_until("the EU", || call_from(cluster, "http://echo.mesh.local/"), |answer| answer.contains("Cluster=eu"));
        }
        workspace.assert_settled();
        workspace.destroy();
        for cluster in &clusters {
            remove_gateway_api(cluster).expect("deleted");
        }
    }
}
