//! A second istiod beside the cluster's own one; with another version it is in `long/canary.rs`.

use mesh_lab::Cluster;

use super::Mesh;
use crate::traffic::{Calls, call_host_until_ok, repeat_until};

/// Which revision's proxy the echo server has, or the gateway.
fn revision(cluster: &Cluster, [namespace, app]: [&str; 2]) -> String {
    let path = r"jsonpath={.items[*].metadata.annotations.istio\.io/rev}";
    let selector = format!("app={app}");
    cluster.kubectl(&["get", "pods", "-n", namespace, "-l", &selector, "-o", path]).expect("pods").trim().to_owned()
}

const ECHO: [&str; 2] = ["echo", "echo"];
const GATEWAY: [&str; 2] = ["istio-system", "istio-eastwestgateway"];

/// Gives the namespace of the echo server other labels, and restarts the server. Returns when the pod without these is gone.
pub(crate) fn move_echo(cluster: &Cluster, labels: [&str; 2]) {
    cluster.kubectl(&[&["label", "namespace", "echo", "--overwrite"], &labels[..]].concat()).expect("labelled");
    let pods = cluster.kubectl(&["get", "pods", "-n", "echo", "-l", "app=echo", "-o", "name"]).expect("pods");
    cluster.kubectl(&["rollout", "restart", "-n", "echo", "deploy/echo"]).expect("restarted");
    cluster.wait_ready("echo", "echo").expect("ready");
    cluster.wait_until_gone("echo", &pods.split_whitespace().collect::<Vec<_>>()).expect("gone");
}

pub(super) fn a_canary_serves_what_asks_for_it_and_stays_while_anything_does(mesh: &Mesh) {
    let Mesh { eu, workspace, lab, .. } = mesh;
    let before = workspace.read("main.tf");
    // Without the restarts of the server, whose only pod ends with calls in flight.
    let apply = |what: &str| {
        let calls = Calls::start(lab);
        workspace.apply();
        workspace.assert_settled();
        assert_eq!(calls.failed(), 0, "{what}");
    };
    workspace.edit(
        "  values       = var.values.istiod\n",
        "  values       = var.values.istiod\n  canary       = each.key == \"eu\" ? { revision = \"next\", values = [\"revisionTags: [trial]\"] } : \
         null\n",
    );
    apply("a canary comes");
    assert_eq!([revision(eu, ECHO), revision(eu, GATEWAY)], ["default", "default"]);
    move_echo(eu, ["istio-injection-", "istio.io/rev=trial"]);
    assert_eq!(revision(eu, ECHO), "next", "the tag leads to it");
    let of_cluster = workspace.read("main.tf");
    workspace
        .edit("  values   = var.values.gateway\n", "  values   = var.values.gateway\n  revision = each.key == \"eu\" ? \"trial\" : null\n");
    workspace.apply();
    workspace.assert_settled();
    assert!(revision(eu, GATEWAY).contains("next"), "{}", revision(eu, GATEWAY));
    call_host_until_ok(lab);

    let with_canary = workspace.read("main.tf");
    workspace.write("main.tf", &before);
    let refused = workspace.fail(&["apply", "-auto-approve", "-no-color"]);
    for words in [
        "The canary is in use",
        "The Helm release istio-system/istiod-next of cluster \"eu\" was not removed",
        "- Pod echo/echo-",
        "- Pod istio-system/istio-eastwestgateway-",
    ] {
        assert!(refused.contains(words), "{words} is missing in:\n{refused}");
    }
    workspace.write("main.tf", &with_canary);
    workspace.apply();
    workspace.assert_settled();

    move_echo(eu, ["istio.io/rev-", "istio-injection=enabled"]);
    assert_eq!(revision(eu, ECHO), "default");
    workspace.write("main.tf", &of_cluster);
    workspace.apply();
    // Connections through the old pod are cut when it ends.
    repeat_until("the gateway's pods", || revision(eu, GATEWAY), |found| found == "default");
    workspace.write("main.tf", &before);
    apply("the canary goes");
    let left = eu.kubectl(&["get", "deploy,svc,cm,secret", "-n", "istio-system", "-o", "name"]).expect("a list");
    assert!(!left.contains("istiod-next") && !left.contains("istio-next"), "{left}");
}
