//! One host that both clusters serve: each is called by its own clients, and by the others when these can't be answered.

use std::time::Duration;

use mesh_lab::{Cluster, ClusterName, Outcome, Tally, Target, Traffic, client_manifest, echo_manifest, gateway_api, remove_gateway_api};

use super::Mesh;
use crate::{
    traffic::{call_from, repeat_until},
    workspace::unwrapped,
};

const HOST: &str = "echo.mesh.local";

const GLOBAL: &str = r#"
resource "mesh_link" "us_to_eu" {
  cluster   = mesh_cluster.this["us"].cluster
  network   = mesh_eastwest_gateway.this["eu"].network
  addresses = mesh_eastwest_gateway.this["eu"].addresses
  port      = mesh_eastwest_gateway.this["eu"].port
}

resource "mesh_link" "eu_to_us" {
  cluster   = mesh_cluster.this["eu"].cluster
  network   = mesh_eastwest_gateway.this["us"].network
  addresses = mesh_eastwest_gateway.this["us"].addresses
  port      = mesh_eastwest_gateway.this["us"].port
}

resource "mesh_global_service" "echo" {
  host             = "echo.mesh.local"
  namespace        = "echo"
  service          = "echo"
  service_accounts = ["echo"]
  gateways         = mesh_eastwest_gateway.this
  weights          = { us = 1 }
  depends_on       = [mesh_link.us_to_eu, mesh_link.eu_to_us]
}
"#;

/// Lets the pods of `echo` answer every call with 503. They stay ready.
const ILL: &str = r#"
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: ill, namespace: echo}
spec:
  workloadSelector: {labels: {app: echo}}
  configPatches:
  - applyTo: HTTP_FILTER
    match:
      context: SIDECAR_INBOUND
      listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.router}}}}
    patch:
      operation: INSERT_BEFORE
      value:
        name: envoy.filters.http.fault
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
          abort: {http_status: 503, percentage: {numerator: 100, denominator: HUNDRED}}
"#;

/// How long it may take until calls have changed sides: endpoints reach the proxies, and connections are drained.
const SETTLED: Duration = Duration::from_secs(5);

pub(super) fn a_host_of_both_clusters_is_answered_by_the_other_when_its_own_fails(mesh: &Mesh) {
    let Mesh { us, eu, workspace, .. } = mesh;
    for cluster in [us, eu] {
        cluster.apply(&gateway_api().expect("definitions")).expect("the Gateway API");
        cluster.apply(&echo_manifest(cluster.name())).expect("echo");
        cluster.apply(client_manifest()).expect("a client");
        cluster.wait_ready("echo", "echo").expect("echo is ready");
        cluster.wait_ready("echo", "client").expect("the client is ready");
    }
    workspace.write("global.tf", GLOBAL);
    workspace.apply();
    workspace.assert_settled();

    let own = |cluster: &Cluster| vec![Target::http(HOST, &format!("Cluster={}", cluster.name()))];
    let mut traffic = Traffic::start([(us, own(us)), (eu, own(eu))]).expect("each cluster answers its own clients");
    let mut phase = |what: &str, change: &dyn Fn()| {
        traffic.mark(what);
        change();
        traffic.mark(format!("{what}, settled"));
        traffic.flow(SETTLED + SETTLED);
    };
    phase("both serve", &|| ());
    phase("the US has no pods", &|| scale(us, 0));
    phase("the US has pods again", &|| scale(us, 1));
    phase("the US answers with errors", &|| us.apply(ILL).map(drop).expect("ill"));
    phase("the US is well again", &|| us.kubectl(&["delete", "envoyfilter", "-n", "echo", "ill"]).map(drop).expect("well"));
    phase("the US is taken out of service", &|| reweigh(mesh, 1, 0));
    phase("the US is in service again", &|| reweigh(mesh, 0, 1));
    phase("a pod of the US is killed", &|| {
        us.kubectl(&["delete", "pod", "-n", "echo", "-l", "app=echo", "--force", "--grace-period=0"]).expect("killed");
        us.wait_ready("echo", "echo").expect("another one is ready");
    });
    let tally = traffic.finish();
    // That the other cluster answers isn't what the reasons are for.
    println!("\n{}", tally.table());
    let served = |what: &str, from: ClusterName| by(&tally, &format!("{what}, settled"), from);
    for what in ["both serve", "the US has pods again", "the US is well again", "the US is in service again", "a pod of the US is killed"] {
        assert_eq!(served(what, ClusterName::Us), [true], "{what}: the US answers its own clients\n{tally}");
    }
    for what in ["the US has no pods", "the US answers with errors", "the US is taken out of service"] {
        assert_eq!(served(what, ClusterName::Us), [false], "{what}: the EU answers the clients of the US\n{tally}");
    }
    assert!(tally.calls.iter().filter(|call| call.from == ClusterName::Eu).all(|call| call.outcome == Outcome::Answered), "{tally}");
    // Only the calls that the killed pod was answering may be lost, and those by which a client learns that its own cluster is ill.
    let lost = |what: &str| tally.failed().filter(|call| tally.during(call.at).trim_end_matches(", settled") == what).count();
    let (killed, ill) = (lost("a pod of the US is killed"), lost("the US answers with errors"));
    assert!(killed < 5 && ill < 10 && tally.failed().count() == killed + ill, "{tally}");

    named_callers_only_are_answered(mesh);

    let patch = r#"{"spec":{"trafficPolicy":{"outlierDetection":{"interval":"1m"}}}}"#;
    us.kubectl(&["patch", "-n", "echo", "destinationrule/mesh-global-echo-mesh-local", "--type=merge", "-p", patch]).expect("patched");
    let plan = unwrapped(&workspace.changes());
    assert!(plan.contains("outlierDetection.interval") && plan.contains("Cluster us"), "{plan}");
    workspace.apply();
    workspace.succeed(&["state", "rm", "mesh_global_service.echo"]);
    workspace.succeed(&["import", "-no-color", "mesh_global_service.echo", "echo/echo.mesh.local"]);
    workspace.assert_settled();

    workspace.write("global.tf", "");
    workspace.apply();
    for (cluster, other) in [(us, "deployment/echo"), (eu, "deployment/client")] {
        assert_eq!(
            cluster
                .kubectl(&["get", "serviceentry,destinationrule", "-n", "echo", "-o", "name"])
                .expect("a list")
                .matches("global")
                .count(),
            0
        );
        cluster.kubectl(&["delete", "-n", "echo", other]).expect("deleted");
        remove_gateway_api(cluster).expect("deleted");
    }
    us.kubectl(&["delete", "-n", "echo", "service/echo"]).expect("deleted");
}

