//! The pictures of meshes: complete, escaped, bounded, and the same each time.

mod browser;

use serde_json::{Value as Json, json};

use super::*;
use crate::mesh::inventory::fixture::{self, Mesh, inventory, mesh, roots, two_clusters};

fn topology(mesh: &Mesh) -> Topology {
    Topology::of(&inventory(mesh))
}

/// A mesh of many clusters, each of which imports all exports of the others.
fn large(clusters: usize, exports: usize) -> Mesh {
    let keys: Vec<_> = (0..clusters).map(|index| format!("cluster-{index:02}")).collect();
    let hosts: Vec<_> = (0..exports).map(|index| (keys[index % clusters].clone(), format!("service-{index:04}.shop.mesh.local"))).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    mesh(&keys, &hosts.iter().map(|(key, host)| (key.as_str(), host.as_str())).collect::<Vec<_>>())
}

/// Three clusters, of which one is down, one has no istiod, and an import is missing.
fn broken() -> Inventory {
    let hosts =
        [("eu", "echo.eu.mesh.local"), ("eu", "cart.eu.mesh.local"), ("us", "search.us.mesh.local"), ("asia", "pay.asia.mesh.local")];
    let mut mesh = mesh(&["asia", "eu", "us"], &hosts);
    let us = mesh.get_mut("us").unwrap();
    us.entries.retain(|entry| entry["spec"]["hosts"][0] != "cart.eu.mesh.local");
    us.control_planes[0]["status"] = json!({});
    let mut inventory = inventory(&mesh);
    let why = "Can't reach the API server of cluster \"asia\". Connection refused.".to_owned();
    let unread = Unread { why, advice: "Check the address.".to_owned(), is_unknown: false };
    inventory.clusters.insert(ClusterKey::parse("asia").unwrap(), Err(unread));
    inventory
}

#[test]
fn the_json_has_clusters_exports_and_problems() {
    let json: Json = serde_json::from_str(&topology(&two_clusters()).json()).unwrap();
    assert_eq!(json["verdict"], "ok");
    assert_eq!(json["problems"], json!([]));
    assert_eq!(json["clusters"][0]["key"], "eu");
    assert_eq!(json["clusters"][0]["network"], "eu-net");
    assert_eq!(json["clusters"][0]["gateways"][0]["addresses"], json!(["198.51.100.10"]));
    let export = json!({
        "host": "echo.eu.mesh.local", "exporter": "eu", "namespace": "echo", "service": "echo", "ports": ["80/HTTP"], "pods": 1, "ready_pods": 1,
        "severity": "ok", "importers": [{"cluster": "us", "severity": "ok"}],
    });
    assert_eq!(json["exports"], json!([export]));
}

#[test]
fn links_and_discovered_clusters_are_shown_with_their_health() {
    let us = |mesh: &Mesh| {
        let json: Json = serde_json::from_str(&topology(mesh).json()).unwrap();
        (json["clusters"][1]["links"].clone(), json["clusters"][1]["discovers"].clone(), topology(mesh).html())
    };
    let mut mesh = fixture::by_network();
    let (links, discovers, page) = us(&mesh);
    let link = json!({"network": "eu-net", "addresses": ["198.51.100.10"], "port": 15443, "severity": "ok"});
    assert_eq!(links, json!([link]));
    assert_eq!(discovers, json!([{"name": "eu", "expires_at": "2030-01-06T00:00:00Z", "severity": "ok"}]));
    assert!(page.contains("<dt>Link</dt><dd>eu-net by 198.51.100.10 port 15443</dd>"), "{page}");
    assert!(page.contains("<dt>Discovers</dt><dd>eu</dd>"), "{page}");

    let us_objects = mesh.get_mut("us").unwrap();
    us_objects.api_gateways.as_mut().unwrap()[0]["status"] = json!({});
    for page in us_objects.clusters_pages.values_mut().filter_map(|page| page.as_mut().ok()) {
        *page = page.replace("synced", "timeout");
    }
    let (links, discovers, page) = us(&mesh);
    assert_ne!(links[0]["severity"], "ok", "{links}");
    assert_ne!(discovers[0]["severity"], "ok", "{discovers}");
    assert!(page.contains("port 15443 <b class=") && page.contains("<dt>Discovers</dt><dd>eu <b class="), "{page}");
}

