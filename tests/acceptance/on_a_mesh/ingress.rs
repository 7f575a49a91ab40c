//! Calls from outside of the mesh to an exported host, by a gateway of an importing cluster.

use mesh_lab::{gateway_api, remove_gateway_api};

use super::Mesh;
use crate::{
    fixture::{example_file, source},
    traffic::{HOST, call_until, is_ok, repeat_until},
};

pub(super) fn an_edge_gateway_passes_calls_from_outside_on_to_an_exported_host(mesh: &Mesh) {
    let Mesh { us, lab, workspace, .. } = mesh;
    us.apply(&gateway_api().expect("definitions")).expect("the Gateway API");
    us.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: edge}\n").expect("a namespace");
    let example = example_file("ingress/gateway.yaml");
    let guide = std::fs::read_to_string(source("docs/guides/calls-from-outside.md")).expect("the guide");
    let (_, shown) = example.split_once('\n').expect("a comment first");
    assert!(guide.contains(shown), "the guide shows another example");
    us.apply(&example).expect("the example");
    us.kubectl(&["wait", "-n", "edge", "--for=condition=Programmed", "gateway.gateway.networking.k8s.io/edge", "--timeout=90s"])
        .expect("a gateway with an address");
    let address = us.balancer().address("edge", "edge-istio").expect("a Service").expect("an address");
    let call = || {
        let curl = ["-sS", "--max-time", "5", "-w", "\n%{http_code}", "--resolve"];
        let to = [&format!("echo.example.com:80:{address}"), "http://echo.example.com/"];
        let output = lab.command("curl").args(curl).args(to).output().expect("curl");
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let answer = repeat_until("echo.example.com", call, is_ok);
    assert!(answer.contains("Cluster=eu"), "{answer}");

    // To the exported pods the gateway is the caller.
    let before = workspace.read("main.tf");
    workspace.edit(
        "service_accounts = [\"echo\"]",
        "service_accounts = [\"echo\"]\n  callers = [provider::mesh::spiffe_id(\"corp.local\", \"edge\", \"edge-istio\")]",
    );
    workspace.apply();
    call_until(lab, &format!("http://{HOST}/"), |answer| answer.lines().any(|line| line.trim() == "403"));
    repeat_until("echo.example.com", call, is_ok);
    workspace.write("main.tf", &before);
    workspace.apply();

    us.kubectl(&["delete", "namespace", "edge"]).expect("deleted");
    remove_gateway_api(us).expect("deleted");
}
