//! What one run plans, and the conflicts that are reported.

use semver::Version;

use super::*;
use crate::mesh::{ExportId, Host, MeshId, Namespace, NetworkName, Revision, Vip, export::ImportId};

fn cluster(key: &str, mesh: &str, network: &str, root: &str) -> PlannedCluster {
    PlannedCluster {
        key: ClusterKey::parse(key).unwrap(),
        mesh_id: MeshId::parse(mesh).unwrap(),
        network: NetworkName::parse(network).ok(),
        trust_domain: TrustDomain::parse("corp.local").ok(),
        accepted_domains: Some(Vec::new()),
        root: match root {
            "" => PlannedRoot::OwnOfIstiod,
            "?" => PlannedRoot::Unknown,
            roots => {
                let mut roots = roots.split(',').map(str::to_owned);
                PlannedRoot::Trusted { signer: roots.next().unwrap(), further: roots.collect() }
            }
        },
        dns_capture: Some(true),
        version: None,
        canary: None,
    }
}

fn gateway(cluster: &str, name: &str, label: &str) -> PlannedGateway {
    let cluster = ClusterKey::parse(cluster).unwrap();
    PlannedGateway {
        cluster,
        name: name.to_owned(),
        label: label.to_owned(),
        revision: None,
        version: None,
        open_namespaces: BTreeSet::new(),
    }
}

fn version(text: &str) -> Option<Version> {
    Version::parse(text).ok()
}

#[test]
fn versions_that_istio_does_not_support_together_are_named() {
    let with = |key: &str, text: &str| PlannedCluster { version: version(text), ..cluster(key, "m", &format!("{key}-net"), "r") };
    let mesh = PlannedMesh::default();
    mesh.add_cluster(with("us", "1.29.3"));
    assert_eq!(summaries(&mesh.add_cluster(with("eu", "1.30.0"))), [""; 0]);
    let warnings = mesh.add_cluster(with("ap", "1.31.0"));
    assert_eq!(summaries(&warnings), ["Clusters of one mesh have versions too far apart"]);
    assert!(warnings[0].detail.contains("and `us` with one that"), "{}", warnings[0].detail);

    let canary = Some((Revision::parse("next").unwrap(), version("1.31.0")));
    mesh.add_cluster(PlannedCluster { canary, ..with("eu", "1.30.0") });
    let added = |text: &str, revision: &str| {
        let gateway = gateway("eu", "istio-system/gateway", "gateway");
        mesh.add_gateway(PlannedGateway { revision: Revision::parse(revision).ok(), version: version(text), ..gateway }).len()
    };
    assert_eq!([added("1.30.1", ""), added("1.29.0", ""), added("", "")], [0, 0, 0]);
    assert_eq!([added("1.31.0", ""), added("1.28.0", "")], [0, 1], "a newer chart, and one that is two minor versions older");
    assert_eq!([added("1.31.0", "next"), added("1.29.0", "next"), added("1.31.0", "tag")], [0, 1, 0]);
}

fn export(exporter: &str, host: &str, importers: &[&str], vip: &str) -> PlannedHost {
    PlannedHost {
        source: Source::Export(ExportId {
            exporter: ClusterKey::parse(exporter).unwrap(),
            namespace: Namespace::parse("echo").unwrap(),
            host: Host::parse(host).unwrap(),
        }),
        importers: importers.iter().map(|key| ClusterKey::parse(key).unwrap()).collect(),
        address: Vip::parse(vip).ok(),
    }
}

fn summaries(warnings: &[Error]) -> Vec<&str> {
    for Error { summary, detail, .. } in warnings {
        assert!(detail.ends_with(&format!(". See \"{summary}\" in the guide Plan warnings.")), "{detail}");
    }
    warnings.iter().map(|warning| warning.summary.as_ref()).collect()
}

#[test]
fn a_consistent_mesh_has_no_warnings() {
    let mesh = PlannedMesh::default();
    for (key, root) in [("us", "?"), ("eu", "r"), ("us", "r")] {
        assert_eq!(summaries(&mesh.add_cluster(cluster(key, "m", &format!("{key}-net"), root))), [""; 0], "{key} {root}");
    }
    assert_eq!(mesh.add_host(export("eu", "a.mesh.local", &["us"], "240.0.0.2")).len(), 0);
    assert_eq!(mesh.add_host(export("eu", "b.mesh.local", &["us"], "240.0.0.3")).len(), 0);
    assert_eq!(mesh.add_host(export("eu", "b.mesh.local", &["us"], "240.0.0.3")).len(), 0, "the same export, planned again");
}

#[test]
fn clusters_on_one_network_are_named() {
    let mesh = PlannedMesh::default();
    mesh.add_cluster(cluster("us", "m", "net", "r"));
    let warnings = mesh.add_cluster(cluster("eu", "m", "net", "r"));
    assert_eq!(summaries(&warnings), ["Clusters share a network"]);
    assert!(warnings[0].detail.contains("Clusters `eu` and `us` of mesh `m`"), "{}", warnings[0].detail);
}