#[test]
fn gateways_are_shown_with_their_health() {
    let gateway = |mesh: &Mesh| {
        let json: Json = serde_json::from_str(&topology(mesh).json()).unwrap();
        ["replicas", "ready", "severity"].map(|field| json["clusters"][0]["gateways"][0][field].clone())
    };
    let mut mesh = two_clusters();
    assert_eq!(gateway(&mesh), [json!(1), json!(1), json!("ok")]);
    assert!(!topology(&mesh).html().contains("1 of 1 pods ready <b"), "only a gateway with a problem says how many");
    mesh.get_mut("eu").unwrap().gateway_deployments[0]["status"] = json!({});
    assert_eq!(gateway(&mesh), [json!(1), json!(0), json!("error")]);
    assert!(topology(&mesh).html().contains("198.51.100.10 port 15443, 0 of 1 pods ready <b class=\"error\">error</b>"));
    mesh.get_mut("eu").unwrap().gateway_deployments.clear();
    assert_eq!(gateway(&mesh)[..2], [Json::Null, Json::Null], "a gateway of another chart");
}

#[test]
fn hosts_that_come_from_elsewhere_are_shown() {
    let mut mesh = two_clusters();
    assert!(topology(&mesh).imports.is_empty(), "an export that is drawn has its importers");
    mesh.remove("eu");
    let of_export = topology(&mesh).imports;
    assert_eq!((of_export[0].exporter.as_deref(), of_export[0].origin().as_str()), (Some("eu"), "cluster eu, 198.51.100.10"));

    fixture::import(mesh.get_mut("us").unwrap());
    let topology = topology(&mesh);
    let json: Json = serde_json::from_str(&topology.json()).unwrap();
    let import = json!({
        "host": "echo.eu.mesh.local", "cluster": "us", "exporter": null, "network": null, "addresses": ["198.51.100.10"], "severity": "ok",
    });
    assert_eq!(json["imports"], json!([import]));
    let page = topology.html();
    let row = "<tr><td><code>echo.eu.mesh.local</code></td><td class=\"ok\">us</td><td>198.51.100.10</td></tr>";
    assert!(page.contains("Hosts imported from elsewhere") && page.contains(row), "{page}");
    let node = "<g class=\"node elsewhere\"><title>Imported from clusters that are not shown here: ok</title>";
    let arrow = "<g class=\"calls ok\"><title>us calls 1 host of clusters that are not shown: ok</title>";
    assert!(page.contains(node) && page.contains(arrow), "{page}");
    assert!(topology.mermaid().contains("  elsewhere[\"elsewhere\"]:::note\n  c0 -->|\"1 host\"| elsewhere\n"), "{}", topology.mermaid());

    let us = mesh.get_mut("us").unwrap();
    us.entries[0]["spec"]["endpoints"] = json!([{"network": "eu-net"}]);
    let by_network = Topology::of(&inventory(&mesh)).imports;
    assert_eq!(by_network[0].origin(), "network eu-net");
}

#[test]
fn calls_between_clusters_without_a_common_root_fail() {
    let mut mesh = two_clusters();
    mesh.get_mut("us").unwrap().roots = vec![roots("fedcba9876543210")];
    let topology = topology(&mesh);
    assert_eq!(topology.exports[0].importers[0].severity, Severity::Error);
    assert_eq!(topology.exports[0].severity, Severity::Ok, "a cluster with the exporter's root could call it");
}

#[test]
fn calls_from_a_cluster_whose_imports_cant_be_read_are_unknown() {
    let mut mesh = two_clusters();
    let us = mesh.get_mut("us").unwrap();
    us.entries.clear();
    us.unread.insert("serviceentries".to_owned(), "Forbidden".to_owned());
    assert_eq!(topology(&mesh).exports[0].importers[0].severity, Severity::Unknown);
}

#[test]
fn what_cant_be_read_is_unknown_and_not_zero() {
    let counts = |json: &Json| ["istiod_replicas", "istiod_ready", "sidecars"].map(|field| json["clusters"][1][field].clone());
    let mut mesh = two_clusters();
    let us = mesh.get_mut("us").unwrap();
    us.control_planes.clear();
    us.sidecars.clear();
    let missing = topology(&mesh);
    assert_eq!(counts(&serde_json::from_str(&missing.json()).unwrap()), [json!(0), json!(0), json!(0)]);
    for what in ["deployments", "pods"] {
        mesh.get_mut("us").unwrap().unread.insert(what.to_owned(), "Forbidden".to_owned());
    }
    let unread = topology(&mesh);
    assert_eq!(counts(&serde_json::from_str(&unread.json()).unwrap()), [Json::Null, Json::Null, Json::Null]);
    let page = unread.html();
    assert!(page.contains("<dt>istiod</dt><dd>unknown</dd>") && page.contains("<dt>Sidecars</dt><dd>unknown</dd>"), "{page}");
}