/// Restricts the callers, and lets everyone call again. The policy holds at each cluster, for its own clients too.
fn named_callers_only_are_answered(mesh: &Mesh) {
    let Mesh { us, eu, workspace, .. } = mesh;
    let before = workspace.read("global.tf");
    let restrict = |callers: &str| {
        workspace.write("global.tf", &before.replace("weights ", &format!("callers = [{callers}]\n  weights ")));
        workspace.apply();
        workspace.assert_settled();
    };
    let all_get = |wanted: &str| {
        for cluster in [us, eu] {
            let call = || call_from(cluster, &format!("http://{HOST}/"));
            repeat_until(&format!("{wanted} in {}", cluster.name()), call, |answer| answer.lines().any(|line| line.trim() == wanted));
        }
    };
    restrict("\"spiffe://corp.local/ns/other/sa/other\"");
    all_get("403");
    restrict("\"spiffe://corp.local/ns/echo/sa/client\"");
    all_get("200");
    // A caller of another cluster comes in by the gateway.
    scale(us, 0);
    let answer = repeat_until("the EU", || call_from(us, &format!("http://{HOST}/")), |answer| answer.contains("Cluster=eu"));
    assert!(answer.lines().any(|line| line.trim() == "200"), "{answer}");
    restrict("");
    all_get("403");
    scale(us, 1);
    workspace.write("global.tf", &before);
    workspace.apply();
    all_get("200");
    for cluster in [us, eu] {
        let left = cluster.kubectl(&["get", "authorizationpolicy", "-A", "-o", "name"]).expect("a list");
        assert_eq!(left.trim(), "", "no policy stays without `callers`");
    }
}

fn scale(cluster: &Cluster, replicas: u32) {
    cluster.kubectl(&["scale", "-n", "echo", "deployment/echo", &format!("--replicas={replicas}")]).expect("scaled");
    if replicas > 0 {
        cluster.wait_ready("echo", "echo").expect("ready");
    }
}

/// The drill: one number, and an apply.
fn reweigh(mesh: &Mesh, from: u32, to: u32) {
    let text = mesh.workspace.read("global.tf").replace(&format!("us = {from} }}"), &format!("us = {to} }}"));
    mesh.workspace.write("global.tf", &text);
    assert!(mesh.workspace.apply().contains("1 changed"));
}

/// Returns whether calls of a client in a phase, once it has settled, were answered by its own cluster: one value if all of them were alike.
fn by(tally: &Tally, phase: &str, from: ClusterName) -> Vec<bool> {
    let begin = tally.marks.iter().find(|(_, what)| what == phase).expect("a mark").0;
    let of_phase = tally.calls.iter().filter(|call| call.from == from && call.at >= begin + SETTLED && tally.during(call.at) == phase);
    let mut answers: Vec<_> = of_phase.map(|call| call.outcome == Outcome::Answered).collect();
    answers.sort_unstable();
    answers.dedup();
    answers
}
