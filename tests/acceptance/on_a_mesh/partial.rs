//! Updates that fail halfway: a retry finishes them, and a configuration that is taken back undoes them. No object is left that the state
//! doesn't know.

use mesh_lab::{Cluster, ClusterName, echo_manifest};

use super::Mesh;
use crate::workspace::unwrapped;

/// Lists the mesh's own objects in a cluster.
fn objects(cluster: &Cluster) -> Vec<String> {
    let kinds = "serviceentries,destinationrules,gateways.networking.istio.io,peerauthentications,authorizationpolicies";
    let columns = "custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name";
    let objects = cluster.kubectl(&["get", kinds, "-A", "--no-headers", "-o", columns]).expect("a list");
    let mut all: Vec<_> = objects.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    all.sort();
    all
}

fn export(exporter: &str, importers: &str) -> String {
    format!(
        "resource \"mesh_service_export\" \"moved\" {{\n  host      = \"moved.mesh.local\"\n  gateway   = mesh_eastwest_gateway.this[\"{exporter}\"]\n  \
         namespace = \"echo\"\n  service   = \"echo\"\n  importers = [{importers}]\n}}\n"
    )
}

pub(super) fn an_export_that_moves_while_its_exporter_is_down_leaves_nothing_behind(mesh: &Mesh) {
    let Mesh { us, eu, workspace, .. } = mesh;
    us.apply(&echo_manifest(ClusterName::Us)).expect("echo");
    let without = (objects(us), objects(eu));
    let (from_eu, from_us) = (export("eu", "mesh_cluster.this[\"us\"].cluster"), export("us", ""));
    let move_halfway = || {
        workspace.write("moved.tf", &from_eu);
        workspace.apply();
        workspace.write("moved.tf", &from_us);
        workspace.succeed(&["plan", "-no-color", "-out=moved"]);
        eu.stop_api_server().expect("stopped");
        let failed = unwrapped(&workspace.fail(&["apply", "-no-color", "moved"]));
        eu.start_api_server().expect("started");
        assert!(failed.contains("cluster \"eu\""), "{failed}");
    };

    move_halfway();
    workspace.apply();
    workspace.assert_settled();
    assert_eq!(objects(eu), without.1, "after a retry, the former exporter has none of it");
    assert!(objects(us).len() > without.0.len(), "after a retry, the new exporter has it");

    workspace.write("moved.tf", &from_eu);
    workspace.apply();
    let before = (objects(us), objects(eu));
    move_halfway();
    workspace.write("moved.tf", &from_eu);
    workspace.apply();
    workspace.assert_settled();
    assert_eq!((objects(us), objects(eu)), before, "the move was taken back");

    workspace.write("moved.tf", "");
    workspace.apply();
    assert_eq!((objects(us), objects(eu)), without);
    us.kubectl(&["delete", "-n", "echo", "--ignore-not-found", "deployment/echo", "service/echo", "serviceaccount/echo"]).expect("deleted");
}

pub(super) fn a_mode_that_is_removed_while_helm_fails_is_not_forgotten(mesh: &Mesh) {
    let Mesh { us, eu, workspace, .. } = mesh;
    let before = (workspace.read("main.tf"), objects(us), objects(eu));
    let without_mode = || {
        workspace.write("main.tf", &before.0);
        workspace.edit("  mtls_mode    = \"STRICT\"\n", "");
    };
    let fail = || {
        without_mode();
        let values = "  values       = var.values.istiod";
        // The API server refuses it.
        let refused = "[yamlencode({ resources = { requests = { cpu = \"much\" } } })]";
        workspace.edit(values, &format!("  values       = concat(var.values.istiod, {refused})"));
        let failed = unwrapped(&workspace.fail(&["apply", "-auto-approve", "-no-color"]));
        assert!(failed.contains("Helm release istiod") && failed.contains("much"), "{failed}");
    };

    fail();
    workspace.write("main.tf", &before.0);
    workspace.apply();
    workspace.assert_settled();
    assert_eq!((objects(us), objects(eu)), (before.1.clone(), before.2.clone()), "the change was taken back");

    fail();
    without_mode();
    workspace.apply();
    workspace.assert_settled();
    for cluster in [us, eu] {
        assert!(!objects(cluster).iter().any(|object| object.starts_with("PeerAuthentication ")), "{:?}", objects(cluster));
    }

    workspace.write("main.tf", &before.0);
    workspace.apply();
    workspace.assert_settled();
    assert_eq!((objects(us), objects(eu)), (before.1, before.2));
}
