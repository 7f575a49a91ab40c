//! The status of a mesh that is well, and of one that is broken in several ways: the first line names the cause.

use std::time::{Duration, Instant};

use mesh_lab::Cluster;
use serde_json::Value as Json;

use super::Mesh;
use crate::workspace::Workspace;

const SIGHT: &str = r#"
data "mesh_status" "mesh" {}

data "mesh_topology" "mesh" {}

output "summary" {
  value = data.mesh_status.mesh.summary
}

output "json" {
  value = data.mesh_topology.mesh.json
}

output "page" {
  value = data.mesh_topology.mesh.html
}

check "mesh" {
  assert {
    condition     = data.mesh_status.mesh.verdict == "ok"
    error_message = data.mesh_status.mesh.summary
  }
}
"#;

/// What istiod knows of gateways to other networks, a line each, beside the summary.
pub(super) const WAYS: &str = r#"
data "mesh_status" "mesh" {}

output "summary" {
  value = data.mesh_status.mesh.summary
}

output "ways" {
  value = join("\n", [for check in data.mesh_status.mesh.checks : "${check.severity} ${check.id}: ${check.seen}" if endswith(check.id, ".gateway")])
}
"#;

/// The exported pods accept no mutual TLS.
const NO_MUTUAL_TLS: &str = r"
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: no-mutual-tls, namespace: echo}
spec: {mtls: {mode: DISABLE}}
";

/// How long a change may take to show.
const TIME: Duration = Duration::from_secs(90);

pub(super) fn the_first_line_names_the_cause(mesh: &Mesh) {
    let Mesh { us, eu, .. } = mesh;
    let sight = mesh.beside(SIGHT);
    wait_for(&sight, "ok: ");
    let topology: Json = serde_json::from_str(&sight.succeed(&["output", "-raw", "json"])).expect("JSON");
    assert_eq!(topology["exports"][0]["importers"][0]["severity"], "ok", "{topology}");
    assert_eq!(topology["clusters"][0]["network"], "eu-net", "{topology}");

    let scale = |deployment: &str, to: u8| format!("scale -n {deployment} --replicas={to}");
    let ready = |deployment: &str| format!("rollout status -n {deployment} --timeout=90s");
    let broken: [(&Cluster, String, &[String], &str); 9] = [
        (
            eu,
            scale("istio-system deployment/istiod", 0),
            &[scale("istio-system deployment/istiod", 1), ready("istio-system deployment/istiod")],
            "error istiod.ready: cluster eu: istio-system/istiod: istiod is scaled to 0 pods.",
        ),
        (
            eu,
            scale("istio-system deployment/istio-eastwestgateway", 0),
            &[scale("istio-system deployment/istio-eastwestgateway", 1), ready("istio-system deployment/istio-eastwestgateway")],
            "error gateway.ready: cluster eu: istio-system/istio-eastwestgateway: It is scaled to 0 pods.",
        ),
        (
            eu,
            scale("echo deployment/echo", 0),
            &[scale("echo deployment/echo", 1), ready("echo deployment/echo")],
            "error export.pods: cluster eu: echo.eu.mesh.local: No pod of namespace echo matches the exported selector.",
        ),
        (
            us,
            "label namespace istio-system topology.istio.io/network-".to_owned(),
            &["label namespace istio-system topology.istio.io/network=us-net".to_owned()],
            "error network.label: cluster us: Namespace istio-system:",
        ),
        // The next five are mended by an apply of the mesh.
        (
            us,
            "delete -n istio-system serviceentries.networking.istio.io --all".to_owned(),
            &[],
            "error import.present: cluster us: echo.eu.mesh.local:",
        ),
        (
            us,
            r#"patch -n istio-system destinationrule mesh-export-echo-eu-mesh-local --type=merge -p {"spec":{"trafficPolicy":{"tls":{"mode":"DISABLE"}}}}"#.to_owned(),
            &[],
            "error import.tls: cluster us: echo.eu.mesh.local: Its DestinationRule has the TLS mode DISABLE.",
        ),
        (
            us,
            r#"patch -n istio-system serviceentry mesh-export-echo-eu-mesh-local --type=merge -p {"spec":{"subjectAltNames":["spiffe://corp.local/ns/x/sa/y"]}}"#.to_owned(),
            &[],
            "error import.identity: cluster us: echo.eu.mesh.local: It accepts spiffe://corp.local/ns/x/sa/y",
        ),
        (
            eu,
            "delete -n istio-system gateways.networking.istio.io --all".to_owned(),
            &[],
            "error export.open: cluster eu: echo.eu.mesh.local: No Gateway opens the host",
        ),
        (
            us,
            "delete mutatingwebhookconfiguration istio-sidecar-injector".to_owned(),
            &[],
            "error webhook.injection: cluster us: The webhook is not registered.",
        ),
    ];
    for (cluster, change, mending, line) in broken {
        kubectl(cluster, &change);
        wait_for(&sight, line);
        for step in mending {
            kubectl(cluster, step);
        }
        if mending.is_empty() {
            mesh.workspace.apply();
        }
        wait_for(&sight, "ok: ");
    }

    // All objects of the mesh are right, and only a connection shows what is wrong.
    eu.apply(NO_MUTUAL_TLS).expect("applied");
    wait_for(&sight, "error export.served: cluster eu: echo.eu.mesh.local: The east-west gateway takes no TLS connection to it");
    kubectl(eu, "delete -n echo peerauthentications.security.istio.io no-mutual-tls");
    wait_for(&sight, "ok: ");

    eu.stop_api_server().expect("stopped");
    let begin = Instant::now();
    let printed = sight.apply();
    let took = begin.elapsed();
    eu.start_api_server().expect("started");
    assert!(took < Duration::from_secs(40), "{} took {took:?} while a cluster was down", mesh.cli.name);
    assert!(first_line(&sight).starts_with("error cluster.reachable: cluster eu:"), "{}", first_line(&sight));
    assert!(printed.contains("Check block assertion failed"), "{printed}");
    assert!(sight.succeed(&["output", "-raw", "page"]).contains("can't be read"));
    print!("(with a cluster down: {:.1} s) ", took.as_secs_f64());
}

fn kubectl(cluster: &Cluster, command: &str) {
    cluster.kubectl(&command.split(' ').collect::<Vec<_>>()).expect("kubectl");
}

fn first_line(sight: &Workspace) -> String {
    sight.succeed(&["output", "-raw", "summary"]).lines().next().unwrap_or_default().to_owned()
}

/// Looks at the mesh until the first line is the expected one.
pub(super) fn wait_for(sight: &Workspace, line: &str) {
    let begin = Instant::now();
    loop {
        sight.apply();
        let found = first_line(sight);
        if found.starts_with(line) {
            return;
        }
        let summary = sight.succeed(&["output", "-raw", "summary"]);
        assert!(begin.elapsed() < TIME, "the first line never was {line:?}:\n{summary}");
        std::thread::sleep(Duration::from_secs(1));
    }
}
