//! Two teams, each with a state and a kubeconfig of its own, which opens one cluster only.

use mesh_lab::Cluster;
use serde_json::{Value as Json, json};

use super::Mesh;
use crate::{
    traffic::{call_until, is_ok},
    workspace::{Workspace, unwrapped},
};

const URL: &str = "http://shared.eu.mesh.local/";

fn team(mesh: &Mesh, example: &str, cluster: &Cluster, more: &[(&str, Json)]) -> Workspace {
    let workspace = Workspace::of_example(&mesh.cli, &format!("two-teams/{example}"));
    let mut variables = json!({"cluster": {"config_path": cluster.kubeconfig_path()}});
    for (name, value) in more {
        variables[name] = value.clone();
    }
    workspace.write("terraform.tfvars.json", &variables.to_string());
    workspace
}

/// The objects of the import in the US, and everything of the export in it.
fn imported(us: &Cluster) -> String {
    let all = us.kubectl(&["get", "serviceentries,destinationrules,gateways.networking.istio.io", "-A", "-o", "name"]).expect("a list");
    all.lines().filter(|line| line.contains("shared-eu-mesh-local")).collect::<Vec<_>>().join(" ")
}

pub(super) fn a_service_is_shared_by_teams_without_each_others_kubeconfig(mesh: &Mesh) {
    let Mesh { lab, us, eu, cli, .. } = mesh;
    let helm = json!({"repository": lab.charts().http, "version": lab.charts().version, "binary": lab.binaries().helm});
    let gateway = json!({"name": "team-gateway", "values": [mesh_lab::gateway_values()]});
    let exporter = team(mesh, "exporter", eu, &[("helm", helm), ("gateway", gateway)]);
    exporter.apply();
    exporter.assert_settled();
    assert_eq!(imported(us), "", "an export without importers touches its own cluster only");

    let importer = team(mesh, "importer", us, &[("exporter_state", json!(exporter.path("terraform.tfstate")))]);
    importer.apply();
    importer.assert_settled();
    let answer = call_until(lab, URL, is_ok);
    assert!(answer.contains("Cluster=eu"), "{answer}");
    let [entry, rule] =
        ["serviceentry", "destinationrule"].map(|kind| format!("{kind}.networking.istio.io/mesh-import-shared-eu-mesh-local"));
    assert_eq!(imported(us), format!("{entry} {rule}"));

    let moved = eu.balancer().readdress("istio-system", "team-gateway").expect("moved");
    exporter.apply();
    exporter.assert_settled();
    let plan = unwrapped(&importer.changes());
    assert!(plan.contains(&moved) && plan.contains("1 to change, 0 to destroy"), "{}: the plan doesn't show {moved}:\n{plan}", cli.name);
    importer.apply();
    importer.assert_settled();
    call_until(lab, URL, is_ok);

    us.kubectl(&["delete", "-n", "istio-system", &rule]).expect("deleted manually");
    assert!(unwrapped(&importer.changes()).contains("DestinationRule istio-system/mesh-import-shared-eu-mesh-local: it is gone"));
    importer.apply();

    // Another state takes the import over.
    importer.succeed(&["state", "rm", "mesh_service_import.echo"]);
    let refused = importer.fail(&["apply", "-auto-approve", "-no-color"]);
    assert!(refused.contains("Already exists"), "{refused}");
    importer.succeed(&["import", "-no-color", "mesh_service_import.echo", "us/istio-system/shared.eu.mesh.local"]);
    importer.assert_settled();

    importer.destroy();
    assert_eq!(imported(us), "");
    exporter.destroy();
    let left = eu.kubectl(&["get", "serviceentries,gateways.networking.istio.io", "-A", "-o", "name"]).expect("a list");
    assert!(!left.contains("shared-eu-mesh-local"), "{left}");
}
