//! Calls that a probe makes: one that succeeds, and one for each way to break the way to the host.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use mesh_lab::Cluster;

use super::Mesh;
use crate::{
    kills::victims::Victims,
    traffic::{HOST, call_host_until_ok},
    workspace::{Workspace, unwrapped},
};

/// How long a change may take to reach the proxies.
const TIME: Duration = Duration::from_secs(60);

fn configuration(url: &str, from: &str) -> String {
    format!(
        r#"
data "mesh_probe" "echo" {{
  cluster = "us"
  url     = "{url}"
  from    = {{ namespace = "echo", {from} }}
}}

output "line" {{
  value = "${{data.mesh_probe.echo.reason}} ${{data.mesh_probe.echo.check == null ? "-" : data.mesh_probe.echo.check}} ${{data.mesh_probe.echo.summary}}"
}}

output "body" {{
  value = data.mesh_probe.echo.body
}}

output "answered" {{
  value = jsonencode([for call in data.mesh_probe.echo.calls : [call.answering_cluster, call.answering_identity]])
}}

output "identities" {{
  value = join(",", data.mesh_probe.echo.identities)
}}

check "echo" {{
  assert {{
    condition     = data.mesh_probe.echo.ok
    error_message = data.mesh_probe.echo.summary
  }}
}}
"#
    )
}

/// What the output `answered` is for one call: the lab's proxies are upstream's Envoy, which doesn't count who answers.
const NOT_COUNTED: &str = "[[null,null]]";

const CLIENT: &str = "labels = { app = \"client\" }";

