//! Load balancers answer late, never, with a hostname, or change their address.

use std::time::Duration;

use super::Mesh;
use crate::{
    traffic::{call_host_until_ok, call_until, is_ok},
    workspace::{Workspace, unwrapped},
};

/// A second gateway of the EU, beside the mesh's own, so that a test sees one come.
pub(super) fn second_gateway(mesh: &Mesh, attributes: &str) -> Workspace {
    mesh.beside(&format!(
        "resource \"mesh_eastwest_gateway\" \"second\" {{\n  cluster = \"eu\"\n  network = \"eu-net\"\n  name    = \"second-gateway\"\n  values  = \
         [file(\"values.yaml\")]\n  {attributes}\n}}\n"
    ))
    .with("values.yaml", &mesh_lab::gateway_values())
}

pub(super) fn a_late_address_is_waited_for(mesh: &Mesh) {
    mesh.eu.balancer().late(Duration::from_secs(15)).expect("late");
    let workspace = second_gateway(mesh, "");
    workspace.apply();
    workspace.assert_settled();
    mesh.eu.balancer().ip().expect("as usual");
    workspace.destroy();
}

pub(super) fn a_new_address_is_followed_in_place(mesh: &Mesh) {
    let Mesh { us, eu, workspace, lab, .. } = mesh;
    for (is_hostname, resolution) in [(true, "DNS"), (false, "STATIC")] {
        if is_hostname { eu.balancer().hostname() } else { eu.balancer().ip() }.expect("set");
        let moved = eu.balancer().readdress("istio-system", "istio-eastwestgateway").expect("moved");
        assert_eq!(moved.parse::<std::net::IpAddr>().is_err(), is_hostname, "{moved}");
        let plan = unwrapped(&workspace.changes());
        assert!(plan.contains(&moved) && !plan.contains("must be replaced"), "the plan doesn't follow to {moved}:\n{plan}");
        workspace.apply();
        workspace.assert_settled();
        assert_eq!(workspace.state("mesh_eastwest_gateway.this[\"eu\"]")["addresses"][0], *moved);
        let entries = us.kubectl(&["get", "serviceentry", "-n", "istio-system", "-o", "jsonpath={.items[*].spec.resolution}"]);
        assert_eq!(entries.expect("entries").trim(), resolution);
        call_host_until_ok(lab);
    }
}

pub(super) fn an_address_that_never_comes_is_reported_with_its_cause(mesh: &Mesh) {
    mesh.eu.balancer().never().expect("never");
    let workspace = second_gateway(mesh, "timeouts = { create = \"25s\" }");
    let failed = workspace.fail(&["apply", "-auto-approve", "-no-color"]);
    assert!(failed.contains("quota exceeded"), "the Service's events are missing:\n{failed}");
    assert!(failed.contains("25s") && failed.contains("timeouts"), "{failed}");
    // What exists is in the state: nothing is orphaned, and the next apply goes on.
    assert!(workspace.succeed(&["state", "list"]).contains("mesh_eastwest_gateway.second"));
    mesh.eu.balancer().ip().expect("as usual");
    workspace.apply();
    workspace.assert_settled();
    workspace.destroy();
}

/// A second gateway of the same network, in a namespace of its own, which no load balancer leads to.
pub(super) fn a_gateway_without_a_load_balancer_is_reached_at_its_node_port(mesh: &Mesh) {
    let workspace = mesh
        .beside(
            r#"
            resource "mesh_eastwest_gateway" "node" {
              cluster            = "eu"
              network            = "eu-net"
              namespace          = "gateways"
              name               = "node-gateway"
              external_addresses = ["198.51.100.12"]
              values             = [file("values.yaml"), "service: {type: NodePort}"]
            }

            resource "mesh_service_export" "node" {
              host               = "echo.node.mesh.local"
              gateway            = mesh_eastwest_gateway.node
              namespace          = "echo"
              service            = "echo"
              importers          = ["us"]
              importer_namespace = "istio-system"
            }
            "#,
        )
        .with("values.yaml", &mesh_lab::gateway_values());
    workspace.apply();
    workspace.assert_settled();
    let port = workspace.state("mesh_eastwest_gateway.node")["port"].as_i64().expect("a port");
    assert!((30_000..32_768).contains(&port), "{}: {port} is no node port", mesh.cli.name);
    let answer = call_until(&mesh.lab, "http://echo.node.mesh.local/", is_ok);
    assert!(answer.contains("Cluster=eu"), "{answer}");
    call_host_until_ok(&mesh.lab);
    workspace.destroy();
}
