//! Who may call an exported host.

use mesh_lab::{Cluster, client_manifest};

use super::Mesh;
use crate::{
    fixture::both,
    traffic::{HOST, call_host_until_ok, call_until, is_ok, repeat_until},
};

const TCP: &str = "(echo hello; sleep 1) | curl -sN -m 3 telnet://HOST:9090";
const GRPC: &str = "printf '\\0\\0\\0\\0\\0' | curl -sS -i -m 5 --http2-prior-knowledge --data-binary @- -H 'content-type: application/grpc' \
                    -H 'te: trailers' http://HOST:7070/proto.EchoTestService/Echo";

/// What a script prints in the client pod of a cluster, with the exported host for `HOST`.
fn run(cluster: &Cluster, script: &str) -> String {
    let output = cluster.exec("echo", "deploy/client", &["bash", "-c", &script.replace("HOST", HOST)]).expect("exec");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub(super) fn only_callers_that_are_listed_are_answered(mesh: &Mesh) {
    let Mesh { lab, eu, workspace, .. } = mesh;
    let (us, _) = both(lab);
    let url = format!("http://{HOST}/");
    let is_refused = |answer: &str| answer.lines().any(|line| line.trim() == "403");
    // A policy reaches the listeners of a proxy one after the other.
    let tcp = |is_answered: bool| repeat_until("TCP", || run(&us, TCP), |answer| answer.contains("hello") == is_answered);
    let grpc = |status: &str| repeat_until("gRPC", || run(&us, GRPC), |answer| answer.contains(&format!("grpc-status: {status}")));
    let local = || run(eu, "curl -s -m 5 -o /dev/null -w '%{http_code}' http://echo.echo.svc.cluster.local/");
    eu.apply(client_manifest()).expect("a caller in the exporting cluster");
    eu.wait_ready("echo", "client").expect("ready");

    let before = workspace.read("main.tf");
    let restrict = |callers: &str| {
        workspace.write("main.tf", &before);
        workspace.edit("service_accounts = [\"echo\"]", &format!("service_accounts = [\"echo\"]\n  callers = [{callers}]"));
        workspace.apply();
        workspace.assert_settled();
    };
    tcp(true);
    grpc("0");
    assert_eq!(local(), "200");

    restrict("\"spiffe://corp.local/ns/other/sa/other\"");
    call_until(lab, &url, is_refused);
    tcp(false);
    grpc("7");
    assert_eq!(local(), "200", "a call by the Service's own name is not restricted");

    restrict("\"spiffe://corp.local/ns/echo/sa/client\"");
    call_until(lab, &url, is_ok);
    tcp(true);
    grpc("0");

    restrict("");
    call_until(lab, &url, is_refused);
    tcp(false);
    assert_eq!(local(), "200");

    eu.kubectl(&["delete", "authorizationpolicy", "-n", "echo", "--all"]).expect("deleted manually");
    assert!(workspace.changes().contains("AuthorizationPolicy"));
    workspace.apply();
    call_until(lab, &url, is_refused);

    workspace.write("main.tf", &before);
    workspace.apply();
    call_host_until_ok(lab);
    let left = eu.kubectl(&["get", "authorizationpolicy", "-A", "-o", "name"]).expect("a list");
    assert_eq!(left.trim(), "", "no policy stays without `callers`");
    eu.kubectl(&["delete", "deployment/client", "serviceaccount/client", "-n", "echo"]).expect("deleted");
}