pub(super) fn a_failed_call_is_named_with_its_cause(mesh: &Mesh) {
    let Mesh { lab, us, eu, .. } = mesh;
    let url = format!("http://{HOST}/");
    let probe = mesh.beside(&configuration(&url, CLIENT));
    wait_for(&probe, "ok -");
    let output = |name: &str| probe.succeed(&["output", "-raw", name]);
    assert!(output("body").contains("Cluster=eu"), "{}", output("body"));
    assert_eq!(output("identities"), "spiffe://corp.local/ns/echo/sa/echo");
    assert_eq!(answered(&probe), NOT_COUNTED);

    let name = us.kubectl(&["get", "serviceentries", "-n", "istio-system", "-o", "jsonpath={.items[0].metadata.name}"]).expect("a name");
    let patch = |kind: &str, patch: &str| kubectl(us, &["patch", kind, &name, "-n", "istio-system", "--type=merge", "-p", patch]);
    let scale = |to: &str| kubectl(eu, &["scale", "-n", "echo", "deployment/echo", &format!("--replicas={to}")]);

    scale("0");
    wait_for(&probe, "unreachable export.pods");
    let printed = unwrapped(&probe.apply());
    assert!(printed.contains("Check block assertion failed") && printed.contains("No pod of namespace echo matches"), "{printed}");
    scale("1");
    wait_for(&probe, "ok -");

    // The call fails as the caller finds no name, and as it closes a connection that isn't encrypted as it must be.
    kubectl(us, &["delete", "serviceentries", "-n", "istio-system", "--all"]);
    wait_for(&probe, "dns import.present");
    mesh.workspace.apply();
    wait_for(&probe, "ok -");
    patch("destinationrule", r#"{"spec":{"trafficPolicy":{"tls":{"mode":"DISABLE"}}}}"#);
    wait_for(&probe, "reset import.tls");
    mesh.workspace.apply();
    wait_for(&probe, "ok -");
    patch("serviceentry", r#"{"spec":{"subjectAltNames":["spiffe://corp.local/ns/other/sa/other"]}}"#);
    restart(us, "deployment/client");
    wait_for(&probe, "unreachable import.identity");
    mesh.workspace.apply();
    wait_for(&probe, "ok -");

    kubectl(eu, &["delete", "gateways.networking.istio.io", "-n", "istio-system", "--all"]);
    // Connections through the gateway outlive its configuration.
    restart(us, "deployment/client");
    wait_for(&probe, "unreachable export.open");
    mesh.workspace.apply();
    wait_for(&probe, "ok -");

    let before = mesh.workspace.read("main.tf");
    mesh.workspace.edit("service_accounts = [\"echo\"]", "service_accounts = [\"echo\"]\n  callers = [\"spiffe://corp.local/ns/a/sa/b\"]");
    mesh.workspace.apply();
    wait_for(&probe, "denied -");
    assert!(line(&probe).contains("lets spiffe://corp.local/ns/a/sa/b call. The caller runs as service account echo/client."));
    mesh.workspace.write("main.tf", &before);
    mesh.workspace.apply();
    wait_for(&probe, "ok -");

    let other = |url: &str, from: &str, expected: &str| {
        let probe = mesh.beside(&configuration(url, from));
        wait_for(&probe, expected);
    };
    other(&format!("http://{HOST}:8081/"), CLIENT, "timeout - timeout cluster us:");
    other(&format!("http://{HOST}/?codes=503"), CLIENT, "application -");
    other(&format!("tcp://{HOST}:9090"), CLIENT, "ok -");
    other("http://nothing.mesh.local/", CLIENT, "dns -");
    other(&url, "labels = { app = \"nobody\" }", "not_tried -");

    // A pod of its own calls, has its own identity, and is gone afterwards.
    other(&url, "image = \"198.51.100.1:5000/lab/client:dev\"", "ok -");
    let pods = us.kubectl(&["get", "pods", "-n", "echo", "-l", "mesh.terraform.io/probe", "-o", "name"]).expect("a list");
    assert_eq!(pods.trim(), "", "a pod is left");

    eu.stop_api_server().expect("stopped");
    let begin = Instant::now();
    wait_for(&probe, "ok -");
    eu.start_api_server().expect("started");
    print!("(with the exporter's API server down: {:.1} s) ", begin.elapsed().as_secs_f64());
    call_host_until_ok(lab);
}

/// A provider that is killed in the middle of a call can't delete the pod that it calls from. The next probe in the namespace does.
pub(super) fn the_pod_of_a_killed_probe_is_deleted_by_the_next_one(mesh: &Mesh) {
    let us = &mesh.us;
    let from = "image = \"198.51.100.1:5000/lab/client:dev\"";
    let pods = |format: &str| {
        us.kubectl(&["get", "pods", "-n", "echo", "-l", "mesh.terraform.io/probe", "-o", format]).expect("a list").trim().to_owned()
    };
    // Nothing answers at this port.
    let endless = mesh.beside(&configuration(&format!("http://{HOST}:8081/"), from));
    let mut cli =
        endless.command(&["apply", "-auto-approve", "-no-color"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let begin = Instant::now();
    while pods("jsonpath={.items[*].status.phase}") != "Running" {
        assert!(begin.elapsed() < TIME, "no pod to call from: {}", pods("yaml"));
        std::thread::sleep(Duration::from_millis(100));
    }
    Victims::Provider.kill(cli.id());
    assert!(!cli.wait().expect("the CLI ends").success());
    let left = pods("name");
    assert!(left.starts_with("pod/"), "the pod is left");

    let next = mesh.beside(&configuration(&format!("http://{HOST}/"), from));
    wait_for(&next, "ok -");
    assert_eq!(pods("name"), "", "{left} is still there, or one of the next probe");
}

fn kubectl(cluster: &Cluster, arguments: &[&str]) {
    cluster.kubectl(arguments).expect("kubectl");
}

fn restart(cluster: &Cluster, workload: &str) {
    kubectl(cluster, &["rollout", "restart", "-n", "echo", workload]);
    kubectl(cluster, &["rollout", "status", "-n", "echo", workload, "--timeout=90s"]);
}

fn line(probe: &Workspace) -> String {
    probe.succeed(&["output", "-raw", "line"])
}

fn answered(probe: &Workspace) -> String {
    probe.succeed(&["output", "-raw", "answered"])
}

/// Probes until the line begins as expected.
fn wait_for(probe: &Workspace, expected: &str) {
    let begin = Instant::now();
    loop {
        probe.apply();
        let line = line(probe);
        if line.starts_with(expected) {
            return;
        }
        assert!(begin.elapsed() < TIME, "the probe never began with {expected:?}:\n{line}");
        std::thread::sleep(Duration::from_secs(1));
    }
}
