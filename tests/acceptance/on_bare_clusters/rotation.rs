//! The root is replaced in stages while calls on fresh connections go on, with workloads that never restart.

use std::{collections::BTreeSet, time::Duration};

use mesh_lab::Cluster;
use serde_json::Value as Json;

use crate::{
    fixture::{bare_clusters, both, example},
    traffic::{Calls, call_host_until_ok, restart_workloads},
    workspace::{Workspace, cli, unwrapped},
};

/// What istiod and the sidecars need to follow a change of roots without a restart of workloads.
const FOLLOW_ROOTS: &str = "
pilot: {env: {ISTIO_MULTIROOT_MESH: \"true\"}}
meshConfig: {defaultConfig: {proxyMetadata: {PROXY_CONFIG_XDS_AGENT: \"true\"}}}
";

/// Each call of the client opens a connection of its own to the other cluster.
const FRESH_CONNECTIONS: &str = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: fresh-connections, namespace: echo}
spec:
  host: echo.eu.mesh.local
  exportTo: [.]
  trafficPolicy:
    connectionPool: {http: {maxRequestsPerConnection: 1}}
    tls: {mode: ISTIO_MUTUAL, subjectAltNames: [\"spiffe://corp.local/ns/echo/sa/echo\"]}
";

const NEXT: &str = r#"
resource "mesh_root_ca" "next" {
  cluster     = "us"
  name        = "mesh-root-ca-next"
  common_name = "Next root"
}
"#;

/// The lines of a `mesh_cluster_ca` at each stage.
const BEFORE: &str = "  root_ca  = mesh_root_ca.mesh\n";
const BOTH_TRUSTED: &str = "  root_ca  = mesh_root_ca.mesh\n  trusted_roots = [mesh_root_ca.next.certificate]\n";
const NEXT_SIGNS: &str = "  root_ca  = mesh_root_ca.next\n  trusted_roots = [mesh_root_ca.mesh.certificate]\n";
const JUMP: &str = "  root_ca  = mesh_root_ca.next\n";

#[test]
#[ignore = "takes fifteen minutes"]
fn a_root_is_replaced_in_stages_without_a_failed_call_by_tofu() {
    replace_the_root("tofu");
}

#[test]
#[ignore = "takes fifteen minutes"]
fn a_root_is_replaced_in_stages_without_a_failed_call_by_terraform() {
    replace_the_root("terraform");
}

fn replace_the_root(name: &str) {
    let lab = bare_clusters();
    let Some(cli) = cli(&lab, name) else { return };
    let (us, eu) = both(&lab);
    let workspace = example(&lab, &cli);
    workspace.write("roots.yaml", FOLLOW_ROOTS);
    workspace.edit("values       = var.values.istiod", "values       = concat(var.values.istiod, [file(\"roots.yaml\")])");
    workspace.apply();
    restart_workloads(&lab);
    us.apply(FRESH_CONNECTIONS).expect("applied");
    call_host_until_ok(&lab);
    let pods = [&us, &eu].map(names_of_pods);

    let mut calls = Calls::start(&lab);
    stages(&workspace, &us, &eu, &mut calls);
    let (made, failed) = calls.finish();
    assert!(made > 2000 && failed == 0, "{}: {failed} of {made} calls failed", cli.name);
    assert_eq!([&us, &eu].map(names_of_pods), pods, "no workload was restarted");
    us.kubectl(&["delete", "destinationrule", "-n", "echo", "fresh-connections"]).expect("deleted");
    workspace.destroy();
}

fn stages(workspace: &Workspace, us: &Cluster, eu: &Cluster, calls: &mut Calls) {
    let root = |name: &str| only(&workspace.state(&format!("mesh_root_ca.{name}"))["certificate"]);
    let refused = |sentence: &str| {
        let output = unwrapped(&workspace.fail(&["apply", "-auto-approve", "-no-color"]));
        assert!(output.contains(sentence), "{sentence}: {output}");
    };
    let mut seen = |stage: &str, trusted: &[&String]| {
        calls.mark(stage);
        let wanted: BTreeSet<_> = trusted.iter().map(|serial| (*serial).clone()).collect();
        for (cluster, key, app) in [(us, "us", "client"), (eu, "eu", "echo")] {
            let ca = only(&workspace.state(&format!("mesh_cluster_ca.this[\"{key}\"]"))["certificate"]);
            let has_it = || {
                let found = certificates(cluster, app);
                (found.trusted == wanted && found.presented.contains(&ca)).then_some(())
            };
            wait_for(has_it);
            let found = certificates(cluster, app);
            assert_eq!(found.trusted, wanted, "{stage}: the roots that {app} trusts");
            assert!(found.presented.contains(&ca), "{stage}: {app} doesn't present a certificate of its cluster's CA");
            println!("{stage}: {app} trusts {} roots and presents a certificate of its CA", wanted.len());
        }
    };
    let pushed = || std::thread::sleep(Duration::from_secs(65));
    let old = root("mesh");
    seen("before", &[&old]);

    // The next root may not sign before it is trusted.
    workspace.write("next.tf", NEXT);
    workspace.edit(BEFORE, JUMP);
    refused("The next root isn't trusted yet");

    // A cluster that is down stops the change where it is.
    workspace.edit(JUMP, BOTH_TRUSTED);
    eu.stop_api_server().expect("stopped");
    workspace.fail(&["apply", "-auto-approve", "-no-color", "-refresh=false"]);
    workspace.edit(BOTH_TRUSTED, NEXT_SIGNS);
    let stopped = unwrapped(&workspace.fail(&["apply", "-auto-approve", "-no-color", "-refresh=false"]));
    assert!(stopped.contains("The next root isn't trusted yet with mesh_cluster_ca.this[\"eu\"]"), "{stopped}");
    eu.start_api_server().expect("started");
    workspace.edit(NEXT_SIGNS, BOTH_TRUSTED);
    workspace.apply();
    workspace.assert_settled();
    let next = root("next");
    seen("both trusted", &[&old, &next]);
    let mut go = |stage: &str, from: &str, to: &str, trusted: &[&String]| {
        workspace.edit(from, to);
        pushed();
        workspace.apply();
        workspace.assert_settled();
        seen(stage, trusted);
    };

    // Each stage can be taken back.
    go("back to the old root alone", BOTH_TRUSTED, BEFORE, &[&old]);
    go("both trusted again", BEFORE, BOTH_TRUSTED, &[&old, &next]);
    go("next signs", BOTH_TRUSTED, NEXT_SIGNS, &[&old, &next]);
    go("the old root signs again", NEXT_SIGNS, BOTH_TRUSTED, &[&old, &next]);
    go("next signs again", BOTH_TRUSTED, NEXT_SIGNS, &[&old, &next]);

    // The old root goes when no workload has a certificate of it any more.
    workspace.edit(NEXT_SIGNS, JUMP);
    refused("A root can't be dropped yet");
    go("old root dropped", JUMP, JUMP, &[&next]);
}

/// Waits for a minute at most; the caller judges what is there then.
pub(super) fn wait_for(mut look: impl FnMut() -> Option<()>) {
    let _ = (0..60).find_map(|_| {
        look().or_else(|| {
            std::thread::sleep(Duration::from_secs(1));
            None
        })
    });
}

/// What a proxy verifies its peers with, and what it presents to them.
pub(super) struct Certificates {
    pub(super) trusted: BTreeSet<String>,
    pub(super) presented: BTreeSet<String>,
    /// The presented ones in their order, PEM.
    pub(super) chain: String,
}

pub(super) fn certificates(cluster: &Cluster, app: &str) -> Certificates {
    let deployment = format!("deploy/{app}");
    let secrets = "config_dump?resource=dynamic_active_secrets";
    let get = ["exec", "-n", "echo", &deployment, "-c", "istio-proxy", "--", "pilot-agent", "request", "GET", secrets];
    let found: Json = serde_json::from_str(&cluster.kubectl(&get).expect("secrets")).expect("JSON");
    let secret =
        |name: &str| found["configs"].as_array().into_iter().flatten().find(|entry| entry["name"] == name).cloned().unwrap_or_default();
    let read = |encoded: &Json| {
        let decoded = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded.as_str().unwrap_or_default());
        String::from_utf8_lossy(&decoded.expect("base64")).into_owned()
    };
    let chain = read(&secret("default")["secret"]["tls_certificate"]["certificate_chain"]["inline_bytes"]);
    Certificates {
        trusted: blocks(&read(&secret("ROOTCA")["secret"]["validation_context"]["trusted_ca"]["inline_bytes"])),
        presented: blocks(&chain),
        chain,
    }
}

/// The certificates of a PEM string, without line breaks.
fn blocks(pem: &str) -> BTreeSet<String> {
    let blocks = pem.split("-----BEGIN CERTIFICATE-----").skip(1).filter_map(|block| block.split("-----END").next());
    blocks.map(|block| block.split_whitespace().collect()).collect()
}

pub(super) fn only(pem: &Json) -> String {
    blocks(pem.as_str().expect("a certificate")).into_iter().next().expect("a certificate")
}

fn names_of_pods(cluster: &Cluster) -> BTreeSet<String> {
    let pods = cluster.kubectl(&["get", "pods", "-n", "echo", "-o", "name"]).expect("pods");
    pods.split_whitespace().map(str::to_owned).collect()
}