#[test]
fn a_cluster_without_a_ca_is_named_as_soon_as_it_isnt_alone() {
    let mesh = PlannedMesh::default();
    assert_eq!(mesh.add_cluster(cluster("us", "m", "us-net", "")).len(), 0, "a mesh of one cluster needs no `ca`");
    let warnings = mesh.add_cluster(cluster("eu", "m", "eu-net", "?"));
    assert_eq!(summaries(&warnings), ["Cluster without a common root of trust"]);
    assert!(warnings[0].detail.contains("`us` has no `ca`"), "{}", warnings[0].detail);
}

#[test]
fn different_trust_domains_roots_and_mesh_ids_are_reported() {
    let mesh = PlannedMesh::default();
    mesh.add_cluster(cluster("us", "m", "us-net", "r"));
    let other = PlannedCluster { trust_domain: TrustDomain::parse("other.local").ok(), ..cluster("eu", "m", "eu-net", "s") };
    let expected = ["Clusters of one mesh have different trust domains", "Clusters of one mesh have different roots of trust"];
    assert_eq!(summaries(&mesh.add_cluster(other)), expected);
    assert_eq!(summaries(&mesh.add_cluster(cluster("eu", "n", "eu-net", "r"))), ["Clusters have different mesh IDs"]);
    assert_eq!(mesh.add_cluster(cluster("eu", "n", "eu-net", "s")).len(), 0, "two meshes with two roots");
    mesh.add_cluster(cluster("us", "m", "us-net", "r,s"));
    assert_eq!(summaries(&mesh.add_cluster(cluster("eu", "m", "eu-net", "s"))), expected[1..], "only one trusts both");
    assert_eq!(mesh.add_cluster(cluster("eu", "m", "eu-net", "s,r")).len(), 0, "each trusts both");
}

#[test]
fn trust_domains_that_accept_each_other_are_no_conflict() {
    let mesh = PlannedMesh::default();
    let member = |key: &str, accepted: Option<&str>| PlannedCluster {
        trust_domain: TrustDomain::parse(&format!("{key}.local")).ok(),
        accepted_domains: accepted.map(|domain| vec![domain.to_owned()]),
        ..cluster(key, "m", &format!("{key}-net"), "r")
    };
    mesh.add_cluster(member("us", Some("eu.local")));
    assert_eq!(mesh.add_cluster(member("eu", Some("us.local"))).len(), 0);
    assert_eq!(mesh.add_cluster(member("eu", None)).len(), 0, "unknown, as in a first plan");
    assert_eq!(summaries(&mesh.add_cluster(member("eu", Some("ap.local")))), ["Clusters of one mesh have different trust domains"]);
}

#[test]
fn gateways_that_open_each_others_exports_are_reported() {
    let mesh = PlannedMesh::default();
    let added = |cluster: &str, name: &str, label: &str| summaries(&mesh.add_gateway(gateway(cluster, name, label))).join(", ");
    assert_eq!(added("eu", "istio-system/istio-eu", "eu"), "");
    assert_eq!(added("eu", "istio-system/istio-eu", "eu"), "", "the same gateway, planned again");
    assert_eq!(added("us", "istio-system/eu", "eu"), "", "another cluster");
    assert_eq!(added("eu", "gateways/eu", "eu"), "Gateways share a label");
    assert_eq!(added("eu", "gateways/eu", "other"), "");
}

#[test]
fn exports_with_one_host_or_one_address_in_a_cluster_are_reported() {
    let mesh = PlannedMesh::default();
    mesh.add_host(export("eu", "a.mesh.local", &["us"], "240.0.0.2"));
    assert_eq!(summaries(&mesh.add_host(export("asia", "a.mesh.local", &["us"], ""))), ["Host exported twice"]);
    assert_eq!(mesh.add_host(export("asia", "a.mesh.local", &["africa"], "")).len(), 0, "no cluster sees both");
    assert_eq!(summaries(&mesh.add_host(export("eu", "b.mesh.local", &["us"], "240.0.0.2"))), ["Virtual address used twice"]);
    mesh.add_host(export("eu", "c.mesh.local", &["us"], "10.0.0.2"));
    let warnings = mesh.add_host(export("us", "d.mesh.local", &["eu"], "10.0.0.2"));
    assert_eq!(warnings.len(), 0, "no cluster has both hosts at the private address: each exporter has another");
}

