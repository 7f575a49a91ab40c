//! A link to a network, and exports by way of it.

use std::time::Duration;

use mesh_lab::{Cluster, gateway_api, remove_gateway_api};

use super::{
    Mesh,
    status::{WAYS, wait_for},
};
use crate::{
    traffic::{Calls, HOST, call_host_until_ok},
    workspace::{Workspace, unwrapped},
};

const LINK: &str = r#"
resource "mesh_link" "us_to_eu" {
  cluster   = mesh_cluster.this["us"].cluster
  network   = mesh_eastwest_gateway.this["eu"].network
  addresses = mesh_eastwest_gateway.this["eu"].addresses
  port      = mesh_eastwest_gateway.this["eu"].port
}
"#;

pub(super) fn a_link_gives_exports_a_gateway_whose_new_address_is_one_write(mesh: &Mesh) {
    let Mesh { us, eu, workspace, lab, .. } = mesh;
    let before = workspace.read("main.tf");
    export_by_the_link(workspace);
    workspace.write("link.tf", LINK);
    let refused = workspace.fail(&["apply", "-auto-approve", "-no-color"]);
    for words in ["The Gateway API is not installed", "kubectl apply -f https://"] {
        assert!(refused.contains(words), "{refused}");
    }

    workspace.write("standard-install.yaml", &gateway_api().expect("definitions"));
    workspace.write("link.tf", &LINK.replace("\n}", "\n  gateway_api_crds_wo = file(\"standard-install.yaml\")\n}"));
    let calls = Calls::start(lab);
    workspace.apply();
    workspace.assert_settled();
    let endpoints = us.kubectl(&["get", "serviceentry", "-n", "istio-system", "-o", "jsonpath={.items[*].spec.endpoints}"]);
    let endpoints = endpoints.expect("entries");
    assert!(endpoints.contains("\"network\":\"eu-net\"") && !endpoints.contains("address"), "{endpoints}");
    assert_eq!(calls.failed(), 0, "the move from addresses to the link");

    for is_hostname in [true, false] {
        if is_hostname { eu.balancer().hostname() } else { eu.balancer().ip() }.expect("set");
        let moved = eu.balancer().readdress("istio-system", "istio-eastwestgateway").expect("moved");
        assert_eq!(moved.parse::<std::net::IpAddr>().is_err(), is_hostname, "{moved}");
        let plan = unwrapped(&workspace.changes());
        assert!(plan.contains("mesh_link.us_to_eu will be updated in-place") && plan.contains(&moved), "{plan}");
        assert!(!plan.contains("mesh_service_export.echo will be"), "the export needs no write:\n{plan}");
        workspace.apply();
        workspace.assert_settled();
        assert_eq!(workspace.state("mesh_link.us_to_eu")["addresses"][0], *moved);
        call_host_until_ok(lab);
        // istiod resolves a host name, and knows its address.
        let sight = mesh.beside(WAYS);
        wait_for(&sight, "ok: ");
        let known = sight.succeed(&["output", "-raw", "ways"]);
        assert!(known.contains("ok link.gateway: 1 pod of istiod know where network eu-net is reached."), "{known}");
    }

    let elsewhere = r#"[{"op":"replace","path":"/spec/listeners/0/port","value":443}]"#;
    us.kubectl(&["patch", "gateways.gateway.networking.k8s.io", "-n", "istio-system", "mesh-link-eu-net", "--type=json", "-p", elsewhere])
        .expect("changed manually");
    let plan = unwrapped(&workspace.changes());
    assert!(plan.contains("spec.listeners[") && plan.contains("443"), "{plan}");
    workspace.apply();
    workspace.assert_settled();

    workspace.succeed(&["state", "rm", "mesh_link.us_to_eu"]);
    workspace.succeed(&["import", "-no-color", "mesh_link.us_to_eu", "us/istio-system/eu-net"]);
    workspace.assert_settled();

    let calls = Calls::start(lab);
    workspace.write("main.tf", &before);
    workspace.apply();
    assert_eq!(calls.failed(), 0, "the move from the link to addresses");
    workspace.write("link.tf", "");
    workspace.apply();
    assert_eq!(links(us), "");
    remove_gateway_api(us).expect("deleted");
}

fn export_by_the_link(workspace: &Workspace) {
    workspace.edit(
        "  gateway          = mesh_eastwest_gateway.this[\"eu\"]\n",
        "  gateway          = { for key in [\"cluster\", \"namespace\", \"name\"] : key => mesh_eastwest_gateway.this[\"eu\"][key] }\n  network          = \
         mesh_link.us_to_eu.network\n",
    );
}

/// Two gateways with one label: what is exported is open at both.
pub(super) fn calls_are_spread_over_all_gateways_of_a_network(mesh: &Mesh) {
    let Mesh { us, workspace, lab, .. } = mesh;
    let before = workspace.read("main.tf");
    us.apply(&gateway_api().expect("definitions")).expect("the Gateway API");
    export_by_the_link(workspace);
    let second = "resource \"mesh_eastwest_gateway\" \"second\" {\n  cluster = \"eu\"\n  network = \"eu-net\"\n  name    = \"second-gateway\"\n  label   = \
                  \"eastwestgateway\"\n  values  = var.values.gateway\n}\n";
    let both = "concat(mesh_eastwest_gateway.this[\"eu\"].addresses, mesh_eastwest_gateway.second.addresses)";
    workspace.write("link.tf", &format!("{second}{}", LINK.replace("mesh_eastwest_gateway.this[\"eu\"].addresses", both)));
    workspace.apply();
    workspace.assert_settled();
    let addresses = workspace.state("mesh_link.us_to_eu")["addresses"].clone();
    let addresses: Vec<_> = addresses.as_array().expect("a list").iter().filter_map(|address| address.as_str()).collect();
    assert_eq!(addresses.len(), 2);
    let calls = Calls::start(lab);
    std::thread::sleep(Duration::from_secs(10));
    assert_eq!(calls.failed(), 0);
    let clusters = us.exec("echo", "deploy/client", &["curl", "-s", "localhost:15000/clusters"]).expect("exec").stdout;
    let clusters = String::from_utf8_lossy(&clusters);
    for address in addresses {
        let requests = format!("outbound|80||{HOST}::{address}:15443::rq_total::");
        let count = clusters.lines().find_map(|line| line.strip_prefix(&requests)?.parse::<u32>().ok());
        assert!(count.is_some_and(|count| count > 10), "requests by way of {address}: {count:?}\n{clusters}");
    }

    workspace.write("main.tf", &before);
    workspace.write("link.tf", "");
    workspace.apply();
    remove_gateway_api(us).expect("deleted");
}

fn links(cluster: &Cluster) -> String {
    cluster.kubectl(&["get", "gateways.gateway.networking.k8s.io", "-A", "-o", "name"]).expect("a list").trim().to_owned()
}