#[test]
fn a_mesh_with_a_cluster_down_is_drawn() {
    let topology = Topology::of(&broken());
    assert_eq!(topology.verdict, Severity::Error);
    let asia = &topology.clusters[0];
    assert!(asia.unreachable.as_ref().is_some_and(|why| why.contains("refused")), "{asia:?}");
    let cart = topology.exports.iter().find(|export| export.host.starts_with("cart")).unwrap();
    let of_cart: Vec<_> = cart.importers.iter().map(|importer| (importer.cluster.as_str(), importer.severity)).collect();
    assert_eq!(of_cart, [("asia", Severity::Unknown), ("us", Severity::Error)]);
    let page = topology.html();
    assert!(!page.contains("node elsewhere"), "what a cluster imports from one that can't be read leads there");
    assert!(page.contains("<title>us calls 1 host of asia: unknown</title>"), "{page}");
    for part in ["can't be read", "Connection refused", "istiod.ready", "2×"] {
        assert!(page.contains(part), "{part} is missing:\n{page}");
    }
    let chart = topology.mermaid();
    assert!(chart.contains("c2 -.->|\"2 hosts\"| c1"), "{chart}");
}

#[test]
fn the_same_mesh_gives_the_same_bytes() {
    let (one, other) = (topology(&large(10, 100)), topology(&large(10, 100)));
    assert_eq!(one.html(), other.html());
    assert_eq!(one.json(), other.json());
    assert_eq!(one.mermaid(), other.mermaid());
}

#[test]
fn pages_stay_small() {
    for (clusters, exports, most) in [(2, 1, 30_000), (10, 100, 200_000), (50, 1000, 800_000)] {
        let page = topology(&large(clusters, exports)).html();
        println!("{clusters} clusters, {exports} exports: {} bytes", page.len());
        assert!(page.len() < most, "{} bytes for {clusters} clusters and {exports} exports", page.len());
        assert_eq!(page.matches("<svg").count(), usize::from(clusters <= map::MOST_CLUSTERS));
        assert_eq!(page.matches("<tr>").count(), 1 + clusters + 1 + exports, "a row for each cluster and each host");
    }
}

#[test]
fn what_is_not_drawn_is_said() {
    let chart = topology(&large(40, 100)).mermaid();
    assert!(chart.contains("not drawn: 10 clusters, "), "{chart}");
    assert!(chart.lines().count() < 30 + 120 + 10, "{} lines", chart.lines().count());
    assert!(!topology(&two_clusters()).mermaid().contains("not drawn"));
}

/// A name that tries to be more than text.
const HOSTILE: &str = "\"]</style><script>alert(1)</script><img src=x onerror=alert(2)>'`&";

#[test]
fn whatever_a_cluster_holds_is_escaped() {
    let mut mesh = two_clusters();
    let us = mesh.get_mut("us").unwrap();
    us.namespaces[0]["metadata"]["labels"]["topology.istio.io/network"] = json!(HOSTILE);
    us.gateway_services[0]["metadata"]["labels"]["topology.istio.io/network"] = json!(HOSTILE);
    us.gateway_services[0]["metadata"]["name"] = json!(HOSTILE);
    us.mesh_configs[0]["data"]["mesh"] = json!(json!({"trustDomain": HOSTILE, "defaultConfig": {"meshId": HOSTILE}}).to_string());
    us.injectors[0]["metadata"]["name"] = json!(HOSTILE);
    us.injectors[0]["webhooks"][0]["clientConfig"]["caBundle"] = json!("");
    let topology = topology(&mesh);
    let page = topology.html();
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "the test shows it");
    for part in ["<script>alert", "<img", "</style><script"] {
        assert_eq!(page.matches(part).count(), 0, "{part}");
    }
    assert_eq!(page.matches("<script>").count(), 1, "only our own");
    let chart = topology.mermaid();
    assert!(!chart.contains("<script") && !chart.contains("<img") && chart.contains("#60;script"), "{chart}");
}
