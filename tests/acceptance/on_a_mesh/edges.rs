//! Exports off the beaten track: seen by some namespaces only, and with addresses that no call of the lab can reach.

use mesh_lab::{Cluster, client_manifest};

use super::Mesh;
use crate::traffic::{is_ok, repeat_until};

const EXPORTS: &str = r#"
locals {
  gateway = { for key in ["cluster", "namespace", "name"] : key => mesh_eastwest_gateway.this["eu"][key] }
}

resource "mesh_service_export" "narrow" {
  host             = "echo.narrow.mesh.local"
  gateway          = mesh_eastwest_gateway.this["eu"]
  namespace        = "echo"
  service          = "echo"
  service_accounts = ["echo"]
  importers        = [mesh_cluster.this["us"].cluster]
  export_to        = ["shop"]
}

# Nobody calls them: istiod's validation judges them.
resource "mesh_service_export" "far" {
  for_each = {
    six   = { addresses = ["2001:db8::9", "198.51.100.99"], vip = "fd00::9" }
    mixed = { addresses = ["lb.example.com", "198.51.100.99"], vip = null }
  }
  host      = "echo.${each.key}.mesh.local"
  gateway   = merge(local.gateway, { addresses = each.value.addresses })
  namespace = "echo"
  service   = "echo"
  importers = [mesh_cluster.this["us"].cluster]
  vip       = each.value.vip
}
"#;

pub(super) fn an_export_is_seen_by_the_namespaces_that_it_names_and_has_addresses_of_any_kind(mesh: &Mesh) {
    let Mesh { us, workspace, .. } = mesh;
    us.apply(&client_manifest().replace("namespace: echo", "namespace: shop").replace("name: echo", "name: shop")).expect("a shop");
    us.wait_ready("shop", "client").expect("ready");
    workspace.write("edges.tf", EXPORTS);
    workspace.apply();
    workspace.assert_settled();

    let from = |namespace: &str| repeat_until(namespace, || call(us, namespace), |answer| is_ok(answer) == (namespace == "shop"));
    assert!(from("shop").contains("Cluster=eu"));
    assert!(from("echo").contains("Could not resolve host"), "the namespace isn't named");

    let shown =
        ["get", "serviceentry", "-n", "istio-system", "-o", "jsonpath={.items[*].spec.endpoints[*].address} {.items[*].spec.resolution}"];
    let shown = us.kubectl(&shown).expect("entries");
    for word in ["2001:db8::9", "lb.example.com", "STATIC", "DNS"] {
        assert!(shown.contains(word), "{shown}");
    }
    workspace.write("edges.tf", "");
    workspace.apply();
    us.kubectl(&["delete", "namespace", "shop"]).expect("deleted");
}

fn call(cluster: &Cluster, namespace: &str) -> String {
    let curl = ["curl", "-sS", "--max-time", "5", "-w", "\n%{http_code}", "http://echo.narrow.mesh.local/"];
    let output = cluster.exec(namespace, "deploy/client", &curl).expect("exec");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