#[test]
fn a_host_that_is_planned_again_conflicts_as_it_is_then() {
    let mesh = PlannedMesh::default();
    mesh.add_host(export("eu", "a.mesh.local", &["us"], "240.0.0.2"));
    mesh.add_host(export("eu", "a.mesh.local", &["us"], "240.0.0.3"));
    assert_eq!(mesh.add_host(export("eu", "b.mesh.local", &["us"], "240.0.0.2")).len(), 0, "the address is free again");
    assert_eq!(summaries(&mesh.add_host(export("eu", "b.mesh.local", &["us"], "240.0.0.3"))), ["Virtual address used twice"]);
    mesh.add_host(export("eu", "a.mesh.local", &[], "240.0.0.3"));
    assert_eq!(mesh.add_host(export("eu", "b.mesh.local", &["us"], "240.0.0.4")).len(), 0);
}

fn import(cluster: &str, namespace: &str, host: &str, vip: &str) -> PlannedHost {
    PlannedHost {
        source: Source::Import(ImportId {
            cluster: ClusterKey::parse(cluster).unwrap(),
            namespace: Namespace::parse(namespace).unwrap(),
            host: Host::parse(host).unwrap(),
        }),
        importers: BTreeSet::new(),
        address: Vip::parse(vip).ok(),
    }
}

#[test]
fn an_importer_without_dns_capture_is_named_whichever_is_planned_first() {
    const TITLE: [&str; 1] = ["Importing cluster without DNS capture"];
    let member = |key: &str, dns_capture: Option<bool>| PlannedCluster { dns_capture, ..cluster(key, "m", &format!("{key}-net"), "r") };
    let mesh = PlannedMesh::default();
    mesh.add_cluster(member("us", Some(false)));
    mesh.add_cluster(member("eu", Some(true)));
    let warnings = mesh.add_host(export("eu", "a.mesh.local", &["asia", "us"], "240.0.0.2"));
    assert_eq!(summaries(&warnings), TITLE);
    assert!(
        warnings[0].detail.starts_with("`a.mesh.local` is imported by `us`, and `dns_capture` is false there"),
        "{}",
        warnings[0].detail
    );
    assert_eq!(summaries(&mesh.add_host(import("us", "echo", "b.mesh.local", "240.0.0.3"))), TITLE);
    assert_eq!(mesh.add_host(export("us", "c.mesh.local", &["eu"], "240.0.0.4")).len(), 0, "the exporter doesn't need DNS capture");

    let warnings = mesh.add_cluster(member("us", Some(false)));
    assert_eq!(summaries(&warnings), TITLE);
    assert!(
        warnings[0].detail.starts_with("Cluster `us` imports `a.mesh.local` and 1 more, and `dns_capture` is false"),
        "{}",
        warnings[0].detail
    );
    assert_eq!(mesh.add_cluster(member("us", None)).len(), 0, "unknown");
    assert_eq!(mesh.add_cluster(member("us", Some(true))).len(), 0);
    assert_eq!(mesh.add_host(export("eu", "a.mesh.local", &["us"], "240.0.0.2")).len(), 0);
}

#[test]
fn a_gateway_that_is_open_for_a_namespace_says_for_what() {
    let open_namespaces = ["shop", "bank"].map(|name| Namespace::parse(name).unwrap()).into();
    let warnings = PlannedMesh::default().add_gateway(PlannedGateway { open_namespaces, ..gateway("eu", "istio-system/eu", "eu") });
    assert_eq!(summaries(&warnings), ["Gateway is open for a whole namespace"]);
    let detail = &warnings[0].detail;
    let wanted = "istio-system/eu of cluster `eu` is open for `*.bank.svc.cluster.local`, `*.shop.svc.cluster.local`: ";
    assert!(detail.contains(wanted), "{detail}");
}

#[test]
fn an_import_meets_whatever_else_its_cluster_has_of_the_host_or_at_its_address() {
    let mesh = PlannedMesh::default();
    mesh.add_host(export("eu", "a.mesh.local", &[], "240.0.0.2"));
    assert_eq!(mesh.add_host(import("us", "istio-system", "a.mesh.local", "240.0.0.2")).len(), 0, "an export and its own import");
    let warnings = mesh.add_host(import("us", "echo", "a.mesh.local", "240.0.0.2"));
    assert_eq!(summaries(&warnings), ["Host is known in the cluster already"]);
    assert!(warnings[0].detail.contains("imported by `us` in namespace `istio-system`"), "{}", warnings[0].detail);
    assert_eq!(mesh.add_host(import("asia", "echo", "a.mesh.local", "240.0.0.2")).len(), 0, "another cluster");
    let warnings = mesh.add_host(export("eu", "a.mesh.local", &["asia"], "240.0.0.2"));
    assert_eq!(summaries(&warnings), ["Host is known in the cluster already"], "the export reaches a cluster that imports it by itself");
    assert_eq!(summaries(&mesh.add_host(import("asia", "echo", "b.mesh.local", "240.0.0.2"))), ["Virtual address used twice"; 2]);
}
